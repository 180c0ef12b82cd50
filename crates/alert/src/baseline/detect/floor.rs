//! What only ever grows: leaks on floors, and supplies that run out.
//!
//! Floors are minima of hours, because what is used goes up and down like teeth of a saw. A process that starts anew
//! starts with nothing, so that only its own time counts, and not its first hours, in which it warms up.

use std::collections::HashMap;

use model::{Labels, UnixMs};
use query::QueryError;

use super::{HOUR_MS, MINUTE_MS, SERIES_MAX, about, back};
use crate::baseline::{
    Asked, Kind, Reading,
    load::Line,
    robust::median,
    signals::{Floor, Supply},
    trend::Trend,
    without_name,
};

const DAY_MS: f64 = 24.0 * HOUR_MS as f64;
/// How far back floors are looked at.
const FLOORS_MS: i64 = 72 * HOUR_MS;
/// Hours that a trend needs.
const HOURS_MIN: usize = 24;
/// Hours in which a process warms up.
const WARM_UP_MS: i64 = 2 * HOUR_MS;
/// Surer trends are told, in standard deviations: 99.9 %.
pub const SCORE_MIN: f64 = 3.29;

/// Floors that rise.
pub fn leaks(
    asked: Asked<'_>,
    floor: &'static Floor,
    own_start: UnixMs,
    now: UnixMs,
) -> Result<Vec<Reading>, QueryError> {
    let grid = back(now, FLOORS_MS, HOUR_MS);
    let minima = format!("min_over_time({}[1h])", floor.query.replace("$who", ""));
    let series = asked.series(&minima, grid)?;
    if series.is_empty() {
        return Ok(Vec::new());
    }
    let by_instance = |(labels, value): (Labels, f64)| (instance(&labels), value);
    let starts: HashMap<String, f64> = match floor.start {
        "" => HashMap::new(),
        query => asked.floats(query, now)?.into_iter().map(by_instance).collect(),
    };
    let mut loads = HashMap::new();
    if !floor.load.is_empty() {
        let minima = format!("avg_over_time(({})[1h:5m])", floor.load);
        for series in asked.series(&minima, grid)? {
            let values: HashMap<i64, f64> = series.times.into_iter().zip(series.values).collect();
            loads.insert(instance(&series.labels), values);
        }
    }
    let reading = |series: query::Series| {
        let instance = instance(&series.labels);
        let own = if floor.start.is_empty() { Some(own_start) } else { None };
        let start = starts.get(&instance).map(|seconds| UnixMs((seconds * 1e3) as i64)).or(own);
        // A window of an hour must not reach into the time before.
        let from = start.map_or(i64::MIN, |start| start.0 + WARM_UP_MS + HOUR_MS);
        let points = series.times.iter().copied().zip(series.values.iter().copied());
        let points: Vec<(i64, f64)> = points.filter(|(time, _)| *time >= from).collect();
        of_floor(floor, &series.labels, &points, loads.get(&instance))
    };
    Ok(series.into_iter().take(SERIES_MAX).filter_map(reading).collect())
}

fn instance(labels: &Labels) -> String {
    labels.get("instance").unwrap_or_default().to_owned()
}

fn of_floor(
    floor: &'static Floor,
    labels: &Labels,
    points: &[(i64, f64)],
    loads: Option<&HashMap<i64, f64>>,
) -> Option<Reading> {
    let points = at_equal_load(points, loads);
    if points.len() < HOURS_MIN {
        return None;
    }
    let in_days: Vec<(f64, f64)> =
        points.iter().map(|(time, value)| (*time as f64 / DAY_MS, *value)).collect();
    let trend = Trend::of(&in_days)?;
    let (first, last) = (points.first()?, points.last()?);
    let hours = (last.0 - first.0) / HOUR_MS;
    Some(Reading {
        kind: Kind::Floor,
        signal: floor.name,
        labels: without_name(labels),
        value: last.1,
        usual: Some(first.1),
        score: trend.score,
        per_day: Some(trend.slope),
        empty_seconds: None,
        is_found: trend.score > SCORE_MIN && trend.slope > floor.per_day,
        since: UnixMs(first.0),
        query: about(floor.query, labels),
        window_ms: FLOORS_MS,
        params: vec![
            ("per_day", format!("{:.*}", floor.digits, trend.slope * floor.scale)),
            ("value", format!("{:.*}", floor.digits, last.1 * floor.scale)),
            ("hours", hours.to_string()),
        ],
    })
}

