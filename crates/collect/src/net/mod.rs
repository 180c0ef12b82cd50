//! The network as the engines see it: connections, clients, and an estimate of TTFT and inter-token
//! latency from outside.
//!
//! One thread. Once a second it learns of new connections, by a dump of the kernel's table only when
//! the kernel counted one (`PassiveOpens`), and otherwise by asking for the known ones. For the estimate
//! it reads that count 20 times a second, so that it sees a connection come, and looks at the connections
//! on which something goes on. Dumps between the seconds and close looks have budgets of CPU time; where
//! those are used up, fewer requests are estimated. It needs no privilege and sees our own network
//! namespace only; see [`diag`] and [`wire`].

mod connections;
mod diag;
mod onlink;
mod wire;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File},
    io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use model::{
    Labels, UnixMs,
    catalogue::{self as metric, Metric},
    sample::Batch,
};
use rustix::time::{ClockId, clock_gettime};

use crate::{Failure, FailureKind, SourceGroup, collector::Shared, guard::Guard, schedule::Watch};
use connections::{Connections, Summary};
pub(crate) use diag::listening;
use diag::{Diag, Id, PORTS_MAX, Socket, State};
use onlink::Networks;

/// How often new connections are looked for.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// A dump comes at least so often, in case the kernel's count missed something.
const DUMP_PERIOD: Duration = Duration::from_secs(30);
/// More connections than this are cheaper to dump than to ask for.
const ASKED_MAX: usize = 256;
/// Connections that are looked at closely at the same time.
const CLOSE_MAX: usize = 64;
/// Fewer than this are not looked at however long it takes.
const CLOSE_MIN: usize = 4;
/// CPU time that close looks may take in a second; beyond it fewer connections are looked at.
const CLOSE_BUDGET: Duration = Duration::from_millis(1);
/// Share of the time that dumps between the seconds may take.
const DUMP_SHARE: f64 = 0.001;
/// More than this is not saved up, so that a crowd after a pause is no burst of dumps.
const DUMP_CREDIT_MAX: Duration = Duration::from_millis(5);
/// The file of the kernel's counts has about 2 KiB; what comes after this much is not needed.
const SNMP_BYTES_MAX: usize = 8 << 10;
/// The source of what this file measures, in the label of that name.
const SOURCE: &str = "wire";

/// Starts the thread.
pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<Watch> {
    let shared = Arc::clone(shared);
    let mut watch = Watch::default();
    watch.spawn_work("network", move |stopped| Net::new(&shared).run(&shared, stopped))?;
    Ok(watch)
}

/// An engine whose socket is on this machine.
#[derive(Clone, Debug, PartialEq)]
struct Facts {
    /// Absent where the engine is named by a host name.
    address: Option<IpAddr>,
    port: u16,
    kind: String,
    model: String,
    /// Whether TTFT should be estimated: nobody tells it better, and nobody stands between.
    is_estimated: bool,
}

#[derive(Debug)]
struct Engine {
    facts: Facts,
    connections: Connections,
    /// Label sets by what tells them apart.
    labels: HashMap<String, Labels>,
}

struct Net {
    guard: Guard,
    diag: Option<Diag>,
    /// By instance.
    engines: BTreeMap<String, Engine>,
    /// Why the last look failed.
    failure: Option<Failure>,
    opens: Opens,
    passive_opens: Option<u64>,
    dumped: Option<Duration>,
    /// CPU time that dumps between the seconds may still take.
    credit: f64,
    /// When the kernel's count was last read.
    counted: Duration,
    close_max: usize,
    close_cpu: Duration,
}

impl Net {
    fn new(shared: &Shared) -> Self {
        let period = shared.settings.engine_period;
        let handle = shared.registry.register("network".into(), SourceGroup::Engine, period);
        Self {
            guard: Guard::new(handle),
            diag: None,
            engines: BTreeMap::new(),
            failure: None,
            opens: Opens::new(),
            passive_opens: None,
            dumped: None,
            credit: 0.0,
            counted: Duration::ZERO,
            close_max: CLOSE_MAX,
            close_cpu: Duration::ZERO,
        }
    }

