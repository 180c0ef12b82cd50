//! One request to a model, as seen between the client and the engine: who asked what of which model, how
//! long each part took, how many tokens it cost, and how it ended.
//!
//! Plain data. All durations are counted from the moment the last byte of the request had arrived; the
//! definitions are those of the field (TTFT is the first token with content, E2E ends with the event that
//! carries the reason of finishing). What was not seen is absent, never zero. Prompts and answers are not
//! in here unless somebody asked for them to be kept.

use std::{net::IpAddr, time::Duration};

use crate::UnixMs;

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The answer came whole and tells of no error.
    #[default]
    Ok,
    /// The client left before the end.
    ClientAbort,
    /// The engine could not be reached, answered with an error, or reported one inside a stream.
    UpstreamError,
    /// The answer ended before its end: without its end mark, or shorter than it promised.
    Truncated,
    /// The engine was silent for longer than allowed.
    Timeout,
    /// The gateway itself said no.
    Refused,
}

impl Outcome {
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::ClientAbort,
        Self::UpstreamError,
        Self::Truncated,
        Self::Timeout,
        Self::Refused,
    ];

    /// As it stands in labels and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ClientAbort => "client_abort",
            Self::UpstreamError => "upstream_error",
            Self::Truncated => "truncated",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
        }
    }
}

/// Tokens of one exchange, as far as they were told or counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All of the prompt, with what came from a cache.
    pub input: Option<u64>,
    pub output: Option<u64>,
    /// The part of the input that was served from a prefix cache.
    pub cached: Option<u64>,
    /// The part of the output that was reasoning.
    pub reasoning: Option<u64>,
    /// Whether the engine told the output; otherwise it was counted in events, which is a lower bound.
    pub is_exact: bool,
}

/// The gaps between the output events of one exchange, in buckets whose bounds are powers of 2^(1/8).
///
/// Bucket `i` ends at `2^(i/8)` seconds: those of a native histogram of schema 3. Gaps below a
/// microsecond count as one, those above a day as a day, so there are at most 292 buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    buckets: Vec<(i16, u32)>,
    sum: Duration,
    longest: Duration,
}

/// The schema of native histograms whose buckets [`Gaps`] has.
pub const GAPS_SCHEMA: i8 = 3;

impl Gaps {
    pub fn record(&mut self, gap: Duration) {
        self.add(gap, 1);
        self.sum = self.sum.saturating_add(gap);
        self.longest = self.longest.max(gap);
    }

    /// From a finer histogram: gaps and how often each occurred, with the exact sum and maximum.
    pub fn from_counts(
        counts: impl Iterator<Item = (Duration, u32)>,
        sum: Duration,
        longest: Duration,
    ) -> Self {
        let mut gaps = Self { buckets: Vec::new(), sum, longest };
        for (gap, count) in counts {
            gaps.add(gap, count);
        }
        gaps
    }

    fn add(&mut self, gap: Duration, count: u32) {
        let seconds = gap.as_secs_f64().clamp(1e-6, 86_400.0);
        let index = (seconds.log2() * 8.0).ceil() as i16;
        match self.buckets.binary_search_by_key(&index, |(index, _)| *index) {
            Ok(place) => {
                if let Some((_, present)) = self.buckets.get_mut(place) {
                    *present = present.saturating_add(count);
                }
            }
            Err(place) => self.buckets.insert(place, (index, count)),
        }
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    pub fn sum(&self) -> Duration {
        self.sum
    }

    pub fn longest(&self) -> Option<Duration> {
        (!self.buckets.is_empty()).then_some(self.longest)
    }

    /// Index and count of each bucket that has any, in order.
    pub fn buckets(&self) -> &[(i16, u32)] {
        &self.buckets
    }

    /// The upper bound of the bucket in which the quantile lies, at most 9 % above it.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let rank = (self.count() as f64 * quantile.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in &self.buckets {
            seen += u64::from(*count);
            if seen >= rank {
                let bound = Duration::from_secs_f64((f64::from(*index) / 8.0).exp2());
                return Some(bound.min(self.longest));
            }
        }
        None
    }
}

