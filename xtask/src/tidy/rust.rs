//! Checks of Rust sources, by a lexer that knows comments, strings and braces and nothing else.

use regex::Regex;

use super::{SYNC_CRATES, expect_none, is_test_file, rust_files};

const FUNCTION_LINES_LIMIT: usize = 70;
const FILE_LINES_LIMIT: usize = 1000;
const ROOT_ITEMS_LIMIT: usize = 20;
/// Words that look like a metric's name: a key of the configuration, a label, a label's value.
const NO_METRICS: &[&str] = &[
    "accelerator_libraries",
    "accelerator_memory", // a signal of the baselines
    "DCGM_FI_DRIVER_VERSION",
    "node_reboot",
];
const ALLOWED_LONG_FILES: &str = include_str!("../../tidy.allow");

/// The source with the insides of comments, strings and characters blanked out, and the strings with
/// their line numbers. Lines stay where they are.
struct Source {
    code: String,
    strings: Vec<(usize, String)>,
}

impl Source {
    fn read(text: &str) -> Self {
        // A raw string may contain quotes; a lifetime is not an unfinished character.
        let token = Regex::new(
            r##"(?sx)
            (?P<comment> //[^\n]* | /\*.*?\*/ )
            | (?P<raw> \b[bc]?r\#\#".*?"\#\# | \b[bc]?r\#".*?"\# | \b[bc]?r"[^"]*" )
            | (?P<string> "(?:[^"\\]|\\.)*" )
            | (?P<char> '(?:[^'\\\n]|\\(?:[^u]|u\{[0-9a-fA-F]+\}))' | '\\x[0-9a-fA-F]{2}' )
            "##,
        )
        .expect("invariant: a valid pattern");
        let mut code = String::with_capacity(text.len());
        let mut strings = Vec::new();
        let mut end = 0;
        for found in token.captures_iter(text) {
            let whole = found.get(0).expect("invariant: group 0 is the match");
            code.push_str(text.get(end..whole.start()).unwrap_or_default());
            let line = code.matches('\n').count() + 1;
            if found.name("raw").is_some() || found.name("string").is_some() {
                let inside = whole.as_str().trim_start_matches(['b', 'c', 'r', '#']);
                strings.push((line, inside.trim_matches(['"', '#']).to_owned()));
                code.push('"');
            }
            code.extend(whole.as_str().chars().filter(|character| *character == '\n'));
            end = whole.end();
        }
        code.push_str(text.get(end..).unwrap_or_default());
        Self { code, strings }
    }
}

/// The lines before the tests.
fn production(text: &str) -> &str {
    let tests =
        Regex::new(r"(?m)^#\[cfg\(test\)\]\n(?:#\[.*\]\n)*(?:pub(?:\([a-z]+\))? )?mod \w+ *\{")
            .expect("invariant: a valid pattern");
    let end = tests.find(text).map_or(text.len(), |found| found.start());
    text.get(..end).unwrap_or(text)
}

/// Functions with too many lines of code. Blank lines and comments do not count, as in clippy's lint,
/// whose `expect` is the exception here too.
fn long_functions(name: &str, text: &str) -> Vec<String> {
    let code = Source::read(text).code;
    let lines: Vec<&str> = code.lines().collect();
    let head = Regex::new(r"\bfn (\w+)").expect("invariant: a valid pattern");
    let mut complaints = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(found) = head.captures(line) else { continue };
        let count = body_lines(&lines[index..]);
        let attributes = lines[..index].iter().rev().take_while(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#') || line.ends_with([']', ','])
        });
        let excused =
            attributes.into_iter().any(|line| line.contains("expect(clippy::too_many_lines"));
        if count > FUNCTION_LINES_LIMIT && !excused {
            complaints.push(format!("{name}:{}: `{}` has {count} lines", index + 1, &found[1]));
        }
    }
    complaints
}

/// Lines of code between the braces of the function that starts on the first line.
fn body_lines(lines: &[&str]) -> usize {
    let mut depth = 0;
    let mut count = 0;
    for line in lines {
        let inside = depth > 0;
        for character in line.chars() {
            match character {
                '{' => depth += 1,
                '}' if depth == 1 => return count,
                '}' => depth -= 1,
                ';' if depth == 0 && !line.contains('[') => return 0, // a declaration
                _ => {}
            }
        }
        if inside && !line.trim().is_empty() {
            count += 1;
        }
    }
    count
}

