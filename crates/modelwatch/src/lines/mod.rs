//! What becomes of lines of logs, however they came: they are understood, and kept.
//!
//! A line that comes from a file is read together with those around it; one that a receiver brings is read alone. What
//! is known of a line is kept with it as the attribute [`KNOWN`], so that it is found without looking at bodies
//! again. Figures become samples, and what a program never said before becomes an event. Bias: a line is kept first;
//! what it meant is told afterwards, and is lost when this program dies between the two.

mod figures;
mod news;
mod streams;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use logs::{
    Entry, Figure, Reader, Told, Zone,
    pipeline::{Pipelines, StepCounts, Verdict},
};
use model::{
    Clock, UnixMs,
    log::{Line, LogRecord, Origin, Severity},
    sample::Batch,
};
use store::{Store, events::AppendError};
use tokio::sync::broadcast;

use self::{figures::Series, news::News, streams::Streams};
use crate::events::Events;

/// The attribute that names what is known of a line.
pub(crate) const KNOWN: &str = "known";
/// A line from further ahead was written under a wrong clock; its time is when it came.
const AHEAD_MAX: Duration = Duration::from_secs(5 * 60);
/// Batches that somebody who watches may be behind; then the oldest are lost, and it is told how many.
const BEHIND_MAX: usize = 256;

/// What lines say, and whose log they are of.
type Figures = Vec<(Arc<Origin>, Figure)>;

/// Where lines go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    zone: Zone,
    events: Arc<Events>,
    pipelines: Pipelines,
    /// The store refused the last lines.
    is_refused: AtomicBool,
    series: Mutex<Series>,
    news: Mutex<News>,
    streams: Mutex<Streams>,
    /// For those who watch what is kept.
    watched: broadcast::Sender<Arc<[Line]>>,
}

impl Lines {
    /// `zone` is that of programs which do not say in which zone their times are.
    pub(crate) fn new(
        store: Store,
        clock: Clock,
        zone: Zone,
        pipelines: Pipelines,
        events: Arc<Events>,
    ) -> Self {
        let news = Mutex::new(News::new(clock.monotonic()));
        let (series, streams) = (Mutex::default(), Mutex::default());
        let watched = broadcast::Sender::new(BEHIND_MAX);
        let is_refused = AtomicBool::new(false);
        let inner = Inner {
            store,
            clock,
            zone,
            events,
            pipelines,
            is_refused,
            series,
            news,
            streams,
            watched,
        };
        Self(Arc::new(inner))
    }

