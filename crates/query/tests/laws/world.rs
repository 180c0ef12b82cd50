//! Generated series, and queries over them.

use std::{collections::BTreeMap, time::Duration};

use model::{
    Clock, Labels, NAME, UnixMs,
    histogram::{Buckets, Histogram, Span},
    sample::stale,
    series::Budget,
};
use proptest::{collection::vec, prelude::*};
use query::{Grid, Sample, Settings, Value, evaluate, parse};

use crate::script::{Memory, is_close, is_same_histogram, samples};

/// Most samples that a query over a world may touch: enough for any of the grammar.
const SAMPLES_MAX: u64 = 2_000_000;

/// What a query yields: each series with its samples by time.
pub(crate) type Found = BTreeMap<Labels, Vec<(i64, Sample)>>;

/// A few series of gauges `a` and `b`, counters `c_total` and native histograms `h`, all with the labels
/// `x` and `y`, over about ten minutes.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    gauges: Vec<(usize, Vec<Gauge>)>,
    counters: Vec<(usize, Vec<(u8, u16)>)>,
    histograms: Vec<(usize, Vec<Counted>)>,
}

/// Seconds after the one before, and what two buckets hold.
type Counted = (u8, u8, u8);

/// What a gauge does after so many seconds.
#[derive(Clone, Copy, Debug)]
enum Gauge {
    /// A number of halves, so that sums in any order are exact.
    Halves(u8, i16),
    Special(u8, f64),
}

impl World {
    /// Any world.
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let special = prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(stale())];
        let gauge = prop_oneof![
            12 => (1_u8..40, -200_i16..200).prop_map(|(after, value)| Gauge::Halves(after, value)),
            1 => (1_u8..40, special).prop_map(|(after, value)| Gauge::Special(after, value)),
        ];
        Self::of(gauge.boxed())
    }

    /// A world whose gauges are finite numbers throughout.
    pub(crate) fn finite() -> impl Strategy<Value = Self> {
        let gauge = (1_u8..40, -200_i16..200);
        Self::of(gauge.prop_map(|(after, value)| Gauge::Halves(after, value)).boxed())
    }

    fn of(gauge: BoxedStrategy<Gauge>) -> impl Strategy<Value = Self> {
        let gauges = vec((0_usize..8, vec(gauge, 1..30)), 1..6);
        let counters = vec((0_usize..4, vec((1_u8..40, 0_u16..500), 1..30)), 1..4);
        let histograms = vec((0_usize..4, vec((1_u8..60, 0_u8..5, 0_u8..5), 1..15)), 0..3);
        (gauges, counters, histograms).prop_map(|(gauges, counters, histograms)| Self {
            gauges,
            counters,
            histograms,
        })
    }

    /// The series, everything later by so many milliseconds.
    pub(crate) fn load(&self, later: i64) -> Memory {
        let mut memory = Memory::default();
        for (index, gauge) in &self.gauges {
            let labels = labels(["a", "b"][index / 4], *index);
            let mut time = later;
            for point in gauge {
                let (Gauge::Halves(after, _) | Gauge::Special(after, _)) = point;
                time += i64::from(*after) * 1_000;
                memory.insert_float(
                    &labels,
                    time,
                    match point {
                        Gauge::Halves(_, halves) => f64::from(*halves) / 2.0,
                        Gauge::Special(_, value) => *value,
                    },
                );
            }
        }
        for (index, counter) in &self.counters {
            let labels = labels("c_total", *index);
            let (mut time, mut value) = (later, 0.0);
            for (after, growth) in counter {
                time += i64::from(*after) * 1_000;
                // A rare growth stands for a restart.
                value = if *growth < 20 { 0.0 } else { value + f64::from(*growth) };
                memory.insert_float(&labels, time, value);
            }
        }
        for (index, observed) in &self.histograms {
            let labels = labels("h", *index);
            let (mut time, mut counts) = (later, [0.0, 0.0]);
            for (after, low, high) in observed {
                time += i64::from(*after) * 1_000;
                counts = [counts[0] + f64::from(*low), counts[1] + f64::from(*high)];
                memory.insert_histogram(&labels, time, histogram(counts));
            }
        }
        memory
    }
}

fn labels(name: &str, index: usize) -> Labels {
    let [x, y] = [index % 2, index / 2 % 2].map(|value| value.to_string());
    Labels::from_pairs([(NAME, name.to_owned()), ("x", x), ("y", y)])
}

fn histogram([low, high]: [f64; 2]) -> Histogram {
    let spans = vec![Span { offset: 0, length: 2 }];
    Histogram {
        count: low + high,
        sum: low + 2.0 * high,
        positive: Buckets { spans, counts: vec![low, high] },
        ..Histogram::default()
    }
}

/// Evaluates a query, as Prometheus' own scripts assume, or says why it fails.
pub(crate) fn ask(memory: &Memory, query: &str, grid: Grid) -> Result<Found, String> {
    let budget = Budget::new(Clock::manual(UnixMs(0)), Duration::from_secs(60), SAMPLES_MAX);
    let settings = Settings { delays_name_removal: true, ..Settings::default() };
    let expr = parse(query).map_err(|error| format!("{query}: {error}"))?;
    let output = evaluate(&expr, memory, grid, &settings, &budget);
    let value = output.map_err(|error| error.to_string())?.value;
    Ok(match value {
        Value::Scalar(value) => {
            Found::from([(Labels::empty(), vec![(grid.start.0, Sample::Float(value))])])
        }
        Value::Vector(elements) => {
            let times = [grid.start.0].into_iter().cycle();
            let elements = elements.into_iter().zip(times);
            elements.map(|(one, time)| (one.labels, vec![(time, one.sample)])).collect()
        }
        Value::Matrix(series) => {
            series.into_iter().map(|one| (one.labels.clone(), samples(&one))).collect()
        }
        Value::String(text) => return Err(format!("{query}: yields the text {text:?}")),
    })
}

/// As [`ask`], of a query that cannot fail, at one time in milliseconds.
pub(crate) fn at(memory: &Memory, query: &str, time: i64) -> Found {
    ask(memory, query, Grid::instant(UnixMs(time))).unwrap()
}

/// The floats of a result of one time; histograms are left out.
pub(crate) fn floats(found: &Found) -> Vec<f64> {
    let float = |(_, sample): &(i64, Sample)| match sample {
        Sample::Float(value) => Some(*value),
        Sample::Histogram(_) => None,
    };
    found.values().flatten().filter_map(float).collect()
}

/// Whether two results say the same, times aside by `later`.
pub(crate) fn is_same(early: &Found, late: &Found, later: i64) -> bool {
    let is_same_sample = |(early, late): (&(i64, Sample), &(i64, Sample))| {
        early.0 + later == late.0
            && match (&early.1, &late.1) {
                (Sample::Float(a), Sample::Float(b)) => is_close(*a, *b),
                (Sample::Histogram(a), Sample::Histogram(b)) => is_same_histogram(a, b),
                _ => false,
            }
    };
    early.len() == late.len()
        && early.iter().zip(late).all(|((labels, early), (others, late))| {
            labels == others
                && early.len() == late.len()
                && early.iter().zip(late).all(is_same_sample)
        })
}
