//! Drives incidents: gives them the time, keeps what changes, and hands notifications to channels.
//!
//! One thread decides and delivers. Alerts and people come from others, who wait only while somebody else decides.
//! What a person does is on the disk before it is answered; what alerts do is there before a notification leaves. When
//! the disk refuses, both go on without it: being told twice after a restart is better than not being told. Who only
//! reads, or brings alerts, never waits for the disk: what is written has a lock of its own, taken before that of the
//! state.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use alert::incident::{
    self, Settings,
    journal::{Journal, Opened},
    record::{Entry, Kept, Record, State as IncidentState},
};
use deliver::Outcome;
use model::{
    Clock, UnixMs,
    alert::{Alert, Notification},
    log::{LogRecord, Severity},
};

use super::channels::Channels;
use crate::events::Events;

/// The folder of the data directory that this is in, and the file.
pub(crate) const FOLDER: &str = "alarms";
const FILE: &str = "incidents.journal";
/// The thread looks at the clock at least this often, to see when it was set.
const LOOK: Duration = Duration::from_secs(5);
/// It sleeps at least so long, so that very much to do is done at once.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a channel that refused is left alone.
const RETRY: Duration = Duration::from_secs(5);
/// A clock that is off by more than this against the monotonic one was set.
const JUMP_MS: i64 = 30_000;
/// How long the file is not begun anew after that failed.
const COMPACT_RETRY: Duration = Duration::from_secs(60);
/// Most notifications of one channel that are handed over in one go.
const DELIVERED_MAX: usize = 100;
/// Most changes that wait for the disk; beyond it all of the file is written anew when the disk takes it again.
const UNKEPT_MAX: usize = 100_000;
/// Most events of one go: 10,000 incidents are no 10,000 lines for a person.
const EVENTS_MAX: usize = 50;

/// Who delivers notifications.
pub(crate) trait Deliver: Send + Sync {
    /// Takes a notification over: it is on the disk afterwards, or was there before.
    fn deliver(&self, notification: &Notification) -> Result<(), String>;
    /// Whether there is a channel of that name.
    fn has(&self, channel: &str) -> bool;
}

impl Deliver for Arc<Channels> {
    fn deliver(&self, notification: &Notification) -> Result<(), String> {
        Channels::deliver(self, notification).map_err(|error| error.to_string())
    }

    fn has(&self, channel: &str) -> bool {
        Channels::has(self, channel)
    }
}

/// Where incidents are decided on.
#[derive(Clone)]
pub(crate) struct Incidents(Arc<Shared>);

struct Shared {
    book: Mutex<Book>,
    state: Mutex<State>,
    /// Something came that the thread may have to act on.
    news: Condvar,
    is_stopping: AtomicBool,
    clock: Clock,
    events: Arc<Events>,
    path: PathBuf,
}

/// What was decided, on the disk and on the way there.
struct Book {
    /// Absent where the file cannot be opened.
    journal: Option<Journal>,
    /// What the disk has not taken yet.
    unkept: Vec<Record>,
    /// More changes were waiting than are remembered.
    is_behind: bool,
    is_failing: bool,
    /// Until then the disk is left alone that has refused, in monotonic time.
    retry_at: Duration,
    /// As `retry_at`, for beginning the file anew.
    compact_at: Duration,
}

struct State {
    machine: incident::Incidents,
    has_news: bool,
    refused: u64,
    /// Both clocks when they were looked at last.
    looked: (UnixMs, Duration),
    thread: Option<JoinHandle<()>>,
}

