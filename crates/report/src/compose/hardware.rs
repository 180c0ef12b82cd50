//! Accelerators and machines: how they were used, what held them back, what they cost, what room they have left.

use super::{Words, first, overview::cost, table};
use crate::{
    chart::{Layer, TimeChart, WIDE, line_chart},
    document::{Align, Block, Cell, Figure, Section, Trend},
    facts::{AcceleratorFacts, Facts, HostFacts, ModelFacts},
    number::Unit,
    scene::Ink,
};

/// Accelerators that are told of one by one.
const ACCELERATORS_MAX: usize = 128;
/// Reasons for lower clocks that are named.
const REASONS_MAX: usize = 2;
/// File systems that are told of one by one; the others are counted.
const DISKS_MAX: usize = 24;
/// A file system that is full sooner than this stands out.
const SOON_SECONDS: f64 = 14.0 * 86_400.0;

pub(super) fn hardware(facts: &Facts, words: Words) -> Section {
    if facts.accelerators.is_empty() && facts.hosts.is_empty() {
        return words.section("report.section_hardware", vec![words.nothing("report.no_hardware")]);
    }
    let mut blocks = Vec::new();
    if facts.model.is_some() {
        blocks.push(words.nothing("report.all_hardware"));
    }
    blocks.extend(energy(facts, words));
    if !facts.accelerators.is_empty() {
        blocks.push(Block::Heading(words.text("report.accelerators")));
        blocks.push(accelerators(facts, words));
    }
    if !facts.hosts.is_empty() {
        blocks.push(Block::Heading(words.text("report.hosts")));
        blocks.push(hosts(facts, words));
    }
    words.section("report.section_hardware", blocks)
}

fn energy(facts: &Facts, words: Words) -> Option<Block> {
    let joules = facts.energy.joules?;
    let kwh = words.number(Unit::KilowattHours, Some(joules / 3.6e6));
    let mut text = words.with("report.energy_used", &[("energy", kwh)]);
    let gap = words.text("report.sentence_gap");
    match cost(facts, Some(joules)) {
        Some(cost) => text.push_str(&format!(
            "{gap}{}",
            words.with(
                "report.energy_cost",
                &[
                    ("cost", cost),
                    ("price", facts.energy.price.unwrap_or(0.0).to_string()),
                    ("currency", facts.energy.currency.clone()),
                ]
            )
        )),
        None => text.push_str(&format!("{gap}{}", words.text("report.energy_no_price"))),
    }
    let tokens: f64 = facts.models.iter().filter_map(|model| model.now.tokens_output).sum();
    if tokens > 0.0 && facts.model.is_none() {
        let each = words.number(Unit::KilowattHours, Some(joules / 3.6e6 / tokens * 1e6));
        let each = words.with("report.energy_per_tokens", &[("energy", each)]);
        text.push_str(&format!("{gap}{each}"));
    }
    Some(Block::Text(text))
}

fn accelerators(facts: &Facts, words: Words) -> Block {
    const COLUMNS: &[(&str, Align)] = &[
        ("report.accelerator", Align::Left),
        ("report.kind", Align::Left),
        ("report.utilization", Align::Right),
        ("report.memory_max", Align::Right),
        ("report.temperature_max", Align::Right),
        ("report.power_mean", Align::Right),
        ("report.energy", Align::Right),
        ("report.throttled", Align::Left),
        ("report.device_errors", Align::Right),
    ];
    let row = |one: &AcceleratorFacts| -> Vec<Cell> {
        let throttled: Vec<String> = one
            .throttled
            .iter()
            .take(REASONS_MAX)
            .map(|(reason, seconds)| {
                format!("{reason} {}", Unit::Seconds.text(*seconds, words.language))
            })
            .collect();
        let is_hot = one.throttled.iter().any(|(reason, _)| reason.contains("thermal"));
        let errors = one.errors.filter(|errors| *errors > 0.0);
        vec![
            format!("{}/{}", one.host, one.index).into(),
            one.model.as_str().into(),
            words.cell(Unit::Ratio, one.utilization_mean),
            words.cell(Unit::Ratio, one.memory_max),
            words.cell(Unit::Celsius, one.temperature_max),
            words.cell(Unit::Watts, one.watts_mean),
            words.cell(Unit::KilowattHours, one.joules.map(|joules| joules / 3.6e6)),
            Cell { text: throttled.join(", "), trend: is_hot.then_some(Trend::Worse) },
            Cell {
                text: words.number(Unit::Count, one.errors),
                trend: errors.map(|_| Trend::Worse),
            },
        ]
    };
    let (shown, omitted) = first(&facts.accelerators, ACCELERATORS_MAX);
    table(words.headers(COLUMNS), shown.iter().map(row).collect(), words.omitted(omitted))
}

