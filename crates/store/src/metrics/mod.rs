//! The metric store: samples of labelled series in memory, a log and blocks of two hours.
//!
//! A batch is appended to the log first, then to the head; when a span of two hours is over, its samples
//! move from the head into an immutable block and the log is cut. Readers never wait for the disk:
//! they copy what they need of the head under a short lock and read blocks without any.
//!
//! What it does not do: it never rewrites a block, so late samples get a block of their own, and it
//! does not answer PromQL (see the crate `query`). Its bias: few thousand series, kept for weeks, on a
//! machine whose memory belongs to a model.

mod block;
mod codec;
mod head;
mod maintain;
mod map;
mod recover;
mod select;
#[cfg(test)]
mod tests;
mod wal;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use model::{Clock, Labels, UnixMs, sample::Batch};

use self::{
    block::Block,
    head::{Head, Outcome},
    maintain::Chores,
    wal::{Ref, Wal},
};
pub use recover::{OpenError, Recovery};

/// What one block covers.
const SPAN_MS: i64 = 2 * 60 * 60 * 1_000;

/// How late, and how far ahead of the clock, a sample may come. Sources retry for minutes, not hours.
const WINDOW: Duration = Duration::from_secs(10 * 60);

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
    /// Blocks whose newest sample may be older than this are deleted.
    pub retention: Duration,
    /// Above this size of the folder the oldest blocks are deleted, whatever their age.
    pub bytes_max: u64,
    /// Most series that the head holds; samples of further ones are refused and counted.
    pub series_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fsync: Fsync::Interval(Duration::from_secs(1)),
            retention: Duration::from_secs(15 * 24 * 60 * 60),
            bytes_max: 10 << 30,
            series_max: 200_000,
        }
    }
}

/// A batch could not be written. Nothing of it is stored; the next one may succeed.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to {}: {source}", path.display())]
pub struct AppendError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// What became of the samples of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Stored now, or stored before with the same value.
    pub accepted: usize,
    pub refused: usize,
}

/// Why a sample is refused. The store goes on with the others of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    TooOld,
    TooFarAhead,
    /// Another value was stored for the same time; the first stays.
    Duplicate,
    SeriesLimit,
}

impl Refusal {
    const NAMES: [&str; 4] = ["too_old", "too_far_ahead", "duplicate", "series_limit"];
}

/// How a store is doing.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    pub samples_appended: u64,
    pub bytes_on_disk: u64,
    /// Series in the head.
    pub series: usize,
    /// Chunks that a reader found damaged and left out, counted at every reading.
    pub chunks_damaged: u64,
    /// Whether the last attempt to write succeeded.
    pub writable: bool,
    pub write_error: Option<String>,
    refused: [u64; Refusal::NAMES.len()],
}

impl Stats {
    /// Refused samples by reason: `too_old`, `too_far_ahead`, `duplicate`, `series_limit`.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::NAMES.into_iter().zip(self.refused)
    }
}

/// An open store. Cheap to clone; the folder is released when the last clone is dropped.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    options: Options,
    clock: Clock,
    head: RwLock<Head>,
    /// In the order of span and sequence.
    blocks: RwLock<Arc<Vec<Arc<Block>>>>,
    /// Held by whoever changes the head, the log or the list of blocks.
    writer: Mutex<Writer>,
    counters: Counters,
    /// Holds the lock that keeps a second process away.
    _lock: File,
}

#[derive(Default)]
struct Counters {
    samples_appended: AtomicU64,
    refused: [AtomicU64; Refusal::NAMES.len()],
    bytes_on_disk: AtomicU64,
    chunks_damaged: AtomicU64,
    write_error: Mutex<Option<String>>,
}

struct Writer {
    wal: Wal,
    /// For each series the last batch that had a sample of it, so that a repetition is noticed.
    seen: Vec<u64>,
    batch_number: u64,
    /// The references of the batch at hand, beside its samples' places in it.
    accepted: Vec<(Ref, usize)>,
    next_sequence: u64,
    chores: Chores,
}

impl Store {
    /// Opens or creates the store in `folder` and makes it this process's alone.
    ///
    /// Damage never prevents opening: what is whole is served, the rest is reported.
    pub fn open(
        folder: &Path,
        options: Options,
        clock: Clock,
    ) -> Result<(Self, Recovery), OpenError> {
        recover::open(folder, options, clock)
    }

    /// Stores a batch. After `Ok` its samples are readable and survive the death of the process.
    pub fn append(&self, batch: &Batch) -> Result<Appended, AppendError> {
        let mut writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let appended = self.admit(&mut writer, batch);
        let result = self.write(&mut writer, batch);
        self.0.note_size(&writer.wal);
        self.0.note_write(&result);
        result.map_err(|source| AppendError { path: self.0.folder.clone(), source })?;
        let stored = writer.accepted.len() as u64;
        self.0.counters.samples_appended.fetch_add(stored, Ordering::Relaxed);
        Ok(appended)
    }

