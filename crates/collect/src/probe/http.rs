//! The HTTP probe, and the LLM probe, which is one with a body: the smallest question there is.
//!
//! Over TLS too, see [`super::tls`]; HTTP/1.1 only. The LLM probe asks an engine for one token through the API that engines share, and
//! succeeds when a choice comes back.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, Uri,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use model::{Clock, catalogue as metric};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Outcome, ProbeKind, ProbeSetting, connect, tls};

/// Of an answer no more than this is read; it counts as whole then.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Largest head of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;
const LLM_PATH: &str = "/v1/chat/completions";

/// A URL as far as it is supported.
pub(super) struct Target {
    is_tls: bool,
    host: String,
    port: u16,
    /// As the header `Host` has it.
    authority: String,
    path: String,
}

impl Target {
    pub(super) fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority()?.as_str();
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return None,
        };
        if authority.contains('@') {
            return None;
        }
        let host = uri.host()?.trim_matches(['[', ']']).to_owned();
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let port = uri.port_u16().unwrap_or(if is_tls { tls::PORT } else { 80 });
        (!host.is_empty()).then(|| Self {
            is_tls,
            host,
            port,
            authority: authority.to_owned(),
            path,
        })
    }
}

pub(super) async fn ask(clock: &Clock, setting: &ProbeSetting) -> Outcome {
    let mut outcome = Outcome::default();
    let Some(target) = Target::parse(&setting.target) else {
        return outcome.fail("the target is no URL that begins with http:// or https://");
    };
    let (stream, resolving, connecting) =
        match connect(clock, &target.host, target.port, &mut outcome).await {
            Ok(connected) => connected,
            Err(why) => return outcome.fail(why),
        };
    phase(&mut outcome, "resolve", resolving);
    phase(&mut outcome, "connect", connecting);
    let request = match request(&target, setting) {
        Ok(request) => request,
        Err(error) => return outcome.fail(error),
    };
    if !target.is_tls {
        return talk(clock, setting, stream, request, outcome).await;
    }
    let started = clock.monotonic();
    match tls::shake(&target.host, stream, &setting.ca_file, &mut outcome).await {
        Ok(stream) => {
            phase(&mut outcome, "tls", clock.monotonic().saturating_sub(started));
            talk(clock, setting, stream, request, outcome).await
        }
        Err(why) => outcome.fail(why),
    }
}

/// Sends the request and reads the answer.
async fn talk(
    clock: &Clock,
    setting: &ProbeSetting,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
    mut outcome: Outcome,
) -> Outcome {
    let shaken = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = match shaken {
        Ok(both) => both,
        Err(error) => return outcome.fail(error),
    };
    let exchange = async {
        let started = clock.monotonic();
        let answer = match sender.send_request(request).await {
            Ok(answer) => answer,
            Err(error) => return outcome.fail(error),
        };
        phase(&mut outcome, "processing", clock.monotonic().saturating_sub(started));
        read(clock, setting, answer, outcome).await
    };
    tokio::pin!(exchange);
    tokio::select! {
        outcome = &mut exchange => outcome,
        // The connection may end first, with the answer already received.
        _ = connection => exchange.await,
    }
}

fn phase(outcome: &mut Outcome, phase: &'static str, time: Duration) {
    outcome.put(&metric::PROBE_HTTP_DURATION_SECONDS, Some(phase), time);
}

fn request(
    target: &Target,
    setting: &ProbeSetting,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let is_llm = setting.kind == ProbeKind::Llm;
    let agent = concat!("modelwatch/", env!("CARGO_PKG_VERSION"));
    let mut builder =
        Request::builder().header(HOST, target.authority.as_str()).header(USER_AGENT, agent);
    if let Some(key) = &setting.api_key {
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose()))?;
        value.set_sensitive(true);
        builder = builder.header(AUTHORIZATION, value);
    }
    if !is_llm {
        return builder.method(Method::GET).uri(target.path.as_str()).body(Full::default());
    }
    let body = json!({
        "model": setting.model,
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 1,
        "stream": false,
    });
    let path = format!("{}{LLM_PATH}", target.path.trim_end_matches('/'));
    let builder = builder.method(Method::POST).uri(path).header(CONTENT_TYPE, "application/json");
    builder.body(Full::from(body.to_string()))
}

