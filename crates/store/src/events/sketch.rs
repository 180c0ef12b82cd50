//! What is remembered of numbers: count, sum, least, most, and their distribution, from which percentiles are
//! read that are wrong by 0.8 % at most.
//!
//! The buckets of the distribution are 64 to each doubling, found in the bits of the number, without a
//! logarithm. Numbers smaller than a millionth count as zero.

/// Bits of a number's fraction that tell its bucket.
const FRACTION_BITS: u32 = 6;
const SHIFT: u32 = 52 - FRACTION_BITS;
/// The bits of 2^-20 and of 2^44, between which numbers are told apart.
const LEAST: u64 = (1_023 - 20) << 52;
const MOST: u64 = (1_023 + 44) << 52;
/// Buckets that one distribution may have for each sign.
pub(super) const BUCKETS_MAX: usize = ((MOST - LEAST) >> SHIFT) as usize + 1;

/// Numbers of one field in one group.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    distribution: Option<Box<Distribution>>,
}

#[derive(Clone, Debug, Default)]
struct Distribution {
    zeros: u64,
    positive: Window,
    negative: Window,
}

/// Counts of neighbouring buckets, no more than are needed.
#[derive(Clone, Debug, Default)]
struct Window {
    first: usize,
    counts: Vec<u32>,
}

impl Window {
    #[inline]
    fn add(&mut self, bucket: usize, count: u32) {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            let missing = self.first - bucket;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = bucket;
        }
        let at = bucket - self.first;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        if let Some(present) = self.counts.get_mut(at) {
            *present = present.saturating_add(count);
        }
    }

    fn merge(&mut self, other: &Self) {
        for (at, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.add(other.first + at, *count);
        }
    }

    fn buckets(&self) -> impl DoubleEndedIterator<Item = (usize, u64)> {
        self.counts.iter().enumerate().map(|(at, count)| (self.first + at, u64::from(*count)))
    }
}

/// Nothing where the number counts as zero.
#[inline]
fn bucket_of(magnitude: f64) -> Option<usize> {
    let bits = magnitude.to_bits();
    (bits >= LEAST).then(|| ((bits.min(MOST) - LEAST) >> SHIFT) as usize)
}

/// The middle of a bucket.
fn middle(bucket: usize) -> f64 {
    let bits = LEAST + ((bucket as u64) << SHIFT);
    f64::midpoint(f64::from_bits(bits), f64::from_bits(bits + (1 << SHIFT)))
}

impl Summary {
    pub(super) fn new(with_distribution: bool) -> Self {
        Self { distribution: with_distribution.then(Box::default), ..Self::default() }
    }

    #[inline]
    pub(super) fn add(&mut self, number: f64) {
        if self.count == 0 {
            (self.min, self.max) = (number, number);
        }
        self.count += 1;
        self.sum += number;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        let Some(distribution) = &mut self.distribution else { return };
        match bucket_of(number.abs()) {
            None => distribution.zeros += 1,
            Some(bucket) if number > 0.0 => distribution.positive.add(bucket, 1),
            Some(bucket) => distribution.negative.add(bucket, 1),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            (self.min, self.max) = (other.min, other.max);
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if let (Some(own), Some(other)) = (&mut self.distribution, &other.distribution) {
            own.zeros += other.zeros;
            own.positive.merge(&other.positive);
            own.negative.merge(&other.negative);
        }
    }

    /// The smallest number that is not below the given part of all.
    pub(super) fn quantile(&self, quantile: f64) -> Option<f64> {
        let distribution = self.distribution.as_ref().filter(|_| self.count > 0)?;
        let rank = ((self.count as f64 * quantile).ceil() as u64).clamp(1, self.count);
        if rank == self.count {
            return Some(self.max);
        }
        let negative = distribution.negative.buckets().rev();
        let negative = negative.map(|(bucket, count)| (-middle(bucket), count));
        let positive = distribution.positive.buckets().map(|(bucket, n)| (middle(bucket), n));
        let all = negative.chain([(0.0, distribution.zeros)]).chain(positive);
        let mut seen = 0;
        for (number, count) in all {
            seen += count;
            if seen >= rank {
                return Some(number.clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_told_of_nothing() {
        let mut empty = Summary::new(true);
        assert_eq!(empty.quantile(0.5), None);
        empty.merge(&Summary::new(true));
        assert_eq!((empty.count, empty.quantile(0.5)), (0, None));
        empty.add(0.0);
        assert_eq!((empty.count, empty.quantile(0.5)), (1, Some(0.0)));
    }

    proptest! {
        #[test]
        fn percentiles_are_close(
            mut numbers in prop::collection::vec(-1e9..1e9_f64, 1..300),
            small in prop::collection::vec(0.001..10.0_f64, 0..300),
            split: prop::sample::Index,
            quantile in 0.0..=1.0_f64,
        ) {
            numbers.extend(small);
            let split = split.index(numbers.len());
            let (mut a, mut b) = (Summary::new(true), Summary::new(true));
            numbers[..split].iter().for_each(|number| a.add(*number));
            numbers[split..].iter().for_each(|number| b.add(*number));
            a.merge(&b);
            numbers.sort_by(f64::total_cmp);
            let rank = ((numbers.len() as f64 * quantile).ceil() as usize).clamp(1, numbers.len());
            let (exact, told) = (numbers[rank - 1], a.quantile(quantile).unwrap());
            prop_assert!((told - exact).abs() <= 0.008 * exact.abs() + 1e-6, "{exact} {told}");
            prop_assert_eq!((a.min, a.max), (numbers[0], numbers[numbers.len() - 1]));
            prop_assert_eq!(a.count as usize, numbers.len());
        }
    }
}
