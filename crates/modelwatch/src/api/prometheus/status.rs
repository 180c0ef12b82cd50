//! `/api/v1/status/...`: the version that clients decide by, the settings, and how the process is.

use std::sync::Arc;

use axum::{body::Body, extract::State, http::Response};
use serde_json::{Value, json};

use super::{super::time::rfc3339, data};
use crate::{config::duration_text, wire::App};

/// Version of Prometheus whose API this follows; Grafana decides by it what it may ask.
const COMPATIBLE_VERSION: &str = "3.0.0";

pub(super) async fn build_info() -> Response<Body> {
    data(&json!({
        "version": COMPATIBLE_VERSION,
        "revision": concat!("modelwatch-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
        "application": "modelwatch",
    }))
}

/// Our configuration is TOML and holds no secrets, only the names of the variables that do. Clients expect
/// YAML, so it comes as comments behind the one setting that has a meaning there.
pub(super) async fn config(State(app): State<Arc<App>>) -> Response<Body> {
    let interval = duration_text(app.config.collect.engine_period);
    let mut yaml = format!("global:\n  scrape_interval: {interval}\n# In force, as TOML:\n");
    for line in app.config.lines() {
        yaml.push_str(&format!("# {line}\n"));
    }
    data(&json!({ "yaml": yaml }))
}

/// The flags of Prometheus that have a counterpart here.
pub(super) async fn flags(State(app): State<Arc<App>>) -> Response<Body> {
    let (server, storage, query) = (&app.config.server, &app.config.storage, &app.config.query);
    data(&json!({
        "query.lookback-delta": duration_text(app.queries.lookback()),
        "query.max-concurrency": query.concurrency_max.to_string(),
        "query.max-samples": query.samples_max.to_string(),
        "query.timeout": duration_text(query.timeout),
        "storage.tsdb.path": storage.path.display().to_string(),
        "storage.tsdb.retention.size": format!("{}B", storage.bytes_max),
        "storage.tsdb.retention.time": duration_text(storage.retention),
        "web.enable-admin-api": server.admin_api.to_string(),
        "web.enable-remote-write-receiver": "true",
        "web.listen-address": server.listen.to_string(),
    }))
}

/// What only a Go program has is there with an empty value, because clients read every field.
pub(super) async fn runtime_info(State(app): State<Arc<App>>) -> Response<Body> {
    let stats = app.store.stats();
    let started = rfc3339(app.started);
    let retention = format!(
        "{} or {}B",
        duration_text(app.config.storage.retention),
        app.config.storage.bytes_max
    );
    let folder = std::env::current_dir().unwrap_or_default();
    data(&json!({
        "startTime": started,
        "CWD": folder.display().to_string(),
        "hostname": app.inventory.hostname,
        "serverTime": rfc3339(app.clock.now()),
        "reloadConfigSuccess": true,
        "lastConfigTime": started,
        "corruptionCount": stats.chunks_damaged + stats.blocks_aside,
        "goroutineCount": 0,
        "GOMAXPROCS": 0,
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": retention,
    }))
}

/// The log is read before the port is opened, so whoever can ask finds it read.
pub(super) async fn wal_replay() -> Response<Body> {
    data(&json!({ "min": 0, "max": 0, "current": 0 }))
}

pub(super) async fn notifications() -> Response<Body> {
    data(&Value::Array(Vec::new()))
}

/// What beyond the plain API there is, under the names that Prometheus gave these things.
pub(super) async fn features(State(app): State<Arc<App>>) -> Response<Body> {
    data(&json!({
        "api": {
            "admin": app.config.server.admin_api,
            "exemplars": true,
            "label_values_match": true,
            "query_stats": true,
            "remote_read": true,
            "remote_write_receiver": true,
        },
        "promql": {
            "at_modifier": true,
            "negative_offset": true,
            "subqueries": true,
        },
    }))
}
