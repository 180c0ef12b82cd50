//! Accelerators and replicas against those that do the same work: needs no past, and finds the one that is slow, hot or
//! throttled within minutes.

use std::collections::{BTreeMap, HashMap};

use model::{Labels, UnixMs};
use query::{QueryError, Series};

use super::{HOUR_MS, MINUTE_MS, Point, SERIES_MAX, about, back, loaded};
use crate::baseline::{
    Asked, Kind, Least, Reading,
    load::Lines,
    peers,
    robust::{Usual, median},
    signals::{Signal, UTILIZATION},
    without_name,
};

/// A score counts that the middle one of the values of this time has.
const WINDOW_MS: i64 = 10 * MINUTE_MS;
const STEP_MS: i64 = 2 * MINUTE_MS;
/// Values of which a score is told.
const VALUES_MIN: usize = 4;
/// Larger scores are told.
pub const SCORE_MIN: f64 = 5.0;
/// Whose utilization is further than this from the middle one's does other work.
const UTILIZATION_RANGE: f64 = 0.25;
/// How far back replicas tell what a value is at which load.
const TOGETHER_MS: i64 = 6 * HOUR_MS;
/// What of it is judged.
const REPLICAS_MS: i64 = 30 * MINUTE_MS;

/// Which engine each accelerator works for, by `uuid`.
const USERS: &str = "max by (uuid, instance) (llm_engine_accelerator_memory_bytes)";

/// Compares accelerators of one kind that work for one engine, or stand in one host.
pub fn accelerators(
    asked: Asked<'_>,
    signal: &'static Signal,
    now: UnixMs,
) -> Result<Vec<Reading>, QueryError> {
    let users = asked.floats(USERS, now)?;
    let user = |labels: &Labels| labels.get("instance").unwrap_or_default().to_owned();
    let users: HashMap<String, String> = users
        .iter()
        .filter_map(|(labels, _)| Some((labels.get("uuid")?.to_owned(), user(labels))))
        .collect();
    // How busy one is cannot be told from how busy it is, so that it is compared within one engine only.
    let is_work = signal.name == UTILIZATION.name;
    let group = |labels: &Labels| {
        let get = |name: &str| labels.get(name).unwrap_or_default();
        let place = match users.get(get("uuid")) {
            Some(user) => user.clone(),
            None if is_work => return None,
            None => format!("host {}", get("host")),
        };
        Some([get("vendor").to_owned(), get("model").to_owned(), place])
    };
    let grid = back(now, WINDOW_MS, STEP_MS);
    let series = asked.series(&signal.query.replace("$who", ""), grid)?;
    let mut groups: BTreeMap<Group, Vec<Series>> = BTreeMap::new();
    for series in series.into_iter().take(SERIES_MAX) {
        if let Some(group) = group(&series.labels) {
            groups.entry(group).or_default().push(series);
        }
    }
    groups.retain(|_, members| members.len() >= peers::PEERS_MIN);
    if !is_work && !groups.is_empty() {
        let amounts = asked.floats(&UTILIZATION.query.replace("$who", ""), now)?;
        for members in groups.values_mut() {
            *members = with_same_work(std::mem::take(members), &amounts);
        }
    }
    Ok(groups.values().flat_map(|members| of_group(signal, members, now)).collect())
}

/// Compares replicas of one model on engines of one kind, each at the load that it has: what a value is at which load
/// all of them tell together, and one that is slow does not move that.
pub fn replicas(
    asked: Asked<'_>,
    signal: &'static Signal,
    now: UnixMs,
) -> Result<Vec<Reading>, QueryError> {
    let mut groups: BTreeMap<Group, Vec<(Labels, Vec<Point>)>> = BTreeMap::new();
    for (labels, points) in loaded(asked, signal, back(now, TOGETHER_MS, super::STEP_MS), "[5m]")? {
        let name = |name: &str| labels.get(name).unwrap_or_default().to_owned();
        groups.entry(["engine", "model", "source"].map(name)).or_default().push((labels, points));
    }
    let groups = groups.values().filter(|members| members.len() >= peers::PEERS_MIN);
    Ok(groups.flat_map(|members| of_replicas(signal, members, now)).collect())
}

