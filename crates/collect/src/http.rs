//! Reading one page of an engine: GET only, bounded in time and size, no redirects followed.

use std::{error::Error as _, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Empty};
use hyper::http::uri::InvalidUri;
use hyper::{
    Method, Request, StatusCode, Uri,
    header::{AUTHORIZATION, HOST, HeaderValue, SERVER, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    Failure, FailureKind,
    tls::{Client, TlsSetting},
};

/// How long one answer may take, from connecting to its last byte.
pub const DEADLINE: Duration = Duration::from_secs(2);
/// After this a body that has begun is taken as far as it came.
const BODY_DEADLINE: Duration = Duration::from_millis(1_900);
/// Largest answer.
const BODY_BYTES_MAX: usize = 16 << 20;
/// Largest head of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// A credential. It shows in no output.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// For the header that carries it, and nothing else.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Where an engine answers.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// `host:port`, as connected to and as the header `Host` says.
    pub(crate) authority: String,
    /// What comes before every path; empty or beginning with `/`.
    pub(crate) prefix: String,
    pub(crate) api_key: Option<Secret>,
    /// How to shake hands where it speaks TLS.
    pub(crate) tls: Option<Arc<Client>>,
    /// Where its metrics are, if that is known to be elsewhere than usual.
    pub(crate) metrics_port: Option<u16>,
}

impl Endpoint {
    /// What listens at `authority`, without TLS and without a key.
    pub(crate) fn plain(authority: String) -> Self {
        Self { authority, prefix: String::new(), api_key: None, tls: None, metrics_port: None }
    }

    /// Reads `http://host:port/prefix`, or the same with `https`.
    pub(crate) fn parse(
        url: &str,
        api_key: Option<Secret>,
        tls: &TlsSetting,
    ) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::new(FailureKind::Malformed, format!("{url}: {why}"));
        let uri: Uri = url.parse().map_err(|error: InvalidUri| bad(&error.to_string()))?;
        let (tls, usual_port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => (Some(Arc::new(Client::new(tls.clone()))), 443),
            _ => return Err(bad("only http:// and https:// are supported")),
        };
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let port = uri.port_u16();
        let given = port.map_or(host.clone(), |port| format!("{host}:{port}"));
        // What differs has a user name or a port that is none.
        let is_plain = uri.authority().is_some_and(|all| all.as_str().eq_ignore_ascii_case(&given));
        if host.is_empty() || !is_plain || uri.query().is_some() {
            return Err(bad("only a host, a port and a path are supported"));
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let authority = format!("{host}:{}", port.unwrap_or(usual_port));
        Ok(Self { authority, prefix, api_key, tls, metrics_port: None })
    }

    /// What it is called on the list and in the label `instance`.
    pub(crate) fn instance(&self) -> String {
        format!("{}{}", self.authority, self.prefix)
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.instance())
    }
}

/// The one way to write the address of an engine, or `None` when engines cannot be asked there.
pub fn engine_url(url: &str) -> Option<String> {
    Endpoint::parse(url, None, &TlsSetting::default()).ok().map(|endpoint| endpoint.url())
}

/// What came back, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The header `Server`.
    pub(crate) server: String,
    pub(crate) body: Bytes,
    /// Why the body is not whole: it was too large, too slow, or the connection broke.
    pub(crate) cut: Option<Failure>,
}

/// Asks for `path`. A body that has begun and does not end is no failure: what came of it is kept.
pub(crate) async fn get(endpoint: &Endpoint, path: &str) -> Result<Answer, Failure> {
    let place = format!("{}{path}", endpoint.url());
    timeout(DEADLINE, exchange(endpoint, path, &place)).await.unwrap_or_else(|_| {
        let detail = format!("{place}: no answer within {} s", DEADLINE.as_secs());
        Err(Failure::new(FailureKind::TimedOut, detail))
    })
}

async fn exchange(endpoint: &Endpoint, path: &str, place: &str) -> Result<Answer, Failure> {
    let until = Instant::now() + BODY_DEADLINE;
    let stream = TcpStream::connect(&endpoint.authority)
        .await
        .map_err(|error| Failure::from_io(place, &error))?;
    let request = request(endpoint, path, place)?;
    let Some(tls) = &endpoint.tls else { return talk(stream, request, place, until).await };
    let host = endpoint.authority.rsplit_once(':').map_or("", |(host, _)| host);
    let stream = tls
        .shake(host.trim_matches(['[', ']']), stream)
        .await
        .map_err(|why| Failure::new(FailureKind::Unreachable, why))?;
    let mut answer = talk(stream, request, place, until).await;
    if let Err(failure) = &mut answer
        && failure.kind == FailureKind::Unreachable
    {
        failure.detail.push_str(tls.advice());
    }
    answer
}

