//! Tokens into a tree, by precedence climbing, with every type checked.

use std::fmt;

use model::{
    NAME,
    series::{MatchOp, Matcher},
};

use crate::{
    ast::{
        Aggregate, AggregateKind, At, Binary, Expr, Grouping, Kind, Many, Matching, Node, Operator,
        Position, Selector, Shift, Subquery, Type,
    },
    eval::functions::{self, Function},
    lexer::{Token, tokens},
};

/// Longest text of a query.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Deepest nesting.
const DEPTH_MAX: usize = 120;

/// A text that is not a query, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    pub(crate) position: Position,
    pub(crate) message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        write!(f, "{line}:{column}: parse error: {}", self.message)
    }
}

type Parsed<T> = Result<T, ParseError>;

/// Parses and type-checks a query.
pub fn parse(text: &str) -> Parsed<Expr> {
    let mut parser = Parser::new(text)?;
    let root = parser.expression(0)?;
    parser.expect_end()?;
    Ok(Expr { root, text: text.trim().into() })
}

/// Parses a selector alone, as the parameter `match[]` takes it.
pub fn parse_selector(text: &str) -> Parsed<Vec<Matcher>> {
    let mut parser = Parser::new(text)?;
    let position = parser.position();
    let node = parser.expression(0)?;
    parser.expect_end()?;
    match node.kind {
        Kind::Selector(Selector { matchers, shift }) if shift.is_none() => Ok(matchers),
        _ => Err(ParseError { position, message: "expected a series selector".into() }),
    }
}

impl Shift {
    fn is_none(self) -> bool {
        self.offset_ms.is_none() && self.at.is_none()
    }
}

struct Parser {
    tokens: Vec<(Token, Position)>,
    at: usize,
    depth: usize,
}

/// Operators with how tightly they bind.
const OPERATORS: &[(&str, Operator, u8)] = &[
    ("or", Operator::Or, 1),
    ("and", Operator::And, 2),
    ("unless", Operator::Unless, 2),
    ("==", Operator::Equal, 3),
    ("!=", Operator::NotEqual, 3),
    ("<=", Operator::LessEqual, 3),
    ("<", Operator::Less, 3),
    (">=", Operator::GreaterEqual, 3),
    (">", Operator::Greater, 3),
    ("+", Operator::Add, 4),
    ("-", Operator::Sub, 4),
    ("*", Operator::Mul, 5),
    ("/", Operator::Div, 5),
    ("%", Operator::Mod, 5),
    ("atan2", Operator::Atan2, 5),
    ("^", Operator::Pow, 7),
];
/// A sign binds tighter than a product and looser than a power.
const SIGN_BINDING: u8 = 6;

const AGGREGATES: &[(&str, AggregateKind, Option<Type>)] = &[
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
];

impl Parser {
    fn new(text: &str) -> Parsed<Self> {
        let position = Position { line: 1, column: 1 };
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("the query is longer than {TEXT_BYTES_MAX} bytes");
            return Err(ParseError { position, message });
        }
        let tokens = tokens(text)?;
        if tokens.len() == 1 {
            return Err(ParseError { position, message: "no expression found in input".into() });
        }
        Ok(Self { tokens, at: 0, depth: 0 })
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn position(&self) -> Position {
        let at = self.at.min(self.tokens.len() - 1);
        self.tokens[at].1
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn error<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(ParseError { position: self.position(), message: message.into() })
    }

    fn unexpected<T>(&self, place: &str) -> Parsed<T> {
        let token = match self.peek() {
            Token::Ident(text) => format!("identifier {text:?}"),
            Token::Number(value) => format!("number {value}"),
            Token::Duration(ms) => format!("duration of {ms} ms"),
            Token::String(text) => format!("string {text:?}"),
            Token::Symbol(text) => format!("{text:?}"),
            Token::End => "end of input".into(),
        };
        self.error(format!("unexpected {token} in {place}"))
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
        if *self.peek() == Token::End { Ok(()) } else { self.unexpected("expression") }
    }

