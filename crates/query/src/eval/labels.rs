//! Functions that change labels.

use model::{Labels, NAME, series::anchored};

use super::{
    Context, Evaluated, fail,
    row::{Row, merge},
};
use crate::ast::Node;

/// Any text but the empty one may be the name of a label.
fn check_label(name: &str, role: &str, function: &str) -> Evaluated<()> {
    if name.is_empty() {
        return fail(format!("invalid {role} label name in {function}(): {name}"));
    }
    Ok(())
}

/// Sets a label; the name of the metric stays where it is what was set.
fn set(mut row: Row, label: &str, value: &str) -> Row {
    let mut builder = row.labels.to_builder();
    if value.is_empty() {
        builder.remove(label);
    } else {
        builder.set(label, value);
    }
    row.drops_name &= label != NAME;
    row.labels = builder.build();
    row
}

/// `label_replace(v, destination, replacement, source, regex)`.
pub(super) fn replace(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    let text = |index: usize| context.string(&arguments[index]);
    let (destination, replacement, source) = (text(1)?, text(2)?, text(3)?);
    let pattern = text(4)?;
    let Ok(regex) = anchored(pattern) else {
        return fail(format!("invalid regular expression in label_replace(): {pattern}"));
    };
    check_label(destination, "destination", "label_replace")?;
    let rows = context.vector(&arguments[0])?.into_iter().map(|row| {
        let value = row.labels.get(source).unwrap_or_default();
        let Some(captures) = regex.captures(value) else { return row };
        let mut expanded = String::new();
        captures.expand(replacement, &mut expanded);
        set(row, destination, &expanded)
    });
    joined(context, rows.collect())
}

/// `label_join(v, destination, separator, source...)`.
pub(super) fn join(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    let texts = arguments[1..].iter().map(|node| context.string(node));
    let texts: Vec<&str> = texts.collect::<Evaluated<_>>()?;
    let [destination, separator, sources @ ..] = texts.as_slice() else {
        return fail("label_join() needs a destination and a separator");
    };
    for source in sources {
        check_label(source, "source", "label_join")?;
    }
    check_label(destination, "destination", "label_join")?;
    let rows = context.vector(&arguments[0])?.into_iter().map(|row| {
        let parts: Vec<&str> =
            sources.iter().map(|source| row.labels.get(source).unwrap_or_default()).collect();
        let value = parts.join(separator);
        set(row, destination, &value)
    });
    joined(context, rows.collect())
}

/// Puts together what has the same labels now. Of two such series one may still lose its name.
fn joined(context: &Context<'_>, rows: Vec<Row>) -> Evaluated<Vec<Row>> {
    if !context.settings.delays_name_removal {
        return merge(rows);
    }
    let (dropped, kept): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.drops_name);
    let mut rows = merge(dropped)?;
    rows.extend(merge(kept)?);
    Ok(rows)
}

/// Labels of a series, all but the name of its metric.
pub(super) fn unnamed(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().filter(|(name, _)| *name != NAME)
}
