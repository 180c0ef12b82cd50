use std::collections::BTreeMap;

use model::Clock;

use super::{super::standin::Machine, *};
use crate::FailureKind;

fn machine(macros: &[&str]) -> Machine {
    Machine::new("huawei", "dcmi", macros)
}

fn opened(machine: &Machine) -> Result<Box<dyn Sampler>, Failure> {
    // No test waits this long.
    open_patiently(&machine.context(), Duration::from_secs(60))
}

/// Series with the label `index` or `id` in front, without those that every one has.
fn read(sampler: &mut dyn Sampler) -> BTreeMap<String, f64> {
    let mut batch = Batch::default();
    sampler.sample(&mut batch).unwrap();
    let base = ["vendor", "host", "index", "id", "model", "uuid", "pci_bus_id"];
    let compat = ["model_name", "vdie_id", "pcie_bus_info"];
    let line = |(labels, value): &(model::Labels, f64)| {
        let number = labels.get("index").or(labels.get("id")).unwrap_or("-");
        let rest = labels.keep(|name| !base.contains(&name) && !compat.contains(&name));
        (format!("{number} {rest}"), *value)
    };
    batch.samples.iter().map(line).collect()
}

#[track_caller]
fn check(found: &BTreeMap<String, f64>, name: &str, value: impl Into<Option<f64>>) {
    assert_eq!(found.get(name).copied(), value.into(), "{name}\n{found:#?}");
}

#[test]
fn everything_that_a_chip_says() {
    let machine = machine(&["SCRIBBLE"]);
    machine.write("sys/bus/pci/devices/0000:c1:00.0/max_link_width", "16\n");
    let mut sampler = opened(&machine).unwrap();
    let found = read(sampler.as_mut());
    for (name, value) in [
        ("0 accelerator_up", 1.0),
        ("0 accelerator_health{state=\"ok\"}", 1.0),
        ("1 accelerator_health{state=\"failed\"}", 1.0),
        ("0 accelerator_utilization_ratio", 0.6),
        ("0 accelerator_engine_utilization_ratio{engine=\"cube\"}", 0.4),
        ("0 accelerator_engine_utilization_ratio{engine=\"vector\"}", 0.2),
        ("0 accelerator_engine_utilization_ratio{engine=\"aicore\"}", 0.55),
        // 101 % is no share; the AI cores stand in.
        ("1 accelerator_utilization_ratio", 0.55),
        ("0 accelerator_memory_bandwidth_utilization_ratio", 0.12),
        ("0 accelerator_memory_total_bytes", 68_719_476_736.0),
        ("0 accelerator_memory_used_bytes", 4_294_967_296.0),
        ("0 accelerator_memory_free_bytes", 64_424_509_440.0),
        ("0 accelerator_power_watts", 213.5),
        ("0 accelerator_voltage_volts", 0.87),
        ("0 accelerator_temperature_celsius{sensor=\"core\"}", 47.0),
        ("0 accelerator_temperature_celsius{sensor=\"memory\"}", 49.0),
        ("0 accelerator_clock_hertz{domain=\"core\"}", 1.65e9),
        ("0 accelerator_clock_hertz{domain=\"memory\"}", 1.6e9),
        ("0 accelerator_clock_max_hertz{domain=\"core\"}", 1.8e9),
        ("0 accelerator_link_up{link=\"roce\"}", 1.0),
        ("1 accelerator_link_up{link=\"roce\"}", 0.0),
        ("0 accelerator_memory_pages_retired_total{cause=\"uncorrected\"}", 4.0),
        ("0 accelerator_memory_repair_pending", 1.0),
        ("0 accelerator_process_memory_bytes{pid=\"4711\"}", 3_221_225_472.0),
        ("0 accelerator_pcie_link_width{kind=\"max\"}", 16.0),
        ("0 accelerator_info{library_version=\"24.1.rc2\"}", 1.0),
        ("0 accelerator_field_state{field=\"power\", state=\"ok\"}", 1.0),
        ("0 accelerator_field_state{field=\"ecc\", state=\"ok\"}", 1.0),
        ("0 accelerator_sample_age_seconds{group=\"fast\"}", 0.0),
    ] {
        check(&found, name, value);
    }
    let ecc = "location=\"hbm\", scope=\"lifetime\", type=\"corrected\"";
    check(&found, &format!("0 accelerator_ecc_errors_total{{{ecc}}}"), 70.0);
    let error = "class=\"fault\", code=\"80E01801\"";
    check(&found, &format!("1 accelerator_errors_total{{{error}}}"), 1.0);
    // The voltage that means "not available", and no energy before there are two readings.
    check(&found, "1 accelerator_voltage_volts", None);
    check(&found, "0 accelerator_energy_joules_total", None);
    machine.advance(10);
    let found = read(sampler.as_mut());
    check(&found, "0 accelerator_energy_joules_total", 2_135.0);
    // A code that stays is not counted again.
    check(&found, &format!("1 accelerator_errors_total{{{error}}}"), 1.0);
}

