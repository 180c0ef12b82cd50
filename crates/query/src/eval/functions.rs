//! The table of functions: a name, what it takes, what it gives, and how it works.

use std::collections::HashMap;

use model::{Labels, NAME};

use super::{
    Context, Evaluated, Row,
    aggregate::warn_quantile,
    ascending, calendar, descending, fail, labels, merge,
    rows::Need,
    window::{self, WindowFn},
    without_name,
};
use crate::ast::{Kind, Node, Position, Type};

/// A function of PromQL.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    arguments: &'static [Type],
    more: More,
    pub(crate) returns: Type,
    run: Run,
}

/// Whether arguments may be left out or repeated.
#[derive(Clone, Copy, Debug)]
enum More {
    None,
    /// The last so many may be left out.
    Optional(usize),
    /// The last one may be given any number of times, also not at all.
    Repeated,
}

/// How a function works.
#[derive(Clone, Copy, Debug)]
enum Run {
    /// From one window of one series. The name of the metric goes.
    Window(WindowFn),
    /// The same, and the name stays.
    NamedWindow(WindowFn),
    /// The same, of a counter.
    Counter(WindowFn),
    /// On each value by itself.
    Value(fn(f64) -> f64),
    /// On each value, with the scalars given.
    Scaled(fn(f64, &[f64]) -> Option<f64>),
    /// On each value as a time; without argument on the time of the step.
    Calendar(fn(calendar::Date) -> i64),
    /// A scalar from nothing.
    Constant(fn(i64) -> f64),
    Special(Special),
}

#[derive(Clone, Copy, Debug)]
enum Special {
    Absent,
    AbsentOverTime,
    HistogramQuantile,
    LabelJoin,
    LabelReplace,
    Scalar,
    Sort,
    SortDesc,
    SortByLabel,
    SortByLabelDesc,
    Timestamp,
    Vector,
}

impl Function {
    /// Least and most arguments.
    pub(crate) fn argument_counts(&self) -> (usize, usize) {
        let count = self.arguments.len();
        match self.more {
            More::None => (count, count),
            More::Optional(optional) => (count - optional, count),
            More::Repeated => (count - 1, usize::MAX),
        }
    }

    /// The type that argument `index` must have.
    pub(crate) fn argument(&self, index: usize) -> Type {
        self.arguments[index.min(self.arguments.len() - 1)]
    }
}

use Type::{Matrix as M, Scalar as S, String as T, Vector as V};

const fn window(name: &'static str, run: WindowFn) -> Function {
    Function { name, arguments: &[M], more: More::None, returns: V, run: Run::Window(run) }
}

const fn counter(name: &'static str, run: WindowFn) -> Function {
    Function { name, arguments: &[M], more: More::None, returns: V, run: Run::Counter(run) }
}

const fn math(name: &'static str, run: fn(f64) -> f64) -> Function {
    Function { name, arguments: &[V], more: More::None, returns: V, run: Run::Value(run) }
}

const fn calendar(name: &'static str, run: fn(calendar::Date) -> i64) -> Function {
    let run = Run::Calendar(run);
    Function { name, arguments: &[V], more: More::Optional(1), returns: V, run }
}

const fn special(name: &'static str, arguments: &'static [Type], run: Special) -> Function {
    let run = Run::Special(run);
    Function { name, arguments, more: More::None, returns: V, run }
}

