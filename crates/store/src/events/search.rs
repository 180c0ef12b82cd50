//! Finding records: those that match, in order, a page at a time.

use std::{
    collections::{BinaryHeap, HashMap, HashSet},
    fmt, io,
    str::FromStr,
    time::Duration,
};

use model::{Clock, UnixMs, series::TimeRange};
use tantivy::{DocAddress, DocId, SegmentReader, columnar::Column, query::EnableScoring};

use super::{
    blocks::Files,
    filter::Filter,
    kind::{Kind, Snapshot},
    part::{Content, NUMBER, Part, TIME, guarded},
    schema::{FieldType, Record, Schema, Value, thousandths},
};
use crate::segment::Unpacker;

/// Most records of one page.
pub const PAGE_MAX: usize = 10_000;
/// Records that are looked at between two looks at the clock.
pub(super) const LOOK_EVERY: usize = 4_096;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Search<'a> {
    pub filter: &'a Filter,
    /// Both ends belong to it.
    pub range: TimeRange,
    pub order: Order<'a>,
    /// At most [`PAGE_MAX`].
    pub limit: usize,
    /// Goes on behind the page that ended there, of a search with the same order.
    pub after: Option<Cursor>,
    /// Whether values that not everybody may see are shown.
    pub with_private: bool,
    pub timeout: Duration,
}

/// What comes first. Records without the field are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order<'a> {
    Newest,
    Oldest,
    Largest(&'a str),
    Smallest(&'a str),
}

/// A place in the results of a search. As text it can be handed out and read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    key: u64,
    tie: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.key, self.tie)
    }
}

impl FromStr for Cursor {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
        let parts = text.split_once('-');
        let parts = parts.and_then(|(key, tie)| hexadecimal(key).zip(hexadecimal(tie)));
        parts.map(|(key, tie)| Self { key, tie }).ok_or(QueryError::InvalidCursor)
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub hits: Vec<Hit>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Cursor>,
    /// Parts that could not be read; what they hold is missing.
    pub damaged: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Unique among the records of its kind.
    pub number: u64,
    pub record: Record,
}

/// Why a question gets no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("there are no records of the kind {0}")]
    UnknownKind(String),
    #[error("there is no field {0}")]
    UnknownField(String),
    #[error("{0} is not a number")]
    NotANumber(String),
    #[error("records cannot be grouped by {0}")]
    NotGroupable(String),
    #[error("records can be grouped by two fields, and by time besides")]
    TooManyKeys,
    #[error("the answer has more than {0} groups: narrow the filter or the time")]
    TooManyGroups(usize),
    #[error("the answer has more than {0} steps of time: make them longer")]
    TooManySteps(usize),
    #[error("a step of time must be a millisecond at least")]
    InvalidStep,
    #[error("a percentile must be between 0 and 1")]
    InvalidPercentile,
    #[error("the place where the page should begin is not one of a page before")]
    InvalidCursor,
    #[error("the question took longer than it may")]
    Timeout,
}

impl QueryError {
    /// For those who say it in other words.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownKind(_) => "unknown_kind",
            Self::UnknownField(_) => "unknown_field",
            Self::NotANumber(_) => "not_a_number",
            Self::NotGroupable(_) => "not_groupable",
            Self::TooManyKeys => "too_many_keys",
            Self::TooManyGroups(_) => "too_many_groups",
            Self::TooManySteps(_) => "too_many_steps",
            Self::InvalidStep => "invalid_step",
            Self::InvalidPercentile => "invalid_percentile",
            Self::InvalidCursor => "invalid_cursor",
            Self::Timeout => "timeout",
        }
    }

    /// The field or kind that it is about.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::UnknownKind(name)
            | Self::UnknownField(name)
            | Self::NotANumber(name)
            | Self::NotGroupable(name) => Some(name),
            _ => None,
        }
    }
}

