//! Documents that match, and what aggregations tell of them.

use std::ops::ControlFlow;

use axum::http::StatusCode;
use model::{UnixMs, series::Budget};
use serde_json::{Map, Value as Json, json};
use store::events::Events;

use super::{
    Answered, Asked, Failure, aggregate, dates,
    describe::index_filter,
    fields::{Doc, Field, is_like},
    lucene,
    query::{Node, Plan, Reader, each, scalar},
};
use crate::{
    api::{
        scan::{self, Scan},
        time::rfc3339,
    },
    wire::App,
};

/// Furthest document of an answer, as in Elasticsearch.
const WINDOW_MAX: usize = 10_000;
/// How exactly documents are counted where each has to be looked at.
const TOTAL_MAX: u64 = 10_000;
/// Most bytes of the messages of an answer; it is cut there.
const BYTES_MAX: usize = 64 << 20;
/// Searches of one request.
const SEARCHES_MAX: usize = 100;

/// A search that is understood.
struct Search {
    plan: Plan,
    aggs: Vec<aggregate::Agg>,
    from: usize,
    size: usize,
    sort: Sort,
    after: Option<(UnixMs, Option<u64>)>,
    is_total_wanted: bool,
    words: Vec<String>,
    shown: Shown,
}

/// By time, whatever else is named behind it.
struct Sort {
    is_newest_first: bool,
    /// What each document tells of where it stands: `true` the time, `false` its number.
    keys: Vec<bool>,
}

/// What is told of each document.
#[derive(Default)]
struct Shown {
    has_source: bool,
    includes: Vec<String>,
    excludes: Vec<String>,
    /// Names or patterns, with the format of times.
    fields: Vec<(String, Option<String>)>,
    /// What is put before and after words that were looked for.
    highlight: Option<(String, String)>,
}

pub(super) fn search(app: &App, budget: &Budget, asked: &Asked) -> Answered {
    let mut body = asked.json()?;
    for name in ["size", "from", "sort", "track_total_hits", "_source"] {
        if let (Some(value), Json::Null) = (asked.parameter(name), &body[name]) {
            body[name] = match name {
                "sort" => json!(value.split(',').map(sort_parameter).collect::<Vec<_>>()),
                "_source" if value.contains(',') => json!(value.split(',').collect::<Vec<_>>()),
                _ => serde_json::from_str(&value).unwrap_or_else(|_| json!(value)),
            };
        }
    }
    let text = asked.parameter("q");
    let mut answer = one(app, budget, &asked.index, &body, text.as_deref(), is_lenient(asked))?;
    if asked.has_flag("rest_total_hits_as_int") {
        answer["hits"]["total"] = answer["hits"]["total"]["value"].take();
    }
    Ok(answer)
}

/// `field:desc`
fn sort_parameter(text: &str) -> Json {
    match text.split_once(':') {
        Some((field, way)) => json!({ field: way }),
        None => json!(text),
    }
}

fn is_lenient(asked: &Asked) -> bool {
    asked.has_flag("ignore_unavailable")
}

/// Searches line by line: whose index, and which.
pub(super) fn several(app: &App, budget: &Budget, asked: &Asked) -> Answered {
    let begun = app.clock.monotonic();
    let mut lines = asked.body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut answers = Vec::new();
    loop {
        let Some(head) = lines.next() else { break };
        let Some(body) = lines.find(|line| !line.is_empty()) else {
            if head.is_empty() {
                break;
            }
            return Err(Failure::unreadable("a search is missing behind its header"));
        };
        if answers.len() == SEARCHES_MAX {
            return Err(Failure::bad(format!("there are more than {SEARCHES_MAX} searches")));
        }
        let read = |line: &[u8]| match line {
            [] => Ok(json!({})),
            line => serde_json::from_slice::<Json>(line)
                .map_err(|error| Failure::unreadable(format!("a line is no JSON: {error}"))),
        };
        let (head, body) = (read(head)?, read(body)?);
        let named: Vec<&str> = each(&head["index"]).iter().filter_map(Json::as_str).collect();
        let index = if named.is_empty() { asked.index.clone() } else { named.join(",") };
        let is_lenient = is_lenient(asked) || head["ignore_unavailable"] == true;
        answers.push(match one(app, budget, &index, &body, None, is_lenient) {
            Ok(mut answer) => {
                answer["status"] = json!(200);
                answer
            }
            Err(failure) => failure.json(),
        });
    }
    if answers.is_empty() {
        return Err(Failure::bad("Validation Failed: 1: no requests added;"));
    }
    let took = app.clock.monotonic().saturating_sub(begun).as_millis() as u64;
    Ok(json!({ "took": took, "responses": answers }))
}

