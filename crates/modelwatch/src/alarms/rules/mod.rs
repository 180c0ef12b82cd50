//! Rules over the store: which there are, when they are evaluated, and how they fare.
//!
//! Groups are evaluated at fixed times. Those that are quick have a thread of their own, so that slow ones, which
//! share others, cannot delay them.

mod load;
mod run;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use alert::rules::{Context, Kind, Problem, Rule, Told};
use model::{Clock, UnixMs, alert::Alert, series::SeriesSource};
use store::Store;

use super::lock;
use crate::{config::Alerts, whole};

pub(crate) use load::{
    Change, FileProblem, Known, Loaded, Origin, matching, parse_page_rule, read,
};
use load::{Kept, Loader, PAGE, PageRule};
use run::{Lane, Work};

/// Where the data folder keeps what the page changed of rules.
const KEPT_FILE: &str = "alarms/rules.json";
/// Most rules of the page.
const PAGE_RULES_MAX: usize = 500;
/// Threads for groups that are slow; further slow groups wait for one of them.
const SLOW_THREADS: usize = 3;

/// Takes the alerts of an evaluation at a time.
pub(crate) type Sink = Box<dyn Fn(&[Alert], UnixMs) + Send + Sync>;

/// What rules are evaluated with.
pub(crate) struct Setup {
    /// What rules read: the store itself, but in tests of what slow readings do to others.
    pub(crate) source: Box<dyn SeriesSource>,
    /// Where what they record is appended.
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) settings: Alerts,
    /// The data folder.
    pub(crate) folder: PathBuf,
    /// Where people reach the page, without a slash at the end.
    pub(crate) external_url: String,
    /// Most samples that one rule may touch.
    pub(crate) samples_max: u64,
    pub(crate) sink: Sink,
}

/// A group of rules as it is now.
#[derive(Clone)]
pub(crate) struct GroupView {
    pub(crate) loaded: Arc<Loaded>,
    /// Of each rule that is evaluated, in their order.
    pub(crate) told: Arc<Vec<Told>>,
    pub(crate) interval: Duration,
    pub(crate) evaluated: Option<UnixMs>,
    pub(crate) took: Duration,
    /// Evaluations that were left out because the one before took too long.
    pub(crate) missed: u64,
}

/// Why a change is refused.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is no such rule.
    Unknown,
    /// What was given cannot be used.
    Bad(Vec<Problem>),
    /// There are too many rules on the page.
    Full,
    Disk(io::Error),
}

/// The rules and the threads that evaluate them.
pub(crate) struct Rules {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    setup: Setup,
    query: query::Settings,
    loader: Mutex<Loader>,
    work: Mutex<Work>,
    /// Somebody has to look at the work anew.
    woken: Condvar,
}

impl Rules {
    /// Loads rules; nothing is evaluated yet. What cannot be used is among [`Rules::problems`].
    pub(crate) fn new(setup: Setup) -> anyhow::Result<Self> {
        let path = setup.folder.join(KEPT_FILE);
        let kept: Kept = whole::read(&path)
            .map_err(|error| anyhow::anyhow!("{} cannot be read: {error}", path.display()))?;
        let shared = Shared {
            loader: Mutex::new(Loader::new(setup.settings.has_builtin)),
            setup,
            query: query::Settings::default(),
            work: Mutex::new(Work::new(kept)),
            woken: Condvar::new(),
        };
        shared.look();
        shared.reload();
        Ok(Self { shared: Arc::new(shared), threads: Mutex::default() })
    }

    /// Evaluates from now on.
    pub(crate) fn start(&self) -> io::Result<()> {
        if !self.shared.setup.settings.is_enabled {
            return Ok(());
        }
        let slow = (1..=SLOW_THREADS).map(|number| (format!("rules-slow-{number}"), Lane::Slow));
        for (name, lane) in std::iter::once(("rules".to_owned(), Lane::Fast)).chain(slow) {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name(name).spawn(move || shared.run(lane))?;
            lock(&self.threads).push(thread);
        }
        Ok(())
    }

    /// Ends the threads. One that evaluates goes on until its rule is done, which is not waited for longer than
    /// `patience`.
    pub(crate) fn stop(&self, patience: Duration) {
        self.shared.work().is_stopped = true;
        self.shared.woken.notify_all();
        let clock = &self.shared.setup.clock;
        let deadline = clock.monotonic() + patience;
        for thread in lock(&self.threads).drain(..) {
            while !thread.is_finished() && clock.monotonic() < deadline {
                thread::sleep(Duration::from_millis(5));
            }
        }
    }

    pub(crate) fn groups(&self) -> Vec<GroupView> {
        self.shared.work().views()
    }

    /// What is wrong with files of rules.
    pub(crate) fn problems(&self) -> Vec<FileProblem> {
        self.shared.work().problems.clone()
    }

    /// How often the rule of that id is evaluated; what is in no group yet as often as those of the page.
    pub(crate) fn interval(&self, id: &str) -> Duration {
        let has = |view: &GroupView| view.loaded.rules.iter().any(|known| known.id == id);
        let found = self.groups().into_iter().find(has);
        found.map_or(self.shared.setup.settings.evaluation_interval, |view| view.interval)
    }

