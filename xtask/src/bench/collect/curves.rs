//! How the cost of an agent grows with engines, with connections and with GPUs.
//!
//! Stand-ins, because no machine has so many: engines that answer with the captured pages of vLLM from
//! this process, and a library that answers as NVML does, but from memory, so that what a driver takes for
//! its answers is not in the figures.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::super::{report::short, usage};
use crate::{
    engine, http, peers,
    process::{self, Process},
    root, say, wait,
};

const SECONDS: u64 = 20;
const WARM_UP: Duration = Duration::from_secs(12);

const ENGINES: [usize; 5] = [0, 1, 2, 4, 8];
const CONNECTIONS: [usize; 4] = [0, 10, 100, 1_000];
const GPUS: [usize; 4] = [0, 1, 4, 8];

/// A connection of a stand-in has a thread that does nothing but wait.
const STACK_BYTES: usize = 64 << 10;

const FIXTURES: &str = "crates/collect/fixtures";

/// One agent, and what it watches besides the host.
struct Watched {
    what: String,
    engines: Vec<StandIn>,
    connections: Vec<TcpStream>,
    library: Option<PathBuf>,
}

/// All curves as one table.
pub(super) fn measure(program: &Path) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let mut text = format!(
        "The agent with more to watch, everything once a second; {SECONDS} s each.\n\n\
         | watched beside the host | CPU, ms per second | RSS, MiB | values |\n|---|---|---|---|\n"
    );
    for watched in all(folder.path())? {
        say(&format!("measuring {} for {SECONDS} s", watched.what));
        let (cpu, resident, values) = watched.measure(program, folder.path())?;
        let (cpu, resident) = (short(cpu), short(resident));
        text.push_str(&format!("| {} | {cpu} | {resident} | {values} |\n", watched.what));
    }
    Ok(text)
}

fn all(folder: &Path) -> Result<Vec<Watched>> {
    let mut all = Vec::new();
    let nothing = |what: String| Watched {
        what,
        engines: Vec::new(),
        connections: Vec::new(),
        library: None,
    };
    for count in ENGINES {
        let engines = (0..count).map(|_| StandIn::start()).collect::<Result<_>>()?;
        all.push(Watched { engines, ..nothing(counted(count, "engine")) });
    }
    for count in CONNECTIONS {
        let engine = StandIn::start()?;
        let connections = (0..count).map(|_| TcpStream::connect(engine.address));
        let connections = connections.collect::<std::io::Result<_>>()?;
        let what = format!("1 engine with {}", counted(count, "open connection"));
        all.push(Watched { engines: vec![engine], connections, ..nothing(what) });
    }
    for count in GPUS {
        let library = library(folder, count).context("failed to build the stand-in for NVML")?;
        all.push(Watched { library: Some(library), ..nothing(counted(count, "GPU")) });
    }
    Ok(all)
}

fn counted(count: usize, what: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {what}{end}")
}

impl Watched {
    /// CPU time in ms per second, resident memory in MiB, and how many values it delivers.
    fn measure(&self, program: &Path, folder: &Path) -> Result<(f64, f64, usize)> {
        let address = format!("127.0.0.1:{}", engine::free_port()?);
        let config = folder.join("curve.toml");
        let libraries = self.library.iter().map(|path| format!("nvidia={}", path.display()));
        let mut text = format!(
            "[server]\nlisten = \"{address}\"\n[collect]\ndiscover = false\nengine_period = \"1s\"\n\
             accelerator_libraries = {:?}\n",
            libraries.collect::<Vec<_>>()
        );
        for engine in &self.engines {
            text.push_str(&format!("[[engine]]\nurl = \"http://{}\"\n", engine.address));
        }
        fs::write(&config, text)?;
        let log = File::create(folder.join("log"))?;
        let mut command = process::command(program);
        command.arg("agent").arg("--config").arg(&config).stdout(log.try_clone()?).stderr(log);
        let mut process = Process::spawn(&mut command)?;
        peers::wait_until_ready(&mut process, &address, "/metrics", super::START_MAX)?;
        wait::pause(WARM_UP);
        let used = usage::process_for(process.pid(), SECONDS)?;
        ensure!(!process.has_ended(), "the agent ended early");
        let resident = usage::resident_bytes(process.pid())? as f64 / f64::from(1 << 20);
        let values = super::values(&address, "/metrics")?;
        self.ensure_seen(&http::get(&address, "/metrics")?.text())?;
        Ok((used.as_secs_f64() * 1e3 / SECONDS as f64, resident, values))
    }

