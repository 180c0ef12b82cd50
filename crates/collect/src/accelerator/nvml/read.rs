//! What is asked of a device, and which series it becomes.

use std::{collections::BTreeMap, time::Duration};

use model::catalogue::{
    ACCELERATOR_CLOCK_HERTZ, ACCELERATOR_CLOCK_MAX_HERTZ, ACCELERATOR_ECC_ERRORS_TOTAL,
    ACCELERATOR_ENERGY_JOULES_TOTAL, ACCELERATOR_ENGINE_UTILIZATION_RATIO,
    ACCELERATOR_FAN_SPEED_RATIO, ACCELERATOR_FAN_SPEED_RPM, ACCELERATOR_INFO,
    ACCELERATOR_LINK_ERRORS_TOTAL, ACCELERATOR_LINK_RECEIVE_BYTES_TOTAL,
    ACCELERATOR_LINK_TRANSMIT_BYTES_TOTAL, ACCELERATOR_LINK_UP,
    ACCELERATOR_MEMORY_BANDWIDTH_UTILIZATION_RATIO, ACCELERATOR_MEMORY_BUSY_RATIO,
    ACCELERATOR_MEMORY_FREE_BYTES, ACCELERATOR_MEMORY_PAGES_RETIRED_TOTAL,
    ACCELERATOR_MEMORY_REPAIR_FAILED, ACCELERATOR_MEMORY_REPAIR_PENDING,
    ACCELERATOR_MEMORY_RESERVED_BYTES, ACCELERATOR_MEMORY_ROWS_REMAPPED_TOTAL,
    ACCELERATOR_MEMORY_TOTAL_BYTES, ACCELERATOR_MEMORY_USED_BYTES, ACCELERATOR_OCCUPANCY_RATIO,
    ACCELERATOR_PCIE_LINK_GENERATION, ACCELERATOR_PCIE_LINK_WIDTH, ACCELERATOR_PERFORMANCE_STATE,
    ACCELERATOR_POWER_LIMIT_WATTS, ACCELERATOR_POWER_WATTS, ACCELERATOR_TEMPERATURE_CELSIUS,
    ACCELERATOR_TEMPERATURE_LIMIT_CELSIUS, ACCELERATOR_THROTTLE_ACTIVE,
    ACCELERATOR_THROTTLE_SECONDS_TOTAL, ACCELERATOR_UTILIZATION_RATIO,
    DCGM_FI_DEV_CLOCK_THROTTLE_REASONS, DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS,
    DCGM_FI_DEV_DEC_UTIL, DCGM_FI_DEV_ECC_DBE_VOL_TOTAL, DCGM_FI_DEV_ECC_SBE_VOL_TOTAL,
    DCGM_FI_DEV_ENC_UTIL, DCGM_FI_DEV_FB_FREE, DCGM_FI_DEV_FB_RESERVED, DCGM_FI_DEV_FB_USED,
    DCGM_FI_DEV_GPU_TEMP, DCGM_FI_DEV_GPU_UTIL, DCGM_FI_DEV_MEM_CLOCK, DCGM_FI_DEV_MEM_COPY_UTIL,
    DCGM_FI_DEV_MEMORY_TEMP, DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL, DCGM_FI_DEV_PCIE_REPLAY_COUNTER,
    DCGM_FI_DEV_POWER_USAGE, DCGM_FI_DEV_POWER_VIOLATION, DCGM_FI_DEV_ROW_REMAP_FAILURE,
    DCGM_FI_DEV_SM_CLOCK, DCGM_FI_DEV_THERMAL_VIOLATION, DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION,
    DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS, DCGM_FI_DEV_VGPU_LICENSE_STATUS, Metric,
};

use super::{
    Shared,
    facts::{
        ALL_LINKS, BANDWIDTH, CLOCKS, ENGINES, ERRORS, FAST, LIMITS, LINK_ERRORS, LINKS, OCCUPANCY,
        POWER_LIMITS, THERMAL_POLICY, THRESHOLDS, THROTTLE, VIOLATIONS,
    },
    gpm::Gpm,
    running,
    session::Session,
};
use crate::accelerator::{
    library::{Arg, Buffer},
    processes,
    report::Readings,
};

