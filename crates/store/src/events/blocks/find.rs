//! Which rows of a block match a filter.

use std::io;

use model::series::TimeRange;

use super::{
    read::{Block, Template, damaged},
    template::{may_be_value, pattern},
};
use crate::events::{
    filter::{Condition, Filter, Node, Test},
    matching::{has_words, is_between},
    schema::FieldType,
    words::Words,
};

/// A set of rows of a block.
#[derive(Clone)]
pub(crate) struct Found(Vec<u64>);

impl Found {
    fn none(rows: u32) -> Self {
        Self(vec![0; (rows as usize).div_ceil(64)])
    }

    fn all(rows: u32) -> Self {
        let mut all = vec![u64::MAX; (rows as usize).div_ceil(64)];
        if let (Some(last), left @ 1..) = (all.last_mut(), rows % 64) {
            *last = (1 << left) - 1;
        }
        Self(all)
    }

    fn put(&mut self, row: usize) {
        if let Some(word) = self.0.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    fn with(mut self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(one, other)| *one = join(*one, *other));
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Rows in their order.
    pub(crate) fn rows(&self) -> impl DoubleEndedIterator<Item = u32> {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at as u32 * 64 + bit)
        })
    }

    /// Tells each row, quickly where all are in it.
    pub(super) fn each(&self, mut tell: impl FnMut(usize)) {
        for (at, word) in self.0.iter().enumerate() {
            let mut left = *word;
            while left != 0 {
                tell(at * 64 + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }
}

/// What a template says about all of its rows.
#[derive(Clone, PartialEq)]
enum Answer {
    No,
    Yes,
    /// It depends on values, one of which must have this word in lower case of ASCII, where there is one.
    Look(Option<Box<str>>),
}

impl From<bool> for Answer {
    fn from(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }
}

impl Block<'_> {
    /// The rows of a range that match.
    pub(crate) fn find(&self, filter: &Filter, range: TimeRange) -> io::Result<Found> {
        let rows = self.rows();
        let within = match self.is_in(range) {
            (false, _) => return Ok(Found::none(rows)),
            (true, true) => Found::all(rows),
            (true, false) => {
                let mut inside = Found::none(rows);
                for (row, time) in self.times()?.iter().enumerate() {
                    if range.start.0 <= *time && *time <= range.end.0 {
                        inside.put(row);
                    }
                }
                inside
            }
        };
        self.node(&filter.0, within)
    }

    /// Of the rows `within`, those that match.
    fn node(&self, node: &Node, within: Found) -> io::Result<Found> {
        if within.is_empty() {
            return Ok(within);
        }
        match node {
            Node::All => Ok(within),
            Node::And(nodes) => {
                let mut order: Vec<&Node> = nodes.iter().collect();
                order.sort_by_key(|node| cost(node));
                order.into_iter().try_fold(within, |within, node| self.node(node, within))
            }
            Node::Or(nodes) => {
                let mut found = Found::none(self.rows());
                for node in nodes {
                    let left = within.clone().with(&found, |all, found| all & !found);
                    found = found.with(&self.node(node, left)?, |one, other| one | other);
                }
                Ok(found)
            }
            Node::Not(node) => {
                let found = self.node(node, within.clone())?;
                Ok(within.with(&found, |all, found| all & !found))
            }
            Node::Is(condition) => match condition.field_type {
                FieldType::Body | FieldType::Pattern => self.by_template(
                    within,
                    |template| self.of_body(condition, template),
                    |template, group, ordinal, body| {
                        self.body(template, group, ordinal, body);
                        match condition.field_type {
                            _ if body.is_empty() => false,
                            FieldType::Pattern => condition.test.matches(&pattern(body)),
                            _ => condition.test.matches(body),
                        }
                    },
                ),
                FieldType::Map => self.by_attribute(condition, within),
                FieldType::Count => self.by_count(condition, within),
                _ => self.by_stream(condition, within),
            },
        }
    }

    fn by_stream(&self, condition: &Condition, within: Found) -> io::Result<Found> {
        let matches = |text: &str| condition.test == Test::Present || condition.test.matches(text);
        let streams = self.dictionary()?.streams();
        let wanted: Vec<bool> =
            streams.map(|stream| stream.get(condition.position).is_some_and(matches)).collect();
        if wanted.iter().all(|wanted| !wanted) {
            return Ok(Found::none(self.rows()));
        }
        let found = Found(self.streams()?.bits(&wanted));
        Ok(found.with(&within, |found, within| found & within))
    }

    fn by_count(&self, condition: &Condition, within: Found) -> io::Result<Found> {
        let column = self.counts(condition.position)?;
        let mut found = Found::none(self.rows());
        within.each(|row| {
            let count = column.get(row).and_then(|count| count.checked_sub(1));
            let is_found = count.is_some_and(|count| match condition.test {
                Test::Between(low, high) => is_between(count as f64, low, high),
                _ => true,
            });
            if is_found {
                found.put(row);
            }
        });
        Ok(found)
    }

    fn by_attribute(&self, condition: &Condition, within: Found) -> io::Result<Found> {
        let Some(name) = condition.name.as_deref() else {
            let has_any = |template: &Template| Ok((!template.names.is_empty()).into());
            return self.by_template(within, has_any, |_, _, _, _| false);
        };
        // A record may have a name more than once.
        let has = |template: &Template| template.names.iter().any(|known| &**known == name);
        let may_match = match &condition.test {
            Test::Exact(value) => self.may_hold_all(Words::new(value))?,
            _ => true,
        };
        self.by_template(
            within,
            |template| {
                Ok(match has(template) {
                    true if condition.test == Test::Present => Answer::Yes,
                    true if may_match => Answer::Look(None),
                    _ => Answer::No,
                })
            },
            |template, group, ordinal, _| {
                let mut own = (template.slots()..).zip(&template.names);
                own.any(|(slot, known)| {
                    &**known == name && condition.test.matches(group.value(slot, ordinal))
                })
            },
        )
    }

    fn may_hold_all(&self, mut words: impl Iterator<Item = String>) -> io::Result<bool> {
        words.try_fold(true, |all, word| Ok(all && self.may_hold(&word)?))
    }

    /// Asks each template, and looks at the values of those that do not know.
    fn by_template(
        &self,
        within: Found,
        ask: impl Fn(&Template) -> io::Result<Answer>,
        look: impl Fn(&Template, &super::read::Group, u32, &mut String) -> bool,
    ) -> io::Result<Found> {
        let templates = &self.dictionary()?.templates;
        let answers = templates.iter().map(ask).collect::<io::Result<Vec<Answer>>>()?;
        if answers.iter().all(|answer| *answer == Answer::No) {
            return Ok(Found::none(self.rows()));
        }
        let ids = self.templates()?;
        let sure: Vec<bool> = answers.iter().map(|answer| *answer == Answer::Yes).collect();
        let mut found = Found(ids.bits(&sure));
        found = found.with(&within, |found, within| found & within);
        if !answers.iter().any(|answer| matches!(answer, Answer::Look(_))) {
            return Ok(found);
        }
        let mut rows = Vec::new();
        within.each(|row| {
            if let Some(Answer::Look(word)) = answers.get(ids.get(row)) {
                rows.push((row, word.as_deref()));
            }
        });
        if rows.is_empty() {
            return Ok(found);
        }
        let ordinals = self.ordinals()?;
        let mut groups = vec![None; templates.len()];
        let mut body = String::new();
        for (row, word) in rows {
            let id = ids.get(row);
            let (Some(template), Some(ordinal)) = (templates.get(id), ordinals.get(row)) else {
                return Err(damaged());
            };
            let Some(place) = groups.get_mut(id) else { return Err(damaged()) };
            let group = match place {
                Some(group) => group,
                none => none.insert(self.group(id)?),
            };
            let is_possible = word.is_none_or(|word| group.has(*ordinal, word));
            if is_possible && look(template, group, *ordinal, &mut body) {
                found.put(row);
            }
        }
        Ok(found)
    }

    /// What a template says about a condition of its bodies.
    fn of_body(&self, condition: &Condition, template: &Template) -> io::Result<Answer> {
        // A record without a body; nothing can be said about it.
        if !template.is_whole
            && template.slots() == 0
            && template.pieces.iter().all(|p| p.is_empty())
        {
            return Ok(Answer::No);
        }
        if condition.field_type == FieldType::Pattern {
            let test =
                |pattern: &str| condition.test == Test::Present || condition.test.matches(pattern);
            return Ok(template.pattern.as_deref().map_or(Answer::Look(None), |p| test(p).into()));
        }
        if template.is_whole {
            return Ok(match &condition.test {
                Test::Words { words, is_prefix } => {
                    let exact = words.iter().take(words.len() - usize::from(*is_prefix));
                    if self.may_hold_all(exact.cloned())? { Answer::Look(None) } else { Answer::No }
                }
                _ => Answer::Look(None),
            });
        }
        let has_values = template.slots() > 0;
        let in_text = |test: &dyn Fn(&str) -> bool| template.pieces.iter().any(|piece| test(piece));
        Ok(match &condition.test {
            Test::Present => Answer::Yes,
            Test::Character(wanted) => in_text(&|text| text.contains(*wanted)).into(),
            Test::Words { words, is_prefix } => self.of_words(words, *is_prefix, template)?,
            _ if has_values => Answer::Look(None),
            test => in_text(&|text| test.matches(text)).into(),
        })
    }

    fn of_words(
        &self,
        words: &[String],
        is_prefix: bool,
        template: &Template,
    ) -> io::Result<Answer> {
        if template.pieces.iter().any(|piece| has_words(piece, words, is_prefix)) {
            return Ok(Answer::Yes);
        }
        if template.slots() == 0 {
            return Ok(Answer::No);
        }
        let Some((last, before)) = words.split_last() else { return Ok(Answer::No) };
        let (mut has_value, mut only_in_values) = (is_prefix, None);
        for (word, is_end) in before.iter().map(|word| (word, false)).chain([(last, is_prefix)]) {
            let one = std::slice::from_ref(word);
            let is_in_text = template.pieces.iter().any(|piece| has_words(piece, one, is_end));
            let may_be = is_end || may_be_value(word) && self.may_hold(word)?;
            if !is_in_text {
                if !may_be || !self.has_value(template, word)? {
                    return Ok(Answer::No);
                }
                only_in_values = Some(word.as_str()).filter(|word| word.is_ascii());
            }
            has_value |= may_be;
        }
        // Without a word that may be a value, the text between two values would have had them all.
        Ok(if has_value { Answer::Look(only_in_values.map(Into::into)) } else { Answer::No })
    }
}

/// What is cheap is asked first.
fn cost(node: &Node) -> u8 {
    match node {
        Node::All => 0,
        Node::Is(condition) => match (condition.field_type, &condition.test) {
            (FieldType::Body | FieldType::Map, Test::Expression(_) | Test::Pattern(_)) => 4,
            (FieldType::Body | FieldType::Map | FieldType::Count, _) => 2,
            _ => 1,
        },
        Node::And(_) | Node::Or(_) | Node::Not(_) => 3,
    }
}
