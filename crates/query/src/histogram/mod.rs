//! Native histograms as values: arithmetic, quantiles, text; and the quantiles of classic histograms.
//!
//! What comes out is what Prometheus 3.14 makes of the same input; the last digits of logarithms may differ.
//! Nothing here panics or runs forever on a histogram that passes `Histogram::check`.
//! Sources: `model/histogram/float_histogram.go`, `promql/quantile.go` and `promql/functions.go` of
//! Prometheus.

mod arithmetic;
mod bounds;
mod buckets;
mod classic;
mod layout;
mod quantile;
mod reset;
mod sum;
mod text;
mod trim;

pub use self::buckets::{Bucket, buckets};
pub(crate) use self::{
    arithmetic::{Incompatible, Notes, add, compact, divide, equals, scale, subtract},
    classic::{ClassicBucket, Fix, bucket_fraction, bucket_quantile},
    quantile::{NanNote, fraction, quantile, variance},
    reset::is_reset,
    sum::{HistogramMean, HistogramSum},
    text::format_histogram,
    trim::{trim_lower, trim_upper},
};

#[cfg(test)]
mod laws;
#[cfg(test)]
mod samples;
