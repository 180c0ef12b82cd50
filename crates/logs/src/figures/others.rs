//! Engines that write one line for a request: KoboldCpp, TabbyAPI, text-generation-webui.

use model::catalogue as metric;

use super::{Figures, after, llamacpp, number};
use crate::Entry;

/// `CtxLimit:n/m, Amt:a/b, Init:0.1s, Process:0.5s (5.0ms/T = 200.00T/s), Generate:2.0s (20.0ms/T = 50.00T/s),
/// Total:2.5s (40.00T/s)`
pub(super) fn koboldcpp(line: &str, _: &Entry, found: &mut Figures) {
    if !line.contains("CtxLimit:") {
        return;
    }
    let rate = |of: &str| after(line.split_once(of)?.1, "ms/T = ");
    found.put(&metric::LLM_GENERATION_TOKENS_TOTAL, after(line, "Amt:"));
    found.put(&metric::LLM_PROMPT_TOKENS_PER_SECOND, rate("Process:"));
    found.put(&metric::LLM_GENERATION_TOKENS_PER_SECOND, rate("Generate:"));
    found.put(&metric::LLM_E2E_REQUEST_LATENCY_SECONDS, after(line, "Total:"));
}

/// `Metrics (ID: x): 79 tokens generated in 3.21 seconds (Queue: 0.0 s, Process: 12 cached tokens and 500 new tokens at
/// 2000.5 T/s, Generate: 24.5 T/s, Context: 512 tokens)`
pub(super) fn tabbyapi(line: &str, _: &Entry, found: &mut Figures) {
    let Some((_, figures)) =
        line.split_once("Metrics (ID: ").and_then(|(_, rest)| rest.split_once("): "))
    else {
        return;
    };
    found.put(&metric::LLM_GENERATION_TOKENS_TOTAL, number(figures));
    found.put(&metric::LLM_E2E_REQUEST_LATENCY_SECONDS, after(figures, " generated in "));
    found.put(&metric::LLM_GENERATION_TOKENS_PER_SECOND, after(figures, "Generate: "));
}

/// `Output generated in 3.21 seconds (24.50 tokens/s, 79 tokens, context 512, seed 1)`, and what its child writes.
pub(super) fn webui(line: &str, _: &Entry, found: &mut Figures) {
    let Some((_, figures)) = line.split_once("Output generated in ") else {
        return llamacpp::timings(line, found);
    };
    found.put(&metric::LLM_E2E_REQUEST_LATENCY_SECONDS, number(figures));
    found.put(&metric::LLM_GENERATION_TOKENS_PER_SECOND, after(figures, "("));
    found.put(&metric::LLM_GENERATION_TOKENS_TOTAL, after(figures, "tokens/s, "));
}
