//! Random queries that parse and type-check.

use proptest::{collection::vec, prelude::*, sample::select};

/// A selector over the series of a world, without a window.
pub(crate) fn selector() -> impl Strategy<Value = String> {
    let name = select(vec!["a", "b", "c_total", "h", "{__name__=~\"a|b\"}", "missing"]);
    let matchers = select(vec!["", "", "{x=\"1\"}", "{x!=\"1\",y=~\"0|1\"}", "{x!~\"0\"}"]);
    (name, matchers).prop_map(|(name, matchers)| match name.strip_suffix('}') {
        Some(name) if !matchers.is_empty() => format!("{name},{}", &matchers[1..]),
        _ => format!("{name}{matchers}"),
    })
}

fn duration() -> impl Strategy<Value = &'static str> {
    select(vec!["1s", "10s", "35s", "1m", "90s", "2m30s", "5m", "7m"])
}

/// `offset` and `@`, mostly neither.
fn shift() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(String::new()),
        1 => duration().prop_map(|duration| format!(" offset {duration}")),
        1 => duration().prop_map(|duration| format!(" offset -{duration}")),
        1 => (0_u32..600).prop_map(|seconds| format!(" @ {seconds}")),
        1 => (duration(), 0_u32..600).prop_map(|(by, at)| format!(" @ {at} offset {by}")),
    ]
}

/// A range vector: a window of a selector.
pub(crate) fn window() -> impl Strategy<Value = String> {
    (selector(), duration(), shift()).prop_map(|(of, range, shift)| format!("{of}[{range}]{shift}"))
}

/// Functions of a range vector without further arguments.
pub(crate) const OF_RANGES: &[&str] = &[
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "last_over_time",
    "first_over_time",
    "present_over_time",
    "absent_over_time",
];

const OF_VECTORS: &[&str] = &[
    "abs",
    "ceil",
    "floor",
    "round",
    "sgn",
    "sqrt",
    "exp",
    "ln",
    "sin",
    "atan",
    "deg",
    "absent",
    "timestamp",
    "hour",
    "day_of_year",
    "-",
    "+",
    "vector(scalar",
    "histogram_count",
    "histogram_sum",
];

const AGGREGATIONS: &[&str] = &[
    "sum",
    "avg",
    "min",
    "max",
    "count",
    "group",
    "stddev",
    "stdvar",
    "topk(2,",
    "bottomk(1,",
    "quantile(0.3,",
    "count_values(\"v\",",
];

const GROUPINGS: &[&str] =
    &["", "by (x)", "by (x, y)", "without (x)", "by (__name__)", "without ()"];

const OPERATORS: &[&str] =
    &["+", "-", "*", "/", "%", "^", "atan2", "==", "!=", "<", ">", "<=", ">=", "== bool", "> bool"];

const MATCHINGS: &[&str] =
    &["", "", "on (x, y)", "ignoring (y)", "on (x) group_left ()", "on (x) group_right (y)"];

/// A number, or what yields one.
pub(crate) fn scalar() -> impl Strategy<Value = String> {
    let number = select(vec!["0", "1", "2.5", "-3", "1e3", "Inf", "NaN", "1m"]);
    prop_oneof![
        6 => number.prop_map(str::to_owned),
        1 => Just("time()".to_owned()),
        1 => Just("pi()".to_owned()),
        1 => selector().prop_map(|of| format!("scalar({of})")),
    ]
}

/// An instant vector, up to `depth` operations deep.
pub(crate) fn vector(depth: u32) -> impl Strategy<Value = String> {
    let instant = (selector(), shift()).prop_map(|(of, shift)| format!("{of}{shift}"));
    let of_window = (select(OF_RANGES), window())
        .prop_map(|(function, window)| format!("{function}({window})"));
    let leaf = prop_oneof![
        3 => instant,
        3 => of_window,
        1 => scalar().prop_map(|of| format!("vector({of})")),
        1 => window().prop_map(|of| format!("quantile_over_time(0.6, {of})")),
        1 => (window(), scalar()).prop_map(|(of, ahead)| format!("predict_linear({of}, {ahead})")),
    ];
    leaf.prop_recursive(depth, 24, 2, |inner| {
        let pair = (inner.clone(), inner.clone()).boxed();
        prop_oneof![
            (select(OF_VECTORS), inner.clone()).prop_map(|(function, of)| {
                format!("{function}({of}){}", if function.contains('(') { ")" } else { "" })
            }),
            (select(AGGREGATIONS), select(GROUPINGS), inner.clone())
                .prop_map(|(aggregation, grouping, of)| aggregated(aggregation, grouping, &of)),
            (inner.clone(), select(OPERATORS), scalar())
                .prop_map(|(left, operator, right)| format!("({left}) {operator} {right}")),
            (scalar(), select(OPERATORS), inner.clone())
                .prop_map(|(left, operator, right)| format!("{left} {operator} ({right})")),
            (pair.clone(), select(OPERATORS), select(MATCHINGS)).prop_map(
                |((left, right), operator, matching)| {
                    format!("({left}) {operator} {matching} ({right})")
                }
            ),
            (pair, select(vec!["and", "or", "unless"]), select(vec!["", "on (x)", "ignoring (x)"]))
                .prop_map(|((left, right), operator, matching)| {
                    format!("({left}) {operator} {matching} ({right})")
                }),
            (select(OF_RANGES), inner.clone(), duration(), duration(), shift()).prop_map(
                |(function, of, range, step, shift)| {
                    format!("{function}(({of})[{range}:{step}]{shift})")
                }
            ),
            (inner, scalar(), scalar())
                .prop_map(|(of, low, high)| format!("clamp({of}, {low}, {high})")),
        ]
    })
}

fn aggregated(aggregation: &str, grouping: &str, of: &str) -> String {
    match aggregation.split_once('(') {
        Some((name, parameter)) => format!("{name} {grouping} ({parameter} {of})"),
        None => format!("{aggregation} {grouping} ({of})"),
    }
}

/// Anything that has a value over a range: a vector or a number.
pub(crate) fn query() -> impl Strategy<Value = String> {
    let arithmetic = vec(scalar(), 2..4).prop_map(|parts| parts.join(" + "));
    prop_oneof![9 => vector(4), 1 => arithmetic]
}