const MIB: f64 = 1_048_576.0;
/// Links of one device; more are not asked for.
const LINKS_MAX: u64 = 36;

/// What must be remembered between readings.
#[derive(Default)]
pub(super) struct State {
    /// Whether any of the fast readings succeeded.
    pub(super) has_answered: bool,
    /// The recovery action that the driver asks for.
    pub(super) recovery: Option<u32>,
    pub(super) repair_pending: Option<bool>,
    pub(super) repair_failed: Option<bool>,
    /// A link that was up is down.
    pub(super) is_link_down: bool,
    link_count: Option<u64>,
    /// Whether each link was ever up.
    links: BTreeMap<u64, bool>,
    /// Sum of both directions in bytes, and when.
    nvlink: Option<(f64, Duration)>,
    /// The links have counted in bytes.
    is_nvlink5: bool,
    /// Seconds for which a reason was seen to be active.
    throttled: [f64; THROTTLE.len()],
    throttle_seen_at: Option<Duration>,
    pub(super) running: running::State,
}

/// What is the same for all devices of the library.
pub(super) struct Facts<'a> {
    pub(super) driver_version: Option<&'a str>,
    pub(super) library_version: Option<&'a str>,
}

/// With each tick.
pub(super) fn fast(
    session: &mut Session,
    gpm: Option<&mut Gpm>,
    state: &mut State,
    readings: &mut Readings<'_>,
) {
    let busy = utilization(session, readings);
    let used = memory(session, readings);
    let watts = session.number("power", "DeviceGetPowerUsage", &[]).map(|milli| milli / 1e3);
    readings.put(&ACCELERATOR_POWER_WATTS, watts);
    readings.put_compat(&DCGM_FI_DEV_POWER_USAGE, &[], watts);
    let millijoules = session.long("energy", "DeviceGetTotalEnergyConsumption", &[]);
    let millijoules = millijoules.map(|count| count as f64);
    readings.put(&ACCELERATOR_ENERGY_JOULES_TOTAL, millijoules.map(|count| count / 1e3));
    readings.put_compat(&DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION, &[], millijoules);
    let values = session.values(FAST);
    let core = temperature(session);
    let hot = [("core", core, &DCGM_FI_DEV_GPU_TEMP)];
    let memory = values.get(&(82, 0)).copied();
    for (sensor, value, dcgm) in
        hot.into_iter().chain([("memory", memory, &DCGM_FI_DEV_MEMORY_TEMP)])
    {
        readings.put_of(&ACCELERATOR_TEMPERATURE_CELSIUS, &[("sensor", sensor)], value);
        readings.put_compat(dcgm, &[], value);
    }
    let pcie = [("link", "pcie")];
    let sent = values.get(&(197, 0)).copied();
    readings.put_of(&ACCELERATOR_LINK_TRANSMIT_BYTES_TOTAL, &pcie, sent);
    let received = values.get(&(198, 0)).copied();
    readings.put_of(&ACCELERATOR_LINK_RECEIVE_BYTES_TOTAL, &pcie, received);
    clocks(session, readings);
    throttle(session, state, readings);
    if let Some(gpm) = gpm {
        activity(&gpm.read(session), readings);
    }
    state.has_answered = [busy, used, watts, core].iter().any(Option::is_some);
}

fn utilization(session: &mut Session, readings: &mut Readings<'_>) -> Option<f64> {
    let outs = session.outs("utilization", "DeviceGetUtilizationRates", &[], 1)?;
    let share = |offset| outs[0].u32(offset).filter(|percent| *percent <= 100).map(f64::from);
    let (busy, memory) = (share(0), share(4));
    readings.put(&ACCELERATOR_UTILIZATION_RATIO, busy.map(|percent| percent / 100.0));
    readings.put(&ACCELERATOR_MEMORY_BUSY_RATIO, memory.map(|percent| percent / 100.0));
    readings.put_compat(&DCGM_FI_DEV_GPU_UTIL, &[], busy);
    readings.put_compat(&DCGM_FI_DEV_MEM_COPY_UTIL, &[], memory);
    busy
}

