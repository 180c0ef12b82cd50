//! Collecting in this process, where no modelwatch runs: what `modelwatch agent` does, without its port.
//!
//! Nothing is stored and nothing listens. What was before the start is not known.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use anyhow::Context as _;
use collect::{Collector, Sinks, inventory};
use model::{Clock, UnixMs, log::LogRecord, sample::Batch, series::Budget};
use query::{Expr, Grid, Output, QueryError, Settings};
use serde_json::json;

use super::{
    Input,
    memory::{self, Memory},
    questions::{Ask, QUESTIONS, WINDOW_MS},
    remote::Wishes,
    state::{News, State},
};
use crate::{
    api::{collected_json, event_json, seen_json},
    config::Config,
    own::CostMeter,
    verdict::{self, Verdicts},
    wire,
};

/// Events that wait for the next look; the newest beyond are dropped.
const EVENTS_MAX: usize = 200;

/// How often a stop is looked for.
const NAP: Duration = Duration::from_millis(100);

/// Samples of one question, and how long one may take.
const SAMPLES_MAX: u64 = 5_000_000;
/// See [`SAMPLES_MAX`].
const PATIENCE: Duration = Duration::from_secs(5);

/// A collector and what it has seen lately.
pub(super) struct Local {
    runtime: Option<tokio::runtime::Runtime>,
    collector: Collector,
    clock: Clock,
    memory: Arc<Memory>,
    events: Arc<Mutex<Vec<LogRecord>>>,
    inventory: inventory::Inventory,
    verdicts: Verdicts,
    cost: CostMeter,
    questions: Vec<(Ask, Expr)>,
}

impl Local {
    pub(super) fn start(config: &Config, clock: &Clock) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("failed to start the asynchronous runtime")?;
        let texts = QUESTIONS.iter().map(|question| question.query).chain(verdict::queries());
        let memory = Arc::new(Memory::new(texts, memory::SERIES_MAX, WINDOW_MS + 30_000));
        let events = Arc::new(Mutex::new(Vec::new()));
        let sinks = Sinks {
            batch: {
                let memory = Arc::clone(&memory);
                Arc::new(move |batch: Batch| memory.put(&batch))
            },
            event: {
                let events = Arc::clone(&events);
                Arc::new(move |record: LogRecord| {
                    let mut events = events.lock().unwrap_or_else(PoisonError::into_inner);
                    if events.len() < EVENTS_MAX {
                        events.push(record);
                    }
                })
            },
            lines: None,
        };
        let inventory = inventory::read(&config.collect.root);
        let address = config.server.listen;
        let instance = wire::instance(&inventory, address);
        let settings = wire::collect_settings(config, &instance, address.port());
        let collector = Collector::start(settings, clock.clone(), sinks, runtime.handle())
            .context("failed to start the collectors")?;
        let questions = QUESTIONS.iter().map(|it| Ok((it.ask, query::parse(it.query)?)));
        Ok(Self {
            runtime: Some(runtime),
            collector,
            clock: clock.clone(),
            memory,
            events,
            inventory,
            verdicts: Verdicts::new(clock.now())?,
            cost: CostMeter::default(),
            questions: questions.collect::<Result<_, query::ParseError>>()?,
        })
    }

    /// Tells everything there is to tell at present, unless `stop` turns true meanwhile.
    fn look(&self, stop: &AtomicBool, tell: &mut dyn FnMut(News)) {
        let now = self.clock.now();
        let time = UnixMs(now.0.div_euclid(1_000) * 1_000);
        self.verdicts.judge(&|expr| self.evaluate(expr, time), &self.collector, None, time);
        for (ask, expr) in &self.questions {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let values = match self.evaluate(expr, time) {
                Ok(output) => output.value.into_floats(),
                Err(error) => {
                    tracing::debug!("{ask:?}: {error}");
                    Vec::new()
                }
            };
            tell(News::Values { ask: *ask, time, values });
        }
        let cost = self.cost.read(self.clock.monotonic());
        let verdict = self.verdicts.current();
        tell(News::Overview(seen_json(&self.inventory, &self.collector, &verdict, &cost)));
        tell(News::Sources(json!({ "sources": collected_json(&self.collector) })));
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = events.drain(..).map(|record| event_json(&record)).collect();
        drop(events);
        if !new.is_empty() {
            tell(News::Events(json!({ "events": new })));
        }
    }

    fn evaluate(&self, expr: &Expr, time: UnixMs) -> Result<Output, QueryError> {
        let budget = Budget::new(self.clock.clone(), PATIENCE, SAMPLES_MAX);
        query::evaluate(expr, &*self.memory, Grid::instant(time), &Settings::default(), &budget)
    }

    /// Tells until nobody listens any more or a stop is wished for.
    pub(super) fn follow(
        self,
        interval: Duration,
        tell: SyncSender<Input>,
        wishes: Arc<Wishes>,
    ) -> std::io::Result<Ending> {
        let (alive, ended) = sync_channel(0);
        let work = move || {
            // Dropped last: everything has ended by then.
            let _alive = alive;
            let this = self;
            this.tell(interval, &tell, &wishes);
        };
        std::thread::Builder::new().name("top-collect".into()).spawn(work)?;
        Ok(Ending(ended))
    }

    fn tell(&self, interval: Duration, tell: &SyncSender<Input>, wishes: &Wishes) {
        let mut next = self.clock.monotonic();
        while !wishes.stop.load(Ordering::Relaxed) {
            if self.clock.monotonic() < next {
                std::thread::sleep(NAP.min(interval));
                continue;
            }
            let mut is_heard = true;
            let mut send = |news| is_heard &= tell.send(Input::News(Box::new(news))).is_ok();
            self.look(&wishes.stop, &mut send);
            if !is_heard {
                return;
            }
            next = self.clock.monotonic() + interval;
        }
    }

    /// Collects until the first look for engines is over and rates can be told, or `patience` ends.
    pub(super) fn look_once(&self, state: &mut State, engine_period: Duration, patience: Duration) {
        let begin = self.clock.monotonic();
        let passed = || self.clock.monotonic().saturating_sub(begin);
        // Two readings of the host, and where there are engines two of those.
        let mut enough = HOST_READINGS;
        while passed() < patience && (passed() < enough || !self.collector.has_discovered()) {
            std::thread::sleep(NAP);
            if !self.collector.engines().is_empty() && self.collector.has_discovered() {
                enough = HOST_READINGS + engine_period;
            }
        }
        let never = AtomicBool::new(false);
        self.look(&never, &mut |news| state.learn(news, self.clock.now()));
    }
}

/// The end of the thread that collects.
pub(super) struct Ending(Receiver<()>);

impl Ending {
    /// Whether it comes within `patience`.
    pub(super) fn is_seen(&self, patience: Duration) -> bool {
        // Nothing is ever sent: the channel ends with the thread.
        matches!(self.0.recv_timeout(patience), Err(RecvTimeoutError::Disconnected))
    }
}

/// In which rates of the host are known.
const HOST_READINGS: Duration = Duration::from_millis(2_500);

impl Drop for Local {
    fn drop(&mut self) {
        self.collector.stop();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(wire::RUNTIME_PATIENCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_awaited_but_not_for_ever() {
        let (alive, ended) = sync_channel(0);
        assert!(!Ending(ended).is_seen(Duration::from_millis(1)));
        drop(alive);
        let (alive, ended) = sync_channel(0);
        let thread = std::thread::spawn(move || drop(alive));
        assert!(Ending(ended).is_seen(Duration::from_secs(60)));
        thread.join().unwrap();
    }
}
