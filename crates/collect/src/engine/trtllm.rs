//! `trtllm-serve` of TensorRT-LLM. Its metrics need `return_perf_metrics` and are at
//! `/prometheus/metrics`; `/metrics` is a queue that reading empties, so it is never asked for.
//!
//! Its gauges are refreshed when a request ends, and nothing counts its steps, so that it hangs cannot
//! be told from them.

use model::catalogue as metric;

use super::{
    Answers, Kind, Names, PLAIN, Reading, Signs, info, name, read_metrics, read_models, text,
};
use crate::Failure;

pub(super) const KIND: Kind = Kind {
    name: "trtllm",
    title: "TensorRT-LLM",
    signs: Signs {
        owned_by: "tensorrt_llm",
        process: |clues| clues.is_locked() && clues.runs(&["trtllm-serve"]),
        ..PLAIN.signs
    },
    paths: &[METRICS],
    seldom: &["/version", "/v1/models"],
    read,
    ..PLAIN
};

const METRICS: &str = "/prometheus/metrics";

const NAMES: Names = Names {
    // Older builds had a colon, and the first ones nothing.
    prefixes: &["trtllm_", "trtllm:", ""],
    model_label: "model_name",
    ranks: &[],
    table: &[
        name("num_requests_running", &metric::LLM_REQUESTS_RUNNING),
        name("num_requests_waiting", &metric::LLM_REQUESTS_WAITING),
        name("kv_cache_utilization", &metric::LLM_KV_CACHE_USAGE_RATIO),
        name("gpu_memory_usage_bytes", &metric::LLM_ENGINE_ACCELERATOR_BYTES).set("part", "all"),
        name("kv_cache_max_blocks", &metric::LLM_KV_CACHE_BLOCKS_MAX),
        name("generation_tokens_total", &metric::LLM_GENERATION_TOKENS_TOTAL),
        name("prompt_tokens_total", &metric::LLM_PROMPT_TOKENS_TOTAL),
        name("prompt_cached_tokens_total", &metric::LLM_PROMPT_TOKENS_CACHED_TOTAL),
        name("time_to_first_token_seconds", &metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS),
        name("time_per_output_token_seconds", &metric::LLM_INTER_TOKEN_LATENCY_SECONDS),
        name("e2e_request_latency_seconds", &metric::LLM_E2E_REQUEST_LATENCY_SECONDS),
        name("request_queue_time_seconds", &metric::LLM_REQUEST_QUEUE_TIME_SECONDS),
        name("request_success_total", &metric::LLM_REQUESTS_FINISHED_TOTAL)
            .keep("finished_reason", "reason"),
        name("request_error_total", &metric::LLM_REQUESTS_FINISHED_TOTAL)
            .keep("http_code", "reason")
            .set("outcome", "error"),
    ],
};

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    reading.version = text(&answers.json("/version")?, "version");
    read_models(answers, reading);
    if answers.status(METRICS) == Some(404) {
        reading.notes.push(("note.trtllm_metrics_off", Vec::new()));
        return Ok(());
    }
    read_metrics(answers, METRICS, &NAMES, reading)?;
    for (series, labels) in [
        ("trtllm_model_config_info", &[("dtype", "dtype"), ("quantization", "quantization")][..]),
        (
            "trtllm_parallel_config_info",
            &[
                ("tensor_parallel_size", "tensor_parallel"),
                ("pipeline_parallel_size", "pipeline_parallel"),
            ],
        ),
    ] {
        let Some(found) = info(reading, series).cloned() else { continue };
        for (label, fact) in labels {
            if let Some(value) = found.get(label) {
                reading.fact(fact, value);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{neutral, read},
        *,
    };

    #[test]
    fn names_of_all_builds() {
        let version = ("/version", 200, r#"{"version":"1.3.0"}"#);
        let page = include_str!("../../fixtures/trtllm-written.metrics");
        let expected = [
            r#"llm_kv_cache_usage_ratio{model="m"} 0.5"#,
            r#"llm_requests_finished_total{model="m", reason="stop"} 4"#,
            r#"llm_requests_running{model="m"} 2"#,
        ];
        for prefix in ["trtllm_", "trtllm:", ""] {
            let page = page.replace("trtllm_", prefix);
            let reading = read(&KIND, &[version, (METRICS, 200, &page)]).unwrap();
            assert_eq!(neutral(&reading, &KIND), expected, "{prefix}");
        }
        let reading = read(&KIND, &[version, (METRICS, 404, "")]).unwrap();
        assert_eq!(reading.notes[0].0, "note.trtllm_metrics_off");
    }

    #[test]
    fn what_reading_empties_is_not_read() {
        let drains = ["/metrics", "/perf_metrics", "/kv_cache_events"];
        assert!(KIND.paths.iter().chain(KIND.seldom).all(|path| !drains.contains(path)));
        assert!(KIND.signs.asked.is_none());
    }
}
