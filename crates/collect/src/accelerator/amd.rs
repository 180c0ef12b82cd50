//! AMD's GPUs, and Hygon's DCUs whose driver offers the same files: sysfs, hwmon, RAS counters, the
//! binary `gpu_metrics`, KFD's memory by process, `fdinfo` and the driver's words in the kernel's log. No
//! library, no root: other people's processes need root, and so do some RAS files and, on many machines,
//! the log.
//!
//! A device that is powered down is left asleep. `pcie_bw` is never read, because the driver sleeps a
//! second inside. In a partitioned mode (CPX and its like) only the first partition knows power,
//! temperatures, clocks and links; the others say 0, so theirs are left out. Facts: the kernel's
//! amdgpu documentation and `collect.md`, section 2.1.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use model::{Clock, catalogue::*, sample::Batch};

use super::{
    Context,
    drm::{self, Card, put_link},
    fdinfo::{Follower, Uses},
    files::Files,
    gpu_metrics::{self, GpuMetrics, THROTTLE_REASONS},
    kmsg::Log,
    processes::{self, Use as Holder},
    report::{Device, FieldState, Group, Health, Readings, Reporter},
};
use crate::{
    Failure, FailureKind,
    schedule::{Hint, Sampler},
};

const FAST: Duration = Duration::from_secs(1);
const PROCESS: Duration = Duration::from_secs(5);
const SLOW: Duration = Duration::from_secs(60);
/// How long a device with new corrected errors counts as degraded.
const DEGRADED: Duration = Duration::from_secs(24 * 3_600);
/// Processes of KFD and blocks with RAS counters beyond this many are left out.
const LIST_MAX: usize = 4_096;

/// What the driver writes into the kernel's log when something went wrong: a part of the line, and the
/// labels code, class and action of the event. The first that fits counts.
const EVENTS: &[(&str, [&str; 3])] = &[
    ("GPU reset begin", ["gpu_reset", "reset_gpu", "restart_app"]),
    ("GPU reset end with ret", ["gpu_reset_failed", "reboot", "reboot"]),
    ("timeout, signaled seq", ["ring_timeout", "restart_app", "restart_app"]),
    ("page fault", ["page_fault", "restart_app", "restart_app"]),
    ("uncorrectable hardware errors detected", ["ras_uncorrectable", "reset_gpu", "reset_gpu"]),
];

/// The labels of hwmon's temperatures and ours.
const SENSORS: &[(&str, &str)] = &[("edge", "core"), ("junction", "hotspot"), ("mem", "memory")];

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    open_vendor(context, "amd", "0x1002")
}

pub(super) fn open_hygon(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    open_vendor(context, "hygon", "0x1d94")
}

fn open_vendor(
    context: &Context,
    vendor: &'static str,
    pci_vendor: &'static str,
) -> Result<Box<dyn Sampler>, Failure> {
    let cards = find(&context.root, pci_vendor);
    if cards.is_empty() {
        let detail = format!("no card of vendor {pci_vendor} with a driver in /sys/class/drm");
        return Err(Failure::new(FailureKind::Absent, detail));
    }
    let mut family = Family {
        context: context.clone(),
        vendor,
        pci_vendor,
        cards: Vec::new(),
        follower: Follower::new(&["amdgpu"]),
        followed_at: None,
        searched_at: context.clock.monotonic(),
        log: Log::open(&context.root.join("dev/kmsg")).ok(),
    };
    family.take(cards);
    Ok(Box::new(family))
}

/// Cards of the vendor that have a driver with amdgpu's files.
fn find(root: &Path, vendor: &str) -> Vec<Card> {
    let mut cards = drm::cards(root);
    let has_files = |card: &Card| card.folder.join("mem_info_vram_total").exists();
    cards.retain(|card| card.vendor == vendor && (card.driver == "amdgpu" || has_files(card)));
    cards
}

/// All cards of one vendor.
struct Family {
    context: Context,
    vendor: &'static str,
    pci_vendor: &'static str,
    cards: Vec<Gpu>,
    follower: Follower,
    followed_at: Option<Duration>,
    searched_at: Duration,
    /// The kernel's log, where we may read it.
    log: Option<Log>,
}

