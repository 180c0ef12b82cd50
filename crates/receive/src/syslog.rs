//! Syslog: RFC 3164 as programs really write it, RFC 5424, and both framings of RFC 6587.
//!
//! Nothing is refused: a message that is neither is kept as it came, without what it does not say. A time
//! without a year is the one nearest to now, one without a zone is taken for UTC.

use std::ops::Range;

use model::{
    UnixMs, civil_from_days, days_from_civil,
    log::{Line, Severity},
    parse_rfc3339,
};

use crate::draft::{Arrival, Draft};

/// Largest message; what is longer on a stream is cut there and counted.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Digits of a count of octets: 9,999,999.
const COUNT_DIGITS_MAX: usize = 7;

/// Elements and parameters of structured data that are looked at.
const PARAMETERS_MAX: usize = 128;

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads one message, without its frame.
pub fn parse(message: &[u8], arrival: &Arrival) -> Line {
    let message = String::from_utf8_lossy(message);
    let message = message.trim_end_matches(['\n', '\r', '\0']);
    let mut draft = Draft::new(arrival);
    let rest = match priority(message) {
        Some((priority, rest)) => {
            let severity = match priority & 7 {
                0..=2 => Severity::Fatal,
                3 => Severity::Error,
                4 => Severity::Warn,
                5 | 6 => Severity::Info,
                _ => Severity::Debug,
            };
            draft.set_severity(Some(severity));
            if let Some(facility) = FACILITIES.get(usize::from(priority >> 3)) {
                draft.attribute("syslog.facility", facility);
            }
            rest
        }
        None => message,
    };
    let is_new = rest.strip_prefix("1 ").and_then(|rest| new_form(rest, &mut draft));
    if is_new.is_none() {
        old_form(rest, &mut draft, arrival.now);
    }
    draft.line(arrival)
}

/// `<27>`: a facility and a severity.
fn priority(message: &str) -> Option<(u8, &str)> {
    let (digits, rest) = message.strip_prefix('<')?.split_once('>')?;
    let is_number = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let priority = digits.parse().ok().filter(|_| is_number)?;
    (priority < 192).then_some((priority, rest))
}

/// RFC 5424 behind its version: `TIME HOST APP PROCID MSGID STRUCTURED-DATA MESSAGE`, each of which may be `-`.
/// `None`, and nothing taken, where it is not that.
fn new_form(text: &str, draft: &mut Draft) -> Option<()> {
    let mut words = text.splitn(6, ' ');
    let mut word = || words.next();
    let (time, host, app, process, id) = (word()?, word()?, word()?, word()?, word()?);
    let time = if time == "-" { None } else { Some(parse_rfc3339(time)?) };
    let (parameters, message) = structured_data(word()?)?;
    draft.time = time;
    for (name, value) in [
        ("host.name", host),
        ("service.name", app),
        ("process.pid", process),
        ("syslog.msg.id", id),
    ] {
        if value != "-" {
            draft.fact(name, value);
        }
    }
    for (element, name, value) in parameters {
        // Says of the clock of the machine what is true of nearly all.
        if element != "timeQuality" {
            let id = element.split_once('@').map_or(element, |(id, _)| id);
            draft.attribute(&format!("{id}.{name}"), &value);
        }
    }
    draft.body = message.trim_start_matches(BYTE_ORDER_MARK).to_owned();
    Some(())
}

/// Element, name and value.
type Parameter<'a> = (&'a str, &'a str, String);

/// `[id a="b" c="d"][id2]`, then the message. Values escape `"`, `\` and `]` by a backslash.
fn structured_data(text: &str) -> Option<(Vec<Parameter<'_>>, &str)> {
    let mut parameters = Vec::new();
    if let Some(rest) = text.strip_prefix('-') {
        return Some((parameters, message_of(rest)?));
    }
    let mut rest = text;
    while let Some(inside) = rest.strip_prefix('[') {
        let end = inside.find([' ', ']'])?;
        let (element, mut inside) = inside.split_at(end);
        while let Some(parameter) = inside.strip_prefix(' ') {
            let (name, value) = parameter.split_once("=\"")?;
            let (value, after) = quoted(value)?;
            if parameters.len() < PARAMETERS_MAX {
                parameters.push((element, name, value));
            }
            inside = after;
        }
        rest = inside.strip_prefix(']')?;
    }
    (rest.len() < text.len()).then_some(())?;
    Some((parameters, message_of(rest)?))
}

