//! One kind of record: its log, what the index does not hold yet, its parts, and what is done by itself.
//!
//! Appending writes to the log and to memory. It never waits for the index, nor for the disk to sync the log
//! unless every batch is to be synced. The keeper moves what is in memory into the index every few seconds. A
//! reader sees each record once: what was moved leaves memory at the same moment at which its part is seen anew.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    fs::{self, DirBuilder},
    io,
    ops::Range,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use model::{Clock, UnixMs};
use tantivy::IndexWriter;

use super::{
    AppendError, Event, Options, Stats,
    blocks::MERGE_FILES,
    part::{Content, DAY_MS, Indexed, META, Part, PartId, guarded},
    schema::{RECORD_BYTES_MAX, Record, Schema},
    tail::{Batch, Replay},
    wal::Wal,
};
use crate::{Fsync, disk::Disk, memory, segment::Unpacker, wall::Trust};

/// The folder of the log.
const WAL: &str = "wal";
/// Records that wait for the index may take so much memory; further ones are refused until it is rid of them.
const TAIL_BYTES_MAX: usize = 32 << 20;
/// The index takes what waits as soon as it is so much,
const COMMIT_RECORDS: usize = 20_000;
/// or so large,
const COMMIT_BYTES: usize = 8 << 20;
/// or as old as [`Options::commit_interval`]; what is less than this waits for so many intervals, because
/// it can be searched all the same, and small segments cost more than they hold.
const FEW_RECORDS: usize = 500;
const FEW_WAIT: u32 = 6;
/// Writing so many records takes memory that is worth giving back.
const MANY_RECORDS: usize = 2_000;
/// A writer that had nothing to do for so long gives its memory and threads back.
const WRITER_IDLE: Duration = Duration::from_secs(30);
/// Days that are written at one time; records of more days make the index take turns.
const WRITERS_MAX: usize = 3;
/// How often retention is looked after.
const PERIOD: Duration = Duration::from_secs(60);
/// A record from further ahead is from a wrong clock.
const AHEAD_MAX: Duration = Duration::from_secs(10 * 60);
/// So many small files of a day that is over are put together.
const PAST_FILES_MIN: usize = 2;
/// A part is closed when it is larger than this fraction of all, so that the oldest can go.
const PARTS_OF_BYTES_MAX: u64 = 8;

/// Why a record is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Expired,
    FarAhead,
    Large,
}

/// By reason, in the order of the type above.
pub(super) const REFUSALS: [&str; 3] = ["too_old", "too_far_ahead", "too_large"];

/// What readers see.
#[derive(Default)]
struct View {
    parts: BTreeMap<PartId, Arc<Part>>,
    /// By day, in the order of their numbers.
    tails: BTreeMap<i64, Vec<Arc<Batch>>>,
    tail_records: usize,
    tail_bytes: usize,
    /// When the oldest of them came, in monotonic time.
    waiting_since: Option<Duration>,
}

/// What a reader looks at; it does not change any more.
pub(super) struct Snapshot {
    /// Oldest day first.
    pub(super) parts: Vec<Arc<Part>>,
    pub(super) tail: Vec<Arc<Batch>>,
}

struct Writer {
    wal: Wal,
    next: u64,
    synced_at: Duration,
    encoded: Vec<u8>,
}

struct Keeper {
    writers: HashMap<PartId, OpenWriter>,
    looked_at: Duration,
    trust: Trust,
}

struct OpenWriter {
    writer: IndexWriter,
    used_at: Duration,
}

#[derive(Default)]
struct Counters {
    appended: AtomicU64,
    refused: [AtomicU64; REFUSALS.len()],
    wal_bytes: AtomicU64,
    parts_aside: AtomicU64,
    parts_expired: AtomicU64,
    damaged_reads: AtomicU64,
    write_error: Mutex<Option<String>>,
    maintenance_error: Mutex<Option<String>>,
}

