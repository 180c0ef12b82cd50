//! Rules, alerts and who is told of them, in Prometheus' words.

use std::sync::Arc;

use alert::rules::{Active, Kind, Rule, Told};
use axum::extract::State;
use model::{Labels, UnixMs, series::Matcher};
use serde_json::{Map, Value, json};

use super::{
    super::{
        form::{Form, integer_as, invalid},
        json::ApiError,
        product::object,
        time::{NEVER, rfc3339},
    },
    Answer, data, narrow_selectors,
};
use crate::{alarms::rules::GroupView, wire::App};

/// How a boolean may be written.
const TRUE: &[&str] = &["1", "t", "T", "TRUE", "true", "True"];
const FALSE: &[&str] = &["0", "f", "F", "FALSE", "false", "False"];

/// What of the rules is wanted.
struct Wanted {
    /// `alert`, `record`, or empty for both.
    kind: String,
    with_alerts: bool,
    names: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    selectors: Vec<Vec<Matcher>>,
}

impl Wanted {
    fn read(form: &Form) -> Result<Self, ApiError> {
        let selectors = narrow_selectors(form).map_err(ApiError::bad_data)?;
        let kind = form.get("type").unwrap_or_default().to_lowercase();
        if !matches!(kind.as_str(), "" | "alert" | "record") {
            return Err(invalid("type", &format!("not supported value {kind:?}")));
        }
        let with_alerts = match form.get("exclude_alerts") {
            None => true,
            Some(text) if FALSE.contains(&text) => true,
            Some(text) if TRUE.contains(&text) => false,
            Some(text) => {
                let reason = format!("strconv.ParseBool: parsing {text:?}: invalid syntax");
                let reason = format!("error converting exclude_alerts: {reason}");
                return Err(invalid("exclude_alerts", &reason));
            }
        };
        let all = |name| form.all(name).map(str::to_owned).collect();
        Ok(Self {
            kind,
            with_alerts,
            names: all("rule_name[]"),
            groups: all("rule_group[]"),
            files: all("file[]"),
            selectors,
        })
    }

    fn is_group_wanted(&self, view: &GroupView) -> bool {
        let is_in = |names: &[String], name: &str| {
            names.is_empty() || names.iter().any(|wanted| wanted == name)
        };
        is_in(&self.groups, &view.loaded.group.name) && is_in(&self.files, &view.loaded.file)
    }

    fn is_wanted(&self, rule: &Rule) -> bool {
        let is_kind = match self.kind.as_str() {
            "alert" => rule.is_alerting(),
            "record" => !rule.is_alerting(),
            _ => true,
        };
        let is_named = self.names.is_empty() || self.names.iter().any(|name| name == rule.name());
        let labels = Labels::from_pairs(rule.labels.iter().cloned());
        let is_selected = self.selectors.is_empty()
            || self.selectors.iter().any(|selector| Matcher::all_match(selector, &labels));
        is_kind && is_named && is_selected
    }
}

pub(super) async fn rules(State(app): State<Arc<App>>, form: Form) -> Answer {
    let wanted = Wanted::read(&form)?;
    let page = Page::read(&form)?;
    let mut groups = app.rules.groups();
    groups.sort_by(|a, b| {
        (&a.loaded.file, &a.loaded.group.name).cmp(&(&b.loaded.file, &b.loaded.group.name))
    });
    let groups = groups.iter().filter(|view| wanted.is_group_wanted(view));
    let told = groups.filter_map(|view| {
        let rules = view.loaded.group.rules.iter().zip(view.told.iter());
        let rules = rules.filter(|(rule, _)| wanted.is_wanted(rule));
        let rules: Vec<Value> =
            rules.map(|(rule, told)| rule_json(rule, told, wanted.with_alerts)).collect();
        (!rules.is_empty()).then(|| (token(view), group_json(view, rules)))
    });
    page.cut(told.collect()).map(|page| data(&page))
}

/// Which of the groups are wanted.
struct Page {
    limit: Option<usize>,
    token: Option<String>,
}

impl Page {
    fn read(form: &Form) -> Result<Self, ApiError> {
        let token = form.get("group_next_token").map(str::to_owned);
        let Some(limit) = form.get("group_limit") else {
            let reason = "group_limit needs to be present in order to paginate over the groups";
            return match token {
                None => Ok(Self { limit: None, token: None }),
                Some(_) => Err(invalid("group_next_token", reason)),
            };
        };
        let number = integer_as::<i32>(limit, "ParseInt").map_err(|reason| {
            invalid("group_limit", &format!("group_limit needs to be a valid number: {reason}"))
        })?;
        match usize::try_from(number) {
            Ok(limit) if limit > 0 => Ok(Self { limit: Some(limit), token }),
            _ => Err(invalid("group_limit", "group_limit needs to be greater than 0")),
        }
    }

