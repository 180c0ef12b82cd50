//! Texts of queries that are valid, made from the grammar.

use proptest::{collection::vec, prelude::*, sample::select, strategy::Union};

use crate::format::quoted_bytes;

/// How often expressions are put into others.
const DEPTH: usize = 3;

type Texts = BoxedStrategy<String>;

/// Expressions of each type.
struct Level {
    scalar: Texts,
    vector: Texts,
    matrix: Texts,
}

/// A query of any type.
pub(super) fn query() -> Texts {
    let start = Level { scalar: number(), vector: selector(), matrix: window() };
    let level = (0..DEPTH).fold(start, |level, _| deeper(&level));
    let Level { scalar, vector, matrix, .. } = level;
    prop_oneof![1 => scalar, 6 => vector, 1 => matrix, 1 => string()].boxed()
}

/// Expressions of those of `level`. An atom can stand anywhere without parentheses.
fn deeper(level: &Level) -> Level {
    let vector_atom = Union::new([
        selector(),
        join([text("("), level.vector.clone(), text(")")]),
        aggregate(level),
        call(level),
    ])
    .boxed();
    let scalar_atom = Union::new([
        number(),
        join([text("("), level.scalar.clone(), text(")")]),
        join([text("scalar("), level.vector.clone(), text(")")]),
        select(vec!["time()", "pi( )", "step()", "range()", "(+Inf)"]).prop_map_into().boxed(),
    ])
    .boxed();
    Level {
        scalar: chain(signed(scalar_atom.clone()), scalar_operator()),
        vector: prop_oneof![
            3 => chain(signed(vector_atom.clone()), vector_operator()),
            1 => join([vector_atom.clone(), mixed_operator(), scalar_atom.clone()]),
            1 => join([scalar_atom.clone(), mixed_operator(), vector_atom.clone()]),
        ]
        .boxed(),
        matrix: prop_oneof![window(), join([vector_atom.clone(), steps(), shift()])].boxed(),
    }
}

fn text(text: &'static str) -> Texts {
    Just(text.to_owned()).boxed()
}

fn any_of(texts: &'static [&'static str]) -> Texts {
    select(texts).prop_map_into().boxed()
}

/// Texts behind each other, with blanks and comments between them.
fn join<const N: usize>(parts: [Texts; N]) -> Texts {
    let parts: Vec<Texts> = parts.into();
    let gaps = vec(any_of(&["", " ", " ", "\n\t", " # a comment\n"]), N);
    (parts, gaps)
        .prop_map(|(parts, gaps)| {
            let joined = parts.iter().zip(&gaps).map(|(part, gap)| format!("{part}{gap}"));
            joined.collect()
        })
        .boxed()
}

/// Operands with operators between them, which group as they may.
fn chain(operand: Texts, operator: Texts) -> Texts {
    (operand.clone(), vec((operator, operand), 0..3))
        .prop_map(|(first, more)| {
            let rest = more.iter().map(|(operator, operand)| format!(" {operator} {operand}"));
            first + &rest.collect::<String>()
        })
        .boxed()
}

fn signed(operand: Texts) -> Texts {
    (any_of(&["", "", "", "-", "+", "- -"]), operand)
        .prop_map(|(sign, operand)| format!("{sign}{operand}"))
        .boxed()
}

/// Not infinity: as the base of a power it gets one more sign whenever it is printed, as in Prometheus.
fn number() -> Texts {
    let any = any::<f64>().prop_filter_map("a number", |value| {
        (value.is_finite()).then(|| format!("{:?}", value.abs()))
    });
    let few = any_of(&[
        "0", "1", "2.50", "0x1F", "1_000", "1e3", "NaN", "017", ".5", "5m", "1s1ms", "1y2d",
    ]);
    prop_oneof![1 => any, 3 => few].boxed()
}

fn string() -> Texts {
    prop_oneof![
        vec(any::<u8>(), 0..6).prop_map(|bytes| quoted_bytes(&bytes)),
        utf8(),
        any_of(&["'it\\'s \"'", "`raw\\n\n\"`", "\"\\U0001f600\\101\""]),
    ]
    .boxed()
}

