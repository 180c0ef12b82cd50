//! MindIE on Ascend, by its service port; its metrics are two ports above that, under names without a
//! prefix, and need `MIES_SERVICE_MONITOR_MODE=1`. It speaks HTTPS unless told otherwise and then wants to
//! see a certificate, so that it has to be named by `[[engine]]`. `/stopService` stops it on a GET, and what its health pages do is not known: none is asked for.

use model::catalogue as metric;

use super::{Answers, Kind, Names, PLAIN, Reading, Signs, name, read_metrics, read_models, text};
use crate::Failure;

pub(super) const KIND: Kind = Kind {
    name: "mindie",
    title: "MindIE",
    signs: Signs { owned_by: "MindIE Server", ..PLAIN.signs },
    paths: &[METRICS, "/v1/models"],
    seldom: &["/info"],
    read,
    has_heartbeat: true,
    ..PLAIN
};

const METRICS: &str = "@+2/metrics";

const NAMES: Names = Names {
    prefixes: &[""],
    model_label: "model_name",
    ranks: &[],
    table: &[
        name("num_requests_running", &metric::LLM_REQUESTS_RUNNING),
        name("num_requests_waiting", &metric::LLM_REQUESTS_WAITING),
        name("npu_cache_usage_perc", &metric::LLM_KV_CACHE_USAGE_RATIO),
        name("generation_tokens_total", &metric::LLM_GENERATION_TOKENS_TOTAL),
        name("prompt_tokens_total", &metric::LLM_PROMPT_TOKENS_TOTAL),
        name("num_preemptions_total", &metric::LLM_PREEMPTIONS_TOTAL),
        name("time_to_first_token_seconds", &metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS),
        name("time_per_output_token_seconds", &metric::LLM_INTER_TOKEN_LATENCY_SECONDS),
        name("e2e_request_latency_seconds", &metric::LLM_E2E_REQUEST_LATENCY_SECONDS),
        name("request_success_total", &metric::LLM_REQUESTS_FINISHED_TOTAL)
            .set("reason", "success"),
        name("request_failed_total", &metric::LLM_REQUESTS_FINISHED_TOTAL).set("reason", "failed"),
    ],
};

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    answers.json("/v1/models")?;
    read_models(answers, reading);
    reading.version = answers.json("/info").ok().and_then(|info| text(&info, "version"));
    if answers.exposition(METRICS).is_err() {
        reading.notes.push(("note.mindie_metrics_off", Vec::new()));
        return Ok(());
    }
    read_metrics(answers, METRICS, &NAMES, reading)
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{neutral, read},
        *,
    };

    #[test]
    fn with_and_without_metrics() {
        let models = ("/v1/models", 200, r#"{"data":[{"id":"m","owned_by":"MindIE Server"}]}"#);
        let page = include_str!("../../fixtures/mindie-written.metrics");
        let reading = read(&KIND, &[models, (METRICS, 200, page)]).unwrap();
        assert_eq!(
            neutral(&reading, &KIND),
            [
                r#"llm_generation_tokens_total{model="m"} 70"#,
                r#"llm_kv_cache_usage_ratio{model="m"} 0.4"#,
                r#"llm_preemptions_total{model="m"} 1"#,
                r#"llm_requests_finished_total{model="m", reason="failed"} 1"#,
                r#"llm_requests_finished_total{model="m", reason="success"} 5"#,
                r#"llm_requests_running{model="m"} 2"#,
            ]
        );
        let reading = read(&KIND, &[models, (METRICS, 404, "")]).unwrap();
        assert_eq!(reading.notes[0].0, "note.mindie_metrics_off");
    }

    #[test]
    fn what_stops_it_is_never_asked_for() {
        let asked = KIND.paths.iter().chain(KIND.seldom);
        assert_eq!(asked.copied().collect::<Vec<_>>(), [METRICS, "/v1/models", "/info"]);
    }
}
