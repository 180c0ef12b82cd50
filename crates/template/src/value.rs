//! The values that templates compute with.

use std::sync::Arc;

use crate::{VALUE_DEPTH_MAX, time::Time};

/// A value; cheap to copy.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    List(List),
    Map(Map),
    Time(Time),
    /// Nanoseconds.
    Duration(i64),
}

/// Values in order.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    items: Arc<[Value]>,
    depth: usize,
}

/// Values by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    pub(crate) kind: MapKind,
    /// Sorted by name, but for records.
    entries: Arc<[(Arc<str>, Value)]>,
    depth: usize,
}

/// What a map stands for, which decides what a missing name gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapKind {
    /// Texts by name; a missing one is empty.
    Texts,
    /// As `Texts`, with the methods that Alertmanager gives its labels.
    KeyValues,
    /// Anything by name; a missing one is nil.
    Any,
    /// Fields in order; a missing one is a mistake.
    Record,
}

impl Value {
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        let items: Arc<[Self]> = items.into_iter().collect();
        let depth = 1 + items.iter().map(Self::depth).max().unwrap_or(0);
        Self::List(List { items, depth })
    }

    /// Texts by name, of which a missing one is empty: Go's `map[string]string`.
    pub fn texts<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::mapped(MapKind::Texts, pairs.into_iter().map(|(name, text)| (name, text.into())))
    }

    /// As [`Value::texts`], with Alertmanager's `SortedPairs`, `Names`, `Values` and `Remove`.
    pub fn key_values<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::mapped(MapKind::KeyValues, pairs.into_iter().map(|(name, text)| (name, text.into())))
    }

    /// Anything by name, of which a missing one is nil.
    pub fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::mapped(MapKind::Any, pairs)
    }

    /// Fields in order, of which to name another is an error: Go's struct.
    pub fn record<'a>(fields: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::mapped(MapKind::Record, fields)
    }

    fn mapped<'a>(kind: MapKind, pairs: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let mut entries: Vec<(Arc<str>, Self)> =
            pairs.into_iter().map(|(name, value)| (name.into(), value)).collect();
        if kind != MapKind::Record {
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.dedup_by(|later, kept| later.0 == kept.0);
        }
        let depth = 1 + entries.iter().map(|(_, value)| value.depth()).max().unwrap_or(0);
        Self::Map(Map { kind, entries: entries.into(), depth })
    }

    /// How deep lists and maps lie in each other.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            _ => 0,
        }
    }

    pub(crate) fn is_too_deep(&self) -> bool {
        self.depth() > VALUE_DEPTH_MAX
    }

    /// The kind in a word, for errors.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Map(map) if map.kind == MapKind::Record => "record",
            Self::Map(_) => "map",
            Self::Time(_) => "time",
            Self::Duration(_) => "duration",
        }
    }

    /// What `if`, `with`, `and`, `or` and `not` decide by: zero and empty values are false.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(is_true) => *is_true,
            Self::Int(number) | Self::Duration(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => map.kind == MapKind::Record || !map.entries().is_empty(),
            Self::Time(_) => true,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl List {
    pub fn items(&self) -> &[Value] {
        &self.items
    }
}

impl Map {
    pub fn entries(&self) -> &[(Arc<str>, Value)] {
        &self.entries
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        let at = match self.kind {
            MapKind::Record => self.entries.iter().position(|(candidate, _)| &**candidate == name),
            _ => self.entries.binary_search_by(|(candidate, _)| (**candidate).cmp(name)).ok(),
        }?;
        self.entries.get(at).map(|(_, value)| value)
    }

    /// What a name gives that is not in it; nothing where that is an error.
    pub(crate) fn missing(&self) -> Option<Value> {
        match self.kind {
            MapKind::Texts | MapKind::KeyValues => Some("".into()),
            MapKind::Any => Some(Value::Nil),
            MapKind::Record => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(is_true: bool) -> Self {
        Self::Bool(is_true)
    }
}

/// A length, which no memory makes too large.
impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}
