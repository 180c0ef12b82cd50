//! A query's value as JSON, and what the query cost.

use std::time::Duration;

use model::{UnixMs, histogram::Histogram};
use query::{
    Element, Sample, Series, Stats, Value,
    format::{write_float, write_json_float},
    histogram::buckets,
};

use super::super::json::{
    TooLarge, bounded_list, write_labels, write_point, write_string, write_time,
};

/// What a query's `data` is made of.
pub(crate) struct Report<'a> {
    pub(crate) value: &'a Value,
    /// That of an instant query; a scalar and a string carry it.
    pub(crate) time: UnixMs,
    /// Only where the asker wants them.
    pub(crate) costs: Option<Costs<'a>>,
}

/// What a query cost.
#[derive(Clone, Copy)]
pub(crate) struct Costs<'a> {
    pub(super) stats: &'a Stats,
    /// How long it waited for its turn.
    pub(super) queued: Duration,
    /// How long it then took.
    pub(super) evaluated: Duration,
    pub(super) has_steps: bool,
}

impl Report<'_> {
    /// `{"resultType":...,"result":...,"stats":...}`, at most so many bytes of results.
    pub(crate) fn render(&self, bytes_max: usize) -> Result<String, TooLarge> {
        let mut out = String::from("{\"resultType\":\"");
        match self.value {
            Value::Scalar(number) => {
                out.push_str("scalar\",\"result\":");
                write_point(&mut out, self.time, *number);
            }
            Value::String(text) => {
                out.push_str("string\",\"result\":[");
                write_time(&mut out, self.time);
                out.push(',');
                write_string(&mut out, text);
                out.push(']');
            }
            Value::Vector(elements) => {
                out.push_str("vector\",\"result\":");
                bounded_list(&mut out, elements.iter(), bytes_max, |out, element| {
                    write_element(out, element, self.time);
                })?;
            }
            Value::Matrix(series) => {
                out.push_str("matrix\",\"result\":");
                bounded_list(&mut out, series.iter(), bytes_max, write_series)?;
            }
        }
        if let Some(costs) = &self.costs {
            out.push_str(",\"stats\":");
            write_costs(&mut out, costs);
        }
        out.push('}');
        Ok(out)
    }
}

fn write_element(out: &mut String, element: &Element, time: UnixMs) {
    out.push_str("{\"metric\":");
    write_labels(out, &element.labels);
    match &element.sample {
        Sample::Float(number) => {
            out.push_str(",\"value\":");
            write_point(out, time, *number);
        }
        Sample::Histogram(histogram) => {
            out.push_str(",\"histogram\":");
            write_histogram_point(out, time, histogram);
        }
    }
    out.push('}');
}

/// Neither of the two lists is there when it is empty.
fn write_series(out: &mut String, series: &Series) {
    out.push_str("{\"metric\":");
    write_labels(out, &series.labels);
    for (index, (time, number)) in series.times.iter().zip(&series.values).enumerate() {
        out.push_str(if index == 0 { ",\"values\":[" } else { "," });
        write_point(out, UnixMs(*time), *number);
    }
    if !series.times.is_empty() {
        out.push(']');
    }
    for (index, (time, histogram)) in series.histograms.iter().enumerate() {
        out.push_str(if index == 0 { ",\"histograms\":[" } else { "," });
        write_histogram_point(out, UnixMs(*time), histogram);
    }
    if !series.histograms.is_empty() {
        out.push(']');
    }
    out.push('}');
}

fn write_histogram_point(out: &mut String, time: UnixMs, histogram: &Histogram) {
    out.push('[');
    write_time(out, time);
    out.push(',');
    write_histogram(out, histogram);
    out.push(']');
}

/// `{"count":"3","sum":"5","buckets":[[0,"1","2","3"]]}`. A bucket begins with which of its bounds belong to
/// it: 0 the upper, 1 the lower, 2 neither, 3 both. Empty buckets are left out.
fn write_histogram(out: &mut String, histogram: &Histogram) {
    out.push_str("{\"count\":");
    write_number(out, histogram.count);
    out.push_str(",\"sum\":");
    write_number(out, histogram.sum);
    let mut is_first = true;
    for bucket in buckets(histogram).filter(|bucket| bucket.count != 0.0) {
        out.push_str(if is_first { ",\"buckets\":[" } else { "," });
        is_first = false;
        out.push_str(match (bucket.lower_inclusive, bucket.upper_inclusive) {
            (false, true) => "[0",
            (true, false) => "[1",
            (false, false) => "[2",
            (true, true) => "[3",
        });
        for number in [bucket.lower, bucket.upper, bucket.count] {
            out.push(',');
            write_number(out, number);
        }
        out.push(']');
    }
    out.push_str(if is_first { "}" } else { "]}" });
}

/// A float in quotes, because JSON has no `NaN`.
fn write_number(out: &mut String, number: f64) {
    out.push('"');
    write_json_float(out, number);
    out.push('"');
}

