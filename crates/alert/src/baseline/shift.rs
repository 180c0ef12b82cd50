//! Whether a series left its usual level: CUSUM tells that it did, EWMA by how much.
//!
//! Scores are cut off before they are summed, so that one value, however far out, is no change. Its bias: a change must
//! last for some values before it is told.

/// How far from usual one value may count, in spreads.
const SCORE_MAX: f64 = 4.0;
/// What each value is forgiven, in spreads: changes of less than twice that are not looked for.
const SLACK: f64 = 1.0;
/// How much of a mean is the newest value.
const NEWEST: f64 = 0.3;

/// Cumulative sums of what lies beyond the slack, upwards and downwards.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cusum {
    up: f64,
    down: f64,
    /// How many values ago each sum left 0.
    up_for: usize,
    down_for: usize,
}

impl Cusum {
    pub fn push(&mut self, score: f64) {
        let score = score.clamp(-SCORE_MAX, SCORE_MAX);
        (self.up, self.up_for) = grown(self.up + score - SLACK, self.up_for);
        (self.down, self.down_for) = grown(self.down - score - SLACK, self.down_for);
    }

    /// The larger sum; below 0 where it is that of values that are lower than usual.
    pub fn score(self) -> f64 {
        if self.up >= self.down { self.up } else { -self.down }
    }

    /// For how many values it has been growing.
    pub fn lasts_for(self) -> usize {
        if self.up >= self.down { self.up_for } else { self.down_for }
    }
}

fn grown(sum: f64, lasts_for: usize) -> (f64, usize) {
    if sum > 0.0 { (sum, lasts_for + 1) } else { (0.0, 0) }
}

/// A mean in which older values count less and less; `None` of no values.
pub fn ewma(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    values.into_iter().reduce(|mean, value| mean + NEWEST * (value - mean))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::synthetic::Noise;

    fn sum(scores: impl IntoIterator<Item = f64>) -> Cusum {
        let mut cusum = Cusum::default();
        scores.into_iter().for_each(|score| cusum.push(score));
        cusum
    }

    #[test]
    fn what_lasts_is_told_and_what_passes_is_not() {
        let check = |scores: &[f64], score: f64, lasts_for: usize| {
            let found = sum(scores.iter().copied());
            assert_eq!((found.score(), found.lasts_for()), (score, lasts_for), "{scores:?}");
        };
        check(&[], 0.0, 0);
        check(&[0.5, -0.5, 0.9], 0.0, 0);
        check(&[0.0, 1e9, 0.0], 2.0, 2);
        check(&[0.0, 3.0, 3.0, 3.0], 6.0, 3);
        check(&[0.0, -3.0, -3.0], -4.0, 2);
        check(&[3.0, 3.0, 0.0, 0.0, 0.0, 0.0], 0.0, 0);
    }

    #[test]
    fn the_mean_follows() {
        assert_eq!(ewma([]), None);
        assert_eq!(ewma([4.0]), Some(4.0));
        let risen = ewma([1.0; 10].into_iter().chain([2.0; 10])).unwrap();
        assert!((1.95..2.0).contains(&risen), "{risen}");
    }

    /// Normal noise of 24 values, which is what a detector sees, and the same with a change of three spreads in the
    /// last hour.
    #[test]
    fn noise_is_no_change() {
        let count = |shift: f64| {
            let is_found = |seed: &u64| {
                let mut noise = Noise::new(*seed);
                let score = |place: i32| noise.normal() + if place >= 12 { shift } else { 0.0 };
                sum((0..24).map(score)).score().abs() > 10.0
            };
            (0..2_000).filter(is_found).count()
        };
        assert_eq!(count(0.0), 0);
        assert!(count(3.0) >= 1_999, "{}", count(3.0));
    }
}
