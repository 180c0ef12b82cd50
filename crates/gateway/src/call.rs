//! One request from its head to its end, whatever that is: exactly one record comes of it.
//!
//! The record is given to the observer when the call ends or is dropped. Dropped means that the client
//! left: hyper drops what it no longer needs, in all windows from the first byte to the last.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use dialect::End;
use model::exchange::{Exchange, Outcome};

use crate::{
    access::{Debit, Place},
    observe::{Ended, Ending, Estimate, Watch},
    shared::Shared,
    upstream::InFlight,
};

pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) exchange: Box<Exchange>,
    /// When the last byte of the request had arrived, on the monotonic clock; until then when the head had.
    pub(crate) since: Duration,
    pub(crate) watch: Option<Arc<Watch>>,
    /// Only where bodies are kept.
    pub(crate) request_body: Option<Bytes>,
    /// Whether the answer has a usage that the client did not ask for.
    pub(crate) has_foreign_usage: bool,
    pub(crate) debit: Option<(Debit, Estimate)>,
    /// What is held while the call lasts.
    pub(crate) place: Option<Place>,
    pub(crate) in_flight: Option<InFlight>,
    is_over: bool,
}

impl Call {
    pub(crate) fn new(shared: Arc<Shared>, exchange: Box<Exchange>) -> Self {
        let since = shared.clock.monotonic();
        Self {
            shared,
            exchange,
            since,
            watch: None,
            request_body: None,
            has_foreign_usage: false,
            debit: None,
            place: None,
            in_flight: None,
            is_over: false,
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.shared.clock.monotonic().saturating_sub(self.since)
    }

    /// Lets the observer see a part of the answer.
    pub(crate) fn observe(&mut self, bytes: &Bytes, at: Duration) {
        self.exchange.response_bytes += bytes.len() as u64;
        if let Some(watch) = &self.watch {
            self.shared.queue.part(watch, bytes.clone(), at);
        }
    }

    pub(crate) fn end(&mut self, ending: Ending) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        self.place = None;
        self.in_flight = None;
        self.shared.queue.end(Ended {
            watch: self.watch.take(),
            exchange: std::mem::take(&mut self.exchange),
            ending,
            at: self.elapsed(),
            debit: self.debit.take(),
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let has_answer = self.exchange.time_to_headers.is_some();
        self.end(if has_answer {
            Ending::Body(End::ClientClosed)
        } else {
            Ending::Without(Outcome::ClientAbort)
        });
    }
}
