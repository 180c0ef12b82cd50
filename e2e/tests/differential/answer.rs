//! Two answers to one question: are they the same?

use std::collections::BTreeMap;

use serde_json::Value;
use xtask::http::Response;

/// Floats that were added in another order, or by another library of mathematics, differ by less.
const TOLERANCE: f64 = 1e-9;

/// How much of an answer's order and words is compared.
#[derive(Clone, Copy)]
pub(super) struct Strictness {
    /// The query says in which order its values come.
    pub(super) ordered: bool,
    /// Warnings and notes are compared too.
    pub(super) annotations: bool,
}

/// The first difference of our answer and theirs.
pub(super) fn compare(
    ours: &Response,
    theirs: &Response,
    strictness: Strictness,
) -> Result<(), String> {
    let (status, expected) = (ours.status, theirs.status);
    let read = |response: &Response| response.json().map_err(|error| format!("{error:#}"));
    let (ours, theirs) = (read(ours)?, read(theirs)?);
    same("status", &ours["status"], &theirs["status"])
        .and_then(|()| same("errorType", &ours["errorType"], &theirs["errorType"]))
        .map_err(|difference| {
            format!("{difference}; errors: {} | {}", ours["error"], theirs["error"])
        })?;
    if status != expected {
        return Err(format!("HTTP status: {status} | {expected}"));
    }
    if theirs["errorType"] == "execution" {
        let (ours, theirs) = (&ours["error"], &theirs["error"]);
        same("error", &without_labels(ours), &without_labels(theirs))?;
    }
    let (ours_data, theirs_data) = (&ours["data"], &theirs["data"]);
    same("resultType", &ours_data["resultType"], &theirs_data["resultType"])?;
    results(&ours_data["result"], &theirs_data["result"], strictness.ordered)?;
    if strictness.annotations {
        for kind in ["warnings", "infos"] {
            same(kind, &sorted_texts(&ours[kind]), &sorted_texts(&theirs[kind]))?;
        }
    }
    Ok(())
}

fn same(what: &str, ours: &Value, theirs: &Value) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: {ours} | {theirs}")) }
}

/// An error's words. Which of several offending series it names is a matter of chance.
fn without_labels(error: &Value) -> Value {
    let mut text = String::new();
    let mut depth = 0_usize;
    for character in error.as_str().unwrap_or_default().chars() {
        depth = depth.saturating_sub(usize::from(character == '}'));
        if depth == 0 {
            text.push(character);
        }
        depth += usize::from(character == '{');
    }
    Value::from(text)
}

fn sorted_texts(list: &Value) -> Value {
    let mut texts = list.as_array().cloned().unwrap_or_default();
    texts.sort_by_key(Value::to_string);
    Value::Array(texts)
}

fn results(ours: &Value, theirs: &Value, is_ordered: bool) -> Result<(), String> {
    let (Some(ours_list), Some(theirs_list)) = (ours.as_array(), theirs.as_array()) else {
        return same("result", ours, theirs);
    };
    // A number or a text stands alone.
    if theirs_list.first().is_some_and(|first| !first.is_object()) {
        return point(ours, theirs);
    }
    let (ours, theirs) = (by_labels(ours_list)?, by_labels(theirs_list)?);
    for labels in theirs.keys() {
        if !ours.contains_key(labels) {
            return Err(format!("only theirs has {labels} ({} | {})", ours.len(), theirs.len()));
        }
    }
    for (labels, series) in &ours {
        let Some(other) = theirs.get(labels) else {
            return Err(format!("only ours has {labels} ({} | {})", ours.len(), theirs.len()));
        };
        one_series(series, other).map_err(|difference| format!("{labels}: {difference}"))?;
    }
    if is_ordered {
        let values = |list: &[Value]| -> Vec<Value> {
            list.iter().map(|series| series["value"][1].clone()).collect()
        };
        let (ours, theirs) = (values(ours_list), values(theirs_list));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            number(ours, theirs).map_err(|difference| format!("order: {difference}"))?;
        }
    }
    // Whole series come sorted by their labels; ours have to be as theirs are.
    let is_matrix = |list: &[Value]| {
        list.iter().any(|series| series.get("value").is_none() && series.get("histogram").is_none())
    };
    if is_matrix(theirs_list) {
        let labels = |list: &[Value]| -> Vec<Value> {
            list.iter().map(|series| series["metric"].clone()).collect()
        };
        let (ours, theirs) = (labels(ours_list), labels(theirs_list));
        if ours != theirs {
            return Err(format!(
                "order of series: {} | {}",
                Value::from(ours),
                Value::from(theirs)
            ));
        }
    }
    Ok(())
}

fn by_labels(list: &[Value]) -> Result<BTreeMap<String, &Value>, String> {
    let mut series = BTreeMap::new();
    for one in list {
        if series.insert(one["metric"].to_string(), one).is_some() {
            return Err(format!("{} is there twice", one["metric"]));
        }
    }
    Ok(series)
}

