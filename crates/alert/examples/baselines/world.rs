//! A made-up deployment that is harder to judge than a calm one: traffic that is random over minutes and weeks, bursts,
//! nights with next to nothing, prompts that become longer and shorter, caches that warm up, restarts and upgrades that
//! change nothing, log files that are rotated. And faults, one at a time.
//!
//! Two nodes with eight accelerators each; three replicas of one model with four accelerators each, and one engine of
//! another model with four.

use alert::baseline::synthetic::Noise;
use model::{
    Labels,
    catalogue::{self as metric, Metric},
};

use crate::memory::Memory;

const MINUTE: f64 = 60.0;
const DAY: f64 = 86_400.0;
/// Some Monday at midnight (UTC).
pub(crate) const START: f64 = 1_795_392_000.0;
const CARDS: usize = 16;
const ENGINES: usize = 4;
/// The engine and the accelerator that faults befall.
const SICK: usize = 1;
const SICK_CARD: usize = 5;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    HotCard,
    SlowCard,
    IdleCard,
    FullCard,
    DecodeSlow,
    FirstTokenSlow,
    PowerUp,
    CpuUp,
    UpgradeSlow,
    SettingSlow,
    ReplicaSlow,
    TrafficGone,
    ResidentLeak,
    CardLeak,
    FileLeak,
    ThreadLeak,
    DiskFills,
    DiskFillsFast,
    MemoryFills,
}

/// What goes on from one minute to the next.
struct Engine {
    drift: f64,
    burst_left: f64,
    prompt: f64,
    calm: f64,
    started: f64,
    version: usize,
    pid: u64,
    setting: u32,
    running: f64,
    count: f64,
    tpot_sum: f64,
    ttft_sum: f64,
    input: f64,
    tokens: f64,
    cpu: f64,
    tooth: f64,
}

pub(crate) struct World {
    noise: Noise,
    fault: Fault,
    /// When it begins, in Unix seconds.
    from: f64,
    engines: Vec<Engine>,
    heat: Vec<f64>,
    available: f64,
    rotated: f64,
    written: f64,
}

const VERSIONS: [&str; 8] =
    ["0.32.0", "0.32.1", "0.33.0", "0.33.1", "0.34.0", "0.34.1", "0.35.0", "0.35.1"];

impl World {
    pub(crate) fn new(seed: u64, fault: Fault, from: f64) -> Self {
        let mut noise = Noise::new(seed);
        let engine = |number: usize| Engine {
            drift: noise.normal() * 0.2,
            burst_left: 0.0,
            prompt: 0.0,
            calm: 0.0,
            started: START - DAY * noise.even(),
            version: 0,
            pid: 4_000 + number as u64,
            setting: 256,
            running: 0.0,
            count: 0.0,
            tpot_sum: 0.0,
            ttft_sum: 0.0,
            input: 0.0,
            tokens: 0.0,
            cpu: 0.0,
            tooth: noise.even(),
        };
        let engines = (0..ENGINES).map(engine).collect();
        Self {
            noise,
            fault,
            from,
            engines,
            heat: vec![40.0; CARDS],
            available: 0.0,
            rotated: 0.0,
            written: 0.0,
        }
    }

    fn has(&self, fault: Fault, time: f64) -> bool {
        self.fault == fault && time >= self.from
    }

    /// Days for which a fault has lasted.
    fn days_of(&self, fault: Fault, time: f64) -> f64 {
        if self.has(fault, time) { (time - self.from) / DAY } else { 0.0 }
    }

    /// A minute's samples.
    pub(crate) fn read(&mut self, time: f64, out: &mut Memory) {
        let watts: Vec<(f64, f64)> =
            (0..ENGINES).map(|number| self.engine(number, time, out)).collect();
        for card in 0..CARDS {
            self.card(card, watts[card / 4], time, out);
        }
        self.node(time, out);
    }

