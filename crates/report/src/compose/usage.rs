//! When models were asked most, by whom, and for how much.

use super::{Words, first, table};
use crate::{
    chart::{Bar, Bars, HeatMap, WIDE, bars, heat_map},
    document::{Align, Block, Cell, Figure, Section},
    facts::{Facts, KeyUsage, ModelFacts, Slot},
    number::Unit,
    scene::Ink,
    zone::weekdays,
};

/// Keys that are told of one by one.
const KEYS_MAX: usize = 20;
/// Models that a key is said to use.
const KEY_MODELS_MAX: usize = 3;
const HOUR_MS: f64 = 3_600_000.0;

/// Sum and number of hours by weekday and hour of the day.
type Week = [[(f64, f64); 24]; 7];

pub(super) fn busiest(facts: &Facts, words: Words) -> Section {
    let week = week(facts);
    let mean = |(sum, hours): (f64, f64)| (hours > 0.0).then(|| sum / hours);
    let mut busiest: Vec<(usize, usize, f64)> = Vec::new();
    for (day, hours) in week.iter().enumerate() {
        for (hour, cell) in hours.iter().enumerate() {
            busiest.extend(mean(*cell).map(|tokens| (day, hour, tokens)));
        }
    }
    busiest.sort_by(|a, b| b.2.total_cmp(&a.2));
    let Some((day, hour, tokens)) = busiest.first().copied().filter(|it| it.2 > 0.0) else {
        return words.section("report.section_busiest", vec![words.nothing("report.no_usage")]);
    };
    let names = weekdays(words.language);
    let params = [
        ("day", names.get(day).copied().unwrap_or_default().to_owned()),
        ("hour", format!("{hour:02}:00")),
        ("tokens", words.number(Unit::Count, Some(tokens))),
    ];
    let text = Block::Text(words.with("report.busiest", &params));
    // One day has no week.
    let is_short = (facts.end.0 - facts.start.0) as f64 <= 26.0 * HOUR_MS;
    let scene = heat_map(&HeatMap {
        title: words.text("report.busiest_grid"),
        width: WIDE,
        language: words.language,
        unit: Unit::Count,
        rows: names.iter().map(|name| (*name).to_owned()).collect(),
        columns: (0..24)
            .map(|hour| if hour % 3 == 0 { format!("{hour:02}") } else { String::new() })
            .collect(),
        cells: week.iter().map(|hours| hours.iter().map(|cell| mean(*cell)).collect()).collect(),
    });
    let mut blocks =
        vec![text, Block::Figure(Figure { caption: words.text("report.busiest_grid"), scene })];
    if is_short {
        blocks.push(words.nothing("report.one_day"));
    }
    words.section("report.section_busiest", blocks)
}

/// Tokens, in and out, of all models.
fn week(facts: &Facts) -> Week {
    let mut week: Week = [[(0.0, 0.0); 24]; 7];
    let hours = facts.slot_ms as f64 / HOUR_MS;
    let mut slots: Vec<(&Slot, f64)> = Vec::new();
    for slot in facts.models.iter().flat_map(|model| &model.slots) {
        let (input, output) = (slot.tokens_input, slot.tokens_output);
        if input.or(output).is_some() {
            slots.push((slot, input.unwrap_or(0.0) + output.unwrap_or(0.0)));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    for (slot, tokens) in slots {
        let civil = facts.zone.civil(slot.time);
        let place = |number: i64| usize::try_from(number).unwrap_or(0);
        let hour =
            week.get_mut(place(civil.weekday)).and_then(|day| day.get_mut(place(civil.hour)));
        if let Some((sum, count)) = hour {
            *sum += tokens;
            // Models share the hour.
            if seen.insert(slot.time) {
                *count += hours;
            }
        }
    }
    week
}

pub(super) fn usage(facts: &Facts, words: Words) -> Section {
    if facts.models.is_empty() && facts.keys.is_empty() {
        return words.section("report.section_usage", vec![words.nothing("report.no_usage")]);
    }
    let mut blocks = vec![Block::Heading(words.text("report.by_model"))];
    blocks.push(by_model(facts, words));
    let bar = |model: &ModelFacts| {
        Some(Bar {
            label: model.name.clone(),
            value: model.now.tokens_output?,
            interval: None,
            text: None,
            ink: Ink::Series(0),
        })
    };
    let found: Vec<Bar> = facts.models.iter().filter_map(bar).collect();
    if found.len() > 1 {
        let caption = words.text("report.tokens_by_model");
        let scene = bars(&Bars {
            title: caption.clone(),
            width: WIDE,
            language: words.language,
            unit: Unit::Count,
            max: None,
            bars: found,
        });
        blocks.push(Block::Figure(Figure { caption, scene }));
    }
    blocks.push(Block::Heading(words.text("report.by_key")));
    if facts.keys.is_empty() {
        blocks.push(words.nothing("report.no_keys"));
    } else {
        blocks.push(by_key(facts, words));
    }
    words.section("report.section_usage", blocks)
}

fn by_model(facts: &Facts, words: Words) -> Block {
    const COLUMNS: &[(&str, Align)] = &[
        ("report.model", Align::Left),
        ("report.requests", Align::Right),
        ("report.tokens_input", Align::Right),
        ("report.cached", Align::Right),
        ("report.tokens_output", Align::Right),
        ("report.output_each", Align::Right),
        ("report.cut_short", Align::Right),
    ];
    let part = |part: Option<f64>, of: Option<f64>| {
        let of = of.filter(|of| *of > 0.0)?;
        Some(part? / of)
    };
    let row = |model: &ModelFacts| -> Vec<Cell> {
        let now = &model.now;
        vec![
            model.name.as_str().into(),
            words.cell(Unit::Count, now.requests),
            words.cell(Unit::Count, now.tokens_input),
            words.cell(Unit::Ratio, part(now.tokens_cached, now.tokens_input)),
            words.cell(Unit::Count, now.tokens_output),
            words.cell(Unit::Count, part(now.tokens_output, now.requests)),
            words.cell(Unit::Ratio, part(now.cut_short, now.requests)),
        ]
    };
    table(words.headers(COLUMNS), facts.models.iter().map(row).collect(), String::new())
}

fn by_key(facts: &Facts, words: Words) -> Block {
    const COLUMNS: &[(&str, Align)] = &[
        ("report.key", Align::Left),
        ("report.requests", Align::Right),
        ("report.share", Align::Right),
        ("report.errors", Align::Right),
        ("report.tokens_input", Align::Right),
        ("report.tokens_output", Align::Right),
        ("report.models", Align::Left),
    ];
    let all = facts.keys_requests;
    let row = |key: &KeyUsage| -> Vec<Cell> {
        let name =
            if key.name.is_empty() { words.text("report.without_key") } else { key.name.clone() };
        let models = key.models.iter().take(KEY_MODELS_MAX);
        let models: Vec<&str> = models.map(|(name, _)| name.as_str()).collect();
        vec![
            name.into(),
            words.cell(Unit::Count, Some(key.requests)),
            words.cell(Unit::Ratio, (all > 0.0).then(|| key.requests / all)),
            words.cell(Unit::Ratio, key.failed.map(|failed| failed / key.requests.max(1.0))),
            words.cell(Unit::Count, key.tokens_input),
            words.cell(Unit::Count, key.tokens_output),
            models.join(", ").into(),
        ]
    };
    let (shown, omitted) = first(&facts.keys, KEYS_MAX);
    let rows = shown.iter().map(row).collect();
    table(words.headers(COLUMNS), rows, words.omitted(omitted + facts.keys_omitted))
}
