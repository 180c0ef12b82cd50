//! Asking NVML about one device, and remembering what it does not tell.
//!
//! Each kind of reading (a field) has a state of its own: what a device does not support is not asked
//! again, what we may not know is tried once a minute, and a device that is lost is left alone.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    Failure, FailureKind,
    accelerator::{
        library::{Arg, Buffer, Function, Library, Pointer},
        report::FieldState,
    },
};

/// How long a refused reading is left alone.
const RETRY: Duration = Duration::from_secs(60);
/// Longest text that NVML gives.
const TEXT_MAX: usize = 96;
/// The type of a field that is a number of 32 bits.
const UNSIGNED_INT: u32 = 1;
/// Answers 999 in a row that are worth a line in our log.
const UNKNOWN_MAX: u32 = 3;

/// Return codes of NVML.
pub(super) mod code {
    pub(in super::super) const SUCCESS: i32 = 0;
    pub(in super::super) const UNINITIALIZED: i32 = 1;
    pub(in super::super) const INVALID_ARGUMENT: i32 = 2;
    pub(in super::super) const NOT_SUPPORTED: i32 = 3;
    pub(in super::super) const NO_PERMISSION: i32 = 4;
    pub(in super::super) const NOT_FOUND: i32 = 6;
    pub(in super::super) const INSUFFICIENT_SIZE: i32 = 7;
    pub(in super::super) const DRIVER_NOT_LOADED: i32 = 9;
    pub(in super::super) const TIMEOUT: i32 = 10;
    pub(in super::super) const LIBRARY_NOT_FOUND: i32 = 12;
    pub(in super::super) const FUNCTION_NOT_FOUND: i32 = 13;
    pub(in super::super) const CORRUPTED_INFOROM: i32 = 14;
    pub(in super::super) const GPU_IS_LOST: i32 = 15;
    pub(in super::super) const RESET_REQUIRED: i32 = 16;
    pub(in super::super) const OPERATING_SYSTEM: i32 = 17;
    pub(in super::super) const LIB_RM_VERSION_MISMATCH: i32 = 18;
    pub(in super::super) const ARGUMENT_VERSION_MISMATCH: i32 = 25;
    pub(in super::super) const DEPRECATED: i32 = 26;
    pub(in super::super) const UNKNOWN: i32 = 999;
}

const PLAIN: &[&str] = &[""];

