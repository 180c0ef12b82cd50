//! What a store does by itself: sync the log, cut blocks, delete what is too old or too much.

use std::{fs, io, sync::Arc, sync::PoisonError, time::Duration};

use model::{Clock, UnixMs, series::TimeRange};

use super::{
    Fsync, Inner, SPAN_MS, WINDOW, Writer,
    block::{self, Block, BlockError},
};
use crate::fsync_folder;

/// How often blocks and retention are looked after.
const PERIOD: Duration = Duration::from_secs(60);

/// Samples further ahead than this are from a time when the clock was wrong; they need not wait in
/// memory until it comes.
const AHEAD_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How far the wall clock may stray from the monotonic one, and for how long it must not have, before
/// its word is enough to delete data.
const DRIFT_MAX: Duration = Duration::from_secs(60);
const TRUST_AFTER: Duration = Duration::from_secs(10 * 60);

/// When which work is due, in monotonic time.
pub(super) struct Chores {
    synced_at: Duration,
    looked_at: Duration,
    /// Wall and monotonic time when they last disagreed.
    agreed_since: (UnixMs, Duration),
}

impl Chores {
    pub(super) fn new(clock: &Clock) -> Self {
        let monotonic = clock.monotonic();
        Self { synced_at: monotonic, looked_at: monotonic, agreed_since: (clock.now(), monotonic) }
    }

    /// Whether the wall clock went along with the monotonic one for long enough.
    fn trusts(&mut self, now: UnixMs, monotonic: Duration) -> bool {
        let (wall, since) = self.agreed_since;
        let elapsed = monotonic.saturating_sub(since);
        let expected = wall + elapsed;
        if now > expected + DRIFT_MAX || now < expected - DRIFT_MAX {
            self.agreed_since = (now, monotonic);
            return false;
        }
        elapsed >= TRUST_AFTER
    }
}

pub(super) fn run(store: &Inner, now: UnixMs) -> io::Result<()> {
    let monotonic = store.clock.monotonic();
    let mut writer = store.writer.lock().unwrap_or_else(PoisonError::into_inner);
    if let Fsync::Interval(interval) = store.options.fsync
        && monotonic.saturating_sub(writer.chores.synced_at) >= interval
    {
        writer.chores.synced_at = monotonic;
        writer.wal.sync()?;
    }
    if monotonic.saturating_sub(writer.chores.looked_at) < PERIOD {
        return Ok(());
    }
    writer.chores.looked_at = monotonic;
    let is_trusted = writer.chores.trusts(now, monotonic);
    let result = cut(store, &mut writer, now).and_then(|()| expire(store, now, is_trusted));
    store.note_size(&writer.wal);
    result.and_then(|()| shrink(store, &writer))
}

/// Moves every span that is over from the head into a block.
fn cut(store: &Inner, writer: &mut Writer, now: UnixMs) -> io::Result<()> {
    let spans = store.head.read().unwrap_or_else(PoisonError::into_inner).spans(SPAN_MS);
    let is_due = |span: &i64| {
        let range = range_of(*span);
        range.end + WINDOW < now || range.start > now + AHEAD_MAX
    };
    let due: Vec<i64> = spans.into_iter().filter(is_due).collect();
    if due.is_empty() {
        return Ok(());
    }
    let wal_number = writer.wal.rotate()?;
    for span in due {
        let range = range_of(span);
        let copied = store.head.read().unwrap_or_else(PoisonError::into_inner).copy(&[], range);
        let series = copied.into_iter().map(|series| series.decode(range));
        let folder = store.folder.join("blocks");
        let block = block::write(&folder, span, wal_number, writer.next_sequence, series)
            .map_err(into_io)?;
        writer.next_sequence += 1;
        // Readers look at the head first, so between these two steps they see samples twice, never
        // not at all.
        let mut blocks = store.block_list().to_vec();
        blocks.push(Arc::new(block));
        store.set_block_list(blocks);
        let idle_before = (now - WINDOW).0;
        let removed =
            store.head.write().unwrap_or_else(PoisonError::into_inner).remove(range, idle_before);
        for reference in removed {
            writer.wal.forget(reference);
        }
        writer.wal.release(span, wal_number)?;
    }
    Ok(())
}

fn into_io(error: BlockError) -> io::Error {
    match error {
        BlockError::Io(error) => error,
        BlockError::Damaged(reason) => io::Error::new(io::ErrorKind::InvalidData, reason),
    }
}

/// Deletes blocks older than the retention, if the clock can be believed.
fn expire(store: &Inner, now: UnixMs, is_trusted: bool) -> io::Result<()> {
    let oldest = now - store.options.retention;
    let blocks = store.block_list();
    let is_expired = |block: &Arc<Block>| is_trusted && range_of(block.span).end < oldest;
    delete(store, blocks.iter().filter(|block| is_expired(block)))
}

/// Deletes the oldest blocks while the folder is too large.
fn shrink(store: &Inner, writer: &Writer) -> io::Result<()> {
    let blocks = store.block_list();
    let mut total = writer.wal.bytes() + blocks.iter().map(|block| block.bytes).sum::<u64>();
    let too_much = blocks.iter().take_while(|block| {
        let is_too_much = total > store.options.bytes_max;
        total -= block.bytes;
        is_too_much
    });
    delete(store, too_much)?;
    store.note_size(&writer.wal);
    Ok(())
}

fn delete<'a>(store: &Inner, unwanted: impl Iterator<Item = &'a Arc<Block>>) -> io::Result<()> {
    let unwanted: Vec<_> = unwanted.collect();
    if unwanted.is_empty() {
        return Ok(());
    }
    let blocks = store.block_list();
    let kept =
        blocks.iter().filter(|block| !unwanted.iter().any(|other| Arc::ptr_eq(other, block)));
    store.set_block_list(kept.cloned().collect());
    // Queries that still read a deleted block keep its mapping alive.
    for block in unwanted {
        match fs::remove_file(&block.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fsync_folder(&store.folder.join("blocks"))
}

pub(super) fn range_of(span: i64) -> TimeRange {
    let start = span.saturating_mul(SPAN_MS);
    TimeRange { start: UnixMs(start), end: UnixMs(start.saturating_add(SPAN_MS - 1)) }
}