    /// Decides on each sample; those to be stored are in `writer.accepted` afterwards.
    fn admit(&self, writer: &mut Writer, batch: &Batch) -> Appended {
        writer.accepted.clear();
        writer.batch_number += 1;
        let now = self.0.clock.now();
        let mut head = self.0.head.write().unwrap_or_else(PoisonError::into_inner);
        let mut appended = Appended::default();
        for (index, (labels, value)) in batch.samples.iter().enumerate() {
            match self.admit_one(&mut head, writer, batch.time, now, labels, *value) {
                Ok(reference) => {
                    appended.accepted += 1;
                    writer.accepted.extend(reference.map(|reference| (reference, index)));
                }
                Err(refusal) => {
                    appended.refused += 1;
                    self.0.counters.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        appended
    }

    /// The series that gets the sample; `None` when it has it already.
    fn admit_one(
        &self,
        head: &mut Head,
        writer: &mut Writer,
        time: UnixMs,
        now: UnixMs,
        labels: &Labels,
        value: f64,
    ) -> Result<Option<Ref>, Refusal> {
        if time > now + WINDOW {
            return Err(Refusal::TooFarAhead);
        }
        let known = head.find(labels);
        if time < now - WINDOW {
            // After the clock was set back far, the newest sample decides what is late.
            let newest =
                known.and_then(|reference| head.get(reference)).map(|series| series.newest);
            if newest.is_none_or(|newest| time < UnixMs(newest) - WINDOW) {
                return Err(Refusal::TooOld);
            }
        }
        let reference = match known {
            Some(reference) => reference,
            None if head.len() >= self.0.options.series_max => return Err(Refusal::SeriesLimit),
            None => head.create(labels),
        };
        let index = reference as usize;
        if writer.seen.len() <= index {
            writer.seen.resize(index + 1, 0);
        }
        if writer.seen[index] == writer.batch_number {
            return Err(Refusal::Duplicate);
        }
        writer.seen[index] = writer.batch_number;
        match head.judge(reference, time.0, value) {
            Outcome::Accepted => Ok(Some(reference)),
            Outcome::Repeated => Ok(None),
            Outcome::Duplicate => Err(Refusal::Duplicate),
        }
    }

    /// Log first, then head.
    fn write(&self, writer: &mut Writer, batch: &Batch) -> io::Result<()> {
        let Writer { wal, accepted, .. } = writer;
        if accepted.is_empty() {
            return Ok(());
        }
        let samples = accepted.iter().map(|(reference, index)| {
            let (labels, value) = &batch.samples[*index];
            (*reference, labels, *value)
        });
        wal.append(batch.time.0, samples)?;
        if self.0.options.fsync == Fsync::EveryBatch {
            wal.sync()?;
        }
        let mut head = self.0.head.write().unwrap_or_else(PoisonError::into_inner);
        for (reference, index) in accepted {
            head.push(*reference, batch.time.0, batch.samples[*index].1);
        }
        Ok(())
    }

    /// Does what is due at `now`: syncs the log, cuts blocks, deletes what is too old or too much. To
    /// be called every second or so; an error means that the disk refused, and the next call tries
    /// again.
    pub fn maintain(&self, now: UnixMs) -> io::Result<()> {
        let result = maintain::run(&self.0, now);
        self.0.note_write_failure(&result);
        result
    }

    /// Makes everything acknowledged survive a power failure as well.
    pub fn close(&self) -> io::Result<()> {
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).wal.sync()
    }

    pub fn stats(&self) -> Stats {
        let counters = &self.0.counters;
        let write_error =
            counters.write_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Stats {
            samples_appended: counters.samples_appended.load(Ordering::Relaxed),
            bytes_on_disk: counters.bytes_on_disk.load(Ordering::Relaxed),
            series: self.0.head.read().unwrap_or_else(PoisonError::into_inner).len(),
            chunks_damaged: counters.chunks_damaged.load(Ordering::Relaxed),
            writable: write_error.is_none(),
            write_error,
            refused: counters.refused.each_ref().map(|count| count.load(Ordering::Relaxed)),
        }
    }
}

impl Inner {
    fn block_list(&self) -> Arc<Vec<Arc<Block>>> {
        Arc::clone(&self.blocks.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_block_list(&self, mut blocks: Vec<Arc<Block>>) {
        blocks.sort_by_key(|block| (block.span, block.sequence));
        *self.blocks.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(blocks);
    }

    fn note_size(&self, wal: &Wal) {
        let blocks: u64 = self.block_list().iter().map(|block| block.bytes).sum();
        self.counters.bytes_on_disk.store(blocks + wal.bytes(), Ordering::Relaxed);
    }

    fn note_write(&self, result: &io::Result<()>) {
        let error = result.as_ref().err().map(ToString::to_string);
        *self.counters.write_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// Only an append proves that writing works again.
    fn note_write_failure(&self, result: &io::Result<()>) {
        if result.is_err() {
            self.note_write(result);
        }
    }
}
