//! Templates of a channel's own: Go's, over the data that Alertmanager gives its templates, so that templates people
//! have can be taken over. What only we know is below `.Modelwatch`.
//!
//! Source: Alertmanager documentation, "Notification template reference".

use model::alert::{Notification, Notified};
use template::{Functions, Template, Time, Value};

use crate::Settings;

/// A channel's templates; a text that is empty stands for the built-in one.
#[derive(Debug, Default)]
pub(crate) struct Custom {
    title: Option<Template>,
    text: Option<Template>,
}

impl Custom {
    /// The templates of a channel, or what is wrong with them: which key, and why.
    pub(crate) fn parse(settings: &Settings) -> Result<Self, (&'static str, template::Error)> {
        let functions = Functions::alertmanager();
        let parse = |key: &'static str, source: &str| {
            let parsed = (!source.is_empty()).then(|| Template::parse(source, &functions));
            parsed.transpose().map_err(|error| (key, error))
        };
        Ok(Self {
            title: parse("template_title", &settings.template_title)?,
            text: parse("template_text", &settings.template_text)?,
        })
    }

    /// Title and text of a notification, each `None` where the built-in one is meant.
    pub(crate) fn render(
        &self,
        notification: &Notification,
        title: &str,
    ) -> Result<(Option<String>, Option<String>), template::Error> {
        if self.title.is_none() && self.text.is_none() {
            return Ok((None, None));
        }
        let data = data(notification, title);
        let render = |template: &Option<Template>| {
            template.as_ref().map(|template| template.render(&data)).transpose()
        };
        Ok((render(&self.title)?, render(&self.text)?))
    }
}

fn data(told: &Notification, title: &str) -> Value {
    let status = if told.is_firing() { "firing" } else { "resolved" };
    Value::record([
        ("Receiver", Value::from(told.channel.as_str())),
        ("Status", Value::from(status)),
        ("Alerts", Value::list(told.alerts.iter().map(alert))),
        ("GroupLabels", key_values(&told.group_labels)),
        ("CommonLabels", key_values(&told.common_labels)),
        ("CommonAnnotations", key_values(&told.common_annotations)),
        ("ExternalURL", Value::from(told.url.as_str())),
        ("GroupKey", Value::from(told.group_key.as_str())),
        ("TruncatedAlerts", Value::Int(i64::try_from(told.truncated).unwrap_or(i64::MAX))),
        (
            "Modelwatch",
            Value::record([
                ("Incident", Value::from(told.incident.as_str())),
                ("Severity", Value::from(told.severity.as_str())),
                ("Reason", Value::from(told.reason.as_str())),
                ("Title", Value::from(title)),
                ("URL", Value::from(told.url.as_str())),
            ]),
        ),
    ])
}

fn key_values(pairs: &[(String, String)]) -> Value {
    Value::key_values(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

fn alert(notified: &Notified) -> Value {
    let alert = &notified.alert;
    let ends = if notified.is_firing { Time::zero() } else { Time::utc(alert.ends_at) };
    Value::record([
        ("Status", Value::from(if notified.is_firing { "firing" } else { "resolved" })),
        ("Labels", Value::key_values(alert.labels.iter())),
        ("Annotations", key_values(&alert.annotations)),
        ("StartsAt", Value::Time(Time::utc(alert.starts_at))),
        ("EndsAt", Value::Time(ends)),
        ("GeneratorURL", Value::from(alert.generator_url.as_str())),
        ("Fingerprint", Value::from(format!("{:016x}", alert.labels.fingerprint()).as_str())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, codec::tests::notification};

    fn check(template: &str, expected: Result<&str, &str>) {
        let settings =
            Settings { template_text: template.to_owned(), ..Settings::new("x", Kind::Webhook) };
        let rendered =
            Custom::parse(&settings).map_err(|(key, error)| format!("{key}: {error}")).and_then(
                |custom| custom.render(&notification(), "T").map_err(|error| error.to_string()),
            );
        match expected {
            Ok(text) => assert_eq!(rendered.unwrap(), (None, Some(text.to_owned())), "{template}"),
            Err(part) => {
                let why = rendered.unwrap_err();
                assert!(why.contains(part), "{part:?} not in {why:?}");
            }
        }
    }

    /// Templates as people have them for Alertmanager.
    #[test]
    fn the_data_is_alertmanagers() {
        check(
            "[{{ .Status | toUpper }}:{{ .Alerts.Firing | len }}] {{ .CommonLabels.alertname }}",
            Ok("[FIRING:1] AcceleratorHot"),
        );
        check(
            "{{ range .Alerts }}{{ .Labels.device }}={{ .Annotations.summary }};{{ end }}",
            Ok("0=an accelerator is hot;1=an accelerator is hot;"),
        );
        check(
            "{{ range .GroupLabels.SortedPairs }}{{ .Name }}={{ .Value }}{{ end }}",
            Ok("alertname=AcceleratorHot"),
        );
        check("{{ (index .Alerts 1).EndsAt.Format \"15:04:05\" }}", Ok("10:01:40"));
        check("{{ (index .Alerts 0).EndsAt.IsZero }}", Ok("true"));
        check("{{ .Modelwatch.Title }} {{ .TruncatedAlerts }} {{ .Receiver }}", Ok("T 3 c"));
        check("{{ .Nothing }}", Err("Nothing"));
        check("{{ if }}", Err("template_text: line 1"));
    }
}
