//! The topology: what is started, in which order, and how it ends. Stopping is starting reversed.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context as _;
use collect::{
    Collector, Sinks,
    inventory::{self, Inventory},
};
use model::{
    Clock, UnixMs,
    log::{LogRecord, Severity},
    message::{Language, render},
    sample::Batch,
};
use receive::serve::Servers;
use store::{OpenError, Recovery, Store};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::{Semaphore, watch},
};

use crate::{
    alarms::{
        alertmanagers::Alertmanagers,
        channels::Channels,
        detect::{self, Detector},
        incidents::Incidents,
        objectives::Objectives,
        picture::picture,
        rules::{self, Rules},
    },
    api::{self, Gate, Hub, Limits, Queries, Receive},
    config::Config,
    events::Events,
    exchanges::{self, Exchanges},
    lines::Lines,
    own::CostMeter,
    receivers,
    reports::Reports,
    verdict::Verdicts,
    writer::{self, Keeper, Queue},
    zone,
};

/// How often modelwatch records its own health.
pub(crate) const OWN_PERIOD_MS: i64 = 5_000;

/// How long open requests may take to end after the signal to stop.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// How long cutting or merging blocks may go on after that.
const KEEPER_PATIENCE: Duration = Duration::from_secs(1);

/// How long a rule may go on being evaluated after that.
const RULES_PATIENCE: Duration = Duration::from_millis(500);

/// How long a look for the unusual may go on after that.
const DETECTOR_PATIENCE: Duration = Duration::from_millis(500);

/// How long what a notification shows may take to be read.
const PICTURE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long tasks may take to end.
pub(crate) const RUNTIME_PATIENCE: Duration = Duration::from_millis(500);

/// Where the data directory keeps how far logs were read.
const LOG_POSITIONS: &str = "log-positions.json";
/// The file of the data directory that keeps which engines were found.
const FOUND_ENGINES: &str = "found-engines.json";

/// How long the first look for engines is waited for before it is reported.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(5);

/// Everything that handlers need.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) queries: Queries,
    pub(crate) reports: Reports,
    pub(crate) collector: Collector,
    pub(crate) inventory: Inventory,
    pub(crate) events: Arc<Events>,
    pub(crate) lines: Lines,
    pub(crate) incidents: Incidents,
    pub(crate) alertmanagers: Alertmanagers,
    pub(crate) hub: Hub,
    pub(crate) gate: Gate,
    pub(crate) receive: Receive,
    /// Absent where the configuration asks for no gateway.
    pub(crate) gateway: Option<exchanges::View>,
    /// Turns of exports.
    pub(crate) exports: Arc<Semaphore>,
    /// Places of those who watch lines as they come.
    pub(crate) tails: Arc<Semaphore>,
    pub(crate) saved: api::SavedSearches,
    pub(crate) cost: CostMeter,
    pub(crate) verdicts: Verdicts,
    /// Shared with those who hand it notifications.
    pub(crate) channels: Arc<Channels>,
    pub(crate) rules: Rules,
    pub(crate) objectives: Objectives,
    pub(crate) detector: Detector,
    /// Turns true when the program ends.
    pub(crate) stop: watch::Sender<bool>,
    /// The label `instance` of what this program says of itself.
    pub(crate) instance: String,
    pub(crate) started: UnixMs,
}

/// Says one line to the person at the terminal.
pub(crate) type Say<'a> = &'a dyn Fn(&str);

/// Runs until a signal ends it.
pub(crate) fn serve(config: Config, language: Language, say: Say<'_>) -> anyhow::Result<()> {
    let clock = Clock::system();
    let inventory = inventory::read(&config.collect.root);
    let (listener, address) = bind(config.server.listen, &config.collect.root, language)?;
    let servers = receivers::bind(&config, language)?;
    let (store, recovery) = open_store(&config, &clock, language, say)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("async")
        .enable_all()
        .build()
        .context("failed to start the asynchronous runtime")?;
    let (app, writer, exchanges) =
        assemble(config, clock, inventory, store, (address, language), &runtime)?;
    let keeper = Keeper::start(app.store.clone(), app.clock.clone())
        .context("failed to start the keeper of the store")?;
    note_damage(&app, &recovery);
    introduce(&app.inventory, language, say);
    let text = |code: &str, param: (&str, String)| say(&render(code, &[param], language));
    text("start.data", ("path", app.config.storage.path.display().to_string()));
    text("start.page", ("url", format!("http://{}/", reachable(address))));
    introduce_gateway(&app, language, say);
    receivers::introduce(&servers.addresses(), language, say);
    draw_notifications(&app);
    app.channels.start().context("failed to start sending notifications")?;
    app.rules.start().context("failed to start evaluating rules")?;
    app.detector.start().context("failed to start looking for the unusual")?;
    let result = runtime.block_on(run(&app, listener, servers, language, say));
    app.detector.stop(DETECTOR_PATIENCE);
    app.rules.stop(RULES_PATIENCE);
    app.channels.stop();
    if let Some(exchanges) = exchanges {
        exchanges.stop();
    }
    app.collector.stop();
    app.incidents.stop();
    app.queue.stop();
    if writer.join().is_err() {
        tracing::error!("the writer ended abnormally");
    }
    keeper.stop(KEEPER_PATIENCE, &app.clock);
    runtime.shutdown_timeout(RUNTIME_PATIENCE);
    result
}