    /// The groups of this page; each is there with its token.
    fn cut(self, groups: Vec<(String, Value)>) -> Result<Value, ApiError> {
        let start = match &self.token {
            None => 0,
            Some(token) => {
                let odd =
                    || format!("invalid group_next_token '{token}'. were rule groups changed?");
                let found = groups.iter().position(|(own, _)| own == token);
                found.ok_or_else(|| invalid("group_next_token", &odd()))?
            }
        };
        let limit = self.limit.unwrap_or(usize::MAX);
        let end = start.saturating_add(limit).min(groups.len());
        let next = groups.get(end).map(|(token, _)| token.clone());
        let page = groups.into_iter().take(end).skip(start).map(|(_, group)| group);
        let mut answer = json!({ "groups": page.collect::<Vec<_>>() });
        if let Some(next) = next {
            answer["groupNextToken"] = json!(next);
        }
        Ok(answer)
    }
}

/// What a page begins with.
fn token(view: &GroupView) -> String {
    let (file, name) = view.loaded.key();
    format!("{:016x}", Labels::from_pairs([("file", file), ("name", name)]).fingerprint())
}

fn group_json(view: &GroupView, rules: Vec<Value>) -> Value {
    json!({
        "name": view.loaded.group.name,
        "file": view.loaded.file,
        "rules": rules,
        "interval": view.interval.as_secs_f64(),
        "limit": view.loaded.group.limit,
        "evaluationTime": view.took.as_secs_f64(),
        "lastEvaluation": time(view.evaluated),
    })
}

fn rule_json(rule: &Rule, told: &Told, with_alerts: bool) -> Value {
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| drop(members.insert(name.into(), value));
    if let Kind::Alerting { holds_for, keeps_firing_for, annotations, .. } = &rule.kind {
        set("state", json!(told.state().as_str()));
        set("duration", json!(holds_for.as_secs_f64()));
        set("keepFiringFor", json!(keeps_firing_for.as_secs_f64()));
        set("annotations", object(annotations));
        let alerts = told.alerts.iter().filter(|_| with_alerts).map(alert_json);
        set("alerts", alerts.collect());
    }
    set("name", json!(rule.name()));
    set("query", json!(rule.expr.text()));
    if rule.is_alerting() || !rule.labels.is_empty() {
        set("labels", object(&rule.labels));
    }
    set("health", json!(told.health()));
    if let Some(error) = &told.error {
        set("lastError", json!(error));
    }
    set("evaluationTime", json!(told.took.as_secs_f64()));
    set("lastEvaluation", json!(time(told.evaluated)));
    set("type", json!(if rule.is_alerting() { "alerting" } else { "recording" }));
    Value::Object(members)
}

fn alert_json(alert: &Active) -> Value {
    let mut members = json!({
        "labels": object(&alert.labels.iter().collect::<Vec<_>>()),
        "annotations": object(&alert.annotations),
        "state": alert.state.as_str(),
        "activeAt": rfc3339(alert.active_at),
        "value": scientific(alert.value),
    });
    if let Some(since) = alert.keep_firing_since {
        members["keepFiringSince"] = json!(rfc3339(since));
    }
    members
}

fn time(time: Option<UnixMs>) -> String {
    time.map_or_else(|| NEVER.to_owned(), rfc3339)
}

/// A number as Go writes it with the verb `e`: at least two digits of exponent.
fn scientific(value: f64) -> String {
    if !value.is_finite() {
        return query::format::format_float(value);
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

pub(super) async fn alerts(State(app): State<Arc<App>>) -> Answer {
    let groups = app.rules.groups();
    let told = groups.iter().flat_map(|view| view.told.iter());
    let alerts: Vec<Value> = told.flat_map(|told| told.alerts.iter()).map(alert_json).collect();
    Ok(data(&json!({ "alerts": alerts })))
}

pub(super) async fn alertmanagers(State(app): State<Arc<App>>) -> Answer {
    let states = app.alertmanagers.states();
    let active: Vec<Value> = states.iter().map(|state| json!({ "url": state.url })).collect();
    Ok(data(&json!({ "activeAlertmanagers": active, "droppedAlertmanagers": [] })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_does() {
        let check = |value: f64, expected: &str| assert_eq!(scientific(value), expected);
        check(1.0, "1e+00");
        check(0.0, "0e+00");
        check(-1234.5, "-1.2345e+03");
        check(1e-7, "1e-07");
        check(1e120, "1e+120");
        check(f64::INFINITY, "+Inf");
        check(f64::NAN, "NaN");
    }

    #[test]
    fn pages_go_on_where_they_ended() {
        let groups = || ["a", "b", "c"].map(|name| (name.to_owned(), json!(name))).to_vec();
        let check = |limit: Option<usize>, token: Option<&str>, expected: Value| {
            let page = Page { limit, token: token.map(str::to_owned) };
            assert_eq!(page.cut(groups()).unwrap(), expected);
        };
        check(None, None, json!({ "groups": ["a", "b", "c"] }));
        check(Some(2), None, json!({ "groups": ["a", "b"], "groupNextToken": "c" }));
        check(Some(2), Some("c"), json!({ "groups": ["c"] }));
        check(Some(3), None, json!({ "groups": ["a", "b", "c"] }));
        let page = Page { limit: Some(1), token: Some("x".into()) };
        assert!(page.cut(groups()).is_err());
    }
}
