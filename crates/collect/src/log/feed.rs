//! What one log has to give: lines that nobody took yet, how far it was read and stored, and how fast it may go.

use std::{sync::Arc, time::Duration};

use model::{UnixMs, log::Origin};

use super::{Chunk, Limits, LineSink, RawLine, cursor::Room};

/// Most that is read of one log before it is another's turn.
const TURN: Room = Room { lines: 4_096, bytes: 512 * 1024 };
/// After how much silence records that are open are to be completed.
const QUIET: Duration = Duration::from_secs(1);

/// What came of one log since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) lines: u64,
    pub(super) bytes: u64,
    /// Lines that were too long to be kept whole.
    pub(super) cut: u64,
    /// Times that it had to wait because it brought too much.
    pub(super) throttled: u64,
}

#[derive(Debug)]
pub(super) struct Feed {
    pub(super) file: Arc<str>,
    pub(super) origin: Arc<Origin>,
    /// Read and not taken.
    pending: Option<Chunk>,
    /// The offset behind the last line that was read.
    read: u64,
    /// Everything before it is stored.
    stored: u64,
    /// When lines came last, or silence was told.
    changed: Duration,
    bucket: Bucket,
    pub(super) counts: Counts,
}

impl Feed {
    /// Of a log that is stored up to `offset`.
    pub(super) fn new(file: Arc<str>, origin: Arc<Origin>, offset: u64, limits: Limits) -> Self {
        Self {
            file,
            origin,
            pending: None,
            read: offset,
            stored: offset,
            changed: Duration::ZERO,
            bucket: Bucket::new(limits),
            counts: Counts::default(),
        }
    }

    /// Whether nothing waits to be taken.
    pub(super) fn is_free(&self) -> bool {
        self.pending.is_none()
    }

    pub(super) fn stored(&self) -> u64 {
        self.stored
    }

    /// Whether all that was read is stored.
    pub(super) fn is_done(&self) -> bool {
        self.pending.is_none() && self.stored >= self.read
    }

    /// How much may be read now; none while lines wait or the log brings too much.
    pub(super) fn room(&mut self, now: Duration) -> Option<Room> {
        if self.pending.is_some() {
            return None;
        }
        let room = self.bucket.room(now);
        self.counts.throttled += u64::from(room.is_none());
        room
    }

    /// Takes lines that were read, for the sink.
    pub(super) fn put(&mut self, lines: Vec<RawLine>, read_at: UnixMs, now: Duration) {
        let Some(last) = lines.last() else { return };
        self.read = last.end;
        self.changed = now;
        let bytes = lines.iter().map(|line| line.bytes.len() as u64 + line.cut + 1).sum();
        self.counts.lines += lines.len() as u64;
        self.counts.bytes += bytes;
        self.counts.cut += lines.iter().filter(|line| line.cut > 0).count() as u64;
        self.bucket.take(lines.len(), bytes);
        if let Some(chunk) = &mut self.pending {
            chunk.lines.extend(lines);
            return;
        }
        let (origin, file) = (Arc::clone(&self.origin), Arc::clone(&self.file));
        self.pending = Some(Chunk { origin, file, lines, read_at });
    }

    /// Hands on what was read, and the silence after it. Returns whether it was taken.
    pub(super) fn offer(&mut self, sink: &dyn LineSink, read_at: UnixMs, now: Duration) -> bool {
        if let Some(chunk) = &self.pending {
            let Ok(offset) = sink.take(chunk) else { return false };
            self.pending = None;
            self.has_stored(offset);
        } else if self.stored < self.read && now.saturating_sub(self.changed) >= QUIET {
            let (origin, file) = (Arc::clone(&self.origin), Arc::clone(&self.file));
            let chunk = Chunk { origin, file, lines: Vec::new(), read_at };
            let Ok(offset) = sink.take(&chunk) else { return false };
            self.changed = now;
            self.has_stored(offset);
        }
        true
    }

    /// Has the sink complete what is open, because nothing will follow.
    pub(super) fn complete(&mut self, sink: &dyn LineSink, read_at: UnixMs) {
        self.changed = Duration::ZERO;
        if self.offer(sink, read_at, QUIET) && !self.is_done() {
            self.offer(sink, read_at, QUIET + QUIET);
        }
    }

    fn has_stored(&mut self, offset: u64) {
        self.stored = self.stored.max(offset.min(self.read));
    }
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.cut += other.cut;
        self.throttled += other.throttled;
    }
}

/// Lines and bytes that may come now; at most those of one second are saved up.
#[derive(Debug)]
struct Bucket {
    limits: Limits,
    /// May be below zero after a long line.
    lines: f64,
    bytes: f64,
    filled: Option<Duration>,
}

impl Bucket {
    fn new(limits: Limits) -> Self {
        Self { limits, lines: 0.0, bytes: 0.0, filled: None }
    }

    fn room(&mut self, now: Duration) -> Option<Room> {
        let passed = self.filled.map_or(1.0, |at| now.saturating_sub(at).as_secs_f64());
        self.filled = Some(now);
        let (lines, bytes) =
            (self.limits.lines_per_second as f64, self.limits.bytes_per_second as f64);
        self.lines = (self.lines + lines * passed).min(lines);
        self.bytes = (self.bytes + bytes * passed).min(bytes);
        (self.lines >= 1.0 && self.bytes >= 1.0).then(|| Room {
            lines: TURN.lines.min(self.lines as usize),
            bytes: TURN.bytes.min(self.bytes as usize),
        })
    }

    fn take(&mut self, lines: usize, bytes: u64) {
        self.lines -= lines as f64;
        self.bytes -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_waits() {
        let limits = Limits { lines_per_second: 100, bytes_per_second: 1_000 };
        let mut bucket = Bucket::new(limits);
        let at = Duration::from_millis;
        let mut check = |now, lines, bytes, expected: Option<(usize, usize)>| {
            bucket.take(lines, bytes);
            let room = bucket.room(at(now)).map(|room| (room.lines, room.bytes));
            assert_eq!(room, expected, "at {now} ms");
        };
        check(5_000, 0, 0, Some((100, 1_000)));
        check(5_000, 100, 10, None);
        check(5_100, 0, 0, Some((10, 1_000)));
        check(5_100, 1, 5_000, None);
        check(9_000, 0, 0, None);
        check(9_500, 0, 0, Some((100, 400)));
        check(9_000, 0, 0, Some((100, 400)));
    }
}
