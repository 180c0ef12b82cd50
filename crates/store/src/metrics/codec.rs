//! Columns: the times or the values of one series over a while, compressed without losing a bit.
//!
//! Values that are decimal numbers with few digits become whole numbers; of all others the bits are taken
//! as whole numbers. Those are packed, see `integers`, and zstd goes over a column where it helps. Measured
//! at about one byte per value on what hosts and engines say; times that several series share are stored
//! once, see `block`.

use std::cell::RefCell;

use super::integers;
use crate::varint::{Reader, put};

/// Points of one column; a decoder refuses more before it allocates.
pub(crate) const POINTS_MAX: usize = 1 << 16;

/// Powers of ten that values are tried with.
const EXPONENTS: [u32; 5] = [0, 1, 2, 3, 6];
/// Largest integer that survives the way through a float.
const MAGNITUDE_MAX: f64 = 9e15;
/// Floats from here on are whole numbers: 2^52.
const WHOLE_FROM: f64 = 4_503_599_627_370_496.0;
/// A column shorter than this is left as it is: zstd's own header costs more than it saves.
const PACKED_BYTES_MIN: usize = 48;
/// The most that one point of one column can take; a column has some more in all.
const POINT_BYTES_MAX: usize = 10;
/// See [`POINT_BYTES_MAX`].
const COLUMN_BYTES_MORE: usize = 64;
/// What zstd must save to be worth its time at every reading.
const SAVING_MIN: f64 = 0.05;

const KIND_CONSTANT: u8 = 0x00;
/// Plus the exponent.
const KIND_DECIMAL: u8 = 0x01;
/// Plus the exponent.
const KIND_BESIDE: u8 = 0x40;
const KIND_BITS: u8 = 0x80;

thread_local! {
    /// zstd's working memory, kept because making it anew costs more than most columns.
    static PACKER: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    static NUMBERS: RefCell<Vec<i64>> = const { RefCell::new(Vec::new()) };
}

/// Appends times, oldest first, as plain bytes.
pub(crate) fn put_times(out: &mut Vec<u8>, times: &[i64]) {
    integers::write(out, times);
}

/// Reads `count` times.
pub(crate) fn read_times(bytes: &[u8], count: usize, times: &mut Vec<i64>) -> Option<()> {
    integers::read(bytes, count, times)
}

/// Appends values as plain bytes, kind first. There is at least one.
pub(crate) fn put_values(out: &mut Vec<u8>, values: &[f64]) {
    let first = values[0].to_bits();
    if values.iter().all(|value| value.to_bits() == first) {
        out.push(KIND_CONSTANT);
        out.extend_from_slice(&first.to_le_bytes());
        return;
    }
    for exponent in EXPONENTS {
        if let Some(numbers) = as_integers(values, exponent) {
            out.push(KIND_DECIMAL + exponent as u8);
            integers::write(out, &numbers);
            return;
        }
    }
    out.push(KIND_BITS);
    // Floats of one sign are ordered as their bits are, so near ones have small differences.
    let bits: Vec<i64> = values.iter().map(|value| value.to_bits() as i64).collect();
    integers::write(out, &bits);
}

/// As [`put_values`], for values that are near those of another column: their differences from it are
/// stored where that takes less.
pub(crate) fn put_values_beside(out: &mut Vec<u8>, values: &[f64], other: &[f64]) {
    let start = out.len();
    put_values(out, values);
    let common = EXPONENTS.into_iter().find_map(|exponent| {
        Some((exponent, as_integers(values, exponent)?, as_integers(other, exponent)?))
    });
    let Some((exponent, mut numbers, others)) = common else { return };
    for (number, other) in numbers.iter_mut().zip(others) {
        *number = number.wrapping_sub(other);
    }
    let mut beside = vec![KIND_BESIDE + exponent as u8];
    integers::write(&mut beside, &numbers);
    if beside.len() < out.len() - start {
        out.truncate(start);
        out.append(&mut beside);
    }
}

/// Whether values can only be read together with those of the other column.
pub(crate) fn is_beside(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|kind| (KIND_BESIDE..KIND_BITS).contains(kind))
}

