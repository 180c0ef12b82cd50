//! What holds for any histogram.

use model::histogram::{CUSTOM_SCHEMA, Histogram};
use proptest::prelude::*;

use super::{
    HistogramMean, HistogramSum, add, buckets, compact, divide, equals, format_histogram, fraction,
    is_reset, quantile,
    samples::{any_custom, any_power, are_near, is_near, strange},
    scale, subtract, trim_lower, trim_upper, variance,
};

fn held(histogram: &Histogram) -> f64 {
    let counts = histogram.positive.counts.iter().chain(&histogram.negative.counts);
    histogram.zero_count + counts.sum::<f64>()
}

fn pair() -> impl Strategy<Value = (Histogram, Histogram)> {
    prop_oneof![(any_power(), any_power()), (any_custom(), any_custom())]
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    prop_oneof![any_power(), any_custom()]
}

/// Quantiles rise only where no bucket is wider than its neighbours say: not with a zero bucket that overlaps
/// others in part, which real ones do not.
fn without_overlap() -> impl Strategy<Value = Histogram> {
    any_histogram().prop_map(|mut histogram| {
        histogram.zero_threshold = 0.0;
        histogram
    })
}

fn total(one: &Histogram, other: &Histogram) -> Histogram {
    let mut total = one.clone();
    add(&mut total, other).unwrap();
    total
}

proptest! {
    #[test]
    fn sums_commute_and_keep_counts((one, other) in pair()) {
        let sum = total(&one, &other);
        prop_assert!(are_near(&sum, &total(&other, &one)), "{sum:?}");
        prop_assert_eq!(sum.check(), Ok(()));
        prop_assert_eq!(sum.count, one.count + other.count);
        prop_assert_eq!(held(&sum), held(&one) + held(&other));
    }

    #[test]
    fn what_was_added_can_be_taken_away((one, other) in pair()) {
        let mut back = total(&one, &other);
        subtract(&mut back, &other).unwrap();
        // As coarse as both together, with nothing of the other.
        let mut nothing = other.clone();
        scale(&mut nothing, 0.0);
        let mut expected = total(&one, &nothing);
        // An empty bucket does not widen a zero bucket, one with observations does.
        if back.zero_threshold == expected.zero_threshold {
            expected.reset_hint = back.reset_hint;
            prop_assert!(are_near(&back, &expected), "{back:?} {expected:?}");
        }
        prop_assert_eq!(back.count, one.count);
    }

    #[test]
    fn compensated_sums_are_the_plain_ones_where_those_are_exact(
        (one, other) in pair(), times in 1..4,
    ) {
        let mut sum = HistogramSum::new(one.clone());
        let mut mean = HistogramMean::new(one.clone());
        let mut plain = one;
        for _ in 0..times {
            let notes = sum.add(&other).unwrap();
            prop_assert_eq!(add(&mut plain, &other).unwrap(), notes);
            mean.add(&other).unwrap();
        }
        let sum = sum.value();
        prop_assert!(are_near(&sum, &plain), "{sum:?} {plain:?}");
        divide(&mut plain, f64::from(times + 1));
        let mean = mean.value();
        prop_assert!(are_near(&mean, &plain), "{mean:?} {plain:?}");
    }

    #[test]
    fn a_sum_is_no_reset((one, other) in pair()) {
        let sum = total(&one, &other);
        if sum.zero_threshold == one.zero_threshold || sum.count == one.count {
            prop_assert!(!is_reset(&sum, &one), "{sum:?}");
        }
    }

    #[test]
    fn compacting_changes_no_observation(histogram in any_histogram()) {
        let mut compacted = histogram.clone();
        compact(&mut compacted);
        let full = |histogram: &Histogram| {
            buckets(histogram).filter(|bucket| bucket.count != 0.0).collect::<Vec<_>>()
        };
        prop_assert_eq!(full(&compacted), full(&histogram));
        prop_assert_eq!(compacted.check(), Ok(()));
        let mut again = compacted.clone();
        compact(&mut again);
        prop_assert!(equals(&again, &compacted));
        prop_assert_eq!(again.positive.spans, compacted.positive.spans);
    }

    #[test]
    fn quantiles_rise(histogram in without_overlap(), one in 0.0..=1.0_f64, other in 0.0..=1.0_f64) {
        let (low, high) = (one.min(other), one.max(other));
        let (lower, upper) = (quantile(low, &histogram).0, quantile(high, &histogram).0);
        if histogram.count > 0.0 && low > 0.0 {
            prop_assert!(lower <= upper || is_near(lower, upper), "{lower} {upper}");
        }
    }

    #[test]
    fn fractions_undo_quantiles(histogram in without_overlap(), phi in 0.01..0.99_f64) {
        let value = quantile(phi, &histogram).0;
        // Prometheus lets also a custom bucket around zero begin there.
        let is_inside = buckets(&histogram)
            .filter(|bucket| histogram.schema != CUSTOM_SCHEMA || bucket.lower > 0.0 || bucket.upper < 0.0)
            .any(|bucket| bucket.count > 0.0 && bucket.lower < value && value < bucket.upper
                && bucket.lower.is_finite() && bucket.upper.is_finite());
        if is_inside {
            let share = fraction(f64::NEG_INFINITY, value, &histogram).0;
            prop_assert!((share - phi).abs() < 1e-9, "{value}: {share}");
        }
    }

    #[test]
    fn trims_never_add(histogram in any_histogram(), value in -20.0..20.0_f64) {
        for trimmed in [trim_upper(&histogram, value), trim_lower(&histogram, value)] {
            prop_assert!(trimmed.count <= histogram.count * (1.0 + 1e-12), "{trimmed:?}");
            prop_assert!(is_near(held(&trimmed), trimmed.count), "{trimmed:?}");
            prop_assert_eq!(trimmed.check(), Ok(()));
        }
    }

    #[test]
    fn nothing_panics((one, other) in (strange(), strange()), number: f64) {
        for histogram in [&one, &other] {
            format_histogram(histogram);
            variance(histogram);
            let count = histogram.positive.counts.len() + histogram.negative.counts.len();
            assert!(buckets(histogram).count() <= count + 1);
            for value in [number, 0.0, 0.3, 0.7, 1.0, f64::NAN, f64::INFINITY] {
                quantile(value, histogram);
                fraction(value, number, histogram);
                fraction(number, value, histogram);
                trim_upper(histogram, value);
                trim_lower(histogram, value);
                let mut changed = histogram.clone();
                scale(&mut changed, value);
                divide(&mut changed, value);
                compact(&mut changed);
            }
        }
        is_reset(&one, &other);
        equals(&one, &other);
        let mut changed = one.clone();
        let outcome = add(&mut changed, &other);
        assert_eq!(subtract(&mut changed, &other).is_ok(), outcome.is_ok());
        assert_eq!(changed.positive.counts.len() as u64,
            changed.positive.spans.iter().map(|span| u64::from(span.length)).sum::<u64>());
        let mut sum = HistogramSum::new(one.clone());
        let mut mean = HistogramMean::new(one.clone());
        for histogram in [&other, &one, &other] {
            assert_eq!(sum.add(histogram).is_ok(), mean.add(histogram).is_ok());
        }
        sum.value();
        mean.value();
    }
}
