//! Tables of NVML: ids, bits and what they are called.

use model::catalogue::{
    DCGM_FI_PROF_DRAM_ACTIVE, DCGM_FI_PROF_GR_ENGINE_ACTIVE, DCGM_FI_PROF_PIPE_FP16_ACTIVE,
    DCGM_FI_PROF_PIPE_FP32_ACTIVE, DCGM_FI_PROF_PIPE_TENSOR_ACTIVE, DCGM_FI_PROF_SM_ACTIVE,
    DCGM_FI_PROF_SM_OCCUPANCY, Metric,
};

use super::session::FieldId;

/// The scope of a field that means all links.
pub(super) const ALL_LINKS: u32 = u32::MAX;

/// Why clocks are limited: bit, reason, and the id of the counter of time where there is one.
pub(super) const THROTTLE: &[(u32, &str, Option<u32>)] = &[
    (0x001, "idle", None),
    (0x002, "app_clocks", None),
    (0x004, "sw_power_cap", Some(74)),
    (0x008, "hw_slowdown", None),
    (0x010, "sync_boost", Some(76)),
    (0x020, "sw_thermal", Some(269)),
    (0x040, "hw_thermal", Some(270)),
    (0x080, "hw_power_brake", Some(271)),
    (0x100, "display_clocks", None),
];

/// Engines by the id of GPM.
pub(super) const ENGINES: &[(u32, &str, Option<&Metric>)] = &[
    (1, "graphics", Some(&DCGM_FI_PROF_GR_ENGINE_ACTIVE)),
    (2, "sm", Some(&DCGM_FI_PROF_SM_ACTIVE)),
    (5, "tensor", Some(&DCGM_FI_PROF_PIPE_TENSOR_ACTIVE)),
    (7, "tensor_fp16", None),
    (9, "tensor_int8", None),
    (6, "tensor_fp64", None),
    (13, "fp16", Some(&DCGM_FI_PROF_PIPE_FP16_ACTIVE)),
    (12, "fp32", Some(&DCGM_FI_PROF_PIPE_FP32_ACTIVE)),
    (11, "fp64", None),
    (4, "int", None),
];

/// GPM's ids of occupancy and of memory bandwidth.
pub(super) const OCCUPANCY: (u32, &Metric) = (3, &DCGM_FI_PROF_SM_OCCUPANCY);
pub(super) const BANDWIDTH: (u32, &Metric) = (10, &DCGM_FI_PROF_DRAM_ACTIVE);

/// Clock domains of NVML.
pub(super) const CLOCKS: &[(u64, &str)] = &[(1, "core"), (2, "memory"), (3, "video")];

/// Recovery actions, by their number.
pub(super) const RECOVERY: &[&str] =
    &["none", "gpu_reset", "node_reboot", "drain_p2p", "drain_and_reset", "recover_imex"];

/// Thresholds of temperature.
pub(super) const THRESHOLDS: &[(u64, &str)] =
    &[(1, "slowdown"), (0, "shutdown"), (2, "memory_max"), (3, "core_max")];

const fn value(id: u32, field: &'static str) -> FieldId {
    FieldId { id, scope: 0, field, is_wide: false }
}

const fn of_links(id: u32, field: &'static str) -> FieldId {
    FieldId { id, scope: ALL_LINKS, field, is_wide: false }
}

/// Bytes that PCIe moves in a second are more than 32 bits can count.
const fn of_pcie(id: u32, field: &'static str) -> FieldId {
    FieldId { id, scope: 0, field, is_wide: true }
}

/// Each second: temperature of the memory, PCIe bytes sent and received.
pub(super) static FAST: &[FieldId] = &[
    value(82, "memory_temperature"),
    of_pcie(197, "pcie_transmit_bytes"),
    of_pcie(198, "pcie_receive_bytes"),
];

/// Every five seconds: time in throttling, NVLink (138 and 139 in KiB, of the fifth generation 202 and 204
/// in bytes), PCIe errors, recovery action.
#[rustfmt::skip]
pub(super) static LINKS: &[FieldId] = &[
    value(74, "throttle_time_sw_power_cap"), value(76, "throttle_time_sync_boost"),
    value(269, "throttle_time_sw_thermal"), value(270, "throttle_time_hw_thermal"),
    value(271, "throttle_time_hw_power_brake"),
    of_links(138, "nvlink_transmit_bytes"), of_links(139, "nvlink_receive_bytes"),
    of_links(202, "nvlink5_transmit_bytes"), of_links(204, "nvlink5_receive_bytes"),
    of_links(161, "nvlink_errors_replay"), of_links(162, "nvlink_errors_recovery"),
    of_links(163, "nvlink_errors_crc"),
    value(173, "pcie_errors_correctable"), value(174, "pcie_errors_nak"),
    value(179, "pcie_errors_nonfatal"), value(180, "pcie_errors_fatal"),
    value(230, "recovery_action"),
];

/// The older call for times below the wanted clocks: the id of the value that took its place, the number
/// of the policy, and the field. The thermal policy counts what the software and what the hardware did
/// because of heat, so it stands for no reason alone; its id is that of the same policy among the values.
pub(super) const VIOLATIONS: &[(u32, u64, &str)] = &[
    (74, 0, "violation_power"),
    (THERMAL_POLICY, 1, "violation_thermal"),
    (76, 2, "violation_sync_boost"),
];
pub(super) const THERMAL_POLICY: u32 = 75;

/// Errors on links: id, link, type.
pub(super) const LINK_ERRORS: &[(u32, &str, &str)] = &[
    (161, "nvlink", "replay"),
    (162, "nvlink", "recovery"),
    (163, "nvlink", "crc"),
    (173, "pcie", "correctable"),
    (174, "pcie", "nak"),
    (179, "pcie", "nonfatal"),
    (180, "pcie", "fatal"),
];

/// Once a minute: ECC, retired pages, remapped rows.
#[rustfmt::skip]
pub(super) static ERRORS: &[FieldId] = &[
    value(3, "ecc_volatile"), value(4, "ecc_volatile"),
    value(5, "ecc_lifetime"), value(6, "ecc_lifetime"),
    value(29, "retired_pages"), value(30, "retired_pages"), value(31, "retired_pages"),
    value(142, "remapped_rows"), value(143, "remapped_rows"),
    value(144, "remapped_rows"), value(145, "remapped_rows"),
];

/// Once a minute: limits of power.
#[rustfmt::skip]
pub(super) static LIMITS: &[FieldId] = &[
    value(187, "power_limit_min"), value(188, "power_limit_max"),
    value(189, "power_limit_default"), value(192, "power_limit_requested"),
];

/// Power limits: id, kind.
pub(super) const POWER_LIMITS: &[(u32, &str)] =
    &[(192, "requested"), (189, "default"), (187, "min"), (188, "max")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_that_is_used_is_asked_for() {
        let asked: Vec<u32> =
            FAST.iter().chain(LINKS).chain(ERRORS).chain(LIMITS).map(|one| one.id).collect();
        let throttle = THROTTLE.iter().filter_map(|(_, _, id)| *id);
        let links = LINK_ERRORS.iter().map(|(id, _, _)| *id);
        let limits = POWER_LIMITS.iter().map(|(id, _)| *id);
        for id in throttle.chain(links).chain(limits) {
            assert!(asked.contains(&id), "{id}");
        }
    }
}
