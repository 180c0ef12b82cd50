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

use super::json::ApiError;
use crate::export;

/// What one query may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) timeout: Duration,
    pub(crate) samples_max: u64,
    /// Queries that run at the same time; further ones wait for their turn.
    pub(crate) concurrency_max: usize,
}

/// Evaluates queries on the blocking pool. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Queries {
    source: Arc<dyn SeriesSource>,
    clock: Clock,
    limits: Limits,
    settings: Settings,
    turns: Arc<Semaphore>,
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
        let turns = Arc::new(Semaphore::new(limits.concurrency_max));
        Self { source, clock, limits, settings: Settings::default(), turns }
    }

    pub(crate) fn now(&self) -> UnixMs {
        self.clock.now()
    }

    fn budget(&self, timeout: Option<Duration>) -> Budget {
        let timeout = timeout.map_or(self.limits.timeout, |asked| asked.min(self.limits.timeout));
        Budget::new(self.clock.clone(), timeout, self.limits.samples_max)
    }

    /// What one slice of an export may cost. An export may take as long as its reader waits.
    pub(super) fn export_budget(&self) -> Budget {
        Budget::new(self.clock.clone(), Duration::MAX, export::SAMPLES_MAX)
    }

    /// Evaluates `expr` over `grid`.
    pub(super) async fn evaluate(
        &self,
        expr: Expr,
        grid: Grid,
        timeout: Option<Duration>,
    ) -> Result<Output, ApiError> {
        let settings = self.settings.clone();
        self.run(timeout, move |source, budget| {
            query::evaluate(&expr, source, grid, &settings, budget).map_err(from_query_error)
        })
        .await
    }

    /// Evaluates at once on this thread, for short questions of our own.
    pub(crate) fn evaluate_here(&self, expr: &Expr, time: UnixMs) -> Result<Output, QueryError> {
        let budget = self.budget(None);
        query::evaluate(expr, &*self.source, Grid::instant(time), &self.settings, &budget)
    }

    /// Runs `work` on the blocking pool under a budget of its own.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        timeout: Option<Duration>,
        work: impl FnOnce(&dyn SeriesSource, &Budget) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let budget = self.budget(timeout);
        let _cancel = CancelOnDrop::new(&budget);
        let turn = Arc::clone(&self.turns).acquire_owned();
        let limit = self.limits.timeout;
        let Ok(Ok(turn)) = tokio::time::timeout(limit, turn).await else {
            return Err(ApiError::timeout("query timed out while waiting for its turn"));
        };
        let source = Arc::clone(&self.source);
        let result = tokio::task::spawn_blocking(move || {
            let result = work(&*source, &budget);
            drop(turn);
            result
        });
        result.await.unwrap_or_else(|_| {
            Err(ApiError::internal("evaluating the query failed; please report this query"))
        })
    }
}

fn from_query_error(error: QueryError) -> ApiError {
    match error {
        QueryError::Select(error) => from_select_error(error),
        other => ApiError::execution(other.to_string()),
    }
}

pub(super) fn from_select_error(error: SelectError) -> ApiError {
    match error {
        SelectError::Cancelled => ApiError::canceled("query was canceled"),
        SelectError::TimedOut => ApiError::timeout("query timed out"),
        SelectError::TooManySamples => ApiError::execution(error.to_string()),
        SelectError::Storage(text) => ApiError::internal(text),
    }
}

#[cfg(test)]
mod tests {
    use model::{Labels, sample::Batch};
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
