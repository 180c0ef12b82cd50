//! A line with its labels, and what the steps of a pipeline do to it.

use std::borrow::Cow;

use model::{UnixMs, log::Line};
use serde_json::Value;

use super::logql::{Chosen, Format, LabelFilter, LineFilter, Matcher, Piece, Stage, Unwrap};

/// Labels of one line; further ones are left out.
const LABELS_MAX: usize = 256;
/// Where a label says that a step failed.
const ERROR: &str = "__error__";

/// Where a label is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// What lines of one stream have in common.
    Stream,
    /// What is known of one line besides: Loki calls it structured metadata.
    Line,
    /// What a step found in the line.
    Step,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Label {
    pub(super) name: Cow<'static, str>,
    pub(super) value: String,
    pub(super) kind: Kind,
}

/// The labels of a stream with their fields in the store, in the order of their names, as answers have them.
pub(super) const STREAM: [(&str, &str); 8] = [
    ("engine", "engine"),
    ("host", "host"),
    ("instance", "instance"),
    ("level", "severity"),
    ("model", "model"),
    ("origin", "origin"),
    ("service_name", "service"),
    ("source", "source"),
];

/// What the labels of a stream are called as well.
pub(super) const ALIASES: [(&str, &str); 3] =
    [("detected_level", "level"), ("service", "service_name"), ("severity", "level")];

/// The name that answers have.
pub(super) fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name)
}

/// The field of a label of streams.
pub(super) fn field(label: &str) -> Option<&'static str> {
    let label = canonical(label);
    STREAM.iter().find(|(name, _)| *name == label).map(|(_, field)| *field)
}

/// A name as labels may have it.
pub(super) fn sanitized(name: &str) -> String {
    let is_right = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let mut label: String = name.chars().map(|c| if is_right(c) { c } else { '_' }).collect();
    if label.starts_with(|c: char| c.is_ascii_digit()) {
        label.insert(0, '_');
    }
    label
}

/// A line on its way through a pipeline.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) time: UnixMs,
    pub(super) labels: Vec<Label>,
    pub(super) line: String,
    /// What `unwrap` made of a label.
    pub(super) number: Option<f64>,
}

impl Entry {
    pub(super) fn new(line: Line) -> Self {
        let origin = &line.origin;
        let mut labels = Vec::with_capacity(STREAM.len() + line.attributes.len());
        for (name, field) in STREAM {
            let value = match field {
                "engine" => origin.engine.as_str(),
                "host" => &origin.host,
                "instance" => &origin.instance,
                "severity" => line.severity.map_or("", |severity| severity.as_str()),
                "model" => &origin.model,
                "origin" => &origin.origin,
                "service" => &origin.service,
                _ => &origin.source,
            };
            if !value.is_empty() {
                let (name, value) = (Cow::Borrowed(name), value.to_owned());
                labels.push(Label { name, value, kind: Kind::Stream });
            }
        }
        let mut entry = Self { time: line.time, labels, line: line.body, number: None };
        for (name, value) in line.attributes {
            entry.add(&name, value, Kind::Line);
        }
        entry
    }

    /// A label that is not there is empty.
    pub(super) fn get(&self, name: &str) -> &str {
        let name = canonical(name);
        let found = self.labels.iter().find(|label| label.name == name);
        found.map_or("", |label| label.value.as_str())
    }

    /// Adds what was found. What the stream has keeps its name, and the first of two that were found counts.
    fn add(&mut self, name: &str, value: String, kind: Kind) {
        let mut name = sanitized(name);
        if canonical(&name) != name {
            name = canonical(&name).to_owned();
        }
        // The store knows our own fields by these names, whether a line has them or not.
        if kind == Kind::Line && field(&name).is_some() {
            name.push_str("_extracted");
        }
        if name.is_empty() || value.is_empty() || self.labels.len() >= LABELS_MAX {
            return;
        }
        match self.labels.iter().find(|label| label.name == name) {
            None => {}
            Some(known) if known.kind < kind => {
                name.push_str("_extracted");
                if self.labels.iter().any(|label| label.name == name) {
                    return;
                }
            }
            Some(_) => return,
        }
        self.labels.push(Label { name: name.into(), value, kind });
    }

    /// Sets a label whatever it was.
    fn set(&mut self, name: &str, value: String) {
        let name = canonical(name);
        self.labels.retain(|label| label.name != name);
        if !value.is_empty() && self.labels.len() < LABELS_MAX {
            self.labels.push(Label { name: name.to_owned().into(), value, kind: Kind::Step });
        }
    }

