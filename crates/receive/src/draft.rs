//! From what a protocol says of a line to a line: what names mean, and what is too much.

use std::sync::Arc;

use model::{
    UnixMs,
    log::{Line, Origin, Severity},
};
use serde_json::{Map, Value};

use crate::{DecodeError, LINES_MAX};

/// Bytes of a body that are kept; the rest is cut off and counted in the attribute [`CUT`].
pub(crate) const BODY_BYTES_MAX: usize = 512 << 10;

/// Attributes of one line; further ones are left out and counted in [`CUT`].
pub(crate) const ATTRIBUTES_MAX: usize = 128;

/// Bytes of the name of an attribute; one with a longer name is left out.
pub(crate) const NAME_BYTES_MAX: usize = 256;

/// Bytes of the value of an attribute that are kept.
pub(crate) const VALUE_BYTES_MAX: usize = 8 << 10;

/// Bytes of all attributes of a line.
pub(crate) const ATTRIBUTES_BYTES_MAX: usize = 128 << 10;

/// Bytes of all lines of one request; one with more is refused as a whole.
const LINES_BYTES_MAX: usize = 128 << 20;

/// Objects within objects whose names are joined by dots; what is deeper is kept as JSON.
const DEPTH_MAX: usize = 16;

/// The attribute that says how many bytes of a line were too much.
pub(crate) const CUT: &str = "log.record.cut_bytes";

/// What is known of lines before they are read: when they came, how, and from where.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub now: UnixMs,
    /// See [`Origin::source`].
    pub source: &'static str,
    /// The address of who sent them.
    pub peer: String,
}

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Host,
    Service,
    Place,
    Severity,
    Model,
    Engine,
    Instance,
}

const ROLES: usize = 7;

/// Names that senders give to what a line has a place for: of one role, those above count more. The first of
/// each is OpenTelemetry's (or ours), and a fact that is called so is kept in that place alone; under any other
/// name it stays an attribute too, so that it is found by the name that its sender knows.
const NAMES: &[(&str, Role)] = &[
    ("host.name", Role::Host),
    ("host.hostname", Role::Host),
    ("hostname", Role::Host),
    ("host", Role::Host),
    ("k8s.node.name", Role::Host),
    ("kubernetes.node.name", Role::Host),
    ("node", Role::Host),
    ("agent.hostname", Role::Host),
    ("agent.name", Role::Host),
    ("beat.hostname", Role::Host),
    ("service.name", Role::Service),
    ("service_name", Role::Service),
    ("service", Role::Service),
    ("app", Role::Service),
    ("application", Role::Service),
    ("process.name", Role::Service),
    ("k8s.container.name", Role::Service),
    ("kubernetes.container.name", Role::Service),
    ("kubernetes.container_name", Role::Service),
    ("container.name", Role::Service),
    ("container_name", Role::Service),
    ("container", Role::Service),
    ("job", Role::Service),
    ("log.file.path", Role::Place),
    ("file.path", Role::Place),
    ("filename", Role::Place),
    ("file", Role::Place),
    ("systemd.unit", Role::Place),
    ("unit", Role::Place),
    ("severity_text", Role::Severity),
    ("log.level", Role::Severity),
    ("severity", Role::Severity),
    ("level", Role::Severity),
    ("detected_level", Role::Severity),
    ("log_level", Role::Severity),
    ("loglevel", Role::Severity),
    ("levelname", Role::Severity),
    ("gen_ai.request.model", Role::Model),
    ("gen_ai.response.model", Role::Model),
    ("model", Role::Model),
    ("model_name", Role::Model),
    ("engine", Role::Engine),
    ("instance", Role::Instance),
];

/// Where a document has its message: those before count more.
const BODIES: [&str; 6] = ["message", "msg", "log", "body", "line", "MESSAGE"];

/// Where a document has its time.
const TIMES: [&str; 4] = ["@timestamp", "timestamp", "time", "ts"];

/// What shippers tell each other.
const METADATA: &str = "@metadata";

/// A line in the making.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) time: Option<UnixMs>,
    pub(crate) body: String,
    origin: Origin,
    severity: Option<Severity>,
    /// Which row of [`NAMES`] each role was told by; a role that was not is beyond all rows.
    told: [usize; ROLES],
    attributes: Vec<(String, String)>,
    attribute_bytes: usize,
    cut_bytes: usize,
}

