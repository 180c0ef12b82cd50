//! Answers in Elasticsearch's form.

use std::{cmp::Ordering, collections::BTreeMap};

use model::UnixMs;
use serde_json::{Map, Value as Json, json};

use super::{
    super::fields::Field,
    Agg, BUCKETS_MAX, Dates, Failure, Kind, Metric, Order, Terms,
    collect::{Bucket, BucketKey, Numbers, Part, empty_bucket},
    read,
};
use crate::api::time::rfc3339;

pub(super) fn all(
    aggs: &[Agg],
    parts: Vec<Part>,
    buckets: &mut usize,
) -> Result<Map<String, Json>, Failure> {
    let mut answers = Map::new();
    for (agg, part) in aggs.iter().zip(parts) {
        let mut answer = one(agg, part, buckets)?;
        with_meta(&mut answer, agg.meta.as_ref());
        answers.insert(agg.name.clone(), answer);
    }
    Ok(answers)
}

fn with_meta(answer: &mut Json, meta: Option<&Json>) {
    if let Some(meta) = meta {
        answer["meta"] = meta.clone();
    }
}

/// Filters that were worked out one by one.
pub(super) fn filters(buckets: Vec<(String, Json)>, is_named: bool, meta: Option<&Json>) -> Json {
    let mut answer = if is_named {
        json!({ "buckets": buckets.into_iter().collect::<Map<String, Json>>() })
    } else {
        json!({ "buckets": buckets.into_iter().map(|(_, bucket)| bucket).collect::<Vec<_>>() })
    };
    with_meta(&mut answer, meta);
    answer
}

fn one(agg: &Agg, part: Part, count: &mut usize) -> Result<Json, Failure> {
    Ok(match (&agg.kind, part) {
        (Kind::Metric(metric, field), Part::Numbers(numbers)) => {
            of_numbers(*metric, field, numbers)
        }
        (_, Part::Numbers(_)) => Json::Null,
        (_, Part::Values(values)) => json!({ "value": values.len() }),
        (Kind::Percentiles { percents, .. }, Part::Samples(samples)) => {
            percentiles(percents, samples)
        }
        (_, Part::Samples(_)) => Json::Null,
        (Kind::Top { fields, sort, .. }, Part::Top(top)) => of_top(fields, sort, top),
        (_, Part::Top(_)) => Json::Null,
        (Kind::Dates(dates), Part::Buckets(buckets)) => of_dates(agg, dates, buckets, count)?,
        (Kind::Terms(terms), Part::Buckets(buckets)) => of_terms(agg, terms, buckets, count)?,
        (Kind::Histogram { interval, count_min, .. }, Part::Buckets(buckets)) => {
            histogram(agg, *interval, *count_min, buckets, count)?
        }
        (Kind::Filters { filters: wanted, is_named }, Part::Buckets(mut buckets)) => {
            let mut found = Vec::new();
            for (at, (name, _)) in wanted.iter().enumerate() {
                let bucket = buckets.remove(&BucketKey::Number(at as i64));
                let bucket = bucket.unwrap_or_else(|| empty_bucket(&agg.inner));
                found.push((name.clone(), told(agg, Map::new(), bucket, count)?));
            }
            filters(found, *is_named, None)
        }
        (_, Part::Buckets(mut buckets)) => {
            let bucket = buckets.remove(&BucketKey::Number(0));
            told(agg, Map::new(), bucket.unwrap_or_else(|| empty_bucket(&agg.inner)), count)?
        }
    })
}

/// A bucket with what is within it.
fn told(
    agg: &Agg,
    mut head: Map<String, Json>,
    bucket: Bucket,
    count: &mut usize,
) -> Result<Json, Failure> {
    head.insert("doc_count".to_owned(), bucket.count.into());
    head.extend(all(&agg.inner, bucket.parts, count)?);
    Ok(Json::Object(head))
}

fn finite(number: f64) -> Json {
    if number.is_finite() { json!(number) } else { Json::Null }
}

