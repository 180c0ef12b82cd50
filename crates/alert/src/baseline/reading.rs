//! What the methods say of one thing at one time.

use model::{Labels, UnixMs};

/// The methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Unlike those that do the same work.
    Peer,
    /// Unlike what it was at the same load in the day before.
    Load,
    /// Unlike the same hour of other weeks.
    Week,
    /// Unlike before a restart, an upgrade or another setting.
    Change,
    /// Its floor rises.
    Floor,
    /// Runs out.
    Forecast,
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::Peer, Self::Load, Self::Week, Self::Change, Self::Floor, Self::Forecast];

    /// The label `kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Load => "load",
            Self::Week => "week",
            Self::Change => "change",
            Self::Floor => "floor",
            Self::Forecast => "forecast",
        }
    }
}

/// What one method says of one signal of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub kind: Kind,
    pub signal: &'static str,
    /// Whose it is.
    pub labels: Labels,
    pub value: f64,
    /// What it would be if all were as usual. Of a floor: what it was at first. Of a supply: absent.
    pub usual: Option<f64>,
    /// How sure it is, in spreads or standard deviations; below 0 where the value is lower than usual.
    pub score: f64,
    /// Of floors and supplies: growth by day.
    pub per_day: Option<f64>,
    /// Of supplies: seconds until nothing is left.
    pub empty_seconds: Option<f64>,
    /// Whether it is to be told.
    pub is_found: bool,
    /// Since when it has been so, as far as is known.
    pub since: UnixMs,
    /// What shows it, over this time.
    pub query: String,
    pub window_ms: i64,
    /// The text's parameters besides labels.
    pub params: Vec<(&'static str, String)>,
}

impl Reading {
    /// The value against what is usual; 1 is usual.
    pub fn ratio(&self) -> Option<f64> {
        self.usual.filter(|usual| *usual > 0.0).map(|usual| self.value / usual)
    }

    /// Of floors alone: growth by day.
    pub fn growth_per_day(&self) -> Option<f64> {
        self.per_day.filter(|_| self.kind == Kind::Floor)
    }

    /// What it is about, the same at each look.
    pub fn key(&self) -> String {
        format!("{} {} {}", self.kind.as_str(), self.signal, self.labels)
    }

    /// The code of the text that tells it.
    pub fn code(&self) -> String {
        let kind = match self.labels.get("change") {
            Some("restart") => "restart",
            _ => self.kind.as_str(),
        };
        format!("finding.{kind}_{}", self.signal)
    }
}

/// A share as texts say it: `+12`, `-22`.
pub(super) fn percent(ratio: f64) -> String {
    format!("{:+.0}", (ratio - 1.0) * 100.0)
}
