//! `modelwatch top` beside a real server, alone, and on a terminal of tmux that it has to give back as it was.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use e2e::{Modelwatch, PATIENCE, command, skip};
use serde_json::Value;
use xtask::{
    process::{self, Process},
    wait,
};

const WITHOUT_DISCOVERY: &str = "[collect]\ndiscover = false\n";

/// Runs `modelwatch top` with `words`, without a terminal, and returns what it printed.
fn top(folder: &Path, words: &[&str]) -> Result<String> {
    let (out, err) = (folder.join("out"), folder.join("err"));
    let words: Vec<&OsStr> = ["top"].iter().chain(words).map(OsStr::new).collect();
    let mut command = command(&folder.join("state"), &words);
    let command = command.stdout(File::create(&out)?).stderr(File::create(&err)?);
    let status = Process::spawn(command)?.wait_for(PATIENCE)?;
    let [out, err] = [fs::read_to_string(out)?, fs::read_to_string(err)?];
    ensure!(status.success(), "{words:?}: {status}\n{out}\n{err}");
    Ok(out)
}

#[test]
fn a_server_is_shown_once_as_text_and_as_json() -> Result<()> {
    let home = tempfile::tempdir()?;
    let folder = home.path();
    let modelwatch = Modelwatch::start(folder, WITHOUT_DISCOVERY)?;
    let url = format!("http://{}", modelwatch.address);
    wait::until("a rate of the host", PATIENCE, || {
        let query = "rate(node_cpu_seconds_total{mode=\"idle\"}[10s])";
        ensure!(!modelwatch.query(query)?.is_empty());
        Ok(())
    })?;
    let json: Value =
        serde_json::from_str(&top(folder, &["--once", "--json", "--connect", &url])?)?;
    let overview = modelwatch.json("/api/v1/overview")?;
    ensure!(json["source"]["kind"] == "server" && json["source"]["url"] == url.as_str(), "{json}");
    ensure!(json["host"]["name"] == overview["host"]["name"], "{json}");
    ensure!(json["version"] == overview["version"], "{json}");
    ensure!(json["engines"] == overview["engines"], "neither knows an engine: {json}");
    ensure!(json["requests"]["recorded"] == false, "there is no gateway: {json}");
    let totals = &json["totals"];
    let share = totals["host_cpu_ratio"].as_f64().context("no CPU")?;
    ensure!((0.0..=1.0).contains(&share), "{share}");
    let memory = totals["host_memory_total_bytes"].as_f64().context("no memory")?;
    let expected = overview["host"]["memory_bytes"].as_f64().context("no memory")?;
    ensure!((memory - expected).abs() < 0.01 * expected, "{memory} of {expected}");
    ensure!(totals["requests_running"].is_null(), "nobody told, which is not zero: {json}");

    let config = folder.join("modelwatch.toml");
    let text = fs::read_to_string(&config)?.replace("127.0.0.1:0", &modelwatch.address);
    fs::write(&config, text)?;
    let config = config.display().to_string();
    // Also without being told where it is, and without being told that this is no terminal.
    for language in ["en", "zh-CN"] {
        let text = top(folder, &["--config", &config, "--lang", language])?;
        let expected =
            if language == "en" { "No engine found yet." } else { "尚未发现推理引擎。" };
        ensure!(text.contains(&url) && text.contains(expected), "{text}");
        ensure!(!text.contains('\u{1b}'), "escape codes went to a file: {text:?}");
    }
    Ok(())
}

#[test]
fn where_none_runs_it_collects_itself() -> Result<()> {
    let home = tempfile::tempdir()?;
    let folder = home.path();
    let config = folder.join("modelwatch.toml");
    fs::write(&config, format!("[server]\nlisten = \"127.0.0.1:1\"\n{WITHOUT_DISCOVERY}"))?;
    let config = config.display().to_string();
    let json: Value = serde_json::from_str(&top(folder, &["--json", "--config", &config])?)?;
    ensure!(json["source"]["kind"] == "local" && json["source"]["url"].is_null(), "{json}");
    ensure!(json["totals"]["host_cpu_ratio"].is_number(), "{json}");
    ensure!(json["totals"]["host_memory_used_bytes"].is_number(), "{json}");
    ensure!(!folder.join("state").exists(), "it made a data directory");
    let words = ["top", "--once", "--connect", "http://127.0.0.1:1"].map(OsStr::new);
    let refused = e2e::run_to_end(&mut command(&folder.join("state"), &words))?;
    let is_right = refused.code == Some(1) && refused.text.contains("no modelwatch answers at");
    ensure!(is_right, "{refused:?}");
    Ok(())
}

