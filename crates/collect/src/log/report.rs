//! What is told of logs: the state of their sources and how much came of each.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use model::{
    Labels,
    catalogue::{self as metric, Metric},
    log::Origin,
    sample::Batch,
};

use super::{feed::Counts, files::Now};
use crate::{
    Failure, FailureKind, SourceGroup, SourceHandle, collector::Shared, guard::Guard,
    schedule::Hint,
};

const PERIOD: Duration = Duration::from_secs(5);
/// Most logs that are told of one by one; the rest is summed up.
const ORIGINS_MAX: usize = 64;
/// What the rest is called.
const OTHERS: &str = "others";

/// What one log gave and still has to give.
#[derive(Clone, Debug, Default)]
pub(super) struct Amount {
    pub(super) origin: Arc<Origin>,
    pub(super) counts: Counts,
    /// Bytes that are there and not stored; of the journal and the kernel it is not known.
    pub(super) lag: Option<u64>,
    pub(super) skipped: u64,
}

/// How a source is doing: how many logs it has, or why none.
pub(super) struct State {
    pub(super) name: &'static str,
    pub(super) outcome: Result<usize, Failure>,
    pub(super) hint: Option<Hint>,
}

impl State {
    /// That there is no such thing here, which is no fault.
    pub(super) fn absent(name: &'static str, reason: &str) -> Self {
        Self { name, outcome: Err(Failure::new(FailureKind::Absent, reason)), hint: None }
    }
}

/// What to do about a failure.
pub(super) fn hint_of(failure: &Failure, path: &str) -> Option<Hint> {
    let is_denied = failure.kind == FailureKind::PermissionDenied;
    is_denied.then(|| ("hint.log_permission", vec![("path".into(), path.into())]))
}

pub(super) struct Reports {
    sources: BTreeMap<&'static str, SourceHandle>,
    guard: Guard,
    told: Option<Duration>,
    /// Why positions cannot be kept.
    unsaved: Option<Failure>,
}

impl Reports {
    pub(super) fn new(shared: &Shared) -> Self {
        let handle = shared.registry.register("logs".into(), SourceGroup::Log, PERIOD);
        Self { sources: BTreeMap::new(), guard: Guard::new(handle), told: None, unsaved: None }
    }

    /// Nothing is read for now.
    pub(super) fn broke(&self, failure: &Failure) {
        self.guard.handle().failed(Duration::ZERO, failure.clone());
    }

    pub(super) fn saved(&mut self, error: Option<io::Error>) {
        self.unsaved = error.map(|error| Failure::from_io("positions of logs", &error));
    }

    /// Whether it is time to tell again.
    pub(super) fn is_due(&mut self, now: Now) -> bool {
        let is_due = self.told.is_none_or(|at| now.monotonic.saturating_sub(at) >= PERIOD);
        if is_due {
            self.told = Some(now.monotonic);
        }
        is_due
    }

    pub(super) fn tell(
        &mut self,
        shared: &Shared,
        states: Vec<State>,
        (files, amounts): (usize, Vec<Amount>),
        now: Now,
    ) {
        for state in states {
            let handle = self.sources.entry(state.name).or_insert_with(|| {
                shared.registry.register(state.name.into(), SourceGroup::Log, PERIOD)
            });
            match state.outcome {
                Ok(count) => handle.succeeded(now.wall, Duration::ZERO, count),
                Err(failure) => handle.failed(Duration::ZERO, failure),
            }
            handle.set_hint(state.hint);
        }
        let amounts = summed(amounts);
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
}

/// By source and origin.
fn summed(amounts: Vec<Amount>) -> BTreeMap<(String, String), Amount> {
    let mut sums: BTreeMap<(String, String), Amount> = BTreeMap::new();
    // Of a log that never said anything there is nothing to tell.
    let is_told = |one: &Amount| one.counts.lines > 0 || one.skipped > 0 || one.lag > Some(0);
    for one in amounts.into_iter().filter(is_told) {
        let Origin { source, origin, .. } = &*one.origin;
        let key = (source.clone(), origin.clone());
        let has_room = sums.contains_key(&key) || sums.len() < ORIGINS_MAX;
        let key = if has_room { key } else { (source.clone(), OTHERS.into()) };
        let sum = sums.entry(key).or_default();
        sum.counts.add(one.counts);
        sum.skipped += one.skipped;
        if let Some(lag) = one.lag {
            *sum.lag.get_or_insert(0) += lag;
        }
    }
    sums
}

fn put(
    shared: &Shared,
    files: usize,
    amounts: &BTreeMap<(String, String), Amount>,
    batch: &mut Batch,
) {
    let instance = shared.settings.instance.as_str();
    let count = Labels::metric(metric::MODELWATCH_LOG_FILES.name, [("instance", instance)]);
    batch.push(&count, files as f64);
    for ((source, origin), amount) in amounts {
        let labels =
            [("instance", instance), ("log", source.as_str()), ("origin", origin.as_str())];
        let mut put = |metric: &Metric, value: u64| {
            batch.push(&Labels::metric(metric.name, labels), value as f64);
        };
        put(&metric::MODELWATCH_LOG_BYTES_TOTAL, amount.counts.bytes);
        if let Some(lag) = amount.lag {
            put(&metric::MODELWATCH_LOG_LAG_BYTES, lag);
        }
        put(&metric::MODELWATCH_LOG_LINES_CUT_TOTAL, amount.counts.cut);
        put(&metric::MODELWATCH_LOG_LINES_SKIPPED_TOTAL, amount.skipped);
        put(&metric::MODELWATCH_LOG_LINES_TOTAL, amount.counts.lines);
        put(&metric::MODELWATCH_LOG_THROTTLED_TOTAL, amount.counts.throttled);
    }
}
