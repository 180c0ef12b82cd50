//! A block as readers see it: columns are read and unpacked when they are asked for, and once.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    io,
    ops::Range,
    rc::Rc,
};

use super::{
    BLOOM, COUNTS, DICTIONARY, Head, STREAMS, TEMPLATES, TIMES,
    bloom::{may_hold, word_hash},
    file::File,
    template::{SLOT, pattern, shown},
    write::WHOLE,
};
use crate::{
    events::{
        schema::{Field, FieldType, Record, Schema, Value},
        search::{is_inside, overlaps},
    },
    varint::{Reader, unzigzag},
};

/// A block that is being read, by one thread.
pub(crate) struct Block<'a> {
    file: &'a File,
    pub(super) head: &'a Head,
    pub(super) schema: &'static Schema,
    dictionary: OnceCell<Dictionary>,
    times: OnceCell<Vec<i64>>,
    streams: OnceCell<Ids>,
    templates: OnceCell<Ids>,
    bloom: OnceCell<Vec<u8>>,
    /// Of each row, how many rows before it have its template.
    ordinals: OnceCell<Vec<u32>>,
    counts: RefCell<HashMap<usize, Rc<Vec<u64>>>>,
    values: RefCell<HashMap<usize, Rc<Values>>>,
    groups: RefCell<HashMap<u16, Rc<Group>>>,
}

/// What rows of a block have in common.
pub(super) struct Dictionary {
    bytes: Vec<u8>,
    /// Where in them the words are that records of a stream share.
    streams: Vec<Range<usize>>,
    pub(super) templates: Vec<Template>,
}

impl Dictionary {
    pub(super) fn streams(&self) -> impl ExactSizeIterator<Item = Stream<'_>> {
        self.streams.iter().map(|range| self.stream_at(range))
    }

    fn stream(&self, id: usize) -> Option<Stream<'_>> {
        self.streams.get(id).map(|range| self.stream_at(range))
    }

    fn stream_at(&self, range: &Range<usize>) -> Stream<'_> {
        Stream(self.bytes.get(range.clone()).unwrap_or_default())
    }
}

/// The words that records of a stream share, each behind the position of its field.
#[derive(Clone, Copy)]
pub(super) struct Stream<'a>(&'a [u8]);

impl<'a> Stream<'a> {
    pub(super) fn get(self, position: usize) -> Option<&'a str> {
        let mut reader = Reader::new(self.0);
        loop {
            let (at, length) = (reader.size()?, reader.size()?);
            let text = reader.bytes(length)?;
            if at == position {
                return std::str::from_utf8(text).ok();
            }
        }
    }
}

pub(super) struct Template {
    /// Nothing is known of its bodies but that they are values.
    pub(super) is_whole: bool,
    /// The text around values.
    pub(super) pieces: Vec<Box<str>>,
    /// Its bodies as a pattern; nothing where each has its own.
    pub(super) pattern: Option<Box<str>>,
    /// Of the attributes, whose values follow those of the body.
    pub(super) names: Vec<Box<str>>,
    rows: u32,
    frame: usize,
    at: usize,
    length: usize,
}

impl Template {
    /// How many values a body has.
    pub(super) fn slots(&self) -> usize {
        if self.is_whole { 1 } else { self.pieces.len() - 1 }
    }
}

/// Numbers of streams or templates, by row.
pub(super) enum Ids {
    Narrow(Vec<u8>),
    Wide(Vec<u16>),
}

impl Ids {
    pub(super) fn get(&self, row: usize) -> usize {
        match self {
            Self::Narrow(ids) => ids.get(row).map_or(0, |id| usize::from(*id)),
            Self::Wide(ids) => ids.get(row).map_or(0, |id| usize::from(*id)),
        }
    }

    /// The rows whose number is wanted, as bits. Without branches: which rows are wanted cannot be foreseen.
    pub(super) fn bits(&self, wanted: &[bool]) -> Vec<u64> {
        fn of<T: Copy + Into<usize>>(ids: &[T], wanted: &[bool]) -> Vec<u64> {
            let bit = |id: T| u64::from(wanted.get(id.into()).copied().unwrap_or(false));
            let word = |ids: &[T]| ids.iter().rev().fold(0, |word, id| word << 1 | bit(*id));
            ids.chunks(64).map(word).collect()
        }
        match self {
            Self::Narrow(ids) => of(ids, wanted),
            Self::Wide(ids) => of(ids, wanted),
        }
    }

    /// Tells each row and its number.
    pub(super) fn each(&self, mut tell: impl FnMut(usize, usize)) {
        match self {
            Self::Narrow(ids) => {
                ids.iter().enumerate().for_each(|(row, id)| tell(row, usize::from(*id)));
            }
            Self::Wide(ids) => {
                ids.iter().enumerate().for_each(|(row, id)| tell(row, usize::from(*id)));
            }
        }
    }
}

