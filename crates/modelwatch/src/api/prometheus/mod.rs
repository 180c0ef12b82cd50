//! The Prometheus HTTP API, so that Grafana and every other client can ask us like Prometheus.
//!
//! One file per kind of question; what they have in common is here. Texts of errors and the order in which
//! parameters are checked follow `web/api/v1/api.go` of Prometheus 3, because clients match on them.

mod exemplars;
mod federate;
mod metadata;
mod query;
mod read;
mod result;
mod rules;
mod series;
mod status;
mod target_metadata;
mod targets;
mod tsdb;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{Response, StatusCode},
    routing::{any, get, post},
};
use model::{
    Labels, UnixMs,
    series::{Matcher, TimeRange},
};

use super::{
    form::{Form, invalid},
    json::{ApiError, success},
};
use crate::wire::App;

pub(crate) use metadata::own_metadata;
pub(super) use metadata::{collected_metadata, known_metadata};
pub(crate) use query::POINTS_MAX;
pub(crate) use result::Report;

type Answer = Result<Response<Body>, ApiError>;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/query", get(query::instant).post(query::instant))
        .route("/api/v1/query_range", get(query::range).post(query::range))
        .route("/api/v1/query_exemplars", get(exemplars::exemplars).post(exemplars::exemplars))
        .route("/api/v1/format_query", get(query::format).post(query::format))
        .route("/api/v1/parse_query", get(query::explain).post(query::explain))
        .route("/api/v1/series", get(series::series).post(series::series))
        .route("/api/v1/labels", get(series::label_names).post(series::label_names))
        .route("/api/v1/label/{name}/values", get(series::label_values))
        .route("/api/v1/metadata", get(metadata::metadata))
        .route("/api/v1/read", post(read::read))
        .route("/federate", get(federate::federate))
        .merge(about_us())
        .route("/api/v1/{*rest}", any(unknown))
}

/// What a Prometheus says of itself.
fn about_us() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/rules", get(rules::rules))
        .route("/api/v1/alerts", get(rules::alerts))
        .route("/api/v1/alertmanagers", get(rules::alertmanagers))
        .route("/api/v1/targets", get(targets::targets))
        .route("/api/v1/targets/metadata", get(target_metadata::target_metadata))
        .route("/api/v1/scrape_pools", get(targets::scrape_pools))
        .route("/api/v1/features", get(status::features))
        .route("/api/v1/notifications", get(status::notifications))
        .route("/api/v1/status/buildinfo", get(status::build_info))
        .route("/api/v1/status/config", get(status::config))
        .route("/api/v1/status/flags", get(status::flags))
        .route("/api/v1/status/runtimeinfo", get(status::runtime_info))
        .route("/api/v1/status/tsdb", get(tsdb::tsdb))
        .route("/api/v1/status/walreplay", get(status::wal_replay))
}

async fn unknown(Path(rest): Path<String>) -> ApiError {
    ApiError::not_found(format!("there is no endpoint /api/v1/{rest}"))
}

/// A success without anything to tell.
fn nothing() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A success around what serde writes.
fn data(value: &serde_json::Value) -> Response<Body> {
    success(&value.to_string(), &[], &[])
}

/// The selectors of all `match[]`; fails with the bare reason.
fn parse_selectors(form: &Form) -> Result<Vec<Vec<Matcher>>, String> {
    let parsed = form
        .all("match[]")
        .map(|text| ::query::parse_selector(text).map_err(|error| error.to_string()));
    parsed.collect()
}

/// As [`parse_selectors`], each of them narrow.
fn narrow_selectors(form: &Form) -> Result<Vec<Vec<Matcher>>, String> {
    parse_selectors(form)?.into_iter().map(narrow).collect()
}

/// Refuses what every series satisfies: it would be a way to ask for everything by mistake.
pub(crate) fn narrow(matchers: Vec<Matcher>) -> Result<Vec<Matcher>, String> {
    if Matcher::all_match(&matchers, &Labels::empty()) {
        return Err("match[] must contain at least one non-empty matcher".into());
    }
    Ok(matchers)
}

/// The selectors that an endpoint which must have some is asked with.
pub(super) fn selectors(form: &Form) -> Result<Vec<Vec<Matcher>>, ApiError> {
    let selectors = narrow_selectors(form).map_err(|reason| invalid("match[]", &reason))?;
    if selectors.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    Ok(selectors)
}

/// From `start` to `end`, by default all of time; empty when `end` is before `start`.
fn time_range(form: &Form) -> Result<TimeRange, ApiError> {
    let start = form.time("start")?.unwrap_or(UnixMs::MIN);
    let end = form.time("end")?.unwrap_or(UnixMs::MAX);
    Ok(TimeRange { start, end })
}

/// As [`time_range`], and not empty.
pub(super) fn ordered_time_range(form: &Form) -> Result<TimeRange, ApiError> {
    let range = time_range(form)?;
    if range.end < range.start {
        return Err(invalid("end", "end timestamp must not be before start time"));
    }
    Ok(range)
}
