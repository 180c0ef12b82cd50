//! Text into tokens. Keywords are plain identifiers here: only their place makes them keywords.

use crate::parser::ParseError;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    /// A name; may contain colons.
    Ident(&'a str),
    Number(f64),
    /// Milliseconds.
    Duration(i64),
    /// Its escapes resolved, which can make any bytes.
    String(Vec<u8>),
    /// Punctuation and operators.
    Symbol(&'static str),
    End,
}

/// A token and the byte that it begins at.
pub(crate) type Placed<'a> = (Token<'a>, usize);

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: &[&str] = &[
    "==", "!=", "<=", ">=", "=~", "!~", "</", ">/", "(", ")", "{", "}", "[", "]", ",", ":", "+",
    "-", "*", "/", "%", "^", "<", ">", "=", "@",
];

/// Units of durations, from long to short, in milliseconds.
pub(crate) const UNITS: &[(&str, i64)] = &[
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Longest duration either way: what nanoseconds in 64 bits can say, as in Prometheus.
pub(crate) const DURATION_MS_MAX: i64 = i64::MAX / 1_000_000;

pub(crate) fn tokens(text: &str) -> Result<Vec<Placed<'_>>, ParseError> {
    let mut lexer = Lexer { text, at: 0, in_brackets: false };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let start = lexer.at;
        let token = lexer.next().map_err(|message| ParseError::new(text, start, message))?;
        let is_end = token == Token::End;
        tokens.push((token, start));
        if is_end {
            return Ok(tokens);
        }
    }
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

    fn next(&mut self) -> Result<Token<'a>, String> {
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
            let in_brackets = self.in_brackets;
            let is_end = |c: char| !is_name(c) || (in_brackets && c == ':');
            let length = rest.find(is_end).unwrap_or(rest.len());
            self.at += length;
            return Ok(Token::Ident(rest.get(..length).unwrap_or_default()));
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

    fn number(&mut self) -> Result<Token<'a>, String> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
        let is_part = |at: &usize| {
            let is_exponent = *at > 0 && !is_hex && matches!(bytes[at - 1], b'e' | b'E');
            let is_sign = matches!(bytes[*at], b'+' | b'-') && is_exponent;
            bytes[*at].is_ascii_alphanumeric() || matches!(bytes[*at], b'.' | b'_') || is_sign
        };
        let length = (0..bytes.len()).take_while(is_part).count();
        let word = rest.get(..length).unwrap_or_default();
        self.at += word.len();
        if let Some(duration) = parse_duration(word) {
            return match duration {
                0..=DURATION_MS_MAX => Ok(Token::Duration(duration)),
                _ => Err("duration out of range".into()),
            };
        }
        let parsed = parse_number(word).map(Token::Number);
        parsed.ok_or_else(|| format!("bad number or duration syntax: {word:?}"))
    }

    fn string(&mut self, quote: char) -> Result<Token<'a>, String> {
        let body = self.rest().get(1..).unwrap_or_default();
        let mut out = Vec::new();
        let mut chars = body.char_indices();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at += at + 2;
                return Ok(Token::String(out));
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
        return i64::from_str_radix(digits, 16).ok().map(|value| value as f64);
    }
    // As in Go, a zero in front makes whole numbers octal where they can be.
    if word.len() > 1 && word.starts_with('0') && word.bytes().all(|c| (b'0'..=b'7').contains(&c)) {
        return i64::from_str_radix(&word, 8).ok().map(|value| value as f64);
    }
    // Rust would also read "inf" and "nan" here, which begin with a letter.
    word.starts_with(|c: char| c.is_ascii_digit() || c == '.').then(|| word.parse().ok())?
}

/// `1h30m` and the like in milliseconds: each unit at most once, from long to short; `None` for what is no
/// duration, and more than any duration for what is too long.
fn parse_duration(word: &str) -> Option<i64> {
    let mut rest = word;
    let mut total = 0_i64;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = match rest.get(..digits)? {
            "" => return None,
            digits => digits.parse().unwrap_or(i64::MAX),
        };
        rest = rest.get(digits..)?;
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let name = rest.get(..letters)?;
        let unit = UNITS.iter().position(|(unit, _)| *unit == name)?;
        if unit < next_unit {
            return None;
        }
        next_unit = unit + 1;
        total = total.saturating_add(count.saturating_mul(UNITS[unit].1));
        rest = rest.get(letters..)?;
    }
    (!word.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Token<'_>]) {
        let found: Vec<Token<'_>> =
            tokens(text).unwrap().into_iter().map(|(token, _)| token).collect();
        assert_eq!(found, [expected, &[Token::End]].concat(), "{text}");
    }

    #[test]
    fn words() {
        check("a:b # c\n+1", &[Token::Ident("a:b"), Token::Symbol("+"), Token::Number(1.0)]);
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
