//! llama.cpp's `llama-server`.
//!
//! Its counters need `--metrics`; without it the slots tell what runs, but not how much was done. The
//! slots are not asked while the model sleeps, because asking would wake it. Its gauges of speed
//! count from scrape to scrape of whoever scrapes, so ours come from the counters. While it computes a
//! large batch it answers `/health` and nothing else: then it is busy, not gone.

use model::catalogue as metric;
use serde_json::Value;

use super::{
    Answers, Checked, Kind, Names, PLAIN, Reading, Signs, name, read_metrics, read_models,
    reading::Prompt, text,
};
use crate::{Failure, FailureKind};

pub(super) const KIND: Kind = Kind {
    name: "llamacpp",
    title: "llama.cpp",
    signs: Signs {
        owned_by: "llamacpp",
        server: "llama.cpp",
        process: |clues| clues.is_locked() && clues.program() == "llama-server",
        ..PLAIN.signs
    },
    paths: &["/health", "/props", "/metrics"],
    then: slots_unless_asleep,
    seldom: &["/v1/models"],
    read,
    has_heartbeat: true,
    checked: Checked::Real,
    ..PLAIN
};

pub(super) const NAMES: Names = Names {
    prefixes: &["llamacpp:"],
    model_label: "model",
    ranks: &[],
    table: &[
        name("requests_processing", &metric::LLM_REQUESTS_RUNNING),
        name("requests_deferred", &metric::LLM_REQUESTS_WAITING),
        name("tokens_predicted_total", &metric::LLM_GENERATION_TOKENS_TOTAL),
        name("prompt_tokens_total", &metric::LLM_PROMPT_TOKENS_TOTAL),
        name("prompt_tokens_cached_total", &metric::LLM_PROMPT_TOKENS_CACHED_TOTAL),
        name("prompt_tokens_total", &metric::LLM_PROMPT_TOKENS_LOOKED_UP_TOTAL)
            .set("part", "computed"),
        name("prompt_tokens_cached_total", &metric::LLM_PROMPT_TOKENS_LOOKED_UP_TOTAL)
            .set("part", "cached"),
        name("spec_decode_num_draft_tokens_total", &metric::LLM_SPEC_DECODE_DRAFT_TOKENS_TOTAL),
        name(
            "spec_decode_num_accepted_tokens_total",
            &metric::LLM_SPEC_DECODE_ACCEPTED_TOKENS_TOTAL,
        ),
        name("n_decode_total", &metric::LLM_ENGINE_STEPS_TOTAL),
        // Until it was removed in 2025.
        name("kv_cache_usage_ratio", &metric::LLM_KV_CACHE_USAGE_RATIO),
    ],
};

/// Most slots whose places are compared.
const SLOTS_MAX: usize = 256;

fn slots_unless_asleep(answers: &Answers) -> &'static [&'static str] {
    let is_awake = answers.json("/props").is_ok_and(|props| {
        props.get("is_sleeping").and_then(Value::as_bool) != Some(true)
            && props.get("endpoint_slots").and_then(Value::as_bool) != Some(false)
    });
    if is_awake { &["/slots"] } else { &[] }
}

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    if answers.get("/health")?.status.as_u16() == 503 {
        reading.is_starting = true;
        return Ok(());
    }
    read_models(answers, reading);
    let is_well = answers.status("/health") == Some(200);
    if is_well && (answers.is_late("/props") || answers.is_late("/metrics")) {
        reading.is_busy = true;
        return Ok(());
    }
    let props = answers.json("/props")?;
    let Some(build) = text(&props, "build_info") else {
        return Err(Failure::new(FailureKind::Malformed, "/props: no field build_info"));
    };
    reading.version = Some(build);
    let model = reading.model();
    if let Some(is_asleep) = props.get("is_sleeping").and_then(Value::as_bool) {
        let loaded = (!is_asleep).then(|| model.clone());
        reading.set_loaded(loaded.into_iter());
    }
    let facts = [("model_ftype", "quantization"), ("total_slots", "parallel")];
    reading.facts_from(&props, &facts);
    if let Some(slots) = props.get("total_slots").and_then(Value::as_f64) {
        reading.push(&metric::LLM_SLOTS, &model, slots);
    }
    let settings = props.get("default_generation_settings");
    if let Some(context) = settings.and_then(|settings| settings.get("n_ctx")?.as_f64()) {
        reading.push(&metric::LLM_CONTEXT_TOKENS_MAX, &model, context);
        reading.fact("context_tokens", context.to_string());
    }
    let has_metrics = answers.status("/metrics") != Some(501);
    if has_metrics {
        read_metrics(answers, "/metrics", &NAMES, reading)?;
    } else {
        reading.notes.push(("note.llamacpp_metrics_off", Vec::new()));
    }
    if let Ok(slots) = answers.json("/slots") {
        read_slots(&slots, &model, has_metrics, reading);
    }
    Ok(())
}

