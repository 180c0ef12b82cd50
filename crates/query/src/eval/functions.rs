//! The table of functions: a name, what it takes, what it gives, and how it works.

use model::{Labels, histogram::Histogram};

use super::{
    Context, Evaluated, absent, calendar, classic, fail, info, labels,
    row::{Row, absent as nothing, is_float, unnamed},
    sort,
    window::{self, WindowFn},
    windows::{self, Beside},
};
use crate::{
    ast::{Kind, Node, Type},
    histogram,
};

/// A function of PromQL.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [Type],
    more: More,
    pub(crate) returns: Type,
    run: Run,
}

/// Whether arguments may be left out or repeated.
#[derive(Clone, Copy, Debug)]
enum More {
    None,
    /// The last one may be given so many times, also not at all.
    UpTo(u16),
    /// The last one may be given any number of times, also not at all.
    Repeated,
}

/// How a function works. Unless said otherwise, the name of the metric goes.
#[derive(Clone, Copy, Debug)]
enum Run {
    /// From one window of one series: its floats, and what is done about histograms beside them.
    Window(WindowFn, Beside),
    /// The same, and the name stays.
    NamedWindow(WindowFn, Beside),
    /// On each float by itself.
    Value(fn(f64) -> f64),
    /// On each float, with the scalars given.
    Scaled(fn(f64, &[f64]) -> Option<f64>),
    /// On each float as a time; without argument on the time of the step.
    Calendar(fn(calendar::Date) -> i64),
    /// On each histogram by itself.
    Histogram(fn(&Histogram) -> f64),
    /// A scalar from the query, the time of a step, and scalars.
    Scalar(fn(&Context<'_>, i64, &[f64]) -> f64),
    Special(Special),
}

type Special = fn(&Context<'_>, &[Node]) -> Evaluated<Vec<Row>>;

impl Function {
    /// Least and most arguments.
    pub(crate) fn argument_counts(&self) -> (usize, usize) {
        let count = self.arguments.len();
        match self.more {
            More::None => (count, count),
            More::UpTo(times) => (count - 1, count - 1 + usize::from(times)),
            More::Repeated => (count - 1, usize::MAX),
        }
    }

    /// How often the last argument may be given where that is not once; 0 where it is, -1 without a limit.
    pub(crate) fn variadic(&self) -> i64 {
        match self.more {
            More::None => 0,
            More::UpTo(times) => i64::from(times),
            More::Repeated => -1,
        }
    }

    /// The type that argument `index` must have.
    pub(crate) fn argument(&self, index: usize) -> Type {
        let last = self.arguments.len().saturating_sub(1);
        self.arguments.get(index.min(last)).copied().unwrap_or(Type::Scalar)
    }

    /// Whether its result depends on when it is evaluated, whatever its arguments are.
    pub(crate) fn tells_time(&self) -> bool {
        let telling = ["time", "timestamp", "predict_linear", "start", "end", "step", "range"];
        matches!(self.run, Run::Calendar(_)) || telling.contains(&self.name)
    }
}

/// The names of all functions.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name)
}

use Type::{Matrix as M, Scalar as S, String as T, Vector as V};

const fn window(name: &'static str, run: WindowFn, beside: Beside) -> Function {
    let run = Run::Window(run, beside);
    Function { name, arguments: &[M], more: More::None, returns: V, run }
}

const fn named(name: &'static str, run: WindowFn, beside: Beside) -> Function {
    let run = Run::NamedWindow(run, beside);
    Function { name, arguments: &[M], more: More::None, returns: V, run }
}

const fn math(name: &'static str, run: fn(f64) -> f64) -> Function {
    Function { name, arguments: &[V], more: More::None, returns: V, run: Run::Value(run) }
}

const fn of_histogram(name: &'static str, run: fn(&Histogram) -> f64) -> Function {
    Function { name, arguments: &[V], more: More::None, returns: V, run: Run::Histogram(run) }
}

const fn calendar(name: &'static str, run: fn(calendar::Date) -> i64) -> Function {
    let run = Run::Calendar(run);
    Function { name, arguments: &[V], more: More::UpTo(1), returns: V, run }
}

const fn scalar_of(
    name: &'static str,
    arguments: &'static [Type],
    run: fn(&Context<'_>, i64, &[f64]) -> f64,
) -> Function {
    Function { name, arguments, more: More::None, returns: S, run: Run::Scalar(run) }
}

const fn special(name: &'static str, arguments: &'static [Type], run: Special) -> Function {
    let run = Run::Special(run);
    Function { name, arguments, more: More::None, returns: V, run }
}

const FUNCTIONS: &[Function] = &[
    window("rate", window::rate, Beside::Both(windows::rate)),
    window("increase", window::increase, Beside::Both(windows::increase)),
    window("delta", window::delta, Beside::Both(windows::delta)),
    window("irate", window::irate, Beside::Both(windows::irate)),
    window("idelta", window::idelta, Beside::Both(windows::idelta)),
    window("deriv", window::deriv, Beside::Ignored),
    window("changes", window::changes, Beside::Both(windows::changes)),
    window("resets", window::resets, Beside::Both(windows::resets)),
    window("sum_over_time", window::sum, Beside::Both(windows::sum)),
    window("avg_over_time", window::avg, Beside::Both(windows::avg)),
    window("min_over_time", window::min, Beside::Ignored),
    window("max_over_time", window::max, Beside::Ignored),
    window("count_over_time", window::count, Beside::Both(windows::count)),
    window("present_over_time", window::present, Beside::Both(windows::present)),
    window("stddev_over_time", window::stddev, Beside::Ignored),
    window("stdvar_over_time", window::stdvar, Beside::Ignored),
    window("mad_over_time", window::mad, Beside::Ignored),
    window("ts_of_first_over_time", window::time_of_first, Beside::Both(windows::time_of_first)),
    window("ts_of_last_over_time", window::time_of_last, Beside::Both(windows::time_of_last)),
    window("ts_of_min_over_time", window::time_of_min, Beside::Ignored),
    window("ts_of_max_over_time", window::time_of_max, Beside::Ignored),
    named("first_over_time", window::first, Beside::Both(windows::first)),
    named("last_over_time", window::last, Beside::Both(windows::last)),
    Function {
        arguments: &[M, S],
        ..window("predict_linear", window::predict_linear, Beside::Ignored)
    },
    Function {
        arguments: &[S, M],
        ..window("quantile_over_time", window::quantile_of, Beside::Ignored)
    },
    Function {
        arguments: &[M, S, S],
        ..window("double_exponential_smoothing", window::double_exponential, Beside::Ignored)
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
    math("deg", |radians| radians * 180.0 / std::f64::consts::PI),
    math("rad", |degrees| degrees * std::f64::consts::PI / 180.0),
    Function {
        arguments: &[V, S],
        more: More::UpTo(1),
        run: Run::Scaled(round),
        ..math("round", f64::abs)
    },
    Function {
        arguments: &[V, S, S],
        run: Run::Scaled(|value, limits| {
            let is_crossed = limits[1] < limits[0];
            (!is_crossed).then(|| at_least(at_most(value, limits[1]), limits[0]))
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
    of_histogram("histogram_count", |histogram| histogram.count),
    of_histogram("histogram_sum", |histogram| histogram.sum),
    of_histogram("histogram_avg", |histogram| histogram.sum / histogram.count),
    of_histogram("histogram_stddev", |histogram| histogram::variance(histogram).sqrt()),
    of_histogram("histogram_stdvar", histogram::variance),
    scalar_of("time", &[], |_, time, _| time as f64 / 1e3),
    scalar_of("pi", &[], |_, _, _| std::f64::consts::PI),
    scalar_of("step", &[], |context, _, _| context.step_seconds()),
    scalar_of("range", &[], |context, _, _| context.range_seconds()),
    scalar_of("start", &[], |context, _, _| context.outer.start.0 as f64 / 1e3),
    scalar_of("end", &[], |context, _, _| context.outer.end.0 as f64 / 1e3),
    scalar_of("min_of", &[S, S], |_, _, given| at_most(given[0], given[1])),
    scalar_of("max_of", &[S, S], |_, _, given| at_least(given[0], given[1])),
    Function { returns: S, ..special("scalar", &[V], to_scalar) },
    special("absent", &[V], absent::now),
    special("absent_over_time", &[M], absent::over_time),
    special("histogram_quantile", &[S, V], classic::quantile),
    Function {
        more: More::UpTo(9),
        ..special("histogram_quantiles", &[V, T, S, S], classic::quantiles)
    },
    special("histogram_fraction", &[S, S, V], classic::fraction),
    Function { more: More::UpTo(1), ..special("info", &[V, V], info::info) },
    special("label_replace", &[V, T, T, T, T], labels::replace),
    Function { more: More::Repeated, ..special("label_join", &[V, T, T, T], labels::join) },
    special("sort", &[V], sort::up),
    special("sort_desc", &[V], sort::down),
    Function { more: More::Repeated, ..special("sort_by_label", &[V, T], sort::by_label) },
    Function {
        more: More::Repeated,
        ..special("sort_by_label_desc", &[V, T], sort::by_label_down)
    },
    special("start_timestamp", &[V], start_timestamp),
    special("timestamp", &[V], timestamp),
    special("vector", &[S], vector_of),
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
        Run::Scalar(run) => {
            let given = Scalars::of(context, arguments)?;
            let value = |step: usize| run(context, context.grid.time(step), &given.at(step));
            Ok((0..context.steps()).map(value).collect())
        }
        Run::Special(run) => {
            let row = run(context, arguments)?.pop();
            Ok(row.map_or_else(|| vec![f64::NAN; context.steps()], |row| row.floats))
        }
        _ => fail("expected a scalar"),
    }
}

pub(super) fn vector(
    context: &Context<'_>,
    function: &Function,
    arguments: &[Node],
    node: &Node,
) -> Evaluated<Vec<Row>> {
    match function.run {
        Run::Window(run, beside) => {
            windows::evaluate(context, function, run, beside, arguments, false)
        }
        Run::NamedWindow(run, beside) => {
            windows::evaluate(context, function, run, beside, arguments, true)
        }
        Run::Value(run) => each(context, &arguments[0], |_, value| Some(run(value))),
        Run::Scaled(run) => {
            let given = Scalars::of(context, &arguments[1..])?;
            // A step of one is what rounding means where nothing else is said.
            let count = arguments.len() - 1;
            each(context, &arguments[0], |step, value| run(value, &given.at(step)[..count]))
        }
        Run::Calendar(run) => {
            let field =
                |value: f64| calendar::date(value).map_or(f64::NAN, |date| run(date) as f64);
            let Some(argument) = arguments.first() else {
                let times = (0..context.steps()).map(|step| context.grid.time(step));
                let values = times.map(|time| field(time as f64 / 1e3)).collect();
                return Ok(vec![Row::new(Labels::empty(), values)]);
            };
            each(context, argument, |_, value| Some(field(value)))
        }
        Run::Histogram(run) => {
            // What needs no buckets tells resets apart by itself, as Prometheus does.
            let needs_buckets = matches!(function.name, "histogram_stddev" | "histogram_stdvar");
            let finds_resets = !needs_buckets;
            let inner = Context { finds_resets, ..*context };
            let rows = inner.vector(&arguments[0])?.into_iter();
            let rows = rows.filter(|row| !row.histograms.is_empty()).map(|row| {
                let value = |step: usize| row.histogram(step).map_or_else(nothing, |h| run(h));
                let floats = (0..context.steps()).map(value).collect();
                Row { drops_name: row.drops_name, ..Row::new(row.labels.clone(), floats) }
            });
            unnamed(context, rows.collect())
        }
        Run::Scalar(_) => fail("expected an instant vector"),
        Run::Special(run) => {
            sort::warn_of_range(context, function.name, node);
            run(context, arguments)
        }
    }
}

/// Scalar arguments of a function at all steps. No function takes more than two.
pub(super) struct Scalars(Vec<Vec<f64>>);

impl Scalars {
    pub(super) fn of<'n>(
        context: &Context<'_>,
        nodes: impl IntoIterator<Item = &'n Node>,
    ) -> Evaluated<Self> {
        let columns = nodes.into_iter().map(|node| context.scalar(node));
        columns.collect::<Evaluated<_>>().map(Self)
    }

    pub(super) fn at(&self, step: usize) -> [f64; 2] {
        if self.0.is_empty() {
            return [f64::NAN; 2];
        }
        let value = |index: usize| {
            let column: Option<&Vec<f64>> = self.0.get(index);
            column.and_then(|column| column.get(step)).copied().unwrap_or(f64::NAN)
        };
        [value(0), value(1)]
    }
}

/// Functions of floats leave histograms out.
fn each(
    context: &Context<'_>,
    node: &Node,
    run: impl Fn(usize, f64) -> Option<f64>,
) -> Evaluated<Vec<Row>> {
    let mut rows = context.vector(node)?;
    for row in &mut rows {
        context.budget.check()?;
        row.histograms.clear();
        for (step, value) in row.floats.iter_mut().enumerate() {
            if is_float(*value) {
                *value = run(step, *value).unwrap_or_else(nothing);
            }
        }
    }
    unnamed(context, rows)
}

/// The one float of a vector, as a row.
fn to_scalar(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    let mut floats = vec![nothing(); context.steps()];
    for row in context.vector(&arguments[0])? {
        context.budget.check()?;
        for (only, value) in floats.iter_mut().zip(row.floats).filter(|(_, value)| is_float(*value))
        {
            *only = if is_float(*only) { f64::NAN } else { value };
        }
    }
    floats.iter_mut().filter(|value| !is_float(**value)).for_each(|value| *value = f64::NAN);
    Ok(vec![Row::new(Labels::empty(), floats)])
}

fn vector_of(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    Ok(vec![Row::new(Labels::empty(), context.scalar(&arguments[0])?)])
}

/// When what a sample counts began. No source tells, so there is none.
fn start_timestamp(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    context.vector(&arguments[0]).map(|_| Vec::new())
}

/// When a sample was taken, which only a selector knows: whatever is computed was taken now.
fn timestamp(context: &Context<'_>, arguments: &[Node]) -> Evaluated<Vec<Row>> {
    if let Kind::Selector(selector) = &arguments[0].bare().kind {
        return unnamed(context, context.select_times(selector, arguments[0].bare())?);
    }
    let mut rows = context.vector(&arguments[0])?;
    for row in &mut rows {
        context.budget.check()?;
        for step in 0..context.steps() {
            if row.has(step) {
                row.floats[step] = context.grid.time(step) as f64 / 1e3;
            }
        }
        row.histograms.clear();
    }
    unnamed(context, rows)
}
