//! Who differs from those that do the same work.

use super::{Least, robust::Usual};

/// Two cannot tell which of them is wrong.
pub const PEERS_MIN: usize = 3;

/// How far each value is from the median of the others, in spreads of the others; nothing where there are too few.
pub fn scores(values: &[f64], least: Least) -> Vec<Option<(f64, Usual)>> {
    let score = |place: usize| {
        let value = values.get(place).filter(|value| value.is_finite())?;
        let others: Vec<f64> = values
            .iter()
            .copied()
            .enumerate()
            .filter(|(other, _)| *other != place)
            .map(|(_, value)| value)
            .collect();
        let least = Least { count: PEERS_MIN - 1, ..least };
        let usual = Usual::of(&others, least)?;
        Some((usual.score(*value), usual))
    };
    (0..values.len()).map(score).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::synthetic::Noise;

    const CELSIUS: Least = Least { count: 0, spread: 3.0, share: 0.0 };

    #[test]
    fn the_one_that_differs_is_found_among_its_peers() {
        let check = |values: &[f64], expected: &[Option<f64>]| {
            let found: Vec<Option<f64>> = scores(values, CELSIUS)
                .into_iter()
                .map(|found| found.map(|(score, _)| (score * 10.0).round() / 10.0))
                .collect();
            assert_eq!(found, expected, "{values:?}");
        };
        check(&[60.0, 61.0, 60.0, 84.0], &[Some(-0.3), Some(0.3), Some(-0.3), Some(8.0)]);
        check(&[60.0, 90.0], &[None, None]);
        check(
            &[60.0, f64::NAN, 90.0, 60.0],
            &[Some(-5.0 / 7.4), None, Some(10.0), Some(-0.7)]
                .map(|it| it.map(|it| (it * 10.0_f64).round() / 10.0)),
        );
        check(&[], &[]);
    }

    /// Eight accelerators in a row, warmer to the back as in a real chassis; one of them is too warm or not.
    #[test]
    fn one_of_eight_is_found_and_none_of_healthy_ones() {
        let count = |excess: f64| {
            let has_found = |seed: &u64| {
                let mut noise = Noise::new(*seed);
                let value = |place: i32| {
                    let own = if place == 3 { excess } else { 0.0 };
                    58.0 + f64::from(place) + 2.0 * noise.normal() + own
                };
                let values: Vec<f64> = (0..8).map(value).collect();
                scores(&values, CELSIUS).iter().flatten().any(|(score, _)| score.abs() > 5.0)
            };
            (0..1_000).filter(has_found).count()
        };
        let found = [0.0, 6.0, 12.0, 18.0, 24.0, 30.0, 36.0].map(count);
        assert_eq!(found[0], 0, "healthy ones are found");
        assert!(found.is_sorted(), "a larger excess is found less often: {found:?}");
        assert!(found[6] >= 950, "too few are found: {found:?}");
    }
}
