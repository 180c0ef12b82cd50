//! Whether the built-in rules are whole: texts, metrics, unit tests. Whether they are right is what the unit tests
//! in `tests/` say, a recording of a healthy machine among them.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use model::{
    Labels, NAME,
    alert::ALERT_NAME,
    catalogue,
    series::{MatchOp, Matcher},
};

use super::FILES;
use crate::{
    incident::inhibit::Inhibition,
    promtest::{self, TestFile},
    rules::{ALERTS, Active, Kind, Rule, RuleFile, file},
};

const TEXTS: [&str; 3] = ["summary", "cause", "remedy"];

/// The rules of all files; one that cannot be read fails the test.
fn rules() -> Vec<Rule> {
    let read = |(name, text): &(&str, &str)| {
        let file = file::parse(text).unwrap_or_else(|problems| panic!("{name}.yml: {problems:?}"));
        file.groups.into_iter().flat_map(|group| group.rules).collect::<Vec<_>>()
    };
    FILES.iter().flat_map(read).collect()
}

#[test]
fn there_is_a_rule_for_what_goes_wrong_and_each_has_its_own_name() {
    let alerting: Vec<Rule> = rules().into_iter().filter(Rule::is_alerting).collect();
    let names: BTreeSet<&str> = alerting.iter().map(Rule::name).collect();
    assert_eq!(names.len(), alerting.len());
    assert!(names.len() >= 70, "{}", names.len());
    let files: BTreeSet<&str> = FILES.iter().map(|(name, _)| *name).collect();
    for group in ["accelerator", "engine", "gateway", "host", "network", "self", "store"] {
        assert!(files.contains(group), "{group}");
    }
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
            let named = |matcher: &&Matcher| matcher.name == NAME && matcher.op == MatchOp::Equal;
            let metric = matchers.iter().find(named).map(|matcher| matcher.value.as_str());
            let metric =
                metric.unwrap_or_else(|| panic!("{}: a selector without a name", rule.name()));
            let parts = ["_bucket", "_count", "_sum"].map(|part| metric.strip_suffix(part));
            let is_ours = catalogue::find(metric).is_some()
                || parts.into_iter().flatten().any(|base| {
                    catalogue::find(base).is_some_and(|of| of.kind == catalogue::Kind::Histogram)
                });
            // A rule that goes on as long as it fires asks for its own alerts.
            let is_known = is_ours || recorded.contains(metric) || metric == ALERTS;
            assert!(is_known, "{}: {metric}", rule.name());
        }
    }
}

/// The files of unit tests.
fn unit_tests() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pack/tests");
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

