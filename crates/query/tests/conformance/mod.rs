//! Prometheus' own conformance scripts, where they are there.
//!
//! Every evaluation must give the expected result unless `known_failures.txt` names it by file and line,
//! with a reason; one that is named and passes is a failure too, so the list can only shrink.

use std::{collections::BTreeMap, fs, path::Path};

use query::Settings;

use crate::script::{self, Outcome};

/// How many evaluations each script has, so that none is skipped by mistake.
const FILES: &[(&str, usize)] = &[
    ("aggregators", 160),
    ("collision", 2),
    ("functions", 431),
    ("histograms", 185),
    ("literals", 25),
    ("name_label_dropping", 30),
    ("native_histograms", 522),
    ("operators", 214),
    ("range_queries", 18),
    ("selectors", 31),
    ("staleness", 17),
];

/// The settings that the scripts assume.
pub(crate) fn settings() -> Settings {
    Settings { delays_name_removal: true, ..Settings::default() }
}

#[test]
fn conformance_scripts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scripts = root.join("../../../shared/data/promql");
    if !scripts.exists() {
        #[expect(clippy::print_stderr, reason = "a skip says so")]
        {
            eprintln!("skipped: the conformance scripts are not there");
        }
        return;
    }
    let known = fs::read_to_string(root.join("tests/known_failures.txt")).unwrap();
    let known = known_failures(&known).unwrap();
    let mut failed = BTreeMap::new();
    for (name, count) in FILES {
        let text = fs::read_to_string(scripts.join(format!("{name}.test"))).unwrap();
        let outcomes = script::run(&text, &settings()).unwrap();
        assert_eq!(outcomes.len(), *count, "evaluations in {name}");
        for Outcome { line, query, problem } in outcomes {
            if let Some(problem) = problem {
                failed.insert((*name, line), format!("{name}:{line}\t{query}\t{problem}\n"));
            }
        }
    }
    report(&failed, &known);
    let new: String = failed
        .iter()
        .filter(|(place, _)| !known.contains_key(place))
        .map(|(_, text)| text.as_str())
        .collect();
    let fixed: Vec<_> = known.keys().filter(|place| !failed.contains_key(place)).collect();
    assert!(new.is_empty() && fixed.is_empty(), "fail anew:\n{new}no longer fail: {fixed:?}");
}

/// Lines `FILE:LINE REASON`, and comments. An error is a line that is neither.
fn known_failures(text: &str) -> Result<BTreeMap<(&str, usize), &str>, &str> {
    let entry = |line| {
        let (place, reason) = str::split_once(line, ' ')?;
        let (file, number) = place.split_once(':')?;
        let reason = Some(reason.trim()).filter(|reason| !reason.is_empty())?;
        Some(((file, number.parse().ok()?), reason))
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| entry(line).ok_or(line)).collect()
}

/// Where `PROMQLTEST_DETAILS` names a folder, writes there what failed, and the list of known failures as
/// it should be, with the reasons that it has.
fn report(failed: &BTreeMap<(&str, usize), String>, known: &BTreeMap<(&str, usize), &str>) {
    let Some(folder) = std::env::var_os("PROMQLTEST_DETAILS") else { return };
    let list = failed.keys().map(|place| {
        let reason = known.get(place).unwrap_or(&"not understood yet");
        format!("{}:{} {reason}\n", place.0, place.1)
    });
    let details: String = failed.values().map(String::as_str).collect();
    fs::write(Path::new(&folder).join("details.tsv"), details).unwrap();
    fs::write(Path::new(&folder).join("known_failures.txt"), list.collect::<String>()).unwrap();
}

#[test]
fn a_known_failure_has_a_reason() {
    let expected = BTreeMap::from([(("a", 1), "it is hard")]);
    assert_eq!(known_failures("# why\na:1 it is hard\n"), Ok(expected));
    for bad in ["a:1", "a:1 ", "a 1 b", "a:b c", ""] {
        assert_eq!(known_failures(&format!("{bad}\n")), Err(bad));
    }
}
