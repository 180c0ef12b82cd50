//! Inference engines: how each kind is recognised and read.
//!
//! A kind is one file and one line in [`KINDS`]. It names the signs by which it is known and the paths
//! that are safe to ask for, and turns the answers into neutral metrics and facts; asking, scheduling
//! and labelling happen elsewhere. Only those paths are ever asked for: some engines change state on a
//! GET. A port is a hint only, and so is the shape of an answer: engines imitate each other.

mod answers;
mod aphrodite;
mod facts;
mod koboldcpp;
mod lemonade;
mod life;
mod liveness;
mod llamacpp;
mod llamaswap;
mod lmdeploy;
mod lmstudio;
mod localai;
mod mindie;
mod ollama;
mod reading;
mod reference;
mod residency;
mod sglang;
mod tabbyapi;
mod tgi;
mod triton;
mod trtllm;
mod vllm;
pub(crate) mod watch;
mod webui;
mod xinference;

use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use model::limits::LABEL_BYTES_MAX;
use serde_json::Value;

pub(crate) use self::{
    answers::Kept,
    reading::{Reading, neutral_labels},
    reference::page,
};

use self::{
    answers::Answers,
    reading::{MODELS_MAX, Names, Translation, name},
};
use crate::{
    Failure, FailureKind, exposition,
    http::{Answer, Endpoint, get},
    process::program_of,
};

/// Every kind of engine that is known. Of two that the clues permit the first is asked first.
pub(crate) const KINDS: &[Kind] = &[
    aphrodite::KIND,
    koboldcpp::KIND,
    lemonade::KIND,
    llamacpp::KIND,
    llamaswap::KIND,
    lmdeploy::KIND,
    lmstudio::KIND,
    localai::KIND,
    mindie::KIND,
    ollama::KIND,
    sglang::KIND,
    tabbyapi::KIND,
    tgi::KIND,
    triton::KIND,
    trtllm::KIND,
    vllm::KIND,
    webui::KIND,
    xinference::KIND,
];

/// The names of all kinds, as in labels and configuration.
pub(crate) const NAMES: &[&str] = &{
    let mut names = [""; KINDS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = KINDS[at].name;
        at += 1;
    }
    names
};

/// A kind of engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// As in labels and configuration.
    pub(crate) name: &'static str,
    /// As people write it.
    pub(crate) title: &'static str,
    signs: Signs,
    /// How its processes call themselves that listen for each other and speak no HTTP.
    workers: &'static [&'static str],
    /// Asked for at every scrape, all at once.
    paths: &'static [&'static str],
    /// Asked for after those, if their answers allow it.
    then: fn(&Answers) -> &'static [&'static str],
    /// Asked for at first and once a minute: what changes seldom.
    seldom: &'static [&'static str],
    read: fn(&Answers, &mut Reading) -> Result<(), Failure>,
    /// Whether its counters move while requests run, so that standing still means something.
    has_heartbeat: bool,
    /// Whether its own processes do the computing.
    computes: bool,
    /// Whether models come and go while it runs, so that they are no part of how it is set up.
    swaps_models: bool,
    checked: Checked,
}

/// What is most often so; a kind says what differs.
const PLAIN: Kind = Kind {
    name: "",
    title: "",
    signs: Signs { owned_by: "", server: "", asked: None, process: |_| false },
    workers: &[],
    paths: &[],
    then: |_| &[],
    seldom: &[],
    read: |_, _| Ok(()),
    has_heartbeat: false,
    computes: true,
    swaps_models: false,
    checked: Checked::Written,
};

/// How the reading of a kind is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checked {
    /// Against the engine itself.
    Real,
    /// Against pages that were captured from it, and against itself when all tests are run.
    Captured,
    /// Against pages that were written after its source and documentation.
    Written,
}

