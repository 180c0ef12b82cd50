//! Matchers as people write them: those of Alertmanager, classic and quoted, which those of PromQL are among.

use model::series::{MatchOp, Matcher};

/// Most matchers of one list.
pub const MATCHERS_MAX: usize = 64;
/// Longest list, in bytes.
pub const MATCHERS_BYTES_MAX: usize = 16 << 10;

/// Why a text is no matcher, in English; what was written is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadMatcher(String);

/// `severity="critical"`, `model=~"q.*"`, or without quotes as `amtool` takes it.
pub fn parse(text: &str) -> Result<Matcher, BadMatcher> {
    match &mut parse_list(text)?[..] {
        [matcher] => Ok(matcher.clone()),
        _ => Err(bad(text, "one matcher is expected")),
    }
}

/// `{a="b", c=~"d"}`, with or without the braces. An empty list matches everything.
pub fn parse_list(text: &str) -> Result<Vec<Matcher>, BadMatcher> {
    if text.len() > MATCHERS_BYTES_MAX {
        return Err(BadMatcher(format!("matchers have {MATCHERS_BYTES_MAX} bytes at most")));
    }
    let inner = text.trim();
    let inner = match (inner.strip_prefix('{'), inner.strip_suffix('}')) {
        (None, None) => inner,
        (Some(_), Some(_)) => inner.get(1..inner.len() - 1).unwrap_or_default(),
        _ => return Err(bad(text, "a brace has no partner")),
    };
    let (mut rest, mut matchers) = (inner.trim_start(), Vec::new());
    while !rest.is_empty() {
        let (matcher, after) = one(rest).map_err(|reason| bad(text, &reason))?;
        matchers.push(matcher);
        if matchers.len() > MATCHERS_MAX {
            return Err(too_many());
        }
        rest = match after.trim_start() {
            "" => "",
            after => after
                .strip_prefix(',')
                .ok_or_else(|| bad(text, "a comma is expected behind a matcher"))?
                .trim_start(),
        };
    }
    Ok(matchers)
}

fn bad(text: &str, reason: &str) -> BadMatcher {
    let shown: String = text.chars().take(100).collect();
    BadMatcher(format!("bad matcher format: {shown}: {reason}"))
}

/// The first matcher, and what comes behind it.
fn one(text: &str) -> Result<(Matcher, &str), String> {
    let (name, rest) = if text.starts_with('"') {
        quoted(text)?
    } else {
        let end = text.find(['=', '!', '~', ',']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if name.trim().contains(char::is_whitespace) {
            return Err("the name of a label is expected".into());
        }
        (name.trim().to_owned(), rest)
    };
    if name.is_empty() {
        return Err("the name of a label is expected".into());
    }
    let rest = rest.trim_start();
    let operators = [
        ("=~", MatchOp::Regex),
        ("!~", MatchOp::NotRegex),
        ("!=", MatchOp::NotEqual),
        ("=", MatchOp::Equal),
    ];
    let found = operators.iter().find(|(sign, _)| rest.starts_with(sign));
    let Some((sign, op)) = found else { return Err("one of =, !=, =~, !~ is expected".into()) };
    let rest = rest.get(sign.len()..).unwrap_or_default().trim_start();
    let (value, rest) = if rest.starts_with('"') {
        quoted(rest)?
    } else {
        // Not quoted, it ends at a comma; no quote can begin within.
        let (value, rest) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
        if value.contains('"') {
            return Err("a value with a quote must be quoted as a whole".into());
        }
        (value.trim_end().to_owned(), rest)
    };
    let matcher = Matcher::new(name, *op, value).map_err(|error| error.to_string())?;
    Ok((matcher, rest))
}

/// A text in double quotes with backslashes before quotes, backslashes and `n`.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                // Regular expressions are full of backslashes that nobody doubles.
                Some((_, other)) => value.extend(['\\', other]),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err("a quote has no end".into())
}

/// The list as it is written in Alertmanager's API and in PromQL.
pub fn write_list(matchers: &[Matcher]) -> String {
    let parts: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
    format!("{{{}}}", parts.join(","))
}

/// Lists of matchers as one, with the same bound.
pub fn parse_all<T: AsRef<str>>(
    texts: impl IntoIterator<Item = T>,
) -> Result<Vec<Matcher>, BadMatcher> {
    let mut all = Vec::new();
    for text in texts {
        all.extend(parse_list(text.as_ref())?);
        if all.len() > MATCHERS_MAX {
            return Err(too_many());
        }
    }
    Ok(all)
}

fn too_many() -> BadMatcher {
    BadMatcher(format!("at most {MATCHERS_MAX} matchers are allowed"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        let found = parse_list(text).map_or_else(|error| error.to_string(), |it| write_list(&it));
        assert!(
            if expected.starts_with('{') { found == expected } else { found.contains(expected) },
            "{text}: {found}"
        );
    }

    #[test]
    fn several_lists_are_one() {
        let list = vec!["a=b"; MATCHERS_MAX];
        assert_eq!(parse_all(&list).unwrap().len(), MATCHERS_MAX);
        assert_eq!(parse_all([list.join(","), "c=d".to_owned()]), Err(too_many()));
        assert!(parse_all(["a=b", "c"]).is_err());
        assert_eq!(parse_all(["a=b,c=d", "e=f"]).unwrap().len(), 3);
    }

    #[test]
    fn lists() {
        check("", "{}");
        check("{}", "{}");
        check(r#"severity="critical""#, r#"{severity="critical"}"#);
        check(r#"{a="b", c=~"d.*" , e!="f",g!~"h",}"#, r#"{a="b",c=~"d.*",e!="f",g!~"h"}"#);
        check("alertname=Foo", r#"{alertname="Foo"}"#);
        check("alertname=~Foo.*,b=", r#"{alertname=~"Foo.*",b=""}"#);
        check(r#""a b"="c""#, r#"{a b="c"}"#);
        check(r#"a="b\"c\\d\ne""#, r#"{a="b\"c\\d\ne"}"#);
        check(r#"a=~"\d+""#, r#"{a=~"\\d+"}"#);
        check(r#"a="b,c""#, r#"{a="b,c"}"#);
        check("a", "one of =");
        check("=b", "name of a label");
        check("a b=c", "name of a label");
        check(r#"a="b"#, "no end");
        check(r#"a="b" c="d""#, "comma");
        check(r#"{a="b""#, "brace");
        check(r#"a=b"c""#, "quoted as a whole");
        check(r#"a=~"(""#, "invalid regular expression");
        check(&"a=b,".repeat(65), "at most 64");
        check(&"a".repeat(20_000), "bytes at most");
        assert!(parse("a=b").is_ok() && parse("a=b,c=d").is_err() && parse("").is_err());
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in "\\PC{0,60}") {
            drop(parse_list(&text));
        }

        #[test]
        fn what_is_written_is_read(name in "[a-z]{1,5}", value in "\\PC{0,20}") {
            let matcher = Matcher::equal(name, value);
            let text = write_list(std::slice::from_ref(&matcher));
            // Debug output of Rust escapes more than quotes, which only readers of JSON understand.
            prop_assume!(!matcher.value.chars().any(|c| c.is_control() || format!("{c:?}").len() > c.len_utf8() + 2 && !matches!(c, '"' | '\\' | '\'')));
            prop_assert_eq!(parse_list(&text).unwrap(), vec![matcher]);
        }
    }
}
