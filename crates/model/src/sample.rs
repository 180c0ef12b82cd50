//! Samples and the batches they travel in.

use crate::{Labels, UnixMs};

/// The bit pattern that marks "this series ended here" (Prometheus' stale marker, a NaN).
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The stale marker as a value. Compare with [`is_stale`]: a NaN equals nothing.
pub fn stale() -> f64 {
    f64::from_bits(STALE_BITS)
}

/// Whether a value is the stale marker.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// One value of one series at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: Labels,
    pub time: UnixMs,
    pub value: f64,
}

/// What one source read in one tick: values that share a timestamp.
///
/// A value that could not be read is not in the batch. Absence is never written as zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub time: UnixMs,
    pub samples: Vec<(Labels, f64)>,
}

impl Batch {
    pub fn new(time: UnixMs) -> Self {
        Self { time, samples: Vec::new() }
    }

    pub fn push(&mut self, labels: &Labels, value: f64) {
        self.samples.push((labels.clone(), value));
    }
}
