//! What modelwatch itself uses, under the conventional names of a process, which dashboards for
//! node_exporter expect beside the host's.

use std::path::Path;

use model::{
    Labels,
    catalogue::{
        PROCESS_CPU_SECONDS_TOTAL, PROCESS_MAX_FDS, PROCESS_OPEN_FDS,
        PROCESS_RESIDENT_MEMORY_BYTES, PROCESS_START_TIME_SECONDS, PROCESS_VIRTUAL_MEMORY_BYTES,
        PROCESS_VIRTUAL_MEMORY_MAX_BYTES,
    },
    sample::Batch,
};
use rustix::process::{Resource, getrlimit};

use super::{
    Context, Sampler,
    read::{Kept, number, words},
};
use crate::{Failure, FailureKind, process};

/// Fields of `/proc/self/stat` after the name: both CPU times, further on virtual memory and resident pages.
const TIMES: usize = 11;
const MEMORY: usize = 20;

struct OwnProcess {
    stat: Kept,
    cpu: Labels,
    open_files: Labels,
    resident: Labels,
    memory: Labels,
    /// What does not change.
    facts: Vec<(Labels, f64)>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let series = |metric| context.series(metric, &[]);
    // Ourselves are below the true root, wherever the host's files are.
    let root = Path::new("/");
    let unlimited = 2_f64.powi(64);
    let limit = |resource| getrlimit(resource).current.map_or(unlimited, |limit| limit as f64);
    let mut facts = vec![
        (series(&PROCESS_MAX_FDS), limit(Resource::Nofile)),
        (series(&PROCESS_VIRTUAL_MEMORY_MAX_BYTES), limit(Resource::As)),
    ];
    let started = process::identify(root, std::process::id())
        .and_then(|identity| process::start_time(root, identity));
    facts.extend(started.map(|time| (series(&PROCESS_START_TIME_SECONDS), time)));
    Ok(Box::new(OwnProcess {
        stat: Kept::open(root, "/proc/self/stat")?,
        cpu: series(&PROCESS_CPU_SECONDS_TOTAL),
        open_files: series(&PROCESS_OPEN_FDS),
        resident: series(&PROCESS_RESIDENT_MEMORY_BYTES),
        memory: series(&PROCESS_VIRTUAL_MEMORY_BYTES),
        facts,
    }))
}

impl Sampler for OwnProcess {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let malformed = || Failure::new(FailureKind::Malformed, "/proc/self/stat");
        let line = self.stat.read()?;
        let end = line.iter().rposition(|byte| *byte == b')').ok_or_else(malformed)?;
        let mut fields = words(line.get(end + 1..).unwrap_or_default()).map(number);
        let mut field = |skipped| fields.nth(skipped).flatten().ok_or_else(malformed);
        let ticks = field(TIMES)?.saturating_add(field(0)?);
        let memory = field(MEMORY - TIMES - 2)?;
        let pages = field(0)?;
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        batch.push(&self.cpu, ticks as f64 / per_second);
        batch.push(&self.memory, memory as f64);
        batch.push(&self.resident, pages as f64 * rustix::param::page_size() as f64);
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            // One of them is the folder that is read.
            batch.push(&self.open_files, files.count().saturating_sub(1) as f64);
        }
        self.facts.iter().for_each(|(labels, value)| batch.push(labels, *value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::{Clock, UnixMs, catalogue::Metric};

    use super::*;

    #[test]
    fn this_process() {
        let context =
            Context { root: "/".into(), instance: "n".into(), clock: Clock::manual(UnixMs(0)) };
        let mut batch = Batch::default();
        open(&context).unwrap().sample(&mut batch).unwrap();
        let value = |metric: &Metric| {
            let mut found = batch.samples.iter().filter(|(labels, _)| labels.name() == metric.name);
            found.next().unwrap().1
        };
        assert!(value(&PROCESS_VIRTUAL_MEMORY_BYTES) > value(&PROCESS_RESIDENT_MEMORY_BYTES));
        assert!(value(&PROCESS_RESIDENT_MEMORY_BYTES) > f64::from(1 << 20));
        assert!(value(&PROCESS_START_TIME_SECONDS) > 1.6e9);
        assert!(value(&PROCESS_OPEN_FDS) >= 3.0);
        assert!(value(&PROCESS_MAX_FDS) >= value(&PROCESS_OPEN_FDS));
        assert!(value(&PROCESS_VIRTUAL_MEMORY_MAX_BYTES) > value(&PROCESS_VIRTUAL_MEMORY_BYTES));
        assert!(value(&PROCESS_CPU_SECONDS_TOTAL) < 1e6);
    }
}
