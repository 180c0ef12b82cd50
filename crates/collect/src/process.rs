//! What an engine's process and its descendants use.
//!
//! A pid is trusted only together with its start time, because the kernel gives it to others later.
//! Descendants are found by their parents' numbers in one pass over all processes, which costs the same
//! for one engine and for many, and too much for every second: between two passes only the known ones are
//! looked at, so that a process that is new may be counted five seconds late. Reads and writes of disks and the number of open files are shown to the
//! same user and to root only. Facts: `proc(5)`.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// Programs that pass connections on: the engine is behind them, and what they use says nothing of it.
const FORWARDERS: &[&str] = &[
    "caddy",
    "docker-proxy",
    "envoy",
    "haproxy",
    "nginx",
    "nginx:",
    "pasta",
    "rootlessport",
    "slirp4netns",
    "ssh",
    "sshd:",
    "traefik",
];
/// How often all processes are looked at. The slack is for a clock that wakes a little early.
const SCAN_PERIOD: Duration = Duration::from_millis(4_900);
/// Most processes of one engine; more are not counted.
const TREE_MAX: usize = 1_024;
/// Most processes that are looked at; more are not seen.
const PROCESSES_MAX: usize = 65_536;
/// Most threads of one engine whose switches are counted.
const THREADS_MAX: usize = 8_192;
/// Threads that are read with every scan; twice as many are read with every second, and so on.
const THREADS_EACH_TIME: u64 = 64;
/// Most bytes of an environment, and of the list of users.
const BYTES_MAX: u64 = 1 << 20;
/// Open files are not counted beyond this.
const OPEN_FILES_MAX: usize = 65_536;

/// Who a process is, beyond its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// Clock ticks after boot.
    started: u64,
}

/// What a process has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Work {
    cpu_ticks: u64,
    minor_faults: u64,
    major_faults: u64,
    /// Bytes that came from and went to block devices.
    io: Option<(u64, u64)>,
    /// Of its threads that are alive; told apart by what made them.
    switches: Option<(u64, u64)>,
}

/// Sums over a process and its descendants. Those of work done keep what ended processes did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) threads: u64,
    pub(crate) processes: u64,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    pub(crate) read_bytes: Option<u64>,
    pub(crate) written_bytes: Option<u64>,
    pub(crate) open_files: Option<u64>,
    pub(crate) voluntary_switches: Option<u64>,
    pub(crate) involuntary_switches: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    parent: u32,
    minor_faults: u64,
    major_faults: u64,
    cpu_ticks: u64,
    threads: u64,
    started: u64,
    resident_pages: u64,
}

fn stat(root: &Path, pid: u32) -> Option<Stat> {
    let text = fs::read(root.join(format!("proc/{pid}/stat"))).ok()?;
    parse(&String::from_utf8_lossy(&text))
}

/// The fields after the name, which may contain blanks and parentheses itself.
fn parse(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Numbers in proc_pid_stat(5) count from 1 with the pid; `rest` begins with field 3.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(field(4)?).ok()?,
        minor_faults: field(10)?,
        major_faults: field(12)?,
        cpu_ticks: field(14)?.checked_add(field(15)?)?,
        threads: field(20)?,
        started: field(22)?,
        resident_pages: field(24)?,
    })
}

/// The process that has `pid` now.
pub(crate) fn identify(root: &Path, pid: u32) -> Option<Identity> {
    stat(root, pid).map(|stat| Identity { pid, started: stat.started })
}

/// The process that started this one, as far as it still lives.
pub(crate) fn parent(root: &Path, pid: u32) -> Option<u32> {
    stat(root, pid).map(|stat| stat.parent)
}

/// Whether the process only passes connections on.
pub(crate) fn is_forwarder(root: &Path, pid: u32) -> bool {
    command(root, pid).is_some_and(|line| FORWARDERS.contains(&program_of(&line)))
}

/// All processes at the last scan, and those of engines as of now.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    stats: HashMap<u32, Stat>,
    children: BTreeMap<u32, Vec<u32>>,
    scanned: Option<Duration>,
    /// Whether the last look was a scan.
    is_scan: bool,
}

