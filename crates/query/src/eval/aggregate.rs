//! Aggregations over the series of an instant vector.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    sync::Arc,
};

use model::{Labels, NAME, histogram::Histogram};

use super::{
    Context, Evaluated, fail,
    math::{Sum, ascending, descending, mean, quantile, variance_of_series},
    row::{Row, absent, is_float},
    stream::Pace,
};
use crate::{
    ast::{Aggregate, AggregateKind, Grouping, Node},
    format::{format_float, format_general, quoted, quoted_bytes},
    histogram::{self, HistogramMean, HistogramSum, Incompatible},
    value::Sample,
};

pub(super) fn evaluate(
    context: &Context<'_>,
    aggregate: &Aggregate,
    node: &Node,
) -> Evaluated<Vec<Row>> {
    use AggregateKind::*;
    let parameter = match (aggregate.kind, &aggregate.parameter) {
        (CountValues, _) | (_, None) => Vec::new(),
        (_, Some(parameter)) => context.scalar(parameter)?,
    };
    let rows = context.vector(&aggregate.inner)?;
    context.check_size(rows.len())?;
    // The parameter is looked at even where there is nothing to aggregate.
    if !may_have_results(context, aggregate, &parameter)? {
        return Ok(Vec::new());
    }
    let groups = group(context, &rows, &aggregate.grouping)?;
    match aggregate.kind {
        Topk | Bottomk => best(context, &rows, &groups, &parameter, aggregate.kind, node),
        Limitk => first(context, &rows, &groups, &parameter),
        LimitRatio => share(context, rows, &parameter),
        CountValues => count_values(context, &rows, aggregate),
        _ => reduce(context, &rows, groups, aggregate, &parameter),
    }
}

/// Refuses and warns of parameters; whether any result is left for the others. Prometheus does so by the least
/// and the greatest of all steps.
fn may_have_results(
    context: &Context<'_>,
    aggregate: &Aggregate,
    values: &[f64],
) -> Evaluated<bool> {
    use AggregateKind::*;
    let Some(node) = &aggregate.parameter else { return Ok(true) };
    let has_nan = values.iter().any(|value| value.is_nan());
    let extreme = |pick: fn(f64, f64) -> f64| {
        if has_nan { f64::NAN } else { values.iter().copied().fold(f64::NAN, pick) }
    };
    let (least, greatest) = (extreme(f64::min), extreme(f64::max));
    let text = |value: f64| format_general(value, None);
    match aggregate.kind {
        Topk | Bottomk | Limitk if greatest < 1.0 => return Ok(false),
        Topk | Bottomk | Limitk if has_nan => return fail("Parameter value is NaN"),
        Topk | Bottomk | Limitk if least <= i64::MIN as f64 => {
            return fail(format!("Scalar value {} underflows int64", text(least)));
        }
        Topk | Bottomk | Limitk if greatest >= i64::MAX as f64 => {
            return fail(format!("Scalar value {} overflows int64", text(greatest)));
        }
        LimitRatio if least == 0.0 && greatest == 0.0 => return Ok(false),
        LimitRatio if has_nan => return fail("Ratio value is NaN"),
        LimitRatio => {
            for (value, capped) in [(greatest, greatest.min(1.0)), (least, least.max(-1.0))] {
                if capped != value {
                    let (value, capped) = (text(value), text(capped));
                    let text = format!(
                        "ratio value should be between -1 and 1, got {value}, capping to {capped}"
                    );
                    context.warn(text, node);
                }
            }
        }
        Quantile => {
            let least = (least < 0.0 || has_nan).then_some(least);
            let greatest = (greatest > 1.0).then_some(greatest);
            warn_quantile(context, least.into_iter().chain(greatest), node);
        }
        _ => {}
    }
    Ok(true)
}

/// Says that a φ outside of 0 to 1 gives an infinity.
pub(super) fn warn_quantile(context: &Context<'_>, phis: impl Iterator<Item = f64>, node: &Node) {
    let mut told: Option<f64> = None;
    for phi in phis.filter(|phi| !(0.0..=1.0).contains(phi)) {
        if told.replace(phi).is_none_or(|told| told.to_bits() != phi.to_bits()) {
            let phi = format_general(phi, None);
            context.warn(format!("quantile value should be between 0 and 1, got {phi}"), node);
        }
    }
}

/// Series that are aggregated together.
struct Group {
    labels: Labels,
    members: Vec<usize>,
}

