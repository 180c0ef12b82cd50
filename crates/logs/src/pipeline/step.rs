//! The steps of pipelines: what each of them needs, and what it does.

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
};

use model::{
    catalogue::{self, Kind},
    log::{Line, Origin, Severity},
};
use regex::Regex;

use super::{
    Effect, Reading, StepText, compiled,
    field::{Field, set_attribute, severity},
    grok,
    layout::Layout,
    redact::Redaction,
};
use crate::{
    ATTRIBUTE_BYTES_MAX, Figure, RECORD_BYTES_MAX, access,
    fields::{self, named},
    patterns::masked,
};

type Bad = (&'static str, String);

/// Sorts of lines that a step tells apart; beyond them it begins anew.
const SORTS_MAX: usize = 10_000;
/// Longest name of a metric or label.
const NAME_BYTES_MAX: usize = 200;
/// Longest value of a label.
const LABEL_BYTES_MAX: usize = 128;
/// A metric with more labels is refused.
const LABELS_MAX: usize = 16;
/// Longest text that stands in the place of what is redacted.
const REPLACEMENT_BYTES_MAX: usize = 100;

/// What a step does.
#[derive(Debug)]
pub(super) enum Work {
    /// Gives fields what the groups of an expression match.
    Capture {
        kind: &'static str,
        from: Field,
        regex: Regex,
        fields: Vec<Option<Field>>,
    },
    /// Gives attributes what an object or pairs name.
    Facts {
        is_json: bool,
        from: Field,
        prefix: String,
    },
    Rename(Vec<(Field, Field)>),
    Set(Vec<(Field, Template)>),
    Remove(Vec<Field>),
    Drop(super::Condition),
    Redact {
        from: Option<Field>,
        redactions: Vec<Redaction>,
    },
    /// Says whose lines they are. Lines of one origin keep sharing it.
    Route {
        to: Vec<(Field, String)>,
        last: Mutex<Option<(Arc<Origin>, Arc<Origin>)>>,
    },
    Sample {
        every: u64,
        by: Option<By>,
        seen: Mutex<HashMap<u64, u64>>,
    },
    Severity {
        from: Field,
        names: Vec<(String, Severity)>,
    },
    Time {
        from: Field,
        layouts: Vec<Layout>,
    },
    Metric {
        name: String,
        kind: Kind,
        from: Option<Field>,
        labels: Vec<(String, Field)>,
    },
}

/// What makes two lines of one sort.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum By {
    /// The body without its values.
    Pattern,
    Field(Field),
}

/// A text with `${field}` for values.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Field(Field),
}

impl Template {
    fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after.split_once('}').ok_or_else(|| "a ${ has no }".to_owned())?;
            pieces.extend([Piece::Text(before.to_owned()), Piece::Field(Field::named(name)?)]);
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    fn fill(&self, line: &Line) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => Cow::Borrowed(text.as_str()),
            Piece::Field(field) => field.get(line).unwrap_or_default(),
        });
        pieces.collect()
    }
}

/// The keys that say what a step does, with those that may stand beside each.
const KINDS: [(&str, &[&str]); 14] = [
    ("regex", &["from"]),
    ("grok", &["from", "patterns"]),
    ("json", &["from", "prefix"]),
    ("logfmt", &["from", "prefix"]),
    ("rename", &[]),
    ("set", &[]),
    ("remove", &[]),
    ("drop", &[]),
    ("redact", &["from", "replacement"]),
    ("route", &[]),
    ("sample", &["by"]),
    ("severity", &["from"]),
    ("time", &["from"]),
    ("metric", &["from", "labels", "type"]),
];

