//! What others send of logs over HTTP: how a request is let in, read and kept is the same for all protocols;
//! each says in a file of its own what it reads and how it answers.
//!
//! Nothing is acknowledged that is not kept. A sender that finds no room, or a store that is behind, is told to
//! come again.

mod elastic;
mod loki;
mod otlp;
mod splunk;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
};
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use model::{Clock, UnixMs, log::Line};
use receive::{
    Arrival, DecodeError,
    access::{Access, Tokens},
    desk::{Desk, Keep, Reason, Receiver, Refused, Room},
    expand::{ExpandError, expand},
    hec,
};
use store::events::AppendError;

use crate::{config, lines::Lines, wire::App};

/// Largest body, still compressed.
const BODY_BYTES_MAX: usize = 32 << 20;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// When a sender that is refused for now should come again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// What receivers share.
pub(crate) struct Receive {
    pub(crate) desk: Desk,
    pub(crate) tokens: Arc<Tokens>,
    channels: Mutex<hec::Channels>,
    /// Makes ids of what is kept, which nobody can ask for.
    next_id: AtomicU64,
}

impl Receive {
    pub(crate) fn new(lines: &Lines, clock: &Clock, settings: &config::Receive) -> Self {
        let desk = Desk::new(Box::new(lines.clone()), clock.clone());
        let tokens = Arc::new(settings.tokens(&|name| std::env::var(name).ok()));
        let next_id = AtomicU64::new(clock.now().0.unsigned_abs() << 16);
        Self { desk, tokens, channels: Mutex::default(), next_id }
    }

    fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

impl Keep for Lines {
    fn keep(&self, lines: Vec<Line>, arrived: UnixMs) -> Result<usize, Refused> {
        self.take(lines, arrived).map_err(|error| match error {
            AppendError::Behind => Refused::Busy,
            AppendError::Io(_) => Refused::Disk(error.to_string()),
        })
    }
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .merge(elastic::router())
        .merge(loki::router())
        .merge(otlp::router())
        .merge(splunk::router())
}

/// Why nothing of a request is taken.
#[derive(Debug, PartialEq)]
enum Untaken {
    Access(Access),
    Malformed(String),
    /// The coding or the kind of the body.
    Unsupported(String),
    TooLarge(String),
    Slow,
    /// There is no room for its body.
    Crowded,
    Refused(Refused),
    Failed,
}

impl Untaken {
    fn status(&self) -> StatusCode {
        match self {
            Self::Access(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Crowded | Self::Refused(Refused::Busy) => StatusCode::TOO_MANY_REQUESTS,
            Self::Refused(Refused::Disk(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Access(Access::Wrong) => "this token is not known".into(),
            Self::Access(_) => "a token is needed".into(),
            Self::Malformed(text) | Self::Unsupported(text) | Self::TooLarge(text) => text.clone(),
            Self::Slow => "the body took too long".into(),
            Self::Crowded => "too many senders wait; come again".into(),
            Self::Refused(refused) => refused.to_string(),
            Self::Failed => "taking the request failed; please report this".into(),
        }
    }

    /// `None`: it is counted elsewhere.
    fn reason(&self) -> Option<Reason> {
        match self {
            Self::Access(_) => Some(Reason::Unauthorized),
            Self::Malformed(_) | Self::Unsupported(_) | Self::Slow => Some(Reason::Malformed),
            Self::TooLarge(_) => Some(Reason::TooLarge),
            Self::Crowded => Some(Reason::Busy),
            Self::Refused(_) | Self::Failed => None,
        }
    }

    /// The answer with the protocol's own body, and when to come again.
    fn answer(&self, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
        let mut answer = answer(self.status(), kind, body);
        let headers = answer.headers_mut();
        match self {
            Self::Crowded | Self::Refused(_) => {
                headers.insert(header::RETRY_AFTER, RETRY_SECONDS);
            }
            Self::Access(_) => {
                let basic = HeaderValue::from_static("Basic realm=\"modelwatch\"");
                headers.insert(header::WWW_AUTHENTICATE, basic);
            }
            _ => {}
        }
        answer
    }
}

impl From<DecodeError> for Untaken {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed(text) => Self::Malformed(text),
            DecodeError::TooMany => Self::TooLarge(error.to_string()),
        }
    }
}

impl From<ExpandError> for Untaken {
    fn from(error: ExpandError) -> Self {
        match error {
            ExpandError::Unknown(_) => Self::Unsupported(error.to_string()),
            ExpandError::Damaged => Self::Malformed(error.to_string()),
            ExpandError::TooLarge => Self::TooLarge(error.to_string()),
        }
    }
}

impl From<Refused> for Untaken {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// A request that is let in, with its body.
struct Incoming {
    app: Arc<App>,
    receiver: Receiver,
    arrival: Arrival,
    /// Of the body.
    coding: String,
    body: Bytes,
    room: Room,
}

/// What decoding a request gives: lines to be kept, and what is needed to answer.
struct Decoded<T> {
    lines: Vec<Line>,
    rest: T,
}

/// Receives a request, whole: lets it in, reads its body, decodes and keeps it. Returns what decoding gave besides
/// lines, how many lines came and how many were kept.
async fn receive<T: Send + 'static>(
    app: &Arc<App>,
    receiver: Receiver,
    request: Request,
    token: Option<&str>,
    decode: impl FnOnce(&[u8], &str, &Arrival) -> Result<Decoded<T>, Untaken> + Send + 'static,
) -> Result<(T, usize, usize), Untaken> {
    let done = async { Incoming::read(app, receiver, request, token).await?.keep(decode).await };
    let done = done.await;
    if let Some(reason) = done.as_ref().err().and_then(Untaken::reason) {
        app.receive.desk.note_refused(receiver, reason, 1);
    }
    done
}

impl Incoming {
    async fn read(
        app: &Arc<App>,
        receiver: Receiver,
        request: Request,
        token: Option<&str>,
    ) -> Result<Self, Untaken> {
        let desk = &app.receive.desk;
        let headers = request.headers();
        match app.receive.tokens.judge(text(headers, &header::AUTHORIZATION), token) {
            Access::Granted => {}
            refused => return Err(Untaken::Access(refused)),
        }
        let length =
            text(headers, &header::CONTENT_LENGTH).and_then(|text| text.parse::<usize>().ok());
        // Who does not say how long it is gets more room as it comes.
        let length = length.unwrap_or(0);
        if length > BODY_BYTES_MAX {
            return Err(too_large());
        }
        let mut room = desk.room(length).ok_or(Untaken::Crowded)?;
        let coding = text(headers, &header::CONTENT_ENCODING).unwrap_or_default().to_owned();
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|info| info.0.ip().to_canonical().to_string()).unwrap_or_default();
        let arrival = Arrival { now: desk.now(), source: receiver.source(), peer };
        let body = read(request.into_body(), length, &mut room);
        let body = tokio::time::timeout(BODY_TIMEOUT, body).await.map_err(|_| Untaken::Slow)??;
        desk.note_bytes(receiver, body.len());
        Ok(Self { app: Arc::clone(app), receiver, arrival, coding, body, room })
    }

