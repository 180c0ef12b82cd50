//! Numbers with their units, as people read them in both languages.

use model::message::{Language, render};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Whole things: requests, tokens.
    Count,
    /// Things each second.
    PerSecond,
    Seconds,
    /// 0 to 1, shown in percent.
    Ratio,
    Bytes,
    Watts,
    Celsius,
    KilowattHours,
}

/// What stands where nothing is known.
pub const ABSENT: &str = "–";

impl Unit {
    /// The number with its unit.
    pub fn text(self, value: f64, language: Language) -> String {
        if !value.is_finite() {
            return ABSENT.to_owned();
        }
        // Sums of nothing are -0.
        let value = value + 0.0;
        match self {
            Self::Count => grouped(value.round()),
            Self::PerSecond => format!("{}/s", digits(value)),
            Self::Seconds => seconds(value, language),
            Self::Ratio => ratio(value),
            Self::Bytes => scaled(value, 1_024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"]),
            Self::Watts => scaled(value, 1_000.0, &["W", "kW", "MW"]),
            Self::Celsius => format!("{value:.0} °C"),
            Self::KilowattHours => scaled(value * 1_000.0, 1_000.0, &["Wh", "kWh", "MWh", "GWh"]),
        }
    }

    /// As short as an axis needs it; empty at zero where the unit says nothing.
    pub fn axis(self, value: f64, language: Language) -> String {
        match self {
            Self::Count if value.abs() >= 1e4 => scaled(value, 1_000.0, &["", "k", "M", "G", "T"])
                .split(' ')
                .collect::<Vec<_>>()
                .join(""),
            Self::Count => short(value),
            Self::PerSecond => format!("{}/s", short(value)),
            Self::Ratio => format!("{}%", short(value * 100.0)),
            Self::Seconds if value == 0.0 => "0".to_owned(),
            _ => self.text(value, language),
        }
    }

    /// The text of what may be unknown.
    pub fn maybe(self, value: Option<f64>, language: Language) -> String {
        value.map_or_else(|| ABSENT.to_owned(), |value| self.text(value, language))
    }
}

/// Percent, with more digits the nearer it is to all: 99.95 % is not 100 %.
fn ratio(value: f64) -> String {
    let percent = value * 100.0;
    let missing = (100.0 - percent).abs();
    let places = match (percent.abs(), missing) {
        (_, missing) if missing > 0.0 && missing < 1.0 => 3,
        (percent, _) if percent >= 10.0 || percent == 0.0 => 1,
        (percent, _) if percent >= 0.1 => 2,
        _ => 3,
    };
    let text = format!("{percent:.places$}");
    // Rounding must not make it whole.
    let text = if missing > 0.0 && text.starts_with("100.") { "99.999".into() } else { text };
    format!("{}%", trimmed(&text))
}

/// Without zeros behind the point.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Numbers from here on are written with an exponent.
const HUGE: f64 = 1e15;

/// Three digits that count.
fn digits(value: f64) -> String {
    if value.abs() >= HUGE {
        return format!("{value:.2e}");
    }
    let places = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    match value.abs() >= 10_000.0 {
        true => grouped(value.round()),
        false => format!("{value:.places$}"),
    }
}

/// For an axis, whose numbers are round.
fn short(value: f64) -> String {
    if value.abs() >= HUGE {
        return digits(value);
    }
    trimmed(&format!("{value:.3}")).to_owned()
}

/// `1,234,567`
fn grouped(value: f64) -> String {
    if value.abs() >= HUGE {
        return digits(value);
    }
    let text = format!("{:.0}", value.abs());
    let mut out = if value < 0.0 && text != "0" { "-".to_owned() } else { String::new() };
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && (text.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn scaled(value: f64, base: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for next in units {
        if value.abs() < base {
            break;
        }
        value /= base;
        unit = next;
    }
    let text = digits(value);
    format!("{} {unit}", trimmed(&text))
}

fn seconds(value: f64, language: Language) -> String {
    let size = value.abs();
    let unit = |code: &str, number: String| render(code, &[("number", number)], language);
    if size == 0.0 {
        return unit("report.unit_seconds", "0".to_owned());
    }
    if size < 1e-3 {
        return format!("{} µs", trimmed(&digits(value * 1e6)));
    }
    if size < 1.0 {
        return format!("{} ms", trimmed(&digits(value * 1e3)));
    }
    if size < 120.0 {
        return unit("report.unit_seconds", trimmed(&digits(value)).to_owned());
    }
    if size < 7_200.0 {
        return unit("report.unit_minutes", trimmed(&digits(value / 60.0)).to_owned());
    }
    if size < 172_800.0 {
        return unit("report.unit_hours", trimmed(&digits(value / 3_600.0)).to_owned());
    }
    unit("report.unit_days", trimmed(&digits(value / 86_400.0)).to_owned())
}

/// By how much something changed, as `+12%`; nothing where there is nothing to compare with.
pub fn change(now: Option<f64>, before: Option<f64>) -> Option<f64> {
    let (now, before) = (now?, before?);
    (before > 0.0 && now.is_finite()).then(|| now / before - 1.0)
}

/// A change in words of digits.
pub fn change_text(change: f64) -> String {
    let percent = change * 100.0;
    match percent.abs() {
        size if size < 0.5 => "±0%".to_owned(),
        size if size >= 1_000.0 => format!("×{:.0}", change + 1.0),
        size if size >= 10.0 => format!("{percent:+.0}%"),
        _ => format!("{percent:+.1}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_with_their_units() {
        let check = |unit: Unit, value: f64, expected: &str| {
            assert_eq!(unit.text(value, Language::English), expected, "{unit:?} {value}");
        };
        check(Unit::Count, 1_234_567.4, "1,234,567");
        check(Unit::Count, -0.2, "0");
        check(Unit::Count, 999.0, "999");
        check(Unit::PerSecond, 12.345, "12.3/s");
        check(Unit::Seconds, 0.000_25, "250 µs");
        check(Unit::Seconds, 0.1234, "123 ms");
        check(Unit::Seconds, 0.0205, "20.5 ms");
        check(Unit::Seconds, 1.92, "1.92 s");
        check(Unit::Seconds, 600.0, "10 min");
        check(Unit::Seconds, 9_000.0, "2.5 h");
        check(Unit::Seconds, 604_800.0, "7 d");
        check(Unit::Ratio, 1.0, "100%");
        check(Unit::Ratio, 0.9995, "99.95%");
        check(Unit::Ratio, 0.999_999_9, "99.999%");
        check(Unit::Ratio, 0.5, "50%");
        check(Unit::Ratio, 0.0, "0%");
        check(Unit::Ratio, 0.000_02, "0.002%");
        check(Unit::Bytes, 85_520_809_984.0, "79.6 GiB");
        check(Unit::Watts, 12_345.0, "12.3 kW");
        check(Unit::KilowattHours, 0.5, "500 Wh");
        check(Unit::KilowattHours, 1_500.0, "1.5 MWh");
        check(Unit::Count, f64::NAN, ABSENT);
        let chinese = Unit::Seconds.text(600.0, Language::Chinese);
        assert_eq!(chinese, "10 分钟");
    }

    #[test]
    fn axes_are_short() {
        let check = |unit: Unit, value: f64, expected: &str| {
            assert_eq!(unit.axis(value, Language::English), expected);
        };
        check(Unit::Count, 0.0, "0");
        check(Unit::Count, 2_500_000.0, "2.5M");
        check(Unit::Ratio, 0.25, "25%");
        check(Unit::PerSecond, 2.5, "2.5/s");
        check(Unit::Seconds, 0.0, "0");
    }

    #[test]
    fn changes_are_told_roughly() {
        let check = |now, before, expected: Option<&str>| {
            assert_eq!(change(now, before).map(change_text).as_deref(), expected);
        };
        check(Some(110.0), Some(100.0), Some("+10%"));
        check(Some(97.7), Some(100.0), Some("-2.3%"));
        check(Some(100.1), Some(100.0), Some("±0%"));
        check(Some(4_000.0), Some(100.0), Some("×40"));
        check(Some(1.0), Some(0.0), None);
        check(None, Some(1.0), None);
    }
}
