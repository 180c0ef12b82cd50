//! One device of NVML: who it is, when what is read of it, and how it is doing.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use model::{
    UnixMs,
    catalogue::{ACCELERATOR_RECOVERY_ACTION, DCGM_EXP_XID_ERRORS_COUNT, DCGM_FI_DEV_XID_ERRORS},
    log::{LogRecord, Severity},
    sample::Batch,
};

use super::{
    Shared,
    facts::RECOVERY,
    gpm::Gpm,
    partition::{self, Parent, Partition},
    read,
    session::{Session, code, state_of},
};
use crate::accelerator::{
    library::{Arg, Pointer},
    report::{Device, FieldState, Group, Health, Reporter, pci_bus_id},
    xid,
};

/// How often processes and links are read.
pub(super) const OFTEN: Duration = Duration::from_secs(5);
/// How often error counters, limits and identity are read, and a lost device is asked again.
pub(super) const SELDOM: Duration = Duration::from_secs(60);
/// How long an Xid that needs a reset or a look counts against the device.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The window of DCGM's count of Xids.
const WINDOW: Duration = Duration::from_secs(5 * 60);
/// Xids that are remembered for it.
const XIDS_MAX: usize = 1_024;

/// A device, or the place of one that does not answer.
pub(super) struct Gpu {
    index: u32,
    /// `None` when it could not be reached when we came.
    pub(super) session: Option<Session>,
    /// The code with which it could not be reached.
    refusal: Option<i32>,
    pub(super) reporter: Reporter,
    gpm: Option<Gpm>,
    partitions: Vec<Partition>,
    pub(super) state: read::State,
    device: Device,
    /// The labels of DCGM's exporter, where its names are wanted.
    dcgm: Option<Vec<(&'static str, String)>>,
    /// When a lost device was asked last.
    asked_at: Duration,
    xids: VecDeque<(UnixMs, u32)>,
    /// When an Xid last came that says the device is not as it should be.
    faulty_at: Option<UnixMs>,
}

impl Gpu {
    pub(super) fn open(shared: &Shared, index: u32) -> Self {
        let handle = shared.api.handle("DeviceGetHandleByIndex", None, Some(index));
        let mut device = Device {
            index: index.to_string(),
            vendor: shared.vendor,
            host: shared.host.clone(),
            ..Device::default()
        };
        let refusal = handle.err();
        let mut session = handle.ok().map(|handle| Session::new(Arc::clone(&shared.api), handle));
        let mut written = String::new();
        if let Some(session) = &mut session {
            device.model = session.text("name", "DeviceGetName").unwrap_or_default();
            written = address(session).unwrap_or_default();
            device.pci_bus_id = pci_bus_id(&written);
            let uuid = session.text("uuid", "DeviceGetUUID");
            device.uuid = uuid.unwrap_or_else(|| format!("pci:{}", device.pci_bus_id));
        }
        let mut reporter = Reporter::new(&device, &shared.clock);
        let dcgm = shared.has_dcgm_names.then(|| dcgm_labels(shared, &device, &written));
        if let Some(labels) = &dcgm {
            reporter = reporter.with_compat(labels.clone());
        }
        let gpm = session.as_mut().and_then(|session| Gpm::new(session, session.handle, None));
        Self {
            index,
            session,
            refusal,
            reporter,
            gpm,
            partitions: Vec::new(),
            state: read::State::default(),
            device,
            dcgm,
            asked_at: shared.clock.monotonic(),
            xids: VecDeque::new(),
            faulty_at: None,
        }
    }

    pub(super) fn handle(&self) -> Option<Pointer> {
        self.session.as_ref().map(|session| session.handle)
    }

    /// Whether this is the device at an address that may lack the function.
    pub(super) fn has_address(&self, text: &str) -> bool {
        let address = pci_bus_id(text);
        let own = self.device.pci_bus_id.as_str();
        let (slot, _) = own.rsplit_once('.').unwrap_or((own, ""));
        !own.is_empty() && (address == own || address == slot)
    }

