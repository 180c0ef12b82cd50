//! The host: `/proc` and `/sys`, read by hand under node_exporter's names.
//!
//! Cheap sources share one thread and one batch per tick, those that ask devices share another, and one
//! that may hang (a file system on a dead server) has a thread of its own. It needs no root. What the
//! kernel does not offer is absent.

mod adjtimex;
mod arp;
mod bonding;
mod clock_source;
mod conntrack;
mod cpu;
mod cpufreq;
mod diskinfo;
mod diskstats;
mod dmi;
mod edac;
mod entropy;
mod filefd;
mod filesystem;
mod hwmon;
mod infiniband;
mod interrupts;
mod kernel_hung;
mod loadavg;
mod mdadm;
mod meminfo;
mod netclass;
mod netdev;
mod netstat;
mod nfs;
mod numa;
mod numbers;
mod nvme;
mod os;
mod own_process;
mod pcie;
mod pcie_errors;
mod power_supply;
mod pressure;
mod processes;
mod rapl;
mod read;
mod schedstat;
mod selinux;
mod sockstat;
mod softnet;
mod system;
mod systemd;
mod tcpstat;
mod textfile;
mod thermal;
mod timex;
mod udp_queues;
mod vmstat;
mod zfs;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use model::{
    Clock, Labels,
    catalogue::{Metric, NODE_SCRAPE_COLLECTOR_DURATION_SECONDS, NODE_SCRAPE_COLLECTOR_SUCCESS},
    sample::Batch,
};

use crate::{
    Failure, Registry, Sinks,
    guard::Guard,
    schedule::{Sampler, Task, Watch},
    source::SourceGroup,
};

/// One kind of reading.
struct Source {
    name: &'static str,
    /// Seconds between two readings, if the period of the host is not longer.
    every: u32,
    thread: Thread,
    /// What node_exporter calls the collectors of the same things.
    collectors: &'static [&'static str],
    open: fn(&Context) -> Result<Box<dyn Sampler>, Failure>,
}

/// Where a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thread {
    /// The kernel answers at once.
    Main,
    /// A driver may ask its device and let us wait.
    Hardware,
    /// It may hang for ever.
    Own,
}
use Thread::{Hardware, Main, Own};

/// A source that is absent is looked for this often: devices come, and modules are loaded.
const ABSENT_EVERY: u32 = 60;

/// All sources, sorted by name.
static SOURCES: &[Source] = &[
    source("host.arp", 60, Main, &["arp"], arp::open),
    source("host.bonding", 15, Main, &["bonding"], bonding::open),
    source("host.clock_source", 60, Main, &[], clock_source::open),
    source("host.conntrack", 5, Main, &["conntrack"], conntrack::open),
    source("host.cpu", 1, Main, &["cpu", "stat"], cpu::open),
    source("host.cpufreq", 5, Main, &["cpufreq"], cpufreq::open),
    source("host.diskinfo", 60, Main, &[], diskinfo::open),
    source("host.diskstats", 1, Main, &["diskstats"], diskstats::open),
    source("host.dmi", 60, Main, &["dmi"], dmi::open),
    source("host.edac", 60, Hardware, &["edac"], edac::open),
    source("host.entropy", 60, Main, &["entropy"], entropy::open),
    source("host.filefd", 5, Main, &["filefd"], filefd::open),
    source("host.filesystem", 15, Own, &["filesystem"], filesystem::open),
    source("host.hwmon", 5, Hardware, &["hwmon"], hwmon::open),
    source("host.infiniband", 5, Hardware, &["infiniband"], infiniband::open),
    source("host.interrupts", 60, Main, &["interrupts"], interrupts::open),
    source("host.kernel_hung", 60, Main, &["kernel_hung"], kernel_hung::open),
    source("host.loadavg", 1, Main, &["loadavg"], loadavg::open),
    source("host.mdadm", 15, Main, &["mdadm"], mdadm::open),
    source("host.meminfo", 1, Main, &["meminfo"], meminfo::open),
    source("host.netclass", 5, Hardware, &["netclass"], netclass::open),
    source("host.netdev", 1, Main, &["netdev"], netdev::open),
    source("host.netstat", 1, Main, &["netstat"], netstat::open),
    source("host.nfs", 15, Main, &["nfs"], nfs::open),
    source("host.numa", 15, Main, &["meminfo_numa"], numa::open),
    source("host.nvme", 60, Hardware, &["nvme"], nvme::open),
    source("host.os", 60, Main, &["os"], os::open),
    source("host.own_process", 15, Main, &[], own_process::open),
    source("host.pcie", 60, Hardware, &["pcidevice"], pcie::open),
    source("host.pcie_errors", 60, Hardware, &[], pcie_errors::open),
    source("host.power_supply", 60, Hardware, &["powersupplyclass"], power_supply::open),
    source("host.pressure", 1, Main, &["pressure"], pressure::open),
    source("host.processes", 5, Main, &["processes"], processes::open),
    source("host.rapl", 5, Hardware, &["rapl"], rapl::open),
    source("host.schedstat", 5, Main, &["schedstat"], schedstat::open),
    source("host.selinux", 60, Main, &["selinux"], selinux::open),
    source("host.sockstat", 5, Main, &["sockstat"], sockstat::open),
    source("host.softnet", 5, Main, &["softnet"], softnet::open),
    source("host.system", 5, Main, &["time", "uname"], system::open),
    source("host.systemd", 60, Hardware, &["systemd"], systemd::open),
    source("host.tcpstat", 5, Main, &["tcpstat"], tcpstat::open),
    source("host.textfile", 60, Main, &["textfile"], textfile::open),
    source("host.thermal", 5, Hardware, &["thermal_zone"], thermal::open),
    source("host.timex", 60, Main, &["timex"], timex::open),
    source("host.udp_queues", 5, Main, &["udp_queues"], udp_queues::open),
    source("host.vmstat", 1, Main, &["vmstat"], vmstat::open),
    source("host.zfs", 15, Hardware, &["zfs"], zfs::open),
];