    fn run(&mut self, shared: &Shared, stopped: &Receiver<()>) {
        let period = i64::try_from(shared.settings.engine_period.as_millis()).unwrap_or(5_000);
        let period = period.max(1);
        let mut next_look = Duration::ZERO;
        let mut next_batch = UnixMs(0);
        loop {
            let now = shared.clock.monotonic();
            if now >= next_look {
                next_look = now + LOOK_PERIOD;
                self.take_engines(shared);
                self.failure = self.look(now).err();
                if self.failure.is_some() {
                    self.diag = None;
                }
            }
            let time = UnixMs(shared.clock.now().0.div_euclid(period) * period);
            if time != next_batch {
                next_batch = time;
                self.deliver(shared, time);
            }
            self.look_between(shared);
            let until_look = next_look.saturating_sub(shared.clock.monotonic());
            let is_close = self.engines.values().any(|engine| engine.facts.is_estimated);
            let wait = if is_close { until_look.min(wire::PERIOD) } else { until_look };
            if !matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
                return;
            }
        }
    }

    /// Follows the list of engines.
    fn take_engines(&mut self, shared: &Shared) {
        let mut here = BTreeMap::new();
        for (instance, entry) in shared.entries().iter().take(PORTS_MAX) {
            let authority = instance.split('/').next().unwrap_or_default();
            let port = authority.rsplit(':').next().and_then(|port| port.parse().ok());
            let (Some(port), Some(_)) = (port, entry.inode) else { continue };
            if entry.report.kind.is_empty() {
                continue;
            }
            let facts = Facts {
                address: authority.parse::<SocketAddr>().ok().map(|address| address.ip()),
                port,
                kind: entry.report.kind.clone(),
                model: entry.report.models.first().cloned().unwrap_or_default(),
                is_estimated: !entry.tells_ttft && entry.is_forwarded == Some(false),
            };
            here.insert(instance.clone(), facts);
        }
        self.engines.retain(|instance, _| here.contains_key(instance));
        for (instance, facts) in here {
            match self.engines.get_mut(&instance) {
                Some(engine) if engine.facts == facts => {}
                Some(engine) => {
                    engine.facts = facts;
                    engine.labels.clear();
                }
                None => {
                    let (connections, labels) = Default::default();
                    self.engines.insert(instance, Engine { facts, connections, labels });
                    // Its connections are not known yet.
                    self.dumped = None;
                }
            }
        }
    }

    /// Brings what is known of all connections up to date.
    fn look(&mut self, now: Duration) -> Result<(), Failure> {
        if self.engines.is_empty() {
            return Ok(());
        }
        let diag = match &mut self.diag {
            Some(diag) => diag,
            None => self.diag.insert(Diag::open()?),
        };
        let opens = self.opens.read();
        let known: usize = self.engines.values().map(|engine| engine.connections.len()).sum();
        let is_fresh = self.dumped.is_some_and(|at| now.saturating_sub(at) < DUMP_PERIOD);
        if is_fresh && opens.is_some() && opens == self.passive_opens && known <= ASKED_MAX {
            self.counted = now;
            for engine in self.engines.values_mut() {
                for id in engine.connections.ids() {
                    engine.connections.looked(&id, diag.find(&id)?);
                }
            }
            return Ok(());
        }
        self.dump(now, opens)
    }

    /// Learns of all connections.
    fn dump(&mut self, now: Duration, opens: Option<u64>) -> Result<(), Failure> {
        let Some(diag) = &mut self.diag else { return Ok(()) };
        // The count was read before the dump: a connection that comes meanwhile is looked for next time.
        // What is new came since the count before, if that was read close enough to matter.
        let is_first = self.dumped.is_none();
        let before = (!is_first).then_some(self.counted.as_secs_f64() * 1e3);
        (self.passive_opens, self.counted, self.dumped) = (opens, now, Some(now));
        let ports: HashSet<u16> = self.engines.values().map(|engine| engine.facts.port).collect();
        let sockets = diag.dump(&ports.into_iter().collect::<Vec<_>>())?;
        let mut by_engine: BTreeMap<String, Vec<Socket>> = BTreeMap::new();
        for socket in sockets {
            if let Some(instance) = engine_of(&self.engines, &socket) {
                by_engine.entry(instance.clone()).or_default().push(socket);
            }
        }
        let mut own = None;
        for (instance, engine) in &mut self.engines {
            let sockets = by_engine.remove(instance).unwrap_or_default();
            engine.connections.update(sockets, before, |socket| {
                is_ours(diag, socket, own.get_or_insert_with(own_sockets))
            });
        }
        Ok(())
    }

    /// What the estimate needs between the looks: to see connections come, and to look closely at those
    /// on which something goes on.
    fn look_between(&mut self, shared: &Shared) {
        if self.diag.is_none() || !self.engines.values().any(|engine| engine.facts.is_estimated) {
            return;
        }
        let now = shared.clock.monotonic();
        let since = now.saturating_sub(self.counted).as_secs_f64();
        self.credit = (self.credit + since * DUMP_SHARE).min(DUMP_CREDIT_MAX.as_secs_f64());
        let opens = self.opens.read();
        if opens == self.passive_opens {
            self.counted = now;
        } else if self.credit > 0.0 {
            let started = thread_cpu_time();
            self.failure = self.dump(now, opens).err();
            self.credit -= thread_cpu_time().saturating_sub(started).as_secs_f64();
        }
        self.look_closely(shared);
    }

    fn look_closely(&mut self, shared: &Shared) {
        let Some(diag) = &mut self.diag else { return };
        let started = thread_cpu_time();
        let mut looked = 0;
        for engine in self.engines.values_mut().filter(|engine| engine.facts.is_estimated) {
            // Always the same ones first: a connection looked at now and then tells nothing.
            let room = self.close_max - looked;
            let ids: Vec<Id> = engine.connections.active().take(room).collect();
            looked += ids.len();
            for id in ids {
                let Ok(found) = diag.find(&id) else {
                    // The next look, in a second at most, opens another line and says why.
                    return;
                };
                let now = shared.clock.monotonic().as_secs_f64() * 1e3;
                engine.connections.observe(&id, now, found);
            }
        }
        self.close_cpu += thread_cpu_time().saturating_sub(started);
    }

    /// Hands out what there is to say.
    fn deliver(&mut self, shared: &Shared, time: UnixMs) {
        self.adapt(shared.settings.engine_period);
        let mut batch = Batch::new(time);
        let Self { guard, engines, failure, .. } = self;
        let now = shared.clock.monotonic();
        guard.run(&shared.clock, &mut batch, |batch| {
            if let Some(failure) = failure {
                return Err(failure.clone());
            }
            if engines.is_empty() {
                let detail = "no engine listens in this network namespace";
                return Err(Failure::new(FailureKind::Absent, detail));
            }
            let networks = Networks::read();
            for (instance, engine) in engines.iter_mut() {
                engine.push(instance, now, &networks, batch);
            }
            Ok(())
        });
        if !batch.samples.is_empty() {
            (shared.sinks.batch)(batch);
        }
    }

    /// Keeps the CPU time of close looks within its budget.
    fn adapt(&mut self, period: Duration) {
        let budget = CLOSE_BUDGET.mul_f64(period.as_secs_f64());
        if self.close_cpu > budget {
            self.close_max = (self.close_max / 2).max(CLOSE_MIN);
        } else if self.close_cpu < budget / 4 {
            self.close_max = (self.close_max * 2).min(CLOSE_MAX);
        }
        self.close_cpu = Duration::ZERO;
    }
}

