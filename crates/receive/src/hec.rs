//! Splunk's HTTP Event Collector: events as JSON, raw lines, its codes, and acknowledgements by channel.

use std::collections::BTreeMap;

use model::log::Line;
use serde_json::{Map, Value, json, value::RawValue};

use crate::{
    DecodeError,
    draft::{self, Arrival, Draft, Gathered},
};

/// Largest event; one that is larger makes the request invalid.
const EVENT_BYTES_MAX: usize = 2 << 20;

/// Channels whose acknowledgements are known; then the one that was used longest ago is forgotten.
const CHANNELS_MAX: usize = 1_000;

/// Identifiers in one question about acknowledgements; further ones are not answered.
const ACKS_MAX: usize = 10_000;

/// Bytes of a channel's name, a GUID.
const CHANNEL_BYTES_MAX: usize = 64;

/// How Splunk answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Success,
    TokenMissing,
    AuthorizationInvalid,
    TokenInvalid,
    NoData,
    /// The place of the event that cannot be read.
    DataInvalid(usize),
    Internal,
    Busy,
    ChannelMissing,
    ChannelInvalid,
    EventMissing(usize),
    EventBlank(usize),
    Healthy,
    TooLarge,
}

impl Answer {
    /// The status of HTTP, Splunk's code, and its text.
    fn parts(self) -> (u16, u32, &'static str) {
        match self {
            Self::Success => (200, 0, "Success"),
            Self::TokenMissing => (401, 2, "Token is required"),
            Self::AuthorizationInvalid => (401, 3, "Invalid authorization"),
            Self::TokenInvalid => (403, 4, "Invalid token"),
            Self::NoData => (400, 5, "No data"),
            Self::DataInvalid(_) => (400, 6, "Invalid data format"),
            Self::Internal => (500, 8, "Internal server error"),
            Self::Busy => (503, 9, "Server is busy"),
            Self::ChannelMissing => (400, 10, "Data channel is missing"),
            Self::ChannelInvalid => (400, 11, "Invalid data channel"),
            Self::EventMissing(_) => (400, 12, "Event field is required"),
            Self::EventBlank(_) => (400, 13, "Event field cannot be blank"),
            Self::Healthy => (200, 17, "HEC is healthy"),
            Self::TooLarge => (413, 27, "Request entity too large"),
        }
    }

    pub fn status(self) -> u16 {
        self.parts().0
    }

    /// The body of the answer; with the acknowledgement's number where there is one.
    pub fn body(self, ack: Option<u64>) -> String {
        let (_, code, text) = self.parts();
        let mut body = json!({ "text": text, "code": code });
        if let Self::DataInvalid(place) | Self::EventMissing(place) | Self::EventBlank(place) = self
        {
            body["invalid-event-number"] = place.into();
        }
        if let Some(ack) = ack {
            body["ackId"] = ack.into();
        }
        body.to_string()
    }
}

impl From<DecodeError> for Answer {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed(_) => Self::DataInvalid(0),
            DecodeError::TooMany => Self::TooLarge,
        }
    }
}

/// What a request says of its events besides them: parameters of its address.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    pub host: String,
    pub source: String,
    pub sourcetype: String,
    pub index: String,
    pub time: String,
}

impl Metadata {
    fn tell(&self, draft: &mut Draft) {
        draft.set_place(&self.source);
        draft.fact("host.name", &self.host);
        draft.fact("com.splunk.sourcetype", &self.sourcetype);
        draft.fact("com.splunk.index", &self.index);
        draft.time = draft::time(&Value::String(self.time.clone())).or(draft.time);
    }
}

/// Reads events: objects of JSON one behind the other, with anything blank or nothing between them. One that
/// cannot be read makes all invalid.
pub fn decode_events(
    body: &[u8],
    metadata: &Metadata,
    arrival: &Arrival,
) -> Result<Vec<Line>, Answer> {
    let mut lines = Gathered::default();
    for (place, event) in serde_json::Deserializer::from_slice(body).into_iter().enumerate() {
        let event: &RawValue = event.map_err(|_| Answer::DataInvalid(place))?;
        if event.get().len() > EVENT_BYTES_MAX {
            return Err(Answer::TooLarge);
        }
        let event: Map<String, Value> =
            serde_json::from_str(event.get()).map_err(|_| Answer::DataInvalid(place))?;
        lines.push(event_line(&event, place, metadata, arrival)?)?;
    }
    if lines.is_empty() {
        return Err(Answer::NoData);
    }
    Ok(lines.into_lines())
}

