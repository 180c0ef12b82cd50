//! What watching a host costs, ours beside node_exporter and netdata, each alone on the machine for a
//! minute: node_exporter scraped once a second, as often as we and netdata look ourselves.
//!
//! There is no run of ours without a store. What collecting alone costs is told by the threads that read
//! the host; memory is that of the whole program.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{
    report::{self, Table},
    usage,
};
use crate::{
    binary::{self, Profile},
    engine::{self, Engine, Options},
    http, peers,
    process::{self, Process},
    say,
    wait::{self, Stopwatch},
};

const SECONDS: u64 = 60;
/// Discovery and the first work are not the steady state.
const WARM_UP: Duration = Duration::from_secs(15);
/// A program that needs longer to answer counts as one that did not start.
const START_MAX: Duration = Duration::from_secs(60);
const SCRAPE_EVERY: Duration = Duration::from_secs(1);

/// Names of our threads that read the host begin like this.
const HOST_THREADS: &str = "host";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Modelwatch,
    NodeExporter,
    Netdata,
}

struct Watcher {
    kind: Kind,
    name: &'static str,
    version: String,
    program: PathBuf,
}

pub(super) fn run() -> Result<()> {
    let watchers = find()?;
    let folder = tempfile::tempdir()?;
    let options = Options { port: 0, slots: 2, context: 2048, threads: 1 };
    let engine = engine::install(&say).and_then(|installed| {
        Engine::start(&installed, &options, &folder.path().join("engine.log"))
    });
    if let Err(error) = &engine {
        say(&format!("going on without an engine: {error:#}"));
    }
    let names: Vec<&str> = watchers.iter().map(|watcher| watcher.name).collect();
    let mut table = Table::new(&names);
    for (column, watcher) in watchers.iter().enumerate() {
        let own = folder.path().join(watcher.name);
        fs::create_dir_all(&own)?;
        if let Err(error) = watcher.measure(column, &own, &mut table) {
            ensure!(watcher.kind != Kind::Modelwatch, error);
            say(&format!("{} could not be measured: {error:#}", watcher.name));
        }
    }
    let versions = watchers.iter().map(|watcher| format!("{} {}", watcher.name, watcher.version));
    let beside = if engine.is_ok() { "one idle llama.cpp server" } else { "no engine" };
    let text = format!(
        "{}; {beside}; {SECONDS} s each.\n\n{}",
        versions.collect::<Vec<_>>().join(", "),
        table.markdown()
    );
    report::publish("collect", &text)
}

/// Ours, and the peers that are here or can be installed.
fn find() -> Result<Vec<Watcher>> {
    let program = binary::build(Profile::Release)?;
    let said = process::capture(process::command(&program).arg("--version"))?;
    let version = said.split_whitespace().nth(1).unwrap_or("?").to_owned();
    let mut watchers =
        vec![Watcher { kind: Kind::Modelwatch, name: "modelwatch", version, program }];
    for (kind, name, package) in [
        (Kind::NodeExporter, "node_exporter", peers::NODE_EXPORTER),
        (Kind::Netdata, "netdata", peers::NETDATA),
    ] {
        match peers::debian(package) {
            Ok(found) => {
                let (version, program) = (found.version, found.path);
                watchers.push(Watcher { kind, name, version, program });
            }
            Err(error) => say(&format!("going on without {name}: {error:#}")),
        }
    }
    Ok(watchers)
}

impl Watcher {
    fn measure(&self, column: usize, folder: &Path, table: &mut Table) -> Result<()> {
        let address = format!("127.0.0.1:{}", engine::free_port()?);
        let log = File::create(folder.join("log"))?;
        let mut command = self.command(&address, folder)?;
        let mut process = Process::spawn(command.stdout(log.try_clone()?).stderr(log))?;
        let path = match self.kind {
            Kind::Modelwatch | Kind::NodeExporter => "/metrics",
            Kind::Netdata => "/api/v1/allmetrics?format=prometheus",
        };
        peers::wait_until_ready(&mut process, &address, path, START_MAX)
            .with_context(|| fs::read_to_string(folder.join("log")).unwrap_or_default())?;
        wait::pause(WARM_UP);
        say(&format!("measuring {} for {SECONDS} s", self.name));
        let pids = usage::tree(process.pid())?;
        let threads = usage::threads(process.pid(), HOST_THREADS)?;
        let before = usage::cpu_of_all(&pids)?;
        self.pass_time(&address)?;
        ensure!(!process.has_ended(), "{} ended early", self.name);
        let used = usage::cpu_of_all(&pids)?.saturating_sub(before);
        let per_second = |time: Duration| time.as_secs_f64() * 1e3 / SECONDS as f64;
        table.set("CPU, ms per second", column, per_second(used));
        if self.kind == Kind::Modelwatch {
            let used = usage::threads(process.pid(), HOST_THREADS)?.saturating_sub(threads);
            table.set("of it reading the host", column, per_second(used));
        }
        let resident: u64 = pids.iter().filter_map(|pid| usage::resident_bytes(*pid).ok()).sum();
        table.set("RSS, MiB", column, resident as f64 / f64::from(1 << 20));
        table.set("values", column, values(&address, path)? as f64);
        Ok(())
    }

    /// node_exporter looks only when it is asked.
    fn pass_time(&self, address: &str) -> Result<()> {
        let watch = Stopwatch::start();
        for second in 1..=SECONDS {
            if self.kind == Kind::NodeExporter {
                http::get(address, "/metrics")?;
            }
            let next = SCRAPE_EVERY * u32::try_from(second).unwrap_or(u32::MAX);
            wait::pause(next.saturating_sub(watch.elapsed()));
        }
        Ok(())
    }

    fn command(&self, address: &str, folder: &Path) -> Result<Command> {
        let mut command = process::command(&self.program);
        let port = address.rsplit(':').next().unwrap_or_default();
        match self.kind {
            Kind::Modelwatch => {
                let (config, data) = (folder.join("modelwatch.toml"), folder.join("data"));
                let text =
                    format!("[server]\nlisten = \"{address}\"\n[storage]\npath = {data:?}\n");
                fs::write(&config, text)?;
                command.arg("serve").arg("--config").arg(config);
            }
            Kind::NodeExporter => {
                command.arg(format!("--web.listen-address={address}"));
                // What we read as well.
                let more = ["interrupts", "processes", "tcpstat"];
                command.args(more.map(|collector| format!("--collector.{collector}")));
            }
            Kind::Netdata => {
                // It reports its use to its makers unless it is told not to.
                command.env("DO_NOT_TRACK", "1").env("DISABLE_TELEMETRY", "1");
                let config = folder.join("netdata.conf");
                let path = folder.display();
                for name in ["cache", "lib"] {
                    fs::create_dir_all(folder.join(name))?;
                }
                fs::write(
                    &config,
                    format!(
                        "[global]\nrun as user = root\n[directories]\ncache = {path}/cache\n\
                         lib = {path}/lib\nlog = {path}\n[web]\nbind to = 127.0.0.1\n\
                         [ml]\nenabled = no\n[plugins]\nebpf = no\ngo.d = no\npython.d = no\n\
                         charts.d = no\n"
                    ),
                )?;
                command.arg("-D").arg("-c").arg(config).arg("-p").arg(port);
            }
        }
        Ok(command)
    }
}

/// How many values a page of metrics has.
fn values(address: &str, path: &str) -> Result<usize> {
    let text = http::get(address, path)?.text();
    Ok(text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count())
}
