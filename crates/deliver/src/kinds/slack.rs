//! Slack's incoming webhooks, whose address is the secret: blocks, and a text for notifications of the system.

use serde_json::json;

use super::{Job, Service, Way};
use crate::{
    Failure, Need, Rate,
    client::{Call, Reply},
    content::{Limit, Marks},
};

/// A section takes 3,000 characters.
const TEXT: Limit = Limit::Chars(2_900);
/// A header takes 150 characters.
const TITLE_CHARS_MAX: usize = 150;

const MARKS: Marks = Marks {
    escape: |text| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace(['*', '`'], "·")
    },
    bold: ("*", "*"),
    between: "\n",
    link: |text, url| format!("<{url}|{text}>"),
};

pub(super) const SERVICE: Service = Service {
    base: "",
    // One message a second; also for the channels of other programs there.
    rate: Rate::per_minute(60),
    needs: &[Need::Url],
    has_files: false,
    has_pictures: false,
    way: Way::Http { call, judge },
};

fn call(job: &Job<'_>) -> Result<Call, Failure> {
    let title = job.told.title(TITLE_CHARS_MAX);
    let body = json!({
        "text": (MARKS.escape)(&title),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": false}},
            {"type": "section", "text": {"type": "mrkdwn", "text": job.told.text(&MARKS, TEXT)}},
        ],
    });
    Ok(Call::json(job.access.url.clone(), &body))
}

fn judge(reply: &Reply) -> Result<(), Failure> {
    reply.by_status()?;
    match reply.body.trim_ascii() {
        b"ok" => Ok(()),
        other => Err(Failure::lasting(format!("not ok: {}", String::from_utf8_lossy(other)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Settings, kinds::tests};

    #[test]
    fn the_request() {
        let call = tests::call(&Settings::new("x", Kind::Slack), &tests::access("", ""), 0);
        let body = tests::body(&call);
        assert_eq!(call.url, "http://h");
        assert_eq!(body["text"], "[Critical] AcceleratorHot (4 alerts)");
        let text = body["blocks"][1]["text"]["text"].as_str().unwrap();
        assert!(text.starts_with("*an accelerator is hot*\n"), "{text}");
        assert!(text.ends_with("<http://h:9640/#/moment?t=1|Open in modelwatch>"), "{text}");
        assert_eq!((MARKS.escape)("<!channel> & *x*"), "&lt;!channel&gt; &amp; ·x·");
    }

    #[test]
    fn answers() {
        let check = |status, body, expected| {
            assert_eq!(tests::judge(Kind::Slack, status, body), expected, "{body}");
        };
        check(200, "ok", None);
        check(200, "<html>", Some(false));
        check(404, "no_service", Some(false));
        check(429, "", Some(true));
    }
}
