//! One file of systemd's journal, read without its library.
//!
//! Both layouts, regular and compact, are read; data may be plain or made smaller by zstd or LZ4. What very old
//! versions made smaller by XZ is not understood, which is said for each. Every offset and size is checked against
//! the file before it is used, and chains only lead forward, so that a damaged file ends reading and nothing
//! else. Format: systemd's `JOURNAL_FILE_FORMAT`.

use std::{fmt, fs::File, io, io::Read as _, os::unix::fs::FileExt as _};

use super::super::LINE_MAX;

const SIGNATURE: &[u8] = b"LPKSHHRH";
/// Header bytes that are used; every version has them.
const HEADER: usize = 208;
const INCOMPATIBLE_COMPACT: u32 = 16;
/// XZ, LZ4, keyed hashes, zstd and the compact layout.
const INCOMPATIBLE_KNOWN: u32 = 31;
const TYPE_DATA: u8 = 1;
const TYPE_ENTRY: u8 = 3;
const TYPE_ENTRY_ARRAY: u8 = 6;
const FLAG_XZ: u8 = 1;
const FLAG_LZ4: u8 = 2;
const FLAG_ZSTD: u8 = 4;
const STATE_ARCHIVED: u8 = 2;
/// Bytes of the header of every object.
const OBJECT: u64 = 16;
/// Most fields of one entry that are looked at.
const ITEMS_MAX: u64 = 1_024;
/// Most arrays of entries; each is twice as long as the one before.
const ARRAYS_MAX: usize = 4_096;
/// What is read at once.
const WINDOW: usize = 16 * 1024;

/// Why something of a file cannot be read.
#[derive(Debug)]
pub(super) enum Damage {
    Io(io::Error),
    /// This is not as it should be.
    Malformed(&'static str),
    /// It is made smaller in a way that is not understood.
    Unsupported(&'static str),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Malformed(what) => write!(f, "damaged: {what}"),
            Self::Unsupported(what) => write!(f, "{what} is not understood"),
        }
    }
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

type Result<T> = std::result::Result<T, Damage>;

/// What the header says now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) seqnum_id: u128,
    pub(super) is_archived: bool,
    is_compact: bool,
    pub(super) entries: u64,
    pub(super) tail_seqnum: u64,
    pub(super) head_seqnum: u64,
    first_array: u64,
    /// Of the newest entry, in microseconds of Unix time.
    pub(super) tail_realtime: u64,
}

#[derive(Debug)]
pub(super) struct JournalFile {
    file: File,
    size: u64,
    pub(super) header: Header,
    window: Vec<u8>,
    window_at: u64,
}

/// A place in the chain of arrays that list all entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    array: u64,
    /// Within the array.
    index: u64,
    /// Entries before this place.
    before: u64,
}

/// An entry without its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) seqnum: u64,
    /// In microseconds of Unix time.
    pub(super) realtime: u64,
    /// Where its fields are.
    pub(super) fields: Vec<u64>,
}

impl JournalFile {
    pub(super) fn open(file: File) -> Result<Self> {
        let header = Header {
            seqnum_id: 0,
            is_archived: false,
            is_compact: false,
            entries: 0,
            tail_seqnum: 0,
            head_seqnum: 0,
            first_array: 0,
            tail_realtime: 0,
        };
        let mut journal = Self { file, size: 0, header, window: Vec::new(), window_at: 0 };
        journal.refresh()?;
        Ok(journal)
    }

