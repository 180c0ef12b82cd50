//! What is known at present, from the news of whoever collects, and the view of it.
//!
//! The news may come from any server, so that everything in here is bounded: rows, points and events beyond
//! the limits are left out.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use model::{Labels, UnixMs};
use serde_json::Value;

use super::{
    questions::{Ask, PAST_MS, QUESTIONS},
    read,
    view::{
        Device, Engine, EngineState, Event, Failing, Host, Link, OnBus, Origin, Past, Process,
        Request, Requests, Told, Totals, Verdict, View,
    },
};

/// Series of one answer; further ones are left out. The live socket sends no more either.
const SERIES_MAX: usize = 1_000;
/// Events kept; the oldest leave first.
const EVENTS_MAX: usize = 200;
/// Lines drawn over time; those of further series are left out.
const PASTS_MAX: usize = 2_000;
/// Points of one line; the oldest leave first.
const POINTS_MAX: usize = 400;

/// One thing learned.
#[derive(Clone, Debug)]
pub(super) enum News {
    /// The socket is open.
    Live,
    /// Asked over HTTP instead, and answered.
    Polled,
    /// Neither works any more, and why.
    Lost(String),
    /// The answer of `/api/v1/overview`.
    Overview(Value),
    /// The answer of `/api/v1/sources`.
    Sources(Value),
    /// Events in any order, some of which may be known.
    Events(Value),
    /// The answer to one question.
    Values {
        ask: Ask,
        time: UnixMs,
        values: Vec<(Labels, f64)>,
    },
    /// What it was in the last minutes.
    Past {
        ask: Ask,
        series: Vec<(Labels, Past)>,
    },
    Requests(Requests),
}

/// Which line over time: question, engine or device, source.
type LineKey = (Ask, String, String);

pub(super) struct State {
    origin: Origin,
    link: Link,
    heard: UnixMs,
    host: Host,
    version: Option<String>,
    verdict: Verdict,
    reported: Vec<Engine>,
    on_bus: Vec<OnBus>,
    failing: Vec<Failing>,
    cost: (Option<f64>, Option<f64>),
    answers: HashMap<Ask, Vec<(Labels, f64)>>,
    lines: HashMap<LineKey, VecDeque<(i64, f64)>>,
    requests: Requests,
    /// Newest first.
    events: VecDeque<Event>,
    /// Devices to show; all where it is empty.
    chosen: Vec<String>,
}

impl State {
    pub(super) fn new(origin: Origin, chosen: Vec<String>, now: UnixMs) -> Self {
        let link = if origin == Origin::Local { Link::Live } else { Link::Connecting };
        Self {
            origin,
            link,
            heard: now,
            host: Host::default(),
            version: None,
            verdict: Verdict::default(),
            reported: Vec::new(),
            on_bus: Vec::new(),
            failing: Vec::new(),
            cost: (None, None),
            answers: HashMap::new(),
            lines: HashMap::new(),
            requests: Requests::Unknown,
            events: VecDeque::new(),
            chosen,
        }
    }

    pub(super) fn learn(&mut self, news: News, now: UnixMs) {
        match news {
            News::Lost(reason) => {
                let since = match &self.link {
                    Link::Lost { since, .. } => *since,
                    _ => self.heard,
                };
                self.link = Link::Lost { since, reason };
                return;
            }
            News::Live => self.link = Link::Live,
            News::Polled => self.link = Link::Polling,
            News::Overview(value) => self.overview(&value),
            News::Sources(value) => {
                let failing = read::list(&value, "sources").filter_map(read::failing);
                self.failing = failing.take(SERIES_MAX).collect();
            }
            News::Events(value) => self.notice(&value),
            News::Values { ask, time, values } => self.values(ask, time, values),
            News::Past { ask, series } => self.past(ask, series),
            News::Requests(requests) => self.requests = requests,
        }
        self.heard = now;
    }

    fn overview(&mut self, value: &Value) {
        self.version = read::text(value, "version");
        self.host = read::host(&value["host"]);
        self.verdict = read::verdict(&value["verdict"]);
        self.reported = read::list(value, "engines").take(SERIES_MAX).map(read::engine).collect();
        self.on_bus =
            read::list(value, "accelerators").take(SERIES_MAX).map(read::on_bus).collect();
        let cost = &value["cost"];
        self.cost = (cost["cpu_ms_per_second"].as_f64(), cost["resident_bytes"].as_f64());
    }

