//! What a scrape says, and the translation of an engine's names of metrics into neutral ones.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Labels, NAME,
    catalogue::{self as metric, Kind as MetricKind, Metric},
};
use serde_json::Value;

use super::Kind;
use crate::exposition::Exposition;

/// Most bytes of one fact.
const FACT_BYTES_MAX: usize = 1_024;
/// Most models of one engine that are kept apart.
pub(super) const MODELS_MAX: usize = 256;

/// Labels beyond the common ones.
type Extra = Vec<(String, String)>;

/// A prompt that an engine works on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prompt {
    /// Tells one from another.
    pub(crate) task: f64,
    pub(crate) model: String,
    pub(crate) tokens: f64,
    /// Of its slot, in tokens.
    pub(crate) context: f64,
    /// Its beginning was dropped, surely or probably; none where the engine does not say.
    pub(crate) is_truncated: Option<bool>,
}

/// What a scrape says.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) version: Option<String>,
    /// The models that are served, main one first.
    pub(crate) models: Vec<String>,
    /// It answers but cannot serve yet.
    pub(crate) is_starting: bool,
    /// It is alive, and too busy to say more.
    pub(crate) is_busy: bool,
    pub(crate) notes: Vec<(&'static str, Vec<(String, String)>)>,
    /// The engine's own metrics, exactly as it wrote them.
    pub(crate) raw: Exposition,
    /// Neutral values by metric name and labels beyond the common ones.
    pub(crate) neutral: BTreeMap<(String, Extra), f64>,
    /// How the engine is set up, by the names that [`super::facts`] lists.
    pub(crate) facts: BTreeMap<&'static str, String>,
    /// The models in memory now, of engines that load and unload them.
    pub(crate) loaded: Option<BTreeSet<String>>,
    /// The models that are being loaded now.
    pub(crate) loading: BTreeSet<String>,
    /// Work beyond the counters that moves while a request runs, such as the places of slots.
    pub(crate) work: Vec<f64>,
    /// Every running request is still at its prompt.
    pub(crate) is_prefill: bool,
    /// The prompts that are being worked on.
    pub(crate) prompts: Vec<Prompt>,
    /// Share of each loaded model that is in accelerator memory.
    pub(crate) offloaded: BTreeMap<String, f64>,
    /// When the engine started, where it says so in Unix time.
    pub(crate) started: Option<f64>,
}

impl Reading {
    pub(crate) fn model(&self) -> String {
        self.models.first().cloned().unwrap_or_default()
    }

    /// Whether the engine says anything of `metric`.
    pub(crate) fn tells(&self, metric: &Metric) -> bool {
        self.neutral.keys().any(|(name, _)| name.starts_with(metric.name))
    }

    /// Bytes of all parts on the fullest accelerator that the engine tells apart.
    pub(crate) fn accelerator_parts(&self) -> Option<f64> {
        let name = metric::LLM_ENGINE_ACCELERATOR_BYTES.name;
        let parts = self.neutral.iter().filter(|((metric, extra), _)| {
            let is_whole = |(label, value): &(String, String)| label == "part" && value == "all";
            metric == name && !extra.iter().any(is_whole)
        });
        parts.map(|(_, bytes)| *bytes).reduce(|a, b| a + b)
    }

    /// Records a value of `model`.
    pub(super) fn push(&mut self, metric: &Metric, model: &str, value: f64) {
        let labels = vec![("model".to_owned(), model.to_owned())];
        self.neutral.insert((metric.name.to_owned(), labels), value);
    }

    /// Takes back what was recorded of `metric`.
    pub(super) fn forget(&mut self, metric: &Metric) {
        self.neutral.retain(|(name, _), _| name != metric.name);
    }

