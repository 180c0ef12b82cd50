//! Reading: head and blocks put together.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasherDefault,
    num::NonZero,
    sync::{Arc, atomic::Ordering},
    thread::available_parallelism,
};

use model::{
    Labels, UnixMs,
    series::{
        Budget, Column, HistogramSeries, Matcher, Rows, SelectError, SeriesData, SeriesSource,
        TimeRange,
    },
};
use roaring::RoaringBitmap;

use super::{
    Store,
    block::{Block, Scratch},
    delete::{Tombstone, erase},
    head::{Copied, Through, clip, in_order},
    rows,
};

/// Below so many points one thread reads a query's blocks.
const POINTS_OF_THREAD_MIN: u64 = 200_000;
/// Threads that read the blocks of one query.
const THREADS_MAX: usize = 4;
/// Points of one series for which room is made before they are read.
const RESERVED_MAX: usize = 1 << 18;

/// Series found so far. Every source appends to the same columns, so that nothing is copied twice.
#[derive(Default)]
struct Found {
    places: HashMap<Labels, usize, BuildHasherDefault<Through>>,
    series: Vec<Points>,
    samples: u64,
}

struct Points {
    data: SeriesData,
    /// A later source had earlier times, so that they have to be put into order.
    is_mixed: bool,
}

impl Found {
    /// The columns of a series, where it is new with room for `expected` points.
    fn points(&mut self, labels: Labels, expected: usize) -> &mut Points {
        let place = *self.places.entry(labels).or_insert_with_key(|labels| {
            let times = Vec::with_capacity(expected);
            let values = Vec::with_capacity(expected);
            let data = SeriesData { labels: labels.clone(), times, values };
            self.series.push(Points { data, is_mixed: false });
            self.series.len() - 1
        });
        &mut self.series[place]
    }

    /// Counts points against the budget.
    fn note(&mut self, added: usize, budget: &Budget) -> Result<(), SelectError> {
        self.samples += added as u64;
        if self.samples > budget.samples_max {
            return Err(SelectError::TooManySamples);
        }
        budget.check()
    }

    /// Adds what the head has.
    fn add_copied(
        &mut self,
        copied: &Copied,
        range: TimeRange,
        budget: &Budget,
    ) -> Result<(), SelectError> {
        let points = self.points(copied.labels.clone(), copied.count());
        let before = points.data.times.len();
        copied.decode(range, &mut points.data.times, &mut points.data.values);
        let added = points.data.times.len() - before;
        points.note_order(before);
        self.note(added, budget)
    }

    fn add_block(
        &mut self,
        block: &Block,
        matching: &RoaringBitmap,
        wanted: &Wanted<'_>,
        share: Share,
        scratch: &mut Scratch,
        budget: &Budget,
    ) -> Result<(), SelectError> {
        scratch.start_block();
        for ordinal in matching {
            let Some(entry) = block.entry(ordinal) else { continue };
            if !entry.overlaps(wanted.range) {
                continue;
            }
            let Some(labels) = entry.labels().filter(|labels| share.has(labels)) else { continue };
            let in_blocks = entry.count_in(wanted.range).saturating_mul(wanted.sources);
            let expected = in_blocks.saturating_add(wanted.in_head).min(RESERVED_MAX);
            let points = self.points(labels, expected);
            let before = points.data.times.len();
            let SeriesData { labels, times, values } = &mut points.data;
            let place = wanted.column.map_or(0, rows::place_of);
            if wanted.column == Some(Column::Growth) {
                // What the first row grew by shows only beside the one before.
                let (mut all_times, mut all_values) = (Vec::new(), Vec::new());
                entry.decode(block.range, place, scratch, &mut all_times, &mut all_values);
                rows::to_growth(&mut all_values);
                clip(&mut all_times, &mut all_values, wanted.range);
                times.append(&mut all_times);
                values.append(&mut all_values);
            } else {
                entry.decode(wanted.range, place, scratch, times, values);
            }
            if !wanted.tombstones.is_empty() {
                let (mut own_times, mut own_values) =
                    (times.split_off(before), values.split_off(before));
                let sequence = block.description.sequence;
                erase(wanted.tombstones, sequence, labels, &mut own_times, &mut own_values);
                times.append(&mut own_times);
                values.append(&mut own_values);
            }
            let added = times.len() - before;
            points.note_order(before);
            self.note(added, budget)?;
        }
        Ok(())
    }

    fn finish(self) -> Vec<SeriesData> {
        let series = self.series.into_iter().filter(|points| !points.data.times.is_empty());
        let series = series.map(|Points { data, is_mixed }| {
            if !is_mixed {
                return data;
            }
            let (times, values) = in_order(data.times, data.values);
            SeriesData { labels: data.labels, times, values }
        });
        series.collect()
    }
}

impl Points {
    /// Notices when what was appended at `before` does not follow what was there.
    fn note_order(&mut self, before: usize) {
        let times = &self.data.times;
        if let (Some(last), Some(first)) =
            (before.checked_sub(1).and_then(|at| times.get(at)), times.get(before))
        {
            self.is_mixed |= first <= last;
        }
    }
}

