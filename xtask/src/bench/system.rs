//! The systems that are measured: how each is found, started, fed, asked and stopped.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};

use super::payload::Load;
use crate::{
    bench::usage,
    binary::{self, Profile},
    engine, http,
    peers::{self, Program},
    process::{self, Process},
    say,
    wait::{self, Stopwatch},
};

/// A system that needs longer to get ready counts as one that did not start.
const START_MAX: Duration = Duration::from_secs(300);
/// A system that needs longer to end is killed, and what it left is not measured.
const STOP_MAX: Duration = Duration::from_secs(120);
/// A load that takes longer is given up, and the error says how far it came.
const INGEST_MAX: Duration = Duration::from_secs(300);
/// Work that goes on longer after a load is not waited for.
const SETTLE_MAX: Duration = Duration::from_secs(150);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(150);
const RETRY_PAUSE: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Modelwatch,
    Prometheus,
    VictoriaMetrics,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Modelwatch, Self::Prometheus, Self::VictoriaMetrics];
}

pub(super) struct System {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) version: String,
    program: PathBuf,
}

/// modelwatch first, then the peers that are here or can be installed.
pub(super) fn find() -> Result<Vec<System>> {
    let program = binary::build(Profile::Release)?;
    let said = process::capture(process::command(&program).arg("--version"))?;
    let version = said.split_whitespace().nth(1).unwrap_or("?").to_owned();
    let mut systems = vec![System { kind: Kind::Modelwatch, name: "modelwatch", version, program }];
    for (kind, name, package) in [
        (Kind::Prometheus, "Prometheus", peers::PROMETHEUS),
        (Kind::VictoriaMetrics, "VictoriaMetrics", peers::VICTORIA_METRICS),
    ] {
        match peers::debian(package) {
            Ok(Program { path: program, version }) => {
                systems.push(System { kind, name, version, program });
            }
            Err(error) => say(&format!("going on without {name}: {error:#}")),
        }
    }
    Ok(systems)
}

/// A running system.
pub(super) struct Instance<'a> {
    system: &'a System,
    process: Process,
    address: String,
}

/// What it took to take a load in.
pub(super) struct Ingest {
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
}

impl<'a> Instance<'a> {
    /// Starts a system on its data in `folder` and waits until it is ready.
    pub(super) fn start(system: &'a System, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let address = format!("127.0.0.1:{}", engine::free_port()?);
        let log = File::options().create(true).append(true).open(folder.join("log"))?;
        let mut command = system.serve(&address, folder)?;
        let process = Process::spawn(command.stdout(log.try_clone()?).stderr(log))?;
        let mut instance = Self { system, process, address };
        let last_words = || {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            log.lines().last().unwrap_or("it said nothing").to_owned()
        };
        instance.wait_until_ready().with_context(last_words).context("did not start")?;
        Ok(instance)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let path = match self.system.kind {
            Kind::Modelwatch | Kind::Prometheus => "/-/ready",
            Kind::VictoriaMetrics => "/health",
        };
        peers::wait_until_ready(&mut self.process, &self.address, path, START_MAX)
    }

    pub(super) fn cpu(&self) -> Result<Duration> {
        usage::cpu(self.process.pid())
    }

    pub(super) fn resident_bytes(&self) -> Result<u64> {
        usage::resident_bytes(self.process.pid())
    }

    pub(super) fn peak_bytes(&self) -> Result<u64> {
        usage::peak_bytes(self.process.pid())
    }

    pub(super) fn reset_peak(&self) -> Result<()> {
        usage::reset_peak(self.process.pid())
    }

    /// Sends a load, one request after the other.
    pub(super) fn ingest(&self, load: &Load) -> Result<Ingest> {
        let cpu = self.cpu()?;
        let watch = Stopwatch::start();
        for (sent, request) in load.requests.iter().enumerate() {
            let all = load.requests.len();
            ensure!(
                watch.elapsed() < INGEST_MAX,
                "took in {sent} of {all} requests in {INGEST_MAX:?}"
            );
            self.write(request)?;
        }
        let wall = watch.elapsed();
        Ok(Ingest { cpu: self.cpu()?.saturating_sub(cpu), wall })
    }

    fn write(&self, body: &[u8]) -> Result<()> {
        let headers = &[
            ("Content-Encoding", "snappy"),
            ("Content-Type", "application/x-protobuf"),
            ("User-Agent", "modelwatch-bench"),
            ("X-Prometheus-Remote-Write-Version", "0.1.0"),
        ];
        let path = "/api/v1/write";
        let request =
            http::Request { method: "POST", path, headers, body, timeout: REQUEST_TIMEOUT };
        let watch = Stopwatch::start();
        loop {
            let response = http::send(&self.address, &request)?;
            match response.status {
                200..300 => return Ok(()),
                // Whoever sends by remote write tries again after these.
                429 | 503 if watch.elapsed() < REQUEST_TIMEOUT => wait::pause(RETRY_PAUSE),
                _ => return Err(refusal(&response)),
            }
        }
    }

