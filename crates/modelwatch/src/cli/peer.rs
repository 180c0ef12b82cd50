//! A client of a running modelwatch, for commands that work through one.

use std::{io::Write, time::Duration};

use anyhow::{Context as _, bail};
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use model::message::{Language, render};
use tokio::{net::TcpStream, runtime::Runtime, time::timeout};

/// How long either side may be silent, unless somebody asks for work that takes longer.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How often a request is sent again when the other side has no room, no disk or no ear for it.
const RETRIES_MAX: u32 = 5;

/// Longest pause before the next attempt, whatever the other side asks for.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Largest text of an error that is read.
const ERROR_BYTES_MAX: usize = 4_096;

pub(super) struct Peer {
    runtime: Runtime,
    /// `host:port`
    authority: String,
    /// What comes before every path; empty or beginning with `/`.
    prefix: String,
    connection: Option<SendRequest<Full<Bytes>>>,
    silence: Duration,
    /// It is known to be there, so silence may be temporary.
    has_answered: bool,
}

/// An answer that was read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Peer {
    /// For an address such as `http://127.0.0.1:9640`. Nothing is sent yet.
    pub(super) fn new(url: &str, language: Language) -> anyhow::Result<Self> {
        let wrong = || anyhow::Error::msg(render("transfer.wrong_url", &[("url", url)], language));
        let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
        let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        let has_port =
            authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if authority.is_empty() || rest.contains(['?', '#', ' ']) {
            return Err(wrong());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("failed to start the asynchronous runtime")?;
        Ok(Self {
            runtime,
            authority: if has_port { authority.into() } else { format!("{authority}:80") },
            prefix: if prefix.is_empty() { String::new() } else { format!("/{prefix}") },
            connection: None,
            silence: SILENCE_MAX,
            has_answered: false,
        })
    }

    /// Sends a body, again after a pause where the other side asks for that or is gone for a while.
    pub(super) fn post(
        &mut self,
        path: &str,
        headers: &[(HeaderName, &'static str)],
        body: &Bytes,
    ) -> anyhow::Result<Answer> {
        let mut attempt = 0;
        loop {
            let answer = self.post_once(path, headers, body);
            let is_final = match &answer {
                Ok(Answer { status, .. }) => {
                    !status.is_server_error() && *status != StatusCode::TOO_MANY_REQUESTS
                }
                Err(_) => !self.has_answered,
            };
            if is_final || attempt == RETRIES_MAX {
                return answer;
            }
            let asked = answer.ok().and_then(|answer| {
                let seconds = answer.headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse();
                seconds.ok().map(Duration::from_secs)
            });
            let pause = asked.unwrap_or(Duration::from_millis(500) * 2_u32.pow(attempt));
            self.runtime.block_on(async { tokio::time::sleep(pause.min(PAUSE_MAX)).await });
            attempt += 1;
        }
    }

    fn post_once(
        &mut self,
        path: &str,
        headers: &[(HeaderName, &'static str)],
        body: &Bytes,
    ) -> anyhow::Result<Answer> {
        let mut request = self.request(Method::POST, path, body.clone())?;
        for (name, value) in headers {
            request.headers_mut().insert(name, (*value).parse()?);
        }
        let answer = self.exchange(request)?;
        self.has_answered = true;
        self.read(answer)
    }

    /// Asks for `path` and writes what comes back to `out`.
    pub(super) fn download(&mut self, path: &str, out: &mut dyn Write) -> anyhow::Result<()> {
        let request = self.request(Method::GET, path, Bytes::new())?;
        let answer = self.exchange(request)?;
        if answer.status() != StatusCode::OK {
            let answer = self.read(answer)?;
            bail!("{}: {}", answer.status, answer.text.trim_end());
        }
        let mut body = answer.into_body();
        while let Some(piece) = self.piece(&mut body)? {
            out.write_all(&piece)?;
        }
        out.flush()?;
        Ok(())
    }

    /// Sends a form once and reads what comes back, `None` where that is larger than `bytes_max`. The
    /// other side may be silent for `silence`.
    pub(super) fn ask(
        &mut self,
        path: &str,
        form: String,
        silence: Duration,
        bytes_max: usize,
    ) -> anyhow::Result<Option<Answer>> {
        let mut request = self.request(Method::POST, path, form.into())?;
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        self.whole(request, silence, bytes_max)
    }

    /// Asks once for `path` and reads what comes back, as [`Peer::ask`] does.
    pub(super) fn fetch(
        &mut self,
        path: &str,
        silence: Duration,
        bytes_max: usize,
    ) -> anyhow::Result<Option<Answer>> {
        let request = self.request(Method::GET, path, Bytes::new())?;
        self.whole(request, silence, bytes_max)
    }

    /// `host:port`, and what comes before every path.
    pub(super) fn place(&self) -> (&str, &str) {
        (&self.authority, &self.prefix)
    }

    fn whole(
        &mut self,
        request: Request<Full<Bytes>>,
        silence: Duration,
        bytes_max: usize,
    ) -> anyhow::Result<Option<Answer>> {
        self.silence = silence;
        let (parts, mut body) = self.exchange(request)?.into_parts();
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece(&mut body)? {
            if bytes.len() + piece.len() > bytes_max {
                return Ok(None);
            }
            bytes.extend_from_slice(&piece);
        }
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Ok(Some(Answer { status: parts.status, headers: parts.headers, text }))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.prefix))
            .header(header::HOST, &self.authority)
            .header(header::USER_AGENT, concat!("modelwatch/", env!("CARGO_PKG_VERSION")));
        Ok(request.body(Full::new(body))?)
    }

    fn exchange(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
        let Self { runtime, authority, connection, silence, .. } = self;
        let exchange = async {
            let mut sender = match connection.take().filter(|sender| !sender.is_closed()) {
                Some(sender) => sender,
                None => connect(authority).await?,
            };
            sender.ready().await?;
            let answer = sender.send_request(request).await?;
            *connection = Some(sender);
            anyhow::Ok(answer)
        };
        runtime
            .block_on(async { timeout(*silence, exchange).await })
            .context("no answer in time")
            .flatten()
            .with_context(|| format!("http://{authority}"))
    }

    fn read(&mut self, answer: Response<Incoming>) -> anyhow::Result<Answer> {
        let (parts, mut body) = answer.into_parts();
        let mut text = Vec::new();
        while let Some(piece) = self.piece(&mut body)? {
            let room = ERROR_BYTES_MAX.saturating_sub(text.len());
            text.extend(piece.iter().take(room));
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(Answer { status: parts.status, headers: parts.headers, text })
    }

    /// The next piece of a body, `None` at its end. A body that is cut off is an error.
    fn piece(&mut self, body: &mut Incoming) -> anyhow::Result<Option<Bytes>> {
        let frame = self
            .runtime
            .block_on(async { timeout(self.silence, body.frame()).await })
            .context("the answer stopped in the middle")
            .and_then(|frame| frame.transpose().context("the answer was cut off"));
        if frame.is_err() {
            // What is left of this answer would be in the way of the next.
            self.connection = None;
        }
        let frame = frame?;
        Ok(frame.map(|frame| frame.into_data().unwrap_or_default()))
    }
}

async fn connect(authority: &str) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the sender; what goes wrong on it is told where an answer is awaited.
    tokio::spawn(connection);
    Ok(sender)
}
