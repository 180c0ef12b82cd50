//! Relabelling: rules that rewrite the labels of a target or of a sample, or drop it, as Prometheus'
//! `relabel_configs` and `metric_relabel_configs` do.
//!
//! Every pattern is anchored at both ends and its compiled size is capped; matching takes time linear
//! in the text. Source of the semantics: `relabel.go` in
//! <https://github.com/prometheus/prometheus/tree/main/model/relabel>, observed where it was unclear.

use model::{LabelsBuilder, limits::LABEL_BYTES_MAX, series};
use regex::Regex;

use super::md5;

/// Most rules of one list.
pub const RULES_MAX: usize = 200;

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    #[default]
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

impl Action {
    /// The words of the configuration, sorted, with their actions.
    const WORDS: [(&'static str, Self); 11] = [
        ("drop", Self::Drop),
        ("dropequal", Self::DropEqual),
        ("hashmod", Self::HashMod),
        ("keep", Self::Keep),
        ("keepequal", Self::KeepEqual),
        ("labeldrop", Self::LabelDrop),
        ("labelkeep", Self::LabelKeep),
        ("labelmap", Self::LabelMap),
        ("lowercase", Self::Lowercase),
        ("replace", Self::Replace),
        ("uppercase", Self::Uppercase),
    ];

    /// The action that a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, action)| *action)
    }

    fn needs_target(self) -> bool {
        matches!(
            self,
            Self::Replace
                | Self::KeepEqual
                | Self::DropEqual
                | Self::HashMod
                | Self::Lowercase
                | Self::Uppercase
        )
    }
}

/// A rule as it is written; what is absent has Prometheus' default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleText {
    pub action: Action,
    pub source_labels: Vec<String>,
    /// Between the values of the source labels; `;` when absent.
    pub separator: Option<String>,
    /// `(.*)` when absent.
    pub regex: Option<String>,
    pub target_label: Option<String>,
    /// `$1` when absent.
    pub replacement: Option<String>,
    pub modulus: u64,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    #[error(transparent)]
    Regex(#[from] series::BadRegex),
    #[error("this action needs a target_label")]
    NoTarget,
    #[error("hashmod needs a modulus of at least 1")]
    NoModulus,
}

/// A rule, ready to be applied.
#[derive(Clone, Debug)]
pub struct Rule {
    action: Action,
    source_labels: Vec<String>,
    separator: String,
    regex: Regex,
    /// The pattern matches anything.
    is_any: bool,
    target_label: String,
    replacement: String,
    modulus: u64,
}

impl Rule {
    /// Compiles and checks a rule.
    pub fn new(text: &RuleText) -> Result<Self, BadRule> {
        let pattern = text.regex.as_deref().unwrap_or("(.*)");
        let target_label = text.target_label.clone().unwrap_or_default();
        if text.action.needs_target() && target_label.is_empty() {
            return Err(BadRule::NoTarget);
        }
        if text.action == Action::HashMod && text.modulus == 0 {
            return Err(BadRule::NoModulus);
        }
        Ok(Self {
            action: text.action,
            source_labels: text.source_labels.clone(),
            separator: text.separator.clone().unwrap_or_else(|| ";".into()),
            regex: series::anchored(pattern)?,
            is_any: pattern == "(.*)",
            target_label,
            replacement: text.replacement.clone().unwrap_or_else(|| "$1".into()),
            modulus: text.modulus,
        })
    }

    /// Changes the labels; `false` when what they belong to is to be dropped.
    fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        let values = self.source_labels.iter().map(|name| labels.get(name).unwrap_or_default());
        let value = values.collect::<Vec<_>>().join(&self.separator);
        match self.action {
            Action::Keep => return self.regex.is_match(&value),
            Action::Drop => return !self.regex.is_match(&value),
            Action::KeepEqual | Action::DropEqual => {
                let is_equal = labels.get(&self.target_label).unwrap_or_default() == value;
                return is_equal == (self.action == Action::KeepEqual);
            }
            Action::Replace => self.replace(&value, labels),
            Action::HashMod => {
                let digest = md5::digest(value.as_bytes());
                // Prometheus takes the last eight bytes.
                let last = digest.iter().skip(8);
                let number = last.fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
                let shard = number % self.modulus.max(1);
                labels.set(self.target_label.as_str(), shard.to_string());
            }
            Action::Lowercase => {
                labels.set(self.target_label.as_str(), value.to_lowercase());
            }
            Action::Uppercase => {
                labels.set(self.target_label.as_str(), value.to_uppercase());
            }
            Action::LabelMap => self.map(labels),
            Action::LabelDrop => {
                labels.retain(|name| !self.regex.is_match(name));
            }
            Action::LabelKeep => {
                labels.retain(|name| self.regex.is_match(name));
            }
        }
        true
    }

    fn replace(&self, value: &str, labels: &mut LabelsBuilder) {
        let is_plain = |text: &str| !text.contains('$');
        let is_constant = is_plain(&self.target_label) && is_plain(&self.replacement);
        if self.is_any && is_constant {
            labels.set(self.target_label.as_str(), self.replacement.as_str());
            return;
        }
        let Some(found) = self.regex.captures(value) else { return };
        let (mut name, mut text) = (String::new(), String::new());
        found.expand(&self.target_label, &mut name);
        found.expand(&self.replacement, &mut text);
        if name.is_empty() {
            return;
        }
        // An empty value removes the label.
        labels.set(bounded(name), bounded(text));
    }

    fn map(&self, labels: &mut LabelsBuilder) {
        let mapped: Vec<(String, String)> = labels
            .iter()
            .filter(|(name, _)| self.regex.is_match(name))
            .map(|(name, value)| {
                let name = self.regex.replace(name, self.replacement.as_str());
                (bounded(name.into_owned()), value.to_owned())
            })
            .collect();
        for (name, value) in mapped.into_iter().filter(|(name, _)| !name.is_empty()) {
            labels.set(name, value);
        }
    }
}

