//! What an agent answers: its metrics, and how its sources do. It has no page and no queries, because it
//! has no store.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Response, StatusCode},
    routing::get,
};
use serde_json::json;

use super::{
    form::Form,
    guarded,
    json::{ApiError, response},
    metrics,
    product::{collected_json, engine_json, newest_events},
};
use crate::agent::Agent;

/// Where the answers are, for who opens the address in a browser.
const INDEX: &str = "modelwatch agent: it collects and keeps nothing.\n\n\
    /metrics          everything that is collected, for Prometheus or another modelwatch\n\
    /api/v1/sources   how each source does, and what is missing\n\
    /api/v1/engines   the engines that were found\n\
    /api/v1/events    what happened since the start\n\
    /-/healthy\n";

pub(crate) fn router(agent: Arc<Agent>) -> Router {
    let routes = Router::new()
        .route("/", get(async || INDEX))
        .route("/-/healthy", get(async || "modelwatch is healthy\n"))
        .route("/-/ready", get(async || "modelwatch is ready\n"))
        .route("/metrics", get(metrics::of_agent))
        .route("/api/v1/sources", get(sources))
        .route("/api/v1/engines", get(engines))
        .route("/api/v1/events", get(events))
        .fallback(async || (StatusCode::NOT_FOUND, INDEX))
        .with_state(Arc::clone(&agent));
    guarded(routes, agent.config.server.allowed_hosts.clone())
}

async fn sources(State(agent): State<Arc<Agent>>) -> Response<Body> {
    let sources = collected_json(&agent.collector);
    response(StatusCode::OK, json!({ "sources": sources }).to_string())
}

async fn engines(State(agent): State<Arc<Agent>>) -> Response<Body> {
    let engines: Vec<_> = agent.collector.engines().iter().map(engine_json).collect();
    response(StatusCode::OK, json!({ "engines": engines }).to_string())
}

async fn events(State(agent): State<Arc<Agent>>, form: Form) -> Result<Response<Body>, ApiError> {
    newest_events(&agent.events, &form)
}
