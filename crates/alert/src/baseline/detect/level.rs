//! Engines against themselves: at the same load in the day before, and in the same hour of other weeks.

use model::{Labels, UnixMs};
use query::QueryError;

use super::{HOUR_MS, MINUTE_MS, Point, STEP_MS, about, back, loaded};
use crate::baseline::{
    Asked, Kind, Least, Reading,
    load::Lines,
    reading::percent,
    shift::{Cusum, ewma},
    signals::Signal,
    week::Week,
    without_name,
};

/// What is new enough to be judged.
const RECENT_MS: i64 = 2 * HOUR_MS;
/// What it is judged by: a whole day, whatever the hour.
const BEFORE_MS: i64 = 24 * HOUR_MS;
/// Values that make a day known: six hours of work.
const BEFORE_MIN: usize = 72;
/// Values that are judged.
const RECENT_MIN: usize = 6;
/// The newest of them is no older.
const AGE_MAX_MS: i64 = 15 * MINUTE_MS;
/// Larger sums of scores are told.
pub const SUM_MIN: f64 = 10.0;
/// The newest values, which must all be off as well: what is over is not told.
const NEWEST: usize = 3;

/// Against what is usual at the load of the moment.
pub fn at_load(
    asked: Asked<'_>,
    signal: &'static Signal,
    now: UnixMs,
) -> Result<Vec<Reading>, QueryError> {
    let series = loaded(asked, signal, back(now, BEFORE_MS + RECENT_MS, STEP_MS), "[5m]")?;
    Ok(series.iter().filter_map(|(labels, points)| of_load(signal, labels, points, now)).collect())
}

fn of_load(
    signal: &'static Signal,
    labels: &Labels,
    points: &[Point],
    now: UnixMs,
) -> Option<Reading> {
    let split = points.partition_point(|point| point.time <= now.0 - RECENT_MS);
    let (before, recent) = points.split_at_checked(split)?;
    if before.len() < BEFORE_MIN || recent.len() < RECENT_MIN {
        return None;
    }
    let pairs: Vec<([f64; 2], f64)> =
        before.iter().map(|point| (point.loads, point.value)).collect();
    let line = Lines::of(&pairs, signal.share)?;
    let ratio = |point: &Point| Some((*point, line.ratio(point.loads, point.value)?));
    let ratios: Vec<(Point, f64)> = recent.iter().filter_map(ratio).collect();
    let newest = ratios.last()?.0;
    if ratios.len() < RECENT_MIN || newest.time < now.0 - AGE_MAX_MS {
        return None;
    }
    let mut cusum = Cusum::default();
    for (point, ratio) in &ratios {
        // What is less than the least spread in its own unit is nothing, however large its share.
        let least = line.expected(point.loads).map_or(0.0, |expected| signal.spread / expected);
        cusum.push((ratio - line.ratios.median) / line.ratios.spread.max(least));
    }
    let middle = ewma(ratios.iter().map(|(_, ratio)| *ratio))?;
    let is_off = |ratio: f64| (ratio - 1.0).abs() > signal.change && signal.bad.is(ratio - 1.0);
    let is_still = ratios.iter().rev().take(NEWEST).all(|(_, ratio)| is_off(*ratio));
    let score = cusum.score();
    let first = ratios.len().saturating_sub(cusum.lasts_for());
    let value = ewma(ratios.iter().map(|(point, _)| point.value))?;
    Some(Reading {
        kind: Kind::Load,
        signal: signal.name,
        labels: without_name(labels),
        value,
        usual: Some(value / middle),
        score,
        per_day: None,
        empty_seconds: None,
        is_found: score.abs() > SUM_MIN && signal.bad.is(score) && is_off(middle) && is_still,
        since: UnixMs(ratios.get(first).map_or(newest.time, |(point, _)| point.time)),
        query: about(signal.query, labels),
        window_ms: BEFORE_MS + RECENT_MS,
        params: told(signal, value, value / middle),
    })
}

