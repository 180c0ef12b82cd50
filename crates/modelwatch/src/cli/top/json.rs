//! The view as one JSON object, as `docs/top.md` describes it. What is not known is null.

use serde_json::{Map, Value, json};

use super::{
    state::unknown_devices,
    view::{
        Device, Engine, Event, Failing, Link, OnBus, Origin, Request, Requests, Said, Told, Totals,
        View,
    },
    words::Words,
};

/// Grows when a member changes its meaning or goes away; new ones may come at any time.
const FORMAT: u32 = 1;

pub(super) fn json(view: &View, chosen: &[String], words: Words) -> Value {
    let (link, stale_since) = match &view.link {
        Link::Connecting => ("connecting", None),
        Link::Live => ("live", None),
        Link::Polling => ("polling", None),
        Link::Lost { since, .. } => ("lost", Some(since.0)),
    };
    let (kind, url) = match &view.origin {
        Origin::Server { url } => ("server", Some(url)),
        Origin::Local => ("local", None),
    };
    let (recorded, rows, total) = match &view.requests {
        Requests::Unknown => (Value::Null, Vec::new(), None),
        Requests::Off => (json!(false), Vec::new(), None),
        Requests::Known { total, rows } => {
            (json!(true), rows.iter().map(request).collect(), Some(*total))
        }
    };
    let host = &view.host;
    json!({
        "format": FORMAT,
        "time": view.now.0,
        "source": { "kind": kind, "url": url, "link": link, "stale_since": stale_since },
        "version": view.version,
        "host": {
            "name": host.name,
            "os": host.os,
            "kernel": host.kernel,
            "cpu_model": host.cpu_model,
            "cpus": host.cpus,
            "memory_bytes": host.memory_bytes,
        },
        "verdict": {
            "level": view.verdict.level.as_str(),
            "since": view.verdict.since.map(|since| since.0),
            "said": said(&view.verdict.said, words),
        },
        "totals": totals(&view.totals),
        "engines": view.engines.iter().map(|it| engine(it, words)).collect::<Vec<_>>(),
        "gpus": view.devices.iter().map(device).collect::<Vec<_>>(),
        "gpus_unknown": unknown_devices(chosen, view),
        "gpus_without_readings": view.on_bus.iter().map(on_bus).collect::<Vec<_>>(),
        "sources_failing": view.failing.iter().map(|it| failing(it, words)).collect::<Vec<_>>(),
        "requests": { "recorded": recorded, "total": total, "rows": rows },
        "events": view.events.iter().map(|it| event(it, words)).collect::<Vec<_>>(),
        "cost": { "cpu_ms_per_second": view.cost_cpu_ms, "resident_bytes": view.cost_bytes.map(|bytes| bytes as u64) },
    })
}

/// Nothing for an empty text: nobody told it.
fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

/// Nothing for a text that nobody said.
fn said(said: &Said, words: Words) -> Value {
    if said.code.is_empty() {
        return Value::Null;
    }
    let params = said.params.iter().map(|(name, value)| (name.clone(), json!(value)));
    let params: Map<String, Value> = params.collect();
    json!({ "code": said.code, "params": params, "text": words.said(said) })
}

fn totals(totals: &Totals) -> Value {
    json!({
        "tokens_out_per_second": totals.tokens_out,
        "tokens_in_per_second": totals.tokens_in,
        "requests_running": totals.running,
        "requests_waiting": totals.waiting,
        "kv_cache_ratio_max": totals.kv_cache,
        "context_ratio_max": totals.context,
        "ttft_p95_seconds_max": totals.ttft_p95,
        "requests_failed_5m": totals.failed,
        "host_cpu_ratio": totals.host_cpu,
        "host_memory_used_bytes": totals.memory_used,
        "host_memory_total_bytes": totals.memory_total,
        "host_received_bytes_per_second": totals.received,
        "host_sent_bytes_per_second": totals.sent,
        "host_read_bytes_per_second": totals.read,
        "host_written_bytes_per_second": totals.written,
        "host_pressure_ratio": totals.pressure,
    })
}

