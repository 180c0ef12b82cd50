//! WeCom's robots of groups: Markdown of at most 4,096 bytes, no signature. Answers 200 also when it refuses.

use std::time::Duration;

use serde_json::json;

use super::{Job, Service, Way, encoded, markdown_link, tame};
use crate::{
    Failure, Need, Rate,
    client::{Call, TOO_OFTEN_WAIT},
    content::{Limit, Marks},
};

/// What WeCom takes of title and text.
const CONTENT_BYTES_MAX: usize = 4_096;
/// Longest title; the rest is cut.
const TITLE_CHARS_MAX: usize = 150;
/// Busy, asked too often, asked too often at once.
const TOO_OFTEN: &[i64] = &[-1, 45_009, 45_033];

const MARKS: Marks = Marks { escape: tame, bold: ("**", "**"), between: "\n", link: markdown_link };

pub(super) const SERVICE: Service = Service {
    base: "https://qyapi.weixin.qq.com",
    rate: Rate::per_minute(20),
    needs: &[Need::Token],
    has_files: false,
    has_pictures: false,
    way: Way::Http { call, judge: |reply| reply.by_code("errcode", "errmsg", too_often) },
};

fn call(job: &Job<'_>) -> Result<Call, Failure> {
    let told = job.told;
    let color = match (told.is_firing, told.severity.as_str()) {
        (false, _) | (true, "info") => "info",
        _ => "warning",
    };
    let title = tame(&told.title(TITLE_CHARS_MAX));
    let head = format!("### <font color=\"{color}\">{title}</font>\n");
    let text = told.text(&MARKS, Limit::Bytes(CONTENT_BYTES_MAX.saturating_sub(head.len())));
    let url = format!("{}/cgi-bin/webhook/send?key={}", job.access.url, encoded(&job.access.token));
    let body = json!({"msgtype": "markdown", "markdown": {"content": format!("{head}{text}")}});
    Ok(Call::json(url, &body))
}

fn too_often(code: i64, _: &str) -> Option<Duration> {
    TOO_OFTEN.contains(&code).then_some(TOO_OFTEN_WAIT)
}

#[cfg(test)]
mod tests {
    use model::message::Language;

    use super::*;
    use crate::{
        Kind, Settings,
        codec::{Item, tests::notification},
        kinds::tests,
    };

    #[test]
    fn the_content_is_never_longer_than_wecom_takes() {
        let settings = Settings { language: Language::Chinese, ..Settings::new("x", Kind::WeCom) };
        let mut many = notification();
        many.alerts[0].alert.annotations[5].1 = "热<@all>".repeat(400);
        many.alerts = (0..50).map(|_| many.alerts[0].clone()).collect();
        let item = Item::Notification(Box::new(many));
        let call = tests::call_of(&settings, &tests::access("k", ""), 0, &item, None);
        assert_eq!(call.url, "http://h/cgi-bin/webhook/send?key=k");
        let body = tests::body(&call);
        let content = body["markdown"]["content"].as_str().unwrap();
        assert!(content.len() <= CONTENT_BYTES_MAX && content.len() > 3_000, "{}", content.len());
        assert!(content.starts_with("### <font color=\"warning\">【严重】"), "{content}");
        assert!(!content.contains("<@"), "{content}");
        assert!(content.ends_with("(http://h:9640/#/moment?t=1)"), "{content}");
    }

    #[test]
    fn answers() {
        let check =
            |body, expected| assert_eq!(tests::judge(Kind::WeCom, 200, body), expected, "{body}");
        check(r#"{"errcode":0,"errmsg":"ok"}"#, None);
        check(r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, Some(true));
        check(r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#, Some(false));
    }
}
