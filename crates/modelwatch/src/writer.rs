//! The thread that writes what is collected and noticed to the store, and the one that looks after the store.
//!
//! Everything that produces samples hands its batches to a bounded queue. A producer never waits:
//! when the queue is full the batch is dropped and counted, because a late sample of a live system
//! is worth less than the next one. Cutting and merging blocks may take long, so the writer leaves
//! that to the keeper.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use model::{
    Clock,
    log::{LogRecord, Severity},
    sample::Batch,
};
use store::{Store, events::Noticed};

use crate::{
    events::Events,
    limits::{self, Limits},
};

/// Batches that may wait for the writer. When full the newest is dropped and counted.
pub(crate) const BATCHES_MAX: usize = 256;

/// How often what was written is synced, and how often the keeper looks at blocks and retention.
const SYNC_PERIOD: Duration = Duration::from_secs(1);

/// What happened to batches and samples, for `/metrics` and the page.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) batches_dropped: AtomicU64,
    pub(crate) batches_waiting: AtomicU64,
    /// Samples that arrived while the disk refused.
    pub(crate) samples_lost: AtomicU64,
    /// Events that could not be kept because the queue was full or the disk refused.
    pub(crate) events_lost: AtomicU64,
    pub(crate) limits: Limits,
}

/// The way in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Queue {
    sender: SyncSender<Order>,
    counters: Arc<Counters>,
}

/// What the writer is told to do.
enum Order {
    Append(Batch),
    Note(LogRecord),
    Stop,
}

impl Queue {
    /// Never waits.
    pub(crate) fn send(&self, batch: Batch) {
        // Counted before it is sent, or the writer could take it out first and count below zero.
        self.counters.batches_waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.sender.try_send(Order::Append(batch))
        {
            self.counters.batches_waiting.fetch_sub(1, Ordering::Relaxed);
            self.counters.batches_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has an event kept. Never waits.
    pub(crate) fn note(&self, record: LogRecord) {
        if self.sender.try_send(Order::Note(record)).is_err() {
            self.counters.events_lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes the writer write what is queued, close the store and end. Later batches are dropped.
    pub(crate) fn stop(&self) {
        // An error means that the writer has ended already.
        drop(self.sender.send(Order::Stop));
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// Everything that can wait gives way to requests that pass and to the engines of this machine: the keeper's
/// thread, and those that it starts to write an index, which the kernel gives the same priority.
const KEEPER_NICE: i32 = 10;

/// The thread that cuts, merges and deletes blocks. It ends when this is dropped.
pub(crate) struct Keeper {
    running: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Keeper {
    pub(crate) fn start(store: Store, clock: Clock) -> io::Result<Self> {
        let (running, stopped) = sync_channel::<()>(1);
        let thread = thread::Builder::new().name("keeper".into()).spawn(move || {
            // What cannot be changed costs a little speed elsewhere and nothing else.
            let _priority = rustix::process::nice(KEEPER_NICE);
            let mut told: Option<String> = None;
            while stopped.recv_timeout(SYNC_PERIOD) == Err(RecvTimeoutError::Timeout) {
                // One bad block must not end the care for all others.
                let done = catch_unwind(AssertUnwindSafe(|| store.maintain(clock.now())));
                // The store keeps an error until the work is done, so that it is told once.
                let error = match done {
                    Ok(_) => store.stats().maintenance_error,
                    Err(_) => Some("maintenance ended abnormally".to_owned()),
                };
                if let Some(error) = error.as_ref().filter(|error| told.as_ref() != Some(*error)) {
                    tracing::error!("blocks cannot be maintained: {error}");
                }
                told = error;
            }
        })?;
        Ok(Self { running, thread })
    }

    /// Tells it to end and waits for that, but not for a long merge: one that is cut off leaves
    /// nothing behind but a file that the next start removes.
    pub(crate) fn stop(self, patience: Duration, clock: &Clock) {
        drop(self.running);
        let deadline = clock.monotonic() + patience;
        while !self.thread.is_finished() && clock.monotonic() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Starts the writer. Remote write appends beside it, because its sender waits for that.
pub(crate) fn start(
    store: Store,
    path: String,
    clock: Clock,
    events: Arc<Events>,
) -> io::Result<(Queue, JoinHandle<()>)> {
    let (sender, receiver) = sync_channel(BATCHES_MAX);
    let counters = Arc::new(Counters::default());
    let queue = Queue { sender, counters: Arc::clone(&counters) };
    let writer = Writer { store, path, clock, events, counters, failing: false };
    let thread =
        thread::Builder::new().name("writer".into()).spawn(move || writer.run(&receiver))?;
    Ok((queue, thread))
}

struct Writer {
    store: Store,
    path: String,
    clock: Clock,
    events: Arc<Events>,
    counters: Arc<Counters>,
    /// The last append or maintenance failed, and an event said so.
    failing: bool,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Order>) {
        let mut synced_at = self.clock.monotonic();
        loop {
            let next = synced_at + SYNC_PERIOD;
            match receiver.recv_timeout(next.saturating_sub(self.clock.monotonic())) {
                Ok(Order::Append(batch)) => self.append(&batch),
                Ok(Order::Note(record)) => self.keep(record),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.clock.monotonic() >= next {
                synced_at = self.clock.monotonic();
                let result = self.store.sync();
                self.note(result.map_err(|error| error.to_string()), false);
                self.look_at_limits();
            }
        }
        if let Err(error) = self.store.close() {
            tracing::error!("the store did not close cleanly: {error}");
        }
    }

    fn append(&mut self, batch: &Batch) {
        self.counters.batches_waiting.fetch_sub(1, Ordering::Relaxed);
        let result = self.store.append(batch);
        if result.is_err() {
            let points = &batch.points;
            let lost = batch.samples.len() + points.samples.len() + points.histograms.len();
            let lost = u64::try_from(lost).unwrap_or(u64::MAX);
            self.counters.samples_lost.fetch_add(lost, Ordering::Relaxed);
        }
        self.note(result.map(drop).map_err(|error| error.to_string()), true);
    }

    /// That the disk refuses is told of samples, which meet it every second.
    fn keep(&self, record: LogRecord) {
        if let Err(error) = self.store.events().append(&[Noticed(record)]) {
            self.counters.events_lost.fetch_add(1, Ordering::Relaxed);
            tracing::debug!("an event is not kept: {error}");
        }
    }

    /// Says once that writing fails, and once that it works again. Only an append proves the latter.
    fn note(&mut self, result: Result<(), String>, appended: bool) {
        let (severity, body, attribute) = match result {
            Err(reason) if !self.failing => {
                (Severity::Error, "event.storage_failed", ("reason".to_owned(), reason))
            }
            Ok(()) if self.failing && appended => {
                let lost = self.counters.samples_lost.load(Ordering::Relaxed).to_string();
                (Severity::Info, "event.storage_recovered", ("lost".to_owned(), lost))
            }
            _ => return,
        };
        self.failing = !self.failing;
        self.push_event(severity, body.into(), vec![attribute, ("path".into(), self.path.clone())]);
    }

    /// Remote write meets them as well, so the store is asked, not what was appended here.
    fn look_at_limits(&self) {
        let stats = self.store.stats();
        for reason in self.counters.limits.look(stats.refused(), self.clock.monotonic()) {
            let (body, attributes) = limits::event(reason, &stats);
            self.push_event(Severity::Warn, body, attributes);
        }
    }

    fn push_event(&self, severity: Severity, body: String, attributes: Vec<(String, String)>) {
        let (time, source) = (self.clock.now(), "storage".into());
        self.events.push(LogRecord { time, source, severity, body, attributes });
    }
}
