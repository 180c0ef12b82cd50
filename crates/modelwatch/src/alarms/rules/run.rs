//! When groups are evaluated, and on which thread.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use alert::rules::{Context, GroupState, Told};
use model::{UnixMs, sample::Batch};

use super::{FileProblem, GroupView, Loaded, Shared, load::Kept, lock};

/// How often files of rules are looked at.
const LOOK_PERIOD: Duration = Duration::from_secs(5);
/// How long one rule may take on the thread of the quick ones; then its group begins anew on another one.
const QUICK_TIMEOUT: Duration = Duration::from_millis(500);
/// A group that takes longer is slow, until it takes half of that.
const QUICK_MAX: Duration = Duration::from_millis(250);
/// How long a rule of a slow group may take at least: as long as its interval, where that is longer.
const SLOW_TIMEOUT_MIN: Duration = Duration::from_secs(5);
/// And at most; then it fails.
const SLOW_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// Which threads evaluate a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Fast,
    Slow,
}

/// What there is to do.
pub(super) struct Work {
    pub(super) kept: Kept,
    pub(super) problems: Vec<FileProblem>,
    pub(super) is_stopped: bool,
    slots: Vec<Slot>,
    /// When files were looked at, in monotonic time.
    looked: Duration,
}

/// A group and its place in time.
struct Slot {
    loaded: Arc<Loaded>,
    /// Absent while a thread has it.
    state: Option<GroupState>,
    lane: Lane,
    due: UnixMs,
    interval: Duration,
    told: Arc<Vec<Told>>,
    evaluated: Option<UnixMs>,
    took: Duration,
    missed: u64,
    /// What takes its place when the thread that has it is done.
    next: Next,
}

enum Next {
    Same,
    Other(Arc<Loaded>),
    Nothing,
}

/// What a thread has taken to evaluate.
struct Taken {
    loaded: Arc<Loaded>,
    state: GroupState,
    time: UnixMs,
}

impl Work {
    pub(super) fn new(kept: Kept) -> Self {
        let (problems, slots) = (Vec::new(), Vec::new());
        Self { kept, problems, is_stopped: false, slots, looked: Duration::ZERO }
    }

    pub(super) fn views(&self) -> Vec<GroupView> {
        let there = self.slots.iter().filter(|slot| !matches!(slot.next, Next::Nothing));
        there.map(Slot::view).collect()
    }

    /// The group of a lane that is due for the longest time.
    fn take(&mut self, lane: Lane, now: UnixMs) -> Option<Taken> {
        // The clock was set back: what is due in its old future is due anew.
        for slot in &mut self.slots {
            if slot.due.0.saturating_sub(now.0) > millis(slot.interval) {
                slot.due = next(&slot.loaded, slot.interval, now);
            }
        }
        let is_due =
            |slot: &&mut Slot| slot.lane == lane && slot.state.is_some() && slot.due <= now;
        let slot = self.slots.iter_mut().filter(is_due).min_by_key(|slot| slot.due)?;
        let state = slot.state.take()?;
        // At the time that it was due at, unless that is long ago.
        let step = millis(slot.interval);
        let late = now.0.saturating_sub(slot.due.0).div_euclid(step);
        slot.missed += u64::try_from(late).unwrap_or(0);
        let time = UnixMs(slot.due.0.saturating_add(late.saturating_mul(step)));
        Some(Taken { loaded: Arc::clone(&slot.loaded), state, time })
    }

    /// When the next group of a lane is due.
    fn next_due(&self, lane: Lane) -> Option<UnixMs> {
        let waiting = self.slots.iter().filter(|slot| slot.lane == lane && slot.state.is_some());
        waiting.map(|slot| slot.due).min()
    }
}

impl Slot {
    fn new(loaded: Arc<Loaded>, shared: &Shared) -> Self {
        let settings = &shared.setup.settings;
        let group = Arc::clone(&loaded.group);
        let state = GroupState::new(group, settings.evaluation_interval, settings.query_offset);
        let interval = state.interval();
        let now = shared.setup.clock.now();
        Self {
            due: next(&loaded, interval, now),
            told: unknown(&loaded),
            loaded,
            state: Some(state),
            lane: Lane::Fast,
            interval,
            evaluated: None,
            took: Duration::ZERO,
            missed: 0,
            next: Next::Same,
        }
    }

