//! `/api/mw/v1/logs/patterns`: what lines have in common, most frequent first.
//!
//! The store knows of each line what it says without its values ([`store::events::pattern`]); what differs in single
//! words besides is made one by [`logs::Patterns`].

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::extract::State;
use logs::Patterns;
use model::{UnixMs, log::Line, series::TimeRange};
use serde_json::{Value, json};
use store::{
    Store,
    events::{
        Aggregate, Event as _, Filter, GroupBy, Hit, KEYWORD_BYTES_MAX, Key, LINES, Measure, Order,
        QueryError, Search, read_line,
    },
};

use super::{TIMEOUT, counts, histogram::Columns, hit_json};
use crate::{
    api::{
        form::Form,
        requests::{Answer, Scope, ok, refused},
        scan::quoted,
    },
    wire::App,
};

/// Patterns unless another number is asked for.
const PATTERNS: usize = 100;
/// Most patterns, however many are asked for.
pub(in crate::api) const PATTERNS_MAX: usize = 1_000;
/// Points of the trend of a pattern.
const TREND: usize = 24;
/// Lines among which examples are looked for at first; of patterns without one there, each is looked for alone.
const NEWEST: usize = 1_000;

pub(in crate::api) async fn patterns(State(app): State<Arc<App>>, form: Form) -> Answer {
    let Scope { filter, range } = Scope::read(&app, &form, Line::schema())?;
    let limit = match form.limit("limit")? {
        0 => PATTERNS,
        limit => limit.min(PATTERNS_MAX),
    };
    let store = app.store.clone();
    let found = app.queries.run(Some(TIMEOUT), move |_, budget| {
        let left = || budget.left();
        let mut found = Found::read(&store, &filter, range, &left).map_err(refused)?;
        found.keep(limit);
        found.add_trends(&store, &filter, range, &left).map_err(refused)?;
        found.add_examples(&store, &filter, range, &left).map_err(refused)?;
        Ok(found)
    });
    let found = found.await?;
    let patterns: Vec<Value> = found.patterns.iter().map(Pattern::json).collect();
    ok(&json!({ "patterns": patterns, "total": found.total, "others": found.others }))
}

/// Lines that say the same.
struct Pattern {
    text: String,
    count: u64,
    first: i64,
    last: i64,
    /// That of most of its lines.
    severity: Option<String>,
    /// Lines of each severity.
    severities: HashMap<Option<String>, u64>,
    /// What the store calls its newest lines.
    newest: Box<str>,
    example: Option<Hit>,
    trend: Vec<u64>,
}

/// All patterns of a question, or its most frequent.
struct Found {
    patterns: Vec<Pattern>,
    /// By what the store calls them, the places of the patterns.
    places: HashMap<Box<str>, usize>,
    /// How many patterns there are.
    total: usize,
    /// Lines of the patterns that are not kept, and of those beyond what can be told apart.
    others: u64,
}

impl Found {
    fn read(
        store: &Store,
        filter: &Filter,
        range: TimeRange,
        left: &dyn Fn() -> Duration,
    ) -> Result<Self, QueryError> {
        let by = [GroupBy::Field("pattern"), GroupBy::Field("severity")];
        let measures = [Measure::Count, Measure::First, Measure::Last];
        let question = Aggregate { filter, range, by: &by, measures: &measures, timeout: left() };
        let mut rows = store.events().aggregate(LINES, &question)?.rows;
        let number = |values: &[Option<f64>], at: usize| {
            values.get(at).copied().flatten().unwrap_or_default()
        };
        // The most frequent ones find room for certain.
        rows.sort_by(|a, b| number(&b.values, 0).total_cmp(&number(&a.values, 0)));
        let mut merged = Patterns::default();
        let mut found = Self { patterns: Vec::new(), places: HashMap::new(), total: 0, others: 0 };
        for row in rows {
            let count = number(&row.values, 0) as u64;
            let mut keys = row.keys.into_iter();
            let (Some(Key::Value(name)), Some(severity)) = (keys.next(), keys.next()) else {
                found.others += count;
                continue;
            };
            let Some(place) = merged.push(&name) else {
                found.others += count;
                continue;
            };
            let severity = match severity {
                Key::Value(severity) => Some(severity.into_string()),
                _ => None,
            };
            let times = (number(&row.values, 1) as i64, number(&row.values, 2) as i64);
            found.add(place, name, count, severity, times);
        }
        for (pattern, merged) in found.patterns.iter_mut().zip(merged.all()) {
            pattern.text = merged.text();
            let most = pattern.severities.iter().max_by_key(|(name, count)| (**count, *name));
            pattern.severity = most.and_then(|(name, _)| name.clone());
        }
        found.total = found.patterns.len();
        Ok(found)
    }

