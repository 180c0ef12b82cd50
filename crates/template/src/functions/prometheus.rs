//! What Prometheus adds for alerts. A result of a query is a list of records with `Labels` and `Value`.
//! Source: Prometheus documentation, "Template reference" (3.x).

use std::ops::RangeInclusive;

use super::{ANY, Function, go::url_query, humanize, text, texts::upper};
use crate::{Context, value::Value};

pub(super) const TABLE: &[(&str, RangeInclusive<usize>, Function)] = &[
    ("first", 1..=1, |_, arguments| match arguments {
        [Value::List(list)] => list
            .items()
            .first()
            .cloned()
            .ok_or_else(|| "first() called on vector with no elements".into()),
        _ => Err("expected the result of a query".into()),
    }),
    ("label", 2..=2, |_, arguments| {
        let name = text(arguments, 0)?;
        of_sample(arguments.get(1), "Labels").and_then(|labels| label(&labels, name))
    }),
    ("value", 1..=1, |_, arguments| of_sample(arguments.first(), "Value")),
    ("strvalue", 1..=1, |_, arguments| {
        of_sample(arguments.first(), "Labels").and_then(|labels| label(&labels, "__value__"))
    }),
    ("sortByLabel", 2..=2, |_, arguments| sort_by_label(arguments)),
    ("args", 0..=ANY, |_, arguments| {
        let names: Vec<String> = (0..arguments.len()).map(|at| format!("arg{at}")).collect();
        Ok(Value::map(names.iter().map(String::as_str).zip(arguments.iter().cloned())))
    }),
    ("tmpl", 2..=2, |context, arguments| {
        let data = arguments.get(1).unwrap_or(&Value::Nil);
        context.included(text(arguments, 0)?, data).map(Value::from)
    }),
    ("title", 1..=1, |_, arguments| Ok(title(text(arguments, 0)?).into())),
    ("graphLink", 1..=1, |_, arguments| Ok(link(text(arguments, 0)?, 0))),
    ("tableLink", 1..=1, |_, arguments| Ok(link(text(arguments, 0)?, 1))),
    ("stripPort", 1..=1, |_, arguments| Ok(strip_port(text(arguments, 0)?).into())),
    ("stripDomain", 1..=1, |_, arguments| Ok(strip_domain(text(arguments, 0)?).into())),
    ("humanize", 1..=1, |_, arguments| Ok(humanize::decimal(number(arguments)?).into())),
    ("humanize1024", 1..=1, |_, arguments| Ok(humanize::binary(number(arguments)?).into())),
    ("humanizeDuration", 1..=1, |_, arguments| Ok(humanize::duration(number(arguments)?).into())),
    ("humanizePercentage", 1..=1, |_, arguments| {
        Ok(humanize::percentage(number(arguments)?).into())
    }),
    ("humanizeTimestamp", 1..=1, |_, arguments| {
        humanize::timestamp(number(arguments)?).map(Value::from)
    }),
    ("toTime", 1..=1, |_, arguments| humanize::moment(number(arguments)?).map(Value::Time)),
    ("toDuration", 1..=1, |_, arguments| Ok(Value::Duration((number(arguments)? * 1e9) as i64))),
    ("now", 0..=0, now),
    ("parseDuration", 1..=1, |_, arguments| parse_duration(text(arguments, 0)?).map(Value::Float)),
    ("urlQueryEscape", 1..=1, |_, arguments| Ok(url_query(text(arguments, 0)?).into())),
];

fn now(context: &mut Context<'_>, _: &[Value]) -> Result<Value, String> {
    let now = context.host().now().ok_or("the present is not known here")?;
    Ok(Value::Float(now.seconds()))
}

fn of_sample(sample: Option<&Value>, field: &str) -> Result<Value, String> {
    let found = match sample {
        Some(Value::Map(map)) => map.get(field).cloned(),
        _ => None,
    };
    found.ok_or_else(|| "expected an element of a query's result".into())
}