const FUNCTIONS: &[Function] = &[
    counter("rate", window::rate),
    counter("increase", window::increase),
    counter("irate", window::irate),
    window("delta", window::delta),
    window("idelta", window::idelta),
    window("deriv", window::deriv),
    window("changes", window::changes),
    window("resets", window::resets),
    window("sum_over_time", window::sum),
    window("avg_over_time", window::avg),
    window("min_over_time", window::min),
    window("max_over_time", window::max),
    window("count_over_time", window::count),
    window("present_over_time", window::present),
    window("stddev_over_time", window::stddev),
    window("stdvar_over_time", window::stdvar),
    window("mad_over_time", window::mad),
    window("ts_of_first_over_time", window::time_of_first),
    window("ts_of_last_over_time", window::time_of_last),
    window("ts_of_min_over_time", window::time_of_min),
    window("ts_of_max_over_time", window::time_of_max),
    Function { run: Run::NamedWindow(window::first), ..window("first_over_time", window::first) },
    Function { run: Run::NamedWindow(window::last), ..window("last_over_time", window::last) },
    Function { arguments: &[M, S], ..window("predict_linear", window::predict_linear) },
    Function { arguments: &[S, M], ..window("quantile_over_time", window::quantile_of) },
    Function {
        arguments: &[M, S, S],
        ..window("double_exponential_smoothing", window::double_exponential)
    },
    math("abs", f64::abs),
    math("ceil", f64::ceil),
    math("floor", f64::floor),
    math("exp", f64::exp),
    math("sqrt", f64::sqrt),
    math("ln", f64::ln),
    math("log2", f64::log2),
    math("log10", f64::log10),
    math("sgn", |value| if value == 0.0 || value.is_nan() { value } else { value.signum() }),
    math("sin", f64::sin),
    math("cos", f64::cos),
    math("tan", f64::tan),
    math("asin", f64::asin),
    math("acos", f64::acos),
    math("atan", f64::atan),
    math("sinh", f64::sinh),
    math("cosh", f64::cosh),
    math("tanh", f64::tanh),
    math("asinh", f64::asinh),
    math("acosh", f64::acosh),
    math("atanh", f64::atanh),
    math("deg", f64::to_degrees),
    math("rad", f64::to_radians),
    Function {
        name: "round",
        arguments: &[V, S],
        more: More::Optional(1),
        returns: V,
        run: Run::Scaled(round),
    },
    Function {
        arguments: &[V, S, S],
        run: Run::Scaled(|value, limits| {
            // Written so that NaN passes through and a NaN limit gives NaN.
            let clamped =
                (limits[0] <= limits[1]).then(|| at_least(at_most(value, limits[1]), limits[0]));
            clamped.or_else(|| limits.iter().any(|limit| limit.is_nan()).then_some(f64::NAN))
        }),
        ..math("clamp", f64::abs)
    },
    Function {
        arguments: &[V, S],
        run: Run::Scaled(|value, limits| Some(at_least(value, limits[0]))),
        ..math("clamp_min", f64::abs)
    },
    Function {
        arguments: &[V, S],
        run: Run::Scaled(|value, limits| Some(at_most(value, limits[0]))),
        ..math("clamp_max", f64::abs)
    },
    calendar("year", |date| date.year),
    calendar("month", |date| date.month),
    calendar("day_of_month", |date| date.day),
    calendar("day_of_week", |date| date.weekday),
    calendar("day_of_year", |date| date.day_of_year),
    calendar("days_in_month", |date| calendar::days_in_month(date.year, date.month)),
    calendar("hour", |date| date.hour),
    calendar("minute", |date| date.minute),
    Function {
        name: "time",
        arguments: &[],
        more: More::None,
        returns: S,
        run: Run::Constant(|time| time as f64 / 1e3),
    },
    Function {
        name: "pi",
        arguments: &[],
        more: More::None,
        returns: S,
        run: Run::Constant(|_| std::f64::consts::PI),
    },
    Function { returns: S, ..special("scalar", &[V], Special::Scalar) },
    special("absent", &[V], Special::Absent),
    special("absent_over_time", &[M], Special::AbsentOverTime),
    special("histogram_quantile", &[S, V], Special::HistogramQuantile),
    special("label_replace", &[V, T, T, T, T], Special::LabelReplace),
    Function { more: More::Repeated, ..special("label_join", &[V, T, T, T], Special::LabelJoin) },
    special("sort", &[V], Special::Sort),
    special("sort_desc", &[V], Special::SortDesc),
    Function { more: More::Repeated, ..special("sort_by_label", &[V, T], Special::SortByLabel) },
    Function {
        more: More::Repeated,
        ..special("sort_by_label_desc", &[V, T], Special::SortByLabelDesc)
    },
    special("timestamp", &[V], Special::Timestamp),
    special("vector", &[S], Special::Vector),
];

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

fn at_least(value: f64, limit: f64) -> f64 {
    if value.is_nan() || limit.is_nan() { f64::NAN } else { value.max(limit) }
}

fn at_most(value: f64, limit: f64) -> f64 {
    if value.is_nan() || limit.is_nan() { f64::NAN } else { value.min(limit) }
}

