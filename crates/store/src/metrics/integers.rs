//! Columns of whole numbers, packed bit by bit.
//!
//! Of the numbers themselves, their differences, and the differences of these, whatever takes the fewest
//! bits is stored, in groups with a least value, a number of zero bits that all of a group end with, and a
//! width. One jump costs its group, not the column. Reading takes a few instructions for each number.

use crate::varint::{Reader, put, unzigzag, zigzag};

/// Numbers that share a width.
const GROUP: usize = 128;
/// Beyond it a number may not lie within eight bytes from where its first bit is.
const WIDTH_OF_WORD_MAX: u32 = 57;
/// Bytes behind the packed bits, so that a whole word can be read anywhere.
const PADDING: usize = 8;

/// A group of residuals: each is `least + (packed << shift)`, wrapping.
#[derive(Clone, Copy)]
struct Group {
    least: i64,
    shift: u32,
    width: u32,
}

impl Group {
    fn of(residuals: &[i64]) -> Self {
        let least = residuals.iter().copied().min().unwrap_or(0);
        let mut used = 0;
        for residual in residuals {
            used |= residual.wrapping_sub(least) as u64;
        }
        if used == 0 {
            return Self { least, shift: 0, width: 0 };
        }
        let shift = used.trailing_zeros();
        Self { least, shift, width: u64::BITS - used.leading_zeros() - shift }
    }

    fn bits(self, count: usize) -> usize {
        // The header has about three bytes.
        self.width as usize * count + 24
    }
}

/// Appends numbers so that [`read`] finds them again.
pub(super) fn write(out: &mut Vec<u8>, numbers: &[i64]) {
    let mut residuals = numbers.to_vec();
    let mut best = (0, residuals.clone(), cost(&residuals));
    for order in 1..=2_usize.min(numbers.len().saturating_sub(1)) {
        for at in (order..residuals.len()).rev() {
            residuals[at] = residuals[at].wrapping_sub(residuals[at - 1]);
        }
        let cost = cost(&residuals[order..]) + 64 * order;
        if cost < best.2 {
            best = (order, residuals.clone(), cost);
        }
    }
    let (order, residuals, _) = best;
    out.push(order as u8);
    let (first, rest) = residuals.split_at(order);
    first.iter().for_each(|number| put(out, zigzag(*number)));
    for residuals in rest.chunks(GROUP) {
        write_group(out, residuals);
    }
    out.extend_from_slice(&[0; PADDING]);
}

fn cost(residuals: &[i64]) -> usize {
    residuals.chunks(GROUP).map(|group| Group::of(group).bits(group.len())).sum()
}

