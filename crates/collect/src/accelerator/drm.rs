//! What the GPUs of all drivers below `/sys/class/drm` have in common: which there are, their
//! sensors, their PCIe link, and whether they sleep.

use std::{
    fs,
    path::{Path, PathBuf},
};

use model::catalogue::{ACCELERATOR_PCIE_LINK_GENERATION, ACCELERATOR_PCIE_LINK_WIDTH};

use super::{
    files::Files,
    report::{Readings, pci_bus_id},
};

/// Cards beyond this many are left out.
const CARDS_MAX: usize = 128;
/// Sensors of one chip.
const SENSORS_MAX: usize = 16;

/// A card that the kernel drives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Card {
    /// Its folder `device`.
    pub(super) folder: PathBuf,
    /// Its sensors, where the driver offers some.
    pub(super) hwmon: Option<PathBuf>,
    /// PCI address.
    pub(super) address: String,
    /// PCI vendor, as in `0x1002`.
    pub(super) vendor: String,
    pub(super) driver: String,
}

/// All cards on the PCI bus, by address.
pub(super) fn cards(root: &Path) -> Vec<Card> {
    let Ok(entries) = fs::read_dir(root.join("sys/class/drm")) else { return Vec::new() };
    let cards = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let number = name.to_str()?.strip_prefix("card")?;
        // `card0-DP-1` is a connector.
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        card(entry.path().join("device"))
    });
    let mut cards: Vec<Card> = cards.take(CARDS_MAX).collect();
    cards.sort_by(|a, b| a.address.cmp(&b.address));
    cards.dedup_by(|a, b| a.address == b.address);
    cards
}

fn card(folder: PathBuf) -> Option<Card> {
    let uevent = fs::read_to_string(folder.join("uevent")).ok()?;
    let value =
        |key: &str| uevent.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let vendor = fs::read_to_string(folder.join("vendor")).ok()?;
    let chips = fs::read_dir(folder.join("hwmon")).into_iter().flatten().flatten();
    let mut chips: Vec<PathBuf> = chips.map(|chip| chip.path()).collect();
    chips.sort();
    Some(Card {
        hwmon: chips.into_iter().next(),
        address: pci_bus_id(value("PCI_SLOT_NAME")?),
        vendor: vendor.trim().to_ascii_lowercase(),
        driver: value("DRIVER").unwrap_or_default().to_owned(),
        folder,
    })
}

impl Card {
    /// Whether the device is powered down; reading its files would wake it.
    pub(super) fn is_asleep(&self) -> bool {
        let status = fs::read_to_string(self.folder.join("power/runtime_status"));
        status.is_ok_and(|status| status.trim().starts_with("suspend"))
    }

    /// Sensors of a kind (`temp`, `power`) with number and label, by number.
    pub(super) fn sensors(&self, kind: &str) -> Vec<(String, String)> {
        let Some(hwmon) = &self.hwmon else { return Vec::new() };
        let found = (1..=SENSORS_MAX).filter_map(|number| {
            let name = format!("{kind}{number}");
            let label = fs::read_to_string(hwmon.join(format!("{name}_label"))).ok();
            let has_input = hwmon.join(format!("{name}_input")).exists();
            (label.is_some() || has_input)
                .then(|| (name, label.unwrap_or_default().trim().to_owned()))
        });
        found.collect()
    }
}

/// The PCIe link as it is (`current`) or as it could be (`max`).
pub(super) fn put_link(
    readings: &mut Readings<'_>,
    files: &mut Files,
    folder: &Path,
    kind: &'static str,
) {
    let width = files.number("pcie_link", &folder.join(format!("{kind}_link_width")));
    let speed = files.text("pcie_link", &folder.join(format!("{kind}_link_speed")));
    let label = [("kind", kind)];
    // An unknown link has 0 or 255 lanes.
    let width = width.filter(|lanes| (1.0..=64.0).contains(lanes));
    readings.put_of(&ACCELERATOR_PCIE_LINK_WIDTH, &label, width);
    let generation = speed.as_deref().and_then(generation);
    readings.put_of(&ACCELERATOR_PCIE_LINK_GENERATION, &label, generation);
}

/// The PCIe generation of a speed such as `16.0 GT/s PCIe`.
fn generation(speed: &str) -> Option<f64> {
    generation_of(speed.split(' ').next()?.parse().ok()?)
}

/// The PCIe generation with that many billion transfers a second.
pub(super) fn generation_of(transfers: f64) -> Option<f64> {
    let speeds = [2.5, 5.0, 8.0, 16.0, 32.0, 64.0];
    let index = speeds.iter().position(|speed| (speed - transfers).abs() < 0.1)?;
    Some(index as f64 + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations() {
        for (speed, expected) in [
            ("2.5 GT/s PCIe", Some(1.0)),
            ("5 GT/s", Some(2.0)),
            ("16.0 GT/s PCIe", Some(4.0)),
            ("32.0 GT/s PCIe", Some(5.0)),
            ("Unknown speed", None),
            ("", None),
        ] {
            assert_eq!(generation(speed), expected, "{speed}");
        }
    }

    #[test]
    fn only_cards_on_the_bus() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join("sys/class/drm").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for (card, address) in [("card1", "0000:83:00.0"), ("card2", "0000:03:00.0")] {
            write(
                &format!("{card}/device/uevent"),
                &format!("DRIVER=amdgpu\nPCI_SLOT_NAME={address}\n"),
            );
            write(&format!("{card}/device/vendor"), "0x1002\n");
        }
        write("card1-DP-1/device/uevent", "PCI_SLOT_NAME=0000:83:00.0\n");
        write("card7/device/uevent", "MODALIAS=platform:amdgpu_xcp_drm\n");
        write("renderD128/device/uevent", "PCI_SLOT_NAME=0000:03:00.0\n");
        write("card2/device/hwmon/hwmon4/temp2_label", "junction\n");
        write("card2/device/power/runtime_status", "suspended\n");
        let found = cards(root.path());
        let addresses: Vec<&str> = found.iter().map(|card| card.address.as_str()).collect();
        assert_eq!(addresses, ["0000:03:00.0", "0000:83:00.0"]);
        assert_eq!(found[0].sensors("temp"), [("temp2".into(), "junction".into())]);
        assert!(found[0].is_asleep() && !found[1].is_asleep());
        assert_eq!((found[1].driver.as_str(), found[1].vendor.as_str()), ("amdgpu", "0x1002"));
    }
}