/// What we use of NVML, without prefix. Clones have part of it.
#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = &[
    Function { name: "DeviceGetComputeInstanceId", suffixes: PLAIN },
    Function { name: "DeviceGetComputeRunningProcesses", suffixes: &["_v3", "_v2", ""] },
    Function { name: "DeviceGetClockInfo", suffixes: PLAIN },
    Function { name: "DeviceGetCount", suffixes: &["_v2", ""] },
    Function { name: "DeviceGetCurrPcieLinkGeneration", suffixes: PLAIN },
    Function { name: "DeviceGetCurrPcieLinkWidth", suffixes: PLAIN },
    Function { name: "DeviceGetCurrentClocksEventReasons", suffixes: PLAIN },
    Function { name: "DeviceGetCurrentClocksThrottleReasons", suffixes: PLAIN },
    Function { name: "DeviceGetDecoderUtilization", suffixes: PLAIN },
    Function { name: "DeviceGetEncoderUtilization", suffixes: PLAIN },
    Function { name: "DeviceGetEnforcedPowerLimit", suffixes: PLAIN },
    Function { name: "DeviceGetFanSpeed", suffixes: PLAIN },
    Function { name: "DeviceGetFanSpeedRPM", suffixes: PLAIN },
    Function { name: "DeviceGetFieldValues", suffixes: PLAIN },
    Function { name: "DeviceGetGpuInstanceId", suffixes: PLAIN },
    Function { name: "DeviceGetGridLicensableFeatures", suffixes: &["_v4"] },
    Function { name: "DeviceGetHandleByIndex", suffixes: &["_v2", ""] },
    Function { name: "DeviceGetMaxClockInfo", suffixes: PLAIN },
    Function { name: "DeviceGetMaxMigDeviceCount", suffixes: PLAIN },
    Function { name: "DeviceGetMaxPcieLinkGeneration", suffixes: PLAIN },
    Function { name: "DeviceGetMaxPcieLinkWidth", suffixes: PLAIN },
    Function { name: "DeviceGetMemoryInfo", suffixes: &["_v2", ""] },
    Function { name: "DeviceGetMigDeviceHandleByIndex", suffixes: PLAIN },
    Function { name: "DeviceGetMigMode", suffixes: PLAIN },
    Function { name: "DeviceGetName", suffixes: PLAIN },
    Function { name: "DeviceGetNumaNodeId", suffixes: PLAIN },
    Function { name: "DeviceGetNvLinkState", suffixes: PLAIN },
    Function { name: "DeviceGetPciInfo", suffixes: &["_v3", "_v2", ""] },
    Function { name: "DeviceGetPcieReplayCounter", suffixes: PLAIN },
    Function { name: "DeviceGetPerformanceState", suffixes: PLAIN },
    Function { name: "DeviceGetPowerUsage", suffixes: PLAIN },
    Function { name: "DeviceGetProcessUtilization", suffixes: PLAIN },
    Function { name: "DeviceGetSerial", suffixes: PLAIN },
    Function { name: "DeviceGetTemperature", suffixes: PLAIN },
    Function { name: "DeviceGetTemperatureThreshold", suffixes: PLAIN },
    Function { name: "DeviceGetTemperatureV", suffixes: PLAIN },
    Function { name: "DeviceGetTotalEccErrors", suffixes: PLAIN },
    Function { name: "DeviceGetTotalEnergyConsumption", suffixes: PLAIN },
    Function { name: "DeviceGetUUID", suffixes: PLAIN },
    Function { name: "DeviceGetUtilizationRates", suffixes: PLAIN },
    Function { name: "DeviceGetVbiosVersion", suffixes: PLAIN },
    Function { name: "DeviceGetViolationStatus", suffixes: PLAIN },
    Function { name: "DeviceRegisterEvents", suffixes: PLAIN },
    Function { name: "EventSetCreate", suffixes: PLAIN },
    Function { name: "EventSetFree", suffixes: PLAIN },
    Function { name: "EventSetWait", suffixes: &["_v2", ""] },
    Function { name: "GpmMetricsGet", suffixes: PLAIN },
    Function { name: "GpmMigSampleGet", suffixes: PLAIN },
    Function { name: "GpmQueryDeviceSupport", suffixes: PLAIN },
    Function { name: "GpmSampleAlloc", suffixes: PLAIN },
    Function { name: "GpmSampleFree", suffixes: PLAIN },
    Function { name: "GpmSampleGet", suffixes: PLAIN },
    Function { name: "Init", suffixes: &["_v2", ""] },
    Function { name: "Shutdown", suffixes: PLAIN },
    Function { name: "SystemGetDriverVersion", suffixes: PLAIN },
    Function { name: "SystemGetNVMLVersion", suffixes: PLAIN },
];

/// The library, initialised.
#[derive(Debug)]
pub(super) struct Api(Library);

impl Api {
    pub(super) fn open(paths: &[PathBuf], prefix: &str) -> Result<Self, Failure> {
        let first = Self::init(paths, prefix);
        // The driver was upgraded underneath; the library of the new one has taken the file's place.
        match first {
            Err((code::LIB_RM_VERSION_MISMATCH, _)) => Self::init(paths, prefix),
            other => other,
        }
        .map_err(|(_, failure)| failure)
    }

    fn init(paths: &[PathBuf], prefix: &str) -> Result<Self, (i32, Failure)> {
        let library = Library::open(paths, prefix, FUNCTIONS).map_err(|failure| (0, failure))?;
        let mut answer = None;
        for suffix in library.versions("Init") {
            answer = library.call("Init", suffix, &mut []);
            if answer != Some(code::FUNCTION_NOT_FOUND) {
                break;
            }
        }
        match answer {
            Some(code::SUCCESS) => Ok(Self(library)),
            Some(answer) => {
                let place = format!("{}: {prefix}Init", library.path().display());
                Err((answer, failure(answer, &place)))
            }
            None => {
                let detail = format!("{}: no {prefix}Init in it", library.path().display());
                Err((0, Failure::new(FailureKind::Malformed, detail)))
            }
        }
    }

