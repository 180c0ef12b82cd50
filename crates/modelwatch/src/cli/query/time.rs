//! Times as the command line takes and shows them: UTC, the clock of who asks is only for `-1h`.

use model::{UnixMs, civil_from_days};

use crate::api::{parse_duration_ms, parse_time};

/// Points that a range has at most where no step is given: what a line of a terminal can show.
const POINTS_WANTED: i64 = 120;

/// Steps that people think in, in seconds; each at most twice the one before, so that a range has at least
/// half as many points as are wanted.
const STEPS: [i64; 20] = [
    1, 2, 4, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1_200, 1_800, 3_600, 7_200, 14_400,
    28_800,
];

const DAY_MS: i64 = 86_400_000;

/// Unix seconds, RFC 3339, `now`, or so long before now: `-1h`.
pub(in crate::cli) fn moment(text: &str, now: UnixMs) -> Option<UnixMs> {
    let text = text.trim();
    if let Some(time) = parse_time(text) {
        return Some(time);
    }
    let distance = text.strip_prefix("now").unwrap_or(text);
    if distance.is_empty() {
        return (!text.is_empty()).then_some(now);
    }
    let before =
        parse_duration_ms(distance.strip_prefix('-')?).ok().filter(|before| *before >= 0)?;
    Some(UnixMs(now.0.saturating_sub(before)))
}

/// A length of time in milliseconds, more than 0.
pub(in crate::cli) fn length_ms(text: &str) -> Option<i64> {
    parse_duration_ms(text.trim()).ok().filter(|length| *length > 0)
}

/// The step of a range of so many milliseconds where none is given.
pub(super) fn default_step_ms(range_ms: i64) -> i64 {
    let fits = |step_ms: &i64| range_ms / *step_ms <= POINTS_WANTED;
    let step = STEPS.iter().map(|seconds| seconds * 1_000).find(fits);
    step.unwrap_or_else(|| {
        let half_days = range_ms.div_euclid(POINTS_WANTED) / (DAY_MS / 2) + 1;
        half_days.saturating_mul(DAY_MS / 2)
    })
}

/// RFC 3339 in UTC, with milliseconds where there are some. Years beyond four digits are Unix seconds.
pub(crate) fn rfc3339(time: UnixMs) -> String {
    let (seconds, millis) = (time.0.div_euclid(1_000), time.0.rem_euclid(1_000));
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    if !(0..10_000).contains(&year) {
        return query::format::format_float(time.seconds());
    }
    let (hour, minute, second) = (of_day / 3_600, of_day % 3_600 / 60, of_day % 60);
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now = UnixMs(1_700_000_000_000);
        let check = |text, expected: Option<i64>| {
            assert_eq!(moment(text, now), expected.map(UnixMs), "{text:?}");
        };
        check("1700000000.5", Some(1_700_000_000_500));
        check("2023-11-14T22:13:20Z", Some(now.0));
        check("2023-11-14T23:13:20+01:00", Some(now.0));
        check("now", Some(now.0));
        check("-1h", Some(now.0 - 3_600_000));
        check("now-1h30m", Some(now.0 - 5_400_000));
        check("-0s", Some(now.0));
        check("-300", Some(-300_000));
        for bad in ["", " ", "1h", "--1h", "now1h", "now+1h", "-", "yesterday", "-1x", "NaN", "-é"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn lengths() {
        for (text, expected) in [("1h", Some(3_600_000)), ("90", Some(90_000)), ("0.5", Some(500))]
        {
            assert_eq!(length_ms(text), expected, "{text:?}");
        }
        for bad in ["", "0", "-1", "-1m", "0s", "x", "1e300", "inf", "0.0001"] {
            assert_eq!(length_ms(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn ranges_have_as_many_points_as_a_line_can_show() {
        for (range, step) in [(30, 1), (60, 1), (3_600, 30), (6 * 3_600, 180), (86_400, 900)] {
            assert_eq!(default_step_ms(range * 1_000), step * 1_000, "{range} s");
        }
        let mut range = 120_000;
        while range < i64::MAX / 2 {
            let points = range / default_step_ms(range);
            assert!((POINTS_WANTED / 2..=POINTS_WANTED).contains(&points), "{range}: {points}");
            range += range / 50 + 1;
        }
        assert!(default_step_ms(0) > 0 && default_step_ms(i64::MAX) > 0);
    }

    proptest::proptest! {
        #[test]
        fn times_read_back(millis in -60_000_000_000_000_i64..250_000_000_000_000) {
            let text = rfc3339(UnixMs(millis));
            proptest::prop_assert_eq!(parse_time(&text), Some(UnixMs(millis)), "{}", text);
        }

        #[test]
        fn any_text_is_a_time_or_none(text: String, now: i64, millis: i64) {
            moment(&text, UnixMs(now));
            length_ms(&text);
            rfc3339(UnixMs(millis));
        }
    }

    #[test]
    fn dates() {
        let check = |millis, expected: &str| assert_eq!(rfc3339(UnixMs(millis)), expected);
        check(0, "1970-01-01T00:00:00Z");
        check(951_827_696_789, "2000-02-29T12:34:56.789Z");
        check(-1, "1969-12-31T23:59:59.999Z");
        check(253_402_300_800_000, "253402300800");
    }
}