struct Gpu {
    card: Card,
    files: Files,
    reporter: Reporter,
    /// hwmon's file and our label of each temperature.
    temperatures: Vec<(PathBuf, &'static str)>,
    /// Whether this is a partition that knows nothing of the whole device.
    is_part: bool,
    mode: String,
    total_bytes: Option<f64>,
    limiters: Limiters,
    errors: ErrorGrowth,
    /// Why `gpu_metrics` was left out.
    complaint: Option<String>,
}

impl Family {
    /// Starts with `cards` anew.
    fn take(&mut self, cards: Vec<Card>) {
        let devices: Vec<String> =
            cards.iter().map(|card| slot(&card.address).to_owned()).collect();
        self.cards = Vec::new();
        for (index, card) in cards.into_iter().enumerate() {
            // Partitions are functions of one PCI slot.
            let part = devices.iter().take(index).filter(|slot| **slot == devices[index]).count();
            let shares = devices.iter().filter(|slot| **slot == devices[index]).count() > 1;
            let gpu = Gpu::new(&self.context, self.vendor, card, index, (part, shares));
            self.cards.push(gpu);
        }
    }

    /// Cards may be added, taken out or partitioned anew while we run.
    fn search(&mut self) {
        let now = self.context.clock.monotonic();
        if now.saturating_sub(self.searched_at) < SLOW {
            return;
        }
        self.searched_at = now;
        let found = find(&self.context.root, self.pci_vendor);
        let is_known = |card: &Card| self.cards.iter().any(|gpu| gpu.card == *card);
        // A card that is gone stays on the list, else its loss would be seen for a minute only.
        if !found.iter().all(is_known) {
            self.take(found);
        }
    }

    fn uses(&mut self) -> Uses {
        let now = self.context.clock.monotonic();
        let elapsed = self.followed_at.map_or(Duration::ZERO, |at| now.saturating_sub(at));
        self.followed_at = Some(now);
        self.follower.read(&self.context.root, elapsed)
    }
}

impl Family {
    /// Counts what the driver wrote into the kernel's log.
    fn read_log(&mut self) {
        let Self { log, cards, context, .. } = self;
        let state = if log.is_some() { FieldState::Ok } else { FieldState::Denied };
        for gpu in cards.iter_mut() {
            gpu.files.set("errors", state);
        }
        let Some(log) = log else { return };
        log.read(|text| {
            let Some((address, [code, class, action])) = event(text) else { return };
            let gpu = cards.iter_mut().find(|gpu| gpu.card.address == address);
            if let Some(gpu) = gpu {
                gpu.reporter.count_error(code, class, action, context.clock.now());
            }
        });
    }
}

impl Sampler for Family {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        self.search();
        self.read_log();
        let now = self.context.clock.monotonic();
        // A little early, since ticks are not exact.
        let is_due = |at| now.saturating_sub(at) + Duration::from_millis(500) >= PROCESS;
        if self.followed_at.is_none_or(is_due) {
            let uses = self.uses();
            let memory = kfd_memory(&self.context.root);
            let is_complete = self.follower.is_complete();
            for gpu in &mut self.cards {
                gpu.read_processes(&self.context, &uses, &memory, is_complete);
            }
        }
        for gpu in &mut self.cards {
            gpu.sample(&self.context, batch);
        }
        Ok(())
    }

    fn hint(&self) -> Option<Hint> {
        let complaint = self.cards.iter().find_map(|gpu| gpu.complaint.clone())?;
        Some(("hint.accelerator_left_out", vec![("detail".into(), complaint)]))
    }
}

