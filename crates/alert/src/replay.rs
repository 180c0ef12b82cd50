//! Rules over series that are in memory: what they would have fired, evaluated as they are in operation.
//!
//! For proofs that rules are silent where nothing is wrong and speak where something is. It knows no files and no
//! store, and keeps everything: hours of a machine or days of a few series, not more.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use model::{
    Clock, Labels, NAME, UnixMs,
    alert::Alert,
    sample::Batch,
    series::{Budget, MatchOp, Matcher, SelectError, SeriesData, SeriesSource, TimeRange},
};

use crate::rules::{Context, Group, GroupState};

/// How long a rule may take here, where nobody waits for it.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A rule that reads more fails, which [`Outcome::errors`] says.
const SAMPLES_MAX: u64 = 100_000_000;

type Points = (Vec<i64>, Vec<f64>);

/// Series by name. Points of each come in the order of time.
#[derive(Debug, Default)]
pub struct Recording(Mutex<HashMap<String, HashMap<Labels, Points>>>);

/// What a replay has found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Each alert as it was told first, by its labels and the time at which it began to fire.
    pub fired: Vec<Alert>,
    /// Rules that failed, by name, with the last reason.
    pub errors: BTreeMap<String, String>,
}

impl Recording {
    pub fn push(&self, labels: &Labels, time: UnixMs, value: f64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(labels.name()) {
            all.insert(labels.name().to_owned(), HashMap::new());
        }
        let Some(named) = all.get_mut(labels.name()) else { return };
        if !named.contains_key(labels) {
            named.insert(labels.clone(), Points::default());
        }
        if let Some((times, values)) = named.get_mut(labels) {
            times.push(time.0);
            values.push(value);
        }
    }

    fn write(&self, batch: &Batch) -> Result<(), String> {
        batch.samples.iter().for_each(|(labels, value)| self.push(labels, batch.time, *value));
        Ok(())
    }

    /// Evaluates groups from one time to another, each at its own interval or every `step`.
    pub fn replay(&self, groups: Vec<Group>, range: TimeRange, step: Duration) -> Outcome {
        let clock = Clock::manual(range.start);
        let (settings, write) = (query::Settings::default(), |batch: &Batch| self.write(batch));
        let context = Context {
            source: self,
            settings: &settings,
            clock: &clock,
            timeout: TIMEOUT,
            samples_max: SAMPLES_MAX,
            external_url: "",
            external_labels: &[],
            generator_url: &|_| String::new(),
            write: &write,
            resend_delay: TIMEOUT,
        };
        let start = |group: Group| {
            let interval = group.interval.unwrap_or(step).max(step);
            GroupState::new(Arc::new(group), interval, Duration::ZERO)
        };
        let mut states: Vec<GroupState> = groups.into_iter().map(start).collect();
        let mut outcome = Outcome::default();
        let mut time = range.start;
        while time <= range.end {
            clock.set(time);
            for state in &mut states {
                let since = Duration::from_millis((time.0 - range.start.0).unsigned_abs());
                if since.as_millis().is_multiple_of(state.interval().as_millis()) {
                    outcome.take(state.evaluate(time, &context), state);
                }
            }
            time = time + step;
        }
        outcome
    }
}

impl Outcome {
    fn take(&mut self, alerts: Vec<Alert>, state: &GroupState) {
        for alert in alerts {
            let is_known =
                |known: &Alert| known.labels == alert.labels && known.starts_at == alert.starts_at;
            if !self.fired.iter().any(is_known) {
                self.fired.push(alert);
            }
        }
        for (rule, told) in state.group().rules.iter().zip(state.told()) {
            if let Some(error) = told.error {
                self.errors.insert(rule.name().to_owned(), error);
            }
        }
    }
}

impl SeriesSource for Recording {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        _: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = matchers.iter().find(|one| one.name == NAME && one.op == MatchOp::Equal);
        let named: Vec<_> = match name {
            Some(name) => all.get(name.value.as_str()).into_iter().flatten().collect(),
            None => all.values().flatten().collect(),
        };
        let found = named.into_iter().filter(|(labels, _)| Matcher::all_match(matchers, labels));
        let data = found.filter_map(|(labels, (times, values))| {
            let first = times.partition_point(|time| *time < range.start.0);
            let last = times.partition_point(|time| *time <= range.end.0);
            (first < last).then(|| SeriesData {
                labels: labels.clone(),
                times: times[first..last].to_vec(),
                values: values[first..last].to_vec(),
            })
        });
        Ok(data.collect())
    }

    fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<Labels>, SelectError> {
        Ok(self.select(matchers, range, budget)?.into_iter().map(|data| data.labels).collect())
    }
}
