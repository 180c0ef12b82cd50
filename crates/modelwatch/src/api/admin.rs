//! `/api/v1/admin/tsdb/*`: what changes or copies the store, as in Prometheus.
//!
//! Without a login whoever reaches the port could delete everything, so the operator has to allow it.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Response, StatusCode},
    routing::post,
};
use store::Store;

use super::{
    form::Form,
    json::{ApiError, success, write_string},
    prometheus::{ordered_time_range, selectors},
};
use crate::wire::App;

type Answer = Result<Response<Body>, ApiError>;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/admin/tsdb/snapshot", post(snapshot).put(snapshot))
        .route("/api/v1/admin/tsdb/delete_series", post(delete).put(delete))
        .route("/api/v1/admin/tsdb/clean_tombstones", post(clean).put(clean))
}

async fn snapshot(State(app): State<Arc<App>>) -> Answer {
    let folder = work(&app, |store| store.snapshot().map_err(failed)).await?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut data = String::from("{\"name\":");
    write_string(&mut data, &name);
    data.push('}');
    Ok(success(&data, &[], &[]))
}

async fn delete(State(app): State<Arc<App>>, form: Form) -> Answer {
    let selectors = selectors(&form)?;
    let range = ordered_time_range(&form)?;
    work(&app, move |store| {
        selectors.iter().try_for_each(|matchers| store.delete(matchers, range).map_err(failed))
    })
    .await?;
    Ok(done())
}

async fn clean(State(app): State<Arc<App>>) -> Answer {
    work(&app, |store| store.clean_tombstones().map_err(failed)).await?;
    Ok(done())
}

/// Does something with the store on the blocking pool, if the operator allows such things.
async fn work<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Store) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    if !app.config.server.admin_api {
        let text = "admin APIs disabled: set admin_api = true in the section [server] of the \
                    configuration to allow them";
        return Err(ApiError::unavailable(text));
    }
    let store = app.store.clone();
    let result = tokio::task::spawn_blocking(move || work(&store)).await;
    result.unwrap_or_else(|_| Err(ApiError::internal("the work failed; please report this")))
}

fn failed(error: impl std::fmt::Display) -> ApiError {
    ApiError::internal(error.to_string())
}

fn done() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