impl Draft {
    pub(crate) fn new(arrival: &Arrival) -> Self {
        let origin = Origin { source: arrival.source.to_owned(), ..Origin::default() };
        Self {
            time: None,
            body: String::new(),
            origin,
            severity: None,
            told: [usize::MAX; ROLES],
            attributes: Vec::new(),
            attribute_bytes: 0,
            cut_bytes: 0,
        }
    }

    /// What the protocol itself says counts more than any name.
    pub(crate) fn set_severity(&mut self, severity: Option<Severity>) {
        if severity.is_some() {
            self.severity = severity;
            self.told[Role::Severity as usize] = 0;
        }
    }

    /// The file or such that a line comes from, where nothing says it better.
    pub(crate) fn set_place(&mut self, place: &str) {
        if self.told[Role::Place as usize] == usize::MAX {
            self.origin.origin = place.to_owned();
        }
    }

    /// Takes a fact by the name that its sender gave it.
    pub(crate) fn fact(&mut self, name: &str, value: &str) {
        if name.is_empty() || value.is_empty() {
            return;
        }
        let known = NAMES.iter().enumerate().find(|(_, (known, _))| *known == name);
        if let Some((rank, (_, role))) = known {
            let is_canonical = rank == 0 || NAMES[rank - 1].1 != *role;
            if self.tell(rank, *role, value) && is_canonical {
                return;
            }
        }
        self.attribute(name, value);
    }

    /// Whether the fact now is in its place.
    fn tell(&mut self, rank: usize, role: Role, value: &str) -> bool {
        if rank >= self.told[role as usize] {
            return false;
        }
        let place = match role {
            Role::Severity => {
                let severity = severity(value);
                if severity.is_some() {
                    (self.severity, self.told[role as usize]) = (severity, rank);
                }
                return severity.is_some();
            }
            Role::Host => &mut self.origin.host,
            Role::Service => &mut self.origin.service,
            Role::Place => &mut self.origin.origin,
            Role::Model => &mut self.origin.model,
            Role::Engine => &mut self.origin.engine,
            Role::Instance => &mut self.origin.instance,
        };
        cut(value, VALUE_BYTES_MAX).clone_into(place);
        self.told[role as usize] = rank;
        true
    }

    /// Takes a fact that stays what it is.
    pub(crate) fn attribute(&mut self, name: &str, value: &str) {
        let kept = cut(value, VALUE_BYTES_MAX);
        let bytes = name.len() + kept.len();
        let is_too_much = name.len() > NAME_BYTES_MAX
            || self.attributes.len() >= ATTRIBUTES_MAX
            || self.attribute_bytes + bytes > ATTRIBUTES_BYTES_MAX;
        if is_too_much {
            self.cut_bytes += value.len();
            return;
        }
        self.cut_bytes += value.len() - kept.len();
        self.attribute_bytes += bytes;
        self.attributes.push((name.to_owned(), kept.to_owned()));
    }

    /// Takes an object of JSON that is a whole line: its message, its time, and all else as facts. Where it has
    /// no message, it is its own.
    pub(crate) fn document(&mut self, document: &Map<String, Value>) {
        let body = BODIES.iter().find(|name| document.get(**name).is_some_and(Value::is_string));
        let times = TIMES.iter().map(|name| (*name, document.get(*name)));
        let time = times.filter_map(|(name, value)| Some((name, time(value?)?))).next();
        self.time = time.map(|(_, time)| time).or(self.time);
        for (name, value) in document {
            let is_taken = body.is_some_and(|body| body == name)
                || time.is_some_and(|(taken, _)| taken == name)
                || name == METADATA;
            if !is_taken {
                self.json(name, value);
            }
        }
        self.body = match body.and_then(|name| document.get(*name)?.as_str()) {
            Some(body) => body.to_owned(),
            None => Value::Object(document.clone()).to_string(),
        };
    }

    /// Takes what is in JSON as facts: names within names are joined by dots.
    pub(crate) fn json(&mut self, name: &str, value: &Value) {
        self.json_within(name, value, 0);
    }

    fn json_within(&mut self, name: &str, value: &Value, depth: usize) {
        match value {
            Value::Object(members) if depth < DEPTH_MAX && !members.is_empty() => {
                for (inner, value) in members {
                    if name.is_empty() {
                        self.json_within(inner, value, depth + 1);
                    } else {
                        self.json_within(&format!("{name}.{inner}"), value, depth + 1);
                    }
                }
            }
            _ => self.fact(name, &text(value)),
        }
    }

