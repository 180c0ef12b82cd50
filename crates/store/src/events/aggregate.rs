//! Summing records up by groups.
//!
//! Columns are read block by block and never a record whole. Within a segment groups are known by numbers;
//! their names are looked up when the segment is done. Percentiles are read from distributions, which add up
//! over segments and parts, so none is an average of others.

use std::{
    collections::{BTreeMap, HashMap, hash_map},
    io,
    sync::Arc,
    time::Duration,
};

use model::{UnixMs, series::TimeRange};
use tantivy::{
    COLLECT_BLOCK_BUFFER_LEN, DocId, SegmentReader,
    columnar::{Column, StrColumn},
    query::EnableScoring,
};

use super::{
    blocks::{Block, By, Code, Files, pattern},
    filter::Filter,
    kind::Kind,
    part::{Content, Part, TIME, guarded},
    schema::{FieldType, KEYWORD_BYTES_MAX, Record, Schema, from_thousandths},
    search::{Deadline, LOOK_EVERY, QueryError, is_inside, numeric, overlaps},
    sketch::Summary,
    tail::Batch,
};
use crate::segment::Unpacker;

/// Most groups of one answer.
pub const GROUPS_MAX: usize = 50_000;
/// Most steps of time of one answer.
pub const STEPS_MAX: usize = 11_000;
/// Most fields that records are grouped by.
const KEYS_MAX: usize = 2;
/// Most cells of all distributions, of 4 bytes.
const CELLS_MAX: usize = (256 << 20) / 4;
/// Combinations of keys up to which a table is faster than a hash map.
const TABLE_MAX: u64 = 1 << 16;
/// The scale by which numbers are grouped begins at 2 to this power; what is smaller is in its first bucket.
const SCALE_MIN: f64 = -10.0;
/// And ends at this power; what is larger is in its last bucket.
const SCALE_MAX: f64 = 40.0;
/// Buckets to a doubling; a wish for more gets so many.
const PER_DOUBLING_MAX: u8 = 64;

/// A question about many records.
#[derive(Clone, Debug)]
pub struct Aggregate<'a> {
    pub filter: &'a Filter,
    /// Both ends belong to it.
    pub range: TimeRange,
    /// At most two fields, and time besides.
    pub by: &'a [GroupBy<'a>],
    pub measures: &'a [Measure<'a>],
    pub timeout: Duration,
}

