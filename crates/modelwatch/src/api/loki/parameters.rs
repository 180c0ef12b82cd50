//! Parameters as Loki's clients write them.

use std::time::Duration;

use model::{UnixMs, parse_rfc3339, series::TimeRange};

use super::Refusal;
use crate::api::form::{Form, parse_duration_ms};

/// Nanoseconds since 1970.
pub(super) type Nanos = i128;

const NANOS_PER_MS: i128 = 1_000_000;
/// How far back is looked where no start is given.
const SPAN: Nanos = 3_600 * 1_000 * NANOS_PER_MS;
/// Most lines of an answer.
const LINES_MAX: usize = 5_000;
/// Furthest time from 1970.
const TIME_MS_MAX: i128 = 9_000_000_000_000;

/// The time that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) start: Nanos,
    pub(super) end: Nanos,
}

impl Asked {
    pub(super) fn read(form: &Form, now: UnixMs) -> Result<Self, Refusal> {
        let end = time(form, "end")?.unwrap_or(Nanos::from(now.0) * NANOS_PER_MS);
        let span = match form.get("since").map(parse_duration_ms).transpose() {
            Ok(since) => since.map_or(SPAN, |since| Nanos::from(since) * NANOS_PER_MS),
            Err(reason) => return Err(Refusal::bad(reason)),
        };
        let start = time(form, "start")?.unwrap_or(end - span);
        if end < start {
            return Err(Refusal::bad("end timestamp must not be before or equal to start time"));
        }
        Ok(Self { start, end })
    }

    /// From the start on and before the end. Lines know their time to the millisecond.
    pub(super) fn range(self) -> TimeRange {
        let ceiled = |time: Nanos| UnixMs(-(floor_ms(-time).0));
        TimeRange { start: ceiled(self.start), end: UnixMs(ceiled(self.end).0 - 1) }
    }

    /// Where none is given, about 250 of them.
    pub(super) fn step(self, form: &Form) -> Result<Duration, Refusal> {
        let Some(text) = form.get("step") else {
            let seconds = (self.end - self.start) / (250 * 1_000 * NANOS_PER_MS);
            return Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(1).max(1)));
        };
        match parse_duration_ms(text).map(u64::try_from) {
            Ok(Ok(step @ 1..)) => Ok(Duration::from_millis(step)),
            Ok(_) => Err(Refusal::bad(
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            )),
            Err(reason) => Err(Refusal::bad(reason)),
        }
    }
}

pub(super) fn floor_ms(time: Nanos) -> UnixMs {
    UnixMs(i64::try_from(time.div_euclid(NANOS_PER_MS)).unwrap_or_default())
}

/// A whole number of nanoseconds, or of seconds where it is small; seconds with a fraction; or RFC 3339.
pub(super) fn time(form: &Form, name: &str) -> Result<Option<Nanos>, Refusal> {
    let Some(text) = form.get(name) else { return Ok(None) };
    let wrong = || Refusal::bad(format!("could not parse '{name}' parameter: {text:?} is no time"));
    let nanos = if let Ok(whole) = text.parse::<i64>() {
        let is_seconds = text.trim_start_matches('-').len() <= 10;
        Nanos::from(whole) * if is_seconds { 1_000 * NANOS_PER_MS } else { 1 }
    } else if let Ok(seconds) = text.parse::<f64>() {
        if !seconds.is_finite() {
            return Err(wrong());
        }
        (seconds * 1e9) as Nanos
    } else {
        let time = parse_rfc3339(text).ok_or_else(wrong)?;
        Nanos::from(time.0) * NANOS_PER_MS
    };
    if nanos.abs() > TIME_MS_MAX * NANOS_PER_MS {
        return Err(wrong());
    }
    Ok(Some(nanos))
}

/// How many lines are wanted.
pub(super) fn limit(form: &Form) -> Result<usize, Refusal> {
    let Some(text) = form.get("limit") else { return Ok(100) };
    match text.parse::<usize>() {
        Ok(0) | Err(_) => Err(Refusal::bad("limit must be a positive value")),
        Ok(limit) if limit > LINES_MAX => Err(Refusal::bad(format!(
            "max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {LINES_MAX})"
        ))),
        Ok(limit) => Ok(limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let check = |text: &str, expected: Option<i64>| {
            let form = Form::of(&format!("t={text}"));
            let found = time(&form, "t").ok().flatten().map(|time| floor_ms(time).0);
            assert_eq!(found, expected, "{text}");
        };
        check("1700000000123456789", Some(1_700_000_000_123));
        check("1700000000", Some(1_700_000_000_000));
        check("1700000000.5", Some(1_700_000_000_500));
        check("4000000000", Some(4_000_000_000_000));
        check("2023-11-14T22:13:20.5Z", Some(1_700_000_000_500));
        for bad in ["x", "NaN", "1e300", "2023"] {
            check(bad, if bad == "2023" { Some(2_023_000) } else { None });
        }
    }

    #[test]
    fn the_end_does_not_belong_to_it() {
        let check = |start: Nanos, end: Nanos, expected: (i64, i64)| {
            let range = Asked { start, end }.range();
            assert_eq!((range.start.0, range.end.0), expected);
        };
        check(1_000_000, 3_000_000, (1, 2));
        check(1_000_001, 3_000_001, (2, 3));
    }

    #[test]
    fn steps() {
        let asked = Asked { start: 0, end: SPAN };
        let check = |text: &str, expected: Option<u64>| {
            let found = asked.step(&Form::of(text)).ok().map(|step| step.as_millis() as u64);
            assert_eq!(found, expected, "{text}");
        };
        check("", Some(14_000));
        check("step=15000ms", Some(15_000));
        check("step=60", Some(60_000));
        check("step=1m", Some(60_000));
        check("step=0", None);
        check("step=x", None);
    }
}
