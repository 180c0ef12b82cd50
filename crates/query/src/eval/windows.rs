//! Functions of range vectors: which windows they see, and what they make of native histograms.

use std::{collections::HashSet, sync::Arc};

use model::{
    Labels,
    histogram::{CUSTOM_SCHEMA, Histogram, ResetHint},
    series::SeriesData,
};

use super::{
    Context, Evaluated, aggregate, extended, fail,
    functions::{Function, Scalars},
    points::{Points, Window},
    row::{Row, absent},
    rows::{Loaded, Look, Need},
    stream::{Pace, stream},
    window::{self, WindowFn},
};
use crate::{
    ast::{Kind, Node, Type},
    format::format_float,
    histogram::{self, HistogramMean, HistogramSum, Incompatible, Notes},
    value::Sample,
};

/// What a function does where a window has histograms.
#[derive(Clone, Copy, Debug)]
pub(super) enum Beside {
    /// It takes the floats alone, and says so.
    Ignored,
    /// It takes the window as it is.
    Both(MixedFn),
}

pub(super) type MixedFn = fn(&Asked<'_>, &Window<'_>) -> Option<Sample>;

/// Who asks, and with which argument.
pub(super) struct Asked<'a> {
    context: &'a Context<'a>,
    /// The first argument, which annotations are about.
    node: &'a Node,
}

pub(super) fn evaluate(
    context: &Context<'_>,
    function: &Function,
    run: WindowFn,
    beside: Beside,
    arguments: &[Node],
    keeps_name: bool,
) -> Evaluated<Vec<Row>> {
    let is_matrix = |node: &&Node| node.kind_of() == Type::Matrix;
    let Some(node) = arguments.iter().find(is_matrix) else { return fail("no range vector") };
    let others = arguments.iter().filter(|node| !is_matrix(node));
    let given = Scalars::of(context, others)?;
    if let Some(window) = extended::of(node) {
        let rows = extended::evaluate(context, function, node, window)?;
        return if context.settings.delays_name_removal { Ok(rows) } else { distinct(rows) };
    }
    let asked = Asked { context, node: &arguments[0] };
    let need = Need::of(function.name);
    let mut rows = match streamed(context, node, need, run, &given)? {
        Some(rows) => rows,
        None => loaded(&asked, node, need, (run, beside), &given)?,
    };
    check_given(&asked, function, &given, &rows)?;
    for row in &mut rows {
        context.budget.check()?;
        inform_of_gauge(&asked, function, row);
        if !keeps_name {
            row.drop_name(context);
        }
    }
    if context.settings.delays_name_removal { Ok(rows) } else { distinct(rows) }
}

/// The rows of any window.
fn loaded(
    asked: &Asked<'_>,
    node: &Node,
    need: Need,
    (run, beside): (WindowFn, Beside),
    given: &Scalars,
) -> Evaluated<Vec<Row>> {
    let context = asked.context;
    let matrix = context.matrix(node, need)?;
    context.check_size(matrix.series.len())?;
    let mut rows = Vec::with_capacity(matrix.series.len());
    for series in &matrix.series {
        context.budget.check()?;
        let mut row = Row::empty(series.labels.clone(), context.steps());
        let windows = series.windows(&matrix.ends, matrix.range_ms);
        let mut pace = Pace::new(context.budget);
        for (step, mut window) in windows.enumerate() {
            if window.is_empty() {
                continue;
            }
            let weight = window.weight();
            context.count(step, weight);
            pace.advance(weight)?;
            window.now = context.grid.time(step);
            if window.histograms.is_empty() {
                row.floats[step] = run(&window, &given.at(step)).unwrap_or_else(absent);
                continue;
            }
            let sample = match beside {
                Beside::Both(run) => run(asked, &window),
                Beside::Ignored if window.values.is_empty() => None,
                Beside::Ignored => {
                    context.inform_ignored_in_range(window.metric(), asked.node);
                    run(&window, &given.at(step)).map(Sample::Float)
                }
            };
            context.count_made_sample(sample.as_ref())?;
            row.set(step, sample);
        }
        if !row.is_empty() {
            row.drops_name = series.drops_name;
            rows.push(row);
        }
    }
    Ok(rows)
}

