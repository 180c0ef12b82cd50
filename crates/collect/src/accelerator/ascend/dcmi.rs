//! Huawei's DCMI (`libdcmi.so`): its functions, the layouts of what they write, and their units.
//!
//! Newer boards have entry points that begin with `dcmiv2` and take one number for a chip instead of
//! a card and a chip on it; both are used. Layouts are those of Huawei's public header (Apache-2.0),
//! buffers are larger than any of them. Facts: `collect.md`, section 4.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use model::Clock;

use super::super::{
    library::{Arg, Buffer, Function, Library},
    report::FieldState,
};
use crate::{Failure, FailureKind};

/// Most cards; the vendor's own limit.
const CARDS_MAX: usize = 64;
/// Most chips on one card; the vendor's own limit.
const CHIPS_MAX: u32 = 4;
/// Most error codes of one chip at a time; the vendor's own limit.
const CODES_MAX: usize = 128;
/// Processes of one chip beyond this many are left out.
const PROCESSES_MAX: usize = 256;

/// How long the rate of a link is measured, inside the call.
const WINDOW_MS: u32 = 50;
const GIGABYTE: f64 = 1e9;
/// No link moves more bytes in a second.
const RATE_MAX: f64 = 1e14;

/// What stands for a function that the library lacks, as in Huawei's own loader.
const MISSING: i32 = -99_998;
const PERMISSION: i32 = -8_002;
const NO_DEVICE: i32 = -8_008;
const NOT_IN_CONTAINER: i32 = -8_013;
const NOT_SUPPORTED: i32 = -8_255;
/// Given where we ran out of time before the call.
const NOT_ASKED: i32 = -8_006;

/// Values between these mean "not available" for power and voltage.
const UNAVAILABLE: std::ops::RangeInclusive<u32> = 0x7ffd..=0x7fff;

const fn plain(name: &'static str) -> Function {
    Function { name, suffixes: &[""] }
}

const FUNCTIONS: &[Function] = &[
    plain("dcmi_init"),
    plain("dcmi_get_card_list"),
    plain("dcmi_get_card_num_list"),
    plain("dcmi_get_device_num_in_card"),
    plain("dcmi_get_dcmi_version"),
    plain("dcmiv2_init"),
    plain("dcmiv2_get_device_list"),
    plain("dcmi_get_device_type"),
    plain("dcmiv2_get_device_type"),
    plain("dcmi_get_device_chip_info"),
    plain("dcmiv2_get_device_chip_info"),
    plain("dcmi_get_device_die_v2"),
    plain("dcmiv2_get_device_die_id"),
    plain("dcmi_get_device_ecc_info"),
    plain("dcmiv2_get_device_ecc_info"),
    plain("dcmi_get_device_errorcode_v2"),
    plain("dcmiv2_get_device_error_code_list"),
    plain("dcmiv2_get_device_errorcode"),
    plain("dcmi_get_device_frequency"),
    plain("dcmiv2_get_device_frequency"),
    plain("dcmi_get_device_hbm_info"),
    plain("dcmiv2_get_device_hbm_info"),
    plain("dcmi_get_device_health"),
    plain("dcmiv2_get_device_health"),
    plain("dcmi_get_device_memory_info_v3"),
    plain("dcmi_get_device_multi_utilization_rate"),
    plain("dcmiv2_get_device_multi_utilization_rate"),
    plain("dcmi_get_device_network_health"),
    plain("dcmiv2_get_device_network_health"),
    plain("dcmi_get_device_pcie_info_v2"),
    plain("dcmiv2_get_device_pcie_info"),
    plain("dcmi_get_device_power_info"),
    plain("dcmiv2_get_device_power_info"),
    plain("dcmi_get_device_resource_info"),
    plain("dcmiv2_get_device_proc_mem_info"),
    plain("dcmi_get_device_temperature"),
    plain("dcmiv2_get_device_temperature"),
    plain("dcmi_get_device_utilization_rate"),
    plain("dcmiv2_get_device_utilization_rate"),
    plain("dcmi_get_device_voltage"),
    plain("dcmiv2_get_device_voltage"),
    plain("dcmi_get_hccs_link_bandwidth_info"),
    plain("dcmi_get_pcie_link_bandwidth_info"),
];