/// Connects the parts. Nothing is sampled before this returns but what the collectors start.
fn assemble(
    config: Config,
    clock: Clock,
    inventory: Inventory,
    store: Store,
    (address, language): (SocketAddr, Language),
    runtime: &Runtime,
) -> anyhow::Result<(Arc<App>, JoinHandle<()>, Option<Exchanges>)> {
    let events = Arc::new(Events::default());
    let path = config.storage.path.display().to_string();
    let (queue, writer) = writer::start(store.clone(), path, clock.clone(), Arc::clone(&events))
        .context("failed to start the writer")?;
    events.keep_with({
        let queue = queue.clone();
        Box::new(move |record| queue.note(record))
    });
    let zone = zone::of_lines();
    let pipelines = config.log_pipelines(zone.clone())?;
    let lines = Lines::new(store.clone(), clock.clone(), zone, pipelines, Arc::clone(&events));
    let sinks = Sinks {
        batch: {
            let queue = queue.clone();
            Arc::new(move |batch: Batch| queue.send(batch))
        },
        event: {
            let events = Arc::clone(&events);
            Arc::new(move |record: LogRecord| events.push(record))
        },
        lines: Some(Arc::new(lines.clone())),
    };
    let instance = instance(&inventory, address);
    let settings = remembering_settings(&config, &instance, address.port());
    let collector = Collector::start(settings, clock.clone(), sinks, runtime.handle())
        .context("failed to start the collectors")?;
    let keep = keep_exchanges(&store, &config, &clock, &events);
    let engines = Box::new(collector.engine_reader());
    let note = {
        let events = Arc::clone(&events);
        Box::new(move |record| events.push(record))
    };
    let exchanges = Exchanges::start(&config, &clock, &queue, keep, engines, note, language)?;
    let base =
        Base { config: &config, clock: &clock, store: &store, queue: &queue, events: &events };
    let Alarms { channels, incidents, alertmanagers, rules, objectives, detector } =
        alarms(&base, &instance, (address, language), runtime)?;
    let limits = limits(&config);
    let started = clock.now();
    let app = App {
        queries: Queries::new(Arc::new(store.clone()), clock.clone(), limits),
        verdicts: Verdicts::new(clock.now()).context("a built-in condition does not parse")?,
        channels,
        rules,
        objectives,
        detector,
        receive: Receive::new(&lines, &clock, &config.receive),
        reports: Reports::new(&config.storage.path, &config.reports, language),
        lines,
        incidents,
        alertmanagers,
        saved: api::SavedSearches::new(&config.storage.path),
        config,
        clock,
        store,
        queue,
        collector,
        inventory,
        events,
        hub: Hub::new(),
        gate: Gate::default(),
        gateway: exchanges.as_ref().map(Exchanges::view),
        exports: Arc::new(Semaphore::new(api::EXPORTS_MAX)),
        tails: Arc::new(Semaphore::new(api::TAILS_MAX)),
        cost: CostMeter::default(),
        stop: watch::channel(false).0,
        instance,
        started,
    };
    Ok((Arc::new(app), writer, exchanges))
}

/// What the parts of alarms are made of.
struct Base<'a> {
    config: &'a Config,
    clock: &'a Clock,
    store: &'a Store,
    queue: &'a Queue,
    events: &'a Arc<Events>,
}

struct Alarms {
    channels: Arc<Channels>,
    incidents: Incidents,
    alertmanagers: Alertmanagers,
    rules: Rules,
    objectives: Objectives,
    detector: Detector,
}

