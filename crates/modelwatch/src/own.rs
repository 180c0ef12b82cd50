//! What modelwatch costs and how it is doing: its own metrics.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use collect::{Collector, SourceState};
use logs::pipeline::StepCounts;
use model::{
    Labels, UnixMs,
    catalogue::{
        MODELWATCH_ALERTMANAGER_ALERTS_TOTAL, MODELWATCH_ALERTMANAGER_WAITING,
        MODELWATCH_ALERTS_FIRING, MODELWATCH_ALERTS_REFUSED_TOTAL,
        MODELWATCH_BATCHES_DROPPED_TOTAL, MODELWATCH_BUILD_INFO, MODELWATCH_EVENTS_LOST_TOTAL,
        MODELWATCH_GATEWAY_CONNECTIONS, MODELWATCH_GATEWAY_CONNECTIONS_MAX,
        MODELWATCH_GATEWAY_PARTS_UNSEEN_TOTAL, MODELWATCH_GATEWAY_RECORDS_LOST_TOTAL,
        MODELWATCH_INCIDENTS, MODELWATCH_LIVE_CLIENTS, MODELWATCH_LIVE_EVALUATIONS_TOTAL,
        MODELWATCH_LIVE_TICKS_DROPPED_TOTAL, MODELWATCH_LOG_PIPELINE_LINES_TOTAL,
        MODELWATCH_NOTIFICATIONS_OWED, MODELWATCH_PROCESS_CPU_SECONDS_TOTAL,
        MODELWATCH_PROCESS_RESIDENT_BYTES, MODELWATCH_QUEUE_BATCHES,
        MODELWATCH_REMOTE_WRITE_REFUSED_TOTAL, MODELWATCH_REMOTE_WRITE_REQUESTS_TOTAL,
        MODELWATCH_REMOTE_WRITE_SAMPLES_TOTAL, MODELWATCH_REQUESTS_BYTES,
        MODELWATCH_REQUESTS_STORED, MODELWATCH_RULE_EVALUATION_SECONDS,
        MODELWATCH_RULE_EVALUATIONS_MISSED_TOTAL, MODELWATCH_RULE_FILES_FAILED, MODELWATCH_RULES,
        MODELWATCH_SAMPLES_APPENDED_TOTAL, MODELWATCH_SAMPLES_LOST_TOTAL,
        MODELWATCH_SAMPLES_REFUSED_TOTAL, MODELWATCH_SOURCE_DURATION_SECONDS,
        MODELWATCH_SOURCE_SERIES, MODELWATCH_SOURCE_UP, MODELWATCH_STORE_BLOCKS,
        MODELWATCH_STORE_BYTES, MODELWATCH_STORE_CHUNKS_DAMAGED_TOTAL, MODELWATCH_STORE_SERIES,
        MODELWATCH_STORE_WAL_BYTES, MODELWATCH_STORE_WRITABLE, Metric,
    },
    exchange::Exchange,
    sample::Batch,
};
use store::events::Event as _;

use crate::{agent::Agent, alarms::rules::Rules, exchanges::View, receivers, wire::App};

/// Over how long the cost shown on the page is averaged.
const COST_WINDOW: Duration = Duration::from_secs(10);

/// CPU time and memory of this process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    pub(crate) cpu_ms_per_second: Option<f64>,
    pub(crate) resident_bytes: Option<u64>,
}

/// Turns readings of the process clock into a rate.
#[derive(Debug, Default)]
pub(crate) struct CostMeter(Mutex<Option<Reading>>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    /// Start of the current window: monotonic time and CPU time at it.
    at: Duration,
    cpu: Duration,
    /// Rate of the window before, or of this one as far as it goes.
    rate: Option<f64>,
}

impl CostMeter {
    pub(crate) fn read(&self, now: Duration) -> Cost {
        let cpu = cpu_time();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = state.get_or_insert(Reading { at: now, cpu, rate: None });
        let elapsed = now.saturating_sub(reading.at);
        if elapsed >= COST_WINDOW || (reading.rate.is_none() && elapsed >= COST_WINDOW / 5) {
            let used = cpu.saturating_sub(reading.cpu);
            reading.rate = Some(used.as_secs_f64() * 1e3 / elapsed.as_secs_f64());
        }
        if elapsed >= COST_WINDOW {
            (reading.at, reading.cpu) = (now, cpu);
        }
        Cost { cpu_ms_per_second: reading.rate, resident_bytes: resident_bytes() }
    }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let page_bytes = u64::try_from(rustix::param::page_size()).ok()?;
    pages.checked_mul(page_bytes)
}

/// Own metrics of one moment, labelled as a scrape of ourselves would be.
struct Own<'a> {
    instance: &'a str,
    batch: Batch,
}

