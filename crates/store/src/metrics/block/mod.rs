//! Blocks: the samples of a while, immutable, one file each.
//!
//! `magic | columns | index | footer`. A column of times that several series share is stored once; each
//! series has one column of values, or several in a block of rows. Histograms have chunks of their own, of
//! times and one column of what they are encoded to. The index is read in place from the
//! mapped file: sorted strings, series in the order of their labels, and for each label value a bitmap of
//! the series that have it. A block is written under a temporary name, synced and renamed, so a file with
//! a block's name is whole, and checksums tell if it no longer is.

mod index;
mod write;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use model::{
    Labels,
    series::{Matcher, TimeRange},
};

use self::index::{Column, Index};
pub(crate) use self::write::{Description, Writer};
use super::{
    codec,
    histogram::{ENCODED_BYTES_MAX, Encoded, Point},
    map::Mapped,
};
use crate::varint::Reader;

const MAGIC: &[u8; 8] = b"mwblock\x02";
/// Offset, length and checksum of the index, and the magic again.
const FOOTER_BYTES: usize = 8 + 8 + 4 + 8;
/// A reader keeps shared columns of times decoded up to so many points, a megabyte, which stays in the
/// cache of a core; then it starts anew. Series that share one need not follow each other.
const TIMES_KEPT_MAX: usize = 1 << 17;
/// A chunk of histograms that is larger than this takes no more.
const HISTOGRAM_CHUNK_BYTES: usize = 256 << 10;
/// What its column has at most: the last histogram may be the largest there is.
const HISTOGRAM_COLUMN_BYTES_MAX: usize = HISTOGRAM_CHUNK_BYTES + ENCODED_BYTES_MAX + 16;

/// A stretch of time whose samples, as far as the log had them up to a segment, are in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cover {
    pub(crate) range: TimeRange,
    /// The newest segment whose samples of this range it holds.
    pub(crate) segment: u64,
}

/// An open block.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) path: PathBuf,
    pub(crate) description: Description,
    /// First and last time of a sample.
    pub(crate) range: TimeRange,
    pub(crate) bytes: u64,
    map: Mapped,
    index: Index,
    has_histograms: OnceLock<bool>,
}

/// A file that is not a good block.
#[derive(Debug)]
pub(crate) enum BlockError {
    Damaged(&'static str),
    Io(io::Error),
}

impl From<io::Error> for BlockError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<BlockError> for io::Error {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Io(error) => error,
            BlockError::Damaged(reason) => Self::new(io::ErrorKind::InvalidData, reason),
        }
    }
}

/// One series of a block, to be decoded or only looked at.
pub(crate) struct Entry<'a> {
    block: &'a Block,
    ordinal: u32,
    chunks: Chunks,
}

/// Where the points of a series lie: its floats, or the rows of them, and its histograms.
#[derive(Debug, Default)]
struct Chunks {
    floats: Vec<ChunkRef>,
    histograms: Vec<ChunkRef>,
}

/// Where some points of a series lie.
#[derive(Clone, Debug, PartialEq)]
struct ChunkRef {
    first: i64,
    last: i64,
    count: usize,
    times: Column,
    values: Vec<Column>,
}

/// What one reading of a block keeps from series to series.
#[derive(Default)]
pub(crate) struct Scratch {
    plain: Vec<u8>,
    values: Vec<f64>,
    /// Values of the first column, which others may lie beside.
    first: Vec<f64>,
    /// By block and offset in its file.
    times: HashMap<(u64, u64), Arc<Vec<i64>>>,
    /// Points of these.
    times_kept: usize,
    /// Columns that could not be read.
    pub(crate) damaged: u64,
}