    pub(crate) fn line(mut self, arrival: &Arrival) -> Line {
        if self.origin.origin.is_empty() {
            self.origin.origin.clone_from(&arrival.peer);
        }
        if self.body.len() > BODY_BYTES_MAX {
            let end = self.body.floor_char_boundary(BODY_BYTES_MAX);
            self.cut_bytes += self.body.len() - end;
            self.body.truncate(end);
            self.body.shrink_to_fit();
        }
        if self.cut_bytes > 0 {
            self.attributes.push((CUT.to_owned(), self.cut_bytes.to_string()));
        }
        Line {
            time: self.time.unwrap_or(arrival.now),
            origin: Arc::new(self.origin),
            severity: self.severity,
            body: self.body,
            attributes: self.attributes,
            place: None,
        }
    }
}

/// Lines of one request. What many have in common may be short where it was sent and is long here, once for each
/// line, so that their size is bounded too.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    lines: Vec<Line>,
    bytes: usize,
}

impl Gathered {
    /// Adds a line; one of the same origin as the one before shares it.
    pub(crate) fn push(&mut self, mut line: Line) -> Result<(), DecodeError> {
        let last = self.lines.last().map(|last| &last.origin);
        if let Some(origin) = last.filter(|origin| **origin == line.origin) {
            line.origin = Arc::clone(origin);
        }
        self.bytes += size(&line);
        if self.lines.len() >= LINES_MAX || self.bytes > LINES_BYTES_MAX {
            return Err(DecodeError::TooMany);
        }
        self.lines.push(line);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn into_lines(self) -> Vec<Line> {
        self.lines
    }
}

/// Bytes of texts of a line, without its origin, which lines share.
pub(crate) fn size(line: &Line) -> usize {
    let attributes = line.attributes.iter().map(|(name, value)| name.len() + value.len());
    line.body.len() + attributes.sum::<usize>()
}

/// Lets lines of one origin share it.
pub(crate) fn share(lines: &mut [Line]) {
    let mut last: Option<Arc<Origin>> = None;
    for line in lines {
        match &last {
            Some(origin) if *origin == line.origin => line.origin = Arc::clone(origin),
            _ => last = Some(Arc::clone(&line.origin)),
        }
    }
}

/// A value as a text; null is none.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    text.split_at(text.floor_char_boundary(bytes)).0
}

/// What a word for a severity means.
pub(crate) fn severity(word: &str) -> Option<Severity> {
    let is = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word.trim()));
    match () {
        () if is(&["trace", "verbose", "finest"]) => Some(Severity::Trace),
        () if is(&["debug", "fine"]) => Some(Severity::Debug),
        () if is(&["info", "information", "informational", "notice"]) => Some(Severity::Info),
        () if is(&["warn", "warning"]) => Some(Severity::Warn),
        () if is(&["error", "err", "severe"]) => Some(Severity::Error),
        () if is(&["fatal", "critical", "crit", "panic", "alert", "emerg", "emergency"]) => {
            Some(Severity::Fatal)
        }
        () => None,
    }
}

/// Times as JSON carries them: RFC 3339, with or without a zone, and numbers since 1970, whose size tells
/// seconds, milliseconds, microseconds and nanoseconds apart.
pub(crate) fn time(value: &Value) -> Option<UnixMs> {
    match value {
        Value::Number(number) => since_epoch(number.as_f64()?),
        Value::String(text) => {
            let text = text.trim();
            if let Ok(number) = text.parse::<f64>() {
                return since_epoch(number);
            }
            model::parse_rfc3339(text).or_else(|| {
                // Elasticsearch takes UTC where no zone is given, and zones without a colon.
                let (head, zone) = text.split_at_checked(text.len().saturating_sub(5))?;
                let zone = zone.strip_prefix(['+', '-']).filter(|_| text.contains('T'));
                let digits = zone.filter(|zone| zone.bytes().all(|byte| byte.is_ascii_digit()));
                match digits.and_then(|digits| digits.split_at_checked(2)) {
                    Some((hours, minutes)) => {
                        let sign = text.as_bytes().get(head.len()).map(|sign| char::from(*sign))?;
                        model::parse_rfc3339(&format!("{head}{sign}{hours}:{minutes}"))
                    }
                    None => model::parse_rfc3339(&format!("{text}Z")),
                }
            })
        }
        _ => None,
    }
}

