//! Cambricon's MLUs through CNDEV (`libcndev.so`): activity, memory, power, temperatures, clock, links,
//! ECC, health and processes.
//!
//! Most structures begin with the version of the interface, which is 6 here; a library that only knows
//! 5 is asked with 5. Layouts are those of the vendor's public header (Apache-2.0), buffers are larger
//! than any of them. Of MLU-Link there are the state and the errors of each port; its counters of bytes
//! read and written are left out, because the header does not say which of the two ends reads. Retired
//! pages and Xid events are left out: their structures are not settled. Facts: `collect.md`, section 2.2,
//! and for MLU-Link the vendor's header.

use std::{collections::BTreeMap, sync::Arc};

use model::catalogue::*;

use super::{
    Context,
    fleet::{Asker, Codes, Fleet, Member, celsius, percent},
    library::{Arg, Buffer, Function, Library},
    processes::{self, Holders, Use as Holder},
    report::{Device, Health, Readings, Reporter},
};
use crate::{Failure, FailureKind, schedule::Sampler};

const LIBRARIES: &[&str] =
    &["libcndev.so", "/usr/lib64/libcndev.so", "/usr/local/neuware/lib64/libcndev.so"];
/// Devices beyond this many are left out.
const DEVICES_MAX: u32 = 64;
/// Ports of MLU-Link of one device; more are not asked about.
const PORTS_MAX: u32 = 16;
/// Errors of a port: type, and where their counts are, which are added up.
const PORT_ERRORS: &[(&str, &[usize])] =
    &[("replay", &[40]), ("fatal", &[48]), ("crc", &[64, 72]), ("correctable", &[80])];
/// Most processes of one device.
const PROCESSES_MAX: usize = 256;
/// Larger than any structure, of which the one with incidents has 34,612 bytes.
const STRUCTURE_BYTES: usize = 1 << 10;
const HEALTH_BYTES: usize = 40 << 10;
const MEBIBYTE: f64 = (1 << 20) as f64;

/// Versions of the interface, best first, and the code that refuses one.
const VERSIONS: &[u32] = &[6, 5];
const WRONG_VERSION: i32 = 3;

/// 3: the version; 10: not supported; 13: no permission; 1 and 6: no driver, no such device.
const CODES: Codes = Codes { unsupported: &[WRONG_VERSION, 10], denied: &[13], lost: &[1, 6] };

/// Numbers of cards, for which the library has names that it gives as a pointer.
const MODELS: &[(u32, &str)] = &[
    (0, "MLU100"),
    (1, "MLU270"),
    (20, "MLU290"),
    (23, "MLU370"),
    (24, "MLU365"),
    (26, "MLU590"),
    (27, "MLU585"),
    (30, "MLU580"),
    (31, "MLU570"),
];

const fn plain(name: &'static str) -> Function {
    Function { name, suffixes: &[""] }
}

const FUNCTIONS: &[Function] = &[
    plain("Init"),
    plain("GetDeviceCount"),
    plain("GetDeviceHandleByIndex"),
    plain("GetUUID"),
    plain("GetCardName"),
    plain("GetPCIeInfoV2"),
    plain("GetCurrentPCIInfo"),
    plain("GetVersionInfo"),
    plain("GetNUMANodeIdByDevId"),
    plain("GetDeviceUtilizationInfo"),
    plain("GetMemoryUsageV2"),
    plain("GetDevicePowerInfo"),
    plain("GetTemperatureInfo"),
    plain("GetFrequencyInfo"),
    plain("GetCardHealthState"),
    plain("GetCardHealthStateV2"),
    plain("GetMemEccCounter"),
    plain("GetProcessInfo"),
    plain("GetMLULinkPortNumber"),
    plain("GetMLULinkStatusV2"),
    plain("GetMLULinkCounter"),
];

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let paths = context.libraries("cambricon", LIBRARIES);
    let library = Arc::new(Library::open(&paths, "cndev", FUNCTIONS)?);
    let failed = |name: &str, code: Option<i32>| {
        let kind = match code {
            Some(13) => FailureKind::PermissionDenied,
            Some(12) => FailureKind::Absent,
            _ => FailureKind::Unreachable,
        };
        Failure::new(kind, format!("{}: {name}: {code:?}", library.path().display()))
    };
    let code = library.call("Init", "", &mut [Arg::Number(0)]);
    if code != Some(0) {
        return Err(failed("cndevInit", code));
    }
    let (mut version, mut count, mut code) = (6, 0, None);
    for one in VERSIONS {
        let mut cards = Buffer::new(STRUCTURE_BYTES);
        cards.set_u32(0, *one);
        code = library.call("GetDeviceCount", "", &mut [Arg::Buffer(&mut cards)]);
        (version, count) = (*one, cards.u32(4).unwrap_or_default());
        if code != Some(WRONG_VERSION) {
            break;
        }
    }
    if code != Some(0) {
        return Err(failed("cndevGetDeviceCount", code));
    }
    let members = (0..count.min(DEVICES_MAX)).map(|index| {
        let mut mlu = Mlu::new(&library, index, version);
        let device = mlu.identity(context, index);
        mlu.root = context.root.clone();
        mlu.holders = context.holders.clone();
        (mlu, Reporter::new(&device, &context.clock))
    });
    let members: Vec<_> = members.collect();
    if members.is_empty() {
        return Err(Failure::new(FailureKind::Absent, "CNDEV lists no device"));
    }
    Ok(Box::new(Fleet { members }))
}