/// From rules to incidents to channels.
fn alarms(
    base: &Base<'_>,
    instance: &str,
    (address, language): (SocketAddr, Language),
    runtime: &Runtime,
) -> anyhow::Result<Alarms> {
    let Base { config, clock, store, queue, events } = *base;
    let data = &config.storage.path;
    let channels = Channels::open(&config.channels, data, clock, language)
        .context("failed to open the queue of notifications")?;
    let channels = Arc::new(channels);
    let incidents = start_incidents(config, address, clock, events, &channels)?;
    channels.tell_outcomes({
        let incidents = incidents.clone();
        move |outcome| incidents.outcome(&outcome)
    });
    let configured = &config.incidents.alertmanagers;
    let alertmanagers = Alertmanagers::start(configured, clock, events, runtime.handle());
    let found: rules::Sink = {
        let (incidents, alertmanagers) = (incidents.clone(), alertmanagers.clone());
        Box::new(move |alerts, time| {
            alertmanagers.send(alerts);
            incidents.take(alerts, time);
        })
    };
    let detector = Detector::new(detect::Setup {
        store: store.clone(),
        clock: clock.clone(),
        queue: queue.clone(),
        folder: config.storage.path.clone(),
        samples_max: config.query.samples_max,
        instance: instance.to_owned(),
    });
    Ok(Alarms {
        rules: Rules::new(rules_setup(config, clock, store, address, found))?,
        objectives: Objectives::new(&config.storage.path, &config.objectives)?,
        channels,
        incidents,
        alertmanagers,
        detector,
    })
}

/// Incidents below the data directory, and the channels that are told of them.
fn start_incidents(
    config: &Config,
    address: SocketAddr,
    clock: &Clock,
    events: &Arc<Events>,
    channels: &Arc<Channels>,
) -> anyhow::Result<Incidents> {
    let page = page_url(config, address);
    let names: Vec<String> = config.channels.iter().map(|channel| channel.name.clone()).collect();
    let settings = config.incidents.settings(&names, page).map_err(anyhow::Error::msg)?;
    let deliver = Box::new(Arc::clone(channels));
    Incidents::start(&config.storage.path, settings, clock, events, deliver)
        .context("failed to start the thread of incidents")
}

/// Charts for the channels that can show one.
fn draw_notifications(app: &Arc<App>) {
    let drawer = Arc::downgrade(app);
    app.channels.draw_with(Box::new(move |notification| {
        let app = drawer.upgrade()?;
        let language = app.channels.language(&notification.channel);
        let draw = |context: &alert::rules::Context<'_>| picture(notification, language, context);
        app.rules.with_context(PICTURE_TIMEOUT, draw)
    }));
}

/// Where people reach the page, without a slash at the end.
fn page_url(config: &Config, address: SocketAddr) -> String {
    match config.alerts.external_url.trim_end_matches('/') {
        "" => format!("http://{}", reachable(address)),
        given => given.to_owned(),
    }
}

/// What rules are evaluated with.
fn rules_setup(
    config: &Config,
    clock: &Clock,
    store: &Store,
    address: SocketAddr,
    sink: rules::Sink,
) -> rules::Setup {
    rules::Setup {
        source: Box::new(store.clone()),
        store: store.clone(),
        clock: clock.clone(),
        settings: config.alerts.clone(),
        folder: config.storage.path.clone(),
        external_url: page_url(config, address),
        samples_max: config.query.samples_max,
        sink,
    }
}

/// What one query may cost.
fn limits(config: &Config) -> Limits {
    let size = |value| usize::try_from(value).unwrap_or(Semaphore::MAX_PERMITS);
    Limits {
        timeout: config.query.timeout,
        samples_max: config.query.samples_max,
        result_bytes_max: size(config.query.result_bytes_max),
        concurrency_max: size(config.query.concurrency_max).min(Semaphore::MAX_PERMITS),
        waiting_max: size(config.query.waiting_max),
    }
}

/// The label `instance` of what this program reads of its host and says of itself.
pub(crate) fn instance(inventory: &Inventory, address: SocketAddr) -> String {
    let node = inventory.hostname.as_deref().unwrap_or("localhost");
    format!("{node}:{}", address.port())
}

