//! `[gateway]` and its `[[gateway.upstream]]`: what was written, and what the gateway is told.

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, time::Duration};

use gateway::{
    Cidr,
    config::{AccessConfig, KeepBodies, Listen, Tls, Upstream},
    keys::{Grant, Secret},
    samples::{Place, Slo},
};
use hyper::Uri;
use regex::Regex;

use super::{
    Environment, Problem,
    lines::{Lines, text},
    units::bytes_text,
};

/// The file of keys in the data directory, unless another one is named.
const KEYS_FILE: &str = "keys.json";

/// What the words of `anonymous` are.
pub(super) const ANONYMOUS: &[&str] = &["allow", "refuse"];

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gateway {
    /// Without it there is no gateway.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) tls_cert_file: String,
    pub(crate) tls_key_file: String,
    pub(crate) upstreams: Vec<GatewayUpstream>,
    pub(crate) keys_file: String,
    /// Empty: allowed where only this machine can ask.
    pub(crate) anonymous: String,
    pub(crate) allow: Vec<String>,
    pub(crate) deny: Vec<String>,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) allow_management: bool,
    pub(crate) refuse_unknown_paths: bool,
    pub(crate) sticky: bool,
    pub(crate) inject_usage: bool,
    pub(crate) keep_bodies: bool,
    pub(crate) keep_bytes_max: u64,
    pub(crate) redact: Vec<String>,
    pub(crate) body_bytes_max: u64,
    pub(crate) connections_max: u64,
    pub(crate) headers_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) slo: Slo,
}

/// Where an engine is, as its URL says.
#[derive(Debug, PartialEq)]
pub(crate) struct Address {
    /// In lower case; an IPv6 address in brackets.
    pub(crate) host: String,
    /// Also where the URL leaves it out.
    pub(crate) port: u16,
    /// What comes before every path; empty or beginning with `/`.
    pub(crate) prefix: String,
}

impl Address {
    /// Nothing where that is no URL with a host.
    pub(crate) fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Some(Self { host, port: uri.port_u16().unwrap_or(usual), prefix })
    }
}

/// An engine behind the gateway.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GatewayUpstream {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) models: Vec<String>,
    /// Name of the environment variable that holds the key.
    pub(crate) api_key_env: Option<String>,
    pub(crate) ca_file: String,
    /// Line of the entry, for errors found after parsing.
    pub(crate) line: usize,
}

impl Default for Gateway {
    fn default() -> Self {
        let defaults = gateway::config::Config::default();
        Self {
            listen: None,
            tls_cert_file: String::new(),
            tls_key_file: String::new(),
            upstreams: Vec::new(),
            keys_file: String::new(),
            anonymous: String::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            trusted_proxies: Vec::new(),
            allow_management: false,
            refuse_unknown_paths: false,
            sticky: false,
            inject_usage: false,
            keep_bodies: false,
            keep_bytes_max: 64 << 10,
            redact: Vec::new(),
            body_bytes_max: defaults.limits.body_bytes_max as u64,
            connections_max: defaults.limits.connections_max as u64,
            headers_timeout: defaults.timeouts.headers,
            idle_timeout: defaults.timeouts.idle,
            slo: Slo::default(),
        }
    }
}

impl Gateway {
    /// Where the keys are, given the data directory.
    pub(crate) fn keys_path(&self, data: &std::path::Path) -> PathBuf {
        if self.keys_file.is_empty() { data.join(KEYS_FILE) } else { (&self.keys_file).into() }
    }

    /// Whether callers without a key are let in.
    pub(crate) fn allows_anonymous(&self) -> bool {
        let is_local = self.listen.is_none_or(|listen| listen.ip().is_loopback());
        self.anonymous == ANONYMOUS[0] || (self.anonymous.is_empty() && is_local)
    }

