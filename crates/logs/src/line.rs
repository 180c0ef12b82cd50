//! One line taken apart: when it was written, how grave it is, what it says, and which facts it names.
//!
//! What a container's runtime or the journal puts around a line is taken off first; what the program itself puts
//! before its words comes next. Each form is a function; the first byte tells which of them can fit, and the first
//! that does is taken. What fits none keeps all its text. What this does not do: read times (they are passed on as
//! written).

use std::borrow::Cow;

use model::log::Severity;

use crate::{
    access,
    fields::{self, Field},
    time::MONTHS,
};

/// A line, or what a runtime wrapped around it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line<'a> {
    /// As written; zone and year are often missing.
    pub time: Option<Cow<'a, str>>,
    /// When what is around the line says that it came, as written.
    pub taken_at: Option<Cow<'a, str>>,
    /// Absent where the line does not say.
    pub severity: Option<Severity>,
    pub body: Cow<'a, str>,
    /// Further facts in their order, under OpenTelemetry's names where it has one.
    pub attributes: Vec<Field<'a>>,
}

/// Something may be wrapped by Docker, the journal, the process that started it, and the rank in its group.
const WRAPPERS_MAX: usize = 4;
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
    if memchr::memchr(0x1b, text.as_bytes()).is_none() {
        return text.into();
    }
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
        if !peel(&mut line, wrapper) {
            break;
        }
    }
    line.taken_at = line.time.take();
    if peel(&mut line, form) && line.severity.is_none() {
        // A program may write its own head before that of its web server.
        peel(&mut line, worded);
    }
    peel(&mut line, answered);
    if line.severity.is_none() {
        line.severity = guessed(&line.body);
    }
    line
}

/// Takes off what `form` knows. What is known already stays where the inside does not say.
fn peel(line: &mut Line<'_>, form: fn(&str) -> Option<Line<'_>>) -> bool {
    let inner = match &line.body {
        Cow::Borrowed(text) => form(text),
        Cow::Owned(text) => form(text).map(owned),
    };
    let Some(inner) = inner else { return false };
    if inner.time.is_some() {
        line.time = inner.time;
    }
    line.severity = inner.severity.or(line.severity);
    line.body = inner.body;
    if line.attributes.is_empty() {
        line.attributes = inner.attributes;
    } else {
        line.attributes.extend(inner.attributes);
    }
    true
}

fn owned<'a>(line: Line<'_>) -> Line<'a> {
    let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    Line {
        time: line.time.map(own),
        taken_at: line.taken_at.map(own),
        severity: line.severity,
        body: own(line.body),
        attributes: line
            .attributes
            .into_iter()
            .map(|(name, value)| (own(name), own(value)))
            .collect(),
    }
}

/// What stands around the line of a program.
fn wrapper(text: &str) -> Option<Line<'_>> {
    match text.as_bytes().first()? {
        b'{' => docker(text),
        b'0'..=b'9' => cri(text),
        b'A'..=b'Z' => journal(text),
        b'(' => process(text),
        b'[' => rank(text),
        _ => None,
    }
}

/// What a program puts before its words.
fn form(text: &str) -> Option<Line<'_>> {
    match text.as_bytes().first()? {
        b'{' => json(text),
        b'0'..=b'9' => llamacpp(text).or_else(|| dated(text)),
        b'A'..=b'Z' => worded(text),
        b'[' => bracketed(text),
        b'a'..=b'z' | b'@' => logfmt(text),
        _ => None,
    }
}

/// What begins with the severity.
fn worded(text: &str) -> Option<Line<'_>> {
    if !text.as_bytes().first()?.is_ascii_uppercase() {
        return None;
    }
    klog(text).or_else(|| vllm(text)).or_else(|| uvicorn(text))
}

/// An answer to a request, whose status says how grave it is, whatever the program says.
fn answered(text: &str) -> Option<Line<'_>> {
    let access = access::read(text)?;
    let mut found = line(access.time, Some(access.severity()), text);
    access.fields(&mut found.attributes);
    Some(found)
}

