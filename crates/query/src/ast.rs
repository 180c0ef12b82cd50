//! What a query means, once its text is understood.

use model::{UnixMs, series::Matcher};

use crate::eval::functions::Function;

/// A query that parses and type-checks.
#[derive(Clone, Debug)]
pub struct Expr {
    pub(crate) root: Node,
    pub(crate) text: String,
}

impl Expr {
    /// The query as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The conditions of every selector, from left to right.
    pub fn selectors(&self) -> Vec<&[Matcher]> {
        let mut found = Vec::new();
        let mut pending = vec![&self.root];
        while let Some(node) = pending.pop() {
            if let Kind::Selector(selector) = &node.kind {
                found.push(selector.matchers.as_slice());
            } else if let Kind::Window(window) = &node.kind {
                found.push(window.selector.matchers.as_slice());
            }
            let children = node.children();
            pending.extend(children.into_iter().rev());
        }
        found
    }

    /// The same query with everything in it that moves with the time of evaluation held at `time` as `@` does,
    /// so that it yields the same whenever it is evaluated; `None` where a function tells the time.
    pub fn pinned(&self, time: UnixMs) -> Option<Self> {
        let mut pinned = self.clone();
        pinned.root.pin(time).then_some(pinned)
    }
}

/// What an expression yields at each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Scalar,
    Vector,
    Matrix,
    String,
}

impl Type {
    /// The name that messages use.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// The byte of the text that it begins at.
    pub(crate) start: usize,
    /// Longest way down to a leaf; limited, so that recursion over a tree is.
    pub(crate) depth: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Number {
        value: f64,
        is_duration: bool,
    },
    /// Any bytes, because escapes can make them.
    String(Vec<u8>),
    Paren(Box<Node>),
    Selector(Selector),
    Window(Box<Window>),
    Subquery(Box<Subquery>),
    Signed {
        is_negative: bool,
        inner: Box<Node>,
    },
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    Call(&'static Function, Vec<Node>),
}

/// A duration, which may be computed from what the query is asked with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Length {
    Fixed(i64),
    Computed(Box<Computed>),
}

/// Arithmetic in place of a duration, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Computed {
    pub(crate) kind: ComputedKind,
    pub(crate) start: usize,
    /// As of a [`Node`].
    pub(crate) depth: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ComputedKind {
    /// Seconds; whether they were written as a duration.
    Number {
        value: f64,
        is_duration: bool,
    },
    /// The step of the query.
    Step,
    /// The time from the first to the last step of the query.
    Range,
    Negative(Box<Computed>),
    Paren(Box<Computed>),
    Least(Box<Computed>, Box<Computed>),
    Most(Box<Computed>, Box<Computed>),
    Binary(Operator, Box<Computed>, Box<Computed>),
}

impl Computed {
    /// What it is computed from.
    pub(crate) fn parts(&self) -> [Option<&Self>; 2] {
        match &self.kind {
            ComputedKind::Number { .. } | ComputedKind::Step | ComputedKind::Range => [None; 2],
            ComputedKind::Negative(inner) | ComputedKind::Paren(inner) => [Some(inner), None],
            ComputedKind::Least(a, b)
            | ComputedKind::Most(a, b)
            | ComputedKind::Binary(_, a, b) => [Some(a), Some(b)],
        }
    }

    /// The seconds of what is only a number, however many signs and parentheses are around it, and whether
    /// they were written as a duration.
    pub(crate) fn literal(&self) -> Option<(f64, bool)> {
        match &self.kind {
            ComputedKind::Number { value, is_duration } => Some((*value, *is_duration)),
            ComputedKind::Paren(inner) => inner.literal(),
            ComputedKind::Negative(inner) => {
                inner.literal().map(|(value, is_duration)| (-value, is_duration))
            }
            _ => None,
        }
    }
}

/// `offset` and `@`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shift {
    pub(crate) offset: Option<Length>,
    pub(crate) at: Option<At>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Start,
    End,
    Time(i64),
}

/// How a window treats what lies just outside of it. Experimental in Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extension {
    /// Takes the sample before its start as one at its start, and its last as one at its end.
    Anchored,
    /// Interpolates at both borders.
    Smoothed,
}