    /// The lines that are kept from now on, in batches.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<[Line]>> {
        self.0.watched.subscribe()
    }

    /// Keeps lines that a receiver brings and returns how many were taken, among them those that a pipeline drops;
    /// what is taken survives the death of the process. A line whose time is `arrived` does not say it. Writes to the
    /// disk, so it is for threads that may wait. After an error nothing is kept, and the sender may try again.
    pub(crate) fn take(&self, mut lines: Vec<Line>, arrived: UnixMs) -> Result<usize, AppendError> {
        let sent = lines.len();
        lines.iter_mut().for_each(|line| self.understand(line, arrived));
        let figures = self.prepare(&mut lines);
        let dropped = sent - lines.len();
        let taken = self.keep(lines).map_err(|(_, error)| error)?;
        self.add(figures);
        Ok(taken + dropped)
    }

    /// Reads the body of a line that came alone; what follows its first line belongs to it. What the protocol says of
    /// its time counts more than what the body says, and of its severity less: many senders say the same of all their
    /// lines.
    fn understand(&self, line: &mut Line, arrived: UnixMs) {
        let told = Told {
            time: (line.time != arrived).then_some(line.time),
            severity: line.severity,
            attributes: std::mem::take(&mut line.attributes),
        };
        let (first, rest) = match line.body.split_once('\n') {
            Some((first, rest)) => (first, Some(rest)),
            None => (line.body.as_str(), None),
        };
        let mut reader = Reader::new(self.0.zone.clone());
        let entry = reader.push_told(first.as_bytes(), told, arrived, 0).or_else(|| reader.flush());
        let Some(Entry { time, severity, mut body, attributes, .. }) = entry else { return };
        if let Some(rest) = rest {
            body.push('\n');
            body.push_str(rest);
        }
        (line.time, line.severity, line.body, line.attributes) = (time, severity, body, attributes);
    }

    /// Does with lines what the configuration says, and says of each what is known of it. Gives the figures in them,
    /// also of lines that are dropped.
    fn prepare(&self, lines: &mut Vec<Line>) -> Figures {
        let now = self.0.clock.now();
        let (mut all, mut found) = (Figures::new(), Vec::new());
        lines.retain_mut(|line| {
            if !line.origin.engine.is_empty() {
                found = engine_figures(line);
            }
            let verdict = self.0.pipelines.apply(line, &mut found);
            all.extend(found.drain(..).map(|figure| (Arc::clone(&line.origin), figure)));
            verdict == Verdict::Kept
        });
        for line in lines {
            if line.time > now + AHEAD_MAX {
                line.time = now;
            }
            if let Some(found) = logs::knowledge::find(&line.body).first() {
                line.severity = line.severity.or(Some(found.known.severity));
                line.attributes.push((KNOWN.to_owned(), found.known.id.to_owned()));
            }
        }
        all
    }

    /// Says once that lines cannot be stored, and once that they can again. Nothing is lost meanwhile: files are read
    /// later, and senders are told to come again.
    fn tell_refusal(&self, error: Option<&AppendError>) {
        let was_refused = self.0.is_refused.swap(error.is_some(), Ordering::Relaxed);
        let (severity, body, attributes) = match error {
            Some(error) if !was_refused => {
                let reason = ("reason".to_owned(), error.to_string());
                (Severity::Error, "event.lines_refused", vec![reason])
            }
            None if was_refused => (Severity::Info, "event.lines_taken", Vec::new()),
            _ => return,
        };
        let (time, source) = (self.0.clock.now(), "storage".to_owned());
        self.0.events.push(LogRecord { time, source, severity, body: body.into(), attributes });
    }

    fn add(&self, figures: Figures) {
        let mut series = lock(&self.0.series);
        figures.into_iter().for_each(|(origin, figure)| series.add(&origin, figure));
    }

    /// Keeps lines that are understood; gives them back where the store refuses them.
    fn keep(&self, lines: Vec<Line>) -> Result<usize, (Vec<Line>, AppendError)> {
        let appended = self.0.store.events().append(&lines);
        self.tell_refusal(appended.as_ref().err());
        let taken = match appended {
            Ok(taken) => taken,
            Err(error) => return Err((lines, error)),
        };
        if self.0.watched.receiver_count() > 0 {
            // They may be gone by now, which is fine.
            drop(self.0.watched.send(lines.clone().into()));
        }
        let monotonic = self.0.clock.monotonic();
        let mut news = lock(&self.0.news);
        let told: Vec<_> = lines.iter().filter_map(|line| news.look(line, monotonic)).collect();
        drop(news);
        told.into_iter().for_each(|record| self.0.events.push(record));
        Ok(taken)
    }

    /// What the steps of the pipelines did so far.
    pub(crate) fn pipeline_counts(&self) -> impl Iterator<Item = StepCounts> {
        self.0.pipelines.counts()
    }

    /// The samples of what lines said since the last call, with the label `source="log"`.
    pub(crate) fn samples(&self, time: UnixMs) -> Batch {
        lock(&self.0.series).batch(time)
    }
}

/// The figures that an engine wrote into a line.
fn engine_figures(line: &mut Line) -> Vec<Figure> {
    let entry = Entry {
        time: line.time,
        body: std::mem::take(&mut line.body),
        attributes: std::mem::take(&mut line.attributes),
        ..Entry::default()
    };
    let figures = logs::figures(&line.origin.engine, &entry);
    (line.body, line.attributes) = (entry.body, entry.attributes);
    figures
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