/// The values of a template.
pub(super) struct Group {
    bytes: Rc<Vec<u8>>,
    slots: Vec<Vec<Range<u32>>>,
}

/// Values of templates: as they are, and in lower case of ASCII as soon as somebody asks.
struct Values {
    bytes: Rc<Vec<u8>>,
    lower: OnceCell<Vec<u8>>,
}

impl Group {
    pub(super) fn value(&self, slot: usize, ordinal: u32) -> &str {
        let range = self.slots.get(slot).and_then(|slot| slot.get(ordinal as usize));
        let bytes =
            range.and_then(|range| self.bytes.get(range.start as usize..range.end as usize));
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }
}

impl Group {
    /// Whether any value of a row has a word in it that is in lower case of ASCII.
    pub(super) fn has(&self, ordinal: u32, word: &str) -> bool {
        let has = |value: &[u8]| {
            value.windows(word.len().max(1)).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
        };
        (0..self.slots.len()).any(|slot| has(self.value(slot, ordinal).as_bytes()))
    }
}

impl<'a> Block<'a> {
    pub(super) fn new(file: &'a File, head: &'a Head, schema: &'static Schema) -> Self {
        Self {
            file,
            head,
            schema,
            dictionary: OnceCell::new(),
            times: OnceCell::new(),
            streams: OnceCell::new(),
            templates: OnceCell::new(),
            bloom: OnceCell::new(),
            ordinals: OnceCell::new(),
            counts: RefCell::default(),
            values: RefCell::default(),
            groups: RefCell::default(),
        }
    }

    pub(crate) fn rows(&self) -> u32 {
        self.head.rows
    }

    pub(crate) fn span(&self) -> (i64, i64) {
        self.head.times
    }

    pub(crate) fn last_number(&self) -> u64 {
        self.head.last_number()
    }

    pub(crate) fn number(&self, row: u32) -> u64 {
        self.head.number(row)
    }

    fn frame(&self, at: usize) -> io::Result<Vec<u8>> {
        let frame = self.head.frames.get(at).ok_or_else(damaged)?;
        self.file.unpack(*frame)
    }

    pub(super) fn dictionary(&self) -> io::Result<&Dictionary> {
        once(&self.dictionary, || {
            let bytes = self.frame(DICTIONARY)?;
            read_dictionary(bytes).ok_or_else(damaged)
        })
    }

    pub(crate) fn times(&self) -> io::Result<&[i64]> {
        let times = once(&self.times, || deltas(&self.frame(TIMES)?, self.head.rows));
        times.map(Vec::as_slice)
    }

    pub(super) fn streams(&self) -> io::Result<&Ids> {
        let count = self.dictionary()?.streams().len();
        once(&self.streams, || ids(self.frame(STREAMS)?, count, self.head.rows))
    }

    pub(super) fn templates(&self) -> io::Result<&Ids> {
        let count = self.dictionary()?.templates.len();
        once(&self.templates, || ids(self.frame(TEMPLATES)?, count, self.head.rows))
    }

    /// Whether a word, in lower case, may be among the values.
    pub(super) fn may_hold(&self, word: &str) -> io::Result<bool> {
        let bloom = once(&self.bloom, || {
            let frame = self.head.frames.get(BLOOM).ok_or_else(damaged)?;
            self.file.read(*frame)
        })?;
        Ok(may_hold(bloom, word_hash(word)))
    }

    pub(super) fn ordinals(&self) -> io::Result<&[u32]> {
        let ordinals = once(&self.ordinals, || {
            let mut seen = vec![0_u32; self.dictionary()?.templates.len()];
            let mut ordinals = Vec::with_capacity(self.head.rows as usize);
            self.templates()?.each(|_, template| {
                let Some(seen) = seen.get_mut(template) else { return };
                ordinals.push(*seen);
                *seen += 1;
            });
            Ok(ordinals)
        });
        ordinals.map(Vec::as_slice)
    }

    /// A column of a field that is a count: its values plus one, 0 where it is not known.
    pub(crate) fn counts(&self, position: usize) -> io::Result<Rc<Vec<u64>>> {
        if let Some(known) = self.counts.borrow().get(&position) {
            return Ok(Rc::clone(known));
        }
        let before = self.schema.fields.iter().take(position);
        let at = before.filter(|field| field.field_type == FieldType::Count).count();
        let signed = deltas(&self.frame(COUNTS + at)?, self.head.rows)?;
        let column: Rc<Vec<u64>> =
            Rc::new(signed.iter().map(|count| count.cast_unsigned()).collect());
        self.counts.borrow_mut().insert(position, Rc::clone(&column));
        Ok(column)
    }

