//! `/api/mw/v1/channels` and what is below it: how the ways are by which people are told, a test of each, and letters
//! that could not be delivered.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Path, State},
    http::Response,
};
use deliver::{Dead, DeliverError, Lane, PutError};
use serde_json::{Value, json};

use super::{
    audit::{Person, audit},
    json::{self, ApiError},
    requests::{Answer, ok},
};
use crate::wire::App;

/// All channels, as the configuration has them.
pub(super) async fn channels(State(app): State<Arc<App>>) -> Answer {
    let lanes = blocking(&app, |app| Ok(app.channels.lanes())).await?;
    let channels: Vec<Value> = lanes.iter().map(lane_json).collect();
    ok(&json!({ "channels": channels }))
}

/// Sends a test at once and answers whether the service took it.
pub(super) async fn test(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    _: Bytes,
) -> Answer {
    let tested = app.channels.test(&name).await.map_err(|error| refusal(&error))?;
    audit(&app, "event.channel_tested", &nobody(address), [("channel", name)]);
    let (seconds, error) = match &tested {
        Ok(took) => (Some(took.as_secs_f64()), None),
        Err(failure) => (None, Some(failure.reason.as_str())),
    };
    ok(&json!({ "is_ok": error.is_none(), "seconds": seconds, "error": error }))
}

/// Letters of a channel that were given up, newest first.
pub(super) async fn dead(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer {
    letters(&app, name).await
}

/// Sends one of them again. Answers those that are left.
pub(super) async fn retry(
    State(app): State<Arc<App>>,
    Path((name, id)): Path<(String, String)>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    _: Bytes,
) -> Answer {
    let (channel, id) = (name.clone(), number(&id)?);
    let is_there = blocking(&app, move |app| app.channels.retry(&channel, id)).await?;
    done(&app, is_there, "event.letter_retried", (name, address)).await
}

/// Forgets one of them. Answers those that are left.
pub(super) async fn forget(
    State(app): State<Arc<App>>,
    Path((name, id)): Path<(String, String)>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
) -> Answer {
    let (channel, id) = (name.clone(), number(&id)?);
    let is_there = blocking(&app, move |app| app.channels.forget(&channel, id)).await?;
    done(&app, is_there, "event.letter_forgotten", (name, address)).await
}

/// These requests say no name.
fn nobody(address: SocketAddr) -> Person {
    Person::new(address, "")
}

async fn done(
    app: &Arc<App>,
    is_there: bool,
    code: &'static str,
    (name, address): (String, SocketAddr),
) -> Result<Response<Body>, ApiError> {
    if !is_there {
        return Err(no_letter());
    }
    audit(app, code, &nobody(address), [("channel", name.clone())]);
    letters(app, name).await
}

async fn letters(app: &Arc<App>, name: String) -> Answer {
    let letters = blocking(app, move |app| {
        let is_known = app.channels.lanes().iter().any(|lane| lane.name == name);
        is_known.then(|| app.channels.dead(&name)).ok_or(DeliverError::NoChannel(name))
    });
    let letters: Vec<Value> = letters.await?.iter().map(dead_json).collect();
    ok(&json!({ "dead": letters }))
}

fn number(id: &str) -> Result<u64, ApiError> {
    id.parse().map_err(|_| no_letter())
}

fn no_letter() -> ApiError {
    ApiError::not_found("the channel has no dead letter with this id")
}

fn refusal(error: &DeliverError) -> ApiError {
    match error {
        DeliverError::NoChannel(_) => ApiError::not_found(error.to_string()),
        DeliverError::Queue(PutError::Full | PutError::TooLarge) => {
            ApiError::unavailable(error.to_string())
        }
        DeliverError::Queue(PutError::Io(_)) => ApiError::internal(error.to_string()),
    }
}

/// The queue is behind a lock that is held while the disk is waited for.
async fn blocking<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&App) -> Result<T, DeliverError> + Send + 'static,
) -> Result<T, ApiError> {
    let app = Arc::clone(app);
    json::blocking(move || work(&app)).await?.map_err(|error| refusal(&error))
}

fn lane_json(lane: &Lane) -> Value {
    let settings = lane.settings.as_ref();
    let language = settings.map(|settings| settings.language.tag());
    json!({
        "name": lane.name,
        "kind": settings.map(|settings| settings.kind.as_str()),
        "target": settings.map(deliver::Settings::target),
        "language": language,
        // What the configuration no longer has is sent nothing.
        "is_enabled": settings.is_some(),
        "send_resolved": settings.is_some_and(|settings| settings.send_resolved),
        "waiting": lane.waiting,
        "sent": lane.sent,
        "failed": lane.failed,
        "dead": lane.dead,
        "last_sent": lane.last_sent.map(|time| time.0),
        "last_error": lane.last_error.as_ref().map(|(time, text)| json!({ "time": time.0, "text": text })),
        "rate": settings.map(|settings| settings.rate.to_string()),
    })
}

fn dead_json(dead: &Dead) -> Value {
    json!({
        // As text, because JSON's numbers end at 2^53.
        "id": dead.id.to_string(),
        "key": dead.key,
        "title": dead.title,
        "time": dead.time.0,
        "died": dead.died.0,
        "reason": dead.reason,
    })
}