struct Mlu {
    library: Arc<Library>,
    handle: u64,
    version: u32,
    ports: u32,
    root: std::path::PathBuf,
    holders: Holders,
    asker: Asker,
}

impl Mlu {
    fn new(library: &Arc<Library>, index: u32, version: u32) -> Self {
        let mut handle = Buffer::new(8);
        let mut args = [Arg::Number(u64::from(index)), Arg::Buffer(&mut handle)];
        let code = library.call("GetDeviceHandleByIndex", "", &mut args);
        // Older libraries have no handles; there the index is one.
        let handle = u64::from(handle.u32(0).filter(|_| code == Some(0)).unwrap_or(index));
        // The one call that returns a number instead of a code; a negative one is no number.
        let ports = library.call("GetMLULinkPortNumber", "", &mut [Arg::Number(handle)]);
        let ports = ports.and_then(|ports| u32::try_from(ports).ok()).unwrap_or_default();
        Self {
            library: Arc::clone(library),
            handle,
            version,
            ports: ports.min(PORTS_MAX),
            root: std::path::PathBuf::new(),
            holders: Holders::default(),
            asker: Asker::new(&CODES),
        }
    }

    fn ask(
        &mut self,
        field: &'static str,
        name: &'static str,
        mut value: Buffer,
    ) -> Option<Buffer> {
        let mut args = [Arg::Buffer(&mut value), Arg::Number(self.handle)];
        self.asker.ask(&self.library, field, (name, 0), &mut args).then_some(value)
    }

    /// A structure without a version.
    fn plain(&mut self, field: &'static str, name: &'static str, bytes: usize) -> Option<Buffer> {
        self.ask(field, name, Buffer::new(bytes))
    }

    /// A structure that begins with the version.
    fn versioned(&mut self, field: &'static str, name: &'static str) -> Option<Buffer> {
        let mut value = Buffer::new(STRUCTURE_BYTES);
        value.set_u32(0, self.version);
        self.ask(field, name, value)
    }

    /// What a function says of a port of MLU-Link.
    fn of_port(&mut self, name: &'static str, mut value: Buffer, port: u32) -> Option<Buffer> {
        let port = u64::from(port);
        let mut args = [Arg::Buffer(&mut value), Arg::Number(self.handle), Arg::Number(port)];
        self.asker.ask(&self.library, "mlulink", (name, port), &mut args).then_some(value)
    }

    fn put_port(&mut self, readings: &mut Readings<'_>, port: u32) {
        let label = port.to_string();
        let (link, name) = (("link", "mlulink"), ("port", label.as_str()));
        let status = self.of_port("GetMLULinkStatusV2", Buffer::new(STRUCTURE_BYTES), port);
        // 0 is down; the others are steps on the way to an address, with the link up.
        let is_up = status.and_then(|status| status.u32(0)).filter(|state| *state <= 3);
        let is_up = is_up.map(|state| f64::from(u8::from(state > 0)));
        readings.put_of(&ACCELERATOR_LINK_UP, &[link, name], is_up);
        let mut counter = Buffer::new(STRUCTURE_BYTES);
        counter.set_u32(0, self.version);
        let Some(counter) = self.of_port("GetMLULinkCounter", counter, port) else { return };
        for (kind, places) in PORT_ERRORS {
            let counts = places.iter().filter_map(|at| counter.u64(*at));
            let count = counts.reduce(u64::saturating_add).map(|count| count as f64);
            let labels = [link, ("type", *kind), name];
            readings.put_of(&ACCELERATOR_LINK_ERRORS_TOTAL, &labels, count);
        }
    }

