//! Chunks: the points of one series over a while, compressed without losing a bit.
//!
//! Timestamps become deltas of deltas. Values that are decimal numbers with few digits become
//! integers and then deltas (deltas of deltas for counters); all others keep their bits, each XORed
//! with the one before. zstd goes over the whole where it helps. Measured at 1.6 to 2.0 bytes per
//! sample on what hosts and engines say.

use crate::varint::{Reader, put, unzigzag, zigzag};

/// Points of one chunk; a decoder refuses more before it allocates.
pub(crate) const POINTS_MAX: usize = 1 << 16;

/// Powers of ten that values are tried with.
const EXPONENTS: [u32; 5] = [0, 1, 2, 3, 6];
/// Largest integer that survives the way through a float.
const MAGNITUDE_MAX: f64 = 9e15;

const KIND_CONSTANT: u8 = 0x00;
const KIND_COUNTER: u8 = 0x40;
const KIND_BITS: u8 = 0x80;

/// Compresses points. `times` and `values` have equal length, 1 to [`POINTS_MAX`].
pub(crate) fn encode(times: &[i64], values: &[f64]) -> Vec<u8> {
    debug_assert!(times.len() == values.len() && !times.is_empty() && times.len() <= POINTS_MAX);
    let mut body = Vec::with_capacity(times.len() * 3);
    put_delta_of_delta(&mut body, times.iter().copied());
    let times_len = body.len();
    let kind = encode_values(&mut body, values);
    let mut out = Vec::with_capacity(body.len() / 2 + 16);
    let packed = zstd::bulk::compress(&body, 1).ok().filter(|packed| packed.len() < body.len());
    out.push(kind);
    out.push(u8::from(packed.is_some()));
    put(&mut out, times.len() as u64);
    put(&mut out, times_len as u64);
    put(&mut out, body.len() as u64);
    out.extend_from_slice(packed.as_deref().unwrap_or(&body));
    out
}

fn encode_values(body: &mut Vec<u8>, values: &[f64]) -> u8 {
    let first = values[0].to_bits();
    if values.iter().all(|value| value.to_bits() == first) {
        body.extend_from_slice(&first.to_le_bytes());
        return KIND_CONSTANT;
    }
    for exponent in EXPONENTS {
        let Some(integers) = as_integers(values, exponent) else { continue };
        let kind = 1 + exponent as u8;
        if integers.is_sorted() {
            put_delta_of_delta(body, integers.into_iter());
            return kind | KIND_COUNTER;
        }
        let mut previous = 0;
        for integer in integers {
            put(body, zigzag(integer.wrapping_sub(previous)));
            previous = integer;
        }
        return kind;
    }
    let mut previous = 0;
    for value in values {
        body.extend_from_slice(&(value.to_bits() ^ previous).to_be_bytes());
        previous = value.to_bits();
    }
    KIND_BITS
}

/// The values times 10^exponent, if every one of them comes back bit for bit.
fn as_integers(values: &[f64], exponent: u32) -> Option<Vec<i64>> {
    let scale = 10_f64.powi(exponent as i32);
    let exact = values.iter().map(|value| {
        let rounded = (value * scale).round();
        // Going through the integer and comparing bits, or -0.0 would come back as 0.0.
        let integer = rounded as i64;
        let is_exact =
            rounded.abs() <= MAGNITUDE_MAX && (integer as f64 / scale).to_bits() == value.to_bits();
        is_exact.then_some(integer)
    });
    exact.collect()
}

fn put_delta_of_delta(out: &mut Vec<u8>, values: impl Iterator<Item = i64>) {
    let (mut previous, mut delta) = (0_i64, 0_i64);
    for value in values {
        let next_delta = value.wrapping_sub(previous);
        put(out, zigzag(next_delta.wrapping_sub(delta)));
        (previous, delta) = (value, next_delta);
    }
}

/// Appends the points of a chunk to `times` and `values`; `None`, with nothing appended, when the
/// bytes are not a chunk.
pub(crate) fn decode(chunk: &[u8], times: &mut Vec<i64>, values: &mut Vec<f64>) -> Option<()> {
    let (times_before, values_before) = (times.len(), values.len());
    let decoded = decode_inner(chunk, times, values);
    if decoded.is_none() {
        times.truncate(times_before);
        values.truncate(values_before);
    }
    decoded
}

fn decode_inner(chunk: &[u8], times: &mut Vec<i64>, values: &mut Vec<f64>) -> Option<()> {
    let mut header = Reader::new(chunk);
    let (kind, is_packed) = (header.byte()?, header.byte()? == 1);
    let (count, times_len, raw_len) = (header.size()?, header.size()?, header.size()?);
    // Twenty bytes are the most that one point can take.
    if count == 0 || count > POINTS_MAX || times_len > raw_len || raw_len > count * 20 + 8 {
        return None;
    }
    let rest = header.rest();
    let unpacked;
    let body = if is_packed {
        unpacked = zstd::bulk::decompress(rest, raw_len).ok()?;
        &unpacked
    } else {
        rest
    };
    if body.len() != raw_len {
        return None;
    }
    let (time_bytes, value_bytes) = body.split_at(times_len);
    let mut reader = Reader::new(time_bytes);
    read_delta_of_delta(&mut reader, count, |time| times.push(time))?;
    decode_values(kind, value_bytes, count, values)
}

