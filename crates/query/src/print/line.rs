//! An expression on one line.

use std::fmt::{Result, Write};

use model::series::Matcher;

use crate::{
    ast::{
        Aggregate, At, Binary, Computed, ComputedKind, Extension, Grouping, Kind, Length, Many,
        Matching, Node, Operator, Selector, Shift, Subquery,
    },
    format::{format_float, quoted, quoted_bytes, write_general},
    lexer::UNITS,
};

pub(super) fn write(out: &mut dyn Write, node: &Node) -> Result {
    match &node.kind {
        Kind::Number { value, is_duration: true } => write_seconds(out, *value),
        Kind::Number { value, .. } => out.write_str(&format_float(*value)),
        Kind::String(bytes) => out.write_str(&quoted_bytes(bytes)),
        Kind::Paren(inner) => {
            out.write_char('(')?;
            write(out, inner)?;
            out.write_char(')')
        }
        Kind::Selector(selector) => {
            write_matchers(out, selector)?;
            write_at(out, &selector.shift)?;
            write_extension(out, selector)?;
            write_offset(out, &selector.shift)
        }
        Kind::Window(window) => {
            let selector = &window.selector;
            write_matchers(out, selector)?;
            out.write_char('[')?;
            write_length(out, &window.range)?;
            out.write_char(']')?;
            write_extension(out, selector)?;
            write_shift(out, &selector.shift)
        }
        Kind::Subquery(subquery) => {
            write(out, &subquery.inner)?;
            write_steps(out, subquery)
        }
        Kind::Signed { is_negative, inner } => {
            out.write_str(sign(*is_negative))?;
            write(out, inner)
        }
        Kind::Binary(binary) => {
            write(out, &binary.left)?;
            out.write_char(' ')?;
            write_operator(out, binary)?;
            out.write_char(' ')?;
            write(out, &binary.right)
        }
        Kind::Aggregate(aggregate) => {
            write_aggregate(out, aggregate)?;
            write_arguments(out, aggregate.parameter.iter().chain([&aggregate.inner]))
        }
        Kind::Call(function, arguments) => {
            out.write_str(function.name)?;
            write_arguments(out, arguments)
        }
    }
}

pub(super) fn sign(is_negative: bool) -> &'static str {
    if is_negative { "-" } else { "+" }
}

fn write_arguments<'a>(
    out: &mut dyn Write,
    arguments: impl IntoIterator<Item = &'a Node>,
) -> Result {
    out.write_char('(')?;
    for (index, argument) in arguments.into_iter().enumerate() {
        if index > 0 {
            out.write_str(", ")?;
        }
        write(out, argument)?;
    }
    out.write_char(')')
}

/// An aggregation up to its arguments.
pub(super) fn write_aggregate(out: &mut dyn Write, aggregate: &Aggregate) -> Result {
    out.write_str(aggregate.kind.name())?;
    let (word, labels) = match &aggregate.grouping {
        // Nothing to group by is what is meant without a word.
        Grouping::By(labels) if labels.is_empty() => return Ok(()),
        Grouping::By(labels) => ("by", labels),
        Grouping::Without(labels) => ("without", labels),
    };
    write!(out, " {word} ")?;
    write_labels(out, labels)?;
    out.write_char(' ')
}

/// An operator with everything that says how it matches its sides.
pub(super) fn write_operator(out: &mut dyn Write, binary: &Binary) -> Result {
    let Matching { on, many, include, fill } = &binary.matching;
    out.write_str(binary.operator.written().0)?;
    if binary.returns_bool {
        out.write_str(" bool")?;
    }
    match on {
        Grouping::Without(labels) if labels.is_empty() && *many == Many::Neither => {}
        Grouping::Without(labels) => {
            out.write_str(" ignoring ")?;
            write_labels(out, labels)?;
        }
        Grouping::By(labels) => {
            out.write_str(" on ")?;
            write_labels(out, labels)?;
        }
    }
    let group = match many {
        Many::Neither => None,
        Many::Left => Some(" group_left "),
        Many::Right => Some(" group_right "),
    };
    if let Some(group) = group {
        out.write_str(group)?;
        write_labels(out, include)?;
    }
    match fill.map(|value| value.map(f64::to_bits)) {
        [Some(left), Some(right)] if left == right => write_fill(out, "fill", fill[0]),
        _ => {
            write_fill(out, "fill_left", fill[0])?;
            write_fill(out, "fill_right", fill[1])
        }
    }
}

fn write_fill(out: &mut dyn Write, word: &str, value: Option<f64>) -> Result {
    let Some(value) = value else { return Ok(()) };
    let mut text = String::new();
    write_general(&mut text, value, None);
    write!(out, " {word} ({text})")
}

fn write_labels(out: &mut dyn Write, labels: &[String]) -> Result {
    out.write_char('(')?;
    for (index, label) in labels.iter().enumerate() {
        if index > 0 {
            out.write_str(", ")?;
        }
        out.write_str(&label_name(label))?;
    }
    out.write_char(')')
}

/// In quotes where it is not one that can do without.
fn label_name(name: &str) -> String {
    let is_plain = name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
        && name.starts_with(|c: char| !c.is_ascii_digit());
    if is_plain { name.to_owned() } else { quoted(name) }
}

