//! Writing a block, series by series.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    io,
    path::{Path, PathBuf},
};

use model::{Labels, UnixMs, series::TimeRange};
use roaring::RoaringBitmap;

use super::{Block, BlockError, Cover, HISTOGRAM_CHUNK_BYTES, MAGIC, index::Column};
use crate::{
    disk::{Disk, OutFile},
    metrics::{codec, histogram::Point},
    varint::{put, zigzag},
};

/// Most points of one chunk: longer ones compress better and cost more per narrow query.
const CHUNK_POINTS_MAX: usize = 4_096;
/// What waits in memory before it goes to the file.
const BUFFER_BYTES: usize = 1 << 20;
/// What the length of an encoded histogram takes.
const LENGTH_BYTES_MAX: usize = 3;
/// How hard zstd tries. Higher levels took twice the time for a hundredth of the size.
const ZSTD_LEVEL: i32 = 1;

/// What a block is, apart from its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// Every block of a store has its own; of two samples at one time the older block's counts.
    pub(crate) sequence: u64,
    /// What recovery need not take from the log any more.
    pub(crate) covers: Vec<Cover>,
    /// Blocks whose content this one replaces.
    pub(crate) parents: Vec<u64>,
    /// 0 for samples as they came, else how much time a row sums up.
    pub(crate) resolution_ms: i64,
    /// Columns of values: one of samples, several of rows.
    pub(crate) columns: usize,
}

/// A block that is being written under a temporary name.
pub(crate) struct Writer {
    disk: Disk,
    file: OutFile,
    temporary: PathBuf,
    path: PathBuf,
    description: Description,
    /// Bytes already in the file.
    written: u64,
    buffer: Vec<u8>,
    plain: Vec<u8>,
    shared_times: SharedTimes,
    strings: Strings,
    /// Numbers of name and value of every label of every series, and where each series ends.
    labels: Vec<(u32, u32)>,
    label_ends: Vec<usize>,
    /// The chunks of every series, packed, and where each series ends.
    chunks: Vec<u8>,
    chunk_ends: Vec<usize>,
    range: Option<TimeRange>,
}

impl Writer {
    pub(crate) fn create(folder: &Path, disk: &Disk, description: Description) -> io::Result<Self> {
        let name = format!("{:010}.block", description.sequence);
        let (temporary, path) = (folder.join(format!("{name}.tmp")), folder.join(&name));
        let file = disk.create(&temporary)?;
        Ok(Self {
            disk: disk.clone(),
            file,
            temporary,
            path,
            description,
            written: 0,
            buffer: MAGIC.to_vec(),
            plain: Vec::new(),
            shared_times: SharedTimes::default(),
            strings: Strings::default(),
            labels: Vec::new(),
            label_ends: Vec::new(),
            chunks: Vec::new(),
            chunk_ends: Vec::new(),
            range: None,
        })
    }

    /// Adds a series, unless it has no point; series come in the order of their labels. `columns` has as
    /// many as the description says, each as long as `times`. Times rise, those of histograms as well.
    pub(crate) fn add(
        &mut self,
        labels: &Labels,
        times: &[i64],
        columns: &[&[f64]],
        histograms: &[Point],
    ) -> io::Result<()> {
        if times.is_empty() && histograms.is_empty() {
            return Ok(());
        }
        for (name, value) in labels.iter() {
            let pair = (self.strings.number(name), self.strings.number(value));
            self.labels.push(pair);
        }
        self.label_ends.push(self.labels.len());
        let pieces = times.len().div_ceil(CHUNK_POINTS_MAX).max(1);
        let length = times.len().div_ceil(pieces).max(1);
        for start in (0..times.len()).step_by(length) {
            let piece = start..times.len().min(start + length);
            self.add_chunk(&times[piece.clone()], columns.iter().map(|c| &c[piece.clone()]))?;
        }
        let mut rest = histograms;
        while !rest.is_empty() {
            rest = self.add_histograms(rest)?;
        }
        self.chunk_ends.push(self.chunks.len());
        Ok(())
    }

    /// Begins a chunk in the list of a series' chunks.
    fn start_chunk(&mut self, first: i64, last: i64) {
        put(&mut self.chunks, zigzag(first));
        put(&mut self.chunks, last.abs_diff(first));
        let (first, last) = (UnixMs(first), UnixMs(last));
        let range = self.range.get_or_insert(TimeRange { start: first, end: last });
        range.start = range.start.min(first);
        range.end = range.end.max(last);
    }

