//! What is derived from one reading after the other: starts and restarts, what changed between them,
//! models that come and go, progress, and work that fell back to the CPU.
//!
//! Pure: it is given what was read and says what happened. Times are as exact as the periods of reading
//! and of discovery, ten seconds together.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use model::{
    catalogue::{self as metric, Metric},
    log::Severity,
};

use super::{
    Kind, Reading, facts::Command, liveness::Liveness, reading::MODELS_MAX, residency::Residency,
};

/// Shares of a model above this are all of it: engines keep a little on the CPU.
const OFFLOAD_FULL: f64 = 0.99;
/// Prompts that are remembered, so that each is counted once.
const PROMPTS_MAX: usize = 256;
/// Prompts that lost their beginning are told of at most this often.
const TRUNCATED_PAUSE: Duration = Duration::from_secs(60);
/// Facts that are labels of `llm_engine_config_info`. The rest, such as the version, is told elsewhere.
const LABELS: &[&str] = &[
    "context_tokens",
    "data_parallel",
    "device",
    "dtype",
    "flags",
    "gpu_layers",
    "gpu_memory_utilization",
    "kv_cache_blocks",
    "kv_cache_dtype",
    "kv_cache_tokens",
    "parallel",
    "pipeline_parallel",
    "quantization",
    "tensor_parallel",
];

/// Something that happened, as a message code and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    pub(crate) params: Vec<(&'static str, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Truncated {
    prompts: u32,
    /// Its model had none before this reading. A counter that begins above 0 has not grown for whoever
    /// asks for its increase, so it begins at 0 and what is counted already follows at the next reading.
    is_new: bool,
}

/// What is known at a reading.
pub(crate) struct Seen<'a> {
    pub(crate) now: Duration,
    pub(crate) kind: &'a Kind,
    pub(crate) reading: &'a Reading,
    pub(crate) command: &'a Command,
    /// Whether its processes have an accelerator open, where that can be seen.
    pub(crate) uses_accelerator: Option<bool>,
    /// This machine, which is the engine's, has one.
    pub(crate) has_accelerator: bool,
    /// Another process than at the last reading.
    pub(crate) is_restarted: bool,
    /// Seconds since the process started, if that was after we did.
    pub(crate) age: Option<f64>,
}

/// What is remembered of an engine.
#[derive(Debug, Default)]
pub(crate) struct Life {
    facts: BTreeMap<&'static str, String>,
    /// The command line of its process is known.
    has_command: bool,
    liveness: Liveness,
    residency: Residency,
    stalled: Option<f64>,
    restarts: u32,
    /// When it was first seen loading.
    starting: Option<Duration>,
    is_ready: bool,
    cold_start: Option<f64>,
    offloaded: BTreeMap<String, f64>,
    uses_accelerator: Option<bool>,
    is_cpu_told: bool,
    prompts: VecDeque<(f64, f64)>,
    /// Prompts that lost their beginning, by model, of models that had a prompt which could be judged.
    truncated: BTreeMap<String, Truncated>,
    truncated_told: Option<Duration>,
}

impl Life {
    /// Takes a reading in and returns what happened.
    pub(crate) fn observe(&mut self, seen: &Seen<'_>) -> Vec<Event> {
        let reading = seen.reading;
        if seen.is_restarted {
            self.restarted();
        }
        if reading.is_starting {
            self.starting.get_or_insert(seen.now);
            self.is_ready = false;
            return Vec::new();
        }
        let mut events = Vec::new();
        events.extend(self.ready(seen));
        events.extend(self.changes(seen));
        let embeds = seen.command.embeds || is_told(seen, "is_generation", "false");
        let (stalled, event) = self.liveness.observe(seen.now, seen.kind, reading, embeds);
        self.stalled = stalled;
        events.extend(event);
        events.extend(self.residency.observe(seen.now, reading));
        events.extend(self.offload(seen));
        events.extend(self.on_cpu(seen));
        events.extend(self.truncation(seen));
        events
    }

    fn restarted(&mut self) {
        self.restarts += 1;
        self.liveness = Liveness::default();
        self.residency.restarted();
        (self.starting, self.is_ready, self.cold_start) = (None, false, None);
        self.is_cpu_told = false;
    }

