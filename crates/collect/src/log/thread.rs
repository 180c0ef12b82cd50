//! The thread that reads all logs by turns.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use model::{UnixMs, log::Origin};

use super::{
    LineSink, LogFile, Settings,
    engines::{self, EngineLogs},
    files::{Candidate, Files, Now, Round},
    glob,
    positions::Positions,
    report::Reports,
    unwrap::Form,
};
use crate::{Failure, FailureKind, collector::Shared, inventory, schedule::Watch};

/// How often new files are looked for, and how soon again while one waits.
const SCAN_PERIOD: Duration = Duration::from_secs(5);
const SCAN_AGAIN: Duration = Duration::from_millis(500);
/// How often positions are saved that changed.
const SAVE_PERIOD: Duration = Duration::from_secs(5);
/// How long to wait at first and at most when the sink takes nothing.
const REFUSED: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];
/// The shortest sleep, so that a flood does not wake the thread for every line.
const SLEEP_MIN: Duration = Duration::from_millis(5);
/// How long to wait after a defect of ours.
const AFTER_PANIC: Duration = Duration::from_secs(10);
/// Most files that are followed; fewer where this process may open fewer.
const FILES_MAX: u64 = 4_096;

/// Starts the thread, if somebody takes lines and any log is to be read.
pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<Watch> {
    let mut watch = Watch::default();
    let settings = &shared.settings.logs;
    let is_wanted =
        settings.discover || settings.kernel || settings.auth || !settings.files.is_empty();
    let Some(sink) = shared.sinks.lines.clone().filter(|_| is_wanted) else { return Ok(watch) };
    let shared = Arc::clone(shared);
    watch.spawn_work("logs", move |stopped| {
        let mut reports = Reports::new(&shared);
        loop {
            let read = AssertUnwindSafe(|| {
                Logs::new(&shared, &*sink, &mut reports).run(stopped);
            });
            let Err(panic) = catch_unwind(read) else { return };
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            reports.broke(&Failure::new(FailureKind::Panicked, text.unwrap_or_default()));
            // What is stored is known, so that reading can go on.
            if !matches!(stopped.recv_timeout(AFTER_PANIC), Err(RecvTimeoutError::Timeout)) {
                return;
            }
        }
    })?;
    Ok(watch)
}

struct Logs<'a> {
    shared: &'a Shared,
    settings: &'a Settings,
    sink: &'a dyn LineSink,
    reports: &'a mut Reports,
    host: String,
    files: Files,
    positions: Positions,
    /// Engines that started later are new to us.
    since: UnixMs,
    /// When each thing was done last.
    scanned: Option<Duration>,
    saved: Duration,
}

impl<'a> Logs<'a> {
    fn new(shared: &'a Shared, sink: &'a dyn LineSink, reports: &'a mut Reports) -> Self {
        let settings = &shared.settings.logs;
        let (positions, error) = Positions::open(settings.positions.as_deref());
        if let Some(error) = error {
            tracing::warn!(
                "positions of logs cannot be read, files go on where they are stored: {error}"
            );
        }
        Self {
            shared,
            settings,
            sink,
            reports,
            host: inventory::read(&shared.settings.root).hostname.unwrap_or_default(),
            files: Files::new(settings.limits, files_max()),
            since: positions.saved.unwrap_or(shared.since).min(shared.since),
            positions,
            scanned: None,
            saved: Duration::ZERO,
        }
    }

    fn run(&mut self, stopped: &Receiver<()>) {
        let mut refused = REFUSED[0];
        loop {
            let now = self.now();
            self.scan(now);
            let round = self.files.round(&mut self.positions, self.sink, now);
            let wait = match round {
                Round::Refused => {
                    let wait = refused;
                    refused = (refused * 2).min(REFUSED[1]);
                    wait
                }
                Round::Until(time) => {
                    refused = REFUSED[0];
                    time.saturating_sub(self.now().monotonic).max(SLEEP_MIN)
                }
            };
            self.save(now);
            self.reports.tell(self.shared, &self.files, now);
            if !matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
                let now = self.now();
                self.positions.is_changed = true;
                self.save(Now { monotonic: now.monotonic + SAVE_PERIOD, ..now });
                return;
            }
        }
    }

    fn now(&self) -> Now {
        let clock = &self.shared.clock;
        Now { wall: clock.now(), monotonic: clock.monotonic() }
    }

    /// Looks for new files, now and then.
    fn scan(&mut self, now: Now) {
        let period = if self.files.is_waited_for { SCAN_AGAIN } else { SCAN_PERIOD };
        if self.scanned.is_some_and(|at| now.monotonic.saturating_sub(at) < period) {
            return;
        }
        self.scanned = Some(now.monotonic);
        let mut candidates = Vec::new();
        for file in &self.settings.files {
            candidates.extend(self.named(file));
        }
        let mut engines = EngineLogs::default();
        if self.settings.discover {
            engines = engines::find(self.shared, &self.host, self.since);
            candidates.append(&mut engines.files);
        }
        self.reports.engines = (engines.engines, engines.hint);
        self.files.scan(candidates, &mut self.positions, self.sink, now);
    }

    /// The files that a person named.
    fn named(&self, file: &LogFile) -> Vec<Candidate> {
        let root = &self.shared.settings.root;
        let pattern: Arc<str> = file.path.as_str().into();
        let found = glob::find(root, &file.path).into_iter().map(|path| {
            let shown = path.strip_prefix(root).unwrap_or(&path);
            Candidate {
                origin: Arc::new(Origin {
                    source: "file".into(),
                    origin: format!("/{}", shown.display()),
                    host: self.host.clone(),
                    service: file.service.clone(),
                    engine: file.engine.clone(),
                    instance: file.instance.clone(),
                    model: String::new(),
                }),
                path,
                from: file.from,
                pattern: Some(Arc::clone(&pattern)),
                form: Form::Plain,
            }
        });
        found.collect()
    }

    fn save(&mut self, now: Now) {
        let is_due = now.monotonic.saturating_sub(self.saved) >= SAVE_PERIOD;
        if !is_due || !self.positions.is_changed {
            return;
        }
        self.saved = now.monotonic;
        self.files.note(&mut self.positions, now);
        let outcome = self.positions.save(now.wall);
        self.reports.saved(outcome.err());
    }
}

