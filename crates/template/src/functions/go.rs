//! The functions of Go's `text/template`, but for `and` and `or`.

use std::{cmp::Ordering, ops::RangeInclusive};

use super::{ANY, Function, joined};
use crate::{format, value::Value};

pub(super) const TABLE: &[(&str, RangeInclusive<usize>, Function)] = &[
    ("not", 1..=1, |_, arguments| Ok(Value::Bool(!arguments.iter().any(Value::is_true)))),
    ("len", 1..=1, |_, arguments| length(arguments)),
    ("index", 1..=ANY, |_, arguments| index(arguments)),
    ("slice", 1..=4, |_, arguments| slice(arguments)),
    ("print", 0..=ANY, |_, arguments| format::print(arguments).map(Value::from)),
    ("println", 0..=ANY, |_, arguments| format::println(arguments).map(Value::from)),
    ("printf", 1..=ANY, |_, arguments| {
        let rest = arguments.get(1..).unwrap_or_default();
        format::printf(super::text(arguments, 0)?, rest).map(Value::from)
    }),
    ("html", 0..=ANY, |_, arguments| Ok(html(&joined(arguments)?).into())),
    ("js", 0..=ANY, |_, arguments| Ok(js(&joined(arguments)?).into())),
    ("urlquery", 0..=ANY, |_, arguments| Ok(url_query(&joined(arguments)?).into())),
    ("call", 1..=ANY, |_, arguments| {
        let kind = arguments.first().map_or("nil", Value::kind);
        Err(format!("a {kind} is not a function"))
    }),
    ("eq", 1..=ANY, |_, arguments| equal(arguments).map(Value::Bool)),
    ("ne", 2..=2, |_, arguments| equal(arguments).map(|is_equal| Value::Bool(!is_equal))),
    ("lt", 2..=2, |_, arguments| ordered(arguments, |order| order == Ordering::Less)),
    ("le", 2..=2, |_, arguments| ordered(arguments, |order| order != Ordering::Greater)),
    ("gt", 2..=2, |_, arguments| ordered(arguments, |order| order == Ordering::Greater)),
    ("ge", 2..=2, |_, arguments| ordered(arguments, |order| order != Ordering::Less)),
];

fn length(arguments: &[Value]) -> Result<Value, String> {
    match arguments.first() {
        Some(Value::Text(text)) => Ok(text.len().into()),
        Some(Value::List(list)) => Ok(list.items().len().into()),
        Some(Value::Map(map)) => Ok(map.entries().len().into()),
        other => Err(format!("a {} has no length", other.map_or("nil", Value::kind))),
    }
}

/// `index x 1 "a"` is Go's `x[1]["a"]`.
fn index(arguments: &[Value]) -> Result<Value, String> {
    let Some((first, rest)) = arguments.split_first() else { return Ok(Value::Nil) };
    let mut value = first.clone();
    for key in rest {
        value = match (&value, key) {
            (Value::List(list), Value::Int(at)) => {
                let item = usize::try_from(*at).ok().and_then(|at| list.items().get(at)).cloned();
                item.ok_or_else(|| format!("index out of range: {at}"))?
            }
            (Value::Text(text), Value::Int(at)) => {
                let byte = usize::try_from(*at).ok().and_then(|at| text.as_bytes().get(at));
                let byte = byte.ok_or_else(|| format!("index out of range: {at}"))?;
                Value::Int(i64::from(*byte))
            }
            (Value::Map(map), Value::Text(name)) => {
                match map.get(name).cloned().or_else(|| map.missing()) {
                    Some(value) => value,
                    None => return Err(format!("there is no field {name}")),
                }
            }
            (Value::Nil, _) => return Err("index of untyped nil".into()),
            (other, key) => {
                return Err(format!("cannot index a {} with a {}", other.kind(), key.kind()));
            }
        };
    }
    Ok(value)
}

/// `slice x 1 2` is Go's `x[1:2]`.
fn slice(arguments: &[Value]) -> Result<Value, String> {
    let Some((first, bounds)) = arguments.split_first() else { return Ok(Value::Nil) };
    let length = match first {
        Value::Text(_) if bounds.len() > 2 => return Err("cannot 3-index slice a string".into()),
        Value::Text(text) => text.len(),
        Value::List(list) => list.items().len(),
        other => return Err(format!("can't slice a {}", other.kind())),
    };
    let bound = |at: usize, default: usize| match bounds.get(at) {
        None => Ok(default),
        Some(Value::Int(bound)) => match usize::try_from(*bound) {
            Ok(bound) if bound <= length => Ok(bound),
            _ => Err(format!("index out of range: {bound}")),
        },
        Some(other) => Err(format!("cannot index slice with a {}", other.kind())),
    };
    let (start, end) = (bound(0, 0)?, bound(1, length)?);
    if start > end || end > bound(2, length)? {
        return Err(format!("invalid slice index: {start} > {end}"));
    }
    Ok(match first {
        Value::List(list) => {
            Value::list(list.items().get(start..end).unwrap_or_default().iter().cloned())
        }
        // A character that is cut leaves bytes that are no text.
        Value::Text(text) => {
            let bytes = text.as_bytes().get(start..end).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned().into()
        }
        _ => Value::Nil,
    })
}

const BAD_COMPARISON: &str = "incompatible types for comparison";

/// Whether the first argument equals any of the others.
fn equal(arguments: &[Value]) -> Result<bool, String> {
    let Some((first, rest)) = arguments.split_first() else { return Ok(false) };
    if rest.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in rest {
        let is_equal = match (first, other) {
            (Value::List(_) | Value::Map(_), Value::List(_) | Value::Map(_)) => {
                return Err("non-comparable types".into());
            }
            (Value::Nil, other) | (other, Value::Nil) => *other == Value::Nil,
            (Value::Int(a) | Value::Duration(a), Value::Int(b) | Value::Duration(b)) => a == b,
            (a, b) if a.kind() == b.kind() => a == b,
            _ => return Err(BAD_COMPARISON.into()),
        };
        if is_equal {
            return Ok(true);
        }
    }
    Ok(false)
}

fn ordered(arguments: &[Value], is_so: fn(Ordering) -> bool) -> Result<Value, String> {
    let order = match arguments {
        [Value::Int(a) | Value::Duration(a), Value::Int(b) | Value::Duration(b)] => Some(a.cmp(b)),
        // Nothing is less or greater than what is no number.
        [Value::Float(a), Value::Float(b)] => a.partial_cmp(b),
        [Value::Text(a), Value::Text(b)] => Some(a.cmp(b)),
        [a, b] if a.kind() == b.kind() => return Err("invalid type for comparison".into()),
        _ => return Err(BAD_COMPARISON.into()),
    };
    Ok(Value::Bool(order.is_some_and(is_so)))
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '\'' | '"' => out.extend(['\\', c]),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Go's `url.QueryEscape`.
pub(super) fn url_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
