//! Selectors and what may stand behind an expression: ranges, `offset` and `@`.

use model::{
    NAME,
    series::{MatchOp, Matcher},
};

use super::{Parsed, Parser, REGEXES_MAX};
use crate::{
    ast::{At, Extension, Kind, Node, Selector, Shift, Subquery, Type, Window},
    lexer::{DURATION_MS_MAX, Token},
};

impl Parser<'_> {
    pub(super) fn selector(&mut self, name: Option<&str>, start: usize) -> Parsed<Node> {
        let selector = self.braces(name, start)?;
        if selector.matchers.iter().all(|matcher| matcher.matches("")) {
            let message = "vector selector must contain at least one non-empty matcher";
            return self.fail(start, message);
        }
        self.node(Kind::Selector(selector), start)
    }

    /// A selector that any series may satisfy.
    pub(super) fn braces(&mut self, name: Option<&str>, start: usize) -> Parsed<Selector> {
        // A name in quotes stays where it was written, and is one as well.
        let mut is_named = name.is_some();
        let mut matchers: Vec<Matcher> =
            name.into_iter().map(|name| Matcher::equal(NAME, name)).collect();
        if self.eat("{") {
            while !self.is_symbol("}") {
                let (matcher, is_name) = self.matcher()?;
                let mut names = matchers.iter().filter(|other| other.name == NAME);
                if (is_named && matcher.name == NAME) || (is_name && names.next().is_some()) {
                    let first = matchers.iter().find(|other| other.name == NAME);
                    let first = first.map_or("", |other| other.value.as_str());
                    let message = format!(
                        "metric name must not be set twice: {first:?} or {:?}",
                        matcher.value
                    );
                    return self.fail(start, message);
                }
                is_named |= is_name;
                matchers.push(matcher);
                if !self.eat(",") {
                    break;
                }
            }
            self.expect("}", "label matching")?;
        }
        let has_name = name.is_some();
        Ok(Selector { matchers, has_name, shift: Shift::default(), extension: None })
    }

    /// A matcher, and whether it is the name of the metric in quotes.
    fn matcher(&mut self) -> Parsed<(Matcher, bool)> {
        let start = self.start();
        let (name, is_quoted) = match self.take() {
            Token::Ident(name) if !name.contains(':') => (name.to_owned(), false),
            Token::String(name) => (self.utf8(name, start)?, true),
            _ => {
                self.at -= 1;
                return self.unexpected("label matching, expected a label or \"}\"");
            }
        };
        let op = match self.peek() {
            Token::Symbol("=") => MatchOp::Equal,
            Token::Symbol("!=") => MatchOp::NotEqual,
            Token::Symbol("=~") => MatchOp::Regex,
            Token::Symbol("!~") => MatchOp::NotRegex,
            _ if is_quoted => return Ok((Matcher::equal(NAME, name), true)),
            _ => return self.unexpected("label matching, expected a matching operator"),
        };
        self.at += 1;
        let place = self.start();
        let Token::String(value) = self.take() else {
            self.at -= 1;
            return self.unexpected("label matching, expected a string");
        };
        let Ok(value) = String::from_utf8(value) else {
            return self.fail(place, "the value of a label is UTF-8, which this string is not");
        };
        self.regexes += usize::from(matches!(op, MatchOp::Regex | MatchOp::NotRegex));
        if self.regexes > REGEXES_MAX {
            let message = format!("the query has more than {REGEXES_MAX} regular expressions");
            return self.fail(place, message);
        }
        match Matcher::new(name, op, value) {
            Ok(matcher) => Ok((matcher, false)),
            Err(error) => self.fail(place, error.to_string()),
        }
    }

    /// The second argument of `info` is a selector that may match everything, and has no metric of its own.
    pub(super) fn info_arguments(&mut self) -> Parsed<Vec<Node>> {
        self.expect("(", "function call")?;
        let mut arguments = vec![self.expression(0)?];
        if self.eat(",") && !self.is_symbol(")") {
            let start = self.start();
            if !self.is_symbol("{") {
                return self.unexpected("call to function \"info\", expected label selectors");
            }
            let selector = self.braces(None, start)?;
            arguments.push(self.node(Kind::Selector(selector), start)?);
            self.eat(",");
        }
        self.expect(")", "function call")?;
        Ok(arguments)
    }

    /// A primary expression with `[..]`, `offset` and `@` behind it.
    pub(super) fn postfix(&mut self) -> Parsed<Node> {
        let mut node = self.primary()?;
        loop {
            let place = self.start();
            if self.eat("[") {
                node = self.window(node)?;
            } else if self.eat_word("offset") {
                let offset = self.offset()?;
                match shift_of(&mut node.kind) {
                    Some(Shift { offset: kept @ None, .. }) => *kept = Some(offset),
                    Some(_) => return self.fail(place, "offset may not be set multiple times"),
                    None => return self.misplaced("offset modifier", place),
                }
            } else if self.eat("@") {
                let at = self.at_time()?;
                match shift_of(&mut node.kind) {
                    Some(Shift { at: kept @ None, .. }) => *kept = Some(at),
                    Some(_) => {
                        return self.fail(place, "@ <timestamp> may not be set multiple times");
                    }
                    None => return self.misplaced("@ modifier", place),
                }
            } else if let Some(extension) = self.extension(&node) {
                self.at += 1;
                match &mut node.kind {
                    Kind::Selector(selector) if selector.extension.is_none() => {
                        selector.extension = Some(extension);
                    }
                    Kind::Window(window) if window.selector.extension.is_none() => {
                        window.selector.extension = Some(extension);
                    }
                    _ => return self.fail(place, "anchored and smoothed exclude each other"),
                }
            } else {
                return Ok(node);
            }
        }
    }

    fn misplaced<T>(&self, what: &str, place: usize) -> Parsed<T> {
        let message = format!(
            "{what} must be preceded by an instant vector selector or range vector selector or a subquery"
        );
        self.fail(place, message)
    }

    fn extension(&self, node: &Node) -> Option<Extension> {
        if !matches!(node.kind, Kind::Selector(_) | Kind::Window(_)) {
            return None;
        }
        let words = [("anchored", Extension::Anchored), ("smoothed", Extension::Smoothed)];
        words.into_iter().find(|(word, _)| self.is_word(word)).map(|(_, extension)| extension)
    }

    fn window(&mut self, node: Node) -> Parsed<Node> {
        let start = node.start;
        let range = self.length("range")?;
        if self.eat(":") {
            let step = if self.is_symbol("]") { None } else { Some(self.length("step")?) };
            self.expect("]", "subquery")?;
            let kind = node.kind_of();
            if kind != Type::Vector && kind != Type::Scalar {
                let got = kind.words();
                let message =
                    format!("subquery is only allowed on instant vector, got {got} instead");
                return self.fail(start, message);
            }
            let subquery = Subquery { inner: node, range, step, shift: Shift::default() };
            return self.node(Kind::Subquery(Box::new(subquery)), start);
        }
        self.expect("]", "range")?;
        match node.kind {
            Kind::Selector(selector) if selector.shift.offset.is_some() => {
                self.fail(start, "no offset modifiers allowed before range")
            }
            Kind::Selector(selector) if selector.shift.at.is_some() => {
                self.fail(start, "no @ modifiers allowed before range")
            }
            Kind::Selector(selector) if selector.extension.is_none() => {
                self.node(Kind::Window(Box::new(Window { selector, range })), start)
            }
            _ => self.fail(start, "ranges only allowed for vector selectors"),
        }
    }

    fn at_time(&mut self) -> Parsed<At> {
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.eat_word(word) {
                self.expect("(", "@")?;
                self.expect(")", "@")?;
                return Ok(at);
            }
        }
        let start = self.start();
        let is_negative = self.eat("-");
        if !is_negative {
            self.eat("+");
        }
        let seconds = match self.take() {
            Token::Number(value) => value,
            Token::Duration(ms) => ms as f64 / 1e3,
            Token::Ident(word) if ["inf", "nan"].iter().any(|w| word.eq_ignore_ascii_case(w)) => {
                f64::INFINITY
            }
            _ => {
                self.at -= 1;
                return self.unexpected("@, expected a timestamp");
            }
        };
        let ms = (if is_negative { -seconds } else { seconds } * 1e3).round();
        if ms.abs() <= DURATION_MS_MAX as f64 {
            return Ok(At::Time(ms as i64));
        }
        self.fail(start, format!("timestamp out of bounds for @ modifier: {seconds}"))
    }
}

fn shift_of(kind: &mut Kind) -> Option<&mut Shift> {
    match kind {
        Kind::Selector(selector) => Some(&mut selector.shift),
        Kind::Window(window) => Some(&mut window.selector.shift),
        Kind::Subquery(subquery) => Some(&mut subquery.shift),
        _ => None,
    }
}
