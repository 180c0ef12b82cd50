//! What evaluating many rules costs, beside a Prometheus that has the same files and scrapes the same page.
//!
//! The page is a stand-in: 10,000 series that change with each look. Both are measured without rules and then with
//! them, so that scraping is told apart.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{
    report::{self, Table},
    usage,
};
use crate::{
    binary::{self, Profile},
    engine, http, peers,
    process::{self, Process},
    say, wait,
};

/// Metrics of the page, half of them counters, and series of each.
const METRICS: usize = 100;
const SERIES: usize = 100;
const RULES: usize = 1_000;
const GROUPS: usize = 20;
/// Of scrapes and evaluations.
const INTERVAL: Duration = Duration::from_secs(15);
/// A system that needs longer to get ready counts as one that did not start.
const START_MAX: Duration = Duration::from_secs(60);
/// Until windows of rates are full and rules have settled.
const SETTLE: Duration = Duration::from_secs(60);
const SECONDS: u64 = 60;

pub(super) fn run() -> Result<()> {
    let binary = binary::build(Profile::Release)?;
    let prometheus = peers::debian(peers::PROMETHEUS)?;
    let exporter = exporter()?;
    let folder = tempfile::tempdir()?;
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, rules_text())?;
    let said = process::capture(process::command(&binary).arg("--version"))?;
    let version = said.split_whitespace().nth(1).unwrap_or("?");
    let mut table = Table::new(&["modelwatch", "Prometheus"]);
    let mut without = Vec::new();
    for with_rules in [false, true] {
        let place = folder.path().join(if with_rules { "with" } else { "without" });
        fs::create_dir_all(&place)?;
        let rules = with_rules.then_some(rules.as_path());
        let systems = [
            modelwatch(&binary, &place, &exporter, rules)?,
            prometheus_at(&prometheus.path, &place, &exporter, rules)?,
        ];
        say(&format!(
            "settling for {SETTLE:?}, measuring for {SECONDS} s, with rules: {with_rules}"
        ));
        wait::pause(SETTLE);
        let used = measure(&systems)?;
        if with_rules {
            tell(&mut table, &systems, &without, &used)?;
        } else {
            without = used;
        }
    }
    let text = format!(
        "modelwatch {version}, Prometheus {}; {RULES} rules in {GROUPS} groups over {} series, every {} s; {SECONDS} s each.\n\n{}",
        prometheus.version,
        METRICS * SERIES,
        INTERVAL.as_secs(),
        table.markdown()
    );
    report::publish("rules", &text)
}

struct System {
    process: Process,
    address: String,
}

/// CPU time of each, and of our threads that evaluate rules.
fn measure(systems: &[System]) -> Result<Vec<Duration>> {
    let read = || -> Result<Vec<Duration>> {
        let mut used: Vec<Duration> =
            systems.iter().map(|system| usage::cpu(system.process.pid())).collect::<Result<_>>()?;
        used.push(usage::threads(systems[0].process.pid(), "rules")?);
        Ok(used)
    };
    let before = read()?;
    wait::pause(Duration::from_secs(SECONDS));
    let after = read()?;
    Ok(after.iter().zip(&before).map(|(after, before)| after.saturating_sub(*before)).collect())
}

fn tell(
    table: &mut Table,
    systems: &[System],
    without: &[Duration],
    with: &[Duration],
) -> Result<()> {
    let percent = |used: Duration| 100.0 * used.as_secs_f64() / SECONDS as f64;
    for (column, system) in systems.iter().enumerate() {
        let added = with[column].saturating_sub(without[column]);
        table.set("rules, % of one core (with them minus without)", column, percent(added));
        table.set("all with rules, % of one core", column, percent(with[column]));
        table.set("all without rules, % of one core", column, percent(without[column]));
        let bytes = usage::resident_bytes(system.process.pid())?;
        table.set("RSS with rules, MiB", column, bytes as f64 / f64::from(1 << 20));
        let (count, took) = evaluated(&system.address)?;
        ensure!(count == RULES, "{} evaluates {count} of {RULES} rules", system.address);
        table.set("one evaluation of all groups, ms", column, 1e3 * took);
    }
    table.set("the threads that evaluate, % of one core", 0, percent(with[2]));
    Ok(())
}

/// How many rules are healthy, and how long all groups took last, in seconds.
fn evaluated(address: &str) -> Result<(usize, f64)> {
    let answer = http::get(address, "/api/v1/rules")?.json()?;
    let groups = answer["data"]["groups"].as_array().context("no groups")?;
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten());
    let healthy = rules.filter(|rule| rule["health"] == "ok").count();
    let took = groups.iter().filter_map(|group| group["evaluationTime"].as_f64()).sum();
    Ok((healthy, took))
}