fn read_slots(slots: &Value, model: &str, has_metrics: bool, reading: &mut Reading) {
    let Some(slots) = slots.as_array() else { return };
    let busy = |slot: &&Value| slot.get("is_processing").and_then(Value::as_bool) == Some(true);
    if !has_metrics {
        let running = slots.iter().filter(busy).count();
        reading.push(&metric::LLM_REQUESTS_RUNNING, model, running as f64);
    }
    let fullest = slots.iter().filter(busy).filter_map(usage).fold(0.0, f64::max);
    reading.push(&metric::LLM_CONTEXT_USAGE_RATIO, model, fullest);
    for slot in slots.iter().filter(busy).take(SLOTS_MAX) {
        let number = |field: &str| slot.get(field).and_then(Value::as_f64);
        let place =
            ["id_task", "n_prompt_tokens_processed"].map(|field| number(field).unwrap_or(-1.0));
        reading.work.extend(place.into_iter().chain([decoded(slot)]));
        let all = (number("id_task"), number("n_prompt_tokens"), number("n_ctx"));
        if let (Some(task), Some(tokens), Some(context)) = all {
            // Newer versions do not say; they refuse such prompts unless told otherwise.
            let is_truncated = slot.get("truncated").and_then(Value::as_bool);
            let model = model.to_owned();
            reading.prompts.push(Prompt { task, model, tokens, context, is_truncated });
        }
    }
    let is_at_prompt = |slot: &Value| decoded(slot) == 0.0;
    reading.is_prefill =
        slots.iter().any(|slot| busy(&slot)) && slots.iter().filter(busy).all(is_at_prompt);
}

/// How full the context of a slot is.
fn usage(slot: &Value) -> Option<f64> {
    let context = slot.get("n_ctx")?.as_f64().filter(|context| *context > 0.0)?;
    let prompt = slot.get("n_prompt_tokens").and_then(Value::as_f64).unwrap_or(0.0);
    Some(((prompt + decoded(slot)) / context).min(1.0))
}

