//! `/api/mw/v1/incidents`, `maintenance` and `routes`: what is wrong, who takes care of it, and who is told.
//!
//! Every change is an event of the source `audit`.

mod maintenance;
mod routes;

use std::{net::SocketAddr, sync::Arc};

use alert::{
    incident::{Incidents, Refusal, view::Wanted},
    matchers,
};
use axum::{
    body::Bytes,
    extract::{ConnectInfo, Path, State},
};
use model::{UnixMs, series::Matcher};
use serde::Deserialize;
use serde_json::json;

use super::{
    audit::{Person, audit},
    form::{Form, invalid},
    json::{self, ApiError},
    requests::{Answer, millis, ok},
};
use crate::wire::App;

pub(super) use maintenance::{forget as forget_window, list as windows, put as put_window};
pub(super) use routes::routes;

/// Most incidents of a page, and how many without `limit`.
pub(super) const PAGE_MAX: usize = 500;
const PAGE: usize = 100;
/// Most alerts of each incident of a page; one that is asked for by itself shows more.
const PAGE_ALERTS: usize = 100;
/// Most lanes, and how many without `limit`.
pub(super) const LANES_MAX: usize = 1_000;
const LANES: usize = 200;
/// How far back is looked without `start`.
const HISTORY_MS: i64 = 24 * 3_600_000;
/// Largest body.
const BODY_BYTES_MAX: usize = 32 << 10;

/// Incidents, newest first.
pub(super) async fn list(State(app): State<Arc<App>>, form: Form) -> Answer {
    let is_open_only = match form.get("state").unwrap_or("open") {
        "open" => true,
        "all" => false,
        other => return Err(invalid("state", &format!("{other:?} is none of open, all"))),
    };
    let matchers = match form.get("filter") {
        Some(text) => matchers::parse_list(text).map_err(|bad| no_matchers(&bad.to_string()))?,
        None => Vec::new(),
    };
    let limit = match form.limit("limit")? {
        0 => PAGE,
        limit => limit.min(PAGE_MAX),
    };
    let after = form.get("cursor").map(cursor).transpose()?;
    let (start, end) = (millis(&form, "start")?, millis(&form, "end")?);
    let wanted = Wanted { is_open_only, start, end, matchers: &matchers, after };
    let (page, has_more) =
        app.incidents.read(|incidents, now| incidents.list(&wanted, limit, PAGE_ALERTS, now));
    let last = page.last().filter(|_| has_more);
    let next = last.map(|last| format!("{}-{}", last.started, last.id));
    ok(&json!({ "incidents": page, "next": next }))
}

fn cursor(text: &str) -> Result<(i64, String), ApiError> {
    let parts =
        text.split_once('-').and_then(|(time, id)| Some((time.parse().ok()?, id.to_owned())));
    parts.ok_or_else(|| invalid("cursor", "it is not the next of a page"))
}

/// One incident.
pub(super) async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    shown(&app, &id)
}

fn shown(app: &App, id: &str) -> Answer {
    let view = app.incidents.read(|incidents, now| incidents.view(id, now));
    let view = view.ok_or_else(|| refused(&Refusal::NoIncident))?;
    ok(&json!(view))
}

/// Groups and when they fired.
pub(super) async fn history(State(app): State<Arc<App>>, form: Form) -> Answer {
    let end = millis(&form, "end")?.unwrap_or_else(|| app.clock.now());
    let start = millis(&form, "start")?.unwrap_or(UnixMs(end.0.saturating_sub(HISTORY_MS)));
    let limit = match form.limit("limit")? {
        0 => LANES,
        limit => limit.min(LANES_MAX),
    };
    let (lanes, omitted) = app.incidents.read(|incidents, _| incidents.history(start, end, limit));
    ok(&json!({ "lanes": lanes, "omitted": omitted }))
}

/// What somebody does to an incident.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Deed {
    author: String,
    assignee: String,
    text: String,
}

type Do = fn(&mut Incidents, &str, &Deed, UnixMs) -> Result<(), Refusal>;

async fn act(
    app: Arc<App>,
    (id, address): (String, SocketAddr),
    body: Bytes,
    code: fn(&Deed) -> &'static str,
    work: Do,
) -> Answer {
    let mut deed: Deed = read_body(&body)?;
    let person = Person::new(address, &deed.author);
    deed.author.clone_from(&person.author);
    let for_work = Arc::clone(&app);
    let task = json::blocking(move || {
        let done = for_work.incidents.change(|incidents, now| work(incidents, &id, &deed, now));
        let ((), kept) = done.map_err(|refusal| refused(&refusal))?;
        let view = for_work.incidents.read(|incidents, now| incidents.view(&id, now));
        let name = view.map(|view| view.name).unwrap_or_default();
        let params = [
            ("name", name),
            ("id", id.clone()),
            ("assignee", deed.assignee.clone()),
            ("text", deed.text.clone()),
        ];
        audit(&for_work, code(&deed), &person, params);
        kept.map_err(|error| unkept(&error))?;
        Ok::<String, ApiError>(id)
    });
    let id = task.await??;
    shown(&app, &id)
}

