//! The functions that templates may call.

mod go;
pub mod humanize;
mod prometheus;
mod texts;

use std::{collections::HashMap, ops::RangeInclusive, sync::Arc};

use crate::{Context, Value};

/// Takes its arguments, that of the pipeline last.
pub type Function = fn(&mut Context<'_>, &[Value]) -> Result<Value, String>;

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) arity: RangeInclusive<usize>,
    pub(crate) call: Call,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Function(Function),
    /// Asked of the host of the rendering.
    OfHost,
    /// `and` and `or`, which evaluate arguments up to the first that is so.
    Stops(bool),
}

/// No limit to the number of arguments.
pub(crate) const ANY: usize = usize::MAX;

/// A table of functions by name.
#[derive(Clone, Debug)]
pub struct Functions(HashMap<Arc<str>, Entry>);

impl Functions {
    /// Those that Go's `text/template` has.
    pub fn go() -> Self {
        let mut functions = Self(HashMap::new());
        functions.insert("and", 1..=ANY, Call::Stops(false));
        functions.insert("or", 1..=ANY, Call::Stops(true));
        functions.add_all(go::TABLE)
    }

    /// Those of Prometheus' alerts, of which `query`, `externalURL` and `pathPrefix` are the host's.
    pub fn prometheus() -> Self {
        Self::go()
            .add_all(texts::TABLE)
            .add_all(prometheus::TABLE)
            .of_host("query", 1..=1)
            .of_host("externalURL", 0..=0)
            .of_host("pathPrefix", 0..=0)
    }

    /// Those of Alertmanager's notifications.
    pub fn alertmanager() -> Self {
        Self::go().add_all(texts::TABLE).add_all(texts::ALERTMANAGER)
    }

    /// With a function of the caller's; one of the same name is replaced.
    pub fn with(mut self, name: &str, arity: RangeInclusive<usize>, function: Function) -> Self {
        self.insert(name, arity, Call::Function(function));
        self
    }

    /// With a function that [`Host::call`](crate::Host::call) answers.
    pub fn of_host(mut self, name: &str, arity: RangeInclusive<usize>) -> Self {
        self.insert(name, arity, Call::OfHost);
        self
    }

    fn add_all(mut self, table: &[(&str, RangeInclusive<usize>, Function)]) -> Self {
        for (name, arity, function) in table {
            self.insert(name, arity.clone(), Call::Function(*function));
        }
        self
    }

    pub(crate) fn insert(&mut self, name: &str, arity: RangeInclusive<usize>, call: Call) {
        self.0.insert(name.into(), Entry { arity, call });
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }
}

/// The text at a place among the arguments.
fn text(arguments: &[Value], at: usize) -> Result<&str, String> {
    match arguments.get(at) {
        Some(Value::Text(text)) => Ok(text),
        Some(other) => {
            Err(format!("argument {}: expected a string; found a {}", at + 1, other.kind()))
        }
        None => Err(format!("argument {} is missing", at + 1)),
    }
}

/// What is written where a function takes one value or several to be put together.
fn joined(arguments: &[Value]) -> Result<String, String> {
    match arguments {
        [Value::Text(text)] => Ok(text.to_string()),
        other => crate::format::print(other),
    }
}
