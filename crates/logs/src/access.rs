//! Lines about requests that were answered, as servers write them: uvicorn, nginx and Apache, GIN, llama.cpp.

use std::{borrow::Cow, net::IpAddr};

use model::log::Severity;

use crate::fields::Field;

/// What an access line says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Access<'a> {
    pub(crate) time: Option<&'a str>,
    client: &'a str,
    method: &'a str,
    target: &'a str,
    pub(crate) status: u16,
    /// In seconds.
    duration: Option<f64>,
    bytes: Option<&'a str>,
    agent: Option<&'a str>,
}

impl<'a> Access<'a> {
    /// What a person has to know of: that the server failed, or that it refused.
    pub(crate) fn severity(&self) -> Severity {
        match self.status {
            500.. => Severity::Error,
            400.. => Severity::Warn,
            _ => Severity::Info,
        }
    }

    /// Under OpenTelemetry's names.
    pub(crate) fn fields(&self, into: &mut Vec<Field<'a>>) {
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target, None),
        };
        let (client, port) = address(self.client).unwrap_or((self.client, None));
        let known = [
            ("http.request.method", Some(self.method)),
            ("url.path", Some(path)),
            ("url.query", query),
            ("client.address", Some(client)),
            ("client.port", port),
            ("http.response.body.size", self.bytes),
            ("user_agent.original", self.agent),
        ];
        let known = known.into_iter().filter_map(|(name, value)| Some((name, value?)));
        into.push(("http.response.status_code".into(), self.status.to_string().into()));
        into.extend(known.map(|(name, value)| (name.into(), Cow::Borrowed(value))));
        if let Some(seconds) = self.duration {
            into.push(("http.server.request.duration".into(), seconds.to_string().into()));
        }
    }
}

/// Reads what a program wrote about an answer, if it is that.
pub(crate) fn read(body: &str) -> Option<Access<'_>> {
    match body.as_bytes().first()? {
        b'[' if body.starts_with("[GIN] ") => gin(body),
        b's' if body.starts_with("srv ") => llamacpp(body),
        b'0'..=b'9' | b'a'..=b'f' | b':' | b'[' => combined(body),
        _ => None,
    }
}

/// `127.0.0.1:1234 - "POST /v1/chat/completions HTTP/1.1" 200 OK`, and nginx' and Apache's
/// `10.0.0.1 - - [28/Nov/2026:10:42:35 +0800] "GET / HTTP/1.1" 200 612 "-" "curl/8" 0.012`.
fn combined(body: &str) -> Option<Access<'_>> {
    let (client, rest) = body.split_once(' ')?;
    let rest = rest.strip_prefix("- ")?;
    address(client)?;
    let (before, rest) = rest.split_once('"')?;
    let time = match before {
        "" => None,
        _ => Some(before.split_once('[')?.1.split_once(']')?.0),
    };
    let (request, rest) = rest.split_once("\" ")?;
    let (method, target) = request.split_once(' ').unwrap_or((request, ""));
    let target = target.rsplit_once(" HTTP/").map_or(target, |(target, _)| target);
    let mut words = rest.split(' ');
    let status = words.next()?;
    let mut access = Access { time, client, method, target, ..Access::default() };
    access.status = status_of(status)?;
    if time.is_some() {
        access.bytes = words.next().filter(|text| is_number(text));
        let mut quoted = rest.split('"').skip(3).step_by(2);
        access.agent = quoted.next().filter(|agent| *agent != "-");
        // `$request_time` is what people put last.
        let last = rest.rsplit([' ', '"']).next().unwrap_or_default();
        access.duration = last.parse().ok().filter(|_| last.contains('.'));
    }
    Some(access)
}

/// `[GIN] 2026/11/22 - 09:51:00 | 200 |     1.23s |       127.0.0.1 | POST     "/api/chat"`
fn gin(body: &str) -> Option<Access<'_>> {
    let mut parts = body.strip_prefix("[GIN] ")?.splitn(5, '|').map(str::trim);
    let time = parts.next()?;
    let status = status_of(parts.next()?)?;
    let duration = go_duration(parts.next()?);
    let client = parts.next()?;
    let (method, target) = parts.next()?.split_once(' ')?;
    let target = target.trim().strip_prefix('"')?.split('"').next()?;
    Some(Access { time: Some(time), client, method, target, status, duration, ..Access::default() })
}

/// `srv  log_server_r: done request: POST /v1/chat/completions 127.0.0.1 200`
fn llamacpp(body: &str) -> Option<Access<'_>> {
    let request = body.split_once("request: ")?.1;
    let mut words = request.split_ascii_whitespace();
    let (method, target, client) = (words.next()?, words.next()?, words.next()?);
    let status = status_of(words.next()?)?;
    Some(Access { client, method, target, status, ..Access::default() })
}