/// The measured values of an engine by their names.
fn measured(engine: &Engine) -> [(&'static str, &Option<Told>); 20] {
    [
        ("requests_running", &engine.running),
        ("requests_waiting", &engine.waiting),
        ("kv_cache_ratio", &engine.kv_cache),
        ("context_ratio", &engine.context),
        ("ttft_p50_seconds", &engine.ttft_p50),
        ("ttft_p95_seconds", &engine.ttft_p95),
        ("tpot_p50_seconds", &engine.tpot_p50),
        ("tpot_p95_seconds", &engine.tpot_p95),
        ("itl_p95_seconds", &engine.itl_p95),
        ("e2e_p95_seconds", &engine.e2e_p95),
        ("tokens_out_per_second", &engine.tokens_out),
        ("tokens_in_per_second", &engine.tokens_in),
        ("requests_finished_per_second", &engine.finished),
        ("requests_failed_5m", &engine.failed),
        ("preemptions_5m", &engine.preemptions),
        ("tokens_cached_per_second", &engine.tokens_cached),
        ("prefix_cache_hit_ratio", &engine.prefix_hits),
        ("spec_decode_accept_ratio", &engine.spec_accepted),
        ("resident_bytes", &engine.resident),
        ("cpus_used", &engine.cpu),
    ]
}

fn engine(engine: &Engine, words: Words) -> Value {
    let mut members = Map::new();
    let mut sources = Map::new();
    for (name, value) in [
        ("instance", json!(engine.instance)),
        ("kind", text(&engine.kind)),
        ("name", text(&engine.name)),
        ("url", json!(engine.url)),
        ("version", json!(engine.version)),
        ("pid", json!(engine.pid)),
        ("models", json!(engine.models)),
        ("state", json!(engine.state.word())),
        ("since", json!(engine.since.map(|since| since.0))),
        ("notes", engine.notes.iter().map(|note| said(note, words)).collect()),
    ] {
        members.insert(name.into(), value);
    }
    for (name, told) in measured(engine) {
        members.insert(name.into(), json!(told.as_ref().map(|told| told.value)));
        if let Some(told) = told {
            sources.insert(name.into(), json!(told.source));
        }
    }
    members.insert("sources".into(), Value::Object(sources));
    Value::Object(members)
}

fn device(device: &Device) -> Value {
    let processes: Vec<Value> = device
        .processes
        .iter()
        .map(|process| {
            json!({
                "pid": process.pid,
                "name": text(&process.name),
                "engine": text(&process.engine),
                "container": text(&process.container),
                "memory_bytes": process.memory_bytes,
            })
        })
        .collect();
    json!({
        "id": device.id(),
        "host": text(&device.host),
        "index": device.index,
        "partition": text(&device.partition),
        "uuid": text(&device.uuid),
        "vendor": text(&device.vendor),
        "model": text(&device.model),
        "driver_version": text(&device.driver),
        "up": device.is_up,
        "health": device.health,
        "utilization_ratio": device.utilization,
        "memory_used_bytes": device.memory_used,
        "memory_total_bytes": device.memory_total,
        "power_watts": device.power,
        "power_limit_watts": device.power_limit,
        "temperature_celsius": device.temperature,
        "temperatures_celsius": device.temperatures,
        "clock_hertz": device.clock,
        "clock_max_hertz": device.clock_max,
        "fan_speed_ratio": device.fan,
        "throttle": device.throttled().map(|kind| kind.letter()),
        "throttle_reasons": device.throttle,
        "errors_5m": device.errors,
        "ecc_errors": device.ecc,
        "missing": device.missing,
        "processes": processes,
    })
}

fn failing(failing: &Failing, words: Words) -> Value {
    json!({
        "name": failing.name,
        "failure": said(&failing.failure, words),
        "hint": said(&failing.hint, words),
    })
}

fn on_bus(found: &OnBus) -> Value {
    json!({
        "vendor": found.vendor,
        "device": found.device,
        "address": found.address,
        "driver": found.driver,
    })
}

fn request(request: &Request) -> Value {
    json!({
        "id": request.id,
        "time": request.time,
        "model": text(&request.model),
        "key": text(&request.key),
        "upstream": text(&request.upstream),
        "path": text(&request.path),
        "outcome": text(&request.outcome),
        "finish_reason": text(&request.finish_reason),
        "error": text(&request.error),
        "status": request.status,
        "tokens_input": request.tokens_input,
        "tokens_cached": request.tokens_cached,
        "tokens_output": request.tokens_output,
        "queued_ms": request.queued_ms,
        "ttft_ms": request.ttft_ms,
        "tpot_ms": request.tpot_ms,
        "e2e_ms": request.e2e_ms,
        "total_ms": request.total_ms,
    })
}

fn event(event: &Event, words: Words) -> Value {
    json!({
        "time": event.time,
        "source": event.source,
        "severity": event.severity,
        "said": said(&event.said, words),
    })
}
