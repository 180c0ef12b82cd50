//! What a native histogram says about the values that were observed.

use model::histogram::{CUSTOM_SCHEMA, Histogram};

use super::{
    arithmetic::increase,
    buckets::{Bucket, buckets, buckets_backwards},
};

/// How observations that are not numbers bend a quantile. They are in no bucket, but they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NanNote {
    /// The quantile is among them: it is not a number either.
    ResultIsNan,
    /// They count as the largest, so the quantile is larger.
    SkewedHigher,
}

/// The φ-quantile, interpolated within its bucket.
pub(crate) fn quantile(phi: f64, histogram: &Histogram) -> (f64, Option<NanNote>) {
    if phi < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if phi > 1.0 {
        return (f64::INFINITY, None);
    }
    if histogram.count == 0.0 || phi.is_nan() {
        return (f64::NAN, None);
    }
    // From the nearer end, unless observations are missing at the upper one.
    if histogram.sum.is_nan() || phi < 0.5 {
        let rank = phi * histogram.count;
        search(histogram, buckets(histogram), rank, |rank, below, bucket| {
            rank - (below - bucket.count)
        })
    } else {
        let rank = (1.0 - phi) * histogram.count;
        search(histogram, buckets_backwards(histogram), rank, |rank, above, _| above - rank)
    }
}

/// `rest` says how many observations of the bucket lie below the rank, from the observations up to the
/// bucket's end.
fn search(
    histogram: &Histogram,
    mut buckets: impl Iterator<Item = Bucket>,
    rank: f64,
    rest: impl Fn(f64, f64, &Bucket) -> f64,
) -> (f64, Option<NanNote>) {
    let mut bucket = Bucket::default();
    let mut passed = 0.0;
    for next in buckets.by_ref() {
        bucket = next;
        passed += bucket.count;
        if bucket.count != 0.0 && passed >= rank {
            break;
        }
    }
    let is_custom = histogram.schema == CUSTOM_SCHEMA;
    if is_custom && bucket.lower == f64::NEG_INFINITY {
        if bucket.upper <= 0.0 {
            return (bucket.upper, None);
        }
        bucket.lower = 0.0;
    } else if is_custom && bucket.upper == f64::INFINITY {
        return (bucket.lower, None);
    } else if !is_custom && bucket.lower < 0.0 && bucket.upper > 0.0 {
        halve_zero_bucket(histogram, &mut bucket);
    }
    // Rounding may make the buckets hold more than was counted.
    let passed = if passed > histogram.count { histogram.count } else { passed };
    let has_nan = histogram.sum.is_nan();
    if passed < rank {
        return if has_nan { (f64::NAN, Some(NanNote::ResultIsNan)) } else { (bucket.upper, None) };
    }
    let part = rest(rank, passed, &bucket) / bucket.count;
    // The sum of opposite infinities is not a number either, but then nothing is missing.
    let held = || passed + buckets.map(|bucket| bucket.count).sum::<f64>();
    let note = (has_nan && held() < histogram.count).then_some(NanNote::SkewedHigher);
    (interpolate(is_custom, &bucket, part), note)
}

/// Where there are only buckets on one side, the zero bucket reaches no further than zero on the other.
fn halve_zero_bucket(histogram: &Histogram, bucket: &mut Bucket) {
    match (histogram.negative.counts.is_empty(), histogram.positive.counts.is_empty()) {
        (true, false) => bucket.lower = 0.0,
        (false, true) => bucket.upper = 0.0,
        _ => {}
    }
}

/// The value that `part` of the bucket's observations lie below. In buckets whose bounds are powers they are
/// taken to be evenly spread over the logarithms.
fn interpolate(is_custom: bool, bucket: &Bucket, part: f64) -> f64 {
    let Bucket { lower, upper, .. } = *bucket;
    if is_custom || (lower <= 0.0 && upper >= 0.0) {
        return lower + (upper - lower) * part;
    }
    let (log_lower, log_upper) = (lower.abs().log2(), upper.abs().log2());
    if lower > 0.0 {
        (log_lower + (log_upper - log_lower) * part).exp2()
    } else {
        -(log_upper + (log_lower - log_upper) * (1.0 - part)).exp2()
    }
}

