//! NVIDIA's NVML, and the libraries that other vendors built in its shape: Iluvatar, Enflame,
//! Kunlunxin. Which of its functions a library has decides what is read.
//!
//! Reads activity, memory, power, temperature and clocks each second, processes, links and fans every
//! five, error counters, limits and the licences of vGPUs once a minute, and Xids as they come, from NVML's
//! events and the kernel's log. It needs no root; the kernel's log may need CAP_SYSLOG. It cannot see
//! activity beyond "something ran" before Hopper, nor, while the driver cannot be opened at all, the Xids
//! of the kernel's log. A lost GPU is asked one thing a minute, so that the end of a reset is noticed. Like
//! any program that watches through NVML it keeps the driver open: it cannot be unloaded, nor a GPU be
//! reset, while we run.
//!
//! Facts: NVML's header (API 13) and the reference's sections 3 and 8; none of it was seen on hardware.

mod events;
mod facts;
mod gpm;
mod gpu;
mod partition;
mod read;
mod running;
mod session;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, io, path::PathBuf, sync::Arc, time::Duration};

use model::{Clock, UnixMs, log::LogRecord, sample::Batch};

use self::{
    events::Events,
    gpu::Gpu,
    session::{Api, failure},
};
use super::{Context, kmsg, processes::Holders, report::FieldState, xid};
use crate::{Failure, FailureKind, schedule::Sampler};

/// Devices of one library; more are left out.
const DEVICES_MAX: u32 = 256;
/// The same Xid of the same device within this is one event, told twice.
const SAME_EVENT: Duration = Duration::from_secs(2);
/// Events that are remembered to tell whether one is new.
const REMEMBERED: usize = 64;

/// A library in the shape of NVML.
struct Shape {
    vendor: &'static str,
    prefix: &'static str,
    /// Where it usually is.
    paths: &'static [&'static str],
}

static NVIDIA: Shape = Shape {
    vendor: "nvidia",
    prefix: "nvml",
    paths: &["libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1"],
};

static ILUVATAR: Shape = Shape {
    vendor: "iluvatar",
    prefix: "nvml",
    paths: &["/usr/local/corex/lib/libixml.so", "/usr/local/corex/lib64/libixml.so", "libixml.so"],
};

static ENFLAME: Shape =
    Shape { vendor: "enflame", prefix: "efml", paths: &["libefml.so", "libefml.so.1"] };

static KUNLUNXIN: Shape =
    Shape { vendor: "kunlunxin", prefix: "xpuml", paths: &["libxpuml.so", "libxpuml.so.1"] };

pub(super) fn open_nvidia(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    Nvml::open(context, &NVIDIA)
}

pub(super) fn open_iluvatar(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    Nvml::open(context, &ILUVATAR)
}

pub(super) fn open_enflame(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    Nvml::open(context, &ENFLAME)
}

pub(super) fn open_kunlunxin(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    Nvml::open(context, &KUNLUNXIN)
}

/// What all devices of a library share.
struct Shared {
    api: Arc<Api>,
    vendor: &'static str,
    host: String,
    root: PathBuf,
    holders: Holders,
    clock: Clock,
    driver_version: Option<String>,
    library_version: Option<String>,
    has_dcgm_names: bool,
}

/// All devices of a library.
struct Nvml {
    shared: Shared,
    gpus: Vec<Gpu>,
    events: Option<Events>,
    log: Option<kmsg::Log>,
    /// `None` where no Xids are expected there.
    log_state: Option<FieldState>,
    messages: xid::Messages,
    /// Device, code and time of the newest events.
    seen: VecDeque<(usize, u32, UnixMs)>,
    /// What people are told with the next tick.
    told: Vec<LogRecord>,
}

