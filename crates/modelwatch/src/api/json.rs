//! The envelope of Prometheus' HTTP API and how it writes numbers.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use model::{
    Labels, UnixMs,
    message::{Language, render},
};
use query::{
    Tree,
    format::{write_integer, write_json_float},
};
use serde::Deserialize;

/// Annotations shown of each level; the rest is counted.
const ANNOTATIONS_MAX: usize = 10;

/// Does what waits for the disk or a lock, off the threads that answer.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ApiError::internal(error.to_string()))
}

/// Reads a body of JSON that has at most so many bytes.
pub(super) fn body<'a, T: Deserialize<'a>>(
    body: &'a [u8],
    bytes_max: usize,
) -> Result<T, ApiError> {
    if body.len() > bytes_max {
        return Err(ApiError::bad_data(format!("the body has {bytes_max} bytes at most")));
    }
    serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_data(format!("the body cannot be read: {error}")))
}

/// An error as Prometheus' API reports it.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    text: String,
    /// The code of a [`model::message`] that says the same, with its parameters; ours alone.
    pub(super) message: Option<(String, Vec<(&'static str, String)>)>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, text: impl Into<String>) -> Self {
        Self { status, kind, text: text.into(), message: None }
    }

    /// What is asked makes no sense; `code` is that of a message.
    pub(super) fn refused(code: &'static str, params: Vec<(&'static str, String)>) -> Self {
        let text = render(code, &params, Language::English);
        Self::bad_data(text).with_message(code.to_owned(), params)
    }

    /// For those who say it in other words.
    pub(super) fn with_message(
        mut self,
        code: String,
        params: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        self.message = Some((code, params.into_iter().collect()));
        self
    }

    pub(super) fn bad_data(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_data", text)
    }

    pub(super) fn execution(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "execution", text)
    }

    pub(super) fn timeout(text: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", text)
    }

    /// 499 is not a registered status; Prometheus uses it for "the client went away".
    pub(super) fn canceled(text: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
        Self::new(status, "canceled", text)
    }

    pub(super) fn unavailable(text: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
    }

    pub(super) fn internal(text: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text)
    }

    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", text)
    }
}

impl ApiError {
    /// For those who say it in another form.
    pub(super) fn into_parts(self) -> (StatusCode, String) {
        (self.status, self.text)
    }

    /// As an endpoint answers that has no JSON.
    pub(super) fn into_text(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.text + "\n"));
        *response.status_mut() = self.status;
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        let mut body = String::from("{\"status\":\"error\",\"errorType\":");
        write_string(&mut body, self.kind);
        body.push_str(",\"error\":");
        write_string(&mut body, &self.text);
        if let Some((code, params)) = &self.message {
            body.push_str(",\"code\":");
            write_string(&mut body, code);
            body.push_str(",\"params\":");
            let params = params.iter().map(|(name, value)| (*name, value));
            write_members(&mut body, params, |out, value| write_string(out, value));
        }
        body.push('}');
        response(self.status, body)
    }
}

/// A JSON answer.
pub(super) fn response(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A successful answer around `data`, which is JSON already.
pub(super) fn success(data: &str, warnings: &[String], infos: &[String]) -> Response<Body> {
    response(StatusCode::OK, envelope(data, warnings, infos))
}

/// The text of a successful answer around `data`, which is JSON already.
pub(crate) fn envelope(data: &str, warnings: &[String], infos: &[String]) -> String {
    let mut body = String::with_capacity(data.len() + 64);
    body.push_str("{\"status\":\"success\",\"data\":");
    body.push_str(data);
    write_annotations(&mut body, "warnings", "warning", warnings);
    write_annotations(&mut body, "infos", "info", infos);
    body.push('}');
    body
}

fn write_annotations(out: &mut String, field: &str, level: &str, texts: &[String]) {
    if texts.is_empty() {
        return;
    }
    let mut shown: Vec<String> = texts.iter().take(ANNOTATIONS_MAX).cloned().collect();
    if texts.len() > ANNOTATIONS_MAX {
        let omitted = texts.len() - ANNOTATIONS_MAX;
        shown.push(format!("{omitted} more {level} annotations omitted"));
    }
    out.push_str(&format!(",\"{field}\":"));
    write_list(out, shown.iter(), |out, text| write_string(out, text));
}

/// What stands before an item.
fn separate(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

/// `[a,b,...]`
pub(super) fn write_list<T>(
    out: &mut String,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (index, item) in items.enumerate() {
        separate(out, index);
        write(out, item);
    }
    out.push(']');
}

/// An answer that is larger than the operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the answer would be larger than {bytes_max} bytes (query.result_bytes_max); ask for fewer series or \
     points"
)]
pub(crate) struct TooLarge {
    pub(super) bytes_max: usize,
}

impl From<TooLarge> for ApiError {
    fn from(error: TooLarge) -> Self {
        Self::execution(error.to_string())
    }
}

/// As [`write_list`], until `out` has more bytes than it may.
pub(super) fn bounded_list<T>(
    out: &mut String,
    items: impl Iterator<Item = T>,
    bytes_max: usize,
    mut write: impl FnMut(&mut String, T),
) -> Result<(), TooLarge> {
    out.push('[');
    for (index, item) in items.enumerate() {
        separate(out, index);
        write(out, item);
        if out.len() > bytes_max {
            return Err(TooLarge { bytes_max });
        }
    }
    out.push(']');
    Ok(())
}

