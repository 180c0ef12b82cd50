//! What runtimes of containers put around each line: Docker's driver `json-file`, and what kubelets and Podman
//! write. They part long lines; the parts are put together here.
//!
//! A line that is not in the form that was expected is handed on as it is. What comes while a part waits for the
//! next, on the other stream, waits too, so that no line is taken for stored before one that began earlier.

use std::{borrow::Cow, collections::BTreeMap};

use model::{UnixMs, parse_rfc3339};
use serde::{Deserialize, Serialize};

use super::{LINE_MAX, RawLine};

/// How the lines of a file are wrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Form {
    #[default]
    Plain,
    /// `{"log":"...\n","stream":"stderr","time":"..."}`
    Docker,
    /// `2026-11-28T10:42:35.123456789Z stderr F ...`
    Cri,
}

/// Takes lines out of their wrapping.
#[derive(Debug, Default)]
pub(super) struct Unwrapper {
    form: Form,
    /// Complete lines that wait for parts of others.
    held: Vec<RawLine>,
    /// Parts by stream.
    open: BTreeMap<String, RawLine>,
}

/// One line of the file.
struct Piece<'a> {
    time: Option<UnixMs>,
    stream: Cow<'a, str>,
    text: Cow<'a, [u8]>,
    is_last: bool,
}

#[derive(Deserialize)]
struct DockerLine<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Cow<'a, str>,
}

impl Unwrapper {
    pub(super) fn new(form: Form) -> Self {
        Self { form, ..Self::default() }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.open.is_empty()
    }

    /// The lines that are complete, in the order of their ends.
    pub(super) fn take(&mut self, lines: Vec<RawLine>) -> Vec<RawLine> {
        if self.form == Form::Plain {
            return lines;
        }
        for line in lines {
            self.add(line);
        }
        let waiting = self.held.iter().chain(self.open.values()).map(|line| line.bytes.len());
        if self.open.is_empty() {
            return std::mem::take(&mut self.held);
        }
        if waiting.sum::<usize>() >= LINE_MAX { self.rest() } else { Vec::new() }
    }

    /// Everything that waits, because nothing more comes.
    pub(super) fn rest(&mut self) -> Vec<RawLine> {
        let mut lines = std::mem::take(&mut self.held);
        lines.extend(std::mem::take(&mut self.open).into_values());
        lines.sort_by_key(|line| line.end);
        lines
    }

    fn add(&mut self, line: RawLine) {
        let piece = match self.form {
            Form::Docker => docker(&line.bytes),
            _ => cri(&line.bytes),
        };
        let Some(piece) = piece else {
            self.held.push(line);
            return;
        };
        let stream = piece.stream.into_owned();
        let mut whole = self.open.remove(&stream).unwrap_or_else(|| RawLine {
            time: piece.time,
            attributes: vec![("log.iostream".into(), stream.clone())],
            ..RawLine::default()
        });
        let room = LINE_MAX.saturating_sub(whole.bytes.len()).min(piece.text.len());
        whole.bytes.extend_from_slice(piece.text.get(..room).unwrap_or_default());
        whole.cut += line.cut + (piece.text.len() - room) as u64;
        whole.end = line.end;
        if piece.is_last {
            if whole.bytes.last() == Some(&b'\r') {
                whole.bytes.pop();
            }
            self.held.push(whole);
        } else {
            self.open.insert(stream, whole);
        }
    }
}

fn docker(line: &[u8]) -> Option<Piece<'_>> {
    let line: DockerLine<'_> = serde_json::from_slice(line).ok()?;
    let whole = line.log.strip_suffix('\n').map(str::len);
    let mut text = match line.log {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    if let Some(length) = whole {
        text = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.get(..length)?),
            Cow::Owned(mut text) => {
                text.truncate(length);
                Cow::Owned(text)
            }
        };
    }
    Some(Piece { time: rfc3339(&line.time), stream: line.stream, text, is_last: whole.is_some() })
}

fn cri(line: &[u8]) -> Option<Piece<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = rfc3339(std::str::from_utf8(parts.next()?).ok()?)?;
    let stream = parts.next().filter(|stream| matches!(*stream, b"stdout" | b"stderr"))?;
    // Tags are parted by colons; the first says whether the line goes on.
    let tag = parts.next()?.split(|byte| *byte == b':').next()?;
    let is_last = match tag {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    let stream = String::from_utf8_lossy(stream);
    let text = Cow::Borrowed(parts.next().unwrap_or_default());
    Some(Piece { time: Some(time), stream, text, is_last })
}

