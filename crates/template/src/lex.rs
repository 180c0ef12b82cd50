//! A source into tokens. Takes time linear in it.

use crate::Error;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// Text outside actions, trimmed where the actions beside it say so.
    Text(String),
    Open,
    Close,
    Space,
    Dot,
    /// Without the dot.
    Field(String),
    /// With the sign.
    Variable(String),
    Identifier(String),
    Keyword(Keyword),
    Bool(bool),
    Nil,
    Int(i64),
    Float(f64),
    /// With its quotes and escapes resolved.
    Quoted(String),
    Pipe,
    Comma,
    Declare,
    Assign,
    OpenParen,
    CloseParen,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

const KEYWORDS: [(&str, Keyword); 10] = [
    ("block", Keyword::Block),
    ("break", Keyword::Break),
    ("continue", Keyword::Continue),
    ("define", Keyword::Define),
    ("else", Keyword::Else),
    ("end", Keyword::End),
    ("if", Keyword::If),
    ("range", Keyword::Range),
    ("template", Keyword::Template),
    ("with", Keyword::With),
];

/// A token and its line.
pub(crate) type Placed = (Token, usize);

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// Tokens of the whole source; the last is [`Token::End`].
pub(crate) fn tokens(source: &str) -> Result<Vec<Placed>, Error> {
    let mut lexer = Lexer { rest: source, line: 1, tokens: Vec::new(), parens: 0 };
    while !lexer.rest.is_empty() {
        lexer.text()?;
    }
    lexer.push(Token::End);
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Placed>,
    /// Parentheses open in this action.
    parens: usize,
}

