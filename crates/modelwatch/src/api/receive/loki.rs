//! `POST /loki/api/v1/push`, as Promtail, Alloy, Vector and Fluent Bit send it.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Response, StatusCode},
    routing::post,
};
use receive::{desk::Receiver, loki};

use super::{Decoded, TEXT, Untaken, answer, expanded, is_kind};
use crate::wire::App;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/loki/api/v1/push", post(push))
        // What it was called before Loki 1.0.
        .route("/api/prom/push", post(push))
}

async fn push(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let is_json = is_kind(request.headers(), "application/json");
    let taken =
        super::receive(&app, Receiver::Loki, request, None, move |body, coding, arrival| {
            let lines = if is_json {
                loki::decode_json(&expanded(coding, body)?, arrival)?
            } else {
                // Its senders do not say that it is compressed, and always do so.
                let coding = if coding.is_empty() { "snappy" } else { coding };
                loki::decode_protobuf(&expanded(coding, body)?, arrival)?
            };
            Ok(Decoded { lines, rest: () })
        });
    match taken.await {
        Ok(_) => answer(StatusCode::NO_CONTENT, TEXT, Body::empty()),
        Err(untaken) => refuse(&untaken),
    }
}

fn refuse(untaken: &Untaken) -> Response<Body> {
    untaken.answer(TEXT, format!("{}\n", untaken.text()))
}
