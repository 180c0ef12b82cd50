//! Sums, differences and multiples.

use std::cmp::Ordering;

use model::histogram::{Buckets, CUSTOM_SCHEMA, Histogram, ResetHint, Span};

use super::{
    bounds::{bound, power_bound},
    layout::{SpanBuilder, indices, outwards, runs},
};

/// One of two histograms has custom bounds and the other has not, so no sum of them means anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incompatible;

/// What the asker should know about a sum or a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    /// Custom bounds differed: only those that both histograms have are left.
    pub(crate) bounds_reconciled: bool,
    /// One histogram says that its counter began anew and the other that it did not.
    pub(crate) hints_collide: bool,
}

/// Adds `other` to `total`. Buckets get as coarse as the coarser histogram's, the zero bucket as wide as the
/// wider one's. Allocates only where `total` lacks a bucket of `other`. What is in no bucket any more stays as
/// an empty one: see [`compact`].
pub(crate) fn add(total: &mut Histogram, other: &Histogram) -> Result<Notes, Incompatible> {
    combine(total, None, other, Operation::Add)
}

/// As [`add`], but subtracts. Where it stands for the operator, the caller makes the result a gauge.
pub(crate) fn subtract(total: &mut Histogram, other: &Histogram) -> Result<Notes, Incompatible> {
    combine(total, None, other, Operation::Subtract)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
}

/// What rounding lost of each number of a histogram (Kahan and Neumaier), in buckets that lie as its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost {
    pub(super) zero_count: f64,
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) positive: Vec<f64>,
    pub(super) negative: Vec<f64>,
}

impl Lost {
    pub(super) fn of(total: &Histogram) -> Self {
        Self {
            positive: vec![0.0; total.positive.counts.len()],
            negative: vec![0.0; total.negative.counts.len()],
            ..Self::default()
        }
    }
}

/// Adds `value` to `total` and what that loses to `lost`, if anybody wants to know.
pub(super) fn increase(total: &mut f64, lost: Option<&mut f64>, value: f64) {
    let sum = *total + value;
    if let Some(lost) = lost {
        if sum.is_infinite() {
            *lost = 0.0;
        } else if total.abs() >= value.abs() {
            *lost += (*total - sum) + value;
        } else {
            *lost += (value - sum) + *total;
        }
    }
    *total = sum;
}

pub(super) fn combine(
    total: &mut Histogram,
    mut lost: Option<&mut Lost>,
    other: &Histogram,
    operation: Operation,
) -> Result<Notes, Incompatible> {
    let is_custom = total.schema == CUSTOM_SCHEMA;
    if is_custom != (other.schema == CUSTOM_SCHEMA) {
        return Err(Incompatible);
    }
    let hints_collide = merge_hints(&mut total.reset_hint, other.reset_hint);
    let signed = |value: f64| if operation == Operation::Add { value } else { -value };
    if !is_custom {
        let zero_count = reconcile_zero_buckets(total, lost.as_deref_mut(), other);
        let lost = lost.as_deref_mut().map(|lost| &mut lost.zero_count);
        increase(&mut total.zero_count, lost, signed(zero_count));
    }
    let lost_count = lost.as_deref_mut().map(|lost| &mut lost.count);
    increase(&mut total.count, lost_count, signed(other.count));
    let lost_sum = lost.as_deref_mut().map(|lost| &mut lost.sum);
    increase(&mut total.sum, lost_sum, signed(other.sum));

    if is_custom && total.custom_bounds != other.custom_bounds {
        merge_custom(total, lost.map(|lost| &mut lost.positive), other, operation);
        return Ok(Notes { bounds_reconciled: true, hints_collide });
    }
    if other.schema < total.schema {
        let shift = shift_between(total.schema, other.schema);
        let (positive, negative) = split(lost.as_deref_mut());
        coarsen(&mut total.positive, positive, shift);
        coarsen(&mut total.negative, negative, shift);
        total.schema = other.schema;
    }
    let (positive, negative) = split(lost);
    let scale = Scale {
        schema: other.schema,
        shift: shift_between(other.schema, total.schema),
        threshold: total.zero_threshold,
    };
    merge(&mut total.positive, positive, &other.positive, scale, operation);
    merge(&mut total.negative, negative, &other.negative, scale, operation);
    Ok(Notes { bounds_reconciled: false, hints_collide })
}