impl Work {
    pub(super) fn compile(text: &StepText) -> Result<Self, Bad> {
        let kind = kind(text)?;
        let at = |reason: String| (kind, reason);
        let from = |default: &str| {
            let name = text.from.as_deref().unwrap_or(default);
            Field::named(name).map_err(|reason| ("from", reason))
        };
        let plain = |name: &Option<String>| name.clone().unwrap_or_default();
        Ok(match kind {
            "regex" | "grok" => {
                let from = from("body")?;
                Self::capture(kind, text, from)?
            }
            "json" | "logfmt" => {
                let (is_json, prefix) = (kind == "json", plain(&text.prefix));
                Self::Facts { is_json, from: from("body")?, prefix }
            }
            "rename" => {
                let pair =
                    |(from, to): &(String, String)| Ok((Field::named(from)?, Field::settable(to)?));
                Self::Rename(text.rename.iter().map(pair).collect::<Result<_, _>>().map_err(at)?)
            }
            "set" => {
                let pair = |(to, value): &(String, String)| {
                    Ok((Field::settable(to)?, Template::parse(value)?))
                };
                Self::Set(text.set.iter().map(pair).collect::<Result<_, _>>().map_err(at)?)
            }
            "remove" => Self::Remove(attributes(&text.remove).map_err(at)?),
            "drop" => Self::Drop(super::Condition::parse(&plain(&text.drop)).map_err(at)?),
            "redact" => {
                let replacement = text.replacement.as_deref();
                if replacement.is_some_and(|text| text.len() > REPLACEMENT_BYTES_MAX) {
                    let reason = format!("longer than {REPLACEMENT_BYTES_MAX} bytes");
                    return Err(("replacement", reason));
                }
                let redactions = text.redact.iter().map(|one| Redaction::parse(one, replacement));
                let redactions = redactions.collect::<Result<_, _>>().map_err(at)?;
                let from = text.from.as_deref().map(|_| from("body")).transpose()?;
                Self::Redact { from, redactions }
            }
            "route" => {
                Self::Route { to: origins(&text.route).map_err(at)?, last: Mutex::default() }
            }
            "sample" => Self::sample(text)?,
            "severity" => {
                let names = text.severity.iter().flatten().map(|(name, meaning)| {
                    let meaning = severity(meaning)
                        .ok_or_else(|| at(format!("{meaning:?} is not a severity")))?;
                    Ok((name.clone(), meaning))
                });
                let names = names.collect::<Result<_, Bad>>()?;
                Self::Severity { from: written(from("level")?), names }
            }
            "time" => {
                let examples = text.time.iter().flatten().map(|example| Layout::parse(example));
                let mut layouts: Vec<Layout> = examples.collect::<Result<_, _>>().map_err(at)?;
                if layouts.is_empty() {
                    layouts.push(Layout::Known);
                }
                Self::Time { from: written(from("time")?), layouts }
            }
            _ => Self::metric(text)?,
        })
    }

    fn capture(kind: &'static str, text: &StepText, from: Field) -> Result<Self, Bad> {
        let at = |reason: String| (kind, reason);
        let (regex, names) = match (&text.regex, &text.grok) {
            (_, Some(pattern)) => {
                grok::check_own(&text.patterns).map_err(|reason| ("patterns", reason))?;
                grok::compile(pattern, &text.patterns).map_err(at)?
            }
            (regex, None) => {
                let regex = compiled(regex.as_deref().unwrap_or_default()).map_err(at)?;
                let names = regex.capture_names().map(|name| name.map(str::to_owned)).collect();
                (regex, names)
            }
        };
        Ok(Self::Capture { kind, from, regex, fields: groups(names).map_err(at)? })
    }

    fn sample(text: &StepText) -> Result<Self, Bad> {
        let by = text.by.as_deref().map(|by| match by {
            "pattern" => Ok(By::Pattern),
            name => Field::named(name).map(By::Field),
        });
        let by = by.transpose().map_err(|reason| ("by", reason))?;
        let every = text.sample.unwrap_or(1).max(1);
        Ok(Self::Sample { every, by, seen: Mutex::default() })
    }