/// A JSON string.
pub(super) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if u32::from(control) < 0x20 => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// `{"name":"value",...}`
pub(super) fn write_labels(out: &mut String, labels: &Labels) {
    write_members(out, labels.iter(), write_string);
}

/// `{"name":value,...}`
fn write_members<'a, T>(
    out: &mut String,
    members: impl Iterator<Item = (&'a str, T)>,
    write: impl Fn(&mut String, T),
) {
    out.push('{');
    for (index, (name, value)) in members.enumerate() {
        separate(out, index);
        write_string(out, name);
        out.push(':');
        write(out, value);
    }
    out.push('}');
}

/// What a query consists of. A float that JSON has no number for is a string, where Prometheus gives up.
pub(super) fn write_tree(out: &mut String, tree: &Tree) {
    match tree {
        Tree::Null => out.push_str("null"),
        Tree::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Tree::Whole(number) => out.push_str(&number.to_string()),
        Tree::Float(number) if number.is_finite() => write_json_float(out, *number),
        Tree::Float(number) => {
            out.push('"');
            write_json_float(out, *number);
            out.push('"');
        }
        Tree::Text(text) => write_string(out, text),
        Tree::List(items) => write_list(out, items.iter(), write_tree),
        Tree::Object(fields) => {
            write_members(out, fields.iter().map(|(name, value)| (*name, value)), write_tree);
        }
    }
}

/// Seconds: whole ones without a fraction, others with exactly three digits.
pub(super) fn write_time(out: &mut String, time: UnixMs) {
    if time.0 < 0 {
        out.push('-');
    }
    let (seconds, millis) = (time.0.unsigned_abs() / 1_000, time.0.unsigned_abs() % 1_000);
    write_integer(out, seconds);
    if millis != 0 {
        out.push_str(&format!(".{millis:03}"));
    }
}

/// `[1.500,"1"]`
pub(super) fn write_point(out: &mut String, time: UnixMs, value: f64) {
    out.push('[');
    write_time(out, time);
    out.push_str(",\"");
    write_json_float(out, value);
    out.push_str("\"]");
}

/// `"value":"1","timestamp":1.500`
pub(super) fn write_point_fields(out: &mut String, time: UnixMs, value: f64) {
    out.push_str("\"value\":\"");
    write_json_float(out, value);
    out.push_str("\",\"timestamp\":");
    write_time(out, time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn errors_have_a_text_and_where_there_is_one_a_code() {
        let check = async |error: ApiError, expected: &str| {
            let body = error.into_response().into_body();
            let bytes = axum::body::to_bytes(body, 1_000).await.unwrap();
            assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
        };
        let plain = "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"no \\\"x\\\"\"";
        check(ApiError::bad_data("no \"x\""), &format!("{plain}}}")).await;
        let params = [("field", "\"x\"".to_owned()), ("at", "1".to_owned())];
        let error = ApiError::bad_data("no \"x\"").with_message("filter.a".into(), params);
        let more = r#","code":"filter.a","params":{"field":"\"x\"","at":"1"}}"#;
        check(error, &format!("{plain}{more}")).await;
    }

    #[test]
    fn times_are_written_as_prometheus_does() {
        let check = |millis, expected: &str| {
            let mut out = String::new();
            write_time(&mut out, UnixMs(millis));
            assert_eq!(out, expected);
        };
        check(0, "0");
        check(1_435_781_451_781, "1435781451.781");
        check(1_500, "1.500");
        check(-500, "-0.500");
        check(-2_000, "-2");
    }

    #[test]
    fn strings_are_escaped() {
        let mut out = String::new();
        write_string(&mut out, "a\"b\\c\n\u{1}é");
        assert_eq!(out, r#""a\"b\\c\n\u0001é""#);
    }

    #[test]
    fn trees_are_json() {
        let check = |query: &str, expected: &str| {
            let mut out = String::new();
            write_tree(&mut out, &query::parse(query).unwrap().tree());
            assert_eq!(out, expected, "{query}");
            assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{query}");
        };
        check("1e-7", r#"{"type":"numberLiteral","val":"0.0000001"}"#);
        check("\"a\\n\"", r#"{"type":"stringLiteral","val":"a\n"}"#);
        let up = r#"{"anchored":false,"matchers":[{"name":"__name__","type":"=","value":"up"}],"name":"up","offset":-5,"offsetExpr":null,"smoothed":true,"startOrEnd":null,"timestamp":1500,"type":"vectorSelector"}"#;
        check("up @ 1.5 smoothed offset -5ms", up);
        let call = r#"{"args":[],"func":{"argTypes":[],"name":"pi","returnType":"scalar","variadic":0},"type":"call"}"#;
        check("pi()", call);
        let fill = |left: f64, right: f64| {
            let mut out = String::new();
            let values = vec![("lhs", Tree::Float(left)), ("rhs", Tree::Float(right))];
            write_tree(&mut out, &Tree::Object(values));
            out
        };
        assert_eq!(fill(-1e-9, 1e6), r#"{"lhs":-1e-09,"rhs":1000000}"#);
        assert_eq!(fill(f64::NAN, f64::INFINITY), r#"{"lhs":"NaN","rhs":"+Inf"}"#);
    }

    #[test]
    fn annotations_beyond_ten_are_counted() {
        let texts: Vec<String> = (0..12).map(|index| index.to_string()).collect();
        let mut out = String::new();
        write_annotations(&mut out, "warnings", "warning", &texts);
        assert!(out.ends_with(r#""9","2 more warning annotations omitted"]"#), "{out}");
    }
}
