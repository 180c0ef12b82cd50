//! The Prometheus text format 0.0.4 and OpenMetrics, as engines really write them.
//!
//! A line that cannot be read is counted and skipped: one bad line must not hide an engine.
//! A scrape leaves timestamps and exemplars out; for whoever wants them there are the parts of a line.

pub mod protobuf;

use model::{
    Labels, LabelsBuilder, NAME,
    catalogue::Kind,
    limits::{LABEL_BYTES_MAX, LABELS_MAX},
};

use crate::Failure;

/// Most samples of one page; the rest is counted as bad.
const SAMPLES_MAX: usize = 200_000;
/// Most bytes of a help text that are kept.
const HELP_BYTES_MAX: usize = 1_024;

/// What a page says of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapedMetric {
    pub name: String,
    pub kind: Kind,
    pub help: String,
}

/// A page that was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exposition {
    pub(crate) samples: Vec<(Labels, f64)>,
    pub(crate) metrics: Vec<ScrapedMetric>,
    pub(crate) bad_lines: usize,
    /// Why the page is not whole, if it is not.
    pub(crate) cut: Option<Failure>,
}

pub(crate) fn parse(page: &[u8]) -> Exposition {
    let mut exposition = Exposition::default();
    for line in page.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else {
            exposition.bad_lines += 1;
            continue;
        };
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            describe(&mut exposition.metrics, comment);
        } else if !line.is_empty() {
            match sample(line).filter(|_| exposition.samples.len() < SAMPLES_MAX) {
                Some(sample) => exposition.samples.push(sample),
                None => exposition.bad_lines += 1,
            }
        }
    }
    exposition
}

pub(crate) fn describe(metrics: &mut Vec<ScrapedMetric>, comment: &str) {
    let mut words = comment.trim_start().splitn(3, ' ');
    let (Some(what), Some(name)) = (words.next(), words.next()) else { return };
    let rest = words.next().unwrap_or_default();
    if !matches!(what, "HELP" | "TYPE") || name.is_empty() || name.len() > LABEL_BYTES_MAX {
        return;
    }
    let is_known = metrics.last().is_some_and(|metric| metric.name == name);
    if !is_known {
        let help = String::new();
        metrics.push(ScrapedMetric { name: name.into(), kind: Kind::Unknown, help });
    }
    let Some(metric) = metrics.last_mut() else { return };
    if what == "TYPE" {
        metric.kind = Kind::from_word(rest.trim());
    } else {
        metric.help = rest.chars().take(HELP_BYTES_MAX).collect();
    }
}

fn sample(line: &str) -> Option<(Labels, f64)> {
    let (text, rest) = split(line)?;
    let value = value(rest.split_ascii_whitespace().next()?)?;
    Some((series(text)?, value))
}

/// The text of a line's series, `name{label="value"}`, and what comes after it.
pub fn split(line: &str) -> Option<(&str, &str)> {
    let start = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    if line.as_bytes()[start] != b'{' {
        return line.split_at_checked(start);
    }
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (index, byte) in line.bytes().enumerate().skip(start) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'}' if !is_quoted => return line.split_at_checked(index + 1),
            _ => {}
        }
    }
    None
}

/// Reads a series: labels of which one is the metric's name.
pub fn series(text: &str) -> Option<Labels> {
    labels(text).filter(|labels| !labels.name().is_empty())
}

/// Reads `name{label="value"}`, or `{"any name", "any label"="value"}` where names are not ASCII.
pub fn labels(text: &str) -> Option<Labels> {
    let mut builder = LabelsBuilder::default();
    for (name, value) in pairs(text)? {
        builder.set(name, value);
    }
    builder.write_bounds_as_floats();
    Some(builder.build())
}

/// The same in the order in which they are written, empty values among them.
pub(crate) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let (name, labels) = match text.split_once('{') {
        Some((name, labels)) => (name, Some(labels)),
        None => (text, None),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    if !name.chars().all(is_plain) || name.len() > LABEL_BYTES_MAX {
        return None;
    }
    let mut pairs = Vec::new();
    if !name.is_empty() {
        pairs.push((NAME.to_owned(), name.to_owned()));
    }
    if let Some(labels) = labels {
        read_labels(labels, &mut pairs)?;
    }
    let is_twice = |index: usize, name: &str| pairs[..index].iter().any(|(other, _)| other == name);
    let is_bad = pairs.iter().enumerate().any(|(index, (name, _))| is_twice(index, name));
    (!is_bad).then_some(pairs)
}

