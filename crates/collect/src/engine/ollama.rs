//! Ollama. It has no metrics of its own: what is loaded, and how much of it in accelerator memory, is
//! all it says. Its processes are counted with those of the `llama-server` it starts.

use model::catalogue as metric;
use serde_json::Value;

use super::{
    Answers, Clues, Confirm, Kind, PLAIN, Reading, Signs, body, reading::MODELS_MAX, text,
};
use crate::{Failure, FailureKind};

pub(super) const KIND: Kind = Kind {
    name: "ollama",
    title: "Ollama",
    signs: Signs {
        // SGLang and others answer these routes too, but their models have their names as owner.
        asked: Some(Confirm {
            is_possible,
            path: "/api/version",
            is_it: |answer| text(&body(answer), "version").is_some(),
        }),
        process: |clues| clues.program() == "ollama" && (clues.lists_models || clues.status == 404),
        ..PLAIN.signs
    },
    paths: &["/api/version", "/api/ps"],
    read,
    has_heartbeat: true,
    swaps_models: true,
    ..PLAIN
};

fn is_possible(clues: &Clues) -> bool {
    clues.owned_by("library") || (clues.lists_models && clues.owned_by.is_none())
}

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    reading.version = text(&answers.json("/api/version")?, "version");
    let loaded = answers.json("/api/ps")?;
    let Some(loaded) = loaded.get("models").filter(|models| models.is_array() || models.is_null())
    else {
        return Err(Failure::new(FailureKind::Malformed, "/api/ps: no list of models"));
    };
    for model in loaded.as_array().into_iter().flatten().take(MODELS_MAX) {
        let Some(name) = text(model, "name") else { continue };
        for (field, metric) in [
            ("size", &metric::LLM_MODEL_RESIDENT_BYTES),
            ("size_vram", &metric::LLM_MODEL_VRAM_BYTES),
            ("context_length", &metric::LLM_CONTEXT_TOKENS_MAX),
        ] {
            if let Some(value) = model.get(field).and_then(Value::as_f64) {
                reading.push(metric, &name, value);
            }
        }
        let number = |field: &str| model.get(field).and_then(Value::as_f64);
        if let (Some(size), Some(vram)) =
            (number("size").filter(|size| *size > 0.0), number("size_vram"))
        {
            reading.offloaded.insert(name.clone(), (vram / size).clamp(0.0, 1.0));
        }
        if reading.models.is_empty() {
            reading.facts_from(model, &[("context_length", "context_tokens")]);
            let details = model.get("details").unwrap_or(&Value::Null);
            reading.facts_from(details, &[("quantization_level", "quantization")]);
        }
        reading.models.push(name);
    }
    reading.set_loaded(reading.models.clone().into_iter());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{neutral, read},
        *,
    };

    #[test]
    fn a_page_from_the_documentation() {
        let page = include_str!("../../fixtures/ollama-ps-written.json");
        let version = ("/api/version", 200, r#"{"version":"0.40.12"}"#);
        let reading = read(&KIND, &[version, ("/api/ps", 200, page)]).unwrap();
        assert_eq!(reading.facts["quantization"], "Q4_K_M");
        let share = reading.offloaded["llama3.2:3b"];
        assert!((share - 2.8e9 / 3_461_349_376.0).abs() < 1e-9, "{share}");
    }

    #[test]
    fn what_is_loaded() {
        let loaded = r#"{"models":[{"name":"qwen3:4b","size":4000,"size_vram":3000,"context_length":4096}]}"#;
        let version = ("/api/version", 200, r#"{"version":"0.32.1"}"#);
        let reading = read(&KIND, &[version, ("/api/ps", 200, loaded)]).unwrap();
        assert_eq!((reading.version.as_deref(), reading.models.len()), (Some("0.32.1"), 1));
        assert_eq!(
            neutral(&reading, &KIND),
            [
                r#"llm_context_tokens_max{model="qwen3:4b"} 4096"#,
                r#"llm_model_resident_bytes{model="qwen3:4b"} 4000"#,
                r#"llm_model_vram_bytes{model="qwen3:4b"} 3000"#,
            ]
        );
        assert!(read(&KIND, &[version, ("/api/ps", 200, r#"{"models":null}"#)]).is_ok());
        assert!(read(&KIND, &[version, ("/api/ps", 200, "[]")]).is_err());
    }
}
