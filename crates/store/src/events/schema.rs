//! What a kind of record consists of, and how one is written as bytes.
//!
//! A record knows its values by the position of their fields. Positions never change and fields are only
//! added, each time with a new version, because records in the log and in the index are read by them.

use model::UnixMs;

use crate::varint::{Reader, put, unzigzag, zigzag};

/// Longest value of a field that is found by its whole value; longer ones are cut.
pub const KEYWORD_BYTES_MAX: usize = 1_024;
/// Largest record as bytes; larger ones are refused.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// Most fields of a kind; a larger number is damage.
const FIELDS_MAX: u64 = 1 << 10;

/// What a field holds, and what can be asked about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// A word of which there are not too many: found by its whole value or a pattern, and grouped by.
    Keyword,
    /// A word of which nearly every record has another: found by its whole value or a pattern.
    Id,
    /// `true` or `false`: found and grouped by.
    Flag,
    /// Free text, found by words.
    Text,
    /// Free text, found by words and by regular expressions. A kind with one is kept in blocks.
    Body,
    /// What bodies that differ in values only have in common: found and grouped by like a keyword, and not kept,
    /// because the body tells it.
    Pattern,
    /// A whole number: compared, summed up, and grouped by.
    Count,
    /// Milliseconds, kept to the microsecond: compared and summed up.
    Millis,
    /// Names with values: `parameters.temperature:0.7`.
    Map,
    /// Kept and shown, not searched.
    Kept,
    /// Kept, and shown only to who asks for it.
    Private,
}

impl FieldType {
    pub(super) fn is_numeric(self) -> bool {
        matches!(self, Self::Count | Self::Millis)
    }

    /// Whether records can be grouped by it.
    pub(super) fn is_groupable(self) -> bool {
        matches!(self, Self::Keyword | Self::Flag | Self::Count | Self::Pattern)
    }

    /// Whether the index has a column of it, in which a value is present or not.
    pub(super) fn has_column(self) -> bool {
        self.is_numeric() || self.is_groupable()
    }
}

/// A field of a kind of record.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub field_type: FieldType,
    /// Whether a word without a field is looked for here; of a map, names that are no field's.
    pub is_free: bool,
}

/// A kind of record.
#[derive(Debug)]
pub struct Schema {
    pub kind: &'static str,
    /// To be raised with every change of `fields`.
    pub version: u32,
    pub fields: Vec<Field>,
}

impl Schema {
    /// The position of the field that is the body, where there is one.
    pub(super) fn body(&self) -> Option<usize> {
        self.fields.iter().position(|field| field.field_type == FieldType::Body)
    }

    /// The field that a name means: its position, and of a map the name in it. `parameters.seed` is `seed` of the map
    /// `parameters`; a name that is no field's may be one of a map that is free.
    pub(super) fn find<'a>(&self, name: &'a str) -> Option<(usize, Option<&'a str>)> {
        if let Some(position) = self.position(name) {
            return Some((position, None));
        }
        let is_map = |position: &usize| {
            self.fields.get(*position).is_some_and(|field| field.field_type == FieldType::Map)
        };
        let of = name
            .split_once('.')
            .and_then(|(map, of)| Some((self.position(map).filter(is_map)?, Some(of))));
        let is_rest = |field: &Field| field.is_free && field.field_type == FieldType::Map;
        of.or_else(|| Some((self.fields.iter().position(is_rest)?, Some(name))))
    }

    /// The position of a field.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }
}

/// The value of a field. One that is not known is not there.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(Box<str>),
    Flag(bool),
    Count(u64),
    Number(f64),
    Map(Vec<(Box<str>, Box<str>)>),
}

impl Value {
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Flag(flag) => Some(if *flag { "true" } else { "false" }),
            _ => None,
        }
    }

    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Count(count) => Some(*count as f64),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn fits(&self, field_type: FieldType) -> bool {
        match self {
            Self::Text(_) => matches!(
                field_type,
                FieldType::Keyword
                    | FieldType::Id
                    | FieldType::Text
                    | FieldType::Body
                    | FieldType::Kept
                    | FieldType::Private
            ),
            Self::Flag(_) => field_type == FieldType::Flag,
            Self::Count(_) => field_type == FieldType::Count,
            Self::Number(_) => field_type == FieldType::Millis,
            Self::Map(_) => field_type == FieldType::Map,
        }
    }
}

/// One event: when, and what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub time: UnixMs,
    /// In the order of the fields.
    values: Vec<(u16, Value)>,
}

const TAG_FALSE: u64 = 0;
const TAG_TRUE: u64 = 1;
const TAG_TEXT: u64 = 2;
const TAG_COUNT: u64 = 3;
/// A number, as thousandths.
const TAG_NUMBER: u64 = 4;
const TAG_MAP: u64 = 5;
const TAGS: u64 = 8;
/// Further thousandths would not be exact as a float.
const THOUSANDTHS_MAX: f64 = 9e15;

