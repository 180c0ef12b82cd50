//! The gateway: a reverse proxy in front of inference engines that sees every request, decides who may ask,
//! and changes no byte of what passes.
//!
//! It forwards first. What it learns of an answer it learns beside the path that the answer takes, and
//! when it cannot keep up it says so in the record ([`Exchange::is_partially_observed`]) rather than slow
//! anybody down. A client that leaves takes its request to the engine with it. It knows no store: records
//! go to a bounded channel. It speaks HTTP/1.1 and HTTP/2 to clients and HTTP/1.1 to engines, does not
//! cache, does not rewrite prompts, and does not translate between APIs.
//!
//! [`Exchange::is_partially_observed`]: model::exchange::Exchange::is_partially_observed
#![forbid(unsafe_code)]

mod access;
mod answer;
mod call;
mod certificate;
mod cidr;
mod expand;
mod headers;
mod listen;
mod models;
mod observe;
mod outgoing;
mod proxy;
mod refusal;
mod route;
mod shared;
mod stream;
mod trace;
mod tunnel;
mod upstream;
mod warmth;

pub mod config;
pub mod genai;
pub mod keys;
pub mod management;
pub mod samples;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::Ordering},
    thread,
    time::Duration,
};

use model::{Clock, exchange::Exchange, log::LogRecord};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

pub use access::KeyUsage;
pub use cidr::{BadCidr, Cidr};
pub use headers::GATEWAY_ERROR;

use access::Moment;
use certificate::Certificate;
use config::{AccessConfig, Config, StartError};
use keys::{KeyFile, KeysError};
use listen::Phase;
use route::Router;
use shared::Shared;
use upstream::Target;
use warmth::Warmth;

/// How often the files of keys and certificates are looked at, and idle connections are.
const WATCH_PERIOD: Duration = Duration::from_secs(1);
/// How often it is looked whether all connections have ended.
const STOP_POLL: Duration = Duration::from_millis(10);

/// Notices that wait to be taken. When full the oldest is forgotten.
pub const NOTICES_MAX: usize = 64;

/// A gateway that runs until it is stopped or dropped.
pub struct Gateway {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    phase: watch::Sender<Phase>,
    tasks: JoinSet<()>,
    observer: Option<thread::JoinHandle<()>>,
    warmth: Arc<Mutex<Warmth>>,
    notices: Arc<Mutex<VecDeque<LogRecord>>>,
}

/// What a gateway has done since it started, and what it does now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub connections: usize,
    /// As configured.
    pub connections_max: usize,
    pub connections_refused: u64,
    pub requests: u64,
    /// Requests that were sent again because the engine had closed the idle connection.
    pub retries: u64,
    /// Parts of answers that went by unseen; their records say so.
    pub parts_unseen: u64,
    /// Records that nobody took.
    pub records_lost: u64,
}

/// An upstream as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamState {
    pub name: String,
    /// Whether it may be asked: it has not just failed.
    pub is_up: bool,
    pub in_flight: usize,
    /// As configured or as it listed last; empty where nobody asked.
    pub models: Vec<String>,
}

impl Gateway {
    /// Listens and serves. Each request becomes one record on `records`; what it does not take is lost and
    /// counted. Needs a runtime with I/O and time.
    pub async fn start(
        config: Config,
        clock: Clock,
        records: mpsc::Sender<Exchange>,
    ) -> Result<Self, StartError> {
        let router = Router::new(targets(&config)?, config.is_sticky);
        let mut listeners = Vec::new();
        for listen in &config.listen {
            let failed = |source| StartError::Listen { address: listen.address, source };
            let tls = listen.tls.as_ref().map(Certificate::load).transpose()?.map(Arc::new);
            let listener = TcpListener::bind(listen.address).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            listeners.push((listener, tls, address));
        }
        if listeners.is_empty() {
            return Err(StartError::NoListen);
        }
        let shared = Arc::new(Shared::new(config, clock.clone(), router));
        let mut keys = KeysWatch::default();
        keys.refresh(&shared)?;
        if shared.router.single().is_none() {
            // What they serve has to be known before the first request.
            models::poll(&shared).await;
        }
        let warmth = Arc::new(Mutex::new(Warmth::default()));
        let queue = Arc::clone(&shared.queue);
        let observer = observe::start(queue, clock, records, Arc::clone(&warmth));
        let observer = Some(observer.map_err(StartError::Thread)?);
        let (phase, changes) = watch::channel(Phase::Open);
        let mut tasks = JoinSet::new();
        let (mut addresses, mut certificates) = (Vec::new(), Vec::new());
        let notices = Arc::new(Mutex::new(VecDeque::new()));
        for (listener, tls, address) in listeners {
            addresses.push(address);
            certificates.extend(tls.clone());
            tasks.spawn(listen::accept(Arc::clone(&shared), listener, tls, changes.clone()));
        }
        let house = House { keys, certificates, notices: Arc::clone(&notices) };
        tasks.spawn(house.keep(Arc::clone(&shared)));
        if shared.router.single().is_none() {
            tasks.spawn(poll_models(Arc::clone(&shared)));
        }
        Ok(Self { shared, addresses, phase, tasks, observer, warmth, notices })
    }

    /// Where it listens, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Changes who may ask what, for the requests that come from now on. An error changes nothing.
    pub fn set_access(&self, access: AccessConfig) -> Result<(), KeysError> {
        let file = access.keys_file.as_ref().map(KeyFile::new);
        let keys = file.map_or(Ok(Vec::new()), |file| file.load())?;
        self.shared.access.replace(keys, access.anonymous.clone());
        self.shared.set_policy(access);
        Ok(())
    }

