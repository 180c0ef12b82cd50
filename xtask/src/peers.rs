//! Prometheus as Debian packages it: what our answers are compared with, and whose tool asks for them.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::apt;

const PACKAGE: &str = "prometheus";

pub struct Prometheus {
    pub server: PathBuf,
    pub promtool: PathBuf,
}

/// What is in PATH.
pub fn prometheus() -> Option<Prometheus> {
    let (server, promtool) = (apt::find(&["prometheus"])?, apt::find(&["promtool"])?);
    Some(Prometheus { server, promtool })
}

/// Installs it where that is possible and it is not there.
pub(crate) fn install() -> Result<()> {
    if prometheus().is_none() {
        apt::install(&[PACKAGE], &[PACKAGE])?;
    }
    prometheus().map(drop).context("there is no prometheus and promtool in PATH")
}