fn modelwatch(
    binary: &Path,
    folder: &Path,
    exporter: &str,
    rules: Option<&Path>,
) -> Result<System> {
    let address = format!("127.0.0.1:{}", engine::free_port()?);
    let rules: Vec<&Path> = rules.into_iter().collect();
    let config = folder.join("modelwatch.toml");
    let text = format!(
        "[server]\nlisten = \"{address}\"\n[storage]\npath = {:?}\n[collect]\ndiscover = false\n\
         [alerts]\nbuiltin = false\nevaluation_interval = \"{}s\"\nrule_files = {rules:?}\n\
         [[scrape]]\njob = \"bench\"\ntargets = [\"{exporter}\"]\ninterval = \"{}s\"\n",
        folder.join("data"),
        INTERVAL.as_secs(),
        INTERVAL.as_secs(),
    );
    fs::write(&config, text)?;
    let log = File::create(folder.join("modelwatch.log"))?;
    let mut command = process::command(binary);
    command.arg("serve").arg("--config").arg(&config).stdout(log.try_clone()?).stderr(log);
    start(&mut command, address)
}

fn prometheus_at(
    program: &Path,
    folder: &Path,
    exporter: &str,
    rules: Option<&Path>,
) -> Result<System> {
    let address = format!("127.0.0.1:{}", engine::free_port()?);
    let rules: Vec<&Path> = rules.into_iter().collect();
    let config = folder.join("prometheus.yml");
    let seconds = INTERVAL.as_secs();
    let text = format!(
        "global: {{scrape_interval: {seconds}s, evaluation_interval: {seconds}s}}\nrule_files: {rules:?}\n\
         scrape_configs: [{{job_name: bench, static_configs: [{{targets: ['{exporter}']}}]}}]\n"
    );
    fs::write(&config, text)?;
    let log = File::create(folder.join("prometheus.log"))?;
    let mut command = process::command(program);
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(log.try_clone()?)
        .stderr(log);
    start(&mut command, address)
}

fn start(command: &mut std::process::Command, address: String) -> Result<System> {
    let mut process = Process::spawn(command)?;
    peers::wait_until_ready(&mut process, &address, "/-/ready", START_MAX)?;
    Ok(System { process, address })
}

/// Half of them alerts over gauges, the rest rates and sums over counters.
fn rules_text() -> String {
    let mut text = "groups:\n".to_owned();
    for group in 0..GROUPS {
        text.push_str(&format!("- name: group{group}\n  rules:\n"));
        for index in 0..RULES / GROUPS {
            let number = group * (RULES / GROUPS) + index;
            let (metric, kind) = (number % (METRICS / 2), number % 4);
            let rule = match kind {
                0 => format!(
                    "- alert: High{number}\n    expr: bench_gauge_{metric} > 0.99\n    for: 1m\n    \
                     annotations: {{summary: 'it is {{{{ $value }}}}'}}"
                ),
                1 => format!(
                    "- alert: Share{number}\n    expr: avg by (host) (bench_gauge_{metric}) > 0.9\n    for: 2m"
                ),
                2 => format!(
                    "- record: host:rate:{number}\n    expr: sum by (host) (rate(bench_counter_{metric}_total[5m]))"
                ),
                _ => format!(
                    "- alert: Slow{number}\n    expr: rate(bench_counter_{metric}_total[2m]) < 0.01 and on (id) bench_gauge_{metric} > 0.5\n    for: 5m"
                ),
            };
            text.push_str(&format!("  {rule}\n"));
        }
    }
    text
}

/// Serves the page until this process ends. Answers its address.
fn exporter() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    static LOOKS: AtomicU64 = AtomicU64::new(0);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            thread::spawn(move || -> std::io::Result<()> {
                // One request fits; connections are kept by neither side.
                let mut request = [0; 4_096];
                let _read = stream.read(&mut request)?;
                let body = page(LOOKS.fetch_add(1, Ordering::Relaxed));
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes())?;
                stream.write_all(body.as_bytes())
            });
        }
    });
    Ok(address)
}

fn page(look: u64) -> String {
    let mut text = String::new();
    for metric in 0..METRICS / 2 {
        for id in 0..SERIES {
            let labels = format!("{{id=\"{id}\",host=\"host{}\",zone=\"z{}\"}}", id % 10, id % 3);
            let mixed = (look + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                ^ ((metric * SERIES + id) as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let gauge = (mixed >> 11) as f64 / (1_u64 << 53) as f64;
            let counter = look * (id as u64 + 1);
            text.push_str(&format!("bench_gauge_{metric}{labels} {gauge}\n"));
            text.push_str(&format!("bench_counter_{metric}_total{labels} {counter}\n"));
        }
    }
    text
}
