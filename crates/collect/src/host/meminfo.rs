//! Memory, from `/proc/meminfo`: every field that the kernel has.

use std::collections::HashMap;

use model::{
    Labels,
    catalogue::{NODE_MEMORY_BYTES, NODE_MEMORY_HUGEPAGES},
    sample::Batch,
};

use super::{
    Context, Sampler,
    read::{Kept, lines, number, words},
};
use crate::Failure;

struct MemoryInfo {
    file: Kept,
    context: Context,
    series: HashMap<Box<[u8]>, Labels>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let file = Kept::open(&context.root, "/proc/meminfo")?;
    Ok(Box::new(MemoryInfo { file, context: context.clone(), series: HashMap::new() }))
}

impl Sampler for MemoryInfo {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        for line in lines(self.file.read()?) {
            let mut words = words(line);
            let (Some(field), Some(Some(value))) = (words.next(), words.next().map(number)) else {
                continue;
            };
            let is_kib = words.next() == Some(b"kB");
            if !self.series.contains_key(field) {
                let labels = self.context.named(&metric_name(field, is_kib), &[]);
                self.series.insert(field.into(), labels);
            }
            let factor = if is_kib { 1024.0 } else { 1.0 };
            batch.push(&self.series[field], value as f64 * factor);
        }
        Ok(())
    }
}

/// `Active(anon):` becomes `node_memory_Active_anon_bytes`; counts have no unit.
fn metric_name(field: &[u8], is_kib: bool) -> String {
    let field = String::from_utf8_lossy(field);
    let field = field.trim_end_matches(':').replace('(', "_").replace(')', "");
    match field.strip_prefix("HugePages_") {
        Some(count) if !is_kib => NODE_MEMORY_HUGEPAGES.member(count),
        _ => NODE_MEMORY_BYTES.member(&field),
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
        let text = "MemTotal:       16384 kB\nActive(anon):      2 kB\nHugePages_Total:       7\n\
                    Hugepagesize:       2048 kB\nBroken: x kB\n";
        let expected = [
            "node_memory_MemTotal_bytes 16777216",
            "node_memory_Active_anon_bytes 2048",
            "node_memory_HugePages_Total 7",
            "node_memory_Hugepagesize_bytes 2097152",
        ];
        check(open, &[("proc/meminfo", text)], &expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "proc/meminfo", &bytes);
        }
    }
}
