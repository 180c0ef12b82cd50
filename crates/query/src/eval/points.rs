//! Range vectors: series with all the points that any window of theirs needs.

use std::{cell::OnceCell, sync::Arc};

use model::{Labels, histogram::Histogram, sample::is_stale, series::SeriesData};

use super::rows::Loaded;

/// So many values have their extremes found out beforehand, so that a long window looks at few of them.
const BLOCK: usize = 32;

/// A range vector: series and where its windows lie.
pub(super) struct Matrix {
    pub(super) series: Vec<Points>,
    pub(super) range_ms: i64,
    /// The end of the window of each step.
    pub(super) ends: Vec<i64>,
}

/// A series with its points, stale markers taken out, and what is found out once for all of its windows.
pub(super) struct Points {
    pub(super) labels: Labels,
    /// As of a row, where a subquery made it.
    pub(super) drops_name: bool,
    pub(super) times: Vec<i64>,
    pub(super) values: Vec<f64>,
    pub(super) histograms: Vec<(i64, Arc<Histogram>)>,
    /// How many samples each value stands for; empty where it is always one.
    weights: Vec<f64>,
    /// Where a value is less than the one before.
    resets: OnceCell<Vec<usize>>,
    /// Of each block of values.
    minima: OnceCell<Vec<f64>>,
    maxima: OnceCell<Vec<f64>>,
}

impl Points {
    pub(super) fn new(loaded: Loaded, drops_name: bool) -> Self {
        let Loaded { series, mut weights, mut histograms } = loaded;
        let SeriesData { labels, mut times, mut values } = series;
        // Written without an early end, because it then takes several values at once.
        if values.iter().fold(false, |found, value| found | is_stale(*value)) {
            let kept: Vec<bool> = values.iter().map(|value| !is_stale(*value)).collect();
            retain(&mut times, &kept);
            retain(&mut values, &kept);
            retain(&mut weights, &kept);
        }
        histograms.retain(|(_, histogram)| !histogram.is_stale());
        let (resets, minima, maxima) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { labels, drops_name, times, values, histograms, weights, resets, minima, maxima }
    }

    /// The windows that end at `ends`, which ascend.
    pub(super) fn windows(&self, ends: &[i64], range_ms: i64) -> impl Iterator<Item = Window<'_>> {
        let (mut starts, mut stops) = (Place::default(), Place::default());
        ends.iter().map(move |end| {
            let open = end.saturating_sub(range_ms);
            let from = starts.after(&self.times, open);
            let to = stops.after(&self.times, *end).max(from);
            let (times, values) = (&self.times[from..to], &self.values[from..to]);
            let histograms = self.histograms_in(open, *end);
            Window { times, values, histograms, end: *end, range_ms, now: *end, points: self, from }
        })
    }

    fn histograms_in(&self, open: i64, end: i64) -> &[(i64, Arc<Histogram>)] {
        if self.histograms.is_empty() {
            return &[];
        }
        let place = |time: i64| self.histograms.partition_point(|(at, _)| *at <= time);
        self.histograms.get(place(open)..place(end)).unwrap_or_default()
    }
}

fn retain<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().is_some_and(|kept| *kept));
}

/// A place in ascending times that moves on, mostly as far as it did before.
#[derive(Default)]
pub(super) struct Place {
    at: usize,
    moved: usize,
}

impl Place {
    /// Index of the first time after `time`, which is never less than it was.
    pub(super) fn after(&mut self, times: &[i64], time: i64) -> usize {
        let mut at = (self.at + self.moved).min(times.len());
        while at > 0 && times[at - 1] > time {
            at -= 1;
        }
        while times.get(at).is_some_and(|next| *next <= time) {
            at += 1;
        }
        self.moved = at.saturating_sub(self.at);
        self.at = at;
        at
    }
}

/// The points of one series in `(end - range, end]`, oldest first.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) times: &'a [i64],
    pub(super) values: &'a [f64],
    pub(super) histograms: &'a [(i64, Arc<Histogram>)],
    pub(super) end: i64,
    pub(super) range_ms: i64,
    /// The time of the step, which `offset` and `@` may part from `end`.
    pub(super) now: i64,
    pub(super) points: &'a Points,
    /// Index of its first point in the series.
    from: usize,
}

