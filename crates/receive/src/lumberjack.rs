//! Lumberjack, in which Beats and Logstash forwarders speak to Logstash: frames of version 2 (JSON), and the
//! fields of version 1.
//!
//! A sender announces a window of so many events, sends them, mostly compressed, and waits until their number is
//! acknowledged. What is compressed is expanded piece by piece, so that memory is bounded by one event, however
//! much a frame expands to.

use bytes::{Buf as _, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};
use model::log::Line;
use serde_json::{Map, Value};

use crate::draft::{Arrival, Draft};

/// Largest event.
pub const EVENT_BYTES_MAX: usize = 2 << 20;

/// Largest compressed frame.
const COMPRESSED_BYTES_MAX: usize = 32 << 20;

/// What one compressed frame may expand to.
const EXPANDED_BYTES_MAX: usize = 64 << 20;

/// Events of one window.
const WINDOW_MAX: u32 = 1 << 20;

/// Fields of an event of version 1.
const PAIRS_MAX: u32 = 1_024;

/// How much is expanded at a time.
const PIECE_BYTES: usize = 64 << 10;

/// What comes.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// So many events follow before an acknowledgement is waited for.
    Window(u32),
    Event {
        sequence: u32,
        fields: Map<String, Value>,
    },
}

/// Why a connection cannot go on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("this is no frame of Lumberjack")]
    NoFrame,
    #[error("a frame or what it expands to is too large")]
    TooLarge,
    #[error("what is compressed is damaged")]
    Damaged,
    #[error("an event is no object of JSON")]
    NoEvent,
}

/// Takes frames off a connection.
#[derive(Debug, Default)]
pub struct Frames {
    /// What came and was not read yet.
    arrived: BytesMut,
    compressed: Option<Box<Compressed>>,
    /// The version of the last frame, in which is to be answered.
    version: u8,
}

/// A compressed frame that is being expanded.
#[derive(Debug)]
struct Compressed {
    /// Bytes of it that have not been expanded.
    left: usize,
    inflater: Decompress,
    /// What was expanded and not read yet.
    expanded: BytesMut,
    /// What is expanded goes here first.
    piece: Vec<u8>,
    is_over: bool,
}

/// A frame, or what there is instead of one.
enum Read {
    Frame(Frame),
    /// A compressed frame of so many bytes begins.
    Compressed(usize),
    /// More bytes are needed.
    Partial,
}

impl Frames {
    /// Adds what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.arrived.extend_from_slice(bytes);
    }

    /// The next frame; `None` until more comes. After an error nothing more can be read.
    pub fn frame(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(compressed) = &mut self.compressed {
                match read(&mut compressed.expanded, &mut self.version)? {
                    Read::Frame(frame) => return Ok(Some(frame)),
                    // Nobody compresses twice but to do harm.
                    Read::Compressed(_) => return Err(FrameError::NoFrame),
                    Read::Partial => {}
                }
                if compressed.left == 0 && compressed.is_over {
                    if !compressed.expanded.is_empty() {
                        return Err(FrameError::Damaged);
                    }
                    self.compressed = None;
                    continue;
                }
                if !compressed.expand(&mut self.arrived)? {
                    return Ok(None);
                }
                continue;
            }
            match read(&mut self.arrived, &mut self.version)? {
                Read::Frame(frame) => return Ok(Some(frame)),
                Read::Partial => return Ok(None),
                Read::Compressed(left) => {
                    let compressed = Compressed {
                        left,
                        inflater: Decompress::new(true),
                        expanded: BytesMut::new(),
                        piece: vec![0; PIECE_BYTES],
                        is_over: false,
                    };
                    self.compressed = Some(Box::new(compressed));
                }
            }
        }
    }

    /// Says that all events up to one are kept; 0 says that they are being worked on.
    pub fn acknowledgement(&self, sequence: u32) -> [u8; 6] {
        let version = if self.version == b'1' { b'1' } else { b'2' };
        let [a, b, c, d] = sequence.to_be_bytes();
        [version, b'A', a, b, c, d]
    }
}