    /// Records how the engine is set up. Empty words and Python's nothing say nothing.
    pub(super) fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        let mut value = value.into();
        if value.is_empty() || value == "None" || value == "null" {
            return;
        }
        let end = value.floor_char_boundary(FACT_BYTES_MAX);
        value.truncate(end);
        self.facts.insert(name, value);
    }

    /// Records facts from the fields of an object, given as field and fact.
    pub(super) fn facts_from(&mut self, object: &Value, fields: &[(&str, &'static str)]) {
        for (field, fact) in fields {
            match object.get(field) {
                Some(Value::String(text)) => self.fact(fact, text.as_str()),
                Some(value @ (Value::Number(_) | Value::Bool(_))) => {
                    self.fact(fact, value.to_string());
                }
                _ => {}
            }
        }
    }

    /// Records the models that are in memory now.
    pub(super) fn set_loaded(&mut self, models: impl Iterator<Item = String>) {
        self.loaded = Some(models.take(MODELS_MAX).collect());
    }

    /// The sum of a neutral metric over models, if there is any.
    pub(crate) fn total(&self, metric: &Metric) -> Option<f64> {
        let values = self.neutral.iter().filter(|((name, _), _)| name == metric.name);
        values.map(|(_, value)| *value).reduce(|a, b| a + b)
    }

    /// Takes over what an engine says that this one started and hides.
    pub(super) fn adopt(&mut self, hidden: Self, model: &str) {
        for ((name, extra), value) in hidden.neutral {
            let mut extra: Extra = extra.into_iter().filter(|(name, _)| name != "model").collect();
            extra.insert(0, ("model".to_owned(), model.to_owned()));
            self.neutral.entry((name, extra)).or_insert(value);
        }
        for (labels, value) in hidden.raw.samples {
            let mut builder = labels.to_builder();
            builder.set("model", model);
            self.raw.samples.push((builder.build(), value));
        }
        self.raw.metrics.extend(hidden.raw.metrics);
        self.raw.bad_lines += hidden.raw.bad_lines;
        self.work.extend(hidden.work);
        if !hidden.notes.is_empty() {
            self.notes.push(("note.ollama_metrics_off", Vec::new()));
        }
        self.is_prefill |= hidden.is_prefill;
        self.is_busy |= hidden.is_busy;
        for (name, value) in hidden.facts {
            self.facts.entry(name).or_insert(value);
        }
        self.prompts.extend(hidden.prompts.into_iter().map(|prompt| Prompt {
            model: model.to_owned(),
            // What is left of a prompt that was too long is half the context and two tokens.
            is_truncated: Some(
                prompt.is_truncated == Some(true)
                    || (prompt.tokens - (prompt.context / 2.0).floor() - 2.0).abs() <= 2.0,
            ),
            ..prompt
        }));
    }

    /// Translates the raw metrics by `names`. Of several names for one thing the first that is there
    /// counts. Values that differ only in labels that the neutral family does not have, such as the
    /// number of a worker, are added up, or the largest is taken of a ratio.
    pub(super) fn translate(&mut self, names: &Names) {
        let first_model = self.model();
        let mut best: BTreeMap<_, usize> = BTreeMap::new();
        let mut parts: BTreeMap<(usize, String, Extra, Extra), f64> = BTreeMap::new();
        for (labels, value) in &self.raw.samples {
            let Some(name) = names.strip(labels.name()).filter(|_| !value.is_nan()) else {
                continue;
            };
            for (at, row) in names.table.iter().enumerate() {
                let Some(suffix) = row.suffix(name, labels) else { continue };
                let best = best.entry((row.to.name, row.set, row.keep)).or_insert(at);
                *best = at.min(*best);
                let extra = row.extra(labels, suffix, names.model_label, &first_model);
                let worker = labels.iter().filter(|(label, _)| {
                    *label != NAME && *label != "le" && !names.ranks.contains(label)
                });
                let worker = worker.map(|(label, value)| (label.into(), value.into())).collect();
                let part = parts.entry((at, suffix.to_owned(), extra, worker));
                let value = value * row.scale;
                // Ranks say the same thing several times, and so does a series that comes twice.
                part.and_modify(|known| *known = known.max(value)).or_insert(value);
            }
        }
        for ((at, suffix, extra, _), value) in parts {
            let Some(row) = names.table.get(at) else { continue };
            if best.get(&(row.to.name, row.set, row.keep)) != Some(&at) {
                continue;
            }
            let into = self.neutral.entry((format!("{}{suffix}", row.to.name), extra));
            let is_ratio = row.to.unit == "ratio";
            into.and_modify(|sum| *sum = if is_ratio { sum.max(value) } else { *sum + value })
                .or_insert(value);
        }
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

    /// What moves while requests run. Of a prompt that vLLM takes in pieces nothing is counted before
    /// its last one; all that moves by then is the share of the cache that it takes.
    pub(crate) fn progress(&self) -> Vec<(&'static str, f64)> {
        [
            &metric::LLM_ENGINE_STEPS_TOTAL,
            &metric::LLM_GENERATION_TOKENS_TOTAL,
            &metric::LLM_PROMPT_TOKENS_TOTAL,
            &metric::LLM_REQUESTS_FINISHED_TOTAL,
            &metric::LLM_KV_CACHE_USAGE_RATIO,
        ]
        .into_iter()
        .filter_map(|metric| Some((metric.name, self.total(metric)?)))
        .collect()
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

/// How an engine names its metrics.
pub(super) struct Names {
    /// What the names begin with; of several, such as under Ray, whichever is there.
    pub(super) prefixes: &'static [&'static str],
    pub(super) model_label: &'static str,
    /// Labels of ranks that all report the same requests.
    pub(super) ranks: &'static [&'static str],
    /// Newer names before older ones.
    pub(super) table: &'static [Translation],
}

impl Names {
    fn strip<'a>(&self, name: &'a str) -> Option<&'a str> {
        self.prefixes.iter().find_map(|prefix| name.strip_prefix(prefix))
    }
}

/// From an engine's name of a metric to ours.
pub(super) struct Translation {
    /// Without the prefix.
    from: &'static str,
    to: &'static Metric,
    /// Only series with this label.
    when: Option<(&'static str, &'static str)>,
    /// A label that is kept, and what it is called then.
    keep: Option<(&'static str, &'static str)>,
    /// A label that the neutral series gets.
    set: Option<(&'static str, &'static str)>,
    scale: f64,
}

/// The plain translation of a name.
pub(super) const fn name(from: &'static str, to: &'static Metric) -> Translation {
    Translation { from, to, when: None, keep: None, set: None, scale: 1.0 }
}

