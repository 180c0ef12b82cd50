//! The last minutes of the series that are asked about, for a run without a store.
//!
//! A ring of points for each series, in memory alone; what nobody asks about is not kept.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use model::{
    Labels, NAME, UnixMs,
    sample::Batch,
    series::{Budget, MatchOp, Matcher, SelectError, SeriesData, SeriesSource, TimeRange},
};

/// Series of all names together; beyond it new ones are refused until others end. With a point each second they take
/// some 100 MB.
pub(super) const SERIES_MAX: usize = 20_000;
/// Points of one series; the oldest leave first.
const POINTS_MAX: usize = 1_000;
/// How often series that ended are looked for, in parts of the window.
const SWEEPS: i64 = 10;

/// Points by name of the metric and series.
type ByName = BTreeMap<String, HashMap<Labels, VecDeque<(i64, f64)>>>;

/// What is kept.
struct Kept {
    by_name: ByName,
    /// Series of all names.
    count: usize,
    /// When series that ended were last let go.
    swept: UnixMs,
}

pub(super) struct Memory {
    /// Every word of the questions, names of metrics among them.
    wanted: HashSet<String>,
    /// Series beyond this number are refused.
    series_max: usize,
    /// How long points are kept, in milliseconds.
    window_ms: i64,
    kept: Mutex<Kept>,
}

