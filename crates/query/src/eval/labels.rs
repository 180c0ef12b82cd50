//! Functions that change labels.

use model::{
    Labels, NAME,
    series::{SelectError, anchored},
};

use super::{
    Context, Evaluated, fail,
    row::{Row, merge},
};
use crate::ast::Node;

/// What a sample weighs in memory.
const SAMPLE_BYTES: u64 = 16;
/// Longest value that a function writes into a label; a longer one is an error. Calls within calls could
/// double a text each time.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// Adds what a function writes for one series to what it has written, and refuses it where it is too long or
/// all of it weighs more than the samples that the query may hold.
fn check_text(
    context: &Context<'_>,
    function: &str,
    length: usize,
    written: &mut u64,
) -> Evaluated<()> {
    if length > VALUE_BYTES_MAX {
        return fail(format!(
            "{function}() would write a label value of more than {VALUE_BYTES_MAX} bytes"
        ));
    }
    *written += length as u64;
    if *written / SAMPLE_BYTES > context.budget.samples_max {
        return Err(SelectError::TooManySamples.into());
    }
    Ok(())
}

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
    let references = replacement.matches('$').count();
    let mut written = 0;
    let rows = context.vector(&arguments[0])?.into_iter().map(|row| {
        let value = row.labels.get(source).unwrap_or_default();
        context.budget.check()?;
        let Some(captures) = regex.captures(value) else { return Ok(row) };
        // No reference stands for more than the whole value.
        let length_max = replacement.len() + references * value.len();
        check_text(context, "label_replace", length_max, &mut written)?;
        let mut expanded = String::new();
        captures.expand(replacement, &mut expanded);
        Ok(set(row, destination, &expanded))
    });
    joined(context, rows.collect::<Evaluated<_>>()?)
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
    let mut written = 0;
    let rows = context.vector(&arguments[0])?.into_iter().map(|row| {
        context.budget.check()?;
        let parts: Vec<&str> =
            sources.iter().map(|source| row.labels.get(source).unwrap_or_default()).collect();
        let length = parts.iter().map(|part| part.len() + separator.len()).sum();
        check_text(context, "label_join", length, &mut written)?;
        let value = parts.join(separator);
        Ok(set(row, destination, &value))
    });
    joined(context, rows.collect::<Evaluated<_>>()?)
}

/// Puts together what has the same labels now. Of two such series one may still lose its name.
fn joined(context: &Context<'_>, rows: Vec<Row>) -> Evaluated<Vec<Row>> {
    if !context.settings.delays_name_removal {
        return merge(context, rows);
    }
    let (dropped, kept): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.drops_name);
    let mut rows = merge(context, dropped)?;
    rows.extend(merge(context, kept)?);
    Ok(rows)
}

/// Labels of a series, all but the name of its metric.
pub(super) fn unnamed(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().filter(|(name, _)| *name != NAME)
}
