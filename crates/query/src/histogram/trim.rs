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
            Keeps::Above if value <= lower => Rest { count, middle: 0.0 },
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
