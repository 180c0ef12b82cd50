//! The shared half of all connections: which queries are watched, and one evaluation of each per tick.
//!
//! A tick evaluates what is due, each query once however many pages watch it, and hands the result to all
//! connections. A query may take little, because all pages wait for the slowest one; one that takes too long again
//! and again, or cannot be evaluated, is ended and its watchers are told why.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use model::{Labels, UnixMs, series::SelectError};
use query::{Expr, QueryError};
use tokio::sync::{broadcast, watch};

use super::super::json::{write_labels, write_list};
use crate::{
    alarms::objectives,
    wire::{App, OWN_PERIOD_MS},
};

/// Series of one query; the rest is left out and counted.
pub(super) const SERIES_MAX: usize = 1_000;
/// Distinct queries of all pages together; beyond it a subscription is refused.
const FEEDS_MAX: usize = 2_048;
/// Ticks a slow reader may lag behind before it loses some.
const TICKS_MAX: usize = 8;
/// Evaluations that a vanished series is kept for, so that one late scrape does not redraw a chart.
pub(super) const MISSED_MAX: u32 = 30;
/// Longest time that one evaluation may take.
const EVALUATION_MAX: Duration = Duration::from_secs(1);
/// Longest time that all evaluations of a tick may take; what is left over comes first at the next.
const TICK_EVALUATIONS_MAX: Duration = Duration::from_millis(1_500);
/// Evaluations in a row that may take too long before the query is given up.
const LATE_MAX: u32 = 5;
/// How long after the second the readings of that second are surely stored.
const SETTLE: Duration = Duration::from_millis(250);

pub(crate) struct Hub {
    feeds: Mutex<HashMap<FeedKey, Feed>>,
    ticks: broadcast::Sender<Arc<Tick>>,
    /// Every generation of every feed gets a number of its own, so a page can never mix up two.
    generation: AtomicU32,
    pub(crate) clients: AtomicU64,
    pub(crate) ticks_dropped: AtomicU64,
    pub(crate) evaluations: AtomicU64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FeedKey {
    pub(super) query: String,
    pub(super) step_ms: i64,
}

/// One query that somebody watches.
struct Feed {
    expr: Expr,
    subscribers: usize,
    generation: u32,
    /// Series in schema order with how many evaluations in a row each was missing.
    series: Vec<(Labels, u32)>,
    /// The same series as of this generation, for all frames of it.
    schema: Arc<Schema>,
    /// Evaluations in a row that took too long.
    late: u32,
    /// When it was evaluated last; [`UnixMs::MIN`] before that.
    evaluated: UnixMs,
}

/// What one evaluation gave.
#[derive(Debug)]
pub(super) struct Frame {
    /// When it was evaluated: a whole multiple of the step.
    pub(super) time: UnixMs,
    pub(super) generation: u32,
    /// What the values are of.
    pub(super) schema: Arc<Schema>,
    pub(super) values: Vec<f32>,
}

/// The series of a generation in their order.
#[derive(Debug, Default)]
pub(super) struct Schema {
    pub(super) labels: Vec<Labels>,
    pub(super) omitted: usize,
}

impl Schema {
    pub(super) fn json(&self) -> String {
        let mut text = String::new();
        write_list(&mut text, self.labels.iter(), write_labels);
        text
    }
}

#[derive(Debug)]
pub(super) struct Tick {
    pub(super) time: UnixMs,
    pub(super) frames: HashMap<FeedKey, Frame>,
    /// Queries that are given up, and why.
    pub(super) failures: HashMap<FeedKey, (&'static str, String)>,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            feeds: Mutex::default(),
            ticks: broadcast::channel(TICKS_MAX).0,
            generation: AtomicU32::new(0),
            clients: AtomicU64::new(0),
            ticks_dropped: AtomicU64::new(0),
            evaluations: AtomicU64::new(0),
        }
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<FeedKey, Feed>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ticks(&self) -> broadcast::Receiver<Arc<Tick>> {
        self.ticks.subscribe()
    }

