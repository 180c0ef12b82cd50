//! The engine that Ollama hides: a stand-in has Ollama's pages and name, its child is the real engine.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result, ensure};
use e2e::{Modelwatch, NOTICED, PATIENCE, chat, installed_engine};
use serde_json::Value;
use xtask::{
    process::{self, Process},
    wait,
};

const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ollama_stand_in.py");

#[test]
fn the_child_that_ollama_hides_speaks_for_it() -> Result<()> {
    let Some(installed) = installed_engine() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let ports = folder.path().join("ports.json");
    let mut command = process::command("python3");
    command.arg(STAND_IN);
    command.args([&installed.server, &installed.model, &ports]);
    let _stand_in = Process::spawn(&mut command)?;
    wait::until("the stand-in", PATIENCE, || {
        ensure!(ports.exists());
        Ok(())
    })?;
    let ports: Value = serde_json::from_slice(&fs::read(&ports)?)?;
    let address = |name: &str| -> Result<String> {
        Ok(format!("127.0.0.1:{}", ports[name].as_u64().context("no port")?))
    };
    let (own, child) = (address("own")?, address("child")?);

    let mut modelwatch = Modelwatch::start(folder.path(), "")?;
    let of_model = |name: &str| format!("{name}{{instance=\"{own}\", model=\"smollm2:135m\"}}");
    wait::until("what the child says", PATIENCE, || {
        let found = modelwatch.engine(&own)?;
        ensure!(found["kind"] == "ollama" && found["state"] == "up", "{found}");
        ensure!(modelwatch.value(&of_model("llm_slots"))? == 1.0);
        ensure!(modelwatch.value(&of_model("llm_model_loaded"))? == 1.0);
        ensure!(modelwatch.value(&of_model("llm_requests_running"))? == 0.0);
        ensure!(found["notes"].to_string().contains("note.ollama_metrics_off"), "{found}");
        Ok(())
    })?;
    let is_seen = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| -> Result<()> {
            while !is_seen.load(Ordering::Relaxed) {
                chat(&child, "Write a very long story about the sea.", 400)?;
            }
            Ok(())
        });
        let seen = wait::until("a request of the child", NOTICED + NOTICED, || {
            ensure!(modelwatch.value(&of_model("llm_requests_running"))? == 1.0);
            Ok(())
        });
        is_seen.store(true, Ordering::Relaxed);
        busy.join().expect("asking does not panic")?;
        seen
    })?;
    ensure!(modelwatch.engine(&child).is_err(), "the child is on the list by itself");
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    Ok(())
}
