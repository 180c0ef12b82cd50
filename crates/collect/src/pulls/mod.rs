//! Models that are being downloaded: how much is there, how fast it comes, what is still to come where that
//! can be known, and how much of the disk will be left.
//!
//! The evidence are unfinished files in the folders of the tools that fetch models, see [`folders`] and
//! [`unfinished`]. It does not look at connections: a content network's addresses say nothing, and bytes
//! that arrived and were not written are not there. So a download is seen some seconds after it began, one
//! that is shorter is missed, and of who sends it nothing is said. How much is to come is known of Ollama's
//! files, one at a time, and of models whose list of files has come already; it is at least that much.
//! Nothing is opened but that list, and nothing is read while no file is unfinished.

mod folders;
mod pull;
mod tree;
mod unfinished;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use model::{
    Clock, Labels,
    catalogue::{self as metric, Metric},
    log::{LogRecord, Severity},
    sample::Batch,
};

use self::{
    pull::{Change, Pull},
    tree::Tree,
};
use crate::{
    Failure, FailureKind, SourceGroup,
    collector::Shared,
    schedule::{Hint, Sampler, Task, Visit, Watch},
};

const NAME: &str = "model_pulls";
/// How often unfinished files are looked at.
const PERIOD: Duration = Duration::from_secs(5);
/// How often folders are looked for.
const FOLDERS_PERIOD: Duration = Duration::from_secs(60);
/// Most downloads that are told of at once; the rest is left out.
const PULLS_MAX: usize = 64;

/// Starts the thread, which is there only while a folder for models is.
pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<Watch> {
    let mut watch = Watch::default();
    let context = Context {
        root: shared.settings.root.clone(),
        instance: shared.settings.instance.clone(),
        named: shared.settings.model_folders.clone(),
        clock: shared.clock.clone(),
    };
    let open = move || Ok(Box::new(Pulls::open(&context)?) as Box<dyn Sampler>);
    let task = Task::new(NAME, SourceGroup::Engine, (PERIOD, 1), &shared.registry, open);
    let visits = vec![Visit { name: NAME, task, period: PERIOD }];
    watch.spawn_while_present(NAME, visits, FOLDERS_PERIOD, &shared.clock, &shared.sinks)?;
    Ok(watch)
}

#[derive(Clone, Debug)]
struct Context {
    root: PathBuf,
    instance: String,
    /// Folders that the configuration names.
    named: Vec<PathBuf>,
    clock: Clock,
}

struct Pulls {
    context: Context,
    tree: Tree,
    folders_at: Duration,
    /// By what arrives together.
    pulls: BTreeMap<PathBuf, Pull>,
    events: Vec<LogRecord>,
}

impl Pulls {
    fn open(context: &Context) -> Result<Self, Failure> {
        let folders = folders::find(&context.root, &context.named);
        if folders.is_empty() {
            let detail = "no folder into which models are downloaded; name others with \
                          collect.model_folders";
            return Err(Failure::new(FailureKind::Absent, detail));
        }
        let mut tree = Tree::new()?;
        folders.into_iter().for_each(|folder| tree.add(folder));
        let folders_at = context.clock.monotonic();
        Ok(Self {
            context: context.clone(),
            tree,
            folders_at,
            pulls: BTreeMap::new(),
            events: Vec::new(),
        })
    }

    /// Looks at every unfinished file.
    fn look(&mut self, now: Duration) {
        let Self { tree, pulls, .. } = self;
        tree.files.retain(|path, about| {
            let size = unfinished::size(about.tool, path);
            if size.is_none() && !pulls.contains_key(&about.group) {
                return false;
            }
            let pull =
                pulls.entry(about.group.clone()).or_insert_with(|| Pull::new(about.clone(), now));
            match size {
                Some(size) => pull.saw(path, size),
                None => pull.lost(path, about),
            }
            size.is_some()
        });
        let mut events = Vec::new();
        for pull in self.pulls.values_mut() {
            let began = pull.began;
            let group = pull.about.group.clone();
            for change in pull.look(now, || free_bytes(&group)) {
                let lasted = began.map(|began| pull.grew.saturating_sub(began));
                events.push(self.context.event(pull, change, lasted.unwrap_or_default()));
            }
        }
        self.events.extend(events);
        self.pulls.retain(|_, pull| !pull.is_over());
    }
}