    /// The code with which the library as a whole stopped to work.
    pub(super) fn broken(&self) -> Option<i32> {
        let sessions = self.partitions.iter().map(|partition| &partition.session);
        self.session.iter().chain(sessions).find_map(|session| session.broken)
    }

    /// Reads what is due.
    pub(super) fn read(&mut self, shared: &Shared) {
        let now = shared.clock.monotonic();
        let is_lost = self.session.as_ref().is_none_or(|session| session.lost.is_some());
        if is_lost {
            if now < self.asked_at + SELDOM {
                return;
            }
            self.ask_again(shared);
        }
        let Self { session: Some(session), reporter, gpm, partitions, state, .. } = self else {
            return;
        };
        session.now = now;
        reporter.read(Group::Fast, |readings| read::fast(session, gpm.as_mut(), state, readings));
        if reporter.is_due(Group::Process, OFTEN) {
            reporter.read(Group::Process, |readings| {
                read::often(session, state, shared, readings);
            });
        }
        if reporter.is_due(Group::Error, SELDOM) {
            reporter.read(Group::Error, |readings| read::errors(session, state, readings));
        }
        if reporter.is_due(Group::Static, SELDOM) {
            let facts = read::Facts {
                driver_version: shared.driver_version.as_deref(),
                library_version: shared.library_version.as_deref(),
            };
            let mut is_mig = None;
            reporter.read(Group::Static, |readings| {
                is_mig = read::limits(session, &facts, readings);
            });
            let parent = Parent { device: &self.device, dcgm: self.dcgm.as_deref() };
            partition::update(partitions, session, is_mig == Some(true), &parent, shared);
        }
        for partition in partitions {
            partition.read(session.now);
        }
        if session.lost.is_some() {
            self.asked_at = now;
            self.reporter.set_up(false);
            self.partitions.clear();
        }
    }

    /// Looks whether a lost device is back. One call, which a lost device answers at once.
    fn ask_again(&mut self, shared: &Shared) {
        self.asked_at = shared.clock.monotonic();
        let handle = shared.api.handle("DeviceGetHandleByIndex", None, Some(self.index));
        let handle = match handle {
            Ok(handle) => handle,
            Err(answer) => {
                self.refusal = self.refusal.map(|_| answer);
                return;
            }
        };
        let mut session = Session::new(Arc::clone(&shared.api), handle);
        let _ = session.number("power", "DeviceGetPowerUsage", &[]);
        if session.lost.is_some() {
            return;
        }
        // It has been away: it may be another one, and its counters begin anew.
        let faulty_at = self.faulty_at;
        *self = Self { faulty_at, ..Self::open(shared, self.index) };
    }

    /// Counts an Xid.
    pub(super) fn take_xid(&mut self, xid: &xid::Xid, now: UnixMs) {
        let (class, action) = xid::action(xid.code);
        self.reporter.count_error(&xid.code.to_string(), class, action, now);
        if matches!(class, "reset_gpu" | "workflow" | "reboot") {
            self.faulty_at = Some(now);
        }
        if let Some(action) = xid.recovery {
            self.state.recovery = Some(action);
        }
        self.xids.push_back((now, xid.code));
        if self.xids.len() > XIDS_MAX {
            self.xids.pop_front();
        }
    }

    /// An Xid as an event for people.
    pub(super) fn event(&self, xid: &xid::Xid, source: String, now: UnixMs) -> LogRecord {
        let (class, action) = xid::action(xid.code);
        let severity = match class {
            "reboot" | "reset_gpu" | "mechanical" => Severity::Error,
            "note" | "info" => Severity::Info,
            _ => Severity::Warn,
        };
        let unknown = || "–".to_owned();
        let attributes = [
            ("index", self.device.index.clone()),
            ("model", self.device.model.clone()),
            ("uuid", self.device.uuid.clone()),
            ("code", xid.code.to_string()),
            ("action", if action.is_empty() { unknown() } else { action.to_owned() }),
            ("pid", xid.pid.map_or_else(unknown, |pid| pid.to_string())),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value)).into();
        LogRecord { time: now, source, severity, body: "event.xid".into(), attributes }
    }

