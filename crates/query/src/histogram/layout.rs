//! Where buckets lie: indices out of spans and spans out of indices.
//!
//! Indices are 64 bits wide here, so that no arithmetic on them overflows.

use model::histogram::{Buckets, Span};

/// One past the highest index.
fn end(spans: &[Span]) -> i64 {
    spans.iter().map(|span| i64::from(span.offset) + i64::from(span.length)).sum()
}

/// Consecutive buckets as (first index, length), ascending, without the empty spans.
pub(super) fn runs(spans: &[Span]) -> impl Iterator<Item = (i64, u32)> + Clone {
    let run = |end: &mut i64, span: &Span| {
        let start = *end + i64::from(span.offset);
        *end = start + i64::from(span.length);
        Some((start, span.length))
    };
    spans.iter().scan(0, run).filter(|(_, length)| *length > 0)
}

pub(super) fn indices(spans: &[Span]) -> impl Iterator<Item = i64> + Clone {
    runs(spans).flat_map(|(start, length)| start..start + i64::from(length))
}

fn indices_backwards(spans: &[Span]) -> impl Iterator<Item = i64> + Clone {
    let run = |end: &mut i64, span: &Span| {
        let start = *end - i64::from(span.length);
        let run = start..*end;
        *end = start - i64::from(span.offset);
        Some(run.rev())
    };
    spans.iter().rev().scan(end(spans), run).flatten()
}

/// (index, count), away from zero.
pub(super) fn outwards(buckets: &Buckets) -> impl Iterator<Item = (i64, f64)> + Clone {
    indices(&buckets.spans).zip(buckets.counts.iter().copied())
}

/// (index, count), towards zero.
pub(super) fn inwards(buckets: &Buckets) -> impl Iterator<Item = (i64, f64)> + Clone {
    indices_backwards(&buckets.spans).zip(buckets.counts.iter().rev().copied())
}

/// Spans of indices that are pushed in ascending order.
#[derive(Default)]
pub(super) struct SpanBuilder {
    spans: Vec<Span>,
    end: i64,
}

impl SpanBuilder {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { spans: Vec::with_capacity(capacity), end: 0 }
    }

    pub(super) fn push(&mut self, index: i64) {
        let mut gap = index - self.end;
        if let Some(last) = self.spans.last_mut()
            && gap == 0
        {
            last.length += 1;
        } else {
            // Of histograms that lie further apart than an offset can say, empty spans fill the gap.
            while gap > i64::from(i32::MAX) {
                self.spans.push(Span { offset: i32::MAX, length: 0 });
                gap -= i64::from(i32::MAX);
            }
            self.spans.push(Span { offset: gap as i32, length: 1 });
        }
        self.end = index + 1;
    }

    pub(super) fn finish(self) -> Vec<Span> {
        self.spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(given: &[(i32, u32)]) -> Vec<Span> {
        given.iter().map(|(offset, length)| Span { offset: *offset, length: *length }).collect()
    }

    #[test]
    fn indices_of_spans() {
        let check = |given: &[(i32, u32)], expected: &[i64], rebuilt: &[(i32, u32)]| {
            let given = spans(given);
            assert_eq!(indices(&given).collect::<Vec<_>>(), expected, "{given:?}");
            let mut backwards: Vec<i64> = indices_backwards(&given).collect();
            backwards.reverse();
            assert_eq!(backwards, expected, "{given:?}");
            let mut builder = SpanBuilder::with_capacity(0);
            expected.iter().for_each(|index| builder.push(*index));
            assert_eq!(builder.finish(), spans(rebuilt), "{given:?}");
        };
        check(&[], &[], &[]);
        check(&[(0, 2)], &[0, 1], &[(0, 2)]);
        check(&[(-3, 1), (4, 2)], &[-3, 2, 3], &[(-3, 1), (4, 2)]);
        check(&[(-3, 1), (0, 2), (1, 0), (2, 1)], &[-3, -2, -1, 3], &[(-3, 3), (3, 1)]);
        let (low, high) = (i64::from(i32::MIN), i64::from(i32::MAX) - 1);
        let far = [(i32::MIN, 1), (i32::MAX, 0), (i32::MAX - 1, 1)];
        check(&far, &[low, high], &far);
    }
}
