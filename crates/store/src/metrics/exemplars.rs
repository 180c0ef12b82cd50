//! Exemplars: the newest ones, in memory and in the log. They go when the log goes or when newer ones
//! push them out, because they lead to traces that do not last either.

use std::collections::{HashMap, VecDeque};

use model::{
    Labels, UnixMs,
    sample::Exemplar,
    series::{Matcher, TimeRange},
};

use super::{Metrics, lock};

/// Exemplars that are kept; beyond it the oldest goes.
const EXEMPLARS_MAX: usize = 20_000;

#[derive(Default)]
pub(super) struct Exemplars {
    kept: VecDeque<Exemplar>,
    /// Time of the newest one of each series that has any.
    newest: HashMap<Labels, UnixMs>,
}

impl Exemplars {
    pub(super) fn push(&mut self, exemplar: Exemplar) {
        if self.kept.len() >= EXEMPLARS_MAX
            && let Some(oldest) = self.kept.pop_front()
            && self.newest.get(&oldest.series) == Some(&oldest.time)
        {
            self.newest.remove(&oldest.series);
        }
        self.newest.insert(exemplar.series.clone(), exemplar.time);
        self.kept.push_back(exemplar);
    }

    /// Those that are newer than what their series has: senders repeat them with every scrape.
    pub(super) fn fresh(&self, exemplars: &[Exemplar]) -> Vec<Exemplar> {
        let is_fresh = |exemplar: &&Exemplar| {
            self.newest.get(&exemplar.series).is_none_or(|newest| exemplar.time > *newest)
        };
        exemplars.iter().filter(is_fresh).cloned().collect()
    }
}

impl Metrics {
    /// The exemplars in `range` of the series that satisfy the matchers, oldest first.
    pub fn exemplars(&self, matchers: &[Matcher], range: TimeRange) -> Vec<Exemplar> {
        let exemplars = lock(&self.0.exemplars);
        let wanted = exemplars.kept.iter().filter(|exemplar| {
            (range.start..=range.end).contains(&exemplar.time)
                && Matcher::all_match(matchers, &exemplar.series)
        });
        let mut found: Vec<Exemplar> = wanted.cloned().collect();
        found.sort_by_key(|exemplar| exemplar.time);
        found
    }
}
