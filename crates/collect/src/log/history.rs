//! Files that gzip or zstd made smaller: read once, from their start or from where the file was read that they
//! were made of. One at a time, so that memory does not depend on how many there are.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    LINE_MAX, Limits, LineSink, RawLine,
    feed::Feed,
    files::{Candidate, Now},
    place::{Head, Inode, TAIL_MAX},
    positions::{self, Position},
    siblings,
};

/// Most bytes that are read of one file, as they were before: who packs more wants to do harm.
const BYTES_MAX: u64 = 8 << 30;
/// What is unpacked at once.
const BUFFER: usize = 64 * 1024;

/// A file that is being read.
pub(super) struct History {
    candidate: Candidate,
    inode: Inode,
    /// Size of the packed file.
    size: u64,
    reader: Box<dyn Read + Send>,
    head: Head,
    pub(super) feed: Feed,
    buffer: Vec<u8>,
    /// The line that is not complete, and how much of it was left out.
    line: Vec<u8>,
    cut: u64,
    /// Bytes that were unpacked.
    read: u64,
    is_over: bool,
    due: Duration,
}

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Refused,
    Until(Duration),
    /// All is read and stored.
    Done,
}

impl History {
    /// Begins a file, behind what is stored of it. It is the same as a known one whose words it begins with, if it
    /// has the same words where that was read up to. Absent where it is not `expected`, if that is given, or has
    /// no line.
    pub(super) fn open(
        candidate: Candidate,
        known: &[Position],
        is_expected: bool,
        sink: &dyn LineSink,
        limits: Limits,
    ) -> io::Result<Option<Self>> {
        let about = std::fs::metadata(&candidate.path)?;
        let mut start = vec![0; 256];
        let mut reader = unpacked(&candidate.path)?;
        let length = fill(&mut *reader, &mut start)?;
        let Some(head) = Head::of(start.get(..length).unwrap_or_default()) else { return Ok(None) };
        let inode = Inode::of(&about);
        let mut found = None;
        for position in known.iter().filter(|position| position.head == Some(head)) {
            if let Some(name) = &position.file
                && has_tail(&candidate.path, position)?
            {
                found = Some((name.clone(), position.offset));
                break;
            }
        }
        if found.is_none() && is_expected {
            return Ok(None);
        }
        let (name, offset) = found.unwrap_or_else(|| (head.name(inode, 0), 0));
        let offset = offset.max(sink.stored(&name).unwrap_or(0));
        let mut reader = unpacked(&candidate.path)?;
        skip(&mut *reader, offset)?;
        let origin = Arc::clone(&candidate.origin);
        Ok(Some(Self {
            candidate,
            inode,
            size: about.size(),
            reader,
            head,
            feed: Feed::new(name.into(), origin, offset, limits),
            buffer: vec![0; BUFFER],
            line: Vec::new(),
            cut: 0,
            read: offset,
            is_over: false,
            due: Duration::ZERO,
        }))
    }

    /// Reads a little. After an error nothing more comes of this file.
    pub(super) fn turn(&mut self, sink: &dyn LineSink, now: Now) -> io::Result<Progress> {
        if !self.feed.offer(sink, now.wall, now.monotonic) {
            return Ok(Progress::Refused);
        }
        if self.is_over {
            let again = now.monotonic + Duration::from_millis(200);
            return Ok(if self.feed.is_done() { Progress::Done } else { Progress::Until(again) });
        }
        if now.monotonic < self.due {
            return Ok(Progress::Until(self.due));
        }
        let mut lines = Vec::new();
        if let Some(room) = self.feed.room(now.monotonic) {
            let mut left = room.bytes;
            while left > 0 && lines.len() < room.lines && !self.is_over {
                let length = self.reader.read(&mut self.buffer)?;
                left = left.saturating_sub(length);
                self.is_over = length == 0 || self.read >= BYTES_MAX;
                self.split(length, &mut lines);
            }
        }
        self.feed.put(lines, now.wall, now.monotonic);
        self.due = now.monotonic + Duration::from_millis(20);
        let was_taken = self.feed.offer(sink, now.wall, now.monotonic);
        Ok(if was_taken { Progress::Until(self.due) } else { Progress::Refused })
    }

