//! What the kernel knows of TCP sockets, asked over netlink (`sock_diag(7)`).
//!
//! It needs no privilege. It sees the sockets of the network namespace that we run in, so the
//! connections of an engine in a container with a network of its own are not seen. The layouts are those
//! of `linux/inet_diag.h` and `linux/tcp.h`; fields that an older kernel does not send are absent.
//!
//! A dump walks the whole table of the kernel however few sockets it names, so all ports go into one,
//! filtered in the kernel. It uses the older form of the request, which takes both address families at
//! once: a socket that listens on `[::]` has its IPv4 clients in the other family.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
    time::Duration,
};

use rustix::{
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::{self, SocketAddrNetlink},
        recv, sendto, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};

use crate::{Failure, FailureKind};

/// Most sockets that one dump may bring.
pub(super) const SOCKETS_MAX: usize = 16_384;
/// Most ports that one dump may ask for: the filter's jumps are 16 bits wide.
pub(super) const PORTS_MAX: usize = 1_024;
/// How long the kernel may take.
const DEADLINE: Duration = Duration::from_secs(1);
/// Room for one piece of an answer; the kernel sends 32 KiB at most.
const BUFFER_BYTES: usize = 64 << 10;

const HEADER_BYTES: usize = 16;
/// `struct inet_diag_msg`.
const SOCKET_BYTES: usize = 72;
const FLAG_REQUEST: u16 = 0x001;
const FLAG_DUMP: u16 = 0x300;
const TYPE_ERROR: u16 = 2;
const TYPE_DONE: u16 = 3;
/// `TCPDIAG_GETSOCK`, the older request.
const TYPE_OLDER: u16 = 18;
/// `SOCK_DIAG_BY_FAMILY`.
const TYPE_BY_FAMILY: u16 = 20;
/// Attributes: the filter of a request, and `struct tcp_info` in an answer.
const ATTRIBUTE_FILTER: u16 = 1;
const ATTRIBUTE_INFO: u16 = 2;
const WITH_INFO: u8 = 1 << (ATTRIBUTE_INFO - 1);
const TCP: u8 = 6;
/// Every state but `TIME_WAIT`, of which there may be tens of thousands and which costs nothing.
const STATES: u32 = 0xfff & !(1 << 6);
/// Listeners have a table of their own, so that asking for them alone spares the kernel the other.
const LISTENING: u32 = 1 << 10;

/// The sockets that listen: the address as bound, and the inode. By port, IPv4 before IPv6.
pub(crate) fn listening() -> Result<Vec<(SocketAddr, u64)>, Failure> {
    let mut sockets = Diag::open()?.dump_states(LISTENING, 0, &[])?;
    sockets.retain(|socket| socket.state == State::Listen);
    sockets.sort_by_key(|socket| (socket.id.local().port(), socket.id.family));
    Ok(sockets.iter().map(|socket| (socket.id.local(), u64::from(socket.inode))).collect())
}

/// The state of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Established,
    SynReceived,
    FinWait1,
    FinWait2,
    CloseWait,
    LastAck,
    Closing,
    Listen,
}

impl State {
    /// All but `Listen`, as they are named in labels.
    pub(super) const CONNECTED: &[(Self, &'static str)] = &[
        (Self::Established, "established"),
        (Self::SynReceived, "syn_recv"),
        (Self::FinWait1, "fin_wait1"),
        (Self::FinWait2, "fin_wait2"),
        (Self::CloseWait, "close_wait"),
        (Self::LastAck, "last_ack"),
        (Self::Closing, "closing"),
    ];

    fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Established,
            3 | 12 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            _ => return None,
        })
    }
}

/// What names one socket until the machine stops: its family, addresses, ports and the kernel's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    family: u8,
    /// `struct inet_diag_sockid`, as the kernel sent it.
    bytes: [u8; 48],
}

impl Id {
    #[cfg(test)]
    pub(super) fn for_tests(family: u8, bytes: [u8; 48]) -> Self {
        Self { family, bytes }
    }

