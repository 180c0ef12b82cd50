//! The gateway in front of a real engine: who may ask, what is recorded, and whether it agrees with what
//! the engine counted and a client measured.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use e2e::{
    Modelwatch, PATIENCE, Usage, chat, chat_streamed, command, encode, installed_engine,
    run_to_end, start_engine,
};
use serde_json::{Value, json};
use xtask::{
    engine::{self, MODEL_ALIAS},
    http::{self, Request, Response},
    wait,
};

const API: &str = "/api/mw/v1";

/// A modelwatch with a gateway in front of `upstream`, and the gateway's address.
fn start(folder: &Path, upstream: &str, more: &str) -> Result<(Modelwatch, String)> {
    let gateway = format!("127.0.0.1:{}", engine::free_port()?);
    let more = format!(
        "[collect]\nengine_period = \"1s\"\n[gateway]\nlisten = \"{gateway}\"\n{more}\n\
         [[gateway.upstream]]\nname = \"local\"\nurl = \"http://{upstream}\"\n"
    );
    Ok((Modelwatch::start(folder, &more)?, gateway))
}

/// Runs `modelwatch key` with the configuration that [`start`] wrote.
fn key(folder: &Path, words: &[&str]) -> Result<String> {
    let config = folder.join("modelwatch.toml");
    let config = config.display().to_string();
    let words = [&["key"], words, &["--config", &config]].concat();
    let words: Vec<&std::ffi::OsStr> = words.iter().map(|word| word.as_ref()).collect();
    let output = run_to_end(&mut command(&folder.join("data"), &words))?;
    ensure!(output.code == Some(0), "{output:?}");
    Ok(output.text)
}

/// Makes a key and returns it.
fn make_key(folder: &Path, words: &[&str]) -> Result<String> {
    let said = key(folder, &[&["create"], words].concat())?;
    let found = said.lines().find(|line| line.starts_with("mw-"));
    Ok(found.with_context(|| said.clone())?.to_owned())
}

fn ask(address: &str, key: Option<&str>, method: &str, path: &str, body: &str) -> Result<Response> {
    let bearer = key.map(|key| format!("Bearer {key}")).unwrap_or_default();
    let mut headers = vec![("Content-Type", "application/json")];
    headers.extend(key.map(|_| ("Authorization", bearer.as_str())));
    let body = body.as_bytes();
    http::send(address, &Request { method, path, headers: &headers, body, timeout: PATIENCE })
}

fn question(model: &str) -> String {
    let messages = json!([{"role": "user", "content": "Hello"}]);
    json!({"model": model, "max_tokens": 4, "messages": messages}).to_string()
}

/// Waits until so many records match, and returns them, the oldest first.
fn records(modelwatch: &Modelwatch, filter: &str, count: usize) -> Result<Vec<Value>> {
    let path = format!("{API}/requests?sort=time&limit=1000&filter={}", encode(filter));
    wait::until("the records", PATIENCE, || {
        let found = modelwatch.json(&path)?;
        let all = found["requests"].as_array().cloned().unwrap_or_default();
        ensure!(all.len() == count && found["total"] == count, "{filter}: {found}");
        Ok(all)
    })
}

#[test]
fn only_the_authorised_reach_the_model() -> Result<()> {
    let Some(installed) = installed_engine() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let engine = start_engine(&installed, 0, folder.path())?;
    let (modelwatch, gateway) =
        start(folder.path(), &engine.address, "anonymous = \"refuse\"\nallow_management = false")?;
    let chat_path = "/v1/chat/completions";
    let status = |key: Option<&str>, path: &str, body: &str| -> Result<(u16, String)> {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let answer = ask(&gateway, key, method, path, body)?;
        let reason = answer.header("x-modelwatch-error").unwrap_or_default().to_owned();
        Ok((answer.status, reason))
    };
    let refused = |status: u16, reason: &str| (status, reason.to_owned());
    let asked = question(MODEL_ALIAS);
    ensure!(status(None, chat_path, &asked)? == refused(401, "key_missing"));
    ensure!(status(Some("mw-0"), chat_path, &asked)? == refused(401, "key_unknown"));

    let whole = make_key(folder.path(), &["whole"])?;
    let other = make_key(folder.path(), &["other", "--models", "something-else"])?;
    let seldom = make_key(folder.path(), &["seldom", "--requests-per-minute", "1"])?;
    wait::until("the keys", PATIENCE, || {
        for key in [&whole, &seldom] {
            let found = status(Some(key), chat_path, &asked)?;
            ensure!(found.0 == 200 || found.1 == "request_rate", "{found:?}");
        }
        Ok(())
    })?;
    ensure!(status(Some(&other), chat_path, &asked)? == refused(403, "model_denied"));
    ensure!(status(Some(&seldom), chat_path, &asked)? == refused(429, "request_rate"));
    ensure!(status(Some(&whole), "/slots", "")? == refused(403, "management"));
    let models = ask(&gateway, Some(&other), "GET", "/v1/models", "")?.text();
    ensure!(!models.contains(MODEL_ALIAS), "a key sees models that it may not ask: {models}");
    let limited = ask(&gateway, Some(&seldom), "POST", chat_path, &asked)?;
    ensure!(limited.header("retry-after").is_some(), "when to come again is not told");

    key(folder.path(), &["revoke", "whole"])?;
    wait::until("the revocation", PATIENCE, || {
        let found = status(Some(&whole), chat_path, &asked)?;
        ensure!(found == refused(401, "key_unknown"), "{found:?}");
        Ok(())
    })?;
    let listed = key(folder.path(), &["list"])?;
    ensure!(listed.contains("whole") && listed.contains("revoked"), "{listed}");
    for secret in [&whole, &other, &seldom] {
        ensure!(!listed.contains(secret.as_str()), "a key is shown again");
        ensure!(!modelwatch.log().contains(secret.as_str()), "a key is in the log");
        let kept = fs::read_to_string(folder.path().join("data/keys.json"))?;
        ensure!(!kept.contains(secret.as_str()), "a key is kept as it is");
    }
    let keys = modelwatch.json(&format!("{API}/keys"))?;
    ensure!(keys["keys"].as_array().is_some_and(|keys| keys.len() == 3), "{keys}");
    let denied = records(&modelwatch, "refusal:model_denied", 1)?;
    ensure!(denied[0]["key_name"] == "other" && denied[0]["status"] == 403, "{}", denied[0]);
    Ok(())
}

