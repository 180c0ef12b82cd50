//! Reading: head and blocks put together.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use model::{
    Labels, UnixMs,
    series::{
        Budget, Column, MatchOp, Matcher, Rows, SelectError, SeriesData, SeriesSource, TimeRange,
    },
};

use super::{
    Store,
    block::{Block, Scratch},
    delete::{Tombstone, erase},
    head::in_order,
};

/// Series found so far, each with its points in the order they were found.
#[derive(Default)]
struct Found {
    series: HashMap<Labels, (Vec<i64>, Vec<f64>)>,
    samples: u64,
}

impl Found {
    fn add(
        &mut self,
        labels: Labels,
        times: Vec<i64>,
        values: Vec<f64>,
        budget: &Budget,
    ) -> Result<(), SelectError> {
        self.samples += times.len() as u64;
        if self.samples > budget.samples_max {
            return Err(SelectError::TooManySamples);
        }
        budget.check()?;
        let series = self.series.entry(labels).or_default();
        if series.0.is_empty() {
            *series = (times, values);
        } else {
            series.0.extend(times);
            series.1.extend(values);
        }
        Ok(())
    }

    fn add_block(
        &mut self,
        block: &Block,
        wanted: &Wanted<'_>,
        scratch: &mut Scratch,
        budget: &Budget,
    ) -> Result<(), SelectError> {
        scratch.start_block();
        for ordinal in block.matching(wanted.matchers) {
            let Some(entry) = block.entry(ordinal) else { continue };
            if !entry.overlaps(wanted.range) {
                continue;
            }
            let Some(labels) = entry.labels() else { continue };
            let (mut times, mut values) = (Vec::new(), Vec::new());
            entry.decode(wanted.range, wanted.column, scratch, &mut times, &mut values);
            erase(wanted.tombstones, block.description.sequence, &labels, &mut times, &mut values);
            if !times.is_empty() {
                self.add(labels, times, values, budget)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Vec<SeriesData> {
        let series = self.series.into_iter().map(|(labels, (times, values))| {
            let (times, values) = in_order(times, values);
            SeriesData { labels, times, values }
        });
        series.collect()
    }
}

/// What is looked for in blocks.
struct Wanted<'a> {
    matchers: &'a [Matcher],
    range: TimeRange,
    column: usize,
    tombstones: &'a [Tombstone],
}

impl Store {
    /// The blocks of samples, or of rows of that step, that may have some in `range`.
    fn blocks_with(&self, step_ms: i64, range: TimeRange) -> impl Iterator<Item = Arc<Block>> {
        let is_wanted = move |block: &Arc<Block>| {
            block.description.resolution_ms == step_ms && block.overlaps(range)
        };
        self.0.block_list().to_vec().into_iter().filter(is_wanted)
    }

    fn add_blocks(
        &self,
        found: &mut Found,
        step_ms: i64,
        wanted: &Wanted<'_>,
        budget: &Budget,
    ) -> Result<(), SelectError> {
        let mut scratch = Scratch::default();
        for block in self.blocks_with(step_ms, wanted.range) {
            let result = found.add_block(&block, wanted, &mut scratch, budget);
            self.0.counters.chunks_damaged.fetch_add(scratch.damaged, Ordering::Relaxed);
            scratch.damaged = 0;
            result?;
        }
        Ok(())
    }
}

impl SeriesSource for Store {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        // The head comes first: what moves into a block meanwhile is then seen twice, not lost.
        let copied = self.0.head().copy(matchers, range);
        // Tombstones come before blocks: one that is buried meanwhile was applied by the blocks.
        let tombstones = self.0.tombstone_list();
        let wanted = Wanted { matchers, range, column: 0, tombstones: &tombstones };
        let mut found = Found::default();
        self.add_blocks(&mut found, 0, &wanted, budget)?;
        for series in copied {
            let (labels, times, values) = series.decode(range);
            if !times.is_empty() {
                found.add(labels, times, values, budget)?;
            }
        }
        Ok(found.finish())
    }

    fn rows(&self) -> Vec<Rows> {
        self.0.rows()
    }

    fn select_rows(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        step_ms: i64,
        column: Column,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        let tombstones = self.0.tombstone_list();
        let column = Column::ALL.iter().position(|other| *other == column).unwrap_or(0);
        let wanted = Wanted { matchers, range, column, tombstones: &tombstones };
        let mut found = Found::default();
        self.add_blocks(&mut found, step_ms, &wanted, budget)?;
        Ok(found.finish())
    }

    fn oldest_sample(&self) -> UnixMs {
        let blocks = self.0.block_list();
        let samples = blocks.iter().filter(|block| block.description.resolution_ms == 0);
        let oldest = samples.map(|block| block.range.start).min();
        oldest.unwrap_or_else(|| self.0.head().oldest())
    }

    fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<Labels>, SelectError> {
        let mut found: HashSet<Labels> =
            self.0.head().labels(matchers, range).into_iter().collect();
        let tombstones = self.0.tombstone_list();
        for block in self.blocks_with(0, range) {
            budget.check()?;
            let marks = tombstones.iter();
            let marks: Vec<&Tombstone> = marks
                .filter(|mark| mark.sequence > block.description.sequence)
                .filter(|mark| {
                    mark.range.start <= block.range.start && mark.range.end >= block.range.end
                })
                .collect();
            for ordinal in block.matching(matchers) {
                let Some(entry) = block.entry(ordinal) else { continue };
                if entry.overlaps(range)
                    && let Some(labels) = entry.labels()
                    && !marks.iter().any(|mark| mark.concerns(&labels))
                {
                    found.insert(labels);
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    fn label_names(&self, range: TimeRange, budget: &Budget) -> Result<Vec<String>, SelectError> {
        let series = self.series(&[], range, budget)?;
        let names: BTreeSet<&str> =
            series.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn label_values(
        &self,
        name: &str,
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<String>, SelectError> {
        let present = Matcher::new(name, MatchOp::NotEqual, "")
            .map_err(|error| SelectError::Storage(error.to_string()))?;
        let series = self.series(&[present], range, budget)?;
        let values: BTreeSet<&str> = series.iter().filter_map(|labels| labels.get(name)).collect();
        Ok(values.into_iter().map(str::to_owned).collect())
    }
}
