//! Watching one engine: scrapes on a schedule, its state, and the events of its life.

use std::{sync::Arc, time::Duration};

use model::{
    Labels, UnixMs, catalogue as metric,
    log::{LogRecord, Severity},
    sample::{Batch, stale},
};
use tokio::sync::oneshot;

use super::{Kind, Reading, neutral_labels, recognise};
use crate::{
    EngineReport, EngineState, Failure, FailureKind, SourceGroup,
    collector::{Entry, Shared, lock},
    discovery::FoundEngine,
    exposition::ScrapedMetric,
    guard::Guard,
    http::Endpoint,
    process::Identity,
};

/// Failures in a row that end an engine, where one alone may be a busy moment.
const FAILURES_MAX: u32 = 2;
/// Most metrics whose descriptions are kept, over all engines.
const METADATA_MAX: usize = 10_000;

/// The watch over one engine.
pub(crate) struct EngineWatch {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    /// What it is called on the list and in the label `instance`.
    instance: String,
    kind: Option<&'static Kind>,
    guard: Guard,
    failures: u32,
    /// The event that it was found has been sent.
    is_announced: bool,
    /// The process at the last good scrape.
    process: Option<Identity>,
    /// Labels of the last `llm_engine_up`.
    up: Option<Labels>,
}

impl EngineWatch {
    /// Puts the engine on the list.
    pub(crate) fn new(shared: &Arc<Shared>, found: FoundEngine) -> Self {
        let instance = found.endpoint.instance();
        let period = shared.settings.engine_period;
        let name = format!("engine {instance}");
        let handle = shared.registry.register(name, SourceGroup::Engine, period);
        let report = EngineReport {
            instance: instance.clone(),
            kind: found.kind.map_or("", |kind| kind.name).into(),
            name: found.kind.map_or("?", |kind| kind.title).into(),
            url: found.endpoint.url(),
            version: None,
            models: Vec::new(),
            state: EngineState::Down,
            since: shared.clock.now(),
            pid: found.process.map(|process| process.pid),
            configured: found.configured,
            notes: Vec::new(),
        };
        let entry = Entry {
            report,
            process: found.process,
            inode: found.inode,
            is_forwarded: None,
            tells_ttft: false,
            task: None,
        };
        shared.entries().insert(instance.clone(), entry);
        Self {
            shared: Arc::clone(shared),
            endpoint: found.endpoint,
            instance,
            kind: found.kind,
            guard: Guard::new(handle),
            failures: 0,
            is_announced: false,
            process: None,
            up: None,
        }
    }

    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// Scrapes at once, says so, and goes on at whole multiples of the period.
    pub(crate) async fn run(&mut self, first_done: oneshot::Sender<()>) {
        let clock = self.shared.clock.clone();
        self.scrape(clock.now()).await;
        // Nobody may wait for it any more.
        first_done.send(()).ok();
        let period_ms =
            i64::try_from(self.shared.settings.engine_period.as_millis()).unwrap_or(5_000);
        let period_ms = period_ms.max(1);
        loop {
            let now = clock.now().0;
            let next = (now.div_euclid(period_ms) + 1) * period_ms;
            tokio::time::sleep(Duration::from_millis(next.abs_diff(now))).await;
            self.scrape(UnixMs(next)).await;
        }
    }

    /// One scrape, recorded under `time`.
    pub(crate) async fn scrape(&mut self, time: UnixMs) {
        let started = self.shared.clock.monotonic();
        let result = self.ask().await;
        let process = self.shared.entries().get(self.instance()).and_then(|entry| entry.process);
        let mut batch = Batch::new(time);
        let clock = self.shared.clock.clone();
        let kind = self.kind;
        let (instance, url) = (self.instance().to_owned(), self.endpoint.url());
        let failure = result.as_ref().err().cloned();
        self.guard.run_since(started, &clock, &mut batch, |batch| {
            let (reading, Some(kind)) = (result.as_ref().map_err(Clone::clone)?, kind) else {
                return Ok(());
            };
            batch.samples.extend(reading.samples(kind, &instance));
            let pid = process.map_or(String::new(), |process| process.pid.to_string());
            let model = reading.model();
            let mut push = |metric: &metric::Metric, extra: &[(&str, &str)], value: f64| {
                let extra = [("model", model.as_str())].into_iter().chain(extra.iter().copied());
                batch.push(&neutral_labels(metric.name, kind, &instance, extra), value);
            };
            let version = reading.version.as_deref().unwrap_or_default();
            let facts = [("version", version), ("url", url.as_str()), ("pid", pid.as_str())];
            push(&metric::LLM_ENGINE_INFO, &facts, 1.0);
            Ok(())
        });
        match (result, failure) {
            (Ok(reading), _) => self.answered(reading, process),
            (_, Some(failure)) => self.failed(&failure),
            (Err(_), None) => {}
        }
        self.push_up(&mut batch);
        (self.shared.sinks.batch)(batch);
    }

