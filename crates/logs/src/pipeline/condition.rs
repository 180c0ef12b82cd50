//! Conditions on a line: `service = nginx and http.response.status_code >= 500 or body ~ "out of memory"`.
//!
//! `and` binds more closely than `or`; there are no parentheses. `=` and `!=` take `*` for any text, and `field = *`
//! says that there is one. A field that a line lacks is like an empty one, except that it is neither more nor less
//! than anything.

use std::borrow::Cow;

use model::log::{Line, Severity};
use regex::Regex;

use super::{compiled, field::Field};

/// Comparisons in one condition.
const TERMS_MAX: usize = 32;

/// A condition, ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct Condition(Vec<Vec<Term>>);

#[derive(Clone, Debug)]
struct Term {
    field: Field,
    test: Test,
    is_negative: bool,
}

#[derive(Clone, Debug)]
enum Test {
    Is(String),
    /// What stands between the stars.
    Like(Vec<String>),
    Matches(Regex),
    Compares(Order, f64),
    Graver(Order, Severity),
}

#[derive(Clone, Copy, Debug)]
enum Order {
    More,
    AtLeast,
    Less,
    AtMost,
}

impl Order {
    fn holds<T: PartialOrd>(self, value: &T, limit: &T) -> bool {
        match self {
            Self::More => value > limit,
            Self::AtLeast => value >= limit,
            Self::Less => value < limit,
            Self::AtMost => value <= limit,
        }
    }
}

impl Condition {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut words = Words(text);
        let mut any = vec![Vec::new()];
        let mut count = 0;
        loop {
            count += 1;
            if count > TERMS_MAX {
                return Err(format!("more than {TERMS_MAX} comparisons"));
            }
            let term = term(&mut words)?;
            if let Some(all) = any.last_mut() {
                all.push(term);
            }
            match words.next()?.as_deref() {
                None => return Ok(Self(any)),
                Some("and") => {}
                Some("or") => any.push(Vec::new()),
                Some(word) => return Err(format!("expected and, or, or the end, not {word:?}")),
            }
        }
    }

    pub(super) fn holds(&self, line: &Line) -> bool {
        self.0.iter().any(|all| all.iter().all(|term| term.holds(line)))
    }
}

fn term(words: &mut Words<'_>) -> Result<Term, String> {
    let missing =
        || "expected FIELD = VALUE, or one of != ~ !~ > >= < <= in the place of =".to_owned();
    let field = Field::named(&words.next()?.ok_or_else(missing)?)?;
    let operator = words.operator().ok_or_else(missing)?;
    let value = words.next()?.ok_or_else(missing)?;
    let order = match operator {
        "=" | "!=" => {
            let test = match value.split_once('*') {
                Some(_) => Test::Like(value.split('*').map(str::to_owned).collect()),
                None => Test::Is(value.into_owned()),
            };
            return Ok(Term { field, test, is_negative: operator == "!=" });
        }
        "~" | "!~" => {
            let test = Test::Matches(compiled(&value)?);
            return Ok(Term { field, test, is_negative: operator == "!~" });
        }
        ">" => Order::More,
        ">=" => Order::AtLeast,
        "<" => Order::Less,
        _ => Order::AtMost,
    };
    let test = if field == Field::Severity {
        let severity = super::field::severity(&value);
        Test::Graver(order, severity.ok_or_else(|| format!("{value:?} is not a severity"))?)
    } else {
        Test::Compares(order, value.parse().map_err(|_| format!("{value:?} is not a number"))?)
    };
    Ok(Term { field, test, is_negative: false })
}

impl Term {
    fn holds(&self, line: &Line) -> bool {
        let value = || self.field.get(line).unwrap_or_default();
        let holds = match &self.test {
            Test::Is(text) => value() == text.as_str(),
            Test::Like(parts) => is_like(&value(), parts),
            Test::Matches(regex) => regex.is_match(&value()),
            Test::Compares(order, limit) => {
                value().trim().parse().is_ok_and(|value: f64| order.holds(&value, limit))
            }
            Test::Graver(order, limit) => {
                line.severity.is_some_and(|severity| order.holds(&severity, limit))
            }
        };
        holds != self.is_negative
    }
}

