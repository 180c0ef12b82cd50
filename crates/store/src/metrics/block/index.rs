//! A block's index, read in place: tables of fixed-width numbers over strings, series and postings.

use std::ops::Range;

use model::{
    Labels, UnixMs,
    limits::LABELS_MAX,
    series::{MatchOp, Matcher, TimeRange},
};
use roaring::RoaringBitmap;

use super::{ChunkRef, Chunks, Cover, Description};
use crate::{
    metrics::codec::POINTS_MAX,
    segment::NUMBER_MAX,
    varint::{Reader, unzigzag},
};

/// Most columns of values of one chunk; a larger number is damage.
const COLUMNS_MAX: usize = 16;
/// Bytes of a row in the tables of names and of values.
const PAIR_BYTES: usize = 8;

/// Where a column lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) offset: u64,
    pub(super) length: usize,
}

/// What stands before the tables.
pub(super) struct Head {
    pub(super) description: Description,
    pub(super) range: TimeRange,
}

/// Where the tables lie in the file.
#[derive(Debug)]
pub(super) struct Index {
    /// Ends of the strings, u32 each; the strings themselves, sorted.
    string_ends: Range<usize>,
    strings: Range<usize>,
    entry_ends: Range<usize>,
    entries: Range<usize>,
    /// Number of a label name's string and its first row in `values`, u32 each, sorted.
    names: Range<usize>,
    /// Number of a label value's string and end of its bitmap in `postings`, u32 each, sorted per name.
    values: Range<usize>,
    postings: Range<usize>,
}

fn u32_at(table: &[u8], index: usize) -> Option<u32> {
    let start = index.checked_mul(4)?;
    Some(u32::from_le_bytes(table.get(start..start.checked_add(4)?)?.try_into().ok()?))
}

/// The piece of `blob` that ends where `ends` says.
fn piece<'a>(ends: &[u8], blob: &'a [u8], index: usize) -> Option<&'a [u8]> {
    let start = match index.checked_sub(1) {
        Some(before) => u32_at(ends, before)? as usize,
        None => 0,
    };
    blob.get(start..u32_at(ends, index)? as usize)
}

impl Index {
    /// Reads what stands before the tables. `base` is where `bytes` begins in the file.
    pub(super) fn open(bytes: &[u8], base: usize) -> Option<(Head, Self)> {
        let mut reader = Reader::new(bytes);
        let head = read_head(&mut reader)?;
        let counts = [reader.size()?, reader.size()?, reader.size()?, reader.size()?];
        let blobs = [reader.size()?, reader.size()?, reader.size()?];
        let mut at = base + (bytes.len() - reader.rest().len());
        let end = base + bytes.len();
        let mut section = |length: Option<usize>| {
            let start = at;
            at = start.checked_add(length?).filter(|at| *at <= end)?;
            Some(start..at)
        };
        let index = Self {
            string_ends: section(counts[0].checked_mul(4))?,
            strings: section(Some(blobs[0]))?,
            entry_ends: section(counts[1].checked_mul(4))?,
            entries: section(Some(blobs[1]))?,
            names: section(counts[2].checked_mul(PAIR_BYTES))?,
            values: section(counts[3].checked_mul(PAIR_BYTES))?,
            postings: section(Some(blobs[2]))?,
        };
        Some((head, index))
    }

    pub(super) fn series_count(&self) -> u32 {
        u32::try_from(self.entry_ends.len() / 4).unwrap_or(u32::MAX)
    }

