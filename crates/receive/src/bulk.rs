//! Elasticsearch's bulk API: NDJSON of actions and documents, answered item by item.
//!
//! Lines are kept as they came, so that there is nothing to update or to delete: an update that brings a whole
//! document of its own is taken as one, any other finds nothing. An index is kept as the attribute `_index`.

use model::log::Line;
use serde_json::{Map, Value, json};

use crate::{
    DecodeError, LINES_MAX,
    draft::{self, Arrival, Draft, Gathered},
};

/// Largest line of a request; a longer document is refused, a longer action the request.
const DOCUMENT_BYTES_MAX: usize = 2 << 20;

/// Bytes of an index or an id in an answer.
const NAME_BYTES_MAX: usize = 512;

/// What an item asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Index,
    Create,
    Update,
    Delete,
}

impl Action {
    fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Index, Self::Create, Self::Update, Self::Delete];
        all.into_iter().find(|action| action.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// What becomes of an item.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    /// Its line is kept, if lines are.
    Taken,
    /// Status, type and reason as Elasticsearch calls them.
    Refused(u16, &'static str, String),
    /// There is nothing to delete.
    NotFound,
}

#[derive(Clone, Debug, PartialEq)]
struct Item {
    action: Action,
    index: String,
    id: Option<String>,
    verdict: Verdict,
}

/// A request that was read.
#[derive(Debug, Default, PartialEq)]
pub struct Bulk {
    items: Vec<Item>,
    /// Of the items that are taken, in their order.
    pub lines: Vec<Line>,
}

/// Reads a request; `index` is the one that its path names. An error means that nothing can be taken.
pub fn decode(body: &[u8], index: &str, arrival: &Arrival) -> Result<Bulk, DecodeError> {
    let (mut bulk, mut gathered) = (Bulk::default(), Gathered::default());
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
    // rsyslog puts an empty line behind each document.
    let mut lines = lines.filter(|(_, line)| !line.is_empty());
    while let Some((number, line)) = lines.next() {
        if bulk.items.len() >= LINES_MAX {
            return Err(DecodeError::TooMany);
        }
        let mut item = action(line, index).ok_or_else(|| {
            let line = number + 1;
            DecodeError::Malformed(format!("Malformed action/metadata line [{line}]"))
        })?;
        if item.action == Action::Delete {
            item.verdict = Verdict::NotFound;
        } else {
            let (_, document) = lines.next().ok_or_else(|| {
                DecodeError::Malformed("The bulk request ends without a document".into())
            })?;
            match document_of(&item, document) {
                Ok(document) => gathered.push(line_of(&item, &document, arrival))?,
                Err(refused) => item.verdict = refused,
            }
        }
        bulk.items.push(item);
    }
    if bulk.items.is_empty() {
        return Err(DecodeError::Malformed("request body is required".into()));
    }
    bulk.lines = gathered.into_lines();
    Ok(bulk)
}

/// Reads a request that is one document.
pub fn decode_one(body: &[u8], index: &str, id: Option<&str>, arrival: &Arrival) -> Bulk {
    let name = |name: &str| name.chars().take(NAME_BYTES_MAX).collect::<String>();
    let (index, id) = (name(index), id.map(name));
    let mut item = Item { action: Action::Create, index, id, verdict: Verdict::Taken };
    let mut lines = Vec::new();
    match document_of(&item, body) {
        Ok(document) => lines.push(line_of(&item, &document, arrival)),
        Err(refused) => item.verdict = refused,
    }
    Bulk { items: vec![item], lines }
}

fn action(line: &[u8], index: &str) -> Option<Item> {
    if line.len() > DOCUMENT_BYTES_MAX {
        return None;
    }
    let Value::Object(members) = serde_json::from_slice(line).ok()? else { return None };
    let (name, about) = members.iter().next().filter(|_| members.len() == 1)?;
    let text = |name: &str| {
        let text = about.get(name).map(draft::text).filter(|text| !text.is_empty())?;
        Some(text.chars().take(NAME_BYTES_MAX).collect::<String>())
    };
    Some(Item {
        action: Action::from_name(name)?,
        index: text("_index").unwrap_or_else(|| index.to_owned()),
        id: text("_id"),
        verdict: Verdict::Taken,
    })
}

/// The document of an item that makes one.
fn document_of(item: &Item, bytes: &[u8]) -> Result<Map<String, Value>, Verdict> {
    if item.index.is_empty() {
        let reason = "Validation Failed: 1: index is missing;".to_owned();
        return Err(Verdict::Refused(400, "action_request_validation_exception", reason));
    }
    if bytes.len() > DOCUMENT_BYTES_MAX {
        let reason = format!("the document has more than {DOCUMENT_BYTES_MAX} bytes");
        return Err(Verdict::Refused(413, "illegal_argument_exception", reason));
    }
    let mut document = match serde_json::from_slice(bytes) {
        Ok(Value::Object(document)) => document,
        Ok(_) => return Err(unread("it is no object".into())),
        Err(error) => return Err(unread(error.to_string())),
    };
    if item.action != Action::Update {
        return Ok(document);
    }
    let is_whole = document.get("doc_as_upsert") == Some(&Value::Bool(true));
    let whole = document.remove(if is_whole { "doc" } else { "upsert" });
    match whole {
        Some(Value::Object(document)) => Ok(document),
        _ => {
            let id = item.id.as_deref().unwrap_or_default();
            let reason = format!("[{id}]: document missing; lines are kept as they came");
            Err(Verdict::Refused(404, "document_missing_exception", reason))
        }
    }
}

fn unread(reason: String) -> Verdict {
    Verdict::Refused(400, "document_parsing_exception", format!("failed to parse: {reason}"))
}

fn line_of(item: &Item, document: &Map<String, Value>, arrival: &Arrival) -> Line {
    let mut draft = Draft::new(arrival);
    draft.attribute("_index", &item.index);
    if let Some(id) = &item.id {
        draft.attribute("_id", id);
    }
    draft.document(document);
    draft.line(arrival)
}

impl Bulk {
    /// How many items are refused by themselves.
    pub fn refused(&self) -> usize {
        self.items.iter().filter(|item| matches!(item.verdict, Verdict::Refused(..))).count()
    }

    /// The answer once the lines are kept. Ids that were not given are made of `seed`, which differs from
    /// request to request.
    pub fn answer(&self, took_ms: u64, seed: u64) -> String {
        let items = self.items.iter().enumerate();
        let items: Vec<Value> = items.map(|(place, item)| item.answer(seed, place)).collect();
        json!({ "took": took_ms, "errors": self.refused() > 0, "items": items }).to_string()
    }
}

impl Bulk {
    /// The status and the answer to a request that is one document, once its line is kept.
    pub fn answer_one(&self, seed: u64) -> (u16, String) {
        let answer = self.items.first().map_or(Value::Null, |item| item.answer(seed, 0));
        let about = &answer[Action::Create.name()];
        let status = about["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        (status.unwrap_or(400), about.to_string())
    }
}

impl Item {
    fn answer(&self, seed: u64, place: usize) -> Value {
        let id = self.id.clone().unwrap_or_else(|| format!("{seed:016x}{place:04x}"));
        let mut about = json!({ "_index": self.index, "_id": id });
        let done = match &self.verdict {
            Verdict::Refused(status, kind, reason) => {
                json!({ "status": status, "error": { "type": kind, "reason": reason } })
            }
            Verdict::NotFound => json!({
                "_version": 1, "result": "not_found", "status": 404,
                "_shards": { "total": 1, "successful": 1, "failed": 0 },
            }),
            Verdict::Taken => json!({
                "_version": 1, "result": "created", "status": 201, "_seq_no": 0, "_primary_term": 1,
                "_shards": { "total": 1, "successful": 1, "failed": 0 },
            }),
        };
        if let (Value::Object(about), Value::Object(done)) = (&mut about, done) {
            about.extend(done);
        }
        json!({ self.action.name(): about })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        draft::tests::arrival,
        tests::{body, fixtures},
    };

    /// The bodies of the lines, and the statuses of the items.
    #[track_caller]
    fn check(body: &str, bodies: &[&str], statuses: &[(&str, u16)]) {
        let bulk = decode(body.as_bytes(), "path", &arrival("elasticsearch")).unwrap();
        let read: Vec<_> = bulk.lines.iter().map(|line| line.body.as_str()).collect();
        assert_eq!(read, bodies, "{body}");
        let answer: Value = serde_json::from_str(&bulk.answer(3, 1)).unwrap();
        let items = answer["items"].as_array().unwrap().iter().map(|item| {
            let (action, about) = item.as_object().unwrap().iter().next().unwrap();
            (action.as_str(), u16::try_from(about["status"].as_u64().unwrap()).unwrap())
        });
        assert_eq!(items.collect::<Vec<_>>(), statuses, "{body}");
    }

    #[test]
    fn captures() {
        for name in fixtures("elasticsearch") {
            let bulk = decode(&body(&name), "", &arrival("elasticsearch"));
            let index =
                if name.contains("logs-llm-default__bulk") { "logs-llm-default" } else { "" };
            let bulk = if index.is_empty() {
                bulk.unwrap()
            } else {
                decode(&body(&name), index, &arrival("elasticsearch")).unwrap()
            };
            let bodies: Vec<_> = bulk.lines.iter().map(|line| line.body.as_str()).collect();
            let expected: &[&str] = match name.split_once('/').unwrap().1 {
                "elasticsearch-py-9.5.1-put-_bulk.http" => {
                    &["slow first token", "línea \"UTF-8\" 模型"]
                }
                "elasticsearch-py-9.5.1-429-put-_bulk.http" => {
                    &["slow first token", "línea \"UTF-8\" 模型"]
                }
                "opensearch-py-3.2.0-post-logs-llm-default__bulk.http" => &["b"],
                "rsyslog-8.2302-post-_bulk.http" => &["slow first token model=qwen2.5-7b ttft=1.5"],
                "rsyslog-8.2302-post-_bulk-2.http" => {
                    &["línea 模型 \"quoted\" \\ back", "CUDA error: out of memory"]
                }
                _ => &["slow first token"],
            };
            assert_eq!(bodies, expected, "{name}");
            if name.contains("rsyslog") {
                let origin = &bulk.lines[0].origin;
                assert_eq!((&*origin.host, &*origin.service), ("vm", "vllm"));
                assert!(bulk.lines[0].time.0.abs_diff(1_795_345_640_000) < 2_000);
            }
        }
    }

    #[test]
    fn items_are_answered_one_by_one() {
        check(
            "{\"create\":{}}\n{\"message\":\"a\"}\n\n{\"index\":{\"_id\":\"1\"}}\n{\"n\":1}",
            &["a", "{\"n\":1}"],
            &[("create", 201), ("index", 201)],
        );
        check(
            "{\"index\":{}}\n{\"message\n{\"index\":{}}\n7\n{\"index\":{}}\n{\"log\":\"b\"}\n",
            &["b"],
            &[("index", 400), ("index", 400), ("index", 201)],
        );
        check(
            "{\"update\":{\"_id\":\"1\"}}\n{\"doc\":{\"n\":1}}\n{\"delete\":{\"_id\":\"1\"}}\n\
             {\"update\":{\"_id\":\"1\"}}\n{\"doc\":{\"msg\":\"c\"},\"doc_as_upsert\":true}\n\
             {\"update\":{\"_id\":\"1\"}}\n{\"script\":\"\",\"upsert\":{\"msg\":\"d\"}}\n",
            &["c", "d"],
            &[("update", 404), ("delete", 404), ("update", 201), ("update", 201)],
        );
        let long = format!("{{\"index\":{{}}}}\n{{\"m\":\"{}\"}}", "x".repeat(DOCUMENT_BYTES_MAX));
        check(&long, &[], &[("index", 413)]);
    }

    #[test]
    fn an_answer_has_what_clients_read() {
        let body = b"{\"create\":{\"_index\":\"a\"}}\n{\"message\":\"m\"}\n{\"index\":{}}\n{}\n";
        let bulk = decode(body, "", &arrival("elasticsearch")).unwrap();
        let answer: Value = serde_json::from_str(&bulk.answer(3, 0xabc)).unwrap();
        assert_eq!((&answer["took"], &answer["errors"]), (&json!(3), &json!(true)));
        let created = &answer["items"][0]["create"];
        assert_eq!((&created["_index"], &created["result"]), (&json!("a"), &json!("created")));
        assert_eq!(created["_id"], "0000000000000abc0000");
        let error = &answer["items"][1]["index"]["error"];
        assert_eq!(error["type"], "action_request_validation_exception");
    }

    #[test]
    fn one_document() {
        let check = |body: &str, id: Option<&str>, bodies: &[&str], status: u16, text: &str| {
            let bulk = decode_one(body.as_bytes(), "logs", id, &arrival("elasticsearch"));
            let read: Vec<_> = bulk.lines.iter().map(|line| line.body.as_str()).collect();
            let (found, answer) = bulk.answer_one(1);
            assert_eq!((read.as_slice(), found), (bodies, status), "{body}");
            assert!(answer.contains(text), "{answer}");
        };
        check("{\n \"message\": \"m\"\n}", None, &["m"], 201, "\"result\":\"created\"");
        check("{\"message\":\"m\"}", Some("7"), &["m"], 201, "\"_id\":\"7\"");
        check("{", None, &[], 400, "document_parsing_exception");
        check("", None, &[], 400, "document_parsing_exception");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let check = |body: &str, expected: &str| {
            let error = decode(body.as_bytes(), "", &arrival("elasticsearch")).unwrap_err();
            assert_eq!(error.to_string(), expected, "{body}");
        };
        check("", "request body is required");
        check("\n\n", "request body is required");
        check("{\"x\":{}}\n{}", "Malformed action/metadata line [1]");
        check("{}\n{}", "Malformed action/metadata line [1]");
        check("\n[]\n{}", "Malformed action/metadata line [2]");
        check("{\"index\":{}}\n", "The bulk request ends without a document");
        let many = "{\"delete\":{}}\n".repeat(LINES_MAX + 1);
        check(&many, &DecodeError::TooMany.to_string());
    }

    proptest! {
        #[test]
        fn anything_is_survived(bytes: Vec<u8>, text in "(\\{\"(index|delete|update)\":(\\{\\}|1)\\}|\\{\"a\":\\[?1|\n|\\}){0,12}") {
            for body in [&bytes, text.as_bytes()] {
                if let Ok(bulk) = decode(body, "i", &arrival("elasticsearch")) {
                    prop_assert!(bulk.lines.len() <= bulk.items.len());
                    let _ = bulk.answer(0, 0);
                }
            }
        }
    }
}
