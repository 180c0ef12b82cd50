//! The log of one kind: what makes an acknowledged record survive the death of the process until the index
//! holds it.
//!
//! A frame holds the records of one call: the number of the first, then each record with its length. Numbers
//! go up by one through all segments, and the index remembers the last that it holds.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    schema::Record,
    tail::{Batch, Open},
};
use crate::{
    disk::{Disk, OutFile},
    segment::{self, Magic, NUMBER_MAX, Packer, path_of},
    varint::Reader,
};

const MAGIC: &Magic = b"mwevent\x01";
/// A segment is closed when it is larger than this, so that a start has little to read that the index holds
/// already.
const SEGMENT_BYTES_MAX: u64 = 8 << 20;
/// A frame is written once its body is larger than this.
const BODY_BYTES_MAX: usize = 4 << 20;

pub(super) struct Wal {
    folder: PathBuf,
    disk: Disk,
    current: Option<Segment>,
    closed: BTreeMap<u64, Closed>,
    next_segment: u64,
    packer: Packer,
    open: Open,
}

struct Segment {
    number: u64,
    file: OutFile,
    bytes: u64,
    is_synced: bool,
    /// The number of its newest record.
    last: u64,
}

struct Closed {
    last: u64,
    bytes: u64,
    /// The file, until it is synced.
    unsynced: Option<OutFile>,
}

/// What a replay found.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    /// Segments with an unreadable tail, and how many bytes of each were ignored.
    pub(super) torn: Vec<(PathBuf, u64)>,
    /// The number of the newest record.
    pub(super) last: u64,
}

impl Wal {
    /// Opens the log in `folder` and tells `replay` all records that it holds, oldest first, with their
    /// encodings.
    pub(super) fn open(
        folder: &Path,
        disk: Disk,
        mut replay: impl FnMut(u64, Record, &[u8]),
    ) -> io::Result<(Self, Replayed)> {
        let mut replayed = Replayed::default();
        let mut closed = BTreeMap::new();
        for (number, path) in segment::segments(folder)? {
            let bytes = fs::metadata(&path)?.len();
            let mut last = 0;
            let good = read_segment(&path, |number, record, encoded| {
                last = number.max(last);
                replay(number, record, encoded);
            })?;
            if good < bytes {
                replayed.torn.push((path.clone(), bytes - good));
            }
            replayed.last = replayed.last.max(last);
            // The process that wrote it may have died before it was synced.
            closed.insert(number, Closed { last, bytes, unsynced: Some(disk.reopen(&path)?) });
        }
        let next_segment = closed.last_key_value().map_or(0, |(number, _)| *number) + 1;
        let wal = Self {
            folder: folder.to_owned(),
            disk,
            current: None,
            closed,
            next_segment,
            packer: Packer::new()?,
            open: Open::default(),
        };
        Ok((wal, replayed))
    }

    /// Writes records of one day, each with its time and encoding, whose numbers begin with `first`, and
    /// returns them as they were written. After an error they count as not stored, although some may be found
    /// by the next start; their numbers must not be used again.
    pub(super) fn append<'a>(
        &mut self,
        first: u64,
        records: impl Iterator<Item = (i64, &'a [u8])>,
    ) -> io::Result<Vec<Batch>> {
        // One large batch must not hold its memory for ever.
        self.open = Open::default();
        let mut batches = Vec::new();
        for (number, (time, encoded)) in (first..).zip(records) {
            self.open.push(number, time, encoded);
            if self.open.body.len() > BODY_BYTES_MAX {
                batches.extend(self.write()?);
            }
        }
        batches.extend(self.write()?);
        Ok(batches)
    }

    /// Writes what was put together as a frame, if there is anything.
    fn write(&mut self) -> io::Result<Option<Batch>> {
        let Some(span) = self.open.take() else { return Ok(None) };
        if self.current.as_ref().is_some_and(|segment| segment.bytes > SEGMENT_BYTES_MAX) {
            self.rotate();
        }
        let mut segment = match self.current.take() {
            Some(segment) => segment,
            None => self.create()?,
        };
        let frame = self.packer.pack(&self.open.body)?;
        if let Err(error) = segment.file.write_all(frame) {
            // A replay stops at the torn frame, so nothing may follow it.
            drop(segment.file.cut(segment.bytes));
            self.close(segment);
            return Err(error);
        }
        segment.bytes += frame.len() as u64;
        segment.is_synced = false;
        segment.last = span.last();
        self.current = Some(segment);
        Ok(Some(Batch::new(span, frame)))
    }

    fn create(&mut self) -> io::Result<Segment> {
        let number = self.next_segment;
        // A number is used once even if creating fails half-way.
        self.next_segment += 1;
        let file = segment::create(&self.folder, &self.disk, number, MAGIC)?;
        Ok(Segment { number, file, bytes: MAGIC.len() as u64, is_synced: false, last: 0 })
    }

