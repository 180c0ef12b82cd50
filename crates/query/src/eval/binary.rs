//! Binary operators and what matches what.

use std::collections::HashMap;

use model::{Labels, NAME};

use super::{Context, Evaluated, Row, fail, merge, without_name};
use crate::ast::{Binary, Grouping, Many, Matching, Operator, Type};

/// The operator on numbers; a comparison yields 1 or 0.
pub(super) fn scalar(operator: Operator, a: f64, b: f64) -> f64 {
    let truth = |truth: bool| f64::from(u8::from(truth));
    match operator {
        Operator::Add => a + b,
        Operator::Sub => a - b,
        Operator::Mul => a * b,
        Operator::Div => a / b,
        Operator::Mod => a % b,
        Operator::Pow => a.powf(b),
        Operator::Atan2 => a.atan2(b),
        Operator::Equal => truth(a == b),
        Operator::NotEqual => truth(a != b),
        Operator::Less => truth(a < b),
        Operator::LessEqual => truth(a <= b),
        Operator::Greater => truth(a > b),
        Operator::GreaterEqual => truth(a >= b),
        Operator::And | Operator::Or | Operator::Unless => f64::NAN,
    }
}

/// The operator on elements of vectors: a comparison without `bool` keeps `kept` or nothing.
fn element(binary: &Binary, a: f64, b: f64, kept: f64) -> Option<f64> {
    let result = scalar(binary.operator, a, b);
    if binary.operator.is_comparison() && !binary.returns_bool {
        return (result != 0.0).then_some(kept);
    }
    Some(result)
}

fn drops_name(binary: &Binary) -> bool {
    binary.returns_bool || !binary.operator.is_comparison()
}

pub(super) fn vector(context: &Context<'_>, binary: &Binary) -> Evaluated<Vec<Row>> {
    match (binary.left.kind_of(), binary.right.kind_of()) {
        (Type::Vector, Type::Scalar) => {
            let scalars = context.scalar(&binary.right)?;
            let rows = context.vector(&binary.left)?;
            with_scalar(binary, rows, &scalars, |vector, scalar| (vector, scalar))
        }
        (Type::Scalar, Type::Vector) => {
            let scalars = context.scalar(&binary.left)?;
            let rows = context.vector(&binary.right)?;
            with_scalar(binary, rows, &scalars, |vector, scalar| (scalar, vector))
        }
        _ => {
            let (left, right) = (context.vector(&binary.left)?, context.vector(&binary.right)?);
            if binary.operator.is_set() {
                Ok(set(binary, left, right))
            } else {
                matched(context, binary, left, right)
            }
        }
    }
}

fn with_scalar(
    binary: &Binary,
    rows: Vec<Row>,
    scalars: &[f64],
    order: fn(f64, f64) -> (f64, f64),
) -> Evaluated<Vec<Row>> {
    let rows = rows.into_iter().map(|row| {
        let values = row.values.iter().zip(scalars).map(|(value, scalar)| {
            let value = (*value)?;
            let (a, b) = order(value, *scalar);
            element(binary, a, b, value)
        });
        let labels = if drops_name(binary) { without_name(&row.labels) } else { row.labels };
        Row { labels, values: values.collect() }
    });
    merge(rows.collect())
}

/// The labels that must be equal for two series to belong together.
fn signature(on: &Grouping, labels: &Labels) -> Labels {
    labels.keep(|name| on.keeps(name))
}

fn set(binary: &Binary, left: Vec<Row>, right: Vec<Row>) -> Vec<Row> {
    let on = &binary.matching.on;
    let steps = left.first().or(right.first()).map_or(0, |row| row.values.len());
    let presence = |rows: &[Row]| {
        let mut presence: HashMap<Labels, Vec<bool>> = HashMap::new();
        for row in rows {
            let present =
                presence.entry(signature(on, &row.labels)).or_insert_with(|| vec![false; steps]);
            for (present, value) in present.iter_mut().zip(&row.values) {
                *present |= value.is_some();
            }
        }
        presence
    };
    let keep = |rows: Vec<Row>, other: &HashMap<Labels, Vec<bool>>, wanted: bool| {
        let kept = rows.into_iter().map(|mut row| {
            let present = other.get(&signature(on, &row.labels));
            for (step, value) in row.values.iter_mut().enumerate() {
                if present.is_some_and(|present| present[step]) != wanted {
                    *value = None;
                }
            }
            row
        });
        kept.filter(|row| row.values.iter().any(Option::is_some)).collect::<Vec<_>>()
    };
    match binary.operator {
        Operator::And => keep(left, &presence(&right), true),
        Operator::Unless => keep(left, &presence(&right), false),
        _ => {
            let more = keep(right, &presence(&left), false);
            // The same labels may come from both sides at different steps.
            let mut rows = left;
            for row in more {
                match rows.iter_mut().find(|other| other.labels == row.labels) {
                    Some(same) => {
                        for (into, value) in same.values.iter_mut().zip(row.values) {
                            *into = into.or(value);
                        }
                    }
                    None => rows.push(row),
                }
            }
            rows
        }
    }
}

