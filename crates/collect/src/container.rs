//! The control group of an engine: which container, pod or unit it is, and what it may use and does.
//!
//! It reads `/proc/PID/cgroup` and the group's own files, of version 1, of version 2, and of the mix of
//! both. It needs no privilege and asks no container runtime, so names of containers and pods are not
//! known, only their identifiers. A group other than the root's is read for containers and for units of
//! systemd; in a session of a person it would count everything that person runs. Limits of the groups
//! above, such as those of a pod, are not seen. Layouts: `cgroups(7)` and the kernel's cgroup-v2 page.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use model::catalogue::{self as metric, Metric};

/// Devices of one group that are counted apart.
const DEVICES_MAX: usize = 16;
/// Version 1 has no word for "no limit", only the largest whole number of pages.
const NO_LIMIT: f64 = 9e18;

/// What a group belongs to. A text is empty where it does not apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// `docker`, `containerd`, `cri-o`, `podman`, `lxc`, or `kubernetes` where the runtime does not say.
    pub(crate) runtime: String,
    pub(crate) container: String,
    pub(crate) pod_uid: String,
    /// `guaranteed`, `burstable` or `besteffort`.
    pub(crate) qos: String,
    /// The unit of systemd that holds it.
    pub(crate) unit: String,
}

/// The group of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// The longest path among its hierarchies, as cAdvisor has it in the label `id`.
    pub(crate) id: String,
    pub(crate) identity: Identity,
    /// Where the files of each controller are, of version 1.
    controllers: BTreeMap<String, PathBuf>,
    /// Where the files of version 2 are.
    unified: Option<PathBuf>,
}

/// The group of the process, if it is one that tells something.
pub(crate) fn group(root: &Path, pid: u32) -> Option<Group> {
    let text = fs::read_to_string(root.join(format!("proc/{pid}/cgroup"))).ok()?;
    let mount = root.join("sys/fs/cgroup");
    // In the mix of both the second version has a place of its own, without controllers.
    let is_unified = mount.join("cgroup.controllers").exists();
    let mut group = Group {
        id: String::new(),
        identity: Identity::default(),
        controllers: BTreeMap::new(),
        unified: None,
    };
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(names), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let within = path.trim_start_matches('/');
        // Another namespace's group is outside of what we can see.
        let is_hidden = within.split('/').any(|part| part == "..");
        let identity = identify(path);
        if identity == Identity::default() {
            continue;
        }
        if path.len() > group.id.len() {
            (group.id, group.identity) = (path.to_owned(), identity);
        }
        if is_hidden {
            continue;
        }
        if names.is_empty() {
            group.unified = is_unified.then(|| mount.join(within));
        }
        for name in names.split(',').filter(|name| !name.is_empty()) {
            group.controllers.insert(name.to_owned(), mount.join(name).join(within));
        }
    }
    (!group.id.is_empty()).then_some(group)
}

/// What the path of a group says.
fn identify(path: &str) -> Identity {
    let mut found = Identity::default();
    for part in path.split('/') {
        let name = part.trim_end_matches(".scope").trim_end_matches(".slice");
        let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let runtimes = [
            ("docker-", "docker"),
            ("cri-containerd-", "containerd"),
            ("nerdctl-", "containerd"),
            ("crio-", "cri-o"),
            ("libpod-", "podman"),
        ];
        for (prefix, runtime) in runtimes {
            if let Some(id) = name.strip_prefix(prefix).filter(|id| is_hash(id)) {
                (found.runtime, found.container) = (runtime.into(), id.into());
            }
        }
        if is_hash(name) {
            found.container = name.into();
        } else if let Some(container) = name.strip_prefix("lxc.payload.") {
            (found.runtime, found.container) = ("lxc".into(), container.into());
        } else if let Some((_, pod)) = name.rsplit_once("pod").filter(|(before, pod)| {
            // `kubepods-burstable-pod…`, or `pod…` below `kubepods`.
            pod.len() >= 32 && (before.is_empty() || before.starts_with("kubepods"))
        }) {
            found.pod_uid = pod.replace('_', "-");
        } else if part.ends_with(".service") && !part.starts_with("user@") {
            found.unit = part.into();
        }
    }
    let has = |word: &str| path.split(['/', '-', '.']).any(|part| part == word);
    if !found.pod_uid.is_empty() {
        let qos = ["burstable", "besteffort"].into_iter().find(|class| has(class));
        found.qos = qos.unwrap_or("guaranteed").into();
    }
    if !found.container.is_empty() && found.runtime.is_empty() {
        let runtime = if has("docker") {
            "docker"
        } else if found.pod_uid.is_empty() {
            "containerd"
        } else {
            "kubernetes"
        };
        found.runtime = runtime.into();
    }
    // A runtime is a service itself; what it started is no unit of that name.
    if !found.container.is_empty() {
        found.unit.clear();
    }
    found
}

