//! Samples out of a store, as OpenMetrics or CSV: what is written here, an import reads back exactly.
//!
//! Memory is bounded, however much is written: a metric is read at once where that is little, else
//! series by series and slice by slice of time. Stale markers are left out, because neither format
//! has a word for "ended here". Types are told of gauges and counters only; the series of a histogram
//! are written one after the other, which OpenMetrics allows for untyped metrics alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use model::{
    Labels, NAME, UnixMs,
    catalogue::Kind,
    sample::{Metadata, is_stale},
    series::{Budget, Matcher, SelectError, SeriesData, SeriesSource, TimeRange},
};

/// Most samples that are held at a time.
pub(crate) const SAMPLES_MAX: u64 = 1_000_000;

/// Text that waits until it is written.
const BUFFER_BYTES: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    OpenMetrics,
    Csv,
}

impl Format {
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "openmetrics" => Some(Self::OpenMetrics),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }
}

/// What is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// A series that satisfies any of them.
    pub(crate) selectors: Vec<Vec<Matcher>>,
    pub(crate) range: TimeRange,
    pub(crate) format: Format,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Writes what is selected, sorted by name and labels. The budget's `samples_max` should be
/// [`SAMPLES_MAX`].
pub(crate) fn export(
    source: &dyn SeriesSource,
    known: &dyn Fn(&[String]) -> BTreeMap<String, Metadata>,
    selection: &Selection,
    budget: &Budget,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let names = source.label_values(NAME, selection.range, budget)?;
    let known = known(&names);
    let all_names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut export = Export { source, selection, budget, out, text: String::new() };
    if selection.format == Format::Csv {
        export.text.push_str("name,labels,time_ms,value\n");
    }
    for name in &names {
        let selectors = selectors_for(name, &selection.selectors);
        if !selectors.is_empty() {
            let header = match selection.format {
                Format::OpenMetrics => header(name, known.get(name), &all_names),
                Format::Csv => String::new(),
            };
            export.metric(header, selectors)?;
        }
    }
    if selection.format == Format::OpenMetrics {
        export.text.push_str("# EOF\n");
    }
    export.out.write_all(export.text.as_bytes())?;
    export.out.flush()?;
    Ok(())
}

/// The selectors that may find series of metric `name`, asking for just that name.
fn selectors_for(name: &str, selectors: &[Vec<Matcher>]) -> Vec<Vec<Matcher>> {
    let may_match = |matchers: &&Vec<Matcher>| {
        matchers.iter().filter(|matcher| matcher.name == NAME).all(|matcher| matcher.matches(name))
    };
    let narrowed = selectors.iter().filter(may_match).map(|matchers| {
        let others = matchers.iter().filter(|matcher| matcher.name != NAME).cloned();
        std::iter::once(Matcher::equal(NAME, name)).chain(others).collect()
    });
    narrowed.collect()
}

struct Export<'a> {
    source: &'a dyn SeriesSource,
    selection: &'a Selection,
    budget: &'a Budget,
    out: &'a mut dyn Write,
    text: String,
}

