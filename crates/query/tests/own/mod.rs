//! The project's own scripts: the whole language, in words of ours. They run everywhere.

use std::{fs, path::PathBuf};

use query::Settings;
use regex::Regex;

use crate::script::{self, Outcome};

/// The one script that shows what Prometheus does unless told otherwise: names of metrics go at once.
const AT_ONCE: &str = "names_dropped_at_once";

/// Each script by its name.
fn scripts() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut scripts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        scripts.push((name, fs::read_to_string(path).unwrap()));
    }
    scripts.sort();
    scripts
}

#[test]
fn own_scripts() {
    let mut problems = Vec::new();
    for (name, text) in scripts() {
        let settings = Settings { delays_name_removal: name != AT_ONCE, ..Settings::default() };
        let outcomes =
            script::run(&text, &settings).unwrap_or_else(|error| panic!("{name}: {error}"));
        let evals = text.lines().filter(|line| line.trim_start().starts_with("eval")).count();
        assert!(evals > 0 && outcomes.len() == evals, "evaluations in {name}");
        for Outcome { line, query, problem } in outcomes {
            if let Some(problem) = problem {
                problems.push(format!("{name}:{line}\t{query}\t{problem}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
}

const AGGREGATIONS: &[&str] = &[
    "sum",
    "avg",
    "count",
    "min",
    "max",
    "group",
    "stddev",
    "stdvar",
    "topk",
    "bottomk",
    "count_values",
    "quantile",
    "limitk",
    "limit_ratio",
];

/// Operators, which stand between two operands.
const OPERATORS: &[&str] = &[
    r"\+", "-", r"\*", "/", "%", r"\^", "atan2", "==", "!=", ">", "<", ">=", "<=", "</", ">/",
    "and", "or", "unless", "== bool",
];

/// Everything else that changes what an operand or an operator means.
const MODIFIERS: &[&str] = &[
    r" on ?\(",
    r" ignoring ?\(",
    r"\) group_left[ (]",
    r"\) group_right[ (]",
    r" by ?\(",
    r" without ?\(",
    r" fill\(",
    r" fill_left\(",
    r" fill_right\(",
    " offset [0-9]",
    " offset -[0-9]",
    r" offset \(",
    " @ [0-9]",
    r" @ start\(\)",
    r" @ end\(\)",
    r"\] anchored\)",
    r"\] smoothed\)",
    r"\[[0-9]+[smh]:[0-9]*[smh]?\]",
];

/// The queries of all scripts but the one of mistakes.
fn queries() -> String {
    let scripts = scripts().into_iter().filter(|(name, _)| name != "errors");
    let texts: Vec<String> = scripts.map(|(_, text)| text).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    let evals = lines.filter(|line| line.starts_with("eval"));
    evals.map(|line| format!("{line}\n")).collect()
}

/// The patterns that match nowhere in `queries`.
fn missing(queries: &str, patterns: impl Iterator<Item = String>) -> Vec<String> {
    let is_missing = |pattern: &String| !Regex::new(pattern).unwrap().is_match(queries);
    patterns.filter(is_missing).collect()
}

#[test]
fn the_scripts_cover_the_language() {
    let queries = queries();
    let functions: Vec<&str> = query::function_names().collect();
    assert!(functions.len() >= 90, "{functions:?}");
    let called = |name: &&str| format!(r"\b{name}\(");
    assert_eq!(missing(&queries, functions.iter().map(called)), Vec::<String>::new());
    let aggregated = |name: &&str| format!(r"\b{name}( (by|without) ?\([^)]*\) ?)?\(");
    assert_eq!(missing(&queries, AGGREGATIONS.iter().map(aggregated)), Vec::<String>::new());
    let between = |operator: &&str| format!(r"[\w)}}\]] {operator} ");
    assert_eq!(missing(&queries, OPERATORS.iter().map(between)), Vec::<String>::new());
    let modifiers = MODIFIERS.iter().map(|modifier| (*modifier).to_owned());
    assert_eq!(missing(&queries, modifiers), Vec::<String>::new());
}

#[test]
fn what_no_script_has_is_noticed() {
    let patterns = || [r"\bvanish\(", r"\brate\("].map(str::to_owned).into_iter();
    assert_eq!(missing(&queries(), patterns()), [r"\bvanish\("]);
}
