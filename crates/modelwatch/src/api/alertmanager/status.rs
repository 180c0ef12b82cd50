//! What this Alertmanager is: itself, and nobody's peer.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use alert::incident::{
    Settings,
    route::{DEFAULT, Route},
};
use axum::extract::State;
use serde_json::json;

use super::{Answer, ok};
use crate::{api::rfc3339, config::duration_text, wire::App};

/// `amtool` asks it first.
pub(super) async fn status(State(app): State<Arc<App>>) -> Answer {
    let original = app.incidents.read(|incidents, _| written(incidents.settings()));
    ok(&json!({
        "cluster": { "name": "", "peers": [], "status": "disabled" },
        "config": { "original": original },
        "uptime": rfc3339(app.started),
        "versionInfo": {
            "branch": "",
            "buildDate": "",
            "buildUser": "",
            "goVersion": "",
            "revision": "",
            "version": env!("CARGO_PKG_VERSION"),
        },
    }))
}

/// All channels that some route tells.
pub(super) async fn receivers(State(app): State<Arc<App>>) -> Answer {
    let names = app.incidents.read(|incidents, _| {
        let routes = incidents.settings().routes.all().iter();
        let names = routes.flat_map(|route| route.channels.iter().chain(&route.escalate_to));
        names.cloned().collect::<BTreeSet<String>>()
    });
    let names: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
    ok(&json!(names))
}

/// The routes and inhibitions in the words of Alertmanager's configuration, which `amtool config routes` reads. A
/// receiver there is all channels of a route together.
fn written(settings: &Settings) -> String {
    let routes = settings.routes.all();
    let mut text = String::from("route:\n");
    if let Some(root) = routes.iter().find(|route| route.name == DEFAULT) {
        write_route(&mut text, routes, root, 1);
    }
    text.push_str("receivers:\n");
    let receivers: BTreeSet<String> = routes.iter().map(receiver).collect();
    for name in receivers {
        text.push_str(&format!("- name: {}\n", quoted(&name)));
    }
    if !settings.inhibitions.is_empty() {
        text.push_str("inhibit_rules:\n");
    }
    for rule in &settings.inhibitions {
        let list = |matchers: &[model::series::Matcher]| {
            matchers
                .iter()
                .map(|matcher| quoted(&matcher.to_string()))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let equal: Vec<String> = rule.equal.iter().map(|name| quoted(name)).collect();
        text.push_str(&format!(
            "- source_matchers: [{}]\n  target_matchers: [{}]\n  equal: [{}]\n",
            list(&rule.source),
            list(&rule.target),
            equal.join(", ")
        ));
    }
    text
}

fn receiver(route: &Route) -> String {
    if route.channels.is_empty() { "none".into() } else { route.channels.join(",") }
}

/// A text that YAML reads as it is: JSON's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write_route(text: &mut String, routes: &[Route], route: &Route, depth: usize) {
    let indent = "  ".repeat(depth);
    let mut line = |name: &str, value: String| text.push_str(&format!("{indent}{name}: {value}\n"));
    let list = |texts: Vec<String>| format!("[{}]", texts.join(", "));
    line("receiver", quoted(&receiver(route)));
    if !route.matchers.is_empty() {
        let matchers = route.matchers.iter().map(|matcher| quoted(&matcher.to_string()));
        line("matchers", list(matchers.collect()));
    }
    line("group_by", list(route.group_by.iter().map(|name| quoted(name)).collect()));
    let period = |period: Duration, least: Duration| duration_text(period.max(least));
    line("group_wait", period(route.group_wait, Duration::ZERO));
    // Alertmanager has no intervals of nothing.
    line("group_interval", period(route.group_interval, Duration::from_secs(1)));
    let never = Duration::from_secs(365 * 86_400);
    let repeat = if route.repeat_interval.is_zero() { never } else { route.repeat_interval };
    line("repeat_interval", period(repeat, Duration::from_secs(1)));
    line("continue", route.goes_on.to_string());
    let children: Vec<&Route> = routes.iter().filter(|it| it.parent == route.name).collect();
    if !children.is_empty() {
        text.push_str(&format!("{indent}routes:\n"));
    }
    for child in children {
        let mut own = String::new();
        write_route(&mut own, routes, child, depth + 1);
        // The first of its lines carries the dash of the list.
        let own = own.replacen(&format!("{indent}  "), &format!("{indent}- "), 1);
        text.push_str(&own);
    }
}