/// A replacement that repeats its groups can be made to grow from rule to rule.
fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LABEL_BYTES_MAX));
    text
}

/// Applies all rules in order; `false` when what the labels belong to is to be dropped.
pub(super) fn apply(rules: &[Rule], labels: &mut LabelsBuilder) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(action: &str, source: &[&str], regex: &str, target: &str, replacement: &str) -> Rule {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let text = RuleText {
            action: Action::from_word(action).unwrap(),
            source_labels: source.iter().map(|name| (*name).to_owned()).collect(),
            separator: None,
            regex: given(regex),
            target_label: given(target),
            replacement: given(replacement),
            modulus: 8,
        };
        Rule::new(&text).unwrap()
    }

    fn check(rule: &Rule, expected: Option<&str>) {
        let mut labels = LabelsBuilder::default();
        labels.set("a", "foo").set("b", "bar").set("c", "baz").set("d", "boo");
        let kept = apply(std::slice::from_ref(rule), &mut labels);
        let found = kept.then(|| labels.build().to_string());
        assert_eq!(found.as_deref(), expected, "{rule:?}");
    }

    /// Written from the documentation of `relabel_config`.
    #[test]
    fn actions() {
        let same = r#"{a="foo", b="bar", c="baz", d="boo"}"#;
        check(
            &rule("replace", &["a"], "f(.*)", "d", "ch${1}-ch${1}"),
            Some(r#"{a="foo", b="bar", c="baz", d="choo-choo"}"#),
        );
        check(
            &rule("replace", &["a", "b"], "f(.*);(.*)r", "a", "b${1}${2}m"),
            Some(r#"{a="boobam", b="bar", c="baz", d="boo"}"#),
        );
        // Anchored at both ends.
        check(&rule("replace", &["a"], "f", "d", "x"), Some(same));
        check(&rule("replace", &["a"], ".*", "d", "$2"), Some(r#"{a="foo", b="bar", c="baz"}"#));
        check(
            &rule("replace", &[], "", "e", "new"),
            Some(r#"{a="foo", b="bar", c="baz", d="boo", e="new"}"#),
        );
        check(
            &rule("replace", &["b"], "(b).*", "${1}x", "$1"),
            Some(r#"{a="foo", b="bar", bx="b", c="baz", d="boo"}"#),
        );
        check(&rule("drop", &["a"], ".*o.*", "", ""), None);
        check(&rule("drop", &["a"], "f|o", "", ""), Some(same));
        check(&rule("keep", &["a"], "foo", "", ""), Some(same));
        check(&rule("keep", &["a"], "no", "", ""), None);
        check(&rule("keepequal", &["a"], "", "b", ""), None);
        check(&rule("dropequal", &["a"], "", "b", ""), Some(same));
        check(&rule("dropequal", &["a"], "", "a", ""), None);
        check(&rule("labeldrop", &[], "[bcd]", "", ""), Some(r#"{a="foo"}"#));
        check(&rule("labelkeep", &[], "[bc]", "", ""), Some(r#"{b="bar", c="baz"}"#));
        check(
            &rule("labelmap", &[], "(a|b)", "", "my_$1"),
            Some(r#"{a="foo", b="bar", c="baz", d="boo", my_a="foo", my_b="bar"}"#),
        );
        check(
            &rule("uppercase", &["a"], "", "a", ""),
            Some(r#"{a="FOO", b="bar", c="baz", d="boo"}"#),
        );
        // md5sum of foo is acbd18db4cc2f85cedef654fccc4a4d8, and the last byte decides modulo 8.
        check(&rule("hashmod", &["a"], "", "d", ""), Some(r#"{a="foo", b="bar", c="baz", d="0"}"#));
    }

    #[test]
    fn bad_rules_are_refused() {
        let bad = |change: fn(&mut RuleText)| {
            let mut text = RuleText { target_label: Some("a".into()), ..RuleText::default() };
            change(&mut text);
            Rule::new(&text).unwrap_err()
        };
        assert_eq!(bad(|rule| rule.target_label = None), BadRule::NoTarget);
        assert_eq!(bad(|rule| rule.action = Action::HashMod), BadRule::NoModulus);
        assert!(matches!(bad(|rule| rule.regex = Some("(".into())), BadRule::Regex(_)));
        assert!(matches!(
            bad(|rule| rule.regex = Some("((a{1000}){1000}){1000}".into())),
            BadRule::Regex(_)
        ));
        assert!(Action::WORDS.is_sorted_by(|a, b| a.0 < b.0));
    }

    proptest! {
        #[test]
        fn any_value_is_survived(value in ".{0,40}", replacement in "[$1a{}]{0,20}") {
            let mut labels = LabelsBuilder::default();
            labels.set("a", value);
            apply(&[rule("replace", &["a"], "(.)(.*)", "b", &replacement)], &mut labels);
        }
    }
}
