//! How free text is cut into words, by the index and by whoever searches what is not in it yet.
//!
//! A run of letters, digits and `_` is a word, in lower case. Chinese, Japanese and Korean know no spaces:
//! each pair of neighbouring characters is a word there, so that any text of two characters is found as a
//! phrase, without a dictionary. A word of one such character is only in the index where it stood alone.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// The rest of a longer word is ignored.
const WORD_BYTES_MAX: usize = 255;

/// Whether a character is written without spaces between words.
pub(super) fn is_cjk(character: char) -> bool {
    matches!(u32::from(character),
        0x3040..=0x30ff | 0x3400..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff | 0x2_0000..=0x2_ffff)
}

fn is_of_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// The words of a text, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    rest: std::str::CharIndices<'a>,
    /// Whether the character before was the first of a pair.
    is_paired: bool,
    end: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.char_indices(), is_paired: false, end: text.len() }
    }

    /// Writes the next word into `word` and returns where it begins and ends.
    pub(super) fn read(&mut self, word: &mut String) -> Option<(usize, usize)> {
        word.clear();
        while let Some((from, first)) = self.rest.next() {
            let is_paired = std::mem::take(&mut self.is_paired);
            if is_cjk(first) {
                word.push(first);
                if let Some(second) = self.peek().filter(|second| is_cjk(*second)) {
                    word.push(second);
                    self.is_paired = true;
                } else if is_paired {
                    word.clear();
                    continue;
                }
                return Some((from, from + word.len()));
            }
            if !is_of_word(first) {
                continue;
            }
            push(word, first);
            while let Some(next) = self.peek().filter(|next| is_of_word(*next) && !is_cjk(*next)) {
                self.rest.next();
                push(word, next);
            }
            return Some((from, self.rest.clone().next().map_or(self.end, |(at, _)| at)));
        }
        None
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next().map(|(_, character)| character)
    }
}

fn push(word: &mut String, character: char) {
    if word.len() + 4 > WORD_BYTES_MAX {
        return;
    }
    if character.is_ascii() {
        word.push(character.to_ascii_lowercase());
    } else {
        word.extend(character.to_lowercase());
    }
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut word = String::new();
        self.read(&mut word).map(|_| word)
    }
}

/// The same for the index.
#[derive(Clone, Debug, Default)]
pub(super) struct WordTokenizer;

pub(super) struct WordStream<'a> {
    words: Words<'a>,
    token: Token,
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        WordStream { words: Words::new(text), token: Token::default() }
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some((from, to)) = self.words.read(&mut self.token.text) else { return false };
        self.token.offset_from = from;
        self.token.offset_to = to;
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_cut_into_words() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(Words::new(text).collect::<Vec<_>>(), expected, "{text}");
        };
        check("", &[]);
        check("  -- ", &[]);
        check("CUDA out of memory.", &["cuda", "out", "of", "memory"]);
        check("trace_id=4F a/b node-07", &["trace_id", "4f", "a", "b", "node", "07"]);
        check("显存不足", &["显存", "存不", "不足"]);
        check("显", &["显"]);
        check("GPU显存 0", &["gpu", "显存", "0"]);
        check("模型a型", &["模型", "a", "型"]);
        check("ÄRGER", &["ärger"]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text: String) {
            let mut tokenizer = WordTokenizer;
            let mut stream = tokenizer.token_stream(&text);
            let mut words = Vec::new();
            while stream.advance() {
                let token = stream.token();
                prop_assert!(text.get(token.offset_from..token.offset_to).is_some());
                prop_assert_eq!(token.position, words.len());
                words.push(token.text.clone());
            }
            prop_assert_eq!(words, Words::new(&text).collect::<Vec<_>>());
        }
    }
}