    fn view(&self) -> GroupView {
        // Of rules that were changed meanwhile nothing is known yet.
        let (loaded, told) = match &self.next {
            Next::Other(loaded) => (loaded, unknown(loaded)),
            Next::Same | Next::Nothing => (&self.loaded, Arc::clone(&self.told)),
        };
        GroupView {
            loaded: Arc::clone(loaded),
            told,
            interval: self.interval,
            evaluated: self.evaluated,
            took: self.took,
            missed: self.missed,
        }
    }

    /// Takes other rules over; what is known of those that stay is kept.
    fn replace(&mut self, loaded: Arc<Loaded>, old: GroupState, shared: &Shared) {
        let mut fresh = Self::new(loaded, shared);
        if let Some(state) = &mut fresh.state {
            state.adopt(old);
            fresh.told = Arc::new(state.told());
        }
        fresh.lane = self.lane;
        (fresh.evaluated, fresh.took, fresh.missed) = (self.evaluated, self.took, self.missed);
        *self = fresh;
    }
}

/// What is known of rules before they are evaluated.
fn unknown(loaded: &Loaded) -> Arc<Vec<Told>> {
    Arc::new(vec![Told::default(); loaded.group.rules.len()])
}

/// The first time after `now` that a group is due: groups are spread over their interval by their names.
fn next(loaded: &Loaded, interval: Duration, now: UnixMs) -> UnixMs {
    let step = millis(interval);
    let (file, name) = loaded.key();
    let labels = model::Labels::from_pairs([("file", file), ("name", name)]);
    let offset =
        i64::try_from(labels.fingerprint() % u64::try_from(step).unwrap_or(1)).unwrap_or(0);
    let passed = now.0.saturating_sub(offset).div_euclid(step);
    UnixMs(passed.saturating_add(1).saturating_mul(step).saturating_add(offset))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).max(1)
}

