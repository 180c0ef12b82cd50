//! Lines that are read from files and other logs, each with its place: what belongs together is put together, and a
//! line that is stored is not taken again.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use collect::log::{Chunk, LineSink, RawLine, Refused};
use logs::{Entry, Reader, Told};
use model::log::{Line, Origin, Place};
use store::events::LINES;

use super::{Lines, lock};

/// The attribute that says how many bytes a record had beyond what is kept of it.
const CUT: &str = "cut_bytes";
/// Logs whose state is kept; beyond them, that of logs of which nothing is open is forgotten.
const STREAMS_MAX: usize = 4_096;
/// After a start, so many of the newest lines tell how far files were stored: more than come between two savings of
/// their positions.
const NEWEST: u64 = 1_000_000;

#[derive(Default)]
pub(super) struct Streams {
    open: HashMap<Arc<str>, Stream>,
    /// Of files that were read before the start, how far they were stored.
    before: OnceLock<HashMap<Box<str>, u64>>,
}

/// A log that is being read.
struct Stream {
    reader: Reader,
    /// Lines that are to be stored, and behind the last of them.
    pending: Vec<Line>,
    pending_end: u64,
    /// Everything before it is stored, or was never to be kept.
    stored: u64,
    /// Behind the last line that was read.
    read: u64,
    /// Bytes that the lines of the open record had beyond what is read of a line.
    cut: u64,
}

impl Stream {
    fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.stored >= self.read
    }
}

impl LineSink for Lines {
    fn take(&self, chunk: &Chunk) -> Result<u64, Refused> {
        // A log is read by one thread, so that nobody else holds its state meanwhile.
        let known = lock(&self.0.streams).open.remove(&chunk.file);
        let mut stream = known.unwrap_or_else(|| Stream {
            reader: Reader::new(self.0.zone.clone()),
            pending: Vec::new(),
            pending_end: 0,
            stored: 0,
            read: 0,
            cut: 0,
        });
        let result = self.take_into(&mut stream, chunk);
        let mut streams = lock(&self.0.streams);
        if streams.open.len() >= STREAMS_MAX {
            streams.open.retain(|_, stream| !stream.is_idle());
        }
        streams.open.insert(Arc::clone(&chunk.file), stream);
        result
    }

    fn stored(&self, file: &str) -> Option<u64> {
        let streams = lock(&self.0.streams);
        if let Some(stream) = streams.open.get(file) {
            return Some(stream.stored);
        }
        let before = streams.before.get_or_init(|| {
            let events = self.0.store.events();
            events.largest_of_newest(LINES, ("file", "offset"), NEWEST).unwrap_or_default()
        });
        before.get(file).copied()
    }
}

impl Lines {
    fn take_into(&self, stream: &mut Stream, chunk: &Chunk) -> Result<u64, Refused> {
        // What was taken over and refused by the store comes first; nothing more is taken until that is stored.
        self.store_pending(stream)?;
        let mut entries = Vec::new();
        for RawLine { bytes, cut, end, time, severity, attributes } in &chunk.lines {
            let told = Told { time: *time, severity: *severity, attributes: attributes.clone() };
            if let Some(mut entry) = stream.reader.push_told(bytes, told, chunk.read_at, *end) {
                entry.cut += std::mem::take(&mut stream.cut);
                entries.push(entry);
            }
            stream.cut += cut;
            stream.read = *end;
        }
        if chunk.lines.is_empty()
            && let Some(mut entry) = stream.reader.flush()
        {
            entry.cut += std::mem::take(&mut stream.cut);
            entries.push(entry);
        }
        // Where silence completes nothing, what was read since the last record was nothing to keep.
        let last = entries.last().map(|entry| entry.end);
        let is_silence = chunk.lines.is_empty();
        stream.pending_end = last.unwrap_or(if is_silence { stream.read } else { stream.stored });
        let line = |entry| line(&chunk.origin, &chunk.file, entry);
        stream.pending = entries.into_iter().map(line).collect();
        let figures = self.prepare(&mut stream.pending);
        self.add(figures);
        // They are this program's now, also when the store refuses them for a while.
        self.store_pending(stream).unwrap_or_default();
        Ok(stream.stored)
    }

    fn store_pending(&self, stream: &mut Stream) -> Result<(), Refused> {
        if !stream.pending.is_empty()
            && let Err((lines, error)) = self.keep(std::mem::take(&mut stream.pending))
        {
            tracing::debug!("lines of logs wait: {error}");
            stream.pending = lines;
            return Err(Refused);
        }
        stream.stored = stream.pending_end.max(stream.stored);
        Ok(())
    }
}

fn line(origin: &Arc<Origin>, file: &Arc<str>, mut entry: Entry) -> Line {
    if entry.cut > 0 {
        entry.attributes.push((CUT.to_owned(), entry.cut.to_string()));
    }
    Line {
        time: entry.time,
        origin: Arc::clone(origin),
        severity: entry.severity,
        body: entry.body,
        attributes: entry.attributes,
        place: Some(Place { file: Arc::clone(file), offset: entry.end }),
    }
}
