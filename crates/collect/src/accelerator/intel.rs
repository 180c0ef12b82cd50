//! Intel's GPUs under the drivers xe and i915: clocks and throttle reasons from sysfs, energy and
//! temperatures from hwmon, engines and memory from `fdinfo`. No library; root sees other people's
//! processes.
//!
//! The drivers have no file for how busy a device is. Its share comes from adding up what the
//! processes used, so it is left out unless every process could be looked into, and is marked
//! as an estimate. Power is the growth of the energy counter. A device that is powered down is left
//! asleep. Facts: the kernel's ABI documents of xe and i915, and `collect.md`, sections 2 and 5.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use model::{catalogue::*, sample::Batch};

use super::{
    Context,
    drm::{self, Card, put_link},
    fdinfo::{Follower, Uses},
    files::Files,
    processes::{self, Use as Holder},
    report::{Device, FieldState, Group, Health, Readings, Reporter},
};
use crate::{Failure, FailureKind, schedule::Sampler};

const PCI_VENDOR: &str = "0x8086";
const DRIVERS: &[&str] = &["i915", "xe"];

const FAST: Duration = Duration::from_secs(1);
const PROCESS: Duration = Duration::from_secs(5);
const SLOW: Duration = Duration::from_secs(60);

/// PCI device numbers of cards that run models, since no file has their names.
const MODELS: &[(&str, &str)] = &[
    ("0x0bd5", "Data Center GPU Max 1550"),
    ("0x0bda", "Data Center GPU Max 1100"),
    ("0x56a0", "Arc A770"),
    ("0x56a1", "Arc A750"),
    ("0x56a5", "Arc A380"),
    ("0x56c0", "Data Center GPU Flex 170"),
    ("0x56c1", "Data Center GPU Flex 140"),
    ("0xe20b", "Arc B580"),
    ("0xe20c", "Arc B570"),
    ("0xe211", "Arc Pro B60"),
    ("0xe212", "Arc Pro B50"),
];

/// What `fdinfo` calls the engines and what the label is: of xe, then of i915.
const ENGINES: &[(&str, &str)] = &[
    ("bcs", "copy"),
    ("ccs", "compute"),
    ("rcs", "graphics"),
    ("vcs", "video"),
    ("vecs", "video_enhance"),
    ("copy", "copy"),
    ("compute", "compute"),
    ("render", "graphics"),
    ("video", "video"),
    ("video-enhance", "video_enhance"),
];

/// Ends of the files of throttle reasons and our labels.
const REASONS: &[(&str, &str)] = &[
    ("pl1", "sw_power_cap"),
    ("pl2", "sw_power_cap"),
    ("pl4", "sw_power_cap"),
    ("prochot", "hw_slowdown"),
    ("ratl", "hw_thermal"),
    ("thermal", "hw_thermal"),
    ("vr_tdc", "sw_power_cap"),
    ("vr_thermalert", "hw_thermal"),
];

/// Where a driver keeps what it says of the main engine group.
struct Layout {
    clock: &'static str,
    clock_max: &'static str,
    /// Prefix of the files of throttle reasons.
    reasons: &'static str,
}

/// From the card's folder `device`.
const XE: Layout = Layout {
    clock: "tile0/gt0/freq0/act_freq",
    clock_max: "tile0/gt0/freq0/rp0_freq",
    reasons: "tile0/gt0/freq0/throttle/reason_",
};
/// From the card's own folder.
const I915: Layout = Layout {
    clock: "gt/gt0/rps_act_freq_mhz",
    clock_max: "gt/gt0/rps_RP0_freq_mhz",
    reasons: "gt/gt0/throttle_reason_",
};

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let mut cards = drm::cards(&context.root);
    cards.retain(|card| card.vendor == PCI_VENDOR && DRIVERS.contains(&card.driver.as_str()));
    if cards.is_empty() {
        let detail = "no card of Intel with the driver xe or i915 in /sys/class/drm";
        return Err(Failure::new(FailureKind::Absent, detail));
    }
    let cards = cards.into_iter().enumerate().map(|(index, card)| Gpu::new(context, card, index));
    Ok(Box::new(Family {
        cards: cards.collect(),
        context: context.clone(),
        follower: Follower::new(DRIVERS),
        followed_at: None,
    }))
}

