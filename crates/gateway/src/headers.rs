//! Which headers pass: all but those that are between two neighbours, those that carry credentials, and
//! those that the gateway says itself.

use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};

use crate::{
    access::KEY_HEADERS,
    trace::{Identifiers, REQUEST_ID, TRACEPARENT},
    upstream::Target,
};

/// On every answer that the gateway made itself instead of an engine: why.
pub const GATEWAY_ERROR: HeaderName = HeaderName::from_static("x-modelwatch-error");

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Takes out what is meant for the next neighbour only. `Trailer` stays: trailers pass.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // Whoever names one of these wants to hide it from the engine, not from us.
        .filter(|name| ![HOST, CONTENT_LENGTH, AUTHORIZATION].contains(name))
        .collect();
    for name in named.iter().chain(&[
        CONNECTION,
        HTTP2_SETTINGS,
        KEEP_ALIVE,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        PROXY_CONNECTION,
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
    ]) {
        headers.remove(name);
    }
}

/// What a client asks to be switched to, if it does.
pub(crate) fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let mut words = asks.flat_map(|value| value.split(','));
    let is_asked = words.any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    let upgrade = headers.get(UPGRADE).filter(|_| is_asked)?;
    // HTTP/2 over plain text is no protocol to switch to in passing.
    (!upgrade.as_bytes().eq_ignore_ascii_case(b"h2c")).then(|| upgrade.clone())
}

fn takes_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TE).iter().filter_map(|value| value.to_str().ok());
    let mut words = values.flat_map(|value| value.split(','));
    words.any(|word| word.trim().eq_ignore_ascii_case("trailers"))
}

/// HTTP/2 may send cookies one by one; HTTP/1.1 has one header for all (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// The headers of a request, as any engine gets them.
pub(crate) fn to_engine(
    mut headers: HeaderMap,
    ids: &Identifiers,
    upgrade: Option<&HeaderValue>,
) -> HeaderMap {
    let wants_trailers = takes_trailers(&headers);
    remove_hop_by_hop(&mut headers);
    join_cookies(&mut headers);
    // Answered by the gateway when it begins to read the body.
    headers.remove(EXPECT);
    headers.remove(GATEWAY_ERROR);
    if let Some(upgrade) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, upgrade.clone());
    } else if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if let Ok(id) = HeaderValue::from_str(&ids.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(parent) = ids.traceparent() {
        headers.insert(TRACEPARENT, parent);
    }
    headers
}

/// Makes it a request to this engine: its name, and its key in place of the client's.
pub(crate) fn address(headers: &mut HeaderMap, target: &Target, is_ours: bool) {
    headers.insert(HOST, target.authority.clone());
    if is_ours || target.authorization.is_some() {
        for name in &KEY_HEADERS {
            headers.remove(name);
        }
    }
    if let Some(authorization) = &target.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
}

/// The headers of an engine's answer, as the client gets them.
pub(crate) fn to_client(headers: &mut HeaderMap, request_id: &str, upgrade: bool) {
    let protocol = headers.get(UPGRADE).cloned();
    remove_hop_by_hop(headers);
    headers.remove(GATEWAY_ERROR);
    if let Some(protocol) = protocol.filter(|_| upgrade) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
    name_request(headers, request_id);
}

/// Tells the client the id of its request, unless the engine did.
pub(crate) fn name_request(headers: &mut HeaderMap, request_id: &str) {
    if !headers.contains_key(REQUEST_ID)
        && let Ok(id) = HeaderValue::from_str(request_id)
    {
        headers.insert(REQUEST_ID, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_is_between_neighbours_does_not_pass() {
        let mut headers = map(&[
            ("connection", "keep-alive, x-private"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("te", "gzip"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("x-private", "1"),
            ("content-type", "application/json"),
            ("accept-encoding", "gzip"),
            ("trailer", "x-sum"),
        ]);
        remove_hop_by_hop(&mut headers);
        assert_eq!(names(&headers), ["accept-encoding", "content-type", "trailer"]);
    }

    #[test]
    fn a_connection_header_cannot_take_out_what_counts() {
        let mut headers =
            map(&[("connection", "content-length, authorization"), ("content-length", "3")]);
        remove_hop_by_hop(&mut headers);
        assert_eq!(names(&headers), ["content-length"]);
    }

    #[test]
    fn cookies_become_one_header() {
        let mut headers = map(&[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")]);
        join_cookies(&mut headers);
        let cookies: Vec<_> = headers.get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3"]);
    }

    #[test]
    fn upgrades_are_told() {
        let check = |pairs: &[(&'static str, &'static str)], expected: Option<&str>| {
            let upgrade = upgrade_of(&map(pairs));
            assert_eq!(upgrade.as_ref().and_then(|value| value.to_str().ok()), expected);
        };
        check(
            &[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")],
            Some("websocket"),
        );
        check(&[("upgrade", "websocket")], None);
        check(&[("connection", "upgrade")], None);
        check(&[("connection", "upgrade, http2-settings"), ("upgrade", "h2c")], None);
    }
}
