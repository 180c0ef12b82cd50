//! Temperatures of the board's sensors, from `/sys/class/hwmon`, and of thermal zones.
//!
//! Some drivers ask slow hardware on each read, so this source has its own thread. Machines in a
//! cloud have no sensors; then it is absent.

use std::path::{Path, PathBuf};

use model::{
    Labels,
    catalogue::{NODE_HWMON_CHIP_NAMES, NODE_HWMON_TEMP_CELSIUS, NODE_THERMAL_ZONE_TEMP},
    sample::Batch,
};

use super::{
    Context, Sampler,
    read::{lone_number, lone_text},
};
use crate::{Failure, FailureKind};

/// Sensors beyond this many are left out.
const SENSORS_MAX: usize = 1_000;

/// Sensors in thousandths of a degree.
struct Sensors {
    temperatures: Vec<(PathBuf, Labels)>,
    names: Vec<Labels>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let mut sensors = Sensors { temperatures: Vec::new(), names: Vec::new() };
    for folder in entries(&context.root.join("sys/class/hwmon"), "hwmon") {
        sensors.add_chip(context, &folder);
    }
    for folder in entries(&context.root.join("sys/class/thermal"), "thermal_zone") {
        let zone = file_name(&folder).trim_start_matches("thermal_zone").to_owned();
        let kind = lone_text(&folder.join("type")).unwrap_or_default();
        let labels = [("zone", zone.as_str()), ("type", kind.as_str())];
        let labels = context.series(&NODE_THERMAL_ZONE_TEMP, &labels);
        sensors.temperatures.push((folder.join("temp"), labels));
    }
    if sensors.temperatures.is_empty() {
        let detail = "no sensors in /sys/class/hwmon or /sys/class/thermal";
        return Err(Failure::new(FailureKind::Absent, detail));
    }
    sensors.temperatures.truncate(SENSORS_MAX);
    Ok(Box::new(sensors))
}

impl Sensors {
    fn add_chip(&mut self, context: &Context, folder: &Path) {
        let name = lone_text(&folder.join("name")).unwrap_or_default();
        // The device behind the sensor is unique where the chip's name is not.
        let device = std::fs::canonicalize(folder.join("device")).ok();
        let chip = device.as_deref().map_or_else(|| file_name(folder), file_name);
        let chip = chip.replace([':', '.', '-'], "_");
        let pair = [("chip", chip.as_str()), ("chip_name", name.as_str())];
        self.names.push(context.series(&NODE_HWMON_CHIP_NAMES, &pair));
        for input in entries(folder, "temp") {
            let file = file_name(&input);
            let Some(sensor) = file.strip_suffix("_input") else { continue };
            let labels = [("chip", chip.as_str()), ("sensor", sensor)];
            let labels = context.series(&NODE_HWMON_TEMP_CELSIUS, &labels);
            self.temperatures.push((input, labels));
        }
    }
}

impl Sampler for Sensors {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        for (path, labels) in &self.temperatures {
            if let Some(millidegrees) = lone_number(path) {
                batch.push(labels, millidegrees / 1e3);
            }
        }
        for labels in &self.names {
            batch.push(labels, 1.0);
        }
        Ok(())
    }
}

/// Entries of a folder whose name starts with `prefix`, in order.
fn entries(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<_> = paths.filter(|path| file_name(path).starts_with(prefix)).collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
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
            ("sys/class/hwmon/hwmon0/temp2_input", "broken\n"),
            ("sys/class/thermal/thermal_zone3/type", "x86_pkg_temp\n"),
            ("sys/class/thermal/thermal_zone3/temp", "-5000\n"),
        ];
        let expected = [
            r#"node_hwmon_chip_names{chip="hwmon0", chip_name="coretemp"} 1"#,
            r#"node_hwmon_temp_celsius{chip="hwmon0", sensor="temp1"} 45.5"#,
            r#"node_thermal_zone_temp{type="x86_pkg_temp", zone="3"} -5"#,
        ];
        check(open, &files, &expected);
    }
}
