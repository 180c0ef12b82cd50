//! The processes that hold a device, as series: the largest by name and number, the rest as one sum,
//! so that a host with thousands of processes does not make thousands of series.

use std::{cmp::Reverse, fs, path::Path};

use model::catalogue::{
    ACCELERATOR_PROCESS_COUNT, ACCELERATOR_PROCESS_MEMORY_BYTES,
    ACCELERATOR_PROCESS_UTILIZATION_RATIO,
};

use super::report::Readings;

/// Processes with series of their own on each device.
const SHOWN_MAX: usize = 16;

/// What one process uses of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    pub(super) memory_bytes: Option<f64>,
    pub(super) utilization: Option<f64>,
}

/// Gives the number of holders and what each of the largest uses. `root` is where `/proc` is.
pub(super) fn put(readings: &mut Readings<'_>, root: &Path, mut holders: Vec<Holder>) {
    readings.put(&ACCELERATOR_PROCESS_COUNT, Some(holders.len() as f64));
    let size = |holder: &Holder| holder.memory_bytes.unwrap_or_default() as u64;
    holders.sort_by_key(|holder| (Reverse(size(holder)), holder.pid));
    let rest = holders.split_off(holders.len().min(SHOWN_MAX));
    for holder in &holders {
        let name = fs::read_to_string(root.join(format!("proc/{}/comm", holder.pid)));
        let pid = holder.pid.to_string();
        put_one(readings, &pid, name.unwrap_or_default().trim(), holder);
    }
    if !rest.is_empty() {
        let sum = |value: fn(&Holder) -> Option<f64>| {
            let values: Vec<f64> = rest.iter().filter_map(value).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>())
        };
        let others = Holder {
            pid: 0,
            memory_bytes: sum(|holder| holder.memory_bytes),
            utilization: sum(|holder| holder.utilization).map(|share| share.min(1.0)),
        };
        put_one(readings, "other", "", &others);
    }
}

fn put_one(readings: &mut Readings<'_>, pid: &str, process: &str, holder: &Holder) {
    let labels = [("pid", pid), ("process", process)];
    readings.put_of(&ACCELERATOR_PROCESS_MEMORY_BYTES, &labels, holder.memory_bytes);
    readings.put_of(&ACCELERATOR_PROCESS_UTILIZATION_RATIO, &labels, holder.utilization);
}
