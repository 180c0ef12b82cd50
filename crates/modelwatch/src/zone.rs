//! The time zone of whoever reads a terminal: `TZ`, else `/etc/localtime`, as the C library understands them
//! (TZif files, RFC 9636, and the rules of POSIX).
//!
//! Leap seconds are not counted, and what cannot be understood is UTC.

use std::{fs::File, io::Read as _, path::PathBuf};

use model::{UnixMs, civil_from_days, days_from_civil};

use crate::{api::date, cli::query::time::rfc3339};

/// Largest file of a zone that is read. Those of the zone database have a few KiB.
const FILE_BYTES_MAX: u64 = 256 << 10;
const ZONES: &str = "/usr/share/zoneinfo";
const LOCAL: &str = "/etc/localtime";
const DAY: i64 = 86_400;

/// By how much clocks differ from UTC, in seconds, and since when.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Zone {
    /// Unix seconds from which on a difference holds, in their order.
    changes: Vec<(i64, i64)>,
    /// Before the first change.
    first: i64,
    /// Behind the last change.
    rule: Option<Rule>,
}

/// How clocks change each year.
#[derive(Clone, Debug, PartialEq)]
struct Rule {
    standard: i64,
    /// The difference in summer, and when summer begins and ends.
    summer: Option<(i64, Change, Change)>,
}

/// A day of a year, and seconds after its midnight.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Change {
    day: Day,
    at: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Day {
    /// From 1, without the leap day.
    Julian(i64),
    /// From 0, with the leap day.
    OfYear(i64),
    /// Month, week (5 is the last), and day of the week from Sunday.
    OfMonth(i64, i64, i64),
}

/// That zone for the lines of programs, whose times often do not say in which zone they are.
pub(crate) fn of_lines() -> logs::Zone {
    let zone = Zone::local();
    logs::Zone::new(move |at: UnixMs| {
        i32::try_from(zone.offset(at.0.div_euclid(1_000)) / 60).unwrap_or(0)
    })
}

impl Zone {
    /// The zone of this process.
    pub(crate) fn local() -> Self {
        let name = std::env::var("TZ").ok();
        Self::named(name.as_deref())
    }

    fn named(name: Option<&str>) -> Self {
        let Some(name) = name else { return Self::of_file(LOCAL.into()).unwrap_or_default() };
        Self::of_name(name).unwrap_or_default()
    }

    /// The zone of that name in the zone database, or of that rule of POSIX; nothing where there is none.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let name = name.strip_prefix(':').unwrap_or(name);
        // Machines without the database know this one.
        if name == "UTC" {
            return Some(Self::default());
        }
        let is_inside = !name.split('/').any(|part| part == ".." || part.is_empty());
        let of_file =
            || is_inside.then(|| Self::of_file(PathBuf::from(ZONES).join(name))).flatten();
        of_file().or_else(|| Self::of_rule(name))
    }

    /// The name of the zone of this process, as far as it is known.
    pub(crate) fn local_name() -> Option<String> {
        if let Ok(name) = std::env::var("TZ") {
            return Some(name.trim_start_matches(':').to_owned());
        }
        let target = std::fs::read_link(LOCAL).ok()?;
        let target = target.to_str()?;
        target.split_once("zoneinfo/").map(|(_, name)| name.to_owned())
    }

    fn of_file(path: PathBuf) -> Option<Self> {
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Self::parse(&bytes)
    }

    fn of_rule(text: &str) -> Option<Self> {
        let rule = rule(text)?;
        Some(Self { changes: Vec::new(), first: rule.standard, rule: Some(rule) })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let first = Block::parse(bytes, 4)?;
        // Everything since 2005 has a second block, with times of 64 bits, and a rule behind it.
        let Some(second) = Block::parse(first.rest, 8).filter(|_| first.version >= b'2') else {
            return first.zone(None);
        };
        let text = second.rest.strip_prefix(b"\n")?;
        let text = text.split(|byte| *byte == b'\n').next()?;
        second.zone(rule(std::str::from_utf8(text).ok()?))
    }

    /// Seconds to be added to UTC.
    pub(crate) fn offset(&self, seconds: i64) -> i64 {
        let after = self.changes.partition_point(|(from, _)| *from <= seconds);
        match (&self.rule, after.checked_sub(1).and_then(|at| self.changes.get(at))) {
            (Some(rule), _) if after == self.changes.len() => rule.offset(seconds),
            (_, Some((_, offset))) => *offset,
            (_, None) => self.first,
        }
    }

    /// `2026-11-28`
    pub(crate) fn date(&self, time: UnixMs) -> String {
        let offset = self.offset(time.0.div_euclid(1_000));
        date(UnixMs(time.0.saturating_add(offset * 1_000)))
    }

    /// `2026-11-28 14:03:22.123`
    pub(crate) fn text(&self, time: UnixMs) -> String {
        let offset = self.offset(time.0.div_euclid(1_000));
        let text = rfc3339(UnixMs(time.0.saturating_add(offset * 1_000)));
        match text.strip_suffix('Z').and_then(|text| text.split_once('T')) {
            Some((date, clock)) if clock.contains('.') => format!("{date} {clock}"),
            Some((date, clock)) => format!("{date} {clock}.000"),
            // Beyond what a calendar can show.
            None => text,
        }
    }
}

