//! Figures that engines write into their logs, as series: `llm_*{source="log"}`.
//!
//! A gauge is what the last line said, and has a sample only when a line said something; counters and histograms grow
//! from the start. Their first sample is 0, and what they counted until then follows with the next: whoever asks for
//! the increase of a series that begins at 1 misses the first event. Bias: a line that was read late counts when it was
//! read, one period late where it is the first.

use std::{borrow::Cow, collections::HashMap};

use logs::Figure;
use model::{Labels, UnixMs, catalogue::Kind, log::Origin, sample::Batch};

const SOURCE: (&str, &str) = ("source", "log");
/// Most series; figures of further ones are dropped.
const SERIES_MAX: usize = 10_000;
/// Seconds: those of whole requests through the gateway.
const BOUNDS: &[f64] = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84,
    327.68, 655.36, 1_310.72, 2_621.44,
];

/// A series by its metric and labels.
type Key = (Cow<'static, str>, Vec<(Cow<'static, str>, String)>);

enum State {
    Gauge(f64),
    /// Said already.
    Old,
    Counter(f64),
    /// Observations up to each bound and beyond the last, and their sum.
    Histogram(Vec<u64>, f64),
}

struct One {
    state: State,
    /// Has no sample yet.
    is_new: bool,
}

#[derive(Default)]
pub(super) struct Series(HashMap<Key, One>);

impl Series {
    pub(super) fn add(&mut self, origin: &Origin, figure: Figure) {
        let mut labels = figure.labels;
        for (name, value) in
            [("engine", &origin.engine), ("instance", &origin.instance), ("model", &origin.model)]
        {
            if !value.is_empty() && labels.iter().all(|(known, _)| known != name) {
                labels.push((name.into(), value.clone()));
            }
        }
        labels.sort_unstable();
        let key = (figure.metric, labels);
        if !self.0.contains_key(&key) && self.0.len() >= SERIES_MAX {
            return;
        }
        let one = self.0.entry(key).or_insert_with(|| One {
            state: match figure.kind {
                Kind::Counter => State::Counter(0.0),
                Kind::Histogram => State::Histogram(vec![0; BOUNDS.len() + 1], 0.0),
                _ => State::Old,
            },
            is_new: true,
        });
        match &mut one.state {
            state @ (State::Gauge(_) | State::Old) => *state = State::Gauge(figure.value),
            State::Counter(total) => *total += figure.value,
            State::Histogram(counts, sum) => {
                let at = BOUNDS.partition_point(|bound| *bound < figure.value);
                if let Some(count) = counts.get_mut(at) {
                    *count += 1;
                }
                *sum += figure.value;
            }
        }
    }

    pub(super) fn batch(&mut self, time: UnixMs) -> Batch {
        let mut batch = Batch::new(time);
        for ((metric, own), One { state, is_new }) in &mut self.0 {
            let is_first = std::mem::take(is_new);
            let so_far = |value: f64| if is_first { 0.0 } else { value };
            let mut push = |suffix: &str, extra: Option<(&str, String)>, value: f64| {
                let own = own.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
                let extra = extra.as_ref().map(|(name, value)| (*name, value.as_str()));
                let labels = [SOURCE].into_iter().chain(own).chain(extra);
                batch.push(&Labels::metric(&format!("{metric}{suffix}"), labels), value);
            };
            match state {
                State::Old => {}
                State::Gauge(value) => {
                    push("", None, *value);
                    *state = State::Old;
                }
                State::Counter(total) => push("", None, so_far(*total)),
                State::Histogram(counts, sum) => {
                    let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
                    let mut total = 0;
                    for (bound, count) in bounds.zip(counts.iter()) {
                        total += count;
                        push("_bucket", Some(("le", bound)), so_far(total as f64));
                    }
                    push("_count", None, so_far(total as f64));
                    push("_sum", None, so_far(*sum));
                }
            }
        }
        batch
    }
}
