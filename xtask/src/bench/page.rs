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

/// Everything but the soak.
pub(super) fn run() -> Result<()> {
    let figures = measure("0")?;
    let charts = table(&figures, "charts", &["two points per pixel", "3,600 points a line"])?;
    let others = table(&figures, "others", &["modelwatch"])?;
    let about =
        "Forty live charts of four lines, 440 x 150 pixels, a new value each second, all in sight:";
    report::publish("page", &format!("{about}\n\n{charts}\n{others}"))
}

/// Pages that are left open, for minutes.
pub(super) fn soak(minutes: Option<&str>) -> Result<()> {
    let minutes = minutes.unwrap_or(SOAK_MINUTES);
    let is_number = minutes.parse::<u32>().is_ok_and(|minutes| minutes > 0);
    ensure!(is_number, "the soak takes a number of minutes, not {minutes:?}");
    let figures = measure(minutes)?;
    let columns = ["forty drawings of 3,600 points a line", "the overview over 5 minutes"];
    report::publish("page-soak", &table(&figures, "soak", &columns)?)
}

/// The figures of the measurement in the browser.
fn measure(minutes: &str) -> Result<Vec<Value>> {
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
    serde_json::from_str(&fs::read_to_string(figures)?).context("no list of figures")
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

/// The figures of one table as Markdown.
fn table(figures: &[Value], name: &str, columns: &[&str]) -> Result<String> {
    let mut table = Table::new(columns);
    for figure in figures.iter().filter(|figure| figure["table"] == name) {
        let row = figure["row"].as_str().context("a figure without a row")?;
        let column = figure["column"].as_u64().context("a figure without a column")? as usize;
        let value = figure["value"].as_f64().context("a figure without a value")?;
        ensure!(column < columns.len(), "there is no column {column} for {row}");
        table.set(row, column, value);
    }
    Ok(table.markdown())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_become_a_table() {
        let figures = [
            json!({"table": "charts", "row": "ms", "column": 1, "value": 2}),
            json!({"table": "others", "row": "kB", "column": 0, "value": 120.5}),
        ];
        let text = table(&figures, "charts", &["a", "b"]).unwrap();
        assert!(text.contains("| ms | - | 2.00 | - |") && !text.contains("kB"), "{text}");
        assert!(table(&figures, "charts", &["a"]).is_err());
        assert!(table(&[json!({"table": "x", "column": 0})], "x", &["a"]).is_err());
    }
}