/// Tokens of the answer so far.
fn decoded(slot: &Value) -> f64 {
    let next = slot.get("next_token");
    // One object per sequence; older versions have the object itself.
    let next = next.map(|next| next.get(0).unwrap_or(next));
    next.and_then(|next| next.get("n_decoded")?.as_f64()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{answer, neutral, read},
        *,
    };

    const PROPS: &str = r#"{"build_info":"b1-x","total_slots":2,"is_sleeping":false,
        "default_generation_settings":{"n_ctx":512}}"#;
    const MODELS: &str = r#"{"data":[{"id":"tiny","owned_by":"llamacpp"}]}"#;
    const SLOTS: &str = r#"[{"id":0,"n_ctx":512,"is_processing":true,"n_prompt_tokens":100,
        "next_token":[{"n_decoded":28}]},{"id":1,"n_ctx":512,"is_processing":false,"n_prompt_tokens":500}]"#;

    #[test]
    fn with_metrics() {
        let page = "# TYPE llamacpp:tokens_predicted_total counter\nllamacpp:tokens_predicted_total 17\n\
                    llamacpp:prompt_tokens_total 5\nllamacpp:requests_processing 1\n\
                    llamacpp:predicted_tokens_seconds 9.8\n";
        let reading = read(
            &KIND,
            &[
                ("/health", 200, "{}"),
                ("/props", 200, PROPS),
                ("/metrics", 200, page),
                ("/v1/models", 200, MODELS),
                ("/slots", 200, SLOTS),
            ],
        )
        .unwrap();
        assert_eq!(reading.version.as_deref(), Some("b1-x"));
        assert_eq!(reading.raw.samples.len(), 4);
        assert_eq!(
            neutral(&reading, &KIND),
            [
                r#"llm_context_tokens_max{model="tiny"} 512"#,
                r#"llm_context_usage_ratio{model="tiny"} 0.25"#,
                r#"llm_generation_tokens_total{model="tiny"} 17"#,
                r#"llm_prompt_tokens_looked_up_total{model="tiny", part="computed"} 5"#,
                r#"llm_prompt_tokens_total{model="tiny"} 5"#,
                r#"llm_requests_running{model="tiny"} 1"#,
                r#"llm_slots{model="tiny"} 2"#,
            ]
        );
    }

    #[test]
    fn without_metrics_and_while_loading() {
        let reading = read(
            &KIND,
            &[
                ("/health", 200, "{}"),
                ("/props", 200, PROPS),
                ("/metrics", 501, "{}"),
                ("/v1/models", 200, MODELS),
                ("/slots", 200, SLOTS),
            ],
        )
        .unwrap();
        assert_eq!(reading.notes[0].0, "note.llamacpp_metrics_off");
        assert!(
            neutral(&reading, &KIND).contains(&r#"llm_requests_running{model="tiny"} 1"#.into())
        );
        assert!(read(&KIND, &[("/health", 503, "{}")]).unwrap().is_starting);
    }

    #[test]
    fn captured_pages_under_load() {
        let reading = read(
            &KIND,
            &[
                ("/health", 200, "{}"),
                ("/props", 200, include_str!("../../fixtures/llamacpp-b10434-props.json")),
                ("/metrics", 200, include_str!("../../fixtures/llamacpp-b10434-load.metrics")),
                ("/v1/models", 200, include_str!("../../fixtures/llamacpp-b10434-models.json")),
                ("/slots", 200, include_str!("../../fixtures/llamacpp-b10434-slots-load.json")),
            ],
        )
        .unwrap();
        assert_eq!(reading.version.as_deref(), Some("b1-7e4c0a9"));
        assert_eq!(reading.facts["quantization"], "Q4_1");
        assert_eq!(reading.facts["context_tokens"], "2048");
        assert_eq!(reading.loaded.as_ref().unwrap().len(), 1);
        assert_eq!(reading.work, [396.0, 19.0, 32.0, 398.0, 19.0, 31.0]);
        assert!(
            !reading.is_prefill
                && reading.prompts.iter().all(|prompt| prompt.is_truncated.is_none())
        );
        assert_eq!(reading.total(&metric::LLM_REQUESTS_RUNNING), Some(2.0));
        assert_eq!(reading.total(&metric::LLM_REQUESTS_WAITING), Some(3.0));
    }

    #[test]
    fn too_busy_to_answer_is_not_gone() {
        let mut answers = Answers::default();
        answers.0.insert("/health", Ok(answer(200, "{}")));
        answers.0.insert("/props", Ok(answer(200, PROPS)));
        let late = Failure::new(FailureKind::TimedOut, "no answer");
        answers.0.insert("/metrics", Err(late));
        let mut reading = Reading::default();
        super::read(&answers, &mut reading).unwrap();
        assert!(reading.is_busy && reading.neutral.is_empty());
    }

    #[test]
    fn a_sleeping_model_is_left_alone() {
        let asleep = PROPS.replace("false", "true");
        for (props, expected) in [(PROPS, 1), (asleep.as_str(), 0), ("nonsense", 0)] {
            let mut answers = Answers::default();
            answers.0.insert("/props", Ok(answer(200, props)));
            assert_eq!(slots_unless_asleep(&answers).len(), expected, "{props}");
        }
    }
}