    /// How busy an engine is, and how much of its power that takes.
    fn engine(&mut self, number: usize, time: f64, out: &mut Memory) -> (f64, f64) {
        self.restart(number, time);
        let is_sick = number == SICK;
        let gone = if is_sick && self.has(Fault::TrafficGone, time) { 0.15 } else { 1.0 };
        let slow = [
            (Fault::DecodeSlow, 1.28),
            (Fault::UpgradeSlow, 1.28),
            (Fault::SettingSlow, 1.22),
            (Fault::ReplicaSlow, 1.6),
        ];
        let slow: f64 = slow
            .iter()
            .filter(|(fault, _)| is_sick && self.has(*fault, time))
            .map(|it| it.1)
            .product();
        let late = if is_sick && self.has(Fault::FirstTokenSlow, time) { 2.2 } else { 1.0 };
        let more_cpu = if is_sick && self.has(Fault::CpuUp, time) { 2.0 } else { 1.0 };
        let noise = &mut self.noise;
        let engine = &mut self.engines[number];
        engine.drift = 0.97 * engine.drift + 0.08 * noise.normal();
        engine.prompt = 0.995 * engine.prompt + 0.02 * noise.normal();
        engine.calm = 0.9 * engine.calm + 0.01 * noise.normal();
        engine.burst_left -= 1.0;
        if noise.even() < 1.0 / 720.0 {
            engine.burst_left = 10.0 + 30.0 * noise.even();
        }
        let burst = if engine.burst_left > 0.0 { 1.8 } else { 1.0 };
        let wanted = 3.0 * of_week(time) * engine.drift.exp() * burst * gone;
        let requests =
            (wanted * MINUTE + (wanted * MINUTE).sqrt() * noise.normal()).round().max(0.0);
        let tpot = 0.02 * (1.0 + 0.012 * engine.running) * (1.0 + engine.calm) * slow;
        let output = 300.0 * (1.0 + 0.3 * noise.normal() / requests.max(1.0).sqrt());
        engine.running = (requests / MINUTE * (0.2 + tpot * output)).min(64.0);
        let queued = (engine.running - 50.0).max(0.0) * 0.1;
        let ttft = (0.15 * engine.prompt.exp() * (1.0 + 0.02 * engine.running) + queued) * late;
        let each = |spread: f64, noise: &mut Noise| {
            (1.0 + spread * noise.normal() / requests.max(1.0).sqrt()).max(0.3)
        };
        engine.count += requests;
        engine.tpot_sum += requests * tpot * each(0.25, noise);
        engine.ttft_sum += requests * ttft * each(0.8, noise);
        engine.input += requests * 1_500.0 * engine.prompt.exp();
        engine.tokens += requests * output;
        engine.cpu += MINUTE * (0.3 + 0.002 * requests * output / MINUTE * more_cpu);
        let busy = (engine.running / 40.0).min(1.0);
        self.tell_engine(number, time, out);
        (busy, requests * output / MINUTE)
    }

    /// Restarts, upgrades and settings: those that change nothing come now and then.
    fn restart(&mut self, number: usize, time: f64) {
        let is_sick = number == SICK;
        let begins = |fault: Fault| {
            is_sick && self.fault == fault && (self.from..self.from + MINUTE).contains(&time)
        };
        let (upgrade, setting) = (begins(Fault::UpgradeSlow), begins(Fault::SettingSlow));
        let chance = self.noise.even();
        let engine = &mut self.engines[number];
        let is_harmless = self.fault == Fault::None && chance < 1.0 / (4.0 * 1_440.0);
        if !(upgrade || setting || is_harmless) {
            return;
        }
        let which = (chance * 4.0 * 1_440.0 * 3.0) as usize;
        if upgrade || (is_harmless && which == 0) {
            engine.version = (engine.version + 1) % VERSIONS.len();
        } else if setting || (is_harmless && which == 1) {
            engine.setting = if engine.setting == 256 { 128 } else { 256 };
        }
        engine.pid += 100;
        engine.started = time;
        (engine.count, engine.tpot_sum, engine.ttft_sum) = (0.0, 0.0, 0.0);
        (engine.tokens, engine.cpu, engine.running) = (0.0, 0.0, 0.0);
        engine.input = 0.0;
    }

