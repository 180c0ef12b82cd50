//! What watching a host costs, ours beside node_exporter and netdata, each alone on the machine for a
//! minute, and how the cost grows with what is watched.
//!
//! Ours reads once a second, and so do the others: netdata by itself, node_exporter because it is scraped
//! that often. An agent collects only; `serve` keeps the samples too.

mod curves;

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
    /// Ours without a store.
    Agent,
    /// The same while a Prometheus fetches everything each second.
    AgentScraped,
    Serve,
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
    let program = binary::build(Profile::Release)?;
    let watchers = find(&program)?;
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
            ensure!(!watcher.kind.is_ours(), error);
            say(&format!("{} could not be measured: {error:#}", watcher.name));
        }
    }
    let versions = watchers.iter().map(|watcher| format!("{} {}", watcher.name, watcher.version));
    let beside = if engine.is_ok() { "one idle llama.cpp server" } else { "no engine" };
    // The engine would be found by the agents of the curves as well.
    let versions = versions.collect::<Vec<_>>().join(", ");
    let peers = format!("{versions}; {beside}; {SECONDS} s each.\n\n{}", table.markdown());
    drop(engine);
    let text = format!("{peers}\n{}", curves::measure(&program)?);
    report::publish("collect", &text)
}

/// Ours, and the peers that are here or can be installed.
fn find(program: &Path) -> Result<Vec<Watcher>> {
    let said = process::capture(process::command(program).arg("--version"))?;
    let version = said.split_whitespace().nth(1).unwrap_or("?").to_owned();
    let ours = [
        (Kind::Agent, "modelwatch agent"),
        (Kind::AgentScraped, "agent, scraped"),
        (Kind::Serve, "modelwatch serve"),
    ];
    let watcher = |(kind, name)| Watcher {
        kind,
        name,
        version: version.clone(),
        program: program.to_owned(),
    };
    let mut watchers: Vec<Watcher> = ours.map(watcher).into();
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

impl Kind {
    fn is_ours(self) -> bool {
        matches!(self, Self::Agent | Self::AgentScraped | Self::Serve)
    }
}

impl Watcher {
    fn measure(&self, column: usize, folder: &Path, table: &mut Table) -> Result<()> {
        let address = format!("127.0.0.1:{}", engine::free_port()?);
        let log = File::create(folder.join("log"))?;
        let mut command = self.command(&address, folder)?;
        let mut process = Process::spawn(command.stdout(log.try_clone()?).stderr(log))?;
        let path = match self.kind {
            Kind::Agent | Kind::AgentScraped | Kind::Serve | Kind::NodeExporter => "/metrics",
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
        if self.kind.is_ours() {
            let used = usage::threads(process.pid(), HOST_THREADS)?.saturating_sub(threads);
            table.set("of it reading the host", column, per_second(used));
        }
        let resident: u64 = pids.iter().filter_map(|pid| usage::resident_bytes(*pid).ok()).sum();
        table.set("RSS, MiB", column, resident as f64 / f64::from(1 << 20));
        table.set("values", column, values(&address, path)? as f64);
        Ok(())
    }

    /// node_exporter looks only when it is asked. Nobody reads the text while time is measured.
    fn pass_time(&self, address: &str) -> Result<()> {
        let watch = Stopwatch::start();
        for second in 1..=SECONDS {
            if matches!(self.kind, Kind::NodeExporter | Kind::AgentScraped) {
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
            Kind::Agent | Kind::AgentScraped | Kind::Serve => {
                let (config, data) = (folder.join("modelwatch.toml"), folder.join("data"));
                let text = format!(
                    "[server]\nlisten = \"{address}\"\n[storage]\npath = {data:?}\n\
                     [collect]\nengine_period = \"1s\"\n"
                );
                fs::write(&config, text)?;
                let word = if self.kind == Kind::Serve { "serve" } else { "agent" };
                command.arg(word).arg("--config").arg(config);
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
