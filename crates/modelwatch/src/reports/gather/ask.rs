//! Questions to the store: queries over slots, and what counters grew by in each.

use std::{cell::RefCell, collections::HashMap};

use model::{
    Labels, UnixMs,
    catalogue::Metric,
    series::{Budget, Column, Matcher, SelectError, SeriesSource as _, TimeRange},
};
use query::{Grid, QueryError, Settings, Value};
use report::facts::Said;
use store::Store;

use super::Period;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Series(#[from] SelectError),
    #[error("{0}")]
    Records(#[from] store::events::QueryError),
}

/// A series over the slots of a period; NaN where nothing is known.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) labels: Labels,
    pub(super) values: Vec<f64>,
}

impl Course {
    /// Of what is known; nothing where nothing is.
    pub(super) fn sum(&self) -> Option<f64> {
        known(&self.values).reduce(|sum, value| sum + value)
    }

    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).unwrap_or_default()
    }
}

/// The values that are numbers.
pub(super) fn known(values: &[f64]) -> impl Iterator<Item = f64> + '_ {
    values.iter().copied().filter(|value| value.is_finite())
}

/// How far apart moments lie: as often as engines are usually asked.
const MOMENT_MS: i64 = 15_000;
/// Moments that are looked at in one query, a day, so that a long time does not fill the memory.
const MOMENTS_MAX: i64 = 86_400_000 / MOMENT_MS;

/// What a query was at moments within each slot.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    /// Mean of the moments at which it was known.
    pub(super) means: Vec<f64>,
    /// For how many seconds it was known.
    pub(super) seconds: Vec<f64>,
}

pub(super) struct Ask<'a> {
    pub(super) store: &'a Store,
    pub(super) budget: &'a Budget,
    now: UnixMs,
    settings: Settings,
    model: Option<&'a str>,
    missing: RefCell<Vec<Said>>,
}

impl Moments {
    fn add(&mut self, place: Option<usize>, value: f64) {
        let Some(place) = place else { return };
        let pair = self.means.get_mut(place).zip(self.seconds.get_mut(place));
        if let Some((mean, seconds)) = pair.filter(|_| value.is_finite()) {
            let moment = MOMENT_MS as f64 / 1e3;
            let before = if *seconds > 0.0 { *mean } else { 0.0 };
            *seconds += moment;
            *mean = before + (value - before) * moment / *seconds;
        }
    }
}

impl<'a> Ask<'a> {
    pub(super) fn new(
        store: &'a Store,
        budget: &'a Budget,
        now: UnixMs,
        model: Option<&'a str>,
    ) -> Self {
        let (settings, missing) = (Settings::default(), RefCell::default());
        Self { store, budget, now, settings, model, missing }
    }

    pub(super) fn into_missing(self) -> Vec<Said> {
        self.missing.into_inner()
    }

