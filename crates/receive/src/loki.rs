//! Loki's push API: JSON, and protocol buffers in snappy's block format.

use std::{borrow::Cow, collections::BTreeMap};

use model::log::Line;
use serde::Deserialize;
use serde_json::{Map, Value as Json, value::RawValue};

use crate::{
    DecodeError,
    draft::{self, Arrival, Draft, Gathered},
    json::List,
    protobuf::{Fields, Value},
};

/// Labels of one stream; a stream with more is refused.
const LABELS_MAX: usize = 64;

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow)]
    streams: List<Stream<'a>>,
}

#[derive(Deserialize)]
struct Stream<'a> {
    #[serde(borrow)]
    stream: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(borrow, default)]
    values: List<&'a RawValue>,
}

/// Time, line, structured metadata.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry<'a> {
    Plain(#[serde(borrow)] Cow<'a, str>, Cow<'a, str>),
    Described(#[serde(borrow)] Cow<'a, str>, Cow<'a, str>, Map<String, Json>),
}

/// Reads `{"streams": [{"stream": {..}, "values": [["<ns>", "line", {..}]]}]}`.
pub fn decode_json(body: &[u8], arrival: &Arrival) -> Result<Vec<Line>, DecodeError> {
    let push: Push<'_> = serde_json::from_slice(body)?;
    let mut lines = Gathered::default();
    for stream in push.streams.0 {
        let labels = stream.stream.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        let base = base(labels, arrival)?;
        for entry in stream.values.0 {
            let mut draft = base.clone();
            let (time, line) = match serde_json::from_str(entry.get())? {
                Entry::Plain(time, line) => (time, line),
                Entry::Described(time, line, metadata) => {
                    draft.json("", &Json::Object(metadata));
                    (time, line)
                }
            };
            let nanos = time.parse::<i64>().map_err(|_| {
                DecodeError::Malformed(format!("{time:?} is no time in nanoseconds since 1970"))
            })?;
            draft.time = draft::nanos(nanos.into());
            draft.body = line.into_owned();
            lines.push(draft.line(arrival))?;
        }
    }
    Ok(lines.into_lines())
}

/// Reads a `PushRequest` that was decompressed.
pub fn decode_protobuf(body: &[u8], arrival: &Arrival) -> Result<Vec<Line>, DecodeError> {
    let mut lines = Gathered::default();
    for field in Fields::new(body) {
        let (1, Value::Bytes(stream)) = field? else { continue };
        let mut labels = Cow::Borrowed("");
        for field in Fields::new(stream) {
            if let (1, Value::Bytes(text)) = field? {
                labels = String::from_utf8_lossy(text);
            }
        }
        let pairs = selector(&labels).ok_or_else(|| {
            let shown: String = labels.chars().take(100).collect();
            DecodeError::Malformed(format!("{shown:?} are no labels such as {{app=\"vllm\"}}"))
        })?;
        let base = base(pairs.iter().map(|(name, value)| (*name, value.as_str())), arrival)?;
        for field in Fields::new(stream) {
            if let (2, Value::Bytes(entry)) = field? {
                let mut draft = base.clone();
                read_entry(entry, &mut draft)?;
                lines.push(draft.line(arrival))?;
            }
        }
    }
    Ok(lines.into_lines())
}

/// `Entry{1 Timestamp{1 seconds, 2 nanos}, 2 line, 3 LabelPair{1 name, 2 value}}`
fn read_entry(entry: &[u8], draft: &mut Draft) -> Result<(), DecodeError> {
    for field in Fields::new(entry) {
        match field? {
            (1, Value::Bytes(time)) => {
                let mut nanos = 0_i128;
                for field in Fields::new(time) {
                    match field? {
                        (1, Value::Number(seconds)) => {
                            nanos += i128::from(seconds.cast_signed()) * 1_000_000_000;
                        }
                        (2, Value::Number(part)) => nanos += i128::from(part.cast_signed()),
                        _ => {}
                    }
                }
                draft.time = draft::nanos(nanos);
            }
            (2, Value::Bytes(line)) => draft.body = String::from_utf8_lossy(line).into_owned(),
            (3, Value::Bytes(pair)) => {
                let (mut name, mut value) = (Cow::Borrowed(""), Cow::Borrowed(""));
                for field in Fields::new(pair) {
                    match field? {
                        (1, Value::Bytes(text)) => name = String::from_utf8_lossy(text),
                        (2, Value::Bytes(text)) => value = String::from_utf8_lossy(text),
                        _ => {}
                    }
                }
                draft.fact(&name, &value);
            }
            _ => {}
        }
    }
    Ok(())
}

/// What all lines of a stream have in common.
fn base<'a>(
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    arrival: &Arrival,
) -> Result<Draft, DecodeError> {
    let mut draft = Draft::new(arrival);
    for (index, (name, value)) in labels.enumerate() {
        if index >= LABELS_MAX {
            return Err(DecodeError::Malformed(format!(
                "a stream has more than {LABELS_MAX} labels"
            )));
        }
        draft.fact(name, value);
    }
    Ok(draft)
}

