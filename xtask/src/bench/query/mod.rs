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
    payload::Load,
    queries::{self, Points, QUERIES, Query},
    report::{self, Table},
    system::{self, Instance, System},
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
    bench.measure(&Subject {
        name: "mix",
        load: Load::ending_now(data::ALL, 10, 6 * HOUR_SECONDS / 5, 5_000)?,
        queries: QUERIES,
        with_panels: true,
    })?;
    bench.measure(&Subject {
        name: "10 k series",
        load: Load::ending_now(data::ALL, 100, (HOUR_SECONDS + 600) / 15, 15_000)?,
        queries: WIDE,
        with_panels: false,
    })?;
    bench.measure(&Subject {
        name: "a day",
        load: Load::ending_now(data::HISTOGRAM, 100, DAY_SECONDS / 15, 15_000)?,
        queries: LONG,
        with_panels: false,
    })?;
    say(&format!("measured in {}", binary::seconds(watch.elapsed())));
    report::publish("query", &bench.text())
}

impl Bench<'_> {
    /// Gives the samples to every system, waits until all are at rest, and asks one after the other.
    fn measure(&mut self, subject: &Subject) -> Result<()> {
        let folder = tempfile::Builder::new().prefix("modelwatch-bench-").tempdir()?;
        let mut running = Vec::new();
        for (column, system) in self.systems.iter().enumerate() {
            let own = folder.path().join(system.name);
            match start(system, &own, &subject.load) {
                Ok(instance) => running.push((column, system, instance)),
                Err(error) => self.fail(system, subject, &error),
            }
        }
        let instances: Vec<&Instance<'_>> =
            running.iter().map(|(_, _, instance)| instance).collect();
        system::settle(&instances)?;
        let mut answers = Vec::new();
        for (column, system, instance) in &running {
            match self.ask(*column, system, instance, subject) {
                Ok(points) => answers.push((system.kind, points)),
                Err(error) => self.fail(system, subject, &error),
            }
        }
        let names: Vec<(&str, String)> =
            subject.queries.iter().map(|query| (query.name, query.title())).collect();
        self.notes.extend(queries::compare_all(&names, &answers));
        Ok(())
    }

    fn ask(
        &mut self,
        column: usize,
        system: &System,
        instance: &Instance<'_>,
        subject: &Subject,
    ) -> Result<Vec<Points>> {
        let shape = &subject.load.shape;
        queries::expect_samples(instance, shape)?;
        let mut set = |figure: String, value: f64| {
            say(&format!("{}: {figure}: {value:.3}", system.name));
            self.table.set(&figure, column, value);
        };
        let mut answers = Vec::new();
        for query in subject.queries {
            instance.reset_peak()?;
            let measured = query.measure(instance, shape.end_ms)?;
            let peak = instance.peak_bytes()?;
            set(format!("{}, best ms", query.title()), milliseconds(measured.best));
            set(format!("{}, median ms", query.name), milliseconds(measured.median));
            set(format!("{}, CPU ms", query.name), milliseconds(measured.cpu));
            set(format!("{}, peak RSS MB", query.name), peak as f64 / 1e6);
            answers.push(measured.points);
        }
        if subject.with_panels {
            instance.reset_peak()?;
            let all = panels::measure(instance, shape)?;
            let peak = instance.peak_bytes()?;
            set(
                format!("{} panels at once, all of them, best ms", all.count),
                milliseconds(all.best),
            );
            set("panels, all of them, median ms".to_owned(), milliseconds(all.median));
            set("panels, the slowest 5 % from, ms".to_owned(), milliseconds(all.slow));
            set("panels, CPU ms".to_owned(), milliseconds(all.cpu));
            set("panels, peak RSS MB".to_owned(), peak as f64 / 1e6);
        }
        Ok(answers)
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
