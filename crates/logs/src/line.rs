//! One line taken apart: when it was written, how grave it is, and what it says.
//!
//! What a container's runtime or the journal puts around a line is taken off first; what the program itself puts
//! before its words comes next. Each form is a function and a line in a table; the first that fits is taken. What
//! fits none keeps all its text. What this does not do: read times (they are passed on as written) or fields.

use std::borrow::Cow;

use model::log::Severity;

/// A line, or what a runtime wrapped around it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line<'a> {
    /// As written; zone and year are often missing.
    pub time: Option<Cow<'a, str>>,
    /// Absent where the line does not say.
    pub severity: Option<Severity>,
    pub body: Cow<'a, str>,
}

type Form = fn(&str) -> Option<Line<'_>>;

const WRAPPERS: &[Form] = &[docker, cri, journal];
const FORMS: &[Form] = &[vllm, llamacpp, slog, json, klog, uvicorn, dated, bracketed, kernel];
/// Something may be wrapped twice, as by Docker and the journal.
const WRAPPERS_MAX: usize = 2;
/// A word that names a severity stands so near to the beginning, if it is about the line.
const WORD_WITHIN: usize = 100;

/// Takes a line apart.
pub fn parse(text: &str) -> Line<'_> {
    match without_colours(text) {
        Cow::Borrowed(text) => taken_apart(text),
        Cow::Owned(text) => owned(taken_apart(&text)),
    }
}

/// What programs write for terminals: `ESC [ ... m` and the like. Anything else that begins with ESC stays.
fn without_colours(text: &str) -> Cow<'_, str> {
    let Some((before, mut rest)) = text.split_once("\u{1b}[") else { return text.into() };
    let mut plain = before.to_owned();
    loop {
        // Parameters are from 0 to ?, and a letter ends them.
        let end = rest.find(|letter: char| !matches!(letter, '0'..='?'));
        match end.and_then(|end| rest.split_at_checked(end + 1)) {
            Some((_, after)) => rest = after,
            None => plain.push_str("\u{1b}["),
        }
        let Some((before, after)) = rest.split_once("\u{1b}[") else { break };
        plain.push_str(before);
        rest = after;
    }
    plain.push_str(rest);
    plain.into()
}

/// A text of unknown origin as it can be shown: what would steer a terminal, or turn the direction of writing, is
/// replaced by a sign that stands for it. Line ends and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    let stand_in = |letter: char| match letter {
        '\n' | '\t' => None,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(letter)),
        '\u{7f}' => Some('\u{2421}'),
        '\u{80}'..='\u{9f}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => Some(char::REPLACEMENT_CHARACTER),
        _ => None,
    };
    if text.chars().all(|letter| stand_in(letter).is_none()) {
        return text.into();
    }
    text.chars().map(|letter| stand_in(letter).unwrap_or(letter)).collect::<String>().into()
}

fn taken_apart(text: &str) -> Line<'_> {
    let mut line = Line { body: text.trim_end().into(), ..Line::default() };
    for _ in 0..WRAPPERS_MAX {
        let Some(inner) = peeled(&line, WRAPPERS) else { break };
        line = inner;
    }
    line = peeled(&line, FORMS).unwrap_or(line);
    if line.severity.is_none() {
        line.severity = guessed(&line.body);
    }
    line
}

/// What is inside, with what is known already where the inside does not say.
fn peeled<'a>(line: &Line<'a>, forms: &[Form]) -> Option<Line<'a>> {
    let fill = |inner: Line<'a>| Line {
        time: inner.time.or_else(|| line.time.clone()),
        severity: inner.severity.or(line.severity),
        body: inner.body,
    };
    match &line.body {
        Cow::Borrowed(text) => forms.iter().find_map(|form| form(text)).map(fill),
        Cow::Owned(text) => forms.iter().find_map(|form| form(text).map(owned)).map(fill),
    }
}

fn owned<'a>(line: Line<'_>) -> Line<'a> {
    Line {
        time: line.time.map(|time| Cow::Owned(time.into_owned())),
        severity: line.severity,
        body: Cow::Owned(line.body.into_owned()),
    }
}

/// `{"log":"...\n","stream":"stderr","time":"..."}`: Docker's driver `json-file`.
fn docker(text: &str) -> Option<Line<'_>> {
    let fields: serde_json::Map<String, serde_json::Value> =
        text.starts_with("{\"log\":").then(|| serde_json::from_str(text).ok())??;
    let text = |name: &str| fields.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    Some(Line {
        time: text("time").map(Cow::Owned),
        severity: None,
        body: Cow::Owned(text("log")?.trim_end().to_owned()),
    })
}

