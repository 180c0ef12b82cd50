//! Evaluation: every expression for all steps of the grid at once.

mod absent;
mod aggregate;
mod binary;
mod calendar;
mod classic;
mod extended;
pub(crate) mod functions;
mod info;
mod labels;
mod length;
mod math;
mod notes;
mod points;
mod row;
mod rows;
mod select;
mod sort;
mod stream;
mod tally;
mod window;
mod windows;

use std::{cell::RefCell, sync::Arc, time::Duration};

use model::{
    Labels, UnixMs,
    histogram::{Histogram, ResetHint},
    series::{Budget, SelectError, SeriesData, SeriesSource},
};

use self::{
    notes::Notes,
    points::{Matrix, Points},
    row::{Row, merge, unnamed},
    rows::{Loaded, Need},
    tally::Tally,
};
use crate::{
    ast::{Expr, Kind, Node, Subquery, Type},
    value::{Element, Output, Series, Value},
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
    /// More than 0; 0 of an instant. A range of a single time is no instant.
    pub step_ms: i64,
}

impl Grid {
    /// A single time.
    pub fn instant(time: UnixMs) -> Self {
        Self { start: time, end: time, step_ms: 0 }
    }

    fn is_instant(self) -> bool {
        self.step_ms == 0
    }

    fn len(self) -> usize {
        let span = self.end.0.saturating_sub(self.start.0);
        usize::try_from((span / self.step_ms.max(1)).saturating_add(1)).unwrap_or(0)
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
    /// Nothing of this type can be evaluated over a grid.
    #[error("invalid expression type {0:?} for range query, must be Scalar or instant Vector")]
    NoRange(&'static str),
    #[error("{0}")]
    Failed(String),
}

type Evaluated<T> = Result<T, QueryError>;

fn fail<T>(message: impl Into<String>) -> Evaluated<T> {
    Err(QueryError::Failed(message.into()))
}

/// Evaluates `expr` over `grid`. An instant yields the type of the expression; a range always a matrix, sorted
/// by labels.
pub fn evaluate(
    expr: &Expr,
    source: &dyn SeriesSource,
    grid: Grid,
    settings: &Settings,
    budget: &Budget,
) -> Evaluated<Output> {
    let (notes, tally) = (RefCell::default(), RefCell::<Tally>::default());
    let context = Context {
        source,
        settings,
        budget,
        grid,
        outer: grid,
        text: &expr.text,
        notes: &notes,
        tally: &tally,
        is_inner: false,
        finds_resets: false,
    };
    // Before anything is made for each step.
    context.check_size(1)?;
    if settings.counts_per_step {
        tally.borrow_mut().count_per_step(grid.len());
    }
    let value = context.value(&expr.root)?;
    let (warnings, infos) = notes.into_inner().into_texts(&expr.text);
    let stats = tally.into_inner().into_stats(grid);
    Ok(Output { value, warnings, infos, stats })
}

#[derive(Clone, Copy)]
struct Context<'a> {
    source: &'a dyn SeriesSource,
    settings: &'a Settings,
    budget: &'a Budget,
    grid: Grid,
    /// The grid of the whole query, which `start()` and `end()` mean also inside a subquery.
    outer: Grid,
    /// The query, for places in it.
    text: &'a str,
    notes: &'a RefCell<Notes>,
    tally: &'a RefCell<Tally>,
    /// Whether it is that of a subquery, whose samples are counted where its windows are.
    is_inner: bool,
    /// Whether histograms are told anew which of them began at zero, seen from the one before.
    finds_resets: bool,
}

impl Context<'_> {
    fn value(&self, root: &Node) -> Evaluated<Value> {
        let grid = self.grid;
        let is_instant = grid.is_instant();
        Ok(match root.kind_of() {
            kind @ (Type::Matrix | Type::String) if !is_instant => {
                return Err(QueryError::NoRange(kind.words()));
            }
            Type::String => {
                let bytes = self.bytes(root)?;
                Value::String(String::from_utf8_lossy(bytes).into_owned())
            }
            Type::Matrix => Value::Matrix(self.raw(root)?),
            Type::Scalar if is_instant => {
                Value::Scalar(self.scalar(root)?.first().copied().unwrap_or(f64::NAN))
            }
            Type::Scalar => {
                // A scalar is a float also where it is the stale marker.
                let times = (0..self.steps()).map(|step| grid.time(step)).collect();
                let values = self.scalar(root)?;
                Value::Matrix(vec![Series { times, values, ..Series::default() }])
            }
            Type::Vector => self.finished(root)?,
        })
    }

    /// An instant vector for those who asked.
    fn finished(&self, root: &Node) -> Evaluated<Value> {
        let mut rows = self.vector(root)?;
        if self.settings.delays_name_removal {
            for row in rows.iter_mut().filter(|row| row.drops_name) {
                row.labels = row::without_name(&row.labels);
            }
            rows = merge(self, rows)?;
        }
        if self.grid.is_instant() {
            let element = |row: Row| Some(Element { sample: row.sample(0)?, labels: row.labels });
            return Ok(Value::Vector(rows.into_iter().filter_map(element).collect()));
        }
        let rows = rows.into_iter().filter(|row| !row.is_empty());
        let mut series: Vec<Series> = rows.map(|row| row.into_series(self.grid)).collect();
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Value::Matrix(series))
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