    /// Looks again at how far the file goes.
    pub(super) fn refresh(&mut self) -> Result<()> {
        self.window.clear();
        self.size = self.file.metadata()?.len();
        let mut bytes = [0; HEADER];
        self.file.read_exact_at(&mut bytes, 0).map_err(|_| Damage::Malformed("header"))?;
        let long = |at: usize| number(&bytes, at, 8);
        if !bytes.starts_with(SIGNATURE) {
            return Err(Damage::Malformed("signature"));
        }
        let incompatible = u32::try_from(number(&bytes, 12, 4)).unwrap_or(u32::MAX);
        if incompatible & !INCOMPATIBLE_KNOWN != 0 {
            return Err(Damage::Unsupported("version"));
        }
        let id = bytes.get(72..88).and_then(|id| id.try_into().ok()).unwrap_or_default();
        self.header = Header {
            seqnum_id: u128::from_be_bytes(id),
            is_archived: bytes.get(16) == Some(&STATE_ARCHIVED),
            is_compact: incompatible & INCOMPATIBLE_COMPACT != 0,
            entries: long(152),
            tail_seqnum: long(160),
            head_seqnum: long(168),
            first_array: long(176),
            tail_realtime: long(192),
        };
        Ok(())
    }

    /// Before the first entry.
    pub(super) fn start(&self) -> Place {
        Place { array: self.header.first_array, index: 0, before: 0 }
    }