    fn notice(&mut self, value: &Value) {
        for event in read::list(value, "events").take(SERIES_MAX).map(read::event) {
            let place = self.events.partition_point(|known| known.time > event.time);
            let same = |known: &&Event| known.time == event.time;
            if !self.events.iter().skip(place).take_while(same).any(|known| *known == event) {
                self.events.insert(place, event);
            }
            self.events.truncate(EVENTS_MAX);
        }
    }

    fn values(&mut self, ask: Ask, time: UnixMs, mut values: Vec<(Labels, f64)>) {
        values.retain(|(_, value)| value.is_finite());
        values.truncate(SERIES_MAX);
        if QUESTIONS.iter().any(|question| question.ask == ask && question.has_past) {
            for (labels, value) in &values {
                self.point(ask, labels, (time.0, *value));
            }
            let oldest = time.0.saturating_sub(PAST_MS);
            self.lines.retain(|(of, ..), points| {
                if *of == ask {
                    while points.front().is_some_and(|(time, _)| *time < oldest) {
                        points.pop_front();
                    }
                }
                !points.is_empty()
            });
        }
        self.answers.insert(ask, values);
    }

    fn point(&mut self, ask: Ask, labels: &Labels, point: (i64, f64)) {
        let is_full = self.lines.len() >= PASTS_MAX;
        let key = line_key(ask, labels);
        if is_full && !self.lines.contains_key(&key) {
            return;
        }
        let points = self.lines.entry(key).or_default();
        if points.back().is_none_or(|(newest, _)| *newest < point.0) {
            points.push_back(point);
        }
        if points.len() > POINTS_MAX {
            points.pop_front();
        }
    }

    /// Puts what was before around what is known: in front of it, and where it has gaps.
    fn past(&mut self, ask: Ask, series: Vec<(Labels, Past)>) {
        for (labels, points) in series.into_iter().take(SERIES_MAX) {
            let known = self.lines.remove(&line_key(ask, &labels)).unwrap_or_default();
            let told = points.into_iter().filter(|(_, value)| value.is_finite());
            // What was seen live is the more exact.
            let merged: BTreeMap<i64, f64> = told.chain(known).collect();
            for point in merged {
                self.point(ask, &labels, point);
            }
        }
    }

    pub(super) fn view(&self, now: UnixMs) -> View {
        let engines = self.engines();
        let mut devices = self.devices();
        devices.retain(|device| is_chosen(&self.chosen, device));
        let has_readings = !devices.is_empty() || !self.chosen.is_empty();
        View {
            now,
            origin: self.origin.clone(),
            link: self.link.clone(),
            version: self.version.clone(),
            host: self.host.clone(),
            verdict: self.verdict.clone(),
            totals: self.totals(&engines),
            engines,
            devices,
            on_bus: if has_readings { Vec::new() } else { self.on_bus.clone() },
            requests: self.requests.clone(),
            events: self.events.iter().cloned().collect(),
            failing: self.failing.clone(),
            cost_cpu_ms: self.cost.0,
            cost_bytes: self.cost.1,
        }
    }

    fn of(&self, ask: Ask) -> &[(Labels, f64)] {
        self.answers.get(&ask).map_or(&[], Vec::as_slice)
    }

