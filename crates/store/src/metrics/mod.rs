//! The metric store: samples of labelled series in memory, a log and blocks.
//!
//! A batch is appended to the log first, then to the head; when a span of two hours is over, its samples
//! move from the head into an immutable block and the log is cut. Blocks are merged to eight hours and
//! to days, and days are summed up in rows of one and of ten minutes. Readers never wait for the disk: they
//! copy what they need of the head under a short lock and read blocks without any.
//!
//! What it does not do: it never changes a block in place, and it does not answer PromQL (see the crate
//! `query`). Of two samples of a series at one time the one that was stored first counts. Its bias: a
//! machine whose memory belongs to a model.

mod append;
mod block;
mod codec;
mod compact;
mod delete;
mod exemplars;
mod head;
mod histogram;
mod integers;
mod maintain;
mod map;
mod metadata;
mod recover;
mod rows;
mod select;
#[cfg(test)]
mod simulation;
mod snapshot;
#[cfg(test)]
mod tests;
mod verify;
mod wal;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use model::{Clock, UnixMs, sample::Metadata};

use self::{
    append::Writer, block::Block, delete::Tombstone, exemplars::Exemplars, head::Head,
    maintain::Chores,
};
use crate::{disk::Disk, events};
pub use append::{AppendError, Appended};
pub use recover::{OpenError, Recovery};
pub use verify::{Damage, Problem, Repaired, Report, is_store};
pub(crate) use verify::{repair, verify};

/// What one block covers before blocks are merged.
const SPAN_MS: i64 = 2 * 60 * 60 * 1_000;

/// When a batch is safe from a power failure. It is safe from the death of the process at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// At most this long after it was acknowledged.
    Interval(Duration),
    /// Before it is acknowledged.
    EveryBatch,
}

/// How a store behaves.
#[derive(Clone, Debug)]
pub struct Options {
    pub fsync: Fsync,
    /// Blocks whose newest sample is older than this are deleted.
    pub retention: Duration,
    /// The same for rows of one and of ten minutes.
    pub rows_retention: Duration,
    /// Above this size of the folder the oldest blocks are deleted, whatever their age.
    pub bytes_max: u64,
    /// Most series that the head holds; samples of further ones are refused and counted.
    pub series_max: usize,
    /// The same for series with the same value of the label `instance`, so that one target that
    /// explodes does not take the others' places.
    pub instance_series_max: u64,
    /// How late a sample may come that is older than others of its series.
    pub window: Duration,
    /// Whether later ones, and those older than the retention, are taken all the same, as an import
    /// needs it.
    pub accept_old: bool,
    /// How requests to models are kept.
    pub exchanges: events::Options,
    /// How events are kept.
    pub noticed: events::Options,
    /// How lines of logs are kept.
    pub lines: events::Options,
}

impl Default for Options {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            fsync: Fsync::Interval(Duration::from_secs(1)),
            retention: 15 * DAY,
            rows_retention: 396 * DAY,
            bytes_max: 10 << 30,
            series_max: 2_000_000,
            instance_series_max: 100_000,
            window: Duration::from_secs(10 * 60),
            accept_old: false,
            exchanges: events::Options::default(),
            noticed: events::Options {
                retention: 90 * DAY,
                bytes_max: 256 << 20,
                ..events::Options::default()
            },
            lines: events::Options {
                retention: 14 * DAY,
                bytes_max: 8 << 30,
                ..events::Options::default()
            },
        }
    }
}

/// Why a sample is refused. The store goes on with the others of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    TooOld,
    TooFarAhead,
    /// Another value was stored for the same time; the first stays.
    Duplicate,
    SeriesLimit,
    InstanceSeriesLimit,
    InvalidHistogram,
}

impl Refusal {
    const NAMES: [&str; 6] = [
        "too_old",
        "too_far_ahead",
        "duplicate",
        "series_limit",
        "instance_series_limit",
        "invalid_histogram",
    ];
}