    /// Makes everything written survive a power failure. After an error the next call tries again, as
    /// far as that helps: the kernel may have given up on what it could not write.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(mut segment) = self.current.take_if(|segment| !segment.is_synced) {
            match segment.file.sync() {
                Ok(()) => {
                    segment.is_synced = true;
                    self.current = Some(segment);
                }
                // What follows must not depend on pages that are lost, so it goes to a new segment.
                Err(error) => {
                    self.close(segment);
                    return Err(error);
                }
            }
        }
        for closed in self.closed.values_mut() {
            if let Some(file) = &mut closed.unsynced {
                file.sync()?;
                closed.unsynced = None;
            }
        }
        Ok(())
    }

    /// Closes the current segment.
    pub(super) fn rotate(&mut self) {
        if let Some(segment) = self.current.take() {
            self.close(segment);
        }
    }

    fn close(&mut self, segment: Segment) {
        if segment.bytes <= MAGIC.len() as u64 {
            // A full disk would otherwise leave an empty file for every attempt. One that cannot be
            // removed is harmless.
            drop(self.disk.remove(&path_of(&self.folder, segment.number)));
            return;
        }
        let Segment { number, file, bytes, is_synced, last } = segment;
        let unsynced = (!is_synced).then_some(file);
        self.closed.insert(number, Closed { last, bytes, unsynced });
    }

    /// Deletes the segments whose records are all older than `oldest`, because the index holds them.
    pub(super) fn release(&mut self, oldest: u64) -> io::Result<()> {
        let is_large = |segment: &Segment| segment.bytes > SEGMENT_BYTES_MAX / 2;
        if self.current.as_ref().is_some_and(|segment| segment.last < oldest && is_large(segment)) {
            self.rotate();
        }
        let done: Vec<u64> = self
            .closed
            .iter()
            .filter(|(_, closed)| closed.last < oldest)
            .map(|(number, _)| *number)
            .collect();
        for number in &done {
            self.disk.remove(&path_of(&self.folder, *number))?;
            self.closed.remove(number);
        }
        if done.is_empty() { Ok(()) } else { self.disk.sync_folder(&self.folder) }
    }

    /// Files that do not change any more.
    pub(super) fn closed_files(&self) -> impl Iterator<Item = PathBuf> {
        self.closed.keys().map(|number| path_of(&self.folder, *number))
    }

    pub(super) fn bytes(&self) -> u64 {
        let current = self.current.as_ref().map_or(0, |segment| segment.bytes);
        current + self.closed.values().map(|closed| closed.bytes).sum::<u64>()
    }
}

/// Reads a segment and returns how many of its bytes were good.
pub(super) fn read_segment(
    path: &Path,
    mut tell: impl FnMut(u64, Record, &[u8]),
) -> io::Result<u64> {
    segment::read(path, MAGIC, |body| decode(body, &mut tell))
}

/// What comes before a damaged record has been told already; it was written, so it may stay.
fn decode(body: &[u8], tell: &mut impl FnMut(u64, Record, &[u8])) -> Option<()> {
    let mut reader = Reader::new(body);
    let mut number = reader.varint().filter(|number| *number < NUMBER_MAX)?;
    while !reader.is_empty() {
        let length = reader.size()?;
        let encoded = reader.bytes(length)?;
        tell(number, Record::decode(encoded)?, encoded);
        number += 1;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use model::UnixMs;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        events::schema::{Field, FieldType, Schema, Value},
        segment::Unpacker,
    };

    fn record(number: u64) -> Record {
        let fields = vec![Field { name: "n", field_type: FieldType::Count, is_free: false }];
        let schema = Schema { kind: "test", version: 1, fields };
        Record::new(&schema, UnixMs(number as i64), [Some(Value::Count(number))])
    }

    fn append(wal: &mut Wal, first: u64, count: u64) {
        let encoded = (first..first + count).map(|number| {
            let mut bytes = Vec::new();
            record(number).encode(&mut bytes);
            (number as i64, bytes)
        });
        let encoded: Vec<(i64, Vec<u8>)> = encoded.collect();
        let records = encoded.iter().map(|(time, bytes)| (*time, bytes.as_slice()));
        let batches = wal.append(first, records).unwrap();
        let mut told = Vec::new();
        for batch in &batches {
            let tell = |number, encoded: &[u8]| {
                assert_eq!(Record::decode(encoded), Some(record(number)));
                told.push(number);
                true
            };
            batch.each(&mut Unpacker::default(), tell).unwrap();
            let (first, last) = batch.span.times;
            assert!(first <= last && batch.span.records > 0);
        }
        assert_eq!(told, (first..first + count).collect::<Vec<_>>());
    }

    fn read(folder: &Path) -> (Vec<u64>, Replayed) {
        let mut told = Vec::new();
        let tell = |number, found: Record, _: &[u8]| {
            assert_eq!(found, record(number));
            told.push(number);
        };
        let (_, replayed) = Wal::open(folder, Disk::default(), tell).unwrap();
        (told, replayed)
    }

    #[test]
    fn what_is_written_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let (mut wal, _) = Wal::open(folder.path(), Disk::default(), |_, _, _| {}).unwrap();
        append(&mut wal, 1, 3);
        wal.rotate();
        append(&mut wal, 4, 1);
        let (told, replayed) = read(folder.path());
        assert_eq!((told, replayed.last, replayed.torn.len()), (vec![1, 2, 3, 4], 4, 0));
        wal.release(4).unwrap();
        assert_eq!(read(folder.path()).0, [4]);
    }

    #[test]
    fn a_torn_tail_costs_only_what_was_not_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let (mut wal, _) = Wal::open(folder.path(), Disk::default(), |_, _, _| {}).unwrap();
        append(&mut wal, 1, 2);
        let kept = wal.bytes();
        append(&mut wal, 3, 2);
        let path = path_of(folder.path(), 1);
        let whole = fs::read(&path).unwrap();
        for length in kept as usize..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (told, replayed) = read(folder.path());
            assert_eq!(told, [1, 2], "cut at {length}");
            assert_eq!(replayed.torn.len(), usize::from(length > kept as usize));
        }
    }

    proptest! {
        #[test]
        fn any_body_is_survived(bytes: Vec<u8>) {
            let mut count = 0;
            let decoded = decode(&bytes, &mut |_, _, _| count += 1);
            prop_assert!(decoded.is_none() || count <= bytes.len());
        }
    }
}
