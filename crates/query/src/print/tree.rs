//! An expression as a tree of named values, which is what a page draws a query from.

use crate::{
    ast::{
        Aggregate, At, Binary, Computed, ComputedKind, Extension, Grouping, Kind, Length, Many,
        Node, Selector, Shift, Subquery, Type,
    },
    eval::functions::Function,
    format::format_float,
};

use super::line::sign;

/// What a query consists of, as names and values that any format of data can take. Its names and values are
/// those of Prometheus' `/api/v1/parse_query`; the names of an object are in alphabetical order.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Flag(bool),
    Whole(i64),
    /// May be infinite or not a number.
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(&'static str, Self)>),
}

use Tree::{Flag, List, Null, Object, Whole};

impl Tree {
    pub(super) fn of(node: &Node) -> Self {
        match &node.kind {
            Kind::Number { value, .. } => Object(vec![
                ("type", text("numberLiteral")),
                ("val", Self::Text(format_float(*value))),
            ]),
            Kind::String(bytes) => {
                Object(vec![("type", text("stringLiteral")), ("val", Self::Text(readable(bytes)))])
            }
            Kind::Paren(inner) => {
                Object(vec![("expr", Self::of(inner)), ("type", text("parenExpr"))])
            }
            Kind::Signed { is_negative, inner } => Object(vec![
                ("expr", Self::of(inner)),
                ("op", text(sign(*is_negative))),
                ("type", text("unaryExpr")),
            ]),
            Kind::Selector(selector) => of_selector(selector, "vectorSelector", None),
            Kind::Window(window) => {
                of_selector(&window.selector, "matrixSelector", Some(&window.range))
            }
            Kind::Subquery(subquery) => of_subquery(subquery),
            Kind::Binary(binary) => of_binary(binary),
            Kind::Aggregate(aggregate) => of_aggregate(aggregate),
            Kind::Call(function, arguments) => Object(vec![
                ("args", List(arguments.iter().map(Self::of).collect())),
                ("func", of_function(function)),
                ("type", text("call")),
            ]),
        }
    }
}

fn text(text: &str) -> Tree {
    Tree::Text(text.to_owned())
}

fn texts(texts: &[String]) -> Tree {
    List(texts.iter().map(|each| text(each)).collect())
}

/// Each byte that is no text becomes a replacement character, as in Go.
fn readable(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}

fn of_selector(selector: &Selector, kind: &str, range: Option<&Length>) -> Tree {
    let is = |extension: Extension| Flag(selector.extension == Some(extension));
    let name = selector.matchers.first().filter(|_| selector.has_name);
    let mut matchers: Vec<Tree> = Vec::with_capacity(selector.matchers.len());
    for matcher in &selector.matchers {
        matchers.push(Object(vec![
            ("name", text(&matcher.name)),
            ("type", text(matcher.op.as_str())),
            ("value", text(&matcher.value)),
        ]));
    }
    // Prometheus adds the name in front of the braces last.
    if name.is_some() {
        matchers.rotate_left(1);
    }
    let (offset, offset_expr) = of_offset(&selector.shift);
    let mut fields = vec![
        ("anchored", is(Extension::Anchored)),
        ("matchers", List(matchers)),
        ("name", text(name.map_or("", |name| &name.value))),
        ("offset", offset),
        ("offsetExpr", offset_expr),
    ];
    if let Some(range) = range {
        let (range, range_expr) = of_length(range);
        fields.extend([("range", range), ("rangeExpr", range_expr)]);
    }
    fields.extend([
        ("smoothed", is(Extension::Smoothed)),
        ("startOrEnd", start_or_end(&selector.shift)),
        ("timestamp", timestamp(&selector.shift)),
        ("type", text(kind)),
    ]);
    Object(fields)
}

fn of_subquery(subquery: &Subquery) -> Tree {
    let (offset, offset_expr) = of_offset(&subquery.shift);
    let (range, range_expr) = of_length(&subquery.range);
    let (step, step_expr) = subquery.step.as_ref().map_or((Whole(0), Null), of_length);
    Object(vec![
        ("expr", Tree::of(&subquery.inner)),
        ("offset", offset),
        ("offsetExpr", offset_expr),
        ("range", range),
        ("rangeExpr", range_expr),
        ("startOrEnd", start_or_end(&subquery.shift)),
        ("step", step),
        ("stepExpr", step_expr),
        ("timestamp", timestamp(&subquery.shift)),
        ("type", text("subquery")),
    ])
}