/// The share of observations from `lower` to `upper`, and whether some that are not numbers are in none.
pub(crate) fn fraction(lower: f64, upper: f64, histogram: &Histogram) -> (f64, bool) {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, false);
    }
    if lower >= upper {
        return (0.0, false);
    }
    let (mut lower_rank, mut upper_rank) = (None, None);
    let mut rank = 0.0;
    let mut all = buckets(histogram);
    let mut held = 0.0;
    for mut bucket in all.by_ref() {
        held += bucket.count;
        let is_linear =
            histogram.schema == CUSTOM_SCHEMA || (bucket.lower <= 0.0 && bucket.upper >= 0.0);
        if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            halve_zero_bucket(histogram, &mut bucket);
        }
        for (value, found) in [(lower, &mut lower_rank), (upper, &mut upper_rank)] {
            if found.is_none() {
                *found = rank_in(&bucket, is_linear, rank, value);
            }
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        rank += bucket.count;
    }
    let mut has_nan = false;
    let counted = if histogram.sum.is_nan() {
        held += all.map(|bucket| bucket.count).sum::<f64>();
        has_nan = held < histogram.count;
        held
    } else {
        histogram.count
    };
    let held = at_most(counted, upper_rank) - at_most(counted, lower_rank);
    (held / histogram.count, has_nan)
}

/// The rank, or `most` where a value lies behind all buckets or rounding leads there.
pub(super) fn at_most(most: f64, rank: Option<f64>) -> f64 {
    match rank {
        Some(rank) if rank > most => most,
        Some(rank) => rank,
        None => most,
    }
}

/// How many observations lie below `value`, if it is in the bucket or before it; `rank` lie before the
/// bucket.
fn rank_in(bucket: &Bucket, is_linear: bool, rank: f64, value: f64) -> Option<f64> {
    let Bucket { lower, upper, count, .. } = *bucket;
    if lower >= value {
        return Some(rank);
    }
    if !(lower < value && upper > value) {
        return None;
    }
    if is_linear {
        // All observations of the first bucket lie above or below any value in it: nobody knows where.
        let is_bounded = lower != f64::NEG_INFINITY;
        return Some(if is_bounded {
            rank + count * (value - lower) / (upper - lower)
        } else {
            count
        });
    }
    let (log_lower, log_upper) = (lower.abs().log2(), upper.abs().log2());
    let log_value = value.abs().log2();
    let part = if value > 0.0 {
        (log_value - log_lower) / (log_upper - log_lower)
    } else {
        1.0 - (log_value - log_upper) / (log_lower - log_upper)
    };
    Some(rank + count * part)
}

/// The mean of all observations.
pub(crate) fn mean(histogram: &Histogram) -> f64 {
    histogram.sum / histogram.count
}

