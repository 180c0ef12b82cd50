//! The HTTP side: who may ask, where requests go, and the headers every answer carries.

mod admin;
mod agent;
mod alertmanager;
mod audit;
mod channels;
mod elastic;
mod events;
mod export;
mod findings;
mod form;
mod gateway;
mod incidents;
mod json;
mod live;
mod logs;
mod loki;
mod metrics;
mod moment;
mod names;
mod openapi;
mod page;
mod product;
mod prometheus;
mod query;
mod range;
mod receive;
mod reports;
mod requests;
mod rules;
mod scan;
mod time;
mod write;

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, HttpBody as _},
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
    middleware::{self, Next},
    routing::{get, post},
};

use crate::wire::App;

pub(crate) use agent::router as agent_router;
pub(crate) use export::EXPORTS_MAX;
pub(crate) use form::parse_duration_ms;
pub(crate) use json::envelope;
pub(crate) use live::{Hub, is_due, run as run_live};
pub(crate) use logs::{LINES_MAX, SavedSearches, TAILS_MAX, csv_header, csv_row};
pub(crate) use page::{file as page_file, kind as page_kind};
pub(crate) use product::object;
pub(crate) use product::{collected_json, event_json, seen_json};
pub(crate) use prometheus::{POINTS_MAX, Report, narrow, own_metadata};
pub(crate) use query::{Limits, Queries};
pub(crate) use receive::Receive;
pub(crate) use reports::run as run_reports;
pub(crate) use requests::csv_field;
pub(crate) use time::{date, parse_time, rfc3339};
pub(crate) use write::{Gate, REFUSED, SAMPLES_WRITTEN};

/// Largest request body but that of remote write, which has its own limit.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Answers below this size are not worth compressing.
const GZIP_BYTES_MIN: usize = 1_024;

pub(crate) fn router(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/-/healthy", get(async || "modelwatch is healthy\n"))
        .route("/-/ready", get(async || "modelwatch is ready\n"))
        .route("/-/reload", post(rules::reload).put(rules::reload))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v1/live", get(live::live))
        .route("/api/v1/overview", get(product::overview))
        .route("/api/v1/sources", get(product::sources))
        .route("/api/v1/events", get(product::events))
        .route("/api/v1/export", get(export::export))
        .route("/api/v1/write", post(write::write))
        .merge(admin::router())
        .merge(alertmanager::router())
        .merge(elastic::router())
        .merge(loki::router())
        .merge(openapi::router())
        .merge(prometheus::router())
        .merge(receive::router())
        .fallback(page::page)
        .with_state(Arc::clone(&app));
    guarded(routes, app.config.server.allowed_hosts.clone())
}

/// What every answer goes through, whoever gives it.
fn guarded(routes: Router, allowed_hosts: Vec<String>) -> Router {
    // Around all routes at once: which methods one has is added behind what is around it alone.
    Router::new()
        .fallback_service(routes)
        .layer(middleware::from_fn(options))
        .layer(middleware::from_fn(compress))
        .layer(middleware::from_fn_with_state(Arc::new(allowed_hosts), guard))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// Refuses requests that a foreign page could have sent, and adds the security headers.
///
/// Without a login the only thing between a web page anywhere and this API is the browser's
/// same-origin rule, which DNS rebinding gets around; hence the check of the `Host` header.
async fn guard(
    State(allowed_hosts): State<Arc<Vec<String>>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = if !is_allowed_host(host, &allowed_hosts) {
        let text = "this Host is not allowed: open the page by address or as localhost, or add the \
                    name to server.allowed_hosts\n";
        refusal(StatusCode::MISDIRECTED_REQUEST, text)
    } else if !is_own_origin(headers, host) {
        refusal(StatusCode::FORBIDDEN, "requests from pages of another origin are refused\n")
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY),
    ] {
        // Reports are framed by our own page and have a policy of their own.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    response
}

fn refusal(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

/// Addresses cannot be rebound, so any of them passes; names must be known.
fn is_allowed_host(host: &str, allowed: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok()
        || allowed.iter().any(|candidate| candidate.eq_ignore_ascii_case(name))
}

/// Browsers send `Origin` where it matters; other clients send none.
fn is_own_origin(headers: &HeaderMap, host: &str) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// Answers `OPTIONS`, and methods that are not there, as Prometheus does. Nothing is granted to pages of
/// another origin by it: those were refused before, and ours need no grant.
async fn options(request: Request, next: Next) -> Response<Body> {
    let is_api = request.uri().path().starts_with("/api/v1/");
    let is_options = request.method() == Method::OPTIONS;
    if is_api && is_options {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        return response;
    }
    let mut response = next.run(request).await;
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let headers = response.headers_mut();
    let allowed = headers.get(header::ALLOW).and_then(|value| value.to_str().ok());
    let allowed = format!("{},OPTIONS", allowed.unwrap_or_default());
    if let Ok(allowed) = HeaderValue::from_str(allowed.trim_start_matches(',')) {
        headers.insert(header::ALLOW, allowed);
    }
    if is_options {
        *response.status_mut() = StatusCode::OK;
        return response;
    }
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.remove(header::CONTENT_LENGTH);
    response.map(|_| Body::from("Method Not Allowed\n"))
}

/// Compresses larger texts for clients that can read gzip; everything else passes unchanged, streams
/// among it.
async fn compress(request: Request, next: Next) -> Response<Body> {
    let accepts = accepts_gzip(request.headers());
    let response = next.run(request).await;
    let (mut parts, body) = response.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_text = kind.is_some_and(|kind| kind.contains("json") || kind.contains("text"));
    let is_stream = body.size_hint().exact().is_none();
    if !accepts || !is_text || is_stream || parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Response::from_parts(parts, body);
    }
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return refusal(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be built\n");
    };
    if bytes.len() < GZIP_BYTES_MIN {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(gzip(&bytes)))
}

/// Whether a client reads gzip. A weight of 0 says that it does not.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.unwrap_or_default().split(',').any(|coding| {
        let (name, more) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = more.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f64>);
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("invariant: writing to a vector cannot fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let allowed = ["box.lan".to_owned()];
        let check =
            |host, expected| assert_eq!(is_allowed_host(host, &allowed), expected, "{host}");
        check("127.0.0.1:9640", true);
        check("[::1]:9640", true);
        check("localhost", true);
        check("LOCALHOST:1", true);
        check("10.0.0.7:9640", true);
        check("box.lan:9640", true);
        check("evil.example:9640", false);
        check("127.0.0.1.evil.example", false);
        check("", false);
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        let check = |accepted: Option<&str>, expected| {
            let mut headers = HeaderMap::new();
            if let Some(accepted) = accepted {
                headers.insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
            }
            assert_eq!(accepts_gzip(&headers), expected, "{accepted:?}");
        };
        check(None, false);
        check(Some(""), false);
        check(Some("gzip"), true);
        check(Some("br, GZIP;q=0.5"), true);
        check(Some("deflate, gzip; q=1.0, *;q=0"), true);
        check(Some("gzip;q=0"), false);
        check(Some("br, gzip; q=0.000, identity"), false);
        check(Some("gzip;q=much"), false);
        check(Some("x-gzipped"), false);
    }

    #[test]
    fn origins() {
        let check = |origin: Option<&str>, expected| {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(is_own_origin(&headers, "127.0.0.1:9640"), expected, "{origin:?}");
        };
        check(None, true);
        check(Some("http://127.0.0.1:9640"), true);
        check(Some("https://127.0.0.1:9640"), true);
        check(Some("http://127.0.0.1:9641"), false);
        check(Some("http://evil.example"), false);
        check(Some("null"), false);
    }
}