    fn identity(&mut self, context: &Context, index: u32) -> Device {
        let address = self.plain("info", "GetPCIeInfoV2", STRUCTURE_BYTES).and_then(|pcie| {
            let (domain, bus, device, function) =
                (pcie.u32(12)?, pcie.u32(16)?, pcie.u32(20)?, pcie.u32(24)?);
            let is_real = bus <= 0xff && device <= 0x1f && function <= 7;
            is_real.then(|| format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"))
        });
        let address = address.unwrap_or_default();
        let uuid = self.versioned("info", "GetUUID").and_then(|uuid| uuid.text(4, 37));
        let card = self.versioned("info", "GetCardName").and_then(|name| name.u32(4));
        let model = card.and_then(|card| MODELS.iter().find(|(number, _)| *number == card));
        Device {
            uuid: uuid.unwrap_or_else(|| format!("pci:{address}")),
            index: index.to_string(),
            vendor: "cambricon",
            model: model.map(|(_, name)| (*name).to_owned()).unwrap_or_default(),
            pci_bus_id: address,
            host: context.host.clone(),
            partition: None,
        }
    }

    fn processes(&mut self) -> Option<Vec<Holder>> {
        let (mut count, mut list) = (Buffer::new(4), Buffer::new(24 * PROCESSES_MAX));
        count.set_u32(0, PROCESSES_MAX as u32);
        list.set_u32(0, self.version);
        let mut args = [Arg::Buffer(&mut count), Arg::Buffer(&mut list), Arg::Number(self.handle)];
        if !self.asker.ask(&self.library, "processes", ("GetProcessInfo", 0), &mut args) {
            return None;
        }
        let count = (count.u32(0)? as usize).min(PROCESSES_MAX);
        let mut memory: BTreeMap<u32, u64> = BTreeMap::new();
        for index in 0..count {
            let (pid, kibibytes) = (list.u32(24 * index + 4)?, list.u64(24 * index + 8)?);
            let sum = memory.entry(pid).or_default();
            *sum = sum.saturating_add(kibibytes.saturating_mul(1024));
        }
        let holder = |(pid, bytes)| Holder { pid, bytes: Some(bytes), utilization: None };
        Some(memory.into_iter().filter(|(pid, _)| *pid > 0).map(holder).collect())
    }
}

/// A number that is 0 or more.
fn positive(value: Option<i32>) -> Option<f64> {
    value.filter(|value| *value >= 0).map(f64::from)
}

impl Member for Mlu {
    fn asker(&mut self) -> &mut Asker {
        &mut self.asker
    }

    fn fast(&mut self, readings: &mut Readings<'_>) {
        let busy = self.versioned("utilization", "GetDeviceUtilizationInfo");
        let busy = percent(busy.and_then(|value| value.u32(4)));
        readings.put(&ACCELERATOR_UTILIZATION_RATIO, busy);
        let memory = self.plain("memory", "GetMemoryUsageV2", STRUCTURE_BYTES);
        let bytes = |offset| Some(positive(memory.as_ref()?.u64(offset).map(signed))? * MEBIBYTE);
        let (total, used) = (bytes(0), bytes(8));
        readings.put(&ACCELERATOR_MEMORY_TOTAL_BYTES, total);
        readings.put(&ACCELERATOR_MEMORY_USED_BYTES, used);
        readings.put(&ACCELERATOR_MEMORY_RESERVED_BYTES, bytes(16));
        let free = total.zip(used).map(|(total, used)| total - used);
        readings.put(&ACCELERATOR_MEMORY_FREE_BYTES, free.filter(|free| *free >= 0.0));
        let power = self.plain("power", "GetDevicePowerInfo", STRUCTURE_BYTES);
        let watts = |offset| positive(power.as_ref()?.i32(offset));
        readings.put(&ACCELERATOR_POWER_WATTS, watts(0));
        for (offset, kind) in [(4, "enforced"), (12, "default"), (16, "max")] {
            let limit = watts(offset).filter(|watts| *watts > 0.0);
            readings.put_of(&ACCELERATOR_POWER_LIMIT_WATTS, &[("kind", kind)], limit);
        }
        let temperatures = self.versioned("temperature", "GetTemperatureInfo");
        for (offset, sensor) in [(4, "board"), (120, "core"), (132, "memory")] {
            let degrees = temperatures.as_ref().and_then(|value| value.i32(offset));
            // A sensor that a card lacks says 0.
            let degrees = celsius(degrees.filter(|degrees| *degrees != 0));
            readings.put_of(&ACCELERATOR_TEMPERATURE_CELSIUS, &[("sensor", sensor)], degrees);
        }
        let clock = self.versioned("clock", "GetFrequencyInfo").and_then(|value| value.i32(4));
        let hertz = positive(clock).map(|megahertz| megahertz * 1e6);
        readings.put_of(&ACCELERATOR_CLOCK_HERTZ, &[("domain", "core")], hertz);
    }