/// The alerts that a file of unit tests expects to fire.
fn expected(text: &str) -> BTreeSet<String> {
    let names = text.split("alertname=\"").skip(1);
    names.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

/// A rule counts as tested where some test expects it to fire, beside something for which it does not.
#[test]
fn each_alert_has_a_unit_test() {
    let mut tested = BTreeSet::new();
    for path in unit_tests() {
        tested.extend(expected(&std::fs::read_to_string(path).unwrap()));
    }
    let all = rules();
    let alerts = all.iter().filter(|rule| rule.is_alerting());
    let alerts: BTreeSet<String> = alerts.map(|rule| rule.name().to_owned()).collect();
    assert_eq!(alerts, tested);
}

/// A file of unit tests as it is written and as it is read, with the rules that it names.
fn unit_tests_of(name: &str) -> (String, TestFile, Vec<RuleFile>) {
    let path = unit_tests().into_iter().find(|path| path.file_stem().unwrap() == name).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let tests = promtest::parse(&text).unwrap();
    let named = tests.rule_files.iter().map(|file| {
        let name = file.strip_prefix("../").and_then(|file| file.strip_suffix(".yml"));
        let (_, text) = FILES.iter().find(|(candidate, _)| Some(*candidate) == name).unwrap();
        file::parse(text).unwrap()
    });
    let named = named.collect();
    (text, tests, named)
}

/// Runs the unit tests of a file as `modelwatch rules test` does.
fn check_unit_tests(name: &str) {
    let (text, tests, named) = unit_tests_of(name);
    let inhibitions = super::inhibitions();
    let (broken, fired) = <(RefCell<BTreeSet<String>>, RefCell<BTreeSet<String>>)>::default();
    let failures = promtest::run_watched(&tests, &named, &|rule, alert| {
        fired.borrow_mut().insert(rule.name().to_owned());
        broken.borrow_mut().extend(broken_texts(rule, alert));
        broken.borrow_mut().extend(broken_inhibitions(&inhibitions, &alert.labels));
    });
    assert!(failures.is_empty(), "{failures:#?}");
    let unseen: Vec<String> = expected(&text).difference(&fired.borrow()).cloned().collect();
    assert!(unseen.is_empty(), "{name}.yml: texts of {unseen:?} were not looked at");
    let broken = broken.into_inner();
    assert!(broken.is_empty(), "{name}.yml: {broken:#?}");
}

/// The built-in inhibitions that an alert has a part in without a label that they compare: what lacks it on both sides
/// would be equal.
fn broken_inhibitions(inhibitions: &[Inhibition], labels: &Labels) -> Vec<String> {
    let has_part = |it: &&Inhibition| {
        Matcher::all_match(&it.source, labels) || Matcher::all_match(&it.target, labels)
    };
    let lacks = |name: &&String| labels.get(name).is_none_or(str::is_empty);
    let name = labels.get(ALERT_NAME).unwrap_or_default();
    let of_one = inhibitions.iter().filter(has_part).flat_map(|it| it.equal.iter().filter(lacks));
    of_one.map(|label| format!("{name} is inhibited by {label}, which it lacks")).collect()
}

#[test]
fn each_inhibition_names_alerts_that_there_are() {
    let all = rules();
    for inhibition in super::inhibitions() {
        for side in [&inhibition.source, &inhibition.target] {
            let found = all.iter().filter(|rule| side[0].matches(rule.name())).count();
            assert!(found > 0, "{:?} is no alert", side[0].value);
        }
    }
}

/// What a person who is told of an alert would stumble over.
fn broken_texts(rule: &Rule, alert: &Active) -> Vec<String> {
    let Kind::Alerting { annotations: written, .. } = &rule.kind else { return Vec::new() };
    let mut broken = Vec::new();
    let mut tell = |key: &str, reason: &str| {
        broken.push(format!("{} {key}: {reason}", rule.name()));
    };
    for (key, text) in written {
        for field in fields(text) {
            let label = field.strip_prefix("$labels.").and_then(|rest| rest.split(' ').next());
            if label.is_some_and(|label| alert.labels.get(label).is_none_or(str::is_empty)) {
                tell(key, &format!("{field} is empty"));
            }
        }
    }
    let sentences: BTreeMap<&str, &str> =
        alert.annotations.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
    for key in TEXTS.iter().flat_map(|key| [(*key).to_owned(), format!("{key}_zh")]) {
        let Some(sentence) = sentences.get(key.as_str()).filter(|text| !text.is_empty()) else {
            tell(&key, "says nothing");
            continue;
        };
        for wrong in ["<error expanding", "<no value>", "{{", "%!", "NaN", "()", "（）"] {
            if sentence.contains(wrong) {
                tell(&key, sentence);
            }
        }
    }
    broken
}

#[test]
fn rules_of_hosts_hold() {
    check_unit_tests("host");
}

#[test]
fn rules_of_accelerators_hold() {
    check_unit_tests("accelerator");
}

#[test]
fn rules_of_engines_hold() {
    check_unit_tests("engine");
}

#[test]
fn other_rules_hold() {
    ["detect", "gateway", "network", "self", "store"].into_iter().for_each(check_unit_tests);
}

#[test]
fn rules_of_long_times_hold() {
    check_unit_tests("trends");
}

/// The alerts among the rules of a file of tests that ask for a series that it has, or that such a rule makes of one.
fn asked(name: &str) -> BTreeSet<String> {
    let (_, tests, named) = unit_tests_of(name);
    let lines = tests.tests.iter().flat_map(|test| &test.series);
    let mut series: Vec<Labels> = lines.map(|line| line.labels.clone()).collect();
    let mut asked = BTreeSet::new();
    // Rules stand behind those that they build upon.
    for rule in named.iter().flat_map(|file| &file.groups).flat_map(|group| &group.rules) {
        let has = |matchers: &&[Matcher]| {
            series.iter().any(|labels| Matcher::all_match(matchers, labels))
        };
        let is_asked = rule.expr.selectors().iter().any(has);
        if is_asked && rule.is_alerting() {
            asked.insert(rule.name().to_owned());
        } else if is_asked {
            series.push(Labels::from_pairs([(NAME, rule.name())]));
        }
    }
    asked
}

/// That nothing fires says something only of alerts that had something to judge. These have nothing in the recording
/// of a healthy machine, nor in what is no fault: of their silence there only their own unit tests speak.
const NEVER_ASKED: &[&str] = &[
    "HostRaidDegraded",
    "HostMemoryErrorUncorrected",
    "HostMemoryErrorsCorrected",
    "ModelPullWillNotFit",
    "ModelPullStalled",
    "AcceleratorNeedsRecovery",
    "AcceleratorErrorNeedsReset",
    "AcceleratorErrorNeedsCheck",
    "AcceleratorErrorOfProgram",
    "AcceleratorEccUncorrected",
    "AcceleratorEccCorrectedOften",
    "AcceleratorMemoryRepairPending",
    "AcceleratorMemoryRepairFailed",
    "AcceleratorMemoryRetired",
    "AcceleratorThermalThrottling",
    "AcceleratorPowerBrake",
    "AcceleratorSlowdown",
    "AcceleratorHot",
    "AcceleratorMemoryHot",
    "AcceleratorLinkDown",
    "AcceleratorLinkErrors",
    "AcceleratorLinkRetries",
    "AcceleratorPcieErrors",
    "AcceleratorReadingsOld",
    "EngineOutOfMemory",
    "EngineQueueSlow",
    "EngineServerErrors",
    "EnginePromptsTruncated",
    "EngineCpuThrottled",
    "EngineContainerMemoryLow",
    "GatewayTimeouts",
    "GatewayRefusals",
    "GatewayGoodputLow",
    "ProbeOfModelFailed",
    "CertificateExpired",
    "CertificateExpiresVerySoon",
    "CertificateExpiresSoon",
    "EngineExposed",
    "EngineReachedFromInternet",
    "EngineClientsReadSlowly",
    "EngineRetransmits",
    "NetworkBondDegraded",
    "InfinibandPortDown",
    "InfinibandLinkErrors",
    "ReceiverRefuses",
    "RulesFailing",
    "RuleFilesBroken",
    "RulesLate",
    "NotificationsGivenUp",
    "NotificationsWaiting",
    "AcceleratorHotterThanPeers",
    "AcceleratorClockBelowPeers",
    "AcceleratorPowerUnlikePeers",
    "AcceleratorIdleAmongPeers",
    "AcceleratorMemoryAbovePeers",
    "EngineSlowerThanReplicas",
    "EngineFirstTokenSlowerThanReplicas",
    "EngineDecodeSlowerThanUsual",
    "EngineFirstTokenSlowerThanUsual",
    "EngineEnergyAboveUsual",
    "EngineCpuAboveUsual",
    "EngineTrafficUnusual",
    "EngineSlowForThisHour",
    "EngineDecodeSlowerSinceUpgrade",
    "EngineDecodeSlowerSinceSettings",
    "EngineDecodeSlowerSinceRestart",
    "EngineFirstTokenSlowerSinceChange",
    "EngineCostsMoreSinceChange",
    "EngineMemoryLeak",
    "AcceleratorMemoryLeak",
    "EngineFileLeak",
    "EngineThreadLeak",
    "ModelwatchMemoryLeak",
    "HostDiskFullWithinDays",
    "HostMemoryUsedUpWithinDays",
];

#[test]
fn it_is_known_whose_silence_was_not_tried() {
    let mut tried = asked("healthy");
    tried.extend(asked("quiet"));
    let all = rules();
    let alerts = all.iter().filter(|rule| rule.is_alerting()).map(Rule::name);
    let untried: Vec<&str> = alerts.filter(|name| !tried.contains(*name)).collect();
    assert_eq!(untried, NEVER_ASKED);
}

#[test]
fn what_lasts_longer_than_rules_look_back_goes_on_firing() {
    check_unit_tests("lasting");
}

#[test]
fn nothing_fires_over_what_is_no_fault() {
    check_unit_tests("quiet");
}

#[test]
fn nothing_fires_over_a_recording_of_a_healthy_machine() {
    check_unit_tests("healthy");
}
