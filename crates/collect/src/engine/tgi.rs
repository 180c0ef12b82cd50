//! TGI (text-generation-inference), in maintenance. It has no metric of the time to the first token, and
//! its histograms move only when a request ends. `/health` is not asked for: it may run a prefill.

use model::catalogue as metric;

use super::{
    Answers, Clues, Confirm, Kind, Names, PLAIN, Reading, Signs, body, name, read_metrics, text,
};
use crate::Failure;

pub(super) const KIND: Kind = Kind {
    name: "tgi",
    title: "TGI",
    signs: Signs {
        asked: Some(Confirm {
            is_possible,
            path: "/info",
            is_it: |answer| {
                text(&body(answer), "router").is_some_and(|name| name == "text-generation-router")
            },
        }),
        process: |clues| clues.is_locked() && clues.program() == "text-generation-router",
        ..PLAIN.signs
    },
    paths: &["/metrics"],
    seldom: &["/info"],
    read,
    has_heartbeat: true,
    ..PLAIN
};

/// Its models are owned by themselves; older versions have no list of them.
fn is_possible(clues: &Clues) -> bool {
    let owns_itself = clues.owned_by.is_some() && clues.owned_by == clues.first;
    owns_itself
        || clues.runs(&["text-generation"])
        || (clues.is_missing() && matches!(clues.port, 80 | 3000 | 8080))
}

const NAMES: Names = Names {
    prefixes: &["tgi_"],
    model_label: "model_name",
    ranks: &[],
    table: &[
        name("batch_current_size", &metric::LLM_REQUESTS_RUNNING),
        name("queue_size", &metric::LLM_REQUESTS_WAITING),
        name("request_generated_tokens_sum", &metric::LLM_GENERATION_TOKENS_TOTAL),
        name("request_input_length_sum", &metric::LLM_PROMPT_TOKENS_TOTAL),
        name("batch_inference_count", &metric::LLM_ENGINE_STEPS_TOTAL),
        name("request_mean_time_per_token_duration", &metric::LLM_INTER_TOKEN_LATENCY_SECONDS),
        name("request_duration", &metric::LLM_E2E_REQUEST_LATENCY_SECONDS),
        name("request_queue_duration", &metric::LLM_REQUEST_QUEUE_TIME_SECONDS),
        name("request_success", &metric::LLM_REQUESTS_FINISHED_TOTAL).set("reason", "success"),
        name("request_failure", &metric::LLM_REQUESTS_FINISHED_TOTAL).keep("err", "reason"),
        name("batch_max_total_tokens", &metric::LLM_KV_CACHE_TOKENS_MAX),
    ],
};

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    let info = answers.json("/info")?;
    reading.version = text(&info, "version");
    reading.models = text(&info, "model_id").into_iter().collect();
    reading.facts_from(
        &info,
        &[
            ("max_total_tokens", "context_tokens"),
            ("model_dtype", "dtype"),
            ("model_device_type", "device"),
            ("quantize", "quantization"),
        ],
    );
    let model = reading.model();
    if let Some(context) = info.get("max_total_tokens").and_then(serde_json::Value::as_f64) {
        reading.push(&metric::LLM_CONTEXT_TOKENS_MAX, &model, context);
    }
    read_metrics(answers, "/metrics", &NAMES, reading)?;
    let used = info_value(reading, "tgi_batch_current_max_tokens");
    let all = info_value(reading, "tgi_batch_max_total_tokens").filter(|all| *all > 0.0);
    if let (Some(used), Some(all)) = (used, all) {
        reading.push(&metric::LLM_KV_CACHE_USAGE_RATIO, &model, used / all);
        reading.fact("kv_cache_tokens", all.to_string());
    }
    Ok(())
}

fn info_value(reading: &Reading, name: &str) -> Option<f64> {
    let mut samples = reading.raw.samples.iter();
    samples.find(|(labels, _)| labels.name() == name).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{answer, neutral, read},
        *,
    };

    const INFO: &str = r#"{"model_id":"m","version":"3.3.6","sha":"x","max_total_tokens":4096,
        "router":"text-generation-router"}"#;

    #[test]
    fn a_written_page() {
        let page = include_str!("../../fixtures/tgi-written.metrics");
        let reading = read(&KIND, &[("/info", 200, INFO), ("/metrics", 200, page)]).unwrap();
        assert_eq!(reading.version.as_deref(), Some("3.3.6"));
        let neutral = neutral(&reading, &KIND);
        for expected in [
            r#"llm_engine_steps_total{model="m"} 105"#,
            r#"llm_generation_tokens_total{model="m"} 250"#,
            r#"llm_kv_cache_usage_ratio{model="m"} 0.5"#,
            r#"llm_requests_finished_total{model="m", reason="overloaded"} 1"#,
            r#"llm_requests_finished_total{model="m", reason="success"} 4"#,
            r#"llm_requests_running{model="m"} 2"#,
            r#"llm_e2e_request_latency_seconds_count{model="m"} 4"#,
        ] {
            assert!(neutral.iter().any(|sample| sample == expected), "{expected}: {neutral:#?}");
        }
    }

    #[test]
    fn triton_has_other_information() {
        let confirm = KIND.signs.asked.unwrap();
        assert!((confirm.is_it)(&answer(200, INFO)));
        assert!(!(confirm.is_it)(&answer(200, r#"{"name":"triton","version":"2"}"#)));
    }
}
