//! What all connections of a gateway share.

use std::{
    net::IpAddr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use model::Clock;

use crate::{
    access::{Access, Moment},
    cidr::any_contains,
    config::{AccessConfig, Config},
    observe::Queue,
    route::Router,
    trace::Ids,
};

pub(crate) struct Shared {
    pub(crate) config: Config,
    /// What `config.access` was at first; it changes while requests run.
    policy: RwLock<Arc<AccessConfig>>,
    pub(crate) clock: Clock,
    pub(crate) access: Access,
    pub(crate) router: Router,
    pub(crate) queue: Arc<Queue>,
    pub(crate) ids: Ids,
    /// Bytes of bodies that are held.
    buffered: AtomicUsize,
    pub(crate) tally: Tally,
}

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: AtomicUsize,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) retries: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: Config, clock: Clock, router: Router) -> Self {
        Self {
            policy: RwLock::new(Arc::new(config.access.clone())),
            config,
            clock,
            access: Access::default(),
            router,
            queue: Arc::default(),
            ids: Ids::new(),
            buffered: AtomicUsize::new(0),
            tally: Tally::default(),
        }
    }

    pub(crate) fn policy(&self) -> Arc<AccessConfig> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_policy(&self, policy: AccessConfig) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment { wall: self.clock.now(), monotonic: self.clock.monotonic() }
    }

    /// The client behind trusted proxies: the last address in `X-Forwarded-For` that is none of them.
    pub(crate) fn client(&self, peer: IpAddr, forwarded_for: &[&str]) -> IpAddr {
        let policy = self.policy();
        let trusted = &policy.trusted_proxies;
        let mut client = peer.to_canonical();
        let hops = forwarded_for.iter().flat_map(|value| value.split(','));
        for hop in hops.collect::<Vec<_>>().into_iter().rev() {
            if !any_contains(trusted, client) {
                break;
            }
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            client = address.to_canonical();
        }
        client
    }
}

/// One open connection of a client.
pub(crate) struct Guest(Arc<Shared>);

impl Guest {
    /// Also tells how many there were before.
    pub(crate) fn enter(shared: &Arc<Shared>) -> (Self, usize) {
        let others = shared.tally.connections.fetch_add(1, Ordering::AcqRel);
        (Self(Arc::clone(shared)), others)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.tally.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Room for a body that is held; given back when dropped.
pub(crate) struct Room<'a> {
    shared: &'a Shared,
    bytes: usize,
}

impl<'a> Room<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { shared, bytes: 0 }
    }

    /// Whether there is room for so many more bytes.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let before = self.shared.buffered.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        before + bytes <= self.shared.config.limits.buffered_bytes_max
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.shared.buffered.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_behind_trusted_proxies_are_told() {
        let mut config = Config::default();
        config.access.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let shared = Shared::new(config, Clock::system(), Router::new(Vec::new(), false));
        let check = |peer: &str, forwarded: &[&str], expected: &str| {
            let client = shared.client(peer.parse().unwrap(), forwarded);
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        };
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check("10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["6.6.6.6, 198.51.100.7", "10.0.0.2"], "198.51.100.7");
        check("10.0.0.1", &["nonsense"], "10.0.0.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7");
    }
}
