//! What metric queries come to: series over the steps of a grid.
//!
//! What the store can count is counted there; otherwise lines are read one by one. Times are known to the
//! millisecond, cut off: a line is in the span before a step if it is not older than the span is long, and older
//! than the step. Its bias: what counts how often which level was there is a single pass.

mod combine;
mod count;
mod read;

use std::{collections::BTreeMap, time::Duration};

use model::{UnixMs, series::Budget};
use store::events::{Events, QueryError};

use super::logql::{Expr, GroupOp, Grouped, RangeOf, RangeOp};

/// Most steps of an answer.
pub(super) const STEPS_MAX: i64 = 11_000;
/// Most series of an answer, and of what it is made of.
const SERIES_MAX: usize = 5_000;
/// Most values at the same time.
const VALUES_MAX: usize = 4_000_000;

/// When values are wanted, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) start: i64,
    /// Not 0.
    pub(super) step: i64,
    pub(super) steps: usize,
}

impl Grid {
    pub(super) fn instant(time: UnixMs) -> Self {
        Self { start: time.0, step: 1, steps: 1 }
    }

    /// Of times that are multiples of the step, as Loki makes them where it may keep what it answered.
    pub(super) fn aligned(start: UnixMs, end: UnixMs, step: Duration) -> Result<Self, String> {
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let (first, last) = (start.0.div_euclid(step), end.0.div_euclid(step));
        if last - first >= STEPS_MAX {
            return Err(format!(
                "exceeded maximum resolution of {STEPS_MAX} points per time series. Try increasing the value of \
                 the step parameter"
            ));
        }
        let steps = usize::try_from(last - first + 1).unwrap_or(0);
        Ok(Self { start: first * step, step, steps })
    }

    pub(super) fn time(self, index: usize) -> i64 {
        self.start + self.step * index as i64
    }
}

/// By name.
pub(super) type Labels = BTreeMap<String, String>;

/// A value for each step where there is one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) values: Vec<Option<f64>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Scalar(f64),
    Vector(Vec<Series>),
}

/// What a query is evaluated with, and what it cost.
pub(super) struct Evaluation<'a> {
    pub(super) events: &'a Events,
    pub(super) budget: &'a Budget,
    pub(super) grid: Grid,
    pub(super) lines: usize,
    pub(super) bytes: usize,
    /// What must be said of the answer.
    pub(super) warnings: Vec<String>,
    values: usize,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    Store(QueryError),
    Other(String),
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self::Store(error)
    }
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(events: &'a Events, budget: &'a Budget, grid: Grid) -> Self {
        Self { events, budget, grid, lines: 0, bytes: 0, warnings: Vec::new(), values: 0 }
    }

    pub(super) fn evaluate(&mut self, expr: &Expr) -> Result<Value, Failure> {
        if self.budget.check().is_err() {
            return Err(QueryError::Timeout.into());
        }
        match expr {
            Expr::Log(_) => Err(Failure::Other("lines are not a metric".to_owned())),
            Expr::Number(number) => Ok(Value::Scalar(*number)),
            Expr::Vector(number) => {
                let values = vec![Some(*number); self.grid.steps];
                Ok(Value::Vector(vec![Series { labels: Labels::new(), values }]))
            }
            Expr::Range(range) => self.range(range, None).map(Value::Vector),
            Expr::Group(grouped) => self.group(grouped).map(Value::Vector),
            Expr::Binary(binary) => {
                let left = self.evaluate(&binary.left)?;
                let right = self.evaluate(&binary.right)?;
                Ok(combine::binary(binary, left, right))
            }
        }
    }

    fn group(&mut self, grouped: &Grouped) -> Result<Vec<Series>, Failure> {
        let inner = match (&*grouped.inner, &grouped.grouping) {
            // Sums of sums: the labels that are not asked for need not be told apart.
            (Expr::Range(range), grouping)
                if grouped.op == GroupOp::Sum
                    && is_additive(range.op)
                    && range.grouping.is_none()
                    && grouping.as_ref().is_none_or(|grouping| !grouping.is_without) =>
            {
                let labels = grouping.as_ref().map_or(&[][..], |grouping| &grouping.labels);
                self.range(range, Some(labels))?
            }
            (inner, _) => match self.evaluate(inner)? {
                Value::Vector(series) => series,
                Value::Scalar(_) => {
                    let text = "a number cannot be grouped; write vector(...)";
                    return Err(Failure::Other(text.to_owned()));
                }
            },
        };
        Ok(combine::group(grouped, inner, self.grid.steps))
    }

    /// The series of a function over time. With `by`, those that are equal in these labels are one.
    fn range(&mut self, range: &RangeOf, by: Option<&[String]>) -> Result<Vec<Series>, Failure> {
        let by = match (&range.grouping, by, range.op) {
            (_, _, RangeOp::Absent) => Some(&[][..]),
            (Some(grouping), None, _) if !grouping.is_without => Some(grouping.labels.as_slice()),
            (_, by, _) => by,
        };
        let counted = match by {
            Some(by) => self.count(range, by)?,
            None => None,
        };
        let series = match counted {
            Some(series) => series,
            None => self.read(range, by)?,
        };
        if range.op == RangeOp::Absent {
            return Ok(combine::absent(range, &series, self.grid.steps));
        }
        Ok(series)
    }

    /// Takes room for so many series more.
    fn reserve(&mut self, series: usize) -> Result<(), Failure> {
        self.room(series, self.grid.steps)?;
        self.values += series * self.grid.steps;
        Ok(())
    }

    /// Whether there is room for so many series more of so many values each.
    fn room(&self, series: usize, values: usize) -> Result<(), Failure> {
        if series <= SERIES_MAX && self.values + series * values <= VALUES_MAX {
            return Ok(());
        }
        Err(Failure::Other(format!(
            "maximum of series ({SERIES_MAX}) or of values ({VALUES_MAX}) reached for a single query; consider \
             reducing query cardinality by adding more specific stream selectors, reducing the time range, or \
             aggregating results with functions like sum(), count() or topk()"
        )))
    }
}

/// Whether the result for a group is the sum of those for its parts.
fn is_additive(op: RangeOp) -> bool {
    matches!(
        op,
        RangeOp::Count | RangeOp::Rate | RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum
    )
}