    /// A figure for something that was not watched would be a lie.
    fn ensure_seen(&self, text: &str) -> Result<()> {
        let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        let engines = lines("llm_engine_up{");
        ensure!(engines == self.engines.len(), "{}: {engines} engines were read", self.what);
        let of_library = self.what.split(' ').next().filter(|_| self.library.is_some());
        let gpus: usize = of_library.map_or(Ok(0), str::parse)?;
        ensure!(lines("accelerator_up{") == gpus, "{}: not all GPUs were read", self.what);
        let established = text
            .lines()
            .filter(|line| line.starts_with("llm_connections{") && line.contains("established"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
        // The agent itself has one or two.
        let seen: usize = established.sum();
        ensure!(seen >= self.connections.len(), "{}: {seen} connections were seen", self.what);
        Ok(())
    }
}

/// An engine that says what a real one once said. It ends with this program.
struct StandIn {
    address: SocketAddr,
}

impl StandIn {
    fn start() -> Result<Self> {
        let read = |name: &str| {
            let path = root().join(FIXTURES).join(name);
            fs::read(&path).with_context(|| format!("failed to read {}", path.display()))
        };
        let pages: &'static Pages = Box::leak(Box::new(Pages {
            metrics: read("vllm-0.32.0-load.metrics")?,
            models: read("vllm-0.32.0-models.json")?,
        }));
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A connection that cannot have a thread is closed, which the measurement notices.
                let serving = thread::Builder::new().stack_size(STACK_BYTES);
                drop(serving.spawn(move || drop(pages.serve(&stream))));
            }
        });
        Ok(Self { address })
    }
}

struct Pages {
    metrics: Vec<u8>,
    models: Vec<u8>,
}

impl Pages {
    /// Answers until the other side closes.
    fn serve(&self, stream: &TcpStream) -> Result<()> {
        let mut reader = BufReader::with_capacity(4 << 10, stream);
        let mut writer = stream;
        loop {
            let mut line = String::new();
            ensure!(reader.read_line(&mut line)? > 0, "closed");
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            while line.trim() != "" {
                line.clear();
                ensure!(reader.read_line(&mut line)? > 0, "closed within a request");
            }
            let (status, kind, body) = match path.as_str() {
                "/metrics" => ("200 OK", "text/plain; version=0.0.4", self.metrics.as_slice()),
                "/v1/models" => ("200 OK", "application/json", self.models.as_slice()),
                "/version" => ("200 OK", "application/json", br#"{"version":"0.32.0"}"#.as_slice()),
                "/health" => ("200 OK", "text/plain", b"".as_slice()),
                _ => ("404 Not Found", "text/plain", b"".as_slice()),
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
            );
            writer.write_all(head.as_bytes())?;
            writer.write_all(body)?;
        }
    }
}

/// The tests' stand-in for NVML, with this many GPUs that are all like the first of its answers.
fn library(folder: &Path, gpus: usize) -> Result<PathBuf> {
    let library = folder.join(format!("libnvml{gpus}.so"));
    let source = root().join("crates/collect/src/accelerator/nvml/fake.c");
    let mut command = process::command("cc");
    command.args(["-O2", "-shared", "-fPIC", "-w", "-DKEPT", "-o"]).arg(&library).arg(source);
    process::capture(&mut command)?;
    let answers =
        fs::read_to_string(root().join(FIXTURES).join("accelerator/nvml_two_gpus.answers"))?;
    let mut text = String::new();
    for line in answers.lines() {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        match words.as_slice() {
            ["DeviceGetCount", ..] => text.push_str(&format!("DeviceGetCount -1 0 {gpus}\n")),
            [function, "0", "0 GPU-0aa0"] => {
                for index in 0..gpus {
                    text.push_str(&format!("{function} {index} 0 GPU-{index}\n"));
                }
            }
            [function, "0", rest] => {
                for index in 0..gpus {
                    text.push_str(&format!("{function} {index} {rest}\n"));
                }
            }
            [_, "-1", ..] => text.push_str(&format!("{line}\n")),
            _ => {}
        }
    }
    fs::write(library.with_extension("so.txt"), text)?;
    Ok(library)
}
