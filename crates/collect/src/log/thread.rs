//! The thread that reads all logs by turns.

use std::{
    collections::BTreeMap,
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
    From, LineSink, LogFile, Settings,
    engines::{self, JournalOf},
    files::{Candidate, Files, Now, Only, Round},
    glob,
    journal::Journal,
    kernel::Kernel,
    positions::Positions,
    report::{self, Amount, Reports, State},
    unwrap::Form,
};
use crate::{
    Failure, FailureKind,
    collector::Shared,
    inventory,
    schedule::{Hint, Watch},
};

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
/// How long to leave the kernel's log alone that could not be opened.
const KERNEL_REST: Duration = Duration::from_secs(60);
/// Where the system's daemons write what is of interest here.
const KERNEL_FILES: &[&str] = &["/var/log/kern.log"];
const KERNEL_FIELDS: &[&str] = &["_TRANSPORT=kernel"];
const AUTH_FILES: &[&str] = &["/var/log/auth.log", "/var/log/secure"];
/// What syslog calls auth and authpriv.
const AUTH_FIELDS: &[&str] = &["SYSLOG_FACILITY=10", "SYSLOG_FACILITY=4"];
/// Most positions of journals before those are forgotten that are not read now.
const OTHERS_MAX: usize = 1_000;
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
    kernel: Result<Kernel, Failure>,
    kernel_tried: Option<Duration>,
    journal: Journal,
    positions: Positions,
    /// Engines that started later are new to us.
    since: UnixMs,
    /// How many engines there are, and what to know of those without a log.
    engines: (usize, Option<Hint>),
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
            kernel: Err(Failure::new(FailureKind::Absent, "logs.kernel is false")),
            kernel_tried: None,
            journal: Journal::new(&shared.settings.root, settings.limits),
            since: positions.saved.unwrap_or(shared.since).min(shared.since),
            positions,
            engines: (0, None),
            scanned: None,
            saved: Duration::ZERO,
        }
    }

    fn run(&mut self, stopped: &Receiver<()>) {
        let mut refused = REFUSED[0];
        loop {
            let now = self.now();
            self.open_kernel(now);
            self.scan(now);
            let wait = match self.round(now) {
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
            if self.reports.is_due(now) {
                self.tell(now);
            }
            if !matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
                let now = self.now();
                self.positions.is_changed = true;
                self.save(Now { monotonic: now.monotonic + SAVE_PERIOD, ..now });
                return;
            }
        }
    }

    /// Reads a little of everything.
    fn round(&mut self, now: Now) -> Round {
        let kernel = match &mut self.kernel {
            Ok(kernel) => match kernel.turn(self.sink, now) {
                Ok(round) => round,
                Err(failure) => {
                    self.kernel = Err(failure);
                    Round::Until(now.monotonic + SCAN_PERIOD)
                }
            },
            Err(_) => Round::Until(now.monotonic + SCAN_PERIOD),
        };
        let files = self.files.round(&mut self.positions, self.sink, now);
        kernel.and(files).and(self.journal.turn(self.sink, now))
    }

    /// Opens the kernel's log, and tries it again now and then.
    fn open_kernel(&mut self, now: Now) {
        let is_due = self.kernel_tried.is_none_or(|at| now.monotonic - at >= KERNEL_REST);
        if !self.settings.kernel || self.kernel.is_ok() || !is_due {
            return;
        }
        self.kernel_tried = Some(now.monotonic);
        let others = &self.positions.others;
        let saved = |name: &str| others.get(name).copied();
        let root = &self.shared.settings.root;
        self.kernel = Kernel::open(root, &self.host, &saved, self.sink, self.settings.limits);
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
        let (mut candidates, mut journals) = (Vec::new(), Vec::new());
        for file in &self.settings.files {
            candidates.extend(self.named(file));
        }
        if self.settings.discover {
            let engines = engines::find(self.shared, &self.host, self.since);
            candidates.extend(engines.files);
            journals = engines.journals;
            self.engines = (engines.engines, engines.hint);
        }
        // Where the system writes no file of its own its journal has the same.
        let system: [(bool, &str, &[&str], &[&str]); 2] = [
            (self.settings.kernel && self.kernel.is_err(), "kernel", KERNEL_FILES, KERNEL_FIELDS),
            (self.settings.auth, "auth", AUTH_FILES, AUTH_FIELDS),
        ];
        for (_, source, paths, fields) in system.into_iter().filter(|(is_wanted, ..)| *is_wanted) {
            match self.system(source, paths) {
                Some(candidate) => candidates.push(candidate),
                None => journals.push(JournalOf {
                    fields: fields.iter().map(|field| (*field).to_owned()).collect(),
                    origin: self.origin(source, "journal"),
                }),
            }
        }
        self.scan_journal(journals, now);
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
                is_history_read: file.is_compressed_history_read,
                only: Only::Any,
            }
        });
        found.collect()
    }

    /// Enters up to where the journal was read.
    fn note_journal(&mut self) {
        let found: BTreeMap<String, u64> = self.journal.positions().into_iter().collect();
        let others = &mut self.positions.others;
        if others.len() > OTHERS_MAX {
            others.retain(|name, _| found.contains_key(name) || !name.starts_with("journal:"));
        }
        for (name, seen) in found {
            let before = others.insert(name, seen);
            self.positions.is_changed |= before != Some(seen);
        }
    }

    fn scan_journal(&mut self, journals: Vec<JournalOf>, now: Now) {
        let (others, sink) = (&self.positions.others, self.sink);
        let saved = |name: &str| others.get(name).copied().max(sink.stored(name));
        self.journal.want(journals, &saved, now);
        self.journal.scan(&saved, now);
    }

    fn origin(&self, source: &str, origin: &str) -> Arc<Origin> {
        Arc::new(Origin {
            source: source.into(),
            origin: origin.into(),
            host: self.host.clone(),
            ..Origin::default()
        })
    }

    /// Files of the system, of which the first that is there counts.
    fn system(&self, source: &str, paths: &[&str]) -> Option<Candidate> {
        let root = &self.shared.settings.root;
        let found = paths.iter().find(|path| root.join(path.trim_start_matches('/')).is_file())?;
        Some(Candidate {
            path: root.join(found.trim_start_matches('/')),
            origin: self.origin(source, found),
            from: From::End,
            pattern: Some((*found).into()),
            form: Form::Plain,
            is_history_read: false,
            only: Only::Any,
        })
    }

    fn tell(&mut self, now: Now) {
        let states = vec![
            self.of_files(),
            self.of_engines(),
            self.of_kernel(),
            self.of_auth(),
            self.of_journal(),
        ];
        let mut amounts = self.files.amounts();
        amounts.extend(self.journal.amounts());
        if let Ok(kernel) = &self.kernel {
            amounts.push(Amount {
                origin: Arc::clone(kernel.origin()),
                counts: kernel.counts(),
                lag: None,
                skipped: kernel.skipped,
            });
        }
        self.reports.tell(self.shared, states, (self.files.count(), amounts), now);
    }

    fn of_files(&self) -> State {
        let name = "log_files";
        let is_named = |origin: &Origin| origin.source == "file" && origin.engine.is_empty();
        let failure = self.files.failures().next();
        let hint = failure.as_ref().and_then(|(path, failure)| report::hint_of(failure, path));
        let count = self.files.left_out;
        let left_out = || {
            (count > 0).then(|| ("hint.log_files_cut", vec![("count".into(), count.to_string())]))
        };
        let outcome = match failure {
            Some((_, failure)) => Err(failure.clone()),
            None if self.settings.files.is_empty() => {
                return State::absent(name, "no [[log_file]] is configured");
            }
            None => Ok(self.files.count_of(is_named)),
        };
        State { name, outcome, hint: hint.or_else(left_out) }
    }

    fn of_engines(&self) -> State {
        let name = "log_engines";
        let (engines, hint) = &self.engines;
        if !self.settings.discover {
            return State::absent(name, "logs.discover is false");
        }
        if *engines == 0 {
            return State::absent(name, "no process of an engine can be seen");
        }
        let count = self.files.count_of(|origin| !origin.engine.is_empty());
        State { name, outcome: Ok(count), hint: hint.clone() }
    }

    fn of_kernel(&self) -> State {
        let name = "log_kernel";
        let count = self.files.count_of(|origin| origin.source == "kernel");
        match &self.kernel {
            Ok(_) => State { name, outcome: Ok(1), hint: None },
            Err(_) if count > 0 => State { name, outcome: Ok(count), hint: None },
            Err(_) if self.settings.kernel && self.journal.count().0 > 0 => {
                State { name, outcome: Ok(1), hint: None }
            }
            Err(failure) => State {
                name,
                outcome: Err(failure.clone()),
                hint: report::hint_of(failure, "/dev/kmsg"),
            },
        }
    }

    fn of_auth(&self) -> State {
        let name = "log_auth";
        if !self.settings.auth {
            return State::absent(name, "logs.auth is false");
        }
        match self.files.count_of(|origin| origin.source == "auth") {
            0 if self.journal.count().0 > 0 => State { name, outcome: Ok(1), hint: None },
            0 => State::absent(name, "no /var/log/auth.log, no /var/log/secure, no journal"),
            count => State { name, outcome: Ok(count), hint: None },
        }
    }

    fn of_journal(&self) -> State {
        let name = "log_journal";
        let (journals, wanted) = self.journal.count();
        match self.journal.failure() {
            Some(failure) => State {
                name,
                outcome: Err(failure.clone()),
                hint: report::hint_of(failure, "/var/log/journal"),
            },
            None if wanted == 0 => State::absent(name, "nothing is read from the journal"),
            None if journals == 0 => {
                State::absent(name, "neither /var/log/journal nor /run/log/journal is there")
            }
            None => State { name, outcome: Ok(wanted), hint: None },
        }
    }

    fn save(&mut self, now: Now) {
        if let Ok(kernel) = &self.kernel {
            let others = &mut self.positions.others;
            // Of other boots nothing comes any more.
            others.retain(|name, _| name == kernel.name() || !name.starts_with("kmsg:"));
            let before = others.insert(kernel.name().to_owned(), kernel.stored());
            self.positions.is_changed |= before != Some(kernel.stored());
        }
        let is_due = now.monotonic.saturating_sub(self.saved) >= SAVE_PERIOD;
        if is_due {
            self.note_journal();
        }
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
pub(super) mod tests {
    use std::{fs, path::Path, sync::Mutex};

    use model::{Clock, sample::Batch};

    use super::*;
    use crate::{Registry, Sinks, log::tests::TestSink};

    pub(in super::super) fn shared(
        root: &Path,
        logs: Settings,
        sink: &Arc<dyn LineSink>,
    ) -> (Arc<Shared>, Batches) {
        let batches = Batches::default();
        let sinks = Sinks {
            batch: {
                let batches = Arc::clone(&batches);
                Arc::new(move |batch| batches.lock().unwrap().push(batch))
            },
            event: Arc::new(drop),
            lines: Some(Arc::clone(sink)),
        };
        let settings = crate::Settings {
            root: root.to_owned(),
            instance: "h".into(),
            host_period: Duration::from_secs(1),
            engine_period: Duration::from_secs(1),
            accelerators: crate::accelerator::Settings::default(),
            discover: false,
            found: None,
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

    pub(in super::super) type Batches = Arc<Mutex<Vec<Batch>>>;

    #[test]
    fn the_thread_follows_what_was_named_and_goes_on_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("var/log/app")).unwrap();
        fs::write(root.join("var/log/app/a.log"), "old\nlast\n").unwrap();
        let file = LogFile {
            path: "/var/log/app/*.log".into(),
            service: "app".into(),
            from: From::Start,
            ..LogFile::default()
        };
        let settings = Settings {
            files: vec![file],
            positions: Some(root.join("positions.json")),
            ..Settings::default()
        };
        let sink = Arc::new(TestSink::default());
        for expected in [vec!["old", "last"], vec!["old", "last", "new"]] {
            let taken: Arc<dyn LineSink> = sink.clone();
            let (shared, batches) = shared(root, settings.clone(), &taken);
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

    fn told(root: &Path, settings: Settings, failure: Option<Failure>) -> Vec<String> {
        let sink: Arc<dyn LineSink> = Arc::new(TestSink::default());
        let (shared, _) = shared(root, settings, &sink);
        let mut reports = Reports::new(&shared);
        let mut logs = Logs::new(&shared, &*sink, &mut reports);
        let now = Now { wall: shared.clock.now(), monotonic: Duration::from_secs(9) };
        logs.open_kernel(now);
        logs.scan(now);
        logs.files.failures.extend(failure.map(|failure| ("/var/log/x".to_owned(), failure)));
        logs.tell(now);
        let shown = |report: crate::SourceReport| {
            let hint = report.hint.map(|(code, _)| code).unwrap_or_default();
            format!("{} {} {hint}", report.name, report.state.as_str())
        };
        shared.registry.reports().into_iter().map(shown).collect()
    }

    #[test]
    fn what_may_not_be_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let settings = Settings { auth: true, kernel: true, discover: true, ..Settings::default() };
        let denied = Failure::new(FailureKind::PermissionDenied, "/var/log/x: no");
        let expected = [
            "log_auth absent ",
            "log_engines absent ",
            "log_files failing hint.log_permission",
            "log_journal absent ",
            "log_kernel absent ",
            "logs ok ",
        ];
        assert_eq!(told(root, settings.clone(), Some(denied)), expected);
        fs::create_dir_all(root.join("var/log")).unwrap();
        fs::write(root.join("var/log/kern.log"), "").unwrap();
        fs::write(root.join("var/log/secure"), "").unwrap();
        let expected = [
            "log_auth ok ",
            "log_engines absent ",
            "log_files absent ",
            "log_journal absent ",
            "log_kernel ok ",
            "logs ok ",
        ];
        assert_eq!(told(root, settings, None), expected);
    }
}