/// `2026-11-28T10:42:35.123456789Z stderr F ...`: what kubelets write under /var/log/pods.
fn cri(text: &str) -> Option<Line<'_>> {
    let (time, rest) = text.split_once(' ')?;
    let (stream, rest) = rest.split_once(' ')?;
    let (_, body) = rest.split_once(' ')?;
    let is_cri = is_date_time(time) && matches!(stream, "stdout" | "stderr");
    is_cri.then(|| line(Some(time), None, body))
}

/// `Nov 28 10:42:35 host unit[123]: ...`: the journal in short, and what syslog daemons write.
fn journal(text: &str) -> Option<Line<'_>> {
    const TIME: usize = "Nov 28 10:42:35".len();
    let (time, rest) = text.split_at_checked(TIME)?;
    let is_time = MONTHS.iter().any(|month| time.starts_with(month)) && time.ends_with(is_digit);
    let (_, rest) = rest.strip_prefix(' ')?.split_once(' ')?;
    let (who, body) = rest.split_once(": ")?;
    (is_time && !who.contains(' ')).then(|| line(Some(time), None, body))
}

const MONTHS: &[&str] =
    &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `(EngineCore pid=123) INFO 11-22 09:51:00 [loggers.py:1] ...`: vLLM.
fn vllm(text: &str) -> Option<Line<'_>> {
    let rest = match text.strip_prefix('(') {
        Some(inner) => inner.split_once("pid=").and_then(|(_, rest)| rest.split_once(") "))?.1,
        None => text,
    };
    let Some((word, after)) = rest.split_once(' ') else {
        return text.starts_with('(').then(|| line(None, None, rest));
    };
    let severity = severity_of(word);
    let time = severity.and_then(|_| after.split_at_checked("11-22 09:51:00".len()));
    match time.filter(|(time, _)| is_like(time, "00-00 00:00:00")) {
        Some((time, body)) => Some(line(Some(time), severity, without_place(body))),
        None => text.starts_with('(').then(|| line(None, None, rest)),
    }
}

/// ` [core.py:12] ...`: the place in the program is before each line of a traceback too, whose indents matter.
fn without_place(body: &str) -> &str {
    let place = body.strip_prefix(" [").and_then(|rest| rest.split_once("] "));
    place.filter(|(place, _)| !place.contains(' ')).map_or(body.trim_start(), |(_, words)| words)
}

/// `0.08.198.272 I slot print_timing: ...`: llama.cpp, whose time is the age of the process.
fn llamacpp(text: &str) -> Option<Line<'_>> {
    let (time, rest) = text.split_once(' ')?;
    let is_age = time.len() >= 10
        && time.bytes().filter(|&byte| byte == b'.').count() == 3
        && time.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit());
    let (letter, body) = rest.split_once(' ')?;
    is_age.then(|| line(Some(time), letter_severity(letter), body))
}

/// `time=2026-11-22T09:51:00.123Z level=WARN source=x.go:1 msg="..." k=v`: Ollama and other programs in Go.
fn slog(text: &str) -> Option<Line<'_>> {
    let rest = text.strip_prefix("time=")?;
    let (time, rest) = rest.split_once(' ')?;
    let (word, body) = rest.strip_prefix("level=")?.split_once(' ')?;
    Some(line(Some(time.trim_matches('"')), severity_of(word), body))
}

/// An object with a message, under the names that loggers use.
fn json(text: &str) -> Option<Line<'_>> {
    let fields: serde_json::Map<String, serde_json::Value> =
        text.starts_with('{').then(|| serde_json::from_str(text).ok())??;
    let first = |names: &[&str]| {
        names.iter().find_map(|name| fields.get(*name)?.as_str()).map(str::to_owned)
    };
    Some(Line {
        time: first(&["time", "timestamp", "ts", "@timestamp", "asctime"]).map(Cow::Owned),
        severity: first(&["level", "severity", "levelname", "lvl"])
            .and_then(|word| severity_of(&word)),
        body: Cow::Owned(first(&["message", "msg", "event", "log"])?),
    })
}

/// `E1122 09:51:00.123456 1 server.cc:12] ...`: Triton and others that use glog.
fn klog(text: &str) -> Option<Line<'_>> {
    let (letter, rest) = text.split_at_checked(1)?;
    let severity = letter_severity(letter)?;
    let time = rest.get(.."1122 09:51:00".len()).filter(|time| is_like(time, "0000 00:00:00"))?;
    let (_, body) = rest.split_once("] ")?;
    Some(line(Some(time), Some(severity), body))
}

/// `INFO:     127.0.0.1:1234 - "POST /v1/chat/completions HTTP/1.1" 500 Internal Server Error`: uvicorn.
fn uvicorn(text: &str) -> Option<Line<'_>> {
    let (word, body) = text.split_once(':')?;
    let severity =
        severity_of(word).filter(|_| word.bytes().all(|byte| byte.is_ascii_uppercase()))?;
    body.starts_with("  ").then(|| line(None, Some(severity), body.trim_start()))
}

