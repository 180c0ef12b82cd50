//! Buckets with their bounds.

use model::histogram::{CUSTOM_SCHEMA, Histogram};

use super::{
    bounds::bound,
    layout::{inwards, outwards},
};

/// A range of values and how many observations lie in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bucket {
    pub lower: f64,
    pub upper: f64,
    pub lower_inclusive: bool,
    pub upper_inclusive: bool,
    pub count: f64,
}

/// All buckets in ascending order, empty ones too, but the zero bucket only if it has observations. Where a
/// bucket overlaps with the zero bucket it ends where that begins.
pub fn buckets(histogram: &Histogram) -> impl Iterator<Item = Bucket> {
    let negative = inwards(&histogram.negative);
    let positive = outwards(&histogram.positive);
    let negative = negative.map(|(index, count)| below_zero(histogram, index, count));
    let positive = positive.map(|(index, count)| above_zero(histogram, index, count));
    let clipped = |bucket| clip(histogram, bucket);
    negative.map(clipped).chain(zero_bucket(histogram)).chain(positive.map(clipped))
}

/// As [`buckets`], descending.
pub(super) fn buckets_backwards(histogram: &Histogram) -> impl Iterator<Item = Bucket> {
    let negative = outwards(&histogram.negative);
    let positive = inwards(&histogram.positive);
    let negative = negative.map(|(index, count)| below_zero(histogram, index, count));
    let positive = positive.map(|(index, count)| above_zero(histogram, index, count));
    let clipped = |bucket| clip(histogram, bucket);
    positive.map(clipped).chain(zero_bucket(histogram)).chain(negative.map(clipped))
}

pub(super) fn above_zero(histogram: &Histogram, index: i64, count: f64) -> Bucket {
    with_bounds(histogram, index, bound(histogram, index - 1), bound(histogram, index), count)
}

pub(super) fn below_zero(histogram: &Histogram, index: i64, count: f64) -> Bucket {
    with_bounds(histogram, index, -bound(histogram, index), -bound(histogram, index - 1), count)
}

fn with_bounds(histogram: &Histogram, index: i64, lower: f64, upper: f64, count: f64) -> Bucket {
    let (lower_inclusive, upper_inclusive) = match histogram.schema {
        CUSTOM_SCHEMA => (index == 0, true),
        _ => (lower < 0.0, upper > 0.0),
    };
    Bucket { lower, upper, lower_inclusive, upper_inclusive, count }
}

fn zero_bucket(histogram: &Histogram) -> Option<Bucket> {
    (histogram.zero_count > 0.0).then_some(Bucket {
        lower: -histogram.zero_threshold,
        upper: histogram.zero_threshold,
        lower_inclusive: true,
        upper_inclusive: true,
        count: histogram.zero_count,
    })
}

fn clip(histogram: &Histogram, bucket: Bucket) -> Bucket {
    let threshold = histogram.zero_threshold;
    if bucket.upper < 0.0 && bucket.upper > -threshold {
        Bucket { upper: -threshold, ..bucket }
    } else if bucket.lower > 0.0 && bucket.lower < threshold {
        Bucket { lower: threshold, ..bucket }
    } else {
        bucket
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::samples::{custom, power};

    fn check(histogram: &Histogram, expected: &[(f64, f64, bool, bool, f64)]) {
        let found = buckets(histogram).map(|bucket| {
            let Bucket { lower, upper, lower_inclusive, upper_inclusive, count } = bucket;
            (lower, upper, lower_inclusive, upper_inclusive, count)
        });
        assert_eq!(found.collect::<Vec<_>>(), expected, "{histogram:?}");
        let mut backwards: Vec<Bucket> = buckets_backwards(histogram).collect();
        backwards.reverse();
        assert_eq!(backwards, buckets(histogram).collect::<Vec<_>>(), "{histogram:?}");
    }

    #[test]
    fn buckets_ascend() {
        let infinity = f64::INFINITY;
        check(&Histogram::default(), &[]);
        let wide =
            Histogram { zero_threshold: 0.75, zero_count: 2.0, ..power(0, 0, &[1.0, 0.0, 3.0]) };
        check(
            &wide,
            &[
                (-0.75, 0.75, true, true, 2.0),
                (0.75, 1.0, false, true, 1.0),
                (1.0, 2.0, false, true, 0.0),
                (2.0, 4.0, false, true, 3.0),
            ],
        );
        let mut both = power(-1, 1, &[1.0]);
        both.negative = power(-1, 0, &[4.0, 5.0]).positive;
        check(
            &both,
            &[
                (-4.0, -1.0, true, false, 5.0),
                (-1.0, -0.25, true, false, 4.0),
                (1.0, 4.0, false, true, 1.0),
            ],
        );
        check(
            &custom(&[-2.0, 5.0], &[1.0, 2.0, 3.0]),
            &[
                (-infinity, -2.0, true, true, 1.0),
                (-2.0, 5.0, false, true, 2.0),
                (5.0, infinity, false, true, 3.0),
            ],
        );
    }
}
