//! Queries: what they cost, and whether two systems give the same answers.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{
    payload::Shape,
    system::{Instance, Kind},
};
use crate::wait::Stopwatch;

/// A query is asked at least so often, for the best and the median of its times.
const RUNS_MIN: usize = 5;
/// Processor time is known in steps of 10 ms, so it is taken over many runs: so many, and again until
/// they took some steps.
const CPU_RUNS: usize = 20;
const CPU_ENOUGH: Duration = Duration::from_millis(200);
/// A query that has not used that much time after so many runs is given a rough figure.
const RUNS_MAX: usize = 600;
/// After that long a slow query has been asked often enough.
const ASKING_MAX: Duration = Duration::from_secs(5);
/// Sums of the same floats in another order differ by less.
const TOLERANCE: f64 = 1e-6;

pub(super) struct Query {
    pub(super) name: &'static str,
    pub(super) expression: &'static str,
    /// Hours and step in seconds; without it the query is an instant one.
    pub(super) range: Option<(i64, i64)>,
}

pub(super) const QUERIES: &[Query] = &[
    Query { name: "A", expression: "sum(rate(c[5m]))", range: None },
    Query { name: "B", expression: "sum by (instance)(rate(c[5m]))", range: Some((1, 15)) },
    Query { name: "C", expression: "avg by (instance)(gauge)", range: Some((6, 60)) },
    Query {
        name: "D",
        expression: "histogram_quantile(0.99, sum by (le)(rate(b[5m])))",
        range: Some((6, 60)),
    },
    Query { name: "E", expression: "max_over_time(g[1h])", range: Some((6, 300)) },
    Query { name: "F", expression: "count({__name__=~\".+\"})", range: None },
];

/// The points of an answer by series and time.
pub(super) type Points = BTreeMap<(String, i64), f64>;

pub(super) struct Measured {
    pub(super) best: Duration,
    pub(super) median: Duration,
    pub(super) cpu: Duration,
    pub(super) points: Points,
}

impl Query {
    pub(super) fn title(&self) -> String {
        let Self { name, expression, range } = self;
        match range {
            None => format!("{name} instant `{expression}`"),
            Some((hours, step)) => format!("{name} {hours} h / {step} s `{expression}`"),
        }
    }

    pub(super) fn measure(&self, instance: &Instance<'_>, end_ms: i64) -> Result<Measured> {
        let (path, form) = match self.range {
            None => instant(self.expression, end_ms),
            Some((hours, step)) => range(self.expression, end_ms, hours * 3_600, step),
        };
        let watch = Stopwatch::start();
        let before = instance.cpu()?;
        let (mut times, mut cpu) = (Vec::new(), Duration::ZERO);
        let answer = loop {
            let asked = watch.elapsed();
            let answer = instance.ask(path, &form)?;
            times.push(watch.elapsed() - asked);
            cpu = instance.cpu()?.saturating_sub(before).max(cpu);
            let is_sure = times.len() >= CPU_RUNS && cpu >= CPU_ENOUGH;
            let is_long = times.len() >= RUNS_MAX || watch.elapsed() >= ASKING_MAX;
            if times.len() >= RUNS_MIN && (is_sure || is_long) {
                break answer;
            }
        };
        let runs = u32::try_from(times.len()).unwrap_or(u32::MAX);
        let (best, median) = best_and_median(times);
        Ok(Measured { best, median, cpu: cpu / runs, points: points(&answer.json()?)? })
    }
}

/// Both zero for no times at all.
pub(super) fn best_and_median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    let best = times.first().copied().unwrap_or_default();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    (best, median)
}

