//! One engine behind the gateway: how to reach it, its idle connections, its load and its health.
//!
//! Engines speak HTTP/1.1 and close idle connections after five seconds, so ours are used again for four.
//! A connection goes back to the pool only after a whole answer; dropping a lease before that closes the
//! connection at once, which is how an engine learns that a client left.
//!
//! A connection has no task of its own: whoever waits for its answer drives it, so that a token goes from the
//! engine's socket to the client's without waking anybody on the way. An idle one has nobody who waits: that the
//! engine closed it is noticed by the next request that would use it or by the next sweep, so that it stays in
//! CLOSE_WAIT for at most [`crate::WATCH_PERIOD`].

use std::{
    fmt,
    future::poll_fn,
    io, mem,
    path::Path,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Request, Response, Uri,
    body::{Body as _, Frame, Incoming},
    client::conn::http1::{self, SendRequest},
    header::HeaderValue,
};
use hyper_util::rt::TokioIo;
use model::Clock;
use tokio::{net::TcpStream, task::unconstrained, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use crate::{
    config::{StartError, Timeouts, Upstream},
    outgoing::Outgoing,
    stream::Stream,
};

/// Largest head of an engine's answer; one that is clearly larger (hyper rounds up) is an error of the
/// engine.
const ANSWER_HEAD_BYTES_MAX: usize = 64 << 10;
/// Idle connections kept to one engine; more are closed.
const POOL_CONNECTIONS_MAX: usize = 256;
/// Longest time that an engine which failed is passed over before it is tried again.
const PASS_OVER_MAX: Duration = Duration::from_secs(30);
/// Where systems keep the certificates that they trust.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// An engine that requests can be sent to.
pub(crate) struct Target {
    pub(crate) name: String,
    host: String,
    port: u16,
    /// As the header `Host` says it.
    pub(crate) authority: HeaderValue,
    /// What comes before every path; empty or beginning with `/`.
    pub(crate) prefix: String,
    /// `Bearer ...`, where the engine wants a key.
    pub(crate) authorization: Option<HeaderValue>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// As configured; empty: as discovered.
    declared: Arc<Vec<String>>,
    discovered: RwLock<Arc<Vec<String>>>,
    pool: Mutex<Vec<Idle>>,
    in_flight: AtomicUsize,
    health: Mutex<Health>,
}

struct Idle {
    lease: Lease,
    /// On the gateway's monotonic clock.
    since: Duration,
}

#[derive(Clone, Copy, Default)]
struct Health {
    failures: u32,
    /// Not asked before, unless all fail.
    retry_at: Duration,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What reads from a connection and writes to it while it is polled.
type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// One connection to an engine, for one request at a time. Dropping it closes the connection.
pub(crate) struct Lease {
    sender: SendRequest<Outgoing>,
    /// Until it has ended.
    connection: Option<Connection>,
    received: Arc<AtomicU64>,
    /// Whether it served a request before, so that the engine may have closed it meanwhile.
    pub(crate) is_reused: bool,
    /// How long it took to connect, when this request had to.
    pub(crate) connect: Option<Duration>,
}

impl Lease {
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Does what can be done on the connection now.
    fn drive(&mut self, cx: &mut Context<'_>) {
        // What goes wrong is told to the request that waits for the answer.
        if let Some(connection) = &mut self.connection
            && connection.as_mut().poll(cx).is_ready()
        {
            self.connection = None;
        }
    }

    /// Whether another request can be sent. Nobody is woken when that changes.
    fn is_usable(&mut self) -> bool {
        // A task that has used its budget up would see a connection that the engine closed as an open one.
        let drive = unconstrained(poll_fn(|cx| {
            self.drive(cx);
            Poll::Ready(())
        }));
        let _always_ready = pin!(drive).poll(&mut Context::from_waker(Waker::noop()));
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Sends a request, and returns when the head of the answer is there.
    pub(crate) async fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> hyper::Result<Response<Incoming>> {
        let mut answer = pin!(self.sender.send_request(request));
        poll_fn(|cx| {
            self.drive(cx);
            answer.as_mut().poll(cx)
        })
        .await
    }

    /// The next frame of the answer.
    pub(crate) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        // Asking the body first tells the connection that there is room for a frame.
        match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Pending => {
                self.drive(cx);
                Pin::new(body).poll_frame(cx)
            }
            frame => frame,
        }
    }

    /// Lets the connection live on by itself: another protocol goes over it now.
    pub(crate) fn detach(self) {
        let Some(connection) = self.connection else { return };
        tokio::spawn(async move {
            let _told_elsewhere = connection.await;
        });
    }
}

/// Why an engine could not be reached; nothing was sent to it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no connection within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Target {
    pub(crate) fn new(upstream: &Upstream) -> Result<Self, StartError> {
        let bad = |reason: String| StartError::Url {
            name: upstream.name.clone(),
            url: upstream.url.clone(),
            reason,
        };
        let uri: Uri = upstream.url.parse().map_err(|_| bad("this is no URL".into()))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad("a URL of an engine begins with http:// or https://".into())),
        };
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        if host.is_empty() || authority.contains('@') || uri.query().is_some() {
            return Err(bad("only a host, a port and a path are supported".into()));
        }
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let bare_host = host.trim_matches(['[', ']']).to_owned();
        let tls = if is_tls {
            let name = ServerName::try_from(bare_host.clone());
            let name = name.map_err(|error| bad(error.to_string()))?;
            Some((connector(upstream.ca_file.as_deref()).map_err(bad)?, name))
        } else {
            None
        };
        let authorization = match &upstream.api_key {
            Some(key) => {
                let value = HeaderValue::from_str(&format!("Bearer {}", key.expose()));
                let mut value = value.map_err(|_| bad("its api_key fits no header".into()))?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        Ok(Self {
            name: upstream.name.clone(),
            host: bare_host,
            port,
            authority: HeaderValue::from_str(&authority)
                .map_err(|_| bad("its host fits no header".into()))?,
            prefix: uri.path().trim_end_matches('/').to_owned(),
            authorization,
            tls,
            declared: Arc::new(upstream.models.clone()),
            discovered: RwLock::default(),
            pool: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            health: Mutex::default(),
        })
    }

    /// An idle connection, or `None` when there is no usable one.
    pub(crate) fn reuse(&self, now: Duration, idle_max: Duration) -> Option<Lease> {
        loop {
            // The one used last has the most time left.
            let Idle { mut lease, since } = lock(&self.pool).pop()?;
            if now < since + idle_max && lease.is_usable() {
                lease.is_reused = true;
                lease.connect = None;
                return Some(lease);
            }
        }
    }

    /// Keeps a connection whose answer came whole.
    pub(crate) fn keep(&self, mut lease: Lease, now: Duration) {
        if !lease.is_usable() {
            return;
        }
        let mut pool = lock(&self.pool);
        if pool.len() < POOL_CONNECTIONS_MAX {
            pool.push(Idle { lease, since: now });
        }
    }

    /// Closes what has been idle for too long, and what the engine has closed. The pool is not locked while
    /// connections are driven; who asks it meanwhile connects anew.
    pub(crate) fn sweep(&self, now: Duration, idle_max: Duration) {
        let mut idle = mem::take(&mut *lock(&self.pool));
        idle.retain_mut(|idle| now < idle.since + idle_max && idle.lease.is_usable());
        let mut pool = lock(&self.pool);
        // What came back meanwhile was used last, and stays last.
        idle.append(&mut pool);
        let surplus = idle.len().saturating_sub(POOL_CONNECTIONS_MAX);
        let closed: Vec<Idle> = idle.drain(..surplus).collect();
        *pool = idle;
        drop(pool);
        drop(closed);
    }

    pub(crate) async fn connect(
        &self,
        clock: &Clock,
        timeouts: &Timeouts,
    ) -> Result<Lease, ConnectError> {
        let before = clock.monotonic();
        let stream = timeout(timeouts.connect, self.open())
            .await
            .map_err(|_| ConnectError::TimedOut(timeouts.connect))??;
        let received = stream.received();
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(ANSWER_HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await?;
        let connection: Option<Connection> = Some(Box::pin(connection.with_upgrades()));
        let connect = Some(clock.monotonic().saturating_sub(before));
        Ok(Lease { sender, connection, received, is_reused: false, connect })
    }

    async fn open(&self) -> io::Result<Stream> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        // A token is a small packet that must not wait for an acknowledgement.
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream::plain(tcp)),
            Some((connector, name)) => Ok(Stream::tls(connector.connect(name.clone(), tcp).await?)),
        }
    }

    /// What it serves, as configured or as it listed last.
    pub(crate) fn models(&self) -> Arc<Vec<String>> {
        if self.declared.is_empty() {
            Arc::clone(&self.discovered.read().unwrap_or_else(PoisonError::into_inner))
        } else {
            Arc::clone(&self.declared)
        }
    }

    pub(crate) fn needs_discovery(&self) -> bool {
        self.declared.is_empty()
    }

    pub(crate) fn discovered(&self, models: Vec<String>) {
        *self.discovered.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(models);
    }

    pub(crate) fn is_up(&self, now: Duration) -> bool {
        lock(&self.health).retry_at <= now
    }

    pub(crate) fn note_success(&self) {
        *lock(&self.health) = Health::default();
    }

    /// Passes it over for 1 s, then 2, 4 ... as long as it fails.
    pub(crate) fn note_failure(&self, now: Duration) {
        let mut health = lock(&self.health);
        let pause = Duration::from_secs(1 << health.failures.min(5)).min(PASS_OVER_MAX);
        health.failures = health.failures.saturating_add(1);
        health.retry_at = now + pause;
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }
}

