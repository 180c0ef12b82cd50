//! One POST of JSON to an address that the operator named, for what is no message to a person: alerts for an
//! Alertmanager. Nothing is queued here, and private addresses are allowed, because nobody else chooses them.

use std::{path::PathBuf, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;

use crate::{Failure, Kind, Settings, client};

/// How the other side knows us.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    Bearer(String),
    Basic { username: String, password: String },
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

/// What is sent, and where to.
#[derive(Clone, Debug)]
pub struct Post {
    pub url: String,
    pub login: Option<Login>,
    pub body: Bytes,
    /// File in PEM with the certificates to trust; without it those of the system.
    pub ca_file: Option<PathBuf>,
    pub timeout: Duration,
}

/// Sends it. Any 2xx is good.
pub async fn post(post: &Post) -> Result<(), Failure> {
    let settings = Settings {
        allow_private_addresses: true,
        ca_file: post.ca_file.clone(),
        timeout: post.timeout,
        ..Settings::new("", Kind::Webhook)
    };
    let authorization = post.login.as_ref().map(|login| match login {
        Login::Bearer(token) => format!("Bearer {token}"),
        Login::Basic { username, password } => {
            format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))
        }
    });
    let mut call = client::Call::json(post.url.clone(), &serde_json::Value::Null);
    call.body = post.body.clone();
    call.headers.extend(authorization.map(|value| ("authorization", value)));
    let sent = client::send(&call, &settings).await.and_then(|reply| reply.by_status());
    // Servers and proxies repeat what they were sent.
    let secret = match &post.login {
        Some(Login::Bearer(secret) | Login::Basic { password: secret, .. }) => secret,
        None => "",
    };
    sent.map_err(|failure| failure.without(&[secret]))
}
