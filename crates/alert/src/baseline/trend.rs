//! Whether values rise or fall over time, and how fast: Theil and Sen's slope, Mann and Kendall's test.
//!
//! Both go by ranks, so that a value that is wrong moves neither. Values that hang together from one to the next make
//! the test believe too much; what is left when the slope is taken away tells how much, and the test is made less sure
//! by that (Hamed and Rao 1998, with the first lag only). A rise that is far beyond what is left is no drift, however
//! much that hangs together: of 1,500 random walks of 37 and 72 steps none rose by 20 times the spread around its line.

use super::{
    Least,
    robust::{Usual, median},
};

/// Most points that are looked at; of more, so many are taken evenly. The cost goes with their square.
pub const POINTS_MAX: usize = 200;
/// Fewer points are no trend.
pub const POINTS_MIN: usize = 10;
/// How sure a slope's interval is, in standard deviations: 99.9 %.
const SURE: f64 = 3.29;
/// A rise of more than so many spreads of what is left is sure as it is.
const RISE_SURE: f64 = 20.0;
/// The correlation from one value to the next that is believed at most: beyond it nothing would ever be sure.
const CORRELATION_MAX: f64 = 0.95;

/// How values go over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// By unit of time.
    pub slope: f64,
    /// The slope is between these, as sure as 99.9 %.
    pub low: f64,
    pub high: f64,
    /// Of Mann and Kendall's test, in standard deviations: above 0 where values rise.
    pub score: f64,
    /// Where the line is at the last point.
    pub level: f64,
}

impl Trend {
    /// Of points in the order of time; `None` where they are too few. Points that are no numbers do not count.
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let points: Vec<(f64, f64)> =
            points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
        let points = evenly(&points, POINTS_MAX);
        if points.len() < POINTS_MIN {
            return None;
        }
        let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
        let mut sum = 0_i64;
        for (place, (x, y)) in points.iter().enumerate() {
            for (later_x, later_y) in points.iter().skip(place + 1) {
                if later_x > x {
                    slopes.push((later_y - y) / (later_x - x));
                }
                sum += i64::from(later_y > y) - i64::from(later_y < y);
            }
        }
        let slope = median(&mut slopes)?;
        let mut rests: Vec<f64> = points.iter().map(|(x, y)| y - slope * x).collect();
        let rise = slope.abs() * (points.last()?.0 - points.first()?.0);
        let least = Least { count: 0, spread: 0.0, share: 0.0 };
        let is_sure = rise > RISE_SURE * Usual::of(&rests, least)?.spread;
        let inflation = if is_sure { 1.0 } else { inflation(&rests) };
        let deviation = (variance(&points) * inflation).sqrt();
        // One less, because the sum of ranks goes in whole steps.
        let score = if deviation > 0.0 { (sum - sum.signum()) as f64 / deviation } else { 0.0 };
        let (low, high) = interval(&slopes, SURE * deviation)?;
        let level = median(&mut rests)? + slope * points.last()?.0;
        Some(Self { slope, low, high, score, level })
    }
}

/// At most `most` of the items, evenly taken, the last among them.
pub(crate) fn evenly<T: Copy>(items: &[T], most: usize) -> Vec<T> {
    if items.len() <= most {
        return items.to_vec();
    }
    let place = |number: usize| (number + 1) * items.len() / most - 1;
    (0..most).filter_map(|number| items.get(place(number)).copied()).collect()
}

/// The variance of Mann and Kendall's sum where there is no trend; values that are equal make it less.
fn variance(points: &[(f64, f64)]) -> f64 {
    let part = |count: f64| count * (count - 1.0) * (2.0 * count + 5.0);
    let mut values: Vec<f64> = points.iter().map(|(_, y)| *y).collect();
    values.sort_unstable_by(f64::total_cmp);
    let equal = values.chunk_by(|a, b| a == b).map(|run| part(run.len() as f64));
    (part(values.len() as f64) - equal.sum::<f64>()) / 18.0
}

/// How much larger a variance is because each value hangs together with the one before it.
fn inflation(values: &[f64]) -> f64 {
    let correlation = correlation(values).clamp(0.0, CORRELATION_MAX);
    (1.0 + correlation) / (1.0 - correlation)
}

/// From -1 to 1: how far a value is where the one before it was, by ranks, so that outliers do not matter.
pub(crate) fn correlation(values: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        // What is equal has the same rank: the middle one of those that it takes.
        let rank = before as f64 + (equal.len() as f64 - values.len() as f64) / 2.0;
        equal.iter().for_each(|place| ranks[*place] = rank);
        before += equal.len();
    }
    let all: f64 = ranks.iter().map(|rank| rank * rank).sum();
    let pairs: f64 = ranks.windows(2).map(|pair| pair[0] * pair[1]).sum();
    if all > 0.0 { pairs / all } else { 0.0 }
}

