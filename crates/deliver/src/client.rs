//! An HTTP/1.1 client that sends one request on one connection, to an address that [`crate::guard`] allows, within
//! one deadline. No redirects, no compression, no proxy, no cookies.

use std::{borrow::Cow, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Uri,
    header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::rustls::pki_types::ServerName;

use crate::{Failure, Settings, failure::chain, guard, tls};

/// Largest answer that is read; services answer with some dozen bytes.
const REPLY_BYTES_MAX: usize = 256 << 10;
/// Largest head of an answer.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// How long to wait where a service says that it is asked too often, but not until when.
pub(crate) const TOO_OFTEN_WAIT: Duration = Duration::from_secs(60);

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) media_type: Cow<'static, str>,
    /// Names in lower case.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Call {
    /// A POST of JSON.
    pub(crate) fn json(url: impl Into<String>, body: &serde_json::Value) -> Self {
        Self {
            method: Method::POST,
            url: url.into(),
            media_type: "application/json".into(),
            headers: Vec::new(),
            body: body.to_string().into(),
        }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

/// How long to wait where code and text of an answer mean that the service is asked too often, or is busy.
pub(crate) type TooOften = fn(i64, &str) -> Option<Duration>;

impl Reply {
    /// Judges by the status alone, as HTTP means it.
    pub(crate) fn by_status(&self) -> Result<(), Failure> {
        let text = String::from_utf8_lossy(&self.body);
        let reason = format!("HTTP {} {}", self.status, text.trim());
        let reason = reason.trim_end();
        match (self.status, self.retry_after) {
            (200..=299, _) => Ok(()),
            (300..=399, _) => Err(Failure::lasting(format!(
                "{reason} (redirects are not followed; put the final address into url)"
            ))),
            (429 | 500..=599, Some(after)) => Err(Failure::after(reason, after)),
            (429, None) => Err(Failure::after(reason, TOO_OFTEN_WAIT)),
            (408 | 425 | 500..=599, _) => Err(Failure::passing(reason)),
            _ => Err(Failure::lasting(reason)),
        }
    }

    /// The body as JSON; null where it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// For services that put their verdict into the body, whatever the status: 0 in the field `code`, else what
    /// `too_often` knows by code and text and how long it says to wait, or a lasting refusal.
    pub(crate) fn by_code(
        &self,
        code: &str,
        text: &str,
        too_often: TooOften,
    ) -> Result<(), Failure> {
        let body = self.json();
        let Some(found) = body[code].as_i64() else {
            self.by_status()?;
            let said = String::from_utf8_lossy(&self.body);
            return Err(Failure::passing(format!("an answer without {code}: {}", said.trim())));
        };
        let said = body[text].as_str().unwrap_or_default();
        let reason = format!("{code} {found} {said}");
        match (found, too_often(found, said)) {
            (0, _) => self.by_status(),
            (_, Some(wait)) => Err(Failure::after(reason, wait)),
            // A gateway before the service may say so with its status.
            _ if matches!(self.status, 429 | 500..=599) => self.by_status(),
            _ => Err(Failure::lasting(reason)),
        }
    }
}

/// Sends the request and reads the answer.
pub(crate) async fn send(call: &Call, settings: &Settings) -> Result<Reply, Failure> {
    let limit = settings.timeout;
    let sending = timeout(limit, exchange(call, settings)).await;
    sending.unwrap_or_else(|_| Err(Failure::passing(format!("no answer within {limit:?}"))))
}

async fn exchange(call: &Call, settings: &Settings) -> Result<Reply, Failure> {
    let uri: Uri = call.url.parse().map_err(|_| Failure::lasting("url is no address"))?;
    let is_tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(Failure::lasting("url begins neither with https:// nor with http://")),
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let addresses = guard::resolve(&host, port, settings.allow_private_addresses).await?;
    let stream = connect(&addresses, settings.timeout).await?;
    let request = request(call, &uri)?;
    if !is_tls {
        return talk(stream, request).await;
    }
    let name = ServerName::try_from(host.clone()).map_err(Failure::lasting)?;
    let connector = tls::connector(settings.ca_file.as_deref())?;
    let stream = connector.connect(name, stream).await;
    talk(stream.map_err(|error| Failure::passing(format!("TLS with {host}: {error}")))?, request)
        .await
}

/// To the first address that takes a connection.
async fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, Failure> {
    let (mut last, each) = (Failure::passing("no address"), each(limit, addresses.len()));
    for address in addresses {
        match timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = Failure::passing(format!("{address}: {error}")),
            Err(_) => last = Failure::passing(format!("{address}: no answer within {each:?}")),
        }
    }
    Err(last)
}

/// How long one of several addresses is tried: where the first leads nowhere, as IPv6 often does, time is left for the
/// others and for the conversation.
pub(crate) fn each(limit: Duration, addresses: usize) -> Duration {
    if addresses < 2 { limit } else { limit / u32::try_from(addresses + 1).unwrap_or(u32::MAX) }
}

fn request(call: &Call, uri: &Uri) -> Result<Request<Full<Bytes>>, Failure> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(target)
        .body(Full::new(call.body.clone()))
        .map_err(Failure::lasting)?;
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::try_from(authority).map_err(Failure::lasting)?);
    let agent = concat!("modelwatch/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::try_from(call.media_type.as_ref()).map_err(Failure::lasting)?,
    );
    for (name, value) in &call.headers {
        let value = HeaderValue::try_from(value);
        // The value may be a secret: it is not repeated.
        let value = value
            .map_err(|_| Failure::lasting(format!("{name} cannot be sent: it is no header")))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(request)
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Reply, Failure> {
    let broken = |error: hyper::Error| Failure::passing(chain(&error));
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let exchanging = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(seconds);
        let body = Limited::new(answer.into_body(), REPLY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| Failure::passing(format!("the answer: {error}")))?;
        Ok(Reply { status, retry_after, body: body.to_bytes() })
    };
    tokio::pin!(exchanging);
    tokio::pin!(connection);
    // The connection does its part only while somebody waits for it; it may end before the answer was taken.
    tokio::select! {
        reply = &mut exchanging => reply,
        _ = &mut connection => exchanging.await,
    }
}

/// A date in this header is ignored: the usual pause is waited then.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_by_their_status() {
        let check = |status, retry_after: Option<u64>, expected: Option<(bool, Option<u64>)>| {
            let retry_after = retry_after.map(Duration::from_secs);
            let reply = Reply { status, retry_after, body: Bytes::from_static(b"no\n") };
            let found = reply.by_status().err();
            let found =
                found.map(|failure| (failure.is_passing, failure.after.map(|it| it.as_secs())));
            assert_eq!(found, expected, "{status}");
        };
        check(200, None, None);
        check(202, None, None);
        check(302, None, Some((false, None)));
        check(400, None, Some((false, None)));
        check(404, None, Some((false, None)));
        check(429, None, Some((true, Some(60))));
        check(429, Some(7), Some((true, Some(7))));
        check(429, Some(99_999), Some((true, Some(3_600))));
        check(500, None, Some((true, None)));
        check(503, Some(5), Some((true, Some(5))));
    }
}
