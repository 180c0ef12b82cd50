//! Trees below are written from the kernel's documentation and `collect.md`, not captured.

use std::collections::BTreeMap;

use model::UnixMs;

use super::{
    super::{Holders, Settings, fdinfo::tests::write_client, gpu_metrics::tests::table},
    *,
};

struct Machine {
    root: tempfile::TempDir,
    clock: Clock,
}

impl Machine {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), clock: Clock::manual(UnixMs(1_000_000)) }
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// An MI210 as far as its files go.
    fn card(&self, number: u32, address: &str) -> String {
        let device = format!("sys/class/drm/card{number}/device");
        let pairs = [
            ("uevent", format!("DRIVER=amdgpu\nPCI_ID=1002:740F\nPCI_SLOT_NAME={address}\n")),
            ("vendor", "0x1002\n".into()),
            ("device", "0x740f\n".into()),
            ("unique_id", "a1b2c3d4e5f60718\n".into()),
            ("product_name", "AMD Instinct MI210\n".into()),
            ("serial_number", "692231000131\n".into()),
            ("vbios_version", "113-D67301-063\n".into()),
            ("numa_node", "1\n".into()),
            ("gpu_busy_percent", "73\n".into()),
            ("mem_busy_percent", "12\n".into()),
            ("mem_info_vram_total", "68702699520\n".into()),
            ("mem_info_vram_used", "1073741824\n".into()),
            ("mem_info_gtt_total", "1000\n".into()),
            ("mem_info_gtt_used", "10\n".into()),
            ("current_link_speed", "8.0 GT/s PCIe\n".into()),
            ("current_link_width", "8\n".into()),
            ("max_link_speed", "16.0 GT/s PCIe\n".into()),
            ("max_link_width", "16\n".into()),
            ("pcie_replay_count", "5\n".into()),
            ("pp_dpm_sclk", "0: 500Mhz\n1: 800Mhz *\n2: 1700Mhz\n".into()),
            ("ras/umc_err_count", "ue: 0\nce: 4\nde: 1\n".into()),
            ("ras/gfx_err_count", "ue: 0\nce: 0\n".into()),
            ("ras/gpu_vram_bad_pages", "0x1 : 0x1000 : R\n0x2 : 0x1000 : P\n".into()),
            ("hwmon/hwmon3/temp1_label", "edge\n".into()),
            ("hwmon/hwmon3/temp1_input", "51000\n".into()),
            ("hwmon/hwmon3/temp1_crit", "100000\n".into()),
            ("hwmon/hwmon3/temp1_emergency", "105000\n".into()),
            ("hwmon/hwmon3/temp2_label", "junction\n".into()),
            ("hwmon/hwmon3/temp2_input", "58000\n".into()),
            ("hwmon/hwmon3/power1_average", "142000000\n".into()),
            ("hwmon/hwmon3/power1_cap", "300000000\n".into()),
            ("hwmon/hwmon3/freq1_input", "800000000\n".into()),
            ("hwmon/hwmon3/in0_input", "881\n".into()),
            ("hwmon/hwmon3/pwm1", "51\n".into()),
        ];
        for (file, text) in pairs {
            self.write(&format!("{device}/{file}"), text);
        }
        device
    }

    fn context(&self) -> Context {
        Context {
            root: self.root.path().into(),
            host: "h".into(),
            clock: self.clock.clone(),
            holders: Holders::default(),
            settings: Settings::default(),
        }
    }

    fn sampler(&self) -> Box<dyn Sampler> {
        open(&self.context()).unwrap()
    }
}

/// Series without the labels that every one has, by index of the device.
fn read(sampler: &mut dyn Sampler) -> BTreeMap<String, f64> {
    let mut batch = Batch::default();
    sampler.sample(&mut batch).unwrap();
    let base = ["uuid", "vendor", "model", "pci_bus_id", "host"];
    let samples = batch.samples.iter();
    samples
        .map(|(labels, value)| (labels.keep(|name| !base.contains(&name)).to_string(), *value))
        .collect()
}

#[track_caller]
fn expect(found: &BTreeMap<String, f64>, name: &str, labels: &str, value: Option<f64>) {
    let separator = if labels.is_empty() { "" } else { ", " };
    // Labels are sorted by name.
    let mut all: Vec<&str> = labels.split(", ").filter(|label| !label.is_empty()).collect();
    if !labels.contains("index=") {
        all.push("index=\"0\"");
    }
    all.sort_unstable();
    let key = format!("accelerator_{name}{{{}}}", all.join(", "));
    let near = |found: f64, value: f64| (found - value).abs() <= 1e-9 * value.abs().max(1.0);
    let is_right = match (found.get(&key), value) {
        (Some(found), Some(value)) => near(*found, value),
        (found, value) => found.is_none() && value.is_none(),
    };
    assert!(is_right, "{key}{separator}: {:?} is not {value:?}\n{found:#?}", found.get(&key));
}

