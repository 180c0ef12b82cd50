//! Rule files: read as Prometheus reads them, with everything that is wrong told at once.
//!
//! What Prometheus 3 accepts is accepted, names in UTF-8 and group labels included; what `promtool check rules`
//! refuses is refused.
//! Source: Prometheus documentation, "Recording rules", "Alerting rules" (3.x).

use std::{collections::HashSet, time::Duration};

use super::{Group, Kind, Problem, Rule, RuleFile, templates};
use crate::yaml::{self, Fields, Node, Problems, Yaml};

const FILE_KEYS: [&str; 1] = ["groups"];
const GROUP_KEYS: [&str; 6] = ["name", "interval", "query_offset", "limit", "labels", "rules"];
const RULE_KEYS: [&str; 7] =
    ["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"];

/// Reads a rule file.
pub fn parse(text: &str) -> Result<RuleFile, Vec<Problem>> {
    let root = yaml::parse(text).map_err(|problem| vec![problem])?;
    let mut problems = Problems::default();
    let mut file = RuleFile::default();
    if let Some(root) = &root
        && let Some(fields) = Fields::read(root, "a rule file", &FILE_KEYS, &mut problems)
    {
        let mut names = HashSet::new();
        for node in fields.list("groups", &mut problems) {
            let Some(group) = group(node, &mut problems) else { continue };
            if !names.insert(group.name.clone()) {
                let reason = format!(
                    "group {:?} is there already; each name may be used once in a file",
                    group.name
                );
                problems.add(node.problem(reason));
            }
            file.groups.push(group);
        }
    }
    let problems = problems.into_sorted();
    if problems.is_empty() { Ok(file) } else { Err(problems) }
}

/// Reads rules as they stand in a group's `rules`, or a single one; what a person writes on the page.
pub fn parse_rules(text: &str) -> Result<Vec<Rule>, Vec<Problem>> {
    let root = yaml::parse(text).map_err(|problem| vec![problem])?;
    let mut problems = Problems::default();
    let rules = match &root {
        Some(Node { value: Yaml::List(items), .. }) => {
            items.iter().filter_map(|node| rule(node, &mut problems)).collect()
        }
        Some(node) => rule(node, &mut problems).into_iter().collect(),
        None => Vec::new(),
    };
    let problems = problems.into_sorted();
    if problems.is_empty() { Ok(rules) } else { Err(problems) }
}

/// Rules with the name and labels of an earlier one in the file. That is allowed, and rarely meant: the series that
/// both write are mixed.
pub fn duplicates(file: &RuleFile) -> Vec<Problem> {
    let mut seen = HashSet::new();
    let rules = file.groups.iter().flat_map(|group| &group.rules);
    let repeated = rules.filter(|rule| {
        let mut labels = rule.labels.clone();
        labels.sort();
        !seen.insert((rule.name(), labels))
    });
    repeated
        .map(|rule| Problem {
            line: rule.line,
            column: 0,
            reason: format!("rule {:?} is there already with the same labels", rule.name()),
        })
        .collect()
}

fn group(node: &Node, problems: &mut Problems) -> Option<Group> {
    let fields = Fields::read(node, "a group", &GROUP_KEYS, problems)?;
    let name = fields.text("name", problems);
    if name.is_empty() {
        problems.add(node.problem("the group has no name"));
    }
    let labels = labels(&fields, problems);
    let nodes = fields.list("rules", problems).iter();
    let mut rules: Vec<Rule> = nodes.filter_map(|node| rule(node, problems)).collect();
    for rule in &mut rules {
        let missing =
            labels.iter().filter(|(name, _)| !rule.labels.iter().any(|(own, _)| own == name));
        let missing: Vec<_> = missing.cloned().collect();
        rule.labels.extend(missing);
    }
    Some(Group {
        name: name.to_owned(),
        interval: fields.parsed("interval", problems, duration).filter(|length| !length.is_zero()),
        query_offset: fields.parsed("query_offset", problems, duration),
        limit: fields.parsed("limit", problems, limit).unwrap_or(0),
        labels,
        rules,
        line: node.line,
    })
}

