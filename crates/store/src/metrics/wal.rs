//! The write-ahead log: what makes an acknowledged batch survive the death of the process.
//!
//! The body of a frame is a sequence of items. A segment explains itself: series are numbered and values
//! XORed anew in each, so any segment can be deleted once its samples are in blocks.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use model::{Labels, UnixMs, sample::Exemplar, series::TimeRange};

use super::histogram::ENCODED_BYTES_MAX;
use crate::{
    disk::{Disk, OutFile},
    segment::{self, Magic, Packer, SEGMENT_BYTES_MAX, path_of, segments},
    varint::{Reader, put, unzigzag, zigzag},
};

/// A body is written as a frame once it is larger than this.
const BODY_BYTES_MAX: usize = 4 << 20;
/// First bytes of every segment; the last is the version of the layout.
const MAGIC: &Magic = b"mwwal\0\0\x02";
/// The unit in which the log remembers which times a segment protects.
pub(crate) const SLOT_MS: i64 = 10 * 60 * 1_000;

/// Items of a frame's body. An even number belongs to a sample: twice its series' number plus two.
const ITEM_SERIES: u64 = 1;
const ITEM_EXEMPLAR: u64 = 3;
const ITEM_HISTOGRAM: u64 = 5;

/// A series' number within the process; indexes the head.
pub(crate) type Ref = u32;

/// Who is told what the log holds.
pub(crate) trait Replay {
    /// A series that samples will refer to by the number that is returned.
    fn series(&mut self, labels: Labels) -> Ref;
    fn sample(&mut self, segment: u64, series: Ref, time: i64, value: f64);
    fn histogram(&mut self, segment: u64, series: Ref, time: i64, encoded: &[u8]);
    fn exemplar(&mut self, exemplar: Exemplar);
}

/// The log of one store.
pub(crate) struct Wal {
    folder: PathBuf,
    disk: Disk,
    current: Option<Segment>,
    /// Segments no longer written, each with the slots of time whose samples only it protects.
    closed: BTreeMap<u64, Closed>,
    next_number: u64,
    packer: Packer,
    body: Vec<u8>,
}

struct Closed {
    slots: BTreeSet<i64>,
    bytes: u64,
    /// The file, until it is synced.
    unsynced: Option<OutFile>,
}

struct Segment {
    number: u64,
    file: OutFile,
    bytes: u64,
    is_synced: bool,
    slots: Slots,
    /// What this segment knows of each series, by its number in the process.
    series: Vec<Option<Known>>,
    series_count: u32,
}

#[derive(Clone, Copy)]
struct Known {
    /// Within this segment.
    number: u32,
    last_bits: u64,
}

/// A set of slots that is cheap to add times to in their usual order.
#[derive(Default)]
struct Slots {
    set: BTreeSet<i64>,
    newest: Option<i64>,
}

impl Slots {
    fn add(&mut self, time: i64) {
        let slot = time.div_euclid(SLOT_MS);
        if self.newest != Some(slot) {
            self.newest = Some(slot);
            self.set.insert(slot);
        }
    }
}

/// What a replay found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) samples: u64,
    /// Segments with an unreadable tail, and how many bytes of each were ignored.
    pub(crate) torn: Vec<(PathBuf, u64)>,
}

impl Wal {
    /// Opens the log in `folder` and tells `replay` all that it holds, oldest segment first. New segments
    /// get numbers above `used`, which blocks remember.
    pub(crate) fn open(
        folder: &Path,
        disk: Disk,
        used: u64,
        replay: &mut dyn Replay,
    ) -> io::Result<(Self, Replayed)> {
        let mut replayed = Replayed::default();
        let mut closed = BTreeMap::new();
        for (number, path) in segments(folder)? {
            let mut reading = Reading::new(number, replay);
            let bytes = fs::metadata(&path)?.len();
            let read = read_segment(&path, &mut reading)?;
            replayed.samples += reading.samples;
            if read < bytes {
                replayed.torn.push((path.clone(), bytes - read));
            }
            // The process that wrote it may have died before it was synced.
            let unsynced = Some(disk.reopen(&path)?);
            closed.insert(number, Closed { slots: reading.slots.set, bytes, unsynced });
        }
        let last = closed.last_key_value().map_or(0, |(number, _)| *number);
        let next_number = last.max(used) + 1;
        let wal = Self {
            folder: folder.to_owned(),
            disk,
            current: None,
            closed,
            next_number,
            packer: Packer::new()?,
            body: Vec::new(),
        };
        Ok((wal, replayed))
    }

