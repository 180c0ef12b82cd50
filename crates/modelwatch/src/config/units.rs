//! Durations and sizes as people write them.

use std::time::Duration;

/// `500ms`, `5s`, `2m`, `1h`, `15d`, `2w`; sums such as `1h30m` too. `None` when it is none.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let (unit, after) = leading_letters(after);
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(millis)?))?;
        rest = after;
    }
    Some(total)
}

/// `512MiB`, `10GiB`, `1TB`, or plain bytes. `None` when it is none.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text.trim())?;
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// The shortest text that [`duration`] reads back: whole multiples of the largest unit that fits.
pub(crate) fn duration_text(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let fits = |(factor, _): &&(u128, &str)| millis.is_multiple_of(*factor);
    let (factor, unit) = units.iter().find(fits).copied().unwrap_or((1, "ms"));
    format!("{}{unit}", millis / factor)
}

/// The shortest text that [`bytes`] reads back.
pub(super) fn bytes_text(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(factor, _)| bytes > 0 && bytes.is_multiple_of(*factor)) {
        Some((factor, unit)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

fn leading_letters(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text, expected: Option<u64>| {
            assert_eq!(duration(text), expected.map(Duration::from_millis), "{text:?}");
        };
        check("500ms", Some(500));
        check("15d", Some(1_296_000_000));
        check("1h30m", Some(5_400_000));
        for bad in ["", "5", "s", "5x", "1.5h", "-1s", "99999999999999999999s", "5 s"] {
            check(bad, None);
        }
        check("18446744073709551615w", None);
    }

    #[test]
    fn sizes() {
        let check = |text, expected| assert_eq!(bytes(text), expected, "{text:?}");
        check("10GiB", Some(10 << 30));
        check("5 MB", Some(5_000_000));
        check("123", Some(123));
        check("", None);
        check("1.5GiB", None);
        check("99999999TiB", None);
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in ["15d", "2m", "5s", "250ms", "1h", "90s"] {
            assert_eq!(duration_text(duration(text).unwrap()), text);
        }
        for text in ["10GiB", "512MiB", "7B", "0B"] {
            assert_eq!(bytes_text(bytes(text).unwrap()), text);
        }
    }
}