#[test]
fn every_file_has_its_series() {
    let machine = Machine::new();
    let device = machine.card(1, "0000:83:00.0");
    let metrics = table(
        (1, 3),
        120,
        &[
            (8, &[62, 0]),
            (20, &[25, 0]),
            (24, &100_u64.to_le_bytes()),
            (58, &1_600_u16.to_le_bytes()),
            (112, &(1_u64 << 32).to_le_bytes()),
        ],
    );
    machine.write(&format!("{device}/gpu_metrics"), metrics);
    let mut sampler = machine.sampler();
    let found = read(sampler.as_mut());
    for (name, labels, value) in [
        ("up", "", 1.0),
        ("utilization_ratio", "", 0.73),
        ("memory_busy_ratio", "", 0.12),
        ("memory_total_bytes", "", 68_702_699_520.0),
        ("memory_used_bytes", "", 1_073_741_824.0),
        ("memory_free_bytes", "", 67_628_957_696.0),
        ("memory_shared_used_bytes", "", 10.0),
        ("power_watts", "", 142.0),
        ("power_limit_watts", "kind=\"enforced\"", 300.0),
        ("energy_joules_total", "", 100.0 * 15.259e-6),
        ("temperature_celsius", "sensor=\"core\"", 51.0),
        ("temperature_celsius", "sensor=\"hotspot\"", 58.0),
        ("temperature_celsius", "sensor=\"memory\"", 62.0),
        ("temperature_limit_celsius", "kind=\"shutdown\"", 105.0),
        ("clock_hertz", "domain=\"core\"", 8e8),
        ("clock_hertz", "domain=\"memory\"", 1.6e9),
        ("clock_max_hertz", "domain=\"core\"", 1.7e9),
        ("engine_utilization_ratio", "engine=\"decoder\"", 0.25),
        ("throttle_active", "reason=\"hw_thermal\"", 1.0),
        ("throttle_active", "reason=\"sw_power_cap\"", 0.0),
        ("pcie_link_width", "kind=\"current\"", 8.0),
        ("pcie_link_width", "kind=\"max\"", 16.0),
        ("pcie_link_generation", "kind=\"current\"", 3.0),
        ("pcie_link_generation", "kind=\"max\"", 4.0),
        ("link_errors_total", "link=\"pcie\", type=\"replay\"", 5.0),
        ("ecc_errors_total", "location=\"umc\", scope=\"volatile\", type=\"deferred\"", 1.0),
        ("ecc_errors_total", "location=\"umc\", scope=\"volatile\", type=\"corrected\"", 4.0),
        ("memory_pages_retired_total", "cause=\"uncorrected\"", 2.0),
        ("fan_speed_ratio", "", 0.2),
        ("voltage_volts", "", 0.881),
        ("health", "state=\"ok\"", 1.0),
        (
            "info",
            "firmware_version=\"113-D67301-063\", numa_node=\"1\", serial=\"692231000131\"",
            1.0,
        ),
        ("field_state", "field=\"fan\", state=\"ok\"", 1.0),
        ("field_state", "field=\"pcie_link\", state=\"ok\"", 1.0),
    ] {
        expect(&found, name, labels, Some(value));
    }
    // What has no file is absent.
    expect(&found, "fan_speed_rpm", "", None);
    expect(&found, "power_limit_watts", "kind=\"min\"", None);
    assert_eq!(sampler.hint(), None);
}

#[test]
fn time_under_a_limiter_adds_up() {
    let machine = Machine::new();
    let device = machine.card(1, "0000:83:00.0");
    let metrics = |bits: u64| table((1, 3), 120, &[(112, bits.to_le_bytes().as_slice())]);
    machine.write(&format!("{device}/gpu_metrics"), metrics(1 << 32));
    let mut sampler = machine.sampler();
    let found = read(sampler.as_mut());
    expect(&found, "throttle_seconds_total", "reason=\"hw_thermal\"", None);
    machine.clock.set(UnixMs(1_002_000));
    machine.write(&format!("{device}/gpu_metrics"), metrics(0));
    let found = read(sampler.as_mut());
    expect(&found, "throttle_seconds_total", "reason=\"hw_thermal\"", Some(2.0));
    expect(&found, "throttle_seconds_total", "reason=\"hw_slowdown\"", Some(0.0));
    machine.clock.set(UnixMs(1_005_000));
    let found = read(sampler.as_mut());
    expect(&found, "throttle_seconds_total", "reason=\"hw_thermal\"", Some(2.0));
    // An unknown revision: nothing of it is guessed, and the source says so.
    machine.write(&format!("{device}/gpu_metrics"), table((1, 8), 600, &[]));
    machine.clock.set(UnixMs(1_006_000));
    let found = read(sampler.as_mut());
    expect(&found, "throttle_active", "reason=\"hw_thermal\"", None);
    expect(&found, "utilization_ratio", "", Some(0.73));
    expect(&found, "field_state", "field=\"gpu_metrics\", state=\"unsupported\"", Some(1.0));
    let (code, parameters) = sampler.hint().unwrap();
    assert_eq!(code, "hint.accelerator_left_out");
    assert!(parameters[0].1.contains("revision 1.8"), "{parameters:?}");
}

