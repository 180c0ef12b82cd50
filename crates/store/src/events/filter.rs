//! The language in which records are searched, and how it is understood.
//!
//! ```text
//! timeout                          the word, in any of the fields that are searched without naming them
//! model:qwen3                      the whole value; "…" where it has blanks or signs
//! model:qwen*  model:q?en3         * is any text, ? any character; \ takes a sign's meaning away
//! ttft_ms:>200  ttft_ms:<=1.5      compared; also status:500..599 and status:[500 TO 599], * for no bound
//! error:"out of memory"            free text: these words in this order; the last may end with *
//! parameters.temperature:0.7       one of several names
//! body:/Xid \(PCI.*\): 79/  /oom/    a regular expression: of lines of logs, anywhere in the body, or the whole
//!                                  value of another field; "…" where a value only looks like one
//! ttft_ms:*                        it is known
//! a b, a AND b, a OR b, NOT a, -a  both, both, either, without; ( ) for order, AND binds closer than OR
//! model:(a OR b)                   either value of the field
//! ```
//!
//! The words AND, OR and NOT may be small as well. Values are compared as they are written; only free text
//! takes no notice of upper and lower case. It does not rank: a record matches or does not.

use regex::{Regex, RegexBuilder};

use super::{
    schema::{Field, FieldType, Schema},
    words::{Words, is_cjk},
};

/// Longest filter.
pub const FILTER_BYTES_MAX: usize = 4_096;
/// Most conditions of a filter, with one for each field that a word alone is looked for in.
pub const CONDITIONS_MAX: usize = 512;
/// Deepest nesting of parentheses and negations.
const DEPTH_MAX: usize = 32;
/// Most memory that a regular expression may take, in bytes.
const EXPRESSION_BYTES_MAX: usize = 1 << 20;
/// Most `*` and `?` of one value: each makes the automaton larger.
const WILDCARDS_MAX: usize = 8;

/// Which records are wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter(pub(super) Node);

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Node {
    #[default]
    All,
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Is(Condition),
}

/// A test of one field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    pub(super) position: usize,
    pub(super) field_type: FieldType,
    /// Of a map, the value of this name.
    pub(super) name: Option<String>,
    pub(super) test: Test,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Present,
    Exact(String),
    Pattern(Pattern),
    /// These words one after the other; the last is a beginning only.
    Words {
        words: Vec<String>,
        is_prefix: bool,
    },
    /// One character of a script without spaces, anywhere.
    Character(char),
    Between(Bound, Bound),
    Expression(Expression),
}

/// A regular expression.
#[derive(Clone, Debug)]
pub(super) struct Expression(pub(super) Regex);

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// An end of a range: nothing, or the number and whether it is part of the range.
pub(super) type Bound = Option<(f64, bool)>;

/// A text with wildcards.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern(pub(super) Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Piece {
    Is(char),
    One,
    Any,
}

/// Why a filter cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}, at character {at} of the filter")]
pub struct FilterError {
    /// Counted in characters, from 1.
    pub at: usize,
    pub problem: FilterProblem,
}

/// See [`FilterError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterProblem {
    #[error("the filter is longer than {FILTER_BYTES_MAX} bytes")]
    TooLong,
    #[error("the filter has more than {CONDITIONS_MAX} conditions")]
    TooMany,
    #[error("the filter is nested deeper than {DEPTH_MAX}")]
    TooDeep,
    #[error("a value has more than {WILDCARDS_MAX} wildcards")]
    TooManyWildcards,
    #[error("there is no field {0}")]
    UnknownField(String),
    #[error("{0} is kept, not searched")]
    NotSearched(String),
    #[error("{0} needs a number, a comparison such as >200, or a range such as 1..5")]
    NotANumber(String),
    #[error("a value is missing")]
    ValueMissing,
    #[error("this is not a regular expression, or too large a one")]
    NotAnExpression,
    #[error("a quote is not closed")]
    QuoteOpen,
    #[error("a parenthesis is not closed")]
    ParenthesisOpen,
    #[error("this is not expected here")]
    Unexpected,
}