    /// Whether the device answers; `None` where that cannot be told.
    fn is_up(&self) -> Option<bool> {
        match (&self.session, self.refusal) {
            (Some(session), _) => Some(session.lost.is_none()),
            (None, Some(code::GPU_IS_LOST | code::RESET_REQUIRED)) => Some(false),
            (None, _) => None,
        }
    }

    fn health(&self, now: UnixMs) -> Health {
        let state = &self.state;
        let is_failed = self.is_up() == Some(false)
            || state.repair_failed == Some(true)
            || state.recovery.is_some_and(|a| a != 0);
        let is_degraded = state.repair_pending == Some(true)
            || state.is_link_down
            || self.session.as_ref().is_some_and(Session::is_suspect)
            || self.faulty_at.is_some_and(|at| now - DAY < at);
        match () {
            () if is_failed => Health::Failed,
            () if is_degraded => Health::Degraded,
            () if state.has_answered => Health::Ok,
            () => Health::Unknown,
        }
    }

    /// Adds the series of the device and of its partitions. `xids` says where Xids come from.
    pub(super) fn deliver(
        &mut self,
        batch: &mut Batch,
        xids: impl Iterator<Item = (&'static str, FieldState)>,
        now: UnixMs,
    ) {
        match self.is_up() {
            Some(is_up) => self.reporter.set_up(is_up),
            None => self.reporter.set_unknown(),
        }
        if let Some(refusal) = self.refusal {
            self.reporter.set_field("device", state_of(refusal));
        }
        self.reporter.set_health(self.health(now));
        let states = self.session.iter().flat_map(Session::states);
        for (field, state) in states.chain(xids) {
            self.reporter.set_field(field, state);
        }
        let (recovery, last) = (self.state.recovery, self.xids.back().copied());
        let recent: Vec<u32> = {
            let recent = self.xids.iter().filter(|(at, _)| now - WINDOW <= *at);
            recent.map(|(_, code)| *code).collect()
        };
        self.reporter.deliver_with(batch, |readings| {
            if let Some(current) = recovery {
                let states = (0_u32..).zip(RECOVERY).map(|(id, word)| (id == current, *word));
                readings.put_states(&ACCELERATOR_RECOVERY_ACTION, "action", states);
            }
            if let Some((_, code)) = last {
                let (_, action) = xid::action(code);
                let labels = [("err_code", &*code.to_string()), ("err_msg", action)];
                readings.put_compat(&DCGM_FI_DEV_XID_ERRORS, &labels, Some(code.into()));
            }
            let mut codes = recent.clone();
            codes.sort_unstable();
            codes.dedup();
            let window = WINDOW.as_millis().to_string();
            for code in codes {
                let count = recent.iter().filter(|one| **one == code).count() as f64;
                let labels = [("xid", &*code.to_string()), ("window_size_in_ms", &window)];
                readings.put_compat(&DCGM_EXP_XID_ERRORS_COUNT, &labels, Some(count));
            }
        });
        for partition in &mut self.partitions {
            partition.deliver(batch);
        }
    }
}

/// The PCI address as NVML writes it.
fn address(session: &mut Session) -> Option<String> {
    let handle = session.handle;
    let suffix = session.ask("pci", "DeviceGetPciInfo", |library, suffix, [out, ..]| {
        out.clear();
        library.call("DeviceGetPciInfo", suffix, &mut [Arg::Handle(handle), Arg::Buffer(out)])
    })?;
    // The first version had the address in front, with room for a shorter domain.
    let (offset, length) = if suffix == "_v3" { (36, 32) } else { (0, 16) };
    session.first().text(offset, length)
}

/// The labels of DCGM's exporter.
fn dcgm_labels(shared: &Shared, device: &Device, address: &str) -> Vec<(&'static str, String)> {
    vec![
        ("gpu", device.index.clone()),
        ("UUID", device.uuid.clone()),
        ("pci_bus_id", address.to_owned()),
        ("device", format!("nvidia{}", device.index)),
        ("modelName", device.model.clone()),
        ("hostname", device.host.clone()),
        ("DCGM_FI_DRIVER_VERSION", shared.driver_version.clone().unwrap_or_default()),
    ]
}
