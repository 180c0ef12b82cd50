//! What should be done: explicit rules over the facts, the weightiest three that hold.
//!
//! A rule says what it saw. Its bias: what made users wait or fail comes before what costs money, and nothing is
//! advised only to have three.

use crate::{
    compose::Words,
    document::Advice,
    facts::{Facts, ModelFacts},
    number::Unit,
};

/// As many as anybody acts upon.
const ADVICE_MAX: usize = 3;
const AVAILABILITY_MIN: f64 = 0.999;
/// Of all requests; more are advised upon, and fewer where the objective is stricter.
const ERRORS_MAX: f64 = 0.01;
const CACHE_FULL: f64 = 0.95;
/// Answers that end at their limit of tokens, of all.
const CUT_SHORT_MAX: f64 = 0.2;
/// Accelerators that did less than this, on average, did little.
const IDLE: f64 = 0.15;
const DISK_DAYS: f64 = 14.0;
/// Of all the time, for which heat may lower clocks.
const HOT_MAX: f64 = 0.001;
/// Prompts that share less with each other gain nothing from a prefix cache.
const PREFIX_MIN: f64 = 0.05;

struct Found {
    weight: f64,
    advice: Advice,
}

/// At most three, weightiest first.
pub(crate) fn advise(facts: &Facts, words: Words) -> Vec<Advice> {
    let mut found = Vec::new();
    for model in &facts.models {
        of_model(facts, model, words, &mut found);
    }
    of_accelerators(facts, words, &mut found);
    of_disks(facts, words, &mut found);
    if !facts.models.is_empty() && facts.models.iter().all(|it| !it.objective.is_set()) {
        add(&mut found, words, 5.0, "report.advise_objective", &[], String::new());
    }
    found.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    found.into_iter().take(ADVICE_MAX).map(|found| found.advice).collect()
}

fn add(
    found: &mut Vec<Found>,
    words: Words,
    weight: f64,
    code: &str,
    params: &[(&str, String)],
    evidence: String,
) {
    let text = words.with(code, params);
    found.push(Found { weight, advice: Advice { text, evidence } });
}

fn of_model(facts: &Facts, model: &ModelFacts, words: Words, found: &mut Vec<Found>) {
    let now = &model.now;
    let name = [("model", model.name.clone())];
    let evidence = |parts: &[(&str, Unit, Option<f64>)]| {
        let part = |(code, unit, value): &(&str, Unit, Option<f64>)| {
            let value = value.as_ref()?;
            Some(format!("{} {}", words.text(code), unit.text(*value, words.language)))
        };
        let parts: Vec<String> = parts.iter().filter_map(part).collect();
        parts.join(" · ")
    };
    if let Some(part) = now.availability.filter(|part| *part < AVAILABILITY_MIN) {
        let shown = evidence(&[
            ("report.availability", Unit::Ratio, Some(part)),
            ("report.down", Unit::Seconds, now.down_seconds),
        ]);
        let code =
            if model.engines.len() > 1 { "report.advise_outage" } else { "report.advise_replica" };
        add(found, words, 100.0 + 100.0 * (1.0 - part), code, &name, shown);
    }
    let errors = now.success().map(|part| 1.0 - part);
    let allowed = model.objective.success_ratio.map_or(ERRORS_MAX, |it| ERRORS_MAX.min(1.0 - it));
    if let Some(part) = errors.filter(|part| *part > allowed) {
        let shown = evidence(&[
            ("report.errors", Unit::Ratio, Some(part)),
            ("report.requests", Unit::Count, now.requests),
        ]);
        add(found, words, 90.0 + 100.0 * part, "report.advise_errors", &name, shown);
    }
    let wanted = model.objective.wanted();
    let is_full = now.cache_max.is_some_and(|max| max >= CACHE_FULL);
    let is_preempting = now.preemptions.is_some_and(|count| count >= 1.0);
    let times = [
        ("report.ttft_p95", Unit::Seconds, now.ttft.map(|it| it.p95)),
        ("report.ttft_within", Unit::Ratio, now.ttft_within),
        ("report.tpot_within", Unit::Ratio, now.tpot_within),
        ("report.cache_max", Unit::Ratio, now.cache_max),
        ("report.preemptions", Unit::Count, now.preemptions),
        ("report.waiting_max", Unit::Count, now.waiting_max),
    ];
    if is_full && is_preempting {
        add(found, words, 80.0, "report.advise_cache", &name, evidence(&times[3..]));
    } else if let Some(part) = now.ttft_within.filter(|part| *part < wanted) {
        let weight = 70.0 + 100.0 * (wanted - part);
        add(found, words, weight, "report.advise_ttft", &name, evidence(&times));
    }
    if let Some(part) = now.tpot_within.filter(|part| *part < wanted) {
        let weight = 60.0 + 100.0 * (wanted - part);
        add(found, words, weight, "report.advise_tpot", &name, evidence(&times[2..]));
    }
    let cut = now.cut_short.zip(now.requests.filter(|all| *all >= 100.0));
    if let Some(part) = cut.map(|(cut, all)| cut / all).filter(|part| *part > CUT_SHORT_MAX) {
        let shown = evidence(&[("report.cut_short", Unit::Ratio, Some(part))]);
        add(found, words, 40.0 + part, "report.advise_cut_short", &name, shown);
    }
    let cached = now.tokens_cached.zip(now.tokens_input.filter(|all| *all > 1e6));
    if let Some(part) = cached.map(|(part, all)| part / all).filter(|part| *part < PREFIX_MIN) {
        let shown = evidence(&[("report.cached", Unit::Ratio, Some(part))]);
        add(found, words, 10.0, "report.advise_prefix", &name, shown);
    }
    busy_hour(facts, model, words, found);
}

