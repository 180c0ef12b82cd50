//! The connections of one engine: who is connected, how they fare, and sums over their lives.
//!
//! Sums begin with the first look and miss what happens between the last look at a connection and its
//! end. Our own connections, which read the engine's metrics, are left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use super::{
    diag::{Id, Info, Socket, State},
    wire::{Estimate, Flow},
};

/// Clients that are named at the same time; the rest is summed up.
const CLIENTS_MAX: usize = 8;
/// Clients that are named in a day: each is a series.
const CLIENT_NAMES_MAX: usize = 64;
const NAMES_LAST: Duration = Duration::from_secs(86_400);
/// A connection on which nothing went in or out for so long is not looked at closely.
const ACTIVE: Duration = Duration::from_secs(60);

/// Sums over all connections that were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
    pub(super) retransmits: u64,
    pub(super) busy_us: u64,
    pub(super) rwnd_limited_us: u64,
    pub(super) sndbuf_limited_us: u64,
}

impl Totals {
    /// What happened on a connection from `old` to `new`. The kernel's counters of one socket only
    /// grow.
    fn add(&mut self, old: &Info, new: &Info) {
        let grown = |new: u64, old: u64| new.saturating_sub(old);
        let optional = |new: Option<u64>, old: Option<u64>| {
            grown(new.unwrap_or_default(), old.unwrap_or_default())
        };
        let payload =
            |info: &Info| info.bytes_sent?.checked_sub(info.bytes_sent_again.unwrap_or_default());
        self.received_bytes += grown(new.bytes_received, old.bytes_received);
        self.sent_bytes += optional(payload(new), payload(old));
        self.retransmits += grown(new.retransmits.into(), old.retransmits.into());
        self.busy_us += optional(new.busy_us, old.busy_us);
        self.rwnd_limited_us += optional(new.rwnd_limited_us, old.rwnd_limited_us);
        self.sndbuf_limited_us += optional(new.sndbuf_limited_us, old.sndbuf_limited_us);
    }
}

#[derive(Debug)]
struct Known {
    socket: Socket,
    flow: Flow,
}

/// What one look at all connections shows.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) by_state: BTreeMap<State, u64>,
    /// Established connections by client; `None` is all others together.
    pub(super) by_client: BTreeMap<Option<IpAddr>, u64>,
    pub(super) rtt_seconds: Option<f64>,
    pub(super) rtt_min_seconds: Option<f64>,
    /// Smallest path MTU.
    pub(super) path_mtu: Option<u32>,
    /// Connections whose last request has not been answered with a byte yet.
    pub(super) waiting: u64,
    /// Connections in the accept queues, and the room there.
    pub(super) accept_queue: Option<(u64, u64)>,
}

/// All that is known of one engine's sockets.
#[derive(Debug, Default)]
pub(super) struct Connections {
    known: BTreeMap<Id, Known>,
    /// Ours, and those of which it is not known yet.
    left_out: BTreeSet<Id>,
    listeners: Vec<Socket>,
    has_looked: bool,
    /// The kernel is new enough to say everything.
    pub(super) has_all_fields: bool,
    pub(super) totals: Totals,
    pub(super) estimate: Estimate,
    clients: BTreeSet<IpAddr>,
    clients_since: Duration,
}

impl Connections {
    /// Takes in all sockets that there are now. `is_ours` is asked of each that is new; a socket
    /// of which it does not know is asked about again. `before` is given when the new ones came after
    /// that moment, on the clock of all close looks.
    pub(super) fn update(
        &mut self,
        sockets: Vec<Socket>,
        before: Option<f64>,
        mut is_ours: impl FnMut(&Socket) -> Option<bool>,
    ) {
        let (listeners, sockets): (Vec<_>, Vec<_>) =
            sockets.into_iter().partition(|socket| socket.state == State::Listen);
        self.listeners = listeners;
        let alive: BTreeSet<Id> = sockets.iter().map(|socket| socket.id).collect();
        self.known.retain(|id, _| alive.contains(id));
        self.left_out.retain(|id| alive.contains(id));
        for socket in sockets {
            if self.known.contains_key(&socket.id) {
                self.refresh(socket);
            } else if !self.left_out.contains(&socket.id) {
                match is_ours(&socket) {
                    Some(true) => drop(self.left_out.insert(socket.id)),
                    Some(false) => self.enter(socket, before),
                    None => {}
                }
            }
        }
        self.has_looked = true;
    }