/// A reading: the field it belongs to and its names, the old one and those of the newer boards.
struct Call {
    field: &'static str,
    old: &'static str,
    new: &'static [&'static str],
}

macro_rules! calls {
    ($($ident:ident = $field:literal $old:literal [$($new:literal)*];)*) => {
        $(const $ident: Call = Call { field: $field, old: $old, new: &[$($new),*] };)*
    };
}

calls! {
    CHIP_INFO = "info" "dcmi_get_device_chip_info" ["dcmiv2_get_device_chip_info"];
    DIE = "uuid" "dcmi_get_device_die_v2" ["dcmiv2_get_device_die_id"];
    ECC = "ecc" "dcmi_get_device_ecc_info" ["dcmiv2_get_device_ecc_info"];
    ERRORS = "errors" "dcmi_get_device_errorcode_v2"
        ["dcmiv2_get_device_error_code_list" "dcmiv2_get_device_errorcode"];
    FREQUENCY = "clock" "dcmi_get_device_frequency" ["dcmiv2_get_device_frequency"];
    HBM = "hbm" "dcmi_get_device_hbm_info" ["dcmiv2_get_device_hbm_info"];
    HCCS_RATE = "hccs_rate" "dcmi_get_hccs_link_bandwidth_info" [];
    HEALTH = "health" "dcmi_get_device_health" ["dcmiv2_get_device_health"];
    MEMORY = "memory" "dcmi_get_device_memory_info_v3" [];
    MULTI = "utilization" "dcmi_get_device_multi_utilization_rate"
        ["dcmiv2_get_device_multi_utilization_rate"];
    NETWORK = "network" "dcmi_get_device_network_health" ["dcmiv2_get_device_network_health"];
    PCIE = "pcie" "dcmi_get_device_pcie_info_v2" ["dcmiv2_get_device_pcie_info"];
    PCIE_RATE = "pcie_rate" "dcmi_get_pcie_link_bandwidth_info" [];
    POWER = "power" "dcmi_get_device_power_info" ["dcmiv2_get_device_power_info"];
    PROCESSES = "processes" "dcmi_get_device_resource_info" ["dcmiv2_get_device_proc_mem_info"];
    TEMPERATURE = "temperature" "dcmi_get_device_temperature" ["dcmiv2_get_device_temperature"];
    TYPE = "type" "dcmi_get_device_type" ["dcmiv2_get_device_type"];
    RATE = "utilization" "dcmi_get_device_utilization_rate" ["dcmiv2_get_device_utilization_rate"];
    VOLTAGE = "voltage" "dcmi_get_device_voltage" ["dcmiv2_get_device_voltage"];
}

/// The library, ready for use from any thread.
#[derive(Debug)]
pub(super) struct Dcmi {
    library: Library,
}

/// How a chip is named in calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Old { card: u32, chip: u32 },
    New { chip: u32 },
}

/// What does not change while a chip is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) die: Option<String>,
    pub(super) address: Option<String>,
}

/// High-bandwidth memory: sizes in MiB, the clock in MHz, the use of the bandwidth in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hbm {
    pub(super) total: u64,
    pub(super) used: u64,
    pub(super) megahertz: u32,
    pub(super) celsius: i32,
    pub(super) bandwidth_percent: u32,
}

/// Bytes per second over a kind of link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    pub(super) sent: f64,
    pub(super) received: f64,
}

/// Counters of one kind of memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ecc {
    pub(super) location: &'static str,
    pub(super) is_enabled: bool,
    pub(super) single: u32,
    pub(super) double: u32,
    pub(super) total_single: u32,
    pub(super) total_double: u32,
    pub(super) single_isolated: u32,
    pub(super) double_isolated: u32,
    pub(super) next_isolated: u32,
}