/// Rows by the labels of their group, in the order of their first row.
fn group(context: &Context<'_>, rows: &[Row], grouping: &Grouping) -> Evaluated<Vec<Group>> {
    let mut places: HashMap<Vec<(&str, &str)>, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    let mut key = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        context.budget.check()?;
        key.clear();
        key.extend(row.labels.iter().filter(|(name, _)| grouping.keeps(name)));
        if let Some(place) = places.get(&key) {
            groups[*place].members.push(index);
        } else {
            places.insert(key.clone(), groups.len());
            groups.push(Group { labels: Labels::from_ordered_pairs(&key), members: vec![index] });
        }
    }
    Ok(groups)
}

fn reduce(
    context: &Context<'_>,
    rows: &[Row],
    groups: Vec<Group>,
    aggregate: &Aggregate,
    parameter: &[f64],
) -> Evaluated<Vec<Row>> {
    let mut buffer = Vec::new();
    let mut reduced = Vec::with_capacity(groups.len());
    let mut pace = Pace::new(context.budget);
    for Group { labels, members } in groups {
        context.budget.check()?;
        let mut row = Row::empty(labels, context.steps());
        row.drops_name = members.iter().any(|member| rows[*member].drops_name);
        let has_histograms = members.iter().any(|member| !rows[*member].histograms.is_empty());
        let whole = || members.iter().map(|member| rows[*member].floats.as_slice());
        if !has_histograms
            && let Some(floats) = by_rows(aggregate.kind, whole, context.steps(), &mut pace)?
        {
            row.floats = floats;
            if !row.is_empty() {
                reduced.push(row);
            }
            continue;
        }
        for step in 0..context.steps() {
            pace.advance(members.len() as u64)?;
            buffer.clear();
            let floats = members.iter().map(|member| rows[*member].floats[step]);
            buffer.extend(floats.filter(|value| is_float(*value)));
            if has_histograms {
                let of_step = |member: &usize| {
                    let row = &rows[*member];
                    Some((row.labels.name(), row.histogram(step)?))
                };
                let histograms: Vec<_> = members.iter().filter_map(of_step).collect();
                if !histograms.is_empty() {
                    let sample = with_histograms(context, aggregate, &buffer, &histograms);
                    if let Some(sample) = sample {
                        context.count_made_sample(Some(&sample))?;
                        row.set(step, Some(sample));
                        continue;
                    }
                    if matches!(aggregate.kind, AggregateKind::Sum | AggregateKind::Avg) {
                        continue;
                    }
                }
            }
            if !buffer.is_empty() {
                let phi = parameter.get(step).copied().unwrap_or(f64::NAN);
                row.floats[step] = one_value(aggregate.kind, phi, &mut buffer);
            }
        }
        if !row.is_empty() {
            reduced.push(row);
        }
    }
    Ok(reduced)
}

/// An aggregation that needs no more than one pass over each row, which memory likes; `None` for the others.
fn by_rows<'r, I: Iterator<Item = &'r [f64]>>(
    kind: AggregateKind,
    rows: impl Fn() -> I,
    steps: usize,
    pace: &mut Pace<'_>,
) -> Evaluated<Option<Vec<f64>>> {
    let mut fold = |start: fn(f64) -> f64, next: fn(f64, f64) -> f64| {
        let mut floats = vec![absent(); steps];
        for row in rows() {
            pace.advance(steps as u64)?;
            for (total, value) in floats.iter_mut().zip(row).filter(|(_, value)| is_float(**value))
            {
                *total = if is_float(*total) { next(*total, *value) } else { start(*value) };
            }
        }
        Ok(Some(floats))
    };
    match kind {
        // Rust's minimum and maximum ignore NaN as Prometheus' do.
        AggregateKind::Min => fold(|value| value, f64::min),
        AggregateKind::Max => fold(|value| value, f64::max),
        AggregateKind::Group => fold(|_| 1.0, |total, _| total),
        AggregateKind::Count => fold(|_| 1.0, |total, _| total + 1.0),
        AggregateKind::Sum | AggregateKind::Avg => {
            let mut sums = vec![(Sum::default(), 0.0); steps];
            for row in rows() {
                pace.advance(steps as u64)?;
                for ((sum, count), value) in sums.iter_mut().zip(row) {
                    if is_float(*value) {
                        sum.add(*value);
                        *count += 1.0;
                    }
                }
            }
            // A mean of what leaves the range of floats takes more than one sum.
            let is_mean = kind == AggregateKind::Avg;
            if is_mean && sums.iter().any(|(sum, _)| !sum.value().is_finite()) {
                return Ok(None);
            }
            let float = |(sum, count): (Sum, f64)| match (count, is_mean) {
                (0.0, _) => absent(),
                (count, true) => sum.mean(count),
                (_, false) => sum.value(),
            };
            Ok(Some(sums.into_iter().map(float).collect()))
        }
        _ => Ok(None),
    }
}

