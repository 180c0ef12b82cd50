//! Reads complete lines of one file from a place on, in bounded steps.
//!
//! Of a line that has no end yet nothing is kept but where it begins: it is read again once its end is there, so
//! that a thousand files cost no memory. Before it goes on it looks whether what is before its place is still
//! what it read: where it is not, somebody emptied the file and wrote it anew.

use std::{fs::File, io};

use super::{
    LINE_MAX, RawLine,
    place::{self, TAIL_MAX},
};

/// A place between two lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Where the next line begins.
    pub(super) start: u64,
    /// From `start` to here no line ends.
    scanned: u64,
    /// The bytes before `start`.
    pub(super) tail: Vec<u8>,
}

/// How much may be read at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) lines: usize,
    pub(super) bytes: usize,
}

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is more to read.
    More,
    /// No complete line is left.
    End,
    /// The file was begun anew.
    Replaced,
}

impl Cursor {
    /// Goes on at `offset`; absent where the file is shorter.
    pub(super) fn at(file: &File, offset: u64) -> io::Result<Option<Self>> {
        let tail = place::tail(file, offset)?;
        Ok(tail.map(|tail| Self { start: offset, scanned: offset, tail }))
    }

    /// Begins with the first line that starts at or behind `offset`, or at the end.
    pub(super) fn from_line(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<Self> {
        if offset == 0 {
            return Ok(Self::beginning());
        }
        let mut at = offset - 1;
        loop {
            let length = place::read_all(file, buffer, at)?;
            let block = buffer.get(..length).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', block) {
                at += end as u64 + 1;
                break;
            }
            at += length as u64;
            if length < buffer.len() {
                break;
            }
        }
        Ok(Self::at(file, at)?.unwrap_or_else(Self::beginning))
    }

    /// Begins behind the last line that is complete, within [`LINE_MAX`] of the end.
    pub(super) fn behind_last_line(file: &File, size: u64, buffer: &mut [u8]) -> io::Result<Self> {
        let mut end = size;
        let lowest = size.saturating_sub(LINE_MAX as u64);
        while end > lowest {
            let from = end.saturating_sub(buffer.len() as u64).max(lowest);
            let wanted = usize::try_from(end - from).unwrap_or(buffer.len());
            let block = buffer.get_mut(..wanted).unwrap_or_default();
            let length = place::read_all(file, block, from)?;
            if let Some(at) = memchr::memrchr(b'\n', block.get(..length).unwrap_or_default()) {
                return Ok(Self::at(file, from + at as u64 + 1)?.unwrap_or_else(Self::beginning));
            }
            end = from;
        }
        let offset = if lowest == 0 { 0 } else { size };
        Ok(Self::at(file, offset)?.unwrap_or_else(Self::beginning))
    }

    /// Begins at the first byte that was written: who goes on writing into a file that was emptied leaves a hole.
    pub(super) fn begin_with_data(file: &File) -> Self {
        let mut buffer = [0; 4_096];
        let mut at = rustix::fs::seek(file, rustix::fs::SeekFrom::Data(0)).unwrap_or(0);
        while let Ok(length @ 1..) = place::read_all(file, &mut buffer, at) {
            let block = buffer.get(..length).unwrap_or_default();
            let skipped = block.iter().position(|byte| *byte != 0);
            at += skipped.unwrap_or(length) as u64;
            if skipped.is_some() {
                return Self { start: at, scanned: at, tail: vec![0; TAIL_MAX.min(at as usize)] };
            }
        }
        Self::beginning()
    }

    pub(super) fn beginning() -> Self {
        Self { start: 0, scanned: 0, tail: Vec::new() }
    }

    /// Adds complete lines to `lines`, as far as there is room for more; the last may go beyond it.
    pub(super) fn read(
        &mut self,
        file: &File,
        size: u64,
        room: Room,
        buffer: &mut [u8],
        lines: &mut Vec<RawLine>,
    ) -> io::Result<Step> {
        if size < self.start || !self.is_in_place(file)? {
            return Ok(Step::Replaced);
        }
        if size < self.scanned {
            self.scanned = self.start;
        }
        let mut left = room.bytes;
        loop {
            if left == 0 || lines.len() >= room.lines {
                return Ok(Step::More);
            }
            let base = self.scanned;
            let length = place::read_all(file, buffer, base)?;
            let block = buffer.get(..length).unwrap_or_default();
            let before = self.start;
            for at in memchr::memchr_iter(b'\n', block) {
                let line = self.line(file, block, base, base + at as u64)?;
                left = left.saturating_sub(line.bytes.len() + 1);
                lines.push(line);
                if left == 0 || lines.len() >= room.lines {
                    break;
                }
            }
            self.remember(file, block, base, before)?;
            let is_end = length < buffer.len();
            let read = base + length as u64;
            let is_cut_short = left == 0 || lines.len() >= room.lines;
            // The begin of a line is read again with its rest, unless it is long.
            let is_long = read.saturating_sub(self.start) > buffer.len() as u64 / 2;
            self.scanned = if is_cut_short || (!is_end && !is_long) { self.start } else { read };
            if is_end && !is_cut_short {
                return Ok(Step::End);
            }
        }
    }

    /// What is behind the last line end, for a file that will not grow any more.
    pub(super) fn rest(&mut self, file: &File, size: u64) -> io::Result<Option<RawLine>> {
        if size <= self.start {
            return Ok(None);
        }
        let line = self.line(file, &[], size, size)?;
        (self.start, self.scanned) = (size, size);
        self.tail = place::tail(file, size)?.unwrap_or_default();
        Ok(Some(RawLine { end: size, ..line }))
    }

    /// Whether what was read is still there.
    pub(super) fn is_in_place(&self, file: &File) -> io::Result<bool> {
        Ok(place::tail(file, self.start)?.is_some_and(|tail| tail.ends_with(&self.tail)))
    }

    /// The line from `start` to `end`, where its line end is; `block` begins at `base`.
    fn line(&mut self, file: &File, block: &[u8], base: u64, end: u64) -> io::Result<RawLine> {
        let length = end - self.start;
        let kept = usize::try_from(length).unwrap_or(LINE_MAX).min(LINE_MAX);
        let within = self.start.checked_sub(base).and_then(|from| usize::try_from(from).ok());
        let mut bytes = match within.and_then(|from| block.get(from..from + kept)) {
            Some(bytes) => bytes.to_vec(),
            None => {
                let mut bytes = vec![0; kept];
                let got = place::read_all(file, &mut bytes, self.start)?;
                bytes.truncate(got);
                bytes
            }
        };
        let cut = length - bytes.len() as u64;
        if cut == 0 && bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        self.start = end + 1;
        Ok(RawLine { bytes, cut, end: end + 1, ..RawLine::default() })
    }

    /// Keeps what is before the place; it was at `before` when `block` was read from `base`.
    fn remember(&mut self, file: &File, block: &[u8], base: u64, before: u64) -> io::Result<()> {
        if self.start == before {
            return Ok(());
        }
        let read = usize::try_from(self.start - base).unwrap_or_default();
        let read = block.get(..read).unwrap_or_default();
        if before == base {
            self.tail.extend_from_slice(read);
        } else if read.len() >= TAIL_MAX {
            self.tail = read.to_vec();
        } else {
            // Few bytes of a long line's end.
            self.tail = place::tail(file, self.start)?.unwrap_or_default();
        }
        let more = self.tail.len().saturating_sub(TAIL_MAX);
        self.tail.drain(..more);
        Ok(())
    }
}
