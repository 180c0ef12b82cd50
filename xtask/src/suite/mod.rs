//! `cargo xtask test`: everything that has to hold, on one machine, with one command.
//!
//! A step that cannot run because something is missing is skipped and said so; a step that fails does
//! not stop the ones behind it. The last line counts all tests of all runners; a step that is one
//! check (formatting, clippy, a build) counts as one.

pub(crate) mod install;
mod tally;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::{
    binary::{self, Profile},
    engine::{self, Installed},
    page, peers, process, say,
    simulate::{self, Wish},
    vllm,
    wait::Stopwatch,
};
use tally::Tally;

/// What clippy prints, without failing, when clippy.toml bans a function that does not exist.
const DEAD_BAN: &str = "does not refer to a reachable function";

const STEPS: &[(&str, Step)] = &[
    ("format", format),
    ("page", check_page),
    ("clippy", clippy),
    ("build", build),
    ("tidy", tidy),
    ("unit", unit),
    ("e2e", e2e),
    ("browser", browser),
    ("vllm", vllm),
];

/// Steps that need a running product.
const SLOW_STEPS: &[&str] = &["e2e", "browser"];

/// Steps that need much more than the others: only run when asked for.
const FULL_STEPS: &[&str] = &["vllm"];

type Step = fn(&mut Suite) -> Result<()>;

struct Suite {
    nextest: bool,
    node_problem: Option<String>,
    engine: Option<Installed>,
    /// The script that starts vLLM.
    vllm: Option<PathBuf>,
    tally: Tally,
}

pub(crate) fn test(arguments: &[String]) -> Result<ExitCode> {
    let (flags, chosen): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with("--"));
    for flag in &flags {
        ensure!(matches!(*flag, "--quick" | "--full"), "there is no option {flag:?}");
    }
    let (quick, full) = (flags.contains(&"--quick"), flags.contains(&"--full"));
    ensure!(!(quick && full), "--quick and --full exclude each other");
    for name in &chosen {
        ensure!(STEPS.iter().any(|(step, _)| step == name), "there is no step {name:?}");
    }
    let wanted = |name: &str| {
        if chosen.is_empty() {
            !(quick && SLOW_STEPS.contains(&name)) && (full || !FULL_STEPS.contains(&name))
        } else {
            chosen.contains(&name)
        }
    };

    let nextest = process::capture(process::cargo().args(["nextest", "--version"])).is_ok();
    let mut suite = Suite {
        nextest,
        node_problem: page::node_problem(),
        engine: None,
        vllm: None,
        tally: Tally::default(),
    };
    if SLOW_STEPS.iter().any(|name| wanted(name)) {
        suite.install_engine();
    }
    for (name, step) in STEPS.iter().filter(|(name, _)| wanted(name)) {
        say(&format!("== {name}"));
        let watch = Stopwatch::start();
        let failed_before = suite.tally.failed;
        if let Err(error) = step(&mut suite) {
            say(&format!("{name}: {error:#}"));
            suite.tally.fail(name);
        }
        let verdict = if suite.tally.failed == failed_before { "done" } else { "FAILED" };
        say(&format!("== {name} {verdict} in {}", binary::seconds(watch.elapsed())));
    }
    Ok(suite.tally.report(std::env::var_os("CI").is_some()))
}

impl Suite {
    fn install_engine(&mut self) {
        let watch = Stopwatch::start();
        match engine::install(&say) {
            Ok(installed) => self.engine = Some(installed),
            Err(error) => say(&format!("there is no real engine for the tests: {error:#}")),
        }
        say(&format!("== engine looked after in {}", binary::seconds(watch.elapsed())));
    }

    /// Runs a command that is one check.
    fn check(&mut self, name: &str, command: &mut Command) -> Result<()> {
        process::run(command)?;
        self.tally.pass(name);
        Ok(())
    }

