//! What a query means, once its text is understood.

use std::fmt;

use model::series::Matcher;

use crate::eval::functions::Function;

/// A query that parses and type-checks. Displays as it was written.
#[derive(Clone, Debug)]
pub struct Expr {
    pub(crate) root: Node,
    pub(crate) text: String,
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Line and column of its first character, both from 1.
    pub(crate) position: Position,
    /// Longest way down to a leaf; limited, so that recursion over a tree is.
    pub(crate) depth: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Number(f64),
    String(String),
    Selector(Selector),
    /// The points of a selector in the last so many milliseconds.
    Window(Selector, i64),
    Subquery(Box<Subquery>),
    Negate(Box<Node>),
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    Call(&'static Function, Vec<Node>),
}

/// `offset` and `@`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shift {
    pub(crate) offset_ms: Option<i64>,
    pub(crate) at: Option<At>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    Start,
    End,
    Time(i64),
}

#[derive(Clone, Debug)]
pub(crate) struct Selector {
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) shift: Shift,
}

impl Selector {
    /// The metric's name where the selector asks for exactly one.
    pub(crate) fn name(&self) -> Option<&str> {
        let is_name = |matcher: &&Matcher| {
            matcher.name == model::NAME && matcher.op == model::series::MatchOp::Equal
        };
        self.matchers.iter().find(is_name).map(|matcher| matcher.value.as_str())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Subquery {
    pub(crate) inner: Node,
    pub(crate) range_ms: i64,
    pub(crate) step_ms: Option<i64>,
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
    And,
    Or,
    Unless,
}

impl Operator {
    pub(crate) fn is_comparison(self) -> bool {
        use Operator::*;
        matches!(self, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
    }

    pub(crate) fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
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
            Kind::Number(_) => Type::Scalar,
            Kind::String(_) => Type::String,
            Kind::Selector(_) | Kind::Aggregate(_) => Type::Vector,
            Kind::Window(..) | Kind::Subquery(_) => Type::Matrix,
            Kind::Negate(inner) => inner.kind_of(),
            Kind::Call(function, _) => function.returns,
            Kind::Binary(binary) => match (binary.left.kind_of(), binary.right.kind_of()) {
                (Type::Scalar, Type::Scalar) => Type::Scalar,
                _ => Type::Vector,
            },
        }
    }
}
