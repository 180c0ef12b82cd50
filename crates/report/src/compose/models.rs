//! Whether models could be asked, and how fast they answered.

use model::UnixMs;

use super::{Words, first, overview::misses, table, when};
use crate::{
    chart::{
        Distribution, HALF, Lane, Lanes, Layer, Span, TimeChart, WIDE, distribution, lanes,
        line_chart,
    },
    document::{Align, Block, Cell, Figure, Section, Trend},
    facts::{Facts, Histogram, ModelFacts, Quantiles, Slot},
    number::Unit,
    scene::Ink,
};

/// Models that are told of one by one.
const MODELS_MAX: usize = 12;

pub(super) fn availability(facts: &Facts, words: Words) -> Section {
    const COLUMNS: &[(&str, Align)] = &[
        ("report.model", Align::Left),
        ("report.availability", Align::Right),
        ("report.down", Align::Right),
        ("report.success", Align::Right),
        ("report.engines", Align::Left),
    ];
    if facts.models.is_empty() {
        let blocks = vec![words.nothing("report.no_models")];
        return words.section("report.section_availability", blocks);
    }
    let row = |model: &ModelFacts| -> Vec<Cell> {
        vec![
            model.name.as_str().into(),
            words.cell(Unit::Ratio, model.now.availability),
            words.cell(Unit::Seconds, model.now.down_seconds),
            success(model, words),
            model.engines.join(", ").into(),
        ]
    };
    let (shown, omitted) = first(&facts.models, MODELS_MAX);
    let rows = shown.iter().map(row).collect();
    let mut blocks = vec![
        Block::Text(words.text("report.availability_about")),
        table(words.headers(COLUMNS), rows, words.omitted(omitted)),
    ];
    let lane =
        |model: &ModelFacts| Lane { label: model.name.clone(), spans: states(facts, model, words) };
    blocks.push(Block::Figure(Figure {
        caption: words.text("report.availability_lanes"),
        scene: lanes(&Lanes {
            title: words.text("report.availability_lanes"),
            width: WIDE,
            start: facts.start,
            end: facts.end,
            zone: &facts.zone,
            lanes: shown.iter().map(lane).collect(),
        }),
    }));
    words.section("report.section_availability", blocks)
}

/// The part of the requests that did not fail, measured against the objective where there is one.
fn success(model: &ModelFacts, words: Words) -> Cell {
    let part = model.now.success();
    let trend = part.zip(model.objective.success_ratio);
    let trend =
        trend.map(|(part, wanted)| if part < wanted { Trend::Worse } else { Trend::Better });
    Cell { text: words.number(Unit::Ratio, part), trend }
}

/// Slots of one state as one span.
fn states(facts: &Facts, model: &ModelFacts, words: Words) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for slot in &model.slots {
        let Some(up) = slot.up else { continue };
        let (code, ink) = match up {
            up if up >= 0.999 => ("report.state_up", Ink::Good),
            up if up > 0.0 => ("report.state_partly", Ink::Series(1)),
            _ => ("report.state_down", Ink::Critical),
        };
        let end = UnixMs((slot.time.0 + facts.slot_ms).min(facts.end.0));
        match spans.last_mut() {
            Some(last) if last.ink == ink && last.end >= slot.time => last.end = end,
            _ => spans.push(Span { start: slot.time, end, text: words.text(code), ink }),
        }
    }
    spans
}

pub(super) fn speed(facts: &Facts, words: Words) -> Section {
    let timed: Vec<&ModelFacts> =
        facts.models.iter().filter(|model| model.now.ttft.or(model.now.tpot).is_some()).collect();
    if timed.is_empty() {
        return words.section("report.section_speed", vec![words.nothing("report.no_times")]);
    }
    let (shown, omitted) = first(&timed, MODELS_MAX);
    let mut blocks = vec![summary(shown, omitted, words)];
    for model in shown {
        blocks.push(Block::Heading(model.name.clone()));
        blocks.extend(pictures(facts, model, words));
        if let Some(worst) = worst(model) {
            let params = [
                ("time", when(facts, worst.0)),
                ("value", words.number(Unit::Seconds, Some(worst.1.p95))),
            ];
            blocks.push(Block::Note(words.with("report.slowest", &params)));
        }
    }
    words.section("report.section_speed", blocks)
}