    /// Calls the best version of a function that knows the arguments.
    pub(super) fn call(&self, name: &str, args: &mut [Arg<'_>]) -> i32 {
        let mut answer = code::FUNCTION_NOT_FOUND;
        for suffix in self.0.versions(name) {
            answer = self.0.call(name, suffix, args).unwrap_or(code::FUNCTION_NOT_FOUND);
            if !is_other_version_wanted(answer) {
                break;
            }
        }
        answer
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.versions(name).next().is_some()
    }

    /// A number that concerns no device.
    pub(super) fn number(&self, name: &str) -> Result<u32, i32> {
        let mut out = Buffer::new(8);
        match self.call(name, &mut [Arg::Buffer(&mut out)]) {
            code::SUCCESS => out.u32(0).ok_or(code::UNKNOWN),
            answer => Err(answer),
        }
    }

    /// A text that concerns no device.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let mut out = Buffer::new(TEXT_MAX);
        let mut args = [Arg::Buffer(&mut out), Arg::Number(TEXT_MAX as u64)];
        (self.call(name, &mut args) == code::SUCCESS).then(|| out.text(0, TEXT_MAX))?
    }

    /// A handle that a function gives, for another handle and a number where it takes those.
    pub(super) fn handle(
        &self,
        name: &str,
        of: Option<Pointer>,
        number: Option<u32>,
    ) -> Result<Pointer, i32> {
        let mut out = Buffer::new(8);
        let mut args: Vec<Arg<'_>> = of.map(Arg::Handle).into_iter().collect();
        args.extend(number.map(|number| Arg::Number(number.into())));
        args.push(Arg::Buffer(&mut out));
        match self.call(name, &mut args) {
            code::SUCCESS => out.pointer(0).ok_or(code::UNKNOWN),
            answer => Err(answer),
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.call("Shutdown", &mut []);
    }
}

fn is_other_version_wanted(answer: i32) -> bool {
    matches!(answer, code::FUNCTION_NOT_FOUND | code::ARGUMENT_VERSION_MISMATCH | code::DEPRECATED)
}

/// A failure of the library as a whole.
pub(super) fn failure(answer: i32, place: &str) -> Failure {
    let (kind, meaning) = match answer {
        code::DRIVER_NOT_LOADED => (FailureKind::Absent, "the driver is not loaded"),
        code::LIBRARY_NOT_FOUND => (FailureKind::Absent, "a library of the driver is missing"),
        code::NO_PERMISSION => (FailureKind::PermissionDenied, "no permission"),
        code::OPERATING_SYSTEM => {
            (FailureKind::PermissionDenied, "the operating system refuses the device")
        }
        code::LIB_RM_VERSION_MISMATCH => {
            (FailureKind::Io, "the loaded driver and the library are of different versions")
        }
        _ => (FailureKind::Io, "it failed"),
    };
    Failure::new(kind, format!("{place}: {meaning} (code {answer})"))
}

/// What a code says of what was asked.
pub(super) fn state_of(answer: i32) -> FieldState {
    match answer {
        // No data is no fault.
        code::SUCCESS | code::NOT_FOUND => FieldState::Ok,
        code::NOT_SUPPORTED
        | code::FUNCTION_NOT_FOUND
        | code::ARGUMENT_VERSION_MISMATCH
        | code::DEPRECATED => FieldState::Unsupported,
        code::NO_PERMISSION | code::OPERATING_SYSTEM => FieldState::Denied,
        _ => FieldState::Error,
    }
}

/// One kind of reading of one device.
#[derive(Debug)]
struct Field {
    state: FieldState,
    /// When to ask again; `None` for never.
    retry_at: Option<Duration>,
    /// Answers 999 in a row.
    unknown: u32,
}

/// A number that NVML gives by its id.
pub(super) struct FieldId {
    pub(super) id: u32,
    pub(super) scope: u32,
    /// Whose state it is.
    pub(super) field: &'static str,
    /// A count that 32 bits cannot hold between two readings; one that has no more is of no use.
    pub(super) is_wide: bool,
}

/// Asks about one device.
pub(super) struct Session {
    pub(super) api: Arc<Api>,
    pub(super) handle: Pointer,
    fields: BTreeMap<&'static str, Field>,
    outs: [Buffer; 4],
    values: Buffer,
    /// Set by the owner with each tick.
    pub(super) now: Duration,
    /// The code with which the device left.
    pub(super) lost: Option<i32>,
    /// The memory that the board keeps its identity and errors in is damaged.
    is_corrupted: bool,
    /// The code with which the library as a whole stopped to work.
    pub(super) broken: Option<i32>,
}

impl Session {
    pub(super) fn new(api: Arc<Api>, handle: Pointer) -> Self {
        let outs = std::array::from_fn(|_| Buffer::new(128));
        let (fields, values) = (BTreeMap::new(), Buffer::default());
        Self {
            api,
            handle,
            fields,
            outs,
            values,
            now: Duration::ZERO,
            lost: None,
            is_corrupted: false,
            broken: None,
        }
    }

