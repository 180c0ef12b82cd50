//! Medians and spreads that no outlier moves.

use super::Least;

/// Makes the median of distances the standard deviation of a normal distribution.
pub const NORMAL: f64 = 1.482_6;

/// The middle of the values, which are put in order; `None` where there are none. NaNs are for the caller to leave out.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied()?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = values.get(values.len() / 2 - 1).copied()?;
    Some(f64::midpoint(lower, upper))
}

/// What values usually are: their median, and 1.4826 times the median of the distances from it (MAD), which is the
/// standard deviation where they are normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    pub median: f64,
    pub spread: f64,
}

impl Usual {
    /// `None` where too little is known. A spread is never less than `least` says, so that what hardly ever moves is
    /// no sensation when it does.
    pub fn of(values: &[f64], least: Least) -> Option<Self> {
        let mut values: Vec<f64> = values.iter().copied().filter(|it| it.is_finite()).collect();
        if values.len() < least.count {
            return None;
        }
        let middle = median(&mut values)?;
        let mut distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
        let spread = NORMAL * median(&mut distances)?;
        Some(Self {
            median: middle,
            spread: spread.max(least.spread).max(least.share * middle.abs()),
        })
    }

    /// The distance of a value in spreads; below 0 where it is lower than usual.
    pub fn score(self, value: f64) -> f64 {
        (value - self.median) / self.spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_not_moved_by_outliers() {
        let check = |values: &[f64], spread: f64, expected: Option<(f64, f64)>| {
            let least = Least { count: 20, spread, share: 0.02 };
            let usual = Usual::of(values, least).map(|usual| (usual.median, usual.spread));
            assert_eq!(usual, expected, "{values:?}");
        };
        let mut calm = vec![10.0; 30];
        check(&calm, 1.0, Some((10.0, 1.0)));
        check(&calm, 0.0, Some((10.0, 0.2)));
        calm[3] = 1e9;
        calm[4] = f64::NAN;
        check(&calm, 1.0, Some((10.0, 1.0)));
        let restless: Vec<f64> = (0..40).map(|it| f64::from(it % 2) * 2.0 + 9.0).collect();
        check(&restless, 0.1, Some((10.0, NORMAL)));
        check(&[1.0; 19], 1.0, None);
    }

    #[test]
    fn the_median_is_the_middle() {
        let check = |values: &[f64], expected| assert_eq!(median(&mut values.to_vec()), expected);
        check(&[], None);
        check(&[3.0], Some(3.0));
        check(&[3.0, 1.0, 2.0], Some(2.0));
        check(&[4.0, 1.0, 2.0, 3.0], Some(2.5));
    }
}