pub(super) struct Kind {
    pub(super) schema: &'static Schema,
    folder: PathBuf,
    fsync: Fsync,
    options: Options,
    pub(super) clock: Clock,
    disk: Disk,
    writer: Mutex<Writer>,
    view: RwLock<View>,
    /// Held by whoever syncs the log.
    syncing: Mutex<()>,
    /// Held by whoever changes the parts. Locks are taken in the order keeper, syncing, writer, view.
    keeper: Mutex<Keeper>,
    counters: Counters,
}

/// What opening found: sentences about damage.
#[derive(Default)]
pub(super) struct Found {
    pub(super) problems: Vec<String>,
    parts: BTreeMap<PartId, Arc<Part>>,
    aside: u64,
}

impl Kind {
    pub(super) fn open(
        folder: PathBuf,
        schema: &'static Schema,
        options: Options,
        fsync: Fsync,
        clock: Clock,
        disk: Disk,
    ) -> io::Result<(Self, Vec<String>)> {
        let mut found = open_parts(&folder, schema, &disk)?;
        let mut committed: HashMap<i64, u64> = HashMap::new();
        for part in found.parts.values() {
            let newest = committed.entry(part.id.day).or_default();
            *newest = part.committed.max(*newest);
        }
        let mut last = committed.values().copied().max().unwrap_or(0);
        let mut view = View { parts: found.parts, ..View::default() };
        let oldest = (clock.now() - options.retention).0;
        let (mut replay, mut packed) = (Replay::new()?, Ok(()));
        let tell = |number, record: Record, encoded: &[u8]| {
            let day = PartId::day_of(record.time.0);
            let is_held = committed.get(&day).is_some_and(|committed| number <= *committed);
            if !is_held && record.time.0 >= oldest && packed.is_ok() {
                packed = replay.push(number, &record, encoded);
            }
        };
        let (wal, replayed) = Wal::open(&folder.join(WAL), disk.clone(), tell)?;
        packed?;
        for (day, batch) in replay.finish()? {
            view.push(day, batch, clock.monotonic());
        }
        last = last.max(replayed.last);
        found.problems.extend(replayed.torn.iter().map(|(path, bytes)| {
            format!(
                "{bytes} bytes at the end of {} were never completed and are ignored",
                path.display()
            )
        }));
        let keeper = Keeper {
            writers: HashMap::new(),
            looked_at: clock.monotonic(),
            trust: Trust::new(&clock),
        };
        let counters = Counters {
            wal_bytes: AtomicU64::new(wal.bytes()),
            parts_aside: AtomicU64::new(found.aside),
            ..Counters::default()
        };
        let synced_at = clock.monotonic();
        let kind = Self {
            schema,
            folder,
            fsync,
            options,
            disk,
            writer: Mutex::new(Writer { wal, next: last + 1, synced_at, encoded: Vec::new() }),
            view: RwLock::new(view),
            syncing: Mutex::default(),
            keeper: Mutex::new(keeper),
            counters,
            clock,
        };
        Ok((kind, found.problems))
    }

    /// Stores records and returns how many were taken.
    pub(super) fn append<E: Event>(&self, events: &[E]) -> Result<usize, AppendError> {
        let now = self.clock.now();
        let _syncing = (self.fsync == Fsync::EveryBatch).then(|| lock(&self.syncing));
        let mut writer = lock(&self.writer);
        if self.view().tail_bytes > TAIL_BYTES_MAX {
            return Err(AppendError::Behind);
        }
        let ranges = self.encode(events, &mut writer.encoded, now);
        let count = ranges.len();
        if count == 0 {
            return Ok(0);
        }
        let mut written = writer.write_runs(&ranges);
        if self.fsync == Fsync::EveryBatch {
            written = written.and_then(|taken| writer.wal.sync().map(|()| taken));
        }
        self.counters.wal_bytes.store(writer.wal.bytes(), Ordering::Relaxed);
        *lock(&self.counters.write_error) = written.as_ref().err().map(ToString::to_string);
        let taken = written?;
        let monotonic = self.clock.monotonic();
        let mut view = self.view_mut();
        taken.into_iter().for_each(|(day, batch)| view.push(day, batch, monotonic));
        drop(view);
        self.counters.appended.fetch_add(count as u64, Ordering::Relaxed);
        // One large batch must not hold its memory for ever.
        writer.encoded.shrink_to(RECORD_BYTES_MAX);
        Ok(count)
    }

