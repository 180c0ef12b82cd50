//! Reading: head and blocks put together.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasherDefault,
    num::NonZero,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::available_parallelism,
};

use model::{
    Labels, UnixMs,
    series::{
        Budget, Column, HistogramSeries, Matcher, Rows, SelectError, SeriesData, SeriesSource,
        TimeRange, Visit,
    },
};

use super::{
    Store,
    block::{Block, Entry, Scratch},
    delete::{Tombstone, erase},
    head::{Copied, Through, clip, in_order},
    rows,
};

/// Below so many points one thread reads what a query needs.
const POINTS_OF_THREAD_MIN: u64 = 200_000;
/// Threads that read for one query.
const THREADS_MAX: usize = 4;
/// Points of one series for which room is made before they are read.
const RESERVED_MAX: usize = 1 << 18;

/// So many series a thread takes at a time: neighbours share columns of times.
const SERIES_TAKEN: usize = 32;

/// Which series there are and where their points lie, put together before any is read.
struct Plan<'a> {
    series: Vec<Planned<'a>>,
    places: Vec<Place>,
}

struct Planned<'a> {
    labels: Labels,
    copied: Option<&'a Copied>,
    /// Its part of the places, oldest block first.
    places: Range<usize>,
}

/// A series in a block.
#[derive(Clone, Copy)]
struct Place {
    series: usize,
    block: usize,
    ordinal: u32,
}

impl<'a> Plan<'a> {
    fn new(
        blocks: &[Arc<Block>],
        copied: &'a [Copied],
        matchers: &[Matcher],
        budget: &Budget,
    ) -> Result<Self, SelectError> {
        let mut known: HashMap<Labels, usize, BuildHasherDefault<Through>> = HashMap::default();
        let mut series: Vec<Planned<'a>> = Vec::new();
        let mut places = Vec::new();
        let mut number = |labels: Labels, series: &mut Vec<Planned<'a>>| {
            *known.entry(labels).or_insert_with_key(|labels| {
                series.push(Planned { labels: labels.clone(), copied: None, places: 0..0 });
                series.len() - 1
            })
        };
        for (block, source) in blocks.iter().enumerate() {
            budget.check()?;
            for ordinal in source.matching(matchers) {
                let Some(labels) = source.labels(ordinal) else { continue };
                let series = number(labels, &mut series);
                places.push(Place { series, block, ordinal });
            }
        }
        for one in copied {
            let number = number(one.labels.clone(), &mut series);
            if let Some(planned) = series.get_mut(number) {
                planned.copied = Some(one);
            }
        }
        // Stable, so that the blocks of a series stay in their order.
        places.sort_by_key(|place| place.series);
        let mut end = 0;
        for (number, planned) in series.iter_mut().enumerate() {
            let start = end;
            end += places[start..].iter().take_while(|place| place.series == number).count();
            planned.places = start..end;
        }
        Ok(Self { series, places })
    }
}

/// What is looked for.
struct Wanted<'a> {
    blocks: &'a [Arc<Block>],
    range: TimeRange,
    /// Of rows; samples have but one.
    column: Option<Column>,
    tombstones: &'a [Tombstone],
    budget: &'a Budget,
}

impl Wanted<'_> {
    /// All points of one series, in order. `scratches` are those of the blocks.
    fn read(
        &self,
        plan: &Plan<'_>,
        planned: &Planned<'_>,
        scratches: &mut [Scratch],
    ) -> SeriesData {
        let places = plan.places.get(planned.places.clone()).unwrap_or_default();
        let found = places.iter().filter_map(|place| {
            let entry = self.blocks.get(place.block)?.entry(place.ordinal)?;
            entry.overlaps(self.range).then_some((place.block, entry))
        });
        let entries: Vec<(usize, Entry<'_>)> = found.collect();
        let expected: usize = entries.iter().map(|(_, entry)| entry.count_in(self.range)).sum();
        let expected = expected + planned.copied.map_or(0, Copied::count);
        let (mut times, mut values) = (Vec::new(), Vec::new());
        times.reserve(expected.min(RESERVED_MAX));
        values.reserve(expected.min(RESERVED_MAX));
        let mut is_mixed = false;
        let mut note_order = |times: &[i64], before: usize| {
            if let (Some(last), Some(first)) =
                (before.checked_sub(1).and_then(|at| times.get(at)), times.get(before))
            {
                is_mixed |= first <= last;
            }
        };
        for (block, entry) in entries {
            let Some(scratch) = scratches.get_mut(block) else { continue };
            let before = times.len();
            self.read_entry(&entry, block, &planned.labels, scratch, &mut times, &mut values);
            note_order(&times, before);
        }
        if let Some(copied) = planned.copied {
            let before = times.len();
            copied.decode(self.range, &mut times, &mut values);
            note_order(&times, before);
        }
        if is_mixed {
            (times, values) = in_order(times, values);
        }
        SeriesData { labels: planned.labels.clone(), times, values }
    }

    /// Appends what one block has of a series.
    fn read_entry(
        &self,
        entry: &Entry<'_>,
        block: usize,
        labels: &Labels,
        scratch: &mut Scratch,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) {
        let Some(block) = self.blocks.get(block) else { return };
        let place = self.column.map_or(0, rows::place_of);
        let before = times.len();
        if self.column == Some(Column::Growth) {
            // What the first row grew by shows only beside the one before.
            let (mut all_times, mut all_values) = (Vec::new(), Vec::new());
            entry.decode(block.range, place, scratch, &mut all_times, &mut all_values);
            rows::to_growth(&mut all_values);
            clip(&mut all_times, &mut all_values, self.range);
            times.append(&mut all_times);
            values.append(&mut all_values);
        } else {
            entry.decode(self.range, place, scratch, times, values);
        }
        if !self.tombstones.is_empty() {
            let (mut own_times, mut own_values) =
                (times.split_off(before), values.split_off(before));
            let sequence = block.description.sequence;
            erase(self.tombstones, sequence, labels, &mut own_times, &mut own_values);
            times.append(&mut own_times);
            values.append(&mut own_values);
        }
    }
}

