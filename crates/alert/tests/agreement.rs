//! Files of rules and of tests of which `promtool` was asked for its opinion (`e2e` asks again where it is
//! installed): folders say what it is. Those in `good` and `pass` are accepted, those in `bad` and `fail` are not.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use alert::{promtest, rules::file};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agreement").join(folder);
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| !path.to_str().unwrap().ends_with("_rules.yml"));
    files.sort();
    assert!(files.len() >= 5, "{}: {files:?}", folder.display());
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Why a file of tests does not pass.
fn failures(path: &Path) -> Vec<String> {
    let file = match promtest::parse(&read(path)) {
        Ok(file) => file,
        Err(problems) => return problems.iter().map(|problem| format!("{problem:?}")).collect(),
    };
    let mut rules = Vec::new();
    for pattern in &file.rule_files {
        let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let folder = path.parent().unwrap().join(folder);
        let (start, end) = name.split_once('*').unwrap_or((name, ""));
        let entries = fs::read_dir(folder).into_iter().flatten();
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        found.retain(|path| {
            let found = path.file_name().unwrap().to_str().unwrap();
            found == name
                || (name.contains('*') && found.starts_with(start) && found.ends_with(end))
        });
        for path in found {
            match file::parse(&read(&path)) {
                Ok(file) => rules.push(file),
                Err(problems) => return vec![format!("{problems:?}")],
            }
        }
    }
    promtest::run(&file, &rules).iter().map(|failure| format!("{failure:#?}")).collect()
}

#[test]
fn files_of_rules() {
    for path in files("good") {
        assert_eq!(file::parse(&read(&path)).err(), None, "{}", path.display());
    }
    for path in files("bad") {
        assert!(file::parse(&read(&path)).is_err(), "{}", path.display());
    }
}

#[test]
fn files_of_tests() {
    for path in files("pass") {
        let failures = failures(&path);
        assert!(failures.is_empty(), "{}: {}", path.display(), failures.join("\n"));
    }
    for path in files("fail") {
        assert!(!failures(&path).is_empty(), "{}", path.display());
    }
}
