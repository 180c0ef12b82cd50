//! Merging blocks: two hours to eight, eight to a day, and whatever else overlaps. Deleted samples do
//! not come along.
//!
//! A merge takes all blocks that overlap its stretch of time, so that of two samples at one time the one
//! stored first still counts afterwards. The merged block names its parents: whatever moment the
//! process dies at, the next start keeps either them or it.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use model::{
    Labels, UnixMs,
    series::{Column, TimeRange},
};

use super::{
    Inner, SPAN_MS,
    block::{self, Block, Cover, Description, Scratch},
    delete,
    head::in_order,
    maintain, rows,
};

/// Stretches of time that are merged once they are over, longest first.
const WINDOWS_MS: [i64; 2] = [24 * 60 * 60 * 1_000, 8 * 60 * 60 * 1_000];
/// How many blocks of one span may wait for the stretch to be over.
const SPAN_BLOCKS_MAX: usize = 8;

pub(super) fn run(store: &Inner, now: UnixMs) -> io::Result<()> {
    while let Some(group) = next_group(store, now) {
        merge(store, &group)?;
    }
    Ok(())
}

/// The next blocks to be merged, in their order.
fn next_group(store: &Inner, now: UnixMs) -> Option<Vec<Arc<Block>>> {
    let blocks = store.block_list();
    let samples = || blocks.iter().filter(|block| block.description.resolution_ms == 0);
    // Larger ones would keep what is too old for too long.
    let longest = store.options.retention.as_millis() as i64 / 10;
    for window in WINDOWS_MS.into_iter().filter(|window| *window <= longest) {
        let is_over =
            |index: i64| UnixMs((index + 1).saturating_mul(window)) + store.options.window < now;
        let group = group_in(samples(), window, 2, is_over);
        if group.is_some() {
            return group;
        }
    }
    group_in(samples(), SPAN_MS, SPAN_BLOCKS_MAX + 1, |_| true)
}

/// The oldest group of at least `least` blocks that lie in one window.
fn group_in<'a>(
    blocks: impl Iterator<Item = &'a Arc<Block>>,
    window: i64,
    least: usize,
    is_ready: impl Fn(i64) -> bool,
) -> Option<Vec<Arc<Block>>> {
    let mut groups: std::collections::BTreeMap<i64, Vec<Arc<Block>>> = Default::default();
    for block in blocks {
        let index = block.range.start.0.div_euclid(window);
        if block.range.end.0.div_euclid(window) == index {
            groups.entry(index).or_default().push(Arc::clone(block));
        }
    }
    let mut ready = groups.into_iter().filter(|(index, _)| is_ready(*index));
    ready.find(|(_, group)| group.len() >= least).map(|(_, group)| group)
}

/// Writes one block in place of `group`, without what was deleted.
pub(super) fn merge(store: &Inner, group: &[Arc<Block>]) -> io::Result<()> {
    // What the group replaced must be gone: the merged block does not name its grandparents.
    store.discard_unwanted()?;
    let description = Description {
        sequence: store.take_sequence(),
        covers: covers(store, group),
        parents: group.iter().map(|block| block.description.sequence).collect(),
        resolution_ms: group[0].description.resolution_ms,
        columns: group[0].description.columns,
    };
    let columns = description.columns;
    let mut writer = block::Writer::create(&store.blocks_folder(), &store.disk, description)?;
    let mut sources: Vec<Source<'_>> =
        group.iter().map(|block| Source::new(store, block, block.range)).collect();
    while let Some(labels) = next_labels(&sources) {
        let (mut times, mut values) = (Vec::new(), vec![Vec::new(); columns]);
        for source in &mut sources {
            source.take_if(&labels, &mut times, &mut values);
        }
        let (times, values) = sorted(times, values);
        let values: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
        writer.add(&labels, &times, &values)?;
    }
    let damage: Vec<u64> = sources.iter().map(Source::damaged).collect();
    drop(sources);
    let merged = if writer.is_empty() { None } else { Some(Arc::new(store.finish_block(writer)?)) };
    store.change_blocks(group, merged);
    // A block that could not be read whole is kept for whoever can.
    for (block, damage) in group.iter().zip(damage).filter(|(_, damage)| *damage > 0) {
        store.counters.chunks_damaged.fetch_add(damage, Ordering::Relaxed);
        store.disk.rename(&block.path, &block.path.with_extension("bad"))?;
        store.counters.blocks_aside.fetch_add(1, Ordering::Relaxed);
    }
    maintain::delete(store, group)
}

