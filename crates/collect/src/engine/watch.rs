//! Watching one engine: scrapes on a schedule, its state, and the events of its life.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::{
    Labels, UnixMs, catalogue as metric,
    log::{LogRecord, Severity},
    sample::{Batch, stale},
};
use tokio::{sync::oneshot, time::timeout_at};

use super::{
    Kept, Kind, Reading,
    facts::{self, Command},
    life::{Event, Life, Seen},
    neutral_labels, recognise, scrape_hidden,
};
use crate::{
    EngineReport, EngineState, Failure, FailureKind, SourceGroup,
    collector::{Entry, Shared, lock},
    discovery::FoundEngine,
    exposition::ScrapedMetric,
    guard::Guard,
    http::Endpoint,
    process::{self, Identity},
};

/// Failures in a row that end an engine, where one alone may be a busy moment.
const FAILURES_MAX: u32 = 2;
/// Most metrics whose descriptions are kept, over all engines.
const METADATA_MAX: usize = 10_000;
/// How long what is known of a process is good.
const PROCESS_PERIOD: Duration = Duration::from_secs(60);

/// How long the engines that one engine hides may take together; the rest is left out.
const HIDDEN_MAX: Duration = Duration::from_secs(3);

/// What is known of an engine's process beyond its numbers.
#[derive(Default)]
struct About {
    /// Whose this is, and when it was looked at.
    of: Option<(Identity, Duration)>,
    command: Command,
    uses_accelerator: Option<bool>,
    has_accelerator: bool,
}

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
    /// When the engine said that it started, at the last good scrape.
    started: Option<f64>,
    /// When a process started as the kernel has it: that does not change, and asking is dear.
    born: Option<(Identity, Option<f64>)>,
    /// The last answer came from another process than the one before.
    is_restarted: bool,
    kept: Kept,
    /// The same of each engine that it hides, by listening socket.
    kept_hidden: BTreeMap<u64, Kept>,
    about: About,
    life: Life,
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
            hidden: BTreeMap::new(),
            is_forwarded: None,
            tells_ttft: false,
            accelerator_parts: None,
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
            started: None,
            born: None,
            is_restarted: false,
            kept: Kept::default(),
            kept_hidden: BTreeMap::new(),
            about: About::default(),
            life: Life::default(),
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
        let mut result = self.ask().await;
        let process = self.shared.entries().get(self.instance()).and_then(|entry| entry.process);
        match &mut result {
            Ok(reading) => {
                self.look_at(process).await;
                self.note_restart(reading, process);
                if process.and(self.about.uses_accelerator) == Some(false) {
                    // What it says it took is the machine's own memory.
                    reading.forget(&metric::LLM_ENGINE_ACCELERATOR_BYTES);
                }
            }
            // The next answer may be of another process.
            Err(_) => self.kept = Kept::default(),
        }
        let mut batch = Batch::new(time);
        let mut events = Vec::new();
        let clock = self.shared.clock.clone();
        let kind = self.kind;
        let (instance, url) = (self.instance().to_owned(), self.endpoint.url());
        let start = process.and_then(|process| self.start_of(process));
        let about = &self.about;
        let life = &mut self.life;
        let now = clock.now().0 as f64 / 1000.0;
        // An engine that ran before us may have been ready long ago.
        let is_young = |start: &f64| *start >= self.shared.since.0 as f64 / 1000.0;
        let age = start.filter(is_young).map(|start| (now - start).max(0.0));
        let is_restarted = self.is_restarted;
        self.guard.run_since(started, &clock, &mut batch, |batch| {
            let (reading, Some(kind)) = (result.as_ref().map_err(Clone::clone)?, kind) else {
                return Ok(());
            };
            events = life.observe(&Seen {
                now: clock.monotonic(),
                kind,
                reading,
                command: &about.command,
                uses_accelerator: process.and(about.uses_accelerator),
                has_accelerator: process.is_some() && about.has_accelerator,
                is_restarted,
                age,
            });
            batch.samples.extend(reading.samples(kind, &instance));
            let mut push = |metric: &metric::Metric, labels: &[(&str, &str)], value: f64| {
                let labels = labels.iter().copied();
                batch.push(&neutral_labels(metric.name, kind, &instance, labels), value);
            };
            let model = reading.model();
            if !reading.is_starting {
                life.series(&model, &mut push);
            }
            let pid = process.map_or(String::new(), |process| process.pid.to_string());
            let version = reading.version.as_deref().unwrap_or_default();
            let of_model = ("model", model.as_str());
            let facts = [of_model, ("version", version), ("url", &url), ("pid", &pid)];
            push(&metric::LLM_ENGINE_INFO, &facts, 1.0);
            Ok(())
        });
        match result {
            Ok(reading) => self.answered(reading, process, events),
            Err(failure) => self.failed(&failure),
        }
        self.push_up(&mut batch);
        (self.shared.sinks.batch)(batch);
    }

    /// Unix time at which the process started.
    fn start_of(&mut self, process: Identity) -> Option<f64> {
        match self.born {
            Some((known, start)) if known == process => start,
            _ => {
                let start = process::start_time(&self.shared.settings.root, process);
                self.born = Some((process, start));
                start
            }
        }
    }

    /// Looks at the process once and then now and again, off the thread that the engines share.
    async fn look_at(&mut self, process: Option<Identity>) {
        let Some(identity) = process else { return };
        let now = self.shared.clock.monotonic();
        let is_known = self
            .about
            .of
            .is_some_and(|(of, when)| of == identity && now.saturating_sub(when) < PROCESS_PERIOD);
        if is_known {
            return;
        }
        let root = self.shared.settings.root.clone();
        let look = move || About {
            of: Some((identity, now)),
            command: facts::command(&root, identity.pid).unwrap_or_default(),
            uses_accelerator: facts::uses_accelerator(&root, identity),
            has_accelerator: facts::has_accelerator(&root),
        };
        if let Ok(about) = tokio::task::spawn_blocking(look).await {
            self.about = about;
        }
    }

    /// Tells whether another process answered than the last time.
    fn note_restart(&mut self, reading: &Reading, process: Option<Identity>) {
        let is_other = matches!((self.process, process), (Some(old), Some(new)) if old != new);
        // Of an engine on another machine only it can say.
        let says_other = matches!((self.started, reading.started),
            (Some(old), Some(new)) if process.is_none() && (new - old).abs() > 1.0);
        self.is_restarted = is_other || says_other;
        if self.is_restarted {
            self.kept = Kept::default();
            self.kept_hidden.clear();
        }
        self.started = reading.started.or(self.started);
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
        let now = self.shared.clock.monotonic();
        let told = self.about.command.metrics_port.filter(|_| self.process.is_some());
        let metrics_port = self.endpoint.metrics_port.or(told);
        let endpoint = Endpoint { metrics_port, ..self.endpoint.clone() };
        let mut reading = kind.scrape(&endpoint, &mut self.kept, now).await?;
        self.ask_hidden(&mut reading).await;
        Ok(reading)
    }

    /// Asks the engines that this one started. Which model is whose is known only if there is one.
    async fn ask_hidden(&mut self, reading: &mut Reading) {
        let hidden = self.shared.entries().get(&self.instance).map(|entry| entry.hidden.clone());
        let hidden = hidden.unwrap_or_default();
        let now = self.shared.clock.monotonic();
        let until = tokio::time::Instant::now() + HIDDEN_MAX;
        self.kept_hidden.retain(|inode, _| hidden.contains_key(inode));
        let is_one = hidden.len() == 1 && reading.models.len() == 1;
        for (inode, endpoint) in hidden {
            let kept = self.kept_hidden.entry(inode).or_default();
            // One that is just starting or ending is no failure of its parent.
            let answered = timeout_at(until, scrape_hidden(&endpoint, kept, now)).await;
            let Ok(Ok(child)) = answered else { continue };
            let model = if is_one { reading.model() } else { child.model() };
            reading.adopt(child, &model);
        }
    }

    fn answered(&mut self, mut reading: Reading, process: Option<Identity>, events: Vec<Event>) {
        self.failures = 0;
        self.guard.handle().set_hint(problem(&reading));
        if self.life.is_on_cpu() {
            reading.notes.push(("note.engine_on_cpu", Vec::new()));
        }
        let state = if reading.is_starting { EngineState::Starting } else { EngineState::Up };
        self.describe(&reading.raw.metrics);
        let mut entries = self.shared.entries();
        let Some(entry) = entries.get_mut(&self.instance) else { return };
        entry.accelerator_parts = reading.accelerator_parts();
        // One that says less because it is busy tells it all the same; another process may not.
        let told_before = entry.tells_ttft && !self.is_restarted;
        entry.tells_ttft = told_before || reading.tells(&metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS);
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
        if state == EngineState::Up && !reading.is_busy {
            report.version = reading.version;
            report.models = reading.models;
            report.notes = reading.notes;
        }
        let report = report.clone();
        drop(entries);
        if state == EngineState::Up && !self.is_announced {
            self.is_announced = true;
            self.tell("event.engine_found", Severity::Info, &report, Vec::new());
        } else if self.is_announced && self.is_restarted {
            self.tell("event.engine_restarted", Severity::Warn, &report, Vec::new());
        } else if self.is_announced && was_down {
            self.tell("event.engine_up", Severity::Info, &report, Vec::new());
        }
        for event in events {
            self.tell(event.code, event.severity, &report, event.params);
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
            let reason = vec![("reason", failure.to_string())];
            self.tell("event.engine_down", Severity::Error, &report, reason);
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

    /// Tells an event: its own parameters before those that every event has.
    fn tell(
        &self,
        code: &str,
        severity: Severity,
        report: &EngineReport,
        params: Vec<(&'static str, String)>,
    ) {
        let or_dash = |text: String| if text.is_empty() { "–".to_owned() } else { text };
        let common = [
            ("engine", report.name.clone()),
            ("version", or_dash(report.version.clone().unwrap_or_default())),
            ("url", report.url.clone()),
            ("model", or_dash(report.models.join(", "))),
            ("reason", String::new()),
        ];
        let common = common
            .into_iter()
            .filter(|(name, _)| params.iter().all(|(own, _)| own != name))
            .collect::<Vec<_>>();
        (self.shared.sinks.event)(LogRecord {
            time: self.shared.clock.now(),
            source: format!("engine {}", report.instance),
            severity,
            body: code.into(),
            attributes: params
                .into_iter()
                .chain(common)
                .map(|(name, value)| (name.into(), value))
                .collect(),
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

/// What was wrong with an answer that was good enough.
fn problem(reading: &Reading) -> Option<(&'static str, Vec<(String, String)>)> {
    if let Some(cut) = &reading.raw.cut {
        return Some(("hint.engine_cut", vec![("reason".into(), cut.to_string())]));
    }
    let count = reading.raw.bad_lines;
    (count > 0).then(|| ("hint.engine_lines", vec![("count".into(), count.to_string())]))
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, sync::Mutex};

    use model::Clock;

    use super::{
        super::tests::{Pages, ok, serve},
        *,
    };
    use crate::{Registry, Settings, Sinks};

    fn page(tokens: u32, start: u32, more: &str) -> (&'static str, String) {
        let page = format!(
            "vllm:num_requests_running{{model_name=\"m\"}} 2\n\
             vllm:generation_tokens_total{{model_name=\"m\"}} {tokens}\n\
             process_start_time_seconds {start}\n{more}"
        );
        ("/metrics", ok(&page))
    }

    fn version(version: &str) -> (&'static str, String) {
        ("/version", ok(&format!(r#"{{"version":"{version}"}}"#)))
    }

    struct World {
        clock: Clock,
        pages: Pages,
        registry: Registry,
        batches: Arc<Mutex<Vec<Batch>>>,
        events: Arc<Mutex<Vec<LogRecord>>>,
        watch: EngineWatch,
    }

    impl World {
        async fn new(pages: Vec<(&'static str, String)>) -> Self {
            let pages = Pages::new(Mutex::new(pages));
            let endpoint = serve(&pages).await;
            let clock = Clock::manual(UnixMs(1_000_000));
            let registry = Registry::default();
            let batches = Arc::<Mutex<Vec<Batch>>>::default();
            let events = Arc::<Mutex<Vec<LogRecord>>>::default();
            let (into_batches, into_events) = (Arc::clone(&batches), Arc::clone(&events));
            let sinks = Sinks {
                batch: Arc::new(move |batch| lock(&into_batches).push(batch)),
                event: Arc::new(move |event| lock(&into_events).push(event)),
                lines: None,
            };
            let settings = Settings {
                root: PathBuf::from("/nowhere"),
                instance: "h".into(),
                host_period: Duration::from_secs(1),
                accelerators: crate::accelerator::Settings::default(),
                engine_period: Duration::from_secs(5),
                discover: false,
                found: None,
                model_folders: Vec::new(),
                own_ports: Vec::new(),
                engines: Vec::new(),
                probes: Vec::new(),
                logs: crate::log::Settings::default(),
                scrapes: Vec::new(),
            };
            let shared = Arc::new(Shared::new(settings, clock.clone(), sinks, registry.clone()));
            let kind = Some(&super::super::vllm::KIND);
            let found =
                FoundEngine { endpoint, kind, configured: true, process: None, inode: None };
            let watch = EngineWatch::new(&shared, found);
            Self { clock, pages, registry, batches, events, watch }
        }

        /// Scrapes `seconds` later and returns the events by then, as code and one parameter.
        async fn scrape(&mut self, seconds: i64, parameter: &str) -> Vec<String> {
            let now = UnixMs(self.clock.now().0 + seconds * 1000);
            self.clock.set(now);
            self.watch.scrape(now).await;
            let events = std::mem::take(&mut *lock(&self.events));
            let told = events.iter().map(|event| {
                let value = event.attributes.iter().find(|(name, _)| name == parameter);
                format!("{} {}", event.body, value.map_or("", |(_, value)| value))
            });
            told.collect()
        }

        fn value(&self, name: &str) -> Option<f64> {
            let batches = lock(&self.batches);
            let mut samples = batches.last()?.samples.iter();
            samples.find(|(labels, _)| labels.name() == name).map(|(_, value)| *value)
        }

        fn hint(&self) -> Option<&'static str> {
            self.registry.reports().first()?.hint.as_ref().map(|(code, _)| *code)
        }
    }

    #[tokio::test]
    async fn a_life_from_being_found_to_another_version() {
        let mut world = World::new(vec![version("1"), page(10, 500, "")]).await;
        assert_eq!(world.scrape(0, "version").await, ["event.engine_found 1"]);
        assert_eq!(world.scrape(60, "").await, Vec::<String>::new());
        assert_eq!(world.value("llm_engine_stalled_seconds"), Some(0.0));
        assert_eq!(
            world.scrape(60, "evidence").await,
            ["event.engine_hung llm_generation_tokens_total 10"]
        );
        assert_eq!(world.value("llm_engine_stalled_seconds"), Some(120.0));
        *lock(&world.pages) = vec![version("2"), page(3, 900, "a b\n")];
        assert_eq!(world.scrape(5, "version").await, ["event.engine_restarted 1"]);
        assert_eq!(world.hint(), Some("hint.engine_lines"));
        assert_eq!(world.value("llm_engine_restarts_total"), Some(1.0));
        assert_eq!(world.value("llm_engine_stalled_seconds"), Some(0.0));
        // What seldom changes is asked again once the restart was seen.
        assert_eq!(world.scrape(5, "new").await, ["event.engine_changed 2"]);
        *lock(&world.pages) = vec![version("2"), page(4, 900, "")];
        world.scrape(5, "").await;
        assert_eq!(world.hint(), None);
    }

    /// Each time the good lines are kept.
    #[tokio::test]
    async fn what_is_wrong_with_a_page_is_named() {
        let huge = format!("x{{a=\"{}\"}} 1\n", "y".repeat(1 << 20));
        let twice = "process_start_time_seconds 500\n";
        let mut world = World::new(vec![version("1"), page(10, 500, "")]).await;
        for more in [huge.as_str(), "x{a=\"\u{0}", "x NaNs\n", twice] {
            *lock(&world.pages) = vec![version("1"), page(10, 500, more)];
            world.scrape(5, "").await;
            assert_eq!(world.hint(), Some("hint.engine_lines"), "{more:.20}");
            assert_eq!(world.value("llm_requests_running"), Some(2.0), "{more:.20}");
        }
        let (path, whole) = page(10, 500, "");
        let (head, body) = whole.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        let cut = format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{body}");
        *lock(&world.pages) = vec![version("1"), (path, cut)];
        world.scrape(5, "").await;
        assert_eq!(world.hint(), Some("hint.engine_cut"));
        assert_eq!(world.value("llm_requests_running"), Some(2.0));
    }

    #[tokio::test]
    async fn gone_and_back() {
        let pages = vec![version("1"), page(10, 500, "")];
        let mut world = World::new(pages.clone()).await;
        world.scrape(0, "").await;
        lock(&world.pages).clear();
        assert_eq!(world.scrape(5, "").await, Vec::<String>::new(), "one failure is none");
        let ended = world.value("llm_engine_restarts_total");
        assert!(ended.is_some_and(f64::is_nan), "its series end at once: {ended:?}");
        let told = world.scrape(5, "reason").await;
        assert_eq!(told, ["event.engine_down /version: the engine answered 404 Not Found"]);
        *lock(&world.pages) = pages;
        assert_eq!(world.scrape(5, "version").await, ["event.engine_up 1"]);
    }
}