impl<'a> Lexer<'a> {
    fn push(&mut self, token: Token) {
        self.tokens.push((token, self.line));
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, Error> {
        Err(Error::new(self.line, reason))
    }

    /// Takes so many bytes, which end between characters.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Text up to the next action, and that action.
    fn text(&mut self) -> Result<(), Error> {
        let Some(at) = self.rest.find("{{") else {
            let text = self.take(self.rest.len()).to_owned();
            self.push(Token::Text(text));
            return Ok(());
        };
        let line = self.line;
        let mut text = self.take(at);
        self.take(2);
        let mut after = self.rest.chars();
        if after.next() == Some('-') && after.next().is_some_and(|c| SPACES.contains(&c)) {
            text = text.trim_end_matches(SPACES);
            self.take(2);
        }
        if !text.is_empty() {
            self.tokens.push((Token::Text(text.to_owned()), line));
        }
        if self.rest.trim_start_matches(SPACES).starts_with("/*") {
            // Go wants the comment directly at the delimiter, after at most one trim marker's blank.
            return self.comment();
        }
        self.push(Token::Open);
        self.parens = 0;
        while !self.close()? {
            self.inside()?;
        }
        Ok(())
    }

    fn comment(&mut self) -> Result<(), Error> {
        if !self.rest.starts_with("/*") {
            return self.fail("unexpected \"/\" in action: a comment begins right behind {{");
        }
        let Some(length) = self.rest.find("*/") else { return self.fail("unclosed comment") };
        self.take(length + 2);
        match self.delimiter() {
            // At most the blank of a trim marker may stand between.
            Some(bytes) if bytes <= 4 => {
                self.leave(bytes);
                Ok(())
            }
            _ => self.fail("comment ends before closing delimiter"),
        }
    }

    /// Bytes of the closing delimiter that stands here, if one does.
    fn delimiter(&self) -> Option<usize> {
        if self.rest.starts_with("}}") {
            return Some(2);
        }
        let behind = self.rest.trim_start_matches(SPACES);
        let spaces = self.rest.len() - behind.len();
        (spaces > 0 && behind.starts_with("-}}")).then_some(spaces + 3)
    }

    /// Takes a closing delimiter, and the blanks that it trims.
    fn leave(&mut self, bytes: usize) {
        self.take(bytes);
        if bytes > 2 {
            let behind = self.rest.trim_start_matches(SPACES).len();
            self.take(self.rest.len() - behind);
        }
    }

    /// Ends the action if its end stands here.
    fn close(&mut self) -> Result<bool, Error> {
        let Some(bytes) = self.delimiter() else { return Ok(false) };
        if self.parens > 0 {
            return self.fail("unclosed left paren");
        }
        self.push(Token::Close);
        self.leave(bytes);
        Ok(true)
    }

    /// One token of an action.
    fn inside(&mut self) -> Result<(), Error> {
        let Some(first) = self.peek() else { return self.fail("unclosed action") };
        match first {
            c if SPACES.contains(&c) => {
                let behind = self.rest.trim_start_matches(SPACES).len();
                self.push(Token::Space);
                self.take(self.rest.len() - behind);
            }
            ':' if self.rest.starts_with(":=") => self.symbol(2, Token::Declare),
            ':' => return self.fail("expected :="),
            '=' => self.symbol(1, Token::Assign),
            '|' => self.symbol(1, Token::Pipe),
            ',' => self.symbol(1, Token::Comma),
            '(' => {
                self.parens += 1;
                self.symbol(1, Token::OpenParen);
            }
            ')' if self.parens == 0 => return self.fail("unexpected right paren"),
            ')' => {
                self.parens -= 1;
                self.symbol(1, Token::CloseParen);
            }
            '"' | '\'' | '`' => return self.quoted(first),
            '.' if !self.rest.get(1..).is_some_and(starts_with_digit) => {
                self.take(1);
                let name = self.word()?;
                self.push(if name.is_empty() { Token::Dot } else { Token::Field(name) });
            }
            '$' => {
                self.take(1);
                let name = self.word()?;
                self.push(Token::Variable(format!("${name}")));
            }
            '.' | '+' | '-' | '0'..='9' => return self.number(),
            c if is_of_word(c) => {
                let word = self.word()?;
                self.push(named(word));
            }
            c => return self.fail(format!("unexpected {c:?} in action")),
        }
        Ok(())
    }

    fn symbol(&mut self, bytes: usize, token: Token) {
        self.take(bytes);
        self.push(token);
    }

    /// Letters, digits and underscores, which may be none, and then something that can end a word.
    fn word(&mut self) -> Result<String, Error> {
        let bytes = self.rest.find(|c| !is_of_word(c)).unwrap_or(self.rest.len());
        let word = self.take(bytes).to_owned();
        let is_ended = self.rest.is_empty()
            || self.rest.starts_with("}}")
            || self.rest.starts_with([' ', '\t', '\r', '\n', '.', ',', '|', ':', ')', '(']);
        match self.peek() {
            Some(c) if !is_ended => self.fail(format!("bad character {c:?}")),
            _ => Ok(word),
        }
    }

    fn number(&mut self) -> Result<(), Error> {
        let is_exponent = |before: Option<char>| matches!(before, Some('e' | 'E' | 'p' | 'P'));
        let mut before = None;
        let mut bytes = 0;
        for c in self.rest.chars() {
            let is_sign = matches!(c, '+' | '-') && (before.is_none() || is_exponent(before));
            if !is_sign && !is_of_word(c) && c != '.' {
                break;
            }
            bytes += c.len_utf8();
            before = Some(c);
        }
        let text = self.take(bytes);
        match number(text) {
            Some(token) => {
                self.push(token);
                Ok(())
            }
            None => self.fail(format!("bad number syntax: {text:?}")),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<(), Error> {
        let (mut is_escaped, mut end) = (false, None);
        for (at, c) in self.rest.char_indices().skip(1) {
            if c == '\n' && quote != '`' {
                break;
            } else if is_escaped {
                is_escaped = false;
            } else if c == '\\' && quote != '`' {
                is_escaped = true;
            } else if c == quote {
                end = Some(at + 1);
                break;
            }
        }
        let Some(end) = end else {
            return self.fail(match quote {
                '`' => "unterminated raw quoted string",
                '"' => "unterminated quoted string",
                _ => "unterminated character constant",
            });
        };
        let line = self.line;
        let text = self.take(end);
        let inner = text.get(1..end - 1).unwrap_or_default();
        let token = match quote {
            '`' => Some(Token::Quoted(inner.replace('\r', ""))),
            '"' => unescape(inner, quote).map(Token::Quoted),
            _ => unescape(inner, quote).and_then(|text| {
                let mut chars = text.chars();
                let first = chars.next()?;
                chars.next().is_none().then(|| Token::Int(i64::from(u32::from(first))))
            }),
        };
        let Some(token) = token else { return self.fail(format!("invalid syntax: {text}")) };
        self.tokens.push((token, line));
        Ok(())
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_of_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn named(word: String) -> Token {
    match word.as_str() {
        "true" => Token::Bool(true),
        "false" => Token::Bool(false),
        "nil" => Token::Nil,
        name => match KEYWORDS.iter().find(|(keyword, _)| *keyword == name) {
            Some((_, keyword)) => Token::Keyword(*keyword),
            None => Token::Identifier(word),
        },
    }
}

/// Go's integers in four bases and decimal floats, with underscores between digits.
fn number(text: &str) -> Option<Token> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let has_stray_underscore =
        digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    if has_stray_underscore || !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let digits = digits.replace('_', "").to_ascii_lowercase();
    let based = |digits: &str, base| {
        let number = i64::from_str_radix(digits, base).ok()?;
        Some(Token::Int(if is_negative { -number } else { number }))
    };
    for (prefix, base) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            return if digits.starts_with(['+', '-']) { None } else { based(digits, base) };
        }
    }
    if digits.contains(['.', 'e']) {
        let number: f64 = digits.parse().ok().filter(|number: &f64| number.is_finite())?;
        return Some(Token::Float(if is_negative { -number } else { number }));
    }
    // A leading zero means octal, as in C.
    if digits.len() > 1 && digits.starts_with('0') { based(&digits, 8) } else { based(&digits, 10) }
}

/// Resolves the escapes of Go's string literals; nothing where one is none.
pub(crate) fn unescape(text: &str, quote: char) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let escape = chars.next()?;
        let mut code = |digits: usize, base, so_far| {
            let mut code = so_far;
            for _ in 0..digits {
                code = code * base + chars.next()?.to_digit(base)?;
            }
            Some(code)
        };
        match escape {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' => bytes.push(b'\\'),
            '\'' | '"' if escape == quote => bytes.push(escape as u8),
            'x' => bytes.push(u8::try_from(code(2, 16, 0)?).ok()?),
            '0'..='7' => bytes.push(u8::try_from(code(2, 8, escape.to_digit(8)?)?).ok()?),
            'u' | 'U' => {
                let digits = if escape == 'u' { 4 } else { 8 };
                let mut code_point: u32 = 0;
                for _ in 0..digits {
                    code_point = code_point.checked_mul(16)? + chars.next()?.to_digit(16)?;
                }
                bytes.extend(char::from_u32(code_point)?.encode_utf8(&mut [0; 4]).bytes());
            }
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
