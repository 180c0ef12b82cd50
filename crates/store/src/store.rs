//! The store as a whole: one directory, one lock, metrics and events in it.

use std::{
    io,
    ops::Deref,
    path::{Path, PathBuf},
};

use model::{
    Clock, Labels, UnixMs,
    series::{
        Budget, Column, HistogramSeries, Matcher, Rows, SelectError, SeriesData, SeriesSource,
        TimeRange, Visit,
    },
};

use crate::{
    Metrics, OpenError, Options, Recovery, Report,
    disk::Disk,
    events::{self, Events, LINES, Noticed},
    metrics,
};

/// Where in the folder events are.
const EVENTS: &str = "events";

/// An open store. Cheap to clone; the folder is released when the last clone is dropped. Metrics are
/// written and read through it as through [`Metrics`], events through [`Store::events`].
#[derive(Clone)]
pub struct Store {
    metrics: Metrics,
    events: Events,
}

impl Store {
    /// Opens or creates the store in `folder` and makes it this process's alone.
    ///
    /// Damage never prevents opening: what is whole is served, the rest is reported.
    pub fn open(
        folder: &Path,
        options: Options,
        clock: Clock,
    ) -> Result<(Self, Recovery), OpenError> {
        let (metrics, mut recovery) = Metrics::open(folder, options.clone(), clock.clone())?;
        let of_kind = |kind: &str| match kind {
            Noticed::KIND => options.noticed.clone(),
            LINES => options.lines.clone(),
            _ => options.exchanges.clone(),
        };
        let place = folder.join(EVENTS);
        let opened = Events::open(&place, &of_kind, options.fsync, &clock, &Disk::default());
        let (events, problems) = opened.map_err(|source| OpenError::Io { path: place, source })?;
        recovery.add(problems);
        Ok((Self { metrics, events }, recovery))
    }

    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Makes what was acknowledged survive a power failure, if that is due. To be called every second or
    /// so; an error means that the disk refused, and the next call tries again.
    pub fn sync(&self) -> io::Result<()> {
        self.metrics.sync().and(self.events.sync_when_due())
    }

    /// Does what is due at `now`: moves samples and records to where they stay, deletes what is too old
    /// or too much. To be called every second or so from a thread of its own, because it may take long. An
    /// error means that the disk refused, and a later call tries again.
    pub fn maintain(&self, now: UnixMs) -> io::Result<()> {
        let metrics = self.metrics.maintain(now);
        metrics.and(self.events.maintain(now))
    }

    /// Makes everything acknowledged survive a power failure as well.
    pub fn close(&self) -> io::Result<()> {
        self.metrics.close().and(self.events.sync())
    }

    /// Makes a snapshot and returns its folder, below `snapshots` in the store's own.
    pub fn snapshot(&self) -> io::Result<PathBuf> {
        let target = self.metrics.snapshot()?;
        self.events.snapshot(&target.join(EVENTS))?;
        Ok(target)
    }
}

impl Deref for Store {
    type Target = Metrics;

    fn deref(&self) -> &Metrics {
        &self.metrics
    }
}

impl SeriesSource for Store {
    fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<Labels>, SelectError> {
        self.metrics.series(matchers, range, budget)
    }

    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        self.metrics.select(matchers, range, budget)
    }

    fn visit(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
        visit: Visit<'_>,
    ) -> Result<(), SelectError> {
        self.metrics.visit(matchers, range, budget, visit)
    }

    fn select_histograms(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<HistogramSeries>, SelectError> {
        self.metrics.select_histograms(matchers, range, budget)
    }

    fn rows(&self) -> Vec<Rows> {
        SeriesSource::rows(&self.metrics)
    }

    fn select_rows(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        step_ms: i64,
        column: Column,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        self.metrics.select_rows(matchers, range, step_ms, column, budget)
    }

    fn oldest_sample(&self) -> UnixMs {
        self.metrics.oldest_sample()
    }

    fn oldest_row(&self, step_ms: i64) -> UnixMs {
        self.metrics.oldest_row(step_ms)
    }
}

/// Reads every byte of the store in `folder` and says what is damaged. Changes none of them.
pub fn verify(folder: &Path) -> Result<Report, OpenError> {
    metrics::verify(folder, |report| events::check(&folder.join(EVENTS), report))
}

/// As [`verify`], then puts damaged files aside, saves what can be read of them, and cuts torn tails of
/// the log. The originals stay, with the ending `.bad`.
pub fn repair(folder: &Path) -> Result<Report, OpenError> {
    metrics::repair(folder, |report| events::check(&folder.join(EVENTS), report))
}