    /// The bytes of a string literal.
    fn bytes<'n>(&self, node: &'n Node) -> Evaluated<&'n [u8]> {
        match &node.bare().kind {
            Kind::String(bytes) => Ok(bytes),
            _ => fail("expected a string literal"),
        }
    }

    fn string<'n>(&self, node: &'n Node) -> Evaluated<&'n str> {
        let bytes = self.bytes(node)?;
        std::str::from_utf8(bytes)
            .or_else(|_| fail(format!("string {:?} is not UTF-8", String::from_utf8_lossy(bytes))))
    }

    fn scalar(&self, node: &Node) -> Evaluated<Vec<f64>> {
        self.check_size(1)?;
        match &node.kind {
            Kind::Number { value, .. } => Ok(vec![*value; self.steps()]),
            Kind::Paren(inner) | Kind::Signed { is_negative: false, inner } => self.scalar(inner),
            Kind::Signed { inner, .. } => {
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
            Kind::Selector(selector) => match selector.extension {
                Some(extension) => extended::newest(self, selector, node, extension),
                None => self.select(selector, node),
            },
            Kind::Paren(inner) | Kind::Signed { is_negative: false, inner } => self.vector(inner),
            Kind::Signed { inner, .. } => {
                let mut rows = self.vector(inner)?;
                for row in &mut rows {
                    binary::negate(row);
                    for histogram in row.histograms.iter().flatten() {
                        self.count_made(histogram)?;
                    }
                }
                unnamed(self, rows)
            }
            Kind::Binary(binary) => binary::vector(self, binary, node),
            Kind::Aggregate(aggregate) => aggregate::evaluate(self, aggregate, node),
            Kind::Call(function, arguments) => functions::vector(self, function, arguments, node),
            _ => fail("expected an instant vector"),
        }
    }

    fn matrix(&self, node: &Node, need: Need) -> Evaluated<Matrix> {
        match &node.bare().kind {
            Kind::Window(window) => self.window(window, node, need),
            Kind::Subquery(subquery) => self.subquery(subquery, true),
            _ => fail("expected a range vector"),
        }
    }

    /// `is_inner` unless what it reads is counted, because no windows over it are.
    fn subquery(&self, subquery: &Subquery, is_inner: bool) -> Evaluated<Matrix> {
        let ends = self.times(&subquery.shift)?;
        let range_ms = self.length(&subquery.range)?;
        let step = match &subquery.step {
            Some(step) => self.length(step)?,
            None => millis(self.settings.subquery_step),
        };
        let (Some(first), Some(last)) = (ends.first(), ends.last()) else {
            return fail("no step to evaluate at");
        };
        // Aligned to the epoch, so that the same points are asked for whenever the query runs.
        let open = first.saturating_sub(range_ms);
        let start = (open.div_euclid(step) + 1).saturating_mul(step);
        let mut series = Vec::new();
        if start <= *last {
            let grid = Grid { start: UnixMs(start), end: UnixMs(*last), step_ms: step };
            let inner = Context { grid, is_inner, finds_resets: false, ..*self };
            inner.check_size(1)?;
            let rows = match subquery.inner.kind_of() {
                Type::Scalar => vec![Row::new(Labels::empty(), inner.scalar(&subquery.inner)?)],
                _ => inner.vector(&subquery.inner)?,
            };
            inner.check_size(rows.len())?;
            for row in rows {
                let drops_name = row.drops_name;
                let Series { labels, times, values, mut histograms } = row.into_series(grid);
                histograms.iter_mut().for_each(|(_, histogram)| forget_reset(histogram));
                let series_data = SeriesData { labels, times, values };
                let loaded = Loaded { series: series_data, weights: Vec::new(), histograms };
                series.push(Points::new(loaded, drops_name));
            }
        }
        Ok(Matrix { series, range_ms, ends })
    }

    /// A range vector as itself, for an instant.
    fn raw(&self, node: &Node) -> Evaluated<Vec<Series>> {
        if let Some(window) = extended::of(node) {
            return extended::raw(self, node, window);
        }
        let subquery = match &node.bare().kind {
            Kind::Subquery(subquery) => Some(subquery),
            _ => None,
        };
        let matrix = match subquery {
            Some(subquery) => self.subquery(subquery, false)?,
            None => self.matrix(node, Need::POINTS)?,
        };
        let mut found: Vec<Series> = Vec::with_capacity(matrix.series.len());
        for points in &matrix.series {
            let windows = points.windows(&matrix.ends, matrix.range_ms);
            for (step, window) in windows.enumerate().filter(|(_, window)| !window.is_empty()) {
                if subquery.is_none() {
                    self.count(step, window.weight());
                }
                let labels = if points.drops_name {
                    row::without_name(&points.labels)
                } else {
                    points.labels.clone()
                };
                found.push(Series {
                    labels,
                    times: window.times.to_vec(),
                    values: window.values.to_vec(),
                    histograms: window.histograms.to_vec(),
                });
            }
        }
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(found)
    }
}

/// The points of a subquery lie further apart than those whose counters were compared.
fn forget_reset(histogram: &mut Arc<Histogram>) {
    if matches!(histogram.reset_hint, ResetHint::Reset | ResetHint::NoReset) {
        Arc::make_mut(histogram).reset_hint = ResetHint::Unknown;
    }
}

/// Whole milliseconds.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
