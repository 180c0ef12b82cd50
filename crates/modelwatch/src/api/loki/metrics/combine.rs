//! Sums over series, and calculations with them.

use std::collections::BTreeMap;

use super::{Labels, Series, Value};
use crate::api::loki::{
    entry::canonical,
    logql::{Binary, BinaryOp, GroupOp, Grouped, MatchOp, RangeOf},
};

pub(super) fn group(grouped: &Grouped, inner: Vec<Series>, steps: usize) -> Vec<Series> {
    let mut groups: BTreeMap<Labels, Vec<Series>> = BTreeMap::new();
    for series in inner {
        groups.entry(kept(grouped, &series.labels)).or_default().push(series);
    }
    let mut found = Vec::new();
    for (labels, members) in groups {
        if matches!(grouped.op, GroupOp::Top | GroupOp::Bottom) {
            found.extend(extreme(grouped, members, steps));
            continue;
        }
        let value = |step: usize| {
            let numbers = members.iter().filter_map(|series| series.values.get(step).copied()?);
            of_all(grouped.op, numbers)
        };
        let values = (0..steps).map(value).collect();
        found.push(Series { labels, values });
    }
    found
}

fn kept(grouped: &Grouped, labels: &Labels) -> Labels {
    let Some(grouping) = &grouped.grouping else { return Labels::new() };
    if !grouping.is_without {
        let value = |name: &String| labels.get(name).or_else(|| labels.get(canonical(name)));
        let pair = |name: &String| Some((name.clone(), value(name)?.clone()));
        return grouping.labels.iter().filter_map(pair).collect();
    }
    let is_out = |name: &str| {
        grouping.labels.iter().any(|out| out == name || canonical(out) == canonical(name))
    };
    let kept = labels.iter().filter(|(name, _)| !is_out(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn of_all(op: GroupOp, numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut count, mut sum) = (0_u32, 0.0);
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    for number in numbers {
        count += 1;
        sum += number;
        min = min.min(number);
        max = max.max(number);
    }
    let value = match op {
        GroupOp::Average => sum / f64::from(count),
        GroupOp::Min => min,
        GroupOp::Max => max,
        GroupOp::Count => f64::from(count),
        _ => sum,
    };
    (count > 0).then_some(value)
}

/// Leaves the largest, or smallest, of each step.
fn extreme(grouped: &Grouped, mut members: Vec<Series>, steps: usize) -> Vec<Series> {
    for step in 0..steps {
        let value = |series: &Series| series.values.get(step).copied().flatten();
        let mut ranked: Vec<(usize, f64)> = members
            .iter()
            .enumerate()
            .filter_map(|(at, series)| Some((at, value(series)?)))
            .collect();
        ranked.sort_by(|(_, a), (_, b)| match grouped.op {
            GroupOp::Top => b.total_cmp(a),
            _ => a.total_cmp(b),
        });
        for (at, _) in ranked.into_iter().skip(grouped.count) {
            let series = members.get_mut(at);
            if let Some(value) = series.and_then(|series| series.values.get_mut(step)) {
                *value = None;
            }
        }
    }
    members.retain(|series| series.values.iter().any(Option::is_some));
    members
}

/// One where nothing is, with the labels that were asked for by their values.
pub(super) fn absent(range: &RangeOf, found: &[Series], steps: usize) -> Vec<Series> {
    let is_there = |step: usize| {
        found.iter().any(|series| series.values.get(step).is_some_and(Option::is_some))
    };
    let values: Vec<_> = (0..steps).map(|step| (!is_there(step)).then_some(1.0)).collect();
    let is_value = range.log.matchers.iter().filter(|matcher| matcher.op == MatchOp::Is);
    let pairs = is_value.map(|matcher| (matcher.label.clone(), matcher.value.clone()));
    let labels = pairs.filter(|(_, value)| !value.is_empty()).collect();
    match values.iter().any(Option::is_some) {
        true => vec![Series { labels, values }],
        false => Vec::new(),
    }
}

pub(super) fn binary(binary: &Binary, left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            // Of two numbers a comparison always tells whether it holds.
            let found = calculate(binary.op, true, left, right);
            Value::Scalar(found.unwrap_or(f64::NAN))
        }
        (Value::Vector(series), Value::Scalar(number)) => {
            Value::Vector(each(series, |value| kept_or_made(binary, value, value, number)))
        }
        (Value::Scalar(number), Value::Vector(series)) => {
            Value::Vector(each(series, |value| kept_or_made(binary, value, number, value)))
        }
        (Value::Vector(left), Value::Vector(right)) => Value::Vector(both(binary, left, right)),
    }
}

fn each(mut series: Vec<Series>, make: impl Fn(f64) -> Option<f64>) -> Vec<Series> {
    for series in &mut series {
        for value in &mut series.values {
            *value = value.and_then(&make);
        }
    }
    series.retain(|series| series.values.iter().any(Option::is_some));
    series
}

/// A comparison lets the value of the vector pass, or not.
fn kept_or_made(binary: &Binary, value: f64, left: f64, right: f64) -> Option<f64> {
    let found = calculate(binary.op, binary.is_bool, left, right)?;
    let is_filter = matches!(binary.op, BinaryOp::Compare(_)) && !binary.is_bool;
    Some(if is_filter { value } else { found })
}

/// Series with equal labels.
fn both(binary: &Binary, left: Vec<Series>, right: Vec<Series>) -> Vec<Series> {
    let mut others: BTreeMap<Labels, Series> =
        right.into_iter().map(|series| (series.labels.clone(), series)).collect();
    let mut found = Vec::new();
    for mut series in left {
        let other = others.remove(&series.labels);
        for (step, value) in series.values.iter_mut().enumerate() {
            let right = other.as_ref().and_then(|other| other.values.get(step).copied().flatten());
            *value = match (binary.op, *value, right) {
                (BinaryOp::Or, left, right) => left.or(right),
                (BinaryOp::And, left, Some(_)) => left,
                (BinaryOp::Unless, left, None) => left,
                (BinaryOp::And | BinaryOp::Unless, ..) => None,
                (_, Some(left), Some(right)) => kept_or_made(binary, left, left, right),
                _ => None,
            };
        }
        found.push(series);
    }
    if binary.op == BinaryOp::Or {
        found.extend(others.into_values());
    }
    found.retain(|series| series.values.iter().any(Option::is_some));
    found
}

fn calculate(op: BinaryOp, is_bool: bool, left: f64, right: f64) -> Option<f64> {
    Some(match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide => left / right,
        BinaryOp::Modulo => left % right,
        BinaryOp::Power => left.powf(right),
        BinaryOp::Compare(compare) => match compare.holds(left, right) {
            true if is_bool => 1.0,
            false if is_bool => 0.0,
            true => left,
            false => return None,
        },
        // They are for vectors.
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => return None,
    })
}
