//! Lemonade, which passes on the metrics of the `llama-server` that it runs.

use super::{
    Answers, Confirm, Kind, PLAIN, Reading, Signs, info, llamacpp, read_metrics, read_models,
};
use crate::Failure;

pub(super) const KIND: Kind = Kind {
    name: "lemonade",
    title: "Lemonade",
    signs: Signs {
        owned_by: "lemonade",
        asked: Some(Confirm {
            is_possible: |clues| clues.port == 13305 || clues.runs(&["lemonade"]),
            path: "/metrics",
            is_it: |answer| super::has_metric(answer, "lemonade_server_info"),
        }),
        ..PLAIN.signs
    },
    paths: &["/metrics"],
    seldom: &["/v1/models"],
    read,
    has_heartbeat: true,
    ..PLAIN
};

fn read(answers: &Answers, reading: &mut Reading) -> Result<(), Failure> {
    read_models(answers, reading);
    read_metrics(answers, "/metrics", &llamacpp::NAMES, reading)?;
    let server = info(reading, "lemonade_server_info");
    reading.version = server.and_then(|labels| labels.get("version")).map(str::to_owned);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{neutral, read},
        *,
    };

    #[test]
    fn its_own_and_what_it_passes_on() {
        let page = include_str!("../../fixtures/lemonade-written.metrics");
        let models = ("/v1/models", 200, r#"{"data":[{"id":"m","owned_by":"lemonade"}]}"#);
        let reading = read(&KIND, &[("/metrics", 200, page), models]).unwrap();
        assert_eq!(reading.version.as_deref(), Some("9.1.0"));
        assert_eq!(
            neutral(&reading, &KIND),
            [
                r#"llm_generation_tokens_total{model="m"} 40"#,
                r#"llm_requests_running{model="m"} 1"#,
            ]
        );
    }
}
