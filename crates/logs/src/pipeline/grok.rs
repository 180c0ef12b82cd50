//! Patterns by name, as in Logstash: `%{IP:client.address} %{WORD:http.request.method} %{GREEDYDATA:body}`.
//!
//! The names are those that people know; what they stand for is written for an engine that never goes back, without
//! look-around. A type behind a second colon is accepted and says nothing: values are texts. Whole lines of web
//! servers give their parts OpenTelemetry's names, and what takes the rest takes all lines of a record.

use super::{REGEX_BYTES_MAX, compiled};
use regex::Regex;

/// Patterns within patterns.
const DEPTH_MAX: usize = 10;
/// Longest expression that patterns may become.
const EXPANDED_BYTES_MAX: usize = 64 << 10;

/// A pattern, ready to be matched: its expression, and the field of each of its groups.
pub(super) fn compile(
    pattern: &str,
    own: &[(String, String)],
) -> Result<(Regex, Vec<Option<String>>), String> {
    if pattern.len() > REGEX_BYTES_MAX {
        return Err(format!("longer than {REGEX_BYTES_MAX} bytes"));
    }
    let mut expansion = Expansion { own, fields: Vec::new(), text: String::new() };
    expansion.expand(pattern, 0)?;
    let regex = super::bounded(&expansion.text)?;
    let field = |name: &str| match name.strip_prefix("grok").and_then(|n| n.parse::<usize>().ok()) {
        Some(number) => expansion.fields.get(number).cloned(),
        None => Some(name.to_owned()),
    };
    let fields = regex.capture_names().map(|name| name.and_then(field)).collect();
    Ok((regex, fields))
}

struct Expansion<'a> {
    own: &'a [(String, String)],
    fields: Vec<String>,
    text: String,
}

impl Expansion<'_> {
    fn expand(&mut self, pattern: &str, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("patterns stand for each other more than {DEPTH_MAX} deep"));
        }
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("%{") {
            self.text.push_str(before);
            let (reference, behind) =
                after.split_once('}').ok_or_else(|| "a %{ has no }".to_owned())?;
            rest = behind;
            let mut parts = reference.split(':');
            let name = parts.next().unwrap_or_default();
            let meaning = self.meaning(name)?;
            match parts.next().filter(|field| !field.is_empty()) {
                Some(field) => {
                    self.text.push_str(&format!("(?P<grok{}>", self.fields.len()));
                    self.fields.push(field.to_owned());
                }
                None => self.text.push_str("(?:"),
            }
            self.expand(&meaning, depth + 1)?;
            self.text.push(')');
            if self.text.len() > EXPANDED_BYTES_MAX {
                return Err(format!("becomes longer than {EXPANDED_BYTES_MAX} bytes"));
            }
        }
        self.text.push_str(rest);
        Ok(())
    }

    fn meaning(&self, name: &str) -> Result<String, String> {
        let own = self.own.iter().find(|(own, _)| own == name).map(|(_, meaning)| meaning.clone());
        let known = || PATTERNS.binary_search_by_key(&name, |(known, _)| known).ok();
        let known = || known().map(|at| PATTERNS[at].1.to_owned());
        own.or_else(known).ok_or_else(|| format!("there is no pattern {name:?}"))
    }
}

/// A definition of one's own has to be an expression by itself.
pub(super) fn check_own(own: &[(String, String)]) -> Result<(), String> {
    for (name, meaning) in own {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || !is_name {
            return Err(format!("{name:?} is not the name of a pattern"));
        }
        if !meaning.contains("%{") {
            compiled(meaning)?;
        }
    }
    Ok(())
}

