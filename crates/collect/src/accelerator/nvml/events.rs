//! Xids as NVML announces them: a thread that waits, because NVML has nothing else to offer.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use super::session::{Api, code};
use crate::accelerator::library::{Arg, Buffer, Pointer};

/// The event of an Xid.
const XID: u64 = 8;
/// How long one wait lasts; after it the thread looks whether it should end.
const WAIT_MS: u64 = 5_000;
/// How long to pause after a failed wait, which may fail at once and for ever.
const PAUSE: Duration = Duration::from_secs(5);
/// Events that wait for the reader; more are dropped.
const QUEUE: usize = 256;

/// An Xid of a device, or of a MIG instance of it.
pub(super) struct Event {
    pub(super) device: Pointer,
    pub(super) code: u32,
}

/// The waiting thread. It ends within one wait after this is dropped.
pub(super) struct Events {
    events: Receiver<Event>,
    devices: Vec<Pointer>,
    /// Never sent to: its end is the sign.
    _stop: SyncSender<()>,
}

impl Events {
    /// Starts to wait for Xids of `devices`; `None` where none of them can announce any.
    pub(super) fn start(
        api: &Arc<Api>,
        devices: &[Pointer],
        name: &str,
    ) -> io::Result<Option<Self>> {
        let Ok(set) = api.handle("EventSetCreate", None, None) else { return Ok(None) };
        let register = |device: &&Pointer| {
            let mut args = [Arg::Handle(**device), Arg::Number(XID), Arg::Handle(set)];
            api.call("DeviceRegisterEvents", &mut args) == code::SUCCESS
        };
        let devices: Vec<Pointer> = devices.iter().filter(register).copied().collect();
        if devices.is_empty() {
            api.call("EventSetFree", &mut [Arg::Handle(set)]);
            return Ok(None);
        }
        let (sender, events) = sync_channel(QUEUE);
        let (stop, stopped) = sync_channel(1);
        let api = Arc::clone(api);
        let run = move || {
            wait(&api, set, &sender, &stopped);
            api.call("EventSetFree", &mut [Arg::Handle(set)]);
        };
        thread::Builder::new().name(format!("{name}.events")).spawn(run)?;
        Ok(Some(Self { events, devices, _stop: stop }))
    }

    /// Whether a device can announce its Xids.
    pub(super) fn covers(&self, device: Option<Pointer>) -> bool {
        device.is_some_and(|device| self.devices.contains(&device))
    }

    /// What came since the last call.
    pub(super) fn take(&self) -> impl Iterator<Item = Event> {
        self.events.try_iter().take(QUEUE)
    }
}

fn wait(api: &Api, set: Pointer, events: &SyncSender<Event>, stopped: &Receiver<()>) {
    let mut data = Buffer::new(32);
    let mut pause = Duration::ZERO;
    while matches!(stopped.recv_timeout(pause), Err(RecvTimeoutError::Timeout)) {
        data.clear();
        let mut args = [Arg::Handle(set), Arg::Buffer(&mut data), Arg::Number(WAIT_MS)];
        let answer = api.call("EventSetWait", &mut args);
        pause =
            if matches!(answer, code::SUCCESS | code::TIMEOUT) { Duration::ZERO } else { PAUSE };
        let is_xid = answer == code::SUCCESS && data.u64(8) == Some(XID);
        let number = data.u64(16).and_then(|number| u32::try_from(number).ok());
        if let (true, Some(device), Some(code)) = (is_xid, data.pointer(0), number) {
            // An error means that the queue is full or its reader gone.
            events.try_send(Event { device, code }).ok();
        }
    }
}