/// A terminal of tmux, on a server of its own.
struct Terminal<'a> {
    socket: &'a Path,
}

impl Terminal<'_> {
    fn ask(&self, words: &[&str]) -> Result<String> {
        let mut tmux = process::command("tmux");
        process::capture(tmux.arg("-f").arg("/dev/null").arg("-S").arg(self.socket).args(words))
    }

    fn shows(&self, what: &str) -> Result<String> {
        wait::until(what, PATIENCE, || {
            let text = self.ask(&["capture-pane", "-p"])?;
            ensure!(text.contains(what), "it shows:\n{text}");
            Ok(text)
        })
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        drop(self.ask(&["kill-server"]));
    }
}

#[test]
fn a_terminal_is_drawn_on_and_given_back() -> Result<()> {
    if process::capture(process::command("tmux").arg("-V")).is_err() {
        skip("there is no tmux");
        return Ok(());
    }
    let home = tempfile::tempdir()?;
    let folder = home.path();
    let mut modelwatch = Modelwatch::start(folder, WITHOUT_DISCOVERY)?;
    let socket = folder.join("tmux");
    let terminal = Terminal { socket: &socket };
    let shell = ["new-session", "-d", "-x", "90", "-y", "24", "env PS1='$ ' sh"];
    terminal.ask(&shell)?;
    let binary = command(folder, &[]).get_program().to_string_lossy().into_owned();
    let run = format!(
        "echo before; stty -g > {0}/before; {binary} top --lang en --connect http://{1}; \
         echo ended $?; stty -g > {0}/after",
        folder.display(),
        modelwatch.address
    );
    let begin = || terminal.ask(&["send-keys", &run, "Enter"]);
    let press = |key: &str| terminal.ask(&["send-keys", key]);
    begin()?;
    let shown = terminal.shows("No engine found yet.")?;
    ensure!(shown.lines().count() <= 24 && shown.contains("q quit"), "{shown}");
    press("?")?;
    terminal.shows("What signs mean")?;
    press("Escape")?;
    press("3")?;
    terminal.shows("order: number")?;
    // The smallest of terminals, and back.
    terminal.ask(&["resize-window", "-x", "12", "-y", "3"])?;
    terminal.ask(&["resize-window", "-x", "90", "-y", "24"])?;
    terminal.shows("order: number")?;
    press("q")?;
    let given_back = |what: &str| -> Result<()> {
        let text = terminal.shows("ended 0")?;
        ensure!(text.contains("before") && !text.contains("order:"), "after {what}:\n{text}");
        let files = wait::until("the state of the terminal", PATIENCE, || {
            let [before, after] =
                ["before", "after"].map(|name| fs::read_to_string(folder.join(name)));
            let files = (before?, after?);
            ensure!(!files.1.is_empty());
            Ok(files)
        })?;
        ensure!(files.0 == files.1, "after {what} the terminal is not as it was: {files:?}");
        fs::remove_file(folder.join("after"))?;
        terminal.ask(&["send-keys", "clear", "Enter"])?;
        wait::until("an empty screen", PATIENCE, || {
            ensure!(!terminal.ask(&["capture-pane", "-p"])?.contains("ended"));
            Ok(())
        })
    };
    given_back("q")?;

    begin()?;
    terminal.shows("No engine found yet.")?;
    let found = terminal.ask(&["list-panes", "-F", "#{pane_pid}"])?;
    let children = format!("/proc/{0}/task/{0}/children", found.trim());
    let pid = fs::read_to_string(children)?;
    ensure!(modelwatch.terminate(Duration::from_secs(10))?.success(), "{}", modelwatch.log());
    terminal.shows("STALE since")?;
    process::run(process::command("kill").arg("-TERM").arg(pid.trim()))?;
    given_back("SIGTERM")
}
