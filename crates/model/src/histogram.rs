//! Native histograms: a whole distribution in one point, as Prometheus has them.
//!
//! A bucket's index gives its bounds: with schema `s` bucket `i` of the positive side ends at
//! `2^(i * 2^-s)`, and the negative side mirrors it; with [`CUSTOM_SCHEMA`] it ends at the bound of that
//! index. Spans say which indices have buckets. What a valid histogram is follows `Validate` of
//! `FloatHistogram` and `Histogram` in <https://github.com/prometheus/prometheus/tree/main/model/histogram>.
//! Counts are floats here, also those of integer histograms, which are exact up to 2^53.

use crate::sample::{is_stale, stale};

/// The schema of histograms that bring the bounds of their buckets along.
pub const CUSTOM_SCHEMA: i8 = -53;
/// Coarsest and finest schema whose bounds are powers.
const POWER_SCHEMAS: std::ops::RangeInclusive<i8> = -4..=8;
/// Most buckets of one histogram, both sides together; the same for spans and for custom bounds.
pub const BUCKETS_MAX: usize = 8_192;
/// Whole numbers up to here are exact in a float: 2^53.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// What the sender knows about the point before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResetHint {
    #[default]
    Unknown,
    /// The counts began anew.
    Reset,
    /// They did not.
    NoReset,
    /// They may fall as well as rise.
    Gauge,
}

impl ResetHint {
    /// In the order of the numbers that stand for them on the wire.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Reset, Self::NoReset, Self::Gauge];
}

/// A run of consecutive buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// How many indices lie between this run and the one before; of the first run, where it begins.
    pub offset: i32,
    pub length: u32,
}

/// The buckets on one side of zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    pub spans: Vec<Span>,
    /// Observations in each bucket, not cumulative, as many as the spans are long together.
    pub counts: Vec<f64>,
}

/// One point of a series of native histograms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    pub reset_hint: ResetHint,
    pub schema: i8,
    /// Observations up to this far from zero are in the zero bucket.
    pub zero_threshold: f64,
    pub zero_count: f64,
    pub count: f64,
    /// Of all observations; the stale marker where the series ended.
    pub sum: f64,
    pub positive: Buckets,
    pub negative: Buckets,
    /// Upper bounds, only with [`CUSTOM_SCHEMA`]. A last bucket without an upper bound follows.
    pub custom_bounds: Vec<f64>,
}

/// What is wrong with a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHistogram {
    #[error("the schema of a histogram is -53 or from -4 to 8")]
    Schema,
    #[error("a histogram has more than {BUCKETS_MAX} buckets, spans or bounds")]
    TooLarge,
    #[error("the spans of a histogram mean another number of buckets than it has")]
    SpansMismatch,
    #[error("a span of a histogram begins before the one in front of it ends")]
    SpansOverlap,
    #[error("the index of a histogram's bucket is beyond 32 bits")]
    IndexOverflow,
    #[error("a count of a histogram is negative")]
    NegativeCount,
    #[error("the count of a histogram is not what its buckets hold together")]
    CountMismatch,
    #[error("the custom bounds of a histogram are not finite and rising")]
    Bounds,
    #[error("a histogram has fewer custom bounds than its buckets need")]
    TooFewBounds,
    #[error("a histogram with custom bounds has a zero bucket or negative buckets")]
    CustomBelowZero,
    #[error("a histogram whose bounds are powers has custom ones as well")]
    NeedlessBounds,
}

impl Buckets {
    /// Resolves what integer histograms send: each count as its difference from the one before.
    pub fn from_deltas(spans: Vec<Span>, deltas: &[i64]) -> Result<Self, BadHistogram> {
        let mut count = 0_i64;
        let counts = deltas.iter().map(|delta| {
            count = count.checked_add(*delta).filter(|count| *count >= 0)?;
            Some(count as f64)
        });
        let counts = counts.collect::<Option<_>>().ok_or(BadHistogram::NegativeCount)?;
        Ok(Self { spans, counts })
    }

