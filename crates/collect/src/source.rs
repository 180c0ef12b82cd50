//! The state of every source, for the page, for `/metrics` and for tests.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use model::UnixMs;

use crate::{Failure, FailureKind};

/// Where on the page a source is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceGroup {
    Host,
    Accelerator,
    Engine,
    Discovery,
    Probe,
    Scrape,
    Log,
}

impl SourceGroup {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Accelerator => "accelerator",
            Self::Engine => "engine",
            Self::Discovery => "discovery",
            Self::Probe => "probe",
            Self::Scrape => "scrape",
            Self::Log => "log",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// Not read yet.
    Starting,
    Ok,
    /// This machine has no such thing.
    Absent,
    Failing,
}

impl SourceState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ok => "ok",
            Self::Absent => "absent",
            Self::Failing => "failing",
        }
    }
}

/// What is known of one source.
#[derive(Clone, Debug)]
pub struct SourceReport {
    pub name: String,
    pub group: SourceGroup,
    pub state: SourceState,
    pub period: Duration,
    /// How long the last reading took.
    pub duration: Duration,
    /// Series of the last successful reading.
    pub series: usize,
    pub last_ok: Option<UnixMs>,
    pub failure: Option<Failure>,
    /// Message code of what the user can do about it, with its parameters.
    pub hint: Option<(&'static str, Vec<(String, String)>)>,
}

/// All sources by name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<Mutex<BTreeMap<String, SourceReport>>>);

impl Registry {
    /// A snapshot, sorted by group and name.
    pub fn reports(&self) -> Vec<SourceReport> {
        let mut reports: Vec<_> = self.lock().values().cloned().collect();
        reports.sort_by(|a, b| (a.group, &a.name).cmp(&(b.group, &b.name)));
        reports
    }

    /// Enters a source; it leaves when the handle is dropped.
    pub fn register(&self, name: String, group: SourceGroup, period: Duration) -> SourceHandle {
        let report = SourceReport {
            name: name.clone(),
            group,
            state: SourceState::Starting,
            period,
            duration: Duration::ZERO,
            series: 0,
            last_ok: None,
            failure: None,
            hint: None,
        };
        self.lock().insert(name.clone(), report);
        SourceHandle { registry: self.clone(), name }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, SourceReport>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to report on one source.
#[derive(Debug)]
pub struct SourceHandle {
    registry: Registry,
    name: String,
}

impl SourceHandle {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn succeeded(&self, at: UnixMs, duration: Duration, series: usize) {
        self.update(|report| {
            report.state = SourceState::Ok;
            report.duration = duration;
            report.series = series;
            report.last_ok = Some(at);
            report.failure = None;
        });
    }

    pub fn failed(&self, duration: Duration, failure: Failure) {
        self.update(|report| {
            report.state = if failure.kind == FailureKind::Absent {
                SourceState::Absent
            } else {
                SourceState::Failing
            };
            report.duration = duration;
            report.series = 0;
            report.failure = Some(failure);
        });
    }

    pub fn set_hint(&self, hint: Option<(&'static str, Vec<(String, String)>)>) {
        self.update(|report| report.hint = hint);
    }

    fn update(&self, change: impl FnOnce(&mut SourceReport)) {
        if let Some(report) = self.registry.lock().get_mut(&self.name) {
            change(report);
        }
    }
}

impl Drop for SourceHandle {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.name);
    }
}