impl Engine {
    fn push(&mut self, instance: &str, now: Duration, networks: &Networks, batch: &mut Batch) {
        let summary = self.connections.summary(now);
        let mut series = Series { engine: &self.facts, instance, labels: &mut self.labels, batch };
        series.push_summary(&summary, networks);
        for address in self.connections.bound() {
            let extra = [("address", address.to_string()), ("scope", scope(address).to_owned())];
            let extra = extra.each_ref().map(|(name, value)| (*name, value.as_str()));
            series.push_with(&metric::LLM_ENGINE_LISTEN_INFO, "", &extra, 1.0);
        }
        if !self.connections.has_all_fields {
            return;
        }
        let totals = self.connections.totals;
        let seconds = |micros: u64| micros as f64 / 1e6;
        for (metric, value) in [
            (&metric::LLM_CONNECTION_BUSY_SECONDS_TOTAL, seconds(totals.busy_us)),
            (&metric::LLM_CONNECTION_RECEIVED_BYTES_TOTAL, totals.received_bytes as f64),
            (&metric::LLM_CONNECTION_RETRANSMITS_TOTAL, totals.retransmits as f64),
            (&metric::LLM_CONNECTION_RWND_LIMITED_SECONDS_TOTAL, seconds(totals.rwnd_limited_us)),
            (&metric::LLM_CONNECTION_SENT_BYTES_TOTAL, totals.sent_bytes as f64),
            (
                &metric::LLM_CONNECTION_SNDBUF_LIMITED_SECONDS_TOTAL,
                seconds(totals.sndbuf_limited_us),
            ),
        ] {
            series.push(metric, "", None, value);
        }
        if self.facts.is_estimated {
            let estimate = &self.connections.estimate;
            for (metric, histogram) in [
                (&metric::LLM_INTER_TOKEN_LATENCY_SECONDS, &estimate.itl),
                (&metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS, &estimate.ttft),
            ] {
                histogram.series(|suffix, bound, value| {
                    series.push(metric, suffix, bound.map(|bound| ("le", bound)), value);
                });
            }
        }
    }
}