/// The second version tells used from reserved memory; the first counts both as used.
pub(super) fn memory(session: &mut Session, readings: &mut Readings<'_>) -> Option<f64> {
    const FIELD: &str = "memory";
    const VERSION_2: u32 = 40 | 2 << 24;
    let handle = session.handle;
    let suffix = session.ask(FIELD, "DeviceGetMemoryInfo", |library, suffix, [out, ..]| {
        out.clear();
        if suffix == "_v2" {
            out.set_u32(0, VERSION_2);
        }
        let mut args = [Arg::Handle(handle), Arg::Buffer(out)];
        library.call("DeviceGetMemoryInfo", suffix, &mut args)
    })?;
    let is_second = suffix == "_v2";
    let at = |offset| session.first().u64(offset).map(|bytes| bytes as f64);
    let (total, free, used) =
        if is_second { (at(8), at(24), at(32)) } else { (at(0), at(8), at(16)) };
    let reserved = at(16).filter(|_| is_second);
    readings.put(&ACCELERATOR_MEMORY_TOTAL_BYTES, total);
    readings.put(&ACCELERATOR_MEMORY_FREE_BYTES, free);
    readings.put(&ACCELERATOR_MEMORY_USED_BYTES, used);
    readings.put(&ACCELERATOR_MEMORY_RESERVED_BYTES, reserved);
    readings.put_compat(&DCGM_FI_DEV_FB_FREE, &[], free.map(|bytes| bytes / MIB));
    readings.put_compat(&DCGM_FI_DEV_FB_USED, &[], used.map(|bytes| bytes / MIB));
    readings.put_compat(&DCGM_FI_DEV_FB_RESERVED, &[], reserved.map(|bytes| bytes / MIB));
    if !is_second {
        session.set_estimated(FIELD);
    }
    used
}

/// The old function, which clones have, else the new one, which will be left some day.
fn temperature(session: &mut Session) -> Option<f64> {
    const CORE: u64 = 0;
    const VERSION_1: u32 = 12 | 1 << 24;
    if session.api.has("DeviceGetTemperature") {
        return session.number("temperature", "DeviceGetTemperature", &[CORE]);
    }
    let handle = session.handle;
    session.ask("temperature", "DeviceGetTemperatureV", |library, suffix, [out, ..]| {
        out.clear();
        out.set_u32(0, VERSION_1);
        let mut args = [Arg::Handle(handle), Arg::Buffer(out)];
        library.call("DeviceGetTemperatureV", suffix, &mut args)
    })?;
    session.first().i32(8).map(f64::from)
}

fn clocks(session: &mut Session, readings: &mut Readings<'_>) {
    for ((id, domain), field) in CLOCKS.iter().zip(["clock_core", "clock_memory"]) {
        let megahertz = session.number(field, "DeviceGetClockInfo", &[*id]);
        let hertz = megahertz.map(|count| count * 1e6);
        readings.put_of(&ACCELERATOR_CLOCK_HERTZ, &[("domain", domain)], hertz);
        match *domain {
            "core" => readings.put_compat(&DCGM_FI_DEV_SM_CLOCK, &[], megahertz),
            "memory" => readings.put_compat(&DCGM_FI_DEV_MEM_CLOCK, &[], megahertz),
            _ => {}
        }
    }
}

fn throttle(session: &mut Session, state: &mut State, readings: &mut Readings<'_>) {
    let (new, old) =
        ("DeviceGetCurrentClocksEventReasons", "DeviceGetCurrentClocksThrottleReasons");
    let name = if session.api.has(new) { new } else { old };
    let Some(mask) = session.long("throttle", name, &[]) else {
        state.throttle_seen_at = None;
        return;
    };
    let passed = state.throttle_seen_at.map(|at| session.now.saturating_sub(at).as_secs_f64());
    state.throttle_seen_at = Some(session.now);
    readings.put_compat(&DCGM_FI_DEV_CLOCK_THROTTLE_REASONS, &[], Some(mask as f64));
    for ((bit, reason, _), seconds) in THROTTLE.iter().zip(&mut state.throttled) {
        let is_active = mask & u64::from(*bit) != 0;
        if is_active {
            *seconds += passed.unwrap_or_default();
        }
        let value = Some(f64::from(u8::from(is_active)));
        readings.put_of(&ACCELERATOR_THROTTLE_ACTIVE, &[("reason", reason)], value);
    }
}

