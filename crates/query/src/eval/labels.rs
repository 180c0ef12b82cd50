//! Functions that change or look at labels.

use std::collections::{BTreeMap, HashSet};

use model::{
    Labels, NAME,
    series::{MatchOp, anchored},
};

use super::{Context, Evaluated, Row, fail, merge};
use crate::ast::{Kind, Node, Selector};

/// A label's name may be any text but the empty one.
fn check_label(name: &str) -> Evaluated<()> {
    if name.is_empty() {
        return fail(format!("invalid destination label name in label_replace(): {name}"));
    }
    Ok(())
}

/// `label_replace(v, destination, replacement, source, regex)`.
pub(super) fn replace(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    let text = |index: usize| context.string(&arguments[index]);
    let (destination, replacement, source) = (text(1)?, text(2)?, text(3)?);
    let pattern = text(4)?;
    let Ok(regex) = anchored(&pattern) else {
        return fail(format!("invalid regular expression in label_replace(): {pattern}"));
    };
    check_label(&destination)?;
    let rows = context.vector(&arguments[0])?.into_iter().map(|row| {
        let value = row.labels.get(&source).unwrap_or_default();
        let Some(captures) = regex.captures(value) else { return row };
        let mut expanded = String::new();
        captures.expand(&replacement, &mut expanded);
        let mut builder = row.labels.to_builder();
        if expanded.is_empty() {
            builder.remove(&destination);
        } else {
            builder.set(destination.as_str(), expanded);
        }
        Row { labels: builder.build(), values: row.values }
    });
    merge(rows.collect())
}

/// `label_join(v, destination, separator, source...)`.
pub(super) fn join(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    let texts: Vec<String> =
        arguments[1..].iter().map(|node| context.string(node)).collect::<Evaluated<_>>()?;
    let [destination, separator, sources @ ..] = texts.as_slice() else {
        return fail("label_join() needs a destination and a separator");
    };
    check_label(destination)?;
    let rows = context.vector(&arguments[0])?.into_iter().map(|row| {
        let parts: Vec<&str> =
            sources.iter().map(|source| row.labels.get(source).unwrap_or_default()).collect();
        let joined = parts.join(separator);
        let mut builder = row.labels.to_builder();
        if joined.is_empty() {
            builder.remove(destination);
        } else {
            builder.set(destination.as_str(), joined);
        }
        Row { labels: builder.build(), values: row.values }
    });
    merge(rows.collect())
}

/// The labels that an absent series would have: those that the selector fixes.
pub(super) fn of_absent(node: &Node) -> Labels {
    let (Kind::Selector(Selector { matchers, .. }) | Kind::Window(Selector { matchers, .. }, _)) =
        &node.kind
    else {
        return Labels::empty();
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