fn summary(shown: &[&ModelFacts], omitted: usize, words: Words) -> Block {
    const COLUMNS: &[(&str, Align)] = &[
        ("report.model", Align::Left),
        ("report.ttft_p50", Align::Right),
        ("report.p95", Align::Right),
        ("report.p99", Align::Right),
        ("report.within", Align::Right),
        ("report.tpot_p50", Align::Right),
        ("report.p95", Align::Right),
        ("report.p99", Align::Right),
        ("report.within", Align::Right),
    ];
    let times = |all: Option<Quantiles>| {
        let parts = [all.map(|it| it.p50), all.map(|it| it.p95), all.map(|it| it.p99)];
        parts.map(|part| words.cell(Unit::Seconds, part))
    };
    let within = |part: Option<f64>, model: &ModelFacts| {
        let wanted = model.objective.wanted();
        let trend = part.map(|part| if part < wanted { Trend::Worse } else { Trend::Better });
        Cell { text: words.number(Unit::Ratio, part), trend }
    };
    let row = |model: &&ModelFacts| {
        let mut row = vec![Cell::from(model.name.as_str())];
        row.extend(times(model.now.ttft));
        row.push(within(model.now.ttft_within, model));
        row.extend(times(model.now.tpot));
        row.push(within(model.now.tpot_within, model));
        row
    };
    table(words.headers(COLUMNS), shown.iter().map(row).collect(), words.omitted(omitted))
}

/// How times were spread, and how they went.
fn pictures(facts: &Facts, model: &ModelFacts, words: Words) -> Vec<Block> {
    let mut blocks = Vec::new();
    let spread = |code: &str, histogram: &Histogram, limit: Option<f64>| {
        let title = words.with(code, &[("model", model.name.clone())]);
        let limit = limit.map(|limit| (limit, objective(limit, words)));
        let marks = histogram.quantiles().map(|it| {
            let mark = |name: &str, value: f64| {
                (value, format!("{name} {}", Unit::Seconds.text(value, words.language)))
            };
            vec![mark("p50", it.p50), mark("p95", it.p95)]
        });
        Figure {
            caption: words.text(code),
            scene: distribution(&Distribution {
                title,
                width: HALF,
                height: 130.0,
                language: words.language,
                unit: Unit::Seconds,
                histogram,
                limit,
                marks: marks.unwrap_or_default(),
            }),
        }
    };
    let ttft = (model.ttft.total() > 0.0)
        .then(|| spread("report.ttft_spread", &model.ttft, model.objective.ttft_seconds));
    let tpot = (model.tpot.total() > 0.0)
        .then(|| spread("report.tpot_spread", &model.tpot, model.objective.tpot_seconds));
    match (ttft, tpot) {
        (Some(ttft), Some(tpot)) => blocks.push(Block::Pair(ttft, tpot)),
        (one, other) => blocks.extend(one.or(other).map(Block::Figure)),
    }
    let ttft = |slot: &Slot| slot.ttft;
    if model.slots.iter().any(|slot| slot.ttft.is_some()) {
        let limit = model.objective.ttft_seconds;
        blocks.push(course(facts, model, words, ("report.ttft_course", ttft, limit)));
    }
    if misses(model) {
        blocks.push(Block::Note(words.text("report.missed_about")));
    }
    blocks
}

fn objective(limit: f64, words: Words) -> String {
    let limit = Unit::Seconds.text(limit, words.language);
    words.with("report.objective", &[("limit", limit)])
}

type Course = (&'static str, fn(&Slot) -> Option<Quantiles>, Option<f64>);

/// The band from the median to the 95th percentile over time, and the 99th above it.
fn course(facts: &Facts, model: &ModelFacts, words: Words, (code, get, limit): Course) -> Block {
    let nothing = Quantiles { p50: f64::NAN, p95: f64::NAN, p99: f64::NAN };
    let points = model.slots.iter().map(|slot| (slot.time, get(slot).unwrap_or(nothing)));
    let line = |name: &str, ink, of: fn(&Quantiles) -> f64| Layer::Line {
        name: name.to_owned(),
        ink,
        points: points.clone().map(|(time, all)| (time, of(&all))).collect(),
    };
    let band = Layer::Band {
        name: "p50–p95".to_owned(),
        ink: Ink::Series(0),
        points: points.clone().map(|(time, all)| (time, all.p50, all.p95)).collect(),
    };
    let layers = vec![
        band,
        line("p50", Ink::Series(0), |it| it.p50),
        line("p99", Ink::Series(3), |it| it.p99),
    ];
    let incidents = facts.incidents.iter().flatten().filter(|it| it.severity == "critical");
    let spans = incidents.map(|it| (it.start.max(facts.start), it.end.unwrap_or(facts.end)));
    let scene = line_chart(&TimeChart {
        title: words.with(code, &[("model", model.name.clone())]),
        width: WIDE,
        height: 132.0,
        start: facts.start,
        end: facts.end,
        zone: &facts.zone,
        language: words.language,
        unit: Unit::Seconds,
        layers,
        limit: limit.map(|limit| (limit, objective(limit, words))),
        max: None,
        spans: spans.collect(),
    });
    Block::Figure(Figure { caption: words.text(code), scene })
}

/// The slot whose first tokens came latest.
fn worst(model: &ModelFacts) -> Option<(UnixMs, Quantiles)> {
    let timed = model.slots.iter().filter_map(|slot| Some((slot.time, slot.ttft?)));
    timed.max_by(|a, b| a.1.p95.total_cmp(&b.1.p95))
}
