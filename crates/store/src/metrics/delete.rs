//! Deleting series by matchers: from the head at once, from blocks when they are merged next.
//!
//! A tombstone says which samples are gone: those that satisfy its matchers, lie in its range, and were
//! stored before it. Readers leave them out.

use std::{fs, io, path::Path, sync::Arc, sync::PoisonError};

use model::{
    Labels, UnixMs,
    series::{MatchOp, Matcher, TimeRange},
};

use super::{AppendError, Inner, Metrics, block::Block, compact, histogram::Point, lock};
use crate::{
    segment::NUMBER_MAX,
    varint::{Reader, put, unzigzag, zigzag},
};

const MAGIC: &[u8; 8] = b"mwgone\0\x01";
/// Tombstones that may wait for merges. Beyond it the blocks they concern are rewritten first.
const TOMBSTONES_MAX: usize = 256;
const OPS: [MatchOp; 4] = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];

/// Samples that were deleted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tombstone {
    /// Blocks with a smaller one have not applied it.
    pub(super) sequence: u64,
    /// The newest segment of the log that may hold such samples.
    pub(super) segment: u64,
    pub(super) range: TimeRange,
    pub(super) matchers: Vec<Matcher>,
}

impl Tombstone {
    pub(super) fn concerns(&self, labels: &Labels) -> bool {
        Matcher::all_match(&self.matchers, labels)
    }

    pub(super) fn covers(&self, time: i64) -> bool {
        (self.range.start.0..=self.range.end.0).contains(&time)
    }
}

/// Removes from points of a series, as a block of that sequence has them, those that were deleted.
pub(super) fn erase(
    tombstones: &[Tombstone],
    sequence: u64,
    labels: &Labels,
    times: &mut Vec<i64>,
    values: &mut Vec<f64>,
) {
    for tombstone in tombstones.iter().filter(|tombstone| tombstone.sequence > sequence) {
        let touches = times.first().is_some_and(|first| *first <= tombstone.range.end.0)
            && times.last().is_some_and(|last| *last >= tombstone.range.start.0);
        if touches && tombstone.concerns(labels) {
            let start = times.partition_point(|time| *time < tombstone.range.start.0);
            let end = times.partition_point(|time| *time <= tombstone.range.end.0);
            times.drain(start..end);
            values.drain(start..end);
        }
    }
}

/// As [`erase`], for histograms.
pub(super) fn erase_histograms(
    tombstones: &[Tombstone],
    sequence: u64,
    labels: &Labels,
    points: &mut Vec<Point>,
) {
    for tombstone in tombstones.iter().filter(|tombstone| tombstone.sequence > sequence) {
        if tombstone.concerns(labels) {
            points.retain(|(time, _)| !tombstone.covers(*time));
        }
    }
}

impl Metrics {
    /// Deletes the samples in `range` of the series that satisfy all matchers. After `Ok` they are gone
    /// for every reader, for good; their space is freed when their blocks are merged.
    pub fn delete(&self, matchers: &[Matcher], range: TimeRange) -> Result<(), AppendError> {
        let result = self.0.delete(matchers, range);
        self.0.note_write_failure(&result);
        result.map_err(|source| AppendError { path: self.0.folder.clone(), source })
    }

    /// Rewrites every block that has deleted samples.
    pub fn clean_tombstones(&self) -> io::Result<()> {
        let _keeper = lock(&self.0.keeper);
        self.0.rewrite_marked_blocks()
    }
}

impl Inner {
    fn delete(&self, matchers: &[Matcher], range: TimeRange) -> io::Result<()> {
        let _keeper = lock(&self.keeper);
        if self.tombstone_list().len() >= TOMBSTONES_MAX {
            self.rewrite_marked_blocks()?;
        }
        // A block that was removed and comes back after a power failure would not know of the tombstone.
        self.discard_unwanted()?;
        self.disk.sync_folder(&self.blocks_folder())?;
        let mut writer = self.writer();
        let tombstone = Tombstone {
            segment: writer.wal.rotate(),
            sequence: self.take_sequence(),
            range,
            matchers: matchers.to_vec(),
        };
        let mut list = self.tombstone_list().to_vec();
        list.push(tombstone);
        let count = list.len();
        let result = self.set_tombstones(list);
        if self.tombstone_list().len() == count {
            let mut head = self.head_mut();
            let wanted = head.matching(matchers);
            head.remove(range, Some(&wanted));
        }
        result
    }

