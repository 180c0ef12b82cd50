//! What is taken out of lines before they are kept: expressions of one's own, and some that many need.
//!
//! Bias of the ready ones: what looks like a secret is taken for one.

use std::borrow::Cow;

use regex::Regex;

use super::compiled;

/// What stands in the place of what an expression of one's own finds.
const REPLACEMENT: &str = "<redacted>";

struct Ready {
    name: &'static str,
    /// Expressions, and what stands in the place of what they find.
    expressions: &'static [(&'static str, &'static str)],
}

/// Boundaries are those of ASCII, so that what stands between Chinese words is found too.
static READY: &[Ready] = &[
    Ready {
        name: "email",
        expressions: &[(
            r"(?-u:\b)[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}(?-u:\b)",
            "<email>",
        )],
    },
    Ready {
        name: "id_cn",
        expressions: &[(
            r"(?-u:\b)[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx](?-u:\b)",
            "<id>",
        )],
    },
    Ready {
        name: "ipv4",
        expressions: &[(
            r"(?-u:\b)(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?-u:\b)",
            "<ip>",
        )],
    },
    Ready {
        name: "phone_cn",
        expressions: &[(r"(?:(?:\+86|(?-u:\b)86)[ -]?|(?-u:\b))1[3-9][0-9]{9}(?-u:\b)", "<phone>")],
    },
    Ready {
        name: "secret",
        expressions: &[
            (
                r#"(?i)((?:password|passwd|pwd|secret|authorization)["']?\s*[:=]\s*["']?)(?:(?:bearer|basic)\s+)?[^\s"',;&}<]+"#,
                "${1}<secret>",
            ),
            // Engines count tokens: a number is none of these.
            (
                r#"(?i)((?:token|api[_-]?key|access[_-]?key)["']?\s*[:=]\s*["']?)(?:[0-9.]*[^\s"',;&}<0-9.][^\s"',;&}<]*|[0-9]{16,})"#,
                "${1}<secret>",
            ),
            (r"(?i)(?-u:\b)((?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}", "${1}<secret>"),
            (
                r"(?-u:\b)(?:sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}|gh[opsu]_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)",
                "<secret>",
            ),
            (r"(?i)([a-z][a-z0-9+.-]*://[^/\s:@]*:)[^/\s@]+@", "${1}<secret>@"),
        ],
    },
];

/// One thing that is taken out.
#[derive(Clone, Debug)]
pub(super) struct Redaction {
    expressions: Vec<(Regex, String)>,
}

impl Redaction {
    /// A ready one by its name, else an expression. A replacement counts for both.
    pub(super) fn parse(text: &str, replacement: Option<&str>) -> Result<Self, String> {
        let ready = READY.iter().find(|ready| ready.name == text);
        let expressions = match ready {
            Some(ready) => ready
                .expressions
                .iter()
                .map(|(regex, own)| Ok((compiled(regex)?, replacement.unwrap_or(own).to_owned())))
                .collect::<Result<_, String>>()?,
            None => vec![(compiled(text)?, replacement.unwrap_or(REPLACEMENT).to_owned())],
        };
        Ok(Self { expressions })
    }

    /// The text without it, if it was there.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        let mut changed: Option<String> = None;
        for (regex, replacement) in &self.expressions {
            let before = changed.as_deref().unwrap_or(text);
            if let Cow::Owned(after) = regex.replace_all(before, replacement.as_str()) {
                changed = Some(after);
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_must_not_be_kept_is_taken_out() {
        let check = |name: &str, text: &str, expected: &str| {
            let redaction = Redaction::parse(name, None).unwrap();
            assert_eq!(
                redaction.apply(text).as_deref().unwrap_or(text),
                expected,
                "{name}: {text}"
            );
        };
        check("email", "mail to a.b+c@example.co.uk now", "mail to <email> now");
        check("email", "发给li@example.cn吧", "发给<email>吧");
        check("email", "a@b", "a@b");
        check("ipv4", "from 10.0.0.1:80 to 1.2.3.4", "from <ip>:80 to <ip>");
        check("ipv4", "version 1.2.3", "version 1.2.3");
        check("phone_cn", "电话13812345678。", "电话<phone>。");
        check("phone_cn", "+86 13812345678, 213812345678", "<phone>, 213812345678");
        check("id_cn", "身份证11010519491231002X", "身份证<id>");
        check("id_cn", "110105194913310021", "110105194913310021");
        check("secret", "password=hunter2 user=bob", "password=<secret> user=bob");
        check("secret", r#"{"api_key": "abc", "n": 1}"#, r#"{"api_key": "<secret>", "n": 1}"#);
        check("secret", "Authorization: Bearer abc.def", "Authorization: <secret>");
        check("secret", "used sk-0123456789abcdef0123 here", "used <secret> here");
        check("secret", "postgres://u:p@h/db", "postgres://u:<secret>@h/db");
        check("secret", "token=abc123, password=123456", "token=<secret>, password=<secret>");
        for line in [
            "5 tokens generated",
            "Prefill batch, #new-token: 512, #cached-token: 64, token usage: 0.05",
            "max_tokens=5 input_token=12.5",
        ] {
            check("secret", line, line);
        }
        check(r"user=\w+", "user=bob x", "<redacted> x");
        let own = Redaction::parse(r"user=(\w)\w*", Some("user=$1**")).unwrap();
        assert_eq!(own.apply("user=bob x").as_deref(), Some("user=b** x"));
        assert!(Redaction::parse("(", None).is_err());
    }

    static REDACTIONS: LazyLock<Vec<Redaction>> = LazyLock::new(|| {
        READY.iter().map(|ready| Redaction::parse(ready.name, None).unwrap()).collect()
    });

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,60}") {
            for redaction in REDACTIONS.iter() {
                redaction.apply(&text);
            }
        }
    }
}
