//! Words for a terminal: how wide they are, and what of them may reach it.

use model::{Labels, NAME};
use query::format::format_float;

/// Characters that take two columns, by the ranges of Unicode's East Asian Width that people write with.
const WIDE: &[(u32, u32)] = &[
    (0x1100, 0x115f),
    (0x2e80, 0x303e),
    (0x3041, 0x33ff),
    (0x3400, 0x4dbf),
    (0x4e00, 0xa4cf),
    (0xa960, 0xa97c),
    (0xac00, 0xd7a3),
    (0xf900, 0xfaff),
    (0xfe30, 0xfe6f),
    (0xff00, 0xff60),
    (0xffe0, 0xffe6),
    (0x1f300, 0x1f64f),
    (0x1f680, 0x1f6ff),
    (0x1f900, 0x1f9ff),
    (0x20000, 0x3fffd),
];

/// Characters that take none: marks on the one before, and joiners.
const NARROWEST: &[(u32, u32)] =
    &[(0x300, 0x36f), (0x200b, 0x200d), (0x20d0, 0x20ff), (0xfe00, 0xfe0f)];

/// Characters that turn the direction of what follows.
const TURNING: &[(u32, u32)] = &[(0x200e, 0x200f), (0x202a, 0x202e), (0x2066, 0x2069)];

fn is_in(ranges: &[(u32, u32)], character: char) -> bool {
    let code = u32::from(character);
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&code))
}

fn width_of(character: char) -> usize {
    if is_in(NARROWEST, character) { 0 } else { 1 + usize::from(is_in(WIDE, character)) }
}

/// Columns of a terminal.
pub(in crate::cli) fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// `text` with spaces after it, up to so many columns.
pub(in crate::cli) fn pad_right(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `text` with spaces before it, up to so many columns.
pub(in crate::cli) fn pad_left(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// As much of the beginning as fits, with `mark` where something is missing.
pub(super) fn cut(text: &str, columns: usize, mark: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(width(mark));
    let mut used = 0;
    let fits = |character: &char| {
        used += width_of(*character);
        used <= room
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{kept}{mark}")
}

/// Text from outside with everything spelled out that a terminal would obey.
pub(in crate::cli) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            _ if character.is_control() || is_in(TURNING, character) => {
                out.extend(character.escape_unicode());
            }
            _ => out.push(character),
        }
    }
    out
}

/// `up{job="a"}`, as PromQL would select it.
pub(super) fn series(labels: &Labels) -> String {
    let name = labels.name();
    let is_plain = is_identifier(name, ":_");
    let mut parts = Vec::new();
    if !name.is_empty() && !is_plain {
        parts.push(quoted(name));
    }
    for (label, value) in labels.iter().filter(|(label, _)| *label != NAME) {
        let label = if is_identifier(label, "_") { label.to_owned() } else { quoted(label) };
        parts.push(format!("{label}={}", quoted(value)));
    }
    let name = if is_plain { name } else { "" };
    if parts.is_empty() && !name.is_empty() {
        name.to_owned()
    } else {
        format!("{name}{{{}}}", parts.join(", "))
    }
}

