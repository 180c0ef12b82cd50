//! Captured exchanges, as `shared/data/engines/README.md` describes them.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use dialect::{Api, End, Fold, Summary};
use serde_json::Value;

pub(crate) struct Capture {
    pub(crate) name: String,
    pub(crate) api: Api,
    pub(crate) content_type: String,
    pub(crate) chunks: Vec<(Duration, Vec<u8>)>,
    pub(crate) ended: End,
    pub(crate) end: Duration,
    pub(crate) request: Vec<u8>,
    pub(crate) observed: Value,
}

pub(crate) fn millis(millis: f64) -> Duration {
    Duration::from_nanos((millis * 1e6).round() as u64)
}

/// `shared`, or else the few fixtures of the crate.
fn root() -> &'static Path {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/engines"));
    if shared.is_dir() {
        return shared;
    }
    say("../shared is absent: only the fixtures of the crate are replayed");
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"))
}

#[expect(clippy::print_stderr, reason = "a test that checks less says so")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// Engine and name of every exchange that has a file with this suffix.
fn names(suffix: &str) -> Vec<(&'static str, String)> {
    let mut names = Vec::new();
    for engine in ["llamacpp-b10434", "vllm-0.32.0", "ollama-handwritten"] {
        for entry in fs::read_dir(root().join(engine)).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            names.extend(file.strip_suffix(suffix).map(|name| (engine, name.to_owned())));
        }
    }
    names.sort();
    names
}

/// Every captured stream.
pub(crate) fn streams() -> Vec<Capture> {
    let names = names(".jsonl");
    let names = names.iter().filter(|(_, name)| !name.ends_with(".wire"));
    names.filter_map(|(engine, name)| read(root(), engine, name)).collect()
}

/// Every captured answer of one piece, with its status: `(name, api, status, body)`.
pub(crate) fn documents() -> Vec<(String, Api, u64, Vec<u8>)> {
    let read = |(engine, name): &(&str, String)| {
        let file = |suffix: &str| root().join(engine).join(format!("{name}{suffix}"));
        let meta: Value = serde_json::from_slice(&fs::read(file(".meta.json")).unwrap()).unwrap();
        let request = &meta["request"];
        let api = Api::of(request["method"].as_str()?, request["path"].as_str()?)?;
        let status = meta["response"]["status"].as_u64()?;
        Some((format!("{engine}/{name}"), api, status, fs::read(file(".body.json")).unwrap()))
    };
    names(".body.json").iter().filter_map(read).collect()
}

fn read(root: &Path, engine: &str, name: &str) -> Option<Capture> {
    let file = |suffix: &str| root.join(engine).join(format!("{name}{suffix}"));
    let meta: Value = serde_json::from_slice(&fs::read(file(".meta.json")).unwrap()).unwrap();
    let request = &meta["request"];
    let api = Api::of(request["method"].as_str()?, request["path"].as_str()?)?;
    let headers = meta["response"]["headers"].as_array().unwrap();
    let content_type = headers
        .iter()
        .find(|header| header[0].as_str().unwrap().eq_ignore_ascii_case("content-type"))?;
    let chunks = fs::read_to_string(file(".jsonl")).unwrap();
    let chunks = chunks.lines().map(|line| {
        let chunk: Value = serde_json::from_str(line).unwrap();
        (millis(chunk["t_ms"].as_f64().unwrap()), base64(chunk["b64"].as_str().unwrap()))
    });
    Some(Capture {
        name: format!("{engine}/{name}"),
        api,
        content_type: content_type[1].as_str().unwrap().to_owned(),
        chunks: chunks.collect(),
        ended: match meta["ended"].as_str().unwrap() {
            "complete" => End::Complete,
            "client_closed" => End::ClientClosed,
            error if error.starts_with("socket_error") => End::Timeout,
            _ => End::Broken,
        },
        end: millis(meta["t_ms"]["end"].as_f64().unwrap()),
        request: fs::read(file(".req.json")).unwrap(),
        observed: meta["observed"].clone(),
    })
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_usize, 0);
    for digit in digits {
        (bits, count) = ((bits << 6 | digit) & 0xFFFF, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

impl Capture {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.chunks.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect()
    }

    pub(crate) fn summary(&self, mut fold: Fold) -> Summary {
        for (at, bytes) in &self.chunks {
            fold.push(bytes, *at);
        }
        fold.finish(self.ended, self.end)
    }

    /// Compares with what the independent reader saw.
    pub(crate) fn check(&self, summary: &Summary) {
        let name = &self.name;
        let observed = &self.observed;
        let time = |member: &str| observed[member].as_f64().map(millis);
        let number = |member: &str| observed[member].as_u64().unwrap_or(0);
        assert_eq!(summary.time_to_first_chunk, time("first_event_ms"), "{name}");
        assert_eq!(summary.ttft, time("first_output_ms"), "{name}");
        assert_eq!(summary.ttfa, time("first_answer_ms"), "{name}");
        assert_eq!(summary.last_output, time("last_output_ms"), "{name}");
        let e2e = time("finish_ms").or(time("last_output_ms"));
        assert_eq!(summary.e2e, e2e, "{name}");
        assert_eq!(summary.events, number("events"), "{name}");
        assert_eq!(summary.comments, number("comments"), "{name}");
        assert_eq!(summary.output_events, number("output_events"), "{name}");
        assert_eq!(summary.leftover_bytes, number("leftover_bytes"), "{name}");
        assert_eq!(summary.has_end_marker, !observed["terminator"].is_null(), "{name}");
        assert_eq!(summary.malformed_events, 0, "{name}");
        let mut reasons: Vec<_> = summary.finish_reasons().collect();
        reasons.sort_unstable();
        let mut expected: Vec<_> = list(&observed["finish_reasons"]);
        expected.sort_unstable();
        assert_eq!(reasons, expected, "{name}");
        assert_eq!(summary.error.is_some(), observed["errors"].is_array(), "{name}");
        self.check_text(summary);
    }

    fn check_text(&self, summary: &Summary) {
        let (name, observed) = (&self.name, &self.observed);
        let kept = &summary.kept;
        let text: String = kept.iter().map(|kept| kept.text.as_str()).collect();
        assert_eq!(text, joined(&observed["text"]), "{name}");
        let reasoning: String = kept.iter().map(|kept| kept.reasoning.as_str()).collect();
        assert_eq!(reasoning, joined(&observed["reasoning"]), "{name}");
        let calls = || kept.iter().flat_map(|kept| &kept.tool_calls);
        if let Some(expected) = observed["tool_calls"].as_array() {
            for (call, expected) in calls().zip(expected) {
                let function = &expected["function"];
                assert_eq!(call.name, function["name"].as_str().unwrap(), "{name}");
                let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
                assert_eq!(arguments, function["arguments"], "{name}");
            }
            assert_eq!(calls().count(), expected.len(), "{name}");
        } else {
            let names: String = calls().map(|call| call.name.as_str()).collect();
            assert_eq!(names, joined(&observed["tool_names"]), "{name}");
            let arguments: String = calls().map(|call| call.arguments.as_str()).collect();
            assert_eq!(arguments, joined(&observed["tool_arguments"]), "{name}");
        }
    }
}

fn list(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A string, or the strings of an object by its keys, which are numbers.
fn joined(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let sorted: BTreeMap<&str, &Value> =
                members.iter().map(|(key, value)| (key.as_str(), value)).collect();
            sorted.values().filter_map(|value| value.as_str()).collect()
        }
        _ => String::new(),
    }
}