/// Where records of requests go. Says once that they cannot be kept, and once that they can again; the store
/// counts what it refuses.
fn keep_exchanges(
    store: &Store,
    config: &Config,
    clock: &Clock,
    events: &Arc<Events>,
) -> exchanges::Keep {
    let (store, clock, events) = (store.clone(), clock.clone(), Arc::clone(events));
    let path = config.storage.path.display().to_string();
    let mut lost = 0_usize;
    Box::new(move |taken| {
        let (severity, body, attribute) = match store.events().append(&taken) {
            Ok(_) if lost == 0 => return,
            Ok(_) => {
                let count = std::mem::take(&mut lost).to_string();
                (Severity::Info, "event.requests_kept", ("lost".to_owned(), count))
            }
            Err(error) => {
                let was_lost = lost;
                lost += taken.len();
                if was_lost > 0 {
                    return;
                }
                (Severity::Error, "event.requests_lost", ("reason".to_owned(), error.to_string()))
            }
        };
        events.push(LogRecord {
            time: clock.now(),
            source: "storage".into(),
            severity,
            body: body.into(),
            attributes: vec![attribute, ("path".into(), path.clone())],
        });
    })
}

fn accelerator_settings(config: &Config) -> collect::accelerator::Settings {
    let library = |text: &String| {
        let (vendor, path) = text.split_once('=')?;
        Some((vendor.trim().to_owned(), path.trim().into()))
    };
    collect::accelerator::Settings {
        libraries: config.collect.accelerator_libraries.iter().filter_map(library).collect(),
        has_dcgm_names: config.collect.has_dcgm_names,
        commands: accelerator_commands(config),
    }
}

/// For who has a data directory of its own: as [`collect_settings`], and engines are remembered over a restart.
fn remembering_settings(config: &Config, instance: &str, own_port: u16) -> collect::Settings {
    let found = Some(config.storage.path.join(FOUND_ENGINES));
    collect::Settings { found, ..collect_settings(config, instance, own_port) }
}

/// What the collectors need to know of the configuration.
pub(crate) fn collect_settings(
    config: &Config,
    instance: &str,
    own_port: u16,
) -> collect::Settings {
    let engines = config.engines.iter().map(|engine| collect::EngineSetting {
        url: engine.url.clone(),
        kind: engine.kind.clone(),
        api_key: secret(engine.api_key_env.as_ref()),
        tls: engine.tls.clone(),
        metrics_port: engine.metrics_port.and_then(|port| u16::try_from(port).ok()),
    });
    let probes = config.probes.iter().filter_map(|probe| {
        let kind = collect::probe::ProbeKind::from_name(&probe.kind)?;
        let is_llm = kind == collect::probe::ProbeKind::Llm;
        let period = if is_llm { collect::probe::LLM_PERIOD } else { collect::probe::PERIOD };
        Some(collect::probe::ProbeSetting {
            kind,
            target: probe.target.clone(),
            period: probe.period.unwrap_or(period),
            deadline: probe.timeout.unwrap_or(collect::probe::DEADLINE),
            query: probe.query.clone(),
            model: probe.model.clone(),
            ca_file: probe.ca_file.clone(),
            api_key: secret(probe.api_key_env.as_ref()),
        })
    });
    let variable = |name: &str| std::env::var(name).ok();
    collect::Settings {
        root: config.collect.root.clone(),
        instance: instance.to_owned(),
        host_period: config.collect.host_period,
        engine_period: config.collect.engine_period,
        accelerators: accelerator_settings(config),
        discover: config.collect.discover,
        found: None,
        model_folders: config.collect.model_folders.iter().map(PathBuf::from).collect(),
        own_ports: config.gateway.listen.iter().map(|it| it.port()).chain([own_port]).collect(),
        engines: engines.collect(),
        scrapes: config.scrapes.iter().map(|scrape| scrape.job(&variable)).collect(),
        probes: probes.collect(),
        logs: config.logs.settings(config.storage.path.join(LOG_POSITIONS)),
    }
}

/// What the environment variable of that name holds.
fn secret(name: Option<&String>) -> Option<collect::Secret> {
    name.and_then(|name| std::env::var(name).ok()).map(collect::Secret::new)
}

/// The programs that tell of accelerators. Their rules were checked with the configuration.
fn accelerator_commands(config: &Config) -> Vec<collect::accelerator::Command> {
    let commands = config.accelerator_commands.iter().filter_map(|command| {
        Some(collect::accelerator::Command {
            command: command.command.clone(),
            // Vendors are constants everywhere else; these few words live as long as the program.
            vendor: command.vendor.trim().to_owned().leak(),
            period: command.period,
            timeout: command.timeout,
            rules: command.rules().ok()?,
        })
    });
    commands.collect()
}

