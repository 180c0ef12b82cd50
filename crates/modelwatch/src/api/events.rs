//! `/api/mw/v1/events`: what modelwatch noticed, as far back as it is kept.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode};
use model::{
    log::LogRecord,
    series::{Budget, TimeRange},
};
use serde_json::json;
use store::{
    Store,
    events::{Aggregate, Event as _, Filter, Measure, Noticed, Order, QueryError, Search},
};

use super::{
    form::Form,
    json::{ApiError, response},
    product::event_json,
    requests::{Answer, millis, refused},
};
use crate::wire::App;

/// Events of an answer unless another number is asked for.
const EVENTS: usize = 100;
/// Most events of an answer, however many are asked for.
const EVENTS_MAX: usize = 1_000;
/// How far back is looked where no start is given.
const SPAN: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a question may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Fields that can be asked for; of several values of one, any will do.
const FIELDS: [&str; 3] = ["source", "severity", "code"];

/// The newest events of a range, and how many there are besides.
pub(super) async fn events(State(app): State<Arc<App>>, form: Form) -> Answer {
    let end = millis(&form, "end")?.unwrap_or(app.clock.now());
    let start = millis(&form, "start")?.unwrap_or(end - SPAN);
    if start > end {
        return Err(ApiError::refused("refused.backwards", Vec::new()));
    }
    let limit = match form.limit("limit")? {
        0 => EVENTS,
        limit => limit.min(EVENTS_MAX),
    };
    let filter = filter(&form)?;
    let store = app.store.clone();
    let found = app.queries.run(Some(TIMEOUT), move |_, budget| {
        newest_of_all(&store, &filter, TimeRange { start, end }, limit, budget).map_err(refused)
    });
    let (events, omitted) = found.await?;
    let events: Vec<_> = events.iter().map(event_json).collect();
    let body = json!({ "events": events, "omitted": omitted });
    Ok(response(StatusCode::OK, body.to_string()))
}

/// The newest events that a filter leaves, and how many there are besides.
fn newest_of_all(
    store: &Store,
    filter: &Filter,
    range: TimeRange,
    limit: usize,
    budget: &Budget,
) -> Result<(Vec<LogRecord>, u64), QueryError> {
    let (events, has_more) = newest(store, filter, range, limit, budget.left())?;
    if !has_more {
        return Ok((events, 0));
    }
    let (by, measures, timeout) = (&[], &[Measure::Count], budget.left());
    let counted = Aggregate { filter, range, by, measures, timeout };
    let counted = store.events().aggregate(Noticed::KIND, &counted)?;
    let total = counted.rows.first().and_then(|row| row.values.first().copied().flatten());
    let total = total.map_or(0, |total| total as u64);
    let omitted = total.saturating_sub(u64::try_from(events.len()).unwrap_or(u64::MAX));
    Ok((events, omitted))
}

/// The newest events that a filter leaves, and whether there may be more.
pub(super) fn newest(
    store: &Store,
    filter: &Filter,
    range: TimeRange,
    limit: usize,
    timeout: Duration,
) -> Result<(Vec<LogRecord>, bool), QueryError> {
    let (order, after, with_private) = (Order::Newest, None, false);
    let search = Search { filter, range, order, limit, after, with_private, timeout };
    let page = store.events().search(Noticed::KIND, &search)?;
    let events = page.hits.iter().map(|hit| Noticed::read(&hit.record).0).collect();
    Ok((events, page.next.is_some()))
}

fn filter(form: &Form) -> Result<Filter, ApiError> {
    let mut conditions = Vec::new();
    for field in FIELDS {
        let quoted =
            |value: &str| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
        let values: Vec<String> =
            form.all(field).filter(|value| !value.is_empty()).map(quoted).collect();
        if !values.is_empty() {
            conditions.push(format!("{field}:({})", values.join(" OR ")));
        }
    }
    Filter::parse(&conditions.join(" "), Noticed::schema())
        .map_err(|error| ApiError::bad_data(error.to_string()))
}

#[cfg(test)]
mod tests {
    use model::{Clock, UnixMs, log::Severity};
    use store::Options;

    use super::*;

    /// Some time in 2027.
    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn noticed(minute: u64, source: &str, severity: Severity, code: &str) -> Noticed {
        Noticed(LogRecord {
            time: NOW - Duration::from_secs(60 * minute),
            source: source.into(),
            severity,
            body: code.into(),
            attributes: vec![("reason".into(), "a \"b\" \\ c".into())],
        })
    }

    #[test]
    fn events_are_found_by_time_and_by_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW);
        let (store, _) = Store::open(folder.path(), Options::default(), clock.clone()).unwrap();
        let (engine, quoted) = ("engine a:1", "a \"b\" \\");
        let all = [
            noticed(3, engine, Severity::Error, "event.engine_down"),
            noticed(2, quoted, Severity::Warn, "event.xid"),
            noticed(1, engine, Severity::Info, "event.engine_up"),
        ];
        store.events().append(&all).unwrap();
        let budget = Budget::new(clock.clone(), TIMEOUT, 0);
        let check =
            |query: &str, minutes: (u64, u64), limit: usize, expected: &[usize], omitted| {
                let time = |minutes: u64| NOW - Duration::from_secs(60 * minutes);
                let range = TimeRange { start: time(minutes.0), end: time(minutes.1) };
                let filter = filter(&Form::of(query)).unwrap();
                let expected: Vec<_> = expected.iter().map(|index| all[*index].0.clone()).collect();
                let found = newest_of_all(&store, &filter, range, limit, &budget).unwrap();
                assert_eq!(found, (expected, omitted), "{query}");
            };
        check("", (10, 0), 9, &[2, 1, 0], 0);
        check("", (10, 0), 1, &[2], 2);
        check("", (2, 2), 9, &[1], 0);
        check("severity=warn&severity=error", (10, 0), 9, &[1, 0], 0);
        check("source=engine+a:1", (10, 0), 9, &[2, 0], 0);
        check("source=engine+a:1&severity=info", (10, 0), 9, &[2], 0);
        check("source=a+%22b%22+%5C", (10, 0), 9, &[1], 0);
        check("code=event.xid", (10, 0), 9, &[1], 0);
        check("source=&code=no+such+code", (10, 0), 9, &[], 0);
        check("source=engine*", (10, 0), 9, &[], 0);
    }
}
