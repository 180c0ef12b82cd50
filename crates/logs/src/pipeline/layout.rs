//! Times written in a way of one's own, told by an example: how that program writes the moment
//! `Mon Jan 2 15:04:05 2006 -0700`, as programs in Go do it. A fraction of the second is understood wherever one is.

use model::UnixMs;

use crate::time::{Day, MONTHS, Seen, WEEKDAYS};

/// Longest example.
const BYTES_MAX: usize = 100;

/// How a time is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Layout {
    /// In any way that lines are understood in without a pipeline.
    Known,
    Example(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Text(char),
    Year,
    ShortYear,
    MonthName,
    LongMonthName,
    Month,
    WeekdayName,
    LongWeekdayName,
    Day,
    Hour,
    Hour12,
    Minute,
    Second,
    IsAfternoon,
    Zone,
}

/// Longer ones first. What names a zone by letters is passed over: letters do not tell which zone it is.
const TOKENS: [(&str, Token); 25] = [
    ("January", Token::LongMonthName),
    ("Monday", Token::LongWeekdayName),
    ("-07:00", Token::Zone),
    ("Z07:00", Token::Zone),
    ("-0700", Token::Zone),
    ("Z0700", Token::Zone),
    ("2006", Token::Year),
    ("Jan", Token::MonthName),
    ("Mon", Token::WeekdayName),
    ("-07", Token::Zone),
    ("01", Token::Month),
    ("02", Token::Day),
    ("03", Token::Hour12),
    ("04", Token::Minute),
    ("05", Token::Second),
    ("06", Token::ShortYear),
    ("15", Token::Hour),
    ("PM", Token::IsAfternoon),
    ("pm", Token::IsAfternoon),
    ("_2", Token::Day),
    ("1", Token::Month),
    ("2", Token::Day),
    ("3", Token::Hour12),
    ("4", Token::Minute),
    ("5", Token::Second),
];

impl Layout {
    pub(super) fn parse(example: &str) -> Result<Self, String> {
        if example == "auto" {
            return Ok(Self::Known);
        }
        if example.len() > BYTES_MAX {
            return Err(format!("an example of a time is longer than {BYTES_MAX} bytes"));
        }
        let mut tokens = Vec::new();
        let mut rest = example;
        while let Some(letter) = rest.chars().next() {
            let found = TOKENS.iter().find(|(text, _)| rest.starts_with(text));
            match found {
                Some((text, token)) => {
                    tokens.push(token.clone());
                    rest = rest.strip_prefix(text).unwrap_or_default();
                    if *token == Token::Second {
                        rest = without_fraction(rest);
                    }
                }
                None => {
                    tokens.push(Token::Text(letter));
                    rest = rest.get(letter.len_utf8()..).unwrap_or_default();
                }
            }
        }
        let has = |wanted: &[Token]| tokens.iter().any(|token| wanted.contains(token));
        let is_whole = has(&[Token::Day])
            && has(&[Token::Month, Token::MonthName, Token::LongMonthName])
            && has(&[Token::Hour, Token::Hour12]);
        if is_whole { Ok(Self::Example(tokens)) } else { Err(wrong(example)) }
    }

    pub(super) fn read(&self, text: &str, seen: &Seen<'_>) -> Option<UnixMs> {
        match self {
            Self::Known => crate::time::read(text, seen),
            Self::Example(tokens) => moment(tokens, text.trim(), seen),
        }
    }
}

fn wrong(example: &str) -> String {
    format!(
        "{example:?} does not show day, month and hour of the moment Mon Jan 2 15:04:05 2006 -0700"
    )
}

/// `.000`, `,000`, `.999` behind the seconds.
fn without_fraction(text: &str) -> &str {
    let Some(digits) = text.strip_prefix(['.', ',']) else { return text };
    let rest = digits.trim_start_matches(['0', '9']);
    if rest.len() < digits.len() { rest } else { text }
}

#[derive(Default)]
struct Parts {
    year: Option<i64>,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    millis: i64,
    is_afternoon: Option<bool>,
    zone: Option<i64>,
}

fn moment(tokens: &[Token], text: &str, seen: &Seen<'_>) -> Option<UnixMs> {
    let mut parts = Parts::default();
    let mut rest = text;
    for token in tokens {
        rest = take(token, rest, &mut parts)?;
    }
    let hour = match parts.is_afternoon {
        Some(is_afternoon) => parts.hour % 12 + if is_afternoon { 12 } else { 0 },
        None => parts.hour,
    };
    let is_time = rest.is_empty() && hour < 24 && parts.minute < 60 && parts.millis < 61_000;
    let time = (hour * 60 + parts.minute) * 60_000 + parts.millis.min(59_999);
    let day = Day { year: parts.year, month: parts.month, day: parts.day };
    is_time.then(|| seen.moment(day, time, parts.zone))?
}

