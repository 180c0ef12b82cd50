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
}

/// The mean; computed in small steps where the sum would leave the range of floats.
pub(super) fn mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let total = Sum::of(values.iter().copied());
    if total.is_finite() || values.iter().any(|value| !value.is_finite()) {
        return total / count;
    }
    Sum::of(values.iter().map(|value| value / count))
}

/// The population variance (Welford), as Prometheus computes it.
pub(super) fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut square) = (Sum::default(), Sum::default());
    for (index, value) in values.iter().enumerate() {
        let delta = value - mean.value();
        mean.add(delta / (index + 1) as f64);
        square.add(delta * (value - mean.value()));
    }
    square.value() / values.len() as f64
}
