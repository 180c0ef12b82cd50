//! LMDeploy.

use model::catalogue as metric;

use super::{Figures, after, attribute, number, percent};
use crate::Entry;

/// `Avg thr (in/out): a / b tokens/s, Server (succeeded/failed/routed/waiting): ..., Engine (running/waiting): r / w,
/// KV cache: x%, Prefix cache hit rate: y%`; older versions write as vLLM did.
pub(super) fn read(line: &str, entry: &Entry, found: &mut Figures) {
    let Some((_, figures)) = line.split_once("Avg thr (in/out): ") else {
        if line.contains("Avg prompt throughput: ") {
            super::vllm::read(line, entry, found);
        }
        return;
    };
    let rank = attribute(entry, "rank").unwrap_or_default();
    let rank = rank.strip_prefix("DP").filter(|rank| *rank != "0").unwrap_or_default();
    let labels = [("rank", rank)];
    let mut put = |metric, value| found.put_with(&metric, &labels, value);
    let second = |text: &str| number(text.split_once('/')?.1);
    put(metric::LLM_PROMPT_TOKENS_PER_SECOND, number(figures));
    put(metric::LLM_GENERATION_TOKENS_PER_SECOND, second(figures));
    if let Some((_, engine)) = figures.split_once("Engine (running/waiting): ") {
        put(metric::LLM_REQUESTS_RUNNING, number(engine));
        put(metric::LLM_REQUESTS_WAITING, second(engine));
    }
    put(metric::LLM_KV_CACHE_USAGE_RATIO, percent(after(figures, "KV cache: ")));
    put(metric::LLM_PREFIX_CACHE_HIT_RATIO, percent(after(figures, "Prefix cache hit rate: ")));
}