/// Where samples of one engine go.
struct Series<'a> {
    engine: &'a Facts,
    instance: &'a str,
    labels: &'a mut HashMap<String, Labels>,
    batch: &'a mut Batch,
}

impl Series<'_> {
    fn push_summary(&mut self, summary: &Summary, networks: &Networks) {
        for (state, name) in State::CONNECTED {
            let count = summary.by_state.get(state).copied().unwrap_or_default();
            self.push(&metric::LLM_CONNECTIONS, "", Some(("state", name)), count as f64);
        }
        for (client, count) in &summary.by_client {
            // Those that are not named may come from anywhere.
            let name = client.map_or_else(|| "other".to_owned(), |client| client.to_string());
            let scope = client.map(|client| ("scope", client_scope(client, networks)));
            let labels: Vec<_> = [("client", name.as_str())].into_iter().chain(scope).collect();
            self.push_with(&metric::LLM_CONNECTIONS_BY_CLIENT, "", &labels, *count as f64);
        }
        let waiting = summary.waiting as f64;
        self.push(&metric::LLM_CONNECTIONS_AWAITING_FIRST_BYTE, "", None, waiting);
        for (metric, value) in [
            (&metric::LLM_ACCEPT_QUEUE_CONNECTIONS, summary.accept_queue.map(|q| q.0 as f64)),
            (&metric::LLM_ACCEPT_QUEUE_CONNECTIONS_MAX, summary.accept_queue.map(|q| q.1 as f64)),
            (&metric::LLM_CONNECTION_PATH_MTU_BYTES, summary.path_mtu.map(f64::from)),
            (&metric::LLM_CONNECTION_RTT_MIN_SECONDS, summary.rtt_min_seconds),
            (&metric::LLM_CONNECTION_RTT_SECONDS, summary.rtt_seconds),
        ] {
            if let Some(value) = value {
                self.push(metric, "", None, value);
            }
        }
    }

    fn push(&mut self, metric: &Metric, suffix: &str, extra: Option<(&str, &str)>, value: f64) {
        self.push_with(metric, suffix, extra.as_slice(), value);
    }

    fn push_with(&mut self, metric: &Metric, suffix: &str, extra: &[(&str, &str)], value: f64) {
        let mut key = format!("{}{suffix}", metric.name);
        for (_, value) in extra {
            key.push(' ');
            key.push_str(value);
        }
        let labels = self.labels.entry(key).or_insert_with(|| {
            let own = [
                ("engine", self.engine.kind.as_str()),
                ("instance", self.instance),
                ("model", self.engine.model.as_str()),
                ("source", SOURCE),
            ];
            let name = format!("{}{suffix}", metric.name);
            Labels::metric(&name, own.into_iter().chain(extra.iter().copied()))
        });
        self.batch.push(labels, value);
    }
}

/// Whom a socket that is bound to `address` lets in, as far as the address says: no firewall is asked, and
/// what a proxy or a container's port forwards to it is not seen.
fn scope(address: IpAddr) -> &'static str {
    match address {
        address if address.is_unspecified() => "all",
        address if address.is_loopback() => "loopback",
        IpAddr::V4(four) if four.is_private() || four.is_link_local() => "private",
        // 100.64.0.0/10 is what providers and overlay networks give to machines behind them.
        IpAddr::V4(four) if four.octets()[0] == 100 && four.octets()[1] & 0xc0 == 64 => "private",
        IpAddr::V6(six) if six.is_unique_local() || six.is_unicast_link_local() => "private",
        _ => "public",
    }
}

/// Where a client is, as far as its address says.
fn client_scope(client: IpAddr, networks: &Networks) -> &'static str {
    let client = client.to_canonical();
    if networks.has(client) { "onlink" } else { scope(client) }
}

