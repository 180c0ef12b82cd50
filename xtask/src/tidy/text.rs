//! Checks of any text: words, spaces, links, addresses of somebody's machine.

use std::path::Path;

use model::catalogue::{self, Kind};
use regex::Regex;

use super::{expect_none, files, is_test_file};

const TEXT_EXTENSIONS: &[&str] =
    &["css", "html", "js", "json", "md", "mjs", "rs", "sh", "svelte", "toml", "ts", "yaml", "yml"];

// Put together here, so that this file may pass its own checks.
const UNFINISHED: &str = concat!(r"\b(?:FIX", "ME|TO", "DO|XX", r"X)\b");
const MACHINE: &str = concat!(
    r"(?:^|[^\w.$}-])/(?:ro",
    "ot|wo",
    r"rk)/|/ho",
    r"me/[a-z]|artifac",
    "tory|index\\.crat",
    "es\\.io|registry\\.npm",
    "js",
);

fn is_text(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| TEXT_EXTENSIONS.contains(&extension)) || name == ".ci/run"
}

/// Our own prose and code: no fixtures, no lock files.
fn own_texts() -> Vec<(String, String)> {
    let ours = |name: &str| {
        let data =
            ["fixtures", "testdata"].iter().any(|folder| name.contains(&format!("/{folder}/")));
        is_text(name) && !data && !name.ends_with("package-lock.json")
    };
    files().into_iter().filter(|(name, _)| ours(name)).collect()
}

/// One complaint for each line that matches.
fn lines_that_match(name: &str, text: &str, pattern: &str, complaint: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).expect("invariant: a valid pattern");
    let lines = text.split('\n').enumerate().filter(|(_, line)| pattern.is_match(line));
    lines.map(|(index, _)| format!("{name}:{}: {complaint}", index + 1)).collect()
}

fn unfinished(name: &str, text: &str) -> Vec<String> {
    lines_that_match(name, text, UNFINISHED, "a note to oneself: do it, or open an issue")
}

fn untidy_space(name: &str, text: &str) -> Vec<String> {
    let mut complaints =
        lines_that_match(name, text, r"[ \t\r]$|\t", "a tab or a space at the end");
    if !text.is_empty() && !text.ends_with('\n') {
        complaints.push(format!("{name}: no newline at the end"));
    }
    complaints
}

fn machine_addresses(name: &str, text: &str) -> Vec<String> {
    lines_that_match(name, text, MACHINE, "a path or a host that only one machine has")
}

/// Lock files must name no place from which one machine once took packages.
fn lock_addresses(name: &str, text: &str) -> Vec<String> {
    let public = "registry+https://github.com/rust-lang/crates.io-index";
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let bad = line.starts_with("\"resolved\":")
            || line
                .strip_prefix("source = ")
                .is_some_and(|source| source.trim_matches('"') != public);
        if bad {
            complaints.push(format!("{name}:{}: names a place: {line}", index + 1));
        }
    }
    complaints
}