struct Family {
    context: Context,
    cards: Vec<Gpu>,
    follower: Follower,
    followed_at: Option<Duration>,
}

struct Gpu {
    /// The folder of the files in [`Layout`].
    base: PathBuf,
    layout: &'static Layout,
    /// hwmon's files of the counted energy, by the number of the channel.
    energy: Option<(usize, PathBuf)>,
    temperatures: Vec<(PathBuf, &'static str)>,
    total_bytes: Option<f64>,
    energy_before: Option<(f64, Duration)>,
    card: Card,
    files: Files,
    reporter: Reporter,
}

impl Sampler for Family {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let now = self.context.clock.monotonic();
        for gpu in &mut self.cards {
            gpu.read(now);
        }
        // A little early, since ticks are not exact.
        let is_due = |at| now.saturating_sub(at) + Duration::from_millis(500) >= PROCESS;
        if self.followed_at.is_none_or(is_due) {
            let elapsed = self.followed_at.map_or(Duration::ZERO, |at| now.saturating_sub(at));
            self.followed_at = Some(now);
            let uses = self.follower.read(&self.context.root, elapsed);
            let is_complete = self.follower.is_complete();
            for gpu in &mut self.cards {
                gpu.read_processes(&self.context, &uses, is_complete);
            }
        }
        for gpu in &mut self.cards {
            gpu.reporter.deliver(batch);
        }
        Ok(())
    }
}

impl Gpu {
    fn new(context: &Context, card: Card, index: usize) -> Self {
        let (layout, base) = match card.driver.as_str() {
            "xe" => (&XE, card.folder.clone()),
            _ => (&I915, card.folder.parent().map(Path::to_owned).unwrap_or_default()),
        };
        let number = fs::read_to_string(card.folder.join("device")).unwrap_or_default();
        let number = number.trim().to_ascii_lowercase();
        let model = MODELS.iter().find(|(known, _)| *known == number);
        let device = Device {
            uuid: format!("pci:{}", card.address),
            index: index.to_string(),
            vendor: "intel",
            model: model.map_or(number.clone(), |(_, model)| (*model).to_owned()),
            pci_bus_id: card.address.clone(),
            host: context.host.clone(),
            partition: None,
        };
        let hwmon = card.hwmon.clone();
        let temperatures = card.sensors("temp").into_iter().filter_map(|(name, label)| {
            let sensor = match label.as_str() {
                "pkg" => "core",
                "vram" => "memory",
                _ => return None,
            };
            Some((hwmon.as_ref()?.join(format!("{name}_input")), sensor))
        });
        // The first channel is the whole card where there are two.
        let energy = (1..=2).find_map(|channel| {
            let path = hwmon.as_ref()?.join(format!("energy{channel}_input"));
            path.exists().then_some((channel, path))
        });
        Self {
            temperatures: temperatures.collect(),
            energy,
            base,
            layout,
            total_bytes: None,
            energy_before: None,
            reporter: Reporter::new(&device, &context.clock),
            files: Files::default(),
            card,
        }
    }

    fn read(&mut self, now: Duration) {
        if self.card.is_asleep() {
            // Nothing is known of a sleeping device, and asking would wake it.
            self.energy_before = None;
            for group in [Group::Fast, Group::Process] {
                self.reporter.read(group, |_| {});
            }
            return;
        }
        self.files.start();
        if self.reporter.is_due(Group::Static, SLOW) {
            self.read_static();
        }
        if self.reporter.is_due(Group::Fast, FAST) {
            self.read_fast(now);
        }
        self.files.report(&mut self.reporter);
        let is_lost = self.files.is_lost();
        self.reporter.set_up(!is_lost);
        self.reporter.set_health(if is_lost { Health::Failed } else { Health::Unknown });
    }

