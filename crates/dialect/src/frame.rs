//! Cuts the bytes of a response body into events, wherever the transport cut them before.
//!
//! Server-sent events as the WHATWG has them: lines end with LF, CR or CRLF, `:` begins a comment, several
//! `data` lines are one event, and what is not ended by an empty line is no event. Newline-delimited JSON:
//! the last line need not end. Or one document, until the body ends.

use memchr::{memchr, memchr2};

/// Longest event, line or document that is looked at, and so the most that a framer keeps. What is longer
/// is cut here: the rest of it is dropped and counted, and the event says so. It is this large because the
/// last event of the Responses API repeats the instructions and the whole output.
pub const EVENT_BYTES_MAX: usize = 8 << 20;
/// A longer event name is cut here; the longest that an engine sends has 45 bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Room for events that is kept between them; more is given back, so that one large event does not hold
/// its memory as long as the stream lasts.
const ROOM_BYTES_MAX: usize = 16 << 10;

/// How a body is cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON document a line.
    Ndjson,
    /// One document.
    Whole,
}

impl Framing {
    /// The framing that a `Content-Type` names; `None` where it names none of them.
    #[must_use]
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let is = |name: &str| kind.eq_ignore_ascii_case(name);
        if is("text/event-stream") {
            Some(Self::Sse)
        } else if is("application/x-ndjson") || is("application/ndjson") || is("application/jsonl")
        {
            Some(Self::Ndjson)
        } else if is("application/json") || is("text/html") {
            Some(Self::Whole)
        } else {
            None
        }
    }
}

/// One event. `name` is empty where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub name: &'a [u8],
    pub data: &'a [u8],
    /// It was longer than [`EVENT_BYTES_MAX`], and `data` is only its beginning.
    pub is_cut: bool,
}

/// See the module.
pub struct Framer {
    framing: Framing,
    bytes_max: usize,
    /// The line that the last chunk ended in.
    line: Vec<u8>,
    data: Vec<u8>,
    name: Vec<u8>,
    has_data: bool,
    is_cut: bool,
    /// The last byte was a CR: a LF that follows belongs to it.
    ended_by_cr: bool,
    is_first_line: bool,
    comments: u64,
    dropped_bytes: u64,
}

/// What it holds is what somebody said, and not for logs.
impl std::fmt::Debug for Framer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Framer")
            .field("framing", &self.framing)
            .field("comments", &self.comments)
            .field("dropped_bytes", &self.dropped_bytes)
            .finish_non_exhaustive()
    }
}