/// Waiting in few hours only is cured by other means than waiting all day.
fn busy_hour(facts: &Facts, model: &ModelFacts, words: Words, found: &mut Vec<Found>) {
    let waits = |slot: &&crate::facts::Slot| slot.waiting.is_some_and(|waiting| waiting >= 1.0);
    let slots = model.slots.iter().filter(|slot| slot.waiting.is_some()).count();
    let waiting: Vec<_> = model.slots.iter().filter(waits).collect();
    let Some(worst) =
        waiting.iter().max_by(|a, b| a.waiting.unwrap_or(0.0).total_cmp(&b.waiting.unwrap_or(0.0)))
    else {
        return;
    };
    if waiting.len() * 20 > slots {
        let params = [("model", model.name.clone())];
        let shown = words.with(
            "report.evidence_waiting",
            &[
                (
                    "part",
                    Unit::Ratio.text(waiting.len() as f64 / slots.max(1) as f64, words.language),
                ),
                ("most", words.number(Unit::Count, worst.waiting)),
                ("time", facts.zone.minute(worst.time)),
            ],
        );
        add(found, words, 50.0, "report.advise_queue", &params, shown);
    }
}

fn of_accelerators(facts: &Facts, words: Words, found: &mut Vec<Found>) {
    let span = (facts.end.0 - facts.start.0) as f64 / 1e3;
    let hot = facts.accelerators.iter().filter_map(|one| {
        let thermal = one.throttled.iter().filter(|(reason, _)| reason.contains("thermal"));
        let seconds: f64 = thermal.map(|(_, seconds)| seconds).sum();
        (seconds > 60.0 && seconds > span * HOT_MAX).then_some((one, seconds))
    });
    if let Some((one, seconds)) = hot.max_by(|a, b| a.1.total_cmp(&b.1)) {
        let device = format!("{}/{}", one.host, one.index);
        let shown = words.with(
            "report.evidence_hot",
            &[
                ("time", Unit::Seconds.text(seconds, words.language)),
                ("temperature", words.number(Unit::Celsius, one.temperature_max)),
            ],
        );
        add(found, words, 55.0, "report.advise_cooling", &[("device", device)], shown);
    }
    let failing =
        facts.accelerators.iter().filter(|one| one.errors.is_some_and(|count| count >= 1.0));
    if let Some(one) =
        failing.max_by(|a, b| a.errors.unwrap_or(0.0).total_cmp(&b.errors.unwrap_or(0.0)))
    {
        let device = format!("{}/{}", one.host, one.index);
        let shown = format!(
            "{} {}",
            words.text("report.device_errors"),
            words.number(Unit::Count, one.errors)
        );
        add(found, words, 65.0, "report.advise_device_errors", &[("device", device)], shown);
    }
    let known = facts.accelerators.iter().filter_map(|one| Some((one, one.utilization_mean?)));
    let idle: Vec<_> = known.clone().filter(|(_, mean)| *mean < IDLE).collect();
    if !idle.is_empty() {
        let watts: f64 = idle.iter().filter_map(|(one, _)| one.watts_mean).sum();
        let params = [("count", idle.len().to_string()), ("all", known.count().to_string())];
        let mean = idle.iter().map(|(_, mean)| mean).sum::<f64>() / idle.len() as f64;
        let shown = words.with(
            "report.evidence_idle",
            &[
                ("utilization", Unit::Ratio.text(mean, words.language)),
                ("power", Unit::Watts.text(watts, words.language)),
            ],
        );
        add(found, words, 20.0, "report.advise_idle", &params, shown);
    }
}

fn of_disks(facts: &Facts, words: Words, found: &mut Vec<Found>) {
    let disks = facts.hosts.iter().flat_map(|host| host.disks.iter().map(move |disk| (host, disk)));
    let filling = disks.filter_map(|(host, disk)| Some((host, disk, disk.full_in_seconds?)));
    let Some((host, disk, left)) = filling.min_by(|a, b| a.2.total_cmp(&b.2)) else { return };
    if left < DISK_DAYS * 86_400.0 {
        let params = [
            ("disk", format!("{} {}", host.name, disk.mountpoint)),
            ("left", Unit::Seconds.text(left, words.language)),
        ];
        let shown = format!(
            "{} {}",
            words.text("report.free"),
            Unit::Bytes.text(disk.available_bytes, words.language)
        );
        add(found, words, 75.0, "report.advise_disk", &params, shown);
    }
}
