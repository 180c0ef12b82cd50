//! `/api/mw/v1/rules` and what is below it: rules with how they fare, what the page changes of them, what they would
//! have done.

mod objectives;
mod preview;

use std::{net::SocketAddr, sync::Arc};

use alert::rules::{Kind, Problem, Told};
use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, State},
    http::{Response, StatusCode},
};
use model::UnixMs;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    audit::{Person, audit},
    form::Form,
    json::{self, ApiError},
    product::object,
    requests::{Answer, ok},
    time::millis,
};
use crate::{
    alarms::rules::{Change, FileProblem, GroupView, Known, Origin, Refused},
    wire::App,
};

pub(super) use objectives::{objectives, remove_objective, set_objective};
pub(super) use preview::preview;

/// Most alerts of a rule that are told; the rest is counted.
const ALERTS_MAX: usize = 100;
/// Longest text of a rule that the page may send.
const YAML_BYTES_MAX: usize = 64 << 10;
/// Severities that a rule may be given.
const SEVERITIES: &[&str] = &["critical", "warning", "info"];

/// All rules.
pub(super) async fn rules(State(app): State<Arc<App>>) -> Answer {
    let groups = app.rules.groups();
    let groups: Vec<Value> = groups.iter().map(|view| group_json(&app, view)).collect();
    let problems: Vec<Value> = app.rules.problems().iter().map(file_problem_json).collect();
    ok(&json!({ "groups": groups, "problems": problems }))
}

/// Reads all files of rules again, as `POST /-/reload` of Prometheus does. Files that are changed are read again
/// within seconds anyway; this answers what is wrong with them.
pub(super) async fn reload(State(app): State<Arc<App>>) -> Response<Body> {
    let problems = json::blocking(move || app.rules.reload()).await.unwrap_or_default();
    let lines = problems.iter().map(|FileProblem { file, problem }| {
        format!("{file}:{}:{}: {}\n", problem.line, problem.column, problem.reason)
    });
    let text: String = lines.collect();
    let mut response = Response::new(Body::from(text));
    if !problems.is_empty() {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    response
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    id: String,
    #[serde(default)]
    thresholds: Option<Vec<f64>>,
    #[serde(default)]
    for_ms: Option<u64>,
    #[serde(default)]
    severity: Option<String>,
    #[serde(default)]
    is_enabled: Option<bool>,
    /// Who does it.
    #[serde(default)]
    author: String,
}

/// Changes thresholds and other things of a rule.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Answer {
    let asked: Asked = json::body(&body, YAML_BYTES_MAX)?;
    if let Some(severity) = &asked.severity
        && !SEVERITIES.contains(&severity.as_str())
    {
        let params = vec![("severity", severity.clone()), ("known", SEVERITIES.join(", "))];
        return Err(ApiError::refused("refused.severity", params));
    }
    let known = app.rules.find(&asked.id).ok_or_else(unknown)?.1;
    let count = known.rule.expr.thresholds().len();
    if let Some(thresholds) = &asked.thresholds
        && (thresholds.len() != count || !thresholds.iter().all(|value| value.is_finite()))
    {
        let params = vec![("count", count.to_string())];
        return Err(ApiError::refused("refused.thresholds", params));
    }
    let (id, person) = (asked.id.clone(), Person::new(address, &asked.author));
    let change = Change {
        query: String::new(),
        thresholds: asked.thresholds,
        for_ms: asked.for_ms,
        severity: asked.severity,
        is_enabled: asked.is_enabled,
    };
    blocking(&app, move |app| app.rules.change(&asked.id, change)).await?;
    audit(&app, "event.rule_changed", &person, [("rule", id.clone())]);
    answer(&app, &id)
}

/// Takes back what was changed of a rule.
pub(super) async fn reset(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    form: Form,
) -> Answer {
    let id = form.get("id").unwrap_or_default().to_owned();
    let given = id.clone();
    blocking(&app, move |app| app.rules.reset(&given)).await?;
    let person = Person::new(address, form.get("author").unwrap_or_default());
    audit(&app, "event.rule_reset", &person, [("rule", id.clone())]);
    answer(&app, &id)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    yaml: String,
    #[serde(default)]
    author: String,
}

