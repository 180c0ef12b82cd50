//! `/services/collector`: Splunk's HTTP Event Collector, with acknowledgements where a sender names its channel.

use std::sync::{Arc, PoisonError};

use axum::{
    Router,
    body::Body,
    extract::{Query, Request, State},
    http::{Response, StatusCode},
    routing::{get, post},
};
use receive::{
    Arrival,
    access::Access,
    desk::{Reason, Receiver, Refused},
    hec::{self, Answer, Channels, Metadata},
};
use serde::Deserialize;

use super::{Decoded, JSON, Untaken, expanded};
use crate::wire::App;

/// Names the channel of a sender; the parameter `channel` does so too.
const CHANNEL: &str = "x-splunk-request-channel";

/// What the address may say. Tokens in addresses are logged by proxies; some senders know no other way.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    channel: Option<String>,
    token: Option<String>,
    host: String,
    source: String,
    sourcetype: String,
    index: String,
    time: String,
}

pub(super) fn router() -> Router<Arc<App>> {
    let mut router = Router::new();
    for path in ["", "/", "/1.0", "/event", "/event/1.0"] {
        router = router.route(&format!("/services/collector{path}"), post(events));
    }
    for version in ["", "/1.0"] {
        router = router
            .route(&format!("/services/collector/raw{version}"), post(raw))
            .route(&format!("/services/collector/ack{version}"), post(acknowledgements))
            .route(&format!("/services/collector/health{version}"), get(health));
    }
    router
}

async fn health() -> Response<Body> {
    say(Answer::Healthy, None)
}

async fn events(
    State(app): State<Arc<App>>,
    Query(parameters): Query<Parameters>,
    request: Request,
) -> Response<Body> {
    take(&app, parameters, request, hec::decode_events).await
}

async fn raw(
    State(app): State<Arc<App>>,
    Query(parameters): Query<Parameters>,
    request: Request,
) -> Response<Body> {
    take(&app, parameters, request, hec::decode_raw).await
}

type Decode = fn(&[u8], &Metadata, &Arrival) -> Result<Vec<model::log::Line>, Answer>;

async fn take(
    app: &Arc<App>,
    parameters: Parameters,
    request: Request,
    decode: Decode,
) -> Response<Body> {
    let channel = channel(&parameters, &request);
    if channel.as_deref().is_some_and(|channel| !Channels::is_name(channel)) {
        return say(Answer::ChannelInvalid, None);
    }
    let Parameters { token, host, source, sourcetype, index, time, .. } = parameters;
    let metadata = Metadata { host, source, sourcetype, index, time };
    let decode = move |body: &[u8], coding: &str, arrival: &Arrival| {
        let body = expanded(coding, body)?;
        match decode(&body, &metadata, arrival) {
            Ok(lines) => Ok(Decoded { lines, rest: None }),
            Err(Answer::TooLarge) => Err(Untaken::TooLarge(String::new())),
            // What is wrong is said by a code of its own.
            Err(wrong) => Ok(Decoded { lines: Vec::new(), rest: Some(wrong) }),
        }
    };
    let taken = super::receive(app, Receiver::Splunk, request, token.as_deref(), decode).await;
    match taken {
        Ok((None, ..)) => {
            let channels = &app.receive.channels;
            let ack = channel.map(|channel| {
                channels.lock().unwrap_or_else(PoisonError::into_inner).acknowledge(&channel)
            });
            say(Answer::Success, ack)
        }
        Ok((Some(wrong), ..)) => {
            app.receive.desk.note_refused(Receiver::Splunk, Reason::Malformed, 1);
            say(wrong, None)
        }
        Err(untaken) => refuse(&untaken),
    }
}

async fn acknowledgements(
    State(app): State<Arc<App>>,
    Query(parameters): Query<Parameters>,
    request: Request,
) -> Response<Body> {
    let Some(channel) = channel(&parameters, &request) else {
        return say(Answer::ChannelMissing, None);
    };
    let token = parameters.token;
    let decode = |body: &[u8], coding: &str, _: &Arrival| {
        Ok(Decoded { lines: Vec::new(), rest: expanded(coding, body)?.into_owned() })
    };
    let asked = super::receive(&app, Receiver::Splunk, request, token.as_deref(), decode).await;
    let question = match asked {
        Ok((question, ..)) => question,
        Err(untaken) => return refuse(&untaken),
    };
    let channels = app.receive.channels.lock().unwrap_or_else(PoisonError::into_inner);
    match channels.answer(&channel, &question) {
        Ok(body) => super::answer(StatusCode::OK, JSON, body),
        Err(wrong) => say(wrong, None),
    }
}

fn channel(parameters: &Parameters, request: &Request) -> Option<String> {
    let header = request.headers().get(CHANNEL).and_then(|value| value.to_str().ok());
    parameters.channel.clone().or_else(|| header.map(str::to_owned))
}

fn refuse(untaken: &Untaken) -> Response<Body> {
    let answer = match untaken {
        Untaken::Access(Access::Wrong) => Answer::TokenInvalid,
        Untaken::Access(_) => Answer::TokenMissing,
        Untaken::Malformed(_) | Untaken::Unsupported(_) | Untaken::Slow => Answer::DataInvalid(0),
        Untaken::TooLarge(_) => Answer::TooLarge,
        Untaken::Crowded | Untaken::Refused(Refused::Busy | Refused::Disk(_)) => Answer::Busy,
        Untaken::Failed => Answer::Internal,
    };
    let mut response = untaken.answer(JSON, answer.body(None));
    *response.status_mut() = status(answer);
    response
}

fn say(answer: Answer, ack: Option<u64>) -> Response<Body> {
    super::answer(status(answer), JSON, answer.body(ack))
}

fn status(answer: Answer) -> StatusCode {
    StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{super::tests::all_untaken, *};

    #[tokio::test]
    async fn refusals_have_codes_of_splunk() {
        let expected = [
            (401, 2),
            (403, 4),
            (400, 6),
            (400, 6),
            (413, 27),
            (400, 6),
            (503, 9),
            (503, 9),
            (503, 9),
            (500, 8),
        ];
        for ((untaken, ..), (status, code)) in all_untaken().into_iter().zip(expected) {
            let response = refuse(&untaken);
            assert_eq!(response.status(), status, "{untaken:?}");
            let body = axum::body::to_bytes(response.into_body(), 1 << 10).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["code"], code, "{untaken:?}");
        }
    }
}
