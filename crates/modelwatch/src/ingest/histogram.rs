//! Native histograms as remote write has them; the message is the same in both versions.
//!
//! Integer histograms send each count as its difference from the one before, float histograms send the
//! counts. Source: `Histogram` in
//! <https://github.com/prometheus/prometheus/blob/main/prompb/types.proto>.

use model::{
    UnixMs,
    histogram::{BUCKETS_MAX, BadHistogram, Buckets, Histogram, ResetHint, Span},
};

use super::protobuf::{Fields, Malformed, Value, varint};

/// What a message says, before anything is made of it.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) time: UnixMs,
    schema: i64,
    zero_threshold: f64,
    zero_count: f64,
    count: f64,
    sum: f64,
    reset_hint: u64,
    /// Whether the counts are integers.
    is_whole: bool,
    negative: Side,
    positive: Side,
    custom_bounds: Vec<f64>,
}

/// The buckets on one side of zero: counts of a float histogram, or differences of integers.
#[derive(Debug, Default)]
struct Side {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

impl Side {
    fn resolve(self, is_whole: bool) -> Result<Buckets, BadHistogram> {
        let Self { spans, deltas, counts } = self;
        if is_whole { Buckets::from_deltas(spans, &deltas) } else { Ok(Buckets { spans, counts }) }
    }

    fn size(&self) -> usize {
        self.spans.len() + self.deltas.len() + self.counts.len()
    }
}

impl Sent {
    pub(super) fn read(message: &[u8]) -> Result<Self, Malformed> {
        let mut sent = Self::default();
        for field in Fields::new(message) {
            match field? {
                (1, Value::Varint(count)) => (sent.count, sent.is_whole) = (count as f64, true),
                (2, Value::Fixed64(bits)) => {
                    (sent.count, sent.is_whole) = (f64::from_bits(bits), false);
                }
                (3, Value::Fixed64(bits)) => sent.sum = f64::from_bits(bits),
                (4, Value::Varint(number)) => sent.schema = unzigzag(number),
                (5, Value::Fixed64(bits)) => sent.zero_threshold = f64::from_bits(bits),
                (6, Value::Varint(count)) => sent.zero_count = count as f64,
                (7, Value::Fixed64(bits)) => sent.zero_count = f64::from_bits(bits),
                (8, Value::Bytes(span)) => push(&mut sent.negative.spans, read_span(span)?),
                (9, value) => read_integers(value, &mut sent.negative.deltas)?,
                (10, value) => read_floats(value, &mut sent.negative.counts)?,
                (11, Value::Bytes(span)) => push(&mut sent.positive.spans, read_span(span)?),
                (12, value) => read_integers(value, &mut sent.positive.deltas)?,
                (13, value) => read_floats(value, &mut sent.positive.counts)?,
                (14, Value::Varint(number)) => sent.reset_hint = number,
                (15, Value::Varint(millis)) => sent.time = UnixMs(millis.cast_signed()),
                (16, value) => read_floats(value, &mut sent.custom_bounds)?,
                _ => {}
            }
        }
        Ok(sent)
    }

    /// How many buckets, spans and bounds were sent.
    pub(super) fn size(&self) -> usize {
        self.negative.size() + self.positive.size() + self.custom_bounds.len()
    }

