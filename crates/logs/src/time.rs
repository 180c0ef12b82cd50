//! When a line was written, from what it says: the forms that engines, web servers, loggers and the kernel use.
//!
//! A line may lack its year, its zone, or everything but the age of its process. What lacks a zone is in the zone of
//! the writer; what lacks a year is the latest such day that is not in the future. A time that cannot be, or that is
//! more than a day ahead of when the line was read, is no time: its line counts as written when it was read.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use model::{UnixMs, civil_from_days, days_from_civil};

/// Clocks of other machines are wrong by seconds, zones by hours. What is further ahead is not a time.
const AHEAD_MAX_MS: i64 = 86_400_000;
/// The end of the year 9999, after which years are no longer four digits.
const LATEST_MS: i64 = 253_402_300_799_999;
/// A 29th of February may be so long ago.
const YEARS_BACK_MAX: i64 = 8;
/// No zone changes its offset within a quarter of an hour that begins at a full one.
const QUARTER_MS: i64 = 900_000;
/// No zone is further from UTC, in minutes.
const OFFSET_MAX: i64 = 16 * 60;
pub(crate) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
pub(crate) const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The zone of whoever writes lines: how many minutes it is ahead of UTC at a time. Cheap to clone.
#[derive(Clone)]
pub struct Zone(Arc<Inner>);

struct Inner {
    minutes: Box<dyn Fn(UnixMs) -> i32 + Send + Sync>,
    /// The last answer: the quarter of an hour in the upper half, the minutes in the lower.
    last: AtomicI64,
}

impl Zone {
    /// `minutes` is asked for at most one time in each quarter of an hour that times fall into.
    pub fn new(minutes: impl Fn(UnixMs) -> i32 + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { minutes: Box::new(minutes), last: AtomicI64::new(i64::MIN) }))
    }

    /// Of programs that write UTC without saying so.
    pub fn utc() -> Self {
        Self::new(|_| 0)
    }

    fn minutes(&self, at: i64) -> i64 {
        let quarter = at.div_euclid(QUARTER_MS);
        let last = self.0.last.load(Ordering::Relaxed);
        if last >> 32 == quarter {
            return i64::from(last as i32);
        }
        let minutes = (self.0.minutes)(UnixMs(at));
        let packed = (quarter << 32) | i64::from(minutes as u32);
        self.0.last.store(packed, Ordering::Relaxed);
        i64::from(minutes)
    }

    /// The moment at which clocks of this zone show `local`, in milliseconds as if it were UTC.
    fn moment(&self, local: i64) -> i64 {
        let guess = local - self.minutes(local) * 60_000;
        local - self.minutes(guess) * 60_000
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Zone")
    }
}

/// What has to be known to understand a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    /// When the line was read.
    pub(crate) at: UnixMs,
    /// Of the writer.
    pub(crate) zone: &'a Zone,
    /// When the program that writes ages started; without it they are not times.
    pub(crate) started: Option<UnixMs>,
}

impl Seen<'_> {
    /// Whether something could have been written then.
    fn accepted(&self, ms: i64) -> Option<UnixMs> {
        (ms >= 0 && ms <= self.at.0.saturating_add(AHEAD_MAX_MS)).then_some(UnixMs(ms))
    }

    /// A moment of the calendar, in a zone that is so many minutes ahead of UTC, or in the writer's.
    pub(crate) fn moment(&self, day: Day, time: i64, zone: Option<i64>) -> Option<UnixMs> {
        let absolute = |days: i64| {
            let local = days * 86_400_000 + time;
            let offset = zone.map(|minutes| local - minutes * 60_000);
            self.accepted(offset.unwrap_or_else(|| self.zone.moment(local)))
        };
        if let Some(year) = day.year {
            return absolute(day.number(year)?);
        }
        let (now, _, _) = civil_from_days(self.at.0.clamp(0, LATEST_MS).div_euclid(86_400_000));
        let mut years = (now - YEARS_BACK_MAX..=now + 1).rev();
        years.find_map(|year| absolute(day.number(year)?))
    }
}