/// To the nearest multiple; halves go up.
fn round(value: f64, scalars: &[f64]) -> Option<f64> {
    // Dividing by the inverse is exact where multiplying by 0.1 is not.
    let inverse = 1.0 / scalars.first().copied().unwrap_or(1.0);
    Some((value * inverse + 0.5).floor() / inverse)
}

pub(super) fn scalar(
    context: &Context<'_>,
    function: &Function,
    arguments: &[Node],
) -> Evaluated<Vec<f64>> {
    match function.run {
        Run::Constant(value) => {
            Ok((0..context.steps()).map(|step| value(context.grid.time(step))).collect())
        }
        Run::Special(Special::Scalar) => {
            let rows = context.vector(&arguments[0])?;
            let value = |step: usize| {
                let mut present = rows.iter().filter_map(|row| row.values[step]);
                present.next().filter(|_| present.next().is_none()).unwrap_or(f64::NAN)
            };
            Ok((0..context.steps()).map(value).collect())
        }
        _ => fail("expected a scalar"),
    }
}

pub(super) fn vector(
    context: &Context<'_>,
    function: &Function,
    arguments: &[Node],
) -> Evaluated<Vec<Row>> {
    match function.run {
        Run::Window(run) => windows(context, function, run, arguments, false),
        Run::NamedWindow(run) => windows(context, function, run, arguments, true),
        Run::Counter(run) => {
            inform_of_gauge(context, &arguments[0]);
            windows(context, function, run, arguments, false)
        }
        Run::Value(run) => each(context, &arguments[0], |_, value| Some(run(value))),
        Run::Scaled(run) => {
            let scalars = scalars(context, &arguments[1..])?;
            each(context, &arguments[0], |step, value| run(value, &scalars[step]))
        }
        Run::Calendar(run) => {
            let field =
                |value: f64| calendar::date(value).map_or(f64::NAN, |date| run(date) as f64);
            let Some(argument) = arguments.first() else {
                let times = (0..context.steps()).map(|step| context.grid.time(step));
                let values = times.map(|time| Some(field(time as f64 / 1e3))).collect();
                return Ok(vec![Row { labels: Labels::empty(), values }]);
            };
            each(context, argument, |_, value| Some(field(value)))
        }
        Run::Constant(_) => fail("expected an instant vector"),
        Run::Special(run) => special_vector(context, run, arguments),
    }
}

fn special_vector(context: &Context<'_>, run: Special, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    match run {
        Special::Absent => {
            let rows = context.vector(&arguments[0])?;
            Ok(absent(context, &arguments[0], |step| {
                rows.iter().any(|row| row.values[step].is_some())
            }))
        }
        Special::AbsentOverTime => {
            let matrix = context.matrix(&arguments[0], Need::POINTS)?;
            let mut is_there = vec![false; context.steps()];
            for series in &matrix.series {
                let windows = series.windows(&matrix.ends, matrix.range_ms);
                for (is_there, window) in is_there.iter_mut().zip(windows) {
                    *is_there |= !window.values.is_empty();
                }
            }
            Ok(absent(context, &arguments[0], |step| is_there[step]))
        }
        Special::HistogramQuantile => {
            let phis = context.scalar(&arguments[0])?;
            warn_quantile(context, &phis, &arguments[0]);
            histogram_quantile(
                context,
                &phis,
                context.vector(&arguments[1])?,
                arguments[1].position,
            )
        }
        Special::LabelJoin => labels::join(context, arguments),
        Special::LabelReplace => labels::replace(context, arguments),
        Special::Sort => sorted(context, &arguments[0], ascending),
        Special::SortDesc => sorted(context, &arguments[0], descending),
        Special::SortByLabel => sorted_by_label(context, arguments, false),
        Special::SortByLabelDesc => sorted_by_label(context, arguments, true),
        Special::Timestamp => match &arguments[0].kind {
            Kind::Selector(selector) => {
                let position = arguments[0].position;
                let seconds = |time: i64, _| time as f64 / 1e3;
                let rows = context.select(selector, position, Need::NEWEST_TIME, seconds)?;
                let unnamed = |row: Row| Row { labels: without_name(&row.labels), ..row };
                merge(rows.into_iter().map(unnamed).collect())
            }
            _ => each(context, &arguments[0], |step, _| Some(context.grid.time(step) as f64 / 1e3)),
        },
        Special::Vector => {
            let values = context.scalar(&arguments[0])?.into_iter().map(Some).collect();
            Ok(vec![Row { labels: Labels::empty(), values }])
        }
        Special::Scalar => fail("expected an instant vector"),
    }
}