#[test]
fn new_errors_change_the_health() {
    let machine = Machine::new();
    let device = machine.card(1, "0000:83:00.0");
    let mut sampler = machine.sampler();
    read(sampler.as_mut());
    let mut step = |seconds: i64, errors: &str, health: &str| {
        machine.clock.set(UnixMs(1_000_000 + seconds * 1_000));
        machine.write(&format!("{device}/ras/umc_err_count"), errors);
        let found = read(sampler.as_mut());
        expect(&found, "health", &format!("state=\"{health}\""), Some(1.0));
    };
    step(100, "ue: 0\nce: 5\n", "degraded");
    step(200, "ue: 0\nce: 5\n", "degraded");
    step(200 + 24 * 3_600, "ue: 0\nce: 5\n", "ok");
    step(300 + 24 * 3_600, "ue: 1\nce: 5\n", "failed");
}

#[test]
fn words_of_the_driver_are_counted() {
    let machine = Machine::new();
    machine.card(1, "0000:83:00.0");
    let found = read(machine.sampler().as_mut());
    expect(&found, "field_state", "field=\"errors\", state=\"denied\"", Some(1.0));
    machine.write(
        "dev/kmsg",
        "3,1,5,-;amdgpu 0000:83:00.0: amdgpu: ring comp_1.0.0 timeout, signaled seq=5, emitted seq=7\n\
         6,2,6,-;amdgpu 0000:83:00.0: amdgpu: GPU reset begin!\n\
         6,3,7,-;amdgpu 0000:03:00.0: amdgpu: GPU reset begin!\n\
         6,4,8,-;amdgpu 0000:83:00.0: amdgpu: PSP is resuming...\n\
         12,5,9,-;amdgpu 0000:83:00.0: amdgpu: GPU reset begin!\n",
    );
    let mut sampler = machine.sampler();
    read(sampler.as_mut());
    let found = read(sampler.as_mut());
    let labels = "action=\"restart_app\", class=\"restart_app\", code=\"ring_timeout\"";
    expect(&found, "errors_total", labels, Some(1.0));
    let labels = "action=\"restart_app\", class=\"reset_gpu\", code=\"gpu_reset\"";
    expect(&found, "errors_total", labels, Some(1.0));
    let name = format!("{}{{", ACCELERATOR_ERRORS_TOTAL.name);
    assert_eq!(found.keys().filter(|key| key.starts_with(&name)).count(), 2);
    expect(&found, "field_state", "field=\"errors\", state=\"ok\"", Some(1.0));
}

#[test]
fn only_the_first_partition_speaks_for_the_device() {
    let machine = Machine::new();
    for (number, address) in [(1, "0000:83:00.0"), (2, "0000:83:00.1")] {
        let device = machine.card(number, address);
        machine.write(&format!("{device}/current_compute_partition"), "CPX\n");
    }
    machine.write("sys/class/drm/card2/device/hwmon/hwmon3/power1_average", "0\n");
    let found = read(machine.sampler().as_mut());
    expect(&found, "power_watts", "partition=\"0\"", Some(142.0));
    let second = "index=\"1\", partition=\"1\"";
    expect(&found, "utilization_ratio", second, Some(0.73));
    for absent in ["power_watts", "energy_joules_total", "fan_speed_ratio", "voltage_volts"] {
        expect(&found, absent, second, None);
    }
    let of_second = found.keys().filter(|key| key.contains("partition=\"1\""));
    let bad = ["clock", "temperature", "pcie", "link", "throttle", "power"];
    for key in of_second.filter(|key| !key.contains("field_state")) {
        assert!(!bad.iter().any(|word| key.contains(word)), "{key}");
    }
}

