//! LM Studio. It has no metrics: what is loaded, and how, is all that can be read without loading
//! something. Its list for OpenAI clients does not tell the owner, so its own list is asked for.

use model::catalogue as metric;
use serde_json::Value;

use super::{Answers, Confirm, Kind, PLAIN, Reading, Signs, body, text};
use crate::{Failure, FailureKind};

pub(super) const KIND: Kind = Kind {
    name: "lmstudio",
    title: "LM Studio",
    signs: Signs {
        asked: Some(Confirm {
            is_possible: |clues| {
                clues.port == 1234
                    || clues.runs(&["LM Studio", "LM-Studio", "lm-studio", ".lmstudio", "llmster"])
            },
            path: OLD,
            is_it: |answer| {
                let body = body(answer);
                let models = body.get("data").and_then(Value::as_array);
                models.is_some_and(|models| {
                    models.iter().all(|model| model.get("state").is_some()) && !models.is_empty()
                })
            },
        }),
        ..PLAIN.signs
    },
    paths: &[NEW, OLD],
    read,
    swaps_models: true,
    ..PLAIN
};

const NEW: &str = "/api/v1/models";
const OLD: &str = "/api/v0/models";

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    let new = answers.json(NEW).ok().filter(|models| models.get("models").is_some());
    match new {
        Some(models) => read_new(&models, reading),
        None => read_old(&answers.json(OLD)?, reading)?,
    }
    reading.set_loaded(reading.models.clone().into_iter());
    Ok(())
}

fn read_new(models: &Value, reading: &mut Reading) {
    for model in models.get("models").and_then(Value::as_array).into_iter().flatten() {
        let (Some(key), Some(instances)) =
            (text(model, "key"), model.get("loaded_instances").and_then(Value::as_array))
        else {
            continue;
        };
        let Some(config) = instances.first().and_then(|instance| instance.get("config")) else {
            continue;
        };
        if let Some(context) = config.get("context_length").and_then(Value::as_f64) {
            reading.push(&metric::LLM_CONTEXT_TOKENS_MAX, &key, context);
        }
        let parallel: Vec<f64> = instances
            .iter()
            .filter_map(|instance| instance.get("config")?.get("parallel")?.as_f64())
            .collect();
        if !parallel.is_empty() {
            reading.push(&metric::LLM_SLOTS, &key, parallel.iter().sum());
        }
        if reading.models.is_empty() {
            reading.facts_from(
                config,
                &[
                    ("context_length", "context_tokens"),
                    ("offload_kv_cache_to_gpu", "kv_cache_on_gpu"),
                ],
            );
            let quantization = model.get("quantization");
            if let Some(name) = quantization.and_then(|found| text(found, "name")) {
                reading.fact("quantization", name);
            }
        }
        reading.models.push(key);
    }
}

fn read_old(models: &Value, reading: &mut Reading) -> Result<(), Failure> {
    let Some(models) = models.get("data").and_then(Value::as_array) else {
        return Err(Failure::new(FailureKind::Malformed, "/api/v0/models: no list of models"));
    };
    for model in models {
        let (Some(id), Some(state)) = (text(model, "id"), text(model, "state")) else { continue };
        if state == "loading" {
            reading.loading.insert(id);
        } else if state == "loaded" {
            let context = model.get("loaded_context_length").and_then(Value::as_f64);
            if let Some(context) = context {
                reading.push(&metric::LLM_CONTEXT_TOKENS_MAX, &id, context);
            }
            if reading.models.is_empty() {
                reading.facts_from(
                    model,
                    &[
                        ("quantization", "quantization"),
                        ("loaded_context_length", "context_tokens"),
                    ],
                );
            }
            reading.models.push(id);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{answer, neutral, read},
        *,
    };

    const OLDER: &str = r#"{"data":[{"id":"a","state":"loaded","arch":"llama","quantization":"Q4_K_M",
        "loaded_context_length":4096},{"id":"b","state":"not-loaded"},{"id":"c","state":"loading"}]}"#;

    #[test]
    fn both_lists() {
        let newer = include_str!("../../fixtures/lmstudio-written.json");
        for (path, page, context) in [(NEW, newer, 8192), (OLD, OLDER, 4096)] {
            let reading = read(&KIND, &[(path, 200, page)]).unwrap();
            assert_eq!(reading.models, ["a"], "{path}");
            assert_eq!(reading.facts["quantization"], "Q4_K_M");
            let expected = format!("llm_context_tokens_max{{model=\"a\"}} {context}");
            assert!(neutral(&reading, &KIND).contains(&expected), "{path}");
        }
        assert!(read(&KIND, &[(OLD, 200, OLDER)]).unwrap().loading.contains("c"));
        let is_it = KIND.signs.asked.unwrap().is_it;
        assert!(is_it(&answer(200, OLDER)) && !is_it(&answer(200, r#"{"data":[]}"#)));
    }
}