/// What a kind is known by, the surest first.
#[derive(Clone, Copy, Debug)]
struct Signs {
    /// `owned_by` in its list of models; empty when that says nothing.
    owned_by: &'static str,
    /// The header `Server`; empty likewise.
    server: &'static str,
    asked: Option<Confirm>,
    /// Whether the process alone is enough, where nothing else is to be had.
    process: fn(&Clues) -> bool,
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
    /// `id` and `owned_by` of the first entry of `/v1/models`.
    pub(crate) first: Option<String>,
    pub(crate) owned_by: Option<String>,
    /// `/v1/models` answered with a list, empty or not.
    pub(crate) lists_models: bool,
    pub(crate) status: u16,
    /// The header `Server`.
    pub(crate) server: String,
    /// Command line of the process that listens, where it can be seen.
    pub(crate) command: String,
    pub(crate) port: u16,
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

    /// There is no list of models.
    fn is_missing(&self) -> bool {
        matches!(self.status, 400 | 404 | 405)
    }

    fn runs(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.command.contains(word))
    }

    /// Metrics may be open where the list of models is locked. Not those of `trtllm-serve`: reading
    /// them takes them away from others.
    fn may_show_metrics(&self) -> bool {
        self.is_locked() && !self.runs(&["trtllm", "tensorrt_llm"])
    }
}

/// Whether a status says that a key is missing or wrong.
fn is_locked(status: u16) -> bool {
    matches!(status, 401 | 403)
}

/// Whether a process is a part of an engine that must not be asked: what workers listen with for each
/// other keeps whoever else connects for ever.
pub(crate) fn is_worker(command: &str) -> bool {
    let title = command.split(' ').next().unwrap_or_default();
    KINDS.iter().any(|kind| kind.workers.iter().any(|worker| title.contains(worker)))
}

/// Finds out what answers at `endpoint`; `None` when it is no engine that is known.
pub(crate) async fn recognise(
    endpoint: &Endpoint,
    command: &str,
) -> Result<Option<&'static Kind>, Failure> {
    let answer = get(endpoint, "/v1/models").await?;
    let port = endpoint.authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let clues = clues(&answer, command, port.unwrap_or_default());
    if let Some(kind) = known_by_name(&clues) {
        return Ok(Some(kind));
    }
    // Several kinds may want to see the same page.
    let mut asked: HashMap<&str, Option<Answer>> = HashMap::new();
    for kind in KINDS {
        let Some(confirm) = kind.signs.asked else { continue };
        if !(confirm.is_possible)(&clues) {
            continue;
        }
        if !asked.contains_key(confirm.path) {
            asked.insert(confirm.path, get(endpoint, confirm.path).await.ok());
        }
        let answer = asked.get(confirm.path).and_then(Option::as_ref);
        if answer.is_some_and(confirm.is_it) {
            return Ok(Some(kind));
        }
    }
    Ok(KINDS.iter().find(|kind| (kind.signs.process)(&clues)))
}

fn clues(answer: &Answer, command: &str, port: u16) -> Clues {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let models = body.get("data");
    let first = models.and_then(|models| models.get(0));
    Clues {
        first: first.and_then(|model| text(model, "id")),
        owned_by: first.and_then(|model| text(model, "owned_by")),
        lists_models: answer.status.is_success()
            && models.is_some_and(|models| models.is_array() || models.is_null()),
        status: answer.status.as_u16(),
        server: answer.server.clone(),
        command: command.to_owned(),
        port,
    }
}

/// The kind whose name the answer carries: as owner of its models, else in the header `Server`.
fn known_by_name(clues: &Clues) -> Option<&'static Kind> {
    let is_named =
        |kind: &&Kind| !kind.signs.owned_by.is_empty() && clues.owned_by(kind.signs.owned_by);
    let is_server =
        |kind: &&Kind| !kind.signs.server.is_empty() && kind.signs.server == clues.server;
    // A list of models has an owner of its own, whatever serves it.
    let has_other_owner = clues.owned_by.is_some();
    KINDS
        .iter()
        .find(is_named)
        .or_else(|| KINDS.iter().filter(|_| !has_other_owner).find(is_server))
}

