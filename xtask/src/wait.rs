//! Waiting for the outside world: poll until a condition holds or a deadline passes, never a fixed sleep.

use std::time::Duration;

use anyhow::{Result, anyhow};
use model::Clock;

const POLL: Duration = Duration::from_millis(50);

/// Time since it was made.
pub struct Stopwatch(Clock);

impl Stopwatch {
    pub fn start() -> Self {
        Self(Clock::system())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.monotonic()
    }
}

/// Asks `probe` again and again until it answers `Ok`; after `limit` its last error is the result.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<T>) -> Result<T> {
    let watch = Stopwatch::start();
    loop {
        let error = match probe() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if watch.elapsed() >= limit {
            return Err(anyhow!("{what}: not within {:.1} s: {error:#}", limit.as_secs_f64()));
        }
        pause(POLL);
    }
}

/// Lets time pass. For pacing traffic and polls, not for hoping that something is done by then.
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
