//! Whether the built-in rules are whole: texts, metrics, unit tests. Whether they are right is what the unit tests
//! in `tests/` say, which promtool runs too, and the recordings.

use std::collections::{BTreeMap, BTreeSet};

use model::{NAME, catalogue, series::MatchOp};

use super::FILES;
use crate::rules::{Group, Kind, Rule, file};

/// Written for each model by what knows the objectives.
const OBJECTIVES: &[&str] =
    &["llm_objective_ratio", "llm_objective_tpot_seconds", "llm_objective_ttft_seconds"];
const TESTS: &[(&str, &str)] = &[
    ("host", include_str!("tests/host.yml")),
    ("accelerator", include_str!("tests/accelerator.yml")),
    ("engine", include_str!("tests/engine.yml")),
    ("gateway", include_str!("tests/gateway.yml")),
    ("network", include_str!("tests/network.yml")),
    ("store", include_str!("tests/store.yml")),
    ("self", include_str!("tests/self.yml")),
    ("trends", include_str!("tests/trends.yml")),
];
const TEXTS: [&str; 3] = ["summary", "cause", "remedy"];

/// The groups of all files; one that cannot be read fails the test.
fn groups() -> Vec<(&'static str, Group)> {
    let read = |(name, text): &(&'static str, &str)| {
        let file = file::parse(text).unwrap_or_else(|problems| panic!("{name}.yml: {problems:?}"));
        file.groups.into_iter().map(|group| (*name, group)).collect::<Vec<_>>()
    };
    FILES.iter().flat_map(read).collect()
}

fn rules() -> Vec<Rule> {
    groups().into_iter().flat_map(|(_, group)| group.rules).collect()
}

#[test]
fn there_is_a_rule_for_what_goes_wrong_and_each_has_its_own_name() {
    let alerting: Vec<Rule> = rules().into_iter().filter(Rule::is_alerting).collect();
    let names: BTreeSet<&str> = alerting.iter().map(Rule::name).collect();
    assert_eq!(names.len(), alerting.len());
    assert!(names.len() >= 70, "{}", names.len());
    let mut of_files = BTreeMap::<&str, usize>::new();
    for (file, group) in groups() {
        assert!(
            group.name == file
                || group.name == "objectives"
                || group.name == format!("{file}-trends")
        );
        *of_files.entry(file).or_default() += group.rules.len();
    }
    let expected = ["accelerator", "engine", "gateway", "host", "network", "self", "store"];
    assert_eq!(of_files.keys().copied().collect::<Vec<_>>(), expected);
}

#[test]
fn each_alert_says_in_both_languages_what_is_wrong_why_and_what_to_do() {
    for rule in rules() {
        let name = rule.name();
        let Kind::Alerting { annotations, .. } = &rule.kind else { continue };
        let severity = rule.labels.iter().find(|(label, _)| label == "severity");
        let severity = severity.map(|(_, value)| value.as_str());
        assert!(matches!(severity, Some("critical" | "warning" | "info")), "{name}: {severity:?}");
        let text = |key: &str| {
            let found = annotations.iter().find(|(candidate, _)| candidate == key);
            found.unwrap_or_else(|| panic!("{name} has no {key}")).1.as_str()
        };
        for key in TEXTS {
            let (english, chinese) = (text(key), text(&format!("{key}_zh")));
            assert!(
                english.ends_with('.') && english.is_ascii() || english.contains('°'),
                "{name}: {english}"
            );
            assert!(chinese.ends_with('。'), "{name}: {chinese}");
            assert!(
                chinese.chars().any(|letter| ('一'..='鿿').contains(&letter)),
                "{name}: {chinese}"
            );
            assert_eq!(fields(english), fields(chinese), "{name}: {key}");
        }
        assert_eq!(annotations.len(), 2 * TEXTS.len(), "{name}");
    }
}

/// What a text names of its alert.
fn fields(text: &str) -> BTreeSet<&str> {
    let actions = text.split("{{").skip(1);
    actions.map(|rest| rest.split("}}").next().unwrap_or_default().trim()).collect()
}

/// Every metric that a rule asks for is one that this program makes, or that a rule before it made.
#[test]
fn each_metric_exists() {
    let all = rules();
    let recorded: BTreeSet<&str> =
        all.iter().filter(|rule| !rule.is_alerting()).map(Rule::name).collect();
    for rule in &all {
        let selectors = rule.expr.selectors();
        assert!(!selectors.is_empty(), "{}", rule.name());
        for matchers in selectors {
            let named = |matcher: &&model::series::Matcher| {
                matcher.name == NAME && matcher.op == MatchOp::Equal
            };
            let metric = matchers.iter().find(named).map(|matcher| matcher.value.as_str());
            let metric =
                metric.unwrap_or_else(|| panic!("{}: a selector without a name", rule.name()));
            let parts = ["_bucket", "_count", "_sum"].map(|part| metric.strip_suffix(part));
            let is_ours = catalogue::find(metric).is_some()
                || parts.into_iter().flatten().any(|base| {
                    catalogue::find(base).is_some_and(|of| of.kind == catalogue::Kind::Histogram)
                });
            let is_known = is_ours || recorded.contains(metric) || OBJECTIVES.contains(&metric);
            assert!(is_known, "{}: {metric}", rule.name());
        }
    }
}

/// A rule counts as tested where some test expects it to fire while something else beside it does not.
#[test]
fn each_alert_has_a_unit_test() {
    let mut tested = BTreeSet::new();
    for (_, text) in TESTS {
        let names = text.split("alertname=\"").skip(1);
        tested.extend(names.map(|rest| rest.split('"').next().unwrap_or_default()));
    }
    let alerts: BTreeSet<String> = rules()
        .iter()
        .filter(|rule| rule.is_alerting())
        .map(|rule| rule.name().to_owned())
        .collect();
    let tested: BTreeSet<String> = tested.into_iter().map(str::to_owned).collect();
    assert_eq!(alerts, tested);
}