    fn read_static(&mut self) {
        let Self { reporter, files, card, base, layout, energy, total_bytes, .. } = self;
        let folder = &card.folder;
        let tiles = (0..8).map_while(|tile| {
            let path = folder.join(format!("tile{tile}"));
            let path = path.join("physical_vram_size_bytes");
            path.exists().then(|| files.number("memory_total", &path))?
        });
        let tiles: Vec<f64> = tiles.collect();
        *total_bytes = match tiles.is_empty() {
            true => files.number("memory_total", &base.join("lmem_total_bytes")),
            false => Some(tiles.iter().sum()),
        };
        reporter.read(Group::Static, |readings| {
            readings.put(&ACCELERATOR_MEMORY_TOTAL_BYTES, *total_bytes);
            let highest = files.number("clock_max", &base.join(layout.clock_max));
            let highest = highest.map(|megahertz| megahertz * 1e6);
            readings.put_of(&ACCELERATOR_CLOCK_MAX_HERTZ, &[("domain", "core")], highest);
            put_link(readings, files, folder, "max");
            let node = files.text("info", &folder.join("numa_node")).unwrap_or_default();
            let driver = files.text("info", &folder.join("driver/module/version"));
            let labels = [
                ("driver_version", driver.as_deref().unwrap_or_default()),
                ("numa_node", if node.starts_with('-') { "" } else { node.as_str() }),
            ];
            readings.put_of(&ACCELERATOR_INFO, &labels, Some(1.0));
            let Some(hwmon) = &card.hwmon else { return };
            let channel = energy.as_ref().map_or(1, |(channel, _)| *channel);
            for (end, kind) in [("max", "enforced"), ("rated_max", "default")] {
                let path = hwmon.join(format!("power{channel}_{end}"));
                let watts = files.number("power_limit", &path).map(|value| value / 1e6);
                readings.put_of(&ACCELERATOR_POWER_LIMIT_WATTS, &[("kind", kind)], watts);
            }
        });
    }

    fn read_fast(&mut self, now: Duration) {
        let Self { reporter, files, base, layout, energy, temperatures, energy_before, .. } = self;
        reporter.read(Group::Fast, |readings| {
            let clock = files.number("clock", &base.join(layout.clock));
            // The clock of an engine group that is switched off is 0.
            let clock = clock.map(|megahertz| megahertz * 1e6);
            readings.put_of(&ACCELERATOR_CLOCK_HERTZ, &[("domain", "core")], clock);
            for (path, sensor) in temperatures.iter() {
                let celsius = files.signed("temperature", path).map(|value| value / 1e3);
                let label = [("sensor", *sensor)];
                readings.put_of(&ACCELERATOR_TEMPERATURE_CELSIUS, &label, celsius);
            }
            let joules = energy.as_ref().and_then(|(_, path)| files.number("energy", path));
            let joules = joules.map(|microjoules| microjoules / 1e6);
            readings.put(&ACCELERATOR_ENERGY_JOULES_TOTAL, joules);
            readings.put(&ACCELERATOR_POWER_WATTS, power(*energy_before, joules, now));
            *energy_before = joules.map(|joules| (joules, now));
            if joules.is_some() {
                files.set("power", FieldState::Estimated);
            }
            put_reasons(readings, files, base, layout);
        });
    }

