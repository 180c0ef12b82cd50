//! `/api/mw/v1/reports`: reports that were made, made anew, previewed, and made by the clock.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Path, State},
    http::{HeaderValue, Response, header},
};
use deliver::FileToSend;
use model::UnixMs;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    audit::{Person, audit},
    form::{Form, invalid, parse_duration_ms},
    json::{self, ApiError},
    query::from_select_error,
    requests::{Answer, needed_time, ok, refused},
};
use crate::{
    reports::{
        self, Entry, Failure, Format, Left, Planned, Run, SPAN_MAX, SPAN_MIN, Schedule,
        ScheduleError, Sources, Wish,
    },
    wire::App,
};

/// The names of formats.
pub(super) const FORMATS: &[&str] = &["html", "pdf", "csv"];
/// Largest order or schedule that is sent.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Longest name of a model.
const MODEL_BYTES_MAX: usize = 1_024;
/// How often it is looked whether a report is due.
const LOOK: Duration = Duration::from_secs(20);
/// How long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(600);
/// A page of a report: it needs its own style, and may be framed by ours, which looks whether it came. It may do
/// nothing else: no script runs in it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin allow-modals";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// Such as `7d`; until now.
    last: Option<String>,
    start: Option<i64>,
    end: Option<i64>,
    #[serde(default)]
    language: String,
    model: Option<String>,
    #[serde(default)]
    zone: String,
    #[serde(default)]
    formats: Vec<String>,
}

impl Order {
    fn wish(self, app: &App) -> Result<Wish, ApiError> {
        let now = app.clock.now();
        let (start, end) = match (&self.last, self.start, self.end) {
            (Some(last), None, None) => {
                let span = parse_duration_ms(last).map_err(|reason| invalid("last", &reason))?;
                (UnixMs(now.0.saturating_sub(span)), now)
            }
            (None, Some(start), end) => (UnixMs(start), end.map_or(now, UnixMs)),
            _ => return Err(invalid("last", "give last, or start and end")),
        };
        let formats = self.formats.iter().map(|name| {
            Format::from_name(name)
                .ok_or_else(|| invalid("formats", &format!("{name:?} is unknown")))
        });
        let mut formats: Vec<Format> = formats.collect::<Result<_, _>>()?;
        if formats.is_empty() {
            formats.push(Format::Html);
        }
        let language = app.reports.language(&self.language);
        let model = self.model;
        let wish = Wish { start, end, language, model, zone: self.zone, formats, schedule: None };
        checked(wish, now)
    }
}

fn checked(mut wish: Wish, now: UnixMs) -> Result<Wish, ApiError> {
    wish.end = wish.end.min(now);
    let span = wish.end.0.saturating_sub(wish.start.0);
    if wish.start.0 < 0 || !(SPAN_MIN..=SPAN_MAX).contains(&span) {
        return Err(ApiError::refused("refused.report_span", Vec::new()));
    }
    wish.model = wish.model.filter(|model| !model.is_empty());
    if wish.model.as_ref().is_some_and(|model| model.len() > MODEL_BYTES_MAX) {
        return Err(invalid("model", "too long"));
    }
    if !wish.zone.is_empty() && crate::zone::Zone::of_name(&wish.zone).is_none() {
        return Err(invalid("zone", "this machine knows no such time zone"));
    }
    Ok(wish)
}

/// Reads the facts. One report is made at a time, the next waits.
async fn facts(app: &Arc<App>, wish: &Wish) -> Result<report::Facts, ApiError> {
    let turn = app.reports.making.acquire().await;
    let _turn = turn.map_err(|_| ApiError::internal("reports cannot be made any more"))?;
    let (for_work, wish) = (Arc::clone(app), wish.clone());
    let read = app.queries.run_with(reports::TIMEOUT, reports::SAMPLES_MAX, move |budget| {
        let subject = wish.subject(&for_work.instance, &for_work.config.reports);
        let objectives = reports::objectives(&for_work.objectives);
        let (incidents, forgotten) = for_work.incidents.read(|machine, now| {
            let (kept, start) = (machine.kept(), subject.period.start);
            let told = reports::told(kept, subject.period, subject.model.as_deref());
            (told, reports::forgotten(kept, now, start, &subject.zone))
        });
        let sources = Sources {
            store: &for_work.store,
            clock: &for_work.clock,
            budget,
            objectives: &objectives,
            incidents: Some(incidents),
        };
        let facts = reports::gather(sources, &subject).map_err(|failure| match failure {
            Failure::Series(error) => from_select_error(error),
            Failure::Records(error) => refused(error),
        });
        facts.map(|mut facts| {
            facts.missing.extend(forgotten);
            facts
        })
    });
    read.await
}

/// Makes a report and keeps it.
async fn make(app: &Arc<App>, wish: Wish) -> Result<Entry, ApiError> {
    let facts = facts(app, &wish).await?;
    let app = Arc::clone(app);
    let kept = json::blocking(move || app.reports.keep(&wish, &facts)).await?;
    kept.map_err(|error| ApiError::internal(format!("the report cannot be kept: {error}")))
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Answer {
    let listed = json::blocking(move || app.reports.list()).await?;
    ok(&json!({ "reports": listed }))
}

pub(super) async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    ok(&json!(find(app, id).await?))
}

