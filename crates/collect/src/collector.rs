//! Everything that is pulled, started and stopped together: the host, the search for engines, and one
//! task per engine.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use model::{Clock, Labels, UnixMs};
use tokio::task::JoinHandle;

use crate::{
    Registry, Sinks, SourceReport, TlsSetting, accelerator,
    discovery::{Search, discover},
    engine::{self, watch::EngineWatch},
    exposition::ScrapedMetric,
    host,
    http::{Endpoint, Secret},
    log, net, probe,
    process::Identity,
    processes, pulls,
    schedule::Watch,
    scrape,
};

/// What is watched and how often.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where `/proc` and `/sys` are found.
    pub root: PathBuf,
    /// The label `instance` of the host's series.
    pub instance: String,
    pub host_period: Duration,
    pub engine_period: Duration,
    pub accelerators: accelerator::Settings,
    /// Whether to look for engines beyond those given.
    pub discover: bool,
    /// The file that keeps which engines were found; without it every start begins anew.
    pub found: Option<PathBuf>,
    /// Folders beside the usual ones into which models are downloaded, as the watched machine calls them.
    pub model_folders: Vec<PathBuf>,
    /// Ports that are this program's own.
    pub own_ports: Vec<u16>,
    pub engines: Vec<EngineSetting>,
    pub scrapes: Vec<scrape::Job>,
    pub probes: Vec<probe::ProbeSetting>,
    pub logs: log::Settings,
}

/// An engine that a person named.
#[derive(Clone, Debug)]
pub struct EngineSetting {
    /// `http://host:port` or the same with `https`, possibly with a path.
    pub url: String,
    /// Found out by itself when absent.
    pub kind: Option<String>,
    pub api_key: Option<Secret>,
    /// For a URL that begins with `https://`.
    pub tls: TlsSetting,
    /// Where its metrics are, if the engine gives them at a port of their own that is not the usual one.
    pub metrics_port: Option<u16>,
}

impl EngineSetting {
    /// The kinds that an engine may be, as in labels and configuration.
    pub const KINDS: &'static [&'static str] = engine::NAMES;

    /// `docs/engines.md` or the same in Chinese: how each kind is recognised and read.
    pub fn kinds_page(is_chinese: bool) -> String {
        engine::page(is_chinese)
    }
}

/// How an engine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineState {
    Up,
    /// It answers but cannot serve yet.
    Starting,
    Down,
}

impl EngineState {
    /// The word that the API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Starting => "starting",
            Self::Down => "down",
        }
    }
}

/// What is known of an engine.
#[derive(Clone, Debug)]
pub struct EngineReport {
    /// `host:port`, the label `instance` of its series.
    pub instance: String,
    /// As in the label `engine`; empty while nobody has answered.
    pub kind: String,
    /// As people write it.
    pub name: String,
    pub url: String,
    pub version: Option<String>,
    pub models: Vec<String>,
    pub state: EngineState,
    /// Since when it is in that state.
    pub since: UnixMs,
    pub pid: Option<u32>,
    /// Named in the configuration.
    pub configured: bool,
    /// What could be better, as message codes with their parameters.
    pub notes: Vec<(&'static str, Vec<(String, String)>)>,
}

/// What a single look found.
#[derive(Clone, Debug)]
pub struct Found {
    pub sources: Vec<SourceReport>,
    pub engines: Vec<EngineReport>,
}

/// All collectors, running.
pub struct Collector {
    shared: Arc<Shared>,
    /// Of the host, accelerators, the network, processes, downloads and logs.
    watches: [Watch; 6],
    probes: Vec<JoinHandle<()>>,
    discovery: JoinHandle<()>,
    scrapes: Vec<JoinHandle<()>>,
}

/// What all tasks share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    /// When this program began to watch.
    pub(crate) since: UnixMs,
    pub(crate) sinks: Sinks,
    pub(crate) registry: Registry,
    /// By instance.
    pub(crate) engines: Mutex<BTreeMap<String, Entry>>,
    pub(crate) metadata: Mutex<BTreeMap<String, ScrapedMetric>>,
    pub(crate) targets: scrape::Targets,
    pub(crate) has_discovered: AtomicBool,
    /// Who holds which accelerator.
    pub(crate) holders: accelerator::Holders,
}