impl Shared {
    pub(super) fn work(&self) -> std::sync::MutexGuard<'_, Work> {
        lock(&self.work)
    }

    /// The life of a thread.
    pub(super) fn run(&self, lane: Lane) {
        loop {
            if lane == Lane::Fast && self.is_look_due() && self.look() {
                self.reload();
            }
            let now = self.setup.clock.now();
            let mut work = self.work();
            if work.is_stopped {
                return;
            }
            if let Some(taken) = work.take(lane, now) {
                drop(work);
                self.evaluate(taken, lane);
                continue;
            }
            let due = work.next_due(lane).map_or(LOOK_PERIOD, |due| {
                Duration::from_millis(u64::try_from(due.0 - now.0).unwrap_or(0))
            });
            // Spurious wakes only cost a look.
            drop(self.woken.wait_timeout(work, due.min(LOOK_PERIOD)));
        }
    }

    /// Evaluates what is due in a lane at this time, on this thread.
    #[cfg(test)]
    pub(super) fn turn(&self, lane: Lane) -> usize {
        let now = self.setup.clock.now();
        let mut count = 0;
        loop {
            let taken = self.work().take(lane, now);
            let Some(taken) = taken else { return count };
            self.evaluate(taken, lane);
            count += 1;
        }
    }

    fn is_look_due(&self) -> bool {
        let now = self.setup.clock.monotonic();
        let mut work = self.work();
        let is_due = now.saturating_sub(work.looked) >= LOOK_PERIOD;
        if is_due {
            work.looked = now;
        }
        is_due
    }

    /// Looks at files. Answers whether any has changed.
    pub(super) fn look(&self) -> bool {
        lock(&self.loader).look(&self.setup.settings.rule_files)
    }

    /// Puts what files and the page say in force.
    pub(super) fn reload(&self) {
        // Whoever reloads later knows of everything that was changed before.
        let loader = lock(&self.loader);
        let kept = self.work().kept.clone();
        let (groups, problems) = loader.groups(&kept);
        let mut work = self.work();
        for problem in problems.iter().filter(|problem| !work.problems.contains(problem)) {
            let FileProblem { file, problem } = problem;
            tracing::warn!("rules {file}:{}:{}: {}", problem.line, problem.column, problem.reason);
        }
        work.problems = problems;
        let mut ended = Vec::new();
        let mut old = std::mem::take(&mut work.slots);
        for loaded in groups {
            let loaded = Arc::new(loaded);
            let known = old.iter().position(|slot| slot.loaded.key() == loaded.key());
            let slot = match known.map(|index| old.remove(index)) {
                None => Slot::new(loaded, self),
                Some(mut slot) => {
                    match slot.state.take() {
                        Some(state) => slot.replace(loaded, state, self),
                        None => slot.next = Next::Other(loaded),
                    }
                    slot
                }
            };
            work.slots.push(slot);
        }
        for mut slot in old {
            match slot.state.take() {
                Some(state) => ended.push(state),
                None => {
                    slot.next = Next::Nothing;
                    work.slots.push(slot);
                }
            }
        }
        drop((work, loader));
        ended.into_iter().for_each(|state| self.end(state));
        self.woken.notify_all();
    }

    fn evaluate(&self, taken: Taken, lane: Lane) {
        let Taken { loaded, mut state, time } = taken;
        let clock = &self.setup.clock;
        let timeout = match lane {
            Lane::Fast => QUICK_TIMEOUT,
            Lane::Slow => state.interval().clamp(SLOW_TIMEOUT_MIN, SLOW_TIMEOUT_MAX),
        };
        let begun = clock.monotonic();
        let write = |batch: &Batch| self.write(batch);
        // One expression that the evaluator fails on must not end all rules.
        let evaluated = catch_unwind(AssertUnwindSafe(|| {
            self.with_context(timeout, &write, |context| state.evaluate(time, context))
        }));
        let alerts = evaluated.unwrap_or_else(|_| {
            let (file, name) = loaded.key();
            tracing::error!(
                "evaluating the group {name} of {file} ended abnormally; please report it"
            );
            let group = Arc::clone(&loaded.group);
            let settings = &self.setup.settings;
            state = GroupState::new(group, settings.evaluation_interval, settings.query_offset);
            Vec::new()
        });
        let took = clock.monotonic().saturating_sub(begun);
        if !alerts.is_empty() {
            (self.setup.sink)(&alerts, time);
        }
        let told = state.told();
        let is_cut = told.iter().any(|told| told.took >= timeout);
        let mut work = self.work();
        let Some(slot) = work.slots.iter_mut().find(|slot| Arc::ptr_eq(&slot.loaded, &loaded))
        else {
            return;
        };
        let now = clock.now();
        slot.evaluated = Some(time);
        slot.took = took;
        slot.told = Arc::new(told);
        slot.lane = lane_after(lane, took);
        // What was cut short is done at once by those who have the time.
        slot.due = if is_cut && lane == Lane::Fast {
            UnixMs(now.0.max(time.0 + 1))
        } else {
            next(&slot.loaded, slot.interval, time)
        };
        let mut ended = None;
        match std::mem::replace(&mut slot.next, Next::Same) {
            Next::Same => slot.state = Some(state),
            Next::Other(loaded) => slot.replace(loaded, state, self),
            Next::Nothing => {
                work.slots.retain(|slot| !Arc::ptr_eq(&slot.loaded, &loaded));
                ended = Some(state);
            }
        }
        drop(work);
        if let Some(state) = ended {
            self.end(state);
        }
        if lane == Lane::Fast {
            self.woken.notify_all();
        }
    }

    /// Tells that the alerts of rules that are no more have ended.
    fn end(&self, state: GroupState) {
        let now = self.setup.clock.now();
        let write = |batch: &Batch| self.write(batch);
        let alerts = self.with_context(SLOW_TIMEOUT_MIN, &write, |context| state.end(now, context));
        if !alerts.is_empty() {
            (self.setup.sink)(&alerts, now);
        }
    }

    fn write(&self, batch: &Batch) -> Result<(), String> {
        let stored = self.setup.store.append(batch);
        stored.map(drop).map_err(|error| format!("its result cannot be stored: {error}"))
    }

    pub(super) fn with_context<T>(
        &self,
        timeout: Duration,
        write: &dyn Fn(&Batch) -> Result<(), String>,
        work: impl FnOnce(&Context<'_>) -> T,
    ) -> T {
        let setup = &self.setup;
        let generator_url = |expr: &str| explore_url(&setup.external_url, expr);
        work(&Context {
            source: &*setup.source,
            settings: &self.query,
            clock: &setup.clock,
            timeout,
            samples_max: setup.samples_max,
            external_url: &setup.external_url,
            external_labels: &setup.settings.external_labels,
            generator_url: &generator_url,
            write,
            resend_delay: setup.settings.resend_delay,
        })
    }
}

/// Who evaluates a group next that took so long.
pub(super) fn lane_after(lane: Lane, took: Duration) -> Lane {
    match lane {
        Lane::Fast if took > QUICK_MAX => Lane::Slow,
        Lane::Slow if took < QUICK_MAX / 2 => Lane::Fast,
        lane => lane,
    }
}

/// Where an expression can be seen on the page.
fn explore_url(page: &str, expr: &str) -> String {
    let query: String = form_urlencoded::byte_serialize(expr.as_bytes()).collect();
    format!("{page}/#/explore?q={query}")
}
