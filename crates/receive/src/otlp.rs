//! OpenTelemetry's logs: `ExportLogsServiceRequest` as protocol buffers and as JSON.

use std::{borrow::Cow, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::log::{Line, Severity};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json, value::RawValue};

use crate::{
    DecodeError,
    draft::{self, Arrival, Draft, Gathered},
    json::List,
    protobuf::{Fields, Value},
};

/// Values within values that are read; what is deeper is left out.
const DEPTH_MAX: usize = 16;

/// Why lines of a request that was taken are missing.
const LEFT_OUT: &str = "some lines are too old, too large or from the future";

/// Reads a message of protocol buffers.
pub fn decode_protobuf(body: &[u8], arrival: &Arrival) -> Result<Vec<Line>, DecodeError> {
    let mut lines = Gathered::default();
    for field in Fields::new(body) {
        let (1, Value::Bytes(resource_logs)) = field? else { continue };
        let mut base = Draft::new(arrival);
        for field in Fields::new(resource_logs) {
            if let (1, Value::Bytes(resource)) = field? {
                attributes(resource, 1, &mut base)?;
            }
        }
        for field in Fields::new(resource_logs) {
            if let (2, Value::Bytes(scope_logs)) = field? {
                read_scope(scope_logs, &base, arrival, &mut lines)?;
            }
        }
    }
    Ok(lines.into_lines())
}

fn read_scope(
    scope_logs: &[u8],
    resource: &Draft,
    arrival: &Arrival,
    lines: &mut Gathered,
) -> Result<(), DecodeError> {
    let mut base = resource.clone();
    for field in Fields::new(scope_logs) {
        let (1, Value::Bytes(scope)) = field? else { continue };
        for field in Fields::new(scope) {
            match field? {
                (1, Value::Bytes(name)) => {
                    base.attribute("otel.scope.name", &String::from_utf8_lossy(name));
                }
                (2, Value::Bytes(version)) => {
                    base.attribute("otel.scope.version", &String::from_utf8_lossy(version));
                }
                _ => {}
            }
        }
        attributes(scope, 3, &mut base)?;
    }
    for field in Fields::new(scope_logs) {
        let (2, Value::Bytes(record)) = field? else { continue };
        lines.push(read_record(record, base.clone())?.line(arrival))?;
    }
    Ok(())
}

fn read_record(record: &[u8], mut draft: Draft) -> Result<Draft, DecodeError> {
    let mut facts = Facts::default();
    for field in Fields::new(record) {
        match field? {
            (1, Value::Fixed64(nanos)) => facts.time = nanos,
            (2, Value::Number(number)) => facts.severity = number,
            (3, Value::Bytes(text)) => facts.severity_text = String::from_utf8_lossy(text),
            (5, Value::Bytes(value)) => facts.body = any_value(value, 0)?,
            (9, Value::Bytes(id)) => facts.trace_id = hex(id),
            (10, Value::Bytes(id)) => facts.span_id = hex(id),
            (11, Value::Fixed64(nanos)) => facts.observed = nanos,
            (12, Value::Bytes(name)) => facts.event_name = String::from_utf8_lossy(name),
            _ => {}
        }
    }
    facts.tell(&mut draft);
    attributes(record, 6, &mut draft)?;
    Ok(draft)
}

/// What a record says beside its attributes.
#[derive(Default)]
struct Facts<'a> {
    time: u64,
    observed: u64,
    severity: u64,
    severity_text: Cow<'a, str>,
    body: Json,
    trace_id: String,
    span_id: String,
    event_name: Cow<'a, str>,
}

impl Facts<'_> {
    fn tell(self, draft: &mut Draft) {
        let time = if self.time == 0 { self.observed } else { self.time };
        let severity = match self.severity {
            1..=4 => Some(Severity::Trace),
            5..=8 => Some(Severity::Debug),
            9..=12 => Some(Severity::Info),
            13..=16 => Some(Severity::Warn),
            17..=20 => Some(Severity::Error),
            21..=24 => Some(Severity::Fatal),
            _ => None,
        };
        draft.set_severity(severity);
        if severity.is_none() || draft::severity(&self.severity_text) != severity {
            draft.fact("severity_text", &self.severity_text);
        }
        match &self.body {
            Json::Object(document) => draft.document(document),
            other => draft.body = draft::text(other),
        }
        draft.time = draft::nanos(time.into()).or(draft.time);
        draft.fact("event.name", &self.event_name);
        draft.fact("trace_id", &self.trace_id);
        draft.fact("span_id", &self.span_id);
    }
}