/// The scalar arguments at each step.
fn scalars(context: &Context<'_>, nodes: &[Node]) -> Evaluated<Vec<Vec<f64>>> {
    let columns: Vec<Vec<f64>> =
        nodes.iter().map(|node| context.scalar(node)).collect::<Evaluated<_>>()?;
    let row = |step: usize| columns.iter().map(|column| column[step]).collect();
    Ok((0..context.steps()).map(row).collect())
}

fn each(
    context: &Context<'_>,
    node: &Node,
    run: impl Fn(usize, f64) -> Option<f64>,
) -> Evaluated<Vec<Row>> {
    let rows = context.vector(node)?.into_iter().map(|row| {
        let values = row.values.into_iter().enumerate();
        let values = values.map(|(step, value)| value.and_then(|value| run(step, value)));
        Row { labels: without_name(&row.labels), values: values.collect() }
    });
    merge(rows.collect())
}

fn windows(
    context: &Context<'_>,
    function: &Function,
    run: WindowFn,
    arguments: &[Node],
    keeps_name: bool,
) -> Evaluated<Vec<Row>> {
    let is_matrix = |node: &&Node| node.kind_of() == Type::Matrix;
    let Some(node) = arguments.iter().find(is_matrix) else { return fail("no range vector") };
    let others: Vec<Node> = arguments.iter().filter(|node| !is_matrix(node)).cloned().collect();
    let scalars = scalars(context, &others)?;
    if function.name == "quantile_over_time" {
        let phis: Vec<f64> = scalars.iter().map(|scalars| scalars[0]).collect();
        warn_quantile(context, &phis, &others[0]);
    }
    if function.name == "double_exponential_smoothing" {
        check_factors(&scalars)?;
    }
    let matrix = context.matrix(node, Need::of(function.name))?;
    context.check_size(matrix.series.len())?;
    let mut rows = Vec::with_capacity(matrix.series.len());
    for series in &matrix.series {
        context.budget.check()?;
        let windows = series.windows(&matrix.ends, matrix.range_ms).zip(&scalars).enumerate();
        let values: Vec<Option<f64>> = windows
            .map(|(step, (mut window, scalars))| {
                window.now = context.grid.time(step);
                run(&window, scalars)
            })
            .collect();
        if values.iter().any(Option::is_some) {
            let labels =
                if keeps_name { series.labels.clone() } else { without_name(&series.labels) };
            rows.push(Row { labels, values });
        }
    }
    merge(rows)
}

fn check_factors(scalars: &[Vec<f64>]) -> Evaluated<()> {
    for factors in scalars {
        for (name, factor) in ["smoothing", "trend"].into_iter().zip(factors) {
            if !(*factor > 0.0 && *factor < 1.0) {
                return fail(format!(
                    "invalid {name} factor. Expected: 0 < factor < 1, got: {factor}"
                ));
            }
        }
    }
    Ok(())
}

/// Says that a rate is asked of what its name does not call a counter.
fn inform_of_gauge(context: &Context<'_>, node: &Node) {
    let Kind::Window(selector, _) = &node.kind else { return };
    let Some(name) = selector.name() else { return };
    let endings = ["_total", "_sum", "_count", "_bucket"];
    if !endings.iter().any(|ending| name.ends_with(ending)) {
        let text = format!(
            "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \
             {name:?}"
        );
        context.inform(&text, node.position);
    }
}

fn absent(context: &Context<'_>, node: &Node, is_there: impl Fn(usize) -> bool) -> Vec<Row> {
    let values: Vec<Option<f64>> =
        (0..context.steps()).map(|step| (!is_there(step)).then_some(1.0)).collect();
    vec![Row { labels: labels::of_absent(node), values }]
}

/// Sorting shows only at one instant; a matrix is ordered by labels.
fn sorted(
    context: &Context<'_>,
    node: &Node,
    order: fn(f64, f64) -> std::cmp::Ordering,
) -> Evaluated<Vec<Row>> {
    let mut rows = context.vector(node)?;
    if context.steps() == 1 {
        let value = |row: &Row| row.values[0].unwrap_or(f64::NAN);
        rows.sort_by(|a, b| order(value(a), value(b)));
    }
    Ok(rows)
}

