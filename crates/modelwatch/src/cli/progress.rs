//! One line that says how far long work is, for whoever watches it at a terminal.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    time::Duration,
};

use model::Clock;

/// How often the line changes.
const PERIOD: Duration = Duration::from_millis(250);

pub(super) struct Progress {
    clock: Clock,
    next: Duration,
    is_seen: bool,
    is_shown: bool,
}

impl Progress {
    pub(super) fn new(clock: Clock) -> Self {
        let next = clock.monotonic() + PERIOD;
        Self { clock, next, is_seen: stderr().is_terminal(), is_shown: false }
    }

    /// Shows what `text` says, if it is time to.
    pub(super) fn show(&mut self, text: impl FnOnce() -> String) {
        let now = self.clock.monotonic();
        if self.is_seen && now >= self.next {
            self.next = now + PERIOD;
            self.is_shown = true;
            self.write(&format!("\r\x1b[K{}", text()));
        }
    }

    fn write(&self, text: &str) {
        // Whoever closed standard error does not want to know.
        drop(stderr().write_all(text.as_bytes()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            self.write("\r\x1b[K");
        }
    }
}
