//! Rules as Prometheus' rule files have them.
//! Source: Prometheus documentation, "Recording rules", "Alerting rules" (3.x).

mod evaluate;
pub mod file;
mod preview;
mod restore;
mod templates;
#[cfg(test)]
mod tests;

pub(crate) use evaluate::ask;
pub use evaluate::{ALERTS, ALERTS_FOR_STATE, Active, Context, GroupState, Scope, State, Told};
pub use preview::{Previewed, Span, preview};

use std::time::Duration;

use query::Expr;

/// What a rule file says.
#[derive(Clone, Debug, Default)]
pub struct RuleFile {
    pub groups: Vec<Group>,
}

/// Rules that are evaluated one after the other at the same times.
#[derive(Clone, Debug)]
pub struct Group {
    pub name: String,
    /// Absent where the configuration's applies.
    pub interval: Option<Duration>,
    /// How far behind the present it is evaluated.
    pub query_offset: Option<Duration>,
    /// Most series or alerts that one rule may give; 0 for any number.
    pub limit: usize,
    /// For all rules that do not set them themselves; those have them already.
    pub labels: Vec<(String, String)>,
    pub rules: Vec<Rule>,
    /// Line in the file, from 1.
    pub line: usize,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub kind: Kind,
    pub expr: Expr,
    /// Further labels of what it gives; of alerts, texts that are expanded.
    pub labels: Vec<(String, String)>,
    pub line: usize,
}

impl Rule {
    /// The alert's name, or the metric that is written.
    pub fn name(&self) -> &str {
        match &self.kind {
            Kind::Recording { name } | Kind::Alerting { name, .. } => name,
        }
    }

    pub fn is_alerting(&self) -> bool {
        matches!(self.kind, Kind::Alerting { .. })
    }

    /// One of the labels that it gives.
    pub fn label(&self, name: &str) -> Option<&str> {
        let found = self.labels.iter().find(|(label, _)| label == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Whole milliseconds, as times have them.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[derive(Clone, Debug)]
pub enum Kind {
    Recording {
        /// The metric that it writes.
        name: String,
    },
    Alerting {
        name: String,
        /// How long a condition must hold before it fires.
        holds_for: Duration,
        /// How long it goes on firing when the condition is gone.
        keeps_firing_for: Duration,
        annotations: Vec<(String, String)>,
    },
}

/// What is wrong with a file. Lines and columns from 1; 0 where the place is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub line: usize,
    pub column: usize,
    pub reason: String,
}
