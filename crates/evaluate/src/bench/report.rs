//! What was measured, in numbers. Percentiles are of all raw values (of gaps between tokens, of all of a
//! histogram that is off by 3.2 % at most), by nearest rank, and never of averages; means are told beside.

use std::time::Duration;

use dialect::{Count, Gaps};

use super::{Load, Measured, Record, Slo, load::Tally};

/// The generator limits the load when at the 99th percentile it sends later than this
const OWN_LAG_MAX: Duration = Duration::from_millis(5);
/// and later than this part of what half of the requests wait for their first token,
const OWN_LAG_SHARE_MAX: f64 = 0.1;
/// or when it is at work for more than this part of the time of its threads.
const CPU_SHARE_MAX: f64 = 0.7;

/// Of the values that were there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    pub count: u64,
    pub mean: Duration,
    pub min: Duration,
    pub p50: Duration,
    pub p90: Duration,
    pub p95: Duration,
    pub p99: Duration,
    pub max: Duration,
}

impl Quantiles {
    /// `None` where there is no value.
    pub(super) fn of(values: impl Iterator<Item = Duration>) -> Option<Self> {
        let mut values: Vec<Duration> = values.collect();
        values.sort_unstable();
        let (min, max) = (*values.first()?, *values.last()?);
        let at = |q: f64| {
            let rank = ((q * values.len() as f64).ceil() as usize).max(1);
            values.get(rank - 1).copied()
        };
        let sum: Duration = values.iter().sum();
        Some(Self {
            count: values.len() as u64,
            mean: sum.div_f64(values.len() as f64),
            min,
            p50: at(0.5)?,
            p90: at(0.9)?,
            p95: at(0.95)?,
            p99: at(0.99)?,
            max,
        })
    }

    fn of_gaps(gaps: &Gaps) -> Option<Self> {
        Some(Self {
            count: gaps.count(),
            mean: gaps.mean()?,
            min: gaps.min()?,
            p50: gaps.quantile(0.5)?,
            p90: gaps.quantile(0.9)?,
            p95: gaps.quantile(0.95)?,
            p99: gaps.quantile(0.99)?,
            max: gaps.max()?,
        })
    }
}

/// Tokens of all requests of which they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenSum {
    pub tokens: u64,
    /// Requests of which the engine told them.
    pub exact: u64,
    /// Requests of which they were counted from events: a lower bound.
    pub estimated: u64,
}

impl TokenSum {
    fn of(counts: impl Iterator<Item = Option<Count>>) -> Self {
        counts.flatten().fold(Self::default(), |sum, count| Self {
            tokens: sum.tokens.saturating_add(count.value),
            exact: sum.exact + u64::from(count.is_exact),
            estimated: sum.estimated + u64::from(!count.is_exact),
        })
    }

    /// `None` where they are known of no request.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let requests = self.exact + self.estimated;
        (requests > 0).then(|| self.tokens as f64 / requests as f64)
    }

    fn per_second(&self, wall: Duration) -> Option<f64> {
        self.mean()?;
        per_second(self.tokens, wall)
    }
}

/// Requests that failed in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failures {
    /// `connect`, `http_429` (any status), `error`, `truncated`, `empty`, `broken`, `timeout`.
    pub kind: String,
    pub count: u64,
    /// What was told of the first; maybe nothing. It comes from outside.
    pub reason: String,
}

/// Requests that were answered well and kept all of the limits. One without TTFT has not kept a limit of
/// it; one of a single token has no TPOT to keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goodput {
    pub requests: u64,
    pub per_second: f64,
}

