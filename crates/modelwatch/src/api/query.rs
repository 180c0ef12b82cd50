//! Runs queries with limits: how long, how much, how many at once, and no longer than their asker
//! waits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use model::{
    Clock, UnixMs,
    series::{Budget, SelectError, SeriesSource},
};
use query::{Expr, Grid, Output, QueryError, Settings};
use tokio::sync::Semaphore;

use super::{form::invalid, json::ApiError};
use crate::export;

/// What one query may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) timeout: Duration,
    pub(crate) samples_max: u64,
    /// Largest answer, before it is compressed.
    pub(crate) result_bytes_max: usize,
    /// Queries that run at the same time; further ones wait for their turn.
    pub(crate) concurrency_max: usize,
    /// Queries that wait; further ones are refused.
    pub(crate) waiting_max: usize,
}

/// Evaluates queries on the blocking pool. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Queries {
    source: Arc<dyn SeriesSource>,
    clock: Clock,
    limits: Limits,
    settings: Settings,
    /// Of queries that run or wait.
    places: Arc<Semaphore>,
    /// Of queries that run.
    turns: Arc<Semaphore>,
}

/// What to evaluate, and how it differs from the other queries.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) expr: Expr,
    pub(super) grid: Grid,
    /// Shorter than what every query may take, else without effect.
    pub(super) timeout: Option<Duration>,
    /// In place of that of the settings.
    pub(super) lookback: Option<Duration>,
    pub(super) counts_per_step: bool,
}

/// What came out.
pub(super) struct Evaluated {
    pub(super) output: Output,
    /// How long the query waited for its turn.
    pub(super) queued: Duration,
    /// How long it took then.
    pub(super) evaluated: Duration,
}

/// Ends the query when its asker is gone: dropping the future of a request drops this.
pub(super) struct CancelOnDrop(Arc<AtomicBool>);

impl CancelOnDrop {
    pub(super) fn new(budget: &Budget) -> Self {
        Self(budget.cancel_flag())
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Queries {
    pub(crate) fn new(source: Arc<dyn SeriesSource>, clock: Clock, limits: Limits) -> Self {
        let places = limits.concurrency_max.saturating_add(limits.waiting_max);
        let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        let turns = Arc::new(Semaphore::new(limits.concurrency_max));
        Self { source, clock, limits, settings: Settings::default(), places, turns }
    }

    pub(crate) fn now(&self) -> UnixMs {
        self.clock.now()
    }

    /// How old the newest sample of a series may be to count as its present value.
    pub(super) fn lookback(&self) -> Duration {
        self.settings.lookback
    }

    /// Time of the oldest sample there is.
    pub(super) fn oldest_sample(&self) -> UnixMs {
        self.source.oldest_sample()
    }

    /// Largest answer, before it is compressed.
    pub(super) fn result_bytes_max(&self) -> usize {
        self.limits.result_bytes_max
    }

    fn budget(&self, timeout: Option<Duration>) -> Budget {
        Budget::new(self.clock.clone(), self.timeout(timeout), self.limits.samples_max)
    }

    /// How long a query may take that asks for so long.
    fn timeout(&self, asked: Option<Duration>) -> Duration {
        asked.map_or(self.limits.timeout, |asked| asked.min(self.limits.timeout))
    }

    /// What one slice of an export may cost. An export may take as long as its reader waits.
    pub(super) fn export_budget(&self) -> Budget {
        Budget::new(self.clock.clone(), Duration::MAX, export::SAMPLES_MAX)
    }

    /// Evaluates a question and renders what comes out, both on the blocking pool.
    pub(super) async fn evaluate<T: Send + 'static>(
        &self,
        question: Question,
        render: impl FnOnce(Evaluated) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let mut settings = self.settings.clone();
        settings.lookback = question.lookback.unwrap_or(settings.lookback);
        settings.counts_per_step = question.counts_per_step;
        let clock = self.clock.clone();
        let asked = clock.monotonic();
        self.run(question.timeout, move |source, budget| {
            let begun = clock.monotonic();
            let output = query::evaluate(&question.expr, source, question.grid, &settings, budget)
                .map_err(from_query_error)?;
            let evaluated = clock.monotonic().saturating_sub(begun);
            render(Evaluated { output, queued: begun.saturating_sub(asked), evaluated })
        })
        .await
    }

    /// Evaluates at once on this thread, for short questions of our own, for so long at most.
    pub(crate) fn evaluate_here(
        &self,
        expr: &Expr,
        time: UnixMs,
        timeout: Duration,
    ) -> Result<Output, QueryError> {
        let budget = self.budget(Some(timeout));
        query::evaluate(expr, &*self.source, Grid::instant(time), &self.settings, &budget)
    }

    /// Evaluates on this thread, within the budget of [`Queries::run`].
    pub(super) fn evaluate_within(
        &self,
        expr: &Expr,
        grid: Grid,
        budget: &Budget,
    ) -> Result<Output, QueryError> {
        query::evaluate(expr, &*self.source, grid, &self.settings, budget)
    }

    /// Runs `work` on the blocking pool under a budget of its own.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        timeout: Option<Duration>,
        work: impl FnOnce(&dyn SeriesSource, &Budget) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run_within(self.budget(timeout), self.timeout(timeout), work).await
    }