    fn port(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    fn address(&self, at: usize) -> IpAddr {
        let mut sixteen = [0; 16];
        sixteen.copy_from_slice(&self.bytes[at..at + 16]);
        if i32::from(self.family) == i32::from(AddressFamily::INET.as_raw()) {
            let [a, b, c, d, ..] = sixteen;
            return IpAddr::V4(Ipv4Addr::new(a, b, c, d));
        }
        let six = Ipv6Addr::from(sixteen);
        six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4)
    }

    /// This end.
    pub(super) fn local(&self) -> SocketAddr {
        SocketAddr::new(self.address(4), self.port(0))
    }

    /// The other end.
    pub(super) fn remote(&self) -> SocketAddr {
        SocketAddr::new(self.address(20), self.port(2))
    }

    /// The other end's socket, where that is on this machine too.
    pub(super) fn reversed(&self) -> Self {
        let mut bytes = self.bytes;
        bytes[0..2].copy_from_slice(&self.bytes[2..4]);
        bytes[2..4].copy_from_slice(&self.bytes[0..2]);
        bytes[4..20].copy_from_slice(&self.bytes[20..36]);
        bytes[20..36].copy_from_slice(&self.bytes[4..20]);
        // No interface, and any cookie.
        bytes[36..40].fill(0);
        bytes[40..48].fill(0xff);
        Self { family: self.family, bytes }
    }
}

/// A socket as of now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Socket {
    pub(super) id: Id,
    pub(super) state: State,
    /// Of a listener the connections that wait to be accepted; else bytes that wait to be read.
    pub(super) receive_queue: u32,
    /// Of a listener the most that may wait; else bytes that are not acknowledged.
    pub(super) send_queue: u32,
    pub(super) inode: u32,
    /// Absent of listeners and of sockets that are half open.
    pub(super) info: Option<Info>,
}

/// What is used of `struct tcp_info`. Counters run from the start of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Info {
    /// Milliseconds since data was sent, and since it came.
    pub(super) sent_ago_ms: u32,
    pub(super) received_ago_ms: u32,
    pub(super) path_mtu: u32,
    pub(super) rtt_us: u32,
    pub(super) retransmits: u32,
    pub(super) bytes_received: u64,
    pub(super) min_rtt_us: Option<u32>,
    /// Segments with data, those sent again included.
    pub(super) segments_sent: Option<u32>,
    /// Microseconds with data to send; of these, held up by the peer's window and by our own buffer.
    pub(super) busy_us: Option<u64>,
    pub(super) rwnd_limited_us: Option<u64>,
    pub(super) sndbuf_limited_us: Option<u64>,
    /// Bytes sent, those sent again included.
    pub(super) bytes_sent: Option<u64>,
    pub(super) bytes_sent_again: Option<u64>,
}

impl Info {
    fn read(bytes: &[u8]) -> Option<Self> {
        let four = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
        let eight = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes);
        Some(Self {
            sent_ago_ms: four(44)?,
            received_ago_ms: four(52)?,
            path_mtu: four(60)?,
            rtt_us: four(68)?,
            retransmits: four(100)?,
            bytes_received: eight(128)?,
            // All ones until the first measurement.
            min_rtt_us: four(148).filter(|rtt| *rtt != u32::MAX),
            segments_sent: four(156),
            busy_us: eight(168),
            rwnd_limited_us: eight(176),
            sndbuf_limited_us: eight(184),
            bytes_sent: eight(200),
            bytes_sent_again: eight(208),
        })
    }
}