/// Why the gateway said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    AddressDenied,
    BodyTooLarge,
    BodyTooSlow,
    Concurrency,
    KeyExpired,
    KeyMissing,
    KeyUnknown,
    Malformed,
    Management,
    ModelDenied,
    ModelUnknown,
    NoUpstream,
    Overloaded,
    PathDenied,
    RequestRate,
    TokenBudget,
    TokenRate,
    Unsupported,
}

impl Refusal {
    /// As it stands in the header of the answer, in labels and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::AddressDenied => "address_denied",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTooSlow => "body_too_slow",
            Self::Concurrency => "concurrency",
            Self::KeyExpired => "key_expired",
            Self::KeyMissing => "key_missing",
            Self::KeyUnknown => "key_unknown",
            Self::Malformed => "malformed",
            Self::Management => "management",
            Self::ModelDenied => "model_denied",
            Self::ModelUnknown => "model_unknown",
            Self::NoUpstream => "no_upstream",
            Self::Overloaded => "overloaded",
            Self::PathDenied => "path_denied",
            Self::RequestRate => "request_rate",
            Self::TokenBudget => "token_budget",
            Self::TokenRate => "token_rate",
            Self::Unsupported => "unsupported",
        }
    }
}

/// A body that was kept because somebody asked for it: cut to size and redacted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptBody {
    pub text: String,
    /// Whether more of it went by than is kept.
    pub is_cut: bool,
}

/// One request to a model and its answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exchange {
    /// When the head of the request had arrived.
    pub time: UnixMs,
    /// The client's `x-request-id`, or one that was made for it.
    pub request_id: String,
    /// 32 hexadecimal digits, from the client's `traceparent` or made.
    pub trace_id: String,
    /// 16 hexadecimal digits: the span that the engine is told as its parent.
    pub span_id: String,
    /// The client's span, when it sent one.
    pub parent_span_id: Option<String>,

    pub method: String,
    /// Without its query, which may hold secrets; cut at 256 bytes.
    pub path: String,
    /// The API that the path belongs to, such as `openai`; empty when none is known.
    pub api: &'static str,
    /// What was asked for, such as `chat`; empty when unknown.
    pub operation: &'static str,
    pub http_version: &'static str,
    pub client: Option<IpAddr>,
    /// Cut at 256 bytes.
    pub user_agent: String,
    pub key_id: Option<String>,
    pub key_name: Option<String>,
    pub model_asked: Option<String>,
    /// What the answer calls the model.
    pub model_served: Option<String>,
    /// The name of the upstream that it went to last; absent when none was asked.
    pub upstream: Option<String>,
    pub is_stream: bool,
    /// Parameters such as `max_tokens` and `temperature` as they stand in the request; no texts.
    pub parameters: Vec<(&'static str, String)>,

    pub status: Option<u16>,
    pub outcome: Outcome,
    pub refusal: Option<Refusal>,
    /// What went wrong on the way, or the engine's word for its error; its message only where bodies are
    /// kept, since it may quote the prompt.
    pub error: Option<String>,
    pub finish_reason: Option<String>,
    /// The engine's id of the answer.
    pub response_id: Option<String>,
    /// Whether the answer was made token by token, so that TTFT and TPOT mean something.
    pub is_generation: bool,

    /// From the head of the request to its last byte.
    pub request_read: Duration,
    /// From the last byte of the request until it went to the engine: what the gateway itself took.
    pub queued: Option<Duration>,
    /// Absent when the connection was there already.
    pub connect: Option<Duration>,
    pub time_to_headers: Option<Duration>,
    pub time_to_first_chunk: Option<Duration>,
    /// To the first event with text, reasoning or a tool call.
    pub ttft: Option<Duration>,
    /// To the second such event.
    pub ttst: Option<Duration>,
    /// To the first event with text of the answer.
    pub ttfa: Option<Duration>,
    /// To the event with the reason of finishing, else to the last output.
    pub e2e: Option<Duration>,
    /// Time per output token after the first; absent with fewer than two.
    pub tpot: Option<Duration>,
    /// Tokens were made that no event showed (syntax of tool calls, reasoning), which makes `tpot` too
    /// short: `engine_tpot` is better then.
    pub has_hidden_tokens: bool,
    /// To the end of the exchange, however it ended.
    pub total: Duration,
    pub gaps: Gaps,
    /// What the engine says that it took: loading the model, the prompt, and each output token.
    pub engine_load: Option<Duration>,
    pub engine_prefill: Option<Duration>,
    pub engine_tpot: Option<Duration>,
    /// How long the answer waited for the client to take it.
    pub client_blocked: Duration,
    /// Sent a second time because the engine had closed the idle connection.
    pub is_retried: bool,
    /// No request of its sort had got a token from the engine since that started, as far as is known, and
    /// the first of this sort takes seconds more in some engines: its times are not to be compared.
    pub is_cold: bool,

    pub tokens: Tokens,
    /// Events that carried output.
    pub output_events: u64,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// Parts of the answer went by unseen: times, tokens and end may be wrong.
    pub is_partially_observed: bool,
    /// What could not be read of the answer, such as an event that is no JSON.
    pub problems: u64,
    pub request_body: Option<KeptBody>,
    pub response_body: Option<KeptBody>,
}

