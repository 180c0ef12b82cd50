//! Native histograms: stored beside the floats of their series, with the same promises.
//!
//! Taken in, they are encoded once; log, head, blocks and merges pass the bytes on and never look inside,
//! because equal histograms have equal bytes. Rows do not sum them up, so they are read from blocks of
//! samples only. A series may have floats and histograms; of one of each at one time the head takes the
//! first only.

mod append;
mod codec;
mod select;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use model::{histogram::BUCKETS_MAX, series::TimeRange};

pub(super) use codec::decode;
#[cfg(test)]
pub(super) use tests::example;

/// Most bytes of an encoded histogram that is valid: each bucket, span and bound at its longest.
pub(super) const ENCODED_BYTES_MAX: usize = BUCKETS_MAX * 30 + 128;

/// What a point costs in memory beside its bytes.
const POINT_BYTES: usize = 40;

/// An encoded histogram.
pub(super) type Encoded = Arc<[u8]>;
/// Unix milliseconds and a histogram.
pub(super) type Point = (i64, Encoded);

/// The histograms of one series that have no block yet, oldest first.
#[derive(Default)]
pub(super) struct Waiting(Vec<Point>);

impl Waiting {
    pub(super) fn at(&self, time: i64) -> Option<&Encoded> {
        let at = self.0.binary_search_by_key(&time, |(other, _)| *other).ok()?;
        Some(&self.0[at].1)
    }

    /// Puts a point into its place. Returns how many bytes it takes.
    pub(super) fn push(&mut self, time: i64, encoded: Encoded) -> usize {
        let bytes = encoded.len() + POINT_BYTES;
        let at = self.0.partition_point(|(other, _)| *other <= time);
        self.0.insert(at, (time, encoded));
        bytes
    }

    pub(super) fn all(&self) -> &[Point] {
        &self.0
    }

    pub(super) fn within(&self, range: TimeRange) -> &[Point] {
        let from = self.0.partition_point(|(time, _)| *time < range.start.0);
        let to = self.0.partition_point(|(time, _)| *time <= range.end.0).max(from);
        &self.0[from..to]
    }

    pub(super) fn remove(&mut self, range: TimeRange) {
        self.0.retain(|(time, _)| !(range.start.0..=range.end.0).contains(time));
        self.0.shrink_to_fit();
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|(_, encoded)| encoded.len() + POINT_BYTES).sum()
    }
}

/// Sorts points by time; of equal times the first given stays.
pub(super) fn in_order<T>(points: &mut Vec<(i64, T)>) {
    points.sort_by_key(|(time, _)| *time);
    points.dedup_by_key(|(time, _)| *time);
}
