//! Rows instead of samples: sums of one or ten minutes, which a store has of days that are over.
//!
//! Where all windows begin and end where rows do, some functions give the same from rows as from samples,
//! up to the order of additions. There rows are taken silently, because they are fewer. Where samples are
//! gone, rows stand in for them whatever is asked, and the answer says so. Everywhere else samples are
//! read. A sum that overflows is not rescued as one of samples is.

use std::{collections::HashMap, sync::Arc};

use model::{
    Labels, UnixMs,
    histogram::{Histogram, ResetHint},
    sample::is_stale,
    series::{Column, HistogramSeries, Matcher, Rows, SeriesData, TimeRange},
};

use super::{Context, Evaluated, calendar};
use crate::{
    ast::{Node, Selector},
    histogram,
};

/// So many rows must fit between two evaluations, or into a window, to be worth it.
const ROWS_MIN: i64 = 5;

/// What is asked of samples, which decides how rows can stand in for them.
#[derive(Clone, Copy)]
pub(super) struct Need {
    column: Column,
    /// Whether whole rows answer as their samples do.
    is_exact: bool,
    /// Whether it matters how many samples a row stands for.
    is_weighed: bool,
    /// Whether one sample at each step is looked for, within the lookback, and markers are seen.
    is_newest: bool,
}

impl Need {
    /// Points of a window, each by itself.
    pub(super) const POINTS: Self =
        Self { column: Column::Last, is_exact: false, is_weighed: false, is_newest: false };
    /// The newest value at each step.
    pub(super) const NEWEST: Self = Self { is_exact: true, is_newest: true, ..Self::POINTS };
    /// The time of the newest value, which no row knows.
    pub(super) const NEWEST_TIME: Self = Self { is_newest: true, ..Self::POINTS };

    /// What the function of windows of that name needs.
    pub(super) fn of(function: &str) -> Self {
        let exact = |column| Self { column, is_exact: true, ..Self::POINTS };
        match function {
            "min_over_time" => exact(Column::Min),
            "max_over_time" => exact(Column::Max),
            "sum_over_time" => exact(Column::Sum),
            "avg_over_time" => Self { is_weighed: true, ..exact(Column::Sum) },
            "count_over_time" => Self { is_weighed: true, ..exact(Column::Count) },
            "present_over_time" => exact(Column::Count),
            "last_over_time" => exact(Column::Last),
            "rate" | "increase" | "irate" => Self { column: Column::Growth, ..Self::POINTS },
            _ => Self::POINTS,
        }
    }

    /// Whether rows show only a marker where a window would look for the value before it.
    fn is_hidden_in(self, rows: &[Loaded]) -> bool {
        let has_marker = |row: &Loaded| row.series.values.iter().copied().any(is_stale);
        self.column == Column::Last && !self.is_newest && rows.iter().any(has_marker)
    }
}

/// A series as its windows need it, stale markers included.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) series: SeriesData,
    pub(super) histograms: Vec<(i64, Arc<Histogram>)>,
    /// How many samples each value stands for; empty where it is always one.
    pub(super) weights: Vec<f64>,
}

/// A time that is open at its start.
#[derive(Clone, Copy)]
struct Span {
    open: i64,
    end: i64,
}

impl Span {
    fn within(self, other: TimeRange) -> Self {
        Self { open: self.open.max(other.start.0), end: self.end.min(other.end.0) }
    }

    fn is_empty(self) -> bool {
        self.open >= self.end
    }

    fn range(self) -> TimeRange {
        TimeRange { start: UnixMs(self.open.saturating_add(1)), end: UnixMs(self.end) }
    }
}

/// Where rows stand in for samples.
struct Stretch {
    step_ms: i64,
    span: Span,
}

/// A selector that looks back `back_ms` from each of `times`.
pub(super) struct Look<'a> {
    pub(super) selector: &'a Selector,
    /// The selector in the query.
    pub(super) node: &'a Node,
    pub(super) times: &'a [i64],
    pub(super) back_ms: i64,
    pub(super) need: Need,
}

