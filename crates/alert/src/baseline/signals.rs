//! What is watched: each signal as a query, what its load is, and what is little of it.
//!
//! A query's `$who` stands for matchers; nothing stands for all. What the labels of its result are named by, its
//! selectors know, so that the same query with matchers is the evidence of a finding.

use super::Least;

/// Which way a signal is bad; the other way is told by its series only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    Higher,
    Lower,
    Both,
}

impl Bad {
    /// Whether a distance from what is usual is on the bad side.
    pub fn is(self, distance: f64) -> bool {
        match self {
            Self::Higher => distance > 0.0,
            Self::Lower => distance < 0.0,
            Self::Both => distance != 0.0,
        }
    }
}

/// Something that can be asked of stored series.
#[derive(Debug)]
pub struct Signal {
    /// The label `signal` of what is said of it.
    pub name: &'static str,
    pub query: &'static str,
    /// What it depends on, most first; none where it is compared as it is. A second load need not be known.
    pub loads: &'static [&'static str],
    /// Labels by which a value finds its load.
    pub join: &'static [&'static str],
    pub bad: Bad,
    /// The least spread that is believed, in its own unit and as a share.
    pub spread: f64,
    pub share: f64,
    /// Smaller changes than this share are nothing.
    pub change: f64,
    /// In texts it is given times this number.
    pub scale: f64,
    pub digits: usize,
}

impl Signal {
    pub fn least(&self) -> Least {
        Least { count: 0, spread: self.spread, share: self.share }
    }

    /// As a text says it.
    pub fn text(&self, value: f64) -> String {
        format!("{:.*}", self.digits, value * self.scale)
    }
}

const BY_ENGINE: &[&str] = &["model", "instance"];
const BY_INSTANCE: &[&str] = &["instance"];

/// A mean of a histogram over five minutes, of the engines that finished some requests in them.
macro_rules! mean {
    ($metric:literal) => {
        concat!(
            "(sum by (engine, model, instance, source) (rate",
            $metric,
            "_sum{$who}[5m])) / ",
            "sum by (engine, model, instance, source) (rate",
            $metric,
            "_count{$who}[5m]))) and ",
            "(sum by (engine, model, instance, source) (increase",
            $metric,
            "_count{$who}[5m])) >= 5)"
        )
    };
}

const RUNNING: &str = "max by (model, instance) (avg_over_time(llm_requests_running[5m]))";
/// Tokens of a prompt.
const PROMPT: &str = "max by (model, instance) (sum by (model, instance, source) (rate(llm_prompt_tokens_total[5m])) / sum by (model, instance, source) (rate(llm_time_to_first_token_seconds_count[5m])))";
/// Counted once where both the engine and the gateway count them.
const TOKENS: &str =
    "max by (instance) (sum by (instance, source) (rate(llm_generation_tokens_total[5m])))";

