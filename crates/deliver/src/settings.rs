//! What a channel is: the same for all kinds, each of which says what it needs.

use std::{path::PathBuf, time::Duration};

use model::message::Language;

use crate::{Rate, Reference, custom::Custom, kinds};

/// The kinds of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bark,
    Command,
    DingTalk,
    Feishu,
    Lark,
    Ntfy,
    PagerDuty,
    ServerChan,
    Slack,
    Smtp,
    Teams,
    Telegram,
    Webhook,
    WeCom,
}

/// What a kind cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Url,
    Token,
    To,
    From,
    Command,
}

impl Kind {
    /// As the configuration writes them, sorted.
    pub const NAMES: &'static [&'static str] = &[
        "bark",
        "command",
        "dingtalk",
        "feishu",
        "lark",
        "ntfy",
        "pagerduty",
        "serverchan",
        "slack",
        "smtp",
        "teams",
        "telegram",
        "webhook",
        "wecom",
    ];
    const ALL: &'static [Self] = &[
        Self::Bark,
        Self::Command,
        Self::DingTalk,
        Self::Feishu,
        Self::Lark,
        Self::Ntfy,
        Self::PagerDuty,
        Self::ServerChan,
        Self::Slack,
        Self::Smtp,
        Self::Teams,
        Self::Telegram,
        Self::Webhook,
        Self::WeCom,
    ];

    pub fn from_name(name: &str) -> Option<Self> {
        let index = Self::NAMES.iter().position(|candidate| *candidate == name)?;
        Self::ALL.get(index).copied()
    }

    pub fn as_str(self) -> &'static str {
        let index = Self::ALL.iter().position(|candidate| *candidate == self).unwrap_or_default();
        Self::NAMES[index]
    }

    /// What has to be configured.
    pub fn needs(self) -> &'static [Need] {
        kinds::service(self).needs
    }

    /// Whether whoever knows the address can send: it is a secret, and only a reference to it is taken.
    pub fn has_secret_url(self) -> bool {
        matches!(self, Self::Slack | Self::Teams)
    }

    /// Where the service is; empty where there is no such place.
    pub fn default_url(self) -> &'static str {
        kinds::service(self).base
    }

    /// How often the service lets itself be told, as far as it says so.
    pub fn default_rate(self) -> Rate {
        kinds::service(self).rate
    }
}

/// A channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub name: String,
    pub kind: Kind,
    /// Empty: the service's own.
    pub url: String,
    /// Counts instead of `url` where it is given.
    pub secret_url: Option<Reference>,
    /// What the service knows the channel by.
    pub token: Option<Reference>,
    /// What messages are signed with; for mail, the password.
    pub secret: Option<Reference>,
    pub username: String,
    pub from: String,
    pub to: Vec<String>,
    pub command: Vec<String>,
    pub language: Language,
    pub send_resolved: bool,
    pub template_title: String,
    pub template_text: String,
    pub rate: Rate,
    pub allow_private_addresses: bool,
    pub has_chart: bool,
    pub ca_file: Option<PathBuf>,
    /// For one attempt as a whole.
    pub timeout: Duration,
}

impl Settings {
    /// A channel with nothing but what every channel has.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            url: String::new(),
            secret_url: None,
            token: None,
            secret: None,
            username: String::new(),
            from: String::new(),
            to: Vec::new(),
            command: Vec::new(),
            language: Language::English,
            send_resolved: true,
            template_title: String::new(),
            template_text: String::new(),
            rate: kind.default_rate(),
            allow_private_addresses: false,
            has_chart: true,
            ca_file: None,
            timeout: Duration::from_secs(10),
        }
    }

    /// Which of the needs of its kind are not met.
    pub fn missing(&self) -> impl Iterator<Item = Need> + '_ {
        self.kind.needs().iter().copied().filter(|need| match need {
            Need::Url => self.url.is_empty() && self.secret_url.is_none(),
            Need::Token => self.token.is_none(),
            Need::To => self.to.is_empty(),
            Need::From => self.from.is_empty(),
            Need::Command => self.command.is_empty(),
        })
    }

    /// Which of the templates cannot be used, and why.
    pub fn template_problem(&self) -> Option<(&'static str, String)> {
        let (key, error) = Custom::parse(self).err()?;
        Some((key, error.to_string()))
    }

    /// Which address of a mail is none, and why.
    pub fn address_problem(&self) -> Option<String> {
        if self.kind != Kind::Smtp {
            return None;
        }
        let addresses = self.to.iter().chain([&self.from]).filter(|text| !text.is_empty());
        let mut problems = addresses.filter_map(|text| {
            let error = text.parse::<lettre::message::Mailbox>().err()?;
            Some(format!("{text}: {error}"))
        });
        problems.next()
    }

    /// The host that is told, or the program: enough to know the channel by, without what opens it.
    pub fn target(&self) -> String {
        if let Some(program) = self.command.first().filter(|_| self.kind == Kind::Command) {
            return program.clone();
        }
        let url = match (&self.secret_url, self.url.as_str()) {
            (Some(reference), _) => return reference.to_string(),
            (None, "") => self.kind.default_url(),
            (None, url) => url,
        };
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit('@').next().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names() {
        assert_eq!(Kind::NAMES.len(), Kind::ALL.len());
        assert!(Kind::NAMES.is_sorted());
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.as_str()), Some(*kind));
        }
        assert_eq!(Kind::from_name("fax"), None);
    }

    /// Who configures none relies on these; 20 a minute are what DingTalk and WeCom document.
    #[test]
    fn every_kind_has_its_rate() {
        let expected = [
            ("bark", "60/min"),
            ("command", "60/min"),
            ("dingtalk", "20/min"),
            ("feishu", "100/min"),
            ("lark", "100/min"),
            ("ntfy", "12/min"),
            ("pagerduty", "60/min"),
            ("serverchan", "5/d"),
            ("slack", "60/min"),
            ("smtp", "60/min"),
            ("teams", "60/min"),
            ("telegram", "20/min"),
            ("webhook", "600/min"),
            ("wecom", "20/min"),
        ];
        let found = Kind::ALL.iter().map(|kind| (kind.as_str(), kind.default_rate().to_string()));
        assert_eq!(found.collect::<Vec<_>>(), expected.map(|(kind, rate)| (kind, rate.to_owned())));
    }

    #[test]
    fn addresses_are_checked() {
        let check = |to: &str, is_right| {
            let settings = Settings { to: vec![to.into()], ..Settings::new("x", Kind::Smtp) };
            assert_eq!(settings.address_problem().is_none(), is_right, "{to}");
        };
        check("ops@a.example", true);
        check("王 <wang@a.example>", true);
        check("ops", false);
        check("a@b <", false);
    }

    #[test]
    fn targets_hold_no_secret() {
        let check = |kind, url: &str, expected: &str| {
            let settings = Settings { url: url.to_owned(), ..Settings::new("x", kind) };
            assert_eq!(settings.target(), expected);
        };
        check(Kind::Webhook, "https://u:p@a.example:1/x?token=y", "a.example:1");
        check(Kind::Telegram, "", "api.telegram.org");
        check(Kind::Smtp, "smtp://mail.example:25", "mail.example:25");
        let hidden = Reference::parse("env:HOOK");
        let settings = Settings { secret_url: hidden, ..Settings::new("x", Kind::Slack) };
        assert_eq!(settings.target(), "env:HOOK");
    }
}
