//! SGLang. Its metrics need `--enable-metrics`; without them `/v1/loads` tells the load.
//!
//! `/health` is never asked for: each call runs a generation. Its counters of prompts and answers move
//! only when a request ends, so what moves with every step counts instead where it is there.

use model::catalogue as metric;
use serde_json::Value;

use super::{
    Answers, Clues, Confirm, Kind, Names, PLAIN, Reading, Signs, name, read_metrics, read_models,
    text,
};
use crate::Failure;

pub(super) const KIND: Kind = Kind {
    name: "sglang",
    title: "SGLang",
    signs: Signs {
        owned_by: "sglang",
        asked: Some(Confirm {
            is_possible: Clues::may_show_metrics,
            path: "/metrics",
            is_it: |answer| super::has_metric(answer, "sglang:"),
        }),
        process: |clues| clues.is_locked() && clues.runs(&["sglang.launch_server", "sglang serve"]),
        ..PLAIN.signs
    },
    workers: &["sglang::scheduler", "sglang::detokenizer", "sglang::data_parallel_controller"],
    paths: &["/metrics"],
    then: loads_without_metrics,
    seldom: &["/server_info", "/model_info", "/v1/models"],
    read,
    has_heartbeat: true,
    ..PLAIN
};

/// Its gigabytes are powers of two.
const GIB: f64 = 1_073_741_824.0;

const LOADS: &str = "/v1/loads?include=core,memory,queues";

const NAMES: Names = Names {
    prefixes: &["sglang:"],
    model_label: "model_name",
    ranks: &["tp_rank", "pp_rank", "moe_ep_rank"],
    table: &[
        name("num_running_reqs", &metric::LLM_REQUESTS_RUNNING),
        name("num_queue_reqs", &metric::LLM_REQUESTS_WAITING),
        name("token_usage", &metric::LLM_KV_CACHE_USAGE_RATIO),
        name("realtime_tokens_total", &metric::LLM_GENERATION_TOKENS_TOTAL).when("mode", "decode"),
        name("generation_tokens_total", &metric::LLM_GENERATION_TOKENS_TOTAL),
        name("prompt_tokens_total", &metric::LLM_PROMPT_TOKENS_TOTAL),
        name("cached_tokens_total", &metric::LLM_PROMPT_TOKENS_CACHED_TOTAL),
        name("num_retracted_requests_total", &metric::LLM_PREEMPTIONS_TOTAL),
        name("cuda_graph_passes_total", &metric::LLM_ENGINE_STEPS_TOTAL),
        name("realtime_tokens_total", &metric::LLM_ENGINE_STEPS_TOTAL),
        name("time_to_first_token_seconds", &metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS),
        name("inter_token_latency_seconds", &metric::LLM_INTER_TOKEN_LATENCY_SECONDS),
        name("e2e_request_latency_seconds", &metric::LLM_E2E_REQUEST_LATENCY_SECONDS),
        name("queue_time_seconds", &metric::LLM_REQUEST_QUEUE_TIME_SECONDS),
        name("num_requests_total", &metric::LLM_REQUESTS_FINISHED_TOTAL).set("reason", "any"),
        name("num_aborted_requests_total", &metric::LLM_REQUESTS_FINISHED_TOTAL)
            .set("reason", "abort"),
        name("max_total_num_tokens", &metric::LLM_KV_CACHE_TOKENS_MAX),
        name("weight_memory_usage_gb", &metric::LLM_ENGINE_ACCELERATOR_BYTES)
            .set("part", "weights")
            .scaled(GIB),
        name("kv_cache_memory_usage_gb", &metric::LLM_ENGINE_ACCELERATOR_BYTES)
            .set("part", "kv_cache")
            .scaled(GIB),
        name("graph_memory_usage_gb", &metric::LLM_ENGINE_ACCELERATOR_BYTES)
            .set("part", "graphs")
            .scaled(GIB),
    ],
};

fn loads_without_metrics(answers: &Answers) -> &'static [&'static str] {
    if answers.status("/metrics") == Some(404) { &[LOADS] } else { &[] }
}

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    read_models(answers, reading);
    let server = answers.json("/server_info").unwrap_or_default();
    reading.version = text(&server, "version");
    reading.facts_from(&server, FACTS);
    reading.facts_from(
        &answers.json("/model_info").unwrap_or_default(),
        &[("is_generation", "is_generation")],
    );
    if answers.status("/metrics") == Some(404) {
        reading.notes.push(("note.sglang_metrics_off", Vec::new()));
        let loads = answers.json(LOADS)?;
        reading.version = reading.version.take().or_else(|| text(&loads, "version"));
        read_loads(&loads, reading);
        return Ok(());
    }
    read_metrics(answers, "/metrics", &NAMES, reading)?;
    if let Some(tokens) = reading.total(&metric::LLM_KV_CACHE_TOKENS_MAX) {
        reading.fact("kv_cache_tokens", tokens.to_string());
    }
    Ok(())
}