fn label(labels: &Value, name: &str) -> Result<Value, String> {
    match labels {
        Value::Map(map) => Ok(map.get(name).cloned().unwrap_or_else(|| "".into())),
        _ => Err("expected labels".into()),
    }
}

fn sort_by_label(arguments: &[Value]) -> Result<Value, String> {
    let (name, Some(Value::List(list))) = (text(arguments, 0)?, arguments.get(1)) else {
        return Err("expected the result of a query".into());
    };
    let key = |sample: &Value| {
        let value = of_sample(Some(sample), "Labels").and_then(|labels| label(&labels, name));
        value.ok().and_then(|value| value.as_text().map(str::to_owned)).unwrap_or_default()
    };
    let mut samples = list.items().to_vec();
    samples.sort_by_cached_key(key);
    Ok(Value::list(samples))
}

/// A number, a duration or a text that is a number.
pub(super) fn number(arguments: &[Value]) -> Result<f64, String> {
    match arguments.first() {
        Some(Value::Float(number)) => Ok(*number),
        Some(Value::Int(number)) => Ok(*number as f64),
        Some(Value::Duration(nanos)) => Ok(*nanos as f64 / 1e9),
        Some(Value::Time(time)) => Ok(time.at.seconds()),
        Some(Value::Text(text)) => text.parse().map_err(|_| format!("{text:?} is not a number")),
        other => Err(format!("can't convert a {} to float", other.map_or("nil", Value::kind))),
    }
}

/// Each word with a capital, as Go's `strings.Title`.
fn title(text: &str) -> String {
    let mut is_inside = false;
    let capital = |c: char| {
        let is_start = !is_inside;
        is_inside = c == '_' || c == '\'' || c.is_alphanumeric();
        if is_start { upper(c) } else { c }
    };
    text.chars().map(capital).collect()
}

fn link(expression: &str, tab: u8) -> Value {
    format!("/graph?g0.expr={}&g0.tab={tab}", url_query(expression)).into()
}

/// Host and port of an address that has both.
fn split_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']').map(|host| (host, port)),
        None if host.contains([':', '[', ']']) => None,
        None => Some((host, port)),
    }
}

fn strip_port(address: &str) -> &str {
    split_port(address).map_or(address, |(host, _)| host)
}

/// The first part of a host's name, with its port; IP addresses stay as they are.
fn strip_domain(address: &str) -> String {
    let (host, port) = split_port(address).unwrap_or((address, ""));
    if host.parse::<std::net::IpAddr>().is_ok() {
        return address.to_owned();
    }
    let name = host.split('.').next().unwrap_or_default();
    if port.is_empty() { name.to_owned() } else { format!("{name}:{port}") }
}

const UNITS: [(&str, f64); 7] = [
    ("y", 365.0 * 86_400.0),
    ("w", 7.0 * 86_400.0),
    ("d", 86_400.0),
    ("h", 3_600.0),
    ("m", 60.0),
    ("s", 1.0),
    ("ms", 1e-3),
];

/// Seconds of a duration such as `1h30m`: units from the largest on, each at most once.
fn parse_duration(duration: &str) -> Result<f64, String> {
    let bad = || format!("not a valid duration string: {duration:?}");
    if duration == "0" {
        return Ok(0.0);
    }
    let (mut rest, mut units, mut seconds) = (duration, UNITS.as_slice(), 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, behind) = rest.split_at(digits);
        let length = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (name, behind) = behind.split_at(length);
        let at = units.iter().position(|(unit, _)| *unit == name).ok_or_else(bad)?;
        let (_, scale) = units.get(at).ok_or_else(bad)?;
        seconds += number.parse::<f64>().map_err(|_| bad())? * scale;
        units = units.get(at + 1..).unwrap_or_default();
        rest = behind;
    }
    if duration.is_empty() { Err("empty duration string".into()) } else { Ok(seconds) }
}
