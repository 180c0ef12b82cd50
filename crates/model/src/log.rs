//! Log records, after OpenTelemetry's log data model. What modelwatch itself notices (an engine
//! appeared, a disk filled up) is such a record too, with an event name instead of a body.

use crate::UnixMs;

/// OpenTelemetry's severity ranges, coarsened to the six that people use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Severity {
    pub const ALL: [Self; 6] =
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// Lower-case name, as shown and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// One line of somebody's log, or one event.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    pub time: UnixMs,
    /// Who said it: a source's name, a unit, a file.
    pub source: String,
    pub severity: Severity,
    /// The text as written; for an event of our own the code of a [`crate::message`].
    pub body: String,
    /// Further facts by name; for an event the parameters of its message.
    pub attributes: Vec<(String, String)>,
}
