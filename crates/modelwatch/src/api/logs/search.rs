//! `/api/mw/v1/logs`: lines, a page at a time.

use std::sync::Arc;

use axum::extract::State;
use model::log::Line;
use serde_json::{Value, json};
use store::events::{Aggregate, Event as _, LINES, Measure, Order, Search};

use super::{TIMEOUT, counts, hit_json};
use crate::{
    api::{
        form::{Form, invalid},
        json::ApiError,
        requests::{Answer, Scope, ok, refused},
    },
    wire::App,
};

/// Lines of a page unless another number is asked for.
const PAGE: usize = 100;
/// Most lines of a page, however many are asked for.
pub(in crate::api) const PAGE_MAX: usize = 1_000;

pub(in crate::api) async fn search(State(app): State<Arc<App>>, form: Form) -> Answer {
    let Scope { filter, range } = Scope::read(&app, &form, Line::schema())?;
    let order = order(&form)?.unwrap_or(Order::Newest);
    let limit = match form.limit("limit")? {
        0 => PAGE,
        limit => limit.min(PAGE_MAX),
    };
    let after = form.get("cursor").map(str::parse).transpose().map_err(refused)?;
    let store = app.store.clone();
    let found = app.queries.run(Some(TIMEOUT), move |_, budget| {
        let (filter, with_private) = (&filter, false);
        let timeout = budget.left();
        let search = Search { filter, range, order, limit, after, with_private, timeout };
        let page = store.events().search(LINES, &search).map_err(refused)?;
        let measures = &[Measure::Count];
        let question = Aggregate { filter, range, by: &[], measures, timeout: budget.left() };
        let total = counts(store.events(), &question).map_err(refused)?;
        let lines: Vec<Value> = page.hits.iter().map(hit_json).collect();
        Ok(json!({
            "lines": lines,
            "next": page.next.map(|cursor| cursor.to_string()),
            "total": total.first().map_or(0, |(_, count)| *count),
            "damaged": page.damaged,
        }))
    });
    ok(&found.await?)
}

/// Which lines come first, where that is said.
pub(super) fn order(form: &Form) -> Result<Option<Order<'static>>, ApiError> {
    match form.get("order") {
        None => Ok(None),
        Some("newest") => Ok(Some(Order::Newest)),
        Some("oldest") => Ok(Some(Order::Oldest)),
        Some(other) => Err(invalid("order", &format!("{other:?} is neither newest nor oldest"))),
    }
}
