//! Samples and the batches they travel in.

use crate::{Labels, UnixMs, catalogue::Kind, histogram::Histogram};

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
    /// What does not fit above: samples that bring a time of their own, and native histograms.
    pub points: Points,
}

impl Batch {
    pub fn new(time: UnixMs) -> Self {
        Self { time, ..Self::default() }
    }

    pub fn push(&mut self, labels: &Labels, value: f64) {
        self.samples.push((labels.clone(), value));
    }
}

/// Points of many series, each with times of its own: what a remote writer or an import brings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// Each series and how many of `samples` are its own; the samples are in the same order.
    pub series: Vec<(Labels, usize)>,
    /// Unix milliseconds and value.
    pub samples: Vec<(i64, f64)>,
    /// Native histograms, in any order.
    pub histograms: Vec<(Labels, UnixMs, Histogram)>,
}

impl Points {
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.histograms.is_empty()
    }

    /// Starts a series; what is pushed next belongs to it.
    pub fn start(&mut self, labels: Labels) {
        self.series.push((labels, 0));
    }

    /// Adds a point to the series that was started last. Without one it is dropped.
    pub fn push(&mut self, time: UnixMs, value: f64) {
        if let Some((_, count)) = self.series.last_mut() {
            *count += 1;
            self.samples.push((time.0, value));
        }
    }

    /// Each series with its points, without histograms.
    pub fn iter(&self) -> impl Iterator<Item = (&Labels, &[(i64, f64)])> {
        let mut rest = self.samples.as_slice();
        self.series.iter().map_while(move |(labels, count)| {
            let (own, others) = rest.split_at_checked(*count)?;
            rest = others;
            Some((labels, own))
        })
    }
}

/// A measured event that stands for others in a series, with labels that lead to it, such as a trace id.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    pub series: Labels,
    pub labels: Labels,
    pub time: UnixMs,
    pub value: f64,
}

/// What a sender says of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub name: String,
    pub kind: Kind,
    /// Empty when not told.
    pub unit: String,
    pub help: String,
}