/// What one load came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub load: Load,
    /// From the beginning of the load to the end of its last request.
    pub wall: Duration,
    /// Requests, whatever came of them.
    pub sent: u64,
    pub ok: u64,
    pub failures: Vec<Failures>,
    /// Requests that were given up because the run was stopped. They count nowhere else.
    pub cut_short: u64,
    /// Requests that had to be sent twice, because their connection had been closed.
    pub sent_again: u64,
    /// Of requests that were answered well, as is all that follows.
    pub requests_per_second: Option<f64>,
    pub input: TokenSum,
    pub output: TokenSum,
    pub input_per_second: Option<f64>,
    pub output_per_second: Option<f64>,
    pub ttft: Option<Quantiles>,
    pub ttfa: Option<Quantiles>,
    pub tpot: Option<Quantiles>,
    pub itl: Option<Quantiles>,
    pub e2e: Option<Quantiles>,
    /// What the engine itself says.
    pub engine_prefill: Option<Quantiles>,
    pub engine_tpot: Option<Quantiles>,
    /// Requests with tokens that no event showed, which makes their TPOT too short.
    pub hidden: u64,
    pub goodput: Option<Goodput>,
    /// How late requests of an open loop were sent, whoever was to blame: it is part of their times.
    pub lag: Option<Quantiles>,
    /// How late the generator itself made them.
    pub own_lag: Option<Quantiles>,
    /// Processor time of the generator over that of all of its threads.
    pub cpu_share: f64,
}

impl Report {
    /// The generator, not the engine, may have been what was measured.
    #[must_use]
    pub fn is_generator_limited(&self) -> bool {
        let waited = self.ttft.or(self.e2e).map_or(Duration::ZERO, |times| times.p50);
        let lag_max = OWN_LAG_MAX.max(waited.mul_f64(OWN_LAG_SHARE_MAX));
        self.cpu_share > CPU_SHARE_MAX || self.own_lag.is_some_and(|lag| lag.p99 > lag_max)
    }
}

/// What is known of a load beside its requests.
pub(super) struct Account {
    pub(super) load: Load,
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    pub(super) slo: Slo,
}

pub(super) fn measured(account: Account, tally: Tally) -> Measured {
    let Tally { records, gaps, failures, own_lags, sent_again, cut_short, .. } = tally;
    let Account { load, wall, cpu, slo } = account;
    let failures: Vec<Failures> = failures
        .into_iter()
        .map(|(kind, (count, reason))| Failures { kind: kind.name(), count, reason })
        .collect();
    let failed: u64 = failures.iter().map(|failures| failures.count).sum();
    let ok = records.len() as u64;
    let of =
        |value: fn(&Record) -> Option<Duration>| Quantiles::of(records.iter().filter_map(value));
    let input = TokenSum::of(records.iter().map(|record| record.input));
    let output = TokenSum::of(records.iter().map(|record| record.output));
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let report = Report {
        load,
        wall,
        sent: ok + failed + cut_short,
        ok,
        failures,
        cut_short,
        sent_again,
        requests_per_second: per_second(ok, wall),
        input,
        output,
        input_per_second: input.per_second(wall),
        output_per_second: output.per_second(wall),
        ttft: of(|record| record.ttft),
        ttfa: of(|record| record.ttfa),
        tpot: of(|record| record.tpot),
        itl: Quantiles::of_gaps(&gaps),
        e2e: of(|record| record.e2e),
        engine_prefill: of(|record| record.engine_prefill),
        engine_tpot: of(|record| record.engine_tpot),
        hidden: records.iter().filter(|record| record.has_hidden_tokens).count() as u64,
        goodput: goodput(slo, &records, wall),
        lag: match load {
            Load::Open { .. } => of(|record| Some(record.lag)),
            Load::Closed { .. } => None,
        },
        own_lag: Quantiles::of(own_lags.into_iter()),
        cpu_share: if wall.is_zero() {
            0.0
        } else {
            cpu.as_secs_f64() / wall.as_secs_f64() / threads
        },
    };
    Measured { report, records, gaps }
}

fn goodput(slo: Slo, records: &[Record], wall: Duration) -> Option<Goodput> {
    if slo == Slo::default() {
        return None;
    }
    let within = |limit: Option<Duration>, time: Option<Duration>, is_met_without: bool| {
        limit.is_none_or(|limit| time.map_or(is_met_without, |time| time <= limit))
    };
    let is_good = |record: &&Record| {
        let has_pace = record.output.is_none_or(|count| count.value > 1);
        within(slo.ttft, record.ttft, false)
            && within(slo.tpot, record.tpot, !has_pace)
            && within(slo.e2e, record.e2e, false)
    };
    let requests = records.iter().filter(is_good).count() as u64;
    Some(Goodput { requests, per_second: per_second(requests, wall)? })
}

