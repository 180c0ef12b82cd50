//! Runs what looks for the unusual ([`alert::baseline`]) over the store: once a minute a slice, on a thread of low
//! priority. What it says becomes series, which rules alarm on, and findings with what shows them.
//!
//! Everything is found out anew from stored series after a restart, but since when it has been so, which is kept in a
//! small file.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use alert::baseline::{Asked, Reading, Watch};
use model::{
    Clock, Labels, UnixMs,
    catalogue::{
        MODELWATCH_BASELINE_FAILURES_TOTAL, MODELWATCH_BASELINE_RATIO, MODELWATCH_BASELINE_SCORE,
        MODELWATCH_BASELINE_SECONDS_TOTAL, MODELWATCH_FLOOR_GROWTH_PER_DAY,
        MODELWATCH_FORECAST_EMPTY_SECONDS, Metric,
    },
    sample::{Batch, stale},
    series::Budget,
};
use query::Settings;
use store::Store;

use super::lock;
use crate::{whole, writer::Queue};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(60);
/// How long one look may take; what is not done by then is done in a later one.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// Below everything that people or engines wait for.
const NICE: i32 = 10;
/// Where the data folder keeps since when findings are so.
const KEPT_FILE: &str = "alarms/findings.json";

/// Since when what is found has been so, by [`Reading::key`], in Unix milliseconds.
type Since = BTreeMap<String, i64>;

/// What looks are made of.
pub(crate) struct Setup {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) queue: Queue,
    /// The data folder.
    pub(crate) folder: PathBuf,
    /// Most samples that one look may touch.
    pub(crate) samples_max: u64,
    /// The label `instance` of what this program says of itself.
    pub(crate) instance: String,
}

/// The thread that looks, and what it found.
pub(crate) struct Detector {
    setup: Arc<Setup>,
    found: Arc<Mutex<Vec<Reading>>>,
    running: Mutex<Option<(SyncSender<()>, JoinHandle<()>)>>,
}

impl Detector {
    pub(crate) fn new(setup: Setup) -> Self {
        Self { setup: Arc::new(setup), found: Arc::default(), running: Mutex::default() }
    }

    /// What is not as usual, surest first.
    pub(crate) fn findings(&self) -> Vec<Reading> {
        let mut found = lock(&self.found).clone();
        found.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()));
        found
    }

    /// Looks from now on.
    pub(crate) fn start(&self) -> io::Result<()> {
        let (running, stopped) = sync_channel::<()>(1);
        let look = Look::new(Arc::clone(&self.setup), Arc::clone(&self.found));
        let run = move || look.run(&stopped);
        let thread = thread::Builder::new().name("detector".into()).spawn(run)?;
        *lock(&self.running) = Some((running, thread));
        Ok(())
    }

    /// Ends the thread. A look that goes on is not waited for longer than `patience`.
    pub(crate) fn stop(&self, patience: Duration) {
        let Some((running, thread)) = lock(&self.running).take() else { return };
        drop(running);
        let deadline = self.setup.clock.monotonic() + patience;
        while !thread.is_finished() && self.setup.clock.monotonic() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What goes on from one look to the next.
struct Look {
    setup: Arc<Setup>,
    found: Arc<Mutex<Vec<Reading>>>,
    settings: Settings,
    watch: Watch,
    /// Since when what was kept by an earlier run has been so.
    since: Since,
    /// Series that were written last time.
    written: HashSet<Labels>,
    spent: Duration,
    failures: u64,
}

impl Look {
    fn new(setup: Arc<Setup>, found: Arc<Mutex<Vec<Reading>>>) -> Self {
        let since = whole::read(&setup.folder.join(KEPT_FILE)).unwrap_or_else(|error| {
            // It is found anew; only since when is lost.
            tracing::warn!("{} cannot be read: {error}", setup.folder.join(KEPT_FILE).display());
            Since::new()
        });
        let watch = Watch::new(setup.clock.now());
        Self {
            setup,
            found,
            settings: Settings::default(),
            watch,
            since,
            written: HashSet::new(),
            spent: Duration::ZERO,
            failures: 0,
        }
    }

    fn run(mut self, stopped: &Receiver<()>) {
        // What cannot be changed costs a little speed elsewhere and nothing else.
        let _priority = rustix::process::nice(NICE);
        while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
            self.look(self.setup.clock.now());
        }
    }

    fn look(&mut self, now: UnixMs) {
        let clock = &self.setup.clock;
        let begun = clock.monotonic();
        let budget = Budget::new(clock.clone(), LOOK_MAX, self.setup.samples_max);
        let (watch, store, settings) = (&mut self.watch, &self.setup.store, &self.settings);
        let asked = Asked { source: store, budget: &budget, settings };
        // One series that nothing was prepared for must not end the look at all others.
        let looked = catch_unwind(AssertUnwindSafe(|| watch.look(asked, now)));
        let errors =
            looked.unwrap_or_else(|_| vec![query::QueryError::Failed("ended abnormally".into())]);
        for error in &errors {
            tracing::debug!("the unusual cannot be looked for: {error}");
        }
        self.failures += errors.len() as u64;
        self.spent += clock.monotonic().saturating_sub(begun);
        let found: Vec<Reading> =
            self.watch.readings().filter(|reading| reading.is_found).cloned().collect();
        let found = self.with_since(found);
        *lock(&self.found) = found;
        let batch = self.batch(now);
        self.setup.queue.send(batch);
    }

    /// What was told by an earlier run has been so since then. Keeps that for the next one.
    fn with_since(&mut self, mut found: Vec<Reading>) -> Vec<Reading> {
        let mut since = Since::new();
        for reading in &mut found {
            let key = reading.key();
            if let Some(earlier) = self.since.get(&key) {
                reading.since = reading.since.min(UnixMs(*earlier));
            }
            since.insert(key, reading.since.0);
        }
        // Before everything was looked at, what is not found may still be there.
        if since != self.since && self.watch.has_looked_at_all() {
            if let Err(error) = whole::write(&self.setup.folder.join(KEPT_FILE), &since) {
                tracing::debug!("findings are not kept: {error}");
            }
            self.since = since;
        }
        found
    }

    /// All readings as series, and the ends of those that are no more.
    fn batch(&mut self, now: UnixMs) -> Batch {
        let mut batch = Batch::new(now);
        let mut written = HashSet::new();
        let mut push = |metric: &Metric, reading: &Reading, value: Option<f64>| {
            let Some(value) = value.filter(|value| value.is_finite()) else { return };
            let mut labels = reading.labels.to_builder();
            labels.set(model::NAME, metric.name);
            labels.set("kind", reading.kind.as_str()).set("signal", reading.signal);
            let labels = labels.build();
            batch.push(&labels, value);
            written.insert(labels);
        };
        for reading in self.watch.readings() {
            push(&MODELWATCH_BASELINE_SCORE, reading, Some(reading.score));
            push(&MODELWATCH_BASELINE_RATIO, reading, reading.ratio());
            push(&MODELWATCH_FLOOR_GROWTH_PER_DAY, reading, reading.growth_per_day());
            push(&MODELWATCH_FORECAST_EMPTY_SECONDS, reading, reading.empty_seconds);
        }
        let own = [("job", "modelwatch"), ("instance", self.setup.instance.as_str())];
        let seconds = Labels::metric(MODELWATCH_BASELINE_SECONDS_TOTAL.name, own);
        batch.push(&seconds, self.spent.as_secs_f64());
        let failures = Labels::metric(MODELWATCH_BASELINE_FAILURES_TOTAL.name, own);
        batch.push(&failures, self.failures as f64);
        for gone in self.written.difference(&written) {
            batch.push(gone, stale());
        }
        self.written = written;
        batch
    }
}

