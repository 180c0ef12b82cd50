//! The same samples and the same queries for us and for Prometheus: the answers must be the same.

mod answer;
mod data;
mod grammar;
mod random;

use std::{collections::BTreeMap, fs::File, path::Path};

use anyhow::{Context, Result, ensure};
use e2e::{Modelwatch, PATIENCE, encode};
use xtask::{
    engine::free_port,
    http::{self, Request, Response},
    peers::{self, Program},
    process::Process,
    say,
};

use self::{
    answer::Strictness,
    data::{Abilities, SPAN_SECONDS},
    grammar::{Grammar, WRONG},
};

const SEED: u64 = 20_261_128;
/// Fewer than so many equal answers would mean that the generator or a list of exceptions is broken.
const EQUAL_MIN: usize = 400;
/// Of a hundred answers, so many must have something in them.
const FILLED_PERCENT_MIN: usize = 60;
/// Moments of questions are that far behind the steps of subqueries, so that the points of one are
/// never on the edge of a window.
const ODD_SECONDS: i64 = 7;

/// A Prometheus that runs.
struct Prometheus {
    _process: Process,
    address: String,
}

impl Prometheus {
    fn start(program: &Program, features: &[&str], folder: &Path) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let log = File::create(folder.join("log"))?;
        let mut command = peers::prometheus_command(&program.path, &address, folder)?;
        if !features.is_empty() {
            command.arg(format!("--enable-feature={}", features.join(",")));
        }
        let mut process = Process::spawn(command.stdout(log.try_clone()?).stderr(log))?;
        peers::wait_until_ready(&mut process, &address, "/-/ready", PATIENCE)
            .with_context(|| std::fs::read_to_string(folder.join("log")).unwrap_or_default())?;
        Ok(Self { _process: process, address })
    }
}

/// Queries on which a peer is known to differ, and why.
struct Exception {
    concerns: fn(&str) -> bool,
    reason: &'static str,
}

struct Question {
    query: String,
    /// Endpoint and form.
    path: &'static str,
    form: String,
    title: String,
}

impl Question {
    fn instant(query: &str, time: i64) -> Self {
        Self {
            query: query.to_owned(),
            path: "/api/v1/query",
            form: format!("query={}&time={time}", encode(query)),
            title: format!("instant {query}"),
        }
    }

    fn range(query: &str, start: i64, end: i64, step: i64) -> Self {
        Self {
            query: query.to_owned(),
            path: "/api/v1/query_range",
            form: format!("query={}&start={start}&end={end}&step={step}", encode(query)),
            title: format!("range {step} s {query}"),
        }
    }

    fn ask(&self, address: &str) -> Result<Response> {
        let headers = &[("Content-Type", "application/x-www-form-urlencoded")];
        let body = self.form.as_bytes();
        http::send(
            address,
            &Request { method: "POST", path: self.path, headers, body, timeout: PATIENCE },
        )
    }

    /// Whether the query says in which order its values come.
    fn is_ordered(&self) -> bool {
        let query = self.query.as_str();
        let is_sorted = ["sort", "topk (", "bottomk ("]
            .iter()
            .any(|start| query.starts_with(start) && query.ends_with(')'));
        is_sorted && self.path == "/api/v1/query"
    }
}

/// Every query at a moment and over a time, and what is wrong in any way.
fn questions(start: i64, able: Abilities) -> Vec<Question> {
    const STEPS: [i64; 5] = [30, 60, 90, 150, 300];
    let end = start + SPAN_SECONDS - 600 + ODD_SECONDS;
    let from = end - 3_600;
    let moment = start + 4_200 + ODD_SECONDS;
    let queries = Grammar::new(SEED, moment, able).queries();
    let mut questions: Vec<Question> = WRONG
        .iter()
        .flat_map(|query| [Question::instant(query, end), Question::range(query, from, end, 60)])
        .collect();
    for (number, query) in queries.iter().enumerate() {
        questions.push(Question::instant(query, end - 90 * (number as i64 % 20)));
        // Ranges of vectors have no range of their own.
        let step = STEPS[number % STEPS.len()];
        questions.push(Question::range(query, from, end, step));
    }
    questions
}

#[derive(Default)]
struct Tally {
    asked: usize,
    equal: usize,
    filled: usize,
    skipped: BTreeMap<&'static str, usize>,
    differences: Vec<String>,
}

impl Tally {
    fn text(&self) -> String {
        let Self { asked, equal, filled, skipped, differences } = self;
        let different = differences.len();
        let mut text = format!(
            "{asked} questions: {equal} equal ({filled} with results), {different} different"
        );
        for (reason, count) in skipped {
            text.push_str(&format!(", {count} skipped ({reason})"));
        }
        text
    }
}