/// A line of the table above.
const fn source(
    name: &'static str,
    every: u32,
    thread: Thread,
    collectors: &'static [&'static str],
    open: fn(&Context) -> Result<Box<dyn Sampler>, Failure>,
) -> Source {
    Source { name, every, thread, collectors, open }
}

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

/// Starts the threads. The first readings are taken at once.
pub(crate) fn start(
    settings: &Settings,
    clock: &Clock,
    sinks: &Sinks,
    registry: &Registry,
) -> io::Result<Watch> {
    let mut watch = Watch::default();
    let task = |source: &'static Source| task(source, settings, clock, registry);
    let on = |thread| SOURCES.iter().filter(move |source| source.thread == thread);
    for (name, thread) in [("host", Main), ("host.hardware", Hardware)] {
        watch.spawn(name, on(thread).map(task).collect(), settings.period, clock, sinks)?;
    }
    for source in on(Own) {
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
    let report = |collector: &&str| {
        [NODE_SCRAPE_COLLECTOR_SUCCESS, NODE_SCRAPE_COLLECTOR_DURATION_SECONDS]
            .map(|metric| context.series(&metric, &[("collector", collector)]))
    };
    let reports = source.collectors.iter().map(report).collect();
    let schedule = (settings.period, ticks(source.every, settings.period));
    let open = move || (source.open)(&context);
    Task::new(source.name, SourceGroup::Host, schedule, registry, open)
        .looking_every(ticks(ABSENT_EVERY, settings.period))
        .reporting(reports)
}

/// How many periods of the host are that many seconds; at least one.
fn ticks(seconds: u32, period: Duration) -> u32 {
    let periods = f64::from(seconds) / period.as_secs_f64().max(1e-3);
    (periods.round() as u32).max(1)
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
    use proptest::prelude::*;

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
        survives_among(open, &[(path, bytes)]);
    }

    /// The same for a source of several files. It is read twice: the second time it has learnt the
    /// shape of its files.
    pub(super) fn survives_among(
        open: fn(&Context) -> Result<Box<dyn Sampler>, Failure>,
        files: &[(&str, &[u8])],
    ) {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let context = Context {
            root: folder.path().into(),
            instance: "n".into(),
            clock: Clock::manual(UnixMs(0)),
        };
        if let Ok(mut sampler) = open(&context) {
            drop(sampler.sample(&mut Batch::default()));
            drop(sampler.sample(&mut Batch::default()));
        }
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(SOURCES.is_sorted_by(|a, b| a.name < b.name));
    }

    /// Files of every source that reads below the root.
    const FILES: [&str; 67] = [
        "etc/os-release",
        "proc/1/mountinfo",
        "proc/1/stat",
        "proc/diskstats",
        "proc/interrupts",
        "proc/loadavg",
        "proc/mdstat",
        "proc/meminfo",
        "proc/net/arp",
        "proc/net/dev",
        "proc/net/netstat",
        "proc/net/rpc/nfs",
        "proc/net/snmp",
        "proc/net/snmp6",
        "proc/net/sockstat",
        "proc/net/sockstat6",
        "proc/net/softnet_stat",
        "proc/net/stat/nf_conntrack",
        "proc/net/udp",
        "proc/net/udp6",
        "proc/pressure/cpu",
        "proc/pressure/io",
        "proc/schedstat",
        "proc/spl/kstat/zfs/arcstats",
        "proc/spl/kstat/zfs/tank/io",
        "proc/spl/kstat/zfs/tank/objset-0x1",
        "proc/spl/kstat/zfs/tank/state",
        "proc/stat",
        "proc/sys/fs/file-nr",
        "proc/sys/kernel/hung_task_detect_count",
        "proc/sys/kernel/random/entropy_avail",
        "proc/sys/net/netfilter/nf_conntrack_count",
        "proc/sys/net/netfilter/nf_conntrack_max",
        "proc/vmstat",
        "run/systemd/private",
        "run/systemd/system/x",
        "run/udev/data/b8:0",
        "sys/block/md0/md/degraded",
        "sys/bus/pci/devices/0000:3b:00.0/aer_dev_correctable",
        "sys/bus/pci/devices/0000:3b:00.0/aer_dev_fatal",
        "sys/bus/pci/devices/0000:3b:00.0/current_link_speed",
        "sys/bus/pci/devices/0000:3b:00.0/max_link_width",
        "sys/bus/pci/devices/odd/max_link_width",
        "sys/class/block/sda/dev",
        "sys/class/dmi/id/sys_vendor",
        "sys/class/hwmon/hwmon0/name",
        "sys/class/hwmon/hwmon0/temp1_input",
        "sys/class/hwmon/hwmon0/temp1_label",
        "sys/class/infiniband/mlx5_0/fw_ver",
        "sys/class/infiniband/mlx5_0/ports/1/rate",
        "sys/class/net/bond0/bonding/slaves",
        "sys/class/net/bonding_masters",
        "sys/class/net/eth0/flags",
        "sys/class/net/eth0/ifindex",
        "sys/class/net/eth0/operstate",
        "sys/class/nvme/nvme0/model",
        "sys/class/power_supply/BAT0/capacity",
        "sys/class/power_supply/BAT0/type",
        "sys/class/powercap/intel-rapl:0/energy_uj",
        "sys/class/powercap/intel-rapl:0/name",
        "sys/class/thermal/thermal_zone0/temp",
        "sys/class/thermal/thermal_zone0/type",
        "sys/devices/system/clocksource/clocksource0/available_clocksource",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq",
        "sys/devices/system/edac/mc/mc0/ce_count",
        "sys/devices/system/node/node0/meminfo",
        "sys/devices/system/node/node0/numastat",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_bytes_in_any_file_are_survived(bytes: Vec<u8>, number: i64, words: Vec<i32>) {
            let text = words.iter().map(|word| format!("{word} ")).collect::<String>();
            let folder = tempfile::tempdir().unwrap();
            for (at, path) in FILES.iter().enumerate() {
                let content = match (at + words.len()) % 3 {
                    0 => number.to_string().into_bytes(),
                    1 => bytes.clone(),
                    _ => text.clone().into_bytes(),
                };
                let path = folder.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content).unwrap();
            }
            let context = Context {
                root: folder.path().into(),
                instance: "n".into(),
                clock: Clock::manual(UnixMs(0)),
            };
            for source in SOURCES {
                if let Ok(mut sampler) = (source.open)(&context) {
                    for _ in 0..2 {
                        let mut batch = Batch::default();
                        drop(sampler.sample(&mut batch));
                        let is_number = |(_, value): &(Labels, f64)| value.is_finite();
                        prop_assert!(batch.samples.iter().all(is_number), "{}", source.name);
                    }
                }
            }
        }
    }

    #[test]
    fn periods() {
        let check = |seconds, period_ms, expected| {
            assert_eq!(ticks(seconds, Duration::from_millis(period_ms)), expected);
        };
        check(1, 1_000, 1);
        check(60, 1_000, 60);
        check(60, 5_000, 12);
        check(1, 5_000, 1);
        check(60, 3_600_000, 1);
        check(1, 50, 20);
    }

    #[test]
    fn what_is_absent_is_looked_for_rarely() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            root: folder.path().into(),
            instance: "n".into(),
            period: Duration::from_secs(1),
        };
        let clock = Clock::manual(UnixMs(0));
        let source = SOURCES.iter().find(|source| source.name == "host.thermal").unwrap();
        let mut task = task(source, &settings, &clock, &Registry::default());
        assert!(task.is_due(5) && !task.is_due(6));
        let mut batch = Batch::default();
        task.read(&clock, &mut batch);
        assert!(!task.is_due(5) && task.is_due(60));
        let success = &batch.samples[0];
        assert_eq!((success.0.get("collector"), success.1), (Some("thermal_zone"), 0.0));
        let zone = folder.path().join("sys/class/thermal/thermal_zone0");
        std::fs::create_dir_all(&zone).unwrap();
        std::fs::write(zone.join("temp"), "1000\n").unwrap();
        task.read(&clock, &mut batch);
        assert!(task.is_due(5));
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
            lines: None,
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
