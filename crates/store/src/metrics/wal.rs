//! The write-ahead log: what makes an acknowledged batch survive the death of the process.
//!
//! A segment is a file of frames, `len | raw_len | crc | body`, where the body is one batch, packed by
//! zstd. A segment explains itself: series are numbered and values XORed anew in each, so any segment
//! can be deleted once its samples are in blocks. A frame is written in one piece before the batch counts
//! as stored; a torn frame at the end of a segment is ignored by the next start, never a reason not to
//! start.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
};

use model::Labels;

use crate::{
    fsync_folder,
    varint::{Reader, put, unzigzag, zigzag},
};

/// A segment is closed when it is larger than this.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// Largest unpacked frame; a length beyond it is damage.
const FRAME_BYTES_MAX: usize = 64 << 20;
/// First bytes of every segment; the digit is the version of the layout.
const MAGIC: &[u8; 8] = b"mwwal\0\0\x01";
const FRAME_HEADER_BYTES: usize = 12;

/// Items of a frame's body.
const ITEM_SERIES: u64 = 1;

/// A series' number within the process; indexes the head.
pub(crate) type Ref = u32;

/// The log of one store.
pub(crate) struct Wal {
    folder: PathBuf,
    current: Option<Segment>,
    /// Segments no longer written, each with the block spans whose samples only it protects.
    closed: BTreeMap<u64, Closed>,
    next_number: u64,
    span_ms: i64,
    compressor: zstd::bulk::Compressor<'static>,
    body: Vec<u8>,
    frame: Vec<u8>,
}

struct Closed {
    spans: BTreeSet<i64>,
    bytes: u64,
}

struct Segment {
    number: u64,
    file: File,
    bytes: u64,
    is_synced: bool,
    spans: BTreeSet<i64>,
    /// Number within this segment and last bits of each series, by its number in the process.
    series: Vec<Option<(u64, u64)>>,
    series_count: u64,
}

/// What a replay found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) samples: u64,
    /// Segments with an unreadable tail, and how many bytes of each were ignored.
    pub(crate) torn: Vec<(PathBuf, u64)>,
}

impl Wal {
    /// Opens the log in `folder` and hands every stored sample to `apply`, oldest segment first:
    /// number of the segment, labels, time, value.
    pub(crate) fn open(
        folder: &Path,
        span_ms: i64,
        mut apply: impl FnMut(u64, &Labels, i64, f64),
    ) -> io::Result<(Self, Replayed)> {
        fs::create_dir_all(folder)?;
        let mut replayed = Replayed::default();
        let mut closed = BTreeMap::new();
        for (number, path) in segments(folder)? {
            let mut spans = BTreeSet::new();
            let bytes = fs::metadata(&path)?.len();
            let read = replay(&path, |labels, time, value| {
                replayed.samples += 1;
                spans.insert(time.div_euclid(span_ms));
                apply(number, labels, time, value);
            })?;
            if read < bytes {
                replayed.torn.push((path, bytes - read));
            }
            closed.insert(number, Closed { spans, bytes });
        }
        let next_number = closed.last_key_value().map_or(1, |(number, _)| number + 1);
        let wal = Self {
            folder: folder.to_owned(),
            current: None,
            closed,
            next_number,
            span_ms,
            compressor: zstd::bulk::Compressor::new(1)?,
            body: Vec::new(),
            frame: Vec::new(),
        };
        Ok((wal, replayed))
    }