/// Until when an answer is worth having.
pub(super) struct Deadline<'a> {
    clock: &'a Clock,
    until: Duration,
    left: usize,
    pub(super) has_passed: bool,
}

impl<'a> Deadline<'a> {
    pub(super) fn new(clock: &'a Clock, timeout: Duration) -> Self {
        let until = clock.monotonic().saturating_add(timeout);
        Self { clock, until, left: LOOK_EVERY, has_passed: false }
    }

    /// Whether there is time to look at so many more records.
    pub(super) fn allows(&mut self, records: usize) -> bool {
        match self.left.checked_sub(records) {
            Some(left) => self.left = left,
            None => {
                self.left = LOOK_EVERY;
                self.has_passed |= self.clock.monotonic() > self.until;
            }
        }
        !self.has_passed
    }
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Tail { batch: usize, at: usize },
    Part { part: usize, address: DocAddress },
}

/// By what results are sorted: as numbers whose order is that of the values.
#[derive(Clone, Copy)]
struct Sorting {
    /// The time, where there is none.
    position: Option<usize>,
    is_descending: bool,
}

impl Sorting {
    fn new(schema: &Schema, order: Order<'_>) -> Result<Self, QueryError> {
        let (name, is_descending) = match order {
            Order::Newest => return Ok(Self { position: None, is_descending: true }),
            Order::Oldest => return Ok(Self { position: None, is_descending: false }),
            Order::Largest(name) => (name, true),
            Order::Smallest(name) => (name, false),
        };
        let position = numeric(schema, name)?;
        Ok(Self { position: Some(position), is_descending })
    }

    fn cursor(self, key: u64, number: u64) -> Cursor {
        if self.is_descending {
            Cursor { key: !key, tie: !number }
        } else {
            Cursor { key, tie: number }
        }
    }

    fn key_of(self, record: &Record) -> Option<u64> {
        match self.position {
            None => Some(ordered(record.time.0)),
            Some(position) => match record.value(position)? {
                Value::Count(count) => Some(*count),
                Value::Number(number) => Some(ordered(thousandths(*number))),
                _ => None,
            },
        }
    }
}

/// The position of a field that is a number.
pub(super) fn numeric(schema: &Schema, name: &str) -> Result<usize, QueryError> {
    let position =
        schema.position(name).ok_or_else(|| QueryError::UnknownField(name.to_owned()))?;
    let is_numeric = schema.fields.get(position).is_some_and(|field| field.field_type.is_numeric());
    if is_numeric { Ok(position) } else { Err(QueryError::NotANumber(name.to_owned())) }
}

fn ordered(signed: i64) -> u64 {
    signed.cast_unsigned() ^ (1 << 63)
}

/// The best results so far.
struct Best {
    heap: BinaryHeap<(Cursor, Place)>,
    limit: usize,
    after: Option<Cursor>,
}

impl Best {
    fn offer(&mut self, cursor: Cursor, place: Place) {
        if self.after.is_some_and(|after| cursor <= after) || !self.may_take(cursor) {
            return;
        }
        if self.heap.len() == self.limit {
            self.heap.pop();
        }
        self.heap.push((cursor, place));
    }

    fn may_take(&self, cursor: Cursor) -> bool {
        self.heap.len() < self.limit || self.heap.peek().is_some_and(|(worst, _)| cursor < *worst)
    }
}