/// What the records of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy<'a> {
    /// A value of a keyword, a flag or a count.
    Field(&'a str),
    /// A step of time, counted from 1970.
    Time(Duration),
    /// A bucket of a number: bucket i ends at 2^(i / `per_doubling`).
    Scale { field: &'a str, per_doubling: u8 },
}

/// What is told of a group. All but the count are of the records in which the field is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure<'a> {
    Count,
    Sum(&'a str),
    Average(&'a str),
    Min(&'a str),
    Max(&'a str),
    /// The part of the records, from 0 to 1, whose value is not larger; wrong by 0.8 % at most.
    Percentile(&'a str, f64),
    /// When the earliest record was, in Unix milliseconds.
    First,
    /// When the latest record was.
    Last,
}

/// What the records of a group have in common, as an answer tells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The field is not known.
    Absent,
    Value(Box<str>),
    /// Where the step of time begins.
    Time(UnixMs),
    Bucket(i32),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// In the order of [`Aggregate::by`].
    pub keys: Vec<Key>,
    /// In the order of [`Aggregate::measures`]; nothing where no record knows the field.
    pub values: Vec<Option<f64>>,
}

/// An answer, in the order of the keys. Groups without records are not in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub rows: Vec<Row>,
    /// Parts that could not be read; what they hold is missing.
    pub damaged: usize,
}

/// [`GroupBy`] with positions in place of names.
#[derive(Clone, Copy)]
enum Dimension<'a> {
    Field(usize),
    /// Of a map, the value of this name.
    Named(usize, &'a str),
    Time(i64),
    Scale {
        position: usize,
        per_doubling: f64,
    },
}

/// The question, understood.
struct Plan<'a> {
    schema: &'static Schema,
    filter: &'a Filter,
    range: TimeRange,
    dimensions: Vec<Dimension<'a>>,
    /// Fields that are measured, and whether their distribution is.
    fields: Vec<(usize, bool)>,
    /// Whether the times of records are measured.
    has_times: bool,
}

/// What is known of a group.
struct Group {
    count: u64,
    /// Of the earliest and the latest record, where that is asked for.
    times: (i64, i64),
    fields: Vec<Summary>,
}

/// Times of no record.
const NO_TIMES: (i64, i64) = (i64::MAX, i64::MIN);

fn widen(times: &mut (i64, i64), others: (i64, i64)) {
    *times = (times.0.min(others.0), times.1.max(others.1));
}

/// What is known of all groups.
#[derive(Default)]
struct Groups {
    by_keys: HashMap<Vec<Key>, Group>,
    /// What all distributions take.
    cells: usize,
}

impl<'a> Plan<'a> {
    fn new(schema: &'static Schema, question: &Aggregate<'a>) -> Result<Self, QueryError> {
        let mut dimensions = Vec::new();
        for by in question.by {
            dimensions.push(dimension(schema, *by)?);
        }
        let is_time = |dimension: &&Dimension<'_>| matches!(dimension, Dimension::Time(_));
        let times = dimensions.iter().filter(is_time).count();
        if times > 1 || dimensions.len() - times > KEYS_MAX {
            return Err(QueryError::TooManyKeys);
        }
        let mut fields: Vec<(usize, bool)> = Vec::new();
        for measure in question.measures {
            let Some((position, has_distribution)) = measured(schema, *measure)? else { continue };
            match fields.iter_mut().find(|(known, _)| *known == position) {
                Some((_, known)) => *known |= has_distribution,
                None => fields.push((position, has_distribution)),
            }
        }
        let Aggregate { filter, range, .. } = *question;
        let is_time = |measure: &Measure<'_>| matches!(measure, Measure::First | Measure::Last);
        let has_times = question.measures.iter().any(is_time);
        Ok(Self { schema, filter, range, dimensions, fields, has_times })
    }

    fn group(&self) -> Group {
        let fields =
            self.fields.iter().map(|(_, has_distribution)| Summary::new(*has_distribution));
        Group { count: 0, times: NO_TIMES, fields: fields.collect() }
    }

    fn check(&self, groups: usize, cells: usize) -> Result<(), QueryError> {
        if groups > GROUPS_MAX || cells > CELLS_MAX {
            return Err(QueryError::TooManyGroups(GROUPS_MAX.min(groups)));
        }
        Ok(())
    }

    /// Which fields of a record are looked at.
    fn wanted(&self) -> Vec<bool> {
        let mut wanted = vec![false; self.schema.fields.len()];
        self.filter.mark(&mut wanted);
        let keys = self.dimensions.iter().filter_map(|dimension| match *dimension {
            Dimension::Time(_) => None,
            Dimension::Field(position)
            | Dimension::Named(position, _)
            | Dimension::Scale { position, .. } => Some(position),
        });
        for position in keys.chain(self.fields.iter().map(|(position, _)| *position)) {
            // The body tells its pattern.
            let is_pattern = self.field_type(position) == Some(FieldType::Pattern);
            let position = self.schema.body().filter(|_| is_pattern).unwrap_or(position);
            if let Some(wanted) = wanted.get_mut(position) {
                *wanted = true;
            }
        }
        wanted
    }

    /// Counts a record that matches.
    fn add(&self, groups: &mut Groups, record: &Record) {
        let group = groups.by_keys.entry(self.keys_of(record)).or_insert_with(|| self.group());
        group.count += 1;
        widen(&mut group.times, (record.time.0, record.time.0));
        for ((position, _), summary) in self.fields.iter().zip(&mut group.fields) {
            let number = record.value(*position).and_then(super::Value::as_number);
            groups.cells += number.map_or(0, |number| summary.add(number));
        }
    }

    fn field_type(&self, position: usize) -> Option<FieldType> {
        self.schema.fields.get(position).map(|field| field.field_type)
    }

    fn name(&self, position: usize) -> &'static str {
        self.schema.fields.get(position).map_or("", |field| field.name)
    }

    /// The same as [`Segment`] does for a record in the index.
    fn keys_of(&self, record: &Record) -> Vec<Key> {
        let key = |dimension: &Dimension<'_>| match *dimension {
            Dimension::Time(step) => Key::Time(UnixMs(record.time.0.div_euclid(step) * step)),
            Dimension::Named(position, name) => match record.value(position) {
                Some(super::Value::Map(pairs)) => {
                    let found = pairs.iter().find(|(known, _)| **known == *name);
                    found.map_or(Key::Absent, |(_, value)| Key::Value(value.clone()))
                }
                _ => Key::Absent,
            },
            Dimension::Field(position) if self.field_type(position) == Some(FieldType::Pattern) => {
                let body = self.schema.body().and_then(|body| record.value(body)?.as_text());
                let cut = |pattern: &str| {
                    let end = pattern.floor_char_boundary(KEYWORD_BYTES_MAX);
                    Key::Value(pattern.get(..end).unwrap_or_default().into())
                };
                body.filter(|body| !body.is_empty()).map_or(Key::Absent, |body| cut(&pattern(body)))
            }
            Dimension::Field(position) => match record.value(position) {
                None => Key::Absent,
                Some(value) => {
                    let number = || value.as_number().map(|number| number.to_string());
                    let text = value.as_text().map(str::to_owned).or_else(number);
                    Key::Value(text.unwrap_or_default().into())
                }
            },
            Dimension::Scale { position, per_doubling } => {
                let number = record.value(position).and_then(super::Value::as_number);
                number.map_or(Key::Absent, |number| Key::Bucket(bucket(number, per_doubling)))
            }
        };
        self.dimensions.iter().map(key).collect()
    }
}

