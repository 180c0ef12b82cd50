//! A histogram of times between tokens that is small enough to keep for every request.
//!
//! Log-linear: 16 buckets for each doubling, so a quantile is off by at most 3.2 % of its value; 464
//! buckets of 4 bytes from 1 µs to 71 minutes, whatever is recorded. Longer times count as the longest.

use std::time::Duration;

const SUB_BUCKETS: usize = 16;
const SUB_BITS: u32 = SUB_BUCKETS.trailing_zeros();
const LONGEST_US: u64 = u32::MAX as u64;
const BUCKETS: usize = (32 - SUB_BITS as usize + 1) * SUB_BUCKETS;

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct Gaps {
    counts: [u32; BUCKETS],
    count: u64,
    sum: Duration,
    min: Duration,
    max: Duration,
}

impl Default for Gaps {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS],
            count: 0,
            sum: Duration::ZERO,
            min: Duration::MAX,
            max: Duration::ZERO,
        }
    }
}

impl std::fmt::Debug for Gaps {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Gaps")
            .field("count", &self.count)
            .field("sum", &self.sum)
            .field("min", &self.min())
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}

impl Gaps {
    /// Records `gap` as that of `tokens` tokens that came together: each took its share.
    pub fn record(&mut self, gap: Duration, tokens: u32) {
        let tokens = tokens.max(1);
        let share = gap / tokens;
        let bucket = bucket_of(u64::try_from(share.as_micros()).unwrap_or(u64::MAX));
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(tokens);
        }
        self.count = self.count.saturating_add(u64::from(tokens));
        self.sum = self.sum.saturating_add(gap);
        self.min = self.min.min(share);
        self.max = self.max.max(share);
    }

    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Of all gaps, exact.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }

    #[must_use]
    pub fn min(&self) -> Option<Duration> {
        (!self.is_empty()).then_some(self.min)
    }

    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        (!self.is_empty()).then_some(self.max)
    }

    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        (!self.is_empty()).then(|| self.sum.div_f64(self.count as f64))
    }

    /// The gap that a share `q` (0 to 1) of them does not exceed; `None` where there is none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        if self.is_empty() || q.is_nan() {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (lower, upper, count) in self.buckets() {
            seen += u64::from(count);
            if seen >= rank {
                return Some((lower + (upper - lower) / 2).clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }

    /// The buckets that hold something, ascending: from (inclusive), to (exclusive), how many.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, Duration, u32)> {
        let held = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        held.map(|(index, count)| (lower(index), lower(index + 1), *count))
    }
}

fn bucket_of(micros: u64) -> usize {
    let micros = micros.min(LONGEST_US);
    let Some(shift) = micros.checked_ilog2().and_then(|log| log.checked_sub(SUB_BITS)) else {
        return micros as usize;
    };
    (shift as usize + 1) * SUB_BUCKETS + ((micros >> shift) as usize % SUB_BUCKETS)
}

fn lower(index: usize) -> Duration {
    let micros = match index / SUB_BUCKETS {
        0 => index as u64,
        octave => ((SUB_BUCKETS + index % SUB_BUCKETS) as u64) << (octave - 1),
    };
    Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_histogram_has_no_quantile() {
        let gaps = Gaps::default();
        assert_eq!(
            (gaps.quantile(0.5), gaps.mean(), gaps.min(), gaps.max()),
            (None, None, None, None)
        );
        assert!(format!("{gaps:?}").contains("min: None"));
    }

    #[test]
    fn tokens_that_come_together_share_the_gap() {
        let mut gaps = Gaps::default();
        gaps.record(Duration::from_millis(40), 4);
        assert_eq!(gaps.count(), 4);
        assert_eq!(gaps.sum(), Duration::from_millis(40));
        assert_eq!(gaps.quantile(0.5), Some(Duration::from_millis(10)));
    }

    #[test]
    fn extremes_are_kept() {
        let mut gaps = Gaps::default();
        gaps.record(Duration::ZERO, 1);
        gaps.record(Duration::MAX, 1);
        assert_eq!(gaps.min(), Some(Duration::ZERO));
        assert!(gaps.quantile(0.0) < Some(Duration::from_micros(1)));
        assert_eq!(gaps.max(), Some(Duration::MAX));
        assert_eq!(gaps.buckets().count(), 2);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_a_bucket(mut micros in prop::collection::vec(1_u64..4_000_000_000, 1..200), q in 0.0_f64..=1.0) {
            let mut gaps = Gaps::default();
            for micros in &micros {
                gaps.record(Duration::from_micros(*micros), 1);
            }
            micros.sort_unstable();
            let rank = ((q * micros.len() as f64).ceil() as usize).max(1);
            let exact = micros[rank - 1] as f64;
            let told = gaps.quantile(q).unwrap().as_secs_f64() * 1e6;
            prop_assert!((told - exact).abs() <= exact * 0.032 + 0.5, "{told} is not {exact}");
        }

        #[test]
        fn merged_is_recorded_together(left in prop::collection::vec(0_u64..u64::MAX, 0..50), right in prop::collection::vec(0_u64..10_000, 0..50)) {
            let fill = |micros: &[u64]| {
                let mut gaps = Gaps::default();
                micros.iter().for_each(|micros| gaps.record(Duration::from_micros(*micros), 1));
                gaps
            };
            let mut merged = fill(&left);
            merged.merge(&fill(&right));
            prop_assert_eq!(merged, fill(&[left, right].concat()));
        }

        #[test]
        fn every_time_is_inside_its_bucket(micros in 0_u64..=LONGEST_US) {
            let bucket = bucket_of(micros);
            prop_assert!(bucket < BUCKETS);
            let time = Duration::from_micros(micros);
            prop_assert!(lower(bucket) <= time && time < lower(bucket + 1));
        }
    }
}