fn one_series(ours: &Value, theirs: &Value) -> Result<(), String> {
    let keys = |series: &Value| -> Vec<String> {
        series.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
    };
    if keys(ours) != keys(theirs) {
        return Err(format!("fields: {:?} | {:?}", keys(ours), keys(theirs)));
    }
    for single in ["value", "histogram"] {
        if theirs.get(single).is_some() {
            point(&ours[single], &theirs[single])?;
        }
    }
    for many in ["values", "histograms"] {
        let points = |series: &Value| series[many].as_array().cloned().unwrap_or_default();
        let (ours, theirs) = (points(ours), points(theirs));
        if ours.len() != theirs.len() {
            let times =
                |points: &[Value]| Value::from_iter(points.iter().map(|point| point[0].clone()));
            return Err(format!("times of {many}: {} | {}", times(&ours), times(&theirs)));
        }
        for (ours, theirs) in ours.iter().zip(&theirs) {
            point(ours, theirs)?;
        }
    }
    Ok(())
}

/// A time and a value, which is a text or a histogram.
fn point(ours: &Value, theirs: &Value) -> Result<(), String> {
    same("time", &ours[0], &theirs[0])?;
    let at = &theirs[0];
    let (ours, theirs) = (&ours[1], &theirs[1]);
    let difference =
        if theirs.is_object() { histogram(ours, theirs) } else { number(ours, theirs) };
    difference.map_err(|difference| format!("at {at}: {difference}"))
}

fn histogram(ours: &Value, theirs: &Value) -> Result<(), String> {
    for part in ["count", "sum"] {
        number(&ours[part], &theirs[part]).map_err(|difference| format!("{part}: {difference}"))?;
    }
    let buckets = |histogram: &Value| histogram["buckets"].as_array().cloned().unwrap_or_default();
    if buckets(ours).len() != buckets(theirs).len() {
        return same("buckets", &ours["buckets"], &theirs["buckets"]);
    }
    for (ours, theirs) in buckets(ours).iter().zip(&buckets(theirs)) {
        same("boundary rule", &ours[0], &theirs[0])?;
        for field in 1..4 {
            number(&ours[field], &theirs[field])
                .map_err(|_| format!("bucket {ours} | {theirs}"))?;
        }
    }
    Ok(())
}

/// Equal texts, or numbers that are nearly the same. Equal numbers must be written in the same way.
fn number(ours: &Value, theirs: &Value) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    let read = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
    let close = match (read(ours), read(theirs)) {
        (Some(ours), Some(theirs)) if ours != theirs => {
            (ours - theirs).abs() <= TOLERANCE * ours.abs().max(theirs.abs())
        }
        _ => false,
    };
    if close { Ok(()) } else { Err(format!("{ours} | {theirs}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ours: &str, theirs: &str, expected: Result<(), &str>) {
        let response = |text: &str| {
            let body = format!("{{\"status\":\"success\",\"data\":{text}}}").into_bytes();
            Response { status: 200, headers: Vec::new(), body }
        };
        let strictness = Strictness { ordered: true, annotations: true };
        let found = compare(&response(ours), &response(theirs), strictness);
        match expected {
            Ok(()) => assert_eq!(found, Ok(()), "{ours} | {theirs}"),
            Err(text) => {
                assert!(found.clone().is_err_and(|found| found.contains(text)), "{found:?}")
            }
        }
    }

    #[test]
    fn every_kind_of_difference_is_seen() {
        let vector = |result: &str| format!("{{\"resultType\":\"vector\",\"result\":{result}}}");
        let one = |value: &str| {
            vector(&format!("[{{\"metric\":{{\"a\":\"b\"}},\"value\":[1,\"{value}\"]}}]"))
        };
        check(&one("1"), &one("1"), Ok(()));
        check(&one("1.0000000000001"), &one("1"), Ok(()));
        check(&one("1.0"), &one("1"), Err("\"1.0\" | \"1\""));
        check(&one("1.000001"), &one("1"), Err("at 1"));
        check(&one("NaN"), &one("1"), Err("at 1"));
        check(&one("-0"), &one("0"), Err("at 1"));
        check(&one("1"), &vector("[]"), Err("only ours"));
        check(&vector("[]"), &one("1"), Err("only theirs"));
        let scalar = "{\"resultType\":\"scalar\",\"result\":[1,\"2\"]}";
        check(scalar, &one("1"), Err("resultType"));
        check(scalar, &scalar.replace("[1,", "[2,"), Err("time"));
        let matrix = |points: &str| {
            format!(
                "{{\"resultType\":\"matrix\",\"result\":[{{\"metric\":{{}},\"values\":{points}}}]}}"
            )
        };
        check(&matrix("[[1,\"2\"],[2,\"3\"]]"), &matrix("[[1,\"2\"]]"), Err("times"));
        check(&matrix("[[1,\"2\"]]"), &matrix("[[1,\"3\"]]"), Err("at 1"));
    }
}