fn dimension<'a>(schema: &Schema, by: GroupBy<'a>) -> Result<Dimension<'a>, QueryError> {
    match by {
        GroupBy::Time(step) => {
            let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
            if step > 0 { Ok(Dimension::Time(step)) } else { Err(QueryError::InvalidStep) }
        }
        GroupBy::Field(name) => {
            let Some((position, of_map)) = schema.find(name) else {
                return Err(QueryError::UnknownField(name.to_owned()));
            };
            let field_type = schema.fields.get(position).map(|field| field.field_type);
            match of_map {
                None if field_type.is_some_and(FieldType::is_groupable) => {
                    Ok(Dimension::Field(position))
                }
                // An index has no column of a map.
                Some(of_map) if schema.body().is_some() => Ok(Dimension::Named(position, of_map)),
                _ => Err(QueryError::NotGroupable(name.to_owned())),
            }
        }
        GroupBy::Scale { field, per_doubling } => {
            let per_doubling = f64::from(per_doubling.clamp(1, PER_DOUBLING_MAX));
            Ok(Dimension::Scale { position: numeric(schema, field)?, per_doubling })
        }
    }
}

/// The field of a measure, and whether its distribution is needed.
fn measured(schema: &Schema, measure: Measure<'_>) -> Result<Option<(usize, bool)>, QueryError> {
    let (name, has_distribution) = match measure {
        Measure::Count | Measure::First | Measure::Last => return Ok(None),
        Measure::Sum(name) | Measure::Average(name) | Measure::Min(name) | Measure::Max(name) => {
            (name, false)
        }
        Measure::Percentile(name, part) if (0.0..=1.0).contains(&part) => (name, true),
        Measure::Percentile(..) => return Err(QueryError::InvalidPercentile),
    };
    numeric(schema, name).map(|position| Some((position, has_distribution)))
}

fn bucket(number: f64, per_doubling: f64) -> i32 {
    let log = if number > 0.0 { number.log2() } else { SCALE_MIN };
    (log.clamp(SCALE_MIN, SCALE_MAX) * per_doubling).ceil() as i32
}

