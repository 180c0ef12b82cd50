//! Numbers and quoted texts as Prometheus writes them.

use std::fmt::Write;

/// The shortest decimal text without an exponent that reads back as the same number; `NaN`, `+Inf` and `-Inf`.
pub fn format_float(value: f64) -> String {
    let mut out = String::new();
    write_float(&mut out, value);
    out
}

/// As [`format_float`], at the end of `out`.
pub fn write_float(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if let Some(thousandths) = thousandths(value.abs()) {
        if value.is_sign_negative() {
            out.push('-');
        }
        write_integer(out, thousandths / 1_000);
        write_fraction(out, thousandths % 1_000);
    } else {
        let start = out.len();
        #[expect(clippy::let_underscore_must_use, reason = "writing to a string cannot fail")]
        let _ = write!(out, "{value}");
        round_to_even(out, start, value);
    }
}

/// Where the shortest text lies exactly between two, Go takes the one with the even digit and Rust the larger.
fn round_to_even(out: &mut String, start: usize, value: f64) {
    let text = out.get(start..).unwrap_or_default();
    let Some((_, decimals)) = text.split_once('.') else { return };
    let Ok(count) = i32::try_from(decimals.len()) else { return };
    let is_odd = text.ends_with(['1', '3', '5', '7', '9']);
    // Only then does the exact text end with one more decimal, which is a five if it is not written.
    if !is_odd || count > TIE_DECIMALS_MAX || (value * f64::from(2 << count)).fract() != 0.0 {
        return;
    }
    let exact = format!("{value:.*}", decimals.len() + 1);
    let last = text.as_bytes().last().copied().unwrap_or_default();
    if exact.ends_with('5') {
        out.pop();
        out.push(char::from(last - 1));
    }
}

/// With more decimals a float has no bits left for a tie.
const TIE_DECIMALS_MAX: i32 = 4;

/// As [`write_float`], with an exponent below 1e-6 and from 1e21 on, as Prometheus' JSON has it: `1e-07`,
/// `1.5e+21`.
pub fn write_json_float(out: &mut String, value: f64) {
    let magnitude = value.abs();
    if value.is_finite() && magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        write_exponent(out, value);
    } else {
        write_float(out, value);
    }
}

/// A finite number as mantissa and exponent, the exponent with its sign and at least two digits.
fn write_exponent(out: &mut String, value: f64) {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    out.push_str(&format!("{mantissa}e{sign}{digits:0>2}"));
}

/// Go's `%g`, which annotations and histograms are written with: the shortest text that reads back as the same
/// number, or so many significant `digits`; with an exponent below a ten-thousandth and where there are more
/// than those digits, six of the shortest, before the point.
pub fn write_general(out: &mut String, value: f64, digits: Option<usize>) {
    let scientific = match digits {
        Some(digits) => format!("{value:.*e}", digits.saturating_sub(1)),
        None => format!("{value:e}"),
    };
    let parts = scientific.split_once('e').and_then(|(mantissa, exponent)| {
        let exponent: i32 = exponent.parse().ok()?;
        let limit = digits.map_or(6, |digits| digits as i32);
        (!(-4..limit).contains(&exponent)).then_some((mantissa, exponent))
    });
    let Some((mantissa, exponent)) = parts else {
        write_float(out, scientific.parse().unwrap_or(value));
        return;
    };
    out.push_str(match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    });
    let sign = if exponent < 0 { '-' } else { '+' };
    #[expect(clippy::let_underscore_must_use, reason = "writing to a string cannot fail")]
    let _ = write!(out, "e{sign}{:02}", exponent.abs());
}

/// As [`write_general`] writes it.
pub(crate) fn format_general(value: f64, digits: Option<usize>) -> String {
    let mut out = String::new();
    write_general(&mut out, value, digits);
    out
}

/// Most values have three decimals at most, and finding the shortest text of any other takes long. Up to 15
/// digits no two texts read back as the same number, so there is no shorter one.
fn thousandths(value: f64) -> Option<u64> {
    let thousandths = (value * 1e3 + 0.5) as u64;
    (thousandths < 1_000_000_000_000_000 && thousandths as f64 / 1e3 == value)
        .then_some(thousandths)
}

/// A text in double quotes, with the escapes of Go's string literals, which Prometheus writes.
pub(crate) fn quoted(text: &str) -> String {
    quoted_bytes(text.as_bytes())
}

/// As [`quoted`], of any bytes; those that are no text are written as they are in hexadecimal.
pub(crate) fn quoted_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| write_escaped(&mut out, c));
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

fn write_escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0b' => out.push_str("\\v"),
        '\x0c' => out.push_str("\\f"),
        c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c if is_printable(c) => out.push(c),
        c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
    }
}

/// Whether a character leaves ink, or is the blank. The standard library knows the same table of Unicode as Go
/// does, and shows it by what it escapes; behind another character it leaves combining ones alone.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let mut bytes = [0; 5];
    bytes[0] = b'a';
    let length = 1 + c.encode_utf8(&mut bytes[1..]).len();
    let text = std::str::from_utf8(&bytes[..length]).unwrap_or_default();
    text.escape_debug().eq(text.chars())
}

