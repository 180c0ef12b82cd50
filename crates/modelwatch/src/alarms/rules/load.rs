//! Which rules there are: the built-in ones, those of files, those of the page, and what the page changed of them.
//!
//! A file that is broken leaves the rules that it had before. It does not evaluate anything.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use alert::rules::{Group, Kind, Problem, Rule, RuleFile, file};
use serde::{Deserialize, Serialize};

/// Largest file of rules that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most files of rules.
const FILES_MAX: usize = 1_000;
/// Most rules of all files together.
const RULES_MAX: usize = 20_000;
/// What the page calls the file and the group of its own rules.
pub(super) const PAGE: &str = "page";

/// Where a group of rules comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Builtin,
    File,
    Page,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::File => "file",
            Self::Page => "page",
        }
    }
}

/// What somebody changed of a rule on the page.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// The expression that the thresholds are of; with another one they say nothing.
    pub(crate) query: String,
    #[serde(default)]
    pub(crate) thresholds: Option<Vec<f64>>,
    #[serde(default)]
    pub(crate) for_ms: Option<u64>,
    #[serde(default)]
    pub(crate) severity: Option<String>,
    #[serde(default)]
    pub(crate) is_enabled: Option<bool>,
}

/// A rule written on the page.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageRule {
    pub(crate) name: String,
    pub(crate) yaml: String,
}

/// What the page keeps of rules.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    #[serde(default)]
    pub(crate) changes: BTreeMap<String, Change>,
    #[serde(default)]
    pub(crate) rules: Vec<PageRule>,
}

/// A rule as it was found, and what is made of it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// `group/name/index`, after the name of the file where it comes from one; the index tells rules of one name apart.
    pub(crate) id: String,
    pub(crate) rule: Rule,
    /// As it is evaluated or would be.
    pub(crate) changed: Rule,
    pub(crate) is_enabled: bool,
    pub(crate) is_changed: bool,
}

/// A group with all its rules.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) file: String,
    pub(crate) origin: Origin,
    /// What is evaluated: the rules that are enabled, in their order.
    pub(crate) group: Arc<Group>,
    pub(crate) rules: Vec<Known>,
}

impl Loaded {
    /// What tells it from other groups.
    pub(crate) fn key(&self) -> (&str, &str) {
        (&self.file, &self.group.name)
    }
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileProblem {
    pub(crate) file: String,
    pub(crate) problem: Problem,
}

/// How a file looked the last time: when it is the same it is not read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    modified: Option<SystemTime>,
    bytes: u64,
}

/// Reads files and remembers what they said.
#[derive(Default)]
pub(crate) struct Loader {
    files: HashMap<PathBuf, (Look, Result<RuleFile, Vec<Problem>>)>,
    /// The last rules of each file that could be used.
    good: HashMap<PathBuf, RuleFile>,
    /// Files that are named and not there.
    missing: Vec<String>,
    /// The built-in rules, which are read once.
    builtin: Vec<(&'static str, Result<RuleFile, Vec<Problem>>)>,
}

impl Loader {
    pub(crate) fn new(has_builtin: bool) -> Self {
        let files = if has_builtin { alert::pack::FILES } else { &[] };
        let builtin = files.iter().map(|(name, text)| (*name, file::parse(text)));
        Self { builtin: builtin.collect(), ..Self::default() }
    }

    /// Looks at the files that the patterns meet. Answers whether any of them is other than before.
    pub(crate) fn look(&mut self, patterns: &[String]) -> bool {
        let (found, missing) = paths(patterns);
        let mut is_changed = std::mem::replace(&mut self.missing, missing) != self.missing;
        self.files.retain(|path, _| {
            let stays = found.contains(path);
            is_changed |= !stays;
            stays
        });
        self.good.retain(|path, _| found.contains(path));
        for path in found {
            let look = look_at(&path);
            if self.files.get(&path).is_some_and(|(known, _)| *known == look) {
                continue;
            }
            is_changed = true;
            let parsed = match read(&path) {
                Ok(text) => file::parse(&text),
                Err(error) => Err(vec![Problem { line: 0, column: 0, reason: error.to_string() }]),
            };
            if let Ok(file) = &parsed {
                self.good.insert(path.clone(), file.clone());
            }
            self.files.insert(path, (look, parsed));
        }
        is_changed
    }

