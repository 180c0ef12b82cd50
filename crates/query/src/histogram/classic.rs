//! Classic histograms: cumulative buckets, each a series of its own.

use std::cmp::Ordering;

use super::quantile::at_most;

/// Counts that differ by less than this part of their sum count as equal: floats are not exact.
const SMALL_DELTA: f64 = 1e-12;

/// How many observations lie at or below a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ClassicBucket {
    pub(crate) upper: f64,
    pub(crate) count: f64,
}

/// Counts that fell with rising bounds and were lifted, which says that the input is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fix {
    /// Upper bound of the first lifted bucket.
    pub(crate) lowest: f64,
    /// Upper bound of the last one.
    pub(crate) highest: f64,
    /// Most observations that one was lifted by.
    pub(crate) difference: f64,
}

/// The φ-quantile, interpolated within its bucket. Sorts, joins and mends the buckets.
pub(crate) fn bucket_quantile(phi: f64, buckets: &mut Vec<ClassicBucket>) -> (f64, Option<Fix>) {
    if phi.is_nan() {
        return (f64::NAN, None);
    }
    if phi < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if phi > 1.0 {
        return (f64::INFINITY, None);
    }
    if !prepare(buckets) {
        return (f64::NAN, None);
    }
    let fix = make_monotonic(buckets);
    let [finite @ .., last] = buckets.as_slice() else { return (f64::NAN, fix) };
    let Some(highest) = finite.last() else { return (f64::NAN, fix) };
    if last.count == 0.0 {
        return (f64::NAN, fix);
    }
    let rank = phi * last.count;
    let is_before =
        |bucket: &ClassicBucket| bucket.count.partial_cmp(&rank).is_none_or(Ordering::is_lt);
    let at = finite.partition_point(is_before);
    let Some(bucket) = finite.get(at) else { return (highest.upper, fix) };
    let below = at.checked_sub(1).and_then(|before| finite.get(before));
    if below.is_none() && bucket.upper <= 0.0 {
        return (bucket.upper, fix);
    }
    let below = below.copied().unwrap_or(ClassicBucket { upper: 0.0, count: 0.0 });
    let part = (rank - below.count) / (bucket.count - below.count);
    (below.upper + (bucket.upper - below.upper) * part, fix)
}

