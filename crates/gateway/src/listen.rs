//! Connections of clients: plain or TLS, HTTP/1.1 or HTTP/2, so many at a time and not for ever.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustix::net::sockopt;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    certificate::Certificate,
    config::Config,
    headers::GATEWAY_ERROR,
    proxy,
    shared::{Guest, Shared},
    stream::Stream,
};

/// Pause after the system could not accept, for lack of files for instance.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a client that is one too many may take to be told so.
const FAREWELL: Duration = Duration::from_secs(1);
/// Clients that are told so at the same time; further ones are just left.
const FAREWELLS_MAX: usize = 256;
/// How long a connection may be quiet before the other machine is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How often an HTTP/2 client that says nothing is asked whether it is still there, and how long it has.
const HTTP2_PING: Duration = Duration::from_secs(30);
const HTTP2_PONG: Duration = Duration::from_secs(20);
/// Bytes of an answer that wait for one HTTP/2 stream.
const HTTP2_SEND_BYTES: usize = 64 << 10;
/// Bytes of requests that may come before we ask for more, for one stream and for a connection.
const HTTP2_STREAM_WINDOW: u32 = 1 << 20;
const HTTP2_CONNECTION_WINDOW: u32 = 4 << 20;
/// Smallest buffer that hyper takes.
const HYPER_BUFFER_BYTES_MIN: usize = 8_192;

/// How far the end of a gateway has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// No new connections and requests; those that run go on.
    Draining,
    /// Everything is closed.
    Over,
}

fn builder(config: &Config) -> auto::Builder<TokioExecutor> {
    let limits = &config.limits;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.timeouts.client_headers)
        .half_close(config.allow_half_close)
        .auto_date_header(false)
        .max_buf_size(limits.header_bytes_max.max(HYPER_BUFFER_BYTES_MIN));
    builder
        .http2()
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(HTTP2_PONG)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_send_buf_size(HTTP2_SEND_BYTES)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.http2_streams_max);
    builder
}

/// Accepts as long as the gateway is open.
pub(crate) async fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    tls: Option<Arc<Certificate>>,
    mut phase: watch::Receiver<Phase>,
) {
    let builder = Arc::new(builder(&shared.config));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phase.changed() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("the gateway cannot accept a connection: {error}");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (guest, others) = Guest::enter(&shared);
        let most = shared.config.limits.connections_max;
        if others >= most {
            shared.tally.connections_refused.fetch_add(1, Ordering::Relaxed);
            if tls.is_none() && others < most + FAREWELLS_MAX {
                tokio::spawn(farewell(stream, guest));
            }
            continue;
        }
        let tls = tls.as_deref().map(Certificate::acceptor);
        let (builder, phase) = (Arc::clone(&builder), phase.clone());
        tokio::spawn(async move {
            if let Ok(stream) = open_stream(guest.shared(), stream, tls).await {
                serve(&builder, guest.shared(), stream, peer, phase).await;
            }
            drop(guest);
        });
    }
}

/// Tells a client that there are too many.
async fn farewell(mut stream: TcpStream, guest: Guest) {
    let text = format!(
        "HTTP/1.1 503 Service Unavailable\r\n{GATEWAY_ERROR}: overloaded\r\nretry-after: 1\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    let telling = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        // What it has sent has to be read, or it is told of a broken connection and of nothing else.
        let mut rest = [0; 1_024];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    let _it_may_have_left = timeout(FAREWELL, telling).await;
    drop(guest);
}

async fn open_stream(
    shared: &Shared,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
) -> io::Result<Stream> {
    stream.set_nodelay(true)?;
    // A machine that has gone without a word must not keep an engine at work.
    let vanished = shared.config.timeouts.client_write.as_millis();
    sockopt::set_tcp_user_timeout(&stream, u32::try_from(vanished).unwrap_or(u32::MAX))?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, KEEPALIVE)?;
    let stream = match tls {
        None => Stream::plain(stream),
        Some(tls) => {
            let shaken = timeout(shared.config.timeouts.client_headers, tls.accept(stream)).await;
            Stream::tls(shaken??)
        }
    };
    Ok(stream.with_write_limit(shared.config.timeouts.client_write))
}

async fn serve(
    builder: &auto::Builder<TokioExecutor>,
    shared: &Arc<Shared>,
    stream: Stream,
    peer: SocketAddr,
    mut phase: watch::Receiver<Phase>,
) {
    let spoke = Arc::new(AtomicBool::new(false));
    let service = {
        let (shared, spoke) = (Arc::clone(shared), Arc::clone(&spoke));
        service_fn(move |request| {
            spoke.store(true, Ordering::Relaxed);
            proxy::serve(Arc::clone(&shared), peer, request)
        })
    };
    let mut connection =
        pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // Until it is known which version a client speaks, hyper waits without a limit.
    let mut first = pin!(sleep(shared.config.timeouts.client_headers));
    let mut is_first = true;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, "a client's connection ended: {error}");
                }
                return;
            }
            () = first.as_mut(), if is_first => {
                if !spoke.load(Ordering::Relaxed) {
                    return;
                }
                is_first = false;
            }
            changed = phase.changed() => {
                if changed.is_err() || *phase.borrow() == Phase::Over {
                    return;
                }
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