impl Translation {
    pub(super) const fn when(self, label: &'static str, value: &'static str) -> Self {
        Self { when: Some((label, value)), ..self }
    }

    pub(super) const fn keep(self, label: &'static str, called: &'static str) -> Self {
        Self { keep: Some((label, called)), ..self }
    }

    pub(super) const fn set(self, label: &'static str, value: &'static str) -> Self {
        Self { set: Some((label, value)), ..self }
    }

    pub(super) const fn scaled(self, scale: f64) -> Self {
        Self { scale, ..self }
    }

    /// What the name has beyond this one, if it is this one.
    fn suffix<'a>(&self, name: &'a str, labels: &Labels) -> Option<&'a str> {
        let suffix = name.strip_prefix(self.from)?;
        let is_part = matches!(suffix, "_bucket" | "_sum" | "_count");
        let is_histogram = self.to.kind == MetricKind::Histogram;
        let is_it = if is_histogram { is_part } else { suffix.is_empty() };
        let is_meant = self.when.is_none_or(|(label, value)| labels.get(label) == Some(value));
        (is_it && is_meant).then_some(suffix)
    }

    fn extra(&self, labels: &Labels, suffix: &str, model_label: &str, first: &str) -> Extra {
        let model = labels.get(model_label).unwrap_or(first);
        let mut extra = vec![("model".to_owned(), model.to_owned())];
        if suffix == "_bucket" {
            extra.push(("le".into(), labels.get("le").unwrap_or_default().into()));
        }
        if let Some((from, called)) = self.keep {
            extra.push((called.into(), labels.get(from).unwrap_or_default().into()));
        }
        extra.extend(self.set.map(|(label, value)| (label.into(), value.into())));
        extra
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::neutral, *};
    use crate::{engine::vllm, exposition};

    const NAMES: Names = Names {
        prefixes: &["e:", "old_e_"],
        model_label: "model_name",
        ranks: &["tp_rank"],
        table: &[
            name("kv", &metric::LLM_KV_CACHE_USAGE_RATIO),
            name("gpu_kv", &metric::LLM_KV_CACHE_USAGE_RATIO),
            name("running", &metric::LLM_REQUESTS_RUNNING),
            name("live", &metric::LLM_GENERATION_TOKENS_TOTAL).when("mode", "decode"),
            name("tokens", &metric::LLM_GENERATION_TOKENS_TOTAL),
            name("ok", &metric::LLM_REQUESTS_FINISHED_TOTAL).set("reason", "success"),
            name("bad", &metric::LLM_REQUESTS_FINISHED_TOTAL).keep("err", "reason"),
        ],
    };

    fn check(page: &str, expected: &[&str]) {
        let raw = exposition::parse(page.as_bytes());
        let mut reading = Reading { raw, models: vec!["m".into()], ..Reading::default() };
        reading.translate(&NAMES);
        assert_eq!(neutral(&reading, &vllm::KIND), expected, "{page}");
    }

    #[test]
    fn names_of_all_versions() {
        check("e:kv 0.5\ne:gpu_kv 0.7\n", &[r#"llm_kv_cache_usage_ratio{model="m"} 0.5"#]);
        check("e:gpu_kv 0.7\n", &[r#"llm_kv_cache_usage_ratio{model="m"} 0.7"#]);
        check("old_e_kv{model_name=\"n\"} 0.7\n", &[r#"llm_kv_cache_usage_ratio{model="n"} 0.7"#]);
        let live = "e:live{mode=\"decode\"} 7\ne:live{mode=\"prefill\"} 9\ne:tokens 3\n";
        check(live, &[r#"llm_generation_tokens_total{model="m"} 7"#]);
        check(
            "e:live{mode=\"x\"} 1\ne:tokens 3\n",
            &[r#"llm_generation_tokens_total{model="m"} 3"#],
        );
        check(
            "e:ok 2\ne:bad{err=\"x\"} 1\n",
            &[
                r#"llm_requests_finished_total{model="m", reason="success"} 2"#,
                r#"llm_requests_finished_total{model="m", reason="x"} 1"#,
            ],
        );
    }

    #[test]
    fn ranks_and_repeated_series_are_not_added_up() {
        let ranks = "e:running{tp_rank=\"0\",dp_rank=\"0\"} 2\ne:running{tp_rank=\"1\",dp_rank=\"0\"} 2\n\
                     e:running{tp_rank=\"0\",dp_rank=\"1\"} 3\n";
        check(ranks, &[r#"llm_requests_running{model="m"} 5"#]);
        check("e:running 2\ne:running 2\n", &[r#"llm_requests_running{model="m"} 2"#]);
        check("e:running NaN\n", &[]);
    }

    #[test]
    fn facts_are_short_and_say_something() {
        let mut reading = Reading::default();
        reading.fact("a", "None");
        reading.fact("b", "é".repeat(2_000));
        assert_eq!(reading.facts.keys().collect::<Vec<_>>(), [&"b"]);
        assert_eq!(reading.facts["b"].len(), FACT_BYTES_MAX);
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