fn is_identifier(text: &str, more: &str) -> bool {
    let is_part = |character: char| character.is_ascii_alphanumeric() || more.contains(character);
    text.chars().all(is_part) && text.starts_with(|first: char| !first.is_ascii_digit())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", harmless(&text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// A number with the three or four digits that count, which is what fits beside a chart: `0.333`, `12.35M`,
/// `1.2e-7`.
pub(super) fn short(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() || magnitude == 0.0 {
        return format_float(value);
    }
    if !(1e-3..1e18).contains(&magnitude) {
        let text = format!("{value:.2e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", without_zeros(digits));
    }
    let (unit, suffix) = match magnitude {
        ..1e6 => (1.0, ""),
        ..1e9 => (1e6, "M"),
        ..1e12 => (1e9, "G"),
        ..1e15 => (1e12, "T"),
        _ => (1e15, "P"),
    };
    let scaled = value / unit;
    let whole_digits = scaled.abs().log10().floor() as i32 + 1;
    let digits = if magnitude < 1.0 { 3 } else { 4 };
    let decimals = usize::try_from(digits - whole_digits).unwrap_or(0);
    format!("{}{suffix}", without_zeros(&format!("{scaled:.decimals$}")))
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// An error about a query without the words that the API puts before it: who asks here has no parameters.
pub(super) fn about_query(error: &str) -> &str {
    error.strip_prefix("invalid parameter \"query\": ").unwrap_or(error)
}

/// Where in a query an error is, from a text such as `1:5: parse error: ...`: line and column, from 1.
pub(super) fn position(error: &str) -> Option<(usize, usize)> {
    let (before, _) = error.split_once(": parse error:")?;
    let mut numbers = before.rsplit([':', ' ']).map(|number| number.parse().ok());
    let (column, line) = (numbers.next()??, numbers.next()??);
    Some((line, column))
}

/// The line of `query` that is meant and a caret below the place, both in at most `columns`; nothing where
/// that line is empty.
pub(super) fn pointed_at(query: &str, place: (usize, usize), columns: usize) -> Option<String> {
    let (line, column) = place;
    let line = query.split('\n').nth(line.checked_sub(1)?).filter(|line| !line.is_empty())?;
    let blank = |character: char| if character.is_control() { ' ' } else { character };
    let characters: Vec<char> =
        harmless(&line.chars().map(blank).collect::<String>()).chars().collect();
    // An error at the end is behind the last character.
    let at = column.checked_sub(1)?.min(characters.len());
    let columns = columns.max(8) / 2;
    let start = at.saturating_sub(columns);
    let shown = characters.iter().skip(start);
    let before: usize = shown.clone().take(at - start).map(|character| width_of(*character)).sum();
    let text: String = shown.take(2 * columns).collect();
    Some(format!("{text}\n{}^", " ".repeat(before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths() {
        for (text, expected) in [("", 0), ("abc", 3), ("模型", 4), ("e\u{301}", 1), ("…", 1)] {
            assert_eq!(width(text), expected, "{text}");
        }
        assert_eq!(pad_right("模", 4), "模  ");
        assert_eq!(pad_left("ab", 4), "  ab");
        assert_eq!(cut("abcdef", 6, "…"), "abcdef");
        assert_eq!(cut("abcdef", 4, "…"), "abc…");
        assert_eq!(cut("模型名", 4, "…"), "模…");
        assert_eq!(cut("abcdef", 2, "..."), "...");
    }

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        assert_eq!(harmless("a\u{1b}[2J\n\u{202e}é"), "a\\u{1b}[2J\\n\\u{202e}é");
        let labels = Labels::from_pairs([("a", "\u{7}\"\\")]);
        assert_eq!(series(&labels), r#"{a="\u{7}\"\\"}"#);
    }

    #[test]
    fn series_are_written_as_selectors() {
        let check = |pairs: &[(&str, &str)], expected: &str| {
            let labels = Labels::from_pairs(pairs.iter().copied());
            assert_eq!(series(&labels), expected);
            assert!(query::parse(expected).is_ok() || labels.is_empty(), "{expected}");
        };
        check(&[(NAME, "up")], "up");
        check(&[(NAME, "a:b"), ("job", "x"), ("z", "模")], r#"a:b{job="x", z="模"}"#);
        check(&[("job", "x")], r#"{job="x"}"#);
        check(&[], "{}");
        check(&[(NAME, "a.é"), ("b c", "d")], r#"{"a.é", "b c"="d"}"#);
    }

    #[test]
    fn numbers_that_fit_beside_a_chart() {
        for (value, expected) in [
            (0.0, "0"),
            (1.0, "1"),
            (-12.0, "-12"),
            (1.0 / 3.0, "0.333"),
            (100.0 / 3.0, "33.33"),
            (0.001_234_56, "0.00123"),
            (0.000_4, "4e-4"),
            (1_234.567, "1235"),
            (123_456.0, "123456"),
            (12_345_678.0, "12.35M"),
            (68_719_476_736.0, "68.72G"),
            (1e15, "1P"),
            (1.5e20, "1.5e20"),
            (-1.234_56e-7, "-1.23e-7"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(short(value), expected);
        }
    }

    #[test]
    fn errors_point_at_their_place() {
        assert_eq!(position("1:5: parse error: x"), Some((1, 5)));
        assert_eq!(about_query("invalid parameter \"query\": 1:5: x"), "1:5: x");
        let wrapped = "invalid parameter \"query\": 12:34: parse error: unexpected 1:2";
        assert_eq!(position(wrapped), Some((12, 34)));
        for other in ["parse error: x", "no", ": parse error:", "1:x: parse error: y"] {
            assert_eq!(position(other), None, "{other}");
        }
        let check = |query: &str, place, columns, expected: Option<&str>| {
            assert_eq!(pointed_at(query, place, columns).as_deref(), expected, "{query}");
        };
        check("sum(", (1, 5), 80, Some("sum(\n    ^"));
        check("a +\n\t* b", (2, 2), 80, Some(" * b\n ^"));
        check("模=", (1, 2), 80, Some("模=\n  ^"));
        check("abcdefghijklmnopqrstuvwxyz", (1, 14), 8, Some("jklmnopq\n    ^"));
        check("a", (1, 99), 80, Some("a\n ^"));
        check("a", (2, 1), 80, None);
        check("", (1, 1), 80, None);
        check("a", (0, 0), 80, None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_shown(text: String, line: usize, column: usize, columns in 0_usize..200) {
            pointed_at(&text, (line, column), columns);
            position(&text);
            proptest::prop_assert!(!harmless(&text).chars().any(char::is_control));
            proptest::prop_assert!(width(&cut(&text, columns, "…")) <= columns.max(1));
        }

        #[test]
        fn short_numbers_are_short(value: f64) {
            proptest::prop_assert!(short(value).len() <= 10, "{}", short(value));
        }
    }
}
