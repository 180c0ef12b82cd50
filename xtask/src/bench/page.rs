//! What drawing costs, in a real browser: forty live charts, a month of a simulated deployment, ten tabs, a soak.
//!
//! The figures come from `e2e/browser/bench.mjs`. The browser draws without a graphics processor, which is the
//! slowest way to draw; the main thread's share does not depend on it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::report::{self, Table};
use crate::{
    binary::{self, Profile},
    page, process, say,
    simulate::{self, Wish},
    suite::install,
};

const SOAK_MINUTES: &str = "30";
const HISTORY_DAYS: f64 = 30.0;
/// Of the page's auditor; it is no part of the project and installed for the measurement only.
const LIGHTHOUSE: &str = "lighthouse@12.8.2";

pub(super) fn run(minutes: Option<&str>) -> Result<()> {
    let minutes = minutes.unwrap_or(SOAK_MINUTES);
    let is_number = minutes.parse::<u32>().is_ok();
    ensure!(is_number, "the soak takes a number of minutes, not {minutes:?}");
    page::build()?;
    let program = binary::build(Profile::Release)?;
    let folder = tempfile::Builder::new().prefix("modelwatch-page-").tempdir()?;
    let deployment = folder.path().join("deployment");
    simulate::fill(&program, &Wish::history(deployment.clone(), HISTORY_DAYS))?;

    let browser_tests = crate::root().join("e2e/browser");
    page::install_packages(&browser_tests)?;
    let mut node = process::command("node");
    let figures = folder.path().join("figures.json");
    node.current_dir(&browser_tests).args(["bench.mjs", minutes]).arg(&figures);
    node.env("MODELWATCH_BIN", program).env("CHROMIUM", install::browser()?);
    node.env("MODELWATCH_BENCH_PAGE", build_bench_page(folder.path())?);
    node.env("MODELWATCH_TEST_SIMULATED", deployment);
    match install_lighthouse() {
        Ok(path) => drop(node.env("MODELWATCH_LIGHTHOUSE", path)),
        Err(error) => say(&format!("without lighthouse: {error:#}")),
    }
    process::run(&mut node)?;
    report::publish("page", &text(&fs::read_to_string(figures)?)?)
}

fn build_bench_page(folder: &Path) -> Result<PathBuf> {
    let built = folder.join("page");
    let mut vite = page::npm(&crate::root().join("ui"));
    vite.args(["exec", "--", "vite", "build", "--config", "bench/vite.config.ts", "--outDir"]);
    process::run(vite.arg(&built))?;
    Ok(built)
}

fn install_lighthouse() -> Result<PathBuf> {
    let folder = binary::target_dir()?.join("lighthouse");
    let program = folder.join("node_modules/lighthouse/cli/index.js");
    if !program.is_file() {
        fs::create_dir_all(&folder)?;
        let mut npm: Command = page::npm(&folder);
        npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix"]);
        process::capture(npm.arg(&folder).arg(LIGHTHOUSE))?;
    }
    Ok(program)
}

/// Two tables: the charts in both widths, and everything else.
fn text(figures: &str) -> Result<String> {
    let mut charts = Table::new(&["two points per pixel", "3,600 points a line"]);
    let mut others = Table::new(&["modelwatch"]);
    let figures: Vec<Value> = serde_json::from_str(figures).context("no list of figures")?;
    for figure in &figures {
        let row = figure["row"].as_str().context("a figure without a row")?;
        let column = figure["column"].as_u64().context("a figure without a column")? as usize;
        let value = figure["value"].as_f64().context("a figure without a value")?;
        match figure["table"].as_str() {
            Some("charts") => charts.set(row, column, value),
            _ => others.set(row, column, value),
        }
    }
    Ok(format!(
        "Forty live charts of four lines, 440 x 150 pixels, a new value each second, all in sight:\n\n{}\n{}",
        charts.markdown(),
        others.markdown()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_become_two_tables() {
        let figures = r#"[{"table":"charts","row":"ms","column":1,"value":2},
            {"table":"others","row":"kB","column":0,"value":120.5}]"#;
        let text = text(figures).unwrap();
        assert!(text.contains("| ms | - | 2.00 | - |") && text.contains("| kB | 120 |"), "{text}");
        for wrong in ["hello", "{}", r#"[{"row":"ms","column":0}]"#] {
            assert!(super::text(wrong).is_err(), "{wrong}");
        }
    }
}
