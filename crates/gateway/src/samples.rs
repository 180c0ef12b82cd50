//! What becomes of records in series: `llm_*{source="gateway"}`.
//!
//! Counters and histograms grow from the start and are written out as a batch when asked. A time is in two
//! histograms: one with the bounds that OpenTelemetry's GenAI conventions give, made longer at both ends,
//! and a native one. Names that come from outside are bounded: models and keys beyond the caps are counted
//! together as `__other__`, and a model that nobody served has no name. Tokens that were only estimated
//! count too, since a lower bound says more than nothing. Times of requests to an engine that was still cold
//! are left out of the histograms and their number told, so that what is usual can be learned from them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use model::{
    Labels, UnixMs,
    catalogue::{
        LLM_E2E_REQUEST_LATENCY_SECONDS, LLM_GENERATION_TOKENS_TOTAL,
        LLM_INTER_TOKEN_LATENCY_SECONDS, LLM_KEY_REQUESTS_TOTAL, LLM_KEY_TOKENS_TOTAL,
        LLM_PROMPT_TOKENS_CACHED_TOTAL, LLM_PROMPT_TOKENS_TOTAL, LLM_REQUEST_SLO_TOTAL,
        LLM_REQUEST_TIME_PER_OUTPUT_TOKEN_SECONDS, LLM_REQUESTS_COLD_TOTAL,
        LLM_REQUESTS_FINISHED_TOTAL, LLM_REQUESTS_RUNNING, LLM_REQUESTS_TOTAL,
        LLM_TIME_TO_FIRST_TOKEN_SECONDS, Metric,
    },
    exchange::{Exchange, GAPS_SCHEMA, Outcome},
    histogram::{Buckets, Histogram, Span},
    sample::{Batch, stale},
};

use crate::UpstreamState;

/// Names of models and of keys that are told apart; further ones are [`OTHER`].
pub const NAMES_MAX: usize = 100;
/// Pairs of a key and a model whose tokens are told apart; further ones are [`OTHER`] twice.
pub const PAIRS_MAX: usize = 1_000;
/// Finish reasons that are told apart on one model; further ones are [`OTHER`].
const REASONS_MAX: usize = 16;
/// Stands for all names beyond a cap.
pub const OTHER: &str = "__other__";
const ANONYMOUS: &str = "anonymous";
const SOURCE: (&str, &str) = ("source", "gateway");

/// Seconds. The conventions' own bounds for TTFT, and further ones for long prompts.
const TTFT_BOUNDS: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2_560.0,
];
/// Their bounds for the time per output token begin where small models are already over.
const TOKEN_BOUNDS: &[f64] = &[
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
    5.0, 10.0, 20.0, 40.0, 80.0,
];
/// Their bounds for whole requests end before long answers do.
const E2E_BOUNDS: &[f64] = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84,
    327.68, 655.36, 1_310.72, 2_621.44,
];

/// What a request has to meet to count as goodput; absent parts do not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slo {
    pub ttft: Option<Duration>,
    pub tpot: Option<Duration>,
    pub e2e: Option<Duration>,
}

impl Slo {
    /// `None`: there is no target, or the request was none that targets are for.
    fn is_met(&self, exchange: &Exchange) -> Option<bool> {
        if *self == Self::default() || !exchange.is_generation {
            return None;
        }
        match exchange.outcome {
            // What the client broke off or was never let in says nothing about the engine.
            Outcome::ClientAbort | Outcome::Refused => None,
            Outcome::Ok => {
                let within = |limit: Option<Duration>, time: Option<Duration>| {
                    // An answer with one token has no TPOT, and does not miss it.
                    limit.zip(time).is_none_or(|(limit, time)| time <= limit)
                };
                let e2e = exchange.e2e.unwrap_or(exchange.total);
                Some(
                    within(self.ttft, exchange.ttft)
                        && within(self.tpot, exchange.tpot)
                        && within(self.e2e, Some(e2e)),
                )
            }
            Outcome::UpstreamError | Outcome::Truncated | Outcome::Timeout => Some(false),
        }
    }
}

