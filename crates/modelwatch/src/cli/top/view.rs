//! What is on the screen, and equally in the JSON: plain values, absent where nobody told them.

use std::collections::BTreeMap;

use model::UnixMs;

use crate::verdict::Level;

/// A text of the catalogue with its parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) code: String,
    pub(super) params: Vec<(String, String)>,
}

/// Where the values come from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Origin {
    /// A running modelwatch.
    Server { url: String },
    /// This process reads them itself.
    Local,
}

/// How the connection is doing. One that collects itself is always live.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Link {
    Connecting,
    Live,
    /// No socket gets through; asked over HTTP.
    Polling,
    /// Everything shown is from `since`.
    Lost {
        since: UnixMs,
        reason: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Verdict {
    pub(super) level: Level,
    pub(super) said: Said,
    pub(super) since: Option<UnixMs>,
}

/// The machine that modelwatch runs on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Host {
    pub(super) name: Option<String>,
    pub(super) os: Option<String>,
    pub(super) kernel: Option<String>,
    pub(super) cpu_model: Option<String>,
    pub(super) cpus: Option<u64>,
    pub(super) memory_bytes: Option<u64>,
}

/// An accelerator on the bus, which is known even where nothing can be read from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct OnBus {
    pub(super) vendor: String,
    pub(super) device: String,
    pub(super) address: String,
    pub(super) driver: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EngineState {
    // What needs attention comes first.
    Down,
    Starting,
    #[default]
    Unknown,
    Up,
}

impl EngineState {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Starting => "starting",
            Self::Unknown => "unknown",
            Self::Up => "up",
        }
    }
}

/// A value, and who told it where that was not the engine itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) value: f64,
    pub(super) source: String,
}

/// Points of the last minutes, oldest first: Unix milliseconds and value.
pub(super) type Past = Vec<(i64, f64)>;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Engine {
    /// `host:port`, which tells engines apart.
    pub(super) instance: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) url: Option<String>,
    pub(super) version: Option<String>,
    pub(super) pid: Option<String>,
    pub(super) models: Vec<String>,
    pub(super) state: EngineState,
    pub(super) since: Option<UnixMs>,
    pub(super) notes: Vec<Said>,
    pub(super) running: Option<Told>,
    pub(super) waiting: Option<Told>,
    pub(super) kv_cache: Option<Told>,
    pub(super) context: Option<Told>,
    pub(super) ttft_p50: Option<Told>,
    pub(super) ttft_p95: Option<Told>,
    pub(super) tpot_p50: Option<Told>,
    pub(super) tpot_p95: Option<Told>,
    pub(super) itl_p95: Option<Told>,
    pub(super) e2e_p95: Option<Told>,
    pub(super) tokens_out: Option<Told>,
    pub(super) tokens_in: Option<Told>,
    pub(super) finished: Option<Told>,
    pub(super) failed: Option<Told>,
    pub(super) preemptions: Option<Told>,
    pub(super) tokens_cached: Option<Told>,
    pub(super) prefix_hits: Option<Told>,
    pub(super) spec_accepted: Option<Told>,
    pub(super) resident: Option<Told>,
    pub(super) cpu: Option<Told>,
    pub(super) past_tokens_out: Past,
    pub(super) past_ttft_p95: Past,
}

/// Why clocks are held down, by what people do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Throttle {
    Hardware,
    Thermal,
    Power,
    Other,
}

impl Throttle {
    /// `None` for what is normal in idleness or was set by a person.
    pub(super) fn of_reason(reason: &str) -> Option<Self> {
        match reason {
            "idle" | "app_clocks" | "display_clocks" | "sync_boost" => None,
            "hw_slowdown" => Some(Self::Hardware),
            "sw_thermal" | "hw_thermal" => Some(Self::Thermal),
            "sw_power_cap" | "hw_power_brake" => Some(Self::Power),
            _ => Some(Self::Other),
        }
    }

