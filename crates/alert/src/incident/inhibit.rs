//! Alerts that say nothing new while another fires, as Alertmanager's inhibition rules have them.

use std::collections::HashMap;

use model::{Labels, series::Matcher};

/// Most rules.
pub const INHIBITIONS_MAX: usize = 200;
/// Most sources that are named of an alert that is held back.
const SOURCES_MAX: usize = 10;

/// While an alert fires that `source` matches, those that `target` matches are held back, if both have the same
/// values of the labels `equal`.
#[derive(Clone, Debug, PartialEq)]
pub struct Inhibition {
    pub source: Vec<Matcher>,
    pub target: Vec<Matcher>,
    pub equal: Vec<String>,
    /// Whether it is one of ours rather than one that a person wrote.
    pub is_builtin: bool,
}

impl Inhibition {
    /// What both must share, as one text. What a person wrote takes labels that both lack for equal, as Alertmanager
    /// does; ours say nothing of an alert that lacks one, because one machine's fault would hide another's.
    fn shared(&self, labels: &Labels) -> Option<String> {
        let value = |name: &String| {
            let value = labels.get(name).unwrap_or_default();
            (!self.is_builtin || !value.is_empty()).then_some(value)
        };
        Some(self.equal.iter().map(value).collect::<Option<Vec<_>>>()?.join("\u{1f}"))
    }
}

/// Which rules an alert is a source of, and which it is a target of.
#[derive(Clone, Debug, Default)]
pub(super) struct Roles {
    source: Vec<u16>,
    target: Vec<u16>,
}

impl Roles {
    pub(super) fn of(rules: &[Inhibition], labels: &Labels) -> Self {
        let places = |matches: &dyn Fn(&Inhibition) -> bool| {
            let found = rules.iter().enumerate().filter(|(_, rule)| matches(rule));
            found.filter_map(|(at, _)| u16::try_from(at).ok()).collect()
        };
        Self {
            source: places(&|rule| Matcher::all_match(&rule.source, labels)),
            target: places(&|rule| Matcher::all_match(&rule.target, labels)),
        }
    }
}

/// The alerts that hold others back at a moment.
pub(super) struct Sources<'a> {
    rules: &'a [Inhibition],
    /// By rule and what is shared: a few fingerprints, and whether each is a target of the same rule too.
    found: HashMap<(u16, String), Vec<(u64, bool)>>,
}

impl<'a> Sources<'a> {
    pub(super) fn new<'l>(
        rules: &'a [Inhibition],
        alerts: impl Iterator<Item = (u64, &'l Labels, &'l Roles)>,
    ) -> Self {
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for (print, labels, roles) in alerts {
            for at in &roles.source {
                let Some(shared) = rules[usize::from(*at)].shared(labels) else { continue };
                let key = (*at, shared);
                let sources: &mut Vec<(u64, bool)> = found.entry(key).or_default();
                let is_both = roles.target.contains(at);
                if sources.iter().filter(|(_, both)| *both == is_both).count() < SOURCES_MAX {
                    sources.push((print, is_both));
                }
            }
        }
        Self { rules, found }
    }

    /// The alerts that hold one back. As in Alertmanager two that are source and target of one rule do not hold
    /// each other back, and none itself.
    pub(super) fn against(&self, print: u64, labels: &Labels, roles: &Roles) -> Vec<u64> {
        let mut sources = Vec::new();
        for at in &roles.target {
            let is_source = roles.source.contains(at);
            let Some(shared) = self.rules[usize::from(*at)].shared(labels) else { continue };
            let key = (*at, shared);
            for (source, is_both) in self.found.get(&key).into_iter().flatten() {
                if *source != print && !(is_source && *is_both) && !sources.contains(source) {
                    sources.push(*source);
                }
            }
        }
        sources.truncate(SOURCES_MAX);
        sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matchers;

    fn held(rule: (&str, &str, &[&str]), alerts: &[&[(&str, &str)]]) -> Vec<usize> {
        held_by(rule, alerts, false)
    }

    fn held_by(
        rule: (&str, &str, &[&str]),
        alerts: &[&[(&str, &str)]],
        is_builtin: bool,
    ) -> Vec<usize> {
        let rules = [Inhibition {
            source: matchers::parse_list(rule.0).unwrap(),
            target: matchers::parse_list(rule.1).unwrap(),
            equal: rule.2.iter().map(|it| (*it).to_owned()).collect(),
            is_builtin,
        }];
        let labels: Vec<Labels> =
            alerts.iter().map(|it| Labels::from_pairs(it.iter().copied())).collect();
        let roles: Vec<Roles> = labels.iter().map(|it| Roles::of(&rules, it)).collect();
        let prints = || labels.iter().zip(&roles).map(|(it, roles)| (it.fingerprint(), it, roles));
        let sources = Sources::new(&rules, prints());
        let is_held = |(_, (print, labels, roles)): &(usize, (u64, &Labels, &Roles))| {
            !sources.against(*print, labels, roles).is_empty()
        };
        prints().enumerate().filter(is_held).map(|(at, _)| at).collect()
    }

    #[test]
    fn targets_are_held_back_while_a_source_fires() {
        let rule = ("alertname=\"Down\"", "severity=\"warning\"", &["instance"][..]);
        let down: &[_] = &[("alertname", "Down"), ("instance", "a")];
        let slow: &[_] = &[("alertname", "Slow"), ("instance", "a"), ("severity", "warning")];
        let other: &[_] = &[("alertname", "Slow"), ("instance", "b"), ("severity", "warning")];
        assert_eq!(held(rule, &[down, slow, other]), [1]);
        assert_eq!(held(rule, &[slow, other]), [0; 0]);
        // Labels that both lack are equal.
        assert_eq!(held((rule.0, rule.1, &["zone"]), &[down, slow, other]), [1, 2]);
        // Both are both.
        assert_eq!(held(("", "", &["instance"]), &[down, slow]), [0; 0]);
        assert_eq!(
            held(("alertname=~\".+\"", "severity=\"warning\"", &["instance"]), &[slow, down]),
            [0]
        );
    }

    #[test]
    fn a_built_in_rule_says_nothing_of_alerts_without_its_labels() {
        let rule = ("alertname=\"Down\"", "alertname=\"Slow\"", &["instance", "zone"][..]);
        let down: &[_] = &[("alertname", "Down"), ("instance", "a")];
        let slow: &[_] = &[("alertname", "Slow"), ("instance", "a")];
        let down_there: &[_] = &[("alertname", "Down"), ("instance", "a"), ("zone", "z")];
        let slow_there: &[_] = &[("alertname", "Slow"), ("instance", "a"), ("zone", "z")];
        let alerts = [down, slow, down_there, slow_there];
        assert_eq!(held(rule, &alerts), [1, 3]);
        assert_eq!(held_by(rule, &alerts, true), [3]);
        assert_eq!(held_by(rule, &alerts[..2], true), [0; 0]);
    }
}