impl Framer {
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self::with_limit(framing, EVENT_BYTES_MAX)
    }

    fn with_limit(framing: Framing, bytes_max: usize) -> Self {
        Self {
            framing,
            bytes_max,
            line: Vec::new(),
            data: Vec::new(),
            name: Vec::new(),
            has_data: false,
            is_cut: false,
            ended_by_cr: false,
            is_first_line: true,
            comments: 0,
            dropped_bytes: 0,
        }
    }

    /// Calls `each` with every event that ends in `bytes`.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Frame<'_>)) {
        match self.framing {
            Framing::Sse => self.push_sse(bytes, &mut each),
            Framing::Ndjson => self.push_ndjson(bytes, &mut each),
            Framing::Whole => self.carry(bytes),
        }
    }

    /// The body is over: calls `each` with what its end completes. Returns how many bytes belong to no
    /// event because they were cut off.
    pub fn finish(&mut self, mut each: impl FnMut(Frame<'_>)) -> usize {
        if self.framing == Framing::Sse {
            return self.line.len() + self.data.len() + self.name.len();
        }
        if !self.line.trim_ascii().is_empty() {
            each(Frame { name: b"", data: self.line.trim_ascii(), is_cut: self.is_cut });
        }
        self.line = Vec::new();
        0
    }

    /// Lines that began with `:`, which servers send to keep a connection open.
    #[must_use]
    pub fn comments(&self) -> u64 {
        self.comments
    }

    /// Bytes that were not looked at because their event was too long.
    #[must_use]
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }

    fn push_sse(&mut self, mut bytes: &[u8], each: &mut impl FnMut(Frame<'_>)) {
        if self.ended_by_cr && bytes.first() == Some(&b'\n') {
            bytes = &bytes[1..];
            self.ended_by_cr = false;
        } else if !bytes.is_empty() {
            self.ended_by_cr = false;
        }
        while let Some(end) = memchr2(b'\n', b'\r', bytes) {
            if self.line.is_empty() {
                self.sse_line(&bytes[..end], each);
            } else {
                self.carry(&bytes[..end]);
                let line = std::mem::take(&mut self.line);
                self.sse_line(&line, each);
                self.line = line;
                empty(&mut self.line);
            }
            let is_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            match bytes.first() {
                Some(b'\n') if is_cr => bytes = &bytes[1..],
                None => self.ended_by_cr = is_cr,
                Some(_) => {}
            }
        }
        self.carry(bytes);
    }

    fn sse_line(&mut self, line: &[u8], each: &mut impl FnMut(Frame<'_>)) {
        let mut line = self.within(line);
        if std::mem::take(&mut self.is_first_line) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            if self.has_data {
                each(Frame { name: &self.name, data: &self.data, is_cut: self.is_cut });
            }
            self.name.clear();
            empty(&mut self.data);
            (self.has_data, self.is_cut) = (false, false);
            return;
        }
        let (field, value) = match memchr(b':', line) {
            Some(0) => {
                self.comments += 1;
                return;
            }
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.has_data {
                    self.add(b"\n");
                }
                self.has_data = true;
                self.add(value);
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(&value[..value.len().min(NAME_BYTES_MAX)]);
            }
            _ => {}
        }
    }

    fn push_ndjson(&mut self, mut bytes: &[u8], each: &mut impl FnMut(Frame<'_>)) {
        while let Some(end) = memchr(b'\n', bytes) {
            let line = if self.line.is_empty() {
                self.within(&bytes[..end])
            } else {
                self.carry(&bytes[..end]);
                &self.line
            };
            if !line.trim_ascii().is_empty() {
                each(Frame { name: b"", data: line.trim_ascii(), is_cut: self.is_cut });
            }
            empty(&mut self.line);
            self.is_cut = false;
            bytes = &bytes[end + 1..];
        }
        self.carry(bytes);
    }

    fn add(&mut self, data: &[u8]) {
        let fits = data.len().min(self.bytes_max.saturating_sub(self.data.len()));
        self.data.extend_from_slice(&data[..fits]);
        self.drop_rest(data.len() - fits);
    }

    fn carry(&mut self, bytes: &[u8]) {
        let fits = bytes.len().min(self.bytes_max.saturating_sub(self.line.len()));
        self.line.extend_from_slice(&bytes[..fits]);
        self.drop_rest(bytes.len() - fits);
    }

    /// The part of a whole line that would have been carried, had it come in pieces.
    fn within<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        let fits = line.len().min(self.bytes_max);
        self.drop_rest(line.len() - fits);
        &line[..fits]
    }

    fn drop_rest(&mut self, bytes: usize) {
        self.is_cut |= bytes > 0;
        self.dropped_bytes += bytes as u64;
    }
}