impl Kind {
    pub(super) fn aggregate(&self, question: &Aggregate<'_>) -> Result<Table, QueryError> {
        let plan = Plan::new(self.schema, question)?;
        let snapshot = self.snapshot();
        let mut deadline = Deadline::new(&self.clock, question.timeout);
        let mut groups = Groups::default();
        let mut damaged = 0;
        let wanted = plan.wanted();
        let is_wanted = |position: usize| wanted.get(position).is_some_and(|wanted| *wanted);
        let mut unpacker = Unpacker::default();
        let near = |batch: &&Arc<Batch>| overlaps(plan.range, batch.span.times);
        for batch in snapshot.tail.iter().filter(near) {
            let mut refused = Ok(());
            let read = batch.each(&mut unpacker, |_, encoded| {
                let record = Record::decode_some(encoded, is_wanted);
                if record.is_none() {
                    damaged += 1;
                    self.note_damage();
                }
                if let Some(record) = record
                    && is_inside(plan.range, record.time)
                    && plan.filter.matches(&record)
                {
                    plan.add(&mut groups, &record);
                    refused = plan.check(groups.by_keys.len(), groups.cells);
                }
                deadline.allows(1) && refused.is_ok()
            });
            refused?;
            if deadline.has_passed {
                return Err(QueryError::Timeout);
            }
            if read.is_err() {
                damaged += 1;
                self.note_damage();
            }
        }
        for part in &snapshot.parts {
            let mut refused = None;
            let read = guarded(|| {
                groups.merge(plan.part(part, &mut deadline, &mut refused)?);
                Ok(())
            });
            if let Some(refused) = refused {
                return Err(refused);
            }
            if deadline.has_passed {
                return Err(QueryError::Timeout);
            }
            if read.is_err() {
                damaged += 1;
                self.note_damage();
            }
            plan.check(groups.by_keys.len(), groups.cells)?;
        }
        Ok(Table { rows: rows(&plan, question.measures, groups), damaged })
    }
}

impl Kind {
    pub(super) fn largest_of_newest(
        &self,
        (word, count): (&str, &str),
        records: u64,
    ) -> Result<HashMap<Box<str>, u64>, QueryError> {
        let position = |name: &str| {
            let position = self.schema.position(name);
            position.ok_or_else(|| QueryError::UnknownField(name.to_owned()))
        };
        let (word, count) = (position(word)?, position(count)?);
        let mut largest = HashMap::new();
        let mut add = |word: &str, count: u64| {
            let known = largest.entry(word.into()).or_insert(count);
            *known = count.max(*known);
        };
        let snapshot = self.snapshot();
        let mut unpacker = Unpacker::default();
        for batch in &snapshot.tail {
            let read = batch.each(&mut unpacker, |_, encoded| {
                let record = Record::decode_some(encoded, |at| at == word || at == count);
                let value = |at| record.as_ref().and_then(|record| record.value(at));
                if let (Some(super::Value::Text(word)), Some(super::Value::Count(count))) =
                    (value(word), value(count))
                {
                    add(word, *count);
                }
                true
            });
            if read.is_err() {
                self.note_damage();
            }
        }
        let files = snapshot.parts.iter().filter_map(|part| match &part.content {
            Content::Blocks(files) => Some(files),
            Content::Index(_) => None,
        });
        let newest = files.clone().map(Files::committed).max().unwrap_or(0);
        for (_, _, block) in files.flat_map(|files| files.blocks(self.schema)) {
            let is_new = block.last_number() > newest.saturating_sub(records);
            if is_new && block.largest((word, count), &mut add).is_err() {
                self.note_damage();
            }
        }
        Ok(largest)
    }
}