/// How an upstream is called in labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The kind of engine; empty when unknown.
    pub engine: String,
    /// `host:port`, as the collector of engines calls it.
    pub instance: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Where {
    place: Place,
    model: String,
}

/// A time in both kinds of histograms.
#[derive(Clone, Debug)]
struct Times {
    bounds: &'static [f64],
    /// One more than there are bounds.
    counts: Vec<u64>,
    /// By index, as in [`model::exchange::Gaps`].
    native: BTreeMap<i16, u64>,
    count: u64,
    sum: f64,
}

impl Times {
    fn new(bounds: &'static [f64]) -> Self {
        let counts = vec![0; bounds.len() + 1];
        Self { bounds, counts, native: BTreeMap::new(), count: 0, sum: 0.0 }
    }

    fn add(&mut self, time: Option<Duration>) {
        let Some(time) = time else { return };
        let mut gaps = model::exchange::Gaps::default();
        gaps.record(time);
        // A bucket's bound may be beyond one of ours that the time itself is below.
        self.count_below(time.as_secs_f64(), 1);
        self.add_native(&gaps);
    }

    /// Of gaps only the buckets are known, so each counts as its bucket's geometric middle.
    fn add_gaps(&mut self, gaps: &model::exchange::Gaps) {
        for (index, count) in gaps.buckets() {
            self.count_below(((f64::from(*index) - 0.5) / 8.0).exp2(), u64::from(*count));
        }
        self.add_native(gaps);
    }

    fn count_below(&mut self, seconds: f64, count: u64) {
        let place = self.bounds.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.counts.get_mut(place) {
            *bucket += count;
        }
    }

    fn add_native(&mut self, gaps: &model::exchange::Gaps) {
        for (index, count) in gaps.buckets() {
            *self.native.entry(*index).or_default() += u64::from(*count);
        }
        self.count += gaps.count();
        self.sum += gaps.sum().as_secs_f64();
    }

    fn native(&self) -> Histogram {
        let mut buckets = Buckets::default();
        let mut end: Option<i32> = None;
        for (index, count) in &self.native {
            let index = i32::from(*index);
            match (end, buckets.spans.last_mut()) {
                (Some(end), Some(span)) if end == index => span.length += 1,
                _ => {
                    let offset = index - end.unwrap_or(0);
                    buckets.spans.push(Span { offset, length: 1 });
                }
            }
            buckets.counts.push(*count as f64);
            end = Some(index + 1);
        }
        Histogram {
            schema: GAPS_SCHEMA,
            count: self.count as f64,
            sum: self.sum,
            positive: buckets,
            ..Histogram::default()
        }
    }
}

/// The series of one model on one upstream.
#[derive(Clone, Debug)]
struct Set {
    outcomes: BTreeMap<Outcome, u64>,
    reasons: BTreeMap<String, u64>,
    slo: [Option<u64>; 2],
    input: Option<u64>,
    cached: Option<u64>,
    output: Option<u64>,
    ttft: Times,
    gaps: Times,
    tpot: Times,
    e2e: Times,
    cold: Option<u64>,
    /// Whether a batch had it under its present labels.
    is_written: bool,
}

impl Default for Set {
    fn default() -> Self {
        Self {
            outcomes: BTreeMap::new(),
            reasons: BTreeMap::new(),
            slo: [None; 2],
            input: None,
            cached: None,
            output: None,
            ttft: Times::new(TTFT_BOUNDS),
            gaps: Times::new(TOKEN_BOUNDS),
            tpot: Times::new(TOKEN_BOUNDS),
            e2e: Times::new(E2E_BOUNDS),
            cold: None,
            is_written: false,
        }
    }
}

fn add(total: &mut Option<u64>, more: Option<u64>) {
    if let Some(more) = more {
        *total = Some(total.unwrap_or(0).saturating_add(more));
    }
}

/// Folds records into series.
#[derive(Debug, Default)]
pub struct Samples {
    slo: Slo,
    /// By name of the upstream.
    places: HashMap<String, Place>,
    models: HashSet<String>,
    keys: HashSet<String>,
    sets: HashMap<Where, Set>,
    key_requests: BTreeMap<(String, Outcome), u64>,
    /// Input and output of a key and a model.
    key_tokens: BTreeMap<(String, String), [Option<u64>; 2]>,
    /// Series that go on under other labels, with a marker that says so.
    ended: Batch,
    /// Whether there was a batch.
    is_written: bool,
}

