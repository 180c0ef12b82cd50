//! Aggregations: what is asked, over which documents it is worked out, and what is told.
//!
//! What only counts by time and by at most two of our own fields is counted by the store. Numbers are read from
//! the attributes of lines, one line after the other.

mod answer;
mod collect;
mod read;

use model::{UnixMs, series::Budget};
use serde_json::{Map, Value as Json};
use store::events::{Events, Filter, GroupBy, Key, QueryError};

use super::{
    dates::Unit,
    fields::{Doc, Field, severity},
    query::{Node, Plan},
};
use crate::api::scan;

pub(super) use self::{collect::Collected, read::read};

/// Deepest nesting of aggregations.
const DEPTH_MAX: usize = 6;
/// Most aggregations of a request.
const COUNT_MAX: usize = 100;
/// Most buckets of an answer, as in Elasticsearch.
const BUCKETS_MAX: usize = 65_536;
/// Most different values that are told apart, and most numbers that are kept for percentiles, of one answer.
const VALUES_MAX: usize = 2_000_000;

/// An aggregation with its name and those within it.
#[derive(Clone, Debug)]
pub(super) struct Agg {
    pub(super) name: String,
    kind: Kind,
    inner: Vec<Self>,
    /// Given back as it came.
    meta: Option<Json>,
}

#[derive(Clone, Debug)]
enum Kind {
    Dates(Dates),
    Terms(Terms),
    Histogram {
        field: Field,
        interval: f64,
        count_min: u64,
    },
    /// Names, or none where the answer is a list.
    Filters {
        filters: Vec<(String, Node)>,
        is_named: bool,
    },
    Filter(Node),
    Missing(Field),
    Metric(Metric, Field),
    Percentiles {
        field: Field,
        percents: Vec<f64>,
    },
    Top {
        fields: Vec<(String, Field)>,
        sort: Field,
        is_descending: bool,
    },
}

#[derive(Clone, Debug)]
struct Dates {
    step: Unit,
    /// What is added to times, to be in the zone of whoever asks.
    shift: i64,
    bounds: Option<(UnixMs, UnixMs)>,
    count_min: u64,
    is_millis: bool,
}

#[derive(Clone, Debug)]
struct Terms {
    field: Field,
    size: usize,
    order: Vec<(Order, bool)>,
    count_min: u64,
    missing: Option<String>,
}

/// By what terms are sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Order {
    Count,
    Key,
    /// A metric within, and which of its values.
    Metric(String, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Average,
    Sum,
    Min,
    Max,
    Count,
    Stats,
    ExtendedStats,
    Cardinality,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    Store(QueryError),
    TooManyBuckets,
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self::Store(error)
    }
}