fn split(lost: Option<&mut Lost>) -> (Option<&mut Vec<f64>>, Option<&mut Vec<f64>>) {
    lost.map(|lost| (&mut lost.positive, &mut lost.negative)).unzip()
}

/// Says whether the hints contradict each other.
fn merge_hints(hint: &mut ResetHint, other: ResetHint) -> bool {
    use ResetHint as Hint;
    let (merged, collide) = match (*hint, other) {
        (one, same) if one == same => (one, false),
        (Hint::Gauge, _) | (_, Hint::Gauge) => (Hint::Gauge, false),
        (Hint::Unknown, _) | (_, Hint::Unknown) => (Hint::Unknown, false),
        _ => (Hint::Unknown, true),
    };
    *hint = merged;
    collide
}

/// How often two buckets of the finer schema become one until it is the coarser one.
pub(super) fn shift_between(finer: i8, coarser: i8) -> u32 {
    u32::try_from(i32::from(finer) - i32::from(coarser)).unwrap_or(0)
}

/// Where a bucket lies in a schema that is `shift` coarser.
pub(super) fn coarser(index: i64, shift: u32) -> i64 {
    ((index - 1) >> shift) + 1
}

/// Brings buckets to a schema that is `shift` coarser.
fn coarsen(buckets: &mut Buckets, mut lost: Option<&mut Vec<f64>>, shift: u32) {
    let mut spans = SpanBuilder::with_capacity(buckets.spans.len());
    let mut last = None;
    let mut written = 0;
    for (read, index) in indices(&buckets.spans).enumerate() {
        let index = coarser(index, shift);
        let Some(count) = buckets.counts.get(read).copied() else { break };
        let compensation = lost.as_ref().and_then(|lost| lost.get(read)).copied();
        if last != Some(index) {
            last = Some(index);
            spans.push(index);
            written += 1;
            let Some(target) = buckets.counts.get_mut(written - 1) else { break };
            *target = count;
            if let Some(target) = lost.as_mut().and_then(|lost| lost.get_mut(written - 1)) {
                *target = compensation.unwrap_or(0.0);
            }
        } else if let Some(target) = buckets.counts.get_mut(written - 1) {
            let mut lost = lost.as_mut().and_then(|lost| lost.get_mut(written - 1));
            increase(target, lost.as_deref_mut(), count);
            if let Some(compensation) = compensation {
                increase(target, lost, compensation);
            }
        }
    }
    buckets.counts.truncate(written);
    if let Some(lost) = lost {
        lost.truncate(written);
    }
    buckets.spans = spans.finish();
}

/// How buckets of one histogram become those of another.
#[derive(Clone, Copy)]
struct Scale {
    /// Of the buckets to come.
    schema: i8,
    /// By how much the schema is coarser where they go.
    shift: u32,
    /// The first buckets to come are left out as far as they end before it.
    threshold: f64,
}

impl Scale {
    /// Buckets with their indices where they go. What is in the zero bucket already is left out before the
    /// rest gets coarser; Prometheus asks after, and counts twice what the coarse bucket at its end holds.
    fn bring(self, buckets: &Buckets) -> impl Iterator<Item = (i64, f64)> + Clone {
        let outside = outwards(buckets).skip_while(move |(index, _)| self.leaves_out(*index));
        outside.map(move |(index, count)| (coarser(index, self.shift), count))
    }

    fn leaves_out(self, index: i64) -> bool {
        self.schema != CUSTOM_SCHEMA && power_bound(self.schema, index) <= self.threshold
    }
}

