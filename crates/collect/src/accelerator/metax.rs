//! MetaX's GPUs through MXSML (`libmxsml.so`): activity, memory, power, temperature, clocks, link,
//! processes.
//!
//! Devices are named by their number in every call. Memory comes in KiB, temperatures in 0.01 degrees,
//! power in mW for each of up to three ways into the board, memory of processes in bytes. The calls for
//! MetaXLink are left out. Facts: `collect.md`, section 2.2, and for processes the vendor's header.

use std::{path::PathBuf, sync::Arc};

use model::catalogue::*;

use super::{
    Context,
    drm::generation_of,
    fleet::{Asker, Codes, Fleet, Member, float, percent},
    library::{Arg, Buffer, Function, Library},
    processes::{self, Holders, Use},
    report::{Device, Readings, Reporter, pci_bus_id},
};
use crate::{Failure, FailureKind, schedule::Sampler};

const LIBRARIES: &[&str] = &[
    "/opt/mxdriver/lib/libmxsml.so",
    "/opt/maca/lib/libmxsml.so",
    "/opt/mxn100/lib/libmxsml.so",
    "libmxsml.so",
];
/// Devices beyond this many are left out.
const DEVICES_MAX: u32 = 64;
/// Ways of power into a board.
const WAYS_MAX: usize = 3;

/// Most processes of one device.
const PROCESSES_MAX: usize = 64;
/// Most devices that are told of one process, and bytes of what is told of each, and of all of it.
const PROCESS_DEVICES_MAX: usize = 64;
const PROCESS_DEVICE_BYTES: usize = 48;
const PROCESS_BYTES: usize = 72 + PROCESS_DEVICE_BYTES * PROCESS_DEVICES_MAX;

/// 2: no device; 3: not supported; 8: permission denied.
const CODES: Codes = Codes { unsupported: &[3], denied: &[8], lost: &[2] };

/// Units of a device whose use is told: number, and label of the engine. The first of these that a
/// device has is the one that computes: Xcore on class C, Dla on class N.
const COMPUTE: &[u64] = &[4, 0];
const CODECS: &[(u64, &str)] = &[(1, "encoder"), (2, "decoder")];
/// Units with a clock: number and label.
const CLOCKS: &[(u64, &str)] = &[(11, "core"), (3, "memory")];

const fn plain(name: &'static str) -> Function {
    Function { name, suffixes: &[""] }
}

const FUNCTIONS: &[Function] = &[
    plain("Init"),
    plain("GetDeviceCount"),
    plain("GetDeviceInfo"),
    plain("GetLimitedDeviceInfo"),
    plain("GetDeviceIpUsage"),
    plain("GetMemoryInfo"),
    plain("GetBoardPowerInfo"),
    plain("GetBoardPowerLimit"),
    plain("GetTemperatureInfo"),
    plain("GetClocks"),
    plain("GetPcieInfo"),
    plain("GetPcieMaxLinkInfo"),
    plain("GetSingleGpuProcess"),
];

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let paths = context.libraries("metax", LIBRARIES);
    let library = Arc::new(Library::open(&paths, "mxSml", FUNCTIONS)?);
    let code = library.call("Init", "", &mut []);
    if code != Some(0) {
        let kind = match code {
            Some(8) => FailureKind::PermissionDenied,
            _ => FailureKind::Unreachable,
        };
        let detail = format!("{}: mxSmlInit: {code:?}", library.path().display());
        return Err(Failure::new(kind, detail));
    }
    // The one call that returns a number instead of a code.
    let count = library.call("GetDeviceCount", "", &mut []).unwrap_or_default();
    let count = u32::try_from(count).unwrap_or_default().min(DEVICES_MAX);
    let members = (0..count).filter_map(|index| {
        let mut gpu = Gpu {
            library: Arc::clone(&library),
            root: context.root.clone(),
            holders: context.holders.clone(),
            number: u64::from(index),
            total_bytes: None,
            compute: None,
            asker: Asker::new(&CODES),
        };
        let device = gpu.identity(context)?;
        Some((gpu, Reporter::new(&device, &context.clock)))
    });
    let members: Vec<_> = members.collect();
    if members.is_empty() {
        return Err(Failure::new(FailureKind::Absent, "MXSML lists no device"));
    }
    Ok(Box::new(Fleet { members }))
}

