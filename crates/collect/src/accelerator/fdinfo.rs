//! Who uses a GPU and how much, from what every DRM driver says of each open file in
//! `/proc/<pid>/fdinfo` (the kernel's `drm-usage-stats`).
//!
//! Needs no privilege for our own processes and `CAP_SYS_PTRACE` (root) for those of others. What
//! cannot be looked into is counted, because a sum over only some processes is no sum. Looking at
//! every open file of a host is dear, so all of them are looked at on every twelfth reading and in
//! between only those that were found; a process is seen up to that much later.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    io::Read as _,
    path::Path,
    time::Duration,
};

/// Processes beyond this many are not looked at.
const PROCESSES_MAX: usize = 32_768;
/// Open files of one process beyond this many are not looked at.
const FILES_MAX: usize = 4_096;
/// Open GPU files that are followed.
const FOLLOWED_MAX: usize = 1_024;
/// Largest `fdinfo` that is read.
const BYTES_MAX: u64 = 16 << 10;
/// Readings from one look at everything to the next.
const READINGS_PER_LOOK: u32 = 12;

/// What a driver says of one open file.
#[derive(Clone, Debug, Default, PartialEq)]
struct Client {
    driver: String,
    device: String,
    /// The same for all copies of one open file.
    id: u64,
    engines: BTreeMap<String, Engine>,
    memory_bytes: Option<u64>,
}

/// How busy one kind of engine was kept so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Engine {
    /// Nanoseconds, or cycles of the engine's clock.
    busy: u64,
    /// All cycles that have passed; absent where `busy` is in nanoseconds.
    all: Option<u64>,
    /// How many engines of this kind there are.
    capacity: u64,
}

/// What one process uses of one device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Use {
    pub(super) memory_bytes: Option<u64>,
    /// Share of the time in which each kind of engine worked for it; empty on the first reading.
    pub(super) engines: BTreeMap<String, f64>,
}

/// By PCI address and process.
pub(super) type Uses = BTreeMap<(String, u32), Use>;

/// Follows the open files of GPUs.
#[derive(Debug)]
pub(super) struct Follower {
    /// The name in `drm-driver`.
    drivers: &'static [&'static str],
    followed: Vec<(u32, String)>,
    readings: u32,
    /// Whether every process could be looked into.
    is_complete: bool,
    before: BTreeMap<(String, u32, u64), Client>,
}

impl Follower {
    pub(super) fn new(drivers: &'static [&'static str]) -> Self {
        let followed = Vec::new();
        Self { drivers, followed, readings: 0, is_complete: true, before: BTreeMap::new() }
    }

    /// Whether the last look could see into every process.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// What every process uses, its engines over the `elapsed` time since the last reading.
    pub(super) fn read(&mut self, root: &Path, elapsed: Duration) -> Uses {
        if self.readings.is_multiple_of(READINGS_PER_LOOK) {
            self.look(root);
        }
        self.readings = self.readings.wrapping_add(1);
        let mut now = BTreeMap::new();
        for (pid, file) in &self.followed {
            let path = root.join(format!("proc/{pid}/fdinfo/{file}"));
            let Some(client) = read_bounded(&path).as_deref().and_then(parse) else { continue };
            if self.drivers.contains(&client.driver.as_str()) {
                now.insert((client.device.clone(), *pid, client.id), client);
            }
        }
        let uses = sum(&now, &self.before, elapsed);
        self.before = now;
        uses
    }

    fn look(&mut self, root: &Path) {
        self.followed.clear();
        self.is_complete = true;
        let Ok(processes) = fs::read_dir(root.join("proc")) else { return };
        let names = processes.flatten().map(|process| process.file_name());
        let pids = names.filter_map(|name| name.to_str()?.parse::<u32>().ok());
        for pid in pids.take(PROCESSES_MAX) {
            let Ok(files) = fs::read_dir(root.join(format!("proc/{pid}/fd"))) else {
                // A kernel thread has no files and a process may have ended; others hide theirs.
                self.is_complete &= !is_hidden(root, pid);
                continue;
            };
            for file in files.flatten().take(FILES_MAX) {
                let target = fs::read_link(file.path()).unwrap_or_default();
                if !target.starts_with("/dev/dri") || self.followed.len() >= FOLLOWED_MAX {
                    continue;
                }
                self.followed.push((pid, file.file_name().to_string_lossy().into_owned()));
            }
        }
    }
}

