//! Time: UTC milliseconds inside, zones belong to the viewer.

use std::{
    fmt,
    ops::{Add, Sub},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub i64);

impl UnixMs {
    pub const MIN: Self = Self(i64::MIN);
    pub const MAX: Self = Self(i64::MAX);

    /// Seconds with a fraction, as Prometheus prints times.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e3
    }
}

impl Add<Duration> for UnixMs {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(rhs.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for UnixMs {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(rhs.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The one place that reads the machine's clocks; tests set it by hand.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { start: Instant },
    Manual(Arc<AtomicI64>),
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn system() -> Self {
        Self(Source::System { start: Instant::now() })
    }

    /// A clock that stands still at `now` until [`Clock::set`] moves it.
    pub fn manual(now: UnixMs) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(now.0))))
    }

    /// The wall clock. It may jump in both directions.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> UnixMs {
        match &self.0 {
            Source::System { .. } => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                UnixMs(0) + since_epoch
            }
            Source::Manual(now) => UnixMs(now.load(Ordering::SeqCst)),
        }
    }

    /// Time since this clock was made; never runs backwards, for durations and deadlines.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn monotonic(&self) -> Duration {
        match &self.0 {
            Source::System { start } => Instant::now().duration_since(*start),
            Source::Manual(now) => {
                Duration::from_millis(u64::try_from(now.load(Ordering::SeqCst)).unwrap_or(0))
            }
        }
    }

    /// Moves a manual clock; the system clock cannot be moved and stays as it is.
    pub fn set(&self, to: UnixMs) {
        if let Source::Manual(now) = &self.0 {
            now.store(to.0, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(UnixMs(1000) - Duration::from_secs(2), UnixMs(-1000));
        assert_eq!(UnixMs::MIN - Duration::from_secs(1), UnixMs::MIN);
        assert_eq!(UnixMs::MAX + Duration::MAX, UnixMs::MAX);
    }

    #[test]
    fn a_manual_clock_is_shared_by_its_copies() {
        let clock = Clock::manual(UnixMs(5));
        let copy = clock.clone();
        clock.set(UnixMs(7_000));
        assert_eq!((copy.now(), copy.monotonic()), (UnixMs(7_000), Duration::from_secs(7)));
    }
}
