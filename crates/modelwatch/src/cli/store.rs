//! `modelwatch store`: what is damaged in a data directory, and saving the rest.

use std::{path::Path, process::ExitCode};

use model::message::{Language, render};
use store::{Damage, OpenError, Problem, Report};

use super::{complain, say};
use crate::wire;

/// Exit status when nothing could be looked at, so that scripts can tell it from damage.
const NOT_CHECKED: u8 = 2;

pub(super) fn verify(path: &Path, language: Language) -> ExitCode {
    tell(path, store::verify(path), ("store.problems", ExitCode::FAILURE), language)
}

pub(super) fn repair(path: &Path, language: Language) -> ExitCode {
    tell(path, store::repair(path), ("store.repaired", ExitCode::SUCCESS), language)
}

/// Says what was found and what was done. Where there was something, `then` is the code of the last line
/// and the exit status.
fn tell(
    path: &Path,
    result: Result<Report, OpenError>,
    then: (&str, ExitCode),
    language: Language,
) -> ExitCode {
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            let error = wire::store_refused(&error, "store.in_use", language);
            complain(&format!("modelwatch: {error}"));
            return ExitCode::from(NOT_CHECKED);
        }
    };
    let path = ("path", path.display().to_string());
    let found = [
        path.clone(),
        ("blocks", report.blocks.to_string()),
        ("segments", report.segments.to_string()),
        ("samples", report.samples.to_string()),
        ("parts", report.parts.to_string()),
        ("records", report.records.to_string()),
        ("logged", report.records_logged.to_string()),
    ];
    say(&render("store.found", &found, language));
    for problem in &report.problems {
        describe(problem, language);
    }
    let (code, status) = match report.problems.len() {
        0 => ("store.sound", ExitCode::SUCCESS),
        _ => then,
    };
    say(&render(code, &[path, ("count", report.problems.len().to_string())], language));
    status
}

fn describe(problem: &Problem, language: Language) {
    let (code, name, value) = match &problem.damage {
        Damage::File(reason) => ("store.damaged_file", "reason", reason.clone()),
        Damage::Pieces(count) => ("store.damaged_pieces", "count", count.to_string()),
        Damage::Tail(bytes) => ("store.damaged_tail", "count", bytes.to_string()),
    };
    let params = [("path", problem.path.display().to_string()), (name, value)];
    say(&render(code, &params, language));
    let Some(repaired) = &problem.repaired else { return };
    if let Some(saved) = repaired.saved {
        say(&render("store.saved", &[("count", saved.to_string())], language));
    }
    let aside = repaired.aside.display().to_string();
    say(&render("store.aside", &[("path", aside)], language));
}
