//! Blocks: the samples of one span of time, immutable, one file each.
//!
//! `magic | chunks | index | footer`. The index is read in place from the mapped file: a table of
//! distinct strings, then for each series its labels (as numbers of strings) and its chunks. A block is
//! written under a temporary name, synced and renamed, so a file with a block's name is whole, and the
//! footer's checksum tells if it no longer is.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use model::{
    Labels,
    series::{Matcher, TimeRange},
};

use super::{codec, map::Mapped};
use crate::{
    fsync_folder,
    varint::{Reader, put, unzigzag, zigzag},
};

const MAGIC: &[u8; 8] = b"mwblock\x01";
/// index offset, index length, index checksum, span, newest log segment, sequence, magic.
const FOOTER_BYTES: usize = 8 + 8 + 4 + 8 + 8 + 8 + 8;
/// Points of a chunk on disk: longer ones compress better and cost more per narrow query.
const CHUNK_POINTS: usize = 720;

/// An open block.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) path: PathBuf,
    /// Which multiple of the store's span it covers.
    pub(crate) span: i64,
    /// The newest log segment whose samples of this span it holds.
    pub(crate) wal_number: u64,
    pub(crate) sequence: u64,
    pub(crate) bytes: u64,
    map: Mapped,
    index: std::ops::Range<usize>,
}

/// Where a chunk lies.
struct ChunkRef {
    first: i64,
    last: i64,
    offset: usize,
    length: usize,
    crc: u32,
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
        let mut field = || footer.u64().ok_or(BlockError::Damaged("its footer is too short"));
        let (offset, length) = (field()?, field()?);
        let crc = footer.u32().ok_or(BlockError::Damaged("its footer is too short"))?;
        let mut field = || footer.u64().ok_or(BlockError::Damaged("its footer is too short"));
        let (span, wal_number, sequence) = (field()? as i64, field()?, field()?);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        if start > end || end > footer_at || crc32c::crc32c(&map[start..end]) != crc {
            return Err(damaged("the checksum of its index is wrong"));
        }
        let bytes = map.len() as u64;
        Ok(Self { path: path.into(), span, wal_number, sequence, bytes, map, index: start..end })
    }

    /// Calls `found` with the labels and the points in `range` of each series that satisfies the
    /// matchers, until it returns false. Returns how many chunks were damaged and left out.
    pub(crate) fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        mut found: impl FnMut(Labels, Vec<i64>, Vec<f64>) -> bool,
    ) -> u64 {
        let mut damaged = 0;
        self.walk(matchers, |labels, chunks| {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            for chunk in chunks {
                if chunk.last < range.start.0 || chunk.first > range.end.0 {
                    continue;
                }
                let bytes = self.map.get(chunk.offset..chunk.offset.saturating_add(chunk.length));
                let bytes = bytes.filter(|bytes| crc32c::crc32c(bytes) == chunk.crc);
                let decoded = bytes.and_then(|bytes| codec::decode(bytes, &mut times, &mut values));
                damaged += u64::from(decoded.is_none());
            }
            clip(&mut times, &mut values, range);
            times.is_empty() || found(labels, times, values)
        });
        damaged
    }

    /// Calls `found` with the labels of each series that satisfies the matchers and may have a point
    /// in `range`.
    pub(crate) fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        mut found: impl FnMut(Labels),
    ) {
        self.walk(matchers, |labels, chunks| {
            let overlaps =
                |chunk: &ChunkRef| chunk.last >= range.start.0 && chunk.first <= range.end.0;
            if chunks.iter().any(overlaps) {
                found(labels);
            }
            true
        });
    }

    fn walk(&self, matchers: &[Matcher], found: impl FnMut(Labels, &[ChunkRef]) -> bool) {
        // The checksum was right, so the index is what was written; a parser that stops early on
        // anything else is enough.
        let walked = walk_index(&self.map[self.index.clone()], matchers, found);
        debug_assert!(walked.is_some(), "an index that was written can be read");
    }
}

/// Keeps the points in `range`.
pub(crate) fn clip(times: &mut Vec<i64>, values: &mut Vec<f64>, range: TimeRange) {
    let end = times.partition_point(|time| *time <= range.end.0);
    let start = times.partition_point(|time| *time < range.start.0).min(end);
    times.truncate(end);
    values.truncate(end);
    times.drain(..start);
    values.drain(..start);
}

