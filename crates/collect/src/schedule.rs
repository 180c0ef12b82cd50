//! When sources are read: threads that tick on whole multiples of a period, each reading the sources
//! it was given, one after the other, into one batch per tick.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use model::{Clock, UnixMs, log::LogRecord, sample::Batch};

use crate::{Failure, Registry, Sinks, guard::Guard, source::SourceGroup};

/// An opened source.
pub(crate) trait Sampler: Send {
    /// Adds what can be read now. A single value that cannot be read is left out.
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure>;

    /// What it noticed since the last call that people should be told.
    fn events(&mut self) -> Vec<LogRecord> {
        Vec::new()
    }

    /// What a person should know of a source that works all the same, as a message code with its
    /// parameters.
    fn hint(&self) -> Option<Hint> {
        None
    }
}

/// A message code with its parameters.
pub(crate) type Hint = (&'static str, Vec<(String, String)>);

type Open = Box<dyn FnMut() -> Result<Box<dyn Sampler>, Failure> + Send>;

/// A source with its schedule. It is opened again after a failure, since files come and go.
pub(crate) struct Task {
    every: u32,
    /// How long to leave a source alone that could not be opened.
    rest: Duration,
    rests_until: Duration,
    open: Open,
    sampler: Option<Box<dyn Sampler>>,
    guard: Guard,
}

impl Task {
    /// A source that is read every `every` ticks of `period`.
    pub(crate) fn new(
        name: &str,
        group: SourceGroup,
        (period, every): (Duration, u32),
        registry: &Registry,
        open: impl FnMut() -> Result<Box<dyn Sampler>, Failure> + Send + 'static,
    ) -> Self {
        let handle = registry.register(name.into(), group, period * every);
        Self {
            every,
            rest: Duration::ZERO,
            rests_until: Duration::ZERO,
            open: Box::new(open),
            sampler: None,
            guard: Guard::new(handle),
        }
    }

    /// Tries to open the source again only after `rest`.
    pub(crate) fn resting(mut self, rest: Duration) -> Self {
        self.rest = rest;
        self
    }

    pub(crate) fn read(&mut self, clock: &Clock, batch: &mut Batch) {
        let Self { open, sampler, guard, .. } = self;
        let mut was_closed = false;
        let succeeded = guard.run(clock, batch, |batch| {
            let sampler = match sampler {
                Some(sampler) => sampler,
                None => {
                    was_closed = true;
                    sampler.insert(open()?)
                }
            };
            sampler.sample(batch)
        });
        guard.handle().set_hint(sampler.as_ref().and_then(|sampler| sampler.hint()));
        if !succeeded {
            *sampler = None;
        }
        if was_closed && !succeeded {
            self.rests_until = clock.monotonic() + self.rest;
        }
    }

    fn events(&mut self) -> Vec<LogRecord> {
        self.sampler.as_mut().map(|sampler| sampler.events()).unwrap_or_default()
    }

    pub(crate) fn into_guard(self) -> Guard {
        self.guard
    }
}

/// The running threads.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    stops: Vec<SyncSender<()>>,
    pub(crate) threads: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Starts a thread for `tasks`. The first readings are taken at once.
    pub(crate) fn spawn(
        &mut self,
        name: &str,
        tasks: Vec<Task>,
        period: Duration,
        clock: &Clock,
        sinks: &Sinks,
    ) -> io::Result<()> {
        let (stop, stopped) = sync_channel(1);
        let (clock, sinks) = (clock.clone(), sinks.clone());
        let run = move || run(tasks, period, &clock, &sinks, &stopped);
        self.threads.push(thread::Builder::new().name(name.into()).spawn(run)?);
        self.stops.push(stop);
        Ok(())
    }

    /// Ends the threads. One that hangs in the kernel is left behind; it ends with the process.
    pub(crate) fn stop(&self) {
        for stop in &self.stops {
            // An error means that the thread has ended already.
            stop.try_send(()).ok();
        }
    }
}

/// Ticks on whole multiples of the period, so that all series share timestamps. After a pause (the
/// machine slept, the clock jumped) it goes on with the next multiple and catches nothing up.
fn run(
    mut tasks: Vec<Task>,
    period: Duration,
    clock: &Clock,
    sinks: &Sinks,
    stopped: &Receiver<()>,
) {
    let period_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX).max(1);
    let mut is_first = true;
    loop {
        let time = UnixMs(clock.now().0.div_euclid(period_ms) * period_ms);
        let tick = time.0.div_euclid(period_ms);
        let mut batch = Batch::new(time);
        let now = clock.monotonic();
        for task in &mut tasks {
            let is_due = is_first || tick % i64::from(task.every) == 0;
            if is_due && task.rests_until <= now {
                task.read(clock, &mut batch);
                task.events().into_iter().for_each(|event| (sinks.event)(event));
            }
        }
        is_first = false;
        if !batch.samples.is_empty() {
            (sinks.batch)(batch);
        }
        // A thread whose sources all rest does not wake up for nothing.
        let rest = tasks.iter().map(|task| task.rests_until).min().unwrap_or_default();
        let rest = rest.saturating_sub(clock.monotonic());
        let into_period = clock.now().0.rem_euclid(period_ms);
        let wait = Duration::from_millis(u64::try_from(period_ms - into_period).unwrap_or(1));
        if !matches!(stopped.recv_timeout(wait.max(rest)), Err(RecvTimeoutError::Timeout)) {
            return;
        }
    }
}
