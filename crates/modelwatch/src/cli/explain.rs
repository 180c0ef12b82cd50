//! `modelwatch explain`: which lines of a log matter, what they mean, and what to do.
//!
//! Needs nothing but the file: no running modelwatch, no configuration, no network.

use std::{
    cmp::Reverse,
    collections::HashMap,
    io::BufRead,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use logs::{
    Joiner, Patterns, RECORD_BYTES_MAX, Record,
    knowledge::{self, Found},
    visible,
};
use model::{
    log::Severity,
    message::{Language, render},
};

use super::{input, say};

/// Kinds of lines that are not known and shown all the same.
const UNKNOWN_MAX: usize = 10;
/// Of a line's text, so much is shown, in letters.
const SHOWN_MAX: usize = 300;

/// Explains each file. There is always an answer, so this is `true`.
pub(super) fn explain(files: &[PathBuf], language: Language) -> anyhow::Result<bool> {
    for (place, path) in files.iter().enumerate() {
        let read = || -> anyhow::Result<Explained> {
            let mut explained = Explained::default();
            explained.read(&mut input::open(path)?)?;
            Ok(explained)
        };
        let explained = read().with_context(|| path.display().to_string())?;
        if place > 0 {
            say("");
        }
        for line in explained.lines(path, language) {
            say(&line);
        }
    }
    Ok(true)
}

/// Something that was said once or many times.
struct Said {
    severity: Severity,
    count: u64,
    /// Where it was said first.
    number: u64,
    time: Option<String>,
    text: String,
}

impl Said {
    /// `place` is that of the line within the record.
    fn new(record: &Record, place: usize, severity: Severity, text: &str) -> Self {
        let time = record.time.as_ref().or(record.taken_at.as_ref());
        let (number, time) = (record.first + place as u64, time.cloned());
        Self { severity, count: 1, number, time, text: text.to_owned() }
    }

    fn again(&mut self, severity: Severity) {
        self.count += 1;
        self.severity = self.severity.max(severity);
    }

    /// The gravest first, then the most frequent, then the earliest.
    fn rank(&self) -> (Reverse<Severity>, Reverse<u64>, u64) {
        (Reverse(self.severity), Reverse(self.count), self.number)
    }
}

/// What was found in one file.
#[derive(Default)]
struct Explained {
    lines: u64,
    errors: u64,
    warnings: u64,
    /// Records that were too long to be read to their end.
    cut: u64,
    known: HashMap<&'static str, (Found, Said)>,
    patterns: Patterns,
    /// By the place of their pattern.
    unknown: HashMap<usize, Said>,
}

impl Explained {
    fn read(&mut self, input: &mut impl BufRead) -> anyhow::Result<()> {
        let (mut joiner, mut bytes) = (Joiner::default(), Vec::new());
        while input::read_line(input, &mut bytes, RECORD_BYTES_MAX)? {
            self.lines += 1;
            if let Some(record) = joiner.push(&String::from_utf8_lossy(&bytes), self.lines) {
                self.take(&record);
            }
        }
        if let Some(record) = joiner.finish() {
            self.take(&record);
        }
        Ok(())
    }

    fn take(&mut self, record: &Record) {
        self.cut += u64::from(record.bytes_cut > 0);
        let severity = record.severity.unwrap_or(Severity::Info);
        match severity {
            Severity::Error | Severity::Fatal => self.errors += 1,
            Severity::Warn => self.warnings += 1,
            _ => {}
        }
        let mut is_known = false;
        for (place, line) in record.text.lines().enumerate() {
            for found in knowledge::find(line) {
                is_known = true;
                let grave = found.known.severity;
                if let Some((_, said)) = self.known.get_mut(found.known.id) {
                    said.again(grave);
                } else {
                    let said = Said::new(record, place, grave, line);
                    self.known.insert(found.known.id, (found, said));
                }
            }
        }
        if is_known || severity < Severity::Warn {
            return;
        }
        let line = telling(&record.text);
        let Some(pattern) = self.patterns.push(line) else { return };
        self.unknown
            .entry(pattern)
            .and_modify(|said| said.again(severity))
            .or_insert_with(|| Said::new(record, 0, severity, line));
    }

    fn lines(&self, path: &Path, language: Language) -> Vec<String> {
        let counts = [
            ("path", path.display().to_string()),
            ("lines", self.lines.to_string()),
            ("errors", self.errors.to_string()),
            ("warnings", self.warnings.to_string()),
        ];
        let mut lines = vec![render("explain.summary", &counts, language)];
        let text = |code: &str| render::<&str, &str>(code, &[], language);
        if self.cut > 0 {
            let limit = (RECORD_BYTES_MAX >> 10).to_string();
            let params = [("count", self.cut.to_string()), ("limit", limit)];
            lines.push(render("explain.cut", &params, language));
        }
        if self.known.is_empty() {
            let is_fine = self.unknown.is_empty();
            lines.push(text(if is_fine { "explain.nothing" } else { "explain.nothing_known" }));
        }
        let mut known: Vec<&(Found, Said)> = self.known.values().collect();
        known.sort_by_key(|(_, said)| said.rank());
        for (found, said) in known {
            lines.push(String::new());
            lines.extend(finding(found, said, language));
        }
        let mut unknown: Vec<&Said> = self.unknown.values().collect();
        unknown.sort_by_key(|said| said.rank());
        if !unknown.is_empty() {
            lines.extend([String::new(), text("explain.unknown")]);
        }
        for said in unknown.iter().take(UNKNOWN_MAX) {
            let severity = said.severity.as_str().to_uppercase();
            lines.push(format!("  {:>6} × {severity:<5}  {}", said.count, shown(&said.text)));
        }
        if unknown.len() > UNKNOWN_MAX {
            let count = (unknown.len() - UNKNOWN_MAX).to_string();
            lines.push(format!("  {}", render("explain.more", &[("count", count)], language)));
        }
        lines
    }
}

/// Of a traceback the exception, which comes last; of anything else the first line.
fn telling(text: &str) -> &str {
    let is_traceback = text.contains("Traceback (most recent call last)");
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let line = if is_traceback { lines.next_back() } else { lines.next() };
    line.unwrap_or_default().trim()
}

fn finding(found: &Found, said: &Said, language: Language) -> Vec<String> {
    let at =
        |time: &String| render("explain.at", &[("time", visible(time).into_owned())], language);
    let heading = [
        ("severity", said.severity.as_str().to_uppercase()),
        ("id", found.known.id.to_owned()),
        ("count", said.count.to_string()),
        ("line", said.number.to_string()),
        ("time", said.time.as_ref().map(at).unwrap_or_default()),
    ];
    let code = if said.count == 1 { "explain.heading_once" } else { "explain.heading" };
    let texts = found.texts().map(|(en, zh)| match language {
        Language::English => en,
        Language::Chinese => zh,
    });
    let [cause, advice] = texts.map(|text| visible(&text).into_owned());
    let mut lines = vec![
        render(code, &heading, language),
        format!("  > {}", shown(&said.text)),
        render("explain.cause", &[("text", cause)], language),
        render("explain.advice", &[("text", advice)], language),
    ];
    lines.extend(found.known.link.map(|url| render("explain.link", &[("url", url)], language)));
    lines
}

/// A line as it can be shown: it may come from anybody.
pub(super) fn shown(text: &str) -> String {
    let text = visible(text.trim()).replace('\t', " ");
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(text: &str, language: Language) -> String {
        let mut explained = Explained::default();
        explained.read(&mut text.as_bytes()).unwrap();
        explained.lines(Path::new("engine.log"), language).join("\n")
    }

    const KV: &str = "(EngineCore pid=9) ERROR 11-22 09:51:00 [core.py:1] ValueError: To serve at least one request \
        with the model's max seq len (131072), (16.00 GiB KV cache is needed, which is larger than the available KV \
        cache memory (9.53 GiB). Based on the available memory, the estimated maximum model length is 78080. Try";

    #[test]
    fn a_known_line_is_explained_with_its_own_values() {
        let text = explained(
            &format!("INFO 11-22 09:50:59 [a.py:1] fine\n{KV}\n{KV}\n"),
            Language::English,
        );
        for part in [
            "engine.log: lines 3, errors 2, warnings 0",
            "ERROR  vllm.kv_too_small, 2 times, first in line 2 (11-22 09:51:00)",
            "> ValueError: To serve",
            "--max-model-len 78080",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("not known"), "{text}");
        let text = explained(KV, Language::Chinese);
        assert!(text.contains("--max-model-len 78080") && text.contains("处理"), "{text}");
    }

    #[test]
    fn a_line_of_a_traceback_is_named_by_its_own_number() {
        let text = "ERROR 11-22 09:51:00 [a.py:1] it failed\nTraceback (most recent call last):\n  File \"a\"\n\
                    OSError: [Errno 24] Too many open files: '/x'\n";
        let text = explained(text, Language::English);
        assert!(text.contains("in line 4 (11-22 09:51:00)"), "{text}");
    }

    #[test]
    fn what_is_not_known_is_counted_by_what_it_says() {
        let text = "E1122 09:51:00.1 1 a.cc:1] cannot open shard 17\nE1122 09:51:01.1 1 a.cc:1] cannot open shard 18\n\
                    fine\nTraceback (most recent call last):\n  File \"a\"\nKeyError: 'x'\nerror: \u{1b}]0;x\u{7}\n";
        let text = explained(text, Language::English);
        for part in [
            "No line of it is known.",
            "2 × ERROR  cannot open shard 17",
            "␛]0;x␇",
            "KeyError: 'x'",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn an_empty_log_and_binary_are_survived() {
        assert!(explained("", Language::English).contains("Nothing of it"));
        let mut explained = Explained::default();
        explained.read(&mut [0_u8, 255, 10, 200].repeat(1_000).as_slice()).unwrap();
        assert_eq!(explained.lines, 1_001);
        let long = "x".repeat(3 * RECORD_BYTES_MAX);
        let mut explained = Explained::default();
        explained.read(&mut format!("error: {long}\nnext").as_bytes()).unwrap();
        assert_eq!((explained.lines, explained.errors, explained.cut), (2, 1, 1));
        let lines = explained.lines(Path::new("x"), Language::English);
        assert!(lines.iter().any(|line| line.contains("64 KiB")), "{lines:?}");
    }
}
