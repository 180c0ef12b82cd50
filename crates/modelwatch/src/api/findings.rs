//! `/api/mw/v1/findings`: what is not as usual at the moment, without a threshold that anybody set.

use std::sync::Arc;

use alert::baseline::Reading;
use axum::{
    body::Body,
    extract::State,
    http::{Response, StatusCode},
};
use serde_json::{Value, json};

use super::{json::response, product::object};
use crate::{diagnosis, wire::App};

/// Most findings that are told.
const FINDINGS_MAX: usize = 500;

pub(super) async fn findings(State(app): State<Arc<App>>) -> Response<Body> {
    let found = app.detector.findings();
    let findings: Vec<Value> = found.iter().take(FINDINGS_MAX).map(finding_json).collect();
    let omitted = found.len() - findings.len();
    let body = json!({ "findings": findings, "omitted": omitted });
    response(StatusCode::OK, body.to_string())
}

fn finding_json(finding: &Reading) -> Value {
    let labels: Vec<(&str, &str)> = finding.labels.iter().collect();
    json!({
        "kind": finding.kind.as_str(),
        "signal": finding.signal,
        "labels": object(&labels),
        "value": finding.value,
        "usual": finding.usual,
        "score": finding.score,
        "per_day": finding.per_day,
        "empty_seconds": finding.empty_seconds,
        "since": finding.since.0,
        "evidence": { "query": finding.query, "window_ms": finding.window_ms },
        "code": finding.code(),
        "params": object(&params(finding)),
    })
}

/// What the text says: the labels, whose it is in a word, and figures.
fn params(finding: &Reading) -> Vec<(String, String)> {
    let labels = finding.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let figures = finding.params.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let who = ("who".to_owned(), diagnosis::who(&finding.labels));
    labels.chain([who]).chain(figures).collect()
}

#[cfg(test)]
mod tests {
    use alert::baseline::Kind;
    use model::{
        Labels, UnixMs,
        message::{Language, render},
    };

    use super::*;

    #[test]
    fn a_finding_is_said_with_what_shows_it() {
        let labels = [
            ("engine", "vllm"),
            ("model", "qwen3"),
            ("instance", "a:8000"),
            ("change", "upgrade"),
            ("old", "0.32.0"),
            ("new", "0.33.0"),
        ];
        let finding = Reading {
            kind: Kind::Change,
            signal: "tpot",
            labels: Labels::from_pairs(labels),
            value: 0.027,
            usual: Some(0.021),
            score: 12.5,
            per_day: None,
            empty_seconds: None,
            is_found: true,
            since: UnixMs(5),
            query: "a".into(),
            window_ms: 7,
            params: vec![
                ("value", "27.0".into()),
                ("usual", "21.0".into()),
                ("percent", "+29".into()),
                ("speed", "-22".into()),
            ],
        };
        let told = finding_json(&finding);
        assert_eq!(told["code"], "finding.change_tpot");
        assert_eq!(told["evidence"], json!({ "query": "a", "window_ms": 7 }));
        let text = |language| render("finding.change_tpot", &params(&finding), language);
        assert_eq!(
            text(Language::English),
            "decode speed of qwen3 (a:8000) changed by -22 % since 0.32.0 became 0.33.0: 27.0 ms per token at the same load, before 21.0 ms"
        );
        assert!(text(Language::Chinese).contains("由 0.32.0 变更为 0.33.0 后，解码速度变化 -22%"));
    }
}
