//! Scraping of any exporter: what `[[scrape]]` names, as Prometheus' `scrape_configs` do.
//!
//! A job has targets, written down or discovered from files or over HTTP; its rules rewrite or drop
//! them; each that is left has a task of its own that reads one page per interval. `up` and the
//! `scrape_*` series say what came of it under Prometheus' names.
//!
//! What differs from Prometheus, on purpose: of a page with bad lines the good ones are kept, while
//! `up` is 0 as it is there; redirects are not followed; only `http://` is spoken; exemplars are left
//! out. Source of the rules: `scrape.go` and `target.go` in
//! <https://github.com/prometheus/prometheus/tree/main/scrape>, and a real Prometheus beside us in
//! the end-to-end tests.

mod discover;
mod fetch;
mod intake;
mod md5;
mod proto;
mod relabel;
mod target;
mod text;
mod watch;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use model::{Labels, UnixMs};
use tokio::task::JoinHandle;

pub use relabel::{Action, BadRule, RULES_MAX, Rule, RuleText};

use crate::{Secret, collector::Shared, collector::lock};

/// Most targets of one job; further ones are left out, and the page says so.
pub const TARGETS_MAX: usize = 5_000;

/// How a target learns who asks.
#[derive(Clone, Debug, Default)]
pub enum Login {
    #[default]
    None,
    Bearer(Secret),
    Basic {
        user: String,
        password: Secret,
    },
}

/// What a page may be. Zero means that there is no limit of this job's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Samples after the rules for samples.
    pub samples: usize,
    /// Bytes once it is decompressed; never without a limit.
    pub body_bytes: usize,
    pub labels: usize,
    pub label_name_bytes: usize,
    pub label_value_bytes: usize,
}

/// A `[[scrape]]` of the configuration.
#[derive(Clone, Debug)]
pub struct Job {
    pub name: String,
    pub interval: Duration,
    pub timeout: Duration,
    /// `host:port`, written down.
    pub targets: Vec<String>,
    /// Labels of the targets that are written down.
    pub labels: Vec<(String, String)>,
    pub path: String,
    pub params: Vec<(String, String)>,
    pub login: Login,
    pub honor_labels: bool,
    pub honor_timestamps: bool,
    /// Ask for protocol buffers, which alone carry native histograms.
    pub native_histograms: bool,
    pub limits: Limits,
    /// Files of targets, with `*` in their names.
    pub files: Vec<PathBuf>,
    /// Where lists of targets are served.
    pub urls: Vec<String>,
    /// How often those are asked.
    pub refresh: Duration,
    pub relabel: Vec<Rule>,
    pub metric_relabel: Vec<Rule>,
}

/// What is known of a target.
#[derive(Clone, Debug)]
pub struct TargetReport {
    pub job: String,
    pub url: String,
    /// Labels before the rules.
    pub discovered: Labels,
    /// Labels that every sample gets.
    pub labels: Labels,
    pub interval: Duration,
    pub timeout: Duration,
    /// `None` while it was not read yet.
    pub is_up: Option<bool>,
    pub last_scrape: Option<UnixMs>,
    pub duration: Duration,
    pub failure: Option<String>,
}

/// All targets of all jobs.
#[derive(Debug, Default)]
pub(crate) struct Targets(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By job, URL and labels.
    active: BTreeMap<String, TargetReport>,
    /// By job: labels of those that the rules drop.
    dropped: BTreeMap<String, Vec<Labels>>,
}

impl Targets {
    pub(crate) fn active(&self) -> Vec<TargetReport> {
        lock(&self.0).active.values().cloned().collect()
    }

    pub(crate) fn dropped(&self) -> Vec<(String, Labels)> {
        let state = lock(&self.0);
        let pairs = state.dropped.iter().flat_map(|(job, all)| all.iter().map(move |l| (job, l)));
        pairs.map(|(job, labels)| (job.clone(), labels.clone())).collect()
    }
}

/// One task for each job; those of the targets end with it.
pub(crate) fn start(shared: &Arc<Shared>, runtime: &tokio::runtime::Handle) -> Vec<JoinHandle<()>> {
    let jobs = shared.settings.scrapes.iter().cloned();
    jobs.map(|job| runtime.spawn(discover::run(Arc::clone(shared), Arc::new(job)))).collect()
}
