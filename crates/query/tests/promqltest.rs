//! Prometheus' own conformance scripts, where they are there.
//!
//! Every evaluation must give the expected result unless `known_failures.txt` names it by file and line;
//! one that is named and passes is a failure too, so the list can only shrink.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test may")]

mod script;

use std::{collections::BTreeSet, fs, path::Path};

use script::Outcome;

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
    let known: BTreeSet<&str> = known.lines().filter(|line| !line.starts_with('#')).collect();
    let mut failed = BTreeSet::new();
    let mut details = String::new();
    for (name, count) in FILES {
        let text = fs::read_to_string(scripts.join(format!("{name}.test"))).unwrap();
        let outcomes = script::run(&text);
        assert_eq!(outcomes.len(), *count, "evaluations in {name}");
        for Outcome { line, query, problem } in outcomes {
            if let Some(problem) = problem {
                let place = format!("{name}:{line}");
                details.push_str(&format!("{place} {query}: {problem}\n"));
                failed.insert(place);
            }
        }
    }
    if std::env::var_os("PROMQLTEST_DETAILS").is_some() {
        let text: String = failed.iter().map(|place| format!("{place}\n")).collect();
        fs::write(std::env::temp_dir().join("promqltest_failures.txt"), text).unwrap();
        fs::write(std::env::temp_dir().join("promqltest_details.txt"), details).unwrap();
    }
    let failed: BTreeSet<&str> = failed.iter().map(String::as_str).collect();
    let new: Vec<_> = failed.difference(&known).collect();
    let fixed: Vec<_> = known.difference(&failed).collect();
    assert!(new.is_empty() && fixed.is_empty(), "fail anew: {new:?}; no longer fail: {fixed:?}");
}
