//! What a report is about, in numbers and without a language. What is not known is absent, never zero.

use model::UnixMs;

use crate::zone::Zone;

/// Everything that was found for one report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub start: UnixMs,
    pub end: UnixMs,
    pub created: UnixMs,
    pub zone: Zone,
    /// Which deployment: the name of the host that watches.
    pub deployment: String,
    /// Of the program that made it.
    pub version: String,
    /// The only model that it is about.
    pub model: Option<String>,
    /// Length of the slots below.
    pub slot_ms: i64,
    /// Part of the time in which anything was observed, 0 to 1.
    pub observed: Option<f64>,
    /// Sorted by output tokens, most first.
    pub models: Vec<ModelFacts>,
    pub keys: Vec<KeyUsage>,
    /// Keys that are not among these.
    pub keys_omitted: usize,
    /// Requests of all keys, of those as well.
    pub keys_requests: f64,
    /// Nothing where incidents are not kept.
    pub incidents: Option<Vec<Incident>>,
    pub accelerators: Vec<AcceleratorFacts>,
    pub hosts: Vec<HostFacts>,
    pub energy: Energy,
    pub errors: Errors,
    /// Oldest first.
    pub changes: Vec<Change>,
    pub changes_omitted: usize,
    /// What could not be read: codes of messages with their parameters.
    pub missing: Vec<Said>,
}

/// The code of a message, with its parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    pub code: String,
    pub params: Vec<(String, String)>,
}

/// Percentiles of a time, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

/// What was promised of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Objective {
    pub ttft_seconds: Option<f64>,
    pub tpot_seconds: Option<f64>,
    pub success_ratio: Option<f64>,
    /// Part of the requests that should keep to the times, 0 to 1.
    pub ratio: Option<f64>,
}

/// Of the times and the success that are promised, how many were kept to, missed, and not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    pub kept: usize,
    pub missed: usize,
    pub unknown: usize,
}

impl Objective {
    /// The part of the requests that should keep to the times, where none is given.
    const RATIO: f64 = 0.95;

    pub fn is_set(&self) -> bool {
        self.ttft_seconds.or(self.tpot_seconds).or(self.success_ratio).is_some()
    }

    /// Part of the requests that should keep to the times.
    pub fn wanted(&self) -> f64 {
        self.ratio.unwrap_or(Self::RATIO)
    }
}

/// What can be said of a model over a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    pub requests: Option<f64>,
    /// Of which it is known how they ended; the gateway may have seen only some of them.
    pub asked: Option<f64>,
    /// Of those, what engines failed at, were silent about, or cut off.
    pub failed: Option<f64>,
    /// Answers that ended at their limit of tokens.
    pub cut_short: Option<f64>,
    pub tokens_input: Option<f64>,
    /// Of the input, what a prefix cache had.
    pub tokens_cached: Option<f64>,
    pub tokens_output: Option<f64>,
    pub preemptions: Option<f64>,
    /// See [`availability`].
    pub availability: Option<f64>,
    pub ttft: Option<Quantiles>,
    pub tpot: Option<Quantiles>,
    /// Part of the requests within the objective, 0 to 1.
    pub ttft_within: Option<f64>,
    pub tpot_within: Option<f64>,
    /// Largest share of the KV cache in use, 0 to 1, and its mean.
    pub cache_max: Option<f64>,
    pub cache_mean: Option<f64>,
    pub waiting_max: Option<f64>,
    /// Seconds in which no engine answered.
    pub down_seconds: Option<f64>,
}

impl Figures {
    /// Part of the requests that did not fail.
    pub fn success(&self) -> Option<f64> {
        let (asked, failed) = (self.asked?, self.failed?);
        (asked > 0.0).then(|| (1.0 - failed / asked).clamp(0.0, 1.0))
    }

