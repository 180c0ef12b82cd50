//! The processes and the control group of each engine, on a thread of their own: an engine that hangs is
//! measured all the same.
//!
//! It needs no privilege but sees some values of the same user's processes only, see [`process`].

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use model::{
    Labels, UnixMs,
    catalogue::{self as metric, Metric},
    log::{LogRecord, Severity},
    sample::Batch,
};

use crate::{
    EngineReport, Failure, FailureKind, SourceGroup, accelerator,
    collector::Shared,
    container::{self, Group},
    guard::Guard,
    process::{self, Identity, Processes, Tree, Usage},
    schedule::Watch,
};

/// The source of what this file measures, in the label of that name.
const SOURCE: &str = "host";

/// Starts the thread.
pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<Watch> {
    let shared = Arc::clone(shared);
    let mut watch = Watch::default();
    watch.spawn_work("processes", move |stopped| Watched::new(&shared).run(&shared, stopped))?;
    Ok(watch)
}

/// What is remembered of one engine.
#[derive(Debug, Default)]
struct Engine {
    process: Option<Identity>,
    tree: Tree,
    started: Option<f64>,
    group: Option<Group>,
    oom_kills: Option<f64>,
}

struct Watched {
    guard: Guard,
    /// By instance.
    engines: BTreeMap<String, Engine>,
    all: Processes,
}

impl Watched {
    fn new(shared: &Shared) -> Self {
        let period = shared.settings.engine_period;
        let handle = shared.registry.register("processes".into(), SourceGroup::Engine, period);
        Self { guard: Guard::new(handle), engines: BTreeMap::new(), all: Processes::default() }
    }

    fn run(&mut self, shared: &Shared, stopped: &Receiver<()>) {
        let period = i64::try_from(shared.settings.engine_period.as_millis()).unwrap_or(5_000);
        let period = period.max(1);
        loop {
            let now = shared.clock.now().0;
            self.look(shared, UnixMs(now.div_euclid(period) * period));
            let into_period = shared.clock.now().0.rem_euclid(period);
            let wait = Duration::from_millis(u64::try_from(period - into_period).unwrap_or(1));
            if !matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
                return;
            }
        }
    }

    fn look(&mut self, shared: &Shared, time: UnixMs) {
        let mut batch = Batch::new(time);
        let entries = shared.entries();
        let known = entries.values().filter(|entry| !entry.report.kind.is_empty());
        let listed: Vec<_> = known
            .map(|entry| (entry.report.clone(), entry.process, entry.accelerator_parts))
            .collect();
        drop(entries);
        self.engines.retain(|instance, _| listed.iter().any(|(it, ..)| it.instance == *instance));
        let Self { guard, engines, all } = self;
        guard.run(&shared.clock, &mut batch, |batch| {
            if listed.iter().all(|(_, process, _)| process.is_none()) && engines.is_empty() {
                let detail = "no process of an engine can be seen";
                return Err(Failure::new(FailureKind::Absent, detail));
            }
            let root = &shared.settings.root;
            let now = shared.clock.monotonic();
            all.look(root, now, listed.iter().filter_map(|(_, process, _)| *process));
            for (report, process, parts) in listed {
                if process.is_none() && !engines.contains_key(&report.instance) {
                    continue;
                }
                let engine = engines.entry(report.instance.clone()).or_default();
                if engine.look(shared, all, &report, process, batch) {
                    engine.put_accelerators(shared, &report, parts, batch);
                }
                if let Some(record) = engine.oom_event(shared, &report, batch) {
                    (shared.sinks.event)(record);
                }
            }
            Ok(())
        });
        if !batch.samples.is_empty() {
            (shared.sinks.batch)(batch);
        }
    }
}

impl Engine {
    /// Returns whether the process is there.
    fn look(
        &mut self,
        shared: &Shared,
        all: &Processes,
        report: &EngineReport,
        process: Option<Identity>,
        batch: &mut Batch,
    ) -> bool {
        let root = &shared.settings.root;
        if let Some(process) = process.filter(|process| self.process != Some(*process)) {
            self.process = Some(process);
            self.started = process::start_time(root, process);
            self.group = container::group(root, process.pid);
            self.oom_kills = None;
        }
        let mut push = |metric: &Metric, extra: &[(&str, &str)], value: f64| {
            batch.push(&labels(report, metric, extra), value);
        };
        let usage = process.and_then(|process| self.tree.look(root, all, process));
        let (Some(process), Some(usage)) = (process, usage) else { return false };
        for (metric, value) in readings(&usage) {
            push(metric, &[], value);
        }
        if let Some(started) = self.started {
            push(&metric::LLM_ENGINE_PROCESS_START_TIME_SECONDS, &[], started);
        }
        if let Some(most) = process::open_files_max(root, process.pid) {
            push(&metric::LLM_ENGINE_PROCESS_OPEN_FILES_MAX, &[], most as f64);
        }
        self.put_group(root, report, batch);
        true
    }