/// The engine that a socket belongs to: the one at its address, else the one at its port.
fn engine_of<'a>(engines: &'a BTreeMap<String, Engine>, socket: &Socket) -> Option<&'a String> {
    let local = socket.id.local();
    let mut at_port = engines.iter().filter(|(_, engine)| engine.facts.port == local.port());
    let first = at_port.clone().next();
    let same = at_port.find(|(_, engine)| engine.facts.address == Some(local.ip()));
    same.or(first).map(|(instance, _)| instance)
}

/// Whether the other end of a connection is this very process; absent when that is not known yet.
fn is_ours(diag: &mut Diag, socket: &Socket, own: &HashSet<u32>) -> Option<bool> {
    let (local, remote) = (socket.id.local().ip(), socket.id.remote().ip());
    if !remote.is_loopback() && remote != local {
        return Some(false);
    }
    // One of another network namespace has the same addresses and cannot be found here, and one that
    // has no owner any more is about to end.
    let peer = diag.find(&socket.id.reversed()).ok().flatten()?;
    (peer.inode != 0).then(|| own.contains(&peer.inode))
}

/// The sockets that this process holds.
fn own_sockets() -> HashSet<u32> {
    let links = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let inode = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    links.filter_map(inode).collect()
}

/// How many connections the kernel has accepted since it started. The file stays open: it is read 20
/// times a second.
#[derive(Debug)]
struct Opens {
    file: Option<File>,
    buffer: Vec<u8>,
}

impl Opens {
    fn new() -> Self {
        Self { file: File::open("/proc/self/net/snmp").ok(), buffer: vec![0; SNMP_BYTES_MAX] }
    }

    fn read(&mut self) -> Option<u64> {
        let length = self.file.as_ref()?.read_at(&mut self.buffer, 0).ok()?;
        passive_opens_in(self.buffer.get(..length)?)
    }
}