fn of_replicas(
    signal: &'static Signal,
    members: &[(Labels, Vec<Point>)],
    now: UnixMs,
) -> Vec<Reading> {
    let all = members.iter().flat_map(|(_, points)| points);
    let pairs: Vec<([f64; 2], f64)> = all.map(|point| (point.loads, point.value)).collect();
    let Some(line) = Lines::of(&pairs, signal.share) else { return Vec::new() };
    let newest = |(_, points): &(Labels, Vec<Point>)| {
        let is_new = |point: &&Point| point.time > now.0 - REPLICAS_MS;
        let ratio = |point: &Point| Some((line.ratio(point.loads, point.value)?, point.value));
        let (mut ratios, mut values): (Vec<f64>, Vec<f64>) =
            points.iter().filter(is_new).filter_map(ratio).unzip();
        let is_known = ratios.len() >= VALUES_MIN;
        let (ratio, value) = (median(&mut ratios)?, median(&mut values)?);
        is_known.then_some((ratio, value))
    };
    let found: Vec<Option<(f64, f64)>> = members.iter().map(newest).collect();
    let ratios: Vec<f64> =
        found.iter().map(|found| found.map_or(f64::NAN, |(ratio, _)| ratio)).collect();
    // As restless as all of them are together, two that agree by chance are not taken for sure.
    let least = Least { count: 0, spread: line.ratios.spread / 2.0, share: signal.share };
    let scores = peers::scores(&ratios, least);
    let judged = members.iter().zip(found).zip(scores);
    let reading = |(((labels, _), found), score): ((&(Labels, Vec<Point>), _), _)| {
        let ((ratio, value), (score, usual)): ((f64, f64), (f64, Usual)) = (found?, score?);
        let off = ratio / usual.median;
        let mut reading = reading(signal, labels, now, (score, value, value / off));
        reading.is_found &= (off - 1.0).abs() > signal.change;
        (reading.since, reading.window_ms) = (UnixMs(now.0 - REPLICAS_MS), TOGETHER_MS);
        Some(reading)
    };
    judged.filter_map(reading).collect()
}

type Group = [String; 3];

/// Those whose utilization is near that of the middle one.
fn with_same_work(members: Vec<Series>, amounts: &[(Labels, f64)]) -> Vec<Series> {
    let amounts: HashMap<&Labels, f64> =
        amounts.iter().map(|(labels, amount)| (labels, *amount)).collect();
    let amount = |series: Series| Some((*amounts.get(&series.labels)?, series));
    let known: Vec<(f64, Series)> = members.into_iter().filter_map(amount).collect();
    let mut all: Vec<f64> = known.iter().map(|(amount, _)| *amount).collect();
    let Some(middle) = median(&mut all) else { return Vec::new() };
    let is_near = |(amount, _): &(f64, Series)| (amount - middle).abs() <= UTILIZATION_RANGE;
    known.into_iter().filter(is_near).map(|(_, series)| series).collect()
}

fn of_group(signal: &'static Signal, members: &[Series], now: UnixMs) -> Vec<Reading> {
    let mut found: Vec<Vec<(f64, f64, Usual)>> = vec![Vec::new(); members.len()];
    let mut times: Vec<i64> = members.iter().flat_map(|member| member.times.clone()).collect();
    times.sort_unstable();
    times.dedup();
    for time in times {
        let value = |member: &Series| {
            let place = member.times.binary_search(&time).ok()?;
            member.values.get(place).copied()
        };
        let values: Vec<f64> =
            members.iter().map(|member| value(member).unwrap_or(f64::NAN)).collect();
        let scores = peers::scores(&values, signal.least());
        for ((found, score), value) in found.iter_mut().zip(scores).zip(values) {
            found.extend(score.map(|(score, usual)| (score, value, usual)));
        }
    }
    let of_member = |(member, mut found): (&Series, Vec<(f64, f64, Usual)>)| {
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (score, value, usual) = *found.get(found.len() / 2)?;
        let is_known = found.len() >= VALUES_MIN;
        is_known.then(|| reading(signal, &member.labels, now, (score, value, usual.median)))
    };
    members.iter().zip(found).filter_map(of_member).collect()
}

fn reading(
    signal: &'static Signal,
    labels: &Labels,
    now: UnixMs,
    (score, value, usual): (f64, f64, f64),
) -> Reading {
    Reading {
        kind: Kind::Peer,
        signal: signal.name,
        labels: without_name(labels),
        value,
        usual: Some(usual),
        score,
        per_day: None,
        empty_seconds: None,
        is_found: score.abs() > SCORE_MIN && signal.bad.is(score),
        since: UnixMs(now.0 - WINDOW_MS),
        query: about(signal.query, labels),
        window_ms: WINDOW_MS,
        params: vec![("value", signal.text(value)), ("usual", signal.text(usual))],
    }
}