    pub(super) fn model(&self) -> Option<&'a str> {
        self.model
    }

    /// The selector of a metric of models: of all of them, or of the one that the report is about.
    pub(super) fn of_model(&self, name: &str) -> String {
        match self.model {
            None => name.to_owned(),
            Some(model) => format!("{name}{{model={}}}", serde_json::Value::from(model)),
        }
    }

    /// Says what could not be read. Only what ends all reading is an error.
    fn or_missing<T: Default>(
        &self,
        what: &str,
        result: Result<T, QueryError>,
    ) -> Result<T, Failure> {
        match result {
            Ok(found) => Ok(found),
            Err(QueryError::Select(error)) => Err(error.into()),
            Err(error) => {
                self.miss(what, &error.to_string());
                Ok(T::default())
            }
        }
    }

    pub(super) fn miss(&self, what: &str, reason: &str) {
        let params = vec![("what".into(), what.to_owned()), ("reason".into(), reason.to_owned())];
        let said = Said { code: "report.missing".into(), params };
        // One that was asked in parts is missed in each of them.
        let mut missing = self.missing.borrow_mut();
        if !missing.contains(&said) {
            missing.push(said);
        }
    }

    fn evaluate(&self, text: &str, grid: Grid) -> Result<Value, QueryError> {
        let expr = query::parse(text).map_err(|error| QueryError::Failed(error.to_string()))?;
        Ok(query::evaluate(&expr, self.store, grid, &self.settings, self.budget)?.value)
    }

    /// The floats of a query at one time.
    pub(super) fn at(&self, time: UnixMs, text: &str) -> Result<Vec<(Labels, f64)>, Failure> {
        let value = self.evaluate(text, Grid::instant(time));
        let floats = self.or_missing(text, value.map(Value::into_floats))?;
        Ok(floats.into_iter().filter(|(_, value)| value.is_finite()).collect())
    }

    /// A query at the end of each slot. `$w` stands for the window of a slot.
    pub(super) fn over(&self, period: Period, text: &str) -> Result<Vec<Course>, Failure> {
        let text = text.replace("$w", &format!("{}s", period.slot_ms / 1_000));
        let grid = Grid {
            start: UnixMs(period.start.0 + period.slot_ms),
            end: period.end,
            step_ms: period.slot_ms,
        };
        let series = self.matrix(&text, grid)?;
        let course = |series: query::Series| {
            let mut values = vec![f64::NAN; period.count()];
            for (time, value) in series.times.into_iter().zip(series.values) {
                if let Some(place) = period.place(time).and_then(|place| values.get_mut(place)) {
                    *place = value;
                }
            }
            Course { labels: series.labels, values }
        };
        Ok(series.into_iter().map(course).collect())
    }

    fn matrix(&self, text: &str, grid: Grid) -> Result<Vec<query::Series>, Failure> {
        let series = self.evaluate(text, grid).map(|value| match value {
            Value::Matrix(series) => series,
            Value::Scalar(_) | Value::String(_) | Value::Vector(_) => Vec::new(),
        });
        self.or_missing(text, series)
    }

    /// What a query was from moment to moment, by slots: where series take turns, what holds of all of them at a
    /// moment cannot be told from the means of each. There are no moments after now.
    pub(super) fn moments(
        &self,
        period: Period,
        text: &str,
    ) -> Result<HashMap<Labels, Moments>, Failure> {
        let mut found: HashMap<Labels, Moments> = HashMap::new();
        let count = period.count();
        let end = period.end.0.min(self.now.0);
        let mut start = period.start.0 + MOMENT_MS;
        while start <= end {
            let last = end.min(start + (MOMENTS_MAX - 1) * MOMENT_MS);
            let grid = Grid { start: UnixMs(start), end: UnixMs(last), step_ms: MOMENT_MS };
            for series in self.matrix(text, grid)? {
                let moments = found.entry(series.labels).or_insert_with(|| Moments {
                    means: vec![f64::NAN; count],
                    seconds: vec![0.0; count],
                });
                for (time, value) in series.times.into_iter().zip(series.values) {
                    moments.add(period.place_of(time), value);
                }
            }
            start = last + MOMENT_MS;
        }
        Ok(found)
    }

    /// What counters grew by in each slot, summed up by labels.
    pub(super) fn growth(
        &self,
        period: Period,
        metric: &Metric,
        suffix: &str,
        by: &str,
    ) -> Result<Vec<Course>, Failure> {
        let selector = self.of_model(&format!("{}{suffix}", metric.name));
        let Some(summed) = self.summed(period) else {
            return self.over(period, &increase(&selector, by));
        };
        let mut found: HashMap<Labels, Vec<f64>> = HashMap::new();
        let names: Vec<&str> = by.split(", ").collect();
        let mut add = |labels: &Labels, from: usize, values: &[f64]| {
            let labels = labels.keep(|name| names.contains(&name));
            let sums = found.entry(labels).or_insert_with(|| vec![f64::NAN; period.count()]);
            for (sum, value) in sums.iter_mut().skip(from).zip(values) {
                if value.is_finite() {
                    *sum = if sum.is_finite() { *sum + value } else { *value };
                }
            }
        };
        for (from, values, labels) in self.rows(period, summed, &selector)? {
            add(&labels, from, &values);
        }
        for part in [summed.before(period), summed.after(period)].into_iter().flatten() {
            let from = period.place(part.start.0 + part.slot_ms).unwrap_or(0);
            for course in self.over(part, &increase(&selector, by))? {
                add(&course.labels, from, &course.values);
            }
        }
        Ok(found.into_iter().map(|(labels, values)| Course { labels, values }).collect())
    }

    /// The part of a period of which the store has sums whose steps fit into slots.
    fn summed(&self, period: Period) -> Option<Summed> {
        let fits = |step: i64| step > 0 && period.slot_ms % step == 0;
        let rows = self.store.rows().into_iter().filter(|rows| fits(rows.step_ms));
        let rows = rows.max_by_key(|rows| rows.step_ms)?;
        let slot = period.slot_ms;
        let oldest = self.store.oldest_row(rows.step_ms).0.saturating_sub(rows.step_ms);
        let start = rows.range.start.0.max(oldest).max(period.start.0);
        let start = start.checked_add(slot - 1)?.div_euclid(slot) * slot;
        let end = rows.range.end.0.min(period.end.0).div_euclid(slot) * slot;
        (start < end).then_some(Summed { start, end, step_ms: rows.step_ms })
    }

    /// What each series grew by in slots, from the place of the first of them on.
    fn rows(
        &self,
        period: Period,
        summed: Summed,
        selector: &str,
    ) -> Result<Vec<(usize, Vec<f64>, Labels)>, Failure> {
        let matchers: Vec<Matcher> = match query::parse_selector(selector) {
            Ok(matchers) => matchers,
            Err(error) => {
                self.miss(selector, &error.to_string());
                return Ok(Vec::new());
            }
        };
        let range = TimeRange { start: UnixMs(summed.start + 1), end: UnixMs(summed.end) };
        let (step, budget) = (summed.step_ms, self.budget);
        let series = self.store.select_rows(&matchers, range, step, Column::Growth, budget)?;
        let from = period.place(summed.start + period.slot_ms).unwrap_or(0);
        let count = usize::try_from((summed.end - summed.start) / period.slot_ms).unwrap_or(0);
        let sums = series.into_iter().map(|series| {
            let mut values = vec![f64::NAN; count];
            for (time, value) in series.times.iter().zip(&series.values) {
                let place = (time - 1 - summed.start) / period.slot_ms;
                let sum = usize::try_from(place).ok().and_then(|place| values.get_mut(place));
                if let Some(sum) = sum.filter(|_| value.is_finite()) {
                    *sum = if sum.is_finite() { *sum + value } else { *value };
                }
            }
            (from, values, series.labels)
        });
        Ok(sums.collect())
    }
}

/// Where sums stand in for samples; whole slots.
#[derive(Clone, Copy)]
struct Summed {
    start: i64,
    end: i64,
    step_ms: i64,
}

impl Summed {
    fn before(self, period: Period) -> Option<Period> {
        (period.start.0 < self.start).then_some(Period { end: UnixMs(self.start), ..period })
    }

    fn after(self, period: Period) -> Option<Period> {
        (self.end < period.end.0).then_some(Period { start: UnixMs(self.end), ..period })
    }
}

fn increase(selector: &str, by: &str) -> String {
    format!("sum by ({by}) (increase({selector}[$w]))")
}
