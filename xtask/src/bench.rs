//! `cargo xtask bench NAME`: measurements of the real thing, printed with what they were taken on.

use std::{fs, time::Duration};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    binary::{self, Profile},
    engine::{self, Engine, Options},
    process::{self, Process},
    say, wait,
};

const COST_SECONDS: u64 = 60;

pub(crate) fn bench(name: &str) -> Result<()> {
    match name {
        "cost" => cost(),
        _ => bail!("there is no benchmark {name:?}; there is: cost"),
    }
}

/// CPU time and memory of a release binary that watches one idle engine and this host.
fn cost() -> Result<()> {
    let installed = engine::install(&say)?;
    let binary = binary::build(Profile::Release)?;
    let folder = std::env::temp_dir().join(format!("modelwatch-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let result = measure_cost(&installed, &binary, &folder);
    fs::remove_dir_all(&folder)?;
    result
}

fn measure_cost(
    installed: &engine::Installed,
    binary: &std::path::Path,
    folder: &std::path::Path,
) -> Result<()> {
    let options = Options { port: 0, slots: 2, context: 2048, threads: 1 };
    let _engine = Engine::start(installed, &options, &folder.join("engine.log"))?;
    let config = folder.join("modelwatch.toml");
    let data = folder.join("data");
    fs::write(
        &config,
        format!("[server]\nlisten = \"127.0.0.1:0\"\n[storage]\npath = {data:?}\n"),
    )?;
    let log = fs::File::create(folder.join("modelwatch.log"))?;
    let mut command = process::command(binary);
    command.arg("serve").arg("--config").arg(&config).stdout(log.try_clone()?).stderr(log);
    let mut modelwatch = Process::spawn(&mut command)?;
    wait::pause(Duration::from_secs(15)); // discovery and the first block of work are not the steady state
    let before = cpu_ms(modelwatch.pid())?;
    say(&format!("measuring for {COST_SECONDS} s"));
    wait::pause(Duration::from_secs(COST_SECONDS));
    ensure!(!modelwatch.has_ended(), "modelwatch ended early");
    let used = cpu_ms(modelwatch.pid())? - before;
    let resident = resident_bytes(modelwatch.pid())?;
    say(&format!("cpu_ms_per_second {:.2}", used / COST_SECONDS as f64));
    say(&format!("resident_bytes {resident}"));
    say(&format!("binary_bytes {}", fs::metadata(binary)?.len()));
    say(&format!("dependency_names {}", binary::dependency_names()?.len()));
    Ok(())
}

/// User and system time of a process so far.
fn cpu_ms(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("failed to read /proc/PID/stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let used = ticks(11).zip(ticks(12)).context("failed to read /proc/PID/stat")?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok((used.0 + used.1) as f64 * 1000.0 / per_second as f64)
}

fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    Ok(kilobytes.context("failed to read /proc/PID/status")? * 1024)
}
