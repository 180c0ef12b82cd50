//! A wall of dashboards that all load at the same moment.

use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::{
    bench::{
        payload::Shape,
        queries::{self, Call},
        system::Instance,
    },
    wait::Stopwatch,
};

/// So often all panels are asked for.
const ROUNDS: usize = 5;

/// A dashboard of one server of the mix: what is asked, over how many hours, in which steps.
const PANELS: &[(&str, i64, i64)] = &[
    ("sum(rate(c{SERVER}[5m]))", 1, 15),
    ("rate(c{SERVER}[1m])", 1, 15),
    ("topk(5, rate(c{SERVER}[5m]))", 1, 15),
    ("sum(increase(c{SERVER}[1h]))", 6, 60),
    ("gauge{SERVER}", 1, 15),
    ("avg(gauge{SERVER})", 6, 60),
    ("max(memory_percent{SERVER})", 6, 60),
    ("quantile(0.9, gauge{SERVER})", 1, 15),
    ("sum(queue{SERVER})", 1, 15),
    ("max_over_time(queue{SERVER}[5m])", 6, 60),
    ("sum(memory_bytes{SERVER}) / 1e9", 6, 60),
    ("deriv(memory_bytes{SERVER}[10m])", 1, 60),
    ("sum(g{SERVER})", 1, 15),
    ("avg_over_time(g{SERVER}[15m])", 6, 60),
    ("histogram_quantile(0.5, sum by (le)(rate(b{SERVER}[5m])))", 1, 15),
    ("histogram_quantile(0.99, sum by (le)(rate(b{SERVER}[5m])))", 6, 60),
    ("sum by (le)(rate(b{SERVER}[1m]))", 1, 15),
    (
        "rate(seconds_sum{SERVER}[5m]) / on (instance) group_left sum by (instance)(rate(c{SERVER}[5m]))",
        1,
        15,
    ),
    ("count(constant{SERVER} > 100)", 6, 60),
    ("sum by (instance)(rate(c[5m]))", 1, 15),
];

/// What it takes to show all panels.
pub(super) struct Measured {
    pub(super) count: usize,
    /// From the first question to the last answer.
    pub(super) best: Duration,
    pub(super) median: Duration,
    /// A panel of twenty takes longer, in the median of the rounds.
    pub(super) slow: Duration,
    /// Of one round.
    pub(super) cpu: Duration,
}

pub(super) fn measure(instance: &Instance<'_>, shape: &Shape) -> Result<Measured> {
    let calls: Vec<Call> = (0..shape.targets)
        .flat_map(|target| {
            let server = format!("{{instance=\"node-{target:05}:8000\"}}");
            PANELS.iter().map(move |(expression, hours, step)| {
                let expression = expression.replace("{SERVER}", &server);
                queries::range(&expression, shape.end_ms, hours * 3_600, *step)
            })
        })
        .collect();
    let before = instance.cpu()?;
    let (mut walls, mut slow) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let watch = Stopwatch::start();
        let mut times = at_once(instance, &calls)?;
        walls.push(watch.elapsed());
        times.sort();
        slow.extend(times.get(times.len() * 95 / 100));
    }
    let cpu = instance.cpu()?.saturating_sub(before) / ROUNDS as u32;
    let (best, median) = queries::best_and_median(walls);
    let (_, slow) = queries::best_and_median(slow);
    Ok(Measured { count: calls.len(), best, median, slow, cpu })
}

/// Asks everything at the same time, each over a connection of its own, and says how long each took.
fn at_once(instance: &Instance<'_>, calls: &[Call]) -> Result<Vec<Duration>> {
    let ask = |(path, form): &Call| {
        let watch = Stopwatch::start();
        instance.ask(path, form)?;
        Ok(watch.elapsed())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = calls.iter().map(|call| scope.spawn(move || ask(call))).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|time| time.map_err(|_| anyhow!("a thread that asks ended abnormally"))?)
            .collect()
    })
}
