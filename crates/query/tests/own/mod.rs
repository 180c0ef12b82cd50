//! The project's own scripts: the whole language, in words of ours. They run everywhere.

use std::{fs, path::PathBuf};

use query::Settings;

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