/// What GPM says of the parts of the device.
pub(super) fn activity(shares: &BTreeMap<u32, f64>, readings: &mut Readings<'_>) {
    for (id, engine, dcgm) in ENGINES {
        let share = shares.get(id).copied();
        readings.put_of(&ACCELERATOR_ENGINE_UTILIZATION_RATIO, &[("engine", engine)], share);
        if let Some(dcgm) = dcgm {
            readings.put_compat(dcgm, &[], share);
        }
    }
    for ((id, dcgm), metric) in [
        (OCCUPANCY, &ACCELERATOR_OCCUPANCY_RATIO),
        (BANDWIDTH, &ACCELERATOR_MEMORY_BANDWIDTH_UTILIZATION_RATIO),
    ] {
        let share = shares.get(&id).copied();
        readings.put(metric, share);
        readings.put_compat(dcgm, &[], share);
    }
}

/// Every few seconds.
pub(super) fn often(
    session: &mut Session,
    state: &mut State,
    shared: &Shared,
    readings: &mut Readings<'_>,
) {
    processes::put(
        readings,
        &shared.root,
        &shared.holders,
        running::list(session, &mut state.running),
    );
    for (field, name, engine, dcgm) in [
        ("encoder", "DeviceGetEncoderUtilization", "encoder", &DCGM_FI_DEV_ENC_UTIL),
        ("decoder", "DeviceGetDecoderUtilization", "decoder", &DCGM_FI_DEV_DEC_UTIL),
    ] {
        let percent = session.outs(field, name, &[], 2).and_then(|outs| outs[0].u32(0));
        let percent = percent.filter(|percent| *percent <= 100).map(f64::from);
        let share = percent.map(|percent| percent / 100.0);
        readings.put_of(&ACCELERATOR_ENGINE_UTILIZATION_RATIO, &[("engine", engine)], share);
        readings.put_compat(dcgm, &[], percent);
    }
    let level = session.number("performance_state", "DeviceGetPerformanceState", &[]);
    readings.put(&ACCELERATOR_PERFORMANCE_STATE, level.filter(|level| *level <= 15.0));
    let fan = session.number("fan", "DeviceGetFanSpeed", &[]);
    readings.put(&ACCELERATOR_FAN_SPEED_RATIO, fan.map(|percent| percent / 100.0));
    readings.put(&ACCELERATOR_FAN_SPEED_RPM, fan_rpm(session));
    for (field, name, metric) in [
        ("pcie_generation", "DeviceGetCurrPcieLinkGeneration", &ACCELERATOR_PCIE_LINK_GENERATION),
        ("pcie_width", "DeviceGetCurrPcieLinkWidth", &ACCELERATOR_PCIE_LINK_WIDTH),
    ] {
        readings.put_of(metric, &[("kind", "current")], session.number(field, name, &[]));
    }
    let replays = session.number("pcie_replay", "DeviceGetPcieReplayCounter", &[]);
    let labels = [("link", "pcie"), ("type", "replay")];
    readings.put_of(&ACCELERATOR_LINK_ERRORS_TOTAL, &labels, replays);
    readings.put_compat(&DCGM_FI_DEV_PCIE_REPLAY_COUNTER, &[], replays);
    links(session, state, readings);
    let mut values = session.values(LINKS);
    violations(session, &mut values);
    if by_value(&values, session.now, state, readings) {
        session.set_estimated("throttle_time");
    }
}