impl Record {
    /// From the values of the fields by position; absent ones are left out, and so are numbers that are
    /// not finite, because nothing can be said about them. Long words are cut.
    pub fn new(
        schema: &Schema,
        time: UnixMs,
        values: impl IntoIterator<Item = Option<Value>>,
    ) -> Self {
        let mut kept = Vec::new();
        for (position, (field, value)) in schema.fields.iter().zip(values).enumerate() {
            let Some(mut value) = value.filter(|value| value.fits(field.field_type)) else {
                continue;
            };
            match &mut value {
                Value::Number(number) if !number.is_finite() => continue,
                // The same as what the index will hold.
                Value::Number(number) => *number = from_thousandths(thousandths(*number)),
                Value::Text(text)
                    if matches!(field.field_type, FieldType::Keyword | FieldType::Id) =>
                {
                    cut(text);
                }
                Value::Map(pairs) => pairs.iter_mut().for_each(|(name, value)| {
                    cut(name);
                    cut(value);
                }),
                _ => {}
            }
            kept.push((position as u16, value));
        }
        Self { time, values: kept }
    }

    /// The value of the field at a position.
    pub fn value(&self, position: usize) -> Option<&Value> {
        let at = self.values.binary_search_by_key(&position, |(field, _)| usize::from(*field));
        at.ok().and_then(|at| self.values.get(at)).map(|(_, value)| value)
    }

    /// What is known, with the names of the fields.
    pub fn named<'a>(
        &'a self,
        schema: &'a Schema,
    ) -> impl Iterator<Item = (&'static str, &'a Value)> {
        self.values.iter().filter_map(|(position, value)| {
            schema.fields.get(usize::from(*position)).map(|field| (field.name, value))
        })
    }

    pub(super) fn values(&self) -> &[(u16, Value)] {
        &self.values
    }

    /// Takes out what only those see who ask for it.
    pub(super) fn without_private(mut self, schema: &Schema) -> Self {
        let is_private = |position: u16| {
            let field = schema.fields.get(usize::from(position));
            field.is_some_and(|field| field.field_type == FieldType::Private)
        };
        self.values.retain(|(position, _)| !is_private(*position));
        self
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put(out, zigzag(self.time.0));
        for (position, value) in &self.values {
            let mut tag = |tag| put(out, u64::from(*position) * TAGS + tag);
            match value {
                Value::Flag(false) => tag(TAG_FALSE),
                Value::Flag(true) => tag(TAG_TRUE),
                Value::Text(text) => {
                    tag(TAG_TEXT);
                    put_text(out, text);
                }
                Value::Count(count) => {
                    tag(TAG_COUNT);
                    put(out, *count);
                }
                Value::Number(number) => {
                    tag(TAG_NUMBER);
                    put(out, zigzag(thousandths(*number)));
                }
                Value::Map(pairs) => {
                    tag(TAG_MAP);
                    put(out, pairs.len() as u64);
                    for (name, value) in pairs {
                        put_text(out, name);
                        put_text(out, value);
                    }
                }
            }
        }
    }

    /// Nothing where the bytes are damaged.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        Self::decode_some(bytes, |_| true)
    }

    /// Only the fields at the positions that are wanted.
    pub(super) fn decode_some(bytes: &[u8], is_wanted: impl Fn(usize) -> bool) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let time = UnixMs(unzigzag(reader.varint()?));
        let mut values: Vec<(u16, Value)> = Vec::new();
        let mut last = None;
        while !reader.is_empty() {
            let head = reader.varint()?;
            let position = u16::try_from(Some(head / TAGS).filter(|p| *p < FIELDS_MAX)?).ok()?;
            if last.is_some_and(|last| last >= position) {
                return None;
            }
            last = Some(position);
            let value = match head % TAGS {
                TAG_FALSE => Value::Flag(false),
                TAG_TRUE => Value::Flag(true),
                TAG_TEXT if !is_wanted(usize::from(position)) => {
                    let length = reader.size()?;
                    reader.bytes(length)?;
                    continue;
                }
                TAG_TEXT => Value::Text(text(&mut reader)?),
                TAG_COUNT => Value::Count(reader.varint()?),
                TAG_NUMBER => Value::Number(from_thousandths(unzigzag(reader.varint()?))),
                TAG_MAP => {
                    let mut pairs = Vec::new();
                    for _ in 0..reader.varint()? {
                        pairs.push((text(&mut reader)?, text(&mut reader)?));
                    }
                    Value::Map(pairs)
                }
                _ => return None,
            };
            if is_wanted(usize::from(position)) {
                values.push((position, value));
            }
        }
        Some(Self { time, values })
    }
}

/// Writes the bytes of a record field by field, in the order of their positions. What is empty is left out, and long
/// words are cut, as [`Record::new`] does it.
pub(super) struct RecordWriter<'a>(&'a mut Vec<u8>);

