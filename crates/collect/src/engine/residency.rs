//! Which models are in memory over time: loads and unloads, how long loading took, and models that are
//! thrown out for each other again and again.
//!
//! Sees what is so at a scrape: a model that is loaded and unloaded between two is missed, and times
//! are as exact as the period. What is loaded at the first look counts as no load.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use model::log::Severity;

use super::{Reading, life::Event};

/// A model that returns within this time, after another was loaded in its place, was thrown out.
const THRASH_WITHIN: Duration = Duration::from_secs(600);
/// So many returns in that time are told.
const THRASH_MIN: usize = 3;
/// Most models that are remembered.
const MODELS_MAX: usize = 256;

/// What is known of a model.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) loads: u32,
    pub(super) unloads: u32,
    /// Seconds that the last load took, where it was seen.
    pub(super) load_seconds: Option<f64>,
    pub(super) is_loaded: bool,
    loading_since: Option<Duration>,
    loaded_at: Option<Duration>,
    unloaded_at: Option<Duration>,
}

/// The models of one engine.
#[derive(Debug, Default)]
pub(super) struct Residency {
    pub(super) models: BTreeMap<String, Model>,
    is_known: bool,
    /// Returns of models that had been thrown out.
    returns: VecDeque<Duration>,
    pub(super) thrashed: u32,
    told: Option<Duration>,
}

impl Residency {
    /// Takes a reading in and returns what happened.
    pub(super) fn observe(&mut self, now: Duration, reading: &Reading) -> Vec<Event> {
        let Some(loaded) = &reading.loaded else { return Vec::new() };
        for name in &reading.loading {
            if let Some(model) = self.model(name) {
                model.loading_since.get_or_insert(now);
            }
        }
        let gone: Vec<String> = self
            .models
            .iter()
            .filter(|(name, model)| model.is_loaded && !loaded.contains(*name))
            .map(|(name, _)| name.clone())
            .collect();
        let mut events: Vec<Event> =
            gone.iter().filter_map(|name| self.unloaded(name, now)).collect();
        for name in loaded {
            events.extend(self.loaded(name, now));
        }
        self.is_known = true;
        events.extend(self.thrash(now));
        self.forget(loaded);
        events
    }

    /// The engine was started anew: what it has now was not loaded in place of something.
    pub(super) fn restarted(&mut self) {
        self.is_known = false;
        for model in self.models.values_mut() {
            (model.is_loaded, model.loading_since, model.unloaded_at) = (false, None, None);
        }
    }

    fn model(&mut self, name: &str) -> Option<&mut Model> {
        if !self.models.contains_key(name) && self.models.len() >= MODELS_MAX {
            return None;
        }
        Some(self.models.entry(name.to_owned()).or_default())
    }

    fn unloaded(&mut self, name: &str, now: Duration) -> Option<Event> {
        let model = self.models.get_mut(name)?;
        model.is_loaded = false;
        model.unloads += 1;
        model.unloaded_at = Some(now);
        let held = model.loaded_at.map(|since| now.saturating_sub(since).as_secs_f64());
        let held = held.map_or("?".to_owned(), |seconds| format!("{seconds:.0}"));
        let params = vec![("model", name.to_owned()), ("seconds", held)];
        Some(Event { code: "event.model_unloaded", severity: Severity::Info, params })
    }

    fn loaded(&mut self, name: &str, now: Duration) -> Option<Event> {
        let is_known = self.is_known;
        let others = self.models.iter().filter(|(other, _)| *other != name);
        let newest = others.filter_map(|(_, model)| model.loaded_at).max();
        let model = self.model(name)?;
        if model.is_loaded {
            return None;
        }
        model.is_loaded = true;
        let since = model.loading_since.take();
        model.load_seconds = since.map(|since| now.saturating_sub(since).as_secs_f64());
        model.loaded_at = is_known.then_some(now);
        if !is_known {
            return None;
        }
        model.loads += 1;
        let seconds = model.load_seconds.map_or("?".to_owned(), |seconds| format!("{seconds:.0}"));
        let was_thrown_out = model.unloaded_at.is_some_and(|gone| {
            // The other one came while this one went, seen at the same look or between two.
            now.saturating_sub(gone) <= THRASH_WITHIN && newest.is_some_and(|other| other >= gone)
        });
        if was_thrown_out {
            self.thrashed += 1;
            self.returns.push_back(now);
        }
        let params = vec![("model", name.to_owned()), ("seconds", seconds)];
        Some(Event { code: "event.model_loaded", severity: Severity::Info, params })
    }

