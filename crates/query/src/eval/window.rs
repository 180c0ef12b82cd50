//! What functions of range vectors compute from the floats of one window of one series.

use super::{
    math::{Sum, ascending, mean, quantile, variance},
    points::Window,
};

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
        window.before_resets().for_each(|before| change += before);
    }
    let (Some(from), Some(to)) = (window.times.first(), window.times.last()) else { return None };
    let start = (is_counter && change > 0.0 && first >= 0.0).then(|| first / change);
    Some(change * reach(window, [*from, *to], window.values.len(), start))
}

/// By how much a change between the first and the last of `count` samples, taken at `times`, is more when it
/// reaches to the borders of the window. A counter was at zero `start` times the time between them before the
/// first one.
pub(super) fn reach(window: &Window<'_>, times: [i64; 2], count: usize, start: Option<f64>) -> f64 {
    let [first, last] = times;
    let covered = (last - first) as f64;
    let between = covered / (count - 1) as f64;
    let threshold = between * 1.1;
    let mut before = (first - (window.end - window.range_ms)) as f64;
    let mut after = (window.end - last) as f64;
    if before >= threshold {
        before = between / 2.0;
    }
    if let Some(start) = start {
        before = before.min(covered * start);
    }
    if after >= threshold {
        after = between / 2.0;
    }
    (covered + before + after) / covered
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
    Some(window.values.windows(2).filter(|pair| differ(pair[0], pair[1])).count() as f64)
}

/// Whether two values are not the same.
pub(super) fn differ(a: f64, b: f64) -> bool {
    a != b && !(a.is_nan() && b.is_nan())
}

pub(super) fn resets(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.ends()?;
    Some(window.before_resets().len() as f64)
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
    window.min()
}

pub(super) fn max(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.max()
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
    if window.values.iter().any(|value| value.is_nan()) {
        return Some(f64::NAN);
    }
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