    /// Writes one batch. After an error nothing of it is in the log, and the next call starts a new
    /// segment.
    pub(crate) fn append<'a>(
        &mut self,
        time: i64,
        samples: impl Iterator<Item = (Ref, &'a Labels, f64)>,
    ) -> io::Result<()> {
        if self.current.as_ref().is_some_and(|segment| segment.bytes > SEGMENT_BYTES_MAX) {
            self.rotate()?;
        }
        let mut segment = match self.current.take() {
            Some(segment) => segment,
            None => self.create()?,
        };
        self.body.clear();
        put(&mut self.body, zigzag(time));
        for (reference, labels, value) in samples {
            segment.encode(&mut self.body, reference, labels, value);
        }
        let packed = self.compressor.compress(&self.body)?;
        frame(&mut self.frame, &packed, self.body.len());
        let written = segment.file.write_all(&self.frame);
        if let Err(error) = written {
            // The numbering of this segment may be ahead of its content now, so it is left for good.
            // Cutting the torn frame off only saves space: a replay stops there anyway.
            drop(segment.file.set_len(segment.bytes));
            self.close(segment);
            return Err(error);
        }
        segment.bytes += self.frame.len() as u64;
        segment.is_synced = false;
        segment.spans.insert(time.div_euclid(self.span_ms));
        self.current = Some(segment);
        Ok(())
    }

    /// Makes everything written survive a power failure.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let Some(mut segment) = self.current.take_if(|segment| !segment.is_synced) else {
            return Ok(());
        };
        match segment.file.sync_data() {
            Ok(()) => {
                segment.is_synced = true;
                self.current = Some(segment);
                Ok(())
            }
            Err(error) => {
                // After a failed fsync the kernel may have dropped the pages; a new segment it is.
                self.close(segment);
                Err(error)
            }
        }
    }

    /// Closes the current segment and returns the number of the newest one that exists.
    pub(crate) fn rotate(&mut self) -> io::Result<u64> {
        self.sync()?;
        if let Some(segment) = self.current.take() {
            self.close(segment);
        }
        Ok(self.next_number - 1)
    }

    /// Forgets `span` in all segments up to `number`, because a block holds it, and deletes the
    /// segments that protect nothing any more.
    pub(crate) fn release(&mut self, span: i64, number: u64) -> io::Result<()> {
        for (_, closed) in self.closed.range_mut(..=number) {
            closed.spans.remove(&span);
        }
        let done: Vec<u64> = self
            .closed
            .iter()
            .filter(|(_, closed)| closed.spans.is_empty())
            .map(|(n, _)| *n)
            .collect();
        for number in &done {
            fs::remove_file(path_of(&self.folder, *number))?;
            self.closed.remove(number);
        }
        if done.is_empty() { Ok(()) } else { fsync_folder(&self.folder) }
    }

    /// Forgets a series of the head, whose number may be given to another.
    pub(crate) fn forget(&mut self, reference: Ref) {
        if let Some(segment) = &mut self.current
            && let Some(slot) = segment.series.get_mut(reference as usize)
        {
            *slot = None;
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        let current = self.current.as_ref().map_or(0, |segment| segment.bytes);
        current + self.closed.values().map(|closed| closed.bytes).sum::<u64>()
    }

    fn close(&mut self, segment: Segment) {
        let closed = Closed { spans: segment.spans, bytes: segment.bytes };
        self.closed.insert(segment.number, closed);
    }

    fn create(&mut self) -> io::Result<Segment> {
        let number = self.next_number;
        // A number is used once even if creating fails half-way.
        self.next_number += 1;
        let path = path_of(&self.folder, number);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        if let Err(error) = file.write_all(MAGIC).and_then(|()| fsync_folder(&self.folder)) {
            drop(fs::remove_file(&path));
            return Err(error);
        }
        Ok(Segment {
            number,
            file,
            bytes: MAGIC.len() as u64,
            is_synced: false,
            spans: BTreeSet::new(),
            series: Vec::new(),
            series_count: 0,
        })
    }
}

impl Segment {
    fn encode(&mut self, body: &mut Vec<u8>, reference: Ref, labels: &Labels, value: f64) {
        let index = reference as usize;
        if self.series.len() <= index {
            self.series.resize(index + 1, None);
        }
        let count = &mut self.series_count;
        let (number, last_bits) = self.series[index].get_or_insert_with(|| {
            put(body, ITEM_SERIES);
            put_labels(body, labels);
            *count += 1;
            (*count - 1, 0)
        });
        put(body, (*number + 1) << 1);
        // The swap brings the bytes that change, the float's first, to the end that a varint
        // shortens.
        put(body, (value.to_bits() ^ *last_bits).swap_bytes());
        *last_bits = value.to_bits();
    }
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put(out, labels.len() as u64);
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        put(out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    }
}

