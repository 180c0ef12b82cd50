//! Go's `text/template` over plain values, for the texts that people bring with their alert rules and channels.
//!
//! A template is parsed once, which finds every error that Go finds when parsing, and rendered often, which
//! finds the others. It knows the language whole (actions, pipelines, variables, control structures, named
//! templates, comments, trimming) and Go's own functions; [`Functions::prometheus`] and
//! [`Functions::alertmanager`] add those of these programs. What is not text on its way in (queries, time
//! zones, the present) is the [`Host`]'s.
//!
//! It does not read files, ask clocks or escape HTML by context. Where Go's types are stricter than ours
//! (an integer variable where a float is wanted), it is lenient; where Go refuses a comparison of an integer
//! with a float, so does it, because a rule that passes here must pass there.
//! Source: Go documentation, "text/template", "fmt", "time" (1.23).
#![forbid(unsafe_code)]

mod float;
mod format;
mod functions;
mod lex;
mod methods;
mod parse;
mod run;
mod time;
mod tree;
mod value;

use std::{collections::HashMap, sync::Arc};

pub use functions::{Function, Functions, humanize};
pub use run::Context;
pub use time::Time;
pub use value::{List, Map, Value};

use model::UnixMs;

/// Longest source of a template.
pub const SOURCE_BYTES_MAX: usize = 64 << 10;
/// Most bytes of text that one rendering may make, what it throws away included.
pub const TEXT_BYTES_MAX: usize = 1 << 20;
/// Most actions, commands and rounds of loops of one rendering.
pub const STEPS_MAX: usize = 100_000;
/// Deepest nesting of blocks and parentheses in a source and, together with templates that call templates, in a
/// rendering.
pub const DEPTH_MAX: usize = 100;
/// Deepest nesting of lists and maps.
pub const VALUE_DEPTH_MAX: usize = 32;
/// Most regular expressions that one rendering may compile.
pub const REGEXES_MAX: usize = 32;

/// Why a template cannot be parsed or rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Error {
    /// In the template's source, from 1.
    pub line: usize,
    pub reason: String,
}

impl Error {
    pub(crate) fn new(line: usize, reason: impl Into<String>) -> Self {
        Self { line, reason: reason.into() }
    }
}

/// What a rendering may ask of the program around it.
pub trait Host {
    /// Answers a function that [`Functions::of_host`] named.
    fn call(&self, function: &str, _arguments: &[Value]) -> Result<Value, String> {
        Err(format!("{function} cannot be used here"))
    }

    /// The present, where templates may ask for it.
    fn now(&self) -> Option<UnixMs> {
        None
    }

    /// How far a time zone is ahead of UTC at a time, in seconds, and its abbreviation then.
    fn zone(&self, _name: &str, _at: UnixMs) -> Option<(i32, String)> {
        None
    }
}

/// A host that answers nothing.
pub struct NoHost;

impl Host for NoHost {}

/// A parsed template, with those that it defines.
#[derive(Clone, Debug)]
pub struct Template {
    root: Arc<[tree::Node]>,
    definitions: HashMap<Arc<str>, Arc<[tree::Node]>>,
}

impl Template {
    /// Parses a source. Names of functions are resolved here, so that a missing one is found before an alert is.
    pub fn parse(source: &str, functions: &Functions) -> Result<Self, Error> {
        let mut template = Self { root: Arc::new([]), definitions: HashMap::new() };
        template.root = parse::parse(source, functions, &mut template.definitions)?;
        Ok(template)
    }

    /// Makes the templates that another source defines known to this one, as Alertmanager's template files do.
    /// One of the same name is replaced.
    pub fn define(&mut self, source: &str, functions: &Functions) -> Result<(), Error> {
        parse::parse(source, functions, &mut self.definitions).map(drop)
    }

    /// Whether the source has no actions: it is rendered as it stands.
    pub fn is_plain(&self) -> bool {
        self.root.iter().all(|node| matches!(node, tree::Node::Text(_)))
    }

    pub fn render(&self, data: &Value) -> Result<String, Error> {
        self.render_with(data, &NoHost)
    }

    /// Renders with `data` as the dot.
    pub fn render_with(&self, data: &Value, host: &dyn Host) -> Result<String, Error> {
        Context::new(self, host).render(data)
    }
}

#[cfg(test)]
mod tests;
