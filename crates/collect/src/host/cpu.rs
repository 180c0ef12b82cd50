//! CPU time per CPU and mode, and the scheduler's counters, from `/proc/stat`.
//!
//! The kernel's counters can step backwards (idle and iowait, after hot-plugging): a smaller value is
//! held back until the counter has passed the old one, except when a CPU was really reset.

use std::collections::HashMap;

use model::{
    Labels,
    catalogue::{
        Metric, NODE_BOOT_TIME_SECONDS, NODE_CONTEXT_SWITCHES_TOTAL, NODE_CPU_GUEST_SECONDS_TOTAL,
        NODE_CPU_SECONDS_TOTAL, NODE_FORKS_TOTAL, NODE_INTR_TOTAL, NODE_PROCS_BLOCKED,
        NODE_PROCS_RUNNING,
    },
    sample::Batch,
};

use super::{
    Context, Sampler,
    read::{Kept, lines, number, words},
};
use crate::Failure;

/// Modes in the order of the file; guest time follows.
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const GUEST_MODES: [&str; 2] = ["user", "nice"];
const IDLE: usize = 3;

/// An idle counter that falls by more than this means that the CPU was taken out and put back.
const RESET_TICKS: u64 = 300;

/// Unit of `/proc/stat`: USER_HZ is 100 in every kernel's interface to user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// First word of a line and its metric.
static COUNTERS: &[(&str, &Metric)] = &[
    ("btime", &NODE_BOOT_TIME_SECONDS),
    ("ctxt", &NODE_CONTEXT_SWITCHES_TOTAL),
    ("intr", &NODE_INTR_TOTAL),
    ("processes", &NODE_FORKS_TOTAL),
    ("procs_blocked", &NODE_PROCS_BLOCKED),
    ("procs_running", &NODE_PROCS_RUNNING),
];

struct Cpu {
    file: Kept,
    context: Context,
    cpus: HashMap<Box<[u8]>, OneCpu>,
    counters: Vec<(&'static str, Labels)>,
}

struct OneCpu {
    modes: [Labels; 8],
    guest: [Labels; 2],
    /// Ticks last delivered.
    last: [u64; 10],
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let counters = COUNTERS.iter().map(|(word, metric)| (*word, context.series(metric, &[])));
    Ok(Box::new(Cpu {
        file: Kept::open(&context.root, "/proc/stat")?,
        context: context.clone(),
        cpus: HashMap::new(),
        counters: counters.collect(),
    }))
}

impl OneCpu {
    fn new(context: &Context, name: &str) -> Self {
        let labels =
            |metric: &Metric, mode| context.series(metric, &[("cpu", name), ("mode", mode)]);
        Self {
            modes: MODES.map(|mode| labels(&NODE_CPU_SECONDS_TOTAL, mode)),
            guest: GUEST_MODES.map(|mode| labels(&NODE_CPU_GUEST_SECONDS_TOTAL, mode)),
            last: [0; 10],
        }
    }

    fn push(&mut self, ticks: &[u64], batch: &mut Batch) {
        let idle = ticks.get(IDLE).copied().unwrap_or_default();
        if self.last[IDLE].saturating_sub(idle) >= RESET_TICKS {
            self.last = [0; 10];
        }
        let series = self.modes.iter().chain(&self.guest);
        for ((labels, last), now) in series.zip(&mut self.last).zip(ticks) {
            *last = (*last).max(*now);
            batch.push(labels, *last as f64 / TICKS_PER_SECOND);
        }
    }
}

impl Sampler for Cpu {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let Self { file, context, cpus, counters } = self;
        for line in lines(file.read()?) {
            let mut words = words(line);
            let first = words.next().unwrap_or_default();
            match first.strip_prefix(b"cpu") {
                // The first line is the sum of all.
                Some(b"") => {}
                Some(name) => {
                    let mut ticks = [0; 10];
                    let mut count = 0;
                    for (slot, value) in ticks.iter_mut().zip(words.map_while(number)) {
                        *slot = value;
                        count += 1;
                    }
                    if !cpus.contains_key(name) {
                        let label = String::from_utf8_lossy(name).into_owned();
                        cpus.insert(name.into(), OneCpu::new(context, &label));
                    }
                    if let Some(cpu) = cpus.get_mut(name) {
                        cpu.push(&ticks[..count], batch);
                    }
                }
                None => {
                    let known = counters.iter().find(|(word, _)| word.as_bytes() == first);
                    if let (Some((_, labels)), Some(Some(value))) =
                        (known, words.next().map(number))
                    {
                        batch.push(labels, value as f64);
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::{Clock, UnixMs};
    use proptest::prelude::*;

    use super::{
        super::tests::{check, survives},
        *,
    };

    #[test]
    fn readings() {
        let text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 100 0 50 1000 10\nintr 42 1 2 3\nctxt 7\n\
                    btime 1700000000\nprocesses 5\nprocs_running 2\nprocs_blocked x\n";
        let expected = [
            r#"node_cpu_seconds_total{cpu="0", mode="user"} 1"#,
            r#"node_cpu_seconds_total{cpu="0", mode="nice"} 0"#,
            r#"node_cpu_seconds_total{cpu="0", mode="system"} 0.5"#,
            r#"node_cpu_seconds_total{cpu="0", mode="idle"} 10"#,
            r#"node_cpu_seconds_total{cpu="0", mode="iowait"} 0.1"#,
            "node_intr_total 42",
            "node_context_switches_total 7",
            "node_boot_time_seconds 1700000000",
            "node_forks_total 5",
            "node_procs_running 2",
        ];
        check(open, &[("proc/stat", text)], &expected);
    }

    #[test]
    fn counters_never_step_back_but_a_reset_cpu_starts_anew() {
        let context =
            Context { root: "/".into(), instance: "n".into(), clock: Clock::manual(UnixMs(0)) };
        let mut cpu = OneCpu::new(&context, "0");
        let mut idle = |ticks: u64| {
            let mut batch = Batch::default();
            cpu.push(&[0, 0, 0, ticks], &mut batch);
            batch.samples[IDLE].1
        };
        assert_eq!(idle(1_000), 10.0);
        assert_eq!(idle(990), 10.0);
        assert_eq!(idle(1_100), 11.0);
        assert_eq!(idle(5), 0.05);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "proc/stat", &bytes);
        }
    }
}
