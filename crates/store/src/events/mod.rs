//! The event store: records that are searched and summed up one by one, such as requests to models.
//!
//! Every kind of record has its own log, and an index for each day. A record is stored when it is in the log;
//! until the index has it, which takes seconds, it is found in memory. Deleting means deleting a day. What the
//! fields of a kind are is a table ([`Event::schema`]); nothing else here knows what a record means.
//!
//! What it does not do: records are never changed, only deleted by the day; nothing is ranked. Its bias:
//! columns for what is summed up, and no work while nothing happens.

mod aggregate;
mod blocks;
mod exchange;
mod filter;
mod kind;
mod line;
mod matching;
mod noticed;
mod part;
mod query;
mod schema;
mod search;
mod sketch;
mod tail;
#[cfg(test)]
mod tests;
mod verify;
mod wal;
mod words;

use std::{
    collections::HashMap, fs::DirBuilder, io, os::unix::fs::DirBuilderExt as _, path::Path,
    sync::Arc, time::Duration,
};

use model::{Clock, UnixMs, exchange::Exchange, log::Line, series::TimeRange};

use self::kind::Kind;
pub(crate) use self::verify::check;
pub use self::{
    aggregate::{Aggregate, GROUPS_MAX, GroupBy, Key, Measure, Row, STEPS_MAX, Table},
    blocks::pattern,
    filter::{CONDITIONS_MAX, FILTER_BYTES_MAX, Filter, FilterError, FilterProblem},
    line::{LINES, read_line},
    noticed::Noticed,
    schema::{Field, FieldType, KEYWORD_BYTES_MAX, RECORD_BYTES_MAX, Record, Schema, Value},
    search::{Cursor, Hit, Order, PAGE_MAX, Page, QueryError, Search},
};
use crate::{Fsync, disk::Disk};

/// What can be stored here.
pub trait Event {
    /// Its kind and fields.
    fn schema() -> &'static Schema;

    fn time(&self) -> UnixMs;

    fn record(&self) -> Record;

    /// Writes what [`Record::encode`] would of its record; for kinds of which there are many.
    fn encode(&self, out: &mut Vec<u8>) {
        self.record().encode(out);
    }
}

/// The kinds of records, in the order in which they are opened.
fn schemas() -> [&'static Schema; 3] {
    [Exchange::schema(), Noticed::schema(), Line::schema()]
}

/// How records of one kind are kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Days that ended before this are deleted.
    pub retention: Duration,
    /// Above this size the oldest parts are deleted, whatever their age.
    pub bytes_max: u64,
    /// The index takes what is new so often while there is enough of it.
    pub commit_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            bytes_max: 4 << 30,
            commit_interval: Duration::from_secs(5),
        }
    }
}

/// Why records are not stored. Nothing of the call is; the next may succeed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    #[error("the log of events cannot be written: {0}")]
    Io(#[from] io::Error),
    /// Too many records wait for the index.
    #[error("the index of events cannot keep up")]
    Behind,
}

/// How one kind is doing.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    pub kind: &'static str,
    /// Since the start.
    pub appended: u64,
    /// That can be found.
    pub records: u64,
    /// Of them, those that the index does not have yet.
    pub records_waiting: usize,
    /// Of index and log.
    pub bytes_on_disk: u64,
    pub wal_bytes: u64,
    pub parts: usize,
    /// Damaged parts that were put aside and are still there, as of the start.
    pub parts_aside: u64,
    /// Deleted since the start because they were too old or too much.
    pub parts_expired: u64,
    /// Parts and records that a reader could not read and left out, counted at every reading.
    pub damaged_reads: u64,
    /// Whether the last attempt to write succeeded.
    pub writable: bool,
    pub write_error: Option<String>,
    /// Why the index could not take records or parts could not be deleted last time; records are stored
    /// all the same.
    pub maintenance_error: Option<String>,
    refused: [u64; kind::REFUSALS.len()],
}

impl Stats {
    /// Refused records by reason: `too_old`, `too_far_ahead`, `too_large`.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        kind::REFUSALS.into_iter().zip(self.refused)
    }
}

/// A heat map: how many records there are at each time and value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram2d {
    /// Time, bucket and records; bucket i ends at 2^(i / `per_doubling`). Only where there are any.
    pub cells: Vec<(UnixMs, i32, u64)>,
    pub damaged: usize,
}

/// The records of a store. Cheap to clone.
#[derive(Clone)]
pub struct Events(Arc<Vec<Kind>>);

