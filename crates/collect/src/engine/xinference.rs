//! Xinference: the supervisor at its port, and each worker's exporter, which are engines of their own
//! here. The engines that run the models inside do not show through; they may listen themselves.

use model::catalogue as metric;

use super::{
    Answers, Confirm, Kind, Names, PLAIN, Reading, Signs, name, read_metrics, read_models, text,
};
use crate::Failure;

pub(super) const KIND: Kind = Kind {
    name: "xinference",
    title: "Xinference",
    signs: Signs {
        owned_by: "xinference",
        asked: Some(Confirm {
            is_possible: |clues| {
                clues.runs(&["xinference"]) && (clues.is_missing() || clues.is_locked())
            },
            path: "/metrics",
            is_it: |answer| super::has_metric(answer, "xinference:"),
        }),
        ..PLAIN.signs
    },
    paths: &["/metrics"],
    seldom: &["/v1/cluster/version", "/v1/models"],
    read,
    computes: false,
    swaps_models: true,
    ..PLAIN
};

const NAMES: Names = Names {
    prefixes: &["xinference:"],
    model_label: "model_name",
    ranks: &[],
    table: &[
        name("output_tokens_total_counter", &metric::LLM_GENERATION_TOKENS_TOTAL),
        name("input_tokens_total_counter", &metric::LLM_PROMPT_TOKENS_TOTAL),
        name("model_serve_count", &metric::LLM_REQUESTS_RUNNING),
        name("model_request_limit", &metric::LLM_SLOTS),
        name("time_to_first_token_seconds", &metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS),
        name("model_request_duration_seconds", &metric::LLM_E2E_REQUEST_LATENCY_SECONDS),
        name("model_request_total", &metric::LLM_REQUESTS_FINISHED_TOTAL).set("reason", "any"),
        name("model_request_errors_total", &metric::LLM_REQUESTS_FINISHED_TOTAL)
            .set("reason", "error"),
    ],
};

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    let version = answers.json("/v1/cluster/version").ok();
    reading.version = version.and_then(|version| text(&version, "version"));
    read_models(answers, reading);
    if answers.json("/v1/models").is_ok() {
        let models = reading.models.clone();
        reading.set_loaded(models.into_iter());
    }
    read_metrics(answers, "/metrics", &NAMES, reading)
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{neutral, read},
        *,
    };

    #[test]
    fn a_worker_and_a_supervisor() {
        let page = include_str!("../../fixtures/xinference-written.metrics");
        let worker = read(&KIND, &[("/metrics", 200, page), ("/v1/models", 404, "")]).unwrap();
        assert_eq!(worker.loaded, None);
        assert_eq!(
            neutral(&worker, &KIND),
            [
                r#"llm_generation_tokens_total{model="qwen3"} 80"#,
                r#"llm_prompt_tokens_total{model="qwen3"} 40"#,
                r#"llm_requests_finished_total{model="qwen3", reason="any"} 6"#,
                r#"llm_requests_finished_total{model="qwen3", reason="error"} 1"#,
                r#"llm_requests_running{model="qwen3"} 1"#,
            ]
        );
        let supervisor = read(
            &KIND,
            &[
                ("/metrics", 200, "xinference:workers_total 1\n"),
                ("/v1/cluster/version", 200, r#"{"version":"1.9.0"}"#),
                ("/v1/models", 200, r#"{"data":[{"id":"qwen3"}]}"#),
            ],
        )
        .unwrap();
        assert_eq!(supervisor.version.as_deref(), Some("1.9.0"));
        assert_eq!(supervisor.loaded.unwrap().len(), 1);
    }
}