/// What follows structured data: nothing, or a blank and the message.
fn message_of(rest: &str) -> Option<&str> {
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ') }
}

/// A value up to its closing quote, and what follows that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, text.split_at(at + 1).1)),
            '\\' => match letters.next()?.1 {
                escaped @ ('"' | '\\' | ']') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            _ => value.push(letter),
        }
    }
    None
}

/// `TIME HOST TAG: MESSAGE`: the time may be `Nov 22 11:07:23` or RFC 3339, the colon may lack.
fn old_form(text: &str, draft: &mut Draft, now: UnixMs) {
    let Some((time, rest)) = old_time(text, now) else {
        // Without a time there is no host either: nothing tells it from the message.
        message(text, draft);
        return;
    };
    draft.time = Some(time);
    let rest = rest.trim_start_matches(' ');
    match rest.split_once(' ') {
        // What ends so is a tag: some programs leave out the host.
        Some((word, after)) if !word.ends_with(':') && tag(word).is_none() => {
            draft.fact("host.name", word);
            message(after, draft);
        }
        _ => message(rest, draft),
    }
}

/// Splits `TAG[PID]: MESSAGE`. A first word without a colon is a tag where a host stood before it, which is to
/// say that it could not be anything else; it is no tag where it ends a sentence.
fn message(text: &str, draft: &mut Draft) {
    let text = text.trim_start_matches(' ');
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let named = match (word.strip_suffix(':'), tag(word)) {
        (Some(word), _) => Some(tag(word).unwrap_or((word, ""))),
        (None, Some(tagged)) => Some(tagged),
        (None, None) if draft.time.is_some() && !rest.is_empty() => Some((word, "")),
        (None, None) => None,
    };
    let named = named.filter(|(name, _)| is_name(name));
    if let Some((name, process)) = named {
        draft.fact("service.name", name);
        draft.fact("process.pid", process);
    }
    draft.body = if named.is_some() { rest } else { text }.to_owned();
}

/// `vllm[4711]`
fn tag(word: &str) -> Option<(&str, &str)> {
    let (name, process) =
        word.strip_suffix(':').unwrap_or(word).strip_suffix(']')?.split_once('[')?;
    let is_process = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
    is_process.then_some((name, process))
}

/// RFC 3164 has 32 letters and digits; programs have more, and other signs.
fn is_name(word: &str) -> bool {
    let is_sign = |letter: char| letter.is_alphanumeric() || "-_./@#()".contains(letter);
    (1..=64).contains(&word.len())
        && word.chars().all(is_sign)
        && word.contains(|letter: char| letter.is_alphabetic())
}

/// The time at the beginning, and what follows it.
fn old_time(text: &str, now: UnixMs) -> Option<(UnixMs, &str)> {
    let first = text.split(' ').next()?;
    if let Some(time) = parse_rfc3339(first) {
        return Some((time, text.split_at(first.len()).1));
    }
    // `Nov 22 11:07:23`, with the day in two places.
    let (time, rest) = text.split_at_checked(15)?;
    let (month, time) = time.split_at_checked(3)?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let (day, clock) = time.trim_start().split_once(' ')?;
    let day: i64 = day.parse().ok()?;
    let mut parts = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let is_valid = (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !is_valid || !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    let month = i64::try_from(month).ok()? + 1;
    let (year, ..) = civil_from_days(now.0.div_euclid(86_400_000));
    let in_year = |year| {
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60;
        UnixMs((seconds + second.min(59)) * 1_000)
    };
    let nearest = [year - 1, year, year + 1].map(in_year).into_iter();
    Some((nearest.min_by_key(|time| time.0.abs_diff(now.0))?, rest))
}

/// Takes messages off a stream: octets are counted where a message begins with a number and a blank, otherwise
/// it ends with the line. Both may come on one connection.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Up to where the buffer was taken.
    taken: usize,
    /// Up to where no end of line was found.
    searched: usize,
    /// What is left of a message that was too long: so many octets, or all up to the end of the line.
    skip: Skip,
    /// Octets of messages that were cut off since the beginning.
    pub cut_bytes: u64,
}

