//! `/api/v1/targets` and its kin: the engines that are read, as Prometheus shows what it scrapes.
//!
//! What is read of the host has no address and is listed by `/api/v1/sources` alone.

use std::{collections::BTreeSet, sync::Arc};

use axum::extract::State;
use collect::{EngineReport, EngineState, SourceReport};
use serde_json::{Value, json};

use super::{
    super::{
        form::Form,
        time::{NEVER, rfc3339},
    },
    Answer, data,
};
use crate::{config::duration_text, wire::App};

/// Where engines have their metrics; several are asked at more paths than this.
const METRICS_PATH: &str = "/metrics";

pub(super) async fn targets(State(app): State<Arc<App>>, form: Form) -> Answer {
    let state = form.get("state").unwrap_or("any").to_lowercase();
    let pool = form.get("scrapePool");
    let reports = app.collector.registry().reports();
    let engines = app.collector.engines();
    let wanted = engines.iter().filter(|engine| pool.is_none_or(|pool| pool == pool_of(engine)));
    let active: Vec<Value> = match state.as_str() {
        "any" | "active" => wanted.map(|engine| target(&app, engine, &reports)).collect(),
        _ => Vec::new(),
    };
    // Nothing is ever dropped. Who asks for active targets alone gets no counts either.
    let dropped = match state.as_str() {
        "any" | "dropped" => json!({}),
        _ => Value::Null,
    };
    Ok(data(&json!({
        "activeTargets": active,
        "droppedTargets": [],
        "droppedTargetCounts": dropped,
    })))
}

pub(super) async fn scrape_pools(State(app): State<Arc<App>>) -> Answer {
    let engines = app.collector.engines();
    let pools: BTreeSet<&str> = engines.iter().map(pool_of).collect();
    Ok(data(&json!({ "scrapePools": pools })))
}

fn pool_of(engine: &EngineReport) -> &str {
    if engine.kind.is_empty() { "unknown" } else { &engine.kind }
}

fn target(app: &App, engine: &EngineReport, reports: &[SourceReport]) -> Value {
    let name = format!("engine {}", engine.instance);
    let report = reports.iter().find(|report| report.name == name);
    let failure = report.and_then(|report| report.failure.as_ref());
    let health = match engine.state {
        EngineState::Up => "up",
        EngineState::Starting => "unknown",
        EngineState::Down => "down",
    };
    let url = format!("{}{METRICS_PATH}", engine.url);
    let (address, prefix) = engine.instance.split_once('/').unwrap_or((&engine.instance, ""));
    let slash = if prefix.is_empty() { "" } else { "/" };
    json!({
        "discoveredLabels": {
            "__address__": address,
            "__metrics_path__": format!("{slash}{prefix}{METRICS_PATH}"),
            "__scheme__": "http",
            "job": pool_of(engine),
        },
        "labels": {"instance": engine.instance, "job": pool_of(engine)},
        "scrapePool": pool_of(engine),
        "scrapeUrl": url,
        "globalUrl": url,
        "lastError": failure.map(|failure| failure.detail.as_str()).unwrap_or_default(),
        "lastScrape": report.and_then(|report| report.last_ok).map_or(NEVER.to_owned(), rfc3339),
        "lastScrapeDuration": report.map_or(0.0, |report| report.duration.as_secs_f64()),
        "health": health,
        "scrapeInterval": duration_text(app.config.collect.engine_period),
        "scrapeTimeout": duration_text(collect::ENGINE_DEADLINE),
    })
}
