//! Whether a record is what a filter wants: the same answer as the index's, for what is not in it yet.

use super::{
    filter::{Bound, Condition, Filter, Node, Test},
    schema::{FieldType, Record, Value},
    words::Words,
};

impl Filter {
    /// Whether a record of the kind that the filter was read for is one of those.
    pub fn matches(&self, record: &Record) -> bool {
        self.0.matches(record)
    }

    /// Marks the positions of the fields that are looked at.
    pub(super) fn mark(&self, wanted: &mut [bool]) {
        self.0.mark(wanted);
    }
}

impl Node {
    fn mark(&self, wanted: &mut [bool]) {
        match self {
            Self::All => {}
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().for_each(|node| node.mark(wanted)),
            Self::Not(node) => node.mark(wanted),
            Self::Is(condition) => {
                if let Some(wanted) = wanted.get_mut(condition.position) {
                    *wanted = true;
                }
            }
        }
    }

    fn matches(&self, record: &Record) -> bool {
        match self {
            Self::All => true,
            Self::And(nodes) => nodes.iter().all(|node| node.matches(record)),
            Self::Or(nodes) => nodes.iter().any(|node| node.matches(record)),
            Self::Not(node) => !node.matches(record),
            Self::Is(condition) => condition.matches(record),
        }
    }
}

impl Condition {
    fn matches(&self, record: &Record) -> bool {
        let Some(value) = record.value(self.position) else { return false };
        if let (Value::Map(pairs), Some(wanted)) = (value, &self.name) {
            let mut found = pairs.iter().filter(|(name, _)| **name == **wanted);
            return found.any(|(_, value)| self.test.matches(value));
        }
        match &self.test {
            Test::Present => true,
            Test::Between(low, high) => {
                value.as_number().is_some_and(|number| is_between(number, *low, *high))
            }
            test => value.as_text().is_some_and(|text| test.matches(text)),
        }
    }
}

impl Test {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(wanted) => wanted == text,
            Self::Pattern(pattern) => pattern.matches(text),
            Self::Words { words, is_prefix } => has_words(text, words, *is_prefix),
            Self::Character(wanted) => text.contains(*wanted),
            Self::Between(..) => false,
            Self::Expression(expression) => expression.0.is_match(text),
        }
    }
}

pub(super) fn is_between(number: f64, low: Bound, high: Bound) -> bool {
    let is_above = |(bound, includes): (f64, bool)| number > bound || includes && number == bound;
    let is_below = |(bound, includes): (f64, bool)| number < bound || includes && number == bound;
    low.is_none_or(is_above) && high.is_none_or(is_below)
}

fn has_words(text: &str, wanted: &[String], is_prefix: bool) -> bool {
    let Some((last, before)) = wanted.split_last() else { return false };
    let words: Vec<String> = Words::new(text).collect();
    words.windows(wanted.len()).any(|window| {
        let is_last = |word: &String| {
            if is_prefix { word.starts_with(last.as_str()) } else { word == last }
        };
        window.starts_with(before) && window.last().is_some_and(is_last)
    })
}

/// Whether the index remembers by itself that the field is known, because it has no column of it.
pub(super) fn is_remembered(field_type: FieldType) -> bool {
    !field_type.has_column()
}