#[cfg(test)]
mod tests {
    use model::catalogue::NODE_FILESYSTEM_AVAIL_BYTES;
    use store::Options;

    use super::*;
    use crate::{events::Events, writer};

    /// Some time in 2027.
    const START: UnixMs = UnixMs(1_800_000_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn setup(folder: &std::path::Path, clock: &Clock) -> (Arc<Setup>, JoinHandle<()>) {
        let (store, _) =
            Store::open(&folder.join("data"), Options::default(), clock.clone()).unwrap();
        let path = String::new();
        let events = Arc::new(Events::default());
        let (queue, writer) = writer::start(store.clone(), path, clock.clone(), events).unwrap();
        let setup = Setup {
            store,
            clock: clock.clone(),
            queue,
            folder: folder.to_owned(),
            samples_max: 1_000_000,
            instance: "a:9640".into(),
        };
        (Arc::new(setup), writer)
    }

    /// Looks until all was looked at.
    fn looked(setup: &Arc<Setup>) -> Look {
        let mut look = Look::new(Arc::clone(setup), Arc::default());
        while !look.watch.has_looked_at_all() {
            look.look(setup.clock.now());
        }
        look
    }

    #[test]
    fn what_is_found_becomes_series_and_keeps_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let (setup, writer) = setup(folder.path(), &clock);
        let disk =
            [("device", "/dev/sda1"), ("fstype", "ext4"), ("instance", "a"), ("mountpoint", "/")];
        let disk = Labels::metric(NODE_FILESYSTEM_AVAIL_BYTES.name, disk);
        for minute in 0..240 {
            clock.set(START + MINUTE * minute);
            let mut batch = Batch::new(clock.now());
            batch.push(&disk, 400e9 - 1e9 * f64::from(minute));
            setup.store.append(&batch).unwrap();
        }
        let mut look = looked(&setup);
        let found = lock(&look.found).clone();
        let told: Vec<_> = found.iter().map(Reading::code).collect();
        assert_eq!(told, ["finding.forecast_disk"]);
        let empty = found[0].empty_seconds.unwrap();
        assert!((empty - 161.0 * 60.0).abs() < 300.0, "{empty}");
        let since = found[0].since;
        let (batch, series) = (look.batch(clock.now()), MODELWATCH_FORECAST_EMPTY_SECONDS.name);
        assert!(
            batch.samples.iter().any(|(labels, value)| labels.name() == series && *value == empty)
        );
        // Half an hour and a restart later it is the same one.
        for minute in 240..270 {
            clock.set(START + MINUTE * minute);
            let mut batch = Batch::new(clock.now());
            batch.push(&disk, 400e9 - 1e9 * f64::from(minute));
            setup.store.append(&batch).unwrap();
        }
        let later = looked(&setup);
        assert_eq!(lock(&later.found)[0].since, since);
        setup.queue.stop();
        writer.join().unwrap();
    }
}