/// Decimal digits at the end of `out`.
pub fn write_integer(out: &mut String, value: u64) {
    let mut digits = [0; 20];
    let (mut at, mut rest) = (digits.len(), value);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

/// The decimals that so many thousandths need.
fn write_fraction(out: &mut String, thousandths: u64) {
    if thousandths == 0 {
        return;
    }
    out.push('.');
    let mut rest = thousandths;
    while rest > 0 {
        out.push(char::from(b'0' + (rest / 100) as u8));
        rest = rest % 100 * 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats() {
        for (value, expected) in [
            (1.0, "1"),
            (-0.5, "-0.5"),
            (0.0, "0"),
            (-0.0, "-0"),
            (0.001, "0.001"),
            (0.0001, "0.0001"),
            (12.34, "12.34"),
            (-7.089, "-7.089"),
            (999_999_999_999.999, "999999999999.999"),
            (1_000_000_000_000.001, "1000000000000.001"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1_544_566_195_620_443.0 + 0.25, "1544566195620443.2"),
            (1_544_566_195_620_443.0 + 0.75, "1544566195620443.8"),
            (-203_310_280_124_478.0 - 0.125, "-203310280124478.12"),
            (203_310_280_124_478.0 + 0.375, "203310280124478.38"),
            (1e21, "1000000000000000000000"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(format_float(value), expected);
        }
    }

    #[test]
    fn general_floats() {
        let check = |value: f64, digits: Option<usize>, expected: &str| {
            let mut out = String::new();
            write_general(&mut out, value, digits);
            assert_eq!(out, expected, "{value:?} {digits:?}");
        };
        // What Go's `fmt.Sprintf("%g")` makes of them.
        check(0.0, None, "0");
        check(-0.0, None, "-0");
        check(1.0, None, "1");
        check(-1.5, None, "-1.5");
        check(100_000.0, None, "100000");
        check(123_456.7, None, "123456.7");
        check(1_000_000.0, None, "1e+06");
        check(1_234_567.0, None, "1.234567e+06");
        check(0.0001, None, "0.0001");
        check(0.000_012, None, "1.2e-05");
        check(-1e100, None, "-1e+100");
        check(f64::NAN, None, "NaN");
        check(f64::INFINITY, None, "+Inf");
        check(f64::NEG_INFINITY, None, "-Inf");
        // And of "%.2g".
        check(10.0, Some(2), "10");
        check(100.0, Some(2), "1e+02");
        check(1.0, Some(2), "1");
        check(0.123, Some(2), "0.12");
        check(99.9, Some(2), "1e+02");
        check(4.96, Some(2), "5");
        check(0.000_012_3, Some(2), "1.2e-05");
        check(f64::INFINITY, Some(2), "+Inf");
    }

    #[test]
    fn floats_with_exponents() {
        let check = |value, json: &str, text: &str| {
            let (mut in_json, mut in_text) = (String::new(), String::new());
            write_json_float(&mut in_json, value);
            write_general(&mut in_text, value, None);
            assert_eq!((in_json.as_str(), in_text.as_str()), (json, text));
        };
        check(0.0, "0", "0");
        check(-0.0, "-0", "-0");
        check(1e-7, "1e-07", "1e-07");
        check(-2.5e-7, "-2.5e-07", "-2.5e-07");
        check(1e-6, "0.000001", "1e-06");
        check(0.0001, "0.0001", "0.0001");
        check(999_999.5, "999999.5", "999999.5");
        check(1e6, "1000000", "1e+06");
        check(1_234_567.0, "1234567", "1.234567e+06");
        check(1e20, "100000000000000000000", "1e+20");
        check(1e21, "1e+21", "1e+21");
        check(f64::MAX, "1.7976931348623157e+308", "1.7976931348623157e+308");
        check(5e-324, "5e-324", "5e-324");
        check(f64::NAN, "NaN", "NaN");
        check(f64::INFINITY, "+Inf", "+Inf");
        check(f64::NEG_INFINITY, "-Inf", "-Inf");
    }

    #[test]
    fn quotes() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(quoted_bytes(bytes), expected);
        check(b"", r#""""#);
        check(b"a b", r#""a b""#);
        check(b"\"\\\n\r\t\x07\x08\x0b\x0c\x00\x1f\x7f", r#""\"\\\n\r\t\a\b\v\f\x00\x1f\x7f""#);
        check(b"a\"", r#""a\"""#);
        check(b"\xc5a\xff\"", r#""\xc5a\xff\"""#);
        check("é世😀\u{301}\u{fffd}".as_bytes(), "\"é世😀\u{301}\u{fffd}\"");
        check(
            "\u{80}\u{a0}\u{200b}\u{2028}\u{3000}\u{e000}\u{feff}".as_bytes(),
            r#""\u0080\u00a0\u200b\u2028\u3000\ue000\ufeff""#,
        );
        check("\u{e0001}\u{10ffff}".as_bytes(), r#""\U000e0001\U0010ffff""#);
    }

    proptest::proptest! {
        #[test]
        fn texts_are_those_of_the_standard_library(any: f64, thousandths: i64, shift in 0..60) {
            for value in [any, (thousandths >> shift) as f64 / 1e3] {
                if value.is_finite() {
                    let (found, expected) = (format_float(value), value.to_string());
                    proptest::prop_assert_eq!(found.parse::<f64>(), Ok(value));
                    proptest::prop_assert_eq!(found.len(), expected.len());
                    proptest::prop_assert!(found == expected || expected.len() > 16);
                }
            }
        }
    }
}