#[test]
fn processes_from_kfd_and_fdinfo() {
    let machine = Machine::new();
    machine.card(1, "0000:83:00.0");
    let kfd = "sys/class/kfd/kfd";
    machine.write(&format!("{kfd}/topology/nodes/0/gpu_id"), "0\n");
    machine.write(&format!("{kfd}/topology/nodes/0/properties"), "location_id 0\ndomain 0\n");
    machine.write(&format!("{kfd}/topology/nodes/1/gpu_id"), "51110\n");
    machine.write(&format!("{kfd}/topology/nodes/1/properties"), "location_id 33536\ndomain 0\n");
    machine.write(&format!("{kfd}/proc/70/vram_51110"), "4096\n");
    machine.write(&format!("{kfd}/proc/71/vram_51110"), "0\n");
    machine.write("proc/70/comm", "vllm\n");
    let client = |busy: u64| {
        format!(
            "drm-driver:\tamdgpu\ndrm-client-id:\t1\ndrm-pdev:\t0000:83:00.0\n\
             drm-memory-vram:\t1 KiB\ndrm-engine-compute:\t{busy} ns\n"
        )
    };
    write_client(machine.root.path(), 70, 5, &client(0));
    let mut sampler = machine.sampler();
    let process = "pid=\"70\", process=\"vllm\"";
    let found = read(sampler.as_mut());
    expect(&found, "process_memory_bytes", process, Some(4_096.0));
    expect(&found, "process_utilization_ratio", process, None);
    expect(&found, "process_count", "", Some(1.0));
    write_client(machine.root.path(), 70, 5, &client(2_500_000_000));
    machine.clock.set(UnixMs(1_005_000));
    let found = read(sampler.as_mut());
    expect(&found, "process_utilization_ratio", process, Some(0.5));
}

#[test]
fn a_device_that_is_gone_is_down_until_it_is_back() {
    let machine = Machine::new();
    let device = machine.card(1, "0000:83:00.0");
    let (here, away) = (machine.root.path().join(device), machine.root.path().join("away"));
    let mut sampler = machine.sampler();
    // Nothing was read before: files that are open stay readable here, those of a lost device do not.
    fs::rename(&here, &away).unwrap();
    for seconds in [1, 2, 70] {
        machine.clock.set(UnixMs(1_000_000 + 1_000 * seconds));
        let found = read(sampler.as_mut());
        expect(&found, "up", "", Some(0.0));
        expect(&found, "health", "state=\"failed\"", Some(1.0));
        expect(&found, "utilization_ratio", "", None);
    }
    fs::rename(&away, &here).unwrap();
    machine.clock.set(UnixMs(1_071_000));
    let found = read(sampler.as_mut());
    expect(&found, "up", "", Some(1.0));
    expect(&found, "utilization_ratio", "", Some(0.73));
}

#[test]
fn a_sleeping_device_is_left_alone() {
    let machine = Machine::new();
    let device = machine.card(1, "0000:83:00.0");
    machine.write(&format!("{device}/power/runtime_status"), "suspended\n");
    let mut sampler = machine.sampler();
    let found = read(sampler.as_mut());
    expect(&found, "up", "", Some(1.0));
    expect(&found, "utilization_ratio", "", None);
    expect(&found, "power_watts", "", None);
    machine.write(&format!("{device}/power/runtime_status"), "active\n");
    machine.clock.set(UnixMs(1_001_000));
    expect(&read(sampler.as_mut()), "power_watts", "", Some(142.0));
}

#[test]
fn no_card_is_absence() {
    let machine = Machine::new();
    let Err(failure) = open(&machine.context()) else { panic!("there is no card") };
    assert_eq!(failure.kind, FailureKind::Absent);
    machine.card(1, "0000:83:00.0");
    assert!(open_hygon(&machine.context()).is_err());
    machine.write("sys/class/drm/card1/device/vendor", "0x1d94\n");
    machine
        .write("sys/class/drm/card1/device/uevent", "DRIVER=hydcu\nPCI_SLOT_NAME=0000:83:00.0\n");
    let mut sampler = open_hygon(&machine.context()).unwrap();
    let found = read(sampler.as_mut());
    expect(&found, "utilization_ratio", "", Some(0.73));
}

#[test]
fn no_content_of_a_file_is_fatal() {
    for bad in ["", "N/A\n", "-1\n", "99999999999999999999999999\n", "\u{0}\u{ff}", "nan\n"] {
        let machine = Machine::new();
        let device = machine.root.path().join(machine.card(1, "0000:83:00.0"));
        for file in fs::read_dir(&device).unwrap().flatten() {
            let keep = ["uevent", "vendor"].map(|name| device.join(name));
            if file.path().is_file() && !keep.contains(&file.path()) {
                fs::write(file.path(), bad).unwrap();
            }
        }
        let found = read(machine.sampler().as_mut());
        expect(&found, "utilization_ratio", "", None);
        assert!(found.values().all(|value| value.is_finite() && *value >= 0.0), "{found:#?}");
    }
}
