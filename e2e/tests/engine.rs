//! A real engine from its first token to its death and back.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use e2e::{
    Modelwatch, NOTICED, PATIENCE, Usage, chat, chat_streamed, installed_engine, start_engine,
};
use xtask::wait;

const PROMPTS: [&str; 4] = ["Hello", "Hello", "Name three colours.", "What is the sea?"];

#[test]
fn an_engine_is_found_counted_exactly_lost_and_found_again() -> Result<()> {
    let Some(installed) = installed_engine() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let mut engine = start_engine(&installed, 0, folder.path())?;
    let mut modelwatch = Modelwatch::start(folder.path(), "")?;
    let address = engine.address.clone();

    wait::until("discovery", NOTICED, || {
        let found = modelwatch.engine(&address)?;
        ensure!(found["state"] == "up" && found["kind"] == "llamacpp", "{found}");
        ensure!(found["models"][0] == xtask::engine::MODEL_ALIAS, "{found}");
        ensure!(found["pid"] == engine.process.pid(), "{found}");
        Ok(())
    })?;
    counts_are_exact(&modelwatch, &address)?;
    requests_rise_and_fall(&modelwatch, &address)?;
    set_up_is_known(&modelwatch, &address)?;
    process_is_watched(&modelwatch, &address)?;

    let port: u16 = address.rsplit_once(':').expect("an address has a port").1.parse()?;
    engine.process.kill()?;
    engine.process.wait()?;
    let url = format!("http://{address}");
    wait::until("the engine's death", NOTICED, || {
        let events = modelwatch.events(&url)?;
        ensure!(events.iter().any(|code| code == "event.engine_down"), "{events:?}");
        ensure!(modelwatch.value(&up(&address))? == 0.0, "still up");
        let verdict = modelwatch.json("/api/v1/overview")?["verdict"].clone();
        ensure!(verdict["code"] == "verdict.engine_down", "{verdict}");
        Ok(())
    })?;
    let old_pid = engine.process.pid();
    let engine = start_engine(&installed, port, folder.path())?;
    wait::until("the engine's return", NOTICED + NOTICED, || {
        let events = modelwatch.events(&url)?;
        let is_back = |code: &String| code == "event.engine_up" || code == "event.engine_restarted";
        ensure!(events.iter().any(is_back), "{events:?}");
        ensure!(modelwatch.value(&up(&address))? == 1.0, "not up");
        let found = modelwatch.engine(&address)?;
        ensure!(found["pid"] == engine.process.pid() && found["pid"] != old_pid, "{found}");
        // It started while it was watched, so how long that took is known too.
        let restarts = format!("llm_engine_restarts_total{{instance=\"{address}\"}}");
        ensure!(modelwatch.value(&restarts)? == 1.0, "not one restart");
        ensure!(events.iter().any(|code| code == "event.engine_ready"), "{events:?}");
        // Its log may tell it too.
        let labels = format!("instance=\"{address}\", source=\"engine\"");
        let start = format!("llm_engine_cold_start_seconds{{{labels}}}");
        ensure!(modelwatch.value(&start)? > 0.0, "no cold start");
        Ok(())
    })?;
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    Ok(())
}

fn up(address: &str) -> String {
    format!("llm_engine_up{{instance=\"{address}\"}}")
}

/// What the engine says it used is what we count, to the token.
fn counts_are_exact(modelwatch: &Modelwatch, address: &str) -> Result<()> {
    let mut used = vec![chat_streamed(address, "Count to five.", 20)?];
    for prompt in PROMPTS {
        used.push(chat(address, prompt, 12)?);
    }
    let total: Usage = used.into_iter().sum();
    let selector = format!("instance=\"{address}\"");
    wait::until("all tokens in the metrics", NOTICED, || {
        for (name, expected) in [
            ("llm_generation_tokens_total", total.generated),
            ("llm_prompt_tokens_total", total.prompt - total.cached),
        ] {
            let found = modelwatch.value(&format!("{name}{{{selector}}}"))?;
            ensure!(found == expected as f64, "{name} is {found}, the answers say {expected}");
        }
        let raw = format!("llamacpp:tokens_predicted_total{{job=\"llamacpp\",{selector}}}");
        let found = modelwatch.value(&raw)?;
        ensure!(found == total.generated as f64, "{raw} is {found}");
        Ok(())
    })
}

fn requests_rise_and_fall(modelwatch: &Modelwatch, address: &str) -> Result<()> {
    let running = format!("llm_requests_running{{instance=\"{address}\"}}");
    // The model may end any one answer before the next scrape, so one question follows another.
    let is_seen = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| -> Result<()> {
            while !is_seen.load(Ordering::Relaxed) {
                let usage = chat(address, "Write a very long story about the sea.", 500)?;
                ensure!(usage.generated > 0);
            }
            Ok(())
        });
        let seen = wait::until("a running request", NOTICED + NOTICED, || {
            let found = modelwatch.value(&running)?;
            ensure!(found >= 1.0, "{found} running");
            Ok(())
        });
        is_seen.store(true, Ordering::Relaxed);
        busy.join().expect("asking does not panic")?;
        seen
    })?;
    wait::until("no running request", NOTICED, || {
        let found = modelwatch.value(&running)?;
        ensure!(found == 0.0, "{found} running");
        Ok(())
    })
}

/// How the engine is set up, from what it says and from its command line.
fn set_up_is_known(modelwatch: &Modelwatch, address: &str) -> Result<()> {
    let labels =
        "context_tokens=\"2048\", parallel=\"2\", quantization=\"Q4_1\", flags=~\".*--port.*\"";
    let info = format!("llm_engine_config_info{{instance=\"{address}\", {labels}}}");
    ensure!(modelwatch.value(&info)? == 1.0);
    for name in ["llm_model_loaded", "llm_engine_stalled_seconds"] {
        let found = modelwatch.value(&format!("{name}{{instance=\"{address}\"}}"))?;
        let expected = f64::from(u8::from(name == "llm_model_loaded"));
        ensure!(found == expected, "{name} is {found}");
    }
    Ok(())
}

fn process_is_watched(modelwatch: &Modelwatch, address: &str) -> Result<()> {
    let value = |name: &str| modelwatch.value(&format!("{name}{{instance=\"{address}\"}}"));
    let resident = value("llm_engine_process_resident_bytes")?;
    ensure!(resident > 50e6, "{resident} bytes are too few for a loaded model");
    let cpu = value("llm_engine_process_cpu_seconds_total")?;
    ensure!(cpu > 0.1, "{cpu} s of CPU are too few for its work");
    ensure!(value("llm_engine_process_start_time_seconds")? > 1.7e9);
    ensure!(value("llm_engine_process_minor_faults_total")? > 1_000.0);
    ensure!(value("llm_engine_process_voluntary_switches_total")? > 10.0);
    let files = value("llm_engine_process_open_files")?;
    ensure!(files > 3.0 && files < value("llm_engine_process_open_files_max")?, "{files} files");
    ensure!(value("llm_engine_restarts_total")? == 0.0);
    Ok(())
}