/// The population variance of the observations, each taken to be in the middle of its bucket: the
/// arithmetic one of custom buckets, zero of the zero bucket, the geometric one of the others.
pub(crate) fn variance(histogram: &Histogram) -> f64 {
    let mean = mean(histogram);
    let (mut squares, mut lost) = (0.0, 0.0);
    for Bucket { lower, upper, count, .. } in buckets(histogram) {
        if count == 0.0 {
            continue;
        }
        let middle = if histogram.schema == CUSTOM_SCHEMA {
            (upper + lower) / 2.0
        } else if lower <= 0.0 && upper >= 0.0 {
            0.0
        } else if upper < 0.0 {
            -(upper * lower).sqrt()
        } else {
            (upper * lower).sqrt()
        };
        let delta = middle - mean;
        increase(&mut squares, Some(&mut lost), count * delta * delta);
    }
    (squares + lost) / histogram.count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::samples::{custom, is_near, power, with, with_negative};

    fn check_quantiles(histogram: &Histogram, expected: &[(f64, f64)]) {
        for (phi, expected) in expected {
            let (found, note) = quantile(*phi, histogram);
            assert!(is_near(found, *expected), "{phi}: {found}, {expected}");
            assert_eq!(note, None, "{phi}");
        }
    }

    // The cases of all tests here are from `native_histograms.test` of Prometheus.
    #[test]
    fn quantiles_of_powers() {
        let counts = &[2.0, 3.0, 0.0, 1.0, 4.0];
        let infinity = f64::INFINITY;
        let positive = with(power(0, 0, counts), 100.0, 12.0, (2.0, 0.001));
        let expected = [
            (1.001, infinity),
            (1.0, 16.0),
            (0.99, 15.67072476139083),
            (0.9, 12.99603834169977),
            (0.6, 4.594793419988138),
            (0.5, 1.5874010519681994),
            (0.1, 0.0006),
            (0.0, 0.0),
            (-1.0, -infinity),
            (f64::NAN, f64::NAN),
        ];
        check_quantiles(&positive, &expected);
        let negative = with_negative(power(0, 0, &[]), 0, counts);
        let negative = with(negative, 100.0, 12.0, (2.0, 0.001));
        let expected = [
            (1.0, 0.0),
            (0.99, -0.00006),
            (0.9, -0.0006),
            (0.5, -1.5874010519681996),
            (0.1, -12.996038341699768),
            (0.0, -16.0),
        ];
        check_quantiles(&negative, &expected);
        let both = with_negative(power(0, 0, counts), 0, counts);
        let both = with(both, 100.0, 24.0, (4.0, 0.001));
        let expected = [
            (1.0, 16.0),
            (0.99, 15.34822590920423),
            (0.7, 1.2030250360821164),
            (0.55, 0.0006),
            (0.5, 0.0),
            (0.45, -0.0006),
            (0.3, -1.2030250360821169),
            (0.01, -15.34822590920423),
            (0.0, -16.0),
        ];
        check_quantiles(&both, &expected);
        check_quantiles(&power(-1, 0, &[0.0, 5.0]), &[(0.5, 2.0)]);
        check_quantiles(&power(1, 0, &[0.0, 0.0, 5.0]), &[(0.5, 1.6817928305074292)]);
        check_quantiles(&Histogram::default(), &[(0.5, f64::NAN)]);
        // More in the buckets than was counted: as if that much lay before the bucket.
        let overfull = with(power(0, 0, &[5.0]), 0.0, 3.0, (0.0, 0.0));
        check_quantiles(&overfull, &[(0.4, (3.2_f64 / 5.0 - 1.0).exp2())]);
    }

    #[test]
    fn quantiles_of_custom_buckets() {
        // Of observations that `histograms.test` has as classic buckets, too.
        let positive = custom(&[0.1, 0.2, 1.0], &[5.0, 2.0, 3.0, 0.0]);
        check_quantiles(&positive, &[(0.0, 0.0), (0.2, 0.04), (0.6, 0.15), (1.0, 1.0)]);
        let negative = custom(&[-0.2, -0.1, 0.3], &[1.0, 2.0, 0.0, 1.0]);
        check_quantiles(&negative, &[(0.0, -0.2), (0.2, -0.2), (0.5, -0.15), (0.8, 0.3)]);
        check_quantiles(&custom(&[], &[100.0]), &[(0.5, f64::INFINITY)]);
    }

    #[test]
    fn observations_that_are_not_numbers() {
        let nan = f64::NAN;
        let check = |histogram: &Histogram, phi, expected: f64, note| {
            let (found, found_note) = quantile(phi, histogram);
            assert!(is_near(found, expected), "{phi}: {found}");
            assert_eq!(found_note, note, "{phi}");
        };
        let all = with(power(0, 0, &[]), nan, 3.0, (0.0, 0.0));
        let some = with(power(0, 0, &[12.0]), nan, 15.0, (0.0, 0.0));
        check(&all, 1.0, nan, Some(NanNote::ResultIsNan));
        check(&all, 0.4, nan, Some(NanNote::ResultIsNan));
        check(&some, 0.81, nan, Some(NanNote::ResultIsNan));
        check(&some, 0.8, 1.0, Some(NanNote::SkewedHigher));
        check(&some, 0.4, 0.7071067811865475, Some(NanNote::SkewedHigher));
        check(&Histogram { count: 12.0, ..some.clone() }, 1.0, 1.0, None);
        let infinity = f64::INFINITY;
        assert_eq!(fraction(-infinity, 0.7071067811865475, &all), (0.0, true));
        let (share, has_nan) = fraction(-infinity, 0.7071067811865475, &some);
        assert!(is_near(share, 0.4) && has_nan, "{share}");
        assert_eq!(fraction(-infinity, infinity, &some), (0.8, true));
    }

    #[test]
    fn fractions() {
        let check = |histogram: &Histogram, lower, upper, expected| {
            let (share, has_nan) = fraction(lower, upper, histogram);
            assert!(is_near(share, expected), "{lower} {upper}: {share}");
            assert!(!has_nan);
        };
        let infinity = f64::INFINITY;
        check(&Histogram::default(), 0.0, 8.0, f64::NAN);
        let single = power(0, 0, &[1.0, 2.0, 1.0]);
        check(&single, 1.0, 2.0, 0.5);
        check(&single, 0.0, 8.0, 1.0);
        check(&single, 2.0, 1.0, 0.0);
        check(&single, f64::NAN, 1.0, f64::NAN);
        check(&power(-1, 0, &[0.0, 5.0]), 0.0, 2.0, 0.5);
        check(&power(0, 0, &[0.0, 0.0, 5.0]), 0.0, 2.82842712474619, 0.5);
        check(
            &with_negative(with(power(1, 0, &[]), 4.0, 5.0, (0.0, 0.0)), 0, &[0.0, 0.0, 5.0]),
            -1.6817928305074292,
            0.0,
            0.5,
        );
        let zero = with(power(0, 0, &[]), 0.0, 4.0, (4.0, 0.5));
        check(&zero, -0.5, 0.5, 1.0);
        check(&zero, -0.25, 0.5, 0.75);
        let counts = custom(&[5.0, 10.0, 15.0, 20.0], &[1.0, 6.0, 4.0, 3.0, 1.0]);
        check(&counts, -infinity, 15.0, 11.0 / 15.0);
        check(&counts, 15.0, infinity, 4.0 / 15.0);
        check(&counts, -infinity, 13.0, 9.4 / 15.0);
        check(&counts, 25.0, infinity, 1.0 / 15.0);
    }

    #[test]
    fn variances() {
        let check = |histogram: &Histogram, expected: f64| {
            let found = variance(histogram);
            assert!(is_near(found, expected), "{found}");
        };
        let sparse = |length: usize, places: &[(usize, f64)]| {
            let mut counts = vec![0.0; length];
            places.iter().for_each(|(place, count)| counts[*place] = *count);
            counts
        };
        let low = sparse(9, &[(0, 1.0), (4, 1.0), (7, 1.0), (8, 1.0)]);
        check(&with(power(2, 0, &low), 10.0, 4.0, (0.0, 0.0)), 1.163807968526718);
        let high = power(8, 0, &[1.0, 2.0, 3.0, 4.0]);
        check(&with(high, 10.0, 10.0, (0.0, 0.0)), 2.3971123370139447e-5);
        let positive = sparse(55, &[(13, 1.0), (24, 1.0), (26, 1.0), (54, 1.0)]);
        let negative = sparse(47, &[(24, 1.0), (46, 1.0)]);
        let mixed = with_negative(power(3, 0, &positive), 0, &negative);
        check(&with(mixed.clone(), 62.0, 7.0, (1.0, 0.0)), 1844.4651144196398);
        check(&with(mixed.clone(), f64::NAN, 7.0, (1.0, 0.0)), f64::NAN);
        check(&with(mixed, f64::INFINITY, 7.0, (1.0, 0.0)), f64::INFINITY);
        let same = with_negative(power(0, 0, &[]), 4, &[10.0]);
        check(&with(same, -100.0, 10.0, (0.0, 0.0)), 1.725830020304794);
        assert_eq!(mean(&with(power(0, 0, &[]), 5.0, 4.0, (0.0, 0.0))), 1.25);
    }
}