impl Memory {
    pub(super) fn new<'a>(
        questions: impl Iterator<Item = &'a str>,
        series_max: usize,
        window_ms: i64,
    ) -> Self {
        let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let words = questions.flat_map(|text| text.split(move |character| !is_part(character)));
        let wanted = words.map(str::to_owned).collect();
        let kept = Kept { by_name: ByName::new(), count: 0, swept: UnixMs::MIN };
        Self { wanted, series_max, window_ms, kept: Mutex::new(kept) }
    }

    /// Keeps what is asked about.
    pub(super) fn put(&self, batch: &Batch) {
        let mut kept = self.lock();
        self.sweep(&mut kept, batch.time);
        for (labels, value) in &batch.samples {
            self.keep(&mut kept, labels, (batch.time.0, *value));
        }
        for (labels, points) in batch.points.iter() {
            for point in points {
                self.keep(&mut kept, labels, *point);
            }
        }
    }

    /// Lets go what ended, at intervals: all series are looked at.
    fn sweep(&self, kept: &mut Kept, now: UnixMs) {
        if now.0.saturating_sub(kept.swept.0) < self.window_ms / SWEEPS {
            return;
        }
        kept.swept = now;
        let oldest = now.0.saturating_sub(self.window_ms);
        for series in kept.by_name.values_mut() {
            series.retain(|_, points| points.back().is_some_and(|(time, _)| *time >= oldest));
        }
        kept.by_name.retain(|_, series| !series.is_empty());
        kept.count = kept.by_name.values().map(HashMap::len).sum();
    }

    fn keep(&self, kept: &mut Kept, labels: &Labels, point: (i64, f64)) {
        let name = labels.name();
        if !self.wanted.contains(name) {
            return;
        }
        let known = kept.by_name.get_mut(name).and_then(|series| series.get_mut(labels));
        let Some(points) = known else {
            if kept.count < self.series_max {
                kept.count += 1;
                let series = kept.by_name.entry(name.to_owned()).or_default();
                series.insert(labels.clone(), VecDeque::from([point]));
            }
            return;
        };
        if points.back().is_some_and(|(newest, _)| *newest >= point.0) {
            return;
        }
        points.push_back(point);
        let oldest = point.0.saturating_sub(self.window_ms);
        while points.len() > POINTS_MAX || points.front().is_some_and(|(time, _)| *time < oldest) {
            points.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found<T>(
        &self,
        matchers: &[Matcher],
        budget: &Budget,
        take: impl Fn(&Labels, &VecDeque<(i64, f64)>) -> Option<T>,
    ) -> Result<Vec<T>, SelectError> {
        let name = matchers.iter().find(|it| it.name == NAME && it.op == MatchOp::Equal);
        let mut found = Vec::new();
        let is_asked = |known: &str| name.is_none_or(|name| name.value == known);
        for (_, series) in self.lock().by_name.iter().filter(|(known, _)| is_asked(known)) {
            budget.check()?;
            for (labels, points) in series {
                if Matcher::all_match(matchers, labels) {
                    found.extend(take(labels, points));
                }
            }
        }
        Ok(found)
    }
}

impl SeriesSource for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        self.found(matchers, budget, |labels, points| {
            let inside = |point: &&(i64, f64)| (range.start.0..=range.end.0).contains(&point.0);
            let (times, values): (Vec<i64>, Vec<f64>) =
                points.iter().filter(inside).copied().unzip();
            let labels = labels.clone();
            (!times.is_empty()).then_some(SeriesData { labels, times, values })
        })
    }

    fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<Labels>, SelectError> {
        let series = self.select(matchers, range, budget)?;
        Ok(series.into_iter().map(|series| series.labels).collect())
    }

    fn oldest_sample(&self) -> UnixMs {
        UnixMs::MIN
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::Clock;
    use query::{Grid, Settings};

    use super::*;

    fn batch(time: i64, samples: &[(&str, &str, f64)]) -> Batch {
        let mut batch = Batch::new(UnixMs(time));
        for (name, instance, value) in samples {
            batch.push(&Labels::metric(name, [("instance", *instance)]), *value);
        }
        batch
    }

    fn check(memory: &Memory, time: i64, query: &str, expected: &[(&str, f64)]) {
        let budget = Budget::new(Clock::manual(UnixMs(0)), Duration::from_secs(1), 1_000);
        let expr = query::parse(query).unwrap();
        let grid = Grid::instant(UnixMs(time));
        let output = query::evaluate(&expr, memory, grid, &Settings::default(), &budget).unwrap();
        let mut found = output.value.into_floats();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let instance = |labels: &Labels| labels.get("instance").unwrap_or_default().to_owned();
        let found: Vec<_> =
            found.iter().map(|(labels, value)| (instance(labels), *value)).collect();
        let expected: Vec<_> =
            expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        assert_eq!(found, expected, "{query}");
    }

    #[test]
    fn questions_are_answered_from_the_last_minutes() {
        let memory = Memory::new(["rate(a_total[20s])", "b"].into_iter(), 10, 60_000);
        for second in 0..=20 {
            let value = second as f64;
            let told = [("a_total", "x", 2.0 * value), ("b", "x", value), ("other", "x", 1.0)];
            memory.put(&batch(second * 1_000, &told));
        }
        check(&memory, 20_000, "rate(a_total[10s])", &[("x", 2.0)]);
        check(&memory, 20_000, "b", &[("x", 20.0)]);
        check(&memory, 20_000, "other", &[]);
        memory.put(&batch(100_000, &[("b", "x", 7.0)]));
        check(&memory, 100_000, "count_over_time(b[5m])", &[("x", 1.0)]);
        memory.put(&batch(101_000, &[("b", "x", model::sample::stale())]));
        check(&memory, 101_000, "b", &[]);
    }

    #[test]
    fn series_beyond_the_limit_are_refused_until_others_end() {
        let memory = Memory::new(["a + b"].into_iter(), 2, 60_000);
        memory.put(&batch(0, &[("b", "x", 1.0), ("a", "x", 1.0), ("b", "y", 2.0)]));
        check(&memory, 0, "b", &[("x", 1.0)]);
        check(&memory, 0, "a", &[("x", 1.0)]);
        memory.put(&batch(50_000, &[("a", "x", 4.0), ("b", "y", 2.0)]));
        check(&memory, 50_000, "b", &[("x", 1.0)]);
        memory.put(&batch(100_000, &[("b", "y", 3.0), ("b", "z", 3.0)]));
        check(&memory, 100_000, "b", &[("y", 3.0)]);
        check(&memory, 100_000, "a", &[("x", 4.0)]);
        // A clock that was set back ends nothing.
        memory.put(&batch(10_000, &[("b", "z", 3.0)]));
        check(&memory, 100_000, "b", &[("y", 3.0)]);
    }
}