macro_rules! deed {
    ($name:ident, $meaning:literal, $code:expr, $work:expr) => {
        #[doc = $meaning]
        pub(super) async fn $name(
            State(app): State<Arc<App>>,
            Path(id): Path<String>,
            ConnectInfo(address): ConnectInfo<SocketAddr>,
            body: Bytes,
        ) -> Answer {
            act(app, (id, address), body, $code, $work).await
        }
    };
}

deed!(acknowledge, "Somebody takes care of it.", |_| "audit.acknowledged", |it, id, deed, now| {
    it.acknowledge(id, &deed.author, now)
});
deed!(unacknowledge, "Nobody does any more.", |_| "audit.unacknowledged", |it, id, deed, now| {
    it.unacknowledge(id, &deed.author, now)
});
deed!(
    assign,
    "Says whose it is.",
    |deed| if deed.assignee.trim().is_empty() { "audit.unassigned" } else { "audit.assigned" },
    |it, id, deed, now| it.assign(id, &deed.author, &deed.assignee, now)
);
deed!(note, "Adds a note.", |_| "audit.noted", |it, id, deed, now| {
    it.add_note(id, &deed.author, &deed.text, now)
});
deed!(resolve, "Says that it is over.", |_| "audit.dismissed", |it, id, deed, now| {
    it.resolve(id, &deed.author, now)
});

/// Reads a body of JSON; an empty one says nothing.
fn read_body<T: Default + for<'de> Deserialize<'de>>(body: &Bytes) -> Result<T, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    json::body(body, BODY_BYTES_MAX)
}

fn unkept(error: &std::io::Error) -> ApiError {
    let params = vec![("reason", error.to_string())];
    ApiError::internal(format!("it was done, but cannot be kept on the disk: {error}"))
        .with_message("refused.unkept".into(), params)
}

fn no_matchers(reason: &str) -> ApiError {
    ApiError::refused("refused.matchers", vec![("reason", reason.to_owned())])
}

/// Matchers that are written one by one.
fn parse_all(texts: &[String]) -> Result<Vec<Matcher>, ApiError> {
    matchers::parse_all(texts).map_err(|bad| no_matchers(&bad.to_string()))
}

/// Why something was not done, as a message with its parameters, and whether it is because something is not there.
pub(super) fn reason(refusal: &Refusal) -> (&'static str, Vec<(&'static str, String)>, bool) {
    let (code, params) = match refusal {
        Refusal::NoIncident => return ("refused.incident", Vec::new(), true),
        Refusal::NoSilence => return ("refused.silence", Vec::new(), true),
        Refusal::NoWindow => return ("refused.window", Vec::new(), true),
        Refusal::IsOver => ("refused.incident_over", Vec::new()),
        Refusal::NameMissing => ("refused.name_missing", Vec::new()),
        Refusal::TextMissing => ("refused.text_missing", Vec::new()),
        Refusal::TooLong(what, limit) => {
            ("refused.text_long", vec![("key", (*what).to_owned()), ("limit", limit.to_string())])
        }
        Refusal::TooMany(what, limit) => (
            "refused.too_many_kept",
            vec![("key", (*what).to_owned()), ("limit", limit.to_string())],
        ),
        Refusal::MatchesAll => ("refused.matches_all", Vec::new()),
        Refusal::TooManyMatchers(limit) => {
            ("refused.matchers", vec![("reason", format!("at most {limit} matchers are allowed"))])
        }
        Refusal::EndsBeforeStart => ("refused.window_order", Vec::new()),
        Refusal::EndsInPast => ("refused.window_past", Vec::new()),
        Refusal::TooLongToRepeat => ("refused.window_long", Vec::new()),
        Refusal::NoZone(name) => ("refused.zone", vec![("name", name.clone())]),
    };
    (code, params, false)
}

fn refused(refusal: &Refusal) -> ApiError {
    let (code, params, is_missing) = reason(refusal);
    if is_missing {
        let text = model::message::render(code, &params, model::message::Language::English);
        return ApiError::not_found(text).with_message(code.into(), params);
    }
    ApiError::refused(code, params)
}
