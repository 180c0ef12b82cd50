//! Histograms without the observations on one side of a value: the operators `</` and `>/`.

use model::histogram::{Buckets, CUSTOM_SCHEMA, Histogram};

use super::{
    arithmetic::compact,
    buckets::{Bucket, above_zero, below_zero},
    layout::outwards,
};

/// Drops the observations above `value`. Of the bucket that it lies in, as many stay as interpolation says;
/// if anything goes, the sum is estimated anew from the middles of the buckets.
pub(crate) fn trim_upper(histogram: &Histogram, value: f64) -> Histogram {
    trim(histogram, Cut { value, keeps: Keeps::Below })
}

/// As [`trim_upper`], but drops the observations below `value`.
pub(crate) fn trim_lower(histogram: &Histogram, value: f64) -> Histogram {
    trim(histogram, Cut { value, keeps: Keeps::Above })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Below,
    Above,
}

#[derive(Clone, Copy)]
struct Cut {
    value: f64,
    keeps: Keeps,
}

/// What stays of a bucket and the value that stands for its observations.
#[derive(Clone, Copy)]
struct Rest {
    count: f64,
    middle: f64,
}

#[derive(Default)]
struct Totals {
    count: f64,
    sum: f64,
    has_changed: bool,
}

impl Totals {
    fn add(&mut self, rest: Rest) {
        self.count += rest.count;
        self.sum += rest.middle * rest.count;
    }
}

fn trim(histogram: &Histogram, cut: Cut) -> Histogram {
    let mut trimmed = histogram.clone();
    let mut totals = Totals::default();
    let has_positive = trim_side(histogram, &mut trimmed.positive, true, cut, &mut totals);
    let has_negative = trim_side(histogram, &mut trimmed.negative, false, cut, &mut totals);
    if histogram.zero_count > 0.0 {
        let threshold = histogram.zero_threshold;
        let lower = if has_positive && !has_negative { 0.0 } else { -threshold };
        let upper = if has_negative && !has_positive { 0.0 } else { threshold };
        let rest = cut.rest_of_zero(lower, upper, histogram.zero_count);
        totals.has_changed |= rest.count != histogram.zero_count;
        trimmed.zero_count = rest.count;
        totals.add(rest);
    }
    if totals.has_changed {
        (trimmed.count, trimmed.sum) = (totals.count, totals.sum);
        compact(&mut trimmed);
    }
    trimmed
}

/// Says whether there were observations on this side.
fn trim_side(
    histogram: &Histogram,
    side: &mut Buckets,
    is_positive: bool,
    cut: Cut,
    totals: &mut Totals,
) -> bool {
    let untrimmed = if is_positive { &histogram.positive } else { &histogram.negative };
    let mut has_observations = false;
    for (target, (index, count)) in side.counts.iter_mut().zip(outwards(untrimmed)) {
        if count == 0.0 {
            continue;
        }
        has_observations = true;
        let bucket = if is_positive {
            above_zero(histogram, index, count)
        } else {
            below_zero(histogram, index, count)
        };
        let shape = Shape { is_linear: histogram.schema == CUSTOM_SCHEMA, is_positive };
        let rest = cut.rest_of(&bucket, shape);
        totals.has_changed |= rest.count != count;
        *target = rest.count;
        totals.add(rest);
    }
    has_observations
}

/// How observations are taken to lie in a bucket.
#[derive(Clone, Copy)]
struct Shape {
    is_linear: bool,
    is_positive: bool,
}

impl Shape {
    /// The middle of an interval; an infinite one is taken to be near its finite end.
    fn middle(self, lower: f64, upper: f64) -> f64 {
        match (lower.is_infinite(), upper.is_infinite()) {
            (true, true) => 0.0,
            (true, false) => {
                if upper > 0.0 {
                    upper / 2.0
                } else {
                    upper
                }
            }
            (false, true) => lower,
            (false, false) if self.is_linear => (lower + upper) / 2.0,
            (false, false) => {
                let geometric = (lower * upper).abs().sqrt();
                if self.is_positive { geometric } else { -geometric }
            }
        }
    }

    /// How many observations lie below `value`.
    fn below(self, bucket: &Bucket, value: f64) -> f64 {
        let Bucket { lower, upper, count, .. } = *bucket;
        if value <= lower {
            return 0.0;
        }
        if value >= upper {
            return count;
        }
        if self.is_linear {
            return count * ((value - lower) / (upper - lower));
        }
        let log = |bound: f64| bound.abs().log2();
        let (log_lower, log_upper, log_value) = (log(lower), log(upper), log(value));
        if self.is_positive {
            count * ((log_value - log_lower) / (log_upper - log_lower))
        } else {
            count * (1.0 - (log_value - log_upper) / (log_lower - log_upper))
        }
    }
}

