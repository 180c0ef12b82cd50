//! What a report says: facts in, a document in one language out.
//!
//! Each section is one file with the sentences, tables and pictures of its subject. A section without data says so
//! instead of being left out; those of things that do not exist yet in a deployment are left out.

mod events;
mod hardware;
mod models;
mod overview;
mod usage;

use model::{
    UnixMs,
    message::{Language, render},
};

use crate::{
    advice::advise,
    document::{Align, Block, Cell, Document, Section, Table, Trend},
    facts::Facts,
    number::{self, Unit},
};

/// The facts in words.
pub fn compose(facts: &Facts, language: Language) -> Document {
    let words = Words { language };
    let advice = advise(facts, words);
    let sections = vec![
        overview::overview(facts, words, advice),
        models::availability(facts, words),
        models::speed(facts, words),
        usage::busiest(facts, words),
        usage::usage(facts, words),
        events::incidents(facts, words),
        hardware::hardware(facts, words),
        hardware::capacity(facts, words),
        events::errors(facts, words),
        events::changes(facts, words),
        overview::comparison(facts, words),
        overview::method(facts, words),
    ];
    let zone = facts.zone.text(facts.end);
    let (start, end) = (facts.zone.minute(facts.start), facts.zone.minute(facts.end));
    let period = [("start", start), ("end", end), ("zone", zone)];
    let mut subtitle = vec![
        words.with("report.of_deployment", &[("name", facts.deployment.clone())]),
        words.with("report.period", &period),
    ];
    if let Some(model) = &facts.model {
        subtitle.push(words.with("report.of_model", &[("model", model.clone())]));
    }
    let made = [("time", facts.zone.minute(facts.created)), ("version", facts.version.clone())];
    Document {
        language,
        title: title(facts, words),
        subtitle,
        sections,
        footer: words.with("report.made", &made),
    }
}

/// Named after its length where that is a usual one.
fn title(facts: &Facts, words: Words) -> String {
    let hours = (facts.end.0 - facts.start.0) as f64 / 3_600_000.0;
    // Days on which clocks change have 23 or 25 hours, months 28 to 31 days.
    let code = match hours {
        hours if (22.9..=25.1).contains(&hours) => "report.title_daily",
        hours if (166.9..=169.1).contains(&hours) => "report.title_weekly",
        hours if (671.0..=745.0).contains(&hours) => "report.title_monthly",
        _ => "report.title",
    };
    words.text(code)
}

/// Texts in one language.
#[derive(Clone, Copy)]
pub(crate) struct Words {
    pub(crate) language: Language,
}

impl Words {
    pub(crate) fn text(self, code: &str) -> String {
        render::<&str, &str>(code, &[], self.language)
    }

    pub(crate) fn with(self, code: &str, params: &[(&str, String)]) -> String {
        render(code, params, self.language)
    }

    /// A number, or the sign that it is not known.
    pub(crate) fn number(self, unit: Unit, value: Option<f64>) -> String {
        unit.maybe(value, self.language)
    }

    fn cell(self, unit: Unit, value: Option<f64>) -> Cell {
        self.number(unit, value).into()
    }

    fn headers(self, columns: &[(&str, Align)]) -> Vec<(String, Align)> {
        columns.iter().map(|(code, align)| (self.text(code), *align)).collect()
    }

    /// What stands where a section has nothing to tell.
    fn nothing(self, code: &str) -> Block {
        Block::Note(self.text(code))
    }

    /// What stands for rows that a table has no room for.
    fn omitted(self, count: usize) -> String {
        match count {
            0 => String::new(),
            count => self.with("report.omitted", &[("count", count.to_string())]),
        }
    }

    fn section(self, code: &str, blocks: Vec<Block>) -> Section {
        Section { title: self.text(code), blocks }
    }
}

/// Which way is the good one.
#[derive(Clone, Copy)]
enum Wish {
    More,
    Less,
    Neither,
}

/// Changes below this are noise.
const NOISE: f64 = 0.03;

fn trend(change: f64, wish: Wish) -> Trend {
    match wish {
        _ if change.abs() < NOISE => Trend::Neutral,
        Wish::Neither => Trend::Neutral,
        Wish::More if change > 0.0 => Trend::Better,
        Wish::Less if change < 0.0 => Trend::Better,
        _ => Trend::Worse,
    }
}

/// A change with what to think of it.
fn compared(now: Option<f64>, before: Option<f64>, wish: Wish) -> Option<(String, Trend)> {
    let change = number::change(now, before)?;
    Some((number::change_text(change), trend(change, wish)))
}

/// As many as there is room for, and how many are left out.
fn first<T>(all: &[T], max: usize) -> (&[T], usize) {
    let (kept, rest) = all.split_at(all.len().min(max));
    (kept, rest.len())
}

fn table(columns: Vec<(String, Align)>, rows: Vec<Vec<Cell>>, omitted: String) -> Block {
    Block::Table(Table { columns, rows, omitted })
}

/// A time with its day, or without where the report is about one day.
fn when(facts: &Facts, time: UnixMs) -> String {
    facts.zone.minute(time)
}