/// Whether a text is these parts with anything between them. A star alone stands for one letter at least.
fn is_like(text: &str, parts: &[String]) -> bool {
    let [first, between @ .., last] = parts else { return false };
    if parts.iter().all(String::is_empty) {
        return !text.is_empty();
    }
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in between {
        match rest.split_once(part.as_str()) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

/// What is not read yet.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn operator(&mut self) -> Option<&'static str> {
        let rest = self.0.trim_start();
        let operators = ["!=", "!~", ">=", "<=", "=", "~", ">", "<"];
        let found = operators.into_iter().find(|operator| rest.starts_with(operator))?;
        self.0 = rest.strip_prefix(found)?;
        Some(found)
    }

    /// A word, or what stands between quotes, in which `\"` and `\\` stand for themselves.
    fn next(&mut self) -> Result<Option<Cow<'a, str>>, String> {
        let rest = self.0.trim_start();
        let Some(quoted) = rest.strip_prefix('"') else {
            let is_end = |letter: char| letter.is_whitespace() || "=!~<>".contains(letter);
            let end = rest.find(is_end).unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            if word.is_empty() && !after.is_empty() {
                return Err(format!("expected a word, not {after:?}"));
            }
            self.0 = after;
            return Ok((!word.is_empty()).then_some(word.into()));
        };
        let mut text = String::new();
        let mut letters = quoted.chars();
        loop {
            match letters.next() {
                Some('"') => break,
                Some('\\') => match letters.next() {
                    Some(letter @ ('"' | '\\')) => text.push(letter),
                    // Regular expressions are full of these.
                    Some(letter) => text.extend(['\\', letter]),
                    None => return Err("a quotation mark is missing".into()),
                },
                Some(letter) => text.push(letter),
                None => return Err("a quotation mark is missing".into()),
            }
        }
        self.0 = letters.as_str();
        Ok(Some(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{UnixMs, log::Origin};
    use proptest::prelude::*;

    use super::*;

    fn line() -> Line {
        let origin = Origin {
            source: "file".into(),
            origin: "/var/log/nginx/access.log".into(),
            service: "nginx".into(),
            ..Origin::default()
        };
        Line {
            time: UnixMs(0),
            origin: Arc::new(origin),
            severity: Some(Severity::Warn),
            body: "GET \"/health\" 404 显存不足".into(),
            attributes: vec![
                ("http.response.status_code".into(), "404".into()),
                ("url.path".into(), "/health".into()),
            ],
            place: None,
        }
    }

    #[test]
    fn conditions_hold_or_not() {
        let check = |text: &str, expected: bool| {
            assert_eq!(Condition::parse(text).unwrap().holds(&line()), expected, "{text}");
        };
        check("service = nginx", true);
        check("service=nginx and source = file", true);
        check("service = apache or source = file", true);
        check("service = apache and source = file or url.path = /health", true);
        check("origin = /var/log/*.log", true);
        check("origin = /var/log/*/access*", true);
        check("origin != /var/log/*", false);
        check("origin = *.gz", false);
        check("url.path = *", true);
        check("nothing = *", false);
        check("nothing != *", true);
        check("nothing = \"\"", true);
        check("http.response.status_code >= 400 and http.response.status_code < 500", true);
        check("http.response.status_code > 404", false);
        check("nothing > 0", false);
        check("severity >= warn", true);
        check("severity > warn", false);
        check("severity <= WARNING", true);
        check("severity = warn", true);
        check("body ~ \"^GET .*40\\d\"", true);
        check("body ~ \"\\\"/health\\\"\"", true);
        check("body !~ 显存", false);
        check("attributes.url.path = /health", true);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |text: &str, expected: &str| {
            let error = Condition::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("", "expected FIELD = VALUE");
        check("service", "expected FIELD = VALUE");
        check("service =", "expected FIELD = VALUE");
        check("service = a b", "expected and, or, or the end, not \"b\"");
        check("service = a and", "expected FIELD = VALUE");
        check("service = \"a", "a quotation mark is missing");
        check("body ~ \"(\"", "unclosed group");
        check("severity >= loud", "\"loud\" is not a severity");
        check("n > x", "\"x\" is not a number");
        check(&vec!["a = b"; 33].join(" and "), "more than 32 comparisons");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[a-c=!~<>\" *\\\\]{0,30}|.{0,40}") {
            if let Ok(condition) = Condition::parse(&text) {
                condition.holds(&line());
            }
        }
    }
}
