//! Statistics of floats, in the order of operations that Prometheus has.

use std::cmp::Ordering;

/// Orders floats with NaN at the end.
pub(super) fn ascending(a: f64, b: f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then(a.partial_cmp(&b).unwrap_or(Ordering::Equal))
}

/// Orders floats downwards with NaN at the end.
pub(super) fn descending(a: f64, b: f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then(b.partial_cmp(&a).unwrap_or(Ordering::Equal))
}

/// The φ-quantile by linear interpolation; `values` need not be sorted.
pub(super) fn quantile(phi: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    // Prometheus lets NaN sort first here.
    values.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(ascending(*a, *b)));
    let rank = phi * (values.len() as f64 - 1.0);
    let lower = rank.floor().max(0.0) as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// A sum that keeps what rounding loses (Kahan and Neumaier).
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> f64 {
        let mut sum = Self::default();
        values.into_iter().for_each(|value| sum.add(value));
        sum.value()
    }

    pub(crate) fn add(&mut self, value: f64) {
        let total = self.total + value;
        self.lost += if total.is_infinite() {
            -self.lost
        } else if self.total.abs() >= value.abs() {
            (self.total - total) + value
        } else {
            (value - total) + self.total
        };
        self.total = total;
    }

    pub(crate) fn value(self) -> f64 {
        if self.total.is_infinite() { self.total } else { self.total + self.lost }
    }

    /// The mean of `count` values that were added.
    pub(super) fn mean(self, count: f64) -> f64 {
        self.total / count + self.lost / count
    }
}

/// The mean; in small steps from where the sum would leave the range of floats.
pub(super) fn mean(values: &[f64]) -> f64 {
    let Some((first, others)) = values.split_first() else { return f64::NAN };
    let mut sum = Sum { total: *first, lost: 0.0 };
    let (mut count, mut is_stepwise) = (1.0, false);
    for value in others {
        count += 1.0;
        if !is_stepwise {
            let mut next = sum;
            next.add(*value);
            if !next.total.is_infinite() {
                sum = next;
                continue;
            }
            is_stepwise = true;
            sum = Sum { total: sum.total / (count - 1.0), lost: sum.lost / (count - 1.0) };
        }
        let share = (count - 1.0) / count;
        sum = Sum { total: share * sum.total, lost: share * sum.lost };
        sum.add(value / count);
    }
    if is_stepwise { sum.total + sum.lost } else { sum.mean(count) }
}

/// The population variance (Welford) as functions of windows compute it.
pub(super) fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut square) = (Sum::default(), Sum::default());
    for (index, value) in values.iter().enumerate() {
        let delta = value - mean.value();
        mean.add(delta / (index + 1) as f64);
        square.add(delta * (value - mean.value()));
    }
    square.value() / values.len() as f64
}

/// The population variance as aggregations compute it: what rounding loses is lost there.
pub(super) fn variance_of_series(values: &[f64]) -> f64 {
    let Some((first, others)) = values.split_first() else { return f64::NAN };
    let mut square = if first.is_finite() { 0.0 } else { f64::NAN };
    let (mut count, mut mean) = (1.0, *first);
    for value in others {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        square += delta * (value - mean);
    }
    square / count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To the last digit.
    #[test]
    fn orders_of_operations() {
        let check = |found: f64, expected: f64| assert_eq!(found.to_bits(), expected.to_bits());
        check(mean(&[]), f64::NAN);
        check(mean(&[0.1, 0.2, 0.3]), 0.6000000000000001 / 3.0 + -5.551115123125783e-17 / 3.0);
        check(mean(&[f64::MAX, f64::MAX]), f64::MAX);
        check(mean(&[f64::MAX, f64::MAX, -f64::INFINITY]), f64::NEG_INFINITY);
        assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        check(variance_of_series(&[5.0]), 0.0);
        check(variance_of_series(&[1.0, 2.0, 3.0, 4.0]), 1.25);
        assert!(variance_of_series(&[f64::INFINITY]).is_nan());
        assert!(variance_of_series(&[1.0, f64::INFINITY]).is_nan());
    }
}
