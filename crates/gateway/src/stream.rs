//! A connection in either direction, encrypted or not, that counts what comes in.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};
use tokio_rustls::TlsStream;

pub(crate) struct Stream {
    kind: Kind,
    received: Arc<AtomicU64>,
    /// How long a write may wait for the other side; the timer runs only while one does.
    write_limit: Option<Duration>,
    waiting: Option<Pin<Box<Sleep>>>,
}

enum Kind {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The one place where the two kinds are told apart.
macro_rules! inner {
    ($kind:expr, $stream:ident => $call:expr) => {
        match $kind {
            Kind::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Kind::Tls(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
        }
    };
}

impl Stream {
    fn new(kind: Kind) -> Self {
        Self { kind, received: Arc::default(), write_limit: None, waiting: None }
    }

    /// Makes writing an error when the other side takes nothing for so long.
    pub(crate) fn with_write_limit(self, limit: Duration) -> Self {
        Self { write_limit: Some(limit), ..self }
    }

    fn limit<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let (Poll::Pending, Some(limit)) = (&polled, self.write_limit) else {
            self.waiting = None;
            return polled;
        };
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
        match waiting.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self::new(Kind::Plain(stream))
    }

    pub(crate) fn tls(stream: impl Into<TlsStream<TcpStream>>) -> Self {
        Self::new(Kind::Tls(Box::new(stream.into())))
    }

    /// Bytes that came in so far, after decryption.
    pub(crate) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = inner!(&mut this.kind, stream => stream.poll_read(cx, buffer));
        let read = buffer.filled().len() - before;
        this.received.fetch_add(read as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = inner!(&mut this.kind, stream => stream.poll_write(cx, bytes));
        this.limit(cx, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = inner!(&mut this.kind, stream => stream.poll_flush(cx));
        this.limit(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = inner!(&mut this.kind, stream => stream.poll_shutdown(cx));
        this.limit(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = inner!(&mut this.kind, stream => stream.poll_write_vectored(cx, bytes));
        this.limit(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.kind {
            Kind::Plain(stream) => stream.is_write_vectored(),
            Kind::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
