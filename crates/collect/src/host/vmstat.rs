//! Paging, swapping, faults and out-of-memory kills, from `/proc/vmstat`.

use model::{Labels, catalogue::NODE_VMSTAT, sample::Batch};

use super::{
    Context, Sampler,
    read::{Kept, lines, number, words},
};
use crate::Failure;

/// The fields that node_exporter passes on by default.
const FIELDS: [&str; 7] =
    ["oom_kill", "pgfault", "pgmajfault", "pgpgin", "pgpgout", "pswpin", "pswpout"];

struct VmStat {
    file: Kept,
    series: Vec<(&'static str, Labels)>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let series = FIELDS.map(|field| (field, context.named(&NODE_VMSTAT.member(field), &[])));
    let file = Kept::open(&context.root, "/proc/vmstat")?;
    Ok(Box::new(VmStat { file, series: series.into() }))
}

impl Sampler for VmStat {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        // Most lines are not ours; the first letters tell without splitting.
        let candidates = lines(self.file.read()?)
            .filter(|line| line.starts_with(b"p") || line.starts_with(b"oom"));
        for line in candidates {
            let mut words = words(line);
            let (Some(field), Some(Some(value))) = (words.next(), words.next().map(number)) else {
                continue;
            };
            let known = self.series.iter().find(|(name, _)| name.as_bytes() == field);
            if let Some((_, labels)) = known {
                batch.push(labels, value as f64);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let text = "nr_free_pages 5\npgpgin 10\npgfault 3\npgfault_other 9\noom_kill 1\npswpin x\n";
        let expected = ["node_vmstat_pgpgin 10", "node_vmstat_pgfault 3", "node_vmstat_oom_kill 1"];
        check(open, &[("proc/vmstat", text)], &expected);
    }
}
