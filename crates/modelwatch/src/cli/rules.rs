//! `modelwatch rules check` and `rules test`: whether rule files can be used, and whether their tests pass. Both say
//! the same of a file as `promtool check rules` and `promtool test rules`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use alert::{
    promtest::{self, Failure, FailureKind, TestFile},
    rules::{Problem, RuleFile, file},
};
use clap::Subcommand;
use model::message::{Language, render};

use super::{explain::shown, say};
use crate::alarms::rules::{matching, read};

/// The arguments of both, for their help.
pub(super) const CHECK: &[&str] = &["rule_files", "lint_fatal"];
pub(super) const TEST: &[&str] = &["rule_tests"];

/// Exit status where duplicates are forbidden, as promtool has it.
const LINT: u8 = 3;

#[derive(Clone, Subcommand)]
pub(super) enum RulesWork {
    Check {
        #[arg(value_name = "FILE", required = true)]
        rule_files: Vec<PathBuf>,
        #[arg(long)]
        lint_fatal: bool,
    },
    Test {
        #[arg(value_name = "FILE", required = true)]
        rule_tests: Vec<PathBuf>,
    },
}

pub(super) fn rules(work: &RulesWork, language: Language) -> ExitCode {
    let teller = Teller { language, tell: &say };
    match work {
        RulesWork::Check { rule_files, lint_fatal } => {
            let checks: Vec<Checked> = rule_files.iter().map(|path| teller.check(path)).collect();
            if checks.contains(&Checked::Bad) {
                ExitCode::FAILURE
            } else if *lint_fatal && checks.contains(&Checked::Doubtful) {
                ExitCode::from(LINT)
            } else {
                ExitCode::SUCCESS
            }
        }
        RulesWork::Test { rule_tests } => {
            let passed: Vec<bool> = rule_tests.iter().map(|path| teller.test(path)).collect();
            if passed.contains(&false) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
    }
}

/// What a file of rules is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checked {
    Good,
    /// It can be used, and has a rule twice.
    Doubtful,
    Bad,
}

struct Teller<'a> {
    language: Language,
    tell: &'a dyn Fn(&str),
}

type Params<'a> = &'a [(&'a str, String)];

impl Teller<'_> {
    fn say(&self, code: &str, params: Params<'_>) {
        (self.tell)(&render(code, params, self.language));
    }

    fn check(&self, path: &Path) -> Checked {
        let Some(file) = self.rules_of(path) else { return Checked::Bad };
        let duplicates = file::duplicates(&file);
        self.good(path, &file);
        for problem in &duplicates {
            self.problem("rules.doubt", problem);
        }
        if duplicates.is_empty() { Checked::Good } else { Checked::Doubtful }
    }

    fn good(&self, path: &Path, file: &RuleFile) {
        let rules: usize = file.groups.iter().map(|group| group.rules.len()).sum();
        let params = [
            ("path", shown(&path.display().to_string())),
            ("rules", rules.to_string()),
            ("groups", file.groups.len().to_string()),
        ];
        self.say("rules.good", &params);
    }

    /// The rules of a file, or nothing when it was said what is wrong with it.
    fn rules_of(&self, path: &Path) -> Option<RuleFile> {
        let text = self.text(path)?;
        file::parse(&text).map_err(|problems| self.problems(path, &problems)).ok()
    }

    fn text(&self, path: &Path) -> Option<String> {
        read(path)
            .map_err(|error| {
                self.say(
                    "rules.unreadable",
                    &[("path", shown(&path.display().to_string())), ("reason", error.to_string())],
                );
            })
            .ok()
    }

    fn problems(&self, path: &Path, problems: &[Problem]) {
        let params =
            [("path", shown(&path.display().to_string())), ("count", problems.len().to_string())];
        self.say("rules.bad", &params);
        for problem in problems {
            self.problem("rules.problem", problem);
        }
    }

    fn problem(&self, code: &str, problem: &Problem) {
        let place = match (problem.line, problem.column) {
            (0, _) => "-".to_owned(),
            (line, 0) => line.to_string(),
            (line, column) => format!("{line}:{column}"),
        };
        self.say(code, &[("place", place), ("reason", shown(&problem.reason))]);
    }

    /// Carries out the tests of a file; whether all passed.
    fn test(&self, path: &Path) -> bool {
        let Some(text) = self.text(path) else { return false };
        let file = match promtest::parse(&text) {
            Ok(file) => file,
            Err(problems) => {
                self.problems(path, &problems);
                return false;
            }
        };
        let Some(rules) = self.rules_for(path, &file) else { return false };
        let failures = promtest::run(&file, &rules);
        let mut failed: Vec<usize> = failures.iter().map(|failure| failure.test_line).collect();
        failed.dedup();
        let params = [
            ("path", shown(&path.display().to_string())),
            ("count", file.tests.len().to_string()),
            ("failed", failed.len().to_string()),
        ];
        self.say(
            if failures.is_empty() { "rules.tests_passed" } else { "rules.tests_failed" },
            &params,
        );
        let mut told = None;
        for failure in &failures {
            if told.replace(failure.test_line) != Some(failure.test_line) {
                let params =
                    [("name", shown(&failure.test)), ("line", failure.test_line.to_string())];
                let is_named = !failure.test.is_empty();
                self.say(if is_named { "rules.test" } else { "rules.test_unnamed" }, &params);
            }
            self.failure(failure);
        }
        failures.is_empty()
    }

    /// The rules of the files that a file of tests names.
    fn rules_for(&self, path: &Path, file: &TestFile) -> Option<Vec<RuleFile>> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut rules = Vec::new();
        for pattern in &file.rule_files {
            let found = matching(folder, pattern);
            if found.is_empty() {
                self.say("rules.no_file", &[("pattern", shown(pattern))]);
            }
            rules.extend(found.iter().map(|path| self.rules_of(path)));
        }
        rules.into_iter().collect()
    }

    fn failure(&self, failure: &Failure) {
        let line = ("line", failure.line.to_string());
        let at = |at: &Duration| ("time", written(*at));
        match &failure.kind {
            FailureKind::Alerts { name, at: time, expected, found } => {
                self.say("rules.test_alerts", &[line, ("name", shown(name)), at(time)]);
                self.compared(expected, found);
            }
            FailureKind::Samples { query, at: time, expected, found } => {
                self.say("rules.test_samples", &[line, ("query", shown(query)), at(time)]);
                self.compared(expected, found);
            }
            FailureKind::Query { query, at: time, reason } => {
                let params = [line, ("query", shown(query)), at(time), ("reason", shown(reason))];
                self.say("rules.test_query", &params);
            }
            FailureKind::Rule { name, at: time, reason } => {
                let params = [("name", shown(name)), at(time), ("reason", shown(reason))];
                self.say("rules.test_rule", &params);
            }
            FailureKind::TooMuch { reason } => {
                self.say("rules.test_limit", &[("reason", reason.clone())]);
            }
        }
    }

    fn compared(&self, expected: &[String], found: &[String]) {
        for (code, items) in [("rules.test_expected", expected), ("rules.test_found", found)] {
            let none = || render::<&str, &str>("rules.test_none", &[], self.language);
            self.say(code, &[("what", items.first().map_or_else(none, |item| shown(item)))]);
            for item in items.iter().skip(1) {
                self.say("rules.test_more", &[("what", shown(item))]);
            }
        }
    }
}

