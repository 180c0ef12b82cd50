//! The bytes of one histogram.
//!
//! `hint and kind of numbers | schema | spans | numbers | zero threshold, sum, bounds`. The numbers are zero
//! bucket, positive and negative buckets, and the count of all. Where all are whole, each is its distance
//! from the one before; else, as the floats at the end, its bits XORed with those before. What repeats
//! from point to point is left to zstd, which goes over the log and over blocks.

use model::histogram::{Buckets, Histogram, ResetHint, Span};

use crate::{
    metrics::codec::as_integers,
    varint::{Reader, put, unzigzag, zigzag},
};

/// Beside the two bits of the hint.
const WHOLE: u8 = 4;

pub(super) fn encode(histogram: &Histogram) -> Vec<u8> {
    let Histogram { positive, negative, .. } = histogram;
    let mut numbers = vec![histogram.zero_count];
    numbers.extend(positive.counts.iter().chain(&negative.counts));
    numbers.push(histogram.count);
    let whole = as_integers(&numbers, 0);
    let hint = ResetHint::ALL.iter().position(|hint| *hint == histogram.reset_hint).unwrap_or(0);
    let mut out = vec![hint as u8 | if whole.is_some() { WHOLE } else { 0 }];
    put(&mut out, zigzag(i64::from(histogram.schema)));
    for side in [positive, negative] {
        put(&mut out, side.spans.len() as u64);
        for span in &side.spans {
            put(&mut out, zigzag(i64::from(span.offset)));
            put(&mut out, u64::from(span.length));
        }
        put(&mut out, side.counts.len() as u64);
    }
    match whole {
        Some(whole) => {
            let mut before = 0;
            for number in whole {
                put(&mut out, zigzag(number - before));
                before = number;
            }
        }
        None => put_floats(&mut out, &numbers),
    }
    put_floats(&mut out, &[histogram.zero_threshold, histogram.sum]);
    put(&mut out, histogram.custom_bounds.len() as u64);
    put_floats(&mut out, &histogram.custom_bounds);
    out
}

/// The histogram that was encoded; `None` for bytes that are no valid one.
pub(in crate::metrics) fn decode(bytes: &[u8]) -> Option<Histogram> {
    let mut reader = Reader::new(bytes);
    let kind = reader.byte()?;
    let reset_hint = *ResetHint::ALL.get(usize::from(kind & !WHOLE))?;
    let schema = i8::try_from(unzigzag(reader.varint()?)).ok()?;
    let (positive_spans, positive_count) = (read_spans(&mut reader)?, read_count(&mut reader)?);
    let (negative_spans, negative_count) = (read_spans(&mut reader)?, read_count(&mut reader)?);
    let count = positive_count + negative_count + 2;
    let numbers = match kind & WHOLE {
        0 => read_floats(&mut reader, count)?,
        _ => read_whole(&mut reader, count)?,
    };
    let (zero_count, counts) = numbers.split_first()?;
    let (positive, counts) = counts.split_at_checked(positive_count)?;
    let (negative, counts) = counts.split_at_checked(negative_count)?;
    let floats = read_floats(&mut reader, 2)?;
    let bounds = read_count(&mut reader)?;
    let histogram = Histogram {
        reset_hint,
        schema,
        zero_threshold: floats[0],
        zero_count: *zero_count,
        count: *counts.first()?,
        sum: floats[1],
        positive: Buckets { spans: positive_spans, counts: positive.to_vec() },
        negative: Buckets { spans: negative_spans, counts: negative.to_vec() },
        custom_bounds: read_floats(&mut reader, bounds)?,
    };
    (reader.is_empty() && histogram.check().is_ok()).then_some(histogram)
}

fn put_floats(out: &mut Vec<u8>, floats: &[f64]) {
    let mut before = 0;
    for float in floats {
        // The swap brings the bytes that change, the float's first, to the end that a varint shortens.
        put(out, (float.to_bits() ^ before).swap_bytes());
        before = float.to_bits();
    }
}

/// How many of something follow. Each takes a byte at least, so nothing is allocated for a wrong number.
fn read_count(reader: &mut Reader<'_>) -> Option<usize> {
    reader.size().filter(|count| *count <= reader.rest().len())
}

fn read_spans(reader: &mut Reader<'_>) -> Option<Vec<Span>> {
    let count = read_count(reader)?;
    let mut spans = Vec::with_capacity(count);
    for _ in 0..count {
        let offset = i32::try_from(unzigzag(reader.varint()?)).ok()?;
        spans.push(Span { offset, length: u32::try_from(reader.varint()?).ok()? });
    }
    Some(spans)
}

