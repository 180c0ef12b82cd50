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

/// Days since 1970-01-01 in the proleptic Gregorian calendar; years start in March so that the
/// leap day comes last.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day: the reverse of [`days_from_civil`].
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
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

/// `2026-11-24T10:00:00.5+01:00`; leap seconds count as the second before.
pub fn parse_rfc3339(text: &str) -> Option<UnixMs> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at(zone_at);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let valid = (0..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second)
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !valid {
        return None;
    }
    let digits = fraction.bytes().chain([b'0'; 3]).take(3);
    let millis = digits.fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0'));
    let offset_minutes = match zone.as_bytes().first()? {
        b'Z' | b'z' => 0,
        sign => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let part =
                |text: &str, end: i64| text.parse().ok().filter(|part| (0..end).contains(part));
            let minutes = part(hours, 24)? * 60 + part(minutes, 60)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
    };
    let seconds = days_from_civil(year, month, day) * 86_400
        + hour * 3_600
        + (minute - offset_minutes) * 60
        + second.min(59);
    Some(UnixMs(seconds * 1_000 + millis))
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

    #[test]
    fn times() {
        let check = |text, expected: Option<i64>| {
            assert_eq!(parse_rfc3339(text), expected.map(UnixMs), "{text}");
        };
        check("2026-11-22T10:00:00.1234567Z", Some(1_795_341_600_123));
        check("2026-11-22 12:00:00+02:00", Some(1_795_341_600_000));
        check("2026-11-22T10:00:00", None);
        check("2026-13-22T10:00:00Z", None);
        check("2026-11-22T10:00:00+9223372036854775807:00", None);
        check("2026-11-22T10:00:00+-1:00", None);
        check("2026-11-22T10:00:00+02:60", None);
    }
}
