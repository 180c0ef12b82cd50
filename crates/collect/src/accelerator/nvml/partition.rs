//! MIG instances: parts of a GPU with memory and activity of their own.

use std::{sync::Arc, time::Duration};

use model::{catalogue::ACCELERATOR_PARTITION_INFO, sample::Batch};

use super::{Shared, gpm::Gpm, read, session::Session};
use crate::accelerator::{
    library::Pointer,
    report::{Device, Group, Health, Reporter},
};

/// Instances of one GPU; the hardware has seven.
const PARTITIONS_MAX: u32 = 16;

/// One MIG device: a compute instance of a GPU instance.
pub(super) struct Partition {
    pub(super) session: Session,
    reporter: Reporter,
    gpm: Option<Gpm>,
    device: Device,
}

/// The GPU that is divided.
pub(super) struct Parent<'a> {
    pub(super) device: &'a Device,
    /// The labels of DCGM's exporter, where its names are wanted.
    pub(super) dcgm: Option<&'a [(&'static str, String)]>,
}

/// Brings `partitions` up to date with the layout of the GPU that `session` speaks to.
pub(super) fn update(
    partitions: &mut Vec<Partition>,
    session: &mut Session,
    is_mig: bool,
    parent: &Parent<'_>,
    shared: &Shared,
) {
    let count = is_mig.then(|| session.number("mig_devices", "DeviceGetMaxMigDeviceCount", &[]));
    let count = count.flatten().unwrap_or_default() as u32;
    let mut found = Vec::new();
    for index in 0..count.min(PARTITIONS_MAX) {
        // Places without an instance answer NOT_FOUND.
        let of = Some(session.handle);
        let handle = shared.api.handle("DeviceGetMigDeviceHandleByIndex", of, Some(index));
        let Ok(handle) = handle else { continue };
        let mut own = Session::new(Arc::clone(&shared.api), handle);
        own.now = session.now;
        let Some(uuid) = own.text("uuid", "DeviceGetUUID") else { continue };
        match partitions.iter().position(|known| known.device.uuid == uuid) {
            Some(known) => {
                let mut known = partitions.swap_remove(known);
                known.session.handle = handle;
                found.push(known);
            }
            None => found.extend(Partition::new(own, session.handle, uuid, parent, shared)),
        }
    }
    *partitions = found;
}

impl Partition {
    fn new(
        mut own: Session,
        of: Pointer,
        uuid: String,
        parent: &Parent<'_>,
        shared: &Shared,
    ) -> Option<Self> {
        let instance = own.number("gpu_instance", "DeviceGetGpuInstanceId", &[])? as u32;
        let compute = own.number("compute_instance", "DeviceGetComputeInstanceId", &[])?;
        let name = own.text("name", "DeviceGetName").unwrap_or_default();
        let profile = name.rsplit_once("MIG ").map_or("", |(_, profile)| profile);
        let device = Device {
            uuid,
            partition: Some(format!("{instance}/{compute}")),
            ..parent.device.clone()
        };
        let mut reporter = Reporter::new(&device, &shared.clock);
        if let Some(labels) = parent.dcgm {
            let mut labels = labels.to_vec();
            labels.push(("GPU_I_PROFILE", profile.to_owned()));
            labels.push(("GPU_I_ID", instance.to_string()));
            reporter = reporter.with_compat(labels);
        }
        let gpm = Gpm::new(&mut own, of, Some(instance));
        let labels = [("profile", profile), ("parent", parent.device.uuid.as_str())];
        reporter.read(Group::Static, |readings| {
            readings.put_of(&ACCELERATOR_PARTITION_INFO, &labels, Some(1.0));
        });
        Some(Self { session: own, reporter, gpm, device })
    }

    pub(super) fn read(&mut self, now: Duration) {
        self.session.now = now;
        let Self { session, reporter, gpm, .. } = self;
        reporter.read(Group::Fast, |readings| {
            read::memory(session, readings);
            if let Some(gpm) = gpm {
                read::activity(&gpm.read(session), readings);
            }
        });
    }

    pub(super) fn deliver(&mut self, batch: &mut Batch) {
        let is_up = self.session.lost.is_none();
        self.reporter.set_health(if is_up { Health::Ok } else { Health::Failed });
        for (field, state) in self.session.states() {
            self.reporter.set_field(field, state);
        }
        self.reporter.deliver(batch);
    }
}
