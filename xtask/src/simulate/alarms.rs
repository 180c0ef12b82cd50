//! The built-in rules over the simulated deployment: silent while nothing is wrong, and not when something is.

use std::{collections::BTreeSet, time::Duration};

use alert::{
    pack,
    replay::{Outcome, Recording},
    rules::{Group, file},
};
use model::{Labels, NAME, UnixMs, series::TimeRange};

use super::{DAY, HOUR, metrics::Deployment};

/// A time of day at which the deployment is busy.
const END: f64 = 1_795_534_200.0;
/// The incident begins 35 minutes before the end.
const BEFORE_INCIDENT: f64 = HOUR;

fn ms(seconds: f64) -> UnixMs {
    UnixMs((seconds * 1e3) as i64)
}

/// Series `name{label="value",...} value time`, as the deployment writes them.
fn labels(series: &str) -> Labels {
    let (name, rest) = series.split_once('{').unwrap();
    let pairs = rest.strip_suffix("\"}").unwrap().split("\",");
    let pairs = pairs.map(|pair| pair.split_once("=\"").unwrap());
    Labels::metric(name, pairs.filter(|(label, _)| *label != NAME))
}

/// What is read every `step` seconds from `begin` on, for so long, of the deployment whose incident is before `end`;
/// with an objective for each of its models.
fn record(end: f64, begin: f64, seconds: f64, step: f64) -> Recording {
    let recording = Recording::default();
    let mut deployment = Deployment::new(end, begin);
    let (mut page, mut time) = (Vec::new(), begin);
    while time <= begin + seconds {
        page.clear();
        deployment.read(time, &mut page).unwrap();
        for line in std::str::from_utf8(&page).unwrap().lines() {
            let (series, rest) = line.rsplit_once("} ").unwrap();
            let value = rest.split(' ').next().unwrap().parse().unwrap();
            recording.push(&labels(&format!("{series}}}")), ms(time), value);
        }
        for model in ["Qwen3-32B", "DeepSeek-R1-Distill-Llama-70B", "Qwen2.5-14B-Instruct"] {
            for (kind, bound) in [("ttft", "1.0"), ("tpot", "0.1")] {
                let name = format!("llm_objective_{kind}_seconds");
                let objective = Labels::metric(&name, [("model", model), ("le", bound)]);
                recording.push(&objective, ms(time), bound.parse().unwrap());
                let ratio = [("model", model), ("kind", kind)];
                recording.push(&Labels::metric("llm_objective_ratio", ratio), ms(time), 0.95);
            }
        }
        time += step;
    }
    recording
}

fn groups() -> Vec<Group> {
    pack::FILES.iter().flat_map(|(_, text)| file::parse(text).unwrap().groups).collect()
}

/// What fires when the rules are evaluated every `step` seconds over `seconds`, which end `before` the end.
fn replay(before: f64, seconds: f64, step: f64) -> Outcome {
    let begin = END - before - seconds;
    let recording = record(END, begin, seconds, step);
    let range = TimeRange { start: ms(begin), end: ms(begin + seconds) };
    recording.replay(groups(), range, Duration::from_secs_f64(step))
}

fn names(outcome: &Outcome) -> BTreeSet<&str> {
    assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
    outcome.fired.iter().map(|alert| alert.name()).collect()
}

#[test]
fn nothing_fires_while_nothing_is_wrong() {
    let outcome = replay(BEFORE_INCIDENT, 3.0 * HOUR, 60.0);
    assert_eq!(names(&outcome), BTreeSet::new(), "{:?}", outcome.fired);
}

#[test]
#[ignore = "takes minutes"]
fn nothing_fires_within_seven_days() {
    let outcome = replay(BEFORE_INCIDENT, 7.0 * DAY, 60.0);
    assert_eq!(names(&outcome), BTreeSet::new(), "{:?}", outcome.fired);
}

#[test]
fn the_incident_is_told() {
    let outcome = replay(0.0, HOUR, 15.0);
    let expected = ["AcceleratorHot", "AcceleratorThermalThrottling", "EngineKvPressure"];
    assert_eq!(names(&outcome), BTreeSet::from(expected));
    let told = |name: &str| outcome.fired.iter().find(|alert| alert.name() == name).unwrap();
    let pressure = told("EngineKvPressure");
    assert_eq!(
        pressure.annotation("summary"),
        "The KV cache of node-1:8000 (Qwen3-32B) is 100 % full and requests are thrown out of it."
    );
    assert_eq!(
        pressure.annotation("summary_zh"),
        "node-1:8000（Qwen3-32B）的 KV 缓存已用 100 %，正在抢占请求。"
    );
    let heat = told("AcceleratorThermalThrottling").annotation("summary");
    assert!(heat.starts_with("Heat slowed accelerator 3 of node-2 for "), "{heat}");
}