    fn tell_engine(&mut self, number: usize, time: f64, out: &mut Memory) {
        let is_sick = number == SICK;
        let days = |fault| if is_sick { self.days_of(fault, time) } else { 0.0 };
        let (resident, files, threads) =
            (days(Fault::ResidentLeak), days(Fault::FileLeak), days(Fault::ThreadLeak));
        let noise = &mut self.noise;
        let engine = &mut self.engines[number];
        let (model, port) =
            if number < 3 { ("Qwen3-32B", 8_000 + number) } else { ("other-70B", 9_000) };
        let instance = format!("node-{}:{port}", number / 2);
        let own = [("engine", "vllm"), ("model", model), ("instance", &instance)];
        let mut put = |metric: &Metric, suffix: &str, more: &[(&str, &str)], value: f64| {
            let name = format!("{}{suffix}", metric.name);
            let labels = Labels::metric(&name, own.into_iter().chain(more.iter().copied()));
            out.push(&labels, (time * 1e3) as i64, value);
        };
        let from = [("source", "engine")];
        let tpot = &metric::LLM_REQUEST_TIME_PER_OUTPUT_TOKEN_SECONDS;
        put(tpot, "_sum", &from, engine.tpot_sum);
        put(tpot, "_count", &from, engine.count);
        put(&metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS, "_sum", &from, engine.ttft_sum);
        put(&metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS, "_count", &from, engine.count);
        put(&metric::LLM_PROMPT_TOKENS_TOTAL, "", &from, engine.input);
        put(&metric::LLM_GENERATION_TOKENS_TOTAL, "", &from, engine.tokens);
        put(&metric::LLM_REQUESTS_RUNNING, "", &from, engine.running.round());
        put(&metric::LLM_REQUESTS_WAITING, "", &from, (engine.running - 50.0).max(0.0).round());
        put(&metric::LLM_KV_CACHE_USAGE_RATIO, "", &from, engine.running / 70.0);
        let pid = engine.pid.to_string();
        let info = [("version", VERSIONS[engine.version]), ("pid", pid.as_str())];
        put(&metric::LLM_ENGINE_INFO, "", &info, 1.0);
        let flags = format!("--tensor-parallel-size 4 --max-num-seqs {}", engine.setting);
        put(&metric::LLM_ENGINE_CONFIG_INFO, "", &[("flags", &flags)], 1.0);
        put(&metric::LLM_ENGINE_PROCESS_START_TIME_SECONDS, "", &[], engine.started);
        put(&metric::LLM_ENGINE_PROCESS_CPU_SECONDS_TOTAL, "", &[], engine.cpu);
        engine.tooth = (engine.tooth + 1.0 / (20.0 + 40.0 * noise.even())) % 1.0;
        // Caches warm up over hours, and more requests need more.
        let warm = 1.0 - (-(time - engine.started) / 3_600.0).exp();
        let bytes =
            6e9 + 2e9 * warm + 300e6 * engine.tooth + 4e6 * engine.running + 120e6 * resident;
        put(&metric::LLM_ENGINE_PROCESS_RESIDENT_BYTES, "", &[], bytes + 5e6 * noise.normal());
        let open = (220.0 + engine.running + 3.0 * noise.normal()).round() + (80.0 * files).floor();
        put(&metric::LLM_ENGINE_PROCESS_OPEN_FILES, "", &[], open);
        let count = (180.0 + 2.0 * noise.even()).round() + (40.0 * threads).floor();
        put(&metric::LLM_ENGINE_PROCESS_THREADS, "", &[], count);
    }