    async fn ask(&mut self) -> Result<Reading, Failure> {
        let kind = match self.kind {
            Some(kind) => kind,
            None => {
                let kind = recognise(&self.endpoint, "").await?.ok_or_else(|| {
                    let detail = format!("{}: no engine that is known", self.endpoint.url());
                    Failure::new(FailureKind::Malformed, detail)
                })?;
                self.kind = Some(kind);
                kind
            }
        };
        kind.scrape(&self.endpoint).await
    }

    fn answered(&mut self, reading: Reading, process: Option<Identity>) {
        self.failures = 0;
        self.guard.handle().set_hint(None);
        let state = if reading.is_starting { EngineState::Starting } else { EngineState::Up };
        self.describe(&reading.raw.metrics);
        let mut entries = self.shared.entries();
        let Some(entry) = entries.get_mut(&self.instance) else { return };
        entry.tells_ttft |= reading.tells(&metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS);
        let report = &mut entry.report;
        let was_down = report.state == EngineState::Down;
        if report.state != state {
            (report.state, report.since) = (state, self.shared.clock.now());
        }
        if let Some(kind) = self.kind {
            report.kind = kind.name.into();
            report.name = kind.title.into();
        }
        // While it starts it says nothing, and what was known is likely to come again.
        if state == EngineState::Up {
            report.version = reading.version;
            report.models = reading.models;
            report.notes = reading.notes;
        }
        let report = report.clone();
        drop(entries);
        let is_other_process =
            matches!((self.process, process), (Some(old), Some(new)) if old != new);
        if state == EngineState::Up && !self.is_announced {
            self.is_announced = true;
            self.tell("event.engine_found", Severity::Info, &report, None);
        } else if self.is_announced && is_other_process {
            self.tell("event.engine_restarted", Severity::Warn, &report, None);
        } else if self.is_announced && was_down {
            self.tell("event.engine_up", Severity::Info, &report, None);
        }
        self.process = process.or(self.process);
    }

    fn failed(&mut self, failure: &Failure) {
        self.failures += 1;
        let hint = match failure.kind {
            FailureKind::PermissionDenied => "hint.engine_refused",
            FailureKind::Refused | FailureKind::Malformed | FailureKind::TooLarge => {
                "hint.engine_other"
            }
            _ => "hint.engine_unreachable",
        };
        let params = vec![("url".to_owned(), self.endpoint.url())];
        self.guard.handle().set_hint(Some((hint, params)));
        if failure.kind != FailureKind::Unreachable && self.failures < FAILURES_MAX {
            return;
        }
        let mut entries = self.shared.entries();
        let Some(entry) = entries.get_mut(&self.instance) else { return };
        let was_down = entry.report.state == EngineState::Down;
        if !was_down {
            entry.report.state = EngineState::Down;
            entry.report.since = self.shared.clock.now();
        }
        let report = entry.report.clone();
        drop(entries);
        if !was_down {
            self.tell("event.engine_down", Severity::Error, &report, Some(failure));
        }
    }

    /// Whether it is up is said at every scrape, also when there is nothing else to say.
    fn push_up(&mut self, batch: &mut Batch) {
        let report = self.shared.entries().get(&self.instance).map(|entry| entry.report.clone());
        let (Some(report), Some(kind)) = (report, self.kind) else { return };
        let model = report.models.first().map_or("", String::as_str);
        let extra = [("model", model)].into_iter();
        let labels = neutral_labels(metric::LLM_ENGINE_UP.name, kind, &report.instance, extra);
        if let Some(old) = self.up.replace(labels.clone())
            && old != labels
        {
            batch.push(&old, stale());
        }
        batch.push(&labels, f64::from(u8::from(report.state == EngineState::Up)));
    }

    fn tell(
        &self,
        code: &str,
        severity: Severity,
        report: &EngineReport,
        failure: Option<&Failure>,
    ) {
        let or_dash = |text: String| if text.is_empty() { "–".to_owned() } else { text };
        let attributes = [
            ("engine", report.name.clone()),
            ("version", or_dash(report.version.clone().unwrap_or_default())),
            ("url", report.url.clone()),
            ("model", or_dash(report.models.join(", "))),
            ("reason", failure.map_or(String::new(), ToString::to_string)),
        ];
        (self.shared.sinks.event)(LogRecord {
            time: self.shared.clock.now(),
            source: format!("engine {}", report.instance),
            severity,
            body: code.into(),
            attributes: attributes.into_iter().map(|(name, value)| (name.into(), value)).collect(),
        });
    }

    fn describe(&self, metrics: &[ScrapedMetric]) {
        let mut metadata = lock(&self.shared.metadata);
        for metric in metrics {
            if metadata.len() < METADATA_MAX && !metadata.contains_key(&metric.name) {
                metadata.insert(metric.name.clone(), metric.clone());
            }
        }
    }
}
