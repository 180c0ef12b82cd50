//! The small words of the script language: durations, numbers, quoted strings and label sets.

use model::{Labels, LabelsBuilder, NAME};

use super::Read;

/// Units of a duration in milliseconds, largest first, which is also the order they must come in.
const UNITS: &[(&str, i64)] = &[
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("ms", 1),
    ("m", 60_000),
    ("s", 1_000),
];

/// Milliseconds of `1h30m`, `10s53ms` or `0`.
pub fn duration(text: &str) -> Read<i64> {
    let bad = || format!("not a duration: {text:?}");
    if text == "0" {
        return Ok(0);
    }
    let (mut total, mut largest, mut rest) = (0_i64, i64::MAX, text);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (digits, after) = rest.split_at(end);
        let is_unit = |(name, _): &&(&str, i64)| after.starts_with(name);
        let (name, unit) = UNITS.iter().find(is_unit).ok_or_else(bad)?;
        let count: i64 = digits.parse().map_err(|_| bad())?;
        if *unit >= largest {
            return Err(bad());
        }
        let part = count.checked_mul(*unit).ok_or_else(bad)?;
        total = total.checked_add(part).ok_or_else(bad)?;
        (largest, rest) = (*unit, after.get(name.len()..).unwrap_or_default());
    }
    if text.is_empty() { Err(bad()) } else { Ok(total) }
}

/// `1`, `-2.5`, `1e3`, `0x1F`, `017`, `Inf`, `NaN`, each with a sign or without.
pub fn number(text: &str) -> Read<f64> {
    let bad = || format!("not a number: {text:?}");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter();
    let mut marked =
        radix.filter_map(|(mark, radix)| Some((lower.strip_prefix(mark)?.to_owned(), radix)));
    let is_octal =
        lower.len() > 1 && lower.starts_with('0') && lower.chars().all(|c| ('0'..'8').contains(&c));
    let whole = marked.next().or_else(|| is_octal.then(|| (lower.clone(), 8)));
    if let Some((digits, radix)) = whole {
        return Ok(sign * i64::from_str_radix(&digits, radix).map_err(|_| bad())? as f64);
    }
    if lower.starts_with(['+', '-']) {
        return Err(bad());
    }
    lower.parse::<f64>().map(|value| sign * value).map_err(|_| bad())
}

/// A number or, as everywhere in PromQL, a duration in seconds.
pub fn number_or_duration(text: &str) -> Read<f64> {
    number(text).or_else(|error| duration(text).map(|ms| ms as f64 / 1e3).map_err(|_| error))
}

/// Reads a string in `"`, `'` or backticks at the beginning of `text`, with the escapes of Go; returns it
/// and what follows. Bytes that are not UTF-8 become replacement characters.
pub fn unquote(text: &str) -> Read<(String, &str)> {
    let bad = || format!("not a quoted string: {text}");
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')).ok_or_else(bad)?;
    let mut bytes = Vec::new();
    let mut rest = text.get(1..).unwrap_or_default();
    loop {
        let next = rest.chars().next().ok_or_else(bad)?;
        rest = rest.get(next.len_utf8()..).unwrap_or_default();
        if next == quote {
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        if next == '\\' && quote != '`' {
            rest = unescape(rest, &mut bytes).ok_or_else(bad)?;
        } else {
            bytes.extend(next.encode_utf8(&mut [0; 4]).bytes());
        }
    }
}

/// Reads what follows a backslash and returns the rest.
fn unescape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let kind = text.chars().next()?;
    let rest = text.get(kind.len_utf8()..)?;
    let hex = |count: usize| {
        let code = u32::from_str_radix(rest.get(..count)?, 16).ok()?;
        Some((code, rest.get(count..)?))
    };
    let byte = match kind {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '\'' | '"' => kind as u8,
        'x' => {
            let (code, rest) = hex(2)?;
            bytes.push(code as u8);
            return Some(rest);
        }
        '0'..='7' => {
            bytes.push(u8::from_str_radix(text.get(..3)?, 8).ok()?);
            return text.get(3..);
        }
        'u' | 'U' => {
            let (code, rest) = hex(if kind == 'u' { 4 } else { 8 })?;
            bytes.extend(char::from_u32(code)?.encode_utf8(&mut [0; 4]).bytes());
            return Some(rest);
        }
        _ => return None,
    };
    bytes.push(byte);
    Some(rest)
}

