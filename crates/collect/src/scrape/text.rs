//! Pages in the text format 0.0.4 and in OpenMetrics 1.0, line by line. A line that cannot be read is
//! noted and skipped. Exemplars are skipped too; `_created` lines are samples like others, as in
//! Prometheus.

use model::{UnixMs, catalogue::Kind};

use super::intake::{Point, Round, is_too_long};
use crate::exposition::{ScrapedMetric, describe, pairs, split, value};

/// Characters of a bad line that are shown.
const SHOWN_MAX: usize = 80;

pub(super) fn read(page: &[u8], is_openmetrics: bool, round: &mut Round<'_>) {
    let mut metrics: Vec<ScrapedMetric> = Vec::new();
    let mut has_ended = false;
    for (index, line) in page.split(|byte| *byte == b'\n').enumerate() {
        let Ok(line) = std::str::from_utf8(line) else {
            round.bad(|| format!("line {} is not UTF-8", index + 1));
            continue;
        };
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            if is_openmetrics && comment == " EOF" {
                has_ended = true;
                break;
            }
            describe(&mut metrics, comment);
        } else if !line.is_empty()
            && let Err(why) = sample(line, is_openmetrics, round)
        {
            round.bad(|| {
                let shown: String = line.chars().take(SHOWN_MAX).collect();
                format!("line {}: {why}: {shown:?}", index + 1)
            });
        }
    }
    if is_openmetrics && !has_ended {
        round.bad(|| "the page does not end with # EOF".into());
    }
    if is_openmetrics {
        metrics.iter_mut().for_each(name_counter);
    }
    round.outcome.metrics = metrics;
}

/// OpenMetrics describes a counter without the `_total` that its samples carry; queries know it by
/// the latter.
fn name_counter(metric: &mut ScrapedMetric) {
    if metric.kind == Kind::Counter && !metric.name.ends_with("_total") {
        metric.name.push_str("_total");
    }
}

fn sample(line: &str, is_openmetrics: bool, round: &mut Round<'_>) -> Result<(), String> {
    let (series, rest) = split(line).ok_or("this is no sample")?;
    let numbers = match rest.split_once('#') {
        Some((numbers, _)) if is_openmetrics => numbers,
        _ => rest,
    };
    let mut words = numbers.split_ascii_whitespace();
    let number = words.next().and_then(value).ok_or("there is no number")?;
    let time = words.next().map(|word| time(word, is_openmetrics).ok_or("this is no time"));
    let time = time.transpose()?;
    if words.next().is_some() {
        return Err("something follows the time".into());
    }
    let read = || {
        let named = pairs(series).filter(|pairs| pairs.iter().any(|(n, _)| n == model::NAME));
        named.ok_or_else(|| match is_too_long(series) {
            true => "a name or value is too long".into(),
            false => "the series cannot be read".to_owned(),
        })
    };
    round.sample(series.as_bytes(), read, Point::Float(number), time)
}

