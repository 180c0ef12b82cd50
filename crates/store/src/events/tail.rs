//! Records that the index does not have yet, in memory and packed as the log has them.
//!
//! Packed they take a tenth of what they would take as records, so that a burst which the index digests later
//! costs little. Reading unpacks one batch at a time, and of each record only the fields that are asked for.

use std::{io, mem};

use super::{part::PartId, schema::Record};
use crate::{
    segment::{Packer, Unpacker},
    varint::{Reader, put},
};

/// A batch that is put together at the start is packed once its records take so much.
const PACKED_BYTES: usize = 256 << 10;

/// Records of one day with consecutive numbers: a frame of the log.
pub(super) struct Batch {
    pub(super) records: usize,
    first: u64,
    /// First and last time of its records.
    pub(super) times: (i64, i64),
    frame: Box<[u8]>,
}

impl Batch {
    pub(super) fn last(&self) -> u64 {
        self.first + self.records as u64 - 1
    }

    pub(super) fn first(&self) -> u64 {
        self.first
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
    records: usize,
    first: u64,
    times: (i64, i64),
}

impl Open {
    /// Adds a record, whose number must be the one that follows.
    pub(super) fn push(&mut self, number: u64, time: i64, encoded: &[u8]) {
        if self.records == 0 {
            self.body.clear();
            put(&mut self.body, number);
            (self.first, self.times) = (number, (time, time));
        }
        put(&mut self.body, encoded.len() as u64);
        self.body.extend_from_slice(encoded);
        self.records += 1;
        self.times = (self.times.0.min(time), self.times.1.max(time));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    pub(super) fn last(&self) -> u64 {
        self.first + self.records as u64 - 1
    }

    /// The batch of what was added, with its frame; begins anew.
    pub(super) fn finish(&mut self, frame: &[u8]) -> Batch {
        let records = mem::take(&mut self.records);
        Batch { records, first: self.first, times: self.times, frame: frame.into() }
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
        let follows = day == self.day && number == self.open.last() + 1;
        if !self.open.is_empty() && (!follows || self.open.body.len() > PACKED_BYTES) {
            self.pack()?;
        }
        self.day = day;
        self.open.push(number, record.time.0, encoded);
        Ok(())
    }

    fn pack(&mut self) -> io::Result<()> {
        let frame = self.packer.pack(&self.open.body)?;
        self.batches.push((self.day, self.open.finish(frame)));
        Ok(())
    }

    /// Days and their batches, in the order of their numbers.
    pub(super) fn finish(mut self) -> io::Result<Vec<(i64, Batch)>> {
        if !self.open.is_empty() {
            self.pack()?;
        }
        Ok(self.batches)
    }
}