fn one_value(kind: AggregateKind, phi: f64, values: &mut [f64]) -> f64 {
    match kind {
        AggregateKind::Sum => Sum::of(values.iter().copied()),
        AggregateKind::Avg => mean(values),
        AggregateKind::Count => values.len() as f64,
        // Rust's minimum and maximum ignore NaN as Prometheus' do.
        AggregateKind::Min => values.iter().copied().fold(f64::NAN, f64::min),
        AggregateKind::Max => values.iter().copied().fold(f64::NAN, f64::max),
        AggregateKind::Group => 1.0,
        AggregateKind::Stddev => variance_of_series(values).sqrt(),
        AggregateKind::Stdvar => variance_of_series(values),
        AggregateKind::Quantile => quantile(phi, values),
        AggregateKind::Topk
        | AggregateKind::Bottomk
        | AggregateKind::Limitk
        | AggregateKind::LimitRatio
        | AggregateKind::CountValues => f64::NAN,
    }
}

/// What a group with histograms is; `None` where only its floats count, or nothing.
fn with_histograms(
    context: &Context<'_>,
    aggregate: &Aggregate,
    floats: &[f64],
    histograms: &[(&str, &Arc<Histogram>)],
) -> Option<Sample> {
    let start = aggregate.inner.start;
    match aggregate.kind {
        AggregateKind::Count => Some(Sample::Float((floats.len() + histograms.len()) as f64)),
        AggregateKind::Group => Some(Sample::Float(1.0)),
        AggregateKind::Sum | AggregateKind::Avg if !floats.is_empty() => {
            let text = "encountered a mix of histograms and floats for aggregation";
            context.warn_at(text.into(), start);
            None
        }
        AggregateKind::Sum | AggregateKind::Avg => {
            combined(context, aggregate.kind, histograms, start)
        }
        kind => {
            context.inform_ignored_in(kind.name(), start);
            None
        }
    }
}

/// The sum or the mean of histograms.
fn combined(
    context: &Context<'_>,
    kind: AggregateKind,
    histograms: &[(&str, &Arc<Histogram>)],
    start: usize,
) -> Option<Sample> {
    let ((_, first), others) = histograms.split_first()?;
    let first = Histogram::clone(first);
    let is_sum = kind == AggregateKind::Sum;
    let (mut sum, mut mean) = (HistogramSum::new(first.clone()), HistogramMean::new(first));
    for (metric, histogram) in others {
        let done = if is_sum { sum.add(histogram) } else { mean.add(histogram) };
        match done {
            Ok(notes) if notes.bounds_reconciled => context.inform_reconciled("aggregation", start),
            Ok(_) => {}
            Err(Incompatible) => {
                let text = format!(
                    "vector contains a mix of histograms with exponential and custom buckets schemas \
                     for metric name {}",
                    quoted(metric)
                );
                context.warn_at(text, start);
                return None;
            }
        }
    }
    if sum.hints_collide() || mean.hints_collide() {
        context.warn_reset_collision("aggregation", start);
    }
    let mut result = if is_sum { sum.value() } else { mean.value() };
    histogram::compact(&mut result);
    Some(Sample::Histogram(Arc::new(result)))
}

/// Rows with nothing in them yet, for what is kept of `rows`.
fn emptied(context: &Context<'_>, rows: &[Row]) -> Vec<Row> {
    let empty = |row: &Row| Row {
        drops_name: row.drops_name,
        ..Row::empty(row.labels.clone(), context.steps())
    };
    rows.iter().map(empty).collect()
}