    async fn keep<T: Send + 'static>(
        self,
        decode: impl FnOnce(&[u8], &str, &Arrival) -> Result<Decoded<T>, Untaken> + Send + 'static,
    ) -> Result<(T, usize, usize), Untaken> {
        let Self { app, receiver, arrival, coding, body, room } = self;
        let done = app.receive.desk.work(Some(room), move |desk| {
            let Decoded { lines, rest } = decode(&body, &coding, &arrival)?;
            let sent = lines.len();
            let kept = if lines.is_empty() { 0 } else { desk.keep(receiver, lines, arrival.now)? };
            Ok((rest, sent, kept))
        });
        done.await.unwrap_or(Err(Untaken::Failed))
    }
}

async fn read(mut body: Body, length: usize, room: &mut Room) -> Result<Bytes, Untaken> {
    let mut arrived = BytesMut::with_capacity(length);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Untaken::Malformed("the body is not whole".into()))?;
        let Some(data) = frame.data_ref() else { continue };
        if arrived.len() + data.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
        if !room.grow(arrived.len() + data.len()) {
            return Err(Untaken::Crowded);
        }
        arrived.extend_from_slice(data);
    }
    Ok(arrived.freeze())
}

fn too_large() -> Untaken {
    Untaken::TooLarge(format!("the body is larger than {BODY_BYTES_MAX} bytes"))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Whether the body is of that kind, whatever parameters follow.
fn is_kind(headers: &HeaderMap, kind: &str) -> bool {
    let given = text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    given.split(';').next().is_some_and(|given| given.trim().eq_ignore_ascii_case(kind))
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What the body is without its coding.
fn expanded<'b>(coding: &str, body: &'b [u8]) -> Result<std::borrow::Cow<'b, [u8]>, Untaken> {
    Ok(expand(coding, body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that can go wrong, with the status and whether its sender is told when to come again.
    pub(super) fn all_untaken() -> Vec<(Untaken, u16, bool)> {
        vec![
            (Untaken::Access(Access::Missing), 401, false),
            (Untaken::Access(Access::Wrong), 401, false),
            (Untaken::Malformed("what".into()), 400, false),
            (Untaken::Unsupported("which".into()), 415, false),
            (Untaken::TooLarge("much".into()), 413, false),
            (Untaken::Slow, 408, false),
            (Untaken::Crowded, 429, true),
            (Untaken::Refused(Refused::Busy), 429, true),
            (Untaken::Refused(Refused::Disk("full".into())), 503, true),
            (Untaken::Failed, 500, false),
        ]
    }

    #[test]
    fn who_is_to_come_again_is_told_so() {
        for (untaken, status, is_again) in all_untaken() {
            let answer = untaken.answer(TEXT, untaken.text());
            assert_eq!(answer.status(), status, "{untaken:?}");
            let again = answer.headers().contains_key(header::RETRY_AFTER);
            assert_eq!(again, is_again, "{untaken:?}");
            let login = answer.headers().contains_key(header::WWW_AUTHENTICATE);
            assert_eq!(login, status == 401, "{untaken:?}");
        }
    }

    #[test]
    fn kinds_of_bodies() {
        let check = |given: &'static str, expected| {
            let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(given))];
            assert_eq!(is_kind(&headers.into_iter().collect(), JSON), expected, "{given}");
        };
        check("application/json", true);
        check("Application/JSON; charset=utf-8", true);
        check("application/jsonx", false);
        check("", false);
        assert!(!is_kind(&HeaderMap::new(), JSON));
    }
}
