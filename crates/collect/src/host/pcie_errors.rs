//! Errors on PCIe links as the devices reported them (Advanced Error Reporting), from
//! `/sys/bus/pci/devices/*/aer_dev_*`. Corrected ones that go on say that a slot or a riser is about to
//! fail; node_exporter has no name for them.
//!
//! The kernel counts, so no device is woken. It gives a total for each severity; the kinds of errors below
//! it are left out. On machines whose firmware keeps the reporting to itself all of it stays 0.

use std::path::PathBuf;

use model::{Labels, catalogue::MODELWATCH_PCIE_ERRORS_TOTAL, sample::Batch};

use super::{
    Context, Sampler,
    numbers::{entries, file_name},
    read::lone_text,
};
use crate::{Failure, FailureKind};

/// Devices beyond this many are left out.
const DEVICES_MAX: usize = 256;

const SEVERITIES: [&str; 3] = ["correctable", "fatal", "nonfatal"];

struct Errors {
    files: Vec<(PathBuf, Labels)>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let folders = entries(&context.root.join("sys/bus/pci/devices"), "").into_iter();
    let mut files = Vec::new();
    for folder in folders.filter(|path| path.join("aer_dev_fatal").exists()).take(DEVICES_MAX) {
        for severity in SEVERITIES {
            let labels = [("pci_bus_id", &*file_name(&folder)), ("severity", severity)];
            let labels = context.series(&MODELWATCH_PCIE_ERRORS_TOTAL, &labels);
            files.push((folder.join(format!("aer_dev_{severity}")), labels));
        }
    }
    if files.is_empty() {
        let detail = "no device in /sys/bus/pci/devices counts errors of its link";
        return Err(Failure::new(FailureKind::Absent, detail));
    }
    Ok(Box::new(Errors { files }))
}

impl Sampler for Errors {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        for (path, labels) in &self.files {
            if let Some(count) = lone_text(path).as_deref().and_then(total) {
                batch.push(labels, count as f64);
            }
        }
        Ok(())
    }
}

/// The last line, `TOTAL_ERR_COR 0`.
fn total(text: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (_, count) = line.strip_prefix("TOTAL_ERR_")?.split_once(' ')?;
        count.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let file = |kind: &str| format!("sys/bus/pci/devices/0000:3b:00.0/aer_dev_{kind}");
        let correctable = "RxErr 3\nBadTLP 0\nRollover 4\nTOTAL_ERR_COR 7\n";
        let paths = [
            (file("correctable"), correctable),
            (file("nonfatal"), "Undefined 0\nTOTAL_ERR_NONFATAL 0\n"),
            (file("fatal"), "DLP 1\nTOTAL_ERR_FATAL x\n"),
            ("sys/bus/pci/devices/0000:00:00.0/vendor".into(), "0x8086\n"),
        ];
        let files: Vec<_> = paths.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let expected = [
            r#"modelwatch_pcie_errors_total{pci_bus_id="0000:3b:00.0", severity="correctable"} 7"#,
            r#"modelwatch_pcie_errors_total{pci_bus_id="0000:3b:00.0", severity="nonfatal"} 0"#,
        ];
        check(open, &files, &expected);
    }
}
