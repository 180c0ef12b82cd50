//! Reads queries.

use super::{
    Binary, BinaryOp, Compare, DEPTH_MAX, Expr, GroupOp, Grouped, Grouping, LIST_MAX, Log, MatchOp,
    Matcher, ParseError, QUERY_BYTES_MAX, RangeOf, RangeOp, Stage, expression,
    lex::{Lexer, Token},
};

/// Longest span and offset of a function over time: ten years.
const SPAN_SECONDS_MAX: f64 = 10.0 * 31_536_000.0;

/// Reads a query.
pub(in super::super) fn parse(text: &str) -> Result<Expr, ParseError> {
    read(text, |parser| parser.either())
}

/// Reads `{...}` alone.
pub(in super::super) fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    read(text, |parser| parser.selector())
}

fn read<T>(text: &str, parse: impl FnOnce(&mut Parser<'_>) -> Parsed<T>) -> Result<T, ParseError> {
    if text.len() > QUERY_BYTES_MAX {
        let problem = format!("the query is longer than {QUERY_BYTES_MAX} bytes");
        return Err(ParseError { line: 1, column: 1, problem });
    }
    let mut lexer = Lexer::new(text);
    let (at, token) = lexer.next();
    let mut parser = Parser { lexer, token, at, depth: 0, joined: 0 };
    let parsed = parse(&mut parser).and_then(|value| match parser.token {
        Token::End => Ok(value),
        _ => Err(parser.expected("the end")),
    });
    parsed.map_err(|problem| {
        let before = text.get(..parser.at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        ParseError { line, column, problem }
    })
}

pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    /// What comes next.
    pub(super) token: Token,
    /// Where it begins, in bytes.
    at: usize,
    depth: usize,
    /// Operators so far.
    joined: usize,
}

pub(super) type Parsed<T> = Result<T, String>;

impl Parser<'_> {
    pub(super) fn advance(&mut self) -> Token {
        let (at, token) = self.lexer.next();
        self.at = at;
        std::mem::replace(&mut self.token, token)
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(&self.token, Token::Sign(found) if *found == sign)
    }

    pub(super) fn take(&mut self, sign: &str) -> bool {
        let is_there = self.is_sign(sign);
        if is_there {
            self.advance();
        }
        is_there
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(&self.token, Token::Name(name) if name == word)
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let is_there = self.is_word(word);
        if is_there {
            self.advance();
        }
        is_there
    }

    pub(super) fn need(&mut self, sign: &str) -> Parsed<()> {
        if self.take(sign) { Ok(()) } else { Err(self.expected(sign)) }
    }

    pub(super) fn expected(&self, what: &str) -> String {
        let found = match &self.token {
            Token::Name(name) => name.clone(),
            Token::Text(text) => format!("{text:?}"),
            Token::Number(number) | Token::Duration(number) | Token::Bytes(number) => {
                number.to_string()
            }
            Token::Sign(sign) => (*sign).to_owned(),
            Token::Wrong(problem) => return problem.clone(),
            Token::End => "the end".to_owned(),
        };
        format!("{what} is expected, not {found}")
    }

    pub(super) fn name(&mut self, what: &str) -> Parsed<String> {
        if !matches!(self.token, Token::Name(_)) {
            return Err(self.expected(what));
        }
        match self.advance() {
            Token::Name(name) => Ok(name),
            _ => Ok(String::new()),
        }
    }

    pub(super) fn text(&mut self) -> Parsed<String> {
        if !matches!(self.token, Token::Text(_)) {
            return Err(self.expected("a text in quotes"));
        }
        match self.advance() {
            Token::Text(text) => Ok(text),
            _ => Ok(String::new()),
        }
    }

    /// The text, and what is made of it; what is wrong with it is said of where it begins.
    pub(super) fn made<T>(&mut self, make: impl FnOnce(&str) -> Parsed<T>) -> Parsed<(String, T)> {
        let Token::Text(text) = &self.token else { return Err(self.expected("a text in quotes")) };
        let made = make(text)?;
        Ok((self.text()?, made))
    }

    /// One level deeper.
    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH_MAX {
            return Err(format!("the query is nested deeper than {DEPTH_MAX}"));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// One operator more. What is joined without parentheses is nested all the same.
    pub(super) fn join(&mut self) -> Parsed<()> {
        self.joined += 1;
        if self.joined > LIST_MAX {
            return Err(format!("the query has more than {LIST_MAX} operators"));
        }
        Ok(())
    }

    /// One or more, with commas between.
    pub(super) fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut found = vec![one(self)?];
        while self.take(",") {
            if found.len() == LIST_MAX {
                return Err(format!("a list has more than {LIST_MAX} parts"));
            }
            found.push(one(self)?);
        }
        Ok(found)
    }

    fn either(&mut self) -> Parsed<Expr> {
        self.deeper(|parser| {
            parser.chain(Self::both, |parser| parser.is_word("or").then_some(BinaryOp::Or))
        })
    }

    fn both(&mut self) -> Parsed<Expr> {
        self.chain(Self::compared, |parser| {
            let is_and = parser.is_word("and").then_some(BinaryOp::And);
            is_and.or(parser.is_word("unless").then_some(BinaryOp::Unless))
        })
    }

    fn compared(&mut self) -> Parsed<Expr> {
        self.chain(Self::sum, |parser| parser.compare().map(BinaryOp::Compare))
    }

    fn sum(&mut self) -> Parsed<Expr> {
        self.chain(Self::product, |parser| match parser.token {
            Token::Sign("+") => Some(BinaryOp::Add),
            Token::Sign("-") => Some(BinaryOp::Subtract),
            _ => None,
        })
    }

    fn product(&mut self) -> Parsed<Expr> {
        self.chain(Self::power, |parser| match parser.token {
            Token::Sign("*") => Some(BinaryOp::Multiply),
            Token::Sign("/") => Some(BinaryOp::Divide),
            Token::Sign("%") => Some(BinaryOp::Modulo),
            _ => None,
        })
    }

    /// Binds from the right.
    fn power(&mut self) -> Parsed<Expr> {
        let left = self.one()?;
        if !self.is_sign("^") {
            return Ok(left);
        }
        let is_bool = self.operator(&left)?;
        let right = self.deeper(Self::power)?;
        self.binary(BinaryOp::Power, is_bool, left, right)
    }

    /// What is joined from the left by operators of one rank.
    fn chain(
        &mut self,
        part: impl Fn(&mut Self) -> Parsed<Expr>,
        operator: impl Fn(&Self) -> Option<BinaryOp>,
    ) -> Parsed<Expr> {
        let mut left = part(self)?;
        while let Some(op) = operator(self) {
            self.join()?;
            let is_bool = self.operator(&left)?;
            let right = part(self)?;
            left = self.binary(op, is_bool, left, right)?;
        }
        Ok(left)
    }

    /// Takes an operator; whether `bool` follows it.
    fn operator(&mut self, left: &Expr) -> Parsed<bool> {
        if matches!(left, Expr::Log(_)) {
            return Err("only metrics can be calculated with".to_owned());
        }
        self.advance();
        let is_bool = self.take_word("bool");
        let matching = ["on", "ignoring", "group_left", "group_right"];
        if matching.iter().any(|word| self.is_word(word)) {
            return Err("on, ignoring and group_left are not understood here".to_owned());
        }
        Ok(is_bool)
    }

    fn binary(&self, op: BinaryOp, is_bool: bool, left: Expr, right: Expr) -> Parsed<Expr> {
        if matches!(right, Expr::Log(_)) {
            return Err("only metrics can be calculated with".to_owned());
        }
        Ok(Expr::Binary(Box::new(Binary { op, is_bool, left, right })))
    }

    pub(super) fn compare(&self) -> Option<Compare> {
        let Token::Sign(sign) = self.token else { return None };
        Some(match sign {
            "==" => Compare::Equal,
            "!=" => Compare::Unequal,
            "<" => Compare::Less,
            "<=" => Compare::LessOrEqual,
            ">" => Compare::Greater,
            ">=" => Compare::GreaterOrEqual,
            _ => return None,
        })
    }

    fn one(&mut self) -> Parsed<Expr> {
        match &self.token {
            Token::Sign("(") => {
                self.advance();
                let inner = self.either()?;
                self.need(")")?;
                Ok(inner)
            }
            Token::Sign(sign @ ("-" | "+")) => {
                let is_negative = *sign == "-";
                self.advance();
                let inner = self.deeper(Self::one)?;
                match inner {
                    Expr::Number(number) => {
                        Ok(Expr::Number(if is_negative { -number } else { number }))
                    }
                    Expr::Log(_) => Err("only metrics can be calculated with".to_owned()),
                    inner if is_negative => {
                        self.binary(BinaryOp::Multiply, false, Expr::Number(-1.0), inner)
                    }
                    inner => Ok(inner),
                }
            }
            Token::Sign("{") => {
                let matchers = self.selector()?;
                let log = Log { matchers, stages: self.stages()? };
                if log.stages.iter().any(|stage| matches!(stage, Stage::Unwrap(_))) {
                    return Err("unwrap is only for functions over time".to_owned());
                }
                Ok(Expr::Log(log))
            }
            Token::Number(number) => {
                let number = Expr::Number(*number);
                self.advance();
                Ok(number)
            }
            Token::Name(name) => {
                let name = name.clone();
                self.function(&name)
            }
            _ => Err(self.expected("a query")),
        }
    }

    fn function(&mut self, name: &str) -> Parsed<Expr> {
        if let Some(op) = GroupOp::named(name) {
            self.advance();
            return self.group(op);
        }
        if let Some(op) = RangeOp::named(name) {
            self.advance();
            return self.range(op);
        }
        if name != "vector" {
            return Err(format!("there is no function {name} here"));
        }
        self.advance();
        self.need("(")?;
        let number = self.number()?;
        self.need(")")?;
        Ok(Expr::Vector(number))
    }

    fn number(&mut self) -> Parsed<f64> {
        let is_negative = self.take("-");
        let Token::Number(number) = self.token else { return Err(self.expected("a number")) };
        self.advance();
        Ok(if is_negative { -number } else { number })
    }

    fn group(&mut self, op: GroupOp) -> Parsed<Expr> {
        let mut grouping = self.grouping()?;
        self.need("(")?;
        let mut count = 0;
        if matches!(op, GroupOp::Top | GroupOp::Bottom) {
            let number = self.number()?;
            if !(1.0..=1e6).contains(&number) {
                return Err("how many there are to be must be between 1 and a million".to_owned());
            }
            count = number as usize;
            self.need(",")?;
        }
        let inner = self.either()?;
        if matches!(inner, Expr::Log(_)) {
            return Err("lines must be counted by a function over time first".to_owned());
        }
        self.need(")")?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        Ok(Expr::Group(Grouped { op, grouping, count, inner: Box::new(inner) }))
    }

    fn grouping(&mut self) -> Parsed<Option<Grouping>> {
        let is_without = self.is_word("without");
        if !is_without && !self.is_word("by") {
            return Ok(None);
        }
        self.advance();
        self.need("(")?;
        let mut labels = Vec::new();
        if !self.is_sign(")") {
            labels = self.list(|parser| parser.name("a label"))?;
        }
        self.need(")")?;
        Ok(Some(Grouping { is_without, labels }))
    }

    fn range(&mut self, op: RangeOp) -> Parsed<Expr> {
        self.need("(")?;
        let mut parameter = 0.0;
        if op == RangeOp::Quantile {
            parameter = self.number()?;
            if !(0.0..=1.0).contains(&parameter) {
                return Err("a quantile must be between 0 and 1".to_owned());
            }
            self.need(",")?;
        }
        let is_inside = self.take("(");
        let matchers = self.selector()?;
        let mut range = self.span()?;
        let stages = self.stages()?;
        if is_inside {
            self.need(")")?;
        }
        if range.is_none() {
            range = self.span()?;
        }
        let Some(range_ms) = range else { return Err(self.expected("a range such as [5m]")) };
        let offset_ms = self.offset()?;
        self.need(")")?;
        let grouping = self.grouping()?;
        let log = Log { matchers, stages };
        let range = RangeOf { op, log, range_ms, offset_ms, parameter, grouping };
        if range.unwrap().is_none() && op.needs_unwrap() {
            return Err("this function needs an unwrap".to_owned());
        }
        Ok(Expr::Range(range))
    }

    /// `[5m]`, in milliseconds.
    fn span(&mut self) -> Parsed<Option<i64>> {
        if !self.take("[") {
            return Ok(None);
        }
        let Token::Duration(seconds) = self.token else {
            return Err(self.expected("a duration such as 5m"));
        };
        if !(1e-3..=SPAN_SECONDS_MAX).contains(&seconds) {
            return Err("a range must be a millisecond at least and ten years at most".to_owned());
        }
        self.advance();
        self.need("]")?;
        Ok(Some((seconds * 1e3) as i64))
    }

    fn offset(&mut self) -> Parsed<i64> {
        if !self.take_word("offset") {
            return Ok(0);
        }
        let is_negative = self.take("-");
        let Token::Duration(seconds) = self.token else {
            return Err(self.expected("a duration such as 5m"));
        };
        if seconds > SPAN_SECONDS_MAX {
            return Err("an offset must be ten years at most".to_owned());
        }
        self.advance();
        let offset = (seconds * 1e3) as i64;
        Ok(if is_negative { -offset } else { offset })
    }

    fn selector(&mut self) -> Parsed<Vec<Matcher>> {
        self.need("{")?;
        let mut matchers = Vec::new();
        while !self.take("}") {
            if matchers.len() == LIST_MAX {
                return Err(format!("a list has more than {LIST_MAX} parts"));
            }
            let label = self.name("a label")?;
            let Some(op) = self.match_op() else { return Err(self.expected("=, !=, =~ or !~")) };
            self.advance();
            matchers.push(self.matcher(label, op)?);
            if !self.take(",") && !self.is_sign("}") {
                return Err(self.expected(", or }"));
            }
        }
        Ok(matchers)
    }

    pub(super) fn match_op(&self) -> Option<MatchOp> {
        match self.token {
            Token::Sign("=") => Some(MatchOp::Is),
            Token::Sign("!=") => Some(MatchOp::IsNot),
            Token::Sign("=~") => Some(MatchOp::Matches),
            Token::Sign("!~") => Some(MatchOp::MatchesNot),
            _ => None,
        }
    }

    pub(super) fn matcher(&mut self, label: String, op: MatchOp) -> Parsed<Matcher> {
        let is_expression = matches!(op, MatchOp::Matches | MatchOp::MatchesNot);
        let (value, regex) = self.made(|text| match is_expression {
            // What is wrong is said of what was written, without what is put around it.
            true => expression(text).and_then(|_| expression(&format!("^(?s:{text})$"))).map(Some),
            false => Ok(None),
        })?;
        Ok(Matcher { label, op, value, regex })
    }
}
