//! What happened: incidents, errors, changes.

use model::message::{Language, render};

use super::{Words, first, table, when};
use crate::{
    chart::{Lane, Lanes, Span, WIDE, lanes},
    document::{Align, Block, Cell, Figure, Section, Trend},
    facts::{Bilingual, Change, Facts, Incident, Pattern},
    number::{ABSENT, Unit},
    scene::Ink,
};

/// Incidents that are told of one by one, worst first; the others are counted.
const INCIDENTS_MAX: usize = 40;
/// Lanes of the picture; further names are in the table only.
const LANES_MAX: usize = 12;
/// Changes that are told of one by one, the newest; the others are counted.
const CHANGES_MAX: usize = 40;
/// Longest text of a pattern that is shown.
const PATTERN_CHARS_MAX: usize = 160;
/// Longest summary or cause that is shown; rules of others may write pages.
const TEXT_CHARS_MAX: usize = 600;

impl Bilingual {
    fn of(&self, language: Language) -> &str {
        match language {
            Language::Chinese if !self.zh.is_empty() => &self.zh,
            _ => &self.en,
        }
    }
}

pub(super) fn incidents(facts: &Facts, words: Words) -> Section {
    let code = "report.section_incidents";
    let Some(incidents) = &facts.incidents else {
        return words.section(code, vec![words.nothing("report.incidents_not_kept")]);
    };
    if incidents.is_empty() {
        return words.section(code, vec![words.nothing("report.no_incidents")]);
    }
    const COLUMNS: &[(&str, Align)] = &[
        ("report.begin", Align::Left),
        ("report.duration", Align::Right),
        ("report.severity", Align::Left),
        ("report.what", Align::Left),
        ("report.cause", Align::Left),
    ];
    let end = |one: &Incident| one.end.unwrap_or(facts.end);
    let row = |one: &Incident| -> Vec<Cell> {
        let seconds = (end(one).0 - one.start.0) as f64 / 1e3;
        let mut duration = Unit::Seconds.text(seconds, words.language);
        if one.end.is_none() {
            duration = words.with("report.lasts", &[("duration", duration)]);
        }
        let summary = one.summary.of(words.language);
        let cause = one.cause.of(words.language);
        vec![
            when(facts, one.start).into(),
            duration.into(),
            severity(&one.severity, words),
            cut(if summary.is_empty() { &one.name } else { summary }, TEXT_CHARS_MAX).into(),
            cut(if cause.is_empty() { ABSENT } else { cause }, TEXT_CHARS_MAX).into(),
        ]
    };
    let mut worst: Vec<&Incident> = incidents.iter().collect();
    worst.sort_by_key(|one| (rank(&one.severity), std::cmp::Reverse(one.start)));
    let (shown, omitted) = first(&worst, INCIDENTS_MAX);
    let rows = shown.iter().map(|one| row(one)).collect();
    let mut blocks = vec![picture(facts, incidents, words)];
    blocks.push(table(words.headers(COLUMNS), rows, words.omitted(omitted)));
    words.section(code, blocks)
}

