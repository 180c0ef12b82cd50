//! `/api/mw/v1/range`: several queries over one range, each reduced to the pixels of a chart.
//!
//! What a query shows within a pixel must stay visible however long the range is. Where the extremes can be asked
//! for exactly ([`Expr::extremes`]) they are, from the store's sums where it has them; every other query is
//! evaluated several times a pixel, and a warning says where that may miss something. Its bias: nothing is drawn
//! that the query does not yield.

mod pixels;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode};
use model::{
    Labels, NAME,
    series::{Budget, SelectError, SeriesSource},
};
use query::{Expr, Grid, Output, QueryError, Value, format::write_json_float};
use serde_json::json;

use self::pixels::{Plan, Points};
use super::{
    form::{Form, integer, invalid},
    json::{ApiError, TooLarge, bounded_list, response, write_labels, write_list, write_string},
    query::{Queries, from_query_error},
    requests::{Answer, needed_time},
};
use crate::wire::App;

/// Queries of one request.
const QUERIES_MAX: usize = 16;
/// Widest chart.
const PX_MAX: i64 = 4_000;
/// Series of one query unless another number is asked for.
const SERIES: usize = 64;
/// Most series of one query, whatever is asked for.
const SERIES_MAX: usize = 500;
/// Longest range: ten years.
const RANGE_MS_MAX: i64 = 3_653 * 86_400_000;
/// What is evaluated more often than this is not said to miss anything.
const SAMPLED_MS_MIN: i64 = 60_000;

/// What a request asks for.
struct Asked {
    queries: Vec<String>,
    plan: Plan,
    series_max: usize,
}

impl Asked {
    fn read(form: &Form) -> Result<Self, ApiError> {
        let queries: Vec<String> = form.all("query").map(str::to_owned).collect();
        if queries.is_empty() || queries.len() > QUERIES_MAX {
            return Err(ApiError::refused(
                "refused.queries",
                vec![("max", QUERIES_MAX.to_string())],
            ));
        }
        let (start, end) = (needed_time(form, "start")?.0, needed_time(form, "end")?.0);
        if start > end {
            return Err(ApiError::refused("refused.backwards", Vec::new()));
        }
        if end - start > RANGE_MS_MAX {
            return Err(ApiError::refused("refused.too_long", vec![("years", "10".to_owned())]));
        }
        let px = form.get("px").unwrap_or_default();
        let px = integer(px).map_err(|reason| invalid("px", &reason))?;
        if !(1..=PX_MAX).contains(&px) {
            return Err(ApiError::refused("refused.pixels", vec![("max", PX_MAX.to_string())]));
        }
        let series_max = match form.limit("series_max")? {
            0 => SERIES,
            count => count.min(SERIES_MAX),
        };
        Ok(Self { queries, plan: Plan::new(start, end, px), series_max })
    }

    fn answer(
        &self,
        queries: &Queries,
        budget: &Budget,
        bytes_max: usize,
    ) -> Result<String, ApiError> {
        let Plan { start, end, step_ms, .. } = self.plan;
        let now = queries.now().0;
        let mut out = format!(
            "{{\"start\":{start},\"end\":{end},\"now\":{now},\"step_ms\":{step_ms},\"results\":["
        );
        for (index, text) in self.queries.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            let lens = Lens { queries, budget, plan: self.plan };
            match lens.look(text) {
                Ok(drawn) => drawn.write(&mut out, self.series_max, bytes_max)?,
                Err(Failure::Query(code, text)) => {
                    let error = json!({ "code": code, "params": { "text": text }, "text": text });
                    out.push_str(&format!("{{\"error\":{error}}}"));
                }
                Err(Failure::Request(error)) => return Err(from_query_error(error)),
            }
            if out.len() > bytes_max {
                return Err(TooLarge { bytes_max }.into());
            }
        }
        out.push_str("]}");
        Ok(out)
    }
}