/// A day of the calendar, whose year may be missing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Day {
    pub(crate) year: Option<i64>,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

impl Day {
    /// Since 1970, where there is such a day.
    fn number(self, year: i64) -> Option<i64> {
        let is_possible = (1..=12).contains(&self.month) && (1..=31).contains(&self.day);
        let days = is_possible.then(|| days_from_civil(year, self.month, self.day))?;
        (civil_from_days(days) == (year, self.month, self.day)).then_some(days)
    }
}

/// The moment that a text names.
///
/// RFC 3339 with any zone and fraction, `2026-11-22 09:51:00,123`, `2026/11/28 - 10:42:35`, `11-22 09:51:00`,
/// `1122 09:51:00.123456`, `Nov 28 10:42:35`, `Sat, 28 Nov 2026 10:42:35 GMT`, `28/Nov/2026:10:42:35 +0800`, a Unix
/// time in seconds, milli-, micro- or nanoseconds, and the age of a process that the caller knows: `12345.678901` in
/// seconds, `0.08.198.272` as llama.cpp writes it.
pub(crate) fn read(text: &str, seen: &Seen<'_>) -> Option<UnixMs> {
    let text = text.trim_matches([' ', '"']);
    let mut cursor = Cursor(text.as_bytes());
    match cursor.0.first()? {
        b'0'..=b'9' => match cursor.digits() {
            4 => cursor.year_first(seen).or_else(|| Cursor(text.as_bytes()).glog(seen)),
            2 if cursor.0.get(2) == Some(&b'-') => cursor.month_first(seen),
            1 | 2 if matches!(cursor.0.get(cursor.digits()), Some(b'/' | b' ')) => {
                cursor.day_first(seen)
            }
            8 if cursor.0.get(8) == Some(&b' ') => cursor.compact(seen),
            _ => None,
        }
        .or_else(|| number(text, seen)),
        b'A'..=b'Z' => cursor.words(seen),
        _ => None,
    }
}

/// Seconds since a process or a kernel started, where a text is such an age.
pub(crate) fn age(text: &str) -> Option<f64> {
    let parts: Vec<&str> = text.split('.').collect();
    match *parts {
        [minutes, seconds, millis, micros] => {
            let part = |text: &str| text.parse::<u32>().ok().map(f64::from);
            Some(part(minutes)? * 60.0 + part(seconds)? + part(millis)? / 1e3 + part(micros)? / 1e6)
        }
        [_, _] => text.parse().ok().filter(|age: &f64| *age < EPOCH_SECONDS_MIN),
        _ => None,
    }
}

/// Smaller numbers are ages; 2001.
const EPOCH_SECONDS_MIN: f64 = 1e9;

/// A Unix time, whose unit its size tells, or an age.
fn number(text: &str, seen: &Seen<'_>) -> Option<UnixMs> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_number {
        return None;
    }
    if let Some(age) = age(text) {
        return seen.accepted(seen.started?.0.saturating_add((age * 1e3) as i64));
    }
    if let Ok(whole) = text.parse::<i64>() {
        return match whole {
            1_000_000_000..100_000_000_000 => seen.accepted(whole * 1_000),
            100_000_000_000..100_000_000_000_000 => seen.accepted(whole),
            100_000_000_000_000..100_000_000_000_000_000 => seen.accepted(whole / 1_000),
            100_000_000_000_000_000.. => seen.accepted(whole / 1_000_000),
            _ => None,
        };
    }
    let seconds: f64 = text.parse().ok()?;
    (EPOCH_SECONDS_MIN..1e11)
        .contains(&seconds)
        .then(|| seen.accepted((seconds * 1e3).round() as i64))?
}

