//! One request and its answer.

use std::time::Duration;

use dialect::{Count, End, Fold, Gaps, Outcome, Summary};
use hyper::Method;
use model::Clock;

use super::{Plan, Record};
use crate::client::{Client, Failure};

/// An answer that is longer counts as broken.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// No connection.
    Connect,
    /// Another status than success.
    Status(u16),
    /// An error inside an answer that began well.
    Error,
    /// It ended without its finish event.
    Truncated,
    /// Finished, and nothing was in it: no output and no count of it.
    Empty,
    /// The connection broke, or what came is no HTTP.
    Broken,
    Timeout,
}

impl Kind {
    /// A short stable name.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Connect => "connect".into(),
            Self::Status(status) => format!("http_{status}"),
            Self::Error => "error".into(),
            Self::Truncated => "truncated".into(),
            Self::Empty => "empty".into(),
            Self::Broken => "broken".into(),
            Self::Timeout => "timeout".into(),
        }
    }
}

/// When a request should be sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// Closed loop: since when there was nothing to wait for.
    Since(Duration),
    /// Open loop: `possible` is later than `intended` where a place among those in flight had to become free.
    At { intended: Duration, possible: Duration },
}

impl Due {
    fn possible(self) -> Duration {
        match self {
            Self::Since(possible) | Self::At { possible, .. } => possible,
        }
    }

    /// From when times count, of a request that was sent at this time.
    fn zero(self, sent: Duration) -> Duration {
        match self {
            Self::Since(_) => sent,
            Self::At { intended, .. } => intended,
        }
    }
}

pub(super) struct Done {
    pub(super) result: Result<(Record, Gaps), (Kind, String)>,
    /// By how much the generator itself sent it late; absent where it was not sent.
    pub(super) own_lag: Option<Duration>,
    pub(super) is_sent_again: bool,
    pub(super) ended: Duration,
}

/// Sends the request and reads its answer. `began` is when the load began.
pub(super) async fn exchange(
    plan: &Plan,
    client: &Client,
    clock: &Clock,
    index: u64,
    body: bytes::Bytes,
    due: Due,
    began: Duration,
) -> Done {
    let mut done = Done {
        result: Err((Kind::Timeout, String::new())),
        own_lag: None,
        is_sent_again: false,
        ended: began,
    };
    let talking = async {
        let mut answer =
            client.send(Method::POST, plan.ask.api.path(), body).await.map_err(failed)?;
        let sent = answer.sent;
        let late = sent.saturating_sub(due.possible());
        done.own_lag = Some(late.saturating_sub(answer.connecting));
        done.is_sent_again = answer.is_sent_again;
        let zero = due.zero(sent);
        let api = plan.ask.api.dialect();
        let mut fold = Fold::of_response(api, answer.content_type(), plan.ask.is_streaming);
        let mut bytes = 0;
        let (end, broken) = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => {
                    fold.push(&chunk, clock.monotonic().saturating_sub(zero));
                    bytes += chunk.len() as u64;
                    if bytes > ANSWER_BYTES_MAX {
                        return Err((Kind::Broken, format!("> {ANSWER_BYTES_MAX} bytes")));
                    }
                }
                Ok(None) => break (End::Complete, None),
                Err(failure) => break (End::Broken, Some(failure)),
            }
        };
        let summary = fold.finish(end, clock.monotonic().saturating_sub(zero));
        let status = answer.status;
        if broken.is_none() {
            client.keep(answer);
        }
        if !status.is_success() {
            return Err((Kind::Status(status.as_u16()), message_of(&summary, broken)));
        }
        let start = zero.saturating_sub(began);
        let record = Record { index, start, lag: sent.saturating_sub(zero), ..record(&summary) };
        match failure_of(&summary, broken) {
            None => Ok((record, summary.gaps)),
            Some(failure) => Err(failure),
        }
    };
    let result = tokio::time::timeout(plan.timeout, talking).await;
    if let Ok(result) = result {
        done.result = result;
    }
    done.ended = clock.monotonic();
    done
}

fn failed(failure: Failure) -> (Kind, String) {
    match failure {
        Failure::Connect(reason) => (Kind::Connect, reason),
        Failure::Broken(reason) => (Kind::Broken, reason),
    }
}

fn message_of(summary: &Summary, broken: Option<Failure>) -> String {
    let told = summary.error.as_ref().map(|error| error.message.clone());
    told.or_else(|| broken.map(|failure| failure.reason().to_owned())).unwrap_or_default()
}

fn failure_of(summary: &Summary, broken: Option<Failure>) -> Option<(Kind, String)> {
    let kind = match summary.outcome {
        Outcome::Ok if summary.tokens.output.is_none() && summary.output_events == 0 => Kind::Empty,
        Outcome::Ok => return None,
        Outcome::Error => Kind::Error,
        Outcome::Truncated if broken.is_some() => Kind::Broken,
        Outcome::Truncated | Outcome::Cancelled => Kind::Truncated,
        Outcome::Timeout => Kind::Timeout,
    };
    Some((kind, message_of(summary, broken)))
}

fn record(summary: &Summary) -> Record {
    let some = |count: Option<Count>| count.filter(|count| count.value > 0);
    Record {
        ttft: summary.ttft,
        ttfa: summary.ttfa,
        tpot: summary.tpot,
        e2e: summary.e2e,
        engine_tpot: summary.engine.tpot,
        engine_prefill: summary.engine.prefill,
        input: some(summary.tokens.input),
        output: some(summary.tokens.output),
        has_hidden_tokens: summary.has_hidden_tokens,
        ..Record::default()
    }
}
