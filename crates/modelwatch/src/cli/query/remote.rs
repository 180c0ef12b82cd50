//! A query to a server: the request, and what its answer says.
//!
//! The server may be any that answers as Prometheus' HTTP API does, and may answer anything.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::http::StatusCode;
use model::{
    Labels, UnixMs,
    histogram::Histogram,
    message::{Language, render},
};
use query::{Element, Grid, Sample, Series, Value};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};

use super::{Failure, Reply, When, text::harmless};
use crate::cli::peer::{Answer, Peer};

/// Largest answer that is read; beyond it the query fails. Some five million points.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// Characters shown of an answer that makes no sense; the rest is left out.
const SHOWN_MAX: usize = 200;

/// What a server may take longer than the query itself, waiting for its turn or for the network.
const MARGIN: Duration = Duration::from_secs(10);

/// Asks the server at `url`, which may take `timeout` for the evaluation.
pub(super) fn ask(
    url: &str,
    expression: &str,
    when: When,
    wants_stats: bool,
    timeout: Duration,
    language: Language,
) -> Result<Reply, Failure> {
    let mut peer = Peer::new(url, language).map_err(Failure::Wrong)?;
    let (path, form) = request(expression, when, wants_stats);
    let silence = timeout.saturating_add(MARGIN);
    let answer = peer.ask(path, form, silence, ANSWER_BYTES_MAX).map_err(|error| {
        let params = [("reason", harmless(&format!("{error:#}")))];
        Failure::failed(render("query.no_answer", &params, language))
    })?;
    let Some(answer) = answer else {
        let params = [("limit", (ANSWER_BYTES_MAX >> 20).to_string())];
        return Err(Failure::failed(render("query.too_large", &params, language)));
    };
    read(answer, url, language)
}

fn request(expression: &str, when: When, wants_stats: bool) -> (&'static str, String) {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", expression);
    if wants_stats {
        // Anything but `all`, which would list every step.
        form.append_pair("stats", "true");
    }
    let seconds = |time: UnixMs| query::format::format_float(time.seconds());
    let path = match when {
        When::Now => "/api/v1/query",
        When::At(time) => {
            form.append_pair("time", &seconds(time));
            "/api/v1/query"
        }
        When::Range(Grid { start, end, step_ms }) => {
            form.append_pair("start", &seconds(start));
            form.append_pair("end", &seconds(end));
            form.append_pair("step", &seconds(UnixMs(step_ms)));
            "/api/v1/query_range"
        }
    };
    (path, form.finish())
}

fn read(answer: Answer, url: &str, language: Language) -> Result<Reply, Failure> {
    let strange = || {
        let start: String = answer.text.chars().take(SHOWN_MAX).collect();
        let params = [
            ("url", url.to_owned()),
            ("status", answer.status.to_string()),
            ("text", harmless(start.trim())),
        ];
        Failure::failed(render("query.not_prometheus", &params, language))
    };
    let envelope: Envelope = parse(&answer.text).ok_or_else(strange)?;
    if envelope.status != "success" {
        let error = envelope.error.filter(|_| envelope.status == "error").ok_or_else(strange)?;
        let is_asker_wrong = answer.status == StatusCode::BAD_REQUEST;
        let error = anyhow::Error::msg(error);
        return Err(if is_asker_wrong { Failure::Wrong(error) } else { Failure::Failed(error) });
    }
    let (value, time) = envelope.data.ok_or_else(strange)?.into_value();
    let stats = parse::<WithStats>(&answer.text).and_then(|answer| answer.data.stats);
    let Stats { samples } = stats.unwrap_or_default();
    Ok(Reply {
        value,
        time,
        warnings: envelope.warnings,
        infos: envelope.infos,
        series: samples.series,
        samples: samples.total,
        json: Some(answer.text),
    })
}

/// The value of an answer, for those who ask for nothing else; `None` where it is none.
pub(in crate::cli) fn value_of(text: &str) -> Option<Value> {
    let envelope: Envelope = parse(text)?;
    let data = envelope.data.filter(|_| envelope.status == "success")?;
    Some(data.into_value().0)
}

fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

#[derive(Deserialize)]
struct Envelope {
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Scalar((Time, Number)),
    String((Time, String)),
    Vector(Vec<Instant>),
    Matrix(Vec<Range>),
}

#[derive(Deserialize)]
struct Instant {
    metric: BTreeMap<String, String>,
    #[serde(flatten)]
    point: Point,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Point {
    Value((Time, Number)),
    Histogram((Time, Summary)),
}

#[derive(Deserialize)]
struct Range {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(Time, Number)>,
    #[serde(default)]
    histograms: Vec<(Time, Summary)>,
}

/// A number that is written as a string, because JSON has no infinities.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| D::Error::custom("not a number"))
    }
}

/// Seconds since 1970, which become milliseconds.
struct Time(UnixMs);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Ok(Self(UnixMs((seconds * 1e3).round() as i64)))
    }
}

/// What is shown of a native histogram.
#[derive(Deserialize)]
struct Summary {
    count: Number,
    sum: Number,
}

impl Summary {
    /// One without buckets, which nobody here looks at.
    fn into_histogram(self) -> Arc<Histogram> {
        let Self { count: Number(count), sum: Number(sum) } = self;
        Arc::new(Histogram { count, sum, ..Histogram::default() })
    }
}

impl Data {
    /// The value, and the time of an instant one.
    fn into_value(self) -> (Value, UnixMs) {
        match self {
            Self::Scalar((Time(time), Number(value))) => (Value::Scalar(value), time),
            Self::String((Time(time), text)) => (Value::String(text), time),
            Self::Vector(instants) => {
                let mut time = UnixMs(0);
                let elements = instants.into_iter().map(|instant| {
                    let sample = match instant.point {
                        Point::Value((at, Number(value))) => {
                            time = at.0;
                            Sample::Float(value)
                        }
                        Point::Histogram((at, summary)) => {
                            time = at.0;
                            Sample::Histogram(summary.into_histogram())
                        }
                    };
                    Element { labels: Labels::from_pairs(instant.metric), sample }
                });
                (Value::Vector(elements.collect()), time)
            }
            Self::Matrix(ranges) => {
                let series = ranges.into_iter().map(|range| {
                    let floats = range.values.into_iter();
                    let (times, values) =
                        floats.map(|(Time(time), Number(value))| (time.0, value)).unzip();
                    let histograms = range.histograms.into_iter();
                    let histograms = histograms
                        .map(|(Time(time), summary)| (time.0, summary.into_histogram()))
                        .collect();
                    Series { labels: Labels::from_pairs(range.metric), times, values, histograms }
                });
                (Value::Matrix(series.collect()), UnixMs(0))
            }
        }
    }
}

/// The same answer, looked at for its costs alone.
#[derive(Deserialize)]
struct WithStats {
    data: DataWithStats,
}

#[derive(Deserialize)]
struct DataWithStats {
    #[serde(default)]
    stats: Option<Stats>,
}

#[derive(Default, Deserialize)]
struct Stats {
    samples: Touched,
}

#[derive(Default, Deserialize)]
struct Touched {
    /// Prometheus does not say it.
    #[serde(default)]
    series: Option<u64>,
    #[serde(default, rename = "totalQueryableSamples")]
    total: Option<u64>,
}

#[cfg(test)]
mod tests;