    fn fail(&mut self, error: &str, details: String) {
        if self.get(ERROR).is_empty() {
            self.set(ERROR, error.to_owned());
            self.set("__error_details__", details);
        }
    }

    /// What went wrong on the way, if anything.
    pub(super) fn error(&self) -> Option<&str> {
        Some(self.get(ERROR)).filter(|error| !error.is_empty())
    }

    pub(super) fn satisfies(&self, matchers: &[Matcher]) -> bool {
        matchers.iter().all(|matcher| matcher.matches(self.get(&matcher.label)))
    }

    /// Goes through the steps; whether the line is kept.
    pub(super) fn pass(&mut self, stages: &[Stage]) -> bool {
        stages.iter().all(|stage| self.step(stage))
    }

    fn step(&mut self, stage: &Stage) -> bool {
        match stage {
            Stage::Line(filter) => return filter.keeps(&self.line),
            Stage::Label(filter) => return self.keeps(filter),
            Stage::Json(wanted) => self.json(wanted),
            Stage::Logfmt(wanted) => self.logfmt(wanted),
            Stage::Regexp(regex) => {
                let line = std::mem::take(&mut self.line);
                if let Some(found) = regex.captures(&line) {
                    for name in regex.capture_names().flatten() {
                        let value = found.name(name).map(|value| value.as_str());
                        self.add(name, value.unwrap_or_default().to_owned(), Kind::Step);
                    }
                }
                self.line = line;
            }
            Stage::Pattern(pieces) => {
                for (name, value) in taken_apart(&self.line, pieces) {
                    self.add(&name, value, Kind::Step);
                }
            }
            Stage::LineFormat(pieces) => self.line = self.written(pieces),
            Stage::LabelFormat(formats) => {
                for (name, format) in formats {
                    match format {
                        Format::Text(pieces) => self.set(name, self.written(pieces)),
                        Format::Rename(from) => {
                            let value = self.get(from).to_owned();
                            self.labels.retain(|label| label.name != canonical(from));
                            self.set(name, value);
                        }
                    }
                }
            }
            Stage::Drop(chosen) => self.labels.retain(|label| !is_chosen(label, chosen)),
            Stage::Keep(chosen) => self
                .labels
                .retain(|label| is_chosen(label, chosen) || label.name.starts_with("__error")),
            Stage::Decolorize => self.line = without_colours(&self.line),
            Stage::Unwrap(unwrap) => return self.unwrap_label(unwrap),
        }
        true
    }

    fn keeps(&mut self, filter: &LabelFilter) -> bool {
        match filter {
            LabelFilter::Both(a, b) => self.keeps(a) && self.keeps(b),
            LabelFilter::Either(a, b) => self.keeps(a) || self.keeps(b),
            LabelFilter::Matches(matcher) => matcher.matches(self.get(&matcher.label)),
            LabelFilter::Compares { label, op, number, unit } => {
                let value = self.get(label);
                if value.is_empty() {
                    return false;
                }
                match unit.read(value) {
                    Some(found) => op.holds(found, *number),
                    None => {
                        let details = format!("{value:?} of {label} cannot be compared");
                        self.fail("LabelFilterErr", details);
                        true
                    }
                }
            }
        }
    }

    fn json(&mut self, wanted: &[(String, Vec<String>)]) {
        let parsed = match serde_json::from_str::<Value>(&self.line) {
            Ok(value @ Value::Object(_)) => value,
            Ok(_) => return self.fail("JSONParserErr", "the line is no JSON object".to_owned()),
            Err(error) => return self.fail("JSONParserErr", error.to_string()),
        };
        if wanted.is_empty() {
            return self.members("", &parsed);
        }
        for (name, path) in wanted {
            let step = |value: &Value, step: &String| match value {
                Value::Array(items) => items.get(step.parse::<usize>().ok()?).cloned(),
                other => other.get(step).cloned(),
            };
            let found = path.iter().try_fold(parsed.clone(), |value, at| step(&value, at));
            let text = match found {
                None | Some(Value::Null) => continue,
                Some(Value::String(text)) => text,
                Some(other) => other.to_string(),
            };
            self.add(name, text, Kind::Step);
        }
    }