pub(crate) fn children(root: &Path, pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(root.join(format!("proc/{pid}/task"))) else { return Vec::new() };
    let lists =
        tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

impl Processes {
    /// Brings the engines' processes up to date, and now and then all others. `now` is monotonic.
    pub(crate) fn look(
        &mut self,
        root: &Path,
        now: Duration,
        engines: impl IntoIterator<Item = Identity>,
    ) {
        let is_fresh = |scanned: Duration| (scanned..scanned + SCAN_PERIOD).contains(&now);
        self.is_scan = !self.scanned.is_some_and(is_fresh);
        if self.is_scan {
            *self = Self { scanned: Some(now), is_scan: true, ..Self::default() };
            self.scan(root);
            return;
        }
        for engine in engines {
            for (pid, before) in self.tree(engine) {
                // A number that another process has now is that of one that ended.
                match stat(root, pid).filter(|now| now.started == before.started) {
                    Some(now) => drop(self.stats.insert(pid, now)),
                    None => drop(self.stats.remove(&pid)),
                }
            }
            // An engine that started anew is here before its descendants are.
            if !self.stats.contains_key(&engine.pid)
                && let Some(stat) = stat(root, engine.pid)
            {
                self.children.remove(&engine.pid);
                self.stats.insert(engine.pid, stat);
            }
        }
    }

    fn scan(&mut self, root: &Path) {
        let Ok(entries) = fs::read_dir(root.join("proc")) else { return };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        for pid in pids.take(PROCESSES_MAX) {
            if let Some(stat) = stat(root, pid) {
                self.stats.insert(pid, stat);
                self.children.entry(stat.parent).or_default().push(pid);
            }
        }
    }

    /// The process and its descendants, the process first; none once it is gone.
    fn tree(&self, identity: Identity) -> Vec<(u32, Stat)> {
        let root = self.stats.get(&identity.pid).filter(|stat| stat.started == identity.started);
        let mut found: Vec<(u32, Stat)> =
            root.map(|stat| (identity.pid, *stat)).into_iter().collect();
        let mut at = 0;
        while let Some((pid, _)) = found.get(at).copied() {
            let children = self.children.get(&pid).into_iter().flatten();
            let known = children.filter_map(|child| Some((*child, *self.stats.get(child)?)));
            // The snapshot is no moment: a number may have become a parent's while it was taken.
            for (child, stat) in known.take(TREE_MAX.saturating_sub(found.len())) {
                if child != pid && found.iter().all(|(other, _)| *other != child) {
                    found.push((child, stat));
                }
            }
            at += 1;
        }
        found
    }
}

/// Follows one engine's processes over time.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    of: Option<Identity>,
    /// What each process had done at the last look, by number and start.
    known: HashMap<(u32, u64), Work>,
    /// The same for the switches of threads.
    threads: HashMap<(u32, u64, u32), (u64, u64)>,
    sum: Work,
    scans: u64,
}

impl Tree {
    /// The processes of the last look.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.known.keys().map(|(pid, _)| *pid).collect()
    }

    /// What the process and its descendants use; `None` once it is gone.
    pub(crate) fn look(
        &mut self,
        root: &Path,
        all: &Processes,
        identity: Identity,
    ) -> Option<Usage> {
        let tree = all.tree(identity);
        if tree.is_empty() {
            return None;
        }
        if self.of != Some(identity) {
            *self = Self { of: Some(identity), ..Self::default() };
        }
        let mut usage = Usage::default();
        let mut known = HashMap::new();
        let mut open_files = Some(0_u64);
        for (pid, stat) in &tree {
            let key = (*pid, stat.started);
            let new = Work {
                cpu_ticks: stat.cpu_ticks,
                minor_faults: stat.minor_faults,
                major_faults: stat.major_faults,
                io: io(root, *pid),
                switches: None,
            };
            self.sum.add(&self.known.get(&key).copied().unwrap_or_default(), &new);
            known.insert(key, new);
            let pages = stat.resident_pages;
            let bytes = pages.saturating_mul(rustix::param::page_size() as u64);
            usage.resident_bytes = usage.resident_bytes.saturating_add(bytes);
            usage.threads += stat.threads;
            usage.processes += 1;
            open_files = open_files.and_then(|sum| sum.checked_add(open_files_of(root, *pid)?));
        }
        self.known = known;
        // Each thread is a file of its own, so the more there are the more rarely they are read.
        if all.is_scan {
            if self.scans.is_multiple_of(1 + usage.threads / THREADS_EACH_TIME) {
                self.count_switches(root, &tree);
            }
            self.scans += 1;
        }
        let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
        usage.cpu_seconds = self.sum.cpu_ticks as f64 / ticks_per_second;
        usage.minor_faults = self.sum.minor_faults;
        usage.major_faults = self.sum.major_faults;
        (usage.read_bytes, usage.written_bytes) = self.sum.io.unzip();
        (usage.voluntary_switches, usage.involuntary_switches) = self.sum.switches.unzip();
        usage.open_files = open_files;
        Some(usage)
    }

    fn count_switches(&mut self, root: &Path, tree: &[(u32, Stat)]) {
        let mut threads = HashMap::new();
        for (pid, stat) in tree {
            let Ok(tasks) = fs::read_dir(root.join(format!("proc/{pid}/task"))) else { continue };
            for task in tasks.flatten() {
                let Some(thread) = task.file_name().to_str().and_then(|name| name.parse().ok())
                else {
                    continue;
                };
                let text = fs::read_to_string(task.path().join("status")).unwrap_or_default();
                let Some(new) = switches(&text).filter(|_| threads.len() < THREADS_MAX) else {
                    continue;
                };
                let key = (*pid, stat.started, thread);
                // A number that is used again begins at zero.
                let old = self.threads.get(&key).filter(|old| old.0 <= new.0 && old.1 <= new.1);
                let old = old.copied().unwrap_or_default();
                let sum = self.sum.switches.get_or_insert((0, 0));
                *sum = (sum.0 + new.0 - old.0, sum.1 + new.1 - old.1);
                threads.insert(key, new);
            }
        }
        self.threads = threads;
    }
}

