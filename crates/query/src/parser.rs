//! Tokens into a tree, by precedence climbing, with every type checked. Takes time linear in the text.

mod duration;
mod selector;

use std::fmt;

use model::series::Matcher;

use crate::{
    ast::{
        AGGREGATES, Aggregate, AggregateKind, Binary, Expr, Grouping, Kind, Many, Matching, Node,
        OPERATORS, Operator, Selector, Type,
    },
    eval::functions::{self, Function},
    lexer::{Placed, Token, tokens},
};

/// Longest text of a query.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Deepest tree, which a chain of operators is as well.
const DEPTH_MAX: usize = 250;
/// Deepest nesting of brackets and signs, for which the parser needs more of its stack than the evaluation
/// of the tree does: half of what a thread has where nothing is optimised.
const NESTING_MAX: usize = 150;

/// Most regular expressions in the matchers of one query: each may take a megabyte, and some milliseconds.
const REGEXES_MAX: usize = 128;

/// A text that is not a query, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// Line and column, both from 1. Columns count bytes, as those of Prometheus do.
    pub position: (usize, usize),
    pub message: String,
}

impl ParseError {
    pub(crate) fn new(text: &str, at: usize, message: impl Into<String>) -> Self {
        Self { position: position(text, at), message: message.into() }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.position;
        write!(f, "{line}:{column}: parse error: {}", self.message)
    }
}

/// Line and column of a byte.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before.len() - line_start + 1)
}

type Parsed<T> = Result<T, ParseError>;

/// Parses and type-checks a query.
pub fn parse(text: &str) -> Parsed<Expr> {
    let mut parser = Parser::new(text)?;
    let root = parser.expression(0)?;
    parser.expect_end()?;
    Ok(Expr { root, text: text.into() })
}

