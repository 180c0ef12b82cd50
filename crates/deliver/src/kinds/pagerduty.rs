//! PagerDuty's Events API v2: a group of alerts is one incident there, opened and closed by the same key.

use serde_json::{Map, Value, json};

use super::{Job, Service, Way};
use crate::{
    Failure, Need, Rate,
    client::{Call, Reply},
    content::{Limit, PLAIN, rfc3339},
};

/// A summary takes 1,024 characters.
const SUMMARY_CHARS_MAX: usize = 1_024;
/// An event takes 512 KB.
const DETAILS: Limit = Limit::Bytes(64 << 10);

pub(super) const SERVICE: Service = Service {
    base: "https://events.pagerduty.com",
    rate: Rate::per_minute(60),
    needs: &[Need::Token],
    has_files: false,
    has_pictures: false,
    way: Way::Http { call, judge: Reply::by_status },
};

fn call(job: &Job<'_>) -> Result<Call, Failure> {
    let told = job.told;
    let notification = job.notification();
    let severity = match told.severity.as_str() {
        "critical" => "critical",
        "error" => "error",
        "warning" => "warning",
        _ => "info",
    };
    let common = notification.map(|one| one.common_labels.as_slice()).unwrap_or_default();
    let label = |wanted: &str| {
        common.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    };
    let labels: Map<String, Value> =
        common.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let is_firing = told.is_firing || notification.is_none();
    let mut body = json!({
        "routing_key": job.access.token,
        "event_action": if is_firing { "trigger" } else { "resolve" },
        "dedup_key": job.group(),
        "payload": {
            "summary": told.title(SUMMARY_CHARS_MAX),
            "source": label("instance").unwrap_or("modelwatch"),
            "severity": severity,
            "timestamp": rfc3339(notification.map_or(job.now, |one| one.time)),
            "class": label("alertname").unwrap_or_default(),
            "custom_details": {"text": told.text(&PLAIN, DETAILS), "labels": labels},
        },
    });
    if !told.url.is_empty() {
        body["links"] = json!([{"href": told.url, "text": told.word("notify.link")}]);
    }
    Ok(Call::json(format!("{}/v2/enqueue", job.access.url), &body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Kind, Settings,
        codec::{Item, tests::notification},
        kinds::tests,
    };

    #[test]
    fn an_incident_is_opened_and_closed_by_one_key() {
        let (settings, access) = (Settings::new("x", Kind::PagerDuty), tests::access("r", ""));
        let opened = tests::call(&settings, &access, 0);
        assert_eq!(opened.url, "http://h/v2/enqueue");
        let opened = tests::body(&opened);
        assert_eq!(
            (&opened["event_action"], &opened["routing_key"]),
            (&json!("trigger"), &json!("r"))
        );
        assert_eq!(opened["payload"]["severity"], "critical");
        assert_eq!(opened["payload"]["timestamp"], "2026-11-22T10:00:05Z");
        assert_eq!(opened["links"][0]["href"], "http://h:9640/#/moment?t=1");
        let mut over = notification();
        over.alerts.iter_mut().for_each(|one| one.is_firing = false);
        let item = Item::Notification(Box::new(over));
        let closed = tests::body(&tests::call_of(&settings, &access, 0, &item, None));
        assert_eq!(closed["event_action"], "resolve");
        assert_eq!(closed["dedup_key"], opened["dedup_key"]);
        assert_eq!(opened["dedup_key"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn answers() {
        assert_eq!(tests::judge(Kind::PagerDuty, 202, r#"{"status":"success"}"#), None);
        assert_eq!(
            tests::judge(Kind::PagerDuty, 400, r#"{"status":"invalid event"}"#),
            Some(false)
        );
        assert_eq!(tests::judge(Kind::PagerDuty, 429, ""), Some(true));
    }
}
