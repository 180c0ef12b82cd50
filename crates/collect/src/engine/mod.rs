//! Inference engines: how each kind is recognised and read.
//!
//! A kind is one file and one line in [`KINDS`]. It names the paths that are safe to ask for, and turns
//! the answers into neutral metrics; asking, scheduling and labelling happen elsewhere. Only those
//! paths are ever asked for: some engines change state on a GET.

mod llamacpp;
mod ollama;
mod vllm;
pub(crate) mod watch;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use model::{
    Labels,
    catalogue::{Kind as MetricKind, Metric},
};
use serde_json::Value;

use crate::{
    Failure, FailureKind,
    exposition::{self, Exposition},
    http::{Answer, Endpoint, get},
    process::program_of,
};

/// Every kind of engine that is known.
pub(crate) const KINDS: &[Kind] = &[llamacpp::KIND, ollama::KIND, vllm::KIND];

/// A kind of engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// As in labels and configuration.
    pub(crate) name: &'static str,
    /// As people write it.
    pub(crate) title: &'static str,
    /// Whether the clues are enough to say that it is this kind.
    recognise: fn(&Clues) -> bool,
    /// What settles the matter where the clues only permit this kind.
    confirm: Option<Confirm>,
    /// Asked for at every scrape, all at once.
    paths: &'static [&'static str],
    /// Asked for after those, if their answers allow it.
    then: fn(&Answers) -> &'static [&'static str],
    read: fn(&Answers, &mut Reading) -> Result<(), Failure>,
}

/// A question that is asked only where the clues permit the kind.
#[derive(Clone, Copy, Debug)]
struct Confirm {
    is_possible: fn(&Clues) -> bool,
    path: &'static str,
    is_it: fn(&Answer) -> bool,
}

/// What is known of an endpoint before it is recognised.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clues {
    /// `owned_by` of the first entry of `/v1/models`.
    pub(crate) owned_by: Option<String>,
    /// `/v1/models` answered with a list, empty or not.
    pub(crate) lists_models: bool,
    pub(crate) status: u16,
    /// The header `Server`.
    pub(crate) server: String,
    /// Command line of the process that listens, where it can be seen.
    pub(crate) command: String,
}

impl Clues {
    fn program(&self) -> &str {
        program_of(&self.command)
    }

    fn owned_by(&self, owner: &str) -> bool {
        self.owned_by.as_deref() == Some(owner)
    }

    /// The list of models is there but locked.
    fn is_locked(&self) -> bool {
        is_locked(self.status)
    }
}

/// Whether a status says that a key is missing or wrong.
fn is_locked(status: u16) -> bool {
    matches!(status, 401 | 403)
}

/// Finds out what answers at `endpoint`; `None` when it is no engine that is known.
pub(crate) async fn recognise(
    endpoint: &Endpoint,
    command: &str,
) -> Result<Option<&'static Kind>, Failure> {
    let answer = get(endpoint, "/v1/models").await?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let models = body.get("data");
    let first = models.and_then(|models| models.get(0));
    let clues = Clues {
        owned_by: first.and_then(|m| m.get("owned_by")?.as_str().map(str::to_owned)),
        lists_models: answer.status.is_success()
            && models.is_some_and(|models| models.is_array() || models.is_null()),
        status: answer.status.as_u16(),
        server: answer.server.clone(),
        command: command.to_owned(),
    };
    if let Some(kind) = KINDS.iter().find(|kind| (kind.recognise)(&clues)) {
        return Ok(Some(kind));
    }
    for kind in KINDS {
        if let Some(confirm) = kind.confirm
            && (confirm.is_possible)(&clues)
            && get(endpoint, confirm.path).await.is_ok_and(|answer| (confirm.is_it)(&answer))
        {
            return Ok(Some(kind));
        }
    }
    Ok(None)
}