/// How a store is doing.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// With histograms.
    pub samples_appended: u64,
    /// Of blocks and log; snapshots and what was put aside come on top.
    pub bytes_on_disk: u64,
    /// Of the log alone.
    pub wal_bytes: u64,
    /// Series in the head.
    pub series: usize,
    pub blocks: usize,
    /// Files of damaged blocks that were put aside and are still there, as of the start and since.
    pub blocks_aside: u64,
    /// Columns that a reader found damaged and left out, counted at every reading.
    pub chunks_damaged: u64,
    /// Whether the last attempt to write succeeded.
    pub writable: bool,
    pub write_error: Option<String>,
    /// Why blocks could not be cut, merged or deleted last time; samples are stored all the same.
    pub maintenance_error: Option<String>,
    /// Whose further series were refused last, because there are too many of one value of the label
    /// `instance`.
    pub crowded_instance: Option<String>,
    refused: [u64; Refusal::NAMES.len()],
}

impl Stats {
    /// Refused samples by reason: `too_old`, `too_far_ahead`, `duplicate`, `series_limit`,
    /// `instance_series_limit`, `invalid_histogram`.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::NAMES.into_iter().zip(self.refused)
    }
}

/// The samples of an open store. Cheap to clone; the folder is released when the last clone is dropped.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    options: Options,
    clock: Clock,
    disk: Disk,
    head: RwLock<Head>,
    /// In the order of [`Block::order`].
    blocks: RwLock<Arc<Vec<Arc<Block>>>>,
    tombstones: RwLock<Arc<Vec<Tombstone>>>,
    exemplars: Mutex<Exemplars>,
    metadata: Mutex<Arc<Vec<Metadata>>>,
    /// Held by whoever changes the head or the log.
    writer: Mutex<Writer>,
    /// Told when a range of time is no longer frozen.
    thawed: Condvar,
    /// Held by whoever changes the list of blocks or of tombstones, for as long as that takes. Locks are
    /// taken in the order keeper, writer, head, lists.
    keeper: Mutex<Chores>,
    next_sequence: AtomicU64,
    /// Files that are no part of the store any more and could not be removed yet.
    unwanted: Mutex<Vec<PathBuf>>,
    counters: Counters,
    /// Holds the lock that keeps a second process away.
    _lock: File,
}

#[derive(Default)]
struct Counters {
    samples_appended: AtomicU64,
    refused: [AtomicU64; Refusal::NAMES.len()],
    wal_bytes: AtomicU64,
    blocks_aside: AtomicU64,
    chunks_damaged: AtomicU64,
    crowded_instance: Mutex<Option<String>>,
    write_error: Mutex<Option<String>>,
    maintenance_error: Mutex<Option<String>>,
}

impl Metrics {
    /// Opens or creates the store in `folder` and makes it this process's alone.
    ///
    /// Damage never prevents opening: what is whole is served, the rest is reported.
    pub fn open(
        folder: &Path,
        options: Options,
        clock: Clock,
    ) -> Result<(Self, Recovery), OpenError> {
        recover::open(folder, options, clock, Disk::default())
    }

    /// Makes what was acknowledged survive a power failure, if that is due. To be called every second or
    /// so; an error means that the disk refused, and the next call tries again.
    pub fn sync(&self) -> io::Result<()> {
        let result = self.0.sync_when_due();
        self.0.note_write_failure(&result);
        result
    }

    /// Does what is due at `now`: cuts and merges blocks, deletes what is too old or too much. To be
    /// called every second or so from a thread of its own, because it may take long. An error means
    /// that the disk refused, and a later call tries again.
    pub fn maintain(&self, now: UnixMs) -> io::Result<()> {
        let result = maintain::run(&self.0, now);
        // An error stands until the work that met it is done.
        if !matches!(result, Ok(false)) {
            let error = result.as_ref().err().map(ToString::to_string);
            *lock(&self.0.counters.maintenance_error) = error;
        }
        result.map(drop)
    }

    /// Makes everything acknowledged survive a power failure as well.
    pub fn close(&self) -> io::Result<()> {
        self.0.writer().wal.sync()
    }

