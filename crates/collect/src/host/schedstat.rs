//! How long tasks ran on each CPU and waited for it, from `/proc/schedstat` (needs
//! `CONFIG_SCHEDSTATS`).

use std::collections::HashMap;

use model::{
    Labels,
    catalogue::{
        NODE_SCHEDSTAT_RUNNING_SECONDS_TOTAL, NODE_SCHEDSTAT_TIMESLICES_TOTAL,
        NODE_SCHEDSTAT_WAITING_SECONDS_TOTAL,
    },
    sample::Batch,
};

use super::{
    Context, Sampler,
    read::{Kept, lines, number, words},
};
use crate::Failure;

/// Numbers before the three that are passed on.
const SKIPPED: usize = 6;
const NANOSECONDS: f64 = 1e9;

struct SchedStat {
    file: Kept,
    context: Context,
    cpus: HashMap<Box<[u8]>, [Labels; 3]>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let file = Kept::open(&context.root, "/proc/schedstat")?;
    Ok(Box::new(SchedStat { file, context: context.clone(), cpus: HashMap::new() }))
}

impl Sampler for SchedStat {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let Self { file, context, cpus } = self;
        for line in lines(file.read()?) {
            let mut words = words(line);
            let Some(cpu) = words.next().and_then(|word| word.strip_prefix(b"cpu")) else {
                continue;
            };
            let mut numbers = words.skip(SKIPPED).map(number);
            let (Some(Some(running)), Some(Some(waiting)), Some(Some(slices))) =
                (numbers.next(), numbers.next(), numbers.next())
            else {
                continue;
            };
            if !cpus.contains_key(cpu) {
                let name = String::from_utf8_lossy(cpu);
                let metrics = [
                    NODE_SCHEDSTAT_RUNNING_SECONDS_TOTAL,
                    NODE_SCHEDSTAT_WAITING_SECONDS_TOTAL,
                    NODE_SCHEDSTAT_TIMESLICES_TOTAL,
                ];
                let series = metrics.map(|metric| context.series(&metric, &[("cpu", &name)]));
                cpus.insert(cpu.into(), series);
            }
            if let Some(series) = cpus.get(cpu) {
                batch.push(&series[0], running as f64 / NANOSECONDS);
                batch.push(&series[1], waiting as f64 / NANOSECONDS);
                batch.push(&series[2], slices as f64);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::tests::{check, survives},
        *,
    };

    #[test]
    fn readings() {
        let text = "version 15\ntimestamp 15819019232\n\
                    cpu0 0 0 0 0 0 0 2045936778163 343796328169 4767485306\ndomain0 00000003 212499\n\
                    cpu1 0 0 0\n";
        let expected = [
            r#"node_schedstat_running_seconds_total{cpu="0"} 2045.936778163"#,
            r#"node_schedstat_waiting_seconds_total{cpu="0"} 343.796328169"#,
            r#"node_schedstat_timeslices_total{cpu="0"} 4767485306"#,
        ];
        check(open, &[("proc/schedstat", text)], &expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "proc/schedstat", &bytes);
        }
    }
}