    fn process(&mut self, readings: &mut Readings<'_>) {
        if let Some(link) = self.versioned("pcie_link", "GetCurrentPCIInfo") {
            let label = [("kind", "current")];
            let generation = link.u32(4).filter(|one| (1..=7).contains(one)).map(f64::from);
            readings.put_of(&ACCELERATOR_PCIE_LINK_GENERATION, &label, generation);
            let width = link.u32(8).filter(|lanes| (1..=32).contains(lanes)).map(f64::from);
            readings.put_of(&ACCELERATOR_PCIE_LINK_WIDTH, &label, width);
        }
        for port in 0..self.ports {
            self.put_port(readings, port);
        }
        let list = self.processes();
        processes::put(readings, &self.root, &self.holders, list);
    }

    fn errors(&mut self, readings: &mut Readings<'_>) {
        let Some(ecc) = self.versioned("ecc", "GetMemEccCounter") else { return };
        for (offset, kind, location) in [
            (4, "corrected", "sram"),
            (8, "uncorrected", "sram"),
            (16, "corrected", "dram"),
            (20, "uncorrected", "dram"),
        ] {
            let labels = [("type", kind), ("scope", "volatile"), ("location", location)];
            let count = ecc.u32(offset).map(f64::from);
            readings.put_of(&ACCELERATOR_ECC_ERRORS_TOTAL, &labels, count);
        }
    }

    fn fixed(&mut self, readings: &mut Readings<'_>) {
        let versions = self.versioned("info", "GetVersionInfo");
        let text = |from: usize| {
            let part = |index: usize| versions.as_ref()?.u32(from + 4 * index);
            Some(format!("{}.{}.{}", part(0)?, part(1)?, part(2)?))
        };
        let (firmware, driver) = (text(4).unwrap_or_default(), text(16).unwrap_or_default());
        let node = self.versioned("info", "GetNUMANodeIdByDevId").and_then(|node| node.i32(4));
        let node = node.filter(|node| *node >= 0).map(|node| node.to_string()).unwrap_or_default();
        let labels = [
            ("driver_version", driver.as_str()),
            ("firmware_version", firmware.as_str()),
            ("numa_node", node.as_str()),
        ];
        readings.put_of(&ACCELERATOR_INFO, &labels, Some(1.0));
    }