    /// Counts of several models together; nothing that cannot be added up.
    pub fn sum<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let sum = |of: fn(&Self) -> Option<f64>| {
            let mut known = all.clone().filter_map(of).peekable();
            known.peek().is_some().then(|| known.sum())
        };
        let max = |of: fn(&Self) -> Option<f64>| all.clone().filter_map(of).reduce(f64::max);
        Self {
            requests: sum(|it| it.requests),
            asked: sum(|it| it.asked),
            failed: sum(|it| it.failed),
            cut_short: sum(|it| it.cut_short),
            tokens_input: sum(|it| it.tokens_input),
            tokens_cached: sum(|it| it.tokens_cached),
            tokens_output: sum(|it| it.tokens_output),
            preemptions: sum(|it| it.preemptions),
            cache_max: max(|it| it.cache_max),
            waiting_max: max(|it| it.waiting_max),
            ..Self::default()
        }
    }
}

/// A model that was served.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelFacts {
    pub name: String,
    /// Such as `vllm 0.33.0 node-1:8000`.
    pub engines: Vec<String>,
    pub now: Figures,
    /// Of the period of the same length before.
    pub before: Option<Figures>,
    pub ttft: Histogram,
    pub tpot: Histogram,
    pub objective: Objective,
    /// One after another, oldest first.
    pub slots: Vec<Slot>,
}

impl ModelFacts {
    /// How it kept to its objective.
    pub fn judged(&self) -> Judged {
        let (now, objective) = (&self.now, &self.objective);
        let parts = [
            objective.ttft_seconds.map(|_| (now.ttft_within, objective.wanted())),
            objective.tpot_seconds.map(|_| (now.tpot_within, objective.wanted())),
            objective.success_ratio.map(|wanted| (now.success(), wanted)),
        ];
        let mut judged = Judged::default();
        for (part, wanted) in parts.into_iter().flatten() {
            match part {
                None => judged.unknown += 1,
                Some(part) if part < wanted => judged.missed += 1,
                Some(_) => judged.kept += 1,
            }
        }
        judged
    }
}

/// A model in a short time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slot {
    pub time: UnixMs,
    pub requests: Option<f64>,
    pub tokens_input: Option<f64>,
    pub tokens_output: Option<f64>,
    /// Part of the time in which at least one engine answered, 0 to 1.
    pub up: Option<f64>,
    pub ttft: Option<Quantiles>,
    pub tpot: Option<Quantiles>,
    pub cache: Option<f64>,
    pub waiting: Option<f64>,
}

/// Counts of values by upper bound; the last bound may be infinite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Growing.
    pub bounds: Vec<f64>,
    /// In each bucket alone.
    pub counts: Vec<f64>,
}

impl Histogram {
    /// From counts of values that are not larger than a bound. What falls instead of growing counts as no growth.
    pub fn from_cumulative(mut pairs: Vec<(f64, f64)>) -> Self {
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut below = 0.0;
        let mut histogram = Self::default();
        for (bound, count) in pairs.into_iter().filter(|(bound, _)| !bound.is_nan()) {
            histogram.bounds.push(bound);
            histogram.counts.push((count - below).max(0.0));
            below = count.max(below);
        }
        histogram
    }

    pub fn total(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// Lower bound, upper bound and count of each bucket.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        let lower = std::iter::once(0.0).chain(self.bounds.iter().copied());
        let pairs = self.bounds.iter().zip(&self.counts);
        lower.zip(pairs).map(|(low, (high, count))| (low, *high, *count))
    }

    /// By interpolation within a bucket, as Prometheus does it; what is beyond all bounds is at the last of them.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let rank = self.total() * quantile;
        if rank <= 0.0 {
            return None;
        }
        let mut seen = 0.0;
        let mut last = None;
        for (low, high, count) in self.buckets() {
            if high.is_infinite() {
                return last.or(Some(low));
            }
            if count > 0.0 && seen + count >= rank {
                return Some(low + (high - low) * ((rank - seen) / count));
            }
            seen += count;
            last = Some(high);
        }
        last
    }

    pub fn quantiles(&self) -> Option<Quantiles> {
        Some(Quantiles {
            p50: self.quantile(0.5)?,
            p95: self.quantile(0.95)?,
            p99: self.quantile(0.99)?,
        })
    }

    /// The part of the values that are not larger than a limit, by interpolation within its bucket.
    pub fn within(&self, limit: f64) -> Option<f64> {
        let total = self.total();
        if total <= 0.0 {
            return None;
        }
        let part = |(low, high, count): (f64, f64, f64)| {
            if high <= limit {
                count
            } else if low >= limit || high.is_infinite() {
                0.0
            } else {
                count * (limit - low) / (high - low)
            }
        };
        Some((self.buckets().map(part).sum::<f64>() / total).clamp(0.0, 1.0))
    }

    /// Adds one with the same bounds; another one cannot be added and is not.
    pub fn add(&mut self, other: &Self) {
        if self.bounds == other.bounds {
            for (count, more) in self.counts.iter_mut().zip(&other.counts) {
                *count += more;
            }
        }
    }
}

