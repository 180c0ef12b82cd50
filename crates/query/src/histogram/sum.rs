//! Sums and means of many histograms that keep what rounding loses.

use model::histogram::{Histogram, ResetHint};

use super::arithmetic::{Incompatible, Lost, Notes, Operation, combine, divide, scale};

/// Whether hints of both kinds were seen, which no pairwise sum tells.
#[derive(Clone, Copy, Debug, Default)]
struct Hints {
    has_reset: bool,
    has_no_reset: bool,
}

impl Hints {
    fn see(&mut self, hint: ResetHint) {
        self.has_reset |= hint == ResetHint::Reset;
        self.has_no_reset |= hint == ResetHint::NoReset;
    }
}

/// A sum, compensated as Kahan and Neumaier do.
#[derive(Clone, Debug)]
pub(crate) struct HistogramSum {
    total: Histogram,
    lost: Option<Lost>,
    hints: Hints,
}

impl HistogramSum {
    pub(crate) fn new(first: Histogram) -> Self {
        let mut hints = Hints::default();
        hints.see(first.reset_hint);
        Self { total: first, lost: None, hints }
    }

    pub(crate) fn add(&mut self, other: &Histogram) -> Result<Notes, Incompatible> {
        self.hints.see(other.reset_hint);
        let lost = self.lost.get_or_insert_with(|| Lost::of(&self.total));
        combine(&mut self.total, Some(lost), other, Operation::Add)
    }

    /// Whether some histograms said that the counter began anew and others that it did not.
    pub(crate) fn hints_collide(&self) -> bool {
        self.hints.has_reset && self.hints.has_no_reset
    }

    /// The sum; empty buckets are still in it.
    pub(crate) fn value(self) -> Histogram {
        let Self { mut total, lost, .. } = self;
        if let Some(lost) = lost {
            total.zero_count += lost.zero_count;
            total.count += lost.count;
            total.sum += lost.sum;
            let sides =
                [(&mut total.positive, lost.positive), (&mut total.negative, lost.negative)];
            for (buckets, lost) in sides {
                buckets.counts.iter_mut().zip(lost).for_each(|(count, lost)| *count += lost);
            }
        }
        total
    }

    /// Multiplies sum and compensation alike.
    fn scale(&mut self, factor: f64) {
        scale(&mut self.total, factor);
        if let Some(lost) = &mut self.lost {
            lost.each(|lost| *lost *= factor);
        }
    }

    fn divide(&mut self, divisor: f64) {
        divide(&mut self.total, divisor);
        if let Some(lost) = &mut self.lost {
            lost.each(|lost| *lost /= divisor);
        }
    }
}

impl Lost {
    fn each(&mut self, change: impl Fn(&mut f64)) {
        let Self { zero_count, count, sum, positive, negative } = self;
        [zero_count, count, sum].into_iter().chain(positive).chain(negative).for_each(change);
    }
}

/// A mean: the sum through the number of histograms; where the sum would leave the range of floats, a mean
/// that moves with each histogram.
#[derive(Clone, Debug)]
pub(crate) struct HistogramMean {
    sum: HistogramSum,
    number: f64,
    /// No number in the sum is further from zero.
    reach: f64,
    /// Whether `sum` is the mean already.
    is_moving: bool,
}

impl HistogramMean {
    pub(crate) fn new(first: Histogram) -> Self {
        let reach = magnitude(&first);
        Self { sum: HistogramSum::new(first), number: 1.0, reach, is_moving: false }
    }

    pub(crate) fn add(&mut self, other: &Histogram) -> Result<Notes, Incompatible> {
        self.number += 1.0;
        if !self.is_moving {
            self.reach += magnitude(other);
            if self.reach < f64::MAX / 2.0 {
                return self.sum.add(other);
            }
            // It may leave the range of floats, and there is no way back from there.
            let mut sum = self.sum.clone();
            let notes = sum.add(other)?;
            if !has_infinity(&sum.total) {
                self.sum = sum;
                return Ok(notes);
            }
            self.is_moving = true;
            self.sum.divide(self.number - 1.0);
        }
        self.sum.scale((self.number - 1.0) / self.number);
        let mut part = other.clone();
        divide(&mut part, self.number);
        self.sum.add(&part)
    }

    /// As [`HistogramSum::hints_collide`].
    pub(crate) fn hints_collide(&self) -> bool {
        self.sum.hints_collide()
    }

    /// The mean; empty buckets are still in it.
    pub(crate) fn value(self) -> Histogram {
        let Self { mut sum, number, is_moving, .. } = self;
        if !is_moving {
            sum.divide(number);
        }
        sum.value()
    }
}

/// What no number of it, nor any sum of its buckets, is further from zero than; not a number if one is none.
fn magnitude(histogram: &Histogram) -> f64 {
    let Histogram { zero_count, count, sum, positive, negative, .. } = histogram;
    let held = positive.counts.iter().chain(&negative.counts).map(|count| count.abs());
    zero_count.abs() + count.abs() + sum.abs() + held.sum::<f64>()
}

