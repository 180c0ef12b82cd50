//! vLLM. Its counters move with every step of the engine; the label `engine` on its own series is
//! the number of a data-parallel worker, which the neutral family adds up.
//!
//! `/health` only says whether the engine's process lives: one that hangs answers 200.

use model::catalogue as metric;

use super::{
    Answers, Checked, Clues, Confirm, Kind, Names, PLAIN, Reading, Signs, Translation, info, name,
    read_metrics, read_models, text,
};
use crate::{Failure, FailureKind};

pub(super) const KIND: Kind = Kind {
    name: "vllm",
    title: "vLLM",
    signs: Signs {
        owned_by: "vllm",
        // A key locks the list of models and leaves the metrics open. A router of vLLM has `vllm:` too,
        // but no cache.
        asked: Some(Confirm {
            is_possible: Clues::may_show_metrics,
            path: "/metrics",
            is_it: |answer| {
                super::has_metric(answer, "vllm:cache_config_info")
                    || super::has_metric(answer, "ray_vllm_cache_config_info")
            },
        }),
        process: |clues| {
            let is_its = clues.runs(&["vllm serve", "vllm.entrypoints"]);
            clues.is_locked() && (is_its || clues.command.starts_with("VLLM::"))
        },
        ..PLAIN.signs
    },
    // What comes before `::` can be set.
    workers: &["::EngineCore", "::Worker", "::DPCoordinator", "ray::RayWorkerWrapper"],
    paths: &["/health", "/metrics"],
    seldom: &["/version", "/v1/models"],
    read: |answers, reading| read(answers, reading, &NAMES),
    has_heartbeat: true,
    checked: Checked::Captured,
    ..PLAIN
};

const NAMES: Names = Names {
    // Under Ray every name has a prefix more.
    prefixes: &["vllm:", "ray_vllm_"],
    model_label: "model_name",
    ranks: &[],
    table: TABLE,
};

/// Names of 0.33 first, then those of older versions.
pub(super) const TABLE: &[Translation] = &[
    name("num_requests_running", &metric::LLM_REQUESTS_RUNNING),
    name("num_requests_waiting", &metric::LLM_REQUESTS_WAITING),
    name("kv_cache_usage_perc", &metric::LLM_KV_CACHE_USAGE_RATIO),
    name("gpu_cache_usage_perc", &metric::LLM_KV_CACHE_USAGE_RATIO),
    name("generation_tokens_total", &metric::LLM_GENERATION_TOKENS_TOTAL),
    name("prompt_tokens_total", &metric::LLM_PROMPT_TOKENS_TOTAL),
    name("prefix_cache_hits_total", &metric::LLM_PROMPT_TOKENS_CACHED_TOTAL),
    name("gpu_prefix_cache_hits_total", &metric::LLM_PROMPT_TOKENS_CACHED_TOTAL),
    name("prefix_cache_queries_total", &metric::LLM_PROMPT_TOKENS_LOOKED_UP_TOTAL)
        .set("part", "all"),
    name("spec_decode_num_draft_tokens_total", &metric::LLM_SPEC_DECODE_DRAFT_TOKENS_TOTAL),
    name("spec_decode_num_accepted_tokens_total", &metric::LLM_SPEC_DECODE_ACCEPTED_TOKENS_TOTAL),
    name("num_preemptions_total", &metric::LLM_PREEMPTIONS_TOTAL),
    name("iteration_tokens_total_count", &metric::LLM_ENGINE_STEPS_TOTAL),
    name("time_to_first_token_seconds", &metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS),
    name("inter_token_latency_seconds", &metric::LLM_INTER_TOKEN_LATENCY_SECONDS),
    name("time_per_output_token_seconds", &metric::LLM_INTER_TOKEN_LATENCY_SECONDS),
    name("e2e_request_latency_seconds", &metric::LLM_E2E_REQUEST_LATENCY_SECONDS),
    name("request_queue_time_seconds", &metric::LLM_REQUEST_QUEUE_TIME_SECONDS),
    name("request_success_total", &metric::LLM_REQUESTS_FINISHED_TOTAL)
        .keep("finished_reason", "reason"),
];

pub(super) fn read(answers: &Answers, reading: &mut Reading, names: &Names) -> Result<(), Failure> {
    if answers.status("/health") == Some(503) {
        let detail = "/health: the engine answered 503: its core is dead";
        return Err(Failure::new(FailureKind::Refused, detail));
    }
    reading.version = text(&answers.json("/version")?, "version");
    // With an API key configured and not given, only the list of models is locked.
    read_models(answers, reading);
    read_metrics(answers, "/metrics", names, reading)?;
    let cache = names
        .prefixes
        .iter()
        .find_map(|prefix| info(reading, &format!("{prefix}cache_config_info")));
    if let Some(cache) = cache.cloned() {
        read_cache(&cache, reading);
    }
    read_sleep(reading, names);
    Ok(())
}

