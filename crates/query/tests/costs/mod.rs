//! What queries say they cost, and how soon they end when nobody waits for them any more.

use std::{
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use model::{
    Clock, Labels, UnixMs,
    histogram::Histogram,
    series::{
        Budget, HistogramSeries, Matcher, SelectError, SeriesData, SeriesSource, TimeRange, Visit,
    },
};
use query::{Grid, Output, Settings, evaluate, parse};

use crate::script::Memory;

fn budget() -> Budget {
    Budget::new(Clock::manual(UnixMs(0)), Duration::from_secs(60), 1 << 40)
}

fn grid(start: i64, end: i64, step: i64) -> Grid {
    let [start, end] = [start, end].map(|seconds| UnixMs(seconds * 1_000));
    Grid { start, end, step_ms: step * 1_000 }
}

/// A sample every 10 s of two series `a`, and a histogram every 10 s of `h`.
fn every_ten_seconds() -> Memory {
    let mut memory = Memory::default();
    for time in (0..=1_000_000).step_by(10_000) {
        for x in ["1", "2"] {
            memory.insert_float(&Labels::metric("a", [("x", x)]), time, 1.0);
        }
        memory.insert_histogram(&Labels::metric("h", [("x", "1")]), time, Histogram::default());
    }
    memory
}

/// Samples at each step, however they are read.
#[track_caller]
fn looks_at(query: &str, grid: Grid, expected: &[u64]) {
    let memory = every_ten_seconds();
    let ask = |counts_per_step: bool| -> Output {
        let settings = Settings { counts_per_step, ..Settings::default() };
        evaluate(&parse(query).unwrap(), &memory, grid, &settings, &budget()).unwrap()
    };
    let stats = ask(true).stats;
    let found: Vec<u64> = stats.samples_per_step.iter().map(|(_, count)| *count).collect();
    assert_eq!(found, expected, "{query}");
    let times: Vec<i64> = stats.samples_per_step.iter().map(|(time, _)| *time).collect();
    assert_eq!(times.first(), Some(&grid.start.0), "{query}");
    assert_eq!(stats.samples, expected.iter().sum::<u64>(), "{query}");
    assert_eq!(ask(false).stats.samples, stats.samples, "{query}");
}

/// The figures of Prometheus for the like of these.
#[test]
fn samples_are_counted_at_their_steps() {
    let instant = Grid::instant(UnixMs(201_000));
    let range = grid(204, 214, 5);
    let weight = Histogram::default().weight();
    looks_at("a", instant, &[2]);
    looks_at("a", range, &[2; 3]);
    looks_at("a offset 1h", range, &[0; 3]);
    looks_at("vector(1)", range, &[0; 3]);
    looks_at("a{x=\"1\"} + on () a{x=\"2\"}", range, &[2; 3]);
    looks_at("timestamp(a)", range, &[2; 3]);
    looks_at("h", instant, &[weight]);
    looks_at("timestamp(h)", instant, &[1]);
    looks_at("sum(rate(a[1m]))", range, &[12; 3]);
    looks_at("a[1m]", instant, &[12]);
    looks_at("count_over_time(h[1m])", instant, &[6 * weight]);
    looks_at("absent_over_time(a[1m])", range, &[12; 3]);
    looks_at("max_over_time(a[1m] @ 100)", range, &[12; 3]);
    // A subquery under a function counts what is in its windows, and by itself what it reads.
    looks_at("max_over_time(a[1m:5s])", instant, &[24]);
    looks_at("a[1m:5s]", instant, &[24]);
    looks_at("max_over_time(max_over_time(a[1m])[20s:5s])", instant, &[8]);
    looks_at("max_over_time(a[1m])[20s:5s]", instant, &[48]);
    looks_at("sum_over_time(max_over_time(a[1m])[20s:5s])[10s:5s]", instant, &[16]);
}

/// A source whose reader goes away once it has everything.
struct Leaving {
    memory: Memory,
    cancel: Arc<AtomicBool>,
}

impl SeriesSource for Leaving {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        self.memory.select(matchers, range, budget)
    }

    fn visit(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
        visit: Visit<'_>,
    ) -> Result<(), SelectError> {
        self.memory.visit(matchers, range, budget, visit)?;
        self.cancel.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn select_histograms(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<HistogramSeries>, SelectError> {
        self.memory.select_histograms(matchers, range, budget)
    }

    fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<Labels>, SelectError> {
        self.memory.series(matchers, range, budget)
    }
}

/// Whatever is done about many samples looks up now and then.
#[test]
fn long_loops_end_when_nobody_waits() {
    for query in [
        "topk(1, a)",
        "bottomk(1, a)",
        "limitk(1, a)",
        "limit_ratio(0.5, a)",
        "count_values(\"v\", a)",
        "quantile(0.5, a)",
        "stddev(a)",
        "sum(a)",
        "max(a)",
        "absent(a)",
        "scalar(a)",
        "a > 0",
        "-a",
        "abs(a)",
        "timestamp(a + 1)",
        "histogram_quantile(0.5, a)",
        "histogram_fraction(0, 1, a)",
        "info(a)",
        "label_replace(a, \"x\", \"\", \"y\", \"z\")",
        "label_join(a, \"x\", \"\", \"y\")",
        "last_over_time(a[1m])",
    ] {
        let budget = budget();
        let source = Leaving { memory: every_ten_seconds(), cancel: budget.cancel_flag() };
        let grid = grid(0, 1 << 20, 1);
        let found = evaluate(&parse(query).unwrap(), &source, grid, &Settings::default(), &budget);
        let error = found.map(|output| output.stats);
        assert_eq!(error, Err(SelectError::Cancelled.into()), "{query}");
    }
}
