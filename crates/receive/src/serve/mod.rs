//! The receivers that are no HTTP of the main port: syslog, Lumberjack, and OpenTelemetry's gRPC.
//!
//! Each connection has its task, so many at a time. A sender that cannot be told to come again waits: it is not
//! read from until what it sent is kept. UDP alone cannot wait: what is lost is counted.

mod certificate;
mod grpc;
mod lumberjack;
mod syslog;

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use rustix::net::sockopt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};

use self::certificate::Certificate;
use crate::{
    access::Tokens,
    desk::{Desk, Reason, Receiver},
};

/// Open connections of one receiver; further ones are closed at once.
pub const CONNECTIONS_MAX: u64 = 256;

/// How long an encrypted connection may take to begin.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How long a connection may say nothing before it is closed.
const IDLE_MAX: Duration = Duration::from_secs(3_600);

/// How long a connection may be quiet before the other machine is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How long a sender may take nothing of what it is told.
const WRITE_MAX: Duration = Duration::from_secs(30);

/// Pause after the system could not accept, for lack of files for instance.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where the receivers listen; absent ones do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub lumberjack: Option<SocketAddr>,
    pub otlp_grpc: Option<SocketAddr>,
    pub syslog_tcp: Option<SocketAddr>,
    /// Needs `tls`.
    pub syslog_tls: Option<SocketAddr>,
    pub syslog_udp: Option<SocketAddr>,
    /// With it, Lumberjack and gRPC speak TLS.
    pub tls: Option<TlsFiles>,
}

/// Files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Only senders with a certificate of one of these are let in.
    pub client_ca: Option<PathBuf>,
}

/// Why the receivers cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{address}: {source}")]
    Bind { receiver: Receiver, address: SocketAddr, source: io::Error },
    #[error("{}: {reason}", path.display())]
    Tls { path: PathBuf, reason: String },
}

/// Receivers that listen and do not answer yet.
pub struct Servers {
    sockets: Vec<Bound>,
}

struct Bound {
    receiver: Receiver,
    address: SocketAddr,
    socket: Socket,
    /// Without one it speaks no TLS.
    tls: Option<Arc<Certificate>>,
}

enum Socket {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What a connection is served with.
#[derive(Clone)]
struct Server {
    desk: Desk,
    receiver: Receiver,
    tokens: Arc<Tokens>,
    tls: Option<Arc<Certificate>>,
    /// Turns true when the program ends.
    stop: watch::Receiver<bool>,
}

impl Servers {
    /// Takes the addresses and reads the certificate.
    pub fn bind(settings: &Settings) -> Result<Self, StartError> {
        let mut sockets = Vec::new();
        for (receiver, address) in [
            (Receiver::Lumberjack, settings.lumberjack),
            (Receiver::OtlpGrpc, settings.otlp_grpc),
            (Receiver::SyslogTcp, settings.syslog_tcp),
            (Receiver::SyslogTls, settings.syslog_tls.filter(|_| settings.tls.is_some())),
            (Receiver::SyslogUdp, settings.syslog_udp),
        ] {
            let Some(address) = address else { continue };
            let is_plain = matches!(receiver, Receiver::SyslogTcp | Receiver::SyslogUdp);
            let files = settings.tls.as_ref().filter(|_| !is_plain);
            let protocol = (receiver == Receiver::OtlpGrpc).then_some(b"h2".as_slice());
            let tls = files.map(|files| Certificate::load(files, protocol)).transpose()?;
            let bound = Socket::bind(receiver, address);
            let (address, socket) =
                bound.map_err(|source| StartError::Bind { receiver, address, source })?;
            sockets.push(Bound { receiver, address, socket, tls: tls.map(Arc::new) });
        }
        Ok(Self { sockets })
    }

    /// Where each receiver listens, and whether it speaks TLS.
    pub fn addresses(&self) -> Vec<(Receiver, SocketAddr, bool)> {
        let about = |it: &Bound| (it.receiver, it.address, it.tls.is_some());
        self.sockets.iter().map(about).collect()
    }

    /// Receives until `stop` turns true. Has to be called in a runtime.
    pub fn start(
        self,
        desk: &Desk,
        tokens: &Arc<Tokens>,
        stop: &watch::Receiver<bool>,
    ) -> io::Result<()> {
        for Bound { receiver, socket, tls, .. } in self.sockets {
            let server = Server {
                desk: desk.clone(),
                receiver,
                tokens: Arc::clone(tokens),
                tls,
                stop: stop.clone(),
            };
            match socket {
                Socket::Tcp(listener) => {
                    let listener = tokio::net::TcpListener::from_std(listener)?;
                    tokio::spawn(server.accept(listener));
                }
                Socket::Udp(socket) => {
                    let socket = tokio::net::UdpSocket::from_std(socket)?;
                    tokio::spawn(syslog::serve_datagrams(server, socket));
                }
            }
        }
        Ok(())
    }
}

impl Socket {
    fn bind(receiver: Receiver, address: SocketAddr) -> io::Result<(SocketAddr, Self)> {
        if receiver == Receiver::SyslogUdp {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            // Only root gets all of it; what the system does not grant is left at its default.
            let most = syslog::UDP_BUFFER_BYTES;
            if sockopt::set_socket_recv_buffer_size_force(&socket, most).is_err() {
                sockopt::set_socket_recv_buffer_size(&socket, most).unwrap_or_default();
            }
            return Ok((socket.local_addr()?, Self::Udp(socket)));
        }
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok((listener.local_addr()?, Self::Tcp(listener)))
    }
}

impl Server {
    async fn accept(mut self, listener: tokio::net::TcpListener) {
        let name = self.receiver.as_str();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stopped(&mut self.stop) => return,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("{name} cannot accept a connection: {error}");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if self.desk.connections(self.receiver) >= CONNECTIONS_MAX {
                self.desk.note_refused(self.receiver, Reason::Connections, 1);
                continue;
            }
            let (connection, server) = (self.desk.connection(self.receiver), self.clone());
            tokio::spawn(async move {
                if let Err(error) = server.serve(stream, peer).await {
                    tracing::debug!(%peer, "a connection of {name} ended: {error}");
                }
                drop(connection);
            });
        }
    }

