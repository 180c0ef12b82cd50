//! Ids of requests and of traces, as `x-request-id` and the W3C's `traceparent` carry them.
//!
//! They tell requests apart and are no secrets: a random start, then a good mixing of a counter.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use ring::rand::{SecureRandom as _, SystemRandom};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Longest id of a request that is taken over from a client; for a longer one another is made.
const REQUEST_ID_BYTES_MAX: usize = 128;

#[derive(Debug)]
pub(crate) struct Ids {
    start: u64,
    next: AtomicU64,
}

/// Who a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identifiers {
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) parent_span_id: Option<String>,
    flags: String,
}

impl Ids {
    pub(crate) fn new() -> Self {
        let mut bytes = [0; 8];
        // Without random numbers two gateways may make the same ids, which does no harm to either.
        let _unseeded = SystemRandom::new().fill(&mut bytes);
        Self { start: u64::from_le_bytes(bytes), next: AtomicU64::new(0) }
    }

    /// The mixing of <https://prng.di.unimi.it/splitmix64.c>.
    fn next(&self) -> u64 {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mut mixed = self.start.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).max(1)
    }

    /// Takes over what the client sent, and makes the rest.
    pub(crate) fn identify(&self, headers: &HeaderMap) -> Identifiers {
        let request_id = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let usable = |id: &&str| !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX;
        let request_id = match request_id.filter(usable) {
            Some(id) => id.to_owned(),
            None => format!("{:016x}{:016x}", self.next(), self.next()),
        };
        let parent = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let (trace_id, parent_span_id, flags) = match parent.and_then(parse_traceparent) {
            Some((trace, span, flags)) => {
                (trace.to_owned(), Some(span.to_owned()), flags.to_owned())
            }
            None => (format!("{:016x}{:016x}", self.next(), self.next()), None, "01".to_owned()),
        };
        let span_id = format!("{:016x}", self.next());
        Identifiers { request_id, trace_id, span_id, parent_span_id, flags }
    }
}

impl Identifiers {
    pub(crate) fn traceparent(&self) -> Option<HeaderValue> {
        let text = format!("00-{}-{}-{}", self.trace_id, self.span_id, self.flags);
        HeaderValue::from_str(&text).ok()
    }
}

fn parse_traceparent(text: &str) -> Option<(&str, &str, &str)> {
    let mut parts = text.trim().split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (span, flags) = (parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |text: &str, length: usize| is_hex(text, length) && text.bytes().any(|b| b != b'0');
    // Later versions may have more parts, this one has not.
    let is_whole = version != "00" || parts.next().is_none();
    let good = is_hex(version, 2) && version != "ff" && is_id(trace, 32) && is_id(span, 16);
    (good && is_hex(flags, 2) && is_whole).then_some((trace, span, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn what_the_client_sent_is_taken_over() {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let headers = HeaderMap::from_iter([
            (REQUEST_ID, HeaderValue::from_static("abc")),
            (TRACEPARENT, HeaderValue::from_str(&parent).unwrap()),
        ]);
        let ids = Ids::new().identify(&headers);
        assert_eq!(ids.request_id, "abc");
        assert_eq!(ids.trace_id, TRACE);
        assert_eq!(ids.parent_span_id.as_deref(), Some("00f067aa0ba902b7"));
        let traceparent = ids.traceparent().unwrap();
        assert_eq!(traceparent, format!("00-{TRACE}-{}-01", ids.span_id));
        assert!(parse_traceparent(traceparent.to_str().unwrap()).is_some());
    }

    #[test]
    fn the_rest_is_made() {
        let ids = Ids::new();
        let long = HeaderValue::from_str(&"x".repeat(129)).unwrap();
        let headers = HeaderMap::from_iter([(REQUEST_ID, long)]);
        let (first, second) = (ids.identify(&headers), ids.identify(&HeaderMap::new()));
        assert_eq!(first.request_id.len(), 32);
        assert!(first.trace_id != second.trace_id && first.span_id != second.span_id);
        assert!(first.request_id != second.request_id && first.parent_span_id.is_none());
    }

    #[test]
    fn what_is_no_traceparent() {
        let check = |text: &str, expected: bool| {
            assert_eq!(parse_traceparent(text).is_some(), expected, "{text}");
        };
        check(&format!("00-{TRACE}-00f067aa0ba902b7-01"), true);
        check(&format!("cc-{TRACE}-00f067aa0ba902b7-01-more"), true);
        check(&format!("00-{TRACE}-00f067aa0ba902b7-01-more"), false);
        check(&format!("ff-{TRACE}-00f067aa0ba902b7-01"), false);
        check(&format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false);
        check(&format!("00-{TRACE}-0000000000000000-01"), false);
        check(&format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()), false);
        check("", false);
    }
}
