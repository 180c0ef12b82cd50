//! `[alerts]` and `[[objective]]`: what is checked once all of it is known, and what becomes of it.

use std::time::Duration;

use super::{
    Problem, duration_text,
    lines::{Lines, pairs, text},
};

/// How rules are evaluated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Alerts {
    pub(crate) is_enabled: bool,
    pub(crate) has_builtin: bool,
    pub(crate) evaluation_interval: Duration,
    pub(crate) query_offset: Duration,
    pub(crate) resend_delay: Duration,
    pub(crate) external_labels: Vec<(String, String)>,
    /// Empty for the address that is listened on.
    pub(crate) external_url: String,
    /// Patterns of paths.
    pub(crate) rule_files: Vec<String>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            is_enabled: true,
            has_builtin: true,
            evaluation_interval: Duration::from_secs(15),
            query_offset: Duration::ZERO,
            resend_delay: Duration::from_secs(60),
            external_labels: Vec::new(),
            external_url: String::new(),
            rule_files: Vec::new(),
        }
    }
}

impl Alerts {
    /// As lines that a configuration file could hold.
    pub(super) fn lines(&self) -> Vec<String> {
        vec![
            format!("alerts.builtin = {}", self.has_builtin),
            format!("alerts.enabled = {}", self.is_enabled),
            format!("alerts.evaluation_interval = \"{}\"", duration_text(self.evaluation_interval)),
            format!("alerts.external_labels = {}", pairs(&self.external_labels)),
            format!("alerts.external_url = {}", text(self.external_url.as_str())),
            format!("alerts.query_offset = \"{}\"", duration_text(self.query_offset)),
            format!("alerts.resend_delay = \"{}\"", duration_text(self.resend_delay)),
            format!("alerts.rule_files = {}", text(self.rule_files.as_slice())),
        ]
    }
}

/// What is asked of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Objective {
    pub(crate) model: String,
    pub(crate) ttft: Option<Duration>,
    pub(crate) tpot: Option<Duration>,
    /// As written, such as `99.5%`; empty where nothing is asked.
    pub(crate) success: String,
    /// As written; empty for the default.
    pub(crate) ratio: String,
    /// Line of the entry, for errors found after parsing.
    pub(crate) line: usize,
}

impl Objective {
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Lines::of("[[objective]]");
        lines.written("model", &self.model);
        lines.written("ratio", &self.ratio);
        lines.written("success", &self.success);
        lines.period("tpot", self.tpot);
        lines.period("ttft", self.ttft);
        lines.0
    }
}

/// A part between 0 and 1, both excluded: `99.5%` or `0.995`.
pub(crate) fn part(text: &str) -> Option<f64> {
    let text = text.trim();
    let value: f64 = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (value > 0.0 && value < 1.0).then_some(value)
}

pub(super) fn check(objectives: &[Objective], problems: &mut Vec<Problem>) {
    for (index, objective) in objectives.iter().enumerate() {
        let mut complain = |code, params: Vec<(&'static str, String)>| {
            problems.push(Problem::new(objective.line, code, params));
        };
        if objectives[..index].iter().any(|other| other.model == objective.model) {
            complain("config.objective_twice", vec![("model", objective.model.clone())]);
        }
        for (key, value) in [("ratio", &objective.ratio), ("success", &objective.success)] {
            if !value.is_empty() && part(value).is_none() {
                let params = vec![
                    ("key", format!("objective.{key}")),
                    ("value", value.clone()),
                    ("expected", "99.5%".to_owned()),
                ];
                complain("config.wrong_type", params);
            }
        }
        if objective.ttft.is_none() && objective.tpot.is_none() && objective.success.is_empty() {
            complain("config.objective_empty", vec![("model", objective.model.clone())]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(part(text), expected, "{text}");
        check("99.5%", Some(0.995));
        check(" 95 % ", Some(0.95));
        check("0.25", Some(0.25));
        for text in ["", "100%", "0", "1", "-5%", "NaN", "5", "x"] {
            check(text, None);
        }
    }
}
