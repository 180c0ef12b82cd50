//! `/api/mw/v1/logs`: lines of logs, found, counted, put into context, watched as they come, and carried away.
//!
//! It reads only; how lines come in is `lines.rs`. Field names are those of the filter language
//! ([docs/logs.md](../../../../../docs/logs.md)). Its bias: what a page asks every time it is opened is one pass
//! over the store for each part of the page.

mod context;
mod export;
mod facets;
mod findings;
mod histogram;
mod patterns;
mod saved;
mod search;
mod tail;

use std::time::Duration;

use logs::knowledge::{self, Found};
use model::log::Line;
use serde_json::{Map, Value, json};
use store::events::{Aggregate, Hit, Key, Measure, QueryError, read_line};

pub(super) use self::{
    context::{LINES_AROUND_MAX, context},
    export::export,
    facets::facets,
    findings::findings,
    histogram::{COLUMNS_MAX, histogram},
    patterns::{PATTERNS_MAX, patterns},
    saved::{forget, list, save},
    search::{PAGE_MAX, search},
    tail::{MESSAGE_BYTES_MAX, TICKS, Tail, Watcher, tail},
};
pub(crate) use self::{
    export::{LINES_MAX, csv_header, csv_row},
    saved::SavedSearches,
    tail::TAILS_MAX,
};

/// How long a question may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A line that was found.
fn hit_json(hit: &Hit) -> Value {
    let mut line = line_json(&read_line(&hit.record));
    line["id"] = json!(hit.number.to_string());
    line
}

/// A line; what is not known is left out. What is stored has an `id` besides.
fn line_json(line: &Line) -> Value {
    let mut members = Map::new();
    members.insert("time".into(), json!(line.time.0));
    members.insert("severity".into(), json!(line.severity.map(|severity| severity.as_str())));
    members.insert("body".into(), json!(line.body));
    let origin = &*line.origin;
    for (name, value) in [
        ("source", &origin.source),
        ("origin", &origin.origin),
        ("host", &origin.host),
        ("service", &origin.service),
        ("engine", &origin.engine),
        ("instance", &origin.instance),
        ("model", &origin.model),
    ] {
        if !value.is_empty() {
            members.insert(name.into(), json!(value));
        }
    }
    if !line.attributes.is_empty() {
        let pairs = line.attributes.iter().map(|(name, value)| (name.clone(), json!(value)));
        members.insert("attributes".into(), Value::Object(pairs.collect()));
    }
    let known = known(&line.body);
    if !known.is_empty() {
        members.insert("known".into(), json!(known));
    }
    Value::Object(members)
}

/// What is known of a body, whose lines may each be known.
fn known(body: &str) -> Vec<Value> {
    let mut seen: Vec<&str> = Vec::new();
    let mut known = Vec::new();
    for found in body.lines().flat_map(knowledge::find) {
        if !seen.contains(&found.known.id) {
            seen.push(found.known.id);
            known.push(found_json(&found));
        }
    }
    known
}

fn found_json(found: &Found) -> Value {
    let [cause, remedy] = found.texts().map(|(en, zh)| json!({ "en": en, "zh": zh }));
    let mut value = json!({
        "code": found.known.id,
        "severity": found.known.severity.as_str(),
        "cause": cause,
        "remedy": remedy,
    });
    if let Some(link) = found.known.link {
        value["link"] = json!(link);
    }
    value
}

/// How many lines there are of each group: what they have in common, and their number.
fn counts(
    events: &store::events::Events,
    question: &Aggregate<'_>,
) -> Result<Vec<(Vec<Key>, u64)>, QueryError> {
    let question = Aggregate { measures: &[Measure::Count], ..question.clone() };
    let rows = events.aggregate(store::events::LINES, &question)?.rows;
    let count = |values: &[Option<f64>]| values.first().copied().flatten().unwrap_or_default();
    Ok(rows.into_iter().map(|row| (row.keys, count(&row.values) as u64)).collect())
}

/// The largest first; what is as large in the order of its name.
fn largest_first(groups: &mut [(Key, u64)]) {
    groups.sort_by(|(a_key, a), (b_key, b)| b.cmp(a).then_with(|| a_key.cmp(b_key)));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{
        UnixMs,
        log::{Origin, Severity},
    };

    use super::*;

    #[test]
    fn a_line_says_what_is_known_of_it_and_nothing_else() {
        let plain = Line {
            time: UnixMs(7),
            origin: Arc::default(),
            severity: None,
            body: "fine".to_owned(),
            attributes: Vec::new(),
            place: None,
        };
        assert_eq!(line_json(&plain), json!({ "time": 7, "severity": null, "body": "fine" }));
        let origin = Origin { host: "box".to_owned(), ..Origin::default() };
        let xid = "NVRM: Xid (PCI:0000:65:00): 79, pid=1, name=x, Ch 08";
        let known = Line {
            origin: Arc::new(origin),
            severity: Some(Severity::Error),
            body: format!("first\n{xid}\n{xid}"),
            attributes: vec![("a".to_owned(), "b".to_owned())],
            ..plain
        };
        let value = line_json(&known);
        assert_eq!(value["severity"], "error");
        assert_eq!(value["host"], "box");
        assert_eq!(value["attributes"], json!({ "a": "b" }));
        let found = value["known"].as_array().unwrap();
        assert_eq!((found.len(), &found[0]["code"]), (1, &json!("kernel.xid_79")));
        for text in ["/known/0/cause/en", "/known/0/cause/zh", "/known/0/remedy/en"] {
            assert!(
                value.pointer(text).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
            );
        }
    }
}