fn of_numbers(metric: Metric, field: &Field, numbers: Numbers) -> Json {
    let Numbers { count, sum, min, max, .. } = numbers;
    let average = sum / count as f64;
    let value = |number: f64| {
        let mut answer = json!({ "value": finite(number) });
        if *field == Field::Time && number.is_finite() {
            answer["value_as_string"] = json!(rfc3339(UnixMs(number as i64)));
        }
        answer
    };
    match metric {
        Metric::Average => value(average),
        Metric::Sum => value(sum),
        Metric::Min => value(min),
        Metric::Max => value(max),
        Metric::Count | Metric::Cardinality => json!({ "value": count }),
        Metric::Stats => json!({
            "count": count, "min": finite(min), "max": finite(max), "avg": finite(average), "sum": sum,
        }),
        Metric::ExtendedStats => extended(numbers),
    }
}

fn extended(numbers: Numbers) -> Json {
    let Numbers { count, sum, squares, min, max } = numbers;
    let size = count as f64;
    let average = sum / size;
    let population = (squares / size - average * average).max(0.0);
    let sampling = (squares - sum * average).max(0.0) / (size - 1.0);
    let deviation = population.sqrt();
    json!({
        "count": count,
        "min": finite(min),
        "max": finite(max),
        "avg": finite(average),
        "sum": sum,
        "sum_of_squares": squares,
        "variance": finite(population),
        "variance_population": finite(population),
        "variance_sampling": finite(sampling),
        "std_deviation": finite(deviation),
        "std_deviation_population": finite(deviation),
        "std_deviation_sampling": finite(sampling.sqrt()),
        "std_deviation_bounds": {
            "upper": finite(average + 2.0 * deviation),
            "lower": finite(average - 2.0 * deviation),
        },
    })
}

/// Exact: all numbers are known.
fn percentiles(percents: &[f64], mut samples: Vec<f64>) -> Json {
    samples.sort_by(f64::total_cmp);
    let value = |percent: f64| {
        let rank = percent / 100.0 * (samples.len() as f64 - 1.0);
        let at = |index: f64| samples.get(index as usize).copied().unwrap_or(f64::NAN);
        if samples.is_empty() {
            return f64::NAN;
        }
        at(rank.floor()) + (at(rank.ceil()) - at(rank.floor())) * (rank - rank.floor())
    };
    let pair = |percent: &f64| (format!("{percent:?}"), finite(value(*percent)));
    json!({ "values": percents.iter().map(pair).collect::<Map<String, Json>>() })
}

fn of_top(fields: &[(String, Field)], sort: &Field, top: Option<(f64, Vec<Option<Json>>)>) -> Json {
    let Some((by, values)) = top else { return json!({ "top": [] }) };
    let by = match sort {
        Field::Time => json!(rfc3339(UnixMs(by as i64))),
        _ => json!(by),
    };
    let pairs = fields.iter().zip(values);
    let pair = |((name, _), value): (&(String, Field), Option<Json>)| {
        (name.clone(), value.unwrap_or(Json::Null))
    };
    let metrics: Map<String, Json> = pairs.map(pair).collect();
    json!({ "top": [{ "sort": [by], "metrics": metrics }] })
}

fn of_dates(
    agg: &Agg,
    dates: &Dates,
    mut buckets: BTreeMap<BucketKey, Bucket>,
    count: &mut usize,
) -> Result<Json, Failure> {
    let time = |key: Option<&BucketKey>| match key {
        Some(BucketKey::Number(time)) => Some(UnixMs(*time)),
        _ => None,
    };
    let mut first = time(buckets.keys().next());
    let mut last = time(buckets.keys().next_back());
    if dates.count_min == 0
        && let Some((min, max)) = dates.bounds
    {
        let (min, max) = (read::step_of(dates, min), read::step_of(dates, max));
        first = Some(first.map_or(min, |first| first.min(min)));
        last = Some(last.map_or(max, |last| last.max(max)));
    }
    let mut found = Vec::new();
    if let (0, Some(mut at), Some(last)) = (dates.count_min, first, last) {
        while at <= last {
            let bucket = buckets.remove(&BucketKey::Number(at.0));
            if bucket.is_none() {
                *count += 1;
                if *count > BUCKETS_MAX {
                    return Err(Failure::TooManyBuckets);
                }
            }
            found.push((at, bucket.unwrap_or_else(|| empty_bucket(&agg.inner))));
            at = read::next_step(dates, at);
        }
    } else {
        let known = |(key, bucket): (BucketKey, Bucket)| Some((time(Some(&key))?, bucket));
        found.extend(buckets.into_iter().filter_map(known));
        found.retain(|(_, bucket)| bucket.count >= dates.count_min);
    }
    let mut told_of = Vec::new();
    for (at, bucket) in found {
        let mut head = Map::new();
        let text = if dates.is_millis { at.0.to_string() } else { rfc3339(at) };
        head.insert("key_as_string".to_owned(), json!(text));
        head.insert("key".to_owned(), json!(at.0));
        told_of.push(told(agg, head, bucket, count)?);
    }
    Ok(json!({ "buckets": told_of }))
}