/// `{"log":"...\n","stream":"stderr","time":"..."}`: Docker's driver `json-file`.
fn docker(text: &str) -> Option<Line<'_>> {
    let fields = text.starts_with("{\"log\":").then(|| fields::json(text))??;
    let mut found = Line::default();
    for (name, value) in fields {
        match &*name {
            "log" => {
                found.body = match value {
                    Cow::Borrowed(text) => text.trim_end().into(),
                    Cow::Owned(text) => text.trim_end().to_owned().into(),
                }
            }
            "time" => found.time = Some(value),
            "stream" => found.attributes.push(("log.iostream".into(), value)),
            _ => {}
        }
    }
    // A program's own object may begin with the same name; it has no stream.
    (!found.attributes.is_empty()).then_some(found)
}

/// `2026-11-28T10:42:35.123456789Z stderr F ...`: what kubelets write under /var/log/pods.
fn cri(text: &str) -> Option<Line<'_>> {
    if text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let (time, rest) = text.split_once(' ')?;
    let (stream, rest) = rest.split_once(' ')?;
    let (_, body) = rest.split_once(' ')?;
    let is_cri = is_date_time(time) && matches!(stream, "stdout" | "stderr");
    is_cri.then(|| line(Some(time), None, body).with("log.iostream", stream))
}

/// `Nov 28 10:42:35 host unit[123]: ...`: the journal in short, and what syslog daemons write.
fn journal(text: &str) -> Option<Line<'_>> {
    const TIME: usize = "Nov 28 10:42:35".len();
    let (time, rest) = text.split_at_checked(TIME)?;
    let is_clock = time.get(7..).is_some_and(|clock| is_like(clock, "00:00:00"));
    let is_time = is_clock && MONTHS.iter().any(|month| time.starts_with(month));
    let (host, rest) = is_time.then(|| rest.strip_prefix(' '))??.split_once(' ')?;
    let (who, body) = rest.split_once(": ")?;
    if who.contains(' ') {
        return None;
    }
    let (name, pid) = match who.strip_suffix(']').and_then(|who| who.split_once('[')) {
        Some((name, pid)) => (name, Some(pid)),
        None => (who, None),
    };
    let found = line(Some(time), None, body).with("host.name", host).with("service.name", name);
    Some(match pid {
        Some(pid) => found.with("process.pid", pid),
        None => found,
    })
}

/// `(EngineCore pid=123) ...`: vLLM names the process before everything that it writes.
fn process(text: &str) -> Option<Line<'_>> {
    let (head, body) = text.strip_prefix('(')?.split_once(") ")?;
    let (name, pid) = head.split_once(" pid=")?;
    Some(line(None, None, body).with("process.title", name).with("process.pid", pid))
}

/// `[rank0]: ...`, `[rank0]:[E1128 ...`: PyTorch names the rank.
fn rank(text: &str) -> Option<Line<'_>> {
    let (rank, body) = text.strip_prefix("[rank")?.split_once("]:")?;
    let is_rank = !rank.is_empty() && rank.bytes().all(|byte| byte.is_ascii_digit());
    let body = body.strip_prefix(' ').unwrap_or(body);
    is_rank.then(|| line(None, None, body).with("rank", rank))
}

/// `INFO 11-22 09:51:00 [loggers.py:1] ...`: vLLM.
fn vllm(text: &str) -> Option<Line<'_>> {
    let (word, after) = text.split_once(' ')?;
    let severity = severity_of(word)?;
    let (time, body) = after.split_at_checked("11-22 09:51:00".len())?;
    if !is_like(time, "00-00 00:00:00") {
        return None;
    }
    // The place in the program is before each line of a traceback too, whose indents matter.
    let place = body.strip_prefix(" [").and_then(|rest| rest.split_once("] "));
    let Some((place, words)) = place.filter(|(place, _)| !place.contains(' ')) else {
        return Some(line(Some(time), Some(severity), body.trim_start()));
    };
    let mut found = line(Some(time), Some(severity), words);
    drop(fields::place(place.into(), &mut found.attributes));
    Some(found)
}

/// `0.08.198.272 I slot print_timing: ...`: llama.cpp, whose time is the age of the process.
fn llamacpp(text: &str) -> Option<Line<'_>> {
    if text.as_bytes().iter().take(12).filter(|&&byte| byte == b'.').count() < 3 {
        return None;
    }
    let (time, rest) = text.split_once(' ')?;
    let is_age = time.len() >= 10
        && time.bytes().filter(|&byte| byte == b'.').count() == 3
        && time.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit());
    let (letter, body) = rest.split_once(' ')?;
    is_age.then(|| line(Some(time), letter_severity(letter), body))
}