impl Work {
    /// Adds what was done from `old` to `new`.
    fn add(&mut self, old: &Self, new: &Self) {
        self.cpu_ticks += new.cpu_ticks.saturating_sub(old.cpu_ticks);
        self.minor_faults += new.minor_faults.saturating_sub(old.minor_faults);
        self.major_faults += new.major_faults.saturating_sub(old.major_faults);
        if let Some(new) = new.io {
            let old = old.io.unwrap_or_default();
            let sum = self.io.get_or_insert((0, 0));
            *sum = (sum.0 + new.0.saturating_sub(old.0), sum.1 + new.1.saturating_sub(old.1));
        }
    }
}

/// Bytes read from and written to block devices.
fn io(root: &Path, pid: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(root.join(format!("proc/{pid}/io"))).ok()?;
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    Some((field("read_bytes:")?, field("write_bytes:")?))
}

/// Since Linux 6.2 the folder's size is the number of open files; before, they are counted.
fn open_files_of(root: &Path, pid: u32) -> Option<u64> {
    let folder = root.join(format!("proc/{pid}/fd"));
    // The size can be asked for by everybody, and is zero on older kernels.
    match fs::metadata(&folder).ok()?.len() {
        0 => Some(fs::read_dir(folder).ok()?.take(OPEN_FILES_MAX).count() as u64),
        count => Some(count),
    }
}

