//! Any program that takes Alertmanager's webhooks (version 4), signed where a secret is given. What Alertmanager does
//! not say is below `modelwatch`, which its readers pass over.

use model::alert::{Notification, Notified, Reason};
use serde_json::{Value, json};

use super::{Job, Service, Way, base64, hex, hmac_sha256};
use crate::{
    Failure, Need, Rate,
    client::{Call, Reply},
    codec::{Item, labels, pairs},
    content::rfc3339,
};

pub(super) const SERVICE: Service = Service {
    base: "",
    rate: Rate::per_minute(600),
    needs: &[Need::Url],
    has_files: true,
    has_pictures: false,
    way: Way::Http { call, judge: Reply::by_status },
};

fn call(job: &Job<'_>) -> Result<Call, Failure> {
    let mut call = Call::json(job.access.url.clone(), &body(job));
    call.headers.push(("idempotency-key", header(job.key)));
    if !job.access.secret.is_empty() {
        let tag = hmac_sha256(job.access.secret.as_bytes(), &call.body);
        call.headers.push(("x-signature", format!("sha256={}", hex(tag.as_ref()))));
    }
    if !job.access.token.is_empty() {
        call.headers.push(("authorization", format!("Bearer {}", job.access.token)));
    }
    Ok(call)
}

/// The key as a header can hold it.
fn header(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect()
}

/// What webhooks are sent and commands read.
pub(crate) fn body(job: &Job<'_>) -> Value {
    match job.item {
        Item::Notification(notification) => of_notification(notification, job),
        Item::File { subject, text, file_name, media_type } => json!({
            "receiver": job.settings.name,
            "version": "modelwatch-file-1",
            "subject": subject,
            "text": text,
            "fileName": file_name,
            "mediaType": media_type,
            "base64": base64(job.file.unwrap_or_default()),
            "modelwatch": {"key": job.key},
        }),
    }
}

fn of_notification(told: &Notification, job: &Job<'_>) -> Value {
    json!({
        "receiver": job.settings.name,
        "status": status(told.is_firing()),
        "alerts": told.alerts.iter().map(alert).collect::<Vec<_>>(),
        "groupLabels": pairs(&told.group_labels),
        "commonLabels": pairs(&told.common_labels),
        "commonAnnotations": pairs(&told.common_annotations),
        "externalURL": origin(&told.url),
        "version": "4",
        "groupKey": told.group_key,
        "truncatedAlerts": told.truncated,
        "notification_reason": reason(told.reason),
        "modelwatch": {
            "key": job.key,
            "incident": told.incident,
            "severity": told.severity,
            "reason": told.reason.as_str(),
            "title": job.told.title(200),
            "url": told.url,
        },
    })
}

fn status(is_firing: bool) -> &'static str {
    if is_firing { "firing" } else { "resolved" }
}

/// As Alertmanager 0.33 words it.
fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::First => "first notification",
        Reason::Changed => "new alerts in group",
        Reason::Repeat => "repeat interval elapsed",
        Reason::Escalated => "escalation",
        Reason::Resolved => "all alerts resolved",
    }
}

fn alert(notified: &Notified) -> Value {
    let alert = &notified.alert;
    json!({
        "status": status(notified.is_firing),
        "labels": labels(&alert.labels),
        "annotations": pairs(&alert.annotations),
        "startsAt": rfc3339(alert.starts_at),
        // As Alertmanager says that it is not known yet.
        "endsAt": if notified.is_firing { "0001-01-01T00:00:00Z".to_owned() } else { rfc3339(alert.ends_at) },
        "generatorURL": alert.generator_url,
        "fingerprint": format!("{:016x}", alert.labels.fingerprint()),
    })
}

/// Scheme and host of the page.
fn origin(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return String::new() };
    format!("{scheme}://{}", rest.split(['/', '?', '#']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use model::{Labels, UnixMs, alert::Alert};

    use super::*;
    use crate::{Kind, Settings, codec::tests::notification, kinds::tests};

    /// What a real Alertmanager 0.28.1 sent of the same alert, except for times to the nanosecond.
    #[test]
    fn the_body_is_alertmanagers() {
        let check = |capture: &str, is_firing: bool| {
            let (_, captured) =
                capture.split_once("\r\n\r\n").or(capture.split_once("\n\n")).unwrap();
            let mut captured: Value = serde_json::from_str(captured).unwrap();
            let start =
                model::parse_rfc3339(captured["alerts"][0]["startsAt"].as_str().unwrap()).unwrap();
            let labels =
                [("alertname", "SlowFirstToken"), ("model", "qwen2.5-7b"), ("severity", "page")];
            let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let annotations = vec![owned(("summary", "p99 is 1.5 s"))];
            let mut told = notification();
            told.alerts = vec![Notified {
                is_firing,
                alert: Alert {
                    labels: Labels::from_pairs(labels),
                    annotations: annotations.clone(),
                    starts_at: start,
                    ends_at: start,
                    generator_url: "http://modelwatch.example/alerts/1".to_owned(),
                    value: None,
                },
            }];
            told.group_labels = vec![owned(labels[0])];
            told.common_labels = labels.map(owned).into();
            told.common_annotations = annotations;
            told.group_key = "{}:{alertname=\"SlowFirstToken\"}".to_owned();
            told.truncated = 0;
            told.url = format!("{}/#/moment", captured["externalURL"].as_str().unwrap());
            let item = Item::Notification(Box::new(told));
            let settings = Settings::new("hook", Kind::Webhook);
            let call = tests::call_of(&settings, &tests::access("", ""), 0, &item, None);
            let mut body = tests::body(&call);
            body.as_object_mut().unwrap().retain(|name, _| captured.get(name).is_some());
            captured["alerts"][0]["startsAt"] = rfc3339(start).into();
            assert_eq!(body, captured);
        };
        check(include_str!("../../fixtures/0.28.1-firing.http"), true);
        check(include_str!("../../fixtures/0.28.1-resolved.http"), false);
    }

    #[test]
    fn requests_are_signed_and_have_a_key() {
        let settings = Settings::new("x", Kind::Webhook);
        let call = tests::call(&settings, &tests::access("t", "s3cret"), 0);
        let header =
            |wanted: &str| call.headers.iter().find(|(name, _)| *name == wanted).unwrap().1.clone();
        assert_eq!(header("idempotency-key"), "k-1");
        assert_eq!(header("authorization"), "Bearer t");
        let tag = hmac_sha256(b"s3cret", &call.body);
        assert_eq!(header("x-signature"), format!("sha256={}", hex(tag.as_ref())));
        // RFC 4231, test case 2.
        let vector = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert!(hex(vector.as_ref()).starts_with("5bdcc146bf60754e6a042426089575c7"));
        assert_eq!(super::header("a b\n键"), "a_b__");
    }

    #[test]
    fn files_are_in_base64() {
        let item = Item::File {
            subject: "s".into(),
            text: "t".into(),
            file_name: "r.pdf".into(),
            media_type: "application/pdf".into(),
        };
        let settings = Settings::new("x", Kind::Webhook);
        let call = tests::call_of(&settings, &tests::access("", ""), 0, &item, None);
        assert_eq!(tests::body(&call)["base64"], "Ynl0ZXM=");
        assert_eq!(rfc3339(UnixMs(0)), "1970-01-01T00:00:00Z");
    }
}
