//! What stands at the beginning and at the end: the figures that count, advice, comparison, method.

use super::{Wish, Words, compared, table};
use crate::{
    document::{Advice, Align, Block, Cell, Section, Tile},
    facts::{Facts, Figures, Histogram, Judged, ModelFacts},
    number::Unit,
};

/// Figures of all models together.
pub(super) struct Together {
    pub(super) now: Figures,
    pub(super) before: Option<Figures>,
}

impl Together {
    pub(super) fn of(facts: &Facts) -> Self {
        let mut now = Figures::sum(facts.models.iter().map(|model| &model.now));
        let befores = facts.models.iter().filter_map(|model| model.before.as_ref());
        let mut before = befores.clone().next().map(|_| Figures::sum(befores));
        now.availability = weighed(&facts.models, |model| Some(&model.now));
        let availability_before = weighed(&facts.models, |model| model.before.as_ref());
        if let Some(before) = &mut before {
            before.availability = availability_before;
        }
        if let [only] = facts.models.as_slice() {
            now = only.now;
            before = only.before;
        }
        Self { now, before }
    }
}

/// The availability of all models, each weighing the tokens that it served.
fn weighed<'a>(
    models: &'a [ModelFacts],
    of: impl Fn(&'a ModelFacts) -> Option<&'a Figures>,
) -> Option<f64> {
    let mut sum = (0.0, 0.0);
    for figures in models.iter().filter_map(of) {
        let tokens = figures.tokens_output.unwrap_or(0.0).max(1.0);
        if let Some(availability) = figures.availability {
            sum.0 += availability * tokens;
            sum.1 += tokens;
        }
    }
    (sum.1 > 0.0).then(|| sum.0 / sum.1)
}

/// The part of all requests that kept to the objective for their first token.
fn within(models: &[ModelFacts]) -> Option<f64> {
    let mut sum = (0.0, 0.0);
    for model in models {
        let count = model.ttft.total();
        if let Some(within) = model.now.ttft_within {
            sum.0 += within * count;
            sum.1 += count;
        }
    }
    (sum.1 > 0.0).then(|| sum.0 / sum.1)
}

pub(super) fn overview(facts: &Facts, words: Words, advice: Vec<Advice>) -> Section {
    let mut blocks = vec![Block::Text(verdict(facts, words)), Block::Tiles(tiles(facts, words))];
    blocks.extend(ttft_note(facts, words));
    blocks.push(Block::Heading(words.text("report.advice")));
    if advice.is_empty() {
        blocks.push(words.nothing("report.no_advice"));
    } else {
        blocks.push(Block::Advice(advice));
    }
    words.section("report.section_overview", blocks)
}

/// One sentence for those who read no other.
fn verdict(facts: &Facts, words: Words) -> String {
    let together = Together::of(facts);
    if facts.models.is_empty() {
        return words.text("report.verdict_nothing");
    }
    let params = [
        ("models", facts.models.len().to_string()),
        ("requests", words.number(Unit::Count, together.now.requests)),
        ("tokens", words.number(Unit::Count, together.now.tokens_output)),
        ("availability", words.number(Unit::Ratio, together.now.availability)),
    ];
    let mut text = words.with("report.verdict", &params);
    let gap = words.text("report.sentence_gap");
    text.push_str(&gap);
    text.push_str(&objectives(facts, words));
    if let Some(incidents) = &facts.incidents {
        let critical = incidents.iter().filter(|it| it.severity == "critical").count();
        let params = [("count", incidents.len().to_string()), ("critical", critical.to_string())];
        text.push_str(&gap);
        text.push_str(&words.with("report.verdict_incidents", &params));
    }
    text
}

