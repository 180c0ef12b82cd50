//! `/api/mw/v1/rules/preview`: what rules would have done, before they are kept.

use std::time::Duration;

use alert::rules::{Previewed, Rule, Span};
use query::Grid;

use super::*;
use crate::{
    alarms::rules::parse_page_rule,
    api::{prometheus::POINTS_MAX, query::from_select_error},
};

/// What is looked at unless other times are asked for.
const SPAN_MS: i64 = 24 * 3_600_000;
/// How long a preview may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Most series of a rule that are told; the rest is counted.
const SERIES_MAX: usize = 100;
/// Most times that a series is told to have fired or waited.
const SPANS_MAX: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Wanted {
    #[serde(default)]
    yaml: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    thresholds: Option<Vec<f64>>,
    #[serde(default)]
    for_ms: Option<u64>,
    #[serde(default)]
    start: Option<i64>,
    #[serde(default)]
    end: Option<i64>,
}

pub(in crate::api) async fn preview(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let wanted: Wanted = json::body(&body, YAML_BYTES_MAX)?;
    let rules = match asked(&app, &wanted)? {
        Ok(rules) => rules,
        Err(problems) => {
            let problems: Vec<Value> = problems.iter().map(problem_json).collect();
            return ok(
                &json!({ "rules": [], "problems": problems, "step_ms": 0, "is_whole": true }),
            );
        }
    };
    let interval = interval_ms(&app, &wanted);
    let grid = grid(&wanted, interval, app.clock.now())?;
    // A turn among the queries, because it is one.
    let (queries, of_app) = (app.queries.clone(), Arc::clone(&app));
    let told = queries.run(Some(TIMEOUT), move |_, budget| {
        let mut told = Vec::new();
        for rule in &rules {
            budget.check().map_err(from_select_error)?;
            told.push(one(&of_app, rule, grid, budget.left()));
        }
        Ok(told)
    });
    let told = told.await?;
    let is_whole = grid.step_ms == interval;
    ok(&json!({ "rules": told, "problems": [], "step_ms": grid.step_ms, "is_whole": is_whole }))
}

/// The rules that are asked about, or what is wrong with their text.
fn asked(app: &App, wanted: &Wanted) -> Result<Result<Vec<Rule>, Vec<Problem>>, ApiError> {
    if let Some(yaml) = &wanted.yaml {
        return Ok(parse_page_rule(yaml));
    }
    let id = wanted.id.as_deref().unwrap_or_default();
    let (thresholds, for_ms) = (wanted.thresholds.clone(), wanted.for_ms);
    let change = Change { thresholds, for_ms, ..Change::default() };
    Ok(Ok(vec![app.rules.changed(id, &change).ok_or_else(unknown)?]))
}

/// How often rules would have been evaluated: that of a group as often as its group is.
fn interval_ms(app: &App, wanted: &Wanted) -> i64 {
    let id = wanted.id.as_deref().filter(|_| wanted.yaml.is_none());
    let interval = app.rules.interval(id.unwrap_or_default());
    i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1)
}

/// The times at which rules would have been evaluated; fewer of them where there are too many.
fn grid(wanted: &Wanted, interval: i64, now: UnixMs) -> Result<Grid, ApiError> {
    let end = wanted.end.unwrap_or(now.0);
    let start = wanted.start.unwrap_or_else(|| end.saturating_sub(SPAN_MS));
    if start >= end {
        return Err(ApiError::bad_data("end has to be after start"));
    }
    let steps = end.saturating_sub(start).div_euclid(POINTS_MAX.saturating_mul(interval)) + 1;
    let step_ms = interval.saturating_mul(steps);
    let align = |time: i64| time.div_euclid(step_ms).saturating_mul(step_ms);
    Ok(Grid { start: UnixMs(align(start)), end: UnixMs(align(end)), step_ms })
}

fn one(app: &App, rule: &Rule, grid: Grid, timeout: Duration) -> Value {
    let found =
        app.rules.with_context(timeout, |context| alert::rules::preview(rule, grid, context));
    let (found, error) = match found {
        Ok(found) => (found, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let fired: usize = found.iter().map(|series| series.firing.len()).sum();
    let waited: usize = found.iter().map(|series| series.pending.len()).sum();
    json!({
        "name": rule.name(),
        "fired": fired,
        "waited": waited,
        "series": found.iter().take(SERIES_MAX).map(series_json).collect::<Vec<_>>(),
        "omitted": found.len().saturating_sub(SERIES_MAX),
        "error": error,
    })
}

fn series_json(series: &Previewed) -> Value {
    let spans = |spans: &[Span]| -> Vec<Value> {
        let told = spans.iter().take(SPANS_MAX);
        told.map(|(start, end)| json!([start.0, end.map(|end| end.0)])).collect()
    };
    json!({
        "labels": object(&series.labels.iter().collect::<Vec<_>>()),
        "spans": spans(&series.firing),
        "pending": spans(&series.pending),
    })
}
