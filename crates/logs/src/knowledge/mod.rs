//! Known lines of engines, drivers, libraries and the kernel: the cause in plain words, and what to do.
//!
//! An entry is data: one line in the file of what writes it. A line is known when the pieces of the entry's pattern
//! are in it in their order; what lies between two pieces may be named and then be spoken of in the texts. That is
//! less than a regular expression can say, and it makes looking for all entries at once as cheap as looking for one.
//! Bias: a pattern is as short as it can be while it means one thing, because versions reword the rest.

mod kernel;
mod llamacpp;
mod lmdeploy;
mod matching;
mod mindie;
mod ollama;
mod pytorch;
mod sglang;
mod tgi;
mod triton;
mod vllm;

use model::log::Severity;

pub use matching::{Found, find};

/// A text in both languages. `{name}` stands for what the pattern found under that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    pub en: &'static str,
    pub zh: &'static str,
}

/// A line that is known.
#[derive(Debug)]
pub struct Known {
    /// `vllm.kv_no_room`: who writes it, and what it is about. Never changes.
    pub id: &'static str,
    /// Pieces of the line in their order, with `{name}` or `{}` for what lies between them. It never begins or ends
    /// with `{}`; a name at the end takes what follows up to a space, comma, or the end.
    pub pattern: &'static str,
    pub severity: Severity,
    /// What happened, in plain words: one sentence, or two.
    pub cause: Text,
    /// What to do: commands and flags by name, the most likely remedy first.
    pub advice: Text,
    /// Where more is said, if anywhere: a page of the project that writes the line.
    pub link: Option<&'static str>,
    /// A whole line as it is written, which the pattern finds. Tests read it.
    pub line: &'static str,
}

/// All entries.
pub fn all() -> impl Iterator<Item = &'static Known> {
    [
        kernel::LINES,
        llamacpp::LINES,
        lmdeploy::LINES,
        mindie::LINES,
        ollama::LINES,
        pytorch::LINES,
        sglang::LINES,
        tgi::LINES,
        triton::LINES,
        vllm::LINES,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_entry_finds_its_own_line_and_no_entry_hides_another() {
        for known in all() {
            let found = find(known.line);
            let ids: Vec<&str> = found.iter().map(|found| found.known.id).collect();
            assert_eq!(ids, [known.id], "{}", known.line);
        }
    }

    #[test]
    fn a_number_is_not_found_in_a_longer_one() {
        let check = |code: &str, expected: &[&str]| {
            let found = find(&format!("NVRM: Xid (PCI:0000:65:00): {code}, pid=1, name=x, Ch 08"));
            let ids: Vec<&str> = found.iter().map(|found| found.known.id).collect();
            assert_eq!(ids, expected, "{code}");
        };
        check("79", &["kernel.xid_79"]);
        check("7", &[]);
        check("790", &[]);
        check("179", &[]);
    }

    #[test]
    fn texts_speak_of_what_the_pattern_names_only() {
        for known in all() {
            let texts = [known.cause.en, known.cause.zh, known.advice.en, known.advice.zh];
            assert!(texts.iter().all(|text| !text.is_empty()), "{}", known.id);
            for text in texts {
                for name in matching::names(text) {
                    assert!(
                        matching::names(known.pattern).any(|known| known == name),
                        "{}: {name}",
                        known.id
                    );
                }
            }
        }
    }

    #[test]
    fn names_are_unique_and_there_are_enough() {
        let names: BTreeSet<&str> = all().map(|known| known.id).collect();
        assert_eq!(names.len(), all().count());
        assert!(names.len() >= 80, "{}", names.len());
    }
}
