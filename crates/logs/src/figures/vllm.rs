//! vLLM, and Aphrodite, which descends from it.

use model::catalogue as metric;

use super::{Figures, after, attribute, gib, number, percent};
use crate::Entry;

pub(super) fn read(line: &str, entry: &Entry, found: &mut Figures) {
    match line.as_bytes().first() {
        Some(b'E' | b'A' | b'0'..=b'9') => period(line, found),
        Some(b'S') if line.starts_with("SpecDecoding metrics: ") => speculation(line, found),
        Some(b'M' | b'G' | b'C' | b'L' | b'i' | b't') => start(line, entry, found),
        _ => {}
    }
}

/// `Engine 000: Avg prompt throughput: ...`, `2 Engines Aggregated: Avg prompt throughput: ...`: of the last period.
fn period(line: &str, found: &mut Figures) {
    let Some((head, figures)) = line.split_once("Avg prompt throughput: ") else { return };
    // The parts of a data-parallel engine write a line each; the first is as any engine.
    let rank = head.strip_prefix("Engine ").and_then(number).filter(|rank| *rank > 0.0);
    let rank = rank.map(|rank| rank.to_string()).unwrap_or_default();
    let labels = [("rank", rank.as_str())];
    for (metric, value) in [
        (metric::LLM_PROMPT_TOKENS_PER_SECOND, number(figures)),
        (metric::LLM_GENERATION_TOKENS_PER_SECOND, after(figures, "Avg generation throughput: ")),
        (metric::LLM_REQUESTS_RUNNING, after(figures, "Running: ")),
        (metric::LLM_REQUESTS_WAITING, after(figures, "Waiting: ")),
        (metric::LLM_PREEMPTIONS_TOTAL, after(figures, "Preemptions: ")),
        (metric::LLM_KV_CACHE_USAGE_RATIO, percent(after(figures, "KV cache usage: "))),
        (metric::LLM_PREFIX_CACHE_HIT_RATIO, percent(after(figures, ", Prefix cache hit rate: "))),
    ] {
        found.put_with(&metric, &labels, value);
    }
}

/// `SpecDecoding metrics: Mean acceptance length: ...`: of the last period.
fn speculation(line: &str, found: &mut Figures) {
    found.put(&metric::LLM_SPEC_DECODE_ACCEPTED_TOKENS_TOTAL, after(line, ", Accepted: "));
    found.put(&metric::LLM_SPEC_DECODE_DRAFT_TOKENS_TOTAL, after(line, ", Drafted: "));
    let ratio = percent(after(line, "Avg Draft acceptance rate: "));
    found.put(&metric::LLM_SPEC_DECODE_ACCEPTANCE_RATIO, ratio);
}

/// What it says of itself while it starts. Each worker says it; the first is as good as any.
fn start(line: &str, entry: &Entry, found: &mut Figures) {
    let process = attribute(entry, "process.title").unwrap_or_default();
    let is_other = process.split('_').any(|part| {
        let rank = ["DP", "PP", "TP"].iter().find_map(|kind| part.strip_prefix(kind));
        rank.is_some_and(|rank| rank != "0")
    });
    if is_other {
        return;
    }
    let mut phase = |phase: &str, value: Option<f64>| {
        found.put_with(&metric::LLM_ENGINE_START_PHASE_SECONDS, &[("phase", phase)], value);
    };
    if line.starts_with("Loading weights took ") {
        phase("weights", after(line, " took "));
    } else if line.contains("torch.compile took ") {
        phase("compile", after(line, " took "));
    } else if line.starts_with("Graph capturing finished in ") {
        phase("graphs", after(line, " in "));
        let bytes = gib(after(line, ", took "));
        found.put_with(&metric::LLM_ENGINE_ACCELERATOR_BYTES, &[("part", "graphs")], bytes);
    } else if line.starts_with("init engine (") {
        phase("init", after(line, ") took "));
    } else if line.starts_with("Model loading took ") {
        let bytes = gib(after(line, " took "));
        found.put_with(&metric::LLM_ENGINE_ACCELERATOR_BYTES, &[("part", "weights")], bytes);
        let seconds = line.split_once(" and ").and_then(|(_, rest)| number(rest));
        found.put(&metric::LLM_MODEL_LOAD_SECONDS, seconds);
    } else if line.contains("KV cache size: ") {
        found.put(&metric::LLM_KV_CACHE_TOKENS_MAX, after(line, "KV cache size: "));
    }
}
