//! Huawei's Ascend NPUs through DCMI.
//!
//! DCMI takes a third of a second for a chip, so it is asked every ten seconds, and each chip by a
//! thread of its own: one that does not answer in time is reported as down and not waited for, and the
//! others go on. It needs the group HwHiAiUser or root. Besides the common family there are the names
//! of Huawei's npu-exporter. Rates of PCIe and HCCS are measured for a twentieth of a second in every ten,
//! so the bytes that are added up from them are an estimate, and say so.
//!
//! Left out: what only the slow tool `hccn_tool` knows (RoCE traffic, optical modules); the counters of
//! single HCCS links, whose command numbers are not settled; and the subscription to faults, which takes a
//! structure by value and calls back on a thread of the driver's without saying which chip is meant. Codes
//! of errors are polled instead, so a fault that comes and goes within ten seconds is not seen. Facts:
//! `collect.md`, sections 4, 7.3 and 8.5.

mod compat;
mod dcmi;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use model::{catalogue::*, sample::Batch};

use self::dcmi::{Dcmi, Facts, Reading, Session};
use super::{
    Context,
    drm::put_link,
    files::Files,
    processes::{self, Use as Holder},
    report::{Device, FieldState, Group, Health, Readings, Reporter, pci_bus_id},
};
use crate::{Failure, schedule::Sampler};

/// Where drivers put the library.
const LIBRARIES: &[&str] = &[
    "/usr/local/Ascend/driver/lib64/driver/libdcmi.so",
    "/usr/lib64/libdcmi.so",
    "/usr/local/lib/libdcmi.so",
    "libdcmi.so",
];
/// How often it may be asked.
pub(super) const PERIOD: Duration = Duration::from_secs(10);
const SLOW: Duration = Duration::from_secs(60);
/// How long a chip may take for a round before no further call is made, and before nobody waits for
/// the one that is made.
const ROUND: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(3);
/// A library may need more than the little that we do.
const STACK_BYTES: usize = 1 << 20;
const MEBIBYTE: f64 = (1 << 20) as f64;

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    open_patiently(context, PATIENCE)
}

fn open_patiently(context: &Context, patience: Duration) -> Result<Box<dyn Sampler>, Failure> {
    let paths: Vec<PathBuf> = context.libraries("huawei", LIBRARIES);
    let dcmi = Arc::new(Dcmi::open(&paths)?);
    let version = dcmi.version().unwrap_or_default();
    let mut chips = Vec::new();
    for (index, place) in dcmi.chips()?.into_iter().enumerate() {
        let mut session = Session::new(&dcmi, place);
        let facts = session.facts();
        let worker = Worker::start(Arc::clone(&dcmi), place)?;
        chips.push(Chip::new(context, index, &facts, worker));
    }
    Ok(Box::new(Board { context: context.clone(), chips, version, patience }))
}

/// A thread that reads one chip when asked to.
struct Worker {
    ask: SyncSender<bool>,
    answers: Receiver<Reading>,
    /// Whether an answer is owed.
    is_busy: bool,
}

impl Worker {
    fn start(dcmi: Arc<Dcmi>, place: dcmi::Place) -> Result<Self, Failure> {
        let (ask, asked) = sync_channel::<bool>(1);
        let (answer, answers) = sync_channel(1);
        let run = move || {
            let mut session = Session::new(&dcmi, place);
            while let Ok(is_slow) = asked.recv() {
                if answer.send(session.read(is_slow, ROUND)).is_err() {
                    return;
                }
            }
        };
        let builder = thread::Builder::new().name("accel.dcmi".into()).stack_size(STACK_BYTES);
        let failed = |error| Failure::from_io("a thread for a chip", &error);
        builder.spawn(run).map_err(failed)?;
        Ok(Self { ask, answers, is_busy: false })
    }

    /// The chip's readings, or nothing when it does not answer in time. While it still works on an
    /// older question it is not asked again.
    fn read(&mut self, is_slow: bool, patience: Duration) -> Option<Reading> {
        if self.is_busy {
            // A late answer is an old one.
            self.is_busy = self.answers.try_recv().is_err();
        }
        if self.is_busy || self.ask.try_send(is_slow).is_err() {
            return None;
        }
        match self.answers.recv_timeout(patience) {
            Ok(reading) => Some(reading),
            Err(RecvTimeoutError::Timeout) => {
                self.is_busy = true;
                None
            }
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }
}

struct Board {
    context: Context,
    chips: Vec<Chip>,
    version: String,
    patience: Duration,
}

struct Chip {
    names: compat::Names,
    address: String,
    worker: Worker,
    reporter: Reporter,
    files: Files,
    energy: Integral,
    /// Bytes sent and received over HCCS and over PCIe.
    volumes: [[Integral; 2]; 2],
    /// Error codes that were there when we looked last.
    codes: BTreeSet<u32>,
    /// Of the last slow round.
    slow: Reading,
}

impl Sampler for Board {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let mut healths = Vec::new();
        for chip in &mut self.chips {
            healths.push(chip.sample(&self.context, &self.version, self.patience, batch));
        }
        compat::put_counts(&self.context.host, &healths, batch);
        Ok(())
    }
}

