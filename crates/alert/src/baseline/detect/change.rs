//! Engines before and after they were started again, upgraded or set up otherwise: how speed changed, at equal load.

use std::collections::{BTreeMap, BTreeSet};

use model::{Labels, UnixMs};
use query::{Grid, QueryError};

use super::{HOUR_MS, MINUTE_MS, Point, STEP_MS, about, back, loaded};
use crate::baseline::{
    Asked, Kind, Reading,
    load::Lines,
    reading::percent,
    robust::{NORMAL, median},
    signals::Signal,
    trend::correlation,
    without_name,
};

/// How long after it a change is told, and what it is compared with.
const AFTER_MS: i64 = 24 * HOUR_MS;
const BEFORE_MS: i64 = 24 * HOUR_MS;
/// What an engine does while it warms up does not count.
const WARM_UP_MS: i64 = 10 * MINUTE_MS;
/// Changes that are nearer to each other than this are one.
const ONE_MS: i64 = 30 * MINUTE_MS;
/// Values that are needed before, two hours of work, and after, one hour.
const BEFORE_MIN: usize = 24;
const AFTER_MIN: usize = 12;
/// Larger scores are told,
pub const SCORE_MIN: f64 = 4.0;
/// and changes of at least this share.
const CHANGE_MIN: f64 = 0.1;
/// A median is that much less sure than a mean.
const MEDIAN_ERROR: f64 = 1.253_3;
/// Settings are cut to so many characters.
const TEXT_MAX: usize = 100;

/// What is known of engines; `pid` tells of restarts.
const FACTS: [&str; 2] = [
    "max without (model, source, url) (llm_engine_info)",
    "max without (model, source) (llm_engine_config_info)",
];
const VERSION: &str = "version";
const PROCESS: &str = "pid";

type Facts = BTreeMap<String, String>;

/// One change of one engine.
#[derive(Clone, Debug, PartialEq)]
struct Change {
    /// When the old facts were seen last, and the new ones first.
    last_old: i64,
    first_new: i64,
    what: &'static str,
    old: String,
    new: String,
}

/// The signal after the newest change of each engine, against what it was before.
pub fn changes(
    asked: Asked<'_>,
    signal: &'static Signal,
    now: UnixMs,
) -> Result<Vec<Reading>, QueryError> {
    let changes = newest_changes(asked, back(now, AFTER_MS, STEP_MS))?;
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let series = loaded(asked, signal, back(now, AFTER_MS + BEFORE_MS, STEP_MS), "[5m]")?;
    let reading = |(labels, points): &(Labels, Vec<Point>)| {
        let change = changes.get(labels.get("instance")?)?;
        of_change(signal, labels, points, change)
    };
    Ok(series.iter().filter_map(reading).collect())
}

fn newest_changes(asked: Asked<'_>, grid: Grid) -> Result<BTreeMap<String, Change>, QueryError> {
    // By engine and time.
    let mut facts: BTreeMap<String, BTreeMap<i64, Facts>> = BTreeMap::new();
    for query in FACTS {
        for series in asked.series(query, grid)? {
            let Some(instance) = series.labels.get("instance") else { continue };
            let of_engine = facts.entry(instance.to_owned()).or_default();
            for time in &series.times {
                let at = of_engine.entry(*time).or_default();
                for (name, value) in series.labels.iter().filter(|(name, _)| *name != "instance") {
                    at.insert(name.to_owned(), value.to_owned());
                }
            }
        }
    }
    let newest = facts.into_iter().filter_map(|(who, facts)| Some((who, newest(&facts)?)));
    Ok(newest.collect())
}

/// The newest change, together with those just before it.
fn newest(facts: &BTreeMap<i64, Facts>) -> Option<Change> {
    let mut found: Option<(i64, i64, &Facts, &Facts)> = None;
    let mut known: Option<(i64, &Facts)> = None;
    // An engine that starts is known bit by bit, so that what is not said yet is no change.
    let differs = |old: &Facts, new: &Facts| {
        new.iter().any(|(name, value)| old.get(name).is_some_and(|old| old != value))
    };
    for (time, new) in facts {
        if let Some((last, old)) = known
            && differs(old, new)
        {
            found = match found {
                Some((first, until, oldest, _)) if last - until < ONE_MS => {
                    Some((first, *time, oldest, new))
                }
                _ => Some((last, *time, old, new)),
            };
        }
        known = Some((*time, new));
    }
    let (last_old, first_new, old, new) = found?;
    let is_new = |name: &str| old.get(name) != new.get(name);
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let settings: Vec<&str> = names
        .into_iter()
        .map(String::as_str)
        .filter(|name| ![VERSION, PROCESS, "engine"].contains(name) && is_new(name))
        .filter(|name| old.contains_key(*name) && new.contains_key(*name))
        .collect();
    let get = |facts: &Facts, name: &str| facts.get(name).cloned().unwrap_or_default();
    let (what, old, new) = if is_new(VERSION) {
        ("upgrade", get(old, VERSION), get(new, VERSION))
    } else if settings.is_empty() {
        ("restart", String::new(), String::new())
    } else {
        let (old, new) = differing(&settings, old, new);
        ("settings", old, new)
    };
    Some(Change { last_old, first_new, what, old, new })
}

