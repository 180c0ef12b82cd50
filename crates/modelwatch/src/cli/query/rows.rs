//! A result as rows, one for each sample.

use model::{Labels, UnixMs, histogram::Histogram};
use query::{Sample, Series, Value, format::write_json_float};

/// One sample.
pub(super) struct Row<'a> {
    /// A scalar and a string have none.
    pub(super) labels: Option<&'a Labels>,
    pub(super) time: UnixMs,
    /// A number as Prometheus writes it, a string, or what [`summary`] says of a histogram.
    pub(super) text: String,
}

/// The rows of `value`, in its order; `time` is that of an instant result.
pub(super) fn rows(value: &Value, time: UnixMs) -> Box<dyn Iterator<Item = Row<'_>> + '_> {
    let alone = |text| Box::new(std::iter::once(Row { labels: None, time, text }));
    match value {
        Value::Scalar(value) => alone(number(*value)),
        Value::String(text) => alone(text.clone()),
        Value::Vector(elements) => Box::new(elements.iter().map(move |element| {
            let text = match &element.sample {
                Sample::Float(value) => number(*value),
                Sample::Histogram(histogram) => summary(histogram),
            };
            Row { labels: Some(&element.labels), time, text }
        })),
        Value::Matrix(series) => Box::new(series.iter().flat_map(samples)),
    }
}

/// Floats and histograms of one series, oldest first.
fn samples(series: &Series) -> impl Iterator<Item = Row<'_>> {
    let mut floats = series.times.iter().zip(&series.values).peekable();
    let mut histograms = series.histograms.iter().peekable();
    std::iter::from_fn(move || {
        let is_float_next = match (floats.peek(), histograms.peek()) {
            (Some((float, _)), Some((histogram, _))) => **float <= *histogram,
            (float, _) => float.is_some(),
        };
        let (time, text) = if is_float_next {
            floats.next().map(|(time, value)| (*time, number(*value)))?
        } else {
            histograms.next().map(|(time, histogram)| (*time, summary(histogram)))?
        };
        Some(Row { labels: Some(&series.labels), time: UnixMs(time), text })
    })
}

/// A number as the API writes it, with an exponent where it is very large or very small.
fn number(value: f64) -> String {
    let mut text = String::new();
    write_json_float(&mut text, value);
    text
}

/// A native histogram in one word.
pub(super) fn summary(histogram: &Histogram) -> String {
    let [count, sum] = [histogram.count, histogram.sum].map(number);
    format!("count:{count} sum:{sum}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn numbers_are_those_of_the_api() {
        for (value, expected) in
            [(1e300, "1e+300"), (5e-324, "5e-324"), (-0.1, "-0.1"), (f64::NAN, "NaN")]
        {
            let text = rows(&Value::Scalar(value), UnixMs(0)).next().unwrap().text;
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn floats_and_histograms_come_in_order_of_time() {
        let histogram = Arc::new(Histogram { count: 42.0, sum: 3.1, ..Histogram::default() });
        let series = Series {
            labels: Labels::empty(),
            times: vec![1, 4],
            values: vec![0.5, f64::INFINITY],
            histograms: vec![(2, Arc::clone(&histogram)), (9, histogram)],
        };
        let value = Value::Matrix(vec![series]);
        let found: Vec<(i64, String)> =
            rows(&value, UnixMs(0)).map(|row| (row.time.0, row.text)).collect();
        let expected = [(1, "0.5"), (2, "count:42 sum:3.1"), (4, "+Inf"), (9, "count:42 sum:3.1")];
        assert_eq!(found, expected.map(|(time, text)| (time, text.to_owned())));
    }
}