fn event_line(
    envelope: &Map<String, Value>,
    place: usize,
    metadata: &Metadata,
    arrival: &Arrival,
) -> Result<Line, Answer> {
    let text = |name: &str, default: &str| {
        let text = envelope.get(name).map(draft::text).filter(|text| !text.is_empty());
        text.unwrap_or_else(|| default.to_owned())
    };
    let metadata = Metadata {
        host: text("host", &metadata.host),
        source: text("source", &metadata.source),
        sourcetype: text("sourcetype", &metadata.sourcetype),
        index: text("index", &metadata.index),
        time: text("time", &metadata.time),
    };
    let mut draft = Draft::new(arrival);
    match envelope.get("event") {
        None | Some(Value::Null) => return Err(Answer::EventMissing(place)),
        Some(Value::String(event)) if event.trim().is_empty() => {
            return Err(Answer::EventBlank(place));
        }
        Some(Value::Object(event)) => draft.document(event),
        Some(event) => draft.body = draft::text(event),
    }
    metadata.tell(&mut draft);
    if let Some(fields) = envelope.get("fields") {
        draft.json("", fields);
    }
    Ok(draft.line(arrival))
}

/// Reads raw lines.
pub fn decode_raw(
    body: &[u8],
    metadata: &Metadata,
    arrival: &Arrival,
) -> Result<Vec<Line>, Answer> {
    let mut base = Draft::new(arrival);
    metadata.tell(&mut base);
    let mut lines = Gathered::default();
    for line in body.split(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches('\r');
        if text.is_empty() {
            continue;
        }
        let mut draft = base.clone();
        draft.body = text.to_owned();
        lines.push(draft.line(arrival))?;
    }
    if lines.is_empty() {
        return Err(Answer::NoData);
    }
    Ok(lines.into_lines())
}

/// Numbers of acknowledgements by channel. A number is given out once its lines are kept, so that each that was
/// given is acknowledged.
#[derive(Debug, Default)]
pub struct Channels {
    /// The next number, and when the channel was used last, counted in uses.
    next: BTreeMap<String, (u64, u64)>,
    uses: u64,
}

impl Channels {
    /// Whether that can be a channel's name.
    pub fn is_name(name: &str) -> bool {
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-{}".contains(&byte);
        (1..=CHANNEL_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_sign)
    }

    /// A number for what was kept just now.
    pub fn acknowledge(&mut self, channel: &str) -> u64 {
        self.uses += 1;
        if self.next.len() >= CHANNELS_MAX && !self.next.contains_key(channel) {
            let oldest = self.next.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.next.remove(&oldest);
            }
        }
        let (next, used) = self.next.entry(channel.to_owned()).or_default();
        *used = self.uses;
        *next += 1;
        *next - 1
    }

    /// Answers `{"acks": [0, 1]}` by `{"acks": {"0": true, "1": false}}`.
    pub fn answer(&self, channel: &str, question: &[u8]) -> Result<String, Answer> {
        let question: Value =
            serde_json::from_slice(question).map_err(|_| Answer::DataInvalid(0))?;
        let asked = question.get("acks").and_then(Value::as_array).ok_or(Answer::DataInvalid(0))?;
        let next = self.next.get(channel).map_or(0, |(next, _)| *next);
        let acks = asked.iter().take(ACKS_MAX).filter_map(Value::as_u64);
        let acks: Map<String, Value> =
            acks.map(|ack| (ack.to_string(), (ack < next).into())).collect();
        Ok(json!({ "acks": acks }).to_string())
    }
}