impl Incidents {
    /// Opens what was kept below the data directory, and begins.
    pub(crate) fn start(
        data: &std::path::Path,
        settings: Settings,
        clock: &Clock,
        events: &Arc<Events>,
        deliver: Box<dyn Deliver>,
    ) -> io::Result<Self> {
        let path = data.join(FOLDER).join(FILE);
        let opened = fs::create_dir_all(data.join(FOLDER)).and_then(|()| Journal::open(&path));
        let now = clock.now();
        let mut problem = None;
        let (journal, kept) = match opened {
            Ok(Opened { journal, kept, damaged }) => {
                if damaged > 0 {
                    problem = Some(("event.incidents_damaged", ("count", damaged.to_string())));
                }
                (Some(journal), kept)
            }
            Err(error) => {
                problem = Some(("event.incidents_unkept", ("reason", error.to_string())));
                (None, Kept::default())
            }
        };
        let book = Book {
            journal,
            unkept: Vec::new(),
            is_behind: false,
            is_failing: false,
            retry_at: Duration::ZERO,
            compact_at: Duration::ZERO,
        };
        let state = State {
            machine: incident::Incidents::new(settings, kept, now),
            has_news: true,
            refused: 0,
            looked: (now, clock.monotonic()),
            thread: None,
        };
        let (clock, events) = (clock.clone(), Arc::clone(events));
        let (book, state, news) = (Mutex::new(book), Mutex::new(state), Condvar::new());
        let is_stopping = AtomicBool::new(false);
        let shared = Arc::new(Shared { book, state, news, is_stopping, clock, events, path });
        if let Some((code, param)) = problem {
            shared.say(code, Severity::Error, vec![param]);
        }
        let thread = std::thread::Builder::new().name("incidents".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run(&*deliver)
        })?;
        shared.lock().thread = Some(thread);
        Ok(Self(shared))
    }

    /// Keeps what is left and ends.
    pub(crate) fn stop(&self) {
        self.0.is_stopping.store(true, Ordering::Relaxed);
        let thread = self.0.lock().thread.take();
        self.0.news.notify_all();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of incidents ended abnormally");
        }
    }

    /// Takes alerts that begin, go on or have ended. Cheap, and telling the same again changes nothing.
    pub(crate) fn take(&self, alerts: &[Alert], now: UnixMs) {
        if alerts.is_empty() {
            return;
        }
        let mut state = self.0.lock();
        self.0.look(&mut state);
        state.machine.take(alerts, now);
        state.has_news = true;
        self.0.news.notify_all();
    }

    /// Reads something.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&incident::Incidents, UnixMs) -> T) -> T {
        let now = self.0.clock.now();
        work(&self.0.lock().machine, now)
    }

    /// Changes something that a person wants. It is on the disk afterwards, or the inner error says why it is not,
    /// although it is done.
    pub(crate) fn change<T, E>(
        &self,
        work: impl FnOnce(&mut incident::Incidents, UnixMs) -> Result<T, E>,
    ) -> Result<(T, io::Result<()>), E> {
        let now = self.0.clock.now();
        let (done, kept) = self.0.keep(|state| {
            state.has_news = true;
            self.0.look(state);
            work(&mut state.machine, now)
        });
        self.0.news.notify_all();
        Ok((done?, kept))
    }

    /// A channel says what became of a notification.
    pub(crate) fn outcome(&self, outcome: &Outcome) {
        // The key begins with the incident.
        let Some((id, _)) = outcome.key.split_once('-') else { return };
        let mut params = vec![("channel", outcome.channel.as_str())];
        let code = if outcome.is_ok { "incident.delivered" } else { "incident.delivery_failed" };
        if !outcome.is_ok {
            params.push(("detail", &outcome.detail));
        }
        let mut state = self.0.lock();
        state.machine.happened(id, outcome.time, code, &params);
        state.has_news = true;
        self.0.news.notify_all();
    }

    /// How many incidents that are not over there are, by state and severity; how many alerts fire; how many were
    /// refused; how many notifications wait for their channels.
    pub(crate) fn counts(&self) -> Counts {
        let state = self.0.lock();
        Counts {
            incidents: state.machine.counts(),
            alerts: state.machine.firing_total(),
            refused: state.machine.refused(),
            owed: state.machine.owed().count(),
        }
    }
}

/// Figures of incidents.
pub(crate) struct Counts {
    pub(crate) incidents: BTreeMap<(IncidentState, String), usize>,
    pub(crate) alerts: usize,
    pub(crate) refused: u64,
    pub(crate) owed: usize,
}

/// Channels that took nothing, and until when they are left alone, in monotonic time.
#[derive(Default)]
struct Refused {
    channels: BTreeSet<String>,
    until: Duration,
}

impl Book {
    /// Whether all of the file is to be written anew. What waits is forgotten where it is too much.
    fn begins_anew(&mut self, now: Duration) -> bool {
        if self.unkept.len() > UNKEPT_MAX {
            self.unkept.clear();
            self.is_behind = true;
        }
        let is_due = self.journal.as_ref().is_some_and(Journal::is_due);
        (self.is_behind || is_due) && now >= self.compact_at
    }

