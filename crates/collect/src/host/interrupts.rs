//! Interrupts by source and CPU, from `/proc/interrupts`. Read rarely: the file is large, and has a
//! number for each CPU in each of its lines. Sources that never fired are left out for the same reason.

use model::{Labels, catalogue::NODE_INTERRUPTS_TOTAL, sample::Batch};

use super::{
    Context, Sampler,
    read::{Kept, lines, number, words},
};
use crate::Failure;

/// Series beyond this many are left out: a large machine has a million of them.
const SERIES_MAX: usize = 4_096;

struct Interrupts {
    file: Kept,
    context: Context,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let file = Kept::open(&context.root, "/proc/interrupts")?;
    Ok(Box::new(Interrupts { file, context: context.clone() }))
}

/// What a line says besides its numbers, in node_exporter's way: for a numbered source `info` is the
/// controller and `devices` the rest, for a named one `info` is the whole description.
fn describe(source: &str, rest: &[&[u8]]) -> (String, String) {
    let join = |words: &[&[u8]]| String::from_utf8_lossy(&words.join(&b' ')).into_owned();
    match rest.split_first() {
        Some((controller, others)) if source.bytes().all(|byte| byte.is_ascii_digit()) => {
            (join(&[controller]), join(others))
        }
        _ => (join(rest), String::new()),
    }
}

fn series(context: &Context, source: &str, cpu: u64, (info, devices): &(String, String)) -> Labels {
    let cpu = cpu.to_string();
    let labels =
        [("cpu", cpu.as_str()), ("type", source), ("info", info), ("devices", devices.as_str())];
    context.series(&NODE_INTERRUPTS_TOTAL, &labels)
}

/// The first words of the file, `CPU0 CPU1 ...`, as numbers. CPUs that are offline are missing.
fn cpus(line: &[u8]) -> Vec<u64> {
    words(line).map_while(|word| number(word.strip_prefix(b"CPU")?)).collect()
}

impl Sampler for Interrupts {
    /// The series are made anew each time: the kernel gives the number of a source to another one when
    /// a device goes, and the file is read rarely.
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let first = batch.samples.len();
        let mut lines = lines(self.file.read()?);
        let cpus = cpus(lines.next().unwrap_or_default());
        for line in lines {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let source = String::from_utf8_lossy(line[..colon].trim_ascii());
            let words: Vec<&[u8]> = words(&line[colon + 1..]).collect();
            // Sums over all CPUs have a single number.
            let Some((values, rest)) = words.split_at_checked(cpus.len()) else { continue };
            let counts = cpus.iter().zip(values.iter().filter_map(|word| number(word)));
            let mut fired = counts.filter(|(_, count)| *count > 0).peekable();
            if fired.peek().is_none() {
                continue;
            }
            let description = describe(&source, rest);
            for (cpu, count) in fired {
                if batch.samples.len() - first >= SERIES_MAX {
                    return Ok(());
                }
                batch.push(&series(&self.context, &source, *cpu, &description), count as f64);
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
        let text = "           CPU0       CPU2       \n\
                    24:          1          0  IO-APIC   5-edge      ACPI:Ged\n\
                    NMI:          0          7   Non-maskable interrupts\nERR:          3\nbroken\n";
        let expected = [
            r#"node_interrupts_total{cpu="0", devices="5-edge ACPI:Ged", info="IO-APIC", type="24"} 1"#,
            r#"node_interrupts_total{cpu="2", info="Non-maskable interrupts", type="NMI"} 7"#,
        ];
        check(open, &[("proc/interrupts", text)], &expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "proc/interrupts", &bytes);
        }
    }
}