pub(super) fn count(app: &App, budget: &Budget, asked: &Asked) -> Answered {
    let (body, text) = (asked.json()?, asked.parameter("q"));
    let body = json!({ "query": body["query"], "size": 0, "track_total_hits": true });
    let answer = one(app, budget, &asked.index, &body, text.as_deref(), is_lenient(asked))?;
    Ok(json!({ "count": answer["hits"]["total"]["value"], "_shards": shards() }))
}

/// One document by its id.
pub(super) fn document(app: &App, budget: &Budget, asked: &Asked) -> Answered {
    let id = asked.uri.path().rsplit('/').next().unwrap_or_default();
    let body = json!({ "query": { "ids": { "values": [id] } }, "size": 1 });
    let mut answer = one(app, budget, &asked.index, &body, None, true)?;
    let hit = answer["hits"]["hits"][0].take();
    if hit.is_null() {
        let reason = format!("there is no document {id}");
        let status = StatusCode::NOT_FOUND;
        return Err(Failure { status, kind: "resource_not_found_exception", reason });
    }
    if asked.uri.path().contains("/_source/") {
        return Ok(hit["_source"].clone());
    }
    Ok(json!({ "_index": hit["_index"], "_id": id, "found": true, "_source": hit["_source"] }))
}

fn shards() -> Json {
    json!({ "total": 1, "successful": 1, "skipped": 0, "failed": 0 })
}

fn one(
    app: &App,
    budget: &Budget,
    index: &str,
    body: &Json,
    text: Option<&str>,
    is_lenient: bool,
) -> Answered {
    let begun = app.clock.monotonic();
    let events = app.store.events();
    let indices = index_filter(events, budget, index, is_lenient)?;
    let search = understand(app.clock.now(), body, text, indices)?;
    let mut answer = found(events, budget, &search)?;
    let took = app.clock.monotonic().saturating_sub(begun).as_millis() as u64;
    answer["took"] = json!(took);
    Ok(answer)
}

fn understand(
    now: UnixMs,
    body: &Json,
    text: Option<&str>,
    indices: Node,
) -> Result<Search, Failure> {
    let mut reader = Reader::new(now);
    let mut nodes = vec![indices];
    if !body["query"].is_null() {
        nodes.push(reader.read(&body["query"]).map_err(Failure::unreadable)?);
    }
    if let Some(text) = text {
        nodes.push(lucene::read(&mut reader, text, false, &[]).map_err(Failure::unreadable)?);
    }
    for name in ["post_filter", "knn", "collapse", "rescore", "pit"] {
        if !body[name].is_null() {
            return Err(Failure::bad(format!("[{name}] is not understood here")));
        }
    }
    let words = std::mem::take(&mut reader.words);
    let aggs = if body["aggs"].is_null() { &body["aggregations"] } else { &body["aggs"] };
    let aggs = aggregate::read(&mut reader, aggs).map_err(Failure::bad)?;
    let number = |name: &str, otherwise: usize| match scalar(&body[name]) {
        None => Ok(otherwise),
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| Failure::bad(format!("[{name}] must be a whole number, not [{text}]"))),
    };
    let (from, size) = (number("from", 0)?, number("size", 10)?);
    if from.saturating_add(size) > WINDOW_MAX {
        return Err(Failure::bad(format!(
            "Result window is too large, from + size must be less than or equal to: [{WINDOW_MAX}]; go on with \
             search_after"
        )));
    }
    let sort = sort(&body["sort"])?;
    let after = after(&body["search_after"], &sort, now)?;
    let is_total_wanted = body["track_total_hits"] != false;
    let shown = shown(body);
    let plan = Plan::new(Node::and(nodes));
    Ok(Search { plan, aggs, from, size, sort, after, is_total_wanted, words, shown })
}

fn sort(given: &Json) -> Result<Sort, Failure> {
    let mut found: Vec<(String, bool)> = Vec::new();
    for part in each(given) {
        match part {
            Json::String(name) => found.push((name.clone(), name == "_score")),
            Json::Object(members) => {
                for (name, way) in members {
                    let way = way.as_str().or_else(|| way["order"].as_str());
                    let is_descending = way.map_or(name == "_score", |way| way == "desc");
                    found.push((name.clone(), is_descending));
                }
            }
            _ => return Err(Failure::bad("[sort] must name fields")),
        }
    }
    let (mut keys, mut is_newest_first) = (Vec::new(), true);
    let mut has_time = false;
    // A map of several is in no order of its own; the time counts.
    for (name, is_descending) in &found {
        let is_time = Field::named(name) == Field::Time;
        if is_time && !has_time {
            (is_newest_first, has_time) = (*is_descending, true);
        }
        if !is_time && !matches!(name.as_str(), "_doc" | "_score" | "_shard_doc" | "_id") {
            return Err(Failure::bad(format!(
                "documents are sorted by @timestamp here, not by [{name}]"
            )));
        }
        keys.push(is_time);
    }
    if given.is_object() {
        // The time first, whatever the order in which it was written.
        keys.sort_by_key(|is_time| !is_time);
    }
    Ok(Sort { is_newest_first, keys })
}

