//! What is told of logs: the state of their sources and how much came of each.

use std::{collections::BTreeMap, io, time::Duration};

use model::{
    Labels,
    catalogue::{self as metric, Metric},
    sample::Batch,
};

use super::{
    feed::Counts,
    files::{Files, Now},
};
use crate::{
    Failure, FailureKind, SourceGroup, SourceHandle, collector::Shared, guard::Guard,
    schedule::Hint,
};

const PERIOD: Duration = Duration::from_secs(5);
/// Most logs that are told of one by one; the rest is summed up.
const ORIGINS_MAX: usize = 256;
/// What the rest is called.
const OTHERS: &str = "others";

/// What one log gave and still has to give.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Amount {
    pub(super) counts: Counts,
    pub(super) lag: u64,
    pub(super) skipped: u64,
}

pub(super) struct Reports {
    files: SourceHandle,
    discovered: SourceHandle,
    guard: Guard,
    told: Option<Duration>,
    /// How many engines there are, and what to know of those without a log.
    pub(super) engines: (usize, Option<Hint>),
    /// Why positions cannot be kept.
    unsaved: Option<Failure>,
}

impl Reports {
    pub(super) fn new(shared: &Shared) -> Self {
        let register = |name: &str| shared.registry.register(name.into(), SourceGroup::Log, PERIOD);
        Self {
            files: register("log_files"),
            discovered: register("log_engines"),
            engines: (0, None),
            guard: Guard::new(register("logs")),
            told: None,
            unsaved: None,
        }
    }

    /// Nothing is read for now.
    pub(super) fn broke(&self, failure: &Failure) {
        self.guard.handle().failed(Duration::ZERO, failure.clone());
    }

    pub(super) fn saved(&mut self, error: Option<io::Error>) {
        self.unsaved = error.map(|error| Failure::from_io("positions of logs", &error));
    }

    /// Tells everything, now and then.
    pub(super) fn tell(&mut self, shared: &Shared, files: &Files, now: Now) {
        if self.told.is_some_and(|at| now.monotonic.saturating_sub(at) < PERIOD) {
            return;
        }
        self.told = Some(now.monotonic);
        self.tell_files(shared, files, now);
        self.tell_engines(shared, files, now);
        let amounts = amounts(files);
        let mut batch = Batch::new(now.wall);
        let unsaved = self.unsaved.clone();
        self.guard.run(&shared.clock, &mut batch, |batch| {
            put(shared, files, &amounts, batch);
            unsaved.map_or(Ok(()), Err)
        });
        if !batch.samples.is_empty() {
            (shared.sinks.batch)(batch);
        }
    }

    fn tell_engines(&self, shared: &Shared, files: &Files, now: Now) {
        let (engines, hint) = &self.engines;
        let reason = match engines {
            _ if !shared.settings.logs.discover => Some("logs.discover is false"),
            0 => Some("no process of an engine can be seen"),
            _ => None,
        };
        match reason {
            Some(reason) => {
                self.discovered.failed(Duration::ZERO, Failure::new(FailureKind::Absent, reason))
            }
            None => {
                let reports = files.reports();
                let count =
                    reports.iter().filter(|report| !report.origin.engine.is_empty()).count();
                self.discovered.succeeded(now.wall, Duration::ZERO, count);
            }
        }
        self.discovered.set_hint(hint.clone());
    }

    fn tell_files(&self, shared: &Shared, files: &Files, now: Now) {
        let failure = files.failures.values().next();
        match failure {
            _ if shared.settings.logs.files.is_empty() => {
                let detail = "no [[log_file]] is configured";
                self.files.failed(Duration::ZERO, Failure::new(FailureKind::Absent, detail));
            }
            Some(failure) => self.files.failed(Duration::ZERO, failure.clone()),
            None => self.files.succeeded(now.wall, Duration::ZERO, files.count()),
        }
        self.files.set_hint(hint(files));
    }
}

fn hint(files: &Files) -> Option<Hint> {
    let denied =
        files.failures.iter().find(|(_, failure)| failure.kind == FailureKind::PermissionDenied);
    if let Some((path, _)) = denied {
        return Some(("hint.log_permission", vec![("path".into(), path.clone())]));
    }
    let count = files.left_out;
    (count > 0).then(|| ("hint.log_files_cut", vec![("count".into(), count.to_string())]))
}

/// By source and origin.
fn amounts(files: &Files) -> BTreeMap<(String, String), Amount> {
    let mut amounts: BTreeMap<(String, String), Amount> = BTreeMap::new();
    for report in files.reports() {
        let key = (report.origin.source.clone(), report.origin.origin.clone());
        let is_known = amounts.contains_key(&key);
        let key = match is_known || amounts.len() < ORIGINS_MAX {
            true => key,
            false => (report.origin.source.clone(), OTHERS.into()),
        };
        let amount = amounts.entry(key).or_default();
        amount.counts.add(report.counts);
        amount.lag += report.lag;
    }
    amounts
}

fn put(
    shared: &Shared,
    files: &Files,
    amounts: &BTreeMap<(String, String), Amount>,
    batch: &mut Batch,
) {
    let instance = shared.settings.instance.as_str();
    let count = Labels::metric(metric::MODELWATCH_LOG_FILES.name, [("instance", instance)]);
    batch.push(&count, files.count() as f64);
    for ((source, origin), amount) in amounts {
        let labels =
            [("instance", instance), ("log", source.as_str()), ("origin", origin.as_str())];
        let mut put = |metric: &Metric, value: u64| {
            batch.push(&Labels::metric(metric.name, labels), value as f64);
        };
        put(&metric::MODELWATCH_LOG_BYTES_TOTAL, amount.counts.bytes);
        put(&metric::MODELWATCH_LOG_LAG_BYTES, amount.lag);
        put(&metric::MODELWATCH_LOG_LINES_CUT_TOTAL, amount.counts.cut);
        put(&metric::MODELWATCH_LOG_LINES_SKIPPED_TOTAL, amount.skipped);
        put(&metric::MODELWATCH_LOG_LINES_TOTAL, amount.counts.lines);
        put(&metric::MODELWATCH_LOG_THROTTLED_TOTAL, amount.counts.throttled);
    }
}
