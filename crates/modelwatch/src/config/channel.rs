//! `[[channel]]`: by which ways people are told. Secrets are named here, never written.

use std::{path::PathBuf, time::Duration};

use deliver::{Kind, Need, Rate, Reference, Settings};
use model::message::Language;

use super::{Environment, Problem, lines::Lines};

/// Longest name, which stands in addresses of the API.
const NAME_CHARS_MAX: usize = 64;

/// A channel as it is written; what is absent has its kind's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(super) kind: String,
    /// An address, or a reference to one that is a secret.
    pub(super) url: Option<String>,
    pub(super) token: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) username: Option<String>,
    pub(super) from: Option<String>,
    pub(super) to: Vec<String>,
    pub(super) command: Vec<String>,
    pub(super) allow_command: bool,
    pub(super) language: Option<String>,
    pub(super) send_resolved: Option<bool>,
    pub(super) template_title: Option<String>,
    pub(super) template_text: Option<String>,
    pub(super) rate_limit: Option<String>,
    pub(super) allow_private_addresses: bool,
    pub(super) chart: Option<bool>,
    pub(super) ca_file: Option<String>,
    pub(super) timeout: Option<Duration>,
    /// Line of the entry, for errors found after parsing.
    pub(super) line: usize,
}

impl Channel {
    /// As lines that a configuration file could hold.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Lines::of("[[channel]]");
        lines.text("name", Some(&self.name));
        lines.text("kind", Some(&self.kind));
        lines.text("url", self.url.as_ref());
        lines.text("token", self.token.as_ref());
        lines.text("secret", self.secret.as_ref());
        lines.text("username", self.username.as_ref());
        lines.text("from", self.from.as_ref());
        lines.texts("to", &self.to);
        lines.texts("command", &self.command);
        lines.flag("allow_command", self.allow_command);
        lines.text("language", self.language.as_ref());
        lines.plain("send_resolved", self.send_resolved);
        lines.text("template_title", self.template_title.as_ref());
        lines.text("template_text", self.template_text.as_ref());
        lines.text("rate_limit", self.rate_limit.as_ref());
        lines.flag("allow_private_addresses", self.allow_private_addresses);
        lines.plain("chart", self.chart);
        lines.text("ca_file", self.ca_file.as_ref());
        lines.period("timeout", self.timeout);
        lines.0
    }

    /// What the sender needs to know; `None` where the kind is none, which was complained of.
    pub(crate) fn settings(&self, language: Language) -> Option<Settings> {
        let kind = Kind::from_name(&self.kind)?;
        let defaults = Settings::new(self.name.as_str(), kind);
        let reference = |text: &Option<String>| text.as_deref().and_then(Reference::parse);
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let secret_url = reference(&self.url);
        Some(Settings {
            url: if secret_url.is_some() { String::new() } else { text(&self.url) },
            secret_url,
            token: reference(&self.token),
            secret: reference(&self.secret),
            username: text(&self.username),
            from: text(&self.from),
            to: self.to.clone(),
            command: self.command.clone(),
            language: self.language.as_deref().map_or(language, Language::from_tag),
            send_resolved: self.send_resolved.unwrap_or(true),
            template_title: text(&self.template_title),
            template_text: text(&self.template_text),
            rate: self.rate_limit.as_deref().and_then(Rate::parse).unwrap_or(defaults.rate),
            allow_private_addresses: self.allow_private_addresses,
            has_chart: self.chart.unwrap_or(true),
            ca_file: self.ca_file.as_ref().map(PathBuf::from),
            timeout: self.timeout.unwrap_or(defaults.timeout),
            ..defaults
        })
    }
}

fn key(need: Need) -> &'static str {
    match need {
        Need::Url => "url",
        Need::Token => "token",
        Need::To => "to",
        Need::From => "from",
        Need::Command => "command",
    }
}

