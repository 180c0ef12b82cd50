//! Tokens into nodes. Every name of a function or variable is known when it ends.

use std::{collections::HashMap, sync::Arc};

use crate::{
    DEPTH_MAX, Error, SOURCE_BYTES_MAX,
    functions::Functions,
    lex::{Keyword, Placed, Token, tokens},
    tree::{Branch, BranchKind, Command, Node, Operand, Pipeline},
};

type Definitions = HashMap<Arc<str>, Arc<[Node]>>;
type Parsed<T> = Result<T, Error>;

/// Parses a source; what it defines goes to `definitions`.
pub(crate) fn parse(
    source: &str,
    functions: &Functions,
    definitions: &mut Definitions,
) -> Parsed<Arc<[Node]>> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(Error::new(1, format!("longer than {SOURCE_BYTES_MAX} bytes")));
    }
    let tokens = tokens(source)?;
    let variables = vec!["$".into()];
    let mut parser =
        Parser { tokens, at: 0, functions, definitions, variables, loops: 0, depth: 0 };
    parser.file()
}

struct Parser<'a> {
    tokens: Vec<Placed>,
    at: usize,
    functions: &'a Functions,
    definitions: &'a mut Definitions,
    /// Those in scope, with their sign.
    variables: Vec<Arc<str>>,
    /// Loops around this place.
    loops: usize,
    depth: usize,
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    ByEnd,
    ByElse,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(_, line)| *line)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Token::Space) {
            self.at += 1;
        }
    }

    /// Takes the token if it comes next, blanks apart.
    fn takes(&mut self, token: &Token) -> bool {
        let start = self.at;
        self.skip_space();
        let is_next = self.peek() == token;
        self.at = if is_next { self.at + 1 } else { start };
        is_next
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Parsed<T> {
        Err(Error::new(self.line(), reason))
    }

    fn unexpected<T>(&self, place: &str) -> Parsed<T> {
        self.fail(format!("unexpected {} in {place}", shown(self.peek())))
    }

    fn close(&mut self, place: &str) -> Parsed<()> {
        if self.takes(&Token::Close) { Ok(()) } else { self.unexpected(place) }
    }

    /// Runs `inner` one level deeper, with its own variables.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH_MAX {
            return self.fail(format!("nested deeper than {DEPTH_MAX} levels"));
        }
        let scope = self.variables.len();
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        self.variables.truncate(scope);
        result
    }

    /// The keyword that the action which begins here starts with.
    fn keyword(&self) -> Option<Keyword> {
        let mut tokens = self.tokens.iter().skip(self.at).map(|(token, _)| token);
        if tokens.next() != Some(&Token::Open) {
            return None;
        }
        match tokens.find(|token| **token != Token::Space) {
            Some(Token::Keyword(keyword)) => Some(*keyword),
            _ => None,
        }
    }

    fn skip_keyword(&mut self) {
        self.at += 1;
        self.skip_space();
        self.at += 1;
    }

    fn file(&mut self) -> Parsed<Arc<[Node]>> {
        let mut nodes = Vec::new();
        while *self.peek() != Token::End {
            if self.keyword() == Some(Keyword::Define) {
                self.skip_keyword();
                self.define()?;
                continue;
            }
            match self.keyword() {
                Some(Keyword::End) => return self.fail("unexpected {{end}}"),
                Some(Keyword::Else) => return self.fail("unexpected {{else}}"),
                _ => nodes.extend(self.node()?),
            }
        }
        Ok(nodes.into())
    }

    /// `{{define "name"}} ... {{end}}`, behind the keyword.
    fn define(&mut self) -> Parsed<()> {
        let name = self.name("define clause")?;
        self.close("define clause")?;
        let body = self.definition()?;
        self.keep(name, body);
        Ok(())
    }

    fn name(&mut self, place: &str) -> Parsed<Arc<str>> {
        self.skip_space();
        match self.next() {
            Token::Quoted(name) => Ok(name.into()),
            _ => {
                self.at -= 1;
                self.unexpected(place)
            }
        }
    }

    /// The body of a template of its own, which sees no variables but its data.
    fn definition(&mut self) -> Parsed<Vec<Node>> {
        let (outer, loops) = (std::mem::take(&mut self.variables), self.loops);
        self.variables.push("$".into());
        self.loops = 0;
        let body = self.nested(|parser| parser.list("define"));
        (self.variables, self.loops) = (outer, loops);
        match body? {
            (body, Ended::ByEnd) => Ok(body),
            (_, Ended::ByElse) => self.fail("unexpected {{else}} in define clause"),
        }
    }

    /// An empty definition does not replace another.
    fn keep(&mut self, name: Arc<str>, body: Vec<Node>) {
        let is_empty = body.iter().all(|node| match node {
            Node::Text(text) => text.trim().is_empty(),
            _ => false,
        });
        if !is_empty || !self.definitions.contains_key(&name) {
            self.definitions.insert(name, body.into());
        }
    }

    /// Nodes up to an `end` or `else`, which is taken up to its keyword.
    fn list(&mut self, what: &str) -> Parsed<(Vec<Node>, Ended)> {
        let mut nodes = Vec::new();
        loop {
            match self.keyword() {
                Some(Keyword::End) => {
                    self.skip_keyword();
                    self.close("end")?;
                    return Ok((nodes, Ended::ByEnd));
                }
                Some(Keyword::Else) => {
                    self.skip_keyword();
                    return Ok((nodes, Ended::ByElse));
                }
                Some(Keyword::Define) => return self.fail("unexpected {{define}}"),
                _ if *self.peek() == Token::End => {
                    return self.fail(format!(
                        "unexpected end of template: {{{{{what}}}}} has no {{{{end}}}}"
                    ));
                }
                _ => nodes.extend(self.node()?),
            }
        }
    }

    /// Text or an action; nothing for what leaves none.
    fn node(&mut self) -> Parsed<Option<Node>> {
        if let Token::Text(text) = self.peek() {
            let text = text.as_str().into();
            self.at += 1;
            return Ok(Some(Node::Text(text)));
        }
        let line = self.line();
        let keyword = self.keyword();
        let Some(keyword) = keyword else {
            self.at += 1;
            let pipeline = self.pipeline("command", &Token::Close)?;
            return Ok(Some(Node::Action(pipeline)));
        };
        self.skip_keyword();
        let node = match keyword {
            Keyword::If => self.branch(BranchKind::If)?,
            Keyword::With => self.branch(BranchKind::With)?,
            Keyword::Range => self.branch(BranchKind::Range)?,
            Keyword::Template => {
                let name = self.name("template clause")?;
                let data = self.data("template clause")?;
                Node::Call { line, name, data }
            }
            Keyword::Block => {
                let name = self.name("block clause")?;
                let data = Some(self.pipeline("block clause", &Token::Close)?);
                let body = self.definition()?;
                self.keep(Arc::clone(&name), body);
                Node::Call { line, name, data }
            }
            Keyword::Break | Keyword::Continue if self.loops == 0 => {
                return self.fail("{{break}} or {{continue}} outside {{range}}");
            }
            Keyword::Break => {
                self.close("{{break}}")?;
                Node::Break
            }
            Keyword::Continue => {
                self.close("{{continue}}")?;
                Node::Continue
            }
            Keyword::Define | Keyword::Else | Keyword::End => return self.unexpected("command"),
        };
        Ok(Some(node))
    }

    /// The pipeline behind the name of a template, if there is one.
    fn data(&mut self, place: &str) -> Parsed<Option<Pipeline>> {
        if self.takes(&Token::Close) {
            return Ok(None);
        }
        self.pipeline(place, &Token::Close).map(Some)
    }

    /// A control structure, behind its keyword.
    fn branch(&mut self, kind: BranchKind) -> Parsed<Node> {
        self.nested(|parser| {
            let what = kind.as_str();
            let pipeline = parser.pipeline(what, &Token::Close)?;
            let is_loop = kind == BranchKind::Range;
            parser.loops += usize::from(is_loop);
            let body = parser.list(what);
            parser.loops -= usize::from(is_loop);
            let (body, ended) = body?;
            let otherwise = match ended {
                Ended::ByEnd => Vec::new(),
                Ended::ByElse => parser.otherwise(kind)?,
            };
            Ok(Node::Branch(Branch { kind, pipeline, body, otherwise }))
        })
    }

    /// What follows `{{else`, up to the structure's end.
    fn otherwise(&mut self, kind: BranchKind) -> Parsed<Vec<Node>> {
        self.skip_space();
        let chained = matches!(
            (kind, self.peek()),
            (BranchKind::If, Token::Keyword(Keyword::If))
                | (BranchKind::With, Token::Keyword(Keyword::With))
        );
        if chained {
            // The chained structure's end is also that of this one.
            self.at += 1;
            return Ok(vec![self.branch(kind)?]);
        }
        self.close("else")?;
        match self.list(kind.as_str())? {
            (nodes, Ended::ByEnd) => Ok(nodes),
            (_, Ended::ByElse) => self.fail("expected end; found {{else}}"),
        }
    }

    /// A pipeline with the token that ends it.
    fn pipeline(&mut self, place: &str, end: &Token) -> Parsed<Pipeline> {
        self.skip_space();
        let line = self.line();
        let (variables, is_assignment) = self.declarations(place)?;
        let mut commands: Vec<Command> = Vec::new();
        loop {
            if self.takes(end) {
                break;
            }
            self.skip_space();
            if !starts_operand(self.peek()) {
                return self.unexpected(place);
            }
            let command = self.command()?;
            let is_literal = command.operands.first().is_some_and(Operand::is_literal);
            if is_literal && !commands.is_empty() {
                let stage = commands.len() + 1;
                let reason = format!("non executable command in pipeline stage {stage}");
                return Err(Error::new(command.line, reason));
            }
            commands.push(command);
        }
        if commands.is_empty() {
            return Err(Error::new(line, format!("missing value for {place}")));
        }
        Ok(Pipeline { line, is_assignment, variables, commands })
    }

    /// The variables in front of a pipeline, and whether they exist already.
    fn declarations(&mut self, place: &str) -> Parsed<(Vec<Arc<str>>, bool)> {
        let mut found: Vec<Arc<str>> = Vec::new();
        loop {
            let start = self.at;
            self.skip_space();
            let Token::Variable(name) = self.peek().clone() else {
                if !found.is_empty() {
                    return self.fail(format!("{place} can only initialize variables"));
                }
                return Ok((found, false));
            };
            self.at += 1;
            let is_assignment = self.takes(&Token::Assign);
            if is_assignment || self.takes(&Token::Declare) {
                found.push(name.into());
                self.variables.extend(found.iter().cloned());
                return Ok((found, is_assignment));
            }
            if !self.takes(&Token::Comma) {
                if !found.is_empty() && place == "range" {
                    return self.unexpected("range");
                }
                self.at = start;
                return Ok((found, false));
            }
            found.push(name.into());
            if place != "range" || found.len() == 2 {
                return self.fail(format!("too many declarations in {place}"));
            }
        }
    }

    /// Operands up to a pipe, which is taken, or to the end of the pipeline, which is not.
    fn command(&mut self) -> Parsed<Command> {
        let line = self.line();
        let mut operands = Vec::new();
        loop {
            self.skip_space();
            operands.extend(self.operand()?);
            match self.peek() {
                Token::Space => continue,
                Token::Close | Token::CloseParen => break,
                Token::Pipe => {
                    self.at += 1;
                    self.skip_space();
                    if matches!(self.peek(), Token::Close | Token::CloseParen) {
                        return self.fail("missing value for command");
                    }
                    break;
                }
                _ => return self.unexpected("operand"),
            }
        }
        if operands.is_empty() {
            return self.fail("empty command");
        }
        Ok(Command { line, operands })
    }

    /// A term with the fields behind it.
    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(term) = self.term()? else { return Ok(None) };
        let mut names: Vec<Arc<str>> = Vec::new();
        while let Token::Field(name) = self.peek() {
            names.push(name.as_str().into());
            self.at += 1;
        }
        if names.is_empty() {
            return Ok(Some(term));
        }
        match term {
            Operand::Field(mut fields) => {
                fields.extend(names);
                Ok(Some(Operand::Field(fields)))
            }
            Operand::Variable(name, _) => Ok(Some(Operand::Variable(name, names))),
            term if term.is_literal() => self.fail("unexpected . after a term that has no fields"),
            term => Ok(Some(Operand::Chain(Box::new(term), names))),
        }
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let term = match self.peek().clone() {
            Token::Dot => Operand::Dot,
            Token::Nil => Operand::Nil,
            Token::Bool(is_true) => Operand::Bool(is_true),
            Token::Int(number) => Operand::Int(number),
            Token::Float(number) => Operand::Float(number),
            Token::Quoted(text) => Operand::Text(text.into()),
            Token::Field(name) => Operand::Field(vec![name.into()]),
            Token::Variable(name) => {
                if !self.variables.iter().any(|known| **known == *name) {
                    return self.fail(format!("undefined variable {name:?}"));
                }
                Operand::Variable(name.into(), Vec::new())
            }
            Token::Identifier(name) => match self.functions.get(&name) {
                Some(entry) => Operand::Function(name.into(), entry.clone()),
                None => return self.fail(format!("function {name:?} not defined")),
            },
            Token::OpenParen => {
                self.at += 1;
                let inner = self.nested(|parser| {
                    parser.pipeline("parenthesized pipeline", &Token::CloseParen)
                })?;
                return Ok(Some(Operand::Pipeline(Box::new(inner))));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(term))
    }
}

