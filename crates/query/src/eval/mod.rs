//! Evaluation: every expression for all steps of the grid at once.

mod aggregate;
mod binary;
mod calendar;
pub(crate) mod functions;
mod labels;
mod rows;
mod window;

use std::{cmp::Ordering, collections::BTreeSet, time::Duration};

use model::{
    Labels, NAME, UnixMs,
    sample::is_stale,
    series::{Budget, SelectError, SeriesData, SeriesSource},
};

use self::{
    rows::{Loaded, Look, Need},
    window::{Place, Points},
};
use crate::{
    ast::{At, Expr, Kind, Node, Position, Selector, Shift, Subquery, Type},
    value::{Element, Output, Sample, Series, Stats, Value},
};

/// How queries are evaluated, whatever they ask.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How old the newest sample of a series may be to count as its present value.
    pub lookback: Duration,
    /// The step of subqueries that give none.
    pub subquery_step: Duration,
    /// Whether the name of the metric goes only at the end of the evaluation, so that `label_replace` still
    /// sees it. Off, as in Prometheus, where it is called `promql-delayed-name-removal`.
    pub delays_name_removal: bool,
    /// Whether [`Stats::samples_per_step`](crate::Stats) is wanted.
    pub counts_per_step: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lookback: Duration::from_secs(300),
            subquery_step: Duration::from_secs(60),
            delays_name_removal: false,
            counts_per_step: false,
        }
    }
}

/// The times that a query is evaluated at: `start`, `start + step_ms`, ... up to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub start: UnixMs,
    pub end: UnixMs,
    /// More than 0.
    pub step_ms: i64,
}

impl Grid {
    /// A single time.
    pub fn instant(time: UnixMs) -> Self {
        Self { start: time, end: time, step_ms: 1 }
    }

    fn len(self) -> usize {
        let span = self.end.0.saturating_sub(self.start.0);
        usize::try_from(span / self.step_ms.max(1) + 1).unwrap_or(0)
    }

    fn time(self, step: usize) -> i64 {
        self.start.0.saturating_add(self.step_ms.saturating_mul(step as i64))
    }
}

/// Why a query that parses has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error("{0}")]
    Failed(String),
}

type Evaluated<T> = Result<T, QueryError>;

fn fail<T>(message: impl Into<String>) -> Evaluated<T> {
    Err(QueryError::Failed(message.into()))
}

/// Evaluates `expr` over `grid`. A grid of one instant yields the type of the expression; a longer
/// one always a matrix, sorted by labels.
pub fn evaluate(
    expr: &Expr,
    source: &dyn SeriesSource,
    grid: Grid,
    settings: &Settings,
    budget: &Budget,
) -> Evaluated<Output> {
    let notes = std::cell::RefCell::default();
    let context = Context { source, settings, budget, grid, outer: grid, notes: &notes };
    let is_instant = grid.start == grid.end;
    let value = match expr.root.kind_of() {
        kind @ (Type::Matrix | Type::String) if !is_instant => {
            return fail(format!(
                "invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector"
            ));
        }
        Type::String => Value::String(context.string(&expr.root)?),
        Type::Matrix => Value::Matrix(context.raw(&expr.root)?),
        Type::Scalar if is_instant => Value::Scalar(context.scalar(&expr.root)?[0]),
        Type::Scalar => {
            let values = context.scalar(&expr.root)?.into_iter().map(Some).collect();
            Value::Matrix(vec![series_of(Row { labels: Labels::empty(), values }, grid)])
        }
        Type::Vector => {
            let rows = context.vector(&expr.root)?;
            if is_instant {
                let points = rows.into_iter();
                let element = |row: Row| {
                    Some(Element { sample: Sample::Float(row.values[0]?), labels: row.labels })
                };
                Value::Vector(points.filter_map(element).collect())
            } else {
                let series = rows.into_iter().map(|row| series_of(row, grid));
                let mut series: Vec<Series> =
                    series.filter(|series| !series.times.is_empty()).collect();
                series.sort_by(|a, b| a.labels.cmp(&b.labels));
                Value::Matrix(series)
            }
        }
    };
    let Notes { warnings, infos } = notes.into_inner();
    Ok(Output {
        value,
        warnings: warnings.into_iter().collect(),
        infos: infos.into_iter().collect(),
        stats: Stats::default(),
    })
}

fn series_of(row: Row, grid: Grid) -> Series {
    let points = row.values.iter().enumerate();
    let (times, values) =
        points.filter_map(|(step, value)| Some((grid.time(step), (*value)?))).unzip();
    Series { labels: row.labels, times, values, histograms: Vec::new() }
}

#[derive(Default)]
struct Notes {
    warnings: BTreeSet<String>,
    infos: BTreeSet<String>,
}

/// One series of an instant vector over the whole grid; `None` where it has no value.
#[derive(Clone, Debug)]
struct Row {
    labels: Labels,
    values: Vec<Option<f64>>,
}

/// A range vector: series and where its windows lie.
struct Matrix {
    series: Vec<Points>,
    range_ms: i64,
    /// The end of the window of each step.
    ends: Vec<i64>,
}