    /// Writes what waits; and all, `whole`, where the file begins anew. A disk that has just refused is not asked.
    fn write(&mut self, whole: Option<&[Record]>, now: Duration) -> io::Result<()> {
        let Some(journal) = &mut self.journal else {
            self.unkept.clear();
            let reason = "the journal could not be opened when the program started";
            return Err(io::Error::other(reason));
        };
        if now < self.retry_at {
            return Err(io::Error::other("the disk has just refused; it is tried again soon"));
        }
        let mut kept = if self.is_behind { Ok(()) } else { journal.append(&self.unkept) };
        if kept.is_ok() {
            self.unkept.clear();
            match whole.map(|whole| journal.compact(whole)) {
                Some(Ok(())) => self.is_behind = false,
                Some(Err(error)) => {
                    self.compact_at = now + COMPACT_RETRY;
                    tracing::warn!("the journal of incidents cannot be begun anew: {error}");
                    // Otherwise all is on the disk, in a file that is longer than it need be.
                    if self.is_behind {
                        kept = Err(error);
                    }
                }
                None if self.is_behind => {
                    kept = Err(io::Error::other("changes are waiting for the disk"));
                }
                None => {}
            }
        }
        self.is_failing = kept.is_err();
        if self.is_failing {
            self.retry_at = now + RETRY;
        }
        kept
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, deliver: &dyn Deliver) {
        let mut refused = Refused::default();
        while !self.is_stopping.load(Ordering::Relaxed) {
            // One incident that the machine fails on must not leave all others untold.
            let worked = catch_unwind(AssertUnwindSafe(|| self.work(deliver, &mut refused)));
            let has_more = worked.unwrap_or_else(|_| {
                tracing::error!("deciding on incidents ended abnormally; please report it");
                false
            });
            let state = self.lock();
            let goes_on = has_more || state.has_news;
            let pause = if goes_on { PAUSE } else { self.pause(&state) };
            // Wakes early for what comes, but not for what came while it worked: that is in `goes_on`.
            let stops = |_: &mut State| !self.is_stopping.load(Ordering::Relaxed);
            if goes_on {
                drop(self.news.wait_timeout_while(state, pause, stops));
            } else {
                let waits = |state: &mut State| stops(state) && !state.has_news;
                drop(self.news.wait_timeout_while(state, pause, waits));
            }
        }
        drop(self.keep(|_| ()));
    }

    /// Decides, keeps, and hands over what is owed. Whether channels took something, so that there may be more.
    fn work(&self, deliver: &dyn Deliver, refused: &mut Refused) -> bool {
        if self.clock.monotonic() >= refused.until {
            refused.channels.clear();
        }
        // What is handed over was decided on before it was written down, or with it.
        let (owed, _) = self.keep(|state| {
            state.has_news = false;
            self.tick(state);
            // Some of each channel: one that refuses must not stand before the others.
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            let owed = state.machine.owed().filter(|owed| {
                let count = counts.entry(&owed.channel).or_default();
                *count += 1;
                *count <= DELIVERED_MAX && !refused.channels.contains(&owed.channel)
            });
            owed.map(|owed| owed.notification()).collect::<Vec<_>>()
        });
        let (paid, refusing) = self.deliver(deliver, &owed);
        if !refusing.is_empty() {
            refused.channels.extend(refusing);
            refused.until = self.clock.monotonic() + RETRY;
        }
        let mut state = self.lock();
        for key in &paid {
            state.machine.paid(key);
        }
        !paid.is_empty()
    }

    /// How long until something is due.
    fn pause(&self, state: &State) -> Duration {
        let left = state.machine.next_due().0.saturating_sub(self.clock.now().0);
        let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
        left.clamp(PAUSE, LOOK)
    }

    /// Looks whether the clock was set, before anything that happened since is taken: it is not moved along.
    fn look(&self, state: &mut State) {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let (before, monotonic_before) = state.looked;
        state.looked = (now, monotonic);
        let passed = i64::try_from(monotonic.saturating_sub(monotonic_before).as_millis())
            .unwrap_or(i64::MAX);
        let jump = now.0.saturating_sub(before.0).saturating_sub(passed);
        if jump.abs() > JUMP_MS {
            state.machine.clock_jumped(jump, now);
        }
    }