impl Events {
    pub(crate) fn open(
        folder: &Path,
        options: &dyn Fn(&str) -> Options,
        fsync: Fsync,
        clock: &Clock,
        disk: &Disk,
    ) -> io::Result<(Self, Vec<String>)> {
        let (mut kinds, mut problems) = (Vec::new(), Vec::new());
        for schema in schemas() {
            let folder = folder.join(schema.kind);
            // What was asked and by whom is nobody else's to read.
            DirBuilder::new().recursive(true).mode(0o700).create(folder.join("wal"))?;
            let options = options(schema.kind);
            let (kind, found) =
                Kind::open(folder, schema, options, fsync, clock.clone(), disk.clone())?;
            kinds.push(kind);
            problems.extend(found);
        }
        Ok((Self(Arc::new(kinds)), problems))
    }

    fn kind(&self, name: &str) -> Result<&Kind, QueryError> {
        let found = self.0.iter().find(|kind| kind.schema.kind == name);
        found.ok_or_else(|| QueryError::UnknownKind(name.to_owned()))
    }

    /// Stores events and returns how many were taken; the others were refused and are counted. What is
    /// taken survives the death of the process.
    pub fn append<E: Event>(&self, events: &[E]) -> Result<usize, AppendError> {
        let Ok(kind) = self.kind(E::schema().kind) else { return Ok(0) };
        kind.append(events)
    }

    /// The fields of a kind.
    pub fn schema(&self, kind: &str) -> Result<&'static Schema, QueryError> {
        self.kind(kind).map(|kind| kind.schema)
    }

    /// Finds records of a kind, whole and in order.
    pub fn search(&self, kind: &str, search: &Search<'_>) -> Result<Page, QueryError> {
        self.kind(kind)?.search(search)
    }

    /// Sums records of a kind up.
    pub fn aggregate(&self, kind: &str, question: &Aggregate<'_>) -> Result<Table, QueryError> {
        self.kind(kind)?.aggregate(question)
    }

    /// Of each value of a word that the newest records have, the largest value of a count; only for kinds that are
    /// kept in blocks. Looks at `records` of them at least, or all.
    pub fn largest_of_newest(
        &self,
        kind: &str,
        (word, count): (&str, &str),
        records: u64,
    ) -> Result<HashMap<Box<str>, u64>, QueryError> {
        self.kind(kind)?.largest_of_newest((word, count), records)
    }

    /// How often which values of a number occurred when, for a heat map.
    pub fn histogram2d(
        &self,
        kind: &str,
        filter: &Filter,
        range: TimeRange,
        step: Duration,
        scale: (&str, u8),
        timeout: Duration,
    ) -> Result<Histogram2d, QueryError> {
        let (field, per_doubling) = scale;
        let by = [GroupBy::Time(step), GroupBy::Scale { field, per_doubling }];
        let measures = [Measure::Count];
        let question = Aggregate { filter, range, by: &by, measures: &measures, timeout };
        let table = self.aggregate(kind, &question)?;
        let cell = |row: Row| match (row.keys.as_slice(), row.values.as_slice()) {
            ([Key::Time(time), Key::Bucket(bucket)], [Some(count)]) => {
                Some((*time, *bucket, *count as u64))
            }
            // Records that do not know the field.
            _ => None,
        };
        let cells = table.rows.into_iter().filter_map(cell).collect();
        Ok(Histogram2d { cells, damaged: table.damaged })
    }

    /// Makes what was acknowledged survive a power failure, if that is due.
    pub(crate) fn sync_when_due(&self) -> io::Result<()> {
        self.0.iter().map(Kind::sync_when_due).fold(Ok(()), io::Result::and)
    }

    pub(crate) fn maintain(&self, now: UnixMs) -> io::Result<()> {
        self.0.iter().map(|kind| kind.maintain(now)).fold(Ok(()), io::Result::and)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.iter().map(Kind::sync).fold(Ok(()), io::Result::and)
    }

    /// Gives everything acknowledged so far a second name below another folder.
    pub(crate) fn snapshot(&self, target: &Path) -> io::Result<()> {
        self.0.iter().try_for_each(|kind| kind.snapshot_to(&target.join(kind.schema.kind)))
    }

    /// Moves everything that is only in the log into the index now. It is found either way.
    pub fn commit(&self) -> io::Result<()> {
        self.0.iter().map(Kind::commit).fold(Ok(()), io::Result::and)
    }

    /// How each kind is doing.
    pub fn stats(&self) -> Vec<Stats> {
        self.0.iter().map(Kind::stats).collect()
    }
}
