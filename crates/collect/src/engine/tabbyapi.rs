//! TabbyAPI. It has no metrics, only its health and the model that is loaded. It serves `/props` like
//! llama.cpp and lists its models like others, so it is asked who it is.

use model::catalogue as metric;
use serde_json::Value;

use super::{Answers, Confirm, Kind, PLAIN, Reading, Signs, body, text};
use crate::{Failure, FailureKind};

pub(super) const KIND: Kind = Kind {
    name: "tabbyapi",
    title: "TabbyAPI",
    signs: Signs {
        owned_by: "tabbyAPI",
        asked: Some(Confirm {
            is_possible: |clues| {
                clues.owned_by("tabbyAPI")
                    || (clues.port == 5000 && (clues.is_locked() || clues.is_missing()))
            },
            path: "/.well-known/serviceinfo",
            is_it: |answer| {
                let software = body(answer).get("software").and_then(|found| text(found, "name"));
                software.is_some_and(|name| name == "TabbyAPI")
            },
        }),
        ..PLAIN.signs
    },
    paths: &["/health", "/v1/model"],
    read,
    swaps_models: true,
    ..PLAIN
};

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    let health = answers.get("/health")?;
    if health.status.as_u16() == 503 {
        let body: Value = serde_json::from_slice(&health.body).unwrap_or_default();
        let issues = body.get("issues").map(Value::to_string).unwrap_or_default();
        let issues: String = issues.chars().take(200).collect();
        let detail = format!("/health: the engine says that it is unhealthy: {issues}");
        return Err(Failure::new(FailureKind::Refused, detail));
    }
    // No model is loaded, or a key is wanted; that it is well is known all the same.
    let Ok(model) = answers.json("/v1/model") else { return Ok(()) };
    let Some(id) = text(&model, "id") else { return Ok(()) };
    if let Some(parameters) = model.get("parameters") {
        if let Some(context) = parameters.get("max_seq_len").and_then(Value::as_f64) {
            reading.push(&metric::LLM_CONTEXT_TOKENS_MAX, &id, context);
        }
        if let Some(slots) = parameters.get("max_batch_size").and_then(Value::as_f64) {
            reading.push(&metric::LLM_SLOTS, &id, slots);
        }
        reading.facts_from(
            parameters,
            &[
                ("max_seq_len", "context_tokens"),
                ("cache_size", "kv_cache_tokens"),
                ("cache_mode", "kv_cache_dtype"),
            ],
        );
    }
    reading.set_loaded(std::iter::once(id.clone()));
    reading.models = vec![id];
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{answer, neutral, read},
        *,
    };

    #[test]
    fn health_and_model() {
        let model = include_str!("../../fixtures/tabbyapi-written.json");
        let healthy = ("/health", 200, r#"{"status":"healthy","issues":[]}"#);
        let reading = read(&KIND, &[healthy, ("/v1/model", 200, model)]).unwrap();
        assert_eq!(
            neutral(&reading, &KIND),
            [r#"llm_context_tokens_max{model="m"} 8192"#, r#"llm_slots{model="m"} 4"#]
        );
        assert_eq!(reading.facts["kv_cache_dtype"], "Q8");
        assert!(read(&KIND, &[healthy, ("/v1/model", 401, "")]).unwrap().models.is_empty());
        let ill = ("/health", 503, r#"{"status":"unhealthy","issues":[{"description":"x"}]}"#);
        assert!(read(&KIND, &[ill]).unwrap_err().detail.contains("\"x\""));
        let is_it = KIND.signs.asked.unwrap().is_it;
        assert!(is_it(&answer(200, r#"{"software":{"name":"TabbyAPI"}}"#)));
        assert!(!is_it(&answer(200, r#"{"software":{"name":"other"}}"#)));
    }
}
