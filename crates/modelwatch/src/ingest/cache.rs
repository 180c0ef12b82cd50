//! What was made of some bytes, so that it need not be made again.
//!
//! A sender repeats the same label sets in every request. Finding one again costs a hash and a
//! comparison; building it costs allocations. The cache forgets what was not asked for lately.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState},
    mem,
};

/// Bytes of keys in one generation. When the young one is full, the old one is forgotten and the young
/// one becomes the old.
const GENERATION_BYTES_MAX: usize = 32 << 20;

/// What an entry costs besides its key, roughly.
const ENTRY_BYTES: usize = 96;

pub(super) struct Cache<V> {
    young: Generation<V>,
    old: Generation<V>,
    bytes_max: usize,
    /// Differs from process to process, so that nobody can prepare keys with the same hash.
    seed: u64,
}

struct Generation<V> {
    /// By hash. Of two keys with the same hash the later one stays.
    entries: HashMap<u64, (Box<[u8]>, V), BuildHasherDefault<AsIs>>,
    bytes: usize,
}

impl<V> Default for Generation<V> {
    fn default() -> Self {
        Self { entries: HashMap::default(), bytes: 0 }
    }
}

impl<V> Default for Cache<V> {
    fn default() -> Self {
        Self::new(GENERATION_BYTES_MAX)
    }
}

impl<V> Cache<V> {
    fn new(bytes_max: usize) -> Self {
        let seed = RandomState::new().hash_one(0);
        Self { young: Generation::default(), old: Generation::default(), bytes_max, seed }
    }
}

impl<V: Clone> Cache<V> {
    /// What was made of `key` before, or what `make` makes of it now. A failure is not kept.
    #[inline]
    pub(super) fn get_or_make<E>(
        &mut self,
        key: &[u8],
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        let hash = hash(key, self.seed);
        match self.young.entries.get(&hash) {
            Some((present, value)) if **present == *key => Ok(value.clone()),
            _ => self.make(hash, key, make),
        }
    }

    #[cold]
    fn make<E>(
        &mut self,
        hash: u64,
        key: &[u8],
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        let value = match self.old.entries.remove(&hash) {
            Some((present, value)) if *present == *key => value,
            _ => make()?,
        };
        if self.young.bytes >= self.bytes_max {
            self.old = mem::take(&mut self.young);
        }
        self.young.bytes += key.len() + ENTRY_BYTES;
        self.young.entries.insert(hash, (key.into(), value.clone()));
        Ok(value)
    }
}

/// The hash is computed before the map sees it.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Folded multiplication over pairs of words (the scheme of wyhash): the standard hasher takes four
/// times as long for keys of this length.
fn hash(bytes: &[u8], seed: u64) -> u64 {
    const WORDS: [u64; 2] = [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db];
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let pair = |chunk: &[u8; 16]| {
        let number = u128::from_le_bytes(*chunk);
        (number as u64, (number >> 64) as u64)
    };
    let (chunks, tail) = bytes.as_chunks::<16>();
    let secret = seed ^ WORDS[0];
    let mut state = seed ^ (bytes.len() as u64).wrapping_mul(WORDS[1]);
    for chunk in chunks {
        let (low, high) = pair(chunk);
        state = fold(low ^ secret, high ^ state);
    }
    let mut last = [0; 16];
    last[..tail.len()].copy_from_slice(tail);
    let (low, high) = pair(&last);
    fold(fold(low ^ secret, high ^ state) ^ WORDS[1], secret)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn ask(cache: &mut Cache<String>, key: &str) -> bool {
        let mut was_made = false;
        let made = cache.get_or_make(key.as_bytes(), || {
            was_made = true;
            Ok::<_, ()>(key.to_owned())
        });
        assert_eq!(made.as_deref(), Ok(key));
        was_made
    }

    #[test]
    fn what_is_asked_for_again_is_kept_and_the_rest_is_forgotten() {
        let mut cache = Cache::new(10 * ENTRY_BYTES);
        assert!(ask(&mut cache, "kept"));
        for round in 0..100 {
            ask(&mut cache, &format!("new {round}"));
            assert!(!ask(&mut cache, "kept"), "{round}");
        }
        assert!(ask(&mut cache, "new 0"));
        assert!(cache.young.entries.len() + cache.old.entries.len() <= 22);
    }

    #[test]
    fn a_failure_is_not_kept() {
        let mut cache = Cache::<String>::default();
        assert_eq!(cache.get_or_make(b"a", || Err(1)), Err(1));
        assert!(ask(&mut cache, "a"));
    }

    #[test]
    fn two_keys_with_one_hash_are_told_apart() {
        let mut cache = Cache::<u8>::default();
        let hash = hash(b"asked", cache.seed);
        cache.young.entries.insert(hash, (Box::from(*b"other"), 1));
        assert_eq!(cache.get_or_make(b"asked", || Ok::<_, ()>(2)), Ok(2));
    }

    #[test]
    fn hashes_differ() {
        let mut hashes = HashSet::new();
        for length in 0..100 {
            for byte in [0, 1, 255] {
                let mut bytes = vec![0; length];
                if let Some(last) = bytes.last_mut() {
                    *last = byte;
                }
                hashes.insert(hash(&bytes, 7));
            }
        }
        assert_eq!(hashes.len(), 1 + 99 * 3);
    }
}
