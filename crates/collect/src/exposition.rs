//! The Prometheus text format 0.0.4 and OpenMetrics, as engines really write them.
//!
//! A line that cannot be read is counted and skipped: one bad line must not hide an engine.
//! Timestamps and exemplars are left out.

use model::{
    Labels, NAME,
    catalogue::Kind,
    limits::{LABEL_BYTES_MAX, LABELS_MAX},
};

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

fn describe(metrics: &mut Vec<ScrapedMetric>, comment: &str) {
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
        metric.kind = match rest.trim() {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "histogram" => Kind::Histogram,
            "summary" => Kind::Summary,
            _ => Kind::Unknown,
        };
    } else {
        metric.help = rest.chars().take(HELP_BYTES_MAX).collect();
    }
}

fn sample(line: &str) -> Option<(Labels, f64)> {
    let name_end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    let (name, rest) = line.split_at(name_end);
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    if name.is_empty() || !is_name || name.len() > LABEL_BYTES_MAX {
        return None;
    }
    let mut pairs = vec![(NAME.to_owned(), name.to_owned())];
    let rest = match rest.strip_prefix('{') {
        Some(labels) => read_labels(labels, &mut pairs)?,
        None => rest,
    };
    let value = value(rest.split_ascii_whitespace().next()?)?;
    Some((Labels::from_pairs(pairs), value))
}

/// Reads up to and over `}` and returns what comes after.
fn read_labels<'a>(text: &'a str, pairs: &mut Vec<(String, String)>) -> Option<&'a str> {
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after);
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start())?;
        let name = name.trim();
        if name.is_empty() || name.len() > LABEL_BYTES_MAX || pairs.len() >= LABELS_MAX {
            return None;
        }
        pairs.push((name.into(), value));
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

fn value(word: &str) -> Option<f64> {
    match word {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" | "Nan" | "nan" | "-nan" => Some(f64::NAN),
        _ => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
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
