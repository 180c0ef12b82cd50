//! Lines that carry figures: throughput, KV cache, load times, response times become samples.
//!
//! What this does not do: keep state. A figure is what one line says; whoever takes it sets gauges, adds to counters,
//! and observes histograms, and gives the series `source="log"`. Bias: a number is taken only behind the words that the
//! engine is known to put before it, so that a line reworded by a new version gives nothing rather than nonsense.

mod llamacpp;
mod lmdeploy;
mod ollama;
mod others;
mod sglang;
mod vllm;

use std::borrow::Cow;

use model::catalogue::{self as metric, Kind, Metric};

use crate::{Entry, access::is_generation};

/// Of a record so many lines are looked at.
const LINES_MAX: usize = 32;

/// What a line says of a quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub metric: Cow<'static, str>,
    /// A gauge is to be set to the value, a counter grows by it, a histogram observes it.
    pub kind: Kind,
    /// Besides those that say whose log it is.
    pub labels: Vec<(Cow<'static, str>, String)>,
    pub value: f64,
}

/// The figures in what an engine of this kind wrote.
pub fn figures(engine: &str, entry: &Entry) -> Vec<Figure> {
    let read: fn(&str, &Entry, &mut Figures) = match engine {
        "" => return Vec::new(),
        "vllm" | "aphrodite" => vllm::read,
        "sglang" => sglang::read,
        "llamacpp" | "llama-swap" | "lemonade" | "localai" => llamacpp::read,
        "ollama" => ollama::read,
        "lmdeploy" => lmdeploy::read,
        "koboldcpp" => others::koboldcpp,
        "tabbyapi" => others::tabbyapi,
        "text-generation-webui" => others::webui,
        _ => |_, _, _| {},
    };
    let mut found = Figures(Vec::new());
    answer(entry, &mut found);
    if found.0.is_empty() {
        for line in entry.body.lines().take(LINES_MAX) {
            read(line, entry, &mut found);
        }
    }
    found.0
}

/// What an access line says: that there was an answer, and how long it took.
fn answer(entry: &Entry, found: &mut Figures) {
    let value = |wanted: &str| attribute(entry, wanted);
    let Some(status) = value("http.response.status_code") else { return };
    let Some(path) = value("url.path") else { return };
    let labels = [("route", route(path)), ("status", status)];
    found.put_with(&metric::LLM_HTTP_RESPONSES_TOTAL, &labels, Some(1.0));
    let is_done = status.starts_with('2') && is_generation(path);
    let seconds = value("http.server.request.duration").filter(|_| is_done);
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    found.put(&metric::LLM_E2E_REQUEST_LATENCY_SECONDS, seconds);
}

fn attribute<'a>(entry: &'a Entry, wanted: &str) -> Option<&'a str> {
    let attribute = entry.attributes.iter().find(|(name, _)| name == wanted);
    attribute.map(|(_, value)| value.as_str())
}

/// Anybody can ask for any path, so only those that are known become labels.
fn route(path: &str) -> &str {
    const OTHERS: [&str; 10] = [
        "/",
        "/api/ps",
        "/api/pull",
        "/api/show",
        "/api/tags",
        "/api/version",
        "/health",
        "/metrics",
        "/tokenize",
        "/v1/models",
    ];
    if is_generation(path) || OTHERS.contains(&path) { path } else { "other" }
}

/// Collects what was found.
struct Figures(Vec<Figure>);

impl Figures {
    fn put(&mut self, metric: &Metric, value: Option<f64>) {
        self.put_with(metric, &[], value);
    }

    /// A value that is no number, or cannot be, is absent.
    fn put_with(&mut self, metric: &Metric, labels: &[(&'static str, &str)], value: Option<f64>) {
        let Some(value) = value.filter(|value| value.is_finite() && *value >= 0.0) else { return };
        let labels = labels.iter().filter(|(_, value)| !value.is_empty());
        self.0.push(Figure {
            metric: metric.name.into(),
            kind: metric.kind,
            labels: labels.map(|(name, value)| ((*name).into(), (*value).to_owned())).collect(),
            value,
        });
    }
}

/// The number that follows the first such words, whose thousands may be parted by commas.
fn after(text: &str, words: &str) -> Option<f64> {
    number(text.split_once(words)?.1)
}

/// The number that a text begins with.
fn number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let end = text.bytes().position(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b','));
    let digits = text.get(..end.unwrap_or(text.len()))?.trim_end_matches(['.', ',']);
    if digits.contains(',') { digits.replace(',', "").parse().ok() } else { digits.parse().ok() }
}

fn percent(value: Option<f64>) -> Option<f64> {
    value.map(|value| value / 100.0)
}

fn milliseconds(value: Option<f64>) -> Option<f64> {
    value.map(|value| value / 1e3)
}

fn gib(value: Option<f64>) -> Option<f64> {
    value.map(|value| value * f64::from(1 << 30))
}

#[cfg(test)]
mod tests;
