//! A real Prometheus on loopback, to compare with and to be read by.

use std::{
    fs::{self, File},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use xtask::{
    engine, http, peers,
    process::{self, Process},
    wait,
};

use crate::{PATIENCE, skip};

/// A running Prometheus; it ends with its owner.
pub struct Prometheus {
    _process: Process,
    /// `127.0.0.1:PORT`
    pub address: String,
}

impl Prometheus {
    /// The programs, or `None` after saying that they are not there.
    pub fn installed() -> Option<peers::Prometheus> {
        let found = peers::prometheus();
        if found.is_none() {
            skip("there is no Prometheus; `cargo xtask test` installs it");
        }
        found
    }

    /// Starts it with a configuration in YAML and its data in `folder`. It takes what is written to it.
    pub fn start(installed: &peers::Prometheus, folder: &Path, config: &str) -> Result<Self> {
        process::end_children_on_signals()?;
        let file = folder.join("prometheus.yml");
        fs::write(&file, config)?;
        let address = format!("127.0.0.1:{}", engine::free_port()?);
        let log = folder.join("prometheus.log");
        let output = File::create(&log)?;
        let mut command = process::command(&installed.server);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--web.enable-remote-write-receiver", "--enable-feature=native-histograms"])
            .stdout(output.try_clone()?)
            .stderr(output);
        let mut process = Process::spawn(&mut command)?;
        let said = || fs::read_to_string(&log).unwrap_or_default();
        wait::until("a ready Prometheus", PATIENCE, || {
            if process.has_ended() {
                return Ok(());
            }
            let status = http::get(&address, "/-/ready")?.status;
            ensure!(status == 200, "/-/ready answers {status}");
            Ok(())
        })
        .with_context(said)?;
        ensure!(!process.has_ended(), "Prometheus ended at once:\n{}", said());
        Ok(Self { _process: process, address })
    }
}