    fn add(
        &mut self,
        place: usize,
        name: Box<str>,
        count: u64,
        severity: Option<String>,
        (first, last): (i64, i64),
    ) {
        self.places.insert(name.clone(), place);
        if place == self.patterns.len() {
            self.patterns.push(Pattern {
                text: String::new(),
                count: 0,
                first,
                last: i64::MIN,
                severity: None,
                severities: HashMap::new(),
                newest: Box::default(),
                example: None,
                trend: Vec::new(),
            });
        }
        let Some(pattern) = self.patterns.get_mut(place) else { return };
        pattern.count += count;
        pattern.first = pattern.first.min(first);
        if last > pattern.last {
            pattern.last = last;
            pattern.newest = name;
        }
        *pattern.severities.entry(severity).or_default() += count;
    }

    /// Only the most frequent.
    fn keep(&mut self, limit: usize) {
        let mut order: Vec<usize> = (0..self.patterns.len()).collect();
        let count = |place: &usize| self.patterns.get(*place).map_or(0, |pattern| pattern.count);
        order.sort_by_key(|place| std::cmp::Reverse(count(place)));
        let rank: HashMap<usize, usize> =
            order.iter().take(limit).enumerate().map(|(rank, place)| (*place, rank)).collect();
        let mut kept: Vec<(usize, Pattern)> = Vec::new();
        for (place, pattern) in std::mem::take(&mut self.patterns).into_iter().enumerate() {
            match rank.get(&place) {
                Some(rank) => kept.push((*rank, pattern)),
                None => self.others += pattern.count,
            }
        }
        kept.sort_by_key(|(rank, _)| *rank);
        self.patterns = kept.into_iter().map(|(_, pattern)| pattern).collect();
        self.places.retain(|_, place| match rank.get(place) {
            Some(rank) => {
                *place = *rank;
                true
            }
            None => false,
        });
    }

    /// How each went over time; empty where there are too many of them to tell.
    fn add_trends(
        &mut self,
        store: &Store,
        filter: &Filter,
        range: TimeRange,
        left: &dyn Fn() -> Duration,
    ) -> Result<(), QueryError> {
        let columns = Columns::of(range, trend_step(range));
        let step = Duration::from_millis(columns.step.unsigned_abs());
        let by = [GroupBy::Field("pattern"), GroupBy::Time(step)];
        let (measures, timeout) = (&[Measure::Count], left());
        let question = Aggregate { filter, range, by: &by, measures, timeout };
        let groups = match counts(store.events(), &question) {
            Err(QueryError::TooManyGroups(_)) => return Ok(()),
            groups => groups?,
        };
        self.patterns.iter_mut().for_each(|pattern| pattern.trend = vec![0; TREND]);
        for (keys, count) in groups {
            let mut keys = keys.into_iter();
            let (Some(Key::Value(name)), Some(Key::Time(time))) = (keys.next(), keys.next()) else {
                continue;
            };
            let place = self.places.get(&name);
            let pattern = place.and_then(|place| self.patterns.get_mut(*place));
            let column = columns.place(time.0);
            if let Some((pattern, column)) = pattern.zip(column)
                && let Some(point) = pattern.trend.get_mut(column)
            {
                *point += count;
            }
        }
        Ok(())
    }

    /// A line of each: its newest.
    fn add_examples(
        &mut self,
        store: &Store,
        filter: &Filter,
        range: TimeRange,
        left: &dyn Fn() -> Duration,
    ) -> Result<(), QueryError> {
        let search = |filter: &Filter, range, limit| {
            let (order, after, with_private) = (Order::Newest, None, false);
            let search =
                Search { filter, range, order, limit, after, with_private, timeout: left() };
            store.events().search(LINES, &search)
        };
        for hit in search(filter, range, NEWEST)?.hits {
            let body = read_line(&hit.record).body;
            let name = store::events::pattern(&body);
            let end = name.floor_char_boundary(KEYWORD_BYTES_MAX);
            let place = name.get(..end).and_then(|name| self.places.get(name));
            if let Some(pattern) = place.and_then(|place| self.patterns.get_mut(*place)) {
                pattern.example.get_or_insert(hit);
            }
        }
        for pattern in self.patterns.iter_mut().filter(|pattern| pattern.example.is_none()) {
            let time = UnixMs(pattern.last);
            let only = TimeRange { start: time, end: time };
            let alike = format!("pattern:{}", quoted(&pattern.newest));
            // One that is too long to be asked for has no example.
            let Ok(alike) = Filter::parse(&alike, Line::schema()) else {
                continue;
            };
            let alike = search(&alike, only, NEWEST)?.hits;
            pattern.example = alike.into_iter().find(|hit| filter.matches(&hit.record));
        }
        Ok(())
    }
}

