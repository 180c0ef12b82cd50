//! Functions of windows over plain samples: each series is reckoned with as soon as it is read, by the
//! thread that read it, and its samples are let go.
//!
//! Nothing here speaks: what a function says is said by its caller, of what came out.

use std::sync::{Mutex, PoisonError};

use model::{
    Labels,
    series::{SeriesData, TimeRange},
};

use super::{
    Context, Evaluated,
    functions::Scalars,
    points::Points,
    row::{Row, absent},
    rows::{Loaded, Look},
    window::WindowFn,
};

/// So many samples may be looked at before the budget is.
const SAMPLES_UNCHECKED: u64 = 1 << 20;

/// What was found so far, by all threads.
#[derive(Default)]
struct Found {
    /// With the places that sort them.
    rows: Vec<(usize, Row)>,
    /// How many series and samples were read.
    series: usize,
    loaded: u64,
    looked: Vec<u64>,
}

/// The function's values of each series in `range`. Their labels are those of the samples.
pub(super) fn evaluate(
    context: &Context<'_>,
    look: &Look<'_>,
    range: TimeRange,
    run: WindowFn,
    given: &Scalars,
) -> Evaluated<Vec<Row>> {
    let (budget, steps, grid) = (context.budget, context.steps(), context.grid);
    let (ends, back_ms) = (look.times, look.back_ms);
    let counted = if context.settings.counts_per_step { steps } else { 1 };
    let found = Mutex::new(Found { looked: vec![0; counted], ..Found::default() });
    let each = |place: usize, series: SeriesData| {
        let loaded = series.values.len() as u64;
        let points = Points::new(Loaded { series, ..Loaded::default() }, false);
        let mut row = Row::empty(Labels::clone(&points.labels), steps);
        let mut looked = vec![0; counted];
        let mut unchecked = 0;
        for (step, mut window) in points.windows(ends, back_ms).enumerate() {
            if window.is_empty() {
                continue;
            }
            let weight = window.weight();
            looked[step % counted] += weight;
            unchecked += weight;
            if unchecked > SAMPLES_UNCHECKED {
                budget.check()?;
                unchecked = 0;
            }
            window.now = grid.time(step);
            row.floats[step] = run(&window, &given.at(step)).unwrap_or_else(absent);
        }
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.series += 1;
        found.loaded += loaded;
        for (all, own) in found.looked.iter_mut().zip(looked) {
            *all += own;
        }
        if !row.is_empty() {
            found.rows.push((place, row));
        }
        budget.check_points(found.rows.len(), steps)
    };
    context.source.visit(&look.selector.matchers, range, budget, &each)?;
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    context.count_loaded(found.series, found.loaded)?;
    for (step, looked) in found.looked.into_iter().enumerate() {
        context.count(step, looked);
    }
    let mut rows = found.rows;
    rows.sort_unstable_by_key(|(place, _)| *place);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}
