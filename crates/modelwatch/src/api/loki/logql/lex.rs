//! Words and signs of a query.

/// A part of a query, with where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Text(String),
    Number(f64),
    /// In seconds.
    Duration(f64),
    Bytes(f64),
    Sign(&'static str),
    /// What is none of these, with what is wrong.
    Wrong(String),
    End,
}

/// The longest first.
const SIGNS: [&str; 29] = [
    "|>", "!>", "|=", "|~", "!=", "!~", "=~", "==", ">=", "<=", "{", "}", "(", ")", "[", "]", ",",
    "=", "|", ">", "<", "+", "-", "*", "/", "%", "^", ".", "@",
];

/// Units of a duration in seconds.
const DURATIONS: [(&str, f64); 10] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
    ("w", 604_800.0),
    ("y", 31_536_000.0),
];

/// Units of a size in bytes, in small letters.
const SIZES: [(&str, f64); 14] = [
    ("", 1.0),
    ("b", 1.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("tb", 1e12),
    ("kib", 1_024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("tib", 1_099_511_627_776.0),
    ("k", 1e3),
    ("m", 1e6),
    ("g", 1e9),
    ("t", 1e12),
];

/// `1h30m`, `-2.5ms`
pub(super) fn seconds(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, factor) = DURATIONS.iter().find(|(name, _)| *name == unit)?;
        total += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    Some(sign * total)
}

/// `20KB`, `5.2 MiB`, `42`
pub(super) fn bytes(text: &str) -> Option<f64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit)?;
    Some(number.parse::<f64>().ok()? * factor)
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes what is of a kind.
    fn run(&mut self, is_of: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !is_of(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// The next token, and where it begins in bytes.
    pub(super) fn next(&mut self) -> (usize, Token) {
        loop {
            self.run(char::is_whitespace);
            if !self.rest().starts_with('#') {
                break;
            }
            self.run(|c| c != '\n');
        }
        let begin = self.at;
        let Some(first) = self.rest().chars().next() else { return (begin, Token::End) };
        let token = match first {
            '"' => self.quoted(),
            '`' => self.raw(),
            '0'..='9' => self.number(),
            c if c == '_' || c.is_ascii_alphabetic() => {
                Token::Name(self.run(|c| c == '_' || c.is_ascii_alphanumeric()).to_owned())
            }
            other => match SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
                Some(sign) => {
                    self.at += sign.len();
                    Token::Sign(sign)
                }
                None => Token::Wrong(format!("{other:?} is not expected here")),
            },
        };
        (begin, token)
    }

    fn number(&mut self) -> Token {
        let begin = self.at;
        self.run(|c| c.is_alphanumeric() || c == '.');
        let is_power = |text: &str| text.ends_with(['e', 'E']) && !text.starts_with("0x");
        let text = self.text.get(begin..self.at).unwrap_or_default();
        if is_power(text) && self.rest().starts_with(['-', '+']) {
            self.at += 1;
            self.run(|c| c.is_ascii_digit());
        }
        let text = self.text.get(begin..self.at).unwrap_or_default();
        if let Ok(number) = text.parse() {
            Token::Number(number)
        } else if let Some(seconds) = seconds(text) {
            Token::Duration(seconds)
        } else if let Some(bytes) = bytes(text) {
            Token::Bytes(bytes)
        } else {
            Token::Wrong(format!("{text} is neither a number nor a duration nor a size"))
        }
    }

    fn raw(&mut self) -> Token {
        let inside = self.rest().strip_prefix('`').unwrap_or_default();
        match inside.split_once('`') {
            Some((text, _)) => {
                self.at += text.len() + 2;
                Token::Text(text.to_owned())
            }
            None => Token::Wrong("a quote is not closed".to_owned()),
        }
    }

    /// With Go's escapes.
    fn quoted(&mut self) -> Token {
        let mut text = String::new();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.at += at + 1;
                    return Token::Text(text);
                }
                '\\' => match letters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, kind @ ('x' | 'u' | 'U'))) => {
                        let length = match kind {
                            'x' => 2,
                            'u' => 4,
                            _ => 8,
                        };
                        let digits: String =
                            letters.by_ref().take(length).map(|(_, digit)| digit).collect();
                        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        let Some(code) = code else {
                            return Token::Wrong(format!("\\{kind}{digits} is not a character"));
                        };
                        text.push(code);
                    }
                    Some((_, other @ ('\\' | '"' | '\''))) => text.push(other),
                    Some((_, other)) => {
                        return Token::Wrong(format!(
                            "\\{other} means nothing in quotes; write \\\\{other}"
                        ));
                    }
                    None => break,
                },
                other => text.push(other),
            }
        }
        Token::Wrong("a quote is not closed".to_owned())
    }
}
