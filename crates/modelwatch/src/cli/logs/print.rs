//! Lines of logs as a terminal, a program or a table takes them. They may come from anybody: nothing in them steers
//! the terminal.

use std::{
    collections::HashSet,
    io::{self, BufWriter, IsTerminal as _, Stdout, Write, stdout},
};

use logs::visible;
use model::{
    UnixMs,
    message::{Language, render},
};
use serde_json::Value;

use crate::zone::Zone;
use crate::{
    api::{csv_field, csv_header, csv_row},
    cli::{complain, query::time::rfc3339},
};

/// Explanations that are remembered, so that each is given once; then it begins anew.
const EXPLAINED_MAX: usize = 1_000;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Format {
    Text,
    Json,
    Csv,
}

/// A colour, as a terminal is told.
#[derive(Clone, Copy)]
enum Colour {
    Dim = 2,
    Red = 31,
    Yellow = 33,
    Cyan = 36,
}

pub(super) struct Printer<W: Write = BufWriter<Stdout>> {
    pub(super) out: W,
    format: Format,
    language: Language,
    zone: Zone,
    is_terminal: bool,
    has_colour: bool,
    /// What was explained before.
    explained: HashSet<String>,
}

impl Printer {
    pub(super) fn new(format: Format, language: Language, out: BufWriter<Stdout>) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let is_dumb = variable("TERM").as_deref() == Some("dumb");
        let is_terminal = stdout().is_terminal();
        let has_colour = is_terminal && !is_dumb && variable("NO_COLOR").is_none();
        let (zone, explained) = (Zone::local(), HashSet::new());
        Self { out, format, language, zone, is_terminal, has_colour, explained }
    }
}

impl<W: Write> Printer<W> {
    /// What comes before the first line.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        if self.format == Format::Csv {
            self.out.write_all(csv_header().as_bytes())?;
        }
        Ok(())
    }

    pub(super) fn line(&mut self, line: &Value) -> io::Result<()> {
        match self.format {
            Format::Json => writeln!(self.out, "{}", json(line)),
            Format::Csv => self.row(&csv_row(line)),
            Format::Text => self.text(line, true),
        }
    }

    /// A row of a table, as it is for a program, and without what steers a terminal for a person.
    fn row(&mut self, row: &str) -> io::Result<()> {
        let row = if self.is_terminal { visible(row) } else { row.into() };
        self.out.write_all(row.as_bytes())
    }

    /// A line that was looked for, or one around it.
    pub(super) fn line_in_context(&mut self, line: &Value, is_wanted: bool) -> io::Result<()> {
        match self.format {
            Format::Text => self.text(line, is_wanted),
            _ => self.line(line),
        }
    }

    /// Between lines that do not follow each other.
    pub(super) fn gap(&mut self) -> io::Result<()> {
        if self.format == Format::Text { writeln!(self.out, "--") } else { Ok(()) }
    }

    /// Lines that came and are not shown.
    pub(super) fn skipped(&mut self, count: u64) -> io::Result<()> {
        let text = render("logs.skipped", &[("count", count.to_string())], self.language);
        if self.format == Format::Text {
            let text = self.paint(Some(Colour::Dim), &text);
            return writeln!(self.out, "{text}");
        }
        complain(&text);
        Ok(())
    }

    fn paint(&self, colour: Option<Colour>, text: &str) -> String {
        match colour.filter(|_| self.has_colour) {
            Some(colour) => format!("\u{1b}[{}m{text}\u{1b}[0m", colour as u8),
            None => text.to_owned(),
        }
    }

    fn text(&mut self, line: &Value, is_wanted: bool) -> io::Result<()> {
        let time =
            line["time"].as_i64().map_or_else(|| "?".to_owned(), |t| self.zone.text(UnixMs(t)));
        let time = self.paint(Some(Colour::Dim), &time);
        let severity = self.severity(line);
        let origin = self.paint(Some(Colour::Cyan), &origin(line));
        let body = visible(line["body"].as_str().unwrap_or_default());
        let mut parts = body.trim_end().lines();
        let faded = (!is_wanted).then_some(Colour::Dim);
        let first = self.paint(faded, parts.next().unwrap_or_default());
        writeln!(self.out, "{time} {severity} {origin} {first}")?;
        for part in parts {
            let part = self.paint(faded, part);
            writeln!(self.out, "    {part}")?;
        }
        line["known"].as_array().into_iter().flatten().try_for_each(|known| self.known(known))
    }

    fn severity(&self, value: &Value) -> String {
        let name = visible(value["severity"].as_str().unwrap_or("-")).to_uppercase();
        let colour = match name.as_str() {
            "FATAL" | "ERROR" => Some(Colour::Red),
            "WARN" => Some(Colour::Yellow),
            "DEBUG" | "TRACE" | "-" => Some(Colour::Dim),
            _ => None,
        };
        self.paint(colour, &format!("{name:<5}"))
    }

    /// What a line means and what to do, whole where it is said first.
    fn known(&mut self, known: &Value) -> io::Result<()> {
        let language = self.language.tag();
        let text =
            |name: &str| visible(known[name][language].as_str().unwrap_or_default()).into_owned();
        let (cause, remedy) = (text("cause"), text("remedy"));
        if self.explained.len() >= EXPLAINED_MAX {
            self.explained.clear();
        }
        if !self.explained.insert(format!("{cause}\n{remedy}")) {
            let code = visible(known["code"].as_str().unwrap_or_default()).into_owned();
            return self.note("logs.known_again", ("code", &code));
        }
        self.note("explain.cause", ("text", &cause))?;
        self.note("explain.advice", ("text", &remedy))?;
        match known["link"].as_str() {
            Some(url) => self.note("explain.link", ("url", &visible(url))),
            None => Ok(()),
        }
    }

    fn note(&mut self, code: &str, param: (&str, &str)) -> io::Result<()> {
        writeln!(self.out, "  {}", render(code, &[param], self.language))
    }

    pub(super) fn begin_patterns(&mut self) -> io::Result<()> {
        match self.format {
            Format::Csv => writeln!(self.out, "count,first,last,severity,pattern"),
            _ => Ok(()),
        }
    }

    pub(super) fn pattern(&mut self, pattern: &Value) -> io::Result<()> {
        let time = |name: &str| pattern[name].as_i64().map(UnixMs);
        match self.format {
            Format::Json => writeln!(self.out, "{}", json(pattern)),
            Format::Csv => {
                let time = |name| time(name).map(rfc3339);
                let text = |name: &str| csv_field(pattern[name].as_str().unwrap_or_default());
                let [first, last] = ["first", "last"].map(|name| time(name).unwrap_or_default());
                let (count, severity) = (&pattern["count"], text("severity"));
                let text = text("pattern");
                self.row(&format!("{count},{first},{last},{severity},{text}\n"))
            }
            Format::Text => {
                let shown = |name| time(name).map_or_else(|| "?".to_owned(), |t| self.zone.text(t));
                let times = format!("{} – {}", shown("first"), shown("last"));
                let times = self.paint(Some(Colour::Dim), &times);
                let severity = self.severity(pattern);
                let count = pattern["count"].as_u64().unwrap_or_default();
                let text = visible(pattern["pattern"].as_str().unwrap_or_default());
                let text = text.trim().replace('\n', "␊").replace('\t', " ");
                writeln!(self.out, "{count:>8} × {severity} {times}  {text}")
            }
        }
    }
}

