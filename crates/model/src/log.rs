//! Log records, after OpenTelemetry's log data model. What modelwatch itself notices (an engine
//! appeared, a disk filled up) is such a record too, with an event name instead of a body.

use std::sync::Arc;

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

    /// The severity of that name, in lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }

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

/// Where lines of a log come from; what is not known is empty. Lines of one origin share it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// How they came: `file`, `journal`, `docker`, `podman`, `kubernetes`, `kernel`, `auth`, or the protocol they were
    /// received by: `syslog`, `otlp`, `loki`, `elasticsearch`, `splunk`, `beats`.
    pub source: String,
    /// The file, unit, container or address that they were read from.
    pub origin: String,
    pub host: String,
    /// The program, as OpenTelemetry's `service.name`.
    pub service: String,
    /// What kind of engine wrote them, such as `vllm`.
    pub engine: String,
    /// The engine's label `instance`.
    pub instance: String,
    /// The model that it serves.
    pub model: String,
}

/// Up to where a file was read when a line had been taken from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Tells the file from all others, whatever it is called by now.
    pub file: Arc<str>,
    /// Of the byte behind the line.
    pub offset: u64,
}

/// One line of somebody's log, or several that belong together, as it is kept and searched.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When it was written; when it came, where it does not say.
    pub time: UnixMs,
    pub origin: Arc<Origin>,
    /// Absent where it does not say.
    pub severity: Option<Severity>,
    pub body: String,
    /// Further facts, under OpenTelemetry's names.
    pub attributes: Vec<(String, String)>,
    /// Only of what was read from a file.
    pub place: Option<Place>,
}

/// Something that modelwatch itself noticed.
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
