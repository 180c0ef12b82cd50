//! llama.cpp's server, by itself and as a child of others.

use model::catalogue as metric;

use super::{Figures, after, attribute, milliseconds, number};
use crate::Entry;

pub(super) fn read(line: &str, entry: &Entry, found: &mut Figures) {
    if line.ends_with("model loaded") {
        let age = attribute(entry, "process.uptime").and_then(|age| age.parse().ok());
        return found.put(&metric::LLM_ENGINE_COLD_START_SECONDS, age);
    }
    timings(line, found);
    if line.contains("print_timing") || line.trim_start().starts_with("total time =") {
        let seconds = milliseconds(after(line, "total time ="));
        found.put(&metric::LLM_E2E_REQUEST_LATENCY_SECONDS, seconds);
    }
}

/// `prompt eval time = 176.65 ms / 58 tokens (3.05 ms per token, 328.33 tokens per second)`, and the same of `eval`:
/// what one request took. Without the wait for a slot, so that the TTFT is a lower bound.
pub(super) fn timings(line: &str, found: &mut Figures) {
    if !line.contains(" time =") {
        return speculation(line, found);
    }
    if let Some((_, rest)) = line.split_once("prompt eval time =") {
        found.put(&metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS, milliseconds(number(rest)));
        found.put(&metric::LLM_PROMPT_TOKENS_TOTAL, after(rest, " / "));
        let rate = rest.split_once(" ms per token, ").and_then(|(_, rest)| number(rest));
        found.put(&metric::LLM_PROMPT_TOKENS_PER_SECOND, rate);
    } else if let Some((_, rest)) = line.split_once("eval time =") {
        found.put(&metric::LLM_GENERATION_TOKENS_TOTAL, after(rest, " / "));
        let each = milliseconds(after(rest, "("));
        found.put(&metric::LLM_REQUEST_TIME_PER_OUTPUT_TOKEN_SECONDS, each);
        let rate = rest.split_once(" ms per token, ").and_then(|(_, rest)| number(rest));
        found.put(&metric::LLM_GENERATION_TOKENS_PER_SECOND, rate);
    } else if let Some((_, rest)) = line.split_once("load time =") {
        found.put(&metric::LLM_MODEL_LOAD_SECONDS, milliseconds(number(rest)));
    }
}

/// `draft acceptance = 0.55 ( 11 accepted / 20 generated), mean len = 2.1`
fn speculation(line: &str, found: &mut Figures) {
    let Some((_, rest)) = line.split_once("draft acceptance") else { return };
    let Some((_, rest)) = rest.split_once("= ") else { return };
    found.put(&metric::LLM_SPEC_DECODE_ACCEPTANCE_RATIO, number(rest));
    found.put(&metric::LLM_SPEC_DECODE_ACCEPTED_TOKENS_TOTAL, after(rest, "("));
    found.put(&metric::LLM_SPEC_DECODE_DRAFT_TOKENS_TOTAL, after(rest, " / "));
}