/// Adds buckets of the same sign.
fn merge(
    total: &mut Buckets,
    mut lost: Option<&mut Vec<f64>>,
    other: &Buckets,
    scale: Scale,
    operation: Operation,
) {
    let put = |counts: &mut [f64], lost: Option<&mut Vec<f64>>, place: usize, value: f64| {
        if let Some(count) = counts.get_mut(place) {
            let lost = lost.and_then(|lost| lost.get_mut(place));
            increase(count, lost, if operation == Operation::Add { value } else { -value });
        }
    };
    if scale.shift == 0 && total.spans == other.spans {
        let left_out = indices(&other.spans).take_while(|index| scale.leaves_out(*index)).count();
        for (place, value) in other.counts.iter().enumerate().skip(left_out) {
            put(&mut total.counts, lost.as_deref_mut(), place, *value);
        }
        return;
    }
    let brought = scale.bring(other);
    let wanted = brought.clone().map(|(index, _)| index);
    let missing = missing(&total.spans, wanted.clone());
    if missing > 0 {
        *total = with_room(total, lost.as_deref_mut(), wanted, missing);
    }
    let Buckets { spans, counts } = total;
    let mut places = indices(spans).enumerate().peekable();
    for (index, value) in brought {
        while places.next_if(|(_, place)| *place < index).is_some() {}
        if let Some((place, _)) = places.peek() {
            put(counts, lost.as_deref_mut(), *place, value);
        }
    }
}

/// How many of the ascending indices have no bucket; of several that are the same, each counts.
fn missing(spans: &[Span], wanted: impl Iterator<Item = i64>) -> usize {
    let mut present = indices(spans).peekable();
    let is_missing = |index: &i64| {
        while present.next_if(|place| place < index).is_some() {}
        present.peek() != Some(index)
    };
    wanted.filter(is_missing).count()
}

/// Those buckets, and empty ones where there is none for a `wanted` index.
fn with_room(
    total: &Buckets,
    lost: Option<&mut Vec<f64>>,
    wanted: impl Iterator<Item = i64>,
    missing: usize,
) -> Buckets {
    let capacity = total.counts.len() + missing;
    let mut spans = SpanBuilder::with_capacity(total.spans.len() + 1);
    let mut counts = Vec::with_capacity(capacity);
    let mut lost_counts = Vec::with_capacity(if lost.is_some() { capacity } else { 0 });
    let mut present = outwards(total).enumerate().peekable();
    let mut wanted = wanted.peekable();
    loop {
        let index = match (present.peek(), wanted.peek()) {
            (Some((_, (here, _))), Some(there)) => (*here).min(*there),
            (Some((_, (here, _))), None) => *here,
            (None, Some(there)) => *there,
            (None, None) => break,
        };
        while wanted.next_if(|there| *there <= index).is_some() {}
        let source = present.next_if(|(_, (here, _))| *here == index);
        spans.push(index);
        counts.push(source.map_or(0.0, |(_, (_, count))| count));
        if let Some(lost) = &lost {
            let lost_count = source.and_then(|(place, _)| lost.get(place)).copied();
            lost_counts.push(lost_count.unwrap_or(0.0));
        }
    }
    if let Some(lost) = lost {
        *lost = lost_counts;
    }
    Buckets { spans: spans.finish(), counts }
}

/// Adds buckets with other custom bounds: only bounds that both have are left.
fn merge_custom(
    total: &mut Histogram,
    lost: Option<&mut Vec<f64>>,
    other: &Histogram,
    operation: Operation,
) {
    let shared = shared_bounds(&total.custom_bounds, &other.custom_bounds);
    let mut counts = vec![0.0; shared.len() + 1];
    let mut lost_counts = vec![0.0; if lost.is_some() { counts.len() } else { 0 }];
    let mut put = |histogram: &Histogram, index: i64, value: f64| {
        // The last bucket has no upper bound and ends up in the last one again.
        let upper = bound(histogram, index);
        let place = shared.partition_point(|bound| *bound < upper);
        if let Some(count) = counts.get_mut(place) {
            increase(count, lost_counts.get_mut(place), value);
        }
    };
    for (place, (index, count)) in outwards(&total.positive).enumerate() {
        put(total, index, count);
        if let Some(compensation) = lost.as_ref().and_then(|lost| lost.get(place)) {
            put(total, index, *compensation);
        }
    }
    for (index, count) in outwards(&other.positive) {
        put(other, index, if operation == Operation::Add { count } else { -count });
    }
    let mut spans = SpanBuilder::default();
    let mut kept = Vec::with_capacity(counts.len());
    let mut lost_kept = Vec::with_capacity(lost_counts.len());
    for (index, count) in counts.into_iter().enumerate() {
        let compensation = lost_counts.get(index).copied();
        if count != 0.0 || compensation.is_some_and(|lost| lost != 0.0) {
            spans.push(index as i64);
            kept.push(count);
            lost_kept.extend(compensation);
        }
    }
    if let Some(lost) = lost {
        *lost = lost_kept;
    }
    total.positive = Buckets { spans: spans.finish(), counts: kept };
    total.custom_bounds = shared;
}

