//! What a value is at a given load: a line through both, by ranks.
//!
//! Latency rises with the requests that run, power with the tokens that are made. Its bias: that the relation is near
//! a line where most loads were seen; beyond nothing is said, because little is known.

use super::{
    Least,
    robust::{Usual, median},
    trend::evenly,
};

/// Most points that the slope is found from; the cost goes with their square.
pub const POINTS_MAX: usize = 120;
/// Fewer points are no relation.
pub const POINTS_MIN: usize = 24;
/// Loads of which less than this share was seen beyond are known well.
const EDGE: f64 = 0.04;
/// How far beyond those a load may be, as a share of the largest of them.
const BEYOND: f64 = 0.1;
/// Loads that differ by less than this share of the largest say nothing of how a value depends on them.
const RANGE_MIN: f64 = 0.05;
/// A value is expected to be at least this share of the usual one, wherever the line leads.
const EXPECTED_MIN: f64 = 0.2;

/// What values are at which load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    slope: f64,
    start: f64,
    least_load: f64,
    most_load: f64,
    least_value: f64,
    /// Of values against what they are expected to be: around 1.
    pub ratios: Usual,
}

impl Line {
    /// Of pairs of load and value; `None` where they are too few. `share_min` is the least spread of the ratios.
    pub fn of(pairs: &[(f64, f64)], share_min: f64) -> Option<Self> {
        let known = |(load, value): &(f64, f64)| load.is_finite() && value.is_finite();
        let mut pairs: Vec<(f64, f64)> = pairs.iter().copied().filter(known).collect();
        if pairs.len() < POINTS_MIN {
            return None;
        }
        let some = evenly(&pairs, POINTS_MAX);
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let edge = (pairs.len() as f64 * EDGE) as usize;
        let (least_load, most_load) = (pairs.get(edge)?.0, pairs.get(pairs.len() - 1 - edge)?.0);
        let range = RANGE_MIN * most_load.abs();
        let slope = if most_load - least_load > range { slope(&some, range) } else { 0.0 };
        let mut starts: Vec<f64> = pairs.iter().map(|(load, value)| value - slope * load).collect();
        let start = median(&mut starts)?;
        let mut values: Vec<f64> = pairs.iter().map(|(_, value)| *value).collect();
        let least_value = EXPECTED_MIN * median(&mut values)?;
        let ratios = Usual { median: 1.0, spread: share_min };
        let mut line = Self { slope, start, least_load, most_load, least_value, ratios };
        let ratios: Vec<f64> =
            pairs.iter().filter_map(|(load, value)| line.ratio(*load, *value)).collect();
        let least = Least { count: POINTS_MIN / 2, spread: share_min, share: 0.0 };
        line.ratios = Usual::of(&ratios, least)?;
        Some(line)
    }

    /// `None` where the load is beyond those that were seen, or nothing sensible can be expected.
    pub fn expected(&self, load: f64) -> Option<f64> {
        let room = BEYOND * self.most_load.abs();
        let is_known = (self.least_load - room..=self.most_load + room).contains(&load);
        let expected = (self.start + self.slope * load).max(self.least_value);
        (is_known && expected > 0.0).then_some(expected)
    }

    /// A value against what is expected at this load; 1 is usual.
    pub fn ratio(&self, load: f64, value: f64) -> Option<f64> {
        self.expected(load).map(|expected| value / expected)
    }
}

/// What a value is at two loads: a line through the first, and through what is left one through the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lines {
    first: Line,
    second: Line,
    /// Of values against what they are expected to be: around 1.
    pub ratios: Usual,
}

impl Lines {
    /// Of pairs of loads and value; `None` where they are too few. `share_min` is the least spread of the ratios.
    pub fn of(pairs: &[([f64; 2], f64)], share_min: f64) -> Option<Self> {
        let by_first: Vec<(f64, f64)> =
            pairs.iter().map(|([first, _], value)| (*first, *value)).collect();
        let first = Line::of(&by_first, share_min)?;
        let rest = |([load, second], value): &([f64; 2], f64)| {
            Some((*second, first.ratio(*load, *value)?))
        };
        let rests: Vec<(f64, f64)> = pairs.iter().filter_map(rest).collect();
        let second = Line::of(&rests, share_min)?;
        Some(Self { first, second, ratios: second.ratios })
    }

