//! GPM: how busy the parts of a GPU are, since Hopper.
//!
//! Values are means between two samples, which must lie more than 100 ms apart. It takes no lock that
//! profilers need, so it may run beside them; after minutes in a container the driver may refuse it, then
//! it is tried again once a minute. Its byte rates (PCIe 20 and 21, NVLink 60 and more, C2C 100 and more)
//! are left out: the header calls them MiB/s and DCGM passes the same number on as bytes/s, and none of it
//! was measured. PCIe and NVLink bytes come from counters; of C2C there is nothing else.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::session::{Api, Session, code};
use crate::accelerator::library::{Arg, Buffer, Pointer};

/// Samples closer than this say nothing.
const APART: Duration = Duration::from_millis(100);
const FIELD: &str = "gpm";
const HEADER: usize = 24;
const METRIC: usize = 40;

/// What is asked for, by NVML's id.
const METRICS: [u32; 12] = [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13];

pub(super) struct Gpm {
    api: Arc<Api>,
    /// The whole GPU, also where an instance of it is meant.
    device: Pointer,
    /// The older and the newer; they swap.
    samples: [Pointer; 2],
    /// When the newer one was taken.
    taken_at: Option<Duration>,
    /// The MIG instance that is meant, instead of the whole GPU.
    instance: Option<u32>,
    metrics: Buffer,
}

impl Gpm {
    /// `None` where the device has no GPM. `session` keeps the state of the reading.
    pub(super) fn new(
        session: &mut Session,
        device: Pointer,
        instance: Option<u32>,
    ) -> Option<Self> {
        session.ask(FIELD, "GpmQueryDeviceSupport", |library, suffix, [out, ..]| {
            out.clear();
            out.set_u32(0, 1);
            let mut args = [Arg::Handle(device), Arg::Buffer(out)];
            library.call("GpmQueryDeviceSupport", suffix, &mut args)
        })?;
        if session.first().u32(4) != Some(1) {
            session.note(FIELD, code::NOT_SUPPORTED);
            return None;
        }
        let api = Arc::clone(&session.api);
        let older = api.handle("GpmSampleAlloc", None, None).ok()?;
        let Ok(newer) = api.handle("GpmSampleAlloc", None, None) else {
            api.call("GpmSampleFree", &mut [Arg::Handle(older)]);
            return None;
        };
        let metrics = Buffer::new(HEADER + METRIC * METRICS.len());
        Some(Self { api, device, samples: [older, newer], taken_at: None, instance, metrics })
    }

    /// Shares from 0 to 1 by NVML's id; empty when there is no earlier sample to compare with.
    pub(super) fn read(&mut self, session: &mut Session) -> BTreeMap<u32, f64> {
        let now = session.now;
        let mut found = BTreeMap::new();
        if self.taken_at.is_some_and(|at| now < at + APART) {
            return found;
        }
        self.samples.swap(0, 1);
        let [older, newer] = self.samples;
        let (device, instance) = (self.device, self.instance);
        let name = if instance.is_some() { "GpmMigSampleGet" } else { "GpmSampleGet" };
        let taken = session.ask(FIELD, name, |library, suffix, _| {
            let mut args = vec![Arg::Handle(device)];
            args.extend(instance.map(|instance| Arg::Number(instance.into())));
            args.push(Arg::Handle(newer));
            library.call(name, suffix, &mut args)
        });
        let had_older = self.taken_at.is_some();
        self.taken_at = taken.map(|_| now);
        if taken.is_none() || !had_older {
            return found;
        }
        let metrics = &mut self.metrics;
        let count = u32::try_from(METRICS.len()).unwrap_or_default();
        session.ask(FIELD, "GpmMetricsGet", |library, suffix, _| {
            metrics.clear();
            metrics.set_u32(0, 1);
            metrics.set_u32(4, count);
            metrics.set_pointer(8, older);
            metrics.set_pointer(16, newer);
            for (index, id) in METRICS.iter().enumerate() {
                metrics.set_u32(HEADER + METRIC * index, *id);
            }
            library.call("GpmMetricsGet", suffix, &mut [Arg::Buffer(metrics)])
        });
        for (index, id) in METRICS.iter().enumerate() {
            let at = HEADER + METRIC * index;
            let is_answered = metrics.i32(at + 4) == Some(code::SUCCESS);
            let value = metrics.f64(at + 8).filter(|value| is_answered && value.is_finite());
            found.extend(value.map(|percent| (*id, percent / 100.0)));
        }
        found
    }
}

impl Drop for Gpm {
    fn drop(&mut self) {
        for sample in self.samples {
            self.api.call("GpmSampleFree", &mut [Arg::Handle(sample)]);
        }
    }
}
