//! Clocks of the CPUs, from `/sys/devices/system/cpu/cpu*/cpufreq`. Virtual machines have none.
//!
//! `cpuinfo_cur_freq` is left out: it needs root and asks the hardware. The governor's own figure says
//! the same on current kernels.

use model::catalogue::{
    Metric, NODE_CPU_FREQUENCY_MAX_HERTZ, NODE_CPU_FREQUENCY_MIN_HERTZ,
    NODE_CPU_SCALING_FREQUENCY_HERTZ, NODE_CPU_SCALING_FREQUENCY_MAX_HERTZ,
    NODE_CPU_SCALING_FREQUENCY_MIN_HERTZ,
};

use super::{
    Context, Sampler,
    numbers::{self, Numbers, Unit, numbered},
};
use crate::Failure;

/// File and metric; the files are in kHz.
static FILES: &[(&str, &Metric)] = &[
    ("cpuinfo_max_freq", &NODE_CPU_FREQUENCY_MAX_HERTZ),
    ("cpuinfo_min_freq", &NODE_CPU_FREQUENCY_MIN_HERTZ),
    ("scaling_cur_freq", &NODE_CPU_SCALING_FREQUENCY_HERTZ),
    ("scaling_max_freq", &NODE_CPU_SCALING_FREQUENCY_MAX_HERTZ),
    ("scaling_min_freq", &NODE_CPU_SCALING_FREQUENCY_MIN_HERTZ),
];

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    numbers::open(context, list, "no cpufreq in /sys/devices/system/cpu")
}

fn list(context: &Context, numbers: &mut Numbers) {
    for (cpu, folder) in numbered(&context.root.join("sys/devices/system/cpu"), "cpu") {
        for (file, metric) in FILES {
            let labels = context.series(metric, &[("cpu", &cpu)]);
            numbers.add(folder.join("cpufreq").join(file), labels, Unit::times(1e3));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let folder = "sys/devices/system/cpu/cpu12/cpufreq";
        let path = |file: &str| format!("{folder}/{file}");
        let (current, highest, lowest) =
            (path("scaling_cur_freq"), path("scaling_max_freq"), path("scaling_min_freq"));
        let files = [
            (current.as_str(), "2400123\n"),
            (highest.as_str(), "3500000\n"),
            (lowest.as_str(), "<unsupported>\n"),
            ("sys/devices/system/cpu/cpuidle/current_driver", "none\n"),
        ];
        let expected = [
            r#"node_cpu_scaling_frequency_hertz{cpu="12"} 2400123000"#,
            r#"node_cpu_scaling_frequency_max_hertz{cpu="12"} 3500000000"#,
        ];
        check(open, &files, &expected);
    }
}
