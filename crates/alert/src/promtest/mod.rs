//! Unit tests of rules, in the format of `promtool test rules`.
//!
//! A test has series, and says which alerts fire and what queries give at certain times. Rules are evaluated as they
//! are in operation, by a clock that steps from one evaluation to the next. As in promtool all groups are evaluated
//! at the file's interval, whatever theirs is. Numbers are compared exactly, unless the file is lenient.
//! It reads no files: who calls it brings the rules.
//! Source: Prometheus documentation, "Unit testing for rules" (3.x).

mod read;
mod run;

use std::time::Duration;

use model::UnixMs;
use query::{Expr, notation::Line, notation::histogram::Written};

pub use read::parse;
pub use run::run;
#[cfg(test)]
pub(crate) use run::{Source, run_watched};

/// What a file of tests says.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// Patterns of names, relative to the file.
    pub rule_files: Vec<String>,
    pub evaluation_interval: Duration,
    /// Names of groups, of which one is evaluated before those behind it.
    pub group_order: Vec<String>,
    /// Whether neighbouring floats count as equal.
    pub is_fuzzy: bool,
    pub tests: Vec<Test>,
}

#[derive(Clone, Debug)]
pub struct Test {
    /// Empty where it has none.
    pub name: String,
    /// In the file, from 1.
    pub line: usize,
    /// The time between two points of the series.
    interval: Duration,
    /// When the series begin.
    start: UnixMs,
    pub(crate) series: Vec<Line>,
    alerts: Vec<AlertCase>,
    queries: Vec<QueryCase>,
    external_labels: Vec<(String, String)>,
    external_url: String,
}

/// Which alerts of one name must fire at a time.
#[derive(Clone, Debug)]
struct AlertCase {
    line: usize,
    name: String,
    /// After the start.
    at: Duration,
    expected: Vec<Texts>,
}

/// Labels and annotations of an alert, each sorted by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Texts {
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
}

/// What a query must give at a time.
#[derive(Clone, Debug)]
struct QueryCase {
    line: usize,
    expr: Expr,
    /// After the start.
    at: Duration,
    expected: Vec<(model::Labels, Expected)>,
}

#[derive(Clone, Debug)]
enum Expected {
    Float(f64),
    Histogram(Written),
}

/// What was not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Of the case or of the test, in the file.
    pub line: usize,
    /// Of the test; may be empty.
    pub test: String,
    /// Of the test, in the file.
    pub test_line: usize,
    pub kind: FailureKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Other alerts fired.
    Alerts { name: String, at: Duration, expected: Vec<String>, found: Vec<String> },
    /// A query gave something else.
    Samples { query: String, at: Duration, expected: Vec<String>, found: Vec<String> },
    /// A query failed.
    Query { query: String, at: Duration, reason: String },
    /// A rule failed, which ends the test.
    Rule { name: String, at: Duration, reason: String },
    /// The test asks for more than is allowed.
    TooMuch { reason: String },
}

#[cfg(test)]
mod tests;
