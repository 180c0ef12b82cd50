//! Loki's query API over the lines that are kept, so that Grafana's data source and every other client of Loki can
//! ask for them ([docs/logql.md](../../../../../docs/logql.md)).
//!
//! Labels of a stream are our own fields. It reads only; what Loki's clients send comes by `receive/loki.rs`. Its
//! bias: what Grafana asks whenever somebody looks at lines is answered by the store, not line by line.

mod answer;
mod entry;
mod labels;
mod logql;
mod metrics;
mod parameters;
mod plan;
mod streams;
mod tail;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    routing::get,
};
use model::series::Budget;
use serde_json::json;
use store::events::QueryError;

use self::{
    logql::Expr,
    metrics::{Evaluation, Failure, Grid},
    parameters::Asked,
    streams::{Direction, Wanted},
};
use super::{form::Form, json::ApiError, scan::LINES_READ_MAX};
use crate::wire::App;

/// How long a question may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Asks for what is known of a line apart from what its stream has in common.
const FLAGS: &str = "x-loki-response-encoding-flags";
/// The version of Loki's API that is spoken.
const VERSION: &str = "3.0.0";

type Answer = Result<Response<Body>, Refusal>;

/// An error as Loki says it: a status and a text.
#[derive(Debug)]
struct Refusal(ApiError);

impl Refusal {
    fn bad(text: impl Into<String>) -> Self {
        Self(ApiError::bad_data(text))
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        self.0.into_text()
    }
}

fn refused(error: &QueryError) -> ApiError {
    match error {
        QueryError::Timeout => ApiError::timeout(error.to_string()),
        other => ApiError::bad_data(other.to_string()),
    }
}

fn failed(failure: Failure) -> ApiError {
    match failure {
        Failure::Store(error) => refused(&error),
        Failure::Other(text) => ApiError::bad_data(text),
    }
}

pub(super) fn router() -> Router<Arc<App>> {
    let root = "/loki/api/v1";
    let both = |path: &str| format!("{root}/{path}");
    Router::new()
        .route("/ready", get(async || "ready\n"))
        .route(&both("status/buildinfo"), get(build_info))
        .route(&both("query"), get(query).post(query))
        .route(&both("query_range"), get(query_range).post(query_range))
        .route(&both("labels"), get(labels::names).post(labels::names))
        .route(&both("label"), get(labels::names).post(labels::names))
        .route(&both("label/{name}/values"), get(labels::values).post(labels::values))
        .route(&both("tail"), get(tail::tail))
        .route(&both("series"), get(labels::series).post(labels::series))
        .route(&both("index/stats"), get(labels::stats).post(labels::stats))
        .route(&both("index/volume"), get(labels::volume).post(labels::volume))
        .route(&both("detected_labels"), get(labels::detected_labels).post(labels::detected_labels))
        .route(&both("detected_fields"), get(labels::detected_fields).post(labels::detected_fields))
        .route(&both("patterns"), get(labels::patterns).post(labels::patterns))
}

async fn build_info() -> Response<Body> {
    let about = json!({
        "version": VERSION,
        "revision": env!("CARGO_PKG_VERSION"),
        "branch": "modelwatch",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    });
    super::json::response(StatusCode::OK, about.to_string())
}

fn parsed(form: &Form) -> Result<Expr, Refusal> {
    let text = form.get("query").unwrap_or_default();
    logql::parse(text).map_err(|error| Refusal::bad(error.to_string()))
}

/// Runs on the blocking pool, and answers with JSON that is made there.
async fn run(
    app: &Arc<App>,
    work: impl FnOnce(&App, &Budget) -> Result<String, ApiError> + Send + 'static,
) -> Answer {
    let for_work = Arc::clone(app);
    let done = app.queries.run(Some(TIMEOUT), move |_, budget| work(&for_work, budget));
    let mut response = super::json::response(StatusCode::OK, done.await?);
    let kind = HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// At one time.
async fn query(State(app): State<Arc<App>>, form: Form) -> Answer {
    let expr = parsed(&form)?;
    if matches!(expr, Expr::Log(_)) {
        return Err(Refusal::bad(
            "log queries are not supported as an instant query type, please change your query to a range query type",
        ));
    }
    let time = parameters::time(&form, "time")?.map_or(app.clock.now(), parameters::floor_ms);
    run(&app, move |app, budget| {
        let begun = app.clock.monotonic();
        let events = app.store.events();
        let mut evaluation = Evaluation::new(events, budget, Grid::instant(time));
        let value = evaluation.evaluate(&expr).map_err(failed)?;
        let took = app.clock.monotonic().saturating_sub(begun);
        Ok(answer::instant(&expr, value, &evaluation, took))
    })
    .await
}

/// Lines, or a metric over time.
async fn query_range(State(app): State<Arc<App>>, headers: HeaderMap, form: Form) -> Answer {
    let expr = parsed(&form)?;
    let asked = Asked::read(&form, app.clock.now())?;
    if let Expr::Log(log) = expr {
        let flags = headers.get(FLAGS).and_then(|flags| flags.to_str().ok()).unwrap_or_default();
        let wanted = Wanted {
            range: asked.range(),
            direction: Direction::read(&form)?,
            limit: parameters::limit(&form)?,
            is_categorized: flags.split(',').any(|flag| flag.trim() == "categorize-labels"),
        };
        return run(&app, move |app, budget| {
            let begun = app.clock.monotonic();
            let found = streams::find(app.store.events(), &log, &wanted, budget)
                .map_err(|error| refused(&error))?;
            let took = app.clock.monotonic().saturating_sub(begun);
            Ok(answer::streams(&found, wanted.is_categorized, took))
        })
        .await;
    }
    let (start, end) = (parameters::floor_ms(asked.start), parameters::floor_ms(asked.end));
    let grid = Grid::aligned(start, end, asked.step(&form)?).map_err(Refusal::bad)?;
    run(&app, move |app, budget| {
        let begun = app.clock.monotonic();
        let events = app.store.events();
        let mut evaluation = Evaluation::new(events, budget, grid);
        let value = evaluation.evaluate(&expr).map_err(failed)?;
        let took = app.clock.monotonic().saturating_sub(begun);
        Ok(answer::matrix(value, &evaluation, took))
    })
    .await
}

/// What is said where there are more lines than are read.
fn cut_warning() -> String {
    format!(
        "there are more lines than are read ({LINES_READ_MAX}) or told (64 MiB); narrow the time or the selector"
    )
}