impl Cut {
    fn rest_of(self, bucket: &Bucket, shape: Shape) -> Rest {
        let Bucket { lower, upper, count, .. } = *bucket;
        let (is_kept, is_cut) = match self.keeps {
            Keeps::Below => (upper <= self.value, lower < self.value),
            Keeps::Above => (lower >= self.value, upper > self.value),
        };
        if is_kept {
            return Rest { count, middle: shape.middle(lower, upper) };
        }
        if !is_cut {
            return Rest { count: 0.0, middle: 0.0 };
        }
        if lower == f64::NEG_INFINITY || upper == f64::INFINITY {
            return self.rest_of_endless(bucket);
        }
        let below = shape.below(bucket, self.value);
        match self.keeps {
            Keeps::Below => Rest { count: below, middle: shape.middle(lower, self.value) },
            Keeps::Above => Rest { count: count - below, middle: shape.middle(self.value, upper) },
        }
    }

    /// Nobody knows how observations lie in a bucket without an end, so all of them go or stay; but the first
    /// custom bucket is taken to begin at zero where its upper bound is positive.
    fn rest_of_endless(self, bucket: &Bucket) -> Rest {
        let Bucket { lower, upper, count, .. } = *bucket;
        let value = self.value;
        let nothing = Rest { count: 0.0, middle: 0.0 };
        if lower != f64::NEG_INFINITY {
            return match self.keeps {
                Keeps::Above if value >= lower => Rest { count, middle: value },
                Keeps::Below | Keeps::Above => nothing,
            };
        }
        match self.keeps {
            Keeps::Below if value > 0.0 && upper > 0.0 && upper != f64::INFINITY => {
                Rest { count: count * value / upper, middle: value / 2.0 }
            }
            Keeps::Below if upper <= 0.0 => Rest { count, middle: value },
            Keeps::Above if value >= 0.0 && upper > value && upper != f64::INFINITY => {
                Rest { count: count * (1.0 - value / upper), middle: (value + upper) / 2.0 }
            }
            Keeps::Below | Keeps::Above => nothing,
        }
    }