/// A header of a file and what belongs to it.
struct Block<'a> {
    version: u8,
    times: &'a [u8],
    /// The kind of each time.
    kinds: &'a [u8],
    /// Difference, whether it is summer, and a name; of each kind.
    types: &'a [u8],
    rest: &'a [u8],
    width: usize,
}

impl<'a> Block<'a> {
    /// `width` is that of a time in bytes.
    fn parse(bytes: &'a [u8], width: usize) -> Option<Self> {
        let (head, mut rest) = bytes.split_at_checked(44)?;
        let version = *head.strip_prefix(b"TZif")?.first()?;
        let count = |at: usize| {
            let bytes = head.get(20 + 4 * at..24 + 4 * at)?;
            usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
        };
        let mut take = |count: usize, size: usize| {
            let (taken, behind) = rest.split_at_checked(count.checked_mul(size)?)?;
            rest = behind;
            Some(taken)
        };
        let times = take(count(3)?, width)?;
        let kinds = take(count(3)?, 1)?;
        let types = take(count(4)?, 6)?;
        take(count(5)?, 1)?;
        take(count(2)?, width + 4)?;
        take(count(1)?, 1)?;
        take(count(0)?, 1)?;
        Some(Self { version, times, kinds, types, rest, width })
    }

    fn zone(&self, rule: Option<Rule>) -> Option<Zone> {
        let offsets: Vec<(i64, bool)> = self
            .types
            .chunks_exact(6)
            .map(|kind| {
                let offset = kind.first_chunk().copied().map(i32::from_be_bytes);
                (i64::from(offset.unwrap_or_default()), kind.get(4) == Some(&1))
            })
            .collect();
        let time = |bytes: &[u8]| match self.width {
            4 => bytes.try_into().ok().map(|bytes| i64::from(i32::from_be_bytes(bytes))),
            _ => bytes.try_into().ok().map(i64::from_be_bytes),
        };
        let times = self.times.chunks_exact(self.width).map(time);
        let change =
            |(time, kind): (Option<i64>, &u8)| Some((time?, offsets.get(usize::from(*kind))?.0));
        let changes: Vec<(i64, i64)> = times.zip(self.kinds).map(change).collect::<Option<_>>()?;
        let standard = offsets.iter().find(|(_, is_summer)| !is_summer);
        let first = standard.or(offsets.first())?.0;
        let is_right = changes.is_sorted_by(|a, b| a.0 < b.0)
            && offsets.iter().all(|(offset, _)| offset.abs() <= 2 * DAY);
        is_right.then_some(Zone { changes, first, rule })
    }
}

impl Rule {
    fn offset(&self, seconds: i64) -> i64 {
        let Some((summer, begin, end)) = &self.summer else { return self.standard };
        let (year, ..) = civil_from_days((seconds + self.standard).div_euclid(DAY));
        let begin = begin.seconds(year) - self.standard;
        let end = end.seconds(year) - summer;
        let is_summer = if begin < end {
            (begin..end).contains(&seconds)
        } else {
            !(end..begin).contains(&seconds)
        };
        if is_summer { *summer } else { self.standard }
    }
}

