//! Syslog over UDP, TCP and TLS. There is no answer in it: over TCP a sender is not read from until what it sent
//! is kept, over UDP lines are lost and counted where the store stays behind for long.

use std::{fs, io, sync::Arc, time::Duration};

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

/// How often it is asked what the system lost.
const LOST_PERIOD: Duration = Duration::from_secs(5);

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
        server.insist(lines, &arrival).await?;
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
    async fn insist(&self, mut lines: Vec<Line>, arrival: &Arrival) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        draft::share(&mut lines);
        let lines: Arc<[Line]> = lines.into();
        while !self.desk.offer(self.receiver, &lines, arrival.now).await {
            if *self.stop.borrow() {
                return Err(io::Error::other("the program ends"));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }
}

/// Counts datagrams for which the system had no room, as it tells of them.
async fn count_lost(mut server: Server, port: u16) {
    let mut seen = 0;
    loop {
        tokio::select! {
            () = sleep(LOST_PERIOD) => {}
            () = stopped(&mut server.stop) => return,
        }
        let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
        let tables = tables.iter().filter_map(|path| fs::read_to_string(path).ok());
        let lost = tables.map(|table| drops(&table, port)).sum();
        if lost > seen {
            server.desk.note_refused(server.receiver, Reason::Lost, lost - seen);
            seen = lost;
        }
    }
}

/// What the system's table of sockets says of those at a port: the last column of
/// `11: 0100007F:3C9A 00000000:0000 07 ... 42`.
fn drops(table: &str, port: u16) -> u64 {
    let of_line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (_, place) = words.nth(1)?.rsplit_once(':')?;
        let is_ours = u16::from_str_radix(place, 16).ok()? == port;
        words.next_back()?.parse::<u64>().ok().filter(|_| is_ours)
    };
    table.lines().skip(1).filter_map(of_line).sum()
}

pub(super) async fn serve_datagrams(mut server: Server, socket: UdpSocket) {
    if let Ok(address) = socket.local_addr() {
        tokio::spawn(count_lost(server.clone(), address.port()));
    }
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        tokio::select! {
            ready = socket.readable() => if ready.is_err() {
                sleep(ACCEPT_PAUSE).await;
            },
            () = stopped(&mut server.stop) => return,
        }
        let mut lines = Vec::new();
        let mut arrival = server.arrival("");
        while lines.len() < DATAGRAMS_MAX {
            match socket.try_recv_from(&mut buffer) {
                Ok((read, peer)) => {
                    server.desk.note_bytes(server.receiver, read);
                    let datagram = buffer.get(..read).unwrap_or_default();
                    if !datagram.trim_ascii().is_empty() {
                        arrival.peer = peer.ip().to_canonical().to_string();
                        lines.push(parse(datagram, &arrival));
                    }
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
        while !server.desk.offer(server.receiver, &lines, arrival.now).await {
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

    #[test]
    fn what_the_system_lost() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                     uid  timeout inode ref pointer drops\n\
                     11: 0100007F:3C9A 00000000:0000 07 00000000:00000000 00:00000000 00000000  0 0 \
                     9188 2 0000000000000000 42\n\
                     12: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000  0 0 \
                     9189 2 0000000000000000 7\nx\n13: y\n";
        assert_eq!([drops(table, 0x3c9a), drops(table, 53), drops("", 53)], [42, 7, 0]);
    }

    #[tokio::test]
    async fn datagrams() {
        let world = world(|settings| settings.syslog_udp = any_port(), &[]);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for text in ["<27>Nov 22 11:07:22 vm vllm: one", "", " \n", "two"] {
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