impl Sampler for Pulls {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let now = self.context.clock.monotonic();
        if now.saturating_sub(self.folders_at) >= FOLDERS_PERIOD {
            self.folders_at = now;
            let folders = folders::find(&self.context.root, &self.context.named);
            folders.into_iter().for_each(|folder| self.tree.add(folder));
        }
        self.tree.refresh();
        self.look(now);
        let running = self.pulls.values_mut().filter(|pull| pull.began.is_some());
        for pull in running.take(PULLS_MAX) {
            self.context.put(pull, batch);
        }
        Ok(())
    }

    fn events(&mut self) -> Vec<LogRecord> {
        std::mem::take(&mut self.events)
    }

    fn hint(&self) -> Option<Hint> {
        self.tree.is_cut.then(|| ("hint.model_folders_cut", Vec::new()))
    }
}

impl Context {
    fn put(&self, pull: &mut Pull, batch: &mut Batch) {
        let state = pull.state();
        let free = free_bytes(&pull.about.group);
        let shown = pull.about.shown.to_string_lossy();
        let labels = [
            ("instance", self.instance.as_str()),
            ("tool", pull.about.tool.as_str()),
            ("model", &pull.about.model),
            ("path", &shown),
        ];
        let mut put = |metric: &Metric, value: Option<f64>| {
            if let Some(value) = value {
                batch.push(&Labels::metric(metric.name, labels), value);
            }
        };
        let number = |value: Option<u64>| value.map(|value| value as f64);
        let remaining = number(state.remaining);
        let speed = state.bytes_per_second.filter(|speed| *speed > 0.0);
        put(&metric::MODEL_PULL_BYTES, Some(state.bytes as f64));
        put(&metric::MODEL_PULL_BYTES_PER_SECOND, state.bytes_per_second);
        put(&metric::MODEL_PULL_DISK_FREE_BYTES, number(free));
        let left = number(free).zip(remaining).map(|(free, remaining)| free - remaining);
        put(&metric::MODEL_PULL_DISK_LEFT_BYTES, left);
        put(&metric::MODEL_PULL_REMAINING_BYTES, remaining);
        let seconds = remaining.zip(speed).map(|(remaining, speed)| remaining / speed);
        put(&metric::MODEL_PULL_REMAINING_SECONDS, seconds);
        put(&metric::MODEL_PULL_SIZE_BYTES, number(state.total));
    }

    fn event(&self, pull: &mut Pull, change: Change, lasted: Duration) -> LogRecord {
        let state = pull.state();
        let bytes = |bytes: Option<u64>| bytes.map_or("?".to_owned(), size_text);
        let free = free_bytes(&pull.about.group);
        let (code, severity) = match change {
            Change::Began => ("event.model_pull_began", Severity::Info),
            Change::Ended => ("event.model_pull_ended", Severity::Info),
            Change::Stopped => ("event.model_pull_stopped", Severity::Warn),
            Change::WillNotFit => ("event.model_pull_will_not_fit", Severity::Warn),
        };
        let attributes = [
            ("model", pull.about.model.clone()),
            ("tool", pull.about.tool.as_str().to_owned()),
            ("path", pull.about.shown.display().to_string()),
            ("bytes", size_text(state.bytes)),
            ("arrived", size_text(pull.arrived)),
            ("remaining", bytes(state.remaining)),
            ("free", bytes(free)),
            ("seconds", lasted.as_secs().to_string()),
        ];
        LogRecord {
            time: self.clock.now(),
            source: NAME.into(),
            severity,
            body: code.into(),
            attributes: attributes.into_iter().map(|(name, value)| (name.into(), value)).collect(),
        }
    }
}

/// What is left of the file system that a path is on, for who is not root.
fn free_bytes(path: &Path) -> Option<u64> {
    // The file itself may not be there yet; some folder above it is.
    let stat = path.ancestors().take(3).find_map(|place| rustix::fs::statvfs(place).ok())?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn size_text(bytes: u64) -> String {
    const GIB: f64 = (1 << 30) as f64;
    let gib = bytes as f64 / GIB;
    if gib >= 1.0 { format!("{gib:.1} GiB") } else { format!("{:.1} MiB", gib * 1_024.0) }
}

#[cfg(test)]
mod tests;
