//! Alerts: taken, listed, and listed by groups.

use std::{collections::BTreeMap, sync::Arc};

use alert::incident::{self, view::Firing};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{Response, StatusCode},
};
use model::{
    Labels, UnixMs,
    alert::Alert,
    parse_rfc3339,
    series::{Matcher, anchored},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Refused, filter, flag, ok};
use crate::{
    api::{form::Form, rfc3339},
    wire::App,
};

/// Most alerts of a body.
const ALERTS_MAX: usize = 10_000;
/// How long an alert is good that does not say, as in Alertmanager.
const RESOLVE_TIMEOUT_MS: i64 = 300_000;
/// Most reasons in an answer.
const REASONS_MAX: usize = 20;

/// An alert as it is sent. vmalert 1.79 writes a label twice, which maps take.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Sent {
    labels: BTreeMap<String, String>,
    annotations: Option<BTreeMap<String, String>>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    #[serde(rename = "generatorURL")]
    generator_url: Option<String>,
}

impl Sent {
    fn alert(self, now: UnixMs) -> Result<Alert, String> {
        let labels = Labels::from_pairs(self.labels);
        if labels.is_empty() {
            return Err("at least one label pair required".into());
        }
        let (starts, ends) = (moment(self.starts_at)?, moment(self.ends_at)?);
        let starts_at = starts.or(ends).unwrap_or(now);
        let ends_at = ends.unwrap_or(UnixMs(now.0.saturating_add(RESOLVE_TIMEOUT_MS)));
        if starts_at > ends_at {
            return Err("start time must be before end time".into());
        }
        let annotations = self.annotations.unwrap_or_default();
        let annotations = annotations.into_iter().filter(|(_, text)| !text.is_empty()).collect();
        let generator_url = self.generator_url.unwrap_or_default();
        Ok(Alert { labels, annotations, starts_at, ends_at, generator_url, value: None })
    }
}

/// A time; absent as well where it is Go's zero.
fn moment(text: Option<String>) -> Result<Option<UnixMs>, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let time = parse_rfc3339(&text).ok_or_else(|| format!("{text:?} is no time of RFC 3339"))?;
    Ok((time.0 > 0).then_some(time))
}

