//! Functions on texts that Prometheus and Alertmanager share, and those that only Alertmanager has.
//! Source: Alertmanager documentation, "Notification template reference" (0.28).

use std::{fmt::Write, ops::RangeInclusive};

use super::{ANY, Function, humanize, prometheus::number, text};
use crate::{
    Context, TEXT_BYTES_MAX,
    time::Time,
    value::{List, Value},
};

pub(super) const TABLE: &[(&str, RangeInclusive<usize>, Function)] = &[
    ("toUpper", 1..=1, |_, arguments| {
        Ok(text(arguments, 0)?.chars().map(upper).collect::<String>().into())
    }),
    ("toLower", 1..=1, |_, arguments| {
        Ok(text(arguments, 0)?.chars().map(lower).collect::<String>().into())
    }),
    ("match", 2..=2, |context, arguments| {
        let regex = context.regex(text(arguments, 0)?)?;
        let subject = text(arguments, 1)?;
        context.charge(subject.len())?;
        Ok(Value::Bool(regex.is_match(subject)))
    }),
    ("reReplaceAll", 3..=3, replace_all),
    // HTML is not escaped here, so that there is nothing to be marked as safe.
    ("safeHtml", 1..=1, |_, arguments| Ok(text(arguments, 0)?.into())),
];

pub(super) const ALERTMANAGER: &[(&str, RangeInclusive<usize>, Function)] = &[
    ("title", 1..=1, |_, arguments| Ok(title(text(arguments, 0)?).into())),
    ("trimSpace", 1..=1, |_, arguments| Ok(text(arguments, 0)?.trim().into())),
    ("join", 2..=2, |_, arguments| join(text(arguments, 0)?, arguments.get(1))),
    ("safeUrl", 1..=1, |_, arguments| Ok(text(arguments, 0)?.into())),
    ("urlUnescape", 1..=1, |_, arguments| unescape(text(arguments, 0)?).map(Value::from)),
    ("stringSlice", 0..=ANY, |_, arguments| Ok(Value::list(arguments.iter().cloned()))),
    ("list", 0..=ANY, |_, arguments| Ok(Value::list(arguments.iter().cloned()))),
    ("append", 1..=ANY, append),
    ("dict", 0..=ANY, |_, arguments| dict(arguments)),
    ("date", 2..=2, |_, arguments| Ok(time(arguments, 1)?.format(text(arguments, 0)?).into())),
    ("tz", 2..=2, zoned),
    ("since", 1..=1, since),
    ("humanizeDuration", 1..=1, |_, arguments| Ok(humanize::duration(number(arguments)?).into())),
    ("toJson", 1..=1, |_, arguments| {
        let mut out = String::new();
        write_json(&mut out, arguments.first().unwrap_or(&Value::Nil))?;
        Ok(out.into())
    }),
];

/// Go changes letters one for one: one that would become several stays.
pub(super) fn upper(c: char) -> char {
    single(c, c.to_uppercase())
}

fn lower(c: char) -> char {
    single(c, c.to_lowercase())
}

fn single(c: char, mut cased: impl Iterator<Item = char>) -> char {
    match (cased.next(), cased.next()) {
        (Some(cased), None) => cased,
        _ => c,
    }
}

