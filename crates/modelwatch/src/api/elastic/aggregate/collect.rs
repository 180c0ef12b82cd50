//! Documents, one after the other, into buckets and numbers.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value as Json};

use super::{
    super::fields::{Doc, Field},
    Agg, BUCKETS_MAX, Failure, Kind, Metric, VALUES_MAX, answer, read,
};

/// What is known so far, for each aggregation.
#[derive(Debug, Default)]
pub(in super::super) struct Collected {
    parts: Vec<Part>,
    /// How much there is of what is bounded.
    cost: Cost,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    buckets: usize,
    values: usize,
}

#[derive(Debug)]
pub(super) enum Part {
    Buckets(BTreeMap<BucketKey, Bucket>),
    Numbers(Numbers),
    Values(HashSet<String>),
    Samples(Vec<f64>),
    /// By what it is sorted, and the values.
    Top(Option<(f64, Vec<Option<Json>>)>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BucketKey {
    /// A time, a step of numbers, or the place of a filter.
    Number(i64),
    Text(String),
}

#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) count: u64,
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) squares: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Numbers {
    const NONE: Self =
        Self { count: 0, sum: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    fn add(&mut self, number: f64) {
        self.count += 1;
        self.sum += number;
        self.squares += number * number;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }
}

fn empty(aggs: &[Agg]) -> Vec<Part> {
    let part = |agg: &Agg| match &agg.kind {
        Kind::Metric(Metric::Cardinality, _) => Part::Values(HashSet::new()),
        Kind::Metric(..) => Part::Numbers(Numbers::NONE),
        Kind::Percentiles { .. } => Part::Samples(Vec::new()),
        Kind::Top { .. } => Part::Top(None),
        _ => Part::Buckets(BTreeMap::new()),
    };
    aggs.iter().map(part).collect()
}

/// A bucket without documents.
pub(super) fn empty_bucket(aggs: &[Agg]) -> Bucket {
    Bucket { count: 0, parts: empty(aggs) }
}

impl Collected {
    pub(in super::super) fn new(aggs: &[Agg]) -> Self {
        Self { parts: empty(aggs), cost: Cost::default() }
    }

    pub(in super::super) fn add(&mut self, aggs: &[Agg], doc: &Doc) -> Result<(), Failure> {
        add_all(aggs, &mut self.parts, doc, &mut self.cost)
    }

    pub(in super::super) fn answers(self, aggs: &[Agg]) -> Result<Map<String, Json>, Failure> {
        let mut buckets = self.cost.buckets;
        answer::all(aggs, self.parts, &mut buckets)
    }
}

fn add_all(aggs: &[Agg], parts: &mut [Part], doc: &Doc, cost: &mut Cost) -> Result<(), Failure> {
    for (agg, part) in aggs.iter().zip(parts) {
        add(agg, part, doc, cost)?;
    }
    Ok(())
}

fn add(agg: &Agg, part: &mut Part, doc: &Doc, cost: &mut Cost) -> Result<(), Failure> {
    match (&agg.kind, part) {
        (Kind::Metric(metric, field), Part::Numbers(numbers)) => {
            if *metric == Metric::Count {
                let is_there = *field == Field::Time || doc.text(field).is_some();
                numbers.count += if is_there { doc.count } else { 0 };
            } else if let Some(number) = doc.number(field) {
                numbers.add(number);
            }
        }
        (Kind::Metric(_, field), Part::Values(values)) => {
            if let Some(text) = doc.text(field)
                && !values.contains(text.as_ref())
            {
                spend(&mut cost.values, VALUES_MAX)?;
                values.insert(text.into_owned());
            }
        }
        (Kind::Percentiles { field, .. }, Part::Samples(samples)) => {
            if let Some(number) = doc.number(field) {
                spend(&mut cost.values, VALUES_MAX)?;
                samples.push(number);
            }
        }
        (Kind::Top { fields, sort, is_descending }, Part::Top(top)) => {
            let Some(by) = doc.number(sort) else { return Ok(()) };
            let is_better = |known: f64| if *is_descending { by > known } else { by < known };
            if top.as_ref().is_none_or(|(known, _)| is_better(*known)) {
                let value = |(_, field): &(String, Field)| match doc.number(field) {
                    Some(number) => Some(Json::from(number)),
                    None => doc.text(field).map(|text| Json::from(text.into_owned())),
                };
                *top = Some((by, fields.iter().map(value).collect()));
            }
        }
        (kind, Part::Buckets(buckets)) => {
            for key in keys(kind, doc) {
                if !buckets.contains_key(&key) {
                    spend(&mut cost.buckets, BUCKETS_MAX)?;
                }
                let bucket = buckets.entry(key).or_insert_with(|| empty_bucket(&agg.inner));
                bucket.count += doc.count;
                add_all(&agg.inner, &mut bucket.parts, doc, cost)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn spend(spent: &mut usize, max: usize) -> Result<(), Failure> {
    *spent += 1;
    if *spent > max { Err(Failure::TooManyBuckets) } else { Ok(()) }
}

/// The buckets that a document belongs to.
fn keys(kind: &Kind, doc: &Doc) -> Vec<BucketKey> {
    let number = |number: Option<i64>| number.map(BucketKey::Number).into_iter().collect();
    match kind {
        Kind::Dates(dates) => number(Some(read::step_of(dates, doc.line.time).0)),
        Kind::Histogram { field, interval, .. } => {
            number(doc.number(field).map(|number| (number / interval).floor() as i64))
        }
        Kind::Terms(terms) => {
            let text = doc.text(&terms.field).map(|text| text.into_owned());
            let text = text.or_else(|| terms.missing.clone());
            text.map(BucketKey::Text).into_iter().collect()
        }
        Kind::Filters { filters, .. } => {
            let is_in = |(at, (_, node)): (usize, &(String, super::Node))| {
                node.matches(doc).then_some(BucketKey::Number(at as i64))
            };
            filters.iter().enumerate().filter_map(is_in).collect()
        }
        Kind::Filter(node) => number(node.matches(doc).then_some(0)),
        Kind::Missing(field) => number(doc.text(field).is_none().then_some(0)),
        Kind::Metric(..) | Kind::Percentiles { .. } | Kind::Top { .. } => Vec::new(),
    }
}
