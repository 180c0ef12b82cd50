//! The host: `/proc` and `/sys`, read by hand under node_exporter's names.
//!
//! Cheap sources share one thread and one batch per tick; a source that may hang (a file system on a
//! dead server) has a thread of its own. It needs no root. What the kernel does not offer is absent.

mod cpu;
mod diskstats;
mod filefd;
mod filesystem;
mod hwmon;
mod loadavg;
mod meminfo;
mod netdev;
mod pressure;
mod read;
mod system;
mod vmstat;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use model::{Clock, Labels, catalogue::Metric, sample::Batch};

use crate::{
    Failure, Registry, Sinks,
    guard::Guard,
    schedule::{Sampler, Task, Watch},
    source::SourceGroup,
};

/// One kind of reading.
struct Source {
    name: &'static str,
    /// How many ticks of the host lie between two readings.
    every: u32,
    /// Whether a reading may hang, so that it must not share a thread.
    may_hang: bool,
    open: fn(&Context) -> Result<Box<dyn Sampler>, Failure>,
}

/// All sources, sorted by name.
static SOURCES: &[Source] = &[
    Source { name: "host.cpu", every: 1, may_hang: false, open: cpu::open },
    Source { name: "host.diskstats", every: 1, may_hang: false, open: diskstats::open },
    Source { name: "host.filefd", every: 5, may_hang: false, open: filefd::open },
    Source { name: "host.filesystem", every: 15, may_hang: true, open: filesystem::open },
    Source { name: "host.hwmon", every: 5, may_hang: true, open: hwmon::open },
    Source { name: "host.loadavg", every: 1, may_hang: false, open: loadavg::open },
    Source { name: "host.meminfo", every: 1, may_hang: false, open: meminfo::open },
    Source { name: "host.netdev", every: 1, may_hang: false, open: netdev::open },
    Source { name: "host.pressure", every: 1, may_hang: false, open: pressure::open },
    Source { name: "host.system", every: 5, may_hang: false, open: system::open },
    Source { name: "host.vmstat", every: 1, may_hang: false, open: vmstat::open },
];

/// What a source needs to know to make its series.
#[derive(Clone, Debug)]
struct Context {
    root: PathBuf,
    instance: String,
    clock: Clock,
}

impl Context {
    /// A series of the host.
    fn series(&self, metric: &Metric, labels: &[(&str, &str)]) -> Labels {
        self.named(metric.name, labels)
    }

    /// A series of a family whose member's name is built.
    fn named(&self, name: &str, labels: &[(&str, &str)]) -> Labels {
        let host = [("job", "node"), ("instance", self.instance.as_str())];
        Labels::metric(name, host.into_iter().chain(labels.iter().copied()))
    }
}

/// What to read and how often.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) root: PathBuf,
    pub(crate) instance: String,
    pub(crate) period: Duration,
}

/// Starts one thread for all cheap sources and one for each that may hang.
pub(crate) fn start(
    settings: &Settings,
    clock: &Clock,
    sinks: &Sinks,
    registry: &Registry,
) -> io::Result<Watch> {
    let mut watch = Watch::default();
    let task = |source: &'static Source| task(source, settings, clock, registry);
    let cheap = SOURCES.iter().filter(|source| !source.may_hang).map(task).collect();
    watch.spawn("host", cheap, settings.period, clock, sinks)?;
    for source in SOURCES.iter().filter(|source| source.may_hang) {
        watch.spawn(source.name, vec![task(source)], settings.period, clock, sinks)?;
    }
    Ok(watch)
}

fn task(source: &'static Source, settings: &Settings, clock: &Clock, registry: &Registry) -> Task {
    let context = Context {
        root: settings.root.clone(),
        instance: settings.instance.clone(),
        clock: clock.clone(),
    };
    let schedule = (settings.period, source.every);
    let open = move || (source.open)(&context);
    Task::new(source.name, SourceGroup::Host, schedule, registry, open)
}

