//! System packages that the browser test needs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::apt;

const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// A package, and a file pattern by which one sees that it is there (fonts have no command).
const FONTS: &[(&str, &str)] = &[
    ("fonts-noto-cjk", "/usr/share/fonts/opentype/noto"),
    ("fonts-dejavu-core", "/usr/share/fonts/truetype/dejavu"),
];

/// The browser's path, after installing it and its fonts where that is possible.
pub(crate) fn browser() -> Result<PathBuf> {
    let mut missing: Vec<&str> = FONTS
        .iter()
        .filter(|(_, folder)| !Path::new(folder).is_dir())
        .map(|(package, _)| *package)
        .collect();
    if apt::find(BROWSERS).is_none() {
        missing.push("chromium");
    }
    if !missing.is_empty() {
        apt::install(&missing, &[]).with_context(|| format!("missing: {}", missing.join(", ")))?;
    }
    apt::find(BROWSERS).context("no chromium in PATH")
}