/// What can be used of a body, and why the rest cannot.
fn read(body: &[u8], now: UnixMs) -> Result<(Vec<Alert>, Vec<String>), Refused> {
    let sent: Vec<Sent> = serde_json::from_slice(body)
        .map_err(|error| Refused::bad(format!("parsing alerts body failed: {error}")))?;
    if sent.len() > ALERTS_MAX {
        let text = format!("at most {ALERTS_MAX} alerts can be sent at once");
        return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    let (mut alerts, mut reasons) = (Vec::new(), Vec::new());
    for sent in sent {
        match sent.alert(now) {
            Ok(alert) => alerts.push(alert),
            Err(reason) if reasons.len() < REASONS_MAX => reasons.push(reason),
            Err(_) => {}
        }
    }
    Ok((alerts, reasons))
}

/// Takes alerts. Those that are good are taken where others are not.
pub(super) async fn take(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let now = app.clock.now();
    let (alerts, reasons) = read(&body, now)?;
    let task = tokio::task::spawn_blocking(move || app.incidents.take(&alerts, now));
    task.await.map_err(|error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    if reasons.is_empty() {
        Ok(Response::new(Body::empty()))
    } else {
        Err(Refused::bad(reasons.join("; ")))
    }
}

/// What is asked for.
struct Wanted {
    matchers: Vec<Matcher>,
    receiver: Option<regex::Regex>,
    active: bool,
    silenced: bool,
    inhibited: bool,
    muted: bool,
}

impl Wanted {
    fn read(form: &Form) -> Result<Self, Refused> {
        let receiver = form.get("receiver").map(anchored).transpose();
        let receiver = receiver
            .map_err(|error| Refused::bad(format!("failed to parse receiver param: {error}")))?;
        // Every alert here is processed.
        flag(form, "unprocessed")?;
        Ok(Self {
            matchers: filter(form)?,
            receiver,
            active: flag(form, "active")?,
            silenced: flag(form, "silenced")?,
            inhibited: flag(form, "inhibited")?,
            muted: flag(form, "muted")?,
        })
    }

    fn is(&self, firing: &Firing<'_>) -> bool {
        let muted = firing.muted;
        let hidden = [
            (self.active, !muted.is_any()),
            (self.silenced, !muted.silenced_by.is_empty()),
            (self.inhibited, !muted.inhibited_by.is_empty()),
            (self.muted, !muted.maintained_by.is_empty()),
        ];
        !hidden.iter().any(|(wanted, is_so)| !wanted && *is_so)
            && Matcher::all_match(&self.matchers, &firing.alert.labels)
    }

    fn takes(&self, receivers: &[String]) -> bool {
        let receiver = self.receiver.as_ref();
        receiver.is_none_or(|pattern| receivers.iter().any(|name| pattern.is_match(name)))
    }
}

/// The channels of an alert by all its routes.
fn receivers(incidents: &incident::Incidents, labels: &Labels) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for route in incidents.settings().routes.of(labels) {
        for channel in &route.channels {
            if !names.contains(channel) {
                names.push(channel.clone());
            }
        }
    }
    names
}

/// The alerts that fire.
pub(super) async fn list(State(app): State<Arc<App>>, form: Form) -> Answer {
    let wanted = Wanted::read(&form)?;
    let found = app.incidents.read(|incidents, _| {
        let firing = incidents.firing().into_iter().filter(|firing| wanted.is(firing));
        let shown = firing.filter_map(|firing| {
            let receivers = receivers(incidents, &firing.alert.labels);
            wanted.takes(&receivers).then(|| shown(&firing, &receivers))
        });
        shown.collect::<Vec<Value>>()
    });
    ok(&json!(found))
}

/// The alerts that fire, by incident and channel.
pub(super) async fn groups(State(app): State<Arc<App>>, form: Form) -> Answer {
    let wanted = Wanted::read(&form)?;
    let groups = app.incidents.read(|incidents, _| {
        let mut alerts: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for firing in incidents.firing().iter().filter(|firing| wanted.is(firing)) {
            let shown = shown(firing, &receivers(incidents, &firing.alert.labels));
            for id in firing.incidents {
                alerts.entry(id).or_default().push(shown.clone());
            }
        }
        let mut groups = Vec::new();
        for (id, alerts) in alerts {
            let Some(incident) = incidents.kept().incidents.get(id) else { continue };
            let mut names = incidents.settings().routes.all().iter();
            let route = names.find(|route| route.name == incident.head.route);
            let channels = route.map(|route| route.channels.clone()).unwrap_or_default();
            // A group has a receiver; without a channel its route stands for it.
            let channels =
                if channels.is_empty() { vec![incident.head.route.clone()] } else { channels };
            for channel in
                channels.iter().filter(|channel| wanted.takes(std::slice::from_ref(channel)))
            {
                groups.push(json!({
                    "alerts": alerts,
                    "labels": texts(&incident.head.group_labels),
                    "receiver": { "name": channel },
                }));
            }
        }
        groups
    });
    ok(&json!(groups))
}

fn texts(labels: &Labels) -> BTreeMap<&str, &str> {
    labels.iter().collect()
}

fn shown(firing: &Firing<'_>, receivers: &[String]) -> Value {
    let (alert, muted) = (firing.alert, firing.muted);
    let names = receivers.iter().map(|name| json!({ "name": name }));
    let annotations: BTreeMap<&str, &str> =
        alert.annotations.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let inhibited_by: Vec<String> =
        muted.inhibited_by.iter().map(|print| format!("{print:016x}")).collect();
    json!({
        "annotations": annotations,
        "endsAt": rfc3339(alert.ends_at),
        "fingerprint": format!("{:016x}", firing.fingerprint),
        "receivers": names.collect::<Vec<_>>(),
        "startsAt": rfc3339(alert.starts_at),
        "status": {
            "inhibitedBy": inhibited_by,
            "mutedBy": muted.maintained_by,
            "silencedBy": muted.silenced_by,
            "state": if muted.is_any() { "suppressed" } else { "active" },
        },
        "updatedAt": rfc3339(firing.updated),
        "generatorURL": alert.generator_url,
        "labels": texts(&alert.labels),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMs = UnixMs(1_795_345_200_000);

    /// The labels and the end of each alert, and the reasons.
    fn check(body: &str, expected: &str) {
        let found = match read(body.as_bytes(), NOW) {
            Ok((alerts, reasons)) => {
                let alerts = alerts.iter().map(|alert| {
                    let (starts, ends) = (alert.starts_at.0 - NOW.0, alert.ends_at.0 - NOW.0);
                    format!("{} {starts} {ends}", alert.labels)
                });
                alerts.chain(reasons).collect::<Vec<_>>().join("; ")
            }
            Err(Refused(status, text)) => format!("{}: {text}", status.as_u16()),
        };
        // What serde says of JSON is its own; the rest is ours, to the letter.
        match expected.strip_suffix("...") {
            Some(begin) => assert!(found.starts_with(begin), "{body}: {found}"),
            None => assert_eq!(found, expected, "{body}"),
        }
    }

    #[test]
    fn bodies() {
        check("[]", "");
        check(r#"[{"labels":{"a":"b"}}]"#, r#"{a="b"} 0 300000"#);
        check(
            r#"[{"labels":{"a":"b"},"startsAt":"2026-11-22T11:00:01Z","endsAt":"0001-01-01T00:00:00Z","annotations":null}]"#,
            r#"{a="b"} 1000 300000"#,
        );
        check(
            r#"[{"labels":{"a":"b"},"endsAt":"2026-11-22T10:59:59Z"}]"#,
            r#"{a="b"} -1000 -1000"#,
        );
        check(
            r#"[{"labels":{"a":""}},{"labels":{"c":"d"}}]"#,
            r#"{c="d"} 0 300000; at least one label pair required"#,
        );
        check(
            r#"[{"labels":{"a":"b"},"startsAt":"2026-11-22T11:00:01Z","endsAt":"2026-11-22T11:00:00Z"}]"#,
            "start time must be before end time",
        );
        check(r#"[{"labels":{"a":"b"},"startsAt":"soon"}]"#, "\"soon\" is no time of RFC 3339");
        check(r#"[{"labels":{"a":1}}]"#, "400: parsing alerts body failed: ...");
        check("{", "400: parsing alerts body failed: ...");
        check(
            &format!("[{}]", vec![r#"{"labels":{"a":"b"}}"#; ALERTS_MAX + 1].join(",")),
            &format!("413: at most {ALERTS_MAX} alerts can be sent at once"),
        );
    }

    #[test]
    fn what_prometheus_and_vmalert_send() {
        // The bodies of data/interop/alerts-to-alertmanager/{prometheus-3.5.3,vmalert-1.79.5}.http, captured.
        check(
            r#"[{"annotations":{"summary":"p99 is 1.5 s"},"endsAt":"2026-11-22T10:57:29.285Z","startsAt":"2026-11-22T10:57:19.285Z","generatorURL":"http://vm:39781/graph?g0.expr=vector%281.5%29+%3E+1\u0026g0.tab=1","labels":{"alertname":"SlowFirstToken","model":"qwen2.5-7b","severity":"page","site":"lab"}}]"#,
            r#"{alertname="SlowFirstToken", model="qwen2.5-7b", severity="page", site="lab"} -160715 -150715"#,
        );
        check(
            r#"[{"startsAt":"2026-11-22T10:58:01.536876892Z","generatorURL":"http://vm:39947/vmalert/api/v1/alert?group_id=9898606092369849609&alert_id=13617139381226103039","endsAt":"2026-11-22T10:58:05.536876892Z","labels": {"alertname":"SlowFirstToken","alertgroup":"llm","alertname":"SlowFirstToken","model":"qwen2.5-7b","severity":"page"},"annotations": {"summary":"p99 is 1.5 s"}}]"#,
            r#"{alertgroup="llm", alertname="SlowFirstToken", model="qwen2.5-7b", severity="page"} -118464 -114464"#,
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(read(&bytes, NOW));
        }
    }
}