/// The device and the event of a line such as `amdgpu 0000:83:00.0: amdgpu: GPU reset begin!`.
fn event(text: &str) -> Option<(&str, [&'static str; 3])> {
    let rest = text.strip_prefix("amdgpu ")?;
    let (address, rest) = rest.split_once(": ")?;
    let (_, labels) = EVENTS.iter().find(|(part, _)| rest.contains(part))?;
    Some((address, *labels))
}

/// A PCI address without its function.
fn slot(address: &str) -> &str {
    address.split_once('.').map_or(address, |(slot, _)| slot)
}

impl Gpu {
    fn new(
        context: &Context,
        vendor: &'static str,
        card: Card,
        index: usize,
        (part, shares): (usize, bool),
    ) -> Self {
        let text = |name: &str| fs::read_to_string(card.folder.join(name)).ok();
        let line = |name: &str| text(name).map(|text| text.trim().to_owned()).unwrap_or_default();
        let mode = line("current_compute_partition");
        let is_partitioned = shares && !mode.is_empty() && mode != "SPX";
        let id = line("unique_id");
        let uuid = match id.is_empty() {
            true => format!("pci:{}", card.address),
            false if is_partitioned => format!("{}-{id}/{part}", vendor.to_ascii_uppercase()),
            false => format!("{}-{id}", vendor.to_ascii_uppercase()),
        };
        let name = line("product_name");
        let device = Device {
            uuid,
            index: index.to_string(),
            vendor,
            model: if name.is_empty() { line("device") } else { name },
            pci_bus_id: card.address.clone(),
            host: context.host.clone(),
            partition: is_partitioned.then(|| part.to_string()),
        };
        let temperatures = card.sensors("temp").into_iter().filter_map(|(name, label)| {
            let (_, sensor) = SENSORS.iter().find(|(known, _)| *known == label)?;
            Some((card.hwmon.as_ref()?.join(format!("{name}_input")), *sensor))
        });
        Self {
            temperatures: temperatures.collect(),
            is_part: is_partitioned && part > 0,
            reporter: Reporter::new(&device, &context.clock),
            files: Files::default(),
            mode,
            total_bytes: None,
            limiters: Limiters::default(),
            errors: ErrorGrowth::default(),
            complaint: None,
            card,
        }
    }

    fn sample(&mut self, context: &Context, batch: &mut Batch) {
        if self.card.is_asleep() {
            // Nothing is known of a sleeping device, and asking would wake it.
            for group in [Group::Fast, Group::Process] {
                self.reporter.read(group, |_| {});
            }
            self.reporter.deliver(batch);
            return;
        }
        self.files.start();
        let Self { reporter, .. } = self;
        let is_slow = reporter.is_due(Group::Static, SLOW);
        if is_slow {
            self.read_static(&context.root);
        }
        if self.reporter.is_due(Group::Fast, FAST) {
            self.read_fast(&context.clock);
        }
        if is_slow {
            self.read_errors(context.clock.monotonic());
        }
        self.files.report(&mut self.reporter);
        if self.files.is_lost() {
            self.reporter.set_up(false);
            self.reporter.set_health(Health::Failed);
        } else {
            self.reporter.set_up(true);
            self.reporter.set_health(self.errors.health(context.clock.monotonic()));
        }
        self.reporter.deliver(batch);
    }

    fn read_static(&mut self, root: &Path) {
        let Self { reporter, files, card, is_part, mode, total_bytes, .. } = self;
        let folder = &card.folder;
        *total_bytes = files.number("memory", &folder.join("mem_info_vram_total"));
        reporter.read(Group::Static, |readings| {
            readings.put(&ACCELERATOR_MEMORY_TOTAL_BYTES, *total_bytes);
            let shared = files.number("memory_shared", &folder.join("mem_info_gtt_total"));
            readings.put(&ACCELERATOR_MEMORY_SHARED_TOTAL_BYTES, shared);
            put_info(readings, files, folder, root, mode);
            if *is_part {
                return;
            }
            put_link(readings, files, folder, "max");
            for (file, domain) in [("pp_dpm_sclk", "core"), ("pp_dpm_mclk", "memory")] {
                let clocks = files.text("clock_max", &folder.join(file));
                let highest = clocks.as_deref().and_then(highest_clock);
                readings.put_of(&ACCELERATOR_CLOCK_MAX_HERTZ, &[("domain", domain)], highest);
            }
            if let Some(hwmon) = &card.hwmon {
                put_limits(readings, files, hwmon);
            }
        });
    }

    fn read_fast(&mut self, clock: &Clock) {
        let Self { reporter, files, card, is_part, temperatures, total_bytes, .. } = self;
        let folder = &card.folder;
        let is_part = *is_part;
        let metrics = if is_part {
            GpuMetrics::default()
        } else {
            read_metrics(files, folder, &mut self.complaint)
        };
        let limiters = &mut self.limiters;
        limiters.add(metrics.throttle, clock.monotonic());
        if metrics.throttle.is_some() {
            files.set("throttle_seconds", FieldState::Estimated);
        }
        if metrics.xgmi_received_bytes.is_some() {
            // Nobody says in which unit the firmware counts; KiB is likely.
            files.set("xgmi", FieldState::Estimated);
        }
        reporter.read(Group::Fast, |readings| {
            let busy = files.number("utilization", &folder.join("gpu_busy_percent"));
            let busy = busy.and_then(share).or(metrics.gfx_ratio);
            readings.put(&ACCELERATOR_UTILIZATION_RATIO, busy);
            let busy = files.number("memory_busy", &folder.join("mem_busy_percent"));
            let busy = busy.and_then(share).or(metrics.memory_ratio);
            readings.put(&ACCELERATOR_MEMORY_BUSY_RATIO, busy);
            let decoder = [("engine", "decoder")];
            let ratio = metrics.decoder_ratio;
            readings.put_of(&ACCELERATOR_ENGINE_UTILIZATION_RATIO, &decoder, ratio);
            let used = files.number("memory", &folder.join("mem_info_vram_used"));
            readings.put(&ACCELERATOR_MEMORY_USED_BYTES, used);
            let free = total_bytes.zip(used).map(|(total, used)| total - used);
            readings.put(&ACCELERATOR_MEMORY_FREE_BYTES, free.filter(|free| *free >= 0.0));
            if is_part {
                return;
            }
            put_temperatures(readings, files, temperatures, &metrics);
            put_power_and_clocks(readings, files, card.hwmon.as_deref(), &metrics);
            limiters.put(readings);
            put_xgmi(readings, &metrics);
        });
    }

    fn read_processes(
        &mut self,
        context: &Context,
        uses: &Uses,
        kfd: &BTreeMap<(String, u32), u64>,
        is_complete: bool,
    ) {
        let Self { reporter, files, card, is_part, .. } = self;
        if card.is_asleep() {
            return;
        }
        let state = if is_complete { FieldState::Ok } else { FieldState::Denied };
        files.set("processes", state);
        reporter.read(Group::Process, |readings| {
            put_holders(readings, context, &card.address, uses, kfd);
            let shared = files.number("memory_shared", &card.folder.join("mem_info_gtt_used"));
            readings.put(&ACCELERATOR_MEMORY_SHARED_USED_BYTES, shared);
            if *is_part {
                return;
            }
            put_link(readings, files, &card.folder, "current");
            let replays = files.number("pcie_replay", &card.folder.join("pcie_replay_count"));
            let labels = [("link", "pcie"), ("type", "replay")];
            readings.put_of(&ACCELERATOR_LINK_ERRORS_TOTAL, &labels, replays);
            let Some(hwmon) = &card.hwmon else { return };
            let rpm = files.number("fan", &hwmon.join("fan1_input"));
            readings.put(&ACCELERATOR_FAN_SPEED_RPM, rpm);
            let pwm = files.number("fan", &hwmon.join("pwm1")).filter(|pwm| *pwm <= 255.0);
            readings.put(&ACCELERATOR_FAN_SPEED_RATIO, pwm.map(|pwm| pwm / 255.0));
            let volts = files.number("voltage", &hwmon.join("in0_input"));
            readings.put(&ACCELERATOR_VOLTAGE_VOLTS, volts.map(|millivolts| millivolts / 1e3));
        });
    }

    fn read_errors(&mut self, now: Duration) {
        let Self { reporter, files, card, errors, .. } = self;
        let folder = card.folder.join("ras");
        let mut sums = None;
        reporter.read(Group::Error, |readings| {
            for block in ras_blocks(&folder) {
                let path = folder.join(format!("{block}_err_count"));
                let Some(text) = files.text("ecc", &path) else { continue };
                for (kind, count) in ras_counts(&text) {
                    let labels =
                        [("type", kind), ("scope", "volatile"), ("location", block.as_str())];
                    readings.put_of(&ACCELERATOR_ECC_ERRORS_TOTAL, &labels, Some(count));
                    let (corrected, uncorrected) = sums.get_or_insert((0.0, 0.0));
                    match kind {
                        "corrected" => *corrected += count,
                        "uncorrected" => *uncorrected += count,
                        _ => {}
                    }
                }
            }
            let pages = files.bytes("pages_retired", &folder.join("gpu_vram_bad_pages"));
            // The driver retires pages after uncorrected errors only.
            let pages = pages.map(|text| {
                text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()
            });
            let labels = [("cause", "uncorrected")];
            let pages = pages.map(|pages| pages as f64);
            readings.put_of(&ACCELERATOR_MEMORY_PAGES_RETIRED_TOTAL, &labels, pages);
        });
        errors.add(sums, now);
    }
}

/// 0 to 100 as 0 to 1.
fn share(percent: f64) -> Option<f64> {
    (0.0..=100.0).contains(&percent).then(|| percent / 100.0)
}

/// The table, or nothing with the reason in `complaint`.
fn read_metrics(files: &mut Files, folder: &Path, complaint: &mut Option<String>) -> GpuMetrics {
    *complaint = None;
    let Some(bytes) = files.bytes("gpu_metrics", &folder.join("gpu_metrics")) else {
        return GpuMetrics::default();
    };
    gpu_metrics::parse(&bytes).unwrap_or_else(|unreadable| {
        files.set("gpu_metrics", FieldState::Unsupported);
        *complaint = Some(unreadable.to_string());
        GpuMetrics::default()
    })
}

fn put_info(
    readings: &mut Readings<'_>,
    files: &mut Files,
    folder: &Path,
    root: &Path,
    mode: &str,
) {
    let mut text = |name: &str| files.text("info", &folder.join(name)).unwrap_or_default();
    let (serial, firmware) = (text("serial_number"), text("vbios_version"));
    let node = text("numa_node");
    let driver = files.text("info", &root.join("sys/module/amdgpu/version")).unwrap_or_default();
    let labels = [
        ("serial", serial.as_str()),
        ("driver_version", driver.as_str()),
        ("firmware_version", firmware.as_str()),
        // -1 where the machine has no nodes.
        ("numa_node", if node.starts_with('-') { "" } else { node.as_str() }),
        ("partition_mode", mode),
    ];
    readings.put_of(&ACCELERATOR_INFO, &labels, Some(1.0));
}

fn put_limits(readings: &mut Readings<'_>, files: &mut Files, hwmon: &Path) {
    for (file, kind) in
        [("power1_cap", "enforced"), ("power1_cap_min", "min"), ("power1_cap_max", "max")]
    {
        let watts = files.number("power_limit", &hwmon.join(file)).map(|value| value / 1e6);
        readings.put_of(&ACCELERATOR_POWER_LIMIT_WATTS, &[("kind", kind)], watts);
    }
    for (file, kind) in [("temp1_crit", "slowdown"), ("temp1_emergency", "shutdown")] {
        let celsius = files.number("temperature_limit", &hwmon.join(file));
        let celsius = celsius.map(|value| value / 1e3);
        readings.put_of(&ACCELERATOR_TEMPERATURE_LIMIT_CELSIUS, &[("kind", kind)], celsius);
    }
}

fn put_temperatures(
    readings: &mut Readings<'_>,
    files: &mut Files,
    sensors: &[(PathBuf, &'static str)],
    metrics: &GpuMetrics,
) {
    let mut has = Vec::new();
    for (path, sensor) in sensors {
        let Some(value) = files.signed("temperature", path) else { continue };
        has.push(*sensor);
        let label = [("sensor", *sensor)];
        readings.put_of(&ACCELERATOR_TEMPERATURE_CELSIUS, &label, Some(value / 1e3));
    }
    for (sensor, value) in
        [("hotspot", metrics.hotspot_celsius), ("memory", metrics.memory_celsius)]
    {
        if !has.contains(&sensor) {
            readings.put_of(&ACCELERATOR_TEMPERATURE_CELSIUS, &[("sensor", sensor)], value);
        }
    }
}

fn put_power_and_clocks(
    readings: &mut Readings<'_>,
    files: &mut Files,
    hwmon: Option<&Path>,
    metrics: &GpuMetrics,
) {
    let mut number = |field, name: &str| files.number(field, &hwmon?.join(name));
    let power = number("power", "power1_average").or_else(|| number("power", "power1_input"));
    let power = power.map(|microwatts| microwatts / 1e6).or(metrics.power_watts);
    readings.put(&ACCELERATOR_POWER_WATTS, power);
    readings.put(&ACCELERATOR_ENERGY_JOULES_TOTAL, metrics.energy_joules);
    let core = number("clock", "freq1_input").or(metrics.core_hertz);
    readings.put_of(&ACCELERATOR_CLOCK_HERTZ, &[("domain", "core")], core);
    let memory = number("clock", "freq2_input").or(metrics.memory_hertz);
    readings.put_of(&ACCELERATOR_CLOCK_HERTZ, &[("domain", "memory")], memory);
}

fn put_xgmi(readings: &mut Readings<'_>, metrics: &GpuMetrics) {
    let link = [("link", "xgmi")];
    let received = metrics.xgmi_received_bytes;
    readings.put_of(&ACCELERATOR_LINK_RECEIVE_BYTES_TOTAL, &link, received);
    readings.put_of(&ACCELERATOR_LINK_TRANSMIT_BYTES_TOTAL, &link, metrics.xgmi_sent_bytes);
}

fn put_holders(
    readings: &mut Readings<'_>,
    context: &Context,
    address: &str,
    uses: &Uses,
    kfd: &BTreeMap<(String, u32), u64>,
) {
    let mut found: BTreeMap<u32, Holder> = BTreeMap::new();
    for ((_, pid), used) in uses.iter().filter(|((device, _), _)| device == address) {
        let busiest = used.engines.values().copied().reduce(f64::max);
        let holder = Holder { pid: *pid, bytes: used.memory_bytes, utilization: busiest };
        found.insert(*pid, holder);
    }
    // What compute allocates is not in every driver's fdinfo; KFD knows it.
    for ((_, pid), bytes) in kfd.iter().filter(|((device, _), _)| device == address) {
        let unknown = Holder { pid: *pid, bytes: None, utilization: None };
        let holder = found.entry(*pid).or_insert(unknown);
        holder.bytes = holder.bytes.max(Some(*bytes));
    }
    let list = found.into_values().collect();
    processes::put(readings, &context.root, &context.holders, Some(list));
}

/// Device memory that KFD's processes hold, by PCI address and process.
fn kfd_memory(root: &Path) -> BTreeMap<(String, u32), u64> {
    let folder = root.join("sys/class/kfd/kfd");
    let addresses = kfd_addresses(&folder.join("topology/nodes"));
    let mut memory = BTreeMap::new();
    let Ok(processes) = fs::read_dir(folder.join("proc")) else { return memory };
    for process in processes.flatten().take(LIST_MAX) {
        let pid = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let Some(pid) = pid else { continue };
        for (id, address) in &addresses {
            let text = fs::read_to_string(process.path().join(format!("vram_{id}")));
            let bytes = text.ok().and_then(|text| text.trim().parse::<u64>().ok());
            if let Some(bytes) = bytes.filter(|bytes| *bytes > 0) {
                let sum: &mut u64 = memory.entry((address.clone(), pid)).or_default();
                *sum = sum.saturating_add(bytes);
            }
        }
    }
    memory
}

/// KFD's number of each GPU and its PCI address.
fn kfd_addresses(nodes: &Path) -> Vec<(String, String)> {
    let Ok(nodes) = fs::read_dir(nodes) else { return Vec::new() };
    let found = nodes.flatten().take(LIST_MAX).filter_map(|node| {
        let id = fs::read_to_string(node.path().join("gpu_id")).ok()?.trim().to_owned();
        let properties = fs::read_to_string(node.path().join("properties")).ok()?;
        let value = |name: &str| {
            let mut lines = properties.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(key, _)| *key == name)?.1.trim().parse::<u64>().ok()
        };
        let (location, domain) = (value("location_id")?, value("domain").unwrap_or_default());
        // The location is bus, device and function as PCI packs them.
        let (bus, device, function) =
            ((location >> 8) & 0xff, (location >> 3) & 0x1f, location & 0x7);
        // A CPU is a node too, with the number 0.
        (id != "0").then(|| (id, format!("{domain:04x}:{bus:02x}:{device:02x}.{function}")))
    });
    found.collect()
}

/// The names of blocks with error counters.
fn ras_blocks(folder: &Path) -> Vec<String> {
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let names = files.flatten().take(LIST_MAX).map(|file| file.file_name());
    let blocks =
        names.filter_map(|name| Some(name.to_str()?.strip_suffix("_err_count")?.to_owned()));
    let mut blocks: Vec<String> = blocks.collect();
    blocks.sort();
    blocks
}

/// Kind and count of each line such as `ue: 0`.
fn ras_counts(text: &str) -> impl Iterator<Item = (&'static str, f64)> {
    text.lines().filter_map(|line| {
        let (kind, count) = line.split_once(':')?;
        let kind = match kind.trim() {
            "ue" => "uncorrected",
            "ce" => "corrected",
            "de" => "deferred",
            _ => return None,
        };
        Some((kind, count.trim().parse::<u64>().ok()? as f64))
    })
}

/// The highest clock of a list such as `1: 1700Mhz *`.
fn highest_clock(list: &str) -> Option<f64> {
    let clocks = list.lines().filter_map(|line| {
        let value = line.split_once(':')?.1.trim().to_ascii_lowercase();
        value.split_once("mhz")?.0.parse::<f64>().ok()
    });
    clocks.filter(|clock| clock.is_finite()).reduce(f64::max).map(|clock| clock * 1e6)
}

/// Which limiters hold the clock down, and for how long each did so while we looked.
#[derive(Debug, Default)]
struct Limiters {
    bits: Option<u64>,
    read_at: Option<Duration>,
    seconds: BTreeMap<&'static str, f64>,
}

impl Limiters {
    fn add(&mut self, bits: Option<u64>, now: Duration) {
        let elapsed = self.read_at.map_or(0.0, |at| now.saturating_sub(at).as_secs_f64());
        let before = self.bits;
        for (reason, mask) in THROTTLE_REASONS {
            if let Some(before) = before {
                let held = if before & mask != 0 { elapsed } else { 0.0 };
                *self.seconds.entry(reason).or_default() += held;
            }
        }
        self.bits = bits;
        self.read_at = bits.map(|_| now);
    }

    fn put(&self, readings: &mut Readings<'_>) {
        for (reason, mask) in THROTTLE_REASONS {
            let label = [("reason", *reason)];
            let active = self.bits.map(|bits| f64::from(u8::from(bits & mask != 0)));
            readings.put_of(&ACCELERATOR_THROTTLE_ACTIVE, &label, active);
            let seconds = self.seconds.get(reason).copied();
            readings.put_of(&ACCELERATOR_THROTTLE_SECONDS_TOTAL, &label, seconds);
        }
    }
}

/// What the RAS counters say of a device's health.
#[derive(Debug, Default)]
struct ErrorGrowth {
    /// Corrected and uncorrected, over all blocks.
    last: Option<(f64, f64)>,
    grown_at: Option<Duration>,
}

impl ErrorGrowth {
    fn add(&mut self, sums: Option<(f64, f64)>, now: Duration) {
        if let (Some((before, _)), Some((after, _))) = (self.last, sums)
            && after > before
        {
            self.grown_at = Some(now);
        }
        self.last = sums;
    }

    fn health(&self, now: Duration) -> Health {
        match self.last {
            None => Health::Unknown,
            Some((_, uncorrected)) if uncorrected > 0.0 => Health::Failed,
            _ if self.grown_at.is_some_and(|at| now.saturating_sub(at) < DEGRADED) => {
                Health::Degraded
            }
            _ => Health::Ok,
        }
    }
}

#[cfg(test)]
mod tests;