    fn add_chunk<'a>(
        &mut self,
        times: &[i64],
        columns: impl Iterator<Item = &'a [f64]>,
    ) -> io::Result<()> {
        self.start_chunk(times[0], times[times.len() - 1]);
        put(&mut self.chunks, times.len() as u64);
        self.add_times(times);
        let mut first = None;
        for values in columns {
            self.plain.clear();
            match first {
                None => codec::put_values(&mut self.plain, values),
                Some(first) => codec::put_values_beside(&mut self.plain, values, first),
            }
            first.get_or_insert(values);
            let column = self.put_plain();
            put_column(&mut self.chunks, column);
        }
        if self.buffer.len() > BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Adds a chunk of the first of `histograms` and returns the others.
    fn add_histograms<'a>(&mut self, histograms: &'a [Point]) -> io::Result<&'a [Point]> {
        let mut bytes = 0;
        let fits = |(_, encoded): &&Point| {
            let has_room = bytes <= HISTOGRAM_CHUNK_BYTES;
            bytes += encoded.len() + LENGTH_BYTES_MAX;
            has_room
        };
        let count = histograms.iter().take(CHUNK_POINTS_MAX).take_while(fits).count();
        let (own, others) = histograms.split_at(count);
        let times: Vec<i64> = own.iter().map(|(time, _)| *time).collect();
        self.start_chunk(times[0], times[times.len() - 1]);
        // No floats: what follows are histograms.
        put(&mut self.chunks, 0);
        put(&mut self.chunks, times.len() as u64);
        self.add_times(&times);
        self.plain.clear();
        for (_, encoded) in own {
            put(&mut self.plain, encoded.len() as u64);
            self.plain.extend_from_slice(encoded);
        }
        let column = self.put_plain();
        put_column(&mut self.chunks, column);
        if self.buffer.len() > BUFFER_BYTES {
            self.flush()?;
        }
        Ok(others)
    }

    /// Adds a column of times to the chunk at hand, or refers to one that is the same.
    fn add_times(&mut self, times: &[i64]) {
        self.plain.clear();
        codec::put_times(&mut self.plain, times);
        let key = self.shared_times.key(times.len(), &self.plain);
        let column = match self.shared_times.columns.get(&key) {
            Some(column) => *column,
            None => {
                let column = self.put_plain();
                self.shared_times.columns.insert(key, column);
                column
            }
        };
        put_column(&mut self.chunks, column);
    }

    fn put_plain(&mut self) -> Column {
        let offset = self.written + self.buffer.len() as u64;
        let length = codec::put_column(&mut self.buffer, &self.plain, ZSTD_LEVEL);
        Column { offset, length }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// The name that the block will have.
    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.range.is_none()
    }

    /// Completes the file, gives it its name and opens it.
    pub(crate) fn finish(mut self) -> Result<Block, BlockError> {
        let index = self.index();
        if u32::try_from(index.len()).is_err() {
            // Its tables hold numbers of 32 bits, so it could not be read back.
            let reason = "a block has more series than its index can hold";
            return Err(io::Error::other(reason).into());
        }
        let offset = self.written + self.buffer.len() as u64;
        let mut tail = index.len().to_le_bytes().to_vec();
        tail.extend_from_slice(&crc32c::crc32c(&index).to_le_bytes());
        tail.extend_from_slice(MAGIC);
        self.buffer.extend_from_slice(&index);
        self.buffer.extend_from_slice(&offset.to_le_bytes());
        self.buffer.extend_from_slice(&tail);
        self.flush()?;
        self.file.sync()?;
        self.disk.rename(&self.temporary, &self.path)?;
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let block = self.disk.sync_folder(folder).map_err(BlockError::from);
        block.and_then(|()| Block::open(&self.path))
    }

    fn index(&self) -> Vec<u8> {
        let (new_numbers, order) = self.strings.sorted();
        let pair = |(name, value): &(u32, u32)| {
            (new_numbers[*name as usize], new_numbers[*value as usize])
        };
        let (mut entries, mut entry_ends, mut triples) = (Vec::new(), Vec::new(), Vec::new());
        let (mut label_start, mut chunk_start) = (0, 0);
        for (ordinal, (label_end, chunk_end)) in
            self.label_ends.iter().zip(&self.chunk_ends).enumerate()
        {
            let labels = &self.labels[label_start..*label_end];
            put(&mut entries, labels.len() as u64);
            for (name, value) in labels.iter().map(pair) {
                put(&mut entries, u64::from(name));
                put(&mut entries, u64::from(value));
                triples.push((name, value, ordinal as u32));
            }
            entries.extend_from_slice(&self.chunks[chunk_start..*chunk_end]);
            entry_ends.push(entries.len() as u32);
            (label_start, chunk_start) = (*label_end, *chunk_end);
        }
        triples.sort_unstable();
        let postings = Postings::of(&triples);
        let strings: usize = order.iter().map(|text| text.len()).sum();

        let mut out = self.head();
        let counts = [order.len(), entry_ends.len(), postings.names.len(), postings.values.len()];
        for length in counts.into_iter().chain([strings, entries.len(), postings.bytes.len()]) {
            put(&mut out, length as u64);
        }
        let mut end = 0;
        for text in &order {
            end += text.len() as u32;
            out.extend_from_slice(&end.to_le_bytes());
        }
        order.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
        entry_ends.iter().for_each(|end| out.extend_from_slice(&end.to_le_bytes()));
        out.extend_from_slice(&entries);
        for (left, right) in postings.names.iter().chain(&postings.values) {
            out.extend_from_slice(&left.to_le_bytes());
            out.extend_from_slice(&right.to_le_bytes());
        }
        out.extend_from_slice(&postings.bytes);
        out
    }

    fn head(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let Description { sequence, covers, parents, resolution_ms, columns } = &self.description;
        put(&mut out, *sequence);
        put(&mut out, resolution_ms.unsigned_abs());
        put(&mut out, *columns as u64);
        let nothing = TimeRange { start: UnixMs(0), end: UnixMs(-1) };
        put_range(&mut out, self.range.unwrap_or(nothing));
        put(&mut out, covers.len() as u64);
        for cover in covers {
            put_range(&mut out, cover.range);
            put(&mut out, cover.segment);
        }
        put(&mut out, parents.len() as u64);
        parents.iter().for_each(|parent| put(&mut out, *parent));
        out
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After `finish` there is nothing of that name. What cannot be removed now is removed when the
        // store is opened.
        drop(self.disk.remove(&self.temporary));
    }
}