/// The speed that is wanted of the first fan; one that is stuck does not have it.
fn fan_rpm(session: &mut Session) -> Option<f64> {
    const NAME: &str = "DeviceGetFanSpeedRPM";
    const VERSION_1: u32 = 12 | 1 << 24;
    let handle = session.handle;
    session.ask("fan_rpm", NAME, |library, suffix, [out, ..]| {
        out.clear();
        out.set_u32(0, VERSION_1);
        library.call(NAME, suffix, &mut [Arg::Handle(handle), Arg::Buffer(out)])
    })?;
    session.first().u32(8).map(f64::from)
}

/// Adds times that drivers without the values have: nanoseconds, after the time of the reading.
fn violations(session: &mut Session, values: &mut BTreeMap<(u32, u32), f64>) {
    for (id, policy, field) in VIOLATIONS {
        let is_thermal_known = *id == THERMAL_POLICY && values.contains_key(&(269, 0));
        if is_thermal_known || values.contains_key(&(*id, 0)) {
            continue;
        }
        let outs = session.outs(field, "DeviceGetViolationStatus", &[*policy], 1);
        let nanoseconds = outs.and_then(|outs| outs[0].u64(8));
        values.extend(nanoseconds.map(|count| ((*id, 0), count as f64)));
    }
}

fn links(session: &mut Session, state: &mut State, readings: &mut Readings<'_>) {
    const NAME: &str = "DeviceGetNvLinkState";
    // The first link that does not exist ends the list, and is no fault of the reading.
    let count = *state.link_count.get_or_insert_with(|| {
        let answers = |link: &u64| session.has_answer(NAME, *link);
        (0..LINKS_MAX).take_while(answers).count() as u64
    });
    state.is_link_down = false;
    for link in 0..count.max(1) {
        let Some(is_up) = session.number("nvlink_state", NAME, &[link]) else { continue };
        let was_up = state.links.entry(link).or_default();
        *was_up |= is_up != 0.0;
        state.is_link_down |= *was_up && is_up == 0.0;
        let labels = [("link", "nvlink"), ("port", &*link.to_string())];
        readings.put_of(&ACCELERATOR_LINK_UP, &labels, Some(is_up.min(1.0)));
    }
}

/// Says whether a time in throttling is one that we summed up.
fn by_value(
    values: &BTreeMap<(u32, u32), f64>,
    now: Duration,
    state: &mut State,
    readings: &mut Readings<'_>,
) -> bool {
    let of = |id: u32| values.get(&(id, 0)).or_else(|| values.get(&(id, ALL_LINKS))).copied();
    for ((_, reason, id), seen) in THROTTLE.iter().zip(state.throttled) {
        let counted = id.and_then(of).map(|nanoseconds| nanoseconds / 1e9);
        // Without a counter of the driver's: the time for which we saw it.
        let seen = state.throttle_seen_at.map(|_| seen);
        let labels = [("reason", *reason)];
        readings.put_of(&ACCELERATOR_THROTTLE_SECONDS_TOTAL, &labels, counted.or(seen));
    }
    readings.put_compat(&DCGM_FI_DEV_POWER_VIOLATION, &[], of(74));
    readings.put_compat(&DCGM_FI_DEV_THERMAL_VIOLATION, &[], of(269).or(of(THERMAL_POLICY)));
    nvlink_bytes(of, now, state, readings);
    for (id, link, kind) in LINK_ERRORS {
        let labels = [("link", *link), ("type", *kind)];
        readings.put_of(&ACCELERATOR_LINK_ERRORS_TOTAL, &labels, of(*id));
    }
    if let Some(action) = of(230) {
        state.recovery = Some(action as u32);
    }
    // Some reasons have no counter in any driver.
    state.throttle_seen_at.is_some()
}

