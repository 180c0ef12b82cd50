//! Load on a real engine, whose own clock is the judge.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use e2e::{Output, command, installed_engine, run_to_end, start_engine};
use serde_json::Value;

/// Runs `modelwatch bench` with `words` to its end.
fn bench(folder: &Path, words: &[&str]) -> Result<Output> {
    let words: Vec<&std::ffi::OsStr> =
        ["bench"].iter().chain(words).map(|word| word.as_ref()).collect();
    run_to_end(&mut command(&folder.join("state"), &words))
}

#[test]
fn what_is_measured_is_what_the_engine_says() -> Result<()> {
    let Some(installed) = installed_engine() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let engine = start_engine(&installed, 0, folder.path())?;
    let (json, svg) = (folder.path().join("run.json"), folder.path().join("run.svg"));
    let url = format!("http://{}", engine.address);
    let output = bench(
        folder.path(),
        &[
            &url,
            "--requests",
            "8",
            "--prompt-tokens",
            "24",
            "--output-tokens",
            "24",
            "--ignore-eos",
            "--slo",
            "e2e=10m",
            "--json",
            &json.display().to_string(),
            "--svg",
            &svg.display().to_string(),
        ],
    )?;
    ensure!(output.code == Some(0), "{}", output.text);
    let model = xtask::engine::MODEL_ALIAS;
    ensure!(output.text.starts_with("Generates load on "), "{}", output.text);
    ensure!(output.text.contains(model) && output.text.contains("8 of 8"), "{}", output.text);
    ensure!(fs::read_to_string(svg)?.contains("<polyline"), "no line is drawn");
    let run: Value = serde_json::from_slice(&fs::read(json)?)?;
    let load = &run["loads"][0];
    ensure!(load["ok"] == 8 && load["goodput"]["requests"] == 8, "{load}");
    ensure!(load["output_tokens"]["sum"] == 8 * 24, "{load}");
    ensure!(load["output_tokens"]["requests_exact"] == 8, "{load}");
    let close = |ours: &Value, engine: &Value| {
        let (Some(ours), Some(engine)) = (ours.as_f64(), engine.as_f64()) else { return false };
        // The client's clock begins before the engine's and ends after it.
        (ours - engine).abs() <= f64::max(0.002, engine * 0.02)
    };
    let (tpot, engine_tpot) = (&load["tpot_seconds"]["p50"], &load["engine_tpot_seconds"]["p50"]);
    ensure!(close(tpot, engine_tpot), "{tpot} s for a token, the engine says {engine_tpot}");
    let waited = |request: &Value| {
        let [ttft, prefill] =
            ["ttft_seconds", "engine_prefill_seconds"].map(|key| request[key].as_f64());
        ttft >= prefill && prefill > Some(0.0)
    };
    let requests = load["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
    ensure!(requests.len() == 8 && requests.iter().all(waited), "{requests:?}");
    Ok(())
}

#[test]
fn nothing_is_sent_without_an_address_or_beyond_the_bounds() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = "http://127.0.0.1:9";
    for (words, expected) in [
        (&[][..], "URL"),
        (&["127.0.0.1:9"], "expected an address"),
        (&[url, "--requests", "500001"], "only 1-500000 is allowed"),
        (&[url, "--concurrency", "1025"], "only 1-1024 is allowed"),
        (&[url, "--rate", "0"], "only 0.001-10000 is allowed"),
        (&[url, "--rate", "1", "--concurrency", "1,2"], "a single number"),
        (&[url, "--header", "Authorization: Bearer k"], "--api-key-env"),
        (&[url, "--api-key-env", "NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE is not set"),
        (&[url, "--slo", "ttft"], "ttft=500ms"),
        (&[url, "--prompts", "/nowhere/x"], "/nowhere/x"),
        (&[url], "does not tell which models"),
    ] {
        let output = bench(folder.path(), words)?;
        ensure!(output.code == Some(2) && output.text.contains(expected), "{words:?}: {output:?}");
    }
    // A model that is named need not be listed; nobody answers there.
    let output = bench(folder.path(), &[url, "--model", "m", "--requests", "2"])?;
    ensure!(output.code == Some(1) && output.text.contains("2 × connect"), "{output:?}");
    Ok(())
}