    /// The first place whose entry is as wanted, if all before it are not and all behind it are.
    pub(super) fn seek(&mut self, mut is_wanted: impl FnMut(&Entry) -> bool) -> Result<Place> {
        let mut place = self.start();
        // The last array whose first entry is not wanted has the place in it, or its end is the place.
        for _ in 0..ARRAYS_MAX {
            let Some(next) = self.next_array(place)? else { break };
            match self.entry_at(next)? {
                Some(entry) if !is_wanted(&entry) => place = next,
                _ => break,
            }
        }
        let length = self.array(place.array)?.map_or(0, |(_, length, _)| length);
        let length = length.min(self.header.entries.saturating_sub(place.before));
        let (mut low, mut high) = (0, length);
        while low < high {
            let middle = low + (high - low) / 2;
            let at = Place { index: middle, ..place };
            match self.entry_at(at)? {
                Some(entry) if !is_wanted(&entry) => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(Place { index: low, ..place })
    }

    /// The entry at a place, which moves on; absent at the end. A damaged entry is passed over the next time.
    pub(super) fn next(&mut self, place: &mut Place) -> Result<Option<Entry>> {
        if place.before + place.index >= self.header.entries {
            return Ok(None);
        }
        // The file had no entry when the place was taken.
        if place.array == 0 {
            place.array = self.header.first_array;
        }
        let Some((_, length, _)) = self.array(place.array)? else { return Ok(None) };
        if place.index >= length {
            let Some(next) = self.next_array(*place)? else { return Ok(None) };
            *place = next;
        }
        let at = *place;
        place.index += 1;
        self.entry_at(at)
    }

    fn next_array(&mut self, place: Place) -> Result<Option<Place>> {
        let Some((_, length, next)) = self.array(place.array)? else { return Ok(None) };
        if next == 0 {
            return Ok(None);
        }
        if next <= place.array {
            return Err(Damage::Malformed("chain of entry arrays"));
        }
        Ok(Some(Place { array: next, index: 0, before: place.before + length }))
    }

    /// Where the items of an array begin, how many there is room for, and the next array.
    fn array(&mut self, offset: u64) -> Result<Option<(u64, u64, u64)>> {
        if offset == 0 {
            return Ok(None);
        }
        let (_, size) = self.object(offset, TYPE_ENTRY_ARRAY)?;
        let next = self.number(offset + 16, 8)?;
        let width = if self.header.is_compact { 4 } else { 8 };
        Ok(Some((offset + 24, size.saturating_sub(24) / width, next)))
    }

    fn entry_at(&mut self, place: Place) -> Result<Option<Entry>> {
        let Some((items, length, _)) = self.array(place.array)? else { return Ok(None) };
        if place.index >= length || place.before + place.index >= self.header.entries {
            return Ok(None);
        }
        let width = if self.header.is_compact { 4 } else { 8 };
        let offset = self.number(items + place.index * width, width as usize)?;
        if offset == 0 {
            return Ok(None);
        }
        self.entry(offset).map(Some)
    }

    fn entry(&mut self, offset: u64) -> Result<Entry> {
        let (_, size) = self.object(offset, TYPE_ENTRY)?;
        let seqnum = self.number(offset + 16, 8)?;
        let realtime = self.number(offset + 24, 8)?;
        let width: u64 = if self.header.is_compact { 4 } else { 16 };
        let count = (size.saturating_sub(64) / width).min(ITEMS_MAX);
        let wide = if self.header.is_compact { 4 } else { 8 };
        let fields = (0..count).map(|item| self.number(offset + 64 + item * width, wide));
        Ok(Entry { seqnum, realtime, fields: fields.collect::<Result<_>>()? })
    }

    /// A field as `NAME=value`, at most `most` bytes of it, and how many bytes it has in all where that is known.
    pub(super) fn field(&mut self, offset: u64, most: usize) -> Result<(Vec<u8>, Option<u64>)> {
        let (flags, size) = self.object(offset, TYPE_DATA)?;
        let head: u64 = if self.header.is_compact { 72 } else { 64 };
        let length = size.checked_sub(head).ok_or(Damage::Malformed("data"))?;
        let kept = usize::try_from(length).unwrap_or(usize::MAX);
        if flags & FLAG_XZ != 0 {
            return Err(Damage::Unsupported("xz"));
        }
        if flags & FLAG_LZ4 != 0 {
            let packed = self.bytes(offset + head, kept.min(2 * LINE_MAX))?;
            let plain = packed.get(8..).and_then(|block| lz4(block, most));
            return Ok((plain.ok_or(Damage::Malformed("lz4"))?, Some(number(packed, 0, 8))));
        }
        if flags & FLAG_ZSTD == 0 {
            return Ok((self.bytes(offset + head, kept.min(most))?.to_vec(), Some(length)));
        }
        let packed = self.bytes(offset + head, kept.min(2 * LINE_MAX))?.to_vec();
        let mut plain = Vec::new();
        let decoder = zstd::stream::read::Decoder::with_buffer(packed.as_slice())?;
        decoder.take(most as u64).read_to_end(&mut plain).map_err(|_| Damage::Malformed("zstd"))?;
        let all = zstd::zstd_safe::get_frame_content_size(&packed).ok().flatten();
        Ok((plain, all))
    }

    /// Flags and size of the object at an offset, which has to be of that type and within the file.
    fn object(&mut self, offset: u64, kind: u8) -> Result<(u8, u64)> {
        if !offset.is_multiple_of(8) || offset < HEADER as u64 {
            return Err(Damage::Malformed("offset"));
        }
        let bytes = self.bytes(offset, 16)?;
        let (found, flags) = (bytes.first().copied(), bytes.get(1).copied().unwrap_or_default());
        let size = number(bytes, 8, 8);
        let is_within = offset.checked_add(size).is_some_and(|end| end <= self.size);
        if found != Some(kind) || size < OBJECT || !is_within {
            return Err(Damage::Malformed("object"));
        }
        Ok((flags, size))
    }

    fn number(&mut self, offset: u64, width: usize) -> Result<u64> {
        let bytes = self.bytes(offset, width)?;
        Ok(number(bytes, 0, width))
    }

    /// Bytes of the file, from the window that was read last if they are in it.
    fn bytes(&mut self, offset: u64, length: usize) -> Result<&[u8]> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.size);
        let end = end.ok_or(Damage::Malformed("end of file"))?;
        let window_end = self.window_at + self.window.len() as u64;
        if offset < self.window_at || end > window_end {
            let room = usize::try_from(self.size - offset).unwrap_or(usize::MAX);
            self.window.clear();
            self.window.resize(length.max(WINDOW).min(room), 0);
            self.window_at = offset;
            let read = self.file.read_exact_at(&mut self.window, offset);
            if let Err(error) = read {
                self.window.clear();
                return Err(error.into());
            }
        }
        let from = usize::try_from(offset - self.window_at).unwrap_or(usize::MAX);
        self.window.get(from..from + length).ok_or(Damage::Malformed("window"))
    }
}

