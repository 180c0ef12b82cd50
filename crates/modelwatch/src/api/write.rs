//! `POST /api/v1/write`: the receiving end of Prometheus remote write 1.0 and 2.0.
//!
//! What the headers say decides whether the body is read at all. A sender waits until its samples are
//! stored; of many only a few are decoded at a time, and what waits meanwhile is bounded.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
};
use tokio::sync::Semaphore;

use crate::{
    ingest::{Receiver, Taken, Untaken, Version},
    wire::App,
};

/// Largest body, still compressed.
const BODY_BYTES_MAX: usize = 32 << 20;

/// Memory for bodies that arrive, wait or are decoded. A request takes as much of it as it says it is
/// long, at least one MiB; when there is none left, it is told to come again.
const ROOM_MIB: usize = 128;

/// Requests that are decoded and stored at the same time: one of each.
const TURNS: usize = 2;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// When a sender that finds no room should come again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("1");

pub(crate) const SAMPLES_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-exemplars-written");
/// Refused samples by reason, for programs: `duplicate=2,too_old=1`.
pub(crate) const REFUSED: HeaderName = HeaderName::from_static("x-modelwatch-refused");

/// What vmagent asks first, with an empty body, to find out whether it talks to its own kind. It
/// takes any error for a no.
const VMAGENT_PROBE: &str = "get_vm_proto_version=1";

/// The receiver and who may use it when.
pub(crate) struct Gate {
    pub(crate) receiver: Receiver,
    room: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            receiver: Receiver::default(),
            room: Arc::new(Semaphore::new(ROOM_MIB)),
            turns: Arc::new(Semaphore::new(TURNS)),
        }
    }
}

pub(super) async fn write(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let is_probe = request.uri().query() == Some(VMAGENT_PROBE);
    let answer = receive(&app, request).await.unwrap_or_else(|refusal| refusal);
    if !is_probe {
        app.gate.receiver.note_answer(answer.status().as_u16());
    }
    answer
}

async fn receive(app: &Arc<App>, request: Request) -> Result<Response<Body>, Response<Body>> {
    let version = version(request.headers())
        .map_err(|text| answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))?;
    let length = content_length(request.headers()).unwrap_or(BODY_BYTES_MAX);
    if length > BODY_BYTES_MAX {
        return Err(too_large());
    }
    let Ok(room) = Arc::clone(&app.gate.room).try_acquire_many_owned(mebibytes(length)) else {
        let mut answer = answer(StatusCode::TOO_MANY_REQUESTS, "too many writers wait".into());
        answer.headers_mut().insert(header::RETRY_AFTER, RETRY_SECONDS);
        return Err(answer);
    };
    let body = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX);
    let body = tokio::time::timeout(BODY_TIMEOUT, body)
        .await
        .map_err(|_| answer(StatusCode::REQUEST_TIMEOUT, "the body took too long".into()))?
        .map_err(|_| too_large())?;
    let turn = Arc::clone(&app.gate.turns).acquire_owned().await;
    let app = Arc::clone(app);
    let taken = tokio::task::spawn_blocking(move || {
        let taken = app.gate.receiver.take(&app.store, version, &body);
        // Not before: a sender that goes away frees nothing while its body is still at work.
        drop((turn, room));
        taken
    });
    let taken = taken.await.map_err(|_| {
        let text = "taking the request failed; please report this".into();
        answer(StatusCode::INTERNAL_SERVER_ERROR, text)
    })?;
    Ok(match taken {
        Ok(taken) => acknowledgement(&taken),
        Err(untaken) => answer(status_of(&untaken), untaken.to_string()),
    })
}

