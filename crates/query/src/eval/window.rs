//! What functions of range vectors compute from one window of one series.

use std::cell::OnceCell;

use model::{Labels, sample::is_stale, series::SeriesData};

use super::{Sum, ascending, mean, quantile, rows::Loaded, variance};

/// So many values have their extremes found out beforehand, so that a long window looks at few of them.
const BLOCK: usize = 32;

/// A series with all the points that any window of it needs, stale markers taken out, and what is found
/// out once for all of its windows.
pub(super) struct Points {
    pub(super) labels: Labels,
    pub(super) times: Vec<i64>,
    pub(super) values: Vec<f64>,
    /// How many samples each value stands for; empty where it is always one.
    weights: Vec<f64>,
    /// Where a value is less than the one before.
    resets: OnceCell<Vec<usize>>,
    /// Of each block of values.
    minima: OnceCell<Vec<f64>>,
    maxima: OnceCell<Vec<f64>>,
}

impl Points {
    pub(super) fn new(loaded: Loaded) -> Self {
        let Loaded { series: SeriesData { labels, mut times, mut values }, mut weights } = loaded;
        // Written without an early end, because it then takes several values at once.
        if values.iter().fold(false, |found, value| found | is_stale(*value)) {
            let kept: Vec<bool> = values.iter().map(|value| !is_stale(*value)).collect();
            retain(&mut times, &kept);
            retain(&mut values, &kept);
            retain(&mut weights, &kept);
        }
        let (resets, minima, maxima) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { labels, times, values, weights, resets, minima, maxima }
    }

    /// The windows that end at `ends`, which ascend.
    pub(super) fn windows(&self, ends: &[i64], range_ms: i64) -> impl Iterator<Item = Window<'_>> {
        let (mut starts, mut stops) = (Place::default(), Place::default());
        ends.iter().map(move |end| {
            let from = starts.after(&self.times, end.saturating_sub(range_ms));
            let to = stops.after(&self.times, *end).max(from);
            let (times, values) = (&self.times[from..to], &self.values[from..to]);
            Window { times, values, end: *end, range_ms, now: *end, points: self, from }
        })
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
    pub(super) end: i64,
    pub(super) range_ms: i64,
    /// The time of the step, which `offset` and `@` may part from `end`.
    pub(super) now: i64,
    points: &'a Points,
    /// Index of its first point in the series.
    from: usize,
}

impl<'a> Window<'a> {
    fn ends(&self) -> Option<(f64, f64)> {
        Some((*self.values.first()?, *self.values.last()?))
    }

    /// How many samples each value stands for; empty where it is always one.
    fn weights(&self) -> &'a [f64] {
        let range = self.from..self.from + self.values.len();
        self.points.weights.get(range).unwrap_or_default()
    }

    /// Where in the series a value of this window is less than the one before it in this window.
    fn resets(&self) -> &'a [usize] {
        let all = self.points.resets.get_or_init(|| find_resets(&self.points.values));
        let first = all.partition_point(|at| *at <= self.from);
        let end = all.partition_point(|at| *at < self.from + self.values.len());
        all.get(first..end).unwrap_or_default()
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