fn empty(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(ROOM_BYTES_MAX);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Events as `name|data`, with `!` where they were cut, and then the framer's counts.
    fn frames(framing: Framing, bytes_max: usize, chunks: &[&[u8]]) -> (Vec<String>, [u64; 3]) {
        let mut framer = Framer::with_limit(framing, bytes_max);
        let mut events = Vec::new();
        let mut keep = |frame: Frame<'_>| {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            let mark = if frame.is_cut { "!" } else { "" };
            events.push(format!("{}|{}{mark}", text(frame.name), text(frame.data)));
        };
        for chunk in chunks {
            framer.push(chunk, &mut keep);
        }
        let leftover = framer.finish(&mut keep) as u64;
        (events, [framer.comments(), framer.dropped_bytes(), leftover])
    }

    #[track_caller]
    fn check(framing: Framing, body: &str, expected: &[&str], counts: [u64; 3]) {
        let (events, counted) = frames(framing, 20, &[body.as_bytes()]);
        assert_eq!(events, expected, "{body:?}");
        assert_eq!(counted, counts, "{body:?}");
    }

    #[test]
    fn server_sent_events_are_cut_as_the_standard_says() {
        let sse = |body, expected, counts| check(Framing::Sse, body, expected, counts);
        sse("data: a\n\ndata:b\n\n", &["|a", "|b"], [0; 3]);
        sse("data: a\r\n\r\ndata: b\r\rdata: c\r\n\n", &["|a", "|b", "|c"], [0; 3]);
        sse("event: x\ndata: a\ndata\ndata:  b\nid: 7\n\n", &["x|a\n\n b"], [0; 3]);
        sse(": ping\n\n:\ndata: a\n:x\n\n", &["|a"], [3, 0, 0]);
        sse("event: x\n\ndata: a\n\n", &["|a"], [0; 3]);
        sse("\u{feff}data: a\n\n\u{feff}data: b\n\n", &["|a"], [0; 3]);
        sse("data: a\n\ndata: b\n", &["|a"], [0, 0, 1]);
        sse("data: a\n\ndata: b", &["|a"], [0, 0, 7]);
        sse("data:\n\n\n\n", &["|"], [0; 3]);
    }

    #[test]
    fn lines_and_documents_need_no_end() {
        check(Framing::Ndjson, "{a}\r\n\n {b}\n{c}", &["|{a}", "|{b}", "|{c}"], [0; 3]);
        check(Framing::Ndjson, "\n\n", &[], [0; 3]);
        check(Framing::Whole, "{\n}\n", &["|{\n}"], [0; 3]);
        check(Framing::Whole, "", &[], [0; 3]);
    }

    #[test]
    fn what_is_too_long_is_cut_and_counted() {
        check(
            Framing::Sse,
            "data: 0123456789abcdefghij\n\ndata: x\n\n",
            &["|0123456789abcd!", "|x"],
            [0, 6, 0],
        );
        check(
            Framing::Sse,
            "data: 0123456789\ndata: 0123456789\n\n",
            &["|0123456789\n012345678!"],
            [0, 1, 0],
        );
        check(
            Framing::Ndjson,
            "0123456789abcdefghijkl\nx\n",
            &["|0123456789abcdefghij!", "|x"],
            [0, 2, 0],
        );
        check(Framing::Whole, "0123456789abcdefghijkl", &["|0123456789abcdefghij!"], [0, 2, 0]);
    }

    #[test]
    fn one_long_event_does_not_hold_its_memory() {
        let mut framer = Framer::new(Framing::Sse);
        let long = vec![b'x'; EVENT_BYTES_MAX];
        framer.push(b"data: ", |_| {});
        framer.push(&long, |_| {});
        framer.push(&long, |_| {});
        assert!(framer.line.capacity() <= 2 * EVENT_BYTES_MAX);
        let mut cut = 0;
        framer.push(b"\n\ndata: x\n\n", |frame| cut += u32::from(frame.is_cut));
        assert_eq!(cut, 1);
        assert!(framer.line.capacity() + framer.data.capacity() <= 2 * ROOM_BYTES_MAX);
    }

    #[test]
    fn content_types_name_framings() {
        let check = |name: &str, expected| {
            assert_eq!(Framing::of_content_type(name), expected, "{name}");
        };
        check("text/event-stream; charset=utf-8", Some(Framing::Sse));
        check("Application/X-NDJSON", Some(Framing::Ndjson));
        check("application/json", Some(Framing::Whole));
        check("text/plain", None);
        check("", None);
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        const PIECES: [&[u8]; 12] = [
            b"data: ",
            b"data",
            b"event: e",
            b":",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"\xEF\xBB\xBF",
            b"0123456789",
            b"\xC3",
            b" ",
        ];
        let piece = prop::sample::select(PIECES.to_vec());
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_transport_cuts(
            bytes in pieces(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            framing in prop_oneof![Just(Framing::Sse), Just(Framing::Ndjson), Just(Framing::Whole)],
        ) {
            let whole = frames(framing, 20, &[&bytes]);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&frames(framing, 20, &single), &whole);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(&frames(framing, 20, &chunks), &whole);
        }

        #[test]
        fn no_more_is_kept_than_the_limit(bytes in pieces()) {
            let mut framer = Framer::with_limit(Framing::Sse, 20);
            for byte in bytes.chunks(1) {
                framer.push(byte, |frame| assert!(frame.data.len() <= 20 && frame.name.len() <= 128));
                prop_assert!(framer.line.len() <= 20 && framer.data.len() <= 20);
            }
        }
    }
}
