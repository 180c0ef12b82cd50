//! The process under test.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use xtask::{
    http::{self, Response},
    process::{self, Process},
    wait,
};

use crate::PATIENCE;

/// The product, started with `arguments`, speaking English, with no data folder but the given one.
pub fn command(data: &Path, arguments: &[&OsStr]) -> Command {
    let mut command = process::command(binary());
    command.args(arguments).env("LC_ALL", "C.UTF-8").env("STATE_DIRECTORY", data);
    command
}

/// What a run that ended by itself printed, both streams together.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub text: String,
}

/// For runs that are expected to end soon, such as those with a wrong configuration.
pub fn run_to_end(command: &mut Command) -> Result<Output> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("output");
    let file = File::create(&log)?;
    let mut process = Process::spawn(command.stdout(file.try_clone()?).stderr(file))?;
    let status = process.wait_for(PATIENCE);
    let text = fs::read_to_string(&log)?;
    Ok(Output { code: status.with_context(|| text.clone())?.code(), text })
}

/// A running modelwatch.
pub struct Modelwatch {
    pub process: Process,
    /// `127.0.0.1:PORT`
    pub address: String,
    log: PathBuf,
    pub time_to_start: Duration,
}

impl Modelwatch {
    /// Starts it on a free port with its data in `folder/data`. `more` is added to its configuration.
    pub fn start(folder: &Path, more: &str) -> Result<Self> {
        Self::start_as("serve", folder, more)
    }

    /// The same without a store.
    pub fn start_agent(folder: &Path, more: &str) -> Result<Self> {
        Self::start_as("agent", folder, more)
    }

    fn start_as(word: &str, folder: &Path, more: &str) -> Result<Self> {
        let config = folder.join("modelwatch.toml");
        let data = folder.join("data");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[storage]\npath = \"{}\"\n{more}\n",
            data.display()
        );
        fs::write(&config, text)?;
        let arguments = [word.as_ref(), "--config".as_ref(), config.as_os_str()];
        Self::spawn(&mut command(&data, &arguments), &folder.join("modelwatch.log"))
    }

    /// Starts `command` and waits until it says where it listens and answers there.
    pub fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        process::end_children_on_signals()?;
        let file = File::create(log)?;
        let watch = wait::Stopwatch::start();
        let mut process = Process::spawn(command.stdout(file.try_clone()?).stderr(file))?;
        let address = wait::until("the address on standard output", PATIENCE, || {
            let text = fs::read_to_string(log)?;
            if process.has_ended() {
                return Ok(None);
            }
            address_in(&text).map(Some).with_context(|| format!("it said:\n{text}"))
        })?;
        let Some(address) = address else {
            bail!("modelwatch ended at once and said:\n{}", fs::read_to_string(log)?);
        };
        wait::until("readiness", PATIENCE, || {
            let status = http::get(&address, "/-/ready")?.status;
            ensure!(status == 200, "/-/ready answers {status}");
            Ok(())
        })?;
        let time_to_start = watch.elapsed();
        Ok(Self { process, address, log: log.to_owned(), time_to_start })
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn get(&self, path: &str) -> Result<Response> {
        http::get(&self.address, path)
    }

    pub fn json(&self, path: &str) -> Result<Value> {
        let response = self.get(path)?;
        ensure!(response.status == 200, "{path}: {}: {}", response.status, response.text());
        response.json()
    }

    /// The result of an instant query, as Prometheus has it in `data.result`.
    pub fn query(&self, query: &str) -> Result<Vec<Value>> {
        let answer = self.json(&format!("/api/v1/query?query={}", encode(query)))?;
        ensure!(answer["status"] == "success", "{query}: {answer}");
        let result = answer["data"]["result"].as_array();
        result.cloned().with_context(|| format!("{query}: {answer}"))
    }

    /// The value of an instant query that has exactly one.
    pub fn value(&self, query: &str) -> Result<f64> {
        let result = self.query(query)?;
        ensure!(result.len() == 1, "{query} has {} results: {result:?}", result.len());
        let value = result[0]["value"][1].as_str().and_then(|value| value.parse().ok());
        value.with_context(|| format!("{query}: {}", result[0]))
    }

    /// The engine at `address` in the overview.
    pub fn engine(&self, address: &str) -> Result<Value> {
        let overview = self.json("/api/v1/overview")?;
        let engines = overview["engines"].as_array().context("the overview has no engines")?;
        let found = engines.iter().find(|engine| engine["instance"] == address);
        found.cloned().with_context(|| format!("{address} is not among {engines:?}"))
    }

    /// The source whose name ends in `name`.
    pub fn source(&self, name: &str) -> Result<Value> {
        let answer = self.json("/api/v1/sources")?;
        let sources = answer["sources"].as_array().context("there are no sources")?;
        let found = sources
            .iter()
            .find(|source| source["name"].as_str().is_some_and(|found| found.ends_with(name)));
        found.cloned().with_context(|| format!("{name} is not among {sources:?}"))
    }

    /// Codes of the events that concern `url`, newest first.
    pub fn events(&self, url: &str) -> Result<Vec<String>> {
        let answer = self.json("/api/v1/events?limit=1000")?;
        let events = answer["events"].as_array().context("there are no events")?;
        let ours = events.iter().filter(|event| event["params"]["url"] == url);
        Ok(ours.filter_map(|event| event["code"].as_str()).map(str::to_owned).collect())
    }

    /// SIGTERM, and the exit status if it comes within `limit`.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.terminate()?;
        self.process.wait_for(limit).with_context(|| self.log())
    }

    /// SIGKILL: no chance to flush anything.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

/// `HOST:PORT` of where it says that it listens. It may have told of an engine's address before.
fn address_in(text: &str) -> Option<String> {
    let is_it = |line: &&str| ["  page ", "  metrics "].iter().any(|word| line.starts_with(word));
    let (_, rest) = text.lines().find(is_it)?.split_once("http://127.0.0.1:")?;
    // The line is whole when the end of the address is there.
    let (port, _) = rest.split_once(|character: char| !character.is_ascii_digit())?;
    (!port.is_empty()).then(|| format!("127.0.0.1:{port}"))
}

/// A text as a part of a URL or of a form.
pub fn encode(query: &str) -> String {
    let mut text = String::new();
    for byte in query.bytes() {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The binary that `cargo xtask test` built, else one that is built now beside this test.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("MODELWATCH_BIN") {
            return path.into();
        }
        process::run(process::cargo().args(["build", "--quiet", "--package", "modelwatch"]))
            .expect("modelwatch can be built");
        let test = std::env::current_exe().expect("a test knows its own path");
        let folder =
            test.parent().and_then(Path::parent).expect("tests are in target/PROFILE/deps");
        folder.join("modelwatch")
    })
}
