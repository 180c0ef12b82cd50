//! What stands behind a dot: keys of maps, fields of records, and the methods that Go's types have which
//! Alertmanager hands to templates.

use std::sync::Arc;

use crate::{
    time::Time,
    value::{List, Map, MapKind, Value},
};

/// The field, key or method `name` of a value.
pub(crate) fn field(receiver: &Value, name: &str, arguments: &[Value]) -> Result<Value, String> {
    let method = match receiver {
        Value::Map(map) if map.kind == MapKind::KeyValues => of_labels(map, name, arguments),
        Value::List(list) => of_list(list, name),
        Value::Time(time) => of_time(time, name, arguments),
        Value::Duration(nanos) => of_duration(*nanos, name),
        _ => None,
    };
    if let Some(result) = method {
        return result;
    }
    let Value::Map(map) = receiver else {
        return Err(match receiver {
            Value::Nil => format!("nil data; no entry for key {name:?}"),
            other => format!("can't evaluate field {name} in a {}", other.kind()),
        });
    };
    if !arguments.is_empty() {
        return Err(format!("{name} is not a method but has arguments"));
    }
    match map.get(name).cloned().or_else(|| map.missing()) {
        Some(value) => Ok(value),
        None => {
            let known: Vec<&str> = map.entries().iter().map(|(name, _)| &**name).collect();
            Err(format!("can't evaluate field {name}: there are {}", known.join(", ")))
        }
    }
}

type Found = Option<Result<Value, String>>;

fn of_labels(map: &Map, name: &str, arguments: &[Value]) -> Found {
    let names = || sorted(map).map(|(name, _)| Value::Text(Arc::clone(name)));
    Some(Ok(match name {
        "SortedPairs" => pairs(map),
        "Names" => Value::list(names()),
        "Values" => Value::list(sorted(map).map(|(_, value)| value.clone())),
        "Remove" => {
            let [Value::List(list)] = arguments else {
                return Some(Err("Remove wants a list of names".into()));
            };
            let removed: Vec<&str> = list.items().iter().filter_map(Value::as_text).collect();
            let kept = map.entries().iter().filter(|(name, _)| !removed.contains(&&**name));
            Value::key_values(
                kept.map(|(name, value)| (&**name, value.as_text().unwrap_or_default())),
            )
        }
        "String" => Value::from(written(map)),
        _ => return None,
    }))
}

/// The name of the alert first, then by name.
fn sorted(map: &Map) -> impl Iterator<Item = &(Arc<str>, Value)> {
    let is_name = |entry: &&(Arc<str>, Value)| &*entry.0 == model::alert::ALERT_NAME;
    let rest = map.entries().iter().filter(move |entry| !is_name(entry));
    map.entries().iter().filter(is_name).chain(rest)
}

fn pairs(map: &Map) -> Value {
    let pair = |(name, value): &(Arc<str>, Value)| {
        Value::record([("Name", Value::Text(Arc::clone(name))), ("Value", value.clone())])
    };
    Value::list(sorted(map).map(pair))
}

/// `alertname=x, a=b`.
pub(crate) fn written(map: &Map) -> String {
    let pair = |(name, value): &(Arc<str>, Value)| {
        format!("{name}={}", value.as_text().unwrap_or_default())
    };
    sorted(map).map(pair).collect::<Vec<_>>().join(", ")
}

/// A list of pairs as Alertmanager writes it; nothing for any other.
pub(crate) fn written_pairs(list: &List) -> Option<String> {
    let pair = |item: &Value| match item {
        Value::Map(map) if map.kind == MapKind::Record => match map.entries() {
            [(first, Value::Text(name)), (second, Value::Text(value))] => {
                (&**first == "Name" && &**second == "Value").then(|| format!("{name}={value}"))
            }
            _ => None,
        },
        _ => None,
    };
    let pairs: Vec<String> = list.items().iter().map(pair).collect::<Option<_>>()?;
    (!pairs.is_empty()).then(|| pairs.join(", "))
}

/// Methods of Alertmanager's lists: alerts have a status, pairs have names and values.
fn of_list(list: &List, name: &str) -> Found {
    let of_each = |field: &str| {
        let values = list.items().iter().map(|item| match item {
            Value::Map(map) => map.get(field).cloned(),
            _ => None,
        });
        values.collect::<Option<Vec<_>>>()
    };
    let with_status = |wanted: &str| {
        let statuses = of_each("Status")?;
        let both = list.items().iter().zip(statuses);
        let kept = both.filter(|(_, status)| status.as_text() == Some(wanted));
        Some(Value::list(kept.map(|(item, _)| item.clone())))
    };
    let value = match name {
        "Firing" => with_status("firing"),
        "Resolved" => with_status("resolved"),
        "Names" => of_each("Name").map(Value::list),
        "Values" => of_each("Value").map(Value::list),
        _ => None,
    };
    value.map(Ok)
}

fn of_time(time: &Time, name: &str, arguments: &[Value]) -> Found {
    let number = |number: i64| Ok(Value::Int(number));
    let civil = time.civil();
    Some(match (name, arguments) {
        ("Format", [Value::Text(layout)]) => Ok(time.format(layout).into()),
        ("UTC" | "Local", []) => Ok(Value::Time(Time::utc(time.at))),
        ("Unix", []) => number(time.at.0.div_euclid(1_000)),
        ("UnixMilli", []) => number(time.at.0),
        ("UnixNano", []) => number(time.at.0.saturating_mul(1_000_000)),
        ("IsZero", []) => Ok(Value::Bool(time.is_zero())),
        ("Year", []) => number(civil.year),
        ("Month", []) => Ok(civil.month_name().into()),
        ("Day", []) => number(civil.day),
        ("Hour", []) => number(civil.hour),
        ("Minute", []) => number(civil.minute),
        ("Second", []) => number(civil.second),
        ("Weekday", []) => Ok(civil.weekday_name().into()),
        ("String", []) => Ok(time.to_string().into()),
        ("Sub", [Value::Time(other)]) => {
            Ok(Value::Duration(time.at.0.saturating_sub(other.at.0).saturating_mul(1_000_000)))
        }
        ("Add", [Value::Duration(nanos)]) => Ok(Value::Time(time.plus_ms(nanos / 1_000_000))),
        ("Before", [Value::Time(other)]) => Ok(Value::Bool(time.at < other.at)),
        ("After", [Value::Time(other)]) => Ok(Value::Bool(time.at > other.at)),
        ("Equal", [Value::Time(other)]) => Ok(Value::Bool(time.at == other.at)),
        _ => Err(format!("a time has no method {name} with such arguments")),
    })
}

fn of_duration(nanos: i64, name: &str) -> Found {
    let seconds = nanos as f64 / 1e9;
    let value = match name {
        "Seconds" => Value::Float(seconds),
        "Minutes" => Value::Float(seconds / 60.0),
        "Hours" => Value::Float(seconds / 3_600.0),
        "Milliseconds" => Value::Int(nanos / 1_000_000),
        "Nanoseconds" => Value::Int(nanos),
        "String" => crate::time::duration_text(nanos).into(),
        _ => return None,
    };
    Some(Ok(value))
}