/// Time per output token: as the engine tells it for requests, else between tokens.
pub static TPOT: Signal = Signal {
    name: "tpot",
    query: concat!(
        mean!("(llm_request_time_per_output_token_seconds"),
        " or on (engine, model, instance, source) ",
        mean!("(llm_inter_token_latency_seconds")
    ),
    loads: &[RUNNING],
    join: BY_ENGINE,
    bad: Bad::Higher,
    spread: 0.001,
    share: 0.05,
    change: 0.15,
    scale: 1e3,
    digits: 1,
};
/// Time to the first token. Where requests queue it says how long the queue is, which is told elsewhere, so that it
/// does not count then; and prompts differ, so that more is needed to be told.
pub static TTFT: Signal = Signal {
    name: "ttft",
    query: concat!(
        mean!("(llm_time_to_first_token_seconds"),
        " unless on (model, instance) (max by (model, instance) (avg_over_time(llm_requests_waiting[5m])) > 0.5)"
    ),
    loads: &[RUNNING, PROMPT],
    join: BY_ENGINE,
    bad: Bad::Higher,
    spread: 0.02,
    share: 0.1,
    change: 0.5,
    scale: 1e3,
    digits: 0,
};
/// Power of the accelerators that an engine holds, at the tokens it makes: energy per token.
pub static POWER: Signal = Signal {
    name: "power",
    query: "sum by (engine, model, instance) (0 * llm_engine_accelerator_memory_bytes{partition=\"\",$who} + on (uuid) group_left () max by (uuid) (avg_over_time(accelerator_power_watts{partition=\"\"}[5m])))",
    loads: &[TOKENS],
    join: BY_INSTANCE,
    bad: Bad::Higher,
    spread: 10.0,
    share: 0.05,
    change: 0.15,
    scale: 1.0,
    digits: 0,
};
/// Processors that an engine's processes use, at the tokens it makes.
pub static CPU: Signal = Signal {
    name: "cpu",
    query: "sum by (engine, model, instance) (rate(llm_engine_process_cpu_seconds_total{$who}[5m]))",
    loads: &[TOKENS],
    join: BY_INSTANCE,
    bad: Bad::Higher,
    spread: 0.1,
    share: 0.1,
    change: 0.5,
    scale: 1.0,
    digits: 2,
};
/// Tokens that are made each second, as they come.
pub static THROUGHPUT: Signal = Signal {
    name: "throughput",
    query: "sum by (engine, model, instance, source) (rate(llm_generation_tokens_total{$who}[5m]))",
    loads: &[],
    join: &[],
    bad: Bad::Both,
    spread: 5.0,
    share: 0.15,
    change: 0.5,
    scale: 1.0,
    digits: 0,
};

/// What is measured against what it is at the same load.
pub static AT_LOAD: &[&Signal] = &[&TPOT, &TTFT, &POWER, &CPU];
/// What is measured against the same hour of other weeks.
pub static OF_WEEK: &[&Signal] = &[&TPOT, &TTFT, &THROUGHPUT];

/// An accelerator's figure over five minutes; partitions are no peers of each other.
macro_rules! of_accelerator {
    ($metric:literal, $more:literal) => {
        concat!(
            "max by (host, index, uuid, vendor, model) (avg_over_time",
            $metric,
            "{partition=\"\",",
            $more,
            "$who}[5m]))"
        )
    };
}

/// A signal of accelerators, compared as it is.
const fn of_peers(
    name: &'static str,
    query: &'static str,
    bad: Bad,
    (spread, share): (f64, f64),
    (scale, digits): (f64, usize),
) -> Signal {
    Signal { name, query, loads: &[], join: &[], bad, spread, share, change: 0.0, scale, digits }
}

/// The share of time that an accelerator works; besides, who does the same work is told by it.
pub static UTILIZATION: Signal = of_peers(
    "utilization",
    of_accelerator!("(accelerator_utilization_ratio", ""),
    Bad::Lower,
    (0.05, 0.05),
    (100.0, 0),
);
/// What accelerators are compared by with those that do the same work.
pub static OF_ACCELERATORS: &[&Signal] = &[
    &UTILIZATION,
    &of_peers(
        "temperature",
        of_accelerator!("(accelerator_temperature_celsius", "sensor=\"core\","),
        Bad::Higher,
        (3.0, 0.0),
        (1.0, 0),
    ),
    &of_peers(
        "clock",
        of_accelerator!("(accelerator_clock_hertz", "domain=\"core\","),
        Bad::Lower,
        (30e6, 0.02),
        (1e-6, 0),
    ),
    &of_peers(
        "power",
        of_accelerator!("(accelerator_power_watts", ""),
        Bad::Both,
        (15.0, 0.04),
        (1.0, 0),
    ),
    &of_peers(
        "memory",
        of_accelerator!("(accelerator_memory_used_bytes", ""),
        Bad::Higher,
        (256e6, 0.02),
        (1e-9, 1),
    ),
];
/// What replicas of a model are compared by with each other.
pub static OF_REPLICAS: &[&Signal] = &[&TPOT, &TTFT];