/// NVLink 5 counts bytes, older ones KiB. A device that has counted bytes is not read by KiB any more:
/// the two need not have begun together.
fn nvlink_bytes(
    of: impl Fn(u32) -> Option<f64>,
    now: Duration,
    state: &mut State,
    readings: &mut Readings<'_>,
) {
    let (sent, received) = (of(202), of(204));
    state.is_nvlink5 |= [sent, received].into_iter().flatten().any(|bytes| bytes > 0.0);
    let in_kib = |id| of(id).filter(|_| !state.is_nvlink5).map(|kib| kib * 1024.0);
    let (sent, received) = (in_kib(138).or(sent), in_kib(139).or(received));
    let nvlink = [("link", "nvlink")];
    readings.put_of(&ACCELERATOR_LINK_TRANSMIT_BYTES_TOTAL, &nvlink, sent);
    readings.put_of(&ACCELERATOR_LINK_RECEIVE_BYTES_TOTAL, &nvlink, received);
    let both = sent.zip(received).map(|(sent, received)| (sent + received, now));
    if let (Some((bytes, at)), Some((before, then))) = (both, state.nvlink) {
        let seconds = at.saturating_sub(then).as_secs_f64();
        // As DCGM computes it: KiB per second, divided by a thousand.
        let rate =
            (seconds > 0.0 && bytes >= before).then(|| (bytes - before) / 1024.0 / seconds / 1e3);
        readings.put_compat(&DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL, &[], rate);
    }
    state.nvlink = both;
}

/// Once a minute: what went wrong so far.
pub(super) fn errors(session: &mut Session, state: &mut State, readings: &mut Readings<'_>) {
    let values = session.values(ERRORS);
    let of = |id: u32| values.get(&(id, 0)).copied();
    let mut ecc = [of(3), of(4), of(5), of(6)];
    if ecc.iter().all(Option::is_none) {
        let total = |session: &mut Session, kind, scope| {
            session.long("ecc", "DeviceGetTotalEccErrors", &[kind, scope]).map(|n| n as f64)
        };
        ecc = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(kind, scope)| total(session, kind, scope));
    }
    let names = [
        ("corrected", "volatile"),
        ("uncorrected", "volatile"),
        ("corrected", "lifetime"),
        ("uncorrected", "lifetime"),
    ];
    for ((kind, scope), count) in names.into_iter().zip(ecc) {
        let labels = [("type", kind), ("scope", scope), ("location", "all")];
        readings.put_of(&ACCELERATOR_ECC_ERRORS_TOTAL, &labels, count);
    }
    readings.put_compat(&DCGM_FI_DEV_ECC_SBE_VOL_TOTAL, &[], ecc[0]);
    readings.put_compat(&DCGM_FI_DEV_ECC_DBE_VOL_TOTAL, &[], ecc[1]);
    let by_cause: [(&Metric, &str, u32); 4] = [
        (&ACCELERATOR_MEMORY_PAGES_RETIRED_TOTAL, "corrected", 29),
        (&ACCELERATOR_MEMORY_PAGES_RETIRED_TOTAL, "uncorrected", 30),
        (&ACCELERATOR_MEMORY_ROWS_REMAPPED_TOTAL, "corrected", 142),
        (&ACCELERATOR_MEMORY_ROWS_REMAPPED_TOTAL, "uncorrected", 143),
    ];
    for (metric, cause, id) in by_cause {
        readings.put_of(metric, &[("cause", cause)], of(id));
    }
    readings.put_compat(&DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS, &[], of(142));
    readings.put_compat(&DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS, &[], of(143));
    let pending = [of(144), of(31)].into_iter().flatten().reduce(f64::max);
    readings.put(&ACCELERATOR_MEMORY_REPAIR_PENDING, pending.map(|value| value.min(1.0)));
    readings.put(&ACCELERATOR_MEMORY_REPAIR_FAILED, of(145).map(|value| value.min(1.0)));
    readings.put_compat(&DCGM_FI_DEV_ROW_REMAP_FAILURE, &[], of(145));
    state.repair_pending = pending.map(|value| value > 0.0);
    state.repair_failed = of(145).map(|value| value > 0.0);
}

