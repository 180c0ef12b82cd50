//! `[receive]`: where others send their logs, and who may.

use std::net::SocketAddr;

use deliver::{NoSecret, Reference};
use receive::{
    access::Tokens,
    serve::{Settings, TlsFiles},
};

use super::{
    Environment, Problem,
    lines::{Lines, text},
};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Receive {
    pub(crate) allow_remote_without_token: bool,
    pub(crate) lumberjack: Option<SocketAddr>,
    pub(crate) otlp_grpc: Option<SocketAddr>,
    pub(crate) syslog_tcp: Option<SocketAddr>,
    pub(crate) syslog_tls: Option<SocketAddr>,
    pub(crate) syslog_udp: Option<SocketAddr>,
    pub(crate) tls_cert_file: String,
    pub(crate) tls_client_ca_file: String,
    pub(crate) tls_key_file: String,
    /// References to tokens, never tokens.
    pub(crate) tokens: Vec<String>,
}

impl Receive {
    /// As lines that a configuration file could hold.
    pub(super) fn lines(&self) -> Vec<String> {
        if *self == Self::default() {
            return Vec::new();
        }
        let address = |address: Option<SocketAddr>| address.map(|it| text(it.to_string()));
        let mut lines = Lines::of("[receive]");
        lines.flag("allow_remote_without_token", self.allow_remote_without_token);
        lines.plain("lumberjack", address(self.lumberjack));
        lines.plain("otlp_grpc", address(self.otlp_grpc));
        lines.plain("syslog_tcp", address(self.syslog_tcp));
        lines.plain("syslog_tls", address(self.syslog_tls));
        lines.plain("syslog_udp", address(self.syslog_udp));
        lines.written("tls_cert_file", &self.tls_cert_file);
        lines.written("tls_client_ca_file", &self.tls_client_ca_file);
        lines.written("tls_key_file", &self.tls_key_file);
        lines.texts("tokens", &self.tokens);
        lines.0
    }

    /// The tokens that the references lead to. Checked with the configuration, so that what has gone since then
    /// is left out: it opens nothing, and a token is needed still.
    pub(crate) fn tokens(&self, variable: &dyn Fn(&str) -> Option<String>) -> Tokens {
        if self.tokens.is_empty() {
            return Tokens::default();
        }
        let read = |text: &String| Reference::parse(text)?.read(variable).ok();
        let tokens = self.tokens.iter().filter_map(read);
        Tokens::new(tokens.collect::<Vec<_>>().iter().map(String::as_str))
    }

    /// What the servers are told.
    pub(crate) fn settings(&self) -> Settings {
        let path = |text: &str| (!text.is_empty()).then(|| text.into());
        Settings {
            lumberjack: self.lumberjack,
            otlp_grpc: self.otlp_grpc,
            syslog_tcp: self.syslog_tcp,
            syslog_tls: self.syslog_tls,
            syslog_udp: self.syslog_udp,
            tls: path(&self.tls_cert_file).map(|certificate| TlsFiles {
                certificate,
                key: (&self.tls_key_file).into(),
                client_ca: path(&self.tls_client_ca_file),
            }),
        }
    }
}

