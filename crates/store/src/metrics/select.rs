//! Reading: head and blocks put together, one series after the other.

use std::{
    collections::{HashMap, HashSet},
    mem::take,
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
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
    Metrics,
    block::{Block, Entry, Scratch},
    delete::{Tombstone, erase},
    head::{Copied, clip, in_order},
    rows,
};

/// Below so many points one thread reads what a query needs.
const POINTS_OF_THREAD_MIN: u64 = 100_000;
/// Threads that read for one query.
const THREADS_MAX: usize = 4;
/// So many series are looked up before the budget is asked.
const SERIES_UNCHECKED: usize = 1_024;
/// Series that a thread takes at a time.
const SERIES_TAKEN: usize = 16;

/// Where the points of one series lie.
struct Planned<'a> {
    labels: Labels,
    /// Blocks from old to new.
    entries: Vec<Entry<'a>>,
    head: Option<&'a Copied>,
}

/// What is looked for.
struct Wanted<'a> {
    matchers: &'a [Matcher],
    range: TimeRange,
    /// Of rows; samples have but one.
    column: Option<Column>,
    tombstones: &'a [Tombstone],
}

impl Planned<'_> {
    /// About how many points it has in `range`.
    fn count_in(&self, range: TimeRange) -> usize {
        let in_blocks: usize = self.entries.iter().map(|entry| entry.count_in(range)).sum();
        in_blocks + self.head.map_or(0, Copied::count)
    }

    /// Reads all of it into `series`, which is emptied first.
    fn read(&self, wanted: &Wanted<'_>, scratch: &mut Scratch, series: &mut SeriesData) {
        let SeriesData { labels, times, values } = series;
        *labels = self.labels.clone();
        times.clear();
        values.clear();
        let expected = self.count_in(wanted.range);
        times.reserve(expected);
        values.reserve(expected);
        let mut is_mixed = false;
        for entry in &self.entries {
            let before = times.len();
            read_entry(entry, labels, wanted, scratch, times, values);
            is_mixed |= is_mixed_at(times, before);
        }
        if let Some(copied) = self.head {
            let before = times.len();
            copied.decode(wanted.range, times, values);
            is_mixed |= is_mixed_at(times, before);
        }
        if is_mixed {
            (*times, *values) = in_order(take(times), take(values));
        }
    }
}

/// Appends what one block has of a series.
fn read_entry(
    entry: &Entry<'_>,
    labels: &Labels,
    wanted: &Wanted<'_>,
    scratch: &mut Scratch,
    times: &mut Vec<i64>,
    values: &mut Vec<f64>,
) {
    let before = times.len();
    let place = wanted.column.map_or(0, rows::place_of);
    if wanted.column == Some(Column::Growth) {
        // What the first row grew by shows only beside the one before.
        let (mut all_times, mut all_values) = (Vec::new(), Vec::new());
        entry.decode(entry.range(), place, scratch, &mut all_times, &mut all_values);
        rows::to_growth(&mut all_values);
        clip(&mut all_times, &mut all_values, wanted.range);
        times.append(&mut all_times);
        values.append(&mut all_values);
    } else {
        entry.decode(wanted.range, place, scratch, times, values);
    }
    if !wanted.tombstones.is_empty() {
        let (mut own_times, mut own_values) = (times.split_off(before), values.split_off(before));
        erase(wanted.tombstones, entry.sequence(), labels, &mut own_times, &mut own_values);
        times.append(&mut own_times);
        values.append(&mut own_values);
    }
}

/// Whether what was appended at `before` does not follow what was there.
fn is_mixed_at(times: &[i64], before: usize) -> bool {
    let last = before.checked_sub(1).and_then(|at| times.get(at));
    last.zip(times.get(before)).is_some_and(|(last, first)| first <= last)
}

/// All series that there is something of, in the order of the first block that has them, those of the head
/// alone at the end.
fn plan<'a>(
    blocks: &'a [Arc<Block>],
    copied: &'a [Copied],
    wanted: &Wanted<'_>,
    budget: &Budget,
) -> Result<Vec<Planned<'a>>, SelectError> {
    let mut planned: Vec<Planned<'a>> = Vec::new();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    // Of a single source every series is another one.
    let has_several = blocks.len() + usize::from(!copied.is_empty()) > 1;
    let mut place_of = |planned: &mut Vec<Planned<'a>>, labels: Labels| {
        let next = planned.len();
        let place = if has_several { *places.entry(labels.clone()).or_insert(next) } else { next };
        if place == next {
            planned.push(Planned { labels, entries: Vec::new(), head: None });
        }
        place
    };
    for block in blocks {
        for (count, ordinal) in block.matching(wanted.matchers).iter().enumerate() {
            check_now_and_then(count, budget)?;
            let Some(entry) = block.entry(ordinal).filter(|entry| entry.overlaps(wanted.range))
            else {
                continue;
            };
            let Some(labels) = entry.labels() else { continue };
            let place = place_of(&mut planned, labels);
            planned[place].entries.push(entry);
        }
    }
    for (count, copied) in copied.iter().enumerate() {
        check_now_and_then(count, budget)?;
        let place = place_of(&mut planned, copied.labels.clone());
        planned[place].head = Some(copied);
    }
    Ok(planned)
}

fn check_now_and_then(count: usize, budget: &Budget) -> Result<(), SelectError> {
    if count.is_multiple_of(SERIES_UNCHECKED) { budget.check() } else { Ok(()) }
}