/// Answers with what each query yields, or with why it yields nothing.
pub(super) async fn range(State(app): State<Arc<App>>, form: Form) -> Answer {
    let asked = Asked::read(&form)?;
    let timeout = form.duration_ms("timeout").map_err(|reason| invalid("timeout", &reason))?;
    let timeout = timeout.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0)));
    let queries = app.queries.clone();
    let bytes_max = queries.result_bytes_max();
    // One turn for all: a page with many charts takes no more of the machine than one with few.
    let work =
        move |_: &dyn SeriesSource, budget: &Budget| asked.answer(&queries, budget, bytes_max);
    let body = app.queries.run(timeout, work).await?;
    Ok(response(StatusCode::OK, body))
}

/// Why there is no result.
enum Failure {
    /// Of one query; the others may have theirs. The code of a message, and its text.
    Query(&'static str, String),
    /// Nobody waits any more.
    Request(QueryError),
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let text = error.to_string();
        match error {
            QueryError::Select(SelectError::Cancelled) => Self::Request(error),
            QueryError::Select(SelectError::TimedOut) => Self::Query("range.timed_out", text),
            QueryError::Select(SelectError::TooManySamples) => Self::Query("range.too_many", text),
            QueryError::NoRange(_) => Self::Query("range.bad_query", text),
            QueryError::Select(SelectError::Storage(_)) | QueryError::Failed(_) => {
                Self::Query("range.failed", text)
            }
        }
    }
}

/// One query's series, not yet reduced.
struct Drawn {
    plan: Plan,
    series: BTreeMap<Labels, Points>,
    warnings: Vec<(&'static str, &'static str, String)>,
}

impl Drawn {
    /// Takes what an evaluation yielded; series get the name of a metric where they lost it.
    fn take(&mut self, output: Output, name: Option<&str>) -> BTreeMap<Labels, Points> {
        // Buckets that were read a moment apart disagree by a request; a chart shows no trace of it.
        let matters = |note: &String| !note.contains("needed to be fixed for monotonicity");
        let notes = output.warnings.into_iter().chain(output.infos);
        for note in notes.filter(matters) {
            let note = ("range.note", "text", note);
            if !self.warnings.contains(&note) {
                self.warnings.push(note);
            }
        }
        let Value::Matrix(series) = output.value else { return BTreeMap::new() };
        let mut has_histograms = false;
        let series = series.into_iter().map(|series| {
            has_histograms |= !series.histograms.is_empty();
            let labels = match name {
                Some(name) => named(&series.labels, name),
                None => series.labels,
            };
            (labels, series.times.into_iter().zip(series.values).collect())
        });
        let series = series.collect();
        let note = ("range.histograms", "count", String::new());
        if has_histograms && !self.warnings.contains(&note) {
            self.warnings.push(note);
        }
        series
    }

    fn add(&mut self, points: BTreeMap<Labels, Points>) {
        for (labels, points) in points {
            self.series.entry(labels).or_default().extend(points);
        }
    }

    fn write(
        mut self,
        out: &mut String,
        series_max: usize,
        bytes_max: usize,
    ) -> Result<(), TooLarge> {
        let omitted = self.series.len().saturating_sub(series_max);
        out.push_str("{\"series\":");
        let shown = self.series.iter_mut().take(series_max);
        bounded_list(out, shown, bytes_max, |out, (labels, points)| {
            points.sort_by_key(|(time, _)| *time);
            let reduced = self.plan.reduce(points);
            out.push_str("{\"labels\":");
            write_labels(out, labels);
            out.push_str(",\"times\":");
            write_list(out, reduced.iter(), |out, (time, _)| out.push_str(&time.to_string()));
            out.push_str(",\"values\":");
            write_list(out, reduced.iter(), |out, (_, value)| match value {
                Some(value) => write_json_float(out, *value),
                None => out.push_str("null"),
            });
            out.push('}');
        })?;
        out.push_str(&format!(",\"omitted\":{omitted},\"warnings\":"));
        write_list(out, self.warnings.iter(), |out, (code, name, value)| {
            out.push_str(&format!("{{\"code\":\"{code}\",\"params\":{{\"{name}\":"));
            write_string(out, value);
            out.push_str("}}");
        });
        out.push('}');
        Ok(())
    }
}

/// Looks at the store through so many pixels.
struct Lens<'a> {
    queries: &'a Queries,
    budget: &'a Budget,
    plan: Plan,
}