/// `topk` and `bottomk`, which leave histograms out.
fn best(
    context: &Context<'_>,
    rows: &[Row],
    groups: &[Group],
    counts: &[f64],
    kind: AggregateKind,
    node: &Node,
) -> Evaluated<Vec<Row>> {
    let order = if kind == AggregateKind::Topk { descending } else { ascending };
    let mut kept = emptied(context, rows);
    let mut ranking = Vec::new();
    let mut pace = Pace::new(context.budget);
    let mut has_histograms = false;
    let mut present: Vec<(usize, f64)> = Vec::new();
    for (step, count) in counts.iter().enumerate() {
        if *count < 1.0 {
            continue;
        }
        for Group { members, .. } in groups {
            pace.advance(members.len() as u64)?;
            present.clear();
            for member in members {
                match rows[*member].sample(step) {
                    Some(Sample::Float(value)) => present.push((*member, value)),
                    Some(Sample::Histogram(_)) => has_histograms = true,
                    None => {}
                }
            }
            present.sort_by(|a, b| order(a.1, b.1));
            for (member, value) in present.iter().take(*count as usize) {
                kept[*member].floats[step] = *value;
                ranking.push(*member);
            }
        }
    }
    if has_histograms {
        context.inform_ignored_in(kind.name(), node.start);
    }
    if context.steps() > 1 {
        kept.retain(|row| !row.is_empty());
        return Ok(kept);
    }
    // At one instant the answer comes in the order of the ranking.
    Ok(ranking.into_iter().map(|member| std::mem::take(&mut kept[member])).collect())
}

/// `limitk`: the first so many series of each group.
fn first(
    context: &Context<'_>,
    rows: &[Row],
    groups: &[Group],
    counts: &[f64],
) -> Evaluated<Vec<Row>> {
    let mut kept = emptied(context, rows);
    let mut pace = Pace::new(context.budget);
    for (step, count) in counts.iter().enumerate() {
        let count = if *count < 1.0 { 0 } else { *count as usize };
        for Group { members, .. } in groups {
            pace.advance(members.len() as u64)?;
            let present = members.iter().filter(|member| rows[**member].has(step));
            for member in present.take(count) {
                kept[*member].set(step, rows[*member].sample(step));
            }
        }
    }
    kept.retain(|row| !row.is_empty());
    Ok(kept)
}

/// `limit_ratio`: about that share of the series, the same ones whenever it is asked, and those that a
/// negative share of the rest leaves out.
fn share(context: &Context<'_>, mut rows: Vec<Row>, ratios: &[f64]) -> Evaluated<Vec<Row>> {
    for row in &mut rows {
        context.budget.check()?;
        // Labels with equal hashes are taken together; the place of a hash among all of them is random.
        let place = spread(row.labels.fingerprint()) as f64 / u64::MAX as f64;
        row.retain(|step| {
            let ratio = ratios.get(step).copied().unwrap_or(0.0);
            (ratio >= 0.0 && place < ratio) || (ratio < 0.0 && place >= 1.0 + ratio)
        });
    }
    rows.retain(|row| !row.is_empty());
    Ok(rows)
}

/// Mixes the bits of a hash, whose upper ones hardly differ between short texts (the finaliser of SplitMix64).
fn spread(hash: u64) -> u64 {
    let mut mixed = hash;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn count_values(context: &Context<'_>, rows: &[Row], aggregate: &Aggregate) -> Evaluated<Vec<Row>> {
    let Some(parameter) = &aggregate.parameter else { return fail("no label") };
    let bytes = context.bytes(parameter)?;
    let label = std::str::from_utf8(bytes).ok().filter(|label| !label.is_empty());
    let Some(label) = label else {
        return fail(format!("invalid label name {}", quoted_bytes(bytes)));
    };
    let mut counted: BTreeMap<Labels, Row> = BTreeMap::new();
    for row in rows {
        context.budget.check()?;
        for step in 0..context.steps() {
            let value = match row.sample(step) {
                Some(Sample::Float(value)) => format_float(value),
                Some(Sample::Histogram(histogram)) => histogram::format_histogram(&histogram),
                None => continue,
            };
            let mut builder = row.labels.to_builder();
            builder.set(label, value);
            // The new label decides as any other does, and is kept beside those asked for.
            builder.retain(|name| match &aggregate.grouping {
                Grouping::By(names) => name == label || names.iter().any(|other| other == name),
                Grouping::Without(names) => {
                    name != NAME && !names.iter().any(|other| other == name)
                }
            });
            let seen = counted.len();
            let counts = match counted.entry(builder.build()) {
                Entry::Occupied(entry) => entry.into_mut(),
                // A single series may have another value at each step.
                Entry::Vacant(entry) => {
                    context.check_size(seen + 1)?;
                    let labels = entry.key().clone();
                    entry.insert(Row::empty(labels, context.steps()))
                }
            };
            let count = &mut counts.floats[step];
            *count = if is_float(*count) { *count + 1.0 } else { 1.0 };
        }
    }
    Ok(counted.into_values().collect())
}