/// Series of both sides with one signature.
#[derive(Default)]
struct Group {
    many: Vec<usize>,
    one: Vec<usize>,
}

fn matched(
    context: &Context<'_>,
    binary: &Binary,
    left: Vec<Row>,
    right: Vec<Row>,
) -> Evaluated<Vec<Row>> {
    let matching = &binary.matching;
    let is_swapped = matching.many == Many::Right;
    let (many, one) = if is_swapped { (right, left) } else { (left, right) };
    let mut groups: HashMap<Labels, Group> = HashMap::new();
    for (index, row) in many.iter().enumerate() {
        groups.entry(signature(&matching.on, &row.labels)).or_default().many.push(index);
    }
    for (index, row) in one.iter().enumerate() {
        if let Some(group) = groups.get_mut(&signature(&matching.on, &row.labels)) {
            group.one.push(index);
        }
    }
    let mut rows: HashMap<(usize, usize), Row> = HashMap::new();
    for (signature, group) in groups.iter().filter(|(_, group)| !group.one.is_empty()) {
        context.check_size(rows.len())?;
        for step in 0..context.steps() {
            let present = |rows: &[Row], indices: &[usize]| -> Vec<usize> {
                indices.iter().copied().filter(|i| rows[*i].values[step].is_some()).collect()
            };
            let singles = present(&one, &group.one);
            let Some(single) = singles.first() else { continue };
            if let Some(second) = singles.get(1) {
                let side = if is_swapped { "left" } else { "right" };
                return fail(format!(
                    "found duplicate series for the match group {signature} on the {side} \
                     hand-side of the operation: [{}, {}];many-to-many matching not allowed: \
                     matching labels must be unique on one side",
                    one[*second].labels, one[*single].labels,
                ));
            }
            let Some(b) = one[*single].values[step] else { continue };
            let mut found = 0;
            for index in present(&many, &group.many) {
                let Some(a) = many[index].values[step] else { continue };
                let (x, y) = if is_swapped { (b, a) } else { (a, b) };
                found += 1;
                if matching.many == Many::Neither && found > 1 {
                    return fail(
                        "multiple matches for labels: many-to-one matching must be explicit \
                         (group_left/group_right)",
                    );
                }
                let Some(value) = element(binary, x, y, x) else { continue };
                let row = rows.entry((index, *single)).or_insert_with(|| Row {
                    labels: result_labels(
                        binary,
                        matching,
                        &many[index].labels,
                        &one[*single].labels,
                    ),
                    values: vec![None; context.steps()],
                });
                row.values[step] = Some(value);
            }
        }
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|(place, _)| *place);
    merge(rows.into_iter().map(|(_, row)| row).collect()).or_else(|_| {
        fail("multiple matches for labels: grouping labels must ensure unique matches")
    })
}

fn result_labels(binary: &Binary, matching: &Matching, many: &Labels, one: &Labels) -> Labels {
    let mut builder = many.to_builder();
    if drops_name(binary) {
        builder.remove(NAME);
    }
    if matching.many == Many::Neither {
        match &matching.on {
            Grouping::By(names) => builder.retain(|name| names.iter().any(|other| other == name)),
            Grouping::Without(names) => {
                builder.retain(|name| !names.iter().any(|other| other == name))
            }
        };
    }
    for name in &matching.include {
        match one.get(name) {
            Some(value) => builder.set(name.as_str(), value),
            None => builder.remove(name),
        };
    }
    builder.build()
}
