//! Rendering: nodes and data into text, within bounds of work and size.

use std::{collections::HashMap, sync::Arc};

use regex::Regex;

use crate::{
    DEPTH_MAX, Error, Host, REGEXES_MAX, STEPS_MAX, TEXT_BYTES_MAX, Template, VALUE_DEPTH_MAX,
    format,
    functions::{Call, Entry},
    methods,
    tree::{Branch, BranchKind, Command, Node, Operand, Pipeline},
    value::Value,
};

type Ran<T> = Result<T, Error>;
type Evaluated = Result<Value, String>;

/// Largest compiled size of a regular expression.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// One rendering: what functions may use of it.
pub struct Context<'a> {
    template: &'a Template,
    host: &'a dyn Host,
    variables: Vec<(Arc<str>, Value)>,
    out: String,
    steps_left: usize,
    bytes_left: usize,
    depth: usize,
    regexes: HashMap<String, Regex>,
}

/// What happens behind a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl<'a> Context<'a> {
    pub(crate) fn new(template: &'a Template, host: &'a dyn Host) -> Self {
        Self {
            template,
            host,
            variables: Vec::new(),
            out: String::new(),
            steps_left: STEPS_MAX,
            bytes_left: TEXT_BYTES_MAX,
            depth: 0,
            regexes: HashMap::new(),
        }
    }

    pub(crate) fn render(mut self, data: &Value) -> Ran<String> {
        if data.is_too_deep() {
            return Err(Error::new(1, too_deep()));
        }
        let root = Arc::clone(&self.template.root);
        self.body(&root, data).map_err(|reason| reason.at(1))?;
        Ok(self.out)
    }

    pub fn host(&self) -> &'a dyn Host {
        self.host
    }

    /// The text that a template of this source gives.
    pub(crate) fn included(&mut self, name: &str, data: &Value) -> Result<String, String> {
        let outer = std::mem::take(&mut self.out);
        let result = self.call_template(name, data);
        let text = std::mem::replace(&mut self.out, outer);
        result.map(|()| text).map_err(|failure| failure.reason)
    }

    /// A compiled expression; each is compiled once for a rendering.
    pub(crate) fn regex(&mut self, pattern: &str) -> Result<Regex, String> {
        if let Some(regex) = self.regexes.get(pattern) {
            return Ok(regex.clone());
        }
        if self.regexes.len() == REGEXES_MAX {
            return Err(format!("more than {REGEXES_MAX} different regular expressions"));
        }
        let builder = regex::RegexBuilder::new(pattern)
            .size_limit(REGEX_BYTES_MAX)
            .dfa_size_limit(REGEX_BYTES_MAX)
            .build();
        let regex = builder.map_err(|error| {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("invalid regular expression {pattern:?}: {last}")
        })?;
        self.regexes.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }

    /// Accounts for so many bytes of text that a function makes.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), String> {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                Ok(())
            }
            None => Err(format!("makes more than {TEXT_BYTES_MAX} bytes of text")),
        }
    }

    fn step(&mut self) -> Result<(), String> {
        match self.steps_left.checked_sub(1) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => Err(format!("takes more than {STEPS_MAX} steps")),
        }
    }

    fn write(&mut self, text: &str) -> Result<(), String> {
        self.charge(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    /// Nodes with variables of their own.
    fn body(&mut self, nodes: &[Node], dot: &Value) -> Result<(), Failure> {
        let outer = std::mem::replace(&mut self.variables, vec![("$".into(), dot.clone())]);
        let flow = self.nodes(nodes, dot);
        self.variables = outer;
        flow.map(drop)
    }

    fn call_template(&mut self, name: &str, data: &Value) -> Result<(), Failure> {
        let Some(body) = self.template.definitions.get(name).map(Arc::clone) else {
            return Err(format!("template {name:?} not defined").into());
        };
        self.deeper(|context| context.body(&body, data))
    }

    /// Runs `inner` one level deeper: blocks, parentheses and calls of templates count alike, as each needs
    /// stack.
    fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.depth == DEPTH_MAX {
            return Err(format!("nested deeper than {DEPTH_MAX} levels").into());
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, Failure> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, Failure> {
        self.step()?;
        match node {
            Node::Text(text) => self.write(text)?,
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.print(&value).map_err(|reason| Failure::at_line(pipeline.line, reason))?;
                }
            }
            Node::Branch(branch) => {
                let scope = self.variables.len();
                let flow = self.deeper(|context| match branch.kind {
                    BranchKind::Range => context.range(branch, dot),
                    BranchKind::If | BranchKind::With => context.choose(branch, dot),
                });
                self.variables.truncate(scope);
                return flow;
            }
            Node::Call { line, name, data } => {
                let data = match data {
                    Some(pipeline) => self.pipeline(pipeline, dot)?,
                    None => Value::Nil,
                };
                self.call_template(name, &data).map_err(|failure| failure.or_at(*line))?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn print(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::Text(text) => self.write(text),
            Value::Nil => self.write("<no value>"),
            other => {
                let text = format::printed(other)?;
                self.write(&text)
            }
        }
    }

    fn choose(&mut self, branch: &Branch, dot: &Value) -> Result<Flow, Failure> {
        let value = self.pipeline(&branch.pipeline, dot)?;
        match (value.is_true(), branch.kind) {
            (true, BranchKind::With) => self.nodes(&branch.body, &value),
            (true, _) => self.nodes(&branch.body, dot),
            (false, _) => self.nodes(&branch.otherwise, dot),
        }
    }

    fn range(&mut self, branch: &Branch, dot: &Value) -> Result<Flow, Failure> {
        // The variables are the rounds', not that of the whole.
        let whole = self.value(&branch.pipeline, dot)?;
        let is_run = match &whole {
            Value::List(list) => {
                let items = list.items().iter().enumerate();
                self.rounds(branch, items.map(|(at, item)| (Value::from(at), item.clone())))?
            }
            Value::Map(map) if whole.kind() == "map" => {
                let entries = map.entries().iter();
                self.rounds(
                    branch,
                    entries.map(|(name, item)| (Value::Text(Arc::clone(name)), item.clone())),
                )?
            }
            Value::Int(count) => {
                self.rounds(branch, (0..*count).map(|at| (at.into(), at.into())))?
            }
            Value::Nil => false,
            other => {
                let reason = format!("range can't iterate over a {}", other.kind());
                return Err(Failure::at_line(branch.pipeline.line, reason));
            }
        };
        if is_run { Ok(Flow::On) } else { self.nodes(&branch.otherwise, dot) }
    }

    /// Runs the loop's body for each pair of key and element; whether there was any.
    fn rounds(
        &mut self,
        branch: &Branch,
        items: impl Iterator<Item = (Value, Value)>,
    ) -> Result<bool, Failure> {
        let (mut is_run, scope) = (false, self.variables.len());
        let names = branch.pipeline.variables.as_slice();
        for (key, item) in items {
            is_run = true;
            self.step()?;
            match names {
                [] => {}
                [name] => self.bind(name, item.clone(), branch.pipeline.is_assignment)?,
                [first, second, ..] => {
                    self.bind(first, key, branch.pipeline.is_assignment)?;
                    self.bind(second, item.clone(), branch.pipeline.is_assignment)?;
                }
            }
            let flow = self.nodes(&branch.body, &item)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(is_run)
    }

    fn bind(&mut self, name: &Arc<str>, value: Value, is_assignment: bool) -> Result<(), String> {
        if !is_assignment {
            self.variables.push((Arc::clone(name), value));
            return Ok(());
        }
        let found = self.variables.iter_mut().rev().find(|(candidate, _)| candidate == name);
        match found {
            Some((_, place)) => {
                *place = value;
                Ok(())
            }
            None => Err(format!("undefined variable: {name}")),
        }
    }

    /// A pipeline's value, which its variables get.
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Failure> {
        let value = self.value(pipeline, dot)?;
        for name in &pipeline.variables {
            self.bind(name, value.clone(), pipeline.is_assignment)
                .map_err(|reason| Failure::at_line(pipeline.line, reason))?;
        }
        Ok(value)
    }

    fn value(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Failure> {
        let mut last = None;
        for command in &pipeline.commands {
            let value =
                self.command(command, last, dot).map_err(|failure| failure.or_at(command.line))?;
            last = Some(value);
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    /// A command with what the pipeline brings as its last argument.
    fn command(
        &mut self,
        command: &Command,
        last: Option<Value>,
        dot: &Value,
    ) -> Result<Value, Failure> {
        self.step()?;
        let Some((first, rest)) = command.operands.split_first() else { return Ok(Value::Nil) };
        match first {
            Operand::Function(name, entry) => self.call(name, entry, rest, last, dot),
            Operand::Field(names) => {
                let arguments = self.arguments(rest, last, dot)?;
                Ok(fields(dot, names, &arguments)?)
            }
            Operand::Variable(name, names) if !names.is_empty() => {
                let arguments = self.arguments(rest, last, dot)?;
                Ok(fields(&self.variable(name)?, names, &arguments)?)
            }
            Operand::Chain(inner, names) => {
                let inner = self.operand(inner, dot)?;
                let arguments = self.arguments(rest, last, dot)?;
                Ok(fields(&inner, names, &arguments)?)
            }
            Operand::Nil => Err("nil is not a command".to_owned().into()),
            other if rest.is_empty() && last.is_none() => self.operand(other, dot),
            _ => Err("can't give argument to non-function".to_owned().into()),
        }
    }

    fn arguments(
        &mut self,
        operands: &[Operand],
        last: Option<Value>,
        dot: &Value,
    ) -> Result<Vec<Value>, Failure> {
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(last);
        Ok(arguments)
    }

    /// An operand by itself, without arguments.
    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, Failure> {
        Ok(match operand {
            Operand::Dot => dot.clone(),
            Operand::Nil => Value::Nil,
            Operand::Bool(is_true) => Value::Bool(*is_true),
            Operand::Int(number) => Value::Int(*number),
            Operand::Float(number) => Value::Float(*number),
            Operand::Text(text) => Value::Text(Arc::clone(text)),
            Operand::Field(names) => fields(dot, names, &[])?,
            Operand::Variable(name, names) => fields(&self.variable(name)?, names, &[])?,
            Operand::Function(name, entry) => self.call(name, entry, &[], None, dot)?,
            Operand::Pipeline(inner) => self.deeper(|context| context.pipeline(inner, dot))?,
            Operand::Chain(inner, names) => fields(&self.operand(inner, dot)?, names, &[])?,
        })
    }

    fn variable(&self, name: &str) -> Evaluated {
        let found = self.variables.iter().rev().find(|(candidate, _)| **candidate == *name);
        found.map(|(_, value)| value.clone()).ok_or_else(|| format!("undefined variable: {name}"))
    }

    fn call(
        &mut self,
        name: &str,
        entry: &Entry,
        operands: &[Operand],
        last: Option<Value>,
        dot: &Value,
    ) -> Result<Value, Failure> {
        self.step()?;
        let count = operands.len() + usize::from(last.is_some());
        if !entry.arity.contains(&count) {
            let (least, most) = (entry.arity.start(), entry.arity.end());
            let wanted =
                if least == most { least.to_string() } else { format!("at least {least}") };
            return Err(
                format!("wrong number of args for {name}: want {wanted} got {count}").into()
            );
        }
        if let Call::Stops(at) = entry.call {
            return self.first(at, operands, last, dot);
        }
        let arguments = self.arguments(operands, last, dot)?;
        let value = match entry.call {
            Call::Function(function) => function(self, &arguments),
            Call::OfHost => self.host.call(name, &arguments),
            Call::Stops(_) => Ok(Value::Nil),
        };
        let value = value.map_err(|reason| format!("error calling {name}: {reason}"))?;
        if value.is_too_deep() {
            return Err(format!("error calling {name}: {}", too_deep()).into());
        }
        if let Value::Text(text) = &value {
            self.charge(text.len())?;
        }
        Ok(value)
    }

    /// `and` and `or`: the first argument that is (un)true, or the last; those behind it are not evaluated.
    fn first(
        &mut self,
        stops_at: bool,
        operands: &[Operand],
        last: Option<Value>,
        dot: &Value,
    ) -> Result<Value, Failure> {
        let mut value = Value::Nil;
        for operand in operands {
            value = self.operand(operand, dot)?;
            if value.is_true() == stops_at {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }
}

fn too_deep() -> String {
    format!("lists and maps nested deeper than {VALUE_DEPTH_MAX} levels")
}

/// Fields of fields; the last gets the arguments.
fn fields(start: &Value, names: &[Arc<str>], arguments: &[Value]) -> Evaluated {
    let mut value = start.clone();
    for (at, name) in names.iter().enumerate() {
        let arguments = if at + 1 == names.len() { arguments } else { &[] };
        value = methods::field(&value, name, arguments)?;
    }
    Ok(value)
}

/// An error that may not know its line yet.
struct Failure {
    line: Option<usize>,
    reason: String,
}

impl Failure {
    fn at_line(line: usize, reason: String) -> Self {
        Self { line: Some(line), reason }
    }

    fn or_at(self, line: usize) -> Self {
        Self { line: self.line.or(Some(line)), ..self }
    }

    fn at(self, line: usize) -> Error {
        Error::new(self.line.unwrap_or(line), self.reason)
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self { line: None, reason }
    }
}