/// `time=2026-11-22T09:51:00.123Z level=WARN source=x.go:1 msg="..." k=v`: Ollama and other programs in Go.
fn logfmt(text: &str) -> Option<Line<'_>> {
    let (name, _) = text.split_at_checked(text.bytes().take(24).position(|byte| byte == b'=')?)?;
    let is_head = fields::is_time(name) || fields::is_severity(name) || name == "msg";
    let is_pair = || name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_head && !(is_pair() && (text.contains(" msg=") || text.contains(" level="))) {
        return None;
    }
    let mut found = line(None, None, text);
    let mut rest = text;
    // What the line is told by elsewhere need not be in its words too.
    while let Some((Some((name, value)), after)) = fields::pair(rest) {
        if fields::is_time(name) && found.time.is_none() {
            found.time = Some(value);
        } else if fields::is_severity(name) && found.severity.is_none() {
            found.severity = severity_of(&value);
            if found.severity.is_none() {
                break;
            }
        } else {
            break;
        }
        rest = after;
    }
    found.body = rest.into();
    for (name, value) in fields::logfmt(rest) {
        if fields::is_time(&name) && found.time.is_none() {
            found.time = Some(value);
        } else if fields::is_severity(&name) && found.severity.is_none() {
            found.severity = severity_of(&value);
            if found.severity.is_none() {
                found.attributes.push((name, value));
            }
        } else if name != "msg" {
            fields::named((name, value), &mut found.attributes);
        }
    }
    Some(found)
}

/// An object with a message, under the names that loggers use. Without a message its text stays the body.
fn json(text: &str) -> Option<Line<'_>> {
    let mut found = Line::default();
    let mut has_message = false;
    for (name, value) in fields::json(text)? {
        if fields::is_time(&name) && found.time.is_none() {
            found.time = Some(value);
        } else if fields::is_severity(&name) && found.severity.is_none() {
            found.severity = severity_of(&value).or_else(|| number_severity(&value));
        } else if fields::is_message(&name) && !has_message {
            has_message = true;
            found.body = value;
        } else {
            fields::named((name, value), &mut found.attributes);
        }
    }
    if !has_message {
        found.body = text.into();
    }
    Some(found)
}

/// `E1122 09:51:00.123456 1 server.cc:12] ...`: Triton and others that use glog.
fn klog(text: &str) -> Option<Line<'_>> {
    if !text.as_bytes().get(1)?.is_ascii_digit() {
        return None;
    }
    let (letter, rest) = text.split_at_checked(1)?;
    let severity = letter_severity(letter)?;
    let time = rest.get(.."1122 09:51:00".len()).filter(|time| is_like(time, "0000 00:00:00"))?;
    let (head, body) = rest.split_once("] ")?;
    let mut found = line(Some(time), Some(severity), body);
    let fraction = rest.get(time.len()..).filter(|rest| rest.starts_with('.'));
    let digits = fraction.and_then(|rest| rest.split(' ').next()).map_or(0, str::len);
    found.time = rest.get(..time.len() + digits).map(Cow::Borrowed);
    let place = head.rsplit(' ').next().unwrap_or_default();
    drop(fields::place(place.into(), &mut found.attributes));
    Some(found)
}

/// `INFO:     127.0.0.1:1234 - "POST /v1/chat/completions HTTP/1.1" 500 Internal Server Error`: uvicorn.
fn uvicorn(text: &str) -> Option<Line<'_>> {
    let (word, body) = text.split_once(':')?;
    let severity =
        severity_of(word).filter(|_| word.bytes().all(|byte| byte.is_ascii_uppercase()))?;
    body.starts_with("  ").then(|| line(None, Some(severity), body.trim_start()))
}

