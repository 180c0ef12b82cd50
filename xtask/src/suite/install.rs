//! System packages that the browser test needs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{process, say};

const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// A package, and a file pattern by which one sees that it is there (fonts have no command).
const FONTS: &[(&str, &str)] = &[
    ("fonts-noto-cjk", "/usr/share/fonts/opentype/noto"),
    ("fonts-dejavu-core", "/usr/share/fonts/truetype/dejavu"),
];

/// The browser's path, after installing it and its fonts where that is possible.
pub(super) fn browser() -> Result<PathBuf> {
    let mut missing: Vec<&str> = FONTS
        .iter()
        .filter(|(_, folder)| !Path::new(folder).is_dir())
        .map(|(package, _)| *package)
        .collect();
    if find_browser().is_none() {
        missing.push("chromium");
    }
    if !missing.is_empty() {
        install(&missing).with_context(|| format!("missing: {}", missing.join(", ")))?;
    }
    find_browser().context("no chromium in PATH")
}

fn find_browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates =
        BROWSERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

fn install(packages: &[&str]) -> Result<()> {
    ensure!(
        Path::new("/usr/bin/apt-get").is_file(),
        "only Debian's apt-get is known here; install them by hand"
    );
    ensure!(rustix::process::geteuid().is_root(), "installing them needs root");
    say(&format!("installing {}", packages.join(", ")));
    let apt = || {
        let mut command = process::command("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    process::capture(apt().args(["-qq", "update"]))?;
    process::capture(
        apt().args(["-qq", "-y", "--no-install-recommends", "install"]).args(packages),
    )?;
    Ok(())
}