fn write_group(out: &mut Vec<u8>, residuals: &[i64]) {
    let group = Group::of(residuals);
    put(out, zigzag(group.least));
    out.push(group.width as u8);
    if group.width == 0 {
        return;
    }
    out.push(group.shift as u8);
    let (mut word, mut filled) = (0_u128, 0);
    for residual in residuals {
        let packed = residual.wrapping_sub(group.least) as u64 >> group.shift;
        word |= u128::from(packed) << filled;
        filled += group.width;
        while filled >= 8 {
            out.push(word as u8);
            word >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        out.push(word as u8);
    }
}

/// Appends `count` numbers to `numbers`; `None` when the bytes are no such column.
pub(super) fn read(bytes: &[u8], count: usize, numbers: &mut Vec<i64>) -> Option<()> {
    let start = numbers.len();
    let mut reader = Reader::new(bytes);
    let order = usize::from(reader.byte()?);
    if order > 2 || order > count {
        return None;
    }
    numbers.reserve(count);
    for _ in 0..order {
        numbers.push(unzigzag(reader.varint()?));
    }
    let mut left = count - order;
    while left > 0 {
        let length = left.min(GROUP);
        read_group(&mut reader, length, numbers)?;
        left -= length;
    }
    for first in (1..=order).rev() {
        let mut sum = numbers[start + first - 1];
        for number in &mut numbers[start + first..] {
            sum = sum.wrapping_add(*number);
            *number = sum;
        }
    }
    Some(())
}

fn read_group(reader: &mut Reader<'_>, length: usize, numbers: &mut Vec<i64>) -> Option<()> {
    let least = unzigzag(reader.varint()?);
    let width = u32::from(reader.byte()?);
    if width == 0 {
        numbers.resize(numbers.len() + length, least);
        return Some(());
    }
    let shift = u32::from(reader.byte()?);
    if width + shift > u64::BITS {
        return None;
    }
    let packed = reader.rest();
    let used = (length * width as usize).div_ceil(8);
    // The padding makes this true for every column that was written.
    let packed = packed.get(..used + PADDING)?;
    let mask = u64::MAX >> (u64::BITS - width);
    if width <= WIDTH_OF_WORD_MAX {
        // Room is there for the whole column, and an iterator of known length never asks for more.
        numbers.extend((0..length).map(|index| {
            let bit = index * width as usize;
            let word = packed.get(bit / 8..).and_then(|tail| tail.first_chunk());
            let value = (u64::from_le_bytes(word.copied().unwrap_or_default()) >> (bit % 8)) & mask;
            least.wrapping_add((value << shift) as i64)
        }));
    } else {
        for index in 0..length {
            let bit = index * width as usize;
            let mut bytes = [0; 16];
            let tail = packed.get(bit / 8..)?;
            let taken = tail.len().min(16);
            bytes[..taken].copy_from_slice(&tail[..taken]);
            let value = (u128::from_le_bytes(bytes) >> (bit % 8)) as u64 & mask;
            numbers.push(least.wrapping_add((value << shift) as i64));
        }
    }
    reader.bytes(used)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(numbers: &[i64]) -> usize {
        let mut bytes = Vec::new();
        write(&mut bytes, numbers);
        let mut back = vec![7];
        read(&bytes, numbers.len(), &mut back).unwrap();
        assert_eq!(&back[1..], numbers);
        bytes.len()
    }

    #[test]
    fn sizes() {
        let check = |numbers: &mut dyn Iterator<Item = i64>, bits_max: usize| {
            let numbers: Vec<i64> = numbers.collect();
            let bytes = round_trip(&numbers);
            let bits = bytes.saturating_sub(40) * 8 / numbers.len();
            assert!(bits <= bits_max, "{bits} bits for each of {:?}...", &numbers[..3]);
        };
        check(&mut (0..1_000).map(|_| 5), 0);
        check(&mut (0..1_000).map(|index| index * 15_000), 0);
        check(&mut (0..1_000).map(|index| index * 37 % 101), 7);
        // Pages of memory, going up and down.
        check(&mut (0..1_000).map(|index| (1_000 + index * index % 7) * 2_097_152), 3);
        // A counter that grows by up to 500, and once begins anew.
        let mut counter = 0;
        check(
            &mut (0..1_000).map(|index| {
                counter = if index == 500 { 0 } else { counter + index * 7_919 % 500 };
                counter
            }),
            9,
        );
        round_trip(&[]);
        round_trip(&[i64::MIN]);
        round_trip(&[i64::MAX, i64::MIN]);
        round_trip(&[i64::MIN, 0, i64::MAX, -1, 1]);
    }

    proptest! {
        #[test]
        fn any_numbers(numbers in proptest::collection::vec(any::<i64>(), 0..400)) {
            round_trip(&numbers);
        }

        #[test]
        fn small_numbers(numbers in proptest::collection::vec(-20_i64..20, 0..400), scale in 0_u32..40) {
            let numbers: Vec<i64> = numbers.into_iter().map(|number| number << scale).collect();
            round_trip(&numbers);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, count in 0_usize..300) {
            let _ = read(&bytes, count, &mut Vec::new());
        }
    }
}
