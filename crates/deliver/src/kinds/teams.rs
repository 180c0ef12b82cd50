//! Microsoft Teams by a workflow of Power Automate ("when a webhook request is received"), whose address is the secret:
//! an Adaptive Card. The connectors of before are retired.

use serde_json::{Value, json};

use super::{Job, Service, Way, markdown_link, tame};
use crate::{
    Failure, Need, Rate,
    client::{Call, Reply},
    content::{Limit, Marks},
};

/// A message takes 28 KB.
const TEXT: Limit = Limit::Bytes(16_000);
/// Longest title; the rest is cut.
const TITLE_CHARS_MAX: usize = 200;

const MARKS: Marks =
    Marks { escape: tame, bold: ("**", "**"), between: "\n\n", link: markdown_link };

pub(super) const SERVICE: Service = Service {
    base: "",
    rate: Rate::per_minute(60),
    needs: &[Need::Url],
    has_files: false,
    has_pictures: false,
    way: Way::Http { call, judge: Reply::by_status },
};

fn call(job: &Job<'_>) -> Result<Call, Failure> {
    let told = job.told;
    let color = match (told.is_firing, told.severity.as_str()) {
        (false, _) => "Good",
        (true, "critical") => "Attention",
        (true, "warning") => "Warning",
        (true, _) => "Accent",
    };
    let block = |text: String, more: Value| {
        let mut block = json!({"type": "TextBlock", "text": text, "wrap": true});
        if let (Some(block), Value::Object(more)) = (block.as_object_mut(), more) {
            block.extend(more);
        }
        block
    };
    let title = json!({"weight": "Bolder", "size": "Medium", "color": color});
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [
            block(tame(&told.title(TITLE_CHARS_MAX)), title),
            block(told.text(&MARKS, TEXT), json!({})),
        ],
    });
    if !told.url.is_empty() {
        let title = told.word("notify.link");
        card["actions"] = json!([{"type": "Action.OpenUrl", "title": title, "url": told.url}]);
    }
    let body = json!({"type": "message", "attachments": [{
        "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card,
    }]});
    Ok(Call::json(job.access.url.clone(), &body))
}

#[cfg(test)]
mod tests {
    use crate::{Kind, Settings, kinds::tests};

    #[test]
    fn the_request() {
        let body =
            tests::body(&tests::call(&Settings::new("x", Kind::Teams), &tests::access("", ""), 0));
        let card = &body["attachments"][0]["content"];
        assert_eq!(card["body"][0]["text"], "[Critical] AcceleratorHot (4 alerts)");
        assert_eq!(card["body"][0]["color"], "Attention");
        assert_eq!(card["actions"][0]["url"], "http://h:9640/#/moment?t=1");
        assert_eq!(tests::judge(Kind::Teams, 202, ""), None);
    }
}