    fn enter(&mut self, socket: Socket, before: Option<f64>) {
        if let Some(info) = &socket.info {
            self.has_all_fields |= info.bytes_sent.is_some() && info.busy_us.is_some();
            // What a connection did before the first look is history, not an increase.
            if self.has_looked {
                self.totals.add(&Info::default(), info);
            }
        }
        let flow = before.map_or_else(Flow::default, Flow::born_after);
        self.known.insert(socket.id, Known { socket, flow });
    }

    /// Takes in a socket that is known.
    fn refresh(&mut self, socket: Socket) {
        let Some(known) = self.known.get_mut(&socket.id) else { return };
        if let Some(new) = &socket.info {
            self.totals.add(&known.socket.info.unwrap_or_default(), new);
        }
        // The end of a connection tells less than its life.
        let info = socket.info.or(known.socket.info);
        known.socket = Socket { info, ..socket };
    }

    /// The sockets that are known, for a look at each of them.
    pub(super) fn ids(&self) -> Vec<Id> {
        self.known.keys().copied().chain(self.listeners.iter().map(|socket| socket.id)).collect()
    }

    /// The addresses that are listened on, as bound.
    pub(super) fn bound(&self) -> BTreeSet<IpAddr> {
        self.listeners.iter().map(|socket| socket.id.local().ip()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.known.len() + self.listeners.len()
    }

    /// The answer to a look at one of [`Connections::ids`].
    pub(super) fn looked(&mut self, id: &Id, found: Option<Socket>) {
        if let Some(listener) = self.listeners.iter_mut().find(|listener| listener.id == *id) {
            if let Some(found) = found {
                *listener = found;
            }
            return;
        }
        match found {
            Some(socket) => self.refresh(socket),
            None => drop(self.known.remove(id)),
        }
    }

    /// Established connections on which something may happen soon.
    pub(super) fn active(&self) -> impl Iterator<Item = Id> + '_ {
        let is_active = |known: &&Known| {
            let span = ACTIVE.as_millis();
            let info = known.socket.info.unwrap_or_default();
            known.socket.state == State::Established
                && u128::from(info.sent_ago_ms.min(info.received_ago_ms)) <= span
        };
        self.known.values().filter(is_active).map(|known| known.socket.id)
    }

    /// A close look at one connection, `now` milliseconds on the clock of all close looks.
    pub(super) fn observe(&mut self, id: &Id, now: f64, found: Option<Socket>) {
        self.looked(id, found);
        let Some(known) = self.known.get_mut(id) else { return };
        if let Some(info) = &known.socket.info {
            known.flow.observe(now, info, &mut self.estimate);
        }
    }

    /// What there is now.
    pub(super) fn summary(&mut self, now: Duration) -> Summary {
        let mut summary = Summary::default();
        let mut clients: BTreeMap<IpAddr, u64> = BTreeMap::new();
        let (mut rtt_sum, mut rtts) = (0.0, 0.0);
        for Known { socket, .. } in self.known.values() {
            *summary.by_state.entry(socket.state).or_default() += 1;
            let Some(info) = socket.info.filter(|_| socket.state == State::Established) else {
                continue;
            };
            *clients.entry(socket.id.remote().ip()).or_default() += 1;
            if info.rtt_us > 0 {
                (rtt_sum, rtts) = (rtt_sum + f64::from(info.rtt_us) / 1e6, rtts + 1.0);
            }
            let least = info.min_rtt_us.map(|rtt| f64::from(rtt) / 1e6);
            summary.rtt_min_seconds = match (summary.rtt_min_seconds, least) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            summary.path_mtu =
                Some(summary.path_mtu.map_or(info.path_mtu, |least| least.min(info.path_mtu)));
            // Until something is sent the kernel counts from the start of the connection.
            let is_waiting = info.bytes_received > 0 && info.received_ago_ms < info.sent_ago_ms;
            summary.waiting += u64::from(is_waiting);
        }
        summary.rtt_seconds = (rtts > 0.0).then(|| rtt_sum / rtts);
        summary.by_client = self.name_clients(clients, now);
        let queues = self
            .listeners
            .iter()
            .map(|listener| (u64::from(listener.receive_queue), u64::from(listener.send_queue)));
        summary.accept_queue = queues.reduce(|a, b| (a.0 + b.0, a.1 + b.1));
        summary
    }