    /// `None` where a load is beyond those that were seen, or nothing sensible can be expected.
    pub fn expected(&self, [first, second]: [f64; 2]) -> Option<f64> {
        Some(self.first.expected(first)? * self.second.expected(second)?)
    }

    /// A value against what is expected at these loads; 1 is usual.
    pub fn ratio(&self, loads: [f64; 2], value: f64) -> Option<f64> {
        self.expected(loads).map(|expected| value / expected)
    }
}

/// Theil and Sen's, from pairs whose loads differ by more than `range`.
fn slope(pairs: &[(f64, f64)], range: f64) -> f64 {
    let mut slopes = Vec::with_capacity(pairs.len() * pairs.len() / 2);
    for (place, (load, value)) in pairs.iter().enumerate() {
        for (other_load, other_value) in pairs.iter().skip(place + 1) {
            if (other_load - load).abs() > range {
                slopes.push((other_value - value) / (other_load - load));
            }
        }
    }
    median(&mut slopes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::synthetic::Noise;

    #[test]
    fn a_value_is_measured_by_its_load() {
        let mut noise = Noise::new(1);
        let mut pairs: Vec<_> = (0..500)
            .map(|number| {
                let load = f64::from(number % 40);
                (load, (0.02 + 0.001 * load) * (1.0 + 0.03 * noise.normal()))
            })
            .collect();
        pairs[7].1 = 1e6;
        pairs[8].1 = f64::NAN;
        let line = Line::of(&pairs, 0.02).unwrap();
        let check = |load: f64, value: f64, expected: f64| {
            let ratio = line.ratio(load, value).unwrap();
            assert!((ratio - expected).abs() < 0.02, "{load} {value}: {ratio}");
        };
        check(0.0, 0.02, 1.0);
        check(40.0, 0.06, 1.0);
        check(20.0, 0.06, 1.5);
        assert!((0.02..0.05).contains(&line.ratios.spread), "{line:?}");
        assert_eq!(line.ratio(80.0, 1.0), None, "nobody knows");
        assert_eq!(Line::of(&pairs[..POINTS_MIN - 1], 0.02), None);
    }

    #[test]
    fn two_loads_explain_what_one_does_not() {
        let mut noise = Noise::new(3);
        let pairs: Vec<([f64; 2], f64)> = (0..400)
            .map(|number| {
                let loads = [f64::from(number % 40), 1_000.0 * (1.0 + noise.even())];
                (loads, (0.1 + 0.01 * loads[0]) * loads[1] * (1.0 + 0.03 * noise.normal()))
            })
            .collect();
        let lines = Lines::of(&pairs, 0.01).unwrap();
        assert!(lines.ratios.spread < 0.08, "{lines:?}");
        let ratio = lines.ratio([10.0, 1_800.0], 2.0 * 0.2 * 1_800.0).unwrap();
        assert!((ratio - 2.0).abs() < 0.1, "{ratio}");
        assert_eq!(lines.ratio([10.0, 9_000.0], 1.0), None);
        // The second may be the same for all.
        let same: Vec<_> = pairs.iter().map(|([first, _], _)| ([*first, 1.0], 5.0)).collect();
        assert_eq!(Lines::of(&same, 0.01).unwrap().ratio([3.0, 1.0], 5.0), Some(1.0));
    }

    #[test]
    fn a_load_that_never_changes_explains_nothing() {
        let mut noise = Noise::new(2);
        let pairs: Vec<_> = (0..50).map(|_| (8.0, 1.0 + 0.1 * noise.normal())).collect();
        let line = Line::of(&pairs, 0.02).unwrap();
        assert_eq!(line.slope, 0.0);
        assert!((line.ratio(8.2, 2.0).unwrap() - 2.0).abs() < 0.1);
        // Nor is anything expected of values that are all 0.
        let idle = Line::of(&[(0.0, 0.0); 50], 0.02);
        assert_eq!(idle, None);
    }
}