    fn metric(text: &StepText) -> Result<Self, Bad> {
        let name = text.metric.clone().unwrap_or_default();
        let kind = match text.kind.as_deref() {
            None | Some("gauge") => Kind::Gauge,
            Some("counter") => Kind::Counter,
            Some(other) => return Err(("type", format!("{other:?} is neither gauge nor counter"))),
        };
        if !is_metric_name(&name) {
            return Err(("metric", format!("{name:?} is not the name of a metric")));
        }
        if catalogue::find(&name).is_some() {
            return Err(("metric", "modelwatch has a metric of that name itself".into()));
        }
        if (kind == Kind::Counter) != name.ends_with("_total") {
            return Err(("metric", "the name of a counter, and no other, ends with _total".into()));
        }
        if kind == Kind::Gauge && text.from.is_none() {
            return Err(("metric", "a gauge needs from, the field with its value".into()));
        }
        if text.labels.len() > LABELS_MAX {
            return Err(("labels", format!("more than {LABELS_MAX} labels")));
        }
        let from = text.from.as_deref().map(Field::named).transpose();
        let labels = text.labels.iter().map(|(label, field)| {
            if !is_label_name(label) {
                return Err(format!("{label:?} is not the name of a label"));
            }
            Ok((label.clone(), Field::named(field)?))
        });
        let labels = labels.collect::<Result<_, _>>().map_err(|reason| ("labels", reason))?;
        Ok(Self::Metric { name, kind, from: from.map_err(|reason| ("from", reason))?, labels })
    }

    /// The key that says what it does.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Capture { kind, .. } => kind,
            Self::Facts { is_json: true, .. } => "json",
            Self::Facts { .. } => "logfmt",
            Self::Rename(_) => "rename",
            Self::Set(_) => "set",
            Self::Remove(_) => "remove",
            Self::Drop(_) => "drop",
            Self::Redact { .. } => "redact",
            Self::Route { .. } => "route",
            Self::Sample { .. } => "sample",
            Self::Severity { .. } => "severity",
            Self::Time { .. } => "time",
            Self::Metric { .. } => "metric",
        }
    }

    pub(super) fn run(
        &self,
        line: &mut Line,
        figures: &mut Vec<Figure>,
        reading: &Reading<'_>,
    ) -> Effect {
        let is_done = match self {
            Self::Capture { from, regex, fields, .. } => {
                capture(line, from, regex, fields, reading)
            }
            Self::Facts { is_json, from, prefix } => facts(line, *is_json, from, prefix),
            Self::Rename(pairs) => {
                let renamed = pairs.iter().filter(|(from, to)| rename(line, from, to, reading));
                renamed.count() > 0
            }
            Self::Set(pairs) => {
                let set = pairs.iter().filter(|(to, value)| {
                    let value = value.fill(line);
                    to.set(line, &value, reading)
                });
                set.count() > 0
            }
            Self::Remove(fields) => {
                fields.iter().filter(|field| field.take(line).is_some()).count() > 0
            }
            Self::Drop(condition) => {
                return if condition.holds(line) { Effect::Dropped } else { Effect::Missed };
            }
            Self::Redact { from, redactions } => redact(line, from.as_ref(), redactions, reading),
            Self::Route { to, last } => {
                route(line, to, last, reading);
                true
            }
            Self::Sample { every, by, seen } => return sample(line, *every, by.as_ref(), seen),
            Self::Severity { from, names } => {
                let found = from.get(line).and_then(|value| {
                    let own =
                        names.iter().find(|(name, _)| name.eq_ignore_ascii_case(value.trim()));
                    own.map(|(_, meaning)| *meaning).or_else(|| severity(&value))
                });
                line.severity = found.or(line.severity);
                found.is_some()
            }
            Self::Time { from, layouts } => {
                let seen = reading.seen(line.time);
                let value = from.get(line);
                let read = value
                    .and_then(|text| layouts.iter().find_map(|layout| layout.read(&text, &seen)));
                line.time = read.unwrap_or(line.time);
                read.is_some()
            }
            Self::Metric { name, kind, from, labels } => {
                let figure = figure(line, name, *kind, from.as_ref(), labels);
                let is_found = figure.is_some();
                figures.extend(figure);
                is_found
            }
        };
        if is_done { Effect::Done } else { Effect::Missed }
    }
}

