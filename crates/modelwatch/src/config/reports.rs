//! `[[report]]` and `[reports]`: what is checked once all of it is known, and what becomes of it.

use super::{
    Problem,
    lines::{Lines, text},
};
use crate::reports::{Schedule, ScheduleProblem};

/// What the configuration says of reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reports {
    pub(crate) schedules: Vec<Report>,
    /// As written; empty where costs are not told.
    pub(crate) energy_price: String,
    pub(crate) currency: String,
    /// Where schedules of the page may write.
    pub(crate) folders: Vec<String>,
}

/// A report that is made by the clock.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) every: String,
    pub(crate) at: String,
    pub(crate) zone: String,
    pub(crate) language: String,
    pub(crate) model: String,
    pub(crate) formats: Vec<String>,
    pub(crate) folder: String,
    pub(crate) channels: Vec<String>,
    /// Line of the entry, for errors found after parsing.
    pub(crate) line: usize,
}

impl Report {
    pub(super) fn new(line: usize) -> Self {
        Self {
            name: String::new(),
            every: "daily".into(),
            at: "08:00".into(),
            zone: String::new(),
            language: String::new(),
            model: String::new(),
            formats: vec!["html".into()],
            folder: String::new(),
            channels: Vec::new(),
            line,
        }
    }

    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.into(), ..Self::new(0) }
    }

    /// What it asks for, or what is wrong with it.
    pub(crate) fn schedule(&self) -> Result<Schedule, ScheduleProblem> {
        Schedule {
            name: self.name.clone(),
            every: self.every.clone(),
            at: self.at.clone(),
            zone: self.zone.clone(),
            language: self.language.clone(),
            model: self.model.clone(),
            formats: self.formats.clone(),
            folder: self.folder.clone(),
            channels: self.channels.clone(),
        }
        .checked()
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Lines::of("[[report]]");
        lines.written("at", &self.at);
        lines.texts("channels", &self.channels);
        lines.written("every", &self.every);
        lines.written("folder", &self.folder);
        lines.texts("formats", &self.formats);
        lines.written("language", &self.language);
        lines.written("model", &self.model);
        lines.written("name", &self.name);
        lines.written("zone", &self.zone);
        lines.0
    }
}

impl Reports {
    /// What a kilowatt-hour costs.
    pub(crate) fn price(&self) -> Option<f64> {
        let price: f64 = self.energy_price.trim().parse().ok()?;
        (price.is_finite() && price >= 0.0).then_some(price)
    }

    /// As lines that a configuration file could hold.
    pub(super) fn lines(&self) -> Vec<String> {
        vec![
            format!("reports.currency = {}", text(self.currency.as_str())),
            format!("reports.energy_price = {}", text(self.energy_price.as_str())),
            format!("reports.folders = {}", text(self.folders.as_slice())),
        ]
    }

    pub(super) fn schedule_lines(&self) -> Vec<String> {
        self.schedules.iter().flat_map(Report::lines).collect()
    }
}

pub(super) fn check(
    reports: &Reports,
    line_of: &dyn Fn(&str) -> usize,
    problems: &mut Vec<Problem>,
) {
    if !reports.energy_price.is_empty() && reports.price().is_none() {
        let params = [
            ("key", "reports.energy_price".to_owned()),
            ("value", reports.energy_price.clone()),
            ("expected", "0.30".to_owned()),
        ];
        problems.push(Problem::new(line_of("energy_price"), "config.wrong_type", params));
    }
    if let Some(folder) = reports.folders.iter().find(|folder| !folder.starts_with('/')) {
        let params = [
            ("key", "reports.folders".to_owned()),
            ("value", folder.clone()),
            ("expected", "/srv/reports".to_owned()),
        ];
        problems.push(Problem::new(line_of("folders"), "config.wrong_type", params));
    }
    for (index, report) in reports.schedules.iter().enumerate() {
        let name = ("name", report.name.clone());
        if reports.schedules[..index].iter().any(|other| other.name == report.name) {
            problems.push(Problem::new(report.line, "config.report_twice", [name]));
        } else if let Err(problem) = report.schedule() {
            let params = [name, ("key", problem.key.to_owned()), ("value", problem.value)];
            problems.push(Problem::new(report.line, "config.report", params));
        }
    }
}
