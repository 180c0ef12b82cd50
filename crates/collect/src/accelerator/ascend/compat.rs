//! The names that Huawei's npu-exporter gives its readings, so that its dashboards work.
//!
//! Its labels `namespace`, `pod_name` and `container_name` are empty without Kubernetes, which
//! Prometheus treats as absent. All are gauges in the vendor's own units.

use model::{Labels, catalogue::*, sample::Batch};

use super::{
    super::report::Health,
    dcmi::{Ecc, Facts, Reading},
};

/// Most error codes that have a series.
const CODES_MAX: usize = 10;

/// The labels of one chip's series.
#[derive(Clone, Debug)]
pub(super) struct Names {
    base: Vec<(&'static str, String)>,
}

impl Names {
    pub(super) fn new(host: &str, index: usize, facts: &Facts, address: &str) -> Self {
        let parts = [&facts.name, &facts.kind, &facts.version];
        let parts: Vec<&str> =
            parts.iter().map(|part| part.as_str()).filter(|part| !part.is_empty()).collect();
        let base = vec![
            ("host", host.to_owned()),
            ("id", index.to_string()),
            ("model_name", parts.join("-")),
            ("vdie_id", facts.die.clone().unwrap_or_default()),
            ("pcie_bus_info", address.to_ascii_uppercase()),
        ];
        Self { base }
    }

    fn series(&self, name: &str, extra: &[(&str, &str)]) -> Labels {
        let base = self.base.iter().map(|(name, value)| (*name, value.as_str()));
        Labels::metric(name, base.chain(extra.iter().copied()))
    }

    /// Gives a round's readings; `slow` is the last slow round.
    pub(super) fn put(&self, reading: &Reading, slow: &Reading, batch: &mut Batch) {
        let hbm = reading.hbm;
        let mebibytes = |value: u64| value as f64;
        let gigabytes = |rate: f64| rate / 1e9;
        let pairs: [(&Metric, Option<f64>); 21] = [
            (&NPU_CHIP_INFO_UTILIZATION, reading.aicore),
            (&NPU_CHIP_INFO_OVERALL_UTILIZATION, reading.overall),
            (&NPU_CHIP_INFO_VECTOR_UTILIZATION, reading.vector),
            (&NPU_CHIP_INFO_CUBE_UTILIZATION, reading.cube),
            (&NPU_CHIP_INFO_TEMPERATURE, reading.celsius),
            (&NPU_CHIP_INFO_POWER, reading.watts),
            (&NPU_CHIP_INFO_VOLTAGE, reading.volts),
            (&NPU_CHIP_INFO_AICORE_CURRENT_FREQ, reading.core_megahertz),
            (&NPU_CHIP_INFO_HEALTH_STATUS, Some(state(reading.health, &[0]))),
            (&NPU_CHIP_INFO_HBM_USED_MEMORY, hbm.map(|hbm| mebibytes(hbm.used))),
            (&NPU_CHIP_INFO_HBM_TOTAL_MEMORY, hbm.map(|hbm| mebibytes(hbm.total))),
            (&NPU_CHIP_INFO_HBM_UTILIZATION, reading.hbm_percent),
            (
                &NPU_CHIP_INFO_HBM_BANDWIDTH_UTILIZATION,
                hbm.map(|hbm| f64::from(hbm.bandwidth_percent)),
            ),
            (&NPU_CHIP_INFO_HBM_TEMPERATURE, hbm.map(|hbm| f64::from(hbm.celsius))),
            (
                &NPU_CHIP_INFO_USED_MEMORY,
                reading.memory.map(|(total, available)| mebibytes(total - available)),
            ),
            (&NPU_CHIP_INFO_TOTAL_MEMORY, reading.memory.map(|(total, _)| mebibytes(total))),
            (
                &NPU_CHIP_INFO_NETWORK_STATUS,
                reading.network.map(|network| state(Some(network), &[0, 6])),
            ),
            (
                &NPU_CHIP_INFO_PROCESS_INFO_NUM,
                reading.processes.as_ref().map(|processes| processes.len() as f64),
            ),
            (
                &NPU_CHIP_INFO_HCCS_BANDWIDTH_INFO_TOTAL_RX,
                reading.hccs.map(|rate| gigabytes(rate.received)),
            ),
            (
                &NPU_CHIP_INFO_HCCS_BANDWIDTH_INFO_TOTAL_TX,
                reading.hccs.map(|rate| gigabytes(rate.sent)),
            ),
            (&NPU_CHIP_INFO_NAME, Some(1.0)),
        ];
        for (metric, value) in pairs {
            if let Some(value) = value {
                batch.push(&self.series(metric.name, &[]), value);
            }
        }
        self.put_lists(reading, batch);
        if let Some(ecc) = slow.ecc.iter().find(|ecc| ecc.location == "hbm") {
            self.put_ecc(ecc, batch);
        }
    }

    fn put_lists(&self, reading: &Reading, batch: &mut Batch) {
        for (pid, bytes) in reading.processes.iter().flatten() {
            let pid = pid.to_string();
            let labels = self.series(NPU_CHIP_INFO_PROCESS_INFO.name, &[("process_id", &pid)]);
            batch.push(&labels, *bytes as f64 / super::MEBIBYTE);
        }
        let codes = reading.errors.iter().flatten().take(CODES_MAX);
        for (index, code) in codes.enumerate() {
            // The first has no number.
            let name = match index {
                0 => NPU_CHIP_INFO_ERROR_CODE.name.to_owned(),
                _ => NPU_CHIP_INFO_ERROR_CODES.member(&index.to_string()),
            };
            batch.push(&self.series(&name, &[]), f64::from(*code));
        }
    }

    fn put_ecc(&self, ecc: &Ecc, batch: &mut Batch) {
        let counts = [
            ("enable_flag", u32::from(ecc.is_enabled)),
            ("single_bit_error_cnt", ecc.single),
            ("double_bit_error_cnt", ecc.double),
            ("total_single_bit_error_cnt", ecc.total_single),
            ("total_double_bit_error_cnt", ecc.total_double),
            ("single_bit_isolated_pages_cnt", ecc.single_isolated),
            ("double_bit_isolated_pages_cnt", ecc.double_isolated),
        ];
        for (field, count) in counts {
            let name = NPU_CHIP_INFO_HBM_ECC.member(field);
            batch.push(&self.series(&name, &[]), f64::from(count));
        }
    }
}

/// 1 for a good state, 0 for any other, -1 when it is not known, as npu-exporter does it.
fn state(value: Option<u32>, good: &[u32]) -> f64 {
    match value {
        None => -1.0,
        Some(value) if good.contains(&value) => 1.0,
        Some(_) => 0.0,
    }
}

/// How many chips there are, and how many in each state.
pub(super) fn put_counts(host: &str, healths: &[Health], batch: &mut Batch) {
    let count = |wanted: &[Health]| healths.iter().filter(|health| wanted.contains(health)).count();
    let pairs: [(&Metric, usize); 4] = [
        (&MACHINE_NPU_NUMS, healths.len()),
        (&MACHINE_HEALTHY_NPU_NUMS, count(&[Health::Ok])),
        (&MACHINE_UNHEALTHY_NPU_NUMS, count(&[Health::Degraded, Health::Failed])),
        (&MACHINE_UNKNOWN_NPU_NUMS, count(&[Health::Unknown])),
    ];
    for (metric, value) in pairs {
        batch.push(&Labels::metric(metric.name, [("host", host)]), value as f64);
    }
}
