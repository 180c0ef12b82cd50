//! ntfy, there or on a server of one's own: JSON for one topic; pictures and files as attachments.

use hyper::Method;
use serde_json::json;

use super::{Job, Service, Way, encoded, segment};
use crate::{
    Failure, Need, Rate,
    client::{Call, Reply},
    codec::Item,
    content::{Limit, PLAIN},
};

/// A message takes 4,096 bytes; longer ones become an attachment.
const TEXT: Limit = Limit::Bytes(3_800);
/// What goes with an attachment is in the address.
const TEXT_BESIDE: Limit = Limit::Bytes(1_200);
/// Longest title; the rest is cut.
const TITLE_CHARS_MAX: usize = 200;

pub(super) const SERVICE: Service = Service {
    base: "https://ntfy.sh",
    // 60 at once, then one in five seconds: this is the slower.
    rate: Rate::per_minute(12),
    needs: &[Need::To],
    has_files: true,
    has_pictures: true,
    way: Way::Http { call, judge: Reply::by_status },
};

fn call(job: &Job<'_>) -> Result<Call, Failure> {
    let told = job.told;
    let topic = job.settings.to.first().map(String::as_str).unwrap_or_default();
    let (priority, tag) = match (told.is_firing, told.severity.as_str()) {
        (false, _) => (3, "white_check_mark"),
        (true, "critical") => (5, "rotating_light"),
        (true, "warning") => (4, "warning"),
        (true, _) => (3, "information_source"),
    };
    let title = told.title(TITLE_CHARS_MAX);
    let attachment = match (job.item, job.file, job.picture) {
        (Item::File { file_name, .. }, Some(bytes), _) => Some((file_name.as_str(), bytes)),
        (_, _, Some(png)) => Some(("chart.png", png)),
        _ => None,
    };
    let mut call = match attachment {
        None => {
            let mut body = json!({
                "topic": topic, "title": title, "message": told.text(&PLAIN, TEXT), "priority": priority,
                "tags": [tag],
            });
            if !told.url.is_empty() {
                body["click"] = told.url.clone().into();
            }
            Call::json(format!("{}/", job.access.url), &body)
        }
        Some((name, bytes)) => {
            // In the address rather than in headers, which hold no Chinese.
            let fields = [
                ("title", title),
                ("message", told.text(&PLAIN, TEXT_BESIDE)),
                ("filename", name.to_owned()),
                ("priority", priority.to_string()),
                ("tags", tag.to_owned()),
                ("click", told.url.clone()),
            ];
            let fields = fields.iter().filter(|(_, value)| !value.is_empty());
            let fields: Vec<String> =
                fields.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
            Call {
                method: Method::PUT,
                url: format!("{}/{}?{}", job.access.url, segment(topic), fields.join("&")),
                media_type: "application/octet-stream".into(),
                headers: Vec::new(),
                body: bytes.to_vec().into(),
            }
        }
    };
    if !job.access.token.is_empty() {
        call.headers.push(("authorization", format!("Bearer {}", job.access.token)));
    }
    Ok(call)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Settings, codec::tests::notification, kinds::tests};

    #[test]
    fn the_request() {
        let settings = Settings { to: vec!["gpu alerts".into()], ..Settings::new("x", Kind::Ntfy) };
        let call = tests::call(&settings, &tests::access("tk", ""), 0);
        let body = tests::body(&call);
        assert_eq!((call.url.as_str(), &body["topic"]), ("http://h/", &json!("gpu alerts")));
        assert_eq!(
            (&body["priority"], &body["click"]),
            (&json!(5), &json!("http://h:9640/#/moment?t=1"))
        );
        assert_eq!(call.headers, [("authorization", "Bearer tk".to_owned())]);
        let item = Item::Notification(Box::new(notification()));
        let call = tests::call_of(&settings, &tests::access("", ""), 0, &item, Some(b"PNG"));
        assert_eq!((call.method, &call.body[..]), (Method::PUT, &b"PNG"[..]));
        assert!(
            call.url.starts_with("http://h/gpu%20alerts?title=%5BCritical%5D+Acc"),
            "{}",
            call.url
        );
        assert!(call.headers.is_empty());
        assert_eq!(tests::judge(Kind::Ntfy, 429, r#"{"code":42901}"#), Some(true));
    }
}
