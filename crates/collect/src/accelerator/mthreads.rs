//! Moore Threads' GPUs through MTML (`libmtml.so`): activity, memory, power, temperature, clocks, link.
//!
//! The library has no call for processes and none for errors. Handles of a device, its GPU and its
//! memory are made once and kept. Layouts are those of the vendor's public header (MIT). Facts:
//! `collect.md`, section 2.2.

use std::sync::Arc;

use model::catalogue::*;

use super::{
    Context,
    fleet::{Asker, Codes, Fleet, Member, celsius, percent},
    library::{Arg, Buffer, Function, Library, Pointer},
    report::{Device, Readings, Reporter, pci_bus_id},
};
use crate::{Failure, FailureKind, schedule::Sampler};

const LIBRARIES: &[&str] = &["libmtml.so", "libmtml.so.1"];
/// Devices beyond this many are left out.
const DEVICES_MAX: u32 = 64;
/// Size of the buffers for texts that the library is told.
const TEXT_BYTES: usize = 128;

/// 1 and 2: the driver is not loaded, or failed.
const CODES: Codes = Codes { unsupported: &[4], denied: &[5], lost: &[1, 2] };

const fn plain(name: &'static str) -> Function {
    Function { name, suffixes: &[""] }
}

const FUNCTIONS: &[Function] = &[
    plain("LibraryInit"),
    plain("LibraryInitSystem"),
    plain("LibraryCountDevice"),
    plain("LibraryInitDeviceByIndex"),
    plain("SystemGetDriverVersion"),
    plain("DeviceGetUUID"),
    plain("DeviceGetName"),
    plain("DeviceGetPciInfo"),
    plain("DeviceGetPowerUsage"),
    plain("DeviceGetSerialNumber"),
    plain("DeviceInitGpu"),
    plain("DeviceInitMemory"),
    plain("GpuGetUtilization"),
    plain("GpuGetTemperature"),
    plain("GpuGetClock"),
    plain("GpuGetMaxClock"),
    plain("MemoryGetTotal"),
    plain("MemoryGetUsed"),
    plain("MemoryGetClock"),
    plain("MemoryGetMaxClock"),
];

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let paths = context.libraries("mthreads", LIBRARIES);
    let library = Arc::new(Library::open(&paths, "mtml", FUNCTIONS)?);
    let mut root = Buffer::new(8);
    let code = library.call("LibraryInit", "", &mut [Arg::Buffer(&mut root)]);
    let Some(root) = root.pointer(0).filter(|_| code == Some(0)) else {
        let detail = format!("{}: mtmlLibraryInit: {code:?}", library.path().display());
        return Err(Failure::new(FailureKind::Unreachable, detail));
    };
    let mut count = Buffer::new(4);
    library.call("LibraryCountDevice", "", &mut [Arg::Handle(root), Arg::Buffer(&mut count)]);
    let count = count.u32(0).unwrap_or_default().min(DEVICES_MAX);
    let driver_version = driver_version(&library, root).unwrap_or_default();
    let members = (0..count).filter_map(|index| {
        let mut handle = Buffer::new(8);
        let number = Arg::Number(u64::from(index));
        let mut args = [Arg::Handle(root), number, Arg::Buffer(&mut handle)];
        let code = library.call("LibraryInitDeviceByIndex", "", &mut args);
        let handle = handle.pointer(0).filter(|_| code == Some(0))?;
        let mut gpu = Gpu::new(&library, handle, &driver_version);
        let device = gpu.identity(context, index);
        Some((gpu, Reporter::new(&device, &context.clock)))
    });
    let members: Vec<_> = members.collect();
    if members.is_empty() {
        return Err(Failure::new(FailureKind::Absent, "MTML lists no device"));
    }
    Ok(Box::new(Fleet { members }))
}

fn driver_version(library: &Library, root: Pointer) -> Option<String> {
    let mut system = Buffer::new(8);
    let mut args = [Arg::Handle(root), Arg::Buffer(&mut system)];
    library.call("LibraryInitSystem", "", &mut args).filter(|code| *code == 0)?;
    let mut text = Buffer::new(TEXT_BYTES);
    let system = Arg::Handle(system.pointer(0)?);
    let mut args = [system, Arg::Buffer(&mut text), Arg::Number(TEXT_BYTES as u64)];
    library.call("SystemGetDriverVersion", "", &mut args).filter(|code| *code == 0)?;
    text.text(0, TEXT_BYTES)
}

struct Gpu {
    library: Arc<Library>,
    device: Pointer,
    core: Option<Pointer>,
    memory: Option<Pointer>,
    driver_version: String,
    total_bytes: Option<f64>,
    asker: Asker,
}

