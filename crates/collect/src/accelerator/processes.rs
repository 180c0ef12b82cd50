//! Who holds a device: processes that a vendor's interface lists, with the names that people know.
//!
//! A pid is one of the host; where `/proc` of the host is not there, a process has a number and no name.
//! Inference engines and the largest others have series of their own, the rest is summed, so that a
//! machine with thousands of small processes does not make thousands of series.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use model::catalogue::{
    ACCELERATOR_PROCESS_COUNT, ACCELERATOR_PROCESS_MEMORY_BYTES,
    ACCELERATOR_PROCESS_UTILIZATION_RATIO,
};

use super::report::Readings;
use crate::{collector::lock, process};

/// Processes beside engines that have series of their own.
const OTHERS_MAX: usize = 16;
/// Engine processes that have series of their own.
const ENGINES_MAX: usize = 64;
/// How far up an engine is looked for: a worker's parent is often the engine.
const ANCESTORS_MAX: usize = 4;

/// Words in a command line that name an engine.
const ENGINES: &[(&str, &str)] = &[
    ("aphrodite", "aphrodite"),
    ("koboldcpp", "koboldcpp"),
    ("llama-server", "llamacpp"),
    ("lmdeploy", "lmdeploy"),
    ("local-ai", "localai"),
    ("mindie", "mindie"),
    ("ollama", "ollama"),
    ("sglang", "sglang"),
    ("text-generation-launcher", "tgi"),
    ("text-generation-server", "tgi"),
    ("tritonserver", "triton"),
    ("trtllm-serve", "tensorrt_llm"),
    ("vllm", "vllm"),
    ("xinference", "xinference"),
];

/// What a process has of a device.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Use {
    pub(super) pid: u32,
    pub(super) bytes: Option<u64>,
    /// 0 to 1.
    pub(super) utilization: Option<f64>,
}

/// How long a list is good: longer than any vendor leaves between two of them, and short enough that
/// what hangs or is gone is not told for long.
const GOOD_FOR: Duration = Duration::from_secs(45);

/// The labels of a device that tell it from others, in the order of [`Readings::identity`].
pub(crate) const IDENTITY: [&str; 4] = ["uuid", "index", "vendor", "partition"];

/// Who holds which device, for who knows the trees of processes. Cheap to clone.
///
/// Lists that count pids otherwise than `/proc` are not in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holders(Arc<Mutex<BTreeMap<[String; 4], Held>>>);

#[derive(Clone, Debug)]
struct Held {
    at: Duration,
    uses: HashMap<u32, Use>,
}

/// What some processes have of a device together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Share {
    /// The values of [`IDENTITY`].
    pub(crate) device: [String; 4],
    /// Absent where one of them does not let it be seen: the rest would look like the whole.
    pub(crate) bytes: Option<u64>,
    /// 0 to 1. Those that did nothing lately are in no list of shares and add nothing.
    pub(crate) utilization: Option<f64>,
}

impl Holders {
    fn note(&self, device: [String; 4], at: Duration, uses: Option<&[Use]>) {
        let mut held = lock(&self.0);
        let Some(uses) = uses else {
            held.remove(&device);
            return;
        };
        let uses = uses.iter().map(|one| (one.pid, one.clone())).collect();
        held.insert(device, Held { at, uses });
    }

    /// What `pids` have of each device that they hold.
    pub(crate) fn shares(&self, pids: &[u32], now: Duration) -> Vec<Share> {
        let mut held = lock(&self.0);
        held.retain(|_, held| now.saturating_sub(held.at) <= GOOD_FOR);
        let share = |(device, held): (&[String; 4], &Held)| {
            let theirs: Vec<&Use> = pids.iter().filter_map(|pid| held.uses.get(pid)).collect();
            let bytes = theirs.iter().map(|one| one.bytes);
            let utilization = theirs.iter().filter_map(|one| one.utilization);
            (!theirs.is_empty()).then(|| Share {
                device: device.clone(),
                bytes: bytes.reduce(|a, b| Some(a?.saturating_add(b?))).flatten(),
                utilization: utilization.reduce(|a, b| a + b).map(|sum| sum.min(1.0)),
            })
        };
        held.iter().filter_map(share).collect()
    }
}