/// What a step does: exactly one of the keys that say so.
fn kind(text: &StepText) -> Result<&'static str, Bad> {
    let given = |key: &str| match key {
        "regex" => text.regex.is_some(),
        "grok" => text.grok.is_some(),
        "json" => text.json == Some(true),
        "logfmt" => text.logfmt == Some(true),
        "rename" => !text.rename.is_empty(),
        "set" => !text.set.is_empty(),
        "remove" => !text.remove.is_empty(),
        "drop" => text.drop.is_some(),
        "redact" => !text.redact.is_empty(),
        "route" => !text.route.is_empty(),
        "sample" => text.sample.is_some(),
        "severity" => text.severity.is_some(),
        "time" => text.time.is_some(),
        "metric" => text.metric.is_some(),
        "from" => text.from.is_some(),
        "patterns" => !text.patterns.is_empty(),
        "prefix" => text.prefix.is_some(),
        "replacement" => text.replacement.is_some(),
        "by" => text.by.is_some(),
        "type" => text.kind.is_some(),
        _ => !text.labels.is_empty(),
    };
    let mut kinds = KINDS.iter().filter(|(kind, _)| given(kind));
    let Some((kind, options)) = kinds.next() else {
        let names: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
        return Err(("step", format!("it does nothing; give it one of {}", names.join(", "))));
    };
    if let Some((other, _)) = kinds.next() {
        return Err((other, format!("the step has {kind} already; make two steps of it")));
    }
    let all = ["from", "patterns", "prefix", "replacement", "by", "type", "labels"];
    match all.into_iter().find(|option| given(option) && !options.contains(option)) {
        Some(option) => Err((option, format!("it means nothing beside {kind}"))),
        None => Ok(kind),
    }
}

/// What a line says of its time or severity, where that was not understood: the attribute of that name.
fn written(from: Field) -> Field {
    match from {
        Field::Time => Field::Attribute("time".into()),
        Field::Severity => Field::Attribute("severity".into()),
        other => other,
    }
}

fn groups(names: Vec<Option<String>>) -> Result<Vec<Option<Field>>, String> {
    if names.iter().all(Option::is_none) {
        return Err("it has no named group, so that it gives no field a value".into());
    }
    names.into_iter().map(|name| name.map(|name| Field::settable(&name)).transpose()).collect()
}

fn attributes(names: &[String]) -> Result<Vec<Field>, String> {
    let fields = names.iter().map(|name| match Field::named(name)? {
        field @ Field::Attribute(_) => Ok(field),
        _ => Err(format!("{name} is no attribute and cannot be removed")),
    });
    fields.collect()
}

fn origins(pairs: &[(String, String)]) -> Result<Vec<(Field, String)>, String> {
    let pairs = pairs.iter().map(|(name, value)| match Field::named(name)? {
        field if field.is_of_origin() => Ok((field, value.clone())),
        _ => Err(format!("{name} is none of host, service, engine, instance, model")),
    });
    pairs.collect()
}

fn is_metric_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':');
    name.len() <= NAME_BYTES_MAX
        && name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':') && !name.starts_with("__") && name != "source"
}

fn capture(
    line: &mut Line,
    from: &Field,
    regex: &Regex,
    fields: &[Option<Field>],
    reading: &Reading<'_>,
) -> bool {
    let Some(text) = from.get(line) else { return false };
    let Some(captures) = regex.captures(&text) else { return false };
    let found = fields.iter().zip(captures.iter());
    let found = found.filter_map(|(field, found)| Some((field.as_ref()?, found?.as_str())));
    let found: Vec<(&Field, String)> =
        found.map(|(field, text)| (field, text.to_owned())).collect();
    for (field, value) in found {
        set_or_keep(line, field, &value, reading);
    }
    true
}

/// What is no time or severity is not lost: it becomes an attribute.
fn set_or_keep(line: &mut Line, field: &Field, value: &str, reading: &Reading<'_>) -> bool {
    if field.set(line, value, reading) {
        return true;
    }
    match field {
        Field::Time => set_attribute(line, "time", value),
        Field::Severity => set_attribute(line, "severity", value),
        _ => false,
    }
}