/// What the threads that read one selection share.
#[derive(Default)]
struct Progress {
    /// The next series that nobody has taken.
    next: AtomicUsize,
    samples: AtomicU64,
    damaged: AtomicU64,
    /// One of them failed, so that the others need not go on.
    has_failed: AtomicBool,
}

impl Store {
    /// The blocks of samples, or of rows of that step, that may have some in `range`.
    pub(super) fn blocks_with(&self, step_ms: i64, range: TimeRange) -> Vec<Arc<Block>> {
        let is_wanted = |block: &&Arc<Block>| {
            block.description.resolution_ms == step_ms && block.overlaps(range)
        };
        self.0.block_list().iter().filter(is_wanted).cloned().collect()
    }

    /// Reads what blocks and head have, by several threads where it is much, series by series, so that no
    /// more of them are in memory than there are threads, unless `each` keeps them.
    fn read(
        &self,
        wanted: &Wanted<'_>,
        matchers: &[Matcher],
        copied: &[Copied],
        each: &Visit<'_>,
    ) -> Result<(), SelectError> {
        let plan = Plan::new(wanted.blocks, copied, matchers, wanted.budget)?;
        let progress = Progress::default();
        let read = || read_series(wanted, &plan, &progress, each);
        let result = match expected(wanted, &plan) {
            0..POINTS_OF_THREAD_MIN => read(),
            _ => {
                let threads = available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
                let failed = || SelectError::Storage("a reading thread ended abnormally".into());
                std::thread::scope(|scope| {
                    let others: Vec<_> = (1..threads).map(|_| scope.spawn(read)).collect();
                    let first = read();
                    let others =
                        others.into_iter().map(|other| other.join().map_err(|_| failed())?);
                    std::iter::once(first).chain(others).fold(Ok(()), Result::and)
                })
            }
        };
        let damaged = progress.damaged.into_inner();
        self.0.counters.chunks_damaged.fetch_add(damaged, Ordering::Relaxed);
        result
    }
}

/// All series at once, in the order of their places, which does not depend on threads.
fn collect(
    read: impl FnOnce(&Visit<'_>) -> Result<(), SelectError>,
) -> Result<Vec<SeriesData>, SelectError> {
    let found = Mutex::new(Vec::new());
    read(&|place, series| {
        found.lock().unwrap_or_else(PoisonError::into_inner).push((place, series));
        Ok(())
    })?;
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_unstable_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, series)| series).collect())
}

/// What one thread does: it takes series as long as there are any.
fn read_series(
    wanted: &Wanted<'_>,
    plan: &Plan<'_>,
    progress: &Progress,
    each: &Visit<'_>,
) -> Result<(), SelectError> {
    let mut scratches: Vec<Scratch> = wanted.blocks.iter().map(|_| Scratch::default()).collect();
    let mut read = || {
        loop {
            let first = progress.next.fetch_add(SERIES_TAKEN, Ordering::Relaxed);
            let Some(rest) = plan.series.get(first..) else { return Ok(()) };
            for (place, planned) in (first..).zip(rest.iter().take(SERIES_TAKEN)) {
                if progress.has_failed.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let series = wanted.read(plan, planned, &mut scratches);
                if series.times.is_empty() {
                    continue;
                }
                let added = series.times.len() as u64;
                let samples = progress.samples.fetch_add(added, Ordering::Relaxed) + added;
                if samples > wanted.budget.samples_max {
                    return Err(SelectError::TooManySamples);
                }
                wanted.budget.check()?;
                each(place, series)?;
            }
        }
    };
    let result = read();
    if result.is_err() {
        progress.has_failed.store(true, Ordering::Relaxed);
    }
    let damaged = scratches.iter().map(|scratch| scratch.damaged).sum();
    progress.damaged.fetch_add(damaged, Ordering::Relaxed);
    result
}

/// About how many points there are, judged by the first series.
fn expected(wanted: &Wanted<'_>, plan: &Plan<'_>) -> u64 {
    let Some(first) = plan.series.first() else { return 0 };
    let places = plan.places.get(first.places.clone()).unwrap_or_default();
    let entries =
        places.iter().filter_map(|place| wanted.blocks.get(place.block)?.entry(place.ordinal));
    let in_blocks: usize = entries.map(|entry| entry.count_in(wanted.range)).sum();
    let count = in_blocks + first.copied.map_or(0, Copied::count);
    count as u64 * plan.series.len() as u64
}

impl SeriesSource for Store {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        collect(|each| self.visit(matchers, range, budget, each))
    }

    fn visit(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
        each: &Visit<'_>,
    ) -> Result<(), SelectError> {
        // The head comes first: what moves into a block meanwhile is then seen twice, not lost.
        let copied = self.0.head().copy(matchers, range);
        // Tombstones come before blocks: one that is buried meanwhile was applied by the blocks.
        let tombstones = self.0.tombstone_list();
        let blocks = self.blocks_with(0, range);
        let wanted =
            Wanted { blocks: &blocks, range, column: None, tombstones: &tombstones, budget };
        self.read(&wanted, matchers, &copied, each)
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
        let column = Some(column);
        let wanted = Wanted { blocks: &blocks, range, column, tombstones: &tombstones, budget };
        collect(|each| self.read(&wanted, matchers, &[], each))
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
