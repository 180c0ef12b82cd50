//! The house style that no compiler checks (see STYLE.md). Each check is a function from text to
//! complaints and has a test that it catches what it is for, so that none can pass by being blind.

mod rust;
mod text;
mod workspace;

use std::{collections::BTreeMap, fs, path::Path};

use crate::process;

/// Crates that contain no `async` and see no runtime.
const SYNC_CRATES: &[&str] =
    &["model", "dialect", "logs", "store", "query", "detect", "profile", "alert"];

/// The contents of every file that git knows or would add, by path from the root. What is not UTF-8
/// is there as well, with replacement characters.
fn files() -> BTreeMap<String, String> {
    let mut git = process::command("git");
    git.current_dir(crate::root());
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let names = process::capture(&mut git).expect("tidy needs git and a checkout");
    let mut files = BTreeMap::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        // A file that was deleted but not yet committed is still in git's list.
        if let Ok(bytes) = fs::read(crate::root().join(name)) {
            files.insert(name.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    assert!(files.contains_key("Cargo.toml"), "git lists no Cargo.toml: the wrong folder?");
    files
}

/// The Rust files among them.
fn rust_files() -> impl Iterator<Item = (String, String)> {
    files().into_iter().filter(|(name, _)| name.ends_with(".rs"))
}

/// Whether a file holds only tests or their data.
fn is_test_file(name: &str) -> bool {
    let path = Path::new(name);
    let in_folder = ["tests", "fixtures", "testdata"]
        .iter()
        .any(|folder| path.iter().any(|part| part.to_str() == Some(*folder)));
    in_folder || name.starts_with("e2e/") || name.ends_with("/tests.rs")
}

/// Fails the test with all complaints at once.
#[track_caller]
fn expect_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
