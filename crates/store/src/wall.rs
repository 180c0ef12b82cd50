//! Whether the wall clock's word is enough to delete data.

use std::time::Duration;

use model::{Clock, UnixMs};

/// How far the wall clock may stray from the monotonic one, and for how long it must not have, before
/// its word is enough to delete data.
const DRIFT_MAX: Duration = Duration::from_secs(60);
const TRUST_AFTER: Duration = Duration::from_secs(10 * 60);

/// Compares the two clocks each time it is asked.
pub(crate) struct Trust {
    /// Wall and monotonic time when they last disagreed.
    agreed_since: (UnixMs, Duration),
}

impl Trust {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self { agreed_since: (clock.now(), clock.monotonic()) }
    }

    /// Whether the wall clock went along with the monotonic one for long enough.
    pub(crate) fn holds(&mut self, now: UnixMs, monotonic: Duration) -> bool {
        let (wall, since) = self.agreed_since;
        let elapsed = monotonic.saturating_sub(since);
        let expected = wall + elapsed;
        if now > expected + DRIFT_MAX || now < expected - DRIFT_MAX {
            self.agreed_since = (now, monotonic);
            return false;
        }
        elapsed >= TRUST_AFTER
    }
}
