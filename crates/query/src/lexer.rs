//! Text into tokens. Keywords are plain identifiers here: only their place makes them keywords.

use crate::{ast::Position, parser::ParseError};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A name; may contain colons.
    Ident(String),
    Number(f64),
    /// Milliseconds.
    Duration(i64),
    String(String),
    /// Punctuation and operators.
    Symbol(&'static str),
    End,
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: &[&str] = &[
    "==", "!=", "<=", ">=", "=~", "!~", "(", ")", "{", "}", "[", "]", ",", ":", "+", "-", "*", "/",
    "%", "^", "<", ">", "=", "@",
];

/// Units of durations, from long to short, in milliseconds.
const UNITS: &[(&str, i64)] = &[
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

pub(crate) fn tokens(text: &str) -> Result<Vec<(Token, Position)>, ParseError> {
    let mut lexer = Lexer { text, at: 0, in_brackets: false };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let position = position(text, lexer.at);
        let token = lexer.next().map_err(|message| ParseError { position, message })?;
        let is_end = token == Token::End;
        tokens.push((token, position));
        if is_end {
            return Ok(tokens);
        }
    }
}

fn position(text: &str, at: usize) -> Position {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    Position { line: before.matches('\n').count() + 1, column }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Between `[` and `]` a colon parts range and step instead of beginning a name.
    in_brackets: bool,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn next(&mut self) -> Result<Token, String> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        if matches!(first, '"' | '\'' | '`') {
            return self.string(first);
        }
        let second_is_digit = rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
        if first.is_ascii_digit() || (first == '.' && second_is_digit) {
            return self.number();
        }
        if is_name_start(first) && !(self.in_brackets && first == ':') {
            let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            self.at += length;
            return Ok(Token::Ident(rest.get(..length).unwrap_or_default().into()));
        }
        match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            Some(symbol) => {
                self.at += symbol.len();
                self.in_brackets = *symbol == "[" || (self.in_brackets && *symbol != "]");
                Ok(Token::Symbol(symbol))
            }
            None => Err(format!("unexpected character: {first:?}")),
        }
    }

    fn number(&mut self) -> Result<Token, String> {
        let rest = self.rest();
        let is_part = |(at, c): (usize, char)| {
            let before = rest.get(..at).unwrap_or_default();
            let is_sign = matches!(c, '+' | '-') && is_exponent(before);
            c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || is_sign
        };
        let length =
            rest.char_indices().find(|item| !is_part(*item)).map_or(rest.len(), |(at, _)| at);
        let word = rest.get(..length).unwrap_or_default();
        self.at += length;
        if let Some(duration) = parse_duration(word) {
            return Ok(Token::Duration(duration));
        }
        let parsed = parse_number(word).map(Token::Number);
        parsed.ok_or_else(|| format!("bad number or duration syntax: {word:?}"))
    }

    fn string(&mut self, quote: char) -> Result<Token, String> {
        let body = self.rest().get(1..).unwrap_or_default();
        let mut out = Vec::new();
        let mut chars = body.char_indices();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at += at + 2;
                let text = String::from_utf8(out);
                return text.map(Token::String).map_err(|_| "string is not UTF-8".into());
            }
            if c == '\n' && quote != '`' {
                break;
            }
            if c == '\\' && quote != '`' {
                escape(&mut chars, quote, &mut out)?;
            } else {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        Err("unterminated quoted string".into())
    }
}

/// Whether a sign after `text` belongs to the number that it begins.
fn is_exponent(text: &str) -> bool {
    !text.starts_with("0x") && !text.starts_with("0X") && text.ends_with(['e', 'E'])
}

/// The escapes of Go's string literals.
fn escape(
    chars: &mut std::str::CharIndices<'_>,
    quote: char,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let bad = || "invalid escape sequence in string".to_owned();
    let (_, c) = chars.next().ok_or_else(bad)?;
    let digits = match c {
        'x' => (2, 16),
        'u' => (4, 16),
        'U' => (8, 16),
        '0'..='7' => (3, 8),
        _ => {
            let plain = "abfnrtv\\".find(c).map(|at| b"\x07\x08\x0c\n\r\t\x0b\\"[at]);
            let plain = plain.or_else(|| (c == quote).then_some(quote as u8));
            out.push(plain.ok_or_else(bad)?);
            return Ok(());
        }
    };
    let (count, radix) = digits;
    let mut value = if radix == 8 { c.to_digit(8).unwrap_or(0) } else { 0 };
    for _ in usize::from(radix == 8)..count {
        let (_, digit) = chars.next().ok_or_else(bad)?;
        let digit = digit.to_digit(radix).ok_or_else(bad)?;
        value = value.checked_mul(radix).and_then(|v| v.checked_add(digit)).ok_or_else(bad)?;
    }
    if matches!(c, 'u' | 'U') {
        let c = char::from_u32(value).ok_or_else(bad)?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        out.push(u8::try_from(value).map_err(|_| bad())?);
    }
    Ok(())
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':'
}

fn is_name(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit()
}

/// A decimal or hexadecimal number; underscores may separate digits.
fn parse_number(word: &str) -> Option<f64> {
    if word.starts_with('_') || word.ends_with('_') || word.contains("__") {
        return None;
    }
    let word = word.replace('_', "");
    if let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok().map(|value| value as f64);
    }
    // Rust would also read "inf" and "nan" here, which begin with a letter.
    word.starts_with(|c: char| c.is_ascii_digit() || c == '.').then(|| word.parse().ok())?
}

/// `1h30m` and the like in milliseconds: each unit at most once, from long to short.
fn parse_duration(word: &str) -> Option<i64> {
    let mut rest = word;
    let mut total = 0_i64;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let name = rest.get(..letters)?;
        let unit = UNITS.iter().position(|(unit, _)| *unit == name)?;
        if unit < next_unit {
            return None;
        }
        next_unit = unit + 1;
        total = total.checked_add(count.checked_mul(UNITS[unit].1)?)?;
        rest = rest.get(letters..)?;
    }
    (!word.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Token]) {
        let found: Vec<Token> = tokens(text).unwrap().into_iter().map(|(token, _)| token).collect();
        assert_eq!(found, [expected, &[Token::End]].concat(), "{text}");
    }

    #[test]
    fn words() {
        check("a:b # c\n+1", &[Token::Ident("a:b".into()), Token::Symbol("+"), Token::Number(1.0)]);
        check(
            "1h30m 5ms 0x1F 1e-3 .5 1_000",
            &[
                Token::Duration(5_400_000),
                Token::Duration(5),
                Token::Number(31.0),
                Token::Number(1e-3),
                Token::Number(0.5),
                Token::Number(1_000.0),
            ],
        );
        check(
            r#" "a\n\"\u00e9\x41" 'b' `c\n` "#,
            &[
                Token::String("a\n\"é\u{41}".into()),
                Token::String("b".into()),
                Token::String("c\\n".into()),
            ],
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["\"a", "$", "5m5h", "1x", "\"\\q\"", "0xg", "\"a\nb\""] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }
}
