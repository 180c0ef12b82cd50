//! The page: built files from `ui/dist`, or the small page when the full one was not built.

use std::io::Read as _;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header},
};

include!(concat!(env!("OUT_DIR"), "/page.rs"));

pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// The page that needs no build.
static MINI: &[(&str, &[u8])] = &[
    ("index.html", include_bytes!("../../assets/mini/index.html")),
    ("mini.css", include_bytes!("../../assets/mini/mini.css")),
    ("mini.js", include_bytes!("../../assets/mini/mini.js")),
];

/// Which page this binary carries, for `--version` and the API.
pub(crate) fn kind() -> &'static str {
    if FILES.is_empty() { "mini" } else { "full" }
}

pub(super) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response<Body> {
    let path = uri.path().trim_start_matches('/');
    let name = if path.is_empty() { "index.html" } else { path };
    let files = if FILES.is_empty() { MINI } else { FILES };
    let Some((_, stored)) = files.iter().find(|(candidate, _)| *candidate == name) else {
        return super::refusal(StatusCode::NOT_FOUND, "no such page; the overview is at /\n");
    };
    if method != Method::GET && method != Method::HEAD {
        let mut response = super::refusal(StatusCode::METHOD_NOT_ALLOWED, "");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
        return response;
    }
    // Asset names carry a hash of their content, so they never change; the index must be asked for.
    let caching = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let is_stored_gzip = !FILES.is_empty();
    let sends_gzip = is_stored_gzip && super::accepts_gzip(&headers);
    let body = if is_stored_gzip && !sends_gzip {
        let mut inflated = Vec::new();
        if flate2::read::GzDecoder::new(*stored).read_to_end(&mut inflated).is_err() {
            return super::refusal(StatusCode::INTERNAL_SERVER_ERROR, "the page is damaged\n");
        }
        Body::from(inflated)
    } else {
        Body::from(*stored)
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if sends_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// A file that came with the built page, as it was before it was compressed.
pub(crate) fn file(name: &str) -> Option<Vec<u8>> {
    let (_, stored) = FILES.iter().find(|(candidate, _)| *candidate == name)?;
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(*stored).read_to_end(&mut inflated).ok()?;
    Some(inflated)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "ttf" => "font/ttf",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
