//! Our own endpoints: overview, sources and events, as `docs/api.md` describes them.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{Response, StatusCode},
};
use collect::{Collector, SourceReport, inventory::Inventory};
use model::{exchange::Exchange, log::LogRecord};
use serde::Serialize;
use serde_json::{Map, Value, json};
use store::{Stats, events::Event as _};

use super::{
    form::Form,
    json::{ApiError, response},
    page,
};
use crate::{
    events::{EVENTS_MAX, Events},
    limits::Text,
    own::Cost,
    receivers,
    verdict::Verdict,
    wire::App,
};

pub(super) async fn overview(State(app): State<Arc<App>>) -> Response<Body> {
    response(StatusCode::OK, overview_json(&app).to_string())
}

pub(super) async fn sources(State(app): State<Arc<App>>) -> Response<Body> {
    response(StatusCode::OK, sources_json(&app).to_string())
}

pub(super) async fn events(
    State(app): State<Arc<App>>,
    form: Form,
) -> Result<Response<Body>, ApiError> {
    newest_events(&app.events, &form)
}

/// The newest events, at most as many as are asked for.
pub(super) fn newest_events(events: &Events, form: &Form) -> Result<Response<Body>, ApiError> {
    let limit = match form.limit("limit")? {
        0 => EVENTS_MAX,
        limit => limit,
    };
    let (records, _) = events.after(0);
    let newest: Vec<_> = records.iter().rev().take(limit).map(event_json).collect();
    Ok(response(StatusCode::OK, json!({ "events": newest }).to_string()))
}

/// Everything the first screen needs besides series.
pub(super) fn overview_json(app: &App) -> Value {
    let cost = app.cost.read(app.clock.monotonic());
    let stats = app.store.stats();
    let mut overview = seen_json(&app.inventory, &app.collector, &app.verdicts.current(), &cost);
    overview["now"] = json!(app.clock.now().0);
    overview["ui"] = json!(page::kind());
    overview["storage"] = json!({
        "path": app.config.storage.path.display().to_string(),
        "writable": stats.writable,
        "bytes": stats.bytes_on_disk,
        "series": stats.series,
    });
    overview
}

/// The part of it that needs no store.
pub(crate) fn seen_json(
    inventory: &Inventory,
    collector: &Collector,
    verdict: &Verdict,
    cost: &Cost,
) -> Value {
    let accelerators: Vec<_> = inventory
        .accelerators
        .iter()
        .map(|accelerator| {
            json!({
                "vendor": accelerator.vendor,
                "device": accelerator.device,
                "driver": accelerator.driver,
                "address": accelerator.address,
            })
        })
        .collect();
    let engines: Vec<_> = collector.engines().iter().map(engine_json).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "host": {
            "name": inventory.hostname,
            "kernel": inventory.kernel,
            "os": inventory.os_name,
            "cpu_model": inventory.cpu_model,
            "cpus": inventory.cpus,
            "memory_bytes": inventory.memory_bytes,
        },
        "accelerators": accelerators,
        "verdict": {
            "level": verdict.level.as_str(),
            "code": verdict.code,
            "params": object(&verdict.params),
            "since": verdict.since.0,
        },
        "engines": engines,
        "cost": {
            "cpu_ms_per_second": cost.cpu_ms_per_second.map(round3),
            "resident_bytes": cost.resident_bytes,
        },
    })
}

pub(super) fn engine_json(engine: &collect::EngineReport) -> Value {
    let notes: Vec<_> = engine
        .notes
        .iter()
        .map(|(code, params)| json!({ "code": code, "params": object(params) }))
        .collect();
    json!({
        "instance": engine.instance,
        "kind": engine.kind,
        "name": engine.name,
        "url": engine.url,
        "version": engine.version,
        "models": engine.models,
        "state": engine.state.as_str(),
        "since": engine.since.0,
        "pid": engine.pid,
        "configured": engine.configured,
        "notes": notes,
    })
}

