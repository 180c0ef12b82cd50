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
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use logs::{Entry, Reader, Told, Zone};
use model::{Clock, UnixMs, log::Line, sample::Batch};
use store::{Store, events::AppendError};

use self::{figures::Series, news::News, streams::Streams};
use crate::events::Events;

/// The attribute that names what is known of a line.
pub(crate) const KNOWN: &str = "known";
/// A line from further ahead was written under a wrong clock; its time is when it came.
const AHEAD_MAX: Duration = Duration::from_secs(5 * 60);

/// Where lines go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    zone: Zone,
    events: Arc<Events>,
    series: Mutex<Series>,
    news: Mutex<News>,
    streams: Mutex<Streams>,
}

impl Lines {
    /// `zone` is that of programs which do not say in which zone their times are.
    pub(crate) fn new(store: Store, clock: Clock, zone: Zone, events: Arc<Events>) -> Self {
        let news = Mutex::new(News::new(clock.monotonic()));
        let (series, streams) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { store, clock, zone, events, series, news, streams }))
    }

    /// Keeps lines that a receiver brings and returns how many were taken; what is taken survives the death of the
    /// process. Writes to the disk, so it is for threads that may wait. After an error nothing is kept, and the sender
    /// may try again.
    pub(crate) fn take(&self, mut lines: Vec<Line>) -> Result<usize, AppendError> {
        let now = self.0.clock.now();
        lines.iter_mut().for_each(|line| self.understand(line, now));
        self.prepare(&mut lines);
        self.keep(lines).map_err(|(_, error)| error)
    }

    /// Reads the body of a line that came alone; what follows its first line belongs to it. What the protocol says of
    /// its time counts more than what the body says, and of its severity less: many senders say the same of all their
    /// lines.
    fn understand(&self, line: &mut Line, now: UnixMs) {
        let told = Told {
            time: Some(line.time),
            severity: line.severity,
            attributes: std::mem::take(&mut line.attributes),
        };
        let (first, rest) = match line.body.split_once('\n') {
            Some((first, rest)) => (first, Some(rest)),
            None => (line.body.as_str(), None),
        };
        let mut reader = Reader::new(self.0.zone.clone());
        let entry = reader.push_told(first.as_bytes(), told, now, 0).or_else(|| reader.flush());
        let Some(Entry { time, severity, mut body, attributes, .. }) = entry else { return };
        if let Some(rest) = rest {
            body.push('\n');
            body.push_str(rest);
        }
        (line.time, line.severity, line.body, line.attributes) = (time, severity, body, attributes);
    }

    /// Says of each line what is known of it.
    fn prepare(&self, lines: &mut [Line]) {
        let now = self.0.clock.now();
        for line in lines {
            if line.time > now + AHEAD_MAX {
                line.time = now;
            }
            if let Some(found) = logs::knowledge::find(&line.body).first() {
                line.severity = line.severity.or(Some(found.known.severity));
                line.attributes.push((KNOWN.to_owned(), found.known.id.to_owned()));
            }
        }
    }

    /// Keeps lines that are understood; gives them back where the store refuses them.
    fn keep(&self, lines: Vec<Line>) -> Result<usize, (Vec<Line>, AppendError)> {
        let taken = match self.0.store.events().append(&lines) {
            Ok(taken) => taken,
            Err(error) => return Err((lines, error)),
        };
        let monotonic = self.0.clock.monotonic();
        let mut news = lock(&self.0.news);
        let told: Vec<_> = lines.iter().filter_map(|line| news.look(line, monotonic)).collect();
        drop(news);
        told.into_iter().for_each(|record| self.0.events.push(record));
        let mut series = lock(&self.0.series);
        for Line { origin, time, body, attributes, .. } in lines {
            if !origin.engine.is_empty() {
                let entry = Entry { time, body, attributes, ..Entry::default() };
                let figures = logs::figures(&origin.engine, &entry);
                figures.into_iter().for_each(|figure| series.add(&origin, figure));
            }
        }
        Ok(taken)
    }

    /// The samples of what lines said since the last call, with the label `source="log"`.
    pub(crate) fn samples(&self, time: UnixMs) -> Batch {
        lock(&self.0.series).batch(time)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