/// What a matcher says about each string of the table: asked once per distinct value, not per series.
struct Question<'a> {
    name: Option<u64>,
    matcher: &'a Matcher,
    matches_absent: bool,
    answers: HashMap<u64, bool>,
}

fn walk_index(
    index: &[u8],
    matchers: &[Matcher],
    mut found: impl FnMut(Labels, &[ChunkRef]) -> bool,
) -> Option<()> {
    let mut reader = Reader::new(index);
    let count = reader.size()?;
    let mut strings: Vec<&str> = Vec::new();
    for _ in 0..count {
        let length = reader.size()?;
        strings.push(std::str::from_utf8(reader.bytes(length)?).ok()?);
    }
    let mut questions: Vec<Question<'_>> = matchers
        .iter()
        .map(|matcher| Question {
            name: strings.iter().position(|text| *text == matcher.name).map(|at| at as u64),
            matcher,
            matches_absent: matcher.matches(""),
            answers: HashMap::new(),
        })
        .collect();
    let (mut pairs, mut chunks) = (Vec::new(), Vec::new());
    while !reader.is_empty() {
        pairs.clear();
        for _ in 0..reader.size()? {
            pairs.push((reader.varint()?, reader.varint()?));
        }
        read_chunks(&mut reader, &mut chunks)?;
        let matches = questions.iter_mut().all(|question| {
            let value = pairs.iter().find(|(name, _)| Some(*name) == question.name);
            let Some((_, value)) = value else { return question.matches_absent };
            let text = usize::try_from(*value).ok().and_then(|at| strings.get(at));
            let matcher = question.matcher;
            *question
                .answers
                .entry(*value)
                .or_insert_with(|| text.is_some_and(|text| matcher.matches(text)))
        });
        if matches {
            let text = |at: u64| strings.get(usize::try_from(at).ok()?).copied();
            let texts: Option<Vec<_>> =
                pairs.iter().map(|(name, value)| Some((text(*name)?, text(*value)?))).collect();
            if !found(Labels::from_pairs(texts?), &chunks) {
                break;
            }
        }
    }
    Some(())
}

fn read_chunks(reader: &mut Reader<'_>, chunks: &mut Vec<ChunkRef>) -> Option<()> {
    chunks.clear();
    for _ in 0..reader.size()? {
        let first = unzigzag(reader.varint()?);
        let last = first.checked_add(i64::try_from(reader.varint()?).ok()?)?;
        let (offset, length, crc) = (reader.size()?, reader.size()?, reader.u32()?);
        chunks.push(ChunkRef { first, last, offset, length, crc });
    }
    Some(())
}

/// Writes a block of `series` (labels, times ascending, values) and opens it.
pub(crate) fn write(
    folder: &Path,
    span: i64,
    wal_number: u64,
    sequence: u64,
    series: impl Iterator<Item = (Labels, Vec<i64>, Vec<f64>)>,
) -> Result<Block, BlockError> {
    let name = format!("{span:+012}-{sequence:010}.block");
    let (temporary, path) = (folder.join(format!("{name}.tmp")), folder.join(&name));
    let written = write_file(&temporary, span, wal_number, sequence, series)
        .and_then(|()| fs::rename(&temporary, &path))
        .and_then(|()| fsync_folder(folder));
    if let Err(error) = written {
        drop(fs::remove_file(&temporary));
        return Err(error.into());
    }
    Block::open(&path)
}