fn per_second(count: u64, wall: Duration) -> Option<f64> {
    (!wall.is_zero()).then(|| count as f64 / wall.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::{super::exchange::Kind, *};

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn record(ttft: u64, tpot: Option<u64>, e2e: u64, tokens: u64) -> Record {
        Record {
            ttft: Some(ms(ttft)),
            tpot: tpot.map(ms),
            e2e: Some(ms(e2e)),
            output: Some(Count { value: tokens, is_exact: tokens > 1 }),
            ..Record::default()
        }
    }

    fn report(records: Vec<Record>, slo: Slo) -> Report {
        let load = Load::Closed { concurrency: 1 };
        let account = Account { load, wall: ms(2_000), cpu: ms(1), slo };
        let failures = [(Kind::Status(429), (3, "slow down".to_owned()))].into();
        measured(account, Tally { records, failures, cut_short: 1, ..Tally::default() }).report
    }

    #[test]
    fn percentiles_are_values_that_were_there() {
        let found = Quantiles::of((1..=200).rev().map(ms)).unwrap();
        let expected = Quantiles {
            count: 200,
            mean: Duration::from_micros(100_500),
            min: ms(1),
            p50: ms(100),
            p90: ms(180),
            p95: ms(190),
            p99: ms(198),
            max: ms(200),
        };
        assert_eq!(found, expected);
        let one = Quantiles::of([ms(7)].into_iter()).unwrap();
        assert_eq!((one.p50, one.p99, one.count), (ms(7), ms(7), 1));
        assert_eq!(Quantiles::of(std::iter::empty()), None);
    }

    #[test]
    fn rates_are_those_of_requests_answered_well() {
        let found =
            report(vec![record(10, Some(2), 30, 11), record(20, None, 20, 1)], Slo::default());
        assert_eq!((found.sent, found.ok, found.cut_short), (6, 2, 1));
        assert_eq!(found.failures[0].kind, "http_429");
        assert_eq!(found.requests_per_second, Some(1.0));
        assert_eq!(found.output_per_second, Some(6.0));
        assert_eq!(found.output, TokenSum { tokens: 12, exact: 1, estimated: 1 });
        // No engine told what came in: absent, not zero.
        assert_eq!((found.input_per_second, found.input.mean()), (None, None));
        assert_eq!((found.goodput, found.lag), (None, None));
    }

    #[test]
    fn goodput_counts_what_keeps_every_limit() {
        let records = || {
            vec![
                record(100, Some(10), 900, 80),
                record(101, Some(10), 900, 80),
                record(100, Some(11), 900, 80),
                record(100, Some(10), 901, 80),
                record(50, None, 60, 1),
                Record { ttft: None, ..record(1, Some(1), 1, 9) },
            ]
        };
        let check = |ttft, tpot, e2e, requests: u64| {
            let slo = Slo { ttft, tpot, e2e };
            let good = report(records(), slo).goodput.unwrap();
            assert_eq!((good.requests, good.per_second), (requests, requests as f64 / 2.0));
        };
        check(Some(ms(100)), Some(ms(10)), Some(ms(900)), 2);
        check(Some(ms(100)), None, None, 4);
        check(None, Some(ms(10)), None, 5);
        check(None, None, Some(ms(899)), 2);
    }

    #[test]
    fn a_generator_that_is_late_says_so() {
        let mut found = report(vec![record(1, None, 1, 1)], Slo::default());
        assert!(!found.is_generator_limited());
        found.own_lag = Quantiles::of([ms(6)].into_iter());
        assert!(found.is_generator_limited());
        found.ttft = Quantiles::of([ms(61)].into_iter());
        assert!(!found.is_generator_limited());
        found.own_lag = None;
        found.cpu_share = 0.8;
        assert!(found.is_generator_limited());
    }
}