/// Sen's interval: the slopes that are so many ranks from the middle.
fn interval(sorted: &[f64], ranks: f64) -> Option<(f64, f64)> {
    let (middle, half) = (sorted.len() as f64 / 2.0, ranks / 2.0);
    let last = sorted.len().checked_sub(1)?;
    let low = (middle - half).floor().max(0.0) as usize;
    let high = ((middle + half).ceil() as usize).min(last);
    Some((*sorted.get(low.min(last))?, *sorted.get(high)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::synthetic::{Noise, sawtooth_floors};

    #[test]
    fn a_line_is_found_through_what_is_wrong() {
        let line = |x: i32| (f64::from(x), 5.0 + 2.0 * f64::from(x));
        let mut points: Vec<_> = (0..40).map(line).collect();
        points[3].1 = 1e9;
        points[38].1 = -1e9;
        points.push((f64::NAN, 0.0));
        let found = Trend::of(&points).unwrap();
        assert_eq!((found.slope, found.level), (2.0, 83.0));
        assert!(found.score > 4.0 && found.low > 0.0, "{found:?}");
        assert_eq!(Trend::of(&points[..POINTS_MIN - 1]), None);
        let level = Trend::of(&[(0.0, 7.0); 30]);
        assert_eq!(level, None, "no time passes");
        let level: Vec<_> = (0..30).map(|x| (f64::from(x), 7.0)).collect();
        let level = Trend::of(&level).unwrap();
        assert_eq!((level.slope, level.score, level.level), (0.0, 0.0, 7.0));
    }

    #[test]
    fn a_rise_far_beyond_what_is_left_is_sure_however_that_hangs_together() {
        // Faster by day than by night, and along a line that only rounding leaves.
        let wave = |x: i32| 5.0 * (f64::from(x) / 24.0 * std::f64::consts::TAU).sin();
        for swing in [1.0, 0.0] {
            let points: Vec<_> = (0..48)
                .map(|x| (f64::from(x), 10.0 * f64::from(x) + 0.1 + swing * wave(x)))
                .collect();
            let found = Trend::of(&points).unwrap();
            assert!(found.score > 6.0 && found.low > 0.0, "{found:?}");
        }
        assert_eq!(correlation(&[3.0; 20]), 0.0);
        assert!(correlation(&[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]) > 0.4);
    }

    #[test]
    fn of_many_points_some_stand_for_all() {
        let points: Vec<_> = (0..5_000).map(|x| (f64::from(x), f64::from(x))).collect();
        let found = Trend::of(&points).unwrap();
        assert_eq!((found.slope, found.level), (1.0, 4_999.0));
        assert_eq!(evenly(&[1, 2, 3, 4, 5], 2), [2, 5]);
    }

    /// The figures of the study that chose the method: floors of 60 hours, a leak of 5 MB an hour below an allocator's
    /// sawtooth of 300 MB, and the same with one hour that is wrong by 3 GB near an end.
    #[test]
    fn leaks_are_found_and_what_does_not_leak_is_not() {
        let is_leak = |points: &[(f64, f64)]| {
            let found = Trend::of(points).unwrap();
            found.score > 3.29 && found.slope * 24.0 > 50e6
        };
        let count = |runs: u64, leak: f64, is_spoilt: bool| {
            let is_found = |seed: &u64| is_leak(&sawtooth_floors(*seed, 60, leak, is_spoilt));
            (0..runs).filter(is_found).count()
        };
        assert_eq!(count(200, 5e6, false), 200);
        assert_eq!(count(200, 0.0, false), 0);
        assert_eq!(count(150, 5e6, true), 150);
        assert_eq!(count(150, 0.0, true), 0);
    }

    /// What drifts about without going anywhere: the plain test takes most of it for a trend.
    #[test]
    fn what_hangs_together_is_not_taken_for_a_trend() {
        let count = |step: f64| {
            let is_found = |seed: &u64| {
                let (mut noise, mut at) = (Noise::new(*seed), 0.0);
                let value = |x: i32| {
                    at = step * at + noise.normal();
                    (f64::from(x), at)
                };
                let points: Vec<_> = (0..60).map(value).collect();
                Trend::of(&points).unwrap().score.abs() > 3.29
            };
            (0..500).filter(is_found).count()
        };
        assert_eq!(count(0.0), 0);
        let some = count(0.8);
        assert!(some <= 10, "{some} of 500");
    }
}
