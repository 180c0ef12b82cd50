//! The systems that ours is compared with, in tests and in benchmarks: how each is found, installed
//! where that is possible, and started. All are packages of Debian, but LiteLLM, which is one of PyPI.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FlockOperation, flock};

use crate::{
    apt, engine, http,
    process::{self, Process},
    say, wait,
};

/// A program and what it is called.
#[derive(Clone, Debug)]
pub struct Program {
    pub path: PathBuf,
    pub version: String,
}

/// Names of packages, which are those of their programs as well.
pub const ALERTMANAGER: &str = "prometheus-alertmanager";
pub const NETDATA: &str = "netdata";
pub const NODE_EXPORTER: &str = "prometheus-node-exporter";
pub const PROMETHEUS: &str = "prometheus";
pub const VICTORIA_METRICS: &str = "victoria-metrics";

/// A package of a later Debian, unpacked beside the system's own. Its version is pinned, because what
/// it is compared with was looked at with that one.
pub struct Later {
    package: &'static str,
    version: &'static str,
    suite: &'static str,
}

pub const PROMETHEUS_3: Later =
    Later { package: PROMETHEUS, version: "3.5.3+ds1-6", suite: "forky" };

/// The program of a package of this machine's own Debian that is called as the package is, installed if it is missing.
/// Its service never runs.
pub fn debian(package: &str) -> Result<Program> {
    debian_program(package, package)
}

/// As [`debian`], of a program with a name of its own.
pub fn debian_program(package: &str, name: &str) -> Result<Program> {
    let _lock = lock()?;
    if apt::find(&[name]).is_none() {
        apt::install(&[package], &[name])?;
    }
    let path = apt::find(&[name]).with_context(|| format!("no {name} in PATH"))?;
    // Not every program knows its own version.
    let mut query = process::command("dpkg-query");
    let version = process::capture(query.args(["--show", "--showformat=${Version}", package]));
    let version = version.as_deref().map_or("?", upstream).to_owned();
    Ok(Program { path, version })
}

/// Prometheus of this machine's own Debian, and its tool.
pub struct Prometheus {
    pub server: PathBuf,
    pub promtool: PathBuf,
}

/// What is in PATH.
pub fn prometheus() -> Option<Prometheus> {
    let (server, promtool) = (apt::find(&[PROMETHEUS])?, apt::find(&["promtool"])?);
    Some(Prometheus { server, promtool })
}

/// A program of that name, if it is in PATH.
pub fn installed(name: &str) -> Option<PathBuf> {
    apt::find(&[name])
}

/// node_exporter, if it is in PATH.
pub fn node_exporter() -> Option<PathBuf> {
    apt::find(&[NODE_EXPORTER])
}

/// Installs what the tests compare with, where that is possible and it is not there.
pub(crate) fn install() -> Result<()> {
    debian(NODE_EXPORTER)?;
    debian(PROMETHEUS)?;
    debian(ALERTMANAGER)?;
    debian_program(VICTORIA_METRICS, "vmalert")?;
    prometheus().map(drop).context("there is no prometheus and promtool in PATH")
}

/// The program of a later package, fetched if it is missing.
pub fn later(wanted: &Later) -> Result<Program> {
    let Later { package, version, suite } = wanted;
    let cache = cache_dir()?;
    let _lock = lock()?;
    let folder = cache.join(format!("{package}-{version}"));
    let path = folder.join("usr/bin").join(package);
    if !path.is_file() {
        say(&format!("fetching {package} {version} of Debian {suite}"));
        let work = cache.join(".tmp");
        if work.exists() {
            fs::remove_dir_all(&work)?; // what an interrupted run left behind
        }
        fetch(wanted, &work)
            .with_context(|| format!("failed to fetch {package} {version} of Debian {suite}"))?;
        fs::rename(work.join("unpacked"), &folder)?; // never half-done under its final name
        fs::remove_dir_all(&work)?;
        ensure!(path.is_file(), "the package has no program {package}");
    }
    Ok(Program { path, version: upstream(version).to_owned() })
}

/// The version of LiteLLM that is measured.
const LITELLM: &str = "1.108.7";

/// LiteLLM's proxy in an environment of its own, made if it is missing: 750 MB.
pub(crate) fn litellm() -> Result<Program> {
    let folder = cache_dir()?.join("litellm");
    let _lock = lock()?;
    let mark = folder.join(".complete");
    if fs::read_to_string(&mark).is_ok_and(|version| version == LITELLM) {
        return Ok(Program { path: folder.join("bin/litellm"), version: LITELLM.to_owned() });
    }
    say(&format!("installing LiteLLM {LITELLM} of PyPI, 750 MB"));
    let wanted = format!("litellm[proxy]=={LITELLM}");
    process::run(process::command("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut pip = process::command(folder.join("bin/python"));
    pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "install", &wanted]);
    process::run(&mut pip).context("failed to install LiteLLM")?;
    fs::write(mark, LITELLM)?;
    Ok(Program { path: folder.join("bin/litellm"), version: LITELLM.to_owned() })
}

/// Clients of PyPI in a folder of their own, installed if they are missing. Several of one name have each their
/// own. `packages` are pinned. What is returned is for `PYTHONPATH`.
pub fn python(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = cache_dir()?.join(format!("python-{name}"));
    let wanted = packages.join(" ");
    let _lock = lock()?;
    let mark = folder.join(".complete");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?; // what an interrupted run or another version left behind
    }
    say(&format!("installing {wanted} of PyPI"));
    let mut pip = process::command("python3");
    pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--target"]);
    process::capture(pip.arg(&folder).args(packages))
        .with_context(|| format!("failed to install {wanted}"))?;
    fs::write(mark, wanted)?;
    Ok(folder)
}

