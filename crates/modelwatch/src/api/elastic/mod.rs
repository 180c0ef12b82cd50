//! Elasticsearch's search API below `/elasticsearch` over the lines that are kept, so that Grafana's data source and
//! Elasticsearch's clients can ask for them ([docs/elasticsearch.md](../../../../../docs/elasticsearch.md)).
//!
//! Lines are documents of the Elastic Common Schema in indices named after their sources. It reads only; documents
//! come by `receive/elastic.rs`. Nothing is scored. Its bias: what counts by time and by our own fields is counted
//! by the store.

mod aggregate;
mod dates;
mod describe;
mod fields;
mod lucene;
mod query;
mod search;
#[cfg(test)]
mod tests;

use std::{io::Read as _, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header},
    routing::{MethodRouter, get},
};
use model::series::Budget;
use serde_json::{Value as Json, json};
use store::events::QueryError;

use super::json::ApiError;
use crate::wire::App;

/// How long a question may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest body, once it is expanded.
const BODY_BYTES_MAX: u64 = 4 << 20;
/// Clients ask for it and refuse to go on without it.
const PRODUCT: HeaderName = HeaderName::from_static("x-elastic-product");

/// An error in Elasticsearch's form.
#[derive(Debug)]
struct Failure {
    status: StatusCode,
    kind: &'static str,
    reason: String,
}

impl Failure {
    /// What is asked cannot be understood.
    fn bad(reason: impl Into<String>) -> Self {
        let kind = "illegal_argument_exception";
        Self { status: StatusCode::BAD_REQUEST, kind, reason: reason.into() }
    }

    fn unreadable(reason: impl Into<String>) -> Self {
        Self { kind: "parsing_exception", ..Self::bad(reason) }
    }

    fn no_index(name: &str) -> Self {
        let reason = format!("no such index [{name}]");
        Self { status: StatusCode::NOT_FOUND, kind: "index_not_found_exception", reason }
    }

    fn json(&self) -> Json {
        let cause = json!({ "type": self.kind, "reason": self.reason });
        let error = json!({ "root_cause": [cause], "type": self.kind, "reason": self.reason });
        json!({ "error": error, "status": self.status.as_u16() })
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let reason = error.to_string();
        match error {
            QueryError::Timeout => {
                Self { status: StatusCode::GATEWAY_TIMEOUT, kind: "timeout_exception", reason }
            }
            _ => Self::bad(reason),
        }
    }
}

impl From<aggregate::Failure> for Failure {
    fn from(failure: aggregate::Failure) -> Self {
        match failure {
            aggregate::Failure::Store(error) => error.into(),
            aggregate::Failure::TooManyBuckets => Self {
                kind: "too_many_buckets_exception",
                ..Self::bad(
                    "Trying to create too many buckets: make the interval longer or the size smaller",
                )
            },
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let (status, reason) = error.into_parts();
        let kind = match status {
            StatusCode::SERVICE_UNAVAILABLE => "es_rejected_execution_exception",
            _ => "exception",
        };
        Self { status, kind, reason }
    }
}

type Answered = Result<Json, Failure>;

/// What was asked, whichever way.
struct Asked {
    index: String,
    uri: Uri,
    body: Bytes,
}

impl Asked {
    /// The first value of a parameter in the URL.
    fn parameter(&self, name: &str) -> Option<String> {
        let query = self.uri.query().unwrap_or_default();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    fn has_flag(&self, name: &str) -> bool {
        self.parameter(name).is_some_and(|value| value != "false")
    }

    /// The body, which may be left out.
    fn json(&self) -> Answered {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(json!({}));
        }
        match serde_json::from_slice(&self.body) {
            Ok(body @ Json::Object(_)) => Ok(body),
            Ok(_) => Err(Failure::unreadable("the body must be an object")),
            Err(error) => Err(Failure::unreadable(format!("the body is no JSON: {error}"))),
        }
    }
}

/// Answers with what `work` makes of it, on the blocking pool.
fn asked(work: fn(&App, &Budget, &Asked) -> Answered) -> MethodRouter<Arc<App>> {
    let handler = async move |State(app): State<Arc<App>>,
                              Path(path): Path<Vec<(String, String)>>,
                              method: Method,
                              uri: Uri,
                              headers: HeaderMap,
                              body: Bytes| {
        let index = path.into_iter().find(|(name, _)| name == "index");
        let index = index.map(|(_, index)| index).unwrap_or_default();
        let body = match expanded(&headers, body) {
            Ok(body) => body,
            Err(failure) => return answer(&method, Err(failure)),
        };
        let asked = Asked { index, uri, body };
        let for_work = Arc::clone(&app);
        let run =
            app.queries.run(Some(TIMEOUT), move |_, budget| Ok(work(&for_work, budget, &asked)));
        answer(&method, run.await.map_err(Failure::from).and_then(|answered| answered))
    };
    get(handler).post(handler)
}

fn expanded(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Failure> {
    let coding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    match coding {
        None | Some("identity") => Ok(body),
        Some("gzip") => {
            let mut expanded = Vec::new();
            let decoder = flate2::read::MultiGzDecoder::new(&*body);
            let read = decoder.take(BODY_BYTES_MAX + 1).read_to_end(&mut expanded);
            if read.is_err() || expanded.len() as u64 > BODY_BYTES_MAX {
                return Err(Failure::bad("the body cannot be expanded, or is too large"));
            }
            Ok(expanded.into())
        }
        Some(other) => Err(Failure::bad(format!("the coding {other} is not understood"))),
    }
}

fn answer(method: &Method, answered: Answered) -> Response<Body> {
    let (status, body) = match answered {
        // A table for people.
        Ok(Json::String(text)) => return text_answer(text),
        Ok(body) => (StatusCode::OK, body.to_string()),
        Err(failure) => (failure.status, failure.json().to_string()),
    };
    let body = if method == Method::HEAD { String::new() } else { body };
    with_product(super::json::response(status, body))
}

fn text_answer(text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("text/plain; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    with_product(response)
}

fn with_product(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(PRODUCT, HeaderValue::from_static("Elasticsearch"));
    response
}

pub(super) fn router() -> Router<Arc<App>> {
    let mut router = Router::new();
    for (name, work) in [
        ("_search", search::search as fn(&App, &Budget, &Asked) -> Answered),
        ("_msearch", search::several),
        ("_count", search::count),
        ("_mapping", describe::mappings),
        ("_mappings", describe::mappings),
        ("_field_caps", describe::field_caps),
        ("_alias", describe::aliases),
    ] {
        router = router
            .route(&format!("/elasticsearch/{name}"), asked(work))
            .route(&format!("/elasticsearch/{{index}}/{name}"), asked(work));
    }
    router
        .route("/elasticsearch/_aliases", asked(describe::aliases))
        .route("/elasticsearch/_cat/indices", asked(describe::cat_indices))
        .route("/elasticsearch/_cat/indices/{index}", asked(describe::cat_indices))
        .route("/elasticsearch/_resolve/index/{index}", asked(describe::resolve))
        .route("/elasticsearch/{index}", asked(describe::index))
        .route("/elasticsearch/{index}/_doc/{id}", asked(search::document))
        .route("/elasticsearch/{index}/_source/{id}", asked(search::document))
}
