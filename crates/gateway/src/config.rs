//! What a gateway is told: where to listen, which engines stand behind it, who may ask, and the limits.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use regex::Regex;

use crate::{
    cidr::{Cidr, any_contains},
    keys::{Grant, Secret},
};

/// `[gateway]`.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub listen: Vec<Listen>,
    pub upstreams: Vec<Upstream>,
    pub access: AccessConfig,
    pub limits: Limits,
    pub timeouts: Timeouts,
    /// `None`: prompts and answers are not kept.
    pub keep_bodies: Option<KeepBodies>,
    /// Whether requests whose prompts begin alike go to the same replica, as long as it is not much busier
    /// than the others, so that its prefix cache serves them.
    pub is_sticky: bool,
    /// Whether engines are asked to tell the usage of streams whose clients did not ask for it; the event that
    /// tells it is taken out again. The one case in which bytes change on their way.
    pub inject_usage: bool,
    /// Whether a client may close its sending side and still get its answer. Most engines take that for
    /// a disconnect, and so does the gateway unless this is set.
    pub allow_half_close: bool,
}

/// An address to listen on.
#[derive(Clone, Debug)]
pub struct Listen {
    pub address: SocketAddr,
    pub tls: Option<Tls>,
}

/// Files in PEM: the chain of certificates, and the private key. Changes take effect within three seconds, for
/// new connections.
#[derive(Clone, Debug)]
pub struct Tls {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
}

/// An engine behind the gateway: `[[gateway.upstream]]`.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub name: String,
    /// `http://host:port` or `https://host:port`, with a path in front of all paths if need be.
    pub url: String,
    /// What it serves. Empty: what its `/v1/models` or `/api/tags` lists.
    pub models: Vec<String>,
    /// Sent to the engine in place of the client's key.
    pub api_key: Option<Secret>,
    /// Certificates in PEM that `https` trusts besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// Who may ask what.
#[derive(Clone, Debug, Default)]
pub struct AccessConfig {
    /// See [`crate::keys`]; changes take effect within two seconds. `None`: there are no keys.
    pub keys_file: Option<PathBuf>,
    /// What callers without a key may do, all of them together; `None`: nothing.
    pub anonymous: Option<Grant>,
    /// Empty: every address may.
    pub allow: Vec<Cidr>,
    /// Goes before `allow`.
    pub deny: Vec<Cidr>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Whether paths that change an engine or show what others ask are passed on
    /// ([`crate::management::ROUTES`]).
    pub allow_management: bool,
    /// Whether only the known paths of inference APIs are passed on.
    pub refuse_unknown_paths: bool,
}

impl AccessConfig {
    pub(crate) fn may_come(&self, client: IpAddr) -> bool {
        !any_contains(&self.deny, client)
            && (self.allow.is_empty() || any_contains(&self.allow, client))
    }
}

/// Bounds on what clients send.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Larger bodies are answered with 413.
    pub body_bytes_max: usize,
    /// Bodies that are held at the same time, all together; beyond it 503.
    pub buffered_bytes_max: usize,
    /// Larger heads are answered with 431.
    pub header_bytes_max: usize,
    /// Connections of clients beyond it are answered with 503 and closed.
    pub connections_max: usize,
    /// Requests on one HTTP/2 connection at the same time.
    pub http2_streams_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 64 << 20,
            buffered_bytes_max: 512 << 20,
            header_bytes_max: 64 << 10,
            connections_max: 4_096,
            http2_streams_max: 256,
        }
    }
}

/// How long to wait. There is no limit on the whole of a stream.
#[derive(Clone, Debug)]
pub struct Timeouts {
    pub connect: Duration,
    /// Until the engine's head: an answer that is no stream comes with all its tokens made.
    pub headers: Duration,
    /// Between two parts of an answer: a prefill may take minutes, and a dead engine is silent for ever.
    pub idle: Duration,
    /// For the head of a request, and for an idle connection of a client.
    pub client_headers: Duration,
    /// For the whole body of a request.
    pub client_body: Duration,
    /// For a client to take a part of its answer, or for its machine to acknowledge it.
    pub client_write: Duration,
    /// How long an idle connection to an engine is used again. Engines close theirs after 5 s.
    pub pool_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            headers: Duration::from_secs(3_600),
            idle: Duration::from_secs(600),
            client_headers: Duration::from_secs(30),
            client_body: Duration::from_secs(300),
            client_write: Duration::from_secs(120),
            pool_idle: Duration::from_secs(4),
        }
    }
}

/// How prompts and answers are kept, for those who may and want to.
#[derive(Clone, Debug)]
pub struct KeepBodies {
    /// Of each body; the rest is not kept.
    pub bytes_max: usize,
    /// What matches is replaced by `[redacted]`.
    pub redact: Vec<Regex>,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the gateway has no upstream: name an engine in [[gateway.upstream]]")]
    NoUpstream,
    #[error("the gateway has no address to listen on: set gateway.listen")]
    NoListen,
    #[error("two upstreams of the gateway are named \"{0}\"")]
    UpstreamTwice(String),
    #[error("upstream {name}: {url}: {reason}")]
    Url { name: String, url: String, reason: String },
    #[error("the gateway cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("{path}: {reason}")]
    Tls { path: PathBuf, reason: String },
    #[error(transparent)]
    Keys(#[from] crate::keys::KeysError),
    #[error("the gateway cannot start a thread: {0}")]
    Thread(std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deny_goes_before_allow() {
        let access = AccessConfig {
            allow: vec!["10.0.0.0/8".parse().unwrap()],
            deny: vec!["10.6.6.6".parse().unwrap()],
            ..AccessConfig::default()
        };
        for (client, expected) in [("10.0.0.1", true), ("10.6.6.6", false), ("192.0.2.1", false)] {
            assert_eq!(access.may_come(client.parse().unwrap()), expected, "{client}");
        }
    }
}
