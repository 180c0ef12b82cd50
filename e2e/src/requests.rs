//! Real requests to a real engine.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use xtask::{engine::MODEL_ALIAS, http};

/// What an engine says a request cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All tokens of the prompt.
    pub prompt: u64,
    /// Those of them that the prefix cache had; none where the engine says nothing of it.
    pub cached: u64,
    pub generated: u64,
}

impl Usage {
    fn read(usage: &Value) -> Result<Self> {
        let count = |value: &Value| value.as_u64().with_context(|| format!("no count in {usage}"));
        let details = &usage["prompt_tokens_details"];
        Ok(Self {
            prompt: count(&usage["prompt_tokens"])?,
            cached: if details.is_null() { 0 } else { count(&details["cached_tokens"])? },
            generated: count(&usage["completion_tokens"])?,
        })
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::default(), |sum, usage| Self {
            prompt: sum.prompt + usage.prompt,
            cached: sum.cached + usage.cached,
            generated: sum.generated + usage.generated,
        })
    }
}

fn body(prompt: &str, tokens: u32) -> Value {
    json!({
        "model": MODEL_ALIAS,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
    })
}

/// One question and its whole answer.
pub fn chat(address: &str, prompt: &str, tokens: u32) -> Result<Usage> {
    let response = http::post_json(address, "/v1/chat/completions", &body(prompt, tokens))?;
    ensure!(response.status == 200, "{}: {}", response.status, response.text());
    Usage::read(&response.json()?["usage"])
}

/// One question whose answer comes token by token; the usage is in the last event.
pub fn chat_streamed(address: &str, prompt: &str, tokens: u32) -> Result<Usage> {
    let mut body = body(prompt, tokens);
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    let response = http::post_json(address, "/v1/chat/completions", &body)?;
    ensure!(response.status == 200, "{}: {}", response.status, response.text());
    let text = response.text();
    let events = text.lines().filter_map(|line| line.strip_prefix("data: {"));
    let with_usage = events.rev().find(|event| event.contains("\"usage\":{"));
    let last = with_usage.with_context(|| format!("no usage in {text}"))?;
    let event: Value = serde_json::from_str(&format!("{{{last}"))?;
    Usage::read(&event["usage"])
}