impl Samples {
    /// `places` says how each upstream, by its name, is called in labels.
    pub fn new(places: HashMap<String, Place>, slo: Slo) -> Self {
        Self { slo, places, ..Self::default() }
    }

    /// Says how an upstream is called in labels from now on. What was counted while its kind was unknown goes
    /// on under the new name; what another kind of engine did at the same address stays with that.
    pub fn rename(&mut self, upstream: &str, place: Place) {
        let Some(old) = self.places.get_mut(upstream) else { return };
        if *old == place {
            return;
        }
        let old = std::mem::replace(old, place.clone());
        if self.places.values().any(|other| *other == old) {
            return;
        }
        if self.is_written {
            let at = Where { place: old.clone(), model: String::new() };
            let running = Labels::metric(LLM_REQUESTS_RUNNING.name, at.labels());
            self.ended.push(&running, stale());
        }
        if !old.engine.is_empty() && old.engine != place.engine {
            return;
        }
        let (moved, others) =
            std::mem::take(&mut self.sets).into_iter().partition(|(at, _)| at.place == old);
        self.sets = others;
        for (at, mut set) in HashMap::<Where, Set>::into_iter(moved) {
            let to = Where { place: place.clone(), model: at.model.clone() };
            if self.sets.contains_key(&to) {
                // Another upstream is the same engine; what was counted under this name stays so.
                self.sets.insert(at, set);
                continue;
            }
            if std::mem::take(&mut set.is_written) {
                set.write_end(&mut self.ended, &at);
            }
            self.sets.insert(to, set);
        }
    }

    /// Adds one record.
    pub fn observe(&mut self, exchange: &Exchange) {
        let place = exchange.upstream.as_ref().and_then(|name| self.places.get(name));
        let place = place.cloned().unwrap_or_default();
        // Whoever asks may write anything as a model; what was served is a model.
        let is_served = exchange.status.is_some_and(|status| status < 400);
        let asked = exchange.model_asked.as_deref().filter(|_| is_served);
        let model = exchange.model_served.as_deref().or(asked).unwrap_or_default();
        let model = bounded(&mut self.models, model);
        let key = bounded(&mut self.keys, exchange.key_name.as_deref().unwrap_or(ANONYMOUS));
        *self.key_requests.entry((key.clone(), exchange.outcome)).or_default() += 1;
        self.key_tokens(key, &model, exchange);
        self.sets.entry(Where { place, model }).or_default().observe(exchange, &self.slo);
    }

    fn key_tokens(&mut self, key: String, model: &str, exchange: &Exchange) {
        let tokens = exchange.tokens;
        if tokens.input.is_none() && tokens.output.is_none() {
            return;
        }
        let mut pair = (key, model.to_owned());
        if self.key_tokens.len() >= PAIRS_MAX && !self.key_tokens.contains_key(&pair) {
            pair = (OTHER.to_owned(), OTHER.to_owned());
        }
        let [input, output] = self.key_tokens.entry(pair).or_default();
        add(input, tokens.input);
        add(output, tokens.output);
    }

    /// All series as they are now, with what runs at the moment.
    pub fn batch(&mut self, time: UnixMs, upstreams: &[UpstreamState]) -> Batch {
        let mut batch = std::mem::take(&mut self.ended);
        batch.time = time;
        self.is_written = true;
        batch.points.histograms.iter_mut().for_each(|(_, at, _)| *at = time);
        for (at, set) in &mut self.sets {
            set.write(&mut batch, at);
            set.is_written = true;
        }
        for ((key, outcome), count) in &self.key_requests {
            let labels = [SOURCE, ("key", key.as_str()), ("outcome", outcome.name())];
            put(&mut batch, &LLM_KEY_REQUESTS_TOTAL, &labels, Some(*count));
        }
        for ((key, model), counts) in &self.key_tokens {
            for (kind, count) in ["input", "output"].iter().zip(counts) {
                let labels =
                    [SOURCE, ("key", key.as_str()), ("model", model.as_str()), ("type", *kind)];
                put(&mut batch, &LLM_KEY_TOKENS_TOTAL, &labels, *count);
            }
        }
        // Two upstreams may lead to the same engine.
        let mut running: HashMap<Place, u64> = HashMap::new();
        for upstream in upstreams {
            let place = self.places.get(&upstream.name).cloned().unwrap_or_default();
            *running.entry(place).or_default() += upstream.in_flight as u64;
        }
        for (place, count) in running {
            let at = Where { place, model: String::new() };
            put(&mut batch, &LLM_REQUESTS_RUNNING, &at.labels(), Some(count));
        }
        batch
    }
}