    pub(super) fn letter(self) -> &'static str {
        match self {
            Self::Hardware => "H",
            Self::Thermal => "T",
            Self::Power => "P",
            Self::Other => "!",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Process {
    pub(super) pid: String,
    pub(super) name: String,
    pub(super) engine: String,
    pub(super) container: String,
    pub(super) memory_bytes: f64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Device {
    pub(super) host: String,
    pub(super) index: String,
    /// Empty for a whole device.
    pub(super) partition: String,
    pub(super) uuid: String,
    pub(super) vendor: String,
    pub(super) model: String,
    pub(super) driver: String,
    pub(super) is_up: Option<bool>,
    pub(super) health: Option<String>,
    pub(super) utilization: Option<f64>,
    pub(super) memory_used: Option<f64>,
    pub(super) memory_total: Option<f64>,
    pub(super) power: Option<f64>,
    pub(super) power_limit: Option<f64>,
    pub(super) temperature: Option<f64>,
    /// By sensor.
    pub(super) temperatures: BTreeMap<String, f64>,
    pub(super) clock: Option<f64>,
    pub(super) clock_max: Option<f64>,
    pub(super) fan: Option<f64>,
    /// Active reasons; `None` where the device does not tell.
    pub(super) throttle: Option<Vec<String>>,
    pub(super) errors: Option<f64>,
    /// By type.
    pub(super) ecc: BTreeMap<String, f64>,
    /// Readings that are missing, and why: `unsupported`, `denied` or `error`.
    pub(super) missing: BTreeMap<String, String>,
    pub(super) processes: Vec<Process>,
    pub(super) past_utilization: Past,
}

impl Device {
    /// `host/index`, with the partition where it is one.
    pub(super) fn id(&self) -> String {
        let Self { host, index, partition, .. } = self;
        let place = if host.is_empty() { index.clone() } else { format!("{host}/{index}") };
        if partition.is_empty() { place } else { format!("{place}:{partition}") }
    }

    /// Whether the power cap alone holds the clocks down, which is how such devices are meant to be run.
    pub(super) fn is_only_capped(&self) -> bool {
        let unusual = self.throttle.iter().flatten().filter(|reason| *reason != "sw_power_cap");
        self.throttled() == Some(Throttle::Power)
            && unusual.filter_map(|reason| Throttle::of_reason(reason)).next().is_none()
    }

    /// The most serious of the active reasons.
    pub(super) fn throttled(&self) -> Option<Throttle> {
        let reasons = self.throttle.iter().flatten();
        reasons.filter_map(|reason| Throttle::of_reason(reason)).min()
    }
}

/// One request that the gateway recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Request {
    pub(super) id: String,
    pub(super) time: i64,
    pub(super) model: String,
    pub(super) key: String,
    pub(super) upstream: String,
    pub(super) path: String,
    pub(super) outcome: String,
    pub(super) finish_reason: String,
    pub(super) error: String,
    pub(super) status: Option<u64>,
    pub(super) tokens_input: Option<u64>,
    pub(super) tokens_cached: Option<u64>,
    pub(super) tokens_output: Option<u64>,
    pub(super) queued_ms: Option<f64>,
    pub(super) ttft_ms: Option<f64>,
    pub(super) tpot_ms: Option<f64>,
    pub(super) e2e_ms: Option<f64>,
    pub(super) total_ms: Option<f64>,
}

/// Whether there are requests to show.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Requests {
    /// Not asked yet, or not answered.
    #[default]
    Unknown,
    /// Nothing records requests.
    Off,
    Known {
        total: u64,
        rows: Vec<Request>,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Event {
    pub(super) time: i64,
    pub(super) source: String,
    pub(super) severity: String,
    pub(super) said: Said,
}

/// A source that cannot be read, and what to do about it. Engines are not among them: each has its row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Failing {
    pub(super) name: String,
    pub(super) failure: Said,
    pub(super) hint: Said,
}

/// The page's tiles, over all engines.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) tokens_out: Option<f64>,
    pub(super) tokens_in: Option<f64>,
    pub(super) running: Option<f64>,
    pub(super) waiting: Option<f64>,
    /// Of the fullest engine.
    pub(super) kv_cache: Option<f64>,
    pub(super) context: Option<f64>,
    /// Of the slowest engine.
    pub(super) ttft_p95: Option<f64>,
    pub(super) failed: Option<f64>,
    pub(super) host_cpu: Option<f64>,
    pub(super) memory_used: Option<f64>,
    pub(super) memory_total: Option<f64>,
    pub(super) received: Option<f64>,
    pub(super) sent: Option<f64>,
    pub(super) read: Option<f64>,
    pub(super) written: Option<f64>,
    /// Shares of time that tasks waited, by resource.
    pub(super) pressure: BTreeMap<String, f64>,
    pub(super) past_host_cpu: Past,
}

/// Everything at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    pub(super) now: UnixMs,
    pub(super) origin: Origin,
    pub(super) link: Link,
    pub(super) version: Option<String>,
    pub(super) host: Host,
    pub(super) verdict: Verdict,
    pub(super) totals: Totals,
    pub(super) engines: Vec<Engine>,
    pub(super) devices: Vec<Device>,
    /// Devices of which no reading is shown.
    pub(super) on_bus: Vec<OnBus>,
    pub(super) requests: Requests,
    /// Newest first.
    pub(super) events: Vec<Event>,
    pub(super) failing: Vec<Failing>,
    /// What modelwatch itself costs.
    pub(super) cost_cpu_ms: Option<f64>,
    pub(super) cost_bytes: Option<f64>,
}

impl View {
    /// Whether whoever collects has said anything yet: until then nothing is absent.
    pub(super) fn is_known(&self) -> bool {
        !self.verdict.said.code.is_empty()
    }
}