/// Whether the process is there, belongs to somebody else, and has memory of its own.
fn is_hidden(root: &Path, pid: u32) -> bool {
    fs::read(root.join(format!("proc/{pid}/cmdline"))).is_ok_and(|line| !line.is_empty())
}

fn read_bounded(path: &Path) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(BYTES_MAX).read_to_end(&mut text).ok()?;
    Some(text)
}

fn parse(text: &[u8]) -> Option<Client> {
    let mut client = Client::default();
    let mut id = None;
    let mut total = None;
    for line in std::str::from_utf8(text).ok()?.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let Some(key) = key.strip_prefix("drm-") else { continue };
        let value = value.trim();
        let count = || value.split(' ').next()?.parse::<u64>().ok();
        if let Some(engine) = key.strip_prefix("engine-capacity-") {
            client.engine(engine).capacity = count().unwrap_or(1).max(1);
        } else if let (Some(engine), Some(busy)) = (key.strip_prefix("engine-"), count()) {
            client.engine(engine).busy = busy;
        } else if let (Some(engine), Some(all)) = (key.strip_prefix("total-cycles-"), count()) {
            client.engine(engine).all = Some(all);
        } else if let (Some(engine), Some(busy)) = (key.strip_prefix("cycles-"), count()) {
            client.engine(engine).busy = busy;
        }
        match key {
            "driver" => client.driver = value.into(),
            "pdev" => client.device = value.into(),
            "client-id" => id = count(),
            // The older name on amdgpu; what is resident is what counts.
            "memory-vram" | "resident-vram" | "resident-vram0" | "resident-local0" => {
                client.memory_bytes = bytes(value);
            }
            "total-vram" | "total-vram0" | "total-local0" => total = bytes(value),
            _ => {}
        }
    }
    client.memory_bytes = client.memory_bytes.or(total);
    client.id = id?;
    (!client.driver.is_empty() && !client.device.is_empty()).then_some(client)
}

impl Client {
    fn engine(&mut self, name: &str) -> &mut Engine {
        self.engines.entry(name.to_owned()).or_insert(Engine { busy: 0, all: None, capacity: 1 })
    }
}

