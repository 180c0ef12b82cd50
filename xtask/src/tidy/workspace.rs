//! Checks of the workspace as a whole: edges between crates, dependencies, generated files, sizes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{SYNC_CRATES, expect_none};
use crate::{binary, docs, process};

/// Crates in the default graph of this platform. A new one names the problem that it solves; at the
/// bound the choice is which other one to drop.
const DEPENDENCY_NAMES_MAX: usize = 300;
/// Larger files make every clone slow for ever; keep them out of git.
const BLOB_BYTES_MAX: u64 = 256 << 10;

/// Which of our crates a crate may use besides `model`, which all may. The binary may use all.
const EDGES: &[(&str, &str)] = &[
    ("alert", "query"),
    ("alert", "template"),
    ("deliver", "template"),
    ("e2e", "store"),
    ("e2e", "xtask"),
    ("evaluate", "dialect"),
    ("gateway", "dialect"),
    ("xtask", "alert"),
];
const RUNTIMES: &[&str] = &["async-std", "futures", "smol", "tokio"];

/// What `cargo metadata` says about who depends on whom, as (crate, dependency) pairs.
fn edges(metadata: &Value) -> Vec<(String, String)> {
    let empty = Vec::new();
    let mut edges = Vec::new();
    for package in metadata["packages"].as_array().unwrap_or(&empty) {
        for dependency in package["dependencies"].as_array().unwrap_or(&empty) {
            let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
            edges.push((name(package), name(dependency)));
        }
    }
    edges
}

fn forbidden_edges(edges: &[(String, String)]) -> Vec<String> {
    let ours: BTreeSet<&str> =
        edges.iter().map(|(from, _)| from.as_str()).chain(["model"]).collect();
    let mut complaints = Vec::new();
    for (from, to) in edges {
        let (from, to) = (from.as_str(), to.as_str());
        let product = !matches!(to, "e2e" | "xtask" | "modelwatch");
        let allowed =
            to == "model" || EDGES.contains(&(from, to)) || (from == "modelwatch" && product);
        if ours.contains(to) && !allowed {
            complaints.push(format!("{from} may not depend on {to}"));
        }
        if SYNC_CRATES.contains(&from) && RUNTIMES.iter().any(|runtime| to.starts_with(runtime)) {
            complaints.push(format!("{from} is synchronous and may not depend on {to}"));
        }
    }
    complaints
}

/// Objects in the output of `git cat-file --batch-check='%(objectsize) %(objecttype) %(rest)'`.
fn large_blobs(listing: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for line in listing.lines() {
        let mut words = line.splitn(3, ' ');
        let size = words.next().and_then(|size| size.parse().ok()).unwrap_or(0);
        if words.next() == Some("blob") && size > BLOB_BYTES_MAX {
            complaints.push(format!("{}: {size} bytes in git", words.next().unwrap_or("?")));
        }
    }
    complaints
}

#[test]
fn crates_use_only_what_they_may() {
    let metadata = binary::metadata().unwrap();
    let edges = edges(&metadata);
    assert!(edges.contains(&("modelwatch".to_owned(), "model".to_owned())), "no edges were found");
    expect_none(&forbidden_edges(&edges));
}

#[test]
fn forbidden_edges_are_caught() {
    let metadata = serde_json::json!({"packages": [
        {"name": "store", "dependencies": [{"name": "model"}, {"name": "query"}, {"name": "tokio-util"}]},
        {"name": "query", "dependencies": [{"name": "model"}, {"name": "regex"}]},
        {"name": "modelwatch", "dependencies": [{"name": "store"}, {"name": "tokio"}]},
    ]});
    let complaints = forbidden_edges(&edges(&metadata));
    assert_eq!(
        complaints,
        ["store may not depend on query", "store is synchronous and may not depend on tokio-util"]
    );
}

#[test]
fn dependencies_stay_within_the_budget() {
    let names = binary::dependency_names().unwrap();
    assert!(names.contains("model") && names.contains("serde_json"), "{names:?}");
    assert!(names.len() <= DEPENDENCY_NAMES_MAX, "{} names: {names:?}", names.len());
}

#[test]
fn generated_files_are_fresh() {
    let mut complaints = Vec::new();
    for (path, text) in docs::generate() {
        let present = std::fs::read_to_string(crate::root().join(path)).unwrap_or_default();
        if present != text {
            complaints.push(format!("{path} is stale: run `cargo xtask docs`"));
        }
    }
    expect_none(&complaints);
}

#[test]
fn no_large_file_is_in_git() {
    let script = "git rev-list --objects HEAD | git cat-file --batch-check='%(objectsize) %(objecttype) %(rest)'";
    let mut shell = process::command("sh");
    let listing = process::capture(shell.current_dir(crate::root()).args(["-c", script])).unwrap();
    assert!(listing.contains(" blob Cargo.toml"), "git lists nothing");
    expect_none(&large_blobs(&listing));
}

#[test]
fn large_blobs_are_caught() {
    assert_eq!(
        large_blobs("262144 blob a\n262145 blob b c\n999999 tree d\n"),
        ["b c: 262145 bytes in git"]
    );
}