/// What two settings do not have in common, as texts.
fn differing(names: &[&str], old: &Facts, new: &Facts) -> (String, String) {
    let words = |facts: &Facts| -> Vec<String> {
        let of = |name: &&str| {
            let value = facts.get(*name).map(String::as_str).unwrap_or_default();
            if *name == "flags" { flags(value) } else { vec![format!("{name}={value}")] }
        };
        names.iter().flat_map(of).collect()
    };
    let (old, new) = (words(old), words(new));
    let only = |own: &[String], others: &[String]| {
        let own = own.iter().filter(|word| !others.contains(word));
        let text: Vec<&str> = own.map(String::as_str).collect();
        text.join(" ").chars().take(TEXT_MAX).collect::<String>()
    };
    (only(&old, &new), only(&new, &old))
}

/// A command line's flags, each with its values.
fn flags(text: &str) -> Vec<String> {
    let mut flags: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match flags.last_mut() {
            Some(flag) if !word.starts_with('-') => {
                flag.push(' ');
                flag.push_str(word);
            }
            _ => flags.push(word.to_owned()),
        }
    }
    flags
}

fn of_change(
    signal: &'static Signal,
    labels: &Labels,
    points: &[Point],
    change: &Change,
) -> Option<Reading> {
    let from = change.last_old - BEFORE_MS;
    let before: Vec<Point> = points
        .iter()
        .copied()
        .filter(|point| (from..=change.last_old).contains(&point.time))
        .collect();
    // A mean over five minutes must not reach into the warm-up.
    let settled = change.first_new + WARM_UP_MS + STEP_MS;
    let after = points.iter().filter(|point| point.time >= settled);
    if before.len() < BEFORE_MIN {
        return None;
    }
    let pairs: Vec<([f64; 2], f64)> =
        before.iter().map(|point| (point.loads, point.value)).collect();
    let line = Lines::of(&pairs, signal.share)?;
    let compared: Vec<(f64, f64)> = after
        .filter_map(|point| Some((line.ratio(point.loads, point.value)?, point.value)))
        .collect();
    if compared.len() < AFTER_MIN {
        return None;
    }
    let rests: Vec<f64> =
        before.iter().filter_map(|point| line.ratio(point.loads, point.value)).collect();
    let mut after: Vec<f64> = compared.iter().map(|(ratio, _)| *ratio).collect();
    let ratio = median(&mut after)? / line.ratios.median;
    let mut distances: Vec<f64> = after.iter().map(|value| (value - ratio).abs()).collect();
    let spread = (NORMAL * median(&mut distances)?).max(line.ratios.spread);
    // Values that hang together count as fewer.
    let correlation = correlation(&rests).clamp(0.0, 0.95);
    let share = (1.0 - correlation) / (1.0 + correlation);
    let error = |count: usize, spread: f64| spread * spread / (count as f64 * share).max(1.0);
    let error = error(after.len(), spread) + error(rests.len(), line.ratios.spread);
    let score = (ratio - 1.0) / (MEDIAN_ERROR * error.sqrt());
    let mut values: Vec<f64> = compared.iter().map(|(_, value)| *value).collect();
    let value = median(&mut values)?;
    let is_off = (ratio - 1.0).abs() >= CHANGE_MIN.max(signal.change / 2.0);
    let mut labels = without_name(labels).to_builder();
    labels.set("change", change.what).set("old", &change.old).set("new", &change.new);
    Some(Reading {
        kind: Kind::Change,
        signal: signal.name,
        query: about(
            signal.query,
            &without_name(&labels.clone().build())
                .keep(|name| !["change", "old", "new"].contains(&name)),
        ),
        labels: labels.build(),
        value,
        usual: Some(value / ratio),
        score,
        per_day: None,
        empty_seconds: None,
        // What became better is worth to be told as well.
        is_found: score.abs() > SCORE_MIN && is_off,
        since: UnixMs(change.first_new),
        window_ms: AFTER_MS + BEFORE_MS,
        params: vec![
            ("value", signal.text(value)),
            ("usual", signal.text(value / ratio)),
            ("percent", percent(ratio)),
            // Speed is what people compare: half the time is twice the speed.
            ("speed", percent(1.0 / ratio)),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pairs: &[(&str, &str)]) -> Facts {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn changes_are_told_from_facts() {
        let old = [("version", "0.32"), ("pid", "7"), ("flags", "--tp 4 --max-num-seqs 256 --x")];
        let check = |new: &[(&str, &str)], expected: Option<(&'static str, &str, &str)>| {
            let times: BTreeMap<i64, Facts> = (0..6)
                .map(|step| (step * STEP_MS, if step < 3 { facts(&old) } else { facts(new) }))
                .collect();
            let found = newest(&times);
            let found = found.as_ref().map(|it| (it.what, it.old.as_str(), it.new.as_str()));
            assert_eq!(found, expected, "{new:?}");
        };
        check(&old, None);
        check(&[("version", "0.33"), ("pid", "8"), old[2]], Some(("upgrade", "0.32", "0.33")));
        check(&[old[0], ("pid", "8"), old[2]], Some(("restart", "", "")));
        check(
            &[old[0], ("pid", "8"), ("flags", "--tp 4 --max-num-seqs 128 --x")],
            Some(("settings", "--max-num-seqs 256", "--max-num-seqs 128")),
        );
        // The settings are not known yet.
        check(&[old[0], ("pid", "7")], None);
    }

    #[test]
    fn changes_that_are_near_are_one() {
        let at = |step: i64, pairs: &[(&str, &str)]| (step * STEP_MS, facts(pairs));
        let times = BTreeMap::from([
            at(0, &[("version", "1"), ("pid", "7")]),
            at(40, &[("version", "2"), ("pid", "7")]),
            at(41, &[("version", "2"), ("pid", "8")]),
        ]);
        let found = newest(&times).unwrap();
        assert_eq!((found.what, found.last_old, found.first_new), ("upgrade", 0, 41 * STEP_MS));
    }
}