impl<'a> Own<'a> {
    /// What is true of every run: the program, what it uses, and how its sources do.
    fn new(collector: &Collector, instance: &'a str, time: UnixMs) -> Self {
        let mut own = Self { instance, batch: Batch::new(time) };
        own.push(&MODELWATCH_BUILD_INFO, &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        own.push(&MODELWATCH_PROCESS_CPU_SECONDS_TOTAL, &[], cpu_time().as_secs_f64());
        if let Some(bytes) = resident_bytes() {
            own.push(&MODELWATCH_PROCESS_RESIDENT_BYTES, &[], bytes as f64);
        }
        for report in collector.registry().reports() {
            let source = [("collector", report.name.as_str())];
            let is_up = report.state == SourceState::Ok;
            if matches!(report.state, SourceState::Ok | SourceState::Failing) {
                let duration = report.duration.as_secs_f64();
                own.push(&MODELWATCH_SOURCE_UP, &source, f64::from(u8::from(is_up)));
                own.push(&MODELWATCH_SOURCE_DURATION_SECONDS, &source, duration);
            }
            if is_up {
                own.push(&MODELWATCH_SOURCE_SERIES, &source, report.series as f64);
            }
        }
        own
    }

    fn push(&mut self, metric: &Metric, extra: &[(&str, &str)], value: f64) {
        let own = [("job", "modelwatch"), ("instance", self.instance)];
        let labels = Labels::metric(metric.name, own.into_iter().chain(extra.iter().copied()));
        self.batch.push(&labels, value);
    }

    fn push_pipelines(&mut self, steps: impl Iterator<Item = StepCounts>) {
        for counts in steps {
            let step = counts.step.to_string();
            let effects = [
                ("done", counts.done),
                ("missed", counts.missed),
                ("skipped", counts.skipped),
                ("dropped", counts.dropped),
            ];
            for (effect, count) in effects.into_iter().filter(|(_, count)| *count > 0) {
                let labels = [
                    ("pipeline", counts.pipeline.as_str()),
                    ("step", step.as_str()),
                    ("kind", counts.kind),
                    ("effect", effect),
                ];
                self.push(&MODELWATCH_LOG_PIPELINE_LINES_TOTAL, &labels, count as f64);
            }
        }
    }

    fn push_rules(&mut self, rules: &Rules) {
        let groups = rules.groups();
        for view in &groups {
            let (file, group) = view.loaded.key();
            let labels = [("file", file), ("group", group)];
            self.push(&MODELWATCH_RULE_EVALUATION_SECONDS, &labels, view.took.as_secs_f64());
            self.push(&MODELWATCH_RULE_EVALUATIONS_MISSED_TOTAL, &labels, view.missed as f64);
        }
        let told = || groups.iter().flat_map(|view| view.told.iter());
        let evaluated = groups.iter().map(|view| view.loaded.group.rules.len()).sum::<usize>();
        let failing = told().filter(|told| told.error.is_some()).count();
        let healthy =
            told().filter(|told| told.error.is_none() && told.evaluated.is_some()).count();
        let unknown = evaluated.saturating_sub(failing + healthy);
        for (health, count) in [("ok", healthy), ("err", failing), ("unknown", unknown)] {
            self.push(&MODELWATCH_RULES, &[("health", health)], count as f64);
        }
        let problems = rules.problems();
        let files: BTreeSet<&str> = problems.iter().map(|problem| problem.file.as_str()).collect();
        self.push(&MODELWATCH_RULE_FILES_FAILED, &[], files.len() as f64);
    }

    fn push_incidents(&mut self, app: &App) {
        let counts = app.incidents.counts();
        for ((state, severity), count) in &counts.incidents {
            let labels = [("state", state.as_str()), ("severity", severity.as_str())];
            self.push(&MODELWATCH_INCIDENTS, &labels, *count as f64);
        }
        self.push(&MODELWATCH_ALERTS_FIRING, &[], counts.alerts as f64);
        self.push(&MODELWATCH_ALERTS_REFUSED_TOTAL, &[], counts.refused as f64);
        self.push(&MODELWATCH_NOTIFICATIONS_OWED, &[], counts.owed as f64);
        for state in app.alertmanagers.states() {
            let url = state.url.as_str();
            for (outcome, count) in [("sent", state.sent), ("failed", state.failed)] {
                let labels = [("url", url), ("outcome", outcome)];
                self.push(&MODELWATCH_ALERTMANAGER_ALERTS_TOTAL, &labels, count as f64);
            }
            self.push(&MODELWATCH_ALERTMANAGER_WAITING, &[("url", url)], state.waiting as f64);
        }
    }

    fn push_refused<'r>(&mut self, refused: impl IntoIterator<Item = (&'r str, u64)>) {
        for (reason, count) in refused {
            let reason = [("reason", reason)];
            self.push(&MODELWATCH_SAMPLES_REFUSED_TOTAL, &reason, count as f64);
        }
    }
}