    /// As [`Queries::run`], for work of our own that reads more than one query may.
    pub(super) async fn run_with<T: Send + 'static>(
        &self,
        timeout: Duration,
        samples_max: u64,
        work: impl FnOnce(&Budget) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let budget = Budget::new(self.clock.clone(), timeout, samples_max);
        self.run_within(budget, timeout, move |_, budget| work(budget)).await
    }

    async fn run_within<T: Send + 'static>(
        &self,
        budget: Budget,
        patience: Duration,
        work: impl FnOnce(&dyn SeriesSource, &Budget) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let waiting_max = self.limits.waiting_max;
            let text = format!(
                "{waiting_max} queries wait already (query.waiting_max); ask again later or less at once"
            );
            return Err(ApiError::unavailable(text));
        };
        let _cancel = CancelOnDrop::new(&budget);
        let turn = Arc::clone(&self.turns).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(patience, turn).await else {
            return Err(ApiError::timeout("query timed out in query queue"));
        };
        let source = Arc::clone(&self.source);
        let result = tokio::task::spawn_blocking(move || {
            let result = work(&*source, &budget);
            // Not before: an asker that goes away frees nothing while its query is still at work.
            drop((turn, place));
            result
        });
        result.await.unwrap_or_else(|_| {
            Err(ApiError::internal("evaluating the query failed; please report this query"))
        })
    }
}

pub(super) fn from_query_error(error: QueryError) -> ApiError {
    match error {
        QueryError::Select(error) => from_select_error(error),
        other @ QueryError::NoRange(_) => invalid("query", &other.to_string()),
        other @ QueryError::Failed(_) => ApiError::execution(other.to_string()),
    }
}