    /// Encodes what is not refused, and returns the time of each record and where it is.
    fn encode<E: Event>(
        &self,
        events: &[E],
        encoded: &mut Vec<u8>,
        now: UnixMs,
    ) -> Vec<(i64, Range<usize>)> {
        encoded.clear();
        let mut ranges = Vec::new();
        for event in events {
            let begin = encoded.len();
            event.encode(encoded);
            if let Some(refusal) = self.refusal(event.time(), encoded.len() - begin, now) {
                encoded.truncate(begin);
                self.counters.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
                continue;
            }
            ranges.push((event.time().0, begin..encoded.len()));
        }
        ranges
    }

    fn refusal(&self, time: UnixMs, bytes: usize, now: UnixMs) -> Option<Refusal> {
        if bytes > RECORD_BYTES_MAX {
            Some(Refusal::Large)
        } else if time > now + AHEAD_MAX {
            Some(Refusal::FarAhead)
        } else if time < now - self.options.retention {
            Some(Refusal::Expired)
        } else {
            None
        }
    }

    pub(super) fn sync_when_due(&self) -> io::Result<()> {
        let Fsync::Interval(interval) = self.fsync else { return Ok(()) };
        let now = self.clock.monotonic();
        {
            let mut writer = lock(&self.writer);
            if now.saturating_sub(writer.synced_at) < interval {
                return Ok(());
            }
            writer.synced_at = now;
        }
        let result = self.sync();
        if let Err(error) = &result {
            *lock(&self.counters.write_error) = Some(error.to_string());
        }
        result
    }

    /// Does what is due: moves what waits into the index, deletes what is too old or too much.
    pub(super) fn maintain(&self, now: UnixMs) -> io::Result<()> {
        let monotonic = self.clock.monotonic();
        let mut keeper = lock(&self.keeper);
        let mut result = Ok(());
        let mut has_worked = false;
        if self.is_commit_due(monotonic) {
            has_worked = true;
            result = self.commit_all(&mut keeper, monotonic);
        }
        if monotonic.saturating_sub(keeper.looked_at) >= PERIOD {
            has_worked = true;
            keeper.looked_at = monotonic;
            let is_trusted = keeper.trust.holds(now, monotonic);
            let expired = if is_trusted { self.expire(&mut keeper, now) } else { Ok(()) };
            result = result.and(expired).and(self.shrink(&mut keeper)).and(self.merge_past(now));
        }
        result = result.and(self.close_idle(&mut keeper, monotonic));
        // An error stands until the work that met it is done.
        if has_worked || result.is_err() {
            *lock(&self.counters.maintenance_error) =
                result.as_ref().err().map(ToString::to_string);
        }
        result
    }

    /// Moves everything that waits into the index.
    pub(super) fn commit(&self) -> io::Result<()> {
        self.commit_all(&mut lock(&self.keeper), self.clock.monotonic())
    }