fn long_file(name: &str, text: &str, allowed: &str) -> Option<String> {
    let lines = production(text).lines().count();
    let excused = allowed.lines().any(|line| {
        let mut words = line.splitn(2, char::is_whitespace);
        words.next() == Some(name) && words.next().is_some_and(|reason| !reason.trim().is_empty())
    });
    let long = lines > FILE_LINES_LIMIT && !excused && !is_test_file(name);
    long.then(|| format!("{name}: {lines} lines; split it or say why not in xtask/tidy.allow"))
}

/// How many names a crate root makes public.
fn root_items(text: &str) -> usize {
    let code = Source::read(production(text)).code;
    let item = Regex::new(r"(?m)^pub (use [^;]*;|\w+)").expect("invariant: a valid pattern");
    let mut count = 0;
    for found in item.captures_iter(&code) {
        let item = &found[1];
        let names = match item.split_once('{') {
            Some((_, list)) if item.starts_with("use ") => {
                list.split(['{', ',', '}', ';']).filter(|name| !name.trim().is_empty()).count()
            }
            _ => 1,
        };
        count += names;
    }
    count
}

fn undocumented_bounds(name: &str, text: &str) -> Vec<String> {
    let text = production(text);
    let bound = Regex::new(r"^\s*(?:pub(?:\([a-z]+\))? )?const \w+(?:_MAX|_CAPACITY):")
        .expect("invariant: a valid pattern");
    let mut complaints = Vec::new();
    let mut documented = false;
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        if bound.is_match(line) && !documented {
            complaints.push(format!(
                "{name}:{}: a bound needs a doc comment: what happens at it?",
                index + 1
            ));
        }
        documented = start.starts_with("///") || (documented && start.starts_with("#["));
    }
    complaints
}

/// Strings that are whole metric names; names belong to the catalogue.
fn raw_metric_names(name: &str, text: &str) -> Vec<String> {
    let metric = Regex::new(r"^(?:node|llm|accelerator|modelwatch|DCGM)_[a-zA-Z0-9_*]+$")
        .expect("invariant: a valid pattern");
    let strings = Source::read(production(text)).strings;
    let is_raw = |string: &str| metric.is_match(string) && !NO_METRICS.contains(&string);
    let raw = strings.iter().filter(|(_, string)| is_raw(string));
    raw.map(|(line, string)| format!("{name}:{line}: take \"{string}\" from model::catalogue"))
        .collect()
}

fn asynchronous(name: &str, text: &str) -> Vec<String> {
    let word = Regex::new(r"\basync\b|\.await\b|\btokio\b").expect("invariant: a valid pattern");
    let code = Source::read(text).code;
    let lines = code.lines().enumerate().filter(|(_, line)| word.is_match(line));
    lines.map(|(index, _)| format!("{name}:{}: this crate is synchronous", index + 1)).collect()
}

#[test]
fn functions_are_short() {
    let complaints: Vec<String> =
        rust_files().flat_map(|(name, text)| long_functions(&name, &text)).collect();
    expect_none(&complaints);
}

#[test]
fn long_functions_are_caught() {
    let line = "    call(\"}\"); // }\n";
    let body = |lines: usize| format!("fn long(x: [u8; 4])\nwhere\n{{\n{}}}\n", line.repeat(lines));
    assert_eq!(long_functions("a.rs", &body(70)), Vec::<String>::new());
    assert_eq!(long_functions("a.rs", &body(71)), ["a.rs:1: `long` has 71 lines"]);
    let excused = format!("#[expect(clippy::too_many_lines, reason = \"a table\")]\n{}", body(71));
    assert_eq!(long_functions("a.rs", &excused), Vec::<String>::new());
    let method = format!("impl A {{\n    fn a(&self) -> &'static str;\n    {}}}\n", body(80));
    assert_eq!(long_functions("a.rs", &method).len(), 1);
}

