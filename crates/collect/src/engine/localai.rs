//! LocalAI. Its backends are children that speak gRPC, so what they do is seen in the tokens it counts.
//! With accounts on, its metrics are for administrators.

use std::collections::BTreeSet;

use model::catalogue as metric;
use serde_json::Value;

use super::{
    Answers, Confirm, Kind, Names, PLAIN, Reading, Signs, body, name, read_metrics, read_models,
    text,
};
use crate::{Failure, FailureKind};

pub(super) const KIND: Kind = Kind {
    name: "localai",
    title: "LocalAI",
    signs: Signs {
        asked: Some(Confirm {
            is_possible: |clues| {
                clues.program() == "local-ai"
                    || (clues.lists_models && clues.owned_by.is_none() && clues.first.is_some())
            },
            path: "/system",
            is_it: |answer| {
                let body = body(answer);
                body.get("backends").is_some() && body.get("loaded_models").is_some()
            },
        }),
        process: |clues| clues.program() == "local-ai" && (clues.is_locked() || clues.lists_models),
        ..PLAIN.signs
    },
    paths: &["/metrics", "/system"],
    seldom: &["/version", "/v1/models"],
    read,
    swaps_models: true,
    ..PLAIN
};

const NAMES: Names = Names {
    prefixes: &["localai_", ""],
    model_label: "served_model",
    ranks: &[],
    table: &[
        name("tokens_total", &metric::LLM_GENERATION_TOKENS_TOTAL).when("kind", "completion"),
        name("tokens_total", &metric::LLM_PROMPT_TOKENS_TOTAL).when("kind", "prompt"),
        name("api_call", &metric::LLM_E2E_REQUEST_LATENCY_SECONDS)
            .when("path", "/v1/chat/completions"),
    ],
};

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    read_models(answers, reading);
    reading.version = answers.json("/version").ok().and_then(|body| text(&body, "version"));
    let system = answers.json("/system");
    if let Ok(system) = &system {
        let loaded = system.get("loaded_models").and_then(Value::as_array);
        let ids = loaded.into_iter().flatten().filter_map(|model| text(model, "id"));
        reading.loaded = Some(ids.collect::<BTreeSet<_>>());
    }
    match read_metrics(answers, "/metrics", &NAMES, reading) {
        Err(failure) if failure.kind == FailureKind::PermissionDenied && system.is_ok() => {
            reading.notes.push(("note.metrics_locked", Vec::new()));
            Ok(())
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{answer, neutral, read},
        *,
    };

    const SYSTEM: &str = r#"{"backends":["llama-cpp"],"loaded_models":[{"id":"m"}]}"#;

    #[test]
    fn a_written_page() {
        let page = include_str!("../../fixtures/localai-written.metrics");
        let reading = read(
            &KIND,
            &[
                ("/metrics", 200, page),
                ("/system", 200, SYSTEM),
                ("/version", 200, r#"{"version":"v3.5.0"}"#),
            ],
        )
        .unwrap();
        assert_eq!(reading.version.as_deref(), Some("v3.5.0"));
        assert_eq!(reading.loaded, Some(BTreeSet::from(["m".to_owned()])));
        let neutral = neutral(&reading, &KIND);
        for expected in [
            r#"llm_generation_tokens_total{model="m"} 50"#,
            r#"llm_prompt_tokens_total{model="m"} 20"#,
        ] {
            assert!(neutral.iter().any(|sample| sample == expected), "{expected}: {neutral:#?}");
        }
    }

    #[test]
    fn locked_metrics_and_recognition() {
        let locked = [("/metrics", 401, ""), ("/system", 200, SYSTEM)];
        assert_eq!(read(&KIND, &locked).unwrap().notes[0].0, "note.metrics_locked");
        let is_it = KIND.signs.asked.unwrap().is_it;
        assert!(is_it(&answer(200, SYSTEM)) && !is_it(&answer(404, SYSTEM)));
        assert!(!is_it(&answer(200, r#"{"version":"0.32"}"#)));
    }
}
