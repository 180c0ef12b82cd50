//! The simulated deployment: who is in it, how busy it is, and what goes wrong.
//!
//! Everything is a function of a seed, the time before the end and the time of day, so that two runs that end at the
//! same time of day agree, whatever the date. Its bias: figures that look like those of real machines, without any
//! claim to be some machine's.

/// The incident, in seconds before the end: the KV cache of a replica fills up,
pub(super) const FULL: (f64, f64) = (35.0 * 60.0, 22.0 * 60.0);
/// one accelerator of the other replica becomes too hot,
pub(super) const HOT: (f64, f64) = (20.0 * 60.0, 14.0 * 60.0);
/// and the first replica is started again with another flag.
pub(super) const RESTART: (f64, f64) = (10.0 * 60.0, 9.0 * 60.0);
/// Which accelerator becomes too hot: its node and index.
pub(super) const HOT_DEVICE: (usize, usize) = (1, 3);
/// Which engine fills up and restarts.
pub(super) const FULL_ENGINE: usize = 0;

const DAY: f64 = 86_400.0;

/// A kind of accelerator.
pub(super) struct Card {
    pub(super) vendor: &'static str,
    pub(super) model: &'static str,
    pub(super) memory: f64,
    pub(super) watts: f64,
    pub(super) idle_watts: f64,
    pub(super) hertz: f64,
    pub(super) driver: &'static str,
}

const H100: Card = Card {
    vendor: "nvidia",
    model: "NVIDIA H100 80GB HBM3",
    memory: 85_520_809_984.0,
    watts: 700.0,
    idle_watts: 72.0,
    hertz: 1.98e9,
    driver: "580.82.07",
};
const ASCEND: Card = Card {
    vendor: "ascend",
    model: "Ascend 910B3",
    memory: 68_719_476_736.0,
    watts: 400.0,
    idle_watts: 95.0,
    hertz: 1.8e9,
    driver: "25.2.0",
};

pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) cards: usize,
    pub(super) card: &'static Card,
    pub(super) cpus: usize,
    pub(super) memory: f64,
}

pub(super) const NODES: [Node; 4] = [
    Node { name: "node-1", cards: 8, card: &H100, cpus: 96, memory: 1.08e12 },
    Node { name: "node-2", cards: 8, card: &H100, cpus: 96, memory: 1.08e12 },
    Node { name: "node-3", cards: 8, card: &H100, cpus: 128, memory: 2.16e12 },
    Node { name: "node-4", cards: 4, card: &ASCEND, cpus: 192, memory: 1.62e12 },
];

pub(super) struct Engine {
    pub(super) kind: &'static str,
    pub(super) version: &'static str,
    pub(super) model: &'static str,
    pub(super) node: usize,
    /// The accelerators that it uses, from the first on.
    pub(super) cards: usize,
    pub(super) port: u16,
    pub(super) flags: &'static str,
    /// After the restart.
    pub(super) flags_later: &'static str,
    /// Requests each second when it is busiest.
    pub(super) requests: f64,
    /// Seconds.
    pub(super) ttft: f64,
    pub(super) tpot: f64,
    /// Tokens of a prompt and of an answer, on average.
    pub(super) input: f64,
    pub(super) output: f64,
    /// Tokens that its KV cache has room for.
    pub(super) cache: f64,
}

pub(super) const ENGINES: [Engine; 4] = [
    Engine {
        kind: "vllm",
        version: "0.33.0",
        model: "Qwen3-32B",
        node: 0,
        cards: 4,
        port: 8000,
        flags: "--tensor-parallel-size 4 --max-num-seqs 256 --gpu-memory-utilization 0.90",
        flags_later: "--tensor-parallel-size 4 --max-num-seqs 128 --gpu-memory-utilization 0.90",
        requests: 7.0,
        ttft: 0.21,
        tpot: 0.021,
        input: 1_900.0,
        output: 340.0,
        cache: 420_000.0,
    },
    Engine {
        kind: "vllm",
        version: "0.33.0",
        model: "Qwen3-32B",
        node: 1,
        cards: 4,
        port: 8000,
        flags: "--tensor-parallel-size 4 --max-num-seqs 256 --gpu-memory-utilization 0.90",
        flags_later: "--tensor-parallel-size 4 --max-num-seqs 256 --gpu-memory-utilization 0.90",
        requests: 6.6,
        ttft: 0.20,
        tpot: 0.020,
        input: 1_850.0,
        output: 330.0,
        cache: 420_000.0,
    },
    Engine {
        kind: "sglang",
        version: "0.5.9",
        model: "DeepSeek-R1-Distill-Llama-70B",
        node: 2,
        cards: 8,
        port: 30_000,
        flags: "--tp 8 --mem-fraction-static 0.88",
        flags_later: "--tp 8 --mem-fraction-static 0.88",
        requests: 2.4,
        ttft: 0.42,
        tpot: 0.031,
        input: 2_600.0,
        output: 900.0,
        cache: 610_000.0,
    },
    Engine {
        kind: "mindie",
        version: "2.1.RC1",
        model: "Qwen2.5-14B-Instruct",
        node: 3,
        cards: 4,
        port: 1025,
        flags: "",
        flags_later: "",
        requests: 3.1,
        ttft: 0.33,
        tpot: 0.027,
        input: 900.0,
        output: 210.0,
        cache: 260_000.0,
    },
];