async fn find(app: Arc<App>, id: String) -> Result<Entry, ApiError> {
    let listed = json::blocking(move || app.reports.list()).await?;
    let found = listed.into_iter().find(|entry| entry.id == id);
    found.ok_or_else(|| ApiError::not_found("there is no such report"))
}

pub(super) async fn create(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let order: Order = json::body(&body, BODY_BYTES_MAX)?;
    let wish = order.wish(&app)?;
    let entry = make(&app, wish).await?;
    ok(&json!(entry))
}

pub(super) async fn preview(State(app): State<Arc<App>>, form: Form) -> Answer {
    let format = format(&form)?;
    let end = match form.get("end") {
        None => app.clock.now(),
        Some(_) => needed_time(&form, "end")?,
    };
    let wish = Wish {
        start: needed_time(&form, "start")?,
        end,
        language: app.reports.language(form.get("language").unwrap_or_default()),
        model: form.get("model").map(str::to_owned),
        zone: form.get("zone").unwrap_or_default().to_owned(),
        formats: vec![format],
        schedule: None,
    };
    let wish = checked(wish, app.clock.now())?;
    let facts = facts(&app, &wish).await?;
    let write = move || format.write(&report::compose(&facts, wish.language));
    let bytes = json::blocking(write).await?.map_err(ApiError::internal)?;
    Ok(file_response(format, bytes, None))
}

fn format(form: &Form) -> Result<Format, ApiError> {
    let name = form.get("format").unwrap_or(Format::Html.name());
    Format::from_name(name).ok_or_else(|| invalid("format", &format!("{name:?} is unknown")))
}

fn file_response(format: Format, bytes: Vec<u8>, name: Option<String>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    let disposition = name.map(|name| format!("attachment; filename=\"{name}\""));
    if let Some(Ok(value)) = disposition.map(|text| HeaderValue::from_str(&text)) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

pub(super) async fn file(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    form: Form,
) -> Answer {
    let format = format(&form)?;
    let is_shown = form.get("inline") == Some("true") && format == Format::Html;
    let found = json::blocking(move || {
        let entry = app.reports.list().into_iter().find(|entry| entry.id == id);
        let bytes = app.reports.file(&id, format)?;
        Ok::<_, std::io::Error>(entry.zip(bytes))
    });
    let found = found.await?.map_err(|error| ApiError::internal(error.to_string()))?;
    let (entry, bytes) =
        found.ok_or_else(|| ApiError::not_found("there is no such report in this format"))?;
    Ok(file_response(format, bytes, (!is_shown).then(|| entry.file_name(format))))
}

pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
) -> Answer {
    let entry = find(Arc::clone(&app), id.clone()).await?;
    let for_work = Arc::clone(&app);
    let removed = json::blocking(move || for_work.reports.remove(&id)).await?;
    if !removed.map_err(|error| ApiError::internal(error.to_string()))? {
        return Err(ApiError::not_found("there is no such report"));
    }
    let report = entry.file_name(Format::Html);
    audit(&app, "audit.report_removed", &Person::new(address, ""), [("report", report)]);
    ok(&json!(entry))
}

pub(super) async fn schedules(State(app): State<Arc<App>>) -> Answer {
    let now = app.clock.now();
    let planned = json::blocking(move || app.reports.schedules()).await?;
    let planned = planned.map_err(|error| ApiError::internal(error.to_string()))?;
    let json = |planned: &Planned| schedule_json(planned, now);
    ok(&json!({ "schedules": planned.iter().map(json).collect::<Vec<_>>() }))
}

