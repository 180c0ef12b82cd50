//! Records that the index does not have yet, in memory and packed as the log has them.
//!
//! Packed they take a tenth of what they would take as records, so that a burst which the index digests later
//! costs little. Reading unpacks one batch at a time, and of each record only the fields that are asked for.

use std::io;

use super::{part::PartId, schema::Record};
use crate::{
    segment::{Packer, Unpacker},
    varint::{Reader, put},
};

/// A batch that is put together at the start is packed once its records take so much.
const PACKED_BYTES: usize = 256 << 10;

/// Which records a batch holds; at least one.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) records: usize,
    /// First and last time of its records.
    pub(super) times: (i64, i64),
}

impl Span {
    fn new(number: u64, time: i64) -> Self {
        Self { first: number, records: 1, times: (time, time) }
    }

    fn add(&mut self, time: i64) {
        self.records += 1;
        self.times = (self.times.0.min(time), self.times.1.max(time));
    }

    /// The number after its last.
    fn end(self) -> u64 {
        self.first + self.records as u64
    }

    pub(super) fn last(self) -> u64 {
        self.end() - 1
    }
}

/// Records of one day with consecutive numbers: a frame of the log.
pub(super) struct Batch {
    pub(super) span: Span,
    frame: Box<[u8]>,
}

impl Batch {
    pub(super) fn new(span: Span, frame: &[u8]) -> Self {
        Self { span, frame: frame.into() }
    }

    /// What it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.frame.len()
    }

    /// Tells the number of each record and its encoding, until `tell` has enough.
    pub(super) fn each(
        &self,
        unpacker: &mut Unpacker,
        mut tell: impl FnMut(u64, &[u8]) -> bool,
    ) -> io::Result<()> {
        let damaged = || io::Error::other("a batch in memory cannot be read");
        let body = unpacker.unpack(&self.frame)?;
        let mut reader = Reader::new(body);
        let mut number = reader.varint().ok_or_else(damaged)?;
        while !reader.is_empty() {
            let bytes = reader.size().and_then(|size| reader.bytes(size)).ok_or_else(damaged)?;
            if !tell(number, bytes) {
                break;
            }
            number += 1;
        }
        Ok(())
    }
}

/// A body that becomes a batch.
#[derive(Default)]
pub(super) struct Open {
    pub(super) body: Vec<u8>,
    /// Nothing until a record is added.
    span: Option<Span>,
}

impl Open {
    /// Adds a record, whose number must be the one that follows.
    pub(super) fn push(&mut self, number: u64, time: i64, encoded: &[u8]) {
        match &mut self.span {
            Some(span) => span.add(time),
            none => {
                *none = Some(Span::new(number, time));
                self.body.clear();
                put(&mut self.body, number);
            }
        }
        put(&mut self.body, encoded.len() as u64);
        self.body.extend_from_slice(encoded);
    }

    /// What was added, if anything was. The body stays until the next record is added.
    pub(super) fn take(&mut self) -> Option<Span> {
        self.span.take()
    }
}

/// Puts what a start finds in the log together again.
pub(super) struct Replay {
    packer: Packer,
    day: i64,
    open: Open,
    batches: Vec<(i64, Batch)>,
}

impl Replay {
    pub(super) fn new() -> io::Result<Self> {
        let (open, batches) = (Open::default(), Vec::new());
        Ok(Self { packer: Packer::new()?, day: 0, open, batches })
    }

    pub(super) fn push(&mut self, number: u64, record: &Record, encoded: &[u8]) -> io::Result<()> {
        let day = PartId::day_of(record.time.0);
        let follows = self.open.span.is_some_and(|span| day == self.day && number == span.end());
        if !follows || self.open.body.len() > PACKED_BYTES {
            self.pack()?;
        }
        self.day = day;
        self.open.push(number, record.time.0, encoded);
        Ok(())
    }

    /// Does nothing while there is nothing.
    fn pack(&mut self) -> io::Result<()> {
        if let Some(span) = self.open.take() {
            let frame = self.packer.pack(&self.open.body)?;
            self.batches.push((self.day, Batch::new(span, frame)));
        }
        Ok(())
    }

    /// Days and their batches, in the order of their numbers.
    pub(super) fn finish(mut self) -> io::Result<Vec<(i64, Batch)>> {
        self.pack()?;
        Ok(self.batches)
    }
}

#[cfg(test)]
mod tests {
    use model::{UnixMs, exchange::Exchange};

    use super::*;
    use crate::events::{Event as _, part::DAY_MS};

    #[test]
    fn batches_are_runs_of_numbers_of_one_day() {
        let check = |records: &[(u64, i64)], expected: &[(i64, u64, u64, (i64, i64))]| {
            let mut replay = Replay::new().unwrap();
            for (number, time) in records {
                let record = Record::new(Exchange::schema(), UnixMs(*time), []);
                replay.push(*number, &record, &[0]).unwrap();
            }
            let batches = replay.finish().unwrap();
            let spans = batches
                .iter()
                .map(|(day, Batch { span, .. })| (*day, span.first, span.last(), span.times));
            assert_eq!(spans.collect::<Vec<_>>(), expected, "{records:?}");
        };
        check(&[], &[]);
        check(&[(0, 5)], &[(0, 0, 0, (5, 5))]);
        check(&[(1, 5), (2, 3), (3, 4)], &[(0, 1, 3, (3, 5))]);
        check(&[(1, 5), (3, 6)], &[(0, 1, 1, (5, 5)), (0, 3, 3, (6, 6))]);
        check(&[(1, -1), (2, DAY_MS)], &[(-1, 1, 1, (-1, -1)), (1, 2, 2, (DAY_MS, DAY_MS))]);
    }
}