async fn run(
    app: &Arc<App>,
    listener: TcpListener,
    servers: Servers,
    language: Language,
    say: Say<'_>,
) -> anyhow::Result<()> {
    let signals = Signals::catch()?;
    let listener = tokio::net::TcpListener::from_std(listener).context("failed to listen")?;
    let (desk, tokens) = (&app.receive.desk, &app.receive.tokens);
    servers.start(desk, tokens, &app.stop.subscribe()).context("failed to receive logs")?;
    let mut stopped = app.stop.subscribe();
    let service = api::router(Arc::clone(app)).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service)
        .with_graceful_shutdown(async move { drop(stopped.wait_for(|stop| *stop).await) });
    let server = tokio::spawn(server.into_future());
    let reports = tokio::spawn(api::run_reports(Arc::clone(app)));
    let live = tokio::spawn(api::run_live(Arc::clone(app), app.stop.subscribe()));
    signals.wait(report_engines(&app.collector, &app.clock, &app.config, language, say)).await;
    say(&render::<&str, &str>("start.stopping", &[], language));
    app.stop.send_replace(true);
    let drained =
        tokio::time::timeout(DRAIN_MAX, async { (server.await, live.await, reports.await) }).await;
    if drained.is_err() {
        tracing::warn!("some requests were still open and were cut off");
    }
    Ok(())
}

/// The signals that end the program.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they are waited for and end nothing by themselves.
    pub(crate) fn catch() -> anyhow::Result<Self> {
        let caught = |kind| signal(kind).context("failed to listen for signals");
        let terminate = caught(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: caught(SignalKind::interrupt())? })
    }

    /// Does some work until one comes.
    pub(crate) async fn wait(mut self, work: impl Future<Output = ()>) {
        let work = async {
            work.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = work => {}
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What to say when there is no engine.
pub(crate) fn no_engine(config: &Config) -> &'static str {
    if config.collect.discover { "start.no_engine" } else { "start.no_engine_named" }
}

/// Tells what the first look for engines found.
pub(crate) async fn report_engines(
    collector: &Collector,
    clock: &Clock,
    config: &Config,
    language: Language,
    say: Say<'_>,
) {
    let deadline = clock.monotonic() + FIRST_LOOK_MAX;
    while !collector.has_discovered() && clock.monotonic() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let engines = collector.engines();
    if engines.is_empty() {
        say(&render::<&str, &str>(no_engine(config), &[], language));
    }
    for engine in &engines {
        say(&crate::cli::engine_line(engine, language));
    }
}

/// Who opens the page later has not seen what was printed.
fn note_damage(app: &App, recovery: &Recovery) {
    let Some(first) = recovery.problems().first() else { return };
    app.events.push(LogRecord {
        time: app.clock.now(),
        source: "storage".into(),
        severity: Severity::Warn,
        body: "event.storage_damaged".into(),
        attributes: vec![
            ("path".into(), app.config.storage.path.display().to_string()),
            ("reason".into(), first.clone()),
            ("count".into(), recovery.problems().len().to_string()),
        ],
    });
}

/// Prints where the gateway is and what is open there.
fn introduce_gateway(app: &App, language: Language, say: Say<'_>) {
    let Some(gateway) = app.gateway.as_ref().and_then(exchanges::View::gateway) else { return };
    let settings = &app.config.gateway;
    let scheme = if settings.tls_cert_file.is_empty() { "http" } else { "https" };
    let upstreams: Vec<&str> = settings.upstreams.iter().map(|one| one.url.as_str()).collect();
    for address in gateway.addresses() {
        let url = format!("{scheme}://{}", reachable(*address));
        let params = [("url", url), ("upstreams", upstreams.join(", "))];
        say(&render("start.gateway", &params, language));
    }
    let warnings = [
        (settings.allows_anonymous(), "start.gateway_anonymous"),
        (settings.allow_management, "start.gateway_management"),
        (settings.keep_bodies, "start.gateway_bodies"),
    ];
    for (_, code) in warnings.iter().filter(|(is_open, _)| *is_open) {
        say(&render::<&str, &str>(code, &[], language));
    }
}

/// Prints what is known at once.
pub(crate) fn introduce(inventory: &Inventory, language: Language, say: Say<'_>) {
    say(&render("start.title", &[("version", env!("CARGO_PKG_VERSION"))], language));
    for line in crate::cli::host_lines(inventory, language) {
        say(&line);
    }
}

/// An address that a browser on this machine can open.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

pub(crate) fn bind(
    listen: SocketAddr,
    root: &std::path::Path,
    language: Language,
) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let bound = TcpListener::bind(listen).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|error| {
        let listen_text = listen.to_string();
        if error.kind() == io::ErrorKind::AddrInUse {
            let holder = collect::holder_of(root, listen.port());
            let (code, holder) = match holder {
                Some(holder) => ("start.port_taken_by", holder),
                None => ("start.port_taken", String::new()),
            };
            let params = [("listen", listen_text), ("holder", holder)];
            return anyhow::Error::msg(render(code, &params, language));
        }
        let params = [("listen", listen_text), ("reason", error.to_string())];
        anyhow::Error::msg(render("start.cannot_listen", &params, language))
    })
}