    /// Objects in objects are joined by `_`, lists are left out.
    fn members(&mut self, before: &str, value: &Value) {
        let Value::Object(members) = value else { return };
        for (name, value) in members {
            let name = if before.is_empty() { name.clone() } else { format!("{before}_{name}") };
            match value {
                Value::Object(_) => self.members(&name, value),
                Value::String(text) => self.add(&name, text.clone(), Kind::Step),
                Value::Number(_) | Value::Bool(_) => self.add(&name, value.to_string(), Kind::Step),
                Value::Array(_) | Value::Null => {}
            }
        }
    }

    fn logfmt(&mut self, wanted: &[(String, String)]) {
        let line = std::mem::take(&mut self.line);
        for (name, value) in pairs(&line) {
            if wanted.is_empty() {
                self.add(name, value, Kind::Step);
                continue;
            }
            for (label, _) in wanted.iter().filter(|(_, wanted)| wanted == name) {
                self.add(label, value.clone(), Kind::Step);
            }
        }
        self.line = line;
    }

    fn written(&self, pieces: &[Piece]) -> String {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Label(Some(name)) if name == "__line__" => text.push_str(&self.line),
                Piece::Label(Some(name)) if name == "__timestamp__" => {
                    text.push_str(&crate::api::time::rfc3339(self.time));
                }
                Piece::Label(Some(name)) => text.push_str(self.get(name)),
                Piece::Label(None) => {}
            }
        }
        text
    }

    fn unwrap_label(&mut self, unwrap: &Unwrap) -> bool {
        let value = self.get(&unwrap.label).to_owned();
        if value.is_empty() {
            return false;
        }
        self.number = unwrap.unit.read(&value);
        if self.number.is_none() {
            let details = format!("{value:?} of {} is not such a number", unwrap.label);
            self.fail("SampleExtractionErr", details);
        } else {
            // Each of its values would be a series of its own.
            self.labels.retain(|label| label.name != canonical(&unwrap.label));
        }
        true
    }
}

impl LineFilter {
    pub(super) fn keeps(&self, line: &str) -> bool {
        self.texts.iter().any(|text| text.is_in(line)) != self.is_negative
    }
}

fn is_chosen(label: &Label, chosen: &[Chosen]) -> bool {
    chosen.iter().any(|chosen| {
        let is_right = |matcher: &Matcher| matcher.matches(&label.value);
        canonical(&chosen.label) == label.name && chosen.matcher.as_ref().is_none_or(is_right)
    })
}

/// The pairs of `a=b c="d e"`; what is no pair is passed over.
fn pairs(line: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if rest.is_empty() || found.len() == LABELS_MAX {
            return found;
        }
        let Some(value) = after.strip_prefix('=') else {
            rest = after;
            continue;
        };
        let (value, after) = match value.strip_prefix('"') {
            Some(inside) => unquoted(inside),
            None => {
                let end = value.find(char::is_whitespace).unwrap_or(value.len());
                let (value, after) = value.split_at(end);
                (value.to_owned(), after)
            }
        };
        if !name.is_empty() {
            found.push((name, value));
        }
        rest = after;
    }
}

/// Up to the quote that closes, and what follows it.
fn unquoted(inside: &str) -> (String, &str) {
    let mut text = String::new();
    let mut letters = inside.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (text, inside.get(at + 1..).unwrap_or_default()),
            '\\' => match letters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, other)) => text.push(other),
                None => break,
            },
            other => text.push(other),
        }
    }
    (text, "")
}

/// The values of the names of a pattern; those after the first text that is not there are not known.
fn taken_apart(line: &str, pieces: &[Piece]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = line;
    let mut open: Option<&Option<String>> = None;
    for piece in pieces {
        match piece {
            Piece::Label(name) => open = Some(name),
            Piece::Text(text) => {
                let Some((before, after)) = rest.split_once(text.as_str()) else { return found };
                match open.take() {
                    Some(Some(name)) => found.push((name.clone(), before.to_owned())),
                    Some(None) => {}
                    // What stands at the beginning.
                    None if !before.is_empty() => return found,
                    None => {}
                }
                rest = after;
            }
        }
    }
    if let Some(Some(name)) = open {
        found.push((name.clone(), rest.to_owned()));
    }
    found
}

