//! CPU time and memory of a release binary that watches one idle engine and this host.

use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

use anyhow::{Result, ensure};

use super::{
    report::{self, Table},
    usage,
};
use crate::{
    binary::{self, Profile},
    engine::{self, Engine, Installed, Options},
    process::{self, Process},
    say, wait,
};

const SECONDS: u64 = 60;

pub(super) fn run() -> Result<()> {
    let installed = engine::install(&say)?;
    let binary = binary::build(Profile::Release)?;
    let folder = tempfile::tempdir()?;
    let table = measure(&installed, &binary, folder.path())?;
    report::publish("cost", &table.markdown())
}

fn measure(installed: &Installed, binary: &Path, folder: &Path) -> Result<Table> {
    let options = Options { port: 0, slots: 2, context: 2048, threads: 1 };
    let _engine = Engine::start(installed, &options, &folder.join("engine.log"))?;
    let config = folder.join("modelwatch.toml");
    let data = folder.join("data");
    fs::write(
        &config,
        format!("[server]\nlisten = \"127.0.0.1:0\"\n[storage]\npath = {data:?}\n"),
    )?;
    let log = File::create(folder.join("modelwatch.log"))?;
    let mut command = process::command(binary);
    command.arg("serve").arg("--config").arg(&config).stdout(log.try_clone()?).stderr(log);
    let mut modelwatch = Process::spawn(&mut command)?;
    wait::pause(Duration::from_secs(15)); // discovery and the first block of work are not the steady state
    let before = usage::cpu(modelwatch.pid())?;
    say(&format!("measuring for {SECONDS} s"));
    wait::pause(Duration::from_secs(SECONDS));
    ensure!(!modelwatch.has_ended(), "modelwatch ended early");
    let used = usage::cpu(modelwatch.pid())?.saturating_sub(before);
    let mut table = Table::new(&["modelwatch"]);
    table.set("CPU, ms per second", 0, used.as_secs_f64() * 1e3 / SECONDS as f64);
    table.set("RSS, MB", 0, usage::resident_bytes(modelwatch.pid())? as f64 / 1e6);
    table.set("binary, MB", 0, fs::metadata(binary)?.len() as f64 / 1e6);
    table.set("names in `cargo tree`", 0, binary::dependency_names()?.len() as f64);
    Ok(table)
}