/// Once a minute: identity and limits. Says whether the device is in MIG mode.
pub(super) fn limits(
    session: &mut Session,
    facts: &Facts<'_>,
    readings: &mut Readings<'_>,
) -> Option<bool> {
    let is_mig = session.outs("mig_mode", "DeviceGetMigMode", &[], 2);
    let is_mig = is_mig.and_then(|outs| outs[0].u32(0)).map(|mode| mode == 1);
    let serial = session.text("serial", "DeviceGetSerial").unwrap_or_default();
    let firmware = session.text("firmware", "DeviceGetVbiosVersion").unwrap_or_default();
    let numa = session.number("numa_node", "DeviceGetNumaNodeId", &[]);
    let labels = [
        ("serial", serial.as_str()),
        ("driver_version", facts.driver_version.unwrap_or_default()),
        ("firmware_version", &firmware),
        ("library_version", facts.library_version.unwrap_or_default()),
        ("numa_node", &numa.map(|node| node.to_string()).unwrap_or_default()),
        ("partition_mode", is_mig.map(|is| if is { "mig" } else { "none" }).unwrap_or_default()),
    ];
    readings.put_of(&ACCELERATOR_INFO, &labels, Some(1.0));
    readings.put_compat(&DCGM_FI_DEV_VGPU_LICENSE_STATUS, &[], licence(session));
    let enforced = session.number("power_limit", "DeviceGetEnforcedPowerLimit", &[]);
    let values = session.values(LIMITS);
    let others = POWER_LIMITS.iter().map(|(id, kind)| (*kind, values.get(&(*id, 0)).copied()));
    for (kind, milliwatts) in std::iter::once(("enforced", enforced)).chain(others) {
        let watts = milliwatts.map(|count| count / 1e3);
        readings.put_of(&ACCELERATOR_POWER_LIMIT_WATTS, &[("kind", kind)], watts);
    }
    let fields = ["threshold_slowdown", "threshold_shutdown", "threshold_memory", "threshold_core"];
    for ((id, kind), field) in THRESHOLDS.iter().zip(fields) {
        let celsius = session.number(field, "DeviceGetTemperatureThreshold", &[*id]);
        readings.put_of(&ACCELERATOR_TEMPERATURE_LIMIT_CELSIUS, &[("kind", kind)], celsius);
    }
    let fields = ["clock_max_core", "clock_max_memory", "clock_max_video"];
    for ((id, domain), field) in CLOCKS.iter().zip(fields) {
        let hertz = session.number(field, "DeviceGetMaxClockInfo", &[*id]).map(|mhz| mhz * 1e6);
        readings.put_of(&ACCELERATOR_CLOCK_MAX_HERTZ, &[("domain", domain)], hertz);
    }
    for (field, name, metric) in [
        (
            "pcie_generation_max",
            "DeviceGetMaxPcieLinkGeneration",
            &ACCELERATOR_PCIE_LINK_GENERATION,
        ),
        ("pcie_width_max", "DeviceGetMaxPcieLinkWidth", &ACCELERATOR_PCIE_LINK_WIDTH),
    ] {
        readings.put_of(metric, &[("kind", "max")], session.number(field, name, &[]));
    }
    is_mig
}

/// Whether a vGPU has its licence, without which it is slowed down; `None` where the device is none. A
/// virtual machine sees several products that could be licensed, of which those that are on count.
fn licence(session: &mut Session) -> Option<f64> {
    const NAME: &str = "DeviceGetGridLicensableFeatures";
    /// The structure has no room for more.
    const FEATURES_MAX: usize = 3;
    const FEATURE: usize = 284;
    let handle = session.handle;
    let mut list = Buffer::new(8 + FEATURES_MAX * FEATURE);
    session.ask("vgpu_licence", NAME, |library, suffix, _| {
        library.call(NAME, suffix, &mut [Arg::Handle(handle), Arg::Buffer(&mut list)])
    })?;
    if list.u32(0) == Some(0) {
        return None;
    }
    let count = (list.u32(4)? as usize).min(FEATURES_MAX);
    let is_set = |at: usize| list.u32(at).is_some_and(|value| value != 0);
    let features = (0..count).map(|index| 8 + FEATURE * index);
    let licensed = features.filter(|at| is_set(at + 264)).map(|at| is_set(at + 4));
    licensed.reduce(|all, one| all && one).map(|is| f64::from(u8::from(is)))
}
