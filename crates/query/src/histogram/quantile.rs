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
