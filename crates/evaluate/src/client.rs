//! An HTTP/1.1 client for one endpoint: connections kept alive, bodies read chunk by chunk with the time
//! at which each came, no redirects, no compression, no retries but one.
//!
//! The one: engines close connections that were idle, maybe in the moment in which a request is sent. A
//! request that failed on a used connection before anything came back is sent again on a new one, once.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Method, Request, StatusCode, Uri,
    body::Incoming,
    client::conn::http1::SendRequest,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use model::Clock;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use crate::{Problem, tls};

/// Largest head of an answer; a larger one is an error.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Largest answer that is read whole.
const WHOLE_BYTES_MAX: usize = 4 << 20;
/// Engines close connections that are idle for 5 s: these are not used any more after this.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// How long a connection may take to open.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Longest reason of a failure that is kept.
const REASON_CHARS_MAX: usize = 300;

/// Where an engine answers: `http://host:port/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    is_tls: bool,
    host: String,
    port: u16,
    /// As the header `Host` has it.
    authority: String,
    /// What comes before every path; empty or beginning with `/`.
    prefix: String,
}

impl Endpoint {
    /// Reads an address. A path that ends with `/v1`, as clients of the API want it, is one without.
    pub fn parse(url: &str) -> Result<Self, Problem> {
        let wrong = || Problem::new("bench.wrong_url", [("url", &url)]);
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?.as_str();
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        // A name and a password in a URL are seen by everybody on the machine.
        if host.is_empty() || authority.contains('@') || uri.query().is_some() {
            return Err(wrong());
        }
        let path = uri.path().trim_end_matches('/');
        Ok(Self {
            is_tls,
            host,
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            authority: authority.to_owned(),
            prefix: path.strip_suffix("/v1").unwrap_or(path).to_owned(),
        })
    }

    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.prefix)
    }
}

/// Headers that hold secrets, which do not belong on a command line.
const SECRET_HEADERS: &[&str] = &["authorization", "api-key", "x-api-key", "cookie"];
/// Set by the client itself, which depends on them.
const OWN_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "content-type",
    "accept-encoding",
];

/// Reads `Name: value` into `headers`.
pub fn add_header(headers: &mut HeaderMap, text: &str) -> Result<(), Problem> {
    let wrong = || {
        let name = text.split(':').next().unwrap_or_default();
        Problem::new("bench.wrong_header", [("name", &name.trim())])
    };
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
    if SECRET_HEADERS.contains(&name.as_str()) {
        return Err(Problem::new("bench.secret_header", [("name", &name)]));
    }
    if OWN_HEADERS.contains(&name.as_str()) {
        return Err(wrong());
    }
    headers.append(name, HeaderValue::try_from(value.trim()).map_err(|_| wrong())?);
    Ok(())
}

/// Sets the key that every request is sent with. It shows in no output.
pub fn set_key(headers: &mut HeaderMap, key: &str) -> Result<(), Problem> {
    let value = HeaderValue::try_from(format!("Bearer {key}"));
    let mut value = value.map_err(|_| Problem::new("bench.wrong_key", []))?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}

/// Why there is no answer, or no whole one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection.
    Connect(String),
    /// It ended or made no sense.
    Broken(String),
}

impl Failure {
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Connect(reason) | Self::Broken(reason) => reason,
        }
    }
}

type Sender = SendRequest<Full<Bytes>>;

struct Idle {
    sender: Sender,
    since: Duration,
}

/// See the module.
pub struct Client {
    endpoint: Endpoint,
    headers: HeaderMap,
    connector: Option<TlsConnector>,
    clock: Clock,
    /// The last one used is the first one used again. As many as requests were ever in flight.
    idle: Mutex<Vec<Idle>>,
}

/// The head of an answer came.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// By the client's clock: just before the request was written.
    pub(crate) sent: Duration,
    /// How long opening a connection took; zero where one was open.
    pub(crate) connecting: Duration,
    pub(crate) is_sent_again: bool,
    body: Incoming,
    sender: Sender,
}

impl Client {
    /// Nothing is sent yet. `ca_file` holds the certificates to trust instead of the system's.
    pub fn new(
        endpoint: Endpoint,
        headers: HeaderMap,
        ca_file: Option<&Path>,
        clock: Clock,
    ) -> Result<Self, Problem> {
        let connector = endpoint.is_tls.then(|| tls::connector(ca_file)).transpose()?;
        Ok(Self { endpoint, headers, connector, clock, idle: Mutex::new(Vec::new()) })
    }

    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The names of the models that the endpoint says it has.
    pub async fn models(&self) -> Result<Vec<String>, Problem> {
        const PATH: &str = "/v1/models";
        let url = format!("{}{PATH}", self.endpoint.url());
        let failed = |reason: &dyn ToString| {
            Problem::new("bench.no_models", [("url", &url), ("reason", reason)])
        };
        let asking = async {
            let mut answer = self.send(Method::GET, PATH, Bytes::new()).await?;
            let mut whole = Vec::new();
            while let Some(chunk) = answer.chunk().await? {
                if whole.len() + chunk.len() > WHOLE_BYTES_MAX {
                    return Err(Failure::Broken(format!("> {WHOLE_BYTES_MAX} bytes")));
                }
                whole.extend_from_slice(&chunk);
            }
            let status = answer.status;
            self.keep(answer);
            Ok((status, whole))
        };
        let answer = timeout(CONNECT_MAX, asking).await.map_err(|error| failed(&error))?;
        let (status, body) = answer.map_err(|failure| failed(&failure.reason()))?;
        if !status.is_success() {
            return Err(failed(&status));
        }
        let list: serde_json::Value =
            serde_json::from_slice(&body).map_err(|error| failed(&error))?;
        let models = list["data"].as_array().into_iter().flatten();
        Ok(models.filter_map(|model| model["id"].as_str().map(str::to_owned)).collect())
    }

