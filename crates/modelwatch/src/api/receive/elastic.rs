//! Elasticsearch's bulk API below `/elasticsearch`, and what Beats and Logstash ask before they use it.
//!
//! Templates, policies, data streams and pipelines are taken and ignored: every document is a line, whatever its
//! index, and fields need no mapping. None is there when it is asked for, so that senders set up what they need
//! and go on.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{HeaderName, HeaderValue, Response, StatusCode},
    routing::{MethodRouter, get, post, put},
};
use http_body_util::BodyExt as _;
use receive::{
    Arrival, bulk,
    desk::{Reason, Receiver},
};
use serde_json::{Value, json};

use super::{BODY_TIMEOUT, Decoded, JSON, Untaken, answer, expanded};
use crate::wire::App;

/// Clients ask for it and refuse to go on without it.
const PRODUCT: HeaderName = HeaderName::from_static("x-elastic-product");

/// Beats refuse servers that are older than themselves; clients of older versions take newer servers.
const VERSION: &str = "9.2.0";

/// Bytes of a template or such that are read; a sender of more is answered before it has written all.
const SETTING_BYTES_MAX: usize = 8 << 20;

pub(super) fn router() -> Router<Arc<App>> {
    let root = "/elasticsearch";
    let mut router = Router::new()
        .route(root, get(product))
        .route(&format!("{root}/"), get(product))
        .route(&format!("{root}/_bulk"), post(bulk_all).put(bulk_all))
        .route(&format!("{root}/{{index}}/_bulk"), post(bulk_index).put(bulk_index))
        .route(&format!("{root}/{{index}}/_doc"), post(one))
        .route(&format!("{root}/{{index}}/_doc/{{id}}"), put(one_named))
        .route(&format!("{root}/{{index}}/_create/{{id}}"), post(one_named).put(one_named))
        .route(&format!("{root}/{{index}}"), put(created))
        .route(&format!("{root}/_license"), get(license))
        .route(&format!("{root}/_xpack"), get(xpack))
        .route(&format!("{root}/_cluster/health"), get(health))
        .route(&format!("{root}/_nodes/http"), get(nodes))
        .route(&format!("{root}/_ingest/pipeline"), get(nothing));
    for setting in [
        "_ilm/policy",
        "_index_template",
        "_component_template",
        "_template",
        "_data_stream",
        "_ingest/pipeline",
    ] {
        router = router.route(&format!("{root}/{setting}/{{name}}"), settings());
    }
    router
}

/// What can be set and is ignored.
fn settings() -> MethodRouter<Arc<App>> {
    get(missing).put(acknowledged).post(acknowledged).delete(missing)
}

async fn acknowledged(request: Request) -> Response<Body> {
    // A sender that is still writing would take the answer for a broken connection.
    let mut body = request.into_body();
    let mut left = SETTING_BYTES_MAX;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    drop(tokio::time::timeout(BODY_TIMEOUT, reading).await);
    say(StatusCode::OK, json!({ "acknowledged": true }))
}

async fn nothing() -> Response<Body> {
    say(StatusCode::OK, json!({}))
}

async fn missing(Path(name): Path<String>) -> Response<Body> {
    let reason = format!("[{name}] is not here: modelwatch needs none");
    say(StatusCode::NOT_FOUND, error(StatusCode::NOT_FOUND, "resource_not_found_exception", reason))
}

async fn product(State(app): State<Arc<App>>) -> Response<Body> {
    let about = json!({
        "name": app.instance,
        "cluster_name": "modelwatch",
        "cluster_uuid": "modelwatch",
        "version": {
            "number": VERSION,
            "build_flavor": "default",
            "build_type": "modelwatch",
            "build_hash": env!("CARGO_PKG_VERSION"),
            "build_date": "2026-01-01T00:00:00.000Z",
            "build_snapshot": false,
            "lucene_version": "10.0.0",
            "minimum_wire_compatibility_version": "8.19.0",
            "minimum_index_compatibility_version": "8.0.0",
        },
        "tagline": "You Know, for Search",
    });
    say(StatusCode::OK, about)
}

async fn license() -> Response<Body> {
    say(StatusCode::OK, json!({ "license": license_json() }))
}

fn license_json() -> Value {
    json!({ "uid": "modelwatch", "type": "basic", "mode": "basic", "status": "active" })
}

async fn xpack() -> Response<Body> {
    let feature = json!({ "available": true, "enabled": true });
    let features = json!({ "ilm": feature, "data_streams": feature });
    say(StatusCode::OK, json!({ "license": license_json(), "features": features }))
}

async fn health() -> Response<Body> {
    let about = json!({
        "cluster_name": "modelwatch",
        "status": "green",
        "timed_out": false,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "active_primary_shards": 1,
        "active_shards": 1,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": 0,
    });
    say(StatusCode::OK, about)
}

