//! Debian's node_exporter runs beside us, and every series that it has must be in our `/metrics` with the
//! same labels, the same type and, as far as time allows, the same value. What is missing or differs on
//! purpose stands with its reason in `fixtures/node_exporter.txt`, which may only shrink.

use std::{collections::BTreeMap, fs::File, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use e2e::{Modelwatch, PATIENCE, skip};
use xtask::{
    engine, http, peers,
    process::{self, Process},
    say, wait,
};

const EXCEPTIONS: &str = include_str!("fixtures/node_exporter.txt");

/// Labels that later versions of node_exporter have as well.
const LATER_LABELS: [&str; 3] = ["adminstate", "device_error", "rotational"];

/// What node_exporter says of its own program, and is in other words said by us.
const ITS_OWN: [&str; 3] = ["go_", "promhttp_", "node_exporter_build_info"];

/// Series that are of the program that was asked, or of its own work.
const OWN_VALUES: [&str; 2] = ["process_", "node_scrape_collector_duration_seconds"];

/// How far a gauge may be from what we saw of it around that time.
const TOLERANCE: f64 = 0.01;

/// The slowest of our sources is read once a minute.
const READ_ONCE_MORE: Duration = Duration::from_secs(80);

type LabelSet = BTreeMap<String, String>;
type Series = (String, LabelSet);

/// A page of metrics.
#[derive(Default)]
struct Page {
    kinds: BTreeMap<String, String>,
    values: BTreeMap<Series, f64>,
}

impl Page {
    fn read(address: &str) -> Result<Self> {
        let response = http::get(address, "/metrics")?;
        ensure!(response.status == 200, "/metrics answers {}", response.status);
        let mut page = Self::default();
        for line in response.text().lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').context("a TYPE without a type")?;
                page.kinds.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') && !line.is_empty() {
                let (series, value) = parse(line).with_context(|| line.to_owned())?;
                let twice = page.values.insert(series, value);
                ensure!(twice.is_none(), "the page has this series twice: {line}");
            }
        }
        Ok(page)
    }
}

/// `name{a="b"} 1`, with an empty label taken for none.
fn parse(line: &str) -> Option<(Series, f64)> {
    let (head, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = head.split_once('{') else {
        return Some(((head.to_owned(), BTreeMap::new()), value));
    };
    let mut rest = labels.strip_suffix('}')?;
    let mut labels = BTreeMap::new();
    while let Some((label, after)) = rest.split_once("=\"") {
        let mut text = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next()? {
                (at, '"') => break at,
                (_, '\\') => text.push(characters.next()?.1),
                (_, other) => text.push(other),
            }
        };
        if !text.is_empty() {
            labels.insert(label.to_owned(), text);
        }
        rest = after.get(end + 1..)?.trim_start_matches(',');
    }
    Some(((name.to_owned(), labels), value))
}

/// The entry of the list of exceptions that a series of theirs falls under.
fn exception<'a>(series: &Series, theirs: f64, exceptions: &[&'a str]) -> Option<&'a str> {
    let (name, labels) = series;
    let fits = |entry: &&&str| {
        let (entry, value) =
            entry.split_once(" = ").map_or((**entry, None), |(entry, value)| (entry, Some(value)));
        let (wanted, label) =
            entry.split_once('{').map_or((entry, None), |(name, label)| (name, Some(label)));
        let has_name = match wanted.split_once('*') {
            Some((prefix, _)) => name.starts_with(prefix),
            None => name == wanted,
        };
        let has_label = |label: &str| {
            let parted = label.trim_end_matches('}').split_once('=');
            parted.is_some_and(|(label, value)| {
                labels.get(label).map(String::as_str) == Some(value.trim_matches('"'))
            })
        };
        has_name
            && label.is_none_or(has_label)
            && value.is_none_or(|value| value.parse() == Ok(theirs))
    };
    exceptions.iter().find(fits).copied()
}

/// What was seen of one of our series.
struct Seen {
    first: f64,
    lowest: f64,
    highest: f64,
}

/// Our series by name, with what was seen of each.
#[derive(Default)]
struct Ours {
    kinds: BTreeMap<String, String>,
    seen: BTreeMap<String, Vec<(LabelSet, Seen)>>,
}

impl Ours {
    fn add(&mut self, page: Page) {
        self.kinds.extend(page.kinds);
        for ((name, labels), value) in page.values {
            let series = self.seen.entry(name).or_default();
            match series.iter_mut().find(|(known, _)| *known == labels) {
                Some((_, seen)) => {
                    seen.lowest = seen.lowest.min(value);
                    seen.highest = seen.highest.max(value);
                }
                None => series.push((labels, Seen { first: value, lowest: value, highest: value })),
            }
        }
    }

    fn find(&self, (name, labels): &Series) -> Option<&Seen> {
        let is_same = |ours: &LabelSet| {
            labels.iter().all(|(label, value)| ours.get(label) == Some(value))
                && ours.keys().all(|label| {
                    labels.contains_key(label) || LATER_LABELS.contains(&label.as_str())
                })
        };
        let found = self.seen.get(name)?.iter().find(|(labels, _)| is_same(labels));
        found.map(|(_, seen)| seen)
    }

    /// Whether their value lies between ours before and after it.
    fn agrees(&self, series: &Series, kind: &str, theirs: f64) -> bool {
        let Some(seen) = self.find(series) else { return false };
        if kind == "counter" {
            // They divide in other steps, so that the last digit of a counter that stands still differs.
            let digit = theirs.abs() * 4.0 * f64::EPSILON;
            return seen.first - digit <= theirs && theirs <= seen.highest + digit;
        }
        let slack = theirs.abs() * TOLERANCE;
        seen.lowest - slack <= theirs && theirs <= seen.highest + slack
    }
}