    /// The first reading after it began to load.
    fn ready(&mut self, seen: &Seen<'_>) -> Option<Event> {
        if std::mem::replace(&mut self.is_ready, true) {
            return None;
        }
        let loading = self.starting.take();
        let loading = loading.map(|since| seen.now.saturating_sub(since).as_secs_f64());
        let seconds = seen.age.or(loading)?;
        self.cold_start = Some(seconds);
        let params = vec![("seconds", format!("{seconds:.0}"))];
        Some(Event { code: "event.engine_ready", severity: Severity::Info, params })
    }

    /// What is set up otherwise than at the last reading.
    fn changes(&mut self, seen: &Seen<'_>) -> Vec<Event> {
        let mut facts = seen.command.facts.clone();
        // What the engine says of itself is surer than what it was told.
        facts.extend(seen.reading.facts.iter().map(|(name, value)| (*name, value.clone())));
        if let Some(version) = &seen.reading.version {
            facts.insert("version", version.clone());
        }
        // Of engines that load and unload, the models and what belongs to them change all the time.
        let swaps = seen.kind.swaps_models;
        let is_lasting = |name: &str| !swaps || matches!(name, "version" | "flags");
        let models = seen.reading.models.join(", ");
        if !swaps && !models.is_empty() {
            facts.insert("model", models);
        } else if let Some(before) = self.facts.get("model") {
            // An engine whose metrics cannot be read just now may not say which models it has.
            facts.insert("model", before.clone());
        }
        let is_asleep = !swaps && seen.reading.loaded.as_ref().is_some_and(BTreeSet::is_empty);
        if seen.reading.is_busy || is_asleep {
            // It does not say all.
            return Vec::new();
        }
        let old = std::mem::replace(&mut self.facts, facts);
        // The process of an engine that a person named is found after its first answer.
        let has_command = !seen.command.facts.is_empty();
        let is_found = has_command && !std::mem::replace(&mut self.has_command, has_command);
        if old.is_empty() {
            return Vec::new();
        }
        let names = old.keys().chain(self.facts.keys().filter(|name| !old.contains_key(*name)));
        let changed =
            names.filter(|name| is_lasting(name) && old.get(*name) != self.facts.get(*name));
        let changed = changed.filter(|name| {
            let is_known = old.contains_key(*name);
            is_known || !(is_found || **name == "model")
        });
        let event = |name: &&'static str| {
            let [old, new] = [old.get(name), self.facts.get(name)]
                .map(|value| value.map(String::as_str).unwrap_or_default());
            // Of a long command line only what is another is worth a word.
            let [old, new] =
                if *name == "flags" { differing(old, new)? } else { [old, new].map(str::to_owned) };
            let or_dash = |value: String| if value.is_empty() { "–".to_owned() } else { value };
            Some(Event {
                code: "event.engine_changed",
                severity: Severity::Warn,
                params: vec![
                    ("fact", (*name).to_owned()),
                    ("old", or_dash(old)),
                    ("new", or_dash(new)),
                ],
            })
        };
        changed.filter_map(event).collect()
    }

    /// Models of which a part runs on the CPU though there is an accelerator.
    fn offload(&mut self, seen: &Seen<'_>) -> Vec<Event> {
        let old = std::mem::replace(&mut self.offloaded, seen.reading.offloaded.clone());
        let mut events = Vec::new();
        for (model, share) in &self.offloaded {
            // Nothing on an accelerator is what a machine without one does.
            let is_meant = *share == 0.0 && !seen.has_accelerator;
            let was_so = old.get(model).is_some_and(|old| *old < OFFLOAD_FULL);
            if *share >= OFFLOAD_FULL || is_meant || was_so {
                continue;
            }
            let percent = format!("{:.0}", share * 100.0);
            events.push(Event {
                code: "event.model_partly_on_cpu",
                severity: Severity::Warn,
                params: vec![("model", model.clone()), ("percent", percent)],
            });
        }
        events
    }

    /// All of the engine on the CPU though there is an accelerator and nobody asked for that.
    fn on_cpu(&mut self, seen: &Seen<'_>) -> Option<Event> {
        self.uses_accelerator = seen.uses_accelerator;
        let is_idle = seen.reading.loaded.as_ref().is_some_and(BTreeSet::is_empty);
        let is_asked_for = is_told(seen, "device", "cpu") || is_told(seen, "gpu_layers", "0");
        let is_silent = seen.uses_accelerator == Some(false)
            && seen.has_accelerator
            && seen.kind.computes
            && !is_idle
            && !is_asked_for;
        if !is_silent {
            self.is_cpu_told &= seen.uses_accelerator == Some(false);
            return None;
        }
        if std::mem::replace(&mut self.is_cpu_told, true) {
            return None;
        }
        Some(Event { code: "event.engine_on_cpu", severity: Severity::Warn, params: Vec::new() })
    }

    /// Whether the engine runs on the CPU without having been asked to.
    pub(crate) fn is_on_cpu(&self) -> bool {
        self.is_cpu_told
    }

    fn truncation(&mut self, seen: &Seen<'_>) -> Option<Event> {
        let mut last = None;
        self.truncated.values_mut().for_each(|truncated| truncated.is_new = false);
        for prompt in &seen.reading.prompts {
            let Some(is_truncated) = prompt.is_truncated else { continue };
            let Some(truncated) = truncated_of(&mut self.truncated, &prompt.model) else {
                continue;
            };
            if !is_truncated {
                continue;
            }
            // Tasks of another process may have the same number, but hardly as many tokens.
            let id = (prompt.task, prompt.tokens);
            if self.prompts.contains(&id) {
                continue;
            }
            if self.prompts.len() >= PROMPTS_MAX {
                self.prompts.pop_front();
            }
            self.prompts.push_back(id);
            truncated.prompts += 1;
            last = Some(prompt);
        }
        let prompt = last?;
        let is_recent = |told: Duration| seen.now.saturating_sub(told) < TRUNCATED_PAUSE;
        if self.truncated_told.is_some_and(is_recent) {
            return None;
        }
        self.truncated_told = Some(seen.now);
        let params = vec![
            ("model", prompt.model.clone()),
            ("tokens", prompt.tokens.to_string()),
            ("context", prompt.context.to_string()),
        ];
        Some(Event { code: "event.prompt_truncated", severity: Severity::Warn, params })
    }

    /// The series of what is derived, given to `push` as metric, labels and value.
    pub(crate) fn series(&self, model: &str, push: &mut impl FnMut(&Metric, &[(&str, &str)], f64)) {
        let of_model = [("model", model)];
        let labels = LABELS.iter().filter_map(|name| Some((*name, self.facts.get(name)?.as_str())));
        let labels: Vec<_> = of_model.into_iter().chain(labels).collect();
        push(&metric::LLM_ENGINE_CONFIG_INFO, &labels, 1.0);
        push(&metric::LLM_ENGINE_RESTARTS_TOTAL, &of_model, f64::from(self.restarts));
        if let Some(seconds) = self.stalled {
            push(&metric::LLM_ENGINE_STALLED_SECONDS, &of_model, seconds);
        }
        if let Some(seconds) = self.cold_start {
            push(&metric::LLM_ENGINE_COLD_START_SECONDS, &of_model, seconds);
        }
        if let Some(uses) = self.uses_accelerator {
            push(&metric::LLM_ENGINE_ACCELERATOR_OPEN, &of_model, f64::from(u8::from(uses)));
        }
        for (model, share) in &self.offloaded {
            push(&metric::LLM_MODEL_OFFLOAD_RATIO, &[("model", model)], *share);
        }
        for (model, truncated) in &self.truncated {
            let prompts = if truncated.is_new { 0 } else { truncated.prompts };
            push(&metric::LLM_PROMPTS_TRUNCATED_TOTAL, &[("model", model)], f64::from(prompts));
        }
        for (name, model) in &self.residency.models {
            let labels = [("model", name.as_str())];
            let is_loaded = f64::from(u8::from(model.is_loaded));
            push(&metric::LLM_MODEL_LOADED, &labels, is_loaded);
            push(&metric::LLM_MODEL_LOADS_TOTAL, &labels, f64::from(model.loads));
            push(&metric::LLM_MODEL_UNLOADS_TOTAL, &labels, f64::from(model.unloads));
            if let Some(seconds) = model.load_seconds {
                push(&metric::LLM_MODEL_LOAD_SECONDS, &labels, seconds);
            }
        }
        if !self.residency.models.is_empty() {
            let thrashed = f64::from(self.residency.thrashed);
            push(&metric::LLM_MODEL_THRASH_TOTAL, &of_model, thrashed);
        }
    }
}