    /// Sends a request and waits for the head of its answer, for as long as that takes.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let started = self.clock.monotonic();
        if let Some(sender) = self.open_one().await {
            match self.send_on(sender, self.request(&method, path, &body)?, started).await {
                // Used, so that it may just have been closed: see the module.
                Err(_) => {}
                answer => return answer,
            }
            let sender = self.connect().await?;
            let again = self.send_on(sender, self.request(&method, path, &body)?, started).await?;
            return Ok(Answer { is_sent_again: true, ..again });
        }
        let sender = self.connect().await?;
        self.send_on(sender, self.request(&method, path, &body)?, started).await
    }

    /// For the next request, when the answer was read to its end.
    pub(crate) fn keep(&self, answer: Answer) {
        if !answer.sender.is_closed() {
            let since = self.clock.monotonic();
            lock(&self.idle).push(Idle { sender: answer.sender, since });
        }
    }

    async fn open_one(&self) -> Option<Sender> {
        loop {
            let Idle { mut sender, since } = lock(&self.idle).pop()?;
            let is_fresh = self.clock.monotonic().saturating_sub(since) < IDLE_MAX;
            if is_fresh && !sender.is_closed() && sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    async fn connect(&self) -> Result<Sender, Failure> {
        let place = (self.endpoint.host.as_str(), self.endpoint.port);
        let failed = |error: &dyn std::fmt::Display| Failure::Connect(reason_of(error));
        let connecting = async {
            let stream = TcpStream::connect(place).await.map_err(|error| failed(&error))?;
            stream.set_nodelay(true).map_err(|error| failed(&error))?;
            let Some(connector) = &self.connector else {
                return shake(stream).await;
            };
            let name = ServerName::try_from(self.endpoint.host.clone());
            let name = name.map_err(|error| failed(&error))?;
            let stream = connector.connect(name, stream).await.map_err(|error| failed(&error))?;
            shake(stream).await
        };
        timeout(CONNECT_MAX, connecting).await.map_err(|error| failed(&error))?
    }

    async fn send_on(
        &self,
        mut sender: Sender,
        request: Request<Full<Bytes>>,
        started: Duration,
    ) -> Result<Answer, Failure> {
        let sent = self.clock.monotonic();
        let answer = sender.send_request(request).await;
        let (head, body) = answer.map_err(|error| Failure::Broken(chain(&error)))?.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            sent,
            connecting: sent.saturating_sub(started),
            is_sent_again: false,
            body,
            sender,
        })
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint.prefix))
            .body(Full::new(body.clone()))
            .map_err(|error| Failure::Broken(reason_of(&error)))?;
        let host = HeaderValue::try_from(&self.endpoint.authority);
        let host = host.map_err(|error| Failure::Broken(reason_of(&error)))?;
        let agent = concat!("modelwatch/", env!("CARGO_PKG_VERSION"));
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        if *method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.extend(self.headers.clone());
        Ok(request)
    }
}

impl Answer {
    pub(crate) fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE)?.to_str().ok()
    }

    /// The next piece of the body as it came, `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        let frame = self.body.frame().await.transpose();
        let frame = frame.map_err(|error| Failure::Broken(chain(&error)))?;
        Ok(frame.map(|frame| frame.into_data().unwrap_or_default()))
    }
}

async fn shake(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Sender, Failure> {
    let (sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Failure::Connect(chain(&error)))?;
    // It ends with the sender; what goes wrong on it is told where an answer is awaited.
    tokio::spawn(connection);
    Ok(sender)
}

/// An error with its causes, which hyper leaves out of its own text.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    reason_of(&texts.join(": "))
}

fn reason_of(error: &dyn std::fmt::Display) -> String {
    error.to_string().chars().take(REASON_CHARS_MAX).collect()
}

/// What a panicking thread left is whole: single pushes and pops.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |url: &str, expected: Option<&str>| {
            let found = Endpoint::parse(url).map(|endpoint| endpoint.url());
            assert_eq!(found.ok().as_deref(), expected, "{url}");
        };
        check("http://127.0.0.1:8000", Some("http://127.0.0.1:8000"));
        check("http://a.example/v1/", Some("http://a.example"));
        check("https://a/llm/v1", Some("https://a/llm"));
        check("http://[::1]:81/x", Some("http://[::1]:81/x"));
        for wrong in ["", "a", "127.0.0.1:8000", "ftp://a", "http://u:p@a", "http://", "http://a?b"]
        {
            check(wrong, None);
        }
        assert_eq!(Endpoint::parse("http://[::1]").unwrap().host, "::1");
    }

    #[test]
    fn headers() {
        let check = |text: &str, code: Option<&str>| {
            let found = add_header(&mut HeaderMap::new(), text);
            assert_eq!(found.err().map(|problem| problem.code), code, "{text}");
        };
        check("X-Team: a: b", None);
        check("Authorization: Bearer x", Some("bench.secret_header"));
        check("x-api-key: x", Some("bench.secret_header"));
        for wrong in ["", "x", "a b: c", "a: b\nc", "Host: x", "content-length: 3"] {
            check(wrong, Some("bench.wrong_header"));
        }
        let mut headers = HeaderMap::new();
        set_key(&mut headers, "k3y").unwrap();
        assert!(!format!("{headers:?}").contains("k3y"));
        assert!(set_key(&mut headers, "a\nb").is_err());
    }
}
