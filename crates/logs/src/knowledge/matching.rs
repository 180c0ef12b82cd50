//! Finding the entries that a line matches, all at once.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::{Known, Text, all};

/// What stands between two pieces is looked for so far; a line that matches across more is another line.
const GAP_BYTES_MAX: usize = 2_000;
/// Longest value under a name, in bytes; it is cut.
const VALUE_BYTES_MAX: usize = 200;

/// An entry, and what the line says under the names of its pattern.
#[derive(Debug)]
pub struct Found {
    pub known: &'static Known,
    pub values: Vec<(&'static str, String)>,
}

impl Found {
    /// One of the entry's texts with the line's own values.
    pub fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        for piece in pieces(text) {
            match piece {
                Piece::Literal(literal) => filled.push_str(literal),
                Piece::Hole(name) => {
                    let value = self.values.iter().find(|(known, _)| *known == name);
                    filled.push_str(value.map_or("?", |(_, value)| value));
                }
            }
        }
        filled
    }

    /// The cause and what to do, in both languages.
    pub fn texts(&self) -> [(String, String); 2] {
        [self.known.cause, self.known.advice].map(|Text { en, zh }| (self.fill(en), self.fill(zh)))
    }
}

/// A part of a pattern or text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Literal(&'a str),
    Hole(&'a str),
}

/// Takes a pattern apart. A brace that is not closed is text.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    let mut waiting = None;
    std::iter::from_fn(move || {
        if let Some(hole) = waiting.take() {
            return Some(Piece::Hole(hole));
        }
        if rest.is_empty() {
            return None;
        }
        let hole = rest
            .split_once('{')
            .and_then(|(before, after)| {
                after.split_once('}').map(|(name, after)| (before, name, after))
            })
            .filter(|(_, name, _)| {
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            });
        let Some((before, name, after)) = hole else {
            return Some(Piece::Literal(std::mem::take(&mut rest)));
        };
        rest = after;
        if before.is_empty() {
            return Some(Piece::Hole(name));
        }
        waiting = Some(name);
        Some(Piece::Literal(before))
    })
}

/// The names that a pattern or text speaks of.
#[cfg(test)]
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Hole(name) if !name.is_empty() => Some(name),
        _ => None,
    })
}

struct Index {
    /// Finds the longest piece of each entry; they are in the order of `entries`.
    longest: AhoCorasick,
    entries: Vec<&'static Known>,
}

static INDEX: LazyLock<Option<Index>> = LazyLock::new(|| {
    let entries: Vec<&'static Known> = all().collect();
    let longest = AhoCorasick::new(entries.iter().map(|known| longest(known.pattern))).ok()?;
    Some(Index { longest, entries })
});

fn longest(pattern: &str) -> &str {
    let literal = |piece| match piece {
        Piece::Literal(literal) => Some(literal),
        Piece::Hole(_) => None,
    };
    pieces(pattern).filter_map(literal).max_by_key(|literal| literal.len()).unwrap_or(pattern)
}

/// The entries that a line matches, in the order of the table.
pub fn find(line: &str) -> Vec<Found> {
    let Some(index) = INDEX.as_ref() else { return Vec::new() };
    let mut places: Vec<usize> =
        index.longest.find_overlapping_iter(line).map(|found| found.pattern().as_usize()).collect();
    places.sort_unstable();
    places.dedup();
    let known = places.into_iter().filter_map(|place| index.entries.get(place).copied());
    known.filter_map(|known| Some(Found { known, values: values(known.pattern, line)? })).collect()
}

/// What the line says under the names of a pattern that it matches.
fn values(pattern: &'static str, line: &str) -> Option<Vec<(&'static str, String)>> {
    let mut values = Vec::new();
    let mut rest = line;
    let mut hole: Option<&'static str> = None;
    let mut is_first = true;
    for piece in pieces(pattern) {
        match piece {
            Piece::Hole(name) => hole = Some(name),
            Piece::Literal(literal) => {
                let at = rest.find(literal)?;
                let (between, after) = rest.split_at(at);
                if !is_first && between.len() > GAP_BYTES_MAX {
                    return None;
                }
                if let Some(name) = hole.take().filter(|name| !name.is_empty()) {
                    values.push((name, cut(between.trim())));
                }
                rest = after.strip_prefix(literal)?;
                is_first = false;
            }
        }
    }
    if let Some(name) = hole.filter(|name| !name.is_empty()) {
        let end = rest.find([' ', ',', ';', ')', '\n']).unwrap_or(rest.len());
        let (value, _) = rest.split_at(end);
        values.push((name, cut(value.trim_end_matches('.'))));
    }
    Some(values)
}

fn cut(value: &str) -> String {
    let end = value.floor_char_boundary(VALUE_BYTES_MAX);
    value.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_are_taken_apart() {
        let check = |text, expected: &[Piece<'_>]| {
            assert_eq!(pieces(text).collect::<Vec<_>>(), expected, "{text}");
        };
        check("a {b} c", &[Piece::Literal("a "), Piece::Hole("b"), Piece::Literal(" c")]);
        check("a{}", &[Piece::Literal("a"), Piece::Hole("")]);
        check("{a}{b}", &[Piece::Hole("a"), Piece::Hole("b")]);
        check("a {B} {", &[Piece::Literal("a {B} {")]);
        check("", &[]);
    }

    #[test]
    fn values_are_what_lies_between() {
        let check = |pattern, line, expected: Option<&[(&str, &str)]>| {
            let found = values(pattern, line);
            let found = found.as_ref().map(|found| {
                found.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>()
            });
            assert_eq!(found.as_deref(), expected, "{pattern} in {line}");
        };
        check(
            "code {code}) on {device}.",
            "x: code 79) on gpu 3.",
            Some(&[("code", "79"), ("device", "gpu 3")]),
        );
        check("took {seconds}", "it took 12.5 seconds", Some(&[("seconds", "12.5")]));
        check("at {place}", "at 显存.", Some(&[("place", "显存")]));
        check("a{}b", "b a", None);
        check("a", "b", None);
        let far = format!("a{}b", "x".repeat(GAP_BYTES_MAX + 1));
        assert!(values("a{}b", &far).is_none());
    }

    proptest! {
        #[test]
        fn any_line_is_survived(line in ".{0,400}") {
            find(&line);
        }

        #[test]
        fn any_text_is_put_together_again(text in "[ab{}_A ]{0,40}") {
            let whole: String = pieces(&text)
                .map(|piece| match piece {
                    Piece::Literal(literal) => literal.to_owned(),
                    Piece::Hole(name) => format!("{{{name}}}"),
                })
                .collect();
            prop_assert_eq!(whole, text);
        }
    }
}
