//! Alerts and what is told of them: what rules find, what Alertmanagers exchange, what channels are given.
//!
//! Data only: who decides is the crate `alert`, who delivers the crate `deliver`.

use crate::{Labels, UnixMs};

/// The label that names the rule that an alert comes from.
pub const ALERT_NAME: &str = "alertname";

/// One alert, as Prometheus sends it and Alertmanager keeps it. Its labels are its identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// `alertname` among them.
    pub labels: Labels,
    /// Texts for people, sorted by name. `NAME_zh` is the Chinese text of `NAME`.
    pub annotations: Vec<(String, String)>,
    /// When it began to fire.
    pub starts_at: UnixMs,
    /// When it ended; in the future where it will count as ended unless it is told again by then.
    pub ends_at: UnixMs,
    /// Where the expression can be seen; may be empty.
    pub generator_url: String,
    /// What the expression gave last; absent where the alert was sent by another program.
    pub value: Option<f64>,
}

impl Alert {
    pub fn is_resolved(&self, now: UnixMs) -> bool {
        self.ends_at <= now
    }

    /// The rule's name, or the empty string.
    pub fn name(&self) -> &str {
        self.labels.get(ALERT_NAME).unwrap_or_default()
    }

    /// An annotation; the empty string where there is none.
    pub fn annotation(&self, name: &str) -> &str {
        let found = self.annotations.iter().find(|(candidate, _)| candidate == name);
        found.map_or("", |(_, text)| text)
    }
}

/// Why a channel is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The group fires for the first time.
    First,
    /// Alerts joined or left a group that goes on firing.
    Changed,
    /// Nothing changed, and the repeat interval is over.
    Repeat,
    /// Nobody acknowledged in time.
    Escalated,
    /// All alerts of the group have ended.
    Resolved,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Changed => "changed",
            Self::Repeat => "repeat",
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
        }
    }
}

/// An alert in a notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Notified {
    pub alert: Alert,
    pub is_firing: bool,
}

/// What one channel is to be told of one group of alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The same for the same decision, also after a restart; who has it already has been told.
    pub key: String,
    /// The incident's identifier.
    pub incident: String,
    /// The channel's name.
    pub channel: String,
    /// Alertmanager's `groupKey`, such as `{}:{alertname="EngineDown"}`.
    pub group_key: String,
    pub reason: Reason,
    pub time: UnixMs,
    /// `critical`, `warning` or `info`: the worst of the alerts that fire; of all where none does.
    pub severity: String,
    /// Sorted by name, as the two below.
    pub group_labels: Vec<(String, String)>,
    pub common_labels: Vec<(String, String)>,
    pub common_annotations: Vec<(String, String)>,
    /// Firing first, each sorted by labels.
    pub alerts: Vec<Notified>,
    /// How many more alerts there are that are not in `alerts`.
    pub truncated: u64,
    /// Leads to the moment on the page; empty where no address of the page is known.
    pub url: String,
}

impl Notification {
    /// Whether any alert fires.
    pub fn is_firing(&self) -> bool {
        self.alerts.iter().any(|notified| notified.is_firing)
    }
}
