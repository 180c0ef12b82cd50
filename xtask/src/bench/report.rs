//! Figures as a table, and the page that keeps the latest ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context, Result};

use super::system::System;
use crate::{process, say};

const PAGE: &str = "docs/benchmarks.md";

/// Figures of several subjects side by side. The first is compared with each of the others.
pub(super) struct Table {
    columns: Vec<String>,
    rows: Vec<(String, Vec<Option<f64>>)>,
}

impl Table {
    pub(super) fn new(columns: &[impl AsRef<str>]) -> Self {
        let columns = columns.iter().map(|column| column.as_ref().to_owned()).collect();
        Self { columns, rows: Vec::new() }
    }

    /// Rows stand in the order in which they were first named.
    pub(super) fn set(&mut self, name: &str, column: usize, value: f64) {
        let known = self.rows.iter().position(|(row, _)| row == name);
        let index = known.unwrap_or_else(|| {
            self.rows.push((name.to_owned(), vec![None; self.columns.len()]));
            self.rows.len() - 1
        });
        self.rows[index].1[column] = Some(value);
    }

    pub(super) fn markdown(&self) -> String {
        let others = self.columns.iter().skip(1);
        let ratios = others.map(|other| format!("{} / {other}", self.columns[0]));
        let header: Vec<String> =
            ["".to_owned()].into_iter().chain(self.columns.clone()).chain(ratios).collect();
        let mut text = format!("| {} |\n|{}\n", header.join(" | "), "---|".repeat(header.len()));
        for (name, values) in &self.rows {
            // A time that was too short to be seen says nothing in a ratio.
            let seen = |value: Option<f64>| value.filter(|value| *value > 0.0);
            let others = values.iter().skip(1);
            let ratios = others.map(|other| Some(seen(values[0])? / seen(*other)?));
            let cells =
                values.iter().copied().chain(ratios).map(|value| value.map_or("-".into(), short));
            text.push_str(&format!("| {name} | {} |\n", cells.collect::<Vec<_>>().join(" | ")));
        }
        text
    }
}

/// Three digits are more than such figures deserve.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// What a comparison found: versions, figures, what went wrong and where, and notes.
pub(super) fn text(
    systems: &[System],
    table: &Table,
    failures: &BTreeMap<String, BTreeSet<&'static str>>,
    notes: &[String],
) -> String {
    let versions = systems.iter().map(|system| format!("{} {}", system.name, system.version));
    let mut text = format!("{}.\n\n{}", versions.collect::<Vec<_>>().join(", "), table.markdown());
    for (failure, places) in failures {
        let places: Vec<&str> = places.iter().copied().collect();
        text.push_str(&format!("\n- {failure} ({})", places.join(", ")));
    }
    for note in notes {
        text.push_str(&format!("\n- {note}"));
    }
    text
}

/// Prints a result and puts it between the markers of its section.
pub(super) fn publish(section: &str, body: &str) -> Result<()> {
    let date = process::capture(process::command("date").args(["-u", "+%Y-%m-%d"]))?;
    let text = format!("{}, {}.\n\n{}", date.trim(), machine(), body.trim_end());
    say(&text);
    let path = crate::root().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("failed to read {PAGE}"))?;
    fs::write(&path, replace(&page, section, &text)?)?;
    say(&format!("wrote {PAGE}"));
    Ok(())
}

fn replace(page: &str, section: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- bench:{section} -->"), format!("<!-- /bench:{section} -->"));
    let parts = page
        .split_once(&begin)
        .and_then(|(before, rest)| rest.split_once(&end).map(|(_, after)| (before, after)));
    let (before, after) = parts.with_context(|| format!("{PAGE} has no section {section}"))?;
    Ok(format!("{before}{begin}\n{text}\n{end}{after}"))
}

/// What the figures depend on; nothing that tells whose machine it is.
fn machine() -> String {
    let value = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map_or("?".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let memory = value("/proc/meminfo", "MemTotal");
    let kilobytes = memory.split(' ').next().and_then(|number| number.parse::<f64>().ok());
    let gigabytes = kilobytes.unwrap_or_default() / f64::from(1 << 20);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let cpu = value("/proc/cpuinfo", "model name");
    format!("{cpu}, {cores} cores, {gigabytes:.0} GiB memory, Linux {kernel}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_is_compared_with_the_others() {
        let mut table = Table::new(&["ours", "a", "b"]);
        table.set("speed", 1, 0.5);
        table.set("size", 0, 0.0);
        table.set("size", 1, 2.0);
        table.set("speed", 0, 123.4);
        assert_eq!(
            table.markdown(),
            "|  | ours | a | b | ours / a | ours / b |\n|---|---|---|---|---|---|\n\
             | speed | 123 | 0.500 | - | 247 | - |\n| size | 0.00 | 2.00 | - | - | - |\n"
        );
    }

    #[test]
    fn only_the_section_is_replaced() {
        let page = "a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb\n";
        let changed = replace(page, "x", "new").unwrap();
        assert_eq!(changed, "a\n<!-- bench:x -->\nnew\n<!-- /bench:x -->\nb\n");
        assert_eq!(replace(&changed, "x", "new").unwrap(), changed);
        assert!(replace(page, "y", "new").is_err());
    }
}
