//! Lines of logs: what they cost and how fast they are found, in the store alone beside tantivy (the example `lines` of
//! the crate `store`), beside ripgrep over the raw file, and on their whole way through the program: files followed,
//! lines understood, searched for what is known, and stored.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{
    report::{self, Table},
    usage,
};
use crate::{
    binary::{self, Profile},
    engine, http, peers,
    process::{self, Process},
    say,
    wait::{self, Stopwatch},
};

const LINES: u64 = 5_000_000;
/// Indexing all of them would take minutes; its figures are per second, per byte, or of what is found.
const PEER_LINES: u64 = 1_000_000;
/// One file may bring so many lines a second that it would take minutes alone.
const FILES: usize = 16;
const IDLE_FILES: usize = 200;
const IDLE: Duration = Duration::from_secs(30);
/// A program that needs longer to answer counts as one that did not start.
const START_MAX: Duration = Duration::from_secs(30);
/// Lines that are not stored by then count as lost.
const TAKE_MAX: Duration = Duration::from_secs(600);
const OURS: usize = 0;
const TANTIVY: usize = 1;
const RIPGREP: usize = 2;

pub(super) fn run() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("modelwatch-bench-").tempdir()?;
    let mut table = Table::new(&["modelwatch", "tantivy", "ripgrep"]);
    let store = folder.path().join("store");
    let mut cargo = process::cargo();
    cargo.args(["run", "--release", "--locked", "--package", "store", "--example", "lines", "--"]);
    let counts = [LINES.to_string(), PEER_LINES.to_string()];
    add_figures(&mut table, &process::capture(cargo.arg(&store).args(counts))?)?;
    let raw = store.join("lines.log");
    if let Err(error) = ripgrep(&raw, &mut table) {
        say(&format!("going on without ripgrep: {error:#}"));
    }
    let program = binary::build(Profile::Release)?;
    whole_way(&program, &raw, folder.path(), &mut table)?;
    idle(&program, folder.path(), &mut table)?;
    report::publish("logs", &table.markdown())
}

/// The example says `tantivy: NAME: VALUE` of its peer.
fn add_figures(table: &mut Table, text: &str) -> Result<()> {
    for line in text.lines() {
        let figure =
            line.rsplit_once(": ").and_then(|(name, value)| Some((name, value.parse().ok()?)));
        let (name, value) = figure.with_context(|| format!("{line:?} is no figure"))?;
        match name.strip_prefix("tantivy: ") {
            Some(name) => table.set(name, TANTIVY, value),
            None => table.set(name, OURS, value),
        }
    }
    Ok(())
}

/// What a search over the text takes, which is in memory by then.
fn ripgrep(raw: &Path, table: &mut Table) -> Result<()> {
    let program = peers::debian_program("ripgrep", "rg")?.path;
    let pattern = r"memory.*MiB \(GPU [0-3]\)|Xid.*: (79|48),";
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let watch = Stopwatch::start();
        process::capture(process::command(&program).args(["-c", pattern]).arg(raw))?;
        best = best.min(watch.elapsed());
    }
    table.set("a regular expression over all, median ms", RIPGREP, best.as_secs_f64() * 1e3);
    Ok(())
}

struct Watcher {
    process: Process,
    address: String,
}

impl Watcher {
    fn start(program: &Path, folder: &Path, logs: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let address = format!("127.0.0.1:{}", engine::free_port()?);
        let (config, data) = (folder.join("modelwatch.toml"), folder.join("data"));
        fs::write(
            &config,
            format!(
                "[server]\nlisten = \"{address}\"\n[storage]\npath = {data:?}\n[collect]\n\
                 discover = false\n[logs]\ndiscover = false\nkernel = false\nauth = false\n{logs}"
            ),
        )?;
        let log = File::create(folder.join("log"))?;
        let mut command = process::command(program);
        command.arg("serve").arg("--config").arg(config).stdout(log.try_clone()?).stderr(log);
        let mut process = Process::spawn(&mut command)?;
        peers::wait_until_ready(&mut process, &address, "/-/ready", START_MAX)
            .with_context(|| fs::read_to_string(folder.join("log")).unwrap_or_default())?;
        Ok(Self { process, address })
    }

