//! Sensors of the board and of its devices, from `/sys/class/hwmon`: temperatures, fans, voltages,
//! currents, power and energy, with their limits.
//!
//! Some drivers ask slow hardware on each read, so this source is not on the thread of the cheap ones.
//! Machines in a cloud have no sensors; then it is absent.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use model::catalogue::{
    Metric, NODE_HWMON_AMPS, NODE_HWMON_CELSIUS, NODE_HWMON_CHIP_NAMES, NODE_HWMON_JOULE_TOTAL,
    NODE_HWMON_RPM, NODE_HWMON_SENSOR_LABEL, NODE_HWMON_VOLTS, NODE_HWMON_WATT,
};

use super::{
    Context, Sampler,
    numbers::{self, Numbers, Unit, entries, file_name},
    read::lone_text,
};
use crate::Failure;

/// Kind of a sensor, family of its metrics, unit of its files, and whether its limits count too.
static KINDS: &[(&str, &Metric, Unit, bool)] = &[
    ("curr", &NODE_HWMON_AMPS, Unit::MILLI, true),
    ("energy", &NODE_HWMON_JOULE_TOTAL, Unit::MICRO, false),
    ("fan", &NODE_HWMON_RPM, Unit::ONE, true),
    ("in", &NODE_HWMON_VOLTS, Unit::MILLI, true),
    ("power", &NODE_HWMON_WATT, Unit::MICRO, true),
    ("temp", &NODE_HWMON_CELSIUS, Unit::MILLI, true),
];

/// What is passed on of a sensor besides its input. A flag goes by the unit of its sensor, as
/// node_exporter has it: a raised `crit_alarm` reads 0.001.
const PROPERTIES: [&str; 10] = [
    "average",
    "cap",
    "crit",
    "crit_alarm",
    "crit_hyst",
    "lcrit",
    "max",
    "max_hyst",
    "min",
    "target",
];

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    numbers::open(context, list, "no sensors in /sys/class/hwmon")
}

fn list(context: &Context, numbers: &mut Numbers) {
    let mut chips = HashSet::new();
    for folder in entries(&context.root.join("sys/class/hwmon"), "hwmon") {
        let name = lone_text(&folder.join("name")).unwrap_or_default();
        let mut chip = chip(&folder, &name);
        // Two chips of one device must not share their series.
        if !chips.insert(chip.clone()) {
            let suffix = if name.is_empty() { file_name(&folder) } else { clean(&name) };
            chip = format!("{chip}_{suffix}");
            chips.insert(chip.clone());
        }
        let pair = [("chip", chip.as_str()), ("chip_name", name.as_str())];
        numbers.fact(context.series(&NODE_HWMON_CHIP_NAMES, &pair));
        // Older drivers have their sensors in the folder of the device.
        for folder in [folder.clone(), folder.join("device")] {
            for file in entries(&folder, "") {
                add(context, numbers, &chip, file);
            }
        }
    }
}

/// What a chip is called: the device behind it is unique where its name is not.
fn chip(folder: &Path, name: &str) -> String {
    let device = std::fs::canonicalize(folder.join("device")).ok();
    let parted = device.as_deref().and_then(|device| {
        let parent = clean(&file_name(device.parent()?));
        let device = clean(&file_name(device));
        Some(if parent.is_empty() { device } else { format!("{parent}_{device}") })
    });
    let name = Some(clean(name)).filter(|name| !name.is_empty());
    parted.or(name).unwrap_or_else(|| file_name(folder))
}

fn clean(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == ':' || c == '_';
    let lower = text.to_ascii_lowercase();
    let clean: String = lower.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    clean.trim_matches('_').to_owned()
}

/// `temp1_input`, `fan2_min`, `power1_average`, `temp3_label`.
fn add(context: &Context, numbers: &mut Numbers, chip: &str, file: PathBuf) {
    let name = file_name(&file);
    let Some((sensor, property)) = name.split_once('_') else { return };
    let kind = sensor.trim_end_matches(|c: char| c.is_ascii_digit());
    let Some((_, family, unit, has_limits)) = KINDS.iter().find(|(known, ..)| *known == kind)
    else {
        return;
    };
    if kind.len() == sensor.len() {
        return;
    }
    let labels = [("chip", chip), ("sensor", sensor)];
    if property == "label" {
        let label = lone_text(&file).unwrap_or_default();
        let labels = [labels[0], labels[1], ("label", label.as_str())];
        numbers.fact(context.series(&NODE_HWMON_SENSOR_LABEL, &labels));
    } else if property == "input" {
        numbers.add(file, context.named(&family.member(kind), &labels), *unit);
    } else if *has_limits && PROPERTIES.contains(&property) {
        let name = family.member(&format!("{kind}_{property}"));
        numbers.add(file, context.named(&name, &labels), *unit);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let files = [
            ("sys/class/hwmon/hwmon0/name", "coretemp\n"),
            ("sys/class/hwmon/hwmon0/temp1_input", "45500\n"),
            ("sys/class/hwmon/hwmon0/temp1_max", "100000\n"),
            ("sys/class/hwmon/hwmon0/temp1_crit_alarm", "1\n"),
            ("sys/class/hwmon/hwmon0/temp1_label", "Core 0\n"),
            ("sys/class/hwmon/hwmon0/temp2_input", "broken\n"),
            ("sys/class/hwmon/hwmon0/fan2_input", "1200\n"),
            ("sys/class/hwmon/hwmon0/in0_input", "1056\n"),
            ("sys/class/hwmon/hwmon0/power1_average", "30123000\n"),
            ("sys/class/hwmon/hwmon0/energy1_input", "5000000\n"),
            ("sys/class/hwmon/hwmon0/pwm1_enable", "2\n"),
            ("sys/class/hwmon/hwmon1/name", "coretemp\n"),
            ("sys/class/hwmon/hwmon1/temp1_input", "1000\n"),
        ];
        let expected = [
            r#"node_hwmon_chip_names{chip="coretemp", chip_name="coretemp"} 1"#,
            r#"node_hwmon_temp_celsius{chip="coretemp", sensor="temp1"} 45.5"#,
            r#"node_hwmon_temp_max_celsius{chip="coretemp", sensor="temp1"} 100"#,
            r#"node_hwmon_temp_crit_alarm_celsius{chip="coretemp", sensor="temp1"} 0.001"#,
            r#"node_hwmon_sensor_label{chip="coretemp", label="Core 0", sensor="temp1"} 1"#,
            r#"node_hwmon_fan_rpm{chip="coretemp", sensor="fan2"} 1200"#,
            r#"node_hwmon_in_volts{chip="coretemp", sensor="in0"} 1.056"#,
            r#"node_hwmon_power_average_watt{chip="coretemp", sensor="power1"} 30.123"#,
            r#"node_hwmon_energy_joule_total{chip="coretemp", sensor="energy1"} 5"#,
            r#"node_hwmon_chip_names{chip="coretemp_coretemp", chip_name="coretemp"} 1"#,
            r#"node_hwmon_temp_celsius{chip="coretemp_coretemp", sensor="temp1"} 1"#,
        ];
        check(open, &files, &expected);
    }

    #[test]
    fn a_chip_is_called_after_its_device() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("sys/devices/platform/coretemp.0");
        let chip_folder = device.join("hwmon/hwmon0");
        std::fs::create_dir_all(&chip_folder).unwrap();
        std::os::unix::fs::symlink(&device, chip_folder.join("device")).unwrap();
        assert_eq!(chip(&chip_folder, "coretemp"), "platform_coretemp_0");
        assert_eq!(clean("PCI0000:00"), "pci0000:00");
    }
}
