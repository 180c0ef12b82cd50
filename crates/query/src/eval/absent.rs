//! `absent` and `absent_over_time`: one series where there are none.

use std::collections::{BTreeMap, HashSet};

use model::{Labels, NAME, series::MatchOp};

use super::{
    Context, Evaluated, extended, fail,
    row::{Row, absent as nothing},
    rows::Need,
};
use crate::ast::{Kind, Node};

pub(super) fn now(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    let mut is_there = vec![false; context.steps()];
    for row in context.vector(&arguments[0])? {
        context.budget.check()?;
        for (step, is_there) in is_there.iter_mut().enumerate() {
            *is_there |= row.has(step);
        }
    }
    Ok(one(&arguments[0], &is_there))
}

pub(super) fn over_time(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    if extended::of(&arguments[0]).is_some() {
        return fail("anchored and smoothed modifiers cannot be used with absent_over_time");
    }
    let matrix = context.matrix(&arguments[0], Need::POINTS)?;
    let mut is_there = vec![false; context.steps()];
    for series in &matrix.series {
        context.budget.check()?;
        let windows = series.windows(&matrix.ends, matrix.range_ms);
        for (step, (is_there, window)) in is_there.iter_mut().zip(windows).enumerate() {
            *is_there |= !window.is_empty();
            context.count(step, window.weight());
        }
    }
    Ok(one(&arguments[0], &is_there))
}

fn one(node: &Node, is_there: &[bool]) -> Vec<Row> {
    let floats = is_there.iter().map(|is_there| if *is_there { nothing() } else { 1.0 }).collect();
    vec![Row::new(labels(node), floats)]
}

/// The labels that an absent series would have: those that the selector fixes.
fn labels(node: &Node) -> Labels {
    let matchers = match &node.bare().kind {
        Kind::Selector(selector) => &selector.matchers,
        Kind::Window(window) => &window.selector.matchers,
        _ => return Labels::empty(),
    };
    let mut fixed = BTreeMap::new();
    let mut ambiguous = HashSet::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name != NAME) {
        let is_new = !fixed.contains_key(matcher.name.as_str());
        if matcher.op == MatchOp::Equal && is_new {
            fixed.insert(matcher.name.as_str(), matcher.value.as_str());
        } else {
            ambiguous.insert(matcher.name.as_str());
        }
    }
    fixed.retain(|name, value| !ambiguous.contains(name) && !value.is_empty());
    Labels::from_pairs(fixed)
}