impl Look<'_> {
    fn span(&self) -> Span {
        let first = self.times.first().copied().unwrap_or_default();
        let end = self.times.last().copied().unwrap_or_default();
        Span { open: first.saturating_sub(self.back_ms), end }
    }

    /// When it looks for samples.
    pub(super) fn range(&self) -> TimeRange {
        self.span().range()
    }
}

/// Whether rows may stand in for samples.
pub(super) fn stand_in(context: &Context<'_>, look: &Look<'_>) -> bool {
    let (ready, span) = (context.source.rows(), look.span());
    exact(&ready, look, span).is_some() || missing(context, &ready, look, span).is_some()
}

/// The series that a selector needs.
pub(super) fn load(context: &Context<'_>, look: &Look<'_>) -> Evaluated<Vec<Loaded>> {
    let span = look.span();
    let loaded = with_histograms(context, look, span, load_floats(context, look, span)?)?;
    let histograms = loaded.iter().flat_map(|loaded| &loaded.histograms);
    let samples = loaded.iter().map(|loaded| loaded.series.values.len() as u64).sum::<u64>()
        + histograms.map(|(_, histogram)| histogram.weight()).sum::<u64>();
    context.count_loaded(loaded.len(), samples)?;
    Ok(loaded)
}

/// Puts native histograms beside the floats of the same series.
fn with_histograms(
    context: &Context<'_>,
    look: &Look<'_>,
    span: Span,
    mut loaded: Vec<Loaded>,
) -> Evaluated<Vec<Loaded>> {
    let matchers = &look.selector.matchers;
    let found = context.source.select_histograms(matchers, span.range(), context.budget)?;
    if found.is_empty() {
        return Ok(loaded);
    }
    let places = loaded.iter().enumerate();
    let places: HashMap<Labels, usize> =
        places.map(|(place, loaded)| (loaded.series.labels.clone(), place)).collect();
    for HistogramSeries { labels, times, histograms } in found {
        let histograms = if context.finds_resets { with_resets(histograms) } else { histograms };
        let histograms = times.into_iter().zip(histograms.into_iter().map(Arc::new)).collect();
        match places.get(&labels).and_then(|place| loaded.get_mut(*place)) {
            Some(loaded) => loaded.histograms = histograms,
            None => {
                let series = SeriesData { labels, ..SeriesData::default() };
                loaded.push(Loaded { series, histograms, ..Loaded::default() });
            }
        }
    }
    Ok(loaded)
}

/// Histograms that say whether their counter began anew since the one before.
fn with_resets(mut histograms: Vec<Histogram>) -> Vec<Histogram> {
    for at in (1..histograms.len()).rev() {
        if histograms[at].reset_hint == ResetHint::Gauge || histograms[at].is_stale() {
            continue;
        }
        let is_reset = histogram::is_reset(&histograms[at], &histograms[at - 1]);
        histograms[at].reset_hint = if is_reset { ResetHint::Reset } else { ResetHint::NoReset };
    }
    histograms
}

fn load_floats(context: &Context<'_>, look: &Look<'_>, span: Span) -> Evaluated<Vec<Loaded>> {
    let ready = context.source.rows();
    if let Some(stretch) = exact(&ready, look, span) {
        let rows = select_rows(context, look, &stretch)?;
        if !look.need.is_hidden_in(&rows) {
            return joined(context, look, span, &stretch, rows);
        }
    }
    if let Some((stretch, gone)) = missing(context, &ready, look, span) {
        let rows = select_rows(context, look, &stretch)?;
        if !rows.is_empty() {
            let (time, step) = (calendar::text(gone), step_text(stretch.step_ms));
            let text = format!("samples before {time} are gone, sums of {step} were used");
            context.inform(text, look.node);
            return joined(context, look, span, &stretch, rows);
        }
    }
    let series = select(context, &look.selector.matchers, span)?.into_iter();
    Ok(series.map(|series| Loaded { series, ..Loaded::default() }).collect())
}

