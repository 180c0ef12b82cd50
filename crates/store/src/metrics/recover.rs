//! Opening a store: the lock, the blocks on disk, the replay of the log.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, RwLock, atomic::AtomicU64},
};

use model::{Clock, Labels, sample::Exemplar};
use rustix::fs::{FlockOperation, flock};

use super::{
    Counters, Inner, Metrics, Options,
    append::Writer,
    block::{Block, BlockError},
    delete::{self, Tombstone},
    exemplars::Exemplars,
    head::{Head, Outcome},
    histogram::Encoded,
    maintain::Chores,
    metadata,
    wal::{Ref, Replay, SLOT_MS, Wal},
};
use crate::disk::Disk;

/// Slots of one cover that count: more than a block ever spans, so a damaged one costs little.
const SLOTS_OF_COVER_MAX: usize = 1 << 12;

/// Why a store cannot be opened at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process uses the data directory {}", path.display())]
    InUse {
        path: PathBuf,
        /// The other process, where it left its number.
        pid: Option<u32>,
    },
    #[error("cannot use the data directory {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// Only for those who do not want one to be made.
    #[error("there is no store in {}", path.display())]
    NoStore { path: PathBuf },
}

/// What opening found.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// Samples, with histograms, read back from the log.
    pub samples: u64,
    /// Damaged blocks that were put aside, now or by an earlier start.
    blocks_aside: u64,
    problems: Vec<String>,
    /// Blocks that were merged into others and could not be removed.
    unwanted: Vec<PathBuf>,
}

impl Recovery {
    /// What was damaged and what was done about it, one sentence each; empty after a clean stop.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// What else was damaged, beside metrics.
    pub(crate) fn add(&mut self, problems: Vec<String>) {
        self.problems.extend(problems);
    }
}

pub(super) fn open(
    folder: &Path,
    options: Options,
    clock: Clock,
    disk: Disk,
) -> Result<(Metrics, Recovery), OpenError> {
    let failed = |source| OpenError::Io { path: folder.into(), source };
    for path in [folder.to_owned(), folder.join("blocks"), folder.join("wal")] {
        // What engines are asked and answer may show in labels, so it is nobody else's to read.
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    }
    let lock = lock(folder)?;
    let mut recovery = Recovery::default();
    let blocks = open_blocks(&folder.join("blocks"), &disk, &mut recovery).map_err(failed)?;
    let tombstones = recovery.unless_damaged(&folder.join("tombstones"), delete::read);
    let metadata = recovery.unless_damaged(&folder.join("metadata"), metadata::read);

    let covered = Covered::by(&blocks);
    let segments = covered.slots.values().chain(tombstones.iter().map(|mark| &mark.segment));
    let used = segments.copied().max().unwrap_or(0);
    let mut replay = Replaying {
        covered,
        tombstones: &tombstones,
        head: Head::default(),
        deleted: HashMap::new(),
        exemplars: Exemplars::default(),
    };
    let (wal, replayed) =
        Wal::open(&folder.join("wal"), disk.clone(), used, &mut replay).map_err(failed)?;
    let Replaying { head, exemplars, .. } = replay;
    recovery.samples = replayed.samples;
    recovery.problems.extend(replayed.torn.iter().map(|(path, bytes)| {
        format!(
            "{bytes} bytes at the end of {} were never completed and are ignored",
            path.display()
        )
    }));
    let sequences = blocks.iter().map(|block| block.description.sequence);
    let newest = sequences.chain(tombstones.iter().map(|mark| mark.sequence)).max();
    let inner = Inner {
        folder: folder.into(),
        head: RwLock::new(head),
        blocks: RwLock::default(),
        tombstones: RwLock::new(Arc::new(tombstones)),
        exemplars: Mutex::new(exemplars),
        metadata: Mutex::new(Arc::new(metadata)),
        keeper: Mutex::new(Chores::new(&clock)),
        next_sequence: AtomicU64::new(newest.unwrap_or(0) + 1),
        unwanted: Mutex::new(std::mem::take(&mut recovery.unwanted)),
        counters: Counters {
            wal_bytes: AtomicU64::new(wal.bytes()),
            blocks_aside: AtomicU64::new(recovery.blocks_aside),
            ..Counters::default()
        },
        writer: Mutex::new(Writer::new(wal, clock.monotonic())),
        thawed: Condvar::new(),
        options,
        clock,
        disk,
        _lock: lock,
    };
    inner.change_blocks(&[], blocks.into_iter().map(Arc::new));
    Ok((Metrics(Arc::new(inner)), recovery))
}

impl Recovery {
    /// What a small file says; nothing, and a problem told, when it cannot be read.
    fn unless_damaged<T>(
        &mut self,
        path: &Path,
        read: impl FnOnce(&Path) -> io::Result<Vec<T>>,
    ) -> Vec<T> {
        read(path).unwrap_or_else(|error| {
            self.problems.push(format!("{} cannot be used: {error}", path.display()));
            Vec::new()
        })
    }
}

/// Which times are in blocks, up to which segment of the log, by slot.
struct Covered {
    slots: HashMap<i64, u64>,
    /// The last one asked for: times come in runs.
    cached: (i64, u64),
}

impl Covered {
    fn by(blocks: &[Block]) -> Self {
        let mut slots: HashMap<i64, u64> = HashMap::new();
        for cover in blocks.iter().flat_map(|block| &block.description.covers) {
            let first = cover.range.start.0.div_euclid(SLOT_MS);
            let last = cover.range.end.0.div_euclid(SLOT_MS);
            for slot in (first..=last).take(SLOTS_OF_COVER_MAX) {
                let newest = slots.entry(slot).or_default();
                *newest = cover.segment.max(*newest);
            }
        }
        Self { slots, cached: (i64::MIN, 0) }
    }

