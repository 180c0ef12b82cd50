//! LMDeploy. Its label `engine` is the number of a data-parallel rank. `/terminate` stops it on a GET,
//! so nothing but the two pages here is asked for.

use model::catalogue as metric;

use super::{
    Answers, Clues, Confirm, Kind, Names, PLAIN, Reading, Signs, info, name, read_metrics,
    read_models,
};
use crate::Failure;

pub(super) const KIND: Kind = Kind {
    name: "lmdeploy",
    title: "LMDeploy",
    signs: Signs {
        owned_by: "lmdeploy",
        asked: Some(Confirm {
            is_possible: Clues::may_show_metrics,
            path: "/metrics",
            is_it: |answer| super::has_metric(answer, "lmdeploy:"),
        }),
        process: |clues| clues.is_locked() && clues.runs(&["lmdeploy serve"]),
        ..PLAIN.signs
    },
    paths: &["/metrics"],
    seldom: &["/v1/models"],
    read,
    has_heartbeat: true,
    ..PLAIN
};

const NAMES: Names = Names {
    prefixes: &["lmdeploy:"],
    model_label: "model_name",
    ranks: &[],
    table: &[
        name("num_requests_running", &metric::LLM_REQUESTS_RUNNING),
        name("num_requests_waiting", &metric::LLM_REQUESTS_WAITING),
        name("gpu_cache_usage_perc", &metric::LLM_KV_CACHE_USAGE_RATIO),
        name("generation_tokens_total", &metric::LLM_GENERATION_TOKENS_TOTAL),
        name("prompt_tokens_total", &metric::LLM_PROMPT_TOKENS_TOTAL),
        name("cached_tokens_total", &metric::LLM_PROMPT_TOKENS_CACHED_TOTAL),
        name("iteration_tokens_total_count", &metric::LLM_ENGINE_STEPS_TOTAL),
        name("time_to_first_token_seconds", &metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS),
        name("iter_token_latency", &metric::LLM_INTER_TOKEN_LATENCY_SECONDS),
        name("time_per_output_token_seconds", &metric::LLM_INTER_TOKEN_LATENCY_SECONDS),
        name("e2e_request_latency_seconds", &metric::LLM_E2E_REQUEST_LATENCY_SECONDS),
        name("request_queue_time_seconds", &metric::LLM_REQUEST_QUEUE_TIME_SECONDS),
        name("request_success_total", &metric::LLM_REQUESTS_FINISHED_TOTAL)
            .keep("finished_reason", "reason"),
        // Older versions count those that ended in a gauge.
        name("num_requests_finished", &metric::LLM_REQUESTS_FINISHED_TOTAL).set("reason", "any"),
    ],
};

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    read_models(answers, reading);
    if answers.status("/metrics") == Some(404) {
        reading.notes.push(("note.lmdeploy_metrics_off", Vec::new()));
        return answers.json("/v1/models").map(drop);
    }
    read_metrics(answers, "/metrics", &NAMES, reading)?;
    if let Some(config) = info(reading, "lmdeploy:backend_config_info").cloned() {
        for (label, fact) in [
            ("session_len", "context_tokens"),
            ("dtype", "dtype"),
            ("tp", "tensor_parallel"),
            ("dp", "data_parallel"),
            ("quant_policy", "kv_cache_dtype"),
            ("cache_max_entry_count", "gpu_memory_utilization"),
        ] {
            if let Some(value) = config.get(label) {
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
    fn a_written_page() {
        let page = include_str!("../../fixtures/lmdeploy-written.metrics");
        let reading = read(&KIND, &[("/metrics", 200, page)]).unwrap();
        assert_eq!(reading.models, ["m"]);
        let neutral = neutral(&reading, &KIND);
        for expected in [
            r#"llm_engine_steps_total{model="m"} 30"#,
            r#"llm_requests_finished_total{model="m", reason="stop"} 6"#,
            r#"llm_requests_running{model="m"} 3"#,
            r#"llm_inter_token_latency_seconds_count{model="m"} 20"#,
        ] {
            assert!(neutral.iter().any(|sample| sample == expected), "{expected}: {neutral:#?}");
        }
    }

    #[test]
    fn without_metrics() {
        let models = ("/v1/models", 200, r#"{"data":[{"id":"m","owned_by":"lmdeploy"}]}"#);
        let reading = read(&KIND, &[("/metrics", 404, ""), models]).unwrap();
        assert_eq!(reading.notes[0].0, "note.lmdeploy_metrics_off");
        assert!(KIND.paths.iter().chain(KIND.seldom).all(|path| *path != "/terminate"));
    }
}
