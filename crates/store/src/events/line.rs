//! What is kept of a line of somebody's log.
//!
//! Changing the rows needs a new [`VERSION`]; a row's place never changes.

use std::sync::{Arc, LazyLock};

use model::{
    UnixMs,
    log::{Line, Origin, Place, Severity},
};

use super::{
    Event,
    schema::{Field, FieldType, Record, RecordWriter, Schema, Value},
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
    ("pattern", FieldType::Pattern, |_| None),
    ("attributes", FieldType::Map, attributes),
    ("file", FieldType::Id, |line| text(&line.place.as_ref()?.file)),
    ("offset", FieldType::Count, |line| Some(Value::Count(line.place.as_ref()?.offset))),
];

const BODY: usize = 8;
const ATTRIBUTES: usize = 10;
const FILE: usize = 11;
const OFFSET: usize = 12;

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

    fn time(&self) -> UnixMs {
        self.time
    }

    fn record(&self) -> Record {
        Record::new(&SCHEMA, self.time, ROWS.iter().map(|(_, _, value)| value(self)))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let Origin { source, origin, host, service, engine, instance, model } = &*self.origin;
        let severity = self.severity.map_or("", Severity::as_str);
        let mut writer = RecordWriter::new(out, self.time);
        let words = [severity, source, origin, host, service, engine, instance, model];
        for (position, word) in words.into_iter().enumerate() {
            writer.word(position, word);
        }
        writer.text(BODY, &self.body);
        writer.map(ATTRIBUTES, &self.attributes);
        if let Some(Place { file, offset }) = &self.place {
            writer.word(FILE, file);
            writer.count(OFFSET, *offset);
        }
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
            let (mut encoded, mut expected) = (Vec::new(), Vec::new());
            line.encode(&mut encoded);
            line.record().encode(&mut expected);
            assert_eq!(encoded, expected);
        }
    }
}