/// As many files as leave room for everything else that this process opens.
fn files_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let most = limit.map_or(FILES_MAX, |limit| (limit / 2).min(FILES_MAX));
    usize::try_from(most).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, sync::Mutex};

    use model::{Clock, sample::Batch};

    use super::*;
    use crate::{Registry, Sinks, SourceState, log::tests::TestSink};

    fn shared(root: &Path, logs: Settings, sink: &Arc<TestSink>) -> (Arc<Shared>, Batches) {
        let batches = Batches::default();
        let sinks = Sinks {
            batch: {
                let batches = Arc::clone(&batches);
                Arc::new(move |batch| batches.lock().unwrap().push(batch))
            },
            event: Arc::new(drop),
            lines: Some(Arc::clone(sink) as Arc<dyn LineSink>),
        };
        let settings = crate::Settings {
            root: root.to_owned(),
            instance: "h".into(),
            host_period: Duration::from_secs(1),
            engine_period: Duration::from_secs(1),
            accelerators: crate::accelerator::Settings::default(),
            discover: false,
            model_folders: Vec::new(),
            own_ports: Vec::new(),
            engines: Vec::new(),
            scrapes: Vec::new(),
            probes: Vec::new(),
            logs,
        };
        let shared = Shared::new(settings, Clock::system(), sinks, Registry::default());
        (Arc::new(shared), batches)
    }

    type Batches = Arc<Mutex<Vec<Batch>>>;

    #[test]
    fn the_thread_follows_what_was_named_and_goes_on_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("var/log/app")).unwrap();
        fs::write(root.join("var/log/app/a.log"), "old\nlast\n").unwrap();
        let file = LogFile {
            path: "/var/log/app/*.log".into(),
            service: "app".into(),
            from: super::super::From::Start,
            ..LogFile::default()
        };
        let settings = Settings {
            files: vec![file],
            positions: Some(root.join("positions.json")),
            ..Settings::default()
        };
        let sink = Arc::new(TestSink::default());
        for expected in [vec!["old", "last"], vec!["old", "last", "new"]] {
            let (shared, batches) = shared(root, settings.clone(), &sink);
            let watch = start(&shared).unwrap();
            let deadline = shared.clock.monotonic() + Duration::from_secs(20);
            while sink.texts() != expected {
                assert!(shared.clock.monotonic() < deadline, "{:?}", sink.texts());
                std::thread::yield_now();
            }
            watch.stop();
            for thread in watch.threads {
                thread.join().unwrap();
            }
            let reports = shared.registry.reports();
            assert!(reports.is_empty(), "they leave with the thread: {reports:?}");
            let names: Vec<String> = batches
                .lock()
                .unwrap()
                .iter()
                .flat_map(|batch| &batch.samples)
                .map(|(labels, _)| labels.name().to_owned())
                .collect();
            assert!(names.contains(&"modelwatch_log_files".to_owned()), "{names:?}");
            fs::write(root.join("var/log/app/a.log"), "old\nlast\nnew\n").unwrap();
        }
    }

    #[test]
    fn what_may_not_be_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { auth: true, ..Settings::default() };
        let (shared, _) = shared(folder.path(), settings, &Arc::new(TestSink::default()));
        let mut files = Files::new(shared.settings.logs.limits, 10);
        let denied = Failure::new(FailureKind::PermissionDenied, "/var/log/x: no");
        files.failures.insert("/var/log/x".into(), denied);
        let mut reports = Reports::new(&shared);
        let now = Now { wall: shared.clock.now(), monotonic: Duration::from_secs(9) };
        reports.tell(&shared, &files, now);
        let told = shared.registry.reports();
        let told = told.iter().find(|report| report.name == "log_files").unwrap();
        assert_eq!(told.state, SourceState::Absent, "none is configured");
        assert_eq!(told.hint.as_ref().unwrap().0, "hint.log_permission");
    }
}
