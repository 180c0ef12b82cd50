//! The kinds of channels, one file each: what a service wants to be sent, and how its answer is meant.
//!
//! Almost all are two pure functions around one HTTP request, which the vectors in their files pin down.

mod bark;
pub(crate) mod command;
mod dingtalk;
mod feishu;
mod ntfy;
mod pagerduty;
mod serverchan;
mod slack;
pub(crate) mod smtp;
mod teams;
mod telegram;
pub(crate) mod webhook;
mod wecom;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use model::{UnixMs, alert::Notification};
use ring::{digest, hmac};

use crate::{
    Failure, Kind, Need, Rate, Settings,
    client::{Call, Reply},
    codec::Item,
    content::Told,
};

/// A service, as far as it differs from others.
pub(crate) struct Service {
    /// Where it is; empty where each channel says so.
    pub(crate) base: &'static str,
    pub(crate) rate: Rate,
    pub(crate) needs: &'static [Need],
    /// Whether files reach people through it; others are told that there is one.
    pub(crate) has_files: bool,
    pub(crate) has_pictures: bool,
    pub(crate) way: Way,
}

pub(crate) enum Way {
    Http { call: fn(&Job<'_>) -> Result<Call, Failure>, judge: fn(&Reply) -> Result<(), Failure> },
    Mail,
    Command,
}

/// What opens a channel, read when it is needed.
#[derive(Clone, Default)]
pub(crate) struct Access {
    /// Without a slash at its end.
    pub(crate) url: String,
    /// Empty where there is none, as the next.
    pub(crate) token: String,
    pub(crate) secret: String,
}

/// One message for one channel.
pub(crate) struct Job<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) access: &'a Access,
    pub(crate) item: &'a Item,
    pub(crate) told: &'a Told,
    /// A PNG.
    pub(crate) picture: Option<&'a [u8]>,
    /// The bytes of an item that is a file.
    pub(crate) file: Option<&'a [u8]>,
    /// The same in every attempt.
    pub(crate) key: &'a str,
    pub(crate) now: UnixMs,
}

impl Job<'_> {
    pub(crate) fn notification(&self) -> Option<&Notification> {
        match self.item {
            Item::Notification(notification) => Some(notification),
            Item::File { .. } => None,
        }
    }

    /// What all messages about one group of alerts have in common, for services that put them together.
    pub(crate) fn group(&self) -> String {
        let group = self.notification().map(|told| told.group_key.as_str());
        hex(sha256(group.unwrap_or(self.key).as_bytes()).as_ref())
    }
}

pub(crate) fn service(kind: Kind) -> &'static Service {
    match kind {
        Kind::Bark => &bark::SERVICE,
        Kind::Command => &command::SERVICE,
        Kind::DingTalk => &dingtalk::SERVICE,
        Kind::Feishu => &feishu::FEISHU,
        Kind::Lark => &feishu::LARK,
        Kind::Ntfy => &ntfy::SERVICE,
        Kind::PagerDuty => &pagerduty::SERVICE,
        Kind::ServerChan => &serverchan::SERVICE,
        Kind::Slack => &slack::SERVICE,
        Kind::Smtp => &smtp::SERVICE,
        Kind::Teams => &teams::SERVICE,
        Kind::Telegram => &telegram::SERVICE,
        Kind::Webhook => &webhook::SERVICE,
        Kind::WeCom => &wecom::SERVICE,
    }
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// As a value in a query or a form.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// As a segment of a path, where a space is no plus.
fn segment(text: &str) -> String {
    encoded(text).replace('+', "%20")
}

/// Keeps a text from being markup in services that mention people by `<...>` and link by `[...](...)`.
fn tame(text: &str) -> String {
    text.replace('<', "＜").replace("](", "] (").replace(['*', '`'], "·")
}

fn markdown_link(text: &str, url: &str) -> String {
    format!("[{text}]({})", url.replace('(', "%28").replace(')', "%29"))
}

#[cfg(test)]
mod tests {
    use model::message::Language;

    use super::*;
    use crate::{codec::tests::notification, content};

    /// The request that a channel of this kind makes of the notification of the tests.
    pub(super) fn call(settings: &Settings, access: &Access, now: i64) -> Call {
        call_of(settings, access, now, &Item::Notification(Box::new(notification())), None)
    }

    pub(super) fn call_of(
        settings: &Settings,
        access: &Access,
        now: i64,
        item: &Item,
        picture: Option<&[u8]>,
    ) -> Call {
        let told = match item {
            Item::Notification(one) => content::of_notification(one, settings.language, &|_| 0),
            Item::File { .. } => {
                content::of_notification(&notification(), Language::English, &|_| 0)
            }
        };
        let file: Option<&[u8]> = matches!(item, Item::File { .. }).then_some(b"bytes");
        let job = Job {
            settings,
            access,
            item,
            told: &told,
            picture,
            file,
            key: "k-1",
            now: UnixMs(now),
        };
        match &service(settings.kind).way {
            Way::Http { call, .. } => call(&job).unwrap(),
            _ => unreachable!("not over HTTP"),
        }
    }

    pub(super) fn body(call: &Call) -> serde_json::Value {
        serde_json::from_slice(&call.body).unwrap()
    }

    /// What a kind makes of an answer: `None` is success, `Some(true)` passes, `Some(false)` lasts.
    pub(super) fn judge(kind: Kind, status: u16, body: &str) -> Option<bool> {
        let reply = Reply { status, retry_after: None, body: body.to_owned().into() };
        match &service(kind).way {
            Way::Http { judge, .. } => judge(&reply).err().map(|failure| failure.is_passing),
            _ => unreachable!("not over HTTP"),
        }
    }

    pub(super) fn access(token: &str, secret: &str) -> Access {
        Access { url: "http://h".to_owned(), token: token.to_owned(), secret: secret.to_owned() }
    }
}