    fn lines(&self) -> Result<u64> {
        let path = "/api/mw/v1/logs?limit=1&start=0";
        let answer = http::get(&self.address, path)?.json()?;
        answer["total"].as_u64().context("the answer has no total")
    }
}

fn whole_way(program: &Path, raw: &Path, folder: &Path, table: &mut Table) -> Result<()> {
    let logs = folder.join("logs");
    let bytes = split(raw, &logs)?;
    let path = logs.join("*.log");
    let config = format!("[[log_file]]\npath = {path:?}\nfrom = \"start\"\nservice = \"bench\"\n");
    let watcher = Watcher::start(program, &folder.join("whole"), &config)?;
    let (pid, watch) = (watcher.process.pid(), Stopwatch::start());
    wait::until("all lines stored", TAKE_MAX, || {
        // Asking is not for free.
        wait::pause(Duration::from_secs(1));
        let lines = watcher.lines()?;
        ensure!(lines == LINES, "{lines} of {LINES} lines");
        Ok(())
    })?;
    let (used, took) = (usage::cpu(pid)?.as_secs_f64(), watch.elapsed().as_secs_f64());
    table.set("whole way: MB/CPU-s in", OURS, bytes as f64 / 1e6 / used);
    table.set("whole way: MB/s in", OURS, bytes as f64 / 1e6 / took);
    let peak = usage::peak_bytes(pid)?;
    table.set("whole way: peak RSS, MiB", OURS, peak as f64 / f64::from(1 << 20));
    Ok(())
}

/// The lines of a file by turns in several, and how many bytes they have.
fn split(raw: &Path, folder: &Path) -> Result<u64> {
    fs::create_dir_all(folder)?;
    let mut files = Vec::new();
    for number in 0..FILES {
        files.push(BufWriter::new(File::create(folder.join(format!("{number}.log")))?));
    }
    let mut reader = BufReader::new(File::open(raw)?);
    let (mut line, mut bytes) = (Vec::new(), 0);
    for number in 0.. {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        bytes += line.len() as u64;
        files[number % FILES].write_all(&line)?;
    }
    files.iter_mut().try_for_each(|file| file.flush())?;
    Ok(bytes)
}

/// What following files costs into which nobody writes.
fn idle(program: &Path, folder: &Path, table: &mut Table) -> Result<()> {
    let logs = folder.join("idle-logs");
    fs::create_dir_all(&logs)?;
    for number in 0..IDLE_FILES {
        fs::write(logs.join(format!("{number}.log")), "one line\n")?;
    }
    let path: PathBuf = logs.join("*.log");
    let with = format!("[[log_file]]\npath = {path:?}\nfrom = \"start\"\n");
    let mut used = [0.0; 2];
    for (at, config) in ["", &with].into_iter().enumerate() {
        let watcher = Watcher::start(program, &folder.join(format!("idle-{at}")), config)?;
        wait::pause(Duration::from_secs(10));
        let before = usage::cpu(watcher.process.pid())?;
        wait::pause(IDLE);
        let spent = usage::cpu(watcher.process.pid())?.saturating_sub(before);
        used[at] = spent.as_secs_f64() * 1e3 / IDLE.as_secs_f64();
    }
    table.set("CPU without files, ms per second", OURS, used[0]);
    table.set("CPU with 200 idle files, ms per second", OURS, used[1]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_become_rows() {
        let mut table = Table::new(&["modelwatch", "tantivy"]);
        add_figures(&mut table, "a: b, ms: 1.5\ntantivy: a: b, ms: 3\n").unwrap();
        assert!(table.markdown().contains("| a: b, ms | 1.50 | 3.00 | 0.500 |"));
        assert!(add_figures(&mut table, "nothing").is_err());
    }
}
