//! A body taken apart into what its program wrote and the values that it put in.
//!
//! A word with a digit in it is a value, together with further values that signs join to it (`10.0.0.1:8000`); so is a
//! long word of hexadecimal digits. What is left is the template: programs have few of them, so that most questions
//! about bodies are answered once for a template instead of for each line. Words are those of [`super::super::words`]:
//! a word is either in a value or in the text around, never in both.

use std::borrow::Cow;

use crate::events::words::is_cjk;

/// Stands for a value in a template.
pub(super) const SLOT: u8 = 0;
/// A body with more values is a value as a whole,
const SLOTS_MAX: usize = 64;
/// and so is one with more text around them.
const TEXT_BYTES_MAX: usize = 2 << 10;
/// A word of so many hexadecimal digits is a value although all of them are letters.
const HEX_MIN: usize = 8;
/// So is a shorter one that is joined to a value, as in a UUID.
const HEX_JOINED_MIN: usize = 4;

/// What a byte may be part of.
const OTHER: u8 = 0;
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
/// A letter that is a hexadecimal digit too.
const HEX: u8 = 3;
/// Joins values to one.
const JOIN: u8 = 4;
/// The beginning of a character beyond ASCII, or the inside of one.
const WIDE: u8 = 5;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'f' | b'A'..=b'F' => HEX,
            b'g'..=b'z' | b'G'..=b'Z' | b'_' => LETTER,
            b'.' | b':' | b'-' | b'/' | b',' => JOIN,
            0x80.. => WIDE,
            _ => OTHER,
        };
        byte += 1;
    }
    table
}

/// Where a word ends, and whether it is a value, alone and joined to one.
struct Word {
    end: usize,
    is_value: bool,
    is_value_if_joined: bool,
}

fn word(text: &str, begin: usize) -> Word {
    let bytes = text.as_bytes();
    let (mut end, mut has_digit, mut is_hex) = (begin, false, true);
    while let Some(byte) = bytes.get(end) {
        match CLASS[usize::from(*byte)] {
            DIGIT => has_digit = true,
            HEX => {}
            LETTER => is_hex = false,
            WIDE => match wide_letter(text, end) {
                Some(length) => {
                    is_hex = false;
                    end += length;
                    continue;
                }
                None => break,
            },
            _ => break,
        }
        end += 1;
    }
    let length = end - begin;
    Word {
        end,
        is_value: has_digit || is_hex && length >= HEX_MIN,
        is_value_if_joined: has_digit || is_hex && length >= HEX_JOINED_MIN,
    }
}

/// The length of a character beyond ASCII that is part of a word.
fn wide_letter(text: &str, at: usize) -> Option<usize> {
    let letter = text.get(at..)?.chars().next()?;
    (letter.is_alphanumeric() && !is_cjk(letter)).then_some(letter.len_utf8())
}

/// Whether a word of a question, in lower case, may be in a value.
pub(super) fn may_be_value(word: &str) -> bool {
    let is_hex = word.bytes().all(|byte| matches!(CLASS[usize::from(byte)], DIGIT | HEX));
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    has_digit || is_hex && word.len() >= HEX_JOINED_MIN
}

/// Takes a body apart: the template, with [`SLOT`] for each value, and where the values are. Says `false` where the
/// body is a value as a whole.
pub(super) fn split(body: &str, template: &mut Vec<u8>, values: &mut Vec<(usize, usize)>) -> bool {
    template.clear();
    values.clear();
    let bytes = body.as_bytes();
    let (mut at, mut copied) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match CLASS[usize::from(*byte)] {
            DIGIT | HEX | LETTER => {}
            WIDE => {
                if wide_letter(body, at).is_none() {
                    at = next_boundary(body, at);
                    continue;
                }
            }
            _ if *byte == SLOT => return false,
            _ => {
                at += 1;
                continue;
            }
        }
        let first = word(body, at);
        if !first.is_value {
            at = first.end;
            continue;
        }
        let mut end = first.end;
        while bytes.get(end).is_some_and(|byte| CLASS[usize::from(*byte)] == JOIN) {
            let next = word(body, end + 1);
            if next.end == end + 1 || !next.is_value_if_joined {
                break;
            }
            end = next.end;
        }
        template.extend_from_slice(bytes.get(copied..at).unwrap_or_default());
        template.push(SLOT);
        values.push((at, end));
        if values.len() > SLOTS_MAX || template.len() > TEXT_BYTES_MAX {
            return false;
        }
        (at, copied) = (end, end);
    }
    template.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    template.len() <= TEXT_BYTES_MAX
}

fn next_boundary(text: &str, at: usize) -> usize {
    let mut next = at + 1;
    while !text.is_char_boundary(next) {
        next += 1;
    }
    next
}

/// What lines that differ in values only have in common: their text, with `<*>` for each value.
pub fn pattern(body: &str) -> Cow<'_, str> {
    let (mut template, mut values) = (Vec::new(), Vec::new());
    if !split(body, &mut template, &mut values) {
        // Its values are not told apart; the beginning has to do.
        let end = body.floor_char_boundary(super::WHOLE_PATTERN_BYTES);
        return Cow::Borrowed(body.get(..end).unwrap_or_default());
    }
    if values.is_empty() {
        return Cow::Borrowed(body);
    }
    Cow::Owned(shown(&template))
}

/// A template as a pattern.
pub(super) fn shown(template: &[u8]) -> String {
    let pieces: Vec<Cow<'_, str>> =
        template.split(|byte| *byte == SLOT).map(String::from_utf8_lossy).collect();
    pieces.join("<*>")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::events::words::Words;

    #[test]
    fn values_are_told_from_text() {
        let check = |body: &str, expected: &str| assert_eq!(pattern(body), expected, "{body}");
        check("no values", "no values");
        check("took 12.5ms on node-07", "took <*> on node-<*>");
        check("10.0.0.1:8000 - \"GET /v1/models\"", "<*> - \"GET /<*>/models\"");
        check("id 8f3a2b1c-feed-4abc-beef-0123456789ab done", "id <*> done");
        check("deadbeef dead beef", "<*> dead beef");
        check("2026-11-28T10:42:35.123Z up", "<*> up");
        check("显存3GB不足", "显存<*>不足");
        check("größe2 ü", "<*> ü");
        check("a\0b", "a\0b");
        check("", "");
    }

    proptest! {
        /// A word is wholly in a value or wholly in the text, and those in values may be values.
        #[test]
        fn words_are_not_torn(body in "[a-gé显_ 0-2.:-]{0,40}") {
            let (mut template, mut values) = (Vec::new(), Vec::new());
            prop_assume!(split(&body, &mut template, &mut values));
            let text = String::from_utf8(template.clone()).unwrap();
            let mut words = Vec::new();
            let mut values = values.iter().map(|(from, to)| body.get(*from..*to).unwrap());
            for (at, piece) in text.split('\0').enumerate() {
                if at > 0 {
                    let found: Vec<String> = Words::new(values.next().unwrap()).collect();
                    prop_assert!(found.iter().all(|word| may_be_value(word)));
                    words.extend(found);
                }
                words.extend(Words::new(piece));
            }
            prop_assert_eq!(words, Words::new(&body).collect::<Vec<_>>());
        }
    }
}
