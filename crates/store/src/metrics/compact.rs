//! Merging blocks: two hours to eight, eight to a day, and whatever else overlaps. Deleted samples do
//! not come along.
//!
//! A merge takes all blocks that overlap its stretch of time, so that of two samples at one time the one
//! stored first still counts afterwards. The merged block names its parents: whatever moment the
//! process dies at, the next start keeps either them or it.

use std::{io, sync::Arc};

use model::{Labels, UnixMs};

use super::{
    Inner, SPAN_MS,
    block::{self, Block, Cover, Description, Scratch},
    head::in_order,
    maintain,
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
        group.iter().map(|block| Source::new(store, block)).collect();
    while let Some(labels) =
        sources.iter().filter_map(|source| source.labels.as_ref()).min().cloned()
    {
        let (mut times, mut values) = (Vec::new(), vec![Vec::new(); columns]);
        for source in &mut sources {
            if source.labels.as_ref() == Some(&labels) {
                source.take(&mut times, &mut values);
            }
        }
        let (times, values) = sorted(times, values);
        let values: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
        writer.add(&labels, &times, &values)?;
    }
    let merged = if writer.is_empty() { None } else { Some(Arc::new(store.finish_block(writer)?)) };
    store.change_blocks(group, merged);
    maintain::delete(store, group)
}

/// What the log may still have of the group's times.
fn covers(store: &Inner, group: &[Arc<Block>]) -> Vec<Cover> {
    let oldest = store.writer().wal.oldest_closed();
    let covers = group.iter().flat_map(|block| &block.description.covers);
    covers.filter(|cover| oldest.is_some_and(|oldest| cover.segment >= oldest)).copied().collect()
}

/// Brings points into order; of equal times the first given stays.
fn sorted(times: Vec<i64>, values: Vec<Vec<f64>>) -> (Vec<i64>, Vec<Vec<f64>>) {
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
struct Source<'a> {
    store: &'a Inner,
    block: &'a Block,
    ordinal: u32,
    /// Of the series at hand; `None` at the end.
    labels: Option<Labels>,
    scratch: Scratch,
}

impl<'a> Source<'a> {
    fn new(store: &'a Inner, block: &'a Block) -> Self {
        let mut source =
            Self { store, block, ordinal: 0, labels: None, scratch: Scratch::default() };
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

    /// Appends the points of the series at hand and goes to the next one.
    fn take(&mut self, times: &mut Vec<i64>, values: &mut [Vec<f64>]) {
        if let (Some(entry), Some(labels)) = (self.block.entry(self.ordinal), &self.labels) {
            let mut own_times = Vec::new();
            for (column, out) in values.iter_mut().enumerate() {
                let mut own_values = Vec::new();
                own_times.clear();
                entry.decode(
                    self.block.range,
                    column,
                    &mut self.scratch,
                    &mut own_times,
                    &mut own_values,
                );
                let tombstones = self.store.tombstone_list();
                super::delete::erase(
                    &tombstones,
                    self.block.description.sequence,
                    labels,
                    &mut own_times,
                    &mut own_values,
                );
                out.append(&mut own_values);
            }
            times.append(&mut own_times);
        }
        self.ordinal += 1;
        self.settle();
    }
}
