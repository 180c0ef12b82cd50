//! Files of tests, read with everything that is wrong told at once.

use std::time::Duration;

use model::{Labels, UnixMs};
use query::notation::{Line, histogram, words};

use super::{AlertCase, Expected, QueryCase, Test, TestFile, Texts};
use crate::{
    rules::{Problem, file::duration},
    yaml::{self, Fields, Node, Problems},
};

const FILE_KEYS: [&str; 5] =
    ["rule_files", "evaluation_interval", "group_eval_order", "fuzzy_compare", "tests"];
const TEST_KEYS: [&str; 8] = [
    "interval",
    "input_series",
    "name",
    "alert_rule_test",
    "promql_expr_test",
    "external_labels",
    "external_url",
    "start_timestamp",
];
const SERIES_KEYS: [&str; 2] = ["series", "values"];
const ALERT_CASE_KEYS: [&str; 3] = ["eval_time", "alertname", "exp_alerts"];
const ALERT_KEYS: [&str; 2] = ["exp_labels", "exp_annotations"];
const QUERY_CASE_KEYS: [&str; 3] = ["expr", "eval_time", "exp_samples"];
const SAMPLE_KEYS: [&str; 3] = ["labels", "value", "histogram"];

const INTERVAL: Duration = Duration::from_secs(60);

/// Reads a file of tests.
pub fn parse(text: &str) -> Result<TestFile, Vec<Problem>> {
    let root = yaml::parse(text).map_err(|problem| vec![problem])?;
    let mut problems = Problems::default();
    let file = match &root {
        Some(root) => file(root, &mut problems),
        None => {
            let empty = Problem { line: 0, column: 0, reason: "the file is empty".into() };
            return Err(vec![empty]);
        }
    };
    let problems = problems.into_sorted();
    file.filter(|_| problems.is_empty()).ok_or(problems)
}

fn file(node: &Node, problems: &mut Problems) -> Option<TestFile> {
    let fields = Fields::read(node, "a file of tests", &FILE_KEYS, problems)?;
    let interval = length(&fields, "evaluation_interval", problems).unwrap_or(INTERVAL);
    let mut group_order: Vec<String> = Vec::new();
    for node in fields.list("group_eval_order", problems) {
        let name = text(node, problems);
        if group_order.iter().any(|known| known == name) {
            problems.add(node.problem(format!("group {name:?} is named twice")));
        }
        group_order.push(name.to_owned());
    }
    let is_fuzzy = fields.parsed("fuzzy_compare", problems, |text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{other:?} is neither true nor false")),
    });
    let rule_files = fields.list("rule_files", problems).iter();
    let rule_files = rule_files.map(|node| text(node, problems).to_owned()).collect();
    let tests = fields.list("tests", problems).iter();
    Some(TestFile {
        rule_files,
        evaluation_interval: interval,
        group_order,
        is_fuzzy: is_fuzzy.unwrap_or(false),
        tests: tests.filter_map(|node| test(node, interval, problems)).collect(),
    })
}

fn text<'a>(node: &'a Node, problems: &mut Problems) -> &'a str {
    node.text().unwrap_or_else(|| {
        problems.add(node.problem(format!("expected text, not {}", node.kind())));
        ""
    })
}

/// A duration that is more than nothing.
fn length(fields: &Fields<'_>, name: &str, problems: &mut Problems) -> Option<Duration> {
    fields.parsed(name, problems, duration).filter(|length| !length.is_zero())
}

fn test(node: &Node, interval: Duration, problems: &mut Problems) -> Option<Test> {
    let fields = Fields::read(node, "a test", &TEST_KEYS, problems)?;
    let mut series: Vec<Line> = Vec::new();
    for node in fields.list("input_series", problems) {
        let Some(line) = input(node, problems) else { continue };
        // Of a series that is named twice the last one counts, as in promtool.
        series.retain(|other| other.labels != line.labels);
        series.push(line);
    }
    let alerts = fields.list("alert_rule_test", problems).iter();
    let alerts = alerts.filter_map(|node| alert_case(node, problems)).collect();
    let queries = fields.list("promql_expr_test", problems).iter();
    let queries = queries.filter_map(|node| query_case(node, problems)).collect();
    Some(Test {
        name: fields.text("name", problems).to_owned(),
        line: node.line,
        interval: length(&fields, "interval", problems).unwrap_or(interval),
        start: fields.parsed("start_timestamp", problems, time).unwrap_or_default(),
        series,
        alerts,
        queries,
        external_labels: texts(&fields, "external_labels", problems),
        external_url: fields.text("external_url", problems).to_owned(),
    })
}

