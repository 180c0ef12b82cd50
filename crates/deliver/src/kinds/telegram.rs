//! Telegram's bots: HTML for one chat, a picture with the text below where it is short enough, files.

use std::time::Duration;

use hyper::Method;
use serde_json::json;

use super::{Job, Service, Way, hex, segment, sha256};
use crate::{
    Failure, Need, Rate,
    client::{Call, Reply},
    codec::Item,
    content::{Limit, Marks},
};

/// A message takes 4,096 characters, not counting marks; ours are counted.
const MESSAGE: usize = 4_096;
/// The text of a picture or a file.
const CAPTION: usize = 1_024;

const MARKS: Marks = Marks {
    escape,
    bold: ("<b>", "</b>"),
    between: "\n",
    link: |text, url| format!("<a href=\"{}\">{text}</a>", url.replace('"', "%22")),
};

pub(super) const SERVICE: Service = Service {
    base: "https://api.telegram.org",
    // In groups; single chats take one a second.
    rate: Rate::per_minute(20),
    needs: &[Need::Token, Need::To],
    has_files: true,
    has_pictures: true,
    way: Way::Http { call, judge },
};

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn call(job: &Job<'_>) -> Result<Call, Failure> {
    let chat = job.settings.to.first().map(String::as_str).unwrap_or_default();
    let method = |name: &str| {
        format!("{}/bot{}/{name}", job.access.url, segment(&job.access.token).replace("%3A", ":"))
    };
    let head = format!("<b>{}</b>\n", escape(&job.told.title(150)));
    let text = |max: usize| {
        let room = max.saturating_sub(head.chars().count());
        format!("{head}{}", job.told.text(&MARKS, Limit::Chars(room)))
    };
    let upload = |part, name: &str, media_type: &str, bytes: &[u8]| {
        let fields = [("chat_id", chat), ("parse_mode", "HTML"), ("caption", &text(CAPTION))];
        multipart(&fields, (part, name, media_type, bytes))
    };
    let (url, (media_type, body)) = match (job.item, job.file, job.picture) {
        (Item::File { file_name, media_type, .. }, Some(bytes), _) => {
            (method("sendDocument"), upload("document", file_name, media_type, bytes))
        }
        (_, _, Some(png)) if text(MESSAGE).chars().count() <= CAPTION => {
            (method("sendPhoto"), upload("photo", "chart.png", "image/png", png))
        }
        _ => {
            let body = json!({
                "chat_id": chat,
                "text": text(MESSAGE),
                "parse_mode": "HTML",
                "link_preview_options": {"is_disabled": true},
            });
            return Ok(Call::json(method("sendMessage"), &body));
        }
    };
    Ok(Call {
        method: Method::POST,
        url,
        media_type: media_type.into(),
        headers: Vec::new(),
        body: body.into(),
    })
}

/// A form with texts and one file, parted by what none of them can hold: a hash of them all.
fn multipart(
    fields: &[(&str, &str)],
    (part, name, media_type, bytes): (&str, &str, &str, &[u8]),
) -> (String, Vec<u8>) {
    let whole: Vec<u8> =
        fields.iter().flat_map(|(_, value)| value.bytes()).chain(bytes.iter().copied()).collect();
    let boundary = hex(sha256(&whole).as_ref());
    let mut body = Vec::new();
    for (name, value) in fields {
        let head =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend_from_slice(format!("{head}{value}\r\n").as_bytes());
    }
    let name: String = name.chars().filter(|c| !c.is_control() && *c != '"').collect();
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{part}\"; filename=\"{name}\"\r\n\
         Content-Type: {media_type}\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

fn judge(reply: &Reply) -> Result<(), Failure> {
    let body = reply.json();
    if body["ok"].as_bool() == Some(true) {
        return Ok(());
    }
    let reason = format!("{} {}", reply.status, body["description"].as_str().unwrap_or_default());
    match (body["parameters"]["retry_after"].as_u64(), body["error_code"].as_u64()) {
        (Some(seconds), _) => Err(Failure::after(reason, Duration::from_secs(seconds))),
        // Some refusals come with status 200.
        (None, Some(400..=428 | 430..=499)) => Err(Failure::lasting(reason)),
        _ => reply.by_status().and_then(|()| Err(Failure::passing(format!("not ok: {reason}")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Settings, codec::tests::notification, kinds::tests};

    fn settings() -> Settings {
        Settings { to: vec!["-100".into()], ..Settings::new("x", Kind::Telegram) }
    }

    #[test]
    fn messages_pictures_and_files() {
        let access = tests::access("1:a", "");
        let call = tests::call(&settings(), &access, 0);
        assert_eq!(call.url, "http://h/bot1:a/sendMessage");
        let body = tests::body(&call);
        assert_eq!(body["chat_id"], "-100");
        let text = body["text"].as_str().unwrap();
        assert!(
            text.starts_with("<b>[Critical] AcceleratorHot (4 alerts)</b>\n<b>an accelerator"),
            "{text}"
        );
        let item = Item::Notification(Box::new(notification()));
        let call = tests::call_of(&settings(), &access, 0, &item, Some(b"PNG"));
        assert!(
            call.url.ends_with("/sendPhoto") && call.media_type.starts_with("multipart/form-data")
        );
        let text = String::from_utf8_lossy(&call.body);
        assert!(
            text.contains("name=\"photo\"; filename=\"chart.png\"")
                && text.contains("\r\n\r\nPNG\r\n--")
        );
        let item = Item::File {
            subject: "s".into(),
            text: "t".into(),
            file_name: "r\".pdf".into(),
            media_type: "application/pdf".into(),
        };
        let call = tests::call_of(&settings(), &access, 0, &item, None);
        assert!(call.url.ends_with("/sendDocument"));
        assert!(String::from_utf8_lossy(&call.body).contains("filename=\"r.pdf\""));
    }

    #[test]
    fn answers() {
        let check = |status, body, expected| {
            assert_eq!(tests::judge(Kind::Telegram, status, body), expected, "{body}");
        };
        check(200, r#"{"ok":true,"result":{}}"#, None);
        check(200, r#"{"ok":false,"error_code":400,"description":"chat not found"}"#, Some(false));
        check(429, r#"{"ok":false,"error_code":429,"parameters":{"retry_after":5}}"#, Some(true));
        check(404, r#"{"ok":false,"error_code":404,"description":"Not Found"}"#, Some(false));
        check(502, "<html>", Some(true));
        check(200, "", Some(true));
    }
}
