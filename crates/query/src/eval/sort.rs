//! Functions that order an instant vector. A matrix is ordered by labels, whatever is asked.

use std::cmp::Ordering;

use super::{
    Context, Evaluated,
    math::{ascending, descending},
    row::Row,
};
use crate::ast::Node;

pub(super) fn up(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    by_value(context, arguments, ascending)
}

pub(super) fn down(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    by_value(context, arguments, descending)
}

pub(super) fn by_label(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    by_labels(context, arguments, false)
}

pub(super) fn by_label_down(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    by_labels(context, arguments, true)
}

/// Says that sorting shows only at one instant.
pub(super) fn warn_of_range(context: &Context<'_>, name: &str, node: &Node) {
    if name.starts_with("sort") && context.outer.start != context.outer.end {
        let text =
            "sort is ineffective for range queries since results are always ordered by labels";
        context.warn(text.into(), node);
    }
}

/// Histograms have no order, and are left out.
fn by_value(
    context: &Context<'_>,
    arguments: &[Node],
    order: fn(f64, f64) -> Ordering,
) -> Evaluated<Vec<Row>> {
    let mut rows = context.vector(&arguments[0])?;
    rows.iter_mut().for_each(|row| row.histograms.clear());
    if context.steps() == 1 {
        rows.retain(|row| row.has(0));
        let value = |row: &Row| row.float(0).unwrap_or(f64::NAN);
        rows.sort_by(|a, b| order(value(a), value(b)));
    }
    Ok(rows)
}

fn by_labels(
    context: &Context<'_>,
    arguments: &[Node],
    is_descending: bool,
) -> Evaluated<Vec<Row>> {
    let names = arguments[1..].iter().map(|node| context.string(node));
    let names: Vec<&str> = names.collect::<Evaluated<_>>()?;
    let mut rows = context.vector(&arguments[0])?;
    rows.sort_by(|a, b| {
        let by_names = names.iter().map(|name| {
            let value = |row: &Row| natural(row.labels.get(name).unwrap_or_default());
            value(a).cmp(&value(b))
        });
        let order =
            by_names.fold(Ordering::Equal, Ordering::then).then_with(|| a.labels.cmp(&b.labels));
        if is_descending { order.reverse() } else { order }
    });
    Ok(rows)
}

/// Text in pieces, so that numbers in it compare as numbers.
fn natural(text: &str) -> Vec<(u128, String)> {
    let mut pieces: Vec<(u128, String)> = vec![(0, String::new())];
    let mut in_number = false;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            if !in_number {
                pieces.push((0, String::new()));
            }
            if let Some(last) = pieces.last_mut() {
                last.0 = last.0.saturating_mul(10).saturating_add(u128::from(digit));
            }
        } else if let Some(last) = pieces.last_mut() {
            last.1.push(c);
        }
        in_number = c.is_ascii_digit();
    }
    pieces
}
