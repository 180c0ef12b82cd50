//! `modelwatch pipeline test` with a configuration and a log of one's own.

use std::{ffi::OsStr, fs, path::Path};

use anyhow::{Result, ensure};
use e2e::{command, run_to_end};

const CONFIG: &str = r#"
[[log_pipeline]]
name = "jobs"
match = "service = jobs"

[[log_pipeline.step]]
grok = "job %{INT:job} for %{EMAILADDRESS:user.email} took %{DURATION:took}"

[[log_pipeline.step]]
redact = ["email"]

[[log_pipeline.step]]
drop = "job = 2"

[[log_pipeline.step]]
metric = "job_seconds"
from = "took"
"#;
const LOG: &str = "job 1 for a@b.example took 1.5s\njob 2 for a@b.example took 1ms\n";

fn run(folder: &Path, words: &[&str]) -> Result<(Option<i32>, String)> {
    let words: Vec<&OsStr> = ["pipeline", "test"].iter().chain(words).map(AsRef::as_ref).collect();
    let output = run_to_end(&mut command(folder, &words))?;
    Ok((output.code, output.text))
}

#[test]
fn each_step_is_shown_in_both_languages() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (config, log) = (path("modelwatch.toml"), path("jobs.log"));
    fs::write(&config, CONFIG)?;
    fs::write(&log, LOG)?;
    let words = ["--config", &config, "--service", "jobs", &log];
    let (code, text) = run(folder.path(), &words)?;
    for expected in [
        "+ user.email = a@b.example",
        "user.email: a@b.example → <email>",
        "jobs, step 3, drop: dropped the line",
        "metric job_seconds{} (gauge): 1.5",
        "lines 2, kept 1, dropped 1",
    ] {
        ensure!(code == Some(0) && text.contains(expected), "{expected}: {code:?} {text}");
    }
    let (_, text) = run(folder.path(), &[&["--lang", "zh"], &words[..]].concat())?;
    ensure!(text.contains("共 2 行，保留 1 行，丢弃 1 行"), "{text}");
    let (_, text) = run(folder.path(), &["--config", &config, &log])?;
    ensure!(text.contains("no pipeline is for this line"), "{text}");
    let (code, text) = run(folder.path(), &["--config", &config, "--pipeline", "x", &log])?;
    ensure!(code == Some(2) && text.contains("no log pipeline named x"), "{code:?} {text}");
    Ok(())
}

#[test]
fn a_pipeline_that_cannot_be_used_is_refused_with_its_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("modelwatch.toml");
    let config = config.to_string_lossy();
    let (code, text) = run(folder.path(), &["-"])?;
    ensure!(code == Some(2) && text.contains("no [[log_pipeline]]"), "{code:?} {text}");
    fs::write(&*config, CONFIG.replace("INT:job", "NOPE:job"))?;
    let (code, text) = run(folder.path(), &["--config", &config, "-"])?;
    let expected = "line 6: step 1 of the log pipeline jobs cannot be used: grok: there is no pattern \"NOPE\"";
    ensure!(code == Some(2) && text.contains(expected), "{code:?} {text}");
    let (_, text) = run(folder.path(), &["--lang", "zh", "--config", &config, "-"])?;
    ensure!(text.contains("没有名为 \"NOPE\" 的模式"), "{text}");
    Ok(())
}
