//! Patterns mined from lines as they come: which lines say the same with other values, and how often.
//!
//! After Drain (He et al., 2017, "Drain: An Online Log Parsing Approach with Fixed Depth Tree"): lines of as many
//! words, whose first word agrees, are compared word by word; enough alike, they become one pattern with `<*>` where
//! they differ. Words with digits count as values from the start. Bias: lines whose number of words varies with their
//! values become several patterns.

use std::collections::HashMap;

/// Beyond so many patterns, new ones are counted together.
pub const PATTERNS_MAX: usize = 2_000;
/// Words that are compared; what follows makes no difference.
const WORDS_MAX: usize = 60;
/// This share of the words has to agree.
const ALIKE_MIN: f64 = 0.5;
const ANY: &str = "<*>";

/// Lines that say the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    words: Vec<Box<str>>,
    pub count: u64,
}

impl Pattern {
    /// Its words, with `<*>` for values.
    pub fn text(&self) -> String {
        self.words.join(" ")
    }

    fn alike(&self, words: &[&str]) -> f64 {
        let agreeing =
            self.words.iter().zip(words).filter(|(own, word)| &***own == **word && **word != ANY);
        // What stands for any value agrees with everything, but says nothing.
        let known = self.words.iter().filter(|word| &***word != ANY).count().max(1);
        agreeing.count() as f64 / known as f64
    }

    fn take(&mut self, words: &[&str]) {
        self.count += 1;
        for (own, word) in self.words.iter_mut().zip(words) {
            if &**own != *word {
                *own = ANY.into();
            }
        }
    }
}

/// The patterns of what was seen so far.
#[derive(Debug, Default)]
pub struct Patterns {
    found: Vec<Pattern>,
    /// By the number of words and the first of them, the places in `found`.
    places: HashMap<(usize, Box<str>), Vec<usize>>,
    /// Lines whose patterns found no room.
    pub uncounted: u64,
}

impl Patterns {
    /// Counts a line, and gives the place of its pattern.
    pub fn push(&mut self, text: &str) -> Option<usize> {
        let words: Vec<&str> = text.split_whitespace().take(WORDS_MAX).map(masked).collect();
        let first = words.first()?;
        let places = self.places.entry((words.len(), (*first).into())).or_default();
        let alike = |place: &usize| self.found[*place].alike(&words);
        let best = places.iter().copied().map(|place| (alike(&place), place));
        let best = best.filter(|(alike, _)| *alike >= ALIKE_MIN).max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, place)) = best {
            self.found[place].take(&words);
            return Some(place);
        }
        if self.found.len() == PATTERNS_MAX {
            self.uncounted += 1;
            return None;
        }
        places.push(self.found.len());
        self.found.push(Pattern { words: words.into_iter().map(Into::into).collect(), count: 1 });
        Some(self.found.len() - 1)
    }

    /// In the order in which they were first seen.
    pub fn all(&self) -> &[Pattern] {
        &self.found
    }
}

/// A value where the word has digits: a number, an address, a time, a path with a number.
pub(crate) fn masked(word: &str) -> &str {
    if word.bytes().any(|byte| byte.is_ascii_digit()) { ANY } else { word }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_that_differ_in_values_are_one_pattern() {
        let check = |lines: &[&str], expected: &[(&str, u64)]| {
            let mut patterns = Patterns::default();
            for line in lines {
                patterns.push(line);
            }
            let found: Vec<(String, u64)> =
                patterns.all().iter().map(|pattern| (pattern.text(), pattern.count)).collect();
            let found: Vec<(&str, u64)> =
                found.iter().map(|(text, count)| (text.as_str(), *count)).collect();
            assert_eq!(found, expected);
        };
        check(&["took 12 ms", "took 13.5 ms"], &[("took <*> ms", 2)]);
        check(
            &["failed to open alpha now", "failed to open beta now", "failed to close it"],
            &[("failed to open <*> now", 2), ("failed to close it", 1)],
        );
        check(&["alpha", "beta", "", "  "], &[("alpha", 1), ("beta", 1)]);
        check(&["显存 不足 3", "显存 不足 4"], &[("显存 不足 <*>", 2)]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut patterns = Patterns::default();
        let word = |number: usize| -> String {
            (0..4)
                .map(|place| char::from(b'a' + (number / 26_usize.pow(place) % 26) as u8))
                .collect()
        };
        for number in 0..PATTERNS_MAX + 5 {
            patterns.push(&word(number));
        }
        assert_eq!((patterns.all().len(), patterns.uncounted), (PATTERNS_MAX, 5));
    }

    proptest! {
        #[test]
        fn every_line_is_counted_once(lines in prop::collection::vec("[ab1 ]{0,12}", 0..40)) {
            let mut patterns = Patterns::default();
            for line in &lines {
                patterns.push(line);
            }
            let counted: u64 = patterns.all().iter().map(|pattern| pattern.count).sum();
            prop_assert_eq!(counted, lines.iter().filter(|line| !line.trim().is_empty()).count() as u64);
        }
    }
}