/// Computes a value from a window and the scalars given beside it.
pub(super) type WindowFn = fn(&Window<'_>, &[f64]) -> Option<f64>;

/// The change over the window, extrapolated to its borders unless the series seems to begin or end
/// inside, and never below the counter's zero.
fn extrapolated(window: &Window<'_>, is_counter: bool) -> Option<f64> {
    let (first, last) = window.ends()?;
    if window.values.len() < 2 {
        return None;
    }
    let mut change = last - first;
    if is_counter {
        // What was counted before a reset counts as well.
        window.resets().iter().for_each(|at| change += window.points.values[*at - 1]);
    }
    let (first_time, last_time) = (window.times[0], window.times[window.times.len() - 1]);
    let covered = (last_time - first_time) as f64;
    let between = covered / (window.values.len() - 1) as f64;
    let threshold = between * 1.1;
    let mut before = (first_time - (window.end - window.range_ms)) as f64;
    let mut after = (window.end - last_time) as f64;
    if before >= threshold {
        before = between / 2.0;
    }
    if is_counter && change > 0.0 && first >= 0.0 {
        before = before.min(covered * (first / change));
    }
    if after >= threshold {
        after = between / 2.0;
    }
    Some(change * ((covered + before + after) / covered))
}

pub(super) fn rate(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(extrapolated(window, true)? / (window.range_ms as f64 / 1e3))
}

pub(super) fn increase(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    extrapolated(window, true)
}

pub(super) fn delta(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    extrapolated(window, false)
}

fn last_two(window: &Window<'_>) -> Option<((i64, f64), (i64, f64))> {
    let at = window.values.len().checked_sub(2)?;
    let point = |at: usize| (window.times[at], window.values[at]);
    Some((point(at), point(at + 1)))
}

pub(super) fn irate(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let ((before, old), (time, new)) = last_two(window)?;
    let change = if new < old { new } else { new - old };
    Some(change / ((time - before) as f64 / 1e3))
}

pub(super) fn idelta(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    last_two(window).map(|((_, old), (_, new))| new - old)
}

/// Slope per second and value at `origin` by least squares.
fn regression(window: &Window<'_>, origin: i64) -> Option<(f64, f64)> {
    if window.values.len() < 2 {
        return None;
    }
    let first = window.values[0];
    if window.values.iter().all(|value| *value == first) {
        return Some(if first.is_finite() { (0.0, first) } else { (f64::NAN, f64::NAN) });
    }
    let count = window.values.len() as f64;
    let (mut x, mut y, mut xy, mut xx) =
        (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    for (time, value) in window.times.iter().zip(window.values) {
        let seconds = (time - origin) as f64 / 1e3;
        x.add(seconds);
        y.add(*value);
        xy.add(seconds * value);
        xx.add(seconds * seconds);
    }
    let (x, y, xy, xx) = (x.value(), y.value(), xy.value(), xx.value());
    let covariance = xy - x * y / count;
    let slope = covariance / (xx - x * x / count);
    Some((slope, y / count - slope * x / count))
}

pub(super) fn deriv(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    regression(window, *window.times.first()?).map(|(slope, _)| slope)
}

pub(super) fn predict_linear(window: &Window<'_>, scalars: &[f64]) -> Option<f64> {
    regression(window, window.now).map(|(slope, intercept)| slope * scalars[0] + intercept)
}

pub(super) fn changes(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.ends()?;
    let differ = |pair: &&[f64]| pair[0] != pair[1] && !(pair[0].is_nan() && pair[1].is_nan());
    Some(window.values.windows(2).filter(differ).count() as f64)
}

pub(super) fn resets(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.ends()?;
    Some(window.resets().len() as f64)
}

pub(super) fn sum(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.ends()?;
    Some(Sum::of(window.values.iter().copied()))
}

pub(super) fn avg(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.ends()?;
    Some(match window.weights() {
        [] => mean(window.values),
        weights => Sum::of(window.values.iter().copied()) / Sum::of(weights.iter().copied()),
    })
}

pub(super) fn count(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.ends()?;
    Some(match window.weights() {
        [] => window.values.len() as f64,
        weights => weights.iter().sum(),
    })
}

pub(super) fn present(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.ends().map(|_| 1.0)
}

pub(super) fn first(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.ends().map(|(first, _)| first)
}

pub(super) fn last(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.ends().map(|(_, last)| last)
}

pub(super) fn min(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.extreme(&window.points.minima, f64::min)
}

pub(super) fn max(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.extreme(&window.points.maxima, f64::max)
}

pub(super) fn stdvar(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.ends()?;
    Some(variance(window.values))
}

pub(super) fn stddev(window: &Window<'_>, scalars: &[f64]) -> Option<f64> {
    stdvar(window, scalars).map(f64::sqrt)
}

pub(super) fn quantile_of(window: &Window<'_>, scalars: &[f64]) -> Option<f64> {
    window.ends()?;
    Some(quantile(scalars[0], &mut window.values.to_vec()))
}

pub(super) fn mad(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.ends()?;
    let median = quantile(0.5, &mut window.values.to_vec());
    let mut distances: Vec<f64> =
        window.values.iter().map(|value| (value - median).abs()).collect();
    Some(quantile(0.5, &mut distances))
}

fn time_of(window: &Window<'_>, at: usize) -> Option<f64> {
    window.times.get(at).map(|time| *time as f64 / 1e3)
}

pub(super) fn time_of_first(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    time_of(window, 0)
}

pub(super) fn time_of_last(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    time_of(window, window.times.len().checked_sub(1)?)
}

/// The last of the points that are best by `is_before`.
fn time_of_best(window: &Window<'_>, is_better: fn(f64, f64) -> bool) -> Option<f64> {
    let mut best = 0;
    for (at, value) in window.values.iter().enumerate() {
        let held = window.values[best];
        if held.is_nan() || *value == held || is_better(*value, held) {
            best = at;
        }
    }
    time_of(window, best)
}

pub(super) fn time_of_min(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    time_of_best(window, |new, held| ascending(new, held).is_lt())
}

pub(super) fn time_of_max(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    time_of_best(window, |new, held| new > held)
}

/// Holt and Winters without seasons: smoothing factor and trend factor.
pub(super) fn double_exponential(window: &Window<'_>, scalars: &[f64]) -> Option<f64> {
    let (smoothing, trending) = (scalars[0], scalars[1]);
    let [first, second, ..] = *window.values else { return None };
    let (mut level, mut trend) = (first, second - first);
    for value in &window.values[1..] {
        let previous = level;
        level = smoothing * value + (1.0 - smoothing) * (previous + trend);
        trend = trending * (level - previous) + (1.0 - trending) * trend;
    }
    Some(level)
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
            let points = Points::new(Loaded { series, weights: Vec::new() });
            for (window, end) in points.windows(&ends, range_ms).zip(&ends) {
                let inside = |time: &&i64| (end - range_ms + 1..=*end).contains(*time);
                let expected: Vec<i64> = times.iter().filter(inside).copied().collect();
                prop_assert_eq!(window.times, expected);
                let values = window.values;
                prop_assert!(same(min(&window, &[]), values.iter().copied().reduce(f64::min)));
                prop_assert!(same(max(&window, &[]), values.iter().copied().reduce(f64::max)));
                let falls = values.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64;
                prop_assert!(same(resets(&window, &[]), window.ends().map(|_| falls)));
            }
        }
    }
}