    /// Runs a test runner and counts what it says. `read` finds the counts in its output.
    fn runner(&mut self, name: &str, command: &mut Command, read: tally::Reader) -> Result<()> {
        let skips = Skips::new(name)?;
        command.envs([("CARGO_TERM_COLOR", "never"), ("NO_COLOR", "1")]).env_remove("FORCE_COLOR");
        command.env("MODELWATCH_SKIPS", &skips.path);
        let (status, output) = process::tee(command)?;
        let counts = read(&output);
        self.tally.add(&counts, &skips.take());
        if status.success() {
            ensure!(counts.total() > 0, "the runner said nothing about tests");
        } else if counts.failed == 0 {
            bail!("the runner ended with {status}");
        }
        Ok(())
    }

    /// A runner of Rust tests over the whole workspace, always the same selection of packages: another
    /// one would build the dependencies again with other features.
    fn rust_tests(&mut self, name: &str, targets: &[&str], filter: &[&str]) -> Result<()> {
        let mut cargo = process::cargo();
        let read = if self.nextest {
            cargo.args(["nextest", "run", "--no-fail-fast", "--status-level=fail"]);
            tally::nextest as tally::Reader
        } else {
            cargo.args(["test", "--no-fail-fast", "--quiet"]);
            tally::libtest
        };
        cargo.args(["--workspace", "--locked"]).args(targets).arg("--").args(filter);
        self.product_environment(&mut cargo)?;
        self.runner(name, &mut cargo, read)
    }

    /// Tells tests where the product and the engine are.
    fn product_environment(&self, command: &mut Command) -> Result<()> {
        command.env("MODELWATCH_BIN", binary::path(Profile::Dev)?);
        if let Some(Installed { server, model }) = &self.engine {
            command.env("MODELWATCH_TEST_SERVER", server).env("MODELWATCH_TEST_MODEL", model);
        }
        if let Some(script) = &self.vllm {
            command.env("MODELWATCH_TEST_VLLM", script);
        }
        Ok(())
    }
}

fn format(suite: &mut Suite) -> Result<()> {
    suite.check("format", process::cargo().args(["fmt", "--all", "--check"]))
}

fn check_page(suite: &mut Suite) -> Result<()> {
    if let Some(problem) = &suite.node_problem {
        suite.tally.skip(&format!("page: {problem}"));
        return Ok(());
    }
    let folder = crate::root().join("ui");
    page::install_packages(&folder)?;
    suite.check("page check", page::npm(&folder).args(["run", "check"]))?;
    suite.runner("page tests", page::npm(&folder).arg("test"), tally::vitest)?;
    page::build()?;
    suite.tally.pass("page build");
    Ok(())
}

fn clippy(suite: &mut Suite) -> Result<()> {
    let mut cargo = process::cargo();
    cargo.args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
    let (status, output) = process::tee(&mut cargo)?;
    ensure!(status.success(), "clippy ended with {status}");
    ensure!(!output.contains(DEAD_BAN), "clippy.toml bans a function that does not exist");
    suite.tally.pass("clippy");
    Ok(())
}

fn build(suite: &mut Suite) -> Result<()> {
    binary::build(Profile::Dev)?;
    suite.tally.pass("build");
    Ok(())
}

fn tidy(suite: &mut Suite) -> Result<()> {
    suite.rust_tests("tidy", &["--lib"], &["tidy::"])
}

fn unit(suite: &mut Suite) -> Result<()> {
    if !crate::root().join("../shared").is_dir() {
        say("../shared is absent: tests that replay its captures pass without doing so");
    }
    let tests = tests_of(&binary::metadata()?);
    let mut targets = vec!["--lib", "--bins"];
    targets.extend(tests.iter().flat_map(|(option, name)| [*option, name.as_str()]));
    suite.rust_tests("unit", &targets, &["--skip", "tidy::"])
}