#[test]
fn links_are_measured_and_added_up() {
    let machine = machine(&[]);
    let mut sampler = opened(&machine).unwrap();
    let found = read(sampler.as_mut());
    check(&found, "0 npu_chip_info_hccs_bandwidth_info_total_tx", 12.5);
    check(&found, "0 npu_chip_info_hccs_bandwidth_info_total_rx", 4.0);
    check(&found, "0 accelerator_link_transmit_bytes_total{link=\"hccs\"}", None);
    check(&found, "0 accelerator_field_state{field=\"hccs_rate\", state=\"ok\"}", 1.0);
    machine.advance(10);
    let found = read(sampler.as_mut());
    for (name, value) in [
        ("0 accelerator_link_transmit_bytes_total{link=\"hccs\"}", 125e9),
        ("0 accelerator_link_receive_bytes_total{link=\"hccs\"}", 40e9),
        // The means of the three kinds: 1 + 2 + 3 and 5 + 6 + 7 MB/ms.
        ("0 accelerator_link_transmit_bytes_total{link=\"pcie\"}", 60e9),
        ("0 accelerator_link_receive_bytes_total{link=\"pcie\"}", 180e9),
        ("0 accelerator_field_state{field=\"hccs_rate\", state=\"estimated\"}", 1.0),
        ("0 accelerator_field_state{field=\"pcie_rate\", state=\"estimated\"}", 1.0),
        ("1 accelerator_field_state{field=\"pcie_rate\", state=\"unsupported\"}", 1.0),
    ] {
        check(&found, name, value);
    }
    // A rate below zero is none, and what is not measured is not added up.
    check(&found, "1 npu_chip_info_hccs_bandwidth_info_total_tx", None);
    check(&found, "1 accelerator_link_transmit_bytes_total{link=\"hccs\"}", None);
    check(&found, "1 accelerator_link_transmit_bytes_total{link=\"pcie\"}", None);
    for macros in [&["NO_RATES"][..], &["V2"]] {
        let machine = self::machine(macros);
        let found = read(opened(&machine).unwrap().as_mut());
        let state = "0 accelerator_field_state{field=\"hccs_rate\", state=\"unsupported\"}";
        check(&found, state, 1.0);
    }
}

#[test]
fn identity() {
    let machine = machine(&[]);
    let mut batch = Batch::default();
    opened(&machine).unwrap().sample(&mut batch).unwrap();
    let up = |labels: &model::Labels| {
        labels.name() == ACCELERATOR_UP.name && labels.get("index") == Some("1")
    };
    let (labels, _) = batch.samples.iter().find(|(labels, _)| up(labels)).unwrap();
    let uuid = "1234ABCD-00000002-00000002-00000002-00000001";
    assert_eq!(labels.get("uuid"), Some(uuid));
    assert_eq!(labels.get("model"), Some("Ascend 910B3"));
    assert_eq!(labels.get("pci_bus_id"), Some("0000:c2:00.0"));
    assert_eq!(labels.get("vendor"), Some("huawei"));
    let name = |labels: &model::Labels| {
        labels.name() == NPU_CHIP_INFO_NAME.name && labels.get("id") == Some("1")
    };
    let (labels, _) = batch.samples.iter().find(|(labels, _)| name(labels)).unwrap();
    assert_eq!(labels.get("model_name"), Some("910B3-Ascend-V1"));
    assert_eq!(labels.get("vdie_id"), Some(uuid));
    assert_eq!(labels.get("pcie_bus_info"), Some("0000:C2:00.0"));
}

#[test]
fn the_names_of_npu_exporter() {
    let found = read(opened(&machine(&[])).unwrap().as_mut());
    for (name, value) in [
        ("- machine_npu_nums", 2.0),
        ("- machine_healthy_npu_nums", 1.0),
        ("- machine_unhealthy_npu_nums", 1.0),
        ("- machine_unknown_npu_nums", 0.0),
        ("0 npu_chip_info_utilization", 55.0),
        ("0 npu_chip_info_overall_utilization", 60.0),
        ("0 npu_chip_info_temperature", 47.0),
        ("0 npu_chip_info_power", 213.5),
        ("0 npu_chip_info_health_status", 1.0),
        ("1 npu_chip_info_health_status", 0.0),
        ("0 npu_chip_info_hbm_total_memory", 65_536.0),
        ("0 npu_chip_info_hbm_utilization", 77.0),
        ("0 npu_chip_info_hbm_ecc_total_single_bit_error_cnt", 70.0),
        ("0 npu_chip_info_process_info{process_id=\"4711\"}", 3_072.0),
        ("0 npu_chip_info_process_info_num", 1.0),
        ("1 npu_chip_info_error_code", f64::from(0x80e0_1801_u32)),
        ("1 npu_chip_info_error_code_1", f64::from(0x80c9_8000_u32)),
        ("1 npu_chip_info_network_status", 0.0),
    ] {
        check(&found, name, value);
    }
    check(&found, "0 npu_chip_info_error_code", None);
    check(&found, "1 npu_chip_info_overall_utilization", None);
    for name in found.keys().filter_map(|key| key.split([' ', '{']).nth(1)) {
        assert!(find(name).is_some(), "{name}");
    }
}