/// One value: the metric, the device where it is one of a device, and the value in base units.
pub(crate) type Value = (&'static Metric, Option<String>, f64);

/// What the group uses and may use. What a kernel or a hierarchy does not offer is left out.
pub(crate) fn usage(root: &Path, group: &Group) -> Vec<Value> {
    let mut values = Vec::new();
    if let Some(folder) = &group.unified {
        unified(root, folder, &mut values);
    }
    let folder = |name: &str| group.controllers.get(name).map(PathBuf::as_path);
    if let Some(cpu) = folder("cpu") {
        cpu_limits_1(cpu, &mut values);
    }
    if let Some(used) = folder("cpuacct").and_then(|cpu| number(cpu, "cpuacct.usage")) {
        values.push((&metric::CONTAINER_CPU_USAGE_SECONDS_TOTAL, None, used / 1e9));
    }
    if let Some(memory) = folder("memory") {
        memory_1(memory, &mut values);
    }
    if let Some(devices) = folder("blkio") {
        blkio_1(root, devices, &mut values);
    }
    if let Some(count) = folder("pids").and_then(|pids| number(pids, "pids.current")) {
        values.push((&metric::CONTAINER_THREADS, None, count));
    }
    values
}

/// Version 2 of everything.
fn unified(root: &Path, folder: &Path, values: &mut Vec<Value>) {
    let mut put = |metric: &'static Metric, value: Option<f64>| {
        values.extend(value.map(|value| (metric, None, value)));
    };
    let cpu = pairs(folder, "cpu.stat");
    let micros = |name: &str| cpu.get(name).map(|micros| micros / 1e6);
    put(&metric::CONTAINER_CPU_CFS_PERIODS_TOTAL, cpu.get("nr_periods").copied());
    put(&metric::CONTAINER_CPU_CFS_THROTTLED_PERIODS_TOTAL, cpu.get("nr_throttled").copied());
    put(&metric::CONTAINER_CPU_CFS_THROTTLED_SECONDS_TOTAL, micros("throttled_usec"));
    put(&metric::CONTAINER_CPU_USAGE_SECONDS_TOTAL, micros("usage_usec"));
    if let Some((quota, period)) =
        text(folder, "cpu.max").as_deref().and_then(|t| t.split_once(' '))
        && let Some(period) = period.trim().parse().ok()
    {
        put(&metric::CONTAINER_SPEC_CPU_QUOTA, quota.parse().ok());
        put(&metric::CONTAINER_SPEC_CPU_PERIOD, Some(period));
    }
    let memory = pairs(folder, "memory.stat");
    let usage = number(folder, "memory.current");
    put(&metric::CONTAINER_MEMORY_CACHE, memory.get("file").copied());
    put(&metric::CONTAINER_MEMORY_MAX_USAGE_BYTES, number(folder, "memory.peak"));
    put(&metric::CONTAINER_MEMORY_RSS, memory.get("anon").copied());
    put(&metric::CONTAINER_MEMORY_SWAP, number(folder, "memory.swap.current"));
    put(&metric::CONTAINER_MEMORY_USAGE_BYTES, usage);
    put(
        &metric::CONTAINER_MEMORY_WORKING_SET_BYTES,
        working_set(usage, memory.get("inactive_file")),
    );
    // The word `max` is no number, and then there is no limit to tell.
    put(&metric::CONTAINER_SPEC_MEMORY_LIMIT_BYTES, number(folder, "memory.max"));
    let events = pairs(folder, "memory.events");
    put(&metric::CONTAINER_OOM_EVENTS_TOTAL, events.get("oom_kill").copied());
    put(&metric::CONTAINER_THREADS, number(folder, "pids.current"));
    for (name, metric) in [
        ("cpu.pressure", &metric::CONTAINER_PRESSURE_CPU_WAITING_SECONDS_TOTAL),
        ("io.pressure", &metric::CONTAINER_PRESSURE_IO_WAITING_SECONDS_TOTAL),
        ("memory.pressure", &metric::CONTAINER_PRESSURE_MEMORY_WAITING_SECONDS_TOTAL),
    ] {
        put(metric, text(folder, name).as_deref().and_then(waited));
    }
    let lines = text(folder, "io.stat").unwrap_or_default();
    for line in lines.lines().take(DEVICES_MAX) {
        let mut words = line.split(' ');
        let device = device(root, words.next().unwrap_or_default());
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            let metric = match name {
                "rbytes" => &metric::CONTAINER_FS_READS_BYTES_TOTAL,
                "rios" => &metric::CONTAINER_FS_READS_TOTAL,
                "wbytes" => &metric::CONTAINER_FS_WRITES_BYTES_TOTAL,
                "wios" => &metric::CONTAINER_FS_WRITES_TOTAL,
                _ => continue,
            };
            values.extend(value.parse().ok().map(|value| (metric, Some(device.clone()), value)));
        }
    }
}