#[test]
fn files_are_short() {
    let complaints: Vec<String> = rust_files()
        .filter_map(|(name, text)| long_file(&name, &text, ALLOWED_LONG_FILES))
        .collect();
    expect_none(&complaints);
}

#[test]
fn long_files_are_caught() {
    let long = "x\n".repeat(1001);
    assert!(long_file("a.rs", &long, "").is_some());
    assert!(long_file("a.rs", &long, "a.rs\n").is_some(), "an entry needs a reason");
    assert!(long_file("a.rs", &long, "a.rs a flat table\n").is_none());
    let tests = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert!(long_file("a.rs", &tests, "").is_none());
}

#[test]
fn crate_roots_are_small() {
    let mut complaints = Vec::new();
    for (name, text) in rust_files().filter(|(name, _)| name.ends_with("src/lib.rs")) {
        let count = root_items(&text);
        if count > ROOT_ITEMS_LIMIT {
            complaints.push(format!("{name}: {count} public names at the root of a crate"));
        }
    }
    expect_none(&complaints);
}

#[test]
fn root_items_are_counted() {
    assert_eq!(
        root_items(
            "pub mod a;\nmod b;\npub use b::{C, d::{E, F},\n  G};\npub fn h() {\n    pub fn no() {}\n}\n"
        ),
        7
    );
    assert_eq!(root_items("// pub mod a;\npub use a::B;\npub(crate) fn c() {}\n"), 1);
}

#[test]
fn bounds_are_documented() {
    let ours = rust_files().filter(|(name, _)| !is_test_file(name));
    let complaints: Vec<String> =
        ours.flat_map(|(name, text)| undocumented_bounds(&name, &text)).collect();
    expect_none(&complaints);
}

#[test]
fn undocumented_bounds_are_caught() {
    let good = "/// At most so many; more are refused.\n#[rustfmt::skip]\npub(crate) const ITEMS_MAX: usize = 1;\n";
    assert_eq!(undocumented_bounds("a.rs", good), Vec::<String>::new());
    let bad = "/// Another.\nconst A: u8 = 1;\nconst QUEUE_CAPACITY: usize = 1;\n";
    assert_eq!(undocumented_bounds("a.rs", bad).len(), 1);
}

#[test]
fn metric_names_come_from_the_catalogue() {
    let ours = rust_files().filter(|(name, _)| {
        name.starts_with("crates/")
            && !name.starts_with("crates/model/src/catalogue/")
            && !is_test_file(name)
    });
    let complaints: Vec<String> =
        ours.flat_map(|(name, text)| raw_metric_names(&name, &text)).collect();
    expect_none(&complaints);
}

#[test]
fn raw_metric_names_are_caught() {
    let complaints = raw_metric_names(
        "a.rs",
        "// \"node_load1\"\nlet a = r\"llm_slots\";\nlet b = \"node_load1\";\nlet c = \"a node_load1\";\n",
    );
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[1].starts_with("a.rs:3: "));
    assert!(
        raw_metric_names("a.rs", "#[cfg(test)]\nmod tests {\n const A: &str = \"node_load1\"; }")
            .is_empty()
    );
}

#[test]
fn the_core_is_synchronous() {
    let mut complaints = Vec::new();
    for (name, text) in rust_files() {
        if SYNC_CRATES.iter().any(|krate| name.starts_with(&format!("crates/{krate}/"))) {
            complaints.extend(asynchronous(&name, &text));
        }
    }
    expect_none(&complaints);
}

#[test]
fn asynchronous_code_is_caught() {
    assert_eq!(
        asynchronous("a.rs", "async fn a() {\n    b.await;\n}\nuse tokio::sync;\n").len(),
        3
    );
    assert!(asynchronous("a.rs", "// async\nlet a = \"tokio\"; // .await\n").is_empty());
}

#[test]
fn strings_and_comments_are_told_from_code() {
    let source =
        Source::read("a('\"', '\\'', \"x\\\"{\", r#\"y\"{\"#); /* { */ b::<'a>('{'); // {\nc{}");
    assert!(!source.code.lines().next().unwrap().contains('{'), "{}", source.code);
    assert_eq!(source.strings, [(1, "x\\\"{".to_owned()), (1, "y\"{".to_owned())]);
    assert!(source.code.ends_with("\nc{}"));
}