fn told(signal: &Signal, value: f64, usual: f64) -> Vec<(&'static str, String)> {
    vec![
        ("value", signal.text(value)),
        ("usual", signal.text(usual)),
        ("percent", percent(value / usual)),
    ]
}

/// The weeks that an hour is known by.
const WEEK_MS: i64 = 7 * 24 * HOUR_MS;
/// Older ones say nothing of today.
const WEEKS_MAX: i64 = 4;
/// Ten minutes, as the store sums days up in.
const WEEK_STEP_MS: i64 = 10 * MINUTE_MS;
/// The hour that is judged, and how many of its values there must be.
const HOUR_VALUES_MIN: usize = 4;
/// Larger scores are told.
pub const WEEK_SCORE_MIN: f64 = 5.0;
/// Of two weeks nearly all must have been seen.
const SPAN_MIN_MS: i64 = 2 * WEEK_MS - 6 * HOUR_MS;

/// Against the same hour of up to four weeks before; latency for its load as well.
pub fn of_week(
    asked: Asked<'_>,
    signal: &'static Signal,
    now: UnixMs,
) -> Result<Vec<Reading>, QueryError> {
    let oldest = asked.source.oldest_sample().min(asked.source.oldest_row(WEEK_STEP_MS));
    if now.0.saturating_sub(oldest.0) < SPAN_MIN_MS {
        return Ok(Vec::new());
    }
    // At whole steps, and with windows of two, sums of days do where samples are gone.
    let now = UnixMs(now.0 - now.0.rem_euclid(WEEK_STEP_MS));
    let grid = back(now, WEEKS_MAX * WEEK_MS + HOUR_MS, WEEK_STEP_MS);
    let series = loaded(asked, signal, grid, "[20m]")?;
    Ok(series.iter().filter_map(|(labels, points)| in_week(signal, labels, points, now)).collect())
}

fn in_week(
    signal: &'static Signal,
    labels: &Labels,
    points: &[Point],
    now: UnixMs,
) -> Option<Reading> {
    let split = points.partition_point(|point| point.time <= now.0 - HOUR_MS);
    let (before, hour) = points.split_at_checked(split)?;
    let first = before.first()?.time;
    if now.0 - first < SPAN_MIN_MS || hour.len() < HOUR_VALUES_MIN {
        return None;
    }
    let line = if signal.loads.is_empty() {
        None
    } else {
        let pairs: Vec<([f64; 2], f64)> =
            before.iter().map(|point| (point.loads, point.value)).collect();
        Some(Lines::of(&pairs, signal.share)?)
    };
    // What is compared: what is left when the load is taken out, or the value itself; as a logarithm, so that a
    // tenth is as far away as ten times as much.
    let level = |point: &Point| {
        let level = match &line {
            Some(line) => line.ratio(point.loads, point.value)?,
            None => point.value.max(signal.spread),
        };
        (level > 0.0).then(|| level.ln())
    };
    let past = before.iter().filter_map(|point| Some((point.time, level(point)?)));
    let least = Least { count: 0, spread: signal.share, share: 0.0 };
    let usual = Week::of(past, least);
    let scored = |point: &Point| {
        let (usual, level) = (usual.usual(point.time)?, level(point)?);
        Some((usual.score(level), (level - usual.median).exp(), point.value))
    };
    let mut scored: Vec<(f64, f64, f64)> = hour.iter().filter_map(scored).collect();
    if scored.len() < HOUR_VALUES_MIN {
        return None;
    }
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (score, ratio, value) = *scored.get(scored.len() / 2)?;
    let is_off = (ratio - 1.0).abs() > signal.change && signal.bad.is(score);
    Some(Reading {
        kind: Kind::Week,
        signal: signal.name,
        labels: without_name(labels),
        value,
        usual: Some(value / ratio),
        score,
        per_day: None,
        empty_seconds: None,
        is_found: score.abs() > WEEK_SCORE_MIN && is_off,
        since: UnixMs(now.0 - HOUR_MS),
        query: about(signal.query, labels),
        window_ms: 2 * WEEK_MS,
        params: told(signal, value, value / ratio),
    })
}