/// `reReplaceAll pattern replacement text`; `$1` and `${name}` stand for groups.
fn replace_all(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, String> {
    let regex = context.regex(text(arguments, 0)?)?;
    let (replacement, subject) = (text(arguments, 1)?, text(arguments, 2)?);
    context.charge(subject.len())?;
    let (mut out, mut last) = (String::new(), 0);
    for found in regex.captures_iter(subject) {
        let Some(whole) = found.get(0) else { continue };
        out.push_str(subject.get(last..whole.start()).unwrap_or_default());
        found.expand(replacement, &mut out);
        last = whole.end();
        check(&out)?;
    }
    out.push_str(subject.get(last..).unwrap_or_default());
    Ok(out.into())
}

fn check(out: &str) -> Result<(), String> {
    if out.len() > TEXT_BYTES_MAX {
        return Err(format!("makes more than {TEXT_BYTES_MAX} bytes of text"));
    }
    Ok(())
}

/// Each word with one capital and small letters behind it.
fn title(text: &str) -> String {
    let mut is_inside = false;
    let cased = |c: char| {
        let is_start = !is_inside;
        is_inside = c == '_' || c == '\'' || c.is_alphanumeric();
        if is_start { upper(c) } else { lower(c) }
    };
    text.chars().map(cased).collect()
}

fn join(separator: &str, list: Option<&Value>) -> Result<Value, String> {
    let Some(Value::List(list)) = list else { return Err("expected a list of strings".into()) };
    let mut out = String::new();
    for (at, item) in list.items().iter().enumerate() {
        if at > 0 {
            out.push_str(separator);
        }
        out.push_str(item.as_text().ok_or("expected a list of strings")?);
        check(&out)?;
    }
    Ok(out.into())
}

/// Most items of a list that is made by appending.
const ITEMS_MAX: usize = 10_000;

fn append(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, String> {
    let Some((Value::List(list), rest)) = arguments.split_first() else {
        return Err("expected a list to append to".into());
    };
    let items = list.items().len() + rest.len();
    if items > ITEMS_MAX {
        return Err(format!("makes a list of more than {ITEMS_MAX} items"));
    }
    // The list is copied, which counts as work.
    context.charge(items)?;
    Ok(Value::list(list.items().iter().chain(rest).cloned()))
}

fn dict(arguments: &[Value]) -> Result<Value, String> {
    let pairs = arguments.chunks(2).map(|pair| match pair {
        [Value::Text(name), value] => Ok((&**name, value.clone())),
        _ => Err("expected names and values by turns"),
    });
    Ok(Value::map(pairs.collect::<Result<Vec<_>, _>>()?))
}

fn time(arguments: &[Value], at: usize) -> Result<&Time, String> {
    match arguments.get(at) {
        Some(Value::Time(time)) => Ok(time),
        other => Err(format!("expected a time; found a {}", other.map_or("nil", Value::kind))),
    }
}

fn zoned(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, String> {
    let (name, time) = (text(arguments, 0)?, time(arguments, 1)?);
    if matches!(name, "" | "UTC") {
        return Ok(Value::Time(Time::utc(time.at)));
    }
    let zone = context.host().zone(name, time.at);
    let (offset_seconds, zone) = zone.ok_or_else(|| format!("unknown time zone {name}"))?;
    Ok(Value::Time(Time { at: time.at, offset_seconds, zone: zone.into() }))
}

fn since(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, String> {
    let then = time(arguments, 0)?;
    let now = context.host().now().ok_or("the present is not known here")?;
    Ok(Value::Duration(now.0.saturating_sub(then.at.0).saturating_mul(1_000_000)))
}

/// Go's `url.QueryUnescape`.
fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let (high, low) = (digit(), digit());
                let (Some(high), Some(low)) = (high, low) else {
                    return Err(format!("invalid URL escape in {text:?}"));
                };
                bytes.push((high * 16 + low) as u8);
            }
            other => bytes.push(other),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// JSON as Go's encoder writes it; a number that is none cannot be.
fn write_json(out: &mut String, value: &Value) -> Result<(), String> {
    check(out)?;
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(is_true) => out.push_str(if *is_true { "true" } else { "false" }),
        Value::Int(number) | Value::Duration(number) => out.push_str(&number.to_string()),
        Value::Float(number) if !number.is_finite() => {
            return Err("a number that is infinite or none has no JSON".into());
        }
        Value::Float(number) => out.push_str(&json_float(*number)),
        Value::Text(text) => write_json_text(out, text),
        Value::Time(time) => {
            write_json_text(out, &time.format("2006-01-02T15:04:05.999999999Z07:00"));
        }
        Value::List(list) => write_json_list(out, list)?,
        Value::Map(map) => {
            out.push('{');
            for (at, (name, value)) in map.entries().iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_json_text(out, name);
                out.push(':');
                write_json(out, value)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn write_json_list(out: &mut String, list: &List) -> Result<(), String> {
    out.push('[');
    for (at, item) in list.items().iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_json(out, item)?;
    }
    out.push(']');
    Ok(())
}

fn json_float(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        return format!("{number:e}");
    }
    format!("{number}")
}

fn write_json_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => write_code(out, c),
            c if c < ' ' => write_code(out, c),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn write_code(out: &mut String, c: char) {
    #[expect(clippy::let_underscore_must_use, reason = "writing to a string cannot fail")]
    let _ = write!(out, "\\u{:04x}", u32::from(c));
}
