//! `/api/mw/v1/logs/histogram`: how many lines there were when, by their severity or another field.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::extract::State;
use model::{log::Line, series::TimeRange};
use serde_json::{Value, json};
use store::events::{Aggregate, Event as _, GroupBy, Key, Measure};

use super::{TIMEOUT, counts, largest_first};
use crate::{
    api::{
        form::Form,
        requests::{Answer, Scope, TIME_MS_MAX, key_json, ok, refused},
    },
    wire::App,
};

/// Columns unless another number is asked for.
const COLUMNS: i64 = 120;
/// Most columns, however many are asked for.
pub(in crate::api) const COLUMNS_MAX: i64 = 400;
/// Series that are told apart; the lines of the others are counted together.
const SERIES_MAX: usize = 20;
const DAY_MS: i64 = 86_400_000;
/// Steps that people think in, in milliseconds; longer ones are whole days.
const STEPS_MS: [i64; 27] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000,
    120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000,
    43_200_000, DAY_MS,
];

pub(in crate::api) async fn histogram(State(app): State<Arc<App>>, form: Form) -> Answer {
    let Scope { filter, range } = Scope::read(&app, &form, Line::schema())?;
    let columns = match form.limit("columns")? {
        0 => COLUMNS,
        columns => i64::try_from(columns).unwrap_or(COLUMNS_MAX).min(COLUMNS_MAX),
    };
    let by = form.get("by").unwrap_or("severity").to_owned();
    let grid = Columns::new(range, columns);
    let store = app.store.clone();
    let groups = app.queries.run(Some(TIMEOUT), move |_, budget| {
        let step = Duration::from_millis(grid.step.unsigned_abs());
        let by = [GroupBy::Field(&by), GroupBy::Time(step)];
        let (measures, timeout) = (&[Measure::Count], budget.left());
        let question = Aggregate { filter: &filter, range, by: &by, measures, timeout };
        counts(store.events(), &question).map_err(refused)
    });
    let (series, others) = grid.series(groups.await?);
    let series: Vec<Value> = series
        .into_iter()
        .map(|(key, counts)| json!({ "key": key_json(&key), "counts": counts }))
        .collect();
    ok(&json!({ "start": grid.start, "step_ms": grid.step, "series": series, "others": others }))
}

/// Steps of time of the same length, counted from 1970 so that they stay where they are while a page moves on.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    /// Where the first begins.
    pub(super) start: i64,
    pub(super) step: i64,
    pub(super) count: usize,
}

impl Columns {
    /// The shortest steps of which so many cover the range, and one more where it begins within a step.
    fn new(range: TimeRange, columns: i64) -> Self {
        // Both ends belong to it.
        let (start, end) = ends(range);
        let span = (end - start).max(0);
        let columns = columns.max(1);
        let fits = |step: &&i64| span.div_euclid(**step) < columns;
        let days = || span.div_euclid(columns).div_euclid(DAY_MS) + 1;
        let step = STEPS_MS.iter().find(fits).copied();
        Self::of(range, step.unwrap_or_else(|| days() * DAY_MS))
    }

    pub(super) fn of(range: TimeRange, step: i64) -> Self {
        let (start, end) = ends(range);
        let (first, last) = (start.div_euclid(step), end.div_euclid(step));
        let count = usize::try_from(last - first).unwrap_or_default() + 1;
        Self { start: first * step, step, count }
    }

    /// The column that a time is in.
    pub(super) fn place(self, time: i64) -> Option<usize> {
        let place = time.checked_sub(self.start)?.div_euclid(self.step);
        usize::try_from(place).ok().filter(|place| *place < self.count)
    }

    /// Counts by column of each key, most first, and those of all keys beyond the limit; these are nothing where
    /// there are none.
    fn series(self, groups: Vec<(Vec<Key>, u64)>) -> (Vec<(Key, Vec<u64>)>, Vec<u64>) {
        let mut counts: BTreeMap<Key, Vec<u64>> = BTreeMap::new();
        for (keys, count) in groups {
            let mut keys = keys.into_iter();
            let (Some(key), Some(Key::Time(time))) = (keys.next(), keys.next()) else { continue };
            let columns = counts.entry(key).or_insert_with(|| vec![0; self.count]);
            if let Some(column) = self.place(time.0).and_then(|place| columns.get_mut(place)) {
                *column += count;
            }
        }
        let mut order: Vec<(Key, u64)> =
            counts.iter().map(|(key, counts)| (key.clone(), counts.iter().sum())).collect();
        largest_first(&mut order);
        let mut series = Vec::new();
        let mut others = Vec::new();
        for (key, _) in order {
            let Some(counts) = counts.remove(&key) else { continue };
            if series.len() < SERIES_MAX {
                series.push((key, counts));
                continue;
            }
            others.resize(self.count, 0);
            others.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        (series, others)
    }
}

/// Ends that can be calculated with.
fn ends(range: TimeRange) -> (i64, i64) {
    let bounded = |time: i64| time.clamp(-TIME_MS_MAX, TIME_MS_MAX);
    (bounded(range.start.0), bounded(range.end.0))
}

#[cfg(test)]
mod tests {
    use model::UnixMs;

    use super::*;

    #[test]
    fn steps_are_those_that_people_think_in() {
        let check = |start: i64, end: i64, columns, expected: (i64, i64, usize)| {
            let range = TimeRange { start: UnixMs(start), end: UnixMs(end) };
            let Columns { start, step, count } = Columns::new(range, columns);
            assert_eq!((start, step, count), expected, "{range:?}");
        };
        check(0, 0, 120, (0, 1, 1));
        check(0, 119, 120, (0, 1, 120));
        check(5, 5 + 3_600_000 - 1, 120, (0, 30_000, 121));
        check(-1, 86_400_000, 24, (-7_200_000, 7_200_000, 14));
        check(0, 400 * DAY_MS, 100, (0, 5 * DAY_MS, 81));
        let whole = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
        assert!(Columns::new(whole, COLUMNS_MAX).count <= 402);
    }

    proptest::proptest! {
        #[test]
        fn there_are_never_many_more_columns_than_asked_for(
            start: i64, span in 0..i64::MAX, columns in 1..=COLUMNS_MAX,
        ) {
            let range = TimeRange { start: UnixMs(start), end: UnixMs(start.saturating_add(span)) };
            let columns_found = Columns::new(range, columns);
            proptest::prop_assert!(columns_found.count as i64 <= columns + 2);
        }
    }

    #[test]
    fn columns_without_lines_are_zero_and_rare_values_are_counted_together() {
        let range = TimeRange { start: UnixMs(0), end: UnixMs(2_999) };
        let columns = Columns::of(range, 1_000);
        let word = |number: usize| Key::Value(format!("{number:02}").into());
        let at = |time: i64| Key::Time(UnixMs(time));
        let mut groups: Vec<(Vec<Key>, u64)> =
            (0..SERIES_MAX + 2).map(|number| (vec![word(number), at(1_000)], 1)).collect();
        groups.push((vec![Key::Absent, at(2_000)], 7));
        let (series, others) = columns.series(groups);
        assert_eq!(series.len(), SERIES_MAX);
        assert_eq!(series[0], (Key::Absent, vec![0, 0, 7]));
        assert_eq!(series[1], (word(0), vec![0, 1, 0]));
        assert_eq!(others, [0, 3, 0]);
    }
}