/// The rows of a window over a selector, where its series need not be held.
fn streamed(
    context: &Context<'_>,
    node: &Node,
    need: Need,
    run: WindowFn,
    given: &Scalars,
) -> Evaluated<Option<Vec<Row>>> {
    let Kind::Window(window) = &node.bare().kind else { return Ok(None) };
    let ends = context.times(&window.selector.shift)?;
    let (selector, back_ms) = (&window.selector, context.length(&window.range)?);
    let look = Look { selector, node, times: &ends, back_ms, need };
    let grid = context.grid;
    stream(context, &look, &|series, pace| {
        let loaded = Loaded { series: std::mem::take(series), ..Loaded::default() };
        let points = Points::new(loaded, false);
        let mut floats = Vec::with_capacity(ends.len());
        // Not a loop: windows would be passed through memory, which takes as long as what is done with them.
        points.windows(&ends, back_ms).enumerate().try_for_each(|(step, mut window)| {
            pace.advance(window.values.len() as u64)?;
            window.now = grid.time(step);
            let value = (!window.values.is_empty()).then(|| run(&window, &given.at(step)));
            floats.push(value.flatten().unwrap_or_else(absent));
            Ok(())
        })?;
        // The columns are used again for the next series.
        let Points { labels, times, values, .. } = points;
        *series = SeriesData { labels, times, values };
        Ok(floats)
    })
}