/// `2026-11-22 09:51:00,123 - name - ERROR - ...`, `2026-11-22T09:51:00Z  INFO target: ...`: loggers of Python and
/// Rust; `2026/11/22 09:51:00 [error] 1#1: ...`: nginx, and programs in Go.
fn dated(text: &str) -> Option<Line<'_>> {
    let day = text.get(.."2026-11-22 09:51:00".len()).filter(|time| is_date_time(time))?;
    let end = text.get(day.len()..)?.find(' ').map_or(text.len(), |at| at + day.len());
    let (time, body) = text.split_at_checked(end)?;
    let (time, body) = match body.strip_prefix(" UTC") {
        // A loggers' zone that has a name can be told only where it is that of everybody.
        Some(after) if after.starts_with(' ') => (text.get(..end + " UTC".len())?, after),
        _ => (time, body),
    };
    let body = body.trim_start();
    let bracketed = body.strip_prefix('[').and_then(|rest| severity_of(rest.split(']').next()?));
    let severity = bracketed.or_else(|| {
        body.split([' ', ':', '|', '-', '[', ']']).take(12).find_map(|word| {
            severity_of(word).filter(|_| word.bytes().all(|byte| byte.is_ascii_uppercase()))
        })
    });
    Some(line(Some(time), severity, body))
}

/// What begins with a bracket: `[2026-11-22 09:51:00 TP0] ...` of SGLang and LMDeploy, `[  123.456789] ...` of the
/// kernel, in seconds since it started, and `[E1122 09:51:00.123456789 ProcessGroupNCCL.cpp:616] ...` of PyTorch.
fn bracketed(text: &str) -> Option<Line<'_>> {
    let inner = text.strip_prefix('[')?;
    if inner.as_bytes().first()?.is_ascii_uppercase() {
        return klog(inner);
    }
    let (head, body) = inner.split_once("] ")?;
    if let Some(time) = head.get(.."2026-11-22 09:51:00".len()).filter(|time| is_date_time(time)) {
        let (after, rank) = head.get(time.len()..)?.split_once(' ').unwrap_or_default();
        let time = head.get(..time.len() + after.len())?;
        let found = line(Some(time), None, body);
        return Some(if rank.is_empty() { found } else { found.with("rank", rank) });
    }
    let time = head.trim();
    let is_age =
        time.contains('.') && time.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit());
    is_age.then(|| line(Some(time), None, body))
}

impl<'a> Line<'a> {
    fn with(mut self, name: &'static str, value: &'a str) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }
}

fn line<'a>(time: Option<&'a str>, severity: Option<Severity>, body: &'a str) -> Line<'a> {
    Line { time: time.map(Cow::Borrowed), severity, body: Cow::Borrowed(body), ..Line::default() }
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
    matches!(head.as_bytes().get(4), Some(b'-' | b'/'))
        && ["0000-00-00 00:00:00", "0000-00-00T00:00:00", "0000/00/00 00:00:00"]
            .iter()
            .any(|form| is_like(head, form))
}

/// The severity that a word names in any of the usual ways.
pub(crate) fn severity_of(word: &str) -> Option<Severity> {
    let is = |name: &str| word.eq_ignore_ascii_case(name);
    match word.as_bytes().first()? | 0x20 {
        b't' if is("trace") => Some(Severity::Trace),
        b'd' if is("debug") => Some(Severity::Debug),
        b'i' if is("info") || is("information") || is("informational") => Some(Severity::Info),
        b'n' if is("notice") => Some(Severity::Info),
        b'w' if is("warn") || is("warning") => Some(Severity::Warn),
        b'e' if is("error") || is("err") => Some(Severity::Error),
        b'e' if is("emerg") || is("emergency") => Some(Severity::Fatal),
        b'f' if is("fatal") => Some(Severity::Fatal),
        b'c' if is("critical") || is("crit") => Some(Severity::Fatal),
        b'p' if is("panic") => Some(Severity::Fatal),
        b'a' if is("alert") => Some(Severity::Fatal),
        _ => None,
    }
}

/// The numbers of pino and bunyan.
fn number_severity(number: &str) -> Option<Severity> {
    match number {
        "10" => Some(Severity::Trace),
        "20" => Some(Severity::Debug),
        "30" => Some(Severity::Info),
        "40" => Some(Severity::Warn),
        "50" => Some(Severity::Error),
        "60" => Some(Severity::Fatal),
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
        let found_time = line.time.as_deref().or(line.taken_at.as_deref());
        let found = (found_time, line.severity, &*line.body);
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
            Some("1122 09:51:00.1"),
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
