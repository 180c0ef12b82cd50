//! Who is told of what, as the configuration says.

use std::sync::Arc;

use alert::incident::{inhibit::Inhibition, route::Route};
use axum::extract::State;
use model::series::Matcher;
use serde_json::{Value, json};

use crate::{
    alarms::alertmanagers::AlertmanagerState,
    api::{
        requests::{Answer, ok},
        time::millis,
    },
    wire::App,
};

/// The tree of routes as a list, parents first; what holds what back; Alertmanagers.
pub(in crate::api) async fn routes(State(app): State<Arc<App>>) -> Answer {
    let (routes, inhibitions) = app.incidents.read(|incidents, _| {
        let settings = incidents.settings();
        let routes: Vec<Value> = settings.routes.all().iter().map(route).collect();
        let inhibitions: Vec<Value> = settings.inhibitions.iter().map(inhibition).collect();
        (routes, inhibitions)
    });
    let alertmanager = |state: AlertmanagerState| {
        json!({
            "url": state.url,
            "state": state.state,
            "sent": state.sent,
            "failed": state.failed,
            "error": state.error,
        })
    };
    let states = app.alertmanagers.states().into_iter();
    let alertmanagers: Vec<Value> = states.map(alertmanager).collect();
    ok(&json!({ "routes": routes, "inhibitions": inhibitions, "alertmanagers": alertmanagers }))
}

pub(super) fn texts(matchers: &[Matcher]) -> Vec<String> {
    matchers.iter().map(ToString::to_string).collect()
}

fn route(route: &Route) -> Value {
    json!({
        "name": route.name,
        "parent": route.parent,
        "matchers": texts(&route.matchers),
        "channels": route.channels,
        "group_by": route.group_by,
        "group_wait_ms": millis(route.group_wait),
        "group_interval_ms": millis(route.group_interval),
        "repeat_interval_ms": millis(route.repeat_interval),
        "continue": route.goes_on,
        "escalate_after_ms": millis(route.escalate_after),
        "escalate_to": route.escalate_to,
    })
}

fn inhibition(inhibition: &Inhibition) -> Value {
    json!({
        "source": texts(&inhibition.source),
        "target": texts(&inhibition.target),
        "equal": inhibition.equal,
        "origin": if inhibition.is_builtin { "builtin" } else { "configuration" },
    })
}
