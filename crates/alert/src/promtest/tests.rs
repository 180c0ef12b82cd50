use proptest::prelude::*;

use super::*;
use crate::rules::file;

const RULES: &str = r#"
groups:
- name: first
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
- name: second
  rules:
  - alert: Down
    expr: up == 0
    for: 5m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.instance }} of {{ $externalLabels.site }} is down"}
  - alert: All
    expr: job:up:sum == 0
    keep_firing_for: 3m
"#;

const TESTS: &str = r#"
rule_files: [rules.yml]
evaluation_interval: 1m
group_eval_order: [first, second]
tests:
- name: goes down
  interval: 1m
  external_labels: {site: x}
  input_series:
  - series: up{job="a", instance="i"}
    values: 1 1 0x8 1x10
  - series: h
    values: '{{count:2 sum:3 buckets:[2]}}x20'
  alert_rule_test:
  - eval_time: 6m
    alertname: Down
  - eval_time: 7m30s
    alertname: Down
    exp_alerts:
    - exp_labels: {severity: page, job: a, instance: i}
      exp_annotations: {summary: i of x is down}
  - eval_time: 13m
    alertname: All
    exp_alerts: [{exp_labels: {job: a}}]
  - eval_time: 15m
    alertname: All
  promql_expr_test:
  - expr: job:up:sum
    eval_time: 3m
    exp_samples: [{labels: 'job:up:sum{job="a"}', value: 0}]
  - expr: h
    eval_time: 3m
    exp_samples: [{labels: h, histogram: '{{count:2 sum:3 buckets:[2]}}'}]
  - expr: count(up == 7)
    eval_time: 3m
  - expr: 0.1 + 0.2
    exp_samples: [{value: 0.30000000000000004}]
  - expr: time()
    eval_time: 90s
    exp_samples: [{labels: '{}', value: 9.0e1}]
"#;

fn failures(tests: &str) -> Vec<String> {
    let rules = file::parse(RULES).unwrap();
    let file = match parse(tests) {
        Ok(file) => file,
        Err(problems) => {
            let shown = |problem: &crate::rules::Problem| {
                format!("{}:{}: {}", problem.line, problem.column, problem.reason)
            };
            return problems.iter().map(shown).collect();
        }
    };
    let shown = |failure: &Failure| format!("{} {:?}", failure.line, failure.kind);
    run(&file, &[rules]).iter().map(shown).collect()
}

#[test]
fn what_is_as_expected_passes() {
    assert_eq!(failures(TESTS), [""; 0]);
}

#[test]
fn what_is_not_as_expected_is_told() {
    for (old, new, expected) in [
        (
            "7m30s",
            "6m59s",
            r#"17 Alerts { name: "Down", at: 419s, expected: ["{alertname=\"Down\", instance=\"i\", job=\"a\", severity=\"page\"} {summary=\"i of x is down\"}"], found: [] }"#,
        ),
        (
            "i of x is down",
            "other",
            r#"17 Alerts { name: "Down", at: 450s, expected: ["{alertname=\"Down\", instance=\"i\", job=\"a\", severity=\"page\"} {summary=\"other\"}"], found: ["{alertname=\"Down\", instance=\"i\", job=\"a\", severity=\"page\"} {summary=\"i of x is down\"}"] }"#,
        ),
        (
            "value: 0}",
            "value: 1}",
            r#"28 Samples { query: "job:up:sum", at: 180s, expected: ["job:up:sum{job=\"a\"} 1"], found: ["job:up:sum{job=\"a\"} 0"] }"#,
        ),
        (
            "0.30000000000000004",
            "0.3",
            r#"36 Samples { query: "0.1 + 0.2", at: 0ns, expected: ["{} 0.3"], found: ["{} 0.30000000000000004"] }"#,
        ),
        (
            "up == 7",
            "up * on() {__name__!=\"\"}",
            r#"34 Query { query: "count(up * on() {__name__!=\"\"})", at: 180s, reason: "#,
        ),
        ("7m30s", "900d", "6 TooMuch { reason: "),
        ("fuzzy", "", ""),
    ] {
        let found = failures(&TESTS.replace(old, new));
        assert!(found.iter().all(|failure| failure.starts_with(expected)), "{new}: {found:#?}");
        assert_eq!(found.len(), usize::from(!expected.is_empty()), "{new}");
    }
    let lenient = TESTS.replace("0.30000000000000004", "0.3");
    assert_eq!(failures(&format!("fuzzy_compare: true\n{lenient}")), [""; 0]);
}

#[test]
fn tests_may_begin_at_any_time() {
    let tests = TESTS
        .replace("  interval: 1m\n", "  interval: 1m\n  start_timestamp: 2026-11-28T12:00:00Z\n");
    let found = failures(&tests.replace("value: 9.0e1", "value: 1795867290"));
    assert_eq!(found, [""; 0]);
    assert_eq!(failures(&tests).len(), 1);
}

#[test]
fn what_is_no_file_of_tests_says_where() {
    assert_eq!(failures(""), ["0:0: the file is empty"]);
    let tests = r#"
rule_file: x
group_eval_order: [a, a]
tests:
- interval: 1
  input_series:
  - series: up{
    values: 1
  - series: up
    values: 1x
  alert_rule_test:
  - eval_time: 1m
  promql_expr_test:
  - expr: sum(
    exp_samples: [{labels: a b, value: x}]
  start_timestamp: yesterday
"#;
    assert_eq!(
        failures(tests),
        [
            r#"2:1: a file of tests has no key "rule_file"; its keys are rule_files, evaluation_interval, group_eval_order, fuzzy_compare, tests"#,
            r#"3:23: group "a" is named twice"#,
            r#"5:13: "interval": "1" is no duration; write for example 30s, 5m or 1h30m"#,
            "8:13: not a series: up{",
            r#"10:13: not a number: "1x""#,
            r#"12:5: the test has no "alertname""#,
            "14:15: cannot parse the expression: unclosed left parenthesis",
            r#"15:28: "labels": not a series: a b"#,
            r#"15:40: "value": not a number: "x""#,
            r#"16:20: "start_timestamp": "yesterday" is no time; write seconds since 1970 or 2026-11-28T12:00:00Z"#,
        ]
    );
}

/// Lines of files of tests, so that random ones are often nearly right.
const LINES: [&str; 16] = [
    "tests:\n",
    "- interval: 1s\n",
    "  input_series:\n",
    "  - {series: up, values: 1x5}\n",
    "  - {series: 'up{', values: '{{schema:3 buckets:[1]}}+{{sum:1}}x3'}\n",
    "  alert_rule_test:\n",
    "  - {alertname: Down, eval_time: 3m}\n",
    "    exp_alerts: [{exp_labels: {a: b}}]\n",
    "  promql_expr_test:\n",
    "  - {expr: up, eval_time: 1m, exp_samples: [{labels: up, value: 1}]}\n",
    "  - {expr: 'sum(', exp_samples: 5}\n",
    "evaluation_interval: 30s\n",
    "evaluation_interval: 0\n",
    "  start_timestamp: -9e10\n",
    "fuzzy_compare: maybe\n",
    "- []\n",
];

proptest! {
    #[test]
    fn any_file_is_carried_out_or_refused(picks in prop::collection::vec(0..LINES.len(), 0..12)) {
        let text: String = picks.iter().filter_map(|pick| LINES.get(*pick)).copied().collect();
        if let Ok(file) = parse(&text) {
            run(&file, &[file::parse(RULES).unwrap()]);
        }
    }
}