fn has_infinity(histogram: &Histogram) -> bool {
    let Histogram { zero_count, count, sum, positive, negative, .. } = histogram;
    let held = positive.counts.iter().chain(&negative.counts);
    [zero_count, count, sum].into_iter().chain(held).any(|number| number.is_infinite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::{
        compact,
        samples::{are_near, custom, power, with, with_negative},
    };

    fn sum_of(all: &[Histogram]) -> Histogram {
        let mut sum = HistogramSum::new(all[0].clone());
        all[1..].iter().for_each(|histogram| assert!(sum.add(histogram).is_ok()));
        let mut total = sum.value();
        compact(&mut total);
        total
    }

    fn mean_of(all: &[Histogram]) -> Histogram {
        let mut mean = HistogramMean::new(all[0].clone());
        all[1..].iter().for_each(|histogram| assert!(mean.add(histogram).is_ok()));
        mean.value()
    }

    #[test]
    fn sums_keep_what_rounding_loses() {
        let of = |counts: &[f64]| with(power(0, 0, counts), counts[0], counts[0], (counts[0], 0.1));
        let large = with_negative(of(&[1e100, 1.0]), 0, &[1e100]);
        let minus = with_negative(of(&[-1e100, 0.0]), 0, &[-1e100]);
        let small = with_negative(of(&[1.0, 0.0]), 0, &[2.0]);
        let expected = with_negative(of(&[3.0, 1.0]), 0, &[6.0]);
        let all = [small.clone(), large.clone(), small.clone(), small.clone(), minus.clone()];
        assert_eq!(sum_of(&all), expected);
        let mut mean = expected;
        divide(&mut mean, 5.0);
        assert!(are_near(&mean_of(&all), &mean));

        // Also where buckets become coarser, go into the zero bucket or come in between.
        let fine = power(1, -1, &[1e100, 1.0, 1e100]);
        let coarse = power(0, 0, &[-1e100, -1e100]);
        let total = sum_of(&[power(1, 0, &[1.0, 2.0]), fine.clone(), coarse.clone()]);
        assert_eq!(total.positive, power(0, 0, &[2.0, 2.0]).positive);
        let second = power(1, 0, &[1e100]);
        let total = sum_of(&[power(1, -1, &[1.0, 1.0]), second, power(0, 0, &[-1e100])]);
        assert_eq!(total.positive, power(0, 0, &[2.0]).positive);
        let zero = with(power(0, 0, &[]), 0.0, 0.0, (-2e100, 2.0));
        let total = sum_of(&[power(1, 0, &[1.0, 2.0]), fine, zero]);
        assert_eq!((total.zero_count, total.zero_threshold), (4.0, 2.0));
        let between = power(0, 4, &[1e100]);
        let total = sum_of(&[power(0, 3, &[1.0, 1.0, 1.0]), between, power(0, 0, &[0.0; 4]), {
            power(0, 4, &[-1e100])
        }]);
        assert_eq!(total.positive, power(0, 3, &[1.0, 1.0, 1.0]).positive);
        let customs = [
            custom(&[1.0, 2.0], &[1.0, 1e100, 1.0]),
            custom(&[1.0, 2.0], &[0.0, 1.0, 0.0]),
            custom(&[2.0], &[-1e100, 0.0]),
        ];
        assert_eq!(sum_of(&customs).positive, custom(&[2.0], &[2.0, 1.0]).positive);
    }

    #[test]
    fn means_stay_in_the_range_of_floats() {
        let large = |factor: f64| {
            with(power(0, 0, &[f64::MAX * factor]), f64::MAX, f64::MAX * factor, (0.0, 0.0))
        };
        let expected = large(0.75);
        assert!(are_near(&mean_of(&[large(0.5), large(1.0), large(0.75)]), &expected));
        assert!(are_near(&mean_of(&vec![large(0.75); 7]), &expected));
        // Infinities stay.
        let infinite = Histogram { sum: f64::INFINITY, ..power(0, 0, &[3.0]) };
        let mean = mean_of(&[infinite, power(0, 0, &[1.0]), power(0, 0, &[5.0])]);
        assert_eq!((mean.sum, mean.count), (f64::INFINITY, 3.0));
        // From `native_histograms.test` of Prometheus.
        let mean = mean_of(&[custom(&[10.0], &[1.0]), custom(&[2.0, 10.0], &[1.0])]);
        assert_eq!(mean, custom(&[10.0], &[1.0]));
    }

    #[test]
    fn hints_of_all() {
        let hinted = |hint| Histogram { reset_hint: hint, ..power(0, 0, &[1.0]) };
        let collide = |hints: &[ResetHint]| {
            let mut sum = HistogramSum::new(hinted(hints[0]));
            let mut mean = HistogramMean::new(hinted(hints[0]));
            for hint in &hints[1..] {
                sum.add(&hinted(*hint)).unwrap();
                mean.add(&hinted(*hint)).unwrap();
            }
            assert_eq!(sum.hints_collide(), mean.hints_collide());
            sum.hints_collide()
        };
        use ResetHint as Hint;
        assert!(collide(&[Hint::Reset, Hint::Unknown, Hint::NoReset]));
        assert!(!collide(&[Hint::Reset, Hint::Unknown, Hint::Gauge, Hint::Reset]));
        assert!(!collide(&[Hint::NoReset]));
    }
}