    /// Reads all files again now. Answers what is wrong with them.
    pub(crate) fn reload(&self) -> Vec<FileProblem> {
        self.shared.look();
        self.shared.reload();
        self.problems()
    }

    /// The rule of that id.
    pub(crate) fn find(&self, id: &str) -> Option<(Arc<Loaded>, Known)> {
        let work = self.shared.work();
        let groups = work.views().into_iter().map(|view| view.loaded);
        let mut found = groups.filter_map(|loaded| {
            let known = loaded.rules.iter().find(|known| known.id == id)?.clone();
            Some((loaded, known))
        });
        found.next()
    }

    /// Changes a rule as the page asks; what is absent stays as it is.
    pub(crate) fn change(&self, id: &str, change: Change) -> Result<(), Refused> {
        let (_, known) = self.find(id).ok_or(Refused::Unknown)?;
        self.keep(|kept| {
            let entry = kept.changes.entry(id.to_owned()).or_default();
            let query = known.rule.expr.text().to_owned();
            let is_same = entry.query == query;
            let thresholds = entry.thresholds.take().filter(|_| is_same);
            *entry = Change {
                query,
                thresholds: change.thresholds.or(thresholds),
                for_ms: change.for_ms.or(entry.for_ms),
                severity: change.severity.or(entry.severity.take()),
                is_enabled: change.is_enabled.or(entry.is_enabled),
            };
            Ok(())
        })
    }

    /// Takes back what the page changed of a rule.
    pub(crate) fn reset(&self, id: &str) -> Result<(), Refused> {
        self.keep(|kept| kept.changes.remove(id).map(drop).ok_or(Refused::Unknown))
    }

    /// Keeps a rule that was written on the page, in place of one of the same name. Answers its name.
    pub(crate) fn put(&self, yaml: &str) -> Result<Vec<String>, Refused> {
        let rules = parse_page_rule(yaml).map_err(Refused::Bad)?;
        let names: Vec<String> = rules.iter().map(|rule| rule.name().to_owned()).collect();
        // It is kept under its name, so that there has to be one.
        let [first] = names.as_slice() else {
            let reason = format!("one rule is kept at a time; here are {}", names.len());
            return Err(Refused::Bad(vec![Problem { line: 1, column: 1, reason }]));
        };
        let rule = PageRule { name: first.clone(), yaml: yaml.to_owned() };
        self.keep(|kept| {
            kept.rules.retain(|known| !names.contains(&known.name));
            if kept.rules.len() >= PAGE_RULES_MAX {
                return Err(Refused::Full);
            }
            kept.rules.push(rule);
            Ok(())
        })?;
        Ok(names)
    }

    /// Forgets a rule that was written on the page.
    pub(crate) fn forget(&self, name: &str) -> Result<(), Refused> {
        self.keep(|kept| {
            let before = kept.rules.len();
            kept.rules.retain(|known| known.name != name);
            if kept.rules.len() == before {
                return Err(Refused::Unknown);
            }
            // A new rule of the name is not to find what was changed of this one.
            kept.changes.remove(&format!("{PAGE}/{name}/0"));
            Ok(())
        })
    }

    /// The text of a rule that was written on the page.
    pub(crate) fn page_text(&self, name: &str) -> Option<String> {
        let work = self.shared.work();
        let found = work.kept.rules.iter().find(|known| known.name == name);
        found.map(|known| known.yaml.clone())
    }

    /// The rule with some things changed, to see what it would have done.
    pub(crate) fn changed(&self, id: &str, change: &Change) -> Option<Rule> {
        let (_, known) = self.find(id)?;
        let change = Change { query: known.rule.expr.text().to_owned(), ..change.clone() };
        let mut changed = load::apply(&known.rule, &change);
        // What is not asked for stays as it is in force.
        if change.thresholds.is_none() {
            changed.expr = known.changed.expr;
        }
        if let (None, Kind::Alerting { holds_for, .. }, Kind::Alerting { holds_for: now, .. }) =
            (change.for_ms, &mut changed.kind, &known.changed.kind)
        {
            *holds_for = *now;
        }
        Some(changed)
    }

    /// Does something with what rules are evaluated with, without writing anything.
    pub(crate) fn with_context<T>(
        &self,
        timeout: Duration,
        work: impl FnOnce(&Context<'_>) -> T,
    ) -> T {
        self.shared.with_context(timeout, &|_| Err("nothing is written here".into()), work)
    }

    /// Changes what the page keeps, on disk and in force.
    fn keep(&self, change: impl FnOnce(&mut Kept) -> Result<(), Refused>) -> Result<(), Refused> {
        {
            let mut work = self.shared.work();
            let mut kept = work.kept.clone();
            change(&mut kept)?;
            whole::write(&self.shared.setup.folder.join(KEPT_FILE), &kept)
                .map_err(Refused::Disk)?;
            work.kept = kept;
        }
        self.shared.reload();
        Ok(())
    }
}