struct Gpu {
    library: Arc<Library>,
    root: PathBuf,
    holders: Holders,
    number: u64,
    total_bytes: Option<f64>,
    /// Which of [`COMPUTE`] answered.
    compute: Option<u64>,
    asker: Asker,
}

impl Gpu {
    /// What a function writes for the device, or for one of its units.
    fn value(
        &mut self,
        field: &'static str,
        name: &'static str,
        unit: Option<u64>,
    ) -> Option<Buffer> {
        let mut value = Buffer::new(256);
        let mut args = vec![Arg::Number(self.number)];
        args.extend(unit.map(Arg::Number));
        args.push(Arg::Buffer(&mut value));
        let key = (name, unit.unwrap_or_default());
        self.asker.ask(&self.library, field, key, &mut args).then_some(value)
    }

    fn identity(&mut self, context: &Context) -> Option<Device> {
        let info = self.value("info", "GetDeviceInfo", None);
        let info = info.or_else(|| self.value("info", "GetLimitedDeviceInfo", None))?;
        let address = pci_bus_id(&info.text(8, 32).unwrap_or_default());
        Some(Device {
            uuid: info.text(48, 96).unwrap_or_else(|| format!("pci:{address}")),
            index: self.number.to_string(),
            vendor: "metax",
            model: info.text(152, 32).unwrap_or_default(),
            pci_bus_id: address,
            host: context.host.clone(),
            partition: None,
        })
    }

    fn usage(&mut self, unit: u64) -> Option<f64> {
        percent(self.value("utilization", "GetDeviceIpUsage", Some(unit))?.u32(0))
    }

    /// The unit that computes: once one has answered, the others are not asked.
    fn busy(&mut self) -> Option<f64> {
        if let Some(unit) = self.compute {
            return self.usage(unit);
        }
        COMPUTE.iter().find_map(|unit| {
            let usage = self.usage(*unit)?;
            self.compute = Some(*unit);
            Some(usage)
        })
    }

    fn watts(&mut self) -> Option<f64> {
        let (mut size, mut ways) = (Buffer::new(4), Buffer::new(12 * WAYS_MAX));
        size.set_u32(0, WAYS_MAX as u32);
        let number = Arg::Number(self.number);
        let mut args = [number, Arg::Buffer(&mut size), Arg::Buffer(&mut ways)];
        if !self.asker.ask(&self.library, "power", ("GetBoardPowerInfo", 0), &mut args) {
            return None;
        }
        let count = (size.u32(0)? as usize).min(WAYS_MAX);
        let milliwatts: Vec<f64> =
            (0..count).filter_map(|way| ways.u32(12 * way + 8)).map(f64::from).collect();
        (!milliwatts.is_empty()).then(|| milliwatts.iter().sum::<f64>() / 1e3)
    }

    fn clock(&mut self, unit: u64) -> Option<f64> {
        let (mut size, mut list) = (Buffer::new(4), Buffer::new(4 * 16));
        size.set_u32(0, 16);
        let mut args = [
            Arg::Number(self.number),
            Arg::Number(unit),
            Arg::Buffer(&mut size),
            Arg::Buffer(&mut list),
        ];
        let has = self.asker.ask(&self.library, "clock", ("GetClocks", unit), &mut args);
        let is_any = size.u32(0).is_some_and(|count| count > 0);
        (has && is_any).then(|| list.u32(0))?.map(|megahertz| f64::from(megahertz) * 1e6)
    }

    /// Hundredths of a degree.
    fn temperature(&mut self, sensor: u64) -> Option<f64> {
        let hundredths = self.value("temperature", "GetTemperatureInfo", Some(sensor))?.i32(0)?;
        (-10_000..30_000).contains(&hundredths).then(|| f64::from(hundredths) / 100.0)
    }

