//! The buckets of a native histogram with their bounds, from the lowest to the highest.

use model::histogram::{Buckets, CUSTOM_SCHEMA, Histogram};

/// A bucket and which of its bounds belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bucket {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) includes_lower: bool,
    pub(super) includes_upper: bool,
    pub(super) count: f64,
}

/// All buckets that have a place in the histogram, empty ones among them.
pub(super) fn buckets(histogram: &Histogram) -> impl Iterator<Item = Bucket> {
    let negative = indexed(&histogram.negative).into_iter().rev().map(|(index, count)| {
        let (lower, upper) = (-bound(histogram, index), -bound(histogram, index - 1));
        Bucket { lower, upper, includes_lower: true, includes_upper: false, count }
    });
    let zero = (histogram.zero_count > 0.0).then_some(Bucket {
        lower: -histogram.zero_threshold,
        upper: histogram.zero_threshold,
        includes_lower: true,
        includes_upper: true,
        count: histogram.zero_count,
    });
    let is_custom = histogram.schema == CUSTOM_SCHEMA;
    let positive = indexed(&histogram.positive).into_iter().map(move |(index, count)| Bucket {
        lower: bound(histogram, index - 1),
        upper: bound(histogram, index),
        includes_lower: is_custom && index == 0,
        includes_upper: true,
        count,
    });
    negative.chain(zero).chain(positive)
}

/// The counts of one side with the indices of their buckets.
fn indexed(side: &Buckets) -> Vec<(i64, f64)> {
    let mut next = 0;
    let indices = side.spans.iter().flat_map(|span| {
        let start = next + i64::from(span.offset);
        next = start + i64::from(span.length);
        start..next
    });
    indices.zip(side.counts.iter().copied()).collect()
}

/// Where the bucket of that index ends, away from zero.
fn bound(histogram: &Histogram, index: i64) -> f64 {
    if histogram.schema == CUSTOM_SCHEMA {
        let bounds = &histogram.custom_bounds;
        return match usize::try_from(index) {
            Ok(place) => bounds.get(place).copied().unwrap_or(f64::INFINITY),
            Err(_) => f64::NEG_INFINITY,
        };
    }
    let exponent = index as f64 * (-f64::from(histogram.schema)).exp2();
    // One bucket ends at the largest number, and one behind it has what is infinite.
    if exponent == 1_024.0 { f64::MAX } else { exponent.exp2() }
}