#[derive(Clone, Copy)]
struct Context<'a> {
    source: &'a dyn SeriesSource,
    settings: &'a Settings,
    budget: &'a Budget,
    grid: Grid,
    /// The grid of the whole query, which `start()` and `end()` mean also inside a subquery.
    outer: Grid,
    notes: &'a std::cell::RefCell<Notes>,
}

impl Context<'_> {
    fn warn(&self, text: &str, position: Position) {
        let Position { line, column } = position;
        let text = format!("PromQL warning: {text} ({line}:{column})");
        self.notes.borrow_mut().warnings.insert(text);
    }

    fn inform(&self, text: &str, position: Position) {
        let Position { line, column } = position;
        let text = format!("PromQL info: {text} ({line}:{column})");
        self.notes.borrow_mut().infos.insert(text);
    }

    fn steps(&self) -> usize {
        self.grid.len()
    }

    /// Refuses results that would not fit into the budget before they are built.
    fn check_size(&self, rows: usize) -> Evaluated<()> {
        self.budget.check()?;
        let points = (rows as u64).saturating_mul(self.steps() as u64);
        if points > self.budget.samples_max {
            return Err(SelectError::TooManySamples.into());
        }
        Ok(())
    }

    fn string(&self, node: &Node) -> Evaluated<String> {
        match &node.kind {
            Kind::String(text) => Ok(text.clone()),
            _ => fail("expected a string literal"),
        }
    }

    fn scalar(&self, node: &Node) -> Evaluated<Vec<f64>> {
        self.check_size(1)?;
        match &node.kind {
            Kind::Number(value) => Ok(vec![*value; self.steps()]),
            Kind::Negate(inner) => {
                Ok(self.scalar(inner)?.into_iter().map(|value| -value).collect())
            }
            Kind::Binary(binary) => {
                let (left, right) = (self.scalar(&binary.left)?, self.scalar(&binary.right)?);
                let pairs = left.into_iter().zip(right);
                Ok(pairs.map(|(a, b)| binary::scalar(binary.operator, a, b)).collect())
            }
            Kind::Call(function, arguments) => functions::scalar(self, function, arguments),
            _ => fail("expected a scalar"),
        }
    }

    fn vector(&self, node: &Node) -> Evaluated<Vec<Row>> {
        self.budget.check()?;
        match &node.kind {
            Kind::Selector(selector) => {
                self.select(selector, node.position, Need::NEWEST, |_, value| value)
            }
            Kind::Negate(inner) => {
                let rows = self.vector(inner)?.into_iter().map(|row| {
                    let values = row.values.into_iter().map(|value| value.map(|value| -value));
                    Row { labels: without_name(&row.labels), values: values.collect() }
                });
                merge(rows.collect())
            }
            Kind::Binary(binary) => binary::vector(self, binary),
            Kind::Aggregate(aggregate) => aggregate::evaluate(self, aggregate),
            Kind::Call(function, arguments) => functions::vector(self, function, arguments),
            _ => fail("expected an instant vector"),
        }
    }

    /// The time that step `step` looks at, under `offset` and `@`.
    fn shifted(&self, step: usize, shift: Shift) -> i64 {
        let time = match shift.at {
            Some(At::Start) => self.outer.start.0,
            Some(At::End) => self.outer.end.0,
            Some(At::Time(time)) => time,
            None => self.grid.time(step),
        };
        time.saturating_sub(shift.offset_ms.unwrap_or(0))
    }

    fn times(&self, shift: Shift) -> Vec<i64> {
        (0..self.steps()).map(|step| self.shifted(step, shift)).collect()
    }

    /// The newest sample of each series at each step, handed with its time through `pick`.
    fn select(
        &self,
        selector: &Selector,
        position: Position,
        need: Need,
        pick: fn(i64, f64) -> f64,
    ) -> Evaluated<Vec<Row>> {
        let lookback = i64::try_from(self.settings.lookback.as_millis()).unwrap_or(i64::MAX);
        let times = self.times(selector.shift);
        let look = Look { selector, position, times: &times, back_ms: lookback, need };
        let loaded = rows::load(self, &look)?;
        self.check_size(loaded.len())?;
        let rows = loaded.into_iter().map(|Loaded { series, .. }| {
            let mut place = Place::default();
            let newest = times.iter().map(|time| {
                let newest = place.after(&series.times, *time).checked_sub(1)?;
                let (found, value) = (series.times[newest], series.values[newest]);
                let is_fresh = found > time.saturating_sub(lookback) && !is_stale(value);
                is_fresh.then(|| pick(found, value))
            });
            Row { values: newest.collect(), labels: series.labels }
        });
        Ok(rows.filter(|row| row.values.iter().any(Option::is_some)).collect())
    }

    fn matrix(&self, node: &Node, need: Need) -> Evaluated<Matrix> {
        match &node.kind {
            Kind::Window(selector, range_ms) => {
                let ends = self.times(selector.shift);
                let (position, back_ms) = (node.position, *range_ms);
                let look = Look { selector, position, times: &ends, back_ms, need };
                let series = rows::load(self, &look)?.into_iter().map(Points::new).collect();
                Ok(Matrix { series, range_ms: *range_ms, ends })
            }
            Kind::Subquery(subquery) => self.subquery(subquery),
            _ => fail("expected a range vector"),
        }
    }

    fn subquery(&self, subquery: &Subquery) -> Evaluated<Matrix> {
        let ends = self.times(subquery.shift);
        let step = subquery.step_ms.unwrap_or_else(|| {
            i64::try_from(self.settings.subquery_step.as_millis()).unwrap_or(i64::MAX)
        });
        let (first, last) = (ends[0], ends[ends.len() - 1]);
        // Aligned to the epoch, so that the same points are asked for whenever the query runs.
        let open = first.saturating_sub(subquery.range_ms);
        let start = (open.div_euclid(step) + 1).saturating_mul(step);
        let mut series = Vec::new();
        if start <= last {
            let grid = Grid { start: UnixMs(start), end: UnixMs(last), step_ms: step };
            let inner = Context { grid, ..*self };
            let rows = match subquery.inner.kind_of() {
                Type::Scalar => vec![Row {
                    labels: Labels::empty(),
                    values: inner.scalar(&subquery.inner)?.into_iter().map(Some).collect(),
                }],
                _ => inner.vector(&subquery.inner)?,
            };
            inner.check_size(rows.len())?;
            for row in rows {
                let Series { labels, times, values, .. } = series_of(row, grid);
                let series_data = SeriesData { labels, times, values };
                series.push(Points::new(Loaded { series: series_data, weights: Vec::new() }));
            }
        }
        Ok(Matrix { series, range_ms: subquery.range_ms, ends })
    }

    /// A range vector as itself, for an instant.
    fn raw(&self, node: &Node) -> Evaluated<Vec<Series>> {
        let matrix = self.matrix(node, Need::POINTS)?;
        let mut found: Vec<Series> = Vec::with_capacity(matrix.series.len());
        for points in &matrix.series {
            let windows = points.windows(&matrix.ends, matrix.range_ms);
            found.extend(windows.filter(|window| !window.times.is_empty()).map(|window| Series {
                labels: points.labels.clone(),
                times: window.times.to_vec(),
                values: window.values.to_vec(),
                histograms: Vec::new(),
            }));
        }
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(found)
    }
}

