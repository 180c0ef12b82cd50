//! What is made of lines that are read one by one.

use std::{collections::HashMap, ops::ControlFlow};

use model::{UnixMs, series::TimeRange};
use store::events::QueryError;

use super::{Evaluation, Failure, Labels, SERIES_MAX, Series};
use crate::api::{
    loki::{
        entry::{Entry, canonical},
        logql::{RangeOf, RangeOp},
        plan::Plan,
    },
    scan::{LINES_READ_MAX, Scan},
};

/// Samples that one question adds up at most: each counts for every span that it is in.
const WORK_MAX: usize = 200_000_000;

/// Times in milliseconds with their numbers, the newest first while they are read.
type Samples = Vec<(i64, f64)>;

impl Evaluation<'_> {
    pub(super) fn read(
        &mut self,
        range: &RangeOf,
        by: Option<&[String]>,
    ) -> Result<Vec<Series>, Failure> {
        let plan = Plan::new(&range.log);
        let first = self.grid.start - range.offset_ms - range.range_ms;
        let end = self.grid.time(self.grid.steps - 1) - range.offset_ms;
        let scan = Scan {
            events: self.events,
            filter: &plan.filter,
            range: TimeRange { start: UnixMs(first), end: UnixMs(end - 1) },
            is_newest_first: true,
            wanted: None,
            budget: self.budget,
        };
        let mut found: HashMap<Vec<(String, String)>, Samples> = HashMap::new();
        let (mut left_out, mut is_full, mut why) = (0_usize, false, String::new());
        let scanned = scan.each(|_, line| {
            let mut entry = Entry::new(line);
            if !entry.satisfies(&plan.matchers) || !entry.pass(&plan.stages) {
                return ControlFlow::Continue(());
            }
            if let Some(error) = entry.error() {
                left_out += 1;
                why = error.to_owned();
                return ControlFlow::Continue(());
            }
            let number = sample(range, &entry);
            let samples = found.entry(identity(&entry, range, by)).or_default();
            samples.push((entry.time.0, number));
            is_full = found.len() > SERIES_MAX;
            if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        self.lines += scanned.lines;
        self.bytes += scanned.bytes;
        if left_out > 0 {
            self.warnings.push(format!(
                "{left_out} lines are left out of the answer because a step of the pipeline failed ({why})"
            ));
        }
        if scanned.is_cut {
            self.warnings.push(format!(
                "only the newest {LINES_READ_MAX} lines were read; narrow the time or the selector"
            ));
        }
        self.reserve(found.len())?;
        let mut series = Vec::with_capacity(found.len());
        let mut work = 0;
        for (labels, mut samples) in found {
            samples.reverse();
            let values = self.values_of(range, &samples, &mut work)?;
            if values.iter().any(Option::is_some) {
                series.push(Series { labels: labels.into_iter().collect::<Labels>(), values });
            }
        }
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(series)
    }

    /// For each step what the samples of the span before it come to.
    fn values_of(
        &self,
        range: &RangeOf,
        samples: &[(i64, f64)],
        work: &mut usize,
    ) -> Result<Vec<Option<f64>>, Failure> {
        let (mut from, mut to) = (0, 0);
        let mut values = Vec::with_capacity(self.grid.steps);
        for step in 0..self.grid.steps {
            let end = self.grid.time(step) - range.offset_ms;
            let start = end - range.range_ms;
            let is_before = |at: usize, time: i64| samples.get(at).is_some_and(|(t, _)| *t < time);
            while is_before(to, end) {
                to += 1;
            }
            while is_before(from, start) {
                from += 1;
            }
            let inside = samples.get(from..to).unwrap_or_default();
            *work += inside.len();
            if *work > WORK_MAX || (step % 256 == 0 && self.budget.check().is_err()) {
                return Err(QueryError::Timeout.into());
            }
            values.push(summed(range, inside));
        }
        Ok(values)
    }
}

/// The number that a line counts as.
fn sample(range: &RangeOf, entry: &Entry) -> f64 {
    match range.op {
        RangeOp::Bytes | RangeOp::BytesRate => entry.line.len() as f64,
        RangeOp::Count | RangeOp::Absent => 1.0,
        _ => entry.number.unwrap_or(1.0),
    }
}

/// The labels that tell its series from others.
fn identity(entry: &Entry, range: &RangeOf, by: Option<&[String]>) -> Vec<(String, String)> {
    if let Some(by) = by {
        let label = |name: &String| (name.clone(), entry.get(name).to_owned());
        let mut labels: Vec<_> = by.iter().map(label).collect();
        labels.retain(|(_, value)| !value.is_empty());
        labels.sort();
        labels.dedup();
        return labels;
    }
    let without = range.grouping.as_ref().map_or(&[][..], |grouping| &grouping.labels);
    let is_kept = |name: &str| without.iter().all(|without| canonical(without) != name);
    let kept = entry.labels.iter().filter(|label| is_kept(&label.name));
    let mut labels: Vec<_> =
        kept.map(|label| (label.name.to_string(), label.value.clone())).collect();
    labels.sort();
    labels
}

fn summed(range: &RangeOf, samples: &[(i64, f64)]) -> Option<f64> {
    let (first, last) = (samples.first()?.1, samples.last()?.1);
    let numbers = || samples.iter().map(|(_, number)| *number);
    let sum = || numbers().sum::<f64>();
    let seconds = range.range_ms as f64 / 1e3;
    Some(match range.op {
        RangeOp::Count | RangeOp::Absent => samples.len() as f64,
        RangeOp::Rate | RangeOp::BytesRate => sum() / seconds,
        RangeOp::Bytes | RangeOp::Sum => sum(),
        RangeOp::Average => sum() / samples.len() as f64,
        RangeOp::Min => numbers().fold(f64::INFINITY, f64::min),
        RangeOp::Max => numbers().fold(f64::NEG_INFINITY, f64::max),
        RangeOp::First => first,
        RangeOp::Last => last,
        RangeOp::Quantile => quantile(numbers().collect(), range.parameter),
    })
}

/// Between the two nearest numbers, as Prometheus and Loki have it.
fn quantile(mut numbers: Vec<f64>, part: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let rank = part * (numbers.len() as f64 - 1.0);
    let (low, high) = (rank.floor() as usize, rank.ceil() as usize);
    let at = |index: usize| numbers.get(index).copied().unwrap_or(f64::NAN);
    at(low) + (at(high) - at(low)) * (rank - rank.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let check = |numbers: &[f64], part, expected| {
            assert_eq!(quantile(numbers.to_vec(), part), expected);
        };
        check(&[3.0, 1.0, 2.0], 0.5, 2.0);
        check(&[1.0, 2.0], 0.5, 1.5);
        check(&[5.0], 0.99, 5.0);
        check(&[1.0, 2.0, 3.0], 1.0, 3.0);
        check(&[1.0, 2.0, 3.0], 0.0, 1.0);
    }
}
