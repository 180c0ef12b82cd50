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

/// Compares bucket by bucket, those of `before` as coarse as `now`'s.
fn has_shrunk(current: &Histogram, now: &Buckets, previous: &Histogram, before: &Buckets) -> bool {
    let shift = shift_between(previous.schema, current.schema);
    let is_outside = |index: i64| power_bound(current.schema, index) > current.zero_threshold;
    let mut now = outwards(now).skip_while(|(index, _)| !is_outside(*index)).peekable();
    let before = outwards(before).map(|(index, count)| (coarser(index, shift), count));
    let mut before = before.skip_while(|(index, _)| !is_outside(*index)).peekable();
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