/// Any text that is UTF-8, in quotes.
fn utf8() -> Texts {
    any::<String>().prop_map(|text| quoted_bytes(text.as_bytes())).boxed()
}

fn label() -> Texts {
    any_of(&["job", "_x9", "\"job\"", "\"a.b\"", "'1st'", "\"\\\"\\n\"", "'温度'", "by"])
}

/// Conditions of which one cannot be met by nothing.
fn conditions(named: &'static str) -> Texts {
    let regex = any_of(&["=~ 'a.*|b'", "!~ \"\\\\d+\"", "=~'()'", "!~``"]);
    let equal = (any_of(&["=", "!=", " = "]), utf8()).prop_map(|(op, value)| op + &value);
    let condition =
        (label(), prop_oneof![regex, equal.boxed()]).prop_map(|(label, rest)| label + &rest);
    (vec(condition, 0..3), 0..3_usize, any::<bool>())
        .prop_map(move |(mut conditions, at, has_comma)| {
            if !named.is_empty() {
                conditions.insert(at.min(conditions.len()), named.to_owned());
            }
            let comma = if has_comma && !conditions.is_empty() { "," } else { "" };
            format!("{{{}{comma}}}", conditions.join(", "))
        })
        .boxed()
}

fn selection() -> Texts {
    let name =
        any_of(&["up", "job:up:sum", "_x9", "sum", "start", "metric_with_quite_a_long_name_total"]);
    prop_oneof![
        2 => name.clone(),
        1 => join([name, conditions("")]),
        1 => conditions("\"up\""),
        1 => conditions("'gpu.power'"),
        1 => conditions("__name__=~'up|down'"),
        1 => conditions("__name__='up'"),
    ]
    .boxed()
}

fn selector() -> Texts {
    join([selection(), shift(), any_of(&["", "", "", " anchored", " SMOOTHED"])])
}

fn window() -> Texts {
    let extension = any_of(&["", "", "", " Anchored", " smoothed"]);
    join([selection(), text("["), duration(), text("]"), extension, shift()])
}

fn steps() -> Texts {
    let step = prop_oneof![text(""), duration()].boxed();
    join([text("["), duration(), text(":"), step, text("]")])
}

/// What moves a selector in time, in any order.
fn shift() -> Texts {
    let at = any_of(&["", " @ 0", " @ -1.5", " @ +10", " @ 1m40s", " @ start()", " @ END( )"]);
    let offset = prop_oneof![
        4 => text(""),
        2 => any_of(&[
            " offset 5m", " OFFSET -90s", " offset 0s", " offset +7", " offset -0.25", " offset (1h)",
            " offset -(1h)", " offset step()", " offset -range()",
        ]),
        1 => computed().prop_map(|computed| format!(" offset -({computed})")),
        1 => computed().prop_map(|computed| format!(" offset max_of({computed}, 1m)")),
    ];
    (at, offset.boxed(), any::<bool>())
        .prop_map(|(at, offset, is_at_first)| if is_at_first { at + &offset } else { offset + &at })
        .boxed()
}

fn duration() -> Texts {
    let simple =
        any_of(&["5m", "1h30m", "90", "0.25", "2w", "15d", "1y", "366d", "(1m)", "1s1ms", "- -1m"]);
    prop_oneof![3 => simple, 1 => computed()].boxed()
}

/// A duration that is no plain number. What it comes to is not known before it is evaluated.
fn computed() -> Texts {
    let leaf = any_of(&["5m", "2", "-1m", "step()", "RANGE( )", "(-2)", "((3))", "+1h", "0.5"]);
    let operator = any_of(&["+", "-", "*", "/", "%", "^"]);
    let any = leaf.prop_recursive(3, 12, 2, move |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            2 => (inner.clone(), operator.clone(), inner.clone())
                .prop_map(|(left, operator, right)| format!("{left}{operator}{right}")),
            1 => pair.clone().prop_map(|(left, right)| format!("min_of({left}, {right})")),
            1 => pair.prop_map(|(left, right)| format!("Max_of({left},{right})")),
            1 => inner.clone().prop_map(|inner| format!("({inner})")),
            1 => inner.prop_map(|inner| format!("-{inner}")),
        ]
    });
    any.prop_map(|any| format!("step() + {any}")).boxed()
}