#[test]
fn every_request_is_recorded_as_the_engine_counted_it() -> Result<()> {
    let Some(installed) = installed_engine() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let engine = start_engine(&installed, 0, folder.path())?;
    let (mut modelwatch, gateway) = start(folder.path(), &engine.address, "slo_ttft = \"10m\"")?;
    let used: Vec<Usage> = ["Hello", "Name three colours.", "What is the sea?"]
        .iter()
        .flat_map(|prompt| [chat(&gateway, prompt, 8), chat_streamed(&gateway, prompt, 16)])
        .collect::<Result<_>>()?;
    let sum: Usage = used.iter().copied().sum();
    let found = records(&modelwatch, "operation:chat", used.len())?;
    let count = |name: &str| found.iter().filter_map(|record| record[name].as_u64()).sum::<u64>();
    ensure!(count("tokens_output") == sum.generated, "{sum:?}: {found:?}");
    ensure!(count("tokens_input") == sum.prompt, "{sum:?}: {found:?}");
    for record in &found {
        let is_whole = record["outcome"] == "ok" && record["is_exact"] == true;
        ensure!(is_whole && record["model"] == MODEL_ALIAS, "{record}");
        ensure!(record["has_bodies"] == false && record.get("request_body").is_none(), "{record}");
    }
    times_agree(&found)?;
    // The engine's own page, the series of the gateway, and the records say the same.
    let series = |metric: &str| {
        format!("sum({metric}{{source=\"gateway\",instance=\"{}\"}})", engine.address)
    };
    wait::until("the gateway's series", PATIENCE, || {
        ensure!(modelwatch.value(&series("llm_generation_tokens_total"))? == sum.generated as f64);
        ensure!(modelwatch.value(&series("llm_time_to_first_token_seconds_count"))? >= 3.0);
        let met = "sum(llm_request_slo_total{result=\"met\"})";
        ensure!(modelwatch.value(met)? == used.len() as f64);
        let counted = format!(
            "llm_generation_tokens_total{{source=\"engine\",instance=\"{}\"}}",
            engine.address
        );
        ensure!(modelwatch.value(&counted)? == sum.generated as f64, "the engine counts otherwise");
        Ok(())
    })?;
    // What was recorded survives the death of the process.
    modelwatch.kill()?;
    let again = Modelwatch::spawn(
        &mut command(
            &folder.path().join("data"),
            &[
                "serve".as_ref(),
                "--config".as_ref(),
                folder.path().join("modelwatch.toml").as_os_str(),
            ],
        ),
        &folder.path().join("again.log"),
    )?;
    records(&again, "operation:chat", used.len())?;
    let summary = again.json(&format!("{API}/requests/summary?by=model"))?;
    // Others on this machine may have looked what listens there.
    let is_it = |row: &Value| {
        row["group"] == MODEL_ALIAS && row["tokens_output"] == sum.generated && row["errors"] == 0
    };
    ensure!(summary["rows"].as_array().is_some_and(|rows| rows.iter().any(is_it)), "{summary}");
    let usage = again.get(&format!("{API}/keys/usage?format=csv"))?.text();
    ensure!(usage.contains(&format!(",{},{}\n", sum.prompt, sum.generated)), "{usage}");
    Ok(())
}