fn bounded(names: &mut HashSet<String>, name: &str) -> String {
    if !names.contains(name) && names.len() >= NAMES_MAX {
        return OTHER.to_owned();
    }
    names.insert(name.to_owned());
    name.to_owned()
}

fn put(batch: &mut Batch, metric: &Metric, labels: &[(&str, &str)], value: Option<u64>) {
    if let Some(value) = value {
        batch.push(&Labels::metric(metric.name, labels.iter().copied()), value as f64);
    }
}

impl Where {
    fn labels(&self) -> [(&str, &str); 4] {
        [
            SOURCE,
            ("engine", self.place.engine.as_str()),
            ("instance", self.place.instance.as_str()),
            ("model", self.model.as_str()),
        ]
    }
}

impl Set {
    fn observe(&mut self, exchange: &Exchange, slo: &Slo) {
        *self.outcomes.entry(exchange.outcome).or_default() += 1;
        if let Some(reason) = &exchange.finish_reason {
            let is_known = self.reasons.contains_key(reason) || self.reasons.len() < REASONS_MAX;
            let reason = if is_known { reason.as_str() } else { OTHER };
            *self.reasons.entry(reason.to_owned()).or_default() += 1;
        }
        if let Some(is_met) = slo.is_met(exchange) {
            add(&mut self.slo[usize::from(!is_met)], Some(1));
        }
        add(&mut self.input, exchange.tokens.input);
        add(&mut self.cached, exchange.tokens.cached);
        add(&mut self.output, exchange.tokens.output);
        if exchange.is_cold {
            add(&mut self.cold, Some(1));
            return;
        }
        self.ttft.add(exchange.ttft);
        self.gaps.add_gaps(&exchange.gaps);
        self.tpot.add(exchange.tpot);
        // The time until somebody left or the engine died is no latency of a request.
        self.e2e.add(exchange.e2e.filter(|_| exchange.outcome == Outcome::Ok));
    }

    fn write(&self, batch: &mut Batch, at: &Where) {
        let [source, engine, instance, model] = at.labels();
        for (outcome, count) in &self.outcomes {
            let labels = [source, engine, instance, model, ("outcome", outcome.name())];
            put(batch, &LLM_REQUESTS_TOTAL, &labels, Some(*count));
        }
        for (reason, count) in &self.reasons {
            let labels = [source, engine, instance, model, ("reason", reason.as_str())];
            put(batch, &LLM_REQUESTS_FINISHED_TOTAL, &labels, Some(*count));
        }
        for (result, count) in ["met", "missed"].iter().zip(self.slo) {
            let labels = [source, engine, instance, model, ("result", *result)];
            put(batch, &LLM_REQUEST_SLO_TOTAL, &labels, count);
        }
        for (metric, count) in [
            (&LLM_PROMPT_TOKENS_TOTAL, self.input),
            (&LLM_PROMPT_TOKENS_CACHED_TOTAL, self.cached),
            (&LLM_GENERATION_TOKENS_TOTAL, self.output),
            (&LLM_REQUESTS_COLD_TOTAL, self.cold),
        ] {
            put(batch, metric, &at.labels(), count);
        }
        for (metric, times) in [
            (&LLM_TIME_TO_FIRST_TOKEN_SECONDS, &self.ttft),
            (&LLM_INTER_TOKEN_LATENCY_SECONDS, &self.gaps),
            (&LLM_REQUEST_TIME_PER_OUTPUT_TOKEN_SECONDS, &self.tpot),
            (&LLM_E2E_REQUEST_LATENCY_SECONDS, &self.e2e),
        ] {
            times.write(batch, metric, at);
        }
    }

