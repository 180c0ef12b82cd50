//! What there is: indices, their fields, their aliases. Every source of lines is an index, and all of them together
//! are called `logs` too.

use std::{collections::BTreeMap, ops::ControlFlow};

use model::{
    UnixMs,
    series::{Budget, TimeRange},
};
use serde_json::{Map, Value as Json, json};
use store::events::{Events, Filter, GroupBy, Key, QueryError};

use super::{
    Answered, Asked, Failure,
    fields::{self, Field, index_of, is_like},
    query::{self, Node},
};
use crate::{
    api::scan::{self, Scan, quoted},
    wire::App,
};

/// Newest lines whose attributes are told of.
const SAMPLE: usize = 2_000;
/// Attributes that are told of.
const FIELDS_MAX: usize = 1_000;
/// What all indices together are called.
const ALIAS: &str = "logs";

const ALL: TimeRange = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };

/// The sources of lines with how many there are of each; without a name where it is not known.
fn sources(events: &Events, budget: &Budget) -> Result<Vec<(String, u64)>, QueryError> {
    let by = [GroupBy::Field("source")];
    let rows = scan::counts(events, &Filter::default(), ALL, &by, budget)?;
    let name = |key: Option<&Key>| match key {
        Some(Key::Value(name)) => name.to_string(),
        _ => String::new(),
    };
    Ok(rows.iter().map(|(keys, count)| (name(keys.first()), *count)).collect())
}

/// The documents of the indices that are named.
pub(super) fn index_filter(
    events: &Events,
    budget: &Budget,
    patterns: &str,
    is_lenient: bool,
) -> Result<Node, Failure> {
    if query::indices(patterns, &[]).is_none() {
        return Ok(Node::All);
    }
    let sources: Vec<String> = sources(events, budget)?.into_iter().map(|(name, _)| name).collect();
    let Some(chosen) = query::indices(patterns, &sources) else { return Ok(Node::All) };
    if chosen.is_empty() && !is_lenient && !patterns.contains('*') {
        return Err(Failure::no_index(patterns));
    }
    let mut any = Vec::new();
    for source in sources.iter().filter(|source| chosen.contains(&index_of(source))) {
        let text = match source.as_str() {
            "" => "-source:*".to_owned(),
            source => format!("source:{}", quoted(source)),
        };
        let filter = scan::filter(&text).map_err(Failure::bad)?;
        any.push(Node::Asked(text, filter));
    }
    Ok(Node::or(any))
}

/// The indices that are asked about, with how many documents they have. With no line there is one all the same, so
/// that fields can be told of.
fn named(
    events: &Events,
    budget: &Budget,
    asked: &Asked,
) -> Result<BTreeMap<String, u64>, Failure> {
    let sources = sources(events, budget)?;
    let names: Vec<String> = sources.iter().map(|(name, _)| name.clone()).collect();
    let chosen = query::indices(&asked.index, &names);
    let mut found = BTreeMap::new();
    for (source, count) in sources {
        let index = index_of(&source);
        if chosen.as_ref().is_none_or(|chosen| chosen.contains(&index)) {
            *found.entry(index).or_default() += count;
        }
    }
    if found.is_empty() && chosen.is_none() {
        found.insert(index_of(""), 0);
    }
    let is_lenient = asked.index.contains('*') || asked.has_flag("ignore_unavailable");
    if found.is_empty() && !is_lenient {
        return Err(Failure::no_index(&asked.index));
    }
    Ok(found)
}

