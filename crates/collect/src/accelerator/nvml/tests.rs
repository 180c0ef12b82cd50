//! Against a stand-in for the library, built from C: the loader, the calls and the codes are real, the
//! answers are written from the reference. No GPU was there.

use std::time::Duration;

use model::{message::Language, sample::Batch};

use super::{super::fake::*, *};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const TWO_GPUS: &str = include_str!("../../../fixtures/accelerator/nvml_two_gpus.answers");
const EXPECTED: &str = include_str!("../../../fixtures/accelerator/nvml_two_gpus.series");

fn nvidia(flags: &[&str], answers: &str) -> Fake {
    let fake = Fake::build("src/accelerator/nvml/fake.c", flags);
    fake.say(answers);
    fake
}

/// `answers` with the lines of some functions replaced.
fn with(answers: &str, lines: &[&str]) -> String {
    let key = |line: &str| line.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
    let replaced: Vec<_> = lines.iter().map(|line| key(line)).collect();
    let kept = answers.lines().filter(|line| !replaced.contains(&key(line)));
    lines.iter().copied().chain(kept).map(|line| format!("{line}\n")).collect()
}

#[test]
fn two_gpus() {
    let fake = nvidia(&[], TWO_GPUS);
    fake.write("proc/4711/cmdline", "/usr/bin/python3\0-m\0vllm.entrypoints.api\0");
    fake.write("proc/4711/comm", "python3\n");
    let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
    read(&mut sampler).unwrap();
    fake.say(&with(TWO_GPUS, &["Field/197 0 0 4294968000", "Field/138 0 0 1026048"]));
    fake.pass(5 * SECOND);
    let lines = read(&mut sampler).unwrap();
    let expected: Vec<&str> = EXPECTED.lines().collect();
    let missing: Vec<_> = expected.iter().filter(|one| !lines.iter().any(|l| l == *one)).collect();
    let surplus: Vec<_> = lines.iter().filter(|line| !expected.contains(&line.as_str())).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:#?}\nsurplus {surplus:#?}");
    assert_eq!(lines.len(), expected.len());
}

#[test]
fn labels() {
    let fake = nvidia(&[], TWO_GPUS);
    let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
    let mut batch = Batch::default();
    sampler.sample(&mut batch).unwrap();
    let all: Vec<String> = batch.samples.iter().map(|(labels, _)| labels.to_string()).collect();
    for expected in [
        r#"accelerator_power_watts{host="h", index="0", model="NVIDIA H200", pci_bus_id="0000:3b:00.0", uuid="GPU-0aa0", vendor="nvidia"}"#,
        r#"DCGM_FI_DEV_GPU_UTIL{DCGM_FI_DRIVER_VERSION="580.159.04", UUID="GPU-1bb1", device="nvidia1", gpu="1", hostname="h", modelName="NVIDIA H200", pci_bus_id="00000000:5D:00.0"}"#,
    ] {
        assert!(all.iter().any(|line| line == expected), "{expected}\n{}", all.join("\n"));
    }
    let mut context = fake.context("nvidia");
    context.settings.has_dcgm_names = false;
    let lines = read(&mut open_nvidia(&context).unwrap()).unwrap();
    assert_eq!(only(&lines, &["DCGM"]), Vec::<&str>::new());
}

