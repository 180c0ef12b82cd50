//! Taking samples in: judged one by one, then the log, then the head.

use std::{
    io,
    path::PathBuf,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use model::{
    Labels, UnixMs,
    sample::{Batch, Exemplar, Points},
    series::TimeRange,
};

use super::{
    Fsync, Inner, Metrics, Refusal,
    head::{Head, Outcome},
    lock,
    wal::{Ref, Wal},
};

/// How far ahead of the clock a sample may be.
const AHEAD_MAX: Duration = Duration::from_secs(10 * 60);

/// A batch could not be written and counts as not stored. Sending it again is harmless: what was stored
/// of it is recognised.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to {}: {source}", path.display())]
pub struct AppendError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// What became of the samples of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Stored now, or stored before with the same value.
    pub accepted: usize,
    /// The same of histograms.
    pub histograms: usize,
    refused: [usize; Refusal::NAMES.len()],
}

impl Appended {
    /// Refused samples by reason, as in [`super::Stats::refused`]; reasons that did not occur are left
    /// out.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, usize)> {
        Refusal::NAMES.into_iter().zip(self.refused).filter(|(_, count)| *count > 0)
    }

    pub(super) fn refuse(&mut self, refusal: Refusal, count: usize) {
        self.refused[refusal as usize] += count;
    }
}

/// What only one at a time may use.
pub(super) struct Writer {
    pub(super) wal: Wal,
    /// For each series the last round that had samples of it, so that a repetition is noticed.
    seen: Vec<u64>,
    round: u64,
    /// What is to be written: a series, its place among the runs, and how many of `points` are its own.
    accepted: Vec<(Ref, usize, usize)>,
    points: Vec<(i64, f64)>,
    synced_at: Duration,
    /// Times that are moving into a block; who has samples of them waits.
    pub(super) frozen: Option<TimeRange>,
}

/// Points of one series.
#[derive(Clone, Copy)]
struct Run<'a> {
    labels: &'a Labels,
    points: &'a [(i64, f64)],
}

impl Writer {
    pub(super) fn new(wal: Wal, now: Duration) -> Self {
        Self {
            wal,
            seen: Vec::new(),
            round: 0,
            accepted: Vec::new(),
            points: Vec::new(),
            synced_at: now,
            frozen: None,
        }
    }
}

impl Metrics {
    /// Stores a batch. After `Ok` its samples are readable and survive the death of the process.
    pub fn append(&self, batch: &Batch) -> Result<Appended, AppendError> {
        let points: Vec<(i64, f64)> =
            batch.samples.iter().map(|(_, value)| (batch.time.0, *value)).collect();
        let pairs = batch.samples.iter().zip(points.chunks_exact(1));
        let runs = pairs.map(|((labels, _), points)| Run { labels, points });
        self.append_all(runs.collect(), &batch.points)
    }

    /// Stores points of many series, as [`Metrics::append`] does.
    pub fn append_points(&self, points: &Points) -> Result<Appended, AppendError> {
        self.append_all(Vec::new(), points)
    }

    fn append_all<'a>(
        &self,
        mut runs: Vec<Run<'a>>,
        points: &'a Points,
    ) -> Result<Appended, AppendError> {
        runs.extend(points.iter().map(|(labels, points)| Run { labels, points }));
        let mut appended = Appended::default();
        self.append_runs(runs, &mut appended)?;
        if !points.histograms.is_empty() {
            self.append_histograms(&points.histograms, &mut appended)?;
        }
        self.0.count_refused(&appended);
        Ok(appended)
    }

    /// Keeps exemplars, the newest of them, and returns how many were kept.
    pub fn append_exemplars(&self, exemplars: &[Exemplar]) -> Result<usize, AppendError> {
        let fresh = lock(&self.0.exemplars).fresh(exemplars);
        let result = self.0.writer().wal.append_exemplars(&fresh);
        self.0.note_write(&result);
        result.map_err(|source| AppendError { path: self.0.folder.clone(), source })?;
        let count = fresh.len();
        let mut kept = lock(&self.0.exemplars);
        fresh.into_iter().for_each(|exemplar| kept.push(exemplar));
        Ok(count)
    }

    fn append_runs(
        &self,
        mut runs: Vec<Run<'_>>,
        appended: &mut Appended,
    ) -> Result<(), AppendError> {
        let mut writer = self.0.writer_when_thawed(|frozen| {
            let is_inside = |(time, _): &(i64, f64)| (frozen.start.0..=frozen.end.0).contains(time);
            runs.iter().any(|run| run.points.iter().any(is_inside))
        });
        // A series that comes twice is judged again when its first points are stored.
        while !runs.is_empty() {
            let later = self.0.admit(&mut writer, &runs, appended);
            let result = self.0.write(&mut writer, &runs);
            self.0.note_append(&writer, result)?;
            runs = later;
        }
        Ok(())
    }
}