/// Bounds that both have.
pub(super) fn shared_bounds(one: &[f64], other: &[f64]) -> Vec<f64> {
    let mut other = other.iter().peekable();
    let is_shared = |bound: &&f64| {
        while other.next_if(|there| *there < *bound).is_some() {}
        other.peek() == Some(bound)
    };
    one.iter().filter(is_shared).copied().collect()
}

/// Widens the zero bucket of `total` as far as that of `other` needs it; returns what that of `other` would
/// hold then.
fn reconcile_zero_buckets(
    total: &mut Histogram,
    mut lost: Option<&mut Lost>,
    other: &Histogram,
) -> f64 {
    let (mut count, mut threshold) = (other.zero_count, other.zero_threshold);
    // Each widens in turn until both end where no bucket with observations is cut.
    while threshold.partial_cmp(&total.zero_threshold).is_some_and(Ordering::is_ne) {
        if threshold < total.zero_threshold {
            ZeroBucket { count, threshold, .. } = widened(other, None, total.zero_threshold);
        }
        if threshold > total.zero_threshold {
            let zero = widened(total, lost.as_deref(), threshold);
            (total.zero_count, total.zero_threshold) = (zero.count, zero.threshold);
            if let Some(lost) = lost.as_deref_mut() {
                lost.zero_count = zero.lost;
            }
            let schema = total.schema;
            let keeps = |index, count, lost| {
                let is_inside = power_bound(schema, index - 1) < zero.threshold;
                !is_inside && (count != 0.0 || lost != 0.0)
            };
            let (positive, negative) = split(lost.as_deref_mut());
            retain(&mut total.positive, positive, keeps);
            retain(&mut total.negative, negative, keeps);
        }
    }
    count
}

pub(super) struct ZeroBucket {
    pub(super) count: f64,
    lost: f64,
    pub(super) threshold: f64,
}

/// The zero bucket as it would be with a larger `threshold`, which rises as far as it must not to cut a
/// bucket with observations.
pub(super) fn widened(
    histogram: &Histogram,
    lost: Option<&Lost>,
    mut threshold: f64,
) -> ZeroBucket {
    let Histogram { schema, positive, negative, .. } = histogram;
    let sides =
        [(positive, lost.map(|lost| &lost.positive)), (negative, lost.map(|lost| &lost.negative))];
    loop {
        let lost = lost.map_or(0.0, |lost| lost.zero_count);
        let mut zero = ZeroBucket { count: histogram.zero_count, lost, threshold };
        for (buckets, lost) in sides {
            for (place, (index, count)) in outwards(buckets).enumerate() {
                if power_bound(*schema, index - 1) >= zero.threshold {
                    break;
                }
                increase(&mut zero.count, Some(&mut zero.lost), count);
                if let Some(compensation) = lost.and_then(|lost| lost.get(place)) {
                    increase(&mut zero.count, Some(&mut zero.lost), *compensation);
                }
                let end = power_bound(*schema, index);
                if end > zero.threshold {
                    if count != 0.0 {
                        zero.threshold = end;
                    }
                    break;
                }
            }
        }
        if zero.threshold > threshold {
            threshold = zero.threshold;
        } else {
            return zero;
        }
    }
}

/// Drops the buckets that `keeps` does not want by index, count and what the count lost.
fn retain(
    buckets: &mut Buckets,
    mut lost: Option<&mut Vec<f64>>,
    keeps: impl Fn(i64, f64, f64) -> bool,
) {
    let mut spans = SpanBuilder::with_capacity(buckets.spans.len());
    let mut written = 0;
    for (read, index) in indices(&buckets.spans).enumerate() {
        let Some(count) = buckets.counts.get(read).copied() else { break };
        let lost_count = lost.as_ref().and_then(|lost| lost.get(read)).copied().unwrap_or(0.0);
        if !keeps(index, count, lost_count) {
            continue;
        }
        spans.push(index);
        if let Some(target) = buckets.counts.get_mut(written) {
            *target = count;
        }
        if let Some(target) = lost.as_mut().and_then(|lost| lost.get_mut(written)) {
            *target = lost_count;
        }
        written += 1;
    }
    buckets.counts.truncate(written);
    if let Some(lost) = lost {
        lost.truncate(written);
    }
    buckets.spans = spans.finish();
}