    /// Names the clients with the most connections, within the limits.
    fn name_clients(
        &mut self,
        clients: BTreeMap<IpAddr, u64>,
        now: Duration,
    ) -> BTreeMap<Option<IpAddr>, u64> {
        if now.saturating_sub(self.clients_since) >= NAMES_LAST {
            self.clients.clear();
            self.clients_since = now;
        }
        let mut sorted: Vec<(IpAddr, u64)> = clients.into_iter().collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut named: BTreeMap<Option<IpAddr>, u64> = BTreeMap::new();
        for (address, count) in sorted {
            let has_room = self.clients.len() < CLIENT_NAMES_MAX || self.clients.contains(&address);
            let others = usize::from(named.contains_key(&None));
            let name = (named.len() - others < CLIENTS_MAX && has_room).then_some(address);
            self.clients.extend(name);
            *named.entry(name).or_default() += count;
        }
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket of a client, with some of its counters.
    fn socket(client: [u8; 4], cookie: u8, state: State, info: Info) -> Socket {
        let mut bytes = [0; 48];
        bytes[20..24].copy_from_slice(&client);
        bytes[40] = cookie;
        let id = Id::for_tests(2, bytes);
        Socket { id, state, receive_queue: 0, send_queue: 0, inode: 1, info: Some(info) }
    }

    fn info(received: u64, sent: u64) -> Info {
        Info {
            bytes_received: received,
            bytes_sent: Some(sent),
            bytes_sent_again: Some(0),
            busy_us: Some(1),
            rtt_us: 100,
            ..Info::default()
        }
    }

    #[test]
    fn sums_begin_with_the_first_look() {
        let mut connections = Connections::default();
        let one =
            |received, sent| socket([10, 0, 0, 1], 1, State::Established, info(received, sent));
        let two =
            |received, sent| socket([10, 0, 0, 2], 2, State::Established, info(received, sent));
        let ours = socket([127, 0, 0, 1], 3, State::Established, info(9, 9));
        let is_ours = |socket: &Socket| Some(socket.id.remote().ip().is_loopback());
        connections.update(vec![one(100, 1_000), ours], None, is_ours);
        assert_eq!(connections.totals, Totals::default(), "history is no increase");
        connections.update(vec![one(150, 1_010), two(5, 7), ours], None, is_ours);
        let found = connections.totals;
        assert_eq!((found.received_bytes, found.sent_bytes), (55, 17));
        let id = one(0, 0).id;
        connections.looked(&id, Some(one(151, 1_010)));
        connections.looked(&id, None);
        assert_eq!(connections.totals.received_bytes, 56);
        let summary = connections.summary(Duration::ZERO);
        assert_eq!(summary.by_state, BTreeMap::from([(State::Established, 1)]));
        assert_eq!(summary.by_client, BTreeMap::from([(Some(IpAddr::from([10, 0, 0, 2])), 1)]));
        assert_eq!(summary.rtt_seconds, Some(100e-6));
        connections.update(Vec::new(), None, is_ours);
        assert_eq!(connections.summary(Duration::ZERO), Summary::default());
        assert_eq!(connections.totals.received_bytes, 56, "sums outlive connections");
    }

    #[test]
    fn clients_are_bounded() {
        let mut connections = Connections::default();
        let crowd = |from: u8, to: u8| {
            let one = |n| socket([10, 0, 0, n], n, State::Established, info(1, 1));
            let mut all: Vec<Socket> = (from..to).map(one).collect();
            all.push(socket([10, 0, 0, from], 255, State::Established, info(1, 1)));
            all
        };
        connections.update(crowd(1, 20), None, |_| Some(false));
        let named = connections.summary(Duration::ZERO).by_client;
        assert_eq!(named.len(), CLIENTS_MAX + 1);
        assert_eq!(named[&Some(IpAddr::from([10, 0, 0, 1]))], 2, "the largest has a name");
        assert_eq!(named[&None], 11);
        for from in (20..200).step_by(8) {
            connections.update(crowd(from, from + 8), None, |_| Some(false));
            connections.summary(Duration::ZERO);
        }
        assert_eq!(connections.clients.len(), CLIENT_NAMES_MAX);
        let named = connections.summary(Duration::ZERO).by_client;
        assert_eq!(named, BTreeMap::from([(None, 9)]), "no more names today");
        connections.summary(NAMES_LAST);
        assert_eq!(connections.clients.len(), CLIENTS_MAX);
    }

    #[test]
    fn half_known_sockets_are_asked_about_again() {
        let mut connections = Connections::default();
        let one = socket([10, 0, 0, 1], 1, State::Established, info(1, 1));
        connections.update(vec![one], None, |_| None);
        assert_eq!(connections.len(), 0);
        connections.update(vec![one], None, |_| Some(false));
        assert_eq!(connections.len(), 1);
    }
}