fn rule(node: &Node, problems: &mut Problems) -> Option<Rule> {
    let fields = Fields::read(node, "a rule", &RULE_KEYS, problems)?;
    let (record, alert) = (fields.text("record", problems), fields.text("alert", problems));
    let holds_for = fields.parsed("for", problems, duration).unwrap_or_default();
    let keeps_firing_for = fields.parsed("keep_firing_for", problems, duration).unwrap_or_default();
    let labels = labels(&fields, problems);
    let annotations = annotations(&fields, problems);
    let kind = match (record, alert) {
        ("", "") => {
            problems.add(node.problem("the rule has neither \"record\" nor \"alert\""));
            None
        }
        ("", name) => {
            check_templates(&fields, problems);
            let name = name.to_owned();
            Some(Kind::Alerting { name, holds_for, keeps_firing_for, annotations })
        }
        (name, "") => {
            check_recording(name, &fields, problems);
            Some(Kind::Recording { name: name.to_owned() })
        }
        _ => {
            problems.add(
                node.problem("the rule has both \"record\" and \"alert\"; only one may be set"),
            );
            None
        }
    };
    let expr = expr(&fields, problems);
    Some(Rule { kind: kind?, expr: expr?, labels, line: node.line })
}

fn expr(fields: &Fields<'_>, problems: &mut Problems) -> Option<query::Expr> {
    let text = fields.text("expr", problems);
    let Some(node) = fields.get("expr").filter(|_| !text.is_empty()) else {
        problems.add(fields.node().problem("the rule has no \"expr\""));
        return None;
    };
    match query::parse(text) {
        Ok(expr) => Some(expr),
        Err(error) => {
            let (line, column) = node.place(error.position.0, error.position.1);
            let reason = format!("cannot parse the expression: {}", error.message);
            problems.add(Problem { line, column, reason });
            None
        }
    }
}

/// A recording rule writes under a name, and knows nothing of alerts.
fn check_recording(name: &str, fields: &Fields<'_>, problems: &mut Problems) {
    for key in ["for", "keep_firing_for", "annotations"] {
        let Some(node) = fields.get(key) else { continue };
        let is_empty = match &node.value {
            Yaml::Map(entries) => entries.is_empty(),
            _ => {
                node.is_null()
                    || node.text().and_then(|text| duration(text).ok()) == Some(Duration::ZERO)
            }
        };
        if !is_empty {
            problems.add(node.problem(format!("{key:?} has no meaning in a recording rule")));
        }
    }
    if let Some(node) = fields.get("record").filter(|_| name.contains(['{', '}'])) {
        let reason = format!(
            "{name:?} is no name of a metric; should its braces be in \"expr\" or \"labels\"?"
        );
        problems.add(node.problem(reason));
    }
}

fn labels(fields: &Fields<'_>, problems: &mut Problems) -> Vec<(String, String)> {
    let pairs = fields.texts("labels", problems);
    for (key, _) in &pairs {
        let name = key.text().unwrap_or_default();
        if name.is_empty() || name == model::NAME {
            problems.add(key.problem(format!("{name:?} cannot be the name of a label")));
        }
    }
    owned(&pairs)
}

fn annotations(fields: &Fields<'_>, problems: &mut Problems) -> Vec<(String, String)> {
    let pairs = fields.texts("annotations", problems);
    for (key, _) in &pairs {
        if key.text().unwrap_or_default().is_empty() {
            problems.add(key.problem("an annotation needs a name"));
        }
    }
    owned(&pairs)
}

fn owned(pairs: &[(&Node, &Node)]) -> Vec<(String, String)> {
    let text = |node: &Node| node.text().unwrap_or_default().to_owned();
    pairs.iter().map(|(key, value)| (text(key), text(value))).collect()
}

/// Labels and annotations of alerts are templates.
fn check_templates(fields: &Fields<'_>, problems: &mut Problems) {
    for (key, what) in [("labels", "label"), ("annotations", "annotation")] {
        // What is no map of texts was told before.
        for (name, value) in fields.texts(key, &mut Problems::default()) {
            let (name, text) = (name.text().unwrap_or_default(), value.text().unwrap_or_default());
            if let Err(error) = templates::parse(text) {
                let (line, column) = value.place(error.line, 1);
                let reason = format!("{what} {name:?} is no template: {}", error.reason);
                problems.add(Problem { line, column, reason });
            }
        }
    }
}