/// What a key was used for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyUsage {
    /// Empty where requests had no key.
    pub name: String,
    pub requests: f64,
    pub failed: Option<f64>,
    pub tokens_input: Option<f64>,
    pub tokens_output: Option<f64>,
    /// Requests by model, most first.
    pub models: Vec<(String, f64)>,
}

/// Something that was wrong for a while.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incident {
    pub name: String,
    /// `critical`, `warning` or `info`.
    pub severity: String,
    pub start: UnixMs,
    /// Absent while it lasts.
    pub end: Option<UnixMs>,
    pub summary: Bilingual,
    pub cause: Bilingual,
    pub alerts: usize,
}

/// A text that came in both languages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bilingual {
    pub en: String,
    pub zh: String,
}

/// An accelerator over the time of the report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AcceleratorFacts {
    pub host: String,
    pub index: String,
    pub model: String,
    pub utilization_mean: Option<f64>,
    pub memory_max: Option<f64>,
    pub memory_total_bytes: Option<f64>,
    pub temperature_max: Option<f64>,
    pub watts_mean: Option<f64>,
    pub joules: Option<f64>,
    /// Seconds by reason, longest first.
    pub throttled: Vec<(String, f64)>,
    pub errors: Option<f64>,
    /// Part of the time in which it answered.
    pub up: Option<f64>,
}

/// A machine over the time of the report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostFacts {
    pub name: String,
    pub cpu_mean: Option<f64>,
    pub memory_total_bytes: Option<f64>,
    pub memory_available_min: Option<f64>,
    pub disks: Vec<DiskFacts>,
}

/// A file system at the end of the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiskFacts {
    pub mountpoint: String,
    pub size_bytes: f64,
    pub available_bytes: f64,
    /// Seconds until it is full if it goes on as over the time of the report; absent where it does not fill up.
    pub full_in_seconds: Option<f64>,
}

/// Energy of all accelerators.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Energy {
    pub joules: Option<f64>,
    pub joules_before: Option<f64>,
    /// For a kilowatt-hour.
    pub price: Option<f64>,
    pub currency: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Errors {
    /// Requests that came through the gateway, by how they ended.
    pub outcomes: Vec<(String, f64)>,
    /// Lines of logs with errors, most frequent first.
    pub patterns: Vec<Pattern>,
    /// Patterns that are not among these.
    pub patterns_omitted: usize,
}

/// Lines that say the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pattern {
    pub text: String,
    pub severity: String,
    pub count: u64,
    pub first: UnixMs,
    pub last: UnixMs,
}

/// Something that became different.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    pub time: UnixMs,
    pub said: Said,
}