/// Drops empty buckets and joins spans that touch.
pub(crate) fn compact(histogram: &mut Histogram) {
    for buckets in [&mut histogram.positive, &mut histogram.negative] {
        let Buckets { spans, counts } = &*buckets;
        let mut spans = spans.iter().enumerate();
        let is_tidy = spans.all(|(at, span)| span.length > 0 && (at == 0 || span.offset > 0));
        if !is_tidy || counts.contains(&0.0) {
            retain(buckets, None, |_, count, _| count != 0.0);
        }
    }
}

/// Multiplies everything counted. What a negative factor makes is no counter any more.
pub(crate) fn scale(histogram: &mut Histogram, factor: f64) {
    for number in numbers(histogram) {
        *number *= factor;
    }
    if factor < 0.0 {
        histogram.reset_hint = ResetHint::Gauge;
    }
}

/// As [`scale`]; dividing by zero leaves no buckets, and infinities or nothing in the counts.
pub(crate) fn divide(histogram: &mut Histogram, divisor: f64) {
    if divisor == 0.0 {
        histogram.positive = Buckets::default();
        histogram.negative = Buckets::default();
    }
    for number in numbers(histogram) {
        *number /= divisor;
    }
    if divisor < 0.0 {
        histogram.reset_hint = ResetHint::Gauge;
    }
}

/// Everything counted, and the sum.
fn numbers(histogram: &mut Histogram) -> impl Iterator<Item = &mut f64> {
    let Histogram { zero_count, count, sum, positive, negative, .. } = histogram;
    [zero_count, count, sum].into_iter().chain(&mut positive.counts).chain(&mut negative.counts)
}