/// What an engine answered, by path.
#[derive(Debug, Default)]
pub(crate) struct Answers(BTreeMap<&'static str, Result<Answer, Failure>>);

impl Answers {
    /// Asks for all that `kind` names.
    pub(crate) async fn of(kind: &Kind, endpoint: &Endpoint) -> Self {
        let mut answers = Self::default();
        answers.ask(endpoint, kind.paths).await;
        let more = (kind.then)(&answers);
        answers.ask(endpoint, more).await;
        answers
    }

    async fn ask(&mut self, endpoint: &Endpoint, paths: &'static [&'static str]) {
        let mut asked = tokio::task::JoinSet::new();
        for path in paths {
            let endpoint = endpoint.clone();
            asked.spawn(async move { (*path, get(&endpoint, path).await) });
        }
        while let Some(answered) = asked.join_next().await {
            if let Ok((path, answer)) = answered {
                self.0.insert(path, answer);
            }
        }
    }

    fn get(&self, path: &str) -> Result<&Answer, Failure> {
        let never = || Failure::new(FailureKind::Unreachable, format!("{path}: not asked for"));
        self.0.get(path).ok_or_else(never)?.as_ref().map_err(Clone::clone)
    }

    /// The status code, if there was an answer.
    fn status(&self, path: &str) -> Option<u16> {
        self.get(path).ok().map(|answer| answer.status.as_u16())
    }

    fn success(&self, path: &str) -> Result<&Answer, Failure> {
        let answer = self.get(path)?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let detail = format!("{path}: the engine answered {}", answer.status);
        let is_locked = is_locked(answer.status.as_u16());
        let kind = if is_locked { FailureKind::PermissionDenied } else { FailureKind::Refused };
        Err(Failure::new(kind, detail))
    }

    fn json(&self, path: &str) -> Result<Value, Failure> {
        serde_json::from_slice(&self.success(path)?.body).map_err(|error| {
            Failure::new(FailureKind::Malformed, format!("{path}: not JSON: {error}"))
        })
    }

    fn exposition(&self, path: &str) -> Result<Exposition, Failure> {
        let exposition = exposition::parse(&self.success(path)?.body);
        if exposition.samples.is_empty() && exposition.bad_lines > 0 {
            let detail = format!("{path}: no line is in the Prometheus text format");
            return Err(Failure::new(FailureKind::Malformed, detail));
        }
        Ok(exposition)
    }
}

/// What a scrape says.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) version: Option<String>,
    /// The models that are served, main one first.
    pub(crate) models: Vec<String>,
    /// It answers but cannot serve yet.
    pub(crate) is_starting: bool,
    pub(crate) notes: Vec<(&'static str, Vec<(String, String)>)>,
    /// The engine's own metrics, exactly as it wrote them.
    pub(crate) raw: Exposition,
    /// Neutral values by metric name and labels beyond the common ones.
    pub(crate) neutral: BTreeMap<(String, Vec<(String, String)>), f64>,
}

impl Reading {
    fn model(&self) -> String {
        self.models.first().cloned().unwrap_or_default()
    }

    /// Whether the engine says anything of `metric`.
    pub(crate) fn tells(&self, metric: &Metric) -> bool {
        self.neutral.keys().any(|(name, _)| name.starts_with(metric.name))
    }

    /// Records a value of `model`.
    fn push(&mut self, metric: &Metric, model: &str, value: f64) {
        let labels = vec![("model".to_owned(), model.to_owned())];
        self.neutral.insert((metric.name.to_owned(), labels), value);
    }

    /// Translates the raw metrics. Values that differ only in labels that the neutral family does not
    /// have, such as the number of a worker, are added up, or the largest is taken of a ratio.
    fn translate(&mut self, table: &[Translation], model_label: &str) {
        let first_model = self.model();
        let mut neutral = std::mem::take(&mut self.neutral);
        for (labels, value) in &self.raw.samples {
            let Some((translation, suffix)) = table.iter().find_map(|translation| {
                let suffix = labels.name().strip_prefix(translation.from)?;
                let is_part = matches!(suffix, "_bucket" | "_sum" | "_count");
                let is_histogram = translation.to.kind == MetricKind::Histogram;
                (if is_histogram { is_part } else { suffix.is_empty() })
                    .then_some((translation, suffix))
            }) else {
                continue;
            };
            let model = labels.get(model_label).unwrap_or(&first_model);
            let mut extra = vec![("model".to_owned(), model.to_owned())];
            if suffix == "_bucket" {
                extra.push(("le".into(), labels.get("le").unwrap_or_default().into()));
            }
            if let Some((from, to)) = translation.label {
                extra.push((to.into(), labels.get(from).unwrap_or_default().into()));
            }
            let name = format!("{}{suffix}", translation.to.name);
            let into = neutral.entry((name, extra)).or_insert(0.0);
            *into = if translation.to.unit == "ratio" { into.max(*value) } else { *into + value };
        }
        self.neutral = neutral;
    }

    /// All samples with the labels that every series of this engine has.
    pub(crate) fn samples(&self, kind: &Kind, instance: &str) -> Vec<(Labels, f64)> {
        let raw = self.raw.samples.iter().map(|(labels, value)| {
            let mut builder = labels.to_builder();
            for (name, own) in [("job", kind.name), ("instance", instance)] {
                if let Some(theirs) = labels.get(name) {
                    builder.set(format!("exported_{name}"), theirs);
                }
                builder.set(name, own);
            }
            (builder.build(), *value)
        });
        let neutral = self.neutral.iter().map(|((name, extra), value)| {
            let extra = extra.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            (neutral_labels(name, kind, instance, extra), *value)
        });
        raw.chain(neutral).collect()
    }
}