/// Links to files that `exists` does not know. `name` is the file that has the links.
fn broken_links(name: &str, text: &str, exists: &dyn Fn(&Path) -> bool) -> Vec<String> {
    let link = Regex::new(r#"\]\(([^()\s]+)\)|(?:src|href)="([^"]+)""#)
        .expect("invariant: a valid pattern");
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    let mut complaints = Vec::new();
    for found in link.captures_iter(text) {
        let target = found.get(1).or(found.get(2)).map_or("", |target| target.as_str());
        let target = target.split('#').next().unwrap_or_default();
        let elsewhere = target.contains("://") || target.starts_with("mailto:");
        if !target.is_empty() && !elsewhere && !exists(&folder.join(target)) {
            complaints.push(format!("{name}: broken link {target}"));
        }
    }
    complaints
}

/// Metric names in the page's panels that nobody makes.
fn unknown_metrics(name: &str, text: &str) -> Vec<String> {
    let metric = Regex::new(r"\b(?:node|llm|accelerator|modelwatch)_[a-zA-Z0-9_]+")
        .expect("invariant: a valid pattern");
    let known = |metric: &str| {
        let parts =
            ["_bucket", "_sum", "_count"].iter().filter_map(|part| metric.strip_suffix(part));
        let mut histograms = parts.filter_map(catalogue::find);
        catalogue::find(metric).is_some() || histograms.any(|metric| metric.kind == Kind::Histogram)
    };
    let unknown = metric.find_iter(text).filter(|found| !known(found.as_str()));
    unknown.map(|found| format!("{name}: the catalogue has no {}", found.as_str())).collect()
}

fn inline_styles(name: &str, text: &str) -> Vec<String> {
    lines_that_match(
        name,
        text,
        r#"\bstyle=["'{]"#,
        "an inline style: the page's content policy refuses it",
    )
}

#[track_caller]
fn check_all(check: impl Fn(&str, &str) -> Vec<String>, wanted: impl Fn(&str) -> bool) {
    let ours = own_texts();
    let complaints: Vec<String> = ours
        .iter()
        .filter(|(name, _)| wanted(name))
        .flat_map(|(name, text)| check(name, text))
        .collect();
    expect_none(&complaints);
}

#[test]
fn nothing_is_left_unfinished() {
    check_all(unfinished, |_| true);
}

#[test]
fn spaces_are_tidy() {
    // What programs must read however untidy it is has to stay so.
    check_all(untidy_space, |name| !name.contains("/tests/agreement/"));
}

#[test]
fn no_machine_is_named() {
    check_all(machine_addresses, |_| true);
    for (name, text) in files() {
        if name.ends_with("package-lock.json") || name.ends_with("Cargo.lock") {
            expect_none(&lock_addresses(&name, &text));
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let exists = |path: &Path| crate::root().join(path).exists();
    check_all(|name, text| broken_links(name, text, &exists), |name| name.ends_with(".md"));
}

#[test]
fn the_page_shows_metrics_that_exist() {
    check_all(unknown_metrics, |name| name == "ui/src/lib/panels.ts");
}

#[test]
fn the_page_has_no_inline_styles() {
    check_all(inline_styles, |name| name.starts_with("ui/src/") && !is_test_file(name));
}

#[test]
fn each_check_of_text_catches_its_prey() {
    assert_eq!(unfinished("a", concat!("x\n// TO", "DO: y\nTODOS")).len(), 1);
    assert_eq!(
        untidy_space("a", "x \n\ty\nz"),
        [
            "a:1: a tab or a space at the end",
            "a:2: a tab or a space at the end",
            "a: no newline at the end"
        ]
    );
    assert_eq!(
        machine_addresses(
            "a",
            concat!("see /wo", "rk/main and \"/ho", "me/me/x\", not ~/x or a/wo", "rk/b")
        )
        .len(),
        1
    );
    assert_eq!(
        machine_addresses("a", concat!("cp /ro", "ot/x\nhttps://registry.npm", "js.org")).len(),
        2
    );
    assert!(machine_addresses("a", "\"/home\", $HOME/work/x, ${ROOT}/root/x").is_empty());
    assert_eq!(
        lock_addresses("a", "  \"resolved\": \"https://x\",\n  \"integrity\": \"y\"").len(),
        1
    );
    assert_eq!(lock_addresses("a", "source = \"registry+https://elsewhere\"").len(), 1);
    let nothing = |_: &Path| false;
    let links = "[a](b.md#c) [d](https://e) [f](#g) <img src=\"h.png\">";
    assert_eq!(broken_links("docs/x.md", links, &nothing).len(), 2);
    assert!(
        broken_links("docs/x.md", "[a](../b.md)", &|path| path == Path::new("docs/../b.md"))
            .is_empty()
    );
    let panels = "rate(llm_time_to_first_token_seconds_bucket[1m]) + node_load1 + llm_slots_sum + node_laod1";
    assert_eq!(
        unknown_metrics("p", panels),
        ["p: the catalogue has no llm_slots_sum", "p: the catalogue has no node_laod1"]
    );
    assert_eq!(inline_styles("a", "<p style=\"x\">\n<p class=\"style\">\n<p style={x}>").len(), 2);
}