impl Change {
    /// Of a year, by the clock on the wall.
    fn seconds(self, year: i64) -> i64 {
        let january = days_from_civil(year, 1, 1);
        let is_leap = days_from_civil(year, 3, 1) - days_from_civil(year, 2, 28) == 2;
        let days = match self.day {
            Day::Julian(day) => january + day - 1 + i64::from(is_leap && day >= 60),
            Day::OfYear(day) => january + day,
            Day::OfMonth(month, week, wanted) => {
                let first = days_from_civil(year, month, 1);
                let next = days_from_civil(year + month / 12, month % 12 + 1, 1);
                // 1970-01-01 was a Thursday.
                let of_week = (first + 4).rem_euclid(7);
                let day = first + (wanted - of_week).rem_euclid(7) + 7 * (week - 1);
                if day >= next { day - 7 } else { day }
            }
        };
        days * DAY + self.at
    }
}

/// `CET-1CEST,M3.5.0,M10.5.0/3`
fn rule(text: &str) -> Option<Rule> {
    let rest = after_name(text)?;
    let (standard, rest) = clock(rest)?;
    let standard = -standard;
    if rest.is_empty() {
        return Some(Rule { standard, summer: None });
    }
    let rest = after_name(rest)?;
    let (summer, rest) = match clock(rest) {
        Some((summer, rest)) => (-summer, rest),
        None => (standard + 3_600, rest),
    };
    let mut changes = rest.strip_prefix(',')?.split(',').map(change);
    let (begin, end) = (changes.next()??, changes.next()??);
    changes.next().is_none().then_some(Rule { standard, summer: Some((summer, begin, end)) })
}

/// What follows the name of a zone, which is letters or anything in angle brackets.
fn after_name(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('<') {
        return rest.split_once('>').map(|(_, rest)| rest);
    }
    let rest = text.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    (text.len() - rest.len() >= 3).then_some(rest)
}

/// `-10:30:00` as seconds, and what follows.
fn clock(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|letter: char| !matches!(letter, '0'..='9' | ':' | '+' | '-'));
    let (written, rest) = text.split_at(end.unwrap_or(text.len()));
    let (sign, digits) = match written.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, written.strip_prefix('+').unwrap_or(written)),
    };
    let mut seconds = 0;
    let mut parts = digits.split(':');
    for unit in [3_600, 60, 1] {
        let Some(part) = parts.next() else { break };
        let number: i64 = part.parse().ok().filter(|number| (0..=167).contains(number))?;
        seconds += number * unit;
    }
    parts.next().is_none().then_some((sign * seconds, rest))
}