    fn card(&mut self, card: usize, (busy, tokens): (f64, f64), time: f64, out: &mut Memory) {
        let is_sick = card == SICK_CARD;
        let has = |fault| is_sick && self.has(fault, time);
        let (hot, slow, idle) = (has(Fault::HotCard), has(Fault::SlowCard), has(Fault::IdleCard));
        let (full, more) =
            (has(Fault::FullCard), card / 4 == SICK && self.has(Fault::PowerUp, time));
        let leak = if is_sick { self.days_of(Fault::CardLeak, time) } else { 0.0 };
        let noise = &mut self.noise;
        let busy =
            (busy * (1.0 + 0.05 * noise.normal()) * if idle { 0.4 } else { 1.0 }).clamp(0.0, 1.0);
        let power = 75.0 + 380.0 * busy + 0.03 * tokens + 12.0 * noise.normal();
        let power = power * if more { 1.3 } else { 1.0 };
        // Air is warmer to the back and in the afternoon.
        let air =
            24.0 + (card % 8) as f64 + 3.0 * ((time % DAY) / DAY * std::f64::consts::TAU).sin();
        let goal = air + power * 0.075 + if hot { 24.0 } else { 0.0 };
        self.heat[card] += 0.3 * (goal - self.heat[card]);
        let clock = 1.98e9 - 0.12e9 * busy + 8e6 * noise.normal();
        let clock = clock * if slow { 0.75 } else { 1.0 };
        let memory =
            72e9 + if card.is_multiple_of(4) { 0.6e9 } else { 0.0 } + 30e6 * noise.normal();
        let memory = memory + if full { 12e9 } else { 0.0 } + 200e6 * leak;
        let (host, index) = (format!("node-{}", card / 8), (card % 8).to_string());
        let (uuid, number) = (format!("GPU-{card:04}"), card / 4);
        let own = [
            ("host", host.as_str()),
            ("index", index.as_str()),
            ("uuid", uuid.as_str()),
            ("vendor", "nvidia"),
            ("model", "NVIDIA H100 80GB HBM3"),
        ];
        let mut put = |metric: &Metric, more: &[(&str, &str)], value: f64| {
            let labels = Labels::metric(metric.name, own.into_iter().chain(more.iter().copied()));
            out.push(&labels, (time * 1e3) as i64, value);
        };
        put(&metric::ACCELERATOR_UTILIZATION_RATIO, &[], busy);
        put(&metric::ACCELERATOR_POWER_WATTS, &[], power);
        put(
            &metric::ACCELERATOR_TEMPERATURE_CELSIUS,
            &[("sensor", "core")],
            self.heat[card].round(),
        );
        put(
            &metric::ACCELERATOR_CLOCK_HERTZ,
            &[("domain", "core")],
            (clock / 1.5e7).round() * 1.5e7,
        );
        put(&metric::ACCELERATOR_MEMORY_USED_BYTES, &[], memory);
        let (model, port) =
            if number < 3 { ("Qwen3-32B", 8_000 + number) } else { ("other-70B", 9_000) };
        let instance = format!("node-{}:{port}", number / 2);
        let user = [
            ("engine", "vllm"),
            ("model", model),
            ("instance", instance.as_str()),
            ("uuid", uuid.as_str()),
            ("index", index.as_str()),
        ];
        let labels = Labels::metric(metric::LLM_ENGINE_ACCELERATOR_MEMORY_BYTES.name, user);
        out.push(&labels, (time * 1e3) as i64, memory);
    }

    fn node(&mut self, time: f64, out: &mut Memory) {
        let (fills, fast) =
            (self.days_of(Fault::DiskFills, time), self.days_of(Fault::DiskFillsFast, time));
        let taken = self.days_of(Fault::MemoryFills, time);
        let noise = &mut self.noise;
        // What comes and goes within hours.
        self.available = 0.998 * self.available + 0.6e9 * noise.normal();
        self.written += 2.5e6 * (0.5 + noise.even());
        self.rotated = if time % DAY < MINUTE { 0.0 } else { self.rotated + 20e6 * of_week(time) };
        let own = [("instance", "node-0:9100"), ("job", "node")];
        let mut put = |name: &str, more: &[(&str, &str)], value: f64| {
            let labels = Labels::metric(name, own.into_iter().chain(more.iter().copied()));
            out.push(&labels, (time * 1e3) as i64, value);
        };
        let available = 620e9 + self.available - 100e9 * of_week(time) - 130e9 * taken;
        put(&metric::NODE_MEMORY_BYTES.member("MemAvailable"), &[], available.max(1e9));
        let disk = [("device", "/dev/nvme0n1p2"), ("fstype", "ext4"), ("mountpoint", "/")];
        let left = 1.6e12 - self.written - self.rotated - 300e9 * fills - 5e12 * fast;
        put(metric::NODE_FILESYSTEM_AVAIL_BYTES.name, &disk, left.max(1e9));
        let tooth = self.engines[0].tooth;
        let labels = Labels::metric(
            metric::MODELWATCH_PROCESS_RESIDENT_BYTES.name,
            [("job", "modelwatch"), ("instance", "node-0:9640")],
        );
        let warm = 1.0 - (-(time - START) / 7_200.0).exp();
        out.push(&labels, (time * 1e3) as i64, 60e6 + 50e6 * warm + 6e6 * tooth);
    }
}

/// How much traffic there is at a time: by day, and less at the end of the week.
fn of_week(time: f64) -> f64 {
    let day = ((time - START) / DAY).floor() as i64 % 7;
    let wave = (((time % DAY) / DAY - 0.375) * std::f64::consts::TAU).sin();
    let of_day = 0.02_f64.max(0.45 + 0.6 * wave);
    of_day * if day >= 5 { 0.4 } else { 1.0 }
}