    /// Replaces the list. An error may come when the new file is in place already; the next start goes by
    /// that file then, and so does the list in memory.
    fn set_tombstones(&self, list: Vec<Tombstone>) -> io::Result<()> {
        let (path, content) = (self.folder.join("tombstones"), encode(&list));
        let result = self.disk.replace(&path, &content);
        if result.is_ok() || fs::read(&path).is_ok_and(|found| found == content) {
            *self.tombstones.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
        }
        result
    }

    fn rewrite_marked_blocks(&self) -> io::Result<()> {
        for block in self.block_list().iter() {
            let sequence = block.description.sequence;
            let tombstones = self.tombstone_list();
            let is_marked = tombstones.iter().any(|tombstone| {
                tombstone.sequence > sequence
                    && block.overlaps(tombstone.range)
                    && !block.matching(&tombstone.matchers).is_empty()
            });
            if is_marked {
                compact::merge(self, std::slice::from_ref(block))?;
            }
        }
        self.bury_tombstones()
    }

    /// Forgets the tombstones whose samples are nowhere any more.
    pub(super) fn bury_tombstones(&self) -> io::Result<()> {
        let list = self.tombstone_list();
        if list.is_empty() {
            return Ok(());
        }
        let blocks = self.block_list();
        let oldest = self.writer().wal.oldest_closed();
        let is_needed = |tombstone: &Tombstone| {
            let is_in = |block: &Arc<Block>| {
                block.description.sequence < tombstone.sequence && block.overlaps(tombstone.range)
            };
            oldest.is_some_and(|oldest| oldest <= tombstone.segment) || blocks.iter().any(is_in)
        };
        let needed: Vec<Tombstone> =
            list.iter().filter(|tombstone| is_needed(tombstone)).cloned().collect();
        if needed.len() == list.len() {
            return Ok(());
        }
        // What a power failure could bring back must not find its tombstone gone.
        self.discard_unwanted()?;
        self.disk.sync_folder(&self.blocks_folder())?;
        self.disk.sync_folder(&self.folder.join("wal"))?;
        self.set_tombstones(needed)
    }
}

/// `magic | crc | tombstones`
fn encode(list: &[Tombstone]) -> Vec<u8> {
    let mut body = Vec::new();
    for tombstone in list {
        put(&mut body, tombstone.sequence);
        put(&mut body, tombstone.segment);
        put(&mut body, zigzag(tombstone.range.start.0));
        put(&mut body, zigzag(tombstone.range.end.0));
        put(&mut body, tombstone.matchers.len() as u64);
        for matcher in &tombstone.matchers {
            body.push(OPS.iter().position(|op| *op == matcher.op).unwrap_or(0) as u8);
            for text in [&matcher.name, &matcher.value] {
                put(&mut body, text.len() as u64);
                body.extend_from_slice(text.as_bytes());
            }
        }
    }
    [MAGIC.as_slice(), &crc32c::crc32c(&body).to_le_bytes(), &body].concat()
}

/// Reads the file of a store. The error says that there is one, but damaged.
pub(super) fn read(path: &Path) -> io::Result<Vec<Tombstone>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    decode(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is damaged"))
}

fn decode(bytes: &[u8]) -> Option<Vec<Tombstone>> {
    let mut reader = Reader::new(bytes.strip_prefix(MAGIC)?);
    let crc = reader.u32()?;
    if crc32c::crc32c(reader.rest()) != crc {
        return None;
    }
    let mut list = Vec::new();
    while !reader.is_empty() {
        let mut number = || reader.varint().filter(|number| *number < NUMBER_MAX);
        let (sequence, segment) = (number()?, number()?);
        let start = UnixMs(unzigzag(reader.varint()?));
        let range = TimeRange { start, end: UnixMs(unzigzag(reader.varint()?)) };
        let mut matchers = Vec::new();
        for _ in 0..reader.size()? {
            let op = *OPS.get(usize::from(reader.byte()?))?;
            let mut text = || {
                let length = reader.size()?;
                std::str::from_utf8(reader.bytes(length)?).ok()
            };
            matchers.push(Matcher::new(text()?, op, text()?).ok()?);
        }
        list.push(Tombstone { sequence, segment, range, matchers });
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn round_trip() {
        let matchers =
            vec![Matcher::equal("a", "b"), Matcher::new("c", MatchOp::NotRegex, "x|y").unwrap()];
        let range = TimeRange { start: UnixMs(-5), end: UnixMs::MAX };
        let list = vec![Tombstone { sequence: 3, segment: 7, range, matchers }; 2];
        let bytes = encode(&list);
        assert_eq!(decode(&bytes), Some(list));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None, "flip at {at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body: Vec<u8>) {
            let crc = crc32c::crc32c(&body).to_le_bytes();
            let _ = decode(&[MAGIC.as_slice(), &crc, &body].concat());
        }
    }
}