/// `M3.5.0/3`
fn change(text: &str) -> Option<Change> {
    let (day, at) = match text.split_once('/') {
        Some((day, at)) => (day, clock(at).filter(|(_, rest)| rest.is_empty())?.0),
        None => (text, 2 * 3_600),
    };
    let number = |text: &str, least: i64, most: i64| {
        text.parse().ok().filter(|number| (least..=most).contains(number))
    };
    let day = if let Some(parts) = day.strip_prefix('M') {
        let mut parts = parts.split('.');
        let mut next = |least, most| number(parts.next()?, least, most);
        Day::OfMonth(next(1, 12)?, next(1, 5)?, next(0, 6)?)
    } else if let Some(day) = day.strip_prefix('J') {
        Day::Julian(number(day, 1, 365)?)
    } else {
        Day::OfYear(number(day, 0, 365)?)
    };
    Some(Change { day, at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::parse_time;

    fn shown(zone: &Zone, utc: &str) -> String {
        zone.text(parse_time(utc).unwrap())
    }

    #[test]
    fn rules_say_when_clocks_change() {
        let check = |rule: &str, utc: &str, expected: &str| {
            let zone = Zone::named(Some(rule));
            assert_eq!(shown(&zone, utc), format!("{expected}.000"), "{rule}");
        };
        check("CST-8", "2026-11-28T14:03:22Z", "2026-11-28 22:03:22");
        check("<+0330>-3:30", "2026-11-28T20:30:00Z", "2026-11-29 00:00:00");
        let newyork = "EST5EDT,M3.2.0,M11.1.0";
        check(newyork, "2026-03-08T06:59:59Z", "2026-03-08 01:59:59");
        check(newyork, "2026-03-08T07:00:00Z", "2026-03-08 03:00:00");
        check(newyork, "2026-11-01T05:59:59Z", "2026-11-01 01:59:59");
        check(newyork, "2026-11-01T06:00:00Z", "2026-11-01 01:00:00");
        let berlin = ":CET-1CEST,M3.5.0,M10.5.0/3";
        check(berlin, "2026-03-29T01:00:00Z", "2026-03-29 03:00:00");
        check(berlin, "2026-10-25T00:59:59Z", "2026-10-25 02:59:59");
        check(berlin, "2026-10-25T01:00:00Z", "2026-10-25 02:00:00");
        // South of the equator summer goes over the end of the year.
        let sydney = "AEST-10AEDT,M10.1.0,M4.1.0/3";
        check(sydney, "2026-12-31T23:00:00Z", "2027-01-01 10:00:00");
        check(sydney, "2026-07-01T00:00:00Z", "2026-07-01 10:00:00");
        check("AAA0BBB,J60,J300/0", "2028-02-29T12:00:00Z", "2028-02-29 12:00:00");
        check("AAA0BBB,J60,J300/0", "2028-03-01T02:00:00Z", "2028-03-01 03:00:00");
        for nonsense in ["", "x", "../../etc/passwd", "CST-999", "EST5EDT,M13.1.0,M1.1.1", "UTC0"] {
            check(nonsense, "2026-11-28T14:03:22Z", "2026-11-28 14:03:22");
        }
    }

    /// A file as the compiler of zones writes it, of the given times and differences.
    fn file(changes: &[(i64, i32)], rule: &str) -> Vec<u8> {
        let block = |width: usize| {
            let mut bytes = b"TZif2".to_vec();
            bytes.extend([0; 15]);
            let times = if width == 4 { &[] } else { changes };
            let counts = [0, 0, 0, times.len(), times.len() + 1, 4];
            counts.iter().for_each(|count| bytes.extend((*count as u32).to_be_bytes()));
            times.iter().for_each(|(time, _)| bytes.extend(time.to_be_bytes()));
            bytes.extend((1..=times.len()).map(|kind| kind as u8));
            for offset in [0].into_iter().chain(times.iter().map(|(_, offset)| *offset)) {
                bytes.extend(offset.to_be_bytes());
                bytes.extend([0, 0]);
            }
            bytes.extend(b"LMT\0");
            bytes
        };
        [block(4), block(8), format!("\n{rule}\n").into_bytes()].concat()
    }

    #[test]
    fn files_of_zones_are_read() {
        let zone = Zone::parse(&file(&[(100, 3_600), (200, 7_200)], "AAA-3")).unwrap();
        let offsets = [99, 100, 199, 200, 1 << 40].map(|seconds| zone.offset(seconds));
        assert_eq!(offsets, [0, 3_600, 3_600, 10_800, 10_800]);
        let zone = Zone::parse(&file(&[(100, 3_600)], "")).unwrap();
        assert_eq!([99, 100].map(|seconds| zone.offset(seconds)), [0, 3_600]);
        assert_eq!(Zone::parse(&file(&[(200, 0), (100, 0)], "")), None);
        assert_eq!(zone.text(UnixMs(i64::MAX)).len(), 16);
    }

    proptest! {
        #[test]
        fn any_file_is_survived(mut bytes: Vec<u8>, time: i64, cut in 0_usize..200) {
            Zone::parse(&bytes);
            let mut whole = file(&[(100, 3_600)], "EST5EDT,M3.2.0,M11.1.0");
            whole.truncate(whole.len().saturating_sub(cut));
            whole.append(&mut bytes);
            if let Some(zone) = Zone::parse(&whole) {
                zone.text(UnixMs(time));
            }
        }

        #[test]
        fn any_rule_is_survived(text: String, time: i64) {
            if let Some(zone) = Zone::of_rule(&text) {
                zone.text(UnixMs(time));
            }
        }
    }
}
