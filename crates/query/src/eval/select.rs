//! Selectors: what a series is at each step, and what lies in its windows.

use std::sync::Arc;

use model::{histogram::Histogram, sample::is_stale};

use super::{
    Context, Evaluated,
    functions::Scalars,
    millis,
    points::{Matrix, Place, Points},
    row::{Row, absent},
    rows::{self, Loaded, Look, Need, Wanted},
    streamed,
    window::WindowFn,
};
use crate::{
    ast::{Node, Selector, Window},
    value::Sample,
};

/// What was found of a series at each step: when, and what.
type Found<'a> = Option<(i64, FoundSample<'a>)>;

#[derive(Clone, Copy)]
enum FoundSample<'a> {
    Float(f64),
    Histogram(&'a Arc<Histogram>),
}

/// What a function of windows begins with.
pub(super) enum Windows {
    /// Its values, with the labels of the samples.
    Done(Vec<Row>),
    Open(Matrix),
}

impl Context<'_> {
    /// The newest sample of each series at each step.
    pub(super) fn select(&self, selector: &Selector, node: &Node) -> Evaluated<Vec<Row>> {
        self.newest(selector, node, Need::NEWEST, |found| match found {
            Some((_, FoundSample::Float(value))) => Some(Sample::Float(value)),
            Some((_, FoundSample::Histogram(histogram))) => {
                Some(Sample::Histogram(Arc::clone(histogram)))
            }
            None => None,
        })
    }

    /// When the newest sample of each series was taken, in seconds.
    pub(super) fn select_times(&self, selector: &Selector, node: &Node) -> Evaluated<Vec<Row>> {
        self.newest(selector, node, Need::NEWEST_TIME, |found| {
            found.map(|(time, _)| Sample::Float(time as f64 / 1e3))
        })
    }

    fn newest(
        &self,
        selector: &Selector,
        node: &Node,
        need: Need,
        pick: fn(Found<'_>) -> Option<Sample>,
    ) -> Evaluated<Vec<Row>> {
        let lookback = millis(self.settings.lookback);
        let times = self.times(&selector.shift)?;
        let look = Look { selector, node, times: &times, back_ms: lookback, need };
        let loaded = rows::load(self, &look)?;
        self.check_size(loaded.len())?;
        let mut rows = Vec::with_capacity(loaded.len());
        for loaded in loaded {
            let row = self.newest_of(loaded, &times, lookback, pick);
            if !row.is_empty() {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn newest_of(
        &self,
        loaded: Loaded,
        times: &[i64],
        lookback: i64,
        pick: fn(Found<'_>) -> Option<Sample>,
    ) -> Row {
        let Loaded { series, histograms, .. } = loaded;
        let mut row = Row::new(series.labels, Vec::with_capacity(times.len()));
        let mut place = Place::default();
        if histograms.is_empty() {
            let mut count = 0;
            for (step, time) in times.iter().enumerate() {
                let newest = place.after(&series.times, *time).checked_sub(1).filter(|at| {
                    series.times[*at] > time.saturating_sub(lookback)
                        && !is_stale(series.values[*at])
                });
                let value =
                    newest.map(|at| (series.times[at], FoundSample::Float(series.values[at])));
                count += u64::from(value.is_some());
                row.floats.push(match pick(value) {
                    Some(Sample::Float(value)) => value,
                    _ => absent(),
                });
                if self.settings.counts_per_step && value.is_some() {
                    self.count(step, 1);
                }
            }
            if !self.settings.counts_per_step {
                self.count(0, count);
            }
            return row;
        }
        row.floats.resize(times.len(), absent());
        for (step, time) in times.iter().enumerate() {
            let at = place.after(&series.times, *time).checked_sub(1);
            let float = at.map(|at| (series.times[at], FoundSample::Float(series.values[at])));
            let at = histograms.partition_point(|(at, _)| at <= time).checked_sub(1);
            let histogram =
                at.map(|at| (histograms[at].0, FoundSample::Histogram(&histograms[at].1)));
            let newest = [float, histogram].into_iter().flatten().max_by_key(|(time, _)| *time);
            let newest = newest.filter(|(found, sample)| {
                let is_marker = match sample {
                    FoundSample::Float(value) => is_stale(*value),
                    FoundSample::Histogram(histogram) => histogram.is_stale(),
                };
                *found > time.saturating_sub(lookback) && !is_marker
            });
            match newest {
                Some((_, FoundSample::Float(_))) => self.count(step, 1),
                Some((_, FoundSample::Histogram(histogram))) => {
                    self.count(step, histogram.weight())
                }
                None => {}
            }
            row.set(step, pick(newest));
        }
        row
    }

    /// The windows of a selector, reckoned with already where they need nothing but samples.
    pub(super) fn windows_of(
        &self,
        window: &Window,
        node: &Node,
        need: Need,
        run: WindowFn,
        given: &Scalars,
    ) -> Evaluated<Windows> {
        let ends = self.times(&window.selector.shift)?;
        let range_ms = self.length(&window.range)?;
        let selector = &window.selector;
        let look = Look { selector, node, times: &ends, back_ms: range_ms, need };
        Ok(match rows::wanted(self, &look)? {
            Wanted::Samples(range) => {
                Windows::Done(streamed::evaluate(self, &look, range, run, given)?)
            }
            Wanted::Mixed(histograms) => {
                let loaded = rows::load_beside(self, &look, histograms)?.into_iter();
                let series = loaded.map(|loaded| Points::new(loaded, false)).collect();
                Windows::Open(Matrix { series, range_ms, ends })
            }
        })
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