    async fn serve(self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, KEEPALIVE)?;
        let peer = peer.ip().to_canonical().to_string();
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let shaken = timeout(HANDSHAKE_MAX, tls.acceptor().accept(stream)).await;
                match shaken.map_err(io::Error::from).flatten() {
                    Ok(stream) => Box::new(stream),
                    Err(error) => {
                        self.desk.note_refused(self.receiver, Reason::Unauthorized, 1);
                        return Err(error);
                    }
                }
            }
        };
        match self.receiver {
            Receiver::Lumberjack => lumberjack::serve(self, stream, peer).await,
            Receiver::OtlpGrpc => grpc::serve(self, stream, peer).await,
            _ => syslog::serve(self, stream, peer).await,
        }
    }
}

/// Waits until the program ends.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Without anybody who could stop it, it is stopped as well.
    drop(stop.wait_for(|stop| *stop).await);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::tests::{Memory, desk};

    /// Receivers on free ports of loopback, and what they keep.
    pub(super) struct World {
        pub(super) memory: Memory,
        pub(super) desk: Desk,
        pub(super) address: SocketAddr,
        /// They end with it.
        _stop: watch::Sender<bool>,
    }

    pub(super) fn world(choose: impl FnOnce(&mut Settings), tokens: &[&str]) -> World {
        let mut settings = Settings::default();
        choose(&mut settings);
        let servers = Servers::bind(&settings).unwrap();
        let (memory, stop) = (Memory::default(), watch::channel(false).0);
        let desk = desk(&memory);
        let address = servers.addresses()[0].1;
        let is_open = tokens.is_empty();
        let tokens = Tokens::new(tokens.iter().copied());
        let tokens = Arc::new(if is_open { Tokens::default() } else { tokens });
        servers.start(&desk, &tokens, &stop.subscribe()).unwrap();
        World { memory, desk, address, _stop: stop }
    }

    pub(super) fn any_port() -> Option<SocketAddr> {
        Some(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn file(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name)
    }

    /// Syslog over TLS, from a client with or without a certificate of its own.
    async fn send_encrypted(world: &World, has_certificate: bool) -> io::Result<()> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        use tokio_rustls::{
            TlsConnector,
            rustls::{
                ClientConfig, RootCertStore,
                crypto::ring,
                pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
            },
        };
        let certificate = CertificateDer::from_pem_file(file("cert.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = if has_certificate {
            let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        } else {
            config.with_no_client_auth()
        };
        let stream = TcpStream::connect(world.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(b"<27>hush\n").await?;
        stream.shutdown().await?;
        stream.read(&mut [0; 1]).await.map(|_| ())
    }

    #[tokio::test]
    async fn encrypted_lines() {
        let tls = |client_ca| {
            Some(TlsFiles { certificate: file("cert.pem"), key: file("key.pem"), client_ca })
        };
        let choose = |client_ca| {
            move |settings: &mut Settings| {
                settings.syslog_tls = any_port();
                settings.tls = tls(client_ca);
            }
        };
        let open = world(choose(None), &[]);
        send_encrypted(&open, false).await.unwrap();
        assert_eq!(open.bodies(1).await, ["hush"]);
        let closed = world(choose(Some(file("cert.pem"))), &[]);
        assert!(send_encrypted(&closed, false).await.is_err());
        send_encrypted(&closed, true).await.unwrap();
        assert_eq!(closed.bodies(1).await, ["hush"]);
        assert_eq!(closed.refused(Receiver::SyslogTls, Reason::Unauthorized), 1);
    }

    #[test]
    fn what_cannot_start_says_why() {
        let check = |settings: Settings, expected: &str| {
            let error = Servers::bind(&settings).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        let files = |certificate: &str, key: &str| {
            let (certificate, key) = (file(certificate), file(key));
            Some(TlsFiles { certificate, key, client_ca: None })
        };
        let with_tls = |tls| Settings { syslog_tls: any_port(), tls, ..Settings::default() };
        check(with_tls(files("none.pem", "key.pem")), "none.pem: No such file");
        check(with_tls(files("key.pem", "key.pem")), "key.pem: there is no certificate in it");
        check(with_tls(files("cert.pem", "cert.pem")), "cert.pem: ");
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Some(taken.local_addr().unwrap());
        check(Settings { syslog_tcp: address, ..Settings::default() }, "in use");
    }

    impl World {
        /// Waits until so many lines are kept, and returns their bodies.
        pub(super) async fn bodies(&self, count: usize) -> Vec<String> {
            let there = || self.memory.lines.lock().unwrap().len() >= count;
            let waited = timeout(Duration::from_secs(20), async {
                while !there() {
                    sleep(Duration::from_millis(5)).await;
                }
            });
            waited.await.unwrap_or_default();
            self.memory.lines.lock().unwrap().iter().map(|line| line.body.clone()).collect()
        }

        pub(super) fn refused(&self, receiver: Receiver, reason: Reason) -> u64 {
            let reports = self.desk.reports();
            reports[receiver as usize].refused.get(&reason).copied().unwrap_or_default()
        }
    }
}
