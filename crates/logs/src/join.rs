//! Lines that belong together as one record: a traceback is one thing that happened, not forty.
//!
//! Joined are what is indented below a line, tracebacks of Python with all that led to them, what PyTorch writes below
//! an error of CUDA, what NCCL's watchdog says before it ends the process, Xids of one second with what the driver adds
//! to them, and panics of Go and Rust.
//!
//! Bias: where two processes write into one file at the same time their lines may be mixed up, as they are in the file.

use std::borrow::Cow;

use model::log::Severity;

use crate::{
    fields::{ATTRIBUTE_BYTES_MAX, ATTRIBUTE_NAME_BYTES_MAX, ATTRIBUTES_MAX, Field},
    line::{Line, parse},
};

/// Longest record; what is beyond is dropped, and said.
pub const RECORD_BYTES_MAX: usize = 64 << 10;
/// A record of more lines is two.
pub(crate) const RECORD_LINES_MAX: usize = 1_000;

/// What Python writes between two tracebacks of one failure.
const AGAIN: [&str; 2] = [
    "During handling of the above exception, another exception occurred",
    "The above exception was the direct cause of the following exception",
];
/// How lines begin that only ever follow another one.
const MORE: [&str; 8] = [
    "CUDA kernel errors might be asynchronously reported",
    "Compile with `TORCH_USE_CUDA_DSA`",
    "Device-side assertion tracking was not enabled",
    "Exception raised from ",
    "For debugging consider passing CUDA_LAUNCH_BLOCKING",
    "Search for `cuda",
    "frame #",
    "note: run with `RUST_BACKTRACE",
];
const TRACEBACK: &str = "Traceback (most recent call last)";
const WATCHDOG: &str = "ProcessGroupNCCL.cpp";
const XID: &str = "NVRM: Xid (";

/// What was said at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Where its first line is, as the caller counts.
    pub first: u64,
    /// Where its last line is.
    pub last: u64,
    /// As written.
    pub time: Option<String>,
    /// When what is around its first line says that it came, as written.
    pub taken_at: Option<String>,
    pub severity: Option<Severity>,
    pub text: String,
    /// Of its first line.
    pub attributes: Vec<(String, String)>,
    /// Bytes that were too many.
    pub bytes_cut: usize,
}

/// How it is known that what follows belongs to the open record.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Block {
    #[default]
    None,
    /// Up to the exception, which is not indented.
    Traceback,
    /// What Go writes when it gives up: up to a line that has a time.
    Goroutines,
    /// One line, whatever it says: the words of a panic of Rust.
    Next,
}

/// Puts lines together.
#[derive(Debug, Default)]
pub struct Joiner {
    open: Option<Record>,
    block: Block,
    lines: usize,
}

impl Joiner {
    /// Takes the next line, which is at `at`, and gives back what is complete with it.
    pub fn push(&mut self, text: &str, at: u64) -> Option<Record> {
        let line = parse(text);
        let start = line.body.trim_start();
        let begins = begins(start);
        let is_more = line.body.is_empty() || line.body.starts_with([' ', '\t']);
        let goes_on = match self.block {
            Block::None => false,
            Block::Traceback | Block::Next => true,
            Block::Goroutines => line.time.is_none(),
        };
        let belongs = self.lines < RECORD_LINES_MAX
            && self
                .open
                .as_ref()
                .is_some_and(|open| is_more || goes_on || follows(open, &line, start, begins));
        if !belongs {
            self.block = begins;
            self.lines = 1;
            return self.open.replace(record(line, at));
        }
        self.lines += 1;
        // An exception's words may take several lines; those that follow look like any other line.
        let is_over = match self.block {
            Block::Traceback => !is_more,
            Block::Next => true,
            Block::None | Block::Goroutines => false,
        };
        if begins != Block::None {
            self.block = begins;
        } else if is_over {
            self.block = Block::None;
        }
        if let Some(open) = &mut self.open {
            open.severity = open.severity.max(line.severity);
            open.last = at;
            add(open, line.body);
        }
        None
    }

    /// What is still open at the end.
    pub fn finish(&mut self) -> Option<Record> {
        self.block = Block::None;
        self.open.take()
    }