    fn thrash(&mut self, now: Duration) -> Option<Event> {
        while self.returns.front().is_some_and(|at| now.saturating_sub(*at) > THRASH_WITHIN) {
            self.returns.pop_front();
        }
        let is_told = self.told.is_some_and(|told| now.saturating_sub(told) <= THRASH_WITHIN);
        if self.returns.len() < THRASH_MIN || is_told {
            return None;
        }
        self.told = Some(now);
        let minutes = (THRASH_WITHIN.as_secs() / 60).to_string();
        let params = vec![("count", self.returns.len().to_string()), ("minutes", minutes)];
        Some(Event { code: "event.model_thrash", severity: Severity::Warn, params })
    }

    /// Makes room, once it is needed, by those that are not loaded.
    fn forget(&mut self, loaded: &BTreeSet<String>) {
        if self.models.len() >= MODELS_MAX {
            self.models
                .retain(|name, model| loaded.contains(name) || model.loading_since.is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds looks, given as second, models that are loaded and models that are being loaded.
    fn check(looks: &[(u64, &[&str], &[&str])], expected: &[&str]) -> Residency {
        let mut residency = Residency::default();
        let mut events = Vec::new();
        for (second, loaded, loading) in looks {
            let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let reading = Reading {
                loaded: Some(names(loaded)),
                loading: names(loading),
                ..Reading::default()
            };
            events.extend(residency.observe(Duration::from_secs(*second), &reading));
        }
        let told: Vec<String> = events
            .iter()
            .map(|event| {
                let params: Vec<_> = event.params.iter().map(|(_, value)| value.as_str()).collect();
                format!("{} {}", event.code.trim_start_matches("event.model_"), params.join(" "))
            })
            .collect();
        assert_eq!(told, expected);
        residency
    }

    #[test]
    fn a_timeline() {
        let residency = check(
            &[
                (0, &["a"], &[]),
                (5, &["a"], &["b"]),
                (15, &["a", "b"], &[]),
                (45, &["a"], &[]),
                (50, &[], &[]),
            ],
            &["loaded b 10", "unloaded b 30", "unloaded a ?"],
        );
        assert_eq!(residency.models["b"].load_seconds, Some(10.0));
        assert_eq!((residency.models["a"].loads, residency.models["a"].unloads), (0, 1));
        assert_eq!(residency.thrashed, 0);
    }

    #[test]
    fn models_that_throw_each_other_out() {
        let looks: Vec<(u64, &[&str], &[&str])> = (0..6)
            .map(|at| {
                let loaded: &[&str] = if at % 2 == 0 { &["a"] } else { &["b"] };
                (at * 20, loaded, &[][..])
            })
            .collect();
        let residency = check(
            &looks,
            &[
                "unloaded a ?",
                "loaded b ?",
                "unloaded b 20",
                "loaded a ?",
                "unloaded a 20",
                "loaded b ?",
                "unloaded b 20",
                "loaded a ?",
                "thrash 3 10",
                "unloaded a 20",
                "loaded b ?",
            ],
        );
        assert_eq!(residency.thrashed, 4);
    }

    #[test]
    fn one_that_comes_back_alone_was_not_thrown_out() {
        let looks: &[(u64, &[&str], &[&str])] = &[
            (0, &["a"], &[]),
            (5, &[], &[]),
            (10, &["a"], &[]),
            (15, &[], &[]),
            (20, &["a"], &[]),
        ];
        let told = ["unloaded a ?", "loaded a ?", "unloaded a 5", "loaded a ?"];
        assert_eq!(check(looks, &told).thrashed, 0);
    }

    #[test]
    fn models_are_bounded() {
        let mut residency = Residency::default();
        for at in 0..10_u64 {
            let loaded = (0..200).map(|name| format!("{at}-{name}")).collect();
            let reading = Reading { loaded: Some(loaded), ..Reading::default() };
            residency.observe(Duration::from_secs(at), &reading);
        }
        assert!(residency.models.len() <= MODELS_MAX);
    }
}