/// The largest rows that answer as samples do.
fn exact(ready: &[Rows], look: &Look<'_>, span: Span) -> Option<Stretch> {
    let first = look.times.first()?;
    let spacing = look.times.get(1).map_or(0, |second| second - first);
    let is_aligned = |step: i64| [*first, spacing, look.back_ms].iter().all(|t| t % step == 0);
    let is_worth_it = |step: i64| {
        let least = step.saturating_mul(ROWS_MIN);
        // Without a distance the same window is asked for again and again, or only once.
        let is_sparse = if spacing == 0 { look.back_ms >= least } else { spacing >= least };
        is_sparse && (!look.need.is_newest || look.back_ms >= least)
    };
    let stretches = ready
        .iter()
        .rev()
        .filter(|rows| look.need.is_exact && is_aligned(rows.step_ms) && is_worth_it(rows.step_ms));
    let mut stretches =
        stretches.map(|rows| Stretch { step_ms: rows.step_ms, span: span.within(rows.range) });
    stretches.find(|stretch| !stretch.span.is_empty())
}

/// The rows of a time whose samples are gone, and the end of that time: the largest of which enough fit into
/// a window, else the smallest there are.
fn missing(
    context: &Context<'_>,
    ready: &[Rows],
    look: &Look<'_>,
    span: Span,
) -> Option<(Stretch, i64)> {
    let oldest = context.source.oldest_sample().0;
    if ready.is_empty() || span.range().start.0 >= oldest {
        return None;
    }
    // Rows that begin with the samples know of nothing before them.
    let knows_more = |rows: &&Rows| context.source.oldest_row(rows.step_ms).0 < oldest;
    let candidates = ready.iter().filter(knows_more).map(|rows| {
        let step_ms = rows.step_ms;
        let gone = rows.range.end.0.min(oldest.div_euclid(step_ms) * step_ms);
        let range = TimeRange { start: rows.range.start, end: UnixMs(gone) };
        (Stretch { step_ms, span: span.within(range) }, gone)
    });
    let mut candidates: Vec<_> =
        candidates.filter(|(stretch, _)| !stretch.span.is_empty()).collect();
    let is_fine = |step_ms: i64| step_ms.saturating_mul(ROWS_MIN) <= look.back_ms;
    let largest = candidates.iter().rposition(|(stretch, _)| is_fine(stretch.step_ms));
    (!candidates.is_empty()).then(|| candidates.swap_remove(largest.unwrap_or(0)))
}

fn step_text(step_ms: i64) -> String {
    let seconds = step_ms / 1_000;
    if seconds % 60 == 0 { format!("{}m", seconds / 60) } else { format!("{seconds}s") }
}

fn select(context: &Context<'_>, matchers: &[Matcher], span: Span) -> Evaluated<Vec<SeriesData>> {
    Ok(context.source.select(matchers, span.range(), context.budget)?)
}

/// The column of rows that is needed, without rows that stand for stale markers only.
fn select_rows(
    context: &Context<'_>,
    look: &Look<'_>,
    stretch: &Stretch,
) -> Evaluated<Vec<Loaded>> {
    let Need { column, is_weighed, .. } = look.need;
    let (matchers, range) = (&look.selector.matchers, stretch.span.range());
    let select = |column| {
        context.source.select_rows(matchers, range, stretch.step_ms, column, context.budget)
    };
    let found = select(column)?;
    // What a row has of no sample, others have as well.
    let is_doubtful = |value: &f64| match column {
        Column::Min | Column::Max => value.is_nan(),
        Column::Sum | Column::Count => *value == 0.0,
        Column::Last | Column::Growth => false,
    };
    let mut counts = HashMap::new();
    if is_weighed || found.iter().any(|series| series.values.iter().any(is_doubtful)) {
        let series = if column == Column::Count { found.clone() } else { select(Column::Count)? };
        counts = series.into_iter().map(|series| (series.labels.clone(), series)).collect();
    }
    let loaded = found.into_iter().map(|series| {
        let Some(counts) = counts.get(&series.labels) else {
            return Loaded { series, ..Loaded::default() };
        };
        let mut loaded = weighed(series, counts);
        if !is_weighed {
            loaded.weights.clear();
        }
        loaded
    });
    Ok(loaded.filter(|loaded| !loaded.series.times.is_empty()).collect())
}