/// What is not read yet. Each method takes what it reads, or gives nothing.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    /// How many digits come next.
    fn digits(&self) -> usize {
        self.0.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0, |value, byte| {
            byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'))
        })
    }

    /// One or two digits, perhaps filled up by a space.
    fn short_number(&mut self) -> Option<i64> {
        while self.eat(b" ").is_some() {}
        let digits = self.digits().min(2);
        if digits == 0 { None } else { self.number(digits) }
    }

    /// Takes the next byte where it is one of these.
    fn eat(&mut self, any: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        any.contains(first).then(|| self.0 = rest)?;
        Some(*first)
    }

    fn word(&mut self, words: &[&str]) -> Option<i64> {
        let place = words.iter().position(|word| self.0.starts_with(word.as_bytes()))?;
        self.0 = self.0.get(3..)?;
        Some(place as i64)
    }

    fn month(&mut self) -> Option<i64> {
        self.word(&MONTHS).map(|place| place + 1)
    }

    /// `09:51:00` with any fraction after a point or comma, in milliseconds. A leap second is the one before.
    fn time(&mut self) -> Option<i64> {
        let hour = self.number(2)?;
        self.eat(b":")?;
        let minute = self.number(2)?;
        let has_seconds = self.eat(b":").is_some();
        let second = if has_seconds { self.number(2)? } else { 0 };
        let is_time = hour < 24 && minute < 60 && second <= 60;
        let mut millis = 0;
        if has_seconds && self.eat(b".,").is_some() {
            let digits = self.digits();
            if !(1..=9).contains(&digits) {
                return None;
            }
            for place in 0..3 {
                let digit = self.0.get(place).filter(|_| place < digits).map_or(0, |b| b - b'0');
                millis = millis * 10 + i64::from(digit);
            }
            self.0 = self.0.get(digits..)?;
        }
        is_time.then(|| ((hour * 60 + minute) * 60 + second.min(59)) * 1_000 + millis)
    }

    /// The end, or a zone and the end: `Some(None)` where there is no zone.
    #[expect(clippy::option_option, reason = "a wrong zone is not the same as none")]
    fn zone(&mut self) -> Option<Option<i64>> {
        while self.eat(b" ").is_some() {}
        match self.0 {
            [] => Some(None),
            b"Z" | b"z" | b"UTC" | b"GMT" | b"+0000 UTC" => Some(Some(0)),
            _ => {
                let sign = self.eat(b"+-")?;
                let hours = self.number(2)?;
                self.eat(b":");
                let minutes = if self.0.is_empty() { 0 } else { self.number(2)? };
                let offset = hours * 60 + minutes;
                let is_zone = self.0.is_empty() && minutes < 60 && offset <= OFFSET_MAX;
                is_zone.then_some(Some(if sign == b'-' { -offset } else { offset }))
            }
        }
    }

    fn time_and_zone(&mut self, day: Day, seen: &Seen<'_>) -> Option<UnixMs> {
        let time = self.time()?;
        let zone = self.zone()?;
        seen.moment(day, time, zone)
    }

    /// `2026-11-22T09:51:00.123Z`, `2026/11/28 - 10:42:35`.
    fn year_first(&mut self, seen: &Seen<'_>) -> Option<UnixMs> {
        let year = self.number(4)?;
        let parting = self.eat(b"-/.")?;
        let month = self.number(2)?;
        self.eat(&[parting])?;
        let day = Day { year: Some(year), month, day: self.number(2)? };
        self.eat(b"Tt _:")?;
        if self.0.starts_with(b"- ") {
            self.0 = self.0.get(2..)?;
        }
        self.time_and_zone(day, seen)
    }

    /// `11-22 09:51:00`: vLLM.
    fn month_first(&mut self, seen: &Seen<'_>) -> Option<UnixMs> {
        let month = self.number(2)?;
        self.eat(b"-")?;
        let day = Day { year: None, month, day: self.number(2)? };
        self.eat(b" ")?;
        self.time_and_zone(day, seen)
    }

    /// `1122 09:51:00.123456`: glog.
    fn glog(&mut self, seen: &Seen<'_>) -> Option<UnixMs> {
        let day = Day { year: None, month: self.number(2)?, day: self.number(2)? };
        self.eat(b" ")?;
        self.time_and_zone(day, seen)
    }

    /// `20261122 09:51:00.123456`: glog with the year.
    fn compact(&mut self, seen: &Seen<'_>) -> Option<UnixMs> {
        let day = Day { year: Some(self.number(4)?), month: self.number(2)?, day: self.number(2)? };
        self.eat(b" ")?;
        self.time_and_zone(day, seen)
    }

    /// `28/Nov/2026:10:42:35 +0800`, `28 Nov 2026 10:42:35`.
    fn day_first(&mut self, seen: &Seen<'_>) -> Option<UnixMs> {
        let day = self.short_number()?;
        let parting = self.eat(b"/ ")?;
        let month = self.month()?;
        self.eat(&[parting])?;
        let day = Day { year: Some(self.number(4)?), month, day };
        self.eat(b": ")?;
        self.time_and_zone(day, seen)
    }

    /// `Nov 28 10:42:35`, `Sat Nov 28 10:42:35 2026`, `Sat, 28 Nov 2026 10:42:35 GMT`.
    fn words(&mut self, seen: &Seen<'_>) -> Option<UnixMs> {
        if self.word(&WEEKDAYS).is_some() {
            self.eat(b",");
            self.eat(b" ")?;
        }
        if self.digits() > 0 {
            return self.day_first(seen);
        }
        let month = self.month()?;
        self.eat(b" ")?;
        let mut day = Day { year: None, month, day: self.short_number()? };
        self.eat(b" ")?;
        let time = self.time()?;
        if self.0.first() == Some(&b' ') && self.0.len() >= 5 && self.0[1].is_ascii_digit() {
            self.eat(b" ")?;
            day.year = Some(self.number(4)?);
        }
        let zone = self.zone()?;
        seen.moment(day, time, zone)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-28T12:00:00Z
    const NOW: UnixMs = UnixMs(1_795_867_200_000);

    fn iso(text: &str) -> UnixMs {
        read(text, &Seen { at: UnixMs(i64::MAX / 2), zone: &Zone::utc(), started: None }).unwrap()
    }

    fn check_at(now: UnixMs, text: &str, expected: Option<&str>) {
        let china = Zone::new(|_| 480);
        let seen = Seen { at: now, zone: &china, started: Some(iso("2026-11-28T00:00:00Z")) };
        assert_eq!(read(text, &seen), expected.map(iso), "{text}");
    }

    fn check(text: &str, expected: Option<&str>) {
        check_at(NOW, text, expected);
    }

    #[test]
    fn times_of_engines_and_their_surroundings() {
        assert_eq!(iso("2026-11-28T12:00:00Z"), NOW);
        for (text, expected) in [
            ("2026-11-22T09:51:00.123456789Z", "2026-11-22T09:51:00.123Z"),
            ("2026-11-22T09:51:00.5+01:00", "2026-11-22T08:51:00.500Z"),
            ("2026-11-22T09:51:00-0330", "2026-11-22T13:21:00Z"),
            ("2026-11-22 09:51:00,123", "2026-11-22T01:51:00.123Z"),
            ("2026-11-22 09:51:00.123 +0000", "2026-11-22T09:51:00.123Z"),
            ("2026-11-22T09:51:60Z", "2026-11-22T09:51:59Z"),
            ("2026/11/28 - 10:42:35", "2026-11-28T02:42:35Z"),
            ("2026/11/28 10:42:35", "2026-11-28T02:42:35Z"),
            ("2026/11/28 10:42:35.123456", "2026-11-28T02:42:35.123Z"),
            ("11-22 09:51:00", "2026-11-22T01:51:00Z"),
            ("1122 09:51:00.123456", "2026-11-22T01:51:00.123Z"),
            ("1122 09:51:00", "2026-11-22T01:51:00Z"),
            ("20261122 09:51:00.5", "2026-11-22T01:51:00.500Z"),
            ("Nov 28 10:42:35", "2026-11-28T02:42:35Z"),
            ("Nov  8 10:42:35", "2026-11-08T02:42:35Z"),
            ("Sat Nov 28 10:42:35 2026", "2026-11-28T02:42:35Z"),
            ("Sat, 28 Nov 2026 10:42:35 GMT", "2026-11-28T10:42:35Z"),
            ("28 Nov 2026 10:42:35.123", "2026-11-28T02:42:35.123Z"),
            ("28/Nov/2026:10:42:35 +0800", "2026-11-28T02:42:35Z"),
            ("1795867200", "2026-11-28T12:00:00Z"),
            ("1795867200.25", "2026-11-28T12:00:00.250Z"),
            ("1795867200123", "2026-11-28T12:00:00.123Z"),
            ("1795867200123456", "2026-11-28T12:00:00.123Z"),
            ("1795867200123456789", "2026-11-28T12:00:00.123Z"),
            ("12345.678901", "2026-11-28T03:25:45.678Z"),
            ("1.08.198.272", "2026-11-28T00:01:08.198Z"),
        ] {
            check(text, Some(expected));
        }
    }

    #[test]
    fn a_year_that_is_missing_is_that_of_the_latest_such_day() {
        let midnight = iso("2027-01-01T00:00:05Z");
        let utc = Zone::utc();
        let seen = Seen { at: midnight, zone: &utc, started: None };
        let check = |text: &str, expected: &str| {
            assert_eq!(read(text, &seen), Some(iso(expected)), "{text}");
        };
        check("12-31 23:59:59", "2026-12-31T23:59:59Z");
        check("01-01 00:00:04", "2027-01-01T00:00:04Z");
        check("Jan  1 20:00:00", "2027-01-01T20:00:00Z");
        check("Jan  3 00:00:00", "2026-01-03T00:00:00Z");
        check("02-29 00:00:00", "2024-02-29T00:00:00Z");
        // A writer whose clock is a little ahead is in the next year already.
        check_at(iso("2026-12-31T15:59:58Z"), "01-01 00:00:01", Some("2026-12-31T16:00:01Z"));
    }

    #[test]
    fn a_zone_that_changes_is_asked_for_the_moment() {
        let change = iso("2026-10-25T01:00:00Z");
        let berlin = Zone::new(move |at| if at < change { 120 } else { 60 });
        let seen = Seen { at: NOW, zone: &berlin, started: None };
        let check = |text: &str, expected: &str| {
            assert_eq!(read(text, &seen), Some(iso(expected)), "{text}");
        };
        check("2026-10-25 01:59:59", "2026-10-24T23:59:59Z");
        check("2026-10-25 03:00:00", "2026-10-25T02:00:00Z");
    }

    #[test]
    fn what_cannot_be_is_no_time() {
        for text in [
            "",
            "x",
            "2026-13-01T00:00:00Z",
            "2026-02-30 00:00:00",
            "2026-11-22T25:00:00Z",
            "2026-11-22T09:51:00+99:00",
            "2026-11-22 09:51:00 garbage",
            "2026-11-22",
            "13-01 00:00:00",
            "1332 09:51:00",
            "Nov 31 00:00:00",
            // More than a day ahead.
            "2026-11-29T12:00:01Z",
            "2126-11-22T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "12",
            "99999999999999999999",
            "1.2.3",
        ] {
            check(text, None);
        }
        check("2026-11-29T11:59:59Z", Some("2026-11-29T11:59:59Z"));
        let seen = Seen { at: NOW, zone: &Zone::utc(), started: None };
        assert_eq!(read("12345.678901", &seen), None);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[0-9TZNov:.,/+ -]{0,32}|.{0,40}", at in any::<i64>()) {
            read(&text, &Seen { at: UnixMs(at), zone: &Zone::utc(), started: Some(UnixMs(at)) });
        }

        #[test]
        fn what_is_written_is_read(ms in 0_i64..4_000_000_000_000) {
            let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
            let (year, month, day) = civil_from_days(days);
            let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
            let (second, milli) = (rest / 1_000 % 60, rest % 1_000);
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z");
            let seen = Seen { at: UnixMs(ms), zone: &Zone::utc(), started: None };
            prop_assert_eq!(read(&text, &seen), Some(UnixMs(ms)));
        }
    }
}
