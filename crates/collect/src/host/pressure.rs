//! Pressure stall information, from `/proc/pressure`: time lost waiting for CPU, memory and I/O.
//!
//! Absent where the kernel was built or started without it (`psi=1` enables it).

use model::{
    Labels,
    catalogue::{
        Metric, NODE_PRESSURE_CPU_WAITING_SECONDS_TOTAL, NODE_PRESSURE_IO_STALLED_SECONDS_TOTAL,
        NODE_PRESSURE_IO_WAITING_SECONDS_TOTAL, NODE_PRESSURE_IRQ_STALLED_SECONDS_TOTAL,
        NODE_PRESSURE_MEMORY_STALLED_SECONDS_TOTAL, NODE_PRESSURE_MEMORY_WAITING_SECONDS_TOTAL,
    },
    sample::Batch,
};

use super::{
    Context, Sampler,
    read::{Kept, lines, number, words},
};
use crate::{Failure, FailureKind};

/// File, first word of the line, metric.
static LINES: &[(&str, &str, &Metric)] = &[
    ("cpu", "some", &NODE_PRESSURE_CPU_WAITING_SECONDS_TOTAL),
    ("io", "full", &NODE_PRESSURE_IO_STALLED_SECONDS_TOTAL),
    ("io", "some", &NODE_PRESSURE_IO_WAITING_SECONDS_TOTAL),
    ("irq", "full", &NODE_PRESSURE_IRQ_STALLED_SECONDS_TOTAL),
    ("memory", "full", &NODE_PRESSURE_MEMORY_STALLED_SECONDS_TOTAL),
    ("memory", "some", &NODE_PRESSURE_MEMORY_WAITING_SECONDS_TOTAL),
];

struct Pressure {
    /// Open files, each with its lines' first words and series.
    files: Vec<(Kept, Vec<(&'static str, Labels)>)>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let mut files = Vec::new();
    for resource in ["cpu", "io", "irq", "memory"] {
        // The irq file exists on few kernels; one missing file does not spoil the others.
        let Ok(mut file) = Kept::open(&context.root, &format!("/proc/pressure/{resource}")) else {
            continue;
        };
        // With pressure accounting off at boot the files exist but cannot be read.
        if file.read().is_err() {
            continue;
        }
        let lines = LINES.iter().filter(|(name, _, _)| *name == resource);
        let series = lines.map(|(_, first, metric)| (*first, context.series(metric, &[])));
        files.push((file, series.collect()));
    }
    if files.is_empty() {
        let detail = "no readable /proc/pressure: start the kernel with psi=1 to have it";
        return Err(Failure::new(FailureKind::Absent, detail));
    }
    Ok(Box::new(Pressure { files }))
}

impl Sampler for Pressure {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        for (file, series) in &mut self.files {
            for line in lines(file.read()?) {
                let mut words = words(line);
                let first = words.next().unwrap_or_default();
                let total = words.find_map(|word| word.strip_prefix(b"total=")).and_then(number);
                let known = series.iter().find(|(name, _)| name.as_bytes() == first);
                if let (Some((_, labels)), Some(micros)) = (known, total) {
                    batch.push(labels, micros as f64 / 1e6);
                }
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
        let line = |word: &str, total: u64| {
            format!("{word} avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n")
        };
        let cpu = line("some", 1_500_000) + &line("full", 9);
        let io = line("some", 2_000_000) + &line("full", 500_000);
        let files = [("proc/pressure/cpu", cpu.as_str()), ("proc/pressure/io", io.as_str())];
        let expected = [
            "node_pressure_cpu_waiting_seconds_total 1.5",
            "node_pressure_io_waiting_seconds_total 2",
            "node_pressure_io_stalled_seconds_total 0.5",
        ];
        check(open, &files, &expected);
    }
}