fn decode_values(kind: u8, bytes: &[u8], count: usize, values: &mut Vec<f64>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    if kind == KIND_CONSTANT {
        let value = f64::from_bits(reader.u64()?);
        values.resize(values.len() + count, value);
        return Some(());
    }
    if kind == KIND_BITS {
        let mut previous = 0;
        for _ in 0..count {
            previous ^= u64::from_be_bytes(reader.bytes(8)?.try_into().ok()?);
            values.push(f64::from_bits(previous));
        }
        return Some(());
    }
    let exponent = u32::from((kind & !KIND_COUNTER).checked_sub(1)?);
    if !EXPONENTS.contains(&exponent) {
        return None;
    }
    let scale = 10_f64.powi(exponent as i32);
    // Divided as in the test of exactness; multiplying by the inverse rounds differently.
    let mut push = |integer: i64| values.push(integer as f64 / scale);
    if kind & KIND_COUNTER != 0 {
        return read_delta_of_delta(&mut reader, count, push);
    }
    let mut previous = 0_i64;
    for _ in 0..count {
        previous = previous.wrapping_add(unzigzag(reader.varint()?));
        push(previous);
    }
    Some(())
}

fn read_delta_of_delta(
    reader: &mut Reader<'_>,
    count: usize,
    mut push: impl FnMut(i64),
) -> Option<()> {
    let (mut previous, mut delta) = (0_i64, 0_i64);
    for _ in 0..count {
        delta = delta.wrapping_add(unzigzag(reader.varint()?));
        previous = previous.wrapping_add(delta);
        push(previous);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use model::sample::STALE_BITS;
    use proptest::prelude::*;

    use super::*;

    fn round_trip(times: &[i64], values: &[f64]) -> (u8, usize) {
        let chunk = encode(times, values);
        let (mut back_times, mut back_values) = (Vec::new(), Vec::new());
        decode(&chunk, &mut back_times, &mut back_values).unwrap();
        assert_eq!(back_times, times);
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back_values), bits(values));
        (chunk[0], chunk.len())
    }

    fn check(values: &[f64], kind: u8) {
        let times: Vec<i64> = (0..values.len() as i64).map(|index| index * 1_000).collect();
        assert_eq!(round_trip(&times, values).0, kind, "{values:?}");
    }

    #[test]
    fn kinds() {
        check(&[5.0], KIND_CONSTANT);
        check(&[f64::NAN, f64::NAN], KIND_CONSTANT);
        check(&[1.0, 2.0, 7.0], 1 | KIND_COUNTER);
        check(&[3.0, 1.0], 1);
        check(&[0.3, 0.1, 0.2], 2);
        check(&[1.0, 2.5, 1e-6], 7);
        check(&[0.1 + 0.2, 1.0], KIND_BITS);
        check(&[-0.0, 1.0], KIND_BITS);
        check(&[9.1e15, 1.0], KIND_BITS);
        check(&[5e-324, 1.0], KIND_BITS);
        check(&[f64::INFINITY, 1.0], KIND_BITS);
        check(&[1.0, f64::from_bits(STALE_BITS)], KIND_BITS);
    }

    #[test]
    fn regular_series_are_small() {
        let times: Vec<i64> = (0..720).map(|index| 1_700_000_000_000 + index * 1_000).collect();
        let values: Vec<f64> = (0..720).map(|index| (index * 37 % 100) as f64).collect();
        let (_, bytes) = round_trip(&times, &values);
        assert!(bytes < 720, "{bytes} bytes for 720 points");
    }

    proptest! {
        #[test]
        fn any_bits_round_trip(points in proptest::collection::vec((any::<i64>(), any::<u64>()), 1..300)) {
            let times: Vec<i64> = points.iter().map(|(time, _)| *time).collect();
            let values: Vec<f64> = points.iter().map(|(_, bits)| f64::from_bits(*bits)).collect();
            round_trip(&times, &values);
        }

        #[test]
        fn decimals_round_trip(integers in proptest::collection::vec(-1_000_000_i64..1_000_000, 1..300), digits in 0_i32..7) {
            let times: Vec<i64> = (0..integers.len() as i64).collect();
            let values: Vec<f64> = integers.iter().map(|integer| *integer as f64 / 10_f64.powi(digits)).collect();
            round_trip(&times, &values);
        }

        #[test]
        fn garbage_is_refused_or_decoded(bytes: Vec<u8>) {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            if decode(&bytes, &mut times, &mut values).is_none() {
                prop_assert!(times.is_empty() && values.is_empty());
            } else {
                prop_assert_eq!(times.len(), values.len());
            }
        }

        #[test]
        fn damage_never_panics(flip in 0_usize..64, bit in 0_u8..8) {
            let times: Vec<i64> = (0..50).collect();
            let values: Vec<f64> = (0..50).map(f64::from).collect();
            let mut chunk = encode(&times, &values);
            let index = flip % chunk.len();
            chunk[index] ^= 1 << bit;
            let decoded = decode(&chunk, &mut Vec::new(), &mut Vec::new());
            let _ = decoded;
        }
    }
}