fn differ(
    program: &Program,
    features: &[&str],
    able: Abilities,
    exceptions: &[Exception],
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let quiet = "[collect]\ndiscover = false\nhost_period = \"1h\"";
    let modelwatch = Modelwatch::start(folder.path(), quiet)?;
    let peer_folder = tempfile::tempdir()?;
    let prometheus = Prometheus::start(program, features, peer_folder.path())?;
    let start = (e2e::remote_write::recent_ms()? / 3_600_000) * 3_600 - SPAN_SECONDS;
    for address in [&modelwatch.address, &prometheus.address] {
        data::send(address, start, able)?;
    }
    let mut tally = Tally::default();
    for question in questions(start, able) {
        tally.asked += 1;
        if let Some(exception) =
            exceptions.iter().find(|exception| (exception.concerns)(&question.query))
        {
            *tally.skipped.entry(exception.reason).or_default() += 1;
            continue;
        }
        let (ours, theirs) =
            (question.ask(&modelwatch.address)?, question.ask(&prometheus.address)?);
        let strictness =
            Strictness { ordered: question.is_ordered(), annotations: able.native_histograms };
        match answer::compare(&ours, &theirs, strictness) {
            Ok(()) => {
                tally.equal += 1;
                let is_empty = theirs.text().contains("\"result\":[]");
                tally.filled += usize::from(theirs.status == 200 && !is_empty);
            }
            Err(difference) => {
                tally.differences.push(format!("{}\n    {difference:.600}", question.title));
            }
        }
    }
    say(&format!("Prometheus {}: {}", program.version, tally.text()));
    for difference in &tally.differences {
        say(difference);
    }
    let Tally { equal, filled, differences, .. } = &tally;
    ensure!(differences.is_empty(), "{}", tally.text());
    ensure!(*equal >= EQUAL_MIN, "too few questions: {}", tally.text());
    ensure!(filled * 100 >= equal * FILLED_PERCENT_MIN, "too few results: {}", tally.text());
    Ok(())
}

#[test]
fn queries_are_answered_as_by_prometheus_2() -> Result<()> {
    let able = Abilities { utf8_names: false, native_histograms: false };
    match peers::debian(peers::PROMETHEUS) {
        Ok(program) => differ(&program, &[], able, SINCE_2),
        Err(error) => {
            e2e::skip(&format!("there is no Prometheus: {error:#}"));
            Ok(())
        }
    }
}

#[test]
fn queries_are_answered_as_by_prometheus_3() -> Result<()> {
    let able = Abilities { utf8_names: true, native_histograms: true };
    let features = ["promql-experimental-functions", "native-histograms"];
    match peers::later(&peers::PROMETHEUS_3) {
        Ok(program) => differ(&program, &features, able, SINCE_3_5),
        Err(error) => {
            // It comes from a Debian that is still being made, so it may be gone one day.
            e2e::skip(&format!("there is no Prometheus 3: {error:#}"));
            Ok(())
        }
    }
}

/// What is different from Prometheus 2.42 on.
const SINCE_2: &[Exception] = &[
    TIMESTAMP_AT,
    Exception {
        concerns: |query| {
            let functions =
                ["mad_over_time(", "histogram_avg(", "histogram_stddev(", "histogram_stdvar("];
            functions.iter().any(|function| query.contains(function))
        },
        reason: "it does not know the function",
    },
    Exception {
        concerns: |query| query.contains("histogram_fraction("),
        reason: "it takes only native histograms for a fraction",
    },
    Exception {
        concerns: |query| query.contains("text=~"),
        reason: "a dot in its regular expressions is no newline",
    },
    Exception {
        concerns: |query| query.contains("atan2"),
        reason: "its atan2 keeps the metric's name",
    },
    Exception {
        // The aggregations, whose names a blank or a grouping follows.
        concerns: |query| query.contains("stddev ") || query.contains("stdvar "),
        reason: "its deviation of a single infinity is 0, not NaN",
    },
    Exception {
        concerns: |query| query.contains("predict_linear(") && query.contains('@'),
        reason: "its predict_linear forgets the time of later steps after @",
    },
];

/// What is different from Prometheus 3.5 on.
const SINCE_3_5: &[Exception] = &[
    TIMESTAMP_AT,
    Exception {
        concerns: |query| {
            let functions = ["sort(", "sort_desc(", "sort_by_label(", "sort_by_label_desc("];
            functions.iter().any(|function| query.contains(function))
        },
        reason: "it does not warn of sorting in a range query",
    },
    Exception {
        concerns: |query| query.contains("k(NaN, "),
        reason: "its words for a parameter that is NaN are others than those of 3.14",
    },
    Exception {
        concerns: |query| query.contains("limit_ratio(") && !query.contains("limit_ratio(2"),
        reason: "which series it takes depends on how it was built to hash labels",
    },
    Exception {
        concerns: |query| query.contains("histogram_fraction(") && query.contains("rate("),
        reason: "it names an empty metric, and knows no fraction of a single bucket",
    },
    Exception {
        concerns: |query| {
            query.contains("level_seconds")
                && (query.contains("rate(") || query.contains("increase("))
        },
        reason: "its rates of histograms reach below zero",
    },
    Exception {
        concerns: |query| query.contains("histogram_quantile(0.5, broken_bucket)),"),
        reason: "it names an empty metric",
    },
    Exception {
        concerns: |query| query.contains("count_values(") && query.contains("_seconds["),
        reason: "it sums up histograms without Kahan's compensation, which their text shows",
    },
    Exception {
        concerns: |query| query.contains("topk(2, mixed_kinds)"),
        reason: "it leaves out a float at the first step, which nobody has explained",
    },
    Exception {
        concerns: |query| query.contains("increase((") && query.contains(":])"),
        reason: "it gives what it says of a subquery no place",
    },
];

const TIMESTAMP_AT: Exception = Exception {
    concerns: |query| {
        query.contains("timestamp(") && query.contains('@') && query.contains("offset")
    },
    reason: "its timestamp() forgets an offset beside @",
};