fn start_or_end(shift: &Shift) -> Tree {
    match shift.at {
        Some(At::Start) => text("start"),
        Some(At::End) => text("end"),
        Some(At::Time(_)) | None => Null,
    }
}

fn timestamp(shift: &Shift) -> Tree {
    match shift.at {
        Some(At::Time(time)) => Whole(time),
        Some(At::Start | At::End) | None => Null,
    }
}

fn of_offset(shift: &Shift) -> (Tree, Tree) {
    shift.offset.as_ref().map_or((Whole(0), Null), of_length)
}

/// Milliseconds, and what they are computed from: then they are not known, which Prometheus writes as zero.
fn of_length(length: &Length) -> (Tree, Tree) {
    match length {
        Length::Fixed(ms) => (Whole(*ms), Null),
        Length::Computed(computed) => (Whole(0), of_computed(computed, false)),
    }
}

fn of_computed(computed: &Computed, is_wrapped: bool) -> Tree {
    if let Some((value, is_duration)) = computed.literal() {
        return Object(vec![
            ("duration", Flag(is_duration)),
            ("type", text("numberLiteral")),
            ("val", Tree::Text(format_float(value))),
        ]);
    }
    let (op, left, right) = match &computed.kind {
        ComputedKind::Number { .. } => ("", None, None),
        ComputedKind::Paren(inner) => return of_computed(inner, true),
        ComputedKind::Step => ("step", None, None),
        ComputedKind::Range => ("range", None, None),
        ComputedKind::Negative(inner) => ("-", None, Some(inner)),
        ComputedKind::Least(left, right) => ("min_of", Some(left), Some(right)),
        ComputedKind::Most(left, right) => ("max_of", Some(left), Some(right)),
        ComputedKind::Binary(operator, left, right) => {
            (operator.written().0, Some(left), Some(right))
        }
    };
    let side = |side: Option<&Computed>| side.map_or(Null, |side| of_computed(side, false));
    Object(vec![
        ("lhs", side(left.map(AsRef::as_ref))),
        ("op", text(op)),
        ("rhs", side(right.map(AsRef::as_ref))),
        ("type", text("durationExpr")),
        ("wrapped", Flag(is_wrapped)),
    ])
}

fn of_binary(binary: &Binary) -> Tree {
    let are_vectors =
        [&binary.left, &binary.right].iter().all(|side| side.kind_of() == Type::Vector);
    let matching = &binary.matching;
    let card = match matching.many {
        _ if binary.operator.is_set() => "many-to-many",
        Many::Neither => "one-to-one",
        Many::Left => "many-to-one",
        Many::Right => "one-to-many",
    };
    let (is_on, labels) = match &matching.on {
        Grouping::By(labels) => (true, labels),
        Grouping::Without(labels) => (false, labels),
    };
    let [left, right] = matching.fill.map(|value| value.map_or(Null, Tree::Float));
    let matching = Object(vec![
        ("card", text(card)),
        ("fillValues", Object(vec![("lhs", left), ("rhs", right)])),
        ("include", texts(&matching.include)),
        ("labels", texts(labels)),
        ("on", Flag(is_on)),
    ]);
    Object(vec![
        ("bool", Flag(binary.returns_bool)),
        ("lhs", Tree::of(&binary.left)),
        ("matching", if are_vectors { matching } else { Null }),
        ("op", text(binary.operator.written().0)),
        ("rhs", Tree::of(&binary.right)),
        ("type", text("binaryExpr")),
    ])
}

fn of_aggregate(aggregate: &Aggregate) -> Tree {
    let (is_without, labels) = match &aggregate.grouping {
        Grouping::By(labels) => (false, labels),
        Grouping::Without(labels) => (true, labels),
    };
    Object(vec![
        ("expr", Tree::of(&aggregate.inner)),
        ("grouping", texts(labels)),
        ("op", text(aggregate.kind.name())),
        ("param", aggregate.parameter.as_ref().map_or(Null, Tree::of)),
        ("type", text("aggregation")),
        ("without", Flag(is_without)),
    ])
}

fn of_function(function: &Function) -> Tree {
    Object(vec![
        ("argTypes", List(function.arguments.iter().map(|kind| text(type_name(*kind))).collect())),
        ("name", text(function.name)),
        ("returnType", text(type_name(function.returns))),
        ("variadic", Whole(function.variadic())),
    ])
}

fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Scalar => "scalar",
        Type::Vector => "vector",
        Type::Matrix => "matrix",
        Type::String => "string",
    }
}
