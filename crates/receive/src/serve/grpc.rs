//! OpenTelemetry's `LogsService/Export` over gRPC: one message in, one out, by hand over HTTP/2.

use std::{convert::Infallible, io, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::timeout;

use super::{Server, Stream, stopped};
use crate::{
    DecodeError,
    access::Access,
    desk::{Reason, Refused, Room},
    draft::Arrival,
    expand::{ExpandError, expand},
    otlp,
};

/// The one thing that can be asked for.
const EXPORT: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// Largest message, still compressed.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// How long a message may take to arrive.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether a message is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// How often a client that says nothing is asked whether it is still there, and how long it has.
const PING: Duration = Duration::from_secs(60);
const PONG: Duration = Duration::from_secs(20);

/// Requests of one connection at the same time.
const STREAMS_MAX: u32 = 32;

/// Bytes of the headers of one request; one with more is refused.
const HEADERS_BYTES_MAX: u32 = 16 << 10;

/// A status of gRPC, and what it says in words.
#[derive(Debug, PartialEq)]
struct Status(u32, String);

const INVALID_ARGUMENT: u32 = 3;
const DEADLINE_EXCEEDED: u32 = 4;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNIMPLEMENTED: u32 = 12;
const INTERNAL: u32 = 13;
/// Clients come again after this one only, unless they are told when.
const UNAVAILABLE: u32 = 14;
const UNAUTHENTICATED: u32 = 16;

pub(super) async fn serve(server: Server, stream: Box<dyn Stream>, peer: String) -> io::Result<()> {
    let mut stop = server.stop.clone();
    let service = service_fn(move |request| {
        let (server, peer) = (server.clone(), peer.clone());
        async move { Ok::<_, Infallible>(answer(export(&server, &peer, request).await)) }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    ended.map_err(io::Error::other)
}

async fn export(
    server: &Server,
    peer: &str,
    request: Request<Incoming>,
) -> Result<Vec<u8>, Status> {
    let (desk, receiver) = (server.desk.clone(), server.receiver);
    if request.uri().path() != EXPORT {
        return Err(Status(UNIMPLEMENTED, "only logs are received here".into()));
    }
    let text =
        |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if server.tokens.judge(text(AUTHORIZATION.as_str()), None) != Access::Granted {
        desk.note_refused(receiver, Reason::Unauthorized, 1);
        return Err(Status(UNAUTHENTICATED, "authorization: Bearer TOKEN is needed".into()));
    }
    let coding = text("grpc-encoding").unwrap_or_default().to_owned();
    let arrived = timeout(MESSAGE_TIMEOUT, message(server, request.into_body())).await;
    let late = |_| Status(DEADLINE_EXCEEDED, "the message took too long".into());
    let (is_compressed, message, room) = arrived.map_err(late)??;
    desk.note_bytes(receiver, message.len());
    let arrival = Arrival { now: desk.now(), source: receiver.source(), peer: peer.to_owned() };
    let done = desk.work(Some(room), move |desk| {
        let coding = if is_compressed { coding.as_str() } else { "" };
        let refuse = |reason, status, text: String| {
            desk.note_refused(receiver, reason, 1);
            Status(status, text)
        };
        let message = expand(coding, &message).map_err(|error| match error {
            ExpandError::Unknown(_) => refuse(Reason::Malformed, UNIMPLEMENTED, error.to_string()),
            ExpandError::Damaged => refuse(Reason::Malformed, INVALID_ARGUMENT, error.to_string()),
            ExpandError::TooLarge => {
                refuse(Reason::TooLarge, RESOURCE_EXHAUSTED, error.to_string())
            }
        })?;
        let lines = otlp::decode_protobuf(&message, &arrival).map_err(|error| match error {
            DecodeError::Malformed(_) => {
                refuse(Reason::Malformed, INVALID_ARGUMENT, error.to_string())
            }
            DecodeError::TooMany => refuse(Reason::TooLarge, RESOURCE_EXHAUSTED, error.to_string()),
        })?;
        let sent = lines.len();
        let kept = desk.keep(receiver, lines, arrival.now);
        let kept = kept.map_err(|refused: Refused| Status(UNAVAILABLE, refused.to_string()))?;
        Ok(otlp::answer(sent - kept))
    });
    done.await.unwrap_or_else(|| Err(Status(INTERNAL, "taking the message failed".into())))
}

/// Reads the one message of a request: whether it is compressed, itself, and the room that it takes.
async fn message(server: &Server, mut body: Incoming) -> Result<(bool, Bytes, Room), Status> {
    let (mut arrived, mut room) = (BytesMut::new(), None);
    loop {
        if room.is_none()
            && let Some(&[_, a, b, c, d]) = arrived.first_chunk::<PREFIX_BYTES>()
        {
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            if length > MESSAGE_BYTES_MAX {
                server.desk.note_refused(server.receiver, Reason::TooLarge, 1);
                let text = format!("the message is larger than {MESSAGE_BYTES_MAX} bytes");
                return Err(Status(RESOURCE_EXHAUSTED, text));
            }
            let free = server.desk.room(length).ok_or_else(|| {
                server.desk.note_refused(server.receiver, Reason::Busy, 1);
                Status(UNAVAILABLE, "too many senders wait".into())
            })?;
            room = Some((length, free));
        }
        if let Some((length, _)) = &room
            && arrived.len() >= PREFIX_BYTES + length
        {
            break;
        }
        let frame = body.frame().await.and_then(Result::ok).ok_or_else(|| {
            server.desk.note_refused(server.receiver, Reason::Malformed, 1);
            Status(INVALID_ARGUMENT, "the message is not whole".into())
        })?;
        if let Some(data) = frame.data_ref() {
            arrived.extend_from_slice(data);
        }
    }
    let Some((length, room)) = room else {
        return Err(Status(INTERNAL, "the message has no length".into()));
    };
    let is_compressed = arrived.first().is_some_and(|flag| *flag == 1);
    arrived.advance(PREFIX_BYTES);
    Ok((is_compressed, arrived.split_to(length).freeze(), room))
}

/// A message and its status behind it, or a status alone.
fn answer(done: Result<Vec<u8>, Status>) -> Response<BoxBody<Bytes, Infallible>> {
    let (message, Status(code, text)) = match done {
        Ok(message) => (Some(message), Status(0, String::new())),
        Err(status) => (None, status),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    if let Ok(text) = HeaderValue::from_str(&percent_encoded(&text))
        && !text.is_empty()
    {
        trailers.insert("grpc-message", text);
    }
    let body = match message {
        None => {
            let mut response = Response::new(Full::new(Bytes::new()).boxed());
            *response.headers_mut() = trailers;
            return with_head(response);
        }
        Some(message) => {
            let length = u32::try_from(message.len()).unwrap_or(0).to_be_bytes();
            let framed: Bytes = [&[0], &length[..], &message].concat().into();
            Full::new(framed).with_trailers(async { Some(Ok(trailers)) }).boxed()
        }
    };
    with_head(Response::new(body))
}

fn with_head<B: Body>(mut response: Response<B>) -> Response<B> {
    *response.status_mut() = StatusCode::OK;
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// As gRPC wants its messages.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use hyper::client::conn::http2 as client;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::{
        super::tests::{World, any_port, world},
        *,
    };
    use crate::{
        desk::Receiver,
        tests::{body, fixture},
    };

    const LOGS: &str = "otlp/python-sdk-1.45.2-http-none-v1-logs.http";

    /// The status and the message of what is answered.
    async fn call(world: &World, path: &str, token: &str, body: Vec<u8>) -> (u32, Bytes) {
        let stream = TcpStream::connect(world.address).await.unwrap();
        let io = TokioIo::new(stream);
        let (mut sender, connection) = client::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let request = Request::post(format!("http://{}{path}", world.address))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .header("grpc-encoding", "gzip")
            .header("authorization", format!("Bearer {token}"))
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().unwrap_or(&head.headers);
        let status = trailers["grpc-status"].to_str().unwrap().parse().unwrap();
        (status, body.to_bytes())
    }

    fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
        [&[flag], &u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn messages_are_answered_once_they_are_kept() {
        let world = world(|settings| settings.otlp_grpc = any_port(), &[]);
        let logs = body(LOGS);
        let empty = Bytes::from_static(&[0; 5]);
        assert_eq!(call(&world, EXPORT, "", framed(0, &logs)).await, (0, empty.clone()));
        assert_eq!(call(&world, EXPORT, "", framed(1, &gzip(&logs))).await, (0, empty));
        assert_eq!(world.bodies(2).await, ["slow first token 1.5"; 2]);
        let status = async |body| call(&world, EXPORT, "", body).await.0;
        assert_eq!(status(framed(0, b"\xff")).await, INVALID_ARGUMENT);
        assert_eq!(status(framed(1, b"no gzip")).await, INVALID_ARGUMENT);
        assert_eq!(status(vec![0, 0, 0, 0, 9, 1]).await, INVALID_ARGUMENT);
        assert_eq!(status(vec![0, 0xff, 0, 0, 0]).await, RESOURCE_EXHAUSTED);
        world.memory.refusals.lock().unwrap().push(Refused::Busy);
        assert_eq!(status(framed(0, &logs)).await, UNAVAILABLE);
        assert_eq!(status(framed(0, &logs)).await, 0);
        let traces = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        assert_eq!(call(&world, traces, "", framed(0, b"")).await.0, UNIMPLEMENTED);
        assert_eq!(world.refused(Receiver::OtlpGrpc, Reason::TooLarge), 1);
        assert_eq!(world.refused(Receiver::OtlpGrpc, Reason::Malformed), 3);
    }

    #[tokio::test]
    async fn a_token_may_be_needed() {
        let world = world(|settings| settings.otlp_grpc = any_port(), &["hush"]);
        let logs = framed(0, &body(LOGS));
        assert_eq!(call(&world, EXPORT, "wrong", logs.clone()).await.0, UNAUTHENTICATED);
        assert_eq!(call(&world, EXPORT, "hush", logs).await.0, 0);
        assert_eq!(world.bodies(1).await.len(), 1);
    }

    /// What OpenTelemetry's own client sent, byte for byte: traces and metrics are on the same connection.
    #[tokio::test]
    async fn a_capture_is_understood() {
        let world = world(|settings| settings.otlp_grpc = any_port(), &[]);
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(&fixture("otlp/python-sdk-1.45.2-grpc-conn0.client.bin")).await.unwrap();
        assert_eq!(world.bodies(1).await, ["slow first token 1.5"]);
        assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
    }

    #[test]
    fn words_are_sent_as_grpc_wants_them() {
        assert_eq!(percent_encoded("50 % é\n"), "50 %25 %C3%A9%0A");
    }
}