fn cpu_limits_1(folder: &Path, values: &mut Vec<Value>) {
    let mut put = |metric: &'static Metric, value: Option<f64>| {
        values.extend(value.map(|value| (metric, None, value)));
    };
    let cpu = pairs(folder, "cpu.stat");
    put(&metric::CONTAINER_CPU_CFS_PERIODS_TOTAL, cpu.get("nr_periods").copied());
    put(&metric::CONTAINER_CPU_CFS_THROTTLED_PERIODS_TOTAL, cpu.get("nr_throttled").copied());
    let throttled = cpu.get("throttled_time").map(|nanos| nanos / 1e9);
    put(&metric::CONTAINER_CPU_CFS_THROTTLED_SECONDS_TOTAL, throttled);
    // -1 stands for no limit.
    let quota = number(folder, "cpu.cfs_quota_us").filter(|quota| *quota > 0.0);
    put(&metric::CONTAINER_SPEC_CPU_QUOTA, quota);
    put(&metric::CONTAINER_SPEC_CPU_PERIOD, number(folder, "cpu.cfs_period_us"));
}

fn memory_1(folder: &Path, values: &mut Vec<Value>) {
    let mut put = |metric: &'static Metric, value: Option<f64>| {
        values.extend(value.map(|value| (metric, None, value)));
    };
    let memory = pairs(folder, "memory.stat");
    let usage = number(folder, "memory.usage_in_bytes");
    let limit = number(folder, "memory.limit_in_bytes").filter(|limit| *limit < NO_LIMIT);
    put(&metric::CONTAINER_MEMORY_CACHE, memory.get("total_cache").copied());
    let highest = number(folder, "memory.max_usage_in_bytes");
    put(&metric::CONTAINER_MEMORY_MAX_USAGE_BYTES, highest);
    put(&metric::CONTAINER_MEMORY_RSS, memory.get("total_rss").copied());
    // Only where swap is accounted for.
    put(&metric::CONTAINER_MEMORY_SWAP, memory.get("total_swap").copied());
    put(&metric::CONTAINER_MEMORY_USAGE_BYTES, usage);
    let inactive = memory.get("total_inactive_file");
    put(&metric::CONTAINER_MEMORY_WORKING_SET_BYTES, working_set(usage, inactive));
    put(&metric::CONTAINER_SPEC_MEMORY_LIMIT_BYTES, limit);
    let events = pairs(folder, "memory.oom_control");
    put(&metric::CONTAINER_OOM_EVENTS_TOTAL, events.get("oom_kill").copied());
}

