//! What the machine is: facts that do not change while it runs.
//!
//! Reads files only; a fact that cannot be read is absent. Accelerators come from the PCI bus, so that
//! one without a driver is seen too.

use std::{fs, path::Path};

/// PCI vendors whose display controllers and processing accelerators run models.
const VENDORS: &[(&str, &str)] = &[
    ("0x1002", "AMD"),
    ("0x10de", "NVIDIA"),
    ("0x19e5", "Huawei"),
    ("0x1d94", "Hygon"),
    ("0x1e36", "Enflame"),
    ("0x1e3e", "Iluvatar"),
    ("0x1ed5", "Moore Threads"),
    ("0x8086", "Intel"),
    ("0xcabc", "Cambricon"),
];

/// First two bytes of the PCI class: VGA, 3D, other display, processing accelerator.
const CLASSES: &[&str] = &["0x0300", "0x0302", "0x0380", "0x1200"];

/// The watched machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    pub hostname: Option<String>,
    pub kernel: Option<String>,
    pub os_name: Option<String>,
    pub cpu_model: Option<String>,
    /// Logical CPUs.
    pub cpus: Option<usize>,
    pub memory_bytes: Option<u64>,
    pub accelerators: Vec<Accelerator>,
}

/// A GPU, NPU or other device on the PCI bus that could run models.
#[derive(Clone, Debug, PartialEq)]
pub struct Accelerator {
    pub vendor: String,
    /// PCI device number, as in `0x2330`.
    pub device: String,
    /// The kernel driver that holds it.
    pub driver: Option<String>,
    /// PCI address, as in `0000:3b:00.0`.
    pub address: String,
}

/// Reads the facts below `root`.
pub fn read(root: &Path) -> Inventory {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let line = |path: &str| read(path).map(|text| text.trim().to_owned()).filter(|t| !t.is_empty());
    let cpuinfo = read("proc/cpuinfo").unwrap_or_default();
    let field = |text: &str, name: &str, separator: char| {
        let fields = text.lines().filter_map(|line| line.split_once(separator));
        let mut found = fields.filter(|(key, _)| key.trim() == name);
        found.next().map(|(_, value)| value.trim().trim_matches('"').to_owned())
    };
    let cpus = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let memory = field(&read("proc/meminfo").unwrap_or_default(), "MemTotal", ':');
    let kibibytes = memory.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    Inventory {
        hostname: line("proc/sys/kernel/hostname"),
        kernel: line("proc/sys/kernel/osrelease"),
        os_name: field(&read("etc/os-release").unwrap_or_default(), "PRETTY_NAME", '='),
        cpu_model: field(&cpuinfo, "model name", ':'),
        cpus: (cpus > 0).then_some(cpus),
        memory_bytes: kibibytes.and_then(|count| count.checked_mul(1024)),
        accelerators: accelerators(root),
    }
}

fn accelerators(root: &Path) -> Vec<Accelerator> {
    let Ok(devices) = fs::read_dir(root.join("sys/bus/pci/devices")) else { return Vec::new() };
    let found = devices.flatten().filter_map(|device| {
        let path = device.path();
        let read = |name: &str| {
            fs::read_to_string(path.join(name)).ok().map(|text| text.trim().to_owned())
        };
        let class = read("class")?;
        let id = read("vendor")?;
        let (_, vendor) = VENDORS.iter().find(|(known, _)| *known == id)?;
        CLASSES.iter().find(|known| class.starts_with(**known))?;
        let driver = fs::read_link(path.join("driver")).ok();
        Some(Accelerator {
            vendor: (*vendor).into(),
            device: read("device")?,
            driver: driver.and_then(|to| Some(to.file_name()?.to_str()?.to_owned())),
            address: device.file_name().to_string_lossy().into_owned(),
        })
    });
    let mut found: Vec<Accelerator> = found.collect();
    found.sort_by(|a, b| a.address.cmp(&b.address));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_an_accelerator() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/sys/kernel/hostname", "gpu-1\n");
        write("etc/os-release", "ID=x\nPRETTY_NAME=\"Some Linux 12\"\n");
        write("proc/cpuinfo", "processor\t: 0\nmodel name\t: A CPU\n\nprocessor\t: 1\n");
        write("proc/meminfo", "MemTotal:       16384 kB\n");
        for (address, class, vendor) in
            [("0000:02:00.0", "0x030200", "0x10de"), ("0000:01:00.0", "0x020000", "0x10de")]
        {
            let device = format!("sys/bus/pci/devices/{address}");
            write(&format!("{device}/class"), class);
            write(&format!("{device}/vendor"), vendor);
            write(&format!("{device}/device"), "0x2330\n");
        }
        let expected = Inventory {
            hostname: Some("gpu-1".into()),
            kernel: None,
            os_name: Some("Some Linux 12".into()),
            cpu_model: Some("A CPU".into()),
            cpus: Some(2),
            memory_bytes: Some(16 << 20),
            accelerators: vec![Accelerator {
                vendor: "NVIDIA".into(),
                device: "0x2330".into(),
                driver: None,
                address: "0000:02:00.0".into(),
            }],
        };
        assert_eq!(read(folder.path()), expected);
        assert_eq!(read(Path::new("/nowhere")), Inventory::default());
    }
}