/// What the gateway measured of streams against what llama.cpp says in its `timings`.
fn times_agree(records: &[Value]) -> Result<()> {
    let streams: Vec<&Value> =
        records.iter().filter(|record| record["is_stream"] == true).collect();
    ensure!(streams.len() == 3, "{records:?}");
    let near = |record: &&&Value, ours: &str, engine: &str| {
        let (ours, engine) = (record[ours].as_f64(), record[engine].as_f64());
        ours.zip(engine)
            .is_some_and(|(ours, engine)| (ours - engine).abs() <= f64::max(2.0, engine * 0.02))
    };
    // A busy machine may hold one of them up between the engine's clock and ours.
    let tpot = streams.iter().filter(|record| near(record, "tpot_ms", "engine_tpot_ms")).count();
    ensure!(tpot >= 2, "times per token differ: {streams:?}");
    for record in streams {
        let (ttft, prefill) = (record["ttft_ms"].as_f64(), record["engine_prefill_ms"].as_f64());
        ensure!(ttft > prefill && prefill > Some(0.0), "{record}");
        ensure!(record["e2e_ms"].as_f64() >= ttft && record["total_ms"].as_f64() >= ttft);
    }
    Ok(())
}

/// The load generator is the client, so that both look at the same requests.
#[test]
fn the_gateway_measures_what_a_client_measures() -> Result<()> {
    let Some(installed) = installed_engine() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let engine = start_engine(&installed, 0, folder.path())?;
    let (modelwatch, gateway) = start(folder.path(), &engine.address, "")?;
    let json = folder.path().join("run.json");
    let url = format!("http://{gateway}");
    let json_path = json.display().to_string();
    let length = ["--prompt-tokens", "24", "--output-tokens", "24", "--ignore-eos"];
    let words = [&["bench", &url, "--requests", "8"], &length[..], &["--json", &json_path]];
    let words = words.concat();
    let words: Vec<&std::ffi::OsStr> = words.iter().map(|word| word.as_ref()).collect();
    let output = run_to_end(&mut command(&folder.path().join("state"), &words))?;
    ensure!(output.code == Some(0), "{}", output.text);
    let run: Value = serde_json::from_slice(&fs::read(json)?)?;
    let load = &run["loads"][0];
    // Requests that warm the engine up are recorded, but not in the client's figures.
    let client: Vec<&Value> = load["requests"].as_array().into_iter().flatten().collect();
    ensure!(client.len() == 8, "{load}");
    let path = format!("{API}/requests?limit=8&filter={}", encode("operation:chat outcome:ok"));
    let found = wait::until("the records", PATIENCE, || {
        let found = modelwatch.json(&path)?["requests"].as_array().cloned().unwrap_or_default();
        ensure!(found.len() == 8, "{} records", found.len());
        Ok(found)
    })?;
    // One after the other, so that both lists are of the same requests once they are in order.
    let mut found = found;
    found.sort_by_key(|one| one["time"].as_i64());
    for (ours, theirs) in [("ttft_ms", "ttft_seconds"), ("tpot_ms", "tpot_seconds")] {
        let pairs = found.iter().zip(&client).filter_map(|(gateway, client)| {
            let (gateway, client) = (gateway[ours].as_f64()?, client[theirs].as_f64()? * 1e3);
            Some((gateway - client).abs() / f64::max(2.0, client * 0.02))
        });
        let mut apart: Vec<f64> = pairs.collect();
        apart.sort_by(f64::total_cmp);
        // A busy machine holds some of them up between the two clocks; another definition moves all of them.
        ensure!(apart.len() == 8 && apart[2] <= 1.0, "{ours}: in tolerances {apart:?}");
    }
    Ok(())
}

#[test]
fn bodies_are_kept_only_where_that_is_wanted_and_every_reading_is_noted() -> Result<()> {
    let Some(installed) = installed_engine() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let engine = start_engine(&installed, 0, folder.path())?;
    let more = "keep_bodies = true\nredact = [\"sk-[a-z0-9]+\"]";
    let (modelwatch, gateway) = start(folder.path(), &engine.address, more)?;
    let body = json!({
        "model": MODEL_ALIAS,
        "max_tokens": 4,
        "messages": [{"role": "user", "content": "my key is sk-abc123, remember it"}],
    });
    let answer = ask(&gateway, None, "POST", "/v1/chat/completions", &body.to_string())?;
    ensure!(answer.status == 200, "{}", answer.text());
    let found = records(&modelwatch, "operation:chat", 1)?;
    ensure!(found[0]["has_bodies"] == true && found[0].get("request_body").is_none());
    let id = found[0]["id"].as_str().context("no id")?;
    let kept = modelwatch.json(&format!("{API}/requests/{id}/bodies"))?;
    let text = kept["request"]["text"].as_str().context("no request")?;
    ensure!(text.contains("remember it") && !text.contains("sk-abc123"), "{kept}");
    let events = modelwatch.json("/api/v1/events")?;
    let is_it =
        |event: &Value| event["code"] == "event.bodies_read" && event["params"]["request"] == id;
    ensure!(events["events"].as_array().is_some_and(|all| all.iter().any(is_it)), "{events}");
    Ok(())
}