/// The share of observations from `lower` to `upper`.
pub(crate) fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<ClassicBucket>) -> f64 {
    if !prepare(buckets) {
        return f64::NAN;
    }
    let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else { return f64::NAN };
    let total = last.count;
    if total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let mut start = if first.upper <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut rank = 0.0;
    let (mut lower_rank, mut upper_rank) = (None, None);
    for bucket in buckets.iter() {
        for (value, found) in [(lower, &mut lower_rank), (upper, &mut upper_rank)] {
            if found.is_some() {
                continue;
            }
            if start >= value {
                *found = Some(rank);
            } else if bucket.upper > value {
                // Nobody knows where in a bucket without a lower bound observations lie.
                *found = Some(if start == f64::NEG_INFINITY {
                    bucket.count
                } else {
                    rank + (bucket.count - rank) * (value - start) / (bucket.upper - start)
                });
            }
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        (start, rank) = (bucket.upper, bucket.count);
    }
    (at_most(total, upper_rank) - at_most(total, lower_rank)) / total
}

/// Sorts, makes one bucket of those with one bound ("1" and "1.0"), and says whether there is one for all
/// observations.
fn prepare(buckets: &mut Vec<ClassicBucket>) -> bool {
    buckets.sort_by(|a, b| a.upper.partial_cmp(&b.upper).unwrap_or(Ordering::Equal));
    buckets.dedup_by(|later, first| {
        let is_same = later.upper == first.upper;
        if is_same {
            first.count += later.count;
        }
        is_same
    });
    buckets.last().is_some_and(|bucket| bucket.upper == f64::INFINITY)
}

/// Takes small differences for rounding and ignores them; then lifts what is lower than a bucket before.
fn make_monotonic(buckets: &mut [ClassicBucket]) -> Option<Fix> {
    let mut fix: Option<Fix> = None;
    let mut highest = buckets.first()?.count;
    for bucket in buckets.iter_mut().skip(1) {
        if bucket.count == highest {
            continue;
        }
        if is_close(highest, bucket.count) {
            bucket.count = highest;
        } else if bucket.count < highest {
            let fix = fix.get_or_insert(Fix {
                lowest: bucket.upper,
                highest: bucket.upper,
                difference: 0.0,
            });
            fix.highest = bucket.upper;
            fix.difference = fix.difference.max(highest - bucket.count);
            bucket.count = highest;
        } else {
            highest = bucket.count;
        }
    }
    fix
}

fn is_close(one: f64, other: f64) -> bool {
    if one.is_nan() && other.is_nan() {
        return true;
    }
    let sum = one.abs() + other.abs();
    let difference = (one - other).abs();
    if one == 0.0 || other == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < SMALL_DELTA * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < SMALL_DELTA
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::samples::is_near;

    const INFINITY: f64 = f64::INFINITY;

    fn of(given: &[(f64, f64)]) -> Vec<ClassicBucket> {
        given.iter().map(|(upper, count)| ClassicBucket { upper: *upper, count: *count }).collect()
    }

    #[test]
    fn quantiles() {
        let check = |given: &[(f64, f64)], phi: f64, expected: f64, lifted: Option<[f64; 3]>| {
            let (found, fix) = bucket_quantile(phi, &mut of(given));
            assert!(is_near(found, expected), "{given:?} {phi}: {found}");
            let fix = fix.map(|fix| [fix.lowest, fix.highest, fix.difference]);
            assert_eq!(fix, lifted, "{given:?} {phi}");
        };
        // From `histograms.test` of Prometheus.
        let uneven = [
            (0.1, 20.0),
            (1.0, 10.0),
            (10.0, 50.0),
            (100.0, 40.0),
            (1000.0, 90.0),
            (INFINITY, 80.0),
        ];
        check(&uneven, 0.01, 0.0045, Some([1.0, INFINITY, 10.0]));
        check(&uneven, 0.5, 8.5, Some([1.0, INFINITY, 10.0]));
        check(&uneven, 0.99, 979.75, Some([1.0, INFINITY, 10.0]));
        let positive = [(0.1, 50.0), (0.2, 70.0), (1.0, 110.0), (INFINITY, 120.0)];
        check(&positive, 0.0, 0.0, None);
        check(&positive, 0.2, 0.048, None);
        check(&positive, 0.5, 0.15, None);
        check(&positive, 0.8, 0.72, None);
        check(&positive, 1.0, 1.0, None);
        check(&positive, 1.01, INFINITY, None);
        check(&positive, -0.1, -INFINITY, None);
        check(&positive, f64::NAN, f64::NAN, None);
        let negative = [(-0.2, 10.0), (-0.1, 20.0), (0.3, 20.0), (INFINITY, 30.0)];
        check(&negative, 0.2, -0.2, None);
        check(&negative, 0.5, -0.15, None);
        check(&negative, 0.8, 0.3, None);
        // In any order; one bound twice; no bucket for all; nothing observed; nothing but all.
        check(&[(INFINITY, 4.0), (1.0, 2.0)], 0.25, 0.5, None);
        check(&[(1.0, 1.0), (1.0, 1.0), (INFINITY, 2.0)], 0.5, 0.5, None);
        check(&[(1.0, 2.0), (2.0, 4.0)], 0.5, f64::NAN, None);
        check(&[(1.0, 0.0), (INFINITY, 0.0)], 0.5, f64::NAN, None);
        check(&[(INFINITY, 3.0)], 0.5, f64::NAN, None);
        check(&[], 0.5, f64::NAN, None);
        // What rounding explains needs no note.
        check(&[(1.0, 1.0), (2.0, 1.0 - 1e-13), (INFINITY, 1.0 + 1e-13)], 1.0, 1.0, None);
        check(
            &[(1.0, 1.0), (2.0, 1.0 - 1e-11), (INFINITY, 1.0)],
            1.0,
            1.0,
            Some([2.0, 2.0, 1.0 - (1.0 - 1e-11)]),
        );
    }

    #[test]
    fn fractions() {
        let check = |given: &[(f64, f64)], lower: f64, upper: f64, expected: f64| {
            let found = bucket_fraction(lower, upper, &mut of(given));
            assert!(is_near(found, expected), "{given:?} {lower} {upper}: {found}");
        };
        let counts = [(5.0, 1.0), (10.0, 7.0), (15.0, 11.0), (20.0, 14.0), (INFINITY, 15.0)];
        check(&counts, -INFINITY, 15.0, 11.0 / 15.0);
        check(&counts, 15.0, INFINITY, 4.0 / 15.0);
        check(&counts, 12.5, 17.5, 3.5 / 15.0);
        check(&counts, -3.0, 2.5, 0.5 / 15.0);
        check(&counts, 25.0, INFINITY, 1.0 / 15.0);
        check(&counts, 2.0, 2.0, 0.0);
        check(&counts, f64::NAN, 2.0, f64::NAN);
        check(&[(-5.0, 4.0), (INFINITY, 8.0)], -10.0, -5.0, 0.0);
        check(&[(-5.0, 4.0), (INFINITY, 8.0)], -INFINITY, -7.0, 0.5);
        check(&[(1.0, 1.0)], 0.0, 1.0, f64::NAN);
        check(&[(1.0, 0.0), (INFINITY, 0.0)], 0.0, 1.0, f64::NAN);
        check(&[], 0.0, 1.0, f64::NAN);
    }
}