/// Reads `{a="b", c="d"}`.
fn selector(text: &str) -> Option<Vec<(&str, String)>> {
    let mut rest = text.trim().strip_prefix('{')?.trim_start();
    let mut pairs = Vec::new();
    while !rest.starts_with('}') {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = go_string(after.trim_start())?;
        pairs.push((name.trim(), value));
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if after.starts_with('}') => after,
            None => return None,
        };
        if pairs.len() > LABELS_MAX {
            break;
        }
    }
    Some(pairs)
}

/// A string as Go quotes it, and what follows it.
fn go_string(text: &str) -> Option<(String, &str)> {
    if let Some(raw) = text.strip_prefix('`') {
        let (value, rest) = raw.split_once('`')?;
        return Some((value.to_owned(), rest));
    }
    let text = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, text.split_at(at + 1).1)),
            '\\' => {
                let (at, kind) = letters.next()?;
                let digits = match kind {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                if digits == 0 {
                    value.push(match kind {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        other => other,
                    });
                    continue;
                }
                let code = u32::from_str_radix(text.get(at + 1..at + 1 + digits)?, 16).ok()?;
                value.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                letters.nth(digits - 1)?;
            }
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use model::{UnixMs, log::Severity};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        LINES_MAX,
        draft::tests::arrival,
        protobuf::tests::field,
        tests::{body, fixtures},
    };

    fn told(lines: &[Line]) -> Vec<String> {
        let told = |line: &Line| {
            let attributes: Vec<_> =
                line.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} {} {}", line.time, line.body, attributes.join(","))
        };
        lines.iter().map(told).collect()
    }

    #[test]
    fn captures() {
        for name in fixtures("loki") {
            if name.contains("winston") {
                continue;
            }
            let lines = decode_json(&body(&name), &arrival("loki")).unwrap();
            let [line] = lines.as_slice() else { panic!("{name}: {lines:?}") };
            assert_eq!((line.body.as_str(), line.time.0), ("slow first token", 1_795_345_859_205));
            let origin = &line.origin;
            assert_eq!((&*origin.service, &*origin.model), ("vllm", "qwen2.5-7b"));
            assert_eq!(line.severity, Some(Severity::Warn));
        }
        let compressed = body("loki/winston-loki-6.1.7-push.http");
        let message = crate::expand::expand("snappy", &compressed).unwrap();
        let lines = decode_protobuf(&message, &arrival("loki")).unwrap();
        let bodies: Vec<_> = lines.iter().map(|line| line.body.as_str()).collect();
        let expected = [
            "said slow first token",
            "said línea \"UTF-8\" 模型",
            "said CUDA error: out of memory",
        ];
        assert_eq!(bodies, expected);
        assert!(lines.iter().all(|line| line.severity == Some(Severity::Error)));
        assert!(lines.iter().all(|line| line.time > UnixMs(1_795_000_000_000)));
    }

    #[test]
    fn both_forms_say_the_same() {
        let json = br#"{"streams": [{"stream": {"app": "vllm", "host.name": "a"}, "values": [
            ["1795345859000000001", "one"], ["1795345859000000000", "two", {"trace_id": "4f", "n": 1}]
        ]}, {"stream": {}, "values": null}]}"#;
        let time = |nanos: u8| {
            // 1795345859 seconds.
            field(1, &[&[0x08, 0xc3, 0x9b, 0x8b, 0xd8, 0x06, 0x10][..], &[nanos]].concat())
        };
        let pair =
            |name: &[u8], value: &[u8]| field(3, &[field(1, name), field(2, value)].concat());
        let one = [time(1), field(2, b"one")].concat();
        let two = [time(0), field(2, b"two"), pair(b"n", b"1"), pair(b"trace_id", b"4f")].concat();
        let labels = field(1, br#"{app="vllm", host.name="a"}"#);
        let stream = [labels, field(2, &one), field(2, &two)].concat();
        let stream = [&[0x0a, u8::try_from(stream.len()).unwrap()][..], &stream].concat();
        let lines = decode_json(json, &arrival("loki")).unwrap();
        assert_eq!(decode_protobuf(&stream, &arrival("loki")).unwrap(), lines);
        let expected = ["1795345859000 one app=vllm", "1795345859000 two app=vllm,n=1,trace_id=4f"];
        assert_eq!(told(&lines), expected);
        assert!(std::sync::Arc::ptr_eq(&lines[0].origin, &lines[1].origin));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |body: &str, expected: &str| {
            let error = decode_json(body.as_bytes(), &arrival("loki")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("", "not the JSON");
        check(r#"{"streams": [{"stream": {}, "values": [["now", "x"]]}]}"#, "is no time");
        check(r#"{"streams": [{"stream": {}, "values": [["1"]]}]}"#, "not the JSON");
        let many = format!("{{\"streams\": [{}1]}}", "1,".repeat(3));
        check(&many, "not the JSON");
        let stream = field(1, &field(1, b"{app"));
        let error = decode_protobuf(&stream, &arrival("loki")).unwrap_err().to_string();
        assert!(error.contains("\"{app\" are no labels"), "{error}");
        let entries = "[\"1\",\"\"],".repeat(LINES_MAX);
        let body = format!(r#"{{"streams": [{{"stream": {{}}, "values": [{entries}["1",""]]}}]}}"#);
        check(&body, "at most 100000 entries");
    }

    #[test]
    fn selectors() {
        let check = |text: &str, expected: Option<&[(&str, &str)]>| {
            let pairs = selector(text);
            let pairs = pairs.as_ref().map(|pairs| {
                pairs.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>()
            });
            assert_eq!(pairs.as_deref(), expected, "{text}");
        };
        check("{}", Some(&[]));
        check(r#"{a="b", c="d\"\\\n\u6a21\x41"}"#, Some(&[("a", "b"), ("c", "d\"\\\n模A")]));
        check("{a=`\\`,}", Some(&[("a", "\\")]));
        check(r#"{a="b" c="d"}"#, None);
        check(r#"{a="b"#, None);
        check(r#"{a="\u12"}"#, None);
        check("", None);
    }

    proptest! {
        #[test]
        fn anything_is_survived(bytes: Vec<u8>, text in "[{a=\"\\\\u,}`é]{0,30}") {
            drop(decode_protobuf(&bytes, &arrival("loki")));
            drop(decode_json(&bytes, &arrival("loki")));
            drop(selector(&text));
            drop(decode_protobuf(&field(1, &field(1, text.as_bytes())), &arrival("loki")));
        }
    }
}