    /// What the control group is and uses.
    fn put_group(&self, root: &Path, report: &EngineReport, batch: &mut Batch) {
        let Some(group) = &self.group else { return };
        let mut push = |metric: &Metric, extra: &[(&str, &str)], value: f64| {
            batch.push(&labels(report, metric, extra), value);
        };
        let identity = &group.identity;
        let facts = [
            ("id", group.id.as_str()),
            ("runtime", identity.runtime.as_str()),
            ("container", identity.container.as_str()),
            ("pod_uid", identity.pod_uid.as_str()),
            ("qos", identity.qos.as_str()),
            ("unit", identity.unit.as_str()),
        ];
        push(&metric::LLM_ENGINE_CONTAINER_INFO, &facts, 1.0);
        for (metric, device, value) in container::usage(root, group) {
            let device = device.as_deref().map(|device| ("device", device));
            let extra: Vec<_> = [("id", group.id.as_str())].into_iter().chain(device).collect();
            push(metric, &extra, value);
        }
    }

    /// What the processes of the last look have of each accelerator, where a vendor lists processes, and
    /// how much of that is none of the `parts` that the engine tells.
    fn put_accelerators(
        &self,
        shared: &Shared,
        report: &EngineReport,
        parts: Option<f64>,
        batch: &mut Batch,
    ) {
        let shares = shared.holders.shares(&self.tree.pids(), shared.clock.monotonic());
        // One that is not known may be the fullest.
        let all: Option<Vec<u64>> = shares.iter().map(|share| share.bytes).collect();
        let fullest = all.and_then(|all| all.into_iter().max()).map(|bytes| bytes as f64);
        let others = fullest.zip(parts).map(|(fullest, parts)| fullest - parts);
        // Parts that are more than the whole are of another device, or the engine is wrong.
        if let Some(others) = others.filter(|others| *others >= 0.0) {
            let part = [("part", "others")];
            batch.push(&labels(report, &metric::LLM_ENGINE_ACCELERATOR_BYTES, &part), others);
        }
        for share in shares {
            let device = accelerator::IDENTITY.into_iter().zip(&share.device);
            let device: Vec<_> = device.map(|(name, value)| (name, value.as_str())).collect();
            let readings = [
                (&metric::LLM_ENGINE_ACCELERATOR_MEMORY_BYTES, share.bytes.map(|all| all as f64)),
                (&metric::LLM_ENGINE_ACCELERATOR_UTILIZATION_RATIO, share.utilization),
            ];
            for (metric, value) in readings {
                let Some(value) = value else { continue };
                batch.push(&labels(report, metric, &device), value);
            }
        }
    }

    /// The event that the kernel killed a process of the group for lack of memory, if it did.
    fn oom_event(
        &mut self,
        shared: &Shared,
        report: &EngineReport,
        batch: &Batch,
    ) -> Option<LogRecord> {
        let is_it = |labels: &Labels, name: &str| {
            labels.name() == name && labels.get("instance") == Some(report.instance.as_str())
        };
        let value = |name: &str| {
            let found = batch.samples.iter().rev().find(|(labels, _)| is_it(labels, name));
            found.map(|(_, value)| *value)
        };
        let kills = value(metric::CONTAINER_OOM_EVENTS_TOTAL.name)?;
        let before = self.oom_kills.replace(kills)?;
        let limit = value(metric::CONTAINER_SPEC_MEMORY_LIMIT_BYTES.name);
        let limit =
            limit.map_or("–".to_owned(), |bytes| format!("{:.0} MiB", bytes / 1_048_576.0));
        let attributes =
            [("engine", report.name.clone()), ("url", report.url.clone()), ("limit", limit)];
        (kills > before).then(|| LogRecord {
            time: shared.clock.now(),
            source: format!("engine {}", report.instance),
            severity: Severity::Error,
            body: "event.engine_oom_killed".into(),
            attributes: attributes.into_iter().map(|(name, value)| (name.into(), value)).collect(),
        })
    }
}

