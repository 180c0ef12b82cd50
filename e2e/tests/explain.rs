//! `modelwatch explain` on a real server's log: captured from llama.cpp b10434, started without a key.

use std::{ffi::OsStr, path::Path};

use anyhow::{Result, ensure};
use e2e::{command, run_to_end};

const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/logs/llamacpp-b10434.log");

fn explain(folder: &Path, words: &[&str]) -> Result<(Option<i32>, String)> {
    let words: Vec<&OsStr> = ["explain"].iter().chain(words).map(AsRef::as_ref).collect();
    let output = run_to_end(&mut command(folder, &words))?;
    Ok((output.code, output.text))
}

#[test]
fn a_servers_log_is_explained_in_both_languages() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (words, expected) in [
        (vec![LOG], "WARN  llamacpp.open_to_all, in line 3 (0.00.018.097)"),
        (vec![LOG], "Start it with --api-key"),
        (vec!["--lang", "zh", LOG], "任意来源跨域访问"),
    ] {
        let (code, text) = explain(folder.path(), &words)?;
        ensure!(code == Some(0) && text.contains(expected), "{words:?}: {code:?} {text}");
    }
    Ok(())
}

#[test]
fn a_file_that_is_not_there_is_said() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (code, text) = explain(folder.path(), &["/nowhere/x.log"])?;
    ensure!(code == Some(1) && text.contains("/nowhere/x.log: No such file"), "{code:?} {text}");
    Ok(())
}
