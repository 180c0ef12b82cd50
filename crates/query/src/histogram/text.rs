//! Histograms as text, as Prometheus writes them in error texts and for `count_values`.

use model::histogram::Histogram;

use super::{
    buckets::{Bucket, above_zero, below_zero},
    layout::{inwards, outwards},
};
use crate::format::write_general;

/// `{count:3, sum:1.5, [-0.001,0.001]:1, (1,2]:2}`; empty buckets are left out.
pub(crate) fn format_histogram(histogram: &Histogram) -> String {
    let mut out = String::from("{count:");
    write_general(&mut out, histogram.count, None);
    out.push_str(", sum:");
    write_general(&mut out, histogram.sum, None);
    // Other than where quantiles are searched, no bucket is clipped here.
    let negative = inwards(&histogram.negative);
    let positive = outwards(&histogram.positive);
    let zero = Bucket {
        lower: -histogram.zero_threshold,
        upper: histogram.zero_threshold,
        lower_inclusive: true,
        upper_inclusive: true,
        count: histogram.zero_count,
    };
    let buckets = negative
        .map(|(index, count)| below_zero(histogram, index, count))
        .chain([zero])
        .chain(positive.map(|(index, count)| above_zero(histogram, index, count)));
    for bucket in buckets.filter(|bucket| bucket.count != 0.0) {
        out.push_str(if bucket.lower_inclusive { ", [" } else { ", (" });
        write_general(&mut out, bucket.lower, None);
        out.push(',');
        write_general(&mut out, bucket.upper, None);
        out.push_str(if bucket.upper_inclusive { "]:" } else { "):" });
        write_general(&mut out, bucket.count, None);
    }
    out.push('}');
    out
}