fn hosts(facts: &Facts, words: Words) -> Block {
    const COLUMNS: &[(&str, Align)] = &[
        ("report.host", Align::Left),
        ("report.cpu_mean", Align::Right),
        ("report.memory_total", Align::Right),
        ("report.memory_available_min", Align::Right),
    ];
    let row = |host: &HostFacts| -> Vec<Cell> {
        vec![
            host.name.as_str().into(),
            words.cell(Unit::Ratio, host.cpu_mean),
            words.cell(Unit::Bytes, host.memory_total_bytes),
            words.cell(Unit::Bytes, host.memory_available_min),
        ]
    };
    let (shown, omitted) = first(&facts.hosts, ACCELERATORS_MAX);
    table(words.headers(COLUMNS), shown.iter().map(row).collect(), words.omitted(omitted))
}

pub(super) fn capacity(facts: &Facts, words: Words) -> Section {
    let mut blocks = Vec::new();
    let cached: Vec<&ModelFacts> =
        facts.models.iter().filter(|model| model.now.cache_max.is_some()).collect();
    if !cached.is_empty() {
        blocks.push(Block::Text(words.text("report.capacity_about")));
        blocks.push(models(&cached, words));
        blocks.push(cache_course(facts, &cached, words));
    }
    let disks: Vec<(&str, &crate::facts::DiskFacts)> = facts
        .hosts
        .iter()
        .flat_map(|host| host.disks.iter().map(|disk| (host.name.as_str(), disk)))
        .collect();
    if !disks.is_empty() {
        blocks.push(Block::Heading(words.text("report.disks")));
        blocks.push(disk_table(&disks, words));
    }
    if blocks.is_empty() {
        blocks.push(words.nothing("report.no_capacity"));
    }
    words.section("report.section_capacity", blocks)
}

fn models(cached: &[&ModelFacts], words: Words) -> Block {
    const COLUMNS: &[(&str, Align)] = &[
        ("report.model", Align::Left),
        ("report.cache_mean", Align::Right),
        ("report.cache_max", Align::Right),
        ("report.room", Align::Right),
        ("report.waiting_max", Align::Right),
        ("report.preemptions", Align::Right),
    ];
    let row = |model: &&ModelFacts| -> Vec<Cell> {
        let now = &model.now;
        let is_full = now.cache_max.is_some_and(|max| max >= 0.95);
        vec![
            model.name.as_str().into(),
            words.cell(Unit::Ratio, now.cache_mean),
            Cell {
                text: words.number(Unit::Ratio, now.cache_max),
                trend: is_full.then_some(Trend::Worse),
            },
            words.cell(Unit::Ratio, now.cache_max.map(|max| (1.0 - max).max(0.0))),
            words.cell(Unit::Count, now.waiting_max),
            words.cell(Unit::Count, now.preemptions),
        ]
    };
    table(words.headers(COLUMNS), cached.iter().map(row).collect(), String::new())
}

fn cache_course(facts: &Facts, cached: &[&ModelFacts], words: Words) -> Block {
    // More lines than hues cannot be told apart.
    let layers = cached.iter().take(5).enumerate().map(|(number, model)| Layer::Line {
        name: model.name.clone(),
        ink: Ink::Series(number),
        points: model
            .slots
            .iter()
            .map(|slot| (slot.time, slot.cache.unwrap_or(f64::NAN)))
            .collect(),
    });
    let caption = words.text("report.cache_course");
    let scene = line_chart(&TimeChart {
        title: caption.clone(),
        width: WIDE,
        height: 120.0,
        start: facts.start,
        end: facts.end,
        zone: &facts.zone,
        language: words.language,
        unit: Unit::Ratio,
        layers: layers.collect(),
        limit: None,
        max: Some(1.0),
        spans: Vec::new(),
    });
    Block::Figure(Figure { caption, scene })
}

fn disk_table(disks: &[(&str, &crate::facts::DiskFacts)], words: Words) -> Block {
    const COLUMNS: &[(&str, Align)] = &[
        ("report.host", Align::Left),
        ("report.file_system", Align::Left),
        ("report.size", Align::Right),
        ("report.free", Align::Right),
        ("report.full_in", Align::Right),
    ];
    let row = |(host, disk): &(&str, &crate::facts::DiskFacts)| -> Vec<Cell> {
        let is_soon = disk.full_in_seconds.is_some_and(|left| left < SOON_SECONDS);
        let text = match disk.full_in_seconds {
            Some(left) => Unit::Seconds.text(left, words.language),
            None => words.text("report.not_filling"),
        };
        vec![
            (*host).into(),
            disk.mountpoint.as_str().into(),
            words.cell(Unit::Bytes, Some(disk.size_bytes)),
            words.cell(Unit::Bytes, Some(disk.available_bytes)),
            Cell { text, trend: is_soon.then_some(Trend::Worse) },
        ]
    };
    let (shown, omitted) = first(disks, DISKS_MAX);
    table(words.headers(COLUMNS), shown.iter().map(row).collect(), words.omitted(omitted))
}
