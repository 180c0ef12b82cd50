//! `/api/v1/query` and its kin: what a query yields.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, extract::State, http::Response};
use model::UnixMs;
use query::{Expr, Grid, Value};

use super::{
    super::{
        form::{Form, invalid},
        json::{ApiError, success, write_string},
        query::{Evaluated, Question},
    },
    Answer,
    result::{Costs, Report},
};
use crate::wire::App;

/// Most points of one series in a range query (Prometheus' figure).
pub(crate) const POINTS_MAX: i64 = 11_000;

/// Furthest time from 1970 at which a query is evaluated, so that its windows have room before and after.
const TIME_MS_MAX: i64 = 9_000_000_000_000_000;

/// Said when a list is shorter than it would be.
pub(super) const TRUNCATED: &str = "results truncated due to limit";

pub(super) async fn instant(State(app): State<Arc<App>>, form: Form) -> Answer {
    let limit = form.limit("limit")?;
    let time = clamp(form.time("time")?.unwrap_or_else(|| app.queries.now()));
    answer(&app, &form, limit, Grid::instant(time)).await
}

pub(super) async fn range(State(app): State<Arc<App>>, form: Form) -> Answer {
    let limit = form.limit("limit")?;
    let start = clamp(form.required_time("start")?);
    let end = clamp(form.required_time("end")?);
    if end < start {
        return Err(invalid("end", "end timestamp must not be before start time"));
    }
    let step = form.duration_ms("step").map_err(|reason| invalid("step", &reason))?;
    let step_ms = step.ok_or_else(|| invalid("step", "cannot parse \"\" to a valid duration"))?;
    if step_ms <= 0 {
        let reason = "zero or negative query resolution step widths are not accepted. Try a positive \
                      integer";
        return Err(invalid("step", reason));
    }
    if (end.0 - start.0) / step_ms > POINTS_MAX {
        let text = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the \
                    query resolution (?step=XX)";
        return Err(ApiError::bad_data(text));
    }
    answer(&app, &form, limit, Grid { start, end, step_ms }).await
}

fn clamp(time: UnixMs) -> UnixMs {
    UnixMs(time.0.clamp(-TIME_MS_MAX, TIME_MS_MAX))
}

/// Evaluates what the form asks for and reports it.
async fn answer(app: &App, form: &Form, limit: usize, grid: Grid) -> Answer {
    let timeout = form.duration_ms("timeout").map_err(|reason| invalid("timeout", &reason))?;
    let lookback = form.duration_ms("lookback_delta").map_err(|reason| {
        ApiError::bad_data(format!("error parsing lookback delta duration: {reason}"))
    })?;
    let stats = form.get("stats");
    let (has_costs, counts_per_step) = (stats.is_some(), stats == Some("all"));
    let question = Question {
        expr: parse(form)?,
        grid,
        timeout: timeout.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0))),
        lookback: lookback.and_then(|millis| match u64::try_from(millis) {
            Ok(0) | Err(_) => None,
            Ok(millis) => Some(Duration::from_millis(millis)),
        }),
        counts_per_step,
    };
    let bytes_max = app.queries.result_bytes_max();
    let render = move |evaluated: Evaluated| {
        let Evaluated { mut output, queued, evaluated } = evaluated;
        if truncate(&mut output.value, limit) {
            output.warnings.push(TRUNCATED.into());
        }
        let costs = has_costs.then_some(Costs {
            stats: &output.stats,
            queued,
            evaluated,
            has_steps: counts_per_step,
        });
        let report = Report { value: &output.value, time: grid.end, costs };
        let data = report.render(bytes_max)?;
        Ok(success(&data, &output.warnings, &output.infos))
    };
    app.queries.evaluate(question, render).await
}

/// Shortens a list of series to `limit`, 0 meaning all. Returns whether something was cut off.
fn truncate(value: &mut Value, limit: usize) -> bool {
    let length = match value {
        Value::Vector(elements) => elements.len(),
        Value::Matrix(series) => series.len(),
        Value::Scalar(_) | Value::String(_) => 0,
    };
    if limit == 0 || length <= limit {
        return false;
    }
    match value {
        Value::Vector(elements) => elements.truncate(limit),
        Value::Matrix(series) => series.truncate(limit),
        Value::Scalar(_) | Value::String(_) => {}
    }
    true
}

/// The expression in `query`.
fn parse(form: &Form) -> Result<Expr, ApiError> {
    let text = form.get("query").unwrap_or_default();
    query::parse(text).map_err(|error| invalid("query", &error.to_string()))
}

pub(super) async fn format(form: Form) -> Result<Response<Body>, ApiError> {
    let mut data = String::new();
    write_string(&mut data, parse(&form)?.text());
    Ok(success(&data, &[], &[]))
}