impl Block {
    pub(crate) fn open(path: &Path) -> Result<Self, BlockError> {
        let map = Mapped::open(path)?;
        let damaged = BlockError::Damaged;
        if map.len() < MAGIC.len() + FOOTER_BYTES
            || !map.starts_with(MAGIC)
            || !map.ends_with(MAGIC)
        {
            return Err(damaged("it does not begin and end as a block does"));
        }
        let footer_at = map.len() - FOOTER_BYTES;
        let mut footer = Reader::new(&map[footer_at..]);
        let (Some(offset), Some(length), Some(crc)) = (footer.u64(), footer.u64(), footer.u32())
        else {
            return Err(damaged("its footer is too short"));
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        if start > end || end > footer_at || crc32c::crc32c(&map[start..end]) != crc {
            return Err(damaged("the checksum of its index is wrong"));
        }
        let (head, index) = Index::open(&map[start..end], start)
            .ok_or(BlockError::Damaged("its index makes no sense"))?;
        let bytes = map.len() as u64;
        let index::Head { description, range } = head;
        let has_histograms = OnceLock::new();
        Ok(Self { path: path.into(), description, range, bytes, map, index, has_histograms })
    }

    /// The series that satisfy the matchers, by their place in the block.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> roaring::RoaringBitmap {
        // The checksum was right, so the index is what was written; a reader that gives up on
        // anything else is enough.
        self.index.matching(&self.map, matchers).unwrap_or_default()
    }

    /// Whether any series has some, which is found out once: most blocks have none.
    pub(crate) fn has_histograms(&self) -> bool {
        *self.has_histograms.get_or_init(|| {
            let mut entries = (0..self.series_count()).filter_map(|ordinal| self.entry(ordinal));
            entries.any(|entry| !entry.chunks.histograms.is_empty())
        })
    }

    pub(crate) fn series_count(&self) -> u32 {
        self.index.series_count()
    }

    pub(crate) fn entry(&self, ordinal: u32) -> Option<Entry<'_>> {
        let chunks = self.index.chunks(&self.map, ordinal, self.description.columns)?;
        Some(Entry { block: self, ordinal, chunks })
    }

    /// The plain bytes of one column of a chunk.
    fn plain<'a>(
        &'a self,
        chunk: &ChunkRef,
        column: usize,
        buffer: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        let bytes = self.column(*chunk.values.get(column)?)?;
        codec::open_column(bytes, chunk.count, buffer)
    }

    fn column(&self, column: Column) -> Option<&[u8]> {
        let start = usize::try_from(column.offset).ok()?;
        self.map.get(start..start.checked_add(column.length)?)
    }

    pub(crate) fn overlaps(&self, range: TimeRange) -> bool {
        self.range.start <= range.end && range.start <= self.range.end
    }
}