    fn node(&self, kind: Kind, position: Position) -> Parsed<Node> {
        let children: &[&Node] = match &kind {
            Kind::Negate(inner) => &[inner],
            Kind::Subquery(subquery) => &[&subquery.inner],
            Kind::Binary(binary) => &[&binary.left, &binary.right],
            Kind::Aggregate(aggregate) => &[&aggregate.inner],
            _ => &[],
        };
        let mut depth = children.iter().map(|child| child.depth).max().unwrap_or(0);
        if let Kind::Call(_, arguments) = &kind {
            depth = arguments.iter().map(|child| child.depth).max().unwrap_or(0);
        }
        if depth >= DEPTH_MAX {
            let message = format!("expressions nest deeper than {DEPTH_MAX}");
            return Err(ParseError { position, message });
        }
        Ok(Node { kind, position, depth: depth + 1 })
    }

    fn expression(&mut self, binding_min: u8) -> Parsed<Node> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.error(format!("expressions nest deeper than {DEPTH_MAX}"));
        }
        let mut left = self.signed()?;
        while let Some((operator, binding)) = self.operator()
            && binding >= binding_min
        {
            self.at += 1;
            // Powers group from the right, everything else from the left.
            let next = if operator == Operator::Pow { binding } else { binding + 1 };
            left = self.binary(left, operator, next)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<(Operator, u8)> {
        let word = match self.peek() {
            Token::Symbol(symbol) => (*symbol).to_owned(),
            Token::Ident(word) => word.to_ascii_lowercase(),
            _ => return None,
        };
        let found = OPERATORS.iter().find(|(text, _, _)| *text == word)?;
        Some((found.1, found.2))
    }

    fn signed(&mut self) -> Parsed<Node> {
        let position = self.position();
        let is_minus = self.is_symbol("-");
        if !is_minus && !self.is_symbol("+") {
            return self.postfix();
        }
        self.at += 1;
        let inner = self.expression(SIGN_BINDING)?;
        if !matches!(inner.kind_of(), Type::Scalar | Type::Vector) {
            let kind = inner.kind_of();
            return Err(ParseError {
                position,
                message: format!(
                    "unary expression only allowed on expressions of type scalar or instant \
                     vector, got {kind}"
                ),
            });
        }
        if is_minus { self.node(Kind::Negate(Box::new(inner)), position) } else { Ok(inner) }
    }

    fn binary(&mut self, left: Node, operator: Operator, next: u8) -> Parsed<Node> {
        let position = left.position;
        let operator_position = self.position();
        let fail = |message: String| Err(ParseError { position: operator_position, message });
        let returns_bool = self.eat_word("bool");
        if returns_bool && !operator.is_comparison() {
            return fail("bool modifier can only be used on comparison operators".into());
        }
        let (matching, has_matching) = self.matching()?;
        let right = self.expression(next)?;
        let types = (left.kind_of(), right.kind_of());
        for kind in [types.0, types.1] {
            if !matches!(kind, Type::Scalar | Type::Vector) {
                return fail(
                    "binary expression must contain only scalar and instant vector types".into(),
                );
            }
        }
        let both_vectors = types == (Type::Vector, Type::Vector);
        if operator.is_set() && !both_vectors {
            return fail("set operator not allowed in binary scalar expression".into());
        }
        if operator.is_set() && matching.many != Many::Neither {
            return fail("no grouping allowed for set operations".into());
        }
        if has_matching && !both_vectors {
            return fail("vector matching only allowed between instant vectors".into());
        }
        if types == (Type::Scalar, Type::Scalar) && operator.is_comparison() && !returns_bool {
            return fail("comparisons between scalars must use BOOL modifier".into());
        }
        if let Grouping::By(on) = &matching.on
            && let Some(label) = matching.include.iter().find(|label| on.contains(label))
        {
            return fail(format!("label {label:?} must not occur in ON and GROUP clause at once"));
        }
        let binary = Binary { operator, left, right, returns_bool, matching };
        self.node(Kind::Binary(Box::new(binary)), position)
    }

    fn matching(&mut self) -> Parsed<(Matching, bool)> {
        let none = Matching {
            on: Grouping::Without(Vec::new()),
            many: Many::Neither,
            include: Vec::new(),
        };
        let on = if self.eat_word("on") {
            Grouping::By(self.labels()?)
        } else if self.eat_word("ignoring") {
            Grouping::Without(self.labels()?)
        } else {
            return Ok((none, false));
        };
        let many = if self.eat_word("group_left") {
            Many::Left
        } else if self.eat_word("group_right") {
            Many::Right
        } else {
            Many::Neither
        };
        let has_include = many != Many::Neither && self.is_symbol("(");
        let include = if has_include { self.labels()? } else { Vec::new() };
        Ok((Matching { on, many, include }, true))
    }

    fn labels(&mut self) -> Parsed<Vec<String>> {
        self.expect("(", "grouping")?;
        let mut labels = Vec::new();
        while !self.is_symbol(")") {
            match self.peek() {
                Token::Ident(name) if !name.contains(':') => labels.push(name.clone()),
                Token::String(name) if !name.is_empty() => labels.push(name.clone()),
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

    /// A primary expression with `[..]`, `offset` and `@` behind it.
    fn postfix(&mut self) -> Parsed<Node> {
        let mut node = self.primary()?;
        loop {
            let position = node.position;
            if self.eat("[") {
                node = self.window(node)?;
            } else if self.eat_word("offset") {
                let offset = self.signed_duration("offset")?;
                let shift = shift_of(&mut node.kind);
                let Some(shift) = shift.filter(|shift| shift.offset_ms.is_none()) else {
                    let message = "offset must follow a selector or subquery, once".into();
                    return Err(ParseError { position, message });
                };
                shift.offset_ms = Some(offset);
            } else if self.eat("@") {
                let at = self.at_time()?;
                let Some(shift) = shift_of(&mut node.kind).filter(|shift| shift.at.is_none())
                else {
                    let message = "@ must follow a selector or subquery, once".into();
                    return Err(ParseError { position, message });
                };
                shift.at = Some(at);
            } else {
                return Ok(node);
            }
        }
    }

    fn window(&mut self, node: Node) -> Parsed<Node> {
        let position = node.position;
        let range_ms = self.duration("range")?;
        if range_ms <= 0 {
            return self.error("duration must be greater than 0");
        }
        if self.eat(":") {
            let step_ms = if self.is_symbol("]") { None } else { Some(self.duration("step")?) };
            if step_ms.is_some_and(|step| step <= 0) {
                return self.error("duration must be greater than 0");
            }
            self.expect("]", "subquery")?;
            if node.kind_of() != Type::Vector && node.kind_of() != Type::Scalar {
                let message = format!(
                    "subquery is only allowed on instant vector, got {} instead",
                    node.kind_of()
                );
                return Err(ParseError { position, message });
            }
            let subquery = Subquery { inner: node, range_ms, step_ms, shift: Shift::default() };
            return self.node(Kind::Subquery(Box::new(subquery)), position);
        }
        self.expect("]", "range")?;
        match node.kind {
            Kind::Selector(selector) if selector.shift.is_none() => {
                self.node(Kind::Window(selector, range_ms), position)
            }
            Kind::Selector(_) => {
                let message = "no offset or @ modifiers allowed before range".into();
                Err(ParseError { position, message })
            }
            _ => {
                let message = "ranges only allowed for vector selectors".into();
                Err(ParseError { position, message })
            }
        }
    }

    fn duration(&mut self, place: &str) -> Parsed<i64> {
        match *self.peek() {
            Token::Duration(ms) => {
                self.at += 1;
                Ok(ms)
            }
            Token::Number(seconds) if (seconds * 1e3).abs() < i64::MAX as f64 / 4.0 => {
                self.at += 1;
                Ok((seconds * 1e3).round() as i64)
            }
            _ => self.unexpected(&format!("{place}, expected a duration")),
        }
    }

    fn signed_duration(&mut self, place: &str) -> Parsed<i64> {
        let sign = if self.eat("-") { -1 } else { 1 };
        self.eat("+");
        Ok(sign * self.duration(place)?)
    }

    fn at_time(&mut self) -> Parsed<At> {
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.eat_word(word) {
                self.expect("(", "@")?;
                self.expect(")", "@")?;
                return Ok(at);
            }
        }
        Ok(At::Time(self.signed_duration("@")?))
    }

    fn primary(&mut self) -> Parsed<Node> {
        let position = self.position();
        match self.peek().clone() {
            Token::Number(value) => {
                self.at += 1;
                self.node(Kind::Number(value), position)
            }
            Token::Duration(ms) => {
                self.at += 1;
                self.node(Kind::Number(ms as f64 / 1e3), position)
            }
            Token::String(text) => {
                self.at += 1;
                self.node(Kind::String(text), position)
            }
            Token::Symbol("(") => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.expect(")", "paren expression")?;
                Ok(inner)
            }
            Token::Symbol("{") => self.selector(None, position),
            Token::Ident(word) => self.word(word, position),
            _ => self.unexpected("expression"),
        }
    }

    fn word(&mut self, word: String, position: Position) -> Parsed<Node> {
        self.at += 1;
        let lower = word.to_ascii_lowercase();
        if let Some((_, kind, parameter)) = AGGREGATES.iter().find(|(name, _, _)| *name == lower)
            && (self.is_symbol("(") || self.is_word("by") || self.is_word("without"))
        {
            return self.aggregate(*kind, *parameter, position);
        }
        if self.is_symbol("(") {
            let Some(function) = functions::find(&word) else {
                let message = format!("unknown function with name {word:?}");
                return Err(ParseError { position, message });
            };
            return self.call(function, position);
        }
        match lower.as_str() {
            "inf" => self.node(Kind::Number(f64::INFINITY), position),
            "nan" => self.node(Kind::Number(f64::NAN), position),
            _ => self.selector(Some(word), position),
        }
    }

    fn selector(&mut self, name: Option<String>, position: Position) -> Parsed<Node> {
        let has_name = name.is_some();
        let mut matchers: Vec<Matcher> =
            name.into_iter().map(|name| Matcher::equal(NAME, name)).collect();
        if self.eat("{") {
            while !self.is_symbol("}") {
                let place = self.position();
                let matcher = self.matcher()?;
                if has_name && matcher.name == NAME {
                    let message = format!("metric name must not be set twice: {matcher}");
                    return Err(ParseError { position: place, message });
                }
                matchers.push(matcher);
                if !self.eat(",") {
                    break;
                }
            }
            self.expect("}", "label matching")?;
        }
        if matchers.iter().all(|matcher| matcher.matches("")) {
            let message = "vector selector must contain at least one non-empty matcher".into();
            return Err(ParseError { position, message });
        }
        self.node(Kind::Selector(Selector { matchers, shift: Shift::default() }), position)
    }

    fn matcher(&mut self) -> Parsed<Matcher> {
        let position = self.position();
        let (name, is_quoted) = match self.take() {
            Token::Ident(name) if !name.contains(':') => (name, false),
            Token::String(name) => (name, true),
            _ => {
                self.at -= 1;
                return self.unexpected("label matching, expected a label");
            }
        };
        let op = match self.peek() {
            Token::Symbol("=") => MatchOp::Equal,
            Token::Symbol("!=") => MatchOp::NotEqual,
            Token::Symbol("=~") => MatchOp::Regex,
            Token::Symbol("!~") => MatchOp::NotRegex,
            // A quoted string alone is the name of the metric.
            _ if is_quoted => return Ok(Matcher::equal(NAME, name)),
            _ => return self.unexpected("label matching, expected an operator"),
        };
        self.at += 1;
        let Token::String(value) = self.take() else {
            self.at -= 1;
            return self.unexpected("label matching, expected a string");
        };
        Matcher::new(name, op, value)
            .map_err(|error| ParseError { position, message: error.to_string() })
    }

    fn aggregate(
        &mut self,
        kind: AggregateKind,
        parameter_type: Option<Type>,
        position: Position,
    ) -> Parsed<Node> {
        let mut grouping = self.grouping()?;
        let mut arguments = self.arguments("aggregation")?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let fail = |message: String| Err(ParseError { position, message });
        let wanted = 1 + usize::from(parameter_type.is_some());
        if arguments.len() != wanted {
            let got = arguments.len();
            return fail(format!(
                "wrong number of arguments for aggregate expression provided, expected {wanted}, \
                 got {got}"
            ));
        }
        let Some(inner) = arguments.pop() else { return fail("no argument".into()) };
        let parameter = arguments.pop();
        for (node, expected) in
            [(Some(&inner), Some(Type::Vector)), (parameter.as_ref(), parameter_type)]
        {
            if let (Some(node), Some(expected)) = (node, expected) {
                expect_type(node, expected, "aggregation expression")?;
            }
        }
        let grouping = grouping.unwrap_or(Grouping::By(Vec::new()));
        let aggregate = Aggregate { kind, parameter, inner, grouping };
        self.node(Kind::Aggregate(Box::new(aggregate)), position)
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

    fn call(&mut self, function: &'static Function, position: Position) -> Parsed<Node> {
        let arguments = self.arguments("call")?;
        let (least, most) = function.argument_counts();
        if !(least..=most).contains(&arguments.len()) {
            let message = format!(
                "expected {} argument(s) in call to {:?}, got {}",
                if least == most { least.to_string() } else { format!("at least {least}") },
                function.name,
                arguments.len()
            );
            return Err(ParseError { position, message });
        }
        for (index, argument) in arguments.iter().enumerate() {
            let place = format!("call to function {:?}", function.name);
            expect_type(argument, function.argument(index), &place)?;
        }
        self.node(Kind::Call(function, arguments), position)
    }
}

fn expect_type(node: &Node, expected: Type, place: &str) -> Parsed<()> {
    let found = node.kind_of();
    if found == expected {
        return Ok(());
    }
    let message = format!("expected type {expected} in {place}, got {found}");
    Err(ParseError { position: node.position, message })
}

fn shift_of(kind: &mut Kind) -> Option<&mut Shift> {
    match kind {
        Kind::Selector(selector) | Kind::Window(selector, _) => Some(&mut selector.shift),
        Kind::Subquery(subquery) => Some(&mut subquery.shift),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn errors_say_where() {
        for (text, expected) in [
            ("", "1:1: parse error: no expression found in input"),
            ("sum(", "1:5: parse error: unexpected end of input in expression"),
            ("a\n + $", "2:4: parse error: unexpected character: '$'"),
            ("1 == 1", "1:6: parse error: comparisons between scalars must use BOOL modifier"),
            (
                "rate(a)",
                "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
            ),
            (
                "{a=\"\"}",
                "1:1: parse error: vector selector must contain at least one non-empty matcher",
            ),
            ("nope(1)", "1:1: parse error: unknown function with name \"nope\""),
            ("a[5m", "1:5: parse error: unexpected end of input in range, expected \"]\""),
            (
                "a offset 1m offset 2m",
                "1:1: parse error: offset must follow a selector or subquery, once",
            ),
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
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[a-z0-9(){}\\[\\]:,+*^@=~!<>\"' \\n.-]{0,80}") {
            drop(parse(&text));
        }
    }
}