#[derive(Clone, Debug)]
pub(crate) struct Selector {
    /// In the order in which they were written.
    pub(crate) matchers: Vec<Matcher>,
    /// Whether the first of them is the name in front of the braces.
    pub(crate) has_name: bool,
    pub(crate) shift: Shift,
    pub(crate) extension: Option<Extension>,
}

/// The points of a selector within a time.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) selector: Selector,
    pub(crate) range: Length,
}

#[derive(Clone, Debug)]
pub(crate) struct Subquery {
    pub(crate) inner: Node,
    pub(crate) range: Length,
    pub(crate) step: Option<Length>,
    pub(crate) shift: Shift,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// Cuts off a histogram's observations above a bound.
    TrimAbove,
    /// Cuts off a histogram's observations below a bound.
    TrimBelow,
    And,
    Or,
    Unless,
}

impl Operator {
    pub(crate) fn is_comparison(self) -> bool {
        use Operator::*;
        matches!(self, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
    }

    /// Whether its result is of another metric than what it is made of.
    pub(crate) fn makes_another(self) -> bool {
        !self.is_comparison() && !self.is_set() && !self.is_trim()
    }

    pub(crate) fn is_trim(self) -> bool {
        matches!(self, Self::TrimAbove | Self::TrimBelow)
    }

    pub(crate) fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

/// Operators with how tightly they bind.
pub(crate) const OPERATORS: &[(&str, Operator, u8)] = &[
    ("or", Operator::Or, 1),
    ("and", Operator::And, 2),
    ("unless", Operator::Unless, 2),
    ("==", Operator::Equal, 3),
    ("!=", Operator::NotEqual, 3),
    ("<=", Operator::LessEqual, 3),
    ("<", Operator::Less, 3),
    (">=", Operator::GreaterEqual, 3),
    (">", Operator::Greater, 3),
    ("</", Operator::TrimAbove, 3),
    (">/", Operator::TrimBelow, 3),
    ("+", Operator::Add, 4),
    ("-", Operator::Sub, 4),
    ("*", Operator::Mul, 5),
    ("/", Operator::Div, 5),
    ("%", Operator::Mod, 5),
    ("atan2", Operator::Atan2, 5),
    ("^", Operator::Pow, 7),
];

impl Operator {
    /// As a query writes it, and how tightly it binds.
    pub(crate) fn written(self) -> (&'static str, u8) {
        let found = OPERATORS.iter().find(|(_, operator, _)| *operator == self);
        found.map_or(("", 0), |(text, _, binding)| (text, *binding))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Binary {
    pub(crate) operator: Operator,
    pub(crate) left: Node,
    pub(crate) right: Node,
    pub(crate) returns_bool: bool,
    pub(crate) matching: Matching,
}

/// Which labels decide what belongs together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}

impl Grouping {
    /// Whether the label of that name decides. The metric's name does so only where it is named.
    pub(crate) fn keeps(&self, name: &str) -> bool {
        match self {
            Self::By(names) => names.iter().any(|other| other == name),
            Self::Without(names) => name != model::NAME && !names.iter().any(|other| other == name),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Many {
    Neither,
    Left,
    Right,
}

#[derive(Clone, Debug)]
pub(crate) struct Matching {
    /// `on` is [`Grouping::By`], `ignoring` is [`Grouping::Without`].
    pub(crate) on: Grouping,
    pub(crate) many: Many,
    /// Labels that the many side takes over from the one side.
    pub(crate) include: Vec<String>,
    /// What a series without partner on the left, or on the right, is matched with. Experimental in
    /// Prometheus.
    pub(crate) fill: [Option<f64>; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AggregateKind {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    Quantile,
    CountValues,
    Limitk,
    LimitRatio,
}

/// Aggregations with the type of the parameter in front of the vector, if they take one.
pub(crate) const AGGREGATES: &[(&str, AggregateKind, Option<Type>)] = &[
    ("sum", AggregateKind::Sum, None),
    ("avg", AggregateKind::Avg, None),
    ("count", AggregateKind::Count, None),
    ("min", AggregateKind::Min, None),
    ("max", AggregateKind::Max, None),
    ("group", AggregateKind::Group, None),
    ("stddev", AggregateKind::Stddev, None),
    ("stdvar", AggregateKind::Stdvar, None),
    ("topk", AggregateKind::Topk, Some(Type::Scalar)),
    ("bottomk", AggregateKind::Bottomk, Some(Type::Scalar)),
    ("quantile", AggregateKind::Quantile, Some(Type::Scalar)),
    ("count_values", AggregateKind::CountValues, Some(Type::String)),
    ("limitk", AggregateKind::Limitk, Some(Type::Scalar)),
    ("limit_ratio", AggregateKind::LimitRatio, Some(Type::Scalar)),
];

impl AggregateKind {
    pub(crate) fn name(self) -> &'static str {
        AGGREGATES.iter().find(|(_, kind, _)| *kind == self).map_or("", |(name, _, _)| name)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub(crate) kind: AggregateKind,
    pub(crate) parameter: Option<Node>,
    pub(crate) inner: Node,
    pub(crate) grouping: Grouping,
}

impl Node {
    pub(crate) fn kind_of(&self) -> Type {
        match &self.kind {
            Kind::Number { .. } => Type::Scalar,
            Kind::String(_) => Type::String,
            Kind::Selector(_) | Kind::Aggregate(_) => Type::Vector,
            Kind::Window(..) | Kind::Subquery(_) => Type::Matrix,
            Kind::Paren(inner) | Kind::Signed { inner, .. } => inner.kind_of(),
            Kind::Call(function, _) => function.returns,
            Kind::Binary(binary) => match (binary.left.kind_of(), binary.right.kind_of()) {
                (Type::Scalar, Type::Scalar) => Type::Scalar,
                _ => Type::Vector,
            },
        }
    }

    /// What stands in parentheses, however many.
    pub(crate) fn bare(&self) -> &Self {
        let mut node = self;
        while let Kind::Paren(inner) = &node.kind {
            node = inner;
        }
        node
    }

    /// The expressions that it is made of, from left to right.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::Number { .. } | Kind::String(_) | Kind::Selector(_) | Kind::Window(_) => {
                Vec::new()
            }
            Kind::Paren(inner) | Kind::Signed { inner, .. } => vec![inner],
            Kind::Subquery(subquery) => vec![&subquery.inner],
            Kind::Binary(binary) => vec![&binary.left, &binary.right],
            Kind::Aggregate(aggregate) => {
                aggregate.parameter.iter().chain([&aggregate.inner]).collect()
            }
            Kind::Call(_, arguments) => arguments.iter().collect(),
        }
    }

    /// See [`Expr::pinned`]. What is inside of a subquery moves with its steps, which are pinned.
    fn pin(&mut self, time: UnixMs) -> bool {
        let hold = |shift: &mut Shift| {
            shift.at.get_or_insert(At::Time(time.0));
            true
        };
        match &mut self.kind {
            Kind::Number { .. } | Kind::String(_) => true,
            Kind::Selector(selector) => hold(&mut selector.shift),
            Kind::Window(window) => {
                matches!(window.range, Length::Fixed(_)) && hold(&mut window.selector.shift)
            }
            Kind::Subquery(subquery) => hold(&mut subquery.shift) && !subquery.inner.tells_time(),
            Kind::Paren(inner) | Kind::Signed { inner, .. } => inner.pin(time),
            Kind::Binary(binary) => binary.left.pin(time) && binary.right.pin(time),
            Kind::Aggregate(aggregate) => {
                let mut parts = aggregate.parameter.iter_mut().chain([&mut aggregate.inner]);
                parts.all(|part| part.pin(time))
            }
            Kind::Call(function, arguments) => {
                !function.tells_time() && arguments.iter_mut().all(|argument| argument.pin(time))
            }
        }
    }

    fn tells_time(&self) -> bool {
        let is_call = matches!(&self.kind, Kind::Call(function, _) if function.tells_time());
        is_call || self.children().into_iter().any(Self::tells_time)
    }
}
