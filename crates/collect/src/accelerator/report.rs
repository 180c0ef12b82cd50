//! From readings of a device to series: the one way in which any vendor's reader emits
//! `accelerator_*`.
//!
//! Label sets are made once and kept. Readings belong to a group with a pace of its own; what a slow
//! group read last is given again with every tick, and its age beside it, so that a series neither
//! flickers nor pretends to be fresh. A reading is an `Option`: what could not be read has no series.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use model::{
    Clock, Labels, UnixMs,
    catalogue::{
        ACCELERATOR_COLLECT_SECONDS_TOTAL, ACCELERATOR_ERRORS_TOTAL, ACCELERATOR_FIELD_STATE,
        ACCELERATOR_HEALTH, ACCELERATOR_LAST_ERROR_TIMESTAMP_SECONDS,
        ACCELERATOR_SAMPLE_AGE_SECONDS, ACCELERATOR_UP, Metric,
    },
    sample::Batch,
};

/// Series of one metric of one device beyond this many are forgotten when they were not used lately.
const KEPT_MAX: usize = 256;

/// Different error codes of one device that are counted; a device has some tens at most.
const CODES_MAX: usize = 256;

/// Ticks come a little early or late; a group is due when this much is missing.
const TOLERANCE: Duration = Duration::from_millis(500);

/// Who a device is: the labels of all its series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Device {
    /// Stable over reboots. Of a vendor without such a thing: `pci:` and the address.
    pub(super) uuid: String,
    /// The number that the vendor's own tool shows.
    pub(super) index: String,
    pub(super) vendor: &'static str,
    pub(super) model: String,
    /// As [`pci_bus_id`] makes it.
    pub(super) pci_bus_id: String,
    pub(super) host: String,
    /// Of a part of a device: a MIG instance, a compute partition, a vNPU.
    pub(super) partition: Option<String>,
}

/// A PCI address as the label has it: lower case, `0000:bb:dd.f`, a longer domain only where needed.
pub(super) fn pci_bus_id(text: &str) -> String {
    let text = text.trim().to_ascii_lowercase();
    match text.split_once(':') {
        Some((domain, rest)) if rest.contains(':') => {
            format!("{:0>4}:{rest}", domain.trim_start_matches('0'))
        }
        Some(_) => format!("0000:{text}"),
        None => text,
    }
}

/// Readings that are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Activity, memory, power, temperature, clocks: with each tick.
    Fast,
    /// Processes, links and states: every few seconds.
    Process,
    /// Error counters: once a minute.
    Error,
    /// Identity, limits and sizes: once a minute.
    Static,
}

impl Group {
    const ALL: [Self; 4] = [Self::Fast, Self::Process, Self::Error, Self::Static];

    fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Process => "process",
            Self::Error => "error",
            Self::Static => "static",
        }
    }
}

/// How one kind of reading is doing on one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldState {
    Ok,
    /// Not what the vendor says but what we derived from it.
    Estimated,
    Unsupported,
    Denied,
    Error,
}

impl FieldState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Estimated => "estimated",
            Self::Unsupported => "unsupported",
            Self::Denied => "denied",
            Self::Error => "error",
        }
    }
}

/// Whether a device is fit for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Ok,
    Degraded,
    Failed,
    Unknown,
}

impl Health {
    const STATES: [(Self, &str); 4] = [
        (Self::Ok, "ok"),
        (Self::Degraded, "degraded"),
        (Self::Failed, "failed"),
        (Self::Unknown, "unknown"),
    ];
}

