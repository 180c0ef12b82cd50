//! KoboldCpp, by its own status page. What the last generation took is a value of that one only, so it
//! becomes no rate. Written after version 1.76; later ones may say more.

use model::catalogue as metric;

use super::{Answers, Confirm, Kind, PLAIN, Reading, Signs, body, text};
use crate::Failure;

pub(super) const KIND: Kind = Kind {
    name: "koboldcpp",
    title: "KoboldCpp",
    signs: Signs {
        owned_by: "koboldcpp",
        server: "ConcedoLlamaForKoboldServer",
        asked: Some(Confirm {
            is_possible: |clues| clues.port == 5001 || clues.runs(&["koboldcpp"]),
            path: "/api/extra/version",
            is_it: |answer| text(&body(answer), "result").is_some_and(|name| name == "KoboldCpp"),
        }),
        ..PLAIN.signs
    },
    paths: &["/api/extra/perf"],
    seldom: &["/api/extra/version", "/api/v1/model", "/api/extra/true_max_context_length"],
    read,
    ..PLAIN
};

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    reading.version = text(&answers.json("/api/extra/version")?, "version");
    let name = answers.json("/api/v1/model").ok().and_then(|model| text(&model, "result"));
    reading.models = name.into_iter().collect();
    let model = reading.model();
    let context = answers.json("/api/extra/true_max_context_length").ok();
    if let Some(context) = context.and_then(|context| context.get("value")?.as_f64()) {
        reading.push(&metric::LLM_CONTEXT_TOKENS_MAX, &model, context);
        reading.fact("context_tokens", context.to_string());
    }
    let perf = answers.json("/api/extra/perf")?;
    let number = |field: &str| perf.get(field).and_then(serde_json::Value::as_f64);
    if let Some(idle) = number("idle") {
        let is_running = f64::from(u8::from(idle == 0.0));
        reading.push(&metric::LLM_REQUESTS_RUNNING, &model, is_running);
        if let Some(queue) = number("queue") {
            // The one that runs is in its queue too.
            reading.push(&metric::LLM_REQUESTS_WAITING, &model, (queue - is_running).max(0.0));
        }
    }
    if let Some(finished) = number("total_gens") {
        let labels = vec![("model".to_owned(), model), ("reason".to_owned(), "any".to_owned())];
        let name = metric::LLM_REQUESTS_FINISHED_TOTAL.name.to_owned();
        reading.neutral.insert((name, labels), finished);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{neutral, read},
        *,
    };

    #[test]
    fn its_status() {
        let perf = include_str!("../../fixtures/koboldcpp-written.json");
        let reading = read(
            &KIND,
            &[
                ("/api/extra/version", 200, r#"{"result":"KoboldCpp","version":"1.76"}"#),
                ("/api/v1/model", 200, r#"{"result":"koboldcpp/m"}"#),
                ("/api/extra/true_max_context_length", 200, r#"{"value":4096}"#),
                ("/api/extra/perf", 200, perf),
            ],
        )
        .unwrap();
        assert_eq!(reading.version.as_deref(), Some("1.76"));
        assert_eq!(
            neutral(&reading, &KIND),
            [
                r#"llm_context_tokens_max{model="koboldcpp/m"} 4096"#,
                r#"llm_requests_finished_total{model="koboldcpp/m", reason="any"} 12"#,
                r#"llm_requests_running{model="koboldcpp/m"} 1"#,
                r#"llm_requests_waiting{model="koboldcpp/m"} 1"#,
            ]
        );
    }
}