    /// Takes lines out of what was unpacked; at the end also the last one, which may have no end.
    fn split(&mut self, length: usize, lines: &mut Vec<RawLine>) {
        let block = self.buffer.get(..length).unwrap_or_default();
        for part in block.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_end) =
                part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            let room = (LINE_MAX - self.line.len()).min(text.len());
            self.line.extend_from_slice(text.get(..room).unwrap_or_default());
            self.cut += (text.len() - room) as u64;
            self.read += part.len() as u64;
            if is_end {
                lines.push(line(&mut self.line, &mut self.cut, self.read));
            }
        }
        if self.is_over && !self.line.is_empty() {
            lines.push(line(&mut self.line, &mut self.cut, self.read));
        }
    }

    /// How far it was read; with its size once that is all, so that it is not read again.
    pub(super) fn position(&self, now: Now) -> (Inode, Position) {
        let is_whole = self.is_over && self.feed.is_done();
        let position = Position {
            file: Some(self.feed.file.to_string()),
            head: Some(self.head),
            generation: 0,
            offset: self.feed.stored(),
            read: self.feed.stored(),
            tail: Vec::new(),
            path: self.candidate.path.display().to_string(),
            seen: now.wall.0,
            origin: positions::packed(&self.candidate.origin),
            form: self.candidate.form,
            packed: is_whole.then_some(self.size),
        };
        (self.inode, position)
    }

    /// The same for a file that cannot be read to its end.
    pub(super) fn given_up(&self, now: Now) -> (Inode, Position) {
        let (inode, position) = self.position(now);
        (inode, Position { packed: Some(self.size), ..position })
    }

    pub(super) fn path(&self) -> &Path {
        &self.candidate.path
    }
}

fn line(text: &mut Vec<u8>, cut: &mut u64, end: u64) -> RawLine {
    let mut bytes = std::mem::take(text);
    let cut = std::mem::take(cut);
    if cut == 0 && bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    RawLine { bytes, cut, end, ..RawLine::default() }
}

/// The words of a packed file.
fn unpacked(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let mut file = File::open(path)?;
    let is_gzip = siblings::begins_with(&file, siblings::GZIP)?;
    let is_zstd = siblings::begins_with(&file, siblings::ZSTD)?;
    io::Seek::rewind(&mut file)?;
    if is_gzip {
        return Ok(Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))));
    }
    if is_zstd {
        return Ok(Box::new(zstd::stream::read::Decoder::new(file)?));
    }
    Err(io::Error::new(io::ErrorKind::Unsupported, "neither gzip nor zstd"))
}

fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(room) = buffer.get_mut(length..).filter(|room| !room.is_empty()) {
        match reader.read(room)? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}

/// Unpacks without keeping anything.
fn skip(reader: &mut dyn Read, bytes: u64) -> io::Result<()> {
    io::copy(&mut reader.take(bytes.min(BYTES_MAX)), &mut io::sink()).map(drop)
}

/// Whether the words before the place that was read are there.
fn has_tail(path: &Path, position: &Position) -> io::Result<bool> {
    let length = position.tail.len().min(TAIL_MAX);
    let mut reader = unpacked(path)?;
    skip(&mut *reader, position.read.saturating_sub(length as u64))?;
    let mut tail = vec![0; length];
    Ok(fill(&mut *reader, &mut tail)? == length && tail == position.tail)
}

