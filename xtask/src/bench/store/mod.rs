//! The metric store beside Prometheus and VictoriaMetrics: the same samples, the same queries, each
//! system in a process and a folder of its own.

mod scenario;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Result, ensure};
use tempfile::TempDir;

use super::{
    data,
    payload::Load,
    queries::{self, Points, QUERIES},
    report::{self, Table},
    system::{self, Kind, System},
};
use crate::{binary, say, wait::Stopwatch};

const HOUR_SECONDS: usize = 3_600;
const DAY_SECONDS: usize = 24 * HOUR_SECONDS;

/// What a scenario found out about one system; kept even when the scenario fails half-way.
#[derive(Default)]
struct Findings {
    figures: Vec<(String, f64)>,
    answers: Vec<Points>,
}

impl Findings {
    fn figure(&mut self, name: impl Into<String>, value: f64) {
        self.figures.push((name.into(), value));
    }
}

/// What a scenario measures; `true` asks for a million series.
type Scenario = fn(&mut Bench, bool) -> Result<()>;

struct Bench {
    systems: Vec<System>,
    folder: TempDir,
    table: Table,
    /// What went wrong, and in which scenarios.
    failures: BTreeMap<String, BTreeSet<&'static str>>,
    /// How the answers compare.
    notes: Vec<String>,
}

/// Measures one scenario and prints it, or all and writes them down; `full` is all with a million series.
pub(super) fn run(scenario: Option<&str>) -> Result<()> {
    let watch = Stopwatch::start();
    let systems = system::find()?;
    let names: Vec<&str> = systems.iter().map(|system| system.name).collect();
    let folder = tempfile::Builder::new().prefix("modelwatch-bench-").tempdir()?;
    let mut bench = Bench {
        table: Table::new(&names),
        systems,
        folder,
        failures: BTreeMap::new(),
        notes: Vec::new(),
    };
    let is_wanted = |name: &str| scenario.is_none_or(|wanted| wanted == name || wanted == "full");
    let scenarios: [(&str, Scenario); 4] = [
        ("mix", |bench, _| bench.mix()),
        ("series", Bench::series),
        ("history", |bench, _| bench.history()),
        ("recovery", |bench, _| bench.recovery()),
    ];
    let chosen = scenarios.iter().filter(|(name, _)| is_wanted(name));
    ensure!(chosen.clone().count() > 0, "there is no scenario {scenario:?}");
    for (_, measure) in chosen {
        measure(&mut bench, scenario == Some("full"))?;
    }
    say(&format!("measured in {}", binary::seconds(watch.elapsed())));
    match scenario {
        None | Some("full") => report::publish("store", &bench.text()),
        Some(_) => {
            say(&bench.text());
            Ok(())
        }
    }
}

impl Bench {
    /// Six hours of ten targets: what goes in, what stays on the disk, what comes out.
    fn mix(&mut self) -> Result<()> {
        let load = prepare(10, 6 * HOUR_SECONDS / 5, 5_000)?;
        let answers = self.each("mix", &Kind::ALL, |system, folder, found| {
            scenario::mix(system, folder, &load, found)
        });
        self.compare(&answers);
        Ok(())
    }

    /// Many series with few samples.
    fn series(&mut self, full: bool) -> Result<()> {
        // As many samples of few series as of many, or their CPU time would be too short to be read.
        for (targets, scrapes) in [(10, 4_000), (100, 400), (1_000, 40)] {
            let load = prepare(targets, scrapes, 5_000)?;
            self.each("series", &Kind::ALL, |system, folder, found| {
                scenario::series(system, folder, &load, found)
            });
        }
        let load = prepare(500, 10, 5_000)?;
        self.each("memory", &Kind::ALL, |system, folder, found| {
            scenario::memory(system, folder, &load, found)
        });
        if full {
            let load = prepare(10_000, 3, 5_000)?;
            self.each("million", &[Kind::Modelwatch], |system, folder, found| {
                scenario::series(system, &folder.join("series"), &load, found)?;
                scenario::memory(system, &folder.join("memory"), &load, found)
            });
        }
        Ok(())
    }

    /// A hundred series over longer and longer times.
    fn history(&mut self) -> Result<()> {
        for (name, seconds) in
            [("1 h", HOUR_SECONDS), ("1 d", DAY_SECONDS), ("15 d", 15 * DAY_SECONDS)]
        {
            let load = prepare(1, seconds / 15, 15_000)?;
            self.each("history", &Kind::ALL, |system, folder, found| {
                scenario::history(system, folder, name, &load, found)
            });
        }
        Ok(())
    }

    /// A long log, read again after kill -9. All its samples are of the last five minutes, so that no
    /// system has moved any of them into a block.
    fn recovery(&mut self) -> Result<()> {
        let load = prepare(100, 3_000, 100)?;
        self.each("recovery", &[Kind::Modelwatch, Kind::Prometheus], |system, folder, found| {
            scenario::recovery(system, folder, &load, found)
        });
        Ok(())
    }

    /// Measures those of the systems that are wanted, one after the other, and returns their answers
    /// beside their kinds. What goes wrong is in the report.
    fn each(
        &mut self,
        name: &'static str,
        wanted: &[Kind],
        measure: impl Fn(&System, &Path, &mut Findings) -> Result<()>,
    ) -> Vec<(Kind, Vec<Points>)> {
        let mut answers = Vec::new();
        for (column, system) in self.systems.iter().enumerate() {
            if !wanted.contains(&system.kind) {
                continue;
            }
            let folder = self.folder.path().join(name);
            let mut found = Findings::default();
            if let Err(error) = measure(system, &folder, &mut found) {
                say(&format!("{} {error:#}", system.name));
                // The causes may name files of this machine; the page gets the outermost words.
                let failure = format!("{} {error}", system.name);
                self.failures.entry(failure).or_default().insert(name);
            }
            for (figure, value) in found.figures {
                say(&format!("{}: {figure}: {value:.4}", system.name));
                self.table.set(&figure, column, value);
            }
            answers.push((system.kind, found.answers));
            // It may not exist; and the whole is deleted in the end.
            fs::remove_dir_all(&folder).unwrap_or_default();
        }
        answers
    }

    /// Notes where Prometheus and modelwatch answer differently.
    fn compare(&mut self, answers: &[(Kind, Vec<Points>)]) {
        let names: Vec<(&str, String)> =
            QUERIES.iter().map(|query| (query.name, query.title())).collect();
        self.notes.extend(queries::compare_all(&names, answers));
    }

    fn text(&self) -> String {
        report::text(&self.systems, &self.table, &self.failures, &self.notes)
    }
}

fn prepare(targets: usize, scrapes: usize, interval_ms: i64) -> Result<Load> {
    Load::ending_now(data::ALL, targets, scrapes, interval_ms)
}
