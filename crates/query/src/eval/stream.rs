//! Series that are evaluated while they are read, several at a time, so that their points need not be held
//! together. Only floats travel this way, and only samples: what has native histograms, or sums in place of
//! samples, is loaded.

use std::sync::{Mutex, PoisonError};

use model::series::{Budget, SelectError, SeriesData};

use super::{
    Context, Evaluated,
    row::{Row, is_float},
    rows::{self, Look},
};

/// So many samples may be looked at before the budget is.
const SAMPLES_UNCHECKED: u64 = 1 << 20;

/// Looks at the budget every so many samples.
pub(super) struct Pace<'a> {
    budget: &'a Budget,
    unchecked: u64,
    /// Samples looked at.
    pub(super) seen: u64,
}

impl<'a> Pace<'a> {
    pub(super) fn new(budget: &'a Budget) -> Self {
        Self { budget, unchecked: 0, seen: 0 }
    }

    pub(super) fn advance(&mut self, samples: u64) -> Result<(), SelectError> {
        self.seen += samples;
        self.unchecked += samples;
        if self.unchecked < SAMPLES_UNCHECKED {
            return Ok(());
        }
        self.unchecked = 0;
        self.budget.check()
    }
}

/// What a series is at each step.
pub(super) type Kernel<'a> =
    &'a (dyn Fn(&mut SeriesData, &mut Pace<'_>) -> Result<Vec<f64>, SelectError> + Sync);

#[derive(Default)]
struct Found {
    /// Each with its place among all series.
    rows: Vec<(u64, Row)>,
    series: usize,
    /// Samples read.
    held: u64,
    /// Samples looked at.
    seen: u64,
}

/// The rows of what `look` finds; `None` where it has to be loaded.
pub(super) fn stream(
    context: &Context<'_>,
    look: &Look<'_>,
    kernel: Kernel<'_>,
) -> Evaluated<Option<Vec<Row>>> {
    if context.settings.counts_per_step || rows::stand_in(context, look) {
        return Ok(None);
    }
    let (budget, source, steps) = (context.budget, context.source, context.steps() as u64);
    let (matchers, range) = (&look.selector.matchers, look.range());
    if !source.select_histograms(matchers, range, budget)?.is_empty() {
        return Ok(None);
    }
    let found = Mutex::new(Found::default());
    let visit = |place: u64, series: &mut SeriesData| {
        budget.check()?;
        let held = series.values.len() as u64;
        let mut pace = Pace::new(budget);
        let floats = kernel(series, &mut pace)?;
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.series += 1;
        found.held += held;
        found.seen += pace.seen;
        if floats.iter().copied().any(is_float) {
            found.rows.push((place, Row::new(series.labels.clone(), floats)));
        }
        let made = (found.rows.len() as u64).saturating_mul(steps);
        if found.held > budget.samples_max || made > budget.samples_max {
            return Err(SelectError::TooManySamples);
        }
        Ok(())
    };
    source.visit(matchers, range, budget, &visit)?;
    let Found { mut rows, series, held, seen } =
        found.into_inner().unwrap_or_else(PoisonError::into_inner);
    context.count_loaded(series, held)?;
    context.count(0, seen);
    // Threads come in any order, and sums of floats depend on it.
    rows.sort_unstable_by_key(|(place, _)| *place);
    Ok(Some(rows.into_iter().map(|(_, row)| row).collect()))
}