    /// Marks that there is nothing more under these labels.
    fn write_end(&self, batch: &mut Batch, at: &Where) {
        let mut last = Batch::new(batch.time);
        self.write(&mut last, at);
        batch.samples.extend(last.samples.into_iter().map(|(labels, _)| (labels, stale())));
        let histograms = last.points.histograms.into_iter();
        let ends = histograms.map(|(labels, time, _)| (labels, time, Histogram::stale()));
        batch.points.histograms.extend(ends);
    }
}

impl Times {
    fn write(&self, batch: &mut Batch, metric: &Metric, at: &Where) {
        if self.count == 0 {
            return;
        }
        let [source, engine, instance, model] = at.labels();
        let mut below = 0;
        let bounds = self.bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        let bucket = format!("{}_bucket", metric.name);
        for (bound, count) in bounds.zip(&self.counts) {
            below += count;
            let pairs = [source, engine, instance, model, ("le", bound.as_str())];
            batch.push(&Labels::metric(&bucket, pairs), below as f64);
        }
        let sum = Labels::metric(&format!("{}_sum", metric.name), at.labels());
        batch.push(&sum, self.sum);
        let count = Labels::metric(&format!("{}_count", metric.name), at.labels());
        batch.push(&count, self.count as f64);
        let native = Labels::metric(metric.name, at.labels());
        batch.points.histograms.push((native, batch.time, self.native()));
    }
}

#[cfg(test)]
mod tests {
    use model::{
        exchange::{Gaps, Tokens},
        sample::is_stale,
    };

    use super::*;

    fn exchange() -> Exchange {
        let mut gaps = Gaps::default();
        (0..3).for_each(|_| gaps.record(Duration::from_millis(10)));
        Exchange {
            upstream: Some("one".into()),
            model_asked: Some("m".into()),
            model_served: Some("m".into()),
            key_name: Some("team".into()),
            status: Some(200),
            is_generation: true,
            finish_reason: Some("stop".into()),
            ttft: Some(Duration::from_millis(50)),
            tpot: Some(Duration::from_millis(10)),
            e2e: Some(Duration::from_millis(80)),
            gaps,
            tokens: Tokens { input: Some(7), output: Some(4), is_exact: true, ..Tokens::default() },
            ..Exchange::default()
        }
    }

    fn samples() -> Samples {
        let place = Place { engine: "vllm".into(), instance: "gpu1:8000".into() };
        let slo = Slo { ttft: Some(Duration::from_millis(60)), ..Slo::default() };
        Samples::new(HashMap::from([("one".to_owned(), place)]), slo)
    }

    fn value(batch: &Batch, series: &str) -> Option<f64> {
        let found = batch.samples.iter().find(|(labels, _)| labels.to_string() == series);
        found.map(|(_, value)| *value)
    }

