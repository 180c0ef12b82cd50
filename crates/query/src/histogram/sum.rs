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