/// Under Prometheus' names, and how many series were read. Reading, evaluating and sorting are one here and
/// told as evaluation; parsing is over before the clock starts.
fn write_costs(out: &mut String, costs: &Costs<'_>) {
    let (queued, evaluated) = (costs.queued.as_secs_f64(), costs.evaluated.as_secs_f64());
    let timings = [
        ("evalTotalTime", evaluated),
        ("resultSortTime", 0.0),
        ("queryPreparationTime", 0.0),
        ("innerEvalTime", evaluated),
        ("execQueueTime", queued),
        ("execTotalTime", queued + evaluated),
    ];
    out.push_str("{\"timings\":{");
    for (index, (name, seconds)) in timings.into_iter().enumerate() {
        out.push_str(if index == 0 { "\"" } else { ",\"" });
        out.push_str(&format!("{name}\":{seconds}"));
    }
    out.push_str("},\"samples\":{");
    let Stats { series, samples, samples_peak, samples_per_step } = costs.stats;
    if costs.has_steps && !samples_per_step.is_empty() {
        out.push_str("\"totalQueryableSamplesPerStep\":[");
        for (index, (time, count)) in samples_per_step.iter().enumerate() {
            out.push_str(if index == 0 { "[" } else { ",[" });
            write_float(out, UnixMs(*time).seconds());
            out.push_str(&format!(",{count}]"));
        }
        out.push_str("],");
    }
    out.push_str(&format!(
        "\"totalQueryableSamples\":{samples},\"peakSamples\":{samples_peak},\"series\":{series}}}}}"
    ));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{
        Labels,
        histogram::{Buckets, Span},
    };

    use super::*;

    fn check(value: &Value, expected: &str) {
        let report = Report { value, time: UnixMs(1_500), costs: None };
        assert_eq!(report.render(usize::MAX).as_deref(), Ok(expected));
    }

    fn histogram() -> Arc<Histogram> {
        let buckets = |counts: &[f64]| Buckets {
            spans: vec![Span { offset: 0, length: counts.len() as u32 }],
            counts: counts.to_vec(),
        };
        Arc::new(Histogram {
            zero_threshold: 0.001,
            zero_count: 2.0,
            count: 12.5,
            sum: 1e-7,
            positive: buckets(&[1.0, 0.0, 3.5]),
            negative: buckets(&[2.0, 4.0]),
            ..Histogram::default()
        })
    }

    const HISTOGRAM: &str = r#"{"count":"12.5","sum":"1e-07","buckets":[[1,"-2","-1","4"],[1,"-1","-0.5","2"],[3,"-0.001","0.001","2"],[0,"0.5","1","1"],[0,"2","4","3.5"]]}"#;

    #[test]
    fn values() {
        check(&Value::Scalar(2.0), r#"{"resultType":"scalar","result":[1.500,"2"]}"#);
        check(&Value::String("a\"".into()), r#"{"resultType":"string","result":[1.500,"a\""]}"#);
        check(&Value::Vector(Vec::new()), r#"{"resultType":"vector","result":[]}"#);
        check(&Value::Matrix(Vec::new()), r#"{"resultType":"matrix","result":[]}"#);
        let element = |sample| Element { labels: Labels::metric("up", [("job", "a")]), sample };
        let vector = vec![element(Sample::Float(1e21)), element(Sample::Histogram(histogram()))];
        let metric = r#""metric":{"__name__":"up","job":"a"}"#;
        check(
            &Value::Vector(vector),
            &format!(
                r#"{{"resultType":"vector","result":[{{{metric},"value":[1.500,"1e+21"]}},{{{metric},"histogram":[1.500,{HISTOGRAM}]}}]}}"#
            ),
        );
        let mixed = Series {
            labels: Labels::metric("up", [("job", "a")]),
            times: vec![1_000, 2_000],
            values: vec![f64::NAN, f64::INFINITY],
            histograms: vec![(3_001, histogram())],
        };
        let empty = Series::default();
        check(
            &Value::Matrix(vec![mixed, empty]),
            &format!(
                r#"{{"resultType":"matrix","result":[{{{metric},"values":[[1,"NaN"],[2,"+Inf"]],"histograms":[[3.001,{HISTOGRAM}]]}},{{"metric":{{}}}}]}}"#
            ),
        );
        let nothing = Arc::new(Histogram { schema: 3, ..Histogram::default() });
        check(
            &Value::Vector(vec![element(Sample::Histogram(nothing))]),
            &format!(
                r#"{{"resultType":"vector","result":[{{{metric},"histogram":[1.500,{{"count":"0","sum":"0"}}]}}]}}"#
            ),
        );
    }

    #[test]
    fn costs() {
        let stats = Stats {
            series: 2,
            samples: 30,
            samples_peak: 20,
            samples_per_step: vec![(1_000, 10), (2_500, 20)],
        };
        let check = |has_steps, steps: &str| {
            let costs = Costs {
                stats: &stats,
                queued: Duration::from_millis(250),
                evaluated: Duration::from_millis(500),
                has_steps,
            };
            let mut out = String::new();
            write_costs(&mut out, &costs);
            assert_eq!(
                out,
                format!(
                    r#"{{"timings":{{"evalTotalTime":0.5,"resultSortTime":0,"queryPreparationTime":0,"innerEvalTime":0.5,"execQueueTime":0.25,"execTotalTime":0.75}},"samples":{{{steps}"totalQueryableSamples":30,"peakSamples":20,"series":2}}}}"#
                )
            );
        };
        check(false, "");
        check(true, r#""totalQueryableSamplesPerStep":[[1,10],[2.5,20]],"#);
    }

    #[test]
    fn results_that_are_too_large_are_refused() {
        let series =
            vec![Series { times: vec![0; 100], values: vec![0.0; 100], ..Series::default() }];
        let value = Value::Matrix(series);
        let report = Report { value: &value, time: UnixMs(0), costs: None };
        assert!(report.render(10_000).is_ok());
        assert_eq!(report.render(100), Err(TooLarge { bytes_max: 100 }));
    }
}