    /// The memory that each process has on this device; it may have some on others too.
    fn processes(&mut self) -> Option<Vec<Use>> {
        let (mut count, mut list) = (Buffer::new(4), Buffer::new(PROCESS_BYTES * PROCESSES_MAX));
        count.set_u32(0, PROCESSES_MAX as u32);
        let number = Arg::Number(self.number);
        let mut args = [number, Arg::Buffer(&mut count), Arg::Buffer(&mut list)];
        if !self.asker.ask(&self.library, "processes", ("GetSingleGpuProcess", 0), &mut args) {
            return None;
        }
        let count = (count.u32(0)? as usize).min(PROCESSES_MAX);
        let uses = (0..count).map(|index| PROCESS_BYTES * index).filter_map(|at| {
            let pid = list.u32(at).filter(|pid| *pid > 0)?;
            let devices = (list.u32(at + 68)? as usize).min(PROCESS_DEVICES_MAX);
            let places = (0..devices).map(|index| at + 72 + PROCESS_DEVICE_BYTES * index);
            let here = places.filter(|at| list.u32(at + 32).map(u64::from) == Some(self.number));
            let bytes = here.filter_map(|at| list.u64(at + 40)).reduce(u64::saturating_add);
            Some(Use { pid, bytes, utilization: None })
        });
        Some(uses.collect())
    }

    fn put_link(&mut self, readings: &mut Readings<'_>, name: &'static str, kind: &'static str) {
        let Some(link) = self.value("pcie_link", name, None) else { return };
        let label = [("kind", kind)];
        let width = link.u32(4).filter(|lanes| (1..=32).contains(lanes)).map(f64::from);
        readings.put_of(&ACCELERATOR_PCIE_LINK_WIDTH, &label, width);
        let generation = float(&link, 0).and_then(generation_of);
        readings.put_of(&ACCELERATOR_PCIE_LINK_GENERATION, &label, generation);
    }
}

impl Member for Gpu {
    fn asker(&mut self) -> &mut Asker {
        &mut self.asker
    }

    fn fast(&mut self, readings: &mut Readings<'_>) {
        let busy = self.busy();
        readings.put(&ACCELERATOR_UTILIZATION_RATIO, busy);
        for (unit, engine) in CODECS {
            let usage = self.usage(*unit);
            let label = [("engine", *engine)];
            readings.put_of(&ACCELERATOR_ENGINE_UTILIZATION_RATIO, &label, usage);
        }
        let memory = self.value("memory", "GetMemoryInfo", None);
        let bytes = |offset| {
            let kibibytes = i64::try_from(memory.as_ref()?.u64(offset)?).ok()?;
            Some(kibibytes as f64 * 1024.0)
        };
        self.total_bytes = bytes(16);
        readings.put(&ACCELERATOR_MEMORY_USED_BYTES, bytes(24));
        let free = self.total_bytes.zip(bytes(24)).map(|(total, used)| total - used);
        readings.put(&ACCELERATOR_MEMORY_FREE_BYTES, free.filter(|free| *free >= 0.0));
        readings.put(&ACCELERATOR_MEMORY_TOTAL_BYTES, self.total_bytes);
        readings.put(&ACCELERATOR_MEMORY_SHARED_TOTAL_BYTES, bytes(32));
        readings.put(&ACCELERATOR_MEMORY_SHARED_USED_BYTES, bytes(40));
        readings.put(&ACCELERATOR_POWER_WATTS, self.watts());
        let hotspot = self.temperature(0);
        readings.put_of(&ACCELERATOR_TEMPERATURE_CELSIUS, &[("sensor", "hotspot")], hotspot);
        for (unit, domain) in CLOCKS {
            let hertz = self.clock(*unit);
            readings.put_of(&ACCELERATOR_CLOCK_HERTZ, &[("domain", *domain)], hertz);
        }
    }

    fn process(&mut self, readings: &mut Readings<'_>) {
        self.put_link(readings, "GetPcieInfo", "current");
        let uses = self.processes();
        processes::put(readings, &self.root, &self.holders, uses);
    }