/// Takes what a token stands for from the beginning of the text, and gives what is behind it.
fn take<'a>(token: &Token, text: &'a str, parts: &mut Parts) -> Option<&'a str> {
    let digits = |text: &'a str, min: usize, max: usize| {
        let text = text.trim_start_matches(' ');
        let count = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
        let (number, rest) = text.split_at_checked(count)?;
        (count >= min).then_some((number.parse::<i64>().ok()?, rest))
    };
    let named = |names: &[&str], is_long: bool| {
        let place = names.iter().position(|name| text.starts_with(name))?;
        let rest = text.get(3..)?;
        let rest =
            if is_long { rest.trim_start_matches(|c: char| c.is_ascii_lowercase()) } else { rest };
        Some((place as i64 + 1, rest))
    };
    let (into, (number, rest)) = match token {
        Token::Text(letter) => return text.strip_prefix(*letter),
        Token::Year => {
            let (year, rest) = digits(text, 4, 4)?;
            parts.year = Some(year);
            return Some(rest);
        }
        Token::ShortYear => {
            let (year, rest) = digits(text, 2, 2)?;
            parts.year = Some(2_000 + year);
            return Some(rest);
        }
        Token::WeekdayName => return Some(named(&WEEKDAYS, false)?.1),
        Token::LongWeekdayName => return Some(named(&WEEKDAYS, true)?.1),
        Token::IsAfternoon => {
            let (half, rest) = text.split_at_checked(2)?;
            parts.is_afternoon = Some(half.eq_ignore_ascii_case("pm"));
            return (half.eq_ignore_ascii_case("am") || parts.is_afternoon == Some(true))
                .then_some(rest);
        }
        Token::Zone => return zone(text, parts),
        Token::Second => {
            let (second, rest) = digits(text, 1, 2)?;
            return Some(fraction(second, rest, parts));
        }
        Token::MonthName => (&mut parts.month, named(&MONTHS, false)?),
        Token::LongMonthName => (&mut parts.month, named(&MONTHS, true)?),
        Token::Month => (&mut parts.month, digits(text, 1, 2)?),
        Token::Day => (&mut parts.day, digits(text, 1, 2)?),
        Token::Hour | Token::Hour12 => (&mut parts.hour, digits(text, 1, 2)?),
        Token::Minute => (&mut parts.minute, digits(text, 1, 2)?),
    };
    *into = number;
    Some(rest)
}

fn fraction<'a>(second: i64, rest: &'a str, parts: &mut Parts) -> &'a str {
    parts.millis = second * 1_000;
    let Some(after) = rest.strip_prefix(['.', ',']) else { return rest };
    let count = after.bytes().take_while(u8::is_ascii_digit).count();
    let Some((digits, behind)) = after.split_at_checked(count).filter(|_| count > 0) else {
        return rest;
    };
    let millis = digits.bytes().chain(*b"000").take(3);
    parts.millis += millis.fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    behind
}

fn zone<'a>(text: &'a str, parts: &mut Parts) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix('Z') {
        parts.zone = Some(0);
        return Some(rest);
    }
    let (sign, rest) = text.split_at_checked(1).filter(|(sign, _)| matches!(*sign, "+" | "-"))?;
    let (hours, rest) = rest.split_at_checked(2)?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let has_minutes = rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_digit());
    let (minutes, rest) = rest.split_at_checked(if has_minutes { 2 } else { 0 })?;
    let number = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i64>().ok() };
    let offset = number(hours)? * 60 + number(minutes)?;
    parts.zone = Some(if sign == "-" { -offset } else { offset });
    Some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Zone;

    /// 2026-11-28T12:00:00Z
    const NOW: UnixMs = UnixMs(1_795_867_200_000);

    fn check(example: &str, text: &str, expected_before: Option<i64>) {
        let zone = Zone::new(|_| 60);
        let seen = Seen { at: NOW, zone: &zone, started: None };
        let read = Layout::parse(example).unwrap().read(text, &seen);
        assert_eq!(read.map(|time| NOW.0 - time.0), expected_before, "{example}: {text}");
    }

    #[test]
    fn times_are_read_by_example() {
        check("02.01.2006 15:04", "28.11.2026 12:59", Some(60_000));
        check("02.01.2006 15:04:05.000", "28.11.2026 12:59:59,5", Some(500));
        check("Jan _2, 2006 3:04:05 PM", "Nov 28, 2026 12:59:59 PM", Some(1_000));
        check("Jan _2, 2006 3:04:05 PM", "Nov 28, 2026 1:00:00 AM", Some(43_200_000));
        check(
            "Monday, 2 January 2006 15:04 -0700",
            "Saturday, 28 November 2026 11:59 +0000",
            Some(60_000),
        );
        check("2006年01月02日 15时04分05秒", "2026年11月28日 12时59分59秒", Some(1_000));
        check("20060102T150405Z07:00", "20261128T115959Z", Some(1_000));
        check("01/02 15:04:05", "11/28 12:59:59", Some(1_000));
        check("auto", "2026-11-28T11:59:59Z", Some(1_000));
        check("02.01.2006 15:04", "28.11.2026 25:59", None);
        check("02.01.2006 15:04", "28.11.2026 12:59 and more", None);
        check("02.01.2006 15:04", "x", None);
    }

    #[test]
    fn an_example_shows_enough() {
        for example in ["", "2006-01-02", "yyyy-mm-dd HH:MM:SS", &"2".repeat(200)] {
            assert!(Layout::parse(example).is_err(), "{example}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(example in "[0-9JanMon:. Z+-]{0,24}", text in "[0-9JanMonZ:.+ -]{0,24}|.{0,20}") {
            let zone = Zone::utc();
            if let Ok(layout) = Layout::parse(&example) {
                layout.read(&text, &Seen { at: NOW, zone: &zone, started: None });
            }
        }
    }
}