/// `2026-11-28T10:42:35.123456789Z`, or with an offset as `+08:00` in place of the Z. Container runtimes write a `T`.
fn rfc3339(text: &str) -> Option<UnixMs> {
    parse_rfc3339(text).filter(|_| text.as_bytes().get(10) == Some(&b'T'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(rfc3339(text).map(|time| time.0), expected, "{text}");
        };
        check("1970-01-01T00:00:00Z", Some(0));
        check("2026-11-28T10:42:35.123456789Z", Some(1_795_862_555_123));
        check("2026-11-28T10:42:35.12+08:00", Some(1_795_862_555_120 - 8 * 3_600_000));
        check("2024-02-29T23:59:60-00:30", Some(1_709_252_999_000));
        for wrong in ["", "2026-11-28 10:42:35Z", "2026-13-28T10:42:35Z", "2026-11-28T10:42:35"] {
            check(wrong, None);
        }
    }

    fn run(form: Form, lines: &[&str]) -> Vec<(String, String, u64)> {
        let mut unwrapper = Unwrapper::new(form);
        let mut end = 0;
        let lines = lines.iter().map(|line| {
            end += line.len() as u64 + 1;
            RawLine { bytes: line.as_bytes().to_vec(), end, ..RawLine::default() }
        });
        let mut found = unwrapper.take(lines.collect());
        found.extend(unwrapper.rest());
        assert!(unwrapper.is_empty());
        let shown = |line: RawLine| {
            let stream = line.attributes.first().map(|(_, stream)| stream.clone());
            let text = String::from_utf8_lossy(&line.bytes).into_owned();
            (text, stream.unwrap_or_default(), line.end)
        };
        found.into_iter().map(shown).collect()
    }

    #[test]
    fn lines_of_containers() {
        let check = |form, lines: &[&str], expected: &[(&str, &str, u64)]| {
            let expected: Vec<_> = expected
                .iter()
                .map(|(text, stream, end)| ((*text).to_owned(), (*stream).to_owned(), *end))
                .collect();
            assert_eq!(run(form, lines), expected);
        };
        check(
            Form::Docker,
            &[
                r#"{"log":"a\tb\n","stream":"stderr","time":"2026-11-28T10:42:35.1Z"}"#,
                r#"{"log":"begin ","stream":"stdout","time":"2026-11-28T10:42:35.1Z"}"#,
                r#"{"log":"other\r\n","stream":"stderr","time":"2026-11-28T10:42:35.1Z"}"#,
                r#"{"log":"end\n","stream":"stdout","time":"2026-11-28T10:42:36.1Z"}"#,
                "no json",
                r#"{"log":"last","stream":"stdout","time":"2026-11-28T10:42:36.1Z"}"#,
            ],
            &[
                ("a\tb", "stderr", 67),
                ("other", "stderr", 204),
                ("begin end", "stdout", 270),
                ("no json", "", 278),
                ("last", "stdout", 343),
            ],
        );
        check(
            Form::Cri,
            &[
                "2026-11-28T10:42:35.1Z stdout F whole line",
                "2026-11-28T10:42:35.1Z stdout P one ",
                "2026-11-28T10:42:35.1+00:00 stderr F:x ",
                "2026-11-28T10:42:35.1Z stdout F two",
                "plain",
            ],
            &[
                ("whole line", "stdout", 43),
                ("", "stderr", 120),
                ("one two", "stdout", 156),
                ("plain", "", 162),
            ],
        );
        check(Form::Plain, &["{\"log\":\"x\"}"], &[("{\"log\":\"x\"}", "", 12)]);
    }

    #[test]
    fn parts_without_end_are_bounded() {
        let mut unwrapper = Unwrapper::new(Form::Cri);
        let part = format!("2026-11-28T10:42:35Z stdout P {}", "x".repeat(16_384));
        let mut found = Vec::new();
        for number in 0..200 {
            let line =
                RawLine { bytes: part.clone().into_bytes(), end: number, ..RawLine::default() };
            found.extend(unwrapper.take(vec![line]));
        }
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|line| line.bytes.len() == LINE_MAX));
    }

    proptest! {
        #[test]
        fn no_line_is_lost_whatever_it_is(lines in prop::collection::vec("\\PC{0,40}", 0..20), docker: bool) {
            let form = if docker { Form::Docker } else { Form::Cri };
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let found = run(form, &lines);
            prop_assert!(found.len() <= lines.len() && found.is_empty() == lines.is_empty());
            prop_assert!(found.is_sorted_by_key(|line| line.2));
            rfc3339(lines.first().unwrap_or(&""));
        }
    }
}
