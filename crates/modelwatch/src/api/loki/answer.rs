//! Answers in Loki's form.

use std::time::Duration;

use model::UnixMs;
use serde_json::{Map, Value as Json, json};

use super::{
    cut_warning,
    entry::{Entry, Kind},
    logql::{Expr, GroupOp},
    metrics::{Evaluation, Labels, Series, Value},
    streams::Found,
};

/// Lines, by streams.
pub(super) fn streams(found: &Found, is_categorized: bool, took: Duration) -> String {
    let stream = |(labels, entries): (&Vec<(String, String)>, &Vec<Entry>)| {
        let labels: Map<String, Json> =
            labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let values: Vec<Json> = entries.iter().map(|entry| line(entry, is_categorized)).collect();
        json!({ "stream": labels, "values": values })
    };
    let result: Vec<Json> = found.streams.iter().map(stream).collect();
    let returned = found.streams.values().map(Vec::len).sum();
    let mut warnings = Vec::new();
    if found.scanned.is_cut {
        warnings.push(cut_warning());
    }
    if found.scanned.damaged > 0 {
        let damaged = found.scanned.damaged;
        warnings.push(format!("{damaged} parts of the store could not be read; lines are missing"));
    }
    let stats = stats(found.scanned.lines, found.scanned.bytes, returned, took);
    let mut data = json!({ "resultType": "streams", "result": result, "stats": stats });
    if is_categorized {
        data["encodingFlags"] = json!(["categorize-labels"]);
    }
    envelope(data, &warnings)
}

/// Time and text of a line, and what is known of it alone where that is told apart.
pub(super) fn line(entry: &Entry, is_categorized: bool) -> Json {
    let time = nanos(entry.time);
    if !is_categorized {
        return json!([time, entry.line]);
    }
    let mut more = Map::new();
    for (name, kind) in [("structuredMetadata", Kind::Line), ("parsed", Kind::Step)] {
        let labels = entry.labels.iter().filter(|label| label.kind == kind);
        let pairs = labels.map(|label| (label.name.to_string(), json!(label.value)));
        let pairs: Map<String, Json> = pairs.collect();
        if !pairs.is_empty() {
            more.insert(name.to_owned(), Json::Object(pairs));
        }
    }
    json!([time, entry.line, more])
}

pub(super) fn nanos(time: UnixMs) -> String {
    (i128::from(time.0) * 1_000_000).to_string()
}

/// The value of each series at one time.
pub(super) fn instant(
    expr: &Expr,
    value: Value,
    evaluation: &Evaluation<'_>,
    took: Duration,
) -> String {
    let time = seconds(evaluation.grid.start);
    let (kind, result, returned) = match value {
        Value::Scalar(number) => ("scalar", json!([time, decimal(number)]), 1),
        Value::Vector(mut series) => {
            rank(expr, &mut series);
            let sample = |series: &Series| {
                let value = series.values.first().copied().flatten()?;
                Some(json!({ "metric": series.labels, "value": [time, decimal(value)] }))
            };
            let samples: Vec<Json> = series.iter().filter_map(sample).collect();
            let returned = samples.len();
            ("vector", json!(samples), returned)
        }
    };
    let stats = stats(evaluation.lines, evaluation.bytes, returned, took);
    let data = json!({ "resultType": kind, "result": result, "stats": stats });
    envelope(data, &evaluation.warnings)
}

/// The first of the largest are the largest.
fn rank(expr: &Expr, series: &mut [Series]) {
    let value = |series: &Series| series.values.first().copied().flatten().unwrap_or(f64::NAN);
    match expr {
        Expr::Group(grouped) if grouped.op == GroupOp::Top => {
            series.sort_by(|a, b| value(b).total_cmp(&value(a)));
        }
        Expr::Group(grouped) if grouped.op == GroupOp::Bottom => {
            series.sort_by(|a, b| value(a).total_cmp(&value(b)));
        }
        _ => series.sort_by(|a, b| a.labels.cmp(&b.labels)),
    }
}

/// The values of each series over time.
pub(super) fn matrix(value: Value, evaluation: &Evaluation<'_>, took: Duration) -> String {
    let mut series = match value {
        Value::Vector(series) => series,
        Value::Scalar(number) => {
            let values = vec![Some(number); evaluation.grid.steps];
            vec![Series { labels: Labels::new(), values }]
        }
    };
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    let one = |series: &Series| {
        let values = series.values.iter().enumerate();
        let point = |(step, value): (usize, &Option<f64>)| {
            value.map(|value| json!([seconds(evaluation.grid.time(step)), decimal(value)]))
        };
        let values: Vec<Json> = values.filter_map(point).collect();
        json!({ "metric": series.labels, "values": values })
    };
    let result: Vec<Json> = series.iter().map(one).collect();
    let stats = stats(evaluation.lines, evaluation.bytes, result.len(), took);
    let data = json!({ "resultType": "matrix", "result": result, "stats": stats });
    envelope(data, &evaluation.warnings)
}

/// A success with labels, values or series.
pub(super) fn success(data: &Json) -> String {
    json!({ "status": "success", "data": data }).to_string()
}

fn envelope(data: Json, warnings: &[String]) -> String {
    let mut answer = json!({ "status": "success", "data": data });
    if !warnings.is_empty() {
        answer["warnings"] = json!(warnings);
    }
    answer.to_string()
}

/// Whole where it is.
fn seconds(ms: i64) -> Json {
    if ms % 1_000 == 0 { json!(ms / 1_000) } else { json!(ms as f64 / 1e3) }
}

/// As Go writes it.
pub(super) fn decimal(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        number.to_string()
    }
}

/// What is known of what an answer cost; the rest of Loki's numbers is about parts that we do not have.
pub(super) fn stats(lines: usize, bytes: usize, returned: usize, took: Duration) -> Json {
    let seconds = took.as_secs_f64();
    let per_second = |count: usize| if seconds > 0.0 { (count as f64 / seconds) as u64 } else { 0 };
    json!({
        "summary": {
            "bytesProcessedPerSecond": per_second(bytes),
            "linesProcessedPerSecond": per_second(lines),
            "totalBytesProcessed": bytes,
            "totalLinesProcessed": lines,
            "execTime": seconds,
            "queueTime": 0,
            "subqueries": 0,
            "totalEntriesReturned": returned,
            "splits": 0,
            "shards": 0,
        },
        "querier": {},
        "ingester": {},
        "cache": {},
        "index": {},
    })
}
