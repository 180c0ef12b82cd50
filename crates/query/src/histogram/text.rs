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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::samples::{custom, power, with, with_negative};

    #[test]
    fn texts() {
        let check = |histogram: &Histogram, expected: &str| {
            assert_eq!(format_histogram(histogram), expected);
        };
        check(&Histogram::default(), "{count:0, sum:0}");
        let full = with_negative(power(0, 0, &[1.0, 0.0, 3.5]), 1, &[2.0, 1e6]);
        check(
            &with(full, 1e-5, 1_000_008.5, (2.0, 1.5)),
            "{count:1.0000085e+06, sum:1e-05, [-4,-2):1e+06, [-2,-1):2, [-1.5,1.5]:2, (0.5,1]:1, \
             (2,4]:3.5}",
        );
        check(
            &custom(&[-5.0, 5.0], &[1.0, 2.0, 4.0]),
            "{count:7, sum:0, [-Inf,-5]:1, (-5,5]:2, (5,+Inf]:4}",
        );
    }
}