/// Everything that one round of reading a chip gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// Percent.
    pub(super) overall: Option<f64>,
    pub(super) aicore: Option<f64>,
    pub(super) cube: Option<f64>,
    pub(super) vector: Option<f64>,
    pub(super) hbm_percent: Option<f64>,
    pub(super) celsius: Option<f64>,
    pub(super) watts: Option<f64>,
    pub(super) volts: Option<f64>,
    pub(super) core_megahertz: Option<f64>,
    pub(super) core_max_megahertz: Option<f64>,
    pub(super) hbm: Option<Hbm>,
    /// Size and what is available, in MiB.
    pub(super) memory: Option<(u64, u64)>,
    pub(super) health: Option<u32>,
    pub(super) network: Option<u32>,
    pub(super) hccs: Option<Rate>,
    pub(super) pcie: Option<Rate>,
    pub(super) errors: Option<Vec<u32>>,
    pub(super) processes: Option<Vec<(u32, u64)>>,
    /// Only in a slow round.
    pub(super) ecc: Vec<Ecc>,
    pub(super) is_lost: bool,
    pub(super) fields: Vec<(&'static str, FieldState)>,
}

impl Dcmi {
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self, Failure> {
        let library = Library::open(paths, "", FUNCTIONS)?;
        let dcmi = Self { library };
        let codes = [dcmi.call("dcmiv2_init", &mut []), dcmi.call("dcmi_init", &mut [])];
        if codes.contains(&0) {
            return Ok(dcmi);
        }
        let code = codes.into_iter().find(|code| *code != MISSING).unwrap_or(MISSING);
        let kind = match code {
            PERMISSION => FailureKind::PermissionDenied,
            MISSING => FailureKind::Malformed,
            _ => FailureKind::Unreachable,
        };
        let detail = format!("{}: dcmi_init: {code}", dcmi.library.path().display());
        Err(Failure::new(kind, detail))
    }

    pub(super) fn version(&self) -> Option<String> {
        let mut text = Buffer::new(64);
        let args = &mut [Arg::Buffer(&mut text), Arg::Number(64)];
        (self.call("dcmi_get_dcmi_version", args) == 0).then(|| text.text(0, 64))?
    }

