//! Rows: what each series did in every minute and every ten minutes of a day that is over.
//!
//! A row stands at the end of its stretch of time, which is open at its beginning, so that the windows of
//! PromQL that end there have whole rows. Native histograms have no rows. Stale markers show in the last value only; other NaNs are left
//! out of least, largest and growth, as PromQL's functions do.

use std::{io, sync::Arc};

use model::{
    UnixMs,
    sample::is_stale,
    series::{Column, Rows, TimeRange},
};

use super::{
    Inner, SPAN_MS,
    block::{self, Block, Description},
    compact::{Source, next_labels, sorted},
    maintain,
};

/// What falls in more than one of so many steps is no counter.
const FALLS_OF_STEPS: usize = 4;
/// Stretches of time that rows stand for.
pub(super) const STEPS_MS: [i64; 2] = [60_000, 600_000];
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// How far back the sample is looked for that a counter's growth counts from.
const BEFORE_MS: i64 = 10 * 60 * 1_000;
/// A day is summed up when the first block of the next one is there, because the sample at midnight
/// belongs to the last row.
const PATIENCE_MS: i64 = SPAN_MS + 10 * 60 * 1_000;

/// Sums up the days that are over and have samples that no row stands for yet.
pub(super) fn run(store: &Inner, now: UnixMs) -> io::Result<()> {
    // Nobody asks for rows that are deleted as soon as they are made.
    if store.options.rows_retention <= store.options.retention {
        return Ok(());
    }
    // Onwards only: a day of which no row came about, because it has only histograms, or all of it was
    // deleted or is damaged or belongs to the day before, would come again and again.
    let mut after = i64::MIN;
    while let Some(day) = next_day(store, now, after) {
        sum_up(store, day)?;
        after = day;
    }
    Ok(())
}

fn day_of(block: &Block) -> i64 {
    // Rows of the first minute of a day end after it began, those of the last when the next one begins.
    let start = block.range.start.0;
    if block.description.resolution_ms == 0 {
        start.div_euclid(DAY_MS)
    } else {
        start.saturating_sub(1).div_euclid(DAY_MS)
    }
}

fn range_of(day: i64) -> TimeRange {
    let start = day.saturating_mul(DAY_MS);
    TimeRange { start: UnixMs(start), end: UnixMs(start.saturating_add(DAY_MS)) }
}

/// The oldest day after another that is over and has blocks newer than its rows.
fn next_day(store: &Inner, now: UnixMs, after: i64) -> Option<i64> {
    let blocks = store.block_list();
    let (samples, rows): (Vec<&Arc<Block>>, Vec<&Arc<Block>>) =
        blocks.iter().partition(|block| block.description.resolution_ms == 0);
    let is_over =
        |day: i64| range_of(day).end.0.saturating_add(PATIENCE_MS) < (now - store.options.window).0;
    samples.into_iter().find_map(|block| {
        let day = day_of(block);
        // The process may have died between the rows of one step and those of the next.
        let summed = STEPS_MS.map(|step| {
            let rows = rows
                .iter()
                .filter(|rows| rows.description.resolution_ms == step && day_of(rows) == day);
            rows.map(|rows| rows.description.sequence).max().unwrap_or(0)
        });
        let is_due = summed.iter().any(|summed| *summed < block.description.sequence);
        // Of such a day samples may be gone already; rows made anew would say less than those there are.
        let is_kept = range_of(day).start < now - store.options.retention
            && summed.iter().all(|summed| *summed > 0);
        (day > after && is_over(day) && is_due && !is_kept).then_some(day)
    })
}

/// Writes a block of rows for each step, in place of those that there were for that day.
fn sum_up(store: &Inner, day: i64) -> io::Result<()> {
    let day_range = range_of(day);
    let blocks = store.block_list();
    let start = UnixMs(day_range.start.0.saturating_sub(BEFORE_MS));
    let range = TimeRange { start, end: day_range.end };
    let samples: Vec<&Arc<Block>> = blocks
        .iter()
        .filter(|block| block.description.resolution_ms == 0 && block.overlaps(range))
        .collect();
    for step in STEPS_MS {
        let former: Vec<Arc<Block>> = blocks
            .iter()
            .filter(|block| block.description.resolution_ms == step && day_of(block) == day)
            .cloned()
            .collect();
        let description = Description {
            sequence: store.take_sequence(),
            covers: Vec::new(),
            parents: former.iter().map(|block| block.description.sequence).collect(),
            resolution_ms: step,
            columns: Column::ALL.len(),
        };
        let mut writer = block::Writer::create(&store.blocks_folder(), &store.disk, description)?;
        let mut sources: Vec<Source<'_>> =
            samples.iter().map(|block| Source::new(store, block, range)).collect();
        while let Some(labels) = next_labels(&sources) {
            let (mut times, mut values) = (Vec::new(), vec![Vec::new()]);
            for source in &mut sources {
                source.take_if(&labels, &mut times, &mut values);
            }
            let (times, values) = sorted(times, values);
            let rows = Summed::of(&times, &values[0], day_range, step);
            let columns: Vec<&[f64]> = rows.columns.iter().map(Vec::as_slice).collect();
            writer.add(&labels, &rows.times, &columns, &[])?;
        }
        let new =
            if writer.is_empty() { None } else { Some(Arc::new(store.finish_block(writer)?)) };
        store.change_blocks(&former, new);
        maintain::delete(store, &former)?;
    }
    Ok(())
}

/// The place of a column in a block of rows.
pub(super) fn place_of(column: Column) -> usize {
    Column::ALL.iter().position(|other| *other == column).unwrap_or(0)
}