    pub(super) fn group(&self, id: usize) -> io::Result<Rc<Group>> {
        let key = id as u16;
        if let Some(known) = self.groups.borrow().get(&key) {
            return Ok(Rc::clone(known));
        }
        let template = self.dictionary()?.templates.get(id).ok_or_else(damaged)?;
        let bytes = Rc::clone(&self.values(template)?.bytes);
        let slots = read_group(&bytes, template).ok_or_else(damaged)?;
        let group = Rc::new(Group { bytes, slots });
        self.groups.borrow_mut().insert(key, Rc::clone(&group));
        Ok(group)
    }

    /// The frame in which the values of a template are.
    fn values(&self, template: &Template) -> io::Result<Rc<Values>> {
        let is_count = |field: &&Field| field.field_type == FieldType::Count;
        let at = COUNTS + self.schema.fields.iter().filter(is_count).count() + template.frame;
        if let Some(known) = self.values.borrow().get(&at) {
            return Ok(Rc::clone(known));
        }
        let bytes = Rc::new(self.frame(at)?);
        let values = Rc::new(Values { bytes, lower: OnceCell::new() });
        self.values.borrow_mut().insert(at, Rc::clone(&values));
        Ok(values)
    }

    /// Whether a word, in lower case, is anywhere among the values of a template. Words beyond ASCII may be there
    /// in upper case, so they are taken to be.
    pub(super) fn has_value(&self, template: &Template, word: &str) -> io::Result<bool> {
        if !word.is_ascii() {
            return Ok(true);
        }
        let values = self.values(template)?;
        let lower = values.lower.get_or_init(|| values.bytes.to_ascii_lowercase());
        let own = lower.get(template.at..template.at + template.length);
        Ok(memchr::memmem::find(own.unwrap_or_default(), word.as_bytes()).is_some())
    }

    /// Puts a body together again.
    pub(super) fn body(&self, template: &Template, group: &Group, ordinal: u32, body: &mut String) {
        body.clear();
        if template.is_whole {
            body.push_str(group.value(0, ordinal));
            return;
        }
        for (at, piece) in template.pieces.iter().enumerate() {
            if at > 0 {
                body.push_str(group.value(at - 1, ordinal));
            }
            body.push_str(piece);
        }
    }

    /// A record whole.
    pub(crate) fn record(&self, row: u32) -> io::Result<Record> {
        let at = row as usize;
        let dictionary = self.dictionary()?;
        let stream = dictionary.stream(self.streams()?.get(at)).ok_or_else(damaged)?;
        let id = self.templates()?.get(at);
        let template = dictionary.templates.get(id).ok_or_else(damaged)?;
        let ordinal = self.ordinals()?.get(at).copied().ok_or_else(damaged)?;
        let time = self.times()?.get(at).copied().ok_or_else(damaged)?;
        let group = self.group(id)?;
        let mut body = String::new();
        self.body(template, &group, ordinal, &mut body);
        let mut values = Vec::new();
        for (position, field) in self.schema.fields.iter().enumerate() {
            values.push(match field.field_type {
                FieldType::Body => Some(std::mem::take(&mut body))
                    .filter(|body| !body.is_empty())
                    .map(|body| Value::Text(body.into())),
                FieldType::Map => attributes(template, &group, ordinal),
                FieldType::Count => {
                    let count = self.counts(position)?.get(at).copied().unwrap_or(0);
                    count.checked_sub(1).map(Value::Count)
                }
                _ => stream.get(position).map(|text| Value::Text(text.into())),
            });
        }
        Ok(Record::new(self.schema, model::UnixMs(time), values))
    }

    /// The pattern of a row's body.
    pub(super) fn pattern(&self, row: usize, body: &mut String) -> io::Result<Box<str>> {
        let id = self.templates()?.get(row);
        let template = self.dictionary()?.templates.get(id).ok_or_else(damaged)?;
        if let Some(pattern) = &template.pattern {
            return Ok(pattern.clone());
        }
        let ordinal = self.ordinals()?.get(row).copied().ok_or_else(damaged)?;
        self.body(template, &*self.group(id)?, ordinal, body);
        Ok(pattern(body).into())
    }

    pub(crate) fn encode(&self, row: u32, out: &mut Vec<u8>) -> io::Result<()> {
        self.record(row).map(|record| record.encode(out))
    }

    /// Whether any record may be in a range, and whether all are.
    pub(crate) fn is_in(&self, range: model::series::TimeRange) -> (bool, bool) {
        let (first, last) = self.head.times;
        let is_whole =
            is_inside(range, model::UnixMs(first)) && is_inside(range, model::UnixMs(last));
        (overlaps(range, self.head.times), is_whole)
    }
}

