//! What the store counts by itself: lines by time and by at most two fields.

use std::{collections::BTreeMap, time::Duration};

use model::{UnixMs, series::TimeRange};
use store::events::{GroupBy, Key};

use super::{Evaluation, Failure, Labels, Series};
use crate::api::{
    loki::{
        entry::field,
        logql::{RangeOf, RangeOp},
        plan::Plan,
    },
    scan,
};

/// Steps of time of one question to the store.
const STEPS_AT_ONCE: i64 = 1_000;
/// Most steps of time altogether; with more, lines are read.
const STEPS_MAX: i64 = 100_000;

impl Evaluation<'_> {
    /// `None`: the store cannot.
    pub(super) fn count(
        &mut self,
        range: &RangeOf,
        by: &[String],
    ) -> Result<Option<Vec<Series>>, Failure> {
        let is_count = matches!(range.op, RangeOp::Count | RangeOp::Rate | RangeOp::Absent);
        let plan = Plan::new(&range.log);
        if !is_count || range.unwrap().is_some() || !plan.is_whole() {
            return Ok(None);
        }
        let named: Option<Vec<&str>> = by.iter().map(|label| field(label)).collect();
        let Some(named) = named else { return Ok(None) };
        let mut fields = named.clone();
        fields.sort_unstable();
        fields.dedup();
        if fields.len() > 2 {
            return Ok(None);
        }
        let Some(width) = self.width(range) else { return Ok(None) };
        let counted = self.buckets(range, &plan, &fields, width)?;
        let per = match range.op {
            RangeOp::Rate => 1e3 / range.range_ms as f64,
            _ => 1.0,
        };
        let window = usize::try_from(range.range_ms / width).unwrap_or(1).max(1);
        let stride = usize::try_from(self.grid.step / width).unwrap_or(1);
        let mut series: BTreeMap<Labels, Series> = BTreeMap::new();
        self.reserve(counted.len())?;
        for (keys, buckets) in counted {
            let labels = labelled(by, &named, &fields, &keys);
            let mut sums = vec![0_u64];
            let mut total = 0;
            for bucket in &buckets {
                total += bucket;
                sums.push(total);
            }
            let at = |index: usize| sums.get(index.min(sums.len() - 1)).copied().unwrap_or(0);
            let value = |step: usize| {
                let count = at(step * stride + window) - at(step * stride);
                (count > 0).then_some(count as f64 * per)
            };
            let values: Vec<_> = (0..self.grid.steps).map(value).collect();
            if values.iter().any(Option::is_some) {
                series.insert(labels.clone(), Series { labels, values });
            }
        }
        Ok(Some(series.into_values().collect()))
    }

    /// How long the steps of time are of which spans consist, in milliseconds.
    fn width(&self, range: &RangeOf) -> Option<i64> {
        if self.grid.steps == 1 {
            return Some(range.range_ms);
        }
        let width = [self.grid.step, range.range_ms, range.offset_ms, self.grid.start]
            .into_iter()
            .fold(0, divisor);
        let span = self.grid.step * self.grid.steps as i64 + range.range_ms;
        (span / width <= STEPS_MAX).then_some(width)
    }

    /// The counts of each group for each step of time, from the first span on.
    fn buckets(
        &mut self,
        range: &RangeOf,
        plan: &Plan,
        fields: &[&str],
        width: i64,
    ) -> Result<BTreeMap<Vec<Key>, Vec<u64>>, Failure> {
        let first = self.grid.start - range.offset_ms - range.range_ms;
        let end = self.grid.time(self.grid.steps - 1) - range.offset_ms;
        let steps = usize::try_from((end - first) / width).unwrap_or_default();
        let mut by: Vec<GroupBy<'_>> = fields.iter().map(|field| GroupBy::Field(field)).collect();
        // One span need not be cut up, and so may begin anywhere.
        let is_cut_up = self.grid.steps > 1;
        if is_cut_up {
            by.push(GroupBy::Time(Duration::from_millis(width.unsigned_abs())));
        }
        let mut counted: BTreeMap<Vec<Key>, Vec<u64>> = BTreeMap::new();
        let mut from = first;
        while from < end {
            let to = match is_cut_up {
                true => end.min(from + width * STEPS_AT_ONCE),
                false => end,
            };
            let span = TimeRange { start: UnixMs(from), end: UnixMs(to - 1) };
            let rows = scan::counts(self.events, &plan.filter, span, &by, self.budget)?;
            for (mut keys, count) in rows {
                let at = match is_cut_up.then(|| keys.pop()).flatten() {
                    Some(Key::Time(time)) => usize::try_from((time.0 - first) / width).ok(),
                    _ => Some(0),
                };
                self.lines += count as usize;
                if !counted.contains_key(&keys) {
                    self.room(counted.len() + 1, steps)?;
                }
                let buckets = counted.entry(keys).or_insert_with(|| vec![0; steps.max(1)]);
                if let Some(bucket) = at.and_then(|at| buckets.get_mut(at)) {
                    *bucket += count;
                }
            }
            from = to;
        }
        Ok(counted)
    }
}

/// The greatest common divisor.
fn divisor(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

/// A label may be asked for under several names.
fn labelled(by: &[String], named: &[&str], fields: &[&str], keys: &[Key]) -> Labels {
    let mut labels = Labels::new();
    for (label, field) in by.iter().zip(named) {
        let key = fields.iter().position(|known| known == field).and_then(|at| keys.get(at));
        if let Some(Key::Value(value)) = key {
            labels.insert(label.clone(), value.to_string());
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divisors() {
        let check = |numbers: &[i64], expected| {
            assert_eq!(numbers.iter().copied().fold(0, divisor), expected);
        };
        check(&[15_000, 60_000, 0, 120_000], 15_000);
        check(&[7_000, 60_000], 1_000);
        check(&[0], 1);
        check(&[5_000, -3_000], 1_000);
    }
}
