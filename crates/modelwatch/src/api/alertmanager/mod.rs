//! Alertmanager's API, version 2: Prometheus, vmalert and Grafana send alerts here, and `amtool` works.
//! Source: Alertmanager's OpenAPI description and its answers (0.25.0, 0.28.1, 0.33.1).
//!
//! Errors are JSON strings, as there. What Alertmanager does not have (acknowledgement, notes, maintenance) is in our
//! own API. The same paths are below `/alertmanager`, for those who are used to a prefix.

mod alerts;
mod silences;
mod status;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    http::{Response, StatusCode},
    routing::get,
};
use model::series::Matcher;

use super::{
    form::Form,
    json::{response, write_string},
};
use crate::wire::App;

/// Largest body.
const BODY_BYTES_MAX: usize = 8 << 20;
/// Before its prefix.
const PREFIX: &str = "/alertmanager";

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .merge(routes())
        .nest(PREFIX, routes().route("/-/ready", get(ready)).route("/-/healthy", get(ready)))
}

fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v2/status", get(status::status))
        .route("/api/v2/receivers", get(status::receivers))
        .route("/api/v2/alerts", get(alerts::list).post(alerts::take))
        .route("/api/v2/alerts/groups", get(alerts::groups))
        .route("/api/v2/silences", get(silences::list).post(silences::put))
        .route("/api/v2/silence/{id}", get(silences::one).delete(silences::expire))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn ready() -> &'static str {
    "OK"
}

/// Why there is no answer: a JSON string.
struct Refused(StatusCode, String);

impl Refused {
    fn bad(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }
}

impl axum::response::IntoResponse for Refused {
    fn into_response(self) -> Response<Body> {
        let mut body = String::new();
        write_string(&mut body, &self.1);
        response(self.0, body)
    }
}

type Answer = Result<Response<Body>, Refused>;

fn ok(value: &serde_json::Value) -> Answer {
    Ok(response(StatusCode::OK, value.to_string()))
}

/// The matchers of all parameters `filter`.
fn filter(form: &Form) -> Result<Vec<Matcher>, Refused> {
    let matchers = alert::matchers::parse_all(form.all("filter"));
    matchers.map_err(|bad| Refused::bad(bad.to_string()))
}

/// A flag, which is set without a word.
fn flag(form: &Form, name: &str) -> Result<bool, Refused> {
    match form.get(name) {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => {
            Err(Refused::bad(format!("{name} in query must be of type boolean: {other:?}")))
        }
    }
}