/// What the log may still have of the group's times.
fn covers(store: &Inner, group: &[Arc<Block>]) -> Vec<Cover> {
    let oldest = store.writer().wal.oldest_closed();
    let covers = group.iter().flat_map(|block| &block.description.covers);
    covers.filter(|cover| oldest.is_some_and(|oldest| cover.segment >= oldest)).copied().collect()
}

/// The series that comes next in any of the sources.
pub(super) fn next_labels(sources: &[Source<'_>]) -> Option<Labels> {
    sources.iter().filter_map(|source| source.labels.as_ref()).min().cloned()
}

/// Brings points into order; of equal times the first given stays.
pub(super) fn sorted(times: Vec<i64>, values: Vec<Vec<f64>>) -> (Vec<i64>, Vec<Vec<f64>>) {
    if times.is_sorted_by(|a, b| a < b) {
        return (times, values);
    }
    let columns = values.into_iter().map(|column| in_order(times.clone(), column));
    let (mut sorted_times, mut sorted_values) = (Vec::new(), Vec::new());
    for (times, values) in columns {
        sorted_times = times;
        sorted_values.push(values);
    }
    (sorted_times, sorted_values)
}

/// A block that is read series by series.
pub(super) struct Source<'a> {
    store: &'a Inner,
    block: &'a Block,
    range: TimeRange,
    ordinal: u32,
    /// Of the series at hand; `None` at the end.
    labels: Option<Labels>,
    scratch: Scratch,
}

impl<'a> Source<'a> {
    /// Reads what `block` has in `range`.
    pub(super) fn new(store: &'a Inner, block: &'a Block, range: TimeRange) -> Self {
        let scratch = Scratch::default();
        let mut source = Self { store, block, range, ordinal: 0, labels: None, scratch };
        source.settle();
        source
    }

    /// Finds the labels of the series at `ordinal` or the next one that can be read.
    fn settle(&mut self) {
        self.labels = None;
        while self.labels.is_none() && self.ordinal < self.block.series_count() {
            self.labels = self.block.entry(self.ordinal).and_then(|entry| entry.labels());
            if self.labels.is_none() {
                self.ordinal += 1;
            }
        }
    }

    /// Appends the points of the series, if it is the one at hand, and goes to the next one.
    pub(super) fn take_if(
        &mut self,
        labels: &Labels,
        times: &mut Vec<i64>,
        values: &mut [Vec<f64>],
    ) {
        if self.labels.as_ref() != Some(labels) {
            return;
        }
        if let Some((mut own_times, own_values)) = self.read(labels, values.len()) {
            times.append(&mut own_times);
            for (column, mut own_values) in values.iter_mut().zip(own_values) {
                column.append(&mut own_values);
            }
        }
        self.ordinal += 1;
        self.settle();
    }

    /// The points of the series at hand without the deleted ones; `None` when its columns do not fit
    /// together because one is damaged.
    fn read(&mut self, labels: &Labels, columns: usize) -> Option<(Vec<i64>, Vec<Vec<f64>>)> {
        let entry = self.block.entry(self.ordinal)?;
        let tombstones = self.store.tombstone_list();
        let mut times: Option<Vec<i64>> = None;
        let mut values = Vec::with_capacity(columns);
        for column in 0..columns {
            let (mut own_times, mut own_values) = (Vec::new(), Vec::new());
            let scratch = &mut self.scratch;
            entry.decode(self.range, column, scratch, &mut own_times, &mut own_values);
            let sequence = self.block.description.sequence;
            let is_growth = columns > 1 && column == rows::place_of(Column::Growth);
            if is_growth {
                rows::to_growth(&mut own_values);
            }
            delete::erase(&tombstones, sequence, labels, &mut own_times, &mut own_values);
            if is_growth {
                rows::to_sums(&mut own_values);
            }
            if times.as_ref().is_some_and(|times| *times != own_times) {
                return None;
            }
            times = Some(own_times);
            values.push(own_values);
        }
        Some((times?, values))
    }

    /// How much of the block could not be read so far.
    fn damaged(&self) -> u64 {
        self.scratch.damaged
    }
}