    #[test]
    fn records_become_series() {
        let mut samples = samples();
        samples.observe(&exchange());
        samples.observe(&Exchange { ttft: Some(Duration::from_millis(70)), ..exchange() });
        samples.observe(&Exchange { outcome: Outcome::ClientAbort, ..exchange() });
        let states =
            [UpstreamState { name: "one".into(), is_up: true, in_flight: 3, models: Vec::new() }];
        let batch = samples.batch(UnixMs(5), &states);
        let at = r#"engine="vllm", instance="gpu1:8000", model="m""#;
        let check = |series: String, expected: f64| {
            assert_eq!(value(&batch, &series), Some(expected), "{series}");
        };
        let gateway = r#"source="gateway""#;
        check(format!(r#"llm_requests_total{{{at}, outcome="ok", {gateway}}}"#), 2.0);
        check(format!(r#"llm_requests_total{{{at}, outcome="client_abort", {gateway}}}"#), 1.0);
        check(format!(r#"llm_request_slo_total{{{at}, result="met", {gateway}}}"#), 1.0);
        check(format!(r#"llm_request_slo_total{{{at}, result="missed", {gateway}}}"#), 1.0);
        check(format!("llm_prompt_tokens_total{{{at}, {gateway}}}"), 21.0);
        check(format!("llm_time_to_first_token_seconds_count{{{at}, {gateway}}}"), 3.0);
        check(format!("llm_e2e_request_latency_seconds_count{{{at}, {gateway}}}"), 2.0);
        check(format!("llm_inter_token_latency_seconds_count{{{at}, {gateway}}}"), 9.0);
        for (bound, below) in [("0.04", 0.0), ("0.06", 2.0), ("0.08", 3.0), ("+Inf", 3.0)] {
            let series = r#"engine="vllm", instance="gpu1:8000", le="#;
            let series = format!(
                r#"llm_time_to_first_token_seconds_bucket{{{series}"{bound}", model="m", {gateway}}}"#
            );
            check(series, below);
        }
        check(r#"llm_key_requests_total{key="team", outcome="ok", source="gateway"}"#.into(), 2.0);
        let tokens =
            r#"llm_key_tokens_total{key="team", model="m", source="gateway", type="output"}"#;
        check(tokens.into(), 12.0);
        check(
            r#"llm_requests_running{engine="vllm", instance="gpu1:8000", source="gateway"}"#.into(),
            3.0,
        );
        assert!(batch.samples.iter().all(|(labels, _)| !labels.to_string().contains("cached")));
    }

    #[test]
    fn an_engine_that_is_found_later_takes_its_counts_along() {
        let instance = "gpu1:8000".to_owned();
        let unknown = Place { engine: String::new(), instance: instance.clone() };
        let mut samples =
            Samples::new(HashMap::from([("one".to_owned(), unknown)]), Slo::default());
        samples.observe(&exchange());
        let states =
            [UpstreamState { name: "one".into(), is_up: true, in_flight: 3, models: Vec::new() }];
        let count = |engine: &str| {
            let engine =
                if engine.is_empty() { String::new() } else { format!("engine=\"{engine}\", ") };
            let at = format!(r#"{engine}instance="gpu1:8000", model="m""#);
            format!(r#"llm_requests_total{{{at}, outcome="ok", source="gateway"}}"#)
        };
        assert_eq!(value(&samples.batch(UnixMs(5), &states), &count("")), Some(1.0));

        samples.rename("one", Place { engine: "vllm".into(), instance: instance.clone() });
        samples.observe(&exchange());
        let batch = samples.batch(UnixMs(10), &states);
        assert!(value(&batch, &count("")).is_some_and(is_stale), "it goes on elsewhere");
        assert_eq!(value(&batch, &count("vllm")), Some(2.0));
        let ended = batch.samples.iter().filter(|(_, value)| is_stale(*value)).count();
        let went_on = batch
            .samples
            .iter()
            .filter(|(labels, value)| !is_stale(*value) && labels.to_string().contains("vllm"));
        assert_eq!(ended, went_on.count());
        let (ended, going): (Vec<_>, Vec<_>) =
            batch.points.histograms.iter().partition(|(_, _, histogram)| histogram.is_stale());
        assert_eq!((ended.len(), going.len()), (4, 4));
        assert!(ended.iter().all(|(_, time, _)| *time == UnixMs(10)));
        let next = samples.batch(UnixMs(15), &states);
        assert!(next.samples.iter().all(|(_, value)| !is_stale(*value)), "said once");

        samples.rename("one", Place { engine: "sglang".into(), instance });
        samples.observe(&exchange());
        let batch = samples.batch(UnixMs(20), &states);
        assert_eq!(value(&batch, &count("vllm")), Some(2.0));
        assert_eq!(value(&batch, &count("sglang")), Some(1.0));
    }

    #[test]
    fn two_ways_to_one_engine_are_one_in_series() {
        let place = |instance: &str| Place { engine: String::new(), instance: instance.into() };
        let places = [("one", place("localhost:1")), ("two", place("127.0.0.1:1"))];
        let places = places.map(|(name, place)| (name.to_owned(), place));
        let mut samples = Samples::new(places.into(), Slo::default());
        let two = || Exchange { upstream: Some("two".into()), ..exchange() };
        samples.observe(&exchange());
        samples.observe(&two());
        let found = Place { engine: "vllm".into(), instance: "127.0.0.1:1".into() };
        for name in ["one", "two"] {
            samples.rename(name, found.clone());
        }
        samples.observe(&two());
        let states = ["one", "two"].map(|name| UpstreamState {
            name: name.into(),
            is_up: true,
            in_flight: 2,
            models: Vec::new(),
        });
        let batch = samples.batch(UnixMs(5), &states);
        let requests = batch
            .samples
            .iter()
            .filter(|(labels, _)| labels.to_string().starts_with("llm_requests_total"));
        assert_eq!(requests.map(|(_, value)| value).sum::<f64>(), 3.0, "none is lost");
        let running =
            r#"llm_requests_running{engine="vllm", instance="127.0.0.1:1", source="gateway"}"#;
        assert_eq!(value(&batch, running), Some(4.0));
    }

    #[test]
    fn times_of_a_cold_engine_are_told_apart() {
        let mut samples = samples();
        samples.observe(&Exchange { is_cold: true, ..exchange() });
        let batch = samples.batch(UnixMs(5), &[]);
        let at = r#"{engine="vllm", instance="gpu1:8000", model="m", source="gateway"}"#;
        assert_eq!(value(&batch, &format!("llm_requests_cold_total{at}")), Some(1.0));
        assert_eq!(value(&batch, &format!("llm_generation_tokens_total{at}")), Some(4.0));
        assert!(batch.points.histograms.is_empty(), "its times are no usual ones");
    }

    #[test]
    fn native_histograms_are_valid_and_hold_everything() {
        let mut samples = samples();
        for millis in [1, 5, 5, 700, 90_000] {
            samples.observe(&Exchange { ttft: Some(Duration::from_millis(millis)), ..exchange() });
        }
        let batch = samples.batch(UnixMs(5), &[]);
        assert_eq!(batch.points.histograms.len(), 4);
        for (labels, _, histogram) in &batch.points.histograms {
            histogram.check_integers().unwrap_or_else(|error| panic!("{labels}: {error}"));
        }
        let ttft = &batch.points.histograms[0].2;
        assert_eq!((ttft.count, ttft.positive.counts.iter().sum::<f64>()), (5.0, 5.0));
    }

    #[test]
    fn names_from_outside_are_bounded() {
        let mut samples = samples();
        for number in 0..300 {
            let name = format!("name-{number}");
            samples.observe(&Exchange {
                model_served: Some(name.clone()),
                key_name: Some(name.clone()),
                finish_reason: Some(name),
                ..exchange()
            });
        }
        assert_eq!(samples.sets.len(), NAMES_MAX + 1);
        assert_eq!(samples.key_requests.len(), NAMES_MAX + 1);
        let refused = Exchange {
            model_asked: Some("made up".into()),
            model_served: None,
            status: Some(404),
            ..exchange()
        };
        let mut samples = Samples::default();
        samples.observe(&refused);
        assert!(samples.sets.keys().all(|at| at.model.is_empty()));
    }

    #[test]
    fn goodput_is_what_meets_all_targets() {
        let slo = Slo {
            ttft: Some(Duration::from_millis(50)),
            tpot: Some(Duration::from_millis(10)),
            e2e: Some(Duration::from_millis(80)),
        };
        let check = |exchange: Exchange, expected: Option<bool>| {
            assert_eq!(slo.is_met(&exchange), expected);
        };
        check(exchange(), Some(true));
        check(Exchange { tpot: Some(Duration::from_millis(11)), ..exchange() }, Some(false));
        check(Exchange { tpot: None, ..exchange() }, Some(true));
        check(Exchange { outcome: Outcome::Timeout, ..exchange() }, Some(false));
        check(Exchange { outcome: Outcome::ClientAbort, ..exchange() }, None);
        check(Exchange { is_generation: false, ..exchange() }, None);
        assert_eq!(Slo::default().is_met(&exchange()), None);
    }
}