/// A path and a form.
pub(super) type Call = (&'static str, String);

fn instant(expression: &str, end_ms: i64) -> Call {
    let query = escape(expression);
    ("/api/v1/query", format!("query={query}&time={}&nocache=1", end_ms / 1_000))
}

pub(super) fn range(expression: &str, end_ms: i64, seconds: i64, step: i64) -> Call {
    let (query, end) = (escape(expression), end_ms / 1_000);
    let start = end - seconds;
    let form = format!("query={query}&start={start}&end={end}&step={step}&nocache=1");
    ("/api/v1/query_range", form)
}

/// The best time of an instant query.
pub(super) fn time_instant(
    instance: &Instance<'_>,
    expression: &str,
    end_ms: i64,
) -> Result<Duration> {
    let (path, form) = instant(expression, end_ms);
    let mut best = Duration::MAX;
    for _ in 0..RUNS_MIN {
        let watch = Stopwatch::start();
        instance.ask(path, &form)?;
        best = best.min(watch.elapsed());
    }
    Ok(best)
}

/// How many samples of a load the system finds again.
pub(super) fn count_samples(instance: &Instance<'_>, shape: &Shape) -> Result<usize> {
    let seconds = shape.span_seconds() + 1;
    let expression = format!("sum(count_over_time({{job=\"bench\"}}[{seconds}s]))");
    let (path, form) = instant(&expression, shape.end_ms);
    let points = points(&instance.ask(path, &form)?.json()?)?;
    Ok(points.values().next().map_or(0, |count| *count as usize))
}

/// A system that lost samples would look fast.
pub(super) fn expect_samples(instance: &Instance<'_>, shape: &Shape) -> Result<()> {
    instance.flush()?;
    let (sent, found) = (shape.samples(), count_samples(instance, shape)?);
    ensure!(found == sent, "**LOST SAMPLES**: {sent} were accepted, {found} are there");
    Ok(())
}

fn points(answer: &Value) -> Result<Points> {
    let series = answer["data"]["result"].as_array().context("the answer has no result")?;
    let mut points = Points::new();
    for series in series {
        let labels = series["metric"].to_string();
        let values = series["values"].as_array();
        let pairs = values.into_iter().flatten().chain(series.get("value"));
        for pair in pairs {
            let time = pair[0].as_f64().context("a point has no time")?;
            let value = pair[1].as_str().and_then(|text| text.parse().ok());
            let value = value.with_context(|| format!("not a value: {}", pair[1]))?;
            points.insert((labels.clone(), (time * 1e3).round() as i64), value);
        }
    }
    Ok(points)
}

/// Notes on where Prometheus and modelwatch answer differently, and where they do not. The queries are
/// names and titles, in the order of the answers.
pub(super) fn compare_all(
    queries: &[(&str, String)],
    answers: &[(Kind, Vec<Points>)],
) -> Vec<String> {
    let of = |kind: Kind| answers.iter().find(|(other, _)| *other == kind);
    let (Some((_, ours)), Some((_, theirs))) = (of(Kind::Modelwatch), of(Kind::Prometheus)) else {
        return Vec::new();
    };
    let (mut notes, mut equal) = (Vec::new(), Vec::new());
    for (((name, title), ours), theirs) in queries.iter().zip(ours).zip(theirs) {
        match compare(ours, theirs) {
            Ok(points) => equal.push(format!("{name} ({points})")),
            Err(error) => notes.push(format!("**DISAGREEMENT** on {title}: {error}")),
        }
    }
    notes.push(match equal.as_slice() {
        [] => "no answer of modelwatch could be compared with one of Prometheus".to_owned(),
        _ => format!(
            "equal answers of Prometheus and modelwatch, and their points: {}",
            equal.join(", ")
        ),
    });
    notes
}

/// How many points two answers share; an error says how many differ and where they do most.
pub(super) fn compare(ours: &Points, theirs: &Points) -> Result<usize> {
    ensure!(ours.len() == theirs.len(), "{} points against {}", ours.len(), theirs.len());
    let mut different = Vec::new();
    for (key, ours) in ours {
        let (labels, time) = key;
        let theirs =
            theirs.get(key).with_context(|| format!("only ours has {labels} at {time}"))?;
        let difference = distance(*ours, *theirs);
        if difference > TOLERANCE {
            different.push((difference, format!("{ours} against {theirs} for {labels} at {time}")));
        }
    }
    match different.iter().max_by(|one, other| one.0.total_cmp(&other.0)) {
        Some((_, worst)) => {
            bail!("{} of {} points, most of all {worst}", different.len(), ours.len())
        }
        None => Ok(ours.len()),
    }
}

/// The relative difference of two values; equal infinities and NaNs have none.
fn distance(one: f64, other: f64) -> f64 {
    if one == other || (one.is_nan() && other.is_nan()) {
        return 0.0;
    }
    let relative = (one - other).abs() / one.abs().max(other.abs());
    if relative.is_nan() { f64::INFINITY } else { relative }
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").unwrap_or_default();
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_become_points() {
        let answer = json!({"data": {"result": [
            {"metric": {"a": "b"}, "values": [[1.5, "+Inf"], [2, "0.25"]]},
            {"metric": {}, "value": [3, "NaN"]},
        ]}});
        let points = points(&answer).unwrap();
        assert_eq!(points[&("{\"a\":\"b\"}".to_owned(), 1_500)], f64::INFINITY);
        assert_eq!(points[&("{\"a\":\"b\"}".to_owned(), 2_000)], 0.25);
        assert!(points[&("{}".to_owned(), 3_000)].is_nan());
    }

    #[test]
    fn differences_are_named() {
        let points = |values: &[(i64, f64)]| -> Points {
            values.iter().map(|(time, value)| (("{}".to_owned(), *time), *value)).collect()
        };
        let ours = points(&[(1, 1.0), (2, f64::NAN), (3, 0.0)]);
        let close = points(&[(1, 1.000_000_1), (2, f64::NAN), (3, 0.0)]);
        assert_eq!(compare(&ours, &close).unwrap(), 3);
        let far = points(&[(1, 1.1), (2, f64::NAN), (3, 0.0)]);
        assert!(compare(&ours, &far).unwrap_err().to_string().contains("1 against 1.1"));
        for other in
            [&[(1, 1.0), (2, 1.0), (3, 0.0)][..], &[(1, 1.0), (2, f64::NAN), (4, 0.0)], &[]]
        {
            assert!(compare(&ours, &points(other)).is_err());
        }
    }

    #[test]
    fn the_best_and_the_middle_of_times() {
        let times = [5, 1, 9, 3, 7].map(Duration::from_secs).to_vec();
        assert_eq!(best_and_median(times), (Duration::from_secs(1), Duration::from_secs(5)));
        assert_eq!(best_and_median(Vec::new()), (Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(escape("a{b=~\".+\"}"), "a%7Bb%3D%7E%22%2E%2B%22%7D");
    }
}