fn facts(line: &mut Line, is_json: bool, from: &Field, prefix: &str) -> bool {
    let Some(text) = from.get(line) else { return false };
    let found = if is_json {
        // Where nothing but an object may stand, there may be spaces around it.
        fields::json(text.trim()).filter(|_| text.trim_start().starts_with('{'))
    } else {
        Some(fields::logfmt(&text))
    };
    let mut facts = Vec::new();
    for field in found.unwrap_or_default() {
        named(field, &mut facts);
    }
    let facts: Vec<(String, String)> = facts
        .into_iter()
        .map(|(name, value)| (format!("{prefix}{name}"), value.into_owned()))
        .collect();
    facts.iter().filter(|(name, value)| set_attribute(line, name, value)).count() > 0
}

fn rename(line: &mut Line, from: &Field, to: &Field, reading: &Reading<'_>) -> bool {
    // What is not understood stays where it is.
    let Some(value) = from.get(line).map(Cow::into_owned) else { return false };
    let is_set = from == to || to.set(line, &value, reading);
    if is_set && from != to {
        from.take(line);
    }
    is_set
}

fn redact(
    line: &mut Line,
    from: Option<&Field>,
    redactions: &[Redaction],
    reading: &Reading<'_>,
) -> bool {
    let mut is_changed = false;
    for redaction in redactions {
        if let Some(field) = from {
            if let Some(text) = field.get(line).and_then(|text| redaction.apply(&text)) {
                is_changed |= field.set(line, &text, reading);
            }
            continue;
        }
        let texts = line.attributes.iter_mut().map(|(_, value)| (value, ATTRIBUTE_BYTES_MAX));
        for (text, bytes_max) in std::iter::once((&mut line.body, RECORD_BYTES_MAX)).chain(texts) {
            if let Some(changed) = redaction.apply(text) {
                *text = changed;
                text.truncate(text.floor_char_boundary(bytes_max));
                is_changed = true;
            }
        }
    }
    is_changed
}

fn route(
    line: &mut Line,
    to: &[(Field, String)],
    last: &Mutex<Option<(Arc<Origin>, Arc<Origin>)>>,
    reading: &Reading<'_>,
) {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, routed)) = last.as_ref().filter(|(from, _)| Arc::ptr_eq(from, &line.origin)) {
        line.origin = Arc::clone(routed);
        return;
    }
    let from = Arc::clone(&line.origin);
    for (field, value) in to {
        field.set(line, value, reading);
    }
    *last = Some((from, Arc::clone(&line.origin)));
}

/// The first of a sort is kept, and then one of so many. It says for how many it stands.
fn sample(line: &mut Line, every: u64, by: Option<&By>, seen: &Mutex<HashMap<u64, u64>>) -> Effect {
    let mut hasher = DefaultHasher::new();
    match by {
        None => {}
        Some(By::Pattern) => {
            line.body.split_whitespace().for_each(|word| masked(word).hash(&mut hasher))
        }
        Some(By::Field(field)) => field.get(line).hash(&mut hasher),
    }
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() >= SORTS_MAX {
        seen.clear();
    }
    let count = seen.entry(hasher.finish()).or_default();
    let is_kept = count.is_multiple_of(every);
    *count += 1;
    if !is_kept {
        return Effect::Dropped;
    }
    set_attribute(line, "sampled", &every.to_string());
    Effect::Done
}

fn figure(
    line: &Line,
    name: &str,
    kind: Kind,
    from: Option<&Field>,
    labels: &[(String, Field)],
) -> Option<Figure> {
    let value = match from {
        Some(field) => {
            let text = field.get(line)?;
            let number = text.trim().parse().ok().or_else(|| access::go_duration(&text));
            number.filter(|number: &f64| number.is_finite())?
        }
        None => 1.0,
    };
    // A counter never shrinks.
    let is_possible = kind != Kind::Counter || value >= 0.0;
    let labels = labels.iter().filter_map(|(label, field)| {
        let value = field.get(line)?;
        let value = value.get(..value.floor_char_boundary(LABEL_BYTES_MAX))?.to_owned();
        Some((label.clone().into(), value))
    });
    let labels = labels.collect();
    is_possible.then(|| Figure { metric: name.to_owned().into(), kind, labels, value })
}
