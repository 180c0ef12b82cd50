//! DingTalk's robots of groups: Markdown, signed with HMAC-SHA256 over time and secret in the address. Answers 200 also
//! when it refuses.

use std::time::Duration;

use serde_json::json;

use super::{Job, Service, Way, base64, encoded, hmac_sha256, markdown_link, tame};
use crate::{
    Failure, Need, Rate,
    client::{Call, TOO_OFTEN_WAIT},
    content::{Limit, Marks},
};

/// DingTalk takes 20,000 bytes of body; JSON writes some characters with more.
const TEXT: Limit = Limit::Bytes(15_000);
/// Longest title; the rest is cut.
const TITLE_CHARS_MAX: usize = 100;
/// Busy, and more than 20 messages in a minute, in three numbers.
const TOO_OFTEN: &[i64] = &[-1, 130_101, 130_102, 410_100];

const MARKS: Marks =
    Marks { escape: tame, bold: ("**", "**"), between: "\n\n", link: markdown_link };

pub(super) const SERVICE: Service = Service {
    base: "https://oapi.dingtalk.com",
    rate: Rate::per_minute(20),
    needs: &[Need::Token],
    has_files: false,
    has_pictures: false,
    way: Way::Http { call, judge: |reply| reply.by_code("errcode", "errmsg", too_often) },
};

fn call(job: &Job<'_>) -> Result<Call, Failure> {
    let title = tame(&job.told.title(TITLE_CHARS_MAX));
    let text = format!("#### {title}\n\n{}", job.told.text(&MARKS, TEXT));
    let mut url =
        format!("{}/robot/send?access_token={}", job.access.url, encoded(&job.access.token));
    if !job.access.secret.is_empty() {
        let signature = sign(job.now.0, &job.access.secret);
        url.push_str(&format!("&timestamp={}&sign={}", job.now.0, encoded(&signature)));
    }
    let is_for_all = job.settings.to.iter().any(|to| to == "all");
    let mobiles: Vec<&String> = job.settings.to.iter().filter(|to| *to != "all").collect();
    // Whoever is to be called is named in the text too, else the service calls nobody.
    let text = mobiles.iter().fold(text, |text, mobile| format!("{text} @{mobile}"));
    let body = json!({
        "msgtype": "markdown",
        "markdown": {"title": title, "text": text},
        "at": {"atMobiles": mobiles, "isAtAll": is_for_all},
    });
    Ok(Call::json(url, &body))
}

fn too_often(code: i64, _: &str) -> Option<Duration> {
    TOO_OFTEN.contains(&code).then_some(TOO_OFTEN_WAIT)
}

fn sign(millis: i64, secret: &str) -> String {
    base64(hmac_sha256(secret.as_bytes(), format!("{millis}\n{secret}").as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use crate::{Kind, Settings, kinds::tests};

    #[test]
    fn the_request_is_signed_as_dingtalk_wants_it() {
        let settings =
            Settings { to: vec!["13800000000".into()], ..Settings::new("x", Kind::DingTalk) };
        let access = tests::access("t", "SEC0123456789abcdef");
        let call = tests::call(&settings, &access, 1_700_000_000_000);
        let expected = "http://h/robot/send?access_token=t&timestamp=1700000000000\
                        &sign=TSZbRFUuvaSQaRKUpF970OPCb2%2FLcQAP3wOvwZIzBZk%3D";
        assert_eq!(call.url, expected);
        let body = tests::body(&call);
        assert_eq!(body["markdown"]["title"], "[Critical] AcceleratorHot (4 alerts)");
        let text = body["markdown"]["text"].as_str().unwrap();
        assert!(
            text.starts_with("#### [Critical] AcceleratorHot (4 alerts)\n\n**an accelerator"),
            "{text}"
        );
        assert!(text.ends_with("(http://h:9640/#/moment?t=1) @13800000000"), "{text}");
        let unsigned = tests::call(&settings, &tests::access("t", ""), 0);
        assert_eq!(unsigned.url, "http://h/robot/send?access_token=t");
    }

    #[test]
    fn answers() {
        let check = |body, expected| {
            assert_eq!(tests::judge(Kind::DingTalk, 200, body), expected, "{body}")
        };
        check(r#"{"errcode":0,"errmsg":"ok"}"#, None);
        check(r#"{"errcode":130101,"errmsg":"send too fast"}"#, Some(true));
        check(r#"{"errcode":310000,"errmsg":"sign not match"}"#, Some(false));
        check("<html>", Some(true));
        check(r#"{"errcode":410100,"errmsg":"send too fast"}"#, Some(true));
    }
}
