//! SGLang. Fields move between versions, so each is found by its name.

use model::catalogue as metric;

use super::{Figures, after, attribute};
use crate::Entry;

pub(super) fn read(line: &str, entry: &Entry, found: &mut Figures) {
    let is_decode = line.starts_with("Decode batch");
    let is_prefill = line.starts_with("Prefill batch");
    if !is_decode && !is_prefill {
        return start(line, found);
    }
    // The parts of a data-parallel engine are told apart; of those that share a model the first one speaks.
    let rank = attribute(entry, "rank").unwrap_or_default();
    let data = rank.split(' ').find_map(|rank| rank.strip_prefix("DP")).filter(|rank| *rank != "0");
    let labels = [("rank", data.unwrap_or_default())];
    if rank.split(' ').any(|rank| rank.starts_with("TP") && rank != "TP0") {
        return;
    }
    let mut put = |metric, value| found.put_with(&metric, &labels, value);
    put(metric::LLM_REQUESTS_RUNNING, after(line, "#running-req: "));
    put(metric::LLM_REQUESTS_WAITING, after(line, "#queue-req: "));
    put(metric::LLM_KV_CACHE_USAGE_RATIO, after(line, "token usage: "));
    if is_decode {
        put(metric::LLM_GENERATION_TOKENS_PER_SECOND, after(line, "gen throughput (token/s): "));
        put(metric::LLM_SPEC_DECODE_ACCEPTANCE_RATIO, after(line, "accept rate: "));
    } else {
        put(metric::LLM_PROMPT_TOKENS_TOTAL, after(line, "#new-token: "));
        put(metric::LLM_PROMPT_TOKENS_CACHED_TOTAL, after(line, "#cached-token: "));
        put(metric::LLM_PROMPT_TOKENS_PER_SECOND, after(line, "input throughput (token/s): "));
    }
}

/// `KV cache pool is full. Retract requests. #retracted_reqs: 2, ...`
fn start(line: &str, found: &mut Figures) {
    if line.starts_with("KV cache pool is full") {
        found.put(&metric::LLM_PREEMPTIONS_TOTAL, after(line, "#retracted_reqs: "));
    }
}