impl Export<'_> {
    /// Writes all series of one metric, under its header if there are any.
    fn metric(
        &mut self,
        mut header: String,
        selectors: Vec<Vec<Matcher>>,
    ) -> Result<(), ExportError> {
        let range = self.selection.range;
        if let [matchers] = selectors.as_slice() {
            match self.source.select(matchers, range, self.budget) {
                Ok(mut found) => {
                    found.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
                    return found.iter().try_for_each(|series| self.points(&mut header, series));
                }
                Err(SelectError::TooManySamples) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut found = BTreeSet::new();
        for matchers in &selectors {
            found.extend(self.source.series(matchers, range, self.budget)?);
        }
        found.iter().try_for_each(|labels| self.series(&mut header, labels))
    }

    /// Writes one series slice by slice; a slice that is too large is halved.
    fn series(&mut self, header: &mut String, labels: &Labels) -> Result<(), ExportError> {
        let matchers: Vec<Matcher> =
            labels.iter().map(|(name, value)| Matcher::equal(name, value)).collect();
        let TimeRange { mut start, end } = self.selection.range;
        let mut width = end.0.saturating_sub(start.0);
        loop {
            let slice_end = UnixMs(start.0.saturating_add(width)).min(end);
            let slice = TimeRange { start, end: slice_end };
            match self.source.select(&matchers, slice, self.budget) {
                Ok(found) => {
                    // A series with more labels than these satisfies the matchers as well.
                    for series in found.iter().filter(|series| series.labels == *labels) {
                        self.points(header, series)?;
                    }
                    if slice_end == end {
                        return Ok(());
                    }
                    start = UnixMs(slice_end.0 + 1);
                    width = width.saturating_mul(2);
                }
                Err(SelectError::TooManySamples) if width > 0 => width /= 2,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes points, and before the first ones of a metric its header.
    fn points(&mut self, header: &mut String, series: &SeriesData) -> Result<(), ExportError> {
        let mut start = String::new();
        match self.selection.format {
            Format::OpenMetrics => write_series(&mut start, &series.labels),
            Format::Csv => write_csv_series(&mut start, &series.labels),
        }
        for (time, value) in series.times.iter().zip(&series.values) {
            if is_stale(*value) {
                continue;
            }
            self.text.push_str(&std::mem::take(header));
            self.text.push_str(&start);
            match self.selection.format {
                Format::OpenMetrics => {
                    self.text.push(' ');
                    write_value(&mut self.text, *value);
                    self.text.push(' ');
                    write_seconds(&mut self.text, *time);
                }
                Format::Csv => {
                    self.text.push_str(&format!(",{time},"));
                    write_value(&mut self.text, *value);
                }
            }
            self.text.push('\n');
            if self.text.len() >= BUFFER_BYTES {
                self.out.write_all(self.text.as_bytes())?;
                self.text.clear();
                self.budget.check()?;
            }
        }
        Ok(())
    }
}

/// What OpenMetrics says of a metric before its samples.
fn header(name: &str, known: Option<&Metadata>, all_names: &BTreeSet<&str>) -> String {
    let Some(known) = known else { return String::new() };
    let family = match known.kind {
        Kind::Gauge => name,
        // A counter's family has no suffix; where another metric has that name, it must go untyped.
        Kind::Counter => match name.strip_suffix("_total") {
            Some(family) if !family.is_empty() && !all_names.contains(family) => family,
            _ => return String::new(),
        },
        _ => return String::new(),
    };
    let mut text = String::new();
    let mut line = |what: &str, value: &str| {
        text.push_str(&format!("# {what} "));
        if is_plain(family) {
            text.push_str(family);
        } else {
            write_quoted(&mut text, family);
        }
        text.push_str(&format!(" {value}\n"));
    };
    line("TYPE", known.kind.as_str());
    if !known.unit.is_empty() && family.ends_with(&format!("_{}", known.unit)) {
        line("UNIT", &known.unit);
    }
    if !known.help.is_empty() {
        line("HELP", &escape(&known.help));
    }
    text
}

/// Whether a name can be written without quotes.
fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    out.push_str(&escape(text));
    out.push('"');
}

/// `name{label="value"}`, or `{"any name","any label"="value"}`.
fn write_series(out: &mut String, labels: &Labels) {
    let name = labels.name();
    let mut separator = '{';
    if is_plain(name) {
        out.push_str(name);
    } else {
        out.push('{');
        write_quoted(out, name);
        separator = ',';
    }
    for (label, value) in labels.iter().filter(|(label, _)| *label != NAME) {
        out.push(separator);
        separator = ',';
        if is_plain(label) && !label.contains(':') {
            out.push_str(label);
        } else {
            write_quoted(out, label);
        }
        out.push('=');
        write_quoted(out, value);
    }
    if separator == ',' {
        out.push('}');
    }
}

/// The name, and the other labels as a JSON object, each a field of CSV.
fn write_csv_series(out: &mut String, labels: &Labels) {
    let others: BTreeMap<&str, &str> = labels.iter().filter(|(label, _)| *label != NAME).collect();
    let others = serde_json::to_string(&others).unwrap_or_default();
    for (index, field) in [labels.name(), &others].into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if field.contains(['"', ',', '\n', '\r']) {
            out.push_str(&format!("\"{}\"", field.replace('"', "\"\"")));
        } else {
            out.push_str(field);
        }
    }
}

/// The shortest text that reads back as the same number.
fn write_value(out: &mut String, value: f64) {
    let magnitude = value.abs();
    if value.is_finite() && magnitude != 0.0 && !(1e-5..1e17).contains(&magnitude) {
        out.push_str(&format!("{value:e}"));
    } else {
        query::format::write_float(out, value);
    }
}

/// Always with a point, so that a reader never takes it for milliseconds.
fn write_seconds(out: &mut String, time: i64) {
    let sign = if time < 0 { "-" } else { "" };
    let (seconds, millis) = (time.unsigned_abs() / 1_000, time.unsigned_abs() % 1_000);
    out.push_str(&format!("{sign}{seconds}.{millis:03}"));
}

#[cfg(test)]
mod tests;
