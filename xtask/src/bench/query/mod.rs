//! Queries beside Prometheus and VictoriaMetrics: how long the same questions to the same samples
//! take, and how much memory. All systems run at the same time and are asked one after the other.

mod panels;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use anyhow::Result;

use super::{
    data,
    payload::{Load, Shape},
    queries::{self, Points, QUERIES, Query},
    report::{self, Table},
    system::{self, Instance, Kind, System},
};
use crate::{binary, say, wait::Stopwatch};

const HOUR_SECONDS: usize = 3_600;
const DAY_SECONDS: usize = 24 * HOUR_SECONDS;

/// Over 10,000 series.
const WIDE: &[Query] = &[
    Query {
        name: "G",
        expression: "sum by (instance)(rate({job=\"bench\"}[5m]))",
        range: Some((1, 60)),
    },
    Query {
        name: "H",
        expression: "sum by (instance, id, le)(rate({job=\"bench\"}[5m]))",
        range: Some((1, 300)),
    },
];
/// Over 2,000 buckets, for a day.
const LONG: &[Query] = &[Query {
    name: "I",
    expression: "histogram_quantile(0.99, sum by (le)(rate(b[5m])))",
    range: Some((24, 60)),
}];

/// Samples and what is asked about them.
struct Subject {
    name: &'static str,
    load: Load,
    queries: &'static [Query],
    /// Whether 200 panels are asked for at once, too.
    with_panels: bool,
}

struct Bench<'a> {
    systems: &'a [System],
    table: Table,
    /// What went wrong, and with which samples.
    failures: BTreeMap<String, BTreeSet<&'static str>>,
    notes: Vec<String>,
}

/// A system that is asked, and its column in the table.
struct Asked<'a> {
    column: usize,
    system: &'a System,
    instance: &'a Instance<'a>,
}

pub(super) fn run() -> Result<()> {
    let watch = Stopwatch::start();
    let systems = system::find()?;
    let names: Vec<&str> = systems.iter().map(|system| system.name).collect();
    let mut bench = Bench {
        systems: &systems,
        table: Table::new(&names),
        failures: BTreeMap::new(),
        notes: Vec::new(),
    };
    let subjects = [
        Subject {
            name: "mix",
            load: Load::ending_now(data::ALL, 10, 6 * HOUR_SECONDS / 5, 5_000)?,
            queries: QUERIES,
            with_panels: true,
        },
        Subject {
            name: "10 k series",
            load: Load::ending_now(data::ALL, 100, (HOUR_SECONDS + 600) / 15, 15_000)?,
            queries: WIDE,
            with_panels: false,
        },
        Subject {
            name: "a day",
            load: Load::ending_now(data::HISTOGRAM, 100, DAY_SECONDS / 15, 15_000)?,
            queries: LONG,
            with_panels: false,
        },
    ];
    bench.measure(&subjects)?;
    say(&format!("measured in {}", binary::seconds(watch.elapsed())));
    report::publish("query", &bench.text())
}

impl Bench<'_> {
    /// Gives all samples to every system, each in a process of its own, waits until all are at rest, and
    /// asks.
    fn measure(&mut self, subjects: &[Subject]) -> Result<()> {
        let folder = tempfile::Builder::new().prefix("modelwatch-bench-").tempdir()?;
        let mut running = Vec::new();
        for subject in subjects {
            for (column, system) in self.systems.iter().enumerate() {
                let own = folder.path().join(subject.name).join(system.name);
                match start(system, &own, &subject.load) {
                    Ok(instance) => running.push((subject, column, system, instance)),
                    Err(error) => self.fail(system, subject, &error),
                }
            }
        }
        let instances: Vec<&Instance<'_>> = running.iter().map(|(.., instance)| instance).collect();
        system::settle(&instances)?;
        for subject in subjects {
            let own = running.iter().filter(|(other, ..)| other.name == subject.name);
            let own: Vec<Asked<'_>> = own
                .map(|(_, column, system, instance)| Asked { column: *column, system, instance })
                .collect();
            self.ask(&own, subject);
        }
        Ok(())
    }

    /// Asks each question of every system before the next, so that what slows the machine down for a
    /// while slows all of them.
    fn ask(&mut self, asked: &[Asked<'_>], subject: &Subject) {
        let shape = &subject.load.shape;
        for one in asked {
            if let Err(error) = queries::expect_samples(one.instance, shape) {
                self.fail(one.system, subject, &error);
            }
        }
        let mut answers: Vec<(Kind, Vec<Points>)> =
            asked.iter().map(|one| (one.system.kind, Vec::new())).collect();
        for query in subject.queries {
            for (one, (_, answers)) in asked.iter().zip(&mut answers) {
                let points = self.query(one, query, shape);
                if let Err(error) = &points {
                    self.fail(one.system, subject, error);
                }
                answers.push(points.unwrap_or_default());
            }
        }
        for one in asked.iter().filter(|_| subject.with_panels) {
            if let Err(error) = self.panels(one, shape) {
                self.fail(one.system, subject, &error);
            }
        }
        let names: Vec<(&str, String)> =
            subject.queries.iter().map(|query| (query.name, query.title())).collect();
        self.notes.extend(queries::compare_all(&names, &answers));
    }

    fn query(&mut self, asked: &Asked<'_>, query: &Query, shape: &Shape) -> Result<Points> {
        asked.instance.reset_peak()?;
        let measured = query.measure(asked.instance, shape.end_ms)?;
        let peak = asked.instance.peak_bytes()?;
        let name = query.name;
        self.set(asked, &format!("{}, best ms", query.title()), milliseconds(measured.best));
        self.set(asked, &format!("{name}, median ms"), milliseconds(measured.median));
        self.set(asked, &format!("{name}, CPU ms"), milliseconds(measured.cpu));
        self.set(asked, &format!("{name}, peak RSS MB"), peak as f64 / 1e6);
        Ok(measured.points)
    }

    fn panels(&mut self, asked: &Asked<'_>, shape: &Shape) -> Result<()> {
        asked.instance.reset_peak()?;
        let all = panels::measure(asked.instance, shape)?;
        let peak = asked.instance.peak_bytes()?;
        let best = format!("{} panels at once, all of them, best ms", all.count);
        self.set(asked, &best, milliseconds(all.best));
        self.set(asked, "panels, all of them, median ms", milliseconds(all.median));
        self.set(asked, "panels, the slowest 5 % from, ms", milliseconds(all.slow));
        self.set(asked, "panels, CPU ms", milliseconds(all.cpu));
        self.set(asked, "panels, peak RSS MB", peak as f64 / 1e6);
        Ok(())
    }

    fn set(&mut self, asked: &Asked<'_>, figure: &str, value: f64) {
        say(&format!("{}: {figure}: {value:.3}", asked.system.name));
        self.table.set(figure, asked.column, value);
    }

    fn fail(&mut self, system: &System, subject: &Subject, error: &anyhow::Error) {
        say(&format!("{} {error:#}", system.name));
        // The causes may name files of this machine; the page gets the outermost words.
        let failure = format!("{} {error}", system.name);
        self.failures.entry(failure).or_default().insert(subject.name);
    }

    fn text(&self) -> String {
        report::text(self.systems, &self.table, &self.failures, &self.notes)
    }
}

fn start<'a>(system: &'a System, folder: &Path, load: &Load) -> Result<Instance<'a>> {
    let instance = Instance::start(system, folder)?;
    instance.ingest(load)?;
    Ok(instance)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