impl FilterProblem {
    /// For those who say it in other words.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::TooMany => "too_many",
            Self::TooDeep => "too_deep",
            Self::TooManyWildcards => "too_many_wildcards",
            Self::UnknownField(_) => "unknown_field",
            Self::NotSearched(_) => "not_searched",
            Self::NotANumber(_) => "not_a_number",
            Self::ValueMissing => "value_missing",
            Self::NotAnExpression => "not_an_expression",
            Self::QuoteOpen => "quote_open",
            Self::ParenthesisOpen => "parenthesis_open",
            Self::Unexpected => "unexpected",
        }
    }

    /// The field that it is about.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::UnknownField(field) | Self::NotSearched(field) | Self::NotANumber(field) => {
                Some(field)
            }
            _ => None,
        }
    }
}

impl Filter {
    /// Everything, where the text is empty.
    pub fn parse(text: &str, schema: &Schema) -> Result<Self, FilterError> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(FilterError { at: 1, problem: FilterProblem::TooLong });
        }
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let characters: Vec<char> = text.chars().collect();
        let mut parser =
            Parser { text: &characters, at: 0, schema, conditions: 0, depth: 0, scope: None };
        let parsed = parser.either().and_then(|node| {
            parser.blanks();
            if parser.peek().is_some() { Err(FilterProblem::Unexpected) } else { Ok(node) }
        });
        let at = parser.at.min(characters.len()) + 1;
        parsed.map(Self).map_err(|problem| FilterError { at, problem })
    }
}

struct Parser<'a> {
    text: &'a [char],
    at: usize,
    schema: &'a Schema,
    conditions: usize,
    depth: usize,
    /// The field that stands before the parenthesis around.
    scope: Option<(usize, Option<String>)>,
}

/// A value as it was written.
struct Written {
    pieces: Vec<Piece>,
    is_quoted: bool,
}

impl Written {
    /// With its wildcards taken for what they look like.
    fn plain(&self) -> String {
        let plain = |piece: &Piece| match piece {
            Piece::Is(character) => *character,
            Piece::One => '?',
            Piece::Any => '*',
        };
        self.pieces.iter().map(plain).collect()
    }

    fn has_wildcards(&self) -> bool {
        self.pieces.iter().any(|piece| !matches!(piece, Piece::Is(_)))
    }
}

