//! ServerChan (Server酱), Turbo and 3: Markdown for one key. Answers 200 also when it refuses.

use std::time::Duration;

use serde_json::json;

use super::{Job, Service, Way, markdown_link, segment, tame};
use crate::{
    Failure, Need, Rate,
    client::Call,
    content::{Limit, Marks},
};

/// A text takes 32 KB.
const TEXT: Limit = Limit::Bytes(30_000);
/// A title takes 32 characters.
const TITLE_CHARS_MAX: usize = 32;

/// How long to wait where a day's messages are used up.
const QUOTA_WAIT: Duration = Duration::from_secs(3_600);

const BASE: &str = "https://sctapi.ftqq.com";
const MARKS: Marks =
    Marks { escape: tame, bold: ("**", "**"), between: "\n\n", link: markdown_link };

pub(super) const SERVICE: Service = Service {
    base: BASE,
    // Without a subscription.
    rate: Rate { count: 5, period: Duration::from_secs(86_400) },
    needs: &[Need::Token],
    has_files: false,
    has_pictures: false,
    way: Way::Http { call, judge: |reply| reply.by_code("code", "message", too_often) },
};

fn call(job: &Job<'_>) -> Result<Call, Failure> {
    let token = &job.access.token;
    let url = match version_3(token).filter(|_| job.access.url == BASE) {
        Some(user) => format!("https://{user}.push.ft07.com/send/{}.send", segment(token)),
        None => format!("{}/{}.send", job.access.url, segment(token)),
    };
    let body = json!({
        "title": job.told.title(TITLE_CHARS_MAX), "desp": job.told.text(&MARKS, TEXT),
    });
    Ok(Call::json(url, &body))
}

/// The day's messages are used up. The same code is that of a wrong key.
fn too_often(_: i64, text: &str) -> Option<Duration> {
    text.contains("超过当天").then_some(QUOTA_WAIT)
}

/// Keys of version 3, `sctpNNNt...`, say whose they are, and with that where they are taken.
fn version_3(token: &str) -> Option<&str> {
    let (user, _) = token.strip_prefix("sctp")?.split_once('t')?;
    (!user.is_empty() && user.bytes().all(|byte| byte.is_ascii_digit())).then_some(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Kind, Settings,
        kinds::{Access, tests},
    };

    #[test]
    fn keys_say_where_they_are_taken() {
        let check = |url: &str, token: &str, expected: &str| {
            let access = Access { url: url.into(), token: token.into(), secret: String::new() };
            let call = tests::call(&Settings::new("x", Kind::ServerChan), &access, 0);
            assert_eq!(call.url, expected);
            let title = tests::body(&call)["title"].as_str().unwrap().chars().count();
            assert_eq!(title, TITLE_CHARS_MAX);
        };
        check(BASE, "SCT1", "https://sctapi.ftqq.com/SCT1.send");
        check(BASE, "sctp12tabc", "https://12.push.ft07.com/send/sctp12tabc.send");
        check(BASE, "sctp1/2tabc", "https://sctapi.ftqq.com/sctp1%2F2tabc.send");
        check("http://h", "sctp12tabc", "http://h/sctp12tabc.send");
    }

    #[test]
    fn answers() {
        let check = |body, expected| {
            assert_eq!(tests::judge(Kind::ServerChan, 200, body), expected, "{body}")
        };
        check(r#"{"code":0,"message":"","data":{"errno":0}}"#, None);
        check(r#"{"code":40001,"message":"bad key"}"#, Some(false));
        let used_up = r#"{"code":40001,"message":"超过当天的发送次数限制[5]"}"#;
        assert_eq!(tests::judge(Kind::ServerChan, 400, used_up), Some(true));
    }
}
