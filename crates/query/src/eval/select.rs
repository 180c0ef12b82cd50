//! Selectors: what a series is at each step, and what lies in its windows.

use std::sync::Arc;

use model::{histogram::Histogram, sample::is_stale, series::SeriesData};

use super::{
    Context, Evaluated, millis,
    points::{Matrix, Place, Points},
    row::{Row, absent},
    rows::{self, Loaded, Look, Need},
    stream::stream,
};
use crate::{
    ast::{Node, Selector, Window},
    value::Sample,
};

/// What is asked of the newest sample at a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Sample,
    /// When it was taken, in seconds.
    Time,
}

impl Wanted {
    fn of_float(self, time: i64, value: f64) -> f64 {
        if self == Self::Time { time as f64 / 1e3 } else { value }
    }

    /// How many samples are looked at to have it.
    fn weight(self, histogram: &Histogram) -> u64 {
        if self == Self::Time { 1 } else { histogram.weight() }
    }

    fn of_histogram(self, time: i64, histogram: &Arc<Histogram>) -> Sample {
        match self {
            Self::Sample => Sample::Histogram(Arc::clone(histogram)),
            Self::Time => Sample::Float(time as f64 / 1e3),
        }
    }
}

/// The steps that a selector without window is asked for, and how far it looks back.
struct Steps<'a> {
    times: &'a [i64],
    lookback_ms: i64,
    wanted: Wanted,
}

impl Steps<'_> {
    /// What the floats of a series are at each step, and at how many there is one.
    fn floats(&self, series: &SeriesData) -> (Vec<f64>, u64) {
        let mut place = Place::default();
        let mut count = 0;
        let mut newest = |time: &i64| {
            let at = place.after(&series.times, *time).checked_sub(1)?;
            let (found, value) = (*series.times.get(at)?, *series.values.get(at)?);
            let is_fresh = found > time.saturating_sub(self.lookback_ms) && !is_stale(value);
            count += u64::from(is_fresh);
            is_fresh.then(|| self.wanted.of_float(found, value))
        };
        let floats = self.times.iter().map(|time| newest(time).unwrap_or_else(absent)).collect();
        (floats, count)
    }

    /// The newer of a float and a histogram at a step, and what it weighs.
    fn either(&self, time: i64, loaded: &Loaded, place: &mut Place) -> Option<(Sample, u64)> {
        let Loaded { series, histograms, .. } = loaded;
        let float = place.after(&series.times, time).checked_sub(1);
        let float = float.and_then(|at| Some((*series.times.get(at)?, *series.values.get(at)?)));
        let histogram = histograms.partition_point(|(at, _)| *at <= time).checked_sub(1);
        let histogram = histogram.and_then(|at| histograms.get(at));
        let is_fresh = |found: i64| found > time.saturating_sub(self.lookback_ms);
        match (float, histogram) {
            (float, Some((found, histogram))) if float.is_none_or(|(other, _)| other <= *found) => {
                let is_there = is_fresh(*found) && !histogram.is_stale();
                let wanted = self.wanted;
                is_there.then(|| (wanted.of_histogram(*found, histogram), wanted.weight(histogram)))
            }
            (Some((found, value)), _) => {
                let is_there = is_fresh(found) && !is_stale(value);
                is_there.then(|| (Sample::Float(self.wanted.of_float(found, value)), 1))
            }
            (None, _) => None,
        }
    }
}

impl Context<'_> {
    /// The newest sample of each series at each step.
    pub(super) fn select(&self, selector: &Selector, node: &Node) -> Evaluated<Vec<Row>> {
        self.newest(selector, node, Need::NEWEST, Wanted::Sample)
    }

    /// When the newest sample of each series was taken, in seconds.
    pub(super) fn select_times(&self, selector: &Selector, node: &Node) -> Evaluated<Vec<Row>> {
        self.newest(selector, node, Need::NEWEST_TIME, Wanted::Time)
    }

    fn newest(
        &self,
        selector: &Selector,
        node: &Node,
        need: Need,
        wanted: Wanted,
    ) -> Evaluated<Vec<Row>> {
        let lookback_ms = millis(self.settings.lookback);
        let times = self.times(&selector.shift)?;
        let look = Look { selector, node, times: &times, back_ms: lookback_ms, need };
        let steps = Steps { times: &times, lookback_ms, wanted };
        let streamed = stream(self, &look, &|series, pace| {
            let (floats, count) = steps.floats(series);
            pace.advance(count)?;
            Ok(floats)
        })?;
        if let Some(rows) = streamed {
            return Ok(rows);
        }
        let loaded = rows::load(self, &look)?;
        self.check_size(loaded.len())?;
        let mut rows = Vec::with_capacity(loaded.len());
        for loaded in loaded {
            let mut row = Row::empty(loaded.series.labels.clone(), times.len());
            let mut place = Place::default();
            for (step, time) in times.iter().enumerate() {
                if let Some((sample, weight)) = steps.either(*time, &loaded, &mut place) {
                    self.count(step, weight);
                    row.set(step, Some(sample));
                }
            }
            if !row.is_empty() {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    pub(super) fn window(&self, window: &Window, node: &Node, need: Need) -> Evaluated<Matrix> {
        let ends = self.times(&window.selector.shift)?;
        let range_ms = self.length(&window.range)?;
        let selector = &window.selector;
        let look = Look { selector, node, times: &ends, back_ms: range_ms, need };
        let loaded = rows::load(self, &look)?.into_iter();
        let series = loaded.map(|loaded| Points::new(loaded, false)).collect();
        Ok(Matrix { series, range_ms, ends })
    }
}
