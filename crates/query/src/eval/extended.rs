//! Windows that look beyond their borders, as the modifiers `anchored` and `smoothed` ask for.
//!
//! Experimental in Prometheus (3.7), which knows them for few functions and not for native histograms.

use super::{
    Context, Evaluated, fail,
    functions::Function,
    millis,
    points::{Matrix, Points, Window},
    row::{Row, absent},
    rows::{self, Look, Need},
    stream::Pace,
    window::differ,
};
use crate::{
    ast::{self, Extension, Kind, Node, Selector},
    value::Series,
};

const ANCHORED: [&str; 5] = ["changes", "delta", "increase", "rate", "resets"];
const SMOOTHED: [&str; 3] = ["delta", "increase", "rate"];

/// The window that `node` is and how it looks beyond its borders, where it does.
pub(super) fn of(node: &Node) -> Option<(&ast::Window, Extension)> {
    match &node.bare().kind {
        Kind::Window(window) => Some((window, window.selector.extension?)),
        _ => None,
    }
}

/// Points in a window and around it.
struct Around<'a> {
    times: &'a [i64],
    values: &'a [f64],
    /// Borders of the window itself.
    start: i64,
    end: i64,
    is_smoothed: bool,
}

impl Around<'_> {
    /// Index of the last point at or before the start, or of the first one there is.
    fn first(&self) -> usize {
        let others = self.times.get(..self.times.len().saturating_sub(1)).unwrap_or_default();
        others.partition_point(|time| *time <= self.start).saturating_sub(1)
    }

    /// Index of the last point, or of the one that smoothing needs at the end.
    fn last(&self) -> usize {
        let last = self.times.len().saturating_sub(1);
        let others = self.times.get(..last).unwrap_or_default();
        if self.is_smoothed { others.partition_point(|time| *time < self.end) } else { last }
    }

    /// Values at both borders; `None` where nothing lies in the window.
    fn borders(&self, is_counter: bool) -> Option<[f64; 2]> {
        let (first, last) = (self.first(), self.last());
        if *self.times.get(last)? <= self.start {
            return None;
        }
        let is_before = self.is_smoothed && self.times[first] < self.start;
        let left = match is_before {
            true => self.between(first, first + 1, self.start, is_counter)?,
            false => self.values[first],
        };
        let is_after = self.is_smoothed && last > 0 && self.times[last] > self.end;
        let right = match is_after {
            true => self.between(last - 1, last, self.end, is_counter)?,
            false => self.values[last],
        };
        Some([left, right])
    }

    /// The value at `time` on the line between two points. A counter that fell began at zero.
    fn between(&self, before: usize, after: usize, time: i64, is_counter: bool) -> Option<f64> {
        let (from, to) = (*self.times.get(before)?, *self.times.get(after)?);
        let (first, second) = (*self.values.get(before)?, *self.values.get(after)?);
        let first = if is_counter && second < first { 0.0 } else { first };
        Some(first + (second - first) * (time - from) as f64 / (to - from) as f64)
    }

    /// The points strictly inside.
    fn inside(&self) -> std::ops::Range<usize> {
        let (first, last) = (self.first(), self.last());
        let from = first + usize::from(self.times[first] <= self.start);
        let to = if self.times[last] >= self.end { last } else { last + 1 };
        from..to.max(from)
    }

    fn change(&self, is_counter: bool) -> Option<f64> {
        let [left, right] = self.borders(is_counter)?;
        let mut change = right - left;
        if is_counter {
            let mut before = left;
            let inside = self.values.get(self.inside()).unwrap_or_default();
            for value in inside.iter().chain([&right]) {
                change += if *value < before { before } else { 0.0 };
                before = *value;
            }
        }
        Some(change)
    }

    /// How many points differ so from the one before, the one before the window among them.
    fn transitions(&self, is_one: fn(f64, f64) -> bool) -> Option<f64> {
        if *self.times.last()? <= self.start {
            return None;
        }
        let values = self.values.get(self.first()..).unwrap_or_default();
        Some(values.windows(2).filter(|pair| is_one(pair[0], pair[1])).count() as f64)
    }
}

fn load(
    context: &Context<'_>,
    node: &Node,
    window: &ast::Window,
    extension: Extension,
) -> Evaluated<Matrix> {
    let ends = context.times(&window.selector.shift)?;
    let range_ms = context.length(&window.range)?;
    around(context, node, &window.selector, ends, range_ms, extension)
}

/// Windows that reach as far beyond `range_ms` as the lookback.
fn around(
    context: &Context<'_>,
    node: &Node,
    selector: &Selector,
    mut ends: Vec<i64>,
    range_ms: i64,
    extension: Extension,
) -> Evaluated<Matrix> {
    let lookback = millis(context.settings.lookback);
    let ahead = if extension == Extension::Smoothed { lookback } else { 0 };
    ends.iter_mut().for_each(|end| *end = end.saturating_add(ahead));
    let range_ms = range_ms.saturating_add(lookback).saturating_add(ahead);
    let look = Look { selector, node, times: &ends, back_ms: range_ms, need: Need::POINTS };
    let loaded = rows::load(context, &look)?.into_iter();
    let series: Vec<Points> = loaded.map(|loaded| Points::new(loaded, false)).collect();
    if series.iter().any(|points| !points.histograms.is_empty()) {
        return fail("smoothed and anchored modifiers do not work with native histograms");
    }
    Ok(Matrix { series, range_ms, ends })
}

