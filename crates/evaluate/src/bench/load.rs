//! When requests are sent, and the account of what came of them.

use std::{
    collections::BTreeMap,
    future::Future,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use dialect::Gaps;
use model::Clock;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};

use super::{
    Arrival, Load, Measured, Plan, Progress, Record,
    exchange::{self, Done, Due, Kind},
    report::{self, Account},
};
use crate::{client::Client, random::Random};

/// Requests that were due and wait to be taken up. When it is full the pacer waits too, and what is late
/// for that counts as late.
const DUE_CAPACITY: usize = 64;
/// The pacer looks this often whether it shall stop.
const NAP_MAX: Duration = Duration::from_millis(100);
/// Time for the pacer to get ready before the first request is due.
const HEAD_START: Duration = Duration::from_millis(5);
/// Nobody is there: in a closed loop the next try comes after this, or thousands would be over in a second.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(100);
/// What the random numbers of pauses are for; see `prompt`.
const PAUSE: u64 = 5;

/// What all requests of a run have in common.
#[derive(Clone)]
pub(super) struct Generator {
    pub(super) plan: Arc<Plan>,
    pub(super) client: Arc<Client>,
    pub(super) clock: Clock,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) progress: Arc<Progress>,
}

/// What came of the requests of one load.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) records: Vec<Record>,
    pub(super) gaps: Gaps,
    /// How often, and the first reason that was told.
    pub(super) failures: BTreeMap<Kind, (u64, String)>,
    pub(super) own_lags: Vec<Duration>,
    pub(super) sent_again: u64,
    pub(super) cut_short: u64,
    pub(super) last_end: Duration,
}

/// Which requests, and until when.
struct Span {
    next: AtomicU64,
    end: u64,
    until: Option<Duration>,
    began: Duration,
}

impl Generator {
    /// Sends the requests as fast as they are answered, and forgets what came of them.
    pub(super) async fn warm_up(&self, load: Load, indices: Range<u64>) {
        let count = indices.end.saturating_sub(indices.start);
        let workers = u64::from(load.in_flight_max()).min(count);
        let quiet = Self { progress: Arc::default(), ..self.clone() };
        let span = Span {
            next: AtomicU64::new(indices.start),
            end: indices.end,
            until: None,
            began: self.clock.monotonic(),
        };
        quiet.closed(workers, span, &Arc::default()).await;
    }

    /// The requests of one load, from this index on.
    pub(super) async fn measure(&self, load: Load, first: u64) -> Measured {
        self.progress.done.store(0, Ordering::Relaxed);
        self.progress.failed.store(0, Ordering::Relaxed);
        let tally = Arc::new(Mutex::new(Tally::default()));
        let cpu = cpu_time();
        let began = self.clock.monotonic();
        let end = first.saturating_add(self.plan.requests);
        match load {
            Load::Closed { concurrency } => {
                let until = self.plan.duration.map(|duration| began + duration);
                let span = Span { next: AtomicU64::new(first), end, until, began };
                self.closed(concurrency.into(), span, &tally).await;
            }
            Load::Open { rate, arrival, in_flight_max } => {
                self.open(rate, arrival, in_flight_max, first..end, &tally).await;
            }
        }
        let tally = std::mem::take(&mut *lock(&tally));
        let account = Account {
            load,
            wall: tally.last_end.saturating_sub(began),
            cpu: cpu_time().saturating_sub(cpu),
            slo: self.plan.slo,
        };
        report::measured(account, tally)
    }

    async fn closed(&self, workers: u64, span: Span, tally: &Arc<Mutex<Tally>>) {
        let span = Arc::new(span);
        let mut at_work = JoinSet::new();
        for _ in 0..workers {
            let (generator, span, tally) = (self.clone(), Arc::clone(&span), Arc::clone(tally));
            at_work.spawn(async move {
                loop {
                    let free = generator.clock.monotonic();
                    let index = span.next.fetch_add(1, Ordering::Relaxed);
                    let is_over = span.until.is_some_and(|until| free >= until);
                    if index >= span.end || is_over || *generator.stop.borrow() {
                        return;
                    }
                    let body = generator.plan.body(index);
                    let due = Due::Since(free);
                    if generator.one(index, body, due, span.began, &tally).await {
                        generator.unless_stopped(tokio::time::sleep(UNREACHABLE_PAUSE)).await;
                    }
                }
            });
        }
        while at_work.join_next().await.is_some() {}
    }