    /// Whether a record waits for what follows.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

/// What a line is the beginning of.
fn begins(start: &str) -> Block {
    match start.as_bytes().first() {
        Some(b'T') if start.starts_with(TRACEBACK) => Block::Traceback,
        Some(b'p') if start.starts_with("panic: ") => Block::Goroutines,
        Some(b'g') if start.starts_with("goroutine ") => Block::Goroutines,
        Some(b't') if start.starts_with("thread '") && start.contains("panicked at") => Block::Next,
        _ => Block::None,
    }
}

/// Whether a line says more of what the open record is about.
fn follows(open: &Record, line: &Line<'_>, start: &str, begins: Block) -> bool {
    let is_failure = open.severity >= Some(Severity::Error);
    match start.as_bytes().first() {
        Some(b'T') if is_failure && begins == Block::Traceback => true,
        Some(b'D' | b'T') if is_failure && AGAIN.iter().any(|again| start.starts_with(again)) => {
            true
        }
        Some(b'C' | b'D' | b'E' | b'F' | b'S' | b'f' | b'n') => {
            MORE.iter().any(|more| start.starts_with(more))
        }
        Some(b'g') => is_failure && begins == Block::Goroutines,
        Some(b't') => is_watchdog(&open.attributes) && start.starts_with("terminate called"),
        Some(b'N') => is_same_xid(open, line, start),
        Some(b'[') => is_failure && is_watchdog(&open.attributes) && is_watchdog(&line.attributes),
        _ => false,
    }
}

/// Whether NCCL's watchdog wrote it.
fn is_watchdog<N: AsRef<str>, V: AsRef<str>>(attributes: &[(N, V)]) -> bool {
    attributes
        .iter()
        .any(|(name, value)| name.as_ref() == "code.filepath" && value.as_ref().ends_with(WATCHDOG))
}

/// Whether the driver says more of an error of a device that it told in the same second.
fn is_same_xid(open: &Record, line: &Line<'_>, start: &str) -> bool {
    let code = |text: &str| {
        let (device, rest) = text.strip_prefix(XID)?.split_once("): ")?;
        Some((device.to_owned(), rest.split_once(',')?.0.to_owned()))
    };
    if !start.starts_with("NVRM: ") || !open.text.starts_with(XID) {
        return false;
    }
    let second = |text: &str| text.split('.').next().map(str::to_owned);
    let time = line.time.as_ref().or(line.taken_at.as_ref());
    let open_time = open.time.as_ref().or(open.taken_at.as_ref());
    let is_same_second =
        time.and_then(|time| second(time)) == open_time.and_then(|time| second(time));
    is_same_second && (!start.starts_with(XID) || code(start) == code(&open.text))
}

fn record(line: Line<'_>, at: u64) -> Record {
    let mut record = Record {
        first: at,
        last: at,
        time: line.time.map(Cow::into_owned),
        taken_at: line.taken_at.map(Cow::into_owned),
        severity: line.severity,
        ..Record::default()
    };
    if !line.attributes.is_empty() {
        record.attributes = kept(line.attributes);
    }
    add(&mut record, line.body);
    record
}

/// As many attributes as are kept, as long as they are kept.
fn kept(attributes: Vec<Field<'_>>) -> Vec<(String, String)> {
    let cut = |text: Cow<'_, str>, bytes_max: usize| {
        let mut text = text.into_owned();
        text.truncate(text.floor_char_boundary(bytes_max));
        text
    };
    let kept = attributes.into_iter().filter(|(name, _)| !name.is_empty()).take(ATTRIBUTES_MAX);
    kept.map(|(name, value)| (cut(name, ATTRIBUTE_NAME_BYTES_MAX), cut(value, ATTRIBUTE_BYTES_MAX)))
        .collect()
}

fn add(open: &mut Record, body: Cow<'_, str>) {
    if open.text.is_empty() && body.len() <= RECORD_BYTES_MAX && open.bytes_cut == 0 {
        open.text = body.into_owned();
        return;
    }
    let room = RECORD_BYTES_MAX.saturating_sub(open.text.len() + 1);
    let taken = body.get(..body.floor_char_boundary(room)).unwrap_or_default();
    if !open.text.is_empty() && room > 0 {
        open.text.push('\n');
    }
    open.text.push_str(taken);
    open.bytes_cut += body.len() - taken.len();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined(text: &str) -> Vec<Record> {
        let mut joiner = Joiner::default();
        let lines = text.lines().zip(1..);
        let mut records: Vec<Record> =
            lines.filter_map(|(line, number)| joiner.push(line, number)).collect();
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
            .map(|record| (record.first, record.severity, record.text.as_str()))
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
            records.iter().map(|record| (record.text.as_str(), record.first)).collect();
        assert_eq!(texts, [("error: a\n  b\n", 1), ("c", 4)]);
    }

    #[test]
    fn what_devices_and_their_libraries_say_is_one_record() {
        let check = |text: &str, expected: &[u64]| {
            let firsts: Vec<u64> = joined(text).iter().map(|record| record.first).collect();
            assert_eq!(firsts, expected, "{text}");
        };
        check(
            "RuntimeError: CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported at some other API call\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n\nException raised from c10_cuda_check_implementation at x.cpp:43 (most recent call first):\nframe #0: c10::Error::Error + 0x96 (0x7f in libc10.so)\nINFO:     next",
            &[1, 8],
        );
        check(
            "[rank0]:[E1128 09:51:00.12 ProcessGroupNCCL.cpp:616] [Rank 0] Watchdog caught collective operation timeout: x\n[rank0]:[E1128 09:51:00.13 ProcessGroupNCCL.cpp:681] [Rank 0] Some NCCL operations have failed or timed out.\nterminate called after throwing an instance of 'c10::DistBackendError'\n  what():  [PG ID 0]\nException raised from checkTimeout\nframe #0: x\n[rank0]:[W1128 09:51:01.00 other.cpp:1] [x] y",
            &[1, 7],
        );
        check(
            "[12345.678901] NVRM: Xid (PCI:0000:08:00): 13, pid=1, Graphics SM Warp Exception\n[12345.678990] NVRM: Xid (PCI:0000:08:00): 13, pid=1, Graphics Exception: ESR\n[12345.7] NVRM: GPU Board Serial Number: 1\n[12345.8] NVRM: Xid (PCI:0000:09:00): 13, pid=1, x\n[12346.0] NVRM: Xid (PCI:0000:09:00): 13, pid=1, x",
            &[1, 4, 5],
        );
        check(
            "panic: runtime error: x\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:1 +0x1\nexit status 2\ntime=2026-11-22T09:51:00Z level=INFO msg=x",
            &[1, 7],
        );
        check(
            "thread 'main' panicked at src/main.rs:1:2:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1`\nnext",
            &[1, 4],
        );
        check("frame #0: alone\nb", &[1, 2]);
    }

    #[test]
    fn a_record_has_so_many_lines() {
        let records = joined(&format!("a{}", "\n b".repeat(2 * RECORD_LINES_MAX)));
        let firsts: Vec<u64> = records.iter().map(|record| record.first).collect();
        assert_eq!(firsts, [1, 1_001, 2_001]);
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