type Parsed<T> = Result<T, FilterProblem>;

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    /// Takes one of the three small words, where it stands alone.
    fn take_word(&mut self, word: &str) -> bool {
        self.blanks();
        let end = self.at + word.len();
        let Some(found) = self.text.get(self.at..end) else { return false };
        let is_same = found.iter().zip(word.chars()).all(|(a, b)| a.eq_ignore_ascii_case(&b));
        let is_alone =
            self.text.get(end).is_none_or(|next| next.is_whitespace() || matches!(next, '(' | ')'));
        if is_same && is_alone {
            self.at = end;
        }
        is_same && is_alone
    }

    fn either(&mut self) -> Parsed<Node> {
        let mut nodes = vec![self.both()?];
        while self.take_word("OR") {
            nodes.push(self.both()?);
        }
        Ok(join(nodes, Node::Or))
    }

    fn both(&mut self) -> Parsed<Node> {
        let mut nodes = Vec::new();
        loop {
            let has_and = !nodes.is_empty() && self.take_word("AND");
            self.blanks();
            let before = self.at;
            if matches!(self.peek(), None | Some(')')) || self.take_word("OR") {
                self.at = before;
                let is_right = !nodes.is_empty() && !has_and;
                return if is_right {
                    Ok(join(nodes, Node::And))
                } else {
                    Err(FilterProblem::ValueMissing)
                };
            }
            nodes.push(self.one()?);
        }
    }

    fn one(&mut self) -> Parsed<Node> {
        self.blanks();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(FilterProblem::TooDeep);
        }
        let node = if self.take_word("NOT") || self.take_minus() {
            Node::Not(Box::new(self.one()?))
        } else if self.take('(') {
            self.rest_of_group()?
        } else {
            self.condition()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn take_minus(&mut self) -> bool {
        let is_negation = self.text.get(self.at + 1).is_some_and(|next| !next.is_whitespace());
        is_negation && self.take('-')
    }

    fn rest_of_group(&mut self) -> Parsed<Node> {
        let node = self.either()?;
        self.blanks();
        if self.take(')') { Ok(node) } else { Err(FilterProblem::ParenthesisOpen) }
    }

    fn condition(&mut self) -> Parsed<Node> {
        let begin = self.at;
        if let Some(field) = self.field()? {
            if self.take('(') {
                let outer = self.scope.replace(field);
                let node = self.rest_of_group();
                self.scope = outer;
                return node;
            }
            return self.tested(field);
        }
        self.at = begin;
        if let Some(scope) = self.scope.clone() {
            return self.tested(scope);
        }
        let schema = self.schema;
        let is_free =
            |(_, field): &(usize, &Field)| field.is_free && field.field_type != FieldType::Map;
        let free = schema.fields.iter().enumerate().filter(is_free);
        if let Some(test) = self.expression(false)? {
            let mut bodies = free.filter(|(_, field)| field.field_type == FieldType::Body);
            let (position, field) = bodies.next().ok_or(FilterProblem::Unexpected)?;
            let field_type = field.field_type;
            return self.is(Condition { position, field_type, name: None, test });
        }
        let written = self.written()?;
        let mut nodes = Vec::new();
        for (position, field) in free {
            let test = match field.field_type {
                FieldType::Text | FieldType::Body => words(&written),
                _ => exact(&written)?,
            };
            let field_type = field.field_type;
            nodes.push(self.is(Condition { position, field_type, name: None, test })?);
        }
        Ok(join(nodes, Node::Or))
    }

    /// A name with a colon behind it, if that is what comes.
    fn field(&mut self) -> Parsed<Option<(usize, Option<String>)>> {
        let begin = self.at;
        let is_of_name = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
        let length = self.text.iter().skip(begin).take_while(|c| is_of_name(c)).count();
        if length == 0 || self.text.get(begin + length) != Some(&':') {
            return Ok(None);
        }
        let name: String = self.text.iter().skip(begin).take(length).collect();
        let found = self.schema.find(&name);
        let found = found.map(|(position, of)| (position, of.map(str::to_owned)));
        if found.is_none() {
            return Err(FilterProblem::UnknownField(name));
        }
        self.at = begin + length + 1;
        Ok(found)
    }

    /// What stands behind a field's colon.
    fn tested(&mut self, (position, name): (usize, Option<String>)) -> Parsed<Node> {
        let Some(field) = self.schema.fields.get(position).copied() else {
            return Err(FilterProblem::Unexpected);
        };
        let test = if self.peek() == Some('*') && self.ends_at(self.at + 1) {
            self.at += 1;
            Test::Present
        } else if field.field_type.is_numeric() {
            self.range().map_err(|_| FilterProblem::NotANumber(field.name.to_owned()))?
        } else if let Some(test) = self.expression(field.field_type != FieldType::Body)? {
            test
        } else {
            let written = self.written()?;
            match field.field_type {
                FieldType::Text | FieldType::Body => words(&written),
                FieldType::Kept | FieldType::Private => {
                    return Err(FilterProblem::NotSearched(field.name.to_owned()));
                }
                FieldType::Map if name.is_none() => {
                    return Err(FilterProblem::UnknownField(format!("{}.", field.name)));
                }
                _ => exact(&written)?,
            }
        };
        // The body tells its pattern.
        let of_body = self.schema.body().filter(|_| field.field_type == FieldType::Pattern);
        let position = of_body.unwrap_or(position);
        self.is(Condition { position, field_type: field.field_type, name, test })
    }

    /// `/.../`, where records have a body, if that is what comes.
    fn expression(&mut self, is_whole: bool) -> Parsed<Option<Test>> {
        let has_body = self.schema.fields.iter().any(|field| field.field_type == FieldType::Body);
        if !has_body || self.peek() != Some('/') {
            return Ok(None);
        }
        let (mut pattern, mut end, mut is_escaped) = (String::new(), self.at + 1, false);
        loop {
            match self.text.get(end) {
                // A path, not an expression.
                None => return Ok(None),
                Some('/') if !is_escaped => break,
                Some('/') => {
                    pattern.pop();
                    pattern.push('/');
                    is_escaped = false;
                }
                Some(letter) => {
                    pattern.push(*letter);
                    is_escaped = *letter == '\\' && !is_escaped;
                }
            }
            end += 1;
        }
        if !self.ends_at(end + 1) {
            return Ok(None);
        }
        if is_whole {
            pattern = format!("^(?:{pattern})$");
        }
        let mut builder = RegexBuilder::new(&pattern);
        let built = builder.size_limit(EXPRESSION_BYTES_MAX).dot_matches_new_line(is_whole).build();
        self.at = end + 1;
        let expression = built.map_err(|_| FilterProblem::NotAnExpression)?;
        Ok(Some(Test::Expression(Expression(expression))))
    }

    fn is(&mut self, condition: Condition) -> Parsed<Node> {
        self.conditions += 1;
        if self.conditions > CONDITIONS_MAX {
            return Err(FilterProblem::TooMany);
        }
        Ok(Node::Is(condition))
    }

    fn ends_at(&self, at: usize) -> bool {
        self.text.get(at).is_none_or(|next| next.is_whitespace() || matches!(next, '(' | ')'))
    }

    /// A value, in quotes or up to the next blank or parenthesis.
    fn written(&mut self) -> Parsed<Written> {
        let is_quoted = self.take('"');
        let mut pieces = Vec::new();
        loop {
            let Some(next) = self.peek() else {
                if is_quoted {
                    return Err(FilterProblem::QuoteOpen);
                }
                break;
            };
            if !is_quoted && self.ends_at(self.at) {
                break;
            }
            self.at += 1;
            match next {
                '"' if is_quoted => return Ok(Written { pieces, is_quoted }),
                '\\' => {
                    let Some(literal) = self.peek() else { return Err(FilterProblem::Unexpected) };
                    self.at += 1;
                    pieces.push(Piece::Is(literal));
                }
                '*' if !is_quoted => pieces.push(Piece::Any),
                '?' if !is_quoted => pieces.push(Piece::One),
                _ => pieces.push(Piece::Is(next)),
            }
        }
        if pieces.is_empty() {
            Err(FilterProblem::ValueMissing)
        } else {
            Ok(Written { pieces, is_quoted })
        }
    }

    /// `5`, `>5`, `1..5`, `[1 TO 5}`.
    fn range(&mut self) -> Parsed<Test> {
        for (sign, is_below, includes) in
            [(">=", false, true), ("<=", true, true), (">", false, false), ("<", true, false)]
        {
            let end = self.at + sign.len();
            if self
                .text
                .get(self.at..end)
                .is_some_and(|found| found.iter().copied().eq(sign.chars()))
            {
                self.at = end;
                let bound = Some((number(&self.written()?.plain())?, includes));
                let test = if is_below { (None, bound) } else { (bound, None) };
                return Ok(Test::Between(test.0, test.1));
            }
        }
        if let Some(first @ ('[' | '{')) = self.peek() {
            self.at += 1;
            self.blanks();
            let low = self.bound(first == '[')?;
            if !self.take_word("TO") {
                return Err(FilterProblem::Unexpected);
            }
            self.blanks();
            let mut high = self.bound(true)?;
            self.blanks();
            let includes = self.take(']');
            if !includes && !self.take('}') {
                return Err(FilterProblem::Unexpected);
            }
            high = high.map(|(number, _)| (number, includes));
            return Ok(Test::Between(low, high));
        }
        let plain = self.written()?.plain();
        if let Some((low, high)) = plain.split_once("..") {
            let side = |text: &str| match text {
                "" | "*" => Ok(None),
                text => number(text).map(|number| Some((number, true))),
            };
            return Ok(Test::Between(side(low)?, side(high)?));
        }
        let exact = Some((number(&plain)?, true));
        Ok(Test::Between(exact, exact))
    }

    fn bound(&mut self, includes: bool) -> Parsed<Bound> {
        let is_end = |c: &char| c.is_whitespace() || matches!(c, ']' | '}' | '(' | ')');
        let text: String = self.text.iter().skip(self.at).take_while(|c| !is_end(c)).collect();
        self.at += text.chars().count();
        match text.as_str() {
            "*" => Ok(None),
            text => number(text).map(|number| Some((number, includes))),
        }
    }
}