/// The rows that stand for samples, with how many.
fn weighed(series: SeriesData, counts: &SeriesData) -> Loaded {
    let empty = SeriesData { labels: series.labels, times: Vec::new(), values: Vec::new() };
    let mut loaded = Loaded { series: empty, ..Loaded::default() };
    let mut counts = counts.times.iter().zip(&counts.values).peekable();
    for (time, value) in series.times.into_iter().zip(series.values) {
        while counts.next_if(|(other, _)| **other < time).is_some() {}
        // Rows that were written anew in between have no count here, or none of what is not there.
        let Some((_, count)) = counts.next_if(|(other, _)| **other == time) else { continue };
        if *count > 0.0 {
            loaded.series.times.push(time);
            loaded.series.values.push(value);
            loaded.weights.push(*count);
        }
    }
    loaded
}

/// Samples, rows and samples again.
fn joined(
    context: &Context<'_>,
    look: &Look<'_>,
    span: Span,
    stretch: &Stretch,
    mut rows: Vec<Loaded>,
) -> Evaluated<Vec<Loaded>> {
    let samples = |span: Span| -> Evaluated<Vec<Loaded>> {
        let found = if span.is_empty() {
            Vec::new()
        } else {
            select(context, &look.selector.matchers, span)?
        };
        let loaded = found.into_iter().map(|series| {
            let count = if look.need.is_weighed { series.values.len() } else { 0 };
            Loaded { series, weights: vec![1.0; count], ..Loaded::default() }
        });
        Ok(loaded.collect())
    };
    let before = samples(Span { open: span.open, end: stretch.span.open })?;
    let after = samples(Span { open: stretch.span.end, end: span.end })?;
    if look.need.column == Column::Growth {
        let first = |loaded: &Loaded| loaded.series.values.iter().copied().find(|v| !v.is_nan());
        let firsts: HashMap<&Labels, f64> =
            after.iter().filter_map(|new| Some((&new.series.labels, first(new)?))).collect();
        for row in &mut rows {
            let end = firsts.get(&row.series.labels).copied().unwrap_or(0.0);
            count_up_to(end, &mut row.series.values);
        }
    }
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut all: Vec<Loaded> = Vec::new();
    for new in [before, rows, after].into_iter().flatten() {
        let place = *places.entry(new.series.labels.clone()).or_insert(all.len());
        let Some(loaded) = all.get_mut(place) else {
            all.push(new);
            continue;
        };
        loaded.series.times.extend(new.series.times);
        loaded.series.values.extend(new.series.values);
        loaded.weights.extend(new.weights);
    }
    Ok(all)
}

