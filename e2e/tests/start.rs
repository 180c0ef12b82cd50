//! Starting, refusing to start, and stopping.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use e2e::{Modelwatch, Output, PATIENCE, command, run_to_end};
use xtask::{http, process::Process, wait};

/// What a person may wait for after Ctrl-C.
const STOP_MAX: Duration = Duration::from_secs(5);

fn run(folder: &Path, arguments: &[&str], config: &str) -> Result<Output> {
    let path = folder.join("config.toml");
    fs::write(&path, config)?;
    let mut words: Vec<&std::ffi::OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    words.extend(["--config".as_ref(), path.as_os_str()]);
    run_to_end(&mut command(&folder.join("data"), &words))
}

#[test]
fn every_error_of_a_configuration_is_told_at_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = "[server]\nlisten = 7\nlisten_on = 1\n[storag]\n[collect]\nhost_period = \"5\"\n";
    for word in ["check", "serve"] {
        let output = run(folder.path(), &[word], config)?;
        ensure!(output.code == Some(2), "{word}: {output:?}");
        for expected in ["config.toml", "line 2", "line 3", "listen", "storage", "host_period"] {
            ensure!(output.text.contains(expected), "{word}: no {expected:?} in\n{}", output.text);
        }
        ensure!(
            !output.text.contains("panicked") && !output.text.contains("Error {"),
            "{output:?}"
        );
    }
    Ok(())
}

#[test]
fn check_tells_what_would_happen_and_does_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let output = run(folder.path(), &["check"], "[server]\nlisten = \"127.0.0.1:0\"\n")?;
    ensure!(output.code == Some(0), "{output:?}");
    for expected in ["Configuration", "Machine", "Sources", "host.cpu", "Engines"] {
        ensure!(output.text.contains(expected), "no {expected:?} in\n{}", output.text);
    }
    ensure!(!folder.path().join("data").exists(), "a dry run made a data directory");
    Ok(())
}

#[test]
fn a_machine_that_cannot_be_read_is_no_reason_not_to_start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("root");
    fs::create_dir(&root)?;
    let more = format!("[collect]\nroot = \"{}\"\n", root.display());
    let mut modelwatch = Modelwatch::start(folder.path(), &more)?;
    let source = modelwatch.source("host.cpu")?;
    ensure!(source["state"] == "absent" || source["state"] == "failing", "{source}");
    ensure!(modelwatch.terminate(STOP_MAX)?.success(), "{}", modelwatch.log());
    Ok(())
}

#[test]
fn a_taken_port_names_who_has_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let holder = TcpListener::bind("127.0.0.1:0")?;
    let address = holder.local_addr()?;
    let output = run(folder.path(), &["serve"], &format!("[server]\nlisten = \"{address}\"\n"))?;
    ensure!(output.code == Some(1), "{output:?}");
    let expected = format!("{address} is taken by");
    ensure!(output.text.contains(&expected), "{}", output.text);
    ensure!(output.text.contains(&format!("pid {}", std::process::id())), "{}", output.text);
    Ok(())
}

#[test]
fn a_second_instance_on_the_same_data_is_refused_and_the_first_stops_cleanly() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut modelwatch = Modelwatch::start(folder.path(), "")?;
    let output = run(folder.path(), &["serve"], "[server]\nlisten = \"127.0.0.1:0\"\n")?;
    ensure!(output.code == Some(1), "{output:?}");
    let expected = format!("in use by another modelwatch (process {})", modelwatch.process.pid());
    ensure!(output.text.contains(&expected), "{}", output.text);
    ensure!(modelwatch.terminate(STOP_MAX)?.code() == Some(0), "{}", modelwatch.log());
    ensure!(!modelwatch.log().contains("panicked"), "{}", modelwatch.log());
    Ok(())
}

#[test]
fn the_commands_of_the_readme_exist() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (arguments, expected) in
        [(["--help"], "check"), (["--version"], concat!("modelwatch ", env!("CARGO_PKG_VERSION")))]
    {
        let words: Vec<&std::ffi::OsStr> = arguments.iter().map(AsRef::as_ref).collect();
        let output = run_to_end(&mut command(folder.path(), &words))?;
        ensure!(output.code == Some(0) && output.text.contains(expected), "{output:?}");
    }
    Ok(())
}

#[test]
fn it_goes_on_when_nobody_reads_its_output() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("config.toml");
    fs::write(&config, "[server]\nlisten = \"127.0.0.1:0\"\n")?;
    let (reader, writer) = std::io::pipe()?;
    let arguments = ["serve".as_ref(), "--config".as_ref(), config.as_os_str()];
    let mut command = command(&folder.path().join("data"), &arguments);
    let mut process = Process::spawn(command.stdout(writer.try_clone()?).stderr(writer))?;
    drop(command);
    let mut lines = BufReader::new(reader).lines();
    let address = lines.find_map(|line| {
        let line = line.ok()?;
        Some(line.split_once("http://")?.1.trim_end_matches('/').to_owned())
    });
    let address = address.context("no address on standard output")?;
    drop(lines);
    // A request that never ends is warned of at the end, after the farewell.
    let mut stream = http::connect(&address, PATIENCE)?;
    stream.write_all(b"GET / HTTP/1.1\r\n")?;
    wait::until("readiness", PATIENCE, || http::get(&address, "/-/ready"))?;
    process.terminate()?;
    let status = process.wait_for(STOP_MAX)?;
    ensure!(status.code() == Some(0), "{status:?}");
    Ok(())
}