/// What an engine is like at one time.
pub(super) struct Moment {
    pub(super) is_up: bool,
    /// Requests that end each second.
    pub(super) requests: f64,
    pub(super) ttft: f64,
    pub(super) tpot: f64,
    pub(super) running: f64,
    pub(super) waiting: f64,
    /// Of the KV cache, 0 to 1.
    pub(super) cache: f64,
    pub(super) preemptions: f64,
    /// Of the accelerators, 0 to 1.
    pub(super) busy: f64,
    pub(super) prefix_hits: f64,
}

/// The process of an engine, another one after its restart.
pub(super) fn pid(which: usize, before_end: f64) -> usize {
    if which == FULL_ENGINE && before_end <= RESTART.1 { 51_377 } else { 4_711 + which }
}

/// A number from 0 to 1 that looks random, so many seconds before the end; smooth over `period` seconds.
pub(super) fn wander(seed: u64, before_end: f64, period: f64) -> f64 {
    let step = (before_end / period).floor();
    let part = before_end / period - step;
    let smooth = part * part * (3.0 - 2.0 * part);
    let [before, after] = [hash(seed, step as i64), hash(seed, step as i64 + 1)];
    before + (after - before) * smooth
}

/// From 0 to 1, evenly distributed.
pub(super) fn hash(seed: u64, number: i64) -> f64 {
    // The finalizer of MurmurHash3 with SplitMix64's constants: neighbours come out far apart.
    let mut bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (number as u64);
    for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        bits = (bits ^ (bits >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(factor);
    }
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// How far an incident has gone at a time, 0 to 1: it rises over a minute and falls over a minute.
pub(super) fn during(span: (f64, f64), before_end: f64) -> f64 {
    let rise = (span.0 - before_end) / 60.0;
    let fall = (before_end - span.1) / 60.0 + 1.0;
    rise.min(fall).clamp(0.0, 1.0)
}

/// The state of an engine at a Unix time, so many seconds before the end.
pub(super) fn moment(which: usize, time: f64, before_end: f64) -> Moment {
    let engine = &ENGINES[which];
    let seed = 100 + which as u64;
    let of_day = (time % DAY) / DAY;
    // Busiest at 15 h UTC.
    let wave = 0.55 + 0.45 * ((of_day - 0.375) * std::f64::consts::TAU).sin();
    let load = wave
        * (0.75 + 0.5 * wander(seed, before_end, 240.0))
        * (0.9 + 0.2 * wander(seed + 7, before_end, 20.0));
    let is_full = which == FULL_ENGINE;
    let full = if is_full { during(FULL, before_end) } else { 0.0 };
    let hot = if engine.node == HOT_DEVICE.0 { during(HOT, before_end) } else { 0.0 };
    let is_up = !(is_full && before_end <= RESTART.0 && before_end > RESTART.1);
    if !is_up {
        return Moment {
            is_up,
            requests: 0.0,
            ttft: 0.0,
            tpot: 0.0,
            running: 0.0,
            waiting: 0.0,
            cache: 0.0,
            preemptions: 0.0,
            busy: 0.0,
            prefix_hits: 0.0,
        };
    }
    let arriving = engine.requests * load * (1.0 + 0.6 * full);
    let tpot = engine.tpot * (0.9 + 0.35 * load) * (1.0 + 0.7 * full + 0.9 * hot);
    let in_flight = arriving * (engine.ttft + tpot * engine.output);
    let cache =
        (in_flight * (engine.input + engine.output / 2.0) / engine.cache + 0.86 * full).min(0.995);
    let waiting = (full * (26.0 + 14.0 * wander(seed + 1, before_end, 15.0))
        + 3.0 * (cache - 0.9).max(0.0))
    .floor();
    Moment {
        is_up,
        requests: arriving * (1.0 - 0.35 * full),
        ttft: engine.ttft
            * (0.85 + 0.5 * load)
            * (1.0 + 9.0 * full + 0.4 * hot)
            * (0.9 + 0.2 * wander(seed + 2, before_end, 10.0)),
        tpot,
        running: in_flight.round().max(0.0),
        waiting,
        cache,
        preemptions: full * (0.6 + 0.9 * wander(seed + 3, before_end, 30.0)),
        busy: (0.30 + 0.75 * load * in_flight / (in_flight + 12.0)).min(0.99),
        prefix_hits: 0.38 + 0.3 * wander(seed + 4, before_end, 600.0) - 0.2 * full,
    }
}
