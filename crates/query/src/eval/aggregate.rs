//! Aggregations over the series of an instant vector.

use std::collections::{BTreeMap, HashMap};

use model::Labels;

use super::{Context, Evaluated, Row, Sum, ascending, descending, fail, mean, quantile, variance};
use crate::{
    ast::{Aggregate, AggregateKind, Grouping, Node},
    format::format_float,
};

pub(super) fn evaluate(context: &Context<'_>, aggregate: &Aggregate) -> Evaluated<Vec<Row>> {
    let rows = context.vector(&aggregate.inner)?;
    context.check_size(rows.len())?;
    let groups = group(&rows, &aggregate.grouping);
    match (aggregate.kind, &aggregate.parameter) {
        (AggregateKind::Topk, Some(count)) => best(context, rows, &groups, count, descending),
        (AggregateKind::Bottomk, Some(count)) => best(context, rows, &groups, count, ascending),
        (AggregateKind::CountValues, Some(label)) => {
            count_values(context, &rows, &groups, &context.string(label)?)
        }
        (AggregateKind::Quantile, Some(phi)) => {
            let phis = context.scalar(phi)?;
            warn_quantile(context, &phis, phi);
            Ok(reduce(context, &rows, groups, |step, values| quantile(phis[step], values)))
        }
        (kind, _) => Ok(reduce(context, &rows, groups, |_, values| one_value(kind, values))),
    }
}

/// Says that a φ outside of 0 to 1 gives an infinity.
pub(super) fn warn_quantile(context: &Context<'_>, phis: &[f64], node: &Node) {
    for phi in phis {
        if !(0.0..=1.0).contains(phi) {
            let phi = format_float(*phi);
            let text = format!("quantile value should be between 0 and 1, got {phi}");
            context.warn(&text, node.position);
        }
    }
}

/// Rows by the labels of their group, in the order of their first row.
fn group(rows: &[Row], grouping: &Grouping) -> Vec<(Labels, Vec<usize>)> {
    let mut places: HashMap<Vec<(&str, &str)>, usize> = HashMap::new();
    let mut groups: Vec<(Labels, Vec<usize>)> = Vec::new();
    let mut key = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        key.clear();
        key.extend(row.labels.iter().filter(|(name, _)| grouping.keeps(name)));
        if let Some(place) = places.get(&key) {
            groups[*place].1.push(index);
        } else {
            places.insert(key.clone(), groups.len());
            groups.push((Labels::from_ordered_pairs(&key), vec![index]));
        }
    }
    groups
}

fn reduce(
    context: &Context<'_>,
    rows: &[Row],
    groups: Vec<(Labels, Vec<usize>)>,
    value: impl Fn(usize, &mut [f64]) -> f64,
) -> Vec<Row> {
    let mut buffer = Vec::new();
    let reduced = groups.into_iter().map(|(labels, members)| {
        let values = (0..context.steps()).map(|step| {
            buffer.clear();
            buffer.extend(members.iter().filter_map(|member| rows[*member].values[step]));
            (!buffer.is_empty()).then(|| value(step, &mut buffer))
        });
        Row { labels, values: values.collect() }
    });
    reduced.collect()
}

fn one_value(kind: AggregateKind, values: &[f64]) -> f64 {
    match kind {
        AggregateKind::Sum => Sum::of(values.iter().copied()),
        AggregateKind::Avg => mean(values),
        AggregateKind::Count => values.len() as f64,
        // Rust's minimum and maximum ignore NaN as Prometheus' do.
        AggregateKind::Min => values.iter().copied().fold(f64::NAN, f64::min),
        AggregateKind::Max => values.iter().copied().fold(f64::NAN, f64::max),
        AggregateKind::Group => 1.0,
        AggregateKind::Stddev => variance(values).sqrt(),
        AggregateKind::Stdvar => variance(values),
        AggregateKind::Topk
        | AggregateKind::Bottomk
        | AggregateKind::Quantile
        | AggregateKind::CountValues => f64::NAN,
    }
}

fn best(
    context: &Context<'_>,
    rows: Vec<Row>,
    groups: &[(Labels, Vec<usize>)],
    count: &Node,
    order: fn(f64, f64) -> std::cmp::Ordering,
) -> Evaluated<Vec<Row>> {
    let counts = context.scalar(count)?;
    if let Some(count) = counts.iter().find(|count| count.is_nan()) {
        return fail(format!("Parameter value is {}", format_float(*count)));
    }
    let mut kept: Vec<Row> = rows
        .iter()
        .map(|row| Row { labels: row.labels.clone(), values: vec![None; context.steps()] })
        .collect();
    let mut ranking = Vec::new();
    for (step, count) in counts.iter().enumerate() {
        // A float to integer cast saturates, which is what too large and too small ask for.
        let count = *count as usize;
        for (_, members) in groups {
            let mut present: Vec<(usize, f64)> = members
                .iter()
                .filter_map(|member| Some((*member, rows[*member].values[step]?)))
                .collect();
            present.sort_by(|a, b| order(a.1, b.1));
            for (member, value) in present.into_iter().take(count) {
                kept[member].values[step] = Some(value);
                ranking.push(member);
            }
        }
    }
    if context.steps() > 1 {
        kept.retain(|row| row.values.iter().any(Option::is_some));
        return Ok(kept);
    }
    // At one instant the answer comes in the order of the ranking.
    let ranked = ranking.into_iter().map(|member| kept[member].clone());
    Ok(ranked.collect())
}

fn count_values(
    context: &Context<'_>,
    rows: &[Row],
    groups: &[(Labels, Vec<usize>)],
    label: &str,
) -> Evaluated<Vec<Row>> {
    if label.is_empty() {
        return fail(format!("invalid label name {label:?}"));
    }
    let mut counted: BTreeMap<Labels, Vec<Option<f64>>> = BTreeMap::new();
    for (labels, members) in groups {
        for member in members {
            for (step, value) in rows[*member].values.iter().enumerate() {
                let Some(value) = value else { continue };
                let mut builder = labels.to_builder();
                builder.set(label, format_float(*value));
                let steps = || vec![None; context.steps()];
                let counts = counted.entry(builder.build()).or_insert_with(steps);
                counts[step] = Some(counts[step].unwrap_or(0.0) + 1.0);
            }
            context.check_size(counted.len())?;
        }
    }
    Ok(counted.into_iter().map(|(labels, values)| Row { labels, values }).collect())
}
