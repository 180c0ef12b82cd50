//! text-generation-webui, by its API. It has no metrics; the `llama-server` that it starts five ports
//! above listens by itself and is read as llama.cpp.

use super::{Answers, Confirm, Kind, PLAIN, Reading, Signs, body, text};
use crate::Failure;

pub(super) const KIND: Kind = Kind {
    name: "text-generation-webui",
    title: "text-generation-webui",
    signs: Signs {
        asked: Some(Confirm {
            is_possible: |clues| clues.owned_by("user") || clues.runs(&["text-generation-webui"]),
            path: MODEL,
            is_it: |answer| body(answer).get("model_name").is_some(),
        }),
        ..PLAIN.signs
    },
    paths: &[MODEL],
    read,
    swaps_models: true,
    ..PLAIN
};

const MODEL: &str = "/v1/internal/model/info";

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    let name = text(&answers.json(MODEL)?, "model_name");
    // Its word for no model.
    reading.models = name.filter(|name| name != "None").into_iter().collect();
    reading.set_loaded(reading.models.clone().into_iter());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::read, *};

    #[test]
    fn the_model_that_is_loaded() {
        let page = include_str!("../../fixtures/text-generation-webui-written.json");
        assert_eq!(read(&KIND, &[(MODEL, 200, page)]).unwrap().models, ["m.gguf"]);
        let none = r#"{"model_name":"None","lora_names":[]}"#;
        assert!(read(&KIND, &[(MODEL, 200, none)]).unwrap().loaded.unwrap().is_empty());
        assert!(read(&KIND, &[(MODEL, 200, "<html>")]).is_err());
    }
}
