//! Why a message was not taken, and whether it is worth trying again.

use std::{fmt::Display, time::Duration};

/// Longest reason that is kept: the services' own words, cut.
const REASON_CHARS_MAX: usize = 300;
/// Longest that a service may ask to wait.
const AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// English, without secrets, for logs and the page.
    pub reason: String,
    /// Whether the same message may be taken later.
    pub is_passing: bool,
    /// What the service asked to wait.
    pub after: Option<Duration>,
}

impl Failure {
    /// It may work later: an overloaded service, a broken connection.
    pub(crate) fn passing(reason: impl Display) -> Self {
        Self { reason: cut(&reason), is_passing: true, after: None }
    }

    /// It will not work however often it is tried: a wrong token, a message that is refused.
    pub(crate) fn lasting(reason: impl Display) -> Self {
        Self { reason: cut(&reason), is_passing: false, after: None }
    }

    /// It works when this time is over.
    pub(crate) fn after(reason: impl Display, wait: Duration) -> Self {
        Self { reason: cut(&reason), is_passing: true, after: Some(wait.min(AFTER_MAX)) }
    }

    /// The same with secrets blotted out, which services repeat in what they answer.
    pub(crate) fn without(mut self, secrets: &[&str]) -> Self {
        for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
            self.reason = self.reason.replace(*secret, "***");
            // One that was cut in the middle is at the end.
            let part = (4..secret.len()).rev().filter_map(|length| secret.get(..length));
            if let Some(part) = part.into_iter().find(|part| self.reason.ends_with(*part)) {
                self.reason.truncate(self.reason.len() - part.len());
                self.reason.push_str("***");
            }
        }
        self
    }
}

fn cut(reason: &impl Display) -> String {
    let text = reason.to_string();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON_CHARS_MAX).collect()
}

/// An error with its causes, which some libraries leave out of its own text and others put in.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |error| error.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