impl Chip {
    fn new(context: &Context, index: usize, facts: &Facts, worker: Worker) -> Self {
        let address = facts.address.as_deref().map(pci_bus_id).unwrap_or_default();
        let place =
            if address.is_empty() { format!("huawei:{index}") } else { format!("pci:{address}") };
        let device = Device {
            uuid: facts.die.clone().unwrap_or(place),
            index: index.to_string(),
            vendor: "huawei",
            model: format!("{} {}", facts.kind, facts.name).trim().to_owned(),
            pci_bus_id: address.clone(),
            host: context.host.clone(),
            partition: None,
        };
        Self {
            names: compat::Names::new(&context.host, index, facts, &address),
            address,
            worker,
            reporter: Reporter::new(&device, &context.clock),
            files: Files::default(),
            energy: Integral::default(),
            volumes: Default::default(),
            codes: BTreeSet::new(),
            slow: Reading::default(),
        }
    }

    fn sample(
        &mut self,
        context: &Context,
        version: &str,
        patience: Duration,
        batch: &mut Batch,
    ) -> Health {
        let is_slow = self.reporter.is_due(Group::Error, SLOW);
        let Some(reading) = self.worker.read(is_slow, patience) else {
            self.reporter.set_up(false);
            self.reporter.set_health(Health::Unknown);
            self.energy.at = None;
            self.volumes.iter_mut().flatten().for_each(|volume| volume.at = None);
            self.reporter.deliver(batch);
            return Health::Unknown;
        };
        let health = health(&reading);
        self.reporter.set_up(!reading.is_lost);
        self.reporter.set_health(health);
        for (field, state) in &reading.fields {
            self.reporter.set_field(field, *state);
        }
        if !reading.is_lost {
            self.put(context, version, &reading, is_slow);
            self.names.put(&reading, &self.slow, batch);
        }
        self.reporter.deliver(batch);
        health
    }

    fn put(&mut self, context: &Context, version: &str, reading: &Reading, is_slow: bool) {
        let Self { reporter, energy, volumes, files, .. } = self;
        let now = context.clock.monotonic();
        energy.add(reading.watts, now);
        for ([sent, received], rate) in volumes.iter_mut().zip([reading.hccs, reading.pcie]) {
            sent.add(rate.map(|rate| rate.sent), now);
            received.add(rate.map(|rate| rate.received), now);
        }
        let sums = [
            ("energy", energy.sum),
            ("hccs_rate", volumes[0][0].sum),
            ("pcie_rate", volumes[1][0].sum),
        ];
        for (field, _) in sums.into_iter().filter(|(_, sum)| sum.is_some()) {
            reporter.set_field(field, FieldState::Estimated);
        }
        reporter.read(Group::Fast, |readings| {
            put_activity(readings, reading);
            put_body(readings, reading);
            readings.put(&ACCELERATOR_ENERGY_JOULES_TOTAL, energy.sum);
            for ([sent, received], link) in volumes.iter().zip(["hccs", "pcie"]) {
                let label = [("link", link)];
                readings.put_of(&ACCELERATOR_LINK_TRANSMIT_BYTES_TOTAL, &label, sent.sum);
                readings.put_of(&ACCELERATOR_LINK_RECEIVE_BYTES_TOTAL, &label, received.sum);
            }
        });
        reporter.read(Group::Process, |readings| {
            let up = reading.network.map(|state| f64::from(u8::from(matches!(state, 0 | 6))));
            readings.put_of(&ACCELERATOR_LINK_UP, &[("link", "roce")], up);
            put_processes(readings, context, reading);
        });
        if is_slow {
            self.slow = reading.clone();
            let folder = context.root.join("sys/bus/pci/devices").join(&self.address);
            reporter.read(Group::Error, |readings| put_ecc(readings, reading));
            reporter.read(Group::Static, |readings| {
                readings.put_of(&ACCELERATOR_INFO, &[("library_version", version)], Some(1.0));
                let highest = reading.core_max_megahertz.map(|megahertz| megahertz * 1e6);
                readings.put_of(&ACCELERATOR_CLOCK_MAX_HERTZ, &[("domain", "core")], highest);
                if !self.address.is_empty() {
                    put_link(readings, files, &folder, "current");
                    put_link(readings, files, &folder, "max");
                }
            });
        }
        self.count_errors(context, reading);
    }

    /// A code counts when it appears, not for as long as it stays.
    fn count_errors(&mut self, context: &Context, reading: &Reading) {
        let Some(codes) = &reading.errors else { return };
        let now: BTreeSet<u32> = codes.iter().copied().collect();
        for code in now.difference(&self.codes) {
            let code = format!("{code:08X}");
            self.reporter.count_error(&code, "fault", "", context.clock.now());
        }
        self.codes = now;
    }
}

/// 0 is healthy; then come minor, major and critical.
fn health(reading: &Reading) -> Health {
    match reading.health {
        _ if reading.is_lost => Health::Failed,
        Some(0) => Health::Ok,
        Some(1) => Health::Degraded,
        Some(2 | 3) => Health::Failed,
        _ => Health::Unknown,
    }
}

