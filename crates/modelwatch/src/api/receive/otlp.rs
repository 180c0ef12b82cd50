//! `POST /v1/logs`: OpenTelemetry's logs over HTTP, answered in the encoding in which they came.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Response, StatusCode},
    routing::post,
};
use receive::{
    desk::{Reason, Receiver},
    otlp,
};

use super::{Decoded, JSON, TEXT, Untaken, answer, expanded, is_kind};
use crate::wire::App;

const PROTOBUF: &str = "application/x-protobuf";

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/v1/logs", post(logs))
}

async fn logs(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let is_json = is_kind(request.headers(), JSON);
    if !is_json && !is_kind(request.headers(), PROTOBUF) {
        let text = format!("Content-Type is not taken, only {PROTOBUF} and {JSON}\n");
        let untaken = Untaken::Unsupported(text.clone());
        app.receive.desk.note_refused(Receiver::OtlpHttp, Reason::Malformed, 1);
        return untaken.answer(TEXT, text);
    }
    let decode = move |body: &[u8], coding: &str, arrival: &_| {
        let body = expanded(coding, body)?;
        let lines = match is_json {
            true => otlp::decode_json(&body, arrival)?,
            false => otlp::decode_protobuf(&body, arrival)?,
        };
        Ok(Decoded { lines, rest: () })
    };
    match super::receive(&app, Receiver::OtlpHttp, request, None, decode).await {
        Ok(((), sent, kept)) if is_json => {
            answer(StatusCode::OK, JSON, otlp::answer_json(sent - kept))
        }
        Ok(((), sent, kept)) => answer(StatusCode::OK, PROTOBUF, otlp::answer(sent - kept)),
        Err(untaken) if is_json => untaken.answer(JSON, otlp::refusal_json(&untaken.text())),
        Err(untaken) => untaken.answer(PROTOBUF, otlp::refusal(&untaken.text())),
    }
}