/// Whether a page of metrics has a name that begins with `prefix`.
fn has_metric(answer: &Answer, prefix: &str) -> bool {
    let page = exposition::parse(&answer.body);
    answer.status.is_success()
        && page.samples.iter().any(|(labels, _)| labels.name().starts_with(prefix))
}

/// The body of a successful answer, or nothing.
fn body(answer: &Answer) -> Value {
    let is_good = answer.status.is_success();
    is_good.then(|| serde_json::from_slice(&answer.body).ok()).flatten().unwrap_or_default()
}

impl Kind {
    /// Asks the engine once. Fails when it does not answer or answers nonsense.
    pub(crate) async fn scrape(
        &self,
        endpoint: &Endpoint,
        kept: &mut Kept,
        now: Duration,
    ) -> Result<Reading, Failure> {
        let answers = Answers::of(self, endpoint, kept, now).await;
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

    /// Whether engines of this kind start others that are theirs alone.
    pub(crate) fn hides(&self, child: &Self) -> bool {
        self.name == ollama::KIND.name && child.name == llamacpp::KIND.name
    }
}

/// Scrapes an engine that another one started and hides.
pub(crate) async fn scrape_hidden(
    endpoint: &Endpoint,
    kept: &mut Kept,
    now: Duration,
) -> Result<Reading, Failure> {
    llamacpp::KIND.scrape(endpoint, kept, now).await
}

/// The text at a key, unless it is too long for a label.
fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().filter(|text| text.len() <= LABEL_BYTES_MAX).map(str::to_owned)
}

/// Identifiers of the models in an answer of `/v1/models`.
fn model_ids(models: &Value) -> Vec<String> {
    let list = models.get("data").and_then(Value::as_array);
    list.into_iter().flatten().take(MODELS_MAX).filter_map(|model| text(model, "id")).collect()
}

/// Puts the models of `/v1/models` on the list, and what it says of their contexts.
fn read_models(answers: &Answers, reading: &mut Reading) {
    let models = answers.json("/v1/models").unwrap_or_default();
    reading.models = model_ids(&models);
    let list = models.get("data").and_then(Value::as_array);
    for model in list.into_iter().flatten().take(MODELS_MAX) {
        let context = model.get("max_model_len").and_then(Value::as_f64);
        if let (Some(id), Some(context)) = (text(model, "id"), context) {
            reading.push(&model::catalogue::LLM_CONTEXT_TOKENS_MAX, &id, context);
            if !reading.facts.contains_key("context_tokens") {
                reading.fact("context_tokens", context.to_string());
            }
        }
    }
}

/// Takes the page of metrics and translates it. The model is known from there where it is locked.
fn read_metrics(
    answers: &Answers,
    path: &str,
    names: &Names,
    reading: &mut Reading,
) -> Result<(), Failure> {
    reading.raw = answers.exposition(path)?;
    let mut known = HashSet::new();
    let lines = reading.raw.samples.len();
    reading.raw.samples.retain(|(labels, _)| known.insert(labels.fingerprint()));
    reading.raw.bad_lines += lines - reading.raw.samples.len();
    let mut samples = reading.raw.samples.iter();
    reading.started = samples
        .find(|(labels, _)| labels.name() == "process_start_time_seconds")
        .map(|(_, value)| *value);
    if reading.models.is_empty() {
        let named = reading.raw.samples.iter().filter_map(|(labels, _)| {
            let is_its = names.prefixes.iter().any(|prefix| labels.name().starts_with(prefix));
            is_its.then(|| labels.get(names.model_label)).flatten()
        });
        reading.models = named.take(1).map(str::to_owned).collect();
    }
    reading.translate(names);
    Ok(())
}

/// The first series of a name, whose labels say something.
fn info<'a>(reading: &'a Reading, name: &str) -> Option<&'a model::Labels> {
    reading.raw.samples.iter().map(|(labels, _)| labels).find(|labels| labels.name() == name)
}

#[cfg(test)]
mod tests;