    fn string<'a>(&self, file: &'a [u8], number: usize) -> Option<&'a str> {
        let ends = file.get(self.string_ends.clone())?;
        let text = piece(ends, file.get(self.strings.clone())?, number)?;
        std::str::from_utf8(text).ok()
    }

    pub(super) fn labels(&self, file: &[u8], ordinal: u32) -> Option<Labels> {
        let mut reader = self.entry(file, ordinal)?;
        let count = reader.size().filter(|count| *count <= LABELS_MAX)?;
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            let (name, value) = (reader.size()?, reader.size()?);
            pairs.push((self.string(file, name)?, self.string(file, value)?));
        }
        Some(Labels::from_ordered_pairs(&pairs))
    }

    pub(super) fn chunks(&self, file: &[u8], ordinal: u32, columns: usize) -> Option<Chunks> {
        let mut reader = self.entry(file, ordinal)?;
        for _ in 0..reader.size()?.checked_mul(2)? {
            reader.varint()?;
        }
        let mut chunks = Chunks::default();
        while !reader.is_empty() {
            let first = unzigzag(reader.varint()?);
            let last = first.checked_add(i64::try_from(reader.varint()?).ok()?)?;
            let mut count = reader.size()?;
            // A chunk of no floats is one of histograms, whose number follows.
            let is_histograms = count == 0;
            if is_histograms {
                count = reader.size()?;
            }
            if !(1..=POINTS_MAX).contains(&count) {
                return None;
            }
            let times = read_column(&mut reader)?;
            let columns = if is_histograms { 1 } else { columns };
            let mut values = Vec::with_capacity(columns);
            for _ in 0..columns {
                values.push(read_column(&mut reader)?);
            }
            let list = if is_histograms { &mut chunks.histograms } else { &mut chunks.floats };
            list.push(ChunkRef { first, last, count, times, values });
        }
        Some(chunks)
    }

    fn entry<'a>(&self, file: &'a [u8], ordinal: u32) -> Option<Reader<'a>> {
        let ends = file.get(self.entry_ends.clone())?;
        Some(Reader::new(piece(ends, file.get(self.entries.clone())?, ordinal as usize)?))
    }

    /// The series that satisfy all matchers; `None` when the index is damaged.
    pub(super) fn matching(&self, file: &[u8], matchers: &[Matcher]) -> Option<RoaringBitmap> {
        let mut result: Option<RoaringBitmap> = None;
        // Matchers that an absent label satisfies can only take away, so they come last.
        for matcher in matchers.iter().filter(|matcher| !matcher.matches("")) {
            let found = self.having(file, matcher, true)?;
            result = Some(match result {
                Some(result) => result & found,
                None => found,
            });
        }
        let mut result = result.unwrap_or_else(|| (0..self.series_count()).collect());
        for matcher in matchers.iter().filter(|matcher| matcher.matches("")) {
            result -= self.having(file, matcher, false)?;
        }
        Some(result)
    }

    /// The series that have the label with a value for which the matcher says `wanted`.
    fn having(&self, file: &[u8], matcher: &Matcher, wanted: bool) -> Option<RoaringBitmap> {
        let Some(rows) = self.rows_of(file, &matcher.name) else {
            return Some(RoaringBitmap::new());
        };
        if matcher.op == MatchOp::Equal && wanted {
            let row = self.find(file, rows, &matcher.value);
            return row.map_or(Some(RoaringBitmap::new()), |row| self.posting(file, row));
        }
        let mut result = RoaringBitmap::new();
        let values = file.get(self.values.clone())?;
        for row in rows {
            let text = self.string(file, u32_at(values, row * 2)? as usize)?;
            if matcher.matches(text) == wanted {
                result |= self.posting(file, row)?;
            }
        }
        Some(result)
    }

    /// The rows of `values` that belong to a label's name.
    fn rows_of(&self, file: &[u8], name: &str) -> Option<Range<usize>> {
        let names = file.get(self.names.clone())?;
        let count = names.len() / PAIR_BYTES;
        let text = |at: usize| self.string(file, u32_at(names, at * 2)? as usize);
        let at = search(count, |at| text(at).map(|text| text.cmp(name)))?;
        let start = u32_at(names, at * 2 + 1)? as usize;
        let end = match at + 1 < count {
            true => u32_at(names, (at + 1) * 2 + 1)? as usize,
            false => self.values.len() / PAIR_BYTES,
        };
        Some(start..end)
    }

    fn find(&self, file: &[u8], rows: Range<usize>, value: &str) -> Option<usize> {
        let values = file.get(self.values.clone())?;
        let text = |row: usize| self.string(file, u32_at(values, row * 2)? as usize);
        let found = search(rows.len(), |at| text(rows.start + at).map(|text| text.cmp(value)))?;
        Some(rows.start + found)
    }

    fn posting(&self, file: &[u8], row: usize) -> Option<RoaringBitmap> {
        let values = file.get(self.values.clone())?;
        let start = match row.checked_sub(1) {
            Some(before) => u32_at(values, before * 2 + 1)? as usize,
            None => 0,
        };
        let end = u32_at(values, row * 2 + 1)? as usize;
        let bytes = file.get(self.postings.clone())?.get(start..end)?;
        RoaringBitmap::deserialize_from(bytes).ok()
    }
}

/// Binary search over `count` rows; `compare` says how a row stands to what is sought.
fn search(count: usize, compare: impl Fn(usize) -> Option<std::cmp::Ordering>) -> Option<usize> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        match compare(middle)? {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return Some(middle),
        }
    }
    None
}

fn read_head(reader: &mut Reader<'_>) -> Option<Head> {
    let sequence = read_number(reader)?;
    let resolution_ms = i64::try_from(reader.varint()?).ok()?;
    let columns = reader.size().filter(|columns| (1..=COLUMNS_MAX).contains(columns))?;
    let range = read_range(reader)?;
    let mut covers = Vec::new();
    for _ in 0..reader.size()? {
        covers.push(Cover { range: read_range(reader)?, segment: read_number(reader)? });
    }
    let mut parents = Vec::new();
    for _ in 0..reader.size()? {
        parents.push(read_number(reader)?);
    }
    let description = Description { sequence, covers, parents, resolution_ms, columns };
    Some(Head { description, range })
}

fn read_number(reader: &mut Reader<'_>) -> Option<u64> {
    reader.varint().filter(|number| *number < NUMBER_MAX)
}

fn read_range(reader: &mut Reader<'_>) -> Option<TimeRange> {
    let start = UnixMs(unzigzag(reader.varint()?));
    Some(TimeRange { start, end: UnixMs(unzigzag(reader.varint()?)) })
}

fn read_column(reader: &mut Reader<'_>) -> Option<Column> {
    Some(Column { offset: reader.varint()?, length: reader.size()? })
}
