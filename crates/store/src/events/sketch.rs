//! What is remembered of numbers: count, sum, least, most, and their distribution, from which percentiles are
//! read: exactly of few numbers, wrong by 0.8 % at most of many.
//!
//! The buckets of the distribution are 64 to each doubling, found in the bits of the number, without a
//! logarithm. Numbers smaller than a millionth count as zero.

/// Bits of a number's fraction that tell its bucket.
const FRACTION_BITS: u32 = 6;
const SHIFT: u32 = 52 - FRACTION_BITS;
/// The bits of 2^-20 and of 2^44, between which numbers are told apart.
const LEAST: u64 = (1_023 - 20) << 52;
const MOST: u64 = (1_023 + 44) << 52;
/// So many numbers are kept as they are, which takes no more than their buckets would.
const FEW: usize = 256;
/// What a number takes that is kept as it is, in cells, which are what a bucket takes.
const CELLS_OF_NUMBER: usize = 2;
/// Windows begin and end at multiples of it, so that they rarely grow.
const WINDOW_STEP: usize = 32;

/// Numbers of one field in one group.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    distribution: Option<Distribution>,
}

#[derive(Clone, Debug)]
enum Distribution {
    Few(Vec<f64>),
    Many(Box<Many>),
}

#[derive(Clone, Debug, Default)]
struct Many {
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
    /// Returns by how many cells it grew, at most.
    #[inline]
    fn add(&mut self, bucket: usize) -> usize {
        let grown = self.reach(bucket, bucket + 1);
        if let Some(present) = self.counts.get_mut(bucket - self.first) {
            *present = present.saturating_add(1);
        }
        grown
    }

    /// Makes room for buckets from `begin` to before `end`.
    #[inline]
    fn reach(&mut self, begin: usize, end: usize) -> usize {
        let is_there = self.first <= begin && end <= self.first + self.counts.len();
        if is_there { 0 } else { self.grow(begin, end) }
    }

    fn grow(&mut self, begin: usize, end: usize) -> usize {
        let before = self.counts.len();
        let begin = begin / WINDOW_STEP * WINDOW_STEP;
        if self.counts.is_empty() {
            self.first = begin;
        }
        if begin < self.first {
            self.counts.splice(0..0, std::iter::repeat_n(0, self.first - begin));
            self.first = begin;
        }
        let length = end.next_multiple_of(WINDOW_STEP) - self.first;
        if length > self.counts.len() {
            self.counts.resize(length, 0);
        }
        self.counts.len() - before
    }

    fn merge(&mut self, other: &Self) -> usize {
        if other.counts.is_empty() {
            return 0;
        }
        let grown = self.reach(other.first, other.first + other.counts.len());
        let own = self.counts.iter_mut().skip(other.first - self.first);
        for (present, count) in own.zip(&other.counts) {
            *present = present.saturating_add(*count);
        }
        grown
    }

    fn buckets(&self) -> impl DoubleEndedIterator<Item = (usize, u64)> {
        self.counts.iter().enumerate().map(|(at, count)| (self.first + at, u64::from(*count)))
    }
}

impl Many {
    #[inline]
    fn add(&mut self, number: f64) -> usize {
        match bucket_of(number.abs()) {
            None => {
                self.zeros += 1;
                0
            }
            Some(bucket) if number > 0.0 => self.positive.add(bucket),
            Some(bucket) => self.negative.add(bucket),
        }
    }

    /// The numbers and how often each is there, in order.
    fn numbers(&self) -> impl Iterator<Item = (f64, u64)> {
        let negative = self.negative.buckets().rev();
        let negative = negative.map(|(bucket, count)| (-middle(bucket), count));
        let positive = self.positive.buckets().map(|(bucket, count)| (middle(bucket), count));
        negative.chain([(0.0, self.zeros)]).chain(positive)
    }
}

impl Distribution {
    /// Returns by how many cells it grew, at most.
    #[inline]
    fn add(&mut self, number: f64) -> usize {
        match self {
            Self::Few(few) if few.len() < FEW => {
                few.push(number);
                CELLS_OF_NUMBER
            }
            Self::Few(_) => self.make_many() + self.add(number),
            Self::Many(many) => many.add(number),
        }
    }

