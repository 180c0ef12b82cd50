//! Why a source could not be read: a closed list, because it is a metric label and a text too.

use std::{fmt, io};

/// What went wrong, coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// This machine has no such thing; not an error.
    Absent,
    /// The operating system or the peer refuses us.
    PermissionDenied,
    /// Nothing listens, or the connection broke.
    Unreachable,
    TimedOut,
    /// An answer beyond its size limit.
    TooLarge,
    /// An answer that is not what the source should say.
    Malformed,
    /// An HTTP status that says no.
    Refused,
    /// A defect of ours, caught by the guard.
    Panicked,
    /// Any other error of the operating system.
    Io,
}

impl FailureKind {
    /// The message code; its last part is the metric label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Absent => "failure.absent",
            Self::PermissionDenied => "failure.permission_denied",
            Self::Unreachable => "failure.unreachable",
            Self::TimedOut => "failure.timed_out",
            Self::TooLarge => "failure.too_large",
            Self::Malformed => "failure.malformed",
            Self::Refused => "failure.refused",
            Self::Panicked => "failure.panicked",
            Self::Io => "failure.io",
        }
    }
}

/// A failure with the detail that an operator needs: what was asked, where, what came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: FailureKind,
    pub detail: String,
}

impl Failure {
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// From an error of the operating system about `what`, a path or a URL.
    pub fn from_io(what: impl fmt::Display, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => FailureKind::Absent,
            io::ErrorKind::PermissionDenied => FailureKind::PermissionDenied,
            io::ErrorKind::TimedOut => FailureKind::TimedOut,
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::UnexpectedEof => FailureKind::Unreachable,
            _ => FailureKind::Io,
        };
        Self::new(kind, format!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}