/// Whether both are the same point: the same buckets, empty ones included, with the same bits in them. What
/// they say of resets does not matter.
pub(crate) fn equals(one: &Histogram, other: &Histogram) -> bool {
    let same = |one: f64, other: f64| one.to_bits() == other.to_bits();
    let same_side = |one: &Buckets, other: &Buckets| {
        runs(&one.spans).eq(runs(&other.spans))
            && one.counts.len() == other.counts.len()
            && one.counts.iter().zip(&other.counts).all(|(one, other)| same(*one, *other))
    };
    one.schema == other.schema
        && same(one.count, other.count)
        && same(one.sum, other.sum)
        && one.custom_bounds == other.custom_bounds
        && one.zero_threshold == other.zero_threshold
        && same(one.zero_count, other.zero_count)
        && same_side(&one.positive, &other.positive)
        && same_side(&one.negative, &other.negative)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::samples::{custom, power, with, with_negative};

    fn sum(one: &Histogram, other: &Histogram) -> (Histogram, Notes) {
        let mut total = one.clone();
        let notes = add(&mut total, other).unwrap();
        compact(&mut total);
        (total, notes)
    }

    fn difference(one: &Histogram, other: &Histogram) -> (Histogram, Notes) {
        let mut rest = one.clone();
        let notes = subtract(&mut rest, other).unwrap();
        compact(&mut rest);
        (rest, notes)
    }

    #[test]
    fn sums() {
        let check = |one: &Histogram, other: &Histogram, expected: &Histogram| {
            let (one_way, notes) = sum(one, other);
            assert_eq!(&one_way, expected);
            assert_eq!(sum(other, one), (one_way, notes));
            assert_eq!(notes, Notes::default());
        };
        // The same buckets, buckets between, before and behind.
        check(&power(0, 0, &[1.0, 2.0]), &power(0, 0, &[3.0, 4.0]), &power(0, 0, &[4.0, 6.0]));
        check(&power(0, -1, &[1.0, 0.0, 2.0]), &power(0, -2, &[5.0, 0.0, 7.0, 0.0, 0.0, 9.0]), &{
            let mut expected = power(0, -2, &[5.0, 1.0, 7.0, 2.0, 0.0, 9.0]);
            compact(&mut expected);
            expected
        });
        check(&Histogram::default(), &power(0, 3, &[1.0]), &power(0, 3, &[1.0]));
        // A finer schema: buckets -1 and 0 of schema 1 end at 0.7 and 1, which is bucket 0 of schema 0.
        let fine = with_negative(power(1, -1, &[1.0, 2.0, 4.0]), 1, &[8.0, 16.0]);
        let coarse = with_negative(power(0, 1, &[32.0]), 2, &[64.0]);
        let expected = with_negative(power(0, 0, &[3.0, 36.0]), 1, &[24.0, 64.0]);
        check(&fine, &coarse, &Histogram { count: 39.0, ..expected });
        // Hints that go along with each other.
        let hinted = |hint| Histogram { reset_hint: hint, ..power(0, 0, &[1.0]) };
        use ResetHint as Hint;
        for (one, other, merged) in [
            (Hint::Reset, Hint::Reset, Hint::Reset),
            (Hint::NoReset, Hint::Unknown, Hint::Unknown),
            (Hint::Gauge, Hint::Reset, Hint::Gauge),
            (Hint::Gauge, Hint::Unknown, Hint::Gauge),
        ] {
            let expected = Histogram { reset_hint: merged, ..power(0, 0, &[2.0]) };
            check(&hinted(one), &hinted(other), &expected);
        }
        let (total, notes) = sum(&hinted(Hint::Reset), &hinted(Hint::NoReset));
        assert_eq!(total.reset_hint, Hint::Unknown);
        assert_eq!(notes, Notes { bounds_reconciled: false, hints_collide: true });
    }

    #[test]
    fn zero_buckets_widen() {
        let check = |one: &Histogram, other: &Histogram, expected: &Histogram| {
            let (total, _) = sum(one, other);
            assert_eq!(&total, expected);
            assert_eq!(sum(other, one).0, total);
        };
        let narrow = with_negative(power(0, -1, &[1.0, 2.0, 4.0]), -2, &[8.0, 0.0, 16.0]);
        let narrow = with(narrow, 0.0, 34.0, (3.0, 0.01));
        // Where buckets end: (0.25, 0.5] and [-0.25, -0.125) go into the zero bucket.
        let wide = with(power(0, 0, &[]), 0.0, 5.0, (5.0, 0.5));
        let expected = with_negative(power(0, 0, &[2.0, 4.0]), 0, &[16.0]);
        check(&narrow, &wide, &with(expected.clone(), 0.0, 39.0, (17.0, 0.5)));
        // Inside of buckets with observations: the zero bucket gets as wide as they are.
        let inside = with(power(0, 0, &[]), 0.0, 5.0, (5.0, 0.3));
        check(&narrow, &inside, &with(expected, 0.0, 39.0, (17.0, 0.5)));
        // Inside of an empty one: it does not.
        let gap = with(power(0, -1, &[0.0, 2.0]), 0.0, 2.0, (0.0, 0.01));
        let expected = with(power(0, 0, &[2.0]), 0.0, 7.0, (5.0, 0.3));
        check(&gap, &inside, &expected);
        // A finer one's zero bucket cuts (1, 4], so it takes in its own (2, 4] as well.
        let fine = with(power(0, 2, &[3.0, 7.0]), 0.0, 11.0, (1.0, 1.5));
        let coarse = with(power(-1, 1, &[8.0]), 0.0, 8.0, (0.0, 0.0));
        check(&fine, &coarse, &with(power(-1, 2, &[7.0]), 0.0, 19.0, (12.0, 4.0)));
    }

    #[test]
    fn custom_buckets() {
        let check = |one: &Histogram, other: &Histogram, expected: &Histogram, is_reconciled| {
            let (total, notes) = sum(one, other);
            assert_eq!(&total, expected);
            assert_eq!(notes, Notes { bounds_reconciled: is_reconciled, hints_collide: false });
            assert_eq!(sum(other, one), (total, notes));
        };
        let bounds = &[5.0, 10.0];
        check(
            &custom(bounds, &[1.0, 2.0]),
            &custom(bounds, &[1.0, 0.0, 4.0]),
            &custom(bounds, &[2.0, 2.0, 4.0]),
            false,
        );
        // From `native_histograms.test` of Prometheus.
        check(
            &custom(&[10.0], &[1.0]),
            &custom(&[2.0, 10.0], &[1.0]),
            &custom(&[10.0], &[2.0]),
            true,
        );
        check(&custom(&[5.0], &[1.0]), &custom(bounds, &[1.0]), &custom(&[5.0], &[2.0]), true);
        let few = custom(&[2.0, 4.0, 6.0], &[1.0, 2.0, 5.0, 7.0]);
        let many: Vec<f64> = (1..9).map(f64::from).collect();
        let counts: Vec<f64> = (1..10).map(|count| f64::from(count) * 10.0).collect();
        let (rest, notes) = difference(&custom(&many, &counts), &few);
        assert_eq!(rest, custom(&[2.0, 4.0, 6.0], &[29.0, 68.0, 105.0, 233.0]));
        assert!(notes.bounds_reconciled);
        // No bound that both have.
        check(&custom(&[1.0], &[1.0, 2.0]), &custom(&[], &[4.0]), &custom(&[], &[7.0]), true);
        let power = power(0, 0, &[1.0]);
        assert_eq!(add(&mut power.clone(), &few), Err(Incompatible));
        assert_eq!(subtract(&mut few.clone(), &power), Err(Incompatible));
    }

    #[test]
    fn differences_may_be_negative() {
        let (rest, _) = difference(&power(0, 0, &[1.0, 2.0]), &power(0, 1, &[2.0, 4.0]));
        let mut expected = power(0, 0, &[1.0, 0.0, -4.0]);
        compact(&mut expected);
        assert_eq!(rest, expected);
    }

    #[test]
    fn multiples() {
        let counter = Histogram { reset_hint: ResetHint::Reset, ..power(0, 0, &[1.0, 3.0]) };
        let counter = with(with_negative(counter, 0, &[2.0]), 5.0, 7.0, (1.0, 0.1));
        let check = |change: fn(&mut Histogram, f64), number, counts: &[f64], hint| {
            let mut changed = counter.clone();
            change(&mut changed, number);
            assert_eq!(changed.positive.counts, counts);
            assert_eq!(changed.reset_hint, hint);
            changed
        };
        let double = check(scale, 2.0, &[2.0, 6.0], ResetHint::Reset);
        assert_eq!((double.sum, double.count, double.zero_count), (10.0, 14.0, 2.0));
        assert_eq!(double.negative.counts, [4.0]);
        check(scale, -1.0, &[-1.0, -3.0], ResetHint::Gauge);
        check(divide, 2.0, &[0.5, 1.5], ResetHint::Reset);
        check(divide, -2.0, &[-0.5, -1.5], ResetHint::Gauge);
        let nothing = check(divide, 0.0, &[], ResetHint::Reset);
        assert_eq!((nothing.sum, nothing.count), (f64::INFINITY, f64::INFINITY));
        assert_eq!((nothing.positive.spans.len(), nothing.negative), (0, Buckets::default()));
    }

    #[test]
    fn equality_is_of_bits_and_layout() {
        let one = power(0, 0, &[1.0, 0.0, 2.0]);
        let mut split = one.clone();
        split.positive.spans = vec![Span { offset: -2, length: 0 }, Span { offset: 2, length: 3 }];
        assert!(equals(&one, &split));
        assert!(equals(&one, &Histogram { reset_hint: ResetHint::Gauge, ..one.clone() }));
        let nan = Histogram { sum: f64::NAN, ..one.clone() };
        assert!(equals(&nan, &nan.clone()));
        let mut compacted = one.clone();
        compact(&mut compacted);
        let others = [
            compacted,
            nan,
            Histogram { sum: -0.0, ..one.clone() },
            Histogram { schema: 1, ..one.clone() },
            Histogram { zero_threshold: 0.1, ..one.clone() },
            power(0, 1, &[1.0, 0.0, 2.0]),
            with_negative(one.clone(), 0, &[0.0]),
        ];
        for other in others {
            assert!(!equals(&one, &other), "{other:?}");
        }
    }

    #[test]
    fn equal_layouts_need_no_new_memory() {
        let mut total = with_negative(power(0, 0, &[1.0, 2.0]), 0, &[3.0]);
        let places =
            |total: &Histogram| [&total.positive, &total.negative].map(|side| side.counts.as_ptr());
        let before = places(&total);
        let other = total.clone();
        let fewer = power(0, 1, &[7.0]);
        add(&mut total, &other).unwrap();
        add(&mut total, &fewer).unwrap();
        assert_eq!(total.positive.counts, [2.0, 11.0]);
        assert_eq!(places(&total), before);
    }
}