    /// Gives up the numbers for their buckets.
    fn make_many(&mut self) -> usize {
        let Self::Few(few) = self else { return 0 };
        let mut many = Many::default();
        let grown = few.iter().map(|number| many.add(*number)).sum();
        *self = Self::Many(Box::new(many));
        grown
    }

    fn merge(&mut self, other: &Self) -> usize {
        match other {
            Self::Few(others) => {
                if let Self::Few(few) = self
                    && few.len() + others.len() <= FEW
                {
                    few.extend_from_slice(others);
                    return others.len() * CELLS_OF_NUMBER;
                }
                let grown = self.make_many();
                grown + others.iter().map(|number| self.add(*number)).sum::<usize>()
            }
            Self::Many(other) => {
                let grown = self.make_many();
                let Self::Many(own) = self else { return grown };
                own.zeros += other.zeros;
                grown + own.positive.merge(&other.positive) + own.negative.merge(&other.negative)
            }
        }
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
        let distribution = with_distribution.then(|| Distribution::Few(Vec::new()));
        Self { distribution, ..Self::default() }
    }

    /// Returns by how many cells it grew, at most.
    #[inline]
    pub(super) fn add(&mut self, number: f64) -> usize {
        if self.count == 0 {
            (self.min, self.max) = (number, number);
        }
        self.count += 1;
        self.sum += number;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        self.distribution.as_mut().map_or(0, |distribution| distribution.add(number))
    }

    /// Returns by how many cells it grew, at most.
    pub(super) fn merge(&mut self, other: &Self) -> usize {
        if other.count == 0 {
            return 0;
        }
        if self.count == 0 {
            (self.min, self.max) = (other.min, other.max);
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        match (&mut self.distribution, &other.distribution) {
            (Some(own), Some(other)) => own.merge(other),
            _ => 0,
        }
    }

    /// What its distribution takes, four bytes each.
    pub(super) fn cells(&self) -> usize {
        match &self.distribution {
            None => 0,
            Some(Distribution::Few(few)) => few.len() * CELLS_OF_NUMBER,
            Some(Distribution::Many(many)) => {
                many.positive.counts.len() + many.negative.counts.len()
            }
        }
    }

    /// The smallest number that is not below the given part of all.
    pub(super) fn quantile(&self, quantile: f64) -> Option<f64> {
        let distribution = self.distribution.as_ref().filter(|_| self.count > 0)?;
        let rank = ((self.count as f64 * quantile).ceil() as u64).clamp(1, self.count);
        match distribution {
            Distribution::Few(few) => {
                let mut numbers = few.clone();
                let at = (rank as usize - 1).min(numbers.len().checked_sub(1)?);
                Some(*numbers.select_nth_unstable_by(at, f64::total_cmp).1)
            }
            // Both ends are known exactly.
            Distribution::Many(_) if rank == self.count => Some(self.max),
            Distribution::Many(many) => {
                let mut seen = 0;
                let found = many.numbers().find(|(_, count)| {
                    seen += count;
                    seen >= rank
                });
                found.map(|(number, _)| number.clamp(self.min, self.max))
            }
        }
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
        assert_eq!(empty.add(0.0), CELLS_OF_NUMBER);
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
            let grown = |summary: &mut Summary, numbers: &[f64]| -> usize {
                numbers.iter().map(|number| summary.add(*number)).sum()
            };
            let told = grown(&mut a, &numbers[..split]);
            prop_assert!(told >= a.cells());
            grown(&mut b, &numbers[split..]);
            prop_assert!(told + a.merge(&b) >= a.cells());
            let has_many = numbers.len() > FEW;
            numbers.sort_by(f64::total_cmp);
            let rank = ((numbers.len() as f64 * quantile).ceil() as usize).clamp(1, numbers.len());
            let (exact, told) = (numbers[rank - 1], a.quantile(quantile).unwrap());
            let error = if has_many { 0.008 * exact.abs() + 1e-6 } else { 0.0 };
            prop_assert!((told - exact).abs() <= error, "{exact} {told}");
            prop_assert_eq!((a.min, a.max), (numbers[0], numbers[numbers.len() - 1]));
            prop_assert_eq!(a.count as usize, numbers.len());
        }
    }
}
