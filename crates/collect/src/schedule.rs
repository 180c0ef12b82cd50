//! When sources are read: threads that tick on whole multiples of a period, each reading the sources
//! it was given, one after the other, into one batch per tick.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use model::{Clock, Labels, UnixMs, log::LogRecord, sample::Batch};

use crate::{Failure, FailureKind, Registry, Sinks, guard::Guard, source::SourceGroup};

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
    /// Ticks between two readings.
    every: i64,
    /// The same while the source is absent, if that is more.
    absent_every: i64,
    is_absent: bool,
    /// Series that say whether each reading succeeded and how many seconds it took.
    reports: Vec<[Labels; 2]>,
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
            every: i64::from(every),
            absent_every: 1,
            is_absent: false,
            reports: Vec::new(),
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

    /// Looks for the source only every so many ticks while it is absent.
    pub(crate) fn looking_every(mut self, ticks: u32) -> Self {
        self.absent_every = i64::from(ticks);
        self
    }

    /// Tells in these series whether each reading succeeded and how many seconds it took.
    pub(crate) fn reporting(mut self, reports: Vec<[Labels; 2]>) -> Self {
        self.reports = reports;
        self
    }

    pub(crate) fn is_due(&self, tick: i64) -> bool {
        let every = if self.is_absent { self.every.max(self.absent_every) } else { self.every };
        tick % every == 0
    }

    pub(crate) fn read(&mut self, clock: &Clock, batch: &mut Batch) {
        let started = clock.monotonic();
        let succeeded = self.read_guarded(clock, batch);
        let duration = clock.monotonic().saturating_sub(started).as_secs_f64();
        for [success, took] in &self.reports {
            batch.push(success, f64::from(u8::from(succeeded)));
            batch.push(took, duration);
        }
    }

    fn read_guarded(&mut self, clock: &Clock, batch: &mut Batch) -> bool {
        let Self { open, sampler, guard, is_absent, .. } = self;
        let mut was_closed = false;
        let mut read = |batch: &mut Batch| {
            let sampler = match sampler {
                Some(sampler) => sampler,
                None => {
                    was_closed = true;
                    sampler.insert(open()?)
                }
            };
            sampler.sample(batch)
        };
        *is_absent = false;
        let succeeded = guard.run(clock, batch, |batch| {
            let outcome = read(batch);
            *is_absent = matches!(&outcome, Err(failure) if failure.kind == FailureKind::Absent);
            outcome
        });
        guard.handle().set_hint(sampler.as_ref().and_then(|sampler| sampler.hint()));
        if !succeeded {
            *sampler = None;
        }
        if was_closed && !succeeded {
            self.rests_until = clock.monotonic() + self.rest;
        }
        succeeded
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
/// machine slept, the clock jumped) it goes on with the next multiple and catches nothing up. A thread
/// whose sources are all read rarely sleeps over the ticks between.
fn run(
    mut tasks: Vec<Task>,
    period: Duration,
    clock: &Clock,
    sinks: &Sinks,
    stopped: &Receiver<()>,
) {
    let period_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX).max(1);
    let step = tasks.iter().map(|task| task.every).reduce(common_divisor).unwrap_or(1);
    let step_ms = period_ms.saturating_mul(step);
    let mut is_first = true;
    let mut series = 0;
    loop {
        let now = clock.now().0;
        let tick = now.div_euclid(step_ms) * step;
        // The first readings are taken at once and not at the tick before.
        let time = if is_first { now.div_euclid(period_ms) * period_ms } else { tick * period_ms };
        let mut batch = Batch::new(UnixMs(time));
        batch.samples.reserve(series);
        let started = clock.monotonic();
        for task in &mut tasks {
            if (is_first || task.is_due(tick)) && task.rests_until <= started {
                task.read(clock, &mut batch);
                task.events().into_iter().for_each(|event| (sinks.event)(event));
            }
        }
        is_first = false;
        series = batch.samples.len();
        if !batch.samples.is_empty() {
            (sinks.batch)(batch);
        }
        // A thread whose sources all rest does not wake up for nothing.
        let rest = tasks.iter().map(|task| task.rests_until).min().unwrap_or_default();
        let rest = rest.saturating_sub(clock.monotonic());
        let into_step = clock.now().0.rem_euclid(step_ms);
        let wait = Duration::from_millis(u64::try_from(step_ms - into_step).unwrap_or(1));
        if !matches!(stopped.recv_timeout(wait.max(rest)), Err(RecvTimeoutError::Timeout)) {
            return;
        }
    }
}

fn common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divisors() {
        let check = |every: &[i64], expected| {
            assert_eq!(every.iter().copied().reduce(common_divisor), expected);
        };
        check(&[5, 60, 15], Some(5));
        check(&[60], Some(60));
        check(&[2, 3], Some(1));
        check(&[], None);
    }
}
