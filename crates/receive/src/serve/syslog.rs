//! Syslog over UDP, TCP and TLS. There is no answer in it: over TCP a sender is not read from until what it sent
//! is kept, over UDP lines are lost and counted where the store stays behind for long.

use std::{io, sync::Arc};

use model::log::Line;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UdpSocket,
    time::{sleep, timeout},
};

use super::{ACCEPT_PAUSE, IDLE_MAX, Server, Stream, stopped};
use crate::{
    desk::{PAUSE, Reason},
    draft::{self, Arrival},
    syslog::{Frames, parse},
};

/// What the system is asked to hold of datagrams while lines are being kept.
pub(super) const UDP_BUFFER_BYTES: usize = 8 << 20;

/// Largest datagram.
const DATAGRAM_BYTES_MAX: usize = 64 << 10;

/// Datagrams that are kept together.
const DATAGRAMS_MAX: usize = 1_000;

/// How often lines of datagrams are offered again before they are given up: for ten seconds.
const OFFERS_MAX: usize = 20;

/// Bytes that are read at a time.
const READ_BYTES: usize = 64 << 10;

pub(super) async fn serve(
    mut server: Server,
    mut stream: Box<dyn Stream>,
    peer: String,
) -> io::Result<()> {
    let (mut frames, mut buffer) = (Frames::default(), vec![0; READ_BYTES]);
    loop {
        let read = tokio::select! {
            read = timeout(IDLE_MAX, stream.read(&mut buffer)) => read??,
            () = stopped(&mut server.stop) => return Ok(()),
        };
        let arrived = buffer.get(..read).unwrap_or_default();
        server.desk.note_bytes(server.receiver, read);
        frames.push(arrived);
        let arrival = server.arrival(&peer);
        let cut_before = frames.cut_bytes;
        let mut lines = Vec::new();
        while let Some(message) = frames.message() {
            lines.push(parse(message, &arrival));
        }
        if read == 0 {
            lines.extend(frames.last().map(|message| parse(message, &arrival)));
        }
        if frames.cut_bytes > cut_before {
            server.desk.note_refused(server.receiver, Reason::TooLarge, 1);
        }
        server.insist(lines).await?;
        if read == 0 {
            return stream.shutdown().await;
        }
    }
}

impl Server {
    pub(super) fn arrival(&self, peer: &str) -> Arrival {
        Arrival { now: self.desk.now(), source: self.receiver.source(), peer: peer.to_owned() }
    }

    /// Keeps lines however long that takes, but not beyond the end of the program.
    async fn insist(&self, mut lines: Vec<Line>) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        draft::share(&mut lines);
        let lines: Arc<[Line]> = lines.into();
        while !self.desk.offer(self.receiver, &lines).await {
            if *self.stop.borrow() {
                return Err(io::Error::other("the program ends"));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }
}

pub(super) async fn serve_datagrams(mut server: Server, socket: UdpSocket) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        tokio::select! {
            ready = socket.readable() => if ready.is_err() {
                sleep(ACCEPT_PAUSE).await;
            },
            () = stopped(&mut server.stop) => return,
        }
        let mut lines = Vec::new();
        while lines.len() < DATAGRAMS_MAX {
            match socket.try_recv_from(&mut buffer) {
                Ok((read, peer)) => {
                    server.desk.note_bytes(server.receiver, read);
                    let arrival = server.arrival(&peer.ip().to_canonical().to_string());
                    lines.push(parse(buffer.get(..read).unwrap_or_default(), &arrival));
                }
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        tracing::warn!("syslog over UDP cannot be read: {error}");
                        sleep(ACCEPT_PAUSE).await;
                    }
                    break;
                }
            }
        }
        if lines.is_empty() {
            continue;
        }
        draft::share(&mut lines);
        let lines: Arc<[Line]> = lines.into();
        let mut offers = 1;
        while !server.desk.offer(server.receiver, &lines).await {
            if offers == OFFERS_MAX {
                server.desk.note_refused(server.receiver, Reason::Busy, lines.len() as u64);
                break;
            }
            offers += 1;
            sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::{
        super::tests::{any_port, world},
        *,
    };
    use crate::desk::{Receiver, Refused};

    #[tokio::test]
    async fn datagrams() {
        let world = world(|settings| settings.syslog_udp = any_port(), &[]);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for text in ["<27>Nov 22 11:07:22 vm vllm: one", "two"] {
            socket.send_to(text.as_bytes(), world.address).await.unwrap();
        }
        assert_eq!(world.bodies(2).await, ["one", "two"]);
        let lines = world.memory.lines.lock().unwrap();
        assert_eq!((&*lines[0].origin.origin, &*lines[0].origin.source), ("127.0.0.1", "syslog"));
    }

    #[tokio::test]
    async fn a_stream_of_both_framings() {
        let world = world(|settings| settings.syslog_tcp = any_port(), &[]);
        world.memory.refusals.lock().unwrap().push(Refused::Busy);
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(b"<27>one\n7 <27>two<27>thr").await.unwrap();
        assert_eq!(world.bodies(2).await, ["one", "two"]);
        stream.write_all(b"ee").await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(world.bodies(3).await, ["one", "two", "three"]);
        assert_eq!(world.refused(Receiver::SyslogTcp, Reason::Busy), 1);
        let report = world.desk.reports().remove(Receiver::SyslogTcp as usize);
        assert_eq!((report.lines, report.bytes), (3, 26));
    }

    #[tokio::test]
    async fn so_many_connections() {
        let world = world(|settings| settings.syslog_tcp = any_port(), &[]);
        let mut open = Vec::new();
        for _ in 0..super::super::CONNECTIONS_MAX {
            open.push(TcpStream::connect(world.address).await.unwrap());
        }
        // The last of them has been accepted once its line is kept.
        open.last_mut().unwrap().write_all(b"a\n").await.unwrap();
        world.bodies(1).await;
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
        assert_eq!(world.refused(Receiver::SyslogTcp, Reason::Connections), 1);
    }
}