/// In the words of Prometheus, which its clients know.
pub(super) fn from_select_error(error: SelectError) -> ApiError {
    match error {
        SelectError::Cancelled => ApiError::canceled("query was canceled in expression evaluation"),
        SelectError::TimedOut => ApiError::timeout("query timed out in expression evaluation"),
        SelectError::TooManySamples => ApiError::execution(format!("{error} in query execution")),
        SelectError::Storage(text) => ApiError::internal(text),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use model::{
        Labels,
        sample::Batch,
        series::{Matcher, SeriesData, TimeRange},
    };
    use query::Value;
    use store::{Options, Store};

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const MINUTE: Duration = Duration::from_secs(60);

    /// A counter that grows by one a minute, for four days of which two are kept.
    fn store(folder: &std::path::Path, clock: &Clock) -> Store {
        let options = Options { retention: 2 * DAY, ..Options::default() };
        let (store, _) = Store::open(folder, options, clock.clone()).unwrap();
        let labels = Labels::metric("a_total", [("b", "c")]);
        let start = clock.now();
        for minute in 1..=4 * 24 * 60 {
            let now = start + MINUTE * minute;
            clock.set(now);
            let mut batch = Batch::new(now);
            batch.push(&labels, f64::from(minute));
            store.append(&batch).unwrap();
            if minute % 30 == 0 {
                store.maintain(now).unwrap();
            }
        }
        store
    }

    /// A source that reads for as long as somebody waits, and tells when it begins and how it ends.
    struct Endless(SyncSender<Option<SelectError>>);

    impl SeriesSource for Endless {
        fn select(
            &self,
            _: &[Matcher],
            _: TimeRange,
            budget: &Budget,
        ) -> Result<Vec<SeriesData>, SelectError> {
            drop(self.0.send(None));
            loop {
                if let Err(error) = budget.check() {
                    drop(self.0.send(Some(error.clone())));
                    return Err(error);
                }
                std::thread::yield_now();
            }
        }

        fn series(
            &self,
            _: &[Matcher],
            _: TimeRange,
            _: &Budget,
        ) -> Result<Vec<Labels>, SelectError> {
            Ok(Vec::new())
        }
    }

    /// Queries over an endless source: two may run and one may wait.
    fn endless() -> (Queries, Receiver<Option<SelectError>>) {
        let (sender, receiver) = sync_channel(16);
        let limits = Limits {
            timeout: DAY,
            samples_max: 1,
            result_bytes_max: 1 << 20,
            concurrency_max: 2,
            waiting_max: 1,
        };
        (Queries::new(Arc::new(Endless(sender)), Clock::system(), limits), receiver)
    }

    async fn ask(queries: Queries, timeout: Option<Duration>) -> Result<(), ApiError> {
        let question = Question {
            expr: query::parse("a").unwrap(),
            grid: Grid::instant(UnixMs(0)),
            timeout,
            lookback: None,
            counts_per_step: false,
        };
        queries.evaluate(question, |_| Ok(())).await
    }

    #[tokio::test]
    async fn a_query_ends_when_its_asker_is_gone() {
        let (queries, events) = endless();
        let asker = tokio::spawn(ask(queries.clone(), None));
        let events = tokio::task::spawn_blocking(move || {
            assert_eq!(events.recv_timeout(MINUTE), Ok(None));
            events
        });
        let events = events.await.unwrap();
        asker.abort();
        let end = tokio::task::spawn_blocking(move || events.recv_timeout(MINUTE));
        assert_eq!(end.await.unwrap(), Ok(Some(SelectError::Cancelled)));
        // Its turn is free again.
        let turns = queries.turns.acquire_many(2);
        assert!(tokio::time::timeout(MINUTE, turns).await.is_ok());
    }

    #[tokio::test]
    async fn a_crowd_is_turned_away() {
        let (queries, events) = endless();
        let askers: Vec<_> = (0..3).map(|_| tokio::spawn(ask(queries.clone(), None))).collect();
        let events = tokio::task::spawn_blocking(move || {
            for _ in 0..2 {
                assert_eq!(events.recv_timeout(MINUTE), Ok(None));
            }
            events
        });
        let _events = events.await.unwrap();
        while queries.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refusal = format!("{:?}", ask(queries.clone(), None).await);
        assert!(refusal.contains("503") && refusal.contains("query.waiting_max"), "{refusal}");
        // One that waited and left makes room for one that will not wait for long.
        askers[2].abort();
        while queries.places.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        let timeout = format!("{:?}", ask(queries.clone(), Some(Duration::ZERO)).await);
        assert!(timeout.contains("query timed out in query queue"), "{timeout}");
        askers.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[test]
    fn long_ranges_are_answered_from_rows() {
        // A midnight.
        let start = UnixMs(1_795_478_400_000);
        let clock = Clock::manual(start);
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), &clock);
        assert!(store.oldest_sample() > start + DAY, "a day of samples is gone");
        let budget = Budget::new(clock.clone(), DAY, 1_000_000);
        let check = |query: &str, start: UnixMs, expected: &dyn Fn(f64) -> f64, is_told: bool| {
            let grid = Grid { start, end: clock.now(), step_ms: 3_600_000 };
            let expr = query::parse(query).unwrap();
            let output = query::evaluate(&expr, &store, grid, &Settings::default(), &budget);
            let Output { value: Value::Matrix(series), infos, .. } = output.unwrap() else {
                panic!("no matrix");
            };
            assert_eq!(infos.len(), usize::from(is_told), "{query}: {infos:?}");
            assert_eq!((series.len(), series[0].times.len()), (1, 4 * 24), "{query}");
            for (time, value) in series[0].times.iter().zip(&series[0].values) {
                let minute = ((time - clock.now().0) / 60_000) as f64 + 4.0 * 1_440.0;
                let expected = expected(minute);
                assert!(
                    (value - expected).abs() <= 1e-9 * expected,
                    "{query} at {minute}: {value}"
                );
            }
        };
        let hour = start + 60 * MINUTE;
        check("a_total", hour, &|minute| minute, false);
        check("max_over_time(a_total[1h])", hour, &|minute| minute, false);
        check("count_over_time(a_total[30m])", hour, &|_| 30.0, false);
        check("avg_over_time(a_total[1h])", hour, &|minute| minute - 29.5, false);
        check("rate(a_total[30m])", hour, &|_| 1.0 / 60.0, true);
    }
}
