//! Facts of a store whose days are partly summed up.

use std::time::Duration;

use model::{
    Clock, Labels, UnixMs, catalogue as metric, exchange::Exchange, sample::Batch, series::Budget,
};
use report::{
    Facts,
    facts::{Figures, ModelFacts, Objective},
    zone::Zone,
};
use store::{Options, Store};

use super::{DAY, HOUR, MINUTE, Period, Sources, Subject, ask::Ask, gather};

/// 2026-11-21 in UTC.
const START: i64 = 1_795_219_200_000;
/// An outage, in minutes since then.
const DOWN: std::ops::Range<i64> = 1_800..1_860;

fn labels(metric: &metric::Metric, suffix: &str, more: &[(&str, &str)]) -> Labels {
    let engine = [("engine", "vllm"), ("instance", "n:1"), ("model", "m"), ("source", "engine")];
    let name = format!("{}{suffix}", metric.name);
    Labels::metric(&name, engine.iter().chain(more).map(|(name, value)| (*name, *value)))
}

/// Four days in which an engine finishes a request a second, each with ten tokens.
fn fill(folder: &std::path::Path, clock: &Clock) -> Store {
    let options = Options { retention: Duration::from_secs(30 * 86_400), ..Options::default() };
    let (store, _) = Store::open(folder, options, clock.clone()).unwrap();
    let up = labels(&metric::LLM_ENGINE_UP, "", &[]);
    let finished = labels(&metric::LLM_REQUESTS_FINISHED_TOTAL, "", &[("reason", "stop")]);
    let tokens = labels(&metric::LLM_GENERATION_TOKENS_TOTAL, "", &[]);
    let bucket =
        |le: &str| labels(&metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS, "_bucket", &[("le", le)]);
    let buckets = [(bucket("0.1"), 0.5), (bucket("0.2"), 0.9), (bucket("+Inf"), 1.0)];
    let mut count = 0.0;
    for minute in 0..4 * 24 * 60 {
        let now = UnixMs(START + minute * MINUTE);
        clock.set(now);
        let is_up = !DOWN.contains(&minute);
        let mut batch = Batch::new(now);
        batch.push(&up, f64::from(u8::from(is_up)));
        if is_up {
            count += 60.0;
            batch.push(&finished, count);
            batch.push(&tokens, count * 10.0);
            for (labels, part) in &buckets {
                batch.push(labels, count * part);
            }
        }
        store.append(&batch).unwrap();
        if minute % 60 == 59 {
            store.maintain(now).unwrap();
        }
    }
    store
}

/// The facts of some of the days since [`START`].
fn read(store: &Store, clock: &Clock, days: (i64, i64)) -> Facts {
    let (start, end) = (UnixMs(START + days.0 * DAY), UnixMs(START + days.1 * DAY));
    let budget = Budget::new(clock.clone(), Duration::from_secs(60), 10_000_000);
    let objective = Objective { ttft_seconds: Some(0.1), ..Objective::default() };
    let objectives = [("*".to_owned(), objective)];
    let sources =
        Sources { store, clock, budget: &budget, objectives: &objectives, incidents: None };
    let subject = Subject {
        period: Period::new(start, end),
        model: None,
        zone: Zone::default(),
        deployment: "here".into(),
        energy_price: None,
        currency: String::new(),
    };
    gather(sources, &subject).unwrap()
}

fn only(facts: &Facts) -> &ModelFacts {
    let [model] = facts.models.as_slice() else { panic!("{} models", facts.models.len()) };
    model
}

/// Engines that take turns: while one is restarted, another answers.
#[test]
fn a_model_is_up_while_one_of_its_engines_is() {
    let check = |is_up: fn(i64) -> [bool; 2], expected: (f64, f64)| {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(UnixMs(START));
        let options = Options { retention: Duration::from_secs(30 * 86_400), ..Options::default() };
        let (store, _) = Store::open(folder.path(), options, clock.clone()).unwrap();
        for step in 1..=4 * 60 {
            let now = UnixMs(START + step * 15_000);
            clock.set(now);
            let mut batch = Batch::new(now);
            for (instance, is_up) in ["n:1", "n:2"].into_iter().zip(is_up((step - 1) / 4)) {
                let labels = [("instance", instance), ("model", "m")];
                let labels = Labels::metric(metric::LLM_ENGINE_UP.name, labels);
                batch.push(&labels, f64::from(u8::from(is_up)));
            }
            store.append(&batch).unwrap();
        }
        // Slots of half an hour.
        let facts = read(&store, &clock, (0, 5));
        let now = only(&facts).now;
        assert_eq!(now.down_seconds.map(f64::round), Some(expected.0));
        let availability = now.availability.unwrap();
        assert!((availability - expected.1).abs() < 1e-9, "{availability}");
    };
    check(|minute| [!(3..8).contains(&minute), !(9..14).contains(&minute)], (0.0, 1.0));
    check(|minute| [!(3..8).contains(&minute), !(5..14).contains(&minute)], (180.0, 0.95));
    check(|minute| [minute < 30, false], (1_800.0, 0.5));
}