/// Clients of npm in a folder of their own, installed if they are missing; below it is `node_modules`.
pub fn node(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = cache_dir()?.join(format!("node-{name}"));
    let wanted = packages.join(" ");
    let _lock = lock()?;
    let mark = folder.join(".complete");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?; // what an interrupted run or another version left behind
    }
    fs::create_dir_all(&folder)?;
    say(&format!("installing {wanted} of npm"));
    let mut npm = process::command("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
    process::capture(npm.arg(&folder).args(packages))
        .with_context(|| format!("failed to install {wanted}"))?;
    fs::write(mark, wanted)?;
    Ok(folder)
}

/// rsyslog with its outputs to Elasticsearch and over TLS. Its service never runs.
pub fn rsyslog() -> Result<Program> {
    let _lock = lock()?;
    let daemon = Path::new("/usr/sbin/rsyslogd");
    let outputs = ["omelasticsearch.so", "lmnsd_gtls.so"];
    let is_there = |name: &&str| {
        ["x86_64-linux-gnu", "aarch64-linux-gnu"]
            .iter()
            .any(|machine| Path::new("/usr/lib").join(machine).join("rsyslog").join(name).is_file())
    };
    if !daemon.is_file() || !outputs.iter().all(is_there) {
        apt::install(&["rsyslog", "rsyslog-elasticsearch", "rsyslog-gnutls"], &["rsyslog"])?;
    }
    let version = process::capture(process::command("dpkg-query").args([
        "--show",
        "--showformat=${Version}",
        "rsyslog",
    ]))?;
    Ok(Program { path: daemon.to_owned(), version: upstream(&version).to_owned() })
}

/// `logger` of util-linux, if it is in PATH.
pub fn logger() -> Option<PathBuf> {
    apt::find(&["logger"])
}

/// Downloads and unpacks with lists and sources that are apart from the system's. The mirror is the
/// one that the system uses, and apt checks the signatures.
fn fetch(wanted: &Later, work: &Path) -> Result<()> {
    let Later { package, version, suite } = wanted;
    for folder in ["lists/partial", "cache/archives/partial", "unpacked"] {
        fs::create_dir_all(work.join(folder))?;
    }
    let mut targets = process::command("apt-get");
    let targets = targets.args(["indextargets", "--format", "$(REPO_URI)", "Label: Debian"]);
    let mirrors = process::capture(targets.arg("Created-By: Packages"))?;
    let mirror = mirrors.lines().next().context("the system has no mirror of Debian")?;
    fs::write(work.join("sources.list"), format!("deb {mirror} {suite} main\n"))?;
    let settings = format!(
        "Dir::State::lists \"{0}/lists\";\nDir::Cache \"{0}/cache\";\n\
         Dir::Etc::sourcelist \"{0}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
         APT::Sandbox::User \"root\";\n",
        work.display()
    );
    let config = work.join("apt.conf");
    fs::write(&config, settings)?;
    let apt = || {
        let mut command = process::command("apt-get");
        command.env("APT_CONFIG", &config).current_dir(work).arg("-qq");
        command
    };
    process::capture(apt().arg("update"))?;
    process::capture(apt().args(["download", &format!("{package}={version}")]))?;
    let mut files = fs::read_dir(work)?.filter_map(|entry| Some(entry.ok()?.path()));
    let archive = files.find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let archive = archive.context("nothing was downloaded")?;
    process::capture(
        process::command("dpkg").arg("--extract").arg(archive).arg(work.join("unpacked")),
    )?;
    Ok(())
}

/// A version without what Debian adds to it.
fn upstream(version: &str) -> &str {
    version.split(['+', '-']).next().unwrap_or_default()
}

fn cache_dir() -> Result<PathBuf> {
    let cache = engine::cache_root()?.join("modelwatch-peers");
    fs::create_dir_all(&cache).with_context(|| format!("failed to create {}", cache.display()))?;
    Ok(cache)
}

/// Two that install at the same time wait for each other.
fn lock() -> Result<File> {
    let lock = File::create(cache_dir()?.join(".lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    Ok(lock)
}

/// The command by which a Prometheus that scrapes nothing serves `address` from `folder/data`. It
/// takes remote write and keeps two months.
pub fn prometheus_command(program: &Path, address: &str, folder: &Path) -> Result<Command> {
    let config = folder.join("prometheus.yml");
    fs::write(&config, "")?;
    let mut command = process::command(program);
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
    command.arg("--storage.tsdb.retention.time=60d");
    command.arg(format!("--web.listen-address={address}"));
    command.arg("--web.enable-remote-write-receiver");
    Ok(command)
}

/// Waits until what was started answers `path`.
pub fn wait_until_ready(
    process: &mut Process,
    address: &str,
    path: &str,
    limit: Duration,
) -> Result<()> {
    let mut has_ended = false;
    wait::until("readiness", limit, || {
        has_ended = process.has_ended();
        if has_ended {
            return Ok(());
        }
        match http::get(address, path)?.status {
            200 => Ok(()),
            status => bail!("{path} answers {status}"),
        }
    })?;
    ensure!(!has_ended, "it ended at once");
    Ok(())
}
