//! A run without a store: it collects, keeps the newest value of each series, and answers `/metrics`.
//!
//! For machines whose samples another program keeps: a Prometheus or a modelwatch that reads them with a
//! `[[scrape]]` job. What nobody fetches is lost.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use anyhow::Context as _;
use collect::{
    Collector, Sinks,
    inventory::{self, Inventory},
};
use model::{
    Clock,
    log::LogRecord,
    message::{Language, render},
    sample::Batch,
};

use crate::{
    api,
    config::Config,
    events::Events,
    latest::Latest,
    wire::{self, Say},
};

/// Everything that handlers need.
pub(crate) struct Agent {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) collector: Collector,
    pub(crate) events: Arc<Events>,
    pub(crate) latest: Arc<Latest>,
    /// The label `instance` of what this program says of itself.
    pub(crate) instance: String,
}

/// Runs until a signal ends it.
pub(crate) fn run(config: Config, language: Language, say: Say<'_>) -> anyhow::Result<()> {
    let clock = Clock::system();
    let inventory = inventory::read(&config.collect.root);
    let (listener, address) = wire::bind(config.server.listen, &config.collect.root, language)?;
    // One thread is enough: what takes long has threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the asynchronous runtime")?;
    let agent = assemble(config, clock, &inventory, address, &runtime)?;
    wire::introduce(&inventory, language, say);
    let url = format!("http://{}/metrics", wire::reachable(address));
    say(&render("start.metrics", &[("url", url)], language));
    let result = runtime.block_on(answer(&agent, listener, language, say));
    agent.collector.stop();
    runtime.shutdown_timeout(wire::RUNTIME_PATIENCE);
    result
}

/// Connects the parts.
fn assemble(
    config: Config,
    clock: Clock,
    inventory: &Inventory,
    address: SocketAddr,
    runtime: &tokio::runtime::Runtime,
) -> anyhow::Result<Arc<Agent>> {
    let series_max = usize::try_from(config.storage.series_max).unwrap_or(usize::MAX);
    let latest = Arc::new(Latest::new(series_max));
    let events = Arc::new(Events::default());
    let sinks = Sinks {
        batch: {
            let latest = Arc::clone(&latest);
            Arc::new(move |batch: Batch| latest.put(batch))
        },
        event: {
            let events = Arc::clone(&events);
            Arc::new(move |record: LogRecord| events.push(record))
        },
        lines: None,
    };
    let instance = wire::instance(inventory, address);
    let settings = wire::collect_settings(&config, &instance, address.port());
    let collector = Collector::start(settings, clock.clone(), sinks, runtime.handle())
        .context("failed to start the collectors")?;
    Ok(Arc::new(Agent { config, clock, collector, events, latest, instance }))
}

async fn answer(
    agent: &Arc<Agent>,
    listener: TcpListener,
    language: Language,
    say: Say<'_>,
) -> anyhow::Result<()> {
    let signals = wire::Signals::catch()?;
    let listener = tokio::net::TcpListener::from_std(listener).context("failed to listen")?;
    // Its answers are short, so that ending cuts none off that a reader would miss.
    let server = axum::serve(listener, api::agent_router(Arc::clone(agent)));
    let server = tokio::spawn(server.into_future());
    let Agent { collector, clock, config, .. } = &**agent;
    signals.wait(wire::report_engines(collector, clock, config, language, say)).await;
    say(&render::<&str, &str>("start.stopping", &[], language));
    server.abort();
    Ok(())
}
