//! The body of an answer on its way to the client: the engine's frames as they come, each looked at in
//! passing. Only where the gateway itself asked for the usage, that event is taken out again.
//!
//! Nothing is collected here: a frame is asked for when the client can take one, so a slow client slows
//! the engine and not the memory. The whole has no time limit; silence has.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dialect::{
    End,
    usage::{Filter, Passed},
};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    call::Call,
    observe::Ending,
    upstream::{Lease, Target},
};

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
    target: Arc<Target>,
    idle: Pin<Box<Sleep>>,
    last: Instant,
    /// When the client was given a frame that it may not have taken yet.
    given: Option<Duration>,
    /// Takes out the usage that only the gateway asked for.
    filter: Option<Filter>,
    /// What still has to go after the body ended.
    last_frame: Option<Frame<Bytes>>,
    /// Why the body broke, until the client is told.
    broken: Option<hyper::Error>,
    has_ended: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the engine was silent for {} s", .0.as_secs())]
struct Silent(Duration);

impl Tap {
    pub(crate) fn new(
        body: Incoming,
        call: Call,
        lease: Lease,
        target: Arc<Target>,
        filter: Option<Filter>,
    ) -> Self {
        let idle = Box::pin(sleep(call.shared.config.timeouts.idle));
        let last = Instant::now();
        Self {
            body,
            call,
            lease: Some(lease),
            target,
            idle,
            last,
            given: None,
            filter,
            last_frame: None,
            broken: None,
            has_ended: false,
        }
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
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error.into())));
        }
        loop {
            if self.has_ended {
                return Poll::Ready(self.last_frame.take().map(Ok));
            }
            let frame = match self.poll_engine(cx) {
                Poll::Pending => return self.poll_silence(cx),
                Poll::Ready(frame) => frame,
            };
            let at = self.call.elapsed();
            let frame = match frame {
                None => {
                    self.complete();
                    self.has_ended = true;
                    self.held_back()
                }
                Some(Err(error)) => {
                    self.fail(End::Broken);
                    // What came before is written first: an error makes hyper forget it.
                    self.broken = Some(error);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Ok(frame)) => self.pass(frame, at),
            };
            if let Some(frame) = frame {
                self.given = Some(at);
                return Poll::Ready(Some(Ok(frame)));
            }
            self.last = Instant::now();
        }
    }

    fn poll_engine(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        match &mut self.lease {
            Some(lease) => lease.poll_frame(&mut self.body, cx),
            // Everything has been read.
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }

    /// The frame for the client, if there is any.
    fn pass(&mut self, frame: Frame<Bytes>, at: Duration) -> Option<Frame<Bytes>> {
        let Some(data) = frame.data_ref() else {
            let Some(held) = self.held_back() else { return Some(frame) };
            self.last_frame = Some(frame);
            self.complete();
            self.has_ended = true;
            return Some(held);
        };
        self.call.observe(data, at);
        match self.filter.as_mut().map(|filter| filter.push(data)) {
            Some(Passed::Changed(bytes)) => {
                return (!bytes.is_empty()).then(|| Frame::data(bytes.into()));
            }
            // Of a body whose length is known the client may never ask for the end.
            None if self.body.is_end_stream() => self.complete(),
            None | Some(Passed::Unchanged) => {}
        }
        Some(frame)
    }

    /// What the filter holds of an event that never ended.
    fn held_back(&mut self) -> Option<Frame<Bytes>> {
        let held = self.filter.take().map(Filter::finish).filter(|held| !held.is_empty())?;
        Some(Frame::data(held.into()))
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
            // A filter may hold something back.
            Self::Engine(tap) => {
                tap.filter.is_none() && tap.last_frame.is_none() && tap.body.is_end_stream()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => SizeHint::with_exact(body.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Engine(tap) if tap.filter.is_some() => SizeHint::default(),
            Self::Engine(tap) => tap.body.size_hint(),
        }
    }
}
