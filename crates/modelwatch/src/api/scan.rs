//! What the query APIs of others have in common: they say a filter in our language, and read lines one by one
//! where the store does not sum them up.

use std::ops::ControlFlow;

use model::{
    log::Line,
    series::{Budget, TimeRange},
};
use store::events::{
    Aggregate, Event as _, Events, Filter, GroupBy, Key, LINES, Measure, Order, QueryError, Search,
    read_line,
};

/// Most lines that one question reads one by one; an answer from fewer than there are says so.
pub(super) const LINES_READ_MAX: usize = 1_000_000;
/// Lines of one page: what is in memory at the same time.
const PAGE: usize = 2_000;

/// A value in the filter language, whatever is in it.
pub(super) fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for letter in value.chars() {
        if matches!(letter, '"' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push('"');
    text
}

/// A regular expression in the filter language.
pub(super) fn slashed(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len() + 2);
    text.push('/');
    let mut is_escaped = false;
    for letter in pattern.chars() {
        if letter == '/' && !is_escaped {
            text.push('\\');
        }
        is_escaped = letter == '\\' && !is_escaped;
        text.push(letter);
    }
    text.push('/');
    text
}

/// Understands a filter of lines; fails with what is wrong with it.
pub(super) fn filter(text: &str) -> Result<Filter, String> {
    Filter::parse(text, Line::schema()).map_err(|error| error.to_string())
}

/// Which lines are read.
pub(super) struct Scan<'a> {
    pub(super) events: &'a Events,
    pub(super) filter: &'a Filter,
    pub(super) range: TimeRange,
    pub(super) is_newest_first: bool,
    /// As many as are wanted, where that is known.
    pub(super) wanted: Option<usize>,
    pub(super) budget: &'a Budget,
}

/// How far it went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scanned {
    pub(super) lines: usize,
    pub(super) bytes: usize,
    /// There are more, which were not read.
    pub(super) is_cut: bool,
    pub(super) damaged: usize,
}

impl Scan<'_> {
    /// Hands lines out in the order of their time, with their numbers, until there are no more, they are too
    /// many, or `each` has enough.
    pub(super) fn each(
        &self,
        mut each: impl FnMut(u64, Line) -> ControlFlow<()>,
    ) -> Result<Scanned, QueryError> {
        let mut scanned = Scanned::default();
        let mut after = None;
        let order = if self.is_newest_first { Order::Newest } else { Order::Oldest };
        if self.range.start > self.range.end {
            return Ok(scanned);
        }
        loop {
            let limit = self.wanted.unwrap_or(PAGE).clamp(1, PAGE);
            let search = Search {
                filter: self.filter,
                range: self.range,
                order,
                limit,
                after,
                with_private: false,
                timeout: self.budget.left(),
            };
            let page = self.events.search(LINES, &search)?;
            scanned.damaged += page.damaged;
            for hit in page.hits {
                if scanned.lines == LINES_READ_MAX {
                    scanned.is_cut = true;
                    return Ok(scanned);
                }
                let line = read_line(&hit.record);
                scanned.lines += 1;
                scanned.bytes += line.body.len();
                if each(hit.number, line).is_break() {
                    return Ok(scanned);
                }
            }
            match page.next {
                Some(_) if self.budget.check().is_err() => return Err(QueryError::Timeout),
                Some(next) => after = Some(next),
                None => return Ok(scanned),
            }
        }
    }
}

/// How many lines there are of each group.
pub(super) fn counts(
    events: &Events,
    filter: &Filter,
    range: TimeRange,
    by: &[GroupBy<'_>],
    budget: &Budget,
) -> Result<Vec<(Vec<Key>, u64)>, QueryError> {
    if range.start > range.end {
        return Ok(Vec::new());
    }
    let measures = [Measure::Count];
    let timeout = budget.left();
    let question = Aggregate { filter, range, by, measures: &measures, timeout };
    let rows = events.aggregate(LINES, &question)?.rows;
    let count = |values: &[Option<f64>]| values.first().copied().flatten().unwrap_or_default();
    Ok(rows.into_iter().map(|row| (row.keys, count(&row.values) as u64)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_expressions_are_understood_as_they_are() {
        for value in ["a", "a b", "\"", "\\", "*", "a*b?", "(", "a:b", "/x/", "\n"] {
            assert!(filter(&format!("host:{}", quoted(value))).is_ok(), "{value}");
        }
        let check = |pattern: &str, expected: &str| {
            assert_eq!(slashed(pattern), expected);
            assert!(filter(&format!("body:{expected}")).is_ok(), "{pattern}");
        };
        check("a/b", "/a\\/b/");
        check("a\\/b", "/a\\/b/");
        check("a\\\\/b", "/a\\\\\\/b/");
        check("a b \\d+", "/a b \\d+/");
    }
}
