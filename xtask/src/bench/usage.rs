//! What a process has used, and what a folder takes, as Linux tells it.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, DirEntry},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::wait;

/// User and system time of a process so far, in ticks of 10 ms on nearly every Linux.
pub(super) fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("failed to read /proc/PID/stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("failed to read /proc/PID/stat")?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64((user + system) as f64 / per_second as f64))
}

/// The process and its descendants, as of now.
pub(super) fn tree(pid: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(own) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // It may have ended since.
        let Ok(stat) = fs::read_to_string(format!("/proc/{own}/stat")) else { continue };
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
        let parent = fields.split_whitespace().nth(1).and_then(|parent| parent.parse().ok());
        parents.extend(parent.map(|parent: u32| (own, parent)));
    }
    let mut tree = vec![pid];
    let mut at = 0;
    while let Some(next) = tree.get(at).copied() {
        tree.extend(parents.iter().filter(|(_, parent)| *parent == next).map(|(own, _)| *own));
        at += 1;
    }
    Ok(tree)
}

/// [`cpu`] of several processes.
pub(super) fn cpu_of_all(pids: &[u32]) -> Result<Duration> {
    pids.iter().map(|pid| cpu(*pid)).sum()
}

/// CPU time of those threads of a process whose names begin with `prefix`, to the nanosecond. They must not
/// end meanwhile.
pub(super) fn threads(pid: u32, prefix: &str) -> Result<Duration> {
    let mut nanoseconds = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let folder = entry?.path();
        if fs::read_to_string(folder.join("comm"))?.starts_with(prefix) {
            nanoseconds +=
                thread(&folder).context("failed to read /proc/PID/task/TID/schedstat")?;
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Nanoseconds of CPU time of a thread, by its folder.
fn thread(folder: &Path) -> Option<u64> {
    let text = fs::read_to_string(folder.join("schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// CPU time of a process over some seconds, to the nanosecond: its threads are looked at often, because what
/// one did is forgotten with it.
pub(super) fn process_for(pid: u32, seconds: u64) -> Result<Duration> {
    const LOOKS: u32 = 10;
    let look = || -> Result<BTreeMap<OsString, u64>> {
        let entries = fs::read_dir(format!("/proc/{pid}/task"))?;
        let time = |entry: DirEntry| Some((entry.file_name(), thread(&entry.path())?));
        Ok(entries.flatten().filter_map(time).collect())
    };
    let before = look()?;
    let mut last = before.clone();
    for _ in 0..seconds * u64::from(LOOKS) {
        wait::pause(Duration::from_secs(1) / LOOKS);
        last.extend(look()?);
    }
    let used = last.iter().map(|(thread, time)| time - before.get(thread).copied().unwrap_or(0));
    Ok(Duration::from_nanos(used.sum()))
}

pub(super) fn resident_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmRSS:")
}

/// The most that was resident since the start, or since [`reset_peak`].
pub(super) fn peak_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmHWM:")
}

/// Begins a new peak at what is resident now.
pub(super) fn reset_peak(pid: u32) -> Result<()> {
    const PEAK: &str = "5";
    fs::write(format!("/proc/{pid}/clear_refs"), PEAK)
        .context("failed to write /proc/PID/clear_refs")
}

fn status_bytes(pid: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    Ok(kilobytes.context("failed to read /proc/PID/status")? * 1024)
}

/// The lengths of all files below a folder.
pub(super) fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