impl Nvml {
    fn open(context: &Context, shape: &'static Shape) -> Result<Box<dyn Sampler>, Failure> {
        let paths = context.libraries(shape.vendor, shape.paths);
        let api = Arc::new(Api::open(&paths, shape.prefix)?);
        let count = api
            .number("DeviceGetCount")
            .map_err(|answer| failure(answer, &format!("{}DeviceGetCount", shape.prefix)))?;
        if count == 0 {
            return Err(Failure::new(FailureKind::Absent, "the driver has no device"));
        }
        let is_nvidia = shape.vendor == NVIDIA.vendor;
        let shared = Shared {
            vendor: shape.vendor,
            host: context.host.clone(),
            root: context.root.clone(),
            holders: context.holders.clone(),
            clock: context.clock.clone(),
            driver_version: api.text("SystemGetDriverVersion"),
            library_version: api.text("SystemGetNVMLVersion"),
            has_dcgm_names: is_nvidia && context.settings.has_dcgm_names,
            api,
        };
        let gpus: Vec<Gpu> =
            (0..count.min(DEVICES_MAX)).map(|index| Gpu::open(&shared, index)).collect();
        let handles: Vec<_> = gpus.iter().filter_map(Gpu::handle).collect();
        let name = format!("accelerator.{}", shape.vendor);
        // Without them the kernel's log is left, and without that the counters.
        let events = Events::start(&shared.api, &handles, &name).ok().flatten();
        let log = is_nvidia.then(|| kmsg::Log::open(&context.root.join("dev/kmsg")));
        let log_state = log.as_ref().map(|log| match log {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => FieldState::Denied,
            log => state_of(log.is_ok()),
        });
        let log = log.and_then(Result::ok);
        let (messages, seen, told) = (xid::Messages::default(), VecDeque::new(), Vec::new());
        Ok(Box::new(Self { shared, gpus, events, log, log_state, messages, seen, told }))
    }

    /// Takes the Xids that came since the last tick, each once.
    fn take_events(&mut self, now: UnixMs) {
        let mut found: Vec<(usize, xid::Xid)> = Vec::new();
        for event in self.events.iter().flat_map(Events::take) {
            let of = self.gpus.iter().position(|gpu| gpu.handle() == Some(event.device));
            let xid =
                xid::Xid { address: String::new(), code: event.code, pid: None, recovery: None };
            found.extend(of.map(|index| (index, xid)));
        }
        let (messages, gpus) = (&mut self.messages, &self.gpus);
        if let Some(log) = &mut self.log {
            log.read(|text| {
                let Some(xid) = messages.read(text) else { return };
                let of = gpus.iter().position(|gpu| gpu.has_address(&xid.address));
                found.extend(of.map(|index| (index, xid)));
            });
        }
        for (index, xid) in found {
            let is_same = |(of, code, at): &(usize, u32, UnixMs)| {
                *of == index && *code == xid.code && *at >= now - SAME_EVENT
            };
            if self.seen.iter().any(is_same) {
                continue;
            }
            self.seen.push_back((index, xid.code, now));
            if self.seen.len() > REMEMBERED {
                self.seen.pop_front();
            }
            if let Some(gpu) = self.gpus.get_mut(index) {
                gpu.take_xid(&xid, now);
                let source = format!("accelerator.{}", self.shared.vendor);
                self.told.push(gpu.event(&xid, source, now));
            }
        }
    }
}

fn state_of(is_there: bool) -> FieldState {
    if is_there { FieldState::Ok } else { FieldState::Unsupported }
}

impl Sampler for Nvml {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        for gpu in &mut self.gpus {
            gpu.read(&self.shared);
            if let Some(answer) = gpu.broken() {
                return Err(failure(answer, self.shared.vendor));
            }
        }
        self.take_events(self.shared.clock.now());
        for gpu in &mut self.gpus {
            let events = self.events.as_ref().is_some_and(|events| events.covers(gpu.handle()));
            let events = ("xid_events", state_of(events));
            let xids = [Some(events), self.log_state.map(|state| ("xid_kernel_log", state))];
            gpu.deliver(batch, xids.into_iter().flatten(), self.shared.clock.now());
        }
        Ok(())
    }

    fn events(&mut self) -> Vec<LogRecord> {
        std::mem::take(&mut self.told)
    }
}
