//! vLLM. Its counters move with every step of the engine; the label `engine` on its own series is
//! the number of a data-parallel worker, which the neutral family adds up.

use model::catalogue as metric;
use serde_json::Value;

use super::{
    Answers, Clues, Confirm, Kind, Reading, Translation, model_ids, nothing, text, translation,
};
use crate::{Failure, exposition};

pub(super) const KIND: Kind = Kind {
    name: "vllm",
    title: "vLLM",
    recognise,
    // A key locks the list of models and leaves the metrics open. A router of vLLM has `vllm:` too, but
    // no cache.
    confirm: Some(Confirm {
        is_possible: Clues::is_locked,
        path: "/metrics",
        is_it: |answer| {
            let page = exposition::parse(&answer.body);
            page.samples.iter().any(|(labels, _)| labels.name() == "vllm:cache_config_info")
        },
    }),
    paths: &["/version", "/metrics", "/v1/models"],
    then: nothing,
    read,
};

const TRANSLATIONS: &[Translation] = &[
    translation("vllm:num_requests_running", &metric::LLM_REQUESTS_RUNNING),
    translation("vllm:num_requests_waiting", &metric::LLM_REQUESTS_WAITING),
    translation("vllm:kv_cache_usage_perc", &metric::LLM_KV_CACHE_USAGE_RATIO),
    translation("vllm:generation_tokens_total", &metric::LLM_GENERATION_TOKENS_TOTAL),
    translation("vllm:prompt_tokens_total", &metric::LLM_PROMPT_TOKENS_TOTAL),
    translation("vllm:prefix_cache_hits_total", &metric::LLM_PROMPT_TOKENS_CACHED_TOTAL),
    translation("vllm:num_preemptions_total", &metric::LLM_PREEMPTIONS_TOTAL),
    translation("vllm:iteration_tokens_total_count", &metric::LLM_ENGINE_STEPS_TOTAL),
    translation("vllm:time_to_first_token_seconds", &metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS),
    translation("vllm:inter_token_latency_seconds", &metric::LLM_INTER_TOKEN_LATENCY_SECONDS),
    translation("vllm:e2e_request_latency_seconds", &metric::LLM_E2E_REQUEST_LATENCY_SECONDS),
    translation("vllm:request_queue_time_seconds", &metric::LLM_REQUEST_QUEUE_TIME_SECONDS),
    Translation {
        from: "vllm:request_success_total",
        to: &metric::LLM_REQUESTS_FINISHED_TOTAL,
        label: Some(("finished_reason", "reason")),
    },
];