/// Makes a counter of growth that has no resets and meets the samples after it. Where it was really reset, or
/// none come after, it is below zero, so that no rate is held back as one that begins at zero is.
fn count_up_to(end: f64, growth: &mut [f64]) {
    let mut value = end;
    for growth in growth.iter_mut().rev() {
        (*growth, value) = (value, value - *growth);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use model::{
        Clock,
        sample::stale,
        series::{Budget, SelectError, SeriesSource},
    };
    use proptest::prelude::*;

    use super::*;
    use crate::{Grid, Output, Settings, Value, evaluate, parse};

    const MINUTE: i64 = 60_000;
    /// A midnight.
    const START: i64 = 1_795_478_400_000;

    /// Samples, and rows of one and ten minutes made of them.
    struct Both {
        series: Vec<SeriesData>,
        /// Older samples are gone.
        oldest: i64,
        ready: TimeRange,
        rows_read: AtomicUsize,
    }

    impl Both {
        fn new(series: Vec<SeriesData>, oldest: i64, ready: [i64; 2]) -> Self {
            let [start, end] = ready.map(|minutes| UnixMs(START + minutes * MINUTE));
            Self { series, oldest, ready: TimeRange { start, end }, rows_read: AtomicUsize::new(0) }
        }

        fn filtered(
            &self,
            keep: impl Fn(i64) -> bool,
            of: impl Fn(&SeriesData) -> SeriesData,
        ) -> Vec<SeriesData> {
            let series = self.series.iter().map(|series| {
                let SeriesData { labels, times, values } = of(series);
                let (times, values): (Vec<i64>, Vec<f64>) =
                    times.into_iter().zip(values).filter(|(time, _)| keep(*time)).unzip();
                SeriesData { labels, times, values }
            });
            series.filter(|series| !series.times.is_empty()).collect()
        }
    }

    /// One column as the store sums it up.
    fn column(series: &SeriesData, step: i64, column: Column) -> SeriesData {
        let row = |time: i64| (time - 1).div_euclid(step) * step + step;
        let mut times: Vec<i64> = series.times.iter().map(|time| row(*time)).collect();
        times.dedup();
        let values = times.iter().map(|end| {
            let own = series.times.iter().zip(&series.values).filter(|(t, _)| row(**t) == *end);
            let own: Vec<f64> = own.map(|(_, value)| *value).collect();
            let samples = own.iter().copied().filter(|value| !is_stale(*value));
            match column {
                Column::Min => samples.fold(f64::NAN, f64::min),
                Column::Max => samples.fold(f64::NAN, f64::max),
                Column::Sum => samples.sum(),
                Column::Count => samples.count() as f64,
                Column::Last => own[own.len() - 1],
                Column::Growth => {
                    let until = |end: i64| series.times.partition_point(|time| *time <= end);
                    let known = |value: &f64| !value.is_nan();
                    let mut before =
                        series.values[..until(end - step)].iter().copied().rev().find(known);
                    let grown = samples.filter(known).map(|value| {
                        let old = before.replace(value).unwrap_or(value);
                        if value < old { value } else { value - old }
                    });
                    grown.sum()
                }
            }
        });
        SeriesData { labels: series.labels.clone(), values: values.collect(), times }
    }

    impl SeriesSource for Both {
        fn select(
            &self,
            _: &[Matcher],
            range: TimeRange,
            _: &Budget,
        ) -> Result<Vec<SeriesData>, SelectError> {
            let is_inside = |time| time >= range.start.0.max(self.oldest) && time <= range.end.0;
            Ok(self.filtered(is_inside, SeriesData::clone))
        }

        fn rows(&self) -> Vec<Rows> {
            let has_any = self.ready.start < self.ready.end;
            let steps = [MINUTE, 10 * MINUTE].map(|step_ms| Rows { step_ms, range: self.ready });
            steps.into_iter().filter(|_| has_any).collect()
        }

        fn select_rows(
            &self,
            _: &[Matcher],
            range: TimeRange,
            step_ms: i64,
            wanted: Column,
            _: &Budget,
        ) -> Result<Vec<SeriesData>, SelectError> {
            self.rows_read.fetch_add(1, Ordering::Relaxed);
            let ready = self.ready;
            let is_inside = |time: i64| {
                assert!(time <= range.start.0 || time > range.end.0 || time <= ready.end.0);
                (range.start.0..=range.end.0).contains(&time)
            };
            Ok(self.filtered(is_inside, |series| column(series, step_ms, wanted)))
        }

        fn oldest_sample(&self) -> UnixMs {
            UnixMs(self.oldest)
        }

        fn oldest_row(&self, step_ms: i64) -> UnixMs {
            UnixMs(self.ready.start.0 + step_ms)
        }

        fn series(
            &self,
            _: &[Matcher],
            _: TimeRange,
            _: &Budget,
        ) -> Result<Vec<Labels>, SelectError> {
            Ok(Vec::new())
        }
    }

    fn ask(source: &Both, query: &str, grid: Grid) -> Output {
        let budget = Budget::new(Clock::manual(UnixMs(0)), Duration::from_secs(1_000), 50_000_000);
        evaluate(&parse(query).unwrap(), source, grid, &Settings::default(), &budget).unwrap()
    }

    /// Minutes after [`START`]; without a step an instant.
    fn grid(start: i64, steps: i64, step: i64) -> Grid {
        let time = |minutes: i64| UnixMs(START + minutes * MINUTE);
        let end = time(start + steps * step);
        Grid { start: time(start), end, step_ms: (step * MINUTE).max(1) }
    }

    fn points(output: &Output) -> Vec<(Labels, i64, f64)> {
        match &output.value {
            value @ Value::Vector(_) => {
                let floats = value.clone().into_floats().into_iter();
                floats.map(|(labels, value)| (labels, 0, value)).collect()
            }
            Value::Matrix(series) => {
                let all = series.iter().flat_map(|series| {
                    let points = series.times.iter().zip(&series.values);
                    points.map(|(time, value)| (series.labels.clone(), *time, *value))
                });
                all.collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn is_close(a: f64, b: f64, tolerance: f64) -> bool {
        (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * a.abs().max(b.abs())
    }

    fn check_same(found: &Output, expected: &Output, tolerance: f64) {
        let (found, expected) = (points(found), points(expected));
        assert_eq!(found.len(), expected.len(), "found {found:?}\nexpected {expected:?}");
        for (found, expected) in found.iter().zip(&expected) {
            let is_same = (&found.0, found.1) == (&expected.0, expected.1)
                && is_close(found.2, expected.2, tolerance);
            assert!(is_same, "found {found:?}, expected {expected:?}");
        }
    }

    fn series(name: &str, points: impl Iterator<Item = (i64, f64)>) -> SeriesData {
        let (times, values) = points.unzip();
        SeriesData { labels: Labels::metric("a", [("b", name)]), times, values }
    }

    /// A counter that grows by 1 every 10 s for so many minutes, with a reset every 500 samples.
    fn counter(minutes: i64) -> SeriesData {
        let samples = (1..=minutes * 6).map(|n| (START + n * 10_000, (n % 500) as f64));
        series("counter", samples)
    }

    const EXACT: &[&str] = &[
        "min_over_time",
        "max_over_time",
        "sum_over_time",
        "count_over_time",
        "avg_over_time",
        "last_over_time",
        "present_over_time",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whole_rows_answer_as_samples_do(
            gaps in prop::collection::vec((1_i64..120_000, -9_i64..9, 0..5), 1..600),
            ready in (0_i64..20, 0_i64..30),
            (start, steps, step) in (0_i64..200, 0_i64..8, 1_i64..12),
            (window, offset, unit) in (1_i64..12, -3_i64..6, prop_oneof![Just(1_i64), Just(10)]),
        ) {
            let mut time = START - 30 * MINUTE;
            let samples = gaps.iter().map(|(gap, value, kind)| {
                time += gap;
                let is_marker = *kind == 0;
                (time, if is_marker { stale() } else { *value as f64 })
            });
            let all = vec![series("random", samples)];
            let ready = [ready.0 * 10, (ready.0 + ready.1) * 10];
            let with_rows = Both::new(all.clone(), i64::MIN, ready);
            let without = Both::new(all, i64::MIN, [0, 0]);
            let grid = grid(start * unit, steps, step * unit);
            let (window, offset) = (window * unit, offset * unit);
            let range = format!("[{window}m] offset {offset}m");
            let windows = EXACT.iter().map(|function| format!("{function}(a{range})"));
            let others = [
                format!("a offset {offset}m"),
                format!("rate(a{range})"),
                format!("timestamp(a offset {offset}m)"),
                format!("sum_over_time(a[{window}m] @ {})", START / 1_000 + offset * 60),
                format!("max_over_time(max_over_time(a[{window}m])[20m:5m])"),
            ];
            for query in windows.chain(others) {
                let found = ask(&with_rows, &query, grid);
                check_same(&found, &ask(&without, &query, grid), 1e-12);
                prop_assert!(found.infos.iter().all(|info| info.contains("counter")));
            }
        }
    }

    #[test]
    fn rows_are_taken_where_they_are_whole_and_fewer() {
        let check = |query: &str, grid: Grid, expected: bool| {
            let source = Both::new(vec![counter(600)], i64::MIN, [0, 400]);
            let found = ask(&source, query, grid);
            let is_read = source.rows_read.load(Ordering::Relaxed) > 0;
            assert_eq!(is_read, expected, "{query} {grid:?}");
            assert!(found.infos.iter().all(|info| !info.contains("gone")), "{query}");
        };
        let aligned = grid(300, 5, 5);
        for function in EXACT {
            check(&format!("{function}(a[7m])"), aligned, true);
            check(&format!("{function}(a[90s])"), aligned, false);
            check(&format!("{function}(a[7m] offset 1s)"), aligned, false);
            check(&format!("{function}(a[7m])"), grid(300, 5, 4), false);
            check(&format!("{function}(a[7m])"), grid(410, 5, 5), false);
            check(&format!("{function}(a[7m])"), grid(300, 0, 0), true);
            check(&format!("{function}(a[4m])"), grid(300, 0, 0), false);
        }
        check("a", aligned, true);
        check("a offset 7s", aligned, false);
        check("rate(a[10m])", aligned, false);
        check("timestamp(a)", aligned, false);
        check("quantile_over_time(0.5, a[10m])", aligned, false);
    }

    #[test]
    fn rows_that_begin_with_the_samples_are_not_read_before_them() {
        let check = |oldest_minute: i64, expected: bool| {
            let oldest = START + oldest_minute * MINUTE;
            let source = Both::new(vec![counter(600)], oldest, [0, 400]);
            let found = ask(&source, "rate(a[10m])", grid(-30, 100, 3));
            assert_eq!(source.rows_read.load(Ordering::Relaxed) > 0, expected);
            let is_told = found.infos.iter().any(|info| info.contains("are gone"));
            assert_eq!(is_told, expected, "{:?}", found.infos);
        };
        check(0, false);
        check(1, false);
        check(100, true);
    }

    #[test]
    fn a_row_that_ends_with_a_marker_does_not_hide_what_came_before() {
        let samples = [(1_000, 1.0), (200_000, 2.0), (230_000, stale())];
        let samples = samples.map(|(time, value)| (START + time, value));
        let source = Both::new(vec![series("ended", samples.into_iter())], i64::MIN, [0, 400]);
        let last = points(&ask(&source, "last_over_time(a[10m])", grid(10, 0, 0)));
        assert_eq!(last.iter().map(|(.., value)| *value).collect::<Vec<_>>(), [2.0]);
    }

    #[test]
    fn rows_stand_in_for_samples_that_are_gone() {
        let gone = START + 300 * MINUTE + 1_000;
        let all = vec![counter(600)];
        let check = |query: &str, grid: Grid, step: &str, tolerance: f64| {
            let found = ask(&Both::new(all.clone(), gone, [0, 1_440]), query, grid);
            let expected = ask(&Both::new(all.clone(), i64::MIN, [0, 0]), query, grid);
            check_same(&found, &expected, tolerance);
            let text = format!(
                "PromQL info: samples before 2026-11-24T05:00:00Z are gone, sums of {step} were used (1:"
            );
            let told = found.infos.iter().filter(|info| info.starts_with(&text)).count();
            assert_eq!(told, 1, "{query}: {:?}", found.infos);
        };
        // Everything is gone, some is, and the border lies in a window. Never at whole minutes.
        let mut grids = [grid(60, 20, 7), grid(60, 40, 7), grid(295, 20, 1)];
        for grid in &mut grids {
            grid.start.0 += 3_000;
            check("rate(a[20m])", *grid, "1m", 0.06);
            check("increase(a[70m])", *grid, "10m", 0.15);
            check("avg_over_time(a[20m])", *grid, "1m", 0.2);
            check("count_over_time(a[20m])", *grid, "1m", 0.06);
            check("ts_of_last_over_time(a[20m])", *grid, "1m", 1e-7);
        }
        check("sum(a)", grid(60, 3, 3), "1m", 0.0);
        let found =
            ask(&Both::new(all, gone, [0, 1_440]), "sum_over_time(a[20m])", grid(60, 40, 5));
        assert_eq!(found.infos, [""; 0], "whole rows are as good as samples");
    }
}