    /// All groups in order of their files, and what is wrong.
    pub(crate) fn groups(&self, kept: &Kept) -> (Vec<Loaded>, Vec<FileProblem>) {
        let mut gathering = Gathering { kept, groups: Vec::new(), problems: Vec::new(), rules: 0 };
        for (name, parsed) in &self.builtin {
            gathering.parsed(name, Origin::Builtin, parsed.clone(), None);
        }
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_by_key(|(path, _)| *path);
        for (path, (_, parsed)) in files {
            let name = path.display().to_string();
            gathering.parsed(&name, Origin::File, parsed.clone(), self.good.get(path));
        }
        for file in &self.missing {
            let reason = "no such file".to_owned();
            let problem = Problem { line: 0, column: 0, reason };
            gathering.problems.push(FileProblem { file: file.clone(), problem });
        }
        let (page, problems) = page_rules(&kept.rules);
        gathering.problems.extend(problems);
        gathering.parsed(PAGE, Origin::Page, Ok(page), None);
        (gathering.groups, gathering.problems)
    }
}

struct Gathering<'a> {
    kept: &'a Kept,
    groups: Vec<Loaded>,
    problems: Vec<FileProblem>,
    rules: usize,
}

impl Gathering<'_> {
    fn parsed(
        &mut self,
        file: &str,
        origin: Origin,
        parsed: Result<RuleFile, Vec<Problem>>,
        before: Option<&RuleFile>,
    ) {
        let found = parsed.unwrap_or_else(|problems| {
            let of_file = |problem| FileProblem { file: file.to_owned(), problem };
            self.problems.extend(problems.into_iter().map(of_file));
            before.cloned().unwrap_or_default()
        });
        for group in found.groups {
            self.rules += group.rules.len();
            if self.rules > RULES_MAX {
                let reason =
                    format!("more than {RULES_MAX} rules: the group {} is left out", group.name);
                let problem = Problem { line: group.line, column: 0, reason };
                self.problems.push(FileProblem { file: file.to_owned(), problem });
                self.rules -= group.rules.len();
                continue;
            }
            self.groups.push(loaded(file, origin, group, &self.kept.changes));
        }
    }
}

fn loaded(
    file: &str,
    origin: Origin,
    mut group: Group,
    changes: &BTreeMap<String, Change>,
) -> Loaded {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let rules = std::mem::take(&mut group.rules).into_iter().map(|rule| {
        let index = seen.entry(rule.name().to_owned()).or_default();
        let mut id = format!("{}/{}/{index}", group.name, rule.name());
        if origin == Origin::File {
            // Two files may have groups of one name.
            id = format!("{file}#{id}");
        }
        *index += 1;
        let change = changes.get(&id);
        let changed = change.map_or_else(|| rule.clone(), |change| apply(&rule, change));
        let is_enabled = change.and_then(|change| change.is_enabled).unwrap_or(true);
        Known { id, rule, changed, is_enabled, is_changed: change.is_some() }
    });
    let rules: Vec<Known> = rules.collect();
    let enabled = rules.iter().filter(|known| known.is_enabled);
    group.rules = enabled.map(|known| known.changed.clone()).collect();
    Loaded { file: file.to_owned(), origin, group: Arc::new(group), rules }
}

/// The rule as somebody changed it.
pub(crate) fn apply(rule: &Rule, change: &Change) -> Rule {
    let mut changed = rule.clone();
    if let Some(thresholds) = &change.thresholds
        && change.query == rule.expr.text()
    {
        let values: Vec<Option<f64>> = thresholds.iter().map(|value| Some(*value)).collect();
        // A number in place of a number always parses; if not, the rule stays as it was written.
        if let Ok(expr) = rule.expr.with_thresholds(&values) {
            changed.expr = expr;
        }
    }
    if let (Kind::Alerting { holds_for, .. }, Some(ms)) = (&mut changed.kind, change.for_ms) {
        *holds_for = Duration::from_millis(ms);
    }
    if let Some(severity) = &change.severity {
        changed.labels.retain(|(name, _)| name != "severity");
        changed.labels.push(("severity".into(), severity.clone()));
    }
    changed
}