fn sorted_by_label(
    context: &Context<'_>,
    arguments: &[Node],
    is_descending: bool,
) -> Evaluated<Vec<Row>> {
    let names: Vec<String> =
        arguments[1..].iter().map(|node| context.string(node)).collect::<Evaluated<_>>()?;
    let mut rows = context.vector(&arguments[0])?;
    rows.sort_by(|a, b| {
        let by_names = names.iter().map(|name| {
            let value = |row: &Row| natural(row.labels.get(name).unwrap_or_default());
            value(a).cmp(&value(b))
        });
        let order = by_names
            .fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            .then_with(|| a.labels.cmp(&b.labels));
        if is_descending { order.reverse() } else { order }
    });
    Ok(rows)
}

/// Text in pieces, so that numbers in it compare as numbers.
fn natural(text: &str) -> Vec<(u128, String)> {
    let mut pieces: Vec<(u128, String)> = vec![(0, String::new())];
    let mut in_number = false;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            if !in_number {
                pieces.push((0, String::new()));
            }
            if let Some(last) = pieces.last_mut() {
                last.0 = last.0.saturating_mul(10).saturating_add(u128::from(digit));
            }
        } else if let Some(last) = pieces.last_mut() {
            last.1.push(c);
        }
        in_number = c.is_ascii_digit();
    }
    pieces
}

/// Classic histograms: buckets of one series belong together by all labels but `le`.
fn histogram_quantile(
    context: &Context<'_>,
    phis: &[f64],
    rows: Vec<Row>,
    position: Position,
) -> Evaluated<Vec<Row>> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut histograms: Vec<(Labels, Vec<(f64, Row)>)> = Vec::new();
    for row in rows {
        let bound = row.labels.get("le").and_then(parse_bound);
        let Some(bound) = bound else {
            let text = format!(
                "bucket label \"le\" is missing or has a malformed value of {:?}",
                row.labels.get("le").unwrap_or_default()
            );
            context.warn(&text, position);
            continue;
        };
        let labels = row.labels.keep(|name| name != "le" && name != NAME);
        let place = *places.entry(labels.clone()).or_insert(histograms.len());
        match histograms.get_mut(place) {
            Some((_, buckets)) => buckets.push((bound, row)),
            None => histograms.push((labels, vec![(bound, row)])),
        }
    }
    let rows = histograms.into_iter().map(|(labels, mut buckets)| {
        buckets.sort_by(|a, b| ascending(a.0, b.0));
        let value = |step: usize| {
            let counts =
                buckets.iter().filter_map(|(bound, row)| Some((*bound, row.values[step]?)));
            let counts: Vec<(f64, f64)> = counts.collect();
            (!counts.is_empty()).then(|| bucket_quantile(phis[step], &counts))
        };
        Row { values: (0..context.steps()).map(value).collect(), labels }
    });
    Ok(rows.collect())
}

fn parse_bound(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// The φ-quantile of cumulative buckets (upper bound, count), bounds ascending.
fn bucket_quantile(phi: f64, given: &[(f64, f64)]) -> f64 {
    if phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    let mut buckets: Vec<(f64, f64)> = Vec::with_capacity(given.len());
    for (bound, count) in given {
        match buckets.last_mut() {
            // The same bound twice, as "1" and "1.0": one bucket.
            Some(last) if last.0 == *bound => last.1 += count,
            _ => buckets.push((*bound, *count)),
        }
    }
    // Scrapes are not atomic and floats are not exact, so counts may seem to shrink.
    let mut highest = f64::NEG_INFINITY;
    for bucket in &mut buckets {
        highest = highest.max(bucket.1);
        bucket.1 = highest;
    }
    let Some(&(last_bound, total)) = buckets.last() else { return f64::NAN };
    if last_bound != f64::INFINITY || buckets.len() < 2 || total == 0.0 || total.is_nan() {
        return f64::NAN;
    }
    let rank = phi * total;
    let at = buckets.iter().take(buckets.len() - 1).position(|(_, count)| *count >= rank);
    let Some(at) = at else { return buckets[buckets.len() - 2].0 };
    let (upper, count) = buckets[at];
    if at == 0 && upper <= 0.0 {
        return upper;
    }
    let (lower, below) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    lower + (upper - lower) * ((rank - below) / (count - below))
}
