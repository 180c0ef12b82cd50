//! What a query has touched so far.

use model::series::SelectError;

use super::{Context, Evaluated, Grid};
use crate::value::Stats;

#[derive(Default)]
pub(super) struct Tally {
    series: u64,
    samples: u64,
    per_step: Vec<u64>,
    /// Samples read from the source.
    loaded: u64,
    /// Results that exist beside them.
    results_max: u64,
}

impl Tally {
    pub(super) fn into_stats(self, grid: Grid) -> Stats {
        let steps = self.per_step.iter().enumerate();
        Stats {
            series: self.series,
            samples: self.samples,
            samples_peak: self.loaded + self.results_max,
            samples_per_step: steps.map(|(step, count)| (grid.time(step), *count)).collect(),
        }
    }
}

impl Context<'_> {
    /// Notes what a selector read. All of a query's selectors together have the budget.
    pub(super) fn count_loaded(&self, series: usize, samples: u64) -> Evaluated<()> {
        let mut tally = self.tally.borrow_mut();
        tally.series += series as u64;
        tally.loaded = tally.loaded.saturating_add(samples);
        let results = (series as u64).saturating_mul(self.steps() as u64);
        tally.results_max = tally.results_max.max(results);
        if tally.loaded > self.budget.samples_max {
            return Err(SelectError::TooManySamples.into());
        }
        Ok(())
    }

    /// Counts samples that a step looks at. What a subquery reads is counted by the windows over it.
    pub(super) fn count(&self, step: usize, samples: u64) {
        if self.is_inner {
            return;
        }
        let mut tally = self.tally.borrow_mut();
        tally.samples = tally.samples.saturating_add(samples);
        if self.settings.counts_per_step {
            if tally.per_step.is_empty() {
                tally.per_step = vec![0; self.steps()];
            }
            if let Some(count) = tally.per_step.get_mut(step) {
                *count = count.saturating_add(samples);
            }
        }
    }
}