/// An open line to the kernel.
#[derive(Debug)]
pub(super) struct Diag {
    socket: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Diag {
    pub(super) fn open() -> Result<Self, Failure> {
        let failed = |error: Errno| Failure::from_io("sock_diag", &error.into());
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )
        .map_err(failed)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(DEADLINE)).map_err(failed)?;
        Ok(Self { socket, buffer: vec![0; BUFFER_BYTES], sequence: 0 })
    }

    /// The sockets at the given local ports, listeners included.
    pub(super) fn dump(&mut self, ports: &[u16]) -> Result<Vec<Socket>, Failure> {
        self.dump_states(STATES, WITH_INFO, &filter(&ports[..ports.len().min(PORTS_MAX)]))
    }

    fn dump_states(
        &mut self,
        states: u32,
        extensions: u8,
        filter: &[u8],
    ) -> Result<Vec<Socket>, Failure> {
        let mut request = vec![0, 0, 0, extensions];
        request.extend_from_slice(&[0; 48]);
        request.extend_from_slice(&states.to_ne_bytes());
        request.extend_from_slice(&[0; 4]);
        if !filter.is_empty() {
            request.extend_from_slice(&((filter.len() + 4) as u16).to_ne_bytes());
            request.extend_from_slice(&ATTRIBUTE_FILTER.to_ne_bytes());
            request.extend_from_slice(filter);
        }
        self.ask(TYPE_OLDER, FLAG_REQUEST | FLAG_DUMP, &request)?;
        let mut found = Vec::new();
        loop {
            match self.take(&mut found)? {
                Progress::Nothing | Progress::Some => {}
                Progress::Done => return Ok(found),
                Progress::Missing => {
                    let detail = "sock_diag: this kernel has no inet_diag";
                    return Err(Failure::new(FailureKind::Absent, detail));
                }
            }
        }
    }

    /// One socket; `None` once it is gone.
    pub(super) fn find(&mut self, id: &Id) -> Result<Option<Socket>, Failure> {
        let mut request = vec![id.family, TCP, WITH_INFO, 0];
        request.extend_from_slice(&u32::MAX.to_ne_bytes());
        request.extend_from_slice(&id.bytes);
        self.ask(TYPE_BY_FAMILY, FLAG_REQUEST, &request)?;
        let mut found = Vec::new();
        while self.take(&mut found)? == Progress::Nothing {}
        // A lookup falls back on the listener of the port.
        Ok(found.into_iter().find(|socket| socket.id.remote() == id.remote()))
    }

    fn ask(&mut self, kind: u16, flags: u16, request: &[u8]) -> Result<(), Failure> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = Vec::with_capacity(HEADER_BYTES + request.len());
        message.extend_from_slice(&((HEADER_BYTES + request.len()) as u32).to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&flags.to_ne_bytes());
        message.extend_from_slice(&self.sequence.to_ne_bytes());
        message.extend_from_slice(&[0; 4]);
        message.extend_from_slice(request);
        sendto(&self.socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))
            .map(drop)
            .map_err(|error| Failure::from_io("sock_diag", &error.into()))
    }

    /// Takes one piece of the answer to the last question.
    fn take(&mut self, found: &mut Vec<Socket>) -> Result<Progress, Failure> {
        let buffer = self.buffer.as_mut_slice();
        let (length, _) = retry_on_intr(|| recv(&self.socket, &mut *buffer, RecvFlags::empty()))
            .map_err(|error| Failure::from_io("sock_diag", &error.into()))?;
        let piece = self.buffer.get(..length).unwrap_or_default();
        read(piece, self.sequence, found)
    }
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// A piece of an older answer, whose question was given up.
    Nothing,
    Some,
    Done,
    /// What was asked for does not exist.
    Missing,
}

/// Reads one piece of an answer.
fn read(mut piece: &[u8], sequence: u32, found: &mut Vec<Socket>) -> Result<Progress, Failure> {
    let mut progress = Progress::Nothing;
    while let Some((header, _)) = piece.split_at_checked(HEADER_BYTES) {
        let two = |at: usize| header.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes);
        let four = |at: usize| header.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
        let length = four(0).unwrap_or_default() as usize;
        let Some(message) = piece.get(HEADER_BYTES..length) else {
            return Err(Failure::new(FailureKind::Malformed, "sock_diag: a cut message"));
        };
        let (kind, is_ours) = (two(4).unwrap_or_default(), four(8) == Some(sequence));
        match kind {
            // Both carry an error of the system, or zero.
            TYPE_DONE | TYPE_ERROR if is_ours => return end(message),
            TYPE_OLDER | TYPE_BY_FAMILY if is_ours => {
                progress = Progress::Some;
                if found.len() < SOCKETS_MAX {
                    found.extend(socket(message));
                }
            }
            _ => {}
        }
        piece = piece.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(progress)
}