const FACTS: &[(&str, &str)] = &[
    ("context_length", "context_tokens"),
    ("quantization", "quantization"),
    ("dtype", "dtype"),
    ("kv_cache_dtype", "kv_cache_dtype"),
    ("tp_size", "tensor_parallel"),
    ("pp_size", "pipeline_parallel"),
    ("dp_size", "data_parallel"),
    ("mem_fraction_static", "gpu_memory_utilization"),
    ("device", "device"),
];

/// The loads of all data-parallel ranks, added up.
fn read_loads(loads: &Value, reading: &mut Reading) {
    let model = reading.model();
    let ranks = loads.get("loads").and_then(Value::as_array);
    for (field, metric) in [
        ("num_running_reqs", &metric::LLM_REQUESTS_RUNNING),
        ("num_waiting_reqs", &metric::LLM_REQUESTS_WAITING),
    ] {
        let values = ranks.into_iter().flatten().filter_map(|rank| rank.get(field)?.as_f64());
        if let Some(sum) = values.reduce(|a, b| a + b) {
            reading.push(metric, &model, sum);
        }
    }
    let usages = ranks.into_iter().flatten().filter_map(|rank| rank.get("token_usage")?.as_f64());
    if let Some(usage) = usages.reduce(f64::max) {
        reading.push(&metric::LLM_KV_CACHE_USAGE_RATIO, &model, usage);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{neutral, read},
        *,
    };

    const SERVER: &str = r#"{"version":"0.5.23","context_length":32768,"dtype":"auto","tp_size":2,
        "mem_fraction_static":0.88,"quantization":null}"#;
    const MODELS: &str = r#"{"data":[{"id":"m","owned_by":"sglang","max_model_len":32768}]}"#;

    #[test]
    fn with_metrics() {
        let page = include_str!("../../fixtures/sglang-written.metrics");
        let all =
            [("/metrics", 200, page), ("/server_info", 200, SERVER), ("/v1/models", 200, MODELS)];
        let reading = read(&KIND, &all).unwrap();
        assert_eq!(reading.version.as_deref(), Some("0.5.23"));
        assert_eq!(reading.facts["tensor_parallel"], "2");
        assert!(!reading.facts.contains_key("quantization"));
        assert_eq!(
            neutral(&reading, &KIND),
            [
                r#"llm_context_tokens_max{model="m"} 32768"#,
                r#"llm_engine_accelerator_bytes{model="m", part="graphs"} 536870912"#,
                r#"llm_engine_accelerator_bytes{model="m", part="weights"} 2147483648"#,
                r#"llm_engine_steps_total{model="m"} 130"#,
                r#"llm_generation_tokens_total{model="m"} 900"#,
                r#"llm_kv_cache_tokens_max{model="m"} 100000"#,
                r#"llm_kv_cache_usage_ratio{model="m"} 0.2"#,
                r#"llm_preemptions_total{model="m"} 3"#,
                r#"llm_prompt_tokens_total{model="m"} 300"#,
                r#"llm_requests_finished_total{model="m", reason="any"} 9"#,
                r#"llm_requests_running{model="m"} 4"#,
                r#"llm_requests_waiting{model="m"} 1"#,
            ]
        );
    }

    #[test]
    fn without_metrics() {
        let loads = r#"{"version":"0.5.23","loads":[{"num_running_reqs":2,"num_waiting_reqs":1,
            "token_usage":0.5},{"num_running_reqs":1,"token_usage":0.25}]}"#;
        let all = [("/metrics", 404, ""), (LOADS, 200, loads), ("/v1/models", 200, MODELS)];
        let reading = read(&KIND, &all).unwrap();
        assert_eq!(reading.notes[0].0, "note.sglang_metrics_off");
        assert_eq!(
            neutral(&reading, &KIND),
            [
                r#"llm_context_tokens_max{model="m"} 32768"#,
                r#"llm_kv_cache_usage_ratio{model="m"} 0.5"#,
                r#"llm_requests_running{model="m"} 3"#,
                r#"llm_requests_waiting{model="m"} 1"#,
            ]
        );
    }

    #[test]
    fn nothing_that_generates_is_asked_for() {
        let paths = KIND.paths.iter().chain(KIND.seldom);
        assert!(paths.into_iter().all(|path| !path.contains("health") && !path.contains("flush")));
    }
}
