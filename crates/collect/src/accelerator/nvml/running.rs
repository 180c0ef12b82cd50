//! Which processes hold a device, and how much of it each used.
//!
//! Asking takes a lock that all programs of the driver share, so it is done every few seconds only and
//! in at most two calls each.

use std::collections::HashMap;

use super::session::{Session, code};
use crate::accelerator::{
    library::{Arg, Buffer},
    processes::Use,
};

/// Processes of one device; the rest is left out.
const PROCESSES_MAX: u32 = 4_096;
/// Room beyond the number of processes seen last.
const SPARE: u32 = 16;
/// Bytes of one sample of utilisation.
const SAMPLE: usize = 32;

#[derive(Default)]
pub(super) struct State {
    processes: u32,
    samples: u32,
    /// Time of the newest sample of utilisation, in NVML's microseconds.
    newest: u64,
}

/// The processes that compute on the device; `None` where it does not say.
pub(super) fn list(session: &mut Session, state: &mut State) -> Option<Vec<Use>> {
    let mut uses = holders(session, state)?;
    if let Some(shares) = shares(session, state) {
        for one in &mut uses {
            one.utilization = shares.get(&one.pid).map(|percent| f64::from(*percent) / 100.0);
        }
    }
    Some(uses)
}

fn holders(session: &mut Session, state: &mut State) -> Option<Vec<Use>> {
    const NAME: &str = "DeviceGetComputeRunningProcesses";
    let handle = session.handle;
    let mut list = Buffer::default();
    let suffix = session.ask("processes", NAME, |library, suffix, [count, ..]| {
        let size = size_of_entry(suffix);
        let mut answer = code::INSUFFICIENT_SIZE;
        let mut room = state.processes + SPARE;
        for _ in 0..2 {
            list = Buffer::new(room as usize * size);
            count.clear();
            count.set_u32(0, room);
            let mut args = [Arg::Handle(handle), Arg::Buffer(count), Arg::Buffer(&mut list)];
            answer = library.call(NAME, suffix, &mut args)?;
            if answer != code::INSUFFICIENT_SIZE {
                break;
            }
            room = count.u32(0)?.min(PROCESSES_MAX).saturating_add(SPARE);
        }
        Some(answer)
    })?;
    let size = size_of_entry(suffix);
    let room = u32::try_from(list.len() / size).unwrap_or_default();
    state.processes = session.first().u32(0)?.min(room);
    let entry = |index: u32| {
        let at = index as usize * size;
        let bytes = list.u64(at + 8).filter(|bytes| *bytes != u64::MAX);
        Some(Use { pid: list.u32(at)?, bytes, utilization: None })
    };
    // Under MIG a process is listed once for each instance.
    let mut uses: Vec<Use> = Vec::new();
    for one in (0..state.processes).filter_map(entry) {
        match uses.iter_mut().find(|known| known.pid == one.pid) {
            Some(known) => {
                let both = known.bytes.zip(one.bytes).map(|(a, b)| a.saturating_add(b));
                known.bytes = both.or(known.bytes).or(one.bytes);
            }
            None => uses.push(one),
        }
    }
    Some(uses)
}

/// The first version of the call has shorter entries.
fn size_of_entry(suffix: &str) -> usize {
    if suffix.is_empty() { 16 } else { 24 }
}

/// The newest share of each process in percent, of those that ran since the last call.
fn shares(session: &mut Session, state: &mut State) -> Option<HashMap<u32, u32>> {
    const NAME: &str = "DeviceGetProcessUtilization";
    let handle = session.handle;
    let mut samples = Buffer::default();
    session.ask("process_utilization", NAME, |library, suffix, [count, ..]| {
        let mut answer = code::INSUFFICIENT_SIZE;
        let mut room = state.samples.max(state.processes) + SPARE;
        for _ in 0..2 {
            samples = Buffer::new(room as usize * SAMPLE);
            count.clear();
            count.set_u32(0, room);
            let mut args = [
                Arg::Handle(handle),
                Arg::Buffer(&mut samples),
                Arg::Buffer(count),
                Arg::Number(state.newest),
            ];
            answer = library.call(NAME, suffix, &mut args)?;
            if answer != code::INSUFFICIENT_SIZE {
                break;
            }
            room = count.u32(0)?.min(PROCESSES_MAX).saturating_add(SPARE);
        }
        Some(answer)
    })?;
    let room = u32::try_from(samples.len() / SAMPLE).unwrap_or_default();
    state.samples = session.first().u32(0)?.min(room);
    let mut newest: HashMap<u32, (u64, u32)> = HashMap::new();
    for index in 0..state.samples {
        let at = index as usize * SAMPLE;
        let (pid, time, share) = (samples.u32(at)?, samples.u64(at + 8)?, samples.u32(at + 16)?);
        // Places that were not filled have no time, and no share is above 100.
        if time == 0 || share > 100 {
            continue;
        }
        state.newest = state.newest.max(time);
        let known = newest.entry(pid).or_insert((time, share));
        if known.0 < time {
            *known = (time, share);
        }
    }
    Some(newest.into_iter().map(|(pid, (_, share))| (pid, share)).collect())
}
