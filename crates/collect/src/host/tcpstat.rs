//! TCP connections by state, from the kernel's socket diagnostics (netlink, no privileges).
//!
//! The question is put in the kernel's older form, whose one answer covers IPv4 and IPv6, and leaves out
//! waiting connections (TIME_WAIT), of which a busy host has tens of thousands: their number is in
//! `/proc/net/sockstat`. Listening sockets count as such but add nothing to the bytes that wait, because
//! what the kernel reports in the same place for them are connections. It sees its own network namespace.

use std::time::Duration;

use model::{Labels, catalogue::NODE_TCP_CONNECTION_STATES, sample::Batch};
use rustix::{
    fd::OwnedFd,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::{self, SocketAddrNetlink},
        recv, sendto, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};

use super::{
    Context, Sampler,
    read::{Kept, lines, number, words},
};
use crate::{Failure, FailureKind};

/// States by the kernel's number, beginning with 1.
const STATES: [&str; 12] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
    "new_syn_recv",
];
const TIME_WAIT: u8 = 6;
const LISTEN: u8 = 10;
/// A request of a connection that is not accepted yet; to people the same as `syn_recv`.
const NEW_SYN_RECV: usize = 12;
const SYN_RECV: usize = 3;

/// Room for one piece of the answer.
const PIECE_BYTES: usize = 32 << 10;
/// An answer of more pieces is given up: that many connections take too long to count.
const PIECES_MAX: usize = 4_096;
/// The kernel answers at once; this only bounds what must not happen.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

const HEADER_BYTES: usize = 16;
/// Question: header, families and ports (52 bytes), states, and one unused word.
const QUESTION_BYTES: usize = HEADER_BYTES + 60;
const STATES_AT: usize = HEADER_BYTES + 52;
/// `TCPDIAG_GETSOCK`.
const QUESTION_KIND: u16 = 18;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const QUESTION_FLAGS: u16 = 0x301;
const ANSWER_ERROR: u16 = 2;
const ANSWER_DONE: u16 = 3;

struct TcpStat {
    socket: OwnedFd,
    buffer: Box<[u8]>,
    sockstat: Option<Kept>,
    states: [Labels; 11],
    queued: [Labels; 2],
}

/// What an answer adds up to.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    states: [u64; 12],
    received: u64,
    sent: u64,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let name = |what: &str| context.series(&NODE_TCP_CONNECTION_STATES, &[("state", what)]);
    let failed = |error: rustix::io::Errno| {
        Failure::from_io("the kernel's socket diagnostics", &error.into())
    };
    let kind = SocketType::DGRAM;
    let (family, protocol) = (AddressFamily::NETLINK, netlink::SOCK_DIAG);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, Some(protocol)).map_err(failed)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_TIMEOUT)).map_err(failed)?;
    let mut states = STATES.iter().map(|state| name(state));
    Ok(Box::new(TcpStat {
        socket,
        buffer: vec![0; PIECE_BYTES].into(),
        sockstat: Kept::open(&context.root, "/proc/net/sockstat").ok(),
        states: std::array::from_fn(|_| states.next().unwrap_or_else(Labels::empty)),
        queued: [name("rx_queued_bytes"), name("tx_queued_bytes")],
    }))
}