    pub fn counters(&self) -> Counters {
        let (tally, queue) = (&self.shared.tally, &self.shared.queue);
        Counters {
            connections: tally.connections.load(Ordering::Relaxed),
            connections_max: self.shared.config.limits.connections_max,
            connections_refused: tally.connections_refused.load(Ordering::Relaxed),
            requests: tally.requests.load(Ordering::Relaxed),
            retries: tally.retries.load(Ordering::Relaxed),
            parts_unseen: queue.parts_unseen.load(Ordering::Relaxed),
            records_lost: queue.records_lost.load(Ordering::Relaxed),
        }
    }

    pub fn upstreams(&self) -> Vec<UpstreamState> {
        let now = self.shared.clock.monotonic();
        let state = |target: &Arc<Target>| UpstreamState {
            name: target.name.clone(),
            is_up: target.is_up(now),
            in_flight: target.in_flight(),
            models: target.models().to_vec(),
        };
        self.shared.router.targets().iter().map(state).collect()
    }

    /// Says that the engine behind an upstream has started anew, so that its first requests are cold again.
    pub fn note_restart(&self, upstream: &str) {
        observe::lock(&self.warmth).forget(upstream);
    }

    /// What it has noticed since this was asked last, the latest at most [`NOTICES_MAX`].
    pub fn take_notices(&self) -> Vec<LogRecord> {
        observe::lock(&self.notices).drain(..).collect()
    }

    /// What each key has used of its budgets, to show it and to keep it over a restart.
    pub fn usage(&self) -> Vec<KeyUsage> {
        self.shared.access.usage(self.moment())
    }

    /// Adds what [`Gateway::usage`] told before a restart.
    pub fn restore_usage(&self, before: &[KeyUsage]) {
        self.shared.access.restore(before, self.moment());
    }

    fn moment(&self) -> Moment {
        self.shared.moment()
    }

    /// Accepts nothing more, lets requests end for so long, then ends them, and hands over all records.
    /// What had to be ended is recorded as the client's leaving.
    pub async fn stop(mut self, grace: Duration) {
        self.phase.send_replace(Phase::Draining);
        let ended = async {
            while self.shared.tally.connections.load(Ordering::Acquire) > 0 {
                sleep(STOP_POLL).await;
            }
        };
        if timeout(grace, ended).await.is_err() {
            self.phase.send_replace(Phase::Over);
            let ended = async {
                while self.shared.tally.connections.load(Ordering::Acquire) > 0 {
                    sleep(STOP_POLL).await;
                }
            };
            // A connection ends as soon as its task is polled.
            let _ended_or_stuck = timeout(WATCH_PERIOD, ended).await;
        }
        self.tasks.shutdown().await;
        self.shared.queue.close();
        if let Some(observer) = self.observer.take() {
            let joined = tokio::task::spawn_blocking(move || observer.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the observer of the gateway ended with a panic");
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Over);
        self.shared.queue.close();
    }
}

fn targets(config: &Config) -> Result<Vec<Arc<Target>>, StartError> {
    let mut targets: Vec<Arc<Target>> = Vec::new();
    for upstream in &config.upstreams {
        if targets.iter().any(|target| target.name == upstream.name) {
            return Err(StartError::UpstreamTwice(upstream.name.clone()));
        }
        targets.push(Arc::new(Target::new(upstream)?));
    }
    if targets.is_empty() { Err(StartError::NoUpstream) } else { Ok(targets) }
}

/// The file of keys and the state in which it was read last.
#[derive(Default)]
struct KeysWatch {
    seen: Option<keys::Fingerprint>,
}

impl KeysWatch {
    /// Reads the file if it has changed. An error leaves the keys as they are.
    fn refresh(&mut self, shared: &Shared) -> Result<(), KeysError> {
        let policy = shared.policy();
        let file = policy.keys_file.as_ref().map(KeyFile::new);
        // Taken before reading: what changes meanwhile is read again.
        let fingerprint = file.as_ref().and_then(KeyFile::fingerprint);
        if self.seen == Some(fingerprint) {
            return Ok(());
        }
        self.seen = Some(fingerprint);
        let keys = file.map_or(Ok(Vec::new()), |file| file.load())?;
        shared.access.replace(keys, policy.anonymous.clone());
        Ok(())
    }
}

/// What is looked after all the time.
struct House {
    keys: KeysWatch,
    certificates: Vec<Arc<Certificate>>,
    notices: Arc<Mutex<VecDeque<LogRecord>>>,
}

impl House {
    async fn keep(mut self, shared: Arc<Shared>) {
        loop {
            sleep(WATCH_PERIOD).await;
            if let Err(error) = self.keys.refresh(&shared) {
                tracing::error!("the keys of the gateway stay as they were: {error}");
            }
            for notice in self.certificates.iter().filter_map(|it| it.refresh(shared.clock.now())) {
                let mut notices = observe::lock(&self.notices);
                if notices.len() == NOTICES_MAX {
                    notices.pop_front();
                }
                notices.push_back(notice);
            }
            let now = shared.clock.monotonic();
            for target in shared.router.targets() {
                target.sweep(now, shared.config.timeouts.pool_idle);
            }
        }
    }
}

async fn poll_models(shared: Arc<Shared>) {
    loop {
        sleep(models::PERIOD).await;
        models::poll(&shared).await;
    }
}
