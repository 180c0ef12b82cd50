//! A span, as OpenTelemetry's traces have it: a piece of work with a beginning, an end and what is known of
//! it. Plain data; how it is sent is decided elsewhere.

/// Whose view of the work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Who was asked.
    Server,
    /// Who asked.
    Client,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    Text(String),
    Texts(Vec<String>),
    Integer(i64),
    Number(f64),
    Flag(bool),
}

/// A piece of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    pub parent_span_id: Option<String>,
    pub name: String,
    pub kind: SpanKind,
    /// Unix nanoseconds.
    pub start_ns: i64,
    /// Never before the start.
    pub end_ns: i64,
    /// In the order in which they were learned; a name occurs once.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// What went wrong; absent when nothing did.
    pub error: Option<String>,
}