    fn read_processes(&mut self, context: &Context, uses: &Uses, is_complete: bool) {
        if self.card.is_asleep() {
            return;
        }
        let Self { reporter, files, card, total_bytes, .. } = self;
        let state = if is_complete { FieldState::Ok } else { FieldState::Denied };
        files.set("processes", state);
        let sums = if is_complete { FieldState::Estimated } else { FieldState::Denied };
        files.set("utilization", sums);
        let used_by: Vec<_> =
            uses.iter().filter(|((address, _), _)| *address == card.address).collect();
        reporter.read(Group::Process, |readings| {
            put_link(readings, files, &card.folder, "current");
            if let Some(hwmon) = &card.hwmon {
                let rpm = files.number("fan", &hwmon.join("fan1_input"));
                readings.put(&ACCELERATOR_FAN_SPEED_RPM, rpm);
                let volts = ["in0_input", "in1_input"];
                let volts =
                    volts.iter().find_map(|file| files.number("voltage", &hwmon.join(file)));
                readings.put(&ACCELERATOR_VOLTAGE_VOLTS, volts.map(|value| value / 1e3));
            }
            let mut engines: BTreeMap<&str, f64> = BTreeMap::new();
            let mut memory = 0.0;
            let mut list = Vec::new();
            for ((_, pid), used) in &used_by {
                for (name, share) in &used.engines {
                    let label = ENGINES.iter().find(|(known, _)| known == name);
                    let Some((_, label)) = label else { continue };
                    let sum = engines.entry(label).or_default();
                    *sum = (*sum + share).min(1.0);
                }
                memory += used.memory_bytes.unwrap_or_default() as f64;
                let utilization = used.engines.values().copied().reduce(f64::max);
                list.push(Holder { pid: *pid, bytes: used.memory_bytes, utilization });
            }
            processes::put(readings, &context.root, &context.holders, Some(list));
            if is_complete {
                put_sums(readings, &engines, memory, *total_bytes);
            }
        });
    }
}

/// What only the sum over all processes tells.
fn put_sums(
    readings: &mut Readings<'_>,
    engines: &BTreeMap<&str, f64>,
    memory: f64,
    total: Option<f64>,
) {
    for (engine, share) in engines {
        let label = [("engine", *engine)];
        readings.put_of(&ACCELERATOR_ENGINE_UTILIZATION_RATIO, &label, Some(*share));
    }
    let busiest = engines.values().copied().reduce(f64::max);
    readings.put(&ACCELERATOR_UTILIZATION_RATIO, busiest);
    // A device without memory of its own has no size of it either.
    if let Some(total) = total {
        readings.put(&ACCELERATOR_MEMORY_USED_BYTES, Some(memory));
        readings.put(&ACCELERATOR_MEMORY_FREE_BYTES, Some((total - memory).max(0.0)));
    }
}

/// Watts between two readings of the energy counter; absent when it began anew.
fn power(before: Option<(f64, Duration)>, joules: Option<f64>, now: Duration) -> Option<f64> {
    let ((before, at), joules) = before.zip(joules)?;
    let seconds = now.checked_sub(at)?.as_secs_f64();
    (seconds > 0.0 && joules >= before).then(|| (joules - before) / seconds)
}

/// A reason holds when any of its files says 1.
fn put_reasons(readings: &mut Readings<'_>, files: &mut Files, base: &Path, layout: &Layout) {
    let mut found: BTreeMap<&str, f64> = BTreeMap::new();
    for (end, reason) in REASONS {
        let path = base.join(format!("{}{end}", layout.reasons));
        if let Some(value) = files.number("throttle", &path) {
            let active = found.entry(reason).or_default();
            *active = f64::max(*active, f64::from(u8::from(value != 0.0)));
        }
    }
    for (reason, active) in found {
        readings.put_of(&ACCELERATOR_THROTTLE_ACTIVE, &[("reason", reason)], Some(active));
    }
}

#[cfg(test)]
mod tests {
    use model::{Clock, UnixMs};

    use super::{
        super::{Holders, Settings, fdinfo::tests::write_client},
        *,
    };

    struct Machine {
        root: tempfile::TempDir,
        clock: Clock,
    }