fn since_epoch(number: f64) -> Option<UnixMs> {
    let per_ms = match number.abs() {
        // Before 1973 it is a duration or such.
        size if size < 1e8 => return None,
        size if size < 1e11 => 1e-3,
        size if size < 1e14 => 1.0,
        size if size < 1e17 => 1e3,
        size if size < 1e20 => 1e6,
        _ => return None,
    };
    Some(UnixMs((number / per_ms).round() as i64))
}

/// Nanoseconds since 1970; 0 is no time.
pub(crate) fn nanos(nanos: i128) -> Option<UnixMs> {
    (nanos > 0).then(|| UnixMs(i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    pub(crate) fn arrival(source: &'static str) -> Arrival {
        Arrival { now: UnixMs(1_795_345_000_000), source, peer: "10.0.0.7".to_owned() }
    }

    #[test]
    fn names_find_their_place() {
        let mut draft = Draft::new(&arrival("elasticsearch"));
        let document = json!({
            "agent": {"hostname": "shipper"}, "host": {"name": "gpu-node-1"}, "service.name": "chat",
            "app": "vllm", "log": {"level": "WARN", "file": {"path": "/v.log"}}, "level": "error",
            "n": 1, "nothing": null, "deep": {"a": {"b": [1, "x"]}}
        });
        draft.json("", &document);
        let line = draft.line(&arrival("elasticsearch"));
        assert_eq!(
            (line.origin.host.as_str(), line.origin.service.as_str()),
            ("gpu-node-1", "chat")
        );
        assert_eq!((line.origin.origin.as_str(), line.severity), ("/v.log", Some(Severity::Warn)));
        let mut names: Vec<_> =
            line.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        names.sort();
        let expected = [
            "agent.hostname=shipper",
            "app=vllm",
            "deep.a.b=[1,\"x\"]",
            "level=error",
            "log.level=WARN",
            "n=1",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn too_much_is_cut_and_counted() {
        let mut draft = Draft::new(&arrival("otlp"));
        draft.body = "é".repeat(BODY_BYTES_MAX / 2 + 5);
        draft.attribute("long", &"x".repeat(VALUE_BYTES_MAX + 3));
        for index in 0..ATTRIBUTES_MAX {
            draft.attribute(&format!("a{index}"), "1");
        }
        draft.attribute(&"n".repeat(NAME_BYTES_MAX + 1), "1");
        let line = draft.line(&arrival("otlp"));
        assert_eq!((line.body.len(), line.attributes.len()), (BODY_BYTES_MAX, ATTRIBUTES_MAX + 1));
        assert_eq!(line.attributes[ATTRIBUTES_MAX], (CUT.to_owned(), (10 + 3 + 1 + 1).to_string()));
    }

    #[test]
    fn times() {
        let check = |value: Value, expected: Option<i64>| {
            assert_eq!(time(&value), expected.map(UnixMs), "{value}");
        };
        check(json!(1795345634.5709), Some(1_795_345_634_571));
        check(json!("1795345634.5709"), Some(1_795_345_634_571));
        check(json!(1_795_345_634_570_i64), Some(1_795_345_634_570));
        check(json!("1795345859205085440"), Some(1_795_345_859_205));
        check(json!("2026-11-22T10:00:00.123Z"), Some(1_795_341_600_123));
        check(json!("2026-11-22T10:00:00"), Some(1_795_341_600_000));
        check(json!("2026-11-22T12:00:00.5+0200"), Some(1_795_341_600_500));
        check(json!("2026-11-22T08:00:00-0200"), Some(1_795_341_600_000));
        check(json!(0.25), None);
        check(json!("yesterday"), None);
        check(json!("é"), None);
        check(json!(1e300), None);
        check(json!(true), None);
    }

    /// A short request must not become long lines without bound.
    #[test]
    fn what_lines_have_in_common_is_counted_for_each() {
        let mut draft = Draft::new(&arrival("otlp"));
        for index in 0..15 {
            draft.attribute(&index.to_string(), &"x".repeat(VALUE_BYTES_MAX));
        }
        let line = draft.line(&arrival("otlp"));
        let (mut gathered, mut count) = (Gathered::default(), 0);
        while gathered.push(line.clone()).is_ok() {
            count += 1;
        }
        assert_eq!(count, LINES_BYTES_MAX / size(&line));
    }

    proptest! {
        #[test]
        fn any_time_is_survived(text in ".{0,40}") {
            let _ = time(&Value::String(text));
        }
    }
}
