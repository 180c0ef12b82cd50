//! Whether a counter began anew between two points.

use std::cmp::Ordering;

use model::histogram::{Buckets, CUSTOM_SCHEMA, Histogram, ResetHint};

use super::{
    arithmetic::{coarser, shared_bounds, shift_between, widened},
    bounds::{bound, power_bound},
    layout::outwards,
};

/// Whether `current` shows that the counter began anew since `previous`: it says so, or a count shrank, or
/// the buckets changed as they only do then.
pub(crate) fn is_reset(current: &Histogram, previous: &Histogram) -> bool {
    match current.reset_hint {
        ResetHint::Reset => return true,
        ResetHint::NoReset => return false,
        ResetHint::Unknown | ResetHint::Gauge => {}
    }
    if current.count < previous.count || current.schema > previous.schema {
        return true;
    }
    if current.schema == CUSTOM_SCHEMA {
        return match previous.schema {
            CUSTOM_SCHEMA => has_shrunk_custom(current, previous),
            _ => true,
        };
    }
    if current.zero_threshold < previous.zero_threshold {
        return true;
    }
    let mut zero_count = previous.zero_count;
    if current.zero_threshold > previous.zero_threshold {
        let zero = widened(previous, None, current.zero_threshold);
        // Buckets with observations would have been cut.
        if zero.threshold > current.zero_threshold {
            return true;
        }
        zero_count = zero.count;
    }
    current.zero_count < zero_count
        || has_shrunk(current, &current.positive, previous, &previous.positive)
        || has_shrunk(current, &current.negative, previous, &previous.negative)
}

/// Compares bucket by bucket, those of `before` as coarse as `now`'s. As in sums, what lies in the zero bucket
/// is left out before the rest gets coarser, other than in Prometheus.
fn has_shrunk(current: &Histogram, now: &Buckets, previous: &Histogram, before: &Buckets) -> bool {
    let threshold = current.zero_threshold;
    let is_outside = |histogram: &Histogram, index: i64| {
        histogram.schema == CUSTOM_SCHEMA || power_bound(histogram.schema, index) > threshold
    };
    let shift = shift_between(previous.schema, current.schema);
    let mut now = outwards(now).skip_while(|(index, _)| !is_outside(current, *index)).peekable();
    let before = outwards(before).skip_while(|(index, _)| !is_outside(previous, *index));
    let mut before = before.map(|(index, count)| (coarser(index, shift), count)).peekable();
    while let Some((index, mut count)) = before.next() {
        while let Some((_, more)) = before.next_if(|(next, _)| *next == index) {
            count += more;
        }
        while now.next_if(|(here, _)| *here < index).is_some() {}
        let shrank = match now.peek() {
            Some((here, held)) if *here == index => *held < count,
            _ => count != 0.0,
        };
        if shrank {
            return true;
        }
    }
    false
}

