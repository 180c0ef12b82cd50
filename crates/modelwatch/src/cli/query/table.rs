//! Results of one time as an aligned table, and the samples of a range selector below each other.

use std::collections::BTreeSet;

use model::{Labels, UnixMs};
use query::Value;

use super::{
    rows::{Row, rows},
    text::{harmless, pad_left, pad_right, series, width},
    time::rfc3339,
};

/// Labels that get a column each; with more, series are written as selectors.
const COLUMNS_MAX: usize = 6;

/// Between two columns.
const GAP: &str = "  ";

/// `value` as lines, of up to `columns` columns of the terminal where that is possible.
pub(super) fn table(value: &Value, columns: usize) -> Vec<String> {
    let has_times = matches!(value, Value::Matrix(_));
    let rows: Vec<Row<'_>> = rows(value, UnixMs(0)).collect();
    if let [row] = rows.as_slice()
        && row.labels.is_none_or(Labels::is_empty)
        && !has_times
    {
        // A single number is what a script wants to read.
        return vec![harmless(&row.text)];
    }
    let in_columns = in_columns(&rows, has_times)
        .filter(|lines| lines.iter().all(|line| width(line) <= columns));
    in_columns.unwrap_or_else(|| as_selectors(&rows, has_times, columns))
}

/// A column for each label, if there are some and few.
fn in_columns(rows: &[Row<'_>], has_times: bool) -> Option<Vec<String>> {
    let labels = rows.iter().filter_map(|row| row.labels);
    let names: BTreeSet<&str> =
        labels.flat_map(|labels| labels.iter().map(|(name, _)| name)).collect();
    if names.is_empty() || names.len() > COLUMNS_MAX {
        return None;
    }
    let mut lines = vec![names.iter().map(|name| harmless(name)).collect::<Vec<_>>()];
    for row in rows {
        let value =
            |name: &&str| harmless(row.labels.and_then(|labels| labels.get(name)).unwrap_or(""));
        lines.push(names.iter().map(value).collect());
    }
    let ends = std::iter::once(("time".to_owned(), "value".to_owned()));
    for (line, (time, value)) in lines.iter_mut().zip(ends.chain(rows.iter().map(end))) {
        line.extend(has_times.then_some(time));
        line.push(value);
    }
    Some(aligned(&lines, usize::MAX))
}

/// The whole series in one column.
fn as_selectors(rows: &[Row<'_>], has_times: bool, columns: usize) -> Vec<String> {
    let lines = rows.iter().map(|row| {
        let (time, value) = end(row);
        let series = row.labels.map(series).unwrap_or_default();
        [series].into_iter().chain(has_times.then_some(time)).chain([value]).collect()
    });
    aligned(&lines.collect::<Vec<_>>(), columns)
}

/// Time and value of a row.
fn end(row: &Row<'_>) -> (String, String) {
    (rfc3339(row.time), harmless(&row.text))
}

/// Lines whose cells are below each other, the last ones with their right sides. Where a first cell leaves
/// the others no room in `columns`, it moves those of its own line alone.
fn aligned(lines: &[Vec<String>], columns: usize) -> Vec<String> {
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0; count];
    for line in lines {
        for (widest, cell) in widths.iter_mut().zip(line) {
            *widest = width(cell).max(*widest);
        }
    }
    let others: usize = widths.iter().skip(1).map(|width| width + GAP.len()).sum();
    if let Some(first) = widths.first_mut() {
        *first = (*first).min(columns.saturating_sub(others));
    }
    let line = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column + 1 == count { pad_left(cell, *width) } else { pad_right(cell, *width) }
        });
        cells.collect::<Vec<_>>().join(GAP)
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{NAME, histogram::Histogram};
    use query::{Element, Sample, Series};

    use super::*;

    fn vector(elements: &[(&[(&str, &str)], f64)]) -> Value {
        let element = |(labels, value): &(&[(&str, &str)], f64)| Element {
            labels: Labels::from_pairs(labels.iter().copied()),
            sample: Sample::Float(*value),
        };
        Value::Vector(elements.iter().map(element).collect())
    }

    fn check(value: &Value, columns: usize, expected: &[&str]) {
        assert_eq!(table(value, columns), expected);
    }

    #[test]
    fn single_values_are_bare() {
        check(&Value::Scalar(0.1 + 0.2), 80, &["0.30000000000000004"]);
        check(&Value::String("a\u{1b}".into()), 80, &["a\\u{1b}"]);
        check(&vector(&[(&[], 3.0)]), 80, &["3"]);
        check(&vector(&[]), 80, &[]);
    }

    #[test]
    fn few_labels_are_columns() {
        let value = vector(&[
            (&[(NAME, "up"), ("job", "模型")], 1.0),
            (&[(NAME, "up"), ("instance", "a:1")], 12.5),
        ]);
        let expected = [
            "__name__  instance  job   value",
            "up                  模型      1",
            "up        a:1              12.5",
        ];
        check(&value, 80, &expected);
        check(&value, 31, &expected);
        check(&value, 30, &["up{job=\"模型\"}         1", "up{instance=\"a:1\"}  12.5"]);
    }

    #[test]
    fn a_long_series_moves_its_own_value_only() {
        let value =
            vector(&[(&[("a", "1234567890")], 1.0), (&[("a", "1")], 222.0), (&[("a", "\n")], 3.0)]);
        let expected = ["{a=\"1234567890\"}    1", "{a=\"1\"}      222", "{a=\"\\n\"}       3"];
        check(&value, 16, &expected);
    }

    #[test]
    fn samples_of_a_range_selector_have_times() {
        let histogram = Histogram { count: 42.0, sum: 3.1, ..Histogram::default() };
        let series = Series {
            labels: Labels::from_pairs([("a", "b")]),
            times: vec![0, 1_500],
            values: vec![1.0, f64::NAN],
            histograms: vec![(2_000, Arc::new(histogram))],
        };
        let expected = [
            "a  time                                 value",
            "b  1970-01-01T00:00:00Z                     1",
            "b  1970-01-01T00:00:01.500Z               NaN",
            "b  1970-01-01T00:00:02Z      count:42 sum:3.1",
        ];
        check(&Value::Matrix(vec![series]), 80, &expected);
    }
}