    /// Whether there is room for it.
    pub(super) fn subscribe(&self, key: &FeedKey, expr: Expr) -> bool {
        let mut feeds = self.feeds();
        if feeds.len() >= FEEDS_MAX && !feeds.contains_key(key) {
            return false;
        }
        feeds.entry(key.clone()).or_insert_with(|| Feed::new(expr)).subscribers += 1;
        true
    }

    pub(super) fn unsubscribe(&self, key: &FeedKey) {
        let mut feeds = self.feeds();
        if let Some(feed) = feeds.get_mut(key) {
            feed.subscribers -= 1;
            if feed.subscribers == 0 {
                feeds.remove(key);
            }
        }
    }

    /// What is due at `time`, what was evaluated longest ago first.
    fn due(&self, time: UnixMs) -> Vec<(FeedKey, Expr)> {
        let feeds = self.feeds();
        let is_due = |(key, feed): &(&FeedKey, &Feed)| is_due(key.step_ms, feed.evaluated, time);
        let mut due: Vec<(&FeedKey, &Feed)> = feeds.iter().filter(is_due).collect();
        due.sort_by_key(|(_, feed)| feed.evaluated);
        due.into_iter().map(|(key, feed)| (key.clone(), feed.expr.clone())).collect()
    }

    /// Evaluates what is due. Runs on the blocking pool.
    fn tick(&self, app: &App, time: UnixMs) -> Tick {
        let mut tick = Tick { time, frames: HashMap::new(), failures: HashMap::new() };
        let begun = app.clock.monotonic();
        for (key, expr) in self.due(time) {
            if app.clock.monotonic().saturating_sub(begun) > TICK_EVALUATIONS_MAX {
                break;
            }
            let time = UnixMs(time.0.div_euclid(key.step_ms) * key.step_ms);
            self.evaluations.fetch_add(1, Ordering::Relaxed);
            let found = app.queries.evaluate_here(&expr, time, EVALUATION_MAX);
            // The subscription may have gone while its query ran.
            let mut feeds = self.feeds();
            let Some(feed) = feeds.get_mut(&key) else { continue };
            feed.evaluated = time;
            match found {
                Ok(output) => {
                    let frame = feed.frame(time, output.value.into_floats(), &self.generation);
                    tick.frames.insert(key, frame);
                }
                Err(error) => {
                    if let Some(failure) = feed.fail(&error) {
                        tick.failures.insert(key, failure);
                    }
                }
            }
        }
        tick
    }
}

impl Feed {
    fn new(expr: Expr) -> Self {
        let schema = Arc::default();
        let (series, evaluated) = (Vec::new(), UnixMs::MIN);
        Self { expr, subscribers: 0, generation: 0, series, schema, late: 0, evaluated }
    }

    /// Puts the points into schema order, starting a new generation when the series changed.
    fn frame(
        &mut self,
        time: UnixMs,
        points: Vec<(Labels, f64)>,
        generations: &AtomicU32,
    ) -> Frame {
        self.late = 0;
        let mut by_labels: BTreeMap<Labels, f64> = points.into_iter().collect();
        let mut values = Vec::with_capacity(self.series.len());
        for (labels, missed) in &mut self.series {
            let value = by_labels.remove(labels);
            *missed = if value.is_some() { 0 } else { *missed + 1 };
            values.push(value.unwrap_or(f64::NAN));
        }
        let has_expired = self.series.iter().any(|(_, missed)| *missed > MISSED_MAX);
        // Where there is no room, series that are left out are no news.
        let has_room = self.series.len() < SERIES_MAX;
        if self.generation == 0 || (has_room && !by_labels.is_empty()) || has_expired {
            let known = self.series.iter().zip(&values);
            let mut all: BTreeMap<Labels, (u32, f64)> = known
                .filter(|((_, missed), _)| *missed <= MISSED_MAX)
                .map(|((labels, missed), value)| (labels.clone(), (*missed, *value)))
                .collect();
            all.extend(by_labels.into_iter().map(|(labels, value)| (labels, (0, value))));
            self.generation = generations.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            let omitted = all.len().saturating_sub(SERIES_MAX);
            (self.series, values) = all
                .into_iter()
                .take(SERIES_MAX)
                .map(|(labels, (missed, value))| ((labels, missed), value))
                .unzip();
            let labels = self.series.iter().map(|(labels, _)| labels.clone()).collect();
            self.schema = Arc::new(Schema { labels, omitted });
        }
        let schema = Arc::clone(&self.schema);
        // Charts need no more than single precision; times and counters do not travel this way.
        let values = values.into_iter().map(|value| value as f32).collect();
        Frame { time, generation: self.generation, schema, values }
    }