#[cfg(test)]
mod tests {
    use model::{UnixMs, log::Severity};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        LINES_MAX,
        draft::tests::arrival,
        tests::{body, fixtures},
    };

    #[test]
    fn captures() {
        for name in fixtures("splunk") {
            let lines =
                decode_events(&body(&name), &Metadata::default(), &arrival("splunk")).unwrap();
            let bodies: Vec<_> = lines.iter().map(|line| line.body.as_str()).collect();
            let expected: &[&str] = match name.split_once('/').unwrap().1 {
                "splunk-handler-3.0.0-post-services_collector_event.http" => {
                    &["slow first token model=qwen2.5-7b", "línea 2 模型 \"q\""]
                }
                "splunk-hec-handler-1.2.0-post-services_collector_event-2.http" => &["plain text"],
                _ => &[r#"{"event":{"model":"qwen2.5-7b","ttft":1.2},"log_level":"ERROR"}"#],
            };
            assert_eq!(bodies, expected, "{name}");
            let line = &lines[0];
            let origin = &line.origin;
            assert_eq!((&*origin.host, &*origin.origin), ("gpu-node-1", "modelwatch"), "{name}");
            assert!(line.time.0.abs_diff(1_795_345_635_000) < 2_000, "{name}");
            let is_told = name.contains("hec-handler").then_some(Severity::Error);
            assert_eq!(line.severity, is_told, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_numbered() {
        let check = |body: &str, expected: Answer| {
            let read = decode_events(body.as_bytes(), &Metadata::default(), &arrival("splunk"));
            assert_eq!(read.unwrap_err(), expected, "{body}");
        };
        check("", Answer::NoData);
        check(" \n", Answer::NoData);
        check("{\"event\":\"a\"} x", Answer::DataInvalid(1));
        check("{\"event\":\"a\"}[1]", Answer::DataInvalid(1));
        check("{\"event\":\"a\"}{\"time\":1}", Answer::EventMissing(1));
        check("{\"event\":\" \"}", Answer::EventBlank(0));
        let large = format!("{{\"event\":\"{}\"}}", "x".repeat(EVENT_BYTES_MAX));
        check(&large, Answer::TooLarge);
        check(&"{\"event\":1}".repeat(LINES_MAX + 1), Answer::TooLarge);
        let body = Answer::EventMissing(1).body(None);
        let expected =
            json!({"text": "Event field is required", "code": 12, "invalid-event-number": 1});
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    }

    #[test]
    fn raw_lines_have_what_the_address_says() {
        let metadata = Metadata {
            host: "h".into(),
            source: "/v.log".into(),
            sourcetype: "vllm".into(),
            index: "main".into(),
            time: "1795345635.5".into(),
        };
        let lines = decode_raw(b"one\r\n\ntwo \xff", &metadata, &arrival("splunk")).unwrap();
        let bodies: Vec<_> = lines.iter().map(|line| line.body.as_str()).collect();
        assert_eq!(bodies, ["one", "two \u{fffd}"]);
        let line = &lines[0];
        assert_eq!((&*line.origin.host, &*line.origin.origin), ("h", "/v.log"));
        assert_eq!((line.time, line.attributes.len()), (UnixMs(1_795_345_635_500), 2));
        assert_eq!(decode_raw(b"\n", &metadata, &arrival("splunk")), Err(Answer::NoData));
    }

    #[test]
    fn acknowledgements() {
        let mut channels = Channels::default();
        assert_eq!([channels.acknowledge("a"), channels.acknowledge("a")], [0, 1]);
        let answer = channels.answer("a", b"{\"acks\":[0,1,2]}").unwrap();
        assert_eq!(answer, r#"{"acks":{"0":true,"1":true,"2":false}}"#);
        assert_eq!(channels.answer("b", b"{\"acks\":[0]}").unwrap(), r#"{"acks":{"0":false}}"#);
        assert_eq!(channels.answer("a", b"[]"), Err(Answer::DataInvalid(0)));
        for index in 0..CHANNELS_MAX {
            channels.acknowledge(&index.to_string());
        }
        assert_eq!(channels.next.len(), CHANNELS_MAX);
        assert_eq!(channels.acknowledge("a"), 0);
        for (name, expected) in [("0A-f", true), ("", false), ("a b", false)] {
            assert_eq!(Channels::is_name(name), expected);
        }
    }

    proptest! {
        #[test]
        fn anything_is_survived(bytes: Vec<u8>, text in "(\\{\"event\":|\\{|\"a\"|1|\\}|null| ){0,16}") {
            for body in [&bytes, text.as_bytes()] {
                drop(decode_events(body, &Metadata::default(), &arrival("splunk")));
                drop(decode_raw(body, &Metadata::default(), &arrival("splunk")));
                drop(Channels::default().answer("", body));
            }
        }
    }
}