/// The tests beside libraries and programs, and the examples that have some, each with the option that names it. Those
/// of the real process have a step of their own.
fn tests_of(metadata: &Value) -> BTreeSet<(&'static str, String)> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let ours = packages.filter(|package| package["source"].is_null());
    let targets = ours.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let tested = targets.filter(|target| target["test"] == true && target["name"] != "e2e");
    let named = tested.filter_map(|target| {
        let option = match target["kind"][0].as_str()? {
            "test" => "--test",
            "example" => "--example",
            _ => return None,
        };
        Some((option, target["name"].as_str()?.to_owned()))
    });
    named.collect()
}

fn e2e(suite: &mut Suite) -> Result<()> {
    if let Err(error) = peers::install() {
        say(&format!("the tests have nothing to compare with: {error:#}"));
    }
    suite.rust_tests("e2e", &["--test", "e2e"], &["--skip", "vllm::"])
}

fn vllm(suite: &mut Suite) -> Result<()> {
    match vllm::install() {
        Ok(script) => suite.vllm = Some(script),
        Err(error) => {
            suite.tally.skip(&format!("vllm: {error:#}"));
            return Ok(());
        }
    }
    suite.rust_tests("vllm", &["--test", "e2e"], &["--ignored", "vllm::"])
}

fn browser(suite: &mut Suite) -> Result<()> {
    let browser = match install::browser() {
        Ok(browser) => browser,
        Err(error) => {
            suite.tally.skip(&format!("browser: {error:#}"));
            return Ok(());
        }
    };
    if let Some(problem) = &suite.node_problem {
        suite.tally.skip(&format!("browser: {problem}"));
        return Ok(());
    }
    if suite.engine.is_none() {
        suite.tally.skip("browser: there is no real engine");
        return Ok(());
    }
    let folder = crate::root().join("e2e/browser");
    let (mut node, _simulated) = browser_tests(&folder, &browser)?;
    node.args(["--test", "--test-reporter=spec"]).args(test_files(&folder)?);
    suite.product_environment(&mut node)?;
    suite.runner("browser", &mut node, tally::node)
}

/// What runs browser tests, with a simulated deployment to look at, which goes with what else is returned.
fn browser_tests(folder: &Path, browser: &Path) -> Result<(Command, tempfile::TempDir)> {
    page::install_packages(folder)?;
    let simulated = tempfile::Builder::new().prefix("modelwatch-simulated-").tempdir()?;
    let deployment = simulated.path().join("deployment");
    simulate::fill(&binary::path(Profile::Dev)?, &Wish::noon(deployment.clone()))?;
    let mut node = process::command("node");
    node.current_dir(folder).env("CHROMIUM", browser);
    node.env("MODELWATCH_TEST_SIMULATED", &deployment);
    Ok((node, simulated))
}

/// Makes the pictures of all pages anew: those of the documents, and those that tests compare pages with.
pub(crate) fn screenshots() -> Result<()> {
    page::build_if_possible()?;
    let program = binary::build(Profile::Dev)?;
    let folder = crate::root().join("e2e/browser");
    let (mut node, _simulated) = browser_tests(&folder, &install::browser()?)?;
    node.env("MODELWATCH_BIN", program);
    node.env("MODELWATCH_SCREENSHOTS", crate::root().join("docs/screenshots"));
    node.env("MODELWATCH_SNAPSHOTS", "write");
    process::run(node.args(["--test", "cluster.test.mjs", "snapshots.test.mjs"]))
}

fn test_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".test.mjs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A file in which tests that could not run write why, one line each.
struct Skips {
    path: PathBuf,
}

impl Skips {
    fn new(name: &str) -> Result<Self> {
        let file = format!("modelwatch-skips-{}-{}", std::process::id(), name.replace(' ', "-"));
        let path = std::env::temp_dir().join(file);
        fs::write(&path, "")?;
        Ok(Self { path })
    }

    fn take(self) -> Vec<String> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        fs::remove_file(&self.path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
