//! Records put together as a block: columns of what they have in common, and their values, alike next to alike.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasherDefault,
    io,
};

use super::{
    BYTES_MAX, Frame, Head, ROWS_MAX,
    bloom::{Bloom, WordHasher, word_hash},
    template,
};
use crate::{
    events::{
        schema::{FieldType, Schema, ValueRef, each_value},
        words::Words,
    },
    varint::{put, zigzag},
};

/// Bodies with further templates are kept as values.
const TEMPLATES_MAX: usize = 4_096;
/// Values of so many bytes are packed together, unless those of one template are more.
const FRAME_BYTES: usize = 64 << 10;
/// What a template's key begins with: whether bodies of it are a value as a whole.
pub(super) const IN_PIECES: u8 = 0;
pub(super) const WHOLE: u8 = 1;

type Dictionary = HashMap<Box<[u8]>, u16>;

/// Records that become a block.
pub(super) struct Builder {
    schema: &'static Schema,
    times: Vec<i64>,
    streams: Vec<u16>,
    templates: Vec<u16>,
    /// Of each field that is a count, its values plus one; 0 where it is not known.
    counts: Vec<Vec<u64>>,
    stream_keys: Dictionary,
    template_keys: Dictionary,
    /// Of each template, how many rows it has and what stands in its slots, a column each.
    groups: Vec<Group>,
    words: HashSet<u64, BuildHasherDefault<WordHasher>>,
    /// Rows from which on numbers go up by one.
    runs: Vec<(u32, u64)>,
    bytes: usize,
    scratch: Scratch,
}

#[derive(Default)]
struct Group {
    rows: u32,
    slots: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Scratch {
    stream: Vec<u8>,
    key: Vec<u8>,
    template: Vec<u8>,
    values: Vec<(usize, usize)>,
    counts: Vec<u64>,
    word: String,
}

impl Builder {
    pub(super) fn new(schema: &'static Schema) -> Self {
        let counts = schema.fields.iter().filter(|field| field.field_type == FieldType::Count);
        Self {
            schema,
            times: Vec::new(),
            streams: Vec::new(),
            templates: Vec::new(),
            counts: counts.map(|_| Vec::new()).collect(),
            stream_keys: Dictionary::new(),
            template_keys: Dictionary::new(),
            groups: Vec::new(),
            words: HashSet::default(),
            runs: Vec::new(),
            bytes: 0,
            scratch: Scratch::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.times.len() >= ROWS_MAX || self.bytes >= BYTES_MAX
    }

    /// Adds a record, encoded; says `None` where it is damaged, and adds nothing.
    pub(super) fn push(&mut self, number: u64, encoded: &[u8]) -> Option<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let pushed = self.push_with(number, encoded, &mut scratch);
        self.scratch = scratch;
        pushed
    }

    fn push_with(&mut self, number: u64, encoded: &[u8], scratch: &mut Scratch) -> Option<()> {
        scratch.stream.clear();
        scratch.counts.clear();
        scratch.counts.resize(self.counts.len(), 0);
        let (mut body, mut attributes): (Option<&str>, Vec<(&str, &str)>) = (None, Vec::new());
        let time = each_value(encoded, |position, value| match value {
            ValueRef::Pair(name, value) => attributes.push((name, value)),
            ValueRef::Text(text) => match self.schema.fields.get(position).map(|f| f.field_type) {
                Some(FieldType::Body) => body = Some(text),
                _ => {
                    put(&mut scratch.stream, position as u64);
                    put(&mut scratch.stream, text.len() as u64);
                    scratch.stream.extend_from_slice(text.as_bytes());
                }
            },
            ValueRef::Count(count) => {
                let before = self.schema.fields.iter().take(position);
                let at = before.filter(|field| field.field_type == FieldType::Count).count();
                if let Some(place) = scratch.counts.get_mut(at) {
                    *place = count.saturating_add(1);
                }
            }
            // No kind that is kept in blocks has any.
            ValueRef::Other => {}
        })?;
        let stream = id(&mut self.stream_keys, &scratch.stream)?;
        let template = self.template(body, &attributes, scratch)?;
        self.templates.push(template);
        self.streams.push(stream);
        self.times.push(time.0);
        for (column, count) in self.counts.iter_mut().zip(&scratch.counts) {
            column.push(*count);
        }
        let row = (self.times.len() - 1) as u32;
        let follows = |(first, begin): &(u32, u64)| begin + u64::from(row - first) == number;
        if !self.runs.last().is_some_and(follows) {
            self.runs.push((row, number));
        }
        self.bytes += encoded.len();
        Some(())
    }

    /// The template of a record, whose values are added to the template's.
    fn template(
        &mut self,
        body: Option<&str>,
        attributes: &[(&str, &str)],
        scratch: &mut Scratch,
    ) -> Option<u16> {
        let body = body.unwrap_or_default();
        let mut is_split = template::split(body, &mut scratch.template, &mut scratch.values);
        let mut known = None;
        if is_split {
            write_key(&mut scratch.key, IN_PIECES, &scratch.template, attributes);
            known = self.template_keys.get(scratch.key.as_slice()).copied();
            is_split = known.is_some() || self.template_keys.len() < TEMPLATES_MAX;
        }
        if !is_split {
            write_key(&mut scratch.key, WHOLE, &[], attributes);
            scratch.values.clear();
            scratch.values.push((0, body.len()));
        }
        let template = match known {
            Some(known) => known,
            None => id(&mut self.template_keys, &scratch.key)?,
        };
        let at = usize::from(template);
        if at == self.groups.len() {
            let slots = scratch.values.len() + attributes.len();
            self.groups.push(Group { rows: 0, slots: vec![Vec::new(); slots] });
        }
        let group = self.groups.get_mut(at)?;
        group.rows += 1;
        let values = scratch.values.iter().map(|(from, to)| body.get(*from..*to));
        let values = values.map(Option::unwrap_or_default);
        let all = values.chain(attributes.iter().map(|(_, value)| *value));
        for (slot, value) in group.slots.iter_mut().zip(all) {
            put(slot, value.len() as u64);
            slot.extend_from_slice(value.as_bytes());
            let mut words = Words::new(value);
            while words.read(&mut scratch.word).is_some() {
                self.words.insert(word_hash(&scratch.word));
            }
        }
        Some(template)
    }

