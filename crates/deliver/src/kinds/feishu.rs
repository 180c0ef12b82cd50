//! Feishu's and Lark's robots of groups: a card. Signed like DingTalk's, but with key and message swapped, in seconds,
//! and in the body. Answers 200 also when it refuses.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Job, Service, Way, base64, hmac_sha256, markdown_link, segment, tame};
use crate::{
    Failure, Need, Rate,
    client::{Call, TOO_OFTEN_WAIT},
    content::{Limit, Marks},
};

/// Feishu takes 20 KB of body.
const TEXT: Limit = Limit::Bytes(12_000);
/// Longest title; the rest is cut.
const TITLE_CHARS_MAX: usize = 150;
/// Asked too often, in three words.
const TOO_OFTEN: &[i64] = &[11_232, 11_233, 1_500];
/// Comes with status 400, and also means other things.
const REFUSED: i64 = 9_499;

const MARKS: Marks = Marks { escape: tame, bold: ("**", "**"), between: "\n", link: markdown_link };

pub(super) const FEISHU: Service = Service {
    base: "https://open.feishu.cn",
    rate: Rate::per_minute(100),
    needs: &[Need::Token],
    has_files: false,
    has_pictures: false,
    way: Way::Http { call, judge: |reply| reply.by_code("code", "msg", too_often) },
};

pub(super) const LARK: Service = Service { base: "https://open.larksuite.com", ..FEISHU };

fn call(job: &Job<'_>) -> Result<Call, Failure> {
    let told = job.told;
    let color = match (told.is_firing, told.severity.as_str()) {
        (false, _) => "green",
        (true, "critical") => "red",
        (true, "warning") => "orange",
        (true, _) => "blue",
    };
    let text = told.text(&MARKS, TEXT);
    let mut body = json!({
        "msg_type": "interactive",
        "card": {
            "config": {"wide_screen_mode": true},
            "header": {
                "template": color,
                "title": {"tag": "plain_text", "content": told.title(TITLE_CHARS_MAX)},
            },
            "elements": [{"tag": "div", "text": {"tag": "lark_md", "content": text}}],
        },
    });
    if !job.access.secret.is_empty() {
        let seconds = job.now.0.div_euclid(1_000);
        body["timestamp"] = Value::from(seconds.to_string());
        body["sign"] = Value::from(sign(seconds, &job.access.secret));
    }
    let url = format!("{}/open-apis/bot/v2/hook/{}", job.access.url, segment(&job.access.token));
    Ok(Call::json(url, &body))
}

fn too_often(code: i64, text: &str) -> Option<Duration> {
    let is_refused = code == REFUSED && text.contains("too many");
    (is_refused || TOO_OFTEN.contains(&code)).then_some(TOO_OFTEN_WAIT)
}

fn sign(seconds: i64, secret: &str) -> String {
    base64(hmac_sha256(format!("{seconds}\n{secret}").as_bytes(), b"").as_ref())
}

#[cfg(test)]
mod tests {
    use crate::{Kind, Settings, kinds::tests};

    #[test]
    fn the_request_is_signed_as_feishu_wants_it() {
        let settings = Settings::new("x", Kind::Feishu);
        let access = tests::access("t/1", "SEC0123456789abcdef");
        let call = tests::call(&settings, &access, 1_700_000_000_999);
        assert_eq!(call.url, "http://h/open-apis/bot/v2/hook/t%2F1");
        let body = tests::body(&call);
        assert_eq!(body["timestamp"], "1700000000");
        assert_eq!(body["sign"], "PiO7POLlSx/DM2qf8Dy/XCWeJK3exVnevp5G99LEN2M=");
        assert_eq!(body["card"]["header"]["template"], "red");
        let unsigned = tests::body(&tests::call(&settings, &tests::access("t", ""), 0));
        assert_eq!(unsigned.get("sign"), None);
    }

    #[test]
    fn answers() {
        let check =
            |body, expected| assert_eq!(tests::judge(Kind::Feishu, 200, body), expected, "{body}");
        let limited = r#"{"code":9499,"msg":"too many request","data":{}}"#;
        assert_eq!(tests::judge(Kind::Feishu, 400, limited), Some(true));
        check(r#"{"code":9499,"msg":"Bad Request"}"#, Some(false));
        check(
            r#"{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}"#,
            None,
        );
        check(r#"{"code":11232,"msg":"frequency limited"}"#, Some(true));
        check(r#"{"code":19021,"msg":"sign match fail"}"#, Some(false));
    }
}