impl Kind {
    pub(super) fn search(&self, search: &Search<'_>) -> Result<Page, QueryError> {
        let sorting = Sorting::new(self.schema, search.order)?;
        let snapshot = self.snapshot();
        let mut deadline = Deadline::new(&self.clock, search.timeout);
        let limit = search.limit.clamp(1, PAGE_MAX);
        let mut best = Best { heap: BinaryHeap::new(), limit, after: search.after };
        let mut page = Page {
            damaged: self.search_tail(&snapshot, search, sorting, &mut best, &mut deadline)?,
            ..Page::default()
        };
        let mut order: Vec<usize> = (0..snapshot.parts.len()).collect();
        if sorting.is_descending {
            order.reverse();
        }
        for at in order {
            let Some(part) = snapshot.parts.get(at) else { continue };
            let searched =
                guarded(|| self.search_part(part, at, search, sorting, &mut best, &mut deadline));
            if deadline.has_passed {
                return Err(QueryError::Timeout);
            }
            if searched.is_err() {
                page.damaged += 1;
                self.note_damage();
            }
        }
        let found = best.heap.into_sorted_vec();
        page.next = found.last().filter(|_| found.len() == limit).map(|(cursor, _)| *cursor);
        let mut read = read_tail(&snapshot, &found);
        read.extend(read_blocks(&snapshot, self.schema, &found));
        for (cursor, place) in found {
            let of_index = || match place {
                Place::Part { part, address } => match &snapshot.parts.get(part)?.content {
                    Content::Index(indexed) => indexed.record(address).ok(),
                    Content::Blocks(_) => None,
                },
                Place::Tail { .. } => None,
            };
            let record = read.remove(&place).or_else(of_index);
            let Some(mut record) = record else {
                page.damaged += 1;
                self.note_damage();
                continue;
            };
            if !search.with_private {
                record = record.without_private(self.schema);
            }
            let number = if sorting.is_descending { !cursor.tie } else { cursor.tie };
            page.hits.push(Hit { number, record });
        }
        Ok(page)
    }

    /// The batches that come first by time are looked at first, so that the rest need not be unpacked. Returns
    /// how many of them, and of their records, could not be read.
    fn search_tail(
        &self,
        snapshot: &Snapshot,
        search: &Search<'_>,
        sorting: Sorting,
        best: &mut Best,
        deadline: &mut Deadline<'_>,
    ) -> Result<usize, QueryError> {
        let mut wanted = vec![false; self.schema.fields.len()];
        search.filter.mark(&mut wanted);
        if let Some(wanted) = sorting.position.and_then(|position| wanted.get_mut(position)) {
            *wanted = true;
        }
        let is_wanted = |position: usize| wanted.get(position).is_some_and(|wanted| *wanted);
        let mut order: Vec<usize> = (0..snapshot.tail.len()).collect();
        if sorting.is_descending {
            order.reverse();
        }
        let (mut unpacker, mut damaged) = (Unpacker::default(), 0);
        for batch_at in order {
            let Some(batch) = snapshot.tail.get(batch_at) else { continue };
            let nearest =
                if sorting.is_descending { batch.span.times.1 } else { batch.span.times.0 };
            let number = if sorting.is_descending { u64::MAX } else { 0 };
            let may_hold = sorting.position.is_some()
                || best.may_take(sorting.cursor(ordered(nearest), number));
            if !overlaps(search.range, batch.span.times) || !may_hold {
                continue;
            }
            let mut at = 0;
            let read = batch.each(&mut unpacker, |number, encoded| {
                let record = Record::decode_some(encoded, is_wanted);
                if record.is_none() {
                    damaged += 1;
                    self.note_damage();
                }
                if let Some(record) = record
                    && is_inside(search.range, record.time)
                    && let Some(key) = sorting.key_of(&record)
                    && search.filter.matches(&record)
                {
                    let place = Place::Tail { batch: batch_at, at };
                    best.offer(sorting.cursor(key, number), place);
                }
                at += 1;
                deadline.allows(1)
            });
            if deadline.has_passed {
                return Err(QueryError::Timeout);
            }
            if read.is_err() {
                damaged += 1;
                self.note_damage();
            }
        }
        Ok(damaged)
    }