    /// What to tell the watchers of a query that is given up.
    fn fail(&mut self, error: &QueryError) -> Option<(&'static str, String)> {
        match error {
            QueryError::Select(SelectError::TimedOut) => {
                self.late += 1;
                let seconds = EVALUATION_MAX.as_secs();
                let text = format!("the query takes longer than {seconds} s, too long to be live");
                (self.late >= LATE_MAX).then_some(("too_slow", text))
            }
            error => Some(("failed", error.to_string())),
        }
    }
}

/// Whether `last` lies in another period than `time`: before, or after if the clock was set back. A tick that took
/// long must not make what is due once a minute wait for the next.
pub(crate) fn is_due(period_ms: i64, last: UnixMs, time: UnixMs) -> bool {
    time.0.div_euclid(period_ms) != last.0.div_euclid(period_ms)
}

/// Ticks every wall second until `stop` turns true.
pub(crate) async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut last = UnixMs(app.clock.now().0 / 1_000 * 1_000);
    loop {
        let since_epoch = u64::try_from(app.clock.now().0).unwrap_or_default();
        let into_second = Duration::from_millis(since_epoch % 1_000);
        let wait = if into_second < SETTLE {
            SETTLE - into_second
        } else {
            Duration::from_secs(1) + SETTLE - into_second
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = super::stopped(&mut stop) => return,
        }
        let time = UnixMs(app.clock.now().0 / 1_000 * 1_000);
        let for_tick = Arc::clone(&app);
        let tick = tokio::task::spawn_blocking(move || {
            for_tick.verdicts.refresh(&for_tick, last, time);
            if is_due(OWN_PERIOD_MS, last, time) {
                for_tick.queue.send(crate::own::sample(&for_tick, time));
                for_tick.queue.send(for_tick.lines.samples(time));
            }
            if is_due(objectives::PERIOD_MS, last, time) {
                let evaluate =
                    |expr: &Expr| for_tick.queries.evaluate_here(expr, time, EVALUATION_MAX);
                for_tick.queue.send(for_tick.objectives.samples(&evaluate, time));
            }
            for_tick.hub.tick(&for_tick, time)
        });
        match tick.await {
            // Nobody listening is no error.
            Ok(tick) => drop(app.hub.ticks.send(Arc::new(tick))),
            Err(error) => tracing::error!("a live tick failed: {error}"),
        }
        last = time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: UnixMs = UnixMs(7_000);

    fn feed() -> Feed {
        Feed::new(query::parse("up").unwrap())
    }

    fn points(points: &[(&str, f64)]) -> Vec<(Labels, f64)> {
        points.iter().map(|(name, value)| (Labels::from_pairs([("a", *name)]), *value)).collect()
    }

    #[test]
    fn a_new_series_starts_a_generation_and_a_missing_one_is_absent() {
        let generations = AtomicU32::new(0);
        let mut feed = feed();
        let mut frame = |named: &[(&str, f64)]| feed.frame(TIME, points(named), &generations);
        let first = frame(&[("y", 2.0)]);
        assert_eq!((first.generation, first.values.as_slice()), (1, &[2.0_f32][..]));
        let second = frame(&[("y", 3.0), ("x", 1.0)]);
        assert_eq!((second.generation, second.values.as_slice()), (2, &[1.0_f32, 3.0][..]));
        assert_eq!(second.schema.json(), r#"[{"a":"x"},{"a":"y"}]"#);
        let third = frame(&[("x", 1.0)]);
        assert_eq!(third.generation, 2);
        assert!(third.values[1].is_nan());
        for _ in 0..MISSED_MAX {
            frame(&[("x", 1.0)]);
        }
        let last = frame(&[("x", 1.0)]);
        assert_eq!(last.generation, 3, "a series gone for long leaves the schema");
        assert_eq!(last.schema.labels.len(), 1);
    }

    #[test]
    fn what_is_due_is_not_missed_by_a_late_tick() {
        let check = |period_ms, last, time, expected| {
            assert_eq!(is_due(period_ms, UnixMs(last), UnixMs(time)), expected, "{last} {time}");
        };
        check(1_000, 7_000, 8_000, true);
        check(60_000, 59_000, 60_000, true);
        check(60_000, 59_000, 63_000, true);
        check(60_000, 60_000, 63_000, false);
        check(60_000, 63_000, 63_000, false);
        check(60_000, 3_663_000, 63_000, true);
    }

    #[test]
    fn what_was_left_over_comes_first() {
        let hub = Hub::new();
        let key = |query: &str, step_ms| FeedKey { query: query.into(), step_ms };
        for (query, step_ms, evaluated) in
            [("a", 1_000, 6_000), ("b", 1_000, 7_000), ("c", 1_000, 5_000), ("d", 5_000, 5_000)]
        {
            assert!(hub.subscribe(&key(query, step_ms), query::parse(query).unwrap()));
            hub.feeds().get_mut(&key(query, step_ms)).unwrap().evaluated = UnixMs(evaluated);
        }
        assert!(hub.subscribe(&key("new", 60_000), query::parse("new").unwrap()));
        let due: Vec<String> = hub.due(TIME).into_iter().map(|(key, _)| key.query).collect();
        assert_eq!(due, ["new", "c", "a"]);
        hub.unsubscribe(&key("c", 1_000));
        assert_eq!(hub.due(TIME).len(), 2);
    }

    #[test]
    fn an_empty_result_still_has_a_schema() {
        let frame = feed().frame(TIME, Vec::new(), &AtomicU32::new(6));
        assert_eq!((frame.generation, frame.schema.json().as_str()), (7, "[]"));
        assert!(frame.values.is_empty());
    }

    #[test]
    fn too_many_series_are_cut_off_once_and_said() {
        let generations = AtomicU32::new(0);
        let mut feed = feed();
        let crowd: Vec<(Labels, f64)> = (0..10 * SERIES_MAX)
            .map(|index| (Labels::from_pairs([("a", format!("{index:06}"))]), 1.0))
            .collect();
        for _ in 0..3 {
            let frame = feed.frame(TIME, crowd.clone(), &generations);
            assert_eq!((frame.generation, frame.values.len()), (1, SERIES_MAX));
            assert_eq!(frame.schema.omitted, 9 * SERIES_MAX);
        }
        // Those that are shown stay until they expire; then others take their places.
        for _ in 0..=MISSED_MAX {
            feed.frame(TIME, crowd[SERIES_MAX..].to_vec(), &generations);
        }
        let frame = feed.frame(TIME, crowd[SERIES_MAX..].to_vec(), &generations);
        assert_eq!((frame.generation, frame.schema.omitted), (2, 8 * SERIES_MAX));
        assert!(frame.values.iter().all(|value| *value == 1.0));
    }

    #[test]
    fn a_query_that_is_late_again_and_again_is_given_up() {
        let mut feed = feed();
        let late = QueryError::Select(SelectError::TimedOut);
        for _ in 1..LATE_MAX {
            assert_eq!(feed.fail(&late), None);
        }
        assert_eq!(feed.fail(&late).unwrap().0, "too_slow");
        feed.frame(TIME, Vec::new(), &AtomicU32::new(0));
        assert_eq!(feed.fail(&late), None, "one in time begins the count anew");
        assert_eq!(feed.fail(&QueryError::Failed("no".into())).unwrap(), ("failed", "no".into()));
    }
}