impl Gpu {
    fn new(library: &Arc<Library>, device: Pointer, driver_version: &str) -> Self {
        let mut gpu = Self {
            library: Arc::clone(library),
            device,
            core: None,
            memory: None,
            driver_version: driver_version.to_owned(),
            total_bytes: None,
            asker: Asker::new(&CODES),
        };
        gpu.core = gpu.part("DeviceInitGpu");
        gpu.memory = gpu.part("DeviceInitMemory");
        gpu
    }

    fn part(&mut self, name: &'static str) -> Option<Pointer> {
        self.value(Some(self.device), "handles", name)?.pointer(0)
    }

    /// What a function writes for a handle.
    fn value(
        &mut self,
        handle: Option<Pointer>,
        field: &'static str,
        name: &'static str,
    ) -> Option<Buffer> {
        let mut value = Buffer::new(128);
        let mut args = [Arg::Handle(handle?), Arg::Buffer(&mut value)];
        self.asker.ask(&self.library, field, (name, 0), &mut args).then_some(value)
    }

    fn number(
        &mut self,
        handle: Option<Pointer>,
        field: &'static str,
        name: &'static str,
    ) -> Option<u32> {
        self.value(handle, field, name)?.u32(0)
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        let mut text = Buffer::new(TEXT_BYTES);
        let mut args =
            [Arg::Handle(self.device), Arg::Buffer(&mut text), Arg::Number(TEXT_BYTES as u64)];
        let succeeded = self.asker.ask(&self.library, "info", (name, 0), &mut args);
        succeeded.then(|| text.text(0, TEXT_BYTES))?
    }

    fn identity(&mut self, context: &Context, index: u32) -> Device {
        let address = self.value(Some(self.device), "pcie_link", "DeviceGetPciInfo");
        let address = address.and_then(|info| info.text(0, 32)).unwrap_or_default();
        let address = pci_bus_id(&address);
        Device {
            uuid: self.text("DeviceGetUUID").unwrap_or_else(|| format!("pci:{address}")),
            index: index.to_string(),
            vendor: "mthreads",
            model: self.text("DeviceGetName").unwrap_or_default(),
            pci_bus_id: address,
            host: context.host.clone(),
            partition: None,
        }
    }
}

impl Member for Gpu {
    fn asker(&mut self) -> &mut Asker {
        &mut self.asker
    }

    fn fast(&mut self, readings: &mut Readings<'_>) {
        let (core, memory) = (self.core, self.memory);
        let busy = percent(self.number(core, "utilization", "GpuGetUtilization"));
        readings.put(&ACCELERATOR_UTILIZATION_RATIO, busy);
        let used = self.value(memory, "memory", "MemoryGetUsed").and_then(|value| value.u64(0));
        let used = used.map(|bytes| bytes as f64);
        readings.put(&ACCELERATOR_MEMORY_USED_BYTES, used);
        let free = self.total_bytes.zip(used).map(|(total, used)| total - used);
        readings.put(&ACCELERATOR_MEMORY_FREE_BYTES, free.filter(|free| *free >= 0.0));
        let milliwatts = self.number(Some(self.device), "power", "DeviceGetPowerUsage");
        readings.put(&ACCELERATOR_POWER_WATTS, milliwatts.map(|value| f64::from(value) / 1e3));
        let degrees = self.value(core, "temperature", "GpuGetTemperature");
        let degrees = celsius(degrees.and_then(|value| value.i32(0)));
        readings.put_of(&ACCELERATOR_TEMPERATURE_CELSIUS, &[("sensor", "core")], degrees);
        for (domain, part, name) in
            [("core", core, "GpuGetClock"), ("memory", memory, "MemoryGetClock")]
        {
            let hertz = self.number(part, "clock", name).map(|value| f64::from(value) * 1e6);
            readings.put_of(&ACCELERATOR_CLOCK_HERTZ, &[("domain", domain)], hertz);
        }
    }

    fn process(&mut self, readings: &mut Readings<'_>) {
        put_link(
            readings,
            self.value(Some(self.device), "pcie_link", "DeviceGetPciInfo"),
            "current",
        );
    }

    fn fixed(&mut self, readings: &mut Readings<'_>) {
        let (core, memory) = (self.core, self.memory);
        let total = self.value(memory, "memory", "MemoryGetTotal").and_then(|value| value.u64(0));
        self.total_bytes = total.map(|bytes| bytes as f64);
        readings.put(&ACCELERATOR_MEMORY_TOTAL_BYTES, self.total_bytes);
        for (domain, part, name) in
            [("core", core, "GpuGetMaxClock"), ("memory", memory, "MemoryGetMaxClock")]
        {
            let hertz = self.number(part, "clock_max", name).map(|value| f64::from(value) * 1e6);
            readings.put_of(&ACCELERATOR_CLOCK_MAX_HERTZ, &[("domain", domain)], hertz);
        }
        put_link(readings, self.value(Some(self.device), "pcie_link", "DeviceGetPciInfo"), "max");
        let serial = self.text("DeviceGetSerialNumber").unwrap_or_default();
        let labels =
            [("serial", serial.as_str()), ("driver_version", self.driver_version.as_str())];
        readings.put_of(&ACCELERATOR_INFO, &labels, Some(1.0));
    }
}