/// Makes and keeps the label sets of one device.
struct Emitter {
    base: Vec<(&'static str, String)>,
    /// By the metric's name, then by the values of its further labels.
    known: HashMap<&'static str, Vec<Known>>,
    tick: u64,
}

struct Known {
    values: Vec<String>,
    labels: Labels,
    used: u64,
}

impl Emitter {
    fn new(base: Vec<(&'static str, String)>) -> Self {
        Self { base, known: HashMap::new(), tick: 0 }
    }

    fn labels(&mut self, metric: &Metric, extra: &[(&'static str, &str)]) -> Labels {
        let tick = self.tick;
        let known = self.known.entry(metric.name).or_default();
        let is_same = |one: &&mut Known| {
            one.values.len() == extra.len()
                && one.values.iter().zip(extra).all(|(known, (_, value))| known == value)
        };
        if let Some(found) = known.iter_mut().find(is_same) {
            found.used = tick;
            return found.labels.clone();
        }
        if known.len() >= KEPT_MAX {
            known.retain(|one| one.used + 1 >= tick);
        }
        let base = self.base.iter().map(|(name, value)| (*name, value.as_str()));
        let labels = Labels::metric(metric.name, base.chain(extra.iter().copied()));
        let values = extra.iter().map(|(_, value)| (*value).to_owned()).collect();
        known.push(Known { values, labels: labels.clone(), used: tick });
        labels
    }
}

/// Where a reader puts what it read.
pub(super) struct Readings<'a> {
    now: Duration,
    emitter: &'a mut Emitter,
    compat: Option<&'a mut Emitter>,
    samples: &'a mut Vec<(Labels, f64)>,
}

impl Readings<'_> {
    /// When the readings are taken.
    pub(super) fn now(&self) -> Duration {
        self.now
    }

    /// The values of some of the labels that all series of the device have.
    pub(super) fn identity<const N: usize>(&self, names: [&str; N]) -> [String; N] {
        let base = &self.emitter.base;
        let value = |name: &str| base.iter().find(|(known, _)| *known == name);
        names.map(|name| value(name).map(|(_, value)| value.clone()).unwrap_or_default())
    }

    /// A reading without further labels.
    pub(super) fn put(&mut self, metric: &Metric, value: Option<f64>) {
        self.put_of(metric, &[], value);
    }

    /// A reading with labels beyond those of the device, always in the same order. Nothing becomes of
    /// a value that is absent or not a number.
    pub(super) fn put_of(
        &mut self,
        metric: &Metric,
        extra: &[(&'static str, &str)],
        value: Option<f64>,
    ) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            let labels = self.emitter.labels(metric, extra);
            self.samples.push((labels, value));
        }
    }

    /// A reading under the vendor's customary name and labels, where those are wanted.
    pub(super) fn put_compat(
        &mut self,
        metric: &Metric,
        extra: &[(&'static str, &str)],
        value: Option<f64>,
    ) {
        let value = value.filter(|value| value.is_finite());
        if let (Some(emitter), Some(value)) = (&mut self.compat, value) {
            let labels = emitter.labels(metric, extra);
            self.samples.push((labels, value));
        }
    }

    /// One series for each state, of which exactly the current one is 1.
    pub(super) fn put_states<'a>(
        &mut self,
        metric: &Metric,
        label: &'static str,
        states: impl IntoIterator<Item = (bool, &'a str)>,
    ) {
        for (is_current, state) in states {
            self.put_of(metric, &[(label, state)], Some(f64::from(u8::from(is_current))));
        }
    }
}

/// What a group read last.
#[derive(Default)]
struct Kept {
    samples: Vec<(Labels, f64)>,
    read_at: Option<Duration>,
    spent: Duration,
}

/// All series of one device.
pub(super) struct Reporter {
    emitter: Emitter,
    compat: Option<Emitter>,
    clock: Clock,
    groups: [Kept; 4],
    fields: BTreeMap<&'static str, FieldState>,
    errors: BTreeMap<String, Errors>,
    health: Health,
    is_up: Option<bool>,
}

/// Events of one code.
struct Errors {
    class: String,
    action: String,
    count: u64,
    last: UnixMs,
}

impl Reporter {
    pub(super) fn new(device: &Device, clock: &Clock) -> Self {
        let base = vec![
            ("uuid", device.uuid.clone()),
            ("index", device.index.clone()),
            ("vendor", device.vendor.to_owned()),
            ("model", device.model.clone()),
            ("pci_bus_id", device.pci_bus_id.clone()),
            ("host", device.host.clone()),
            ("partition", device.partition.clone().unwrap_or_default()),
        ];
        Self {
            emitter: Emitter::new(base),
            compat: None,
            clock: clock.clone(),
            groups: Default::default(),
            fields: BTreeMap::new(),
            errors: BTreeMap::new(),
            health: Health::Unknown,
            is_up: Some(true),
        }
    }

    /// Gives readings under the vendor's customary names too, with these labels.
    pub(super) fn with_compat(mut self, base: Vec<(&'static str, String)>) -> Self {
        self.compat = Some(Emitter::new(base));
        self
    }

    /// Whether `group` was not read for `every`.
    pub(super) fn is_due(&self, group: Group, every: Duration) -> bool {
        let read_at = self.groups[group as usize].read_at;
        read_at.is_none_or(|at| at + every <= self.clock.monotonic() + TOLERANCE)
    }

    /// Replaces what `group` read last by what `read` puts now. The time it takes is counted.
    pub(super) fn read(&mut self, group: Group, read: impl FnOnce(&mut Readings<'_>)) {
        let started = self.clock.monotonic();
        let kept = &mut self.groups[group as usize];
        kept.samples.clear();
        let (emitter, compat) = (&mut self.emitter, self.compat.as_mut());
        read(&mut Readings { now: started, emitter, compat, samples: &mut kept.samples });
        let ended = self.clock.monotonic();
        kept.read_at = Some(ended);
        kept.spent += ended.saturating_sub(started);
    }

    pub(super) fn set_field(&mut self, field: &'static str, state: FieldState) {
        self.fields.insert(field, state);
    }

    pub(super) fn set_health(&mut self, health: Health) {
        self.health = health;
    }

    /// Says that the device answers, or that it does not: then nothing that was read of it counts any
    /// more.
    pub(super) fn set_up(&mut self, is_up: bool) {
        self.is_up = Some(is_up);
        if !is_up {
            self.forget();
        }
    }

    /// Says that nobody lets us know whether the device answers.
    pub(super) fn set_unknown(&mut self) {
        self.is_up = None;
        self.forget();
    }

    fn forget(&mut self) {
        for kept in &mut self.groups {
            kept.samples.clear();
            kept.read_at = None;
        }
    }

    /// Counts an error event.
    pub(super) fn count_error(&mut self, code: &str, class: &str, action: &str, at: UnixMs) {
        if self.errors.len() >= CODES_MAX && !self.errors.contains_key(code) {
            return;
        }
        let errors = self.errors.entry(code.to_owned()).or_insert_with(|| Errors {
            class: class.to_owned(),
            action: action.to_owned(),
            count: 0,
            last: at,
        });
        errors.count += 1;
        errors.last = errors.last.max(at);
    }

    /// Adds all series of the device.
    pub(super) fn deliver(&mut self, batch: &mut Batch) {
        self.deliver_with(batch, |_| ());
    }

    /// Adds all series of the device, and what `add` puts now.
    pub(super) fn deliver_with(&mut self, batch: &mut Batch, add: impl FnOnce(&mut Readings<'_>)) {
        self.emitter.tick += 1;
        if let Some(compat) = &mut self.compat {
            compat.tick += 1;
        }
        let now = self.clock.monotonic();
        let mut own = Vec::new();
        let (emitter, compat) = (&mut self.emitter, self.compat.as_mut());
        let mut readings = Readings { now, emitter, compat, samples: &mut own };
        readings.put(&ACCELERATOR_UP, self.is_up.map(|is_up| f64::from(u8::from(is_up))));
        let states = Health::STATES.map(|(state, word)| (state == self.health, word));
        readings.put_states(&ACCELERATOR_HEALTH, "state", states);
        for (group, kept) in Group::ALL.iter().zip(&self.groups) {
            let label = [("group", group.as_str())];
            let age = kept.read_at.map(|at| now.saturating_sub(at).as_secs_f64());
            readings.put_of(&ACCELERATOR_SAMPLE_AGE_SECONDS, &label, age);
            let spent =
                (!kept.spent.is_zero() || age.is_some()).then_some(kept.spent.as_secs_f64());
            readings.put_of(&ACCELERATOR_COLLECT_SECONDS_TOTAL, &label, spent);
        }
        for (field, state) in &self.fields {
            let labels = [("field", *field), ("state", state.as_str())];
            readings.put_of(&ACCELERATOR_FIELD_STATE, &labels, Some(1.0));
        }
        for (code, errors) in &self.errors {
            let labels =
                [("code", code.as_str()), ("class", &errors.class), ("action", &errors.action)];
            readings.put_of(&ACCELERATOR_ERRORS_TOTAL, &labels, Some(errors.count as f64));
            let last = Some(errors.last.seconds());
            readings.put_of(&ACCELERATOR_LAST_ERROR_TIMESTAMP_SECONDS, &labels[..1], last);
        }
        add(&mut readings);
        batch.samples.append(&mut own);
        for kept in &self.groups {
            batch.samples.extend_from_slice(&kept.samples);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::catalogue::{ACCELERATOR_POWER_WATTS, ACCELERATOR_TEMPERATURE_CELSIUS};

    use super::*;

    fn device() -> Device {
        Device {
            uuid: "GPU-1".into(),
            index: "0".into(),
            vendor: "nvidia",
            model: "M".into(),
            pci_bus_id: "0000:01:00.0".into(),
            host: "h".into(),
            partition: None,
        }
    }

    fn lines(reporter: &mut Reporter) -> Vec<String> {
        let mut batch = Batch::default();
        reporter.deliver(&mut batch);
        let base = ["uuid", "index", "vendor", "model", "pci_bus_id", "host"];
        let line = |(labels, value): &(Labels, f64)| {
            assert!(base.iter().all(|name| labels.get(name).is_some()), "{labels}");
            format!("{} {value}", labels.keep(|name| !base.contains(&name)))
        };
        batch.samples.iter().map(line).collect()
    }

    #[test]
    fn addresses() {
        for (given, expected) in [
            ("00000000:3B:00.0", "0000:3b:00.0"),
            ("0000:3b:00.0", "0000:3b:00.0"),
            ("3b:00.0", "0000:3b:00.0"),
            ("00010002:3B:00.0", "10002:3b:00.0"),
            ("", ""),
        ] {
            assert_eq!(pci_bus_id(given), expected);
        }
    }

    #[test]
    fn what_was_not_read_is_absent_and_what_was_is_kept_with_its_age() {
        let clock = Clock::manual(UnixMs(0));
        let mut reporter = Reporter::new(&device(), &clock);
        assert!(reporter.is_due(Group::Fast, Duration::from_secs(1)));
        reporter.read(Group::Fast, |readings| {
            readings.put(&ACCELERATOR_POWER_WATTS, Some(70.0));
            let memory = [("sensor", "memory")];
            readings.put_of(&ACCELERATOR_TEMPERATURE_CELSIUS, &memory, None);
            readings.put_of(&ACCELERATOR_TEMPERATURE_CELSIUS, &memory, Some(f64::NAN));
        });
        reporter.set_field("memory_temperature", FieldState::Unsupported);
        reporter.set_health(Health::Ok);
        reporter.count_error("79", "reboot", "RESTART_BM", UnixMs(5_000));
        reporter.count_error("79", "reboot", "RESTART_BM", UnixMs(4_000));
        clock.set(UnixMs(4_000));
        assert!(!reporter.is_due(Group::Fast, Duration::from_secs(5)));
        clock.set(UnixMs(4_600));
        assert!(reporter.is_due(Group::Fast, Duration::from_secs(5)));
        let expected = [
            "accelerator_up 1",
            "accelerator_health{state=\"ok\"} 1",
            "accelerator_health{state=\"degraded\"} 0",
            "accelerator_health{state=\"failed\"} 0",
            "accelerator_health{state=\"unknown\"} 0",
            "accelerator_sample_age_seconds{group=\"fast\"} 4.6",
            "accelerator_collect_seconds_total{group=\"fast\"} 0",
            "accelerator_field_state{field=\"memory_temperature\", state=\"unsupported\"} 1",
            "accelerator_errors_total{action=\"RESTART_BM\", class=\"reboot\", code=\"79\"} 2",
            "accelerator_last_error_timestamp_seconds{code=\"79\"} 5",
            "accelerator_power_watts 70",
        ];
        assert_eq!(lines(&mut reporter), expected);
        reporter.set_up(false);
        let after = lines(&mut reporter);
        assert_eq!(after[0], "accelerator_up 0");
        assert!(!after.iter().any(|line| line.starts_with("accelerator_power_watts")));
        assert!(!after.iter().any(|line| line.starts_with("accelerator_sample_age")));
    }

    #[test]
    fn series_that_come_and_go_do_not_pile_up() {
        let mut reporter = Reporter::new(&device(), &Clock::manual(UnixMs(0)));
        for sensor in 0..10 * KEPT_MAX {
            reporter.read(Group::Fast, |readings| {
                let sensor = sensor.to_string();
                let labels = [("sensor", sensor.as_str())];
                readings.put_of(&ACCELERATOR_TEMPERATURE_CELSIUS, &labels, Some(1.0));
            });
            reporter.deliver(&mut Batch::default());
        }
        let kept = reporter.emitter.known[ACCELERATOR_TEMPERATURE_CELSIUS.name].len();
        assert!(kept <= KEPT_MAX, "{kept}");
    }
}