/// No node: who looks for others to send to stays with the address that it was given.
async fn nodes() -> Response<Body> {
    let count = json!({ "total": 0, "successful": 0, "failed": 0 });
    say(StatusCode::OK, json!({ "_nodes": count, "cluster_name": "modelwatch", "nodes": {} }))
}

async fn bulk_all(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    take(&app, String::new(), request).await
}

async fn bulk_index(
    State(app): State<Arc<App>>,
    Path(index): Path<String>,
    request: Request,
) -> Response<Body> {
    take(&app, index, request).await
}

async fn one(
    State(app): State<Arc<App>>,
    Path(index): Path<String>,
    request: Request,
) -> Response<Body> {
    take_one(&app, index, None, request).await
}

async fn one_named(
    State(app): State<Arc<App>>,
    Path((index, id)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    take_one(&app, index, Some(id), request).await
}

/// Indexes are there when something is in them.
async fn created(Path(index): Path<String>, request: Request) -> Response<Body> {
    drop(acknowledged(request).await);
    let about = json!({ "acknowledged": true, "shards_acknowledged": true, "index": index });
    say(StatusCode::OK, about)
}

async fn take_one(
    app: &Arc<App>,
    index: String,
    id: Option<String>,
    request: Request,
) -> Response<Body> {
    let decode = move |body: &[u8], coding: &str, arrival: &Arrival| {
        let body = expanded(coding, body)?;
        let mut read = bulk::decode_one(&body, &index, id.as_deref(), arrival);
        Ok(Decoded { lines: std::mem::take(&mut read.lines), rest: read })
    };
    match super::receive(app, Receiver::Elasticsearch, request, None, decode).await {
        Ok((read, ..)) => {
            let refused = read.refused() as u64;
            if refused > 0 {
                let desk = &app.receive.desk;
                desk.note_refused(Receiver::Elasticsearch, Reason::Malformed, refused);
            }
            let (status, body) = read.answer_one(app.receive.next_id());
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            with_product(answer(status, JSON, body))
        }
        Err(untaken) => refuse(&untaken),
    }
}

async fn take(app: &Arc<App>, index: String, request: Request) -> Response<Body> {
    let started = app.clock.monotonic();
    let decode = move |body: &[u8], coding: &str, arrival: &Arrival| {
        let mut read = bulk::decode(&expanded(coding, body)?, &index, arrival)?;
        Ok(Decoded { lines: std::mem::take(&mut read.lines), rest: read })
    };
    match super::receive(app, Receiver::Elasticsearch, request, None, decode).await {
        Ok((read, ..)) => {
            let refused = read.refused() as u64;
            if refused > 0 {
                let desk = &app.receive.desk;
                desk.note_refused(Receiver::Elasticsearch, Reason::Malformed, refused);
            }
            let took = app.clock.monotonic().saturating_sub(started).as_millis();
            let took = u64::try_from(took).unwrap_or(u64::MAX);
            with_product(answer(StatusCode::OK, JSON, read.answer(took, app.receive.next_id())))
        }
        Err(untaken) => refuse(&untaken),
    }
}

fn refuse(untaken: &Untaken) -> Response<Body> {
    let kind = match untaken {
        Untaken::Access(_) => "security_exception",
        Untaken::Malformed(_) | Untaken::Unsupported(_) => "illegal_argument_exception",
        Untaken::TooLarge(_) => "content_too_long_exception",
        Untaken::Slow => "timeout_exception",
        Untaken::Crowded | Untaken::Refused(_) => "es_rejected_execution_exception",
        Untaken::Failed => "exception",
    };
    let body = error(untaken.status(), kind, untaken.text());
    with_product(untaken.answer(JSON, body.to_string()))
}

fn error(status: StatusCode, kind: &str, reason: String) -> Value {
    let cause = json!({ "type": kind, "reason": reason });
    let error = json!({ "root_cause": [cause], "type": kind, "reason": reason });
    json!({ "error": error, "status": status.as_u16() })
}

fn say(status: StatusCode, body: Value) -> Response<Body> {
    with_product(answer(status, JSON, body.to_string()))
}

fn with_product(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(PRODUCT, HeaderValue::from_static("Elasticsearch"));
    response
}

#[cfg(test)]
mod tests {
    use super::{super::tests::all_untaken, *};

    #[tokio::test]
    async fn refusals_are_those_of_elasticsearch() {
        for (untaken, status, is_again) in all_untaken() {
            let response = refuse(&untaken);
            assert_eq!(response.headers()[PRODUCT], "Elasticsearch");
            let body = axum::body::to_bytes(response.into_body(), 1 << 10).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["status"], status, "{untaken:?}");
            let is_rejected = body["error"]["type"] == "es_rejected_execution_exception";
            assert_eq!(is_rejected, is_again, "{untaken:?}");
            assert_eq!(body["error"]["root_cause"][0]["reason"], untaken.text().as_str());
        }
    }
}