impl Exchange {
    /// Whether the client took so long to read that the times say more about it than about the engine.
    pub fn is_client_bound(&self) -> bool {
        self.e2e.is_some_and(|e2e| self.client_blocked * 20 > e2e)
    }

    /// Whether another model answered than was asked for.
    pub fn is_model_substituted(&self) -> bool {
        match (&self.model_asked, &self.model_served) {
            (Some(asked), Some(served)) => {
                asked != served && asked.strip_suffix(":latest").unwrap_or(asked) != served
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_keep_their_count_sum_and_shape() {
        let mut gaps = Gaps::default();
        assert_eq!((gaps.count(), gaps.quantile(0.5), gaps.longest()), (0, None, None));
        for millis in [5, 5, 5, 5, 5, 5, 5, 5, 5, 200] {
            gaps.record(Duration::from_millis(millis));
        }
        assert_eq!(gaps.count(), 10);
        assert_eq!(gaps.sum(), Duration::from_millis(245));
        assert_eq!(gaps.longest(), Some(Duration::from_millis(200)));
        let median = gaps.quantile(0.5).unwrap().as_secs_f64();
        assert!((0.005..0.0055).contains(&median), "{median}");
        assert_eq!(gaps.quantile(1.0), Some(Duration::from_millis(200)));
        gaps.record(Duration::ZERO);
        gaps.record(Duration::MAX);
        assert_eq!(gaps.count(), 12);

        let counts = [(Duration::from_millis(5), 9), (Duration::from_millis(200), 1)];
        let (sum, longest) = (Duration::from_millis(245), Duration::from_millis(200));
        let gaps = Gaps::from_counts(counts.into_iter(), sum, longest);
        assert_eq!((gaps.count(), gaps.sum(), gaps.buckets().len()), (10, sum, 2));
    }

    #[test]
    fn a_substituted_model_is_told() {
        let check = |asked: &str, served: &str, expected| {
            let (asked, served) = (Some(asked.to_owned()), Some(served.to_owned()));
            let exchange =
                Exchange { model_asked: asked, model_served: served, ..Exchange::default() };
            assert_eq!(exchange.is_model_substituted(), expected);
        };
        check("a", "a", false);
        check("a", "b", true);
        check("a:latest", "a", false);
        assert!(!Exchange::default().is_model_substituted());
    }
}