impl<'a> Window<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.histograms.is_empty()
    }

    /// How many samples it has. A histogram counts as many as it weighs.
    pub(super) fn weight(&self) -> u64 {
        let histograms = self.histograms.iter().map(|(_, histogram)| histogram.weight());
        self.values.len() as u64 + histograms.sum::<u64>()
    }

    /// The name of the metric as the window has it.
    pub(super) fn metric(&self) -> &'a str {
        self.points.labels.name()
    }

    /// First and last value.
    pub(super) fn ends(&self) -> Option<(f64, f64)> {
        Some((*self.values.first()?, *self.values.last()?))
    }

    /// How many samples each value stands for; empty where it is always one.
    pub(super) fn weights(&self) -> &'a [f64] {
        let range = self.from..self.from + self.values.len();
        self.points.weights.get(range).unwrap_or_default()
    }

    /// The values that were followed by a lesser one in this window.
    pub(super) fn before_resets(&self) -> impl ExactSizeIterator<Item = f64> {
        let all = self.points.resets.get_or_init(|| find_resets(&self.points.values));
        let first = all.partition_point(|at| *at <= self.from);
        let end = all.partition_point(|at| *at < self.from + self.values.len());
        let resets: &'a [usize] = all.get(first..end).unwrap_or_default();
        resets.iter().map(|at| self.points.values[*at - 1])
    }

    pub(super) fn min(&self) -> Option<f64> {
        self.extreme(&self.points.minima, f64::min)
    }

    pub(super) fn max(&self) -> Option<f64> {
        self.extreme(&self.points.maxima, f64::max)
    }

    /// Folds the values in any order, taking blocks of them together.
    fn extreme(
        &self,
        blocks: &OnceCell<Vec<f64>>,
        pick: impl Fn(f64, f64) -> f64 + Copy,
    ) -> Option<f64> {
        self.ends()?;
        let (from, to) = (self.from, self.from + self.values.len());
        let (first, end) = (from.div_ceil(BLOCK), to / BLOCK);
        if first >= end {
            return Some(fold(self.values, pick));
        }
        let all = &self.points.values;
        let blocks =
            blocks.get_or_init(|| all.chunks(BLOCK).map(|block| fold(block, pick)).collect());
        let edges = pick(fold(&all[from..first * BLOCK], pick), fold(&all[end * BLOCK..to], pick));
        Some(pick(edges, fold(&blocks[first..end], pick)))
    }
}

fn find_resets(values: &[f64]) -> Vec<usize> {
    let is_reset = |pair: &[f64]| pair[1] < pair[0];
    // Most counters have none, which is found out without an early end for several values at once.
    if !values.windows(2).fold(false, |found, pair| found | is_reset(pair)) {
        return Vec::new();
    }
    let pairs = values.windows(2).enumerate().filter(|(_, pair)| is_reset(pair));
    pairs.map(|(before, _)| before + 1).collect()
}

/// The extreme of values, NaN without any. In lanes, because one after the other would wait for each.
fn fold(values: &[f64], pick: impl Fn(f64, f64) -> f64 + Copy) -> f64 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut lanes = [f64::NAN; 8];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = pick(*lane, *value);
        }
    }
    lanes.iter().chain(rest).copied().fold(f64::NAN, pick)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values that repeat and fall often.
    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![20 => (0..50).prop_map(f64::from), 1 => Just(f64::NAN)]
    }

    fn same(found: Option<f64>, expected: Option<f64>) -> bool {
        found.map(f64::to_bits) == expected.map(f64::to_bits)
    }

    proptest! {
        #[test]
        fn windows_are_those_that_a_search_finds(
            gaps in prop::collection::vec((1_i64..400, value()), 0..400),
            steps in prop::collection::vec(0_i64..1_000, 1..40),
            range_ms in 1_i64..20_000,
        ) {
            let ascending = |gaps: &mut dyn Iterator<Item = i64>| -> Vec<i64> {
                gaps.scan(0, |time, gap| { *time += gap; Some(*time) }).collect()
            };
            let times = ascending(&mut gaps.iter().map(|(gap, _)| *gap));
            let values: Vec<f64> = gaps.iter().map(|(_, value)| *value).collect();
            let ends = ascending(&mut steps.into_iter());
            let labels = Labels::empty();
            let series = SeriesData { labels, times: times.clone(), values };
            let loaded = Loaded { series, weights: Vec::new(), histograms: Vec::new() };
            let points = Points::new(loaded, false);
            for (window, end) in points.windows(&ends, range_ms).zip(&ends) {
                let inside = |time: &&i64| (end - range_ms + 1..=*end).contains(*time);
                let expected: Vec<i64> = times.iter().filter(inside).copied().collect();
                prop_assert_eq!(window.times, expected);
                let values = window.values;
                prop_assert!(same(window.min(), values.iter().copied().reduce(f64::min)));
                prop_assert!(same(window.max(), values.iter().copied().reduce(f64::max)));
                let falls = values.windows(2).filter(|pair| pair[1] < pair[0]).count();
                prop_assert_eq!(window.before_resets().len(), falls);
            }
        }
    }
}