#[test]
fn a_lost_gpu_is_down_and_left_alone_until_it_is_back() {
    let fake = nvidia(&[], TWO_GPUS);
    let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
    read(&mut sampler).unwrap();
    let lost = with(
        TWO_GPUS,
        &[
            "DeviceGetUtilizationRates 1 15",
            "DeviceGetMemoryInfo_v2 1 15",
            "DeviceGetHandleByIndex 1 15",
        ],
    );
    fake.say(&lost);
    fake.pass(SECOND);
    let lines = read(&mut sampler).unwrap();
    let of_second: Vec<&String> =
        lines.iter().filter(|line| line.contains("index=\"1\"")).collect();
    let states =
        |line: &&String| !line.contains("field_state") && !line.contains("collect_seconds");
    let expected = [
        r#"accelerator_health{index="1", state="degraded"} 0"#,
        r#"accelerator_health{index="1", state="failed"} 1"#,
        r#"accelerator_health{index="1", state="ok"} 0"#,
        r#"accelerator_health{index="1", state="unknown"} 0"#,
        r#"accelerator_up{index="1"} 0"#,
    ];
    assert_eq!(of_second.into_iter().filter(states).collect::<Vec<_>>(), expected);
    assert!(lines.contains(&r#"accelerator_power_watts{index="0"} 412.5"#.to_owned()));
    // Only the healthy one is asked now, and the lost one once a minute.
    fake.say(&with(&lost, &["DeviceGetHandleByIndex 0 15"]));
    fake.calls();
    fake.pass(SECOND);
    read(&mut sampler).unwrap();
    let asked = fake.calls().iter().filter(|name| *name == "DeviceGetUtilizationRates").count();
    assert_eq!(asked, 1);
    fake.pass(MINUTE);
    read(&mut sampler).unwrap();
    let asked = fake.calls().iter().filter(|name| *name == "DeviceGetHandleByIndex").count();
    assert_eq!(asked, 1);
    fake.say(TWO_GPUS);
    fake.pass(MINUTE);
    let lines = read(&mut sampler).unwrap();
    assert_eq!(only(&lines, &["accelerator_up{index=\"1\""]), [r#"accelerator_up{index="1"} 1"#]);
}

#[test]
fn a_gpu_that_was_lost_before_we_came_has_a_place() {
    let fake = nvidia(&[], &with(TWO_GPUS, &["DeviceGetHandleByIndex 0 15"]));
    let lines = read(&mut open_nvidia(&fake.context("nvidia")).unwrap()).unwrap();
    let up = [r#"accelerator_up{index="0"} 0"#, r#"accelerator_up{index="1"} 1"#];
    assert_eq!(only(&lines, &["accelerator_up"]), up);
}

#[test]
fn a_gpu_that_a_container_may_not_open_is_not_called_lost() {
    let fake = nvidia(&[], &with(TWO_GPUS, &["DeviceGetHandleByIndex 0 17"]));
    let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
    let lines = read(&mut sampler).unwrap();
    let names = [
        "accelerator_up",
        "accelerator_health{index=\"0\", state=\"unknown\"",
        "accelerator_field_state{field=\"device\"",
    ];
    let expected = [
        r#"accelerator_field_state{field="device", index="0", state="denied"} 1"#,
        r#"accelerator_health{index="0", state="unknown"} 1"#,
        r#"accelerator_up{index="1"} 1"#,
    ];
    assert_eq!(only(&lines, &names), expected);
    fake.say(TWO_GPUS);
    fake.pass(MINUTE);
    let lines = read(&mut sampler).unwrap();
    let up = [r#"accelerator_up{index="0"} 1"#, r#"accelerator_up{index="1"} 1"#];
    assert_eq!(only(&lines, &["accelerator_up"]), up);
}

#[test]
fn what_is_refused_is_tried_again_and_what_is_not_supported_is_not() {
    let denied = &with(TWO_GPUS, &["DeviceGetPowerUsage 0 4", "DeviceGetTemperature/0 0 3"]);
    let fake = nvidia(&[], denied);
    let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
    let wanted = |fake: &Fake, sampler: &mut Box<dyn Sampler>| {
        fake.calls();
        let lines = read(sampler).unwrap();
        let calls = fake.calls();
        let count = |name: &str| calls.iter().filter(|call| *call == name).count();
        let names = [
            "accelerator_power_watts{index=\"0\"",
            "accelerator_temperature_celsius{index=\"0\", sensor=\"core\"",
            "accelerator_field_state{field=\"power\", index=\"0\"",
            "accelerator_field_state{field=\"temperature\", index=\"0\"",
        ];
        let lines: Vec<String> =
            only(&lines, &names).iter().map(|line| (*line).to_owned()).collect();
        (lines, count("DeviceGetPowerUsage"), count("DeviceGetTemperature/0"))
    };
    let power = |state: &str| {
        format!(r#"accelerator_field_state{{field="power", index="0", state="{state}"}} 1"#)
    };
    let temperature =
        r#"accelerator_field_state{field="temperature", index="0", state="unsupported"} 1"#
            .to_owned();
    // The other GPU refuses its power too, and has a temperature.
    assert_eq!(wanted(&fake, &mut sampler), (vec![power("denied"), temperature.clone()], 2, 2));
    fake.pass(SECOND);
    assert_eq!(wanted(&fake, &mut sampler), (vec![power("denied"), temperature.clone()], 0, 1));
    fake.say(TWO_GPUS);
    fake.pass(MINUTE);
    let watts = r#"accelerator_power_watts{index="0"} 412.5"#.to_owned();
    assert_eq!(wanted(&fake, &mut sampler), (vec![power("ok"), temperature, watts], 2, 1));
}

#[test]
fn failures_of_the_whole() {
    for (code, kind, text) in [
        (9, FailureKind::Absent, "the driver is not loaded (code 9)"),
        (12, FailureKind::Absent, "a library of the driver is missing (code 12)"),
        (18, FailureKind::Io, "of different versions (code 18)"),
        (4, FailureKind::PermissionDenied, "no permission (code 4)"),
        (999, FailureKind::Io, "it failed (code 999)"),
    ] {
        let fake = nvidia(&[], &with(TWO_GPUS, &[&format!("Init -1 {code}")]));
        let failure = open_nvidia(&fake.context("nvidia")).err().unwrap();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.detail.ends_with(text), "{failure}");
        // A mismatch is tried once more at once, with the library opened anew.
        let tries = fake.calls().iter().filter(|name| *name == "Init").count();
        assert_eq!(tries, if code == 18 { 2 } else { 1 });
    }
    let fake = nvidia(&[], &with(TWO_GPUS, &["DeviceGetCount -1 0 0"]));
    assert_eq!(open_nvidia(&fake.context("nvidia")).err().unwrap().kind, FailureKind::Absent);
    let mut context = fake.context("nvidia");
    context.settings.libraries = vec![("nvidia".into(), "no_such_library.so".into())];
    assert_eq!(open_nvidia(&context).err().unwrap().kind, FailureKind::Absent);
}

#[test]
fn a_driver_that_is_upgraded_underneath_ends_the_reading() {
    let fake = nvidia(&[], TWO_GPUS);
    let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
    read(&mut sampler).unwrap();
    fake.say(&with(TWO_GPUS, &["DeviceGetUtilizationRates 0 18"]));
    fake.pass(SECOND);
    let failure = read(&mut sampler).unwrap_err();
    assert!(failure.detail.contains("of different versions (code 18)"), "{failure}");
    // The guard drops it and opens it again.
    drop(sampler);
    fake.say(TWO_GPUS);
    assert!(read(&mut open_nvidia(&fake.context("nvidia")).unwrap()).is_ok());
}

#[test]
fn a_damaged_board_and_answers_that_nobody_knows() {
    let degraded = r#"accelerator_health{index="1", state="degraded"} 1"#;
    for (answer, after) in
        [("DeviceGetUtilizationRates 1 14", 1), ("DeviceGetUtilizationRates 1 999", 3)]
    {
        let fake = nvidia(&[], &with(TWO_GPUS, &[answer]));
        let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
        for tick in 1..=after {
            let lines = read(&mut sampler).unwrap();
            assert_eq!(lines.iter().any(|line| line == degraded), tick == after, "{answer} {tick}");
            fake.pass(SECOND);
        }
    }
}

#[test]
fn a_counter_that_is_full_many_times_a_second_is_no_counter() {
    let fake = nvidia(&[], &with(TWO_GPUS, &["Field/197 0 0 704 1", "Field/82 0 0 61 1"]));
    let lines = read(&mut open_nvidia(&fake.context("nvidia")).unwrap()).unwrap();
    let names = [
        "accelerator_link_transmit_bytes_total{index=\"0\", link=\"pcie\"",
        "accelerator_field_state{field=\"pcie_transmit_bytes\"",
        "accelerator_temperature_celsius{index=\"0\", sensor=\"memory\"",
    ];
    let expected = [
        r#"accelerator_field_state{field="pcie_transmit_bytes", index="0", state="unsupported"} 1"#,
        r#"accelerator_temperature_celsius{index="0", sensor="memory"} 61"#,
    ];
    assert_eq!(only(&lines, &names), expected);
}

#[test]
fn what_the_driver_asks_for() {
    let fake = nvidia(&[], &with(TWO_GPUS, &["Field/230 0 0 4"]));
    let lines = read(&mut open_nvidia(&fake.context("nvidia")).unwrap()).unwrap();
    for line in [
        r#"accelerator_recovery_action{action="drain_and_reset", index="0"} 1"#,
        r#"accelerator_recovery_action{action="none", index="0"} 0"#,
        r#"accelerator_health{index="0", state="failed"} 1"#,
    ] {
        assert!(lines.iter().any(|one| one == line), "{line}");
    }
}

/// A driver or a clone without the newer functions.
const OLD: &str = "\
Init -1 0
DeviceGetCount -1 0 1
SystemGetDriverVersion -1 0 4.1.0
DeviceGetHandleByIndex 0 0
DeviceGetUUID 0 0 GPU-old
DeviceGetName 0 0 BI-V150
DeviceGetPciInfo 0 0 0000:3A:00.0
DeviceGetUtilizationRates 0 0 50 10
DeviceGetMemoryInfo 0 0 34359738368 30000000000 4359738368
DeviceGetPowerUsage 0 0 100000
DeviceGetTemperature/0 0 0 40
DeviceGetClockInfo/1 0 0 1500
DeviceGetCurrentClocksThrottleReasons 0 0 1
DeviceGetTotalEccErrors/0 0 0 3
DeviceGetComputeRunningProcesses 0 0 77 1024
";

fn check_old(fake: &Fake, vendor: &'static str, shape: &'static Shape) {
    let mut sampler = Nvml::open(&fake.context(vendor), shape).unwrap();
    let lines = read(&mut sampler).unwrap();
    let unsaid = ["field_state", "collect_seconds", "sample_age", "throttle", "accelerator_health"];
    let said = lines.iter().filter(|line| !unsaid.iter().any(|name| line.contains(name)));
    let expected = [
        r#"accelerator_clock_hertz{domain="core", index="0"} 1500000000"#,
        r#"accelerator_ecc_errors_total{index="0", location="all", scope="volatile", type="corrected"} 3"#,
        r#"accelerator_info{driver_version="4.1.0", index="0"} 1"#,
        r#"accelerator_memory_busy_ratio{index="0"} 0.1"#,
        r#"accelerator_memory_free_bytes{index="0"} 30000000000"#,
        r#"accelerator_memory_total_bytes{index="0"} 34359738368"#,
        r#"accelerator_memory_used_bytes{index="0"} 4359738368"#,
        r#"accelerator_power_watts{index="0"} 100"#,
        r#"accelerator_process_count{index="0"} 1"#,
        r#"accelerator_process_memory_bytes{index="0", pid="77"} 1024"#,
        r#"accelerator_temperature_celsius{index="0", sensor="core"} 40"#,
        r#"accelerator_up{index="0"} 1"#,
        r#"accelerator_utilization_ratio{index="0"} 0.5"#,
    ];
    assert_eq!(said.filter(|line| !line.starts_with("DCGM")).collect::<Vec<_>>(), expected);
    for state in [
        r#"{field="memory", index="0", state="estimated"} 1"#,
        r#"{field="energy", index="0", state="unsupported"} 1"#,
        r#"{field="throttle", index="0", state="ok"} 1"#,
    ] {
        assert!(lines.contains(&format!("accelerator_field_state{state}")), "{state}");
    }
    let mut batch = Batch::default();
    sampler.sample(&mut batch).unwrap();
    let (labels, _) = &batch.samples[0];
    assert_eq!(labels.get("vendor"), Some(vendor));
    assert_eq!(labels.get("pci_bus_id"), Some("0000:3a:00.0"));
    // DCGM's names are NVIDIA's.
    let has_dcgm = batch.samples.iter().any(|(labels, _)| labels.name().starts_with("DCGM"));
    assert_eq!(has_dcgm, vendor == "nvidia");
}

#[test]
fn an_old_library_and_the_clones() {
    for (vendor, shape) in [
        ("nvidia", &NVIDIA),
        ("iluvatar", &ILUVATAR),
        ("enflame", &ENFLAME),
        ("kunlunxin", &KUNLUNXIN),
    ] {
        let fake = nvidia(&["-DOLD", &format!("-DPREFIX={}", shape.prefix)], OLD);
        check_old(&fake, vendor, shape);
    }
    // A library of another vendor has none of the names.
    let fake = nvidia(&["-DPREFIX=other"], OLD);
    let failure = open_enflame(&fake.context("enflame")).err().unwrap();
    assert_eq!(failure.kind, FailureKind::Malformed);
    assert!(failure.detail.ends_with("no efmlInit in it"), "{failure}");
}

#[test]
fn more_processes_than_expected() {
    let fake = nvidia(&[], &with(TWO_GPUS, &["Many 0 0 100", "DeviceGetProcessUtilization 0 6"]));
    fake.write("proc/4760/cmdline", "/usr/bin/ollama\0runner\0");
    let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
    let asked = |calls: Vec<String>| {
        calls.iter().filter(|name| *name == "DeviceGetComputeRunningProcesses").count()
    };
    fake.calls();
    let lines = read(&mut sampler).unwrap();
    assert_eq!(asked(fake.calls()), 3, "too small once, then right; and the other GPU");
    let of_processes = only(&lines, &["accelerator_process_"]);
    assert_eq!(of_processes[0], r#"accelerator_process_count{index="0"} 100"#);
    // The engine, sixteen others, and the rest as one.
    assert_eq!(of_processes.len(), 1 + 1 + 16 + 1);
    let of = |pid: &str| of_processes.iter().find(|line| line.contains(&format!("pid=\"{pid}\"")));
    assert!(of("4760").unwrap().contains("engine=\"ollama\""));
    assert!(of("other").unwrap().ends_with(&format!(" {}", 83 * 40_000_000_000_u64)));
    fake.pass(5 * SECOND);
    read(&mut sampler).unwrap();
    assert_eq!(asked(fake.calls()), 1, "room for as many as last time");
}

/// Each call takes time of the driver that the watched programs want too.
#[test]
fn what_a_tick_asks_for() {
    let fake = nvidia(&[], TWO_GPUS);
    let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
    read(&mut sampler).unwrap();
    fake.calls();
    fake.pass(SECOND);
    read(&mut sampler).unwrap();
    // The values of one call are not calls.
    let is_value = |name: &String| name.starts_with("Field/") || name.starts_with("Gpm/");
    let calls: Vec<String> = fake.calls().into_iter().filter(|name| !is_value(name)).collect();
    let expected = [
        "DeviceGetUtilizationRates",
        "DeviceGetMemoryInfo_v2",
        "DeviceGetPowerUsage",
        "DeviceGetTotalEnergyConsumption",
        "DeviceGetFieldValues",
        "DeviceGetTemperature/0",
        "DeviceGetClockInfo/1",
        "DeviceGetClockInfo/2",
        "DeviceGetCurrentClocksEventReasons",
        "GpmSampleGet",
        "GpmMetricsGet",
        // The second has not even half of it.
        "DeviceGetUtilizationRates",
        "DeviceGetMemoryInfo_v2",
        "DeviceGetTemperature/0",
    ];
    assert_eq!(calls, expected);
}

#[test]
fn answers_that_cannot_be() {
    let wild = [
        "DeviceGetCount -1 0 4000000000",
        "DeviceGetUtilizationRates 0 0 4000000000 101",
        "DeviceGetMigMode 0 0 1 1",
        "DeviceGetMaxMigDeviceCount 0 0 4000000000",
        "DeviceGetPerformanceState 0 0 32",
        "DeviceGetEncoderUtilization 0 0 255 0",
        "Many 0 0 100000",
        "Gpm/2 0 0 inf",
    ];
    let fake = nvidia(&[], &with(TWO_GPUS, &wild));
    let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
    read(&mut sampler).unwrap();
    fake.pass(SECOND);
    let lines = read(&mut sampler).unwrap();
    let healths = only(&lines, &["accelerator_health"]);
    assert_eq!(healths.len(), 4 * DEVICES_MAX as usize);
    let none = [
        "accelerator_utilization_ratio{index=\"0\"",
        "accelerator_memory_busy_ratio{index=\"0\"",
        "accelerator_performance_state",
        "accelerator_engine_utilization_ratio{engine=\"encoder\"",
        "accelerator_engine_utilization_ratio{engine=\"sm\"",
        "accelerator_process",
        "accelerator_partition",
    ];
    assert_eq!(only(&lines, &none), Vec::<&str>::new());
}

#[test]
fn shares_of_processes() {
    let fake = nvidia(&[], TWO_GPUS);
    let lines = read(&mut open_nvidia(&fake.context("nvidia")).unwrap()).unwrap();
    let expected = [
        r#"accelerator_process_utilization_ratio{index="0", pid="4711"} 0.85"#,
        r#"accelerator_process_utilization_ratio{index="0", pid="4712"} 0.09"#,
    ];
    assert_eq!(only(&lines, &["accelerator_process_utilization"]), expected);
}

#[test]
fn whose_trees_hold_what() {
    let fake = nvidia(&[], TWO_GPUS);
    let context = fake.context("nvidia");
    read(&mut open_nvidia(&context).unwrap()).unwrap();
    let shares = |pids: &[u32]| {
        let shares = context.holders.shares(pids, context.clock.monotonic());
        let shares = shares.into_iter();
        shares.map(|one| (one.device[1].clone(), one.bytes, one.utilization)).collect::<Vec<_>>()
    };
    // The parent is no process of the device, its two workers are.
    let both = Some(40_001_000_000);
    let found = shares(&[4710, 4711, 4712]);
    assert_eq!(found, [("0".to_owned(), both, Some(0.85 + 0.09))]);
    assert_eq!(shares(&[4711, 4713]), [("0".to_owned(), None, Some(0.85))], "one is not known");
    assert_eq!(shares(&[4714]), []);
    fake.say(&with(TWO_GPUS, &["DeviceGetComputeRunningProcesses 0 3"]));
    fake.pass(5 * SECOND);
    let mut sampler = open_nvidia(&context).unwrap();
    read(&mut sampler).unwrap();
    assert_eq!(shares(&[4711]), [], "the driver does not list processes any more");
}

#[test]
fn mig() {
    let instances = [
        "DeviceGetMigMode 0 0 1 1",
        "DeviceGetUtilizationRates 0 3",
        "DeviceGetMaxMigDeviceCount 0 0 7",
        "DeviceGetMigDeviceHandleByIndex 100 0",
        "DeviceGetUUID 100 0 MIG-a",
        "DeviceGetName 100 0 NVIDIA H200 MIG 3g.71gb",
        "DeviceGetGpuInstanceId 100 0 2",
        "DeviceGetComputeInstanceId 100 0 0",
        "DeviceGetMemoryInfo_v2 100 0 75000000000 1000000 70000000000 4999000000",
        "DeviceGetMigDeviceHandleByIndex 102 0",
        "DeviceGetUUID 102 0 MIG-b",
        "DeviceGetName 102 0 NVIDIA H200 MIG 1g.18gb",
        "DeviceGetGpuInstanceId 102 0 9",
        "DeviceGetComputeInstanceId 102 0 0",
        "DeviceGetMemoryInfo_v2 102 0 18000000000 1000000 17000000000 999000000",
        "GpmMigSampleGet/2 0 0",
        "GpmMetricsGet 1002 0",
        "Gpm/2 1002 0 40",
    ];
    let fake = nvidia(&[], &with(TWO_GPUS, &instances));
    let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
    read(&mut sampler).unwrap();
    fake.pass(SECOND);
    let lines = read(&mut sampler).unwrap();
    let of_parts: Vec<&str> = only(
        &lines,
        &[
            "accelerator_partition",
            "accelerator_memory_used",
            "accelerator_engine",
            "accelerator_up",
        ],
    )
    .into_iter()
    .filter(|line| line.contains("partition=") || line.contains("partition_"))
    .collect();
    let expected = [
        r#"accelerator_engine_utilization_ratio{engine="sm", index="0", partition="2/0"} 0.4"#,
        r#"accelerator_memory_used_bytes{index="0", partition="2/0"} 4999000000"#,
        r#"accelerator_memory_used_bytes{index="0", partition="9/0"} 999000000"#,
        r#"accelerator_partition_info{index="0", parent="GPU-0aa0", partition="2/0", profile="3g.71gb"} 1"#,
        r#"accelerator_partition_info{index="0", parent="GPU-0aa0", partition="9/0", profile="1g.18gb"} 1"#,
        r#"accelerator_up{index="0", partition="2/0"} 1"#,
        r#"accelerator_up{index="0", partition="9/0"} 1"#,
    ];
    assert_eq!(of_parts, expected);
    let of_dcgm =
        only(&lines, &["DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_DEV_FB_RESERVED{GPU_I_ID=\"9\""]);
    let in_dcgm = [
        r#"DCGM_FI_DEV_FB_RESERVED{GPU_I_ID="9", GPU_I_PROFILE="1g.18gb", gpu="0"} 0.95367431640625"#,
        r#"DCGM_FI_PROF_SM_ACTIVE{GPU_I_ID="2", GPU_I_PROFILE="3g.71gb", gpu="0"} 0.4"#,
        r#"DCGM_FI_PROF_SM_ACTIVE{gpu="0"} 0.88"#,
    ];
    assert_eq!(of_dcgm, in_dcgm);
    assert_eq!(only(&lines, &["accelerator_utilization_ratio{index=\"0\""]), Vec::<&str>::new());
    // One instance is taken away; it is seen within a minute.
    fake.say(&with(
        &with(TWO_GPUS, &instances),
        &["DeviceGetMigDeviceHandleByIndex 102 6", "DeviceGetUUID 102 6"],
    ));
    fake.pass(MINUTE);
    read(&mut sampler).unwrap();
    let lines = read(&mut sampler).unwrap();
    assert_eq!(only(&lines, &["accelerator_partition"]), [expected[3]]);
}

#[test]
fn xids_of_the_kernel_and_of_events_are_counted_once() {
    let fake = nvidia(&[], TWO_GPUS);
    fake.write(
        "dev/kmsg",
        "4,1,100,-;NVRM: Xid (PCI:0000:3b:00): 31, pid=4711, name=python3, Ch 00000008\n\
         4,2,100,-;NVRM: Xid (PCI:0000:3b:00): 31, pid=4711, name=python3, Ch 00000009\n\
         4,3,100,-;NVRM: Xid (PCI:0000:99:00): 79, somewhere else\n",
    );
    let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
    let xids = |lines: Vec<String>| -> Vec<String> {
        let names = ["accelerator_errors", "accelerator_last", "DCGM_FI_DEV_XID", "DCGM_EXP"];
        only(&lines, &names).iter().map(|line| (*line).to_owned()).collect()
    };
    let expected = [
        r#"DCGM_EXP_XID_ERRORS_COUNT{gpu="0", window_size_in_ms="300000", xid="31"} 1"#,
        r#"DCGM_FI_DEV_XID_ERRORS{err_code="31", err_msg="RESTART_APP", gpu="0"} 31"#,
        r#"accelerator_errors_total{action="RESTART_APP", class="restart_app", code="31", index="0"} 1"#,
        r#"accelerator_last_error_timestamp_seconds{code="31", index="0"} 1000"#,
    ];
    assert_eq!(xids(read(&mut sampler).unwrap()), expected);
    let told = sampler.events();
    assert_eq!(told.len(), 1);
    let text = model::message::render("event.xid", &told[0].attributes, Language::English);
    let said = "GPU 0 (NVIDIA H200, GPU-0aa0) reported Xid 31; NVIDIA's immediate action: RESTART_APP; \
                process: 4711";
    assert_eq!(text, said);
    // The same one again, later, and one that comes as an event and as a line.
    fake.append("dev/kmsg", "4,4,100,-;NVRM: Xid (PCI:0000:3b:00): 31, pid=1, name=x\n");
    fake.append("dev/kmsg", "4,5,100,-;NVRM: Xid (PCI:0000:3b:00): 95, pid=1, name=x\n");
    fake.pass(10 * SECOND);
    fake.calls();
    fake.say(&with(TWO_GPUS, &["Event -1 0 0 95 1"]));
    let real = Clock::system();
    while !fake.calls().contains(&"EventTold".to_owned()) {
        assert!(real.monotonic() < MINUTE, "no event was told");
        std::thread::yield_now();
    }
    // Events keep their order: when the next one is there, so is that one.
    fake.say(&with(TWO_GPUS, &["Event -1 0 0 119 2"]));
    let mut lines = read(&mut sampler).unwrap();
    while !lines.iter().any(|line| line.contains("code=\"119\"")) {
        assert!(real.monotonic() < MINUTE, "no event came");
        std::thread::yield_now();
        lines = read(&mut sampler).unwrap();
    }
    let counts =
        only(&lines, &["accelerator_errors", "accelerator_health{index=\"0\", state=\"deg"]);
    let expected = [
        r#"accelerator_errors_total{action="RESET_GPU", class="reset_gpu", code="119", index="0"} 1"#,
        r#"accelerator_errors_total{action="RESET_GPU", class="reset_gpu", code="95", index="0"} 1"#,
        r#"accelerator_errors_total{action="RESTART_APP", class="restart_app", code="31", index="0"} 2"#,
        r#"accelerator_health{index="0", state="degraded"} 1"#,
    ];
    assert_eq!(counts, expected);
}

#[test]
fn an_end_frees_what_was_taken() {
    let fake = nvidia(&[], TWO_GPUS);
    drop(open_nvidia(&fake.context("nvidia")).unwrap());
    let real = Clock::system();
    let mut calls = Vec::new();
    // The thread that waits for events ends by itself, and the library with it.
    while !calls.contains(&"Shutdown".to_owned()) {
        assert!(real.monotonic() < MINUTE, "{calls:?}");
        std::thread::yield_now();
        calls.extend(fake.calls());
    }
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    assert_eq!(count("GpmSampleFree"), count("GpmSampleAlloc"));
    assert_eq!(count("EventSetFree"), 1);
}

/// What boards with fans, newer links, older drivers and virtual machines say.
fn check_lines(answers: &[&str], names: &[&str], expected: &[&str]) {
    let fake = nvidia(&[], &with(TWO_GPUS, answers));
    let lines = read(&mut open_nvidia(&fake.context("nvidia")).unwrap()).unwrap();
    assert_eq!(only(&lines, names), expected, "{answers:?}");
}

#[test]
fn fans() {
    let names = ["accelerator_fan", "accelerator_field_state{field=\"fan_rpm\", index=\"0\""];
    let state = |state: &str| {
        format!(r#"accelerator_field_state{{field="fan_rpm", index="0", state="{state}"}} 1"#)
    };
    let ratio = r#"accelerator_fan_speed_ratio{index="0"} 0.43"#;
    let rpm = r#"accelerator_fan_speed_rpm{index="0"} 2150"#;
    let percent = "DeviceGetFanSpeed 0 0 43";
    check_lines(&[percent, "DeviceGetFanSpeedRPM 0 0 2150"], &names, &[ratio, rpm, &state("ok")]);
    check_lines(&[percent], &names, &[ratio, &state("unsupported")]);
    check_lines(&["DeviceGetFanSpeedRPM 0 4"], &names, &[&state("denied")]);
    check_lines(&["DeviceGetFanSpeedRPM 0 999"], &names, &[&state("error")]);
}

#[test]
fn links_of_the_fifth_generation_count_bytes() {
    let sent = |value: &str| {
        format!(r#"accelerator_link_transmit_bytes_total{{index="0", link="nvlink"}} {value}"#)
    };
    let names = ["accelerator_link_transmit_bytes_total{index=\"0\", link=\"nvlink\""];
    check_lines(&["Field/202 0 0 5000", "Field/138 0 3"], &names, &[&sent("5000")]);
    check_lines(&["Field/202 0 0 5000"], &names, &[&sent("5000")]);
    // A driver that knows the value and does not count it.
    check_lines(&["Field/202 0 0 0"], &names, &[&sent("2097152")]);
    check_lines(&["Field/202 0 0 0", "Field/138 0 3"], &names, &[&sent("0")]);
    check_lines(&["Field/202 0 3", "Field/138 0 3"], &names, &[]);
    // Once bytes were counted, a reading without them is no reason to go back to KiB.
    let fifth = ["Field/202 0 0 1024000", "Field/204 0 0 1024000"];
    let fake = nvidia(&[], &with(TWO_GPUS, &fifth));
    let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
    read(&mut sampler).unwrap();
    fake.say(&with(TWO_GPUS, &["Field/202 0 0 11264000", "Field/204 0 0 1024000"]));
    fake.pass(5 * SECOND);
    let lines = read(&mut sampler).unwrap();
    let rate = r#"DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL{gpu="0"} 2"#;
    assert_eq!(only(&lines, &["DCGM_FI_DEV_NVLINK"]), [rate]);
    fake.say(&with(TWO_GPUS, &["Field/202 0 27", "Field/204 0 27"]));
    fake.pass(5 * SECOND);
    assert_eq!(only(&read(&mut sampler).unwrap(), &names), Vec::<&str>::new());
}

#[test]
fn times_that_older_drivers_count_by_another_call() {
    let names = [
        "DCGM_FI_DEV_POWER_VIOLATION",
        "DCGM_FI_DEV_THERMAL_VIOLATION",
        "accelerator_throttle_seconds_total{index=\"0\", reason=\"sw_power_cap\"",
        "accelerator_throttle_seconds_total{index=\"0\", reason=\"sw_thermal\"",
    ];
    let older = [
        "Field/74 0 3",
        "Field/269 0 2",
        "DeviceGetViolationStatus/0 0 0 7500000000",
        "DeviceGetViolationStatus/1 0 0 4000000000",
        "DeviceGetViolationStatus/2 0 3",
    ];
    let expected = [
        r#"DCGM_FI_DEV_POWER_VIOLATION{gpu="0"} 7500000000"#,
        r#"DCGM_FI_DEV_THERMAL_VIOLATION{gpu="0"} 4000000000"#,
        r#"accelerator_throttle_seconds_total{index="0", reason="sw_power_cap"} 7.5"#,
        // By the flag, which was seen once so far.
        r#"accelerator_throttle_seconds_total{index="0", reason="sw_thermal"} 0"#,
    ];
    check_lines(&older, &names, &expected);
    // Nobody is asked for what is known, nor again for what does not exist.
    let fake = nvidia(&[], &with(TWO_GPUS, &["DeviceGetViolationStatus/0 0 0 1"]));
    let mut sampler = open_nvidia(&fake.context("nvidia")).unwrap();
    let asked = |fake: &Fake| {
        let calls = fake.calls();
        let of_first = calls.iter().filter(|name| name.starts_with("DeviceGetViolationStatus"));
        of_first.cloned().collect::<Vec<_>>()
    };
    read(&mut sampler).unwrap();
    let of_second = ["0", "1", "2"].map(|policy| format!("DeviceGetViolationStatus/{policy}"));
    let first = std::iter::once(of_second[2].clone());
    assert_eq!(asked(&fake), first.chain(of_second).collect::<Vec<_>>());
    fake.pass(5 * SECOND);
    read(&mut sampler).unwrap();
    assert_eq!(asked(&fake), Vec::<String>::new());
}

#[test]
fn licences_of_virtual_gpus() {
    let names = ["DCGM_FI_DEV_VGPU_LICENSE_STATUS"];
    let check = |answer: &str, expected: Option<u8>| {
        let answer = format!("DeviceGetGridLicensableFeatures 0 {answer}");
        let line =
            expected.map(|value| format!(r#"DCGM_FI_DEV_VGPU_LICENSE_STATUS{{gpu="0"}} {value}"#));
        check_lines(&[&answer], &names, &line.iter().map(String::as_str).collect::<Vec<_>>());
    };
    check("3", None);
    // No licences, none that is on, on and not licensed, on and licensed among others, one of two.
    check("0 0", None);
    check("0 1 0 0 0 1", None);
    check("0 1 1 0", Some(0));
    check("0 1 0 0 1 1 0 0", Some(1));
    check("0 1 1 1 1 0", Some(0));
}