/// One request that an engine works on.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Target>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    let bundle = BUNDLES.iter().map(Path::new).find(|path| path.exists());
    for path in bundle.into_iter().chain(ca_file) {
        let certificates = CertificateDer::pem_file_iter(path);
        let certificates = certificates.map_err(|error| format!("{}: {error}", path.display()))?;
        roots.add_parsable_certificates(certificates.filter_map(Result::ok));
    }
    if roots.is_empty() {
        return Err("this system trusts no certificates: set ca_file".into());
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use tokio::{net::TcpListener, task::coop};

    use super::*;

    const IDLE_MAX: Duration = Duration::from_secs(4);

    /// An engine that takes connections and says nothing.
    struct Engine {
        target: Target,
        listener: TcpListener,
    }

    impl Engine {
        async fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let upstream = Upstream {
                name: "engine".into(),
                url,
                models: Vec::new(),
                api_key: None,
                ca_file: None,
            };
            Self { target: Target::new(&upstream).unwrap(), listener }
        }

        /// A connection, and the engine's end of it.
        async fn connect(&self) -> (Lease, TcpStream) {
            let clock = Clock::manual(model::UnixMs(0));
            let lease = self.target.connect(&clock, &Timeouts::default()).await.unwrap();
            (lease, self.listener.accept().await.unwrap().0)
        }

        fn ages(&self) -> Vec<u64> {
            lock(&self.target.pool).iter().map(|idle| idle.since.as_secs()).collect()
        }
    }

    #[tokio::test]
    async fn a_sweep_keeps_what_is_young_in_order() {
        let engine = Engine::new().await;
        let mut ends = Vec::new();
        for second in 1..=6 {
            let (lease, end) = engine.connect().await;
            engine.target.keep(lease, Duration::from_secs(second));
            ends.push(end);
        }
        engine.target.sweep(Duration::from_secs(4), IDLE_MAX);
        assert_eq!(engine.ages(), [1, 2, 3, 4, 5, 6]);
        engine.target.sweep(Duration::from_secs(7), IDLE_MAX);
        assert_eq!(engine.ages(), [4, 5, 6]);
    }
    #[tokio::test]
    async fn a_closed_connection_is_seen_even_when_the_budget_is_used_up() {
        let engine = Engine::new().await;
        let (mut lease, end) = engine.connect().await;
        let mut is_usable = async || {
            poll_fn(|cx| {
                while let Poll::Ready(step) = coop::poll_proceed(cx) {
                    step.made_progress();
                }
                Poll::Ready(lease.is_usable())
            })
            .await
        };
        assert!(is_usable().await);
        drop(end);
        let closed = timeout(Duration::from_secs(10), async {
            while is_usable().await {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        closed.await.expect("it is seen");
    }
}