fn rows(plan: &Plan<'_>, measures: &[Measure<'_>], groups: Groups) -> Vec<Row> {
    let sorted: BTreeMap<Vec<Key>, Group> = groups.by_keys.into_iter().collect();
    let value = |group: &Group, measure: &Measure<'_>| {
        let summary = |name: &str| {
            let position = plan.schema.position(name)?;
            let at = plan.fields.iter().position(|(known, _)| *known == position)?;
            group.fields.get(at).filter(|summary| summary.count > 0)
        };
        match *measure {
            Measure::Count => Some(group.count as f64),
            Measure::Sum(name) => summary(name).map(|summary| summary.sum),
            Measure::Average(name) => summary(name).map(|s| s.sum / s.count as f64),
            Measure::Min(name) => summary(name).map(|summary| summary.min),
            Measure::Max(name) => summary(name).map(|summary| summary.max),
            Measure::Percentile(name, part) => summary(name)?.quantile(part),
            Measure::First => Some(group.times.0 as f64),
            Measure::Last => Some(group.times.1 as f64),
        }
    };
    let row = |(keys, group): (Vec<Key>, Group)| Row {
        keys,
        values: measures.iter().map(|measure| value(&group, measure)).collect(),
    };
    sorted.into_iter().map(row).collect()
}

impl Groups {
    fn merge(&mut self, other: Self) {
        for (keys, group) in other.by_keys {
            match self.by_keys.entry(keys) {
                hash_map::Entry::Vacant(entry) => {
                    self.cells += group.cells();
                    entry.insert(group);
                }
                hash_map::Entry::Occupied(mut entry) => {
                    let present = entry.get_mut();
                    present.count += group.count;
                    widen(&mut present.times, group.times);
                    for (summary, other) in present.fields.iter_mut().zip(&group.fields) {
                        self.cells += summary.merge(other);
                    }
                }
            }
        }
    }
}

impl Group {
    fn cells(&self) -> usize {
        self.fields.iter().map(Summary::cells).sum()
    }
}

impl Plan<'_> {
    fn part(
        &self,
        part: &Part,
        deadline: &mut Deadline<'_>,
        refused: &mut Option<QueryError>,
    ) -> tantivy::Result<Groups> {
        let mut groups = Groups::default();
        if part.times.is_none_or(|times| !overlaps(self.range, times)) {
            return Ok(groups);
        }
        let indexed = match &part.content {
            Content::Index(indexed) => indexed,
            Content::Blocks(files) => {
                for (_, _, block) in files.blocks(self.schema) {
                    if refused.is_some() || !deadline.allows(LOOK_EVERY) {
                        break;
                    }
                    self.block(&block, &mut groups)?;
                    *refused = self.check(groups.by_keys.len(), groups.cells).err();
                }
                return Ok(groups);
            }
        };
        let query = indexed.query(self.schema, self.filter)?;
        let weight = query.weight(EnableScoring::disabled_from_searcher(&indexed.searcher))?;
        for reader in indexed.searcher.segment_readers() {
            let times = reader.fast_fields().i64(TIME)?;
            let span = (times.min_value(), times.max_value());
            if !overlaps(self.range, span) {
                continue;
            }
            let mut segment = match Segment::open(self, reader, times, span)? {
                Ok(segment) => segment,
                Err(error) => {
                    *refused = Some(error);
                    return Ok(groups);
                }
            };
            weight.for_each_no_score(reader, &mut |docs: &[DocId]| {
                if refused.is_none() && deadline.allows(docs.len()) {
                    segment.add(docs);
                    *refused = self.check(segment.groups.len(), segment.cells).err();
                }
            })?;
            if refused.is_some() {
                return Ok(groups);
            }
            groups.merge(segment.named()?);
        }
        Ok(groups)
    }
}

impl Plan<'_> {
    /// Counts what a block has by its columns; for anything else its records are read.
    fn block(&self, block: &Block<'_>, groups: &mut Groups) -> io::Result<()> {
        let found = block.find(self.filter, self.range)?;
        if found.is_empty() {
            return Ok(());
        }
        let by: Option<Vec<By<'_>>> = self
            .dimensions
            .iter()
            .map(|dimension| match *dimension {
                Dimension::Field(position) => Some(By::Field(position)),
                Dimension::Named(_, name) => Some(By::Attribute(name)),
                Dimension::Time(step) => Some(By::Time(step)),
                Dimension::Scale { .. } => None,
            })
            .collect();
        let Some(by) = by.filter(|_| self.fields.is_empty()) else {
            for row in found.rows() {
                self.add(groups, &block.record(row)?);
            }
            return Ok(());
        };
        for (codes, tally) in block.counted(&found, &by, self.has_times)? {
            let key = |code: Code| match code {
                Code::Absent => Key::Absent,
                Code::Text(text) => Key::Value(text),
                Code::Time(time) => Key::Time(UnixMs(time)),
            };
            let keys: Vec<Key> = codes.into_iter().map(key).collect();
            let group = groups.by_keys.entry(keys).or_insert_with(|| self.group());
            group.count += tally.count;
            widen(&mut group.times, tally.times);
        }
        Ok(())
    }
}