/// Refuses and warns of scalars at the steps that a function has results at.
fn check_given(
    asked: &Asked<'_>,
    function: &Function,
    given: &Scalars,
    rows: &[Row],
) -> Evaluated<()> {
    let context = asked.context;
    let has_result = |step: &usize| rows.iter().any(|row| row.has(*step));
    match function.name {
        "quantile_over_time" => {
            let phi = |step: &usize| given.at(*step)[0];
            let is_odd = |step: &usize| !(0.0..=1.0).contains(&phi(step));
            let steps = (0..context.steps()).filter(is_odd).filter(has_result);
            aggregate::warn_quantile(context, steps.map(|step| phi(&step)), asked.node);
        }
        "double_exponential_smoothing" => {
            for (name, short, index) in [("smoothing", "sf", 0), ("trend", "tf", 1)] {
                let factor = |step: &usize| given.at(*step)[index];
                let is_refused = |step: &usize| factor(step) <= 0.0 || factor(step) >= 1.0;
                if let Some(step) = (0..context.steps()).filter(is_refused).find(has_result) {
                    let factor = factor(&step);
                    let factor = if factor.is_finite() {
                        format!("{factor:.6}")
                    } else {
                        format_float(factor)
                    };
                    return fail(format!(
                        "invalid {name} factor. Expected: 0 < {short} < 1, got: {factor}"
                    ));
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// Two series that differ in nothing but the name of their metric cannot both be in one result.
fn distinct(rows: Vec<Row>) -> Evaluated<Vec<Row>> {
    let mut seen: HashSet<Labels> = HashSet::with_capacity(rows.len());
    if rows.iter().all(|row| seen.insert(row.labels.clone())) {
        return Ok(rows);
    }
    fail("vector cannot contain metrics with the same labelset")
}

/// Says that a rate is asked of what its name does not call a counter.
fn inform_of_gauge(asked: &Asked<'_>, function: &Function, row: &Row) {
    let name = row.labels.name();
    let endings = ["_total", "_sum", "_count", "_bucket"];
    let is_asked = matches!(function.name, "rate" | "increase");
    if !is_asked || name.is_empty() || endings.iter().any(|ending| name.ends_with(ending)) {
        return;
    }
    if row.floats.iter().copied().any(super::row::is_float) {
        let text = format!(
            "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name:?}"
        );
        asked.context.inform(text, asked.node);
    }
}

impl Asked<'_> {
    /// Says that a window has both kinds where only one can be reckoned with.
    fn mixed(&self, window: &Window<'_>) -> Option<Sample> {
        self.context.warn_mixed(window.metric(), self.node);
        None
    }

    /// What an operation on histograms was, if it was possible.
    fn noted(
        &self,
        window: &Window<'_>,
        what: &str,
        done: Result<Notes, Incompatible>,
    ) -> Option<()> {
        match done {
            Ok(notes) => {
                if notes.bounds_reconciled {
                    self.context.inform_reconciled(what, self.node.start);
                }
                Some(())
            }
            Err(Incompatible) => {
                self.context.warn_schemas(window.metric(), self.node);
                None
            }
        }
    }
}

fn finished(mut histogram: Histogram) -> Option<Sample> {
    histogram::compact(&mut histogram);
    Some(Sample::Histogram(Arc::new(histogram)))
}

/// The change over the window, as of floats.
fn extrapolated(
    asked: &Asked<'_>,
    window: &Window<'_>,
    is_counter: bool,
    is_rate: bool,
) -> Option<Sample> {
    if !window.values.is_empty() {
        return asked.mixed(window);
    }
    let points = window.histograms;
    let [(first_time, first), .., (last_time, _)] = points else { return None };
    let mut change = difference(asked, window, is_counter)?;
    let counted = is_counter && change.count > 0.0;
    let times = [*first_time, *last_time];
    let start = counted.then(|| first.count / change.count);
    let factor = window::reach(window, times, points.len(), start, is_rate);
    histogram::scale(&mut change, factor);
    finished(change)
}

/// Last less first, what was counted before resets added.
fn difference(asked: &Asked<'_>, window: &Window<'_>, is_counter: bool) -> Option<Histogram> {
    let points = window.histograms;
    let [(_, first), (_, second), ..] = points else { return None };
    let (_, last) = points.last()?;
    let is_gauge = |histogram: &Histogram| histogram.reset_hint == ResetHint::Gauge;
    if is_counter && points.iter().any(|(_, histogram)| is_gauge(histogram)) {
        asked.context.warn_not_counter(window.metric(), asked.node);
    }
    // What the first one counted does not matter where the second began anew.
    let emptied;
    let mut previous: &Histogram = first;
    if is_counter && histogram::is_reset(second, first) {
        let (schema, custom_bounds) = (second.schema, second.custom_bounds.clone());
        emptied = Histogram { schema, custom_bounds, ..Histogram::default() };
        previous = &emptied;
    }
    let is_custom = |histogram: &Histogram| histogram.schema == CUSTOM_SCHEMA;
    let is_other =
        |(_, histogram): &(i64, Arc<Histogram>)| is_custom(histogram) != is_custom(previous);
    if is_counter && points[1..].iter().any(is_other) {
        asked.context.warn_schemas(window.metric(), asked.node);
        return None;
    }
    let mut change = Histogram::clone(last);
    asked.noted(window, "subtraction", histogram::subtract(&mut change, previous))?;
    if is_counter {
        for (_, current) in &points[1..] {
            if histogram::is_reset(current, previous) {
                asked.noted(window, "addition", histogram::add(&mut change, previous))?;
            }
            previous = current;
        }
    } else if !is_gauge(first) || !is_gauge(last) {
        asked.context.warn_not_gauge(window.metric(), asked.node);
    }
    change.reset_hint = ResetHint::Gauge;
    Some(change)
}

pub(super) fn rate(asked: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    extrapolated(asked, window, true, true)
}

pub(super) fn increase(asked: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    extrapolated(asked, window, true, false)
}

pub(super) fn delta(asked: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    extrapolated(asked, window, false, false)
}

/// The samples of a window from the newest to the oldest.
fn newest_first(window: &Window<'_>) -> impl Iterator<Item = (i64, Sample)> {
    let mut floats = window.times.iter().zip(window.values).rev().peekable();
    let mut histograms = window.histograms.iter().rev().peekable();
    std::iter::from_fn(move || {
        let is_float = match (floats.peek(), histograms.peek()) {
            (Some((float, _)), Some((histogram, _))) => **float > *histogram,
            (float, _) => float.is_some(),
        };
        if is_float {
            return floats.next().map(|(time, value)| (*time, Sample::Float(*value)));
        }
        let (time, histogram) = histograms.next()?;
        Some((*time, Sample::Histogram(Arc::clone(histogram))))
    })
}

/// From the last two samples.
fn instantly(asked: &Asked<'_>, window: &Window<'_>, is_rate: bool) -> Option<Sample> {
    let mut newest = newest_first(window);
    let ((time, last), (before, previous)) = (newest.next()?, newest.next()?);
    let seconds = (time - before) as f64 / 1e3;
    let (last, previous) = match (last, previous) {
        (Sample::Histogram(last), Sample::Histogram(previous)) => (last, previous),
        (Sample::Float(last), Sample::Float(previous)) => {
            let is_reset = is_rate && last < previous;
            let change = if is_reset { last } else { last - previous };
            return Some(Sample::Float(if is_rate { change / seconds } else { change }));
        }
        _ => return asked.mixed(window),
    };
    let are_gauges = [&last, &previous].map(|h| h.reset_hint == ResetHint::Gauge);
    if is_rate && are_gauges.contains(&true) {
        asked.context.warn_not_counter(window.metric(), asked.node);
    }
    if !is_rate && are_gauges.contains(&false) {
        asked.context.warn_not_gauge(window.metric(), asked.node);
    }
    let mut change = Histogram::clone(&last);
    if !is_rate || !histogram::is_reset(&last, &previous) {
        asked.noted(window, "subtraction", histogram::subtract(&mut change, &previous))?;
    }
    change.reset_hint = ResetHint::Gauge;
    if is_rate {
        histogram::divide(&mut change, seconds);
    }
    finished(change)
}

pub(super) fn irate(asked: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    instantly(asked, window, true)
}

pub(super) fn idelta(asked: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    instantly(asked, window, false)
}

/// How many samples differ from the one before by `differ`; of two kinds they always do.
fn transitions(
    window: &Window<'_>,
    of_floats: fn(f64, f64) -> bool,
    of_histograms: fn(&Histogram, &Histogram) -> bool,
) -> Option<Sample> {
    let mut newest = newest_first(window);
    let (_, mut later) = newest.next()?;
    let mut count = 0.0;
    for (_, earlier) in newest {
        let is_one = match (&earlier, &later) {
            (Sample::Float(earlier), Sample::Float(later)) => of_floats(*earlier, *later),
            (Sample::Histogram(earlier), Sample::Histogram(later)) => of_histograms(earlier, later),
            _ => true,
        };
        count += f64::from(u8::from(is_one));
        later = earlier;
    }
    Some(Sample::Float(count))
}

pub(super) fn changes(_: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    transitions(window, window::differ, |earlier, later| !histogram::equals(later, earlier))
}

pub(super) fn resets(_: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    let of_floats = |earlier, later| later < earlier;
    transitions(window, of_floats, |earlier, later| histogram::is_reset(later, earlier))
}

pub(super) fn sum(asked: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    if !window.values.is_empty() {
        return asked.mixed(window);
    }
    let ((_, first), others) = window.histograms.split_first()?;
    let mut sum = HistogramSum::new(Histogram::clone(first));
    for (_, histogram) in others {
        asked.noted(window, "aggregation", sum.add(histogram))?;
    }
    if sum.hints_collide() {
        asked.context.warn_reset_collision("aggregation", asked.node.start);
    }
    finished(sum.value())
}

pub(super) fn avg(asked: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    if !window.values.is_empty() {
        return asked.mixed(window);
    }
    let ((_, first), others) = window.histograms.split_first()?;
    let mut mean = HistogramMean::new(Histogram::clone(first));
    for (_, histogram) in others {
        asked.noted(window, "aggregation", mean.add(histogram))?;
    }
    if mean.hints_collide() {
        asked.context.warn_reset_collision("aggregation", asked.node.start);
    }
    finished(mean.value())
}

pub(super) fn count(_: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    Some(Sample::Float((window.values.len() + window.histograms.len()) as f64))
}

pub(super) fn present(_: &Asked<'_>, _: &Window<'_>) -> Option<Sample> {
    Some(Sample::Float(1.0))
}

pub(super) fn last(_: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    newest_first(window).next().map(|(_, sample)| sample)
}

pub(super) fn time_of_last(_: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    newest_first(window).next().map(|(time, _)| Sample::Float(time as f64 / 1e3))
}

/// The oldest sample of a window.
fn oldest(window: &Window<'_>) -> Option<(i64, Sample)> {
    let float = window.times.first().zip(window.values.first());
    let float = float.map(|(time, value)| (*time, Sample::Float(*value)));
    let histogram = window.histograms.first();
    let histogram =
        histogram.map(|(time, histogram)| (*time, Sample::Histogram(Arc::clone(histogram))));
    [histogram, float].into_iter().flatten().min_by_key(|(time, _)| *time)
}

pub(super) fn first(_: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    oldest(window).map(|(_, sample)| sample)
}

pub(super) fn time_of_first(_: &Asked<'_>, window: &Window<'_>) -> Option<Sample> {
    oldest(window).map(|(time, _)| Sample::Float(time as f64 / 1e3))
}
