//! What is kept of an event: something that modelwatch noticed, such as an engine that came back.
//!
//! Changing the rows needs a new [`VERSION`]; a row's place never changes.

use std::sync::LazyLock;

use model::{
    UnixMs,
    log::{LogRecord, Severity},
};

use super::{
    Event,
    schema::{Field, FieldType, Record, Schema, Value},
};

const VERSION: u32 = 1;

const SOURCE: usize = 0;
const SEVERITY: usize = 1;
const CODE: usize = 2;
const PARAMS: usize = 3;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let field = |name, field_type, is_free| Field { name, field_type, is_free };
    let fields = vec![
        field("source", FieldType::Keyword, true),
        field("severity", FieldType::Keyword, false),
        field("code", FieldType::Keyword, true),
        field("params", FieldType::Map, false),
    ];
    Schema { kind: Noticed::KIND, version: VERSION, fields }
});

/// An event, whose body is the code of a message and whose attributes are its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Noticed(pub LogRecord);

impl Noticed {
    pub const KIND: &'static str = "event";

    /// What was kept. Values longer than what is found as a whole were cut.
    pub fn read(record: &Record) -> Self {
        let text = |position| {
            let text = record.value(position).and_then(Value::as_text);
            text.unwrap_or_default().to_owned()
        };
        let attributes = match record.value(PARAMS) {
            Some(Value::Map(pairs)) => {
                pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
            }
            _ => Vec::new(),
        };
        let severity = text(SEVERITY);
        let severity = Severity::ALL.into_iter().find(|known| known.as_str() == severity);
        Self(LogRecord {
            time: record.time,
            source: text(SOURCE),
            // One that a newer version wrote.
            severity: severity.unwrap_or(Severity::Info),
            body: text(CODE),
            attributes,
        })
    }
}

impl Event for Noticed {
    fn schema() -> &'static Schema {
        &SCHEMA
    }

    fn time(&self) -> UnixMs {
        self.0.time
    }

    fn record(&self) -> Record {
        let LogRecord { time, source, severity, body, attributes } = &self.0;
        let text = |text: &str| (!text.is_empty()).then(|| Value::Text(text.into()));
        let pair = |(name, value): &(String, String)| (name.as_str().into(), value.as_str().into());
        let params = attributes.iter().map(pair).collect::<Vec<_>>();
        let params = (!params.is_empty()).then_some(Value::Map(params));
        Record::new(&SCHEMA, *time, [text(source), text(severity.as_str()), text(body), params])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_was_noticed() {
        for (severity, attributes) in [
            (Severity::Info, vec![]),
            (Severity::Fatal, vec![("url".to_owned(), "http://a:1".to_owned())]),
        ] {
            let (time, source) = (UnixMs(7), "engine a:1".to_owned());
            let body = "event.engine_up".to_owned();
            let noticed = Noticed(LogRecord { time, source, severity, body, attributes });
            assert_eq!(Noticed::read(&noticed.record()), noticed);
        }
        for (position, name) in [(SOURCE, "source"), (SEVERITY, "severity"), (CODE, "code")] {
            assert_eq!(SCHEMA.position(name), Some(position));
        }
        assert_eq!(SCHEMA.position("params"), Some(PARAMS));
    }
}
