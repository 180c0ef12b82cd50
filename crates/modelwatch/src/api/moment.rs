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
    events::{Event as _, Filter, Hit, Order, Search, Value as Field},
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
/// Requests that are looked at; slower ones come first.
const LOOKED_AT: usize = 200;
/// How long before the window a request may have come that was still under way.
const UNDER_WAY: Duration = Duration::from_secs(600);
/// Most events that are told.
const EVENTS_MAX: usize = 50;
/// How long all of it may take; what is found by then is told.
const TIMEOUT: Duration = Duration::from_secs(5);

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
        let (events, _) = newest(store, &Filter::default(), range, EVENTS_MAX)?;
        let requests = slowest(store, range)?;
        let asked = Asked { source, budget, settings };
        let causes = diagnosis::causes(asked, moment, &events);
        let deviations = diagnosis::deviations(asked, moment, DEVIATING_MAX);
        Ok(Self {
            is_whole: causes.is_whole && deviations.is_whole,
            causes: causes.items,
            deviations: deviations.items,
            requests,
            events,
        })
    }
}

/// The slowest of the requests that were under way.
fn slowest(store: &Store, range: TimeRange) -> Result<Vec<Hit>, ApiError> {
    let schema = Exchange::schema();
    let filter = Filter::default();
    let search = Search {
        filter: &filter,
        range: TimeRange { start: range.start - UNDER_WAY, end: range.end },
        order: Order::Largest("total_ms"),
        limit: LOOKED_AT,
        after: None,
        with_private: false,
        timeout: TIMEOUT,
    };
    let page = store.events().search(schema.kind, &search).map_err(refused)?;
    let total = schema.position("total_ms");
    let was_under_way = |hit: &Hit| {
        let total =
            total.and_then(|position| hit.record.value(position)).and_then(Field::as_number);
        let ended = hit.record.time.0.saturating_add(total.unwrap_or_default() as i64);
        ended >= range.start.0
    };
    let mut hits: Vec<Hit> = page.hits.into_iter().filter(was_under_way).collect();
    hits.truncate(REQUESTS_MAX);
    Ok(hits)
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
