//! Times of the day and the week: when channels are not to be told, and maintenance that comes again.
//!
//! Reckoned by the clock on the wall of a zone: at 22:00 stays at 22:00 when summer begins.

use std::{fmt, sync::Arc};

use model::UnixMs;

use super::record::{Repeat, Window};

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
const WEEK_MINUTES: i64 = 7 * 24 * 60;

/// By how many seconds the clocks of a place are ahead of UTC at Unix seconds.
#[derive(Clone)]
pub struct Zone(Arc<dyn Fn(i64) -> i64 + Send + Sync>);

impl Zone {
    pub fn new(offset: impl Fn(i64) -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(offset))
    }

    pub fn utc() -> Self {
        Self::new(|_| 0)
    }

    /// Milliseconds as a clock there shows them.
    fn wall(&self, time: i64) -> i64 {
        let offset = (self.0)(time.div_euclid(1_000));
        time.saturating_add(offset.saturating_mul(1_000))
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Zone")
    }
}

/// Spans of a week, such as `mon-fri 22:00-07:00`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours(Vec<Span>);

/// From a minute of the week, which begins on Monday, for some minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: i64,
    minutes: i64,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Hours {
    /// Reads spans: days, a blank, and a time of the day to another. Without days it is every day; a span that ends
    /// before it begins goes on into the next day. The error says what is expected.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, String> {
        let mut spans = Vec::new();
        for text in texts {
            let text = text.as_ref();
            let found = parse_spans(text).ok_or_else(|| {
                format!("{text:?} is no time of the week such as \"mon-fri 22:00-07:00\"")
            })?;
            spans.extend(found);
        }
        Ok(Self(spans))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a moment is within.
    pub fn contains(&self, time: UnixMs, zone: &Zone) -> bool {
        // 1970-01-01 was a Thursday.
        let minute =
            (zone.wall(time.0).div_euclid(MINUTE_MS) + 3 * 24 * 60).rem_euclid(WEEK_MINUTES);
        self.0.iter().any(|span| (minute - span.from).rem_euclid(WEEK_MINUTES) < span.minutes)
    }
}

fn parse_spans(text: &str) -> Option<Vec<Span>> {
    let text = text.trim().to_ascii_lowercase();
    let (days, times) = match text.rsplit_once(' ') {
        Some((days, times)) => (parse_days(days)?, times),
        None => ((0..7).collect(), text.as_str()),
    };
    let (from, to) = times.split_once('-')?;
    let (from, to) = (parse_minute(from)?, parse_minute(to)?);
    let minutes = if to > from { to - from } else { to + 24 * 60 - from };
    Some(days.into_iter().map(|day| Span { from: day * 24 * 60 + from, minutes }).collect())
}

fn parse_days(text: &str) -> Option<Vec<i64>> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name.trim());
    let mut days = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (day(from)?, day(to)?);
        let count = (to + 7 - from) % 7 + 1;
        days.extend((from..from + count).map(|day| (day % 7) as i64));
    }
    days.sort_unstable();
    days.dedup();
    Some(days)
}

fn parse_minute(text: &str) -> Option<i64> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str| {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse::<i64>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let is_time = (hour < 24 && minute < 60) || (hour, minute) == (24, 0);
    is_time.then_some(hour * 60 + minute)
}

/// Whether a window is open at a moment.
pub(super) fn is_open(window: &Window, now: UnixMs, zone: &Zone) -> bool {
    let period = match window.repeat {
        Repeat::None => return (window.start..window.end).contains(&now.0),
        Repeat::Daily => DAY_MS,
        Repeat::Weekly => 7 * DAY_MS,
    };
    let (start, end) = (zone.wall(window.start), zone.wall(window.end));
    now.0 >= window.start && (zone.wall(now.0) - start).rem_euclid(period) < end - start
}

/// The full minute after a moment.
pub(super) fn next_minute(now: UnixMs) -> UnixMs {
    UnixMs((now.0.div_euclid(MINUTE_MS) + 1).saturating_mul(MINUTE_MS))
}

#[cfg(test)]
mod tests {
    use model::parse_rfc3339;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> UnixMs {
        parse_rfc3339(text).unwrap()
    }

    #[test]
    fn spans_of_the_week() {
        let check = |spans: &[&str], time: &str, zone: i64, expected: bool| {
            let hours = Hours::parse(spans).unwrap();
            let zone = Zone::new(move |_| zone);
            assert_eq!(hours.contains(at(time), &zone), expected, "{spans:?} {time}");
        };
        // 2026-11-27 is a Friday.
        check(&["22:00-07:00"], "2026-11-27T23:00:00Z", 0, true);
        check(&["22:00-07:00"], "2026-11-27T06:59:59Z", 0, true);
        check(&["22:00-07:00"], "2026-11-27T07:00:00Z", 0, false);
        check(&["22:00-07:00"], "2026-11-27T15:00:00Z", 8 * 3_600, true);
        check(&["fri 22:00-07:00"], "2026-11-28T06:00:00Z", 0, true);
        check(&["fri 22:00-07:00"], "2026-11-27T06:00:00Z", 0, false);
        check(&["sun 22:00-07:00"], "2026-11-30T06:00:00Z", 0, true);
        check(&["sat,sun 00:00-24:00"], "2026-11-29T23:59:00Z", 0, true);
        check(&["sat,sun 00:00-24:00"], "2026-11-27T23:59:00Z", 0, false);
        check(&["Fri-Mon 9:00-17:00"], "2026-11-30T09:00:00Z", 0, true);
        check(&["fri-mon 9:00-17:00"], "2026-12-01T09:00:00Z", 0, false);
        check(&[], "2026-12-01T09:00:00Z", 0, false);
        for bad in [
            "",
            "9-17",
            "25:00-26:00",
            "day 9:00-17:00",
            "9:00",
            "mon- 9:00-10:00",
            "9:60-10:00",
            "+1:00-2:00",
        ] {
            assert!(Hours::parse(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn windows_that_come_again_keep_to_the_clock_on_the_wall() {
        // An hour more from the last Sunday in March on.
        let summer = at("2026-03-29T01:00:00Z").0 / 1_000;
        let zone = Zone::new(move |at| if at >= summer { 7_200 } else { 3_600 });
        let window = |repeat| Window {
            id: "w".into(),
            name: String::new(),
            matchers: Vec::new(),
            start: at("2026-03-27T22:00:00+01:00").0,
            end: at("2026-03-27T23:00:00+01:00").0,
            repeat,
            zone: String::new(),
        };
        let check = |repeat, time: &str, expected| {
            assert_eq!(is_open(&window(repeat), at(time), &zone), expected, "{repeat:?} {time}");
        };
        check(Repeat::None, "2026-03-27T22:30:00+01:00", true);
        check(Repeat::None, "2026-03-28T22:30:00+01:00", false);
        check(Repeat::Daily, "2026-03-26T22:30:00+01:00", false);
        check(Repeat::Daily, "2026-03-28T22:30:00+01:00", true);
        check(Repeat::Daily, "2026-03-30T22:30:00+02:00", true);
        check(Repeat::Daily, "2026-03-30T22:30:00+01:00", false);
        check(Repeat::Weekly, "2026-04-03T22:30:00+02:00", true);
        check(Repeat::Weekly, "2026-04-02T22:30:00+02:00", false);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,30}") {
            drop(Hours::parse(&[text]));
        }
    }
}