/// Takes the attributes that are in a field of a message.
fn attributes(message: &[u8], number: u64, draft: &mut Draft) -> Result<(), DecodeError> {
    for field in Fields::new(message) {
        match field? {
            (field, Value::Bytes(pair)) if field == number => {
                let (name, value) = key_value(pair, 0)?;
                draft.json(&name, &value);
            }
            _ => {}
        }
    }
    Ok(())
}

fn key_value(message: &[u8], depth: usize) -> Result<(Cow<'_, str>, Json), DecodeError> {
    let (mut name, mut value) = (Cow::Borrowed(""), Json::Null);
    for field in Fields::new(message) {
        match field? {
            (1, Value::Bytes(text)) => name = String::from_utf8_lossy(text),
            (2, Value::Bytes(bytes)) => value = any_value(bytes, depth)?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// An `AnyValue`; of bytes their base64.
fn any_value(message: &[u8], depth: usize) -> Result<Json, DecodeError> {
    let mut value = Json::Null;
    if depth >= DEPTH_MAX {
        return Ok(value);
    }
    for field in Fields::new(message) {
        value = match field? {
            (1, Value::Bytes(text)) => String::from_utf8_lossy(text).into(),
            (2, Value::Number(flag)) => (flag != 0).into(),
            (3, Value::Number(number)) => number.cast_signed().into(),
            (4, Value::Fixed64(bits)) => number(f64::from_bits(bits)),
            (5, Value::Bytes(list)) => {
                let mut values = Vec::new();
                for field in Fields::new(list) {
                    if let (1, Value::Bytes(value)) = field? {
                        values.push(any_value(value, depth + 1)?);
                    }
                }
                values.into()
            }
            (6, Value::Bytes(pairs)) => {
                let mut members = Map::new();
                for field in Fields::new(pairs) {
                    if let (1, Value::Bytes(pair)) = field? {
                        let (name, value) = key_value(pair, depth + 1)?;
                        members.insert(name.into_owned(), value);
                    }
                }
                members.into()
            }
            (7, Value::Bytes(bytes)) => STANDARD.encode(bytes).into(),
            _ => continue,
        };
    }
    Ok(value)
}

/// JSON has no numbers that are none.
fn number(number: f64) -> Json {
    if number.is_finite() { number.into() } else { number.to_string().into() }
}

fn hex(bytes: &[u8]) -> String {
    // An identifier of zeros is none.
    if bytes.iter().all(|byte| *byte == 0) {
        return String::new();
    }
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow, default)]
    resource_logs: List<ResourceLogs<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs<'a> {
    #[serde(default)]
    resource: Scope,
    #[serde(borrow, default)]
    scope_logs: List<ScopeLogs<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs<'a> {
    #[serde(default)]
    scope: Scope,
    #[serde(borrow, default)]
    log_records: List<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Scope {
    name: String,
    version: String,
    attributes: List<KeyValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeyValue {
    key: String,
    value: Json,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Record {
    time_unix_nano: Json,
    observed_time_unix_nano: Json,
    severity_number: Json,
    severity_text: String,
    body: Json,
    attributes: List<KeyValue>,
    trace_id: String,
    span_id: String,
    event_name: String,
}

/// Reads the same message as JSON: identifiers in hex, large numbers as texts.
pub fn decode_json(body: &[u8], arrival: &Arrival) -> Result<Vec<Line>, DecodeError> {
    let request: Request<'_> = serde_json::from_slice(body)?;
    let mut lines = Gathered::default();
    for resource_logs in request.resource_logs.0 {
        let mut base = Draft::new(arrival);
        tell_all(&resource_logs.resource.attributes, &mut base);
        for scope_logs in resource_logs.scope_logs.0 {
            let mut base = base.clone();
            let scope = &scope_logs.scope;
            base.fact("otel.scope.name", &scope.name);
            base.fact("otel.scope.version", &scope.version);
            tell_all(&scope.attributes, &mut base);
            for record in scope_logs.log_records.0 {
                let record: Record = serde_json::from_str(record.get())?;
                lines.push(json_record(&record, base.clone()).line(arrival))?;
            }
        }
    }
    Ok(lines.into_lines())
}

fn json_record(record: &Record, mut draft: Draft) -> Draft {
    let facts = Facts {
        time: unsigned(&record.time_unix_nano),
        observed: unsigned(&record.observed_time_unix_nano),
        severity: unsigned(&record.severity_number),
        severity_text: Cow::Borrowed(&record.severity_text),
        body: plain(&record.body, 0),
        trace_id: identifier(&record.trace_id),
        span_id: identifier(&record.span_id),
        event_name: Cow::Borrowed(&record.event_name),
    };
    facts.tell(&mut draft);
    tell_all(&record.attributes, &mut draft);
    draft
}

fn tell_all(attributes: &List<KeyValue>, draft: &mut Draft) {
    for pair in &attributes.0 {
        draft.json(&pair.key, &plain(&pair.value, 0));
    }
}

fn identifier(hex: &str) -> String {
    if hex.bytes().all(|digit| digit == b'0') { String::new() } else { hex.to_ascii_lowercase() }
}

fn unsigned(value: &Json) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

/// The answer to a request of which so many lines were left out, as protocol buffers.
pub fn answer(rejected: usize) -> Vec<u8> {
    if rejected == 0 {
        return Vec::new();
    }
    let mut partial = vec![1 << 3];
    write_varint(&mut partial, rejected as u64);
    write_bytes(&mut partial, 2, LEFT_OUT.as_bytes());
    let mut answer = Vec::new();
    write_bytes(&mut answer, 1, &partial);
    answer
}

/// The same as JSON.
pub fn answer_json(rejected: usize) -> String {
    if rejected == 0 {
        return "{}".to_owned();
    }
    let partial = json!({ "rejectedLogRecords": rejected.to_string(), "errorMessage": LEFT_OUT });
    json!({ "partialSuccess": partial }).to_string()
}

/// Why a request is refused: `google.rpc.Status`, as protocol buffers.
pub fn refusal(text: &str) -> Vec<u8> {
    let mut status = Vec::new();
    write_bytes(&mut status, 2, text.as_bytes());
    status
}

/// The same as JSON.
pub fn refusal_json(text: &str) -> String {
    json!({ "message": text }).to_string()
}

fn write_bytes(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push((field << 3) | 2);
    write_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn write_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// The value in `{"stringValue": ..}` and the like.
fn plain(any_value: &Json, depth: usize) -> Json {
    let Some((kind, value)) = any_value.as_object().and_then(|members| members.iter().next())
    else {
        return Json::Null;
    };
    let inner = || value.get("values").and_then(Json::as_array).into_iter().flatten();
    match kind.as_str() {
        _ if depth >= DEPTH_MAX => Json::Null,
        "intValue" => {
            let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
            number.map_or(Json::Null, Json::from)
        }
        "arrayValue" => inner().map(|value| plain(value, depth + 1)).collect(),
        "kvlistValue" => {
            let pair = |pair: &Json| {
                let value = plain(pair.get("value").unwrap_or(&Json::Null), depth + 1);
                (pair.get("key").and_then(Json::as_str).unwrap_or_default().to_owned(), value)
            };
            Json::Object(inner().map(pair).collect())
        }
        "stringValue" | "boolValue" | "doubleValue" | "bytesValue" => value.clone(),
        _ => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        draft::tests::arrival,
        protobuf::tests::field,
        tests::{body, fixture, fixtures},
    };

    #[test]
    fn captures() {
        for name in fixtures("otlp").iter().filter(|name| name.ends_with(".http")) {
            let lines = decode_protobuf(&body(name), &arrival("otlp")).unwrap();
            let json = fixture(&name.replace(".http", ".otlp.json"));
            assert_eq!(decode_json(&json, &arrival("otlp")).unwrap(), lines, "{name}");
            let [line] = lines.as_slice() else { panic!("{name}: {lines:?}") };
            assert_eq!(line.body, "slow first token 1.5", "{name}");
            assert_eq!(line.severity, Some(Severity::Warn));
            let origin = &line.origin;
            assert_eq!((&*origin.host, &*origin.service), ("gpu-node-1", "llm-app"));
            assert!(line.time.0.abs_diff(1_795_345_743_000) < 10_000, "{}", line.time);
            let attribute = |name: &str| {
                line.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
            };
            assert_eq!(attribute("code.line.number"), Some("34"));
            assert_eq!(attribute("otel.scope.name"), Some("vllm"));
            assert_eq!(attribute("service.version"), Some("1.2"));
            assert_eq!(attribute("trace_id").map(str::len), Some(32));
            assert_eq!(attribute("span_id").map(str::len), Some(16));
        }
    }

    #[test]
    fn values_of_all_kinds() {
        let check = |protobuf: &[u8], json: Json, expected: Json| {
            assert_eq!(any_value(protobuf, 0).unwrap(), expected);
            assert_eq!(plain(&json, 0), expected);
        };
        check(&field(1, b"a"), json!({"stringValue": "a"}), json!("a"));
        check(&[0x10, 1], json!({"boolValue": true}), json!(true));
        check(&[0x18, 34], json!({"intValue": "34"}), json!(34));
        let half = [&[0x21][..], &0.5_f64.to_le_bytes()].concat();
        check(&half, json!({"doubleValue": 0.5}), json!(0.5));
        let list = field(5, &field(1, &field(1, b"a")));
        check(&list, json!({"arrayValue": {"values": [{"stringValue": "a"}]}}), json!(["a"]));
        let pair = [field(1, b"k"), field(2, &field(1, b"v"))].concat();
        let pairs = json!({"values": [{"key": "k", "value": {"stringValue": "v"}}]});
        check(&field(6, &field(1, &pair)), json!({"kvlistValue": pairs}), json!({"k": "v"}));
        check(&field(7, b"hi"), json!({"bytesValue": "aGk="}), json!("aGk="));
        check(&[], json!({}), Json::Null);
        let nan = [&[0x21][..], &f64::NAN.to_le_bytes()].concat();
        assert_eq!(any_value(&nan, 0).unwrap(), json!("NaN"));
    }

    #[test]
    fn records_say_what_they_can() {
        let record = |record: Json| {
            let request = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]});
            decode_json(request.to_string().as_bytes(), &arrival("otlp")).unwrap().remove(0)
        };
        let line = record(json!({"observedTimeUnixNano": 5_000_000_u64, "severityText": "NOTE",
            "severityNumber": 10, "body": {"kvlistValue": {"values": [
                {"key": "message", "value": {"stringValue": "m"}},
                {"key": "level", "value": {"stringValue": "error"}}]}}}));
        assert_eq!(
            (line.time.0, line.body.as_str(), line.severity),
            (5, "m", Some(Severity::Info))
        );
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(line.attributes, [pair("severity_text", "NOTE"), pair("level", "error")]);
        let line = record(json!({"traceId": "00000000000000000000000000000000"}));
        assert_eq!((line.time, line.body.as_str()), (arrival("otlp").now, ""));
        assert_eq!(line.attributes, []);
    }

    #[test]
    fn answers() {
        assert_eq!((answer(0), answer_json(0)), (Vec::new(), "{}".to_owned()));
        let message = answer(300);
        let [Ok((1, Value::Bytes(partial)))] = Fields::new(&message).collect::<Vec<_>>()[..] else {
            panic!("{message:?}");
        };
        let fields: Vec<_> = Fields::new(partial).map(Result::unwrap).collect();
        assert_eq!(fields, [(1, Value::Number(300)), (2, Value::Bytes(LEFT_OUT.as_bytes()))]);
        let partial: Json = serde_json::from_str(&answer_json(300)).unwrap();
        assert_eq!(partial["partialSuccess"]["rejectedLogRecords"], "300");
        let status = refusal("no");
        let fields: Vec<_> = Fields::new(&status).map(Result::unwrap).collect();
        assert_eq!(fields, [(2, Value::Bytes(b"no"))]);
        assert_eq!(refusal_json("no"), "{\"message\":\"no\"}");
    }

    #[test]
    fn depth_is_bounded() {
        let mut value = field(1, b"a");
        for _ in 0..20 {
            value = field(5, &field(1, &value));
        }
        let text = any_value(&value, 0).unwrap().to_string();
        assert_eq!(text, format!("{}null{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            drop(decode_protobuf(&bytes, &arrival("otlp")));
            drop(decode_json(&bytes, &arrival("otlp")));
            if let Ok(length) = u8::try_from(bytes.len())
                && length < 100
            {
                let scope = field(1, &field(2, &field(2, &bytes[..bytes.len().min(100)])));
                drop(decode_protobuf(&scope, &arrival("otlp")));
            }
        }
    }
}