struct Named {
    process: String,
    engine: &'static str,
    container: String,
}

/// Puts the processes of a device; `uses` is `None` where the list could not be read.
pub(super) fn put(
    readings: &mut Readings<'_>,
    root: &Path,
    holders: &Holders,
    uses: Option<Vec<Use>>,
) {
    let can_name = has_host_pids(root);
    holders.note(readings.identity(IDENTITY), readings.now(), uses.as_deref().filter(|_| can_name));
    let Some(mut uses) = uses else { return };
    readings.put(&ACCELERATOR_PROCESS_COUNT, Some(uses.len() as f64));
    uses.sort_by_key(|one| std::cmp::Reverse(one.bytes));
    let (mut engines, mut others) = (0, 0);
    let mut rest: Vec<Use> = Vec::new();
    for (index, one) in uses.into_iter().enumerate() {
        // Beyond this many not even the name is looked up.
        let named = (index < 4 * ENGINES_MAX).then(|| name(root, one.pid, can_name));
        let counter = match &named {
            Some(named) if !named.engine.is_empty() => (&mut engines, ENGINES_MAX),
            _ => (&mut others, OTHERS_MAX),
        };
        match named {
            Some(named) if *counter.0 < counter.1 => {
                *counter.0 += 1;
                put_one(readings, &one.pid.to_string(), &named, one.bytes, one.utilization);
            }
            _ => rest.push(one),
        }
    }
    if !rest.is_empty() {
        let bytes = rest.iter().filter_map(|one| one.bytes).reduce(u64::saturating_add);
        let utilization = rest.iter().filter_map(|one| one.utilization).reduce(|a, b| a + b);
        let named = Named { process: String::new(), engine: "", container: String::new() };
        put_one(readings, "other", &named, bytes, utilization);
    }
}

fn put_one(
    readings: &mut Readings<'_>,
    pid: &str,
    named: &Named,
    bytes: Option<u64>,
    utilization: Option<f64>,
) {
    let labels = [
        ("pid", pid),
        ("process", &named.process),
        ("engine", named.engine),
        ("container", &named.container),
    ];
    let bytes = bytes.map(|bytes| bytes as f64);
    readings.put_of(&ACCELERATOR_PROCESS_MEMORY_BYTES, &labels, bytes);
    readings.put_of(&ACCELERATOR_PROCESS_UTILIZATION_RATIO, &labels, utilization);
}

/// Whether `/proc` counts pids as the host does. In a container of its own it does not, and a pid of the
/// host would be given the name of some other process.
fn has_host_pids(root: &Path) -> bool {
    /// The number of the first namespace of pids, in every kernel.
    const FIRST: &str = "pid:[4026531836]";
    let own = fs::read_link(root.join("proc/self/ns/pid"));
    own.ok().is_none_or(|own| root != Path::new("/") || own == Path::new(FIRST))
}

fn name(root: &Path, pid: u32, can_name: bool) -> Named {
    if !can_name {
        return Named { process: String::new(), engine: "", container: String::new() };
    }
    let comm = fs::read_to_string(root.join(format!("proc/{pid}/comm"))).unwrap_or_default();
    let cgroup = fs::read_to_string(root.join(format!("proc/{pid}/cgroup"))).unwrap_or_default();
    Named {
        process: comm.trim().to_owned(),
        engine: engine(root, pid).unwrap_or_default(),
        container: container(&cgroup).unwrap_or_default(),
    }
}

fn engine(root: &Path, pid: u32) -> Option<&'static str> {
    let mut at = pid;
    for _ in 0..ANCESTORS_MAX {
        if let Some(engine) = process::command(root, at).and_then(|line| engine_of(&line)) {
            return Some(engine);
        }
        at = process::parent(root, at).filter(|parent| *parent > 1)?;
    }
    None
}

