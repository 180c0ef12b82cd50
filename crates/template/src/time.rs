//! Go's way to write times and durations.

use std::{fmt, sync::Arc};

use model::{UnixMs, civil_from_days};

/// A moment in a time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Time {
    pub at: UnixMs,
    /// How far the zone is ahead of UTC.
    pub offset_seconds: i32,
    /// The zone's abbreviation.
    pub zone: Arc<str>,
}

/// What calendar and clock show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) millis: i64,
    /// From 0 on Sunday.
    weekday: i64,
    /// From 1.
    day_of_year: i64,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The first second of the year 1: Go's zero time, which Alertmanager has where there is no end.
const ZERO_MS: i64 = -62_135_596_800_000;
/// Times beyond these years are shown as the last that calendars can show.
const SHOWN_MS_MAX: i64 = 253_402_300_799_999;

impl Time {
    pub fn utc(at: UnixMs) -> Self {
        Self { at, offset_seconds: 0, zone: "UTC".into() }
    }

    /// Go's zero time.
    pub fn zero() -> Self {
        Self::utc(UnixMs(ZERO_MS))
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.at.0 == ZERO_MS
    }

    pub(crate) fn plus_ms(&self, millis: i64) -> Self {
        Self { at: UnixMs(self.at.0.saturating_add(millis)), ..self.clone() }
    }

    pub(crate) fn civil(&self) -> Civil {
        let shown = self.at.0.clamp(ZERO_MS, SHOWN_MS_MAX) + i64::from(self.offset_seconds) * 1_000;
        let (days, in_day) = (shown.div_euclid(86_400_000), shown.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            hour: in_day / 3_600_000,
            minute: in_day / 60_000 % 60,
            second: in_day / 1_000 % 60,
            millis: in_day % 1_000,
            weekday: (days + 4).rem_euclid(7),
            day_of_year: days - model::days_from_civil(year, 1, 1) + 1,
        }
    }