/// Reads `name{label="value"}`, `{"quoted.name", label="value"}` or `{}` at the beginning of a line;
/// returns the labels and what follows.
pub fn labels(line: &str) -> Read<(Labels, &str)> {
    let bad = || format!("not a series: {line}");
    let mut labels = LabelsBuilder::default();
    let (name, mut rest) = identifier(line);
    if !name.is_empty() {
        labels.set(NAME, name);
    }
    let Some(inside) = rest.strip_prefix('{') else {
        return if name.is_empty() { Err(bad()) } else { Ok((labels.build(), rest)) };
    };
    rest = inside.trim_start();
    while !rest.starts_with('}') {
        let is_quoted = rest.starts_with(['"', '\'', '`']);
        let (name, after) = if is_quoted {
            unquote(rest)?
        } else {
            let (name, after) = identifier(rest);
            (name.to_owned(), after)
        };
        rest = after.trim_start();
        if let Some(after) = rest.strip_prefix('=') {
            let (value, after) = unquote(after.trim_start())?;
            labels.set(name, value);
            rest = after.trim_start();
        } else if is_quoted {
            labels.set(NAME, name);
        } else {
            return Err(bad());
        }
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with('}') => {}
            None => return Err(bad()),
        }
    }
    Ok((labels.build(), rest.get(1..).unwrap_or_default()))
}

fn identifier(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(duration(text).ok(), expected);
        check("0", Some(0));
        check("0s", Some(0));
        check("1h30m", Some(5_400_000));
        check("10s53ms", Some(10_053));
        check("1y1w1d", Some(32_227_200_000));
        for bad in ["", "5", "1.5h", "m", "1m1h", "1m1m", "1x", "-1m"] {
            check(bad, None);
        }
    }

    #[test]
    fn numbers() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(number(text).ok(), expected);
        check("1", Some(1.0));
        check("-2.5e1", Some(-25.0));
        check("0x1F", Some(31.0));
        check("-0b11", Some(-3.0));
        check("017", Some(15.0));
        check("0", Some(0.0));
        check("0.5", Some(0.5));
        check("+Inf", Some(f64::INFINITY));
        check("-inf", Some(f64::NEG_INFINITY));
        assert!(number("NaN").unwrap().is_nan());
        for bad in ["", "-", "--1", "-+1", "0x", "a", "1 2", "5m"] {
            check(bad, None);
        }
    }

    #[test]
    fn strings() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let read = unquote(text).ok();
            assert_eq!(
                read.as_ref().map(|(string, rest)| (string.as_str(), *rest)),
                expected,
                "{text}"
            );
        };
        check(r#""a\"b" c"#, Some(("a\"b", " c")));
        check(r"'\x41\101\u00e9\U0001F600\t\\'", Some(("AA\u{e9}\u{1F600}\t\\", "")));
        check(r"`a\n`", Some((r"a\n", "")));
        check(r#""a\xc5z""#, Some(("a\u{fffd}z", "")));
        for bad in ["", "a", "\"", "\"a", r#""\q""#, r#""\x4""#, r#""\u12"#, r#""\ud800""#] {
            check(bad, None);
        }
    }

    #[test]
    fn label_sets() {
        let check = |text: &str, expected: Option<(&[(&str, &str)], &str)>| {
            let expected =
                expected.map(|(pairs, rest)| (Labels::from_pairs(pairs.iter().copied()), rest));
            assert_eq!(labels(text).ok(), expected, "{text}");
        };
        check("a:b 1", Some((&[(NAME, "a:b")], " 1")));
        check("a{b=\"}\", c = '{',} 1", Some((&[(NAME, "a"), ("b", "}"), ("c", "{")], " 1")));
        check("{\"a.b\", \"c d\"=`e`}", Some((&[(NAME, "a.b"), ("c d", "e")], "")));
        check("{} 1", Some((&[], " 1")));
        check("a{b=\"\"} 1", Some((&[(NAME, "a")], " 1")));
        for bad in ["", " 1", "a{", "a{b}", "a{b=c}", "a{b=\"c\" d=\"e\"}", "{b=\"c\""] {
            check(bad, None);
        }
    }
}