/// On one line, with signs that would steer a terminal written as their numbers.
fn json(value: &Value) -> String {
    let text = value.to_string();
    if visible(&text) == text {
        return text;
    }
    let mut harmless = String::with_capacity(text.len());
    for letter in text.chars() {
        // They are in strings only, because JSON has no others between.
        if visible(letter.encode_utf8(&mut [0; 4])).starts_with(letter) {
            harmless.push(letter);
        } else {
            harmless.push_str(&format!("\\u{:04x}", u32::from(letter)));
        }
    }
    harmless
}

/// Where a line comes from, as short as it can be said: the host, and the program or log.
fn origin(line: &Value) -> String {
    let text = |name: &str| line[name].as_str().filter(|text| !text.is_empty());
    let program = ["service", "engine", "origin", "source"].into_iter().find_map(text);
    let parts: Vec<&str> = [text("host"), program].into_iter().flatten().collect();
    let parts = visible(&parts.join(" ")).replace(['\n', '\t'], " ");
    if parts.is_empty() { "-".to_owned() } else { parts }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(lines: &[Value], language: Language, has_colour: bool) -> String {
        let mut printer = Printer {
            out: Vec::new(),
            format: Format::Text,
            language,
            zone: Zone::default(),
            is_terminal: has_colour,
            has_colour,
            explained: HashSet::new(),
        };
        lines.iter().try_for_each(|line| printer.line(line)).unwrap();
        String::from_utf8(printer.out).unwrap()
    }

    #[test]
    fn a_line_is_shown_with_where_it_comes_from_and_steers_nothing() {
        let line = json!({
            "time": 1_795_520_000_123_i64, "severity": "error", "host": "box\u{1b}", "origin": "/var/log/x",
            "engine": "vllm", "body": "out of memory\u{1b}[2J\nsecond\rline\n",
        });
        assert_eq!(
            printed(std::slice::from_ref(&line), Language::English, false),
            "2026-11-24 11:33:20.123 ERROR box␛ vllm out of memory␛[2J\n    second␍line\n"
        );
        let painted = printed(&[line], Language::English, true);
        assert!(painted.contains("\u{1b}[31mERROR\u{1b}[0m \u{1b}[36mbox␛ vllm\u{1b}[0m out"));
        let bare = json!({ "time": 0, "severity": null, "body": "x" });
        let expected = "1970-01-01 00:00:00.000 -     - x\n";
        assert_eq!(printed(&[bare], Language::English, false), expected);
    }

    #[test]
    fn json_says_the_same_and_steers_nothing() {
        let line = json!({ "body": "a\u{9b}31m\u{202e}\u{1b}\u{7f}\n显存" });
        let text = json(&line);
        assert!(text.contains("a\\u009b31m\\u202e") && text.contains("显存"), "{text}");
        assert_eq!(visible(&text), text);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), line);
    }

    #[test]
    fn what_is_known_is_explained_once_in_the_readers_language() {
        let line = json!({
            "time": 0, "severity": "error", "body": "x", "known": [{
                "code": "kernel.xid_79", "severity": "error", "cause": {"en": "It fell off.", "zh": "掉卡。"},
                "remedy": {"en": "Restart.", "zh": "重启。"}, "link": "https://x",
            }],
        });
        let text = printed(&[line.clone(), line.clone()], Language::English, false);
        assert_eq!(text.matches("It fell off.").count(), 1, "{text}");
        assert!(text.contains("What to do     Restart.") && text.contains("https://x"), "{text}");
        assert_eq!(text.matches("kernel.xid_79").count(), 1, "{text}");
        let text = printed(&[line], Language::Chinese, false);
        assert!(text.contains("掉卡。") && text.contains("重启。"), "{text}");
    }
}