    fn rest_of_zero(self, lower: f64, upper: f64, count: f64) -> Rest {
        let value = self.value;
        let whole = Rest { count, middle: (lower + upper) / 2.0 };
        let nothing = Rest { count: 0.0, middle: 0.0 };
        match self.keeps {
            Keeps::Below if value <= lower => nothing,
            Keeps::Below if value >= upper => whole,
            Keeps::Below => Rest {
                count: count * ((value - lower) / (upper - lower)),
                middle: (lower + value) / 2.0,
            },
            Keeps::Above if value <= lower => whole,
            Keeps::Above if value >= upper => nothing,
            Keeps::Above => Rest {
                count: count * ((upper - value) / (upper - lower)),
                middle: (value + upper) / 2.0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::samples::{are_near, custom, power, with, with_negative};

    /// `>/` keeps what is above, `</` what is below.
    fn check(histogram: &Histogram, operator: &str, value: f64, expected: &Histogram) {
        let trimmed = match operator {
            ">/" => trim_lower(histogram, value),
            _ => trim_upper(histogram, value),
        };
        assert!(are_near(&trimmed, expected), "{operator} {value}: {trimmed:?}, {expected:?}");
    }

    // The cases of all tests here are from `native_histograms.test` of Prometheus.
    #[test]
    fn powers() {
        let full = power(0, 0, &[2.0, 4.0, 8.0, 16.0]);
        let full = with(with_negative(full, 0, &[1.0, 2.0]), 123.75, 34.0, (1.0, 0.001));
        let nothing = with(power(0, 0, &[]), 0.0, 0.0, (0.0, 0.001));
        check(&full, ">/", f64::NEG_INFINITY, &full);
        check(&full, "</", f64::INFINITY, &full);
        check(&full, ">/", f64::INFINITY, &nothing);
        check(&full, "</", f64::NEG_INFINITY, &nothing);
        let upper = power(0, 0, &[2.0, 4.0, 8.0, 16.0]);
        check(&full, ">/", 0.0, &with(upper, 120.20840280171308, 30.5, (0.5, 0.001)));
        let lower = with_negative(power(0, 0, &[]), 0, &[1.0, 2.0]);
        check(&full, "</", 0.0, &with(lower, -3.5357839059327377, 3.5, (0.5, 0.001)));
        let lower = with_negative(power(0, 0, &[2.0, 4.0]), 0, &[1.0, 2.0]);
        check(&full, "</", 2.0, &with(lower, 3.5355339059327373, 10.0, (1.0, 0.001)));
        let lower = with_negative(power(0, 0, &[]), 1, &[2.0]);
        check(&full, "</", -1.0, &with(lower, -2.8284271247461903, 2.0, (0.0, 0.001)));

        let fine = power(2, 0, &[1.0, 2.0, 4.0, 7.0, 3.0]);
        let fine = with_negative(fine, 0, &[1.0, 5.0, 3.0, 1.0]);
        let fine = with(fine, 12.8286080906, 28.0, (1.0, 0.001));
        let lower = with_negative(power(2, 0, &[1.0, 1.410582181123704]), 0, &[1.0, 5.0, 3.0, 1.0]);
        let (sum, count) = (-9.385798726068233, 13.410582181123704);
        check(&fine, "</", 1.13, &with(lower, sum, count, (1.0, 0.001)));
        let lower = with_negative(power(2, 0, &[]), 2, &[1.45786052095524, 1.0]);
        let (sum, count) = (-3.5189307983595066, 2.45786052095524);
        check(&fine, "</", -1.3, &with(lower, sum, count, (0.0, 0.001)));
        let upper = with_negative(
            power(2, 0, &[1.0, 2.0, 4.0, 7.0, 3.0]),
            0,
            &[1.0, 5.0, 1.54213947904476],
        );
        let (sum, count) = (16.29588491217537, 25.54213947904476);
        check(&fine, ">/", -1.3, &with(upper, sum, count, (1.0, 0.001)));
    }

    #[test]
    fn zero_buckets() {
        let sum = 8.021067811865475;
        let positive = with(power(0, 0, &[10.0]), sum, 12.0, (2.0, 0.5));
        let upper = |sum, count, zero| with(power(0, 0, &[10.0]), sum, count, (zero, 0.5));
        check(&positive, ">/", 0.5, &upper(7.071067811865475, 10.0, 0.0));
        check(&positive, ">/", 0.1, &upper(7.551067811865476, 11.6, 1.6));
        check(&positive, ">/", 0.0, &positive);
        let zero = |sum, zero, threshold| with(power(0, 0, &[]), sum, zero, (zero, threshold));
        check(&positive, "</", 0.1, &zero(0.02, 0.4, 0.5));
        check(&positive, "</", 0.0, &zero(0.0, 0.0, 0.5));
        let negative = with_negative(power(0, 0, &[]), 0, &[10.0]);
        let negative = with(negative, -sum, 12.0, (2.0, 0.5));
        check(&negative, ">/", -0.1, &zero(-0.02, 0.4, 0.5));
        check(&negative, "</", 0.0, &negative);
        let only = zero(0.0, 5.0, 0.1);
        check(&only, "</", 0.1, &only);
        check(&only, ">/", 0.05, &zero(0.09375, 1.25, 0.1));
        check(&only, "</", 0.05, &zero(-0.09375, 3.75, 0.1));
        check(&only, "</", -0.1, &zero(0.0, 0.0, 0.1));
    }

    #[test]
    fn custom_buckets() {
        let bounds = &[5.0, 10.0, 15.0, 20.0];
        let of = |counts: &[f64], sum| Histogram { sum, ..custom(bounds, counts) };
        let full = of(&[1.0, 6.0, 4.0, 3.0, 1.0], 172.5);
        check(&full, "</", 15.0, &of(&[1.0, 6.0, 4.0], 97.5));
        check(&full, ">/", 15.0, &of(&[0.0, 0.0, 0.0, 3.0, 1.0], 72.5));
        check(&full, "</", 13.0, &of(&[1.0, 6.0, 2.4], 75.1));
        check(&full, ">/", 13.0, &of(&[0.0, 0.0, 1.6, 3.0, 1.0], 94.9));
        check(&full, "</", 50.0, &of(&[1.0, 6.0, 4.0, 3.0], 150.0));
        check(&full, ">/", 0.0, &full);
        check(&full, "</", f64::INFINITY, &full);
        check(&full, "</", 0.0, &of(&[], 0.0));

        let bounds = &[-10.0, 5.0, 10.0, 15.0, 20.0];
        let of = |counts: &[f64], sum| Histogram { sum, ..custom(bounds, counts) };
        let full = of(&[2.0, 1.0, 6.0, 4.0, 3.0, 1.0], 172.5);
        check(&full, "</", 2.0, &of(&[2.0, 0.8], -23.2));
        check(&full, "</", -15.0, &of(&[2.0], -30.0));

        let of = |counts: &[f64], sum| Histogram { sum, ..custom(&[], counts) };
        let full = of(&[100.0], 100.0);
        check(&full, "</", 10.0, &of(&[], 0.0));
        check(&full, ">/", 10.0, &of(&[], 0.0));
        check(&full, ">/", f64::NEG_INFINITY, &full);
        check(&full, "</", f64::NEG_INFINITY, &of(&[], 0.0));

        let of = |counts: &[f64], sum| Histogram { sum, ..custom(&[5.0], counts) };
        let full = of(&[1.0, 100.0], 33.0);
        check(&full, "</", 2.0, &of(&[0.4], 0.4));
        check(&full, ">/", 2.0, &of(&[0.6, 100.0], 502.1));
        check(&full, ">/", 10.0, &of(&[0.0, 100.0], 1000.0));
        check(&full, ">/", -10.0, &of(&[0.0, 100.0], 500.0));

        let of = |counts: &[f64], sum| Histogram { sum, ..custom(&[-5.0], counts) };
        let full = of(&[1.0, 100.0], 33.0);
        check(&full, "</", -10.0, &of(&[1.0], -10.0));
        check(&full, ">/", -10.0, &of(&[0.0, 100.0], -500.0));
        check(&full, ">/", -2.0, &of(&[0.0, 100.0], -200.0));
    }
}
