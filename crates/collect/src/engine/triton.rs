//! Triton and its TensorRT-LLM backend, by the HTTP port; its metrics are two ports above that unless
//! they were put elsewhere. Other models than language models are in its own metrics only.

use model::catalogue as metric;
use serde_json::Value;

use super::{Answers, Confirm, Kind, Names, PLAIN, Reading, Signs, body, name, read_metrics, text};
use crate::Failure;

pub(super) const KIND: Kind = Kind {
    name: "triton",
    title: "Triton",
    signs: Signs {
        asked: Some(Confirm {
            is_possible: |clues| {
                clues.is_missing() && (clues.port == 8000 || clues.runs(&["tritonserver"]))
            },
            path: "/v2",
            is_it: |answer| is_triton(&body(answer)),
        }),
        ..PLAIN.signs
    },
    paths: &[METRICS],
    seldom: &["/v2"],
    read,
    ..PLAIN
};

const METRICS: &str = "@+2/metrics";

/// Its name can be changed, its extensions cannot.
fn is_triton(about: &Value) -> bool {
    let extensions = about.get("extensions").and_then(Value::as_array);
    let has = |name: &str| extensions.is_some_and(|all| all.iter().any(|found| found == name));
    text(about, "name").is_some_and(|name| name == "triton") || has("model_repository")
}

const NAMES: Names = Names {
    prefixes: &["nv_"],
    model_label: "model",
    ranks: &[],
    table: &[
        name("trt_llm_request_metrics", &metric::LLM_REQUESTS_RUNNING)
            .when("request_type", "active"),
        name("trt_llm_request_metrics", &metric::LLM_REQUESTS_WAITING)
            .when("request_type", "waiting"),
        name("inference_pending_request_count", &metric::LLM_REQUESTS_WAITING),
        name("trt_llm_kv_cache_block_metrics", &metric::LLM_KV_CACHE_USAGE_RATIO)
            .when("kv_cache_block_type", "fraction"),
        name("trt_llm_kv_cache_block_metrics", &metric::LLM_KV_CACHE_BLOCKS_MAX)
            .when("kv_cache_block_type", "max"),
        name("inference_exec_count", &metric::LLM_ENGINE_STEPS_TOTAL),
        name("inference_request_success", &metric::LLM_REQUESTS_FINISHED_TOTAL)
            .set("reason", "success"),
        name("inference_request_failure", &metric::LLM_REQUESTS_FINISHED_TOTAL)
            .keep("reason", "reason"),
    ],
};

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    reading.version = text(&answers.json("/v2")?, "version");
    match answers.exposition(METRICS) {
        Ok(_) => read_metrics(answers, METRICS, &NAMES, reading)?,
        Err(failure) => {
            let params = vec![("reason".to_owned(), failure.to_string())];
            reading.notes.push(("note.metrics_elsewhere", params));
            return Ok(());
        }
    }
    let mut models: Vec<String> = reading
        .raw
        .samples
        .iter()
        .filter(|(labels, _)| labels.name() == "nv_inference_request_success")
        .filter_map(|(labels, _)| labels.get("model").map(str::to_owned))
        .collect();
    models.dedup();
    reading.models = models;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{neutral, read},
        *,
    };

    const ABOUT: &str = r#"{"name":"mine","version":"2.62.0","extensions":["model_repository"]}"#;

    #[test]
    fn a_written_page() {
        let page = include_str!("../../fixtures/triton-written.metrics");
        let reading = read(&KIND, &[("/v2", 200, ABOUT), (METRICS, 200, page)]).unwrap();
        assert_eq!(reading.models, ["ensemble", "tensorrt_llm"]);
        assert_eq!(
            neutral(&reading, &KIND),
            [
                r#"llm_engine_steps_total{model="ensemble"} 5"#,
                r#"llm_engine_steps_total{model="tensorrt_llm"} 9"#,
                r#"llm_kv_cache_blocks_max{model="tensorrt_llm"} 1000"#,
                r#"llm_kv_cache_usage_ratio{model="tensorrt_llm"} 0.25"#,
                r#"llm_requests_finished_total{model="ensemble", reason="success"} 5"#,
                r#"llm_requests_finished_total{model="tensorrt_llm", reason="REJECTED"} 1"#,
                r#"llm_requests_finished_total{model="tensorrt_llm", reason="success"} 5"#,
                r#"llm_requests_running{model="tensorrt_llm"} 3"#,
                r#"llm_requests_waiting{model="tensorrt_llm"} 2"#,
            ]
        );
        assert!(is_triton(&serde_json::from_str(ABOUT).unwrap()));
    }

    #[test]
    fn without_its_metrics() {
        let reading = read(&KIND, &[("/v2", 200, ABOUT), (METRICS, 404, "")]).unwrap();
        assert_eq!(reading.notes[0].0, "note.metrics_elsewhere");
    }
}