/// What the values would be at the middle one of the loads; as they are where loads are not known.
fn at_equal_load(points: &[(i64, f64)], loads: Option<&HashMap<i64, f64>>) -> Vec<(i64, f64)> {
    let Some(loads) = loads else { return points.to_vec() };
    let loaded = points.iter().filter_map(|(time, value)| Some((*time, *loads.get(time)?, *value)));
    let loaded: Vec<(i64, f64, f64)> = loaded.collect();
    let pairs: Vec<(f64, f64)> = loaded.iter().map(|(_, load, value)| (*load, *value)).collect();
    let mut all: Vec<f64> = pairs.iter().map(|(load, _)| *load).collect();
    let line = Line::of(&pairs, 0.0);
    let usual = median(&mut all).and_then(|middle| line.as_ref()?.expected(middle));
    let (Some(line), Some(usual)) = (line, usual) else { return points.to_vec() };
    let even = |(time, load, value): &(i64, f64, f64)| {
        Some((*time, value - line.expected(*load)? + usual))
    };
    loaded.iter().filter_map(even).collect()
}

/// What is left is looked at twice: over days for what fills slowly, and over hours for what fills fast.
const LOOKS: &[Look] = &[
    Look {
        window_ms: 72 * HOUR_MS,
        step_ms: HOUR_MS,
        step: "1h",
        count: 24,
        horizon_max: f64::MAX,
    },
    Look {
        window_ms: 3 * HOUR_MS,
        step_ms: 5 * MINUTE_MS,
        step: "5m",
        count: 30,
        horizon_max: 86_400.0,
    },
];

struct Look {
    window_ms: i64,
    step_ms: i64,
    step: &'static str,
    /// Values that it needs.
    count: usize,
    /// Further than so many seconds it does not see.
    horizon_max: f64,
}

/// Supplies that run out. Only of those has it readings.
pub fn forecasts(
    asked: Asked<'_>,
    supply: &'static Supply,
    now: UnixMs,
) -> Result<Vec<Reading>, QueryError> {
    let mut soonest: HashMap<Labels, Reading> = HashMap::new();
    for look in LOOKS {
        for reading in ahead(asked, supply, look, now)? {
            let known = soonest.get(&reading.labels).and_then(|reading| reading.empty_seconds);
            if known.is_none_or(|known| reading.empty_seconds.is_some_and(|full| full < known)) {
                soonest.insert(reading.labels.clone(), reading);
            }
        }
    }
    Ok(soonest.into_values().collect())
}

fn ahead(
    asked: Asked<'_>,
    supply: &'static Supply,
    look: &Look,
    now: UnixMs,
) -> Result<Vec<Reading>, QueryError> {
    let grid = back(now, look.window_ms, look.step_ms);
    let series = supply.query.replace("$who", "");
    // The most that is left in each step is what temporary files leave alone.
    let most = asked.series(&format!("max_over_time({series}[{}])", look.step), grid)?;
    let left: HashMap<Labels, f64> = asked
        .floats(&format!("min_over_time({series}[{}])", look.step), now)?
        .into_iter()
        .map(|(labels, left)| (without_name(&labels), left))
        .collect();
    let reading = |series: query::Series| {
        let labels = without_name(&series.labels);
        let times = series.times.iter().map(|time| *time as f64 / 1e3);
        let points: Vec<(f64, f64)> = times.zip(series.values.iter().copied()).collect();
        if points.len() < look.count {
            return None;
        }
        let (trend, left) = (Trend::of(&points)?, *left.get(&labels)?);
        // Only where the slope is surely below 0.
        if trend.high >= 0.0 || left <= 0.0 || trend.score > -SCORE_MIN {
            return None;
        }
        let full = left / -trend.slope;
        if full > supply.horizon.min(look.horizon_max) {
            return None;
        }
        Some(Reading {
            kind: Kind::Forecast,
            signal: supply.name,
            value: left,
            usual: None,
            score: trend.score,
            per_day: Some(trend.slope * DAY_MS / 1e3),
            empty_seconds: Some(full),
            is_found: true,
            since: UnixMs(*series.times.first()?),
            query: about(supply.query, &labels),
            window_ms: look.window_ms,
            params: vec![
                ("left", format!("{:.1}", left / 1e9)),
                ("per_day", format!("{:.1}", -trend.slope * DAY_MS / 1e3 / 1e9)),
                ("hours", format!("{:.0}", full / 3_600.0)),
            ],
            labels,
        })
    };
    Ok(most.into_iter().take(SERIES_MAX).filter_map(reading).collect())
}