    /// Appends the block to `out`, whose first byte is at `begin` of its file.
    pub(super) fn finish(self, level: i32, begin: u64, out: &mut Vec<u8>) -> io::Result<Head> {
        let mut packer = Packer { level, begin, out, frames: Vec::new() };
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_unstable_by_key(|at| self.groups.get(*at).map_or(0, |group| group.rows));
        let mut places = vec![(0_u64, 0_u64, 0_u64); self.groups.len()];
        let mut values: Vec<Vec<u8>> = vec![Vec::new()];
        for at in order {
            let Some(group) = self.groups.get(at) else { continue };
            if values.last().is_some_and(|last| last.len() > FRAME_BYTES) {
                values.push(Vec::new());
            }
            let frame = values.len() as u64 - 1;
            if let (Some(last), Some(place)) = (values.last_mut(), places.get_mut(at)) {
                let begin = last.len();
                for slot in &group.slots {
                    put(last, slot.len() as u64);
                    last.extend_from_slice(slot);
                }
                *place = (frame, begin as u64, (last.len() - begin) as u64);
            }
        }
        let mut dictionary = Vec::new();
        write_dictionary(&mut dictionary, &self.stream_keys);
        write_dictionary(&mut dictionary, &self.template_keys);
        for (group, (frame, at, length)) in self.groups.iter().zip(places) {
            put(&mut dictionary, u64::from(group.rows));
            put(&mut dictionary, frame);
            put(&mut dictionary, at);
            put(&mut dictionary, length);
        }
        packer.pack(&dictionary)?;
        packer.pack(&deltas(&self.times))?;
        packer.pack(&ids(&self.streams, self.stream_keys.len()))?;
        packer.pack(&ids(&self.templates, self.template_keys.len()))?;
        packer.keep(&Bloom::of(&self.words).0);
        for column in &self.counts {
            let signed: Vec<i64> = column.iter().map(|count| count.cast_signed()).collect();
            packer.pack(&deltas(&signed))?;
        }
        for frame in &values {
            packer.pack(frame)?;
        }
        let times = self
            .times
            .iter()
            .fold((i64::MAX, i64::MIN), |(first, last), time| (first.min(*time), last.max(*time)));
        Ok(Head { rows: self.times.len() as u32, times, runs: self.runs, frames: packer.frames })
    }
}

struct Packer<'a> {
    level: i32,
    begin: u64,
    out: &'a mut Vec<u8>,
    frames: Vec<Frame>,
}

impl Packer<'_> {
    fn pack(&mut self, raw: &[u8]) -> io::Result<()> {
        let packed = zstd::bulk::compress(raw, self.level)?;
        self.add(&packed, raw.len());
        Ok(())
    }

    /// What cannot be packed.
    fn keep(&mut self, raw: &[u8]) {
        self.add(raw, raw.len());
    }

    fn add(&mut self, bytes: &[u8], raw: usize) {
        let at = self.begin + self.out.len() as u64;
        let crc = crc32c::crc32c(bytes);
        self.frames.push(Frame { at, bytes: bytes.len() as u32, raw: raw as u32, crc });
        self.out.extend_from_slice(bytes);
    }
}

/// `None` where there are as many as can be numbered, which a block has not.
fn id(dictionary: &mut Dictionary, key: &[u8]) -> Option<u16> {
    if let Some(known) = dictionary.get(key) {
        return Some(*known);
    }
    let next = u16::try_from(dictionary.len()).ok()?;
    dictionary.insert(key.into(), next);
    Some(next)
}

fn write_key(key: &mut Vec<u8>, kind: u8, template: &[u8], attributes: &[(&str, &str)]) {
    key.clear();
    key.push(kind);
    put(key, template.len() as u64);
    key.extend_from_slice(template);
    for (name, _) in attributes {
        put(key, name.len() as u64);
        key.extend_from_slice(name.as_bytes());
    }
}

/// Keys in the order of their numbers.
fn write_dictionary(out: &mut Vec<u8>, dictionary: &Dictionary) {
    let mut keys: Vec<(&u16, &Box<[u8]>)> = dictionary.iter().map(|(key, id)| (id, key)).collect();
    keys.sort_unstable();
    put(out, keys.len() as u64);
    for (_, key) in keys {
        put(out, key.len() as u64);
        out.extend_from_slice(key);
    }
}

/// One byte each where that is enough.
fn ids(column: &[u16], count: usize) -> Vec<u8> {
    match count {
        0..=256 => column.iter().map(|id| *id as u8).collect(),
        _ => column.iter().flat_map(|id| id.to_le_bytes()).collect(),
    }
}

fn deltas(column: &[i64]) -> Vec<u8> {
    let (mut out, mut last) = (Vec::with_capacity(2 * column.len()), 0_i64);
    for value in column {
        put(&mut out, zigzag(value.wrapping_sub(last)));
        last = *value;
    }
    out
}