    /// What comes first by time is looked at first, so that the rest need not be.
    fn search_blocks(
        &self,
        files: &Files,
        at: usize,
        search: &Search<'_>,
        sorting: Sorting,
        best: &mut Best,
        deadline: &mut Deadline<'_>,
    ) -> io::Result<()> {
        let mut blocks: Vec<_> = files.blocks(self.schema).collect();
        blocks.sort_by_key(|(_, _, block)| {
            if sorting.is_descending { block.span().1.saturating_neg() } else { block.span().0 }
        });
        for (file, first, block) in blocks {
            if sorting.position.is_none() {
                let nearest = if sorting.is_descending { block.span().1 } else { block.span().0 };
                let number = if sorting.is_descending { u64::MAX } else { 0 };
                if !best.may_take(sorting.cursor(ordered(nearest), number)) {
                    break;
                }
            }
            // A block costs about as much as so many records of an index.
            if !deadline.allows(LOOK_EVERY) {
                return Ok(());
            }
            let found = block.find(search.filter, search.range)?;
            if found.is_empty() {
                continue;
            }
            let counts = sorting.position.map(|position| block.counts(position)).transpose()?;
            let times = block.times()?;
            let key_of = |row: u32| match &counts {
                Some(counts) => counts.get(row as usize)?.checked_sub(1),
                None => times.get(row as usize).map(|time| ordered(*time)),
            };
            let mut offer = |row: u32| {
                let Some(key) = key_of(row) else { return };
                let address = DocAddress::new(file, first + row);
                let cursor = sorting.cursor(key, block.number(row));
                best.offer(cursor, Place::Part { part: at, address });
            };
            // The newest are mostly last, and what comes first spares the others.
            if sorting.is_descending {
                found.rows().rev().for_each(&mut offer);
            } else {
                found.rows().for_each(&mut offer);
            }
        }
        Ok(())
    }

    fn search_part(
        &self,
        part: &Part,
        at: usize,
        search: &Search<'_>,
        sorting: Sorting,
        best: &mut Best,
        deadline: &mut Deadline<'_>,
    ) -> tantivy::Result<()> {
        if part.times.is_none_or(|times| !overlaps(search.range, times)) {
            return Ok(());
        }
        let indexed = match &part.content {
            Content::Index(indexed) => indexed,
            Content::Blocks(files) => {
                let searched = self.search_blocks(files, at, search, sorting, best, deadline);
                return Ok(searched?);
            }
        };
        let query = indexed.query(self.schema, search.filter)?;
        let weight = query.weight(EnableScoring::disabled_from_searcher(&indexed.searcher))?;
        let mut segments = Vec::new();
        for (ordinal, segment) in indexed.searcher.segment_readers().iter().enumerate() {
            let times = segment.fast_fields().i64(TIME)?;
            let span = (times.min_value(), times.max_value());
            if overlaps(search.range, span) {
                segments.push((span, ordinal, segment, times));
            }
        }
        // What comes first by time is looked at first, so that the rest need not be.
        segments.sort_unstable_by_key(|(span, ..)| {
            if sorting.is_descending { span.1.saturating_neg() } else { span.0 }
        });
        for (span, ordinal, segment, times) in segments {
            if sorting.position.is_none() {
                let nearest = if sorting.is_descending { span.1 } else { span.0 };
                let number = if sorting.is_descending { u64::MAX } else { 0 };
                if !best.may_take(sorting.cursor(ordered(nearest), number)) {
                    continue;
                }
            }
            let is_whole = search.range.start.0 <= span.0 && span.1 <= search.range.end.0;
            let numbers = segment.fast_fields().u64(NUMBER)?;
            let keys = Keys::open(self.schema, segment, sorting, &times)?;
            weight.for_each_no_score(segment, &mut |docs: &[DocId]| {
                if !deadline.allows(docs.len()) {
                    return;
                }
                for doc in docs {
                    let is_outside = || {
                        let time = times.first(*doc).map(UnixMs);
                        time.is_none_or(|time| !is_inside(search.range, time))
                    };
                    if !is_whole && is_outside() {
                        continue;
                    }
                    let Some(key) = keys.of(*doc) else { continue };
                    let nearest = if sorting.is_descending { u64::MAX } else { 0 };
                    if !best.may_take(sorting.cursor(key, nearest)) {
                        continue;
                    }
                    let Some(number) = numbers.first(*doc) else { continue };
                    let address = DocAddress::new(ordinal as u32, *doc);
                    best.offer(sorting.cursor(key, number), Place::Part { part: at, address });
                }
            })?;
        }
        Ok(())
    }
}