/// Without the sequences by which terminals are told colours.
fn without_colours(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        text.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic());
        rest = end.and_then(|end| after.get(end + 1..)).unwrap_or_default();
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::log::{Origin, Severity};
    use proptest::prelude::*;

    use super::{
        super::logql::{Expr, parse},
        *,
    };

    fn line(body: &str) -> Line {
        let origin = Origin { host: "box".into(), service: "vllm".into(), ..Origin::default() };
        Line {
            time: UnixMs(1_000),
            origin: Arc::new(origin),
            severity: Some(Severity::Warn),
            body: body.into(),
            attributes: vec![("trace.id".into(), "4f".into()), ("engine".into(), "another".into())],
            place: None,
        }
    }

    fn passed(pipeline: &str, body: &str) -> Option<Entry> {
        let Expr::Log(log) = parse(&format!("{{}} {pipeline}")).unwrap() else { panic!() };
        let mut entry = Entry::new(line(body));
        entry.pass(&log.stages).then_some(entry)
    }

    #[test]
    fn lines_are_kept_or_not() {
        let check = |pipeline: &str, body: &str, expected: bool| {
            assert_eq!(passed(pipeline, body).is_some(), expected, "{pipeline} {body}");
        };
        check("|= `a.c`", "a.c", true);
        check("|= `a.c`", "abc", false);
        check("|= `A`", "a", false);
        check("|= `x` or `y`", "y", true);
        check("!= `x` or `y`", "y", false);
        check("|~ `a.c`", "xabcx", true);
        check("!~ `a.c`", "xabcx", false);
        check("| level=`warn` and detected_level=`warn`, severity=~`w.*`", "", true);
        check("| service_name=`vllm` | service=`vllm`", "", true);
        check("| trace_id=`4f`", "", true);
        check("| trace_id!=`4f` or host=`box`", "", true);
        check("| json | status >= 400", r#"{"status":500}"#, true);
        check("| json | status >= 400", r#"{"status":200}"#, false);
        check("| json | status >= 400", r#"{}"#, false);
        check("| logfmt | took > 250ms", "took=1.5s", true);
        check("| logfmt | size <= 20KB", "size=21KB", false);
        check("| json | __error__=``", "no json", false);
        check("| json | __error__=`JSONParserErr`", "no json", true);
        check("| json | __error__!=``", "[1]", true);
    }

    #[test]
    fn labels_are_found() {
        let check = |pipeline: &str, body: &str, label: &str, expected: &str| {
            let entry = passed(pipeline, body).unwrap();
            assert_eq!(entry.get(label), expected, "{pipeline} {body}");
        };
        check("| json", r#"{"a":{"b-c":1},"d":[1],"e":null,"f":true}"#, "a_b_c", "1");
        check("| json", r#"{"f":true}"#, "f", "true");
        check("| json", r#"{"d":[1]}"#, "d", "");
        check("| json", r#"{"host":"other"}"#, "host", "box");
        check("| json", r#"{"host":"other"}"#, "host_extracted", "other");
        check("| json x=`a.b[1]`", r#"{"a":{"b":[1,{"c":2}]}}"#, "x", r#"{"c":2}"#);
        check("| logfmt", r#"a=b junk c="d \"e\"" =x f="#, "c", "d \"e\"");
        check("| logfmt x=`a`", "a=b", "x", "b");
        check("| regexp `took (?P<ms>\\d+)`", "took 12 ms", "ms", "12");
        check("| pattern `<ip> - <_> \"<rest>\"`", "1.2.3.4 - x \"GET /\"", "rest", "GET /");
        check("| pattern `<ip> - <_> \"<rest>\"`", "1.2.3.4 - x GET /", "ip", "1.2.3.4");
        check("| label_format x=host, y=`{{.service}}!`", "", "x", "box");
        check("| label_format x=host, y=`{{.service}}!`", "", "y", "vllm!");
        check("| label_format x=host", "", "host", "");
        check("", "", "engine", "");
        check("", "", "engine_extracted", "another");
        check("| drop host", "", "host", "");
        check("| drop host=`other`", "", "host", "box");
        check("| keep level", "", "host", "");
        check("| keep level", "", "level", "warn");
    }

    #[test]
    fn lines_are_written_anew() {
        let check = |pipeline: &str, body: &str, expected: &str| {
            assert_eq!(passed(pipeline, body).unwrap().line, expected);
        };
        check("| line_format `{{.host}}: {{ __line__ }}{{.nothing}}`", "x", "box: x");
        check("| decolorize", "\u{1b}[31mred\u{1b}[0m, and", "red, and");
        check("| decolorize", "\u{1b}[", "");
    }

    proptest! {
        #[test]
        fn any_line_passes_any_step(body in ".{0,80}") {
            let pipeline = "| json | logfmt | regexp `(?P<x>.)` | pattern `<a> <b>=<c>` | decolorize";
            prop_assert!(passed(pipeline, &body).is_some());
        }
    }
}
