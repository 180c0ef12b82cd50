//! The web page's build: npm packages and Vite, each only when something changed.

use std::{
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{process, say};

/// The oldest node that Vite and the browser tests run on.
const NODE_MIN: (u32, u32) = (20, 19);

/// What prevents the page from being built, if anything.
pub(crate) fn node_problem() -> Option<String> {
    let (major, minor) = NODE_MIN;
    let Ok(text) = process::capture(process::command("node").arg("--version")) else {
        return Some(format!(
            "node is not installed; the page needs node {major}.{minor} or newer"
        ));
    };
    match parse_version(&text) {
        Some(found) if found >= NODE_MIN => None,
        _ => Some(format!("node is {}; the page needs {major}.{minor} or newer", text.trim())),
    }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

pub(crate) fn npm(folder: &Path) -> Command {
    let mut command = process::command("npm");
    command.current_dir(folder).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
    command
}

/// `npm ci`, unless the packages of the same lock file are there already. Says whether it ran.
pub(crate) fn install_packages(folder: &Path) -> Result<bool> {
    let lock = folder.join("package-lock.json");
    let wanted = fs::read(&lock).with_context(|| format!("failed to read {}", lock.display()))?;
    let stamp = folder.join("node_modules/.installed-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(false);
    }
    process::run(npm(folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    fs::write(&stamp, wanted)?;
    Ok(true)
}

/// Builds `ui/dist`, unless it was made from the same sources. Says whether it ran.
pub(crate) fn build() -> Result<bool> {
    let folder = crate::root().join("ui");
    install_packages(&folder)?;
    let fingerprint = fingerprint(&folder)?;
    let stamp = folder.join("node_modules/.built-from");
    let built = folder.join("dist/index.html").is_file();
    if built && fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == fingerprint) {
        return Ok(false);
    }
    process::run(npm(&folder).args(["run", "build"]))?;
    fs::write(&stamp, fingerprint)?;
    Ok(true)
}

/// As [`build`]; a machine that cannot build the page gets a line that says so.
pub(crate) fn build_if_possible() -> Result<()> {
    if !crate::root().join("ui/package.json").is_file() {
        say("there are no page sources: the binary will serve its built-in mini page");
    } else if let Some(problem) = node_problem() {
        say(&format!("{problem}: the binary will serve its built-in mini page"));
    } else if let Err(error) = build() {
        say(&format!("failed to build the page: {error:#}"));
        say("going on: the binary will serve its built-in mini page, or the page built last");
    }
    Ok(())
}

fn fingerprint(folder: &Path) -> Result<String> {
    let mut files = BTreeMap::new();
    collect(folder, &mut files)?;
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "node_modules" || name == "dist" {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() {
            files.insert(entry.path(), fs::read(entry.path())?);
        } else {
            bail!("{} is neither a file nor a folder", entry.path().display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(parse_version("v20.19.1\n"), Some((20, 19)));
        assert_eq!(parse_version("command not found"), None);
        assert!(parse_version("v18.20.0").unwrap() < NODE_MIN);
    }
}