impl Lens<'_> {
    fn look(&self, text: &str) -> Result<Drawn, Failure> {
        let expr = query::parse(text)
            .map_err(|error| Failure::Query("range.bad_query", error.to_string()))?;
        let mut drawn = Drawn { plan: self.plan, series: BTreeMap::new(), warnings: Vec::new() };
        match self.extremes(&expr, &mut drawn)? {
            2.. => self.newest(&expr, &mut drawn)?,
            known => self.fine(&expr, known > 0, &mut drawn)?,
        }
        Ok(drawn)
    }

    fn evaluate(&self, expr: &Expr, grid: Grid) -> Result<Output, QueryError> {
        self.queries.evaluate_within(expr, grid, self.budget)
    }

    /// Adds the extremes of each pixel as far as they can be asked for, and says how many can.
    fn extremes(&self, expr: &Expr, drawn: &mut Drawn) -> Result<usize, Failure> {
        let mut known = 0;
        for piece in self.plan.pieces() {
            let extremes = expr.extremes(piece.window_ms);
            let mut found: BTreeMap<Labels, Points> = BTreeMap::new();
            let bounds = [extremes.lowest, extremes.highest];
            known = bounds.iter().flatten().count();
            for bound in bounds.into_iter().flatten() {
                let output = self.evaluate(&bound, piece.grid)?;
                for (labels, points) in drawn.take(output, extremes.name.as_deref()) {
                    found.entry(labels).or_default().extend(points);
                }
            }
            for points in found.values_mut() {
                spread(points, piece.window_ms);
            }
            drawn.add(found);
        }
        Ok(known)
    }

    /// Adds what a series still is where a pixel has no sample of its own, because pixels are short.
    fn newest(&self, expr: &Expr, drawn: &mut Drawn) -> Result<(), Failure> {
        let lookback = i64::try_from(self.queries.lookback().as_millis()).unwrap_or(i64::MAX);
        if self.plan.step_ms >= lookback {
            return Ok(());
        }
        for piece in self.plan.pieces() {
            let output = self.evaluate(expr, piece.grid)?;
            for (labels, points) in drawn.take(output, None) {
                let own = drawn.series.entry(labels).or_default();
                let known: Vec<i64> = own.iter().map(|(time, _)| *time).collect();
                let is_known = |time: i64| known.binary_search(&time).is_ok();
                own.extend(points.into_iter().filter(|(time, _)| !is_known(*time)));
                own.sort_by_key(|(time, _)| *time);
            }
        }
        Ok(())
    }

    /// Adds what the query yields, several times a pixel. `has_extreme` where the one that it is for is there
    /// already.
    fn fine(&self, expr: &Expr, has_extreme: bool, drawn: &mut Drawn) -> Result<(), Failure> {
        let every = self.plan.fine_ms;
        let (fitted, fit) = expr.fitted(every);
        let output = self.evaluate(&fitted, self.plan.fine())?;
        let points = drawn.take(output, None);
        drawn.add(points);
        let seconds = || (every / 1_000).to_string();
        if fit.is_widened {
            drawn.warnings.push(("range.widened", "seconds", seconds()));
        }
        if fit.is_sampled && !has_extreme && every >= SAMPLED_MS_MIN {
            drawn.warnings.push(("range.sampled", "seconds", seconds()));
        }
        Ok(())
    }
}

fn named(labels: &Labels, name: &str) -> Labels {
    let mut builder = labels.to_builder();
    builder.set(NAME, name);
    builder.build()
}

/// Sets two extremes of a window apart: the one that is nearer to what was before comes first, in the middle of
/// the window, the other at its end. Which was really first is not known.
fn spread(points: &mut Points, window_ms: i64) {
    points.sort_by_key(|(time, _)| *time);
    let mut spread: Points = Vec::with_capacity(points.len());
    for pair in points.chunk_by(|a, b| a.0 == b.0) {
        match pair {
            [(time, one), (_, other)] if one != other => {
                let before = spread.last().map_or(*one, |(_, value)| *value);
                let is_nearer = (one - before).abs() <= (other - before).abs();
                let (first, second) = if is_nearer { (*one, *other) } else { (*other, *one) };
                spread.push((time - window_ms / 2, first));
                spread.push((*time, second));
            }
            _ => spread.extend(pair.first()),
        }
    }
    *points = spread;
}

#[cfg(test)]
mod tests;