/// Unpacks a block of LZ4, at most `most` bytes of it. Absent where the block is not what it should be.
fn lz4(block: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut plain: Vec<u8> = Vec::new();
    let mut rest = block;
    while plain.len() < most {
        let (token, after) = rest.split_first()?;
        rest = after;
        let literals = lz4_length(token >> 4, &mut rest)?;
        plain.extend_from_slice(rest.get(..literals)?);
        rest = rest.get(literals..)?;
        // The last sequence has nothing but literals.
        if rest.is_empty() {
            break;
        }
        let back = usize::try_from(number(rest.get(..2)?, 0, 2)).ok()?;
        rest = rest.get(2..)?;
        let length = lz4_length(token & 15, &mut rest)?.checked_add(4)?;
        let from = plain.len().checked_sub(back).filter(|_| back > 0)?;
        // What is repeated may reach into itself.
        for at in from..from + length.min(most) {
            plain.push(*plain.get(at)?);
        }
    }
    plain.truncate(most);
    Some(plain)
}

/// A length of LZ4: 15 stands for 15 and what follows, up to the first byte that is not 255.
fn lz4_length(short: u8, rest: &mut &[u8]) -> Option<usize> {
    let mut length = usize::from(short);
    if short < 15 {
        return Some(length);
    }
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        length = length.checked_add(usize::from(*byte))?;
        if *byte < 255 {
            return Some(length);
        }
    }
}