/// A series of an engine, with labels beyond those that all have.
fn labels(report: &EngineReport, metric: &Metric, extra: &[(&str, &str)]) -> Labels {
    let model = report.models.first().map_or("", String::as_str);
    let own = [
        ("engine", report.kind.as_str()),
        ("instance", report.instance.as_str()),
        ("model", model),
        ("source", SOURCE),
    ];
    let own = own.into_iter().filter(|(name, _)| metric.labels.contains(name));
    Labels::metric(metric.name, own.chain(extra.iter().copied()))
}

/// What is told of a tree of processes; what could not be read is not in it.
fn readings(usage: &Usage) -> impl Iterator<Item = (&'static Metric, f64)> {
    let count = |value: u64| Some(value as f64);
    let optional = |value: Option<u64>| value.map(|value| value as f64);
    let all: [(&Metric, Option<f64>); 11] = [
        (&metric::LLM_ENGINE_PROCESS_CPU_SECONDS_TOTAL, Some(usage.cpu_seconds)),
        (
            &metric::LLM_ENGINE_PROCESS_INVOLUNTARY_SWITCHES_TOTAL,
            optional(usage.involuntary_switches),
        ),
        (&metric::LLM_ENGINE_PROCESS_MAJOR_FAULTS_TOTAL, count(usage.major_faults)),
        (&metric::LLM_ENGINE_PROCESS_MINOR_FAULTS_TOTAL, count(usage.minor_faults)),
        (&metric::LLM_ENGINE_PROCESS_OPEN_FILES, optional(usage.open_files)),
        (&metric::LLM_ENGINE_PROCESS_READ_BYTES_TOTAL, optional(usage.read_bytes)),
        (&metric::LLM_ENGINE_PROCESS_RESIDENT_BYTES, count(usage.resident_bytes)),
        (&metric::LLM_ENGINE_PROCESS_THREADS, count(usage.threads)),
        (&metric::LLM_ENGINE_PROCESS_VOLUNTARY_SWITCHES_TOTAL, optional(usage.voluntary_switches)),
        (&metric::LLM_ENGINE_PROCESS_WRITTEN_BYTES_TOTAL, optional(usage.written_bytes)),
        (&metric::LLM_ENGINE_PROCESSES, count(usage.processes)),
    ];
    all.into_iter().filter_map(|(metric, value)| Some((metric, value?)))
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Mutex};

    use model::Clock;

    use super::*;
    use crate::{EngineState, Registry, Settings, Sinks, SourceState, collector::Entry};

    fn report() -> EngineReport {
        EngineReport {
            instance: "h:1".into(),
            kind: "vllm".into(),
            name: "vLLM".into(),
            url: "http://h:1".into(),
            version: None,
            models: vec!["m".into()],
            state: EngineState::Up,
            since: UnixMs(0),
            pid: Some(7),
            configured: false,
            notes: Vec::new(),
        }
    }

    /// Writes process 7 as one that started at `started`, in a group with so many kills.
    fn write(root: &Path, started: u64, kills: u64) {
        let put = |path: &str, text: String| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("proc/stat", "cpu 1\nbtime 1700000000\n".into());
        put(
            "proc/7/stat",
            format!("7 (x) S 1 7 7 0 -1 0 10 0 2 0 0 0 0 0 20 0 2 0 {started} 1000 5 0"),
        );
        put("proc/8/stat", "8 (x) S 7 7 7 0 -1 0 10 0 2 0 0 0 0 0 20 0 0 0 9 1000 5 0".into());
        put("proc/7/cgroup", "0::/system.slice/vllm.service\n".into());
        put("sys/fs/cgroup/cgroup.controllers", "memory\n".into());
        let group = "sys/fs/cgroup/system.slice/vllm.service";
        put(&format!("{group}/memory.events"), format!("oom 9\noom_kill {kills}\n"));
        put(&format!("{group}/memory.max"), "1073741824\n".into());
    }

    /// What the tree of process 7 holds of the GPU.
    fn check_held(samples: &[(Labels, f64)]) {
        let of = ["memory_bytes", "utilization_ratio"].map(|name| {
            let name = format!("llm_engine_accelerator_{name}");
            samples.iter().find(|(labels, _)| labels.name() == name).unwrap()
        });
        for (labels, _) in of {
            let names = ["engine", "instance", "uuid", "index", "vendor"];
            let found = names.map(|name| labels.get(name).unwrap_or_default());
            assert_eq!(found, ["vllm", "h:1", "GPU-1", "0", "nvidia"]);
        }
        let name = metric::LLM_ENGINE_ACCELERATOR_BYTES.name;
        let others = samples.iter().find(|(labels, _)| labels.name() == name).unwrap();
        let told = (others.0.get("part"), others.0.get("source"), others.1);
        assert_eq!(told, (Some("others"), Some("host"), f64::from(1 << 20)));
        let both = f64::from((1 << 30) + (1 << 20));
        assert_eq!(of.map(|(_, value)| *value), [both, 0.5], "its own and its child's");
    }

    fn settings(root: &Path) -> Settings {
        Settings {
            root: root.into(),
            instance: "n".into(),
            host_period: Duration::from_secs(1),
            engine_period: Duration::from_secs(5),
            discover: false,
            found: None,
            model_folders: Vec::new(),
            own_ports: Vec::new(),
            engines: Vec::new(),
            probes: Vec::new(),
            logs: crate::log::Settings::default(),
            scrapes: Vec::new(),
            accelerators: accelerator::Settings::default(),
        }
    }

    #[test]
    fn usage_and_kills_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let settings = settings(root);
        let batches: Arc<Mutex<Vec<Batch>>> = Arc::default();
        let events: Arc<Mutex<Vec<LogRecord>>> = Arc::default();
        let sinks = Sinks {
            batch: {
                let batches = Arc::clone(&batches);
                Arc::new(move |batch| batches.lock().unwrap().push(batch))
            },
            event: {
                let events = Arc::clone(&events);
                Arc::new(move |event| events.lock().unwrap().push(event))
            },
            lines: None,
        };
        let registry = Registry::default();
        let mut shared = Shared::new(settings, Clock::manual(UnixMs(0)), sinks, registry.clone());
        let gpu = ["GPU-1", "0", "nvidia", ""];
        let uses = [(7, Some(1 << 30), None), (8, Some(1 << 20), Some(0.5)), (9, Some(1), None)];
        shared.holders = accelerator::held(gpu, Duration::ZERO, &uses);
        let mut watched = Watched::new(&shared);
        watched.look(&shared, UnixMs(0));
        assert_eq!(registry.reports()[0].state, SourceState::Absent);

        let mut look = |started: u64, kills: u64| {
            write(root, started, kills);
            shared.clock.set(shared.clock.now() + shared.settings.engine_period);
            let process = process::identify(root, 7);
            let entry = Entry {
                report: report(),
                process,
                inode: Some(1),
                hidden: BTreeMap::new(),
                is_forwarded: Some(false),
                tells_ttft: false,
                accelerator_parts: Some(f64::from(1 << 30)),
                task: None,
            };
            shared.entries().insert("h:1".into(), entry);
            watched.look(&shared, UnixMs(5_000));
            let batches = batches.lock().unwrap();
            let samples = &batches.last().unwrap().samples;
            let value = |name: &str| {
                samples.iter().find(|(labels, _)| labels.name() == name).map(|(_, value)| *value)
            };
            let unit = samples.iter().find_map(|(labels, _)| labels.get("unit"));
            assert_eq!(unit, Some("vllm.service"));
            assert_eq!(value("llm_engine_process_threads"), Some(2.0));
            assert_eq!(value("llm_engine_process_read_bytes_total"), None, "cannot be read");
            assert_eq!(value("container_spec_memory_limit_bytes"), Some(1_073_741_824.0));
            check_held(samples);
            let started = value("llm_engine_process_start_time_seconds").unwrap();
            let kills: Vec<String> =
                events.lock().unwrap().iter().map(|e| e.body.clone()).collect();
            (started >= 1.7e9, kills)
        };
        let killed = || vec!["event.engine_oom_killed".to_owned()];
        assert_eq!(look(100, 3), (true, vec![]), "what was before is no event");
        assert_eq!(look(100, 4), (true, killed()));
        assert_eq!(look(900, 4), (true, killed()), "another process with the same pid");
        let attributes = events.lock().unwrap()[0].attributes.clone();
        assert!(attributes.contains(&("limit".into(), "1024 MiB".into())), "{attributes:?}");
    }
}