fn blkio_1(root: &Path, folder: &Path, values: &mut Vec<Value>) {
    for (file, read, write) in [
        (
            "blkio.throttle.io_service_bytes",
            &metric::CONTAINER_FS_READS_BYTES_TOTAL,
            &metric::CONTAINER_FS_WRITES_BYTES_TOTAL,
        ),
        (
            "blkio.throttle.io_serviced",
            &metric::CONTAINER_FS_READS_TOTAL,
            &metric::CONTAINER_FS_WRITES_TOTAL,
        ),
    ] {
        let lines = text(folder, file).unwrap_or_default();
        // Five or six lines for each device.
        for line in lines.lines().take(DEVICES_MAX * 6) {
            let mut words = line.split(' ');
            let (Some(number), Some(kind), Some(value)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let metric = match kind {
                "Read" => read,
                "Write" => write,
                _ => continue,
            };
            let device = device(root, number);
            values.extend(value.parse().ok().map(|value| (metric, Some(device), value)));
        }
    }
}

/// What cannot be given back without harm, as cAdvisor and the kubelet reckon it.
fn working_set(usage: Option<f64>, inactive_file: Option<&f64>) -> Option<f64> {
    Some((usage? - inactive_file?).max(0.0))
}

/// The name of a block device given as `MAJOR:MINOR`; the numbers where it has none.
fn device(root: &Path, number: &str) -> String {
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let uevent = root.join(format!("sys/dev/block/{number}/uevent"));
    let text = is_number.then(|| fs::read_to_string(uevent).ok()).flatten().unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("DEVNAME="));
    name.map_or_else(|| number.to_owned(), |name| format!("/dev/{name}"))
}

/// Seconds in which something waited, from a file of pressure.
fn waited(text: &str) -> Option<f64> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let micros: f64 = some.split(' ').find_map(|word| word.strip_prefix("total="))?.parse().ok()?;
    Some(micros / 1e6)
}

fn text(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(folder.join(name)).ok()
}