/// The place behind which an answer goes on: a time, and the number of a document of that time.
fn after(given: &Json, sort: &Sort, now: UnixMs) -> Result<Option<(UnixMs, Option<u64>)>, Failure> {
    let Json::Array(values) = given else { return Ok(None) };
    let (mut time, mut number) = (None, None);
    for (value, is_time) in values.iter().zip(&sort.keys) {
        let text = scalar(value).unwrap_or_default();
        if *is_time {
            time = time.or(dates::time(&text, now, false));
        } else {
            number = number.or(text.parse().ok());
        }
    }
    match time {
        Some(time) => Ok(Some((time, number))),
        None => Err(Failure::bad(
            "[search_after] needs the time of the last document, as its sort says",
        )),
    }
}

fn shown(body: &Json) -> Shown {
    let list = |value: &Json| -> Vec<String> {
        each(value).iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let mut shown = Shown { has_source: true, ..Shown::default() };
    match &body["_source"] {
        Json::Bool(has_source) => shown.has_source = *has_source,
        Json::Object(parts) => {
            let part = |names: [&str; 2]| names.iter().find_map(|name| parts.get(*name)).map(list);
            shown.includes = part(["includes", "include"]).unwrap_or_default();
            shown.excludes = part(["excludes", "exclude"]).unwrap_or_default();
        }
        other => shown.includes = list(other),
    }
    for field in each(&body["fields"]).iter().chain(each(&body["docvalue_fields"])) {
        let name = field.as_str().or_else(|| field["field"].as_str()).unwrap_or_default();
        let format = field["format"].as_str().map(str::to_owned);
        if !shown.fields.iter().any(|(known, _)| known == name) {
            shown.fields.push((name.to_owned(), format));
        }
    }
    if body["highlight"]["fields"].is_object() || body["highlight"]["fields"].is_array() {
        let tag = |name: &str, otherwise: &str| {
            let given = each(&body["highlight"][name]).first().and_then(Json::as_str);
            given.unwrap_or(otherwise).to_owned()
        };
        shown.highlight = Some((tag("pre_tags", "<em>"), tag("post_tags", "</em>")));
    }
    shown
}

fn found(events: &Events, budget: &Budget, search: &Search) -> Answered {
    let plan = &search.plan;
    let is_whole = plan.is_whole();
    let mut total = None;
    if search.is_total_wanted && is_whole {
        let rows = scan::counts(events, &plan.filter, plan.range, &[], budget)?;
        total = Some((rows.iter().map(|(_, count)| count).sum::<u64>(), true));
    }
    let must_count = search.is_total_wanted && !is_whole;
    let (mut hits, mut matched, mut skipped) = (Vec::new(), 0_u64, 0);
    let (mut is_cut, mut bytes) = (false, 0);
    if (search.size > 0 || must_count) && plan.rest != Node::Nothing {
        let mut range = plan.range;
        if let (Some((time, _)), false) = (search.after, must_count) {
            match search.sort.is_newest_first {
                true => range.end = range.end.min(time),
                false => range.start = range.start.max(time),
            }
        }
        let scan = Scan {
            events,
            filter: &plan.filter,
            range,
            is_newest_first: search.sort.is_newest_first,
            wanted: is_whole.then_some(search.from + search.size + 1),
            budget,
        };
        let scanned = scan.each(|number, line| {
            let doc = Doc::new(number, line);
            if !plan.rest.matches(&doc) {
                return ControlFlow::Continue(());
            }
            matched += 1;
            if hits.len() < search.size && is_behind(search, &doc) {
                if skipped == search.from {
                    bytes += doc.line.body.len();
                    hits.push(hit(search, &doc));
                } else {
                    skipped += 1;
                }
            }
            let is_counted = !must_count || matched > TOTAL_MAX;
            match hits.len() == search.size && is_counted || bytes > BYTES_MAX {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        is_cut = scanned.is_cut || bytes > BYTES_MAX;
    }
    if must_count {
        let is_exact = matched <= TOTAL_MAX && !is_cut;
        total = Some((matched.min(TOTAL_MAX), is_exact));
    }
    let mut answer = json!({ "took": 0, "timed_out": false, "_shards": shards() });
    let is_sorted = !search.sort.keys.is_empty();
    let score = if is_sorted || hits.is_empty() { Json::Null } else { json!(1.0) };
    let mut told = json!({ "max_score": score, "hits": hits });
    if let Some((value, is_exact)) = total {
        told["total"] = json!({ "value": value, "relation": if is_exact { "eq" } else { "gte" } });
    }
    answer["hits"] = told;
    if !search.aggs.is_empty() {
        let (answers, is_agg_cut) = aggregate::work_out(events, plan, &search.aggs, budget)?;
        is_cut |= is_agg_cut;
        answer["aggregations"] = Json::Object(answers);
    }
    if is_cut {
        // Not all lines were read; it is how Elasticsearch says so.
        answer["timed_out"] = json!(true);
        answer["terminated_early"] = json!(true);
    }
    Ok(answer)
}

/// Whether a document comes after the place where the answer goes on.
fn is_behind(search: &Search, doc: &Doc) -> bool {
    let Some((time, number)) = search.after else { return true };
    let own = (doc.line.time, doc.number);
    let other = (time, number.unwrap_or(if search.sort.is_newest_first { 0 } else { u64::MAX }));
    if search.sort.is_newest_first { own < other } else { own > other }
}

fn hit(search: &Search, doc: &Doc) -> Json {
    let keys = &search.sort.keys;
    let mut hit = json!({ "_index": doc.index(), "_id": doc.id() });
    hit["_score"] = if keys.is_empty() { json!(1.0) } else { Json::Null };
    let shown = &search.shown;
    if shown.has_source {
        let source = doc.source();
        hit["_source"] = match shown.includes.is_empty() && shown.excludes.is_empty() {
            true => Json::Object(source),
            false => Json::Object(chosen(shown, "", source)),
        };
    }
    if !shown.fields.is_empty() {
        let fields = fields(shown, doc);
        if !fields.is_empty() {
            hit["fields"] = Json::Object(fields);
        }
    }
    if let Some((before, after)) = &shown.highlight {
        let message = &doc.line.body;
        if let Some(marked) = marked(message, &search.words, before, after) {
            hit["highlight"] = json!({ "message": [marked] });
        }
    }
    if !keys.is_empty() {
        let value =
            |is_time: &bool| if *is_time { json!(doc.line.time.0) } else { json!(doc.number) };
        hit["sort"] = keys.iter().map(value).collect();
    }
    hit
}

/// The members that are asked for, or not left out.
fn chosen(shown: &Shown, before: &str, members: Map<String, Json>) -> Map<String, Json> {
    let mut kept = Map::new();
    for (name, value) in members {
        let path = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
        let names = |patterns: &[String]| {
            patterns
                .iter()
                .any(|pattern| is_like(&path, pattern) || is_like(&path, &format!("{pattern}.*")))
        };
        match value {
            Json::Object(inner) if !names(&shown.excludes) => {
                let inner = chosen(shown, &path, inner);
                if !inner.is_empty() {
                    kept.insert(name, Json::Object(inner));
                }
            }
            value => {
                let is_in = shown.includes.is_empty() || names(&shown.includes);
                if is_in && !names(&shown.excludes) {
                    kept.insert(name, value);
                }
            }
        }
    }
    kept
}

fn fields(shown: &Shown, doc: &Doc) -> Map<String, Json> {
    let flat = doc.flat();
    let mut found = Map::new();
    for (pattern, format) in &shown.fields {
        for (name, value) in flat.iter().filter(|(name, _)| is_like(name, pattern)) {
            let value = match (Field::named(name), format.as_deref()) {
                (Field::Time, Some("epoch_millis")) => json!(doc.line.time.0.to_string()),
                (Field::Time, _) => json!(rfc3339(doc.line.time)),
                _ => value.clone(),
            };
            found.insert(name.clone(), json!([value]));
        }
    }
    found
}

/// A message with the words that were looked for between marks, if it has any of them.
fn marked(message: &str, words: &[String], before: &str, after: &str) -> Option<String> {
    let mut text = String::new();
    let (mut rest, mut is_any) = (message, false);
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(first) = rest.chars().next() {
        let end = match is_of_word(first) {
            true => rest.find(|c| !is_of_word(c)),
            false => rest.find(is_of_word),
        };
        let (word, later) = rest.split_at(end.unwrap_or(rest.len()));
        if is_of_word(first) && words.contains(&word.to_lowercase()) {
            is_any = true;
            text.push_str(before);
            text.push_str(word);
            text.push_str(after);
        } else {
            text.push_str(word);
        }
        rest = later;
    }
    is_any.then_some(text)
}

/// A search without a program around it.
#[cfg(test)]
pub(super) fn answer_to(
    events: &Events,
    budget: &Budget,
    now: UnixMs,
    index: &str,
    body: &Json,
) -> Answered {
    let indices = index_filter(events, budget, index, true)?;
    found(events, budget, &understand(now, body, None, indices)?)
}