    fn tick(&self, state: &mut State) {
        self.look(state);
        state.machine.tick(self.clock.now());
        let refused = state.machine.refused();
        if refused > 0 && state.refused == 0 {
            let limit = incident::ALERTS_MAX.to_string();
            self.say("event.alerts_refused", Severity::Warn, vec![("limit", limit)]);
        }
        state.refused = refused;
    }

    /// Hands notifications over. Says which are, and which channels refused.
    fn deliver(
        &self,
        deliver: &dyn Deliver,
        owed: &[Notification],
    ) -> (Vec<String>, BTreeSet<String>) {
        let (mut paid, mut refusing) = (Vec::new(), BTreeSet::new());
        for notification in owed {
            let channel = notification.channel.as_str();
            if !deliver.has(channel) {
                let (id, now) = (&notification.incident, self.clock.now());
                let params = [("channel", channel)];
                self.lock().machine.happened(id, now, "incident.channel_missing", &params);
                paid.push(notification.key.clone());
            } else if !refusing.contains(channel) {
                // The order of a channel is kept: what follows waits with the one that was refused.
                match deliver.deliver(notification) {
                    Ok(()) => paid.push(notification.key.clone()),
                    Err(reason) => {
                        tracing::warn!(channel, reason, "a channel takes no notification");
                        refusing.insert(channel.to_owned());
                    }
                }
            }
        }
        (paid, refusing)
    }

