//! `cargo xtask run`: page, release binary, start.

use std::os::unix::process::CommandExt;

use anyhow::{Result, anyhow};

use crate::{
    binary::{self, Profile},
    page, process,
};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    page::build_if_possible()?;
    let binary = binary::build(Profile::Release)?;
    // It takes our place: signals and the exit status need no forwarding.
    let mut command = process::command(&binary);
    command.args(arguments).stdin(std::process::Stdio::inherit());
    Err(anyhow!(command.exec()).context(format!("failed to start {}", binary.display())))
}
