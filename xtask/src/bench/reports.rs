//! What a report of a month costs: the simulated deployment with 28 accelerators over 30 days, and a million requests.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};

use super::report::{self, Table};
use crate::{
    binary::{self, Profile},
    http, process, simulate,
    wait::Stopwatch,
};

const DAYS: f64 = 30.0;
const REQUESTS: u64 = 1_000_000;
/// Of each kind; the first begins with nothing read.
const RUNS: usize = 5;
/// A report that takes longer has failed.
const ANSWER_MAX: Duration = Duration::from_secs(120);

pub(super) fn run() -> Result<()> {
    let program = binary::build(Profile::Release)?;
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("month");
    let wish = simulate::Wish::history(place.clone(), DAYS).with_requests(REQUESTS);
    simulate::fill(&program, &wish)?;
    // Ended when it is dropped.
    let (_server, address) = simulate::serve(&program, &place)?;
    let told = fs::read_to_string(place.join("simulated.json"))?;
    let end: i64 = told
        .split_once(':')
        .and_then(|(_, rest)| rest.trim_end().trim_end_matches('}').parse().ok())
        .context("the simulated deployment does not say when it ended")?;
    let start = end - (DAYS * 86_400_000.0) as i64;
    let mut table = Table::new(&["modelwatch"]);
    for (format, language) in [("html", "en"), ("html", "zh"), ("pdf", "en"), ("pdf", "zh")] {
        let path = format!(
            "/api/mw/v1/reports/preview?start={start}&end={end}&language={language}&format={format}"
        );
        let times = asked(&address, &path)?;
        let name = |what: &str| format!("{} in {language}, {what}, s", format.to_uppercase());
        table.set(&name("first"), 0, times.first().copied().unwrap_or_default());
        let mut later = times.get(1..).unwrap_or_default().to_vec();
        later.sort_by(f64::total_cmp);
        table.set(
            &name("later, median"),
            0,
            later.get(later.len() / 2).copied().unwrap_or_default(),
        );
    }
    table.set("data directory, MB", 0, size(&place.join("data"))? as f64 / 1e6);
    let text = format!(
        "A report over {DAYS} days: 28 accelerators, 4 engines, a reading a minute, {REQUESTS} requests.\n\n{}",
        table.markdown()
    );
    report::publish("reports", &text)
}

/// Seconds that each of the answers took.
fn asked(address: &str, path: &str) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let watch = Stopwatch::start();
        let request =
            http::Request { method: "GET", path, headers: &[], body: &[], timeout: ANSWER_MAX };
        let answer = http::send(address, &request)?;
        ensure!(answer.status == 200, "{path}: {}", answer.text());
        times.push(watch.elapsed().as_secs_f64());
    }
    Ok(times)
}

fn size(folder: &Path) -> Result<u64> {
    let said = process::capture(process::command("du").arg("-sb").arg(folder))?;
    let bytes = said.split_whitespace().next().and_then(|word| word.parse().ok());
    bytes.context("du tells no size")
}