    impl Machine {
        /// Written from the kernel's ABI documents, not captured.
        fn new(driver: &str, files: &[(&str, &str)]) -> Self {
            let root = tempfile::tempdir().unwrap();
            let clock = Clock::manual(UnixMs(1_000_000));
            let machine = Self { root, clock };
            let uevent = format!("DRIVER={driver}\nPCI_SLOT_NAME=0000:03:00.0\n");
            machine.write("device/uevent", &uevent);
            machine.write("device/vendor", "0x8086\n");
            machine.write("device/device", "0xe20b\n");
            for (path, text) in files {
                machine.write(path, text);
            }
            machine
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.root.path().join("sys/class/drm/card0").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn open(&self) -> Result<Box<dyn Sampler>, Failure> {
            open(&Context {
                root: self.root.path().into(),
                host: "h".into(),
                clock: self.clock.clone(),
                holders: Holders::default(),
                settings: Settings::default(),
            })
        }
    }

    fn read(sampler: &mut dyn Sampler) -> BTreeMap<String, f64> {
        let mut batch = Batch::default();
        sampler.sample(&mut batch).unwrap();
        let base = ["uuid", "vendor", "model", "pci_bus_id", "host", "index"];
        let samples = batch.samples.iter();
        let line = |(labels, value): &(model::Labels, f64)| {
            (labels.keep(|name| !base.contains(&name)).to_string(), *value)
        };
        samples.map(line).collect()
    }

    #[track_caller]
    fn check(found: &BTreeMap<String, f64>, name: &str, value: Option<f64>) {
        let key = format!("accelerator_{name}");
        assert_eq!(found.get(&key).copied(), value, "{key}\n{found:#?}");
    }

    #[test]
    fn a_card_under_xe() {
        let machine = Machine::new(
            "xe",
            &[
                ("device/tile0/gt0/freq0/act_freq", "2400\n"),
                ("device/tile0/gt0/freq0/rp0_freq", "2850\n"),
                ("device/tile0/gt0/freq0/throttle/reason_pl1", "1\n"),
                ("device/tile0/gt0/freq0/throttle/reason_pl2", "0\n"),
                ("device/tile0/gt0/freq0/throttle/reason_thermal", "0\n"),
                ("device/tile0/physical_vram_size_bytes", "12884901888\n"),
                ("device/max_link_speed", "16.0 GT/s PCIe\n"),
                ("device/max_link_width", "8\n"),
                ("device/hwmon/hwmon2/energy1_input", "5000000\n"),
                ("device/hwmon/hwmon2/energy2_input", "4000000\n"),
                ("device/hwmon/hwmon2/power1_max", "190000000\n"),
                ("device/hwmon/hwmon2/temp2_input", "48000\n"),
                ("device/hwmon/hwmon2/temp2_label", "pkg\n"),
                ("device/hwmon/hwmon2/temp3_input", "52000\n"),
                ("device/hwmon/hwmon2/temp3_label", "vram\n"),
            ],
        );
        let mut sampler = machine.open().unwrap();
        let found = read(sampler.as_mut());
        for (name, value) in [
            ("up", 1.0),
            ("clock_hertz{domain=\"core\"}", 2.4e9),
            ("clock_max_hertz{domain=\"core\"}", 2.85e9),
            ("throttle_active{reason=\"sw_power_cap\"}", 1.0),
            ("throttle_active{reason=\"hw_thermal\"}", 0.0),
            ("memory_total_bytes", 12_884_901_888.0),
            ("temperature_celsius{sensor=\"core\"}", 48.0),
            ("temperature_celsius{sensor=\"memory\"}", 52.0),
            ("power_limit_watts{kind=\"enforced\"}", 190.0),
            ("energy_joules_total", 5.0),
            ("pcie_link_generation{kind=\"max\"}", 4.0),
            ("health{state=\"unknown\"}", 1.0),
            ("field_state{field=\"power\", state=\"estimated\"}", 1.0),
        ] {
            check(&found, name, Some(value));
        }
        check(&found, "power_watts", None);
        check(&found, "throttle_active{reason=\"hw_slowdown\"}", None);
        check(&found, "utilization_ratio", None);
        machine.write("device/hwmon/hwmon2/energy1_input", "85000000\n");
        machine.clock.set(UnixMs(1_002_000));
        check(&read(sampler.as_mut()), "power_watts", Some(40.0));
        machine.write("device/hwmon/hwmon2/energy1_input", "100\n");
        machine.clock.set(UnixMs(1_003_000));
        check(&read(sampler.as_mut()), "power_watts", None);
    }