fn put_activity(readings: &mut Readings<'_>, reading: &Reading) {
    let ratio = |percent: Option<f64>| percent.map(|percent| percent / 100.0);
    let busy = reading.overall.or(reading.aicore);
    readings.put(&ACCELERATOR_UTILIZATION_RATIO, ratio(busy));
    let engines = [("aicore", reading.aicore), ("cube", reading.cube), ("vector", reading.vector)];
    for (engine, percent) in engines {
        let label = [("engine", engine)];
        readings.put_of(&ACCELERATOR_ENGINE_UTILIZATION_RATIO, &label, ratio(percent));
    }
    let hbm = reading.hbm;
    let bandwidth = hbm.map(|hbm| f64::from(hbm.bandwidth_percent)).filter(|one| *one <= 100.0);
    readings.put(&ACCELERATOR_MEMORY_BANDWIDTH_UTILIZATION_RATIO, ratio(bandwidth));
    // Chips without HBM have ordinary memory.
    let of_hbm = hbm.map(|hbm| (hbm.total, hbm.used));
    let sizes = of_hbm.or(reading.memory.map(|(total, available)| (total, total - available)));
    let bytes = |mebibytes: u64| mebibytes as f64 * MEBIBYTE;
    readings.put(&ACCELERATOR_MEMORY_TOTAL_BYTES, sizes.map(|(total, _)| bytes(total)));
    readings.put(&ACCELERATOR_MEMORY_USED_BYTES, sizes.map(|(_, used)| bytes(used)));
    let free = sizes.map(|(total, used)| bytes(total.saturating_sub(used)));
    readings.put(&ACCELERATOR_MEMORY_FREE_BYTES, free);
}

fn put_body(readings: &mut Readings<'_>, reading: &Reading) {
    readings.put(&ACCELERATOR_POWER_WATTS, reading.watts);
    readings.put(&ACCELERATOR_VOLTAGE_VOLTS, reading.volts);
    let memory = reading.hbm.map(|hbm| f64::from(hbm.celsius));
    for (sensor, celsius) in [("core", reading.celsius), ("memory", memory)] {
        readings.put_of(&ACCELERATOR_TEMPERATURE_CELSIUS, &[("sensor", sensor)], celsius);
    }
    let memory = reading.hbm.map(|hbm| f64::from(hbm.megahertz));
    for (domain, megahertz) in [("core", reading.core_megahertz), ("memory", memory)] {
        let hertz = megahertz.map(|megahertz| megahertz * 1e6);
        readings.put_of(&ACCELERATOR_CLOCK_HERTZ, &[("domain", domain)], hertz);
    }
}

fn put_processes(readings: &mut Readings<'_>, context: &Context, reading: &Reading) {
    let Some(processes) = &reading.processes else { return };
    let mut memory: BTreeMap<u32, u64> = BTreeMap::new();
    for (pid, bytes) in processes {
        let sum = memory.entry(*pid).or_default();
        *sum = sum.saturating_add(*bytes);
    }
    let holder = |(pid, bytes)| Holder { pid, bytes: Some(bytes), utilization: None };
    let list = memory.into_iter().map(holder).collect();
    processes::put(readings, &context.root, &context.holders, Some(list));
}

fn put_ecc(readings: &mut Readings<'_>, reading: &Reading) {
    for ecc in reading.ecc.iter().filter(|ecc| ecc.is_enabled) {
        for (kind, scope, count) in [
            ("corrected", "volatile", ecc.single),
            ("uncorrected", "volatile", ecc.double),
            ("corrected", "lifetime", ecc.total_single),
            ("uncorrected", "lifetime", ecc.total_double),
        ] {
            let labels = [("type", kind), ("scope", scope), ("location", ecc.location)];
            readings.put_of(&ACCELERATOR_ECC_ERRORS_TOTAL, &labels, Some(f64::from(count)));
        }
        if ecc.location == "hbm" {
            let pages = &ACCELERATOR_MEMORY_PAGES_RETIRED_TOTAL;
            let single = Some(f64::from(ecc.single_isolated));
            readings.put_of(pages, &[("cause", "corrected")], single);
            let double = Some(f64::from(ecc.double_isolated));
            readings.put_of(pages, &[("cause", "uncorrected")], double);
            let pending = f64::from(u8::from(ecc.next_isolated > 0));
            readings.put(&ACCELERATOR_MEMORY_REPAIR_PENDING, Some(pending));
        }
    }
}

/// Power or a rate added up over time, since the library has no counters of energy and of bytes.
#[derive(Debug, Default)]
struct Integral {
    sum: Option<f64>,
    at: Option<(f64, Duration)>,
}

impl Integral {
    fn add(&mut self, rate: Option<f64>, now: Duration) {
        if let (Some((before, at)), Some(rate)) = (self.at, rate) {
            let seconds = now.saturating_sub(at).as_secs_f64();
            // The mean of both ends is the rate in between.
            *self.sum.get_or_insert(0.0) += (before + rate) / 2.0 * seconds;
        }
        self.at = rate.map(|rate| (rate, now));
    }
}

#[cfg(test)]
mod tests;