fn histogram(
    agg: &Agg,
    interval: f64,
    count_min: u64,
    mut buckets: BTreeMap<BucketKey, Bucket>,
    count: &mut usize,
) -> Result<Json, Failure> {
    let number = |key: Option<&BucketKey>| match key {
        Some(BucketKey::Number(number)) => Some(*number),
        _ => None,
    };
    let span = number(buckets.keys().next()).zip(number(buckets.keys().next_back()));
    let mut found = Vec::new();
    if let (0, Some((first, last))) = (count_min, span) {
        if last.saturating_sub(first) > BUCKETS_MAX as i64 {
            return Err(Failure::TooManyBuckets);
        }
        for at in first..=last {
            let bucket = buckets.remove(&BucketKey::Number(at));
            *count += usize::from(bucket.is_none());
            found.push((at, bucket.unwrap_or_else(|| empty_bucket(&agg.inner))));
        }
    } else {
        let known = |(key, bucket): (BucketKey, Bucket)| Some((number(Some(&key))?, bucket));
        found.extend(buckets.into_iter().filter_map(known));
        found.retain(|(_, bucket)| bucket.count >= count_min);
    }
    if *count > BUCKETS_MAX {
        return Err(Failure::TooManyBuckets);
    }
    let mut told_of = Vec::new();
    for (at, bucket) in found {
        let head = Map::from_iter([("key".to_owned(), json!(at as f64 * interval))]);
        told_of.push(told(agg, head, bucket, count)?);
    }
    Ok(json!({ "buckets": told_of }))
}

fn of_terms(
    agg: &Agg,
    terms: &Terms,
    buckets: BTreeMap<BucketKey, Bucket>,
    count: &mut usize,
) -> Result<Json, Failure> {
    let total: u64 = buckets.values().map(|bucket| bucket.count).sum();
    let mut found = Vec::new();
    for (key, bucket) in buckets {
        let BucketKey::Text(key) = key else { continue };
        if bucket.count < terms.count_min {
            continue;
        }
        let head = Map::from_iter([("key".to_owned(), json!(key))]);
        found.push((key, bucket.count, told(agg, head, bucket, count)?));
    }
    found.sort_by(|a, b| {
        let ways = terms.order.iter().map(|(order, is_descending)| {
            let ordering = match order {
                Order::Count => a.1.cmp(&b.1),
                Order::Key => a.0.cmp(&b.0),
                Order::Metric(name, value) => {
                    let number = |bucket: &Json| metric(&bucket[name], value);
                    compared(number(&a.2), number(&b.2))
                }
            };
            if *is_descending { ordering.reverse() } else { ordering }
        });
        ways.fold(Ordering::Equal, Ordering::then).then_with(|| a.0.cmp(&b.0))
    });
    found.truncate(terms.size);
    let shown: u64 = found.iter().map(|(_, count, _)| count).sum();
    let buckets: Vec<Json> = found.into_iter().map(|(_, _, bucket)| bucket).collect();
    Ok(json!({
        "doc_count_error_upper_bound": 0,
        "sum_other_doc_count": total - shown,
        "buckets": buckets,
    }))
}

/// A value of a metric by its name; a percentile is asked for as `95` or `95.0`.
fn metric(answer: &Json, value: &str) -> Option<f64> {
    let plain = answer.get(value).or_else(|| {
        let bounds = value
            .strip_prefix("std_deviation_bounds.")
            .or_else(|| matches!(value, "upper" | "lower").then_some(value));
        answer.get("std_deviation_bounds")?.get(bounds?)
    });
    let percentile = || {
        let percent: f64 = value.parse().ok()?;
        answer.get("values")?.get(format!("{percent:?}"))
    };
    plain.or_else(percentile)?.as_f64()
}

/// What is not known is the smallest.
fn compared(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}