    /// Makes everything that was taken in visible to queries. VictoriaMetrics takes seconds otherwise.
    pub(super) fn flush(&self) -> Result<()> {
        if self.system.kind == Kind::VictoriaMetrics {
            http::get(&self.address, "/internal/force_flush")?;
        }
        Ok(())
    }

    /// Waits until work that was put off is done, as far as one can see.
    pub(super) fn settle(&self) -> Result<()> {
        settle(&[self])
    }

    /// How long a system that has something to do may look as if it had not: modelwatch looks after its
    /// blocks once a minute.
    fn longest_pause(&self) -> Duration {
        match self.system.kind {
            Kind::Modelwatch => Duration::from_secs(65),
            Kind::Prometheus | Kind::VictoriaMetrics => Duration::from_secs(5),
        }
    }

    /// Asks one of the query endpoints.
    pub(super) fn ask(&self, path: &str, form: &str) -> Result<http::Response> {
        let headers = &[("Content-Type", "application/x-www-form-urlencoded")];
        let body = form.as_bytes();
        let request =
            http::Request { method: "POST", path, headers, body, timeout: REQUEST_TIMEOUT };
        let response = http::send(&self.address, &request)?;
        match response.status {
            200 => Ok(response),
            _ => Err(refusal(&response).context("failed to answer a query")),
        }
    }

    /// Ends it in good order, so that everything is on the disk.
    pub(super) fn stop(mut self) -> Result<()> {
        self.process.terminate()?;
        let status = self.process.wait_for(STOP_MAX)?;
        ensure!(status.success(), "ended with {status}");
        Ok(())
    }

    /// Ends it without a warning.
    pub(super) fn kill(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait_for(STOP_MAX)?;
        Ok(())
    }
}

/// Waits until none of several systems has used the processor for as long as that takes to be sure.
pub(super) fn settle(instances: &[&Instance<'_>]) -> Result<()> {
    for instance in instances {
        instance.flush()?;
    }
    let usage = || instances.iter().map(|instance| instance.cpu()).collect::<Result<Vec<_>>>();
    let watch = Stopwatch::start();
    let mut busy_at = vec![Duration::ZERO; instances.len()];
    let mut before = usage()?;
    loop {
        let quiet = instances.iter().zip(&busy_at);
        let mut quiet =
            quiet.map(|(instance, busy)| watch.elapsed() - *busy >= instance.longest_pause());
        if quiet.all(|is_quiet| is_quiet) || watch.elapsed() >= SETTLE_MAX {
            return Ok(());
        }
        wait::pause(Duration::from_secs(1));
        let now = usage()?;
        for ((busy, before), now) in busy_at.iter_mut().zip(&before).zip(&now) {
            if now.saturating_sub(*before) > Duration::from_millis(50) {
                *busy = watch.elapsed();
            }
        }
        before = now;
    }
}

/// The status and, as its cause, what the answer says.
fn refusal(response: &http::Response) -> anyhow::Error {
    anyhow!("{:.300}", response.text().trim()).context(format!("refused: {}", response.status))
}

impl System {
    /// What the data folder holds besides finished data: logs, newest samples, caches.
    pub(super) fn transient_folders(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Modelwatch => &["wal"],
            Kind::Prometheus => &["wal", "chunks_head"],
            Kind::VictoriaMetrics => &["cache"],
        }
    }

    /// The command that serves `address` from `folder/data`, with retention beyond every load.
    fn serve(&self, address: &str, folder: &Path) -> Result<Command> {
        let data = folder.join("data");
        let mut command = process::command(&self.program);
        match self.kind {
            Kind::Modelwatch => {
                let config = folder.join("modelwatch.toml");
                fs::write(&config, modelwatch_config(address, &data))?;
                command.arg("serve").arg("--config").arg(config);
            }
            Kind::Prometheus => return peers::prometheus_command(&self.program, address, folder),
            Kind::VictoriaMetrics => {
                command.arg(format!("-storageDataPath={}", data.display()));
                command.arg("-retentionPeriod=60d");
                command.arg(format!("-httpListenAddr={address}"));
            }
        }
        Ok(command)
    }
}

/// It watches the host as well, as it always does, but rarely enough not to disturb.
fn modelwatch_config(address: &str, data: &Path) -> String {
    format!(
        "[server]\nlisten = \"{address}\"\n[storage]\npath = {data:?}\nretention = \"60d\"\n\
         [collect]\ndiscover = false\nhost_period = \"1h\"\n"
    )
}
