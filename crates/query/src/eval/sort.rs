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
            let [a, b] = [a, b].map(|row| row.labels.get(name).unwrap_or_default());
            natural(a, b)
        });
        let by_names = by_names.fold(Ordering::Equal, Ordering::then);
        let order = by_names.then_with(|| a.labels.cmp(&b.labels));
        if is_descending { order.reverse() } else { order }
    });
    Ok(rows)
}

/// Orders texts piece by piece, pieces of digits among themselves as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() && !b.is_empty() {
        let ((piece, rest), (other, other_rest)) = (split_piece(a), split_piece(b));
        let are_numbers = [piece, other].iter().all(|piece| piece.iter().all(u8::is_ascii_digit));
        let order = if are_numbers {
            let [piece, other] = [piece, other].map(without_zeros);
            piece.len().cmp(&other.len()).then_with(|| piece.cmp(other))
        } else {
            piece.cmp(other)
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest, other_rest);
    }
    a.len().cmp(&b.len())
}

/// The digits that a text begins with, or what comes before any, and what follows.
fn split_piece(text: &[u8]) -> (&[u8], &[u8]) {
    let is_number = text.first().is_some_and(u8::is_ascii_digit);
    let end = text.iter().position(|c| c.is_ascii_digit() != is_number);
    text.split_at(end.unwrap_or(text.len()))
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|c| **c == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_in_natural_order() {
        let ordered = [
            "",
            "-2",
            "/data",
            "1",
            "2",
            "02b",
            "10",
            "18446744073709551616",
            "A",
            "a",
            "a1",
            "a1b",
            "a2",
            "a10",
            "a10b2",
            "a10b11",
            "a-b",
            "b",
            "é",
        ];
        for (index, a) in ordered.iter().enumerate() {
            for (other, b) in ordered.iter().enumerate() {
                assert_eq!(natural(a, b), index.cmp(&other), "{a:?} {b:?}");
            }
        }
        assert_eq!(natural("a01", "a1"), Ordering::Equal);
    }
}
