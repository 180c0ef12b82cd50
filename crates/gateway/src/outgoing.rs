//! The body of a request on its way to an engine.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    HeaderMap,
    body::{Body, Frame, Incoming, SizeHint},
};
use tokio::time::{Sleep, sleep};

/// A body that was read before, and can be sent again, or one that passes through as it comes.
pub(crate) enum Outgoing {
    Whole { body: Option<Bytes>, trailers: Option<HeaderMap> },
    Passing(Box<Passing>),
}

impl Outgoing {
    pub(crate) fn whole(body: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self::Whole { body: (!body.is_empty()).then_some(body), trailers }
    }
}

/// A body that is not looked at.
pub(crate) struct Passing {
    body: Incoming,
    left: u64,
    deadline: Pin<Box<Sleep>>,
    progress: Arc<Progress>,
}

/// What is known of a body that passes through, also after it failed.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) bytes: AtomicU64,
    failure: AtomicUsize,
}

/// Why a body did not come whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFailure {
    #[error("the body of the request is too large")]
    TooLarge,
    #[error("the body of the request came too slowly")]
    TooSlow,
    #[error("the client left while it sent the request, or sent it malformed")]
    Broken,
}

const FAILURES: [BodyFailure; 3] =
    [BodyFailure::TooLarge, BodyFailure::TooSlow, BodyFailure::Broken];

impl Progress {
    pub(crate) fn failure(&self) -> Option<BodyFailure> {
        FAILURES.get(self.failure.load(Ordering::Acquire).checked_sub(1)?).copied()
    }

    fn fail(&self, failure: BodyFailure) -> BodyFailure {
        let place = FAILURES.iter().position(|each| *each == failure).map_or(0, |place| place + 1);
        self.failure.store(place, Ordering::Release);
        failure
    }
}

impl Passing {
    /// As a body to send, and what will be known of it.
    pub(crate) fn through(
        body: Incoming,
        bytes_max: usize,
        within: Duration,
    ) -> (Outgoing, Arc<Progress>) {
        let progress = Arc::<Progress>::default();
        let passing = Self {
            body,
            left: bytes_max as u64,
            deadline: Box::pin(sleep(within)),
            progress: Arc::clone(&progress),
        };
        (Outgoing::Passing(Box::new(passing)), progress)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            return match self.deadline.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Some(Err(self.progress.fail(BodyFailure::TooSlow)))),
                Poll::Pending => Poll::Pending,
            };
        };
        let frame = match frame {
            None => return Poll::Ready(None),
            Some(Err(_)) => {
                return Poll::Ready(Some(Err(self.progress.fail(BodyFailure::Broken))));
            }
            Some(Ok(frame)) => frame,
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        self.progress.bytes.fetch_add(length, Ordering::Relaxed);
        Poll::Ready(Some(match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Ok(frame)
            }
            None => Err(self.progress.fail(BodyFailure::TooLarge)),
        }))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        match self.get_mut() {
            Self::Whole { body, trailers } => {
                let data = body.take().map(Frame::data);
                Poll::Ready(data.or_else(|| trailers.take().map(Frame::trailers)).map(Ok))
            }
            Self::Passing(passing) => passing.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole { body, trailers } => body.is_none() && trailers.is_none(),
            Self::Passing(passing) => passing.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            // Trailers need chunks, and chunks have no length in front.
            Self::Whole { trailers: Some(_), .. } => SizeHint::default(),
            Self::Whole { body, .. } => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            Self::Passing(passing) => passing.body.size_hint(),
        }
    }
}