/// The columns of a segment that a question needs, and the groups found in it so far.
struct Segment<'a> {
    plan: &'a Plan<'a>,
    times: Column<i64>,
    is_whole: bool,
    dimensions: Vec<Codes>,
    fields: Vec<Numbers>,
    /// Numbers of groups by combination of codes.
    table: Vec<u32>,
    map: HashMap<u64, u32>,
    /// The codes of each group, its records, and their times where these are measured.
    groups: Vec<(u64, u64, (i64, i64))>,
    /// Of the fields of the first group, then of the second.
    summaries: Vec<Summary>,
    /// What all distributions take.
    cells: usize,
    docs: Vec<DocId>,
    codes: Vec<u64>,
    members: Vec<u32>,
}

/// A dimension as numbers from 0 to less than `size`; 0 is absent.
struct Codes {
    size: u64,
    source: Source,
}

enum Source {
    /// There is no column.
    Absent,
    Words(StrColumn),
    /// Values and their codes, in the order in which they are met.
    Counts(Column<u64>, HashMap<u64, u64>, Vec<u64>),
    Times {
        first: i64,
        step: i64,
    },
    Scale {
        column: Numbers,
        per_doubling: f64,
        first: i32,
    },
}

enum Numbers {
    Absent,
    Counts(Column<u64>),
    Millis(Column<i64>),
}

impl Numbers {
    fn open(plan: &Plan<'_>, reader: &SegmentReader, position: usize) -> tantivy::Result<Self> {
        let (name, columns) = (plan.name(position), reader.fast_fields());
        Ok(match plan.field_type(position) {
            Some(FieldType::Count) => columns.column_opt(name)?.map_or(Self::Absent, Self::Counts),
            _ => columns.column_opt(name)?.map_or(Self::Absent, Self::Millis),
        })
    }

    /// Hands the values that are known to `tell`, with their places.
    #[inline]
    fn read(&self, docs: &[DocId], mut tell: impl FnMut(usize, f64)) {
        match self {
            Self::Absent => {}
            Self::Counts(column) => {
                let mut values = [None; COLLECT_BLOCK_BUFFER_LEN];
                first_values(column, docs, &mut values);
                for (at, value) in values.into_iter().take(docs.len()).enumerate() {
                    value.into_iter().for_each(|value| tell(at, value as f64));
                }
            }
            Self::Millis(column) => {
                let mut values = [None; COLLECT_BLOCK_BUFFER_LEN];
                first_values(column, docs, &mut values);
                for (at, value) in values.into_iter().take(docs.len()).enumerate() {
                    value.into_iter().for_each(|value| tell(at, from_thousandths(value)));
                }
            }
        }
    }
}

fn first_values<T: PartialOrd + Copy + std::fmt::Debug + Send + Sync + 'static>(
    column: &Column<T>,
    docs: &[DocId],
    values: &mut [Option<T>],
) {
    if let Some(values) = values.get_mut(..docs.len()) {
        column.first_vals(docs, values);
    }
}