    fn call(&self, name: &str, args: &mut [Arg<'_>]) -> i32 {
        self.library.call(name, "", args).unwrap_or(MISSING)
    }

    /// All chips that are NPUs.
    pub(super) fn chips(&self) -> Result<Vec<Place>, Failure> {
        let mut chips = self.new_chips();
        let mut code = 0;
        if chips.is_empty() {
            (code, chips) = self.old_chips();
        }
        chips.retain(|place| {
            let mut kind = Buffer::new(4);
            let mut session = Session::new(self, *place);
            let known = session.ask(&TYPE, None, &mut [Arg::Buffer(&mut kind)]) == 0;
            // Other kinds are the control CPUs of a board.
            !known || kind.u32(0) == Some(0)
        });
        if chips.is_empty() {
            let detail = format!("DCMI lists no NPU ({code})");
            return Err(Failure::new(FailureKind::Absent, detail));
        }
        Ok(chips)
    }

    fn new_chips(&self) -> Vec<Place> {
        let (mut list, mut count) = (Buffer::new(4 * CARDS_MAX), Buffer::new(4));
        let mut args =
            [Arg::Buffer(&mut list), Arg::Buffer(&mut count), Arg::Number(CARDS_MAX as u64)];
        if self.call("dcmiv2_get_device_list", &mut args) != 0 {
            return Vec::new();
        }
        numbers(&list, &count).into_iter().map(|chip| Place::New { chip }).collect()
    }

    fn old_chips(&self) -> (i32, Vec<Place>) {
        let (mut list, mut count) = (Buffer::new(4 * CARDS_MAX), Buffer::new(4));
        let mut code = MISSING;
        for name in ["dcmi_get_card_list", "dcmi_get_card_num_list"] {
            let mut args =
                [Arg::Buffer(&mut count), Arg::Buffer(&mut list), Arg::Number(CARDS_MAX as u64)];
            code = self.call(name, &mut args);
            if code == 0 {
                break;
            }
        }
        if code != 0 {
            return (code, Vec::new());
        }
        let mut chips = Vec::new();
        for card in numbers(&list, &count) {
            let mut on_card = Buffer::new(4);
            let mut args = [Arg::Number(u64::from(card)), Arg::Buffer(&mut on_card)];
            code = self.call("dcmi_get_device_num_in_card", &mut args);
            let on_card = if code == 0 { on_card.u32(0).unwrap_or_default() } else { 0 };
            chips.extend((0..on_card.min(CHIPS_MAX)).map(|chip| Place::Old { card, chip }));
        }
        (code, chips)
    }
}

/// A rate that can be one.
fn rate(sent: f64, received: f64) -> Option<Rate> {
    let is_real = |rate: f64| (0.0..=RATE_MAX).contains(&rate);
    (is_real(sent) && is_real(received)).then_some(Rate { sent, received })
}

/// The first `count` of a list of numbers.
fn numbers(list: &Buffer, count: &Buffer) -> Vec<u32> {
    let count = count.u32(0).unwrap_or_default() as usize;
    (0..count.min(CARDS_MAX)).filter_map(|index| list.u32(4 * index)).collect()
}

/// Reads one chip, again and again.
pub(super) struct Session<'a> {
    dcmi: &'a Dcmi,
    place: Place,
    /// Readings that this chip does not have, so that they are not asked for again.
    unsupported: HashSet<(&'static str, Option<u32>)>,
    /// The machine's, also in tests: a library lives in no other time.
    clock: Clock,
    deadline: Option<Duration>,
    fields: Vec<(&'static str, FieldState)>,
    is_lost: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(dcmi: &'a Dcmi, place: Place) -> Self {
        Self {
            dcmi,
            place,
            unsupported: HashSet::new(),
            clock: Clock::system(),
            deadline: None,
            fields: Vec::new(),
            is_lost: false,
        }
    }

    /// Calls a function on the chip, with the number of a sub-reading where there are several, and
    /// notes how its field did.
    fn ask(&mut self, call: &Call, kind: Option<u32>, args: &mut [Arg<'_>]) -> i32 {
        let key = (call.old, kind);
        if self.unsupported.contains(&key) {
            self.note(call.field, NOT_SUPPORTED);
            return NOT_SUPPORTED;
        }
        if self.deadline.is_some_and(|deadline| self.clock.monotonic() > deadline) {
            self.note(call.field, NOT_ASKED);
            return NOT_ASKED;
        }
        let (names, place): (&[&str], &[u32]) = match &self.place {
            Place::Old { card, chip } => (&[call.old], &[*card, *chip]),
            Place::New { chip } => (call.new, &[*chip]),
        };
        let mut code = MISSING;
        for name in names {
            let numbers = place.iter().copied().chain(kind);
            let mut all: Vec<Arg<'_>> =
                numbers.map(|number| Arg::Number(u64::from(number))).collect();
            for arg in args.iter_mut() {
                all.push(match arg {
                    Arg::Number(number) => Arg::Number(*number),
                    Arg::Handle(handle) => Arg::Handle(*handle),
                    Arg::Buffer(buffer) => Arg::Buffer(buffer),
                });
            }
            code = self.dcmi.call(name, &mut all);
            if code != MISSING {
                break;
            }
        }
        if code == NOT_SUPPORTED || code == MISSING {
            self.unsupported.insert(key);
        }
        self.is_lost |= code == NO_DEVICE;
        self.note(call.field, code);
        code
    }

    /// A field with several readings is fine when one of them is.
    fn note(&mut self, field: &'static str, code: i32) {
        let state = match code {
            0 => FieldState::Ok,
            NOT_SUPPORTED | MISSING => FieldState::Unsupported,
            PERMISSION | NOT_IN_CONTAINER => FieldState::Denied,
            _ => FieldState::Error,
        };
        match self.fields.iter_mut().find(|(known, _)| *known == field) {
            None => self.fields.push((field, state)),
            Some((_, known)) if *known != FieldState::Ok => *known = state,
            Some(_) => {}
        }
    }

    /// A structure of `bytes`, when the call succeeds.
    fn structure(&mut self, call: &Call, kind: Option<u32>, bytes: usize) -> Option<Buffer> {
        let mut buffer = Buffer::new(bytes);
        (self.ask(call, kind, &mut [Arg::Buffer(&mut buffer)]) == 0).then_some(buffer)
    }

    fn number(&mut self, call: &Call, kind: Option<u32>) -> Option<u32> {
        self.structure(call, kind, 4)?.u32(0)
    }

    fn percent(&mut self, kind: u32) -> Option<f64> {
        self.number(&RATE, Some(kind)).filter(|percent| *percent <= 100).map(f64::from)
    }

    pub(super) fn facts(&mut self) -> Facts {
        let info = self.structure(&CHIP_INFO, None, 256);
        let text = |at| info.as_ref().and_then(|info| info.text(at, 32)).unwrap_or_default();
        let die = self.structure(&DIE, Some(1), 64).and_then(|die| {
            let words: Option<Vec<u32>> = (0..5).map(|index| die.u32(4 * index)).collect();
            let words = words.filter(|words| words.iter().any(|word| *word != 0))?;
            Some(words.iter().map(|word| format!("{word:08X}")).collect::<Vec<_>>().join("-"))
        });
        let address = self.structure(&PCIE, None, 128).and_then(|pcie| {
            let (domain, bus, device, function) =
                (pcie.u32(16)?, pcie.u32(20)?, pcie.u32(24)?, pcie.u32(28)?);
            let is_real = domain <= 0xffff && bus <= 0xff && device <= 0x1f && function <= 7;
            is_real.then(|| format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"))
        });
        Facts { kind: text(0), name: text(32), version: text(64), die, address }
    }

    /// One round. What is not read within `limit` is left out; a single call can still take longer.
    pub(super) fn read(&mut self, is_slow: bool, limit: Duration) -> Reading {
        self.deadline = Some(self.clock.monotonic() + limit);
        self.fields.clear();
        self.is_lost = false;
        let health = self.number(&HEALTH, None);
        let mut reading = Reading { health, ..Reading::default() };
        if !self.is_lost {
            self.read_activity(&mut reading);
            self.read_memory(&mut reading);
            self.read_body(&mut reading);
            reading.errors = self.errors();
            reading.processes = self.processes();
            reading.hccs = self.hccs();
            reading.pcie = self.pcie();
            if is_slow {
                reading.core_max_megahertz = self.number(&FREQUENCY, Some(9)).map(f64::from);
                let kinds = [(0, "ddr"), (1, "sram"), (2, "hbm")];
                reading.ecc = kinds.into_iter().filter_map(|kind| self.ecc(kind)).collect();
            }
        }
        reading.is_lost = self.is_lost;
        reading.fields = self.fields.clone();
        reading
    }

    fn read_activity(&mut self, reading: &mut Reading) {
        if let Some(multi) = self.structure(&MULTI, None, 128) {
            let percent = |at| multi.u32(at).filter(|percent| *percent <= 100).map(f64::from);
            reading.cube = percent(0);
            reading.vector = percent(4);
            reading.aicore = percent(8);
            reading.overall = percent(12);
        } else {
            reading.aicore = self.percent(2);
            reading.vector = self.percent(12);
            reading.overall = self.percent(13);
        }
        reading.hbm_percent = self.percent(6);
    }

    fn read_memory(&mut self, reading: &mut Reading) {
        reading.hbm = self.structure(&HBM, None, 128).and_then(|hbm| {
            let hbm = Hbm {
                total: hbm.u64(0)?,
                megahertz: hbm.u32(8)?,
                used: hbm.u64(16)?,
                celsius: hbm.i32(24)?,
                bandwidth_percent: hbm.u32(28)?,
            };
            (hbm.total > 0 && hbm.used <= hbm.total).then_some(hbm)
        });
        // The header says 96 bytes and declares 112.
        reading.memory = self.structure(&MEMORY, None, 256).and_then(|memory| {
            let (total, available) = (memory.u64(0)?, memory.u64(8)?);
            (total > 0 && available <= total).then_some((total, available))
        });
    }

    fn read_body(&mut self, reading: &mut Reading) {
        let celsius = self.structure(&TEMPERATURE, None, 4).and_then(|value| value.i32(0));
        reading.celsius = celsius.filter(|celsius| (-100..300).contains(celsius)).map(f64::from);
        let tenths = self.structure(&POWER, None, 4).and_then(|value| value.i32(0));
        let tenths = tenths.and_then(|tenths| u32::try_from(tenths).ok());
        let tenths = tenths.filter(|tenths| !UNAVAILABLE.contains(tenths));
        reading.watts = tenths.map(|tenths| f64::from(tenths) / 10.0);
        let hundredths = self.number(&VOLTAGE, None);
        let hundredths = hundredths.filter(|hundredths| !UNAVAILABLE.contains(hundredths));
        reading.volts = hundredths.map(|hundredths| f64::from(hundredths) / 100.0);
        reading.core_megahertz = self.number(&FREQUENCY, Some(7)).map(f64::from);
        reading.network = self.number(&NETWORK, None);
    }

    /// What a call measures of a link while it waits for [`WINDOW_MS`].
    fn measured(&mut self, call: &Call, bytes: usize) -> Option<Buffer> {
        let mut rates = Buffer::new(bytes);
        rates.set_u32(0, WINDOW_MS);
        (self.ask(call, None, &mut [Arg::Buffer(&mut rates)]) == 0).then_some(rates)
    }

    /// The sum over all links, in GB/s.
    fn hccs(&mut self) -> Option<Rate> {
        let rates = self.measured(&HCCS_RATE, 512)?;
        rate(rates.f64(8)? * GIGABYTE, rates.f64(16)? * GIGABYTE)
    }

    /// Three kinds of packets sent, their latency, then the three kinds received, each as least, most and
    /// mean, in MB/ms.
    fn pcie(&mut self) -> Option<Rate> {
        let rates = self.measured(&PCIE_RATE, 128)?;
        let mean = |kind: usize| Some(f64::from(rates.u32(4 + 12 * kind + 8)?) * GIGABYTE);
        let sum = |kinds: [usize; 3]| kinds.into_iter().map(mean).sum::<Option<f64>>();
        rate(sum([0, 1, 2])?, sum([4, 5, 6])?)
    }

    fn errors(&mut self) -> Option<Vec<u32>> {
        let (mut count, mut list) = (Buffer::new(4), Buffer::new(4 * CODES_MAX));
        let mut args =
            [Arg::Buffer(&mut count), Arg::Buffer(&mut list), Arg::Number(CODES_MAX as u64)];
        if self.ask(&ERRORS, None, &mut args) != 0 {
            return None;
        }
        let count = count.u32(0)? as usize;
        Some((0..count.min(CODES_MAX)).filter_map(|index| list.u32(4 * index)).collect())
    }

    fn processes(&mut self) -> Option<Vec<(u32, u64)>> {
        let (mut list, mut count) = (Buffer::new(16 * PROCESSES_MAX), Buffer::new(4));
        if self.ask(&PROCESSES, None, &mut [Arg::Buffer(&mut list), Arg::Buffer(&mut count)]) != 0 {
            return None;
        }
        let count = count.u32(0)? as usize;
        let one = |index| Some((list.u32(16 * index)?, list.u64(16 * index + 8)?));
        Some((0..count.min(PROCESSES_MAX)).filter_map(one).filter(|(pid, _)| *pid > 0).collect())
    }

    fn ecc(&mut self, (kind, location): (u32, &'static str)) -> Option<Ecc> {
        let ecc = self.structure(&ECC, Some(kind), 128)?;
        Some(Ecc {
            location,
            is_enabled: ecc.u32(0)? != 0,
            single: ecc.u32(4)?,
            double: ecc.u32(8)?,
            total_single: ecc.u32(12)?,
            total_double: ecc.u32(16)?,
            single_isolated: ecc.u32(20)?,
            double_isolated: ecc.u32(24)?,
            next_isolated: ecc.u32(28)?.saturating_add(ecc.u32(32)?),
        })
    }
}