    /// The label `instance` of the host that modelwatch runs on: its name and a port. Where there is but one
    /// host, it is that one.
    fn own_instance(&self) -> Option<&str> {
        let hosts = self.of(Ask::HostMemoryTotal);
        let name = self.host.name.as_deref().filter(|name| !name.is_empty());
        let is_own = |labels: &Labels| {
            let told = labels.get("instance").unwrap_or_default();
            let rest = name.and_then(|name| told.strip_prefix(name));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        let own = hosts.iter().find(|(labels, _)| is_own(labels));
        let own = own.or_else(|| hosts.first().filter(|_| hosts.len() == 1))?;
        Some(own.0.get("instance").unwrap_or_default())
    }

    /// What a question says of that host.
    fn own(&self, ask: Ask, own: &str) -> Option<f64> {
        let is_own = |labels: &Labels| labels.get("instance").unwrap_or_default() == own;
        self.of(ask).iter().find(|(labels, _)| is_own(labels)).map(|(_, value)| *value)
    }

    /// What the most trustworthy source tells of each engine.
    fn told(&self, ask: Ask) -> HashMap<&str, Told> {
        let mut told: HashMap<&str, Told> = HashMap::new();
        for (labels, value) in self.of(ask) {
            let source = labels.get("source").unwrap_or_default();
            let instance = labels.get("instance").unwrap_or_default();
            let known = told.get(instance);
            if known.is_none_or(|known| trust(source) < trust(&known.source)) {
                told.insert(instance, Told { value: *value, source: source.to_owned() });
            }
        }
        told
    }

    /// The line of `source`, or of the most trustworthy source that has one.
    fn line(&self, ask: Ask, key: &str, source: Option<&str>) -> Past {
        let found = source.into_iter().chain(SOURCES).find_map(|source| {
            let points = self.lines.get(&(ask, key.to_owned(), source.to_owned()))?;
            (!points.is_empty()).then_some(points)
        });
        found.map(|points| points.iter().copied().collect()).unwrap_or_default()
    }

    fn engines(&self) -> Vec<Engine> {
        let mut engines: BTreeMap<String, Engine> = BTreeMap::new();
        for engine in &self.reported {
            engines.insert(engine.instance.clone(), engine.clone());
        }
        let named = |engines: &mut BTreeMap<String, Engine>, labels: &Labels| -> Option<String> {
            let instance = labels.get("instance").filter(|instance| !instance.is_empty())?;
            let engine = engines.entry(instance.to_owned()).or_default();
            engine.instance = instance.to_owned();
            let kind = labels.get("engine").unwrap_or_default();
            if engine.kind.is_empty() {
                engine.kind = kind.to_owned();
            }
            if engine.name.is_empty() {
                engine.name = kind.to_owned();
            }
            Some(instance.to_owned())
        };
        for (labels, value) in self.of(Ask::EngineUp) {
            let Some(instance) = named(&mut engines, labels) else { continue };
            if let Some(engine) = engines.get_mut(&instance)
                && engine.state == EngineState::Unknown
            {
                engine.state = if *value == 0.0 { EngineState::Down } else { EngineState::Up };
            }
        }
        for (labels, _) in self.of(Ask::EngineInfo) {
            let Some(instance) = named(&mut engines, labels) else { continue };
            if let Some(engine) = engines.get_mut(&instance) {
                add_info(engine, labels);
            }
        }
        for ask in [Ask::Running, Ask::TokensOut] {
            for (labels, _) in self.of(ask) {
                named(&mut engines, labels);
            }
        }
        self.add_told(&mut engines);
        let mut engines: Vec<Engine> = engines.into_values().take(SERIES_MAX).collect();
        engines
            .sort_by(|a, b| (a.state, &a.name, &a.instance).cmp(&(b.state, &b.name, &b.instance)));
        engines
    }

    fn add_told(&self, engines: &mut BTreeMap<String, Engine>) {
        type Place = fn(&mut Engine) -> &mut Option<Told>;
        let places: [(Ask, Place); 20] = [
            (Ask::Running, |engine| &mut engine.running),
            (Ask::Waiting, |engine| &mut engine.waiting),
            (Ask::KvCache, |engine| &mut engine.kv_cache),
            (Ask::Context, |engine| &mut engine.context),
            (Ask::TtftP50, |engine| &mut engine.ttft_p50),
            (Ask::TtftP95, |engine| &mut engine.ttft_p95),
            (Ask::TpotP50, |engine| &mut engine.tpot_p50),
            (Ask::TpotP95, |engine| &mut engine.tpot_p95),
            (Ask::ItlP95, |engine| &mut engine.itl_p95),
            (Ask::E2eP95, |engine| &mut engine.e2e_p95),
            (Ask::TokensOut, |engine| &mut engine.tokens_out),
            (Ask::TokensIn, |engine| &mut engine.tokens_in),
            (Ask::Finished, |engine| &mut engine.finished),
            (Ask::Failed, |engine| &mut engine.failed),
            (Ask::Preemptions, |engine| &mut engine.preemptions),
            (Ask::TokensCached, |engine| &mut engine.tokens_cached),
            (Ask::PrefixHits, |engine| &mut engine.prefix_hits),
            (Ask::SpecAccepted, |engine| &mut engine.spec_accepted),
            (Ask::EngineResident, |engine| &mut engine.resident),
            (Ask::EngineCpu, |engine| &mut engine.cpu),
        ];
        for (ask, place) in places {
            for (instance, told) in self.told(ask) {
                if let Some(engine) = engines.get_mut(instance) {
                    *place(engine) = Some(told);
                }
            }
        }
        for engine in engines.values_mut() {
            let source = |told: &Option<Told>| told.as_ref().map(|told| told.source.clone());
            let (tokens, ttft) = (source(&engine.tokens_out), source(&engine.ttft_p95));
            engine.past_tokens_out = self.line(Ask::TokensOut, &engine.instance, tokens.as_deref());
            engine.past_ttft_p95 = self.line(Ask::TtftP95, &engine.instance, ttft.as_deref());
        }
    }

    fn devices(&self) -> Vec<Device> {
        let mut devices: BTreeMap<String, Device> = BTreeMap::new();
        for ask in [
            Ask::DeviceInfo,
            Ask::DeviceUp,
            Ask::DeviceUtilization,
            Ask::DeviceMemoryUsed,
            Ask::DeviceMemoryTotal,
            Ask::DevicePower,
        ] {
            for (labels, value) in self.of(ask) {
                let key = device_key(labels);
                let device = devices.entry(key).or_insert_with(|| {
                    let text = |name| labels.get(name).unwrap_or_default().to_owned();
                    let (host, index, partition) = (text("host"), text("index"), text("partition"));
                    Device { host, index, partition, ..Device::default() }
                });
                let value = Some(*value);
                match ask {
                    Ask::DeviceInfo => add_facts(device, labels),
                    Ask::DeviceUp => device.is_up = value.map(|value| value != 0.0),
                    Ask::DeviceUtilization => device.utilization = value,
                    Ask::DeviceMemoryUsed => device.memory_used = value,
                    Ask::DeviceMemoryTotal => device.memory_total = value,
                    _ => device.power = value,
                }
            }
        }
        self.add_readings(&mut devices);
        for (key, device) in &mut devices {
            device.past_utilization = self.line(Ask::DeviceUtilization, key, None);
        }
        let mut devices: Vec<Device> = devices.into_values().take(SERIES_MAX).collect();
        let number = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
        devices.sort_by(|a, b| {
            let place = |device: &Device| number(&device.index);
            (&a.host, place(a), &a.index, &a.partition).cmp(&(
                &b.host,
                place(b),
                &b.index,
                &b.partition,
            ))
        });
        devices
    }

    /// What adds to a device that is known by other readings.
    fn add_readings(&self, devices: &mut BTreeMap<String, Device>) {
        for ask in [
            Ask::DeviceHealth,
            Ask::DevicePowerLimit,
            Ask::DeviceTemperature,
            Ask::DeviceClock,
            Ask::DeviceClockMax,
            Ask::DeviceFan,
            Ask::DeviceThrottle,
            Ask::DeviceErrors,
            Ask::DeviceEcc,
            Ask::DeviceFields,
            Ask::DeviceProcesses,
        ] {
            for (labels, value) in self.of(ask) {
                if let Some(device) = devices.get_mut(&device_key(labels)) {
                    add_reading(device, ask, labels, *value);
                }
            }
        }
        for device in devices.values_mut() {
            let sensors = &device.temperatures;
            device.temperature = sensors.get("core").or_else(|| sensors.values().next()).copied();
            device.processes.sort_by(|a, b| b.memory_bytes.total_cmp(&a.memory_bytes));
        }
    }

    fn totals(&self, engines: &[Engine]) -> Totals {
        let values = |of: fn(&Engine) -> &Option<Told>| {
            engines.iter().filter_map(move |engine| of(engine).as_ref().map(|told| told.value))
        };
        // Nothing told is not zero.
        let sum = |of| values(of).reduce(|a, b| a + b);
        let most = |of| values(of).reduce(f64::max);
        let own = self.own_instance();
        let host = |ask| own.and_then(|own| self.own(ask, own));
        let pressure = self.of(Ask::HostPressure).iter().filter_map(|(labels, value)| {
            let is_own = own == Some(labels.get("instance").unwrap_or_default());
            Some((labels.get("resource").filter(|_| is_own)?.to_owned(), *value))
        });
        Totals {
            tokens_out: sum(|engine| &engine.tokens_out),
            tokens_in: sum(|engine| &engine.tokens_in),
            running: sum(|engine| &engine.running),
            waiting: sum(|engine| &engine.waiting),
            kv_cache: most(|engine| &engine.kv_cache),
            context: most(|engine| &engine.context),
            ttft_p95: most(|engine| &engine.ttft_p95),
            failed: sum(|engine| &engine.failed),
            host_cpu: host(Ask::HostCpu),
            memory_used: host(Ask::HostMemoryUsed),
            memory_total: host(Ask::HostMemoryTotal),
            received: host(Ask::HostReceived),
            sent: host(Ask::HostSent),
            read: host(Ask::HostRead),
            written: host(Ask::HostWritten),
            pressure: pressure.collect(),
            past_host_cpu: own.map(|own| self.line(Ask::HostCpu, own, None)).unwrap_or_default(),
        }
    }
}

/// The engine knows best, then who sees its requests, then its log, then who sees its packets.
const SOURCES: [&str; 6] = ["engine", "gateway", "log", "wire", "host", ""];

fn trust(source: &str) -> usize {
    SOURCES.iter().position(|known| *known == source).unwrap_or(SOURCES.len())
}

fn device_key(labels: &Labels) -> String {
    let text = |name| labels.get(name).unwrap_or_default();
    [text("host"), text("index"), text("partition")].join("\u{1f}")
}

fn line_key(ask: Ask, labels: &Labels) -> LineKey {
    let text = |name| labels.get(name).unwrap_or_default().to_owned();
    let place = match ask {
        Ask::DeviceUtilization => device_key(labels),
        _ => text("instance"),
    };
    (ask, place, text("source"))
}

fn add_info(engine: &mut Engine, labels: &Labels) {
    let text = |name| labels.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
    engine.url = engine.url.take().or_else(|| text("url"));
    engine.version = engine.version.take().or_else(|| text("version"));
    engine.pid = engine.pid.take().or_else(|| text("pid"));
    if let Some(model) = text("model")
        && !engine.models.contains(&model)
    {
        engine.models.push(model);
    }
}

fn add_facts(device: &mut Device, labels: &Labels) {
    let text = |name| labels.get(name).unwrap_or_default().to_owned();
    device.uuid = text("uuid");
    device.vendor = text("vendor");
    device.model = text("model");
    device.driver = text("driver_version");
}

fn add_reading(device: &mut Device, ask: Ask, labels: &Labels, value: f64) {
    let text = |name| labels.get(name).unwrap_or_default().to_owned();
    match ask {
        Ask::DeviceHealth => device.health = Some(text("state")),
        Ask::DevicePowerLimit => device.power_limit = Some(value),
        Ask::DeviceTemperature => drop(device.temperatures.insert(text("sensor"), value)),
        Ask::DeviceClock => device.clock = Some(value),
        Ask::DeviceClockMax => device.clock_max = Some(value),
        Ask::DeviceFan => device.fan = Some(value),
        Ask::DeviceThrottle => {
            let reasons = device.throttle.get_or_insert_default();
            if value != 0.0 {
                reasons.push(text("reason"));
            }
        }
        Ask::DeviceErrors => device.errors = Some(value),
        Ask::DeviceEcc => drop(device.ecc.insert(text("type"), value)),
        Ask::DeviceFields => drop(device.missing.insert(text("field"), text("state"))),
        Ask::DeviceProcesses => device.processes.push(Process {
            pid: text("pid"),
            name: text("process"),
            engine: text("engine"),
            container: text("container"),
            memory_bytes: value,
        }),
        _ => {}
    }
}

/// `0`, `node-1/0`, or the beginning of a uuid.
fn is_chosen(chosen: &[String], device: &Device) -> bool {
    chosen.is_empty()
        || chosen.iter().any(|word| {
            *word == device.index
                || *word == device.id()
                || (word.len() > 4 && device.uuid.starts_with(word.as_str()))
        })
}

/// Those of the words of `--gpus` that no device answers to.
pub(super) fn unknown_devices<'a>(chosen: &'a [String], view: &View) -> Vec<&'a str> {
    let mut unknown: HashSet<&str> = chosen.iter().map(String::as_str).collect();
    for device in &view.devices {
        unknown.retain(|word| !is_chosen(&[(*word).to_owned()], device));
    }
    let mut unknown: Vec<&str> = unknown.into_iter().collect();
    unknown.sort_unstable();
    unknown
}

/// The newest requests of an answer, as far as they fit.
pub(super) fn requests(value: &Value) -> Requests {
    let rows: Vec<Request> =
        read::list(value, "requests").take(SERIES_MAX).map(read::request).collect();
    Requests::Known { total: value["total"].as_u64().unwrap_or(rows.len() as u64), rows }
}
