//! The one wrapper around every reading of a source: measures it, catches its panic, keeps its
//! state for the page, and ends the series that are gone.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use model::{
    Clock, Labels,
    sample::{Batch, stale},
};

use crate::{Failure, FailureKind, source::SourceHandle};

/// Guards one source. Remembers which series it delivered last.
#[derive(Debug)]
pub(crate) struct Guard {
    handle: SourceHandle,
    previous: Vec<Labels>,
}

impl Guard {
    pub(crate) fn new(handle: SourceHandle) -> Self {
        Self { handle, previous: Vec::new() }
    }

    pub(crate) fn handle(&self) -> &SourceHandle {
        &self.handle
    }

    /// Lets `read` add its samples to `batch`. Series that it delivered last time and not now, or
    /// all of them when it fails, get a stale marker, so that no chart goes on with an old value.
    pub(crate) fn run(
        &mut self,
        clock: &Clock,
        batch: &mut Batch,
        read: impl FnOnce(&mut Batch) -> Result<(), Failure>,
    ) -> bool {
        self.run_since(clock.monotonic(), clock, batch, read)
    }

    /// The same for a reading whose slow part began at `started` and is over.
    pub(crate) fn run_since(
        &mut self,
        started: Duration,
        clock: &Clock,
        batch: &mut Batch,
        read: impl FnOnce(&mut Batch) -> Result<(), Failure>,
    ) -> bool {
        let first = batch.samples.len();
        let outcome = catch_unwind(AssertUnwindSafe(|| read(batch))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Failure::new(FailureKind::Panicked, text.unwrap_or_default()))
        });
        let duration = clock.monotonic().saturating_sub(started);
        match outcome {
            Ok(()) => {
                self.handle.succeeded(batch.time, duration, batch.samples.len() - first);
                self.end_missing(batch, first);
                true
            }
            Err(failure) => {
                batch.samples.truncate(first);
                self.handle.failed(duration, failure);
                self.end_missing(batch, first);
                false
            }
        }
    }

    fn end_missing(&mut self, batch: &mut Batch, first: usize) {
        let current = &batch.samples[first..];
        // Nearly always the same series come in the same order; then there is nothing to do.
        let is_same = self.previous.len() == current.len()
            && self.previous.iter().zip(current).all(|(old, (new, _))| old == new);
        if is_same {
            return;
        }
        let known: HashSet<&Labels> = current.iter().map(|(labels, _)| labels).collect();
        let ended: Vec<Labels> =
            self.previous.iter().filter(|labels| !known.contains(labels)).cloned().collect();
        self.previous = current.iter().map(|(labels, _)| labels.clone()).collect();
        for labels in &ended {
            batch.push(labels, stale());
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{UnixMs, sample::is_stale};

    use super::*;
    use crate::{Registry, SourceGroup, SourceState};

    fn run(guard: &mut Guard, names: Result<&[&str], FailureKind>) -> (Vec<String>, Vec<String>) {
        let mut batch = Batch::new(UnixMs(7));
        guard.run(&Clock::manual(UnixMs(7)), &mut batch, |batch| {
            for name in names.map_err(|kind| Failure::new(kind, "no"))? {
                batch.push(&Labels::metric(name, [("a", "b")]), 1.0);
            }
            Ok(())
        });
        let of = |ended: bool| {
            let chosen = batch.samples.iter().filter(|(_, value)| is_stale(*value) == ended);
            chosen.map(|(labels, _)| labels.name().to_owned()).collect::<Vec<_>>()
        };
        (of(false), of(true))
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn series_end_exactly_once() {
        let registry = Registry::default();
        let handle = registry.register("x".into(), SourceGroup::Host, Duration::from_secs(1));
        let mut guard = Guard::new(handle);
        assert_eq!(run(&mut guard, Ok(&["a", "b"])), (names(&["a", "b"]), names(&[])));
        assert_eq!(run(&mut guard, Ok(&["b", "c"])), (names(&["b", "c"]), names(&["a"])));
        assert_eq!(run(&mut guard, Ok(&["b", "c"])), (names(&["b", "c"]), names(&[])));
        assert_eq!(run(&mut guard, Err(FailureKind::Io)), (names(&[]), names(&["b", "c"])));
        assert_eq!(run(&mut guard, Err(FailureKind::Io)), (names(&[]), names(&[])));
        assert_eq!(registry.reports()[0].state, SourceState::Failing);
        assert_eq!(run(&mut guard, Ok(&["b"])), (names(&["b"]), names(&[])));
        assert_eq!(registry.reports()[0].state, SourceState::Ok);
    }

    #[test]
    fn a_panic_is_a_failure() {
        let registry = Registry::default();
        let handle = registry.register("x".into(), SourceGroup::Host, Duration::from_secs(1));
        let mut batch = Batch::new(UnixMs(0));
        let mut guard = Guard::new(handle);
        assert!(!guard.run(&Clock::manual(UnixMs(0)), &mut batch, |_| panic!("boom")));
        let failure = registry.reports()[0].failure.clone().unwrap();
        assert_eq!(failure, Failure::new(FailureKind::Panicked, "boom"));
    }
}