/// Whether a path is asked for what a model makes, on any engine.
pub(crate) fn is_generation(path: &str) -> bool {
    const PATHS: [&str; 18] = [
        "/api/chat",
        "/api/embed",
        "/api/embeddings",
        "/api/generate",
        "/chat/completions",
        "/completion",
        "/completions",
        "/embedding",
        "/generate",
        "/infill",
        "/rerank",
        "/v1/audio/transcriptions",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/messages",
        "/v1/rerank",
        "/v1/responses",
    ];
    PATHS.contains(&path)
}

fn status_of(text: &str) -> Option<u16> {
    let is_status = text.len() == 3 && is_number(text);
    is_status.then(|| text.parse().ok()).flatten().filter(|status| (100..=599).contains(status))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An address, and the port where there is one.
fn address(text: &str) -> Option<(&str, Option<&str>)> {
    if text.parse::<IpAddr>().is_ok() {
        return Some((text, None));
    }
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (is_number(port) && host.parse::<IpAddr>().is_ok()).then_some((host, Some(port)))
}

/// `1.23s`, `12.5ms`, `389.2µs`, `1m2.5s`: in seconds.
pub(crate) fn go_duration(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !(letter.is_ascii_digit() || letter == '.'))?;
        let (number, unit) = rest.split_at_checked(end)?;
        let number: f64 = number.parse().ok()?;
        let units = [
            ("ns", 1e-9),
            ("us", 1e-6),
            ("µs", 1e-6),
            ("μs", 1e-6),
            ("ms", 1e-3),
            ("s", 1.0),
            ("m", 60.0),
            ("h", 3_600.0),
        ];
        let (name, factor) = units.into_iter().find(|(name, _)| unit.starts_with(name))?;
        seconds += number * factor;
        rest = unit.strip_prefix(name)?;
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(body: &str, expected: &str) {
        let found = read(body).map(|access| {
            let mut fields = Vec::new();
            access.fields(&mut fields);
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{:?} {} {}", access.time, access.severity().as_str(), fields.join(" "))
        });
        assert_eq!(found.unwrap_or_default(), expected, "{body}");
    }

    #[test]
    fn access_lines_are_understood() {
        check(
            "127.0.0.1:1234 - \"POST /v1/chat/completions HTTP/1.1\" 500 Internal Server Error",
            "None error http.response.status_code=500 http.request.method=POST url.path=/v1/chat/completions client.address=127.0.0.1 client.port=1234",
        );
        check(
            "10.0.0.1 - bob [28/Nov/2026:10:42:35 +0800] \"GET /a?b=c HTTP/1.1\" 404 612 \"-\" \"curl/8 x\" 0.012",
            "Some(\"28/Nov/2026:10:42:35 +0800\") warn http.response.status_code=404 http.request.method=GET url.path=/a url.query=b=c client.address=10.0.0.1 http.response.body.size=612 user_agent.original=curl/8 x http.server.request.duration=0.012",
        );
        check(
            "fe80::1 - - [28/Nov/2026:10:42:35 +0800] \"-\" 400 0 \"-\" \"-\"",
            "Some(\"28/Nov/2026:10:42:35 +0800\") warn http.response.status_code=400 http.request.method=- url.path= client.address=fe80::1 http.response.body.size=0",
        );
        check(
            "[GIN] 2026/11/22 - 09:51:00 | 200 |  1.253s |  127.0.0.1 | POST     \"/api/chat\"",
            "Some(\"2026/11/22 - 09:51:00\") info http.response.status_code=200 http.request.method=POST url.path=/api/chat client.address=127.0.0.1 http.server.request.duration=1.253",
        );
        check(
            "srv  log_server_r: done request: POST /v1/chat/completions 127.0.0.1 200",
            "None info http.response.status_code=200 http.request.method=POST url.path=/v1/chat/completions client.address=127.0.0.1",
        );
        for other in
            ["12 - \"x\" 200", "[GIN] x", "1.2.3.4 - \"GET /\" x", "", "srv  load_model: x"]
        {
            check(other, "");
        }
    }

    #[test]
    fn durations_of_go() {
        let check = |text: &str, expected: Option<f64>| {
            let found = go_duration(text).map(|seconds| (seconds * 1e9).round() / 1e9);
            assert_eq!(found, expected, "{text}");
        };
        check("1.23s", Some(1.23));
        check("389.295µs", Some(0.000_389_295));
        check("1h2m3.5s", Some(3_723.5));
        check("0s", Some(0.0));
        check("", None);
        check("12", None);
        check("x", None);
    }

    proptest! {
        #[test]
        fn any_line_is_survived(head in prop::sample::select(vec!["[GIN] ", "1.2.3.4 - ", "srv ", "::1 - - ["]), rest in ".{0,60}") {
            read(&format!("{head}{rest}"));
        }
    }
}