/// Whether the weights are in memory: an engine that sleeps has put them away.
fn read_sleep(reading: &mut Reading, names: &Names) {
    let states = reading.raw.samples.iter().filter(|(labels, _)| {
        names
            .prefixes
            .iter()
            .any(|prefix| labels.name().strip_prefix(prefix) == Some("engine_sleep_state"))
    });
    let awake = states
        .filter(|(labels, _)| labels.get("sleep_state") == Some("awake"))
        .map(|(_, value)| *value)
        .reduce(f64::max);
    if let Some(awake) = awake {
        let models = if awake > 0.0 { reading.models.clone() } else { Vec::new() };
        reading.set_loaded(models.into_iter());
    }
}

/// How the KV cache is set up, of one worker of several that are alike.
fn read_cache(cache: &model::Labels, reading: &mut Reading) {
    let field = |label: &str| cache.get(label).filter(|text| *text != "None");
    let number = |label: &str| field(label).and_then(|text| text.parse::<f64>().ok());
    let blocks = number("num_gpu_blocks");
    let size = number("block_size");
    let tokens = number("kv_cache_size_tokens").or_else(|| Some(blocks? * size?));
    let model = reading.model();
    for (value, metric, fact) in [
        (blocks, &metric::LLM_KV_CACHE_BLOCKS_MAX, "kv_cache_blocks"),
        (tokens, &metric::LLM_KV_CACHE_TOKENS_MAX, "kv_cache_tokens"),
    ] {
        if let Some(value) = value {
            reading.push(metric, &model, value);
            reading.fact(fact, value.to_string());
        }
    }
    if let Some(bytes) = number("kv_cache_memory_bytes") {
        let labels = vec![("model".to_owned(), model), ("part".to_owned(), "kv_cache".to_owned())];
        let name = metric::LLM_ENGINE_ACCELERATOR_BYTES.name.to_owned();
        reading.neutral.insert((name, labels), bytes);
    }
    for (label, fact) in
        [("cache_dtype", "kv_cache_dtype"), ("gpu_memory_utilization", "gpu_memory_utilization")]
    {
        if let Some(value) = field(label) {
            reading.fact(fact, value);
        }
    }
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
    fn the_cache_and_a_dead_core() {
        let page = include_str!("../../fixtures/vllm-0.32.0-load.metrics");
        let models = include_str!("../../fixtures/vllm-0.32.0-models.json");
        let version = ("/version", 200, r#"{"version":"0.32.0"}"#);
        let all = [version, ("/metrics", 200, page), ("/v1/models", 200, models)];
        let reading = read(&KIND, &all).unwrap();
        let facts =
            ["context_tokens", "kv_cache_blocks", "kv_cache_tokens", "gpu_memory_utilization"];
        let found = facts.map(|fact| reading.facts.get(fact).map(String::as_str));
        assert_eq!(found, ["2048", "364", "46592", "0.92"].map(Some));
        assert_eq!(reading.loaded.as_ref().map(|loaded| loaded.len()), Some(1));
        let asleep = page.replace("sleep_state=\"awake\"} 1.0", "sleep_state=\"awake\"} 0.0");
        assert_ne!(page, asleep);
        let asleep = read(&KIND, &[version, ("/metrics", 200, &asleep)]).unwrap();
        assert_eq!(asleep.loaded.map(|loaded| loaded.len()), Some(0));
        assert!(reading.started.is_some_and(|time| time > 1.7e9));
        assert_eq!(reading.total(&metric::LLM_REQUESTS_RUNNING), Some(8.0));
        assert_eq!(reading.total(&metric::LLM_REQUESTS_WAITING), Some(4.0));
        assert!(read(&KIND, &[("/health", 503, ""), version, ("/metrics", 200, page)]).is_err());
    }

    #[test]
    fn older_names() {
        let page = "vllm:gpu_cache_usage_perc{model_name=\"m\"} 0.5\n\
                    vllm:gpu_prefix_cache_hits_total{model_name=\"m\"} 7\n\
                    ray_vllm_num_requests_running{model_name=\"m\"} 1\n";
        let version = ("/version", 200, r#"{"version":"0.8.1"}"#);
        let reading = read(&KIND, &[version, ("/metrics", 200, page)]).unwrap();
        assert_eq!(
            neutral(&reading, &KIND),
            [
                r#"llm_kv_cache_usage_ratio{model="m"} 0.5"#,
                r#"llm_prompt_tokens_cached_total{model="m"} 7"#,
                r#"llm_requests_running{model="m"} 1"#,
            ]
        );
    }

    #[test]
    fn a_locked_engine_is_known_by_its_metrics() {
        let version = ("/version", 200, r#"{"version":"0.32.0"}"#);
        let locked = ("/v1/models", 401, r#"{"error":"Unauthorized"}"#);
        let reading = read(&KIND, &[version, ("/metrics", 200, CAPTURED), locked]).unwrap();
        assert_eq!(reading.models, ["smollm2-135m"]);
        let confirm = KIND.signs.asked.unwrap();
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