/// The page's own rules as one group, and what is wrong with others: one that is not understood any more, by another
/// version for example, does not take those beside it along.
fn page_rules(rules: &[PageRule]) -> (RuleFile, Vec<FileProblem>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for rule in rules {
        match parse_page_rule(&rule.yaml) {
            Ok(rules) => found.extend(rules),
            Err(wrong) => problems.extend(wrong.into_iter().map(|problem| {
                let reason = format!("the rule {}: {}", rule.name, problem.reason);
                FileProblem { file: PAGE.to_owned(), problem: Problem { reason, ..problem } }
            })),
        }
    }
    let group = Group {
        name: PAGE.into(),
        interval: None,
        query_offset: None,
        limit: 0,
        labels: Vec::new(),
        rules: found,
        line: 0,
    };
    let groups = if group.rules.is_empty() { Vec::new() } else { vec![group] };
    (RuleFile { groups }, problems)
}

/// The rules of a text: one rule, a list of rules, or a whole file.
pub(crate) fn parse_page_rule(text: &str) -> Result<Vec<Rule>, Vec<Problem>> {
    if !text.lines().any(|line| line.starts_with("groups:")) {
        return file::parse_rules(text);
    }
    let file = file::parse(text)?;
    Ok(file.groups.into_iter().flat_map(|group| group.rules).collect())
}

/// The files that the patterns meet, and those that are named without a wildcard and not there.
fn paths(patterns: &[String]) -> (BTreeSet<PathBuf>, Vec<String>) {
    let (mut found, mut missing) = (BTreeSet::new(), Vec::new());
    for pattern in patterns {
        let paths = matching(Path::new("."), pattern);
        if paths.is_empty() && !pattern.contains(['*', '?', '[']) {
            missing.push(pattern.clone());
        }
        let left = FILES_MAX.saturating_sub(found.len());
        found.extend(paths.into_iter().take(left));
    }
    (found, missing)
}

/// The files that a pattern means, seen from a folder. What stands before the first wildcard is no pattern, so that it
/// may have `..`.
pub(crate) fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let is_fixed = |part: &&&str| !part.contains(['*', '?', '[']);
    let fixed = parts.iter().take_while(is_fixed).count().min(parts.len().saturating_sub(1));
    let (fixed, rest) = parts.split_at(fixed);
    let mut start = if pattern.starts_with('/') { "/".into() } else { folder.to_owned() };
    start.extend(fixed);
    if start.as_os_str().is_empty() {
        start.push(".");
    }
    collect::log::find_files(&start, &rest.join("/"))
}

fn look_at(path: &Path) -> Look {
    let metadata = std::fs::metadata(path).ok();
    Look {
        modified: metadata.as_ref().and_then(|metadata| metadata.modified().ok()),
        bytes: metadata.map_or(0, |metadata| metadata.len()),
    }
}

/// The text of a file of rules, or of tests of them.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let reason = format!("more than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn patterns_are_seen_from_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["rules/a.yml", "rules/b.yml", "tests/t.yml"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let root = folder.path().display().to_string();
        let check = |pattern: &str, expected: &[&str]| {
            let found = matching(&folder.path().join("tests"), pattern);
            let found: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
            let expected: Vec<String> = expected.iter().map(|it| format!("{root}/{it}")).collect();
            assert_eq!(found, expected, "{pattern}");
        };
        check("*.yml", &["tests/t.yml"]);
        check("t.yml", &["tests/t.yml"]);
        check("../rules/*.yml", &["tests/../rules/a.yml", "tests/../rules/b.yml"]);
        check("../rules/b.yml", &["tests/../rules/b.yml"]);
        check("../*/a.yml", &["tests/../rules/a.yml"]);
        check(
            &format!("{root}//tests/../rules/?.yml"),
            &["tests/../rules/a.yml", "tests/../rules/b.yml"],
        );
        for pattern in ["", "..", "../rules", "*/../t.yml", "/no/such/*.yml"] {
            check(pattern, &[]);
        }
    }

    #[test]
    fn files_of_rules_may_be_above() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.yml"), "groups: []\n").unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        let pattern = format!("{}/b/../*.yml", folder.path().display());
        let (found, missing) = paths(&[pattern]);
        assert_eq!((found.len(), missing), (1, vec![]));
    }
}
