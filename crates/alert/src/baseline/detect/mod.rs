//! The methods over stored series. Each looks at the series of one signal and gives a reading for each thing that it
//! can judge; what it cannot judge has none.

pub mod change;
pub mod floor;
pub mod level;
pub mod peer;

use std::collections::HashMap;

use model::{Labels, UnixMs};
use query::{Grid, QueryError, Series};

use super::{Asked, signals::Signal};

/// Most series of one signal that are looked at; further ones have no readings.
pub const SERIES_MAX: usize = 500;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Values of engines are means of five minutes, and that far apart.
const STEP_MS: i64 = 5 * MINUTE_MS;

/// A value with its time and its loads; a load is 1 where the signal has none.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    time: i64,
    loads: [f64; 2],
    value: f64,
}

/// The values of a signal with their loads over a window such as `[5m]`, series by series. Values whose load is not
/// known are left out.
fn loaded(
    asked: Asked<'_>,
    signal: &Signal,
    grid: Grid,
    window: &str,
) -> Result<Vec<(Labels, Vec<Point>)>, QueryError> {
    let over = |query: &str| query.replace("[5m]", window);
    let series = asked.series(&over(&signal.query.replace("$who", "")), grid)?;
    if series.is_empty() {
        return Ok(Vec::new());
    }
    let read = |query: &str| Ok(Loads::new(asked.series(&over(query), grid)?, signal.join));
    let loads: Vec<Loads> =
        signal.loads.iter().take(2).map(|query| read(query)).collect::<Result<_, QueryError>>()?;
    let point = |labels: &Labels, time: i64, value: f64| {
        let first = loads.first().map_or(Some(1.0), |loads| loads.at(labels, time))?;
        let second = loads.get(1).filter(|loads| loads.knows(labels));
        let second = second.map_or(Some(1.0), |loads| loads.at(labels, time))?;
        value.is_finite().then_some(Point { time, loads: [first, second], value })
    };
    let points = |series: Series| {
        let points = series.times.iter().zip(&series.values);
        let points = points.filter_map(|(time, value)| point(&series.labels, *time, *value));
        let points = points.collect();
        (series.labels, points)
    };
    Ok(series.into_iter().take(SERIES_MAX).map(points).collect())
}

/// What others depend on, by some labels and by time.
struct Loads {
    join: &'static [&'static str],
    values: HashMap<Vec<String>, HashMap<i64, f64>>,
}

impl Loads {
    fn new(series: Vec<Series>, join: &'static [&'static str]) -> Self {
        let keyed = |series: Series| {
            let key = key(&series.labels, join);
            (key, series.times.into_iter().zip(series.values).collect())
        };
        Self { join, values: series.into_iter().map(keyed).collect() }
    }

    fn knows(&self, labels: &Labels) -> bool {
        self.values.contains_key(&key(labels, self.join))
    }

    fn at(&self, labels: &Labels, time: i64) -> Option<f64> {
        self.values.get(&key(labels, self.join))?.get(&time).copied()
    }
}

/// The values of some labels.
fn key(labels: &Labels, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| labels.get(name).unwrap_or_default().to_owned()).collect()
}

/// The same query about one series only.
fn about(query: &str, labels: &Labels) -> String {
    let names = labels.iter().map(|(name, _)| name).filter(|name| *name != model::NAME);
    query.replace("$who", &super::ask::matchers(labels, names))
}

/// The times up to `end`, so many milliseconds back.
fn back(end: UnixMs, window_ms: i64, step_ms: i64) -> Grid {
    Grid { start: UnixMs(end.0 - window_ms), end, step_ms }
}