    pub(super) fn resolve(self) -> Result<Histogram, BadHistogram> {
        let reset_hint = usize::try_from(self.reset_hint).ok();
        let reset_hint = reset_hint.and_then(|place| ResetHint::ALL.get(place));
        let histogram = Histogram {
            // A hint that is not known says nothing.
            reset_hint: reset_hint.copied().unwrap_or_default(),
            schema: i8::try_from(self.schema).map_err(|_| BadHistogram::Schema)?,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count,
            count: self.count,
            sum: self.sum,
            positive: self.positive.resolve(self.is_whole)?,
            negative: self.negative.resolve(self.is_whole)?,
            custom_bounds: self.custom_bounds,
        };
        if self.is_whole { histogram.check_integers() } else { histogram.check() }?;
        Ok(histogram)
    }
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn read_span(message: &[u8]) -> Result<Span, Malformed> {
    let mut span = Span { offset: 0, length: 0 };
    for field in Fields::new(message) {
        match field? {
            (1, Value::Varint(number)) => {
                span.offset = i32::try_from(unzigzag(number)).map_err(|_| Malformed)?;
            }
            (2, Value::Varint(number)) => {
                span.length = u32::try_from(number).map_err(|_| Malformed)?;
            }
            _ => {}
        }
    }
    Ok(span)
}

/// Keeps one more than a histogram may have, so that it is noticed; what is beyond takes no memory.
fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() <= BUCKETS_MAX {
        list.push(item);
    }
}

/// Numbers may come packed together or one by one.
fn read_integers(value: Value<'_>, integers: &mut Vec<i64>) -> Result<(), Malformed> {
    match value {
        Value::Varint(number) => push(integers, unzigzag(number)),
        Value::Bytes(mut packed) => {
            while !packed.is_empty() {
                push(integers, unzigzag(varint(&mut packed)?));
            }
        }
        _ => {}
    }
    Ok(())
}

/// See [`read_integers`].
fn read_floats(value: Value<'_>, floats: &mut Vec<f64>) -> Result<(), Malformed> {
    match value {
        Value::Fixed64(bits) => push(floats, f64::from_bits(bits)),
        Value::Bytes(packed) => {
            let (numbers, []) = packed.as_chunks() else { return Err(Malformed) };
            numbers.iter().for_each(|bytes| push(floats, f64::from_le_bytes(*bytes)));
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::{histogram::CUSTOM_SCHEMA, sample::STALE_BITS};
    use proptest::prelude::*;

    use super::*;
    use crate::ingest::protobuf::Writer;

    fn zigzag(number: i64) -> u64 {
        ((number << 1) ^ (number >> 63)).cast_unsigned()
    }

    fn message(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.as_bytes().to_vec()
    }

    fn spans(writer: &mut Writer, field: u64, spans: &[(i32, u32)]) {
        for (offset, length) in spans {
            let span = message(|span| {
                span.varint(1, zigzag(i64::from(*offset)));
                span.varint(2, u64::from(*length));
            });
            writer.bytes(field, &span);
        }
    }

    fn buckets(spans: &[(i32, u32)], counts: &[f64]) -> Buckets {
        let spans = spans.iter().map(|(offset, length)| Span { offset: *offset, length: *length });
        Buckets { spans: spans.collect(), counts: counts.to_vec() }
    }

    fn integers(writer: &mut Writer) {
        writer.varint(1, 21);
        writer.double(3, 18.4);
        writer.varint(4, zigzag(-4));
        writer.double(5, 0.001);
        writer.varint(6, 2);
        spans(writer, 8, &[(0, 1)]);
        writer.bytes(9, &[zigzag(3) as u8]);
        spans(writer, 11, &[(-3, 2), (1, 2)]);
        writer.bytes(12, &[2, -1, 6, -1].map(|delta| zigzag(delta) as u8));
        writer.varint(14, 2);
        writer.varint(15, 1_000);
    }

    fn check(write: impl FnOnce(&mut Writer), expected: Result<Histogram, BadHistogram>) {
        let message = message(write);
        assert_eq!(Sent::read(&message).unwrap().resolve(), expected, "{message:?}");
    }

    #[test]
    fn integers_floats_and_custom_bounds() {
        let expected = || Histogram {
            reset_hint: ResetHint::NoReset,
            schema: -4,
            zero_threshold: 0.001,
            zero_count: 2.0,
            count: 21.0,
            sum: 18.4,
            positive: buckets(&[(-3, 2), (1, 2)], &[2.0, 1.0, 7.0, 6.0]),
            negative: buckets(&[(0, 1)], &[3.0]),
            custom_bounds: vec![],
        };
        check(integers, Ok(expected()));
        let hint = |writer: &mut Writer| {
            integers(writer);
            writer.varint(14, 9);
        };
        check(hint, Ok(Histogram { reset_hint: ResetHint::Unknown, ..expected() }));
        let floats = |writer: &mut Writer| {
            writer.double(2, 3.5);
            writer.double(3, 1.0);
            writer.varint(4, zigzag(i64::from(CUSTOM_SCHEMA)));
            spans(writer, 11, &[(0, 2)]);
            writer.bytes(13, &[1.5_f64.to_le_bytes(), 2_f64.to_le_bytes()].concat());
            // Not packed, which is allowed as well.
            writer.double(16, 0.5);
            writer.double(16, 2.5);
        };
        let custom = Histogram {
            schema: CUSTOM_SCHEMA,
            count: 3.5,
            sum: 1.0,
            positive: buckets(&[(0, 2)], &[1.5, 2.0]),
            custom_bounds: vec![0.5, 2.5],
            ..Histogram::default()
        };
        check(floats, Ok(custom));
        check(|_| {}, Ok(Histogram::default()));
        let stale = message(|writer| writer.double(3, f64::from_bits(STALE_BITS)));
        assert!(Sent::read(&stale).unwrap().resolve().unwrap().is_stale());
    }

    #[test]
    fn what_is_wrong_is_told() {
        let with = |change: fn(&mut Writer)| {
            move |writer: &mut Writer| {
                integers(writer);
                change(writer);
            }
        };
        check(with(|w| w.varint(1, 22)), Err(BadHistogram::CountMismatch));
        check(with(|w| w.varint(4, zigzag(256))), Err(BadHistogram::Schema));
        check(with(|w| w.varint(12, zigzag(-7))), Err(BadHistogram::NegativeCount));
        check(with(|w| w.varint(12, zigzag(1))), Err(BadHistogram::SpansMismatch));
        let many = |writer: &mut Writer| writer.bytes(12, &vec![0; 1_000_000]);
        check(with(many), Err(BadHistogram::TooLarge));
        let sent = Sent::read(&message(many)).unwrap();
        assert_eq!(sent.size(), BUCKETS_MAX + 1, "the rest takes no memory");
        let bad_float = message(|writer| writer.bytes(13, &[0; 7]));
        assert_eq!(Sent::read(&bad_float).unwrap_err(), Malformed);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            drop(Sent::read(&bytes).map(Sent::resolve));
        }

        #[test]
        fn damage_is_survived(at: prop::sample::Index, byte: u8) {
            let mut bytes = message(integers);
            *at.get_mut(&mut bytes) = byte;
            drop(Sent::read(&bytes).map(Sent::resolve));
        }
    }
}