/// A function of windows that look beyond their borders.
pub(super) fn evaluate(
    context: &Context<'_>,
    function: &Function,
    node: &Node,
    (window, extension): (&ast::Window, Extension),
) -> Evaluated<Vec<Row>> {
    let (word, known) = match extension {
        Extension::Anchored => ("anchored", &ANCHORED[..]),
        Extension::Smoothed => ("smoothed", &SMOOTHED[..]),
    };
    if !known.contains(&function.name) {
        let known = known.join(", ");
        return fail(format!(
            "{word} modifier can only be used with: {known} - not with {}",
            function.name
        ));
    }
    let matrix = load(context, node, window, extension)?;
    let range_ms = context.length(&window.range)?;
    context.check_size(matrix.series.len())?;
    let mut rows = Vec::with_capacity(matrix.series.len());
    let mut pace = Pace::new(context.budget);
    for series in &matrix.series {
        context.budget.check()?;
        let mut row = Row::empty(series.labels.clone(), context.steps());
        let windows = series.windows(&matrix.ends, matrix.range_ms);
        for (step, window) in windows.enumerate().filter(|(_, window)| !window.is_empty()) {
            context.count(step, window.weight());
            pace.advance(window.weight())?;
            let around = part(context, &window, range_ms, extension);
            let value = match function.name {
                "rate" => around.change(true).map(|change| change / (range_ms as f64 / 1e3)),
                "increase" => around.change(true),
                "delta" => around.change(false),
                "changes" => around.transitions(differ),
                _ => around.transitions(|before, after| after < before),
            };
            row.floats[step] = value.unwrap_or_else(absent);
        }
        if !row.is_empty() {
            row.drop_name(context);
            rows.push(row);
        }
    }
    Ok(rows)
}

fn part<'a>(
    context: &Context<'_>,
    window: &Window<'a>,
    range_ms: i64,
    extension: Extension,
) -> Around<'a> {
    let is_smoothed = extension == Extension::Smoothed;
    let ahead = if is_smoothed { millis(context.settings.lookback) } else { 0 };
    let end = window.end.saturating_sub(ahead);
    let (times, values) = (window.times, window.values);
    Around { times, values, start: end.saturating_sub(range_ms), end, is_smoothed }
}

/// The windows themselves, with points at their borders.
pub(super) fn raw(
    context: &Context<'_>,
    node: &Node,
    (window, extension): (&ast::Window, Extension),
) -> Evaluated<Vec<Series>> {
    let matrix = load(context, node, window, extension)?;
    let range_ms = context.length(&window.range)?;
    let mut found = Vec::new();
    for points in &matrix.series {
        for window in points.windows(&matrix.ends, matrix.range_ms) {
            let around = part(context, &window, range_ms, extension);
            if window.is_empty() {
                continue;
            }
            let Some([left, right]) = around.borders(false) else { continue };
            let inside = around.inside();
            let times = around.times.get(inside.clone()).unwrap_or_default();
            let values = around.values.get(inside).unwrap_or_default();
            context.count(0, times.len() as u64 + 2);
            found.push(Series {
                labels: points.labels.clone(),
                times: [&[around.start], times, &[around.end]].concat(),
                values: [&[left], values, &[right]].concat(),
                histograms: Vec::new(),
            });
        }
    }
    found.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(found)
}

/// A selector without window, smoothed between the points around each step.
pub(super) fn newest(
    context: &Context<'_>,
    selector: &Selector,
    node: &Node,
    extension: Extension,
) -> Evaluated<Vec<Row>> {
    if extension == Extension::Anchored {
        return fail("anchored modifier can only be used with range vector selectors");
    }
    let ends = context.times(&selector.shift)?;
    let matrix = around(context, node, selector, ends, 0, extension)?;
    context.check_size(matrix.series.len())?;
    let mut rows = Vec::with_capacity(matrix.series.len());
    for series in &matrix.series {
        context.budget.check()?;
        let mut row = Row::empty(series.labels.clone(), context.steps());
        for (step, window) in series.windows(&matrix.ends, matrix.range_ms).enumerate() {
            let around = part(context, &window, 0, extension);
            let next = around.times.partition_point(|time| *time < around.end);
            let value = match (next.checked_sub(1), around.times.get(next)) {
                (_, Some(time)) if *time == around.end => around.values.get(next).copied(),
                (Some(before), Some(_)) => around.between(before, next, around.end, false),
                (Some(before), None) => around.values.get(before).copied(),
                (None, _) => None,
            };
            context.count(step, u64::from(value.is_some()));
            row.floats[step] = value.unwrap_or_else(absent);
        }
        if !row.is_empty() {
            rows.push(row);
        }
    }
    Ok(rows)
}
