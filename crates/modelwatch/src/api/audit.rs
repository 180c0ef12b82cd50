//! Who changed what, as events of the source `audit`.
//!
//! There is no login, so that names are what people say they are; without one the address stands for it.

use std::net::{IpAddr, SocketAddr};

use model::log::{LogRecord, Severity};

use crate::wire::App;

/// Whoever asks for a change.
pub(super) struct Person {
    address: IpAddr,
    pub(super) author: String,
}

impl Person {
    /// By the address that they ask from, and what they say who they are.
    pub(super) fn new(address: SocketAddr, author: &str) -> Self {
        let address = address.ip();
        let author = match author.trim() {
            "" => address.to_string(),
            author => author.to_owned(),
        };
        Self { address, author }
    }
}

/// Notes who did what. Parameters without a value are left out.
pub(super) fn audit<const N: usize>(
    app: &App,
    code: &'static str,
    person: &Person,
    params: [(&'static str, String); N],
) {
    let own = [("author", person.author.clone()), ("address", person.address.to_string())];
    let all = own.into_iter().chain(params).filter(|(_, value)| !value.is_empty());
    app.events.push(LogRecord {
        time: app.clock.now(),
        source: "audit".into(),
        severity: Severity::Info,
        body: code.into(),
        attributes: all.map(|(name, value)| (name.to_owned(), value)).collect(),
    });
}