impl Entry<'_> {
    pub(crate) fn labels(&self) -> Option<Labels> {
        self.block.index.labels(&self.block.map, self.ordinal)
    }

    /// Whether it may have floats in `range`.
    pub(crate) fn overlaps(&self, range: TimeRange) -> bool {
        self.chunks.floats.iter().any(|chunk| chunk.overlaps(range))
    }

    pub(crate) fn has_histograms(&self, range: TimeRange) -> bool {
        self.chunks.histograms.iter().any(|chunk| chunk.overlaps(range))
    }

    /// The time that its block is about.
    pub(crate) fn range(&self) -> TimeRange {
        self.block.range
    }

    /// When its block was written, among all of them.
    pub(crate) fn sequence(&self) -> u64 {
        self.block.description.sequence
    }

    /// About how many floats it has in `range`.
    pub(crate) fn count_in(&self, range: TimeRange) -> usize {
        self.chunks.floats.iter().map(|chunk| chunk.count_in(range)).sum()
    }

    /// The histograms in `range`. Damaged chunks are counted and left out.
    pub(crate) fn histograms(&self, range: TimeRange, scratch: &mut Scratch) -> Vec<Point> {
        let mut points = Vec::new();
        for chunk in self.chunks.histograms.iter().filter(|chunk| chunk.overlaps(range)) {
            match self.decode_histograms(chunk, scratch) {
                Some(all) => points.extend(all),
                None => scratch.damaged += 1,
            }
        }
        points.retain(|(time, _)| (range.start.0..=range.end.0).contains(time));
        points
    }

    fn decode_histograms(&self, chunk: &ChunkRef, scratch: &mut Scratch) -> Option<Vec<Point>> {
        let times = scratch.times(self.block, chunk)?;
        let column = self.block.column(*chunk.values.first()?)?;
        let plain = codec::open_bytes(column, HISTOGRAM_COLUMN_BYTES_MAX, &mut scratch.plain)?;
        let mut reader = Reader::new(plain);
        let mut points = Vec::with_capacity(times.len());
        for time in times.iter() {
            let length = reader.size()?;
            points.push((*time, Encoded::from(reader.bytes(length)?)));
        }
        reader.is_empty().then_some(points)
    }

    /// Appends the points in `range`, with the values of one column. Damaged chunks are counted and left
    /// out.
    pub(crate) fn decode(
        &self,
        range: TimeRange,
        column: usize,
        scratch: &mut Scratch,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) {
        for chunk in self.chunks.floats.iter().filter(|chunk| chunk.overlaps(range)) {
            let (times_before, values_before) = (times.len(), values.len());
            if self.decode_chunk(chunk, column, range, scratch, times, values).is_none() {
                times.truncate(times_before);
                values.truncate(values_before);
                scratch.damaged += 1;
            }
        }
    }

    fn decode_chunk(
        &self,
        chunk: &ChunkRef,
        column: usize,
        range: TimeRange,
        scratch: &mut Scratch,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) -> Option<()> {
        let shared = scratch.times(self.block, chunk)?;
        let is_whole = chunk.first >= range.start.0 && chunk.last <= range.end.0;
        if is_whole && column == 0 {
            times.extend_from_slice(&shared);
            let plain = self.block.plain(chunk, 0, &mut scratch.plain)?;
            return codec::read_values(plain, chunk.count, values);
        }
        self.decode_column(chunk, column, scratch)?;
        let from = shared.partition_point(|time| *time < range.start.0);
        let to = shared.partition_point(|time| *time <= range.end.0).max(from);
        times.extend_from_slice(&shared[from..to]);
        values.extend_from_slice(scratch.values.get(from..to)?);
        Some(())
    }

    /// All values of one column of a chunk, into `scratch.values`.
    fn decode_column(&self, chunk: &ChunkRef, column: usize, scratch: &mut Scratch) -> Option<()> {
        let Scratch { plain, values, first, .. } = scratch;
        values.clear();
        let bytes = self.block.plain(chunk, column, plain)?;
        if !codec::is_beside(bytes) || column == 0 {
            return codec::read_values(bytes, chunk.count, values);
        }
        let bytes = bytes.to_vec();
        first.clear();
        codec::read_values(self.block.plain(chunk, 0, plain)?, chunk.count, first)?;
        codec::read_values_beside(&bytes, first, values)
    }
}

impl ChunkRef {
    fn overlaps(&self, range: TimeRange) -> bool {
        self.last >= range.start.0 && self.first <= range.end.0
    }

    /// About how many of its points are in `range`, as if they were evenly spread.
    fn count_in(&self, range: TimeRange) -> usize {
        if !self.overlaps(range) {
            return 0;
        }
        let span = |from: i64, to: i64| to.saturating_sub(from) as f64;
        let inside = span(self.first.max(range.start.0), self.last.min(range.end.0));
        let share = inside / span(self.first, self.last).max(1.0);
        ((self.count as f64 * share) as usize + 1).min(self.count)
    }
}

impl Scratch {
    fn times(&mut self, block: &Block, chunk: &ChunkRef) -> Option<Arc<Vec<i64>>> {
        let place = (block.description.sequence, chunk.times.offset);
        if let Some(times) = self.times.get(&place) {
            return (times.len() == chunk.count).then(|| Arc::clone(times));
        }
        let bytes = block.column(chunk.times)?;
        let plain = codec::open_column(bytes, chunk.count, &mut self.plain)?;
        let mut times = Vec::new();
        codec::read_times(plain, chunk.count, &mut times)?;
        let times = Arc::new(times);
        if self.times_kept >= TIMES_KEPT_MAX {
            self.times.clear();
            self.times_kept = 0;
        }
        self.times_kept += times.len();
        self.times.insert(place, Arc::clone(&times));
        Some(times)
    }
}

#[cfg(test)]
mod tests {
    use model::{UnixMs, series::MatchOp};
    use proptest::prelude::*;

    use super::*;
    use crate::disk::Disk;