/// Reads every source once, for `check`.
pub(crate) fn look_once(settings: &Settings, clock: &Clock, registry: &Registry) -> Vec<Guard> {
    let mut batch = Batch::new(clock.now());
    let tasks = SOURCES.iter().map(|source| task(source, settings, clock, registry));
    tasks
        .map(|mut task| {
            task.read(clock, &mut batch);
            task.into_guard()
        })
        .collect()
}

/// Where the mount table of the watched host is: that of its first process, because ours may be
/// that of a container.
fn first_existing(root: &Path, paths: &[&str]) -> PathBuf {
    let candidates = paths.iter().map(|path| root.join(path));
    let existing = candidates.into_iter().find(|path| std::fs::File::open(path).is_ok());
    existing.unwrap_or_else(|| root.join(paths[0]))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex, mpsc::sync_channel},
        thread,
    };

    use model::UnixMs;

    use super::*;
    use crate::SourceState;

    /// Reads `source` from a root that holds `files`, and returns the samples as text.
    pub(super) fn check(
        open: fn(&Context) -> Result<Box<dyn Sampler>, Failure>,
        files: &[(&str, &str)],
        expected: &[&str],
    ) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let context = Context {
            root: folder.path().into(),
            instance: "n".into(),
            clock: Clock::manual(UnixMs(1_500)),
        };
        let mut batch = Batch::default();
        open(&context).unwrap().sample(&mut batch).unwrap();
        let mut lines: Vec<String> = batch
            .samples
            .iter()
            .map(|(labels, value)| {
                let mut short = labels.to_builder();
                short.remove("job").remove("instance");
                format!("{} {value}", short.build())
            })
            .collect();
        lines.sort();
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(lines, expected);
    }

    /// Whatever a file holds, reading it must not panic.
    pub(super) fn survives(
        open: fn(&Context) -> Result<Box<dyn Sampler>, Failure>,
        path: &str,
        bytes: &[u8],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        let context = Context {
            root: folder.path().into(),
            instance: "n".into(),
            clock: Clock::manual(UnixMs(0)),
        };
        if let Ok(mut sampler) = open(&context) {
            drop(sampler.sample(&mut Batch::default()));
        }
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(SOURCES.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn this_machine_is_read() {
        let registry = Registry::default();
        let settings =
            Settings { root: "/".into(), instance: "n".into(), period: Duration::from_secs(1) };
        let guards = look_once(&settings, &Clock::system(), &registry);
        assert_eq!(guards.len(), SOURCES.len());
        for report in registry.reports() {
            let is_fine = matches!(report.state, SourceState::Ok | SourceState::Absent);
            assert!(is_fine, "{report:?}");
        }
        let series = |name: &str| {
            registry.reports().iter().find(|report| report.name == name).map(|r| r.series)
        };
        let cpus = thread::available_parallelism().unwrap().get();
        assert!(series("host.cpu").unwrap() >= 8 * cpus);
        assert!(series("host.meminfo").unwrap() > 30);
    }

    #[test]
    fn a_watch_ticks_and_stops() {
        let batches: Arc<Mutex<Vec<Batch>>> = Arc::default();
        let (first, came) = sync_channel(64);
        let sinks = Sinks {
            batch: {
                let batches = Arc::clone(&batches);
                Arc::new(move |batch| {
                    batches.lock().unwrap().push(batch);
                    first.try_send(()).ok();
                })
            },
            event: Arc::new(|_| {}),
        };
        let settings =
            Settings { root: "/".into(), instance: "n".into(), period: Duration::from_millis(50) };
        let registry = Registry::default();
        let watch = start(&settings, &Clock::system(), &sinks, &registry).unwrap();
        for _ in 0..4 {
            came.recv_timeout(Duration::from_secs(10)).unwrap();
        }
        watch.stop();
        for thread in watch.threads {
            thread.join().unwrap();
        }
        for batch in batches.lock().unwrap().iter() {
            assert_eq!(batch.time.0 % 50, 0);
            assert!(!batch.samples.is_empty());
        }
    }
}