#[derive(Debug, Default, PartialEq)]
enum Skip {
    #[default]
    Nothing,
    Octets(usize),
    Line,
}

impl Frames {
    /// Adds what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.searched = self.searched.saturating_sub(self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, or the first [`MESSAGE_BYTES_MAX`] bytes of one that is longer.
    pub fn message(&mut self) -> Option<&[u8]> {
        self.skip();
        let rest = self.buffer.get(self.taken..)?;
        // Between messages.
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r' | 0)).count();
        self.taken += blank;
        let rest = self.buffer.get(self.taken..)?;
        let kept = match counted(rest) {
            Count::Unclear => return None,
            Count::Octets { digits, length } => self.octets(digits, length)?,
            Count::None => self.line()?,
        };
        self.buffer.get(kept)
    }

    /// Takes a message whose octets are counted, once all that is kept of it is there.
    fn octets(&mut self, digits: usize, length: usize) -> Option<Range<usize>> {
        let start = self.taken + digits + 1;
        let end = start + length.min(MESSAGE_BYTES_MAX);
        if self.buffer.len() < end {
            return None;
        }
        self.taken = end;
        if start + length > end {
            self.skip = Skip::Octets(start + length - end);
        }
        Some(start..end)
    }

    /// Takes a message that ends with its line.
    fn line(&mut self) -> Option<Range<usize>> {
        let (start, from) = (self.taken, self.searched.max(self.taken));
        let most = start + MESSAGE_BYTES_MAX;
        let end = self.buffer.get(from..)?.iter().position(|byte| *byte == b'\n');
        if let Some(end) = end.map(|end| from + end) {
            self.taken = end + 1;
            self.cut_bytes += end.saturating_sub(most) as u64;
            return Some(start..end.min(most));
        }
        self.searched = self.buffer.len();
        if self.buffer.len() < most {
            return None;
        }
        self.taken = most;
        self.skip = Skip::Line;
        Some(start..most)
    }

    /// What a sender wrote last without an end of line, once it has closed the connection. Of a message whose
    /// octets were counted the rest is missing, so that it is none.
    pub fn last(&mut self) -> Option<&[u8]> {
        self.skip();
        let start = std::mem::replace(&mut self.taken, self.buffer.len());
        let rest = self.buffer.get(start..)?;
        (!rest.is_empty() && counted(rest) == Count::None).then_some(rest)
    }

