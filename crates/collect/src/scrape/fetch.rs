//! Asking a target for its page: GET only, bounded in time and size, no redirects followed.

use std::{io::Read as _, time::Duration};

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName,
        HeaderValue, LOCATION, USER_AGENT,
    },
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::Login;
use crate::{Failure, FailureKind};

/// Largest head of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Bytes of an answer's own words that are shown.
const SHOWN_BYTES_MAX: usize = 200;

/// What is asked, and what may come back.
#[derive(Clone, Debug)]
pub(super) struct Ask<'a> {
    pub(super) scheme: &'a str,
    /// `host:port`
    pub(super) address: &'a str,
    /// With its parameters.
    pub(super) path: &'a str,
    pub(super) accept: &'static str,
    /// A header with a number of seconds that says how patient or how frequent we are.
    pub(super) seconds: (HeaderName, Duration),
    pub(super) login: &'a Login,
    pub(super) timeout: Duration,
    pub(super) bytes_max: usize,
}

/// A page, decompressed.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) kind: String,
    pub(super) body: Bytes,
}

impl Ask<'_> {
    fn place(&self) -> String {
        format!("{}://{}{}", self.scheme, self.address, self.path)
    }

    fn fail(&self, kind: FailureKind, why: impl std::fmt::Display) -> Failure {
        Failure::new(kind, format!("{}: {why}", self.place()))
    }

    pub(super) async fn get(&self) -> Result<Page, Failure> {
        if self.scheme != "http" {
            let why = "only http:// is spoken; put a proxy that speaks TLS in between";
            return Err(self.fail(FailureKind::Malformed, why));
        }
        timeout(self.timeout, self.exchange()).await.unwrap_or_else(|_| {
            let seconds = self.timeout.as_secs_f64();
            Err(self.fail(FailureKind::TimedOut, format!("no whole answer within {seconds} s")))
        })
    }

    async fn exchange(&self) -> Result<Page, Failure> {
        let stream = TcpStream::connect(self.with_port())
            .await
            .map_err(|error| Failure::from_io(self.place(), &error))?;
        let broken = |error: hyper::Error| {
            let is_bad = error.is_parse();
            let kind = if is_bad { FailureKind::Malformed } else { FailureKind::Unreachable };
            self.fail(kind, error)
        };
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let request = self.request()?;
        // The connection lives as long as the exchange: both are dropped together at the deadline.
        let answer = async {
            let answer = sender.send_request(request).await.map_err(broken)?;
            self.check(answer.status(), answer.headers())?;
            let headers = answer.headers().clone();
            let mut incoming = answer.into_body();
            let mut body = BytesMut::new();
            while let Some(frame) = incoming.frame().await {
                let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
                if body.len() + data.len() > self.bytes_max {
                    return Err(self.too_large());
                }
                body.extend_from_slice(&data);
            }
            Ok((headers, body.freeze()))
        };
        tokio::pin!(answer);
        let (headers, body) = tokio::select! {
            answer = &mut answer => answer?,
            // The connection may end first, with the answer already received.
            _ = connection => answer.await?,
        };
        let body = match header(&headers, &CONTENT_ENCODING).as_str() {
            "gzip" => self.unzip(&body)?,
            "" | "identity" => body,
            other => {
                let why = format!("the encoding {other:.40?} was not asked for");
                return Err(self.fail(FailureKind::Malformed, why));
            }
        };
        Ok(Page { kind: header(&headers, &CONTENT_TYPE), body })
    }

    /// HTTP's own port where the address names none.
    fn with_port(&self) -> String {
        let (_, after) = self.address.rsplit_once(':').unwrap_or(("", ""));
        let has_port = !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit());
        if has_port { self.address.to_owned() } else { format!("{}:80", self.address) }
    }

    fn check(&self, status: StatusCode, headers: &HeaderMap) -> Result<(), Failure> {
        if status == StatusCode::OK {
            return Ok(());
        }
        let status = status.as_u16();
        Err(match status {
            401 | 403 => self.fail(FailureKind::PermissionDenied, format!("HTTP status {status}")),
            300..=399 => {
                let mut to = header(headers, &LOCATION);
                to.truncate(to.floor_char_boundary(SHOWN_BYTES_MAX));
                let why = format!("HTTP status {status} to {to:?}; redirects are not followed");
                self.fail(FailureKind::Refused, why)
            }
            _ => self.fail(FailureKind::Refused, format!("HTTP status {status}")),
        })
    }

    fn unzip(&self, body: &[u8]) -> Result<Bytes, Failure> {
        let limit = self.bytes_max as u64 + 1;
        let mut plain = Vec::new();
        let read = MultiGzDecoder::new(body).take(limit).read_to_end(&mut plain);
        read.map_err(|error| self.fail(FailureKind::Malformed, format!("gzip: {error}")))?;
        if plain.len() > self.bytes_max { Err(self.too_large()) } else { Ok(plain.into()) }
    }

    fn too_large(&self) -> Failure {
        let why = format!("the answer is larger than {} bytes", self.bytes_max);
        self.fail(FailureKind::TooLarge, why)
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, Failure> {
        let bad = |error: String| self.fail(FailureKind::Malformed, error);
        let (name, seconds) = &self.seconds;
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(self.path)
            .header(HOST, self.address)
            .header(USER_AGENT, concat!("modelwatch/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, self.accept)
            .header(ACCEPT_ENCODING, "gzip")
            .header(name, seconds.as_secs_f64().to_string())
            .body(Empty::new())
            .map_err(|error| bad(error.to_string()))?;
        let credentials = match self.login {
            Login::None => return Ok(request),
            Login::Bearer(secret) => format!("Bearer {}", secret.expose()),
            Login::Basic { user, password } => {
                let both = format!("{user}:{}", password.expose());
                format!("Basic {}", base64(both.as_bytes()))
            }
        };
        let mut value = HeaderValue::from_str(&credentials)
            .map_err(|_| bad("the login contains characters that a header cannot".into()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(request)
    }
}

fn header(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// As RFC 4648 has it, for the header of basic authentication.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 63;
            let is_there = place <= chunk.len();
            out.push(if is_there { char::from(DIGITS[digit as usize]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Answers one connection with `reply`, then with `filler` for as long as it is read. Returns what
    /// was asked, too.
    async fn ask(reply: Vec<u8>, filler: &'static [u8]) -> (Result<Page, Failure>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 2048];
            let read = stream.read(&mut head).await.unwrap();
            stream.write_all(&reply).await.unwrap();
            while !filler.is_empty() && stream.write_all(filler).await.is_ok() {}
            if reply.is_empty() {
                std::future::pending::<()>().await;
            }
            String::from_utf8_lossy(&head[..read]).into_owned()
        });
        let login = Login::Basic { user: "u".into(), password: Secret::new("p".into()) };
        let ask = Ask {
            scheme: "http",
            address: &address,
            path: "/m?a=b",
            accept: "text/plain",
            seconds: (HeaderName::from_static("x-seconds"), Duration::from_millis(1_500)),
            login: &login,
            timeout: Duration::from_secs(2),
            bytes_max: 1 << 16,
        };
        let answer = ask.get().await;
        let is_silent = answer.as_ref().is_err_and(|failure| failure.kind == FailureKind::TimedOut);
        if is_silent {
            server.abort();
        }
        (answer, server.await.unwrap_or_default())
    }

    use crate::Secret;

    fn reply(head: &str, body: &[u8]) -> Vec<u8> {
        let length = body.len();
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), body].concat()
    }

    fn zipped(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn pages_come_plain_and_zipped() {
        let (page, asked) = ask(reply("200 OK\r\nContent-Type: text/plain", b"a 1\n"), b"").await;
        let page = page.unwrap();
        assert_eq!((page.kind.as_str(), &*page.body), ("text/plain", &b"a 1\n"[..]));
        assert!(asked.starts_with("GET /m?a=b HTTP/1.1\r\n"), "{asked}");
        let asked = asked.to_lowercase();
        for line in ["authorization: basic dtpw", "x-seconds: 1.5", "accept-encoding: gzip"] {
            assert!(asked.contains(line), "{line} is not in {asked}");
        }
        let body = zipped(b"b 2\n");
        let (page, _) = ask(reply("200 OK\r\nContent-Encoding: gzip", &body), b"").await;
        assert_eq!(&*page.unwrap().body, b"b 2\n");
    }

    #[tokio::test]
    async fn bad_answers_are_named() {
        let check = async |reply: Vec<u8>, filler, kind, text: &str| {
            let failure = ask(reply, filler).await.0.unwrap_err();
            assert_eq!(failure.kind, kind, "{failure}");
            assert!(failure.detail.contains(text), "{failure}");
        };
        let to = "302 Found\r\nLocation: http://elsewhere/";
        check(reply(to, b""), b"", FailureKind::Refused, "302 to \"http://elsewhere/\"").await;
        check(reply("500 No", b""), b"", FailureKind::Refused, "500").await;
        check(reply("401 No", b""), b"", FailureKind::PermissionDenied, "401").await;
        check(b"SSH-2.0\r\n".to_vec(), b"", FailureKind::Malformed, "").await;
        check(Vec::new(), b"", FailureKind::TimedOut, "within 2 s").await;
        let endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        check(endless, &[b'x'; 4096], FailureKind::TooLarge, "larger than 65536").await;
        let bomb = zipped(&[0; 1 << 20]);
        let head = "200 OK\r\nContent-Encoding: gzip";
        check(reply(head, &bomb), b"", FailureKind::TooLarge, "larger than 65536").await;
        check(reply(head, b"no"), b"", FailureKind::Malformed, "gzip").await;
    }

    #[test]
    fn base64_as_others_write_it() {
        let check = |text: &str, expected| assert_eq!(base64(text.as_bytes()), expected, "{text}");
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("user:p\u{e9}>?", "dXNlcjpww6k+Pw==");
    }
}
