//! What becomes of lines of logs, however they came: they are understood, and kept.

use std::time::Duration;

use model::{Clock, log::Line};
use store::{Store, events::AppendError};

/// A line from further ahead was written under a wrong clock; its time is when it came.
const AHEAD_MAX: Duration = Duration::from_secs(5 * 60);

/// Where lines go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Lines {
    store: Store,
    clock: Clock,
}

impl Lines {
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// Keeps lines and returns how many were taken; what is taken survives the death of the process. Writes to
    /// the disk, so it is for threads that may wait. After an error nothing is kept, and the sender may try again.
    pub(crate) fn take(&self, mut lines: Vec<Line>) -> Result<usize, AppendError> {
        let now = self.clock.now();
        for line in &mut lines {
            if line.time > now + AHEAD_MAX {
                line.time = now;
            }
        }
        self.store.events().append(&lines)
    }
}
