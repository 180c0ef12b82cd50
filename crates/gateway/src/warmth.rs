//! Which engines have answered which sorts of requests since they started.
//!
//! Some engines compile what a sort of request needs when the first one comes: the first that asks vLLM for
//! log probabilities takes seconds more, and so do those that come meanwhile. Their records are marked, so that
//! what is usual can be told without them. Of other sorts no such cost is known, and none is marked.
//!
//! Bias: an engine that starts anew behind the gateway is noticed when it cannot be reached or somebody says
//! so; the first request after the gateway's own start counts as cold although the engine may be warm.

use std::{collections::HashMap, time::Duration};

use model::{
    UnixMs,
    exchange::{Exchange, Outcome},
};

/// The parameter of the sort of requests whose first one is slow.
const SLOW_AT_FIRST: &str = "logprobs";

/// Records know milliseconds, of three moments; what is as near as this came after the answer.
const INEXACT_MS: i64 = 3;

/// For each upstream that has answered one of that sort: when its first token came.
#[derive(Debug, Default)]
pub(crate) struct Warmth(HashMap<String, UnixMs>);

impl Warmth {
    /// Marks a record that has ended, and learns of it. Records may come in any order.
    pub(crate) fn mark(&mut self, exchange: &mut Exchange) {
        let Some(upstream) = &exchange.upstream else { return };
        // It was not there or went away: what answers next is another process.
        if exchange.time_to_headers.is_none() && exchange.outcome == Outcome::UpstreamError {
            self.0.remove(upstream);
            return;
        }
        let is_slow = exchange.parameters.iter().any(|(name, _)| *name == SLOW_AT_FIRST);
        if !is_slow || !exchange.is_generation || exchange.time_to_headers.is_none() {
            return;
        }
        let sent = after(exchange.time, exchange.request_read);
        let since = self.0.get(upstream).copied();
        exchange.is_cold = since.is_none_or(|since| sent.0 + INEXACT_MS < since.0);
        // An answer that is no stream has no first token, but it is there when it has ended.
        let is_whole = exchange.outcome == Outcome::Ok;
        let first = exchange.ttft.or(is_whole.then_some(exchange.total));
        if let Some(first) = first.map(|first| after(sent, first))
            && since.is_none_or(|since| first < since)
        {
            self.0.insert(upstream.clone(), first);
        }
    }

    /// The engine behind that upstream has started anew.
    pub(crate) fn forget(&mut self, upstream: &str) {
        self.0.remove(upstream);
    }
}

fn after(time: UnixMs, duration: Duration) -> UnixMs {
    UnixMs(time.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cold_is_what_was_sent_before_the_first_answer_of_its_sort() {
        let warmth = &mut Warmth::default();
        let check = |warmth: &mut Warmth,
                     sent: i64,
                     ttft: u64,
                     change: fn(&mut Exchange),
                     is_cold: bool| {
            let mut exchange = Exchange {
                time: UnixMs(sent),
                upstream: Some("one".into()),
                parameters: vec![(SLOW_AT_FIRST, "true".into())],
                is_generation: true,
                time_to_headers: Some(Duration::ZERO),
                ttft: Some(Duration::from_millis(ttft)),
                ..Exchange::default()
            };
            change(&mut exchange);
            warmth.mark(&mut exchange);
            assert_eq!(exchange.is_cold, is_cold, "sent at {sent}");
        };
        check(warmth, 0, 50, |exchange| exchange.parameters.clear(), false);
        check(warmth, 50, 50, |exchange| exchange.is_generation = false, false);
        // One that was refused by the engine warms nothing.
        let refused = |exchange: &mut Exchange| {
            (exchange.ttft, exchange.outcome) = (None, Outcome::UpstreamError);
        };
        check(warmth, 100, 0, refused, true);
        check(warmth, 1_000, 6_000, |_| {}, true);
        check(warmth, 2_000, 5_010, |_| {}, true);
        check(warmth, 8_000, 50, |_| {}, false);
        let other = |exchange: &mut Exchange| exchange.upstream = Some("two".into());
        check(warmth, 8_000, 50, other, true);
        let gone = |exchange: &mut Exchange| {
            (exchange.time_to_headers, exchange.outcome) = (None, Outcome::UpstreamError);
        };
        check(warmth, 9_000, 0, gone, false);
        let whole = |exchange: &mut Exchange| {
            (exchange.ttft, exchange.total) = (None, Duration::from_secs(2));
        };
        check(warmth, 10_000, 0, whole, true);
        check(warmth, 12_001, 50, |_| {}, false);
        warmth.forget("one");
        check(warmth, 13_000, 50, |_| {}, true);
    }
}
