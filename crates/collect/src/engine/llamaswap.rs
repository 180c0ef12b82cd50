//! llama-swap, which starts and stops other engines. What it runs is read, and nothing that it would
//! pass on: that could wake a model. The engines that it started listen by themselves.

use serde_json::Value;

use super::{Answers, Confirm, Kind, PLAIN, Reading, Signs, read_models, text};
use crate::{Failure, FailureKind};

pub(super) const KIND: Kind = Kind {
    name: "llama-swap",
    title: "llama-swap",
    signs: Signs {
        owned_by: "llama-swap",
        asked: Some(Confirm {
            is_possible: |clues| {
                clues.program() == "llama-swap" && (clues.lists_models || clues.is_locked())
            },
            path: "/metrics",
            is_it: |answer| super::has_metric(answer, "llamaswap_"),
        }),
        process: |clues| clues.program() == "llama-swap",
        ..PLAIN.signs
    },
    paths: &["/running", "/metrics"],
    seldom: &["/v1/models"],
    read,
    computes: false,
    swaps_models: true,
    ..PLAIN
};

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    read_models(answers, reading);
    let running = answers.json("/running")?;
    let Some(running) = running.get("running").and_then(Value::as_array) else {
        return Err(Failure::new(FailureKind::Malformed, "/running: no list of models"));
    };
    let mut loaded = Vec::new();
    for model in running {
        let Some(name) = text(model, "model") else { continue };
        match text(model, "state").as_deref() {
            Some("starting") => {
                reading.loading.insert(name);
            }
            Some("ready") | None => loaded.push(name),
            Some(_) => {}
        }
    }
    reading.set_loaded(loaded.into_iter());
    // Older versions have no metrics; its own are about the machine.
    if let Ok(page) = answers.exposition("/metrics") {
        reading.raw = page;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::read, *};

    #[test]
    fn what_runs() {
        let page = include_str!("../../fixtures/llama-swap-written.json");
        let models = ("/v1/models", 200, r#"{"data":[{"id":"a"},{"id":"b"},{"id":"c"}]}"#);
        let reading = read(&KIND, &[("/running", 200, page), models]).unwrap();
        assert_eq!(reading.models.len(), 3);
        assert_eq!(reading.loaded.unwrap().into_iter().collect::<Vec<_>>(), ["a"]);
        assert_eq!(reading.loading.into_iter().collect::<Vec<_>>(), ["b"]);
        assert!(read(&KIND, &[("/running", 200, "[]")]).is_err());
    }

    #[test]
    fn nothing_that_wakes_a_model_is_asked_for() {
        let asked = KIND.paths.iter().chain(KIND.seldom);
        assert_eq!(asked.copied().collect::<Vec<_>>(), ["/running", "/metrics", "/v1/models"]);
    }
}