/// How much of what is usually served could be served: the part of the time in which an engine answered, where each
/// time weighs as many tokens as the same hour of the day has on average. An outage at noon counts more than one at
/// night. Times that were not observed are left out.
pub fn availability(slots: &[Slot]) -> Option<f64> {
    let mut usual = [(0.0, 0.0); 24];
    let hour = |slot: &Slot| {
        usize::try_from(slot.time.0.div_euclid(3_600_000).rem_euclid(24)).unwrap_or(0)
    };
    let tokens = |slot: &Slot| {
        let (input, output) = (slot.tokens_input, slot.tokens_output);
        input.or(output).map(|_| input.unwrap_or(0.0) + output.unwrap_or(0.0))
    };
    for slot in slots {
        // What an outage kept away is not what is usual.
        if let Some(tokens) = tokens(slot).filter(|_| slot.up.is_none_or(|up| up >= 1.0)) {
            let (sum, count) = &mut usual[hour(slot)];
            *sum += tokens;
            *count += 1.0;
        }
    }
    let all: (f64, f64) = usual.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    let is_idle = all.0 <= 0.0;
    let mean = if is_idle { 1.0 } else { all.0 / all.1 };
    let weight = |slot: &Slot| match usual[hour(slot)] {
        _ if is_idle => 1.0,
        (_, 0.0) => mean,
        // An hour in which nobody asks still counts a little.
        (sum, count) => (sum / count).max(mean * 1e-3),
    };
    let mut served = (0.0, 0.0);
    for slot in slots {
        if let Some(up) = slot.up {
            served.0 += weight(slot) * up.clamp(0.0, 1.0);
            served.1 += weight(slot);
        }
    }
    (served.1 > 0.0).then(|| served.0 / served.1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(found: Option<f64>, expected: Option<f64>) {
        let is_near = match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
            (found, expected) => found == expected,
        };
        assert!(is_near, "{found:?} is not {expected:?}");
    }

    #[test]
    fn histograms_are_read_as_prometheus_reads_them() {
        let pairs = vec![(0.1, 10.0), (0.2, 30.0), (0.4, 40.0), (f64::INFINITY, 50.0)];
        let histogram = Histogram::from_cumulative(pairs);
        near(Some(histogram.total()), Some(50.0));
        near(histogram.quantile(0.5), Some(0.175));
        near(histogram.quantile(0.99), Some(0.4));
        near(histogram.within(0.2), Some(0.6));
        near(histogram.within(0.3), Some(0.7));
        near(histogram.within(9.0), Some(0.8));
        near(Histogram::default().quantile(0.5), None);
        near(Histogram::default().within(1.0), None);
    }

    #[test]
    fn an_outage_weighs_what_is_usually_served_then() {
        const HOUR: i64 = 3_600_000;
        let slot = |hour: i64, tokens: f64, up: f64| Slot {
            time: UnixMs(hour * HOUR),
            tokens_output: Some(tokens),
            up: Some(up),
            ..Slot::default()
        };
        // Two days: 300 tokens at noon, 100 in every other hour.
        let usual = |hour: i64| if hour % 24 == 12 { 300.0 } else { 100.0 };
        let days = |down: i64| -> Vec<Slot> {
            let hours = 0..48;
            let slots = hours.map(|hour| match hour == down {
                true => slot(hour, 0.0, 0.0),
                false => slot(hour, usual(hour), 1.0),
            });
            slots.collect()
        };
        let all = 2.0 * (300.0 + 23.0 * 100.0);
        near(availability(&days(-1)), Some(1.0));
        near(availability(&days(36)), Some(1.0 - 300.0 / all));
        near(availability(&days(30)), Some(1.0 - 100.0 / all));
        near(availability(&[]), None);
        let idle = [slot(0, 0.0, 1.0), slot(1, 0.0, 0.0)];
        near(availability(&idle), Some(0.5));
        let unknown = [Slot { time: UnixMs(0), ..Slot::default() }];
        near(availability(&unknown), None);
    }

    #[test]
    fn sums_know_what_nobody_knows() {
        let some = Figures {
            requests: Some(2.0),
            asked: Some(2.0),
            failed: Some(1.0),
            ..Figures::default()
        };
        let none = Figures { requests: Some(3.0), ..Figures::default() };
        let sum = Figures::sum([some, none].iter());
        assert_eq!((sum.requests, sum.failed, sum.tokens_output), (Some(5.0), Some(1.0), None));
        assert_eq!(some.success(), Some(0.5));
        assert_eq!(none.success(), None);
    }

    proptest! {
        #[test]
        fn parts_are_parts(
            pairs in prop::collection::vec((any::<f64>(), 0.0..1e6), 0..20),
            limit in any::<f64>(),
        ) {
            let histogram = Histogram::from_cumulative(pairs);
            if let Some(part) = histogram.within(limit) {
                prop_assert!((0.0..=1.0).contains(&part));
            }
            let _ = histogram.quantiles();
        }
    }
}