/// Whether objectives were kept.
fn objectives(facts: &Facts, words: Words) -> String {
    let mut all = Judged::default();
    let mut missed = Vec::new();
    for model in &facts.models {
        let judged = model.judged();
        all.kept += judged.kept;
        all.missed += judged.missed;
        all.unknown += judged.unknown;
        missed.extend((judged.missed > 0).then_some(model.name.as_str()));
    }
    words.text(match all {
        Judged { kept: 0, missed: 0, unknown: 0 } => "report.verdict_no_objective",
        Judged { kept: 0, missed: 0, .. } => "report.verdict_not_measured",
        Judged { missed: 0, unknown: 0, .. } => "report.verdict_kept",
        Judged { missed: 0, .. } => "report.verdict_kept_measured",
        Judged { .. } => {
            let list = missed.join(&words.text("report.list_gap"));
            return words.with("report.verdict_missed", &[("models", list)]);
        }
    })
}

/// Whether fewer requests of a model kept to its times than should.
pub(crate) fn misses(model: &ModelFacts) -> bool {
    let is_below = |part: Option<f64>| part.is_some_and(|part| part < model.objective.wanted());
    is_below(model.now.ttft_within) || is_below(model.now.tpot_within)
}

fn tiles(facts: &Facts, words: Words) -> Vec<Tile> {
    let Together { now, before } = Together::of(facts);
    let of = |get: fn(&Figures) -> Option<f64>| (get(&now), before.as_ref().and_then(get));
    let tile = |code: &str, unit: Unit, (now, before): (Option<f64>, Option<f64>), wish| Tile {
        label: words.text(code),
        value: words.number(unit, now),
        change: compared(now, before, wish),
        detail: String::new(),
    };
    let mut tiles = vec![
        tile("report.availability", Unit::Ratio, of(|it| it.availability), Wish::More),
        tile("report.requests", Unit::Count, of(|it| it.requests), Wish::Neither),
        tile("report.tokens_output", Unit::Count, of(|it| it.tokens_output), Wish::Neither),
    ];
    tiles.push(ttft(facts, words));
    let failed = (
        now.success().map(|part| 1.0 - part),
        before.and_then(|it| it.success()).map(|part| 1.0 - part),
    );
    tiles.push(tile("report.errors", Unit::Ratio, failed, Wish::Less));
    let kwh = |joules: Option<f64>| joules.map(|joules| joules / 3.6e6);
    let energy = (kwh(facts.energy.joules), kwh(facts.energy.joules_before));
    let mut energy = tile("report.energy", Unit::KilowattHours, energy, Wish::Less);
    if let Some(cost) = cost(facts, facts.energy.joules) {
        energy.detail = cost;
    }
    tiles.push(energy);
    tiles
}

/// The time to the first token of all models together.
fn ttft(facts: &Facts, words: Words) -> Tile {
    let p95 = |figures: &Figures| figures.ttft.map(|it| it.p95);
    let (now, before) = match facts.models.as_slice() {
        [only] => (p95(&only.now), only.before.as_ref().and_then(p95)),
        // Of the period before there are no buckets.
        models => (together(models).times.quantile(0.95), None),
    };
    let within = within(&facts.models).map(|part| {
        let part = words.number(Unit::Ratio, Some(part));
        words.with("report.within_objective", &[("part", part)])
    });
    Tile {
        label: words.text("report.ttft_p95"),
        value: words.number(Unit::Seconds, now),
        change: compared(now, before, Wish::Less),
        detail: within.unwrap_or_default(),
    }
}

/// What is to be said where that is not the time of all models.
fn ttft_note(facts: &Facts, words: Words) -> Option<Block> {
    let Timed { count, all, .. } = together(&facts.models);
    let params = [("count", count.to_string()), ("all", all.to_string())];
    (count < all).then(|| Block::Note(words.with("report.ttft_of_models", &params)))
}

/// Times of several models.
#[derive(Default)]
struct Timed {
    times: Histogram,
    /// Of how many models they are.
    count: usize,
    /// How many models have times.
    all: usize,
}

/// The times of models whose buckets agree, of those with the most requests: only such can be added up.
fn together(models: &[ModelFacts]) -> Timed {
    let mut groups: Vec<Timed> = Vec::new();
    let timed: Vec<&Histogram> =
        models.iter().map(|model| &model.ttft).filter(|ttft| ttft.total() > 0.0).collect();
    for ttft in &timed {
        match groups.iter_mut().find(|group| group.times.bounds == ttft.bounds) {
            Some(group) => {
                group.times.add(ttft);
                group.count += 1;
            }
            None => groups.push(Timed { times: (*ttft).clone(), count: 1, all: timed.len() }),
        }
    }
    let largest = groups.into_iter().max_by(|a, b| a.times.total().total_cmp(&b.times.total()));
    largest.unwrap_or_default()
}

