//! A load generator for endpoints that speak OpenAI's API: how fast an engine answers, and how much.
//!
//! Closed loop (so many requests at any time: the next is sent when one has ended) or open loop (requests
//! arrive at a rate, whether or not earlier ones have ended). In an open loop every time counts from the
//! *intended* send time, so that an engine that stalls is charged for those that had to wait (otherwise
//! they are omitted, coordinated by the engine itself). It does not judge answers and keeps none.
//! Bias: the client's view over one HTTP/1.1 connection for each request in flight; what the generator
//! itself was late is measured and told.

mod exchange;
mod json;
mod load;
mod plot;
mod report;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use model::Clock;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

pub use json::write as write_json;
pub use plot::svg;
pub use report::{Failures, Goodput, Quantiles, Report, TokenSum};

use crate::{Problem, Prompts, client::Client};

/// More requests in all, over all loads and their warm-up, are refused.
pub const REQUESTS_MAX: u64 = 500_000;
/// More requests at a time, which is connections, are refused.
pub const CONCURRENCY_MAX: u32 = 1_024;
/// Faster arrivals are refused.
pub const RATE_MAX: f64 = 10_000.0;
/// Slower arrivals are refused.
const RATE_MIN: f64 = 0.001;
/// A sweep over more loads is refused.
pub const LOADS_MAX: usize = 32;
/// A longer run of one load is refused, and so is a longer wait for one answer.
pub const DURATION_MAX: Duration = Duration::from_secs(86_400);

/// Which path is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    Chat,
    Completions,
}

impl Api {
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
        }
    }

    fn dialect(self) -> dialect::Api {
        match self {
            Self::Chat => dialect::Api::OpenAiChat,
            Self::Completions => dialect::Api::OpenAiCompletions,
        }
    }
}

/// How requests of an open loop are spread in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// At random, each independent of the others, as those of many people are.
    Poisson,
    Constant,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    Closed {
        concurrency: u32,
    },
    Open {
        /// Requests in a second.
        rate: f64,
        arrival: Arrival,
        /// Those that arrive while so many are in flight wait, and that counts.
        in_flight_max: u32,
    },
}

impl Load {
    pub(crate) fn in_flight_max(self) -> u32 {
        match self {
            Self::Closed { concurrency } => concurrency,
            Self::Open { in_flight_max, .. } => in_flight_max,
        }
    }
}

/// What a request has to keep to be counted as good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slo {
    pub ttft: Option<Duration>,
    pub tpot: Option<Duration>,
    pub e2e: Option<Duration>,
}

/// What every request asks for.
#[derive(Clone, Debug)]
pub struct Ask {
    pub api: Api,
    pub model: String,
    pub is_streaming: bool,
    /// Answers go on to their limit of tokens, on engines that know this member.
    pub ignore_eos: bool,
    /// More members of the body, over all others.
    pub extra: Map<String, Value>,
}

/// See the module. Nothing is sent before [`run`].
#[derive(Clone, Debug)]
pub struct Plan {
    pub ask: Ask,
    pub prompts: Prompts,
    /// One after the other.
    pub loads: Vec<Load>,
    /// At most so many for each load.
    pub requests: u64,
    /// None is sent later than this after the first of its load; those in flight are waited for.
    pub duration: Option<Duration>,
    /// Sent before the others of each load, and left out.
    pub warmup: u64,
    /// How long a request may take in all.
    pub timeout: Duration,
    pub slo: Slo,
}

