//! What a script has loaded, as a source for queries.

use std::collections::BTreeMap;

use model::{
    Labels,
    histogram::{Buckets, CUSTOM_SCHEMA, Histogram, ResetHint},
    sample::is_stale,
    series::{Budget, HistogramSeries, Matcher, SelectError, SeriesData, SeriesSource, TimeRange},
};

use super::{
    histogram::by_index,
    points::{Line, Point},
};

type Points = BTreeMap<i64, Stored>;

#[derive(Clone, Debug)]
enum Stored {
    Float(f64),
    Histogram(Histogram),
}

/// Series with their points by time.
#[derive(Clone, Debug, Default)]
pub struct Memory(BTreeMap<Labels, Points>);

impl Memory {
    /// Stores the points of a line from `start` on, one each `step` milliseconds.
    pub fn load(&mut self, line: &Line, start: i64, step: i64) {
        for (time, point) in line.timed(start, step) {
            self.insert(&line.labels, time, point);
        }
    }

    /// Of two points of a series at one time the first counts, as in other stores.
    pub fn insert(&mut self, labels: &Labels, time: i64, point: &Point) {
        match point {
            Point::Float(value) => self.insert_float(labels, time, *value),
            Point::Histogram(written) => {
                self.insert_histogram(labels, time, written.histogram.clone());
            }
        }
    }

    pub fn insert_float(&mut self, labels: &Labels, time: i64, value: f64) {
        let points = self.0.entry(labels.clone()).or_default();
        let newest = points.range(..time).next_back();
        // The end of a series of histograms is one itself.
        let point = match newest {
            Some((_, Stored::Histogram(_))) if is_stale(value) => {
                Stored::Histogram(Histogram::stale())
            }
            _ => Stored::Float(value),
        };
        points.entry(time).or_insert(point);
    }

    pub fn insert_histogram(&mut self, labels: &Labels, time: i64, histogram: Histogram) {
        let points = self.0.entry(labels.clone()).or_default();
        points.entry(time).or_insert(Stored::Histogram(histogram));
    }

    fn matching<'a>(
        &'a self,
        matchers: &'a [Matcher],
    ) -> impl Iterator<Item = (&'a Labels, &'a Points)> {
        self.0.iter().filter(|(labels, _)| Matcher::all_match(matchers, labels))
    }
}

impl SeriesSource for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        budget.check()?;
        let (mut found, mut samples) = (Vec::new(), 0);
        for (labels, points) in self.matching(matchers) {
            let float = |(time, point): (&i64, &Stored)| match point {
                Stored::Float(value) => Some((*time, *value)),
                Stored::Histogram(_) => None,
            };
            let inside = points.range(range.start.0..=range.end.0.max(range.start.0));
            let (times, values): (Vec<i64>, Vec<f64>) = inside.filter_map(float).unzip();
            samples += times.len() as u64;
            if !times.is_empty() {
                found.push(SeriesData { labels: labels.clone(), times, values });
            }
        }
        if samples > budget.samples_max { Err(SelectError::TooManySamples) } else { Ok(found) }
    }

    fn select_histograms(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<HistogramSeries>, SelectError> {
        budget.check()?;
        let (mut found, mut samples) = (Vec::new(), 0);
        for (labels, points) in self.matching(matchers) {
            let (times, histograms): (Vec<i64>, Vec<Histogram>) =
                with_hints(points).into_iter().filter(|(time, _)| is_inside(range, *time)).unzip();
            samples += histograms.iter().map(Histogram::weight).sum::<u64>();
            if !times.is_empty() {
                found.push(HistogramSeries { labels: labels.clone(), times, histograms });
            }
        }
        if samples > budget.samples_max { Err(SelectError::TooManySamples) } else { Ok(found) }
    }

    fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<Labels>, SelectError> {
        budget.check()?;
        let has_points = |points: &Points| {
            points.range(range.start.0..=range.end.0.max(range.start.0)).next().is_some()
        };
        let series = self.matching(matchers).filter(|(_, points)| has_points(points));
        Ok(series.map(|(labels, _)| labels.clone()).collect())
    }
}

fn is_inside(range: TimeRange, time: i64) -> bool {
    range.start.0 <= time && time <= range.end.0
}

/// The histograms with the counter reset hints that Prometheus' database gives them: it stores runs
/// without resets, knows that within a run there is none, and knows nothing of the first of a run.
fn with_hints(points: &Points) -> Vec<(i64, Histogram)> {
    let mut hinted = Vec::new();
    let mut previous: Option<&Histogram> = None;
    for (time, point) in points {
        let Stored::Histogram(histogram) = point else {
            previous = None;
            continue;
        };
        let reset_hint = match previous {
            _ if histogram.reset_hint == ResetHint::Gauge => ResetHint::Gauge,
            Some(previous) if continues(previous, histogram) => ResetHint::NoReset,
            _ => ResetHint::Unknown,
        };
        hinted.push((*time, Histogram { reset_hint, ..histogram.clone() }));
        previous = Some(histogram);
    }
    hinted
}

/// Whether `next` can be in one run with `previous`.
fn continues(previous: &Histogram, next: &Histogram) -> bool {
    let is_side_growing = |previous: &Buckets, next: &Buckets| {
        let next = by_index(next);
        by_index(previous)
            .iter()
            .all(|(index, count)| next.get(index).copied().unwrap_or_default() >= *count)
    };
    if previous.reset_hint == ResetHint::Gauge || next.reset_hint == ResetHint::Reset {
        return false;
    }
    if next.is_stale() || previous.is_stale() {
        return next.is_stale();
    }
    let has_custom = next.schema == CUSTOM_SCHEMA;
    next.schema == previous.schema
        && next.zero_threshold == previous.zero_threshold
        && (!has_custom || next.custom_bounds == previous.custom_bounds)
        && next.count >= previous.count
        && next.zero_count >= previous.zero_count
        && is_side_growing(&previous.positive, &next.positive)
        && is_side_growing(&previous.negative, &next.negative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_of_stored_histograms() {
        use ResetHint::{Gauge, NoReset, Unknown};
        let check = |line: &str, expected: &[ResetHint]| {
            let mut memory = Memory::default();
            memory.load(&Line::read(line).unwrap(), 0, 1_000);
            let hints: Vec<ResetHint> = memory
                .0
                .values()
                .flat_map(with_hints)
                .map(|(_, histogram)| histogram.reset_hint)
                .collect();
            assert_eq!(hints, expected, "{line}");
        };
        check("a {{count:1}}+{{count:1}}x2", &[Unknown, NoReset, NoReset]);
        check("a {{count:3}} {{count:2}} {{count:2}}", &[Unknown, Unknown, NoReset]);
        check("a {{count:1}} 5 {{count:2}}", &[Unknown, Unknown]);
        check("a {{count:1 counter_reset_hint:gauge}}x1 {{count:1}}", &[Gauge, Gauge, Unknown]);
        check("a {{count:1 buckets:[1]}} {{count:1 buckets:[1] offset:1}}", &[Unknown, Unknown]);
        check("a {{count:1 buckets:[1 0]}} {{count:1 buckets:[1]}}", &[Unknown, NoReset]);
        check("a {{count:1}} stale {{count:1}}", &[Unknown, NoReset, Unknown]);
    }
}
