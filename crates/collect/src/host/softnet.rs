//! What each CPU did with arriving packets, from `/proc/net/softnet_stat`.
//!
//! The file has no names: columns in hexadecimal, more on newer kernels. Lines of CPUs that are offline
//! are missing, so the CPU is taken from its own column where the kernel has it.

use std::collections::BTreeMap;

use model::{
    Labels,
    catalogue::{
        Metric, NODE_SOFTNET_BACKLOG_LEN, NODE_SOFTNET_DROPPED_TOTAL,
        NODE_SOFTNET_FLOW_LIMIT_COUNT_TOTAL, NODE_SOFTNET_PROCESSED_TOTAL,
        NODE_SOFTNET_RECEIVED_RPS_TOTAL, NODE_SOFTNET_TIMES_SQUEEZED_TOTAL,
    },
    sample::Batch,
};

use super::{
    Context, Sampler,
    numbers::hexadecimal,
    read::{Kept, lines, words},
};
use crate::Failure;

/// Column and metric.
static COLUMNS: [(usize, &Metric); 6] = [
    (0, &NODE_SOFTNET_PROCESSED_TOTAL),
    (1, &NODE_SOFTNET_DROPPED_TOTAL),
    (2, &NODE_SOFTNET_TIMES_SQUEEZED_TOTAL),
    (9, &NODE_SOFTNET_RECEIVED_RPS_TOTAL),
    (10, &NODE_SOFTNET_FLOW_LIMIT_COUNT_TOTAL),
    (11, &NODE_SOFTNET_BACKLOG_LEN),
];
/// Column of the CPU's number.
const CPU: usize = 12;
const COLUMNS_KNOWN: usize = 13;
/// Lines beyond this many are left out: no kernel has more CPUs.
const CPUS_MAX: usize = 8_192;

struct SoftNet {
    file: Kept,
    context: Context,
    cpus: BTreeMap<u64, [Labels; 6]>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let file = Kept::open(&context.root, "/proc/net/softnet_stat")?;
    Ok(Box::new(SoftNet { file, context: context.clone(), cpus: BTreeMap::new() }))
}

impl Sampler for SoftNet {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let Self { file, context, cpus } = self;
        for (index, line) in lines(file.read()?).take(CPUS_MAX).enumerate() {
            let mut numbers = [None; COLUMNS_KNOWN];
            for (slot, word) in numbers.iter_mut().zip(words(line)) {
                *slot = hexadecimal(word);
            }
            let cpu = numbers[CPU].unwrap_or(index as u64);
            if cpu >= CPUS_MAX as u64 {
                continue;
            }
            let series = cpus.entry(cpu).or_insert_with(|| {
                let cpu = cpu.to_string();
                COLUMNS.map(|(_, metric)| context.series(metric, &[("cpu", &cpu)]))
            });
            for ((column, _), labels) in COLUMNS.iter().zip(series) {
                if let Some(value) = numbers.get(*column).copied().flatten() {
                    batch.push(labels, value as f64);
                }
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
        let text = "0000000a 00000001 00000002 0 0 0 0 0 0 00000003 00000004 00000005 00000007 0 0\n\
                    000000ff 00000000 x\n";
        let expected = [
            r#"node_softnet_processed_total{cpu="7"} 10"#,
            r#"node_softnet_dropped_total{cpu="7"} 1"#,
            r#"node_softnet_times_squeezed_total{cpu="7"} 2"#,
            r#"node_softnet_received_rps_total{cpu="7"} 3"#,
            r#"node_softnet_flow_limit_count_total{cpu="7"} 4"#,
            r#"node_softnet_backlog_len{cpu="7"} 5"#,
            r#"node_softnet_processed_total{cpu="1"} 255"#,
            r#"node_softnet_dropped_total{cpu="1"} 0"#,
        ];
        check(open, &[("proc/net/softnet_stat", text)], &expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "proc/net/softnet_stat", &bytes);
        }
    }
}