/// Reads up to `}`, which must be the end. A quoted text without a value is the metric's name.
fn read_labels(text: &str, pairs: &mut Vec<(String, String)>) -> Option<()> {
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return after.is_empty().then_some(());
        }
        let (name, after) = if rest.starts_with('"') {
            quoted(rest)?
        } else {
            let (name, _) = rest.split_once('=')?;
            (name.trim().to_owned(), rest.get(name.len()..)?)
        };
        let (pair, after) = match after.trim_start().strip_prefix('=') {
            Some(after) => {
                let (value, after) = quoted(after.trim_start())?;
                ((name, value), after)
            }
            None => ((NAME.to_owned(), name), after),
        };
        if pair.0.is_empty() || pair.0.len() > LABEL_BYTES_MAX || pairs.len() >= LABELS_MAX {
            return None;
        }
        pairs.push(pair);
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.strip_prefix('"')?.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            // One for the opening quote, one for the closing one.
            '"' => return Some((value, text.get(at + 2..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
        if value.len() > LABEL_BYTES_MAX {
            return None;
        }
    }
    None
}

/// Reads a value as both formats write it.
pub fn value(word: &str) -> Option<f64> {
    match word {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" | "Nan" | "nan" | "-nan" => Some(f64::NAN),
        _ => word.parse().ok(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::ops::Range;

    use proptest::prelude::*;

    use super::*;

    fn check(page: &str, samples: &[(&str, f64)], bad_lines: usize) {
        let found = parse(page.as_bytes());
        let found_samples: Vec<_> =
            found.samples.iter().map(|(labels, value)| (labels.to_string(), *value)).collect();
        let expected: Vec<_> =
            samples.iter().map(|(labels, value)| ((*labels).to_owned(), *value)).collect();
        assert_eq!((found_samples, found.bad_lines), (expected, bad_lines), "{page}");
    }

    #[test]
    fn pages() {
        check("a 1\nb{x=\"y\"} 2 1700000000\n", &[("a", 1.0), ("b{x=\"y\"}", 2.0)], 0);
        check("v:a{x=\"q\\\"\\\\\\n\",} +Inf", &[("v:a{x=\"q\\\"\\\\\\n\"}", f64::INFINITY)], 0);
        check("a{b=\"c\"} 1 # {trace=\"x\"} 1\n# EOF\n", &[("a{b=\"c\"}", 1.0)], 0);
        check("a 1.23457e+06\r\n", &[("a", 1_234_570.0)], 0);
        check("<html>\na 1\n{\n", &[("a", 1.0)], 2);
        check("a{b=\"c} 1\na\na b\n", &[], 3);
        check("a{b=\"}\"} 1\n", &[("a{b=\"}\"}", 1.0)], 0);
        check("a_bucket{le=\"1\"} 1\n", &[("a_bucket{le=\"1.0\"}", 1.0)], 0);
        check("{\"é.b\", \"c d\"=\"e\"} 1\n", &[("é.b{c d=\"e\"}", 1.0)], 0);
        check("{b=\"c\"} 1\n{\"a\",\"b\"} 1\na{b=\"1\",b=\"2\"} 1\n", &[], 3);
    }

    /// A page cut off at every byte, and how many samples of it are whole before each byte. Where a line
    /// ends, the page from its beginning; within a line, the two lines before it and what there is of it:
    /// pages are read line by line, and whole ones at every byte would take half a minute.
    pub(crate) fn cut_everywhere(page: &[u8]) -> (Vec<Range<usize>>, Vec<usize>) {
        let (mut starts, mut counts, mut cuts) = (vec![0; 3], vec![0], vec![Range::default()]);
        for (at, byte) in page.iter().enumerate() {
            let is_end = *byte == b'\n';
            let [.., two_before, _, line] = starts[..] else { unreachable!() };
            let is_sample = is_end && at > line && page[line] != b'#';
            counts.push(counts[at] + usize::from(is_sample));
            cuts.push(if is_end { 0 } else { two_before }..at + 1);
            if is_end {
                starts.push(at + 1);
            }
        }
        (cuts, counts)
    }

    #[test]
    fn descriptions() {
        let found = parse(b"# HELP a what it is\n# TYPE a counter\na 1\n# TYPE b summary\nb 1\n");
        let kinds: Vec<_> =
            found.metrics.iter().map(|m| (m.name.as_str(), m.kind, m.help.as_str())).collect();
        assert_eq!(kinds, [("a", Kind::Counter, "what it is"), ("b", Kind::Summary, "")]);
    }

    proptest! {
        #[test]
        fn any_page_is_survived(page: Vec<u8>) {
            let _ = parse(&page);
        }

        #[test]
        fn any_line_is_survived(line in "[a-z{}=\",\\\\ 0-9.]{0,60}") {
            let _ = parse(line.as_bytes());
        }
    }
}
