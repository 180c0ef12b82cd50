//! What modelwatch noticed. The last since the start are in memory, for the live socket; where there is a store,
//! all of them go there as well.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use model::{
    log::{LogRecord, Severity},
    message::{Language, render},
};

/// Events kept. When full the oldest is forgotten.
pub(crate) const EVENTS_MAX: usize = 1_000;

/// Takes events that are to be kept. Never waits.
pub(crate) type Keep = Box<dyn Fn(LogRecord) + Send + Sync>;

/// The last events, numbered from 1 without gaps.
#[derive(Default)]
pub(crate) struct Events {
    ring: Mutex<Ring>,
    keep: OnceLock<Keep>,
}

#[derive(Default)]
struct Ring {
    records: VecDeque<LogRecord>,
    /// Number of the newest event.
    newest: u64,
}

impl Events {
    /// From now on events are kept. The first that is given stays.
    pub(crate) fn keep_with(&self, keep: Keep) {
        drop(self.keep.set(keep));
    }

    pub(crate) fn push(&self, record: LogRecord) {
        let text = render(&record.body, &record.attributes, Language::English);
        match record.severity {
            Severity::Error | Severity::Fatal => tracing::error!(source = record.source, "{text}"),
            Severity::Warn => tracing::warn!(source = record.source, "{text}"),
            _ => tracing::info!(source = record.source, "{text}"),
        }
        if let Some(keep) = self.keep.get() {
            keep(record.clone());
        }
        let mut ring = self.lock();
        if ring.records.len() == EVENTS_MAX {
            ring.records.pop_front();
        }
        ring.records.push_back(record);
        ring.newest += 1;
    }

    /// The events after number `seen`, oldest first, and the number of the newest.
    pub(crate) fn after(&self, seen: u64) -> (Vec<LogRecord>, u64) {
        let ring = self.lock();
        let unseen = usize::try_from(ring.newest.saturating_sub(seen)).unwrap_or(usize::MAX);
        let skip = ring.records.len().saturating_sub(unseen);
        (ring.records.iter().skip(skip).cloned().collect(), ring.newest)
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use model::UnixMs;

    use super::*;

    #[test]
    fn readers_get_what_they_have_not_seen() {
        let events = Events::default();
        let push = |body: &str| {
            events.push(LogRecord {
                time: UnixMs(0),
                source: String::new(),
                severity: Severity::Debug,
                body: body.into(),
                attributes: Vec::new(),
            });
        };
        let bodies = |seen| {
            let (records, newest) = events.after(seen);
            (records.into_iter().map(|record| record.body).collect::<Vec<_>>(), newest)
        };
        assert_eq!(bodies(0), (vec![], 0));
        push("a");
        push("b");
        assert_eq!(bodies(0), (vec!["a".into(), "b".into()], 2));
        assert_eq!(bodies(1), (vec!["b".into()], 2));
        assert_eq!(bodies(2), (vec![], 2));
        for _ in 0..EVENTS_MAX {
            push("c");
        }
        assert_eq!(events.after(0).0.len(), EVENTS_MAX);
    }
}
