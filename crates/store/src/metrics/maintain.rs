//! What a store does by itself: cut blocks, merge them, delete what is too old or too much.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use model::{Clock, UnixMs, series::TimeRange};

use super::{
    Inner, SPAN_MS,
    block::{self, Block, Cover, Description},
    compact, lock, rows,
    wal::SLOT_MS,
};
use crate::wall::Trust;

/// How often blocks and retention are looked after.
const PERIOD: Duration = Duration::from_secs(60);

/// Samples further ahead than this are from a time when the clock was wrong; they need not wait in
/// memory until it comes.
const AHEAD_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Blocks are cut early when the log or the head is larger than this, so that neither a start after a
/// crash nor memory grows with what is written.
const WAL_BYTES_MAX: u64 = 192 << 20;
/// See [`WAL_BYTES_MAX`].
const HEAD_BYTES_MAX: usize = 192 << 20;

/// When which work is due, in monotonic time.
pub(super) struct Chores {
    looked_at: Duration,
    trust: Trust,
}

impl Chores {
    pub(super) fn new(clock: &Clock) -> Self {
        Self { looked_at: clock.monotonic(), trust: Trust::new(clock) }
    }
}

/// Returns whether all chores were due and are done.
pub(super) fn run(store: &Inner, now: UnixMs) -> io::Result<bool> {
    let monotonic = store.clock.monotonic();
    let mut chores = lock(&store.keeper);
    store.discard_unwanted()?;
    let is_due = monotonic.saturating_sub(chores.looked_at) >= PERIOD;
    let is_full =
        store.writer().wal.bytes() > WAL_BYTES_MAX || store.head().chunk_bytes() > HEAD_BYTES_MAX;
    if is_full {
        cut_early(store, now)?;
    }
    if !is_due {
        return Ok(false);
    }
    chores.looked_at = monotonic;
    let is_trusted = chores.trust.holds(now, monotonic);
    cut_finished(store, now)?;
    if is_trusted {
        expire(store, now)?;
    }
    compact::run(store, now)?;
    rows::run(store, now)?;
    store.bury_tombstones()?;
    shrink(store)?;
    Ok(true)
}

/// Moves every span that is over from the head into a block.
fn cut_finished(store: &Inner, now: UnixMs) -> io::Result<()> {
    // The log may still have what was deleted from the head.
    let mut spans = store.writer().wal.spans(SPAN_MS);
    spans.extend(store.head().spans(SPAN_MS));
    for range in spans.into_iter().map(range_of) {
        if range.end + store.options.window < now || range.start > now + AHEAD_MAX {
            cut(store, range)?;
        }
    }
    forget_idle(store, now);
    Ok(())
}

/// Moves all but the newest minutes from the head into blocks.
pub(super) fn cut_early(store: &Inner, now: UnixMs) -> io::Result<()> {
    let until = (now - store.options.window).0.div_euclid(SLOT_MS).saturating_mul(SLOT_MS) - 1;
    let spans = store.head().spans(SPAN_MS);
    for mut range in spans.into_iter().map(range_of) {
        range.end = range.end.min(UnixMs(until));
        if range.start < range.end {
            cut(store, range)?;
        }
    }
    forget_idle(store, now);
    Ok(())
}

fn forget_idle(store: &Inner, now: UnixMs) {
    let mut writer = store.writer();
    for reference in store.head_mut().forget_idle((now - store.options.window).0) {
        writer.wal.forget(reference);
    }
}

/// Moves what the head has in `range`, whole slots of the log, into a block. Appending goes on meanwhile;
/// only who has samples of these times waits.
pub(super) fn cut(store: &Inner, range: TimeRange) -> io::Result<()> {
    let segment = {
        let mut writer = store.writer();
        let segment = writer.wal.rotate();
        writer.frozen = Some(range);
        segment
    };
    let _thaw = Thaw(store);
    let written = write_block(store, Cover { range, segment })?;
    let mut writer = store.writer();
    if written.is_none() {
        // What the log has of this range is in blocks that the start found; their names must be safe.
        store.disk.sync_folder(&store.blocks_folder())?;
    }
    if let Some(block) = written {
        // Readers look at the head first, so between these two steps they see samples twice, never
        // not at all.
        store.change_blocks(&[], [Arc::new(block)]);
        store.head_mut().remove(range, None);
    }
    let released = writer.wal.release(range, segment);
    store.counters.wal_bytes.store(writer.wal.bytes(), Ordering::Relaxed);
    released
}

/// Ends the freezing of a range, however cutting it ended.
struct Thaw<'a>(&'a Inner);

impl Drop for Thaw<'_> {
    fn drop(&mut self) {
        self.0.writer().frozen = None;
        self.0.thawed.notify_all();
    }
}

fn write_block(store: &Inner, cover: Cover) -> io::Result<Option<Block>> {
    let wanted = store.head().sorted(cover.range);
    let description = Description {
        sequence: store.take_sequence(),
        covers: vec![cover],
        parents: Vec::new(),
        resolution_ms: 0,
        columns: 1,
    };
    let mut writer = block::Writer::create(&store.blocks_folder(), &store.disk, description)?;
    for reference in wanted {
        let copied = store.head().copy_one(reference, cover.range);
        let Some((copied, histograms)) = copied else { continue };
        let (mut times, mut values) = (Vec::new(), Vec::new());
        copied.decode(cover.range, &mut times, &mut values);
        writer.add(&copied.labels, &times, &[&values], &histograms)?;
    }
    if writer.is_empty() { Ok(None) } else { Ok(Some(store.finish_block(writer)?)) }
}

/// Deletes blocks older than their retention.
fn expire(store: &Inner, now: UnixMs) -> io::Result<()> {
    let is_expired = |block: &Block| {
        let retention = match block.description.resolution_ms {
            0 => store.options.retention,
            _ => store.options.rows_retention,
        };
        block.range.end < now - retention
    };
    let blocks = store.block_list();
    let expired: Vec<_> = blocks.iter().filter(|block| is_expired(block)).cloned().collect();
    delete(store, &expired)
}

/// Deletes the oldest blocks while the folder is too large.
fn shrink(store: &Inner) -> io::Result<()> {
    let blocks = store.block_list();
    let mut total = store.bytes_on_disk();
    let too_much = blocks.iter().take_while(|block| {
        let is_too_much = total > store.options.bytes_max;
        total = total.saturating_sub(block.bytes);
        is_too_much
    });
    let too_much: Vec<_> = too_much.cloned().collect();
    delete(store, &too_much)
}

/// Takes blocks out of the list and off the disk.
pub(super) fn delete(store: &Inner, unwanted: &[Arc<Block>]) -> io::Result<()> {
    if unwanted.is_empty() {
        return Ok(());
    }
    store.change_blocks(unwanted, []);
    // Queries that still read a deleted block keep its mapping alive.
    let removed = unwanted.iter().map(|block| store.discard(&block.path)).filter(Result::is_err);
    removed.last().unwrap_or(Ok(()))?;
    store.disk.sync_folder(&store.blocks_folder())
}

pub(super) fn range_of(span: i64) -> TimeRange {
    let start = span.saturating_mul(SPAN_MS);
    TimeRange { start: UnixMs(start), end: UnixMs(start.saturating_add(SPAN_MS - 1)) }
}