impl<'a> Segment<'a> {
    fn open(
        plan: &'a Plan<'a>,
        reader: &SegmentReader,
        times: Column<i64>,
        span: (i64, i64),
    ) -> tantivy::Result<Result<Self, QueryError>> {
        let is_whole = plan.range.start.0 <= span.0 && span.1 <= plan.range.end.0;
        let seen = (span.0.max(plan.range.start.0), span.1.min(plan.range.end.0));
        let (mut dimensions, mut combinations) = (Vec::new(), 1_u64);
        for dimension in &plan.dimensions {
            let codes = Codes::open(plan, reader, *dimension, seen)?;
            if matches!(dimension, Dimension::Time(_)) && codes.size > STEPS_MAX as u64 {
                return Ok(Err(QueryError::TooManySteps(STEPS_MAX)));
            }
            let Some(product) = combinations.checked_mul(codes.size) else {
                return Ok(Err(QueryError::TooManyGroups(GROUPS_MAX)));
            };
            combinations = product;
            dimensions.push(codes);
        }
        let fields = plan.fields.iter().map(|(at, _)| Numbers::open(plan, reader, *at));
        let fields = fields.collect::<tantivy::Result<_>>()?;
        let table =
            if combinations <= TABLE_MAX { vec![0; combinations as usize] } else { Vec::new() };
        let (map, groups) = (HashMap::new(), Vec::new());
        let (docs, codes, members) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Ok(Self {
            plan,
            times,
            is_whole,
            dimensions,
            fields,
            table,
            map,
            groups,
            summaries: Vec::new(),
            cells: 0,
            docs,
            codes,
            members,
        }))
    }

    fn add(&mut self, all: &[DocId]) {
        self.docs.clear();
        let (range, times) = (self.plan.range, &self.times);
        let is_inside =
            |doc: &DocId| times.first(*doc).is_some_and(|time| is_inside(range, UnixMs(time)));
        let is_whole = self.is_whole;
        self.docs.extend(all.iter().copied().filter(|doc| is_whole || is_inside(doc)));
        self.codes.clear();
        self.codes.resize(self.docs.len(), 0);
        for dimension in &mut self.dimensions {
            dimension.add(&self.docs, &self.times, &mut self.codes);
        }
        self.members.clear();
        for code in &self.codes {
            let slot = match self.table.get_mut(*code as usize) {
                Some(slot) => slot,
                None => self.map.entry(*code).or_default(),
            };
            // Zero is a combination that was not met before.
            if *slot == 0 {
                self.groups.push((*code, 0, NO_TIMES));
                self.summaries.extend(self.plan.group().fields);
                *slot = self.groups.len() as u32;
            }
            self.members.push(*slot - 1);
            if let Some((_, count, _)) = self.groups.get_mut(*slot as usize - 1) {
                *count += 1;
            }
        }
        if self.plan.has_times {
            for (doc, member) in self.docs.iter().zip(&self.members) {
                let group = self.groups.get_mut(*member as usize);
                if let (Some((.., span)), Some(time)) = (group, self.times.first(*doc)) {
                    widen(span, (time, time));
                }
            }
        }
        let fields = self.fields.len();
        for (at_field, numbers) in self.fields.iter().enumerate() {
            numbers.read(&self.docs, |at, number| {
                let member = self.members.get(at).copied().unwrap_or_default() as usize;
                let place = member * fields + at_field;
                if let Some(summary) = self.summaries.get_mut(place) {
                    self.cells += summary.add(number);
                }
            });
        }
    }

    fn named(self) -> tantivy::Result<Groups> {
        let mut named = Groups::default();
        let fields = self.fields.len();
        let mut summaries = self.summaries.into_iter();
        // Looking a word up takes longer than anything else here.
        let mut known: Vec<HashMap<u64, Key>> = vec![HashMap::new(); self.dimensions.len()];
        for (mut code, count, times) in self.groups {
            let mut keys = Vec::with_capacity(self.dimensions.len());
            for (dimension, known) in self.dimensions.iter().zip(&mut known).rev() {
                let own = code % dimension.size;
                code /= dimension.size;
                let key = match known.entry(own) {
                    hash_map::Entry::Occupied(entry) => entry.into_mut(),
                    hash_map::Entry::Vacant(entry) => entry.insert(dimension.key(own)?),
                };
                keys.push(key.clone());
            }
            keys.reverse();
            let fields = summaries.by_ref().take(fields).collect();
            named.by_keys.insert(keys, Group { count, times, fields });
        }
        Ok(named)
    }
}

