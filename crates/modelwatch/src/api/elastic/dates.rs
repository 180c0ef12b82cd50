//! Times as Elasticsearch's clients write them: dates, numbers, and sums such as `now-15m/d`.

use model::{UnixMs, civil_from_days, days_from_civil, parse_rfc3339};

pub(super) const DAY_MS: i64 = 86_400_000;

/// A step of a calendar or a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// So many milliseconds.
    Fixed(i64),
    Months(i64),
}

pub(super) fn unit(name: &str) -> Option<Unit> {
    Some(match name {
        "ms" => Unit::Fixed(1),
        "s" | "second" => Unit::Fixed(1_000),
        "m" | "minute" => Unit::Fixed(60_000),
        "h" | "H" | "hour" => Unit::Fixed(3_600_000),
        "d" | "day" => Unit::Fixed(DAY_MS),
        "w" | "week" => Unit::Fixed(7 * DAY_MS),
        "M" | "month" => Unit::Months(1),
        "q" | "quarter" => Unit::Months(3),
        "y" | "year" => Unit::Months(12),
        _ => return None,
    })
}

/// `30s`, `1.5h`; in milliseconds.
pub(super) fn duration(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, name) = text.split_at(digits);
    let Unit::Fixed(ms) = unit(name)? else { return None };
    let duration = number.parse::<f64>().ok()? * ms as f64;
    (1.0..1e15).contains(&duration).then_some(duration as i64)
}

/// Months since year 0, and the time within the month.
fn months(time: UnixMs) -> (i64, i64) {
    let days = time.0.div_euclid(DAY_MS);
    let (year, month, day) = civil_from_days(days);
    (year * 12 + month - 1, (day - 1) * DAY_MS + time.0.rem_euclid(DAY_MS))
}

fn month_begin(months: i64) -> UnixMs {
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    UnixMs(days_from_civil(year, month, 1).saturating_mul(DAY_MS))
}

/// The begin of the step that a time is in. Weeks begin on Monday.
pub(super) fn floor(time: UnixMs, unit: Unit) -> UnixMs {
    match unit {
        Unit::Fixed(ms) if ms == 7 * DAY_MS => {
            let monday = 4 * DAY_MS;
            UnixMs((time.0 - monday).div_euclid(ms) * ms + monday)
        }
        Unit::Fixed(ms) => UnixMs(time.0.div_euclid(ms) * ms),
        Unit::Months(count) => month_begin(months(time).0.div_euclid(count) * count),
    }
}

/// So many steps later.
pub(super) fn later(time: UnixMs, unit: Unit, count: i64) -> UnixMs {
    match unit {
        Unit::Fixed(ms) => UnixMs(time.0.saturating_add(ms.saturating_mul(count))),
        Unit::Months(each) => {
            let (months, within) = months(time);
            let begin = month_begin(months + each * count);
            let next = month_begin(months + each * count + 1);
            UnixMs((begin.0 + within).min(next.0 - 1))
        }
    }
}

/// A time; one that is rounded is the begin of what it is rounded to, or its end where `is_end`.
pub(super) fn time(text: &str, now: UnixMs, is_end: bool) -> Option<UnixMs> {
    if let Some(sums) = text.strip_prefix("now") {
        return summed(now, sums, is_end);
    }
    if let Some((date, sums)) = text.split_once("||") {
        return summed(date_or_number(date)?.0, sums, is_end);
    }
    let (begin, unit) = date_or_number(text)?;
    match unit {
        Some(unit) if is_end => Some(UnixMs(later(begin, unit, 1).0 - 1)),
        _ => Some(begin),
    }
}

/// With what a date leaves open.
fn date_or_number(text: &str) -> Option<(UnixMs, Option<Unit>)> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.len() != 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        let number = text.parse::<i64>().ok()?;
        return (number.abs() < 9_000_000_000_000).then_some((UnixMs(number), None));
    }
    if let Some(time) = parse_rfc3339(text) {
        return Some((time, None));
    }
    // What is left out of a date is its begin.
    let pieces: Vec<&str> = text.split(['T', ' ']).collect();
    let (date, clock) = match pieces.as_slice() {
        [date] => (*date, ""),
        [date, clock] => (*date, *clock),
        _ => return None,
    };
    if !clock.is_empty() {
        let clock = clock.trim_end_matches('Z');
        let full = match clock.matches(':').count() {
            0 => format!("{clock}:00:00"),
            1 => format!("{clock}:00"),
            _ => clock.to_owned(),
        };
        return Some((parse_rfc3339(&format!("{date}T{full}Z"))?, None));
    }
    let (full, unit) = match date.matches('-').count() {
        0 => (format!("{date}-01-01"), Unit::Months(12)),
        1 => (format!("{date}-01"), Unit::Months(1)),
        _ => (date.to_owned(), Unit::Fixed(DAY_MS)),
    };
    Some((parse_rfc3339(&format!("{full}T00:00:00Z"))?, Some(unit)))
}