/// Milliseconds, or in OpenMetrics seconds.
fn time(word: &str, is_openmetrics: bool) -> Option<UnixMs> {
    if !is_openmetrics {
        return word.parse().ok().map(UnixMs);
    }
    let millis = word.parse::<f64>().ok()? * 1e3;
    // Beyond this, a float no longer tells milliseconds apart.
    (millis.abs() <= 9e15).then_some(UnixMs(millis as i64))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use model::sample::Batch;
    use proptest::prelude::*;

    use super::{
        super::{
            Job,
            fetch::Page,
            intake::{Intake, Outcome},
            target::{Fate, Target, tests::job},
        },
        *,
    };

    const TEXT: &str = "text/plain; version=0.0.4";
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";

    fn read_page(kind: &str, page: &[u8]) -> (Batch, Outcome) {
        let job = Arc::new(Job { honor_labels: true, ..job() });
        let labels = [("__address__", "h:1"), ("job", "j")];
        let labels: Vec<_> = labels.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let Fate::Kept(target) = Target::make(&job, &labels) else { panic!("no target") };
        let mut batch = Batch::new(UnixMs(7));
        let page = Page { kind: kind.into(), body: Bytes::copy_from_slice(page) };
        let outcome = Intake::default().take(&page, &target, &mut batch);
        (batch, outcome)
    }

    fn check(kind: &str, page: &[u8], samples: &[(&str, f64)], bad: usize, first: &str) {
        let (batch, outcome) = read_page(kind, page);
        let found: Vec<_> = batch.samples.iter().map(|(labels, v)| (labels.name(), *v)).collect();
        let first_bad = outcome.first_bad.unwrap_or_default();
        assert_eq!((found.as_slice(), outcome.bad), (samples, bad), "{first_bad}");
        assert!(first_bad.contains(first), "{first:?} is not in {first_bad:?}");
    }

    #[test]
    fn good_lines_are_kept_and_the_first_bad_one_is_named() {
        check(TEXT, b"# HELP a x\na 1\n\nb{c=\"d\"} 2\n", &[("a", 1.0), ("b", 2.0)], 0, "");
        check(TEXT, b"a 1\nb{c=\"\xff\"} 2\nc 3\n", &[("a", 1.0), ("c", 3.0)], 1, "line 2 is not");
        check(TEXT, b"a 1 x\nb\nc 3 4 5\nd 1\n", &[("d", 1.0)], 3, "line 1: this is no time");
        check(TEXT, b"<html>\na x\n", &[], 2, "line 1: this is no sample");
        check(TEXT, b"a 1 # {t=\"x\"} 1\n", &[], 1, "no time");
        let huge = format!("a{{b=\"{}\"}} 1\nc 2\n", "x".repeat(5_000));
        check(TEXT, huge.as_bytes(), &[("c", 2.0)], 1, "too long");
        check(OPENMETRICS, b"a 1\n# EOF\n", &[("a", 1.0)], 0, "");
        check(OPENMETRICS, b"a 1 # {t=\"x\"} 1 2\n# EOF\n", &[("a", 1.0)], 0, "");
        check(OPENMETRICS, b"a 1\n", &[("a", 1.0)], 1, "does not end with # EOF");
    }

    #[test]
    fn times_follow_the_format() {
        let times = |kind, page: &[u8]| read_page(kind, page).0.points.samples;
        assert_eq!(times(TEXT, b"a 1 1500\n"), [(1_500, 1.0)]);
        assert_eq!(times(OPENMETRICS, b"a 1 1500.25\n# EOF\n"), [(1_500_250, 1.0)]);
    }

    #[test]
    fn counters_are_described_by_the_names_of_their_samples() {
        let page = b"# TYPE a counter\na_total 1\na_created 5\n# TYPE b gauge\nb 1\n# EOF\n";
        let names = |kind| -> Vec<String> {
            read_page(kind, page).1.metrics.into_iter().map(|metric| metric.name).collect()
        };
        assert_eq!(names(OPENMETRICS), ["a_total", "b"]);
        assert_eq!(names(TEXT), ["a", "b"]);
        check(OPENMETRICS, page, &[("a_total", 1.0), ("a_created", 5.0), ("b", 1.0)], 0, "");
    }

    /// A real page, cut off at every byte: what came whole is kept.
    #[test]
    fn truncated_pages() {
        let page: &[u8] = include_bytes!("../../fixtures/vllm-0.32.0.metrics");
        let whole = read_page(TEXT, page).0.samples;
        let (cuts, counts) = crate::exposition::tests::cut_everywhere(page);
        assert_eq!((cuts.len(), counts[page.len()]), (page.len() + 1, whole.len()));
        for range in cuts {
            let expected = &whole[counts[range.start]..counts[range.end]];
            let (batch, outcome) = read_page(TEXT, &page[range.clone()]);
            // The last line may lack its end and be a line all the same.
            let found = batch.samples.get(..expected.len());
            assert_eq!(found, Some(expected), "at {range:?}: {outcome:?}");
            assert!(batch.samples.len() - expected.len() + outcome.bad <= 1, "at {range:?}");
        }
    }

    /// The end is marked, so a page without it is known not to be whole wherever it was cut.
    #[test]
    fn truncated_pages_of_openmetrics_are_noticed() {
        let page = "# TYPE a counter\na_total{b=\"c\"} 12 # {t=\"x\"} 1 2\n\
                    # TYPE n gauge\n# UNIT n seconds\nn NaN 1500.5\n# EOF";
        assert_eq!(read_page(OPENMETRICS, page.as_bytes()).1.bad, 0);
        for end in 0..page.len() {
            let (batch, outcome) = read_page(OPENMETRICS, &page.as_bytes()[..end]);
            assert!(outcome.bad >= 1, "at {end}: {outcome:?}");
            assert!(batch.samples.len() <= 2, "at {end}");
        }
    }

    #[test]
    fn hostile_values_hide_no_other() {
        let twice = b"a 1\na 2\nb NaN\n";
        let (batch, outcome) = read_page(TEXT, twice);
        let found: Vec<_> =
            batch.samples.iter().map(|(labels, v)| (labels.name(), v.to_string())).collect();
        assert_eq!(found, [("a", "1".to_owned()), ("b", "NaN".to_owned())], "{outcome:?}");
        // Longer than a whole page of ours, many labels, and one that opens quotes for ever.
        let long = format!("a{{b=\"{}\"}} 1\nc 2\n", "x".repeat(8 << 20));
        check(TEXT, long.as_bytes(), &[("c", 2.0)], 1, "too long");
        let labels: String = (0..100_000).map(|n| format!("l{n}=\"\",")).collect();
        let many = format!("a{{{labels}}} 1\nc 2\n");
        check(TEXT, many.as_bytes(), &[("c", 2.0)], 1, "line 1");
        let open = format!("a{{b=\"{}\nc 2\n", "\\\"".repeat(1 << 20));
        check(TEXT, open.as_bytes(), &[("c", 2.0)], 1, "no sample");
    }

    proptest! {
        #[test]
        fn any_page_is_survived(page: Vec<u8>, is_openmetrics: bool) {
            read_page(if is_openmetrics { OPENMETRICS } else { TEXT }, &page);
        }
    }
}