fn without_name(labels: &Labels) -> Labels {
    if labels.name().is_empty() { labels.clone() } else { labels.keep(|name| name != NAME) }
}

/// Joins rows that have the same labels now. That is an error where two of them have a value at the
/// same step.
fn merge(rows: Vec<Row>) -> Evaluated<Vec<Row>> {
    let mut places = std::collections::HashMap::with_capacity(rows.len());
    let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        let place = *places.entry(row.labels.clone()).or_insert(merged.len());
        let Some(first) = merged.get_mut(place) else {
            merged.push(row);
            continue;
        };
        for (into, value) in first.values.iter_mut().zip(row.values) {
            if into.is_some() && value.is_some() {
                return fail("vector cannot contain metrics with the same labelset");
            }
            *into = into.or(value);
        }
    }
    Ok(merged)
}

/// Orders floats with NaN at the end.
fn ascending(a: f64, b: f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then(a.partial_cmp(&b).unwrap_or(Ordering::Equal))
}

/// Orders floats downwards with NaN at the end.
fn descending(a: f64, b: f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then(b.partial_cmp(&a).unwrap_or(Ordering::Equal))
}

/// The φ-quantile by linear interpolation; `values` need not be sorted.
fn quantile(phi: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    // Prometheus lets NaN sort first here.
    values.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(ascending(*a, *b)));
    let rank = phi * (values.len() as f64 - 1.0);
    let lower = rank.floor().max(0.0) as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// A sum that keeps what rounding loses (Kahan and Neumaier).
#[derive(Clone, Copy, Default)]
struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    fn of(values: impl IntoIterator<Item = f64>) -> f64 {
        let mut sum = Self::default();
        values.into_iter().for_each(|value| sum.add(value));
        sum.value()
    }

    fn add(&mut self, value: f64) {
        let total = self.total + value;
        self.lost += if total.is_infinite() {
            -self.lost
        } else if self.total.abs() >= value.abs() {
            (self.total - total) + value
        } else {
            (value - total) + self.total
        };
        self.total = total;
    }

    fn value(self) -> f64 {
        if self.total.is_infinite() { self.total } else { self.total + self.lost }
    }
}

/// The mean; computed in small steps where the sum would leave the range of floats.
fn mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let total = Sum::of(values.iter().copied());
    if total.is_finite() || values.iter().any(|value| !value.is_finite()) {
        return total / count;
    }
    Sum::of(values.iter().map(|value| value / count))
}

/// The population variance (Welford), as Prometheus computes it.
fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut square) = (Sum::default(), Sum::default());
    for (index, value) in values.iter().enumerate() {
        let delta = value - mean.value();
        mean.add(delta / (index + 1) as f64);
        square.add(delta * (value - mean.value()));
    }
    square.value() / values.len() as f64
}