/// What is counted of a model, unless there are too many.
fn truncated_of<'a>(
    all: &'a mut BTreeMap<String, Truncated>,
    model: &str,
) -> Option<&'a mut Truncated> {
    if !all.contains_key(model) {
        if all.len() >= MODELS_MAX {
            return None;
        }
        all.insert(model.to_owned(), Truncated { prompts: 0, is_new: true });
    }
    all.get_mut(model)
}

/// Whether a fact is known to have a value.
fn is_told(seen: &Seen<'_>, fact: &str, value: &str) -> bool {
    let told = seen.reading.facts.get(fact).or_else(|| seen.command.facts.get(fact));
    told.is_some_and(|told| told == value)
}

/// What of two command lines is only in the one or the other: flags with their values. `None` where only their
/// order differs.
fn differing(old: &str, new: &str) -> Option<[String; 2]> {
    let lines = [old, new].map(flags);
    let only = |own: &[String], other: &[String]| {
        let own = own.iter().filter(|flag| !other.contains(flag));
        own.map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    let only = [only(&lines[0], &lines[1]), only(&lines[1], &lines[0])];
    only.iter().any(|flags| !flags.is_empty()).then_some(only)
}

/// A command line as flags, each with what follows it up to the next.
fn flags(line: &str) -> Vec<String> {
    let mut flags: Vec<String> = Vec::new();
    for word in line.split_ascii_whitespace() {
        // A number below zero is a value.
        let is_number = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
        let is_flag = word.strip_prefix('-').is_some_and(|rest| !is_number(rest));
        match flags.last_mut() {
            Some(flag) if !is_flag => {
                flag.push(' ');
                flag.push_str(word);
            }
            _ => flags.push(word.to_owned()),
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{llamacpp, ollama, reading::Prompt, vllm};

    fn seen<'a>(now: u64, kind: &'a Kind, reading: &'a Reading, command: &'a Command) -> Seen<'a> {
        Seen {
            now: Duration::from_secs(now),
            kind,
            reading,
            command,
            uses_accelerator: None,
            has_accelerator: false,
            is_restarted: false,
            age: None,
        }
    }

    fn told(events: &[Event]) -> Vec<String> {
        events
            .iter()
            .map(|event| {
                let params = event.params.iter().map(|(name, value)| format!(" {name}={value}"));
                event.code.to_owned() + &params.collect::<String>()
            })
            .collect()
    }

    fn set_up(version: &str, context: &str) -> Reading {
        let mut reading = Reading { version: Some(version.into()), ..Reading::default() };
        reading.models = vec!["m".into()];
        reading.fact("context_tokens", context);
        reading
    }

    #[test]
    fn a_process_that_is_found_later_is_no_change() {
        let mut life = Life::default();
        let reading = set_up("1", "2048");
        let none = Command::default();
        let facts = BTreeMap::from([("flags", "-a".into()), ("context_tokens", "9".into())]);
        let command = Command { facts, ..Command::default() };
        for (second, command) in [(0, &none), (5, &command), (10, &command)] {
            let events = life.observe(&seen(second, &vllm::KIND, &reading, command));
            assert!(events.is_empty(), "{:?}", told(&events));
        }
        let facts = BTreeMap::from([("flags", "-b".into())]);
        let other = Command { facts, ..Command::default() };
        let events = life.observe(&seen(15, &vllm::KIND, &reading, &other));
        assert_eq!(told(&events), ["event.engine_changed fact=flags old=-a new=-b"]);
    }

    #[test]
    fn models_that_are_not_told_yet_are_no_change() {
        let mut life = Life::default();
        let command = Command::default();
        let told_of = |models: &[&str]| Reading {
            models: models.iter().map(|model| (*model).to_owned()).collect(),
            ..set_up("1", "2048")
        };
        for (second, models) in [(0, vec![]), (5, vec!["m"]), (10, vec![]), (15, vec!["m"])] {
            let events = life.observe(&seen(second, &vllm::KIND, &told_of(&models), &command));
            assert!(events.is_empty(), "{models:?} {:?}", told(&events));
        }
        let events = life.observe(&seen(20, &vllm::KIND, &told_of(&["n"]), &command));
        assert_eq!(told(&events), ["event.engine_changed fact=model old=m new=n"]);
    }

    #[test]
    fn what_changes_over_a_restart() {
        let mut life = Life::default();
        let old = set_up("1", "2048");
        let command =
            Command { facts: BTreeMap::from([("flags", "-a".into())]), ..Command::default() };
        assert!(life.observe(&seen(0, &vllm::KIND, &old, &command)).is_empty());
        assert!(life.observe(&seen(5, &vllm::KIND, &old, &command)).is_empty());
        let new = set_up("2", "4096");
        let after =
            Seen { is_restarted: true, age: Some(7.0), ..seen(10, &vllm::KIND, &new, &command) };
        assert_eq!(
            told(&life.observe(&after)),
            [
                "event.engine_ready seconds=7",
                "event.engine_changed fact=context_tokens old=2048 new=4096",
                "event.engine_changed fact=version old=1 new=2",
            ]
        );
        let mut series = Vec::new();
        life.series("m", &mut |metric, labels, value| {
            series.push(format!("{} {labels:?} {value}", metric.name));
        });
        assert_eq!(
            series,
            [
                r#"llm_engine_config_info [("model", "m"), ("context_tokens", "4096"), ("flags", "-a")] 1"#,
                r#"llm_engine_restarts_total [("model", "m")] 1"#,
                r#"llm_engine_cold_start_seconds [("model", "m")] 7"#,
            ]
        );
    }

    #[test]
    fn flags_that_changed_are_named() {
        let check = |old: &str, new: &str, expected: Option<[&str; 2]>| {
            assert_eq!(
                differing(old, new),
                expected.map(|sides| sides.map(str::to_owned)),
                "{old}"
            );
        };
        let old = "serve m --max-num-seqs 128 --dtype auto --enforce-eager";
        let new = "serve m --enforce-eager --dtype auto --max-num-seqs 256 --api-key ***";
        check(old, new, Some(["--max-num-seqs 128", "--max-num-seqs 256 --api-key ***"]));
        check("-a 1 -b", "-b -a 1", None);
        check("-ngl -1", "-ngl 99", Some(["-ngl -1", "-ngl 99"]));
        check("", "-a", Some(["", "-a"]));
        check("a=1", "a=2", Some(["a=1", "a=2"]));
        check("- é", "- e", Some(["- é", "- e"]));
    }

    #[test]
    fn models_that_come_and_go_are_no_changes() {
        let mut life = Life::default();
        let command = Command::default();
        let mut first = set_up("1", "2048");
        first.set_loaded(std::iter::once("m".into()));
        let mut second = set_up("1", "4096");
        second.set_loaded(std::iter::empty());
        life.observe(&seen(0, &ollama::KIND, &first, &command));
        let events = life.observe(&seen(5, &ollama::KIND, &second, &command));
        assert_eq!(told(&events), ["event.model_unloaded model=m seconds=?"]);
    }

    #[test]
    fn a_cold_start_that_was_seen() {
        let mut life = Life::default();
        let command = Command::default();
        let loading = Reading { is_starting: true, ..Reading::default() };
        life.observe(&seen(0, &llamacpp::KIND, &loading, &command));
        life.observe(&seen(10, &llamacpp::KIND, &loading, &command));
        let events = life.observe(&seen(20, &llamacpp::KIND, &set_up("1", "1"), &command));
        assert_eq!(told(&events), ["event.engine_ready seconds=20"]);
    }

    #[test]
    fn fallback_to_the_cpu() {
        let reading = set_up("1", "1");
        for (uses, has, device, expected) in [
            (Some(false), true, "auto", 1),
            (Some(false), true, "cpu", 0),
            (Some(false), false, "auto", 0),
            (Some(true), true, "auto", 0),
            (None, true, "auto", 0),
        ] {
            let facts = BTreeMap::from([("device", device.to_owned())]);
            let command = Command { facts, ..Command::default() };
            let mut life = Life::default();
            let now = || Seen {
                uses_accelerator: uses,
                has_accelerator: has,
                ..seen(0, &vllm::KIND, &reading, &command)
            };
            let events = [life.observe(&now()), life.observe(&now())].concat();
            let count = events.iter().filter(|event| event.code == "event.engine_on_cpu").count();
            assert_eq!(count, expected, "{uses:?} {has} {device}");
            assert_eq!(life.is_on_cpu(), expected == 1);
        }
    }

    #[test]
    fn models_that_are_partly_on_the_cpu() {
        let command = Command::default();
        for (share, has, expected) in
            [(0.8, false, 1), (0.0, false, 0), (0.0, true, 1), (1.0, true, 0)]
        {
            let mut life = Life::default();
            let mut reading = set_up("1", "1");
            reading.offloaded.insert("m".into(), share);
            let now =
                || Seen { has_accelerator: has, ..seen(0, &ollama::KIND, &reading, &command) };
            let events = [life.observe(&now()), life.observe(&now())].concat();
            assert_eq!(events.len(), expected, "{share} {has}: {events:?}");
        }
    }

    #[test]
    fn prompts_that_lost_their_beginning() {
        let reading = |prompts: &[(f64, f64)]| {
            let mut hidden = Reading::default();
            for (task, tokens) in prompts {
                let (model, task, tokens) = (String::new(), *task, *tokens);
                let prompt = Prompt { task, model, tokens, context: 4096.0, is_truncated: None };
                hidden.prompts.push(prompt);
            }
            let mut reading = set_up("1", "4096");
            reading.adopt(hidden, "m");
            reading
        };
        let mut life = Life::default();
        let command = Command::default();
        let mut check = |now: u64, prompts: &[(f64, f64)], expected: &[&str]| {
            let reading = reading(prompts);
            let mut seen = told(&life.observe(&seen(now, &ollama::KIND, &reading, &command)));
            life.series("main", &mut |metric, labels, value| {
                if metric.name == metric::LLM_PROMPTS_TRUNCATED_TOTAL.name {
                    seen.push(format!("{labels:?} {value}"));
                }
            });
            assert_eq!(seen, expected, "{now}");
        };
        check(0, &[], &[]);
        let event = "event.prompt_truncated model=m tokens=2050 context=4096";
        // What the first sample says is no growth, so it says 0.
        let cut = [(1.0, 2050.0), (2.0, 700.0)];
        check(5, &cut, &[event, r#"[("model", "m")] 0"#]);
        check(10, &cut, &[r#"[("model", "m")] 1"#]);
        check(500, &[(1.0, 2050.0)], &[r#"[("model", "m")] 1"#]);
        check(505, &[(3.0, 2050.0)], &[event, r#"[("model", "m")] 2"#]);
    }

    #[test]
    fn an_engine_that_does_not_say_whether_it_cut_has_no_count() {
        for (is_truncated, expected) in [(None, 0), (Some(false), 1), (Some(true), 1)] {
            let (model, task, tokens, context) = ("m".to_owned(), 1.0, 9.0, 4096.0);
            let mut reading = set_up("1", "4096");
            reading.prompts.push(Prompt { task, model, tokens, context, is_truncated });
            let mut life = Life::default();
            life.observe(&seen(0, &llamacpp::KIND, &reading, &Command::default()));
            let mut found = 0;
            life.series("m", &mut |metric, _, _| {
                found += i32::from(metric.name == metric::LLM_PROMPTS_TRUNCATED_TOTAL.name);
            });
            assert_eq!(found, expected, "{is_truncated:?}");
        }
    }
}
