//! The newest value of each series, for a run without a store.
//!
//! A series that ended is forgotten at once, one that only stopped when somebody asks. Native
//! histograms are not kept: `/metrics` has no place for them.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use model::{
    Labels, UnixMs,
    sample::{Batch, is_stale},
};

/// Takes batches from all collectors.
#[derive(Debug)]
pub(crate) struct Latest {
    /// Series beyond this number are refused and counted.
    series_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    newest: HashMap<Labels, (UnixMs, f64)>,
    refused: u64,
}

impl Latest {
    pub(crate) fn new(series_max: usize) -> Self {
        Self { series_max, state: Mutex::default() }
    }

    /// Keeps what is newer than what is known.
    pub(crate) fn put(&self, batch: Batch) {
        let mut state = self.lock();
        for (labels, value) in batch.samples {
            state.put(labels, batch.time, value, self.series_max);
        }
        for (labels, points) in batch.points.iter() {
            if let Some((time, value)) = points.last() {
                state.put(labels.clone(), UnixMs(*time), *value, self.series_max);
            }
        }
    }

    /// All values that are not older than `start`; older ones are forgotten.
    pub(crate) fn since(&self, start: UnixMs) -> BTreeMap<Labels, f64> {
        let mut state = self.lock();
        state.newest.retain(|_, (time, _)| *time >= start);
        state.newest.iter().map(|(labels, (_, value))| (labels.clone(), *value)).collect()
    }

    /// Samples of series beyond the limit.
    pub(crate) fn refused(&self) -> u64 {
        self.lock().refused
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, labels: Labels, time: UnixMs, value: f64, series_max: usize) {
        let is_full = self.newest.len() >= series_max;
        match self.newest.entry(labels) {
            Entry::Occupied(known) if time < known.get().0 => {}
            Entry::Occupied(known) if is_stale(value) => drop(known.remove()),
            Entry::Occupied(mut known) => drop(known.insert((time, value))),
            Entry::Vacant(_) if is_stale(value) => {}
            Entry::Vacant(_) if is_full => self.refused += 1,
            Entry::Vacant(unknown) => drop(unknown.insert((time, value))),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::sample::stale;

    use super::*;

    fn batch(time: i64, samples: &[(&str, f64)]) -> Batch {
        let mut batch = Batch::new(UnixMs(time));
        for (name, value) in samples {
            batch.push(&Labels::metric(name, [("", ""); 0]), *value);
        }
        batch
    }

    fn check(latest: &Latest, start: i64, expected: &[(&str, f64)]) {
        let found = latest.since(UnixMs(start));
        let found: Vec<_> = found.iter().map(|(labels, value)| (labels.name(), *value)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_newest_value_counts_until_the_series_ends() {
        let latest = Latest::new(10);
        latest.put(batch(1_000, &[("a", 1.0), ("b", 2.0), ("never", stale())]));
        latest.put(batch(2_000, &[("a", 3.0)]));
        latest.put(batch(1_500, &[("a", 4.0), ("b", stale())]));
        check(&latest, 0, &[("a", 3.0)]);
        latest.put(batch(2_500, &[("b", 5.0)]));
        check(&latest, 2_500, &[("b", 5.0)]);
        check(&latest, 0, &[("b", 5.0)]);
    }

    #[test]
    fn points_bring_their_own_times() {
        let latest = Latest::new(10);
        let mut late = Batch::new(UnixMs(9_000));
        late.points.start(Labels::metric("a", [("", ""); 0]));
        late.points.push(UnixMs(1_000), 1.0);
        late.points.push(UnixMs(2_000), 2.0);
        latest.put(late);
        check(&latest, 2_000, &[("a", 2.0)]);
        check(&latest, 2_001, &[]);
    }

    #[test]
    fn series_beyond_the_limit_are_counted() {
        let latest = Latest::new(1);
        latest.put(batch(1_000, &[("a", 1.0), ("b", 2.0)]));
        latest.put(batch(2_000, &[("a", 3.0), ("b", 4.0)]));
        check(&latest, 0, &[("a", 3.0)]);
        assert_eq!(latest.refused(), 2);
    }
}
