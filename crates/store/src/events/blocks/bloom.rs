//! Which words may be among the values of a block: never a wrong no, and a wrong yes for one word in a hundred.

use std::hash::Hasher;

/// Bits to a word.
const BITS_PER_WORD: usize = 10;
/// Bits that a word sets.
const BITS_SET: u64 = 6;

/// A Bloom filter, as bytes.
pub(super) struct Bloom(pub(super) Vec<u8>);

impl Bloom {
    pub(super) fn of<'a>(
        words: impl IntoIterator<Item = &'a u64, IntoIter: ExactSizeIterator>,
    ) -> Self {
        let words = words.into_iter();
        let bytes = (words.len() * BITS_PER_WORD).div_ceil(8).max(8);
        let mut bloom = Self(vec![0; bytes]);
        for word in words {
            for bit in bits(*word, bytes) {
                if let Some(byte) = bloom.0.get_mut(bit / 8) {
                    *byte |= 1 << (bit % 8);
                }
            }
        }
        bloom
    }
}

pub(super) fn may_hold(bloom: &[u8], word: u64) -> bool {
    bloom.is_empty()
        || bits(word, bloom.len())
            .all(|bit| bloom.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1))
}

fn bits(word: u64, bytes: usize) -> impl Iterator<Item = usize> {
    let step = word.rotate_left(32) | 1;
    let count = bytes as u64 * 8;
    (0..BITS_SET).map(move |round| (word.wrapping_add(round.wrapping_mul(step)) % count) as usize)
}

/// The same on every machine and in every version, because it is written into files.
pub(super) fn word_hash(word: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ word.len() as u64;
    let mut chunks = word.as_bytes().chunks(8);
    for chunk in &mut chunks {
        let mut eight = [0; 8];
        for (to, from) in eight.iter_mut().zip(chunk) {
            *to = *from;
        }
        hash = (hash ^ u64::from_le_bytes(eight)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    hash ^ hash >> 32
}

/// Of what is a hash already.
#[derive(Default)]
pub(super) struct WordHasher(u64);

impl Hasher for WordHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_it_is_found_and_little_else() {
        let words: Vec<u64> =
            (0..10_000).map(|number| word_hash(&format!("{number:016x}"))).collect();
        let bloom = Bloom::of(&words);
        assert!(words.iter().all(|word| may_hold(&bloom.0, *word)));
        let others = (0..10_000).map(|number| word_hash(&format!("word{number}")));
        let wrong = others.filter(|word| may_hold(&bloom.0, *word)).count();
        assert!(wrong < 200, "{wrong} of 10,000 wrong");
        assert!(!may_hold(&Bloom::of(&[]).0, 7));
    }
}
