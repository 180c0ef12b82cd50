//! Numbers as people read them, in the way of Prometheus.

use model::UnixMs;

use crate::{float, time::Time};

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];
const BINARY: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];

/// Go's `%.4g`.
fn four_digits(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_infinite() {
        return if value < 0.0 { "-Inf".into() } else { "+Inf".into() };
    }
    format!("{sign}{}", float::general(value.abs(), Some(4)))
}

/// `1.235M`
pub fn decimal(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return four_digits(value);
    }
    if value.abs() >= 1.0 { scaled(value, 1_000.0, &LARGE) } else { small(value) }
}

/// `1.178Mi`
pub fn binary(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return four_digits(value);
    }
    scaled(value, 1_024.0, &BINARY)
}

fn scaled(value: f64, base: f64, prefixes: &[&'static str]) -> String {
    let (mut value, mut prefix) = (value, "");
    for next in prefixes {
        if value.abs() < base {
            break;
        }
        (value, prefix) = (value / base, next);
    }
    format!("{}{prefix}", four_digits(value))
}

fn small(value: f64) -> String {
    let (mut value, mut prefix) = (value, "");
    for next in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        (value, prefix) = (value * 1_000.0, next);
    }
    format!("{}{prefix}", four_digits(value))
}

/// `1d 2h 3m 4s`, from seconds.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return four_digits(seconds);
    }
    if seconds == 0.0 {
        return "0s".into();
    }
    if seconds.abs() < 1.0 {
        return format!("{}s", small(seconds));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let magnitude = seconds.abs();
    let whole = magnitude as u64;
    let (second, minute, hour, day) =
        (whole % 60, whole / 60 % 60, whole / 3_600 % 24, whole / 86_400);
    match (day, hour, minute) {
        (0, 0, 0) => format!("{sign}{}s", four_digits(magnitude)),
        (0, 0, _) => format!("{sign}{minute}m {second}s"),
        (0, ..) => format!("{sign}{hour}h {minute}m {second}s"),
        _ => format!("{sign}{day}d {hour}h {minute}m {second}s"),
    }
}

/// `42.5%`, from a ratio.
pub fn percentage(ratio: f64) -> String {
    format!("{}%", four_digits(ratio * 100.0))
}

/// A Unix time in seconds as Go writes times.
pub fn timestamp(seconds: f64) -> Result<String, String> {
    if !seconds.is_finite() {
        return Ok(four_digits(seconds));
    }
    moment(seconds).map(|time| time.to_string())
}

/// The time that so many seconds after 1970 are; an error where Go's 64 bits of nanoseconds do not hold it.
pub(super) fn moment(seconds: f64) -> Result<Time, String> {
    let nanos = seconds * 1e9;
    if !nanos.is_finite() || nanos.abs() > i64::MAX as f64 {
        let shown = float::general(seconds.abs(), None);
        return Err(format!("{shown} seconds cannot be represented as a timestamp"));
    }
    Ok(Time::utc(UnixMs((nanos as i64).div_euclid(1_000_000))))
}
