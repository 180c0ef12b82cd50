//! What fields are called by Elasticsearch's clients, and lines as documents in the Elastic Common Schema.

use std::{borrow::Cow, cell::OnceCell};

use model::log::{Line, Severity};
use serde_json::{Map, Value as Json, json};
use store::events::{Event as _, Filter, Record};

use crate::api::time::rfc3339;

/// A field of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Time,
    Body,
    /// A field of our own, by its name in the store.
    Known(&'static str),
    Attribute(String),
    Id,
    Index,
}

/// Fields in the order in which they are told of: the name, ours, and the names that mean the same.
const KNOWN: [(&str, &str, &[&str]); 8] = [
    ("log.level", "severity", &["severity", "level"]),
    ("host.name", "host", &["host", "host.hostname"]),
    ("service.name", "service", &["service"]),
    ("event.dataset", "source", &["source", "data_stream.dataset"]),
    ("log.file.path", "origin", &["origin"]),
    ("engine", "engine", &[]),
    ("instance", "instance", &[]),
    ("model", "model", &[]),
];

/// Our own names that documents have besides those of the schema; `host` and `service` are objects there.
const OWN: [&str; 3] = ["severity", "source", "origin"];

impl Field {
    pub(super) fn named(name: &str) -> Self {
        let name = name.strip_suffix(".keyword").unwrap_or(name);
        match name {
            "@timestamp" | "time" => Self::Time,
            "message" | "body" | "event.original" => Self::Body,
            "_id" => Self::Id,
            "_index" => Self::Index,
            "pattern" => Self::Known("pattern"),
            _ => {
                let is_known = |known: &&(&str, &str, &[&str])| {
                    known.0 == name || known.1 == name || known.2.contains(&name)
                };
                match KNOWN.iter().find(is_known) {
                    Some((_, field, _)) => Self::Known(field),
                    None => {
                        let name = name.strip_prefix("attributes.").unwrap_or(name);
                        Self::Attribute(name.to_owned())
                    }
                }
            }
        }
    }

    /// Before a colon in the filter language, if it can stand there.
    pub(super) fn in_filter(&self) -> Option<String> {
        let is_right = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
        match self {
            Self::Body => Some("body".to_owned()),
            Self::Known(field) => Some((*field).to_owned()),
            Self::Attribute(name) if !name.is_empty() && name.chars().all(is_right) => {
                Some(format!("attributes.{name}"))
            }
            _ => None,
        }
    }

    /// Lines can be counted by it without being read.
    pub(super) fn is_groupable(&self) -> bool {
        matches!(self, Self::Known(_))
    }
}

/// A level as it is kept, whatever it was called.
pub(super) fn level(value: &str) -> String {
    let value = value.to_ascii_lowercase();
    match value.as_str() {
        "warning" => "warn",
        "err" => "error",
        "critical" | "crit" | "alert" | "emerg" | "emergency" | "panic" => "fatal",
        "notice" | "information" | "informational" => "info",
        other => other,
    }
    .to_owned()
}

/// A line that is looked at.
pub(super) struct Doc {
    pub(super) number: u64,
    pub(super) line: Line,
    record: OnceCell<Record>,
    /// So many lines, which are alike in what is looked at.
    pub(super) count: u64,
}

impl Doc {
    pub(super) fn new(number: u64, line: Line) -> Self {
        Self { number, line, record: OnceCell::new(), count: 1 }
    }

    pub(super) fn matches(&self, filter: &Filter) -> bool {
        filter.matches(self.record.get_or_init(|| self.line.record()))
    }

    pub(super) fn id(&self) -> String {
        format!("{}-{:x}", self.line.time.0, self.number)
    }

    pub(super) fn index(&self) -> String {
        index_of(&self.line.origin.source)
    }

    /// As text; nothing where it is not known.
    pub(super) fn text(&self, field: &Field) -> Option<Cow<'_, str>> {
        let origin = &self.line.origin;
        let text = match field {
            Field::Time => return Some(rfc3339(self.line.time).into()),
            Field::Id => return Some(self.id().into()),
            Field::Index => return Some(self.index().into()),
            Field::Body => &self.line.body,
            Field::Known("severity") => {
                return self.line.severity.map(|severity| severity.as_str().into());
            }
            Field::Known("host") => &origin.host,
            Field::Known("service") => &origin.service,
            Field::Known("source") => &origin.source,
            Field::Known("origin") => &origin.origin,
            Field::Known("engine") => &origin.engine,
            Field::Known("instance") => &origin.instance,
            Field::Known("model") => &origin.model,
            Field::Known("pattern") => return Some(store::events::pattern(&self.line.body)),
            Field::Known(_) => return None,
            Field::Attribute(name) => {
                let mut found = self.line.attributes.iter().filter(|(known, _)| known == name);
                return found.next().map(|(_, value)| value.as_str().into());
            }
        };
        (!text.is_empty()).then(|| text.as_str().into())
    }

    /// As a number, where it is one.
    pub(super) fn number(&self, field: &Field) -> Option<f64> {
        if *field == Field::Time {
            return Some(self.line.time.0 as f64);
        }
        self.text(field)?.trim().parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// The document.
    pub(super) fn source(&self) -> Map<String, Json> {
        let mut source = Map::new();
        source.insert("@timestamp".to_owned(), json!(rfc3339(self.line.time)));
        source.insert("message".to_owned(), json!(self.line.body));
        for (name, field, _) in KNOWN {
            if let Some(value) = self.text(&Field::Known(field)) {
                put(&mut source, name, json!(value));
                if OWN.contains(&field) {
                    source.insert(field.to_owned(), json!(value));
                }
            }
        }
        for (name, value) in &self.line.attributes {
            if matches!(Field::named(name), Field::Attribute(_)) && !source.contains_key(name) {
                source.insert(name.clone(), json!(value));
            }
        }
        source
    }

    /// The values of all its fields, by their names.
    pub(super) fn flat(&self) -> Vec<(String, Json)> {
        let mut flat = Vec::new();
        flatten(&mut flat, "", &Json::Object(self.source()));
        flat
    }
}

