//! From the API's JSON to what is shown. What is missing or of another type is absent.

use serde_json::Value;

use model::UnixMs;

use super::view::{Engine, EngineState, Event, Failing, Host, OnBus, Request, Said, Verdict};
use crate::verdict::Level;

/// Longest text that is kept of any field; the rest is cut off.
const TEXT_CHARS_MAX: usize = 1_000;
/// Parameters of a text; further ones are left out.
const PARAMS_MAX: usize = 50;

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().filter(|text| !text.is_empty()).map(cut)
}

fn word(value: &Value, name: &str) -> String {
    text(value, name).unwrap_or_default()
}

/// The members of a list; none where there is no list.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

pub(super) fn said(value: &Value) -> Said {
    let params = value["params"].as_object().into_iter().flatten().take(PARAMS_MAX);
    let params = params.map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (cut(name), cut(&text))
    });
    Said { code: word(value, "code"), params: params.collect() }
}

pub(super) fn host(value: &Value) -> Host {
    Host {
        name: text(value, "name"),
        os: text(value, "os"),
        kernel: text(value, "kernel"),
        cpu_model: text(value, "cpu_model"),
        cpus: value["cpus"].as_u64(),
        memory_bytes: value["memory_bytes"].as_u64(),
    }
}

pub(super) fn verdict(value: &Value) -> Verdict {
    Verdict {
        level: Level::from_name(value["level"].as_str().unwrap_or_default()),
        said: said(value),
        since: value["since"].as_i64().map(UnixMs),
    }
}

pub(super) fn engine(value: &Value) -> Engine {
    let state = match value["state"].as_str() {
        Some("up") => EngineState::Up,
        Some("starting") => EngineState::Starting,
        Some("down") => EngineState::Down,
        _ => EngineState::Unknown,
    };
    let models = list(value, "models").filter_map(Value::as_str).take(PARAMS_MAX);
    Engine {
        instance: word(value, "instance"),
        kind: word(value, "kind"),
        name: word(value, "name"),
        url: text(value, "url"),
        version: text(value, "version"),
        pid: value["pid"].as_u64().map(|pid| pid.to_string()),
        models: models.map(cut).collect(),
        state,
        since: value["since"].as_i64().map(UnixMs),
        notes: list(value, "notes").take(PARAMS_MAX).map(said).collect(),
        ..Engine::default()
    }
}

pub(super) fn on_bus(value: &Value) -> OnBus {
    OnBus {
        vendor: word(value, "vendor"),
        device: word(value, "device"),
        address: word(value, "address"),
        driver: text(value, "driver"),
    }
}

/// `None` for one that is well.
pub(super) fn failing(value: &Value) -> Option<Failing> {
    let is_failing = value["state"] == "failing" && value["group"] != "engine";
    is_failing.then(|| Failing {
        name: word(value, "name"),
        failure: said(&value["failure"]),
        hint: said(&value["hint"]),
    })
}

pub(super) fn event(value: &Value) -> Event {
    Event {
        time: value["time"].as_i64().unwrap_or_default(),
        source: word(value, "source"),
        severity: word(value, "severity"),
        said: said(value),
    }
}

pub(super) fn request(value: &Value) -> Request {
    let count = |name: &str| value[name].as_u64();
    let number = |name: &str| value[name].as_f64().filter(|number| number.is_finite());
    let key = text(value, "key_name").or_else(|| text(value, "key_id"));
    Request {
        id: word(value, "id"),
        time: value["time"].as_i64().unwrap_or_default(),
        model: word(value, "model"),
        key: key.unwrap_or_default(),
        upstream: word(value, "upstream"),
        path: word(value, "path"),
        outcome: word(value, "outcome"),
        finish_reason: word(value, "finish_reason"),
        error: text(value, "error").or_else(|| text(value, "refusal")).unwrap_or_default(),
        status: count("status"),
        tokens_input: count("tokens_input"),
        tokens_cached: count("tokens_cached"),
        tokens_output: count("tokens_output"),
        queued_ms: number("queued_ms"),
        ttft_ms: number("ttft_ms"),
        tpot_ms: number("tpot_ms"),
        e2e_ms: number("e2e_ms"),
        total_ms: number("total_ms"),
    }
}