    pub(super) fn states(&self) -> impl Iterator<Item = (&'static str, FieldState)> {
        self.fields.iter().map(|(name, field)| (*name, field.state))
    }

    /// Says that what a field gives is derived and not read.
    pub(super) fn set_estimated(&mut self, field: &'static str) {
        let (state, retry_at) = (FieldState::Estimated, Some(self.now));
        let fresh = || Field { state, retry_at, unknown: 0 };
        self.fields.entry(field).or_insert_with(fresh).state = state;
    }

    /// Whether the device answers in a way that somebody should look at.
    pub(super) fn is_suspect(&self) -> bool {
        self.is_corrupted || self.fields.values().any(|field| field.unknown >= UNKNOWN_MAX)
    }

    fn may_ask(&self, field: &str) -> bool {
        let is_due = |field: &Field| field.retry_at.is_some_and(|at| at <= self.now);
        self.lost.is_none() && self.broken.is_none() && self.fields.get(field).is_none_or(is_due)
    }

    /// Asks for `field` with the best version of a function. `call` gets its suffix; what it returns is
    /// the code, or `None` where the version does not exist. Gives the suffix that answered.
    pub(super) fn ask(
        &mut self,
        field: &'static str,
        name: &'static str,
        mut call: impl FnMut(&Library, &'static str, &mut [Buffer; 4]) -> Option<i32>,
    ) -> Option<&'static str> {
        if !self.may_ask(field) {
            return None;
        }
        let api = Arc::clone(&self.api);
        let mut answer = code::FUNCTION_NOT_FOUND;
        for suffix in api.0.versions(name) {
            answer = call(&api.0, suffix, &mut self.outs).unwrap_or(code::FUNCTION_NOT_FOUND);
            if answer == code::SUCCESS {
                self.note(field, answer);
                return Some(suffix);
            }
            if !is_other_version_wanted(answer) {
                break;
            }
        }
        self.note(field, answer);
        None
    }

    /// Remembers how asking for a field went.
    pub(super) fn note(&mut self, field: &'static str, answer: i32) {
        let (now, again) = (Some(self.now), Some(self.now + RETRY));
        let state = state_of(answer);
        let retry_at = match (state, answer) {
            (FieldState::Unsupported, _) => None,
            // What is refused, a call that we make wrongly and a damaged board do not change soon.
            (FieldState::Denied, _)
            | (_, code::UNINITIALIZED | code::INVALID_ARGUMENT | code::CORRUPTED_INFOROM) => again,
            // Anything else passes, as far as anybody knows: not ready, between two states.
            _ => now,
        };
        match answer {
            code::CORRUPTED_INFOROM => self.is_corrupted = true,
            code::GPU_IS_LOST | code::RESET_REQUIRED => self.lost = Some(answer),
            code::DRIVER_NOT_LOADED | code::LIBRARY_NOT_FOUND | code::LIB_RM_VERSION_MISMATCH => {
                self.broken = Some(answer);
            }
            _ => {}
        }
        let is_new = self.fields.get(field).is_none_or(|known| known.state != state);
        let fresh = || Field { state, retry_at, unknown: 0 };
        let known = self.fields.entry(field).or_insert_with(fresh);
        known.state = state;
        known.retry_at = retry_at;
        known.unknown = if answer == code::UNKNOWN { known.unknown.saturating_add(1) } else { 0 };
        let is_worth_a_line = known.unknown == UNKNOWN_MAX
            || is_new && matches!(answer, code::UNINITIALIZED | code::INVALID_ARGUMENT);
        if is_worth_a_line {
            tracing::warn!(field, code = answer, "NVML failed to answer");
        }
    }

