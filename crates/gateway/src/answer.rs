//! The body of an answer on its way to the client: the engine's frames as they come, each looked at in
//! passing.
//!
//! Nothing is collected here: a frame is asked for when the client can take one, so a slow client slows
//! the engine and not the memory. The whole has no time limit; silence has.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dialect::End;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::{call::Call, observe::Ending, upstream::Lease};

/// A shorter wait for the client is the time that writing takes, and not counted.
const BLOCKED_MIN: Duration = Duration::from_millis(1);

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

pub(crate) enum Answer {
    /// Made by the gateway, or empty.
    Own(Option<Bytes>),
    Engine(Box<Tap>),
}

/// The engine's body, and everything that has to end with it.
pub(crate) struct Tap {
    body: Incoming,
    call: Call,
    /// The connection goes back to its pool after the last frame, and is closed before.
    lease: Option<Lease>,
    target: std::sync::Arc<crate::upstream::Target>,
    idle: Pin<Box<Sleep>>,
    last: Instant,
    /// When the client was given a frame that it may not have taken yet.
    given: Option<Duration>,
}

#[derive(Debug, thiserror::Error)]
#[error("the engine was silent for {} s", .0.as_secs())]
struct Silent(Duration);

impl Tap {
    pub(crate) fn new(
        body: Incoming,
        call: Call,
        lease: Lease,
        target: std::sync::Arc<crate::upstream::Target>,
    ) -> Self {
        let idle = Box::pin(sleep(call.shared.config.timeouts.idle));
        let last = Instant::now();
        Self { body, call, lease: Some(lease), target, idle, last, given: None }
    }

    fn complete(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.target.keep(lease, self.call.shared.clock.monotonic());
        }
        self.call.end(Ending::Body(End::Complete));
    }

    fn fail(&mut self, end: End) {
        self.lease = None;
        self.call.end(Ending::Body(end));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(given) = self.given.take() {
            let waited = self.call.elapsed().saturating_sub(given);
            if waited >= BLOCKED_MIN {
                self.call.exchange.client_blocked += waited;
            }
            // The engine's silence is counted from when it may speak again.
            self.last = Instant::now();
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => self.poll_silence(cx),
            Poll::Ready(None) => {
                self.complete();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.fail(End::Broken);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(Some(Ok(frame))) => {
                let at = self.call.elapsed();
                if let Some(data) = frame.data_ref() {
                    self.call.observe(data, at);
                }
                self.given = Some(at);
                // Of a body whose length is known the client may never ask for the end.
                if self.body.is_end_stream() {
                    self.complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    /// The timer is set anew when it fires and not for every token.
    fn poll_silence(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let limit = self.call.shared.config.timeouts.idle;
        while self.idle.as_mut().poll(cx).is_ready() {
            let end = self.last + limit;
            if end <= Instant::now() {
                self.fail(End::Timeout);
                return Poll::Ready(Some(Err(Silent(limit).into())));
            }
            self.idle.as_mut().reset(end);
        }
        Poll::Pending
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Own(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Self::Engine(tap) => tap.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_none(),
            Self::Engine(tap) => tap.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => SizeHint::with_exact(body.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Engine(tap) => tap.body.size_hint(),
        }
    }
}