/// The shortest step of which no more than the points of a trend touch the range.
fn trend_step(range: TimeRange) -> i64 {
    let span = range.end.0.saturating_sub(range.start.0);
    span.div_euclid(TREND as i64 - 1).saturating_add(1)
}

impl Pattern {
    fn json(&self) -> Value {
        let mut value = json!({
            "pattern": self.text,
            "count": self.count,
            "first": self.first,
            "last": self.last,
            "severity": self.severity,
            "trend": self.trend,
        });
        if let Some(example) = &self.example {
            value["example"] = hit_json(example);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use model::{
        Clock,
        log::{Origin, Severity},
    };
    use store::Options;

    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn line(seconds: u64, severity: Option<Severity>, body: &str) -> Line {
        Line {
            time: NOW - Duration::from_secs(seconds),
            origin: Arc::new(Origin::default()),
            severity,
            body: body.to_owned(),
            attributes: Vec::new(),
            place: None,
        }
    }

    #[test]
    fn lines_that_say_the_same_are_counted_together() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW);
        let (store, _) = Store::open(folder.path(), Options::default(), clock.clone()).unwrap();
        let mut lines: Vec<Line> = (0..10)
            .map(|number| line(600 + number, Some(Severity::Info), &format!("took {number} ms")))
            .collect();
        lines.push(line(500, Some(Severity::Warn), "took 1.5 ms"));
        lines.push(line(2_000, None, "failed to open alpha now"));
        lines.push(line(1_000, None, "failed to open \"beta\" now"));
        lines.push(line(1, None, "once"));
        store.events().append(&lines).unwrap();
        for is_committed in [false, true] {
            if is_committed {
                store.events().commit().unwrap();
            }
            let range = TimeRange { start: NOW - Duration::from_secs(2_400), end: NOW };
            let (filter, left) = (Filter::default(), || TIMEOUT);
            let mut found = Found::read(&store, &filter, range, &left).unwrap();
            found.keep(2);
            found.add_trends(&store, &filter, range, &left).unwrap();
            found.add_examples(&store, &filter, range, &left).unwrap();
            assert_eq!((found.total, found.others), (3, 1));
            let told = |pattern: &Pattern| {
                let example = pattern.example.as_ref().map(hit_json).unwrap_or_default();
                (pattern.text.clone(), pattern.count, example["body"].clone())
            };
            let told: Vec<_> = found.patterns.iter().map(told).collect();
            let expected = [
                ("took <*> ms".to_owned(), 11, json!("took 1.5 ms")),
                ("failed to open <*> now".to_owned(), 2, json!("failed to open \"beta\" now")),
            ];
            assert_eq!(told, expected);
            let first = &found.patterns[0];
            assert_eq!((first.first, first.last), (NOW.0 - 609_000, NOW.0 - 500_000));
            assert_eq!(first.severity.as_deref(), Some("info"));
            assert_eq!((first.trend.len(), first.trend.iter().sum::<u64>()), (TREND, 11));
            assert_eq!(found.patterns[1].trend.iter().filter(|count| **count == 1).count(), 2);
        }
    }

    #[test]
    fn an_example_is_found_however_many_lines_are_newer() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW);
        let (store, _) = Store::open(folder.path(), Options::default(), clock).unwrap();
        let mut lines = vec![line(900, None, "a \\ \"rare\" one: 7")];
        lines.extend((0..NEWEST as u64 + 1).map(|_| line(1, None, "frequent")));
        store.events().append(&lines).unwrap();
        let range = TimeRange { start: NOW - Duration::from_secs(1_000), end: NOW };
        let (filter, left) = (Filter::default(), || TIMEOUT);
        let mut found = Found::read(&store, &filter, range, &left).unwrap();
        found.keep(PATTERNS);
        found.add_examples(&store, &filter, range, &left).unwrap();
        let example = found.patterns[1].example.as_ref().map(hit_json).unwrap();
        assert_eq!(example["body"], "a \\ \"rare\" one: 7");
    }

    #[test]
    fn a_trend_has_room_for_all_steps() {
        for (start, end) in [(0, 0), (1, 24), (7, 3_600_007), (-5, 86_400_000)] {
            let range = TimeRange { start: UnixMs(start), end: UnixMs(end) };
            let columns = Columns::of(range, trend_step(range));
            assert!(columns.count <= TREND, "{start} {end}: {}", columns.count);
        }
    }
}