fn number(text: &str) -> Parsed<f64> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| FilterProblem::NotANumber(String::new()))
}

fn join(mut nodes: Vec<Node>, join: impl Fn(Vec<Node>) -> Node) -> Node {
    match nodes.len() {
        1 => nodes.swap_remove(0),
        _ => join(nodes),
    }
}

fn exact(written: &Written) -> Parsed<Test> {
    if written.is_quoted || !written.has_wildcards() {
        return Ok(Test::Exact(written.plain()));
    }
    let mut pieces = written.pieces.clone();
    pieces.dedup_by(|a, b| *a == Piece::Any && *b == Piece::Any);
    let wildcards = pieces.iter().filter(|piece| !matches!(piece, Piece::Is(_))).count();
    if wildcards > WILDCARDS_MAX {
        return Err(FilterProblem::TooManyWildcards);
    }
    Ok(Test::Pattern(Pattern(pieces)))
}

/// The words of a text; signs between them do not matter, so a text of signs only matches nothing.
fn words(written: &Written) -> Test {
    let plain = written.plain();
    let is_prefix = !written.is_quoted && written.pieces.last() == Some(&Piece::Any);
    let words: Vec<String> = Words::new(&plain).collect();
    let mut characters = words.first().map(|word| word.chars()).into_iter().flatten();
    match (words.len(), characters.next(), characters.next()) {
        (1, Some(only), None) if is_cjk(only) => Test::Character(only),
        _ => Test::Words { words, is_prefix },
    }
}