/// `2026-11-22 09:51:00,123 - name - ERROR - ...`, `2026-11-22T09:51:00Z  INFO target: ...`: loggers of Python and Rust.
fn dated(text: &str) -> Option<Line<'_>> {
    let day = text.get(.."2026-11-22 09:51:00".len()).filter(|time| is_date_time(time))?;
    let end = text.get(day.len()..)?.find(' ').map_or(text.len(), |at| at + day.len());
    let (time, body) = text.split_at_checked(end)?;
    let body = body.trim_start();
    let severity = body.split([' ', ':', '|', '-', '[', ']']).take(12).find_map(|word| {
        severity_of(word).filter(|_| word.bytes().all(|byte| byte.is_ascii_uppercase()))
    });
    Some(line(Some(time), severity, body))
}

/// `[2026-11-22 09:51:00 TP0] ...`: SGLang and LMDeploy.
fn bracketed(text: &str) -> Option<Line<'_>> {
    let (head, body) = text.strip_prefix('[')?.split_once("] ")?;
    let time = head.get(.."2026-11-22 09:51:00".len()).filter(|time| is_date_time(time))?;
    Some(line(Some(time), None, body))
}

/// `[  123.456789] ...`: the kernel's own, in seconds since it started.
fn kernel(text: &str) -> Option<Line<'_>> {
    let (head, body) = text.strip_prefix('[')?.split_once("] ")?;
    let time = head.trim();
    let is_age =
        time.contains('.') && time.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit());
    is_age.then(|| line(Some(time), None, body))
}

fn line<'a>(time: Option<&'a str>, severity: Option<Severity>, body: &'a str) -> Line<'a> {
    Line { time: time.map(Cow::Borrowed), severity, body: Cow::Borrowed(body) }
}

fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit()
}

/// Whether a text has digits where the form has zeros, and is the form elsewhere.
fn is_like(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        })
}

fn is_date_time(text: &str) -> bool {
    let head = text.get(.."2026-11-22 09:51:00".len()).unwrap_or_default();
    is_like(head, "0000-00-00 00:00:00") || is_like(head, "0000-00-00T00:00:00")
}

fn severity_of(word: &str) -> Option<Severity> {
    let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    match word {
        _ if is(&["trace"]) => Some(Severity::Trace),
        _ if is(&["debug"]) => Some(Severity::Debug),
        _ if is(&["info", "notice"]) => Some(Severity::Info),
        _ if is(&["warn", "warning"]) => Some(Severity::Warn),
        _ if is(&["error", "err"]) => Some(Severity::Error),
        _ if is(&["fatal", "critical", "panic", "alert", "emerg"]) => Some(Severity::Fatal),
        _ => None,
    }
}

fn letter_severity(letter: &str) -> Option<Severity> {
    match letter {
        "D" => Some(Severity::Debug),
        "I" => Some(Severity::Info),
        "W" => Some(Severity::Warn),
        "E" => Some(Severity::Error),
        "F" => Some(Severity::Fatal),
        _ => None,
    }
}

/// From words that mean a failure wherever they begin a line: an exception's name, `error:`.
fn guessed(body: &str) -> Option<Severity> {
    let end = body.floor_char_boundary(WORD_WITHIN);
    let head = body.get(..end).unwrap_or_default();
    if head.starts_with("Traceback (most recent call last)") || is_exception(head) {
        return Some(Severity::Error);
    }
    let word = head.split([':', ' ']).next().unwrap_or_default();
    severity_of(word).filter(|severity| *severity >= Severity::Warn)
}