/// An engine on the list.
pub(crate) struct Entry {
    pub(crate) report: EngineReport,
    /// Who listens, where that is known.
    pub(crate) process: Option<Identity>,
    /// The listening socket, where it is on this machine.
    pub(crate) inode: Option<u64>,
    /// Engines that this one started and hides, by their listening sockets.
    pub(crate) hidden: BTreeMap<u64, Endpoint>,
    /// Whether who listens only passes connections on; absent until it was looked at.
    pub(crate) is_forwarded: Option<bool>,
    /// The engine itself says how long first tokens take.
    pub(crate) tells_ttft: bool,
    /// Bytes that the engine says its parts take on its fullest accelerator.
    pub(crate) accelerator_parts: Option<f64>,
    pub(crate) task: Option<JoinHandle<()>>,
}

impl Shared {
    pub(crate) fn new(settings: Settings, clock: Clock, sinks: Sinks, registry: Registry) -> Self {
        Self {
            settings,
            since: clock.now(),
            clock,
            sinks,
            registry,
            engines: Mutex::default(),
            metadata: Mutex::default(),
            targets: scrape::Targets::default(),
            has_discovered: AtomicBool::new(false),
            holders: accelerator::Holders::default(),
        }
    }

    pub(crate) fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        lock(&self.engines)
    }

    fn reports(&self) -> Vec<EngineReport> {
        self.entries().values().map(|entry| entry.report.clone()).collect()
    }
}

impl Collector {
    /// Starts everything. Threads and tasks end with [`Collector::stop`].
    pub fn start(
        settings: Settings,
        clock: Clock,
        sinks: Sinks,
        runtime: &tokio::runtime::Handle,
    ) -> io::Result<Self> {
        let registry = Registry::default();
        let host = host::start(&host_settings(&settings), &clock, &sinks, &registry)?;
        let shared = Arc::new(Shared::new(settings, clock, sinks, registry));
        let accelerators = accelerator::start(
            &shared.settings,
            &shared.clock,
            &shared.sinks,
            &shared.registry,
            &shared.holders,
        )?;
        let net = net::start(&shared)?;
        let processes = processes::start(&shared)?;
        let pulls = pulls::start(&shared)?;
        let logs = log::start(&shared)?;
        let probes = probe::start(&shared, runtime);
        let discovery = runtime.spawn(discover(Arc::clone(&shared)));
        let scrapes = scrape::start(&shared, runtime);
        let watches = [host, accelerators, net, processes, pulls, logs];
        Ok(Self { shared, watches, probes, discovery, scrapes })
    }

    pub fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    /// All engines, by instance.
    pub fn engines(&self) -> Vec<EngineReport> {
        self.shared.reports()
    }

    /// Tells all engines, for who starts before the collectors' owner is there.
    pub fn engine_reader(&self) -> impl Fn() -> Vec<EngineReport> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.reports()
    }

    /// The targets of all scrape jobs.
    pub fn targets(&self) -> Vec<scrape::TargetReport> {
        self.shared.targets.active()
    }

    /// What scrape jobs found and their rules dropped: the job, and the labels before the rules.
    pub fn dropped_targets(&self) -> Vec<(String, Labels)> {
        self.shared.targets.dropped()
    }

    /// What engines and targets say of their own metrics.
    pub fn metadata(&self) -> Vec<ScrapedMetric> {
        lock(&self.shared.metadata).values().cloned().collect()
    }

    /// Whether the first look for engines is over.
    pub fn has_discovered(&self) -> bool {
        self.shared.has_discovered.load(Ordering::Relaxed)
    }

    /// Tells everything to end; nothing is sampled afterwards.
    pub fn stop(&self) {
        self.watches.iter().for_each(Watch::stop);
        self.discovery.abort();
        self.scrapes.iter().for_each(JoinHandle::abort);
        self.probes.iter().for_each(JoinHandle::abort);
        for entry in self.shared.entries().values() {
            if let Some(task) = &entry.task {
                task.abort();
            }
        }
    }

    /// Looks at everything once and starts nothing.
    pub async fn look_once(settings: Settings, clock: Clock) -> Found {
        let registry = Registry::default();
        // The reports last as long as the guards.
        let _host = host::look_once(&host_settings(&settings), &clock, &registry);
        let _accelerators = accelerator::look_once(&settings, &clock, &registry);
        let sinks = Sinks { batch: Arc::new(drop), event: Arc::new(drop), lines: None };
        let shared = Arc::new(Shared::new(settings, clock.clone(), sinks, registry));
        let mut search = Search::new(&shared);
        let mut watches = Vec::new();
        for found in search.look(&shared).await {
            let mut watch = EngineWatch::new(&shared, found);
            watch.scrape(clock.now()).await;
            watches.push(watch);
        }
        Found { sources: shared.registry.reports(), engines: shared.reports() }
    }
}

fn host_settings(settings: &Settings) -> host::Settings {
    host::Settings {
        root: settings.root.clone(),
        instance: settings.instance.clone(),
        period: settings.host_period,
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