    /// Does something with the state, and brings to the disk what has changed by then.
    fn keep<T>(&self, work: impl FnOnce(&mut State) -> T) -> (T, io::Result<()>) {
        let now = self.clock.monotonic();
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, whole) = {
            let mut state = self.lock();
            let done = work(&mut state);
            let fresh = state.machine.take_records();
            self.note(&state, &fresh);
            book.unkept.extend(fresh);
            (done, book.begins_anew(now).then(|| state.machine.kept().records()))
        };
        let was_failing = book.is_failing;
        let kept = book.write(whole.as_deref(), now);
        if kept.is_err() != was_failing {
            match &kept {
                Err(error) => {
                    let reason = vec![("reason", error.to_string())];
                    self.say("event.incidents_unkept", Severity::Error, reason);
                }
                Ok(()) => self.say("event.incidents_kept", Severity::Info, Vec::new()),
            }
        }
        (done, kept)
    }

    /// What everybody may want to know of what has changed becomes events.
    fn note(&self, state: &State, records: &[Record]) {
        let entries = records.iter().filter_map(|record| match record {
            Record::Entry { id, entry } => Some((id, entry)),
            _ => None,
        });
        let code = |entry: &Entry| match entry.code.as_str() {
            "incident.fired" | "incident.reopened" => Some("event.incident_fired"),
            "incident.resolved" => Some("event.incident_resolved"),
            _ => None,
        };
        let told = entries.filter_map(|(id, entry)| Some((id, entry, code(entry)?)));
        for (id, entry, code) in told.take(EVENTS_MAX) {
            let Some(incident) = state.machine.kept().incidents.get(id) else { continue };
            let severity = match (code, incident.head.severity.as_str()) {
                ("event.incident_resolved", _) | (_, "info") => Severity::Info,
                (_, "critical") => Severity::Error,
                _ => Severity::Warn,
            };
            let labels = incident.head.group_labels.iter();
            let mut attributes = vec![
                ("id".to_owned(), id.clone()),
                ("name".to_owned(), incident.head.name.clone()),
                ("count".to_owned(), entry.params.get("count").cloned().unwrap_or_default()),
            ];
            let known = ["id", "name", "count"];
            attributes.extend(
                labels
                    .filter(|(name, _)| !known.contains(name))
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
            self.events.push(LogRecord {
                time: UnixMs(entry.time),
                source: "alerts".into(),
                severity,
                body: code.into(),
                attributes,
            });
        }
    }

    fn say(&self, code: &str, severity: Severity, params: Vec<(&'static str, String)>) {
        let path = ("path", self.path.display().to_string());
        let attributes = params.into_iter().chain([path]);
        self.events.push(LogRecord {
            time: self.clock.now(),
            source: "alerts".into(),
            severity,
            body: code.into(),
            attributes: attributes.map(|(name, value)| (name.to_owned(), value)).collect(),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use model::Labels;

    use super::*;
    use crate::config::for_test;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Notifications that may wait for the test to look at them.
    const GIVEN_MAX: usize = 100;

    /// A channel `mail` that refuses the first notification, and tells what it is given.
    struct Recorder {
        given: SyncSender<Notification>,
        has_refused: AtomicBool,
    }

    impl Deliver for Recorder {
        fn deliver(&self, notification: &Notification) -> Result<(), String> {
            if !self.has_refused.swap(true, Ordering::Relaxed) {
                return Err("not now".into());
            }
            self.given.send(notification.clone()).map_err(|error| error.to_string())
        }

        fn has(&self, channel: &str) -> bool {
            channel == "mail"
        }
    }

    fn start(folder: &std::path::Path) -> (Incidents, Arc<Events>, Receiver<Notification>) {
        let (given, taken) = sync_channel(GIVEN_MAX);
        let events = Arc::new(Events::default());
        let config = for_test("");
        let channels = ["gone".to_owned(), "mail".to_owned()];
        let settings = config.incidents.settings(&channels, "http://page".into()).unwrap();
        let recorder = Recorder { given, has_refused: AtomicBool::new(false) };
        let clock = Clock::system();
        let started = Incidents::start(folder, settings, &clock, &events, Box::new(recorder));
        (started.unwrap(), events, taken)
    }

    fn alert(name: &str) -> Alert {
        let now = Clock::system().now();
        Alert {
            labels: Labels::from_pairs([("alertname", name), ("severity", "critical")]),
            annotations: Vec::new(),
            starts_at: now,
            ends_at: now + Duration::from_secs(600),
            generator_url: String::new(),
            value: Some(1.0),
        }
    }

    fn codes(incidents: &Incidents, id: &str) -> Vec<String> {
        incidents.read(|machine, now| {
            let view = machine.view(id, now).unwrap();
            view.timeline.iter().map(|entry| entry.code.clone()).collect()
        })
    }

    #[test]
    fn a_notification_is_handed_over_until_it_is_taken_and_not_again() {
        let folder = tempfile::tempdir().unwrap();
        let (incidents, events, taken) = start(folder.path());
        incidents.take(&[alert("Down")], Clock::system().now());
        let told = taken.recv_timeout(PATIENCE).unwrap();
        assert_eq!((told.channel.as_str(), told.reason.as_str()), ("mail", "first"));
        let (key, id) = (told.key.clone(), told.incident.clone());
        let outcome = Outcome {
            key: key.clone(),
            channel: "mail".into(),
            is_ok: false,
            detail: "no such mailbox".into(),
            time: told.time,
        };
        incidents.outcome(&outcome);
        incidents.stop();
        let expected =
            ["fired", "notified_first", "notified_first", "channel_missing", "delivery_failed"];
        assert_eq!(codes(&incidents, &id), expected.map(|code| format!("incident.{code}")));
        let (events, _) = events.after(0);
        let fired = events.iter().find(|event| event.body == "event.incident_fired").unwrap();
        assert_eq!((fired.severity, fired.source.as_str()), (Severity::Error, "alerts"));
        drop(incidents);

        let (incidents, _, taken) = start(folder.path());
        // What is told of it is known, so that only what is new is handed over.
        incidents.take(&[alert("Down"), alert("Slow")], Clock::system().now());
        let told = taken.recv_timeout(PATIENCE).unwrap();
        assert_ne!(told.key, key);
        assert_eq!(told.group_labels, [("alertname".to_owned(), "Slow".to_owned())]);
        incidents.stop();
        assert!(taken.try_recv().is_err());
        assert_eq!(incidents.counts().owed, 0);
        assert_eq!(incidents.counts().alerts, 2);
    }

    #[test]
    fn what_cannot_be_kept_is_done_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        // A file where the folder should be.
        fs::write(folder.path().join(FOLDER), "x").unwrap();
        let (incidents, events, taken) = start(folder.path());
        incidents.take(&[alert("Down")], Clock::system().now());
        let told = taken.recv_timeout(PATIENCE).unwrap();
        let done = incidents.change(|machine, now| machine.acknowledge(&told.incident, "li", now));
        assert!(done.unwrap().1.is_err());
        incidents.stop();
        let (events, _) = events.after(0);
        assert!(events.iter().any(|event| event.body == "event.incidents_unkept"));
    }
}