/// The engine that a command line starts: its program, or what an interpreter runs.
pub(crate) fn engine_of(command: &str) -> Option<&'static str> {
    let words = command.split(' ').take(4).map(|word| word.rsplit('/').next().unwrap_or(word));
    words.into_iter().find_map(|word| {
        let is_it = |name: &str| {
            let rest = word.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':', '_']))
        };
        ENGINES.iter().find(|(name, _)| is_it(name)).map(|(_, engine)| *engine)
    })
}

/// The first twelve digits of the container's id, as its tools show it.
fn container(cgroup: &str) -> Option<String> {
    let mut parts = cgroup.split(['/', '-', '.', ':', '\n']);
    let is_id = |part: &&str| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.find(is_id).and_then(|id| id.get(..12)).map(str::to_owned)
}

/// What a list in a test says: pid, bytes and share.
#[cfg(test)]
pub(crate) fn held(
    device: [&str; 4],
    at: Duration,
    uses: &[(u32, Option<u64>, Option<f64>)],
) -> Holders {
    let holders = Holders::default();
    let one = |&(pid, bytes, utilization): &_| Use { pid, bytes, utilization };
    let uses: Vec<Use> = uses.iter().map(one).collect();
    holders.note(device.map(str::to_owned), at, Some(&uses));
    holders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines() {
        for (command, expected) in [
            ("/usr/bin/llama-server -m x.gguf", Some("llamacpp")),
            ("/usr/bin/python3 /usr/local/bin/vllm serve m", Some("vllm")),
            ("python3 -m vllm.entrypoints.openai.api_server", Some("vllm")),
            ("python -m sglang.launch_server", Some("sglang")),
            ("sglang::scheduler", Some("sglang")),
            ("/bin/bash -c run", None),
            ("/opt/vllmish", None),
            ("", None),
        ] {
            assert_eq!(engine_of(command), expected, "{command}");
        }
    }

    #[test]
    fn shares_of_trees() {
        let device = |index: &str| ["GPU-1", index, "nvidia", ""].map(str::to_owned);
        let one = |pid, bytes, utilization| Use { pid, bytes, utilization };
        let second = Duration::from_secs;
        let holders = Holders::default();
        let uses = [one(1, Some(10), Some(0.7)), one(2, Some(5), Some(0.6)), one(3, None, None)];
        holders.note(device("0"), second(0), Some(&uses));
        holders.note(device("1"), second(40), Some(&[one(2, Some(7), None)]));
        let check = |pids: &[u32], now, expected: &[(&str, Option<u64>, Option<f64>)]| {
            let found = holders.shares(pids, second(now));
            let expected: Vec<Share> = expected
                .iter()
                .map(|(index, bytes, utilization)| Share {
                    device: device(index),
                    bytes: *bytes,
                    utilization: *utilization,
                })
                .collect();
            assert_eq!(found, expected, "{pids:?}");
        };
        check(&[9], 40, &[]);
        check(&[1, 2, 9], 40, &[("0", Some(15), Some(1.0)), ("1", Some(7), None)]);
        check(&[1, 3], 40, &[("0", None, Some(0.7))]);
        check(&[2], 60, &[("1", Some(7), None)]);
        holders.note(device("1"), second(60), None);
        check(&[2], 60, &[]);
    }

    #[test]
    fn containers() {
        let id = "0123456789abcdef".repeat(4);
        for cgroup in [
            format!("0::/system.slice/docker-{id}.scope\n"),
            format!("12:memory:/docker/{id}\n0::/\n"),
            format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
        ] {
            assert_eq!(container(&cgroup).as_deref(), Some("0123456789ab"), "{cgroup}");
        }
        assert_eq!(container("0::/user.slice/user-1000.slice"), None);
    }
}