fn schedule_json(planned: &Planned, now: UnixMs) -> Value {
    let Planned { schedule, is_configured, run } = planned;
    let mut json = json!(schedule);
    let more = json!({
        "origin": if *is_configured { "configuration" } else { "page" },
        "next": schedule.next_due(now).0,
        "last": run.made,
        "last_error": run.error,
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut json, more) {
        all.extend(more);
    }
    json
}

pub(super) async fn save_schedule(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Answer {
    let schedule: Schedule = json::body(&body, BODY_BYTES_MAX)?;
    let name = schedule.name.clone();
    let for_work = Arc::clone(&app);
    let work = move || {
        let name = schedule.name.clone();
        for_work.reports.save_schedule(schedule)?;
        // Noted now, so that the next time counts and not the last.
        for_work.reports.begin(&name, for_work.clock.now())?;
        Ok(())
    };
    json::blocking(work).await?.map_err(refused_schedule)?;
    audit(&app, "audit.schedule_put", &Person::new(address, ""), [("name", name)]);
    schedules(State(app)).await
}

pub(super) async fn forget_schedule(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    form: Form,
) -> Answer {
    let name = form.get("name").unwrap_or_default().to_owned();
    let (for_work, given) = (Arc::clone(&app), name.clone());
    let work = move || for_work.reports.forget_schedule(&given);
    json::blocking(work).await?.map_err(refused_schedule)?;
    audit(&app, "audit.schedule_removed", &Person::new(address, ""), [("name", name)]);
    schedules(State(app)).await
}

fn refused_schedule(error: ScheduleError) -> ApiError {
    match error {
        ScheduleError::Io(_) => ApiError::internal(error.to_string()),
        ScheduleError::None => ApiError::not_found(error.to_string()),
        ScheduleError::Problem(problem) => {
            let params = vec![("key", problem.key.to_owned()), ("value", problem.value)];
            ApiError::refused("refused.schedule", params)
        }
        ScheduleError::Folder(folder) => {
            ApiError::refused("refused.schedule_folder", vec![("folder", folder)])
        }
        ScheduleError::Configured | ScheduleError::TooMany => ApiError::bad_data(error.to_string()),
    }
}

/// Makes reports when they are due and hands on what could not be handed on before, until the program ends.
pub(crate) async fn run(app: Arc<App>) {
    let mut stop = app.stop.subscribe();
    // By name, and whether a report is to be made.
    let mut paused: HashMap<(String, bool), UnixMs> = HashMap::new();
    loop {
        let ended = tokio::time::timeout(LOOK, stop.wait_for(|stop| *stop)).await.is_ok();
        if ended {
            return;
        }
        let now = app.clock.now();
        for (schedule, due) in to_do(&app, now).await {
            let key = (schedule.name.clone(), due.is_some());
            if paused.get(&key).is_some_and(|until| *until > now) {
                continue;
            }
            let done = match due {
                Some(due) => by_clock(&app, &schedule, due).await,
                None => hand_on(&app, &schedule).await,
            };
            if let Err(text) = done {
                tracing::warn!("report {}: {text}", schedule.name);
                // What was made but not handed on waits as well.
                paused.insert((schedule.name.clone(), false), now + PAUSE);
                paused.insert(key, now + PAUSE);
            }
        }
    }
}

/// Schedules of whose reports something is left to be handed on, and those that are due, each with when it was. What
/// is left goes first: the next report takes its place.
async fn to_do(app: &Arc<App>, now: UnixMs) -> Vec<(Schedule, Option<UnixMs>)> {
    let for_work = Arc::clone(app);
    let read = tokio::task::spawn_blocking(move || {
        let left = for_work.reports.left()?.into_iter().map(|schedule| (schedule, None));
        let due = for_work.reports.due(now)?.into_iter();
        Ok(left.chain(due.map(|(schedule, due)| (schedule, Some(due)))).collect())
    });
    match read.await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            let error: std::io::Error = error;
            tracing::warn!("schedules of reports cannot be read: {error}");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

/// Makes one report of a schedule and hands it on. What failed is noted for the page.
async fn by_clock(app: &Arc<App>, schedule: &Schedule, due: UnixMs) -> Result<(), String> {
    let (start, end) = schedule.span(due);
    let formats = schedule.formats.iter().filter_map(|name| Format::from_name(name));
    let wish = Wish {
        start,
        end,
        language: app.reports.language(&schedule.language),
        model: Some(schedule.model.clone()).filter(|model| !model.is_empty()),
        zone: schedule.zone.clone(),
        formats: formats.collect(),
        schedule: Some(schedule.name.clone()),
    };
    let before = app.reports.schedules().ok().and_then(|all| {
        all.into_iter().find(|one| one.schedule.name == schedule.name).map(|one| one.run)
    });
    let entry = match make(app, wish).await {
        Ok(entry) => entry,
        Err(error) => {
            let (_, text) = error.into_parts();
            // Not done with: it is tried again.
            let run = Run { error: Some(text.clone()), ..before.unwrap_or_default() };
            note(app, schedule, run).await;
            return Err(text);
        }
    };
    let left = Left::of(schedule, &entry);
    let run = Run { due: due.0, made: Some(entry.created), error: None, left };
    // Before it is handed on: what cannot be noted would be sent again and again.
    if !note(app, schedule, run).await {
        return Err("that it was made cannot be noted; see the log".to_owned());
    }
    hand_on(app, schedule).await
}

/// Whether it could be noted how a schedule ended.
async fn note(app: &Arc<App>, schedule: &Schedule, run: Run) -> bool {
    let (app, name) = (Arc::clone(app), schedule.name.clone());
    let noted = tokio::task::spawn_blocking(move || app.reports.note(&name, run)).await;
    if let Ok(Err(error)) = &noted {
        tracing::warn!("runs of reports cannot be noted: {error}");
    }
    matches!(noted, Ok(Ok(())))
}

/// Hands on what is left of a schedule's last report.
async fn hand_on(app: &Arc<App>, schedule: &Schedule) -> Result<(), String> {
    let (app, schedule) = (Arc::clone(app), schedule.clone());
    let work = move || {
        let send = |channel: &str, file: FileToSend| {
            app.channels.send_file(channel, file).map_err(|error| error.to_string())
        };
        app.reports.hand_on(&schedule, app.clock.now(), &send)
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
}