/// The records that were found in blocks, each of which is read once.
fn read_blocks(
    snapshot: &Snapshot,
    schema: &'static Schema,
    found: &[(Cursor, Place)],
) -> HashMap<Place, Record> {
    let mut wanted: HashMap<(usize, u32), Vec<DocId>> = HashMap::new();
    for (_, place) in found {
        if let Place::Part { part, address } = place {
            wanted.entry((*part, address.segment_ord)).or_default().push(address.doc_id);
        }
    }
    let mut records = HashMap::new();
    for (part_at, part) in snapshot.parts.iter().enumerate() {
        let Content::Blocks(files) = &part.content else { continue };
        for (file, first, block) in files.blocks(schema) {
            let Some(rows) = wanted.get(&(part_at, file)) else { continue };
            for row in rows.iter().filter(|row| (first..first + block.rows()).contains(row)) {
                let address = DocAddress::new(file, *row);
                if let Ok(record) = block.record(row - first) {
                    records.insert(Place::Part { part: part_at, address }, record);
                }
            }
        }
    }
    records
}

/// The records that were found in batches, each of which is unpacked once.
fn read_tail(snapshot: &Snapshot, found: &[(Cursor, Place)]) -> HashMap<Place, Record> {
    let mut batches: HashMap<usize, HashSet<usize>> = HashMap::new();
    for (_, place) in found {
        if let Place::Tail { batch, at } = place {
            batches.entry(*batch).or_default().insert(*at);
        }
    }
    let mut records = HashMap::new();
    let mut unpacker = Unpacker::default();
    for (batch, mut wanted) in batches {
        let Some(packed) = snapshot.tail.get(batch) else { continue };
        let mut at = 0;
        // What cannot be read is missed by whoever asks for it.
        let _read = packed.each(&mut unpacker, |_, encoded| {
            if wanted.remove(&at)
                && let Some(record) = Record::decode(encoded)
            {
                records.insert(Place::Tail { batch, at }, record);
            }
            at += 1;
            !wanted.is_empty()
        });
    }
    records
}

/// The keys by which the records of a segment are sorted.
enum Keys<'a> {
    Signed(&'a Column<i64>),
    Own(Option<Column<i64>>),
    Counts(Option<Column<u64>>),
}

impl<'a> Keys<'a> {
    fn open(
        schema: &Schema,
        segment: &SegmentReader,
        sorting: Sorting,
        times: &'a Column<i64>,
    ) -> tantivy::Result<Self> {
        let field = sorting.position.and_then(|position| schema.fields.get(position));
        Ok(match field {
            None => Self::Signed(times),
            Some(field) if field.field_type == FieldType::Count => {
                Self::Counts(segment.fast_fields().column_opt(field.name)?)
            }
            Some(field) => Self::Own(segment.fast_fields().column_opt(field.name)?),
        })
    }

    fn of(&self, doc: DocId) -> Option<u64> {
        match self {
            Self::Signed(column) => column.first(doc).map(ordered),
            Self::Own(column) => column.as_ref()?.first(doc).map(ordered),
            Self::Counts(column) => column.as_ref()?.first(doc),
        }
    }
}

pub(super) fn is_inside(range: TimeRange, time: UnixMs) -> bool {
    range.start <= time && time <= range.end
}

pub(super) fn overlaps(range: TimeRange, (first, last): (i64, i64)) -> bool {
    range.start.0 <= last && first <= range.end.0
}
