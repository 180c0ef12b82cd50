//! Lines that belong together as one record: a traceback is one thing that happened, not forty.
//!
//! Bias: where two processes write into one file at the same time their lines may be mixed up, as they are in the file.

use model::log::Severity;

use crate::line::parse;

/// Longest record; what is beyond is dropped, and said.
pub const RECORD_BYTES_MAX: usize = 64 << 10;

/// What Python writes between two tracebacks of one failure.
const AGAIN: [&str; 2] = [
    "During handling of the above exception, another exception occurred",
    "The above exception was the direct cause of the following exception",
];

/// What was said at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The number of its first line, from 1.
    pub number: u64,
    /// As written.
    pub time: Option<String>,
    pub severity: Option<Severity>,
    pub text: String,
    /// Bytes that were too many.
    pub bytes_cut: usize,
}

/// Puts lines together.
#[derive(Debug, Default)]
pub struct Joiner {
    open: Option<Record>,
    is_traceback: bool,
    lines: u64,
}

impl Joiner {
    /// Takes the next line, and gives back what is complete with it.
    pub fn push(&mut self, text: &str) -> Option<Record> {
        self.lines += 1;
        let line = parse(text);
        let begins_traceback =
            line.body.trim_start().starts_with("Traceback (most recent call last)");
        let is_more = line.body.is_empty() || line.body.starts_with([' ', '\t']);
        // An exception's words may take several lines; those that follow look like any other line.
        let ends_traceback = self.is_traceback && !is_more;
        let is_next = begins_traceback || AGAIN.iter().any(|words| line.body.contains(words));
        let belongs = self.open.as_ref().is_some_and(|open| {
            is_more || self.is_traceback || (is_next && open.severity >= Some(Severity::Error))
        });
        if !belongs {
            let record = Record {
                number: self.lines,
                time: line.time.map(|time| time.into_owned()),
                severity: line.severity,
                ..Record::default()
            };
            let done = self.open.replace(record);
            self.is_traceback = begins_traceback;
            self.add(&line.body);
            return done;
        }
        self.is_traceback = begins_traceback || (self.is_traceback && !ends_traceback);
        if let Some(open) = &mut self.open {
            open.severity = open.severity.max(line.severity);
        }
        self.add(&line.body);
        None
    }

    /// What is still open at the end.
    pub fn finish(&mut self) -> Option<Record> {
        self.is_traceback = false;
        self.open.take()
    }

    fn add(&mut self, body: &str) {
        let Some(open) = &mut self.open else { return };
        let room = RECORD_BYTES_MAX.saturating_sub(open.text.len() + 1);
        let taken = body.get(..body.floor_char_boundary(room)).unwrap_or_default();
        if !open.text.is_empty() && room > 0 {
            open.text.push('\n');
        }
        open.text.push_str(taken);
        open.bytes_cut += body.len() - taken.len();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined(text: &str) -> Vec<Record> {
        let mut joiner = Joiner::default();
        let mut records: Vec<Record> = text.lines().filter_map(|line| joiner.push(line)).collect();
        records.extend(joiner.finish());
        records
    }

    #[test]
    fn a_traceback_is_one_record() {
        let text = "\
(EngineCore pid=1) ERROR 11-22 09:51:00 [core.py:1] EngineCore failed to start.
(EngineCore pid=1) ERROR 11-22 09:51:00 [core.py:1] Traceback (most recent call last):
(EngineCore pid=1) ERROR 11-22 09:51:00 [core.py:1]   File \"a.py\", line 1
(EngineCore pid=1) ERROR 11-22 09:51:00 [core.py:1] ValueError: no
(EngineCore pid=1) Traceback (most recent call last):
(EngineCore pid=1)   File \"a.py\", line 1, in f
(EngineCore pid=1)     x()
(EngineCore pid=1) ValueError: no memory
INFO 11-22 09:51:01 [x.py:1] next
Traceback (most recent call last):
ValueError: other";
        let records = joined(text);
        let texts: Vec<(u64, Option<Severity>, &str)> = records
            .iter()
            .map(|record| (record.number, record.severity, record.text.as_str()))
            .collect();
        let whole = "EngineCore failed to start.\nTraceback (most recent call last):\n  File \"a.py\", line 1\n\
                     ValueError: no\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\n    x()\n\
                     ValueError: no memory";
        assert_eq!(
            texts,
            [
                (1, Some(Severity::Error), whole),
                (9, Some(Severity::Info), "next"),
                (
                    10,
                    Some(Severity::Error),
                    "Traceback (most recent call last):\nValueError: other"
                )
            ]
        );
    }

    #[test]
    fn indented_lines_belong_to_what_is_before_them() {
        let records = joined("error: a\n  b\n\nc");
        let texts: Vec<(&str, u64)> =
            records.iter().map(|record| (record.text.as_str(), record.number)).collect();
        assert_eq!(texts, [("error: a\n  b\n", 1), ("c", 4)]);
    }

    #[test]
    fn a_record_is_cut_where_it_is_too_long() {
        let records = joined(&format!("error: a\n {}", "x".repeat(2 * RECORD_BYTES_MAX)));
        assert!(records[0].text.len() <= RECORD_BYTES_MAX);
        assert_eq!(records[0].text.len() + records[0].bytes_cut, 9 + 2 * RECORD_BYTES_MAX + 1);
    }

    proptest! {
        #[test]
        fn no_line_is_lost(lines in prop::collection::vec("[ a-zA-Z:]{0,20}", 0..20)) {
            let records = joined(&lines.join("\n"));
            let count: usize = records.iter().map(|record| record.text.bytes().filter(|byte| !byte.is_ascii_whitespace()).count()).sum();
            let said: usize = lines.iter().map(|line| parse(line).body.bytes().filter(|byte| !byte.is_ascii_whitespace()).count()).sum();
            prop_assert_eq!(count, said);
        }
    }
}