/// Keeps a rule that was written on the page.
pub(super) async fn write(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Answer {
    let written: Written = json::body(&body, YAML_BYTES_MAX)?;
    let names = blocking(&app, move |app| app.rules.put(&written.yaml)).await?;
    let person = Person::new(address, &written.author);
    for name in &names {
        audit(&app, "event.rule_written", &person, [("rule", name.clone())]);
    }
    let id = format!("page/{}/0", names.first().map_or("", String::as_str));
    answer(&app, &id)
}

/// Forgets a rule that was written on the page.
pub(super) async fn forget(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    form: Form,
) -> Answer {
    let name = form.get("name").unwrap_or_default().to_owned();
    let given = name.clone();
    blocking(&app, move |app| app.rules.forget(&given)).await?;
    let person = Person::new(address, form.get("author").unwrap_or_default());
    audit(&app, "event.rule_forgotten", &person, [("rule", name.clone())]);
    ok(&json!({ "name": name }))
}

/// Does something that writes to disk.
async fn blocking<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&App) -> Result<T, Refused> + Send + 'static,
) -> Result<T, ApiError> {
    let app = Arc::clone(app);
    json::blocking(move || work(&app)).await?.map_err(|refused| match refused {
        Refused::Unknown => unknown(),
        Refused::Bad(problems) => {
            let first = problems.first().map(|problem| problem.reason.clone());
            let line = problems.first().map_or(0, |problem| problem.line);
            let params = vec![("line", line.to_string()), ("reason", first.unwrap_or_default())];
            ApiError::refused("refused.rule", params)
        }
        Refused::Full => ApiError::refused("refused.rules", Vec::new()),
        Refused::Disk(error) => ApiError::internal(error.to_string()),
    })
}

fn unknown() -> ApiError {
    ApiError::not_found("there is no rule of this name")
}

fn answer(app: &App, id: &str) -> Answer {
    let found = app.rules.groups().into_iter().find_map(|view| {
        let known = view.loaded.rules.iter().find(|known| known.id == id)?;
        Some(rule_json(app, &view, known, told_of(&view, known)))
    });
    ok(&found.ok_or_else(unknown)?)
}

fn group_json(app: &App, view: &GroupView) -> Value {
    // Only rules that are enabled have fared somehow, in their order.
    let mut told = view.told.iter();
    let rule = |known: &Known| {
        let told = if known.is_enabled { told.next() } else { None };
        rule_json(app, view, known, told)
    };
    let rules: Vec<Value> = view.loaded.rules.iter().map(rule).collect();
    json!({
        "name": view.loaded.group.name,
        "file": view.loaded.file,
        "origin": view.loaded.origin.as_str(),
        "interval_ms": millis(view.interval),
        "last_evaluation": view.evaluated.map(|time| time.0),
        "seconds": view.took.as_secs_f64(),
        "missed": view.missed,
        "rules": rules,
    })
}

/// Of a rule that is evaluated, how it fared.
fn told_of<'a>(view: &'a GroupView, known: &Known) -> Option<&'a Told> {
    let enabled = view.loaded.rules.iter().filter(|known| known.is_enabled);
    let position = enabled.zip(0..).find(|(other, _)| other.id == known.id)?.1;
    view.told.get::<usize>(position)
}

fn rule_json(app: &App, view: &GroupView, known: &Known, told: Option<&Told>) -> Value {
    let rule = &known.changed;
    let nothing = Told::default();
    let told = told.unwrap_or(&nothing);
    let thresholds = rule.expr.thresholds().into_iter().enumerate().map(|(index, threshold)| {
        let text = format!("{} {}", threshold.operator, threshold.value);
        json!({ "index": index, "value": threshold.value, "text": text })
    });
    let alerts = told.alerts.iter().take(ALERTS_MAX).map(|alert| {
        json!({
            "labels": object(&alert.labels.iter().collect::<Vec<_>>()),
            "annotations": object(&alert.annotations),
            "state": alert.state.as_str(),
            "active_at": alert.active_at.0,
            "value": finite(alert.value),
        })
    });
    let is_page = view.loaded.origin == Origin::Page;
    let yaml = is_page.then(|| app.rules.page_text(rule.name())).flatten();
    let (kind, for_ms, keep_ms, annotations) = match &rule.kind {
        Kind::Recording { .. } => ("recording", 0, 0, &[] as &[(String, String)]),
        Kind::Alerting { holds_for, keeps_firing_for, annotations, .. } => {
            ("alerting", millis(*holds_for), millis(*keeps_firing_for), annotations.as_slice())
        }
    };
    json!({
        "id": known.id,
        "kind": kind,
        "name": rule.name(),
        "query": rule.expr.text(),
        "for_ms": for_ms,
        "keep_firing_for_ms": keep_ms,
        "labels": object(&rule.labels),
        "annotations": object(annotations),
        "severity": rule.label("severity"),
        "health": told.health(),
        "error": told.error,
        "state": told.state().as_str(),
        "last_evaluation": told.evaluated.map(|time| time.0),
        "seconds": told.took.as_secs_f64(),
        "series": told.series,
        "thresholds": thresholds.collect::<Vec<_>>(),
        "is_enabled": known.is_enabled,
        "is_changed": known.is_changed,
        "yaml": yaml,
        "alerts": alerts.collect::<Vec<_>>(),
        "alerts_total": told.alerts.len(),
    })
}

/// JSON has no words for the rest.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn problem_json(problem: &Problem) -> Value {
    json!({ "line": problem.line, "column": problem.column, "reason": problem.reason })
}

fn file_problem_json(FileProblem { file, problem }: &FileProblem) -> Value {
    let mut told = problem_json(problem);
    told["file"] = json!(file);
    told
}