/// Sends the request and takes what comes back until `until`.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Empty<Bytes>>,
    place: &str,
    until: Instant,
) -> Result<Answer, Failure> {
    let broken = |error: hyper::Error| {
        let kind = if error.is_parse() { FailureKind::Malformed } else { FailureKind::Unreachable };
        let cause = error.source().map_or(String::new(), |cause| format!(": {cause}"));
        Failure::new(kind, format!("{place}: {error}{cause}"))
    };
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // The connection lives as long as the exchange: both are dropped together at the deadline.
    let answer = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        let server = answer.headers().get(SERVER).and_then(|value| value.to_str().ok());
        let server = server.unwrap_or_default().to_owned();
        let mut incoming = answer.into_body();
        let mut body = BytesMut::new();
        let mut cut = None;
        loop {
            let frame = match timeout_at(until, incoming.frame()).await {
                Ok(None) => break,
                Ok(Some(frame)) => frame.map_err(broken),
                Err(_) => {
                    let detail = format!("{place}: the answer did not end in time");
                    Err(Failure::new(FailureKind::TimedOut, detail))
                }
            };
            let data = match frame {
                Ok(frame) => frame.into_data().unwrap_or_default(),
                Err(failure) => {
                    cut = Some(failure);
                    break;
                }
            };
            let room = BODY_BYTES_MAX - body.len();
            body.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
            if data.len() > room {
                let detail = format!("{place}: the answer is larger than {BODY_BYTES_MAX} bytes");
                cut = Some(Failure::new(FailureKind::TooLarge, detail));
                break;
            }
        }
        Ok(Answer { status, server, body: body.freeze(), cut })
    };
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // The connection may end first, with the answer already received.
        _ = connection => answer.await,
    }
}

fn request(endpoint: &Endpoint, path: &str, place: &str) -> Result<Request<Empty<Bytes>>, Failure> {
    let bad = |error: String| Failure::new(FailureKind::Malformed, format!("{place}: {error}"));
    let mut request = Request::builder()
        .method(Method::GET)
        .uri(format!("{}{path}", endpoint.prefix))
        .header(HOST, &endpoint.authority)
        .header(USER_AGENT, concat!("modelwatch/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new())
        .map_err(|error| bad(error.to_string()))?;
    if let Some(Secret(key)) = &endpoint.api_key {
        let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
            .map_err(|_| bad("the API key contains characters that a header cannot".into()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Answers one connection with `reply`, then with `filler` for as long as it is read.
    async fn ask(reply: &'static [u8], filler: &'static [u8]) -> Result<Answer, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap();
            assert!(head[..read].starts_with(b"GET /x HTTP/1.1\r\n"));
            stream.write_all(reply).await.unwrap();
            while !filler.is_empty() && stream.write_all(filler).await.is_ok() {}
            if reply.is_empty() {
                std::future::pending::<()>().await;
            }
        });
        let endpoint = Endpoint::plain(authority);
        let answer = get(&endpoint, "/x").await;
        server.abort();
        answer
    }

    #[tokio::test]
    async fn endpoints_of_all_sorts() {
        let good = ask(b"HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 2\r\n\r\nhi", b"").await;
        let good = good.unwrap();
        assert_eq!(
            (good.status, good.server.as_str(), &*good.body),
            (StatusCode::OK, "s", &b"hi"[..])
        );
        let kind = |answer: Result<Answer, Failure>| answer.unwrap_err().kind;
        assert_eq!(kind(ask(b"SSH-2.0-OpenSSH_9.2\r\n", b"").await), FailureKind::Malformed);
        assert_eq!(kind(ask(b"", b"").await), FailureKind::TimedOut);
        let endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
        let endless = ask(endless, &[b'x'; 65536]).await.unwrap();
        assert_eq!(endless.body.len(), BODY_BYTES_MAX);
        assert_eq!(endless.cut.unwrap().kind, FailureKind::TooLarge);
        let head = b"HTTP/1.1 200 OK\r\nX: ";
        assert_eq!(kind(ask(head, &[b'x'; 4096]).await), FailureKind::Malformed);
    }

    #[tokio::test]
    async fn nobody_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        drop(listener);
        let endpoint = Endpoint::plain(authority);
        let failure = get(&endpoint, "/").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreachable);
    }

    #[test]
    fn urls() {
        let check = |url: &str, expected: Option<(&str, &str)>| {
            let found = Endpoint::parse(url, None, &TlsSetting::default()).ok();
            let found = found.as_ref().map(|e| (e.authority.as_str(), e.prefix.as_str()));
            assert_eq!(found, expected, "{url}");
        };
        check("http://h:1", Some(("h:1", "")));
        check("http://h:1/", Some(("h:1", "")));
        check("http://h/a/b/", Some(("h:80", "/a/b")));
        check("HTTP://H:1/A", Some(("h:1", "/A")));
        check("http://[::1]", Some(("[::1]:80", "")));
        check("https://h", Some(("h:443", "")));
        assert_eq!(engine_url("https://H:1/a/").as_deref(), Some("https://h:1/a"));
        for bad in ["ftp://h:1", "h:1", "http://", "http://h:99999", "http://h:", "http://u:p@h:1"]
        {
            check(bad, None);
        }
        for bad in ["http://h:1?x=1", "http://::1", "http://[::1", "http://a b:1", "http://h:x"] {
            check(bad, None);
        }
        assert_eq!(format!("{:?}", Secret::new("hush".into())), "Secret");
    }
}
