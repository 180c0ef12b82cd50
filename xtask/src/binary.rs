//! Building the product's binary and finding it.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use anyhow::{Context, Result};

use crate::process;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

/// Builds the binary and returns its path.
pub(crate) fn build(profile: Profile) -> Result<PathBuf> {
    let mut cargo = process::cargo();
    cargo.args(["build", "--locked"]);
    match profile {
        // The selection that the tests use too, so that no dependency is built twice.
        Profile::Dev => cargo.args(["--workspace", "--all-targets"]),
        Profile::Release => cargo.args(["--release", "--package", "modelwatch"]),
    };
    process::run(&mut cargo)?;
    path(profile)
}

pub(crate) fn path(profile: Profile) -> Result<PathBuf> {
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    };
    Ok(target_dir()?.join(folder).join("modelwatch"))
}

pub(crate) fn target_dir() -> Result<PathBuf> {
    let metadata = metadata()?;
    let folder =
        metadata["target_directory"].as_str().context("cargo names no target directory")?;
    Ok(folder.into())
}

pub(crate) fn metadata() -> Result<serde_json::Value> {
    let mut cargo = process::cargo();
    let text = process::capture(cargo.args(["metadata", "--no-deps", "--format-version=1"]))?;
    serde_json::from_str(&text).context("failed to read cargo metadata")
}

/// `61 s`, `0.4 s`: for the lines that say how long something took.
pub(crate) fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// The crates that the workspace pulls in on this platform, ours included.
pub(crate) fn dependency_names() -> Result<BTreeSet<String>> {
    let mut cargo = process::cargo();
    cargo.args(["tree", "--locked", "--edges", "normal", "--workspace", "--prefix", "none"]);
    let text = process::capture(cargo.args(["--format", "{p}"]))?;
    Ok(text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}