fn question() -> [u8; QUESTION_BYTES] {
    let mut question = [0; QUESTION_BYTES];
    let states: u32 = !(1 << TIME_WAIT);
    for (at, bytes) in [
        (0, &(QUESTION_BYTES as u32).to_ne_bytes()[..]),
        (4, &QUESTION_KIND.to_ne_bytes()),
        (6, &QUESTION_FLAGS.to_ne_bytes()),
        (STATES_AT, &states.to_ne_bytes()),
    ] {
        question[at..at + bytes.len()].copy_from_slice(bytes);
    }
    question
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Adds a piece of the answer up. Returns whether it was the last.
fn add(counts: &mut Counts, mut piece: &[u8]) -> Result<bool, Failure> {
    let malformed = || Failure::new(FailureKind::Malformed, "socket diagnostics: a broken answer");
    while piece.len() >= HEADER_BYTES {
        let length = word(piece, 0).ok_or_else(malformed)? as usize;
        let kind = (word(piece, 4).ok_or_else(malformed)? & 0xffff) as u16;
        let message = piece.get(HEADER_BYTES..length).ok_or_else(malformed)?;
        match kind {
            ANSWER_DONE => return Ok(true),
            ANSWER_ERROR => {
                let code = word(message, 0).unwrap_or_default().cast_signed();
                let error = std::io::Error::from_raw_os_error(code.wrapping_neg());
                return Err(Failure::from_io("the kernel's socket diagnostics", &error));
            }
            QUESTION_KIND => counts.count(message),
            _ => {}
        }
        piece = piece.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

impl Counts {
    /// A socket: family, state, timer, retransmits, addresses (48 bytes), expiry, both queues.
    fn count(&mut self, message: &[u8]) {
        let Some(state) = message.get(1) else { return };
        let Some(count) = self.states.get_mut(usize::from(*state).wrapping_sub(1)) else { return };
        *count += 1;
        if *state != LISTEN {
            self.received += u64::from(word(message, 56).unwrap_or_default());
            self.sent += u64::from(word(message, 60).unwrap_or_default());
        }
    }
}

impl TcpStat {
    fn ask(&mut self) -> Result<Counts, Failure> {
        let failed = |error: rustix::io::Errno| {
            Failure::from_io("the kernel's socket diagnostics", &error.into())
        };
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.socket, &question(), SendFlags::empty(), &kernel).map_err(failed)?;
        let mut counts = Counts::default();
        for _ in 0..PIECES_MAX {
            let (count, _) =
                recv(&self.socket, &mut *self.buffer, RecvFlags::empty()).map_err(failed)?;
            if add(&mut counts, self.buffer.get(..count).unwrap_or_default())? {
                return Ok(counts);
            }
        }
        Err(Failure::new(FailureKind::TooLarge, "more TCP connections than can be counted"))
    }

    /// Waiting connections, which were not asked for.
    fn waiting(&mut self) -> Option<u64> {
        let text = self.sockstat.as_mut()?.read().ok()?;
        let line = lines(text).find_map(|line| line.strip_prefix(b"TCP:"))?;
        let mut words = words(line).skip_while(|word| *word != b"tw");
        words.nth(1).and_then(number)
    }
}

impl Sampler for TcpStat {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let mut counts = self.ask()?;
        counts.states[SYN_RECV - 1] += counts.states[NEW_SYN_RECV - 1];
        let waiting = self.waiting();
        for (at, (labels, count)) in self.states.iter().zip(counts.states).enumerate() {
            let is_waiting = at + 1 == usize::from(TIME_WAIT);
            let count = if is_waiting { waiting } else { Some(count) };
            if let Some(count) = count {
                batch.push(labels, count as f64);
            }
        }
        let [received, sent] = &self.queued;
        batch.push(received, counts.received as f64);
        batch.push(sent, counts.sent as f64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use model::{Clock, UnixMs};
    use proptest::prelude::*;

    use super::*;

    fn socket(state: u8, received: u32, sent: u32) -> Vec<u8> {
        let mut message = vec![0; 72];
        message[1] = state;
        message[56..60].copy_from_slice(&received.to_ne_bytes());
        message[60..64].copy_from_slice(&sent.to_ne_bytes());
        message
    }

    fn answer(kind: u16, message: &[u8]) -> Vec<u8> {
        let length = (HEADER_BYTES + message.len()) as u32;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(message);
        bytes
    }

    #[test]
    fn answers() {
        let mut counts = Counts::default();
        let piece = [
            answer(QUESTION_KIND, &socket(1, 5, 7)),
            answer(QUESTION_KIND, &socket(LISTEN, 3, 4096)),
            answer(QUESTION_KIND, &socket(77, 0, 0)),
        ];
        assert_eq!(add(&mut counts, &piece.concat()), Ok(false));
        assert_eq!((counts.states[0], counts.states[9]), (1, 1));
        assert_eq!((counts.received, counts.sent), (5, 7));
        assert_eq!(add(&mut counts, &answer(ANSWER_DONE, &[0; 4])), Ok(true));
        let refusal = answer(ANSWER_ERROR, &(-13_i32).to_ne_bytes());
        let failure = add(&mut counts, &refusal).unwrap_err();
        assert_eq!(failure.kind, FailureKind::PermissionDenied);
        let mut lying = answer(QUESTION_KIND, &[]);
        lying[0] = 200;
        assert_eq!(add(&mut counts, &lying).unwrap_err().kind, FailureKind::Malformed);
    }

    #[test]
    fn own_connections_are_among_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let context =
            Context { root: "/".into(), instance: "n".into(), clock: Clock::manual(UnixMs(0)) };
        let mut batch = Batch::default();
        open(&context).unwrap().sample(&mut batch).unwrap();
        let value = |state: &str| {
            let mut found =
                batch.samples.iter().filter(|(labels, _)| labels.get("state") == Some(state));
            found.next().unwrap().1
        };
        assert!(value("established") >= 2.0 && value("listen") >= 1.0, "{batch:?}");
        assert_eq!(batch.samples.len(), 13);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            drop(add(&mut Counts::default(), &bytes));
        }
    }
}