    /// What the gateway is told; `None` where there is none. Checked with the configuration, so that what
    /// cannot be read here is left out.
    pub(crate) fn settings(
        &self,
        data: &std::path::Path,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Option<gateway::config::Config> {
        let tls = (!self.tls_cert_file.is_empty()).then(|| Tls {
            certificate_file: (&self.tls_cert_file).into(),
            key_file: (&self.tls_key_file).into(),
        });
        let mut settings = gateway::config::Config {
            listen: vec![Listen { address: self.listen?, tls }],
            upstreams: self.upstreams.iter().map(|one| one.settings(variable)).collect(),
            access: self.access(data),
            keep_bodies: self.keep_bodies.then(|| KeepBodies {
                bytes_max: usize::try_from(self.keep_bytes_max).unwrap_or(usize::MAX),
                redact: self.redact.iter().filter_map(|text| Regex::new(text).ok()).collect(),
            }),
            is_sticky: self.sticky,
            inject_usage: self.inject_usage,
            ..gateway::config::Config::default()
        };
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        settings.limits.body_bytes_max = size(self.body_bytes_max);
        settings.limits.connections_max = size(self.connections_max);
        settings.timeouts.headers = self.headers_timeout;
        settings.timeouts.idle = self.idle_timeout;
        Some(settings)
    }

    fn access(&self, data: &std::path::Path) -> AccessConfig {
        let ranges = |texts: &[String]| texts.iter().filter_map(|text| text.parse().ok()).collect();
        AccessConfig {
            keys_file: Some(self.keys_path(data)),
            anonymous: self.allows_anonymous().then(Grant::default),
            allow: ranges(&self.allow),
            deny: ranges(&self.deny),
            trusted_proxies: ranges(&self.trusted_proxies),
            allow_management: self.allow_management,
            refuse_unknown_paths: self.refuse_unknown_paths,
        }
    }

    /// How the upstreams are called in labels: as the collector calls the same engines.
    pub(crate) fn places(&self) -> HashMap<String, Place> {
        let place = |upstream: &GatewayUpstream| {
            let address = Address::of(&upstream.url);
            let instance = address
                .map_or_else(String::new, |it| format!("{}:{}{}", it.host, it.port, it.prefix));
            (upstream.name.clone(), Place { engine: String::new(), instance })
        };
        self.upstreams.iter().map(place).collect()
    }

    /// As lines that a configuration file could hold.
    pub(super) fn lines(&self) -> Vec<String> {
        let Some(listen) = self.listen else { return Vec::new() };
        let mut lines = Lines::of("[gateway]");
        lines.plain("listen", Some(text(listen.to_string())));
        lines.written("tls_cert_file", &self.tls_cert_file);
        lines.written("tls_key_file", &self.tls_key_file);
        lines.written("keys_file", &self.keys_file);
        lines.written("anonymous", &self.anonymous);
        lines.texts("allow", &self.allow);
        lines.texts("deny", &self.deny);
        lines.texts("trusted_proxies", &self.trusted_proxies);
        lines.flag("allow_management", self.allow_management);
        lines.flag("refuse_unknown_paths", self.refuse_unknown_paths);
        lines.flag("sticky", self.sticky);
        lines.flag("inject_usage", self.inject_usage);
        lines.flag("keep_bodies", self.keep_bodies);
        lines.plain("keep_bytes_max", Some(text(bytes_text(self.keep_bytes_max))));
        lines.texts("redact", &self.redact);
        lines.plain("body_bytes_max", Some(text(bytes_text(self.body_bytes_max))));
        lines.plain("connections_max", Some(self.connections_max));
        lines.period("headers_timeout", Some(self.headers_timeout));
        lines.period("idle_timeout", Some(self.idle_timeout));
        lines.period("slo_ttft", self.slo.ttft);
        lines.period("slo_tpot", self.slo.tpot);
        lines.period("slo_e2e", self.slo.e2e);
        let upstreams = self.upstreams.iter().flat_map(|upstream| {
            let mut lines = Lines::of("[[gateway.upstream]]");
            lines.written("name", &upstream.name);
            lines.written("url", &upstream.url);
            lines.texts("models", &upstream.models);
            lines.written("api_key_env", upstream.api_key_env.as_deref().unwrap_or_default());
            lines.written("ca_file", &upstream.ca_file);
            lines.0
        });
        lines.0.into_iter().chain(upstreams).collect()
    }
}

impl GatewayUpstream {
    fn settings(&self, variable: &dyn Fn(&str) -> Option<String>) -> Upstream {
        let key = self.api_key_env.as_deref().and_then(variable);
        Upstream {
            name: self.name.clone(),
            url: self.url.clone(),
            models: self.models.clone(),
            api_key: key.map(Secret::new),
            ca_file: (!self.ca_file.is_empty()).then(|| (&self.ca_file).into()),
        }
    }
}

/// What only makes sense together. `line_of` finds where a key is written.
pub(super) fn check(
    gateway: &Gateway,
    line_of: &dyn Fn(&str) -> usize,
    environment: &Environment<'_>,
    problems: &mut Vec<Problem>,
) {
    let mut complain = |line: usize, code, params: Vec<(&'static str, String)>| {
        problems.push(Problem::new(line, code, params));
    };
    if gateway.listen.is_some() && gateway.upstreams.is_empty() {
        complain(line_of("listen"), "config.gateway_upstreams", Vec::new());
    }
    if gateway.listen.is_none() && *gateway != Gateway::default() {
        let params = vec![("key", "listen".to_owned())];
        complain(line_of("[gateway]"), "config.gateway_incomplete", params);
    }
    if gateway.tls_cert_file.is_empty() != gateway.tls_key_file.is_empty() {
        let missing = if gateway.tls_key_file.is_empty() { "key" } else { "cert" };
        let params = vec![("key", format!("tls_{missing}_file"))];
        complain(line_of("tls_"), "config.gateway_incomplete", params);
    }
    for (key, ranges) in [
        ("allow", &gateway.allow),
        ("deny", &gateway.deny),
        ("trusted_proxies", &gateway.trusted_proxies),
    ] {
        for range in ranges.iter().filter(|range| range.parse::<Cidr>().is_err()) {
            let params = [("key", format!("gateway.{key}")), ("value", range.clone())];
            complain(line_of(key), "config.gateway_range", params.into());
        }
    }
    for pattern in &gateway.redact {
        if let Err(error) = Regex::new(pattern) {
            // What is before the last line draws the place.
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let params = [("value", pattern.clone()), ("reason", reason.to_owned())];
            complain(line_of("redact"), "config.gateway_redact", params.into());
        }
    }
    for (index, upstream) in gateway.upstreams.iter().enumerate() {
        let is_same = |other: &GatewayUpstream| other.name == upstream.name;
        if !upstream.name.is_empty() && gateway.upstreams[..index].iter().any(is_same) {
            let params = vec![("name", upstream.name.clone())];
            complain(upstream.line, "config.gateway_twice", params);
        }
        if let Some(name) = &upstream.api_key_env
            && (environment.variable)(name).is_none()
        {
            let params = [("name", name.clone()), ("key", "api_key_env".to_owned())];
            complain(upstream.line, "config.variable_missing", params.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use model::message::Language;

    use super::super::{Config, resolve};
    use super::*;

    const WHOLE: &str = "[gateway]\nlisten = \"0.0.0.0:9641\"\nallow = [\"10.0.0.0/8\"]\n\
                         redact = [\"sk-.*\"]\nkeep_bodies = true\nsticky = true\n\
                         slo_ttft = \"500ms\"\nidle_timeout = \"5m\"\n\
                         [[gateway.upstream]]\nname = \"a\"\nurl = \"http://h:1/\"\nmodels = [\"m\"]\n\
                         api_key_env = \"K\"\n[[gateway.upstream]]\nname = \"b\"\n\
                         url = \"https://h:2\"\n";

    fn resolved(text: &str) -> Result<Config, String> {
        let variable = |name: &str| (name == "K").then(|| "hush".to_owned());
        let environment = Environment { variable: &variable, is_root: true };
        resolve(text, &environment).map_err(|problems| {
            let lines = problems.iter().map(|problem| problem.render(Language::English));
            lines.collect::<Vec<_>>().join("\n")
        })
    }

    #[test]
    fn what_is_written_is_told_and_printed() {
        let config = resolved(WHOLE).unwrap();
        let mut again = resolved(&config.lines().join("\n")).unwrap();
        for (again, before) in again.gateway.upstreams.iter_mut().zip(&config.gateway.upstreams) {
            again.line = before.line;
        }
        assert_eq!(again, config);
        let variable = |name: &str| (name == "K").then(|| "hush".to_owned());
        let settings = config.gateway.settings(Path::new("/d"), &variable).unwrap();
        assert_eq!(settings.upstreams[0].api_key.as_ref().unwrap().expose(), "hush");
        assert_eq!(settings.access.keys_file, Some("/d/keys.json".into()));
        assert!(settings.is_sticky && settings.keep_bodies.unwrap().redact.len() == 1);
        assert_eq!(settings.timeouts.idle, Duration::from_secs(300));
        assert_eq!(config.gateway.slo.ttft, Some(Duration::from_millis(500)));
        assert_eq!(config.gateway.places()["a"].instance, "h:1");
        assert_eq!(
            resolved("").unwrap().gateway.settings(Path::new("/d"), &variable).map(|_| ()),
            None
        );
    }

    #[test]
    fn upstreams_are_called_as_the_collector_calls_engines() {
        let check = |url: &str, expected: &str| {
            let upstream =
                GatewayUpstream { name: "a".into(), url: url.into(), ..GatewayUpstream::default() };
            let gateway = Gateway { upstreams: vec![upstream], ..Gateway::default() };
            assert_eq!(gateway.places()["a"].instance, expected, "{url}");
        };
        check("http://GPU1:8000/", "gpu1:8000");
        check("http://gpu1", "gpu1:80");
        check("https://gpu1/vllm/", "gpu1:443/vllm");
        check("http://[::1]:8000", "[::1]:8000");
        check("http://", "");
    }

    #[test]
    fn who_may_come_without_a_key() {
        let check = |listen: &str, anonymous: &str, expected: bool| {
            let listen = listen.parse().ok();
            let gateway = Gateway { listen, anonymous: anonymous.into(), ..Gateway::default() };
            assert_eq!(gateway.allows_anonymous(), expected, "{listen:?} {anonymous}");
        };
        check("127.0.0.1:1", "", true);
        check("[::1]:1", "", true);
        check("0.0.0.0:1", "", false);
        check("10.0.0.1:1", "", false);
        check("127.0.0.1:1", "refuse", false);
        check("0.0.0.0:1", "allow", true);
    }

    #[test]
    fn errors_name_their_line() {
        let check = |from: &str, to: &str, expected: &str| {
            let errors = resolved(&WHOLE.replace(from, to)).unwrap_err();
            assert_eq!(errors, expected);
        };
        check("listen = \"0.0.0.0:9641\"\n", "", "line 1: [gateway] has no listen");
        check("sticky = true", "tls_key_file = \"k\"", "line 6: [gateway] has no tls_cert_file");
        check(
            "\"10.",
            "\"x.",
            "line 3: gateway.allow: x.0.0.0/8 is no address and no range such as 10.0.0.0/8",
        );
        check("sk-.*", "(", "line 4: gateway.redact: ( is no regular expression: unclosed group");
        check(
            "\"b\"",
            "\"a\"",
            "line 14: there are two [[gateway.upstream]] with the name a; give each its own",
        );
        check(
            "\"K\"",
            "\"L\"",
            "line 9: the environment variable L, named by api_key_env, is not set",
        );
        let alone = "[gateway]\nlisten = \"127.0.0.1:1\"\n";
        let errors = resolved(alone).unwrap_err();
        assert!(errors.starts_with("line 2: [gateway] has no engine behind it"), "{errors}");
    }
}
