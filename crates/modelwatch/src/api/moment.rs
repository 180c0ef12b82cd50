//! `/api/mw/v1/moment`: everything about one moment: likely causes, what deviates, slow requests, events.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode};
use model::{
    UnixMs,
    exchange::Exchange,
    series::{Budget, SeriesSource, TimeRange},
};
use query::Settings;
use serde_json::{Map, Value, json};
use store::{
    Store,
    events::{Event as _, Filter, Hit, Order, QueryError, Search, Value as Field},
};

use super::{
    events::newest,
    form::Form,
    json::{ApiError, response},
    product::{event_json, object},
    requests::{Answer, millis, needed_time, record_json, refused},
};
use crate::{
    diagnosis::{self, Asked, Cause, Deviation, Moment},
    wire::App,
};

/// How far the window reaches to both sides unless another length is asked for.
const AROUND_MS: i64 = 60_000;
/// Shortest and longest window to one side; others are refused.
const AROUND_MS_MIN: i64 = 5_000;
/// See [`AROUND_MS_MIN`].
const AROUND_MS_MAX: i64 = 3_600_000;
/// Most deviating series that are told.
const DEVIATING_MAX: usize = 20;
/// Most requests that are told.
const REQUESTS_MAX: usize = 20;
/// Requests from before the window that are looked at for those still under way, a page at a time; slower ones come
/// first.
const LOOKED_AT_PAGE: usize = 1_000;
/// Pages of them; what may be beyond is not told, and the answer not whole.
const LOOKED_AT_PAGES: usize = 3;
/// How long before the window a request may have come that was still under way.
const UNDER_WAY: Duration = Duration::from_secs(600);
/// Most events that are told.
const EVENTS_MAX: usize = 50;
/// How long all of it may take; what is found by then is told.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A search for records may take this part of the time that is left: there is more to ask.
const SEARCH_PART: u32 = 4;

pub(super) async fn moment(State(app): State<Arc<App>>, form: Form) -> Answer {
    let now = app.clock.now();
    let at = needed_time(&form, "at")?;
    let around = millis(&form, "around_ms")?.map_or(AROUND_MS, |around| around.0);
    if !(AROUND_MS_MIN..=AROUND_MS_MAX).contains(&around) {
        let bound = |bound: i64| bound.to_string();
        let params = vec![("min", bound(AROUND_MS_MIN)), ("max", bound(AROUND_MS_MAX))];
        return Err(ApiError::refused("refused.around", params));
    }
    let start = UnixMs(at.0 - around);
    // What has not happened yet is not missing.
    let end = UnixMs((at.0 + around).min(now.0).max(start.0 + 1_000));
    let (store, settings) = (app.store.clone(), Settings::default());
    let told = app.queries.run(Some(TIMEOUT), move |source, budget| {
        let moment = Moment { start, end };
        Told::gather(source, budget, &settings, &store, moment)
    });
    let Told { causes, deviations, requests, events, is_whole } = told.await?;
    let body = json!({
        "at": at.0,
        "around_ms": around,
        "is_whole": is_whole,
        "verdicts": causes.iter().map(cause_json).collect::<Vec<_>>(),
        "deviating": deviations.iter().map(deviation_json).collect::<Vec<_>>(),
        "requests": requests.iter().map(record_json).collect::<Vec<_>>(),
        "events": events.iter().map(event_json).collect::<Vec<_>>(),
    });
    Ok(response(StatusCode::OK, body.to_string()))
}

/// What is told of a moment.
struct Told {
    causes: Vec<Cause>,
    deviations: Vec<Deviation>,
    requests: Vec<Hit>,
    events: Vec<model::log::LogRecord>,
    is_whole: bool,
}

impl Told {
    fn gather(
        source: &dyn SeriesSource,
        budget: &Budget,
        settings: &Settings,
        store: &Store,
        moment: Moment,
    ) -> Result<Self, ApiError> {
        let range = TimeRange { start: moment.start, end: moment.end };
        let patience = || budget.left() / SEARCH_PART;
        let events = newest(store, &Filter::default(), range, EVENTS_MAX, patience());
        let (events, has_events) = in_time(events.map(|(events, _)| events))?;
        let (requests, has_requests) = slowest(store, range, &patience)?;
        let asked = Asked { source, budget, settings };
        let causes = diagnosis::causes(asked, moment, &events);
        let deviations = diagnosis::deviations(asked, moment, DEVIATING_MAX);
        Ok(Self {
            is_whole: has_events && has_requests && causes.is_whole && deviations.is_whole,
            causes: causes.items,
            deviations: deviations.items,
            requests,
            events,
        })
    }
}

/// What was found, and whether it was in time; nothing where it was not.
fn in_time<T: Default>(found: Result<T, QueryError>) -> Result<(T, bool), ApiError> {
    match found {
        Ok(found) => Ok((found, true)),
        Err(QueryError::Timeout) => Ok((T::default(), false)),
        Err(error) => Err(refused(error)),
    }
}