fn write_file(
    path: &Path,
    span: i64,
    wal_number: u64,
    sequence: u64,
    series: impl Iterator<Item = (Labels, Vec<i64>, Vec<f64>)>,
) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(MAGIC)?;
    let mut offset = MAGIC.len();
    let mut strings = Strings::default();
    let mut table = Vec::new();
    for (labels, times, values) in series {
        put(&mut table, labels.len() as u64);
        for (name, value) in labels.iter() {
            put(&mut table, strings.number(name));
            put(&mut table, strings.number(value));
        }
        let pieces = times.chunks(CHUNK_POINTS).zip(values.chunks(CHUNK_POINTS));
        put(&mut table, pieces.len() as u64);
        for (times, values) in pieces {
            let chunk = codec::encode(times, values);
            out.write_all(&chunk)?;
            let (first, last) = (times[0], times[times.len() - 1]);
            put(&mut table, zigzag(first));
            put(&mut table, last.abs_diff(first));
            put(&mut table, offset as u64);
            put(&mut table, chunk.len() as u64);
            table.extend_from_slice(&crc32c::crc32c(&chunk).to_le_bytes());
            offset += chunk.len();
        }
    }
    let mut index = strings.table();
    index.extend_from_slice(&table);
    out.write_all(&index)?;
    out.write_all(&(offset as u64).to_le_bytes())?;
    out.write_all(&(index.len() as u64).to_le_bytes())?;
    out.write_all(&crc32c::crc32c(&index).to_le_bytes())?;
    for field in [span as u64, wal_number, sequence] {
        out.write_all(&field.to_le_bytes())?;
    }
    out.write_all(MAGIC)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Distinct strings in the order of their first use.
#[derive(Default)]
struct Strings {
    numbers: HashMap<String, u64>,
    order: Vec<String>,
}

impl Strings {
    fn number(&mut self, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.order.len() as u64;
        self.numbers.insert(text.to_owned(), number);
        self.order.push(text.to_owned());
        number
    }

    fn table(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, self.order.len() as u64);
        for text in &self.order {
            put(&mut out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use model::{
        UnixMs,
        series::{MatchOp, Matcher},
    };
    use proptest::prelude::*;

    use super::*;

    const ALL: TimeRange = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };

    fn example(folder: &Path) -> Block {
        let series = (0..3).map(|index| {
            let labels = Labels::metric("m", [("i", index.to_string())]);
            let times: Vec<i64> = (0..2_000).map(|step| step * 1_000).collect();
            let values = times.iter().map(|time| (*time + index) as f64).collect();
            (labels, times, values)
        });
        write(folder, 0, 7, 1, series).unwrap()
    }

    fn select(block: &Block, matchers: &[Matcher], range: TimeRange) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        let damaged = block.select(matchers, range, |labels, times, values| {
            assert_eq!(times.len(), values.len());
            found.push((labels.to_string(), times.len()));
            true
        });
        assert_eq!(damaged, 0);
        found
    }

    #[test]
    fn selecting() {
        let folder = tempfile::tempdir().unwrap();
        let block = example(folder.path());
        assert_eq!((block.span, block.wal_number), (0, 7));
        assert_eq!(select(&block, &[], ALL).len(), 3);
        let one = [Matcher::equal("i", "1")];
        assert_eq!(select(&block, &one, ALL), [(r#"m{i="1"}"#.into(), 2_000)]);
        let range = TimeRange { start: UnixMs(5_000), end: UnixMs(7_500) };
        assert_eq!(select(&block, &one, range), [(r#"m{i="1"}"#.into(), 3)]);
        let others = [Matcher::new("i", MatchOp::NotRegex, "0|1").unwrap()];
        assert_eq!(select(&block, &others, ALL).len(), 1);
        assert_eq!(select(&block, &[Matcher::equal("absent", "")], ALL).len(), 3);
        assert_eq!(select(&block, &[Matcher::equal("absent", "x")], ALL).len(), 0);
    }

    #[test]
    fn damage_to_the_index_is_noticed_and_to_a_chunk_costs_the_chunk() {
        let folder = tempfile::tempdir().unwrap();
        let path = example(folder.path()).path;
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        let in_index = whole.len() - FOOTER_BYTES - 3;
        bytes[in_index] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(Block::open(&path), Err(BlockError::Damaged(_))));
        let mut bytes = whole;
        bytes[MAGIC.len() + 20] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let block = Block::open(&path).unwrap();
        assert_eq!(block.select(&[], ALL, |_, _, _| true), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_file_is_survived(bytes: Vec<u8>, framed: bool) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.block");
            let mut file = bytes;
            if framed {
                file = [MAGIC.as_slice(), &file, &[0; FOOTER_BYTES - MAGIC.len()], MAGIC].concat();
            }
            fs::write(&path, &file).unwrap();
            drop(Block::open(&path));
        }

        #[test]
        fn any_index_is_survived(bytes: Vec<u8>) {
            let walked = walk_index(&bytes, &[Matcher::equal("a", "b")], |_, _| true);
            let _ = walked;
        }
    }
}