/// What only makes sense together. `line_of` finds where a key is written.
pub(super) fn check(
    receive: &Receive,
    line_of: &dyn Fn(&str) -> usize,
    environment: &Environment<'_>,
    problems: &mut Vec<Problem>,
) {
    let mut complain = |key: &str, code, params: Vec<(&'static str, String)>| {
        problems.push(Problem::new(line_of(key), code, params));
    };
    let has_tls = !receive.tls_cert_file.is_empty();
    if has_tls == receive.tls_key_file.is_empty() {
        let missing = if has_tls { "tls_key_file" } else { "tls_cert_file" };
        complain("tls_", "config.receive_incomplete", vec![("key", missing.to_owned())]);
    }
    for (key, needs) in [
        ("syslog_tls", receive.syslog_tls.is_some()),
        ("tls_client_ca_file", !receive.tls_client_ca_file.is_empty()),
    ] {
        if needs && !has_tls && receive.tls_key_file.is_empty() {
            let params = vec![("key", "tls_cert_file".to_owned())];
            complain(key, "config.receive_incomplete", params);
        }
    }
    for text in &receive.tokens {
        let Some(reference) = Reference::parse(text) else {
            // It may be the token itself, so that nobody is shown it.
            complain("tokens", "config.receive_token", Vec::new());
            continue;
        };
        match reference.read(environment.variable) {
            Ok(_) => {}
            Err(NoSecret::Variable(name)) => {
                let params = vec![("name", name), ("key", "receive.tokens".to_owned())];
                complain("tokens", "config.variable_missing", params);
            }
            Err(NoSecret::File(path, reason)) => {
                let params = vec![("path", path), ("reason", reason)];
                complain("tokens", "config.receive_token_file", params);
            }
        }
    }
    let has_tokens = !receive.tokens.is_empty();
    for (key, address, is_safe) in [
        ("lumberjack", receive.lumberjack, has_tls),
        ("otlp_grpc", receive.otlp_grpc, has_tls || has_tokens),
        ("syslog_tcp", receive.syslog_tcp, false),
        ("syslog_udp", receive.syslog_udp, false),
    ] {
        if let Some(listen) = address.filter(|address| !address.ip().is_loopback())
            && !is_safe
            && !receive.allow_remote_without_token
        {
            let params = vec![("key", format!("receive.{key}")), ("listen", listen.to_string())];
            complain(key, "config.receive_remote", params);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::message::Language;
    use receive::access::Access;

    use super::super::{Config, resolve};
    use super::*;

    fn resolved(text: &str) -> Result<Config, String> {
        let variable = |name: &str| match name {
            "T" => Some("hush\n".to_owned()),
            "EMPTY" => Some(" ".to_owned()),
            _ => None,
        };
        let environment = Environment { variable: &variable, is_root: true };
        resolve(text, &environment).map_err(|problems| {
            let lines = problems.iter().map(|problem| problem.render(Language::English));
            lines.collect::<Vec<_>>().join("\n")
        })
    }

    #[test]
    fn what_is_written_is_told_and_printed() {
        let text = "[receive]\nsyslog_udp = \"127.0.0.1:5514\"\nsyslog_tcp = \"[::1]:5514\"\n\
                    syslog_tls = \"0.0.0.0:6514\"\nlumberjack = \"0.0.0.0:5044\"\n\
                    otlp_grpc = \"0.0.0.0:4317\"\ntokens = [\"env:T\"]\ntls_cert_file = \"c\"\n\
                    tls_key_file = \"k\"\ntls_client_ca_file = \"a\"\n";
        let config = resolved(text).unwrap();
        assert_eq!(resolved(&config.lines().join("\n")).unwrap(), config);
        let settings = config.receive.settings();
        assert_eq!(settings.syslog_tls, Some("0.0.0.0:6514".parse().unwrap()));
        assert_eq!(settings.tls.unwrap().client_ca, Some("a".into()));
        let tokens = config.receive.tokens(&|_| Some("hush\n".to_owned()));
        assert_eq!(tokens.judge(Some("Bearer hush"), None), Access::Granted);
        assert_eq!(resolved("").unwrap().receive.settings(), Settings::default());
    }

    #[test]
    fn tokens_are_found_in_files_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "hush\n").unwrap();
        let text = format!("[receive]\ntokens = [\"file:{}\"]", file.display());
        let tokens = resolved(&text).unwrap().receive.tokens(&|_| None);
        assert_eq!(tokens.judge(Some("Splunk hush"), None), Access::Granted);
        let config = resolved(&text).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(config.receive.tokens(&|_| None).judge(None, None), Access::Missing);
        std::fs::write(&file, "\n").unwrap();
        assert!(resolved(&text).unwrap_err().contains("it is empty"));
    }

    #[test]
    fn errors_name_their_line() {
        let check = |keys: &str, expected: &str| {
            let errors = resolved(&format!("[receive]\n{keys}")).unwrap_err();
            assert!(errors.contains(expected) && !errors.contains("secret"), "{errors}");
        };
        check("tokens = [\"secret\"]", "line 2: receive.tokens");
        check("tokens = [\"file:secret\"]", "line 2: receive.tokens");
        check("tokens = [\"env:NONE\"]", "line 2: the environment variable NONE");
        check("tokens = [\"env:EMPTY\"]", "line 2: the environment variable EMPTY");
        check("tokens = [\"file:/no/such\"]", "line 2: the token in /no/such");
        check("tls_cert_file = \"c\"", "line 2: [receive] has no tls_key_file");
        check("tls_key_file = \"c\"", "line 2: [receive] has no tls_cert_file");
        check("syslog_tls = \"127.0.0.1:1\"", "line 2: [receive] has no tls_cert_file");
        for key in ["syslog_udp", "syslog_tcp", "lumberjack", "otlp_grpc"] {
            let line = format!("{key} = \"0.0.0.0:1\"");
            check(&line, &format!("line 2: receive.{key} = \"0.0.0.0:1\" can be reached"));
            let allowed = format!("[receive]\n{line}\nallow_remote_without_token = true");
            assert!(resolved(&allowed).is_ok());
        }
    }
}