/// What energy cost, in the currency of the configuration.
pub(super) fn cost(facts: &Facts, joules: Option<f64>) -> Option<String> {
    let cost = joules? / 3.6e6 * facts.energy.price?;
    Some(format!("{cost:.2} {}", facts.energy.currency).trim_end().to_owned())
}

pub(super) fn comparison(facts: &Facts, words: Words) -> Section {
    const COLUMNS: &[(&str, Align)] = &[
        ("report.figure", Align::Left),
        ("report.this_period", Align::Right),
        ("report.period_before", Align::Right),
        ("report.change", Align::Right),
    ];
    type Row = (&'static str, Unit, fn(&Figures) -> Option<f64>, Wish);
    const ROWS: &[Row] = &[
        ("report.availability", Unit::Ratio, |it| it.availability, Wish::More),
        ("report.requests", Unit::Count, |it| it.requests, Wish::Neither),
        ("report.errors", Unit::Ratio, |it| it.success().map(|part| 1.0 - part), Wish::Less),
        ("report.tokens_input", Unit::Count, |it| it.tokens_input, Wish::Neither),
        ("report.tokens_output", Unit::Count, |it| it.tokens_output, Wish::Neither),
        ("report.ttft_p50", Unit::Seconds, |it| it.ttft.map(|it| it.p50), Wish::Less),
        ("report.ttft_p95", Unit::Seconds, |it| it.ttft.map(|it| it.p95), Wish::Less),
        ("report.tpot_p50", Unit::Seconds, |it| it.tpot.map(|it| it.p50), Wish::Less),
        ("report.tpot_p95", Unit::Seconds, |it| it.tpot.map(|it| it.p95), Wish::Less),
        ("report.preemptions", Unit::Count, |it| it.preemptions, Wish::Less),
    ];
    let mut blocks = Vec::new();
    let rows = |now: &Figures, before: &Figures| -> Vec<Vec<Cell>> {
        let known = ROWS.iter().filter(|(_, _, get, _)| get(now).or(get(before)).is_some());
        let row = |(code, unit, get, wish): &Row| {
            let change = compared(get(now), get(before), *wish);
            let change = change.map_or_else(
                || Cell::from(crate::number::ABSENT),
                |(text, trend)| Cell { text, trend: Some(trend) },
            );
            let name = Cell::from(words.text(code));
            vec![name, words.cell(*unit, get(now)), words.cell(*unit, get(before)), change]
        };
        known.map(row).collect()
    };
    let compared = facts.models.iter().filter_map(|it| Some((it, it.before.as_ref()?)));
    for (model, before) in compared {
        blocks.push(Block::Heading(model.name.clone()));
        blocks.push(table(words.headers(COLUMNS), rows(&model.now, before), String::new()));
    }
    if blocks.is_empty() {
        blocks.push(words.nothing("report.no_comparison"));
    }
    words.section("report.section_comparison", blocks)
}

pub(super) fn method(facts: &Facts, words: Words) -> Section {
    let mut blocks = Vec::new();
    if let Some(observed) = facts.observed {
        let params = [("part", words.number(Unit::Ratio, Some(observed)))];
        blocks.push(Block::Note(words.with("report.observed", &params)));
    }
    let codes = [
        "report.method_availability",
        "report.method_failures",
        "report.method_times",
        "report.method_change",
    ];
    blocks.extend(codes.into_iter().map(|code| Block::Note(words.text(code))));
    let slot = Unit::Seconds.text(facts.slot_ms as f64 / 1e3, words.language);
    blocks.push(Block::Note(words.with("report.method_slots", &[("slot", slot)])));
    for said in &facts.missing {
        let text = model::message::render(&said.code, &said.params, words.language);
        blocks.push(Block::Note(text));
    }
    words.section("report.section_method", blocks)
}
