//! Values as people read them. What is not known is a dash, never a zero.

use model::{
    UnixMs,
    message::{Language, render},
};

use super::view::Said;
use crate::cli::query::text::harmless;

/// Stands for a value that nobody told.
pub(super) const ABSENT: &str = "–";

/// Texts of the catalogue in the reader's language.
#[derive(Clone, Copy)]
pub(super) struct Words(pub(super) Language);

impl Words {
    /// The text `top.NAME`.
    pub(super) fn t(self, name: &str) -> String {
        render::<&str, &str>(&format!("top.{name}"), &[], self.0)
    }

    pub(super) fn with(self, name: &str, params: &[(&str, &str)]) -> String {
        render(&format!("top.{name}"), params, self.0)
    }

    /// A text that somebody else sent as code and parameters.
    pub(super) fn said(self, said: &Said) -> String {
        harmless(&render(&said.code, &said.params, self.0))
    }

    /// `12s`, `3m`, `2h`, `5d` before now.
    pub(super) fn ago(self, now: UnixMs, then: i64) -> String {
        span(now.0.saturating_sub(then).max(0) as f64 / 1e3)
    }
}

/// A length of time without its smaller parts.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        ..60.0 => format!("{}s", seconds as u64),
        ..3_600.0 => format!("{}m", (seconds / 60.0) as u64),
        ..86_400.0 => format!("{}h", (seconds / 3_600.0) as u64),
        _ => format!("{}d", (seconds / 86_400.0) as u64),
    }
}

/// The value in words, or the dash.
pub(super) fn or_dash(value: Option<f64>, word: fn(f64) -> String) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| ABSENT.to_owned(), word)
}

/// Three significant digits, whole numbers as they are.
fn digits(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if value.fract() == 0.0 => 0,
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

fn scaled(value: f64, base: f64, units: &[&str], gap: &str) -> String {
    let mut value = value;
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    // What would be rounded up to the next unit is in it.
    while value.abs() >= base - 0.5 {
        let Some(next) = units.next() else { break };
        value /= base;
        unit = next;
    }
    format!("{}{gap}{unit}", digits(value))
}

pub(super) fn count(value: f64) -> String {
    rate(value.round())
}

/// `812`, `12.4k`
pub(super) fn rate(value: f64) -> String {
    if value.abs() < 10_000.0 {
        digits(value)
    } else {
        scaled(value, 1e3, &["", "k", "M", "G"], "")
    }
}

/// `83%`
pub(super) fn percent(value: f64) -> String {
    format!("{:.0}%", value * 100.0)
}

pub(super) fn bytes(value: f64) -> String {
    scaled(value, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"], " ")
}

pub(super) fn bytes_per_second(value: f64) -> String {
    scaled(value, 1e3, &["B/s", "kB/s", "MB/s", "GB/s", "TB/s"], " ")
}

/// `85ms`, `1.92s`, `2.5min`
pub(super) fn seconds(value: f64) -> String {
    match value.abs() {
        60.0.. => format!("{}min", digits(value / 60.0)),
        0.9995.. => format!("{}s", digits(value)),
        0.01.. => format!("{:.0}ms", value * 1e3),
        _ => format!("{}ms", digits(value * 1e3)),
    }
}

pub(super) fn millis(value: f64) -> String {
    seconds(value / 1e3)
}

/// Milliseconds of CPU time a second.
pub(super) fn cpu(value: f64) -> String {
    format!("{} ms/s", digits(value))
}

pub(super) fn watts(value: f64) -> String {
    format!("{value:.0}")
}

pub(super) fn celsius(value: f64) -> String {
    format!("{value:.0}")
}

pub(super) fn megahertz(value: f64) -> String {
    format!("{:.0}", value / 1e6)
}

/// `10:07:12`, in UTC: the zone of the reader is not known here.
pub(super) fn clock(time: UnixMs) -> String {
    let second = time.0.div_euclid(1_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let check = |word: fn(f64) -> String, value: f64, expected: &str| {
            assert_eq!(word(value), expected, "{value}");
        };
        check(seconds, 0.0, "0ms");
        check(seconds, 0.001_23, "1.23ms");
        check(seconds, 0.085, "85ms");
        check(seconds, 0.999_6, "1.00s");
        check(seconds, 1.92, "1.92s");
        check(seconds, 59.94, "59.9s");
        check(seconds, 150.0, "2.50min");
        check(rate, 0.0, "0");
        check(rate, 812.4, "812");
        check(rate, 12_412.0, "12.4k");
        check(percent, 0.974, "97%");
        check(bytes, 1023.9, "1.00 KiB");
        check(bytes, 68_719_476_736.0, "64 GiB");
        check(bytes_per_second, 1_250_000.0, "1.25 MB/s");
        check(megahertz, 1.98e9, "1980");
        check(count, 3.4, "3");
        check(span, 59.9, "59s");
        check(span, 61.0, "1m");
        check(span, 7_300.0, "2h");
        check(span, 200_000.0, "2d");
        assert_eq!(or_dash(None, percent), ABSENT);
        assert_eq!(or_dash(Some(f64::NAN), percent), ABSENT);
        assert_eq!(or_dash(Some(0.0), percent), "0%");
        assert_eq!(clock(UnixMs(1_795_520_232_000)), "11:37:12");
    }
}