    /// Makes what was acknowledged before the call survive a power failure. Records can be appended while it
    /// waits for the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        let _syncing = lock(&self.syncing);
        let unsynced = lock(&self.writer).wal.unsynced();
        let mut results = Ok(());
        for unsynced in unsynced {
            let result = unsynced.sync();
            lock(&self.writer).wal.note_sync(&unsynced, &result);
            results = results.and(result);
        }
        results
    }

    fn is_commit_due(&self, monotonic: Duration) -> bool {
        let view = self.view();
        let Some(since) = view.waiting_since else { return false };
        let interval = self.options.commit_interval;
        let wait = if view.tail_records < FEW_RECORDS { interval * FEW_WAIT } else { interval };
        view.tail_records >= COMMIT_RECORDS
            || view.tail_bytes >= COMMIT_BYTES
            || monotonic.saturating_sub(since) >= wait
    }

    fn commit_all(&self, keeper: &mut Keeper, monotonic: Duration) -> io::Result<()> {
        let days: Vec<i64> = self.view().tails.keys().copied().collect();
        let records = self.view().tail_records;
        let mut result = Ok(());
        for day in days {
            result = result.and(self.commit_day(keeper, day, monotonic));
        }
        let mut writer = lock(&self.writer);
        let oldest = {
            let mut view = self.view_mut();
            view.waiting_since = view.oldest().map(|_| monotonic);
            view.oldest().unwrap_or(writer.next)
        };
        let released = writer.wal.release(oldest);
        self.counters.wal_bytes.store(writer.wal.bytes(), Ordering::Relaxed);
        drop(writer);
        // Nobody who appends waits for that. A segment that a power failure brings back is read and passed over.
        let released = released.and_then(|has_removed| {
            if has_removed { self.disk.sync_folder(&self.folder.join(WAL)) } else { Ok(()) }
        });
        if records >= MANY_RECORDS {
            memory::give_back();
        }
        result.and(released)
    }

    fn commit_day(&self, keeper: &mut Keeper, day: i64, monotonic: Duration) -> io::Result<()> {
        let batches = self.view().tails.get(&day).cloned().unwrap_or_default();
        let Some(last) = batches.last().map(|batch| batch.span.last()) else { return Ok(()) };
        let part = self.part_to_write(day)?;
        let (open, part) = match &part.content {
            Content::Blocks(_) => {
                (None, part.with_batches(self.schema, &batches, &self.disk).map_err(to_io)?)
            }
            Content::Index(indexed) => {
                let written = guarded(|| {
                    let open = match keeper.writers.remove(&part.id) {
                        Some(open) => open,
                        None => OpenWriter { writer: indexed.writer()?, used_at: monotonic },
                    };
                    self.write_part(&part, indexed, open, &batches, last)
                });
                let (open, part) = written.map_err(to_io)?;
                (Some(open), part)
            }
        };
        let id = part.id;
        let part = Arc::new(part);
        {
            let mut view = self.view_mut();
            view.parts.insert(id, Arc::clone(&part));
            view.forget(day, &batches);
        }
        if let Some(open) = open {
            keeper.writers.insert(id, OpenWriter { used_at: monotonic, ..open });
            return self.close_surplus(keeper);
        }
        self.merge_files(&part, MERGE_FILES)
    }

    fn merge_files(&self, part: &Part, files_min: usize) -> io::Result<()> {
        let merged = guarded(|| part.merged(self.schema, files_min, &self.disk)).map_err(to_io)?;
        if let Some(merged) = merged {
            self.view_mut().parts.insert(merged.id, Arc::new(merged));
        }
        Ok(())
    }

    /// Puts the small files of days that are over together: each takes a file handle of this process.
    fn merge_past(&self, now: UnixMs) -> io::Result<()> {
        let today = PartId::day_of(now.0);
        let past: Vec<Arc<Part>> =
            self.view().parts.values().filter(|part| part.id.day < today).cloned().collect();
        past.iter().try_for_each(|part| self.merge_files(part, PAST_FILES_MIN))
    }

    /// The part that takes the records of a day.
    fn part_to_write(&self, day: i64) -> io::Result<Arc<Part>> {
        let version = self.schema.version;
        let first = PartId { day, version, number: 0 };
        let last = PartId { day, version, number: u32::MAX };
        let newest = self.view().parts.range(first..=last).next_back().map(|(_, p)| Arc::clone(p));
        let bytes_max = self.options.bytes_max / PARTS_OF_BYTES_MAX;
        if let Some(part) = &newest
            && part.bytes <= bytes_max
        {
            return Ok(Arc::clone(part));
        }
        let mut number = newest.map_or(0, |part| part.id.number) + 1;
        // The name of one that was put aside is not used again.
        while self
            .folder
            .join(PartId { number, ..first }.name())
            .with_added_extension("bad")
            .exists()
        {
            number += 1;
        }
        let id = PartId { number, ..first };
        let path = self.folder.join(id.name());
        // An attempt that failed may have left its beginning, even with a commit.
        let part = if path.join(META).exists() {
            Part::open(path, id, self.schema)
        } else {
            Part::create(&self.folder, id, self.schema)
        };
        part.map(Arc::new).map_err(to_io)
    }

    /// Any error drops the writer, with what it was told since its last commit.
    fn write_part(
        &self,
        part: &Part,
        indexed: &Indexed,
        mut open: OpenWriter,
        batches: &[Arc<Batch>],
        last: u64,
    ) -> tantivy::Result<(OpenWriter, Part)> {
        // A commit may have succeeded although it could not be read back.
        let committed = part.reloaded()?.committed;
        let mut unpacker = Unpacker::default();
        // The whole day waits until they can be read, because what the index takes next must be newer.
        let unreadable = |reason: &dyn fmt::Display| {
            let (kind, day) = (self.schema.kind, PartId::day_text(part.id.day));
            io::Error::other(format!(
                "records of kind {kind} of {day} that wait for the index cannot be read ({reason}); the \
                 log holds them, restart modelwatch so that it reads the log again"
            ))
        };
        for batch in batches.iter().filter(|batch| batch.span.last() > committed) {
            let mut added = Ok(());
            batch
                .each(&mut unpacker, |number, encoded| {
                    if number > committed {
                        added = match Record::decode(encoded) {
                            Some(record) => {
                                let document =
                                    indexed.document(self.schema, number, &record, encoded);
                                open.writer.add_document(document).map(drop)
                            }
                            // Passing it over would make the log forget what was acknowledged.
                            None => Err(unreadable(&format!("record {number} is damaged")).into()),
                        };
                    }
                    added.is_ok()
                })
                .map_err(|error| unreadable(&error))?;
            added?;
        }
        let mut prepared = open.writer.prepare_commit()?;
        prepared.set_payload(&last.max(committed).to_string());
        prepared.commit()?;
        let part = part.reloaded()?;
        Ok((open, part))
    }

    /// Deletes parts older than the retention.
    fn expire(&self, keeper: &mut Keeper, now: UnixMs) -> io::Result<()> {
        let oldest = (now - self.options.retention).0;
        let is_expired = |part: &Part| (part.id.day + 1).saturating_mul(DAY_MS) <= oldest;
        let expired: Vec<PartId> = self
            .view()
            .parts
            .values()
            .filter(|part| is_expired(part))
            .map(|part| part.id)
            .collect();
        self.delete(keeper, &expired)
    }

    /// Deletes the oldest parts while there is too much, but the newest.
    fn shrink(&self, keeper: &mut Keeper) -> io::Result<()> {
        let mut total = self.bytes_on_disk();
        let mut unwanted = Vec::new();
        {
            let view = self.view();
            let all_but_newest = view.parts.len().saturating_sub(1);
            for part in view.parts.values().take(all_but_newest) {
                if total <= self.options.bytes_max {
                    break;
                }
                total = total.saturating_sub(part.bytes);
                unwanted.push(part.id);
            }
        }
        self.delete(keeper, &unwanted)
    }

    fn delete(&self, keeper: &mut Keeper, unwanted: &[PartId]) -> io::Result<()> {
        let mut result = Ok(());
        for id in unwanted {
            result = result.and(self.close_writer(keeper, *id));
            let path = self.folder.join(id.name());
            let gone = path.with_added_extension("gone");
            result = result.and(self.disk.rename(&path, &gone).map(|()| {
                // Queries that still read it keep its mappings alive.
                self.view_mut().parts.remove(id);
                self.counters.parts_expired.fetch_add(1, Ordering::Relaxed);
            }));
            if gone.exists() {
                result = result.and(fs::remove_dir_all(&gone));
            }
        }
        result
    }

    /// Ends the writers that had nothing to do for long, after their merges.
    fn close_idle(&self, keeper: &mut Keeper, monotonic: Duration) -> io::Result<()> {
        let is_idle = |open: &OpenWriter| monotonic.saturating_sub(open.used_at) >= WRITER_IDLE;
        let idle = keeper.writers.iter().filter(|(_, open)| is_idle(open)).map(|(id, _)| *id);
        let idle: Vec<PartId> = idle.collect();
        if idle.is_empty() {
            return Ok(());
        }
        let closed = idle.into_iter().try_for_each(|id| self.close_writer(keeper, id));
        // Also what its merges took.
        memory::give_back();
        closed
    }

    fn close_surplus(&self, keeper: &mut Keeper) -> io::Result<()> {
        while keeper.writers.len() > WRITERS_MAX {
            let oldest = keeper.writers.iter().min_by_key(|(id, open)| (open.used_at, **id));
            let Some(id) = oldest.map(|(id, _)| *id) else { break };
            self.close_writer(keeper, id)?;
        }
        Ok(())
    }

    fn close_writer(&self, keeper: &mut Keeper, id: PartId) -> io::Result<()> {
        let Some(open) = keeper.writers.remove(&id) else { return Ok(()) };
        let part = self.view().parts.get(&id).cloned();
        let closed = guarded(|| {
            open.writer.wait_merging_threads()?;
            part.map(|part| part.reloaded()).transpose()
        });
        if let Some(part) = closed.map_err(to_io)? {
            self.view_mut().parts.insert(id, Arc::new(part));
        }
        Ok(())
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let view = self.view();
        Snapshot {
            parts: view.parts.values().cloned().collect(),
            tail: view.tails.values().flatten().cloned().collect(),
        }
    }

    /// Second names for all files, below `target`.
    pub(super) fn snapshot_to(&self, target: &Path) -> io::Result<()> {
        // Nobody may write, and no merge may be under way, until all files have their second name.
        let mut keeper = lock(&self.keeper);
        let open: Vec<PartId> = keeper.writers.keys().copied().collect();
        open.into_iter().try_for_each(|id| self.close_writer(&mut keeper, id))?;
        // Most of it is synced before anybody who appends has to wait.
        self.sync()?;
        let _syncing = lock(&self.syncing);
        let mut writer = lock(&self.writer);
        writer.wal.rotate();
        writer.wal.sync()?;
        let mut files: Vec<PathBuf> = writer.wal.closed_files().collect();
        for part in self.snapshot().parts {
            for entry in fs::read_dir(&part.path)? {
                let path = entry?.path();
                // A lock is the file's, whatever its name.
                if path.extension().is_none_or(|extension| extension != "lock") {
                    files.push(path);
                }
            }
        }
        DirBuilder::new().recursive(true).mode(0o700).create(target.join(WAL))?;
        for file in files {
            let place = target.join(file.strip_prefix(&self.folder).map_err(io::Error::other)?);
            let folder = place.parent().unwrap_or(target);
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            self.disk.link(&file, &place)?;
            self.disk.sync_folder(folder)?;
        }
        self.disk.sync_folder(target)
    }

    pub(super) fn note_damage(&self) {
        self.counters.damaged_reads.fetch_add(1, Ordering::Relaxed);
    }

    fn bytes_on_disk(&self) -> u64 {
        let parts: u64 = self.view().parts.values().map(|part| part.bytes).sum();
        parts + self.counters.wal_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn stats(&self) -> Stats {
        let counters = &self.counters;
        let view = self.view();
        let committed: u64 = view.parts.values().map(|part| part.records).sum();
        let (parts, records_waiting) = (view.parts.len(), view.tail_records);
        drop(view);
        let write_error = lock(&counters.write_error).clone();
        Stats {
            kind: self.schema.kind,
            appended: counters.appended.load(Ordering::Relaxed),
            records: committed + records_waiting as u64,
            records_waiting,
            bytes_on_disk: self.bytes_on_disk(),
            wal_bytes: counters.wal_bytes.load(Ordering::Relaxed),
            parts,
            parts_aside: counters.parts_aside.load(Ordering::Relaxed),
            parts_expired: counters.parts_expired.load(Ordering::Relaxed),
            damaged_reads: counters.damaged_reads.load(Ordering::Relaxed),
            writable: write_error.is_none(),
            write_error,
            maintenance_error: lock(&counters.maintenance_error).clone(),
            refused: counters.refused.each_ref().map(|count| count.load(Ordering::Relaxed)),
        }
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Writes what was encoded, each with its time, and returns days and their batches.
    fn write_runs(&mut self, ranges: &[(i64, Range<usize>)]) -> io::Result<Vec<(i64, Batch)>> {
        let day_of = |(time, _): &(i64, Range<usize>)| PartId::day_of(*time);
        let mut taken = Vec::new();
        // Those of one day that follow each other; a call rarely has records of two.
        for run in ranges.chunk_by(|one, next| day_of(one) == day_of(next)) {
            let first = self.next;
            // Also what fails uses its numbers up.
            self.next += run.len() as u64;
            let encoded = |range: &Range<usize>| self.encoded.get(range.clone());
            let records =
                run.iter().map(|(time, range)| (*time, encoded(range).unwrap_or_default()));
            let day = run.first().map_or(0, day_of);
            let batches = self.wal.append(first, records)?;
            taken.extend(batches.into_iter().map(|batch| (day, batch)));
        }
        Ok(taken)
    }
}

impl View {
    fn push(&mut self, day: i64, batch: Batch, now: Duration) {
        self.tail_records += batch.span.records;
        self.tail_bytes += batch.bytes();
        self.tails.entry(day).or_default().push(Arc::new(batch));
        self.waiting_since.get_or_insert(now);
    }

    /// Forgets the first batches of a day, which the index holds now.
    fn forget(&mut self, day: i64, batches: &[Arc<Batch>]) {
        for batch in batches {
            self.tail_records = self.tail_records.saturating_sub(batch.span.records);
            self.tail_bytes = self.tail_bytes.saturating_sub(batch.bytes());
        }
        if let Some(tail) = self.tails.get_mut(&day) {
            tail.drain(..batches.len().min(tail.len()));
            if tail.is_empty() {
                self.tails.remove(&day);
            }
        }
    }

    /// The lowest number that is not in the index.
    fn oldest(&self) -> Option<u64> {
        self.tails.values().filter_map(|tail| Some(tail.first()?.span.first)).min()
    }
}

fn open_parts(folder: &Path, schema: &'static Schema, disk: &Disk) -> io::Result<Found> {
    let mut found = Found::default();
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".bad") {
            found.aside += 1;
        } else if name.ends_with(".gone") {
            // The process died while it was being deleted.
            found.note(&path, fs::remove_dir_all(&path));
        } else if let Some(id) = PartId::parse(name) {
            found.open(path, id, schema, disk);
        }
    }
    Ok(found)
}