/// `-15m/h+1d`
fn summed(begin: UnixMs, sums: &str, is_end: bool) -> Option<UnixMs> {
    let (mut time, mut rest) = (begin, sums);
    while let Some(sign) = rest.chars().next() {
        rest = rest.get(1..)?;
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (name, after) = after.split_at(letters);
        let unit = unit(name)?;
        let count = if number.is_empty() { 1 } else { number.parse::<i32>().ok()?.into() };
        time = match sign {
            '+' => later(time, unit, count),
            '-' => later(time, unit, -count),
            '/' if number.is_empty() && is_end => UnixMs(later(floor(time, unit), unit, 1).0 - 1),
            '/' if number.is_empty() => floor(time, unit),
            _ => return None,
        };
        rest = after;
    }
    Some(time)
}

/// Hours from UTC, as `+02:00` or `UTC`; nothing for names of places.
pub(super) fn zone_ms(text: &str) -> Option<i64> {
    if matches!(text, "UTC" | "utc" | "Z" | "Etc/UTC" | "GMT") {
        return Some(0);
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes: i64 = if minutes.is_empty() { 0 } else { minutes.parse().ok()? };
    let ms = (hours.parse::<i64>().ok()? * 60 + minutes) * 60_000;
    (ms <= 18 * 3_600_000).then_some(sign * ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times() {
        // 2023-11-14T22:13:20.123Z, a Tuesday.
        let now = UnixMs(1_700_000_000_123);
        let check = |text: &str, is_end: bool, expected: Option<&str>| {
            let found = time(text, now, is_end).map(crate::api::time::rfc3339);
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("now", false, Some("2023-11-14T22:13:20.123Z"));
        check("now-15m", false, Some("2023-11-14T21:58:20.123Z"));
        check("now/d", false, Some("2023-11-14T00:00:00.000Z"));
        check("now/d", true, Some("2023-11-14T23:59:59.999Z"));
        check("now-1d/w", false, Some("2023-11-13T00:00:00.000Z"));
        check("now/M+1d", false, Some("2023-11-02T00:00:00.000Z"));
        check("now/q", false, Some("2023-10-01T00:00:00.000Z"));
        check("2024-01-31||+1M", false, Some("2024-02-29T23:59:59.999Z"));
        check("1700000000123", false, Some("2023-11-14T22:13:20.123Z"));
        check("2023-11-14T22:13:20.123Z", false, Some("2023-11-14T22:13:20.123Z"));
        check("2023-11-14", false, Some("2023-11-14T00:00:00.000Z"));
        check("2023-11-14", true, Some("2023-11-14T23:59:59.999Z"));
        check("2023-11-14T10:30", false, Some("2023-11-14T10:30:00.000Z"));
        check("2023", true, Some("2023-12-31T23:59:59.999Z"));
        check("2023-11", false, Some("2023-11-01T00:00:00.000Z"));
        for bad in ["", "x", "now-", "now-1x", "now*2", "99999999999999", "2023-13"] {
            check(bad, false, None);
        }
    }

    #[test]
    fn durations_and_zones() {
        assert_eq!(duration("1000ms"), Some(1_000));
        assert_eq!(duration("1.5h"), Some(5_400_000));
        assert_eq!(duration("0s"), None);
        assert_eq!(duration("1M"), None);
        assert_eq!(zone_ms("+02:00"), Some(7_200_000));
        assert_eq!(zone_ms("-0130"), Some(-5_400_000));
        assert_eq!(zone_ms("Europe/Berlin"), None);
    }

    proptest! {
        #[test]
        fn anything_is_a_time_or_none(text in "(now)?[-+/0-9a-zA-Z|:. ]{0,20}|.{0,10}") {
            let _unused = time(&text, UnixMs(1_700_000_000_000), true);
        }
    }
}