fn read_labels(reader: &mut Reader<'_>) -> Option<Labels> {
    let count = reader.size().filter(|count| *count <= model::limits::LABELS_MAX)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let mut text = || {
            let length = reader.size()?;
            std::str::from_utf8(reader.bytes(length)?).ok().map(str::to_owned)
        };
        pairs.push((text()?, text()?));
    }
    Some(Labels::from_pairs(pairs))
}

fn frame(out: &mut Vec<u8>, packed: &[u8], raw_len: usize) {
    out.clear();
    out.extend_from_slice(&(packed.len() as u32).to_le_bytes());
    out.extend_from_slice(&(raw_len as u32).to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(packed).to_le_bytes());
    out.extend_from_slice(packed);
}

fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.wal"))
}

/// The segments of a folder, oldest first.
fn segments(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_segment = path.extension().is_some_and(|extension| extension == "wal");
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if let (true, Ok(number)) = (is_segment, stem.parse()) {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Hands every sample of a segment to `apply` and returns how many bytes were good.
fn replay(path: &Path, mut apply: impl FnMut(&Labels, i64, f64)) -> io::Result<u64> {
    let mut file = BufReader::new(File::open(path)?);
    let mut magic = [0; MAGIC.len()];
    if file.read_exact(&mut magic).is_err() || magic != *MAGIC {
        return Ok(0);
    }
    let mut good = MAGIC.len() as u64;
    let mut series: Vec<(Labels, u64)> = Vec::new();
    let mut header = [0; FRAME_HEADER_BYTES];
    let mut packed = Vec::new();
    while file.read_exact(&mut header).is_ok() {
        let mut reader = Reader::new(&header);
        let (Some(len), Some(raw_len), Some(crc)) = (reader.u32(), reader.u32(), reader.u32())
        else {
            break;
        };
        let (len, raw_len) = (len as usize, raw_len as usize);
        if len > FRAME_BYTES_MAX || raw_len > FRAME_BYTES_MAX {
            break;
        }
        packed.clear();
        // `take` grows the buffer with what is really there, so a wrong length allocates nothing.
        let read = (&mut file).take(len as u64).read_to_end(&mut packed)?;
        if read < len || crc32c::crc32c(&packed) != crc {
            break;
        }
        let Ok(body) = zstd::bulk::decompress(&packed, raw_len) else { break };
        if decode(&body, &mut series, &mut apply).is_none() {
            break;
        }
        good += (FRAME_HEADER_BYTES + len) as u64;
    }
    Ok(good)
}

/// Decodes a frame's body. The samples before a damaged item have been applied already; they were
/// written, so they may stay.
fn decode(
    body: &[u8],
    series: &mut Vec<(Labels, u64)>,
    apply: &mut impl FnMut(&Labels, i64, f64),
) -> Option<()> {
    let mut reader = Reader::new(body);
    let time = unzigzag(reader.varint()?);
    while !reader.is_empty() {
        let tag = reader.varint()?;
        if tag == ITEM_SERIES {
            series.push((read_labels(&mut reader)?, 0));
            continue;
        }
        let number = usize::try_from(tag >> 1).ok()?.checked_sub(1)?;
        let changed = reader.varint()?.swap_bytes();
        let (labels, last_bits) = series.get_mut(number)?;
        *last_bits ^= changed;
        apply(labels, time, f64::from_bits(*last_bits));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN: i64 = 1_000;

    fn labels(index: usize) -> Labels {
        Labels::metric("m", [("i", index.to_string())])
    }

    fn read(folder: &Path) -> (Vec<(String, i64, u64)>, Replayed) {
        let mut samples = Vec::new();
        let (_, replayed) = Wal::open(folder, SPAN, |_, labels, time, value| {
            samples.push((labels.to_string(), time, value.to_bits()));
        })
        .unwrap();
        (samples, replayed)
    }

    fn write(wal: &mut Wal, time: i64, values: &[(usize, f64)]) {
        let sets: Vec<Labels> = values.iter().map(|(index, _)| labels(*index)).collect();
        let samples =
            values.iter().zip(&sets).map(|((index, value), set)| (*index as Ref, set, *value));
        wal.append(time, samples).unwrap();
    }

    #[test]
    fn what_is_written_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let (mut wal, _) = Wal::open(folder.path(), SPAN, |_, _, _, _| {}).unwrap();
        write(&mut wal, 10, &[(0, 1.5), (3, f64::NAN)]);
        write(&mut wal, 20, &[(3, -0.0), (0, 1.5)]);
        wal.rotate().unwrap();
        write(&mut wal, -5, &[(3, 7.0)]);
        let (samples, replayed) = read(folder.path());
        let expected = [
            (labels(0).to_string(), 10, 1.5_f64),
            (labels(3).to_string(), 10, f64::NAN),
            (labels(3).to_string(), 20, -0.0),
            (labels(0).to_string(), 20, 1.5),
            (labels(3).to_string(), -5, 7.0),
        ]
        .map(|(labels, time, value)| (labels, time, value.to_bits()));
        assert_eq!(samples, expected);
        assert_eq!((replayed.samples, replayed.torn.len()), (5, 0));
    }

    #[test]
    fn a_torn_tail_costs_only_the_torn_batch() {
        let folder = tempfile::tempdir().unwrap();
        let (mut wal, _) = Wal::open(folder.path(), SPAN, |_, _, _, _| {}).unwrap();
        write(&mut wal, 10, &[(0, 1.0)]);
        let kept = wal.bytes();
        write(&mut wal, 20, &[(0, 2.0)]);
        let path = path_of(folder.path(), 1);
        let whole = fs::read(&path).unwrap();
        for length in kept as usize..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (samples, replayed) = read(folder.path());
            assert_eq!(samples.len(), 1, "cut at {length}");
            assert_eq!(replayed.torn.len(), usize::from(length > kept as usize));
        }
    }

    #[test]
    fn segments_go_when_their_spans_are_in_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let (mut wal, _) = Wal::open(folder.path(), SPAN, |_, _, _, _| {}).unwrap();
        write(&mut wal, 10, &[(0, 1.0)]);
        write(&mut wal, 1_010, &[(0, 1.0)]);
        let first = wal.rotate().unwrap();
        write(&mut wal, 1_020, &[(0, 1.0)]);
        wal.release(0, first).unwrap();
        assert!(path_of(folder.path(), 1).exists());
        wal.release(1, first).unwrap();
        assert!(!path_of(folder.path(), 1).exists());
        assert!(path_of(folder.path(), 2).exists());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damage_is_survived(bytes: Vec<u8>, at in 0_usize..200) {
            let folder = tempfile::tempdir().unwrap();
            let (mut wal, _) = Wal::open(folder.path(), SPAN, |_, _, _, _| {}).unwrap();
            for time in 0..10 {
                write(&mut wal, time, &[(0, time as f64), (1, 0.5)]);
            }
            let path = path_of(folder.path(), 1);
            let mut file = fs::read(&path).unwrap();
            let at = at % file.len();
            file.splice(at.., bytes);
            fs::write(&path, file).unwrap();
            let (samples, _) = read(folder.path());
            prop_assert!(samples.len() <= 20);
        }

        #[test]
        fn any_body_is_survived(bytes: Vec<u8>) {
            let decoded = decode(&bytes, &mut Vec::new(), &mut |_, _, _| {});
            let _ = decoded;
        }
    }
}
