//! What an engine's process and its descendants use.
//!
//! A pid is trusted only together with its start time, because the kernel gives it to others later.

use std::{collections::HashSet, fs, path::Path};

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
/// Most processes of one engine; more are not counted.
const TREE_MAX: usize = 1_024;

/// Who a process is, beyond its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// Clock ticks after boot.
    started: u64,
}

/// Sums over a process and its descendants.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) threads: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    parent: u32,
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

/// What the process and its descendants use; `None` once it is gone.
pub(crate) fn usage(root: &Path, identity: Identity) -> Option<Usage> {
    let mut usage = Usage::default();
    let mut seen = HashSet::new();
    let mut waiting = vec![identity.pid];
    let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
    while let Some(pid) = waiting.pop() {
        if !seen.insert(pid) || seen.len() > TREE_MAX {
            continue;
        }
        let Some(stat) = stat(root, pid) else {
            if pid == identity.pid {
                return None;
            }
            continue;
        };
        if pid == identity.pid && stat.started != identity.started {
            return None;
        }
        usage.cpu_seconds += stat.cpu_ticks as f64 / ticks_per_second;
        usage.resident_bytes = usage
            .resident_bytes
            .saturating_add(stat.resident_pages.saturating_mul(rustix::param::page_size() as u64));
        usage.threads += stat.threads;
        waiting.extend(children(root, pid));
    }
    Some(usage)
}

pub(crate) fn children(root: &Path, pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(root.join(format!("proc/{pid}/task"))) else { return Vec::new() };
    let lists =
        tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
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
        let expected =
            Stat { parent: 1, cpu_ticks: 120, threads: 3, started: 555, resident_pages: 42 };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(program_of("/usr/bin/llama-server -m x"), "llama-server");
    }

    #[test]
    fn this_process() {
        let root = Path::new("/");
        let identity = identify(root, std::process::id()).unwrap();
        let found = usage(root, identity).unwrap();
        assert!(found.resident_bytes > 1 << 20 && found.threads >= 1, "{found:?}");
        assert!(start_time(root, identity).unwrap() > 1.6e9);
        let other = Identity { started: identity.started + 1, ..identity };
        assert_eq!(usage(root, other), None, "another process had this number");
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
            let _ = parse(&text);
        }
    }
}