impl Found {
    fn open(&mut self, path: PathBuf, id: PartId, schema: &'static Schema, disk: &Disk) {
        if id.version > schema.version {
            let path = path.display();
            self.problems
                .push(format!("{path} is of a newer version, which can read it; it is left alone"));
            return;
        }
        // The process died before there was an index; its records are in the log.
        if !path.join(META).exists() && !has_segments(&path) {
            self.note(&path, fs::remove_dir_all(&path));
            return;
        }
        match Part::open(path.clone(), id, schema) {
            Ok(part) => {
                self.parts.insert(id, Arc::new(part));
            }
            Err(error) => {
                let aside = path.with_added_extension("bad");
                self.note(&path, disk.rename(&path, &aside));
                self.aside += 1;
                self.problems.push(format!(
                    "{} is not a good index ({error}); it was put aside as {}",
                    path.display(),
                    aside.display()
                ));
            }
        }
    }

    /// A disk that refuses must not keep the store from being read.
    fn note(&mut self, path: &Path, result: io::Result<()>) {
        if let Err(error) = result {
            self.problems.push(format!("{} cannot be changed: {error}", path.display()));
        }
    }
}

/// Whether a folder has files of an index beside those that every index begins with.
fn has_segments(path: &Path) -> bool {
    let is_segment = |entry: fs::DirEntry| !entry.file_name().to_string_lossy().starts_with('.');
    fs::read_dir(path).is_ok_and(|all| all.filter_map(Result::ok).any(is_segment))
}

fn to_io(error: tantivy::TantivyError) -> io::Error {
    match error {
        tantivy::TantivyError::IoError(error) => {
            Arc::try_unwrap(error).unwrap_or_else(|shared| io::Error::new(shared.kind(), shared))
        }
        other => io::Error::other(other),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
