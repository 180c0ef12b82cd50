//! `/api/mw/v1/logs/context`: the lines of the same log around a line.

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use model::{
    UnixMs,
    log::{Line, Origin},
    series::TimeRange,
};
use serde_json::{Value, json};
use store::{
    Store,
    events::{Event as _, Filter, Hit, LINES, Order, QueryError, Search, read_line},
};

use super::{TIMEOUT, hit_json};
use crate::{
    api::{
        form::{Form, invalid},
        json::ApiError,
        requests::{Answer, needed_time, ok, refused},
        scan::quoted,
    },
    wire::App,
};

/// Lines on either side unless another number is asked for.
const LINES_AROUND: usize = 10;
/// Most lines on either side, however many are asked for.
pub(in crate::api) const LINES_AROUND_MAX: usize = 100;
/// Lines that are read at a time.
const PAGE: usize = 256;

pub(in crate::api) async fn context(State(app): State<Arc<App>>, form: Form) -> Answer {
    let time = needed_time(&form, "time")?;
    let number = form.get("id").and_then(|id| id.parse::<u64>().ok());
    let number = number.ok_or_else(|| invalid("id", "it is that of a line"))?;
    let [before, after] = ["before", "after"].map(|name| around(&form, name));
    let (before, after) = (before?, after?);
    let store = app.store.clone();
    let found = app.queries.run(Some(TIMEOUT), move |_, budget| {
        let left = || budget.left();
        let found = find(&store, number, time, (before, after), &left).map_err(refused)?;
        found.ok_or_else(|| ApiError::not_found("there is no such line, or it is too old"))
    });
    let (hits, at) = found.await?;
    let lines: Vec<Value> = hits.iter().map(hit_json).collect();
    ok(&json!({ "lines": lines, "at": at }))
}

fn around(form: &Form, name: &str) -> Result<usize, ApiError> {
    Ok(match form.get(name) {
        None => LINES_AROUND,
        Some(_) => form.limit(name)?.min(LINES_AROUND_MAX),
    })
}

/// The lines around the one with a number, in the order in which they were written, and where it is among them.
fn find(
    store: &Store,
    number: u64,
    time: UnixMs,
    (before, after): (usize, usize),
    left: &dyn Fn() -> Duration,
) -> Result<Option<(Vec<Hit>, usize)>, QueryError> {
    let walk = |filter: &Filter, range: TimeRange, order, take: &mut dyn FnMut(Hit) -> bool| {
        let mut cursor = None;
        loop {
            let (after, with_private, timeout) = (cursor, false, left());
            let search = Search { filter, range, order, limit: PAGE, after, with_private, timeout };
            let page = store.events().search(LINES, &search)?;
            let is_enough = page.hits.into_iter().any(|hit| !take(hit));
            cursor = page.next;
            if is_enough || cursor.is_none() {
                return Ok(());
            }
        }
    };
    let (filter, at_once) = (Filter::default(), TimeRange { start: time, end: time });
    let mut found = None;
    walk(&filter, at_once, Order::Oldest, &mut |hit| {
        if hit.number == number {
            found = Some(hit);
        }
        found.is_none()
    })?;
    let Some(found) = found else { return Ok(None) };
    let origin = read_line(&found.record).origin;
    let filter = same_log(&origin);
    // Of lines of the same time those with smaller numbers came first.
    let neighbours = |range, order, count: usize| {
        let mut neighbours = Vec::new();
        let mut is_beyond = false;
        if count > 0 {
            walk(&filter, range, order, &mut |hit| {
                if is_beyond && is_same_log(&origin, &hit) {
                    neighbours.push(hit);
                } else {
                    is_beyond |= hit.number == number;
                }
                neighbours.len() < count
            })?;
        }
        Ok::<_, QueryError>(neighbours)
    };
    let mut lines = neighbours(TimeRange { start: UnixMs::MIN, end: time }, Order::Newest, before)?;
    lines.reverse();
    let at = lines.len();
    lines.push(found);
    lines.extend(neighbours(TimeRange { start: time, end: UnixMs::MAX }, Order::Oldest, after)?);
    Ok(Some((lines, at)))
}

/// Lines of the same log, and others where its names are too long to be asked for.
fn same_log(origin: &Origin) -> Filter {
    let condition = |(field, value): (&str, &String)| {
        if value.is_empty() {
            format!("NOT {field}:*")
        } else {
            format!("{field}:{}", quoted(value))
        }
    };
    let fields = [("source", &origin.source), ("origin", &origin.origin), ("host", &origin.host)];
    let text = fields.map(condition).join(" ");
    Filter::parse(&text, Line::schema()).unwrap_or_default()
}

fn is_same_log(origin: &Origin, hit: &Hit) -> bool {
    let other = read_line(&hit.record).origin;
    let log = |origin: &Origin| (origin.source.clone(), origin.origin.clone(), origin.host.clone());
    log(origin) == log(&other)
}

#[cfg(test)]
mod tests {
    use model::Clock;
    use store::Options;

    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn line(time: i64, origin: &str, body: String) -> Line {
        let origin = Origin { origin: origin.to_owned(), ..Origin::default() };
        Line {
            time: UnixMs(NOW.0 + time),
            origin: Arc::new(origin),
            severity: None,
            body,
            attributes: Vec::new(),
            place: None,
        }
    }

    #[test]
    fn neighbours_are_of_the_same_log_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW);
        let (store, _) = Store::open(folder.path(), Options::default(), clock).unwrap();
        let quoted = "/var/log/\"x\\".to_owned();
        let long = "y".repeat(5_000);
        let mut lines = Vec::new();
        // Lines 300 to 899 of each log have the same time, of more than one page.
        for number in 0..1_000_i64 {
            let time = if (300..900).contains(&number) { -500 } else { number - 1_000 };
            for origin in [&quoted, &long, &String::new()] {
                lines.push(line(time, origin, format!("{number}")));
            }
        }
        store.events().append(&lines).unwrap();
        let all = |origin: &str| {
            let filter = Filter::default();
            let range = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
            let (order, after, with_private) = (Order::Oldest, None, false);
            let search = Search {
                filter: &filter,
                range,
                order,
                limit: 10_000,
                after,
                with_private,
                timeout: TIMEOUT,
            };
            let hits = store.events().search(LINES, &search).unwrap().hits;
            let start: String = origin.chars().take(1_024).collect();
            hits.into_iter()
                .filter(|hit| read_line(&hit.record).origin.origin == start)
                .collect::<Vec<_>>()
        };
        for origin in [quoted.as_str(), long.as_str(), ""] {
            let hits = all(origin);
            assert_eq!(hits.len(), 1_000);
            let check = |at: usize, before: usize, after: usize| {
                let hit = &hits[at];
                let found = find(&store, hit.number, hit.record.time, (before, after), &|| TIMEOUT);
                let (lines, place) = found.unwrap().unwrap();
                let begin = at.saturating_sub(before);
                let expected = &hits[begin..(at + after + 1).min(1_000)];
                assert_eq!((lines.as_slice(), place), (expected, at - begin), "{at}");
            };
            check(0, 3, 3);
            check(600, 2, 400);
            check(600, 400, 2);
            check(999, 10, 10);
            check(5, 0, 0);
        }
        assert_eq!(find(&store, u64::MAX, NOW, (1, 1), &|| TIMEOUT), Ok(None));
    }
}