/// `1h30m`.
fn written(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut out = String::new();
    for (unit, millis) in
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]
    {
        if rest >= millis {
            out.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, fs};

    use super::*;

    const RULES: &str = "groups:\n- name: a\n  rules:\n  - alert: Down\n    expr: up == 0\n    labels: {severity: page}\n";
    const TESTS: &str = "rule_files: [../rules/*.yml]\ntests:\n- name: one\n  input_series:\n  - {series: up, values: 0}\n  alert_rule_test:\n  - {alertname: Down, eval_time: 90s, exp_alerts: [{exp_labels: {severity: page}}]}\n- promql_expr_test:\n  - {expr: up + 1, exp_samples: [{value: 1}]}\n";

    /// What is said of one file among others, and how it ended.
    fn said(
        files: &[(&str, &str)],
        language: Language,
        run: impl FnOnce(&Teller<'_>, &Path) -> bool,
    ) -> (String, bool) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let said = RefCell::new(String::new());
        let tell = |line: &str| said.borrow_mut().push_str(&format!("{line}\n"));
        let is_good = run(&Teller { language, tell: &tell }, &folder.path().join(files[0].0));
        let root = format!("{}/", folder.path().display());
        (said.into_inner().replace(&root, ""), is_good)
    }

    fn check(text: &str, language: Language, expected: &str) {
        let run = |teller: &Teller<'_>, path: &Path| teller.check(path) != Checked::Bad;
        assert_eq!(said(&[("a.yml", text)], language, run).0, expected);
    }

    #[test]
    fn files_of_rules() {
        check(RULES, Language::English, "a.yml: can be used; rules: 1, groups: 1\n");
        check("", Language::Chinese, "a.yml：可用，规则 0 条，分组 0 个\n");
        let twice =
            format!("{RULES}  - alert: Down\n    expr: up\n    labels: {{severity: page}}\n");
        check(
            &twice,
            Language::English,
            "a.yml: can be used; rules: 2, groups: 1\n  7  attention: rule \"Down\" is there already with the same labels\n",
        );
        check(
            "groups:\n- rules:\n  - alert: x\n    for: 5\n",
            Language::Chinese,
            "a.yml：不可用，问题 3 个\n  2:3  分组没有名称\n  3:5  规则缺少 \"expr\"\n  4:10  \"for\": \"5\" 不是时长，例如可写 30s、5m 或 1h30m\n",
        );
    }

    #[test]
    fn files_of_tests() {
        let run = |teller: &Teller<'_>, path: &Path| teller.test(path);
        let files = |tests: &'static str| [("tests/t.yml", tests), ("rules/r.yml", RULES)];
        let (text, passed) = said(&files(TESTS), Language::English, run);
        assert!(!passed);
        assert_eq!(
            text,
            "tests/t.yml: 1 of 2 tests failed\n  test (line 8)\n    line 9: up + 1 at 0s gives something else\n      expected  {} 1\n      found     none\n"
        );
        let fixed = TESTS.replace("expr: up + 1", "expr: vector(1)");
        let fixed: &'static str = fixed.leak();
        assert_eq!(
            said(&files(fixed), Language::Chinese, run),
            ("tests/t.yml：2 个测试全部通过\n".into(), true)
        );
        let (text, passed) = said(&[("t.yml", fixed)], Language::English, run);
        assert!(!passed && text.starts_with("no file matches ../rules/*.yml\n"), "{text}");
        let broken = [("tests/t.yml", fixed), ("rules/r.yml", "groups: 5\n")];
        let (text, passed) = said(&broken, Language::English, run);
        assert!(!passed && text.contains("rules/r.yml: cannot be used"), "{text}");
    }

    #[test]
    fn durations_are_written_as_people_write_them() {
        for (millis, expected) in [(0, "0s"), (90_000, "1m30s"), (86_400_001, "1d1ms")] {
            assert_eq!(written(Duration::from_millis(millis)), expected);
        }
    }
}