/// `ValueError: ...`, `torch.OutOfMemoryError: ...`: how Python ends a traceback.
fn is_exception(text: &str) -> bool {
    let name = text.split([':', ' ', '\n']).next().unwrap_or_default();
    let is_name =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
    let last = name.rsplit('.').next().unwrap_or_default();
    let endings = ["Error", "Exception", "Interrupt", "Exit"];
    is_name
        && last.starts_with(|letter: char| letter.is_ascii_uppercase())
        && endings.iter().any(|ending| last.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, time: Option<&str>, severity: Option<Severity>, body: &str) {
        let line = parse(text);
        let found = (line.time.as_deref(), line.severity, &*line.body);
        assert_eq!(found, (time, severity, body), "{text}");
    }

    #[test]
    fn lines_of_engines_are_taken_apart() {
        use Severity::{Error, Info, Warn};
        check(
            "(EngineCore pid=123) INFO 11-22 09:51:00 [loggers.py:1] Engine 000",
            Some("11-22 09:51:00"),
            Some(Info),
            "Engine 000",
        );
        check(
            "(EngineCore_0 pid=9) Traceback (most recent call last):",
            None,
            Some(Error),
            "Traceback (most recent call last):",
        );
        check("(APIServer pid=1)   File \"x.py\", line 1", None, None, "  File \"x.py\", line 1");
        check("WARNING 11-22 09:51:00 [arg_utils.py:1] x", Some("11-22 09:51:00"), Some(Warn), "x");
        check(
            "0.00.018.097 W srv  llama_server: CORS is set to allow all origins ('*') and no API key is set",
            Some("0.00.018.097"),
            Some(Warn),
            "srv  llama_server: CORS is set to allow all origins ('*') and no API key is set",
        );
        check("AMX is not ready to be used!", None, None, "AMX is not ready to be used!");
        check(
            "time=2026-11-22T09:51:00.123Z level=WARN source=x.go:1 msg=\"a b\" k=v",
            Some("2026-11-22T09:51:00.123Z"),
            Some(Warn),
            "source=x.go:1 msg=\"a b\" k=v",
        );
        check(
            "[2026-11-22 09:51:00 TP0] Scheduler hit an exception: x",
            Some("2026-11-22 09:51:00"),
            None,
            "Scheduler hit an exception: x",
        );
        check(
            "2026-11-22 09:51:00,123 - lmdeploy - ERROR - no",
            Some("2026-11-22 09:51:00,123"),
            Some(Error),
            "- lmdeploy - ERROR - no",
        );
        check(
            "2026-11-22T09:51:00.1Z  INFO text_generation_router: x",
            Some("2026-11-22T09:51:00.1Z"),
            Some(Info),
            "INFO text_generation_router: x",
        );
    }

    #[test]
    fn lines_of_others_are_taken_apart() {
        use Severity::{Error, Fatal};
        check(
            "{\"level\":\"error\",\"ts\":\"2026-11-22\",\"msg\":\"no\"}",
            Some("2026-11-22"),
            Some(Error),
            "no",
        );
        check(
            "{\"log\":\"F1122 09:51:00.1 1 server.cc:12] gone\\n\",\"stream\":\"stderr\",\"time\":\"T\"}",
            Some("1122 09:51:00"),
            Some(Fatal),
            "gone",
        );
        check(
            "2026-11-28T10:42:35.1Z stderr F ERROR:    Exception in ASGI application",
            Some("2026-11-28T10:42:35.1Z"),
            Some(Error),
            "Exception in ASGI application",
        );
        check("Nov 28 10:42:35 box ollama[1]: level=x", Some("Nov 28 10:42:35"), None, "level=x");
        check(
            "[12345.678901] NVRM: Xid (PCI:0000:08:00): 79, pid=1",
            Some("12345.678901"),
            None,
            "NVRM: Xid (PCI:0000:08:00): 79, pid=1",
        );
        check(
            "torch.OutOfMemoryError: CUDA out of memory.",
            None,
            Some(Error),
            "torch.OutOfMemoryError: CUDA out of memory.",
        );
        check("error: no such option", None, Some(Error), "error: no such option");
        check("an error happened", None, None, "an error happened");
        check("", None, None, "");
    }

    #[test]
    fn colours_are_taken_off_and_the_rest_is_shown() {
        let check = |text: &str, expected: &str| assert_eq!(visible(&parse(text).body), expected);
        check("\u{1b}[32mINFO\u{1b}[0m:     Started server", "Started server");
        check("\u{1b}[1;36m(EngineCore pid=1)\u{1b}[0;0m WARNING 11-22 09:51:00 [x.py:1] a", "a");
        check("a\u{1b}]0;title\u{7}b", "a\u{241b}]0;title\u{2407}b");
        check("a\u{1b}[", "a\u{241b}[");
        check("safe \u{202e}txt.exe", "safe \u{fffd}txt.exe");
        check("显存 不足", "显存 不足");
    }

    proptest! {
        #[test]
        fn what_is_shown_steers_nothing(text in ".{0,60}", colour in "\u{1b}\\[[0-9;]{0,4}[a-zA-Z]?") {
            let shown = visible(&format!("{text}{colour}{text}")).into_owned();
            prop_assert!(!shown.contains(|letter: char| letter.is_control() && letter != '\n' && letter != '\t'));
            parse(&format!("{text}{colour}{text}"));
        }

        #[test]
        fn any_line_is_survived(text in "[\\PC\n]{0,200}") {
            parse(&text);
        }

        #[test]
        fn heads_with_anything_behind_are_survived(
            head in prop::sample::select(vec!["(E pid=1) ", "INFO ", "0.00.018.097 W ", "time=", "{\"log\":", "E1122 ", "[2026-11-22 09:51:00", "2026-11-22 09:51:00", "Nov 28 10:42:35 "]),
            rest in ".{0,60}",
        ) {
            parse(&format!("{head}{rest}"));
        }
    }
}
