//! What is kept of a line of somebody's log.
//!
//! Changing the rows needs a new [`VERSION`]; a row's place never changes.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use model::log::{Line, Origin, Place, Severity};

use super::{
    Event,
    schema::{Field, FieldType, Record, Schema, Value},
};

const VERSION: u32 = 1;

/// The kind of records that lines are.
pub const LINES: &str = "line";

type Row = (&'static str, FieldType, fn(&Line) -> Option<Value>);

const ROWS: &[Row] = &[
    ("severity", FieldType::Keyword, |line| text(line.severity?.as_str())),
    ("source", FieldType::Keyword, |line| text(&line.origin.source)),
    ("origin", FieldType::Keyword, |line| text(&line.origin.origin)),
    ("host", FieldType::Keyword, |line| text(&line.origin.host)),
    ("service", FieldType::Keyword, |line| text(&line.origin.service)),
    ("engine", FieldType::Keyword, |line| text(&line.origin.engine)),
    ("instance", FieldType::Keyword, |line| text(&line.origin.instance)),
    ("model", FieldType::Keyword, |line| text(&line.origin.model)),
    ("body", FieldType::Body, |line| text(&line.body)),
    ("pattern", FieldType::Keyword, |line| text(&pattern(&line.body))),
    ("attributes", FieldType::Map, attributes),
    ("file", FieldType::Id, |line| text(&line.place.as_ref()?.file)),
    ("offset", FieldType::Count, |line| Some(Value::Count(line.place.as_ref()?.offset))),
];

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let field = |(name, field_type, _): &Row| Field {
        name,
        field_type: *field_type,
        // Names that are no field's are looked for among the attributes.
        is_free: matches!(*name, "body" | "attributes"),
    };
    Schema { kind: LINES, version: VERSION, fields: ROWS.iter().map(field).collect() }
});

impl Event for Line {
    fn schema() -> &'static Schema {
        &SCHEMA
    }

    fn record(&self) -> Record {
        Record::new(&SCHEMA, self.time, ROWS.iter().map(|(_, _, value)| value(self)))
    }
}

/// What was kept of a line.
pub fn read_line(record: &Record) -> Line {
    let value = |name: &str| SCHEMA.position(name).and_then(|position| record.value(position));
    let text = |name: &str| value(name).and_then(Value::as_text).unwrap_or_default().to_owned();
    let origin = Origin {
        source: text("source"),
        origin: text("origin"),
        host: text("host"),
        service: text("service"),
        engine: text("engine"),
        instance: text("instance"),
        model: text("model"),
    };
    let attributes = match value("attributes") {
        Some(Value::Map(pairs)) => {
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        }
        _ => Vec::new(),
    };
    let offset = match value("offset") {
        Some(Value::Count(offset)) => Some(*offset),
        _ => None,
    };
    Line {
        time: record.time,
        origin: Arc::new(origin),
        severity: Severity::from_name(&text("severity")),
        body: text("body"),
        attributes,
        place: offset.map(|offset| Place { file: text("file").into(), offset }),
    }
}

/// What lines that differ in values only have in common: each word with a digit in it, with what it is joined to
/// by signs, is `<*>`.
pub fn pattern(body: &str) -> Cow<'_, str> {
    if !body.bytes().any(|byte| byte.is_ascii_digit()) {
        return Cow::Borrowed(body);
    }
    let mut masked = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(first) = rest.chars().next() {
        let is_of_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let end = match is_of_word(first) {
            true => rest.find(|letter| !is_of_word(letter)),
            false => rest.find(is_of_word),
        };
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        let is_value = word.bytes().any(|byte| byte.is_ascii_digit());
        masked.push_str(if is_value { "<*>" } else { word });
        rest = after;
    }
    Cow::Owned(masked)
}

fn text(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| Value::Text(text.into()))
}

fn attributes(line: &Line) -> Option<Value> {
    let pair = |(name, value): &(String, String)| (name.as_str().into(), value.as_str().into());
    let pairs: Vec<_> = line.attributes.iter().map(pair).collect();
    (!pairs.is_empty()).then_some(Value::Map(pairs))
}

#[cfg(test)]
mod tests {
    use model::UnixMs;

    use super::*;

    #[test]
    fn what_is_kept_is_what_was_written() {
        let plain = Line {
            time: UnixMs(7),
            origin: Arc::default(),
            severity: None,
            body: "显存不足".to_owned(),
            attributes: Vec::new(),
            place: None,
        };
        let origin = Origin {
            source: "file".to_owned(),
            origin: "/var/log/vllm.log".to_owned(),
            host: "box".to_owned(),
            service: "vllm".to_owned(),
            engine: "vllm".to_owned(),
            instance: "127.0.0.1:8000".to_owned(),
            model: "qwen3".to_owned(),
        };
        let full = Line {
            origin: Arc::new(origin),
            severity: Some(Severity::Error),
            attributes: vec![("trace_id".to_owned(), "4f".to_owned())],
            place: Some(Place { file: "8:1-42".into(), offset: 9 }),
            ..plain.clone()
        };
        for line in [plain, full] {
            assert_eq!(read_line(&line.record()), line);
        }
    }

    #[test]
    fn values_are_left_out_of_patterns() {
        let check = |body: &str, expected: &str| assert_eq!(pattern(body), expected);
        check("no values", "no values");
        check("took 12 ms on node-07", "took <*> ms on node-<*>");
        check("显存不足 3 GiB", "显存不足 <*> GiB");
    }
}