fn scalar_operator() -> Texts {
    any_of(&["+", "-", "*", "/", "%", "^", "atan2", "== bool", "< BOOL", ">= bool", "!= bool"])
}

fn mixed_operator() -> Texts {
    any_of(&[" + ", " - ", " * ", " ^ ", " ATAN2 ", " == ", " <= bool ", " </ ", " >/ ", " != "])
}

fn vector_operator() -> Texts {
    let on = any_of(&["", "", "on()", "on (x, \"y.z\")", "ignoring(x,)", "IGNORING ()"]);
    let group =
        any_of(&["on(x) group_left()", "ignoring(x) group_right (q, 'r s')", "on() Group_Left(q)"]);
    let fill = any_of(&[
        "",
        "",
        "fill(0)",
        "fill_left (-1.5)",
        "FILL_RIGHT(1e6)",
        "fill(NaN)",
        "fill_left(1) fill_right(inf)",
    ]);
    let compared = any_of(&["==", "!=", "> ", "<", ">= bool", "<=", "< bool"]);
    let arithmetic = any_of(&["+", "-", "*", "/", "%", "^", "atan2", "</", ">/"]);
    let matching = prop_oneof![2 => on.clone(), 1 => group].boxed();
    prop_oneof![
        1 => join([any_of(&["and", "OR", "unless"]), text(" "), on]),
        2 => join([prop_oneof![compared, arithmetic].boxed(), text(" "), matching, text(" "), fill]),
    ]
    .boxed()
}

fn aggregate(level: &Level) -> Texts {
    let plain = any_of(&["sum", "AVG", "count", "group", "stddev"]);
    let given = any_of(&["topk", "bottomk", "Quantile", "limitk", "limit_ratio"]);
    let grouping = any_of(&["", "", " by (x) ", " without(\"y.z\", x)", " BY ()", " without ()"]);
    let arguments = prop_oneof![
        2 => (plain, level.vector.clone()),
        1 => (given, (level.scalar.clone(), level.vector.clone())
            .prop_map(|(scalar, vector)| format!("{scalar}, {vector}"))),
        1 => (text("count_values"), (utf8(), level.vector.clone())
            .prop_map(|(text, vector)| format!("{text}, {vector}"))),
    ];
    (arguments, grouping, any::<bool>())
        .prop_map(|((name, arguments), grouping, is_first)| {
            if is_first {
                format!("{name}{grouping}({arguments})")
            } else {
                format!("{name}({arguments}){grouping}")
            }
        })
        .boxed()
}

fn call(level: &Level) -> Texts {
    let [scalar, vector, matrix] = [&level.scalar, &level.vector, &level.matrix].map(Clone::clone);
    let of_matrix = any_of(&["rate(", "max_over_time(", "absent_over_time( "]);
    let of_vector = any_of(&["abs(", "histogram_count(", "timestamp(", "hour(", "info("]);
    Union::new([
        join([of_matrix, matrix.clone(), text(")")]),
        join([of_vector, vector.clone(), text(")")]),
        text("year()"),
        join([text("vector("), scalar.clone(), text(")")]),
        join([text("clamp_min("), vector.clone(), text(", -Inf)")]),
        join([text("quantile_over_time("), scalar.clone(), text(","), matrix, text(")")]),
        join([text("round("), vector.clone(), text(","), scalar, text(")")]),
        join([text("label_join("), vector.clone(), text(","), utf8(), text(",','"), text(",'b')")]),
        join([text("sort_by_label("), vector.clone(), text(","), string(), text(")")]),
        join([text("info("), vector, text(", "), conditions(""), text(")")]),
    ])
    .boxed()
}
