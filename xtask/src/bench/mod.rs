//! `cargo xtask bench NAME`: measurements of the real thing, printed and written into
//! docs/benchmarks.md with what they were taken on. A slow machine makes figures worse; it is never
//! a failure.

mod baselines;
mod collect;
mod cost;
mod data;
mod events;
mod gateway;
mod logs;
mod page;
mod payload;
mod queries;
mod query;
mod report;
mod reports;
mod rules;
mod store;
mod system;
mod usage;

use anyhow::{Result, bail};

pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["baselines"] => baselines::run(),
        ["collect"] => collect::run(),
        ["cost"] => cost::run(),
        ["events"] => events::run(),
        ["gateway"] => gateway::run(None),
        ["gateway", peer] => gateway::run(Some(peer)),
        ["logs"] => logs::run(),
        ["page"] => page::run(),
        ["page", "soak"] => page::soak(None),
        ["page", "soak", minutes] => page::soak(Some(minutes)),
        ["query"] => query::run(),
        ["reports"] => reports::run(),
        ["rules"] => rules::run(),
        ["store"] => store::run(None),
        ["store", scenario] => store::run(Some(scenario)),
        _ => bail!(
            "there is no benchmark {words:?}; there are: baselines, collect, cost, events, gateway, gateway nginx|litellm, logs, page, page soak [MINUTES], query, reports, rules, store, store mix|series|history|recovery|full"
        ),
    }
}