/// What only makes sense together.
pub(super) fn check(
    channels: &[Channel],
    environment: &Environment<'_>,
    problems: &mut Vec<Problem>,
) {
    for (index, channel) in channels.iter().enumerate() {
        let mut complain = |code, params: Vec<(&'static str, String)>| {
            let name = ("name", channel.name.clone());
            let params = [name].into_iter().chain(params);
            problems.push(Problem::new(channel.line, code, params));
        };
        if !is_name(&channel.name) && !channel.name.is_empty() {
            complain("config.channel_name", vec![]);
        }
        if channels[..index].iter().any(|other| other.name == channel.name) {
            complain("config.channel_twice", vec![]);
        }
        let Some(settings) = channel.settings(Language::English) else { continue };
        for need in settings.missing() {
            let params = vec![("kind", channel.kind.clone()), ("key", key(need).to_owned())];
            complain("config.channel_incomplete", params);
        }
        check_command(channel, &settings, &mut complain);
        check_url(channel, &settings, &mut complain);
        check_secrets(channel, environment, &mut complain);
        let is_rate = channel.rate_limit.as_deref().is_none_or(|text| Rate::parse(text).is_some());
        if !is_rate {
            complain("config.channel_rate", vec![]);
        }
        if let Some((key, reason)) = settings.template_problem() {
            complain("config.channel_template", vec![("key", key.to_owned()), ("reason", reason)]);
        }
        if let Some(reason) = settings.address_problem() {
            complain("config.channel_address", vec![("reason", reason)]);
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(is_fit)
}

type Complain<'a> = dyn FnMut(&'static str, Vec<(&'static str, String)>) + 'a;

fn check_command(channel: &Channel, settings: &Settings, complain: &mut Complain<'_>) {
    if settings.kind != Kind::Command {
        return;
    }
    let is_absolute = channel.command.first().is_none_or(|program| program.starts_with('/'));
    if !channel.allow_command || !is_absolute {
        complain("config.channel_command", vec![]);
    }
}

fn check_url(channel: &Channel, settings: &Settings, complain: &mut Complain<'_>) {
    let Some(url) = channel.url.as_deref().filter(|_| settings.secret_url.is_none()) else {
        return;
    };
    if settings.kind.has_secret_url() {
        complain("config.channel_secret", vec![("key", "url".to_owned())]);
        return;
    }
    let schemes: &[&str] = match settings.kind {
        Kind::Smtp => &["smtps://", "smtp://", "smtp-plain://"],
        _ => &["https://", "http://"],
    };
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    let authority = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    // A name and a password in a URL are seen by everybody who sees the configuration.
    if authority.is_empty() || authority.contains('@') || url.contains(char::is_whitespace) {
        complain("config.channel_url", vec![("expected", schemes.join(", "))]);
    }
}

fn check_secrets(channel: &Channel, environment: &Environment<'_>, complain: &mut Complain<'_>) {
    let is_reference = |text: &&str| Reference::parse(text).is_some();
    let url = channel.url.as_deref().filter(is_reference);
    let secrets =
        [("url", url), ("token", channel.token.as_deref()), ("secret", channel.secret.as_deref())];
    for (key, text) in secrets {
        let Some(text) = text else { continue };
        match Reference::parse(text) {
            // It may be the secret itself, so that nobody is shown it.
            None => complain("config.channel_secret", vec![("key", key.to_owned())]),
            Some(reference) => {
                if let Err(missing) = reference.read(environment.variable) {
                    let params = vec![("key", key.to_owned()), ("reason", missing.to_string())];
                    complain("config.channel_no_secret", params);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Config, resolve},
        *,
    };

    fn resolved(text: &str) -> Result<Config, String> {
        let variable = |name: &str| (name == "T").then(|| "hush".to_owned());
        let environment = Environment { variable: &variable, is_root: true };
        resolve(text, &environment).map_err(|problems| {
            let lines = problems.iter().map(|problem| problem.render(Language::English));
            lines.collect::<Vec<_>>().join("\n")
        })
    }

    #[test]
    fn channels_are_read_and_printed() {
        let text = "[[channel]]\nname = \"mail\"\nkind = \"smtp\"\nurl = \"smtp://m.example\"\n\
                    secret = \"env:T\"\nusername = \"u\"\nfrom = \"mw@a.example\"\n\
                    to = [\"ops@a.example\"]\nlanguage = \"zh\"\nsend_resolved = false\n\
                    template_title = \"{{ .Status }}\"\ntemplate_text = \"a\\nb\"\n\
                    rate_limit = \"5/min\"\nallow_private_addresses = true\nchart = false\n\
                    ca_file = \"/ca.pem\"\ntimeout = \"3s\"\n\
                    [[channel]]\nname = \"run\"\nkind = \"command\"\ncommand = [\"/bin/true\"]\n\
                    allow_command = true\n\
                    [[channel]]\nname = \"slack\"\nkind = \"slack\"\nurl = \"env:T\"\n";
        let config = resolved(text).unwrap();
        let printed = config.lines().join("\n");
        assert!(!printed.contains("hush"));
        let mut again = resolved(&printed).unwrap();
        for (one, other) in again.channels.iter_mut().zip(&config.channels) {
            one.line = other.line;
        }
        assert_eq!(again, config);
        let settings = config.channels[0].settings(Language::English).unwrap();
        assert_eq!((settings.language, settings.rate.count), (Language::Chinese, 5));
        assert_eq!(settings.timeout, Duration::from_secs(3));
        assert!(!settings.send_resolved && !settings.has_chart && settings.secret.is_some());
        let settings = config.channels[2].settings(Language::Chinese).unwrap();
        assert_eq!((settings.language, settings.target().as_str()), (Language::Chinese, "env:T"));
    }

    #[test]
    fn errors_name_their_line_and_no_secret() {
        let check = |keys: &str, expected: &str| {
            let errors = resolved(&format!("[[channel]]\n{keys}")).unwrap_err();
            assert!(
                errors.contains(expected) && !errors.contains("s3cret"),
                "{expected}: {errors}"
            );
            assert!(errors.starts_with("line "), "{errors}");
        };
        let hook = "name = \"a\"\nkind = \"webhook\"\nurl = \"http://h\"\n";
        check("kind = \"slack\"", "has no name");
        check("name = \"a\"", "has no kind");
        check("name = \"a\"\nkind = \"fax\"", "bark, command, dingtalk");
        check("name = \"a\"\nkind = \"wecom\"", "a of kind wecom needs token");
        check("name = \"a\"\nkind = \"slack\"\nurl = \"https://h/s3cret\"", "env:NAME");
        check("name = \"a\"\nkind = \"wecom\"\ntoken = \"s3cret\"", "env:NAME");
        check("name = \"a\"\nkind = \"wecom\"\ntoken = \"env:NONE\"", "NONE is not set");
        check(
            "name = \"a\"\nkind = \"wecom\"\ntoken = \"file:/no/such\"",
            "/no/such cannot be read",
        );
        check("name = \"a b\"\nkind = \"wecom\"\ntoken = \"env:T\"", "letters, digits");
        check(&format!("{hook}[[channel]]\n{hook}"), "line 5: there are two channels named a");
        check(&hook.replace("http:", "ftp:"), "https://, http://");
        check(&hook.replace("//h", "//u:s3cret@h"), "https://, http://");
        check(&format!("{hook}rate_limit = \"often\""), "rate_limit of the channel a");
        check(&format!("{hook}template_text = \"{{{{ if }}}}\""), "template_text of the channel a");
        check("name = \"a\"\nkind = \"command\"\ncommand = [\"/x\"]", "allow_command = true");
        check(
            "name = \"a\"\nkind = \"command\"\ncommand = [\"x\"]\nallow_command = true",
            "absolute",
        );
        let mail = "name = \"a\"\nkind = \"smtp\"\nurl = \"smtp://h\"\nfrom = \"x\"\nto = [\"a@b.example\"]";
        check(mail, "x: ");
    }
}