/// Puts a value where the dots of its name say.
fn put(into: &mut Map<String, Json>, name: &str, value: Json) {
    match name.split_once('.') {
        None => {
            into.insert(name.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = into.entry(first).or_insert_with(|| json!({}));
            if let Json::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn flatten(into: &mut Vec<(String, Json)>, before: &str, value: &Json) {
    let Json::Object(members) = value else { return };
    for (name, value) in members {
        let name = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
        match value {
            Json::Object(_) => flatten(into, &name, value),
            other => into.push((name, other.clone())),
        }
    }
}

/// The fields that documents have, with their types in Elasticsearch; attributes are known from lines.
pub(super) fn described() -> Vec<(String, &'static str)> {
    let mut fields = vec![("@timestamp".to_owned(), "date"), ("message".to_owned(), "text")];
    fields.extend(KNOWN.iter().map(|(name, ..)| ((*name).to_owned(), "keyword")));
    fields.extend(OWN.iter().map(|name| ((*name).to_owned(), "keyword")));
    fields
}

/// Fields as a mapping has them, one in another.
pub(super) fn mapping(fields: &[(String, &'static str)]) -> Json {
    let mut properties = Map::new();
    for (name, kind) in fields {
        let path = name.replace('.', ".properties.");
        let mut described = json!({ "type": kind });
        if *kind == "text" {
            described["fields"] = json!({ "keyword": { "type": "keyword", "ignore_above": 1024 } });
        }
        put(&mut properties, &path, described);
    }
    json!({ "properties": properties })
}

/// The index that lines of a source are told to be in.
pub(super) fn index_of(source: &str) -> String {
    let source = if source.is_empty() { "other" } else { source };
    let is_right = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let name: String = source.chars().map(|c| if is_right(c) { c } else { '_' }).collect();
    format!("logs-{}-default", name.to_lowercase())
}

/// Whether a name is what a pattern with `*` says.
pub(super) fn is_like(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// Whether a level is one that lines may have.
pub(super) fn severity(value: &str) -> Option<Severity> {
    Severity::from_name(value)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{UnixMs, log::Origin};

    use super::*;

    #[test]
    fn a_line_is_a_document_of_the_schema() {
        let origin = Origin {
            source: "file".into(),
            origin: "/var/log/x".into(),
            host: "box".into(),
            ..Origin::default()
        };
        let line = Line {
            time: UnixMs(1_700_000_000_123),
            origin: Arc::new(origin),
            severity: Some(Severity::Warn),
            body: "hello".into(),
            attributes: vec![
                ("http.status".into(), "500".into()),
                ("host.name".into(), "another".into()),
                ("message".into(), "another".into()),
            ],
            place: None,
        };
        let doc = Doc::new(255, line);
        assert_eq!(
            Json::Object(doc.source()),
            json!({
                "@timestamp": "2023-11-14T22:13:20.123Z",
                "message": "hello",
                "log": { "level": "warn", "file": { "path": "/var/log/x" } },
                "host": { "name": "box" },
                "event": { "dataset": "file" },
                "severity": "warn",
                "source": "file",
                "origin": "/var/log/x",
                "http.status": "500",
            })
        );
        assert_eq!(doc.id(), "1700000000123-ff");
        assert_eq!(doc.index(), "logs-file-default");
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(doc.text(&Field::named(name)).as_deref(), expected, "{name}");
        };
        check("host.name.keyword", Some("box"));
        check("level", Some("warn"));
        check("http.status", Some("500"));
        check("attributes.http.status", Some("500"));
        check("engine", None);
        check("nothing", None);
        assert_eq!(doc.number(&Field::named("http.status")), Some(500.0));
        assert_eq!(doc.number(&Field::named("message")), None);
    }

    #[test]
    fn names_like_patterns() {
        let check = |name: &str, pattern: &str, expected: bool| {
            assert_eq!(is_like(name, pattern), expected, "{name} {pattern}");
        };
        check("logs-file-default", "logs-*", true);
        check("logs-file-default", "*", true);
        check("logs-file-default", "logs-*-default", true);
        check("logs-file-default", "logs-*-other", false);
        check("logs-file-default", "logs-file-default", true);
        check("logs-file-default", "logs", false);
        check("ab", "ab*b", false);
        check("", "", true);
    }
}
