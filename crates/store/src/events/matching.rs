//! Whether a record is what a filter wants: the same answer as the index's, for what is not in it yet.

use super::{
    blocks::pattern,
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
            test if self.field_type == FieldType::Pattern => {
                value.as_text().is_some_and(|body| test.matches(&pattern(body)))
            }
            Test::Between(low, high) => {
                value.as_number().is_some_and(|number| is_between(number, *low, *high))
            }
            test => value.as_text().is_some_and(|text| test.matches(text)),
        }
    }
}

impl Test {
    pub(super) fn matches(&self, text: &str) -> bool {
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

/// Whether a text has these words one after the other; of the last perhaps only the beginning is wanted.
pub(super) fn has_words(text: &str, wanted: &[String], is_prefix: bool) -> bool {
    let Some(last) = wanted.len().checked_sub(1) else { return false };
    let mut words = Words::new(text);
    let mut word = String::new();
    // How many of the wanted words stand before the next, for each way to read what was there so far.
    let mut begun: Vec<usize> = Vec::new();
    while words.read(&mut word).is_some() {
        begun.push(0);
        begun.retain_mut(|count| {
            let is_wanted =
                wanted.get(*count).is_some_and(|wanted| match is_prefix && *count == last {
                    true => word.starts_with(wanted.as_str()),
                    false => word == *wanted,
                });
            *count += 1;
            is_wanted
        });
        if begun.iter().any(|count| *count > last) {
            return true;
        }
    }
    false
}

/// Whether the index remembers by itself that the field is known, because it has no column of it.
pub(super) fn is_remembered(field_type: FieldType) -> bool {
    !field_type.has_column()
}