/// A selector without what moves it in time. Its conditions are in the order of their texts.
fn write_matchers(out: &mut dyn Write, selector: &Selector) -> Result {
    if selector.matchers.is_empty() {
        // Only in `info`. Prometheus prints nothing, and cannot read what comes of it.
        return out.write_str("{}");
    }
    let mut conditions = selector.matchers.as_slice();
    if selector.has_name
        && let Some((name, others)) = conditions.split_first()
    {
        out.write_str(&name.value)?;
        conditions = others;
    }
    if conditions.is_empty() {
        return Ok(());
    }
    let mut texts: Vec<String> = conditions.iter().map(matcher).collect();
    texts.sort_unstable();
    write!(out, "{{{}}}", texts.join(","))
}

fn matcher(matcher: &Matcher) -> String {
    let Matcher { name, op, value, .. } = matcher;
    format!("{}{}{}", label_name(name), op.as_str(), quoted(value))
}

fn write_extension(out: &mut dyn Write, selector: &Selector) -> Result {
    match selector.extension {
        Some(Extension::Anchored) => out.write_str(" anchored"),
        Some(Extension::Smoothed) => out.write_str(" smoothed"),
        None => Ok(()),
    }
}

fn write_shift(out: &mut dyn Write, shift: &Shift) -> Result {
    write_at(out, shift)?;
    write_offset(out, shift)
}

fn write_at(out: &mut dyn Write, shift: &Shift) -> Result {
    match shift.at {
        Some(At::Start) => out.write_str(" @ start()"),
        Some(At::End) => out.write_str(" @ end()"),
        Some(At::Time(time)) => write!(out, " @ {:.3}", time as f64 / 1e3),
        None => Ok(()),
    }
}

fn write_offset(out: &mut dyn Write, shift: &Shift) -> Result {
    match &shift.offset {
        None | Some(Length::Fixed(0)) => Ok(()),
        Some(offset) => {
            out.write_str(" offset ")?;
            write_length(out, offset)
        }
    }
}

/// What stands behind the expression of a subquery.
pub(super) fn write_steps(out: &mut dyn Write, subquery: &Subquery) -> Result {
    out.write_char('[')?;
    write_length(out, &subquery.range)?;
    out.write_char(':')?;
    if let Some(step) = &subquery.step {
        write_length(out, step)?;
    }
    out.write_char(']')?;
    write_shift(out, &subquery.shift)
}

fn write_length(out: &mut dyn Write, length: &Length) -> Result {
    match length {
        Length::Fixed(ms) => write_ms(out, *ms),
        Length::Computed(computed) => write_computed(out, computed),
    }
}

fn write_computed(out: &mut dyn Write, computed: &Computed) -> Result {
    match (computed.literal(), &computed.kind) {
        (Some((value, true)), _) => write_seconds(out, value),
        (Some((value, false)), _) => out.write_str(&format_float(value)),
        (None, ComputedKind::Number { .. }) => Ok(()),
        (None, ComputedKind::Step) => out.write_str("step()"),
        (None, ComputedKind::Range) => out.write_str("range()"),
        (None, ComputedKind::Negative(inner)) => {
            out.write_char('-')?;
            write_computed(out, inner)
        }
        (None, ComputedKind::Paren(inner)) => match inner.kind {
            // Several parentheses are one.
            ComputedKind::Paren(_) => write_computed(out, inner),
            _ => {
                out.write_char('(')?;
                write_computed(out, inner)?;
                out.write_char(')')
            }
        },
        (None, ComputedKind::Least(left, right)) => write_choice(out, "min_of", [left, right]),
        (None, ComputedKind::Most(left, right)) => write_choice(out, "max_of", [left, right]),
        (None, ComputedKind::Binary(operator, left, right)) => {
            // Prometheus loses these parentheses, and with them what was meant: -2 ^ 2 is -(2 ^ 2).
            let base = left.literal().filter(|(value, _)| value.is_sign_negative());
            if *operator == Operator::Pow && base.is_some() {
                out.write_char('(')?;
                write_computed(out, left)?;
                out.write_char(')')?;
            } else {
                write_computed(out, left)?;
            }
            write!(out, " {} ", operator.written().0)?;
            write_computed(out, right)
        }
    }
}

fn write_choice(out: &mut dyn Write, name: &str, choices: [&Computed; 2]) -> Result {
    let [left, right] = choices;
    write!(out, "{name}(")?;
    write_computed(out, left)?;
    out.write_str(", ")?;
    write_computed(out, right)?;
    out.write_char(')')
}

/// Seconds that are a duration. Prometheus sometimes loses their last millisecond: `1s1ms` becomes `1s`.
fn write_seconds(out: &mut dyn Write, seconds: f64) -> Result {
    write_ms(out, (seconds * 1e3).round() as i64)
}

/// Years and weeks only where nothing is left over: 90d says more than 12w6d.
fn write_ms(out: &mut dyn Write, ms: i64) -> Result {
    if ms == 0 {
        return out.write_str("0s");
    }
    if ms < 0 {
        out.write_char('-')?;
    }
    let mut rest = ms.unsigned_abs();
    for (name, unit) in UNITS {
        let unit = unit.unsigned_abs();
        let count = rest / unit;
        let is_exact = rest.is_multiple_of(unit);
        if count > 0 && (is_exact || !matches!(*name, "y" | "w")) {
            write!(out, "{count}{name}")?;
            rest %= unit;
        }
    }
    Ok(())
}