    fn skip(&mut self) {
        let there = self.buffer.len() - self.taken;
        match self.skip {
            Skip::Nothing => {}
            Skip::Octets(octets) => {
                let now = octets.min(there);
                self.taken += now;
                self.cut_bytes += now as u64;
                self.skip = if octets > now { Skip::Octets(octets - now) } else { Skip::Nothing };
            }
            Skip::Line => {
                let rest = self.buffer.get(self.taken..).unwrap_or_default();
                let end = rest.iter().position(|byte| *byte == b'\n');
                let now = end.unwrap_or(there);
                self.taken += now;
                self.cut_bytes += now as u64;
                if end.is_some() {
                    self.skip = Skip::Nothing;
                }
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Count {
    /// It is the line that ends the message.
    None,
    Octets {
        digits: usize,
        length: usize,
    },
    /// More bytes are needed to tell.
    Unclear,
}

/// Reads `106 <` at the beginning. The bracket tells a count from a line that begins with a number.
fn counted(bytes: &[u8]) -> Count {
    let digits = bytes.iter().take(COUNT_DIGITS_MAX + 1).take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = bytes.split_at(digits);
    match rest {
        [] if digits <= COUNT_DIGITS_MAX => Count::Unclear,
        [b' '] if digits > 0 => Count::Unclear,
        [b' ', b'<', ..] if (1..=COUNT_DIGITS_MAX).contains(&digits) => {
            let text = std::str::from_utf8(number).unwrap_or_default();
            text.parse().map_or(Count::None, |length| Count::Octets { digits, length })
        }
        _ => Count::None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::draft::tests::arrival;

    /// Host, service, severity, time, body.
    type Told<'a> = (&'a str, &'a str, Option<Severity>, i64, &'a str);

    const SECOND: i64 = 1_795_345_642_000;

    #[track_caller]
    fn check(message: &str, expected: Told<'_>) {
        let line = parse(message.as_bytes(), &arrival("syslog"));
        let origin = &line.origin;
        let told =
            (&*origin.host, &*origin.service, line.severity, line.time.0, line.body.as_str());
        assert_eq!(told, expected, "{message:?}");
    }

    #[test]
    fn old_messages() {
        let (error, now) = (Some(Severity::Error), arrival("syslog").now.0);
        let slow = "slow first token";
        check(
            "<27>Nov 22 11:07:22 vm vllm: slow first token\n",
            ("vm", "vllm", error, SECOND, slow),
        );
        check("<27>Nov 22 11:07:22 vm vllm slow first token", ("vm", "vllm", error, SECOND, slow));
        check(
            "<27>Nov 22 11:07:22 vm vllm[7]: slow first token",
            ("vm", "vllm", error, SECOND, slow),
        );
        check("<27>Nov 22 11:07:22 vllm[7]: slow first token", ("", "vllm", error, SECOND, slow));
        check(
            "<27>2026-11-22T11:07:22.5+00:00 vm vllm CUDA error: out",
            ("vm", "vllm", error, SECOND + 500, "CUDA error: out"),
        );
        check("<27>slow first token", ("", "", error, now, slow));
        check("<27>vllm: slow", ("", "vllm", error, now, "slow"));
        check("slow first token", ("", "", None, now, slow));
        check("<999>x y", ("", "", None, now, "<999>x y"));
        check("<27>Nov 32 11:07:22 vm a: b", ("", "", error, now, "Nov 32 11:07:22 vm a: b"));
        check("<27>Nov 22 11:07:22 vm", ("", "", error, SECOND, "vm"));
        check("", ("", "", None, now, ""));
        // The year is the one nearest to now.
        check(
            "<30>Jan  1 00:00:00 vm a: b",
            ("vm", "a", Some(Severity::Info), 1_798_761_600_000, "b"),
        );
    }

    #[test]
    fn new_messages() {
        let (error, now) = (Some(Severity::Error), arrival("syslog").now.0);
        check("<27>1 - - vllm - - - slow", ("", "vllm", error, now, "slow"));
        check(
            "<27>1 2026-11-22T11:07:22.7Z vm vllm - TTFT [llm@1 model=\"q\"] \u{feff}slow",
            ("vm", "vllm", error, SECOND + 700, "slow"),
        );
        check("<27>1 2026-11-22T11:07:22Z vm vllm 1 - -", ("vm", "vllm", error, SECOND, ""));
        // What is no such form is kept as it came.
        check("<27>1 - - a - - [x", ("", "", error, now, "1 - - a - - [x"));
        check("<27>1 now - a - - - b", ("", "", error, now, "1 now - a - - - b"));
        let message = b"<14>1 - - a 7 I [x@1 k=\"q\\\"\\]\\n\"][timeQuality tzKnown=\"1\"] m";
        let line = parse(message, &arrival("syslog"));
        let attributes: Vec<_> =
            line.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = ["syslog.facility=user", "process.pid=7", "syslog.msg.id=I", "x.k=q\"]\\n"];
        assert_eq!(attributes, expected);
    }

    fn frames(pieces: &[&[u8]]) -> Vec<String> {
        let (mut frames, mut all) = (Frames::default(), Vec::new());
        for piece in pieces {
            frames.push(piece);
            while let Some(message) = frames.message() {
                all.push(String::from_utf8_lossy(message).into_owned());
            }
        }
        all.extend(frames.last().map(|message| String::from_utf8_lossy(message).into_owned()));
        all
    }

    #[test]
    fn framing() {
        let check = |pieces: &[&[u8]], expected: &[&str]| assert_eq!(frames(pieces), expected);
        check(&[b"<1>a\n<2>b\n"], &["<1>a", "<2>b"]);
        check(&[b"<1>a\r\n\n<2>b"], &["<1>a\r", "<2>b"]);
        check(&[b"4 <1>a5 <2>bc"], &["<1>a", "<2>bc"]);
        check(&[b"4 <1>a\n4 <2>b\n<3>c\n"], &["<1>a", "<2>b", "<3>c"]);
        check(&[b"6", b" ", b"<1", b">a\nb", b"4 <2>c"], &["<1>a\nb", "<2>c"]);
        check(&[b"200 OK\n"], &["200 OK"]);
        check(&[b"9 <1>a"], &[]);
        check(&[b"12345678 <1>a\n"], &["12345678 <1>a"]);
        check(&[b""], &[]);
    }

    #[test]
    fn what_is_too_long_is_cut_and_counted() {
        let long = vec![b'x'; MESSAGE_BYTES_MAX + 5];
        let mut counted = format!("{} <1>", long.len() + 3).into_bytes();
        counted.extend_from_slice(&long);
        counted.extend_from_slice(b"4 <2>a");
        let lines = [&long[..], b"\n<2>a\n"].concat();
        for (stream, cut) in [(counted, 8), (lines, 5)] {
            for size in [7_919, stream.len()] {
                let mut frames = Frames::default();
                let mut lengths = Vec::new();
                for piece in stream.chunks(size) {
                    frames.push(piece);
                    while let Some(message) = frames.message() {
                        lengths.push(message.len());
                    }
                }
                assert_eq!((lengths, frames.cut_bytes), (vec![MESSAGE_BYTES_MAX, 4], cut));
            }
        }
    }

    /// What rsyslog and logger sent.
    #[test]
    fn captures() {
        let bodies = [
            "slow first token model=qwen2.5-7b ttft=1.5",
            "línea 模型 \"quoted\" \\ back",
            "CUDA error: out of memory",
        ];
        for name in crate::tests::fixtures("syslog") {
            let (bytes, is_rsyslog) = (crate::tests::fixture(&name), name.contains("rsyslog"));
            let mut frames = Frames::default();
            let mut messages = Vec::new();
            frames.push(&bytes);
            while let Some(message) = frames.message() {
                messages.push(message.to_vec());
            }
            messages.extend(frames.last().map(<[u8]>::to_vec));
            assert_eq!(
                messages.len(),
                if name.contains("tcp") && is_rsyslog { 3 } else { 1 },
                "{name}"
            );
            for message in messages {
                let line = parse(&message, &arrival("syslog"));
                assert_eq!(line.origin.service, "vllm", "{name}");
                assert!(line.time.0.abs_diff(SECOND) <= 3_000 || name.contains("notime"), "{name}");
                if is_rsyslog {
                    assert!(bodies.contains(&line.body.as_str()), "{name}: {}", line.body);
                    assert_eq!((&*line.origin.host, line.severity), ("vm", Some(Severity::Error)));
                } else {
                    assert_eq!(line.body, "slow first token", "{name}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_message_is_survived(message: Vec<u8>, text in "(<[0-9]{1,3}>)?(1 )?[-a-z\\[\\]\"= :\\\\]{0,60}") {
            parse(&message, &arrival("syslog"));
            parse(text.as_bytes(), &arrival("syslog"));
        }

        #[test]
        fn pieces_do_not_matter(stream in "([0-9<>a ]|\n){0,60}", size in 1_usize..9) {
            let whole = frames(&[stream.as_bytes()]);
            let pieces: Vec<_> = stream.as_bytes().chunks(size).collect();
            prop_assert_eq!(frames(&pieces), whole);
        }
    }
}