fn recognise(clues: &Clues) -> bool {
    let command = &clues.command;
    let is_its_process = command.contains("vllm serve")
        || command.contains("vllm.entrypoints")
        || command.starts_with("VLLM::");
    clues.owned_by("vllm") || (clues.is_locked() && is_its_process)
}

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    reading.version = text(&answers.json("/version")?, "version");
    // With an API key configured and not given, only the list of models is locked.
    let models = answers.json("/v1/models").unwrap_or_default();
    reading.models = model_ids(&models);
    let list = models.get("data").and_then(Value::as_array);
    for model in list.into_iter().flatten() {
        let context = model.get("max_model_len").and_then(Value::as_f64);
        if let (Some(id), Some(context)) = (text(model, "id"), context) {
            reading.push(&metric::LLM_CONTEXT_TOKENS_MAX, &id, context);
        }
    }
    reading.raw = answers.exposition("/metrics")?;
    // Under Ray every name has a prefix more.
    for (labels, _) in &mut reading.raw.samples {
        if let Some(rest) = labels.name().strip_prefix("ray_vllm_") {
            let mut builder = labels.to_builder();
            builder.set(model::NAME, format!("vllm:{rest}"));
            *labels = builder.build();
        }
    }
    if reading.models.is_empty() {
        let names = reading.raw.samples.iter().filter_map(|(labels, _)| labels.get("model_name"));
        reading.models = names.take(1).map(str::to_owned).collect();
    }
    reading.translate(TRANSLATIONS, "model_name");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{answer, neutral, read},
        *,
    };

    #[test]
    fn workers_are_added_up_and_ratios_are_not() {
        let page = r#"
vllm:num_requests_running{engine="0",model_name="m"} 2.0
vllm:num_requests_running{engine="1",model_name="m"} 3.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.5
vllm:generation_tokens_total{engine="0",model_name="m"} 10.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 4.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="m"} 1.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} 2.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 2.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 0.3
"#;
        let models = r#"{"data":[{"id":"m","owned_by":"vllm","max_model_len":4096}]}"#;
        let reading = read(
            &KIND,
            &[
                ("/version", 200, r#"{"version":"0.33.0"}"#),
                ("/metrics", 200, page),
                ("/v1/models", 200, models),
            ],
        )
        .unwrap();
        assert_eq!(reading.version.as_deref(), Some("0.33.0"));
        assert_eq!(
            neutral(&reading, &KIND),
            [
                r#"llm_context_tokens_max{model="m"} 4096"#,
                r#"llm_generation_tokens_total{model="m"} 10"#,
                r#"llm_kv_cache_usage_ratio{model="m"} 0.5"#,
                r#"llm_requests_finished_total{model="m", reason="stop"} 4"#,
                r#"llm_requests_running{model="m"} 5"#,
                r#"llm_time_to_first_token_seconds_bucket{le="+Inf", model="m"} 2"#,
                r#"llm_time_to_first_token_seconds_bucket{le="0.1", model="m"} 1"#,
                r#"llm_time_to_first_token_seconds_count{model="m"} 2"#,
                r#"llm_time_to_first_token_seconds_sum{model="m"} 0.3"#,
            ]
        );
    }

    /// Part of a page of vLLM 0.32.0 after 14 requests, whose answers said 602 and 6,040 tokens.
    const CAPTURED: &str = include_str!("../../fixtures/vllm-0.32.0.metrics");

    #[test]
    fn a_captured_page_says_what_the_answers_said() {
        let version = ("/version", 200, r#"{"version":"0.32.0"}"#);
        let reading = read(&KIND, &[version, ("/metrics", 200, CAPTURED)]).unwrap();
        let lines = CAPTURED.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!((reading.raw.samples.len(), reading.raw.bad_lines), (lines, 0));
        let neutral = neutral(&reading, &KIND);
        for expected in [
            r#"llm_prompt_tokens_total{model="smollm2-135m"} 602"#,
            r#"llm_generation_tokens_total{model="smollm2-135m"} 6040"#,
            r#"llm_engine_steps_total{model="smollm2-135m"} 1001"#,
            r#"llm_requests_finished_total{model="smollm2-135m", reason="length"} 14"#,
            r#"llm_time_to_first_token_seconds_bucket{le="+Inf", model="smollm2-135m"} 14"#,
        ] {
            assert!(
                neutral.iter().any(|sample| sample == expected),
                "{expected} not in {neutral:#?}"
            );
        }
    }

    #[test]
    fn a_locked_engine_is_known_by_its_metrics() {
        let version = ("/version", 200, r#"{"version":"0.32.0"}"#);
        let locked = ("/v1/models", 401, r#"{"error":"Unauthorized"}"#);
        let reading = read(&KIND, &[version, ("/metrics", 200, CAPTURED), locked]).unwrap();
        assert_eq!(reading.models, ["smollm2-135m"]);
        let confirm = KIND.confirm.unwrap();
        assert!((confirm.is_possible)(&Clues { status: 401, ..Clues::default() }));
        for (page, expected) in
            [(CAPTURED, true), ("vllm:healthy_pods_total 1", false), ("", false)]
        {
            assert_eq!((confirm.is_it)(&answer(200, page)), expected, "{page}");
        }
    }

    #[test]
    fn garbage_is_a_failure() {
        assert!(read(&KIND, &[("/version", 200, "<html>")]).is_err());
        let version = ("/version", 200, r#"{"version":"1"}"#);
        assert!(read(&KIND, &[version, ("/metrics", 200, "<html>\n<p>")]).is_err());
    }
}