    async fn open(
        &self,
        rate: f64,
        arrival: Arrival,
        in_flight_max: u32,
        indices: Range<u64>,
        tally: &Arc<Mutex<Tally>>,
    ) {
        let (sender, mut due) = mpsc::channel(DUE_CAPACITY);
        let began = self.clock.monotonic() + HEAD_START;
        let pacer = self.clone();
        let pacing = tokio::task::spawn_blocking(move || {
            pacer.pace(rate, arrival, began, indices, &sender);
        });
        let places = Arc::new(Semaphore::new(in_flight_max as usize));
        let mut possible = Duration::ZERO;
        let mut at_work = JoinSet::new();
        while let Some(Some((index, body, intended))) = self.unless_stopped(due.recv()).await {
            let place = match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => place,
                Err(_) => {
                    let free = Arc::clone(&places).acquire_owned();
                    let Some(Ok(place)) = self.unless_stopped(free).await else { break };
                    possible = self.clock.monotonic();
                    place
                }
            };
            let due = Due::At { intended, possible: possible.max(intended) };
            let (generator, tally) = (self.clone(), Arc::clone(tally));
            at_work.spawn(async move {
                generator.one(index, body, due, began, &tally).await;
                drop(place);
            });
            while at_work.try_join_next().is_some() {}
        }
        drop(due);
        while at_work.join_next().await.is_some() {}
        // It returns nothing, and ends when nobody takes up what is due.
        drop(pacing.await);
    }

    /// Hands every request on in the moment in which it is due. A thread, because the runtime's timers are
    /// a millisecond late.
    fn pace(
        &self,
        rate: f64,
        arrival: Arrival,
        began: Duration,
        indices: Range<u64>,
        sender: &mpsc::Sender<(u64, Bytes, Duration)>,
    ) {
        let mut after = Duration::ZERO;
        for index in indices {
            if self.plan.duration.is_some_and(|duration| after >= duration) {
                return;
            }
            let body = self.plan.body(index);
            let intended = began + after;
            loop {
                let left = intended.saturating_sub(self.clock.monotonic());
                if sender.is_closed() {
                    return;
                }
                if left.is_zero() {
                    break;
                }
                std::thread::sleep(left.min(NAP_MAX));
            }
            if sender.blocking_send((index, body, intended)).is_err() {
                return;
            }
            let pauses = match arrival {
                Arrival::Constant => 1.0,
                Arrival::Poisson => Random::of(self.plan.prompts.seed, PAUSE, index).exponential(),
            };
            after += Duration::try_from_secs_f64(pauses / rate).unwrap_or_default();
        }
    }

    /// Sends one request. Whether nobody was there to take it.
    async fn one(
        &self,
        index: u64,
        body: Bytes,
        due: Due,
        began: Duration,
        tally: &Mutex<Tally>,
    ) -> bool {
        let (plan, client, clock) = (&self.plan, &self.client, &self.clock);
        let mut has_begun = false;
        let asking = async {
            has_begun = true;
            exchange::exchange(plan, client, clock, index, body, due, began).await
        };
        match self.unless_stopped(asking).await {
            None if !has_begun => false,
            None => {
                let mut tally = lock(tally);
                tally.cut_short += 1;
                tally.last_end = tally.last_end.max(self.clock.monotonic());
                false
            }
            Some(done) => {
                self.progress.done.fetch_add(1, Ordering::Relaxed);
                let has_failed = u64::from(done.result.is_err());
                self.progress.failed.fetch_add(has_failed, Ordering::Relaxed);
                let is_unreachable = matches!(done.result, Err((Kind::Connect, _)));
                lock(tally).take(done);
                is_unreachable
            }
        }
    }

    /// `None` when it is time to stop; what was waited for is dropped then.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        let stopped = async {
            // Nobody who could stop it is left: it goes on.
            if stop.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = stopped => None,
            output = work => Some(output),
        }
    }
}

impl Tally {
    fn take(&mut self, done: Done) {
        self.last_end = self.last_end.max(done.ended);
        self.own_lags.extend(done.own_lag);
        self.sent_again += u64::from(done.is_sent_again);
        match done.result {
            Ok((record, gaps)) => {
                self.records.push(record);
                self.gaps.merge(&gaps);
            }
            Err((kind, reason)) => {
                let (count, first) = self.failures.entry(kind).or_default();
                *count += 1;
                if first.is_empty() {
                    *first = reason;
                }
            }
        }
    }
}

/// Processor time that this process has used.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0)) + Duration::from_nanos(nanos)
}

/// Whole after every statement, whoever panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
