//! The binary table that amdgpu gives in `gpu_metrics`: temperatures, power, energy, clocks, links.
//!
//! Reads revisions 1.3 (MI200, RDNA) and 1.4 (MI300) by the byte offsets of the kernel's public
//! `kgd_pp_interface.h`. Any other revision or size is left out and named, since the fields move. A
//! field of all ones is one that the firmware does not fill; so is a share beyond 100 %.
//! `throttle_status` depends on the chip and is not read; `indep_throttle_status` is the driver's
//! translation of it and exists in revision 1.3.

/// Largest table that is read; the largest known has 288 bytes, later ones have a few thousand.
pub(super) const BYTES_MAX: usize = 16 << 10;

/// Joules for each count of the energy accumulator.
const JOULES_PER_COUNT: f64 = 15.259e-6;

/// What one table says. A field that is not filled is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct GpuMetrics {
    pub(super) hotspot_celsius: Option<f64>,
    pub(super) memory_celsius: Option<f64>,
    pub(super) gfx_ratio: Option<f64>,
    pub(super) memory_ratio: Option<f64>,
    pub(super) decoder_ratio: Option<f64>,
    pub(super) power_watts: Option<f64>,
    pub(super) energy_joules: Option<f64>,
    /// The bits of `indep_throttle_status`.
    pub(super) throttle: Option<u64>,
    pub(super) link_width: Option<f64>,
    pub(super) link_transfers: Option<f64>,
    pub(super) core_hertz: Option<f64>,
    pub(super) memory_hertz: Option<f64>,
    pub(super) replays: Option<f64>,
    pub(super) xgmi_received_bytes: Option<f64>,
    pub(super) xgmi_sent_bytes: Option<f64>,
}

/// Why a limiter holds the clock down: label and the bits of `indep_throttle_status`, which the
/// kernel groups as power and current (0-31), temperature (32-45) and the hot signal (46, 47).
pub(super) const THROTTLE_REASONS: &[(&str, u64)] =
    &[("hw_slowdown", 0b11 << 46), ("hw_thermal", 0x3fff << 32), ("sw_power_cap", 0xffff_ffff)];

/// A table that cannot be read, in the words for the source's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Shorter than its own header says, or without one.
    Truncated {
        bytes: usize,
    },
    Unknown {
        format: u8,
        content: u8,
        bytes: usize,
    },
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truncated { bytes } => write!(f, "gpu_metrics: cut off after {bytes} bytes"),
            Self::Unknown { format, content, bytes } => {
                write!(f, "gpu_metrics: revision {format}.{content} of {bytes} bytes is not known")
            }
        }
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<GpuMetrics, Unreadable> {
    let table = Table(bytes);
    let header = (table.u16(0), bytes.get(2), bytes.get(3));
    let (Some(size), Some(format), Some(content)) = header else {
        return Err(Unreadable::Truncated { bytes: bytes.len() });
    };
    let size = usize::from(size);
    let read = match (format, content, size) {
        (1, 3, 120) => revision_1_3,
        (1, 4, 288) => revision_1_4,
        _ => {
            return Err(Unreadable::Unknown { format: *format, content: *content, bytes: size });
        }
    };
    match bytes.get(..size) {
        Some(whole) => Ok(read(&Table(whole))),
        None => Err(Unreadable::Truncated { bytes: bytes.len() }),
    }
}

fn revision_1_3(table: &Table<'_>) -> GpuMetrics {
    GpuMetrics {
        hotspot_celsius: table.u16(6).map(f64::from),
        memory_celsius: table.u16(8).map(f64::from),
        gfx_ratio: table.percent(16),
        memory_ratio: table.percent(18),
        decoder_ratio: table.percent(20),
        power_watts: table.u16(22).map(f64::from),
        energy_joules: table.energy(24),
        throttle: table.u64(112),
        link_width: table.u16(74).map(f64::from),
        link_transfers: table.transfers(76),
        core_hertz: table.megahertz(54),
        memory_hertz: table.megahertz(58),
        ..GpuMetrics::default()
    }
}