    /// Whether spans and counts fit together; returns where the last bucket ends.
    fn check(&self) -> Result<i64, BadHistogram> {
        let lengths: u64 = self.spans.iter().map(|span| u64::from(span.length)).sum();
        if lengths != self.counts.len() as u64 {
            return Err(BadHistogram::SpansMismatch);
        }
        if self.spans.iter().skip(1).any(|span| span.offset < 0) {
            return Err(BadHistogram::SpansOverlap);
        }
        // Offsets after the first are not negative, so no index is beyond what the last one ends at.
        let end =
            self.spans.iter().map(|span| i64::from(span.offset) + i64::from(span.length)).sum();
        if end > i64::from(i32::MAX) {
            return Err(BadHistogram::IndexOverflow);
        }
        if self.counts.iter().any(|count| *count < 0.0) {
            return Err(BadHistogram::NegativeCount);
        }
        Ok(end)
    }
}

impl Histogram {
    /// The point that says that the series ended here.
    pub fn stale() -> Self {
        Self { sum: stale(), ..Self::default() }
    }

    pub fn is_stale(&self) -> bool {
        is_stale(self.sum)
    }

    /// What it weighs beside plain samples, which take 16 bytes of memory.
    pub fn weight(&self) -> u64 {
        let numbers =
            [&self.positive, &self.negative].map(|side| side.spans.len() + side.counts.len());
        let numbers = numbers.into_iter().sum::<usize>() + self.custom_bounds.len();
        ((size_of::<Self>() + numbers * size_of::<f64>()) / 16) as u64
    }

    /// Whether it is one that may be stored and reckoned with.
    pub fn check(&self) -> Result<(), BadHistogram> {
        let Self { positive, negative, custom_bounds, .. } = self;
        let sizes = [
            positive.counts.len() + negative.counts.len(),
            positive.spans.len() + negative.spans.len(),
            custom_bounds.len(),
        ];
        if sizes.into_iter().any(|size| size > BUCKETS_MAX) {
            return Err(BadHistogram::TooLarge);
        }
        let end = positive.check()?;
        negative.check()?;
        if self.count < 0.0 || self.zero_count < 0.0 {
            return Err(BadHistogram::NegativeCount);
        }
        if self.schema == CUSTOM_SCHEMA {
            return self.check_custom(end);
        }
        if !POWER_SCHEMAS.contains(&self.schema) {
            return Err(BadHistogram::Schema);
        }
        if custom_bounds.is_empty() { Ok(()) } else { Err(BadHistogram::NeedlessBounds) }
    }

    /// `end` is where the last bucket ends.
    fn check_custom(&self, end: i64) -> Result<(), BadHistogram> {
        let Self { positive, negative, custom_bounds, .. } = self;
        let has_zero = self.zero_count != 0.0 || self.zero_threshold != 0.0;
        if has_zero || !negative.spans.is_empty() {
            return Err(BadHistogram::CustomBelowZero);
        }
        let is_rising = custom_bounds.is_sorted_by(|a, b| a < b);
        if !is_rising || !custom_bounds.iter().all(|bound| bound.is_finite()) {
            return Err(BadHistogram::Bounds);
        }
        if positive.spans.first().is_some_and(|span| span.offset < 0) {
            return Err(BadHistogram::SpansOverlap);
        }
        // One bucket has no upper bound.
        if end > custom_bounds.len() as i64 + 1 {
            return Err(BadHistogram::TooFewBounds);
        }
        Ok(())
    }