/// What the body is, or why it is not taken. A sender that says nothing speaks version 1.0.
fn version(headers: &HeaderMap) -> Result<Version, String> {
    let text = |name: HeaderName, default| match headers.get(name) {
        Some(value) => value.to_str().unwrap_or("?").trim(),
        None => default,
    };
    let encoding = text(header::CONTENT_ENCODING, "snappy");
    if !encoding.eq_ignore_ascii_case("snappy") {
        return Err(format!("Content-Encoding {encoding:?} is not taken, only snappy"));
    }
    let kind = text(header::CONTENT_TYPE, "application/x-protobuf");
    let mut parts = kind.split(';').map(str::trim);
    let is_protobuf =
        parts.next().is_some_and(|part| part.eq_ignore_ascii_case("application/x-protobuf"));
    let message = parts
        .find_map(|part| part.strip_prefix("proto="))
        .map_or("prometheus.WriteRequest", |message| message.trim_matches('"'));
    match message {
        "prometheus.WriteRequest" if is_protobuf => Ok(Version::V1),
        "io.prometheus.write.v2.Request" if is_protobuf => Ok(Version::V2),
        _ => Err(format!(
            "Content-Type {kind:?} is not taken, only application/x-protobuf with \
             proto=prometheus.WriteRequest or proto=io.prometheus.write.v2.Request"
        )),
    }
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn mebibytes(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 20).max(1)).unwrap_or(u32::MAX)
}

fn status_of(untaken: &Untaken) -> StatusCode {
    match untaken {
        Untaken::Malformed(_) => StatusCode::BAD_REQUEST,
        Untaken::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Untaken::Disk(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn acknowledgement(taken: &Taken) -> Response<Body> {
    let mut answer = match taken.complaint() {
        None => answer(StatusCode::NO_CONTENT, String::new()),
        Some(complaint) => answer(StatusCode::BAD_REQUEST, complaint),
    };
    let headers = answer.headers_mut();
    headers.insert(SAMPLES_WRITTEN, taken.samples.into());
    headers.insert(HISTOGRAMS_WRITTEN, taken.histograms.into());
    headers.insert(EXEMPLARS_WRITTEN, taken.exemplars.into());
    let refused: Vec<String> =
        taken.refused.iter().map(|(reason, count)| format!("{reason}={count}")).collect();
    if let Ok(refused) = HeaderValue::from_str(&refused.join(","))
        && !refused.is_empty()
    {
        headers.insert(REFUSED, refused);
    }
    answer
}

fn too_large() -> Response<Body> {
    let text = format!("the body is larger than {BODY_BYTES_MAX} bytes");
    answer(StatusCode::PAYLOAD_TOO_LARGE, text)
}

fn answer(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Option<&str>, encoding: Option<&str>, expected: Option<Version>) {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::CONTENT_TYPE, kind), (header::CONTENT_ENCODING, encoding)] {
            if let Some(value) = value {
                headers.insert(name, value.parse().unwrap());
            }
        }
        assert_eq!(version(&headers).ok(), expected, "{headers:?}");
    }

    #[test]
    fn negotiation() {
        let (v1, v2) = (Some(Version::V1), Some(Version::V2));
        let protobuf = Some("application/x-protobuf");
        check(protobuf, Some("snappy"), v1);
        check(None, None, v1);
        check(protobuf, None, v1);
        check(Some("application/x-protobuf;proto=prometheus.WriteRequest"), Some("snappy"), v1);
        check(
            Some("application/x-protobuf;proto=io.prometheus.write.v2.Request"),
            Some("snappy"),
            v2,
        );
        check(Some("Application/X-Protobuf; proto=\"io.prometheus.write.v2.Request\""), None, v2);
        check(Some("application/x-protobuf;proto=other"), Some("snappy"), None);
        check(Some("application/json"), Some("snappy"), None);
        check(Some("application/json;proto=io.prometheus.write.v2.Request"), None, None);
        check(protobuf, Some("gzip"), None);
        check(protobuf, Some("zstd"), None);
        check(protobuf, Some(""), None);
    }

    #[test]
    fn room_is_counted_in_mebibytes() {
        assert_eq!([0, 1, 1 << 20, (1 << 20) + 1, 32 << 20].map(mebibytes), [1, 1, 1, 2, 32]);
    }
}
