//! Times as people and Prometheus' clients write them.

use std::time::Duration;

use model::{UnixMs, civil_from_days, parse_rfc3339};

/// Beyond this, seconds in a float no longer tell milliseconds apart.
const SECONDS_MAX: f64 = 9e12;

/// What clients of Prometheus send for the beginning and the end of all time, whose years RFC 3339 lacks.
const ALL_TIME: [(&str, UnixMs); 2] = [
    ("-292273086-05-16T16:47:06Z", UnixMs::MIN),
    ("292277025-08-18T07:12:54.999999999Z", UnixMs::MAX),
];

/// Float seconds or RFC 3339.
pub(crate) fn parse_time(text: &str) -> Option<UnixMs> {
    if let Ok(seconds) = text.parse::<f64>() {
        let in_range = seconds.is_finite() && seconds.abs() <= SECONDS_MAX;
        return in_range.then(|| UnixMs((seconds * 1e3).round() as i64));
    }
    let boundary = ALL_TIME.iter().find(|(known, _)| *known == text).map(|(_, time)| *time);
    boundary.or_else(|| parse_rfc3339(text))
}

/// Go's zero time, which Prometheus shows for what never happened.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

/// `2026-11-24T09:00:00.500Z`
pub(crate) fn rfc3339(time: UnixMs) -> String {
    let (seconds, millis) = (time.0.div_euclid(1_000), time.0.rem_euclid(1_000));
    let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) =
        (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Whole milliseconds of a duration.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `2026-11-24`, in UTC.
pub(crate) fn date(time: UnixMs) -> String {
    let (year, month, day) = civil_from_days(time.0.div_euclid(86_400_000));
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times() {
        let check = |text, expected: Option<i64>| {
            assert_eq!(parse_time(text), expected.map(UnixMs), "{text}");
        };
        check("0", Some(0));
        check("1435781451.781", Some(1_435_781_451_781));
        check("1970-01-01T00:00:00Z", Some(0));
        check("-292273086-05-16T16:47:06Z", Some(i64::MIN));
        check("292277025-08-18T07:12:54.999999999Z", Some(i64::MAX));
        check("2015-07-01T20:10:51.781Z", Some(1_435_781_451_781));
        check("2015-07-01T22:10:51.781+02:00", Some(1_435_781_451_781));
        check("2000-02-29T12:00:00-01:30", Some(951_831_000_000));
        for bad in
            ["", "x", "NaN", "1e300", "2015-13-01T00:00:00Z", "2015-07-01", "T", "1-1-1T1:1:1.é+"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn times_in_words() {
        assert_eq!(rfc3339(UnixMs(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(UnixMs(951_826_554_321)), "2000-02-29T12:15:54.321Z");
        assert_eq!(rfc3339(UnixMs(-1)), "1969-12-31T23:59:59.999Z");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(millis in -60_000_000_000_000_i64..250_000_000_000_000) {
            prop_assert_eq!(parse_time(&rfc3339(UnixMs(millis))), Some(UnixMs(millis)));
        }
    }
}