/// A whole number of `width` bytes, the lowest first; what is not there counts as 0.
fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    let bytes = bytes.get(at..at + width).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Read, Write as _};

    use proptest::prelude::*;

    use super::*;

    /// Captured: written by systemd-journal-remote 252 from 120 entries made up for it.
    pub(in super::super) fn fixture(name: &str) -> Vec<u8> {
        let path = format!("{}/fixtures/journal/{name}.journal.gz", env!("CARGO_MANIFEST_DIR"));
        let mut bytes = Vec::new();
        let file = File::open(path).unwrap();
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn open(bytes: &[u8]) -> Result<JournalFile> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        JournalFile::open(file)
    }

    fn texts(journal: &mut JournalFile, entry: &Entry) -> Vec<String> {
        let fields = entry.fields.iter().map(|offset| journal.field(*offset, 100).unwrap().0);
        fields.map(|field| String::from_utf8_lossy(&field).into_owned()).collect()
    }

    #[test]
    fn both_layouts_of_a_real_file() {
        for name in ["compact", "regular"] {
            let mut journal = open(&fixture(name)).unwrap();
            let header = journal.header;
            assert_eq!((header.entries, header.head_seqnum, header.tail_seqnum), (120, 1, 120));
            let mut place = journal.start();
            let mut seqnums = Vec::new();
            while let Some(entry) = journal.next(&mut place).unwrap() {
                assert_eq!(entry.realtime, 1_795_862_554_000_000 + entry.seqnum * 1_000_000);
                seqnums.push(entry.seqnum);
            }
            assert_eq!(seqnums, (1..=120).collect::<Vec<_>>());
            for wanted in [0, 1, 2, 60, 119, 120, 121] {
                let mut place = journal.seek(|entry| entry.seqnum >= wanted).unwrap();
                let found = journal.next(&mut place).unwrap().map(|entry| entry.seqnum);
                assert_eq!(found, (wanted <= 120).then_some(wanted.max(1)), "{name} {wanted}");
            }
            let mut place = journal.start();
            let first = journal.next(&mut place).unwrap().unwrap();
            let fields = texts(&mut journal, &first);
            assert!(fields.contains(&"_SYSTEMD_UNIT=ollama.service".to_owned()), "{fields:?}");
            let mut place = journal.seek(|entry| entry.seqnum >= 31).unwrap();
            let long = journal.next(&mut place).unwrap().unwrap();
            let fields = texts(&mut journal, &long);
            assert!(
                fields.iter().any(|field| field.starts_with("MESSAGE=Traceback")),
                "{fields:?}"
            );
        }
    }

    /// Reads everything that a file says, however wrong it is.
    fn walk(bytes: &[u8]) -> usize {
        let Ok(mut journal) = open(bytes) else { return 0 };
        journal.seek(|entry| entry.seqnum >= 50).ok();
        let mut place = journal.start();
        let mut count = 0;
        for _ in 0..1_000 {
            match journal.next(&mut place) {
                Ok(None) => break,
                Ok(Some(entry)) => {
                    count += 1;
                    for offset in entry.fields {
                        journal.field(offset, LINE_MAX).ok();
                    }
                }
                Err(_) => {}
            }
        }
        count
    }

    /// Captured: what lz4 1.9.4 makes of the text of the test.
    const PACKED: &str = "ff2f54726163656261636b20286d6f737420726563656e742063616c6c206c617374293a0a202046\
        696c652022782e7079222c206c696e6520302c20696e20661c00021f311c00081f321c00081f331c\
        00081f341c00081f351c00081f361c00081f371c00081f381c00081f391c00081f3119010a041a01\
        f00056616c75654572726f723a20626164";

    #[test]
    fn blocks_of_lz4() {
        let check = |block: &[u8], most, expected: Option<&[u8]>| {
            assert_eq!(lz4(block, most).as_deref(), expected, "{block:?}");
        };
        // Written by hand after the format's description.
        check(b"\x50hello", 100, Some(b"hello"));
        check(b"\x14a\x01\x00\x10b", 100, Some(b"aaaaaaaaab"));
        check(b"\x14a\x01\x00\x10b", 4, Some(b"aaaa"));
        let long = [&b"\xf0\x05"[..], &[b'x'; 20]].concat();
        check(&long, 100, Some(&[b'x'; 20]));
        check(b"\x14a\x02\x00\x10b", 100, None);
        check(b"\x14a\x00\x00\x10b", 100, None);
        check(b"\xf0\xff", 100, None);
        check(b"", 100, None);
        let lines = (0..12).map(|number| format!("  File \"x.py\", line {number}, in f\n"));
        let lines = lines.collect::<String>();
        let text = format!("Traceback (most recent call last):\n{lines}ValueError: bad");
        let pairs = PACKED.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let packed: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        check(&packed, 10_000, Some(text.as_bytes()));
        check(&packed, 50, Some(&text.as_bytes()[..50]));
    }

    #[test]
    fn what_is_no_journal() {
        for bytes in [&b""[..], b"LPKSHHRH", &[0; 4_096]] {
            assert_eq!(walk(bytes), 0);
        }
    }

    proptest! {
        #[test]
        fn any_block_of_lz4_is_survived(block: Vec<u8>, most in 0_usize..10_000) {
            prop_assert!(lz4(&block, most).is_none_or(|plain| plain.len() <= most));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damage_is_survived(
            hits in prop::collection::vec((0_usize..8_388_608, any::<u8>()), 1..40),
            header in prop::collection::vec((0_usize..264, any::<u8>()), 0..3),
            objects in prop::collection::vec((3_730_000_usize..3_790_000, any::<u8>()), 0..40),
            length in prop_oneof![Just(8_388_608_usize), 0_usize..8_388_608],
            is_compact: bool,
        ) {
            let mut bytes = fixture(if is_compact { "compact" } else { "regular" });
            for (at, byte) in hits.into_iter().chain(header).chain(objects) {
                bytes[at] = byte;
            }
            bytes.truncate(length);
            walk(&bytes);
        }
    }
}