    /// Go's `Format`: the layout is how it would write 15:04:05 on Monday, 2 January 2006, seven hours west of
    /// Greenwich.
    pub fn format(&self, layout: &str) -> String {
        let (civil, mut out, mut rest) = (self.civil(), String::new(), layout);
        while let Some(first) = rest.chars().next() {
            let found = ELEMENTS.iter().find(|(element, _)| begins_with(rest, element));
            let digits = fraction_digits(rest);
            let taken = if let Some((element, write)) = found {
                write(&mut out, self, &civil);
                element.len()
            } else if digits > 0 {
                let pattern = rest.get(1..=digits).unwrap_or_default();
                write_fraction(&mut out, first, civil.millis, pattern);
                1 + digits
            } else {
                out.push(first);
                first.len_utf8()
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        out
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

impl Civil {
    pub(crate) fn month_name(&self) -> &'static str {
        name(&MONTHS, self.month - 1)
    }

    pub(crate) fn weekday_name(&self) -> &'static str {
        name(&WEEKDAYS, self.weekday)
    }

    fn hour_of_twelve(&self) -> i64 {
        (self.hour + 11) % 12 + 1
    }
}

fn name(names: &[&'static str], at: i64) -> &'static str {
    usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
}

type Write = fn(&mut String, &Time, &Civil);

/// What a layout may be made of; of two that begin alike the longer one first.
const ELEMENTS: [(&str, Write); 30] = [
    ("January", |out, _, civil| out.push_str(civil.month_name())),
    ("Jan", |out, _, civil| out.push_str(civil.month_name().get(..3).unwrap_or_default())),
    ("Monday", |out, _, civil| out.push_str(civil.weekday_name())),
    ("Mon", |out, _, civil| out.push_str(civil.weekday_name().get(..3).unwrap_or_default())),
    ("MST", |out, time, _| out.push_str(&time.zone)),
    ("2006", |out, _, civil| padded(out, civil.year, 4, '0')),
    ("__2", |out, _, civil| padded(out, civil.day_of_year, 3, ' ')),
    ("002", |out, _, civil| padded(out, civil.day_of_year, 3, '0')),
    ("01", |out, _, civil| padded(out, civil.month, 2, '0')),
    ("02", |out, _, civil| padded(out, civil.day, 2, '0')),
    ("03", |out, _, civil| padded(out, civil.hour_of_twelve(), 2, '0')),
    ("04", |out, _, civil| padded(out, civil.minute, 2, '0')),
    ("05", |out, _, civil| padded(out, civil.second, 2, '0')),
    ("06", |out, _, civil| padded(out, civil.year.rem_euclid(100), 2, '0')),
    ("_2006", |out, _, civil| {
        out.push('_');
        padded(out, civil.year, 4, '0');
    }),
    ("_2", |out, _, civil| padded(out, civil.day, 2, ' ')),
    ("15", |out, _, civil| padded(out, civil.hour, 2, '0')),
    ("1", |out, _, civil| padded(out, civil.month, 1, '0')),
    ("2", |out, _, civil| padded(out, civil.day, 1, '0')),
    ("3", |out, _, civil| padded(out, civil.hour_of_twelve(), 1, '0')),
    ("4", |out, _, civil| padded(out, civil.minute, 1, '0')),
    ("5", |out, _, civil| padded(out, civil.second, 1, '0')),
    ("PM", |out, _, civil| out.push_str(if civil.hour < 12 { "AM" } else { "PM" })),
    ("pm", |out, _, civil| out.push_str(if civil.hour < 12 { "am" } else { "pm" })),
    ("Z07:00", |out, time, _| write_offset(out, time, true, ":")),
    ("Z0700", |out, time, _| write_offset(out, time, true, "")),
    ("-07:00", |out, time, _| write_offset(out, time, false, ":")),
    ("-0700", |out, time, _| write_offset(out, time, false, "")),
    ("-07", |out, time, _| write_hours(out, time)),
    ("Z07", |out, time, _| match time.offset_seconds {
        0 => out.push('Z'),
        _ => write_hours(out, time),
    }),
];

/// A short month or weekday is none where a word goes on behind it, such as `Months`.
fn begins_with(text: &str, element: &str) -> bool {
    let Some(behind) = text.strip_prefix(element) else { return false };
    !(matches!(element, "Jan" | "Mon") && behind.starts_with(|c: char| c.is_ascii_lowercase()))
}

fn padded(out: &mut String, number: i64, width: usize, fill: char) {
    let digits = number.to_string();
    out.extend(std::iter::repeat_n(fill, width.saturating_sub(digits.len())));
    out.push_str(&digits);
}

fn write_hours(out: &mut String, time: &Time) {
    out.push(if time.offset_seconds < 0 { '-' } else { '+' });
    padded(out, i64::from(time.offset_seconds.abs() / 3_600), 2, '0');
}

fn write_offset(out: &mut String, time: &Time, is_zulu: bool, between: &str) {
    if is_zulu && time.offset_seconds == 0 {
        out.push('Z');
        return;
    }
    write_hours(out, time);
    out.push_str(between);
    padded(out, i64::from(time.offset_seconds.abs() / 60 % 60), 2, '0');
}

/// How many zeros or nines follow the point or comma that `layout` begins with; 0 where more digits follow.
fn fraction_digits(layout: &str) -> usize {
    let Some(behind) = layout.strip_prefix(['.', ',']) else { return 0 };
    let Some(digit @ ('0' | '9')) = behind.chars().next() else { return 0 };
    let rest = behind.trim_start_matches(digit);
    if rest.starts_with(|c: char| c.is_ascii_digit()) { 0 } else { behind.len() - rest.len() }
}

/// So many decimals as `digits` has; nines leave zeros at the end out.
fn write_fraction(out: &mut String, point: char, millis: i64, digits: &str) {
    let mut decimals = format!("{millis:03}{:0<1$}", "", digits.len().saturating_sub(3));
    decimals.truncate(digits.len());
    let decimals = match digits.starts_with('9') {
        true => decimals.trim_end_matches('0'),
        false => &decimals,
    };
    if !decimals.is_empty() {
        out.push(point);
        out.push_str(decimals);
    }
}

/// `1h2m3.5s`, as Go's `Duration` writes itself.
pub(crate) fn duration_text(nanos: i64) -> String {
    let (sign, magnitude) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let scaled = |unit: u64, name: &str| {
        let decimals = format!("{:0width$}", magnitude % unit, width = unit.ilog10() as usize);
        let decimals = decimals.trim_end_matches('0');
        let point = if decimals.is_empty() { "" } else { "." };
        format!("{sign}{}{point}{decimals}{name}", magnitude / unit)
    };
    match magnitude {
        0 => "0s".into(),
        1..1_000 => format!("{sign}{magnitude}ns"),
        1_000..1_000_000 => scaled(1_000, "µs"),
        1_000_000..1_000_000_000 => scaled(1_000_000, "ms"),
        _ => {
            let (seconds, rest) = (magnitude / 1_000_000_000, magnitude % 1_000_000_000);
            let decimals = format!("{rest:09}");
            let decimals = decimals.trim_end_matches('0');
            let point = if decimals.is_empty() { "" } else { "." };
            let mut out = sign.to_owned();
            if seconds >= 3_600 {
                out.push_str(&format!("{}h", seconds / 3_600));
            }
            if seconds >= 60 {
                out.push_str(&format!("{}m", seconds / 60 % 60));
            }
            out.push_str(&format!("{}{point}{decimals}s", seconds % 60));
            out
        }
    }
}