/// Reads what [`put_values_beside`] wrote; `other` has as many values.
pub(crate) fn read_values_beside(bytes: &[u8], other: &[f64], values: &mut Vec<f64>) -> Option<()> {
    let (kind, bytes) = bytes.split_first()?;
    let exponent = u32::from(kind.checked_sub(KIND_BESIDE)?);
    if !EXPONENTS.contains(&exponent) {
        return None;
    }
    let others = as_integers(other, exponent)?;
    let scale = 10_f64.powi(exponent as i32);
    NUMBERS.with_borrow_mut(|numbers| {
        numbers.clear();
        integers::read(bytes, other.len(), numbers)?;
        let pairs = numbers.iter().zip(others);
        values.extend(pairs.map(|(number, other)| number.wrapping_add(other) as f64 / scale));
        Some(())
    })
}

/// The values times 10^exponent, if every one of them comes back bit for bit.
fn as_integers(values: &[f64], exponent: u32) -> Option<Vec<i64>> {
    let scale = 10_f64.powi(exponent as i32);
    let exact = |value: &f64| {
        let scaled = value * scale;
        // Rounding by hand: where floats have no fraction any more, adding a half would spoil them.
        let half = if scaled.abs() < WHOLE_FROM { 0.5_f64.copysign(scaled) } else { 0.0 };
        // Going through the integer and comparing bits, or -0.0 would come back as 0.0.
        let integer = (scaled + half) as i64;
        let is_exact =
            scaled.abs() <= MAGNITUDE_MAX && (integer as f64 / scale).to_bits() == value.to_bits();
        is_exact.then_some(integer)
    };
    // Most series that are no decimals show it in their last value.
    exact(values.last()?)?;
    let mut integers = Vec::with_capacity(values.len());
    for value in values {
        integers.push(exact(value)?);
    }
    Some(integers)
}

/// Reads `count` values, kind first, and appends them.
pub(crate) fn read_values(bytes: &[u8], count: usize, values: &mut Vec<f64>) -> Option<()> {
    let (kind, bytes) = bytes.split_first()?;
    if *kind == KIND_CONSTANT {
        let value = f64::from_bits(Reader::new(bytes).u64()?);
        values.resize(values.len() + count, value);
        return Some(());
    }
    NUMBERS.with_borrow_mut(|numbers| {
        numbers.clear();
        integers::read(bytes, count, numbers)?;
        if *kind == KIND_BITS {
            values.extend(numbers.iter().map(|bits| f64::from_bits(*bits as u64)));
            return Some(());
        }
        let exponent = u32::from(kind.checked_sub(KIND_DECIMAL)?);
        match exponent {
            0 => values.extend(numbers.iter().map(|number| *number as f64)),
            _ if EXPONENTS.contains(&exponent) => {
                // Divided as in the test of exactness; multiplying by the inverse rounds differently.
                let scale = 10_f64.powi(exponent as i32);
                values.extend(numbers.iter().map(|number| *number as f64 / scale));
            }
            _ => return None,
        }
        Some(())
    })
}

/// Appends a column as it lies on disk, `length of the plain bytes | is packed | bytes | crc`, and
/// returns how long it is.
pub(crate) fn put_column(out: &mut Vec<u8>, plain: &[u8], level: i32) -> usize {
    let start = out.len();
    put(out, plain.len() as u64);
    let packed = (plain.len() >= PACKED_BYTES_MIN).then(|| pack(plain, level)).flatten();
    let worth = (plain.len() as f64 * (1.0 - SAVING_MIN)) as usize;
    let packed = packed.filter(|packed| packed.len() < worth);
    out.push(u8::from(packed.is_some()));
    out.extend_from_slice(packed.as_deref().unwrap_or(plain));
    let crc = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    out.len() - start
}

/// The plain bytes of a column of `count` points, in `plain` or in place; `None` when it is damaged.
pub(crate) fn open_column<'a>(
    column: &'a [u8],
    count: usize,
    plain: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    let (body, crc) = column.split_at_checked(column.len().checked_sub(4)?)?;
    if crc32c::crc32c(body).to_le_bytes() != crc {
        return None;
    }
    let mut header = Reader::new(body);
    let (length, is_packed) = (header.size()?, header.byte()? == 1);
    if count == 0 || count > POINTS_MAX || length > count * POINT_BYTES_MAX + COLUMN_BYTES_MORE {
        return None;
    }
    if !is_packed {
        return Some(header.rest()).filter(|rest| rest.len() == length);
    }
    unpack(header.rest(), length, plain)?;
    Some(plain)
}

