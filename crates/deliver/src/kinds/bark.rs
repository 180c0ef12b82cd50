//! Bark, which shows messages on iPhones: JSON; a group of alerts is one group there.

use serde_json::json;

use super::{Job, Service, Way};
use crate::{
    Failure, Need, Rate,
    client::{Call, Reply},
    content::{Limit, PLAIN},
};

/// Apple takes 4 KB in all.
const TEXT: Limit = Limit::Bytes(2_500);
/// Longest title; the rest is cut.
const TITLE_CHARS_MAX: usize = 100;

pub(super) const SERVICE: Service = Service {
    base: "https://api.day.app",
    rate: Rate::per_minute(60),
    needs: &[Need::Token],
    has_files: false,
    has_pictures: false,
    way: Way::Http { call, judge },
};

fn call(job: &Job<'_>) -> Result<Call, Failure> {
    let told = job.told;
    let mut body = json!({
        "device_key": job.access.token,
        "title": told.title(TITLE_CHARS_MAX),
        "body": told.text(&PLAIN, TEXT),
        "group": "modelwatch",
        // Shown also while notifications are muted, without overriding the switch for silence.
        "level": if told.is_firing && told.severity == "critical" { "timeSensitive" } else { "active" },
        "isArchive": "1",
    });
    if !told.url.is_empty() {
        body["url"] = told.url.clone().into();
    }
    Ok(Call::json(format!("{}/push", job.access.url), &body))
}

fn judge(reply: &Reply) -> Result<(), Failure> {
    reply.by_status()?;
    let body = reply.json();
    let said = body["message"].as_str().unwrap_or_default();
    match body["code"].as_i64() {
        Some(200) => Ok(()),
        Some(code @ 400..=499) => Err(Failure::lasting(format!("code {code} {said}"))),
        code => Err(Failure::passing(format!("code {} {said}", code.unwrap_or_default()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Settings, kinds::tests};

    #[test]
    fn the_request() {
        let call = tests::call(&Settings::new("x", Kind::Bark), &tests::access("dk", ""), 0);
        let body = tests::body(&call);
        assert_eq!((call.url.as_str(), &body["device_key"]), ("http://h/push", &json!("dk")));
        assert_eq!(body["level"], "timeSensitive");
    }

    #[test]
    fn answers() {
        let check = |status, body, expected| {
            assert_eq!(tests::judge(Kind::Bark, status, body), expected, "{body}");
        };
        check(200, r#"{"code":200,"message":"success"}"#, None);
        check(200, r#"{"code":400,"message":"device key is not found"}"#, Some(false));
        check(400, r#"{"code":400,"message":"failed to get device token"}"#, Some(false));
        check(500, "", Some(true));
    }
}