fn revision_1_4(table: &Table<'_>) -> GpuMetrics {
    // One clock for each of up to eight compute dies, and one share for each of four decoders: the
    // device as a whole is as busy as their mean.
    let clocks: Vec<f64> = (0..8).filter_map(|die| table.megahertz(240 + 2 * die)).collect();
    let decoders: Vec<f64> = (0..4).filter_map(|unit| table.percent(16 + 2 * unit)).collect();
    GpuMetrics {
        hotspot_celsius: table.u16(4).map(f64::from),
        memory_celsius: table.u16(6).map(f64::from),
        gfx_ratio: table.percent(12),
        memory_ratio: table.percent(14),
        decoder_ratio: mean(&decoders),
        power_watts: table.u16(10).map(f64::from),
        energy_joules: table.energy(24),
        throttle: None,
        link_width: table.u16(48).map(f64::from),
        link_transfers: table.transfers(50),
        core_hertz: mean(&clocks),
        memory_hertz: table.megahertz(280),
        replays: table.u64(88).map(|count| count as f64),
        xgmi_received_bytes: table.xgmi(104),
        xgmi_sent_bytes: table.xgmi(168),
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Little-endian fields of which all ones mean "not available".
struct Table<'a>(&'a [u8]);

impl Table<'_> {
    fn array<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let bytes = self.0.get(offset..offset.checked_add(N)?)?;
        (!bytes.iter().all(|byte| *byte == 0xff)).then(|| bytes.try_into().ok())?
    }

    fn u16(&self, offset: usize) -> Option<u16> {
        self.array(offset).map(u16::from_le_bytes)
    }

    fn u64(&self, offset: usize) -> Option<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }

    fn percent(&self, offset: usize) -> Option<f64> {
        self.u16(offset).filter(|percent| *percent <= 100).map(|percent| f64::from(percent) / 100.0)
    }

    fn megahertz(&self, offset: usize) -> Option<f64> {
        self.u16(offset).map(|megahertz| f64::from(megahertz) * 1e6)
    }

    /// Billions of transfers a second.
    fn transfers(&self, offset: usize) -> Option<f64> {
        self.u16(offset).map(|tenths| f64::from(tenths) / 10.0)
    }

    fn energy(&self, offset: usize) -> Option<f64> {
        self.u64(offset).map(|count| count as f64 * JOULES_PER_COUNT)
    }

    /// Bytes over all eight links, which count in KiB.
    fn xgmi(&self, offset: usize) -> Option<f64> {
        let links: Vec<f64> = (0..8)
            .filter_map(|link| self.u64(offset + 8 * link))
            .map(|count| count as f64 * 1024.0)
            .collect();
        (!links.is_empty()).then(|| links.iter().sum())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A table of one revision where every field is "not available" but those given.
    pub(crate) fn table(revision: (u8, u8), size: u16, fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0xff; usize::from(size)];
        bytes[..2].copy_from_slice(&size.to_le_bytes());
        (bytes[2], bytes[3]) = revision;
        for (offset, value) in fields {
            bytes[*offset..offset + value.len()].copy_from_slice(value);
        }
        bytes
    }

    #[test]
    fn revision_1_3() {
        let bytes = table(
            (1, 3),
            120,
            &[
                (6, &[91, 0]),
                (16, &[100, 0]),
                (18, &[101, 0]),
                (22, &[44, 1]),
                (24, &1_000_000_u64.to_le_bytes()),
                (54, &1_700_u16.to_le_bytes()),
                (74, &[16, 0]),
                (76, &160_u16.to_le_bytes()),
                (112, &(1_u64 << 36).to_le_bytes()),
            ],
        );
        let expected = GpuMetrics {
            hotspot_celsius: Some(91.0),
            gfx_ratio: Some(1.0),
            power_watts: Some(300.0),
            energy_joules: Some(15.259),
            throttle: Some(1 << 36),
            link_width: Some(16.0),
            link_transfers: Some(16.0),
            core_hertz: Some(1.7e9),
            ..GpuMetrics::default()
        };
        assert_eq!(parse(&bytes), Ok(expected), "101 % and all ones are absent, never zero");
    }

    #[test]
    fn revision_1_4() {
        let bytes = table(
            (1, 4),
            288,
            &[
                (4, &[70, 0]),
                (6, &[60, 0]),
                (16, &[10, 0]),
                (18, &[30, 0]),
                (88, &3_u64.to_le_bytes()),
                (104, &2_u64.to_le_bytes()),
                (112, &4_u64.to_le_bytes()),
                (240, &2_100_u16.to_le_bytes()),
                (242, &1_900_u16.to_le_bytes()),
                (280, &1_300_u16.to_le_bytes()),
            ],
        );
        let found = parse(&bytes).unwrap();
        assert_eq!((found.hotspot_celsius, found.memory_celsius), (Some(70.0), Some(60.0)));
        assert_eq!((found.core_hertz, found.memory_hertz), (Some(2.0e9), Some(1.3e9)));
        assert_eq!((found.decoder_ratio, found.replays), (Some(0.2), Some(3.0)));
        assert_eq!((found.xgmi_received_bytes, found.xgmi_sent_bytes), (Some(6_144.0), None));
        assert_eq!((found.power_watts, found.throttle), (None, None));
    }

    #[test]
    fn what_is_not_known_is_named() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(parse(bytes).unwrap_err().to_string(), expected);
        };
        check(&table((2, 2), 100, &[]), "gpu_metrics: revision 2.2 of 100 bytes is not known");
        check(&table((1, 3), 124, &[]), "gpu_metrics: revision 1.3 of 124 bytes is not known");
        check(&table((1, 3), 120, &[])[..119], "gpu_metrics: cut off after 119 bytes");
        check(&[], "gpu_metrics: cut off after 0 bytes");
    }

    #[test]
    fn every_reason_has_bits_of_its_own() {
        for (index, (reason, bits)) in THROTTLE_REASONS.iter().enumerate() {
            assert!(*bits != 0, "{reason}");
            let others = &THROTTLE_REASONS[..index];
            assert!(others.iter().all(|(_, other)| other & bits == 0), "{reason}");
        }
        let hotspot = 1_u64 << 36;
        let (reason, _) = THROTTLE_REASONS.iter().find(|(_, bits)| bits & hotspot != 0).unwrap();
        assert_eq!(*reason, "hw_thermal");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, size in 0_u16..300, minor in 0_u8..6) {
            drop(parse(&bytes));
            let mut bytes = bytes;
            bytes.splice(0..0, [size.to_le_bytes()[0], size.to_le_bytes()[1], 1, minor]);
            drop(parse(&bytes));
        }
    }
}