struct NodeExporter {
    _process: Process,
    address: String,
}

impl NodeExporter {
    fn start(program: &Path, folder: &Path) -> Result<Self> {
        process::end_children_on_signals()?;
        let address = format!("127.0.0.1:{}", engine::free_port()?);
        let log = File::create(folder.join("node_exporter.log"))?;
        let mut command = process::command(program);
        command.arg(format!("--web.listen-address={address}"));
        command.args(["--collector.interrupts", "--collector.tcpstat", "--collector.processes"]);
        let process = Process::spawn(command.stdout(log.try_clone()?).stderr(log))?;
        wait::until("node_exporter", PATIENCE, || http::get(&address, "/metrics"))?;
        Ok(Self { _process: process, address })
    }
}

fn is_compared(name: &str) -> bool {
    !ITS_OWN.iter().any(|prefix| name.starts_with(prefix))
}

/// How both compare.
#[derive(Default)]
struct Comparison {
    ours: Ours,
    their_kinds: BTreeMap<String, String>,
    /// Series on which both agreed at least once, with the value on which they did.
    agreed: BTreeMap<Series, f64>,
    /// The others, with a value of theirs.
    open: BTreeMap<Series, f64>,
}

impl Comparison {
    /// Looks at them and then at us.
    fn look(&mut self, exporter: &str, modelwatch: &str) -> Result<()> {
        let Self { ours, their_kinds, agreed, open } = self;
        let page = Page::read(exporter)?;
        their_kinds.extend(page.kinds);
        let kind = |series: &Series| their_kinds.get(&series.0).map_or("untyped", String::as_str);
        // What was there at one moment only, such as a state that a process was in, is let go.
        open.retain(|series, _| kind(series) == "counter" || page.values.contains_key(series));
        for (series, value) in page.values {
            if !is_compared(&series.0) || agreed.contains_key(&series) {
                continue;
            }
            // We read some counters once a minute: theirs of now has to lie between two of ours.
            let is_counter = kind(&series) == "counter";
            let known = open.entry(series).or_insert(value);
            if !is_counter {
                *known = value;
            }
        }
        wait::pause(Duration::from_millis(900));
        ours.add(Page::read(modelwatch)?);
        open.retain(|series, theirs| {
            let is_own = OWN_VALUES.iter().any(|prefix| series.0.starts_with(prefix));
            let agrees = if is_own {
                ours.find(series).is_some()
            } else {
                ours.agrees(series, kind(series), *theirs)
            };
            if agrees {
                agreed.insert(series.clone(), *theirs);
            }
            !agrees
        });
        Ok(())
    }

    fn summary(&self) -> String {
        let is_missing = |series: &&Series| self.ours.find(series).is_none();
        let missing = self.open.keys().filter(is_missing).count();
        format!(
            "node_exporter has {} series: {} equal, {} differing, {missing} missing; we have {}",
            self.agreed.len() + self.open.len(),
            self.agreed.len(),
            self.open.len() - missing,
            self.ours.seen.values().map(Vec::len).sum::<usize>(),
        )
    }
}

#[test]
fn what_node_exporter_says_we_say_too() -> Result<()> {
    let Some(program) = peers::node_exporter() else {
        skip("there is no node_exporter; `cargo xtask test` installs it");
        return Ok(());
    };
    let entry = |line: &'static str| line.split_once('\t').context("an entry needs a reason");
    let lines = EXCEPTIONS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let entries = lines.map(entry).collect::<Result<Vec<_>>>()?;
    let exceptions: Vec<&str> = entries.into_iter().map(|(entry, _)| entry).collect();
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\ndiscover = false")?;
    let exporter = NodeExporter::start(&program, folder.path())?;
    let mut both = Comparison::default();
    wait::until("a first reading of everything", PATIENCE, || {
        let page = Page::read(&modelwatch.address)?;
        let has = |name: &str| page.values.keys().any(|(known, _)| known == name);
        // One of each thread.
        let names = ["node_load1", "node_network_up", "node_filesystem_size_bytes"];
        ensure!(names.into_iter().all(has), "some threads have not read yet");
        both.ours.add(page);
        Ok(())
    })?;
    let outcome = wait::until("agreement on every series", READ_ONCE_MORE, || {
        both.look(&exporter.address, &modelwatch.address)?;
        let unexplained: Vec<_> = both
            .open
            .iter()
            .filter(|(series, theirs)| exception(series, **theirs, &exceptions).is_none())
            .collect();
        ensure!(unexplained.is_empty(), "{unexplained:#?}");
        Ok(())
    });
    say(&both.summary());
    outcome?;
    for (name, kind) in &both.their_kinds {
        let own = both.ours.kinds.get(name).filter(|_| is_compared(name));
        ensure!(own.is_none_or(|own| own == kind), "{name} is a {kind} there and {own:?} here");
    }
    // An entry for something that we have by now would hide that it goes missing again. So much may wait in
    // queues of connections that what differs there is within what scrapes may differ by.
    let is_steady = |series: &Series| series.0 != "node_tcp_connection_states";
    for (series, theirs) in both.agreed.iter().filter(|(series, _)| is_steady(series)) {
        let entry = exception(series, *theirs, &exceptions);
        ensure!(entry.is_none(), "{series:?} agrees: take {entry:?} off the list");
    }
    Ok(())
}