/// The answers, and whether lines were left out of them because there are too many.
pub(super) fn work_out(
    events: &Events,
    plan: &Plan,
    aggs: &[Agg],
    budget: &Budget,
) -> Result<(Map<String, Json>, bool), Failure> {
    let mut answers = Map::new();
    let mut slow: Vec<Agg> = Vec::new();
    for agg in aggs {
        match counted(events, plan, agg, budget)? {
            Some(answer) => {
                answers.insert(agg.name.clone(), answer);
            }
            None => slow.push(agg.clone()),
        }
    }
    let mut is_cut = false;
    if !slow.is_empty() {
        let mut collected = Collected::new(&slow);
        let mut failure = None;
        let scan = scan::Scan {
            events,
            filter: &plan.filter,
            range: plan.range,
            is_newest_first: true,
            wanted: None,
            budget,
        };
        let scanned = scan.each(|number, line| {
            let doc = Doc::new(number, line);
            if plan.rest.matches(&doc) {
                failure = collected.add(&slow, &doc).err();
            }
            match failure {
                None => std::ops::ControlFlow::Continue(()),
                Some(_) => std::ops::ControlFlow::Break(()),
            }
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        is_cut = scanned.is_cut;
        answers.extend(collected.answers(&slow)?);
    }
    Ok((answers, is_cut))
}

/// Counted by the store; `None` where it cannot.
fn counted(
    events: &Events,
    plan: &Plan,
    agg: &Agg,
    budget: &Budget,
) -> Result<Option<Json>, Failure> {
    if !plan.is_whole() {
        return Ok(None);
    }
    if let Kind::Filters { filters, is_named } = &agg.kind {
        return filtered(events, plan, agg, (filters, *is_named), budget);
    }
    let mut wanted = Wanted::default();
    if !wanted.add(agg) {
        return Ok(None);
    }
    let mut by: Vec<GroupBy<'_>> =
        wanted.fields.iter().map(|field| GroupBy::Field(field)).collect();
    if let Some(step) = wanted.step {
        by.push(GroupBy::Time(std::time::Duration::from_millis(step.unsigned_abs())));
    }
    let Some(rows) = rows(events, &plan.filter, plan, &by, budget)? else { return Ok(None) };
    let aggs = std::slice::from_ref(agg);
    let mut collected = Collected::new(aggs);
    for (keys, count) in rows {
        collected.add(aggs, &row(&wanted, &keys, count))?;
    }
    Ok(collected.answers(aggs)?.remove(&agg.name))
}

/// Each filter is a question of its own.
fn filtered(
    events: &Events,
    plan: &Plan,
    agg: &Agg,
    (filters, is_named): (&[(String, Node)], bool),
    budget: &Budget,
) -> Result<Option<Json>, Failure> {
    let mut buckets = Vec::new();
    for (name, node) in filters {
        let mut parts = vec![node.clone(), Node::Time(plan.range)];
        if !plan.text.is_empty() {
            parts.push(Node::Asked(plan.text.clone(), plan.filter.clone()));
        }
        let own = Plan::new(Node::and(parts));
        if !own.is_whole() {
            return Ok(None);
        }
        let Some(total) = rows(events, &own.filter, &own, &[], budget)? else { return Ok(None) };
        let mut bucket = Map::new();
        let count: u64 = total.iter().map(|(_, count)| count).sum();
        bucket.insert("doc_count".to_owned(), count.into());
        for inner in &agg.inner {
            let Some(answer) = counted(events, &own, inner, budget)? else { return Ok(None) };
            bucket.insert(inner.name.clone(), answer);
        }
        buckets.push((name.clone(), Json::Object(bucket)));
    }
    Ok(Some(answer::filters(buckets, is_named, agg.meta.as_ref())))
}

type Rows = Vec<(Vec<Key>, u64)>;

/// `None`: there are too many groups.
fn rows(
    events: &Events,
    filter: &Filter,
    plan: &Plan,
    by: &[GroupBy<'_>],
    budget: &Budget,
) -> Result<Option<Rows>, Failure> {
    match scan::counts(events, filter, plan.range, by, budget) {
        Ok(rows) => Ok(Some(rows)),
        Err(QueryError::TooManyGroups(_) | QueryError::TooManySteps(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// By what the store has to count.
#[derive(Default)]
struct Wanted {
    fields: Vec<&'static str>,
    step: Option<i64>,
}

impl Wanted {
    /// Whether it can be counted for this, and for what is within.
    fn add(&mut self, agg: &Agg) -> bool {
        match &agg.kind {
            Kind::Dates(dates) => {
                let Unit::Fixed(step) = dates.step else { return false };
                // The store counts weeks from 1970, which began on a Thursday.
                let is_week = step % (7 * super::dates::DAY_MS) == 0;
                if dates.shift % step != 0 || is_week || self.step.is_some_and(|own| own != step) {
                    return false;
                }
                self.step = Some(step);
            }
            Kind::Terms(terms) if terms.field.is_groupable() => {
                let Field::Known(field) = terms.field else { return false };
                if !self.fields.contains(&field) {
                    self.fields.push(field);
                }
                if self.fields.len() > 2 {
                    return false;
                }
            }
            Kind::Metric(Metric::Count, Field::Time) => {}
            _ => return false,
        }
        agg.inner.iter().all(|inner| self.add(inner))
    }
}

/// So many lines as if they were one.
fn row(wanted: &Wanted, keys: &[Key], count: u64) -> Doc {
    let mut line = model::log::Line {
        time: UnixMs(0),
        origin: std::sync::Arc::default(),
        severity: None,
        body: String::new(),
        attributes: Vec::new(),
        place: None,
    };
    let mut origin = model::log::Origin::default();
    for (field, key) in wanted.fields.iter().zip(keys) {
        let Key::Value(value) = key else { continue };
        let value = value.to_string();
        match *field {
            "severity" => line.severity = severity(&value),
            "host" => origin.host = value,
            "service" => origin.service = value,
            "source" => origin.source = value,
            "origin" => origin.origin = value,
            "engine" => origin.engine = value,
            "instance" => origin.instance = value,
            "model" => origin.model = value,
            // Of what is masked, nothing changes if it is masked again.
            _ => line.body = value,
        }
    }
    if let Some(Key::Time(time)) = keys.last() {
        line.time = *time;
    }
    line.origin = std::sync::Arc::new(origin);
    let mut doc = Doc::new(0, line);
    doc.count = count;
    doc
}