/// The labels of a neutral series.
pub(crate) fn neutral_labels<'a>(
    name: &str,
    kind: &Kind,
    instance: &'a str,
    extra: impl Iterator<Item = (&'a str, &'a str)>,
) -> Labels {
    let own = [("engine", kind.name), ("instance", instance), ("source", "engine")];
    Labels::metric(name, own.into_iter().chain(extra))
}

/// From an engine's name of a metric to ours.
struct Translation {
    from: &'static str,
    to: &'static Metric,
    /// A label that is kept, and what it is called then.
    label: Option<(&'static str, &'static str)>,
}

const fn translation(from: &'static str, to: &'static Metric) -> Translation {
    Translation { from, to, label: None }
}

impl Kind {
    /// Asks the engine once. Fails when it does not answer or answers nonsense.
    pub(crate) async fn scrape(&self, endpoint: &Endpoint) -> Result<Reading, Failure> {
        let answers = Answers::of(self, endpoint).await;
        // What an engine answers is not ours, so a mistake in reading it must end this scrape only.
        let read = || {
            let mut reading = Reading::default();
            (self.read)(&answers, &mut reading).map(|()| reading)
        };
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
            let detail =
                format!("reading the answers of {} panicked; please report it", self.title);
            Err(Failure::new(FailureKind::Panicked, detail))
        })
    }
}

fn nothing(_: &Answers) -> &'static [&'static str] {
    &[]
}

/// The text at a path of keys.
fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

/// Identifiers of the models in an answer of `/v1/models`.
fn model_ids(models: &Value) -> Vec<String> {
    let list = models.get("data").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|model| text(model, "id")).collect()
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    pub(super) fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            server: String::new(),
            body: body.as_bytes().to_vec().into(),
        }
    }

    /// A reading from answers given as path, status and body.
    pub(super) fn read(
        kind: &Kind,
        given: &[(&'static str, u16, &str)],
    ) -> Result<Reading, Failure> {
        let mut answers = Answers::default();
        for (path, status, body) in given {
            answers.0.insert(path, Ok(answer(*status, body)));
        }
        let mut reading = Reading::default();
        (kind.read)(&answers, &mut reading)?;
        Ok(reading)
    }

    /// The neutral samples of a reading, as text.
    pub(super) fn neutral(reading: &Reading, kind: &Kind) -> Vec<String> {
        let samples = reading.samples(kind, "h:1").into_iter();
        samples
            .filter(|(labels, _)| labels.name().starts_with("llm_"))
            .map(|(labels, value)| {
                let mut builder = labels.to_builder();
                builder.remove("engine").remove("instance").remove("source");
                format!("{} {value}", builder.build())
            })
            .collect()
    }

    fn check(clues: Clues, expected: Option<&str>) {
        let found = KINDS.iter().find(|kind| (kind.recognise)(&clues)).map(|kind| kind.name);
        assert_eq!(found, expected, "{clues:?}");
    }

    #[test]
    fn clues() {
        let owned = |owner: &str| Clues {
            owned_by: Some(owner.into()),
            lists_models: true,
            status: 200,
            ..Clues::default()
        };
        check(owned("vllm"), Some("vllm"));
        check(owned("llamacpp"), Some("llamacpp"));
        check(owned("sglang"), None);
        check(owned("tensorrt_llm"), None);
        check(
            Clues { server: "llama.cpp".into(), status: 503, ..Clues::default() },
            Some("llamacpp"),
        );
        let locked =
            |command: &str| Clues { status: 401, command: command.into(), ..Clues::default() };
        check(locked("/usr/bin/python3 /usr/bin/vllm serve m"), Some("vllm"));
        check(locked("/opt/llama-server -m x"), Some("llamacpp"));
        check(locked("nginx: worker"), None);
        check(Clues { status: 404, ..Clues::default() }, None);
    }

    #[test]
    fn clashing_labels_are_exported() {
        let mut reading = Reading::default();
        reading.raw.samples.push((Labels::metric("a", [("job", "x"), ("instance", "y")]), 1.0));
        let samples = reading.samples(&vllm::KIND, "h:1");
        assert_eq!(
            samples[0].0.to_string(),
            r#"a{exported_instance="y", exported_job="x", instance="h:1", job="vllm"}"#
        );
    }
}