/// The slowest of the requests that were under way, and whether none is missing: those that came in the window, and
/// those that came before and reached into it.
fn slowest(
    store: &Store,
    range: TimeRange,
    patience: &dyn Fn() -> Duration,
) -> Result<(Vec<Hit>, bool), ApiError> {
    let schema = Exchange::schema();
    let filter = Filter::default();
    let search = |range, limit, after| {
        let (order, with_private) = (Order::Largest("total_ms"), false);
        let timeout = patience();
        let search = Search { filter: &filter, range, order, limit, after, with_private, timeout };
        in_time(store.events().search(schema.kind, &search).map(Some))
    };
    let (page, mut is_whole) = search(range, REQUESTS_MAX, None)?;
    let mut hits = page.map(|page| page.hits).unwrap_or_default();
    let total = schema.position("total_ms");
    let total = |hit: &Hit| {
        let total = total.and_then(|position| hit.record.value(position));
        total.and_then(Field::as_number).unwrap_or_default()
    };
    let reaches_in =
        |hit: &Hit| hit.record.time.0.saturating_add(total(hit) as i64) >= range.start.0;
    let before = TimeRange { start: range.start - UNDER_WAY, end: UnixMs(range.start.0 - 1) };
    let (mut after, mut reaching) = (None, Vec::new());
    for pages in 1.. {
        let (page, is_in_time) = search(before, LOOKED_AT_PAGE, after)?;
        is_whole &= is_in_time;
        let Some(page) = page else { break };
        reaching.extend(page.hits.into_iter().filter(reaches_in));
        after = page.next;
        // They come slowest first, so that further ones would not be told.
        if after.is_none() || reaching.len() >= REQUESTS_MAX {
            break;
        }
        if pages == LOOKED_AT_PAGES {
            is_whole = false;
            break;
        }
    }
    hits.extend(reaching);
    hits.sort_by(|a, b| total(b).total_cmp(&total(a)));
    hits.truncate(REQUESTS_MAX);
    Ok((hits, is_whole))
}

fn cause_json(cause: &Cause) -> Value {
    let evidence = cause.evidence.iter().map(|evidence| {
        json!({ "query": evidence.query, "value": evidence.value, "usual": evidence.usual })
    });
    let mut members = Map::new();
    members.insert("code".into(), json!(cause.code));
    members.insert("params".into(), object(&cause.params));
    members.insert("evidence".into(), evidence.collect());
    if let Some(event) = &cause.event {
        members.insert("event".into(), event_json(event));
    }
    Value::Object(members)
}

fn deviation_json(deviation: &Deviation) -> Value {
    let Deviation { labels, query, value, usual, spread, score } = deviation;
    let labels: Vec<(&str, &str)> = labels.iter().collect();
    json!({
        "labels": object(&labels), "query": query,
        "value": value, "usual": usual, "spread": spread, "score": score,
    })
}

#[cfg(test)]
mod tests {
    use model::Clock;
    use store::Options;

    use super::*;

    /// Some time in 2027.
    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    /// A request that came so many seconds before the window and took so long.
    fn request(before: i64, seconds: u64) -> Exchange {
        Exchange {
            time: UnixMs(NOW.0 - before * 1_000),
            total: Duration::from_secs(seconds),
            ..Exchange::default()
        }
    }

    /// The lengths of the slowest in seconds, and whether they are all.
    fn found(requests: &[Exchange], patience: Duration) -> (Vec<u64>, bool) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(UnixMs(NOW.0 + 60_000));
        let (store, _) = Store::open(folder.path(), Options::default(), clock).unwrap();
        store.events().append(requests).unwrap();
        let range = TimeRange { start: NOW, end: UnixMs(NOW.0 + 60_000) };
        let (hits, is_whole) = slowest(&store, range, &|| patience).unwrap();
        let total = Exchange::schema().position("total_ms").unwrap();
        let seconds = |hit: &Hit| hit.record.value(total).unwrap().as_number().unwrap() as u64;
        let seconds = hits.iter().map(|hit| seconds(hit) / 1_000);
        (seconds.collect(), is_whole)
    }

    #[test]
    fn requests_of_the_window_are_not_crowded_out() {
        let check = |requests: Vec<Exchange>, expected: &[u64], is_whole: bool| {
            assert_eq!(found(&requests, TIMEOUT), (expected.to_vec(), is_whole));
        };
        let own = [request(-1, 1), request(-30, 2), request(-70, 9)];
        let reaching = [request(50, 55), request(50, 49), request(601, 999)];
        let quiet = own.iter().chain(&reaching).cloned().collect::<Vec<_>>();
        check(quiet.clone(), &[55, 2, 1], true);
        // Longer ones that were over by then.
        let crowd = |count| std::iter::repeat_n(request(500, 100), count);
        check(crowd(1_500).chain(quiet.clone()).collect(), &[55, 2, 1], true);
        let limit = LOOKED_AT_PAGES * LOOKED_AT_PAGE;
        check(crowd(limit).chain(quiet).collect(), &[2, 1], false);
        let many: Vec<Exchange> = (1..40).map(|seconds| request(0, seconds)).collect();
        let slowest: Vec<u64> = (20..40).rev().collect();
        check(many, &slowest, true);
    }

    #[test]
    fn a_search_without_time_is_told() {
        assert_eq!(in_time::<Vec<u8>>(Err(QueryError::Timeout)).unwrap(), (Vec::new(), false));
        assert!(in_time::<Vec<u8>>(Err(QueryError::InvalidCursor)).is_err());
    }
}
