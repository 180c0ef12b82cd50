//! Aphrodite: vLLM's names with a prefix of its own, and whatever its version has of them.

use super::{Clues, Confirm, Kind, Names, PLAIN, Signs, vllm};

pub(super) const KIND: Kind = Kind {
    name: "aphrodite",
    title: "Aphrodite",
    signs: Signs {
        owned_by: "aphrodite",
        asked: Some(Confirm {
            is_possible: Clues::may_show_metrics,
            path: "/metrics",
            is_it: |answer| super::has_metric(answer, "aphrodite:"),
        }),
        process: |clues| clues.is_locked() && clues.runs(&["aphrodite run", "aphrodite.endpoints"]),
        ..PLAIN.signs
    },
    paths: &["/health", "/metrics"],
    seldom: &["/version", "/v1/models"],
    read: |answers, reading| vllm::read(answers, reading, &NAMES),
    has_heartbeat: true,
    ..PLAIN
};

const NAMES: Names =
    Names { prefixes: &["aphrodite:"], model_label: "model_name", ranks: &[], table: vllm::TABLE };

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{neutral, read},
        *,
    };

    #[test]
    fn names_of_vllm_under_its_own_prefix() {
        let page = include_str!("../../fixtures/aphrodite-written.metrics");
        let version = ("/version", 200, r#"{"version":"0.10.0"}"#);
        let reading = read(&KIND, &[version, ("/metrics", 200, page)]).unwrap();
        assert_eq!(
            neutral(&reading, &KIND),
            [
                r#"llm_engine_steps_total{model="m"} 40"#,
                r#"llm_generation_tokens_total{model="m"} 70"#,
                r#"llm_kv_cache_usage_ratio{model="m"} 0.25"#,
                r#"llm_requests_running{model="m"} 2"#,
            ]
        );
    }
}
