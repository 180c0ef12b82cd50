//! How many processes and threads there are, and in which states, from `/proc/*/stat`; their limits.
//!
//! One look at each process and none at its threads, whose states would cost ten times as much.

use std::{collections::BTreeMap, mem::MaybeUninit, path::PathBuf};

use model::{
    Labels,
    catalogue::{
        NODE_PROCESSES_MAX_PROCESSES, NODE_PROCESSES_MAX_THREADS, NODE_PROCESSES_PIDS,
        NODE_PROCESSES_STATE, NODE_PROCESSES_THREADS,
    },
    sample::Batch,
};
use rustix::{
    fd::OwnedFd,
    fs::{Mode, OFlags, RawDir, SeekFrom, open as open_file, openat, seek},
};

use super::{
    Context, Sampler,
    numbers::read_number,
    read::{number, words},
};
use crate::Failure;

/// Processes beyond this many are not looked at.
const PROCESSES_MAX: u64 = 100_000;
/// Room for the line of a process, which has at most about 400 bytes.
const LINE_BYTES: usize = 1_024;
const FOLDER_BYTES: usize = 32 << 10;
/// Fields after the name: the state, and further on the number of threads.
const THREADS: usize = 17;

const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC);

struct Processes {
    folder: OwnedFd,
    buffer: Box<[MaybeUninit<u8>]>,
    path: String,
    context: Context,
    pids: Labels,
    threads: Labels,
    /// Once seen, a state stays, with 0 where no process is in it.
    states: BTreeMap<u8, (Labels, u64)>,
    limits: [(PathBuf, Labels); 2],
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let path = context.root.join("proc");
    let folder = open_file(&path, READ.union(OFlags::DIRECTORY), Mode::empty())
        .map_err(|error| Failure::from_io(path.display(), &error.into()))?;
    let limit = |file: &str, metric| {
        (context.root.join("proc/sys/kernel").join(file), context.series(metric, &[]))
    };
    Ok(Box::new(Processes {
        folder,
        buffer: vec![MaybeUninit::uninit(); FOLDER_BYTES].into(),
        path: String::new(),
        context: context.clone(),
        pids: context.series(&NODE_PROCESSES_PIDS, &[]),
        threads: context.series(&NODE_PROCESSES_THREADS, &[]),
        states: BTreeMap::new(),
        limits: [
            limit("pid_max", &NODE_PROCESSES_MAX_PROCESSES),
            limit("threads-max", &NODE_PROCESSES_MAX_THREADS),
        ],
    }))
}

/// State and number of threads. The name before them may contain blanks and parentheses itself.
fn parse(line: &[u8]) -> Option<(u8, u64)> {
    let end = line.iter().rposition(|byte| *byte == b')')?;
    let mut words = words(line.get(end + 1..)?);
    let state = *words.next()?.first()?;
    Some((state, number(words.nth(THREADS - 1)?)?))
}

impl Sampler for Processes {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let Self { folder, buffer, path, context, states, .. } = self;
        let failed = |error: rustix::io::Errno| Failure::from_io("/proc", &error.into());
        states.values_mut().for_each(|(_, count)| *count = 0);
        let (mut pids, mut threads) = (0_u64, 0_u64);
        seek(&*folder, SeekFrom::Start(0)).map_err(failed)?;
        let mut entries = RawDir::new(&*folder, buffer);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_str().unwrap_or_default();
            if !name.starts_with(|first: char| first.is_ascii_digit()) || pids >= PROCESSES_MAX {
                continue;
            }
            path.clear();
            path.push_str(name);
            path.push_str("/stat");
            let mut line = [0; LINE_BYTES];
            // It may have ended since; then it is none of them.
            let Ok(file) = openat(&*folder, path.as_str(), READ, Mode::empty()) else { continue };
            let Ok(count) = rustix::io::read(&file, &mut line) else { continue };
            let Some((state, own)) = parse(line.get(..count).unwrap_or_default()) else { continue };
            pids += 1;
            threads = threads.saturating_add(own);
            let (_, count) = states.entry(state).or_insert_with(|| {
                let state = char::from(state).to_string();
                (context.series(&NODE_PROCESSES_STATE, &[("state", &state)]), 0)
            });
            *count += 1;
        }
        batch.push(&self.pids, pids as f64);
        batch.push(&self.threads, threads as f64);
        self.states.values().for_each(|(labels, count)| batch.push(labels, *count as f64));
        for (path, labels) in &self.limits {
            if let Ok(Some(limit)) = read_number(path) {
                batch.push(labels, limit);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let stat = |state: &str, threads: u32| {
            format!(
                "7 (a ) (b) {state} 1 7 7 0 -1 4194560 1 2 3 4 100 20 0 0 20 0 {threads} 0 555\n"
            )
        };
        let (sleeping, running) = (stat("S", 3), stat("R", 1));
        let files = [
            ("proc/1/stat", sleeping.as_str()),
            ("proc/22/stat", sleeping.as_str()),
            ("proc/333/stat", running.as_str()),
            ("proc/4/comm", "ended\n"),
            ("proc/5/stat", "broken"),
            ("proc/sys/kernel/pid_max", "32768\n"),
        ];
        let expected = [
            "node_processes_pids 3",
            "node_processes_threads 7",
            r#"node_processes_state{state="R"} 1"#,
            r#"node_processes_state{state="S"} 2"#,
            "node_processes_max_processes 32768",
        ];
        check(open, &files, &expected);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