/// What is looked for in blocks.
struct Wanted<'a> {
    /// How many blocks there are to look into.
    sources: usize,
    /// How many points of a series come from the head, at most.
    in_head: usize,
    matchers: &'a [Matcher],
    range: TimeRange,
    /// Of rows; samples have but one.
    column: Option<Column>,
    tombstones: &'a [Tombstone],
}

impl Store {
    /// The blocks of samples, or of rows of that step, that may have some in `range`.
    pub(super) fn blocks_with(&self, step_ms: i64, range: TimeRange) -> Vec<Arc<Block>> {
        let is_wanted = |block: &&Arc<Block>| {
            block.description.resolution_ms == step_ms && block.overlaps(range)
        };
        self.0.block_list().iter().filter(is_wanted).cloned().collect()
    }

    /// What blocks and head have, read by several threads where it is much. Each thread takes the series
    /// whose fingerprints are its own, from everywhere, so that nothing has to be put together afterwards.
    fn read(
        &self,
        blocks: &[Arc<Block>],
        copied: &[Copied],
        wanted: &Wanted<'_>,
        budget: &Budget,
    ) -> Result<Vec<Found>, SelectError> {
        let matching: Vec<RoaringBitmap> =
            blocks.iter().map(|block| block.matching(wanted.matchers)).collect();
        let pairs: Vec<(&Block, &RoaringBitmap)> =
            blocks.iter().map(Arc::as_ref).zip(&matching).collect();
        let in_blocks = pairs.iter().map(|(block, found)| expected(block, found, wanted.range));
        let in_head = copied.iter().map(|copied| copied.count() as u64);
        let threads = match in_blocks.chain(in_head).sum::<u64>() {
            0..POINTS_OF_THREAD_MIN => 1,
            _ => available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX),
        };
        let read = |thread: usize| {
            let share = Share { index: thread as u64, of: threads as u64 };
            self.read_share(&pairs, copied, wanted, share, budget)
        };
        if threads == 1 {
            return Ok(vec![read(0)?]);
        }
        let read = &read;
        let results: Vec<Result<Found, SelectError>> = std::thread::scope(|scope| {
            let others: Vec<_> =
                (1..threads).map(|thread| scope.spawn(move || read(thread))).collect();
            let first = read(0);
            let failed = || SelectError::Storage("a reading thread ended abnormally".into());
            let others = others.into_iter().map(|other| other.join().map_err(|_| failed())?);
            std::iter::once(first).chain(others).collect()
        });
        let found: Vec<Found> = results.into_iter().collect::<Result<_, _>>()?;
        if found.iter().map(|found| found.samples).sum::<u64>() > budget.samples_max {
            return Err(SelectError::TooManySamples);
        }
        Ok(found)
    }

    fn read_share(
        &self,
        blocks: &[(&Block, &RoaringBitmap)],
        copied: &[Copied],
        wanted: &Wanted<'_>,
        share: Share,
        budget: &Budget,
    ) -> Result<Found, SelectError> {
        let mut found = Found::default();
        let mut scratch = Scratch::default();
        for (block, matching) in blocks {
            let result = found.add_block(block, matching, wanted, share, &mut scratch, budget);
            self.0.counters.chunks_damaged.fetch_add(scratch.damaged, Ordering::Relaxed);
            scratch.damaged = 0;
            result?;
        }
        for copied in copied.iter().filter(|copied| share.has(&copied.labels)) {
            found.add_copied(copied, wanted.range, budget)?;
        }
        Ok(found)
    }
}

/// The series that one of several threads takes.
#[derive(Clone, Copy)]
struct Share {
    index: u64,
    of: u64,
}

impl Share {
    fn has(self, labels: &Labels) -> bool {
        labels.fingerprint() % self.of == self.index
    }
}

/// About how many points the series of a block have in a range, judged by the first one.
fn expected(block: &Block, matching: &RoaringBitmap, range: TimeRange) -> u64 {
    let first = matching.min().and_then(|first| block.entry(first));
    first.map_or(0, |entry| entry.count_in(range) as u64 * matching.len())
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
        let blocks = self.blocks_with(0, range);
        let (sources, tombstones) = (blocks.len(), tombstones.as_slice());
        let in_head = copied.iter().map(Copied::count).max().unwrap_or(0);
        let wanted = Wanted { sources, in_head, matchers, range, column: None, tombstones };
        let found = self.read(&blocks, &copied, &wanted, budget)?;
        Ok(found.into_iter().flat_map(Found::finish).collect())
    }

    fn select_histograms(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<HistogramSeries>, SelectError> {
        self.find_histograms(matchers, range, budget)
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
        let blocks = self.blocks_with(step_ms, range);
        let (sources, tombstones) = (blocks.len(), tombstones.as_slice());
        let column = Some(column);
        let wanted = Wanted { sources, in_head: 0, matchers, range, column, tombstones };
        let found = self.read(&blocks, &[], &wanted, budget)?;
        Ok(found.into_iter().flat_map(Found::finish).collect())
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
                if (entry.overlaps(range) || entry.has_histograms(range))
                    && let Some(labels) = entry.labels()
                    && !marks.iter().any(|mark| mark.concerns(&labels))
                {
                    found.insert(labels);
                }
            }
        }
        Ok(found.into_iter().collect())
    }
}