/// Something whose floor should not rise.
#[derive(Debug)]
pub struct Floor {
    pub name: &'static str,
    /// The series themselves.
    pub query: &'static str,
    /// What they depend on, found by `instance`; empty for nothing.
    pub load: &'static str,
    /// Unix seconds at which what is watched began, found by `instance`; what was before does not count.
    pub start: &'static str,
    /// Slower growth, by day, is nothing.
    pub per_day: f64,
    /// Of texts.
    pub scale: f64,
    pub digits: usize,
}

/// More requests need more memory, connections and threads.
const FLOOR_RUNNING: &str = "max by (instance) (llm_requests_running)";
const ENGINE_START: &str = "max by (instance) (llm_engine_process_start_time_seconds)";

/// What leaks are looked for in.
pub static FLOORS: &[Floor] = &[
    Floor {
        name: "resident",
        query: "llm_engine_process_resident_bytes{$who}",
        load: FLOOR_RUNNING,
        start: ENGINE_START,
        per_day: 50e6,
        scale: 1e-6,
        digits: 0,
    },
    Floor {
        name: "accelerator_memory",
        query: "llm_engine_accelerator_memory_bytes{$who}",
        load: "max by (instance) (llm_kv_cache_usage_ratio)",
        start: ENGINE_START,
        per_day: 50e6,
        scale: 1e-6,
        digits: 0,
    },
    Floor {
        name: "files",
        query: "llm_engine_process_open_files{$who}",
        load: FLOOR_RUNNING,
        start: ENGINE_START,
        per_day: 20.0,
        scale: 1.0,
        digits: 0,
    },
    Floor {
        name: "threads",
        query: "llm_engine_process_threads{$who}",
        load: FLOOR_RUNNING,
        start: ENGINE_START,
        per_day: 10.0,
        scale: 1.0,
        digits: 0,
    },
    Floor {
        name: "own_memory",
        query: "modelwatch_process_resident_bytes{$who}",
        load: "",
        start: "",
        per_day: 10e6,
        scale: 1e-6,
        digits: 0,
    },
];

/// Something that is left and may run out.
#[derive(Debug)]
pub struct Supply {
    pub name: &'static str,
    pub query: &'static str,
    /// What is further away is not told, in seconds.
    pub horizon: f64,
}

const DAY: f64 = 86_400.0;

/// What may run out.
pub static SUPPLIES: &[Supply] = &[
    Supply {
        name: "disk",
        query: "node_filesystem_avail_bytes{fstype!~\"tmpfs|ramfs|squashfs|overlay\",$who}",
        horizon: 30.0 * DAY,
    },
    Supply { name: "memory", query: "node_memory_MemAvailable_bytes{$who}", horizon: 7.0 * DAY },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_parses_and_names_metrics_of_the_catalogue() {
        let signals = AT_LOAD.iter().chain(OF_WEEK).chain(OF_ACCELERATORS).chain(OF_REPLICAS);
        let mut texts: Vec<&str> = signals
            .flat_map(|signal| [signal.query].into_iter().chain(signal.loads.iter().copied()))
            .collect();
        texts.extend(FLOORS.iter().flat_map(|floor| [floor.query, floor.load, floor.start]));
        texts.extend(SUPPLIES.iter().map(|supply| supply.query));
        let word = regex::Regex::new(r"\b(?:llm|accelerator|node|modelwatch)_\w+").unwrap();
        for text in texts.into_iter().filter(|text| !text.is_empty()) {
            for who in ["", "a=\"b\",\"c.d\"=\"e\""] {
                let query = text.replace("$who", who);
                assert!(query::parse(&query).is_ok(), "{query}: {:?}", query::parse(&query));
            }
            for name in word.find_iter(text).map(|found| found.as_str()) {
                let name = name.trim_end_matches("_sum").trim_end_matches("_count");
                assert!(model::catalogue::find(name).is_some(), "{name}");
            }
        }
    }
}