impl Pattern {
    /// The same as a regular expression.
    pub(super) fn regex(&self) -> String {
        let mut regex = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Is(character) => push_literal(&mut regex, *character),
                Piece::One => regex.push_str("(.|\n)"),
                Piece::Any => regex.push_str("(.|\n)*"),
            }
        }
        regex
    }

    /// Whether the whole text is like this. Takes time by both lengths, however many wildcards there are.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut piece) = (0, 0);
        let mut retry = None;
        while at < text.len() {
            match self.0.get(piece) {
                Some(Piece::Any) => {
                    retry = Some((at, piece + 1));
                    piece += 1;
                }
                Some(Piece::One) => {
                    (at, piece) = (at + 1, piece + 1);
                }
                Some(Piece::Is(wanted)) if text.get(at) == Some(wanted) => {
                    (at, piece) = (at + 1, piece + 1);
                }
                _ => {
                    // The last `*` takes one character more.
                    let Some((from, behind)) = retry else { return false };
                    retry = Some((from + 1, behind));
                    (at, piece) = (from + 1, behind);
                }
            }
        }
        self.0.iter().skip(piece).all(|piece| *piece == Piece::Any)
    }
}

/// A character that means itself in a regular expression.
pub(super) fn push_literal(regex: &mut String, character: char) {
    if r"\.+*?()|[]{}^$#&-~".contains(character) {
        regex.push('\\');
    }
    regex.push(character);
}