impl Inner {
    /// The writer, once no times are frozen in which `has_samples_in` says that there are some to be
    /// written.
    pub(super) fn writer_when_thawed(
        &self,
        has_samples_in: impl Fn(TimeRange) -> bool,
    ) -> MutexGuard<'_, Writer> {
        let mut writer = self.writer();
        while let Some(frozen) = writer.frozen {
            if !has_samples_in(frozen) {
                break;
            }
            writer = self.thawed.wait(writer).unwrap_or_else(PoisonError::into_inner);
        }
        writer
    }

    /// Remembers how writing to the log went.
    pub(super) fn note_append(
        &self,
        writer: &Writer,
        result: io::Result<()>,
    ) -> Result<(), AppendError> {
        self.counters.wal_bytes.store(writer.wal.bytes(), Ordering::Relaxed);
        self.note_write(&result);
        result.map_err(|source| AppendError { path: self.folder.clone(), source })
    }

    fn count_refused(&self, appended: &Appended) {
        for (counter, count) in self.counters.refused.iter().zip(appended.refused) {
            counter.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// Decides on each point; those to be stored are in `writer` afterwards. Returns the runs whose
    /// series came before in this round.
    fn admit<'a>(
        &self,
        writer: &mut Writer,
        runs: &[Run<'a>],
        appended: &mut Appended,
    ) -> Vec<Run<'a>> {
        writer.accepted.clear();
        writer.points.clear();
        writer.round += 1;
        let now = self.clock.now();
        let mut later = Vec::new();
        let mut head = self.head_mut();
        for (index, run) in runs.iter().enumerate() {
            let reference = match self.series_for(&mut head, run.labels) {
                Ok(reference) => reference,
                Err(refusal) => {
                    appended.refuse(refusal, run.points.len());
                    continue;
                }
            };
            let seat = reference as usize;
            if writer.seen.len() <= seat {
                writer.seen.resize(seat + 1, 0);
            }
            if writer.seen[seat] == writer.round {
                later.push(*run);
                continue;
            }
            writer.seen[seat] = writer.round;
            let before = writer.points.len();
            self.judge(&head, reference, now, run.points, &mut writer.points, appended);
            let count = writer.points.len() - before;
            if count > 0 {
                writer.accepted.push((reference, index, count));
            }
        }
        later
    }

    pub(super) fn series_for(&self, head: &mut Head, labels: &Labels) -> Result<Ref, Refusal> {
        if let Some(reference) = head.find(labels) {
            return Ok(reference);
        }
        if head.len() >= self.options.series_max {
            return Err(Refusal::SeriesLimit);
        }
        if let Some(instance) = labels.get("instance")
            && head.count_having("instance", instance) >= self.options.instance_series_max
        {
            let mut crowded = lock(&self.counters.crowded_instance);
            if crowded.as_deref() != Some(instance) {
                *crowded = Some(instance.to_owned());
            }
            return Err(Refusal::InstanceSeriesLimit);
        }
        Ok(head.create(labels))
    }

    /// Appends the points of one series that are to be stored to `accepted`, in order.
    fn judge(
        &self,
        head: &Head,
        reference: Ref,
        now: UnixMs,
        points: &[(i64, f64)],
        accepted: &mut Vec<(i64, f64)>,
        appended: &mut Appended,
    ) {
        let sorted;
        let mut points = points;
        if !points.is_sorted_by_key(|(time, _)| *time) {
            let mut copy = points.to_vec();
            copy.sort_by_key(|(time, _)| *time);
            sorted = copy;
            points = &sorted;
        }
        let newest = head.get(reference).map_or(i64::MIN, |series| series.newest);
        let first = accepted.len();
        for (time, value) in points.iter().copied() {
            let twin = accepted.get(first..).and_then(<[_]>::last).filter(|(at, _)| *at == time);
            let outcome = match twin {
                Some((_, stored)) if stored.to_bits() == value.to_bits() => Ok(Outcome::Repeated),
                Some(_) => Ok(Outcome::Duplicate),
                None => {
                    self.is_welcome(time, newest, now).map(|()| head.judge(reference, time, value))
                }
            };
            match outcome {
                Ok(Outcome::Accepted) => accepted.push((time, value)),
                Ok(Outcome::Repeated) => {}
                Ok(Outcome::Duplicate) => {
                    appended.refuse(Refusal::Duplicate, 1);
                    continue;
                }
                Err(refusal) => {
                    appended.refuse(refusal, 1);
                    continue;
                }
            }
            appended.accepted += 1;
        }
    }

    /// Whether a time is one that samples may have. A sample that is newer than all of its series is
    /// welcome however late it comes: a writer that was cut off catches up that way.
    pub(super) fn is_welcome(&self, time: i64, newest: i64, now: UnixMs) -> Result<(), Refusal> {
        if time > (now + AHEAD_MAX).0 {
            return Err(Refusal::TooFarAhead);
        }
        if self.options.accept_old || time >= (now - self.options.window).0 {
            return Ok(());
        }
        let window = self.options.window.as_millis() as i64;
        let is_out_of_order = time < newest.saturating_sub(window);
        let is_expired = time < (now - self.options.retention).0;
        if is_out_of_order || is_expired { Err(Refusal::TooOld) } else { Ok(()) }
    }

    /// Log first, then head.
    fn write(&self, writer: &mut Writer, runs: &[Run<'_>]) -> io::Result<()> {
        let Writer { wal, accepted, points, .. } = writer;
        if accepted.is_empty() {
            return Ok(());
        }
        let mut rest = points.as_slice();
        let samples = accepted.iter().flat_map(|(reference, index, count)| {
            let (own, others) = rest.split_at(*count);
            rest = others;
            let labels = runs[*index].labels;
            own.iter().map(move |(time, value)| (*reference, labels, *time, *value))
        });
        wal.append(samples)?;
        if self.options.fsync == Fsync::EveryBatch {
            wal.sync()?;
        }
        let mut head = self.head_mut();
        let mut rest = points.as_slice();
        for (reference, _, count) in accepted {
            let (own, others) = rest.split_at(*count);
            rest = others;
            for (time, value) in own {
                head.push(*reference, *time, *value);
            }
        }
        self.counters.samples_appended.fetch_add(points.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn sync_when_due(&self) -> io::Result<()> {
        let Fsync::Interval(interval) = self.options.fsync else { return Ok(()) };
        let now = self.clock.monotonic();
        let mut writer = self.writer();
        if now.saturating_sub(writer.synced_at) < interval {
            return Ok(());
        }
        writer.synced_at = now;
        writer.wal.sync()
    }
}