fn put_column(out: &mut Vec<u8>, column: Column) {
    put(out, column.offset);
    put(out, column.length as u64);
}

fn put_range(out: &mut Vec<u8>, range: TimeRange) {
    put(out, zigzag(range.start.0));
    put(out, zigzag(range.end.0));
}

/// The columns of times that are in the file, by two independent hashes of their plain bytes. The hashes
/// have secret keys, so nobody can make two columns look equal.
#[derive(Default)]
struct SharedTimes {
    hashers: [RandomState; 2],
    columns: HashMap<(u64, u64), Column>,
}

impl SharedTimes {
    /// Regular times of any number look the same, so how many they are belongs to the key.
    fn key(&self, count: usize, plain: &[u8]) -> (u64, u64) {
        (self.hashers[0].hash_one((count, plain)), self.hashers[1].hash_one((count, plain)))
    }
}

/// Distinct strings, numbered in the order of their first use.
#[derive(Default)]
struct Strings {
    numbers: HashMap<String, u32>,
}

impl Strings {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.numbers.len() as u32;
        self.numbers.insert(text.to_owned(), number);
        number
    }

    /// The strings in order, and the place in it of each number.
    fn sorted(&self) -> (Vec<u32>, Vec<&str>) {
        let mut order: Vec<(&str, u32)> =
            self.numbers.iter().map(|(text, number)| (text.as_str(), *number)).collect();
        order.sort_unstable();
        let mut places = vec![0; order.len()];
        for (place, (_, number)) in order.iter().enumerate() {
            places[*number as usize] = place as u32;
        }
        (places, order.into_iter().map(|(text, _)| text).collect())
    }
}

/// For each label name and value the series that have it.
#[derive(Default)]
struct Postings {
    /// String of a name, and its first row in `values`.
    names: Vec<(u32, u32)>,
    /// String of a value, and the end of its bitmap.
    values: Vec<(u32, u32)>,
    bytes: Vec<u8>,
}

impl Postings {
    /// From (name, value, series), sorted.
    fn of(triples: &[(u32, u32, u32)]) -> Self {
        let mut postings = Self::default();
        for same in triples.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (name, value, _) = same[0];
            if postings.names.last().is_none_or(|(last, _)| *last != name) {
                postings.names.push((name, postings.values.len() as u32));
            }
            let bitmap: RoaringBitmap = same.iter().map(|(_, _, series)| *series).collect();
            bitmap
                .serialize_into(&mut postings.bytes)
                .expect("invariant: writing to a vector cannot fail");
            postings.values.push((value, postings.bytes.len() as u32));
        }
        postings
    }
}