pub(super) fn sources_json(app: &App) -> Value {
    let mut sources = collected_json(&app.collector);
    sources.push(storage_source(app));
    let records = app.store.events().stats();
    let is_in_use = |stats: &&store::events::Stats| {
        app.gateway.is_some() || stats.kind != Exchange::schema().kind
    };
    sources.extend(records.iter().filter(is_in_use).map(records_source));
    sources.extend(receivers::sources(&app.receive.desk.reports(), &app.config.receive));
    json!({ "sources": sources })
}

/// Records, which are stored beside the samples: of requests, where there is a gateway, lines of logs, and events.
fn records_source(stats: &store::events::Stats) -> Value {
    let name = match stats.kind {
        store::events::LINES => "storage.logs",
        kind if kind == Exchange::schema().kind => "storage.requests",
        _ => "storage.events",
    };
    let failure = stats.write_error.as_ref().or(stats.maintenance_error.as_ref());
    json!({
        "name": name,
        "group": "storage",
        "state": if failure.is_none() { "ok" } else { "failing" },
        "period_ms": 1_000,
        "duration_ms": null,
        "series": stats.records,
        "last_ok": null,
        "hint": null,
        "failure": failure.map(|text| json!({ "code": "failure.io", "params": { "detail": text } })),
    })
}

/// The collectors among the sources.
pub(crate) fn collected_json(collector: &Collector) -> Vec<Value> {
    let source_json = |report: SourceReport| {
        let failure = report.failure.as_ref().map(|failure| {
            json!({ "code": failure.kind.code(), "params": { "detail": failure.detail } })
        });
        let hint = report
            .hint
            .as_ref()
            .map(|(code, params)| json!({ "code": code, "params": object(params) }));
        json!({
            "name": report.name,
            "group": report.group.as_str(),
            "state": report.state.as_str(),
            "period_ms": u64::try_from(report.period.as_millis()).unwrap_or(u64::MAX),
            "duration_ms": round3(report.duration.as_secs_f64() * 1e3),
            "series": report.series,
            "last_ok": report.last_ok.map(|time| time.0),
            "failure": failure,
            "hint": hint,
        })
    };
    collector.registry().reports().into_iter().map(source_json).collect()
}

/// The store is listed beside the collectors: when the disk refuses, this is where people look.
fn storage_source(app: &App) -> Value {
    let stats = app.store.stats();
    let failure = stats
        .write_error
        .as_ref()
        .or(stats.maintenance_error.as_ref())
        .map(|text| json!({ "code": "failure.io", "params": { "detail": text } }));
    json!({
        "name": "storage",
        "group": "storage",
        "state": if failure.is_none() { "ok" } else { "failing" },
        "period_ms": 1_000,
        "duration_ms": null,
        "series": stats.series,
        "last_ok": null,
        "hint": storage_hint(app, &stats)
            .map(|(code, params)| json!({ "code": code, "params": object(&params) })),
        "failure": failure,
    })
}

/// The most urgent of what people should know of the store.
fn storage_hint(app: &App, stats: &Stats) -> Option<Text> {
    let path = ("path".to_owned(), app.config.storage.path.display().to_string());
    let counted = |count: u64| vec![path.clone(), ("count".to_owned(), count.to_string())];
    if stats.write_error.is_some() || stats.maintenance_error.is_some() {
        return Some(("hint.storage".into(), vec![path]));
    }
    if let Some(limit) = app.queue.counters().limits.hint(stats) {
        return Some(limit);
    }
    match (stats.chunks_damaged, stats.blocks_aside) {
        (0, 0) => None,
        (0, blocks) => Some(("hint.storage_aside".into(), counted(blocks))),
        (pieces, _) => Some(("hint.storage_damaged".into(), counted(pieces))),
    }
}

pub(crate) fn event_json(record: &LogRecord) -> Value {
    json!({
        "time": record.time.0,
        "source": record.source,
        "severity": record.severity.as_str(),
        "code": record.body,
        "params": object(&record.attributes),
    })
}

pub(crate) fn object<K: AsRef<str>, V: Serialize>(pairs: &[(K, V)]) -> Value {
    let members = pairs.iter().map(|(name, value)| (name.as_ref().to_owned(), json!(value)));
    Value::Object(members.collect::<Map<_, _>>())
}

fn round3(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