impl Codes {
    fn open(
        plan: &Plan<'_>,
        reader: &SegmentReader,
        dimension: Dimension<'_>,
        (first, last): (i64, i64),
    ) -> tantivy::Result<Self> {
        let columns = reader.fast_fields();
        let (size, source) = match dimension {
            Dimension::Time(step) => {
                let (first, last) = (first.div_euclid(step), last.div_euclid(step));
                (last.saturating_sub(first).max(0) as u64 + 2, Source::Times { first, step })
            }
            Dimension::Scale { position, per_doubling } => {
                let first = (SCALE_MIN * per_doubling).ceil() as i32;
                let last = (SCALE_MAX * per_doubling).ceil() as i32;
                let column = Numbers::open(plan, reader, position)?;
                let source = Source::Scale { column, per_doubling, first };
                ((last - first) as u64 + 2, source)
            }
            Dimension::Named(..) => (1, Source::Absent),
            Dimension::Field(position) if plan.field_type(position) == Some(FieldType::Count) => {
                match columns.column_opt::<u64>(plan.name(position))? {
                    // More values than groups are too many anyway.
                    Some(column) => {
                        let source = Source::Counts(column, HashMap::new(), Vec::new());
                        (GROUPS_MAX as u64 + 3, source)
                    }
                    None => (1, Source::Absent),
                }
            }
            Dimension::Field(position) => match columns.str(plan.name(position))? {
                Some(column) => (column.num_terms() as u64 + 1, Source::Words(column)),
                None => (1, Source::Absent),
            },
        };
        Ok(Self { size, source })
    }

    /// Makes the codes of this dimension the last digits of `codes`.
    fn add(&mut self, docs: &[DocId], times: &Column<i64>, codes: &mut [u64]) {
        let size = self.size;
        codes.iter_mut().for_each(|code| *code *= size);
        match &mut self.source {
            Source::Absent => {}
            Source::Words(column) => {
                let mut values = [None; COLLECT_BLOCK_BUFFER_LEN];
                first_values(column.ords(), docs, &mut values);
                for (code, value) in codes.iter_mut().zip(values) {
                    *code += value.map_or(0, |ordinal| ordinal + 1).min(size - 1);
                }
            }
            Source::Counts(column, known, met) => {
                let mut values = [None; COLLECT_BLOCK_BUFFER_LEN];
                first_values(column, docs, &mut values);
                for (code, value) in codes.iter_mut().zip(values) {
                    let Some(value) = value else { continue };
                    let own = known.entry(value).or_insert_with(|| {
                        met.push(value);
                        met.len() as u64
                    });
                    *code += (*own).min(size - 1);
                }
            }
            Source::Times { first, step } => {
                for (code, doc) in codes.iter_mut().zip(docs) {
                    let time = times.first(*doc).unwrap_or_default();
                    let own = time.div_euclid(*step).saturating_sub(*first).max(0) as u64 + 1;
                    *code += own.min(size - 1);
                }
            }
            Source::Scale { column, per_doubling, first } => column.read(docs, |at, number| {
                if let Some(code) = codes.get_mut(at) {
                    let own = (bucket(number, *per_doubling) - *first).max(0) as u64 + 1;
                    *code += own.min(size - 1);
                }
            }),
        }
    }

    fn key(&self, code: u64) -> tantivy::Result<Key> {
        let Some(code) = code.checked_sub(1) else { return Ok(Key::Absent) };
        Ok(match &self.source {
            Source::Absent => Key::Absent,
            Source::Words(column) => {
                let mut word = String::new();
                column.ord_to_str(code, &mut word)?;
                Key::Value(word.into())
            }
            Source::Counts(_, _, met) => {
                let value = met.get(code as usize).map(u64::to_string);
                Key::Value(value.unwrap_or_default().into())
            }
            Source::Times { first, step } => {
                Key::Time(UnixMs(first.saturating_add(code as i64).saturating_mul(*step)))
            }
            Source::Scale { first, .. } => Key::Bucket(code as i32 + first),
        })
    }
}
