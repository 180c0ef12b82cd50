//! Ollama: what its child says of requests, and what it says itself of loads. How long answers took is in its access
//! lines, so that the child's total time is not counted again.

use model::catalogue as metric;

use super::{Figures, after, llamacpp};
use crate::Entry;

pub(super) fn read(line: &str, _: &Entry, found: &mut Figures) {
    if line.contains("runner started in ") || line.contains("llama-server started in ") {
        found.put(&metric::LLM_MODEL_LOAD_SECONDS, after(line, " started in "));
    } else if line.contains("msg=\"truncating input prompt\"") {
        found.put(&metric::LLM_PROMPTS_TRUNCATED_TOTAL, Some(1.0));
    } else {
        llamacpp::timings(line, found);
    }
}