impl Compressed {
    /// Expands a piece of what arrived. `false`: more has to come first.
    fn expand(&mut self, arrived: &mut BytesMut) -> Result<bool, FrameError> {
        let there = arrived.len().min(self.left);
        if self.is_over {
            // What follows the end of the stream within the frame says nothing.
            arrived.advance(there);
            self.left -= there;
            return Ok(self.left == 0);
        }
        if there == 0 {
            return if self.left == 0 { Err(FrameError::Damaged) } else { Ok(false) };
        }
        let (read_before, made_before) = (self.inflater.total_in(), self.inflater.total_out());
        let input = arrived.get(..there).unwrap_or_default();
        let status = self.inflater.decompress(input, &mut self.piece, FlushDecompress::None);
        let status = status.map_err(|_| FrameError::Damaged)?;
        let read = usize::try_from(self.inflater.total_in() - read_before).unwrap_or(there);
        let made = usize::try_from(self.inflater.total_out() - made_before).unwrap_or(0);
        self.expanded.extend_from_slice(self.piece.get(..made).unwrap_or_default());
        arrived.advance(read);
        self.left -= read;
        self.is_over = status == Status::StreamEnd;
        if self.inflater.total_out() > EXPANDED_BYTES_MAX as u64 {
            return Err(FrameError::TooLarge);
        }
        let is_stuck = read == 0 && made == 0 && !self.is_over;
        if is_stuck { Err(FrameError::Damaged) } else { Ok(true) }
    }
}

/// Reads bytes from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    /// A length and as many bytes.
    fn counted(&mut self) -> Result<Option<&'a [u8]>, FrameError> {
        let Some(length) = self.number() else { return Ok(None) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > EVENT_BYTES_MAX {
            return Err(FrameError::TooLarge);
        }
        Ok(self.bytes(length))
    }
}

/// Takes a frame off the front of `bytes`.
fn read(bytes: &mut BytesMut, version: &mut u8) -> Result<Read, FrameError> {
    let mut reader = Reader(bytes);
    let Some(&[of_frame, kind]) = reader.bytes(2) else {
        let is_begun = bytes.first().is_none_or(|first| matches!(first, b'1' | b'2'));
        return if is_begun { Ok(Read::Partial) } else { Err(FrameError::NoFrame) };
    };
    if !matches!(of_frame, b'1' | b'2') {
        return Err(FrameError::NoFrame);
    }
    *version = of_frame;
    let frame = match kind {
        b'W' => match reader.number() {
            Some(window) if window > WINDOW_MAX => return Err(FrameError::TooLarge),
            window => window.map(|window| Read::Frame(Frame::Window(window))),
        },
        b'C' => match reader.number().map(usize::try_from) {
            Some(Ok(length)) if length <= COMPRESSED_BYTES_MAX => Some(Read::Compressed(length)),
            Some(_) => return Err(FrameError::TooLarge),
            None => None,
        },
        b'J' => event(&mut reader)?.map(Read::Frame),
        b'D' => pairs(&mut reader)?.map(Read::Frame),
        _ => return Err(FrameError::NoFrame),
    };
    let Some(frame) = frame else { return Ok(Read::Partial) };
    let taken = bytes.len() - reader.0.len();
    bytes.advance(taken);
    Ok(frame)
}

/// An event of version 2.
fn event(reader: &mut Reader<'_>) -> Result<Option<Frame>, FrameError> {
    let Some(sequence) = reader.number() else { return Ok(None) };
    let Some(text) = reader.counted()? else { return Ok(None) };
    let fields = serde_json::from_slice(text).map_err(|_| FrameError::NoEvent)?;
    Ok(Some(Frame::Event { sequence, fields }))
}

/// An event of version 1.
fn pairs(reader: &mut Reader<'_>) -> Result<Option<Frame>, FrameError> {
    let Some(sequence) = reader.number() else { return Ok(None) };
    let Some(count) = reader.number() else { return Ok(None) };
    if count > PAIRS_MAX {
        return Err(FrameError::TooLarge);
    }
    let (mut fields, mut bytes) = (Map::new(), 0);
    for _ in 0..count {
        let Some(name) = reader.counted()? else { return Ok(None) };
        let Some(value) = reader.counted()? else { return Ok(None) };
        bytes += name.len() + value.len();
        if bytes > EVENT_BYTES_MAX {
            return Err(FrameError::TooLarge);
        }
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        fields.insert(text(name), text(value).into());
    }
    Ok(Some(Frame::Event { sequence, fields }))
}