    /// Writes samples. After an error they count as not stored, although some may be found by the next
    /// start; the next call begins a new segment.
    pub(crate) fn append<'a>(
        &mut self,
        samples: impl Iterator<Item = (Ref, &'a Labels, i64, f64)>,
    ) -> io::Result<()> {
        let mut segment = self.take_current()?;
        let mut previous_time = 0;
        for (reference, labels, time, value) in samples {
            segment.encode(
                &mut self.body,
                reference,
                labels,
                time.wrapping_sub(previous_time),
                value,
            );
            segment.slots.add(time);
            previous_time = time;
            if self.body.len() > BODY_BYTES_MAX {
                segment = self.write(segment)?;
                previous_time = 0;
            }
        }
        self.finish(segment)
    }

    /// Writes encoded histograms, as [`Wal::append`] does samples.
    pub(crate) fn append_histograms<'a>(
        &mut self,
        histograms: impl Iterator<Item = (Ref, &'a Labels, i64, &'a [u8])>,
    ) -> io::Result<()> {
        let mut segment = self.take_current()?;
        for (reference, labels, time, encoded) in histograms {
            let number = segment.known(&mut self.body, reference, labels).number;
            put(&mut self.body, ITEM_HISTOGRAM);
            put(&mut self.body, u64::from(number));
            put(&mut self.body, zigzag(time));
            put(&mut self.body, encoded.len() as u64);
            self.body.extend_from_slice(encoded);
            segment.slots.add(time);
            if self.body.len() > BODY_BYTES_MAX {
                segment = self.write(segment)?;
            }
        }
        self.finish(segment)
    }

    /// Writes exemplars, as [`Wal::append`] does samples.
    pub(crate) fn append_exemplars(&mut self, exemplars: &[Exemplar]) -> io::Result<()> {
        let mut segment = self.take_current()?;
        for exemplar in exemplars {
            put(&mut self.body, ITEM_EXEMPLAR);
            put_labels(&mut self.body, &exemplar.series);
            put_labels(&mut self.body, &exemplar.labels);
            put(&mut self.body, zigzag(exemplar.time.0));
            self.body.extend_from_slice(&exemplar.value.to_bits().to_le_bytes());
            segment.slots.add(exemplar.time.0);
            if self.body.len() > BODY_BYTES_MAX {
                segment = self.write(segment)?;
            }
        }
        self.finish(segment)
    }

    fn take_current(&mut self) -> io::Result<Segment> {
        self.body.clear();
        if self.current.as_ref().is_some_and(|segment| segment.bytes > SEGMENT_BYTES_MAX) {
            self.rotate();
        }
        match self.current.take() {
            Some(segment) => Ok(segment),
            None => self.create(),
        }
    }

    fn finish(&mut self, segment: Segment) -> io::Result<()> {
        let segment = if self.body.is_empty() { segment } else { self.write(segment)? };
        self.current = Some(segment);
        Ok(())
    }

    /// Writes the body as a frame.
    fn write(&mut self, mut segment: Segment) -> io::Result<Segment> {
        let frame = self.packer.pack(&self.body)?;
        self.body.clear();
        if let Err(error) = segment.file.write_all(frame) {
            // The numbering of this segment may be ahead of its content now, so it is left for good.
            // Cutting the torn frame off only saves space: a replay stops there anyway.
            drop(segment.file.cut(segment.bytes));
            self.close(segment);
            return Err(error);
        }
        segment.bytes += frame.len() as u64;
        segment.is_synced = false;
        Ok(segment)
    }

    /// Makes everything written survive a power failure. After an error the next call tries again, as
    /// far as that helps: the kernel may have given up on what it could not write.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if let Some(mut segment) = self.current.take_if(|segment| !segment.is_synced) {
            match segment.file.sync() {
                Ok(()) => {
                    segment.is_synced = true;
                    self.current = Some(segment);
                }
                // What follows must not depend on pages that are lost, so it goes to a new segment.
                // The error is told now: asked again, the kernel may say that all is well.
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

    /// Closes the current segment and returns the number of the newest one that exists.
    pub(crate) fn rotate(&mut self) -> u64 {
        if let Some(segment) = self.current.take() {
            self.close(segment);
        }
        self.next_number - 1
    }

    /// Forgets the times in `range`, whole slots, in all segments up to `number`, because a block holds
    /// them, and deletes the segments that protect nothing any more.
    pub(crate) fn release(&mut self, range: TimeRange, number: u64) -> io::Result<()> {
        let is_covered = |slot: &i64| {
            let start = slot.saturating_mul(SLOT_MS);
            range.start.0 <= start && start.saturating_add(SLOT_MS - 1) <= range.end.0
        };
        for (_, closed) in self.closed.range_mut(..=number) {
            closed.slots.retain(|slot| !is_covered(slot));
        }
        let done: Vec<u64> = self
            .closed
            .iter()
            .filter(|(_, closed)| closed.slots.is_empty())
            .map(|(n, _)| *n)
            .collect();
        for number in &done {
            self.disk.remove(&path_of(&self.folder, *number))?;
            self.closed.remove(number);
        }
        if done.is_empty() { Ok(()) } else { self.disk.sync_folder(&self.folder) }
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

    /// The stretches of `span_ms`, a multiple of a slot, of which closed segments protect samples.
    pub(crate) fn spans(&self, span_ms: i64) -> BTreeSet<i64> {
        let slots = self.closed.values().flat_map(|closed| &closed.slots);
        slots.map(|slot| slot.saturating_mul(SLOT_MS).div_euclid(span_ms)).collect()
    }

    /// The oldest segment that is no longer written.
    pub(crate) fn oldest_closed(&self) -> Option<u64> {
        self.closed.first_key_value().map(|(number, _)| *number)
    }

    /// Files that hold samples and do not change any more.
    pub(crate) fn closed_files(&self) -> impl Iterator<Item = PathBuf> {
        self.closed.keys().map(|number| path_of(&self.folder, *number))
    }

    fn close(&mut self, segment: Segment) {
        if segment.bytes <= MAGIC.len() as u64 {
            // A full disk would otherwise leave an empty file for every attempt. One that cannot be
            // removed is harmless.
            drop(self.disk.remove(&path_of(&self.folder, segment.number)));
            return;
        }
        let Segment { number, file, bytes, is_synced, slots, .. } = segment;
        let unsynced = (!is_synced).then_some(file);
        self.closed.insert(number, Closed { slots: slots.set, bytes, unsynced });
    }

    fn create(&mut self) -> io::Result<Segment> {
        let number = self.next_number;
        // A number is used once even if creating fails half-way.
        self.next_number += 1;
        let file = segment::create(&self.folder, &self.disk, number, MAGIC)?;
        Ok(Segment {
            number,
            file,
            bytes: MAGIC.len() as u64,
            is_synced: false,
            slots: Slots::default(),
            series: Vec::new(),
            series_count: 0,
        })
    }
}

impl Segment {
    fn encode(
        &mut self,
        body: &mut Vec<u8>,
        reference: Ref,
        labels: &Labels,
        time_delta: i64,
        value: f64,
    ) {
        let known = self.known(body, reference, labels);
        put(body, (u64::from(known.number) + 1) << 1);
        put(body, zigzag(time_delta));
        // The swap brings the bytes that change, the float's first, to the end that a varint
        // shortens.
        put(body, (value.to_bits() ^ known.last_bits).swap_bytes());
        known.last_bits = value.to_bits();
    }

    /// What the segment knows of a series; one that is new to it is written first.
    #[inline]
    fn known(&mut self, body: &mut Vec<u8>, reference: Ref, labels: &Labels) -> &mut Known {
        let index = reference as usize;
        if self.series.len() <= index {
            self.series.resize(index + 1, None);
        }
        let count = &mut self.series_count;
        self.series[index].get_or_insert_with(|| {
            put(body, ITEM_SERIES);
            put_labels(body, labels);
            *count += 1;
            Known { number: *count - 1, last_bits: 0 }
        })
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

/// The state of reading one segment.
pub(crate) struct Reading<'a> {
    segment: u64,
    replay: &'a mut dyn Replay,
    /// By number within the segment: number in the process, and last bits.
    series: Vec<(Ref, u64)>,
    slots: Slots,
    pub(crate) samples: u64,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(segment: u64, replay: &'a mut dyn Replay) -> Self {
        Self { segment, replay, series: Vec::new(), slots: Slots::default(), samples: 0 }
    }

    /// Decodes a frame's body. What comes before a damaged item has been told already; it was
    /// written, so it may stay.
    fn decode(&mut self, body: &[u8]) -> Option<()> {
        let mut reader = Reader::new(body);
        let mut time = 0_i64;
        while !reader.is_empty() {
            match reader.varint()? {
                ITEM_SERIES => {
                    let series = self.replay.series(read_labels(&mut reader)?);
                    self.series.push((series, 0));
                }
                ITEM_EXEMPLAR => {
                    let exemplar = Exemplar {
                        series: read_labels(&mut reader)?,
                        labels: read_labels(&mut reader)?,
                        time: UnixMs(unzigzag(reader.varint()?)),
                        value: f64::from_bits(reader.u64()?),
                    };
                    self.slots.add(exemplar.time.0);
                    self.replay.exemplar(exemplar);
                }
                ITEM_HISTOGRAM => self.decode_histogram(&mut reader)?,
                tag if tag % 2 == 0 => {
                    let number = usize::try_from(tag >> 1).ok()?.checked_sub(1)?;
                    time = time.wrapping_add(unzigzag(reader.varint()?));
                    let changed = reader.varint()?.swap_bytes();
                    let (series, last_bits) = self.series.get_mut(number)?;
                    *last_bits ^= changed;
                    let value = f64::from_bits(*last_bits);
                    self.replay.sample(self.segment, *series, time, value);
                    self.slots.add(time);
                    self.samples += 1;
                }
                _ => return None,
            }
        }
        Some(())
    }
}

impl Reading<'_> {
    fn decode_histogram(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let (series, _) = *self.series.get(reader.size()?)?;
        let time = unzigzag(reader.varint()?);
        let length = reader.size().filter(|length| *length <= ENCODED_BYTES_MAX)?;
        self.replay.histogram(self.segment, series, time, reader.bytes(length)?);
        self.slots.add(time);
        self.samples += 1;
        Some(())
    }
}

/// Reads a segment and returns how many of its bytes were good.
pub(crate) fn read_segment(path: &Path, reading: &mut Reading<'_>) -> io::Result<u64> {
    segment::read(path, MAGIC, |body| reading.decode(body))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Remembers all that it is told.
    #[derive(Default)]
    struct Told {
        labels: Vec<Labels>,
        samples: Vec<(String, i64, u64)>,
        histograms: Vec<(String, i64, Vec<u8>)>,
        exemplars: Vec<Exemplar>,
    }

    impl Replay for Told {
        fn series(&mut self, labels: Labels) -> Ref {
            self.labels.push(labels);
            (self.labels.len() - 1) as Ref
        }

        fn sample(&mut self, _: u64, series: Ref, time: i64, value: f64) {
            let labels = self.labels[series as usize].to_string();
            self.samples.push((labels, time, value.to_bits()));
        }

        fn histogram(&mut self, _: u64, series: Ref, time: i64, encoded: &[u8]) {
            let labels = self.labels[series as usize].to_string();
            self.histograms.push((labels, time, encoded.to_vec()));
        }

        fn exemplar(&mut self, exemplar: Exemplar) {
            self.exemplars.push(exemplar);
        }
    }

    fn open(folder: &Path) -> Wal {
        Wal::open(folder, Disk::default(), 0, &mut Told::default()).unwrap().0
    }

    fn labels(index: usize) -> Labels {
        Labels::metric("m", [("i", index.to_string())])
    }

    fn read(folder: &Path) -> (Told, Replayed) {
        let mut told = Told::default();
        let (_, replayed) = Wal::open(folder, Disk::default(), 0, &mut told).unwrap();
        (told, replayed)
    }

    fn write(wal: &mut Wal, points: &[(usize, i64, f64)]) {
        let sets: Vec<Labels> = points.iter().map(|(index, ..)| labels(*index)).collect();
        let samples = points.iter().zip(&sets);
        let samples =
            samples.map(|((index, time, value), set)| (*index as Ref, set, *time, *value));
        wal.append(samples).unwrap();
    }

    #[test]
    fn what_is_written_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut wal = open(folder.path());
        write(&mut wal, &[(0, 10, 1.5), (3, 10, f64::NAN)]);
        write(&mut wal, &[(3, 21, -0.0), (0, 20, 1.5)]);
        wal.rotate();
        write(&mut wal, &[(3, -5, 7.0)]);
        let exemplar = Exemplar {
            series: labels(3),
            labels: Labels::from_pairs([("trace_id", "x")]),
            time: UnixMs(-5),
            value: f64::INFINITY,
        };
        wal.append_exemplars(std::slice::from_ref(&exemplar)).unwrap();
        let histograms = [(7, 30, &b"new"[..]), (3, -40, b"")];
        let sets = [labels(7), labels(3)];
        let points = histograms.iter().zip(&sets);
        wal.append_histograms(points.map(|((i, time, bytes), set)| (*i, set, *time, *bytes)))
            .unwrap();
        write(&mut wal, &[(7, 31, 1.0)]);
        let (told, replayed) = read(folder.path());
        let expected = [
            (labels(0).to_string(), 10, 1.5_f64),
            (labels(3).to_string(), 10, f64::NAN),
            (labels(3).to_string(), 21, -0.0),
            (labels(0).to_string(), 20, 1.5),
            (labels(3).to_string(), -5, 7.0),
            (labels(7).to_string(), 31, 1.0),
        ]
        .map(|(labels, time, value)| (labels, time, value.to_bits()));
        assert_eq!(told.samples, expected);
        let expected = histograms
            .map(|(i, time, bytes)| (labels(i as usize).to_string(), time, bytes.to_vec()));
        assert_eq!(told.histograms, expected);
        assert_eq!(told.exemplars, [exemplar]);
        assert_eq!((replayed.samples, replayed.torn.len()), (8, 0));
    }

    #[test]
    fn a_large_batch_becomes_several_frames() {
        let folder = tempfile::tempdir().unwrap();
        let mut wal = open(folder.path());
        let one = labels(0);
        let count = 600_000;
        wal.append((0..count).map(|time| (0, &one, time, 0.1 * time as f64))).unwrap();
        let (told, replayed) = read(folder.path());
        assert_eq!((replayed.samples, told.samples.len()), (count as u64, count as usize));
        let last = told.samples.last().unwrap();
        assert_eq!((last.1, f64::from_bits(last.2)), (count - 1, 0.1 * (count - 1) as f64));
    }

    #[test]
    fn a_torn_tail_costs_only_the_torn_batch() {
        let folder = tempfile::tempdir().unwrap();
        let mut wal = open(folder.path());
        write(&mut wal, &[(0, 10, 1.0)]);
        let kept = wal.bytes();
        write(&mut wal, &[(0, 20, 2.0)]);
        let path = path_of(folder.path(), 1);
        let whole = fs::read(&path).unwrap();
        for length in kept as usize..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (told, replayed) = read(folder.path());
            assert_eq!(told.samples.len(), 1, "cut at {length}");
            assert_eq!(replayed.torn.len(), usize::from(length > kept as usize));
        }
    }

    #[test]
    fn segments_go_when_their_times_are_in_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let mut wal = open(folder.path());
        write(&mut wal, &[(0, 10, 1.0), (0, SLOT_MS + 10, 1.0)]);
        let first = wal.rotate();
        write(&mut wal, &[(0, SLOT_MS + 20, 1.0)]);
        let range = |start, end| TimeRange { start: UnixMs(start), end: UnixMs(end) };
        wal.release(range(0, SLOT_MS - 2), first).unwrap();
        wal.release(range(SLOT_MS, 2 * SLOT_MS - 1), first).unwrap();
        assert!(path_of(folder.path(), 1).exists(), "the first slot was not released whole");
        wal.release(range(0, SLOT_MS - 1), first).unwrap();
        assert!(!path_of(folder.path(), 1).exists());
        assert!(path_of(folder.path(), 2).exists());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damage_is_survived(bytes: Vec<u8>, at in 0_usize..200) {
            let folder = tempfile::tempdir().unwrap();
            let mut wal = open(folder.path());
            for time in 0..10 {
                write(&mut wal, &[(0, time, time as f64), (1, time, 0.5)]);
            }
            let path = path_of(folder.path(), 1);
            let mut file = fs::read(&path).unwrap();
            let at = at % file.len();
            file.splice(at.., bytes);
            fs::write(&path, file).unwrap();
            let (told, _) = read(folder.path());
            prop_assert!(told.samples.len() <= 20);
        }

        #[test]
        fn any_body_is_survived(bytes: Vec<u8>) {
            let mut told = Told::default();
            let decoded = Reading::new(1, &mut told).decode(&bytes);
            let _ = decoded;
        }
    }
}