    fn has(&mut self, segment: u64, time: i64) -> bool {
        let slot = time.div_euclid(SLOT_MS);
        if self.cached.0 != slot {
            self.cached = (slot, self.slots.get(&slot).copied().unwrap_or(0));
        }
        segment <= self.cached.1
    }
}

/// Puts back into memory what is only in the log.
struct Replaying<'a> {
    covered: Covered,
    tombstones: &'a [Tombstone],
    head: Head,
    /// Tombstones that concern a series, where there are any.
    deleted: HashMap<Ref, Vec<&'a Tombstone>>,
    exemplars: Exemplars,
}

impl Replaying<'_> {
    /// Whether what the log has of a time is in a block or was deleted.
    fn is_gone(&mut self, segment: u64, series: Ref, time: i64) -> bool {
        let is_deleted = |marks: &Vec<&Tombstone>| {
            marks.iter().any(|mark| segment <= mark.segment && mark.covers(time))
        };
        self.covered.has(segment, time) || self.deleted.get(&series).is_some_and(is_deleted)
    }
}

impl Replay for Replaying<'_> {
    fn series(&mut self, labels: Labels) -> Ref {
        let known = self.head.find(&labels);
        let reference = known.unwrap_or_else(|| self.head.create(&labels));
        if known.is_none() {
            let concerning = self.tombstones.iter().filter(|mark| mark.concerns(&labels));
            let concerning: Vec<&Tombstone> = concerning.collect();
            if !concerning.is_empty() {
                self.deleted.insert(reference, concerning);
            }
        }
        reference
    }

    fn sample(&mut self, segment: u64, series: Ref, time: i64, value: f64) {
        if !self.is_gone(segment, series, time)
            && self.head.judge(series, time, value) == Outcome::Accepted
        {
            self.head.push(series, time, value);
        }
    }

    fn histogram(&mut self, segment: u64, series: Ref, time: i64, encoded: &[u8]) {
        let encoded = Encoded::from(encoded);
        if !self.is_gone(segment, series, time)
            && self.head.judge_histogram(series, time, &encoded) == Outcome::Accepted
        {
            self.head.push_histogram(series, time, encoded);
        }
    }

    fn exemplar(&mut self, exemplar: Exemplar) {
        self.exemplars.push(exemplar);
    }
}

/// Takes the folder for this process. The kernel releases it however the process ends.
pub(super) fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let failed = |source| OpenError::Io { path: path.clone(), source };
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(failed)?;
    if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error != rustix::io::Errno::WOULDBLOCK {
            return Err(failed(error.into()));
        }
        let mut text = String::new();
        // An unreadable number only makes the message poorer.
        drop(file.take(16).read_to_string(&mut text));
        return Err(OpenError::InUse { path: folder.into(), pid: text.trim().parse().ok() });
    }
    // A full disk must not keep the store from being read, and the number is for people only.
    drop(file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())));
    Ok(file)
}

/// What a folder holds, in order of name.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

fn open_blocks(folder: &Path, disk: &Disk, recovery: &mut Recovery) -> io::Result<Vec<Block>> {
    let mut blocks = Vec::new();
    // Listed first, or what is renamed meanwhile could be met twice.
    for path in files(folder)? {
        match path.extension().and_then(|extension| extension.to_str()) {
            // A block that was being written when the process died; its samples are elsewhere.
            Some("tmp") => recovery.note(&path, disk.remove(&path)),
            Some("block") => match Block::open(&path) {
                Ok(block) => blocks.push(block),
                Err(BlockError::Damaged(reason)) => {
                    let aside = path.with_extension("bad");
                    recovery.note(&path, disk.rename(&path, &aside));
                    recovery.blocks_aside += 1;
                    recovery.problems.push(format!(
                        "{} is not a good block ({reason}); it was put aside as {}",
                        path.display(),
                        aside.display()
                    ));
                }
                Err(BlockError::Io(error)) => recovery.problems.push(format!(
                    "{} cannot be read ({error}); what it holds is missing",
                    path.display()
                )),
            },
            Some("bad") => recovery.blocks_aside += 1,
            _ => {}
        }
    }
    // The process died between putting a merged block in place and removing what it was made of.
    let parents: HashSet<u64> =
        blocks.iter().flat_map(|block| block.description.parents.iter().copied()).collect();
    let (leftover, kept): (Vec<Block>, Vec<Block>) =
        blocks.into_iter().partition(|block| parents.contains(&block.description.sequence));
    // The merged block's name must be safe before what it replaces goes.
    let named = if leftover.is_empty() { Ok(()) } else { disk.sync_folder(folder) };
    let is_named = named.is_ok();
    recovery.note(folder, named);
    for block in leftover {
        if !is_named {
            recovery.unwanted.push(block.path.clone());
            continue;
        }
        let result = disk.remove(&block.path);
        if result.is_err() {
            recovery.unwanted.push(block.path.clone());
        }
        recovery.note(&block.path, result);
    }
    Ok(kept)
}

impl Recovery {
    /// A disk that refuses must not keep the store from being read.
    fn note(&mut self, path: &Path, result: io::Result<()>) {
        if let Err(error) = result {
            self.problems.push(format!("{} cannot be changed: {error}", path.display()));
        }
    }
}