/// The line that an event is.
pub fn line(fields: &Map<String, Value>, arrival: &Arrival) -> Line {
    let mut draft = Draft::new(arrival);
    draft.document(fields);
    draft.line(arrival)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{draft::tests::arrival, tests::fixture};

    fn frames(bytes: &[u8], size: usize) -> Result<Vec<Frame>, FrameError> {
        let (mut frames, mut all) = (Frames::default(), Vec::new());
        for piece in bytes.chunks(size) {
            frames.push(piece);
            while let Some(frame) = frames.frame()? {
                all.push(frame);
            }
        }
        Ok(all)
    }

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        let bytes = encoder.finish().unwrap();
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [b"2C", &length[..], &bytes].concat()
    }

    fn json_frame(sequence: u8, json: &[u8]) -> Vec<u8> {
        let length = u32::try_from(json.len()).unwrap().to_be_bytes();
        [b"2J\0\0\0", &[sequence][..], &length, json].concat()
    }

    #[test]
    fn captures() {
        for (name, count) in [("2-events", 2), ("600-events", 600)] {
            let sent = fixture(&format!("lumberjack/pylogbeat-2.1.0-{name}.client.bin"));
            let reply = fixture(&format!("lumberjack/pylogbeat-2.1.0-{name}.server.bin"));
            for size in [1, 100, sent.len()] {
                let read = frames(&sent, size).unwrap();
                assert_eq!(read[0], Frame::Window(count));
                assert_eq!(read.len(), count as usize + 1);
                let Frame::Event { sequence, fields } = &read[count as usize] else { panic!() };
                assert_eq!(Frames::default().acknowledgement(*sequence).as_slice(), reply);
                let line = line(fields, &arrival("beats"));
                assert!(!line.body.starts_with('{'), "{}", line.body);
            }
        }
    }

    #[test]
    fn both_versions() {
        let old = b"1W\0\0\0\x01\x31D\0\0\0\x07\0\0\0\x01\0\0\0\x04line\0\0\0\x01x";
        let fields = json!({"line": "x"}).as_object().unwrap().clone();
        let expected = vec![Frame::Window(1), Frame::Event { sequence: 7, fields }];
        assert_eq!(frames(old, 3).unwrap(), expected);
        let mut frames = Frames::default();
        frames.push(old);
        while frames.frame().unwrap().is_some() {}
        assert_eq!(frames.acknowledgement(7), *b"1A\0\0\0\x07");
    }

    #[test]
    fn hostile_frames_end_the_connection() {
        let check = |bytes: &[u8], expected: FrameError| {
            for size in [1, bytes.len()] {
                assert_eq!(frames(bytes, size).unwrap_err(), expected, "{bytes:?}");
            }
        };
        check(b"GET / HTTP/1.1\r\n", FrameError::NoFrame);
        check(b"2X", FrameError::NoFrame);
        check(b"2W\xff\xff\xff\xff", FrameError::TooLarge);
        check(b"2C\xff\xff\xff\xff", FrameError::TooLarge);
        check(b"2J\0\0\0\x01\xff\xff\xff\xff", FrameError::TooLarge);
        check(b"1D\0\0\0\x01\xff\xff\xff\xff", FrameError::TooLarge);
        check(b"2C\0\0\0\x03abc", FrameError::Damaged);
        check(b"2C\0\0\0\x00", FrameError::Damaged);
        check(&json_frame(1, b"[1]"), FrameError::NoEvent);
        check(&json_frame(1, b"{"), FrameError::NoEvent);
        check(&compressed(&compressed(&json_frame(1, b"{}"))), FrameError::NoFrame);
        check(&compressed(b"2J\0\0"), FrameError::Damaged);
        let zeros = compressed(&vec![0; 10 << 20]);
        check(&zeros, FrameError::NoFrame);
    }

    /// A frame that expands to more than anybody has.
    #[test]
    fn bombs_are_bounded() {
        let event = json_frame(1, &[b"{}".as_slice(), &[b' '; 1 << 20]].concat());
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        for _ in 0..=EXPANDED_BYTES_MAX >> 20 {
            encoder.write_all(&event).unwrap();
        }
        let bomb = encoder.finish().unwrap();
        let mut decoder = Frames::default();
        decoder
            .push(&[b"2C", &u32::try_from(bomb.len()).unwrap().to_be_bytes()[..], &bomb].concat());
        let mut count = 0;
        let error = loop {
            match decoder.frame() {
                Ok(Some(_)) => count += 1,
                Ok(None) => panic!("it was read to its end"),
                Err(error) => break error,
            }
            let memory = decoder.compressed.as_ref().map_or(0, |it| it.expanded.capacity());
            assert!(memory <= 2 * EVENT_BYTES_MAX, "{memory}");
        };
        assert_eq!(error, FrameError::TooLarge);
        assert!(count > 50, "{count}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, kind in "[12][WJDC]", size in 1_usize..20) {
            drop(frames(&bytes, size));
            drop(frames(&[kind.as_bytes(), &[0, 0, 0], &bytes].concat(), size));
            drop(frames(&compressed(&[kind.as_bytes(), &[0, 0, 0], &bytes].concat()), size));
        }

        #[test]
        fn pieces_do_not_matter(count in 1_u8..9, size in 1_usize..50) {
            let events: Vec<u8> = (1..=count).flat_map(|n| json_frame(n, b"{\"message\":\"m\"}")).collect();
            let bytes = [&[b'2', b'W', 0, 0, 0, count][..], &compressed(&events), &events].concat();
            let whole = frames(&bytes, bytes.len()).unwrap();
            prop_assert_eq!(whole.len(), usize::from(count) * 2 + 1);
            prop_assert_eq!(frames(&bytes, size).unwrap(), whole);
        }
    }
}
