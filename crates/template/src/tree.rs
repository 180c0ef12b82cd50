//! What a source is parsed into.

use std::sync::Arc;

use crate::functions::Entry;

#[derive(Debug)]
pub(crate) enum Node {
    Text(Arc<str>),
    Action(Pipeline),
    Branch(Branch),
    /// The named template, with what becomes its dot.
    Call {
        line: usize,
        name: Arc<str>,
        data: Option<Pipeline>,
    },
    Break,
    Continue,
}

/// A control structure.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) kind: BranchKind,
    pub(crate) pipeline: Pipeline,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BranchKind {
    If,
    With,
    Range,
}

/// Commands of which each gets the value of the one before it as its last argument.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) line: usize,
    /// Whether the variables exist already.
    pub(crate) is_assignment: bool,
    /// With the sign in front of the name.
    pub(crate) variables: Vec<Arc<str>>,
    pub(crate) commands: Vec<Command>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) line: usize,
    /// At least one: the first is called with the others.
    pub(crate) operands: Vec<Operand>,
}

#[derive(Debug)]
pub(crate) enum Operand {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Field(Vec<Arc<str>>),
    Variable(Arc<str>, Vec<Arc<str>>),
    Function(Arc<str>, Entry),
    Pipeline(Box<Pipeline>),
    Chain(Box<Self>, Vec<Arc<str>>),
}

impl Operand {
    /// Whether it is a value by itself, which cannot take what a pipeline brings.
    pub(crate) fn is_literal(&self) -> bool {
        matches!(
            self,
            Self::Dot | Self::Nil | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Text(_)
        )
    }
}