/// Turns what was stored of [`Column::Growth`] into what each row grew by. Stored is the sum since the
/// block's beginning, because for a counter it differs from the last value by a constant.
pub(super) fn to_growth(sums: &mut [f64]) {
    let mut before = 0.0;
    for sum in sums {
        (before, *sum) = (*sum, *sum - before);
    }
}

/// The reverse of [`to_growth`].
pub(super) fn to_sums(growth: &mut [f64]) {
    let mut sum = 0.0;
    for row in growth {
        sum += *row;
        *row = sum;
    }
}

/// The rows of one series.
#[derive(Default)]
struct Summed {
    times: Vec<i64>,
    /// In the order of [`Column::ALL`].
    columns: [Vec<f64>; 6],
    /// Steps from one sample to the next, and how many of them went down.
    steps: usize,
    falls: usize,
}

impl Summed {
    /// `range` is open at its start; points before it only serve the growth.
    fn of(times: &[i64], values: &[f64], range: TimeRange, step: i64) -> Self {
        let mut summed = Self::default();
        let mut before: Option<f64> = None;
        for (time, value) in times.iter().zip(values) {
            if *time > range.start.0 {
                summed.add((time - 1).div_euclid(step).saturating_add(1) * step, *value, before);
            }
            if !value.is_nan() {
                summed.steps += usize::from(before.is_some());
                summed.falls += usize::from(before.is_some_and(|before| *value < before));
                before = Some(*value);
            }
        }
        let [.., growth] = &mut summed.columns;
        if summed.falls * FALLS_OF_STEPS > summed.steps {
            growth.fill(f64::NAN);
        }
        to_sums(growth);
        summed
    }

    fn add(&mut self, row: i64, value: f64, before: Option<f64>) {
        if self.times.last() != Some(&row) {
            self.times.push(row);
            let empty = [f64::NAN, f64::NAN, f64::NAN, 0.0, 0.0, 0.0];
            for (column, value) in self.columns.iter_mut().zip(empty) {
                column.push(value);
            }
        }
        let at = self.times.len() - 1;
        let [last, min, max, sum, count, growth] = &mut self.columns;
        last[at] = value;
        if is_stale(value) {
            return;
        }
        count[at] += 1.0;
        sum[at] += value;
        if value.is_nan() {
            return;
        }
        min[at] = min[at].min(value);
        max[at] = max[at].max(value);
        growth[at] += match before {
            Some(before) if value >= before => value - before,
            // A counter that fell began anew at zero.
            Some(_) => value,
            None => 0.0,
        };
    }
}

impl Inner {
    /// When the oldest block of samples, for which `step_ms` is 0, or of rows begins.
    pub(super) fn oldest_of(&self, step_ms: i64) -> Option<UnixMs> {
        let blocks = self.block_list();
        let of_step = blocks.iter().filter(|block| block.description.resolution_ms == step_ms);
        of_step.map(|block| block.range.start).min()
    }

    /// For each step the newest stretch of days that have rows, or nothing to sum up.
    pub(super) fn rows(&self) -> Vec<Rows> {
        let blocks = self.block_list();
        let mut found = Vec::new();
        for step in STEPS_MS {
            let days = blocks.iter().filter(|block| block.description.resolution_ms == step);
            let days: Vec<i64> = days.map(|block| day_of(block)).collect();
            let Some(last) = days.iter().max().copied() else { continue };
            let has_samples = |day: &i64| {
                let samples = |block: &&Arc<Block>| {
                    block.description.resolution_ms == 0 && day_of(block) == *day
                };
                blocks.iter().any(|block| samples(&block))
            };
            let first = days.iter().min().copied().unwrap_or(last);
            let is_missing = |day: &i64| !days.contains(day) && has_samples(day);
            let first = (first..=last).rev().find(is_missing).map_or(first, |missing| missing + 1);
            let range = TimeRange { start: range_of(first).start, end: range_of(last).end };
            found.push(Rows { step_ms: step, range });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use model::sample::stale;

    use super::*;

    #[test]
    fn sums() {
        let range = TimeRange { start: UnixMs(0), end: UnixMs(DAY_MS) };
        let points = [
            (-5_000, 7.0),
            (1_000, 10.0),
            (60_000, 4.0),
            (60_001, 6.0),
            (119_000, stale()),
            (125_000, f64::NAN),
            (600_000, 8.0),
        ];
        let (times, values): (Vec<i64>, Vec<f64>) = points.into_iter().unzip();
        let mut rows = Summed::of(&times, &values, range, 60_000);
        to_growth(&mut rows.columns[5]);
        assert_eq!(rows.times, [60_000, 120_000, 180_000, 600_000]);
        let row = |at: usize| rows.columns.each_ref().map(|column| column[at].to_bits());
        let bits = |row: [f64; 6]| row.map(f64::to_bits);
        assert_eq!(row(0), bits([4.0, 4.0, 10.0, 14.0, 2.0, 3.0 + 4.0]));
        assert_eq!(row(1), bits([stale(), 6.0, 6.0, 6.0, 1.0, 2.0]));
        assert_eq!(row(2), bits([f64::NAN, f64::NAN, f64::NAN, f64::NAN, 1.0, 0.0]));
        assert_eq!(row(3), bits([8.0, 8.0, 8.0, 8.0, 1.0, 2.0]));
        let gauge = Summed::of(&[1, 2, 3], &[5.0, 4.0, 6.0], range, 60_000);
        assert!(gauge.columns[5][0].is_nan(), "it falls too often for a counter");
        let coarse = Summed::of(&times, &values, range, 600_000);
        assert_eq!(coarse.times, [600_000]);
        assert_eq!(coarse.columns[5], [3.0 + 4.0 + 2.0 + 2.0]);
    }
}