impl BranchKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }
}

fn starts_operand(token: &Token) -> bool {
    matches!(
        token,
        Token::Dot
            | Token::Nil
            | Token::Bool(_)
            | Token::Int(_)
            | Token::Float(_)
            | Token::Quoted(_)
            | Token::Field(_)
            | Token::Variable(_)
            | Token::Identifier(_)
            | Token::OpenParen
    )
}

/// A token as its writer wrote it.
fn shown(token: &Token) -> String {
    match token {
        Token::Text(_) => "text".into(),
        Token::Open => "\"{{\"".into(),
        Token::Close => "\"}}\"".into(),
        Token::Space => "blank".into(),
        Token::Dot => "\".\"".into(),
        Token::Field(name) => format!("<.{name}>"),
        Token::Variable(name) | Token::Identifier(name) => format!("<{name}>"),
        Token::Keyword(keyword) => format!("<{}>", format!("{keyword:?}").to_lowercase()),
        Token::Bool(is_true) => format!("<{is_true}>"),
        Token::Nil => "<nil>".into(),
        Token::Int(number) => format!("<{number}>"),
        Token::Float(number) => format!("<{number}>"),
        Token::Quoted(text) => format!("{text:?}"),
        Token::Pipe => "\"|\"".into(),
        Token::Comma => "\",\"".into(),
        Token::Declare => "\":=\"".into(),
        Token::Assign => "\"=\"".into(),
        Token::OpenParen => "\"(\"".into(),
        Token::CloseParen => "\")\"".into(),
        Token::End => "end of template".into(),
    }
}
