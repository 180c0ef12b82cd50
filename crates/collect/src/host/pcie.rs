//! Width and speed of PCIe links against what they could be, from `/sys/bus/pci/devices`, under the
//! names of node_exporter's `pcidevice`. A GPU at x8 or at an old generation under load is a fault; idle
//! ones lower their speed.
//!
//! A device that sleeps is not asked: reading its link would wake it.

use std::path::PathBuf;

use model::{
    Labels,
    catalogue::{
        Metric, NODE_PCIDEVICE_CURRENT_LINK_TRANSFERS_PER_SECOND,
        NODE_PCIDEVICE_CURRENT_LINK_WIDTH, NODE_PCIDEVICE_INFO,
        NODE_PCIDEVICE_MAX_LINK_TRANSFERS_PER_SECOND, NODE_PCIDEVICE_MAX_LINK_WIDTH,
    },
    sample::Batch,
};

use super::{
    Context, Sampler,
    numbers::{Unit, entries, file_name, read_number},
    read::lone_text,
};
use crate::{Failure, FailureKind};

/// Devices beyond this many are left out.
const DEVICES_MAX: usize = 1_000;
/// Width of a link that cannot be read.
const WIDTH_UNKNOWN: f64 = 255.0;

static FILES: [(&str, &Metric, Unit); 4] = [
    ("current_link_speed", &NODE_PCIDEVICE_CURRENT_LINK_TRANSFERS_PER_SECOND, Unit::times(1e9)),
    ("current_link_width", &NODE_PCIDEVICE_CURRENT_LINK_WIDTH, Unit::ONE),
    ("max_link_speed", &NODE_PCIDEVICE_MAX_LINK_TRANSFERS_PER_SECOND, Unit::times(1e9)),
    ("max_link_width", &NODE_PCIDEVICE_MAX_LINK_WIDTH, Unit::ONE),
];

struct Links {
    devices: Vec<Device>,
}

struct Device {
    folder: PathBuf,
    info: Labels,
    series: [Labels; 4],
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let folders = entries(&context.root.join("sys/bus/pci/devices"), "").into_iter();
    let with_link = folders.filter(|folder| folder.join("max_link_width").exists());
    let devices: Vec<_> =
        with_link.filter_map(|folder| Device::new(context, folder)).take(DEVICES_MAX).collect();
    if devices.is_empty() {
        let detail = "no device with a PCIe link in /sys/bus/pci/devices";
        return Err(Failure::new(FailureKind::Absent, detail));
    }
    Ok(Box::new(Links { devices }))
}

impl Device {
    /// The folder's name is the address: `0000:3b:00.0`.
    fn new(context: &Context, folder: PathBuf) -> Option<Self> {
        let address = file_name(&folder);
        let mut parts = address.splitn(3, ':');
        let (segment, bus, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let (device, function) = rest.split_once('.')?;
        let place =
            [("segment", segment), ("bus", bus), ("device", device), ("function", function)];
        let text = |file: &str| lone_text(&folder.join(file)).unwrap_or_default();
        let (class, vendor, id) = (text("class"), text("vendor"), text("device"));
        let facts = [
            ("class_id", class.as_str()),
            ("vendor_id", vendor.as_str()),
            ("device_id", id.as_str()),
        ];
        let info = context.series(&NODE_PCIDEVICE_INFO, &[&place[..], &facts[..]].concat());
        let series = FILES.map(|(_, metric, _)| context.series(metric, &place));
        Some(Self { folder, info, series })
    }

    fn sleeps(&self) -> bool {
        let status = lone_text(&self.folder.join("power/runtime_status"));
        matches!(status.as_deref(), Some("suspended" | "suspending" | "resuming"))
    }
}

impl Sampler for Links {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        for device in &self.devices {
            if device.sleeps() {
                continue;
            }
            batch.push(&device.info, 1.0);
            for ((file, _, unit), labels) in FILES.iter().zip(&device.series) {
                let number = read_number(&device.folder.join(file)).ok().flatten();
                let is_width = file.ends_with("width");
                // A link that is down has no width, and its speed is a word.
                let known = number.filter(|number| !(is_width && *number == WIDTH_UNKNOWN));
                if let Some(number) = known {
                    batch.push(labels, unit.apply(number));
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
        let file = |address: &str, file: &str| format!("sys/bus/pci/devices/{address}/{file}");
        let (gpu, sleeper, down) = ("0000:3b:00.0", "0000:01:00.1", "0000:02:00.0");
        let paths = [
            (file(gpu, "current_link_speed"), "2.5 GT/s PCIe\n"),
            (file(gpu, "current_link_width"), "8\n"),
            (file(gpu, "max_link_speed"), "16.0 GT/s PCIe\n"),
            (file(gpu, "max_link_width"), "16\n"),
            (file(gpu, "vendor"), "0x10de\n"),
            (file(gpu, "power/runtime_status"), "active\n"),
            (file(sleeper, "max_link_width"), "16\n"),
            (file(sleeper, "power/runtime_status"), "suspended\n"),
            (file(down, "current_link_speed"), "Unknown\n"),
            (file(down, "max_link_width"), "255\n"),
            (file("0000:00:00.0", "vendor"), "0x8086\n"),
        ];
        let files: Vec<_> = paths.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let place = r#"{bus="3b", device="00", function="0", segment="0000"}"#;
        let lines = [
            ("current_link_transfers_per_second", "2500000000"),
            ("current_link_width", "8"),
            ("max_link_transfers_per_second", "16000000000"),
            ("max_link_width", "16"),
        ]
        .map(|(name, value)| format!("node_pcidevice_{name}{place} {value}"));
        let mut expected: Vec<&str> = lines.iter().map(String::as_str).collect();
        let info = r#"{bus="3b", device="00", function="0", segment="0000", vendor_id="0x10de"}"#;
        let info = format!("node_pcidevice_info{info} 1");
        let down = r#"node_pcidevice_info{bus="02", device="00", function="0", segment="0000"} 1"#;
        expected.extend([info.as_str(), down]);
        check(open, &files, &expected);
    }
}