/// Compares what lies between bounds that both have.
fn has_shrunk_custom(current: &Histogram, previous: &Histogram) -> bool {
    if current.custom_bounds == previous.custom_bounds {
        return has_shrunk(current, &current.positive, previous, &previous.positive);
    }
    let shared = shared_bounds(&current.custom_bounds, &previous.custom_bounds);
    let mut now = outwards(&current.positive).peekable();
    let mut before = outwards(&previous.positive).peekable();
    let mut ends = shared.into_iter().chain([f64::INFINITY]);
    ends.any(|end| {
        let is_inside = |histogram: &Histogram, index: i64| {
            bound(histogram, index).partial_cmp(&end).is_some_and(Ordering::is_le)
        };
        let (mut held, mut held_before) = (0.0, 0.0);
        while let Some((_, count)) = now.next_if(|(index, _)| is_inside(current, *index)) {
            held += count;
        }
        while let Some((_, count)) = before.next_if(|(index, _)| is_inside(previous, *index)) {
            held_before += count;
        }
        held < held_before
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::samples::{custom, power, with, with_negative};

    fn check(previous: &Histogram, current: &Histogram, expected: bool) {
        assert_eq!(is_reset(current, previous), expected, "{previous:?} {current:?}");
    }

    #[test]
    fn counts_only_rise() {
        let of = |counts: &[f64]| Histogram { count: 99.0, ..power(0, 0, counts) };
        let one = of(&[1.0, 2.0, 0.0, 3.0]);
        check(&one, &one, false);
        check(&one, &of(&[1.0, 2.0, 5.0, 3.0, 1.0]), false);
        check(&one, &of(&[1.0, 1.0, 5.0, 3.0, 1.0]), true);
        check(&one, &of(&[1.0, 2.0, 0.0]), true);
        check(&of(&[1.0, 0.0]), &of(&[1.0]), false);
        check(&of(&[]), &of(&[1.0]), false);
        check(&of(&[1.0]), &of(&[]), true);
        check(&one, &Histogram { count: 98.0, ..one.clone() }, true);
        check(&one, &Histogram { sum: -5.0, ..one.clone() }, false);
        check(&with_negative(one.clone(), 0, &[2.0]), &with_negative(one.clone(), 0, &[1.0]), true);
        check(&Histogram { zero_count: 2.0, ..one.clone() }, &one, true);
    }

    #[test]
    fn hints_decide() {
        let (less, more) = (power(0, 0, &[1.0]), power(0, 0, &[2.0]));
        let hinted =
            |histogram: &Histogram, hint| Histogram { reset_hint: hint, ..histogram.clone() };
        check(&less, &hinted(&more, ResetHint::Reset), true);
        check(&more, &hinted(&less, ResetHint::NoReset), false);
        check(&more, &hinted(&less, ResetHint::Gauge), true);
        check(&hinted(&less, ResetHint::Reset), &more, false);
    }

    #[test]
    fn layouts_that_change() {
        let of = |schema, offset, counts: &[f64]| Histogram {
            count: 99.0,
            ..power(schema, offset, counts)
        };
        // A finer schema only comes with a new start; a coarser one adds buckets up.
        check(&of(0, 0, &[1.0]), &of(1, 0, &[1.0]), true);
        check(&of(1, -1, &[1.0, 2.0, 4.0]), &of(0, 0, &[3.0, 4.0]), false);
        check(&of(1, -1, &[1.0, 2.0, 4.0]), &of(0, 0, &[2.0, 4.0]), true);
        let zero = |histogram, count, threshold| with(histogram, 0.0, 99.0, (count, threshold));
        let narrow = zero(power(0, -1, &[1.0, 2.0]), 1.0, 0.25);
        check(&narrow, &zero(power(0, -1, &[1.0, 2.0]), 1.0, 0.125), true);
        check(&narrow, &zero(power(0, 0, &[2.0]), 2.0, 0.5), false);
        check(&narrow, &zero(power(0, 0, &[2.0]), 1.0, 0.5), true);
        // It would cut a bucket with observations.
        check(&narrow, &zero(power(0, 0, &[2.0]), 2.0, 0.4), true);
        check(&narrow, &zero(power(0, -1, &[1.0, 2.0]), 2.0, 0.4), true);
        check(&zero(power(0, 0, &[2.0]), 1.0, 0.25), &zero(power(0, 0, &[2.0]), 1.0, 0.4), false);
    }

    #[test]
    fn custom_buckets() {
        let of =
            |bounds: &[f64], counts: &[f64]| Histogram { count: 99.0, ..custom(bounds, counts) };
        check(&power(0, 0, &[1.0]), &of(&[1.0], &[2.0]), true);
        check(&of(&[1.0], &[2.0]), &of(&[1.0], &[3.0]), false);
        check(&of(&[1.0], &[2.0]), &of(&[1.0], &[1.0, 2.0]), true);
        check(&of(&[1.0], &[2.0]), &Histogram { count: 99.0, ..power(0, 0, &[2.0]) }, true);
        // From `native_histograms.test` of Prometheus.
        let few = of(&[2.0, 4.0, 6.0], &[1.0, 2.0, 5.0, 7.0]);
        check(&few, &of(&[2.0, 3.0, 4.0, 6.0], &[1.0, 0.0, 1.0, 5.0, 8.0]), true);
        check(&few, &of(&[2.0, 3.0, 4.0, 6.0], &[1.0, 1.0, 1.0, 5.0, 8.0]), false);
        check(&few, &of(&[5.0], &[1.0, 14.0]), false);
        check(&few, &of(&[5.0], &[1.0, 13.0]), true);
    }
}
