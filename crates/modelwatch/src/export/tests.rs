use std::time::Duration;

use model::Clock;
use proptest::prelude::*;

use super::*;
use crate::ingest::{Gathered, TextReader};

/// A source that is a list.
struct List(Vec<SeriesData>);

impl SeriesSource for List {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        let mut found = Vec::new();
        let mut samples = 0;
        for series in self.0.iter().filter(|series| Matcher::all_match(matchers, &series.labels)) {
            let points = series.times.iter().zip(&series.values);
            let inside = points.filter(|(time, _)| (range.start.0..=range.end.0).contains(*time));
            let (times, values): (Vec<i64>, Vec<f64>) = inside.unzip();
            samples += times.len() as u64;
            if samples > budget.samples_max {
                return Err(SelectError::TooManySamples);
            }
            if !times.is_empty() {
                found.push(SeriesData { labels: series.labels.clone(), times, values });
            }
        }
        Ok(found)
    }

    fn series(
        &self,
        matchers: &[Matcher],
        _: TimeRange,
        _: &Budget,
    ) -> Result<Vec<Labels>, SelectError> {
        let labels = self.0.iter().map(|series| series.labels.clone());
        Ok(labels.filter(|labels| Matcher::all_match(matchers, labels)).collect())
    }
}

fn series(labels: &[(&str, &str)], points: &[(i64, f64)]) -> SeriesData {
    let (times, values) = points.iter().copied().unzip();
    SeriesData { labels: Labels::from_pairs(labels.iter().copied()), times, values }
}

fn written(list: &List, selectors: &[&str], format: Format, samples_max: u64) -> String {
    let selection = Selection {
        selectors: selectors.iter().map(|text| query::parse_selector(text).unwrap()).collect(),
        range: TimeRange { start: UnixMs::MIN, end: UnixMs::MAX },
        format,
    };
    let known = |_: &[String]| {
        let entry = |name: &str, kind, unit: &str, help: &str| {
            (
                name.to_owned(),
                Metadata { name: name.into(), kind, unit: unit.into(), help: help.into() },
            )
        };
        BTreeMap::from([
            entry("a_bytes", Kind::Gauge, "bytes", "how \"large\"\nit is"),
            entry("b_total", Kind::Counter, "", ""),
            entry("c_total", Kind::Counter, "", ""),
            entry("d_bucket", Kind::Histogram, "", "x"),
        ])
    };
    let budget = Budget::new(Clock::manual(UnixMs(0)), Duration::from_secs(1), samples_max);
    let mut out = Vec::new();
    export(list, &known, &selection, &budget, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn example() -> List {
    List(vec![
        series(&[(NAME, "d_bucket"), ("le", "1.0")], &[(0, 1.0)]),
        series(&[(NAME, "c_total")], &[(0, 1.0)]),
        series(&[(NAME, "c")], &[(0, 1.0)]),
        series(&[(NAME, "b_total"), ("x", "2")], &[(1_000, 1.5), (2_500, model::sample::stale())]),
        series(
            &[(NAME, "b_total"), ("x", "1")],
            &[(-500, 1e300), (2_000, -0.0), (3_000, f64::NAN)],
        ),
        series(
            &[(NAME, "a_bytes")],
            &[(1_700_000_000_123, 1e-7), (1_700_000_000_124, f64::INFINITY)],
        ),
        series(&[(NAME, "é"), ("a b", "\"\\\n")], &[(0, 0.1)]),
        series(&[(NAME, "gone")], &[(0, model::sample::stale())]),
    ])
}

const EXAMPLE: &str = "\
# TYPE a_bytes gauge
# UNIT a_bytes bytes
# HELP a_bytes how \\\"large\\\"\\nit is
a_bytes 1e-7 1700000000.123
a_bytes +Inf 1700000000.124
# TYPE b counter
b_total{x=\"1\"} 1e300 -0.500
b_total{x=\"1\"} -0 2.000
b_total{x=\"1\"} NaN 3.000
b_total{x=\"2\"} 1.5 1.000
c 1 0.000
c_total 1 0.000
d_bucket{le=\"1.0\"} 1 0.000
{\"é\",\"a b\"=\"\\\"\\\\\\n\"} 0.1 0.000
# EOF
";

#[test]
fn openmetrics() {
    let all = ["{__name__=~\".+\"}"];
    assert_eq!(written(&example(), &all, Format::OpenMetrics, 1_000), EXAMPLE);
    // Whatever has to be read in slices comes out the same.
    for samples_max in 1..4 {
        assert_eq!(written(&example(), &all, Format::OpenMetrics, samples_max), EXAMPLE);
    }
    let overlapping = ["{__name__=~\".+\"}", "b_total", "c"];
    assert_eq!(written(&example(), &overlapping, Format::OpenMetrics, 1_000), EXAMPLE);
    assert_eq!(
        written(&example(), &["c", "b_total{x=\"2\"}"], Format::OpenMetrics, 1_000),
        "# TYPE b counter\nb_total{x=\"2\"} 1.5 1.000\nc 1 0.000\n# EOF\n"
    );
    assert_eq!(written(&example(), &["nothing"], Format::OpenMetrics, 1), "# EOF\n");
}

#[test]
fn csv() {
    assert_eq!(
        written(&example(), &["{__name__=~\"b_total|é\"}"], Format::Csv, 1_000),
        "name,labels,time_ms,value\n\
         b_total,\"{\"\"x\"\":\"\"1\"\"}\",-500,1e300\n\
         b_total,\"{\"\"x\"\":\"\"1\"\"}\",2000,-0\n\
         b_total,\"{\"\"x\"\":\"\"1\"\"}\",3000,NaN\n\
         b_total,\"{\"\"x\"\":\"\"2\"\"}\",1000,1.5\n\
         é,\"{\"\"a b\"\":\"\"\\\"\"\\\\\\n\"\"}\",0,0.1\n"
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        name in "[a-zé:_. \"]{1,5}",
        label in "[a-zé:_. \"]{1,5}",
        value in "(?s).{0,10}",
        points in prop::collection::btree_map(-10_i64.pow(14)..10_i64.pow(14), any::<u64>(), 1..20),
    ) {
        let is_kept = |bits: u64| !is_stale(f64::from_bits(bits));
        let points: Vec<(i64, f64)> = points
            .into_iter()
            .filter(|(_, bits)| is_kept(*bits))
            .map(|(time, bits)| (time, f64::from_bits(bits)))
            .collect();
        let list = List(vec![series(&[(NAME, &name), (&label, &value)], &points)]);
        let text = written(&list, &["{__name__=~\"(?s:.+)\"}"], Format::OpenMetrics, 1_000);
        let (mut reader, mut gathered) = (TextReader::default(), Gathered::default());
        for line in text.lines() {
            prop_assert_eq!(reader.read(line.as_bytes(), &mut gathered), Ok(()), "{}", line);
        }
        let read: Vec<_> = gathered.points.iter().flat_map(|(labels, points)| {
            points.iter().map(|(time, value)| (labels.clone(), *time, value.to_bits()))
        }).collect();
        let nan = f64::NAN.to_bits();
        let expected: Vec<_> = points.iter().map(|(time, value)| {
            let bits = if value.is_nan() { nan } else { value.to_bits() };
            (list.0[0].labels.clone(), *time, bits)
        }).collect();
        prop_assert_eq!(read, expected);
    }
}
