//! What waits, as JSON and back.

use model::{
    Labels, UnixMs,
    alert::{Alert, Notification, Notified, Reason},
};
use serde_json::{Map, Value, json};

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Notification(Box<Notification>),
    /// A file, whose bytes lie beside the journal.
    File {
        subject: String,
        text: String,
        file_name: String,
        media_type: String,
    },
}

impl Item {
    /// In a few words, for lists.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::File { subject, .. } => subject.clone(),
            Self::Notification(notification) => {
                let name = notification.alerts.first().map(|one| one.alert.name());
                name.unwrap_or(notification.incident.as_str()).to_owned()
            }
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::File { subject, text, file_name, media_type } => json!({"file": {
                "subject": subject, "text": text, "file_name": file_name, "media_type": media_type,
            }}),
            Self::Notification(told) => json!({"notification": {
                "key": told.key,
                "incident": told.incident,
                "channel": told.channel,
                "group_key": told.group_key,
                "reason": told.reason.as_str(),
                "time": told.time.0,
                "severity": told.severity,
                "group_labels": pairs(&told.group_labels),
                "common_labels": pairs(&told.common_labels),
                "common_annotations": pairs(&told.common_annotations),
                "alerts": told.alerts.iter().map(alert_to_json).collect::<Vec<_>>(),
                "truncated": told.truncated,
                "url": told.url,
            }}),
        }
    }

    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let text = |value: &Value, name: &str| value[name].as_str().map(str::to_owned);
        if let Some(file) = value.get("file") {
            return Some(Self::File {
                subject: text(file, "subject")?,
                text: text(file, "text")?,
                file_name: text(file, "file_name")?,
                media_type: text(file, "media_type")?,
            });
        }
        let told = value.get("notification")?;
        let alerts = told["alerts"].as_array()?.iter().map(alert_from_json);
        Some(Self::Notification(Box::new(Notification {
            key: text(told, "key")?,
            incident: text(told, "incident")?,
            channel: text(told, "channel")?,
            group_key: text(told, "group_key")?,
            reason: reason(told["reason"].as_str()?)?,
            time: UnixMs(told["time"].as_i64()?),
            severity: text(told, "severity")?,
            group_labels: unpaired(&told["group_labels"])?,
            common_labels: unpaired(&told["common_labels"])?,
            common_annotations: unpaired(&told["common_annotations"])?,
            alerts: alerts.collect::<Option<_>>()?,
            truncated: told["truncated"].as_u64()?,
            url: text(told, "url")?,
        })))
    }
}

fn reason(text: &str) -> Option<Reason> {
    use Reason::{Changed, Escalated, First, Repeat, Resolved};
    [First, Changed, Repeat, Escalated, Resolved].into_iter().find(|one| one.as_str() == text)
}

/// An object whose names keep their order.
pub(crate) fn pairs(pairs: &[(String, String)]) -> Value {
    let pairs = pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    Value::Object(pairs.collect::<Map<_, _>>())
}

pub(crate) fn labels(labels: &Labels) -> Value {
    let pairs = labels.iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn unpaired(value: &Value) -> Option<Vec<(String, String)>> {
    let pair = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    value.as_object()?.iter().map(pair).collect()
}

fn alert_to_json(notified: &Notified) -> Value {
    let alert = &notified.alert;
    json!({
        "is_firing": notified.is_firing,
        "labels": labels(&alert.labels),
        "annotations": pairs(&alert.annotations),
        "starts_at": alert.starts_at.0,
        "ends_at": alert.ends_at.0,
        "generator_url": alert.generator_url,
        // Not a number in JSON: infinities and NaN.
        "value": alert.value.map(|value| value.to_string()),
    })
}

fn alert_from_json(value: &Value) -> Option<Notified> {
    Some(Notified {
        is_firing: value["is_firing"].as_bool()?,
        alert: Alert {
            labels: Labels::from_pairs(unpaired(&value["labels"])?),
            annotations: unpaired(&value["annotations"])?,
            starts_at: UnixMs(value["starts_at"].as_i64()?),
            ends_at: UnixMs(value["ends_at"].as_i64()?),
            generator_url: value["generator_url"].as_str()?.to_owned(),
            value: value["value"].as_str().and_then(|value| value.parse().ok()),
        },
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One alert that fires and one that is over.
    pub(crate) fn notification() -> Notification {
        let alert = |device: &str, is_firing| Notified {
            is_firing,
            alert: Alert {
                labels: Labels::from_pairs([
                    ("alertname", "AcceleratorHot"),
                    ("device", device),
                    ("severity", "critical"),
                ]),
                annotations: [
                    ("cause", "a fan stands still"),
                    ("cause_zh", "风扇停转"),
                    ("remedy", "look at the fans"),
                    ("remedy_zh", "检查风扇"),
                    ("summary", "an accelerator is hot"),
                    ("summary_zh", "加速卡过热"),
                ]
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into(),
                starts_at: UnixMs(1_795_341_600_000),
                ends_at: UnixMs(if is_firing { 1_795_341_900_000 } else { 1_795_341_700_000 }),
                generator_url: "http://h/g".to_owned(),
                value: Some(if is_firing { 93.5 } else { f64::INFINITY }),
            },
        };
        let alerts = vec![alert("0", true), alert("1", false)];
        Notification {
            key: "k-1".to_owned(),
            incident: "i1".to_owned(),
            channel: "c".to_owned(),
            group_key: "{}:{alertname=\"AcceleratorHot\"}".to_owned(),
            reason: Reason::First,
            time: UnixMs(1_795_341_605_000),
            severity: "critical".to_owned(),
            group_labels: vec![("alertname".to_owned(), "AcceleratorHot".to_owned())],
            common_labels: vec![
                ("alertname".to_owned(), "AcceleratorHot".to_owned()),
                ("severity".to_owned(), "critical".to_owned()),
            ],
            common_annotations: alerts[0].alert.annotations.clone(),
            alerts,
            truncated: 3,
            url: "http://h:9640/#/moment?t=1".to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let check = |item: Item| {
            let text = item.to_json().to_string();
            assert_eq!(Item::from_json(&serde_json::from_str(&text).unwrap()), Some(item));
        };
        check(Item::Notification(Box::new(notification())));
        check(Item::File {
            subject: "s".to_owned(),
            text: "t".to_owned(),
            file_name: "f".to_owned(),
            media_type: "m".to_owned(),
        });
        for broken in [json!(null), json!({"file": {}}), json!({"notification": {"key": "x"}})] {
            assert_eq!(Item::from_json(&broken), None);
        }
    }
}