impl<'a> RecordWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, time: UnixMs) -> Self {
        put(out, zigzag(time.0));
        Self(out)
    }

    fn head(&mut self, position: usize, tag: u64) {
        put(self.0, position as u64 * TAGS + tag);
    }

    pub(super) fn word(&mut self, position: usize, word: &str) {
        self.text(position, short(word));
    }

    pub(super) fn text(&mut self, position: usize, text: &str) {
        if !text.is_empty() {
            self.head(position, TAG_TEXT);
            put_text(self.0, text);
        }
    }

    pub(super) fn count(&mut self, position: usize, count: u64) {
        self.head(position, TAG_COUNT);
        put(self.0, count);
    }

    pub(super) fn map(&mut self, position: usize, pairs: &[(String, String)]) {
        if !pairs.is_empty() {
            self.head(position, TAG_MAP);
            put(self.0, pairs.len() as u64);
            for (name, value) in pairs {
                put_text(self.0, short(name));
                put_text(self.0, short(value));
            }
        }
    }
}

fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(KEYWORD_BYTES_MAX)).unwrap_or_default()
}

/// A value in the bytes of a record; a map is told pair by pair.
pub(super) enum ValueRef<'a> {
    Text(&'a str),
    Count(u64),
    Pair(&'a str, &'a str),
    Other,
}

/// Tells the position and value of each field of an encoded record, and returns its time. What was told counts
/// nothing where the bytes are damaged.
pub(super) fn each_value<'a>(
    bytes: &'a [u8],
    mut tell: impl FnMut(usize, ValueRef<'a>),
) -> Option<UnixMs> {
    let text = |reader: &mut Reader<'a>| {
        let length = reader.size()?;
        std::str::from_utf8(reader.bytes(length)?).ok()
    };
    let mut reader = Reader::new(bytes);
    let time = UnixMs(unzigzag(reader.varint()?));
    while !reader.is_empty() {
        let head = reader.varint()?;
        let position = usize::try_from(Some(head / TAGS).filter(|p| *p < FIELDS_MAX)?).ok()?;
        match head % TAGS {
            TAG_FALSE | TAG_TRUE => tell(position, ValueRef::Other),
            TAG_TEXT => tell(position, ValueRef::Text(text(&mut reader)?)),
            TAG_COUNT => tell(position, ValueRef::Count(reader.varint()?)),
            TAG_NUMBER => {
                reader.varint()?;
                tell(position, ValueRef::Other);
            }
            TAG_MAP => {
                for _ in 0..reader.varint()? {
                    let (name, value) = (text(&mut reader)?, text(&mut reader)?);
                    tell(position, ValueRef::Pair(name, value));
                }
            }
            _ => return None,
        }
    }
    Some(time)
}

fn cut(text: &mut Box<str>) {
    if text.len() > KEYWORD_BYTES_MAX {
        *text = short(text).into();
    }
}

/// The whole number by which the log and the index know a number.
pub(super) fn thousandths(number: f64) -> i64 {
    (number * 1_000.0).round().clamp(-THOUSANDTHS_MAX, THOUSANDTHS_MAX) as i64
}

pub(super) fn from_thousandths(whole: i64) -> f64 {
    whole as f64 / 1_000.0
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn text(reader: &mut Reader<'_>) -> Option<Box<str>> {
    let length = reader.size()?;
    std::str::from_utf8(reader.bytes(length)?).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schema() -> Schema {
        let field = |name, field_type| Field { name, field_type, is_free: false };
        let fields = vec![
            field("word", FieldType::Keyword),
            field("flag", FieldType::Flag),
            field("count", FieldType::Count),
            field("number", FieldType::Millis),
            field("map", FieldType::Map),
        ];
        Schema { kind: "test", version: 1, fields }
    }

    proptest! {
        #[test]
        fn what_is_written_comes_back(
            time: i64, word: Option<String>, flag: Option<bool>, count: Option<u64>,
            number: Option<f64>, map: Option<Vec<(String, String)>>,
        ) {
            let map = map.map(|pairs| {
                Value::Map(pairs.into_iter().map(|(a, b)| (a.into(), b.into())).collect())
            });
            let values = [
                word.map(|word| Value::Text(word.into())),
                flag.map(Value::Flag),
                count.map(Value::Count),
                number.map(Value::Number),
                map,
            ];
            let record = Record::new(&schema(), UnixMs(time), values);
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            prop_assert_eq!(Record::decode(&bytes), Some(record));
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            if let Some(record) = Record::decode(&bytes) {
                let mut again = Vec::new();
                record.encode(&mut again);
                prop_assert!(Record::decode(&again).is_some());
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let long = "é".repeat(KEYWORD_BYTES_MAX);
        let values = [
            Some(Value::Text(long.into())),
            Some(Value::Count(1)),
            None,
            Some(Value::Number(f64::NAN)),
        ];
        let record = Record::new(&schema(), UnixMs(0), values);
        let word = record.value(0).and_then(Value::as_text).unwrap();
        assert_eq!((word.len(), record.values().len()), (KEYWORD_BYTES_MAX, 1));
    }
}
