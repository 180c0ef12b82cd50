//! When sources are read: threads that tick on whole multiples of a period, each reading the sources
//! it was given, one after the other, into one batch per tick.

use std::{
    collections::HashMap,
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
        let (clock, sinks) = (clock.clone(), sinks.clone());
        let mut tasks = tasks;
        self.spawn_work(name, move |stopped| {
            run(&mut tasks, period, &clock, &sinks, stopped, Absence::Waits);
        })
    }

    /// Starts a thread that does `work` until it is told to stop.
    pub(crate) fn spawn_work(
        &mut self,
        name: &str,
        work: impl FnOnce(&Receiver<()>) + Send + 'static,
    ) -> io::Result<()> {
        let (stop, stopped) = sync_channel(1);
        let work = move || work(&stopped);
        self.threads.push(thread::Builder::new().name(name.into()).spawn(work)?);
        self.stops.push(stop);
        Ok(())
    }

    /// Gives each of `visits` a thread while its source is there, and looks again every `rest` for those
    /// that are absent. A thread that only waits would cost memory: the allocator keeps some for each.
    pub(crate) fn spawn_while_present(
        &mut self,
        name: &str,
        visits: Vec<Visit>,
        rest: Duration,
        clock: &Clock,
        sinks: &Sinks,
    ) -> io::Result<()> {
        let (clock, sinks) = (clock.clone(), sinks.clone());
        self.spawn_work(name, move |stopped| visit_all(visits, rest, &clock, &sinks, stopped))
    }

    /// Ends the threads. One that hangs in the kernel is left behind; it ends with the process.
    pub(crate) fn stop(&self) {
        for stop in &self.stops {
            // An error means that the thread has ended already.
            stop.try_send(()).ok();
        }
    }
}

/// A task that has a thread of its own while its source is there.
pub(crate) struct Visit {
    pub(crate) name: &'static str,
    pub(crate) task: Task,
    pub(crate) period: Duration,
}

fn visit_all(
    mut absent: Vec<Visit>,
    rest: Duration,
    clock: &Clock,
    sinks: &Sinks,
    stopped: &Receiver<()>,
) {
    // There is room for all that may come back, so that nobody waits.
    let (back, came_back) = sync_channel(absent.len());
    let mut stops: HashMap<&'static str, SyncSender<()>> = HashMap::new();
    loop {
        for visit in absent.drain(..) {
            let name = visit.name;
            stops.extend(begin(visit, clock, sinks, &back).map(|stop| (name, stop)));
        }
        if !matches!(stopped.recv_timeout(rest), Err(RecvTimeoutError::Timeout)) {
            // An error means that the thread has ended already.
            for stop in stops.values() {
                stop.try_send(()).ok();
            }
            return;
        }
        absent.extend(came_back.try_iter());
    }
}

/// Starts the thread of one task, which gives the task back when its source is absent. Without a thread
/// the task is given back at once.
fn begin(
    visit: Visit,
    clock: &Clock,
    sinks: &Sinks,
    back: &SyncSender<Visit>,
) -> Option<SyncSender<()>> {
    let (stop, stopped) = sync_channel(1);
    let (clock, sinks, back_later) = (clock.clone(), sinks.clone(), back.clone());
    // Outside of the thread, so that it is not lost with a thread that could not be started.
    let (hand_over, handed_over) = sync_channel::<Visit>(1);
    let work = move || {
        let Ok(mut visit) = handed_over.recv() else { return };
        visit.task.rests_until = Duration::ZERO;
        let tasks = std::slice::from_mut(&mut visit.task);
        if run(tasks, visit.period, &clock, &sinks, &stopped, Absence::Ends) {
            // An error means that nobody looks any more.
            back_later.send(visit).ok();
        }
    };
    match thread::Builder::new().name(visit.name.into()).spawn(work) {
        Ok(_) => {
            hand_over.send(visit).ok();
            Some(stop)
        }
        Err(_) => {
            back.send(visit).ok();
            None
        }
    }
}

/// What a thread does whose sources are all absent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absence {
    Waits,
    Ends,
}

/// Returns whether it ended because of absence and not because it was told to.
///
/// Ticks on whole multiples of the period, so that all series share timestamps. After a pause (the
/// machine slept, the clock jumped) it goes on with the next multiple and catches nothing up. A thread
/// whose sources are all read rarely sleeps over the ticks between.
fn run(
    tasks: &mut [Task],
    period: Duration,
    clock: &Clock,
    sinks: &Sinks,
    stopped: &Receiver<()>,
    absence: Absence,
) -> bool {
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
        for task in &mut *tasks {
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
        if absence == Absence::Ends && tasks.iter().all(|task| task.is_absent) {
            return true;
        }
        // A thread whose sources all rest does not wake up for nothing.
        let rest = tasks.iter().map(|task| task.rests_until).min().unwrap_or_default();
        let rest = rest.saturating_sub(clock.monotonic());
        let into_step = clock.now().0.rem_euclid(step_ms);
        let wait = Duration::from_millis(u64::try_from(step_ms - into_step).unwrap_or(1));
        if !matches!(stopped.recv_timeout(wait.max(rest)), Err(RecvTimeoutError::Timeout)) {
            return false;
        }
    }
}

fn common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Absent until it was looked for twice, then there.
    struct Late;

    impl Sampler for Late {
        fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
            batch.push(&Labels::metric("late", [("a", "b")]), 1.0);
            Ok(())
        }
    }

    #[test]
    fn what_is_absent_has_no_thread_and_is_found_when_it_comes() {
        let (came, batches) = sync_channel(64);
        let sinks = Sinks {
            batch: std::sync::Arc::new(move |batch: Batch| drop(came.try_send(batch))),
            event: std::sync::Arc::new(|_| {}),
            lines: None,
        };
        let (opened, openings) = sync_channel(64);
        let mut looks = 0;
        let open = move || -> Result<Box<dyn Sampler>, Failure> {
            looks += 1;
            opened.send(thread::current().id()).ok();
            if looks < 3 { Err(Failure::new(FailureKind::Absent, "")) } else { Ok(Box::new(Late)) }
        };
        let period = Duration::from_millis(20);
        let group = SourceGroup::Accelerator;
        let task = Task::new("late", group, (period, 1), &Registry::default(), open)
            .resting(Duration::from_secs(3_600));
        let mut watch = Watch::default();
        let visits = vec![Visit { name: "late", task, period }];
        watch.spawn_while_present("looker", visits, period, &Clock::system(), &sinks).unwrap();
        let patience = Duration::from_secs(10);
        for _ in 0..3 {
            let batch = batches.recv_timeout(patience).unwrap();
            assert_eq!(batch.samples[0].0.name(), "late");
        }
        let threads: std::collections::HashSet<_> = openings.try_iter().collect();
        assert_eq!(threads.len(), 3, "each look has a thread of its own");
        watch.stop();
        for thread in watch.threads {
            thread.join().unwrap();
        }
        // The looker passed it on: the last thread ends, and with it the way to tell.
        drop(sinks);
        assert!(batches.iter().take(500).count() < 500);
    }

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