impl Plan {
    /// Whether everything is within the bounds of this module.
    pub fn check(&self) -> Result<(), Problem> {
        let beyond = |what: &'static str, value: &dyn ToString, limit: &dyn ToString| {
            Err(Problem::new(
                "bench.beyond",
                [("option", &what), ("value", value), ("limit", limit)],
            ))
        };
        let loads = self.loads.len();
        if !(1..=LOADS_MAX).contains(&loads) {
            return beyond("--concurrency, --rate", &loads, &format!("1-{LOADS_MAX}"));
        }
        let all = self.requests.saturating_add(self.warmup).saturating_mul(loads as u64);
        if self.requests == 0 || all > REQUESTS_MAX {
            return beyond("--requests", &all, &format!("1-{REQUESTS_MAX}"));
        }
        for load in &self.loads {
            let concurrency = load.in_flight_max();
            if !(1..=CONCURRENCY_MAX).contains(&concurrency) {
                return beyond("--concurrency", &concurrency, &format!("1-{CONCURRENCY_MAX}"));
            }
            match load {
                Load::Open { rate, .. } if !(RATE_MIN..=RATE_MAX).contains(rate) => {
                    return beyond("--rate", rate, &format!("{RATE_MIN}-{RATE_MAX}"));
                }
                _ => {}
            }
        }
        let times = [("--duration", self.duration), ("--timeout", Some(self.timeout))];
        for (option, time) in times {
            if time.is_some_and(|time| time.is_zero() || time > DURATION_MAX) {
                let seconds = time.unwrap_or_default().as_secs_f64();
                return beyond(option, &format!("{seconds}s"), &"24h");
            }
        }
        Ok(())
    }

    /// The body of the request with this index.
    fn body(&self, index: u64) -> Bytes {
        let prompt = self.prompts.prompt(index);
        let ask = &self.ask;
        let mut body = Map::new();
        body.insert("model".into(), json!(ask.model));
        match ask.api {
            Api::Chat => body.insert("messages".into(), prompt.messages()),
            Api::Completions => body.insert("prompt".into(), prompt.text()),
        };
        body.insert("max_tokens".into(), json!(prompt.output_tokens));
        body.insert("stream".into(), json!(ask.is_streaming));
        if ask.is_streaming {
            body.insert("stream_options".into(), json!({"include_usage": true}));
        }
        if ask.ignore_eos {
            body.insert("ignore_eos".into(), json!(true));
        }
        body.extend(ask.extra.clone());
        Bytes::from(Value::Object(body).to_string())
    }
}

/// How far a run is, for whoever waits for it.
#[derive(Debug, Default)]
pub struct Progress {
    load: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
}

impl Progress {
    /// Which load is at work, from 0.
    pub fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed) as usize
    }

    /// Requests of this load that have ended, and how many of them failed.
    pub fn done(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

/// What came of one request that was answered well. Times are those of the report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record {
    /// Which request; see [`Plan`].
    pub(crate) index: u64,
    /// When it was sent, or should have been in an open loop; since the load began.
    pub(crate) start: Duration,
    /// How much later than that it was sent.
    pub(crate) lag: Duration,
    pub(crate) ttft: Option<Duration>,
    pub(crate) ttfa: Option<Duration>,
    pub(crate) tpot: Option<Duration>,
    pub(crate) e2e: Option<Duration>,
    pub(crate) engine_tpot: Option<Duration>,
    pub(crate) engine_prefill: Option<Duration>,
    pub(crate) input: Option<dialect::Count>,
    pub(crate) output: Option<dialect::Count>,
    pub(crate) has_hidden_tokens: bool,
}

/// A report and what it was made of.
#[derive(Debug)]
pub struct Measured {
    pub report: Report,
    pub(crate) records: Vec<Record>,
    pub(crate) gaps: dialect::Gaps,
}

/// Does what the plan says. It ends early when `stop` becomes true, and what was measured until then is
/// told; loads that had not begun are missing then.
pub async fn run(
    plan: Arc<Plan>,
    client: Arc<Client>,
    clock: Clock,
    stop: watch::Receiver<bool>,
    progress: Arc<Progress>,
) -> Vec<Measured> {
    let generator = load::Generator { plan, client, clock, stop, progress };
    let mut measured = Vec::new();
    let mut index = 0;
    for (place, load) in generator.plan.loads.iter().enumerate() {
        generator.progress.load.store(place as u64, Ordering::Relaxed);
        let warmed = index + generator.plan.warmup;
        generator.warm_up(*load, index..warmed).await;
        if *generator.stop.borrow() {
            break;
        }
        let one = generator.measure(*load, warmed).await;
        // The next load asks what was not asked yet: nothing of it is in the engine's cache.
        index = warmed + one.report.sent;
        measured.push(one);
    }
    measured
}

#[cfg(test)]
mod tests;