/// What the end of an answer says.
fn end(message: &[u8]) -> Result<Progress, Failure> {
    let code = message.get(..4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    let Some(code) = code.filter(|code| *code < 0) else { return Ok(Progress::Done) };
    match Errno::from_raw_os_error(code.saturating_neg()) {
        Errno::NOENT => Ok(Progress::Missing),
        error => Err(Failure::from_io("sock_diag", &error.into())),
    }
}

fn socket(message: &[u8]) -> Option<Socket> {
    let fixed: &[u8; SOCKET_BYTES] = message.first_chunk()?;
    let four =
        |at: usize| u32::from_ne_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let mut bytes = [0; 48];
    bytes.copy_from_slice(&fixed[4..52]);
    let state = State::from_number(fixed[1])?;
    let has_info = !matches!(state, State::Listen | State::SynReceived);
    Some(Socket {
        id: Id { family: fixed[0], bytes },
        state,
        receive_queue: four(56),
        send_queue: four(60),
        inode: four(68),
        info: attribute(&message[SOCKET_BYTES..], ATTRIBUTE_INFO)
            .filter(|_| has_info)
            .and_then(Info::read),
    })
}

/// The value of the attribute of one type.
fn attribute(mut rest: &[u8], wanted: u16) -> Option<&[u8]> {
    while let Some((header, _)) = rest.split_at_checked(4) {
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]);
        let value = rest.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// A program for the kernel that lets sockets at these local ports through. Each port takes two
/// comparisons of eight bytes and a jump to the end of four; a jump past the end refuses.
fn filter(ports: &[u16]) -> Vec<u8> {
    const JUMP: u8 = 1;
    const AT_LEAST: u8 = 2;
    const AT_MOST: u8 = 3;
    const BLOCK_BYTES: u16 = 20;
    let mut program = Vec::with_capacity(ports.len() * usize::from(BLOCK_BYTES));
    let mut operation = |code: u8, then: u8, otherwise: u16| {
        program.extend_from_slice(&[code, then]);
        program.extend_from_slice(&otherwise.to_ne_bytes());
    };
    for (index, port) in ports.iter().enumerate() {
        let after = (ports.len() - index - 1) as u16 * BLOCK_BYTES;
        // To the next port, or past the end.
        let next = if after == 0 { BLOCK_BYTES + 4 } else { BLOCK_BYTES };
        operation(AT_LEAST, 8, next);
        operation(0, 0, *port);
        operation(AT_MOST, 8, next - 8);
        operation(0, 0, *port);
        operation(JUMP, 4, after + 4);
    }
    program
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
    };

    use proptest::prelude::*;

    use super::*;

    /// A connection to `listener` and its two ends.
    fn connect(listener: &TcpListener, host: &str) -> (TcpStream, TcpStream) {
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect((host, port)).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn at<'a>(found: &'a [Socket], remote: &TcpStream) -> &'a Socket {
        let remote = remote.local_addr().unwrap();
        found.iter().find(|socket| socket.id.remote() == remote).unwrap()
    }

    #[test]
    fn own_connections_of_both_families() {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        // The standard library's listener takes both families.
        let second = TcpListener::bind("[::]:0").unwrap();
        let third = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut client, mut server) = connect(&first, "127.0.0.1");
        let (mapped, _mapped) = connect(&second, "127.0.0.1");
        let (six, _six) = connect(&second, "::1");
        let (other, _other) = connect(&third, "127.0.0.1");
        let waiting = TcpStream::connect(first.local_addr().unwrap()).unwrap();
        client.write_all(&[7; 1_000]).unwrap();
        server.read_exact(&mut [0; 1_000]).unwrap();
        server.write_all(&[7; 300]).unwrap();
        client.read_exact(&mut [0; 300]).unwrap();
        let ports = [first.local_addr().unwrap().port(), second.local_addr().unwrap().port()];
        let mut diag = Diag::open().unwrap();
        let found = diag.dump(&ports).unwrap();
        let listening: Vec<_> =
            found.iter().filter(|socket| socket.state == State::Listen).collect();
        assert_eq!(listening.len(), 2, "{found:?}");
        assert_eq!(found.len(), 6, "{found:?}");
        let ours = listening.iter().find(|socket| socket.id.local().port() == ports[0]).unwrap();
        assert_eq!(ours.receive_queue, 1, "one connection was not accepted");
        assert!(ours.send_queue >= 100, "{ours:?}");
        for stream in [&mapped, &six, &waiting] {
            assert_eq!(at(&found, stream).state, State::Established);
        }
        assert!(found.iter().all(|socket| socket.id.remote() != other.local_addr().unwrap()));
        let busy = at(&found, &client);
        let info = busy.info.unwrap();
        assert_eq!((info.bytes_received, info.bytes_sent), (1_000, Some(300)));
        assert_eq!((info.segments_sent, info.retransmits), (Some(1), 0));
        assert!(info.rtt_us > 0 && info.rtt_us < 1_000_000, "{info:?}");
        let again = diag.find(&busy.id).unwrap().unwrap();
        assert_eq!(again.info.unwrap().bytes_received, 1_000);
        let listener = diag.find(&ours.id).unwrap().unwrap();
        assert_eq!((listener.state, listener.receive_queue), (State::Listen, 1));
        let peer = diag.find(&busy.id.reversed()).unwrap().unwrap();
        assert_eq!(peer.id.local(), client.local_addr().unwrap());
        let gone = Id { bytes: [9; 48], ..busy.id };
        assert_eq!(diag.find(&gone).unwrap(), None);
    }

    /// The same numbers as iproute2's `ss` reads, where that is installed.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the oracle is a program")]
    fn ss_agrees() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut client, mut server) = connect(&listener, "127.0.0.1");
        for _ in 0..5 {
            client.write_all(&[1; 777]).unwrap();
            server.read_exact(&mut [0; 777]).unwrap();
            server.write_all(&[1; 99]).unwrap();
            client.read_exact(&mut [0; 99]).unwrap();
        }
        let port = listener.local_addr().unwrap().port();
        let ss = std::process::Command::new("ss")
            .args(["-tinH", "state", "established", "sport", "=", &format!(":{port}")])
            .output();
        let Ok(ss) = ss else { return };
        let text = String::from_utf8(ss.stdout).unwrap();
        let of = |name: &str| {
            let word = text.split_whitespace().find_map(|word| word.strip_prefix(name));
            word.unwrap_or_else(|| panic!("{name} is not in {text}")).to_owned()
        };
        let found = Diag::open().unwrap().dump(&[port]).unwrap();
        let info = at(&found, &client).info.unwrap();
        assert_eq!(of("bytes_received:"), info.bytes_received.to_string());
        assert_eq!(of("bytes_sent:"), info.bytes_sent.unwrap().to_string());
        assert_eq!(of("data_segs_out:"), info.segments_sent.unwrap().to_string());
        assert_eq!(of("pmtu:"), info.path_mtu.to_string());
        let rtt: f64 = of("rtt:").split('/').next().unwrap().parse().unwrap();
        assert!((rtt * 1e3 - f64::from(info.rtt_us)).abs() < 1.0, "{rtt} ms, {info:?}");
        let least: f64 = of("minrtt:").parse().unwrap();
        assert!((least * 1e3 - f64::from(info.min_rtt_us.unwrap())).abs() < 1.0, "{info:?}");
    }

    #[test]
    fn older_kernels_send_less() {
        assert_eq!(Info::read(&[0; 100]), None);
        let info = Info::read(&[1; 152]).unwrap();
        assert_eq!((info.segments_sent, info.bytes_sent, info.busy_us), (None, None, None));
    }

    proptest! {
        #[test]
        fn any_answer_is_survived(piece: Vec<u8>, state in 0_u8..16, info: Vec<u8>) {
            read(&piece, 0, &mut Vec::new()).ok();
            prop_assert!(attribute(&piece, ATTRIBUTE_INFO).is_none_or(|value| value.len() < piece.len()));
            let mut message = vec![2, state];
            message.extend_from_slice(&[1; 70]);
            message.extend_from_slice(&((info.len().min(60_000) + 4) as u16).to_ne_bytes());
            message.extend_from_slice(&ATTRIBUTE_INFO.to_ne_bytes());
            message.extend_from_slice(&info);
            let found = socket(&message);
            prop_assert!(found.is_none_or(|found| found.inode == 0x0101_0101));
        }
    }
}