    #[test]
    fn shares_are_sums_over_processes() {
        let size = ("device/tile0/physical_vram_size_bytes", "1073741824\n");
        let machine = Machine::new("xe", &[size]);
        let client = |id: u32, compute: u32, graphics: u32, all: u32| {
            format!(
                "drm-driver:\txe\ndrm-client-id:\t{id}\ndrm-pdev:\t0000:03:00.0\n\
                 drm-total-vram0:\t256 MiB\ndrm-cycles-ccs:\t{compute}\n\
                 drm-total-cycles-ccs:\t{all}\ndrm-cycles-rcs:\t{graphics}\n\
                 drm-total-cycles-rcs:\t{all}\n"
            )
        };
        let root = machine.root.path();
        write_client(root, 7, 3, &client(1, 0, 0, 1_000));
        write_client(root, 8, 3, &client(2, 0, 0, 1_000));
        let mut sampler = machine.open().unwrap();
        check(&read(sampler.as_mut()), "memory_used_bytes", Some(536_870_912.0));
        write_client(root, 7, 3, &client(1, 500, 0, 2_000));
        write_client(root, 8, 3, &client(2, 250, 100, 2_000));
        machine.clock.set(UnixMs(1_005_000));
        let found = read(sampler.as_mut());
        check(&found, "engine_utilization_ratio{engine=\"compute\"}", Some(0.75));
        check(&found, "engine_utilization_ratio{engine=\"graphics\"}", Some(0.1));
        check(&found, "utilization_ratio", Some(0.75));
        check(&found, "memory_free_bytes", Some(536_870_912.0));
        check(&found, "process_utilization_ratio{pid=\"7\"}", Some(0.5));
        check(&found, "process_count", Some(2.0));
        // A process that hides its files: what the sum would be is not known any more.
        fs::create_dir_all(root.join("proc/9")).unwrap();
        fs::write(root.join("proc/9/cmdline"), "x").unwrap();
        for step in 2..14 {
            machine.clock.set(UnixMs(1_000_000 + step * 5_000));
            read(sampler.as_mut());
        }
        let found = read(sampler.as_mut());
        check(&found, "utilization_ratio", None);
        check(&found, "memory_used_bytes", None);
        check(&found, "process_memory_bytes{pid=\"7\"}", Some(268_435_456.0));
        check(&found, "field_state{field=\"utilization\", state=\"denied\"}", Some(1.0));
    }

    #[test]
    fn a_card_under_i915() {
        let machine = Machine::new(
            "i915",
            &[
                ("gt/gt0/rps_act_freq_mhz", "1300\n"),
                ("gt/gt0/rps_RP0_freq_mhz", "2050\n"),
                ("gt/gt0/throttle_reason_prochot", "1\n"),
                ("device/hwmon/hwmon5/energy1_input", "1000000\n"),
                ("device/hwmon/hwmon5/in0_input", "640\n"),
            ],
        );
        let found = read(machine.open().unwrap().as_mut());
        check(&found, "clock_hertz{domain=\"core\"}", Some(1.3e9));
        check(&found, "clock_max_hertz{domain=\"core\"}", Some(2.05e9));
        check(&found, "throttle_active{reason=\"hw_slowdown\"}", Some(1.0));
        check(&found, "energy_joules_total", Some(1.0));
        check(&found, "voltage_volts", Some(0.64));
        check(&found, "memory_total_bytes", None);
        let failure = Machine::new("vfio-pci", &[]).open().err().unwrap();
        assert_eq!(failure.kind, FailureKind::Absent);
    }
}
