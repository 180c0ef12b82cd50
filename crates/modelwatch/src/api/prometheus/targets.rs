//! `/api/v1/targets` and its kin: engines and the targets of scrape jobs, as Prometheus shows what it
//! scrapes.
//!
//! What is read of the host has no address and is listed by `/api/v1/sources` alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::extract::State;
use collect::{EngineReport, EngineState, SourceReport, scrape::TargetReport};
use model::Labels;
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
    let is_wanted = |name: &str| pool.is_none_or(|pool| pool == name);
    let (engines, scraped) = (app.collector.engines(), app.collector.targets());
    let engines = engines.iter().filter(|engine| is_wanted(pool_of(engine)));
    let scraped = scraped.iter().filter(|target| is_wanted(&target.job));
    let active: Vec<Value> = match state.as_str() {
        "any" | "active" => engines
            .map(|engine| target(&app, engine, &reports))
            .chain(scraped.map(job_target))
            .collect(),
        _ => Vec::new(),
    };
    // Who asks for active targets alone gets no counts either.
    let (dropped, counts) = match state.as_str() {
        "any" | "dropped" => {
            let mut dropped = app.collector.dropped_targets();
            dropped.retain(|(job, _)| is_wanted(job));
            let mut counts: BTreeMap<&str, usize> =
                app.config.scrapes.iter().map(|scrape| (scrape.name(), 0)).collect();
            for (job, _) in &dropped {
                *counts.entry(job).or_default() += 1;
            }
            (dropped.iter().map(dropped_target).collect(), json!(counts))
        }
        _ => (Vec::new(), Value::Null),
    };
    Ok(data(&json!({
        "activeTargets": active,
        "droppedTargets": dropped,
        "droppedTargetCounts": counts,
    })))
}

pub(super) async fn scrape_pools(State(app): State<Arc<App>>) -> Answer {
    let engines = app.collector.engines();
    let jobs = app.config.scrapes.iter().map(|scrape| scrape.name());
    let pools: BTreeSet<&str> = engines.iter().map(pool_of).chain(jobs).collect();
    Ok(data(&json!({ "scrapePools": pools })))
}

fn job_target(target: &TargetReport) -> Value {
    let health = match target.is_up {
        None => "unknown",
        Some(true) => "up",
        Some(false) => "down",
    };
    json!({
        "discoveredLabels": object(&target.discovered),
        "labels": object(&target.labels),
        "scrapePool": target.job,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "lastError": target.failure.as_deref().unwrap_or_default(),
        "lastScrape": target.last_scrape.map_or(NEVER.to_owned(), rfc3339),
        "lastScrapeDuration": target.duration.as_secs_f64(),
        "health": health,
        "scrapeInterval": duration_text(target.interval),
        "scrapeTimeout": duration_text(target.timeout),
    })
}

fn dropped_target((job, labels): &(String, Labels)) -> Value {
    json!({"discoveredLabels": object(labels), "scrapePool": job})
}

fn object(labels: &Labels) -> Value {
    let members = labels.iter().map(|(name, value)| (name.to_owned(), json!(value)));
    Value::Object(members.collect())
}

pub(super) fn pool_of(engine: &EngineReport) -> &str {
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
            "__scheme__": if engine.url.starts_with("https://") { "https" } else { "http" },
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