/// Sorted by name.
static PATTERNS: &[(&str, &str)] = &[
    ("BASE10NUM", r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)"),
    ("BASE16NUM", r"[+-]?(?:0[xX])?[0-9A-Fa-f]+"),
    (
        "COMBINEDAPACHELOG",
        r#"%{COMMONAPACHELOG} "(?:-|%{DATA:http.request.header.referer})" "(?:-|%{DATA:user_agent.original})""#,
    ),
    (
        "COMMONAPACHELOG",
        r#"%{IPORHOST:client.address} (?:-|%{HTTPDUSER}) (?:-|%{HTTPDUSER:user.name}) \[%{HTTPDATE:time}\] "(?:%{WORD:http.request.method} %{NOTSPACE:url.original}(?: HTTP/%{NUMBER:network.protocol.version})?|%{DATA})" %{INT:http.response.status_code} (?:-|%{INT:http.response.body.size})"#,
    ),
    ("CRON_ACTION", r"[A-Z ]+"),
    ("DATA", r".*?"),
    ("DATE", r"(?:%{DATE_US}|%{DATE_EU})"),
    ("DATESTAMP", r"%{DATE}[- ]%{TIME}"),
    ("DATESTAMP_EVENTLOG", r"%{YEAR}%{MONTHNUM2}%{MONTHDAY}%{HOUR}%{MINUTE}%{SECOND}"),
    ("DATESTAMP_OTHER", r"%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} %{YEAR}"),
    ("DATESTAMP_RFC2822", r"%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} %{ISO8601_TIMEZONE}"),
    ("DATESTAMP_RFC822", r"%{DAY} %{MONTH} %{MONTHDAY} %{YEAR} %{TIME} %{TZ}"),
    ("DATE_EU", r"%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}"),
    ("DATE_US", r"%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}"),
    (
        "DAY",
        r"(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)",
    ),
    ("DURATION", r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+"),
    ("EMAILADDRESS", r"%{EMAILLOCALPART}@%{HOSTNAME}"),
    ("EMAILLOCALPART", r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}"),
    ("GREEDYDATA", r"(?s:.*)"),
    ("HOSTNAME", r"[0-9A-Za-z][0-9A-Za-z_-]{0,62}(?:\.[0-9A-Za-z][0-9A-Za-z_-]{0,62})*\.?"),
    ("HOSTPORT", r"%{IPORHOST}:%{POSINT}"),
    ("HOUR", r"(?:2[0-3]|[01]?\d)"),
    ("HTTPDATE", r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}"),
    ("HTTPDUSER", r"(?:%{EMAILADDRESS}|%{USER})"),
    ("INT", r"[+-]?\d+"),
    ("IP", r"(?:%{IPV6}|%{IPV4})"),
    ("IPORHOST", r"(?:%{IP}|%{HOSTNAME})"),
    ("IPV4", r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)"),
    (
        "IPV6",
        r"(?:(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|(?:[0-9A-Fa-f]{1,4}:){1,7}:(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?|::(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?)(?:%[0-9A-Za-z]+)?",
    ),
    ("ISO8601_SECOND", r"%{SECOND}"),
    ("ISO8601_TIMEZONE", r"(?:Z|[+-]%{HOUR}:?%{MINUTE}?)"),
    ("JAVACLASS", r"(?:[A-Za-z$_][A-Za-z0-9$_]*\.)*[A-Za-z$_][A-Za-z0-9$_]*"),
    ("JAVAFILE", r"[A-Za-z0-9_. -]+"),
    ("JAVALOGMESSAGE", r"(?s:.*)"),
    ("JAVAMETHOD", r"(?:<init>|<clinit>|[A-Za-z$_][A-Za-z0-9$_]*)"),
    (
        "JAVASTACKTRACEPART",
        r"\s*at %{JAVACLASS}\.%{JAVAMETHOD}\(%{JAVAFILE}(?::%{INT:code.lineno})?\)",
    ),
    (
        "LOGLEVEL",
        r"(?i:alert|trace|debug|notice|information|info|warning|warn|error|err|critical|crit|fatal|severe|emergency|emerg|panic)",
    ),
    ("MAC", r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"),
    ("MINUTE", r"[0-5]\d"),
    (
        "MONTH",
        r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)",
    ),
    ("MONTHDAY", r"(?:0[1-9]|[12]\d|3[01]|[1-9])"),
    ("MONTHNUM", r"(?:0[1-9]|1[0-2]|[1-9])"),
    ("MONTHNUM2", r"(?:0[1-9]|1[0-2])"),
    ("NONNEGINT", r"\d+"),
    ("NOTSPACE", r"\S+"),
    ("NUMBER", r"%{BASE10NUM}"),
    ("PATH", r"(?:%{UNIXPATH}|%{WINPATH})"),
    ("POSINT", r"[1-9]\d*"),
    ("PROG", r"[!-Z\\^-~]+"),
    ("QS", r"%{QUOTEDSTRING}"),
    ("QUOTEDSTRING", r#"(?:"(?:\\.|[^\\"])*"|'(?:\\.|[^\\'])*')"#),
    ("SECOND", r"(?:[0-5]\d|60)(?:[.,]\d+)?"),
    ("SPACE", r"\s*"),
    (
        "SYSLOGBASE",
        r"%{SYSLOGTIMESTAMP:time} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:host} %{SYSLOGPROG}:",
    ),
    ("SYSLOGFACILITY", r"<%{NONNEGINT}\.%{NONNEGINT}>"),
    ("SYSLOGHOST", r"%{IPORHOST}"),
    ("SYSLOGPROG", r"%{PROG:service}(?:\[%{POSINT:process.pid}\])?"),
    ("SYSLOGTIMESTAMP", r"%{MONTH} +%{MONTHDAY} %{TIME}"),
    ("TIME", r"%{HOUR}:%{MINUTE}:%{SECOND}"),
    (
        "TIMESTAMP_ISO8601",
        r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?%{ISO8601_TIMEZONE}?",
    ),
    ("TTY", r"/dev/(?:pts|tty(?:[pq])?)/?\w*"),
    ("TZ", r"[A-Z]{3,4}"),
    ("UNIXPATH", r"(?:/[^\s/]*)+"),
    ("URI", r"%{URIPROTO}://(?:%{USER}(?::[^@\s]*)?@)?%{URIHOST}?(?:%{URIPATHPARAM})?"),
    ("URIHOST", r"%{IPORHOST}(?::%{POSINT})?"),
    ("URIPARAM", r"\?\S*"),
    ("URIPATH", r"(?:/[^\s?#]*)+"),
    ("URIPATHPARAM", r"%{URIPATH}(?:%{URIPARAM})?"),
    ("URIPROTO", r"[A-Za-z][A-Za-z0-9+.-]+"),
    ("URN", r"urn:[0-9A-Za-z][0-9A-Za-z-]{0,31}:\S+"),
    ("USER", r"%{USERNAME}"),
    ("USERNAME", r"[a-zA-Z0-9._-]+"),
    ("UUID", r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"),
    ("WINPATH", r"(?:[A-Za-z]:|\\)(?:\\[^\\?*\s]*)+"),
    ("WORD", r"\b\w+\b"),
    ("YEAR", r"\d{4}|\d{2}"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(pattern: &str, text: &str) -> Option<String> {
        let (regex, fields) = compile(pattern, &[]).unwrap();
        let captures = regex.captures(text)?;
        let pairs = fields.iter().zip(captures.iter());
        let pairs = pairs.filter_map(|(field, capture)| Some((field.as_ref()?, capture?.as_str())));
        Some(pairs.map(|(field, value)| format!("{field}={value}")).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn patterns_give_fields() {
        let check = |pattern: &str, text: &str, expected: Option<&str>| {
            assert_eq!(found(pattern, text).as_deref(), expected, "{pattern}: {text}");
        };
        check(
            "%{IP:client.address} %{WORD:method} %{NUMBER:took:float}",
            "10.0.0.1 GET 1.5",
            Some("client.address=10.0.0.1|method=GET|took=1.5"),
        );
        check("^%{IPV4}$", "256.0.0.1", None);
        check("^%{IP:a}$", "fe80::1", Some("a=fe80::1"));
        check("^%{IP:a}$", "2001:db8:0:0:0:0:0:1", Some("a=2001:db8:0:0:0:0:0:1"));
        check("(?P<a>x)%{INT:b}", "x7", Some("a=x|b=7"));
        check(
            "^%{TIMESTAMP_ISO8601:time} %{LOGLEVEL:severity} %{GREEDYDATA:body}$",
            "2026-11-28T10:42:35.123Z WARN 显存不足",
            Some("time=2026-11-28T10:42:35.123Z|severity=WARN|body=显存不足"),
        );
        check("^%{WORD:a} %{GREEDYDATA:body}$", "x y\n  z", Some("a=x|body=y\n  z"));
        check(
            "%{COMBINEDAPACHELOG}",
            "10.0.0.1 - bob [28/Nov/2026:10:42:35 +0800] \"GET /a?b HTTP/1.1\" 404 612 \"-\" \"curl/8\"",
            Some(
                "client.address=10.0.0.1|user.name=bob|time=28/Nov/2026:10:42:35 +0800|http.request.method=GET|url.original=/a?b|network.protocol.version=1.1|http.response.status_code=404|http.response.body.size=612|user_agent.original=curl/8",
            ),
        );
        check(
            "%{SYSLOGBASE} %{GREEDYDATA:body}",
            "Nov  8 10:42:35 box sshd[12]: Failed password",
            Some("time=Nov  8 10:42:35|host=box|service=sshd|process.pid=12|body=Failed password"),
        );
        check(
            "%{UUID:id}",
            "id 123e4567-e89b-12d3-a456-426614174000",
            Some("id=123e4567-e89b-12d3-a456-426614174000"),
        );
        check("%{QS:q} %{PATH:p}", "\"a \\\" b\" /var/log", Some("q=\"a \\\" b\"|p=/var/log"));
        check(
            "%{URI:u}",
            "see http://u:p@h.example:80/a?b=c now",
            Some("u=http://u:p@h.example:80/a?b=c"),
        );
    }

    #[test]
    fn every_pattern_is_an_expression_and_they_are_sorted() {
        assert!(PATTERNS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(PATTERNS.len() >= 60);
        for (name, _) in PATTERNS {
            compile(&format!("%{{{name}}}"), &[]).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let own = |meaning: &str| vec![("A".to_owned(), meaning.to_owned())];
        let check = |pattern: &str, own: &[(String, String)], expected: &str| {
            let error = compile(pattern, own).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("%{NOPE}", &[], "there is no pattern \"NOPE\"");
        check("%{IP", &[], "a %{ has no }");
        check("%{IP:a}(", &[], "unclosed group");
        check("%{A}", &own("%{A}"), "more than 10 deep");
        check("%{A}", &own(&"%{COMBINEDAPACHELOG}".repeat(60)), "becomes longer than 65536 bytes");
        check(&"a".repeat(5_000), &[], "longer than 4096 bytes");
        assert_eq!(check_own(&own("x+")), Ok(()));
        assert!(check_own(&own("(")).is_err());
        assert!(check_own(&[("a b".into(), "x".into())]).is_err());
        assert!(compile("%{A:x}", &own("ab?")).unwrap().0.is_match("a"));
    }

    proptest! {
        #[test]
        fn any_pattern_is_survived(pattern in "([%{}:A-D()*+]|%\\{IP(:a)?\\}){0,20}") {
            drop(compile(&pattern, &[("A".to_owned(), "%{B}{9}".to_owned()), ("B".to_owned(), "%{C}{9}".to_owned())]));
        }
    }
}