/// The fields of documents: ours, and the attributes of the newest lines. What is a number in all of them is one.
fn all_fields(events: &Events, budget: &Budget) -> Result<Vec<(String, &'static str)>, QueryError> {
    let mut attributes: BTreeMap<String, bool> = BTreeMap::new();
    let filter = Filter::default();
    let scan = Scan {
        events,
        filter: &filter,
        range: ALL,
        is_newest_first: true,
        wanted: Some(SAMPLE),
        budget,
    };
    let mut count = 0;
    scan.each(|_, line| {
        count += 1;
        for (name, value) in &line.attributes {
            let is_new = !attributes.contains_key(name);
            if matches!(Field::named(name), Field::Attribute(_))
                && (!is_new || attributes.len() < FIELDS_MAX)
            {
                let is_number = value.trim().parse::<f64>().is_ok_and(f64::is_finite);
                *attributes.entry(name.clone()).or_insert(true) &= is_number;
            }
        }
        if count == SAMPLE { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let mut found = fields::described();
    found.extend(
        attributes
            .into_iter()
            .map(|(name, is_number)| (name, if is_number { "double" } else { "keyword" })),
    );
    Ok(found)
}

pub(super) fn mappings(app: &App, budget: &Budget, asked: &Asked) -> Answered {
    let events = app.store.events();
    let mapping = fields::mapping(&all_fields(events, budget)?);
    let one = |(name, _)| (name, json!({ "mappings": mapping }));
    Ok(Json::Object(named(events, budget, asked)?.into_iter().map(one).collect()))
}

/// An index as a whole.
pub(super) fn index(app: &App, budget: &Budget, asked: &Asked) -> Answered {
    let events = app.store.events();
    let mapping = fields::mapping(&all_fields(events, budget)?);
    let one = |(name, _): (String, u64)| {
        let settings = json!({ "index": { "provided_name": name, "number_of_shards": "1" } });
        let aliases = json!({ ALIAS: {} });
        (name, json!({ "aliases": aliases, "mappings": mapping, "settings": settings }))
    };
    Ok(Json::Object(named(events, budget, asked)?.into_iter().map(one).collect()))
}

pub(super) fn field_caps(app: &App, budget: &Budget, asked: &Asked) -> Answered {
    let events = app.store.events();
    let body = asked.json()?;
    let given: Vec<String> = match asked.parameter("fields") {
        Some(fields) => fields.split(',').map(str::to_owned).collect(),
        None => query::each(&body["fields"]).iter().filter_map(query::scalar).collect(),
    };
    if given.is_empty() {
        return Err(Failure::bad("request must contain at least one field name or pattern"));
    }
    let mut found = Map::new();
    for (name, kind) in all_fields(events, budget)? {
        if given.iter().any(|pattern| is_like(&name, pattern)) {
            let described = json!({
                "type": kind,
                "metadata_field": false,
                "searchable": true,
                "aggregatable": kind != "text",
            });
            found.insert(name, json!({ kind: described }));
        }
    }
    let indices: Vec<String> = named(events, budget, asked)?.into_keys().collect();
    Ok(json!({ "indices": indices, "fields": found }))
}

pub(super) fn aliases(app: &App, budget: &Budget, asked: &Asked) -> Answered {
    let one = |(name, _)| (name, json!({ "aliases": { ALIAS: {} } }));
    let indices = named(app.store.events(), budget, asked)?;
    Ok(Json::Object(indices.into_iter().map(one).collect()))
}

pub(super) fn resolve(app: &App, budget: &Budget, asked: &Asked) -> Answered {
    let names: Vec<String> = named(app.store.events(), budget, asked)?.into_keys().collect();
    let index = |name: &String| json!({ "name": name, "aliases": [ALIAS], "attributes": ["open"] });
    let indices: Vec<Json> = names.iter().map(index).collect();
    let aliases = match is_like(ALIAS, &asked.index) {
        true => json!([{ "name": ALIAS, "indices": names }]),
        false => json!([]),
    };
    Ok(json!({ "indices": indices, "aliases": aliases, "data_streams": [] }))
}

/// As a list of objects, or as a table for people.
pub(super) fn cat_indices(app: &App, budget: &Budget, asked: &Asked) -> Answered {
    let indices = named(app.store.events(), budget, asked)?;
    let is_json = asked.parameter("format").as_deref() == Some("json");
    if !is_json {
        let line =
            |(name, count): (&String, &u64)| format!("green open {name} {name} 1 0 {count} 0\n");
        return Ok(Json::String(indices.iter().map(line).collect()));
    }
    let one = |(name, count): (&String, &u64)| {
        json!({
            "health": "green",
            "status": "open",
            "index": name,
            "uuid": name,
            "pri": "1",
            "rep": "0",
            "docs.count": count.to_string(),
            "docs.deleted": "0",
        })
    };
    Ok(indices.iter().map(one).collect())
}
