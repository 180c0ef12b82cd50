//! Settings as lines that a configuration file could hold: what is printed can be read again.

use std::time::Duration;

use super::duration_text;

/// `key = value`, where there is a value.
#[derive(Default)]
pub(super) struct Lines(pub(super) Vec<String>);

impl Lines {
    /// Of one entry of `[[section]]`, or of a whole section.
    pub(super) fn of(header: &str) -> Self {
        Self(vec![header.to_owned()])
    }

    pub(super) fn text(&mut self, key: &str, value: Option<&String>) {
        self.plain(key, value.map(|value| text(value.as_str())));
    }

    /// As [`Lines::text`], where the empty text says nothing.
    pub(super) fn written(&mut self, key: &str, value: &str) {
        self.plain(key, (!value.is_empty()).then(|| text(value)));
    }

    pub(super) fn texts(&mut self, key: &str, values: &[String]) {
        self.plain(key, (!values.is_empty()).then(|| text(values)));
    }

    pub(super) fn pairs(&mut self, key: &str, values: &[(String, String)]) {
        self.plain(key, (!values.is_empty()).then(|| pairs(values)));
    }

    pub(super) fn period(&mut self, key: &str, period: Option<Duration>) {
        self.plain(key, period.map(|period| text(duration_text(period))));
    }

    /// A flag that is off where nothing is said.
    pub(super) fn flag(&mut self, key: &str, is_set: bool) {
        self.plain(key, is_set.then_some(true));
    }

    /// What is TOML already.
    pub(super) fn plain(&mut self, key: &str, value: Option<impl ToString>) {
        self.0.extend(value.map(|value| format!("{key} = {}", value.to_string())));
    }
}

/// A text or a list of texts. TOML reads what JSON writes of them but for control characters that JSON writes as they
/// are.
pub(super) fn text(text: impl Into<serde_json::Value>) -> String {
    let json = text.into().to_string();
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() {
            out.push_str(&format!("\\u{:04X}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// A table in one line.
pub(super) fn pairs(pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return "{}".to_owned();
    }
    let pair = |(name, value): &(String, String)| {
        format!("{} = {}", text(name.as_str()), text(value.as_str()))
    };
    let pairs: Vec<String> = pairs.iter().map(pair).collect();
    format!("{{ {} }}", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Environment, resolve},
        *,
    };

    #[test]
    fn any_text_survives_printing_and_reading() {
        let all: String = (0_u32..0x180).chain(['中'.into()]).filter_map(char::from_u32).collect();
        let table: toml::Table = format!("a = {}", text(all.as_str())).parse().unwrap();
        assert_eq!(table["a"].as_str(), Some(all.as_str()));
        let printed = text(all.as_str());
        assert!(!printed.contains(char::is_control), "{printed}");
    }

    #[test]
    fn what_is_written_of_any_section_is_printed_so_that_it_can_be_read() {
        let odd = r#""a\u0001\u007F\u0085\n\"\\ 'b'""#;
        let text = format!(
            "alerts.external_labels = {{ {odd} = {odd}, \"a.b\" = \"c\" }}\nalerts.rule_files = [{odd}]\n\
             collect.model_folders = [{odd}]\nreports.currency = {odd}\n\
             [[engine]]\nurl = \"https://h:1\"\ncert_file = {odd}\nkey_file = {odd}\n\
             [[objective]]\nmodel = {odd}\nttft = \"1s\"\n\
             [[probe]]\nkind = \"tcp\"\ntarget = \"h:1\"\nmodel = {odd}\n\
             [receive]\ntls_cert_file = {odd}\ntls_key_file = {odd}\n\
             [[report]]\nname = \"r\"\nmodel = {odd}\n"
        );
        let environment = Environment { variable: &|_| None, is_root: true };
        let read = |text: &str| resolve(text, &environment).unwrap();
        let config = read(&text);
        let labels = &config.alerts.external_labels;
        assert!(labels.contains(&("a.b".to_owned(), "c".to_owned())), "{labels:?}");
        let printed = config.lines();
        assert!(!printed.iter().any(|line| line.contains(char::is_control)), "{printed:?}");
        assert_eq!(read(&printed.join("\n")).lines(), printed);
        let again = read(&printed.join("\n"));
        assert_eq!((again.alerts, again.receive), (config.alerts, config.receive));
        assert_eq!(again.engines[0].tls.cert_file, config.engines[0].tls.cert_file);
        assert_eq!(again.reports.currency, "a\u{1}\u{7f}\u{85}\n\"\\ 'b'");
    }
}