fn read_floats(reader: &mut Reader<'_>, count: usize) -> Option<Vec<f64>> {
    let mut floats = Vec::with_capacity(count);
    let mut bits = 0;
    for _ in 0..count {
        bits ^= reader.varint()?.swap_bytes();
        floats.push(f64::from_bits(bits));
    }
    Some(floats)
}

fn read_whole(reader: &mut Reader<'_>, count: usize) -> Option<Vec<f64>> {
    let mut numbers = Vec::with_capacity(count);
    let mut number = 0_i64;
    for _ in 0..count {
        number = number.wrapping_add(unzigzag(reader.varint()?));
        numbers.push(number as f64);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use model::histogram::CUSTOM_SCHEMA;
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::metrics::histogram::ENCODED_BYTES_MAX;

    fn count() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => (0_u32..1_000).prop_map(f64::from),
            1 => any::<u64>().prop_map(|bits| f64::from_bits(bits >> 1)),
        ]
    }

    fn buckets() -> impl Strategy<Value = Buckets> {
        vec((0_i32..1_000, vec(count(), 0..20)), 0..5).prop_map(|runs| {
            let span = |(offset, counts): &(i32, Vec<f64>)| Span {
                offset: *offset,
                length: counts.len() as u32,
            };
            let spans = runs.iter().map(span).collect();
            Buckets { spans, counts: runs.into_iter().flat_map(|(_, counts)| counts).collect() }
        })
    }

    prop_compose! {
        fn histogram()(
            hint in 0_usize..4,
            schema in -4_i8..=8,
            zero_count in count(),
            count in count(),
            floats: [u64; 2],
            positive in buckets(),
            negative in buckets(),
            bounds in vec(-1_000_000_i32..1_000_000, 0..20),
            is_custom: bool,
        ) -> Histogram {
            let [zero_threshold, sum] = floats.map(f64::from_bits);
            let reset_hint = ResetHint::ALL[hint];
            if !is_custom {
                return Histogram {
                    reset_hint, schema, zero_threshold, zero_count, count, sum, positive, negative,
                    custom_bounds: Vec::new(),
                };
            }
            let mut custom_bounds: Vec<f64> = bounds.into_iter().map(f64::from).collect();
            custom_bounds.sort_by(f64::total_cmp);
            custom_bounds.dedup();
            let length = custom_bounds.len() as u32 + 1;
            let positive = Buckets {
                spans: vec![Span { offset: 0, length }],
                counts: vec![count; length as usize],
            };
            Histogram {
                reset_hint, schema: CUSTOM_SCHEMA, count, sum, positive, custom_bounds,
                ..Histogram::default()
            }
        }
    }

    #[test]
    fn what_is_small_and_what_is_largest() {
        let check = |histogram: &Histogram, expected: std::ops::Range<usize>| {
            let bytes = encode(histogram);
            assert!(expected.contains(&bytes.len()), "{} bytes", bytes.len());
            assert_eq!(encode(&decode(&bytes).unwrap()), bytes);
        };
        check(&Histogram::stale(), 0..20);
        let counts: Vec<f64> = (0..30).map(|index| f64::from(index * index)).collect();
        let spans = vec![Span { offset: -5, length: 10 }, Span { offset: 3, length: 20 }];
        let count = counts.iter().sum();
        let positive = Buckets { spans, counts };
        check(&Histogram { count, sum: 0.1, positive, ..Histogram::default() }, 0..60);
        const MOST: usize = model::histogram::BUCKETS_MAX;
        let counts = [f64::from_bits(0x0123_4567_89ab_cdef), f64::MIN_POSITIVE].repeat(MOST / 2);
        let mut spans = vec![Span { offset: 200_000, length: 0 }; MOST];
        spans[0].length = MOST as u32;
        let positive = Buckets { spans, counts };
        check(&Histogram { positive, ..Histogram::default() }, 100_000..ENCODED_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn every_bit_comes_back(histogram in histogram()) {
            prop_assert_eq!(histogram.check(), Ok(()));
            let bytes = encode(&histogram);
            let back = decode(&bytes).unwrap();
            // NaNs are not equal to themselves, but their bytes are.
            prop_assert_eq!(encode(&back), bytes);
            prop_assert_eq!(format!("{back:?}"), format!("{histogram:?}"));
            prop_assert_eq!(back.sum.to_bits(), histogram.sum.to_bits());
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            drop(decode(&bytes));
        }

        #[test]
        fn damage_is_survived(histogram in histogram(), at: prop::sample::Index, byte: u8) {
            let mut bytes = encode(&histogram);
            *at.get_mut(&mut bytes) = byte;
            drop(decode(&bytes));
        }
    }
}