pub(super) fn damaged() -> io::Error {
    io::Error::other("a block is damaged")
}

fn once<T>(cell: &OnceCell<T>, read: impl FnOnce() -> io::Result<T>) -> io::Result<&T> {
    if cell.get().is_none() {
        // Reading it does not read it again, so that it is unset still.
        drop(cell.set(read()?));
    }
    cell.get().ok_or_else(damaged)
}

fn attributes(template: &Template, group: &Group, ordinal: u32) -> Option<Value> {
    let mut pairs = Vec::with_capacity(template.names.len());
    for (slot, name) in (template.slots()..).zip(&template.names) {
        pairs.push((name.clone(), group.value(slot, ordinal).into()));
    }
    (!pairs.is_empty()).then_some(Value::Map(pairs))
}

fn ids(bytes: Vec<u8>, count: usize, rows: u32) -> io::Result<Ids> {
    let is_narrow = count <= 256;
    let expected = rows as usize * if is_narrow { 1 } else { 2 };
    if bytes.len() != expected {
        return Err(damaged());
    }
    if is_narrow {
        return Ok(Ids::Narrow(bytes));
    }
    let (pairs, _) = bytes.as_chunks::<2>();
    Ok(Ids::Wide(pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect()))
}

fn deltas(bytes: &[u8], rows: u32) -> io::Result<Vec<i64>> {
    let mut reader = Reader::new(bytes);
    let (mut column, mut last) = (Vec::with_capacity(rows as usize), 0_i64);
    for _ in 0..rows {
        last = last.wrapping_add(unzigzag(reader.varint().ok_or_else(damaged)?));
        column.push(last);
    }
    Ok(column)
}

fn read_dictionary(bytes: Vec<u8>) -> Option<Dictionary> {
    let mut reader = Reader::new(&bytes);
    let streams = read_keys(&mut reader, bytes.len())?;
    let keys = read_keys(&mut reader, bytes.len())?;
    let mut templates = Vec::with_capacity(keys.len());
    for key in keys {
        templates.push(read_template(bytes.get(key)?)?);
    }
    for template in &mut templates {
        template.rows = u32::try_from(reader.varint()?).ok()?;
        template.frame = reader.size()?;
        template.at = reader.size()?;
        template.length = reader.size()?;
    }
    Some(Dictionary { bytes, streams, templates })
}

/// Where keys are among `all` bytes, at whose end the reader's are.
fn read_keys(reader: &mut Reader<'_>, all: usize) -> Option<Vec<Range<usize>>> {
    let count = reader.size().filter(|count| *count <= 1 << 16)?;
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        let length = reader.size()?;
        let begin = all - reader.rest().len();
        reader.bytes(length)?;
        keys.push(begin..begin + length);
    }
    Some(keys)
}

fn read_template(key: &[u8]) -> Option<Template> {
    let mut reader = Reader::new(key);
    let is_whole = reader.byte()? == WHOLE;
    let length = reader.size()?;
    let body = reader.bytes(length)?;
    let mut names = Vec::new();
    while !reader.is_empty() {
        let length = reader.size()?;
        names.push(std::str::from_utf8(reader.bytes(length)?).ok()?.into());
    }
    let mut pieces = Vec::new();
    for piece in body.split(|byte| *byte == SLOT) {
        pieces.push(std::str::from_utf8(piece).ok()?.into());
    }
    let mut pattern = (!is_whole).then(|| shown(body));
    if let Some(pattern) = &mut pattern {
        let end = pattern.floor_char_boundary(crate::events::KEYWORD_BYTES_MAX);
        pattern.truncate(end);
    }
    let pattern = pattern.map(String::into_boxed_str);
    Some(Template { is_whole, pieces, pattern, names, rows: 0, frame: 0, at: 0, length: 0 })
}

fn read_group(bytes: &[u8], template: &Template) -> Option<Vec<Vec<Range<u32>>>> {
    let mut at = template.at;
    let mut slots = Vec::new();
    for _ in 0..template.slots() + template.names.len() {
        let mut reader = Reader::new(bytes.get(at..)?);
        let length = reader.size()?;
        let begin = bytes.len() - reader.rest().len();
        let mut reader = Reader::new(reader.bytes(length)?);
        let end = begin + length;
        let mut values = Vec::with_capacity(template.rows.min(1 << 16) as usize);
        for _ in 0..template.rows {
            let length = reader.size()?;
            let from = end - reader.rest().len();
            reader.bytes(length)?;
            values.push(from as u32..(from + length) as u32);
        }
        slots.push(values);
        at = end;
    }
    Some(slots)
}