/// Work that several threads share.
struct Reading<'a> {
    planned: &'a [Planned<'a>],
    wanted: &'a Wanted<'a>,
    budget: &'a Budget,
    visit: Visit<'a>,
    /// The first series that nobody has taken yet.
    next: AtomicUsize,
    samples: AtomicU64,
    damaged: AtomicU64,
}

impl Reading<'_> {
    /// What one thread does: takes series until there are none.
    fn work(&self) -> Result<(), SelectError> {
        let mut scratch = Scratch::default();
        let result = self.take_all(&mut scratch);
        if result.is_err() {
            // Nothing is left for the others.
            self.next.store(self.planned.len(), Ordering::Relaxed);
        }
        self.damaged.fetch_add(scratch.damaged, Ordering::Relaxed);
        result
    }

    fn take_all(&self, scratch: &mut Scratch) -> Result<(), SelectError> {
        let mut series = SeriesData::default();
        loop {
            let first = self.next.fetch_add(SERIES_TAKEN, Ordering::Relaxed);
            let end = (first + SERIES_TAKEN).min(self.planned.len());
            let Some(taken) = self.planned.get(first..end).filter(|taken| !taken.is_empty()) else {
                return Ok(());
            };
            for (place, planned) in (first as u64..).zip(taken) {
                self.budget.check()?;
                planned.read(self.wanted, scratch, &mut series);
                let added = series.times.len() as u64;
                let samples = self.samples.fetch_add(added, Ordering::Relaxed) + added;
                if samples > self.budget.samples_max {
                    return Err(SelectError::TooManySamples);
                }
                if added > 0 {
                    (self.visit)(place, &mut series)?;
                }
            }
        }
    }

    /// Reads with several threads where it is much.
    fn run(&self) -> Result<(), SelectError> {
        let range = self.wanted.range;
        let points: usize = self.planned.iter().map(|planned| planned.count_in(range)).sum();
        let threads = match points as u64 {
            0..POINTS_OF_THREAD_MIN => 1,
            _ => available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX),
        };
        if threads == 1 {
            return self.work();
        }
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| self.work())).collect();
            let mut result = self.work();
            for other in others {
                let failed = || SelectError::Storage("a reading thread ended abnormally".into());
                result = result.and(other.join().map_err(|_| failed()).flatten());
            }
            result
        })
    }
}

impl Metrics {
    /// The blocks of samples, or of rows of that step, that may have some in `range`.
    pub(super) fn blocks_with(&self, step_ms: i64, range: TimeRange) -> Vec<Arc<Block>> {
        let is_wanted = |block: &&Arc<Block>| {
            block.description.resolution_ms == step_ms && block.overlaps(range)
        };
        self.0.block_list().iter().filter(is_wanted).cloned().collect()
    }

    fn read(
        &self,
        blocks: &[Arc<Block>],
        copied: &[Copied],
        wanted: &Wanted<'_>,
        budget: &Budget,
        visit: Visit<'_>,
    ) -> Result<(), SelectError> {
        let planned = plan(blocks, copied, wanted, budget)?;
        let (next, samples, damaged) = Default::default();
        let reading = Reading { planned: &planned, wanted, budget, visit, next, samples, damaged };
        let result = reading.run();
        let damaged = reading.damaged.into_inner();
        self.0.counters.chunks_damaged.fetch_add(damaged, Ordering::Relaxed);
        result
    }
}

/// Runs `read` and keeps everything that it visits, in its place.
fn collect(
    read: impl FnOnce(Visit<'_>) -> Result<(), SelectError>,
) -> Result<Vec<SeriesData>, SelectError> {
    let found = Mutex::new(Vec::new());
    read(&|place, series| {
        // Columns are made anew, so that none is larger than what it holds.
        let mut series = take(series);
        series.times.shrink_to_fit();
        series.values.shrink_to_fit();
        found.lock().unwrap_or_else(PoisonError::into_inner).push((place, series));
        Ok(())
    })?;
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_unstable_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, series)| series).collect())
}

impl SeriesSource for Metrics {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        collect(|visit| self.visit(matchers, range, budget, visit))
    }

    fn visit(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
        visit: Visit<'_>,
    ) -> Result<(), SelectError> {
        // The head comes first: what moves into a block meanwhile is then seen twice, not lost.
        let copied = self.0.head().copy(matchers, range);
        // Tombstones come before blocks: one that is buried meanwhile was applied by the blocks.
        let tombstones = self.0.tombstone_list();
        let blocks = self.blocks_with(0, range);
        let wanted = Wanted { matchers, range, column: None, tombstones: &tombstones };
        self.read(&blocks, &copied, &wanted, budget, visit)
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
        let wanted = Wanted { matchers, range, column, tombstones: &tombstones };
        collect(|visit| self.read(&blocks, &[], &wanted, budget, visit))
    }

    fn oldest_sample(&self) -> UnixMs {
        self.0.oldest_of(0).unwrap_or_else(|| self.0.head().oldest())
    }

    fn oldest_row(&self, step_ms: i64) -> UnixMs {
        self.0.oldest_of(step_ms).unwrap_or(UnixMs::MAX)
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
            let marks = tombstones.iter();
            let marks: Vec<&Tombstone> = marks
                .filter(|mark| mark.sequence > block.description.sequence)
                .filter(|mark| {
                    mark.range.start <= block.range.start && mark.range.end >= block.range.end
                })
                .collect();
            for (count, ordinal) in block.matching(matchers).iter().enumerate() {
                check_now_and_then(count, budget)?;
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