/// A size with its unit; without one it is in bytes.
fn bytes(value: &str) -> Option<u64> {
    let (count, unit) = value.split_once(' ').unwrap_or((value, ""));
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn sum(
    now: &BTreeMap<(String, u32, u64), Client>,
    before: &BTreeMap<(String, u32, u64), Client>,
    elapsed: Duration,
) -> Uses {
    let mut uses = Uses::new();
    // A file that was handed to another process is one client of both; its memory counts once.
    let mut seen = HashSet::new();
    for (key, client) in now {
        let entry = uses.entry((client.device.clone(), key.1)).or_default();
        if !seen.insert((client.device.as_str(), client.id)) {
            continue;
        }
        if let Some(memory) = client.memory_bytes {
            *entry.memory_bytes.get_or_insert(0) += memory;
        }
        let Some(earlier) = before.get(key) else { continue };
        for (name, engine) in &client.engines {
            let Some(earlier) = earlier.engines.get(name) else { continue };
            if let Some(share) = share(engine, earlier, elapsed) {
                let sum = entry.engines.entry(name.clone()).or_default();
                *sum = (*sum + share).min(1.0);
            }
        }
    }
    uses
}

/// Absent when a counter went back or no time has passed.
fn share(now: &Engine, before: &Engine, elapsed: Duration) -> Option<f64> {
    let busy = now.busy.checked_sub(before.busy)? as f64;
    let all = match (now.all, before.all) {
        (Some(now), Some(before)) => now.checked_sub(before)? as f64,
        (None, None) => elapsed.as_nanos() as f64,
        _ => return None,
    };
    (all > 0.0).then(|| (busy / all / now.capacity as f64).min(1.0))
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    /// A process with one open GPU file below `root`.
    pub(crate) fn write_client(root: &Path, pid: u32, file: u32, text: &str) {
        let process = root.join(format!("proc/{pid}"));
        fs::create_dir_all(process.join("fd")).unwrap();
        fs::create_dir_all(process.join("fdinfo")).unwrap();
        fs::write(process.join("cmdline"), "engine\0").unwrap();
        let link = process.join(format!("fd/{file}"));
        if fs::symlink_metadata(&link).is_err() {
            symlink("/dev/dri/renderD128", link).unwrap();
        }
        fs::write(process.join(format!("fdinfo/{file}")), text).unwrap();
    }

    fn amd(id: u64, gfx: u64, memory: &str) -> String {
        format!(
            "pos:\t0\nflags:\t02100002\ndrm-driver:\tamdgpu\ndrm-client-id:\t{id}\n\
             drm-pdev:\t0000:03:00.0\ndrm-memory-vram:\t{memory}\ndrm-engine-gfx:\t{gfx} ns\n"
        )
    }

    #[test]
    fn shares_come_from_two_readings() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write_client(root, 7, 3, &amd(1, 1_000, "1024 KiB"));
        write_client(root, 7, 4, &amd(1, 1_000, "1024 KiB"));
        write_client(root, 7, 5, &amd(2, 0, "2 MiB"));
        // The same open file in another process, and one of another driver.
        write_client(root, 8, 3, &amd(1, 1_000, "1024 KiB"));
        write_client(root, 9, 3, &amd(3, 0, "1 KiB").replace("amdgpu", "i915"));
        let mut follower = Follower::new(&["amdgpu"]);
        let uses = follower.read(root, Duration::ZERO);
        let key = |pid| ("0000:03:00.0".to_owned(), pid);
        assert_eq!(uses[&key(7)].memory_bytes, Some(3 << 20), "one client counts once");
        assert!(uses[&key(7)].engines.is_empty());
        assert_eq!(uses[&key(8)].memory_bytes, None);
        assert!(!uses.contains_key(&key(9)) && follower.is_complete());
        write_client(root, 7, 3, &amd(1, 1_000 + 250_000_000, "1 MiB"));
        write_client(root, 7, 4, &amd(1, 1_000 + 250_000_000, "1 MiB"));
        write_client(root, 7, 5, &amd(2, 500_000_000, "2 MiB"));
        let uses = follower.read(root, Duration::from_secs(1));
        assert_eq!(uses[&key(7)].engines["gfx"], 0.75);
    }

    #[test]
    fn cycles_and_capacity() {
        let text = |busy: u64, all: u64| {
            format!(
                "drm-driver:\txe\ndrm-client-id:\t9\ndrm-pdev:\t0000:00:02.0\n\
                 drm-total-vram0:\t512 MiB\ndrm-resident-vram0:\t500 MiB\n\
                 drm-cycles-ccs:\t{busy}\ndrm-total-cycles-ccs:\t{all}\n\
                 drm-engine-capacity-ccs:\t4\n"
            )
        };
        let root = tempfile::tempdir().unwrap();
        let mut follower = Follower::new(&["xe"]);
        write_client(root.path(), 7, 3, &text(100, 1_000));
        follower.read(root.path(), Duration::ZERO);
        write_client(root.path(), 7, 3, &text(300, 1_100));
        let uses = follower.read(root.path(), Duration::from_secs(1));
        let found = &uses[&("0000:00:02.0".to_owned(), 7)];
        assert_eq!((found.memory_bytes, found.engines["ccs"]), (Some(500 << 20), 0.5));
        // The counter went back: the driver was loaded anew.
        write_client(root.path(), 7, 3, &text(0, 1_200));
        let uses = follower.read(root.path(), Duration::from_secs(1));
        assert!(uses[&("0000:00:02.0".to_owned(), 7)].engines.is_empty());
    }

    #[test]
    fn processes_of_others_make_the_sum_incomplete() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc/7")).unwrap();
        let mut follower = Follower::new(&["amdgpu"]);
        follower.look(root.path());
        assert!(follower.is_complete(), "a kernel thread has no command line");
        fs::write(root.path().join("proc/7/cmdline"), "secret").unwrap();
        follower.look(root.path());
        assert!(!follower.is_complete());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(bytes: Vec<u8>, text in "(drm-[a-z-]{1,20}:[ \t0-9a-zA-Z]{0,30}\n){0,6}") {
            drop(parse(&bytes));
            drop(parse(text.as_bytes()));
        }
    }
}
