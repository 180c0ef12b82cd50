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

/// Points of one series; the oldest leave first.
const POINTS_MAX: usize = 1_000;

/// Points by name of the metric and series.
type ByName = BTreeMap<String, HashMap<Labels, VecDeque<(i64, f64)>>>;

pub(super) struct Memory {
    /// Every word of the questions, names of metrics among them.
    wanted: HashSet<String>,
    /// Series beyond this number are refused.
    series_max: usize,
    /// How long points are kept, in milliseconds.
    window_ms: i64,
    by_name: Mutex<ByName>,
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
        Self { wanted, series_max, window_ms, by_name: Mutex::default() }
    }

    /// Keeps what is asked about.
    pub(super) fn put(&self, batch: &Batch) {
        let mut by_name = self.lock();
        for (labels, value) in &batch.samples {
            self.keep(&mut by_name, labels, (batch.time.0, *value));
        }
        for (labels, points) in batch.points.iter() {
            for point in points {
                self.keep(&mut by_name, labels, *point);
            }
        }
    }

    fn keep(&self, by_name: &mut ByName, labels: &Labels, point: (i64, f64)) {
        let name = labels.name();
        if !self.wanted.contains(name) {
            return;
        }
        if !by_name.contains_key(name) {
            by_name.insert(name.to_owned(), HashMap::new());
        }
        let Some(series) = by_name.get_mut(name) else { return };
        if !series.contains_key(labels) {
            let oldest = point.0.saturating_sub(self.window_ms);
            series.retain(|_, points| points.back().is_some_and(|(time, _)| *time >= oldest));
            if series.len() >= self.series_max {
                return;
            }
            series.insert(labels.clone(), VecDeque::new());
        }
        let Some(points) = series.get_mut(labels) else { return };
        if points.back().is_some_and(|(newest, _)| *newest >= point.0) {
            return;
        }
        points.push_back(point);
        let oldest = point.0.saturating_sub(self.window_ms);
        while points.len() > POINTS_MAX || points.front().is_some_and(|(time, _)| *time < oldest) {
            points.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, ByName> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found<T>(
        &self,
        matchers: &[Matcher],
        budget: &Budget,
        take: impl Fn(&Labels, &VecDeque<(i64, f64)>) -> Option<T>,
    ) -> Result<Vec<T>, SelectError> {
        let name = matchers.iter().find(|it| it.name == NAME && it.op == MatchOp::Equal);
        let mut found = Vec::new();
        for (_, series) in
            self.lock().iter().filter(|(known, _)| name.is_none_or(|name| name.value == **known))
        {
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
        let memory = Memory::new(["b"].into_iter(), 1, 60_000);
        memory.put(&batch(0, &[("b", "x", 1.0), ("b", "y", 2.0)]));
        check(&memory, 0, "b", &[("x", 1.0)]);
        memory.put(&batch(100_000, &[("b", "y", 3.0)]));
        check(&memory, 100_000, "b", &[("y", 3.0)]);
    }
}