async fn read(
    clock: &Clock,
    setting: &ProbeSetting,
    answer: Response<Incoming>,
    mut outcome: Outcome,
) -> Outcome {
    let status = answer.status();
    outcome.values.push((&metric::PROBE_HTTP_STATUS_CODE, None, f64::from(status.as_u16())));
    let started = clock.monotonic();
    let mut incoming = answer.into_body();
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let data = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => return outcome.fail(error),
        };
        body.extend_from_slice(&data);
        if body.len() > BODY_BYTES_MAX {
            break;
        }
    }
    phase(&mut outcome, "transfer", clock.monotonic().saturating_sub(started));
    outcome.values.push((&metric::PROBE_HTTP_UNCOMPRESSED_BODY_LENGTH, None, body.len() as f64));
    if !status.is_success() {
        return outcome.fail(format!("the answer is {status}"));
    }
    let is_answered = || {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        body.pointer("/choices/0").is_some()
    };
    if setting.kind == ProbeKind::Llm && !is_answered() {
        return outcome.fail("the answer holds no choice");
    }
    outcome
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        sync::oneshot,
    };

    use super::{
        super::tests::{probe, setting, value},
        *,
    };
    use crate::Secret;

    /// A server of the test that gives one answer, and what it was asked.
    async fn server(answer: &'static str) -> (String, oneshot::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, asked) = oneshot::channel();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4_096];
            let count = stream.read(&mut request).await.unwrap();
            tell.send(String::from_utf8_lossy(&request[..count]).into_owned()).unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        (address, asked)
    }

    #[tokio::test]
    async fn answers() {
        for (answer, success, status, reason) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1.0, Some(200.0), ""),
            ("HTTP/1.1 204 No Content\r\n\r\n", 1.0, Some(204.0), ""),
            ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", 0.0, Some(302.0), "302 Found"),
            ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 0.0, Some(503.0), "503"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", 0.0, Some(200.0), "reading a body"),
            ("SSH-2.0-x\r\n", 0.0, None, "invalid"),
            ("", 0.0, None, "connection closed"),
        ] {
            let (address, asked) = server(answer).await;
            let setting = setting(ProbeKind::Http, &format!("http://{address}/health?x=1"));
            let (values, _, why) = probe(&setting).await;
            assert_eq!(value(&values, "probe_success"), Some(success), "{answer}: {why}");
            assert_eq!(value(&values, "probe_http_status_code"), status, "{answer}");
            assert!(why.contains(reason), "{answer}: {why}");
            assert!(asked.await.unwrap().starts_with("GET /health?x=1 HTTP/1.1\r\n"));
            for phase in ["resolve", "connect"] {
                let name = format!("probe_http_duration_seconds {phase}");
                assert!(value(&values, &name).is_some(), "{answer}: {values:?}");
            }
        }
    }

    #[tokio::test]
    async fn over_tls() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let file = tls::tests::ca_file();
        for (ca_file, success) in [(file.path().to_str().unwrap(), 1.0), ("", 0.0)] {
            let address = tls::tests::server(answer).await;
            let mut setting = setting(ProbeKind::Http, &format!("https://{address}/"));
            setting.ca_file = ca_file.into();
            let (values, _, why) = probe(&setting).await;
            assert_eq!(value(&values, "probe_success"), Some(success), "{why}");
            // Nothing is asked over a connection that is not trusted.
            let status = (success > 0.0).then_some(200.0);
            assert_eq!(value(&values, "probe_http_status_code"), status, "{why}");
        }
    }

    #[tokio::test]
    async fn one_token() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"choices\":[{}]}";
        let empty = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"choices\":[]}";
        for (answer, success) in [(whole, 1.0), (empty, 0.0)] {
            let (address, asked) = server(answer).await;
            let mut setting = setting(ProbeKind::Llm, &format!("http://{address}/"));
            setting.model = "m".into();
            setting.api_key = Some(Secret::new("k".into()));
            let (values, _, why) = probe(&setting).await;
            assert_eq!(value(&values, "probe_success"), Some(success), "{why}");
            let asked = asked.await.unwrap();
            assert!(asked.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{asked}");
            assert!(asked.contains("authorization: Bearer k"), "{asked}");
            assert!(asked.contains("\"max_tokens\":1") && asked.contains("\"model\":\"m\""));
        }
    }

    #[test]
    fn urls() {
        for (url, expected) in [
            ("http://a.example/x?y", Some(("a.example", 80, "/x?y"))),
            ("http://[::1]:81", Some(("::1", 81, "/"))),
            ("https://a", Some(("a", 443, "/"))),
            ("ftp://a", None),
            ("a:80", None),
            ("http://u:p@a", None),
            ("http://", None),
        ] {
            let found = Target::parse(url);
            let found = found.as_ref().map(|t| (t.host.as_str(), t.port, t.path.as_str()));
            assert_eq!(found, expected, "{url}");
        }
    }
}
