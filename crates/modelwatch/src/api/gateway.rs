//! `/api/mw/v1/gateway` and `/api/mw/v1/keys`: how the gateway is doing, and who may ask it. Keys are made
//! and revoked on the command line alone: there is no login here that could tell who asks.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{Response, StatusCode},
};
use gateway::{KeyUsage, keys::Key};
use serde_json::{Value, json};

use super::json::{ApiError, response};
use crate::{exchanges::View, wire::App};

const DAY_MS: i64 = 86_400_000;

pub(super) async fn gateway(State(app): State<Arc<App>>) -> Response<Body> {
    let running = app.gateway.as_ref().and_then(View::gateway);
    let settings = &app.config.gateway;
    let scheme = if settings.tls_cert_file.is_empty() { "http" } else { "https" };
    let addresses: Vec<String> = running
        .iter()
        .flat_map(|gateway| gateway.addresses())
        .map(|address| format!("{scheme}://{address}"))
        .collect();
    let upstreams = running.as_ref().map(|gateway| gateway.upstreams()).unwrap_or_default();
    let upstreams: Vec<Value> = upstreams
        .iter()
        .map(|upstream| {
            json!({
                "name": upstream.name,
                "is_up": upstream.is_up,
                "in_flight": upstream.in_flight,
                "models": upstream.models,
            })
        })
        .collect();
    let counters = running.as_ref().map(|gateway| gateway.counters());
    let counters = counters.map(|counters| {
        json!({
            "connections": counters.connections,
            "connections_refused": counters.connections_refused,
            "requests": counters.requests,
            "retries": counters.retries,
            "parts_unseen": counters.parts_unseen,
            "records_lost": counters.records_lost,
        })
    });
    let answer = json!({
        "enabled": running.is_some(),
        "addresses": addresses,
        "upstreams": upstreams,
        "counters": counters,
        "keeps_bodies": settings.keep_bodies,
    });
    response(StatusCode::OK, answer.to_string())
}

pub(super) async fn keys(State(app): State<Arc<App>>) -> Result<Response<Body>, ApiError> {
    let Some(view) = app.gateway.clone() else {
        return Ok(response(StatusCode::OK, json!({ "keys": [], "anonymous": false }).to_string()));
    };
    let file = view.keys.clone();
    let keys = tokio::task::spawn_blocking(move || file.load()).await;
    let keys = keys
        .map_err(|error| ApiError::internal(error.to_string()))?
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let usage = view.gateway().map(|gateway| gateway.usage()).unwrap_or_default();
    let usage: HashMap<&str, &KeyUsage> =
        usage.iter().filter_map(|one| Some((one.key_id.as_deref()?, one))).collect();
    let today = app.clock.now().0.div_euclid(DAY_MS);
    let keys: Vec<Value> =
        keys.iter().map(|key| key_json(key, usage.get(key.id.as_str()).copied(), today)).collect();
    let answer = json!({ "keys": keys, "anonymous": app.config.gateway.allows_anonymous() });
    Ok(response(StatusCode::OK, answer.to_string()))
}

fn key_json(key: &Key, usage: Option<&KeyUsage>, today: i64) -> Value {
    let grant = &key.grant;
    // What was used on another day says nothing about this one.
    let of_today = usage.map(|usage| if usage.day == today { usage.tokens_of_day } else { 0 });
    json!({
        "id": key.id,
        "name": key.name,
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
        "grant": {
            "models": grant.models,
            "requests_per_minute": grant.requests_per_minute,
            "tokens_per_minute": grant.tokens_per_minute,
            "concurrent_max": grant.concurrent_max,
            "tokens_per_day": grant.tokens_per_day,
            "tokens_per_month": grant.tokens_per_month,
        },
        "tokens_today": of_today,
        "tokens_month": usage.map(|usage| usage.tokens_of_month),
    })
}
