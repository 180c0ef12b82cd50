//! Instant vectors over the whole grid, one series after the other.

use std::{collections::HashMap, sync::Arc};

use model::{
    Labels, NAME,
    histogram::Histogram,
    sample::{is_stale, stale},
};

use super::{Context, Evaluated, Grid, fail};
use crate::value::{Sample, Series};

/// Labels that say what a metric is, and no longer hold for what is computed from it.
const DESCRIBING: [&str; 3] = [NAME, "__type__", "__unit__"];

/// One series of an instant vector over the whole grid.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) labels: Labels,
    /// Whether the name of the metric goes when the evaluation ends.
    pub(super) drops_name: bool,
    /// The stale marker where there is no float: it never is a result, since what it marks has none.
    pub(super) floats: Vec<f64>,
    /// Empty where the series has no histogram at any step.
    pub(super) histograms: Vec<Option<Arc<Histogram>>>,
}

/// Stands for no float.
pub(super) fn absent() -> f64 {
    stale()
}

/// Whether it is a float.
pub(super) fn is_float(value: f64) -> bool {
    !is_stale(value)
}

/// The float that may be there.
pub(super) fn float(value: f64) -> Option<f64> {
    is_float(value).then_some(value)
}

impl Row {
    pub(super) fn new(labels: Labels, floats: Vec<f64>) -> Self {
        Self { labels, floats, ..Self::default() }
    }

    /// Without any value.
    pub(super) fn empty(labels: Labels, steps: usize) -> Self {
        Self::new(labels, vec![absent(); steps])
    }

    pub(super) fn float(&self, step: usize) -> Option<f64> {
        self.floats.get(step).copied().filter(|value| is_float(*value))
    }

    pub(super) fn histogram(&self, step: usize) -> Option<&Arc<Histogram>> {
        self.histograms.get(step)?.as_ref()
    }

    pub(super) fn sample(&self, step: usize) -> Option<Sample> {
        match self.float(step) {
            Some(value) => Some(Sample::Float(value)),
            None => self.histogram(step).cloned().map(Sample::Histogram),
        }
    }

    pub(super) fn has(&self, step: usize) -> bool {
        self.float(step).is_some() || self.histogram(step).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        let has_histogram = self.histograms.iter().any(Option::is_some);
        !has_histogram && !self.floats.iter().copied().any(is_float)
    }

    pub(super) fn set(&mut self, step: usize, sample: Option<Sample>) {
        let (float, histogram) = match sample {
            Some(Sample::Float(value)) => (value, None),
            Some(Sample::Histogram(histogram)) => (absent(), Some(histogram)),
            None => (absent(), None),
        };
        if histogram.is_some() && self.histograms.is_empty() {
            self.histograms = vec![None; self.floats.len()];
        }
        if let Some(slot) = self.floats.get_mut(step) {
            *slot = float;
        }
        if let Some(slot) = self.histograms.get_mut(step) {
            *slot = histogram;
        }
    }

    /// What is left where `keep` says so.
    pub(super) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        for step in 0..self.floats.len() {
            if !keep(step) {
                self.set(step, None);
            }
        }
    }

    /// Lets the name of the metric go, now or at the end.
    pub(super) fn drop_name(&mut self, context: &Context<'_>) {
        if context.settings.delays_name_removal {
            self.drops_name = true;
        } else {
            self.labels = without_name(&self.labels);
        }
    }

    pub(super) fn into_series(self, grid: Grid) -> Series {
        let mut series = Series { labels: self.labels, ..Series::default() };
        let present = self.floats.iter().filter(|value| is_float(**value)).count();
        series.times.reserve(present);
        series.values.reserve(present);
        for (step, value) in self.floats.into_iter().enumerate() {
            if is_float(value) {
                series.times.push(grid.time(step));
                series.values.push(value);
            }
        }
        let histograms = self.histograms.into_iter().enumerate();
        series.histograms = histograms
            .filter_map(|(step, histogram)| Some((grid.time(step), histogram?)))
            .collect();
        series
    }
}

pub(super) fn without_name(labels: &Labels) -> Labels {
    let is_described = labels.iter().any(|(name, _)| DESCRIBING.contains(&name));
    if is_described { labels.keep(|name| !DESCRIBING.contains(&name)) } else { labels.clone() }
}

/// Lets the names of metrics go from what a function made of `rows`, and puts together what has the same
/// labels then.
pub(super) fn unnamed(context: &Context<'_>, mut rows: Vec<Row>) -> Evaluated<Vec<Row>> {
    for row in &mut rows {
        context.budget.check()?;
        row.drop_name(context);
    }
    if context.settings.delays_name_removal { Ok(rows) } else { merge(context, rows) }
}

/// Joins rows that have the same labels now. That is an error where two of them have a value at the same
/// step.
pub(super) fn merge(context: &Context<'_>, rows: Vec<Row>) -> Evaluated<Vec<Row>> {
    let mut places = HashMap::with_capacity(rows.len());
    let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        context.budget.check()?;
        let place = *places.entry(row.labels.clone()).or_insert(merged.len());
        let Some(first) = merged.get_mut(place) else {
            merged.push(row);
            continue;
        };
        for step in 0..row.floats.len() {
            let Some(sample) = row.sample(step) else { continue };
            if first.has(step) {
                return fail("vector cannot contain metrics with the same labelset");
            }
            first.set(step, Some(sample));
        }
        first.drops_name |= row.drops_name;
    }
    Ok(merged)
}