#[test]
fn newer_boards() {
    let found = read(opened(&machine(&["V2"])).unwrap().as_mut());
    check(&found, "0 accelerator_utilization_ratio", 0.6);
    check(&found, "0 accelerator_power_watts", 213.5);
    check(&found, "1 npu_chip_info_error_code", f64::from(0x80e0_1801_u32));
    check(&found, "0 accelerator_process_memory_bytes{pid=\"4711\"}", 3_221_225_472.0);
    check(&found, "- machine_npu_nums", 2.0);
}

#[test]
fn older_drivers() {
    let found = read(opened(&machine(&["OLD_LIST", "NO_MULTI", "NO_HBM"])).unwrap().as_mut());
    check(&found, "0 accelerator_utilization_ratio", 0.44);
    check(&found, "0 accelerator_engine_utilization_ratio{engine=\"aicore\"}", 0.33);
    check(&found, "0 accelerator_engine_utilization_ratio{engine=\"cube\"}", None);
    check(&found, "0 accelerator_memory_total_bytes", 44_280.0 * MEBIBYTE);
    check(&found, "0 accelerator_memory_used_bytes", 4_280.0 * MEBIBYTE);
    check(&found, "0 accelerator_field_state{field=\"hbm\", state=\"unsupported\"}", 1.0);
    check(&found, "0 npu_chip_info_hbm_total_memory", None);
    check(&found, "0 npu_chip_info_total_memory", 44_280.0);
}

#[test]
fn what_is_not_supported_is_asked_once() {
    for (code, state, asked) in [
        ("TEMPERATURE_CODE=-8255", "unsupported", 2),
        ("TEMPERATURE_CODE=-8002", "denied", 6),
        ("TEMPERATURE_CODE=-8013", "denied", 6),
        ("TEMPERATURE_CODE=-8012", "error", 6),
    ] {
        let machine = machine(&[code]);
        let mut sampler = opened(&machine).unwrap();
        let mut found = BTreeMap::new();
        for _ in 0..3 {
            machine.advance(10);
            found = read(sampler.as_mut());
        }
        check(&found, "0 accelerator_temperature_celsius{sensor=\"core\"}", None);
        check(&found, "0 npu_chip_info_temperature", None);
        let field =
            format!("0 accelerator_field_state{{field=\"temperature\", state=\"{state}\"}}");
        check(&found, &field, 1.0);
        assert_eq!(machine.count("fake_temperature_calls", 0), asked, "{code}");
    }
}

#[test]
fn invalid_power_is_absent() {
    for power in ["POWER=-1", "POWER=32765"] {
        let found = read(opened(&machine(&[power])).unwrap().as_mut());
        check(&found, "0 accelerator_power_watts", None);
        check(&found, "0 npu_chip_info_power", None);
    }
}

#[test]
fn a_lost_card_is_down_and_the_other_goes_on() {
    let machine = machine(&["LOST=1"]);
    let mut sampler = opened(&machine).unwrap();
    let found = read(sampler.as_mut());
    check(&found, "1 accelerator_up", 0.0);
    check(&found, "1 accelerator_health{state=\"failed\"}", 1.0);
    check(&found, "1 accelerator_power_watts", None);
    check(&found, "0 accelerator_up", 1.0);
    check(&found, "- machine_healthy_npu_nums", 1.0);
}

#[test]
fn a_card_that_hangs_is_not_waited_for() {
    let machine = machine(&["HANG=0"]);
    let patience = Duration::from_secs(3);
    let mut sampler = open_patiently(&machine.context(), patience).unwrap();
    let found = read(sampler.as_mut());
    check(&found, "0 accelerator_up", 0.0);
    check(&found, "0 accelerator_health{state=\"unknown\"}", 1.0);
    check(&found, "1 accelerator_up", 1.0);
    check(&found, "- machine_unknown_npu_nums", 1.0);
    // Once the call returns, the card is asked again and is back.
    let clock = Clock::system();
    let deadline = clock.monotonic() + Duration::from_secs(60);
    loop {
        let found = read(sampler.as_mut());
        if found.get("0 accelerator_up") == Some(&1.0) {
            check(&found, "0 accelerator_power_watts", 213.5);
            break;
        }
        assert!(clock.monotonic() < deadline, "the card did not come back");
    }
}

#[test]
fn why_it_cannot_be_used() {
    let check = |machine: Machine, kind| {
        let failure = opened(&machine).err().unwrap();
        assert_eq!(failure.kind, kind, "{failure}");
    };
    check(machine(&["INIT=-8002"]), FailureKind::PermissionDenied);
    check(machine(&["INIT=-8005"]), FailureKind::Unreachable);
    let mut context = machine(&[]).context();
    context.settings.libraries = vec![("huawei".into(), "/nowhere/libdcmi.so".into())];
    assert_eq!(open(&context).err().unwrap().kind, FailureKind::Absent);
}