    /// 1 is healthy.
    fn health(&mut self) -> Health {
        let state = self.plain("health", "GetCardHealthStateV2", HEALTH_BYTES);
        let state = match state {
            Some(state) => state.u32(0),
            None => {
                let state = self.versioned("health", "GetCardHealthState");
                state.and_then(|state| state.u32(4))
            }
        };
        match state {
            Some(1) => Health::Ok,
            Some(0) => Health::Failed,
            _ => Health::Unknown,
        }
    }
}

/// A 64-bit count as far as it is one; larger ones mean "not known".
fn signed(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::{super::standin::Machine, *};

    #[test]
    fn everything_that_a_device_says() {
        let machine = Machine::new("cambricon", "cndev", &[]);
        let mut sampler = machine.open(open).unwrap();
        let found = machine.read(sampler.as_mut());
        found.check("accelerator_up", 1.0);
        found.check("accelerator_health{state=\"ok\"}", 1.0);
        found.check("accelerator_utilization_ratio", 0.64);
        found.check("accelerator_memory_total_bytes", 81_920.0 * MEBIBYTE);
        found.check("accelerator_memory_used_bytes", 1_024.0 * MEBIBYTE);
        found.check("accelerator_memory_reserved_bytes", 512.0 * MEBIBYTE);
        found.check("accelerator_memory_free_bytes", 80_896.0 * MEBIBYTE);
        found.check("accelerator_power_watts", 210.0);
        found.check("accelerator_power_limit_watts{kind=\"enforced\"}", 450.0);
        found.check("accelerator_power_limit_watts{kind=\"max\"}", None);
        found.check("accelerator_temperature_celsius{sensor=\"board\"}", 50.0);
        found.check("accelerator_temperature_celsius{sensor=\"core\"}", 63.0);
        found.check("accelerator_temperature_celsius{sensor=\"memory\"}", None);
        found.check("accelerator_clock_hertz{domain=\"core\"}", 1.3e9);
        found.check("accelerator_pcie_link_generation{kind=\"current\"}", 5.0);
        found.check("accelerator_pcie_link_width{kind=\"current\"}", 16.0);
        found.check("accelerator_process_memory_bytes{pid=\"99\"}", 5_242_880.0);
        found.check("accelerator_process_count", 1.0);
        found.check("accelerator_link_up{link=\"mlulink\", port=\"0\"}", 1.0);
        found.check("accelerator_link_up{link=\"mlulink\", port=\"1\"}", 0.0);
        for (kind, count) in [("replay", 3.0), ("fatal", 0.0), ("crc", 7.0), ("correctable", 5.0)] {
            let labels = format!("link=\"mlulink\", port=\"0\", type=\"{kind}\"");
            found.check(&format!("accelerator_link_errors_total{{{labels}}}"), count);
        }
        // This one says its state and does not count.
        let labels = "link=\"mlulink\", port=\"1\", type=\"crc\"";
        found.check(&format!("accelerator_link_errors_total{{{labels}}}"), None);
        let ecc = "location=\"dram\", scope=\"volatile\", type=\"corrected\"";
        found.check(&format!("accelerator_ecc_errors_total{{{ecc}}}"), 4.0);
        let info = "driver_version=\"6.2.10\", firmware_version=\"1.1.6\", numa_node=\"1\"";
        found.check(&format!("accelerator_info{{{info}}}"), 1.0);
        found.identity(&["12345678-9abc", "MLU590", "0000:5d:00.0", "cambricon"]);
    }

    #[test]
    fn older_libraries() {
        let machine = Machine::new("cambricon", "cndev", &["OLD"]);
        let found = machine.read(machine.open(open).unwrap().as_mut());
        found.check("accelerator_utilization_ratio", 0.64);
        found.check("accelerator_health{state=\"failed\"}", 1.0);
        found.check("accelerator_field_state{field=\"ecc\", state=\"unsupported\"}", 1.0);
        found.check("accelerator_process_count", 1.0);
        found.check("accelerator_link_up{link=\"mlulink\", port=\"0\"}", None);
    }

    #[test]
    fn a_device_that_is_gone() {
        let machine = Machine::new("cambricon", "cndev", &["GONE_AFTER=1"]);
        let mut sampler = machine.open(open).unwrap();
        machine.read(sampler.as_mut()).check("accelerator_up", 1.0);
        // It goes in the middle of a reading; from the next one on nothing answers.
        machine.advance(1);
        machine.read(sampler.as_mut());
        machine.advance(1);
        let found = machine.read(sampler.as_mut());
        found.check("accelerator_up", 0.0);
        found.check("accelerator_power_watts", None);
        found.check("accelerator_health{state=\"failed\"}", 1.0);
    }

    #[test]
    fn why_it_cannot_be_used() {
        let check = |one: &str, kind| {
            let machine = Machine::new("cambricon", "cndev", &[one]);
            assert_eq!(machine.open(open).err().unwrap().kind, kind);
        };
        check("INIT=12", FailureKind::Absent);
        check("INIT=13", FailureKind::PermissionDenied);
        check("INIT=1", FailureKind::Unreachable);
    }
}