/// Parses a selector alone, as the parameter `match[]` takes it. Unlike in a query it may be one that every
/// series satisfies, such as `{}`.
pub fn parse_selector(text: &str) -> Parsed<Vec<Matcher>> {
    let mut parser = Parser::new(text)?;
    let start = parser.start();
    if parser.is_symbol("{") {
        let selector = parser.braces(None, start)?;
        parser.expect_end()?;
        return Ok(selector.matchers);
    }
    let node = parser.expression(0)?;
    parser.expect_end()?;
    match node.kind {
        Kind::Selector(Selector { matchers, shift, extension: None, .. })
            if shift.offset.is_none() && shift.at.is_none() =>
        {
            Ok(matchers)
        }
        _ => Err(ParseError::new(text, node.start, "expected a series selector")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed<'a>>,
    at: usize,
    depth: usize,
    /// Regular expressions so far.
    regexes: usize,
}

/// Words that cannot be the name of a metric unless it stands in braces. All others can, where they cannot
/// mean anything else.
const KEYWORDS: [&str; 6] = ["atan2", "bool", "group_left", "group_right", "ignoring", "on"];

/// A sign binds tighter than a product and looser than a power.
const SIGN_BINDING: u8 = 6;

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parsed<Self> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("the query is longer than {TEXT_BYTES_MAX} bytes");
            return Err(ParseError::new("", 0, message));
        }
        let tokens = tokens(text)?;
        if tokens.len() == 1 {
            return Err(ParseError::new("", 0, "no expression found in input"));
        }
        Ok(Self { text, tokens, at: 0, depth: 0, regexes: 0 })
    }

    fn peek(&self) -> &Token<'a> {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    /// The byte that the next token begins at.
    fn start(&self) -> usize {
        self.tokens.get(self.at).map_or(self.text.len(), |(_, start)| *start)
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn fail<T>(&self, start: usize, message: impl Into<String>) -> Parsed<T> {
        Err(ParseError::new(self.text, start, message))
    }

    /// The next token fits nowhere: `place` says in what, and what would fit; in an expression, where nearly
    /// everything does, it is empty.
    fn unexpected<T>(&self, place: &str) -> Parsed<T> {
        if let Some(message) = self.unbalanced() {
            return self.fail(self.start(), message);
        }
        let token = match self.peek() {
            Token::Ident(text) => format!("identifier {text:?}"),
            Token::Number(value) => format!("number {value}"),
            Token::Duration(_) => {
                let end = self.tokens.get(self.at + 1).map_or(self.text.len(), |(_, start)| *start);
                let text = self.text.get(self.start()..end).unwrap_or_default();
                format!("duration {:?}", text.trim_end())
            }
            Token::String(text) => format!("string {:?}", String::from_utf8_lossy(text)),
            Token::Symbol(text) => format!("{text:?}"),
            Token::End => "end of input".into(),
        };
        let preposition = if place.is_empty() { "" } else { " in " };
        self.fail(self.start(), format!("unexpected {token}{preposition}{place}"))
    }

    /// What is wrong with parentheses, where that is why the next token does not fit.
    fn unbalanced(&self) -> Option<&'static str> {
        let taken = self.tokens.get(..self.at).unwrap_or_default();
        let open = |left: &'static str, right: &'static str| {
            let count = |symbol: &'static str| {
                taken.iter().filter(|(token, _)| *token == Token::Symbol(symbol)).count()
            };
            count(left) > count(right)
        };
        match self.peek() {
            Token::End if open("{", "}") => Some("unexpected end of input inside braces"),
            Token::End if open("[", "]") => Some("unclosed left bracket"),
            Token::End if open("(", ")") => Some("unclosed left parenthesis"),
            Token::Symbol(")") if !open("(", ")") => Some("unexpected right parenthesis ')'"),
            _ => None,
        }
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(found) if *found == symbol)
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let is_it = self.is_symbol(symbol);
        self.at += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, symbol: &str, place: &str) -> Parsed<()> {
        if self.eat(symbol) {
            return Ok(());
        }
        self.unexpected(&format!("{place}, expected {symbol:?}"))
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Ident(found) if found.eq_ignore_ascii_case(word))
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let is_it = self.is_word(word);
        self.at += usize::from(is_it);
        is_it
    }

    fn expect_end(&self) -> Parsed<()> {
        match self.peek() {
            Token::End => Ok(()),
            Token::Ident(word) => {
                self.fail(self.start(), format!("unexpected identifier {word:?}"))
            }
            _ => self.unexpected(""),
        }
    }

    fn node(&self, kind: Kind, start: usize) -> Parsed<Node> {
        let mut node = Node { kind, start, depth: 1 };
        node.depth += node.children().iter().map(|child| child.depth).max().unwrap_or(0);
        if node.depth > DEPTH_MAX {
            return self.fail(start, format!("expressions nest deeper than {DEPTH_MAX}"));
        }
        Ok(node)
    }

    /// Counts how deep the parser itself is, which runs ahead of the tree.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return self.fail(self.start(), format!("expressions nest deeper than {NESTING_MAX}"));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn expression(&mut self, binding_min: u8) -> Parsed<Node> {
        self.deeper(|parser| {
            let mut left = parser.signed()?;
            while let Some((operator, binding)) = parser.operator()
                && binding >= binding_min
            {
                // Powers group from the right, everything else from the left.
                let next = if operator == Operator::Pow { binding } else { binding + 1 };
                left = parser.binary(left, operator, next)?;
            }
            Ok(left)
        })
    }

    fn operator(&self) -> Option<(Operator, u8)> {
        let found = OPERATORS.iter().find(|(text, _, _)| match self.peek() {
            Token::Symbol(symbol) => symbol == text,
            Token::Ident(word) => word.eq_ignore_ascii_case(text),
            _ => false,
        })?;
        Some((found.1, found.2))
    }

    fn signed(&mut self) -> Parsed<Node> {
        let start = self.start();
        let is_negative = self.is_symbol("-");
        if !is_negative && !self.is_symbol("+") {
            return self.postfix();
        }
        self.at += 1;
        let inner = self.expression(SIGN_BINDING)?;
        if let Kind::Number { value, is_duration } = inner.kind {
            let value = if is_negative { -value } else { value };
            return self.node(Kind::Number { value, is_duration }, start);
        }
        let kind = inner.kind_of();
        if !matches!(kind, Type::Scalar | Type::Vector) {
            let message = format!(
                "unary expression only allowed on expressions of type scalar or instant vector, got \
                 {:?}",
                kind.words()
            );
            return self.fail(start, message);
        }
        self.node(Kind::Signed { is_negative, inner: Box::new(inner) }, start)
    }

    fn binary(&mut self, left: Node, operator: Operator, next: u8) -> Parsed<Node> {
        let (start, place) = (left.start, self.start());
        self.at += 1;
        let returns_bool = self.eat_word("bool");
        if returns_bool && !operator.is_comparison() {
            return self.fail(place, "bool modifier can only be used on comparison operators");
        }
        let (matching, has_matching) = self.matching()?;
        let right = self.expression(next)?;
        let binary = Binary { operator, left, right, returns_bool, matching };
        match wrong(&binary, has_matching, [start, place]) {
            Some((at, message)) => self.fail(at, message),
            None => self.node(Kind::Binary(Box::new(binary)), start),
        }
    }

    fn matching(&mut self) -> Parsed<(Matching, bool)> {
        let mut matching = Matching {
            on: Grouping::Without(Vec::new()),
            many: Many::Neither,
            include: Vec::new(),
            fill: [None; 2],
        };
        let mut is_given = true;
        if self.eat_word("on") {
            matching.on = Grouping::By(self.labels()?);
        } else if self.eat_word("ignoring") {
            matching.on = Grouping::Without(self.labels()?);
        } else {
            is_given = false;
        }
        if is_given {
            if self.eat_word("group_left") {
                matching.many = Many::Left;
            } else if self.eat_word("group_right") {
                matching.many = Many::Right;
            }
            if matching.many != Many::Neither && self.is_symbol("(") {
                matching.include = self.labels()?;
            }
        }
        for (word, sides) in
            [("fill", [true; 2]), ("fill_left", [true, false]), ("fill_right", [false, true])]
        {
            // A metric may be called so.
            let is_modifier = matches!(self.tokens.get(self.at + 1), Some((Token::Symbol("("), _)));
            if is_modifier && self.eat_word(word) {
                let value = self.fill_value()?;
                for (fill, _) in matching.fill.iter_mut().zip(sides).filter(|(_, side)| *side) {
                    *fill = Some(value);
                }
            }
        }
        let has_fill = matching.fill.iter().any(Option::is_some);
        Ok((matching, is_given || has_fill))
    }

    fn fill_value(&mut self) -> Parsed<f64> {
        self.expect("(", "fill modifier")?;
        let start = self.start();
        let node = self.expression(0)?;
        self.expect(")", "fill modifier")?;
        match node.kind {
            Kind::Number { value, .. } => Ok(value),
            _ => self.fail(start, "the value of a fill modifier must be a number"),
        }
    }

    fn labels(&mut self) -> Parsed<Vec<String>> {
        self.expect("(", "grouping")?;
        let mut labels = Vec::new();
        while !self.is_symbol(")") {
            match self.peek() {
                Token::Ident(name) if !name.contains(':') => labels.push((*name).to_owned()),
                Token::String(name) if !name.is_empty() => {
                    let (name, start) = (name.clone(), self.start());
                    labels.push(self.utf8(name, start)?);
                }
                _ => return self.unexpected("grouping, expected a label"),
            }
            self.at += 1;
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")", "grouping")?;
        Ok(labels)
    }

    fn utf8(&self, bytes: Vec<u8>, start: usize) -> Parsed<String> {
        String::from_utf8(bytes).or_else(|_| self.fail(start, "the name is not UTF-8"))
    }

    fn primary(&mut self) -> Parsed<Node> {
        let start = self.start();
        let kind = match self.peek().clone() {
            Token::Number(value) => Kind::Number { value, is_duration: false },
            Token::Duration(ms) => Kind::Number { value: ms as f64 / 1e3, is_duration: true },
            Token::String(text) => Kind::String(text),
            Token::Symbol("(") => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.expect(")", "parentheses")?;
                return self.node(Kind::Paren(Box::new(inner)), start);
            }
            Token::Symbol("{") => return self.selector(None, start),
            Token::Ident(word) => return self.word(word, start),
            _ => return self.unexpected(""),
        };
        self.at += 1;
        self.node(kind, start)
    }

    fn word(&mut self, word: &'a str, start: usize) -> Parsed<Node> {
        self.at += 1;
        let is_word = |name: &str| word.eq_ignore_ascii_case(name);
        if let Some((_, kind, parameter)) = AGGREGATES.iter().find(|(name, _, _)| is_word(name))
            && (self.is_symbol("(") || self.is_word("by") || self.is_word("without"))
        {
            return self.aggregate(*kind, *parameter, start);
        }
        if self.is_symbol("(") {
            return match functions::find(word) {
                Some(function) => self.call(function, start),
                None => self.fail(start, format!("unknown function with name {word:?}")),
            };
        }
        let value =
            [("inf", f64::INFINITY), ("nan", f64::NAN)].into_iter().find(|(name, _)| is_word(name));
        if KEYWORDS.iter().any(|keyword| is_word(keyword)) {
            return self.fail(start, format!("unexpected <{}>", word.to_ascii_lowercase()));
        }
        match value {
            Some((_, value)) => self.node(Kind::Number { value, is_duration: false }, start),
            None => self.selector(Some(word), start),
        }
    }

    fn aggregate(
        &mut self,
        kind: AggregateKind,
        parameter_type: Option<Type>,
        start: usize,
    ) -> Parsed<Node> {
        let mut grouping = self.grouping()?;
        let mut arguments = self.arguments("aggregation")?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let wanted = 1 + usize::from(parameter_type.is_some());
        let got = arguments.len();
        if got == 0 {
            return self.fail(start, "no arguments for aggregate expression provided");
        }
        let inner = arguments.pop().filter(|_| got == wanted);
        let Some(inner) = inner else {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, expected {wanted}, got \
                 {got}"
            );
            return self.fail(start, message);
        };
        let parameter = arguments.pop();
        self.expect_type(&inner, Type::Vector, "aggregation expression")?;
        if let (Some(parameter), Some(expected)) = (&parameter, parameter_type) {
            self.expect_type(parameter, expected, "aggregation parameter")?;
        }
        let grouping = grouping.unwrap_or(Grouping::By(Vec::new()));
        let aggregate = Aggregate { kind, parameter, inner, grouping };
        self.node(Kind::Aggregate(Box::new(aggregate)), start)
    }

    fn grouping(&mut self) -> Parsed<Option<Grouping>> {
        if self.eat_word("by") {
            return Ok(Some(Grouping::By(self.labels()?)));
        }
        if self.eat_word("without") {
            return Ok(Some(Grouping::Without(self.labels()?)));
        }
        Ok(None)
    }

    fn arguments(&mut self, place: &str) -> Parsed<Vec<Node>> {
        self.expect("(", place)?;
        let mut arguments = Vec::new();
        while !self.is_symbol(")") {
            arguments.push(self.expression(0)?);
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")", place)?;
        Ok(arguments)
    }

    fn call(&mut self, function: &'static Function, start: usize) -> Parsed<Node> {
        let arguments = if function.name == "info" {
            self.info_arguments()?
        } else {
            self.arguments("function call")?
        };
        let (least, most) = function.argument_counts();
        let (got, name) = (arguments.len(), function.name);
        let bound = if got < least { least } else { most };
        let word = match (least == most, got < least) {
            (true, _) => "",
            (false, true) => "at least ",
            (false, false) => "at most ",
        };
        if !(least..=most).contains(&got) {
            let message =
                format!("expected {word}{bound} argument(s) in call to {name:?}, got {got}");
            return self.fail(start, message);
        }
        for (index, argument) in arguments.iter().enumerate() {
            let place = format!("call to function {name:?}");
            self.expect_type(argument, function.argument(index), &place)?;
        }
        self.node(Kind::Call(function, arguments), start)
    }

    fn expect_type(&self, node: &Node, expected: Type, place: &str) -> Parsed<()> {
        let found = node.kind_of();
        if found == expected {
            return Ok(());
        }
        let (expected, found) = (expected.words(), found.words());
        self.fail(node.start, format!("expected type {expected} in {place}, got {found}"))
    }
}