/// A whole number; one below zero limits nothing, as in Prometheus.
fn limit(text: &str) -> Result<usize, String> {
    let digits = text.replace('_', "");
    let number = match digits.strip_prefix("0x") {
        Some(hexadecimal) => i64::from_str_radix(hexadecimal, 16).ok(),
        None => digits.parse().ok(),
    };
    let number = number.ok_or_else(|| format!("{text:?} is no whole number"))?;
    Ok(usize::try_from(number).unwrap_or(0))
}

const UNITS: [(&str, u64); 7] = [
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
/// Longest duration: what Go's 64 bits of nanoseconds hold.
const DURATION_MS_MAX: u64 = i64::MAX as u64 / 1_000_000;

/// A duration as Prometheus writes it: `5m`, `1h30m`, `0`; units from the largest on, each at most once.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is no duration; write for example 30s, 5m or 1h30m");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut units, mut total) = (text, UNITS.as_slice(), 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, behind) = rest.split_at(digits);
        let length = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(length);
        let at = units.iter().position(|(name, _)| *name == unit).ok_or_else(bad)?;
        let (_, millis) = units.get(at).ok_or_else(bad)?;
        let number: u64 = number.parse().map_err(|_| bad())?;
        total = number
            .checked_mul(*millis)
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= DURATION_MS_MAX)
            .ok_or_else(|| format!("{text:?} is longer than a duration can be"))?;
        units = units.get(at + 1..).unwrap_or_default();
        rest = behind;
    }
    if text.is_empty() {
        Err("the duration is empty".into())
    } else {
        Ok(Duration::from_millis(total))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found = match parse(text) {
            Ok(_) => Vec::new(),
            Err(problems) => problems
                .iter()
                .map(|problem| format!("{}:{}: {}", problem.line, problem.column, problem.reason))
                .collect(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_file_is_read_whole() {
        let text = r#"
groups:
- name: example
  interval: 1h30m
  query_offset: 30s
  limit: 10
  labels: {team: infra}
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
    labels: {a: 5, b: true, c: }
  - alert: Down
    expr: |
      up
        == 0
    for: 5m
    keep_firing_for: 1m
    labels:
      severity: "{{ $labels.job }}"
    annotations:
      summary: "{{ $value | humanize }} {{ .ExternalURL }}"
"#;
        let file = parse(text).unwrap();
        let group = &file.groups[0];
        assert_eq!((group.name.as_str(), group.limit, group.line), ("example", 10, 3));
        assert_eq!(group.interval, Some(Duration::from_secs(5_400)));
        assert_eq!(group.query_offset, Some(Duration::from_secs(30)));
        assert_eq!(group.labels, [("team".to_owned(), "infra".to_owned())]);
        let labels: Vec<&str> =
            group.rules[0].labels.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            (group.rules[0].name(), labels.as_slice()),
            ("job:up:sum", ["5", "true", "", "infra"].as_slice())
        );
        let alert = &group.rules[1];
        assert_eq!((alert.line, alert.expr.text()), (12, "up\n  == 0\n"));
        let Kind::Alerting { holds_for, keeps_firing_for, annotations, .. } = &alert.kind else {
            panic!()
        };
        assert_eq!(
            (holds_for.as_secs(), keeps_firing_for.as_secs(), annotations.len()),
            (300, 60, 1)
        );
    }

    #[test]
    fn files_without_rules() {
        for text in ["", "# nothing\n", "groups:\n", "groups: []\n", "{}\n", "groups:\n- name: a\n"]
        {
            check(text, &[]);
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let text = r#"
groups:
- name: a
  intervall: 5m
  rules:
  - record: x
    alert: y
    expr: up
  - expr: up
  - alert: A
    expr: sum(
    for: 5
  - record: "a{b}"
    expr: up
    for: 1m
    annotations: {x: y}
    labels: {__name__: x}
  - alert: B
    expr: |
      up and
      sum(up
    annotations:
      summary: "{{ $label.x }}"
      other: |
        fine
        {{ nope }}
    labels: [a]
  - alert: C
  - 5
- name: a
  limit: x
"#;
        check(
            text,
            &[
                r#"4:3: a group has no key "intervall"; its keys are name, interval, query_offset, limit, labels, rules"#,
                r#"6:5: the rule has both "record" and "alert"; only one may be set"#,
                r#"9:5: the rule has neither "record" nor "alert""#,
                "11:15: cannot parse the expression: unclosed left parenthesis",
                r#"12:10: "for": "5" is no duration; write for example 30s, 5m or 1h30m"#,
                r#"13:13: "a{b}" is no name of a metric; should its braces be in "expr" or "labels"?"#,
                r#"15:10: "for" has no meaning in a recording rule"#,
                r#"16:18: "annotations" has no meaning in a recording rule"#,
                r#"17:14: "__name__" cannot be the name of a label"#,
                "22:7: cannot parse the expression: unclosed left parenthesis",
                r#"23:17: annotation "summary" is no template: undefined variable "$label""#,
                r#"26:9: annotation "other" is no template: function "nope" not defined"#,
                r#"27:13: "labels" must be a map, not a list"#,
                r#"28:5: the rule has no "expr""#,
                "29:5: a rule must be a map, not text",
                r#"30:3: group "a" is there already; each name may be used once in a file"#,
                r#"31:10: "limit": "x" is no whole number"#,
            ],
        );
        check("groups: 5\n", &[r#"1:9: "groups" must be a list, not text"#]);
        check("[]\n", &["1:1: a rule file must be a map, not a list"]);
        check("groups:\n- rules: []\n", &["2:3: the group has no name"]);
        check(
            "a: [\n",
            &["2:1: not YAML: while parsing a node, did not find expected node content"],
        );
    }

    #[test]
    fn rules_alone() {
        assert_eq!(
            parse_rules("- alert: A\n  expr: up\n- record: b\n  expr: up\n").unwrap().len(),
            2
        );
        assert_eq!(parse_rules("alert: A\nexpr: up\n").unwrap()[0].name(), "A");
        assert_eq!(parse_rules("alert: A\n").unwrap_err().len(), 1);
    }

    #[test]
    fn the_same_rule_twice() {
        let text = "groups:\n- name: a\n  rules:\n  - {alert: A, expr: up, labels: {a: b}}\n  - {alert: A, expr: up}\n- name: b\n  rules:\n  - {alert: A, expr: up == 0}\n";
        let found = duplicates(&parse(text).unwrap());
        assert_eq!(found.iter().map(|problem| problem.line).collect::<Vec<_>>(), [8]);
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("0", Some(0)),
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("1d1ms", Some(86_400_001)),
            ("292y", Some(9_208_512_000_000)),
            ("293y", None),
            ("5", None),
            ("", None),
            ("1m1h", None),
            ("1m1m", None),
            ("1.5h", None),
            ("-1m", None),
            ("99999999999999999999s", None),
        ] {
            let found = duration(text).ok().map(|length| length.as_millis());
            assert_eq!(found, expected, "{text}");
        }
    }

    /// Pieces of rule files, so that random ones are often nearly right.
    const PIECES: [&str; 22] = [
        "groups:\n",
        "- name: a\n",
        "  rules:\n",
        "  - alert: A\n",
        "  - record: b\n",
        "    expr: up\n",
        "    expr: sum(\n",
        "    for: 5m\n",
        "    for: [1]\n",
        "    labels:\n",
        "      a: b\n",
        "      c: {{ d }}\n",
        "    annotations: {x: '{{ $value }}'}\n",
        "    <<: *a\n",
        "    &a b: c\n",
        "  limit: -1\n",
        "  interval: 0\n",
        "---\n",
        "\t",
        "- ",
        "? x\n",
        "|\n",
    ];

    proptest! {
        #[test]
        fn any_file_is_read_or_refused(picks in prop::collection::vec(0..PIECES.len(), 0..20)) {
            let text: String = picks.iter().filter_map(|pick| PIECES.get(*pick)).copied().collect();
            if let Err(problems) = parse(&text) {
                prop_assert!(!problems.is_empty());
            }
        }
    }
}