    fn fixed(&mut self, readings: &mut Readings<'_>) {
        let limit = self.value("power_limit", "GetBoardPowerLimit", None);
        let limit = limit.and_then(|value| value.u32(0)).map(|value| f64::from(value) / 1e3);
        readings.put_of(&ACCELERATOR_POWER_LIMIT_WATTS, &[("kind", "enforced")], limit);
        let highest = self.temperature(1);
        let label = [("kind", "core_max")];
        readings.put_of(&ACCELERATOR_TEMPERATURE_LIMIT_CELSIUS, &label, highest);
        self.put_link(readings, "GetPcieMaxLinkInfo", "max");
        readings.put(&ACCELERATOR_INFO, Some(1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::standin::Machine, *};

    #[test]
    fn everything_that_a_device_says() {
        let machine = Machine::new("metax", "mxsml", &[]);
        let mut sampler = machine.open(open).unwrap();
        let found = machine.read(sampler.as_mut());
        found.check("accelerator_up", 1.0);
        found.check("accelerator_utilization_ratio", 0.37);
        found.check("accelerator_engine_utilization_ratio{engine=\"decoder\"}", 0.05);
        found.check("accelerator_memory_total_bytes", 68_719_476_736.0);
        found.check("accelerator_memory_used_bytes", 2_147_483_648.0);
        found.check("accelerator_memory_free_bytes", 66_571_993_088.0);
        found.check("accelerator_memory_shared_used_bytes", 1_024.0);
        found.check("accelerator_power_watts", 61.5);
        found.check("accelerator_power_limit_watts{kind=\"enforced\"}", 350.0);
        found.check("accelerator_temperature_celsius{sensor=\"hotspot\"}", 45.25);
        found.check("accelerator_temperature_limit_celsius{kind=\"core_max\"}", 108.0);
        found.check("accelerator_clock_hertz{domain=\"core\"}", 1.5e9);
        found.check("accelerator_clock_hertz{domain=\"memory\"}", None);
        found.check("accelerator_pcie_link_generation{kind=\"current\"}", 4.0);
        found.check("accelerator_pcie_link_width{kind=\"max\"}", 16.0);
        found.check("accelerator_process_count", 2.0);
        found.check("accelerator_process_memory_bytes{pid=\"4711\"}", 3_221_225_472.0);
        // It is listed without any memory on this device.
        found.check("accelerator_process_memory_bytes{pid=\"4712\"}", None);
        found.identity(&["GPU-c500-1", "MXC500", "0000:0e:00.0", "metax"]);
    }

    #[test]
    fn other_classes_and_older_libraries() {
        let machine = Machine::new("metax", "mxsml", &["CLASS_N", "OLD"]);
        let mut sampler = machine.open(open).unwrap();
        let found = machine.read(sampler.as_mut());
        found.check("accelerator_utilization_ratio", 0.29);
        found.check("accelerator_power_limit_watts{kind=\"enforced\"}", None);
        found.check("accelerator_field_state{field=\"power_limit\", state=\"unsupported\"}", 1.0);
        found.check("accelerator_process_count", None);
        found.check("accelerator_field_state{field=\"processes\", state=\"unsupported\"}", 1.0);
        machine.advance(1);
        machine.read(sampler.as_mut());
        // The unit that the device lacks was asked for once.
        assert_eq!(machine.count("fake_usage_calls", 4), 1);
        assert_eq!(machine.count("fake_usage_calls", 0), 2);
    }

    #[test]
    fn why_it_cannot_be_used() {
        let check = |one: &str, kind| {
            let machine = Machine::new("metax", "mxsml", &[one]);
            assert_eq!(machine.open(open).err().unwrap().kind, kind);
        };
        check("INIT=8", FailureKind::PermissionDenied);
        check("INIT=1", FailureKind::Unreachable);
        check("COUNT=0", FailureKind::Absent);
        let machine = Machine::new("metax", "mxsml", &["MEMORY_CODE=4"]);
        let found = machine.read(machine.open(open).unwrap().as_mut());
        found.check("accelerator_memory_used_bytes", None);
        found.check("accelerator_field_state{field=\"memory\", state=\"error\"}", 1.0);
    }
}