    pub fn stats(&self) -> Stats {
        let counters = &self.0.counters;
        let write_error = lock(&counters.write_error).clone();
        Stats {
            samples_appended: counters.samples_appended.load(Ordering::Relaxed),
            bytes_on_disk: self.0.bytes_on_disk(),
            wal_bytes: counters.wal_bytes.load(Ordering::Relaxed),
            series: self.0.head().len(),
            blocks: self.0.block_list().len(),
            blocks_aside: counters.blocks_aside.load(Ordering::Relaxed),
            chunks_damaged: counters.chunks_damaged.load(Ordering::Relaxed),
            writable: write_error.is_none(),
            write_error,
            maintenance_error: lock(&counters.maintenance_error).clone(),
            crowded_instance: lock(&counters.crowded_instance).clone(),
            refused: counters.refused.each_ref().map(|count| count.load(Ordering::Relaxed)),
        }
    }
}

impl Inner {
    fn head(&self) -> RwLockReadGuard<'_, Head> {
        self.head.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn head_mut(&self) -> RwLockWriteGuard<'_, Head> {
        self.head.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        lock(&self.writer)
    }

    fn block_list(&self) -> Arc<Vec<Arc<Block>>> {
        Arc::clone(&self.blocks.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces blocks by others at one moment. Only for who holds the keeper.
    fn change_blocks(&self, gone: &[Arc<Block>], new: impl IntoIterator<Item = Arc<Block>>) {
        let mut list = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        let is_gone = |block: &Arc<Block>| gone.iter().any(|other| Arc::ptr_eq(other, block));
        let mut blocks: Vec<Arc<Block>> =
            list.iter().filter(|block| !is_gone(block)).cloned().collect();
        blocks.extend(new);
        blocks.sort_by_key(|block| block.order());
        *list = Arc::new(blocks);
    }

    fn tombstone_list(&self) -> Arc<Vec<Tombstone>> {
        Arc::clone(&self.tombstones.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_sequence(&self) -> u64 {
        self.next_sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// Of blocks and log; snapshots share their files with them.
    fn bytes_on_disk(&self) -> u64 {
        let blocks: u64 = self.block_list().iter().map(|block| block.bytes).sum();
        blocks + self.counters.wal_bytes.load(Ordering::Relaxed)
    }

    fn blocks_folder(&self) -> PathBuf {
        self.folder.join("blocks")
    }

    /// Completes a block. When that fails, nothing of it may be found by the next start.
    fn finish_block(&self, writer: block::Writer) -> io::Result<Block> {
        let path = writer.path();
        writer.finish().map_err(|error| {
            drop(self.discard(&path));
            error.into()
        })
    }

    /// Removes a file, or remembers to try again.
    fn discard(&self, path: &Path) -> io::Result<()> {
        let result = self.disk.remove(path);
        if result.is_err() {
            lock(&self.unwanted).push(path.to_owned());
        }
        result
    }

    /// Removes what could not be removed before.
    fn discard_unwanted(&self) -> io::Result<()> {
        if lock(&self.unwanted).is_empty() {
            return Ok(());
        }
        // What replaced them must have a safe name first.
        self.disk.sync_folder(&self.blocks_folder())?;
        let unwanted = std::mem::take(&mut *lock(&self.unwanted));
        // All are tried, because those that are not would be forgotten.
        unwanted.iter().map(|path| self.discard(path)).fold(Ok(()), io::Result::and)
    }

    fn note_write(&self, result: &io::Result<()>) {
        *lock(&self.counters.write_error) = result.as_ref().err().map(ToString::to_string);
    }

    /// Only an append proves that writing works again.
    fn note_write_failure(&self, result: &io::Result<()>) {
        if result.is_err() {
            self.note_write(result);
        }
    }
}

impl Block {
    /// Blocks are read in this order: by time, and where they overlap the one written first comes
    /// first. Whatever is merged is merged with all that overlaps it, which keeps that true.
    fn order(&self) -> (i64, u64) {
        (self.range.start.0.div_euclid(SPAN_MS), self.description.sequence)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