fn number(folder: &Path, name: &str) -> Option<f64> {
    text(folder, name)?.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// A file of names and numbers, one pair in each line.
fn pairs(folder: &Path, name: &str) -> BTreeMap<String, f64> {
    let text = text(folder, name).unwrap_or_default();
    let pair = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "8c1d5f0b7f6d4f0e9a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f";

    fn check(path: &str, expected: [&str; 5]) {
        let path = path.replace("HASH", HASH);
        let [runtime, container, pod_uid, qos, unit] =
            expected.map(|text| text.replace("HASH", HASH));
        assert_eq!(identify(&path), Identity { runtime, container, pod_uid, qos, unit }, "{path}");
    }

    #[test]
    fn paths_of_every_runtime() {
        const POD: &str = "2f3b1c7e-0d54-4a0e-9a5f-1b7f0c2d3e4f";
        let slice = "/kubepods.slice/kubepods-burstable.slice/\
                     kubepods-burstable-pod2f3b1c7e_0d54_4a0e_9a5f_1b7f0c2d3e4f.slice";
        check("/system.slice/docker-HASH.scope", ["docker", "HASH", "", "", ""]);
        check("/docker/HASH", ["docker", "HASH", "", "", ""]);
        check(
            &format!("{slice}/cri-containerd-HASH.scope"),
            ["containerd", "HASH", POD, "burstable", ""],
        );
        check(&format!("{slice}/crio-HASH.scope"), ["cri-o", "HASH", POD, "burstable", ""]);
        check(
            &format!("/kubepods/besteffort/pod{POD}/HASH"),
            ["kubernetes", "HASH", POD, "besteffort", ""],
        );
        check(&format!("/kubepods/pod{POD}/HASH"), ["kubernetes", "HASH", POD, "guaranteed", ""]);
        check("/machine.slice/libpod-HASH.scope/container", ["podman", "HASH", "", "", ""]);
        check(
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-HASH.scope",
            ["podman", "HASH", "", "", ""],
        );
        check("/../../docker-HASH.scope", ["docker", "HASH", "", "", ""]);
        check("/default/HASH", ["containerd", "HASH", "", "", ""]);
        check("/lxc.payload.box", ["lxc", "box", "", "", ""]);
        check("/system.slice/ollama.service", ["", "", "", "", "ollama.service"]);
        for path in ["/", "/user.slice/user-0.slice/session-1.scope", "/user.slice/user@0.service"]
        {
            check(path, ["", "", "", "", ""]);
        }
    }

    /// Writes a tree, reads the group of process 7 and renders what it uses.
    fn read(files: &[(&str, &str)]) -> Option<(Group, Vec<String>)> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path.replace("HASH", HASH));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.replace("HASH", HASH)).unwrap();
        }
        let group = group(root.path(), 7)?;
        let mut lines: Vec<String> = usage(root.path(), &group)
            .into_iter()
            .map(|(metric, device, value)| {
                let name = metric.name.strip_prefix("container_").unwrap();
                device.map_or(format!("{name} {value}"), |at| format!("{name} {at} {value}"))
            })
            .collect();
        lines.sort();
        Some((group, lines))
    }

    /// Written after the kernel's page on cgroup v2.
    #[test]
    fn version_2() {
        let base = "sys/fs/cgroup/system.slice/docker-HASH.scope";
        let at = |name: &str| format!("{base}/{name}");
        let files = [
            ("proc/7/cgroup".to_owned(), "0::/system.slice/docker-HASH.scope\n"),
            ("sys/fs/cgroup/cgroup.controllers".into(), "cpu io memory pids\n"),
            (
                at("cpu.stat"),
                "usage_usec 5000000\nuser_usec 4000000\nsystem_usec 1000000\nnr_periods 100\n\
                 nr_throttled 7\nthrottled_usec 250000\n",
            ),
            (at("cpu.max"), "400000 100000\n"),
            (at("memory.current"), "1000000\n"),
            (at("memory.max"), "8000000\n"),
            (at("memory.peak"), "1500000\n"),
            (at("memory.swap.current"), "0\n"),
            (at("memory.stat"), "anon 600000\nfile 300000\ninactive_file 200000\n"),
            (at("memory.events"), "low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 0\n"),
            (at("memory.pressure"), "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"),
            (at("io.stat"), "259:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n"),
            (at("pids.current"), "33\n"),
            ("sys/dev/block/259:0/uevent".into(), "MAJOR=259\nDEVNAME=nvme0n1\n"),
        ];
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let (group, lines) = read(&files).unwrap();
        assert_eq!(group.id, format!("/system.slice/docker-{HASH}.scope"));
        let expected = [
            "cpu_cfs_periods_total 100",
            "cpu_cfs_throttled_periods_total 7",
            "cpu_cfs_throttled_seconds_total 0.25",
            "cpu_usage_seconds_total 5",
            "fs_reads_bytes_total /dev/nvme0n1 4096",
            "fs_reads_total /dev/nvme0n1 1",
            "fs_writes_bytes_total /dev/nvme0n1 8192",
            "fs_writes_total /dev/nvme0n1 2",
            "memory_cache 300000",
            "memory_max_usage_bytes 1500000",
            "memory_rss 600000",
            "memory_swap 0",
            "memory_usage_bytes 1000000",
            "memory_working_set_bytes 800000",
            "oom_events_total 1",
            "pressure_memory_waiting_seconds_total 1.5",
            "spec_cpu_period 100000",
            "spec_cpu_quota 400000",
            "spec_memory_limit_bytes 8000000",
            "threads 33",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn no_limit_is_no_number() {
        let files = [
            ("proc/7/cgroup", "0::/system.slice/vllm.service\n"),
            ("sys/fs/cgroup/cgroup.controllers", ""),
            ("sys/fs/cgroup/system.slice/vllm.service/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/vllm.service/cpu.max", "max 100000\n"),
        ];
        let (group, lines) = read(&files).unwrap();
        assert_eq!(group.identity.unit, "vllm.service");
        assert_eq!(lines, ["spec_cpu_period 100000"]);
    }

    /// Written after the kernel's pages on cgroup v1; the lines of `blkio` and `oom_control` are as
    /// captured from a kernel 6.18.
    #[test]
    fn version_1() {
        let pod = "kubepods/burstable/pod2f3b1c7e-0d54-4a0e-9a5f-1b7f0c2d3e4f/HASH";
        let cgroup = format!("5:cpu,cpuacct:/{pod}\n4:memory:/{pod}\n2:blkio:/{pod}\n0::/\n");
        let at = |controller: &str, name: &str| format!("sys/fs/cgroup/{controller}/{pod}/{name}");
        let files = [
            ("proc/7/cgroup".to_owned(), cgroup.as_str()),
            (at("cpu", "cpu.stat"), "nr_periods 10\nnr_throttled 3\nthrottled_time 1500000000\n"),
            (at("cpu", "cpu.cfs_quota_us"), "-1\n"),
            (at("cpu", "cpu.cfs_period_us"), "100000\n"),
            (at("cpuacct", "cpuacct.usage"), "2500000000\n"),
            (at("memory", "memory.usage_in_bytes"), "1000\n"),
            (at("memory", "memory.limit_in_bytes"), "9223372036854771712\n"),
            (
                at("memory", "memory.stat"),
                "cache 1\ntotal_cache 400\ntotal_rss 500\ntotal_inactive_file 300\n",
            ),
            (at("memory", "memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"),
            (
                at("blkio", "blkio.throttle.io_service_bytes"),
                "8:0 Read 4096\n8:0 Write 0\n8:0 Sync 4096\n8:0 Total 4096\nTotal 4096\n",
            ),
        ];
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let (group, lines) = read(&files).unwrap();
        assert_eq!(group.identity.qos, "burstable");
        let expected = [
            "cpu_cfs_periods_total 10",
            "cpu_cfs_throttled_periods_total 3",
            "cpu_cfs_throttled_seconds_total 1.5",
            "cpu_usage_seconds_total 2.5",
            "fs_reads_bytes_total 8:0 4096",
            "fs_writes_bytes_total 8:0 0",
            "memory_cache 400",
            "memory_rss 500",
            "memory_usage_bytes 1000",
            "memory_working_set_bytes 700",
            "oom_events_total 4",
            "spec_cpu_period 100000",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn groups_that_tell_nothing() {
        assert_eq!(read(&[("proc/7/cgroup", "0::/\n")]), None);
        assert_eq!(read(&[("proc/7/cgroup", "9:name=systemd:/\n4:memory:/\n")]), None);
        assert_eq!(read(&[("proc/8/cgroup", "0::/docker/HASH\n")]), None);
        let hidden = [
            ("proc/7/cgroup", "0::/../docker-HASH.scope\n"),
            ("sys/fs/cgroup/cgroup.controllers", ""),
            ("sys/fs/docker-HASH.scope/pids.current", "3\n"),
        ];
        let (group, lines) = read(&hidden).unwrap();
        assert_eq!((group.identity.runtime.as_str(), lines.len()), ("docker", 0));
    }

    proptest! {
        #[test]
        fn any_path_and_any_file_are_survived(path: String, text: String) {
            identify(&path);
            waited(&text);
            let cgroup = format!("0::/docker/{HASH}\n1:cpu,memory,blkio:{path}\n{text}");
            let io = format!("sys/fs/cgroup/docker/{HASH}/io.stat");
            read(&[("proc/7/cgroup", &cgroup), ("sys/fs/cgroup/cgroup.controllers", ""), (&io, &text)]);
        }
    }
}