/// Packed files that may be what a known file became.
pub(super) fn made_of(position: &Position) -> Vec<PathBuf> {
    siblings::alike(position)
        .into_iter()
        .filter(|(_, file)| {
            let is_new = file.metadata().is_ok_and(|about| {
                about.mtime().saturating_mul(1_000).saturating_add(60_000) >= position.seen
            });
            is_new && siblings::is_compressed(file).unwrap_or(false)
        })
        .map(|(path, _)| path)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use model::{UnixMs, log::Origin};

    use super::{
        super::{files::Only, unwrap::Form},
        *,
    };
    use crate::log::{From, tests::TestSink};

    fn candidate(path: &Path) -> Candidate {
        Candidate {
            path: path.to_owned(),
            origin: Arc::new(Origin::default()),
            from: From::Start,
            pattern: None,
            form: Form::Plain,
            is_history_read: true,
            only: Only::Any,
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(history: &mut History, sink: &TestSink) -> io::Result<()> {
        let mut now = Now { wall: UnixMs(0), monotonic: Duration::from_secs(1) };
        for _ in 0..100 {
            if history.turn(sink, now)? == Progress::Done {
                return Ok(());
            }
            now.monotonic += Duration::from_secs(1);
        }
        panic!("it does not end");
    }

    #[test]
    fn packed_files_are_read_once_and_to_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("one\r\n{}\nlast", "x".repeat(LINE_MAX + 5));
        let two = [gzip(text.as_bytes()), gzip(b" one\nmore\n")].concat();
        let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
        for (name, bytes, ends) in
            [("a.gz", two, vec!["last one", "more"]), ("a.zst", zstd, vec!["last"])]
        {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let sink = TestSink::default();
            let open = || {
                History::open(candidate(&path), &[], false, &sink, Limits::default())
                    .unwrap()
                    .unwrap()
            };
            let mut history = open();
            read(&mut history, &sink).unwrap();
            let lines = sink.lines();
            assert_eq!((lines[0].bytes.as_slice(), lines[0].end), (&b"one"[..], 5));
            assert_eq!((lines[1].bytes.len(), lines[1].cut), (LINE_MAX, 5));
            let texts = sink.texts();
            assert_eq!(texts[2..], ends, "{name}");
            // Again, as without positions: all is stored.
            read(&mut open(), &sink).unwrap();
            assert_eq!(sink.texts().len(), texts.len());
            let now = Now { wall: UnixMs(7), monotonic: Duration::ZERO };
            assert!(history.position(now).1.packed.is_some());
        }
    }

    #[test]
    fn a_known_file_goes_on_where_it_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log.1.gz");
        std::fs::write(&path, gzip(b"first\nsecond\nthird\n")).unwrap();
        let check = |tail: &[u8], is_expected, expected: Option<&[&str]>| {
            let position = Position {
                file: Some("1:2:3".into()),
                head: Head::of(b"first\n"),
                generation: 0,
                offset: 6,
                read: 13,
                tail: tail.to_vec(),
                path: path.display().to_string(),
                seen: 0,
                origin: positions::packed(&Origin::default()),
                form: Form::Plain,
                packed: None,
            };
            let sink = TestSink::default();
            let limits = Limits::default();
            let opened = History::open(candidate(&path), &[position], is_expected, &sink, limits);
            let history = opened.unwrap();
            assert_eq!(history.is_some(), expected.is_some());
            if let (Some(mut history), Some(expected)) = (history, expected) {
                read(&mut history, &sink).unwrap();
                assert_eq!(sink.texts(), expected);
            }
        };
        check(b"second\n", true, Some(&["second", "third"]));
        check(b"xecond\n", true, None);
        check(b"xecond\n", false, Some(&["first", "second", "third"]));
    }

    #[test]
    fn what_is_broken_ends_with_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gz");
        let mut bytes = gzip("line\n".repeat(100_000).as_bytes());
        bytes.truncate(bytes.len() - 200);
        std::fs::write(&path, bytes).unwrap();
        let sink = TestSink::default();
        let opened = History::open(candidate(&path), &[], false, &sink, Limits::default());
        assert!(read(&mut opened.unwrap().unwrap(), &sink).is_err());
        std::fs::write(&path, b"plain\n").unwrap();
        assert!(History::open(candidate(&path), &[], false, &sink, Limits::default()).is_err());
    }
}