    /// As [`Histogram::check`], and that the buckets hold exactly what was counted, which only integers
    /// can promise. An observation that is not a number is in no bucket and shows in the sum.
    pub fn check_integers(&self) -> Result<(), BadHistogram> {
        self.check()?;
        let counts = self.positive.counts.iter().chain(&self.negative.counts);
        let held = self.zero_count + counts.sum::<f64>();
        let is_right = match self.sum.is_nan() {
            true => held <= self.count,
            false => held == self.count,
        };
        // Larger numbers were rounded.
        if is_right || held.max(self.count) > WHOLE_MAX {
            Ok(())
        } else {
            Err(BadHistogram::CountMismatch)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(spans: &[(i32, u32)], counts: &[f64]) -> Buckets {
        let spans = spans.iter().map(|(offset, length)| Span { offset: *offset, length: *length });
        Buckets { spans: spans.collect(), counts: counts.to_vec() }
    }

    fn example() -> Histogram {
        Histogram {
            zero_threshold: 1e-128,
            zero_count: 1.0,
            count: 10.0,
            sum: 5.0,
            positive: buckets(&[(-3, 1), (4, 2)], &[1.0, 2.0, 3.0]),
            negative: buckets(&[(0, 1)], &[3.0]),
            ..Histogram::default()
        }
    }

    fn custom() -> Histogram {
        Histogram {
            schema: CUSTOM_SCHEMA,
            count: 3.0,
            sum: 1.0,
            positive: buckets(&[(1, 2)], &[1.0, 2.0]),
            custom_bounds: vec![-1.0, 0.5],
            ..Histogram::default()
        }
    }

    fn check(
        base: fn() -> Histogram,
        change: impl FnOnce(&mut Histogram),
        expected: Result<(), BadHistogram>,
    ) {
        let mut histogram = base();
        change(&mut histogram);
        assert_eq!(histogram.check_integers(), expected, "{histogram:?}");
    }

    #[test]
    fn what_is_valid() {
        use BadHistogram as Bad;
        check(Histogram::default, |_| {}, Ok(()));
        check(Histogram::stale, |_| {}, Ok(()));
        check(example, |_| {}, Ok(()));
        check(example, |h| h.schema = 8, Ok(()));
        check(example, |h| h.schema = 9, Err(Bad::Schema));
        check(example, |h| h.schema = -5, Err(Bad::Schema));
        check(example, |h| h.count = 11.0, Err(Bad::CountMismatch));
        check(example, |h| (h.count, h.sum) = (11.0, f64::NAN), Ok(()));
        check(example, |h| (h.count, h.sum) = (9.0, f64::NAN), Err(Bad::CountMismatch));
        check(example, |h| h.sum = f64::INFINITY, Ok(()));
        check(example, |h| h.zero_count = -1.0, Err(Bad::NegativeCount));
        check(example, |h| h.positive.counts[0] = -1.0, Err(Bad::NegativeCount));
        check(example, |h| h.positive.spans[1].offset = -1, Err(Bad::SpansOverlap));
        check(example, |h| h.positive.spans[1].length = 3, Err(Bad::SpansMismatch));
        check(example, |h| h.negative.spans[0].offset = i32::MAX, Err(Bad::IndexOverflow));
        check(example, |h| h.custom_bounds = vec![1.0], Err(Bad::NeedlessBounds));
        check(example, |h| h.custom_bounds = vec![1.0; BUCKETS_MAX + 1], Err(Bad::TooLarge));
        check(example, |h| h.count = 2.0 * WHOLE_MAX, Ok(()));
        check(custom, |_| {}, Ok(()));
        check(custom, |h| h.positive.spans[0].offset = 2, Err(Bad::TooFewBounds));
        check(custom, |h| h.positive.spans[0].offset = -1, Err(Bad::SpansOverlap));
        check(custom, |h| h.custom_bounds[1] = -1.0, Err(Bad::Bounds));
        check(custom, |h| h.custom_bounds[1] = f64::INFINITY, Err(Bad::Bounds));
        check(custom, |h| h.custom_bounds[1] = f64::NAN, Err(Bad::Bounds));
        check(custom, |h| h.zero_threshold = 1.0, Err(Bad::CustomBelowZero));
        check(custom, |h| h.negative = buckets(&[(0, 0)], &[]), Err(Bad::CustomBelowZero));
    }

    #[test]
    fn counts_of_integers() {
        let check = |deltas: &[i64], expected: Result<Vec<f64>, BadHistogram>| {
            let resolved = Buckets::from_deltas(Vec::new(), deltas);
            assert_eq!(resolved.map(|buckets| buckets.counts), expected, "{deltas:?}");
        };
        check(&[], Ok(vec![]));
        check(&[2, 3, -5, 1 << 53], Ok(vec![2.0, 5.0, 0.0, WHOLE_MAX]));
        check(&[2, -3], Err(BadHistogram::NegativeCount));
        check(&[i64::MAX, 1], Err(BadHistogram::NegativeCount));
    }
}