/// What is wrong with a binary expression that starts and has its operator at `places`, and where.
fn wrong(binary: &Binary, has_matching: bool, places: [usize; 2]) -> Option<(usize, String)> {
    let [start, place] = places;
    let sides = [&binary.left, &binary.right];
    let types = sides.map(Node::kind_of);
    let (operator, matching) = (binary.operator, &binary.matching);
    let are_vectors = types == [Type::Vector; 2];
    let written = operator.written().0;
    let misfit = sides.iter().find(|side| !matches!(side.kind_of(), Type::Scalar | Type::Vector));
    if let Some(side) = misfit {
        let text = "binary expression must contain only scalar and instant vector types";
        return Some((side.start, text.into()));
    }
    if operator.is_set() && !are_vectors {
        let text = format!("set operator {written:?} not allowed in binary scalar expression");
        return Some((start, text));
    }
    if operator.is_set() && matching.many != Many::Neither {
        return Some((start, format!("no grouping allowed for {written:?} operation")));
    }
    if operator.is_set() && matching.fill.iter().any(Option::is_some) {
        return Some((start, "filling in missing series not allowed for set operators".into()));
    }
    if has_matching && !are_vectors {
        return Some((start, "vector matching only allowed between instant vectors".into()));
    }
    if types == [Type::Scalar; 2] && operator.is_comparison() && !binary.returns_bool {
        return Some((place, "comparisons between scalars must use BOOL modifier".into()));
    }
    if types == [Type::Scalar; 2] && operator.is_trim() {
        return Some((place, format!("operator {written:?} not allowed between scalars")));
    }
    if let Grouping::By(on) = &matching.on
        && let Some(label) = matching.include.iter().find(|label| on.contains(label))
    {
        let text = format!("label {label:?} must not occur in ON and GROUP clause at once");
        return Some((place, text));
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn errors_say_where() {
        for (text, expected) in [
            ("", "1:1: parse error: no expression found in input"),
            ("sum(", "1:5: parse error: unclosed left parenthesis"),
            ("a\n + $", "2:4: parse error: unexpected character: '$'"),
            ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
            (
                "rate(a)",
                "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
            ),
            (
                "{a=\"\"}",
                "1:1: parse error: vector selector must contain at least one non-empty matcher",
            ),
            ("nope(1)", "1:1: parse error: unknown function with name \"nope\""),
            ("a[5m", "1:5: parse error: unclosed left bracket"),
            ("a offset 1m offset 2m", "1:13: parse error: offset may not be set multiple times"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn nesting_is_limited_in_every_direction() {
        let many = 20_000;
        for text in [
            "(".repeat(many),
            "-".repeat(many),
            "1+".repeat(many),
            "1^".repeat(many),
            "a[1m:]".repeat(many),
        ] {
            assert!(parse(&format!("{text}1")).is_err());
        }
    }

    #[test]
    fn selectors_alone() {
        assert_eq!(parse_selector("a{b=~\"c|d\"}").unwrap().len(), 2);
        assert_eq!(parse_selector("{\"a.b\", c!=\"d\"}").unwrap()[0].value, "a.b");
        for text in ["a + b", "rate(a[5m])", "a[5m]", "a offset 5m"] {
            assert!(parse_selector(text).is_err(), "{text}");
        }
        for text in ["{}", "{a=\"\"}", "{a=~\".*\", b!=\"c\"}"] {
            assert!(parse(text).is_err(), "{text}");
            assert!(parse_selector(text).is_ok(), "{text}");
        }
        for text in ["{a=\"b\"}[5m]", "{a=\"b\"} + 1", "{"] {
            assert!(parse_selector(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[a-z0-9(){}\\[\\]:,+*^@=~!<>\"' \\n.-]{0,80}") {
            drop(parse(&text));
        }
    }
}