fn pack(plain: &[u8], level: i32) -> Option<Vec<u8>> {
    PACKER.with_borrow_mut(|packer| {
        if packer.is_none() {
            *packer = zstd::bulk::Compressor::new(level).ok();
        }
        let packer = packer.as_mut()?;
        packer.set_compression_level(level).ok()?;
        packer.compress(plain).ok()
    })
}

fn unpack(packed: &[u8], length: usize, plain: &mut Vec<u8>) -> Option<()> {
    UNPACKER.with_borrow_mut(|unpacker| {
        if unpacker.is_none() {
            *unpacker = zstd::bulk::Decompressor::new().ok();
        }
        plain.clear();
        plain.reserve(length);
        let written = unpacker.as_mut()?.decompress_to_buffer(packed, plain).ok()?;
        (written == length && plain.len() == length).then_some(())
    })
}

#[cfg(test)]
mod tests {
    use model::sample::STALE_BITS;
    use proptest::prelude::*;

    use super::*;

    /// The kind, and how many bytes the values take on disk.
    fn round_trip(times: &[i64], values: &[f64]) -> (u8, usize) {
        let (mut plain, mut column) = (Vec::new(), Vec::new());
        put_times(&mut plain, times);
        put_column(&mut column, &plain, 1);
        let (mut buffer, mut back) = (Vec::new(), Vec::new());
        let opened = open_column(&column, times.len(), &mut buffer).unwrap();
        read_times(opened, times.len(), &mut back).unwrap();
        assert_eq!(back, times);
        plain.clear();
        column.clear();
        put_values(&mut plain, values);
        let kind = plain[0];
        let length = put_column(&mut column, &plain, 1);
        let mut back = Vec::new();
        let opened = open_column(&column, values.len(), &mut buffer).unwrap();
        read_values(opened, values.len(), &mut back).unwrap();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(values));
        (kind, length)
    }

    fn check(values: &[f64], kind: u8) {
        let times: Vec<i64> = (0..values.len() as i64).map(|index| index * 1_000).collect();
        assert_eq!(round_trip(&times, values).0, kind, "{values:?}");
    }

    #[test]
    fn kinds() {
        check(&[5.0], KIND_CONSTANT);
        check(&[f64::NAN, f64::NAN], KIND_CONSTANT);
        check(&[1.0, 2.0, 7.0], KIND_DECIMAL);
        check(&[0.3, 0.1, 0.2], KIND_DECIMAL + 1);
        check(&[1.0, 2.5, 1e-6], KIND_DECIMAL + 6);
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
        assert!(bytes < 720, "{bytes} bytes for 720 values");
    }

    #[test]
    fn a_column_beside_another() {
        let other: Vec<f64> =
            (0..500).map(|index| f64::from(index * 7_919 % 1_000) / 10.0).collect();
        let check = |change: fn(f64) -> f64, is_near: bool| {
            let values: Vec<f64> = other.iter().map(|value| change(*value)).collect();
            let mut bytes = Vec::new();
            put_values_beside(&mut bytes, &values, &other);
            assert_eq!(is_beside(&bytes), is_near);
            let mut back = Vec::new();
            match is_near {
                true => read_values_beside(&bytes, &other, &mut back).unwrap(),
                false => read_values(&bytes, values.len(), &mut back).unwrap(),
            }
            let bits =
                |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&back), bits(&values));
            bytes.len()
        };
        assert!(check(|value| value, true) < 50);
        assert!(check(|value| value + 5.0, true) < 50);
        check(|_| 3.0, false);
        check(|_| f64::NAN, false);
        check(f64::sqrt, false);
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
        fn garbage_is_refused_or_decoded(bytes: Vec<u8>, count in 0_usize..200) {
            let _ = open_column(&bytes, count, &mut Vec::new());
            let _ = read_times(&bytes, count, &mut Vec::new());
            let _ = read_values(&bytes, count, &mut Vec::new());
            let _ = read_values_beside(&bytes, &vec![0.5; count], &mut Vec::new());
        }

        #[test]
        fn damage_is_noticed(flip: prop::sample::Index, bit in 0_u8..8) {
            let (mut plain, mut column) = (Vec::new(), Vec::new());
            put_times(&mut plain, &(0..50).map(|index| index * index).collect::<Vec<_>>());
            put_column(&mut column, &plain, 1);
            let at = flip.index(column.len());
            column[at] ^= 1 << bit;
            let mut buffer = Vec::new();
            prop_assert_eq!(open_column(&column, 50, &mut buffer), None);
        }
    }
}