/// Seconds since 1970, or RFC 3339.
fn time(text: &str) -> Result<UnixMs, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.abs() < 1e11);
    let time = seconds.map(|seconds| UnixMs((seconds * 1e3).round() as i64));
    time.or_else(|| model::parse_rfc3339(text)).ok_or_else(|| {
        format!("{text:?} is no time; write seconds since 1970 or 2026-11-28T12:00:00Z")
    })
}

fn input(node: &Node, problems: &mut Problems) -> Option<Line> {
    let fields = Fields::read(node, "a series", &SERIES_KEYS, problems)?;
    let (series, values) = (fields.text("series", problems), fields.text("values", problems));
    let read = labels(series).and_then(|labels| {
        let Line { points, .. } = Line::read(&format!("{{}} {values}"))?;
        Ok(Line { labels, points })
    });
    let place = fields.get("values").unwrap_or(node);
    read.map_err(|reason| problems.add(place.problem(reason))).ok()
}

/// A label set with nothing behind it.
fn labels(text: &str) -> Result<Labels, String> {
    let (labels, rest) = words::labels(text.trim())?;
    if rest.is_empty() { Ok(labels) } else { Err(format!("not a series: {text}")) }
}

fn texts(fields: &Fields<'_>, name: &str, problems: &mut Problems) -> Vec<(String, String)> {
    let pairs = fields.texts(name, problems).into_iter();
    let mut texts: Vec<(String, String)> = pairs
        .map(|(key, value)| (key.text(), value.text()))
        .map(|(key, value)| (key.unwrap_or_default().into(), value.unwrap_or_default().into()))
        .filter(|(_, value): &(String, String)| !value.is_empty())
        .collect();
    texts.sort();
    texts
}

fn alert_case(node: &Node, problems: &mut Problems) -> Option<AlertCase> {
    let fields = Fields::read(node, "an alert_rule_test", &ALERT_CASE_KEYS, problems)?;
    let name = fields.text("alertname", problems);
    if name.is_empty() {
        problems.add(node.problem("the test has no \"alertname\""));
    }
    let mut expected = Vec::new();
    for node in fields.list("exp_alerts", problems) {
        let Some(fields) = Fields::read(node, "an alert", &ALERT_KEYS, problems) else { continue };
        let mut labels = texts(&fields, "exp_labels", problems);
        labels.retain(|(name, _)| name != model::alert::ALERT_NAME);
        labels.push((model::alert::ALERT_NAME.into(), name.into()));
        labels.sort();
        expected.push(Texts { labels, annotations: texts(&fields, "exp_annotations", problems) });
    }
    expected.sort();
    let at = fields.parsed("eval_time", problems, duration).unwrap_or_default();
    Some(AlertCase { line: node.line, name: name.to_owned(), at, expected })
}

fn query_case(node: &Node, problems: &mut Problems) -> Option<QueryCase> {
    let fields = Fields::read(node, "a promql_expr_test", &QUERY_CASE_KEYS, problems)?;
    let at = fields.parsed("eval_time", problems, duration).unwrap_or_default();
    let samples = fields.list("exp_samples", problems).iter();
    let expected = samples.filter_map(|node| sample(node, problems)).collect();
    let text = fields.text("expr", problems);
    let expr = query::parse(text).map_err(|error| {
        let place = fields.get("expr").unwrap_or(node);
        let (line, column) = place.place(error.position.0, error.position.1);
        let reason = format!("cannot parse the expression: {}", error.message);
        problems.add(Problem { line, column, reason });
    });
    Some(QueryCase { line: node.line, expr: expr.ok()?, at, expected })
}

fn sample(node: &Node, problems: &mut Problems) -> Option<(Labels, Expected)> {
    let fields = Fields::read(node, "a sample", &SAMPLE_KEYS, problems)?;
    let histogram = fields.parsed("histogram", problems, |text| {
        let (written, rest) = histogram::read(text.trim())?;
        if rest.is_empty() { Ok(written) } else { Err(format!("not a histogram: {text}")) }
    });
    let value = match histogram {
        Some(histogram) => Expected::Histogram(histogram),
        None => Expected::Float(fields.parsed("value", problems, number).unwrap_or(0.0)),
    };
    let found = fields.parsed("labels", problems, |text| match text.trim() {
        "{}" => Ok(Labels::empty()),
        text => labels(text),
    });
    Some((found.unwrap_or_else(Labels::empty), value))
}

/// A number of YAML.
fn number(text: &str) -> Result<f64, String> {
    match text.to_ascii_lowercase().as_str() {
        ".nan" => Ok(f64::NAN),
        ".inf" | "+.inf" => Ok(f64::INFINITY),
        "-.inf" => Ok(f64::NEG_INFINITY),
        _ => words::number(&text.replace('_', "")),
    }
}