    const ALL: TimeRange = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };

    fn description() -> Description {
        let range = TimeRange { start: UnixMs(0), end: UnixMs(7_199_999) };
        Description {
            sequence: 1,
            covers: vec![Cover { range, segment: 7 }],
            parents: vec![3, 4],
            resolution_ms: 0,
            columns: 1,
        }
    }

    fn example(folder: &Path) -> Block {
        let mut writer = Writer::create(folder, &Disk::default(), description()).unwrap();
        for index in 0..3 {
            let labels = Labels::metric("m", [("i", index.to_string()), ("job", "j".into())]);
            let times: Vec<i64> = (0..8_000).map(|step| step * 1_000).collect();
            let values: Vec<f64> = times.iter().map(|time| (*time + index) as f64).collect();
            let histograms: Vec<Point> =
                (0..index * 1_000).map(|time| (time, vec![index as u8; 300].into())).collect();
            writer.add(&labels, &times, &[&values], &histograms).unwrap();
        }
        writer.finish().unwrap()
    }

    fn select(block: &Block, matchers: &[Matcher], range: TimeRange) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        let mut scratch = Scratch::default();
        for ordinal in block.matching(matchers) {
            let entry = block.entry(ordinal).unwrap();
            let (mut times, mut values) = (Vec::new(), Vec::new());
            entry.decode(range, 0, &mut scratch, &mut times, &mut values);
            assert_eq!(times.len(), values.len());
            assert!(times.iter().zip(&values).all(|(time, value)| *value - *time as f64 <= 2.0));
            found.push((entry.labels().unwrap().to_string(), times.len()));
        }
        assert_eq!(scratch.damaged, 0);
        found
    }

    #[test]
    fn selecting() {
        let folder = tempfile::tempdir().unwrap();
        let block = example(folder.path());
        assert_eq!(block.description, description());
        assert_eq!((block.range.start.0, block.range.end.0), (0, 7_999_000));
        assert_eq!(select(&block, &[], ALL).len(), 3);
        let one = [Matcher::equal("i", "1")];
        assert_eq!(select(&block, &one, ALL), [(r#"m{i="1", job="j"}"#.into(), 8_000)]);
        let range = TimeRange { start: UnixMs(5_000), end: UnixMs(7_500) };
        assert_eq!(select(&block, &one, range), [(r#"m{i="1", job="j"}"#.into(), 3)]);
        let count = |name: &str, op, value: &str| {
            block.matching(&[Matcher::new(name, op, value).unwrap()]).len()
        };
        assert_eq!(count("i", MatchOp::NotRegex, "0|1"), 1);
        assert_eq!(count("i", MatchOp::Regex, "0|1"), 2);
        assert_eq!(count("i", MatchOp::NotEqual, "0"), 2);
        assert_eq!(count("i", MatchOp::NotEqual, ""), 3);
        assert_eq!(count("i", MatchOp::Equal, ""), 0);
        assert_eq!(count("i", MatchOp::Equal, "7"), 0);
        assert_eq!(count("absent", MatchOp::Equal, ""), 3);
        assert_eq!(count("absent", MatchOp::Equal, "x"), 0);
        assert_eq!(count("absent", MatchOp::Regex, ".*"), 3);
    }

    #[test]
    fn points_in_a_range_are_estimated() {
        let folder = tempfile::tempdir().unwrap();
        let block = example(folder.path());
        let entry = block.entry(0).unwrap();
        let count = |start, end| {
            entry.count_in(TimeRange { start: UnixMs(start), end: UnixMs(end) }) as i64
        };
        assert_eq!(count(i64::MIN, i64::MAX), 8_000);
        assert_eq!(count(-1_000, -1), 0);
        assert_eq!(count(8_000_000, i64::MAX), 0);
        assert_eq!(count(5_000, 5_000), 1);
        assert!((count(1_000_000, 1_600_000) - 600).abs() < 10, "{}", count(1_000_000, 1_600_000));
        assert!((count(4_000_000, i64::MAX) - 4_000).abs() < 10, "{}", count(4_000_000, i64::MAX));
    }

    #[test]
    fn histograms() {
        let folder = tempfile::tempdir().unwrap();
        let block = example(folder.path());
        let mut scratch = Scratch::default();
        let range = TimeRange { start: UnixMs(990), end: UnixMs(UnixMs::MAX.0) };
        for (ordinal, count) in [(0, 0), (1, 10), (2, 1_010)] {
            let entry = block.entry(ordinal).unwrap();
            let found = entry.histograms(range, &mut scratch);
            let expected = (990..990 + count).map(|time| (time, vec![ordinal as u8; 300].into()));
            assert!(found == expected.collect::<Vec<Point>>(), "series {ordinal}");
            assert_eq!(entry.has_histograms(range), count > 0);
        }
        assert!(block.entry(2).unwrap().chunks.histograms.len() > 1, "they are bounded in bytes");
        assert_eq!(scratch.damaged, 0);
    }

    #[test]
    fn times_that_series_share_are_stored_once() {
        let folder = tempfile::tempdir().unwrap();
        let block = example(folder.path());
        let offsets = |ordinal| -> Vec<u64> {
            block
                .entry(ordinal)
                .unwrap()
                .chunks
                .floats
                .iter()
                .map(|chunk| chunk.times.offset)
                .collect()
        };
        assert_eq!(offsets(0), offsets(2));
    }

    #[test]
    fn damage_to_the_index_is_noticed_and_to_a_column_costs_its_chunk() {
        let folder = tempfile::tempdir().unwrap();
        let path = example(folder.path()).path;
        let whole = std::fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        let in_index = whole.len() - FOOTER_BYTES - 3;
        bytes[in_index] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(Block::open(&path), Err(BlockError::Damaged(_))));
        let first = Block::open(&{
            std::fs::write(&path, &whole).unwrap();
            path.clone()
        })
        .unwrap();
        let chunks = first.entry(1).unwrap().chunks;
        let at = chunks.floats[0].values[0].offset as usize;
        let at_histograms = chunks.histograms[0].values[0].offset as usize;
        drop(first);
        let mut bytes = whole;
        bytes[at + 5] ^= 1;
        bytes[at_histograms + 5] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let block = Block::open(&path).unwrap();
        let mut scratch = Scratch::default();
        let (mut times, mut values) = (Vec::new(), Vec::new());
        block.entry(1).unwrap().decode(ALL, 0, &mut scratch, &mut times, &mut values);
        assert_eq!(scratch.damaged, 1);
        assert_eq!(times.len(), values.len());
        assert!(!times.is_empty() && times.len() < 8_000, "{}", times.len());
        let left = block.entry(1).unwrap().histograms(ALL, &mut scratch).len();
        assert!(left > 0 && left < 1_000, "{left}");
        assert_eq!(scratch.damaged, 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_file_is_survived(bytes: Vec<u8>, framed: bool) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.block");
            let mut file = bytes;
            if framed {
                let crc = crc32c::crc32c(&file);
                let length = file.len() as u64;
                file = [
                    MAGIC.as_slice(), &file, &8_u64.to_le_bytes(), &length.to_le_bytes(),
                    &crc.to_le_bytes(), MAGIC,
                ]
                .concat();
            }
            std::fs::write(&path, &file).unwrap();
            if let Ok(block) = Block::open(&path) {
                for ordinal in block.matching(&[Matcher::equal("a", "b")]).into_iter().take(10) {
                    drop(block.entry(ordinal).map(|entry| entry.labels()));
                }
            }
        }

        #[test]
        fn any_flip_in_an_index_is_survived(flip: prop::sample::Index, bit in 0_u8..8) {
            let folder = tempfile::tempdir().unwrap();
            let path = example(folder.path()).path;
            let mut file = std::fs::read(&path).unwrap();
            let footer = file.len() - FOOTER_BYTES;
            let mut reader = Reader::new(&file[footer..]);
            let start = reader.u64().unwrap() as usize;
            let at = start + flip.index(footer - start);
            file[at] ^= 1 << bit;
            // With a checksum that fits again, as an attacker would.
            let crc = crc32c::crc32c(&file[start..footer]).to_le_bytes();
            file[footer + 16..footer + 20].copy_from_slice(&crc);
            std::fs::write(&path, &file).unwrap();
            if let Ok(block) = Block::open(&path) {
                let mut scratch = Scratch::default();
                for ordinal in block.matching(&[Matcher::equal("i", "1")]) {
                    let Some(entry) = block.entry(ordinal) else { continue };
                    drop(entry.labels());
                    entry.decode(ALL, 0, &mut scratch, &mut Vec::new(), &mut Vec::new());
                    entry.histograms(ALL, &mut scratch);
                }
            }
        }
    }
}
