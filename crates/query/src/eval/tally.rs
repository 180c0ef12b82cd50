//! What a query has touched so far.

use std::sync::Arc;

use model::{histogram::Histogram, series::SelectError};

use super::{Context, Evaluated, Grid};
use crate::value::{Sample, Stats};

#[derive(Default)]
pub(super) struct Tally {
    series: u64,
    samples: u64,
    /// Empty where nobody asks for it.
    per_step: Vec<u64>,
    /// Samples read from the source.
    loaded: u64,
    /// Results that exist beside them.
    results_max: u64,
    /// What the histograms weigh that were computed.
    made: u64,
}

impl Tally {
    pub(super) fn count_per_step(&mut self, steps: usize) {
        self.per_step = vec![0; steps];
    }

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

    /// As [`Context::count_made`], of a result that may be a histogram.
    pub(super) fn count_made_sample(&self, sample: Option<&Sample>) -> Evaluated<()> {
        match sample {
            Some(Sample::Histogram(histogram)) => self.count_made(histogram),
            _ => Ok(()),
        }
    }

    /// Notes a histogram that was computed, as one is that nobody else holds. All of them together have the
    /// budget, though some may be gone again.
    pub(super) fn count_made(&self, histogram: &Arc<Histogram>) -> Evaluated<()> {
        if Arc::strong_count(histogram) > 1 {
            return Ok(());
        }
        let mut tally = self.tally.borrow_mut();
        tally.made = tally.made.saturating_add(histogram.weight());
        if tally.made > self.budget.samples_max {
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
        // The steps of a subquery that is asked for by itself are those of its one instant.
        let step = step.min(tally.per_step.len().saturating_sub(1));
        if let Some(count) = tally.per_step.get_mut(step) {
            *count = count.saturating_add(samples);
        }
    }
}