fn open_store(
    config: &Config,
    clock: &Clock,
    language: Language,
    say: Say<'_>,
) -> anyhow::Result<(Store, Recovery)> {
    let path: PathBuf = config.storage.path.clone();
    let options = store_options(config);
    let path_text = path.display().to_string();
    match Store::open(&path, options, clock.clone()) {
        Ok((store, recovery)) => {
            for problem in recovery.problems() {
                let params = [("path", path_text.clone()), ("reason", problem.clone())];
                say(&render("start.store_repaired", &params, language));
            }
            Ok((store, recovery))
        }
        Err(error) => Err(store_refused(&error, "start.store_in_use", language)),
    }
}

/// Why a data directory cannot be used; `in_use` is what to say when another process has it.
pub(crate) fn store_refused(error: &OpenError, in_use: &str, language: Language) -> anyhow::Error {
    let (code, path, more) = match error {
        OpenError::InUse { path, pid } => {
            let pid = pid.map_or_else(|| "?".into(), |pid| pid.to_string());
            (in_use, path, Some(("pid", pid)))
        }
        OpenError::Io { path, source } => {
            ("start.store_failed", path, Some(("reason", source.to_string())))
        }
        OpenError::NoStore { path } => ("store.none", path, None),
    };
    let path = ("path", path.display().to_string());
    let params: Vec<_> = std::iter::once(path).chain(more).collect();
    anyhow::Error::msg(render(code, &params, language))
}

/// Opens the data directory for a command that only moves samples in or out, however old they are.
pub(crate) fn open_for_transfer(
    config: &Config,
    clock: &Clock,
    language: Language,
) -> anyhow::Result<Store> {
    let options = store::Options { accept_old: true, ..store_options(config) };
    match Store::open(&config.storage.path, options, clock.clone()) {
        Ok((store, _)) => Ok(store),
        Err(error) => Err(store_refused(&error, "transfer.store_in_use", language)),
    }
}

/// As [`open_for_transfer`]; nothing where another process has it.
pub(crate) fn open_unless_in_use(
    config: &Config,
    clock: &Clock,
    language: Language,
) -> anyhow::Result<Option<Store>> {
    match Store::open(&config.storage.path, store_options(config), clock.clone()) {
        Ok((store, _)) => Ok(Some(store)),
        Err(OpenError::InUse { .. }) => Ok(None),
        Err(error) => Err(store_refused(&error, "transfer.store_in_use", language)),
    }
}

fn store_options(config: &Config) -> store::Options {
    let storage = &config.storage;
    let defaults = store::Options::default();
    store::Options {
        fsync: if storage.fsync_every_batch {
            store::Fsync::EveryBatch
        } else {
            store::Fsync::Interval(Duration::from_secs(1))
        },
        retention: storage.retention,
        rows_retention: storage.rows_retention,
        bytes_max: storage.bytes_max,
        series_max: usize::try_from(storage.series_max).unwrap_or(usize::MAX),
        instance_series_max: storage.instance_series_max,
        window: storage.window,
        accept_old: storage.accept_old,
        exchanges: store::events::Options {
            retention: storage.requests_retention,
            bytes_max: storage.requests_bytes_max,
            ..defaults.exchanges
        },
        noticed: store::events::Options { retention: storage.events_retention, ..defaults.noticed },
        lines: store::events::Options {
            retention: storage.logs_retention,
            bytes_max: storage.logs_bytes_max,
            ..defaults.lines
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_serves_remembers_engines() {
        let config = crate::config::for_test("[storage]\npath = \"/data\"");
        // The agent and `top` have no data directory of their own, and `top` may run beside who serves.
        assert_eq!(collect_settings(&config, "h", 1).found, None);
        let found = remembering_settings(&config, "h", 1).found;
        assert_eq!(found, Some("/data/found-engines.json".into()));
    }
}