    /// Calls a function of the device, some numbers, and `outs` places for what it answers.
    pub(super) fn outs(
        &mut self,
        field: &'static str,
        name: &'static str,
        numbers: &[u64],
        outs: usize,
    ) -> Option<&[Buffer; 4]> {
        let handle = self.handle;
        self.ask(field, name, |library, suffix, buffers| {
            let mut args = vec![Arg::Handle(handle)];
            args.extend(numbers.iter().map(|number| Arg::Number(*number)));
            for buffer in buffers.iter_mut().take(outs) {
                buffer.clear();
                args.push(Arg::Buffer(buffer));
            }
            library.call(name, suffix, &mut args)
        })?;
        Some(&self.outs)
    }

    /// Whether a function knows a number, without any consequence for a field.
    pub(super) fn has_answer(&mut self, name: &'static str, number: u64) -> bool {
        let [out, ..] = &mut self.outs;
        let mut args = [Arg::Handle(self.handle), Arg::Number(number), Arg::Buffer(out)];
        self.api.call(name, &mut args) == code::SUCCESS
    }

    /// A 32-bit number.
    pub(super) fn number(
        &mut self,
        field: &'static str,
        name: &'static str,
        numbers: &[u64],
    ) -> Option<f64> {
        self.outs(field, name, numbers, 1)?[0].u32(0).map(f64::from)
    }

    /// A 64-bit number.
    pub(super) fn long(
        &mut self,
        field: &'static str,
        name: &'static str,
        numbers: &[u64],
    ) -> Option<u64> {
        self.outs(field, name, numbers, 1)?[0].u64(0)
    }

    pub(super) fn text(&mut self, field: &'static str, name: &'static str) -> Option<String> {
        let handle = self.handle;
        self.ask(field, name, |library, suffix, [out, ..]| {
            out.clear();
            let mut args = [Arg::Handle(handle), Arg::Buffer(out), Arg::Number(TEXT_MAX as u64)];
            library.call(name, suffix, &mut args)
        })?;
        self.outs[0].text(0, TEXT_MAX)
    }

    pub(super) fn first(&self) -> &Buffer {
        &self.outs[0]
    }

    /// Numbers by id, in one call. What the device does not know is missing.
    pub(super) fn values(&mut self, wanted: &'static [FieldId]) -> BTreeMap<(u32, u32), f64> {
        const SIZE: usize = 40;
        let asked: Vec<&FieldId> = wanted.iter().filter(|one| self.may_ask(one.field)).collect();
        let mut found = BTreeMap::new();
        if asked.is_empty() {
            return found;
        }
        let mut values = std::mem::take(&mut self.values);
        if values.len() < SIZE * asked.len() {
            values = Buffer::new(SIZE * asked.len());
        }
        values.clear();
        for (index, one) in asked.iter().enumerate() {
            values.set_u32(index * SIZE, one.id);
            values.set_u32(index * SIZE + 4, one.scope);
        }
        let (handle, count) = (self.handle, asked.len() as u64);
        let answered = self.ask("field_values", "DeviceGetFieldValues", |library, suffix, _| {
            let mut args = [Arg::Handle(handle), Arg::Number(count), Arg::Buffer(&mut values)];
            library.call("DeviceGetFieldValues", suffix, &mut args)
        });
        if answered.is_some() {
            for (index, one) in asked.iter().enumerate() {
                let at = index * SIZE;
                let is_narrow = one.is_wide && values.u32(at + 24) == Some(UNSIGNED_INT);
                let answer = match values.i32(at + 28).unwrap_or(code::UNKNOWN) {
                    code::SUCCESS if is_narrow => code::NOT_SUPPORTED,
                    // A driver older than the id.
                    code::INVALID_ARGUMENT => code::NOT_SUPPORTED,
                    answer => answer,
                };
                self.note(one.field, answer);
                if answer == code::SUCCESS
                    && let Some(value) = typed(&values, at)
                {
                    found.insert((one.id, one.scope), value);
                }
            }
        }
        self.values = values;
        found
    }
}

/// The value of a field in the type that it says it has.
fn typed(values: &Buffer, at: usize) -> Option<f64> {
    let value = at + 32;
    match values.u32(at + 24)? {
        0 => values.f64(value),
        UNSIGNED_INT => values.u32(value).map(f64::from),
        2 | 3 => values.u64(value).filter(|value| *value != u64::MAX).map(|value| value as f64),
        4 => values.u64(value).map(|value| value.cast_signed() as f64),
        5 => values.i32(value).map(f64::from),
        6 => values.u32(value).map(|value| f64::from(value & 0xffff)),
        _ => None,
    }
}