/// So many characters of a text, and a sign where there were more.
fn cut(text: &str, chars_max: usize) -> String {
    let mut shown: String = text.chars().take(chars_max).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn rank(severity: &str) -> u8 {
    match severity {
        "critical" => 0,
        "warning" => 1,
        _ => 2,
    }
}

fn severity(name: &str, words: Words) -> Cell {
    let code = match rank(name) {
        0 => "report.critical",
        1 => "report.warning",
        _ => "report.info",
    };
    Cell { text: words.text(code), trend: (rank(name) == 0).then_some(Trend::Worse) }
}

/// A lane for each name, with the times at which it was wrong.
fn picture(facts: &Facts, incidents: &[Incident], words: Words) -> Block {
    let mut found: Vec<Lane> = Vec::new();
    for one in incidents {
        let (ink, code) = match rank(&one.severity) {
            0 => (Ink::Critical, "report.critical"),
            1 => (Ink::Series(1), "report.warning"),
            _ => (Ink::Series(0), "report.info"),
        };
        let span = Span {
            start: one.start.max(facts.start),
            end: one.end.unwrap_or(facts.end),
            text: words.text(code),
            ink,
        };
        match found.iter_mut().find(|lane| lane.label == one.name) {
            Some(lane) => lane.spans.push(span),
            None => found.push(Lane { label: one.name.clone(), spans: vec![span] }),
        }
    }
    found.truncate(LANES_MAX);
    let caption = words.text("report.incident_lanes");
    let scene = lanes(&Lanes {
        title: caption.clone(),
        width: WIDE,
        start: facts.start,
        end: facts.end,
        zone: &facts.zone,
        lanes: found,
    });
    Block::Figure(Figure { caption, scene })
}

pub(super) fn errors(facts: &Facts, words: Words) -> Section {
    let mut blocks = Vec::new();
    let all: f64 = facts.errors.outcomes.iter().map(|(_, count)| count).sum();
    if all > 0.0 {
        const COLUMNS: &[(&str, Align)] = &[
            ("report.outcome", Align::Left),
            ("report.requests", Align::Right),
            ("report.share", Align::Right),
        ];
        let row = |(name, count): &(String, f64)| -> Vec<Cell> {
            vec![
                words.text(outcome(name)).into(),
                words.cell(Unit::Count, Some(*count)),
                words.cell(Unit::Ratio, Some(count / all)),
            ]
        };
        blocks.push(Block::Heading(words.text("report.outcomes")));
        let rows = facts.errors.outcomes.iter().map(row).collect();
        blocks.push(table(words.headers(COLUMNS), rows, String::new()));
    } else {
        blocks.push(words.nothing("report.no_outcomes"));
    }
    blocks.push(Block::Heading(words.text("report.patterns")));
    if facts.errors.patterns.is_empty() {
        blocks.push(words.nothing("report.no_patterns"));
    } else {
        blocks.push(patterns(facts, words));
    }
    words.section("report.section_errors", blocks)
}

/// The message that an outcome's name has.
fn outcome(name: &str) -> &'static str {
    match name {
        "ok" => "report.outcome_ok",
        "client_abort" => "report.outcome_client_abort",
        "upstream_error" => "report.outcome_upstream_error",
        "truncated" => "report.outcome_truncated",
        "timeout" => "report.outcome_timeout",
        "refused" => "report.outcome_refused",
        _ => "report.outcome_other",
    }
}

fn patterns(facts: &Facts, words: Words) -> Block {
    const COLUMNS: &[(&str, Align)] = &[
        ("report.lines", Align::Right),
        ("report.severity", Align::Left),
        ("report.pattern", Align::Left),
        ("report.first_seen", Align::Left),
        ("report.last_seen", Align::Left),
    ];
    let row = |one: &Pattern| -> Vec<Cell> {
        vec![
            words.cell(Unit::Count, Some(one.count as f64)),
            one.severity.as_str().into(),
            cut(&one.text, PATTERN_CHARS_MAX).into(),
            when(facts, one.first).into(),
            when(facts, one.last).into(),
        ]
    };
    let rows = facts.errors.patterns.iter().map(row).collect();
    table(words.headers(COLUMNS), rows, words.omitted(facts.errors.patterns_omitted))
}

pub(super) fn changes(facts: &Facts, words: Words) -> Section {
    const COLUMNS: &[(&str, Align)] = &[("report.time", Align::Left), ("report.what", Align::Left)];
    if facts.changes.is_empty() {
        return words.section("report.section_changes", vec![words.nothing("report.no_changes")]);
    }
    let row = |one: &Change| -> Vec<Cell> {
        let text = render(&one.said.code, &one.said.params, words.language);
        vec![when(facts, one.time).into(), text.into()]
    };
    let (earlier, shown) = facts.changes.split_at(facts.changes.len().saturating_sub(CHANGES_MAX));
    let rows = shown.iter().map(row).collect();
    let omitted = match earlier.len() + facts.changes_omitted {
        0 => String::new(),
        count => words.with("report.omitted_earlier", &[("count", count.to_string())]),
    };
    words.section("report.section_changes", vec![table(words.headers(COLUMNS), rows, omitted)])
}