/// The most files that a process may have open.
pub(crate) fn open_files_max(root: &Path, pid: u32) -> Option<u64> {
    let text = fs::read_to_string(root.join(format!("proc/{pid}/limits"))).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Times that a thread gave the CPU up, and that it was taken from it.
fn switches(status: &str) -> Option<(u64, u64)> {
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    Some((field("voluntary_ctxt_switches:")?, field("nonvoluntary_ctxt_switches:")?))
}

/// Unix time at which the process started.
pub(crate) fn start_time(root: &Path, identity: Identity) -> Option<f64> {
    let text = fs::read_to_string(root.join("proc/stat")).ok()?;
    let boot: f64 = text.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
    Some(boot + identity.started as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The command line of a process, arguments parted by blanks; its name where it has none.
pub(crate) fn command(root: &Path, pid: u32) -> Option<String> {
    let text = fs::read(root.join(format!("proc/{pid}/cmdline"))).ok()?;
    let line = String::from_utf8_lossy(&text).replace('\0', " ");
    if !line.trim().is_empty() {
        return Some(line.trim().to_owned());
    }
    fs::read_to_string(root.join(format!("proc/{pid}/comm")))
        .ok()
        .map(|name| name.trim().to_owned())
}

/// The processes above this one, the nearest first, without the first of all.
pub(crate) fn ancestors(root: &Path, pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut at = pid;
    for _ in 0..32 {
        let Some(parent) = stat(root, at).map(|stat| stat.parent).filter(|parent| *parent > 1)
        else {
            break;
        };
        found.push(parent);
        at = parent;
    }
    found
}

/// Whether an ancestor of the process was started as `program`.
pub(crate) fn descends_from(root: &Path, pid: u32, program: &str) -> bool {
    let is_it = |pid: u32| command(root, pid).is_some_and(|line| program_of(&line) == program);
    ancestors(root, pid).into_iter().any(is_it)
}

/// The root of a process that has mounts of its own, such as one in a container.
pub(crate) fn own_root(root: &Path, process: &Path) -> Option<PathBuf> {
    let theirs = fs::read_link(process.join("ns/mnt")).ok()?;
    let ours = fs::read_link(root.join("proc/self/ns/mnt")).ok()?;
    let base = process.join("root");
    (theirs != ours && base.is_dir()).then_some(base)
}

/// Homes by the number of the user.
pub(crate) fn homes(root: &Path) -> BTreeMap<u32, String> {
    let mut text = String::new();
    if let Ok(file) = fs::File::open(root.join("etc/passwd")) {
        file.take(BYTES_MAX).read_to_string(&mut text).ok();
    }
    let home = |line: &str| {
        let mut fields = line.split(':');
        let user = fields.nth(2)?.parse().ok()?;
        let home = fields.nth(2).filter(|home| home.starts_with('/'))?;
        Some((user, home.to_owned()))
    };
    // Of several names for one user the first counts, as for the system.
    text.lines().rev().filter_map(home).collect()
}

/// A variable in the environment of a process, as far as that may be read.
pub(crate) fn variable(root: &Path, pid: u32, name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(root.join(format!("proc/{pid}/environ"))).ok()?;
    // What came before an error counts.
    file.take(BYTES_MAX).read_to_end(&mut bytes).ok();
    let value = |text: &[u8]| {
        let (found, value) = std::str::from_utf8(text).ok()?.split_once('=')?;
        (found == name && !name.is_empty() && !value.is_empty()).then(|| value.to_owned())
    };
    bytes.split(|byte| *byte == 0).find_map(value)
}

/// The file name of the program in a command line.
pub(crate) fn program_of(command: &str) -> &str {
    let path = command.split(' ').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_with_everything_in_it() {
        let text = "7 (a ) (b) S 1 7 7 0 -1 4194560 1 2 3 4 100 20 0 0 20 0 3 0 555 1000 42 0";
        let expected = Stat {
            parent: 1,
            minor_faults: 1,
            major_faults: 3,
            cpu_ticks: 120,
            threads: 3,
            started: 555,
            resident_pages: 42,
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(program_of("/usr/bin/llama-server -m x"), "llama-server");
    }

    #[test]
    fn this_process() {
        let root = Path::new("/");
        let identity = identify(root, std::process::id()).unwrap();
        let mut tree = Tree::default();
        let all = scan(root);
        let found = tree.look(root, &all, identity).unwrap();
        assert!(found.resident_bytes > 1 << 20 && found.threads >= 1, "{found:?}");
        assert!(found.minor_faults > 100 && found.open_files > Some(2), "{found:?}");
        assert!(found.read_bytes.is_some() && found.voluntary_switches > Some(0), "{found:?}");
        assert!(open_files_max(root, identity.pid) >= found.open_files);
        assert!(start_time(root, identity).unwrap() > 1.6e9);
        let other = Identity { started: identity.started + 1, ..identity };
        let found = tree.look(root, &scan(root), other);
        assert_eq!(found, None, "another process had this number");
    }

    fn scan(root: &Path) -> Processes {
        let mut all = Processes::default();
        all.look(root, Duration::ZERO, []);
        all
    }

    #[test]
    fn between_scans_only_the_known_processes_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let mut all = Processes::default();
        let mut check = |now: u64, processes: &[(u32, u32, u64, u64)], of: u64, expected| {
            write(root, processes);
            let engine = Identity { pid: 10, started: of };
            all.look(root, Duration::from_secs(now), [engine]);
            let tree = all.tree(engine);
            let found: Vec<_> = tree.iter().map(|(pid, stat)| (*pid, stat.cpu_ticks)).collect();
            assert_eq!(found, expected, "at {now} s");
        };
        check(
            0,
            &[(10, 1, 1, 5), (11, 10, 2, 3), (12, 11, 3, 1)],
            1,
            vec![(10, 5), (11, 3), (12, 1)],
        );
        // 12 ended, 11 is another process now, 13 is new.
        check(1, &[(10, 1, 1, 6), (11, 1, 9, 7), (13, 10, 9, 1)], 1, vec![(10, 6)]);
        check(5, &[(10, 1, 1, 7), (13, 10, 9, 2)], 1, vec![(10, 7), (13, 2)]);
        check(6, &[(10, 1, 1, 8), (13, 10, 9, 3)], 1, vec![(10, 8), (13, 3)]);
        check(7, &[], 1, vec![]);
        // It started anew.
        check(8, &[(10, 1, 50, 1)], 50, vec![(10, 1)]);
        // The clock was set back, which a monotonic one is not.
        check(2, &[(10, 1, 50, 2), (14, 10, 51, 1)], 50, vec![(10, 2), (14, 1)]);
    }

    /// A tree of processes: number, parent, start, CPU ticks.
    fn write(root: &Path, processes: &[(u32, u32, u64, u64)]) {
        fs::remove_dir_all(root.join("proc")).ok();
        for (pid, parent, started, ticks) in processes {
            let folder = root.join(format!("proc/{pid}"));
            fs::create_dir_all(folder.join(format!("task/{pid}"))).unwrap();
            let stat = format!(
                "{pid} (x) S {parent} 7 7 0 -1 0 10 0 2 0 {ticks} 0 0 0 20 0 2 0 {started} 1000 5 0"
            );
            fs::write(folder.join("stat"), stat).unwrap();
            fs::write(
                folder.join("io"),
                format!("rchar: 9\nread_bytes: {ticks}\nwrite_bytes: 1\n"),
            )
            .unwrap();
            let status = format!(
                "Name: x\nvoluntary_ctxt_switches:\t{ticks}\nnonvoluntary_ctxt_switches:\t1\n"
            );
            fs::write(folder.join(format!("task/{pid}/status")), status).unwrap();
        }
    }

    #[test]
    fn sums_outlive_the_descendants() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let ticks = rustix::param::clock_ticks_per_second();
        let identity = Identity { pid: 10, started: 1 };
        let mut tree = Tree::default();
        let mut check = |processes: &[(u32, u32, u64, u64)], cpu: u64, count: u64| {
            write(root, processes);
            let found = tree.look(root, &scan(root), identity).unwrap();
            assert_eq!(found.cpu_seconds, (cpu * ticks) as f64 / ticks as f64, "{processes:?}");
            assert_eq!((found.processes, found.read_bytes), (count, Some(cpu * ticks)));
            assert_eq!(found.voluntary_switches, Some(cpu * ticks));
            assert_eq!(found.open_files, None, "they cannot be read");
        };
        let one = |pid, parent, started, seconds| (pid, parent, started, seconds * ticks);
        check(&[one(10, 1, 1, 5), one(11, 10, 2, 3), one(12, 11, 2, 1), one(13, 1, 1, 99)], 9, 3);
        check(&[one(10, 1, 1, 6), one(11, 10, 2, 3)], 10, 2);
        check(&[one(10, 1, 1, 6), one(11, 10, 2, 4), one(12, 10, 50, 2)], 13, 3);
        write(root, &[one(10, 1, 77, 1)]);
        assert_eq!(tree.look(root, &scan(root), identity), None, "another process");
        let other = Identity { pid: 10, started: 77 };
        let found = tree.look(root, &scan(root), other).unwrap();
        assert_eq!(found.cpu_seconds, 1.0, "what another process did does not count");
    }

    #[test]
    fn who_only_passes_connections_on() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc/7")).unwrap();
        for (command, expected) in [
            ("/usr/bin/docker-proxy\0-proto\0tcp\0-host-port\08000\0", true),
            ("nginx: master process /usr/sbin/nginx", true),
            ("/usr/bin/python3\0/usr/bin/vllm\0serve\0docker-proxy\0", false),
            ("", false),
        ] {
            fs::write(root.path().join("proc/7/cmdline"), command).unwrap();
            assert_eq!(is_forwarder(root.path(), 7), expected, "{command}");
        }
        assert!(!is_forwarder(root.path(), 8), "a process that is gone");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text: String) {
            parse(&text);
            switches(&text);
        }
    }
}