/// All own metrics of an agent at `time`.
pub(crate) fn sample_agent(agent: &Agent, time: UnixMs) -> Batch {
    let mut own = Own::new(&agent.collector, &agent.instance, time);
    own.push_refused([("series_limit", agent.latest.refused())]);
    own.batch
}

/// All own metrics at `time`.
pub(crate) fn sample(app: &App, time: UnixMs) -> Batch {
    let mut own = Own::new(&app.collector, &app.instance, time);
    let counters = app.queue.counters();
    let stats = app.store.stats();
    let count = |value: &std::sync::atomic::AtomicU64| value.load(Ordering::Relaxed) as f64;
    own.push(&MODELWATCH_BATCHES_DROPPED_TOTAL, &[], count(&counters.batches_dropped));
    own.push(&MODELWATCH_QUEUE_BATCHES, &[], count(&counters.batches_waiting));
    own.push(&MODELWATCH_EVENTS_LOST_TOTAL, &[], count(&counters.events_lost));
    own.push(&MODELWATCH_SAMPLES_LOST_TOTAL, &[], count(&counters.samples_lost));
    own.push(&MODELWATCH_LIVE_CLIENTS, &[], count(&app.hub.clients));
    own.push(&MODELWATCH_LIVE_EVALUATIONS_TOTAL, &[], count(&app.hub.evaluations));
    own.push(&MODELWATCH_LIVE_TICKS_DROPPED_TOTAL, &[], count(&app.hub.ticks_dropped));
    let written = app.gate.receiver.totals();
    own.push(&MODELWATCH_REMOTE_WRITE_SAMPLES_TOTAL, &[], written.samples as f64);
    for (reason, refused) in written.refused {
        let reason = [("reason", reason)];
        own.push(&MODELWATCH_REMOTE_WRITE_REFUSED_TOTAL, &reason, refused as f64);
    }
    for (code, requests) in written.requests {
        let code = code.to_string();
        let code = [("code", code.as_str())];
        own.push(&MODELWATCH_REMOTE_WRITE_REQUESTS_TOTAL, &code, requests as f64);
    }
    let reports = app.receive.desk.reports();
    receivers::sample(&reports, &app.config.receive, |metric, labels, value| {
        own.push(metric, labels, value);
    });
    own.push_incidents(app);
    own.push_pipelines(app.lines.pipeline_counts());
    own.push_rules(&app.rules);
    app.channels.sample(|metric, labels, value| own.push(metric, labels, value));
    own.push(&MODELWATCH_SAMPLES_APPENDED_TOTAL, &[], stats.samples_appended as f64);
    own.push_refused(stats.refused());
    own.push(&MODELWATCH_STORE_BLOCKS, &[], stats.blocks as f64);
    own.push(&MODELWATCH_STORE_BYTES, &[], stats.bytes_on_disk as f64);
    own.push(&MODELWATCH_STORE_CHUNKS_DAMAGED_TOTAL, &[], stats.chunks_damaged as f64);
    own.push(&MODELWATCH_STORE_SERIES, &[], stats.series as f64);
    own.push(&MODELWATCH_STORE_WAL_BYTES, &[], stats.wal_bytes as f64);
    own.push(&MODELWATCH_STORE_WRITABLE, &[], f64::from(u8::from(stats.writable)));
    if let Some(gateway) = app.gateway.as_ref().and_then(View::gateway) {
        let counters = gateway.counters();
        let (unseen, lost) = (counters.parts_unseen, counters.records_lost);
        own.push(&MODELWATCH_GATEWAY_CONNECTIONS, &[], counters.connections as f64);
        let connections_max = counters.connections_max as f64;
        own.push(&MODELWATCH_GATEWAY_CONNECTIONS_MAX, &[], connections_max);
        own.push(&MODELWATCH_GATEWAY_PARTS_UNSEEN_TOTAL, &[], unseen as f64);
        own.push(&MODELWATCH_GATEWAY_RECORDS_LOST_TOTAL, &[], lost as f64);
        let stats = app.store.events().stats();
        for stats in stats.iter().filter(|stats| stats.kind == Exchange::schema().kind) {
            own.push(&MODELWATCH_REQUESTS_STORED, &[], stats.records as f64);
            own.push(&MODELWATCH_REQUESTS_BYTES, &[], stats.bytes_on_disk as f64);
        }
    }
    own.batch
}
