//! The samples of a made-up fleet of inference servers: the same for every system and every run, but
//! for the time at which they end.

/// How a series moves from one scrape to the next.
#[derive(Clone, Copy)]
enum Kind {
    Constant,
    /// Whole percents of a GPU that wanders.
    Percent,
    /// Requests that wait.
    Queue,
    /// Memory in pages of 2 MiB.
    Bytes,
    /// Power with three decimals.
    Watts,
    /// A counter of tokens.
    Tokens,
    /// One bucket of a histogram, cumulative over `le`.
    Bucket,
    /// A sum of seconds with all the digits of a float.
    Seconds,
}

/// The metrics of one target with the number of their series. The short names are those of the
/// queries.
#[derive(Clone, Copy)]
pub(super) struct Metrics(&'static [(&'static str, usize, Kind)]);

/// A hundred series of all kinds.
pub(super) const ALL: Metrics = Metrics(&[
    ("constant", 15, Kind::Constant),
    ("gauge", 8, Kind::Percent),
    ("memory_percent", 8, Kind::Percent),
    ("queue", 4, Kind::Queue),
    ("memory_bytes", 10, Kind::Bytes),
    ("g", 10, Kind::Watts),
    ("c", 20, Kind::Tokens),
    ("b", BUCKETS, Kind::Bucket),
    ("seconds_sum", 5, Kind::Seconds),
]);
/// One histogram alone.
pub(super) const HISTOGRAM: Metrics = Metrics(&[("b", BUCKETS, Kind::Bucket)]);
const BUCKETS: usize = 20;
const PAGE_BYTES: f64 = 2_097_152.0;

/// A label set, sorted by name as remote write wants it.
pub(super) type Labels = Vec<(&'static str, String)>;

impl Metrics {
    pub(super) fn series_per_target(self) -> usize {
        self.0.iter().map(|(_, count, _)| count).sum()
    }
}

/// The series of one target, in the order of [`Target::values`].
pub(super) fn series(metrics: Metrics, target: usize) -> impl Iterator<Item = Labels> {
    metrics
        .0
        .iter()
        .flat_map(|(name, count, kind)| (0..*count).map(move |index| (name, index, kind)))
        .enumerate()
        .map(move |(position, (name, index, kind))| {
            let mut labels = vec![
                ("__name__", (*name).to_owned()),
                ("instance", format!("node-{target:05}:8000")),
                ("job", "bench".to_owned()),
            ];
            match kind {
                Kind::Bucket => labels.push(("le", bound(index))),
                // Unique within the target, so that a function that drops the name merges nothing.
                _ => labels.insert(1, ("id", position.to_string())),
            }
            labels
        })
}

/// The upper bound of a bucket: 1 ms, doubled from one to the next.
fn bound(index: usize) -> String {
    if index + 1 == BUCKETS {
        "+Inf".to_owned()
    } else {
        (0.001 * (1_u64 << index) as f64).to_string()
    }
}

/// One scraped process.
pub(super) struct Target {
    metrics: Metrics,
    random: Random,
    pub(super) values: Vec<f64>,
}

impl Target {
    pub(super) fn new(metrics: Metrics, number: usize) -> Self {
        let mut random = Random(number as u64);
        let starts = metrics
            .0
            .iter()
            .flat_map(|(_, count, kind)| (0..*count).map(move |index| (kind, index)));
        let values = starts.map(|(kind, index)| match kind {
            Kind::Constant => (1_u64 << index) as f64,
            Kind::Percent => random.below(101) as f64,
            Kind::Bytes => random.below(20_000) as f64 * PAGE_BYTES,
            Kind::Tokens => random.below(1_000_000) as f64,
            // Far from zero, near which versions of PromQL extrapolate counters differently.
            Kind::Bucket => (index + 1) as f64 * 100_000.0,
            Kind::Queue | Kind::Watts | Kind::Seconds => 0.0,
        });
        let values = values.collect();
        Self { metrics, random, values }
    }

    /// Moves every series on to the next scrape.
    pub(super) fn step(&mut self) {
        let Self { metrics, random, values } = self;
        let mut rest = values.as_mut_slice();
        for (_, count, kind) in metrics.0 {
            let (group, others) = rest.split_at_mut(*count);
            rest = others;
            if matches!(kind, Kind::Bucket) {
                observe(random, group);
                continue;
            }
            for value in group {
                *value = next(*kind, *value, random);
            }
        }
    }

    /// How late this scrape is, in ms; the samples of one scrape share it.
    pub(super) fn jitter_ms(&mut self) -> i64 {
        self.random.below(7) as i64
    }
}

fn next(kind: Kind, value: f64, random: &mut Random) -> f64 {
    match kind {
        Kind::Constant | Kind::Bucket => value,
        Kind::Percent => (value + random.below(11) as f64 - 5.0).clamp(0.0, 100.0),
        Kind::Queue => random.below(6) as f64,
        Kind::Bytes => (value + (random.below(9) as f64 - 4.0) * PAGE_BYTES).max(0.0),
        Kind::Watts => (100_000 + random.below(300_000)) as f64 / 1e3,
        Kind::Tokens => value + random.below(500) as f64,
        Kind::Seconds => value + random.below(1 << 20) as f64 / 3e6,
    }
}

/// A few requests end between two scrapes, most of them in the middle buckets.
fn observe(random: &mut Random, buckets: &mut [f64]) {
    for _ in 0..random.below(8) {
        let middle = random.below(BUCKETS / 2) + random.below(BUCKETS / 2);
        for count in &mut buckets[middle..] {
            *count += 1.0;
        }
    }
}

/// SplitMix64: a few lines, good enough for numbers that only have to look alive.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_target_has_its_series_once_each() {
        let all: Vec<Labels> = series(ALL, 7).collect();
        assert_eq!((all.len(), ALL.series_per_target()), (100, 100));
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 100);
        assert!(all.iter().all(|labels| labels.is_sorted()));
        let without_name: BTreeSet<_> = all.iter().map(|labels| &labels[1..]).collect();
        assert_eq!(without_name.len(), 100);
        assert_eq!(Target::new(ALL, 7).values.len(), 100);
    }

    #[test]
    fn runs_are_alike_and_buckets_cumulate() {
        let (mut one, mut other) = (Target::new(ALL, 3), Target::new(ALL, 3));
        for _ in 0..1_000 {
            one.step();
            other.step();
        }
        assert_eq!(one.values, other.values);
        let buckets = &one.values[75..95];
        assert!(buckets.is_sorted() && buckets[19] > 2_001_000.0, "{buckets:?}");
    }
}