/// The link from `MtmlPciInfo`. Versions of the header differ in the middle of the structure; what
/// cannot be a width or a generation is left out.
fn put_link(readings: &mut Readings<'_>, info: Option<Buffer>, kind: &'static str) {
    let Some(info) = info else { return };
    let (width, generation) = if kind == "max" { (64, 72) } else { (68, 76) };
    let label = [("kind", kind)];
    let width = info.u32(width).filter(|lanes| [1, 2, 4, 8, 12, 16, 32].contains(lanes));
    let generation = info.u32(generation).filter(|one| (1..=7).contains(one));
    if let (Some(width), Some(generation)) = (width, generation) {
        readings.put_of(&ACCELERATOR_PCIE_LINK_WIDTH, &label, Some(f64::from(width)));
        readings.put_of(&ACCELERATOR_PCIE_LINK_GENERATION, &label, Some(f64::from(generation)));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::standin::Machine, *};

    #[test]
    fn everything_that_a_device_says() {
        let machine = Machine::new("mthreads", "mtml", &[]);
        let mut sampler = machine.open(open).unwrap();
        let found = machine.read(sampler.as_mut());
        found.check("accelerator_up", 1.0);
        found.check("accelerator_utilization_ratio", 0.42);
        found.check("accelerator_memory_total_bytes", 51_539_607_552.0);
        found.check("accelerator_memory_used_bytes", 1_073_741_824.0);
        found.check("accelerator_memory_free_bytes", 50_465_865_728.0);
        found.check("accelerator_power_watts", 123.456);
        found.check("accelerator_temperature_celsius{sensor=\"core\"}", 61.0);
        found.check("accelerator_clock_hertz{domain=\"core\"}", 1.75e9);
        found.check("accelerator_clock_max_hertz{domain=\"core\"}", 1.8e9);
        found.check("accelerator_pcie_link_width{kind=\"current\"}", 8.0);
        found.check("accelerator_pcie_link_width{kind=\"max\"}", 16.0);
        found.check("accelerator_pcie_link_generation{kind=\"max\"}", 5.0);
        found.check("accelerator_info{driver_version=\"3.3.1\", serial=\"SN7\"}", 1.0);
        // The stand-in lacks a function for the memory's clock.
        found.check("accelerator_clock_hertz{domain=\"memory\"}", None);
        found.identity(&["0123-4567", "MTT S4000", "0000:3a:00.0", "mthreads"]);
    }

    #[test]
    fn errors_are_told_apart() {
        for (code, state) in [(4, "unsupported"), (5, "denied"), (999, "error")] {
            let machine = Machine::new("mthreads", "mtml", &[&format!("TEMPERATURE_CODE={code}")]);
            let found = machine.read(machine.open(open).unwrap().as_mut());
            found.check("accelerator_temperature_celsius{sensor=\"core\"}", None);
            let field = format!("field=\"temperature\", state=\"{state}\"");
            found.check(&format!("accelerator_field_state{{{field}}}"), 1.0);
            found.check("accelerator_up", 1.0);
        }
        let machine = Machine::new("mthreads", "mtml", &["BUSY=150"]);
        let found = machine.read(machine.open(open).unwrap().as_mut());
        found.check("accelerator_utilization_ratio", None);
        let machine = Machine::new("mthreads", "mtml", &["INIT=1"]);
        assert_eq!(machine.open(open).err().unwrap().kind, FailureKind::Unreachable);
        let machine = Machine::new("mthreads", "mtml", &["COUNT=0"]);
        assert_eq!(machine.open(open).err().unwrap().kind, FailureKind::Absent);
    }

    #[test]
    fn a_driver_that_failed_is_a_lost_device() {
        let machine = Machine::new("mthreads", "mtml", &["FAIL_AFTER=12"]);
        let mut sampler = machine.open(open).unwrap();
        machine.read(sampler.as_mut());
        machine.advance(60);
        let found = machine.read(sampler.as_mut());
        found.check("accelerator_up", 0.0);
        found.check("accelerator_health{state=\"failed\"}", 1.0);
        found.check("accelerator_utilization_ratio", None);
    }
}