/// Times between tokens of 10 to 20 ms, TPOT of 30 to 40 ms. An engine was upgraded on the second day, since when it
/// tells both; another never tells its TPOT.
#[test]
fn the_time_between_tokens_stands_in_for_one_model_and_both_periods() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(UnixMs(START));
    let options = Options { retention: Duration::from_secs(30 * 86_400), ..Options::default() };
    let (store, _) = Store::open(folder.path(), options, clock.clone()).unwrap();
    let tpot = &metric::LLM_REQUEST_TIME_PER_OUTPUT_TOKEN_SECONDS;
    let between = &metric::LLM_INTER_TOKEN_LATENCY_SECONDS;
    let told = |model: &str, day: i64| match (model, day) {
        ("upgraded", 1) => vec![(tpot, "0.03", "0.04"), (between, "0.01", "0.02")],
        ("downgraded", 0) => vec![(tpot, "0.03", "0.04"), (between, "0.01", "0.02")],
        _ => vec![(between, "0.01", "0.02")],
    };
    for minute in 0..2 * 24 * 60 {
        let now = UnixMs(START + minute * MINUTE);
        clock.set(now);
        let mut batch = Batch::new(now);
        for model in ["upgraded", "downgraded", "old"] {
            let labels = [("model", model), ("source", "engine")];
            batch.push(&Labels::metric(metric::LLM_ENGINE_UP.name, labels), 1.0);
            for (metric, low, high) in told(model, minute / (24 * 60)) {
                for (bound, part) in [(low, 0.0), (high, 1.0), ("+Inf", 1.0)] {
                    let name = format!("{}_bucket", metric.name);
                    let labels = labels.iter().copied().chain([("le", bound)]);
                    batch.push(&Labels::metric(&name, labels), part * minute as f64);
                }
            }
        }
        store.append(&batch).unwrap();
    }
    clock.set(UnixMs(START + 2 * DAY));
    let facts = read(&store, &clock, (1, 2));
    let check = |name: &str, now: f64, before: Option<f64>| {
        let model = facts.models.iter().find(|model| model.name == name).unwrap();
        let p50 = |figures: &Figures| figures.tpot.map(|it| (it.p50 * 1e6).round() / 1e6);
        let found = (p50(&model.now), model.before.as_ref().and_then(p50));
        assert_eq!(found, (Some(now), before), "{name}");
    };
    check("upgraded", 0.035, None);
    check("downgraded", 0.015, Some(0.015));
    check("old", 0.015, Some(0.015));
}

#[test]
fn keys_that_are_not_told_of_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(UnixMs(START + DAY));
    let (store, _) = Store::open(folder.path(), Options::default(), clock.clone()).unwrap();
    let exchange = |number: i64| Exchange {
        time: UnixMs(START + number * MINUTE),
        request_id: number.to_string(),
        key_name: Some(format!("key-{}", number % 60)),
        ..Exchange::default()
    };
    let all: Vec<Exchange> = (0..90).map(exchange).collect();
    store.events().append(&all).unwrap();
    let facts = read(&store, &clock, (0, 1));
    assert_eq!((facts.keys.len(), facts.keys_omitted), (50, 10));
    assert_eq!((facts.keys[0].requests, facts.keys_requests), (2.0, 90.0));
}

#[test]
fn sums_and_samples_tell_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(UnixMs(START));
    let store = fill(folder.path(), &clock);
    let facts = read(&store, &clock, (0, 4));
    assert_eq!((facts.slot_ms, facts.missing.len()), (HOUR / 2, 0));
    let model = only(&facts);
    let near = |found: Option<f64>, expected: f64, part: f64| {
        let found = found.unwrap();
        assert!((found / expected - 1.0).abs() < part, "{found} is not {expected}");
    };
    // The first minute is not known to be growth.
    let seconds = (4 * 24 * 60 - 60) as f64 * 60.0;
    near(model.now.requests, seconds, 0.002);
    near(model.now.tokens_output, seconds * 10.0, 0.002);
    near(model.now.down_seconds, 3_600.0, 0.05);
    near(model.now.availability, 1.0 - 60.0 / (4.0 * 24.0 * 60.0), 0.002);
    near(model.now.ttft.map(|it| it.p50), 0.1, 0.01);
    near(model.now.ttft_within, 0.5, 0.01);
    assert_eq!(model.before, None);
    // The last two days alone, compared with the two before.
    let facts = read(&store, &clock, (2, 4));
    let model = only(&facts);
    near(model.now.requests, 2.0 * 86_400.0, 0.002);
    near(model.before.and_then(|it| it.requests), (2.0 * 24.0 - 1.0) * 3_600.0, 0.005);
    assert_eq!(model.now.down_seconds, Some(0.0));
}

#[test]
fn what_cannot_be_read_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(UnixMs(START + 4 * DAY));
    let (store, _) = Store::open(folder.path(), Options::default(), clock.clone()).unwrap();
    let budget = Budget::new(clock.clone(), Duration::from_secs(60), 10_000_000);
    let ask = Ask::new(&store, &budget, clock.now(), None);
    let period = Period::new(UnixMs(START), clock.now());
    assert!(ask.moments(period, "max by (").unwrap().is_empty());
    assert_eq!(ask.into_missing().len(), 1);
}

#[test]
fn periods_are_whole_slots() {
    let check = |start: i64, end: i64, expected: (i64, i64, i64)| {
        let period = Period::new(UnixMs(start), UnixMs(end));
        assert_eq!((period.start.0, period.end.0, period.slot_ms), expected);
        assert_eq!(period.before().end, period.start);
        assert_eq!(period.place(period.start.0), None);
        assert_eq!(period.place(period.start.0 + period.slot_ms), Some(0));
        assert_eq!(period.place(period.end.0), Some(period.count() - 1));
        assert_eq!(period.place(period.end.0 + period.slot_ms), None);
    };
    check(1, DAY, (0, DAY, 5 * MINUTE));
    check(0, 7 * DAY + 1, (0, 7 * DAY + 30 * MINUTE, 30 * MINUTE));
    check(HOUR + 5, 30 * DAY, (HOUR, 30 * DAY, HOUR));
    check(-5, 5, (-5 * MINUTE, 5 * MINUTE, 5 * MINUTE));
    check(7, 7, (0, 5 * MINUTE, 5 * MINUTE));
}
