//! `cargo xtask demo`: a real engine under gentle real traffic, and modelwatch beside it.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    binary::{self, Profile},
    engine::{self, Engine, MODEL_ALIAS, Options},
    http, page,
    process::{self, Process},
    say, wait,
};

const PROMPTS: &[&str] = &[
    "Explain in two sentences why the sky is blue.",
    "用两句话介绍一下长城。",
    "Write a short poem about a lighthouse.",
    "List five uses of a paper clip.",
    "写一首关于秋天的短诗。",
    "What is the difference between latency and throughput?",
    "Tell me a story about a robot that learns to cook.",
    "请解释什么是大语言模型。",
];

pub(crate) fn demo() -> Result<()> {
    let installed = engine::install(&say)?;
    page::build_if_possible()?;
    let binary = binary::build(Profile::Release)?;
    let log =
        std::env::temp_dir().join(format!("modelwatch-demo-engine-{}.log", std::process::id()));
    let options = Options { port: 0, slots: 2, context: 2048, threads: threads() };
    let engine = Engine::start(&installed, &options, &log)?;
    say(&format!("llama.cpp serves {MODEL_ALIAS} at {}, log in {}", engine.url(), log.display()));
    let mut modelwatch = Process::spawn(&mut process::command(&binary))?;
    say("chatting gently with the model; Ctrl-C stops everything");
    for worker in 0..2 {
        let address = engine.address.clone();
        std::thread::spawn(move || chat(&address, worker));
    }
    let status = modelwatch.wait()?;
    ensure!(status.success(), "modelwatch ended with {status}");
    Ok(())
}

/// Half of the machine, so that watching and working on it stay pleasant.
fn threads() -> u32 {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cpus / 2).unwrap_or(1).clamp(1, 8)
}

/// One patient user: asks, reads the answer, thinks, asks again. The second comes and goes.
fn chat(address: &str, worker: usize) {
    for turn in 0.. {
        let prompt = PROMPTS[(turn * 3 + worker * 5) % PROMPTS.len()];
        let body = json!({
            "model": MODEL_ALIAS,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": 48 + (turn * 37 + worker * 11) % 120,
            "temperature": 0.8,
        });
        let pause = match http::post_json(address, "/v1/chat/completions", &body) {
            Ok(_) => Duration::from_millis(500 + 2_500 * worker as u64),
            Err(_) => Duration::from_secs(5), // the engine is gone or busy; the page tells
        };
        wait::pause(pause);
    }
}
