//! Histograms for the tests.

use model::histogram::{Buckets, CUSTOM_SCHEMA, Histogram, Span};
use proptest::prelude::*;

use super::{bounds::power_bound, layout::indices};

fn consecutive(offset: i32, counts: &[f64]) -> Buckets {
    Buckets { spans: vec![Span { offset, length: counts.len() as u32 }], counts: counts.to_vec() }
}

/// Positive buckets from index `offset`; counted are what they hold.
pub(super) fn power(schema: i8, offset: i32, counts: &[f64]) -> Histogram {
    Histogram {
        schema,
        count: counts.iter().sum(),
        positive: consecutive(offset, counts),
        ..Histogram::default()
    }
}

pub(super) fn custom(bounds: &[f64], counts: &[f64]) -> Histogram {
    Histogram {
        schema: CUSTOM_SCHEMA,
        count: counts.iter().sum(),
        positive: consecutive(0, counts),
        custom_bounds: bounds.to_vec(),
        ..Histogram::default()
    }
}

/// As the scripts of Prometheus have them: `sum`, `count`, `z_bucket`, `z_bucket_w`.
pub(super) fn with(base: Histogram, sum: f64, count: f64, zero: (f64, f64)) -> Histogram {
    Histogram { sum, count, zero_count: zero.0, zero_threshold: zero.1, ..base }
}

pub(super) fn with_negative(base: Histogram, offset: i32, counts: &[f64]) -> Histogram {
    Histogram { negative: consecutive(offset, counts), ..base }
}

fn side(index: impl Strategy<Value = i32>) -> impl Strategy<Value = Buckets> {
    let run = (0_i32..4, prop::collection::vec(0_u8..5, 0..5));
    (index, prop::collection::vec(run, 0..4)).prop_map(|(start, runs)| {
        let mut buckets = Buckets::default();
        for (position, (gap, counts)) in runs.into_iter().enumerate() {
            let offset = if position == 0 { start } else { gap };
            buckets.spans.push(Span { offset, length: counts.len() as u32 });
            buckets.counts.extend(counts.into_iter().map(f64::from));
        }
        buckets
    })
}

fn counted(mut histogram: Histogram) -> Histogram {
    let counts = histogram.positive.counts.iter().chain(&histogram.negative.counts);
    histogram.count = histogram.zero_count + counts.sum::<f64>();
    histogram
}

/// Small whole counts, so that sums are exact; nothing in a bucket that overlaps with the zero bucket.
pub(super) fn any_power() -> impl Strategy<Value = Histogram> {
    let zero = (0_u8..4, prop_oneof![Just(0.0), Just(0.001), Just(0.3), 0.0..4.0_f64]);
    (-4_i8..=8, side(-12..12), side(-12..12), zero, -99_i16..99).prop_map(
        |(schema, positive, negative, (zero_count, zero_threshold), sum)| {
            let zero_count = f64::from(zero_count);
            let sum = f64::from(sum);
            let [positive, negative] = [positive, negative].map(|mut side| {
                let places = indices(&side.spans).zip(&mut side.counts);
                for (index, count) in places {
                    if power_bound(schema, index - 1) < zero_threshold {
                        *count = 0.0;
                    }
                }
                side
            });
            counted(Histogram {
                schema,
                positive,
                negative,
                zero_count,
                zero_threshold,
                sum,
                ..Histogram::default()
            })
        },
    )
}

pub(super) fn any_custom() -> impl Strategy<Value = Histogram> {
    let bounds = prop::collection::btree_set(-8_i8..8, 0..8);
    (bounds, prop::collection::vec(0_u8..5, 9), 0_u32..9, -99_i16..99).prop_map(
        |(bounds, counts, skipped, sum)| {
            let bounds: Vec<f64> = bounds.into_iter().map(f64::from).collect();
            let offset = skipped.min(bounds.len() as u32);
            let length = bounds.len() as u32 + 1 - offset;
            let counts = counts.into_iter().take(length as usize).map(f64::from).collect();
            let spans = vec![Span { offset: offset as i32, length }];
            counted(Histogram {
                schema: CUSTOM_SCHEMA,
                positive: Buckets { spans, counts },
                custom_bounds: bounds,
                sum: f64::from(sum),
                ..Histogram::default()
            })
        },
    )
}

/// Anything that passes the check, however strange.
pub(super) fn strange() -> impl Strategy<Value = Histogram> {
    let number = prop_oneof![
        any::<f64>(),
        prop::sample::select(vec![0.0, -0.0, 1.0, f64::NAN, f64::INFINITY, f64::MAX, 1e-320]),
    ];
    let index = prop::sample::select(vec![
        i32::MIN,
        -20_000,
        -1074,
        -3,
        0,
        5,
        1024,
        262_144,
        2_147_483_000,
    ]);
    let (positive, negative) = (side(index.clone()), side(index));
    let powers = (any_power(), positive, negative, number.clone(), number.clone(), number.clone());
    let powers = powers.prop_map(|(base, positive, negative, threshold, sum, count)| Histogram {
        positive,
        negative,
        zero_threshold: threshold,
        sum,
        count,
        ..base
    });
    let customs = (any_custom(), number.clone(), number).prop_map(|(base, sum, held)| {
        let mut strange = Histogram { sum, ..base };
        strange.positive.counts.iter_mut().take(1).for_each(|count| *count = held);
        strange
    });
    prop_oneof![powers, customs, any_power(), any_custom()]
        .prop_filter("valid", |histogram| histogram.check().is_ok())
}

/// Whether the relative difference is one that rounding explains.
pub(super) fn is_near(one: f64, other: f64) -> bool {
    let largest = one.abs().max(other.abs());
    one == other
        || (one.is_nan() && other.is_nan())
        || (largest.is_finite() && (one - other).abs() <= 1e-9 * largest)
}

/// Whether both are the same but for rounding and empty buckets.
pub(super) fn are_near(one: &Histogram, other: &Histogram) -> bool {
    let (mut one, mut other) = (one.clone(), other.clone());
    super::compact(&mut one);
    super::compact(&mut other);
    let numbers = |histogram: &Histogram| {
        let Histogram { zero_count, count, sum, .. } = histogram;
        let counts = histogram.positive.counts.iter().chain(&histogram.negative.counts);
        let numbers = [zero_count, count, sum, &histogram.zero_threshold];
        numbers.into_iter().chain(counts).copied().collect::<Vec<f64>>()
    };
    one.schema == other.schema
        && one.custom_bounds == other.custom_bounds
        && one.positive.spans == other.positive.spans
        && one.negative.spans == other.negative.spans
        && numbers(&one).into_iter().zip(numbers(&other)).all(|(one, other)| is_near(one, other))
}