fn passive_opens_in(text: &[u8]) -> Option<u64> {
    let mut lines =
        text.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"Tcp: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names.split(|byte| *byte == b' ').position(|name| name == b"PassiveOpens")?;
    let value = values.split(|byte| *byte == b' ').nth(place)?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        path::PathBuf,
        sync::Mutex,
    };

    use model::Clock;

    use super::*;
    use crate::{
        EngineReport, EngineState, Registry, Settings, Sinks, SourceState, collector::Entry,
    };

    fn shared(batches: &Arc<Mutex<Vec<Batch>>>, registry: &Registry) -> Arc<Shared> {
        let settings = Settings {
            root: PathBuf::from("/"),
            instance: "n".into(),
            host_period: Duration::from_secs(1),
            engine_period: Duration::from_secs(1),
            discover: false,
            found: None,
            model_folders: Vec::new(),
            own_ports: Vec::new(),
            engines: Vec::new(),
            probes: Vec::new(),
            logs: crate::log::Settings::default(),
            scrapes: Vec::new(),
            accelerators: crate::accelerator::Settings::default(),
        };
        let batches = Arc::clone(batches);
        let batch = Arc::new(move |batch| batches.lock().unwrap().push(batch));
        let sinks = Sinks { batch, event: Arc::new(drop), lines: None };
        Arc::new(Shared::new(settings, Clock::system(), sinks, registry.clone()))
    }

    fn entry(instance: &str) -> Entry {
        let report = EngineReport {
            instance: instance.into(),
            kind: "vllm".into(),
            name: "vLLM".into(),
            url: format!("http://{instance}"),
            version: None,
            models: vec!["m".into()],
            state: EngineState::Up,
            since: UnixMs(0),
            pid: None,
            configured: false,
            notes: Vec::new(),
        };
        Entry {
            report,
            process: None,
            inode: Some(1),
            hidden: BTreeMap::new(),
            is_forwarded: Some(false),
            tells_ttft: false,
            accelerator_parts: None,
            task: None,
        }
    }

    #[test]
    fn our_own_connections_are_left_out() {
        let (batches, registry) = (Arc::default(), Registry::default());
        let shared = shared(&batches, &registry);
        let mut net = Net::new(&shared);
        net.take_engines(&shared);
        net.look(Duration::ZERO).unwrap();
        net.deliver(&shared, UnixMs(0));
        assert_eq!(registry.reports()[0].state, SourceState::Absent, "without an engine");

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let instance = listener.local_addr().unwrap().to_string();
        let _ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        shared.entries().insert(instance.clone(), entry(&instance));
        net.take_engines(&shared);
        net.look(Duration::from_secs(1)).unwrap();
        net.deliver(&shared, UnixMs(1_000));
        assert_eq!(registry.reports()[0].state, SourceState::Ok);
        let batches = batches.lock().unwrap();
        let value = |name: &str| {
            let mut samples = batches.last().unwrap().samples.iter();
            samples.find(|(labels, _)| labels.name() == name).map(|(_, value)| *value)
        };
        assert_eq!(value("llm_accept_queue_connections"), Some(1.0), "nobody accepts it");
        assert_eq!(value("llm_connections"), Some(0.0));
        let listens = batches.last().unwrap().samples.iter().find_map(|(labels, _)| {
            let scope = labels.get("scope")?;
            (labels.name() == "llm_engine_listen_info").then(|| scope.to_owned())
        });
        assert_eq!(listens.as_deref(), Some("loopback"));
        assert_eq!(value("llm_connections_by_client"), None);
        assert_eq!(value("llm_connection_received_bytes_total"), None, "nothing was seen");
    }

    #[test]
    fn addresses_say_whom_they_let_in() {
        for (address, expected) in [
            ("0.0.0.0", "all"),
            ("::", "all"),
            ("127.0.0.2", "loopback"),
            ("::1", "loopback"),
            ("10.1.2.3", "private"),
            ("192.168.0.9", "private"),
            ("169.254.1.1", "private"),
            ("fd00::1", "private"),
            ("fe80::1", "private"),
            ("172.31.255.1", "private"),
            ("172.32.0.1", "public"),
            ("100.64.0.1", "private"),
            ("100.127.9.9", "private"),
            ("100.63.0.1", "public"),
            ("100.128.0.1", "public"),
            ("2001:db8::1", "public"),
        ] {
            assert_eq!(scope(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn clients_say_where_they_are() {
        let own = Networks::parse("24088207123456780000000000000005 02 40 00 80 eth0");
        for (client, expected) in [
            ("2408:8207:1234:5678::9", "onlink"),
            ("2408:8207:1234:9999::9", "public"),
            ("::ffff:10.0.0.1", "private"),
            ("::ffff:93.184.216.34", "public"),
            ("93.184.216.34", "public"),
            ("::1", "loopback"),
            ("fd00::1", "private"),
        ] {
            assert_eq!(client_scope(client.parse().unwrap(), &own), expected, "{client}");
        }
    }

    #[test]
    fn sockets_find_their_engine() {
        let engine = |instance: &str| {
            let address: SocketAddr = instance.parse().unwrap();
            let facts = Facts {
                address: Some(address.ip()),
                port: address.port(),
                kind: "vllm".into(),
                model: String::new(),
                is_estimated: true,
            };
            let (connections, labels) = Default::default();
            (instance.to_owned(), Engine { facts, connections, labels })
        };
        let engines = BTreeMap::from(["10.0.0.2:80", "127.0.0.1:80", "127.0.0.1:81"].map(engine));
        let check = |local: [u8; 4], port: u16, expected: Option<&str>| {
            let mut bytes = [0; 48];
            bytes[0..2].copy_from_slice(&port.to_be_bytes());
            bytes[4..8].copy_from_slice(&local);
            let id = Id::for_tests(2, bytes);
            let (receive_queue, send_queue, inode, info) = (0, 0, 0, None);
            let state = State::Established;
            let socket = Socket { id, state, receive_queue, send_queue, inode, info };
            assert_eq!(engine_of(&engines, &socket).map(String::as_str), expected, "{socket:?}");
        };
        check([127, 0, 0, 1], 80, Some("127.0.0.1:80"));
        check([10, 0, 0, 2], 80, Some("10.0.0.2:80"));
        check([192, 168, 0, 9], 81, Some("127.0.0.1:81"));
        check([127, 0, 0, 1], 82, None);
    }

    #[test]
    fn the_kernel_counts_connections() {
        let text =
            b"Ip: Forwarding\nIp: 1\nTcp: RtoAlgorithm ActiveOpens PassiveOpens\nTcp: 1 7 42\n";
        assert_eq!(passive_opens_in(text), Some(42));
        assert_eq!(passive_opens_in(b"Tcp: PassiveOpens\n"), None);
        let mut opens = Opens::new();
        let before = opens.read().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(opens.read().unwrap() > before);
    }
}
