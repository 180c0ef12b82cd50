//! Native histograms with custom buckets, built of the buckets of classic ones.

use model::histogram::{Buckets, CUSTOM_SCHEMA, Histogram, Span};

/// The histogram of the buckets (upper bound, observations up to it) of one series at one time, in any order;
/// of two buckets with one bound the first counts. Without `count` it is that of the highest bucket, without a
/// bucket up to infinity one is added for what the others do not hold.
/// Source: `util/convertnhcb` of Prometheus.
pub(crate) fn convert(
    buckets: &[(f64, f64)],
    count: Option<f64>,
    sum: Option<f64>,
) -> Result<Histogram, &'static str> {
    if buckets.iter().any(|(bound, _)| bound.is_nan()) {
        return Err("bucket boundary must not be NaN");
    }
    let mut buckets = buckets.to_vec();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    buckets.dedup_by(|later, first| later.0 == first.0);
    let highest = buckets.last().map(|(_, held)| *held);
    let count = count.or(highest).ok_or("count must be provided when no buckets are present")?;
    if buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
        buckets.push((f64::INFINITY, count));
    }
    let mut below = 0.0;
    let mut counts = Vec::with_capacity(buckets.len());
    for (_, held) in &buckets {
        if *held < below {
            return Err("count is not cumulative");
        }
        counts.push(held - below);
        below = *held;
    }
    if below != count {
        return Err("count mismatch");
    }
    buckets.pop();
    Ok(Histogram {
        schema: CUSTOM_SCHEMA,
        count,
        sum: sum.unwrap_or(0.0),
        positive: Buckets { spans: vec![Span { offset: 0, length: counts.len() as u32 }], counts },
        custom_bounds: buckets.into_iter().map(|(bound, _)| bound).collect(),
        ..Histogram::default()
    })
}

#[test]
fn classic_buckets_become_custom_ones() {
    let check = |buckets: &[(f64, f64)], count, expected: Result<(&[f64], &[f64]), &str>| {
        let converted = convert(buckets, count, Some(7.5));
        let parts = converted.as_ref().map(|histogram| {
            assert_eq!(histogram.check(), Ok(()), "{buckets:?}");
            assert_eq!(histogram.sum, 7.5);
            assert_eq!(histogram.count, histogram.positive.counts.iter().sum::<f64>());
            (histogram.custom_bounds.as_slice(), histogram.positive.counts.as_slice())
        });
        assert_eq!(parts, expected.as_ref().copied(), "{buckets:?} {count:?}");
    };
    let infinity = f64::INFINITY;
    check(&[(1.0, 2.0), (5.0, 2.5), (infinity, 4.0)], None, Ok((&[1.0, 5.0], &[2.0, 0.5, 1.5])));
    check(&[(5.0, 3.0), (1.0, 2.0), (1.0, 9.0)], Some(4.0), Ok((&[1.0, 5.0], &[2.0, 1.0, 1.0])));
    check(&[(1.0, 2.0)], None, Ok((&[1.0], &[2.0, 0.0])));
    check(&[], Some(3.0), Ok((&[], &[3.0])));
    check(&[], None, Err("count must be provided when no buckets are present"));
    check(&[(1.0, 2.0), (2.0, 1.0)], None, Err("count is not cumulative"));
    check(&[(1.0, 2.0), (infinity, 3.0)], Some(4.0), Err("count mismatch"));
    check(&[(f64::NAN, 2.0)], None, Err("bucket boundary must not be NaN"));
}
