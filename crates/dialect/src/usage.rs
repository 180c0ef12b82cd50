//! Asking an engine to tell the usage of a stream that was asked for without it, and taking the event that
//! tells it out of the stream again: bytes are added to the request and one event is removed from the
//! answer, and everything else stays as it is.

use memchr::{memchr2, memmem};

use crate::{
    Peek,
    event::{self, Event},
    frame::{Framer, Framing},
    loose::Loose,
    peek::splice,
};

/// An event of which more than this has come without its end is passed on, and so is all that follows: the
/// client then sees a usage that it did not ask for, which is harmless.
const HELD_BYTES_MAX: usize = 1 << 20;

/// `body` with `stream_options.include_usage` set. `None` where there is nothing to do: it is set already,
/// no stream is asked for, or the API tells its usage anyway.
#[must_use]
pub fn inject(body: &[u8], peek: &Peek) -> Option<Vec<u8>> {
    let (span, text) = peek.usage_splice.clone()?;
    splice(body, span, text.as_bytes())
}

/// What to pass on for a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The chunk itself.
    Unchanged,
    /// These bytes, maybe none.
    Changed(Vec<u8>),
}

/// Removes the event that tells the usage from a stream of server-sent events. It holds an event back until
/// its end is there, because only then it is known; engines send an event in one piece.
#[derive(Debug, Default)]
pub struct Filter {
    held: Vec<u8>,
    /// Where the line begins in `held` that has not ended.
    line_start: usize,
    is_done: bool,
}

impl Filter {
    pub fn push(&mut self, chunk: &[u8]) -> Passed {
        if self.is_done {
            return Passed::Unchanged;
        }
        let is_apart = self.held.is_empty();
        let mut held = std::mem::take(&mut self.held);
        let bytes = if is_apart {
            chunk
        } else {
            held.extend_from_slice(chunk);
            &held
        };
        let mut passed = Vec::new();
        let mut start = 0;
        let mut line_start = self.line_start;
        while !self.is_done {
            match event_end(bytes, line_start) {
                Ok(end) => {
                    self.is_done = tells_usage(&bytes[start..end]);
                    if self.is_done {
                        passed.extend_from_slice(&bytes[..start]);
                        passed.extend_from_slice(&bytes[end..]);
                        return Passed::Changed(passed);
                    }
                    (start, line_start) = (end, end);
                }
                Err(line) => {
                    line_start = line;
                    break;
                }
            }
        }
        let rest = &bytes[start..];
        self.is_done = rest.len() > HELD_BYTES_MAX;
        if is_apart && (rest.is_empty() || self.is_done) {
            self.line_start = 0;
            return Passed::Unchanged;
        }
        if self.is_done {
            return Passed::Changed(held);
        }
        passed.extend_from_slice(&bytes[..start]);
        self.line_start = line_start - start;
        self.held = rest.to_vec();
        Passed::Changed(passed)
    }

    /// The stream is over: what was held back of an event that never ended.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.held
    }
}

/// Where the first event ends, its empty line included, or else where the line begins that has not ended.
fn event_end(bytes: &[u8], mut line_start: usize) -> Result<usize, usize> {
    while let Some(length) = bytes.get(line_start..).and_then(|rest| memchr2(b'\n', b'\r', rest)) {
        let end = line_start + length;
        let next = match bytes.get(end..) {
            Some([b'\r', b'\n', ..]) => end + 2,
            // Whether a LF belongs to it is not known yet.
            Some([b'\r']) => break,
            _ => end + 1,
        };
        if length == 0 {
            return Ok(next);
        }
        line_start = next;
    }
    Err(line_start)
}

fn tells_usage(event: &[u8]) -> bool {
    if memmem::find(event, b"\"usage\"").is_none() {
        return false;
    }
    let mut tells = false;
    Framer::new(Framing::Sse).push(event, |frame| {
        tells |= event::read(frame.data).is_ok_and(|event: Event<'_>| {
            let has_no_choices = matches!(&event.choices, Loose::List(list) if list.is_empty());
            has_no_choices && event.usage.object().is_some()
        });
    });
    tells
}
